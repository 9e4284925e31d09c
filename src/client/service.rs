//! `KeyService`: what the cache asks of a key management service, and how such a service refuses.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::cache;
use crate::envelope::{DataKey, EncryptionContext, KeyArn, WrappedKey};
use crate::kms::{self, AwsError};
use crate::request::Principal;
use crate::units::{Span, Timestamp};

/// `GenerateDataKey`: a fresh 256-bit data key under a KMS key.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct GenerateDataKey<'a> {
    /// The KMS key.
    pub key: &'a KeyArn,
    /// Bound to the wrapped key.
    pub context: &'a EncryptionContext,
    /// On whose behalf. With AWS KMS the credentials of the client decide; this is what the cache tells callers apart by.
    pub principal: &'a Principal,
}

/// `Decrypt`: the data key in a wrapped key.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Decrypt<'a> {
    /// The KMS key that wrapped it. A service must refuse a blob of another key.
    pub key: &'a KeyArn,
    /// What `GenerateDataKey` gave.
    pub wrapped: &'a WrappedKey,
    /// The context that it was wrapped under.
    pub context: &'a EncryptionContext,
    /// As in [`GenerateDataKey`].
    pub principal: &'a Principal,
}

/// A fresh data key, and the form of it that may be stored.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "every service builds one, and there is nothing else to a data key"
)]
pub struct GeneratedKey {
    /// The data key.
    pub key: DataKey,
    /// The same under the KMS key.
    pub wrapped: WrappedKey,
}

/// A key management service: AWS KMS (`AwsKms`, feature `aws`), the model ([`ModelService`](super::ModelService)),
/// or one of yours.
///
/// One call is one request: no retries in here. The cache retries by its policy, paces after throttling, bounds each call in
/// time and counts it, so that its count of calls is the service's. A future may be dropped before it is ready.
///
/// ```
/// use s3seal::client::{Decrypt, GenerateDataKey, GeneratedKey, KeyService, ServiceError};
/// use s3seal::envelope::{DataKey, WrappingKey};
///
/// /// Wraps under one key in memory: for a laptop without a network.
/// struct InMemory(WrappingKey);
///
/// impl KeyService for InMemory {
///     async fn generate_data_key(&self, call: GenerateDataKey<'_>) -> Result<GeneratedKey, ServiceError> {
///         let failed = |error: &dyn std::fmt::Display| ServiceError::Unavailable { message: error.to_string() };
///         let key = DataKey::generate().map_err(|error| failed(&error))?;
///         let wrapped = self.0.wrap(&key, call.context).map_err(|error| failed(&error))?;
///         Ok(GeneratedKey { key, wrapped })
///     }
///
///     async fn decrypt(&self, call: Decrypt<'_>) -> Result<DataKey, ServiceError> {
///         let refused = |error: s3seal::envelope::UnwrapError| ServiceError::Invalid { message: error.to_string() };
///         self.0.unwrap(call.wrapped, call.context).map_err(refused)
///     }
/// }
/// ```
pub trait KeyService: Send + Sync + 'static {
    /// A fresh data key.
    ///
    /// # Errors
    /// [`ServiceError`].
    fn generate_data_key(
        &self,
        call: GenerateDataKey<'_>,
    ) -> impl Future<Output = Result<GeneratedKey, ServiceError>> + Send;

    /// The data key in a wrapped key.
    ///
    /// # Errors
    /// [`ServiceError`].
    fn decrypt(&self, call: Decrypt<'_>) -> impl Future<Output = Result<DataKey, ServiceError>> + Send;
}

impl<S: KeyService> KeyService for Arc<S> {
    async fn generate_data_key(&self, call: GenerateDataKey<'_>) -> Result<GeneratedKey, ServiceError> {
        self.as_ref().generate_data_key(call).await
    }

    async fn decrypt(&self, call: Decrypt<'_>) -> Result<DataKey, ServiceError> {
        self.as_ref().decrypt(call).await
    }
}

/// Why a service gave no key. The texts come from the service: they hold no key, but they stand in logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The principal may not use the KMS key.
    #[error("access to the KMS key is denied: {message}")]
    Denied {
        /// What the service said.
        message: String,
    },
    /// The KMS key is disabled or pending deletion.
    #[error("the KMS key is disabled: {message}")]
    Disabled {
        /// What the service said.
        message: String,
    },
    /// The wrapped key does not open under this KMS key and context.
    #[error("the wrapped key does not open: {message}")]
    Invalid {
        /// What the service said.
        message: String,
    },
    /// There is no such KMS key.
    #[error("the KMS key does not exist: {message}")]
    NotFound {
        /// What the service said.
        message: String,
    },
    /// Over the quota.
    #[error("throttled: {message}")]
    Throttled {
        /// What the service said.
        message: String,
        /// How long the service asks to wait, where it says.
        retry_after: Option<Span>,
    },
    /// No answer in time.
    #[error("no answer within {after}")]
    TimeOut {
        /// How long it was waited for.
        after: Span,
    },
    /// An outage, a broken connection, an internal error: worth another try.
    #[error("the service is not available: {message}")]
    Unavailable {
        /// What is known.
        message: String,
    },
    /// An answer that makes no sense, or a refusal that no retry changes.
    #[error("unexpected answer: {message}")]
    Unexpected {
        /// What is known.
        message: String,
    },
    /// The fetch was dropped before it ended: its runtime was shut down, or the service panicked.
    #[error("the fetch was abandoned before the service answered")]
    Abandoned,
}

