//! Drills: what a choice that keeps every demand comes to when something goes wrong.

use super::desk::{Story, asked, choice};
use s3seal::plan::{Drilled, Plan};

/// Objects under one data key each, all of them asked for alike, and each fetched anew every 20 s or so: first at 0 s, then at
/// 20 s, then 6 s after the warm-up, each time a little more spread out.
const STORY: Story = Story {
    scenario: "duration = \"20s\"\nwarm_up = \"34s\"\n[arrival]\nrate = 400\n[mix]\nPutObject = 0\nGetObject = 1\n[objects]\ncount = 400\n\
               popularity = { law = \"uniform\" }\n[cache]\ncapacity = 1000\n[kms]\nquota = 150",
    question: "[objectives]\nkeep = \"throttled<1%,failed<1%,p99<1s\"\n[constraints]\nmodes = [\"kms-cached\"]\n[candidates]\nmax_age = [\"20s\"]\nmax_uses = [1000]\n\
               quota = [150]",
};

fn drilled(change: Option<(&str, &str)>, drill: &str) -> (Plan, Drilled) {
    let (source, question) = STORY.told(change);
    let plan = asked(&source, &question, &[drill.parse().unwrap()], &[]);
    let drilled = plan.drills[0].clone();
    assert_eq!(drilled.candidate, choice(&plan), "the choice is put through it: {}", plan.answer);
    (plan, drilled)
}

#[test]
fn a_cold_start_fetches_every_key_at_once_where_a_warm_cache_hardly_calls() {
    let (plan, cold) = drilled(None, "cold-start");
    let warm = plan.choice.unwrap().figures;
    assert!(warm.kms_peak_per_s.value <= 150 && warm.throttled.value.to_bits() == 0, "{warm:?}");
    // 400 keys, most of them within the first second: beyond the quota of 150.
    assert!(!cold.kept && cold.kms_peak_per_s.value > 150 && cold.throttled.value > 0.01, "{cold:?}");
    assert!((1..=10).contains(&cold.recovered_in_s.value), "{cold:?}");
}

#[test]
fn with_fewer_keys_than_quota_a_cold_start_is_kept() {
    let (_, cold) = drilled(Some(("count = 400", "count = 100")), "cold-start");
    assert!(cold.kept && cold.recovered_in_s.value == 0, "{cold:?}");
    assert!(cold.kms_peak_per_s.value > 50, "it is cold all the same: {cold:?}");
}

#[test]
fn an_outage_holds_up_what_needs_a_key_and_is_over_when_it_is_over() {
    let (_, outage) = drilled(None, "outage:3s");
    assert!(
        !outage.kept && outage.p99_ns.value > 1_000_000_000 && outage.recovered_in_s.value <= 5,
        "{outage:?}"
    );
}

#[test]
fn an_outage_is_measured_for_half_a_minute_after_its_end_however_short_the_run() {
    let scenario = "duration = \"6s\"\nwarm_up = \"1s\"\n[arrival]\nprocess = \"constant\"\nrate = 40\n[kms]\nquota = 500";
    let question =
        "[constraints]\naudit_per_object = true\nmodes = [\"sse-kms\"]\n[candidates]\nquota = [500]";
    let (source, question) = Story { scenario, question }.told(None);
    let drill = |drill: &str| asked(&source, &question, &[drill.parse().unwrap()], &[]).drills.remove(0);
    // Requests wait for 0.3 s of 35.3 s: fewer than one in a hundred. Of 6 s they would be one in twenty.
    let short = drill("outage:300ms");
    assert!(short.p99_ns.value < 100_000_000, "{short:?}");
    // A call that was sent in the outage is given up; when it is over, each request has a call of its own.
    let long = drill("outage:60s");
    assert!(long.failed.value > 0.1 && long.recovered_in_s.value <= 1, "{long:?}");
}
