//! Wrapping of keys and short secrets: `salt ‖ AES-256-GCM[HKDF(wrapping key, salt)](secret; context)`.
//!
//! Each wrap has a fresh 32-byte salt and so a key of its own, under which exactly one message is sealed with the
//! fixed nonce 0. There is no birthday limit on the number of wraps under one wrapping key (docs/adr/0006).

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::aead::{Aead, Backend, NONCE_BYTES, TAG_BYTES};
use super::context::EncryptionContext;
use super::key::{DataKey, RandomError, WrappedKey, fill_random};
use super::secret::{KEY_BYTES, Secret};

/// Bytes of the salt before the ciphertext.
pub const WRAP_SALT_BYTES: usize = 32;

/// Bytes that wrapping adds: salt and tag.
pub const WRAP_OVERHEAD_BYTES: usize = WRAP_SALT_BYTES + TAG_BYTES;

const LABEL: &[u8] = b"s3seal/v1/wrap";

/// A blob that this key did not wrap under this context, or that was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wrapped key does not open: another wrapping key, another encryption context, or changed bytes")]
pub struct UnwrapError;

/// A key that wraps others: KMS key material, an SSE-S3 root key, a Bucket Key. 256 bits, wiped on drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappingKey(Secret);

impl WrappingKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system's generator fails.
    pub fn generate() -> Result<Self, RandomError> {
        Secret::try_fill(fill_random).map(Self)
    }

    /// The key with these bytes, which are wiped: imported key material.
    pub fn import(bytes: &mut [u8; KEY_BYTES]) -> Self {
        Self(Secret::take(bytes))
    }

    /// For the test that searches files for it.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.bytes()
    }

    /// A data key used as the wrapping key of a lower layer, as S3 uses a Bucket Key.
    pub fn from_data_key(key: &DataKey) -> Self {
        Self(Secret::take(&mut Zeroizing::new(*key.bytes())))
    }

    /// `salt ‖ ciphertext ‖ tag` of `secret`, with `aad` bound. Length: 48 + |secret|.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system's generator fails.
    pub fn wrap_bytes(&self, secret: &[u8], aad: &[u8]) -> Result<Vec<u8>, RandomError> {
        let mut blob = vec![0; WRAP_OVERHEAD_BYTES + secret.len()];
        let (salt, body) = blob.split_at_mut(WRAP_SALT_BYTES);
        fill_random(salt)?;
        let (out, tag) = body.split_at_mut(secret.len());
        self.derive(salt).seal(&[0; NONCE_BYTES], aad, secret, out, tag);
        Ok(blob)
    }

    /// The secret in `blob`.
    ///
    /// # Errors
    /// [`UnwrapError`]; which of its causes applies cannot be told, and is not.
    pub fn unwrap_bytes(&self, blob: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let length = blob.len().checked_sub(WRAP_OVERHEAD_BYTES).ok_or(UnwrapError)?;
        let mut secret = Zeroizing::new(vec![0; length]);
        self.unwrap_into(blob, aad, &mut secret)?;
        Ok(secret)
    }

    /// Wraps a data key with `context` bound. Length: 80 bytes.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system's generator fails.
    pub fn wrap(&self, key: &DataKey, context: &EncryptionContext) -> Result<WrappedKey, RandomError> {
        let blob = self.wrap_bytes(key.bytes(), &context.canonical_bytes())?;
        Ok(WrappedKey::new(blob).expect("80 bytes are within the limit"))
    }

    /// Opens a wrapped data key.
    ///
    /// # Errors
    /// [`UnwrapError`].
    pub fn unwrap(&self, wrapped: &WrappedKey, context: &EncryptionContext) -> Result<DataKey, UnwrapError> {
        self.unwrap_key(wrapped.as_bytes(), &context.canonical_bytes())
    }

    /// Opens a 32-byte secret wrapped with `aad` straight into key memory.
    ///
    /// # Errors
    /// [`UnwrapError`], also when the secret is not 32 bytes long.
    pub fn unwrap_key(&self, blob: &[u8], aad: &[u8]) -> Result<DataKey, UnwrapError> {
        if blob.len() != WRAP_OVERHEAD_BYTES + KEY_BYTES {
            return Err(UnwrapError);
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        self.unwrap_into(blob, aad, &mut bytes[..])?;
        Ok(DataKey::unwrapped(&mut bytes))
    }

    fn unwrap_into(&self, blob: &[u8], aad: &[u8], out: &mut [u8]) -> Result<(), UnwrapError> {
        let (salt, body) = blob.split_at_checked(WRAP_SALT_BYTES).ok_or(UnwrapError)?;
        let (ciphertext, tag) = body.split_at_checked(out.len()).ok_or(UnwrapError)?;
        let opened = self.derive(salt).open(&[0; NONCE_BYTES], aad, ciphertext, tag, out);
        opened.map_err(|_| UnwrapError)
    }

    fn derive(&self, salt: &[u8]) -> Aead {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        Hkdf::<Sha256>::new(Some(salt), self.0.bytes())
            .expand(LABEL, &mut key[..])
            .expect("32 bytes are within HKDF's limit");
        let aead = Aead::new(Backend::default(), &key);
        key.zeroize();
        aead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> EncryptionContext {
        EncryptionContext::of_object("bucket", "key").unwrap()
    }

    #[test]
    fn what_was_wrapped_unwraps_under_the_same_key_and_context_only() {
        let (wrapping, other) = (WrappingKey::generate().unwrap(), WrappingKey::generate().unwrap());
        let key = DataKey::generate().unwrap();
        let wrapped = wrapping.wrap(&key, &context()).unwrap();
        assert_eq!(wrapped.as_bytes().len(), 80);
        assert_eq!(wrapping.unwrap(&wrapped, &context()), Ok(key));
        assert_eq!(other.unwrap(&wrapped, &context()), Err(UnwrapError));
        assert_eq!(wrapping.unwrap(&wrapped, &EncryptionContext::empty()), Err(UnwrapError));
    }

    #[test]
    fn every_flipped_bit_and_every_other_length_is_refused() {
        let wrapping = WrappingKey::generate().unwrap();
        let blob = wrapping.wrap_bytes(b"a secret of some length", b"aad").unwrap();
        for bit in 0..blob.len() * 8 {
            let mut changed = blob.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(wrapping.unwrap_bytes(&changed, b"aad").is_err(), "bit {bit}");
        }
        for length in 0..blob.len() {
            assert!(wrapping.unwrap_bytes(&blob[..length], b"aad").is_err(), "{length} bytes");
        }
        let longer: Vec<u8> = blob.iter().copied().chain([0]).collect();
        assert!(wrapping.unwrap_bytes(&longer, b"aad").is_err());
        assert_eq!(&wrapping.unwrap_bytes(&blob, b"aad").unwrap()[..], b"a secret of some length");
    }

    #[test]
    fn two_wraps_of_one_key_differ() {
        let wrapping = WrappingKey::generate().unwrap();
        let key = DataKey::generate().unwrap();
        assert_ne!(wrapping.wrap(&key, &context()).unwrap(), wrapping.wrap(&key, &context()).unwrap());
    }
}
