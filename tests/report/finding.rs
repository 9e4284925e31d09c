//! Each finding flips by one changed number.

use crate::rows::*;
use s3seal::report::*;
use s3seal::request::SseMode;

const SSE_S3: usize = 0;
const SSE_KMS: usize = 1;
const BUCKET_KEY: usize = 2;
const LARGER_QUOTA: usize = 3;

/// What `rule` says of the planted report after `change`.
fn says(rule: Rule, change: impl FnOnce(&mut Report)) -> Option<String> {
    let mut report = planted();
    change(&mut report);
    report.findings().into_iter().find(|finding| finding.rule == rule).map(|finding| finding.sentence)
}

fn rules(report: &Report) -> Vec<Rule> {
    report.findings().into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn a_valid_report_says_tail_quota_and_change() {
    assert_eq!(rules(&planted()), [Rule::Tail, Rule::Quota, Rule::Change]);
}

#[test]
fn an_invalid_report_says_so_first() {
    let mut report = planted();
    report.invalidate("the lag reached 40 ms.".into());
    assert_eq!(rules(&report), [Rule::Invalid, Rule::Tail, Rule::Quota]);
    assert_eq!(
        report.findings()[0].sentence,
        "The figures of this report may not be used: the lag reached 40 ms."
    );
}

#[test]
fn dropping_comes_before_the_percentiles_from_one_in_a_hundred_on() {
    // 1,600 offered: 8 dropped as planted, 16 are one in a hundred.
    assert_eq!(says(Rule::Dropped, |_| ()), None);
    assert_eq!(says(Rule::Dropped, |report| report.runs[SSE_S3].dropped = 15), None);
    let said = says(Rule::Dropped, |report| report.runs[SSE_S3].dropped = 16).expect("material");
    assert!(said.starts_with("1.0 % of the requests under sse-s3 never started"), "{said}");
}

#[test]
fn the_tail_names_the_slowest_mode_and_what_it_adds() {
    // All of it is waiting for KMS, unless said otherwise.
    let p99 = |run: usize, nanos: u64| {
        says(Rule::Tail, |report| {
            report.runs[run].response_time_ns.p99 = nanos;
            report.runs[run].kms.wait_ns.p99 = nanos;
        })
        .expect("has a baseline")
    };
    assert_eq!(
        p99(SSE_KMS, 43_100_000),
        "KMS adds 41.1 ms to the p99 response time of sse-kms: 43.1 ms against 2.00 ms under sse-s3, 21.6 times as \
         much; under sse-kms-bucket-key it is 2.00 ms; S3's own time is not in these figures."
    );
    assert!(p99(BUCKET_KEY, 9_000_000_000).contains("response time of sse-kms-bucket-key: 9.00 s"));
    // 2 ms under SSE-S3: a tenth more is the border.
    assert!(p99(SSE_KMS, 2_190_000).starts_with("KMS does not show in the tail"));
    assert!(p99(SSE_KMS, 2_210_000).starts_with("KMS adds"));
    // A simulated run is not compared with a live baseline.
    assert!(!p99(LARGER_QUOTA, u64::MAX).contains("simulated"));
    let nothing = p99(SSE_S3, 0);
    assert!(nothing.contains("against 0 ns under sse-s3;") && !nothing.contains("times"), "{nothing}");
}

#[test]
fn kms_is_not_blamed_for_what_it_did_not_make_anybody_wait_for() {
    let said = |wait: u64| {
        says(Rule::Tail, |report| {
            report.runs[SSE_KMS].response_time_ns.p99 = 500_000_000_000;
            report.runs[SSE_KMS].kms.wait_ns.p99 = wait;
        })
        .expect("has a baseline")
    };
    assert!(said(250_000_000_000).starts_with("KMS adds 500 s"));
    let small = said(9_000_000);
    assert!(
        small.starts_with("Encryption adds 500 s to the p99") && small.contains("KMS is waited for 9.00 ms"),
        "{small}"
    );
}

#[test]
fn a_multiple_of_microseconds_is_not_told_and_the_generators_lag_in_the_baseline_is() {
    let said = |base: u64, lag: u64| {
        says(Rule::Tail, |report| {
            report.runs[SSE_KMS].response_time_ns.p99 = 43_100_000;
            report.runs[SSE_S3].response_time_ns.p99 = base;
            report.runs[SSE_S3].phase_ns.lag.p99 = lag;
        })
        .expect("has a baseline")
    };
    assert!(said(1_000_000, 0).contains("43.1 times as much") && !said(999_999, 0).contains("times as much"));
    assert!(!said(763_000, 381_000).contains("own lag"), "half of it");
    assert!(said(763_000, 572_000).contains("own lag is up to 572 µs"), "three quarters of it");
    let with_s3 =
        says(Rule::Tail, |report| report.runs[SSE_KMS].phase_ns.s3.max = 1).expect("has a baseline");
    assert!(!with_s3.contains("S3's own time"), "{with_s3}");
}

#[test]
fn caches_that_are_filling_are_told_with_the_command_that_shows_the_month() {
    let report = |warm_up_ns: u64, measured_ns: u64| {
        let mut report = planted();
        report.runs[BUCKET_KEY].reuse = Some(Reuse { key_lifetime_ns: 300_000_000_000, warm_up_ns });
        report.runs[BUCKET_KEY].measured_ns = measured_ns;
        report
    };
    let lifetime = 300_000_000_000;
    assert_eq!(report(lifetime, lifetime).filling(), None);
    assert_eq!(planted().filling(), None, "nobody said how long keys live");
    let filling = report(3_000_000_000, 5_000_000_000);
    let said = filling.filling().expect("it fills");
    assert_eq!(
        said,
        "KMS calls and costs of sse-kms-bucket-key are those of caches still filling, not of a month: keys live for 300 s, \
         but the run warmed up for 3.00 s and measured 5.00 s; for the steady state run `s3seal sim` with --warm-up 300s \
         --duration 300s (a trace has to be that long; without a warm-up, twenty times a key's life)."
    );
    // Beside the three sentences, beside the bill, and on the page.
    assert_eq!(rules(&filling), [Rule::Tail, Rule::Quota, Rule::Change, Rule::Filling]);
    // Even where nothing was called: the keys were not seen to be renewed.
    assert!(report(lifetime, lifetime - 1).filling().is_some());
    // A twentieth of what is measured may be cold; all of a key's life without a warm-up, the rest of it after a short one.
    let fills = |warm_up_ns, measured_ns| report(warm_up_ns, measured_ns).filling().is_some();
    assert_eq!((fills(0, 20 * lifetime - 1), fills(0, 20 * lifetime)), (true, false));
    assert_eq!(
        (fills(lifetime * 9 / 10 - 1, 2 * lifetime), fills(lifetime * 9 / 10, 2 * lifetime)),
        (true, false)
    );
    let page = filling.to_html();
    assert!(page.contains("cache still filling") && page.matches("--warm-up 300s").count() >= 2);
    assert!(filling.to_text(Style::default()).matches("still filling").count() >= 2);
    assert!(filling.to_markdown().contains("still filling"));
}

#[test]
fn without_a_baseline_the_wait_itself_is_told() {
    let said = says(Rule::Tail, |report| drop(report.runs.remove(SSE_S3))).expect("waits");
    assert!(said.starts_with("Under sse-kms the wait for KMS has a p99 of 1.00 s, the whole"), "{said}");
    assert_eq!(says(Rule::Tail, |report| report.runs.truncate(1)), None, "no mode that calls KMS");
}

#[test]
fn the_quota_bites_with_one_throttled_call_and_not_before() {
    let throttled = |calls: u64| {
        says(Rule::Quota, |report| report.runs[SSE_KMS].kms.throttled = calls).expect("under a quota")
    };
    let said = throttled(1);
    assert!(
        said.starts_with("The quota of 300 KMS calls/s bites under sse-kms: <0.1 % of the calls"),
        "{said}"
    );
    assert!(said.contains("at 1 KMS call per request it is reached at 300 requests/s"), "{said}");
    assert!(said.ends_with("under 500/s (simulated) nothing is throttled."), "{said}");
    assert_eq!(
        throttled(0),
        "No quota bites: sse-kms comes closest, with 500 KMS calls of 300 in its busiest second; at 1 KMS call per \
         request it is reached at 300 requests/s."
    );
}

#[test]
fn the_rate_at_which_the_quota_is_reached_follows_from_the_calls_per_request() {
    let said = says(Rule::Quota, |report| report.runs[SSE_KMS].kms.needed = 3_200).expect("bites");
    assert!(said.contains("at 2 KMS calls per request it is reached at 150 requests/s"), "{said}");
}

#[test]
fn a_larger_quota_that_is_throttled_itself_is_no_relief() {
    let said = says(Rule::Quota, |report| report.runs[LARGER_QUOTA].kms.throttled = 1).expect("bites");
    assert!(!said.contains("nothing is throttled"), "{said}");
}

#[test]
fn without_calls_or_without_a_quota_nothing_bites() {
    let calls = says(Rule::Quota, |report| report.runs.truncate(1));
    assert_eq!(calls.as_deref(), Some("No KMS call was made, so no quota bites."));
    let quota = says(Rule::Quota, |report| report.runs.iter_mut().for_each(|run| run.quota_per_s = None));
    assert!(quota.expect("calls were made").starts_with("No run stood under a KMS quota"));
}

#[test]
fn the_cheapest_change_saves_half_of_the_calls_or_is_none() {
    let needed = |calls: u64| {
        says(Rule::Change, |report| report.runs[BUCKET_KEY].kms.needed = calls).expect("compared")
    };
    assert!(
        needed(800)
            .contains("a Bucket Key: sse-kms-bucket-key needs 0.5 KMS calls per request where sse-kms")
    );
    assert!(
        needed(801).starts_with("Neither Bucket Key nor cache halves the KMS calls here: sse-kms-bucket-key")
    );
    let cache =
        says(Rule::Change, |report| report.runs[BUCKET_KEY].mode = SseMode::KmsCached).expect("compared");
    assert!(
        cache.starts_with("The cheapest change is a data-key cache in the client: kms-cached"),
        "{cache}"
    );
    assert_eq!(says(Rule::Change, |report| drop(report.runs.remove(BUCKET_KEY))), None);
}

#[test]
fn one_bucket_that_causes_most_calls_is_named_when_there_is_room() {
    let alone = |bucket: u64| {
        says(Rule::Concentration, |report| {
            report.runs.remove(BUCKET_KEY);
            report.runs[SSE_KMS].kms.calls = 1_000;
            report.runs[SSE_KMS].attribution.bucket[0].calls = bucket;
            report.runs[SSE_KMS].attribution.principal.truncate(1);
        })
    };
    assert_eq!(alone(499), None);
    assert_eq!(
        alone(500).as_deref(),
        Some("Of the KMS calls under sse-kms, 50.0 % come from one bucket: logs.")
    );
}
