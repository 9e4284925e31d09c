//! Every way to change a small envelope is refused, and what the streaming and range openers let out before they
//! notice is the plaintext's own.
#![expect(
    clippy::cast_possible_truncation,
    clippy::similar_names,
    reason = "objects are small; sealer and sealed are the words of the field"
)]

use s3seal::envelope::*;

use crate::key_service::{Held, Service};

const MODES: std::ops::Range<usize> = 0..5;
/// No frame, a last frame that is cut, and one that is full.
const SIZES: [usize; 3] = [0, 600, 512];
/// Where the header's fixed pieces lie.
const SALT: std::ops::Range<usize> = 24..56;
const COMMITMENT: std::ops::Range<usize> = 56..88;
const SLOT_FROM: usize = 88;
const SLOT_TAG_BYTES: usize = 32;

/// An envelope and all that is needed to open it.
struct Object {
    held: Held,
    identity: Identity,
    plain: Vec<u8>,
    known: bool,
    sealed: Vec<u8>,
    header: usize,
    layout: Layout,
}

fn identity() -> Identity {
    Identity::object("bucket", "key")
}

impl Object {
    fn seal(slot: &Slot, held: &Held, identity: &Identity, plain: &[u8], known: bool, part: Part) -> Self {
        let options = Options { frame_size: FrameSize::MIN, part, ..Options::default() };
        let length = known.then_some(plain.len() as u64);
        let mut sealer = Sealer::new(held.keys(), slot, identity, length, options).unwrap();
        let mut sealed = sealer.header().to_vec();
        let mut out = Vec::new();
        sealer.update(plain, &mut out).unwrap();
        sealed.extend_from_slice(&out);
        sealer.finish(&mut out).unwrap();
        sealed.extend_from_slice(&out);
        Self {
            held: copy(held),
            identity: identity.clone(),
            plain: plain.to_vec(),
            known,
            header: header_bytes(slot),
            layout: Layout { frame: FrameSize::MIN, suite: slot.suite() },
            sealed,
        }
    }

    /// The object of a mode under fresh keys.
    fn of(service: &Service, mode: usize, bytes: usize, known: bool) -> Self {
        let (slot, held) = service.slot(mode);
        Self::seal(&slot, &held, &identity(), &plaintext(bytes), known, Part::Whole)
    }

    /// Every mode, with and without a known length, in every size.
    fn all(service: &Service) -> impl Iterator<Item = Self> {
        MODES.flat_map(move |mode| {
            [true, false].into_iter().flat_map(move |known| {
                SIZES.into_iter().map(move |bytes| Self::of(service, mode, bytes, known))
            })
        })
    }

    fn frames(&self) -> Vec<&[u8]> {
        self.sealed[self.header..].chunks(self.layout.stride()).collect()
    }

    /// This envelope with other frames.
    fn with_frames(&self, frames: &[&[u8]]) -> Vec<u8> {
        [&self.sealed[..self.header], &frames.concat()].concat()
    }

    /// Checks that no way of opening takes `changed` for this object; gives the one-shot error.
    fn refuses(&self, changed: &[u8], what: &str) -> OpenError {
        let error = open(self.held.keys(), &self.identity, changed).expect_err(what);
        if let Ok(header) = Header::parse(changed)
            && let Ok(unlocked) = header.unlock(self.held.keys(), &self.identity, Backend::default())
        {
            self.ranges_stay_authentic(&unlocked, changed, what);
            let body = &changed[header.as_bytes().len()..];
            for chunk in [7, self.layout.stride(), self.layout.stride() + 1, body.len().max(1)] {
                let unlocked = header.unlock(self.held.keys(), &self.identity, Backend::default()).unwrap();
                self.stream_stays_authentic(unlocked, body, chunk, what);
            }
        }
        error
    }

