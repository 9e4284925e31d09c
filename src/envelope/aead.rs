//! AES-256-GCM (NIST SP 800-38D) on two back ends behind one enum; both give the same bytes.

use std::fmt;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};

use super::secret::{KEY_BYTES, wipe_stack};

/// Bytes of an authentication tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;

/// Which implementation does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// `aws-lc-rs`: C and assembly; the default.
    #[cfg(feature = "aws-lc")]
    AwsLc,
    /// `aes-gcm`: Rust alone; portable, and the independent oracle of the tests.
    Portable,
}

impl Default for Backend {
    fn default() -> Self {
        #[cfg(feature = "aws-lc")]
        return Self::AwsLc;
        #[cfg(not(feature = "aws-lc"))]
        return Self::Portable;
    }
}

impl Backend {
    /// Every back end of this build, the default first.
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "aws-lc")]
        Self::AwsLc,
        Self::Portable,
    ];
}

/// The tag did not match: the key, the nonce, the associated data or the ciphertext is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TagMismatch;

/// A key, expanded for use: on the heap with both back ends, so that moving this value copies a pointer and leaves no round
/// key (the first two are the key itself) behind on the stack. Wiped on drop.
pub(crate) enum Aead {
    #[cfg(feature = "aws-lc")]
    AwsLc(aws_lc_rs::aead::LessSafeKey),
    Portable(Box<Aes256Gcm>),
}

/// The crate expands by value; what that leaves on the stack lies below the caller's frame, to be wiped there.
#[inline(never)]
fn expand_portable(key: &[u8; KEY_BYTES]) -> Box<Aes256Gcm> {
    Box::new(Aes256Gcm::new(key.into()))
}

impl Aead {
    pub(crate) fn new(backend: Backend, key: &[u8; KEY_BYTES]) -> Self {
        match backend {
            #[cfg(feature = "aws-lc")]
            Backend::AwsLc => {
                use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
                let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has 32 bytes");
                Self::AwsLc(LessSafeKey::new(key))
            }
            Backend::Portable => {
                let expanded = expand_portable(key);
                wipe_stack();
                Self::Portable(expanded)
            }
        }
    }

    /// Writes the ciphertext of `plaintext` to `out` (as long) and its tag to `tag` (16 bytes).
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
        tag: &mut [u8],
    ) {
        match self {
            #[cfg(feature = "aws-lc")]
            Self::AwsLc(key) => {
                use aws_lc_rs::aead::{Aad, Nonce};
                let nonce = Nonce::assume_unique_for_key(*nonce);
                key.seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, out, &[], tag)
                    .expect("lengths agree and are below GCM's 64 GiB");
            }
            Self::Portable(key) => {
                let buffers = InOutBuf::new(plaintext, out).expect("lengths agree");
                let sealed = key
                    .encrypt_inout_detached(&Nonce::from(*nonce), aad, buffers)
                    .expect("shorter than GCM's 64 GiB");
                tag.copy_from_slice(&sealed);
            }
        }
    }

    /// [`Self::seal`] where the plaintext lies: `body` holds it before and the ciphertext after.
    pub(crate) fn seal_in_place(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        body: &mut [u8],
        tag: &mut [u8],
    ) {
        match self {
            #[cfg(feature = "aws-lc")]
            Self::AwsLc(key) => {
                use aws_lc_rs::aead::{Aad, Nonce};
                let nonce = Nonce::assume_unique_for_key(*nonce);
                key.seal_in_place_scatter(nonce, Aad::from(aad), body, &[], tag)
                    .expect("lengths agree and are below GCM's 64 GiB");
            }
            Self::Portable(key) => {
                let sealed = key
                    .encrypt_inout_detached(&Nonce::from(*nonce), aad, body.into())
                    .expect("shorter than GCM's 64 GiB");
                tag.copy_from_slice(&sealed);
            }
        }
    }

    /// Writes the plaintext of `ciphertext` to `out` (as long). After an error `out` holds no plaintext.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<(), TagMismatch> {
        let tag: &[u8; TAG_BYTES] = tag.try_into().map_err(|_| TagMismatch)?;
        let opened = match self {
            #[cfg(feature = "aws-lc")]
            Self::AwsLc(key) => {
                use aws_lc_rs::aead::{Aad, Nonce};
                let nonce = Nonce::assume_unique_for_key(*nonce);
                key.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, out).map_err(|_| TagMismatch)
            }
            Self::Portable(key) => {
                InOutBuf::new(ciphertext, out).map_err(|_| TagMismatch).and_then(|buffers| {
                    key.decrypt_inout_detached(&Nonce::from(*nonce), aad, buffers, &Tag::from(*tag))
                        .map_err(|_| TagMismatch)
                })
            }
        };
        if opened.is_err() {
            // aws-lc leaves it unspecified what stands here after a bad tag.
            out.fill(0);
        }
        opened
    }
}

impl fmt::Debug for Aead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aead([secret])")
    }
}
