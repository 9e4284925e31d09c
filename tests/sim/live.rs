//! Live runs on the clock: the calls that the table gives, counts that agree, bodies that come back, interrupts.

use std::sync::atomic::Ordering;

use crate::ledger::{Ledger, SINGLE, calls_alone};
use s3seal::live::{self, Buffers, Directory, LiveError, Options, Progress, Run};
use s3seal::pipeline::is_cached;
use s3seal::report::{self, Kind, Recorder, Summary, Window};
use s3seal::request::{Ending, KmsAnswer, Operation, SseMode};
use s3seal::units::{Span, Timestamp};
use s3seal::workload::{ArrivalProcess, Fault, FaultKind, Mix, Scenario, Stop};

fn run(scenario: &Scenario, mode: SseMode) -> (Ledger, Run, Buffers) {
    run_with(scenario, mode, &Options::default())
}

fn run_with(scenario: &Scenario, mode: SseMode, options: &Options) -> (Ledger, Run, Buffers) {
    scenario.validate().unwrap();
    let (mut ledger, mut buffers) = (Ledger::default(), Buffers::new());
    let run = live::run(scenario, mode, options, &mut buffers, &Progress::default(), &mut ledger).unwrap();
    assert_eq!((run.broken, &run.first_broken), (0, &None), "{mode}");
    (ledger, run, buffers)
}

/// One operation alone on one object, `count` times, 40 ms apart: longer than KMS takes, but for one call in thousands.
fn alone(operation: fn(&mut Mix), count: u64) -> Scenario {
    let mut scenario = Scenario {
        mix: Mix::none(),
        arrival: ArrivalProcess::Constant { rate: 25.0 },
        stop: Stop::Operations(count),
        warm_up: Span::ZERO,
        ..Scenario::default()
    };
    operation(&mut scenario.mix);
    scenario.mix.multipart.part_bytes = 5 << 20;
    scenario.mix.multipart.parts = 2;
    scenario.objects.count = 1;
    // Constant and short, so that requests do not meet.
    scenario.kms.service_time =
        Some(s3seal::workload::ServiceTime { min: Span::ZERO, median: Span::from_micros(200), sigma: 0.0 });
    scenario
}

#[test]
fn each_operation_makes_the_calls_of_the_table_cold_and_warm() {
    for mode in SseMode::ALL {
        for (operation, mix) in SINGLE {
            let (ledger, run, _) = run(&alone(mix, 3), mode);
            let expected = |warm| calls_alone(operation, mode, warm, 2);
            assert_eq!(ledger.ended(Ending::Succeeded), 3, "{operation} in {mode}");
            // The first is cold, the others are warm.
            let calls = expected(false) + 2 * expected(true);
            assert_eq!(run.kms_calls, calls, "{operation} in {mode}");
            assert_eq!(ledger.calls.len() as u64, calls, "{operation} in {mode}");
        }
    }
}

/// All operations that move bodies, at a rate that a loaded machine holds in the dev profile.
fn mixed() -> Scenario {
    Scenario::parse(
        r#"
seed = 7
warm_up = "100ms"
duration = "1s"
[arrival]
process = "poisson"
rate = 300
[mix]
PutObject = 30
GetObject = 40
GetObjectRange = 20
CopyObject = 10
MultipartUpload = 1
multipart = { parts = 2, part = "5MiB", objects = 2 }
[objects]
count = 60
size = { law = "lognormal", median = "16KiB", sigma = 2.0, min = "1", max = "6MiB" }
[kms]
quota = 100000
"#,
    )
    .unwrap()
}

#[test]
fn what_is_read_is_what_was_written_in_every_mode_whole_in_part_copied_and_in_parts() {
    for mode in SseMode::ALL {
        for in_directory in [false, true] {
            reads_give_what_was_written(mode, in_directory);
        }
    }
}

