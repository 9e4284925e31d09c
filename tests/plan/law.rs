//! What holds for every plan: the same bytes from any number of threads, bounds that never exclude what would do, solutions
//! that are fixed points, promises that the live driver keeps.

use super::desk::{Story, asked, choice, plan_for, pricing};
use s3seal::live::{self, Buffers, Progress, Time};
use s3seal::plan::{Drill, Load, Question, Unknown, bounds};
use s3seal::report::{Kind, Recorder, Run, Style, Summary};
use s3seal::rig::{CRYPTO_COST, STORE_COST};
use s3seal::sim::{Options, measure, name, window};
use s3seal::workload::Source;

const SCENARIO: &str =
    "duration = \"3s\"\nwarm_up = \"2s\"\n[arrival]\nrate = 300\n[objects]\ncount = 150\n[kms]\nquota = 250";
const QUESTION: &str = "[constraints]\nkey_custody = \"account\"\n[candidates]\nmax_age = [\"1s\"]\nmax_uses = [50]\nquota = [250, 1000]\n\
                        requests = 4_000\n[growth]\nrate = \"5%/month\"\nhorizon = 6";

#[test]
fn the_same_question_gives_the_same_bytes_whatever_the_number_of_threads() {
    let (source, mut question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    question.sensitivity = true;
    let made = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let plan = pool.install(|| asked(&source, &question, &[Drill::ColdStart], &[Unknown::Quota]));
        (plan.to_json(), plan.to_text(Style::default()), plan.to_html())
    };
    let one = made(1);
    assert_eq!(one, made(2));
    assert_eq!(one, made(7));
    assert!(!one.0.is_empty() && one.2.contains("<svg"));
}

#[test]
fn what_arithmetic_rules_out_misses_a_demand_when_it_is_run_all_the_same() {
    let scenario = "duration = \"4s\"\nwarm_up = \"1s\"\n[arrival]\nrate = 300\n[objects]\ncount = 50\n[kms]\nquota = 250";
    let (_, question) = Story { scenario, question: "" }.told(None);
    for rate in [200, 270, 290, 400, 900] {
        let told = Story { scenario, question: "" };
        let (source, _) = told.told(Some(("rate = 300", &format!("rate = {rate}"))));
        let load = Load::of(&source, u64::MAX);
        for candidate in
            question.grid.candidates(source.scenario(), 250, None).into_iter().filter(|c| c.quota == 250)
        {
            let known =
                bounds(&candidate, source.scenario(), &load, &question.demands, &pricing(source.scenario()));
            let Some(reason) = known.hopeless else { continue };
            let run = measure(&source, candidate.mode, &Options { quota: Some(250), ..Options::default() })
                .unwrap();
            let missed = question.demands.keep.missed(&run.summary);
            assert!(!missed.is_empty(), "{rate}/s, {}: {reason}", candidate.title());
        }
    }
}

#[test]
fn solutions_hold_and_one_step_beyond_does_not() {
    let question = "[constraints]\nmodes = [\"sse-kms\"]\n[candidates]\nquota = [250]\nrequests = 4_000\n[objectives]\n\
                    keep = \"p99<5s,failed<0.1%,throttled<=0%\"";
    check_solutions(question, &[Unknown::Quota, Unknown::MaxRate]);
    let question = "[constraints]\nmodes = [\"kms-cached\"]\n[candidates]\nmax_age = [\"1s\"]\nmax_uses = [1_000]\nquota = [1_000]\n\
                    requests = 4_000\n[objectives]\nbudget = \"150USD\"";
    check_solutions(question, &[Unknown::MaxAge]);
}

#[test]
fn an_age_is_solved_for_a_cache_where_the_choice_has_none() {
    let question = "[constraints]\nmodes = [\"sse-kms-bucket-key\", \"kms-cached\"]\n[candidates]\nmax_age = [\"1s\"]\nmax_uses = [1_000]\n\
                    quota = [1_000]\nrequests = 4_000";
    let (source, question) = Story { scenario: SCENARIO, question }.told(None);
    let plan = asked(&source, &question, &[], &[Unknown::MaxAge]);
    assert!(choice(&plan).starts_with("sse-kms-bucket-key"), "{}", plan.answer);
    assert_eq!(plan.solved[0].candidate, "kms-cached, age 1s, 1000 uses, quota 1000/s");
}

