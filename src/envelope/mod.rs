//! The object format: data keys, wrapped keys, encryption contexts, and envelopes sealed with AES-256-GCM.
//!
//! Byte layout and security argument: `docs/FORMAT.md`. Knows no KMS, no cache and no time.
//!
//! ```
//! use s3seal::envelope::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A data key, wrapped under a root key of ours: what SSE-S3 does.
//! let (root, data_key) = (WrappingKey::generate()?, DataKey::generate()?);
//! let context = EncryptionContext::of_object("photos", "cat.jpg")?;
//! let slot = Slot::SseS3 { root_version: 1, wrapped: root.wrap(&data_key, &context)? };
//! let identity = Identity::object("photos", "cat.jpg");
//! let sealed = seal(Keys::One(&data_key), &slot, &identity, &[7; 200_000], Options::default())?;
//!
//! // The reader takes the wrapped key out of the header, opens it, and with it the object.
//! let header = Header::parse(&sealed)?;
//! let Slot::SseS3 { wrapped, .. } = header.slot() else { panic!("another mode") };
//! let data_key = root.unwrap(wrapped, &context)?;
//! assert_eq!(open(Keys::One(&data_key), &identity, &sealed)?, [7; 200_000]);
//!
//! // Of a range only the frames that it touches are read and opened.
//! let unlocked = header.unlock(Keys::One(&data_key), &identity, Backend::default())?;
//! let plan = unlocked.plan_range(ByteRange::FromTo { first: 100_000, last: 100_009 }, sealed.len() as u64)?;
//! let frames = &sealed[plan.frames().start as usize..plan.frames().end as usize];
//! assert_eq!(unlocked.open_range(&plan, frames, &[], Threads::One)?, [7; 10]);
//!
//! // Under another root key: a new slot, the same body.
//! let next = WrappingKey::generate()?;
//! let slot = Slot::SseS3 { root_version: 2, wrapped: next.wrap(&data_key, &context)? };
//! let head = rewrap(&header, Keys::One(&data_key), &identity, &slot)?;
//! let moved = [&head, &sealed[header.as_bytes().len()..]].concat();
//! assert_eq!(open(Keys::One(&data_key), &identity, &moved)?, [7; 200_000]);
//!
//! // Under another name it does not open.
//! assert!(open(Keys::One(&data_key), &Identity::object("photos", "dog.jpg"), &moved).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! Under a key of one's own nothing is wrapped, and the reader has to bring the key; this is what `s3seal seal` writes:
//!
//! ```
//! use s3seal::envelope::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (key, identity) = (CustomerKey::generate()?, Identity::text("demo/README.md"));
//! let sealed = seal(Keys::Customer(&key), &Slot::SseC, &identity, b"twelve euros", Options::default())?;
//! assert_eq!(open(Keys::Customer(&key), &identity, &sealed)?, b"twelve euros");
//!
//! // Kept as 32 bytes: that is all of a key file.
//! let again = CustomerKey::new(&key.expose()[..])?;
//! assert_eq!(open(Keys::Customer(&again), &identity, &sealed)?, b"twelve euros");
//! # Ok(())
//! # }
//! ```

mod secret;
mod arn;
mod context;
mod key;
mod aead;
mod wrap;
mod error;
mod identity;
mod core;
mod slot;
mod derive;
mod frame;
mod seal;
mod open;
mod range;
mod manifest;
#[cfg(test)]
mod vector;

pub use aead::{Backend, NONCE_BYTES, TAG_BYTES};
pub use arn::{ArnError, KEY_ARN_BYTES_MAX, KeyArn, KeyId};
pub use context::{CONTEXT_BYTES_MAX, ContextError, EncryptionContext, Pairs, S3_ARN_KEY};
pub use core::{
    CORE_BYTES, FrameSize, Layout, MAGIC, PART_NUMBER_MAX, PLAINTEXT_BYTES_MAX, Part, SALT_BYTES, Suite,
};
pub use derive::Keys;
pub use error::{Expected, ManifestError, OpenError, RewrapError, SealError};
pub use frame::{PARALLEL_BYTES_MIN, Threads};
pub use identity::Identity;
pub use key::{
    CustomerKey, CustomerKeyError, DataKey, RandomError, WRAPPED_KEY_BYTES_MAX, WrappedKey, WrappedKeyError,
};
pub use manifest::{Manifest, ManifestPart};
pub use open::{HEADER_BYTES_MAX, HEADER_PREFIX_BYTES, Header, Opener, Unlocked, open, rewrap};
pub use range::{ByteRange, RangePlan};
pub use seal::{Options, Sealer, header_bytes, seal, seal_into, sealed_bytes};
pub use secret::{KEY_BYTES, Protection, protection};
pub use slot::Slot;
pub use wrap::{UnwrapError, WRAP_OVERHEAD_BYTES, WRAP_SALT_BYTES, WrappingKey};