fn reads_give_what_was_written(mode: SseMode, in_directory: bool) {
    {
        let scenario = mixed();
        let folder = tempfile::tempdir().unwrap();
        let directory = in_directory.then(|| Directory::new(folder.path(), u64::MAX).unwrap());
        let (ledger, run, _) = run_with(&scenario, mode, &Options { directory, ..Options::default() });
        let succeeded = |operation| {
            let of = ledger.outcomes.iter().filter(|row| row.operation == operation);
            of.filter(|row| row.ending == Ending::Succeeded).count() as u64
        };
        let read = succeeded(Operation::GetObject)
            + succeeded(Operation::GetObjectRange)
            + succeeded(Operation::CopyObject)
            + succeeded(Operation::CreateMultipartUpload);
        assert!(read > 100, "{mode}: {read}");
        assert_eq!(run.checked, read, "{mode}: each was opened and compared");
        assert!(run.copies > 10, "{mode}: {} copies", run.copies);
        assert_eq!(run.requests, ledger.outcomes.len() as u64, "{mode}: each request ends once");
    }
}

#[test]
fn the_reports_kms_calls_are_the_audited_ones_the_models_count_and_the_caches_own() {
    for mode in SseMode::ALL {
        let mut scenario = mixed();
        scenario.kms.quota = Some(40);
        // Without a warm-up the report covers every call.
        scenario.warm_up = Span::ZERO;
        let (ledger, run, _) = run(&scenario, mode);
        let rows = ledger.calls.len() as u64;
        assert_eq!((rows, rows), (run.kms_calls, run.cache.calls), "{mode}");
        let mut recorder = Recorder::new(Window { from: Timestamp::ZERO, until: Timestamp::MAX });
        ledger.outcomes.iter().for_each(|row| recorder.record(row));
        ledger.calls.iter().for_each(|row| recorder.record_call(row));
        let (kind, until) = (Kind::Live, run.measured_until);
        let facts = report::Run { mode, kind, quota_per_s: Some(40), until, concurrency: None };
        let summary = Summary::new(&recorder, &facts, |_| String::new());
        assert_eq!(summary.kms.calls, rows, "{mode}");
        let throttled = ledger.calls.iter().filter(|row| row.answer == KmsAnswer::Throttled).count() as u64;
        assert_eq!(summary.kms.throttled, throttled, "{mode}");
        assert!(throttled > 0 || mode != SseMode::SseKms, "the quota bites");
        let of_requests: u64 = ledger.outcomes.iter().map(|row| u64::from(row.kms_calls)).sum();
        assert_eq!(of_requests, rows, "{mode}: every call has its request");
    }
}

#[test]
fn no_sixteen_bytes_of_any_plaintext_stand_in_the_store() {
    use s3seal::units::Seed;
    use s3seal::workload::{Arrivals, Bodies, Population};
    use std::collections::BTreeSet;
    let mut scenario = mixed();
    scenario.mix.multipart_upload = 0.0;
    scenario.objects.size = s3seal::workload::SizeLaw::Fixed { bytes: 500 };
    let bodies = Bodies::new(Seed(scenario.seed));
    let mut runs = BTreeSet::new();
    let mut learn = |object, version| {
        let mut body = [0; 500];
        bodies.fill(object, version, 0, &mut body);
        runs.extend(body.windows(16).map(|run| <[u8; 16]>::try_from(run).unwrap()));
    };
    Population::new(&scenario).iter().for_each(|existing| learn(existing.object, 0));
    Arrivals::new(&scenario)
        .filter(|arrival| arrival.operation == Operation::PutObject)
        .for_each(|arrival| learn(arrival.object, arrival.version()));
    for mode in SseMode::ALL {
        let (_, _, buffers) = run(&scenario, mode);
        let mut stored = 0;
        for sealed in buffers.stored() {
            stored += 1;
            for run in sealed.windows(16) {
                assert!(!runs.contains(run), "{mode}: plaintext in the store");
            }
        }
        assert!(stored >= 60, "{mode}: the population is there");
    }
}

/// The `per_mille`-quantile of the response times of what was due in the measured part.
fn response(ledger: &Ledger, run: &Run, per_mille: usize) -> Span {
    let measured = ledger.outcomes.iter().filter(|row| row.due >= run.measured_from);
    let mut all: Vec<_> = measured.map(|row| row.finished.since(row.due)).collect();
    all.sort_unstable();
    all[(all.len() - 1) * per_mille / 1_000]
}

