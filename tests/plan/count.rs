//! Many limits of a cache: counted in one pass, a few run, and the choice is the one that running all would give.

use std::collections::BTreeMap;

use super::desk::{Story, plan_for};
use s3seal::plan::{Figures, Plan, Question, Verdict};
use s3seal::units::{Span, Usd};
use s3seal::workload::{Scope, Source};

/// As many requests as it is asked for: no run is stretched, and the longest life outlives it.
const SCENARIO: &str = "duration = \"4s\"\nwarm_up = \"4s\"\n[arrival]\nrate = 400\n[objects]\ncount = 150\n[history]\nuses_per_key = 50\n\
                        [cache]\ncapacity = 100000\n[kms]\nquota = 5000";
const QUESTION: &str = "[objectives]\nkeep = \"p99<5s,failed<0.1%\"\n[constraints]\nmodes = [\"kms-cached\"]\n[candidates]\n\
                        max_age = [\"400ms\", \"700ms\", \"1s\", \"2s\", \"20s\"]\nmax_uses = [4, 12, 40, 400]\nquota = [5000]\nrequests = 3_200";

/// What running all of them gives: one age after the other, so few at a time that each is run.
fn all_run(source: &Source, question: &Question) -> BTreeMap<String, (usize, bool, Figures)> {
    let mut all = BTreeMap::new();
    for age in &question.grid.max_ages {
        let mut few = question.clone();
        few.grid.max_ages = vec![*age];
        for judged in plan_for(source, &few).candidates {
            let kept = matches!(judged.verdict, Verdict::Chosen | Verdict::Feasible);
            let figures = judged.figures.unwrap_or_else(|| panic!("{} was not run", judged.title));
            let order = all.len();
            all.insert(judged.title, (order, kept, figures));
        }
    }
    all
}

/// The choice among them by docs/PLAN.md, all under one quota and in one mode.
fn expected(all: &BTreeMap<String, (usize, bool, Figures)>) -> Option<&str> {
    let kept = || all.iter().filter(|(_, (_, kept, _))| *kept);
    let least = kept().map(|(_, (.., of))| of.adds_usd.value).min()?;
    let percent = Usd::new(least.decimal() / rust_decimal::Decimal::ONE_HUNDRED);
    let slack = percent.max(Usd::from_cents(100));
    let near = kept().filter(|(_, (.., of))| of.adds_usd.value - least < slack);
    let best = near.min_by_key(|(_, (order, _, of))| {
        (of.revocation_ns.value, of.objects_per_key.value, of.adds_usd.value, of.p99_ns.value, *order)
    });
    best.map(|(title, _)| title.as_str())
}

fn check(source: &Source, question: &Question) -> Plan {
    let plan = plan_for(source, question);
    let all = all_run(source, question);
    assert_eq!(plan.candidates.len(), all.len());
    let choice = plan.choice.as_ref().filter(|_| plan.feasible).map(|choice| choice.title.as_str());
    assert_eq!(choice, expected(&all));
    for judged in &plan.candidates {
        let (_, kept, run) = &all[&judged.title];
        if let Some(counted) = &judged.counted {
            let of_run = (run.adds_usd, run.kms_peak_per_s, run.revocation_ns);
            assert_eq!(
                (counted.adds_usd, counted.kms_peak_per_s, counted.revocation_ns),
                of_run,
                "{}",
                judged.title
            );
            assert_eq!(counted.kms_calls_per_s.value.to_bits(), run.kms_calls_per_s.value.to_bits());
            assert!(judged.figures.is_none() && !judged.reasons.is_empty(), "{judged:?}");
        } else {
            assert_eq!(judged.figures.as_ref(), Some(run), "{}", judged.title);
            assert_eq!(
                matches!(judged.verdict, Verdict::Chosen | Verdict::Feasible),
                *kept,
                "{}",
                judged.title
            );
        }
    }
    plan
}

fn counted(plan: &Plan) -> usize {
    plan.candidates.iter().filter(|judged| judged.counted.is_some()).count()
}

