//! No key is left in freed memory, and none is printed.
#![expect(clippy::similar_names, reason = "plan and plain are the words of the field")]

use s3seal::envelope::*;

#[path = "envelope/forge.rs"]
mod forge;
mod inspector;
use forge::{Key, Raw};
use inspector::Freed;

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// Random bytes that are known to the test.
fn random() -> Key {
    *CustomerKey::generate().unwrap().expose()
}

/// The data key with these bytes, by the only way there is: out of a wrap.
fn data_key(bytes: &Key) -> DataKey {
    let wrapping = WrappingKey::generate().unwrap();
    wrapping.unwrap_key(&wrapping.wrap_bytes(bytes, b"").unwrap(), b"").unwrap()
}

fn name() -> Identity {
    Identity::object("bucket", "key")
}

/// A slot that needs the keys of `raw`.
fn slot(raw: &Raw) -> Slot {
    let wrapped = || WrappedKey::new(vec![7; 80]).unwrap();
    let (key, context) = (ARN.parse().unwrap(), EncryptionContext::empty());
    match raw {
        Raw::One(_) => Slot::SseKms { key, wrapped: wrapped(), context },
        Raw::Two { .. } => {
            let (wrapped_inner, wrapped_outer) = (wrapped(), wrapped());
            Slot::DsseKms { key, wrapped_inner, root_version: 1, wrapped_outer, context }
        }
        Raw::Customer(_) => Slot::SseC,
    }
}

