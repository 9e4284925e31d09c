//! The words of a request: who asks, what for, in which SSE mode.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::units::{Span, Timestamp};

/// An IAM principal: the account it belongs to, the name of its role or user, and, for an assumed role, the session.
///
/// Caches and Bucket Keys share keys by account, by role or by session; S3 itself has done both of the latter
/// over the years (docs/SOURCES.md, Bucket Keys). A clone shares the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    account: Arc<str>,
    role: Arc<str>,
    session: Arc<str>,
}

impl Principal {
    /// A principal of `account`, twelve digits, that acts as the role `role` in `session`; without a session (empty) `role` is
    /// a user. In place of the name there may be an ARN, as logs have it.
    pub fn new(account: &str, role: &str, session: &str) -> Self {
        Self { account: account.into(), role: role.into(), session: session.into() }
    }

    /// The account that is charged for its calls.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The role or user.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The ARN as IAM and STS write it, in the partition `aws`: of an assumed role or of a user.
    pub fn arn(&self) -> String {
        let Self { account, role, session } = self;
        match (role.starts_with("arn:"), session.is_empty()) {
            (true, _) => role.to_string(),
            (_, true) => format!("arn:aws:iam::{account}:user/{role}"),
            _ => format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
        }
    }

    /// The session name; empty when there is none.
    pub fn session(&self) -> &str {
        &self.session
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.account, self.role)?;
        if self.session.is_empty() { Ok(()) } else { write!(f, "/{}", self.session) }
    }
}

/// An S3 operation as the model distinguishes them: by the KMS calls that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `PutObject`, also a POST form.
    PutObject,
    /// `GetObject` of a whole object.
    GetObject,
    /// `GetObject` with a `Range`.
    GetObjectRange,
    /// `HeadObject`.
    HeadObject,
    /// `CopyObject`.
    CopyObject,
    /// `CreateMultipartUpload`.
    CreateMultipartUpload,
    /// `UploadPart`.
    UploadPart,
    /// `CompleteMultipartUpload`.
    CompleteMultipartUpload,
    /// `DeleteObject`.
    DeleteObject,
    /// `ListObjectsV2` and its kin.
    ListObjects,
}

impl Operation {
    /// Every operation, in the order of this enum.
    pub const ALL: [Self; 10] = [
        Self::PutObject,
        Self::GetObject,
        Self::GetObjectRange,
        Self::HeadObject,
        Self::CopyObject,
        Self::CreateMultipartUpload,
        Self::UploadPart,
        Self::CompleteMultipartUpload,
        Self::DeleteObject,
        Self::ListObjects,
    ];

    /// AWS's name, with `GetObjectRange` for a ranged `GetObject`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PutObject => "PutObject",
            Self::GetObject => "GetObject",
            Self::GetObjectRange => "GetObjectRange",
            Self::HeadObject => "HeadObject",
            Self::CopyObject => "CopyObject",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::DeleteObject => "DeleteObject",
            Self::ListObjects => "ListObjects",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How objects are encrypted at rest, and where data keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SseMode {
    /// SSE-S3: data keys under a root key of the service; no KMS call, no KMS bill.
    SseS3,
    /// SSE-KMS without a Bucket Key: a KMS call for each request that touches a body.
    SseKms,
    /// SSE-KMS with an S3 Bucket Key.
    SseKmsBucketKey,
    /// Client-side encryption, or an S3-compatible store, with data keys from the data-key cache. Not an S3 setting.
    KmsCached,
    /// DSSE-KMS: two layers under two independent keys.
    DsseKms,
    /// SSE-C: the customer sends the key with each request.
    SseC,
}

impl SseMode {
    /// Every mode, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::SseS3, Self::SseKms, Self::SseKmsBucketKey, Self::KmsCached, Self::DsseKms, Self::SseC];

    /// The name on the command line, in scenarios and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SseS3 => "sse-s3",
            Self::SseKms => "sse-kms",
            Self::SseKmsBucketKey => "sse-kms-bucket-key",
            Self::KmsCached => "kms-cached",
            Self::DsseKms => "dsse-kms",
            Self::SseC => "sse-c",
        }
    }
}

impl fmt::Display for SseMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no SSE mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an SSE mode: expected sse-s3, sse-kms, sse-kms-bucket-key, kms-cached, dsse-kms or sse-c"
)]
pub struct SseModeError(String);

impl FromStr for SseMode {
    type Err = SseModeError;
    fn from_str(text: &str) -> Result<Self, SseModeError> {
        // AWS writes SSE-KMS.
        let named = |mode: &Self| mode.as_str().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or_else(|| SseModeError(text.into()))
    }
}