#[test]
fn few_of_many_limits_are_run_and_the_choice_is_that_of_running_all() {
    let (source, question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    let plan = check(&source, &question);
    assert!(plan.feasible && counted(&plan) >= 16, "{} of 20 counted", counted(&plan));
}

#[test]
fn demands_that_only_a_run_tells_decide_as_if_all_were_run() {
    let (source, question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    let all = all_run(&source, &question);
    let mut p99: Vec<u64> = all.values().map(|(.., of)| of.p99_ns.value).collect();
    p99.sort_unstable();
    // So tight that none, one, a few, half keep it.
    let mut feasible = 0;
    for limit in [p99[0], p99[0] + 1, p99[3] + 1, p99[10] + 1] {
        let mut question = question.clone();
        question.demands.keep = format!("p99<{limit}ns").parse().unwrap();
        let plan = check(&source, &question);
        feasible += u32::from(plan.feasible);
        assert!(plan.feasible || counted(&plan) == 0, "where nothing keeps it, all are run");
    }
    assert_eq!(feasible, 3);
}

#[test]
fn a_budget_rules_out_what_one_pass_counts_and_the_reason_is_that_of_a_run() {
    let (source, mut question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    let all = all_run(&source, &question);
    let mut adds: Vec<Usd> = all.values().map(|(.., of)| of.adds_usd.value).collect();
    adds.sort_unstable();
    question.demands.budget = Some(adds[8]);
    let plan = check(&source, &question);
    let over = |judged: &&s3seal::plan::Judged| {
        judged.reasons.iter().any(|reason| reason.contains("and the budget is"))
    };
    let missed: Vec<_> = plan.candidates.iter().filter(over).collect();
    assert!(
        missed.len() >= 8 && missed.iter().all(|judged| judged.verdict == Verdict::Missed),
        "{missed:#?}"
    );
    question.demands.budget = Some(Usd::from_cents(1));
    assert!(!check(&source, &question).feasible);
}

#[test]
fn limits_that_a_quota_throttles_are_run_beside_those_that_are_counted() {
    let (source, mut question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    question.demands.keep = "throttled<50%,failed<50%".parse().unwrap();
    question.grid.quotas = vec![60];
    let plan = check(&source, &question);
    let throttled =
        |of: &&s3seal::plan::Judged| of.figures.as_ref().is_some_and(|of| of.throttled.value > 0.0);
    assert!(
        plan.candidates.iter().filter(throttled).count() >= 2 && counted(&plan) >= 2,
        "{:#?}",
        plan.candidates
    );
}

#[test]
fn where_one_pass_does_not_count_every_candidate_is_run() {
    let (source, question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    let source = source.under(|scenario| scenario.cache.capacity = Some(3)).unwrap();
    assert_eq!(counted(&check(&source, &question)), 0);
    let mut question = question;
    question.grid.max_ages = vec![Span::from_seconds(1)];
    assert_eq!(counted(&plan_for(&source, &question)), 0);
}

#[test]
fn twelve_pairs_of_limits_are_run_one_by_one_and_of_more_most_are_counted() {
    let (source, question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    let of_ages = |ages: usize| {
        let mut question = question.clone();
        question.grid.max_ages.truncate(ages);
        let plan = plan_for(&source, &question);
        (plan.candidates.len(), counted(&plan) > 0)
    };
    assert_eq!((of_ages(3), of_ages(4)), ((12, false), (16, true)));
}

#[test]
fn who_shares_a_key_is_counted_for_each_scope_apart() {
    let (source, mut question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    let source = source.under(|scenario| scenario.principals.sessions = 20).unwrap();
    question.grid.scopes = vec![Scope::Account, Scope::Session];
    let plan = check(&source, &question);
    let calls = |scope: &str| {
        let of = plan.candidates.iter().filter(|judged| judged.title.contains(scope));
        of.filter_map(|judged| judged.counted.as_ref()).map(|of| of.kms_calls_per_s.value).fold(0.0, f64::max)
    };
    let (shared, apart) = (calls("by account"), calls("by session"));
    assert!(shared > 0.0 && apart > 1.1 * shared, "{shared} calls/s by account, {apart} by session");
}

#[test]
fn a_table_with_counted_limits_says_so() {
    let (source, question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    let text = plan_for(&source, &question).to_text(s3seal::report::Style::default());
    assert!(text.contains("counted  "), "{text}");
}
