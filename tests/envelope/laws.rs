//! Laws of the envelope over random inputs: round trips, chunking, ranges, back ends, lengths, rewrap.
#![allow(clippy::cast_possible_truncation)] // bytes of a pattern; offsets of buffers in memory

use proptest::prelude::*;
use s3seal::envelope::*;

use crate::key_service::{Held, Service, arn};

fn plaintext(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i * 31 + i / 256) as u8).collect()
}

fn identity() -> Identity {
    Identity::object("bucket", "key")
}

/// Splits `bytes` at pseudo-random places that follow from `cuts`.
fn pieces<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut out = Vec::new();
    for cut in cuts {
        let (head, rest) = bytes.split_at(cut % (bytes.len() + 1));
        out.push(head);
        bytes = rest;
    }
    out.push(bytes);
    out
}

fn options(frame_log2: u32, backend: usize) -> Options {
    Options {
        frame_size: FrameSize::new(1 << frame_log2).unwrap(),
        backend: Backend::ALL[backend % Backend::ALL.len()],
        ..Options::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_sealed_opens_in_any_mode_size_frame_and_chunking_and_lengths_match_the_formulas(
        mode in 0..5_usize,
        bytes in 0..5_000_usize,
        frame_log2 in 8..12_u32,
        known in any::<bool>(),
        backend in 0..2_usize,
        seal_cuts in prop::collection::vec(any::<usize>(), 0..6),
        open_cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let service = Service::new();
        let (slot, held) = service.slot(mode);
        let plain = plaintext(bytes);
        let options = options(frame_log2, backend);
        let length = known.then_some(bytes as u64);
        let mut sealer = Sealer::new(held.keys(), &slot, &identity(), length, options).unwrap();
        let mut sealed = sealer.header().to_vec();
        prop_assert_eq!(sealed.len(), header_bytes(&slot));
        let mut out = Vec::new();
        for piece in pieces(&plain, &seal_cuts) {
            sealer.update(piece, &mut out).unwrap();
            sealed.extend_from_slice(&out);
        }
        sealer.finish(&mut out).unwrap();
        sealed.extend_from_slice(&out);
        prop_assert_eq!(sealed.len() as u64, sealed_bytes(&slot, options.frame_size, bytes as u64));

        let header = Header::parse(&sealed).unwrap();
        prop_assert_eq!(header.slot(), &slot);
        let stored = service.unwrap(header.slot());
        let unlocked = header.unlock(stored.keys(), &identity(), Backend::Portable).unwrap();
        prop_assert_eq!(unlocked.plaintext_bytes(), length);
        let body = &sealed[header.as_bytes().len()..];
        prop_assert_eq!(unlocked.layout().plaintext_bytes(body.len() as u64), Some(bytes as u64));
        prop_assert_eq!(&unlocked.open(body, Threads::One).unwrap(), &plain);
        prop_assert_eq!(&open(stored.keys(), &identity(), &sealed).unwrap(), &plain);

        let mut opener = unlocked.opener(Threads::One);
        let mut opened = Vec::new();
        for piece in pieces(body, &open_cuts) {
            opener.update(piece, &mut out).unwrap();
            opened.extend_from_slice(&out);
        }
        opener.finish(&mut out).unwrap();
        opened.extend_from_slice(&out);
        prop_assert_eq!(&opened, &plain);
    }

    #[test]
    fn opening_a_range_equals_slicing_the_plaintext(
        mode in 0..5_usize,
        bytes in 1..5_000_u64,
        frame_log2 in 8..11_u32,
        known in any::<bool>(),
        a in any::<u64>(),
        b in any::<u64>(),
        kind in 0..3_usize,
    ) {
        let service = Service::new();
        let (slot, held) = service.slot(mode);
        let plain = plaintext(bytes as usize);
        let options = options(frame_log2, 0);
        let mut sealer =
            Sealer::new(held.keys(), &slot, &identity(), known.then_some(bytes), options).unwrap();
        let mut sealed = sealer.header().to_vec();
        let mut out = Vec::new();
        sealer.update(&plain, &mut out).unwrap();
        sealed.extend_from_slice(&out);
        sealer.finish(&mut out).unwrap();
        sealed.extend_from_slice(&out);

        let header = Header::parse(&sealed).unwrap();
        let unlocked = header.unlock(held.keys(), &identity(), Backend::default()).unwrap();
        let first = a % bytes;
        let (range, expected) = match kind {
            0 => {
                let last = first + b % (bytes * 2);
                (ByteRange::FromTo { first, last }, first..(last + 1).min(bytes))
            }
            1 => (ByteRange::From(first), first..bytes),
            _ => {
                let suffix = 1 + b % (bytes * 2);
                (ByteRange::Suffix(suffix), bytes.saturating_sub(suffix)..bytes)
            }
        };
        let plan = unlocked.plan_range(range, sealed.len() as u64).unwrap();
        prop_assert_eq!(&plan.plaintext(), &expected);
        let read = |range: &std::ops::Range<u64>| &sealed[range.start as usize..range.end as usize];
        // At most one frame more than the range itself at either side.
        let stride = unlocked.layout().stride() as u64;
        let frames = (plan.frames().end - plan.frames().start).div_ceil(stride);
        prop_assert!(frames <= (expected.end - expected.start).div_ceil(options.frame_size.bytes() as u64) + 1);
        let last = plan.last_frame().as_ref().map(read).unwrap_or_default();
        let opened = unlocked.open_range(&plan, read(&plan.frames()), last, Threads::One).unwrap();
        prop_assert_eq!(&opened[..], &plain[expected.start as usize..expected.end as usize]);
    }

    #[test]
    fn a_rewrapped_object_opens_through_its_new_slot_and_its_body_is_untouched(
        from in 0..3_usize,
        to in 0..3_usize,
        bytes in 0..3_000_usize,
    ) {
        let service = Service::new();
        let (slot, held) = service.slot(from);
        let plain = plaintext(bytes);
        let sealed = seal(held.keys(), &slot, &identity(), &plain, options(8, 0)).unwrap();
        let header = Header::parse(&sealed).unwrap();
        // The same data key under another wrapping.
        let Held::One(key) = &held else { unreachable!("modes 0 to 2 have one key") };
        let context = EncryptionContext::of_object("bucket", "key").unwrap();
        let new_slot = match to {
            0 => Slot::SseS3 { root_version: 4, wrapped: service.root.wrap(key, &context).unwrap() },
            _ => Slot::SseKms {
                key: arn(),
                wrapped: service.kms.wrap(key, &context).unwrap(),
                context: EncryptionContext::new([("moved", "yes")]).unwrap(),
            },
        };
        let mut moved = rewrap(&header, held.keys(), &identity(), &new_slot).unwrap();
        moved.extend_from_slice(&sealed[header.as_bytes().len()..]);
        let stored = service.unwrap(Header::parse(&moved).unwrap().slot());
        prop_assert_eq!(open(stored.keys(), &identity(), &moved).unwrap(), plain);
        // Nothing else than the slot and its tag changed.
        prop_assert_eq!(&moved[..88], &sealed[..88]);
    }
}

#[test]
fn both_back_ends_open_what_the_other_sealed_also_in_parallel() {
    let service = Service::new();
    for mode in [1, 3] {
        let (slot, held) = service.slot(mode);
        let plain = plaintext(PARALLEL_BYTES_MIN + 12_345);
        for backend in Backend::ALL {
            for threads in [Threads::One, Threads::Pool] {
                let options = Options { backend: *backend, threads, ..Options::default() };
                let sealed = seal(held.keys(), &slot, &identity(), &plain, options).unwrap();
                let header = Header::parse(&sealed).unwrap();
                for other in Backend::ALL {
                    let unlocked = header.unlock(held.keys(), &identity(), *other).unwrap();
                    for threads in [Threads::One, Threads::Pool] {
                        let opened = unlocked.open(&sealed[header.as_bytes().len()..], threads).unwrap();
                        assert!(opened == plain);
                    }
                }
            }
        }
    }
}

#[test]
fn a_buffer_used_again_holds_the_new_envelope_whatever_it_held() {
    let service = Service::new();
    let (slot, held) = service.slot(1);
    let mut sealed = vec![0xEE; 100_000];
    for bytes in [70_000, 10, 0, 70_000, 200_000] {
        let plain = plaintext(bytes);
        seal_into(held.keys(), &slot, &identity(), &plain, Options::default(), &mut sealed).unwrap();
        assert_eq!(open(held.keys(), &identity(), &sealed).unwrap(), plain);
    }
}

#[test]
fn a_part_number_that_s3_has_not_is_refused_before_anything_is_sealed() {
    let (key, identity) = (CustomerKey::generate().unwrap(), Identity::text("object"));
    for number in [0, 10_001, u16::MAX] {
        let options = Options { part: Part::Number(number), ..Options::default() };
        let refused = seal(Keys::Customer(&key), &Slot::SseC, &identity, b"body", options);
        assert_eq!(refused, Err(SealError::PartNumber { number }));
    }
}

#[test]
fn a_range_plan_opens_only_the_object_that_it_was_made_for() {
    let (key, identity) = (CustomerKey::generate().unwrap(), Identity::text("object"));
    let plan_of = |bytes: usize| {
        let envelope =
            seal(Keys::Customer(&key), &Slot::SseC, &identity, &vec![7; bytes], Options::default()).unwrap();
        let header = Header::parse(&envelope).unwrap();
        let unlocked = header.unlock(Keys::Customer(&key), &identity, Backend::default()).unwrap();
        let range = ByteRange::FromTo { first: 5, last: 70_000 };
        (unlocked.plan_range(range, envelope.len() as u64).unwrap(), unlocked, envelope)
    };
    let (plan, unlocked, envelope) = plan_of(200_000);
    let frames = &envelope[plan.frames().start as usize..plan.frames().end as usize];
    assert_eq!(unlocked.open_range(&plan, frames, &[], Threads::One), Ok(vec![7; 69_996]));
    let (other, _, _) = plan_of(80_000);
    assert_eq!(unlocked.open_range(&other, frames, &[], Threads::One), Err(OpenError::OtherPlan));
    let backwards = ByteRange::FromTo { first: 5, last: 4 };
    assert_eq!(
        unlocked.plan_range(backwards, envelope.len() as u64),
        Err(OpenError::RangeBackwards { first: 5, last: 4 })
    );
}
