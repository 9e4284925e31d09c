//! The command line as its documents show it, and what they cannot show: modes of files, pipes, interrupts, damage.
#![expect(clippy::disallowed_methods, reason = "pipes are fed from threads of their own")]
#![allow(clippy::cast_possible_truncation)] // bytes of a pattern

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn the_documents_show_what_the_program_does() {
    trycmd::TestCases::new().case("tests/cli/*.md");
}

fn s3seal(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3seal"));
    command.current_dir(folder);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    s3seal(folder).args(arguments).output().expect("s3seal runs")
}

/// A folder with a key and a plaintext of `bytes`.
fn folder(bytes: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &["keygen", "key"]).status.success());
    let plain: Vec<u8> = (0..bytes).map(|i| (i * 7 + i / 256) as u8).collect();
    fs::write(folder.path().join("plain"), plain).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[cfg(unix)]
#[test]
fn a_key_file_is_readable_by_its_owner_alone_and_others_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(10);
    let key = folder.path().join("key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&key).unwrap().len(), 32);
    let quiet = run(folder.path(), &["seal", "-k", "key", "plain"]);
    assert!(quiet.stderr.is_empty(), "{}", String::from_utf8_lossy(&quiet.stderr));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let warned = run(folder.path(), &["seal", "-k", "key", "plain"]);
    assert!(String::from_utf8_lossy(&warned.stderr).contains("chmod 600 key"));
    assert!(warned.status.success());
}

#[test]
fn interval_logs_merge_under_any_name_and_the_same_one_not_twice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (seed, log) in [("1", "one.hdr"), ("2", "two.hlog"), ("1", "copy.hdr")] {
        let options =
            ["sim", "--rate", "50", "--duration", "1s", "--modes", "sse-s3", "--seed", seed, "--hdr", log];
        assert!(run(folder, &options).status.success());
    }
    let merged = run(folder, &["report", "merge", "one.hdr", "two.hlog"]);
    assert!(merged.status.success(), "{}", String::from_utf8_lossy(&merged.stderr));
    assert!(merged.stdout.starts_with(b"#[Histogram log format version 1.3]"));
    let twice = run(folder, &["report", "merge", "one.hdr", "two.hlog", "copy.hdr"]);
    assert_eq!(twice.status.code(), Some(2));
    let said = String::from_utf8_lossy(&twice.stderr);
    assert!(said.contains("one.hdr and copy.hdr are the same interval log"), "{said}");
}

