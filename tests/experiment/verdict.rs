//! What runs come to: points, medians, bands that hold and that do not, the forms of an outcome.

use s3seal::experiment::{Experiment, Figure, Outcome, Row, findings};
use s3seal::report::Kind;

use crate::small::simulated;

/// 800 requests/s against quotas of 500 and 2,000 calls/s, without retries.
pub(crate) const PLANTED: &str = r#"
name = "planted"
question = "Is it <throttled> | really?"
hypothesis = "1 − 500 ÷ 800."
x = "quota"
lines = "mode"
figures = ["throttled", "p99"]
seeds = [1, 2, 3]
answer = ["At 500 calls/s {share} are refused.", "All as expected."]

[scenario]
warm_up = "1s"
duration = "3s"
arrival.rate = 800
retry.policy = "none"
objects.count = 500

[knobs]
mode = ["sse-kms", "sse-s3"]
kms.quota = [500, 2000]

[[band]]
name = "share"
figure = "throttled"
at = { mode = "sse-kms", kms.quota = 500 }
low = 0.34
high = 0.41
why = "37.5 %"

[[band]]
name = "beside"
figure = "p99"
at = { mode = "sse-kms" }
over = { mode = "sse-s3" }
low = 10
why = "milliseconds over microseconds"

[small.knobs]
kms.quota = 500
"#;

fn experiment(text: &str) -> Experiment {
    Experiment::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn points_are_the_product_of_the_knobs_the_last_one_turning_fastest() {
    let experiment = experiment(PLANTED);
    let points = experiment.points().unwrap();
    let titles: Vec<String> = points.iter().map(|point| experiment.title(&point.places)).collect();
    assert_eq!(
        titles,
        [
            "quota 500, mode sse-kms",
            "quota 500, mode sse-s3",
            "quota 2,000, mode sse-kms",
            "quota 2,000, mode sse-s3"
        ]
    );
    assert!(points.iter().all(|point| point.kind == Kind::Simulated && point.scenario.modes == [point.mode]));
    assert_eq!(points[2].scenario(7).kms.quota, Some(2_000));
    assert_eq!(points[2].scenario(7).seed, 7);
}

#[test]
fn bands_hold_and_the_same_figures_break_other_bands() {
    let experiment = experiment(PLANTED);
    let points = experiment.points().unwrap();
    let rows = simulated(&experiment, &points);
    let outcome = Outcome::new(&experiment, &points, rows.clone());
    assert!(outcome.holds(), "{:?}", outcome.judged);
    assert_eq!(outcome.answer.len(), 2);
    let (low, high) = outcome.judged[1].found.unwrap();
    assert!(low < high, "a band without a quota is about both: {low}, {high}");
    for (from, to) in
        [("high = 0.41", "high = 0.35"), ("low = 0.34", "low = 0.40"), ("low = 10", "low = 1e6")]
    {
        let narrower = Experiment::parse(&PLANTED.replace(from, to)).unwrap();
        let outcome = Outcome::new(&narrower, &points, rows.clone());
        assert!(!outcome.holds(), "{to}");
        assert!(
            !outcome.answer.contains(&"All as expected.".to_owned()),
            "it cites none, so it rests on all"
        );
        assert!(outcome.to_text(s3seal::report::Style::default()).contains("BROKEN"));
    }
}

#[test]
fn a_figure_is_the_median_over_the_seeds_and_a_missing_one_breaks_its_band() {
    let experiment = experiment(PLANTED);
    let points = experiment.points().unwrap();
    let mut rows = simulated(&experiment, &points);
    let place = Figure::Throttled.place();
    for (row, value) in rows.iter_mut().zip([0.36, 0.99, 0.40]) {
        row.values[place] = Some(value);
    }
    let outcome = Outcome::new(&experiment, &points, rows.clone());
    assert_eq!(outcome.judged[0].found, Some((0.40, 0.40)));
    rows[1].values[place] = None;
    let outcome = Outcome::new(&experiment, &points, rows);
    assert_eq!(outcome.judged[0].found, None);
    assert!(!outcome.holds());
}

#[test]
fn the_same_seeds_give_the_same_bytes_and_other_seeds_others() {
    let experiment = experiment(PLANTED);
    let points = experiment.points().unwrap();
    let csv = |rows: Vec<Row>| Outcome::new(&experiment, &points, rows).rows_csv();
    let first = csv(simulated(&experiment, &points));
    assert_eq!(first, csv(simulated(&experiment, &points)));
    assert_eq!(first.lines().count(), 1 + 4 * 3);
    assert!(first.starts_with("kms.quota,mode,seed,p50,p99,"), "{first}");
    let mut other = experiment.clone();
    other.seeds = vec![4, 5, 6];
    assert_ne!(first, csv(simulated(&other, &points)));
}

#[test]
fn the_small_version_keeps_the_bands_that_are_about_its_points() {
    let small = experiment(PLANTED).small().unwrap();
    assert_eq!((small.name.as_str(), small.points().unwrap().len()), ("planted-small", 2));
    assert_eq!(small.bands.len(), 2);
    let text = PLANTED.replace("[small.knobs]\nkms.quota = 500", "[small.knobs]\nkms.quota = 2000");
    assert_eq!(experiment(&text).small().unwrap().bands.len(), 1);
}

#[test]
fn pages_show_hostile_words_harmlessly_and_the_index_shows_the_newest() {
    let experiment = experiment(PLANTED);
    let points = experiment.points().unwrap();
    let outcome = Outcome::new(&experiment, &points, simulated(&experiment, &points));
    let page = outcome.to_markdown(&s3seal::experiment::Origin::default());
    assert!(page.contains("Is it \\<throttled\\> | really?"), "{page}");
    assert!(page.contains("![KMS calls throttled](throttled.svg)"));
    let chart = &outcome.charts()[0].1.to_svg();
    assert!(chart.contains("expected: 34.0 % to 41.0 %"), "the band is drawn");
    let summary = |date: &str, holds: bool| {
        let mut summary = outcome.to_json();
        summary["date"] = date.into();
        summary["charts"] = serde_json::json!(["throttled.svg"]);
        summary["bands"][0]["holds"] = holds.into();
        (format!("{date}-planted"), summary)
    };
    let index = findings(&[
        summary("2026-12-02", false),
        summary("2026-12-01", true),
        ("2026-11-24-board".into(), serde_json::json!({ "other": 1 })),
    ]);
    assert_eq!(index.matches("## ").count(), 1, "{index}");
    assert!(
        index.contains("](2026-12-02-planted/throttled.svg)") && index.contains("1 of 2 bands hold"),
        "{index}"
    );
    assert!(index.contains("**BROKEN**: throttled at"), "{index}");
}
