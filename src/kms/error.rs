//! What KMS answers when it refuses, in our words and in AWS's: name, HTTP status and text at both boundaries.

use crate::envelope::KeyArn;

use super::quota::Throttled;

/// A failure as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// The exception's or error's name: `DisabledException`, `SlowDown`.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// The text, empty where AWS gives none.
    pub message: String,
}

/// A call that KMS refused for another reason than quota ([`Throttled`], which is expected and no error).
///
/// Source: SDK model (botocore 1.44.5) and answers captured from AWS (docs/SOURCES.md, kms).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// The principal may not do this with this key.
    #[error("{principal} may not {action} with key {key}: it is not among those that the key allows")]
    AccessDenied {
        /// Who asked.
        principal: String,
        /// The IAM action, `kms:Decrypt`.
        action: String,
        /// The key.
        key: KeyArn,
    },
    /// An automatic rotation is due within 20 minutes.
    #[error("key {key} is about to rotate by itself: rotate it on demand after that")]
    Conflict {
        /// The key.
        key: KeyArn,
    },
    /// KMS gave no answer in time: an outage.
    #[error("KMS gave no answer in time: it is out of service")]
    DependencyTimeout,
    /// The key is disabled.
    #[error("key {key} is disabled: enable it first")]
    Disabled {
        /// The key.
        key: KeyArn,
    },
    /// The request names another key than the ciphertext.
    #[error("the request names another key than the one that made the ciphertext")]
    IncorrectKey,
    /// KMS failed inside; the call can be repeated.
    #[error("KMS failed inside: repeat the call")]
    Internal,
    /// The text is no ARN of a key in this Region.
    #[error("key ARN is of Region {region}: expected the Region of this KMS")]
    InvalidArn {
        /// The Region that the ARN names.
        region: String,
    },
    /// The blob is not one of ours, was changed, or was made under another encryption context.
    #[error(
        "the ciphertext does not open: it is foreign, changed, or stands under another encryption context"
    )]
    InvalidCiphertext,
    /// The text is no key id.
    #[error("key id `{text}` is not valid: expected a key id or a key ARN")]
    InvalidKeyId {
        /// What was given, cut at 80 characters.
        text: String,
    },
    /// The key's state does not allow the operation.
    #[error("key {key} {problem}")]
    InvalidState {
        /// The key.
        key: KeyArn,
        /// As AWS says it: `is pending deletion`, `is pending import`, `is unavailable`, `is not pending deletion`.
        problem: &'static str,
    },
    /// A resource quota is used up.
    #[error("{what} of {holder} has reached its limit of {limit}")]
    LimitExceeded {
        /// What is limited.
        what: LimitedResource,
        /// Whose limit it is: a key ARN or an account.
        holder: String,
        /// The limit.
        limit: u32,
    },
    /// No such key, or no longer.
    #[error("key {key} does not exist")]
    NotFound {
        /// The key.
        key: KeyArn,
    },
    /// The kind of key does not have the operation.
    #[error("key {key} has origin {origin}, which does not have {operation}")]
    UnsupportedOperation {
        /// The key.
        key: KeyArn,
        /// The key's origin as AWS names it.
        origin: &'static str,
        /// The operation.
        operation: &'static str,
    },
    /// A parameter is out of its range.
    #[error("{field} `{value}` is not valid: expected {expected}")]
    Validation {
        /// Which parameter.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// What has a limit in number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedResource {
    /// Rotations on demand of one key.
    OnDemandRotations,
    /// Keys of one account in one Region.
    Keys,
}

impl std::fmt::Display for LimitedResource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OnDemandRotations => "the number of rotations on demand",
            Self::Keys => "the number of KMS keys",
        })
    }
}

