//! Real logs, where a folder of them lies beside the project: every line is read, every value plausible.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use s3seal::workload::log::{AccessLine, Entry, Format, LogReader, Manifest, Seen, Turn};

/// Counts by kind: what a reader yields from `bytes`.
fn counts(bytes: &[u8], format: &Format, seen: &mut Seen) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    let mut reader = LogReader::open("log", bytes, format).unwrap();
    loop {
        let kind = match reader.turn(seen).unwrap() {
            Turn::Entry(Entry::Request(_)) => "request",
            Turn::Entry(Entry::Kms(call)) if call.s3_arn.is_some() => "kms by s3",
            Turn::Entry(Entry::Kms(_)) => "kms",
            Turn::Entry(Entry::Setting(_)) => "setting",
            Turn::Entry(Entry::Stored(_)) => "stored",
            Turn::Entry(Entry::Other) => "other",
            Turn::Duplicate => "duplicate",
            Turn::Bad(bad) => panic!("{bad}"),
            Turn::Again => continue,
            Turn::End => return counts,
        };
        *counts.entry(kind).or_default() += 1;
    }
}

fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
    {
        eprintln!("no folder of real logs beside the project: nothing to read");
    }
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() { all.extend(files(&entry.path())) } else { all.push(entry.path()) }
    }
    all.sort();
    all
}

fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    if !bytes.starts_with(&[0x1F, 0x8B]) {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn every_access_log_line_is_read_in_full() {
    let Some(data) = data() else { return };
    let mut lines = 0;
    for path in files(&data.join("s3-access-logs")) {
        let bytes = fs::read(&path).unwrap();
        assert_eq!(Format::guess(&bytes).map(|format| format.name()), Some("s3-access"), "{path:?}");
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let found = AccessLine::parse(line).unwrap_or_else(|error| panic!("{path:?}: {error:?}"));
            assert!((18..=27).contains(&found.fields), "{path:?}: {} fields", found.fields);
            // What the quoted fields hold must not run over into their neighbours.
            assert!(found.uri == b"-" || found.uri.ends_with(b"HTTP/1.1"), "{path:?}");
            assert!(!found.later.iter().any(|field| field.contains(&b'"')), "{path:?}");
            lines += 1;
        }
    }
    assert!(lines > 40, "{lines}");
}

#[test]
fn every_cloudtrail_record_is_read_and_those_of_s3_and_kms_are_understood() {
    let Some(data) = data() else { return };
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen = Seen::default();
    for path in files(&data.join("cloudtrail")) {
        let bytes = unpacked(&path);
        let head = &bytes[..bytes.len().min(65_536)];
        assert_eq!(Format::guess(head).map(|format| format.name()), Some("cloudtrail"), "{path:?}");
        for (kind, count) in counts(&bytes, &Format::CloudTrail, &mut seen) {
            *all.entry(kind).or_default() += count;
        }
    }
    // The collection's README counts 3,107 records.
    assert_eq!(all.values().sum::<u64>(), 3_107, "{all:?}");
    assert!(all["request"] > 200 && all["kms by s3"] >= 5 && all["kms"] > 100, "{all:?}");
}

#[test]
fn every_trace_is_guessed_and_read() {
    let Some(data) = data() else { return };
    for path in files(&data.join("traces")) {
        let bytes = fs::read(&path).unwrap();
        let format = Format::guess(&bytes).unwrap_or_else(|| panic!("{path:?}"));
        let counts = counts(&bytes, &format, &mut Seen::default());
        assert_eq!(counts.len(), 1, "{path:?}: {counts:?}");
        assert!(counts["request"] >= 3, "{path:?}");
    }
}

#[test]
fn inventories_and_their_manifests_are_read_or_refused_with_a_reason() {
    let Some(data) = data() else { return };
    let folder = data.join("inventory");
    let manifest = |name: &str| Manifest::parse(&fs::read(folder.join(name)).unwrap());
    assert_eq!(manifest("aws-docs-manifest-csv.json").unwrap().bucket, "example-source-bucket");
    for name in ["aws-docs-manifest-orc.json", "aws-docs-manifest-parquet.json"] {
        assert!(manifest(name).unwrap_err().to_string().contains("CSV"), "{name}");
    }
    let rows = fs::read(folder.join("dandi-rows.csv")).unwrap();
    let format = Format::guess(&rows).unwrap();
    assert_eq!(counts(&rows, &format, &mut Seen::default())["stored"], 4);
}
