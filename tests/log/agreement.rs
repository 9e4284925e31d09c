//! What a profile says that a log's requests would cost in each mode, against the simulation of the same log.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::round_trip::profile_with;
use s3seal::request::{KmsCall, Outcome, SseMode};
use s3seal::sim::{self, Options, Sink};
use s3seal::workload::log::{CsvFormat, Trace};
use s3seal::workload::profile::ProfileOptions;
use s3seal::workload::{Replay, ReplayOptions, Scenario, Source};

/// Objects that are older than the log, in one bucket.
const OLDER: u64 = 3_000;

#[derive(Default)]
struct Calls(u64);

impl Sink for Calls {
    fn outcome(&mut self, _: &Outcome) {}
    fn kms_call(&mut self, _: &KmsCall) {
        self.0 += 1;
    }
}

/// Twenty minutes, ten requests a second by four principals: mostly reads of objects older than the log, and writes, reads
/// of what was written, copies, ranges, uploads, and requests that need no key.
fn log() -> String {
    let mut text = "time,op,bucket,key,size,principal\n".to_owned();
    let operations = ["GET", "GET", "PUT", "GETRANGE", "GET", "COPY", "HEAD", "GET", "LIST", "GET"];
    let mut random = 1_u64;
    for n in 0..12_000_u64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = random >> 33;
        let operation = operations[(n % 10) as usize];
        let key = if n % 20 == 0 { format!("new-{}", drawn % 40) } else { format!("old-{}", drawn % OLDER) };
        let key = match operation {
            "PUT" => format!("new-{}", drawn % 40),
            // A simulation does not follow what a copy makes of its target: nobody reads these.
            "COPY" => format!("copied-{n}"),
            _ => key,
        };
        let size = if operation == "PUT" { "1000" } else { "" };
        writeln!(text, "{}.{},{operation},b,{key},{size},p{}", n / 10, n % 10, drawn / 7 % 4).unwrap();
        if n % 1_000 == 500 {
            for (at, operation, size) in
                [(1, "CreateMultipartUpload", ""), (2, "UploadPart", "5MiB"), (3, "UploadPart", "5MiB")]
            {
                writeln!(text, "{}.{}{at},{operation},b,upload-{n},{size},p1", n / 10, n % 10).unwrap();
            }
            writeln!(text, "{}.{}4,CompleteMultipartUpload,b,upload-{n},,p1", n / 10, n % 10).unwrap();
        }
    }
    text
}

#[test]
fn a_profile_and_the_simulation_of_one_log_find_the_same_kms_calls_in_every_mode() {
    let text = log();
    let trace = Arc::new(Trace::read("log.csv", text.as_bytes(), CsvFormat::default()).unwrap());
    let profile = profile_with(ProfileOptions::default(), &text, &"csv".parse().unwrap());
    for mode in SseMode::ALL {
        let replay = Replay::new(Arc::clone(&trace), &Scenario::default(), ReplayOptions::default()).unwrap();
        let mut calls = Calls::default();
        sim::run_source(&Source::Replay(replay), mode, &Options::default(), &mut calls).unwrap();
        let implied = profile.kms.implied[mode.as_str()];
        let (ours, theirs) = (implied.likely, calls.0);
        if matches!(mode, SseMode::SseKmsBucketKey | SseMode::KmsCached) {
            // The older objects are spread by their names here, so that a Bucket Key has ten or so, and in equal steps there:
            // fewer of the uneven ones are met. And a client's cache holds 1,000 keys there. A twentieth is far from the
            // factor of a hundred that reads without generations were off by.
            assert!(
                ours.abs_diff(theirs) * 20 <= theirs,
                "{mode}: {ours} in the profile, {theirs} in the run"
            );
            assert!(implied.low <= theirs && theirs <= implied.high, "{mode}: {implied:?}");
        } else {
            assert_eq!(ours, theirs, "{mode}");
        }
    }
    let of = |mode: SseMode| profile.kms.implied[mode.as_str()].likely;
    assert!(of(SseMode::SseKmsBucketKey) > 1_000, "reads of older objects need the older Bucket Keys");
}
