//! `s3seal report compare`: two reports or two sets of repeats, and a gate for CI.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use s3seal::report::{ChangeLimit, Comparison, Report, compare};
use s3seal::units::Seed;

use super::{Failure, read};
use crate::cli::file::Output;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The report to compare with; repeats of it as well, as in a1.json,a2.json,a3.json
    #[arg(value_parser = side())]
    before: Side,
    /// The report that is compared, or its repeats
    #[arg(value_parser = side())]
    after: Side,
    // A pattern of the shell gives more arguments than two: which of them belong to which side, nobody can tell.
    #[arg(hide = true)]
    more: Vec<PathBuf>,
    /// Exit with 3 when a change beyond noise passes this, such as p99>+10% or completed<-5%; may be repeated
    #[arg(long, value_name = "CHANGE")]
    fail_if: Vec<ChangeLimit>,
    /// Compare different workloads all the same
    #[arg(long)]
    anyway: bool,
    /// The number from which the bootstrap draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How the comparison is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The output file; standard output when left out or -
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

/// The reports of one side: one, or its repeats with commas between.
#[derive(Clone, Debug)]
struct Side(Vec<PathBuf>);

/// Splits at commas; a name that is no UTF-8 is one file.
fn side() -> impl TypedValueParser<Value = Side> {
    OsStringValueParser::new().map(|paths| match paths.to_str() {
        Some(paths) => Side(paths.split(',').map(PathBuf::from).collect()),
        None => Side(vec![paths.into()]),
    })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A sentence for each change beyond noise
    #[default]
    Text,
    /// Every figure with its interval
    Json,
    /// For a pull request
    Markdown,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if !arguments.more.is_empty() {
        return Err(Failure::usage(format_args!(
            "{} files, and two sides to compare: list the repeats of a side with commas, as in a1.json,a2.json b1.json,b2.json",
            arguments.before.0.len() + arguments.after.0.len() + arguments.more.len()
        )));
    }
    let side = |Side(paths): &Side| -> Result<Vec<(String, Report)>, Failure> {
        paths.iter().map(|path| Ok((path.display().to_string(), read(path)?))).collect()
    };
    let (before, after) = (side(&arguments.before)?, side(&arguments.after)?);
    let comparison =
        compare(&before, &after, arguments.anyway, Seed(arguments.seed)).map_err(Failure::usage)?;
    let text = match arguments.format {
        Format::Text => shown(&comparison, "• ", "Note: "),
        Format::Markdown => shown(&comparison, "- ", "- Note: "),
        Format::Json => serde_json::to_string_pretty(&comparison).map_err(Failure::new)? + "\n",
    };
    let mut output = Output::new(arguments.output.as_deref(), arguments.force, false)?;
    output.write(text.as_bytes())?;
    output.finish()?;
    let mut code = ExitCode::SUCCESS;
    for limit in &arguments.fail_if {
        for change in comparison.passing(*limit) {
            eprintln!("s3seal: {limit} holds: {change}");
            code = ExitCode::from(3);
        }
    }
    Ok(code)
}

fn shown(comparison: &Comparison, bullet: &str, note: &str) -> String {
    let mut text = String::new();
    for sentence in comparison.sentences() {
        let _ = writeln!(text, "{bullet}{sentence}");
    }
    let quiet = comparison.changes.iter().filter(|change| !change.beyond_noise).count();
    let of = comparison.changes.len();
    let _ = writeln!(text, "\n{quiet} of {of} figures did not change beyond noise.");
    for said in &comparison.notes {
        let _ = writeln!(text, "{note}{said}");
    }
    text
}
