//! `s3seal report merge`: one report of several; interval logs too.

use std::path::PathBuf;

use clap::Args;
use s3seal::report::{self, Report};

use super::{Failure, parsed, rendering, text};
use crate::cli::pricing;

/// How every interval log begins, whatever its file is called.
const LOG_HEAD: &str = "#[Histogram log format version ";

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Reports in JSON, or interval logs, which give an interval log
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    rendering: rendering::Arguments,
    #[command(flatten)]
    pricing: pricing::OfRun,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut logs = Vec::new();
    let mut reports = Vec::new();
    for path in &arguments.files {
        let (name, text) = text(path)?;
        if text.starts_with(LOG_HEAD) || path.extension().is_some_and(|ending| ending == "hlog") {
            if let Some((twice, _)) = logs.iter().find(|(_, other)| *other == text) {
                return Err(Failure::usage(format_args!(
                    "{twice} and {name} are the same interval log, which would count twice: give each once"
                )));
            }
            logs.push((name, text));
        } else {
            reports.push((name.clone(), parsed(&name, &text)?));
        }
    }
    if !logs.is_empty() && !reports.is_empty() {
        return Err(Failure::usage("reports and interval logs merge among themselves: give one kind"));
    }
    let outputs = arguments.rendering.open()?;
    if logs.is_empty() {
        let mut merged = Report::merge(&reports).map_err(Failure::new)?;
        // A bill is no sum of bills: tiers and free tier hold for the whole.
        if reports.iter().any(|(_, report)| report.runs.iter().any(|run| run.cost.is_some())) {
            arguments.pricing.reprice(&mut merged)?;
        }
        return arguments.rendering.write(outputs, &merged);
    }
    let mut merged = Vec::new();
    report::merge_interval_logs(&mut merged, &logs).map_err(Failure::new)?;
    outputs.write_raw(&merged)
}
