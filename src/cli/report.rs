//! `s3seal report`: what to do with reports that were saved as JSON.

mod compare;
mod merge;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use s3seal::report::Report;

use super::{Failure, file, pricing, rendering};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show a saved report in another form
    Show(Show),
    /// Make one report of the shards of a workload, or of machines that ran at the same time
    Merge(merge::Arguments),
    /// What changed between two reports, or two sets of repeats, beyond noise
    Compare(compare::Arguments),
}

#[derive(Debug, Args)]
struct Show {
    /// A report in JSON; standard input for -
    file: PathBuf,
    #[command(flatten)]
    rendering: rendering::Arguments,
    #[command(flatten)]
    pricing: pricing::OfRun,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.verb {
        Verb::Show(show) => {
            let mut report = read(&show.file)?;
            if show.pricing.is_given() {
                show.pricing.reprice(&mut report)?;
            }
            let outputs = show.rendering.open()?;
            show.rendering.write(outputs, &report).map(|()| ExitCode::SUCCESS)
        }
        Verb::Merge(arguments) => merge::run(arguments).map(|()| ExitCode::SUCCESS),
        Verb::Compare(arguments) => compare::run(arguments),
    }
}

/// Most bytes of a report: far more than fourteen long runs leave.
const BYTES_MAX: u64 = 256 << 20;

fn text(path: &Path) -> Result<(String, String), Failure> {
    let input = file::Input::new(Some(path))?;
    let name = input.name.clone();
    let mut bytes = Vec::new();
    let read = input.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(format_args!("cannot read {name}: {error}")))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Failure::new(format_args!("{name}: more than 256 MiB: expected a report in JSON")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(format_args!("{name}: not UTF-8: expected a report in JSON")))?;
    Ok((name, text))
}

fn read(path: &Path) -> Result<Report, Failure> {
    let (name, text) = text(path)?;
    parsed(&name, &text)
}

fn parsed(name: &str, text: &str) -> Result<Report, Failure> {
    if !text.trim_start().starts_with('{') {
        return Err(Failure::new(format_args!(
            "{name}: not JSON: expected a report as `s3seal sim --format json` or `load` writes it"
        )));
    }
    Report::from_json(text).map_err(|error| Failure::new(format_args!("{name}: {error}")))
}
