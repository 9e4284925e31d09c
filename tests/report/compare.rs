//! Comparing: no change is found where there is none, a real one is found and named, and unlike things are refused.

use crate::rows::*;
use rand_core::Rng;
use s3seal::report::*;
use s3seal::request::*;
use s3seal::units::{Seed, Span};

/// A run of 2,000 requests with exponential times of mean `mean_us`, drawn from `seed`; one in `fails` fails.
fn drawn(seed: u64, mean_us: f64, fails: u64, kind: Kind) -> Report {
    let mut stream = Seed(seed).stream("times", 0);
    let mut recorder = Recorder::new(WINDOW);
    for n in 0..2_000 {
        let due = WINDOW.from + Span::from_millis(n * 2);
        #[allow(clippy::cast_precision_loss)]
        let uniform = ((stream.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let took = Span::from_nanos((-uniform.ln() * mean_us * 1e3) as u64 + 1_000);
        let ending = if stream.next_u64().is_multiple_of(fails) { Ending::Failed } else { Ending::Succeeded };
        recorder.record(&Outcome { finished: due + took, ending, ..get(due) });
    }
    let summary = Summary::new(&recorder, &run(SseMode::SseKms, kind, Some(500)), named);
    Report::new(Seed(seed), "seed = 1\nduration = \"4s\"\n[kms]\nquota = 500\n".into(), vec![summary])
}

fn side(seeds: std::ops::Range<u64>, mean_us: f64, kind: Kind) -> Vec<(String, Report)> {
    seeds.map(|seed| (format!("{seed}.json"), drawn(seed, mean_us, 50, kind))).collect()
}

#[test]
fn where_nothing_changed_hardly_anything_is_called_a_change() {
    let mut called = 0;
    let mut looked_at = 0;
    for pair in 0..40 {
        let (before, after) = (
            side(pair * 2..pair * 2 + 1, 900.0, Kind::Simulated),
            side(pair * 2 + 1..pair * 2 + 2, 900.0, Kind::Simulated),
        );
        let comparison = compare(&before, &after, false, Seed(pair)).unwrap();
        called += comparison.changes.iter().filter(|change| change.beyond_noise).count();
        looked_at += comparison.changes.len();
    }
    // 1 % by construction; shares of rare failures in blocks of few seconds are rougher, so up to 5 % is let pass.
    assert!(looked_at > 300 && called * 20 <= looked_at, "{called} of {looked_at}");
}

#[test]
fn a_change_is_found_named_and_gates() {
    let (before, after) = (side(0..5, 900.0, Kind::Live), side(10..15, 1_200.0, Kind::Live));
    let comparison = compare(&before, &after, false, Seed(1)).unwrap();
    let p99 = comparison.changes.iter().find(|change| change.measure == Measure::P99).unwrap();
    let (low, high) = p99.interval.unwrap();
    // A third more, by construction.
    assert!(p99.beyond_noise && low < 1.0 / 3.0 && 1.0 / 3.0 < high, "{p99:?}");
    let said = comparison.sentences();
    assert!(
        said.iter().any(|sentence| sentence
            .starts_with("Under sse-kms at a quota of 500/s the p99 response time rose from ")),
        "{said:?}"
    );
    let limit = |text: &str| comparison.passing(text.parse().unwrap()).len();
    assert_eq!((limit("p99>+10%"), limit("p99>+60%"), limit("p99<-10%"), limit("failed>+10%")), (1, 0, 0, 0));
    let back = compare(&after, &before, false, Seed(1)).unwrap();
    assert_eq!(back.passing("p99<-10%".parse().unwrap()).len(), 1);
    assert_eq!(compare(&before, &after, false, Seed(1)).unwrap(), comparison, "the same seed draws the same");
}

#[test]
fn with_one_live_run_a_side_a_small_change_of_a_time_is_noise() {
    let one = |seed: u64, mean: f64, kind| vec![(seed.to_string(), drawn(seed, mean, 50, kind))];
    let p50 = |comparison: Comparison| {
        comparison.changes.into_iter().find(|change| change.measure == Measure::P50).unwrap()
    };
    let of = |kind| p50(compare(&one(1, 900.0, kind), &one(1, 970.0, kind), false, Seed(1)).unwrap());
    assert!(!of(Kind::Live).beyond_noise);
    let comparison = compare(&one(1, 900.0, Kind::Live), &one(2, 900.0, Kind::Live), false, Seed(1)).unwrap();
    assert!(comparison.notes.iter().any(|note| note.contains("fewer than 3 repeats")));
}

#[test]
fn different_workloads_are_refused_and_different_settings_are_the_point() {
    let before = side(0..1, 900.0, Kind::Simulated);
    let mut after = side(1..2, 900.0, Kind::Simulated);
    after[0].1.scenario = "seed = 7\nduration = \"4s\"\n[kms]\nquota = 900\n".into();
    assert!(compare(&before, &after, false, Seed(1)).is_ok(), "another seed and quota is no other workload");
    after[0].1.scenario = "seed = 7\nduration = \"9s\"\n[mix]\nPutObject = 3\n".into();
    let refused = compare(&before, &after, false, Seed(1)).unwrap_err().to_string();
    assert!(refused.contains("(duration, mix differs)") && refused.contains("--anyway"), "{refused}");
    let all_the_same = compare(&before, &after, true, Seed(1)).unwrap();
    assert!(all_the_same.notes.iter().any(|note| note.contains("another workload")));
    after[0].1.runs[0].mode = SseMode::SseC;
    assert_eq!(compare(&before, &after, true, Seed(1)), Err(CompareError::NothingInCommon));
    assert_eq!(compare(&before, &[], true, Seed(1)), Err(CompareError::Nothing));
}

#[test]
fn a_run_that_stands_on_a_side_twice_is_refused_and_one_on_each_side_is_not() {
    let once = side(1..2, 900.0, Kind::Simulated);
    let other = side(2..4, 900.0, Kind::Simulated);
    let twice = [once.clone(), other.clone(), once.clone()].concat();
    let same = CompareError::SameRun { one: "1.json".into(), other: "1.json".into() };
    assert_eq!(compare(&twice, &other, false, Seed(1)), Err(same.clone()));
    assert_eq!(compare(&other, &twice, true, Seed(1)), Err(same), "nor anyway");
    assert!(compare(&once, &once, false, Seed(1)).is_ok(), "nothing changed between a run and itself");
}

#[test]
fn from_nothing_to_something_passes_any_limit() {
    let clean = |seed| vec![("a".to_owned(), drawn(seed, 900.0, u64::MAX, Kind::Simulated))];
    let failing = vec![("b".to_owned(), drawn(3, 900.0, 10, Kind::Simulated))];
    let comparison = compare(&clean(1), &failing, false, Seed(1)).unwrap();
    assert_eq!(comparison.passing("failed>+1000%".parse().unwrap()).len(), 1);
    assert!(
        comparison
            .sentences()
            .iter()
            .any(|sentence| sentence.contains("the share of failed requests rose from 0 % to"))
    );
}
