//! Experiment files: every mistake is named with its place, its value and what was expected.

use s3seal::experiment::Experiment;

use crate::verdict::PLANTED;

/// The error of the planted experiment with `from`, which stands there once, replaced by `to`.
fn error(from: &str, to: &str) -> String {
    assert_eq!(PLANTED.matches(from).count(), 1, "{from}");
    Experiment::parse(&PLANTED.replace(from, to)).expect_err(to).to_string()
}

/// What is replaced, by what, and what the error then says.
const MISTAKES: &[[&str; 3]] = &[
    ["x = \"quota\"", "xx = 1", "line 5, column 1: unknown field `xx` (did you mean `x`?)"],
    [
        "lines = \"mode\"",
        "lines = \"mod\"",
        "line 6, column 9: `lines` is \"mod\": expected a knob: one of kms.quota, mode (did you mean \"mode\"?)",
    ],
    ["lines = \"mode\"", "lines = \"quota\"", "`lines` is kms.quota: expected another knob than `x`"],
    [
        "\"p99\"]",
        "\"p98\"]",
        "line 7, column 11: `figures` is [\"throttled\", \"p98\"]: expected one of p50, p99",
    ],
    ["[1, 2, 3]", "[1, 1]", "`seeds` is [1, 1]: expected an array of whole numbers"],
    ["[1, 2, 3]", "[]", "`seeds` is []: expected"],
    [
        "name = \"planted\"",
        "name = \"../planted\"",
        "line 2, column 8: `name` is \"../planted\": expected lower-case letters",
    ],
    [
        "arrival.rate = 800",
        "arrival.rat = 800",
        "unknown field `scenario.arrival.rat` (did you mean `rate`?)",
    ],
    [
        "arrival.rate = 800",
        "arrival.rate = -1",
        "line 14, column 16: `scenario.arrival.rate` is -1: expected a rate per second",
    ],
    [
        "mode = [\"sse-kms\", \"sse-s3\"]",
        "mode = [\"sse-kms\", \"sse-s4\"]",
        "`knobs.mode` is \"sse-s4\": expected one of sse-s3",
    ],
    [
        "kms.quota = [500, 2000]",
        "kms.quota = [500, 0]",
        "line 20, column 13: `knobs.kms.quota` is 0: expected a whole number from 1",
    ],
    [
        "kms.quota = [500, 2000]",
        "kms.quto = [500, 2000]",
        "`x` is \"quota\": expected a knob: one of kms.quto, mode",
    ],
    [
        "kms.quota = [500, 2000]",
        "kms.quota = [500, 500.0]",
        "`knobs.kms.quota` is 500.0: expected a value that does not stand there",
    ],
    [
        "kms.quota = [500, 2000]",
        "kms.quota = []",
        "`knobs.kms.quota` is []: expected an array of at least one value",
    ],
    ["kms.quota = [500, 2000]", "kms.quota = { from = 1, to = 9 }", "expected a range of numbers such as"],
    [
        "kms.quota = [500, 2000]",
        "kms.quota = { from = 1, to = 9, step = -1 }",
        "expected a range of numbers such as",
    ],
    [
        "kms.quota = [500, 2000]",
        "kms.quota = [500, 2000]\nobjects.cuont = 5",
        "unknown field `knobs.objects.cuont` (did you mean `count`?)",
    ],
    [
        "kms.quota = [500, 2000]",
        "kms.quota = { from = 500, to = 5000, step = 1 }",
        "expected a range of numbers such as",
    ],
    [
        "kms.quota = 500 }",
        "kms.quota = 501 }",
        "line 25, column 38: `band[0].at.kms.quota` is 501: expected one of its values: 500, 2,000",
    ],
    ["low = 0.34", "low = 0.5", "`band[0].low` is 0.5: expected at most `high`"],
    ["low = 10\n", "", "`band[1].low` is missing: expected `low` or `high`"],
    ["why = \"37.5 %\"", "", "`band[0].why` is missing: expected the formula or the source"],
    [
        "name = \"beside\"",
        "name = \"share\"",
        "`band[1].name` is share: expected a name that no other band has",
    ],
    ["{share}", "{shore}", "`answer` is {shore}: expected names of bands in braces"],
    [
        "[small.knobs]\nkms.quota = 500",
        "[small.knobs]\nkms.quota = 501\nmode = \"sse-c\"",
        "`small.knobs` is no point of any band",
    ],
    [
        "[small.knobs]",
        "[small.scenario]\nduration = \"0s\"\n[small.knobs]",
        "`small.scenario.duration` is \"0s\": expected",
    ],
    [
        "[small.knobs]\nkms.quota",
        "[small.knobs]\nkms.quotas",
        "`small.knobs.kms.quotas` is 500: expected one of the knobs",
    ],
];

#[test]
fn every_mistake_is_named_with_its_place_and_what_was_expected() {
    for [from, to, expected] in MISTAKES {
        let error = error(from, to);
        assert!(error.contains(expected), "{to}\n  {error}\n  {expected}");
    }
}

#[test]
fn a_knob_without_its_section_brings_the_section() {
    let error = Experiment::parse(&PLANTED.replace("kms.quota", "quota")).unwrap_err().to_string();
    assert!(
        error.starts_with("line 20, column ")
            && error.contains("unknown field `knobs.quota` (did you mean `kms.quota`?)"),
        "{error}"
    );
}

#[test]
fn what_is_too_large_or_does_not_fit_is_refused() {
    let many = "kms.quota = [500, 2000]\nobjects.count = { from = 1, to = 900, step = 1 }";
    assert!(error("kms.quota = [500, 2000]", many).contains("panels a chart"));
    let both = "kms.quota = [500, 2000]\noperations = 5\narrival.peak = 3";
    assert!(error("kms.quota = [500, 2000]", both).contains("`knobs.arrival"));
    let seeds: Vec<String> = (0..9_000).map(|seed| seed.to_string()).collect();
    assert!(error("[1, 2, 3]", &format!("[{}]", seeds.join(","))).contains("36000 runs"));
}

#[test]
fn a_range_and_a_whole_path_say_the_same_as_a_list_and_a_short_name() {
    let listed = Experiment::parse(PLANTED).unwrap();
    let ranged = PLANTED.replace("[500, 2000]", "{ from = 500, to = 2000, factor = 4 }");
    assert_eq!(Experiment::parse(&ranged).unwrap(), listed);
    let whole = PLANTED.replace("x = \"quota\"", "x = \"kms.quota\"");
    assert_eq!(Experiment::parse(&whole).unwrap(), listed);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(cut in 0..PLANTED.len(), inserted in "[\\[\\]{}=\"a-z0-9.\n ]{0,6}") {
        let cut = (0..=cut).rev().find(|at| PLANTED.is_char_boundary(*at)).unwrap_or(0);
        let text = format!("{}{inserted}{}", &PLANTED[..cut], &PLANTED[cut..]);
        let _ = Experiment::parse(&text);
    }
}
