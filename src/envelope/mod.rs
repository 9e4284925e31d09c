//! The object format: data keys, wrapped keys, encryption contexts, and envelopes sealed with AES-256-GCM.
//!
//! Byte layout and security argument: `docs/FORMAT.md`. Knows no KMS, no cache and no time.

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