    fn stream_stays_authentic(&self, unlocked: Unlocked, body: &[u8], chunk: usize, what: &str) {
        let mut opener = unlocked.opener(Threads::One);
        let (mut out, mut released, mut failed) = (Vec::new(), Vec::new(), false);
        for piece in body.chunks(chunk) {
            let result = opener.update(piece, &mut out);
            assert!(!failed || (result.is_err() && out.is_empty()), "{what}: goes on after an error");
            failed |= result.is_err();
            released.extend_from_slice(&out);
        }
        failed |= opener.finish(&mut out).is_err();
        released.extend_from_slice(&out);
        assert!(failed, "{what}: the stream in pieces of {chunk} ends without an error");
        assert!(self.plain.starts_with(&released), "{what}: the stream let out what is not the plaintext");
    }

    /// Checks that what opens of a range is what stands there; gives the number of ranges that opened.
    fn ranges_stay_authentic(&self, unlocked: &Unlocked, changed: &[u8], what: &str) -> usize {
        let length = self.plain.len() as u64;
        let at = |range: &std::ops::Range<u64>| {
            let end = (range.end as usize).min(changed.len());
            &changed[(range.start as usize).min(end)..end]
        };
        let mut opened = 0;
        for (range, first, end) in [
            (ByteRange::FromTo { first: 0, last: 9 }, 0, 10.min(length)),
            (ByteRange::FromTo { first: 250, last: 260 }, 250, 261.min(length)),
            (ByteRange::FromTo { first: 500, last: 5_000 }, 500, length),
            (ByteRange::From(300), 300, length),
            (ByteRange::Suffix(5), length.saturating_sub(5), length),
            (ByteRange::Suffix(5_000), 0, length),
        ] {
            let Ok(plan) = unlocked.plan_range(range, changed.len() as u64) else { continue };
            let last = plan.last_frame().as_ref().map(at).unwrap_or_default();
            if let Ok(bytes) = unlocked.open_range(&plan, at(&plan.frames()), last, Threads::One) {
                let right = &self.plain[first.min(length) as usize..end as usize];
                assert!(bytes == right, "{what}: {range:?} opens to what does not stand there");
                opened += 1;
            }
        }
        opened
    }

    /// Checks that no range opens where the object's size is not the one it was sealed with.
    fn refuses_every_range(&self, changed: &[u8], what: &str) {
        if let Ok(header) = Header::parse(changed) {
            let unlocked = header.unlock(self.held.keys(), &self.identity, Backend::default()).unwrap();
            assert_eq!(self.ranges_stay_authentic(&unlocked, changed, what), 0, "{what}: a range opens");
        }
    }
}

fn copy(held: &Held) -> Held {
    match held {
        Held::One(key) => Held::One(key.clone()),
        Held::Two(inner, outer) => Held::Two(inner.clone(), outer.clone()),
        Held::Customer(key) => Held::Customer(key.clone()),
    }
}

fn plaintext(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i % 251) as u8).collect()
}

#[test]
fn every_flipped_bit_is_refused_with_the_error_of_its_place() {
    let service = Service::new();
    for object in Object::all(&service) {
        let tag_from = object.header - SLOT_TAG_BYTES;
        for bit in 0..object.sealed.len() * 8 {
            let at = bit / 8;
            let mut changed = object.sealed.clone();
            changed[at] ^= 1 << (bit % 8);
            let error = object.refuses(&changed, &format!("bit {bit}"));
            let right = match at {
                0..8 => error == OpenError::NotOurs,
                8 => error == OpenError::Version { version: changed[8] },
                9 => matches!(error, OpenError::Malformed { field: "suite", .. }),
                11 => matches!(error, OpenError::Malformed { field: "reserved byte", .. }),
                // Frame size, part number and length may change to another that is in range.
                10 | 12..24 => {
                    matches!(error, OpenError::WrongKeyOrHeader | OpenError::Malformed { .. })
                }
                _ if SALT.contains(&at) || COMMITMENT.contains(&at) => error == OpenError::WrongKeyOrHeader,
                // The slot's length, or a length or text within it, may stop it from being read.
                _ if at < tag_from => matches!(
                    error,
                    OpenError::SlotChanged
                        | OpenError::Malformed { .. }
                        | OpenError::Truncated { .. }
                        | OpenError::KeyKind { .. }
                ),
                _ if at < object.header => error == OpenError::SlotChanged,
                _ => {
                    let frame = ((at - object.header) / object.layout.stride()) as u64;
                    error == OpenError::Corrupt { frame }
                }
            };
            assert!(right, "bit {bit} of byte {at} gives {error:?}");
        }
    }
}

