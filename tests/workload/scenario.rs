//! Scenario files: each mistake is found, named and placed; no text makes the reader panic.

use proptest::prelude::*;
use s3seal::workload::{ArrivalProcess, Mix, PRESETS, Place, Scenario, ScenarioError, SizeLaw, Stop};

fn error(text: &str) -> ScenarioError {
    Scenario::parse(text).expect_err(text)
}

/// A text, where its mistake stands, the field, and what the message must say.
const MISTAKES: &[(&str, (usize, usize), &str, &str)] = &[
    // Unknown fields, in every section.
    ("sed = 1", (1, 1), "sed", "did you mean `seed`?"),
    ("seed = 1\n[arrival]\nratte = 5", (3, 1), "arrival.ratte", "did you mean `rate`?"),
    (
        "[arrival]\nprocess = \"ramp\"\nrate = 5",
        (3, 1),
        "arrival.rate",
        "known here: process, from, to, over",
    ),
    ("[mix]\nputobject = 1", (2, 1), "mix.putobject", "did you mean `PutObject`?"),
    ("[mix.multipart]\npart_size = 1", (2, 1), "mix.multipart.part_size", "did you mean"),
    (
        "[objects]\nsize = { law = \"fixed\", byte = 1 }",
        (2, 25),
        "objects.size.byte",
        "did you mean `bytes`?",
    ),
    (
        "[objects.popularity]\nlaw = \"uniform\"\ntheta = 1",
        (3, 1),
        "objects.popularity.theta",
        "known here: law",
    ),
    ("[layout]\nbukets = 1", (2, 1), "layout.bukets", "did you mean `buckets`?"),
    ("[principals]\nrole = 1", (2, 1), "principals.role", "did you mean `roles`?"),
    ("[history]\nwriter = 1", (2, 1), "history.writer", "did you mean `writers`?"),
    ("[kms]\nquotta = 1", (2, 1), "kms.quotta", "did you mean `quota`?"),
    ("[cache]\nmaxage = \"1s\"", (2, 1), "cache.maxage", "did you mean `max_age`?"),
    ("[bucket_key]\nlife = 1", (2, 1), "bucket_key.life", "did you mean `lifetime`?"),
    ("[retry]\nmax = 1", (2, 1), "retry.max", "did you mean `max_attempts`?"),
    ("[s3]\nservicetime = \"none\"", (2, 1), "s3.servicetime", "did you mean `service_time`?"),
    ("[fleet]\nhost = 1", (2, 1), "fleet.host", "did you mean `hosts`?"),
    (
        "[[fault]]\nkind = \"kms-outage\"\nat = \"1s\"\nfactor = 2",
        (4, 1),
        "fault[0].factor",
        "known here: kind, at, for",
    ),
    ("xyzzy = 1", (1, 1), "xyzzy", "unknown field `xyzzy`; known here: seed"),
    // Wrong kinds.
    ("seed = \"one\"", (1, 8), "seed", "`seed` is \"one\": expected a whole number"),
    ("seed = -1", (1, 8), "seed", "`seed` is -1: expected a whole number"),
    ("seed = 99999999999999999999", (1, 8), "seed", "expected a whole number"),
    ("duration = 5", (1, 12), "duration", "expected a duration such as"),
    ("warm_up = \"5 parsecs\"", (1, 11), "warm_up", "`warm_up` is \"5 parsecs\": expected a duration"),
    ("warm_up = \"-5s\"", (1, 11), "warm_up", "expected a duration"),
    ("modes = \"sse-s3\"", (1, 9), "modes", "expected an array"),
    ("modes = [\"sse-s4\"]", (1, 9), "modes", "expected one of sse-s3,"),
    ("modes = [\"sse-kmss\"]", (1, 9), "modes", "(did you mean \"sse-kms\"?)"),
    ("arrival = 5", (1, 11), "arrival", "expected a table"),
    ("[arrival]\nprocess = \"poison\"", (2, 11), "arrival.process", "did you mean \"poisson\"?"),
    ("[arrival]\nrate = \"fast\"", (2, 8), "arrival.rate", "expected a number"),
    ("[arrival]\nrate = nan", (2, 8), "arrival.rate", "expected a number"),
    ("[arrival]\nrate = inf", (2, 8), "arrival.rate", "expected a number"),
    ("[mix]\nrange = \"64 apples\"", (2, 9), "mix.range", "expected a size"),
    ("[layout]\nbuckets = 5000000000", (2, 11), "layout.buckets", "from 0 to 4294967295"),
    ("[s3]\nprefix_limits = 1", (2, 17), "s3.prefix_limits", "true or false"),
    ("fault = 1", (1, 9), "fault", "an array of tables"),
    (
        "[objects.size]\nlaw = \"empirical\"\nquantiles = [[0.0]]",
        (3, 13),
        "objects.size.quantiles",
        "[share, size]",
    ),
    // Out of range.
    ("duration = \"0s\"", (1, 12), "duration", "`duration` is \"0s\": expected a duration from 1ms to 366d"),
    ("operations = 0", (1, 14), "operations", "a whole number from 1"),
    ("warm_up = \"400d\"", (1, 11), "warm_up", "from 0s to 366d"),
    ("modes = []", (1, 9), "modes", "at least one"),
    ("modes = [\"sse-s3\", \"sse-s3\"]", (1, 9), "modes", "each mode once"),
    ("[arrival]\nrate = 0", (2, 8), "arrival.rate", "`arrival.rate` is 0: expected a rate per second"),
    ("[arrival]\nrate = -3.5", (2, 8), "arrival.rate", "is -3.5"),
    ("[arrival]\nrate = 1e12", (2, 8), "arrival.rate", "to 100000000"),
    (
        "[arrival]\nprocess = \"step\"\nrates = [1, 0]\nevery = \"1s\"",
        (3, 13),
        "arrival.rates[1]",
        "a rate per second",
    ),
    (
        "[arrival]\nprocess = \"step\"\nrates = []\nevery = \"1s\"",
        (3, 9),
        "arrival.rates",
        "1 to 10000 rates",
    ),
    (
        "[arrival]\nprocess = \"burst\"\nrate = 1\npeak = 1\nquiet = \"1s\"\nbusy = \"1s\"",
        (4, 8),
        "arrival.peak",
        "above 1",
    ),
    ("[mix]\nGetObject = -1", (2, 13), "mix.GetObject", "a weight from 0"),
    ("[mix]\nGetObject = 0", (1, 1), "mix", "at least one operation"),
    ("[mix.multipart]\nparts = 10001", (2, 9), "mix.multipart.parts", "from 1 to 10000"),
    ("[mix.multipart]\npart = \"1MiB\"", (2, 8), "mix.multipart.part", "a size from 5MiB to 5GiB"),
    ("[objects]\ncount = 0", (2, 9), "objects.count", "from 1 to"),
    ("[objects]\nsize = { law = \"fixed\", bytes = \"99TiB\" }", (2, 33), "objects.size.bytes", "50000GiB"),
    (
        "[objects]\nsize = { law = \"lognormal\", median = 5, sigma = 99 }",
        (2, 49),
        "objects.size.sigma",
        "0 to 10",
    ),
    (
        "[objects]\npopularity = { law = \"zipf\", theta = -0.1 }",
        (2, 38),
        "objects.popularity.theta",
        "0 (uniform)",
    ),
    (
        "[objects]\npopularity = { law = \"hotspot\", objects = 1.0, requests = 0.5 }",
        (2, 43),
        "objects.popularity.objects",
        "above 0 and below 1",
    ),
    (
        "[objects.size]\nlaw = \"empirical\"\nquantiles = [[0, 1], [0.5, 9], [0.4, 9], [1, 9]]",
        (3, 32),
        "objects.size.quantiles[2]",
        "a larger share",
    ),
    (
        "[objects.size]\nlaw = \"empirical\"\nquantiles = [[0.1, 1], [1, 9]]",
        (3, 13),
        "objects.size.quantiles",
        "share 0",
    ),
    ("[layout]\nkms_keys = 0", (2, 12), "layout.kms_keys", "from 1"),
    ("[principals]\nroles = 0", (2, 9), "principals.roles", "from 1"),
    ("[history]\nspan = \"0s\"", (2, 8), "history.span", "from 1ns"),
    ("[history]\nrate = 0", (2, 8), "history.rate", "above 0"),
    ("[history]\nuses_per_key = 0", (2, 16), "history.uses_per_key", "from 1"),
    ("[kms]\nquota = 0", (2, 9), "kms.quota", "`kms.quota` is 0: expected a whole number from 1"),
    ("[kms]\nregion = \"Mars 1\"", (2, 10), "kms.region", "a Region such as us-east-1"),
    ("[cache]\nmax_uses = 0", (2, 12), "cache.max_uses", "from 1"),
    ("[cache]\ncapacity = 0", (2, 12), "cache.capacity", "from 1"),
    ("[fleet]\nhosts = 0", (2, 9), "fleet.hosts", "from 1"),
    ("[retry]\nmax_attempts = 0", (2, 16), "retry.max_attempts", "from 1"),
    (
        "[[fault]]\nkind = \"kms-outage\"\nat = \"1s\"\n[[fault]]\nkind = \"kms-errors\"\nat = \"1s\"\nshare = 2",
        (7, 9),
        "fault[1].share",
        "a share above 0",
    ),
    // Missing.
    ("[arrival]\nprocess = \"ramp\"\nfrom = 1", (1, 1), "arrival.to", "`arrival.to` is missing"),
    ("[objects]\nsize = { law = \"lognormal\", sigma = 1 }", (2, 8), "objects.size.median", "is missing"),
    ("[objects]\nsize = {}", (2, 8), "objects.size.law", "one of fixed, lognormal"),
    ("[[fault]]\nat = \"1s\"", (1, 1), "fault[0].kind", "one of kms-outage"),
    // What cannot hold together.
    ("duration = \"5s\"\noperations = 5", (1, 12), "duration", "contradicts `operations`"),
    ("[history]\nspan = \"1d\"\nrate = 5", (2, 8), "history.span", "contradicts `history.rate`"),
    ("[mix]\nDeleteObject = 1\nPutObject = 1", (2, 16), "mix.DeleteObject", "set objects.puts = \"new\""),
    (
        "[mix]\nDeleteObject = 2\nPutObject = 1\n[objects]\nputs = \"new\"",
        (2, 16),
        "mix.DeleteObject",
        "more deletes",
    ),
    (
        "[objects]\npopularity = { law = \"latest\" }",
        (2, 22),
        "objects.popularity.law",
        "contradicts `objects.puts`",
    ),
    (
        "[objects]\nsize = { law = \"lognormal\", median = 5, sigma = 1, min = 6 }",
        (2, 58),
        "objects.size.min",
        "contradicts `objects.size.median`",
    ),
    (
        "[objects]\ncount = 3\n[layout]\nbuckets = 4",
        (4, 11),
        "layout.buckets",
        "some bucket would hold no object",
    ),
    ("[history]\nwriters = 2", (2, 11), "history.writers", "fewer principals"),
    ("[kms]\nburst = 5", (2, 9), "kms.burst", "contradicts `kms.throttle_rule`"),
    (
        "[cache]\nmax_age = \"1m\"\nrefresh_after = \"1m\"",
        (3, 17),
        "cache.refresh_after",
        "contradicts `cache.max_age`",
    ),
    ("[retry]\npolicy = \"none\"\nmax_attempts = 3", (3, 16), "retry.max_attempts", "one attempt"),
    (
        "[[fault]]\nkind = \"key-disabled\"\nkey = 3\nat = \"1s\"",
        (3, 7),
        "fault[0].key",
        "contradicts `layout.kms_keys`",
    ),
    ("[[fault]]\nkind = \"store-stall\"\nat = \"1h\"", (3, 6), "fault[0].at", "contradicts `duration`"),
];

