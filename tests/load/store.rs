//! `load --store`: the objects are files, sealed; no plaintext stands in them or in anything that the program says; the
//! directory is ours or refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use s3seal::report::Report;
use s3seal::request::{Operation, SseMode};
use s3seal::units::Seed;
use s3seal::workload::{Arrivals, Bodies, Population, Scenario, Shape};

const SCENARIO: &str = r#"
seed = 11
warm_up = "100ms"
duration = "600ms"
[arrival]
process = "poisson"
rate = 120
[mix]
PutObject = 30
GetObject = 40
GetObjectRange = 20
HeadObject = 5
CopyObject = 10
MultipartUpload = 2
DeleteObject = 2
ListObjects = 2
multipart = { parts = 2, part = "5MiB", objects = 2 }
[objects]
count = 40
puts = "new"
visible_after = "200ms"
size = { law = "lognormal", median = "8KiB", sigma = 1.5, min = "1", max = "300KiB" }
"#;

/// Eight bytes at each multiple of eight of every body: any sixteen bytes of a body hold one of them whole.
struct Known {
    /// By a word's upper bits: whether there is one at all.
    filter: Vec<u64>,
    words: Vec<u64>,
}

const FILTER_BITS: u32 = 26;

fn place(word: u64) -> (usize, u64) {
    let bit = word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - FILTER_BITS);
    (usize::try_from(bit / 64).unwrap(), 1 << (bit % 64))
}

impl Known {
    fn new(bodies: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut words: Vec<u64> = Vec::new();
        for body in bodies {
            words.extend(body.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)));
        }
        words.sort_unstable();
        words.dedup();
        let mut filter = vec![0; 1 << (FILTER_BITS - 6)];
        for &word in &words {
            let (index, bit) = place(word);
            filter[index] |= bit;
        }
        Self { filter, words }
    }

    /// Where in `bytes` a known word stands.
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let mut word = 0;
        for (at, byte) in bytes.iter().enumerate() {
            word = word >> 8 | u64::from(*byte) << 56;
            let (index, bit) = place(word);
            if at >= 7 && self.filter[index] & bit != 0 && self.words.binary_search(&word).is_ok() {
                return Some(at - 7);
            }
        }
        None
    }
}

/// All bodies that a run of `scenario` can meet: the population, and what each arrival writes.
fn known(scenario: &Scenario) -> Known {
    let bodies = Bodies::new(Seed(scenario.seed));
    let body = |object, version, bytes: u64| {
        let mut body = vec![0; usize::try_from(bytes).unwrap()];
        bodies.fill(object, version, 0, &mut body);
        body
    };
    let population = Population::new(scenario);
    let existing = population.iter().map(|existing| body(existing.object, 0, existing.bytes));
    let written = Arrivals::new(scenario).filter_map(|arrival| match (arrival.operation, arrival.shape) {
        (Operation::PutObject, _) => Some(body(arrival.object, arrival.version(), arrival.bytes)),
        (_, Shape::Parts { count, bytes }) => {
            Some(body(arrival.object, arrival.version(), u64::from(count) * bytes))
        }
        _ => None,
    });
    Known::new(existing.chain(written))
}

fn load(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3seal"));
    command.current_dir(folder).args(["load", "--file", "scenario.toml"]).args(arguments);
    command.output().unwrap()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("scenario.toml"), SCENARIO).unwrap();
    folder
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, text: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(text), "{said}");
    assert!(output.stdout.is_empty(), "no report");
}

#[test]
fn the_search_finds_sixteen_bytes_of_a_body_at_any_offset() {
    let body: Vec<u8> = (0..200_u8).map(|i| i.wrapping_mul(37) ^ i >> 3).collect();
    let known = Known::new([body.clone()].into_iter());
    for start in 0..8 {
        let mut text = vec![0xAA; 5];
        text.extend_from_slice(&body[start..start + 16]);
        assert!(known.find(&text).is_some(), "{start}");
    }
    assert_eq!(known.find(&[0xAA; 100]), None);
}