#[test]
fn every_truncation_is_refused_as_such() {
    let service = Service::new();
    for object in Object::all(&service) {
        let whole = object.sealed.len() as u64;
        for length in 0..object.sealed.len() {
            let error = object.refuses(&object.sealed[..length], &format!("cut to {length}"));
            object.refuses_every_range(&object.sealed[..length], &format!("cut to {length}"));
            let found = length as u64;
            let expected = if length < HEADER_PREFIX_BYTES {
                OpenError::Truncated { found, expected: Expected::Header }
            } else if length < object.header {
                OpenError::Truncated { found, expected: Expected::Bytes(object.header as u64) }
            } else {
                let body = found - object.header as u64;
                let tags = u64::from(object.layout.suite == Suite::Double) * 16 + 16;
                let rest = body % object.layout.stride() as u64;
                let frame = body / object.layout.stride() as u64;
                if object.known {
                    OpenError::Truncated { found, expected: Expected::Bytes(whole) }
                } else if rest > tags || (rest == tags && frame == 0) {
                    // A length that an object may have: what remains of the frame does not authenticate.
                    OpenError::Corrupt { frame }
                } else {
                    OpenError::Truncated { found, expected: Expected::LastFrame }
                }
            };
            assert_eq!(error, expected, "cut to {length}");
        }
    }
}

#[test]
fn every_extension_is_refused_as_such() {
    let service = Service::new();
    for object in Object::all(&service) {
        let whole = object.sealed.len() as u64;
        let stranger = Object::of(&service, 0, 600, object.known);
        let mut tails: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
        tails.extend((2..40).map(|bytes| vec![0; bytes]));
        tails.extend(object.frames().into_iter().chain(stranger.frames()).map(<[u8]>::to_vec));
        tails.push(object.sealed.clone());
        for tail in tails {
            let changed = [&object.sealed[..], &tail].concat();
            let error = object.refuses(&changed, &format!("{} bytes more", tail.len()));
            object.refuses_every_range(&changed, &format!("{} bytes more", tail.len()));
            let found = whole + tail.len() as u64;
            let body = found - object.header as u64;
            if object.known {
                assert_eq!(error, OpenError::Trailing { found, expected: Expected::Bytes(whole) });
            } else if object.plain.len() == 512 && object.layout.plaintext_bytes(body).is_some() {
                // The true last frame stands whole before the tail, so it is recognised.
                assert_eq!(error, OpenError::Trailing { found, expected: Expected::LastFrame });
            } else {
                assert!(matches!(
                    error,
                    OpenError::Truncated { expected: Expected::LastFrame, .. } | OpenError::Corrupt { .. }
                ));
            }
        }
    }
}

#[test]
fn frames_swapped_doubled_or_left_out_are_refused() {
    let service = Service::new();
    for mode in MODES {
        for known in [true, false] {
            for bytes in [1_024, 1_100] {
                let object = Object::of(&service, mode, bytes, known);
                let frames = object.frames();
                for i in 0..frames.len() {
                    for j in i + 1..frames.len() {
                        let mut swapped = frames.clone();
                        swapped.swap(i, j);
                        let error = object.refuses(&object.with_frames(&swapped), "two frames swapped");
                        assert_eq!(error, OpenError::Corrupt { frame: i as u64 });
                    }
                    let mut doubled = frames.clone();
                    doubled.insert(i, frames[i]);
                    object.refuses(&object.with_frames(&doubled), "a frame twice");
                    let mut fewer = frames.clone();
                    fewer.remove(i);
                    let error = object.refuses(&object.with_frames(&fewer), "a frame left out");
                    let cut = matches!(error, OpenError::Truncated { .. });
                    assert_eq!(cut, known || i + 1 == frames.len(), "{error:?}");
                }
            }
        }
    }
}

