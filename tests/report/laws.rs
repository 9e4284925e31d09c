//! What holds of every report: merging, accounting, extremes, and that what is written reads back.

#![allow(clippy::float_cmp, reason = "ratios of small counts are exact")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "quantiles in whole nanoseconds")]

use crate::rows::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use proptest::prelude::*;
use s3seal::report::*;
use s3seal::request::*;
use s3seal::units::{Seed, Span, Timestamp};

/// Mostly ordinary, sometimes absurd.
fn nanos() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..10_000_000_000u64, 1 => Just(0), 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..20u32, 1 => any::<u32>()]
}

prop_compose! {
    fn outcome()(
        operation in prop::sample::select(&Operation::ALL[..]),
        ending in prop::sample::select(&Ending::ALL[..]),
        key_source in prop::sample::select(&KeySource::ALL[..]),
        (due, lag, service) in (nanos(), nanos(), nanos()),
        spans in [nanos(), nanos(), nanos(), nanos()],
        (kms_calls, throttles, retries) in (0..5u32, 0..5u32, 0..5u32),
        (bytes, crypto_bytes, s3_requests) in (nanos(), nanos(), 0..12u32),
        (bucket, principal, kms_key) in (number(), number(), number()),
    ) -> Outcome {
        let started = Timestamp::from_nanos(due) + Span::from_nanos(lag);
        let [kms_wait, crypto, store, s3] = spans.map(Span::from_nanos);
        Outcome {
            operation, due: Timestamp::from_nanos(due), started, finished: started + Span::from_nanos(service),
            kms_wait, crypto, store, s3, key_source, kms_calls, throttles, retries, bytes, crypto_bytes, s3_requests,
            bucket, principal, kms_key, ending,
        }
    }
}

prop_compose! {
    fn kms_call()(
        name in prop::sample::select(&["Decrypt", "GenerateDataKey", "ReEncrypt"][..]),
        cause in prop::option::of(prop::sample::select(&Operation::ALL[..])),
        (due, sent, took) in (nanos(), nanos(), nanos()),
        answer in prop::sample::select(
            &[KmsAnswer::Granted, KmsAnswer::Throttled, KmsAnswer::Refused, KmsAnswer::Failed][..]
        ),
        billed in any::<bool>(),
        (bucket, principal, kms_key) in (number(), number(), number()),
    ) -> KmsCall {
        let (due, sent) = (Timestamp::from_nanos(due), Timestamp::from_nanos(sent));
        let replied = sent + Span::from_nanos(took);
        KmsCall { name, cause, due, sent, replied, answer, billed, bucket, principal, kms_key }
    }
}

fn recorded(rows: &[Outcome], calls: &[KmsCall]) -> Recorder {
    let mut recorder = Recorder::new(WINDOW);
    for row in rows {
        recorder.record(row);
    }
    for call in calls {
        recorder.record_call(call);
    }
    recorder
}

fn summary(recorder: &Recorder) -> Summary {
    Summary::new(recorder, &run(SseMode::SseKms, Kind::Live, Some(5_500)), named)
}

fn interval_log(recorder: &Recorder) -> Vec<u8> {
    let mut out = Vec::new();
    let run = LoggedRun { label: "sse kms,1", recorder, until: Timestamp::MAX };
    write_interval_log(&mut out, &[run]).expect("a vector takes anything");
    out
}