#[test]
fn every_mistake_is_named_and_placed() {
    let mut wrong = Vec::new();
    for (text, (line, column), field, message) in MISTAKES {
        let error = error(text);
        let shown = error.to_string();
        let right = error.field() == Some(*field)
            && shown.contains(message)
            && error.place() == Some(Place { line: *line, column: *column })
            && shown.starts_with(&format!("line {line}, column {column}: "));
        if !right {
            wrong.push(format!(
                "{text}\n  gives: {shown}\n  wants: line {line}, column {column}: {field}, {message}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn text_that_is_no_toml_is_placed_too() {
    let error = error("seed = 1\nrate = = 2");
    assert!(matches!(error, ScenarioError::Syntax { .. }), "{error}");
    assert_eq!(error.place().map(|place| place.line), Some(2));
    assert_eq!(error.field(), None);
}

#[test]
fn values_given_without_a_text_are_held_to_the_same_rules() {
    let scenario = Scenario { arrival: ArrivalProcess::Constant { rate: f64::NAN }, ..Scenario::default() };
    let error = scenario.validate().unwrap_err();
    assert_eq!((error.field(), error.place()), (Some("arrival.rate"), None));
    assert!(error.to_string().starts_with("`arrival.rate` is NaN: expected"));
}

#[test]
fn what_a_file_leaves_out_is_the_default() {
    let scenario = Scenario::parse("operations = 10\n[arrival]\nprocess = \"constant\"\nrate = 2.5").unwrap();
    let expected = Scenario {
        stop: Stop::Operations(10),
        arrival: ArrivalProcess::Constant { rate: 2.5 },
        ..Scenario::default()
    };
    assert_eq!(scenario, expected);
    let weights = Scenario::parse("[mix]\nHeadObject = 1").unwrap().mix;
    assert_eq!(weights, Mix { head_object: 1.0, ..Mix::none() });
}

#[test]
fn a_long_value_is_cut_in_the_message() {
    let error = error(&format!("kms.region = \"{}\"", "x".repeat(100_000)));
    assert!(error.to_string().len() < 200);
}

#[test]
fn a_scaled_process_keeps_its_shape() {
    for preset in PRESETS {
        let process = Scenario::parse(preset.text).unwrap().arrival;
        let double = process.scaled(2.0);
        // Doubling is exact.
        assert!((double.mean_rate() - 2.0 * process.mean_rate()).abs() < 1e-9, "{}", preset.name);
    }
}

/// A valid scenario with something of every section.
const FULL: &str = r#"
seed = 7
modes = ["sse-kms", "kms-cached"]
operations = 1000
warm_up = "1s"
[arrival]
process = "burst"
rate = 10.5
peak = 4
quiet = "8s"
busy = "500ms"
[mix]
PutObject = 20
GetObjectRange = 10.5
MultipartUpload = 1
DeleteObject = 2
range = "1KiB"
[mix.multipart]
parts = 3
part = "5MiB"
objects = 4
[objects]
count = 100
puts = "new"
visible_after = "10ms"
size = { law = "empirical", quantiles = [[0.0, 1], [0.25, "1KiB"], [1.0, "1.5MB"]] }
popularity = { law = "latest", theta = 0.7 }
[layout]
buckets = 3
prefixes = 4
kms_keys = 5
[principals]
roles = 3
sessions = 4
zipf = 1.1
[history]
rate = 3.5
writers = 5
uses_per_key = 100
[kms]
region = "eu-central-1"
quota = 100
throttle_rule = "token-bucket"
burst = 20
background = 5.5
service_time = { min = "2ms", median = "5ms", sigma = 0.6 }
[cache]
max_age = "5m"
max_uses = 100
max_bytes = "1GiB"
refresh_after = "4m"
capacity = 50
scope = "role"
[bucket_key]
lifetime = "5m"
scope = "session"
[retry]
at = "kms-client"
policy = "standard-2.1"
max_attempts = 3
base = "50ms"
cap = "20s"
[s3]
service_time = "standard"
prefix_limits = true
[fleet]
hosts = 10
start = "cold"
restart_every = "1s"
[[fault]]
kind = "kms-outage"
at = "1s"
for = "2s"
[[fault]]
kind = "kms-brown-out"
at = "1s"
factor = 3.5
[[fault]]
kind = "key-disabled"
at = "2s"
key = 4
[[fault]]
kind = "quota-changed"
at = "2s"
quota = 50
"#;

#[test]
fn a_scenario_written_out_in_full_reads_back_the_same() {
    let scenario = Scenario::parse(FULL).unwrap();
    assert_eq!(Scenario::parse(&scenario.to_toml()).unwrap(), scenario, "{}", scenario.to_toml());
    assert!(matches!(scenario.objects.size, SizeLaw::Empirical { .. }));
}

fn mutated(text: &str, cuts: &[(usize, usize, String)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (at, length, insert) in cuts {
        let at = at % (bytes.len() + 1);
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, insert.bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let _ = Scenario::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_mutated_scenario_makes_the_reader_panic_and_what_it_takes_survives_a_round_trip(
        preset in 0..=PRESETS.len(),
        cuts in prop::collection::vec((0_usize..4_000, 0_usize..12, "[a-z0-9.\"=\\[\\]{},\n -]{0,6}"), 1..4),
    ) {
        let text = mutated(PRESETS.get(preset).map_or(FULL, |preset| preset.text), &cuts);
        if let Ok(scenario) = Scenario::parse(&text) {
            prop_assert_eq!(Scenario::parse(&scenario.to_toml()), Ok(scenario));
        }
    }

    #[test]
    fn any_number_in_any_field_is_taken_or_refused_with_the_field(
        line in 0_usize..100, value in prop_oneof![any::<i64>().prop_map(|n| n.to_string()), any::<f64>().prop_map(|n| format!("{n:?}"))],
    ) {
        let lines: Vec<String> = FULL.lines().map(Into::into).collect();
        let line = line % lines.len();
        if let Some((name, _)) = lines[line].split_once(" = ") {
            let mut changed = lines.clone();
            changed[line] = format!("{name} = {value}");
            match Scenario::parse(&changed.join("\n")) {
                Ok(scenario) => prop_assert!(scenario.validate().is_ok()),
                Err(error) => prop_assert!(error.place().is_some(), "{}", error),
            }
        }
    }
}