/// Which piece of an envelope each byte belongs to: fields of the core, salt, commitment, slot, slot tag, frames.
fn cut_into_pieces(object: &Object) -> Vec<&[u8]> {
    let tag_from = object.header - SLOT_TAG_BYTES;
    let edges = [0, SALT.start, SALT.end, COMMITMENT.end, tag_from, object.header];
    let mut out: Vec<&[u8]> = edges.windows(2).map(|edge| &object.sealed[edge[0]..edge[1]]).collect();
    out.extend(object.frames());
    out
}

#[test]
fn every_splice_of_pieces_from_another_object_is_refused() {
    let service = Service::new();
    for mode in MODES {
        for known in [true, false] {
            for bytes in [600, 512] {
                let (slot, held) = service.slot(mode);
                let plain = plaintext(bytes);
                let object = Object::seal(&slot, &held, &identity(), &plain, known, Part::Whole);
                let rewrapped = service.rewrapped(mode, &held).unwrap_or(slot.clone());
                let other_plain: Vec<u8> = plain.iter().map(|byte| !byte).collect();
                let (strange_slot, strange) = service.slot(mode);
                let strange =
                    if mode == 4 { Held::Customer(CustomerKey::generate().unwrap()) } else { strange };
                let other = Identity::object("bucket", "other");
                let seal = |slot, held, identity, length| {
                    Object::seal(slot, held, identity, &other_plain, length, Part::Whole)
                };
                let donors = [
                    ("same key and name", seal(&rewrapped, &held, &object.identity, known)),
                    ("same key, other name", seal(&rewrapped, &held, &other, known)),
                    ("other key", seal(&strange_slot, &strange, &object.identity, known)),
                    ("other length field", seal(&rewrapped, &held, &object.identity, !known)),
                ];
                for (name, donor) in &donors {
                    splice_all(name, &object, donor);
                }
            }
        }
    }
}

/// Every mixture of the pieces of two objects.
fn splice_all(name: &str, object: &Object, donor: &Object) {
    let (ours, theirs) = (cut_into_pieces(object), cut_into_pieces(donor));
    assert_eq!(ours.len(), theirs.len());
    for taken in 1..1_u32 << ours.len() {
        let mixed: Vec<u8> = (0..ours.len())
            .flat_map(|i| if taken >> i & 1 == 1 { theirs[i] } else { ours[i] })
            .copied()
            .collect();
        let what = format!("{name}: pieces {taken:b} from the other object");
        if mixed == object.sealed {
            continue; // the pieces taken are equal in both
        }
        if mixed == donor.sealed {
            // The whole other object. Under the same key and name it opens, and docs/FORMAT.md says so.
            let opened = open(object.held.keys(), &object.identity, &mixed);
            let same = matches!(name, "same key and name" | "other length field");
            assert_eq!(opened.is_ok_and(|plain| plain == donor.plain), same, "{what}");
            continue;
        }
        // A mixture whose header is wholly the donor's is the donor with a changed body.
        let victim = if mixed.starts_with(&donor.sealed[..donor.header]) { donor } else { object };
        let victim = Object { held: copy(&object.held), identity: object.identity.clone(), ..victim.copy() };
        victim.refuses(&mixed, &what);
    }
}

impl Object {
    fn copy(&self) -> Self {
        Self {
            held: copy(&self.held),
            identity: self.identity.clone(),
            plain: self.plain.clone(),
            sealed: self.sealed.clone(),
            ..*self
        }
    }
}

