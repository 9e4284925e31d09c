//! Merging: shards make the one workload, counts are exact, percentiles hold, and what does not belong together is refused.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "quantiles in whole nanoseconds"
)]

use crate::rows::*;
use proptest::prelude::*;
use s3seal::report::*;
use s3seal::request::*;
use s3seal::rig;
use s3seal::sim::{self, Options};
use s3seal::units::{Seed, Span, Timestamp};
use s3seal::workload::{ArrivalProcess, Arrivals, FaultKind, Naming, Scenario, ServiceTime, Stop};

fn scenario() -> Scenario {
    let mut scenario = Scenario {
        arrival: ArrivalProcess::Poisson { rate: 800.0 },
        warm_up: Span::from_seconds(1),
        stop: Stop::Duration(Span::from_seconds(4)),
        ..Scenario::default()
    };
    scenario.objects.count = 2_000;
    scenario.kms.quota = Some(4_000);
    scenario
}

/// A run in virtual time, whole or a shard.
fn simulated(whole: &Scenario, mode: SseMode, shard: Option<(u32, u32)>) -> Summary {
    let scenario = shard.map_or_else(|| whole.clone(), |(i, n)| rig::shard(whole, None, i, n).unwrap());
    let from = Timestamp::ZERO + scenario.warm_up;
    let until = match scenario.stop {
        Stop::Duration(duration) => from + duration,
        Stop::Operations(_) => Timestamp::MAX,
    };
    let mut recorder = Recorder::new(Window { from, until });
    let run = sim::run(&scenario, mode, &Options { shard, ..Options::default() }, &mut recorder).unwrap();
    let facts = Run {
        mode,
        kind: Kind::Simulated,
        quota_per_s: Some(run.quota_per_s.into()),
        until: run.measured_until,
        concurrency: None,
    };
    let naming = Naming::new(whole);
    Summary::new(&recorder, &facts, |member| match member {
        Member::Bucket(n) => naming.bucket(n),
        Member::Principal(n) => naming.principal(n).to_string(),
        Member::KmsKey(n) => naming.kms_key_arn(n),
    })
}

fn report(whole: &Scenario, mode: SseMode, shard: Option<(u32, u32)>) -> Report {
    let mut report = Report::new(whole.seed(), whole.to_toml(), vec![simulated(whole, mode, shard)]);
    report.shard = shard.map(|(index, of)| Shard { index, of });
    report
}

fn shards(whole: &Scenario, mode: SseMode, of: u32) -> Vec<(String, Report)> {
    (0..of).map(|index| (format!("{index}.json"), report(whole, mode, Some((index, of))))).collect()
}

#[test]
fn shards_together_send_every_arrival_once() {
    let whole: Vec<_> = Arrivals::new(&scenario()).collect();
    let mut parts: Vec<_> = (0..3).flat_map(|machine| Arrivals::new(&scenario()).shard(machine, 3)).collect();
    parts.sort_by_key(|arrival| arrival.index);
    assert!(whole.len() > 3_000 && parts == whole);
}

/// Where requests do not meet each other, in no cache and at no limit, a merged run is the single run, bit for bit.
#[test]
fn merged_shards_are_the_single_run_bit_for_bit_where_requests_do_not_meet() {
    let mut scenario = scenario();
    // A constant time has no draw whose turn would depend on the other requests.
    scenario.kms.service_time =
        Some(ServiceTime { min: Span::ZERO, median: Span::from_millis(4), sigma: 0.0 });
    for mode in [SseMode::SseS3, SseMode::SseC, SseMode::SseKms, SseMode::DsseKms] {
        let single = report(&scenario, mode, None);
        for of in [1, 2, 4, 7] {
            let mut parts = shards(&scenario, mode, of);
            parts.reverse();
            let merged = Report::merge(&parts).unwrap();
            assert_eq!(merged.runs, single.runs, "{mode} in {of} shards");
            assert_eq!((merged.shard, merged.seed, &merged.scenario), (None, single.seed, &single.scenario));
        }
    }
}

#[test]
fn hosts_fall_to_shards_whole_so_caches_of_hosts_are_the_same() {
    let mut scenario = scenario();
    scenario.fleet.hosts = 4;
    // What one machine overwrites another does not see.
    scenario.mix.put_object = 0.0;
    scenario.kms.service_time =
        Some(ServiceTime { min: Span::ZERO, median: Span::from_millis(4), sigma: 0.0 });
    let single = report(&scenario, SseMode::KmsCached, None);
    let merged = Report::merge(&shards(&scenario, SseMode::KmsCached, 2)).unwrap();
    assert_eq!(merged.runs[0].cache, single.runs[0].cache);
    assert_eq!(merged.runs[0].kms, single.runs[0].kms);
}

