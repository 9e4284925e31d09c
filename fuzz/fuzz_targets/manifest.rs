//! Any bytes as a manifest: never a panic, and what parses keeps the manifest's laws.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3seal::envelope::{Manifest, PLAINTEXT_BYTES_MAX};

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::from_bytes(bytes) else { return };
    let parts = manifest.parts();
    assert!(parts.windows(2).all(|pair| pair[0].number < pair[1].number), "numbers ascend");
    let total = manifest.plaintext_bytes();
    assert!(total <= PLAINTEXT_BYTES_MAX);
    // Any range falls into pieces that lie in their parts and add up to it.
    let first = bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(257).wrapping_add((*byte).into()));
    let range = first % (total + 1)..total;
    let mut sum = 0;
    for (index, piece) in manifest.locate(range.clone()) {
        assert!(piece.start < piece.end && piece.end <= parts[index].plaintext_bytes);
        sum += piece.end - piece.start;
    }
    assert_eq!(sum, range.end - range.start);
});
