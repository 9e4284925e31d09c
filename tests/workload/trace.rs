//! The CSV trace reader: what it gives, what it refuses, and that it stays within its memory.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use proptest::prelude::*;
use s3seal::request::Operation;
use s3seal::units::Timestamp;
use s3seal::workload::log::{BadLines, Column, CsvFormat, CsvTrace, LogError, TimeFormat, Trace};

fn format(columns: &str) -> CsvFormat {
    CsvFormat { columns: columns.parse().unwrap(), ..CsvFormat::default() }
}

fn read(text: &str) -> Result<Trace, LogError> {
    Trace::read("trace.csv", text.as_bytes(), CsvFormat::default())
}

const HEADER: &str = "time,op,bucket,key,size,principal\n";

#[test]
fn a_trace_becomes_arrivals_with_dense_ids_and_their_names() {
    let trace = read(
        "time,op,bucket,key,size,principal\r\n\
         100.5,GET,logs,\"a,b\",1000,ann\r\n\
         100.25,PUT,data,x,16KiB,bob\r\n\
         \r\n\
         101,GetObject,data,x,,ann\r\n\
         102,REST.DELETE.OBJECT,logs,\"a,b\",-,bob\r\n",
    )
    .unwrap();
    let rows: Vec<_> =
        trace.arrivals.iter().map(|a| (a.due.as_nanos(), a.operation, a.object, a.bytes)).collect();
    assert_eq!(
        rows,
        [
            (0, Operation::PutObject, 1, 16_384),
            (250_000_000, Operation::GetObject, 0, 1_000),
            (750_000_000, Operation::GetObject, 1, 16_384),
            (1_750_000_000, Operation::DeleteObject, 0, 1_000),
        ]
    );
    assert_eq!(trace.arrivals.iter().map(|a| a.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(trace.objects, 2);
    assert_eq!(trace.existing, [(0, 1_000)], "x is written before it is read");
    assert_eq!(trace.naming.object_key(0), "a,b");
    assert_eq!((trace.naming.bucket(0), trace.naming.bucket(1)), ("logs".into(), "data".into()));
    assert_eq!(trace.naming.principal(1).role(), "bob");
    assert_eq!(trace.bad, BadLines::default());
}

#[test]
fn columns_go_by_number_or_name_and_time_by_its_format() {
    let mut by_number = format("time=1,op=3,key=2");
    (by_number.header, by_number.delimiter, by_number.time) = (false, b'\t', TimeFormat::Rfc3339);
    by_number.operations = BTreeMap::from([("G".into(), Operation::GetObject)]);
    let text = "2026-11-24T12:00:00Z\tk\tG\n2026-11-24T12:00:00.5Z\tk\tHEAD\n";
    let trace = Trace::read("t", text.as_bytes(), by_number).unwrap();
    assert_eq!(trace.arrivals[1].due, Timestamp::from_millis(500));
    assert_eq!(trace.arrivals[1].operation, Operation::HeadObject);
    assert_eq!(trace.arrivals[0].bytes, 16_384, "the default size");

    let by_name = format("time=Stamp,op=Verb,key=Name");
    let trace = Trace::read("t", &b"Verb,Stamp,Name\nPUT,1,k\n"[..], by_name).unwrap();
    assert_eq!(trace.arrivals.len(), 1);
}

#[test]
fn a_bad_line_tells_line_column_field_value_and_expectation() {
    let cases = [
        ("x,GET,b,k,1,p", 1, "time", "x"),
        ("5,FETCH,b,k,1,p", 3, "op", "FETCH"),
        ("5,GET,\"b,ü\",,1,p", 13, "key", ""),
        ("5,GET,b,k,many,p", 11, "size", "many"),
        ("5,GET,b,k,99EiB,p", 11, "size", "99EiB"),
        ("5,GET,b,k", 10, "size", ""),
        ("5,GET,b,\"k,1,p", 1, "line", "5,GET,b,\"k,1,p"),
    ];
    for (line, column, field, value) in cases {
        let text = format!("{HEADER}1,GET,b,k,1,p\n{line}\n");
        let lenient = CsvFormat { max_bad: 1.0, ..CsvFormat::default() };
        let trace = Trace::read("trace.csv", text.as_bytes(), lenient).unwrap();
        assert_eq!((trace.arrivals.len(), trace.bad.count), (1, 1), "{line}");
        let bad = &trace.bad.first[0];
        assert_eq!(
            (bad.line, bad.column, bad.field, bad.value.as_str()),
            (3, column, field, value),
            "{line}: {bad}"
        );
        assert!(!bad.expected.is_empty());
    }
}

#[test]
fn bytes_that_are_no_utf8_make_a_bad_line() {
    let lenient = CsvFormat { max_bad: 1.0, ..CsvFormat::default() };
    let text = [HEADER.as_bytes(), b"1,GET,b,k,1,p\n2,GET,b,\xFF,1,p\n"].concat();
    let trace = Trace::read("t", &text[..], lenient).unwrap();
    assert_eq!((trace.bad.count, trace.bad.first[0].field), (1, "key"));
}

#[test]
fn bad_lines_are_all_counted_the_first_kept_and_too_many_stop_the_reading() {
    let line = |n: u32| if n.is_multiple_of(50) { "bad\n".into() } else { format!("{n},GET,b,k,1,p\n") };
    let text: String = HEADER.to_owned() + &(1..=2_000).map(line).collect::<String>();
    let lenient = CsvFormat { max_bad: 0.02, ..CsvFormat::default() };
    let trace = Trace::read("t", text.as_bytes(), lenient).unwrap();
    assert_eq!((trace.bad.count, trace.bad.first.len()), (40, BadLines::KEPT));

    let error = read(&text).unwrap_err();
    assert!(matches!(error, LogError::TooManyBad { bad: 2, lines: 100, .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("trace.csv: 2 of 100 lines cannot be used, more than 0.01; the first: line 51")
    );
}

#[test]
fn a_trace_without_a_request_is_an_error() {
    for text in ["", "\n\n", HEADER] {
        assert!(matches!(read(text), Err(LogError::Empty { .. })), "{text:?}");
    }
    let error = read(&format!("{HEADER}a,b,c\n")).unwrap_err();
    assert!(
        matches!(&error, LogError::Empty { lines: 1, first: Some(bad), .. } if bad.field == "time"),
        "{error}"
    );
}

#[test]
fn a_column_that_the_header_lacks_brings_the_nearest() {
    let text = "tiem,op,bucket,key,size,principal\n1,GET,b,k,1,p\n";
    let error = read(text).unwrap_err();
    assert!(error.to_string().contains("no column `time` for `time` (did you mean `tiem`?)"), "{error}");
    let mut headless = format("time=time,op=2,key=3");
    headless.header = false;
    let error = Trace::read("t", text.as_bytes(), headless).unwrap_err();
    assert!(error.to_string().ends_with("the header has no names"), "{error}");
}

#[test]
fn requests_are_sorted_within_the_window_and_refused_beyond_it() {
    let text = format!("{HEADER}3,GET,b,c,1,p\n1,GET,b,a,1,p\n2,GET,b,b,1,p\n9,GET,b,d,1,p\n");
    let narrow = |window| CsvFormat { window, ..CsvFormat::default() };
    let sorted = Trace::read("t", text.as_bytes(), narrow(3)).unwrap();
    let seconds: Vec<u64> = sorted.arrivals.iter().map(|a| a.due.second()).collect();
    assert_eq!(seconds, [0, 1, 2, 8]);
    let error = Trace::read("t", text.as_bytes(), narrow(1)).unwrap_err();
    assert!(matches!(error, LogError::OutOfOrder { line: 3, window: 1, .. }), "{error}");
    assert!(error.to_string().contains("lies 2 s before"), "{error}");
}

#[test]
fn options_out_of_range_are_refused() {
    let defaults = CsvFormat::default;
    for (format, option) in [
        (CsvFormat { max_bad: 1.5, ..defaults() }, "max_bad"),
        (CsvFormat { max_bad: f64::NAN, ..defaults() }, "max_bad"),
        (CsvFormat { window: 0, ..defaults() }, "window"),
        (CsvFormat { delimiter: b'"', ..defaults() }, "delimiter"),
        (CsvFormat { default_bytes: u64::MAX, ..defaults() }, "default_bytes"),
    ] {
        let error = Trace::read("t", &b""[..], format).unwrap_err();
        assert!(matches!(error, LogError::Option { option: named, .. } if named == option), "{error}");
    }
}

#[test]
fn a_line_of_gigabytes_is_one_bad_line_in_bounded_memory() {
    let long = std::io::repeat(b'x').take(200 << 20);
    let input = HEADER.as_bytes().chain(long).chain(&b"\n1,GET,b,k,1,p\n"[..]);
    let lenient = CsvFormat { max_bad: 1.0, ..CsvFormat::default() };
    let trace = Trace::read("t", BufReader::new(input), lenient).unwrap();
    assert_eq!((trace.arrivals.len(), trace.bad.first[0].field), (1, "line"));
}

#[test]
fn an_input_that_fails_is_reported_with_its_line_and_ends_the_trace() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let input = BufReader::new(HEADER.as_bytes().chain(&b"1,GET,b,k,1,p\n"[..]).chain(Broken));
    let mut trace = CsvTrace::open("t", input, CsvFormat::default()).unwrap();
    let error = trace.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "t: reading after line 2: unplugged");
    assert!(trace.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, header: bool, delimiter: u8) {
        let columns = "time=1,op=2,key=3,size=4".parse().unwrap();
        let format = CsvFormat { header, delimiter, columns, max_bad: 1.0, ..CsvFormat::default() };
        let _ = Trace::read("t", &bytes[..], format);
    }

    #[test]
    fn no_table_like_text_makes_the_reader_panic(text in "([0-9.]{0,4}[,;\"\r]?(GET|PUT|LIST)?[,\"]{0,2}[a-c]?[\n,]?){0,40}") {
        let columns = "time=1,op=2,key=3".parse().unwrap();
        let format = CsvFormat { header: false, columns, max_bad: 1.0, window: 3, ..CsvFormat::default() };
        if let Ok(trace) = Trace::read("t", text.as_bytes(), format) {
            prop_assert!(trace.arrivals.is_sorted_by_key(|a| a.due));
            prop_assert!(trace.arrivals.iter().all(|a| a.object < trace.objects));
        }
    }

    #[test]
    fn a_shuffled_trace_reads_like_the_sorted_one(times in prop::collection::vec(0_u32..1_000, 1..200)) {
        let text = |times: &[u32]| -> String {
            let lines: Vec<String> = times.iter().map(|t| format!("{t},GET,b,k{t},{t},p\n")).collect();
            HEADER.to_owned() + &lines.concat()
        };
        let due = |times: &[u32]| -> Vec<(u64, u64)> {
            read(&text(times)).unwrap().arrivals.iter().map(|a| (a.due.as_nanos(), a.bytes)).collect()
        };
        let mut sorted = times.clone();
        sorted.sort_unstable();
        prop_assert_eq!(due(&times), due(&sorted));
    }
}

#[test]
fn a_column_may_be_named_in_the_format_directly() {
    let mut format = CsvFormat::default();
    format.columns.size = None;
    format.columns.op = Column::Number(2);
    assert_eq!(
        Trace::read("t", &b"time,x,bucket,key,principal\n1,GET,b,k,p\n"[..], format).unwrap().arrivals.len(),
        1
    );
}
