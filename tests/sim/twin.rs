//! Twins: the live driver on a paused clock against the simulator. Same seed: every row equal, with real keys and bodies
//! on the one side and bare numbers on the other.

use crate::ledger::{AROUND, Ledger, simulate};
use s3seal::live::{self, Buffers, Directory, Progress, Time};
use s3seal::request::SseMode;
use s3seal::rig::{CRYPTO_COST, STORE_COST};
use s3seal::sim::{self, Options};
use s3seal::workload::{Scenario, Stop};

fn scenario(seed: u64, more: &str) -> Scenario {
    let text = format!(
        r#"
seed = {seed}
warm_up = "300ms"
duration = "2s"
[arrival]
process = "poisson"
rate = 500
[objects]
count = 300
size = {{ law = "lognormal", median = "4KiB", sigma = 1.0, min = "1", max = "200KiB" }}
visible_after = "200ms"
{more}
"#
    );
    Scenario::parse(&text).unwrap()
}

const EVERYTHING: &str = r#"
puts = "new"
[mix]
PutObject = 20
GetObject = 50
GetObjectRange = 8
HeadObject = 5
CopyObject = 5
MultipartUpload = 0.3
DeleteObject = 5
ListObjects = 3
multipart = { parts = 2, part = "5MiB", objects = 2 }
[kms]
quota = 200
[cache]
max_age = "900ms"
refresh_after = "600ms"
max_uses = 50
[[fault]]
kind = "kms-errors"
at = "1s"
for = "500ms"
share = 0.3
[[fault]]
kind = "store-stall"
at = "1500ms"
for = "100ms"
[[fault]]
kind = "key-disabled"
at = "1700ms"
for = "200ms"
key = 1
"#;

fn everything(seed: u64) -> Scenario {
    scenario(seed, &format!("{EVERYTHING}{AROUND}"))
}

fn live_rows(
    scenario: &Scenario,
    mode: SseMode,
    sim: &Options,
    directory: Option<Directory>,
) -> (Ledger, live::Run) {
    let time = Time::Paused { crypto: CRYPTO_COST, store: STORE_COST };
    let Options { in_flight_max, concurrency, .. } = *sim;
    let options = live::Options { time, in_flight_max, concurrency, directory, ..live::Options::default() };
    let mut ledger = Ledger::default();
    let progress = Progress::default();
    let run = live::run(scenario, mode, &options, &mut Buffers::new(), &progress, &mut ledger).unwrap();
    (ledger, run)
}

#[track_caller]
fn assert_twins(scenario: &Scenario, mode: SseMode, options: &Options, directory: Option<Directory>) {
    let (of_sim, sim_run) = simulate(scenario, mode, options);
    let (of_live, live_run) = live_rows(scenario, mode, options, directory);
    let seed = scenario.seed;
    let (theirs, ours) = (of_sim.sorted(), of_live.sorted());
    if let Some((sim, live)) = theirs.iter().zip(&ours).find(|(sim, live)| sim != live) {
        panic!("{mode}, seed {seed}: a row differs:\n sim  {sim}\n live {live}");
    }
    assert_eq!(theirs.len(), ours.len(), "{mode}, seed {seed}");
    assert_eq!((live_run.broken, live_run.first_broken), (0, None), "{mode}, seed {seed}");
    let sim::Run { measured_from, measured_until, requests, kms_calls, quota_per_s, .. } = sim_run;
    assert_eq!(
        (measured_from, measured_until, requests, kms_calls, quota_per_s),
        (
            live_run.measured_from,
            live_run.measured_until,
            live_run.requests,
            live_run.kms_calls,
            live_run.quota_per_s
        ),
        "{mode}, seed {seed}"
    );
    assert_eq!(sim_run.cache.calls, live_run.cache.calls, "{mode}, seed {seed}");
}

#[test]
fn every_row_of_a_plain_workload_is_the_simulators() {
    for seed in 1..=3 {
        for mode in SseMode::ALL {
            assert_twins(&scenario(seed, "[kms]\nquota = 200"), mode, &Options::default(), None);
        }
    }
}

#[test]
fn every_row_of_a_workload_with_everything_in_it_is_the_simulators() {
    for seed in 1..=2 {
        for mode in SseMode::ALL {
            assert_twins(&everything(seed), mode, &Options::default(), None);
        }
    }
}

#[test]
fn what_does_not_fit_in_flight_is_dropped_as_in_the_simulator() {
    for mode in [SseMode::SseKms, SseMode::KmsCached] {
        let options = Options { in_flight_max: 4, ..Options::default() };
        assert_twins(&everything(1), mode, &options, None);
    }
}

#[test]
fn every_row_of_a_closed_loop_is_the_simulators_for_a_time_and_for_so_many_requests() {
    // As many requests as the clients can have answered; S3's time keeps them few.
    let for_a_time = everything(1);
    let so_many = Scenario { stop: Stop::Operations(2_000), ..for_a_time.clone() };
    for mode in SseMode::ALL {
        for (scenario, concurrency) in [(&for_a_time, 5), (&so_many, 2)] {
            let options = Options { concurrency: Some(concurrency), ..Options::default() };
            assert_twins(scenario, mode, &options, None);
        }
    }
}

#[test]
fn so_many_requests_of_a_closed_loop_are_those_of_its_measured_part() {
    let scenario = Scenario { stop: Stop::Operations(700), ..scenario(1, "") };
    let options = Options { concurrency: Some(3), ..Options::default() };
    let (rows, run) = simulate(&scenario, SseMode::SseKms, &options);
    let measured = rows.outcomes.iter().filter(|row| row.due >= run.measured_from).count();
    assert!(rows.outcomes.len() > measured, "there is a warm-up");
    assert_eq!(measured, 700);
    assert_twins(&scenario, SseMode::SseKms, &options, None);
}

#[test]
fn objects_in_a_directory_change_no_row() {
    for mode in SseMode::ALL {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path(), u64::MAX).unwrap();
        assert_twins(&everything(1), mode, &Options::default(), Some(directory));
    }
}

#[test]
fn waiters_of_a_spent_key_go_on_together_and_give_up_together_as_they_do_one_by_one() {
    let spent = "\n[mix]\nPutObject = 1\nCopyObject = 0.2\nGetObject = 0.2\n[cache]\nmax_uses = 2\nmax_age = \"1m\"\n";
    let scenario = |more: &str| scenario(9, &format!("puts = \"overwrite\"{spent}{more}"));
    let mode = SseMode::KmsCached;
    assert_twins(&scenario(""), mode, &Options::default(), None);
    // From 1 s on KMS takes 300 times as long, so that a flight outlives the 10 s that its waiters wait.
    let slow = scenario("[[fault]]\nkind = \"kms-brown-out\"\nat = \"700ms\"\nfactor = 1000\n");
    assert_twins(&slow, mode, &Options::default(), None);
    let (ledger, run) = simulate(&slow, mode, &Options::default());
    let gave_up = ledger.outcomes.iter().filter(|row| row.ending == s3seal::request::Ending::Failed).count();
    assert!(gave_up > 100 && run.cache.joins > 10 * run.cache.misses, "{gave_up} gave up, {:?}", run.cache);
}
