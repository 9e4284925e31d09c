//! The table: which data keys an operation needs in each mode, and so which KMS calls it makes, cold and warm.

use super::job::Job;
use super::step::Phase;
use crate::request::{Operation, Outcome, SseMode};
use crate::units::Span;

/// A data key that an operation cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A key to seal under. Cold: one `GenerateDataKey`.
    Generate,
    /// The key that the object stands under. Cold: one `Decrypt`.
    Decrypt,
    /// The key of the multipart upload under way. Cold: one `Decrypt`.
    DecryptUpload,
}

impl Need {
    /// AWS's name of the KMS call that meets it.
    pub const fn call_name(self) -> &'static str {
        match self {
            Self::Generate => "GenerateDataKey",
            Self::Decrypt | Self::DecryptUpload => "Decrypt",
        }
    }

    /// Bytes that `job` seals under the key: opening wears none out.
    pub(super) const fn bytes_of(self, job: &Job) -> u64 {
        match self {
            Self::Generate => job.bytes,
            Self::Decrypt | Self::DecryptUpload => 0,
        }
    }
}

/// The data keys that `operation` needs in `mode`, in the order in which they are asked for.
///
/// | Operation | SSE-KMS, DSSE-KMS | Bucket Key | `kms-cached` | SSE-S3, SSE-C |
/// |---|---|---|---|---|
/// | `PutObject`, `CreateMultipartUpload` | generate | generate | generate | – |
/// | `GetObject`, whole or a range | decrypt | decrypt | decrypt | – |
/// | `CopyObject` | decrypt, generate | decrypt, generate | decrypt, generate | – |
/// | `UploadPart`, `CompleteMultipartUpload` | decrypt the upload's | decrypt the upload's | – | – |
/// | `HeadObject`, `DeleteObject`, `ListObjects` | – | – | – | – |
///
/// Cold, each is one KMS call; warm, SSE-KMS and DSSE-KMS still pay each one, a Bucket Key and the data-key cache pay none.
/// With `kms-cached` the client holds the upload's key in its hand until the upload ends.
///
/// Assumptions: `CompleteMultipartUpload` decrypts once (AWS publishes no count); DSSE-KMS pays 1 × what SSE-KMS pays (AWS
/// says "more" and no number; its second layer stands under a key of S3's own); `HeadObject` does not ask for checksums,
/// which would need a `Decrypt`.
///
/// Source: S3 user guide, SSE-KMS permissions and multipart upload permissions; counts follow from "S3 calls KMS every
/// time a request is made against a KMS-encrypted object" (docs/SOURCES.md, pipeline).
pub const fn needs(operation: Operation, mode: SseMode) -> &'static [Need] {
    if matches!(mode, SseMode::SseS3 | SseMode::SseC) {
        return &[];
    }
    match operation {
        Operation::PutObject | Operation::CreateMultipartUpload => &[Need::Generate],
        Operation::GetObject | Operation::GetObjectRange => &[Need::Decrypt],
        Operation::CopyObject => &[Need::Decrypt, Need::Generate],
        Operation::UploadPart | Operation::CompleteMultipartUpload => match mode {
            SseMode::KmsCached => &[],
            _ => &[Need::DecryptUpload],
        },
        Operation::HeadObject | Operation::DeleteObject | Operation::ListObjects => &[],
    }
}

/// Whether `mode` keeps data keys or Bucket Keys, so that a warm need costs no call.
pub const fn is_cached(mode: SseMode) -> bool {
    matches!(mode, SseMode::SseKmsBucketKey | SseMode::KmsCached)
}

/// Whether S3 calls KMS, so that a throttled call reaches the client as 503 `SlowDown`; otherwise the client calls KMS
/// itself and sees 400 `ThrottlingException`.
pub const fn is_service_side(mode: SseMode) -> bool {
    !matches!(mode, SseMode::KmsCached)
}

/// KMS calls of one `operation` in `mode` when nothing is throttled: with `warm`, every key that can be kept is kept.
pub const fn calls(operation: Operation, mode: SseMode, warm: bool) -> u32 {
    if warm && is_cached(mode) {
        return 0;
    }
    match needs(operation, mode) {
        [] => 0,
        [_] => 1,
        _ => 2,
    }
}

/// Whether a quota of KMS can matter to `mode`.
pub const fn uses_kms(mode: SseMode) -> bool {
    calls(Operation::PutObject, mode, false) > 0
}

