//! The object format: data keys, wrapped keys, encryption contexts, and envelopes sealed with AES-256-GCM.
//!
//! Byte layout and security argument: `docs/FORMAT.md`. Knows no KMS, no cache and no time.

mod secret;
mod arn;
mod context;
mod key;
mod aead;
mod wrap;

pub use aead::{Backend, NONCE_BYTES, TAG_BYTES};
pub use arn::{ArnError, KEY_ARN_BYTES_MAX, KeyArn, KeyId};
pub use context::{CONTEXT_BYTES_MAX, ContextError, EncryptionContext, Pairs, S3_ARN_KEY};
pub use key::{
    CustomerKey, CustomerKeyError, DataKey, RandomError, WRAPPED_KEY_BYTES_MAX, WrappedKey, WrappedKeyError,
};
pub use secret::{KEY_BYTES, Protection, protection};
pub use wrap::{UnwrapError, WRAP_OVERHEAD_BYTES, WRAP_SALT_BYTES, WrappingKey};
