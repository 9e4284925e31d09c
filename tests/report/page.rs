//! The HTML page and the Markdown: valid, self-contained, harmless, legible, and with the JSON's own figures.

#![allow(clippy::cast_precision_loss, reason = "colours and counts are small")]

use std::fmt::Write as _;

use crate::rows::*;
use html5ever::tendril::TendrilSink;
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use s3seal::report::*;
use s3seal::request::*;
use s3seal::units::{Seed, Timestamp, Usd};
use s3seal::workload::log::{Account, Ending, Entry, KmsUse, Request, Side, Told};
use s3seal::workload::profile::{ProfileOptions, Profiler, QUOTAS, summary};
use serde_json::Value;

/// A page no mailbox refuses.
const PAGE_MAX: usize = 1 << 20;

fn parsed(html: &str) -> RcDom {
    html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default()).one(html)
}

fn elements(node: &Handle, found: &mut Vec<Handle>) {
    if matches!(node.data, NodeData::Element { .. }) {
        found.push(node.clone());
    }
    node.children.borrow().iter().for_each(|child| elements(child, found));
}

fn all(html: &str) -> Vec<Handle> {
    let mut found = Vec::new();
    // Left in memory: a tree that is dropped empties its nodes.
    elements(&Box::leak(Box::new(parsed(html))).document, &mut found);
    found
}

fn name(node: &Handle) -> String {
    match &node.data {
        NodeData::Element { name, .. } => name.local.to_string(),
        _ => String::new(),
    }
}

fn attribute(node: &Handle, wanted: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else { return None };
    attrs.borrow().iter().find(|attr| &*attr.name.local == wanted).map(|attr| attr.value.to_string())
}

fn text(node: &Handle) -> String {
    match &node.data {
        NodeData::Text { contents } => contents.borrow().to_string(),
        _ => node.children.borrow().iter().map(text).collect(),
    }
}

/// The planted report, with the length of its runs and of its names.
fn runs(count: usize) -> Report {
    let mut report = planted();
    let pool = report.runs.clone();
    report.runs = (0..count).map(|n| pool[n % pool.len()].clone()).collect();
    for (n, run) in report.runs.iter_mut().enumerate() {
        run.quota_per_s = run.quota_per_s.map(|quota| quota + 100 * (n / pool.len()) as u64);
    }
    report
}

/// Absurd figures everywhere.
fn absurd(value: u64) -> Report {
    let mut report = planted();
    for run in &mut report.runs {
        let percentiles =
            Percentiles { count: value, p50: value, p90: value, p99: value, p999: value, max: value };
        (run.response_time_ns, run.response_time_success_ns) = (percentiles, percentiles);
        (run.offered, run.completed, run.failed, run.measured_ns) = (value, value, value, value);
        (run.offered_per_s, run.completed_per_s, run.bytes_per_s) =
            (value as f64, value as f64, value as f64);
        (run.kms.calls, run.kms.throttled, run.kms.peak_calls_per_s) = (value, value, value);
        run.quota_per_s = Some(value);
        run.phase_mean_ns = Some(PhaseMeans {
            lag: value,
            kms_wait: value,
            crypto: value,
            store: value,
            s3: value,
            other: value,
        });
        run.record = None;
        for second in &mut run.series {
            (second.kms_calls, second.throttled, second.cached) = (value, value, value);
        }
    }
    report
}

/// HTML, control characters, right to left, and very long.
fn hostile() -> (Report, String) {
    let hostile = "</pre></title><script src=//evil.example>alert(1)</script><img src=x onerror=x>|`*_[a](b)\u{1b}[2J\u{202e}evil\u{7}\r\n\
                   \u{5d0}\u{5d1} @someone #1 https://evil.example www.evil.example -->"
        .to_owned()
        + &"x".repeat(1_024);
    let mut recorder = Recorder::new(WINDOW);
    for (bucket, principal, kms_key) in [(0, 0, 0), (0, 1, 1), (1, 2, 2)] {
        recorder.record_call(&KmsCall { bucket, principal, kms_key, ..decrypt(WINDOW.from) });
        recorder.record(&get(WINDOW.from));
    }
    let of = run(SseMode::SseKms, Kind::Live, Some(10));
    let run = Summary::new(&recorder, &of, |_| hostile.clone());
    let mut report = Report::new(Seed(1), hostile.clone(), vec![run]);
    report.machine.clone_from(&hostile);
    report.commit.clone_from(&hostile);
    report.s3seal.clone_from(&hostile);
    report.notes = vec![hostile.clone()];
    report.invalidate(hostile.clone());
    (report, hostile)
}