#[test]
fn another_name_opens_nothing() {
    let service = Service::new();
    let names = [
        Identity::object("bucket", "key"),
        Identity::object("bucket", "key2"),
        Identity::object("bucket", "KEY"),
        Identity::object("bucket2", "key"),
        Identity::object("bucketkey", ""),
        Identity::object("", "bucketkey"),
        Identity::object("key", "bucket"),
        Identity::upload("bucket", "key", ""),
        Identity::upload("bucket", "key", "upload-1"),
        Identity::upload("bucket", "key", "upload-2"),
        Identity::upload("bucket", "keyupload-1", ""),
        Identity::text(""),
        Identity::text("bucket/key"),
        Identity::text("bucketkey"),
    ];
    for mode in MODES {
        let (slot, held) = service.slot(mode);
        for sealed_as in &names {
            let object = Object::seal(&slot, &held, sealed_as, &plaintext(600), true, Part::Whole);
            for opened_as in &names {
                let opened = open(held.keys(), opened_as, &object.sealed);
                if opened_as == sealed_as {
                    assert_eq!(opened.unwrap(), object.plain);
                } else {
                    assert_eq!(opened, Err(OpenError::WrongKeyOrHeader), "{sealed_as:?} as {opened_as:?}");
                }
            }
        }
    }
}

#[test]
fn other_keys_open_nothing_and_keys_of_another_kind_are_named() {
    let service = Service::new();
    let (one, two) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
    let customer = CustomerKey::generate().unwrap();
    for mode in MODES {
        let object = Object::of(&service, mode, 600, true);
        let keys = [Keys::One(&one), Keys::Two { inner: &one, outer: &two }, Keys::Customer(&customer)];
        for (kind, keys) in keys.into_iter().enumerate() {
            let right_kind = [0, 0, 0, 1, 2][mode] == kind;
            match open(keys, &object.identity, &object.sealed) {
                Err(OpenError::WrongKeyOrHeader) => assert!(right_kind),
                Err(OpenError::KeyKind { .. }) => assert!(!right_kind),
                other => panic!("{other:?}"),
            }
        }
    }
    let object = Object::of(&service, 3, 600, true);
    let Held::Two(inner, outer) = &object.held else { unreachable!("mode 3 has two keys") };
    for (inner, outer) in [(outer, inner), (inner, &one), (&one, outer), (inner, inner), (outer, outer)] {
        let opened = open(Keys::Two { inner, outer }, &object.identity, &object.sealed);
        assert_eq!(opened, Err(OpenError::WrongKeyOrHeader));
    }
}

