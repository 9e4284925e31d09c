//! The generator of the golden files: what each is, why it should open or fail, and its bytes.

use s3seal::envelope::*;

use crate::forge::{Forge, Key, Raw};

/// A golden file to be.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// `ok` or a variant of `OpenError`.
    pub(crate) expect: &'static str,
    pub(crate) why: &'static str,
    pub(crate) identity: String,
    pub(crate) keys: String,
    /// Whole plaintext, empty where none opens.
    pub(crate) plain: Vec<u8>,
    pub(crate) envelope: Vec<u8>,
}

const OBJECT: &str = "object bucket key";
const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// Offset of the slot's length field.
const SLOT: usize = 88;

/// Keys with known bytes, and the data keys under them.
struct Keyring {
    kms: Key,
    root: Key,
    customer: Key,
    one: DataKey,
    two: DataKey,
    wrapped_one: WrappedKey,
    wrapped_two: WrappedKey,
    cases: Vec<Case>,
}

fn random() -> Key {
    *CustomerKey::generate().unwrap().expose()
}

fn wrapping(key: &Key) -> WrappingKey {
    WrappingKey::import(&mut key.clone())
}

fn context() -> EncryptionContext {
    EncryptionContext::of_object("bucket", "key").unwrap()
}

fn plaintext(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// Which keys a case is opened with.
#[derive(Clone, Copy)]
enum With {
    One,
    Two,
    Customer,
}

impl Keyring {
    fn new() -> Self {
        let (kms, root) = (random(), random());
        let (one, two) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
        let wrapped_one = wrapping(&kms).wrap(&one, &context()).unwrap();
        let wrapped_two = wrapping(&root).wrap(&two, &context()).unwrap();
        Self { kms, root, customer: random(), one, two, wrapped_one, wrapped_two, cases: Vec::new() }
    }

    fn text(&self, with: With) -> String {
        let one = format!("{}:{}", hex::encode(self.kms), hex::encode(self.wrapped_one.as_bytes()));
        match with {
            With::One => format!("one {one}"),
            With::Two => {
                let root = hex::encode(self.root);
                format!("two {one} {root}:{}", hex::encode(self.wrapped_two.as_bytes()))
            }
            With::Customer => format!("customer {}", hex::encode(self.customer)),
        }
    }

    fn kms_slot(&self, context: &EncryptionContext) -> Slot {
        Slot::SseKms {
            key: ARN.parse().unwrap(),
            wrapped: self.wrapped_one.clone(),
            context: context.clone(),
        }
    }

    fn s3_slot(&self) -> Slot {
        let wrapped = wrapping(&self.root).wrap(&self.one, &context()).unwrap();
        Slot::SseS3 { root_version: 3, wrapped }
    }

    fn bucket_key_slot(&self) -> Slot {
        let bucket_key = DataKey::generate().unwrap();
        let bucket = EncryptionContext::of_bucket("bucket").unwrap();
        Slot::SseKmsBucketKey {
            key: ARN.parse().unwrap(),
            generation: 9,
            wrapped_bucket_key: wrapping(&self.kms).wrap(&bucket_key, &bucket).unwrap(),
            wrapped: WrappingKey::from_data_key(&bucket_key).wrap(&self.one, &context()).unwrap(),
            context: EncryptionContext::empty(),
        }
    }

    fn dsse_slot(&self) -> Slot {
        Slot::DsseKms {
            key: ARN.parse().unwrap(),
            wrapped_inner: self.wrapped_one.clone(),
            root_version: 3,
            wrapped_outer: self.wrapped_two.clone(),
            context: EncryptionContext::empty(),
        }
    }

    /// Sealed by the library.
    fn seal(&self, slot: &Slot, identity: &Identity, plain: &[u8], known: bool, part: Part) -> Vec<u8> {
        let customer = CustomerKey::new(&self.customer).unwrap();
        let keys = match slot {
            Slot::SseC => Keys::Customer(&customer),
            Slot::DsseKms { .. } => Keys::Two { inner: &self.one, outer: &self.two },
            _ => Keys::One(&self.one),
        };
        let options = Options { frame_size: FrameSize::MIN, part, ..Options::default() };
        if known {
            return seal(keys, slot, identity, plain, options).unwrap();
        }
        let mut sealer = Sealer::new(keys, slot, identity, None, options).unwrap();
        let (mut envelope, mut out) = (sealer.header().to_vec(), Vec::new());
        sealer.update(plain, &mut out).unwrap();
        envelope.extend_from_slice(&out);
        sealer.finish(&mut out).unwrap();
        envelope.extend_from_slice(&out);
        envelope
    }

    fn object(&self, slot: &Slot, bytes: usize, known: bool) -> Vec<u8> {
        self.seal(slot, &Identity::object("bucket", "key"), &plaintext(bytes), known, Part::Whole)
    }

    /// Made by hand: SSE-C, 600 bytes.
    fn forge(&self) -> Forge {
        let identity = crate::forge::identity(1, &["bucket", "key"]);
        Forge::new(Raw::Customer(self.customer), identity, &[5], &plaintext(600), random())
    }

    fn add(
        &mut self,
        name: &'static str,
        expect: &'static str,
        why: &'static str,
        with: With,
        plain: usize,
        envelope: Vec<u8>,
    ) {
        let plain = if expect == "ok" { plaintext(plain) } else { Vec::new() };
        let keys = self.text(with);
        self.cases.push(Case { name, expect, why, identity: OBJECT.into(), keys, plain, envelope });
    }

    fn ok(&mut self, name: &'static str, why: &'static str, with: With, plain: usize, envelope: Vec<u8>) {
        self.add(name, "ok", why, with, plain, envelope);
    }

    fn bad(
        &mut self,
        name: &'static str,
        expect: &'static str,
        why: &'static str,
        with: With,
        envelope: Vec<u8>,
    ) {
        self.add(name, expect, why, with, 0, envelope);
    }

    /// Made by hand and wrong in what `change` does; commitment and tags are right for it.
    fn forged(
        &mut self,
        name: &'static str,
        expect: &'static str,
        why: &'static str,
        change: impl FnOnce(&mut Forge),
    ) {
        let mut forge = self.forge();
        change(&mut forge);
        self.bad(name, expect, why, With::Customer, forge.build());
    }
}

/// Every golden file, with fresh keys.
pub(crate) fn cases() -> Vec<Case> {
    let mut ring = Keyring::new();
    those_that_open(&mut ring);
    cut_or_continued(&mut ring);
    frames_changed(&mut ring);
    headers_changed(&mut ring);
    keys_and_names(&mut ring);
    fields_out_of_range(&mut ring);
    ring.cases
}

fn those_that_open(ring: &mut Keyring) {
    let (s3, kms) = (ring.s3_slot(), ring.kms_slot(&EncryptionContext::empty()));
    ring.ok("empty", "no plaintext is one empty frame", With::One, 0, ring.object(&s3, 0, true));
    ring.ok("one_byte", "SSE-KMS", With::One, 1, ring.object(&kms, 1, true));
    ring.ok("exact_frame", "the only frame is full", With::One, 256, ring.object(&kms, 256, true));
    ring.ok("frame_and_a_byte", "the last frame holds one byte", With::One, 257, ring.object(&s3, 257, true));
    ring.ok("unknown_length", "sealed from a stream", With::One, 600, ring.object(&kms, 600, false));
    let envelope = ring.object(&s3, 512, false);
    ring.ok("unknown_length_exact_frames", "the last frame is full, none follows", With::One, 512, envelope);
    let envelope = ring.object(&ring.bucket_key_slot(), 600, true);
    ring.ok("bucket_key", "SSE-KMS with a Bucket Key", With::One, 600, envelope);
    ring.ok("dsse", "two layers under two keys", With::Two, 600, ring.object(&ring.dsse_slot(), 600, true));
    ring.ok("dsse_empty", "two tags, nothing else", With::Two, 0, ring.object(&ring.dsse_slot(), 0, false));
    ring.ok("sse_c", "no key is stored", With::Customer, 600, ring.object(&Slot::SseC, 600, true));
    let pairs = EncryptionContext::new([("team", "blue"), ("größe", "")]).unwrap();
    let envelope = ring.object(&ring.kms_slot(&pairs), 600, true);
    ring.ok("extra_context", "pairs beyond aws:s3:arn, not all of them ASCII", With::One, 600, envelope);
    let options = Options { frame_size: FrameSize::MAX, ..Options::default() };
    let name = Identity::object("bucket", "key");
    let envelope = seal(Keys::One(&ring.one), &kms, &name, &plaintext(600), options).unwrap();
    ring.ok("largest_frame_size", "frames of 16 MiB, one of them begun", With::One, 600, envelope);
    ring.ok("made_by_hand", "by the tests' own encoder", With::Customer, 600, ring.forge().build());
    let bytes = context().canonical_bytes();
    let one = crate::forge::unwrap(&ring.kms, ring.wrapped_one.as_bytes(), &bytes);
    let two = crate::forge::unwrap(&ring.root, ring.wrapped_two.as_bytes(), &bytes);
    let by_hand = |raw, slot: &Slot| {
        // The fields of a slot are the library's; the rest is the encoder's.
        let library = ring.object(slot, 0, true);
        let fields = &library[SLOT + 2..header_bytes(slot) - 32];
        let identity = crate::forge::identity(1, &["bucket", "key"]);
        Forge::new(raw, identity, fields, &plaintext(600), random()).build()
    };
    let single = by_hand(Raw::One(one), &kms);
    let double = by_hand(Raw::Two { inner: one, outer: two }, &ring.dsse_slot());
    ring.ok("made_by_hand_data_key", "SSE-KMS by the tests' own encoder", With::One, 600, single);
    ring.ok("made_by_hand_dsse", "DSSE-KMS by the tests' own encoder", With::Two, 600, double);
    let envelope = ring.object(&s3, 600, true);
    let header = Header::parse(&envelope).unwrap();
    let mut moved = rewrap(&header, Keys::One(&ring.one), &name, &kms).unwrap();
    moved.extend_from_slice(&envelope[header.as_bytes().len()..]);
    ring.ok("rewrapped", "from SSE-S3 to SSE-KMS, its body untouched", With::One, 600, moved);

    let upload = Identity::upload("bucket", "key", "upload-1");
    let (text, short) = (Identity::text("notes.txt"), plaintext(300));
    let part = ring.seal(&s3, &upload, &short, true, Part::Number(7));
    let unlocked =
        Header::parse(&part).unwrap().unlock(Keys::One(&ring.one), &upload, Backend::default()).unwrap();
    let manifest = Manifest::new(vec![ManifestPart::of(&unlocked).unwrap()]).unwrap();
    let sealed = manifest.seal(Keys::One(&ring.one), &s3, &upload).unwrap();
    let listed = open(Keys::One(&ring.one), &upload, &sealed).unwrap();
    let envelope = ring.seal(&s3, &text, &short, true, Part::Whole);
    let mut named = |name, why, identity: &str, plain: &[u8], envelope| {
        let keys = ring.text(With::One);
        let (identity, plain) = (identity.into(), plain.to_vec());
        ring.cases.push(Case { name, expect: "ok", why, identity, keys, plain, envelope });
    };
    named("text_identity", "sealed under a plain name", "text notes.txt", &short, envelope);
    named("part_of_upload", "part 7", "upload bucket key upload-1", &short, part);
    named("manifest", "lists part_of_upload alone", "upload bucket key upload-1", &listed, sealed);
}

fn cut_or_continued(ring: &mut Keyring) {
    let kms = ring.kms_slot(&EncryptionContext::empty());
    let header = header_bytes(&kms);
    let cut = |ring: &Keyring, known, to| ring.object(&kms, 600, known)[..to].to_vec();
    let envelope = cut(ring, false, header + 2 * 272);
    ring.bad("truncated_at_frame_edge", "Truncated", "no frame is marked as the last", With::One, envelope);
    let envelope = cut(ring, false, header + 300);
    ring.bad(
        "truncated_within_frame",
        "Corrupt",
        "what is left of frame 1 does not open",
        With::One,
        envelope,
    );
    let envelope = cut(ring, false, header + 272 + 16);
    ring.bad("truncated_to_a_tag", "Truncated", "no object has a body this long", With::One, envelope);
    let envelope = cut(ring, true, header + 2 * 272);
    ring.bad("truncated_known_length", "Truncated", "the header says 600 bytes", With::One, envelope);
    ring.bad(
        "header_alone",
        "Truncated",
        "even an empty object has a frame",
        With::One,
        cut(ring, false, header),
    );
    let envelope = cut(ring, true, header - 1);
    ring.bad("truncated_in_slot_tag", "Truncated", "one byte of the header is missing", With::One, envelope);
    ring.bad("truncated_in_core", "Truncated", "the salt is cut", With::One, cut(ring, true, 40));
    ring.bad(
        "truncated_in_magic",
        "Truncated",
        "begins well, but is four bytes long",
        With::One,
        cut(ring, true, 4),
    );
    ring.bad("nothing", "Truncated", "no bytes at all", With::One, Vec::new());
    let mut envelope = ring.object(&kms, 600, true);
    envelope.push(0);
    ring.bad("trailing_byte", "Trailing", "a byte after the end that the header states", With::One, envelope);
    let mut envelope = ring.object(&kms, 512, false);
    envelope.extend_from_within(header..header + 272);
    ring.bad("trailing_frame", "Trailing", "a frame after the one marked as the last", With::One, envelope);
}

fn frames_changed(ring: &mut Keyring) {
    let kms = ring.kms_slot(&EncryptionContext::empty());
    let header = header_bytes(&kms);
    let mut envelope = ring.object(&kms, 600, true);
    let (first, rest) = envelope[header..].split_at_mut(272);
    first.swap_with_slice(&mut rest[..272]);
    ring.bad("frames_swapped", "Corrupt", "frames 0 and 1 in each other's place", With::One, envelope);
    let mut envelope = ring.object(&kms, 600, true);
    envelope[header + 300] ^= 1;
    ring.bad("flipped_bit_in_body", "Corrupt", "one bit of frame 1", With::One, envelope);
    let mut envelope = ring.object(&ring.dsse_slot(), 600, true);
    let end = envelope.len();
    envelope[end - 20] ^= 1;
    ring.bad("dsse_flipped_bit_in_inner_tag", "Corrupt", "the outer layer covers it", With::Two, envelope);
    let envelope = ring.object(&kms, 600, true);
    let spliced = [&ring.object(&kms, 600, true)[..header], &envelope[header..]].concat();
    ring.bad("body_from_other_object", "Corrupt", "same key, same name, other salt", With::One, spliced);
    ring.forged(
        "last_flag_missing",
        "Truncated",
        "the last frame is sealed as if another followed",
        |forge| {
            forge.frames[2].2 = false;
        },
    );
    ring.forged("last_flag_early", "Trailing", "frame 1 of 3 is marked as the last", |forge| {
        forge.frames[1].2 = true;
    });
    ring.forged("frame_numbers_from_one", "Corrupt", "the first frame is number 0", |forge| {
        for frame in &mut forge.frames {
            frame.1 += 1;
        }
    });
    ring.forged(
        "empty_frame_after_a_full_one",
        "Truncated",
        "a last frame is empty only if it is the first",
        |forge| {
            forge.core[16..24].fill(0xFF);
            forge.frames = vec![(vec![1; 256], 0, false), (Vec::new(), 1, true)];
        },
    );
    ring.forged("short_frame_in_the_middle", "Corrupt", "all frames but the last are full", |forge| {
        forge.frames = vec![(vec![1; 200], 0, false), (vec![2; 256], 1, false), (vec![3; 144], 2, true)];
    });
}

fn headers_changed(ring: &mut Keyring) {
    let kms = ring.kms_slot(&EncryptionContext::empty());
    let header = header_bytes(&kms);
    let flips = [
        ("flipped_bit_in_salt", "WrongKeyOrHeader", "the keys follow from the salt", 24),
        ("flipped_bit_in_length", "WrongKeyOrHeader", "says 601 bytes; bound into the keys", 23),
        ("flipped_bit_in_commitment", "WrongKeyOrHeader", "says that the key is another", 56),
        ("flipped_bit_in_wrapped_key", "SlotChanged", "the slot tag covers it", header - 40),
        ("flipped_bit_in_slot_tag", "SlotChanged", "the tag itself", header - 1),
    ];
    for (name, expect, why, at) in flips {
        let mut envelope = ring.object(&kms, 600, true);
        envelope[at] ^= 1;
        ring.bad(name, expect, why, With::One, envelope);
    }
    let (envelope, other) = (ring.object(&kms, 600, true), ring.object(&kms, 600, true));
    let other_slot = ring.object(&ring.kms_slot(&context()), 600, true);
    let end = other_slot.len() - (envelope.len() - header);
    let spliced = [&envelope[..SLOT], &other_slot[SLOT..end], &envelope[header..]].concat();
    ring.bad(
        "slot_from_other_object",
        "SlotChanged",
        "slot and tag under the same data key",
        With::One,
        spliced,
    );
    let spliced = [&other[..56], &envelope[56..]].concat();
    ring.bad(
        "core_from_other_object",
        "WrongKeyOrHeader",
        "the commitment is to another core",
        With::One,
        spliced,
    );
    ring.forged("length_field_lies_long", "Truncated", "says 700 bytes and holds 600", |forge| {
        forge.core[16..24].copy_from_slice(&700_u64.to_be_bytes());
    });
    ring.forged("length_field_lies_short", "Trailing", "says 500 bytes and holds 600", |forge| {
        forge.core[16..24].copy_from_slice(&500_u64.to_be_bytes());
    });
}

fn keys_and_names(ring: &mut Keyring) {
    let kms = ring.kms_slot(&EncryptionContext::empty());
    let other = Identity::object("bucket", "other");
    let envelope = ring.seal(&kms, &other, &plaintext(600), true, Part::Whole);
    ring.bad("other_identity", "WrongKeyOrHeader", "moved here from bucket/other", With::One, envelope);
    let mut forge = ring.forge();
    forge.raw = Raw::Customer(random());
    let envelope = forge.build();
    ring.bad(
        "sse_c_wrong_key",
        "WrongKeyOrHeader",
        "sealed under another customer key",
        With::Customer,
        envelope,
    );
    let keys = Keys::Two { inner: &ring.two, outer: &ring.one };
    let name = Identity::object("bucket", "key");
    let envelope = seal(keys, &ring.dsse_slot(), &name, &plaintext(600), Options::default()).unwrap();
    ring.bad(
        "dsse_keys_exchanged",
        "WrongKeyOrHeader",
        "inner and outer key in each other's place",
        With::Two,
        envelope,
    );
    let envelope = ring.object(&kms, 600, true);
    ring.bad("customer_key_for_a_data_key", "KeyKind", "SSE-KMS takes a data key", With::Customer, envelope);
    let envelope = ring.object(&ring.dsse_slot(), 600, true);
    ring.bad("one_key_for_dsse", "KeyKind", "DSSE-KMS takes two", With::One, envelope);
    let mut forge = ring.forge();
    forge.raw = Raw::One(ring.customer);
    let envelope = forge.build();
    ring.bad(
        "customer_key_used_as_data_key",
        "WrongKeyOrHeader",
        "the labels differ",
        With::Customer,
        envelope,
    );
}

fn fields_out_of_range(ring: &mut Keyring) {
    let field = |text: &[u8]| [&u16::try_from(text.len()).unwrap().to_be_bytes(), text].concat();
    let mut mangled = ring.forge().build();
    mangled.insert(7, b'\r');
    ring.bad("line_end_mangled", "NotOurs", "a transfer as text made LF into CR LF", With::Customer, mangled);
    ring.forged("version_2", "Version", "a version that does not exist yet", |forge| forge.core[8] = 2);
    ring.forged("suite_three", "Malformed", "there are one and two layers", |forge| forge.core[9] = 3);
    ring.forged(
        "suite_two_with_one_key",
        "Malformed",
        "two layers, but the slot has no second key",
        |forge| {
            forge.core[9] = 2;
        },
    );
    ring.forged("frame_size_out_of_range", "Malformed", "frames of 128 bytes", |forge| forge.core[10] = 7);
    ring.forged("reserved_byte_set", "Malformed", "it is 0 in this version", |forge| forge.core[11] = 1);
    ring.forged("part_number_out_of_range", "Malformed", "part 10,001", |forge| {
        forge.core[12..16].copy_from_slice(&10_001_u32.to_be_bytes());
    });
    ring.forged("length_out_of_range", "Malformed", "one byte above 2^48", |forge| {
        forge.core[16..24].copy_from_slice(&((1_u64 << 48) + 1).to_be_bytes());
    });
    ring.forged("slot_mode_unknown", "Malformed", "mode 6", |forge| forge.set_slot(&[6]));
    ring.forged("slot_empty", "Malformed", "not even a mode", |forge| forge.set_slot(&[]));
    ring.forged("slot_bytes_left_over", "Malformed", "a byte after the last field", |forge| {
        forge.set_slot(&[5, 0]);
    });
    ring.forged("wrapped_key_empty", "Malformed", "a wrapped key has at least one byte", |forge| {
        forge.set_slot(&[1, 0, 0, 0, 1, 0, 0]);
    });
    ring.forged("key_arn_malformed", "Malformed", "an alias is no key", |forge| {
        let arn = field(b"arn:aws:kms:eu-west-1:111122223333:alias/x");
        forge.set_slot(&[&[2], &arn[..], &field(&[7; 80]), &field(&[0, 0])].concat());
    });
    ring.forged("context_out_of_order", "Malformed", "b before a", |forge| {
        let pairs = [&[0, 2], &field(b"b")[..], &field(b"1"), &field(b"a"), &field(b"2")].concat();
        forge.set_slot(&[&[2], &field(ARN.as_bytes())[..], &field(&[7; 80]), &field(&pairs)].concat());
    });
}
