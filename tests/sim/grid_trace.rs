//! The grid on traces, from a table and from access logs: cell by cell what the simulator counts, or a reason why not.
//!
//! Other than a schedule, a trace has many requests at one instant, objects that come and go and come again, names in any
//! order, and objects that are asked for and are not there.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use s3seal::sim::Limits;
use s3seal::units::Span;
use s3seal::workload::log::{
    Account, BadLines, CsvFormat, Entry, Format, Gather, LogReader, Seen, Trace, Turn,
};
use s3seal::workload::{Replay, ReplayOptions, Scenario, Source, Stop};

use crate::grid::{compare, every, limits};

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Get,
    Put,
    Range,
    Head,
    Copy,
    List,
    Delete,
    Create,
    Part,
    Complete,
}

impl Verb {
    /// As tables have it, and as access logs have it: operation and method.
    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Get => ("GET", "REST.GET.OBJECT", "GET"),
            Self::Put => ("PUT", "REST.PUT.OBJECT", "PUT"),
            Self::Range => ("GETRANGE", "REST.GET.OBJECT", "GET"),
            Self::Head => ("HEAD", "REST.HEAD.OBJECT", "HEAD"),
            Self::Copy => ("COPY", "REST.COPY.OBJECT", "PUT"),
            Self::List => ("LIST", "REST.GET.BUCKET", "GET"),
            Self::Delete => ("DELETE", "REST.DELETE.OBJECT", "DELETE"),
            Self::Create => ("CreateMultipartUpload", "REST.POST.UPLOADS", "POST"),
            Self::Part => ("UploadPart", "REST.PUT.PART", "PUT"),
            Self::Complete => ("CompleteMultipartUpload", "REST.POST.UPLOAD", "POST"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Line {
    /// Milliseconds after the line before.
    gap: u64,
    verb: Verb,
    bucket: u32,
    key: u32,
    who: u32,
    size: Option<u64>,
}

/// Lines in the order of their times, of which many may be the same: some objects are asked for far more often than others,
/// and each is read, written, deleted and asked for when it is gone.
fn lines() -> impl Strategy<Value = Vec<Line>> {
    let gap = prop_oneof![5 => Just(0_u64), 8 => 1_u64..12, 2 => 12_u64..80, 1 => 80_u64..900];
    let verb = prop_oneof![
        12 => Just(Verb::Get),
        8 => Just(Verb::Put),
        2 => Just(Verb::Range),
        1 => Just(Verb::Head),
        3 => Just(Verb::Copy),
        1 => Just(Verb::List),
        3 => Just(Verb::Delete),
        1 => Just(Verb::Create),
        1 => Just(Verb::Part),
        1 => Just(Verb::Complete),
    ];
    let key = prop_oneof![4 => Just(0_u32), 3 => 1_u32..4, 3 => 4_u32..60];
    let who = prop_oneof![3 => Just(0_u32), 2 => 1_u32..6];
    let size = prop_oneof![Just(None), (0_u64..70_000).prop_map(Some)];
    let line = (gap, verb, 0_u32..3, key, who, size);
    let line =
        line.prop_map(|(gap, verb, bucket, key, who, size)| Line { gap, verb, bucket, key, who, size });
    // One line, or a burst of the same one: many that wait for one key.
    let burst = (line, prop_oneof![9 => Just(1_usize), 1 => 2_usize..30]);
    prop::collection::vec(burst, 20..220).prop_map(|bursts| {
        let again = |(line, times): (Line, usize)| {
            (0..times).map(move |nth| if nth == 0 { line } else { Line { gap: 0, ..line } })
        };
        bursts.into_iter().flat_map(again).collect()
    })
}

/// `lines` with their times, in milliseconds from the first.
fn timed(lines: &[Line]) -> impl Iterator<Item = (u64, &Line)> {
    lines.iter().scan(0, |now, line| {
        *now += line.gap;
        Some((*now, line))
    })
}

/// As a table; times in milliseconds.
fn table(lines: &[Line]) -> Trace {
    let mut text = "time,op,bucket,key,size,principal\n".to_owned();
    for (now, line) in timed(lines) {
        let size = line.size.map(|size| size.to_string()).unwrap_or_default();
        let (op, ..) = line.verb.words();
        let Line { bucket, key, who, .. } = line;
        writeln!(text, "{}.{:03},{op},b{bucket},k{key},{size},p{who}", now / 1_000, now % 1_000).unwrap();
    }
    Trace::read("trace.csv", text.as_bytes(), CsvFormat::default()).unwrap()
}

/// As an access log, which knows whole seconds: its requests are spread over them. Two sessions to a role.
fn access_log(lines: &[Line]) -> Trace {
    let mut text = String::new();
    for (now, line) in timed(lines) {
        let (_, operation, method) = line.verb.words();
        let size = line.size.map_or("-".into(), |size| size.to_string());
        let (status, sent) = match line.verb {
            Verb::Range => (206, line.size.map_or("7".into(), |size| (size / 3 + 1).to_string())),
            Verb::Get => (200, size.clone()),
            _ => (200, "-".into()),
        };
        let Line { bucket, key, who, .. } = line;
        writeln!(
            text,
            "79a5 b{bucket} [24/Nov/2026:12:{:02}:{:02} +0000] 192.0.2.3 arn:aws:sts::111122223333:assumed-role/r{}/s{who} \
             3E57427F3 {operation} k{key} \"{method} /b{bucket}/k{key} HTTP/1.1\" {status} - {sent} {size} 12 10 \"-\" \"app/1\" - \
             h= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader b.s3.us-east-1.amazonaws.com TLSv1.3",
            now / 60_000 % 60,
            now / 1_000 % 60,
            who / 2,
        )
        .unwrap();
    }
    let format = Format::guess(text.as_bytes()).unwrap();
    let mut reader = LogReader::open("access.log", text.as_bytes(), &format).unwrap();
    let (mut gather, mut seen, mut account) = (Gather::default(), Seen::default(), Account::default());
    loop {
        match reader.turn(&mut seen).unwrap() {
            Turn::Entry(Entry::Request(request)) => {
                account.read += 1;
                gather.record(&request);
            }
            Turn::End => break,
            other => panic!("{other:?} in\n{text}"),
        }
    }
    assert_eq!(account.read, lines.len() as u64, "every line is a request");
    gather.finish("access.log", 16 << 10, BadLines::default()).unwrap()
}

/// What is around a trace.
fn around() -> impl Strategy<Value = String> {
    let layout = (1_u32..4, 1_u32..4, 1_u32..5, 1_u32..4).prop_map(|(keys, writers, uses, hosts)| {
        format!(
            "[layout]\nbuckets = 3\nkms_keys = {keys}\n[history]\nspan = \"1h\"\nwriters = {writers}\nuses_per_key = {uses}\n\
             [principals]\nroles = 3\n[fleet]\nhosts = {hosts}\n"
        )
    });
    let capacity = prop_oneof![4 => Just(1_000_000_u32), 1 => Just(20)];
    let cache = (capacity, 0_usize..3).prop_map(|(capacity, scope)| {
        let scope = ["account", "role", "session"][scope];
        format!("[cache]\ncapacity = {capacity}\nscope = \"{scope}\"\n")
    });
    let s3 = (0_usize..3)
        .prop_map(|time| format!("[s3]\nservice_time = \"{}\"\n", ["none", "standard", "express"][time]));
    let kms = prop_oneof![
        4 => Just(""),
        1 => Just("[kms]\nservice_time = { min = \"1ms\", median = \"1ms\", sigma = 0.0 }\n"),
        1 => Just("[kms]\nbackground = 7.0\n"),
        1 => Just("[kms]\nthrottle_rule = \"token-bucket\"\n"),
        1 => Just("[[fault]]\nat = \"300ms\"\nfor = \"400ms\"\nkind = \"kms-brown-out\"\nfactor = 3.0\n"),
    ];
    (any::<u32>(), layout, cache, s3, kms)
        .prop_map(|(seed, layout, cache, s3, kms)| format!("seed = {seed}\n{layout}{cache}{s3}{kms}"))
}

/// How it is replayed: all of it or a part, as fast as it was or not.
fn options() -> impl Strategy<Value = ReplayOptions> {
    let speed = prop_oneof![3 => Just(1.0), 1 => Just(7.0), 1 => Just(0.4)];
    let warm_up = prop_oneof![Just(0_u64), Just(250), Just(1_000)].prop_map(Span::from_millis);
    let stop = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Stop::Operations(60))),
        1 => Just(Some(Stop::Duration(Span::from_millis(700)))),
    ];
    (speed, warm_up, stop).prop_map(|(speed, warm_up, stop)| ReplayOptions { speed, warm_up, stop })
}

