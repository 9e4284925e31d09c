//! The planner: a plan over two hundred candidates, and what ten times the requests take.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant;

use s3seal::cost::{PriceBook, Terms};
use s3seal::plan::{Grid, Question, Surroundings, Verdict, plan};
use s3seal::report::Pricing;
use s3seal::request::SseMode;
use s3seal::rig::QUOTA_DATE;
use s3seal::units::Span;
use s3seal::workload::{Scenario, Source, Stop};

use crate::board::{Board, Goal, median};

/// Requests of the small plan; the large one has ten times as many.
const REQUESTS: u64 = 20_000;
/// Pairs of plans, small beside large.
const PAIRS: usize = 3;

pub(crate) fn run(board: &mut Board) {
    if !board.wants("plan_scaling") && !board.wants("plan_seconds") {
        return;
    }
    let (requests, ages, uses, pairs) =
        if board.is_test() { (500, 2, 2, 1) } else { (REQUESTS, 20, 10, PAIRS) };
    let question = Question {
        modes: Some(vec![SseMode::KmsCached]),
        grid: Grid {
            max_ages: (1..=ages).map(|n| Span::from_seconds(n * 3)).collect(),
            max_uses: (1..=uses).map(|n| n * 100).collect(),
            quotas: vec![100_000],
            ..Grid::default()
        },
        sensitivity: false,
        requests_max: requests * 10,
        ..Question::default()
    };
    let timed = |requests: u64| {
        let scenario = Scenario {
            stop: Stop::Operations(requests),
            warm_up: Span::ZERO,
            modes: vec![SseMode::KmsCached],
            ..Scenario::default()
        };
        let pricing = Pricing {
            book: PriceBook::embedded(),
            terms: Terms::default(),
            region: "us-east-1".parse().expect("a Region"),
            month: PriceBook::month(),
            kms_keys: 1,
            rotations: 0,
        };
        let around = Surroundings {
            pricing: &pricing,
            date: QUOTA_DATE,
            from_profile: false,
            drills: &[],
            unknowns: &[],
        };
        let start = Instant::now();
        let made = plan(&Source::Scenario(scenario), &question, &around).expect("a plan");
        let took = start.elapsed().as_secs_f64();
        // Every candidate was run, and one was chosen.
        assert_eq!(made.candidates.len() as u64, ages * uses);
        assert!(made.feasible && made.candidates.iter().all(|one| one.verdict != Verdict::Excluded));
        took
    };
    timed(requests);
    let taken: Vec<(f64, f64)> = (0..pairs).map(|_| (timed(requests), timed(requests * 10))).collect();
    let mut ratios: Vec<f64> = taken.iter().map(|(small, large)| large / small).collect();
    let mut seconds: Vec<f64> = taken.iter().map(|(_, large)| *large).collect();
    let (ratio, seconds) = (median(&mut ratios), median(&mut seconds));
    let (what, unit) = ("a tenth of the requests, 200 candidates", "× the time");
    board.line("plan_scaling", ratio, unit, Goal::AtMost(11.0), what, None);
    board.line("plan_seconds", seconds, "s", Goal::Shown, "200,000 requests × 200 candidates", None);
}
