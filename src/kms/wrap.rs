//! The real wrapping: key material, and the blobs that name it. Decides nothing; [`super::Model`] does.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use zeroize::Zeroizing;

use super::error::KmsError;
use super::key::MaterialId;
use crate::envelope::{DataKey, EncryptionContext, KEY_BYTES, KeyId, RandomError, WrappedKey, WrappingKey};

/// Longest plaintext of an `Encrypt`, in bytes. Source: KMS API reference, `Plaintext` 1–4,096.
pub const PLAINTEXT_BYTES_MAX: usize = 4_096;

const VERSION: u8 = 1;
/// Bytes of a key id in text: a UUID, or `mrk-` and 32 digits.
pub(super) const KEY_ID_BYTES: usize = 36;
/// Bytes of the header: version, key id, material id.
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + 32;

/// The part of a blob in clear: `version u8 ‖ key id [36] ‖ material id [32]`, 69 bytes. What follows it is
/// `salt [32] ‖ ciphertext ‖ tag [16]`, with the header and the context's canonical bytes as associated data; a
/// wrapped data key has 149 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobHeader {
    pub(super) key_id: [u8; KEY_ID_BYTES],
    pub(super) material: MaterialId,
}

/// A secret that was not wrapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The plaintext is empty or too long.
    #[error("plaintext is {bytes} bytes: expected 1 to {PLAINTEXT_BYTES_MAX}")]
    Length {
        /// Its bytes.
        bytes: usize,
    },
    /// The operating system's generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl BlobHeader {
    /// The header of blobs under this material of this key.
    pub fn new(key: &KeyId, material: MaterialId) -> Self {
        let key_id =
            key.as_str().as_bytes().try_into().expect("a key id has 36 bytes, which its type checks");
        Self { key_id, material }
    }

    /// Reads the header of `blob`.
    ///
    /// # Errors
    /// [`KmsError::InvalidCiphertext`] when this is no blob of ours.
    pub fn of(blob: &WrappedKey) -> Result<Self, KmsError> {
        let (header, _) =
            blob.as_bytes().split_first_chunk::<HEADER_BYTES>().ok_or(KmsError::InvalidCiphertext)?;
        let (version, rest) = header.split_first().ok_or(KmsError::InvalidCiphertext)?;
        let (key_id, material) =
            rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(KmsError::InvalidCiphertext)?;
        if *version != VERSION {
            return Err(KmsError::InvalidCiphertext);
        }
        let material = material.try_into().map_err(|_| KmsError::InvalidCiphertext)?;
        Ok(Self { key_id: *key_id, material: MaterialId::from_bytes(material) })
    }

    /// The material that the blob names.
    pub fn material(&self) -> &MaterialId {
        &self.material
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(&self.key_id);
        out.extend_from_slice(self.material.as_bytes());
    }
}

fn associated_data(header: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut aad = Vec::with_capacity(HEADER_BYTES + context.canonical_len());
    aad.extend_from_slice(header);
    context.write_canonical(&mut |bytes| aad.extend_from_slice(bytes));
    aad
}

/// The materials of a KMS, each a 256-bit key from the operating system's generator or imported. `Debug` shows ids
/// only; the bytes are wiped on drop.
///
/// A material is made when something is first wrapped under it, so a rotation on schedule needs no call.
#[derive(Debug, Default)]
pub struct Keyring(RwLock<BTreeMap<MaterialId, Arc<WrappingKey>>>);

impl Keyring {
    /// No materials yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `bytes` in as a material and wipes the source.
    pub fn import(&self, material: MaterialId, bytes: &mut [u8; KEY_BYTES]) {
        self.0.write().insert(material, Arc::new(WrappingKey::import(bytes)));
    }

    /// Wipes a material, as soon as no call in flight uses it: what it wrapped never opens again.
    pub fn destroy(&self, material: &MaterialId) {
        self.0.write().remove(material);
    }