#[test]
fn no_plaintext_stands_in_any_file_of_any_mode_nor_in_what_the_program_says() {
    let folder = folder();
    let arguments = ["--store", "store", "--keep", "--format", "json", "--output", "report.json"];
    let output = load(folder.path(), &arguments);
    // A busy machine may spoil the figures; what was written stands all the same.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs::read(folder.path().join("report.json")).unwrap();
    let known = known(&Scenario::parse(SCENARIO).unwrap());
    for (what, said) in [("report", &report), ("stdout", &output.stdout), ("stderr", &output.stderr)] {
        assert_eq!(known.find(said), None, "{what}");
    }
    let report = Report::from_json(std::str::from_utf8(&report).unwrap()).unwrap();
    assert!(report.notes.iter().any(|note| note.contains("Objects were files in store")));
    for mode in SseMode::ALL {
        let mut all = Vec::new();
        files(&folder.path().join("store").join(mode.as_str()), &mut all);
        let parts = all.iter().filter(|path| path.to_string_lossy().contains(".upload")).count();
        let copies = all.iter().filter(|path| path.to_string_lossy().contains("copy-of")).count();
        assert!(
            all.len() > 50 && parts >= 3 && copies >= 1,
            "{mode}: {} files, {parts}, {copies}",
            all.len()
        );
        for file in all {
            assert_eq!(known.find(&fs::read(&file).unwrap()), None, "{mode}: {}", file.display());
        }
        let run = report.runs.iter().find(|run| run.mode == mode).unwrap();
        assert_eq!(
            run.failed, 0,
            "{mode}: every body was the one that was written: {:?}",
            report.invalid_reason
        );
        assert!(run.phase_ns.store.p50 > 0, "{mode}: files take time");
    }
}

#[test]
fn the_store_is_removed_when_we_made_it_emptied_when_it_was_ours_and_left_when_it_is_to_stay() {
    let folder = folder();
    let store = folder.path().join("store");
    let modes = ["--modes", "sse-c", "--duration", "200ms"];
    let ran = |more: &[&str]| {
        let output = load(folder.path(), &[&modes[..], &["--store", "store"], more].concat());
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    };
    ran(&[]);
    assert!(!store.exists(), "made by the run");
    fs::create_dir(&store).unwrap();
    ran(&[]);
    assert_eq!(fs::read_dir(&store).unwrap().count(), 0, "made by somebody else");
    ran(&["--keep"]);
    assert!(store.join("sse-c").is_dir());
    fs::write(store.join("note"), "mine").unwrap();
    ran(&[]);
    let mut left = Vec::new();
    files(&store, &mut left);
    assert_eq!(left, [store.join("note")], "what is not ours stays");
}

#[test]
fn a_directory_that_is_not_ours_or_cannot_be_used_is_refused_before_anything_runs() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full").join("thesis.txt"), "years of work").unwrap();
    assert_refused(
        &load(folder.path(), &["--store", "full"]),
        2,
        "is not empty and holds no store of s3seal",
    );
    assert_eq!(fs::read_to_string(at("full").join("thesis.txt")).unwrap(), "years of work");
    assert_refused(&load(folder.path(), &["--store", "scenario.toml"]), 2, "is no directory");
    assert_refused(
        &load(folder.path(), &["--store", "no/such/parent"]),
        1,
        "cannot make the store no/such/parent",
    );
    assert_refused(&load(folder.path(), &["--keep"]), 2, "--store <DIR>");
    // In use: somebody holds its lock.
    fs::create_dir(at("used")).unwrap();
    let marker = fs::File::create(at("used").join(".s3seal-store")).unwrap();
    marker.try_lock().unwrap();
    assert_refused(&load(folder.path(), &["--store", "used"]), 1, "is in use by another s3seal");
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_that_takes_no_more_bytes_ends_the_run_with_its_reason_and_without_a_report() {
    let folder = folder();
    let large = SCENARIO.replace(
        r#"law = "lognormal", median = "8KiB", sigma = 1.5, min = "1", max = "300KiB""#,
        r#"law = "fixed", bytes = "1MiB""#,
    );
    fs::write(folder.path().join("scenario.toml"), large).unwrap();
    // No file beyond 128 KiB, as on a disk that is full: the write fails with an error of the system.
    let script = format!(
        "trap '' XFSZ; ulimit -f 256; exec {} load --file scenario.toml --store store --output report",
        env!("CARGO_BIN_EXE_s3seal")
    );
    let output = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
    assert_refused(&output, 1, "the population could not be made: cannot write bucket-0000/");
    assert!(String::from_utf8_lossy(&output.stderr).contains("os error 27"), "says what the system said");
    assert!(!folder.path().join("report").exists() && !folder.path().join("store").exists());
}

