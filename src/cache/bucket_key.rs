//! S3 Bucket Keys on the same engine: who pays a KMS call, how long it lasts, and the assumptions behind it.

use super::config::{CacheConfig, ConfigError, Refresh, Rules};
use super::fingerprint::{Fingerprint, Partition, PrincipalScope, Requester};
use super::limits::UsageLimits;
use crate::envelope::{ContextError, EncryptionContext, KeyArn};
use crate::request::Principal;
use crate::units::Span;

/// What AWS does not publish about Bucket Keys, as named assumptions.
///
/// A write pays one `GenerateDataKey` per requester × bucket × KMS key × shard and lifetime, and the object remembers
/// which Bucket Key it got. A read pays one `Decrypt` per reader × Bucket Key and lifetime. Known from AWS: the key is
/// "short-lived", "time-limited" within S3, one per KMS key and requester, and its context is the bucket's ARN.
/// Source: S3 User Guide, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys" (docs/SOURCES.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketKeyAssumptions {
    /// How long a Bucket Key serves after its call was sent. Default 5 minutes: an assumption, plans sweep it.
    pub lifetime: Span,
    /// Independent parts of S3 that each have their own Bucket Key for the same requester, bucket and KMS key; an
    /// object belongs to one of them. Default 1: an assumption, plans sweep it.
    pub shards: u32,
    /// Whether sessions of one role share. Default by role: AWS made each session pay until 2023.
    pub scope: PrincipalScope,
}

impl Default for BucketKeyAssumptions {
    fn default() -> Self {
        Self { lifetime: Span::from_seconds(300), shards: 1, scope: PrincipalScope::Role }
    }
}

/// A Bucket Key that cannot be named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bucket `{bucket}` has no encryption context: {source}")]
pub struct BucketKeyError {
    /// The bucket.
    pub bucket: String,
    /// Why.
    pub source: ContextError,
}

impl BucketKeyAssumptions {
    /// The rules of a cache that plays Bucket Keys, for writes or for reads: an age, no limit of uses, no refresh
    /// ahead; `capacity` keys.
    ///
    /// # Errors
    /// [`ConfigError`] for no lifetime, no shards or no capacity.
    pub fn rules(&self, capacity: usize) -> Result<Rules, ConfigError> {
        if self.shards == 0 {
            return Err(ConfigError { field: "shards", value: "0".into(), expected: "at least 1" });
        }
        if self.lifetime == Span::ZERO {
            return Err(ConfigError { field: "lifetime", value: "0 s".into(), expected: "more than 0 s" });
        }
        let refresh: Option<Refresh> = None;
        Rules::new(CacheConfig { capacity, refresh, ..CacheConfig::new(UsageLimits::memo(self.lifetime)) })
    }

    /// The requester as Bucket Keys tell requesters apart.
    pub fn requester(&self, partition: &Partition, principal: &Principal) -> Requester {
        Requester::new(partition, self.scope, principal)
    }

    /// The shard of the object whose name hashes to `object`.
    #[expect(clippy::cast_possible_truncation, reason = "below `shards`")]
    pub fn shard(&self, object: u64) -> u32 {
        object.carrying_mul(self.shards.into(), 0).1 as u32
    }

    /// What the Bucket Key for a write is filed under.
    ///
    /// # Errors
    /// [`BucketKeyError`] for a bucket name longer than a context may be.
    pub fn write(
        &self,
        requester: &Requester,
        bucket: &str,
        key: &KeyArn,
        shard: u32,
    ) -> Result<Fingerprint, BucketKeyError> {
        let context = context(bucket)?;
        Ok(Fingerprint::of(b"bucket-key-write", requester, key, &context, &[&shard.to_be_bytes()]))
    }

    /// What the Bucket Key for a read is filed under. `generation` is the wrapped Bucket Key that the object
    /// remembers, or in a simulation any name of it; two shards never made the same one.
    ///
    /// # Errors
    /// [`BucketKeyError`] for a bucket name longer than a context may be.
    pub fn read(
        &self,
        requester: &Requester,
        bucket: &str,
        key: &KeyArn,
        generation: &[u8],
    ) -> Result<Fingerprint, BucketKeyError> {
        let context = context(bucket)?;
        Ok(Fingerprint::of(b"bucket-key-read", requester, key, &context, &[generation]))
    }
}

fn context(bucket: &str) -> Result<EncryptionContext, BucketKeyError> {
    EncryptionContext::of_bucket(bucket).map_err(|source| BucketKeyError { bucket: bucket.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_divide_the_objects_and_none_lies_outside() {
        let assumptions = BucketKeyAssumptions { shards: 3, ..BucketKeyAssumptions::default() };
        assert_eq!([0, u64::MAX / 2, u64::MAX].map(|object| assumptions.shard(object)), [0, 1, 2]);
    }

    #[test]
    fn assumptions_that_cannot_be_are_refused() {
        let default = BucketKeyAssumptions::default();
        let refused = [
            BucketKeyAssumptions { shards: 0, ..default }.rules(1),
            BucketKeyAssumptions { lifetime: Span::ZERO, ..default }.rules(1),
            default.rules(0),
        ];
        let fields = refused.map(|result| result.unwrap_err().field);
        assert_eq!(fields, ["shards", "lifetime", "capacity"]);
    }
}
