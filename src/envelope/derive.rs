//! Derivation: from data keys, salt, core and identity to the keys of one envelope.
//!
//! One layer: `object key ‖ slot key ‖ commitment = HKDF[data key, salt](label ‖ H(core ‖ identity), 96)`.
//! Two layers: each object key from its own data key; `slot key ‖ commitment` from both data keys together.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{Aead, Backend};
use super::core::{CORE_BYTES, Core, Suite};
use super::error::{OpenError, SealError};
use super::identity::Identity;
use super::key::{CustomerKey, DataKey};
use super::secret::{KEY_BYTES, wipe_stack};
use super::slot::Slot;

/// Bytes of the commitment.
pub(crate) const COMMITMENT_BYTES: usize = 32;
/// Bytes of the slot tag.
pub(crate) const SLOT_TAG_BYTES: usize = 32;

const LABEL_SINGLE: &[u8] = b"s3seal/v1/single";
const LABEL_CUSTOMER: &[u8] = b"s3seal/v1/customer";
const LABEL_INNER: &[u8] = b"s3seal/v1/inner";
const LABEL_OUTER: &[u8] = b"s3seal/v1/outer";
const LABEL_HEADER: &[u8] = b"s3seal/v1/header";

/// The keys that an object is sealed and opened with, by mode.
#[derive(Clone, Copy, Debug)]
pub enum Keys<'a> {
    /// One data key: SSE-S3, SSE-KMS with and without a Bucket Key.
    One(&'a DataKey),
    /// Two data keys: DSSE-KMS.
    Two {
        /// For the layer next to the plaintext.
        inner: &'a DataKey,
        /// For the layer around it.
        outer: &'a DataKey,
    },
    /// The customer's key: SSE-C.
    Customer(&'a CustomerKey),
}

impl Keys<'_> {
    const fn kind(&self) -> &'static str {
        match self {
            Self::One(_) => "one data key",
            Self::Two { .. } => "two data keys",
            Self::Customer(_) => "a customer key",
        }
    }

    pub(crate) const fn suite(&self) -> Suite {
        match self {
            Self::Two { .. } => Suite::Double,
            Self::One(_) | Self::Customer(_) => Suite::Single,
        }
    }

    /// `Err((expected, given))` when the slot's mode works with other keys.
    fn suit(&self, slot: &Slot) -> Result<(), (&'static str, &'static str)> {
        let expected = match slot {
            Slot::SseC => "a customer key",
            Slot::DsseKms { .. } => "two data keys",
            _ => "one data key",
        };
        if expected == self.kind() { Ok(()) } else { Err((expected, self.kind())) }
    }

    pub(crate) fn check_seal(&self, slot: &Slot) -> Result<(), SealError> {
        self.suit(slot).map_err(|(expected, given)| SealError::KeyKind {
            mode: slot.mode(),
            expected,
            given,
        })?;
        match self {
            Self::Two { inner, outer } if inner == outer => Err(SealError::EqualKeys),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_open(&self, slot: &Slot) -> Result<(), OpenError> {
        self.suit(slot).map_err(|(expected, given)| OpenError::KeyKind { mode: slot.mode(), expected, given })
    }
}

/// The expanded keys of the layers of a body.
pub(crate) struct Layers {
    pub(crate) inner: Aead,
    pub(crate) outer: Option<Aead>,
}

/// The key of the tag over core and slot. It is filled in where it stands and never moves: what moves on the stack leaves a
/// copy behind that nobody wipes.
pub(crate) struct SlotKey(Zeroizing<[u8; KEY_BYTES]>);

impl SlotKey {
    /// Room for the key, until [`Derived::new`] fills it in.
    pub(crate) fn room() -> Self {
        Self(Zeroizing::new([0; KEY_BYTES]))
    }

    /// `HMAC-SHA-256[slot key](core ‖ slot)`.
    pub(crate) fn tag(&self, core: &[u8; CORE_BYTES], slot: &[u8]) -> [u8; SLOT_TAG_BYTES] {
        self.mac(core, slot).finalize().into_bytes().into()
    }

    pub(crate) fn authenticates(&self, core: &[u8; CORE_BYTES], slot: &[u8], tag: &[u8]) -> bool {
        self.mac(core, slot).verify_slice(tag).is_ok()
    }

    fn mac(&self, core: &[u8; CORE_BYTES], slot: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0[..]).expect("HMAC takes any key length");
        mac.update(core);
        mac.update(slot);
        mac
    }
}

