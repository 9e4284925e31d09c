//! Any bytes as a log that is profiled, and as a profile: never a panic, and what is written reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3seal::workload::log::{Account, Format, LogReader, Seen, Turn};
use s3seal::workload::profile::{Profile, ProfileOptions, Profiler};

fuzz_target!(|bytes: &[u8]| {
    let _ = Profile::from_json(bytes);
    let Some(format) = Format::guess(bytes) else { return };
    let Ok(mut reader) = LogReader::open("log", bytes, &format) else { return };
    let mut profiler = Profiler::new(ProfileOptions::default());
    let (mut account, mut seen) = (Account::default(), Seen::new(16));
    loop {
        match reader.turn(&mut seen).unwrap() {
            Turn::Entry(entry) => {
                account.read += 1;
                profiler.record(&entry);
            }
            Turn::Duplicate => {
                account.read += 1;
                profiler.duplicate();
            }
            Turn::Bad(bad) => {
                account.read += 1;
                account.add_bad("log", bad);
            }
            Turn::Again => {}
            Turn::End => break,
        }
    }
    let profile = profiler.finish(&account);
    let _ = profile.to_text(80);
    let text = profile.to_json();
    let mut again = Profile::from_json(text.as_bytes()).unwrap();
    assert_eq!(again.to_json(), text);
    again.merge(&Profile::default()).unwrap();
    assert_eq!(again.to_json(), text);
});
