//! Claims of the envelope: against bare aws-lc-rs over the same frames, and against itself on one core or one layer.

use std::hint::black_box;
use std::time::Duration;

use s3seal::envelope::*;

use crate::board::{Board, Goal, time};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const FRAME: usize = 64 * KIB;

/// A data key with the slot that it stands in, as SSE-KMS writes it.
struct Sealed {
    key: DataKey,
    outer: DataKey,
    slot: Slot,
    double: Slot,
    identity: Identity,
}

impl Sealed {
    fn new() -> Self {
        let (key, outer) = (DataKey::generate().expect("random"), DataKey::generate().expect("random"));
        let kms = WrappingKey::generate().expect("random");
        let context = EncryptionContext::of_object("bucket", "some/object/key").expect("short");
        let arn: KeyArn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
            .parse()
            .expect("valid");
        let wrapped = kms.wrap(&key, &context).expect("random");
        let slot =
            Slot::SseKms { key: arn.clone(), wrapped: wrapped.clone(), context: EncryptionContext::empty() };
        let double = Slot::DsseKms {
            key: arn,
            wrapped_inner: wrapped,
            root_version: 1,
            wrapped_outer: kms.wrap(&outer, &context).expect("random"),
            context: EncryptionContext::empty(),
        };
        Self { key, outer, slot, double, identity: Identity::object("bucket", "some/object/key") }
    }

    fn seal_into(&self, plain: &[u8], threads: Threads, out: &mut Vec<u8>) {
        let options = Options { threads, ..Options::default() };
        seal_into(Keys::One(&self.key), &self.slot, &self.identity, plain, options, out).expect("seals");
    }

    fn seal_double_into(&self, plain: &[u8], out: &mut Vec<u8>) {
        let options = Options { threads: Threads::One, ..Options::default() };
        let keys = Keys::Two { inner: &self.key, outer: &self.outer };
        seal_into(keys, &self.double, &self.identity, plain, options, out).expect("seals");
    }

    fn unlock(&self, envelope: &[u8]) -> (usize, Unlocked) {
        let header = Header::parse(envelope).expect("ours");
        let unlocked =
            header.unlock(Keys::One(&self.key), &self.identity, Backend::default()).expect("the right key");
        (header.as_bytes().len(), unlocked)
    }
}

/// Bare AES-256-GCM over frames in place, no header: the limit.
struct Bare(aws_lc_rs::aead::LessSafeKey);

impl Bare {
    fn new() -> Self {
        use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes")))
    }

    fn nonce(i: usize) -> aws_lc_rs::aead::Nonce {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&(i as u64).to_be_bytes());
        aws_lc_rs::aead::Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&self, buffer: &mut [u8], tags: &mut [[u8; 16]]) {
        for (i, (frame, tag)) in buffer.chunks_mut(FRAME).zip(tags).enumerate() {
            let sealed = self
                .0
                .seal_in_place_separate_tag(Self::nonce(i), aws_lc_rs::aead::Aad::empty(), frame)
                .expect("seals");
            tag.copy_from_slice(sealed.as_ref());
        }
    }

    fn open(&self, sealed: &[u8], tags: &[[u8; 16]], out: &mut [u8]) {
        for (i, ((frame, tag), out)) in sealed.chunks(FRAME).zip(tags).zip(out.chunks_mut(FRAME)).enumerate()
        {
            self.0
                .open_separate_gather(Self::nonce(i), aws_lc_rs::aead::Aad::empty(), frame, tag, out)
                .expect("opens");
        }
    }
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 251) as u8).collect()
}

pub(crate) fn run(board: &mut Board) {
    one_mebibyte(board);
    two_cores(board);
    small_object(board);
    two_layers(board);
    range(board);
}

fn one_mebibyte(board: &mut Board) {
    if !["seal_1MiB", "open_1MiB", "seal_1MiB_allocations"].iter().any(|name| board.wants(name)) {
        return;
    }
    let (ours, bare) = (Sealed::new(), Bare::new());
    let plain = bytes(MIB);
    let mut envelope = Vec::new();
    ours.seal_into(&plain, Threads::One, &mut envelope);
    let (mut buffer, mut tags) = (plain.clone(), vec![[0; 16]; MIB / FRAME]);
    board.speed(
        "seal_1MiB",
        Goal::AtLeast(0.93),
        "aws-lc-rs in place, same frames",
        &mut |n| time(n, || ours.seal_into(&plain, Threads::One, &mut envelope)),
        &mut |n| time(n, || bare.seal(&mut buffer, &mut tags)),
    );
    let before = crate::allocations();
    ours.seal_into(&plain, Threads::One, &mut envelope);
    let allocations = (crate::allocations() - before) as f64;
    board.line("seal_1MiB_allocations", allocations, "allocations", Goal::AtMost(0.0), "", None);

    let (header, unlocked) = ours.unlock(&envelope);
    let mut opened = Vec::new();
    unlocked.open_into(&envelope[header..], Threads::One, &mut opened).expect("opens");
    assert_eq!(opened, plain);
    buffer.copy_from_slice(&plain);
    bare.seal(&mut buffer, &mut tags);
    let mut out = vec![0; MIB];
    board.speed(
        "open_1MiB",
        Goal::AtLeast(0.93),
        "aws-lc-rs out of place, same frames",
        &mut |n| {
            time(n, || {
                let (header, unlocked) = ours.unlock(&envelope);
                unlocked.open_into(&envelope[header..], Threads::One, &mut opened).expect("opens");
            })
        },
        &mut |n| time(n, || bare.open(&buffer, &tags, &mut out)),
    );
    assert!(!board.wants("open_1MiB") || out == plain, "the peer opens what it sealed");
}