/// Where the data key of a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeySource {
    /// No KMS key was needed: SSE-S3, SSE-C, or an operation that touches no body.
    None,
    /// A cached data key or a warm Bucket Key: no KMS call, no wait.
    Cached,
    /// Another request's fetch, which this one waited for.
    Joined,
    /// A KMS call for this request.
    Fetched,
}

impl KeySource {
    /// Every source, in the order of this enum.
    pub const ALL: [Self; 4] = [Self::None, Self::Cached, Self::Joined, Self::Fetched];

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Cached => "cached",
            Self::Joined => "joined",
            Self::Fetched => "fetched",
        }
    }
}

/// How a request ended, as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// It did what it was asked.
    Succeeded,
    /// KMS throttled it beyond its retries: `SlowDown` (503) at S3, `ThrottlingException` (400) at KMS.
    Throttled,
    /// The principal may not use the KMS key.
    Denied,
    /// The KMS key is disabled, pending deletion, missing or unreachable.
    KeyUnavailable,
    /// Anything else: an outage, an internal error, a body that did not open, a wait beyond its deadline.
    Failed,
    /// It never started: too many requests were in flight.
    Dropped,
}

impl Ending {
    /// Every ending, in the order of this enum.
    pub const ALL: [Self; 6] =
        [Self::Succeeded, Self::Throttled, Self::Denied, Self::KeyUnavailable, Self::Failed, Self::Dropped];

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::KeyUnavailable => "key-unavailable",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// One request, from the instant it was due to its end: the row from which every report is made.
///
/// `response time = finished − due`, `service time = finished − started`, `lag = started − due`. The phases are
/// parts of the service time; what is left of it waited for a worker. Buckets, principals and KMS keys are numbers of
/// the run's naming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was asked.
    pub operation: Operation,
    /// When it should have started; fixed before the run.
    pub due: Timestamp,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; `started` for one that was dropped.
    pub finished: Timestamp,
    /// Waiting for data keys: KMS calls, flights joined, back-off after throttling.
    pub kms_wait: Span,
    /// Sealing or opening.
    pub crypto: Span,
    /// Reading or writing the store.
    pub store: Span,
    /// S3's own time, where it is modelled.
    pub s3: Span,
    /// Where its data key came from; of several, the dearest.
    pub key_source: KeySource,
    /// KMS calls sent for it, throttled ones included. A call that it joined counts for the one that led.
    pub kms_calls: u32,
    /// Throttled answers that it met.
    pub throttles: u32,
    /// Attempts after the first, at S3 or at KMS.
    pub retries: u32,
    /// Plaintext bytes sent or received.
    pub bytes: u64,
    /// Plaintext bytes that were encrypted or decrypted: those of a copy twice, though it sends none.
    pub crypto_bytes: u64,
    /// Requests at S3 that it answered with success or 4xx, which are those it bills: of an upload one for each part and two
    /// besides.
    pub s3_requests: u32,
    /// The bucket's number.
    pub bucket: u32,
    /// The principal's number.
    pub principal: u32,
    /// The KMS key's number.
    pub kms_key: u32,
    /// How it ended.
    pub ending: Ending,
}

/// What KMS answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KmsAnswer {
    /// A key or a result.
    Granted,
    /// Over the quota.
    Throttled,
    /// Denied, disabled, not found, invalid: the same again would get the same.
    Refused,
    /// An outage or an internal error.
    Failed,
}

/// One call to KMS, whoever caused it: refreshes ahead stand here and in no [`Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KmsCall {
    /// AWS's name of the KMS operation.
    pub name: &'static str,
    /// The S3 operation that it was for; none for a refresh ahead.
    pub cause: Option<Operation>,
    /// When the request was due that it was for, or that began the refresh ahead.
    pub due: Timestamp,
    /// When it was sent.
    pub sent: Timestamp,
    /// When the reply came.
    pub replied: Timestamp,
    /// What the reply was.
    pub answer: KmsAnswer,
    /// Whether it costs money.
    pub billed: bool,
    /// The bucket's number.
    pub bucket: u32,
    /// The principal's number.
    pub principal: u32,
    /// The KMS key's number.
    pub kms_key: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_parses_from_its_own_name_in_capitals_too_and_no_other() {
        for mode in SseMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
            assert_eq!(mode.as_str().to_uppercase().parse(), Ok(mode), "as AWS writes it");
        }
        assert!("SSE_KMS".parse::<SseMode>().is_err() && "sse-kms ".parse::<SseMode>().is_err());
    }
}
