//! Any bytes as each of the other formats: never a panic, always an end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3seal::workload::log::{Format, LogReader, Manifest, Seen, Turn};

fuzz_target!(|bytes: &[u8]| {
    let _ = Manifest::parse(bytes);
    let named = ["inventory", "oracle-general", "ibm-cos", "twitter", "meta", "csv"];
    let formats = named.into_iter().map(|name| name.parse::<Format>().unwrap());
    for format in formats.chain(Format::guess(bytes)) {
        let Ok(mut reader) = LogReader::open("log", bytes, &format) else { continue };
        let mut seen = Seen::new(16);
        let mut turns = 0;
        while !matches!(reader.turn(&mut seen).unwrap(), Turn::End) {
            turns += 1;
            assert!(turns <= 2 * bytes.len() + 20);
        }
    }
});