impl ServiceError {
    /// What AWS's answer means. `retry_after` is its `x-amz-retry-after`.
    ///
    /// Source: KMS API reference, errors of `GenerateDataKey` and `Decrypt` (docs/SOURCES.md, client).
    pub fn of_aws(error: &AwsError, retry_after: Option<Span>) -> Self {
        let message = if error.message.is_empty() {
            error.code.clone()
        } else {
            format!("{}: {}", error.code, error.message)
        };
        match error.code.as_str() {
            "AccessDeniedException" => Self::Denied { message },
            "DisabledException" | "KMSInvalidStateException" => Self::Disabled { message },
            "InvalidCiphertextException" | "IncorrectKeyException" => Self::Invalid { message },
            "NotFoundException" => Self::NotFound { message },
            _ => match kms::Failure::of(error) {
                kms::Failure::Throttling => Self::Throttled { message, retry_after },
                kms::Failure::Transient | kms::Failure::TimeOut => Self::Unavailable { message },
                kms::Failure::Permanent => Self::Unexpected { message },
            },
        }
    }

    /// How a retry policy classes it.
    pub const fn class(&self) -> kms::Failure {
        match self {
            Self::Throttled { .. } => kms::Failure::Throttling,
            Self::TimeOut { .. } => kms::Failure::TimeOut,
            Self::Unavailable { .. } => kms::Failure::Transient,
            Self::Denied { .. }
            | Self::Disabled { .. }
            | Self::Invalid { .. }
            | Self::NotFound { .. }
            | Self::Unexpected { .. }
            | Self::Abandoned => kms::Failure::Permanent,
        }
    }

    /// What it means for a cache; after throttling no call is due before `earliest`.
    pub const fn failure(&self, earliest: Timestamp) -> cache::Failure {
        match self {
            Self::Denied { .. } => cache::Failure::Denied,
            Self::Disabled { .. } => cache::Failure::Disabled,
            Self::Invalid { .. } => cache::Failure::Invalid,
            Self::NotFound { .. } => cache::Failure::NotFound,
            Self::Throttled { .. } => cache::Failure::Throttled { earliest },
            Self::TimeOut { .. } | Self::Unavailable { .. } | Self::Unexpected { .. } | Self::Abandoned => {
                cache::Failure::Transient
            }
        }
    }

    /// How long the service asks to wait.
    pub const fn retry_after(&self) -> Option<Span> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// Any service behind a pointer, so that the cache has one type whatever stands behind it. A box per KMS call is nothing
/// beside the call.
pub(super) trait AnyService: Send + Sync {
    fn generate<'a>(&'a self, call: GenerateDataKey<'a>) -> Answer<'a, GeneratedKey>;
    fn open<'a>(&'a self, call: Decrypt<'a>) -> Answer<'a, DataKey>;
}

impl<S: KeyService> AnyService for S {
    fn generate<'a>(&'a self, call: GenerateDataKey<'a>) -> Answer<'a, GeneratedKey> {
        Box::pin(self.generate_data_key(call))
    }

    fn open<'a>(&'a self, call: Decrypt<'a>) -> Answer<'a, DataKey> {
        Box::pin(self.decrypt(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::{KmsError, Throttled};

    #[test]
    fn aws_answers_are_classed_by_code_and_then_by_status() {
        let throttled = ServiceError::of_aws(&Throttled { earliest: Timestamp::MAX }.at_kms(), None);
        assert_eq!(throttled.class(), kms::Failure::Throttling);
        let error = |code: &str, status| AwsError { code: code.into(), status, message: String::new() };
        let class = |code, status| ServiceError::of_aws(&error(code, status), None).class();
        assert_eq!(class("KMSInternalException", 500), kms::Failure::Transient);
        assert_eq!(class("SomethingNew", 503), kms::Failure::Transient);
        assert_eq!(class("SomethingNew", 429), kms::Failure::Throttling);
        assert_eq!(class("ValidationException", 400), kms::Failure::Permanent);
        assert_eq!(class("AccessDeniedException", 400), kms::Failure::Permanent);
    }

    #[test]
    fn what_ends_a_cached_key_is_what_the_service_says_for_good() {
        let key: KeyArn =
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
        let failure = |error: KmsError| ServiceError::of_aws(&error.at_kms(), None).failure(Timestamp::ZERO);
        assert_eq!(failure(KmsError::Disabled { key: key.clone() }), cache::Failure::Disabled);
        assert_eq!(failure(KmsError::NotFound { key: key.clone() }), cache::Failure::NotFound);
        assert_eq!(failure(KmsError::InvalidCiphertext), cache::Failure::Invalid);
        assert_eq!(failure(KmsError::Internal), cache::Failure::Transient);
        let pending = KmsError::InvalidState { key, problem: "is pending deletion" };
        assert_eq!(failure(pending), cache::Failure::Disabled);
    }
}