#[test]
fn under_throttling_the_workload_is_the_same_and_the_quota_adds_up() {
    let mut scenario = scenario();
    scenario.kms.quota = Some(301);
    let single = simulated(&scenario, SseMode::SseKms, None);
    let merged = Report::merge(&shards(&scenario, SseMode::SseKms, 4)).unwrap().runs.remove(0);
    assert_eq!(merged.quota_per_s, Some(301));
    assert_eq!((merged.offered, merged.measured_ns), (single.offered, single.measured_ns));
    let offered = |run: &Summary| {
        run.series.iter().filter(|s| s.offered > 0).map(|s| (s.second, s.offered)).collect::<Vec<_>>()
    };
    assert_eq!(offered(&merged), offered(&single));
    let operations =
        |run: &Summary| run.operations.iter().map(|o| (o.operation.clone(), o.offered)).collect::<Vec<_>>();
    assert_eq!(operations(&merged), operations(&single));
    // Each machine is held to its part of the quota in every second, so all together to the whole.
    assert!(merged.kms.granted <= 301 * 12, "{}", merged.kms.granted);
    assert!(merged.kms.throttled > 0 && single.kms.throttled > 0);
}

#[test]
fn a_run_of_so_many_operations_ends_with_the_last_of_any_shard() {
    let mut scenario = scenario();
    scenario.stop = Stop::Operations(1_001);
    let single = simulated(&scenario, SseMode::SseS3, None);
    let merged = Report::merge(&shards(&scenario, SseMode::SseS3, 3)).unwrap().runs.remove(0);
    assert_eq!((merged.offered, merged.measured_ns), (1_001, single.measured_ns));
    assert_eq!(merged, single);
}

#[test]
fn percentiles_of_a_known_distribution_hold_after_merging_through_json() {
    // Exponential times of mean 20 ms, dealt out to five machines.
    let mut machines = vec![Recorder::new(WINDOW); 5];
    let mut exact: Vec<u64> = Vec::new();
    for n in 0..200_000_u64 {
        let part = (n as f64 + 0.5) / 200_000.0;
        let nanos = (-(1.0 - part).ln() * 20e6) as u64;
        exact.push(nanos);
        let due = WINDOW.from + Span::from_micros(n * 20);
        machines[(n * 7_919 % 5) as usize]
            .record(&Outcome { finished: due + Span::from_nanos(nanos), ..get(due) });
    }
    let reports: Vec<(String, Report)> = (0..5)
        .map(|index| {
            let of = run(SseMode::SseS3, Kind::Live, None);
            let mut report = Report::new(
                Seed(1),
                String::new(),
                vec![Summary::new(&machines[index as usize], &of, named)],
            );
            report.shard = Some(Shard { index, of: 5 });
            let mut json = Vec::new();
            report.write_json(&mut json).unwrap();
            (index.to_string(), Report::from_json(std::str::from_utf8(&json).unwrap()).unwrap())
        })
        .collect();
    let merged = Report::merge(&reports).unwrap().runs.remove(0);
    let times = merged.response_time_ns;
    assert_eq!((times.count, times.max), (200_000, *exact.last().unwrap()));
    for (found, per_mille) in [(times.p50, 500), (times.p90, 900), (times.p99, 990), (times.p999, 999)] {
        let truth = exact[200 * per_mille - 1];
        // Three digits: 0.1 %; 0.2 % is promised.
        assert!(found.abs_diff(truth) as f64 <= truth as f64 * 0.002, "{per_mille}: {found} for {truth}");
    }
    let tail = merged.distribution(Phase::Response, false).unwrap().quantile(99_990).as_nanos();
    let truth = exact[199_979];
    assert!(tail.abs_diff(truth) as f64 <= truth as f64 * 0.002, "{tail} for {truth}");
}

#[test]
fn what_does_not_belong_together_is_refused_with_a_reason() {
    let scenario = scenario();
    let part = |index, of| (format!("{index}of{of}"), report(&scenario, SseMode::SseS3, Some((index, of))));
    let whole = || ("whole".to_owned(), report(&scenario, SseMode::SseS3, None));
    let refused = |parts: &[(String, Report)]| Report::merge(parts).unwrap_err().to_string();
    assert!(refused(&[]).contains("no report"));
    assert!(refused(&[part(0, 3), part(2, 3)]).contains("shard 1/3 is missing"));
    assert!(refused(&[part(0, 2), part(1, 2), part(1, 2)]).contains("shard 1/2 is there 2 times"));
    assert!(refused(&[part(0, 2), whole()]).contains("one is a shard and the other is not"));
    assert!(refused(&[whole(), whole()]).contains("repeats of one load, to be compared"));
    let mut other = part(1, 2);
    other.1.scenario.push('#');
    assert!(refused(&[part(0, 2), other]).contains("different workloads"));
    let mut damaged = part(1, 2);
    damaged.1.runs[0].record.as_mut().unwrap().operations[0].succeeded[0].hdr = "AAAA".into();
    assert!(refused(&[part(0, 2), damaged]).contains("does not read"));
    let kms = ("kms".to_owned(), report(&scenario, SseMode::SseKms, Some((1, 2))));
    assert!(refused(&[part(0, 2), kms]).contains("hold different runs"));
}

