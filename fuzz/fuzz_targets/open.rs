//! A valid envelope, changed at will: whatever opens, by whichever way, is the plaintext that was sealed.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use s3seal::envelope::*;

/// What is sealed, and what happens to the envelope before it is opened.
#[derive(Debug, Arbitrary)]
struct Case {
    mode: u8,
    /// Plaintext bytes, taken modulo 1,200: up to five frames of 256 bytes.
    bytes: u16,
    known: bool,
    portable: bool,
    changes: Vec<Change>,
    /// Sizes of the pieces the opener is fed with, used in turn.
    pieces: Vec<u8>,
    range: (u16, u16),
}

#[derive(Debug, Arbitrary)]
enum Change {
    Flip {
        at: u16,
        mask: u8,
    },
    Cut {
        to: u16,
    },
    Append {
        bytes: Vec<u8>,
    },
    Insert {
        at: u16,
        bytes: Vec<u8>,
    },
    Remove {
        at: u16,
        bytes: u8,
    },
    Swap {
        a: u16,
        b: u16,
        bytes: u16,
    },
    /// Bytes of a second envelope, under the same keys and name, at the same place.
    Splice {
        at: u16,
        bytes: u16,
    },
}

impl Change {
    fn apply(&self, envelope: &mut Vec<u8>, donor: &[u8]) {
        let within = |at: u16, length: usize| usize::from(at) % (length + 1);
        match self {
            Self::Flip { at, mask } => {
                if let Some(length) = envelope.len().checked_sub(1) {
                    envelope[within(*at, length)] ^= mask;
                }
            }
            Self::Cut { to } => envelope.truncate(within(*to, envelope.len())),
            Self::Append { bytes } => envelope.extend_from_slice(bytes),
            Self::Insert { at, bytes } => {
                let at = within(*at, envelope.len());
                envelope.splice(at..at, bytes.iter().copied());
            }
            Self::Remove { at, bytes } => {
                let at = within(*at, envelope.len());
                envelope.drain(at..envelope.len().min(at + usize::from(*bytes)));
            }
            Self::Swap { a, b, bytes } => {
                let (a, b) = (within(*a, envelope.len()), within(*b, envelope.len()));
                for i in 0..usize::from(*bytes) {
                    if a.max(b) + i < envelope.len() {
                        envelope.swap(a + i, b + i);
                    }
                }
            }
            Self::Splice { at, bytes } => {
                let length = envelope.len().min(donor.len());
                let at = within(*at, length);
                let end = length.min(at + usize::from(*bytes));
                envelope[at..end].copy_from_slice(&donor[at..end]);
            }
        }
    }
}

fn seal_streaming(keys: Keys<'_>, slot: &Slot, name: &Identity, plain: &[u8], known: bool) -> Vec<u8> {
    let options = Options { frame_size: FrameSize::MIN, ..Options::default() };
    let length = known.then_some(plain.len() as u64);
    let mut sealer = Sealer::new(keys, slot, name, length, options).unwrap();
    let mut envelope = sealer.header().to_vec();
    let mut out = Vec::new();
    sealer.update(plain, &mut out).unwrap();
    envelope.extend_from_slice(&out);
    sealer.finish(&mut out).unwrap();
    envelope.extend_from_slice(&out);
    envelope
}

fuzz_target!(|case: Case| {
    let (one, two) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
    let customer = CustomerKey::generate().unwrap();
    let arn: KeyArn =
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
    let wrapped = |fill| WrappedKey::new(vec![fill; 40]).unwrap();
    let context = EncryptionContext::new([("team", "blue")]).unwrap();
    let (slot, keys) = match case.mode % 5 {
        0 => (Slot::SseS3 { root_version: 1, wrapped: wrapped(1) }, Keys::One(&one)),
        1 => (Slot::SseKms { key: arn, wrapped: wrapped(1), context }, Keys::One(&one)),
        2 => {
            let (wrapped_bucket_key, wrapped) = (wrapped(1), wrapped(2));
            let slot =
                Slot::SseKmsBucketKey { key: arn, generation: 1, wrapped_bucket_key, wrapped, context };
            (slot, Keys::One(&one))
        }
        3 => {
            let (wrapped_inner, wrapped_outer) = (wrapped(1), wrapped(2));
            let slot = Slot::DsseKms { key: arn, wrapped_inner, root_version: 1, wrapped_outer, context };
            (slot, Keys::Two { inner: &one, outer: &two })
        }
        _ => (Slot::SseC, Keys::Customer(&customer)),
    };
    let name = Identity::object("bucket", "key");
    let backend = if case.portable { Backend::Portable } else { Backend::default() };
    let plain: Vec<u8> = (0..case.bytes % 1_200).map(|i| (i % 251) as u8).collect();
    let other: Vec<u8> = plain.iter().map(|byte| !byte).collect();
    let sealed = seal_streaming(keys, &slot, &name, &plain, case.known);
    let donor = seal_streaming(keys, &slot, &name, &other, case.known);
    let mut changed = sealed.clone();
    for change in &case.changes {
        change.apply(&mut changed, &donor);
    }
    // The donor whole is a valid object of the same name: restoring an old object is not detected.
    let plain =
        if changed == donor || (changed != sealed && changed.starts_with(&donor[..header_bytes(&slot)])) {
            other
        } else {
            plain
        };
    let intact = changed == sealed || changed == donor;

    match open(keys, &name, &changed) {
        Ok(opened) => {
            assert!(intact, "a changed envelope opened");
            assert_eq!(opened, plain);
        }
        Err(_) => assert!(!intact, "an intact envelope did not open"),
    }
    let Ok(header) = Header::parse(&changed) else { return };
    let Ok(unlocked) = header.unlock(keys, &name, backend) else { return };
    let mut body = &changed[header.as_bytes().len()..];

    let range = ByteRange::FromTo { first: case.range.0.into(), last: case.range.1.into() };
    if let Ok(plan) = unlocked.plan_range(range, changed.len() as u64) {
        let read = |range: &std::ops::Range<u64>| &changed[range.start as usize..range.end as usize];
        let last = plan.last_frame().as_ref().map(read).unwrap_or_default();
        if let Ok(opened) = unlocked.open_range(&plan, read(&plan.frames()), last, Threads::One) {
            let span = plan.plaintext().start as usize..plan.plaintext().end as usize;
            assert_eq!(plain.get(span), Some(&opened[..]));
        }
    }

    let mut opener = unlocked.opener(Threads::One);
    let (mut out, mut released, mut failed) = (Vec::new(), Vec::new(), false);
    let mut sizes = case.pieces.iter().cycle();
    while !body.is_empty() {
        let size = sizes.next().map_or(body.len(), |size| usize::from(*size) * 5 + 1).min(body.len());
        failed |= opener.update(&body[..size], &mut out).is_err();
        released.extend_from_slice(&out);
        body = &body[size..];
    }
    failed |= opener.finish(&mut out).is_err();
    released.extend_from_slice(&out);
    assert_eq!(failed, !intact);
    assert!(plain.starts_with(&released), "the stream let out what is not the plaintext");
    assert!(failed || released == plain);
});