/// Calls `work` with the library's keys of these bytes.
fn with_keys<T>(raw: &Raw, work: impl FnOnce(Keys<'_>) -> T) -> T {
    match raw {
        Raw::One(key) => work(Keys::One(&data_key(key))),
        Raw::Two { inner, outer } => work(Keys::Two { inner: &data_key(inner), outer: &data_key(outer) }),
        Raw::Customer(key) => work(Keys::Customer(&CustomerKey::new(key).unwrap())),
    }
}

/// One of each kind of keys, with the bytes in them.
fn raws() -> [Raw; 3] {
    [Raw::One(random()), Raw::Two { inner: random(), outer: random() }, Raw::Customer(random())]
}

/// Everything that the object's header shows to be secret: raw keys, and what follows from them.
fn secrets(raw: &Raw, envelope: &[u8]) -> Vec<(&'static str, Key)> {
    let derived = raw.derive(&envelope[..56], &forge::identity(1, &["bucket", "key"]));
    let mut out = vec![("object key", derived.inner), ("slot key", derived.slot_key)];
    out.extend(derived.outer.map(|key| ("outer object key", key)));
    match raw {
        Raw::One(key) => out.push(("data key", *key)),
        Raw::Two { inner, outer } => out.extend([("inner data key", *inner), ("outer data key", *outer)]),
        Raw::Customer(key) => out.push(("customer key", *key)),
    }
    out
}

fn assert_wiped(freed: &Freed, secrets: &[(&'static str, Key)], what: &str) {
    for (name, key) in secrets {
        assert!(!freed.holds(key), "{what}: the {name} stands in a freed block");
    }
}

#[test]
fn the_inspector_sees_a_key_that_was_not_wiped() {
    let (dropped, boxed, grown, untouched) = (random(), random(), random(), random());
    let freed = Freed::during(|| {
        drop(std::hint::black_box(dropped.to_vec()));
        drop(std::hint::black_box(Box::new([[0; 32], boxed])));
        let mut vector = grown.to_vec();
        vector.reserve_exact(1_000); // leaves a copy behind
        vector.fill(0);
        drop(std::hint::black_box(vector));
    });
    assert!(freed.holds(&dropped) && freed.holds(&boxed) && freed.holds(&grown));
    assert!(!freed.holds(&untouched));
    // Freed outside of a recording: not its business.
    drop(untouched.to_vec());
}

/// Threads of other tests free blocks all the time, also in the moment in which a recording ends.
#[test]
#[expect(clippy::disallowed_methods, reason = "a race between threads is what it looks for")]
fn a_recording_ends_while_others_free() {
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(std::hint::black_box(vec![1_u8; 4_096]));
                }
            });
        }
        for _ in 0..200 {
            Freed::during(|| ());
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn sealing_at_once_and_in_pieces_leaves_no_key_in_freed_memory() {
    for raw in raws() {
        for backend in Backend::ALL {
            let options = Options { frame_size: FrameSize::MIN, backend: *backend, ..Options::default() };
            let block = random();
            let plain = block.repeat(60);
            let mut envelopes = [const { Vec::new() }; 2];
            let freed = Freed::during(|| {
                with_keys(&raw, |keys| {
                    envelopes[0] = seal(keys, &slot(&raw), &name(), &plain, options).unwrap();
                    // On the heap, so that dropping it frees the expanded keys.
                    let mut sealer =
                        Box::new(Sealer::new(keys, &slot(&raw), &name(), None, options).unwrap());
                    envelopes[1].extend_from_slice(sealer.header());
                    let mut out = Vec::new();
                    for piece in plain.chunks(100) {
                        sealer.update(piece, &mut out).unwrap();
                        envelopes[1].extend_from_slice(&out);
                    }
                });
            });
            for envelope in &envelopes {
                let mut secrets = secrets(&raw, envelope);
                secrets.push(("plaintext", block));
                assert_wiped(&freed, &secrets, &format!("sealing on {backend:?}"));
            }
            #[cfg(feature = "aws-lc")]
            assert!(*backend != Backend::AwsLc || freed.by_c > 0, "what C frees is seen");
        }
    }
}

#[test]
fn opening_in_every_way_also_in_vain_leaves_no_key_in_freed_memory() {
    for raw in raws() {
        for backend in Backend::ALL {
            let options = Options { frame_size: FrameSize::MIN, ..Options::default() };
            let plain = vec![1; 2_000];
            let envelope = with_keys(&raw, |keys| seal(keys, &slot(&raw), &name(), &plain, options).unwrap());
            let freed = Freed::during(|| {
                with_keys(&raw, |keys| {
                    assert_eq!(open(keys, &name(), &envelope).unwrap(), plain);
                    let header = Header::parse(&envelope).unwrap();
                    let body = &envelope[header.as_bytes().len()..];
                    let unlocked = Box::new(header.unlock(keys, &name(), *backend).unwrap());
                    unlocked.open(body, Threads::Pool).unwrap();
                    unlocked.open(&body[1..], Threads::One).unwrap_err();
                    let range = ByteRange::FromTo { first: 300, last: 900 };
                    let plan = unlocked.plan_range(range, envelope.len() as u64).unwrap();
                    let at = |offset: u64| usize::try_from(offset).unwrap();
                    let frames = &envelope[at(plan.frames().start)..at(plan.frames().end)];
                    unlocked.open_range(&plan, frames, &[], Threads::One).unwrap();
                    drop(unlocked);

                    let unlocked = header.unlock(keys, &name(), *backend).unwrap();
                    let mut opener = Box::new(unlocked.opener(Threads::One));
                    let mut out = Vec::new();
                    for piece in body.chunks(100) {
                        opener.update(piece, &mut out).unwrap();
                    }
                    opener.update(b"beyond", &mut out).unwrap_err();
                    drop(opener);

                    header.unlock(keys, &Identity::text("other"), *backend).unwrap_err();
                    let mut changed = envelope.clone();
                    changed[60] ^= 1;
                    open(keys, &name(), &changed).unwrap_err();
                    if !matches!(raw, Raw::Customer(_)) {
                        rewrap(&header, keys, &name(), &slot(&raw)).unwrap();
                    }
                });
            });
            assert_wiped(&freed, &secrets(&raw, &envelope), &format!("opening on {backend:?}"));
        }
    }
}

#[test]
fn wrapping_and_unwrapping_leave_no_key_in_freed_memory() {
    let (wrapping, secret, bucket) = (random(), random(), random());
    let context = EncryptionContext::of_bucket("bucket").unwrap();
    let mut blobs = Vec::new();
    let freed = Freed::during(|| {
        let key = WrappingKey::import(&mut wrapping.clone());
        let data = data_key(&secret);
        let wrapped = key.wrap(&data, &context).unwrap();
        assert_eq!(key.unwrap(&wrapped, &context).unwrap(), data);
        key.unwrap(&wrapped, &EncryptionContext::empty()).unwrap_err();
        let blob = key.wrap_bytes(&secret, b"aad").unwrap();
        drop(key.unwrap_bytes(&blob, b"aad").unwrap());
        key.unwrap_bytes(&blob, b"other").unwrap_err();
        let lower = WrappingKey::from_data_key(&data_key(&bucket));
        let below = lower.wrap(&data, &context).unwrap();
        drop((lower.clone(), data.clone(), key.clone()));
        let customer = Box::new(CustomerKey::new(&secret).unwrap());
        drop((customer.expose(), Box::new(customer.expose())));
        blobs = vec![
            (wrapping, wrapped.as_bytes().to_vec()),
            (wrapping, blob),
            (bucket, below.as_bytes().to_vec()),
        ];
    });
    let mut all = vec![("wrapping key", wrapping), ("wrapped secret", secret), ("Bucket Key", bucket)];
    all.extend(blobs.iter().map(|(key, blob)| ("key of one wrap", forge::wrap_key(key, blob))));
    assert_wiped(&freed, &all, "wrapping");
}

#[test]
fn a_manifest_leaves_no_key_in_freed_memory() {
    let raw = Raw::One(random());
    let upload = Identity::upload("bucket", "key", "id");
    let options = Options { part: Part::Number(1), ..Options::default() };
    let (mut part, mut sealed) = (Vec::new(), Vec::new());
    let freed = Freed::during(|| {
        with_keys(&raw, |keys| {
            part = seal(keys, &slot(&raw), &upload, b"part", options).unwrap();
            let unlocked = Header::parse(&part).unwrap().unlock(keys, &upload, Backend::default()).unwrap();
            let manifest = Manifest::new(vec![ManifestPart::of(&unlocked).unwrap()]).unwrap();
            sealed = manifest.seal(keys, &slot(&raw), &upload).unwrap();
            assert_eq!(Manifest::open(keys, &upload, &sealed).unwrap(), manifest);
        });
    });
    let name = forge::identity(2, &["bucket", "key", "id"]);
    let Raw::One(key) = raw else { unreachable!("made above") };
    let mut all = vec![("data key", key)];
    for envelope in [&part, &sealed] {
        let derived = raw.derive(&envelope[..56], &name);
        all.extend([("object key", derived.inner), ("slot key", derived.slot_key)]);
    }
    assert_wiped(&freed, &all, "a manifest");
}

/// The ways in which eight bytes of `key` could stand in a text.
fn spellings(key: &[u8]) -> Vec<String> {
    let decimal = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let hexes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:x}")).collect::<Vec<_>>().join(",");
    let mut out = Vec::new();
    for window in key.windows(8) {
        out.extend([hex::encode(window), decimal(window), hexes(window), window.escape_ascii().to_string()]);
    }
    // Base64 of any run that begins at a multiple of three.
    for run in key.chunks_exact(6) {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bits = run.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let digit = |i: u32| char::from(ALPHABET[usize::try_from(bits >> (42 - 6 * i) & 63).unwrap()]);
        out.push((0..8).map(digit).collect());
    }
    out
}

