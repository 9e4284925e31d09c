//! `s3seal scenario`: the built-in scenarios, to look at and to start one's own from.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use s3seal::workload::{FIELDS, PRESETS, preset};

use super::file::Output;
use super::{Failure, workload};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every built-in scenario in a line
    List,
    /// A built-in scenario in full, with its sources
    Show {
        /// Its name
        name: String,
    },
    /// Every field that a scenario may have, with its default and its choices
    Fields,
    /// Read a scenario file and say what is wrong with it, or what it runs
    Check {
        /// The file
        file: PathBuf,
    },
    /// A scenario of your own that begins as a built-in one
    New {
        /// The built-in one
        #[arg(default_value = "default")]
        name: String,
        /// The file to write; standard output when left out or -
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace an existing file
        #[arg(long)]
        force: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (text, output, force) = match &arguments.verb {
        Verb::List => (list(), None, false),
        Verb::Check { file } => (checked(file)?, None, false),
        Verb::Fields => (FIELDS.to_owned(), None, false),
        Verb::Show { name } => (text_of(name)?, None, false),
        Verb::New { name, output, force } => (text_of(name)?, output.as_deref(), *force),
    };
    let mut output = Output::new(output, force, false)?;
    output.write(text.as_bytes())?;
    output.finish()
}

fn list() -> String {
    let widest = PRESETS.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
    PRESETS.iter().fold(String::new(), |mut text, preset| {
        // What it shows; where the numbers come from is for `show`.
        let about = preset.about().split_once(". ").map_or(preset.about(), |(shows, _)| shows);
        let _ = writeln!(text, "{:<widest$}  {about}", preset.name);
        text
    })
}

/// What a file runs, in a line; its errors are those that `sim` and `load` would end with.
fn checked(path: &Path) -> Result<String, Failure> {
    let scenario = workload::checked(path)?;
    let modes: Vec<&str> = scenario.modes.iter().map(|mode| mode.as_str()).collect();
    Ok(format!(
        "{}: a valid scenario: {} requests/s on {} objects under {}\n",
        path.display(),
        scenario.arrival.mean_rate(),
        scenario.objects.count,
        modes.join(", ")
    ))
}

fn text_of(name: &str) -> Result<String, Failure> {
    preset(name).map(|preset| preset.text.to_owned()).map_err(Failure::usage)
}
