//! Every `--fail-if`: at its limit the gate stays open, one step beyond it closes and says what it found.

use super::desk::{Story, asked};
use s3seal::plan::{Drill, Gate, Plan};
use s3seal::units::Usd;

/// A plan with a growth and a drill, under SSE-KMS.
fn plan() -> Plan {
    let story = Story {
        scenario: "duration = \"2s\"\nwarm_up = \"1s\"\n[arrival]\nprocess = \"constant\"\nrate = 250\n[kms]\nquota = 500",
        question: "[constraints]\nmodes = [\"sse-kms\"]\n[growth]\nrate = \"8%/month\"\nhorizon = 12\n[candidates]\nquota = [500]",
    };
    let (source, question) = story.told(None);
    let plan = asked(&source, &question, &[Drill::ColdStart], &[]);
    assert!(plan.feasible && plan.drills[0].kept);
    plan
}

/// Sets what a gate looks at, `plan` as it is; the gate stays open at `at` and closes at `beyond`, where it finds `found`.
#[track_caller]
fn check<T>(gate: &str, plan: &Plan, set: impl Fn(&mut Plan, T), at: T, beyond: T, found: &str) {
    let gate: Gate = gate.parse().unwrap();
    let with = |value| {
        let mut plan = plan.clone();
        set(&mut plan, value);
        gate.passed_by(&plan)
    };
    assert_eq!(with(at), None, "{gate} at its limit");
    assert_eq!(with(beyond), Some(format!("{gate}: it is {found}")));
}

#[test]
fn each_quantity_opens_at_its_limit_and_closes_beyond() {
    let plan = &plan();
    let figures = |plan: &mut Plan| plan.choice.take().unwrap();
    // Each in a plan in which nothing else is near its limit.
    macro_rules! of {
        ($field:ident) => {
            |plan: &mut Plan, value| {
                let mut choice = figures(plan);
                choice.figures.$field.value = value;
                plan.choice = Some(choice);
            }
        };
    }
    check(
        "month>500USD",
        plan,
        of!(adds_usd),
        Usd::from_cents(50_000),
        Usd::from_cents(50_001),
        "500.01 USD",
    );
    check("p99>50ms", plan, of!(p99_ns), 50_000_000, 50_000_001, "50.0 ms");
    check("p999>1s", plan, of!(p999_ns), 1_000_000_000, 1_000_000_001, "1.00 s");
    check("failed>0.1%", plan, of!(failed), 0.001, 0.002, "0.2 %");
    check("throttled>1%", plan, of!(throttled), 0.01, 0.02, "2.0 %");
    check("peak>5000", plan, of!(kms_peak_per_s), 5_000, 5_001, "5001");
    let headroom = |plan: &mut Plan, value: f64| {
        let choice = plan.choice.as_mut().unwrap();
        choice.figures.headroom.as_mut().unwrap().value = value;
    };
    check("headroom<20%", plan, headroom, 0.2, 0.19, "19.0 %");
    let passes = |plan: &mut Plan, month: Option<u32>| {
        plan.growth.as_mut().unwrap().quota_passed_in.value = month;
    };
    check("passes<12", plan, passes, Some(12), Some(11), "11");
    check("passes<12", plan, passes, None, Some(0), "0");
    let choice = |plan: &mut Plan, mode: &str| plan.choice.as_mut().unwrap().mode = mode.into();
    check("choice!=sse-kms", plan, choice, "sse-kms", "sse-s3", "sse-s3");
    let kept = |plan: &mut Plan, kept: bool| plan.drills[0].kept = kept;
    check("drill=missed", plan, kept, true, false, "cold-start");
}

#[test]
fn where_there_is_nothing_to_look_at_a_gate_is_open_and_where_nothing_is_chosen_it_is_closed() {
    let mut plan = plan();
    (plan.growth, plan.drills) = (None, Vec::new());
    plan.choice.as_mut().unwrap().figures.headroom = None;
    for gate in ["passes<12", "drill=missed", "headroom<100%"] {
        assert_eq!(gate.parse::<Gate>().unwrap().passed_by(&plan), None, "{gate}");
    }
    plan.feasible = false;
    for gate in ["peak>100000", "drill=missed", "choice!=sse-kms"] {
        let gate: Gate = gate.parse().unwrap();
        assert_eq!(gate.passed_by(&plan), Some(format!("{gate}: nothing is chosen")));
    }
}

#[test]
fn the_figures_that_gates_look_at_are_those_of_the_plan() {
    let plan = plan();
    let of = &plan.choice.as_ref().unwrap().figures;
    // 250 a second without spread: half of the quota, to the last call.
    assert_eq!((of.kms_peak_per_s.value, of.headroom.unwrap().value.to_bits()), (250, 0.5_f64.to_bits()));
    assert_eq!(plan.growth.as_ref().unwrap().quota_passed_in.value, Some(10));
    let closed = |gate: &str| gate.parse::<Gate>().unwrap().passed_by(&plan).is_some();
    assert_eq!(
        ["peak>250", "peak>249", "headroom<50%", "headroom<50.1%"].map(closed),
        [false, true, false, true]
    );
    assert_eq!(
        ["passes<10", "passes<11", "choice!=sse-kms", "choice!=sse-c"].map(closed),
        [false, true, false, true]
    );
}
