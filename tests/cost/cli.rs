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
    let file = UsageFile::parse(&text, USAGE, "2026-10".parse().unwrap(), None).unwrap();
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

/// What a refusal says; its exit code is 2.
fn refusal(arguments: &[&str]) -> String {
    let ended = cost(arguments);
    assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(ended.stderr).unwrap()
}

fn json(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&stdout(&[arguments, &["--format", "json", "--month", "2026-10"]].concat())).unwrap()
}

#[test]
fn what_is_stored_is_billed_as_given_and_requests_are_of_the_mean_size() {
    let known = json(&["--get", "1e6", "--objects", "2M", "--size", "250KB"]);
    let stored = json(&["--get", "1M", "--objects", "2M", "--stored", "500GB"]);
    assert_eq!(
        known["bills"], stored["bills"],
        "the same objects, the same bills, DSSE-KMS by the byte, too"
    );
    // 7 bytes of 2 objects: 4 each where they are read, 7 where they are stored.
    let odd = json(&["--get", "2", "--objects", "2", "--stored", "7", "--mode", "dsse-kms"]);
    let lines = odd["bills"][0]["lines"].as_array().unwrap();
    let base = |item: &str| lines.iter().find(|line| line["item"] == item).unwrap()["quantity_base"].clone();
    assert_eq!((base("storage"), base("dsse")), (format!("{}", 7 * 744).into(), "8".into()));
    let alone = json(&["--stored", "1TiB", "--mode", "sse-s3"]);
    assert_eq!(alone["bills"][0]["total"], "23.55", "1,024 GB-months at 0.023, and no object is known");
    assert!(
        refusal(&["--objects", "5"]).contains("--objects needs --size, the bytes of an object, or --stored")
    );
    assert!(refusal(&["--objects", "1", "--stored", "51TiB"]).contains("passes 50 TiB an object"));
}

#[test]
fn regions_side_by_side_are_the_bills_of_each_alone() {
    let load = ["--put", "3M", "--get", "20M", "--objects", "1M", "--size", "1MiB"];
    let both = json(&[&load[..], &["--region", "us-east-1,ap-southeast-2,us-east-1"]].concat());
    let bills = both["bills"].as_array().unwrap();
    assert_eq!(bills.len(), 12, "six modes in two Regions");
    for region in ["us-east-1", "ap-southeast-2"] {
        let alone = json(&[&load[..], &["--region", region]].concat());
        for bill in alone["bills"].as_array().unwrap() {
            let name = format!("{} {region}", bill["mode"].as_str().unwrap());
            let beside = bills.iter().find(|bill| bill["mode"] == name.as_str()).unwrap();
            assert_eq!(beside["region"], region);
            for field in ["lines", "total", "encryption_adds", "encryption_adds_exact", "kms_calls"] {
                assert_eq!(beside[field], bill[field], "{name}: {field}");
            }
        }
    }
    assert_eq!(both["findings"].as_array().unwrap().len(), 2, "what a Bucket Key saves in each");
    let text = stdout(&[&load[..], &["--region", "us-east-1,eu-west-1", "--mode", "sse-kms"]].concat());
    let lines = text.lines().filter(|line| line.starts_with("KMS requests  ")).count();
    assert_eq!(lines, 1, "one row, a column for each Region:\n{text}");
    let refused = refusal(&["--usage", USAGE, "--region", "us-east-1,eu-west-1"]);
    assert!(refused.contains("names several Regions"), "{refused}");
    let gate =
        ["--put", "1", "--mode", "sse-kms", "--region", "us-east-1,eu-west-1", "--fail-if", "month>1USD"];
    assert!(refusal(&gate).contains("name one --region"));
    assert!(refusal(&["compare", "--put", "1", "--region", "us-east-1,eu-west-1"]).contains("one Region"));
}

/// A bill in dollars at prices in yuan would be seven times too large, and nobody would see it.
#[test]
fn a_region_that_is_billed_in_yuan_is_refused_in_every_way_that_leads_to_a_bill() {
    let usage = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        usage.path(),
        "[[line]]\nitem = \"kms-request\"\nregion = \"cn-northwest-1\"\nquantity = 5\n",
    )
    .unwrap();
    let file = usage.path().to_str().unwrap();
    for arguments in [
        &["--put", "1M", "--region", "cn-north-1"][..],
        &["--put", "1M", "--region", "us-east-1,cn-north-1"],
        &["compare", "--put", "1M", "--region", "cn-northwest-1"],
        &["--usage", file],
    ] {
        let ended = cost(arguments);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0), "{said}");
        assert!(said.contains("is billed in CNY"), "{said}");
    }
    let sim = [
        "sim",
        "--region",
        "cn-north-1",
        "--rate",
        "5",
        "--duration",
        "1s",
        "--warm-up",
        "0s",
        "--format",
        "json",
    ];
    let ran = Command::new(env!("CARGO_BIN_EXE_s3seal")).args(sim).output().unwrap();
    let report = Report::from_json(std::str::from_utf8(&ran.stdout).unwrap()).unwrap();
    assert!(report.runs.iter().all(|run| run.cost.is_none() && run.completed > 0));
    assert!(report.notes.iter().any(|note| note.contains("billed in CNY")));
}