fn every_page() -> Vec<(&'static str, Report)> {
    vec![
        ("nothing", runs(0)),
        ("one run", runs(1)),
        ("six runs", runs(6)),
        ("fourteen runs", runs(14)),
        ("zeros", absurd(0)),
        ("huge", absurd(u64::MAX)),
        ("hostile", hostile().0),
    ]
}

#[test]
fn every_page_is_valid_html_without_script_style_attributes_or_hosts() {
    for (which, report) in every_page() {
        let html = report.to_html();
        check(which, &html);
        if which != "hostile" {
            assert!(!html.contains("://"), "{which} names a host");
        }
    }
}

/// What holds for every page of the house.
fn check(which: &str, html: &str) {
    let dom = parsed(html);
    let errors = dom.errors.borrow();
    assert!(errors.is_empty(), "{which}: {errors:?}");
    assert!(html.len() < PAGE_MAX, "{which}: {} bytes", html.len());
    let elements = all(html);
    for element in &elements {
        let name = name(element);
        let loads =
            ["script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use", "a"];
        assert!(!loads.contains(&name.as_str()), "{which}: <{name}>");
        let NodeData::Element { attrs, .. } = &element.data else { continue };
        for attr in attrs.borrow().iter() {
            let attr = attr.name.local.to_string();
            assert!(
                !attr.starts_with("on") && !["src", "href", "style", "srcset"].contains(&&*attr),
                "{which}: {attr}"
            );
        }
    }
    let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
    assert!(!style.contains("url(") && !style.contains("@import"), "{which}");
    for not_a_number in ["NaN", "inf"] {
        let attributes = elements.iter().any(|element| {
            ["x", "y", "width", "height", "d", "cx", "cy"]
                .iter()
                .any(|name| attribute(element, name).is_some_and(|value| value.contains(not_a_number)))
        });
        assert!(!attributes, "{which}: {not_a_number}");
    }
}

/// Pages of bills as `s3seal cost` writes them, of one Region and of two, of a comparison, and planted ones.
#[test]
fn pages_of_bills_are_valid_and_every_figure_has_its_name_beside_it_on_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    let load = ["--put", "10M", "--get", "100M", "--objects", "50M", "--size", "64KiB", "--month", "2026-10"];
    let mut pages = Vec::new();
    for (which, verb, more) in [
        ("bills", &["cost"][..], &[][..]),
        ("one bill", &["cost"], &["--mode", "dsse-kms"]),
        ("two Regions", &["cost"], &["--region", "us-east-1,eu-west-3"]),
        ("choices", &["cost", "compare"], &[]),
    ] {
        let path = folder.path().join(format!("{which}.html"));
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_s3seal"));
        command.args(verb).args(load).args(more).arg("--html").arg(&path);
        assert!(command.output().unwrap().status.success(), "{which}");
        pages.push((which, std::fs::read_to_string(&path).unwrap()));
    }
    let hostile = "<script>alert(1)</script>\u{202e}\u{7}".repeat(40);
    let mut table = s3seal::cost::Table::new(&["line", "#mode", &hostile]);
    table.rows = vec![vec![hostile.clone(), "0.00".into(), String::new()], vec!["x".into(); 3]];
    let sum = |total| BillSum {
        name: hostile.clone(),
        total: Usd::from_cents(total),
        adds: Usd::ZERO,
        short: true,
        unsure: true,
    };
    let planted = BillPage {
        title: hostile.clone(),
        findings: vec![hostile.clone()],
        bills: vec![sum(0), sum(i64::MAX)],
        table,
        notes: vec![(hostile.clone(), vec![hostile.clone()])],
    };
    pages.push(("planted", planted.to_html()));
    for (which, html) in &pages {
        check(which, html);
        let cells = all(html).into_iter().filter(|element| name(element) == "td").collect::<Vec<_>>();
        assert!(cells.len() > 2, "{which}");
        assert!(
            cells.iter().all(|cell| attribute(cell, "data-th").is_some_and(|th| !th.is_empty())),
            "{which}"
        );
    }
}

