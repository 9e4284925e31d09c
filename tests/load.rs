//! The verb `load` as a program: its report, its exit codes, and Ctrl-C.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use s3seal::report::{Kind, Report};
use s3seal::request::SseMode;

const SMALL: &str = "[objects]\ncount = 20\nsize = { law = \"fixed\", bytes = \"4KiB\" }\n";

fn load(folder: &Path, arguments: &[&str]) -> Command {
    fs::write(folder.join("small.toml"), SMALL).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3seal"));
    command.current_dir(folder).args(["load", "--file", "small.toml", "--format", "json"]);
    command.args(["--output", "report.json"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn report(folder: &Path) -> Report {
    Report::from_json(&fs::read_to_string(folder.join("report.json")).unwrap()).unwrap()
}

#[test]
fn the_first_quota_runs_live_in_every_mode_and_the_others_are_simulated_beside() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--rate", "100", "--duration", "500ms", "--warm-up", "100ms", "--quota", "30,1000"];
    let ended = load(folder.path(), &arguments).output().unwrap();
    let report = report(folder.path());
    // A busy machine may spoil the figures; then the program says so in both places.
    let code = i32::from(!report.valid);
    assert_eq!(ended.status.code(), Some(code), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(report.valid, report.invalid_reason.is_none());
    assert!(ended.stdout.is_empty());
    let rows: Vec<_> = report.runs.iter().map(|run| (run.mode, run.kind, run.quota_per_s)).collect();
    let live = |mode, quota| (mode, Kind::Live, quota);
    let simulated = |mode| (mode, Kind::Simulated, Some(1_000));
    assert_eq!(
        rows,
        [
            live(SseMode::SseS3, None),
            live(SseMode::SseKms, Some(30)),
            live(SseMode::SseKmsBucketKey, Some(30)),
            live(SseMode::KmsCached, Some(30)),
            live(SseMode::DsseKms, Some(30)),
            live(SseMode::SseC, None),
            simulated(SseMode::SseKms),
            simulated(SseMode::SseKmsBucketKey),
            simulated(SseMode::KmsCached),
            simulated(SseMode::DsseKms),
        ]
    );
    assert!(report.runs.windows(2).all(|pair| pair[0].offered == pair[1].offered), "one schedule for all");
    let throttled =
        |mode| report.runs.iter().find(|run| run.mode == mode).is_some_and(|run| run.kms.throttled > 0);
    assert!(throttled(SseMode::SseKms) && !throttled(SseMode::SseKmsBucketKey));
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_report_of_what_had_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        load(folder.path(), &["--rate", "100", "--duration", "10m", "--modes", "sse-kms"]).spawn().unwrap();
    let begun = || {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(".s3seal-"))
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report = report(folder.path());
    assert_eq!(report.runs.len(), 1);
    assert!(report.notes.iter().any(|note| note.starts_with("Interrupted under sse-kms")));
}
