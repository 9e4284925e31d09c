//! Traces as runs: the same in both drivers, what the trace says as it says it, and the objects that must be there.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::ledger::{Ledger, simulate};
use s3seal::live::{self, Buffers, Directory, Progress, Time};
use s3seal::request::{Ending, Operation, Outcome, SseMode};
use s3seal::rig::{CRYPTO_COST, STORE_COST};
use s3seal::sim::{self, Options};
use s3seal::units::{Span, Timestamp};
use s3seal::workload::log::{CsvFormat, TimeFormat, Trace};
use s3seal::workload::{
    ArrivalProcess, Arrivals, Mix, Naming, Replay, ReplayError, ReplayOptions, Scenario, Shape, Source, Stop,
};

fn trace(text: &str) -> Arc<Trace> {
    Arc::new(Trace::read("trace.csv", text.as_bytes(), CsvFormat::default()).unwrap())
}

fn replay(text: &str, scenario: &Scenario, options: ReplayOptions) -> Source {
    Source::Replay(Replay::new(trace(text), scenario, options).unwrap())
}

fn rows(source: &Source, mode: SseMode) -> Ledger {
    let mut ledger = Ledger::default();
    sim::run_source(source, mode, &Options::default(), &mut ledger).unwrap();
    ledger
}

/// The requests in the order in which they were due.
fn outcomes(source: &Source, mode: SseMode) -> Vec<Outcome> {
    let mut outcomes = rows(source, mode).outcomes;
    outcomes.sort_by_key(|row| row.due);
    outcomes
}

const HEADER: &str = "time,op,bucket,key,size,principal\n";

/// Every kind of line: objects that come, grow, shrink and go, uploads whole and torn, copies, listings, ranges.
fn everything() -> String {
    let mut text = HEADER.to_owned();
    let operations = ["GET", "PUT", "HEAD", "GETRANGE", "COPY", "LIST", "DELETE", "GET", "PUT", "GET"];
    for n in 0_u64..600 {
        let (op, key) = (operations[(n * 7 % 10) as usize], n * n % 37);
        let size = if op == "PUT" { (n / 10 % 5 * 3_000).to_string() } else { String::new() };
        let _ = writeln!(text, "{}.{:03},{op},b{},k{key},{size},p{}", n / 100, n * 10 % 1000, key % 3, n % 4);
        if n % 100 == 50 {
            for (at, op, size) in
                [(1, "CreateMultipartUpload", ""), (2, "UploadPart", "5MiB"), (3, "UploadPart", "2MiB")]
            {
                let _ = writeln!(
                    text,
                    "{}.{:03},{op},b0,upload{},{size},p1",
                    n / 100,
                    n * 10 % 1000 + at,
                    n % 200
                );
            }
            let _ = writeln!(
                text,
                "{}.{:03},CompleteMultipartUpload,b0,upload{},,p1",
                n / 100,
                n * 10 % 1000 + 4,
                n % 200
            );
            let _ = writeln!(text, "{}.{:03},GET,b0,upload{},7MiB,p2", n / 100, n * 10 % 1000 + 5, n % 200);
        }
    }
    text
}

#[test]
fn a_trace_runs_live_row_by_row_as_it_is_simulated_with_real_keys_and_bodies() {
    let mut scenario = Scenario::default();
    scenario.kms.quota = Some(60);
    scenario.layout.kms_keys = 2;
    scenario.fleet.hosts = 2;
    scenario.cache.max_age = Some(Span::from_millis(900));
    let options = ReplayOptions { warm_up: Span::from_millis(500), ..ReplayOptions::default() };
    let source = replay(&everything(), &scenario, options);
    for mode in SseMode::ALL {
        let run = assert_twins(&source, mode, None, None);
        assert!(run.checked > 200, "{mode}: bodies came back: {}", run.checked);
        let folder = tempfile::tempdir().unwrap();
        let run = assert_twins(&source, mode, None, Some(Directory::new(folder.path(), u64::MAX).unwrap()));
        assert!(run.checked > 200, "{mode}: bodies came back from files: {}", run.checked);
        let run = assert_twins(&source, mode, Some(3), None);
        assert!(run.checked > 200, "{mode}: bodies came back in a closed loop: {}", run.checked);
    }
}