/// The profile of requests `every` so many seconds, for keys that `key` gives, and of the KMS calls of one in three.
fn profile(requests: u64, every: u64, key: impl Fn(u64) -> String) -> Value {
    let mut profiler =
        Profiler::new(ProfileOptions { assume: Some(SseMode::SseKms), ..ProfileOptions::default() });
    profiler.file("s3-access");
    for n in 0..requests {
        let (key, second) = (key(n), 1_549_411_238 + n * every);
        let requester = "arn:aws:iam::111122223333:user/reader";
        profiler.record(&Entry::Request(Request {
            time: Timestamp::from_seconds(second),
            operation: Some(Operation::GetObject),
            name: "GetObject".into(),
            bucket: "archive".into(),
            key: key.as_str().into(),
            requester: requester.into(),
            size: Some(n * n),
            sent: n,
            received: 0,
            ending: Ending::Done,
            side: Side::Whole,
            source: None,
            sse: None,
            told: Told::default(),
            times: 1 + n % 40 * 500,
        }));
        if n % 3 == 0 {
            profiler.record(&Entry::Kms(KmsUse {
                time: Timestamp::from_seconds(second),
                name: "Decrypt".into(),
                s3_arn: Some(format!("arn:aws:s3:::archive/{key}").into()),
                kms_key: "".into(),
                requester: requester.into(),
                by_s3: true,
                by_service: false,
                by_replication: false,
                failed: false,
            }));
        }
    }
    let account = Account { read: requests + requests.div_ceil(3), ..Account::default() };
    summary(&profiler.finish(&account))
}

#[test]
fn pages_of_profiles_are_valid_harmless_and_have_the_figures_of_the_json() {
    let hostile = hostile().1;
    let shapes = [
        ("no request", profile(0, 1, |_| String::new())),
        ("one request", profile(1, 1, |_| "k".into())),
        ("a busy minute", profile(300, 1, |n| format!("k{}", n % 17))),
        ("three years", profile(3_000, 31_557, |n| format!("a/{n}"))),
        ("hostile", profile(50, 1, |n| format!("{hostile}{n}/{hostile}"))),
        ("nothing", Value::Null),
    ];
    for (which, exact) in &shapes {
        let html = ProfilePage { profile: exact, quotas: &QUOTAS }.to_html();
        check(which, &html);
        let hidden =
            |c: char| c.is_control() && c != '\n' || ('\u{590}'..='\u{8ff}').contains(&c) || c == '\u{202e}';
        assert!(!html.contains(hidden), "{which}");
        let elements = all(&html);
        let data = elements.iter().filter(|node| name(node) == "data");
        for node in data.clone() {
            let place = attribute(node, "data-of").expect("a place");
            let value = exact.pointer(&place).unwrap_or_else(|| panic!("{which}: {place} is in the JSON"));
            assert_eq!(attribute(node, "value").as_ref(), Some(&value.to_string()), "{which}: {place}");
        }
        let ids: Vec<String> = elements.iter().filter_map(|node| attribute(node, "id")).collect();
        let wanted: &[&str] = if exact["requests"].as_u64().unwrap_or(0) == 0 {
            &[]
        } else {
            &["rate", "objects", "implied", "prediction", "operations", "members"]
        };
        assert_eq!(ids, wanted, "{which}");
        assert!(wanted.is_empty() || data.count() > 40, "{which}");
    }
    // What was seen and was predicted adds up: a third of the reads called.
    let page = ProfilePage { profile: &shapes[2].1, quotas: &QUOTAS }.to_html();
    let headline = all(&page).iter().find(|node| name(node) == "h1").map(text).unwrap();
    assert_eq!(headline, "Up to 19,501 KMS calls a second: over quotas of 10,000");
    // On a narrow page, where the heads of tables are hidden, each figure has its own: four for each row of calls (three)
    // and of operations (one), three for each bucket, prefix and requester.
    let headed =
        all(&page).iter().filter(|node| attribute(node, "data-th").is_some_and(|th| !th.is_empty())).count();
    assert!(headed >= 4 * 3 + 4 + 3 * 3, "{headed}");
    let labels: Vec<String> = all(&page).iter().filter(|node| name(node) == "text").map(text).collect();
    for label in ["quota 10,000", "quota 20,000", "quota 100,000", "100 %"] {
        assert!(labels.iter().any(|held| held == label), "{label}: {labels:?}");
    }
}