/// Compares every cell; gives how many had counts. A trace that is too short for `options` counts none.
fn compare_trace(trace: Trace, around: &str, options: ReplayOptions, limits: &[Limits]) -> usize {
    let scenario = Scenario::parse(around).unwrap_or_else(|error| panic!("{error}\n{around}"));
    match Replay::new(Arc::new(trace), &scenario, options) {
        Ok(replay) => compare(&Source::Replay(replay), limits),
        Err(_) => 0,
    }
}

proptest! {
    // A case runs each of up to four cells twice, on some 300 requests. A failure prints its seed, which is
    // kept beside this file.
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_cell_of_a_table_counts_what_the_simulator_counts(
        lines in lines(), around in around(), options in options(), limits in limits(),
    ) {
        compare_trace(table(&lines), &around, options, &limits);
    }

    #[test]
    fn every_cell_of_an_access_log_counts_what_the_simulator_counts(
        lines in lines(), around in around(), options in options(), limits in limits(),
    ) {
        compare_trace(access_log(&lines), &around, options, &limits);
    }
}

/// A fixed walk over a few objects, dozens of lines to a second: most are read, some written, copied, deleted and asked for when
/// they are gone.
fn walk() -> Vec<Line> {
    let mut turn = 1_u32;
    let mut next = |below: u32| {
        turn = turn.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (turn >> 16) % below
    };
    let verbs =
        [Verb::Get, Verb::Get, Verb::Get, Verb::Put, Verb::Put, Verb::Copy, Verb::Delete, Verb::Range];
    let line = |_| Line {
        gap: [0, 0, 3, 11, 60][next(5) as usize],
        verb: verbs[next(8) as usize],
        bucket: next(2),
        key: next(3) * next(9),
        who: next(4),
        size: Some(u64::from(next(20_000))),
    };
    (0..900).map(line).collect()
}

#[test]
fn where_a_cache_is_large_enough_every_cell_of_a_trace_has_counts() {
    let limits = every(&[400, 900, 10_000], &[1, 7, 1_000]);
    let around = "[layout]\nbuckets = 2\nkms_keys = 2\n[fleet]\nhosts = 2\n[history]\nuses_per_key = 3\n";
    let options = ReplayOptions { warm_up: Span::from_millis(1_000), ..ReplayOptions::default() };
    for trace in [table(&walk()), access_log(&walk())] {
        assert_eq!(compare_trace(trace, around, options, &limits), limits.len());
    }
}
