//! What a run says per request and per month holds whatever the quota: both sides of a ratio cover the same requests or the
//! same time.

use s3seal::cost::{PriceBook, Terms};
use s3seal::report::{Ended, Kind, Pricing, Recorder, Report, Run, Summary, Window};
use s3seal::request::SseMode;
use s3seal::sim::{self, Options};
use s3seal::units::{Span, Timestamp};
use s3seal::workload::{ArrivalProcess, Scenario, Stop};

/// A run of plain sse-kms at `rate`, measured from `warm_up` on for `duration`, under `quota`, priced.
fn priced(rate: f64, warm_up: Span, duration: Span, quota: u64, seed: u64) -> Summary {
    let mut scenario = Scenario { seed, warm_up, stop: Stop::Duration(duration), ..Scenario::default() };
    scenario.arrival = ArrivalProcess::Poisson { rate };
    scenario.kms.quota = Some(quota);
    let from = Timestamp::ZERO + warm_up;
    let mut recorder = Recorder::new(Window { from, until: from + duration });
    let run = sim::run(&scenario, SseMode::SseKms, &Options::default(), &mut recorder).expect("it runs");
    let facts = Run {
        mode: SseMode::SseKms,
        kind: Kind::Simulated,
        quota_per_s: Some(quota),
        until: run.measured_until,
        concurrency: None,
    };
    let summary = Summary::new(&recorder, &facts, |_| String::new());
    let mut report = Report::new(scenario.seed(), scenario.to_toml(), vec![summary]);
    let pricing = Pricing {
        book: PriceBook::embedded(),
        terms: Terms::default(),
        region: "us-east-1".parse().expect("a Region"),
        month: "2026-11".parse().expect("a month"),
        kms_keys: 1,
        rotations: 0,
    };
    report.price(&pricing).expect("it has a bill");
    report.runs.remove(0)
}

#[test]
fn a_put_or_get_needs_one_call_and_a_month_bills_no_more_than_the_quota_grants() {
    let ms = Span::from_millis;
    let runs =
        [(1_000, 3_000, 300), (1_000, 1_000, 300), (0, 2_000, 300), (250, 1_700, 300), (3_000, 5_000, 450)];
    for (warm_up, duration, quota) in runs {
        for seed in 1..=3 {
            let run = priced(500.0, ms(warm_up), ms(duration), quota, seed);
            let case = format!("warm-up {warm_up} ms, {duration} ms, quota {quota}, seed {seed}");
            assert!(run.kms.throttled > 0, "the quota bites: {case}");
            // Not 1.04, as when the retries of the warm-up and the drain after the end count.
            assert_eq!(run.kms.needed, run.started(), "{case}");
            let cost = run.cost.as_ref().expect("priced");
            let most = quota * 30 * 86_400;
            assert!(cost.kms_requests <= most, "{} of {most}: {case}", cost.kms_requests);
            // A quota that bites is used up in every second; where the measured part cuts seconds, not in those.
            if warm_up % 1_000 == 0 && duration % 1_000 == 0 {
                assert!(cost.kms_requests > most / 100 * 95, "{} of {most}: {case}", cost.kms_requests);
            }
            for shares in [&cost.attribution.bucket, &cost.attribution.operation] {
                let sum: u64 = shares.iter().map(|share| share.kms_requests).sum();
                assert_eq!(sum, cost.kms_requests, "{case}");
            }
        }
    }
}

#[test]
fn below_the_quota_calls_and_requests_of_a_month_are_as_many() {
    let run = priced(500.0, Span::from_seconds(1), Span::from_seconds(3), 5_500, 7);
    let cost = run.cost.as_ref().expect("priced");
    assert_eq!((run.kms.needed, run.kms.throttled), (run.started(), 0));
    // Calls are counted where they are sent and requests where they end, some 10 ms later: of 1,500, a few differ.
    let apart = cost.kms_requests.abs_diff(cost.requests);
    assert!(apart * 100 < cost.requests, "{} calls, {} requests", cost.kms_requests, cost.requests);
}

/// A run of `text` in `mode`, as what S3 bills of it.
fn billed(text: &str, mode: SseMode) -> Summary {
    let scenario = Scenario::parse(text).expect("a scenario");
    let Stop::Duration(duration) = scenario.stop else { panic!("a duration") };
    let from = Timestamp::ZERO + scenario.warm_up;
    let mut recorder = Recorder::new(Window { from, until: from + duration });
    let run = sim::run(&scenario, mode, &Options::default(), &mut recorder).expect("it runs");
    let until = run.measured_until;
    let facts = Run { mode, kind: Kind::Simulated, quota_per_s: Some(5_500), until, concurrency: None };
    Summary::new(&recorder, &facts, |_| String::new())
}

/// Requests that succeeded, those refused, what S3 bills, and bytes that were encrypted or decrypted.
fn counts(summary: &Summary) -> [u64; 4] {
    let ended = |of: fn(&Ended) -> u64| summary.operations.iter().map(|row| of(&row.ended())).sum();
    [
        ended(|ended| ended.succeeded),
        ended(|ended| ended.refused),
        ended(|ended| ended.s3_requests.unwrap()),
        ended(|ended| ended.crypto_bytes.unwrap()),
    ]
}

const SMALL: &str = "warm_up = \"1s\"\nduration = \"5s\"\n[arrival]\nprocess = \"poisson\"\nrate = 40\n[objects]\ncount = \
                     50\nsize = { law = \"fixed\", bytes = \"4KiB\" }\n";

#[test]
fn an_upload_is_billed_part_by_part_and_a_copy_encrypted_twice() {
    let uploads = format!(
        "{SMALL}[mix]\nMultipartUpload = 1\nmultipart = {{ parts = 3, part = \"5MiB\", objects = 5 }}\n"
    );
    let copies = format!("{SMALL}[mix]\nCopyObject = 1\n");
    for mode in SseMode::ALL {
        let [succeeded, _, requests, bytes] = counts(&billed(&uploads, mode));
        assert!(succeeded > 100, "{mode}");
        // Those that end right after the window have parts of it in their rows alone.
        assert_eq!(
            (requests, bytes),
            (succeeded * 5, succeeded * 3 * (5 << 20)),
            "{mode}: create, 3 parts, complete"
        );
        let [succeeded, _, requests, bytes] = counts(&billed(&copies, mode));
        assert!(succeeded > 100, "{mode}");
        assert_eq!((requests, bytes), (succeeded, succeeded * 2 * 4_096), "{mode}");
    }
}

#[test]
fn what_s3_answers_with_4xx_is_billed_and_what_it_answers_with_503_or_never_hears_of_is_not() {
    let denied = format!("{SMALL}[mix]\nGetObject = 1\n[kms]\ndenied_roles = 1\n[principals]\nroles = 2\n");
    let [succeeded, refused, requests, _] = counts(&billed(&denied, SseMode::SseKms));
    assert!(succeeded > 50 && refused > 50);
    assert_eq!(requests, succeeded + refused, "403");
    let [succeeded, refused, requests, _] = counts(&billed(&denied, SseMode::KmsCached));
    assert!(succeeded > 50 && refused > 50);
    assert_eq!(requests, succeeded, "the client asked KMS, and S3 nothing");

    let throttled = format!("{SMALL}[mix]\nGetObject = 1\n[kms]\nquota = 10\n[retry]\nat = \"s3-client\"\n");
    let summary = billed(&throttled, SseMode::SseKms);
    let [succeeded, _, requests, _] = counts(&summary);
    assert!(summary.endings.throttled > 50 && summary.retries > 50);
    assert_eq!(requests, succeeded, "503, and each retry after one");
}
