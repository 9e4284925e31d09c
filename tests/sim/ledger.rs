//! A sink that keeps every row, for the simulator's tests.

use s3seal::pipeline;
use s3seal::request::{Ending, KmsAnswer, KmsCall, Operation, Outcome, SseMode};
use s3seal::sim::{self, Options, Run, Sink};
use s3seal::units::Timestamp;
use s3seal::workload::{Mix, Scenario};
use sha2::{Digest, Sha256};

/// Every row of a run, in the order in which they came.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) calls: Vec<KmsCall>,
}

impl Sink for Ledger {
    fn outcome(&mut self, row: &Outcome) {
        self.outcomes.push(*row);
    }
    fn kms_call(&mut self, row: &KmsCall) {
        self.calls.push(*row);
    }
}

pub(crate) fn simulate(scenario: &Scenario, mode: SseMode, options: &Options) -> (Ledger, Run) {
    scenario.validate().unwrap();
    let mut ledger = Ledger::default();
    let run = sim::run(scenario, mode, options, &mut ledger).unwrap();
    (ledger, run)
}

/// Several buckets, keys and principals, S3's times and limits, a fleet that restarts.
pub(crate) const AROUND: &str = r#"
[layout]
buckets = 3
prefixes = 2
kms_keys = 2
[principals]
roles = 4
sessions = 2
[history]
span = "1h"
writers = 3
uses_per_key = 4
[bucket_key]
lifetime = "700ms"
[s3]
service_time = "express"
prefix_limits = true
[fleet]
hosts = 3
restart_every = "400ms"
"#;

type Only = fn(&mut Mix);

/// Mixes of one operation each; an upload goes on with its parts.
pub(crate) const SINGLE: [(Operation, Only); 7] = [
    (Operation::PutObject, |mix| mix.put_object = 1.0),
    (Operation::GetObject, |mix| mix.get_object = 1.0),
    (Operation::GetObjectRange, |mix| mix.get_object_range = 1.0),
    (Operation::HeadObject, |mix| mix.head_object = 1.0),
    (Operation::CopyObject, |mix| mix.copy_object = 1.0),
    (Operation::ListObjects, |mix| mix.list_objects = 1.0),
    (Operation::CreateMultipartUpload, |mix| mix.multipart_upload = 1.0),
];

/// KMS calls of a request of [`SINGLE`], of an upload with its `parts` and its end.
pub(crate) fn calls_alone(operation: Operation, mode: SseMode, warm: bool, parts: u64) -> u64 {
    use Operation::{CompleteMultipartUpload, CreateMultipartUpload, UploadPart};
    match operation {
        // A part's first Decrypt warms the others, and the end.
        CreateMultipartUpload if mode == SseMode::SseKmsBucketKey => {
            calls_of(CreateMultipartUpload, mode, warm) + calls_of(UploadPart, mode, warm)
        }
        CreateMultipartUpload => {
            calls_of(CreateMultipartUpload, mode, warm)
                + parts * calls_of(UploadPart, mode, warm)
                + calls_of(CompleteMultipartUpload, mode, warm)
        }
        operation => calls_of(operation, mode, warm),
    }
}

fn calls_of(operation: Operation, mode: SseMode, warm: bool) -> u64 {
    pipeline::calls(operation, mode, warm).into()
}

impl Ledger {
    /// The rows as texts in an order that does not depend on when they came.
    pub(crate) fn sorted(&self) -> Vec<String> {
        let outcomes = self.outcomes.iter().map(|row| format!("{row:?}"));
        let mut rows: Vec<String> = outcomes.chain(self.calls.iter().map(|row| format!("{row:?}"))).collect();
        rows.sort_unstable();
        rows
    }

    /// SHA-256 of all rows in their order.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.outcomes.iter().for_each(|row| hash.update(format!("{row:?}")));
        self.calls.iter().for_each(|row| hash.update(format!("{row:?}")));
        hash.finalize().into()
    }

    pub(crate) fn ended(&self, ending: Ending) -> usize {
        self.outcomes.iter().filter(|row| row.ending == ending).count()
    }

    pub(crate) fn answered(&self, answer: KmsAnswer) -> usize {
        self.calls.iter().filter(|row| row.answer == answer).count()
    }

    /// The `per_mille`-quantile of the response times, in ns.
    pub(crate) fn response(&self, per_mille: usize) -> u64 {
        let mut all: Vec<u64> =
            self.outcomes.iter().map(|row| row.finished.since(row.due).as_nanos()).collect();
        all.sort_unstable();
        all[(all.len() - 1) * per_mille / 1_000]
    }

    pub(crate) fn most_in_flight(outcomes: &[Outcome]) -> i64 {
        let mut changes: Vec<(Timestamp, i64)> = outcomes
            .iter()
            .filter(|row| row.ending != Ending::Dropped)
            .flat_map(|row| [(row.started, 1), (row.finished, -1)])
            .collect();
        // An end frees its place for a start at the same instant.
        changes.sort_unstable();
        let mut now = 0;
        changes.iter().map(|(_, change)| (now += change, now).1).max().unwrap_or(0)
    }
}