#[test]
fn every_verb_has_a_manual_page_and_pages_are_not_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &["man", "."]).status.success());
    let help = String::from_utf8(run(folder.path(), &["--help"]).stdout).unwrap();
    let verbs = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let verbs: Vec<&str> =
        verbs.map_while(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").collect();
    assert!(verbs.contains(&"load") && verbs.contains(&"man"), "{verbs:?}");
    for verb in verbs {
        let page = std::fs::read_to_string(folder.path().join(format!("s3seal-{verb}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains(&format!("s3seal\\-{verb}")), "{page}");
    }
    std::fs::write(folder.path().join("s3seal.1"), "mine").unwrap();
    assert_eq!(run(folder.path(), &["man", "."]).status.code(), Some(1));
    assert_eq!(std::fs::read(folder.path().join("s3seal.1")).unwrap(), b"mine");
    assert!(run(folder.path(), &["man", ".", "--force"]).status.success());
}

#[test]
fn pipes_of_any_length_round_trip_in_silence() {
    let folder = folder(0);
    for bytes in [0, 1, 65_535, 65_536, 65_537, (8 << 20) - 1, 8 << 20, (8 << 20) + 1_usize] {
        let plain: Vec<u8> = (0..bytes).map(|i| (i * 13 + i / 256) as u8).collect();
        let sealed = piped(folder.path(), "seal", &plain);
        assert!(sealed.status.success() && sealed.stderr.is_empty());
        let opened = piped(folder.path(), "open", &sealed.stdout);
        assert!(opened.status.success() && opened.stderr.is_empty());
        assert!(opened.stdout == plain, "{bytes} bytes");
    }
}

fn piped(folder: &Path, verb: &str, input: &[u8]) -> Output {
    let mut child = s3seal(folder)
        .args([verb, "--key", "key"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The program may end before it has read everything; what it says then is the test's subject.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

#[test]
fn a_damaged_object_leaves_no_file_and_into_a_pipe_only_an_authentic_prefix() {
    let folder = folder(300_000);
    let plain = fs::read(folder.path().join("plain")).unwrap();
    assert!(run(folder.path(), &["seal", "-k", "key", "plain", "-o", "sealed"]).status.success());
    let sealed = fs::read(folder.path().join("sealed")).unwrap();
    let mut flipped = sealed.clone();
    flipped[200_000] ^= 1;
    let longer: Vec<u8> = sealed.iter().copied().chain([0]).collect();
    for (name, bytes) in [("flipped", &flipped), ("cut", &sealed[..150_000].to_vec()), ("longer", &longer)] {
        fs::write(folder.path().join("damaged"), bytes).unwrap();
        let before = names(folder.path());
        let to_file = run(folder.path(), &["open", "-k", "key", "damaged", "-o", "opened"]);
        assert_eq!(to_file.status.code(), Some(1), "{name}");
        assert_eq!(names(folder.path()), before, "{name}: no file is left");
        let to_pipe = run(folder.path(), &["open", "-k", "key", "damaged"]);
        assert_eq!(to_pipe.status.code(), Some(1), "{name}");
        assert!(plain.starts_with(&to_pipe.stdout), "{name}");
        let said = String::from_utf8_lossy(&to_pipe.stderr).into_owned();
        assert!(
            said.contains(&format!("the {} bytes written are authentic", to_pipe.stdout.len())),
            "{said}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_no_partial_file_stays() {
    let folder = folder(1_000_000);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = s3seal(folder.path()).args(["seal", "-k", "key", "plain"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("cannot write standard output: No space left"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_removes_the_unfinished_file() {
    let folder = folder(0);
    let mut child = s3seal(folder.path())
        .args(["seal", "--key", "key", "--output", "sealed"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&[0; 100]).unwrap();
    let begun = || names(folder.path()).iter().any(|name| name.starts_with(".s3seal-"));
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::yield_now();
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(folder.path()), ["key", "plain"]);
    drop(stdin);
}

#[test]
fn a_file_may_be_replaced_by_itself() {
    let folder = folder(100_000);
    let plain = fs::read(folder.path().join("plain")).unwrap();
    assert!(run(folder.path(), &["seal", "-k", "key", "plain", "-o", "plain", "--force"]).status.success());
    assert!(run(folder.path(), &["open", "-k", "key", "plain", "-o", "plain", "--force"]).status.success());
    assert!(fs::read(folder.path().join("plain")).unwrap() == plain);
}

/// A report as JSON, from `sim` with these arguments.
fn simulated(folder: &Path, arguments: &[&str]) -> s3seal::report::Report {
    let ended = s3seal(folder).args(["sim", "--format", "json"]).args(arguments).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    s3seal::report::Report::from_json(&String::from_utf8(ended.stdout).unwrap()).unwrap()
}

#[test]
fn an_interval_log_reads_back_with_the_tools_of_its_format_and_agrees_with_the_report() {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--rate", "200", "--duration", "2s", "--quota", "100,1000", "--modes", "sse-s3,sse-kms"];
    let report = simulated(folder.path(), &[&arguments[..], &["--hdr", "runs.hdr"]].concat());
    let log = fs::read(folder.path().join("runs.hdr")).unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.expect("the format's own reader reads it") else { continue };
        let tag = interval.tag().expect("every interval has one").as_str().to_owned();
        assert_eq!(interval.duration(), std::time::Duration::from_secs(2), "{tag}");
        let bytes =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, interval.encoded_histogram());
        let histogram: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut &bytes.unwrap()[..]).unwrap();
        assert!(seen.insert(tag.clone(), histogram).is_none(), "{tag} is there once");
    }
    let labels = ["sse-s3", "sse-kms-simulated-100", "sse-kms-simulated-1000"];
    assert_eq!(report.runs.len(), labels.len());
    for (run, label) in report.runs.iter().zip(labels) {
        for operation in &run.operations {
            let histogram = &seen[&format!("{label}/{}/response", operation.operation)];
            assert_eq!(histogram.len(), operation.response_time_ns.count, "{label}");
            let p99 = operation.response_time_ns.p99;
            // Both keep three digits; the report never goes beyond the maximum.
            assert!(histogram.value_at_quantile(0.99).abs_diff(p99) <= p99 / 500, "{label}");
        }
    }
    assert!(seen.contains_key("sse-kms-simulated-100/GetObject/response-of-successes"));
    assert!(seen.contains_key("sse-kms-simulated-100/GetObject/kms-wait"));
}

#[test]
fn a_number_of_requests_ends_a_run_as_a_time_does() {
    let folder = tempfile::tempdir().unwrap();
    let report = simulated(
        folder.path(),
        &["--rate", "100", "--operations", "77", "--warm-up", "1s", "--modes", "sse-s3"],
    );
    assert_eq!(report.runs[0].offered, 77);
    assert!(report.scenario.contains("operations = 77") && !report.scenario.contains("\nduration"));
}

#[test]
fn the_highest_rate_is_a_fixed_point_it_holds_and_one_step_further_does_not() {
    use s3seal::report::Verdict;
    let folder = tempfile::tempdir().unwrap();
    let common = ["--duration", "2s", "--warm-up", "0s", "--quota", "200"];
    let search = ["--rate", "300", "--modes", "sse-s3,sse-kms", "--find-max", "p99<100ms,failed<0.1%"];
    let report = simulated(folder.path(), &[&common[..], &search].concat());
    let verdicts: Vec<_> = report.searches.iter().map(|search| search.verdict).collect();
    assert_eq!(verdicts, [Verdict::Unlimited, Verdict::Found]);
    let found = &report.searches[1];
    let (highest, exceeded) = (found.highest_per_s.unwrap(), found.exceeded_per_s.unwrap());
    assert!(highest < exceeded && exceeded <= highest * 1.011, "{highest} to {exceeded}");
    let objectives: s3seal::report::Objectives = found.objectives.parse().unwrap();
    let at = |rate: f64| {
        let rate = rate.to_string();
        let one = ["--rate", rate.as_str(), "--modes", "sse-kms"];
        simulated(folder.path(), &[&common[..], &one].concat()).runs.remove(0)
    };
    // A run at the answer keeps the objectives and is the one that stands in the report; one step beyond does not.
    assert_eq!(at(highest), report.runs[1]);
    assert!(objectives.missed(&at(highest)).is_empty());
    assert!(!objectives.missed(&at(exceeded)).is_empty() && !found.missed.is_empty());
}

#[test]
fn roles_that_may_not_use_the_keys_end_denied_whatever_is_cached() {
    let folder = tempfile::tempdir().unwrap();
    let report = simulated(
        folder.path(),
        &["--rate", "200", "--duration", "2s", "--set", "principals.roles=4", "--set", "kms.denied_roles=1"],
    );
    for run in &report.runs {
        let uses_kms = run.quota_per_s.is_some();
        assert_eq!(run.endings.denied > 0, uses_kms, "{}", run.mode);
        // A fourth of the requests; six deviations of a binomial of 400.
        assert!(!uses_kms || run.endings.denied.abs_diff(run.offered / 4) < 55, "{}", run.mode);
        assert_eq!(run.endings.denied, run.failed, "{}", run.mode);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_of_a_report_and_no_file_gets_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let small = ["sim", "--rate", "50", "--duration", "500ms", "--warm-up", "0s"];
    let ended = |more: &[&str]| {
        let output = s3seal(folder.path()).args(small).args(more).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let full = |name: &str| format!("s3seal: cannot write {name}: No space left on device (os error 28)\n");
    assert_eq!(ended(&["--output", "/dev/full"]), (Some(1), full("/dev/full")));
    assert_eq!(ended(&["--output", "report.txt", "--hdr", "/dev/full"]), (Some(1), full("/dev/full")));
    let stdout = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = s3seal(folder.path()).args(small).stdout(stdout).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(names(folder.path()), Vec::<String>::new(), "no report, whole or half");
    assert_eq!(
        ended(&["--output", "/dev/null"]),
        (Some(0), String::new()),
        "a device is written to, not replaced"
    );
    // A folder that is a file, and one that is not there.
    fs::write(folder.path().join("file"), "").unwrap();
    let (code, said) = ended(&["--output", "file/report.txt"]);
    assert!(code == Some(1) && said.contains("no file can be made in file"), "{said}");
}

#[test]
fn the_version_names_the_commit_that_a_report_names() {
    let folder = tempfile::tempdir().unwrap();
    let said = String::from_utf8(run(folder.path(), &["--version"]).stdout).unwrap();
    let commit = simulated(folder.path(), &["--rate", "10", "--duration", "100ms"]).commit;
    let hexadecimal = commit.chars().all(|c| c.is_ascii_hexdigit());
    assert!(hexadecimal && (commit.is_empty() || commit.len() == 40), "{commit}");
    let version = env!("CARGO_PKG_VERSION");
    let expected = match commit.get(..12) {
        Some(short) => format!("s3seal {version} ({short})\n"),
        None => format!("s3seal {version}\n"),
    };
    assert_eq!(said, expected);
}

#[test]
fn the_key_file_is_never_replaced_by_what_it_sealed_or_opened() {
    let folder = folder(100);
    let key = fs::read(folder.path().join("key")).unwrap();
    assert!(run(folder.path(), &["seal", "plain", "-k", "key", "-o", "sealed"]).status.success());
    for arguments in [
        ["seal", "plain", "-k", "key", "-o", "key", "--force"],
        ["open", "sealed", "-k", "key", "-o", "./key", "--force"],
    ] {
        let refused = run(folder.path(), &arguments);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("is the key file"));
        assert_eq!(fs::read(folder.path().join("key")).unwrap(), key);
    }
}

#[cfg(unix)]
#[test]
fn what_is_opened_is_for_its_owner_alone_and_a_replaced_file_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(100);
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert!(run(folder.path(), &["seal", "plain", "-k", "key", "-o", "sealed"]).status.success());
    assert!(run(folder.path(), &["open", "sealed", "-k", "key", "-o", "opened"]).status.success());
    assert_eq!(mode("opened"), 0o600);
    for kept in [0o640, 0o666, 0o400] {
        fs::set_permissions(folder.path().join("opened"), fs::Permissions::from_mode(kept)).unwrap();
        assert!(
            run(folder.path(), &["open", "sealed", "-k", "key", "-o", "opened", "--force"]).status.success()
        );
        assert_eq!(mode("opened"), kept);
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_enough_is_no_error_to_read_of() {
    let folder = folder(9 << 20);
    assert!(run(folder.path(), &["seal", "plain", "-k", "key", "-o", "sealed"]).status.success());
    let mut child = s3seal(folder.path())
        .args(["open", "sealed", "-k", "key"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(141));
    assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_simulated_month_is_that_of_caches_that_have_renewed_their_keys_unless_times_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let cached = ["--rate", "20", "--modes", "sse-s3,kms-cached", "--set", "cache.max_age=8s"];
        simulated(folder.path(), &[&cached[..], more].concat())
    };
    let seconds = |report: &s3seal::report::Report| {
        [0, 1].map(|run: usize| report.runs[run].measured_ns / 1_000_000_000)
    };
    let steady = run(&[]);
    assert_eq!((seconds(&steady), steady.name.as_str()), ([5, 8], "default"));
    assert_eq!(steady.runs[1].reuse.unwrap().warm_up_ns, 8_000_000_000);
    assert_eq!(steady.filling(), None);
    // One quota of the default scenario, whoever runs it, and a Region's own where one is named.
    let quota = |more: &[&str]| run(more).runs[1].quota_per_s;
    assert_eq!([quota(&[]), quota(&["--region", "us-east-1"])], [Some(5_500), Some(100_000)]);
    let short = run(&["--duration", "2s"]);
    assert_eq!(seconds(&short), [2, 2]);
    assert!(short.filling().unwrap().contains("--warm-up 8s --duration 8s"));
    // A number of requests ends with the last of them.
    let counted = run(&["--operations", "100"]);
    assert!(counted.runs.iter().all(|run| run.offered == 100), "{:?}", seconds(&counted));
}

#[test]
fn regions_have_one_rule_and_scenario_files_can_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let ended = s3seal(folder.path()).args(arguments).output().unwrap();
        let text = [ended.stdout, ended.stderr].concat();
        (ended.status.code(), String::from_utf8(text).unwrap())
    };
    let tiny = ["--rate", "5", "--duration", "1s", "--warm-up", "0s", "--modes", "sse-kms"];
    let (code, text) = said(&[&["sim", "--region", "mars-north-1"], &tiny[..]].concat());
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("mars-north-1 stands in no quota table") && text.contains("no prices are known there"),
        "{text}"
    );
    let (code, text) = said(&[&["sim", "--region", "mars"], &tiny[..]].concat());
    assert_eq!((code, text.contains("kms.region")), (Some(2), true), "{text}");
    std::fs::write(folder.path().join("mine.toml"), "[kms]\nregion = \"mars\"\n").unwrap();
    let (code, text) = said(&["scenario", "check", "mine.toml"]);
    assert_eq!((code, text.contains("mine.toml")), (Some(2), true), "{text}");
    std::fs::write(folder.path().join("mine.toml"), "[kms]\nquota = 300000000\n").unwrap();
    assert_eq!(said(&["scenario", "check", "mine.toml"]).0, Some(2), "refused before the run, not in it");
    std::fs::write(folder.path().join("mine.toml"), "[kms]\nquota = 268435456\n").unwrap();
    let (code, text) = said(&["scenario", "check", "mine.toml"]);
    assert_eq!((code, text.contains("a valid scenario")), (Some(0), true), "{text}");
    for refused in [&["--quota", "5500,5500"][..], &["--quota", "5500,"], &["--seed", "-1"]] {
        let (code, text) = said(&[&["sim"], refused].concat());
        assert!(code == Some(2) && !text.contains("invalid digit"), "{text}");
    }
}
