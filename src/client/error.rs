//! Why the client gave no key, sealed nothing or opened nothing: one enum per operation.

use std::io;
use std::sync::Arc;

use super::service::ServiceError;
use crate::cache::Failure;
use crate::envelope::{KeyArn, OpenError, SealError};
use crate::units::Span;

/// Why there is no data key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// KMS refused or failed, now or a moment ago.
    #[error("no data key under {key}: {failure}")]
    Refused {
        /// The KMS key.
        key: KeyArn,
        /// Why.
        failure: Failure,
        /// What the service said, where this call waited for its answer. `None` when the answer was remembered, or when
        /// the KMS key was disabled in the cache.
        source: Option<Arc<ServiceError>>,
    },
    /// KMS throttles, and the next call is due after this request's deadline.
    #[error("no data key under {key}: KMS throttles, the next call is due in {wait}, after the deadline")]
    Paced {
        /// The KMS key.
        key: KeyArn,
        /// Until the next call is due.
        wait: Span,
    },
    /// The wait reached its limit.
    #[error("no data key under {key} within {waited}, the longest wait")]
    DeadlineExceeded {
        /// The KMS key.
        key: KeyArn,
        /// How long it waited.
        waited: Span,
    },
    /// So many requests wait for keys already that one more is refused at once.
    #[error("{limit} requests wait for data keys already, which is the limit")]
    TooManyWaiters {
        /// The limit.
        limit: usize,
    },
    /// A key had to be fetched outside of a tokio runtime.
    #[error("a data key has to be fetched, which needs a tokio runtime: call this inside of one")]
    NoRuntime,
}

impl KeyError {
    /// Why KMS gave no key, where that is the cause.
    pub const fn failure(&self) -> Option<Failure> {
        match self {
            Self::Refused { failure, .. } => Some(*failure),
            _ => None,
        }
    }
}

/// Why an object was not sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// There is no data key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The envelope was not made.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Reading the plaintext or writing the envelope failed.
    #[error("sealing stopped: {0}")]
    Io(#[from] io::Error),
}

/// Why an object was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// There is no data key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The envelope does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The object names a KMS key or a context that it may not be opened under. KMS was not asked.
    #[error(
        "the object names KMS key {found} and an encryption context of {pairs} {}: expected both as in a request that it \
         may be opened with",
        if *pairs == 1 { "pair" } else { "pairs" }
    )]
    NotAllowed {
        /// The KMS key that the object names.
        found: KeyArn,
        /// Pairs of the context that it names.
        pairs: usize,
    },
    /// The object has no key under a KMS key alone.
    #[error("the object's mode is {mode}: expected sse-kms")]
    Mode {
        /// Its mode.
        mode: &'static str,
    },
    /// Reading the envelope or writing the plaintext failed.
    #[error("opening stopped: {0}")]
    Io(#[from] io::Error),
}
