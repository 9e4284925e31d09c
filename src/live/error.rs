//! Why a live run, or a piece of its work, failed.

use super::directory::FileError;
use crate::envelope::{ContextError, ManifestError, OpenError, RandomError, SealError, UnwrapError};
use crate::kms::{KmsError, WrapError};
use crate::rig::RigError;

/// Why a run did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// A value that the workload allows and another room refuses.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// The population does not fit.
    #[error("objects.count is {count}: expected at most {expected}")]
    Objects {
        /// Asked for.
        count: u64,
        /// The limit.
        expected: u64,
    },
    /// The population takes too much memory.
    #[error(
        "the population takes {bytes} bytes: expected at most {available}, which this machine has available; \
         use fewer or smaller objects, or `s3seal sim`"
    )]
    Memory {
        /// Sum of the objects' sizes.
        bytes: u64,
        /// What the caller allows.
        available: u64,
    },
    /// The population does not fit into the directory.
    #[error(
        "the population takes up to {bytes} bytes: expected at most {available}, which the store's directory has free; \
         use fewer or smaller objects, or another directory"
    )]
    Directory {
        /// Sum of the objects' sizes, each with what its file takes beyond it.
        bytes: u64,
        /// What is free.
        available: u64,
    },
    /// An object of the population was not sealed or written.
    #[error("the population could not be made: {0}")]
    Population(#[from] WorkError),
}

/// Why a key or a body was not wrapped, sealed or opened, or is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// A body that does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A body that was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A data key under a root key or a Bucket Key.
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
    /// A data key under a KMS key.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// A data key that was not wrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The operating system's generator.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A name too long for a context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The mode needs a key of KMS and was handed none.
    #[error("no key came with the body")]
    NoKey,
    /// The store's directory.
    #[error(transparent)]
    File(#[from] FileError),
    /// It opened, and is not what was sealed.
    #[error("object {object}, version {version}: byte {at} is not the one that was written")]
    Mismatch {
        /// The object.
        object: u64,
        /// Its version.
        version: u64,
        /// The first byte that differs.
        at: u64,
    },
}
