//! The audit log of a run: its KMS calls as `CloudTrail` would have them.

use std::io::{self, Write};

use crate::envelope::EncryptionContext;
use crate::kms::{Event, Trail};
use crate::pipeline::Call;
use crate::request::SseMode;
use crate::rig::QUOTA_DATE;
use crate::units::Seed;
use crate::workload::Naming;

/// Writes a record a line for each KMS call of a run, refused and throttled ones included, with the context that S3 sends:
/// the object's ARN, under a Bucket Key the bucket's. For [`run_audited`](super::run_audited).
///
/// The run's clock begins at midnight UTC of [`QUOTA_DATE`], so that equal runs give equal bytes.
#[derive(Debug)]
pub struct Audit<W> {
    trail: Trail<W>,
    naming: Naming,
    mode: SseMode,
    failed: Option<io::Error>,
}

impl<W: Write> Audit<W> {
    /// Writes to `out` the log of a run in `mode`, with names of `naming`; event ids follow from `seed`.
    ///
    /// # Panics
    /// Never: midnight UTC is a time on every date.
    pub fn new(out: W, mode: SseMode, naming: Naming, seed: Seed) -> Self {
        let epoch =
            jiff::tz::Offset::UTC.to_timestamp(QUOTA_DATE.at(0, 0, 0, 0)).expect("UTC has every midnight");
        Self { trail: Trail::new(out, epoch, seed), naming, mode, failed: None }
    }

    /// Takes a call. A run is not stopped by a full disk: the first error is kept for [`Self::finish`].
    pub(super) fn record(&mut self, call: &Call, mut event: Event) {
        let bucket = self.naming.bucket(call.bucket);
        event.context = match (self.mode, call.object) {
            (SseMode::SseKmsBucketKey | SseMode::KmsCached, _) | (_, None) => {
                EncryptionContext::of_bucket(&bucket)
            }
            (_, Some(object)) => EncryptionContext::of_object(&bucket, &self.naming.object_key(object)),
        }
        .ok();
        if self.failed.is_none() {
            self.failed = self.trail.record(&event).err();
        }
    }

    /// Records written, once all is well.
    ///
    /// # Errors
    /// The first of the writer's.
    pub fn finish(self) -> io::Result<u64> {
        let written = self.trail.written();
        match self.failed {
            Some(error) => Err(error),
            None => self.trail.into_inner().flush().map(|()| written),
        }
    }
}