fn assert_silent(text: &str, secrets: &[(&'static str, Key)], what: &str) {
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    for (name, key) in secrets {
        for spelling in spellings(key) {
            let folded = squeezed.to_lowercase().contains(&spelling.to_lowercase());
            assert!(!folded, "{what} prints the {name}: {text}");
        }
    }
}

#[test]
fn the_spellings_find_a_key_that_is_printed() {
    let key = *b"recognisable key of 32 bytes: ok";
    let printed = [
        format!("{key:?}"),
        format!("{key:#?}"),
        format!("{key:x?}"),
        hex::encode_upper(key),
        String::from_utf8_lossy(&key).replace(' ', ""),
        "cmVjb2duaXNhYmxlIGtleSBvZiAzMiBieXRlczogb2s=".into(),
    ];
    for text in printed {
        let found = std::panic::catch_unwind(|| assert_silent(&text, &[("key", key)], "a test"));
        assert!(found.is_err(), "{text}");
    }
}

#[test]
fn no_public_type_prints_a_key_or_plaintext() {
    let key = |first: u8| -> Key {
        std::array::from_fn(|i| if i == 0 { first } else { b"ecognisable-key-of-thirty-two-by"[i] })
    };
    let raws =
        [Raw::One(key(b'R')), Raw::Two { inner: key(b'S'), outer: key(b'T') }, Raw::Customer(key(b'U'))];
    let plain = key(b'p');
    for raw in raws {
        let options = Options { frame_size: FrameSize::MIN, ..Options::default() };
        with_keys(&raw, |keys| {
            let mut texts: Vec<(&str, String)> = Vec::new();
            let mut show =
                |what, value: &dyn std::fmt::Debug| texts.push((what, format!("{value:?}{value:#?}")));
            let slot = slot(&raw);
            let mut sealer = Sealer::new(keys, &slot, &name(), None, options).unwrap();
            let mut out = Vec::new();
            sealer.update(&plain, &mut out).unwrap();
            show("Keys", &keys);
            show("Sealer", &sealer);
            show("Slot", &slot);
            show("Identity and Options", &(name(), options));
            let mut envelope = sealer.header().to_vec();
            sealer.finish(&mut out).unwrap();
            envelope.extend_from_slice(&out);
            let header = Header::parse(&envelope).unwrap();
            let unlock = || header.unlock(keys, &name(), Backend::default()).unwrap();
            let (unlocked, mut opener) = (unlock(), unlock().opener(Threads::One));
            opener.update(&envelope[header.as_bytes().len()..], &mut out).unwrap();
            let plan = unlocked.plan_range(ByteRange::From(0), envelope.len() as u64).unwrap();
            show("Header", &header);
            show("Unlocked", &unlocked);
            show("Opener", &opener);
            show("RangePlan and Layout", &(plan, unlocked.layout(), protection()));
            match keys {
                Keys::One(key) => show("DataKey and WrappingKey", &(key, WrappingKey::from_data_key(key))),
                Keys::Two { inner, outer } => show("DataKey", &(inner, outer)),
                Keys::Customer(key) => show("CustomerKey", key),
            }
            // Every error that opening, sealing and wrapping give, in both spellings.
            let mut changed = envelope.clone();
            let end = changed.len() - 1;
            changed[end] ^= 1;
            let errors: [Box<dyn std::error::Error>; 6] = [
                Box::new(open(keys, &name(), &changed).unwrap_err()),
                Box::new(open(keys, &name(), &envelope[..end]).unwrap_err()),
                Box::new(open(keys, &Identity::text(""), &envelope).unwrap_err()),
                Box::new(CustomerKey::new(&plain[..31]).unwrap_err()),
                Box::new(WrappingKey::import(&mut plain.clone()).unwrap_bytes(&plain, b"").unwrap_err()),
                Box::new(Manifest::from_bytes(&plain).unwrap_err()),
            ];
            texts.extend(errors.iter().map(|error| ("error", format!("{error}{error:?}{error:#?}"))));
            let mut secret = secrets(&raw, &envelope);
            secret.push(("plaintext", plain));
            for (what, text) in texts {
                assert_silent(&text, &secret, what);
            }
        });
    }
    let material = key(b'V');
    let wrapping = WrappingKey::import(&mut material.clone());
    assert_silent(&format!("{wrapping:?}{wrapping:#?}"), &[("wrapping key", material)], "WrappingKey");
}
