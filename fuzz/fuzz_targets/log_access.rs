//! Any bytes as an S3 access log: never a panic, and fields in the order of the line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3seal::workload::log::{AccessLine, Format, LogReader, Seen, Turn};

fuzz_target!(|bytes: &[u8]| {
    for line in bytes.split(|byte| *byte == b'\n') {
        let _ = Format::guess(line);
        match AccessLine::parse(line) {
            Err(error) => assert!(error.at <= line.len()),
            Ok(found) => {
                let place = |field: &[u8]| field.as_ptr() as usize - line.as_ptr() as usize;
                let fields = [
                    found.owner, found.bucket, found.remote_ip, found.requester, found.request_id, found.operation,
                    found.key, found.uri, found.status, found.error, found.bytes_sent, found.object_size,
                    found.total_ms, found.turnaround_ms,
                ];
                assert!(fields.windows(2).all(|two| place(two[0]) + two[0].len() < place(two[1]) + 1));
                let _ = found.entry();
            }
        }
    }
    let mut reader = LogReader::open("log", bytes, &Format::S3Access).unwrap();
    let mut seen = Seen::new(16);
    let mut turns = 0;
    while !matches!(reader.turn(&mut seen).unwrap(), Turn::End) {
        turns += 1;
        assert!(turns <= bytes.len() + 1);
    }
});
