//! The built-in experiments.

use rayon::prelude::*;
use s3seal::experiment::{EXPERIMENTS, Experiment, Outcome, Point, Row, preset};
use s3seal::report::Kind;

/// Every run of `experiment` in virtual time, in order.
pub(crate) fn simulated(experiment: &Experiment, points: &[Point]) -> Vec<Row> {
    let jobs: Vec<(usize, u64)> =
        (0..points.len()).flat_map(|point| experiment.seeds.iter().map(move |seed| (point, *seed))).collect();
    jobs.par_iter().map(|(point, seed)| points[*point].simulate(*point, *seed).unwrap()).collect()
}

fn all() -> impl Iterator<Item = Experiment> {
    EXPERIMENTS.iter().map(|preset| {
        Experiment::parse(preset.text).unwrap_or_else(|error| panic!("{}: {error}", preset.name))
    })
}

#[test]
fn the_small_version_of_every_simulated_experiment_keeps_its_bands() {
    let mut tried = 0;
    for experiment in all() {
        let small = experiment.small().unwrap();
        let points = small.points().unwrap();
        if points.iter().any(|point| point.kind == Kind::Live) {
            continue;
        }
        let requests: f64 = points.iter().map(Point::requests).sum();
        assert!(requests < 2e6, "{}: {requests} requests are not small", small.name);
        let outcome = Outcome::new(&small, &points, simulated(&small, &points));
        assert!(outcome.holds(), "{}", outcome.to_text(s3seal::report::Style::default()));
        assert!(!outcome.judged.is_empty());
        tried += 1;
    }
    assert_eq!(tried, EXPERIMENTS.len() - 2, "all but those on the clock");
}

#[test]
fn every_experiment_has_its_own_name_and_says_what_it_leaves_out_and_answers() {
    for (experiment, preset) in all().zip(EXPERIMENTS) {
        assert_eq!(experiment.name, preset.name);
        assert!(!experiment.limits.is_empty() && !experiment.answer.is_empty(), "{}", preset.name);
        assert!(preset.text.starts_with("# "), "{}", preset.name);
        assert!(experiment.bands.iter().all(|band| band.why.len() > 4), "{}", preset.name);
    }
}

#[test]
fn an_unknown_name_brings_the_nearest() {
    let error = preset("throttle-clif").unwrap_err();
    assert_eq!(error.nearest, Some("throttle-cliff"));
    assert!(error.to_string().contains("(did you mean `throttle-cliff`?); there are"), "{error}");
}