proptest! {
    // Each case allocates histograms for many operations; more cases would take minutes.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn merged_workers_say_what_one_recorder_says_in_any_order(
        rows in prop::collection::vec((outcome(), 0..3usize), 0..60),
        calls in prop::collection::vec((kms_call(), 0..3usize), 0..60),
        backwards in any::<bool>(),
    ) {
        let mut workers = vec![Recorder::new(WINDOW); 3];
        for (row, worker) in &rows {
            workers[*worker].record(row);
        }
        for (call, worker) in &calls {
            workers[*worker].record_call(call);
        }
        if backwards {
            workers.reverse();
        }
        let mut merged = Recorder::new(WINDOW);
        for worker in &workers {
            merged.merge(worker);
        }
        let rows: Vec<_> = rows.into_iter().map(|(row, _)| row).collect();
        let calls: Vec<_> = calls.into_iter().map(|(call, _)| call).collect();
        let alone = recorded(&rows, &calls);
        prop_assert_eq!(summary(&merged), summary(&alone));
        // The whole histograms, not their percentiles alone.
        prop_assert_eq!(interval_log(&merged), interval_log(&alone));
    }

    #[test]
    fn every_account_balances_and_every_report_reads_back(
        rows in prop::collection::vec(outcome(), 0..60),
        calls in prop::collection::vec(kms_call(), 0..60),
        seed in any::<u64>(),
        scenario in any::<String>(),
    ) {
        let summary = summary(&recorded(&rows, &calls));
        balances(&summary)?;
        let measured = rows.iter().filter(|row| WINDOW.contains(row.due));
        prop_assert_eq!(summary.offered, measured.clone().count() as u64);
        let sent = calls.iter().filter(|call| call.sent >= WINDOW.from);
        prop_assert_eq!(summary.kms.calls, sent.clone().count() as u64);
        prop_assert_eq!(summary.kms.billed, sent.filter(|call| call.billed).count() as u64);

        let mut report = Report::new(Seed(seed), scenario, vec![summary]);
        report.invalidate("planted".into());
        let mut json = Vec::new();
        report.write_json(&mut json).expect("a vector takes anything");
        let json = String::from_utf8(json).expect("text");
        prop_assert_eq!(&Report::from_json(&json).expect("just written"), &report);
        let text = report.to_text(Style::default());
        for not_a_number in ["NaN", "inf ", "inf\n"] {
            prop_assert!(!text.contains(not_a_number) && !json.contains(not_a_number));
        }
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }
}

fn balances(summary: &Summary) -> Result<(), TestCaseError> {
    prop_assert_eq!(summary.offered, summary.completed + summary.failed + summary.dropped);
    let Endings { succeeded, throttled, denied, key_unavailable, failed, dropped } = summary.endings;
    prop_assert_eq!(summary.completed, succeeded);
    prop_assert_eq!(summary.failed, throttled + denied + key_unavailable + failed);
    prop_assert_eq!(summary.dropped, dropped);
    prop_assert_eq!(summary.response_time_ns.count, summary.completed + summary.failed);
    prop_assert_eq!(summary.response_time_success_ns.count, summary.completed);

    let of_operations = |pick: fn(&OperationSummary) -> u64| summary.operations.iter().map(pick).sum::<u64>();
    prop_assert_eq!(of_operations(|operation| operation.offered), summary.offered);
    prop_assert_eq!(of_operations(|operation| operation.completed), summary.completed);
    prop_assert_eq!(of_operations(|operation| operation.retries), summary.retries);
    prop_assert_eq!(of_operations(|operation| operation.cache.cached), summary.cache.cached);

    let kms = &summary.kms;
    prop_assert_eq!(kms.calls, kms.granted + kms.throttled + kms.refused + kms.failed);
    prop_assert_eq!(kms.operations.iter().map(|operation| operation.calls).sum::<u64>(), kms.calls);
    let Attribution { bucket, principal, operation, kms_key } = &summary.attribution;
    for list in [bucket, principal, operation, kms_key] {
        prop_assert_eq!(list.iter().map(|share| share.calls).sum::<u64>(), kms.calls);
        prop_assert_eq!(list.iter().map(|share| share.throttled).sum::<u64>(), kms.throttled);
    }

    let of_seconds = |pick: fn(&SecondSummary) -> u64| {
        summary.series.iter().filter(|second| second.measured).map(pick).sum::<u64>()
    };
    prop_assert_eq!(of_seconds(|second| second.offered), summary.offered);
    prop_assert_eq!(of_seconds(|second| second.completed), summary.completed);
    prop_assert_eq!(of_seconds(|second| second.failed), summary.failed);
    prop_assert_eq!(of_seconds(|second| second.dropped), summary.dropped);
    prop_assert_eq!(of_seconds(|second| second.kms_calls), kms.calls);
    prop_assert_eq!(of_seconds(|second| second.throttled), kms.throttled);
    Ok(())
}