#[test]
#[expect(clippy::print_stdout, reason = "shows both loops side by side with --nocapture")]
fn a_stall_of_the_store_shows_in_the_open_loop_and_hides_in_the_closed_one() {
    let mut scenario = Scenario {
        mix: Mix { get_object: 1.0, ..Mix::none() },
        arrival: ArrivalProcess::Constant { rate: 200.0 },
        stop: Stop::Duration(Span::from_seconds(3)),
        warm_up: Span::ZERO,
        ..Scenario::default()
    };
    scenario.objects.count = 20;
    let (at, length) = (Span::from_seconds(1), Some(Span::from_seconds(1)));
    scenario.faults = vec![Fault { at, length, kind: FaultKind::StoreStall }];
    let (open, run_open) = {
        let (ledger, run, _) = run(&scenario, SseMode::SseC);
        (response(&ledger, &run, 990), run)
    };
    let options = Options { concurrency: Some(2), ..Options::default() };
    let (ledger, run_closed, _) = run_with(&scenario, SseMode::SseC, &options);
    let closed = response(&ledger, &run_closed, 990);
    println!("p99 of the response time with a stall of 1 s: open loop {open}, closed loop {closed}");
    // A third of what is due is due in the stall: the longest waits, all but a second, are p99.
    assert!(open >= Span::from_millis(900), "{open}");
    // The two requests that met the stall are fewer than one in a hundred of the others, however slow the machine.
    assert!(closed.saturating_mul(2) < open, "{closed}");
    // The schedule was kept through the stall; the clients of the closed loop sent nothing meanwhile.
    assert_eq!(run_open.requests, 600);
    let in_stall = |row: &&s3seal::request::Outcome| {
        let stall = Timestamp::from_millis(1_010)..Timestamp::from_millis(1_990);
        stall.contains(&row.due)
    };
    // No more than one each, should the machine have paused at the start of the stall.
    assert!(ledger.outcomes.iter().filter(in_stall).count() <= 2);
}

#[test]
fn an_interrupted_run_ends_early_and_its_rows_are_whole() {
    let mut scenario = mixed();
    scenario.stop = Stop::Duration(Span::from_seconds(600));
    scenario.mix.multipart_upload = 0.0;
    let (mut ledger, progress) = (Ledger::default(), Progress::default());
    #[expect(clippy::disallowed_methods, reason = "somebody must interrupt it meanwhile")]
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            while progress.ended.load(Ordering::Relaxed) < 100 {
                std::thread::yield_now();
            }
            progress.interrupted.store(true, Ordering::Relaxed);
        });
        let options = Options::default();
        live::run(&scenario, SseMode::SseKms, &options, &mut Buffers::new(), &progress, &mut ledger)
    })
    .unwrap();
    assert!(run.interrupted && run.requests >= 100);
    assert_eq!(ledger.outcomes.len() as u64 + run.abandoned, run.requests);
    assert!(ledger.outcomes.iter().all(|row| row.due <= run.measured_until));
}

#[test]
fn a_population_beyond_the_memory_is_refused_before_anything_is_sealed() {
    let options = Options { memory_max: 1 << 20, ..Options::default() };
    let refused = live::run(
        &Scenario::default(),
        SseMode::SseS3,
        &options,
        &mut Buffers::new(),
        &Progress::default(),
        &mut Ledger::default(),
    );
    assert!(matches!(refused, Err(LiveError::Memory { available: 1_048_576, .. })));
}

#[test]
fn modes_without_a_cache_take_no_key_twice() {
    for mode in SseMode::ALL {
        let (ledger, _, _) = run(&alone(|mix| mix.get_object = 1.0, 3), mode);
        let cached =
            ledger.outcomes.iter().filter(|row| row.key_source == s3seal::request::KeySource::Cached);
        assert_eq!(cached.count(), if is_cached(mode) { 2 } else { 0 }, "{mode}");
    }
}
