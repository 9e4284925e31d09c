//! The scoreboard's arithmetic: verdicts, the JSON that machines read, the arguments of a run.

#[path = "../benches/scoreboard/claim.rs"]
mod claim;

use claim::{Arguments, Claim, Goal, Mode, median};

fn claim(value: f64, goal: Goal) -> Claim<'static> {
    Claim {
        name: "seal_1MiB",
        value,
        unit: "× the peer's speed",
        goal,
        peer: "aws-lc-rs",
        peer_ns: Some(98_500.5),
    }
}

fn parsed(arguments: &[&str]) -> Result<Arguments, String> {
    Arguments::parse(arguments.iter().map(ToString::to_string))
}

#[test]
fn a_goal_is_met_at_its_bound_and_missed_beyond_it() {
    assert!(claim(0.93, Goal::AtLeast(0.93)).pass());
    assert!(!claim(0.929, Goal::AtLeast(0.93)).pass());
    assert!(claim(6.0, Goal::AtMost(6.0)).pass());
    assert!(!claim(6.001, Goal::AtMost(6.0)).pass());
    assert!(claim(0.0, Goal::Shown).pass());
}

#[test]
fn a_value_that_is_not_a_number_meets_no_goal() {
    assert!(!claim(f64::NAN, Goal::AtLeast(0.93)).pass());
    assert!(!claim(f64::NAN, Goal::AtMost(6.0)).pass());
}

#[test]
fn a_judged_line_has_all_fields_in_json() {
    assert_eq!(
        claim(0.97, Goal::AtLeast(0.93)).json(),
        r#"{"name":"seal_1MiB","value":0.97,"unit":"× the peer's speed","op":">=","goal":0.93,"peer":"aws-lc-rs","peer_value":98500.5,"pass":true}"#
    );
    assert!(claim(7.0, Goal::AtMost(6.0)).json().contains(r#""op":"<=","goal":6,"#));
    assert!(claim(7.0, Goal::AtMost(6.0)).json().ends_with(r#""pass":false}"#));
}

#[test]
fn an_absolute_figure_has_no_goal_and_whatever_is_not_there_is_null() {
    let shown = Claim { peer: "", peer_ns: None, ..claim(10.6, Goal::Shown) };
    assert_eq!(
        shown.json(),
        r#"{"name":"seal_1MiB","value":10.6,"unit":"× the peer's speed","op":null,"goal":null,"peer":null,"peer_value":null,"pass":true}"#
    );
}

#[test]
fn json_stays_json_for_odd_numbers_and_odd_text() {
    let odd = Claim { name: "a\"b\\c\nd\0", peer_ns: Some(f64::INFINITY), ..claim(f64::NAN, Goal::Shown) };
    let json = odd.json();
    assert!(json.starts_with(r#"{"name":"a\"b\\c\u000ad\u0000","value":null,"#), "{json}");
    assert!(json.contains(r#""peer_value":null"#), "{json}");
}

#[test]
fn a_missed_goal_stands_out_in_text() {
    assert!(claim(0.97, Goal::AtLeast(0.93)).text().starts_with("ok    seal_1MiB"));
    assert!(claim(0.90, Goal::AtLeast(0.93)).text().starts_with("SHORT seal_1MiB"));
    let shown = claim(0.90, Goal::Shown).text();
    assert!(shown.starts_with("      seal_1MiB") && shown.ends_with("aws-lc-rs, 98.50 µs"), "{shown}");
}

#[test]
fn the_median_ignores_the_order_and_the_extremes() {
    assert_eq!(median(&mut [9.0, 1.0, 5.0]).to_bits(), 5.0_f64.to_bits());
    assert_eq!(median(&mut [1.0, 1e9, 2.0, 0.0, 1.5]).to_bits(), 1.5_f64.to_bits());
    assert_eq!(median(&mut [4.0, 2.0]).to_bits(), 2.0_f64.to_bits());
}

#[test]
fn cargo_bench_measures_and_cargo_test_only_tries() {
    let mode = |arguments: &[&str]| parsed(arguments).unwrap().mode;
    assert_eq!(mode(&["--bench"]), Mode::Measure);
    assert_eq!(mode(&["--json"]), Mode::Measure);
    assert_eq!(mode(&["--check"]), Mode::Measure);
    assert_eq!(mode(&[]), Mode::Try);
    assert_eq!(mode(&["--bench", "--test"]), Mode::Try);
    assert_eq!(mode(&["--list", "--format", "terse"]), Mode::List);
}

#[test]
fn filters_add_up_and_the_test_runners_options_are_no_filters() {
    let run =
        parsed(&["seal", "--bench", "open", "--test-threads", "1", "--format=terse", "--nocapture"]).unwrap();
    assert_eq!(run.filters, ["seal", "open"]);
    assert!(run.wants("seal_1MiB") && run.wants("range_open") && !run.wants("kms_admit"));
    assert!(parsed(&[]).unwrap().wants("anything"));
}

#[test]
fn an_unknown_option_is_refused_by_name() {
    assert_eq!(parsed(&["--jsn"]), Err("--jsn".to_owned()));
}