#[test]
fn percentiles_of_known_distributions_are_right_after_a_merge() {
    // The quantile functions of a uniform, an exponential and a heavy-tailed (Pareto, 1.2) distribution, in ns.
    let shapes: [fn(f64) -> f64; 3] =
        [|q| 1e6 + 9e6 * q, |q| -5e6 * (1.0 - q).ln(), |q| 1e6 * (1.0 - q).powf(-1.0 / 1.2)];
    let n = 20_000u32;
    for quantile in shapes {
        let mut exact: Vec<u64> =
            (0..n).map(|i| quantile((f64::from(i) + 0.5) / f64::from(n)) as u64).collect();
        let mut workers = vec![Recorder::new(WINDOW); 2];
        for (i, nanos) in exact.iter().enumerate() {
            let started = WINDOW.from + ms(1);
            let row = Outcome { finished: started + Span::from_nanos(*nanos), started, ..get(started) };
            workers[i % 2].record(&row);
        }
        let (mut first, second) = (workers.remove(0), workers.remove(0));
        first.merge(&second);
        let seen = summary(&first).response_time_ns;
        exact.sort_unstable();
        let at = |per_mille: usize| exact[(exact.len() * per_mille).div_ceil(1_000) - 1];
        assert_eq!((seen.count, seen.max), (u64::from(n), at(1_000)), "the maximum is exact");
        for (seen, exact) in
            [(seen.p50, at(500)), (seen.p90, at(900)), (seen.p99, at(990)), (seen.p999, at(999))]
        {
            // Three significant digits: a step is at most 1/1024 of its value wide, and its upper end is shown.
            assert!(seen >= exact && seen - exact <= exact / 500, "{seen} for {exact}");
        }
    }
}

#[test]
fn a_run_without_a_row_says_nothing_and_divides_by_nothing() {
    let nothing = summary(&Recorder::new(WINDOW));
    assert_eq!((nothing.offered, nothing.kms.calls, nothing.measured_ns), (0, 0, 4_000_000_000));
    assert_eq!(nothing.cache.hit_ratio, None);
    assert_eq!(nothing.amplification, Amplification::default());
    assert_eq!(nothing.calls_needed_per_request(), None);
    let window = Window { from: WINDOW.from, until: WINDOW.from };
    let no_time = summary(&Recorder::new(window));
    assert_eq!(no_time.offered_per_s.to_bits(), 0);
    let report = Report::new(Seed(0), String::new(), vec![nothing, no_time]);
    let text = report.to_text(Style { width: 0, colour: false });
    assert!(text.contains('–') && !text.contains("NaN"), "{text}");
    assert!(
        Report::new(Seed(0), String::new(), vec![]).to_text(Style::default()).contains("No run was made.")
    );
}

#[test]
fn one_request_stands_for_itself() {
    let row = get(WINDOW.from);
    let one = summary(&recorded(&[row], &[]));
    let Percentiles { count, p50, p999, max, .. } = one.response_time_ns;
    assert_eq!((count, p50, p999, max), (1, 2_000_000, 2_000_000, 2_000_000));
    assert_eq!((one.cache.hit_ratio, one.amplification.attempts), (Some(1.0), Some(1.0)));
    assert_eq!((one.offered_per_s, one.completed_per_s, one.bytes_per_s), (0.25, 0.25, 4_096.0));
}

#[test]
fn sums_saturate_where_they_would_wrap() {
    let huge = Outcome { bytes: u64::MAX, finished: Timestamp::MAX, ..get(WINDOW.from) };
    let seen = summary(&recorded(&[huge, huge], &[]));
    assert_eq!((seen.bytes, seen.response_time_ns.max), (u64::MAX, u64::MAX - WINDOW.from.as_nanos()));
}

