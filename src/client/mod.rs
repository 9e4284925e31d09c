//! The data-key cache as a library to keep: async, in front of AWS KMS or any [`KeyService`], for encryption on the client's side
//! and for S3-compatible stores.
//!
//! [`DataKeyCache`] drives the rules of [`cache`](crate::cache) on tokio; it has none of its own. [`SealedStore`] makes any
//! program on `object_store` encrypt. What to choose and what it means: `docs/CACHE.md`.
//!
//! **What is deliberately absent.** A cache of wrapped keys on disk; a way to hand out a key past its limits while KMS is
//! out of service: that would void the revocation bound.

// `parking` names its locks and pointers through here, so that the loom test can put loom's in their place.
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

mod clock;
mod service;
mod error;
mod request;
mod crowd;
mod parking;
mod snapshot;
mod builder;
mod fetch;
mod deadline;
mod waiting;
mod data_key_cache;
mod model_service;
#[cfg(feature = "aws")]
mod aws;
mod slot;
mod stream;
mod sealed_store;

#[cfg(feature = "aws")]
pub use aws::AwsKms;
pub use builder::{Builder, CALL_MAX_DEFAULT, WAITERS_MAX_DEFAULT};
pub use clock::Clock;
pub(crate) use clock::boot_nanos;
pub use data_key_cache::DataKeyCache;
pub use error::{KeyError, OpeningError, SealingError};
pub use model_service::{ModelService, ModelServiceError};
pub use request::{CachedKey, KeyRequest};
pub use sealed_store::{ObjectUse, SealedStore};
pub use service::{Decrypt, GenerateDataKey, GeneratedKey, KeyService, ServiceError};
pub use slot::{HeaderTooLong, PAD_KEY, STORE_HEADER_BYTES};
pub use snapshot::Snapshot;