    /// A fresh data key and its blob: `GenerateDataKey`.
    ///
    /// # Errors
    /// [`WrapError::Random`].
    pub fn generate_data_key(
        &self,
        header: &BlobHeader,
        context: &EncryptionContext,
    ) -> Result<(DataKey, WrappedKey), WrapError> {
        let key = DataKey::generate()?;
        let blob = self.seal(header, key.bytes(), context)?;
        Ok((key, blob))
    }

    /// The blob of `plaintext`: `Encrypt`, and the second half of `ReEncrypt`.
    ///
    /// # Errors
    /// [`WrapError`].
    pub fn encrypt(
        &self,
        header: &BlobHeader,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<WrappedKey, WrapError> {
        if plaintext.is_empty() || plaintext.len() > PLAINTEXT_BYTES_MAX {
            return Err(WrapError::Length { bytes: plaintext.len() });
        }
        self.seal(header, plaintext, context)
    }

    /// The plaintext in `blob`: `Decrypt`.
    ///
    /// # Errors
    /// [`KmsError::InvalidCiphertext`], whatever is wrong.
    pub fn decrypt(
        &self,
        blob: &WrappedKey,
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.open(blob, context, WrappingKey::unwrap_bytes)
    }

    /// The data key in `blob`, straight into key memory: `Decrypt` of what `GenerateDataKey` gave.
    ///
    /// # Errors
    /// [`KmsError::InvalidCiphertext`], whatever is wrong; also when the secret is not a 256-bit key.
    pub fn decrypt_data_key(
        &self,
        blob: &WrappedKey,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        self.open(blob, context, WrappingKey::unwrap_key)
    }

    fn open<T>(
        &self,
        blob: &WrappedKey,
        context: &EncryptionContext,
        unwrap: impl FnOnce(&WrappingKey, &[u8], &[u8]) -> Result<T, crate::envelope::UnwrapError>,
    ) -> Result<T, KmsError> {
        let header = BlobHeader::of(blob)?;
        let key = self.0.read().get(&header.material).cloned().ok_or(KmsError::InvalidCiphertext)?;
        let (header, sealed) = blob.as_bytes().split_at(HEADER_BYTES);
        unwrap(&key, sealed, &associated_data(header, context)).map_err(|_| KmsError::InvalidCiphertext)
    }

    fn seal(
        &self,
        header: &BlobHeader,
        secret: &[u8],
        context: &EncryptionContext,
    ) -> Result<WrappedKey, WrapError> {
        let mut blob = Vec::with_capacity(HEADER_BYTES + secret.len() + 48);
        header.write(&mut blob);
        let aad = associated_data(&blob, context);
        blob.extend_from_slice(&self.material(header.material)?.wrap_bytes(secret, &aad)?);
        Ok(WrappedKey::new(blob).expect("at most 69 + 48 + 4,096 bytes are within the limit"))
    }

    fn material(&self, id: MaterialId) -> Result<Arc<WrappingKey>, RandomError> {
        if let Some(key) = self.0.read().get(&id) {
            return Ok(Arc::clone(key));
        }
        let fresh = Arc::new(WrappingKey::generate()?);
        // Another caller may have come first: its material stays.
        Ok(Arc::clone(self.0.write().entry(id).or_insert(fresh)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const OTHER: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";

    fn header(key: &str, material: u8) -> BlobHeader {
        BlobHeader::new(&key.parse().unwrap(), MaterialId::from_bytes([material; 32]))
    }

    fn context() -> EncryptionContext {
        EncryptionContext::of_object("bucket", "key").unwrap()
    }

    #[test]
    fn a_blob_opens_under_its_own_context_only_and_names_its_key_and_material() {
        let ring = Keyring::new();
        let (key, blob) = ring.generate_data_key(&header(KEY, 7), &context()).unwrap();
        assert_eq!(blob.as_bytes().len(), 149);
        assert_eq!(BlobHeader::of(&blob), Ok(header(KEY, 7)));
        assert_eq!(ring.decrypt_data_key(&blob, &context()), Ok(key));
        let other = EncryptionContext::of_object("bucket", "Key").unwrap();
        for wrong in [EncryptionContext::empty(), other] {
            assert_eq!(ring.decrypt_data_key(&blob, &wrong), Err(KmsError::InvalidCiphertext));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_an_invalid_ciphertext() {
        let ring = Keyring::new();
        // The other material exists, so that a flip in the header does not fail for want of it alone.
        ring.generate_data_key(&header(OTHER, 6), &context()).unwrap();
        let blob = ring.encrypt(&header(KEY, 7), b"a short secret", &context()).unwrap();
        assert_eq!(&ring.decrypt(&blob, &context()).unwrap()[..], b"a short secret");
        let bytes = blob.as_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = WrappedKey::new(changed).unwrap();
            assert_eq!(ring.decrypt(&changed, &context()), Err(KmsError::InvalidCiphertext), "bit {bit}");
        }
        for length in 1..bytes.len() {
            let cut = WrappedKey::new(&bytes[..length]).unwrap();
            assert_eq!(ring.decrypt(&cut, &context()), Err(KmsError::InvalidCiphertext), "{length} bytes");
        }
    }

    #[test]
    fn a_blob_moved_to_another_key_or_material_does_not_open() {
        let ring = Keyring::new();
        let (_, blob) = ring.generate_data_key(&header(KEY, 7), &context()).unwrap();
        ring.generate_data_key(&header(KEY, 8), &context()).unwrap();
        for moved in [header(OTHER, 7), header(KEY, 8)] {
            let mut bytes = Vec::new();
            moved.write(&mut bytes);
            bytes.extend_from_slice(&blob.as_bytes()[HEADER_BYTES..]);
            let moved = WrappedKey::new(bytes).unwrap();
            assert_eq!(ring.decrypt_data_key(&moved, &context()), Err(KmsError::InvalidCiphertext));
        }
        assert_eq!(Keyring::new().decrypt_data_key(&blob, &context()), Err(KmsError::InvalidCiphertext));
    }

    #[test]
    fn imported_material_opens_again_after_a_second_import_and_nothing_after_destruction() {
        let ring = Keyring::new();
        let header = header(KEY, 1);
        ring.import(header.material, &mut [9; KEY_BYTES]);
        let (key, blob) = ring.generate_data_key(&header, &context()).unwrap();
        ring.destroy(&header.material);
        assert_eq!(ring.decrypt_data_key(&blob, &context()), Err(KmsError::InvalidCiphertext));
        let mut again = [9; KEY_BYTES];
        ring.import(header.material, &mut again);
        assert_eq!(again, [0; KEY_BYTES], "the source is wiped");
        assert_eq!(ring.decrypt_data_key(&blob, &context()), Ok(key));
    }

    #[test]
    fn plaintext_has_1_to_4096_bytes() {
        let ring = Keyring::new();
        let encrypt = |bytes: usize| ring.encrypt(&header(KEY, 1), &vec![1; bytes], &context());
        assert!(encrypt(1).is_ok() && encrypt(4_096).is_ok());
        assert_eq!(encrypt(0), Err(WrapError::Length { bytes: 0 }));
        assert_eq!(encrypt(4_097).unwrap_err().to_string(), "plaintext is 4097 bytes: expected 1 to 4096");
    }

    #[test]
    fn no_key_bytes_show_in_debug() {
        let ring = Keyring::new();
        ring.import(MaterialId::from_bytes([1; 32]), &mut [0xAB; KEY_BYTES]);
        let text = format!("{ring:?}").to_lowercase();
        assert!(text.contains(&"01".repeat(32)), "ids show");
        assert!(!text.contains("abab") && !text.contains("171, 171"), "{text}");
    }
}
