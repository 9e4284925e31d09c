//! Any bytes as a header: never a panic, and what parses is in canonical form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3seal::envelope::{EncryptionContext, HEADER_BYTES_MAX, Header, header_bytes};

fuzz_target!(|bytes: &[u8]| {
    let read = Header::read(&mut &bytes[..]);
    let parsed = Header::parse(bytes);
    assert_eq!(read.is_ok(), parsed.is_ok(), "reading and parsing agree");
    if let Ok(length) = Header::length(bytes) {
        assert!(length <= HEADER_BYTES_MAX);
    }
    if let Ok(header) = parsed {
        assert_eq!(header.as_bytes(), &bytes[..header.as_bytes().len()]);
        assert_eq!(header_bytes(header.slot()), header.as_bytes().len(), "one encoding for each slot");
        let _ = format!("{header:?}");
    }
    if let Ok(context) = EncryptionContext::from_canonical_bytes(bytes) {
        assert_eq!(context.canonical_bytes(), bytes, "one encoding for each context");
    }
});