#[test]
fn machines_with_seeds_of_their_own_add_up() {
    let reports: Vec<(String, Report)> = [1, 2]
        .map(|seed| {
            let mut scenario = scenario();
            scenario.seed = seed;
            (seed.to_string(), report(&scenario, SseMode::SseKms, None))
        })
        .into();
    let merged = Report::merge(&reports).unwrap();
    let sum =
        |pick: fn(&Summary) -> u64| reports.iter().map(|(_, report)| pick(&report.runs[0])).sum::<u64>();
    assert_eq!(merged.runs[0].offered, sum(|run| run.offered));
    assert_eq!(merged.runs[0].kms.calls, sum(|run| run.kms.calls));
    assert_eq!(merged.runs[0].quota_per_s, Some(8_000));
    assert!(merged.notes.iter().any(|note| note.contains("2 machines")));
}

#[test]
fn a_quota_that_a_fault_changes_is_divided_too() {
    let mut scenario = scenario();
    scenario.faults = vec![s3seal::workload::Fault {
        at: Span::ZERO,
        length: None,
        kind: FaultKind::QuotaChanged { quota: 10 },
    }];
    let parts: Vec<_> = (0..3).map(|machine| rig::shard(&scenario, None, machine, 3).unwrap()).collect();
    let sum: u64 = parts
        .iter()
        .map(|part| match part.faults[0].kind {
            FaultKind::QuotaChanged { quota } => quota,
            _ => 0,
        })
        .sum();
    assert_eq!(sum, 10);
}

#[test]
fn interval_logs_merge_by_their_tags_without_loss() {
    let log = |recorders: &[Recorder]| {
        let mut whole = Recorder::new(WINDOW);
        for recorder in recorders {
            whole.merge(recorder);
        }
        let mut out = Vec::new();
        write_interval_log(
            &mut out,
            &[LoggedRun { label: "sse-kms", recorder: &whole, until: Timestamp::MAX }],
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    };
    let (one, other) = (sse_kms(40, 30), warm(70));
    let logs = [
        ("1".to_owned(), log(std::slice::from_ref(&one))),
        ("2".to_owned(), log(std::slice::from_ref(&other))),
    ];
    let mut merged = Vec::new();
    merge_interval_logs(&mut merged, &logs).unwrap();
    let lines = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with("Tag=") && !line.contains("-of-successes"))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(std::str::from_utf8(&merged).unwrap()), lines(&log(&[one, other])));
    let bad = [("bad.hlog".to_owned(), "Tag=a,0.0,1.0,1.0,AAAA\n".to_owned())];
    assert!(merge_interval_logs(&mut Vec::new(), &bad).unwrap_err().to_string().contains("bad.hlog"));
}

proptest! {
    // Each case allocates histograms for many operations.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_rows_dealt_out_to_any_machines_merge_to_what_one_recorder_says(
        rows in prop::collection::vec((0..4_u64, 0..8_000_u64, 0..u64::MAX / 4, 0..3_usize), 1..60),
        machines in 1..4_usize,
    ) {
        let mut parts = vec![Recorder::new(WINDOW); machines];
        let mut single = Recorder::new(WINDOW);
        for (kind, due, took, machine) in rows {
            let due = at_ms(due);
            let ending = Ending::ALL[(took % 6) as usize];
            let row = Outcome {
                operation: Operation::ALL[kind as usize], finished: due + Span::from_nanos(took), ending,
                key_source: KeySource::ALL[(took % 4) as usize], ..get(due)
            };
            let call = KmsCall { bucket: (took % 20) as u32, replied: due + Span::from_nanos(took), ..decrypt(due) };
            for recorder in [&mut parts[machine % machines], &mut single] {
                recorder.record(&row);
                recorder.record_call(&call);
            }
        }
        let of = run(SseMode::SseKms, Kind::Live, None);
        let parts: Vec<Summary> = parts.iter().map(|part| Summary::new(part, &of, named)).collect();
        let parts: Vec<(&str, &Summary)> = parts.iter().map(|part| ("part", part)).collect();
        prop_assert_eq!(Summary::merge(&parts).unwrap(), Summary::new(&single, &of, named));
    }

    #[test]
    fn no_text_in_place_of_a_histogram_makes_the_reader_panic(text in "[A-Za-z0-9+/=]{0,200}") {
        let _ = Coded { hdr: text, ..Coded::default() }.decode();
    }
}
