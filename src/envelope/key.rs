//! `DataKey`, `CustomerKey` and `WrappedKey`: the keys that seal objects, and the one that may be stored.

use std::fmt;

use zeroize::Zeroizing;

use super::secret::{KEY_BYTES, Secret};

/// Longest wrapped key, in bytes. Source: KMS API reference, `CiphertextBlob` 1–6,144 bytes.
pub const WRAPPED_KEY_BYTES_MAX: usize = 6_144;

/// The operating system's generator failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}; nothing was sealed")]
pub struct RandomError(getrandom::Error);

/// Fills `out` from the operating system's generator, the only source of keys and salts.
pub(crate) fn fill_random(out: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(out).map_err(RandomError)
}

/// A 256-bit data key (DEK). It comes from the operating system's generator or from unwrapping, here or in a key service,
/// and from nowhere else: do not make one from a seed or a password.
///
/// The bytes are wiped on drop, do not show in `Debug`, and compare in constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey(Secret);

impl DataKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system's generator fails.
    pub fn generate() -> Result<Self, RandomError> {
        Secret::try_fill(fill_random).map(Self)
    }

    /// The key that a wrapped key held, as a key service gave it; the source is wiped.
    pub fn unwrapped(bytes: &mut [u8; KEY_BYTES]) -> Self {
        Self(Secret::take(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.bytes()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([secret])")
    }
}

/// The 256-bit key that a customer sends with each SSE-C request. It is never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey(Secret);

/// A customer key of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a customer key is {KEY_BYTES} bytes, this one has {bytes}")]
pub struct CustomerKeyError {
    /// Bytes given.
    pub bytes: usize,
}

impl CustomerKey {
    /// The key with these 32 bytes.
    ///
    /// # Errors
    /// [`CustomerKeyError`] for another length.
    pub fn new(bytes: &[u8]) -> Result<Self, CustomerKeyError> {
        let array: &[u8; KEY_BYTES] =
            bytes.try_into().map_err(|_| CustomerKeyError { bytes: bytes.len() })?;
        Ok(Self(Secret::take(&mut Zeroizing::new(*array))))
    }

    /// A fresh key.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system's generator fails.
    pub fn generate() -> Result<Self, RandomError> {
        Secret::try_fill(fill_random).map(Self)
    }

    /// The bytes, for the customer to keep. They are wiped when the value returned is dropped.
    pub fn expose(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(*self.0.bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.bytes()
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey([secret])")
    }
}

/// A data key under another key (`CiphertextBlob` in KMS): 1–6,144 bytes that may be stored.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WrappedKey(Box<[u8]>);

/// A wrapped key of impossible length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a wrapped key has 1 to {WRAPPED_KEY_BYTES_MAX} bytes, this one {bytes}")]
pub struct WrappedKeyError {
    /// Bytes given.
    pub bytes: usize,
}

impl WrappedKey {
    /// The blob as a KMS gave it.
    ///
    /// # Errors
    /// [`WrappedKeyError`] for no bytes or more than [`WRAPPED_KEY_BYTES_MAX`].
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, WrappedKeyError> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > WRAPPED_KEY_BYTES_MAX {
            return Err(WrappedKeyError { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The blob.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_keys_differ_and_clones_are_equal() {
        let key = DataKey::generate().unwrap();
        assert_ne!(key, DataKey::generate().unwrap());
        assert_eq!(key, key.clone());
        assert_ne!(key.bytes(), &[0; KEY_BYTES]);
    }

    #[test]
    fn lengths_are_checked_at_their_edges() {
        assert_eq!(CustomerKey::new(&[0; 31]), Err(CustomerKeyError { bytes: 31 }));
        assert!(CustomerKey::new(&[0; 32]).is_ok());
        assert_eq!(CustomerKey::new(&[0; 33]), Err(CustomerKeyError { bytes: 33 }));
        assert!(WrappedKey::new(vec![]).is_err());
        assert!(WrappedKey::new(vec![0; WRAPPED_KEY_BYTES_MAX]).is_ok());
        assert!(WrappedKey::new(vec![0; WRAPPED_KEY_BYTES_MAX + 1]).is_err());
    }
}
