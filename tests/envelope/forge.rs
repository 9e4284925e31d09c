//! The format written a second time, with the primitives alone and from docs/FORMAT.md: makes envelopes that the
//! library never would, and knows the keys that it derives.
#![allow(dead_code, unreachable_pub)] // each test binary uses its part

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

pub type Key = [u8; 32];

fn hkdf<const N: usize>(ikm: &[u8], salt: &[u8], label: &[u8], bound: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    Hkdf::<Sha256>::new(Some(salt), ikm).expand(&[label, bound].concat(), &mut out).unwrap();
    out
}

/// The key that one wrapped key is sealed with.
pub fn wrap_key(wrapping: &Key, blob: &[u8]) -> Key {
    hkdf(wrapping, &blob[..32], b"s3seal/v1/wrap", b"")
}

/// The data key in a wrapped key.
pub fn unwrap(wrapping: &Key, blob: &[u8], context: &[u8]) -> Key {
    let mut out: Key = blob[32..64].try_into().unwrap();
    let tag = Tag::try_from(&blob[64..80]).unwrap();
    Aes256Gcm::new(&wrap_key(wrapping, blob).into())
        .decrypt_inout_detached(&Nonce::default(), context, (&mut out[..]).into(), &tag)
        .unwrap();
    out
}

/// The bytes of an identity.
pub fn identity(kind: u8, words: &[&str]) -> Vec<u8> {
    let mut out = vec![kind];
    for word in words {
        out.extend_from_slice(&u32::try_from(word.len()).unwrap().to_be_bytes());
        out.extend_from_slice(word.as_bytes());
    }
    out
}

/// The raw keys of an object.
#[derive(Clone, Copy)]
pub enum Raw {
    One(Key),
    Two { inner: Key, outer: Key },
    Customer(Key),
}

/// What follows from keys, core and identity.
pub struct Derived {
    pub inner: Key,
    pub outer: Option<Key>,
    pub slot_key: Key,
    pub commitment: Key,
}

impl Raw {
    pub fn derive(&self, core: &[u8], identity: &[u8]) -> Derived {
        let bound: Key = Sha256::digest([core, identity].concat()).into();
        let salt = &core[24..56];
        let part = |okm: &[u8], i: usize| okm[32 * i..32 * (i + 1)].try_into().unwrap();
        let single = |key: &Key, label: &[u8]| {
            let okm: [u8; 96] = hkdf(key, salt, label, &bound);
            Derived { inner: part(&okm, 0), outer: None, slot_key: part(&okm, 1), commitment: part(&okm, 2) }
        };
        match self {
            Self::One(key) => single(key, b"s3seal/v1/single"),
            Self::Customer(key) => single(key, b"s3seal/v1/customer"),
            Self::Two { inner, outer } => {
                let okm: [u8; 64] = hkdf(&[*inner, *outer].concat(), salt, b"s3seal/v1/header", &bound);
                Derived {
                    inner: hkdf(inner, salt, b"s3seal/v1/inner", &bound),
                    outer: Some(hkdf(outer, salt, b"s3seal/v1/outer", &bound)),
                    slot_key: part(&okm, 0),
                    commitment: part(&okm, 1),
                }
            }
        }
    }
}

/// An envelope to be, every field of it free.
pub struct Forge {
    pub raw: Raw,
    pub identity: Vec<u8>,
    pub core: [u8; 56],
    /// With its length field.
    pub slot: Vec<u8>,
    /// Plaintext, number and last flag of each frame.
    pub frames: Vec<(Vec<u8>, u64, bool)>,
}

impl Forge {
    /// A right envelope in frames of 256 bytes.
    pub fn new(raw: Raw, identity: Vec<u8>, fields: &[u8], plain: &[u8], salt: Key) -> Self {
        let mut core = [0; 56];
        core[..8].copy_from_slice(&[0x89, b'S', b'3', b'S', b'E', b'A', b'L', b'\n']);
        core[8] = 1;
        core[9] = if matches!(raw, Raw::Two { .. }) { 2 } else { 1 };
        core[10] = 8;
        core[16..24].copy_from_slice(&(plain.len() as u64).to_be_bytes());
        core[24..].copy_from_slice(&salt);
        let mut frames: Vec<_> = (0..).zip(plain.chunks(256)).map(|(i, f)| (f.to_vec(), i, false)).collect();
        if frames.is_empty() {
            frames.push((Vec::new(), 0, false));
        }
        frames.last_mut().unwrap().2 = true;
        let mut forge = Self { raw, identity, core, slot: Vec::new(), frames };
        forge.set_slot(fields);
        forge
    }

    /// A slot of these bytes behind their length.
    pub fn set_slot(&mut self, fields: &[u8]) {
        self.slot = [&u16::try_from(fields.len()).unwrap().to_be_bytes(), fields].concat();
    }

    /// The envelope, with the commitment, slot tag and frame tags that its fields call for.
    pub fn build(&self) -> Vec<u8> {
        let derived = self.raw.derive(&self.core, &self.identity);
        let mut mac = Hmac::<Sha256>::new_from_slice(&derived.slot_key).unwrap();
        mac.update(&self.core);
        mac.update(&self.slot);
        let tag: Key = mac.finalize().into_bytes().into();
        let mut out = [&self.core[..], &derived.commitment, &self.slot, &tag].concat();
        for (plain, number, last) in &self.frames {
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            nonce[11] = u8::from(*last);
            let mut frame = plain.clone();
            for key in [Some(derived.inner), derived.outer].into_iter().flatten() {
                let tag = Aes256Gcm::new(&key.into())
                    .encrypt_inout_detached(&Nonce::from(nonce), &[], frame.as_mut_slice().into())
                    .unwrap();
                frame.extend_from_slice(&tag);
            }
            out.extend_from_slice(&frame);
        }
        out
    }
}
