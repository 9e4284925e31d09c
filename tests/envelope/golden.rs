//! Golden files: envelopes named by what is wrong with them, each of which opens or fails as its head says.
//!
//! A file is a text head (`expect`, `why`, `identity`, `keys`, `plaintext`), a blank line, and the envelope. The keys
//! are test keys from the operating system's generator. `S3SEAL_BLESS=1 cargo test --test envelope golden` makes all files
//! anew; without it they are only read, so that a change of the format shows.
#![expect(clippy::disallowed_methods, reason = "the environment says whether the files are made anew")]

use std::path::PathBuf;

use s3seal::envelope::*;
use sha2::{Digest, Sha256};

use crate::golden_case::{Case, cases};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Data keys as a head gives them.
enum Held {
    One(DataKey),
    Two(DataKey, DataKey),
    Customer(CustomerKey),
}

impl Held {
    /// `one WRAPPING:WRAPPED`, `two WRAPPING:WRAPPED WRAPPING:WRAPPED` (inner, outer) or `customer KEY`, in
    /// hexadecimal. Wrapped under the context of the object `bucket`/`key`.
    fn parse(text: &str) -> Self {
        let data_key = |word: &str| {
            let (wrapping, wrapped) = word.split_once(':').unwrap();
            let mut bytes = hex::decode(wrapping).unwrap().try_into().unwrap();
            let wrapped = WrappedKey::new(hex::decode(wrapped).unwrap()).unwrap();
            let context = EncryptionContext::of_object("bucket", "key").unwrap();
            WrappingKey::import(&mut bytes).unwrap(&wrapped, &context).unwrap()
        };
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["one", key] => Self::One(data_key(key)),
            ["two", inner, outer] => Self::Two(data_key(inner), data_key(outer)),
            ["customer", key] => Self::Customer(CustomerKey::new(&hex::decode(key).unwrap()).unwrap()),
            _ => panic!("keys `{text}`: expected one, two or customer"),
        }
    }

    fn keys(&self) -> Keys<'_> {
        match self {
            Self::One(key) => Keys::One(key),
            Self::Two(inner, outer) => Keys::Two { inner, outer },
            Self::Customer(key) => Keys::Customer(key),
        }
    }
}

fn identity(text: &str) -> Identity {
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["object", bucket, key] => Identity::object(bucket, key),
        ["upload", bucket, key, id] => Identity::upload(bucket, key, id),
        ["text", name] => Identity::text(name),
        _ => panic!("identity `{text}`: expected object, upload or text"),
    }
}

/// `ok`, or the name of the error's variant.
fn outcome<T>(result: &Result<T, OpenError>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(error) => format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect(),
    }
}

fn stream(keys: Keys<'_>, identity: &Identity, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let header = Header::parse(envelope)?;
    let mut opener = header.unlock(keys, identity, Backend::Portable)?.opener(Threads::One);
    let (mut out, mut plain) = (Vec::new(), Vec::new());
    for piece in envelope[header.as_bytes().len()..].chunks(100) {
        opener.update(piece, &mut out)?;
        plain.extend_from_slice(&out);
    }
    opener.finish(&mut out)?;
    plain.extend_from_slice(&out);
    Ok(plain)
}

fn bless(cases: &[Case]) {
    std::fs::create_dir_all(folder()).unwrap();
    for entry in std::fs::read_dir(folder()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for case in cases {
        let Case { name, expect, why, identity, keys, plain, envelope } = case;
        let plaintext = hex::encode(Sha256::digest(plain));
        let head = format!(
            "expect: {expect}\nwhy: {why}\nidentity: {identity}\nkeys: {keys}\nplaintext: {plaintext}\n\n"
        );
        let file = folder().join(format!("{name}.s3seal"));
        std::fs::write(file, [head.as_bytes(), envelope].concat()).unwrap();
    }
}

#[test]
fn every_golden_file_opens_or_fails_as_its_head_says() {
    let cases = cases();
    if std::env::var_os("S3SEAL_BLESS").is_some() {
        bless(&cases);
    }
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut made: Vec<PathBuf> =
        cases.iter().map(|case| folder().join(format!("{}.s3seal", case.name))).collect();
    made.sort();
    assert_eq!(files, made, "the folder holds what the generator makes: S3SEAL_BLESS=1 makes it anew");

    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&file).unwrap();
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").expect("a blank line ends the head");
        let text = std::str::from_utf8(&bytes[..end]).unwrap();
        let envelope = &bytes[end + 2..];
        let field = |field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("{name}: the head has no {field}"))
        };
        let held = Held::parse(field("keys"));
        let identity = identity(field("identity"));
        let opened = open(held.keys(), &identity, envelope);
        assert_eq!(outcome(&opened), field("expect"), "{name}: {opened:?}");
        let streamed = stream(held.keys(), &identity, envelope);
        // A stream meets a frame that ends at a wrong place before it sees the length of the whole.
        let early = field("expect") == "Trailing" && outcome(&streamed) == "Corrupt";
        assert!(early || outcome(&streamed) == field("expect"), "{name}: in a stream {streamed:?}");
        if let Ok(plain) = opened {
            assert_eq!(hex::encode(Sha256::digest(&plain)), field("plaintext"), "{name}");
            assert_eq!(streamed.as_ref(), Ok(&plain), "{name}");
        }
    }
}

#[test]
fn what_the_generator_makes_today_opens_or_fails_alike() {
    for case in cases() {
        let opened = open(Held::parse(&case.keys).keys(), &identity(&case.identity), &case.envelope);
        assert_eq!(outcome(&opened), case.expect, "{}: {opened:?}", case.name);
        if let Ok(plain) = opened {
            assert_eq!(plain, case.plain, "{}", case.name);
        }
    }
}