#[track_caller]
fn assert_twins(
    source: &Source,
    mode: SseMode,
    concurrency: Option<u32>,
    directory: Option<Directory>,
) -> live::Run {
    let mut of_sim = Ledger::default();
    sim::run_source(source, mode, &Options { concurrency, ..Options::default() }, &mut of_sim).unwrap();
    let time = Time::Paused { crypto: CRYPTO_COST, store: STORE_COST };
    let options = live::Options { time, concurrency, directory, ..live::Options::default() };
    let (mut of_live, progress) = (Ledger::default(), Progress::default());
    let run = live::run_source(source, mode, &options, &mut Buffers::new(), &progress, &mut of_live).unwrap();
    assert_eq!((run.broken, &run.first_broken), (0, &None), "{mode}");
    let (theirs, ours) = (of_sim.sorted(), of_live.sorted());
    if let Some((sim, live)) = theirs.iter().zip(&ours).find(|(sim, live)| sim != live) {
        panic!("{mode}: a row differs:\n sim  {sim}\n live {live}");
    }
    assert_eq!(theirs.len(), ours.len(), "{mode}");
    run
}

#[test]
fn keys_of_a_trace_that_make_no_file_names_are_kept_in_a_directory_all_the_same() {
    // Too long for a file, a folder and a file in one, twice the same once it is a path, out of the directory, empty parts.
    let long = "x".repeat(1_000);
    let keys = ["a", "a/b", "a//b", "a.v0", "a.v0/b", "../../a", "..", "copy-of/a", "/", "ü ?*%2F", &long];
    let mut text = HEADER.to_owned();
    for (n, key) in keys.iter().enumerate() {
        for (at, op) in ["GET", "PUT", "GET", "COPY", "LIST", "HEAD", "DELETE"].iter().enumerate() {
            writeln!(text, "{n}.{at},{op},up/../{long},{key},{},p", 1_000 + n).unwrap();
        }
    }
    let source = replay(&text, &Scenario::default(), ReplayOptions::default());
    let root = tempfile::tempdir().unwrap();
    let inside = root.path().join("store");
    std::fs::create_dir(&inside).unwrap();
    for mode in [SseMode::SseKms, SseMode::KmsCached] {
        let run = assert_twins(&source, mode, None, Some(Directory::new(&inside, u64::MAX).unwrap()));
        assert_eq!((run.checked, run.copies), (33, 11), "{mode}: each of 11 read twice and copied");
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "nothing beside the directory");
}

#[test]
fn the_schedule_of_a_scenario_written_down_and_replayed_gives_its_rows() {
    let mut scenario = Scenario {
        warm_up: Span::from_seconds(1),
        arrival: ArrivalProcess::Poisson { rate: 200.0 },
        // What is read exists in both; a trace begins ranges at 0, and what it writes is not there before.
        mix: Mix { get_object: 80.0, head_object: 20.0, ..Mix::none() },
        ..Scenario::default()
    };
    scenario.objects.count = 50;
    let naming = Naming::new(&scenario);
    let mut text = HEADER.to_owned();
    let schedule: Vec<_> = Arrivals::new(&scenario).collect();
    for arrival in &schedule {
        let (time, op, size) = (arrival.due.as_nanos(), arrival.operation, arrival.bytes);
        let (bucket, key) = (naming.bucket(arrival.bucket), naming.object_key(arrival.object));
        writeln!(text, "{time},{op},{bucket},{key},{size},somebody").unwrap();
    }
    let format = CsvFormat { time: TimeFormat::Nanos, ..CsvFormat::default() };
    let trace = Arc::new(Trace::read("t", text.as_bytes(), format).unwrap());
    // A trace begins with its first request.
    let shift = schedule[0].due.since(Timestamp::ZERO);
    let options = ReplayOptions { warm_up: scenario.warm_up - shift, ..ReplayOptions::default() };
    let source = Source::Replay(Replay::new(trace, &scenario, options).unwrap());
    // Modes that keep no keys: the number of an object makes no difference there.
    for mode in [SseMode::SseS3, SseMode::SseKms, SseMode::DsseKms, SseMode::SseC] {
        let moved = outcomes(&source, mode).into_iter().map(|row| Outcome {
            due: row.due + shift,
            started: row.started + shift,
            finished: row.finished + shift,
            ..row
        });
        let (drawn, _) = simulate(&scenario, mode, &Options::default());
        let mut drawn = drawn.outcomes;
        drawn.sort_by_key(|row| row.due);
        assert!(moved.eq(drawn), "{mode}");
    }
}

