//! Laws of the simulator: the same rows whatever the way, counts that agree on all sides, and drops that are counted.

use crate::ledger::{AROUND, Ledger, SINGLE, calls_alone, simulate};
use s3seal::request::{Ending, KmsAnswer, Operation, SseMode};
use s3seal::sim::{self, Options};
use s3seal::units::Span;
use s3seal::workload::{ArrivalProcess, Mix, Scenario, Stop};

/// Everything at once: all operations, several buckets, keys and principals, faults, S3's times and limits.
fn everything(seed: u64) -> Scenario {
    let text = format!(
        r#"
seed = {seed}
warm_up = "500ms"
duration = "3s"
[arrival]
process = "poisson"
rate = 900
[mix]
PutObject = 20
GetObject = 50
GetObjectRange = 8
HeadObject = 5
CopyObject = 5
MultipartUpload = 1
DeleteObject = 5
ListObjects = 3
[objects]
count = 600
puts = "new"
visible_after = "200ms"
{AROUND}[kms]
quota = 300
[cache]
max_age = "900ms"
refresh_after = "600ms"
max_uses = 50
capacity = 60
[[fault]]
kind = "kms-errors"
at = "1s"
for = "500ms"
share = 0.3
[[fault]]
kind = "store-stall"
at = "2s"
for = "100ms"
[[fault]]
kind = "key-disabled"
at = "2500ms"
for = "300ms"
key = 1
"#
    );
    Scenario::parse(&text).unwrap()
}

