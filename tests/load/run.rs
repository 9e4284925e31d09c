//! The verb `load` as a program: its report, its exit codes, and Ctrl-C.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use s3seal::report::{Kind, Report, Verdict};
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

#[test]
fn a_trace_runs_live_under_its_own_names() {
    let folder = tempfile::tempdir().unwrap();
    let trace = "time,op,bucket,key,size,principal\n1,GET,photos,cat,3KiB,ann\n1.1,PUT,photos,dog,200KiB,bob\n\
                 1.3,GET,photos,dog,,ann\n1.4,CreateMultipartUpload,tars,t,,bob\n1.4,UploadPart,tars,t,5MiB,bob\n";
    fs::write(folder.path().join("trace.csv"), trace).unwrap();
    let arguments = ["--trace", "trace.csv", "--modes", "sse-s3,sse-kms,kms-cached", "--hdr", "runs.hdr"];
    let ended = load(folder.path(), &arguments).output().unwrap();
    let report = report(folder.path());
    assert_eq!(ended.status.code(), Some(i32::from(!report.valid)));
    for run in &report.runs {
        let late = report.invalid_reason.as_deref().unwrap_or_default().contains("could not start");
        assert!((run.offered, run.completed) == (4, 4) || late, "{}", run.mode);
    }
    let names = |list: &[s3seal::report::Share]| -> Vec<String> {
        list.iter().filter_map(|share| share.name.clone()).collect()
    };
    let attribution = &report.runs[1].attribution;
    assert_eq!(names(&attribution.bucket), ["photos", "tars"]);
    assert_eq!(names(&attribution.principal), ["bob", "ann"]);
    assert!(report.notes.iter().any(|note| note.contains("trace.csv: 4 requests on 3 objects")));
    assert!(folder.path().join("runs.hdr").exists());
}

#[test]
fn a_search_runs_live_and_says_what_it_tried() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--rate",
        "100",
        "--duration",
        "200ms",
        "--warm-up",
        "0s",
        "--quota",
        "30",
        "--modes",
        "sse-kms",
        "--find-max",
        "failed<1%",
    ];
    let ended = load(folder.path(), &arguments).output().unwrap();
    let report = report(folder.path());
    assert_eq!(ended.status.code(), Some(i32::from(!report.valid)));
    let search = &report.searches[0];
    assert_eq!((report.searches.len(), report.runs.len()), (1, 1));
    assert!((search.probes[0].rate_per_s - 100.0).abs() < 1e-9, "it begins at the scenario's rate");
    // Machines differ; that the answer was tried and kept the objectives does not.
    let at_answer = search.probes.iter().find(|probe| Some(probe.rate_per_s) == search.highest_per_s);
    assert!(at_answer.is_none_or(|probe| probe.missed.is_empty()));
    assert_eq!(search.highest_per_s.is_none(), search.verdict == Verdict::Unreachable);
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
