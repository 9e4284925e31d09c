//! What a request is about: everything that decides its way and does not change on it.

use crate::request::{Ending, KeySource, Operation, Outcome};
use crate::units::{Span, Timestamp};

/// A request before it starts. Buckets, prefixes, KMS keys and principals are numbers of the run's naming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// When it is due; response time counts from here.
    pub due: Timestamp,
    /// What is asked. `CreateMultipartUpload` stands for the whole upload: `parts` follow inside it.
    pub operation: Operation,
    /// The object's number.
    pub object: u64,
    /// Size of the whole object in bytes; it counts against a data key's limit of bytes when it is sealed.
    pub bytes: u64,
    /// Body bytes of one pass: the object, the range, or nothing. What is sealed or opened, stored and served.
    pub body: u64,
    /// Parts of a multipart upload, and bytes of each; (0, 0) for anything else.
    pub parts: (u32, u64),
    /// The machine that sends it.
    pub host: u32,
    /// The bucket.
    pub bucket: u32,
    /// The prefix within the bucket; only S3's limits look at it.
    pub prefix: u32,
    /// The KMS key that protects the object.
    pub kms_key: u32,
    /// Who asks.
    pub principal: u32,
}

impl Job {
    /// A row that says nothing but what was asked and that it started at `now`.
    #[inline]
    pub(super) fn outcome(&self, now: Timestamp) -> Outcome {
        Outcome {
            operation: self.operation,
            due: self.due,
            started: now,
            finished: now,
            kms_wait: Span::ZERO,
            crypto: Span::ZERO,
            store: Span::ZERO,
            s3: Span::ZERO,
            key_source: KeySource::None,
            kms_calls: 0,
            throttles: 0,
            retries: 0,
            bytes: 0,
            crypto_bytes: 0,
            s3_requests: 0,
            bucket: self.bucket,
            principal: self.principal,
            kms_key: self.kms_key,
            ending: Ending::Succeeded,
        }
    }

    /// The row of a request that could not start at `now`, because too many were in flight.
    pub fn dropped(&self, now: Timestamp) -> Outcome {
        Outcome { ending: Ending::Dropped, ..self.outcome(now) }
    }
}