#[test]
fn the_warm_up_and_what_comes_after_stand_in_the_series_alone() {
    let rows = [get(at_ms(1_999)), get(at_ms(2_000)), get(at_ms(5_999)), get(at_ms(6_000))];
    let calls = [decrypt(at_ms(1_999)), decrypt(at_ms(2_000)), decrypt(at_ms(6_001))];
    let seen = summary(&recorded(&rows, &calls));
    assert_eq!((seen.offered, seen.kms.calls), (2, 2));
    // Of the two calls one was sent when nothing was due any more: it counts, but not in the rate.
    assert_eq!(seen.kms.calls_per_s, 0.25);
    // The first row ended in the measured part, the third after it.
    assert_eq!(seen.completed_per_s, 2.0 / 4.0);
    let offered: Vec<_> =
        seen.series.iter().map(|second| (second.second, second.measured, second.offered)).collect();
    assert_eq!(offered, [(-1, false, 1), (0, true, 1), (3, true, 1), (4, false, 1), (4, true, 0)]);
}

#[test]
fn a_second_shared_with_the_warm_up_is_split_and_its_peak_is_not() {
    let window = Window { from: at_ms(2_500), until: at_ms(6_500) };
    let mut recorder = Recorder::new(window);
    for sent in [2_100, 2_200, 2_600, 3_000, 3_100] {
        recorder.record_call(&decrypt(at_ms(sent)));
    }
    let seen = summary(&recorder);
    assert_eq!((seen.kms.calls, seen.kms.peak_calls_per_s), (3, 3));
    let sent: Vec<_> = seen.series.iter().map(|s| (s.second, s.measured, s.kms_calls)).collect();
    assert_eq!(sent, [(0, false, 2), (0, true, 1), (1, true, 2)]);
}

#[test]
fn a_run_broken_off_is_measured_up_to_its_end() {
    let recorder = recorded(&[get(WINDOW.from)], &[]);
    let broken = Run { until: WINDOW.from + ms(500), ..run(SseMode::SseS3, Kind::Live, None) };
    assert_eq!(Summary::new(&recorder, &broken, named).offered_per_s, 2.0);
}

#[test]
fn a_retried_call_amplifies_and_a_request_that_gave_up_needed_one() {
    let throttled = KmsCall { answer: KmsAnswer::Throttled, ..decrypt(WINDOW.from) };
    let row = Outcome { kms_calls: 2, retries: 1, key_source: KeySource::Fetched, ..get(WINDOW.from) };
    let gave_up = Outcome { ending: Ending::Throttled, ..row };
    let calls = [throttled, decrypt(WINDOW.from), throttled, throttled];
    let seen = summary(&recorded(&[row, gave_up], &calls));
    assert_eq!((seen.kms.calls, seen.kms.needed), (4, 2));
    assert_eq!((seen.amplification.kms_calls, seen.amplification.attempts), (Some(2.0), Some(2.0)));
    assert_eq!((seen.throttled_share(), seen.failed_share()), (Some(0.75), Some(0.5)));
}

#[test]
fn members_beyond_the_tenth_are_summed_up_without_a_name() {
    let mut recorder = Recorder::new(WINDOW);
    for bucket in 0..13u32 {
        for _ in 0..=bucket {
            recorder.record_call(&KmsCall { bucket, ..decrypt(WINDOW.from) });
        }
    }
    let buckets = summary(&recorder).attribution.bucket;
    assert_eq!(
        buckets[0],
        Share {
            name: Some("bucket-12".into()),
            calls: 13,
            throttled: 0,
            billed: 13,
            s3: Some(S3Requests::default())
        }
    );
    assert_eq!(
        (buckets.len(), &buckets[10]),
        (
            11,
            &Share {
                name: None,
                calls: 1 + 2 + 3,
                throttled: 0,
                billed: 1 + 2 + 3,
                s3: Some(S3Requests::default())
            }
        )
    );
}