#[test]
fn parts_open_only_in_their_upload_and_stand_only_in_their_place() {
    let service = Service::new();
    for mode in MODES {
        let (slot, held) = service.slot(mode);
        let upload = |id: &str| Identity::upload("bucket", "key", id);
        let part = |id: &str, number, fill| {
            Object::seal(&slot, &held, &upload(id), &[fill; 300], true, Part::Number(number))
        };
        let unlock = |id: &str, object: &Object| {
            Header::parse(&object.sealed).unwrap().unlock(held.keys(), &upload(id), Backend::default())
        };
        let ours = [part("a", 1, 1), part("a", 2, 2), part("a", 3, 3)];
        let listed = ours.iter().map(|part| ManifestPart::of(&unlock("a", part).unwrap()).unwrap()).collect();
        let manifest = Manifest::new(listed).unwrap();
        let sealed = manifest.seal(held.keys(), &slot, &upload("a")).unwrap();
        assert_eq!(Manifest::open(held.keys(), &upload("a"), &sealed).unwrap(), manifest);

        let again = part("a", 2, 2);
        for i in 0..3 {
            for (j, part) in ours.iter().enumerate() {
                let check = manifest.check_part(i, &unlock("a", part).unwrap());
                assert_eq!(check.is_ok(), i == j);
            }
            let check = manifest.check_part(i, &unlock("a", &again).unwrap());
            let difference = if i == 1 { "salt" } else { "part number" };
            assert_eq!(check, Err(ManifestError::OtherPart { part: i as u16 + 1, difference }));
        }
        for number in 1..=3 {
            let strange = part("b", number, number as u8);
            assert_eq!(unlock("a", &strange).unwrap_err(), OpenError::WrongKeyOrHeader);
        }
        // Nor does a manifest of another upload, a part in the place of a manifest, or a changed manifest open.
        assert!(Manifest::open(held.keys(), &upload("b"), &sealed).is_err());
        let as_manifest = Manifest::open(held.keys(), &upload("a"), &ours[0].sealed);
        assert!(matches!(as_manifest, Err(ManifestError::NotAPart { .. })));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::open(held.keys(), &upload("a"), &changed).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn in_a_large_body_the_first_bad_frame_is_named_and_nothing_behind_it_comes_out() {
    let service = Service::new();
    let plain: Vec<u8> = (0..PARALLEL_BYTES_MIN + 100_000).map(|i| (i % 251) as u8).collect();
    for mode in [1, 3] {
        let (slot, held) = service.slot(mode);
        let sealed = seal(held.keys(), &slot, &identity(), &plain, Options::default()).unwrap();
        let unlock = |sealed: &[u8]| {
            Header::parse(sealed).unwrap().unlock(held.keys(), &identity(), Backend::default()).unwrap()
        };
        let (layout, header) = (unlock(&sealed).layout(), header_bytes(&slot));
        let last = layout.frames(plain.len() as u64) - 1;
        // The frames are in the same task of the pool, or in different ones.
        for (first, second) in [(0, 1), (3, 60), (17, 20), (last - 1, last), (last, last)] {
            let mut changed = sealed.clone();
            for frame in [first, second] {
                changed[header + frame as usize * layout.stride() + 5] ^= 1;
            }
            if first == second {
                changed[header + first as usize * layout.stride() + 5] ^= 2;
            }
            let error = OpenError::Corrupt { frame: first };
            let body = &changed[header..];
            assert_eq!(unlock(&changed).open(body, Threads::Pool), Err(error.clone()));
            let (mut opener, mut out) = (unlock(&changed).opener(Threads::Pool), Vec::new());
            assert_eq!(opener.update(body, &mut out), Err(error.clone()));
            assert_eq!(out.len(), first as usize * layout.frame.bytes());
            assert!(plain.starts_with(&out));
            assert_eq!(opener.finish(&mut out), Err(error));
        }
    }
}

/// What the format does not detect; docs/FORMAT.md names both.
#[test]
fn restoring_an_old_slot_or_a_whole_old_object_is_not_detected() {
    let service = Service::new();
    for mode in MODES {
        let (slot, held) = service.slot(mode);
        let old = Object::seal(&slot, &held, &identity(), b"old", true, Part::Whole);
        let new = Object::seal(&slot, &held, &identity(), b"new", true, Part::Whole);
        assert_ne!(old.sealed, new.sealed);
        assert_eq!(open(held.keys(), &identity(), &old.sealed).unwrap(), b"old");

        let Some(other) = service.rewrapped(mode, &held) else { continue };
        let header = Header::parse(&new.sealed).unwrap();
        let mut moved = rewrap(&header, held.keys(), &identity(), &other).unwrap();
        let end = moved.len();
        moved.extend_from_slice(&new.sealed[new.header..]);
        assert_eq!(open(held.keys(), &identity(), &moved).unwrap(), b"new");
        // The old header before the body that never changed.
        let restored = [&new.sealed[..new.header], &moved[end..]].concat();
        assert_eq!(open(held.keys(), &identity(), &restored).unwrap(), b"new");
        // The old slot under the new tag, and the reverse, are no slots at all.
        let slots = [header.as_bytes(), &moved[..end]].map(|h| &h[SLOT_FROM..h.len() - SLOT_TAG_BYTES]);
        let tags = [header.as_bytes(), &moved[..end]].map(|h| &h[h.len() - SLOT_TAG_BYTES..]);
        for (slot, tag) in [(slots[0], tags[1]), (slots[1], tags[0])] {
            let mixed = [&moved[..SLOT_FROM], slot, tag, &moved[end..]].concat();
            assert_eq!(open(held.keys(), &identity(), &mixed), Err(OpenError::SlotChanged));
        }
    }
}
