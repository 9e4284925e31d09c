//! Recorded results: a folder that is whole or not there, a line of history, the page of findings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::verdict::PLANTED;

fn s3seal(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3seal"));
    command.current_dir(folder);
    command
}

fn run(folder: &Path, file: &str) -> Output {
    s3seal(folder).args(["experiment", "run", file, "--output", "results"]).output().unwrap()
}

/// A folder with the planted experiment, one with a band that breaks, and where results go.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let broken = PLANTED.replace("\"planted\"", "\"broken\"").replace("high = 0.41", "high = 0.35");
    fs::write(folder.path().join("planted.toml"), PLANTED).unwrap();
    fs::write(folder.path().join("broken.toml"), broken).unwrap();
    fs::create_dir(folder.path().join("results")).unwrap();
    fs::write(folder.path().join("results/README.md"), "by hand").unwrap();
    folder
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_folder_for_results_that_is_not_there_is_made_and_a_file_in_its_place_is_refused() {
    let folder = folder();
    let to = |output: &str| {
        s3seal(folder.path()).args(["experiment", "run", "planted.toml", "-o", output]).output().unwrap()
    };
    let made = to("new/results");
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(names(&folder.path().join("new/results")).iter().any(|name| name.ends_with("-planted")));
    let refused = to("planted.toml");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr)
            .contains("--output planted.toml: no folder can be made there")
    );
    assert!(refused.stdout.is_empty(), "before anything runs");
}

#[test]
fn a_result_is_a_folder_of_its_own_and_a_line_of_history_and_is_never_replaced() {
    let folder = folder();
    let results = folder.path().join("results");
    let first = run(folder.path(), "planted.toml");
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    let of = |name: &str| {
        names(&results).into_iter().find(|folder| folder.ends_with(name)).expect("the folder of a result")
    };
    let planted = results.join(of("-planted"));
    let files = ["README.md", "p99.svg", "rows.csv", "summary.json", "throttled.svg"];
    assert_eq!(names(&planted), files.map(str::to_owned).into());
    let summary: Value = serde_json::from_str(&read(&planted, "summary.json")).unwrap();
    assert_eq!(
        (&summary["experiment"], &summary["holds"], &summary["valid"]),
        (&"planted".into(), &true.into(), &true.into())
    );
    assert!(
        summary["toolchain"].as_str().unwrap().contains("rustc")
            && !summary["machine"].as_str().unwrap().is_empty()
    );
    let page = read(&planted, "README.md");
    assert!(
        page.contains("`s3seal experiment run planted.toml --output results`")
            && page.contains("## Conclusions")
    );
    assert!(page.contains(summary["answer"][0].as_str().unwrap()), "{page}");

    let before = names(&results);
    let again = run(folder.path(), "planted.toml");
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("results are append-only"));
    assert_eq!(names(&results), before);

    let broken = s3seal(folder.path())
        .args(["experiment", "run", "broken.toml", "--output", "results", "--hdr"])
        .output();
    assert_eq!(broken.unwrap().status.code(), Some(3));
    let log = read(&results.join(of("-broken")), "runs.hdr");
    assert!(log.contains("quota_500__mode_sse-kms/GetObject/response,"), "{log}");
    let history = read(&results, "history.ndjson");
    let lines: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!([&lines[0]["holds"], &lines[1]["holds"]], [&Value::Bool(true), &Value::Bool(false)]);
    assert!(lines[0]["bands"]["share"]["lowest"].as_f64().unwrap() > 0.3);
    let findings = read(&results, "FINDINGS.md");
    assert!(
        findings.contains(&format!("({}/throttled.svg)", of("-planted"))) && findings.contains("**BROKEN**")
    );
    assert_eq!(read(&results, "README.md"), "by hand");
    assert!(!names(&results).iter().any(|name| name.starts_with('.')), "nothing unfinished is left");

    fs::remove_file(results.join("FINDINGS.md")).unwrap();
    let index = s3seal(folder.path()).args(["experiment", "index", "results"]).output().unwrap();
    assert!(index.status.success());
    assert_eq!(read(&results, "FINDINGS.md"), findings);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_an_experiment_and_leaves_nothing_of_it() {
    let folder = folder();
    let long = PLANTED
        .replace("duration = \"3s\"", "duration = \"200s\"")
        .replace("[1, 2, 3]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]");
    fs::write(folder.path().join("long.toml"), long).unwrap();
    let child = s3seal(folder.path())
        .args(["experiment", "run", "long.toml", "--output", "results"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Its own handler stands once it catches the signal: until then the mask of caught signals in /proc lacks it.
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mask =
            status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim().to_owned();
        u64::from_str_radix(&mask, 16).unwrap_or(0) & 0b10 != 0
    };
    if cfg!(target_os = "linux") {
        while !caught() {
            std::thread::yield_now();
        }
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted: planted is not judged"), "{said}");
    assert_eq!(names(&folder.path().join("results")), ["README.md".to_owned()].into());
}
