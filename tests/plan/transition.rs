//! The way from what there is: which ways there are, what each asks of KMS, what stops matching; and how much stands under a key.

use super::desk::Story;
use s3seal::plan::{BlastRadius, Candidate, Load, Plan, Transition};
use s3seal::request::SseMode;
use s3seal::units::{Span, Usd};
use s3seal::workload::{ArrivalProcess, Mix, Scenario, SizeLaw, Source, Stop};

const OBJECTS: u64 = 1_000;

/// From `current` to SSE-KMS, which an audit of each object asks for.
fn plan_from(current: &str) -> Plan {
    let story = Story {
        scenario: "duration = \"2s\"\nwarm_up = \"0s\"\n[arrival]\nprocess = \"constant\"\nrate = 40\n[objects]\ncount = 1000\n[kms]\nquota = 500\n\
                   background = 100",
        question: "[constraints]\naudit_per_object = true\nmodes = [\"sse-kms\"]\ncurrent = \"NOW\"\n[candidates]\nquota = [500]",
    };
    story.plan(Some(("NOW", current)))
}

fn transition(current: &str) -> Transition {
    plan_from(current).transition.unwrap()
}

/// KMS calls of each way, by its name.
fn calls(transition: &Transition) -> Vec<(&str, u64)> {
    transition.ways.iter().map(|way| (way.method.as_str(), way.kms_calls)).collect()
}

#[test]
fn each_mode_has_its_ways_and_a_copy_calls_kms_for_both_of_its_ends() {
    let from_s3 = transition("sse-s3");
    let found = calls(&from_s3);
    assert_eq!(found.len(), 4, "copies and updates, one by one and as a batch: {found:?}");
    assert!(found.iter().all(|(_, calls)| *calls == OBJECTS), "nothing to decrypt: {found:?}");
    let from_dsse = transition("dsse-kms");
    let found = calls(&from_dsse);
    assert_eq!(found.len(), 2, "no update leads away from DSSE-KMS: {found:?}");
    assert!(found.iter().all(|(_, calls)| *calls == 2 * OBJECTS), "{found:?}");
    let from_bucket_key = transition("sse-kms-bucket-key");
    for (method, calls) in calls(&from_bucket_key) {
        let each = if method.contains("Update") { 1 } else { 2 };
        assert_eq!(calls, each * OBJECTS, "{method}");
    }
    let from_c = transition("sse-c");
    let found = calls(&from_c);
    assert!(found.len() == 1 && !found[0].0.contains("Batch"), "no job has the keys to send: {found:?}");
    let by_clients = transition("kms-cached");
    assert_eq!(calls(&by_clients), [("read and write by clients", 2 * OBJECTS)]);
    assert_eq!(calls(&transition("sse-kms")), [], "nothing changes");
    let ways = from_s3.ways.iter().map(|way| way.usd.value).collect::<Vec<Usd>>();
    assert!(ways.is_sorted(), "the cheapest first: {ways:?}");
}

#[test]
fn what_stops_matching_and_who_needs_a_permission_is_said_where_it_is_so() {
    let warns =
        |current: &str, text: &str| transition(current).warnings.iter().any(|warning| warning.contains(text));
    for (current, context, permissions) in [
        ("sse-s3", false, true),
        ("sse-kms-bucket-key", true, false),
        ("dsse-kms", false, false),
        ("sse-c", false, true),
    ] {
        assert_eq!(warns(current, "the context is the ARN of the object again"), context, "{current}");
        assert_eq!(warns(current, "Writers need kms:GenerateDataKey"), permissions, "{current}");
    }
}

#[test]
fn calls_of_others_on_the_quota_leave_less_headroom() {
    let figures = plan_from("sse-kms").choice.unwrap().figures;
    #[expect(clippy::cast_precision_loss, reason = "a peak of a second")]
    let left = 1.0 - (figures.kms_peak_per_s.value as f64 + 100.0) / 500.0;
    assert!((figures.headroom.unwrap().value - left).abs() < 1e-12 && figures.kms_peak_per_s.value == 40);
}

#[test]
fn what_one_key_opens_is_bounded_by_age_hosts_uses_and_bytes() {
    let mut scenario = Scenario {
        arrival: ArrivalProcess::Constant { rate: 100.0 },
        mix: Mix { put_object: 1.0, ..Mix::none() },
        stop: Stop::Operations(1_000),
        warm_up: Span::ZERO,
        ..Scenario::default()
    };
    scenario.objects.size = SizeLaw::Fixed { bytes: 1_000 };
    let candidate = |max_uses| Candidate {
        mode: SseMode::KmsCached,
        max_age: Some(Span::from_seconds(10)),
        max_uses,
        scope: None,
        retry: None,
        quota: 1,
    };
    let load = Load::of(&Source::from(&scenario), u64::MAX);
    let of = |scenario: &Scenario, max_uses| {
        let blast = BlastRadius::of(&candidate(max_uses), scenario, &load).unwrap();
        (blast.objects, blast.bytes)
    };
    assert_eq!(of(&scenario, None), (1_000, 1_000_000), "100 a second for 10 s");
    assert_eq!(of(&scenario, Some(50)), (50, 50_000));
    scenario.cache.max_bytes = Some(20_000);
    assert_eq!(of(&scenario, Some(50)), (50, 20_000));
    (scenario.cache.max_bytes, scenario.fleet.hosts) = (None, 3);
    assert_eq!(
        of(&scenario, None),
        (334, 334_000),
        "a third of it, rounded up: each host has a key of its own"
    );
}