#[test]
fn months_to_break_even_have_a_decimal_and_whole_months_beside() {
    let load = ["compare", "transition", "--get", "100M", "--objects", "25M", "--size", "1KiB"];
    let rows = json(&load);
    let row = rows.as_array().unwrap().last().unwrap();
    let of = |field: &str| Decimal::from_str(row[field].as_str().unwrap()).unwrap();
    let exact = of("usd_once") / of("saves_usd_month");
    let shown = of("months_to_break_even_exact");
    assert!(
        shown >= exact && shown - exact < Decimal::new(1, 1) && shown.scale() <= 1,
        "{shown} for {exact}"
    );
    assert!(exact < Decimal::ONE && row["months_to_break_even"] == 1, "within the first month: {exact}");
}

#[test]
fn a_decimal_comma_is_refused_and_never_billed_as_thousands() {
    for (flag, value) in [("--put", "2,5M"), ("--put", "1,5"), ("--get", "0,5k"), ("--size", "1,5KB")] {
        let said = refusal(&[flag, value]);
        assert!(said.contains("decimals take a point"), "{said}");
    }
    let total = |put| stdout(&["--put", put, "--mode", "sse-s3", "--month", "2026-10", "--format", "csv"]);
    assert_eq!(total("2,500,000"), total("2.5M"));
}

#[test]
fn dsse_without_a_size_is_a_lower_bound_and_no_gate_passes_on_it() {
    let load = ["--put", "300M", "--get", "2000M", "--region", "us-east-1", "--month", "2026-10"];
    let text = stdout(&load);
    let line = text.lines().find(|line| line.starts_with("TOTAL")).unwrap();
    assert_eq!(line.matches(">=").count(), 1, "{line}");
    assert!(text.contains("its price by the byte is left out"), "{text}");
    let gate = cost(&[&load[..], &["--mode", "dsse-kms", "--fail-if", "month>20000USD"]].concat());
    assert_eq!(gate.status.code(), Some(1));
    assert!(String::from_utf8(gate.stderr).unwrap().contains("give --size"));
    assert!(!stdout(&[&load[..], &["--size", "60KB"]].concat()).contains(">="));
}

#[test]
fn the_page_marks_what_the_table_marks_and_comparisons_have_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = |name: &str, arguments: &[&str]| {
        let path = folder.path().join(name);
        stdout(&[arguments, &["--html", path.to_str().unwrap()]].concat());
        std::fs::read_to_string(path).unwrap()
    };
    let load = [
        "--put",
        "300M",
        "--get",
        "2000M",
        "--size",
        "60KB",
        "--region",
        "eu-central-1",
        "--month",
        "2026-10",
    ];
    let bars = page("bills.html", &load);
    let (_, bars) = bars.split_once("class=\"bars\"").unwrap();
    let (bars, _) = bars.split_once("class=\"legend\"").unwrap();
    assert!(bars.contains("&gt;= ") && bars.contains("*<small>"), "{bars}");
    let compared = page("choices.html", &[&["compare"], &load[..]].concat());
    assert!(compared.contains("Choices in eu-central-1") && compared.contains("bucket-key"));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let placed =
        write("placed.toml", "region = \"us-east-1\"\n[[line]]\nitem = \"kms-request\"\nquantity = 1\n");
    assert!(
        refusal(&["--usage", &placed, "--region", "eu-central-1"]).contains("contradicts region us-east-1")
    );
    let lines = write("lines.toml", "[[line]]\nitem = \"kms-request\"\nquantity = 1\n");
    assert!(
        stdout(&["--usage", &lines, "--region", "eu-west-1", "--month", "2026-10"]).contains("eu-west-1")
    );
    assert!(refusal(&["--put", "1M", "--format", "focus"]).contains("one bill"));
    assert!(refusal(&["--put", "1M", "--keys", "0"]).contains("SSE-KMS needs a key"));
    assert!(refusal(&["compare", "--put", "1M", "--mode", "sse-kms"]).contains("unexpected argument"));
    let mut shard = Report::new(s3seal::units::Seed(1), String::new(), Vec::new());
    shard.shard = Some(s3seal::report::Shard { index: 0, of: 4 });
    let mut json = Vec::new();
    shard.write_json(&mut json).unwrap();
    let shard = write("shard.json", std::str::from_utf8(&json).unwrap());
    assert!(refusal(&["--from-report", &shard]).contains("shard 0/4"));
}

#[test]
fn a_list_price_stays_the_list_price_beside_a_negotiated_one() {
    let load = ["--put", "10M", "--mode", "sse-kms", "--month", "2026-10", "--format", "focus", "--prices"];
    let text = stdout(&[&load[..], &["tests/cli/cost.in/contract.csv"]].concat());
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heads = reader.headers().unwrap().clone();
    let at = |name: &str| heads.iter().position(|head| head == name).unwrap();
    let row = reader
        .records()
        .map(Result::unwrap)
        .find(|row| &row[at("x_PriceSource")] == "our contract of 2026")
        .unwrap();
    let cells = ["ContractedUnitPrice", "ListUnitPrice", "ContractedCost", "ListCost"]
        .map(|name| row[at(name)].to_owned());
    assert_eq!(cells, ["0.0000024", "0.000003", "23.952", "29.94"]);
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
