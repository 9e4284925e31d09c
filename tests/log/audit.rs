//! The audit log of a simulated run, read as `CloudTrail`: every KMS call of the run stands in it, throttled ones too.

use s3seal::request::{KmsCall, Outcome, SseMode};
use s3seal::sim::{self, Audit, Options, Sink};
use s3seal::units::Span;
use s3seal::workload::log::{Account, Format, LogReader, Seen, Turn};
use s3seal::workload::profile::{ProfileOptions, Profiler};
use s3seal::workload::{Scenario, Source, Stop};

#[derive(Default)]
struct Rows(Vec<String>);

impl Sink for Rows {
    fn outcome(&mut self, row: &Outcome) {
        self.0.push(format!("{row:?}"));
    }
    fn kms_call(&mut self, row: &KmsCall) {
        self.0.push(format!("{row:?}"));
    }
}

fn scenario() -> Scenario {
    let mut scenario =
        Scenario { stop: Stop::Duration(Span::from_seconds(2)), warm_up: Span::ZERO, ..Scenario::default() };
    scenario.objects.count = 500;
    scenario.kms.quota = Some(2_000);
    scenario
}

fn audited(mode: SseMode) -> (Vec<u8>, sim::Run, Rows) {
    let source = Source::from(&scenario());
    let (mut log, mut rows) = (Vec::new(), Rows::default());
    let mut audit = Audit::new(&mut log, mode, source.naming(), scenario().seed());
    let run = sim::run_audited(&source, mode, &Options::default(), &mut rows, &mut audit).unwrap();
    assert_eq!(audit.finish().unwrap(), run.kms_calls, "{mode}");
    (log, run, rows)
}

#[test]
fn every_kms_call_of_a_run_stands_in_its_audit_log_and_is_known_as_one_of_s3() {
    for mode in [SseMode::SseKms, SseMode::SseKmsBucketKey, SseMode::DsseKms] {
        let (log, run, _) = audited(mode);
        let mut profiler = Profiler::new(ProfileOptions::default());
        profiler.file(Format::CloudTrail.name());
        let (mut account, mut seen) = (Account::default(), Seen::default());
        let mut reader = LogReader::open("audit", &log[..], &Format::CloudTrail).unwrap();
        loop {
            match reader.turn(&mut seen).unwrap() {
                Turn::Entry(entry) => {
                    account.read += 1;
                    profiler.record(&entry);
                }
                Turn::Again => {}
                Turn::End => break,
                other => panic!("{mode}: {other:?}"),
            }
        }
        let calls = profiler.finish(&account).kms;
        let throttled = std::str::from_utf8(&log).unwrap().matches("ThrottlingException").count() as u64;
        assert_eq!(calls.seen.values().sum::<u64>(), run.kms_calls, "{mode}");
        assert_eq!(calls.seen_failed, throttled, "{mode}");
        assert_eq!(
            throttled > 0,
            mode != SseMode::SseKmsBucketKey,
            "{mode}: the quota bites without Bucket Keys"
        );
        assert_eq!(calls.seen_for_bucket_key > 0, mode == SseMode::SseKmsBucketKey, "{mode}");
    }
}

#[test]
fn an_audited_run_is_the_run_that_it_audits_and_its_log_the_same_every_time() {
    let mode = SseMode::SseKms;
    let (log, run, rows) = audited(mode);
    let mut plain = Rows::default();
    let unaudited = sim::run(&scenario(), mode, &Options::default(), &mut plain).unwrap();
    assert_eq!((run, &rows.0), (unaudited, &plain.0));
    assert!(audited(mode).0 == log, "the same bytes");
}
