//! The same usage is the same bill, whoever prices it: the command line in every form, and the library.

use std::process::{Command, Output};
use std::str::FromStr;

use rust_decimal::Decimal;
use s3seal::cost::{Bill, PriceBook, Terms, UsageFile};
use s3seal::report::{Pricing, Report};
use s3seal::units::Usd;

const USAGE: &str = "tests/cli/cost.in/usage.toml";

fn cost(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3seal"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("cost").args(arguments).output().expect("s3seal runs")
}

fn stdout(arguments: &[&str]) -> String {
    let ended = cost(arguments);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

fn library() -> Bill {
    let text = std::fs::read_to_string(format!("{}/{USAGE}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let file = UsageFile::parse(&text, USAGE, "2026-10".parse().unwrap()).unwrap();
    Bill::new(&file.usage, &PriceBook::embedded(), Terms::default()).unwrap()
}

/// The sum of a column of a CSV text.
fn sum(text: &str, column: &str) -> Decimal {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let place = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
    reader.records().map(|record| Decimal::from_str(&record.unwrap()[place]).unwrap()).sum()
}

#[test]
fn the_command_line_and_the_library_make_one_bill() {
    let bill = library();
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&["--usage", USAGE, "--format", "json"])).unwrap();
    let ours = &json["bills"][0];
    assert_eq!(ours["lines"], bill.json()["lines"]);
    assert_eq!(ours["total"], bill.total().to_string());
    let csv = stdout(&["--usage", USAGE, "--format", "csv"]);
    assert_eq!([sum(&csv, "usd"), sum(&csv, "usd_exact")], [bill.total(), bill.exact()].map(Usd::decimal));
    let focus = stdout(&["--usage", USAGE, "--format", "focus"]);
    assert_eq!(
        [sum(&focus, "BilledCost"), sum(&focus, "ListCost")],
        [bill.total(), bill.exact()].map(Usd::decimal)
    );
}

#[test]
fn prices_that_were_printed_can_be_read_again_and_make_the_same_bill() {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book.csv");
    std::fs::write(&book, stdout(&["prices", "--format", "csv"])).unwrap();
    let book = book.to_str().unwrap();
    let with = |more: &[&str]| stdout(&[&["--usage", USAGE, "--format", "json"], more].concat());
    assert_eq!(with(&["--prices", book]), with(&[]));
    assert_eq!(
        PriceBook::embedded().rows().count(),
        stdout(&["prices", "--format", "csv"]).lines().count() - 1
    );
}

/// A run in virtual time, its report's costs, the command line's bill of that report, and the library's of its usage.
#[test]
fn a_report_the_command_line_and_the_library_make_one_bill_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let path = path.to_str().unwrap();
    let sim = ["sim", "--rate", "200", "--duration", "2s", "--warm-up", "0s", "--quota", "100,5500"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3seal"));
    let made = command.args(sim).args(["--format", "json", "--output", path]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let report = Report::from_json(&std::fs::read_to_string(path).unwrap()).unwrap();
    let json = |more: &[&str]| -> serde_json::Value {
        let arguments = [&["--from-report", path, "--format", "json"], more].concat();
        serde_json::from_str(&stdout(&arguments)).unwrap()
    };
    let all = json(&["--all-runs"]);
    assert_eq!(all["bills"].as_array().unwrap().len(), report.runs.len());
    let pricing = Pricing {
        book: PriceBook::embedded(),
        terms: Terms::default(),
        region: "us-east-1".parse().unwrap(),
        month: PriceBook::month(),
        kms_keys: 1,
        rotations: 0,
    };
    for (run, ours) in report.runs.iter().zip(all["bills"].as_array().unwrap()) {
        let usage = run.usage(&pricing).unwrap().unwrap();
        let bill = Bill::new(&usage, &pricing.book, pricing.terms).unwrap();
        let cost = run.cost.as_ref().unwrap();
        assert_eq!(cost.lines, bill.charges());
        assert_eq!(ours["lines"], serde_json::to_value(&cost.lines).unwrap());
        assert_eq!(ours["total"], serde_json::to_value(cost.total).unwrap());
        assert_eq!((cost.total, cost.encryption_adds), (bill.total(), bill.encryption()));
    }
    // Of each mode the first run; another month, Region and number of keys; a gate.
    assert_eq!(json(&[])["bills"].as_array().unwrap().len(), 6);
    let other = json(&["--month", "2026-02", "--region", "eu-west-1", "--keys", "3", "--mode", "sse-kms"]);
    assert_eq!((&other["hours"], &other["region"]), (&672.into(), &"eu-west-1".into()));
    assert_eq!(other["bills"][0]["lines"][0]["amount"], "3.00");
    let code = |more: &[&str]| cost(&[&["--from-report", path], more].concat()).status.code();
    assert_eq!(code(&["--mode", "sse-kms", "--fail-if", "month>1USD"]), Some(3));
    assert_eq!(code(&["--put", "1M"]), Some(2));
    assert_eq!(cost(&["--from-report", USAGE]).status.code(), Some(1));
}

#[test]
fn exit_codes_say_done_failed_usage_and_limit_passed() {
    let code = |arguments: &[&str]| cost(arguments).status.code();
    let put = ["--put", "1M", "--mode", "sse-kms", "--month", "2026-10"];
    let with = |more: &[&'static str]| code(&[&put[..], more].concat());
    assert_eq!(with(&["--fail-if", "month>8.94USD"]), Some(0));
    assert_eq!(with(&["--fail-if", "month>=8.94USD"]), Some(3));
    assert_eq!(with(&["--fail-if", "encryption>3.93USD"]), Some(3));
    assert_eq!(with(&["--region", "eu-west-3", "--fail-if", "month>8USD"]), Some(1));
    // What is known is over the limit already: a missing price cannot save it.
    assert_eq!(with(&["--region", "eu-west-3", "--fail-if", "month>0.50USD"]), Some(3));
    assert_eq!(with(&["--fail-if", "month"]), Some(2));
    assert_eq!(code(&[]), Some(2));
}