/// What is derived for one envelope and lasts as long as its body is worked on.
pub(crate) struct Derived {
    pub(crate) layers: Layers,
    pub(crate) commitment: [u8; COMMITMENT_BYTES],
}

impl Derived {
    pub(crate) fn new(
        keys: &Keys<'_>,
        core: &Core,
        encoded: &[u8; CORE_BYTES],
        identity: &Identity,
        backend: Backend,
        slot_key: &mut SlotKey,
    ) -> Self {
        let mut hash = Sha256::new();
        hash.update(encoded);
        hash.update(identity.as_bytes());
        let bound: [u8; 32] = hash.finalize().into();
        let mut single = |key: &[u8; KEY_BYTES], label| {
            let mut okm = Zeroizing::new([0; 96]);
            expand(&core.salt, key, label, &bound, &mut okm[..]);
            let (object_key, header) = okm.split_first_chunk::<KEY_BYTES>().expect("96 bytes");
            Self::from_parts(Layers { inner: Aead::new(backend, object_key), outer: None }, header, slot_key)
        };
        match keys {
            Keys::One(key) => single(key.bytes(), LABEL_SINGLE),
            Keys::Customer(key) => single(key.bytes(), LABEL_CUSTOMER),
            Keys::Two { inner, outer } => {
                let layer = |key: &DataKey, label| {
                    let mut object_key = Zeroizing::new([0; KEY_BYTES]);
                    expand(&core.salt, key.bytes(), label, &bound, &mut object_key[..]);
                    Aead::new(backend, &object_key)
                };
                let mut both = Zeroizing::new([0; 2 * KEY_BYTES]);
                both[..KEY_BYTES].copy_from_slice(inner.bytes());
                both[KEY_BYTES..].copy_from_slice(outer.bytes());
                let mut header = Zeroizing::new([0; 64]);
                expand(&core.salt, &both[..], LABEL_HEADER, &bound, &mut header[..]);
                let layers =
                    Layers { inner: layer(inner, LABEL_INNER), outer: Some(layer(outer, LABEL_OUTER)) };
                Self::from_parts(layers, &header[..], slot_key)
            }
        }
    }

    fn from_parts(layers: Layers, header: &[u8], slot_key: &mut SlotKey) -> Self {
        let (key, commitment) = header.split_at(KEY_BYTES);
        slot_key.0.copy_from_slice(key);
        Self { layers, commitment: commitment.try_into().expect("the rest is the commitment") }
    }

    pub(crate) fn commits_to(&self, commitment: &[u8; COMMITMENT_BYTES]) -> bool {
        self.commitment.ct_eq(commitment).into()
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived([secret])")
    }
}

/// `HKDF-SHA-256[ikm, salt](label ‖ bound)`, RFC 5869.
pub(super) fn expand(salt: &[u8], ikm: &[u8], label: &[u8], bound: &[u8], okm: &mut [u8]) {
    expand_below(salt, ikm, label, bound, okm);
    wipe_stack();
}

/// The crates copy pseudo-random key and output blocks about on the stack, in frames below the caller's.
#[inline(never)]
fn expand_below(salt: &[u8], ikm: &[u8], label: &[u8], bound: &[u8], okm: &mut [u8]) {
    Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand_multi_info(&[label, bound], okm)
        .expect("at most 96 bytes, far below HKDF's limit");
}
