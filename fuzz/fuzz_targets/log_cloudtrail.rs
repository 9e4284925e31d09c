//! Any bytes as `CloudTrail`: never a panic, always an end, wherever the input is cut into pieces.
#![no_main]

use std::io::BufReader;

use libfuzzer_sys::fuzz_target;
use s3seal::workload::log::{Format, LogReader, Seen, Turn};

fn read(input: impl std::io::BufRead, length: usize) -> Vec<String> {
    let mut reader = LogReader::open("log", input, &Format::CloudTrail).unwrap();
    let (mut seen, mut all, mut turns) = (Seen::new(16), Vec::new(), 0);
    loop {
        turns += 1;
        assert!(turns <= 2 * length + 20, "it ends");
        match reader.turn(&mut seen).unwrap() {
            Turn::Again => {}
            Turn::End => return all,
            turn => all.push(format!("{turn:?}")),
        }
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let whole = read(bytes, bytes.len());
    let pieces = read(BufReader::with_capacity(usize::from(piece) + 1, bytes), bytes.len());
    assert_eq!(whole, pieces);
});