impl KmsError {
    /// The answer of KMS itself.
    pub fn at_kms(&self) -> AwsError {
        let (code, status, message) = match self {
            Self::AccessDenied { principal, action, key } => (
                "AccessDeniedException",
                400,
                // The shape is unconfirmed: no capture of AWS's own text was found.
                format!("User: {principal} is not authorized to perform: {action} on resource: {key}"),
            ),
            // No capture of the text was found.
            Self::Conflict { .. } => ("ConflictException", 400, String::new()),
            Self::DependencyTimeout => (
                "DependencyTimeoutException",
                503,
                "The system timed out while trying to fulfill the request. You can retry the request.".into(),
            ),
            Self::Disabled { key } => ("DisabledException", 400, format!("{key} is disabled.")),
            Self::IncorrectKey => (
                "IncorrectKeyException",
                400,
                "The key ID in the request does not identify a CMK that can perform this operation.".into(),
            ),
            Self::Internal => (
                "KMSInternalException",
                500,
                "The request was rejected because an internal exception occurred. The request can be retried."
                    .into(),
            ),
            Self::InvalidArn { region } => ("NotFoundException", 400, format!("Invalid arn {region}")),
            Self::InvalidCiphertext => ("InvalidCiphertextException", 400, String::new()),
            Self::InvalidKeyId { text } => ("NotFoundException", 400, format!("Invalid keyId '{text}'")),
            Self::InvalidState { key, problem } => {
                ("KMSInvalidStateException", 400, format!("{key} {problem}."))
            }
            Self::LimitExceeded { what, holder, .. } => ("LimitExceededException", 400, what.text(holder)),
            Self::NotFound { key } => ("NotFoundException", 400, format!("Key '{key}' does not exist")),
            Self::UnsupportedOperation { key, origin, .. } => (
                "UnsupportedOperationException",
                400,
                format!("{key} origin is {origin} which is not valid for this operation."),
            ),
            Self::Validation { field, value, expected } => (
                "ValidationException",
                400,
                format!(
                    "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: \
                     Member must have {expected}"
                ),
            ),
        };
        AwsError { code: code.into(), status, message }
    }

    /// The answer of S3 whose call to KMS failed so.
    ///
    /// Captured from AWS are the answers for a missing, a disabled and a pending key and for a denied principal; those
    /// for the rest are assumptions: the KMS name behind `KMS.`, and S3's own `InternalError` for faults.
    pub fn at_s3(&self) -> AwsError {
        let kms = self.at_kms();
        match self {
            Self::AccessDenied { .. } => {
                AwsError { code: "AccessDenied".into(), status: 403, message: kms.message }
            }
            Self::DependencyTimeout | Self::Internal => AwsError {
                code: "InternalError".into(),
                status: 500,
                message: "We encountered an internal error. Please try again.".into(),
            },
            _ => AwsError { code: format!("KMS.{}", kms.code), ..kms },
        }
    }
}

impl LimitedResource {
    fn text(self, holder: &str) -> String {
        match self {
            Self::OnDemandRotations => format!(
                "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations \
                 can be performed for this key: {holder}"
            ),
            // No capture of the text was found.
            Self::Keys => String::new(),
        }
    }
}

impl Throttled {
    /// The answer of KMS itself: 400 `ThrottlingException`.
    pub fn at_kms(self) -> AwsError {
        AwsError {
            code: "ThrottlingException".into(),
            status: 400,
            message:
                "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
                    .into(),
        }
    }

    /// The answer of S3 whose call to KMS was throttled: 503 `SlowDown`.
    pub fn at_s3(self) -> AwsError {
        AwsError {
            code: "SlowDown".into(),
            status: 503,
            message: "Please reduce your request rate for operations involving AWS KMS.".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    fn key() -> KeyArn {
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
    }

    #[test]
    fn errors_have_the_name_status_and_text_of_aws_at_both_boundaries() {
        let arn = key();
        let cases = [
            (KmsError::Disabled { key: key() }, "DisabledException", 400, format!("{arn} is disabled.")),
            (
                KmsError::InvalidState { key: key(), problem: "is pending deletion" },
                "KMSInvalidStateException",
                400,
                format!("{arn} is pending deletion."),
            ),
            (
                KmsError::NotFound { key: key() },
                "NotFoundException",
                400,
                format!("Key '{arn}' does not exist"),
            ),
            (KmsError::InvalidCiphertext, "InvalidCiphertextException", 400, String::new()),
        ];
        for (error, code, status, message) in cases {
            let s3 = error.at_s3();
            assert_eq!(error.at_kms(), AwsError { code: code.into(), status, message: message.clone() });
            assert_eq!(s3, AwsError { code: format!("KMS.{code}"), status, message });
        }
        let denied =
            KmsError::AccessDenied { principal: "arn:x".into(), action: "kms:Decrypt".into(), key: key() };
        assert_eq!((denied.at_kms().status, denied.at_s3().status), (400, 403));
        assert_eq!(
            (KmsError::Internal.at_kms().status, KmsError::DependencyTimeout.at_kms().status),
            (500, 503)
        );
    }

    #[test]
    fn a_throttled_call_is_400_at_kms_and_503_at_s3() {
        let throttled = Throttled { earliest: Timestamp::MAX };
        assert_eq!((throttled.at_kms().status, &throttled.at_kms().code[..]), (400, "ThrottlingException"));
        assert_eq!((throttled.at_s3().status, &throttled.at_s3().code[..]), (503, "SlowDown"));
    }
}