#[test]
fn running_ahead_gives_the_same_rows_bit_for_bit() {
    for seed in 1..=3 {
        let scenario = everything(seed);
        for mode in SseMode::ALL {
            for in_flight_max in [8, 100_000] {
                let options = Options { in_flight_max, ..Options::default() };
                let (fast, fast_run) = simulate(&scenario, mode, &options);
                let (slow, slow_run) = simulate(&scenario, mode, &Options { run_ahead: false, ..options });
                assert_eq!(fast_run, slow_run, "{mode}, seed {seed}");
                assert!(fast.sorted() == slow.sorted(), "{mode}, seed {seed}: rows differ");
                assert!(in_flight_max > 8 || fast.ended(Ending::Dropped) > 0, "{mode} drops something");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let rows = |seed| {
        let (ledger, _) = simulate(&everything(seed), SseMode::KmsCached, &Options::default());
        ledger.digest()
    };
    assert_eq!(rows(1), rows(1));
    assert_ne!(rows(1), rows(2));
}

#[test]
fn kms_rows_are_the_models_count_and_the_caches_own() {
    for mode in SseMode::ALL {
        let (ledger, run) = simulate(&everything(1), mode, &Options::default());
        let rows = ledger.calls.len() as u64;
        assert_eq!((rows, rows), (run.kms_calls, run.cache.calls), "{mode}");
        let of_requests: u64 = ledger.outcomes.iter().map(|row| u64::from(row.kms_calls)).sum();
        let ahead = ledger.calls.iter().filter(|row| row.cause.is_none()).count() as u64;
        assert_eq!(
            of_requests + ahead,
            rows,
            "{mode}: nobody gave up waiting, so every call has its request"
        );
        assert_eq!(run.requests, ledger.outcomes.len() as u64, "{mode}: each request ends once");
        let throttled = ledger.calls.iter().filter(|row| row.answer == KmsAnswer::Throttled).count();
        assert!(
            throttled == 0
                || ledger.calls.iter().all(|row| row.answer != KmsAnswer::Throttled || !row.billed)
        );
    }
}

/// One operation alone, one request at a time, nothing throttled.
fn alone(operation: fn(&mut Mix), rate: f64) -> Scenario {
    let mut scenario = Scenario {
        mix: Mix::none(),
        arrival: ArrivalProcess::Constant { rate },
        stop: Stop::Operations(1),
        warm_up: Span::ZERO,
        ..Scenario::default()
    };
    operation(&mut scenario.mix);
    scenario.mix.multipart.part_bytes = 5 << 20;
    scenario.mix.multipart.parts = 3;
    scenario
}

#[test]
fn each_operation_makes_the_calls_of_the_table_cold_and_warm() {
    for mode in SseMode::ALL {
        for (operation, mix) in SINGLE {
            let mut scenario = alone(mix, 1.0);
            scenario.objects.count = 1;
            let calls =
                |scenario: &Scenario| simulate(scenario, mode, &Options::default()).0.calls.len() as u64;
            let cold = calls(&scenario);
            // Ten more of the same, well within the age of a key: warm.
            scenario.stop = Stop::Operations(11);
            let ten_warm = calls(&scenario) - cold;
            let expected = |warm| calls_alone(operation, mode, warm, 3);
            assert_eq!((cold, ten_warm), (expected(false), 10 * expected(true)), "{operation} in {mode}");
        }
    }
}

#[test]
fn deletes_make_no_calls() {
    for mode in SseMode::ALL {
        let mut scenario = everything(1);
        scenario.mix = Mix { put_object: 1.0, delete_object: 1.0, ..Mix::none() };
        let (ledger, _) = simulate(&scenario, mode, &Options::default());
        assert!(ledger.outcomes.iter().any(|row| row.operation == Operation::DeleteObject));
        assert!(ledger.calls.iter().all(|row| row.cause.is_none_or(|cause| cause == Operation::PutObject)));
    }
}

#[test]
fn what_cannot_start_is_dropped_counted_and_costs_nothing() {
    let mut scenario = everything(1);
    scenario.faults.clear();
    let options = Options { in_flight_max: 3, ..Options::default() };
    let (ledger, run) = simulate(&scenario, SseMode::SseKms, &options);
    let dropped = ledger.ended(Ending::Dropped);
    assert!(dropped > 100, "{dropped}");
    assert_eq!(run.requests, ledger.outcomes.len() as u64);
    let idle =
        |row: &&s3seal::request::Outcome| row.kms_calls == 0 && row.bytes == 0 && row.finished == row.due;
    assert!(ledger.outcomes.iter().filter(|row| row.ending == Ending::Dropped).all(|row| idle(&row)));
    assert!(Ledger::most_in_flight(&ledger.outcomes) <= 3);
}

#[test]
fn the_phases_are_parts_of_the_service_time() {
    for mode in SseMode::ALL {
        let (ledger, _) = simulate(&everything(2), mode, &Options::default());
        for row in &ledger.outcomes {
            let phases = row.kms_wait + row.crypto + row.store + row.s3;
            assert_eq!(phases, row.finished.since(row.started), "{mode} {row:?}");
            assert_eq!(row.started, row.due, "no lag in virtual time");
        }
    }
}

#[test]
fn every_read_of_what_was_written_succeeds() {
    let mut scenario = everything(3);
    scenario.faults.clear();
    scenario.kms.quota = None;
    scenario.s3.prefix_limits = false;
    // Longer than any PUT takes, retries aside, and there are none.
    scenario.objects.visible_after = Span::from_seconds(1);
    for mode in SseMode::ALL {
        let (ledger, _) = simulate(&scenario, mode, &Options::default());
        assert_eq!(ledger.ended(Ending::Succeeded), ledger.outcomes.len(), "{mode}");
    }
}

#[test]
fn what_is_written_stands_under_the_key_of_its_put() {
    let mut scenario = alone(|mix| (mix.put_object, mix.get_object) = (30.0, 1.0), 100.0);
    scenario.objects.count = 50;
    scenario.objects.popularity = s3seal::workload::Popularity::Uniform;
    scenario.stop = Stop::Operations(4_000);
    let (ledger, _) = simulate(&scenario, SseMode::KmsCached, &Options::default());
    let decrypts = ledger.calls.iter().filter(|row| row.name == "Decrypt").count();
    // At first each object has a data key of its own; once written anew it stands under the one that the cache hands out.
    // An object is read before its first write with probability 1/31: of 50, 1.6 with a deviation of 1.25; six of them,
    // and the new key. If writes left nothing behind, nearly all 50 keys would be decrypted.
    assert!((1..=10).contains(&decrypts), "{decrypts}");
    assert_eq!(ledger.calls.iter().filter(|row| row.name == "GenerateDataKey").count(), 1);
}

#[test]
fn two_layers_take_twice_the_cryptography_of_one() {
    let scenario = alone(|mix| mix.put_object = 1.0, 1.0);
    let crypto = |mode| simulate(&scenario, mode, &Options::default()).0.outcomes[0].crypto;
    assert_eq!(crypto(SseMode::DsseKms), crypto(SseMode::SseKms).saturating_mul(2));
}

#[test]
fn values_that_a_room_refuses_are_named_as_in_the_scenario() {
    let refused = |change: fn(&mut Scenario)| {
        let mut scenario = Scenario::default();
        change(&mut scenario);
        scenario.validate().unwrap();
        let mut ledger = Ledger::default();
        s3seal::sim::run(&scenario, SseMode::SseKmsBucketKey, &Options::default(), &mut ledger)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(|scenario| {
            let (min, median) = (Span::ZERO, Span::from_millis(1));
            scenario.kms.service_time = Some(s3seal::workload::ServiceTime { min, median, sigma: 4.0 });
        }),
        "kms.service_time.sigma is 4: expected 0 to 3"
    );
    assert_eq!(
        refused(|scenario| scenario.objects.count = 1 << 33),
        "objects.count is 8589934592: expected at most 268,435,456 in this mode"
    );
}

#[test]
fn options_that_no_run_can_be_made_with_are_refused_by_name() {
    let options = Options::default;
    for (bad, field) in [
        (Options { shard: Some((5, 4)), ..options() }, "shard"),
        (Options { shard: Some((0, 0)), ..options() }, "shard"),
        (Options { concurrency: Some(0), ..options() }, "concurrency"),
        (Options { in_flight_max: 0, ..options() }, "in_flight_max"),
    ] {
        let refused = sim::run(&Scenario::default(), SseMode::SseKms, &bad, &mut Ledger::default());
        assert_eq!(refused.unwrap_err().field, field);
    }
}
