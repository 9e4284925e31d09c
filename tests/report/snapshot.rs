//! The planted report as text, JSON and CSV, letter by letter.

use crate::rows::*;
use s3seal::report::*;

#[test]
fn text_at_eighty_columns() {
    let text = planted().to_text(Style::default());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "no line is wider than the terminal");
    insta::assert_snapshot!(text);
}

#[test]
fn text_on_a_wide_terminal() {
    insta::assert_snapshot!(planted().to_text(Style { width: 132, colour: false }));
}

#[test]
fn csv_of_the_planted_report() {
    let mut out = Vec::new();
    planted().write_csv(&mut out).expect("a vector takes anything");
    insta::assert_snapshot!(String::from_utf8(out).expect("text").replace("\r\n", "\n"));
}

#[test]
fn json_of_one_run() {
    let mut report = planted();
    report.runs.truncate(2);
    report.runs.remove(0);
    let mut out = Vec::new();
    report.write_json(&mut out).expect("a vector takes anything");
    insta::assert_snapshot!(String::from_utf8(out).expect("text"));
}