const SMALL: &str = "time,op,bucket,key,size,principal\n\
    10.0,GET,photos,cat,3000,ann\n\
    10.5,PUT,photos,dog,5000,bob\n\
    11.0,GET,photos,dog,,ann\n\
    11.5,DELETE,notes,old,,ann\n\
    12.0,GET,notes,old,,bob\n";

#[test]
fn names_sizes_operations_and_times_are_those_of_the_trace() {
    use Operation::{DeleteObject, GetObject, PutObject};
    let source = replay(SMALL, &Scenario::default(), ReplayOptions::default());
    let scenario = source.scenario();
    assert_eq!((scenario.objects.count, scenario.layout.buckets, scenario.principals.count()), (3, 2, 2));
    assert_eq!(scenario.stop, Stop::Duration(Span::from_seconds(3)), "to the end of the last second");
    scenario.validate().unwrap();
    let naming = source.naming();
    assert_eq!((naming.bucket(1), naming.principal_name(1)), ("notes".into(), "bob".into()));
    let found: Vec<_> = outcomes(&source, SseMode::SseKms)
        .iter()
        .map(|row| (row.due.as_nanos() / 1_000_000, row.operation, row.bytes, row.bucket, row.ending))
        .collect();
    assert_eq!(
        found,
        [
            (0, GetObject, 3_000, 0, Ending::Succeeded),
            (500, PutObject, 5_000, 0, Ending::Succeeded),
            (1_000, GetObject, 5_000, 0, Ending::Succeeded),
            (1_500, DeleteObject, 0, 1, Ending::Succeeded),
            // It is gone, as the trace says.
            (2_000, GetObject, 0, 1, Ending::Failed),
        ]
    );
}

#[test]
fn only_what_is_used_before_it_is_written_or_right_after_exists_at_the_start() {
    let source = replay(SMALL, &Scenario::default(), ReplayOptions::default());
    let population = source.population();
    let existing: Vec<_> = population.iter().map(|e| (e.object, e.bytes, e.bucket)).collect();
    // cat; dog, which is written first and read at once; and old, whose size nobody tells: the reader's default.
    assert_eq!(existing, [(0, 3_000, 0), (1, 5_000, 0), (2, 16 << 10, 1)]);
}

/// A log says only the second, and only what succeeded is replayed: a read finds its object even where the write that it
/// follows takes longer in the run than it took.
#[test]
fn what_is_read_right_after_its_first_write_is_found_at_any_speed() {
    let text = format!(
        "{HEADER}1,PUT,b,dog,10,p\n1,GET,b,dog,10,p\n1,HEAD,b,dog,10,p\n3,COPY,b,dog,10,p\n9,GET,b,dog,10,p\n"
    );
    for speed in [1.0, 1e4] {
        let options = ReplayOptions { speed, ..ReplayOptions::default() };
        let source = replay(&text, &Scenario::default(), options);
        for mode in SseMode::ALL {
            let endings: Vec<Ending> = outcomes(&source, mode).iter().map(|row| row.ending).collect();
            assert_eq!(endings, [Ending::Succeeded; 5], "{mode} at {speed}");
        }
    }
    let late = format!("{HEADER}1,PUT,b,dog,10,p\n9,GET,b,dog,10,p\n");
    let source = replay(&late, &Scenario::default(), ReplayOptions::default());
    assert!(!source.population().exists(0), "it is made by the run");
}

