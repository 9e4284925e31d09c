//! Results as a folder of their own: assembled beside, then renamed; a line of history; the page of findings.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use s3seal::experiment::{Experiment, Origin, Outcome, findings};
use s3seal::report::merge_interval_logs;
use serde_json::{Value, json};

use super::super::file::{self, Output};
use super::super::{COMMIT, Failure, machine};

/// What a line of history and the findings are called.
const HISTORY: &str = "history.ndjson";
const FINDINGS: &str = "FINDINGS.md";

/// The day that results are filed under, in UTC.
pub(super) struct Day(String);

impl Day {
    pub(super) fn today() -> Self {
        Self(jiff::Timestamp::now().strftime("%Y-%m-%d").to_string())
    }

    fn folder(&self, below: &Path, name: &str) -> PathBuf {
        below.join(format!("{}-{name}", self.0))
    }
}

/// Makes the folder `below` where there is none; refuses to run for a folder in it that exists.
pub(super) fn prepare<'n>(
    below: &Path,
    day: &Day,
    names: impl Iterator<Item = &'n str>,
) -> Result<(), Failure> {
    fs::create_dir_all(below).map_err(|error| {
        Failure::usage(format_args!("--output {}: no folder can be made there: {error}", below.display()))
    })?;
    for folder in names.map(|name| day.folder(below, name)) {
        if folder.symlink_metadata().is_ok() {
            return Err(Failure::usage(format_args!(
                "{} exists, and results are append-only: name another --output, or run it tomorrow",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// What is recorded beside an outcome.
pub(super) struct Told {
    /// Interval logs with the names of their points.
    pub(super) logs: Vec<(String, String)>,
    /// What spoilt live runs.
    pub(super) spoiled: Vec<String>,
    /// What biases times on this machine.
    pub(super) biases: Option<String>,
}

/// Records `outcome` below `below`; gives its folder.
pub(super) fn record(
    below: &Path,
    day: &Day,
    experiment: &Experiment,
    outcome: &Outcome<'_>,
    told: Told,
) -> Result<PathBuf, Failure> {
    let folder = day.folder(below, &experiment.name);
    let origin = Origin {
        date: day.0.clone(),
        command: command(),
        program: format!("s3seal {}", env!("S3SEAL_VERSION")),
        commit: COMMIT.into(),
        toolchain: format!(
            "{}, {}",
            env!("S3SEAL_RUSTC"),
            if cfg!(debug_assertions) { "without optimisation" } else { "release build" }
        ),
        machine: [machine::description()].into_iter().chain(told.biases).collect::<Vec<_>>().join(". "),
        spoiled: told.spoiled,
    };
    let charts = outcome.charts();
    let names: Vec<String> = charts.iter().map(|(figure, _)| format!("{}.svg", figure.as_str())).collect();
    let mut summary = outcome.to_json();
    let facts = [
        ("date", json!(origin.date)),
        ("valid", json!(origin.spoiled.is_empty())),
        ("invalid_reasons", json!(origin.spoiled)),
        ("command", json!(origin.command)),
        ("s3seal", json!(env!("CARGO_PKG_VERSION"))),
        ("commit", json!(origin.commit)),
        ("toolchain", json!(origin.toolchain)),
        ("machine", json!(origin.machine)),
        ("charts", json!(names)),
    ];
    for (name, value) in facts {
        summary[name] = value;
    }
    let mut files = vec![
        ("README.md".to_owned(), outcome.to_markdown(&origin)),
        ("summary.json".to_owned(), pretty(&summary)),
        ("rows.csv".to_owned(), outcome.rows_csv()),
    ];
    files.extend(names.into_iter().zip(charts).map(|(name, (_, chart))| (name, chart.to_svg())));
    if !told.logs.is_empty() {
        let mut log = Vec::new();
        merge_interval_logs(&mut log, &told.logs).map_err(Failure::new)?;
        files.push(("runs.hdr".to_owned(), String::from_utf8_lossy(&log).into_owned()));
    }
    let unfinished = file::folder_beside(&folder)?;
    for (name, text) in files {
        let path = unfinished.path().join(name);
        let written = fs::File::create(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| Failure::new(format_args!("cannot write {}: {error}", folder.display())))?;
    }
    unfinished.rename(&folder)?;
    append(below, &line(&summary))?;
    index(below)?;
    Ok(folder)
}

/// What a result is remembered by: date, experiment, commit, the figures of its bands, and whether they hold.
fn line(summary: &Value) -> String {
    let bands = summary["bands"].as_array().into_iter().flatten();
    let bands: serde_json::Map<String, Value> = bands
        .filter_map(|band| {
            let kept =
                json!({ "lowest": band["lowest"], "highest": band["highest"], "holds": band["holds"] });
            Some((band["name"].as_str()?.to_owned(), kept))
        })
        .collect();
    let [date, experiment, commit, valid, holds, seeds] =
        ["date", "experiment", "commit", "valid", "holds", "seeds"].map(|name| &summary[name]);
    let line = json!({
        "date": date, "experiment": experiment, "commit": commit, "seeds": seeds, "valid": valid, "holds": holds, "bands": bands,
    });
    format!("{line}\n")
}

/// One write at the end of the file, so that no line of another process is cut by it.
fn append(below: &Path, line: &str) -> Result<(), Failure> {
    let path = below.join(HISTORY);
    let opened = fs::OpenOptions::new().create(true).append(true).open(&path);
    opened
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|error| Failure::new(format_args!("cannot write {}: {error}", path.display())))
}

/// Writes the page of findings from every folder below `below` that holds an experiment.
pub(super) fn index(below: &Path) -> Result<(), Failure> {
    let refuse = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::new(format_args!("cannot read {}: {error}", path.display()))
    };
    let mut summaries = Vec::new();
    for entry in fs::read_dir(below).map_err(|error| refuse(below, &error))? {
        let entry = entry.map_err(|error| refuse(below, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path().join("summary.json");
        if name.starts_with('.') || !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| refuse(&path, &error))?;
        let summary = serde_json::from_str(&text).map_err(|error| refuse(&path, &error))?;
        summaries.push((name, summary));
    }
    let mut output = Output::new(Some(&below.join(FINDINGS)), true, false)?;
    output.write(findings(&summaries).as_bytes())?;
    output.finish()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("plain data") + "\n"
}

/// How this program was called, without the path that it lies under.
fn command() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once("s3seal".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