/// A scenario with `count` objects of `bytes` each.
fn fixed(count: u64, bytes: u64) -> String {
    SCENARIO.replace("count = 40", &format!("count = {count}")).replace(
        r#"law = "lognormal", median = "8KiB", sigma = 1.5, min = "1", max = "300KiB""#,
        &format!(r#"law = "fixed", bytes = "{bytes}""#),
    )
}

#[test]
fn what_a_store_will_take_is_said_first_and_refused_where_there_is_no_room_for_it() {
    let folder = folder();
    let output = load(folder.path(), &["--store", "store", "--modes", "sse-c", "--duration", "100ms"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("s3seal: each mode writes 40 files of up to "), "{said}");
    assert!(said.contains("before it is measured, and they are removed after it; "), "{said}");
    assert!(!folder.path().join("store").exists());

    // Petabytes: more than any disk that runs this.
    let scenario = folder.path().join("scenario.toml");
    fs::write(&scenario, fixed(100_000, 1 << 40)).unwrap();
    let output = load(folder.path(), &["--store", "store", "--modes", "sse-c"]);
    assert_refused(
        &output,
        1,
        " free, and its population takes up to 100,000.0 TiB; use fewer or smaller objects",
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!folder.path().join("store").exists(), "nothing was written");

    // One mode would fit, six that stay would not: known before the first is written.
    let free = said.split(" has ").nth(1).unwrap().split(" free").next().unwrap();
    // Rounded down by one decimal, of which whole units are enough here.
    let (whole, unit) =
        free.split_once('.').map(|(whole, rest)| (whole.replace(',', ""), &rest[2..])).unwrap();
    let free = s3seal::cost::bytes(&format!("{whole}{unit}")).unwrap();
    fs::write(&scenario, fixed(128, free / 256)).unwrap();
    let output = load(folder.path(), &["--store", "store", "--keep"]);
    assert_refused(&output, 1, ", 6 modes of which --keep leaves all; use fewer");
    assert!(
        !folder.path().join("store").exists()
            || fs::read_dir(folder.path().join("store")).unwrap().count() < 2
    );
}

#[test]
fn a_closed_loop_is_named_as_such_in_text_and_json_and_takes_no_rate() {
    let folder = folder();
    let modes = ["--modes", "sse-c", "--operations", "500", "--concurrency", "2"];
    let text = load(folder.path(), &modes);
    let said = String::from_utf8_lossy(&text.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("Closed loop of 2 clients") && said.contains("A closed loop hides stalls"),
        "{said}"
    );
    let json = load(folder.path(), &[&modes[..], &["--format", "json"]].concat());
    let report = Report::from_json(&String::from_utf8_lossy(&json.stdout)).unwrap();
    assert_eq!(report.runs[0].concurrency, Some(2));
    assert_eq!(report.runs[0].completed, 500);
    let beside = [["--rate", "100"], ["--trace", "t.csv"], ["--find-max", "p99<50ms"]];
    for other in beside {
        let both = load(folder.path(), &[&["--concurrency", "2"], &other[..]].concat());
        assert_refused(&both, 2, &format!("cannot be used with '{}", other[0]));
    }
    assert_refused(
        &load(folder.path(), &["--concurrency", "0"]),
        2,
        "expected a whole number of clients from 1",
    );
}

#[test]
fn a_trace_and_a_search_keep_their_objects_in_the_directory_and_say_so() {
    let folder = folder();
    let trace = "time,op,bucket,key,size\n1.0,PUT,b,a/../k,5000\n1.1,GET,b,a/../k,\n1.2,GET,b,old,70000\n";
    std::fs::write(folder.path().join("t.csv"), trace).unwrap();
    let store = ["--store", "store", "--format", "json"];
    let kept = ["--trace", "t.csv", "--modes", "sse-kms", "--keep"];
    let output = load(folder.path(), &[&store[..], &kept].concat());
    let report = Report::from_json(&String::from_utf8_lossy(&output.stdout)).unwrap();
    assert_eq!((report.runs[0].offered, report.runs[0].completed), (3, 3));
    assert!(report.notes.iter().any(|note| note.contains("Objects were files in store")));
    let of_mode = folder.path().join("store/sse-kms/bucket-0000");
    let mut files: Vec<_> = std::fs::read_dir(of_mode).unwrap().map(|f| f.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["o000000000000.v1", "o000000000001.v0"], "by number");

    let search = ["--find-max", "failed<50%", "--modes", "sse-c", "--duration", "100ms", "--rate", "20"];
    let output = load(folder.path(), &[&store[..], &search].concat());
    let report = Report::from_json(&String::from_utf8_lossy(&output.stdout)).unwrap();
    assert!(report.searches[0].probes.len() > 1, "several rates, each in an empty folder");
    let left: Vec<_> = std::fs::read_dir(folder.path().join("store/sse-c")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    let both = load(folder.path(), &["--find-max", "failed<50%", "--store", "store", "--keep"]);
    assert_refused(&both, 2, "cannot be used with");
}
