//! The planner: a plan over two hundred candidates, and what ten times the requests take.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant;

use s3seal::cost::{PriceBook, Terms};
use s3seal::plan::{Grid, Question, Surroundings, plan};
use s3seal::report::Pricing;
use s3seal::request::SseMode;
use s3seal::rig::QUOTA_DATE;
use s3seal::sim::{Limits, Options, grid, measure};
use s3seal::units::Span;
use s3seal::workload::{Scenario, Source, Stop};

use crate::board::{Board, Goal, median};

/// Requests of the small plan; the large one has ten times as many.
const REQUESTS: u64 = 1_000_000;
/// Objects of the workload.
const OBJECTS: u64 = 20_000;
/// A quota that nothing passes.
const QUOTA: u64 = 100_000;
/// Small plans beside the large one.
const REPEATS: usize = 3;

pub(crate) fn run(board: &mut Board) {
    grid_64(board);
    scaling(board);
}

/// A mix of reads and writes whose keys all have room: 200 at first, one more for each that is made.
fn roomy(requests: u64) -> Scenario {
    let mut scenario = Scenario {
        stop: Stop::Operations(requests),
        warm_up: Span::ZERO,
        modes: vec![SseMode::KmsCached],
        ..Scenario::default()
    };
    scenario.objects.count = OBJECTS;
    scenario.history.uses_per_key = 100;
    scenario.cache.capacity = Some(10_000_000);
    scenario
}

/// Sixty-four pairs of limits in one pass on one thread, against one candidate run with its figures.
fn grid_64(board: &mut Board) {
    if !board.wants("sim_grid_64") {
        return;
    }
    let (requests, pairs) = if board.is_test() { (2_000, 1) } else { (400_000, 7) };
    let source = Source::Scenario(roomy(requests));
    let seconds = [2, 3, 5, 8, 13, 21, 34, 55].map(Span::from_seconds);
    let uses = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
    let limits: Vec<Limits> =
        seconds.iter().flat_map(|age| uses.map(|max_uses| Limits { max_age: *age, max_uses })).collect();
    let options = Options { quota: Some(QUOTA), ..Options::default() };
    let one = |limits: &Limits| {
        let limited = source.under(|scenario| {
            (scenario.cache.max_age, scenario.cache.max_uses) = (Some(limits.max_age), Some(limits.max_uses));
        });
        let limited = limited.expect("limits that hold");
        let start = Instant::now();
        let measured = measure(&limited, SseMode::KmsCached, &options).expect("a run");
        (start.elapsed().as_secs_f64(), measured.run.kms_calls)
    };
    let all = || {
        let start = Instant::now();
        let cells = grid(&source, &Options::default(), &limits, &[QUOTA]).expect("a pass");
        (start.elapsed().as_secs_f64(), cells)
    };
    let mut ratios: Vec<f64> = (0..pairs)
        .map(|pair| {
            let at = pair * 9 % limits.len();
            let ((alone, calls), (together, cells)) = (one(&limits[at]), all());
            assert_eq!(cells[at].as_ref().map(|counts| counts.calls), Ok(calls), "the same calls");
            assert!(cells.iter().all(Result::is_ok), "every cell has counts");
            together / alone
        })
        .collect();
    let ratio = median(&mut ratios);
    board.line("sim_grid_64", ratio, "× one candidate", Goal::AtMost(24.0), "one candidate, simulated", None);
}

fn scaling(board: &mut Board) {
    if !board.wants("plan_scaling") && !board.wants("plan_seconds") {
        return;
    }
    let (requests, ages, uses, repeats) =
        if board.is_test() { (500, 7, 2, 1) } else { (REQUESTS, 20, 10, REPEATS) };
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
        let scenario = roomy(requests);
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
        // Every candidate was run or counted, and one was chosen.
        assert_eq!(made.candidates.len() as u64, ages * uses);
        assert!(
            made.feasible && made.candidates.iter().all(|one| one.figures.is_some() || one.counted.is_some())
        );
        took
    };
    // The small one often enough for a median, the large one once: it takes ten times as long, and averages by itself.
    let mut small: Vec<f64> = (0..repeats).map(|_| timed(requests)).collect();
    let seconds = timed(requests * 10);
    let ratio = seconds / median(&mut small);
    let (what, unit) = ("1,000,000 requests, 200 candidates; ours 10,000,000", "× the time");
    board.line("plan_scaling", ratio, unit, Goal::AtMost(11.0), what, None);
    board.line("plan_seconds", seconds, "s", Goal::Shown, "10,000,000 requests × 200 candidates", None);
}