#[test]
fn every_figure_of_the_table_is_the_one_in_the_json() {
    let report = runs(14);
    let exact = serde_json::to_value(&report).unwrap();
    let data: Vec<Handle> = all(&report.to_html()).into_iter().filter(|node| name(node) == "data").collect();
    // Fourteen runs, and at least twenty exact columns each.
    assert!(data.len() > 14 * 15, "{}", data.len());
    for node in &data {
        let place = attribute(node, "data-of").expect("a place");
        let value = exact.pointer(&place).unwrap_or_else(|| panic!("{place} is in the JSON"));
        let shown = attribute(node, "value").expect("a value");
        let expected = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert_eq!(shown, expected, "{place}");
        if let (Some(nanos), true) = (value.as_u64(), place.contains("_ns/p") || place.ends_with("_ns/max")) {
            // What is written has three digits of it.
            let unit = text(node);
            let (number, unit) = unit.split_once(' ').expect("a unit");
            let scale = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)]
                .iter()
                .find(|(name, _)| *name == unit)
                .unwrap()
                .1;
            let written: f64 = number.replace(',', "").parse::<f64>().unwrap() * scale;
            assert!(
                (written - nanos as f64).abs() <= nanos as f64 * 0.0051,
                "{place}: {number} {unit} for {nanos}"
            );
        }
    }
}

#[test]
fn what_the_charts_say_on_hover_adds_up_to_the_json() {
    let report = planted();
    let html = report.to_html();
    let titles: Vec<String> = all(&html).iter().filter(|node| name(node) == "title").map(text).collect();
    for run in report.runs.iter().filter(|run| run.kms.calls > 0) {
        for second in run.series.iter().filter(|second| second.kms_calls > 0 && second.measured) {
            let said = format!(
                "second {}: {} KMS calls, {} throttled",
                second.second, second.kms_calls, second.throttled
            );
            assert!(titles.contains(&said), "{said}");
        }
        let mean = run.phase_mean_ns.expect("something started");
        let parts = [mean.lag, mean.kms_wait, mean.crypto, mean.store, mean.s3, mean.other];
        let whole = run.distribution(Phase::Response, false).unwrap().mean().unwrap().as_nanos();
        // Six means, each rounded down.
        assert!(whole - parts.iter().sum::<u64>() <= 6, "{parts:?} {whole}");
    }
    let p99 = |run: &Summary| run.distribution(Phase::Response, false).unwrap().quantile(99_000).as_nanos();
    assert!(report.runs.iter().all(|run| p99(run) == run.response_time_ns.p99), "curves and table agree");
}

#[test]
fn hostile_names_are_harmless_on_the_page_and_in_markdown() {
    let (report, hostile) = hostile();
    let html = report.to_html();
    let shown: String = all(&html).iter().filter(|node| name(node) == "body").map(text).collect();
    let hidden =
        |c: char| c.is_control() && c != '\n' || ('\u{590}'..='\u{8ff}').contains(&c) || c == '\u{202e}';
    assert!(!html.contains(hidden), "no control character and nothing that turns the line");
    assert!(shown.contains("</title><script"), "shown as text: {shown}");
    let longest = shown.split_whitespace().map(|word| word.chars().count()).max().unwrap();
    assert!(longest <= 1_100, "{longest}");
    let markdown = report.to_markdown();
    assert!(!markdown.contains(hidden));
    let outside_the_scenario = markdown.split("<details>").next().unwrap();
    assert!(
        !outside_the_scenario.contains("<script") && !outside_the_scenario.contains("://"),
        "{outside_the_scenario}"
    );
    let unescaped = |mark: char| {
        let text = outside_the_scenario.lines().filter(|line| line.contains("evil")).collect::<String>();
        // `&#64;` is a letter written as a number.
        text.char_indices().any(|(at, c)| c == mark && !text[..at].ends_with(['\\', '&']))
    };
    assert!(!['`', '[', ']', '#'].into_iter().any(unescaped), "{outside_the_scenario}");
    // Tables keep their columns.
    let rows = markdown.lines().filter(|line| line.starts_with("| sse-kms"));
    assert!(rows.clone().count() >= 4 && rows.clone().all(|row| row.matches(" | ").count() >= 6));
    let _ = hostile;
}