/// What happens once the data keys are there, in order.
pub const fn phases(operation: Operation) -> &'static [Phase] {
    match operation {
        Operation::PutObject | Operation::UploadPart => &[Phase::Seal, Phase::Write, Phase::Serve],
        Operation::GetObject | Operation::GetObjectRange => &[Phase::Read, Phase::Open, Phase::Serve],
        Operation::CopyObject => &[Phase::Read, Phase::Open, Phase::Seal, Phase::Write, Phase::Serve],
        Operation::CreateMultipartUpload => &[Phase::Serve],
        Operation::CompleteMultipartUpload
        | Operation::HeadObject
        | Operation::DeleteObject
        | Operation::ListObjects => &[Phase::Touch, Phase::Serve],
    }
}

/// Whether an operation fails when there is no object.
pub const fn reads(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::GetObject | Operation::GetObjectRange | Operation::HeadObject | Operation::CopyObject
    )
}

/// Whether another (sub-)request of an upload follows.
pub(super) const fn continues(operation: Operation) -> bool {
    matches!(operation, Operation::CreateMultipartUpload | Operation::UploadPart)
}

/// Adds to `outcome` what a phase of a (sub-)request with a body of so many bytes took.
#[inline]
pub fn spend(outcome: &mut Outcome, operation: Operation, phase: Phase, body: u64, took: Span) {
    let part = match phase {
        Phase::Seal | Phase::Open => &mut outcome.crypto,
        Phase::Read | Phase::Write | Phase::Touch => &mut outcome.store,
        Phase::Serve => &mut outcome.s3,
    };
    *part = *part + took;
    match phase {
        Phase::Seal | Phase::Open => outcome.crypto_bytes += body,
        Phase::Serve => {
            outcome.s3_requests += 1;
            // A copy moves no bytes to or from its client.
            if operation != Operation::CopyObject {
                outcome.bytes += body;
            }
        }
        Phase::Read | Phase::Write | Phase::Touch => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: operation; columns: cold and warm calls of each mode in the order of `SseMode::ALL`.
    #[test]
    fn the_table_is_the_one_that_the_facts_give() {
        use Operation::{
            CompleteMultipartUpload, CopyObject, CreateMultipartUpload, DeleteObject, GetObject,
            GetObjectRange, HeadObject, ListObjects, PutObject, UploadPart,
        };
        //                            sse-s3  sse-kms bucket  cached  dsse    sse-c
        let table = [
            (PutObject, [(0, 0), (1, 1), (1, 0), (1, 0), (1, 1), (0, 0)]),
            (GetObject, [(0, 0), (1, 1), (1, 0), (1, 0), (1, 1), (0, 0)]),
            (GetObjectRange, [(0, 0), (1, 1), (1, 0), (1, 0), (1, 1), (0, 0)]),
            (HeadObject, [(0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)]),
            (CopyObject, [(0, 0), (2, 2), (2, 0), (2, 0), (2, 2), (0, 0)]),
            (CreateMultipartUpload, [(0, 0), (1, 1), (1, 0), (1, 0), (1, 1), (0, 0)]),
            (UploadPart, [(0, 0), (1, 1), (1, 0), (0, 0), (1, 1), (0, 0)]),
            (CompleteMultipartUpload, [(0, 0), (1, 1), (1, 0), (0, 0), (1, 1), (0, 0)]),
            (DeleteObject, [(0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)]),
            (ListObjects, [(0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)]),
        ];
        assert_eq!(
            table.map(|(operation, _)| operation),
            Operation::ALL,
            "every operation stands in the table"
        );
        for (operation, expected) in table {
            let found =
                SseMode::ALL.map(|mode| (calls(operation, mode, false), calls(operation, mode, true)));
            assert_eq!(found, expected, "{operation}");
        }
    }

    #[test]
    fn every_operation_ends_with_s3s_own_time_and_seals_or_opens_exactly_when_it_moves_a_body() {
        for operation in Operation::ALL {
            let phases = phases(operation);
            assert_eq!(phases.last(), Some(&Phase::Serve), "{operation}");
            let crypto = phases.contains(&Phase::Seal) || phases.contains(&Phase::Open);
            let body = phases.contains(&Phase::Read) || phases.contains(&Phase::Write);
            assert_eq!(crypto, body, "{operation}");
        }
    }
}