#[test]
fn a_newer_report_is_refused_with_a_sentence() {
    let newer = Report::from_json(r#"{"version": 2, "shape": "unknown"}"#).unwrap_err();
    assert_eq!(
        newer.to_string(),
        "the report has version 2, this s3seal reads versions 1 to 1: read it with a newer s3seal"
    );
    assert!(matches!(Report::from_json(r#"{"version": 0}"#), Err(ReportError::VersionZero)));
    for text in ["", "[]", "{\"version\": 1}", "{\"version\": \"1\"}"] {
        assert!(matches!(Report::from_json(text), Err(ReportError::Malformed(_))), "{text}");
    }
}

#[test]
fn fields_of_a_later_minor_change_are_passed_over() {
    let mut json = Vec::new();
    planted().write_json(&mut json).expect("a vector takes anything");
    let json = String::from_utf8(json).expect("text").replacen('{', "{\"colour\": \"blue\",", 1);
    assert_eq!(Report::from_json(&json).expect("read"), planted());
}

#[test]
fn the_csv_reads_back_with_an_independent_reader() {
    let mut report = planted();
    report.machine = "a \"quoted\", comma\r\nand line".into();
    let mut out = Vec::new();
    report.write_csv(&mut out).expect("a vector takes anything");
    let mut reader = csv::Reader::from_reader(out.as_slice());
    let header = reader.headers().expect("a header").clone();
    let rows: Vec<csv::StringRecord> =
        reader.records().collect::<Result<_, _>>().expect("as many fields as columns");
    assert_eq!(rows.len(), report.runs.len());
    let field = |row: usize, name: &str| {
        let place = header.iter().position(|column| column == name).expect("a known column");
        rows[row][place].to_owned()
    };
    assert_eq!(field(1, "machine"), report.machine);
    assert_eq!(field(1, "response_time_p99_ns"), report.runs[1].response_time_ns.p99.to_string());
    assert_eq!((field(0, "quota_per_s"), field(0, "hit_ratio")), (String::new(), String::new()));
}

#[test]
fn the_interval_log_reads_back_with_its_tags_and_all_its_values() {
    let log = interval_log(&sse_kms(400, 300));
    let mut tags = Vec::new();
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.expect("well formed") else { continue };
        let tag = interval.tag().expect("tagged").as_str().to_owned();
        assert_eq!(interval.duration(), std::time::Duration::from_secs(4));
        let bytes = STANDARD.decode(interval.encoded_histogram()).expect("base64");
        let histogram: Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a V2 histogram");
        let expected = if tag.ends_with("-of-successes") { 1_200 } else { 1_600 };
        assert_eq!(histogram.len(), expected, "{tag}");
        tags.push((tag, histogram.value_at_quantile(0.5)));
    }
    let names: Vec<_> = tags.iter().map(|(tag, _)| tag.rsplit('/').next().expect("parts")).collect();
    assert_eq!(
        names,
        [
            "response",
            "response-of-successes",
            "service",
            "service-of-successes",
            "kms-wait",
            "kms-wait-of-successes",
            "crypto",
            "crypto-of-successes",
            "store",
            "store-of-successes"
        ]
    );
    assert!(tags[0].0.starts_with("sse_kms_1/GetObject/"), "{}", tags[0].0);
    // 4 ms, and three digits of it.
    assert!(tags[4].1.abs_diff(4_000_000) < 4_000_000 / 1_000, "{}", tags[4].1);
}

#[test]
fn hostile_names_are_harmless_in_text_and_whole_in_json() {
    let hostile = "\u{1b}[2J\u{202e}evil\u{7}\r\n\u{5d0}\u{5d1}".to_owned() + &"x".repeat(1_024);
    let mut recorder = Recorder::new(WINDOW);
    for bucket in [0, 0, 1] {
        recorder.record_call(&KmsCall { bucket, ..decrypt(WINDOW.from) });
    }
    let of = run(SseMode::SseKms, Kind::Live, None);
    let mut report =
        Report::new(Seed(1), hostile.clone(), vec![Summary::new(&recorder, &of, |_| hostile.clone())]);
    report.machine = hostile.clone();
    report.notes = vec![hostile.clone()];
    report.invalidate(hostile.clone());
    let text = report.to_text(Style::default());
    assert!(text.contains("\\u{1b}[2J\\u{202e}evil"), "{text}");
    let hidden =
        |c: char| c.is_control() && c != '\n' || ('\u{590}'..='\u{8ff}').contains(&c) || c == '\u{202e}';
    assert!(!text.contains(hidden), "{text}");
    let table_lines = text.lines().filter(|line| line.contains(" %"));
    assert!(
        table_lines.clone().count() > 2 && table_lines.clone().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let mut json = Vec::new();
    report.write_json(&mut json).expect("a vector takes anything");
    let back = Report::from_json(std::str::from_utf8(&json).expect("text")).expect("just written");
    assert_eq!(back.runs[0].attribution.bucket[0].name.as_deref(), Some(hostile.as_str()));
}

#[test]
fn colours_are_there_only_when_asked_for() {
    let plain = planted().to_text(Style::default());
    let coloured = planted().to_text(Style { width: 80, colour: true });
    assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}["));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        stripped.push_str(before);
        rest = after.split_once('m').expect("a colour ends in m").1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain, "colours change nothing else");
}

#[test]
fn the_documented_example_is_what_is_written_and_every_field_is_described() {
    let document = include_str!("../../docs/REPORT.md");
    let example =
        document.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let mut json = Vec::new();
    documented().write_json(&mut json).expect("a vector takes anything");
    let json = String::from_utf8(json).expect("text");
    // What is printed belongs between the fences.
    assert!(example == json, "docs/REPORT.md shows another example than this one:\n{json}");
    let prose = document.replace(example, "");
    let mut fields = Vec::new();
    names(&serde_json::from_str(&json).expect("JSON"), &mut fields);
    for field in fields {
        assert!(prose.contains(&format!("`{field}`")), "docs/REPORT.md does not describe `{field}`");
    }
}

/// Two requests, one KMS call, and a throttled one in the warm-up.
fn documented() -> Report {
    let fetched = Outcome { kms_wait: ms(4), finished: at_ms(2_006), kms_calls: 1, ..get(at_ms(2_000)) };
    let rows = [Outcome { key_source: KeySource::Fetched, ..fetched }, get(at_ms(3_000))];
    let throttled = KmsCall { answer: KmsAnswer::Throttled, billed: false, ..decrypt(at_ms(1_500)) };
    let recorder = recorded(&rows, &[throttled, decrypt(at_ms(2_000))]);
    let of = run(SseMode::KmsCached, Kind::Simulated, Some(5_500));
    let mut report = Report::new(Seed(42), "rate = 1\n".into(), vec![Summary::new(&recorder, &of, named)]);
    report.s3seal = "0.1.0".into();
    report.price(&pricing()).expect("the operations exist");
    // Described field by field; as an example it is long and says little.
    report.runs[0].record = None;
    report
}

#[test]
fn every_field_of_a_record_is_described() {
    let record =
        serde_json::to_value(summary(&recorded(&[get(WINDOW.from)], &[decrypt(WINDOW.from)])).record);
    let mut fields = Vec::new();
    let mut record = record.expect("JSON");
    // Names of members and of KMS operations are no fields.
    for list in ["by_bucket", "by_principal", "by_kms_key"] {
        record[list]["names"] = serde_json::Value::Null;
    }
    record["calls"] = serde_json::Value::Null;
    names(&record, &mut fields);
    let document = include_str!("../../docs/REPORT.md");
    for field in fields {
        assert!(document.contains(&format!("`{field}`")), "docs/REPORT.md does not describe `{field}`");
    }
}

fn names(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| names(item, into)),
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            into.push(name.clone());
            names(field, into);
        }),
        _ => {}
    }
}