#[test]
fn a_report_of_an_older_program_is_shown_and_not_merged() {
    let mut old = serde_json::to_value(planted()).unwrap();
    for run in old["runs"].as_array_mut().unwrap() {
        let run = run.as_object_mut().unwrap();
        for field in ["record", "phase_mean_ns", "cost"] {
            run.remove(field);
        }
        for second in run["series"].as_array_mut().unwrap() {
            for field in ["cached", "joined", "fetched"] {
                second.as_object_mut().unwrap().remove(field);
            }
        }
    }
    let old = Report::from_json(&old.to_string()).unwrap();
    let html = old.to_html();
    assert!(html.contains("id=\"latency\"") && !html.contains("id=\"phases\""));
    assert_eq!(old.runs[0].response_time_ns, planted().runs[0].response_time_ns);
    let refused = Report::merge(&[("old.json".into(), old)]).unwrap_err().to_string();
    assert!(refused.contains("old.json holds no record to merge"), "{refused}");
    let newer = Report::from_json("{\"version\": 9}").unwrap_err().to_string();
    assert!(newer.contains("version 9") && newer.contains("newer s3seal"), "{newer}");
}

/// Of a role's long ARN the beginning is everybody's: who calls KMS is told apart by its end.
#[test]
fn members_whose_long_names_differ_at_the_end_are_told_apart() {
    let mut report = planted();
    for run in &mut report.runs {
        for (place, member) in run.attribution.bucket.iter_mut().enumerate() {
            member.name = Some(format!("{}end-{place}", "a-long-bucket-name-".repeat(30)));
        }
    }
    let most = report.runs.iter().map(|run| run.attribution.bucket.len().min(3)).max().unwrap();
    assert!(most > 1, "there are some to tell apart");
    let html = report.to_html();
    let members = html.split("id=\"members\"").nth(1).unwrap();
    for place in 0..most {
        assert!(members.contains(&format!("end-{place}<")), "{place}: {members}");
    }
}

#[test]
fn the_page_has_its_sections_and_one_panel_for_each_run_under_a_quota() {
    let html = planted().to_html();
    let ids: Vec<String> = all(&html).iter().filter_map(|node| attribute(node, "id")).collect();
    assert_eq!(ids, ["quota", "latency", "phases", "hits", "cost", "table", "members"]);
    let panels = all(&html)
        .iter()
        .filter(|node| attribute(node, "aria-label").is_some_and(|name| name.starts_with("KMS calls")))
        .count();
    assert_eq!(panels, 3, "three of the four planted runs stand under a quota");
    let classes: Vec<String> = all(&html).iter().filter_map(|node| attribute(node, "class")).collect();
    for class in ["throttled", "quota", "warm", "curve m0", "curve m1", "dot m2"] {
        assert!(classes.iter().any(|held| held == class), "{class}");
    }
    let headline = all(&html).iter().find(|node| name(node) == "h1").map(text).unwrap();
    assert!(planted().findings()[0].sentence.starts_with(&headline), "{headline}");
}

#[test]
fn markdown_of_the_planted_report() {
    insta::assert_snapshot!(planted().to_markdown());
}

#[test]
fn the_outline_of_the_page_of_the_planted_report() {
    // Structure without the numbers of the drawing.
    let html = planted().to_html();
    let mut outline = String::new();
    for node in all(&html) {
        let name = name(&node);
        if ["h1", "h2", "h3", "p", "li", "th", "tr", "td", "summary", "dt", "dd"].contains(&name.as_str()) {
            let _ = writeln!(outline, "{name}: {}", text(&node));
        }
    }
    insta::assert_snapshot!(outline);
}

fn linear(hex: &str) -> [f64; 3] {
    std::array::from_fn(|channel| {
        let value = u8::from_str_radix(&hex[1 + 2 * channel..3 + 2 * channel], 16).unwrap();
        let part = f64::from(value) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    })
}