fn two_cores(board: &mut Board) {
    if !board.wants("seal_64MiB_2cores") {
        return;
    }
    let ours = Sealed::new();
    let plain = bytes(64 * MIB);
    let (mut one, mut pool) = (Vec::new(), Vec::new());
    ours.seal_into(&plain, Threads::One, &mut one);
    ours.seal_into(&plain, Threads::Pool, &mut pool);
    board.speed(
        "seal_64MiB_2cores",
        Goal::AtLeast(1.7),
        "itself on one core",
        &mut |n| time(n, || ours.seal_into(&plain, Threads::Pool, &mut pool)),
        &mut |n| time(n, || ours.seal_into(&plain, Threads::One, &mut one)),
    );
    // What the two cores have to give: machines are let by the share, and memory is one for both.
    let (mut whole, mut halves, half) = (plain.clone(), plain, 32 * MIB);
    let mut tags = vec![[0; 16]; 64 * MIB / FRAME];
    let mut both = tags.clone();
    let (bare, name) = (Bare::new(), "seal_64MiB_2cores_bare");
    board.speed(
        name,
        Goal::Shown,
        "itself on one core: aws-lc-rs in place",
        &mut |n| {
            time(n, || {
                let ((a, b), (c, d)) = (halves.split_at_mut(half), both.split_at_mut(half / FRAME));
                rayon::join(|| bare.seal(a, c), || bare.seal(b, d));
            })
        },
        &mut |n| time(n, || bare.seal(&mut whole, &mut tags)),
    );
}

fn small_object(board: &mut Board) {
    if !board.wants("seal_1KiB_object") {
        return;
    }
    let ours = Sealed::new();
    let plain = bytes(KIB);
    let mut envelope = Vec::new();
    let mut buffer = plain.clone();
    let raw = &mut |n| {
        time(n, || {
            let tag = Bare::new()
                .0
                .seal_in_place_separate_tag(Bare::nonce(0), aws_lc_rs::aead::Aad::empty(), &mut buffer)
                .expect("seals");
            black_box(tag.as_ref()[0])
        })
    };
    let whole = &mut |n| time(n, || ours.seal_into(&plain, Threads::One, &mut envelope));
    let mut salt = [0_u8; 32];
    let kernel = &mut |n| time(n, || getrandom::fill(&mut salt).expect("random"));
    board.cost("seal_1KiB_object", Goal::AtMost(6.0), "aws-lc-rs one-shot with key set-up", whole, raw);
    // The split of the whole: what the kernel takes for the salt, what AES takes, and the rest.
    let pairs = (board.race("seal_1KiB_object", whole, kernel), board.race("seal_1KiB_object", whole, raw));
    if let (Some(salt), Some(raw)) = pairs {
        let name = "seal_1KiB_object split";
        board.line(name, salt.peer, "ns: salt from the kernel", Goal::Shown, "", None);
        board.line(name, raw.peer, "ns: key set-up, AES-GCM", Goal::Shown, "", None);
        let rest = raw.ours - raw.peer - salt.peer;
        board.line(name, rest, "ns: HKDF, slot tag, header", Goal::Shown, "", None);
    }
}

fn two_layers(board: &mut Board) {
    if !board.wants("dsse_seal") {
        return;
    }
    let ours = Sealed::new();
    let plain = bytes(MIB);
    let (mut single, mut double) = (Vec::new(), Vec::new());
    board.speed(
        "dsse_seal",
        Goal::AtLeast(0.45),
        "one layer, 1 MiB",
        &mut |n| time(n, || ours.seal_double_into(&plain, &mut double)),
        &mut |n| time(n, || ours.seal_into(&plain, Threads::One, &mut single)),
    );
}

fn range(board: &mut Board) {
    if !board.wants("range_open_4KiB_of_64MiB") {
        return;
    }
    let (ours, bare) = (Sealed::new(), Bare::new());
    let plain = bytes(64 * MIB);
    let mut envelope = Vec::new();
    ours.seal_into(&plain, Threads::Pool, &mut envelope);
    // The same places for the peer: a frame that lies in the caches opens in half the time.
    let mut frames = plain.clone();
    let mut tags = vec![[0; 16]; 64 * MIB / FRAME];
    for (frame, tag) in frames.chunks_mut(FRAME).zip(&mut tags) {
        bare.seal(frame, std::slice::from_mut(tag));
    }
    let mut out = vec![0; FRAME];
    // Places spread over the object; one in sixteen crosses a frame's edge.
    let next = |first: &mut u64| {
        *first = (*first + 0x0123_4567) % (64 * MIB as u64 - 4_096);
        *first
    };
    let (mut first, mut peer_first) = (0_u64, 0_u64);
    let mut open_range = || {
        let first = next(&mut first);
        let (_, unlocked) = ours.unlock(&envelope);
        let range = ByteRange::FromTo { first, last: first + 4_095 };
        let plan = unlocked.plan_range(range, envelope.len() as u64).expect("within");
        let frames = &envelope[plan.frames().start as usize..plan.frames().end as usize];
        unlocked.open_range(&plan, frames, &[], Threads::One).expect("opens")
    };
    let opened = open_range();
    assert_eq!(opened[..], plain[0x0123_4567..0x0123_4567 + 4_096]);
    board.cost(
        "range_open_4KiB_of_64MiB",
        Goal::AtMost(3.0),
        "one 64 KiB frame with aws-lc-rs",
        &mut |n| -> Duration { time(n, &mut open_range) },
        &mut |n| {
            time(n, || {
                let frame = next(&mut peer_first) as usize / FRAME;
                bare.open(&frames[frame * FRAME..][..FRAME], &tags[frame..=frame], &mut out);
            })
        },
    );
}