#[test]
fn an_upload_is_one_request_with_its_parts_inside() {
    let text = format!(
        "{HEADER}1,CreateMultipartUpload,b,k,,p\n2,UploadPart,b,k,5MiB,p\n2.5,PUT,b,other,1,p\n3,UploadPart,b,k,3MiB,p\n\
         4,CompleteMultipartUpload,b,k,,p\n5,UploadPart,b,late,6MiB,p\n6,GET,b,k,8MiB,p\n"
    );
    let trace = trace(&text);
    let shapes: Vec<_> = trace.arrivals.iter().map(|a| (a.index, a.operation, a.shape)).collect();
    let upload = |count, bytes| Shape::Parts { count, bytes };
    assert_eq!(
        shapes,
        [
            (0, Operation::CreateMultipartUpload, upload(2, 4 << 20)),
            (1, Operation::PutObject, Shape::Whole),
            (2, Operation::CreateMultipartUpload, upload(1, 6 << 20)),
            (3, Operation::GetObject, Shape::Whole),
        ]
    );
    assert_eq!(trace.existing, [(0, 8 << 20)], "nobody reads what an upload of the run writes");
    let source = Source::Replay(Replay::new(trace, &Scenario::default(), ReplayOptions::default()).unwrap());
    let calls: Vec<u32> = outcomes(&source, SseMode::SseKms).iter().map(|row| row.kms_calls).collect();
    // Create, each part and the end.
    assert_eq!(calls, [4, 1, 3, 1]);
}

#[test]
fn warm_up_length_count_and_speed_cut_and_scale_the_trace() {
    let of = |options| Replay::new(trace(SMALL), &Scenario::default(), options);
    let due = |options| -> Vec<u64> {
        of(options).unwrap().arrivals().map(|arrival| arrival.due.as_nanos() / 1_000_000).collect()
    };
    let all = ReplayOptions::default();
    assert_eq!(due(ReplayOptions { speed: 2.0, ..all }), [0, 250, 500, 750, 1_000]);
    assert_eq!(due(ReplayOptions { speed: 0.5, ..all }), [0, 1_000, 2_000, 3_000, 4_000]);
    let second = Some(Stop::Duration(Span::from_seconds(1)));
    assert_eq!(due(ReplayOptions { stop: second, ..all }), [0, 500]);
    let warm_up = Span::from_millis(500);
    assert_eq!(due(ReplayOptions { warm_up, stop: Some(Stop::Operations(2)), ..all }), [0, 500, 1_000]);
    let late = of(ReplayOptions { warm_up: Span::from_seconds(5), ..all }).unwrap_err();
    assert_eq!(late.to_string(), "nothing of the trace is measured: the warm-up takes 5s, the trace 2s");
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e7] {
        let refused = of(ReplayOptions { speed, ..all }).unwrap_err();
        assert!(matches!(refused, ReplayError::Speed { .. }), "{speed}");
    }
    let twice = of(all).unwrap();
    let rate = twice.scenario().arrival.mean_rate();
    let twice = twice.at_rate(rate * 2.0).unwrap();
    assert_eq!(twice.arrivals().last().unwrap().due, Timestamp::from_seconds(1), "a rate is a speed");
}

#[test]
fn a_scenario_and_a_trace_that_do_not_go_together_are_refused_with_the_fields_name() {
    let mut scenario = Scenario::default();
    scenario.kms.denied_roles = 2;
    scenario.principals.roles = 9;
    let refused = Replay::new(trace(SMALL), &scenario, ReplayOptions::default()).unwrap_err();
    assert!(
        refused.to_string().starts_with("`kms.denied_roles` contradicts `principals.roles`"),
        "{refused}"
    );
}