/// Source: WCAG 2.2, relative luminance and contrast ratio.
fn contrast(a: &str, b: &str) -> f64 {
    let luminance =
        |hex: &str| linear(hex).iter().zip([0.2126, 0.7152, 0.0722]).map(|(c, w)| c * w).sum::<f64>();
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

type Matrix = [[f64; 3]; 3];
const SAME: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// Source: G. Machado, M. Oliveira, L. Fernandes, IEEE TVCG 15 (6), 2009, severity 1.0, on linear light.
const DEUTERANOPIA: Matrix = [
    [0.367_322, 0.860_646, -0.227_968],
    [0.280_085, 0.672_501, 0.047_413],
    [-0.011_820, 0.042_940, 0.968_881],
];
const PROTANOPIA: Matrix = [
    [0.152_286, 1.052_583, -0.204_868],
    [0.114_503, 0.786_281, 0.099_216],
    [-0.003_882, -0.048_116, 1.051_998],
];

/// CIE L*a*b* under D65 of a colour as an eye of kind `eye` sees it.
fn lab(hex: &str, eye: &Matrix) -> [f64; 3] {
    let times = |m: &Matrix, v: [f64; 3]| -> [f64; 3] {
        m.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>())
    };
    let seen = times(eye, linear(hex)).map(|part| part.clamp(0.0, 1.0));
    let xyz: Matrix = [
        [0.412_456_4, 0.357_576_1, 0.180_437_5],
        [0.212_672_9, 0.715_152_2, 0.072_175],
        [0.019_333_9, 0.119_192, 0.950_304_1],
    ];
    let [x, y, z] = times(&xyz, seen);
    let f = |t: f64| if t > 216.0 / 24_389.0 { t.cbrt() } else { (24_389.0 / 27.0 * t + 16.0) / 116.0 };
    let (x, y, z) = (f(x / 0.950_47), f(y), f(z / 1.088_83));
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[test]
fn text_has_the_contrast_of_wcag_aa_and_lines_that_of_graphics_by_day_and_by_night() {
    for theme in [LIGHT, DARK] {
        for ground in [theme.ground, theme.card] {
            for ink in [theme.text, theme.faint, theme.alarm] {
                // 4.5 for text of any size.
                assert!(contrast(ink, ground) >= 4.5, "{ink} on {ground}: {:.2}", contrast(ink, ground));
            }
        }
        for ink in theme.modes.iter().chain([&theme.calls, &theme.alarm]) {
            // 3 for graphics that carry meaning; they stand on cards.
            assert!(
                contrast(ink, theme.card) >= 3.0,
                "{ink} on {}: {:.2}",
                theme.card,
                contrast(ink, theme.card)
            );
        }
    }
}

#[test]
fn modes_keep_apart_for_colour_blind_eyes() {
    for theme in [LIGHT, DARK] {
        for eye in [SAME, DEUTERANOPIA, PROTANOPIA] {
            for (place, a) in theme.modes.iter().enumerate() {
                for b in &theme.modes[place + 1..] {
                    let apart = lab(a, &eye)
                        .iter()
                        .zip(lab(b, &eye))
                        .map(|(a, b)| (a - b).powi(2))
                        .sum::<f64>()
                        .sqrt();
                    // About 2 is just noticeable side by side; ten times that for thin lines apart from each other.
                    assert!(apart >= 20.0, "{a} and {b}: {apart:.1}");
                }
            }
            let apart = lab(theme.calls, &eye)
                .iter()
                .zip(lab(theme.alarm, &eye))
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
                .sqrt();
            assert!(apart >= 20.0, "granted and throttled: {apart:.1}");
        }
    }
}

#[test]
fn a_run_of_a_day_stays_below_a_megabyte_on_the_page() {
    let mut report = runs(14);
    for run in &mut report.runs {
        let second = run.series[run.series.len() - 1];
        run.series = (0..86_400).map(|n| SecondSummary { second: n, measured: true, ..second }).collect();
    }
    assert!(report.to_html().len() < PAGE_MAX, "{}", report.to_html().len());
    let exact: Value = serde_json::to_value(report.runs[0].series[3]).unwrap();
    assert_eq!(exact["second"], 3);
}
