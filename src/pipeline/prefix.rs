//! S3's own limits per prefix, an optional model: 503 `SlowDown` without KMS having a part in it.

use std::collections::BTreeMap;

use crate::kms::{Pool, ThrottleRule, Throttled};
use crate::request::Operation;
use crate::units::Timestamp;

/// Writes (PUT, COPY, POST, DELETE) per second and prefix. Source: S3 user guide, performance guidelines: "at least"
/// 3,500, so a limit there is the worst case that AWS promises to stay above.
pub const PREFIX_WRITES_PER_SECOND: u32 = 3_500;

/// Reads (GET, HEAD) per second and prefix. Source: as [`PREFIX_WRITES_PER_SECOND`].
pub const PREFIX_READS_PER_SECOND: u32 = 5_500;

/// One pair of pools for each bucket and prefix in use. That the limit is a window of one second is an assumption; that a
/// listing counts as a read, too.
#[derive(Debug, Default)]
pub struct PrefixLimits(BTreeMap<(u32, u32), [Pool; 2]>);

impl PrefixLimits {
    /// No prefix used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one S3 request.
    ///
    /// # Errors
    /// [`Throttled`], which is data.
    pub fn admit(
        &mut self,
        bucket: u32,
        prefix: u32,
        operation: Operation,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        let pools = self.0.entry((bucket, prefix)).or_insert_with(|| {
            [PREFIX_WRITES_PER_SECOND, PREFIX_READS_PER_SECOND].map(|per_second| {
                Pool::new(ThrottleRule::FixedWindow { per_second }).expect("the limits are in range")
            })
        });
        let reads = matches!(
            operation,
            Operation::GetObject | Operation::GetObjectRange | Operation::HeadObject | Operation::ListObjects
        );
        pools[usize::from(reads)].admit(1, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_has_its_own_writes_and_reads() {
        let mut limits = PrefixLimits::new();
        let mut admitted = |prefix, operation| {
            (0..9_000).filter(|_| limits.admit(0, prefix, operation, Timestamp::ZERO).is_ok()).count()
        };
        assert_eq!(admitted(0, Operation::PutObject), 3_500);
        assert_eq!(admitted(0, Operation::DeleteObject), 0);
        assert_eq!(admitted(0, Operation::GetObject), 5_500);
        assert_eq!(admitted(1, Operation::UploadPart), 3_500);
    }
}
