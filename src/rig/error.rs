//! A scenario's value that a room refuses, by its name in the scenario.

use crate::cache::{BucketKeyError, ConfigError};
use crate::envelope::ArnError;
use crate::kms::{KmsError, QuotaError, ServiceTimeError};

/// A value that the workload allows and the room that it is for does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}: expected {expected}")]
pub struct RigError {
    /// The field, as a path in the scenario.
    pub field: String,
    /// Its value.
    pub value: String,
    /// What would do.
    pub expected: String,
}

impl RigError {
    pub(super) fn new(field: &str, value: &(impl ToString + ?Sized), expected: &str) -> Self {
        Self { field: field.into(), value: value.to_string(), expected: expected.into() }
    }

    pub(super) fn cache(error: &ConfigError) -> Self {
        Self::new(&format!("cache.{}", error.field), &error.value, error.expected)
    }

    pub(super) fn bucket_key(error: &ConfigError) -> Self {
        Self::new(&format!("bucket_key.{}", error.field), &error.value, error.expected)
    }

    pub(super) fn quota(field: &str, error: &QuotaError) -> Self {
        Self::new(field, &error.value, error.expected)
    }

    pub(super) fn service_time(error: &ServiceTimeError) -> Self {
        match error {
            ServiceTimeError::Parameter { field, value, expected } => {
                Self::new(&format!("kms.service_time.{field}"), value, expected)
            }
            other => Self::new("kms.service_time", other, "numbers"),
        }
    }
}

impl From<ArnError> for RigError {
    fn from(error: ArnError) -> Self {
        Self::new("kms.region", &error, "a Region that a key's ARN may name")
    }
}

impl From<BucketKeyError> for RigError {
    fn from(error: BucketKeyError) -> Self {
        Self::new("bucket", &error.bucket, "a name that fits an encryption context")
    }
}

impl From<KmsError> for RigError {
    fn from(error: KmsError) -> Self {
        Self::new("layout.kms_keys", &error, "keys that one account may hold")
    }
}