#[track_caller]
fn check_solutions(question: &'static str, unknowns: &[Unknown]) {
    let (source, question) = Story { scenario: SCENARIO, question }.told(None);
    let plan = asked(&source, &question, &[], unknowns);
    assert_eq!(plan.solved.len(), unknowns.len());
    for solved in &plan.solved {
        let (answer, beyond) = (solved.answer.unwrap().value, solved.beyond.unwrap().value);
        assert_eq!(answer.abs_diff(beyond), 1, "{solved:?}");
        assert!(!solved.missed.is_empty());
        // Asked anew at either, the plan agrees.
        let at = |value: u64| {
            let (source, mut question) = (source.clone(), question.clone());
            let source = match solved.unknown.as_str() {
                "quota" => {
                    question.grid.quotas = vec![value];
                    source
                }
                "max-age" => {
                    question.grid.max_ages = vec![s3seal::units::Span::from_seconds(value)];
                    source
                }
                #[expect(clippy::cast_precision_loss, reason = "a few hundred a second")]
                _ => source.at_rate(value as f64).unwrap(),
            };
            plan_for(&source, &question)
        };
        let (kept, missed) = (at(answer), at(beyond));
        assert_eq!((kept.feasible, missed.feasible), (true, false), "{solved:?}");
        assert_eq!(
            missed.choice.map(|choice| choice.missed),
            Some(solved.missed.clone()),
            "what is missed there"
        );
    }
}

#[test]
fn a_choice_run_by_the_live_driver_gives_what_the_plan_promised() {
    let (source, question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    let plan = plan_for(&source, &question);
    let choice = plan.choice.unwrap();
    let scenario = {
        let of = question.grid.candidates(source.scenario(), 250, None);
        let chosen = &of[choice.candidate];
        assert_eq!(chosen.title(), choice.title);
        let Source::Scenario(mut scenario) = source else { panic!("a scenario") };
        scenario = chosen.apply(&scenario);
        scenario.kms.quota = Some(chosen.quota);
        scenario.warm_up = s3seal::units::Span::from_nanos(plan.basis.warm_up_ns);
        let measured = s3seal::units::Span::from_nanos(plan.basis.measured_ns);
        if !choice.figures.steady {
            scenario.warm_up = s3seal::units::Span::ZERO;
        }
        let whole = if choice.figures.steady {
            measured
        } else {
            measured + s3seal::units::Span::from_nanos(plan.basis.warm_up_ns)
        };
        scenario.stop = s3seal::workload::Stop::Duration(whole);
        scenario
    };
    let mode = choice.mode.parse().unwrap();
    let time = Time::Paused { crypto: CRYPTO_COST, store: STORE_COST };
    let options = live::Options { time, ..live::Options::default() };
    let mut recorder = Recorder::new(window(&Source::from(&scenario), None));
    let run = live::run(&scenario, mode, &options, &mut Buffers::new(), &Progress::default(), &mut recorder)
        .unwrap();
    let facts = Run {
        mode,
        kind: Kind::Live,
        quota_per_s: Some(choice.quota_per_s),
        until: run.measured_until,
        concurrency: None,
    };
    let live = Summary::new(&recorder, &facts, name(&Source::from(&scenario)));
    // Real keys and bodies, the clock paused: the twins' terms are equality.
    let of = choice.figures;
    assert_eq!(live.response_time_ns.p99, of.p99_ns.value);
    assert_eq!(live.kms.peak_calls_per_s, of.kms_peak_per_s.value);
    assert_eq!(live.failed_share().unwrap().to_bits(), of.failed.value.to_bits());
    assert!(live.kms.calls > 0 && live.completed > 500, "something was run");
}

#[test]
fn every_verdict_but_the_chosen_one_has_a_reason_and_every_mode_one_verdict_at_least() {
    let (source, question) = Story { scenario: SCENARIO, question: QUESTION }.told(None);
    let plan = plan_for(&source, &question);
    assert!(!choice(&plan).is_empty());
    for judged in &plan.candidates {
        assert_eq!(judged.reasons.is_empty(), judged.title == choice(&plan), "{judged:?}");
    }
    for mode in s3seal::request::SseMode::ALL {
        assert!(plan.candidates.iter().any(|judged| judged.mode == mode.as_str()), "{mode}");
    }
    assert_eq!(plan.sensitivity, []);
    let whole = plan_for(&source, &Question { sensitivity: true, ..question });
    assert!(whole.sensitivity.len() >= 8, "{:?}", whole.sensitivity);
}
