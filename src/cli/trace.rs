//! `--trace FILE`: requests from a log instead of a scenario's schedule.

use std::io::BufRead;
use std::path::PathBuf;

use clap::Args;
use s3seal::workload::log::{
    Account, BadLines, Column, Columns, CsvFormat, Entry, Format, Gather, LogError, LogReader, Seen,
    TimeFormat, Trace, Turn,
};

use super::log_file::{self, LogFile};
use super::{Failure, progress};

/// Files that an error names.
const TRIED: usize = 5;

#[derive(Debug, Default, Args)]
#[group(skip)]
pub(super) struct Arguments {
    /// Requests from a log or a folder of logs, at their own times, with their own names, sizes and operations
    #[arg(long, value_name = "FILE", conflicts_with = "rate")]
    pub(super) trace: Option<PathBuf>,
    /// Which columns of the trace hold what, by name or by number where there is no header
    #[arg(
        long,
        value_name = "MAP",
        requires = "trace",
        long_help = "Which columns of the trace hold what: time=Timestamp,op=Verb,bucket=Bucket,key=Key,size=Bytes,\
                     principal=Who. time, op and key are needed. By number (time=1,op=2,key=4), the file has no header. \
                     Without a map the header is to have these six names, bucket, size and principal only if there are any"
    )]
    columns: Option<Columns>,
    /// How the trace writes times: s, ms, us, ns or rfc3339
    #[arg(long, value_name = "FORMAT", requires = "trace", default_value = "s")]
    time_format: Option<TimeFormat>,
    /// How many times as fast as it was the trace is replayed
    #[arg(long, value_name = "FACTOR", requires = "trace", value_parser = speed, allow_hyphen_values = true)]
    pub(super) speed: Option<f64>,
}

/// `2` or `2x`.
fn speed(text: &str) -> Result<f64, String> {
    text.trim_end_matches('x').parse().map_err(|_| "expected a factor such as 2x or 0.5".into())
}

impl Arguments {
    /// The trace, if one is asked for, and its file's name.
    pub(super) fn read(&self) -> Result<Option<(Trace, String)>, Failure> {
        let Some(path) = &self.trace else { return Ok(None) };
        let files = log_file::find(std::slice::from_ref(path))?;
        let bar = progress::bar(log_file::total(&files), "reading");
        let name = path.display().to_string();
        let (mut gather, mut seen) = (Gather::default(), Seen::default());
        let (mut account, mut bad) = (Account::default(), BadLines::default());
        let alone = files.len() == 1;
        let mut tried = Vec::new();
        for path in &files {
            let file = log_file::open(path, &bar)?;
            let guessed = if self.columns.is_some() { None } else { Format::guess(&file.head) };
            match guessed {
                None if alone && self.columns.is_none() && file.head.trim_ascii_start().starts_with(b"{") => {
                    return Err(Failure::usage(format_args!(
                        "{}: JSON, but of no log that is known: expected a log or a CSV; a profile goes to `s3seal plan --profile`",
                        file.name
                    )));
                }
                Some(Format::Csv(_)) | None if alone => {
                    let trace = self.parse(&file.name, file.input)?;
                    return Ok(Some((trace, name)));
                }
                Some(format) => {
                    tried.push(format!("{} ({})", file.name, format.name()));
                    add(&mut gather, &mut seen, &mut account, &mut bad, file, &format)?;
                }
                None => tried.push(format!("{} (in no format that is known)", file.name)),
            }
        }
        bar.finish_and_clear();
        let defaults = CsvFormat::default();
        account.check(defaults.max_bad, true).map_err(Failure::usage)?;
        let trace = gather.finish(&name, defaults.default_bytes, bad).map_err(|error| match error {
            LogError::Empty { .. } if !alone => {
                Failure::usage(format_args!("{error}; tried {}", listed(&tried)))
            }
            error => Failure::usage(error),
        })?;
        Ok(Some((trace, name)))
    }

    /// A table: one trace.
    fn parse(&self, name: &str, input: impl BufRead) -> Result<Trace, Failure> {
        let mut format =
            CsvFormat { time: self.time_format.unwrap_or(TimeFormat::Seconds), ..CsvFormat::default() };
        match &self.columns {
            Some(columns) => {
                format.header = names(columns);
                format.columns = columns.clone();
            }
            None => format.columns = Columns::default(),
        }
        Trace::read(name, input, format).map_err(|error| match error {
            LogError::Io { .. } => Failure::new(error),
            LogError::Column { .. } if self.columns.is_none() => {
                Failure::usage(format_args!("{error}; say where it stands with --columns"))
            }
            error => Failure::usage(error),
        })
    }
}

/// The first few of `names`, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(TRIED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(TRIED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Adds the requests of `file`.
fn add(
    gather: &mut Gather,
    seen: &mut Seen,
    account: &mut Account,
    bad: &mut BadLines,
    file: LogFile,
    format: &Format,
) -> Result<(), Failure> {
    let LogFile { name, input, .. } = file;
    let mut reader = LogReader::open(&name, input, format).map_err(Failure::usage)?;
    loop {
        match reader.turn(seen).map_err(Failure::new)? {
            Turn::Entry(entry) => {
                account.read += 1;
                if let Entry::Request(request) = entry {
                    gather.record(&request);
                }
            }
            Turn::Bad(line) => {
                account.read += 1;
                account.add_bad(&name, line.clone());
                bad.push(line);
            }
            Turn::Duplicate | Turn::Again => {}
            Turn::End => return Ok(()),
        }
    }
}

/// Whether a column is named, so that there must be a header.
fn names(columns: &Columns) -> bool {
    let Columns { time, op, bucket, key, size, principal, count } = columns;
    let optional = [bucket, size, principal, count].into_iter().flatten();
    [time, op, key].into_iter().chain(optional).any(|column| matches!(column, Column::Name(_)))
}

/// What a report says of its trace.
pub(super) fn note(name: &str, trace: &Trace) -> String {
    let bad = match (trace.bad.count, trace.bad.first.first()) {
        (0, _) | (_, None) => String::new(),
        (1, Some(first)) => format!(" One line of it could not be used: {first}."),
        (count, Some(first)) => format!(" {count} lines of it could not be used, the first: {first}."),
    };
    let spread = if trace.spread {
        " It has whole seconds: requests of a second follow one another evenly in it."
    } else {
        ""
    };
    format!(
        "Requests, objects, sizes, buckets and principals are those of the trace {name}: {} requests on {} objects over {}, of \
         which {} exist at the start because they are used before they are written.{spread} The scenario gives what is around them.{bad}",
        trace.arrivals.len(),
        trace.objects,
        trace.length(),
        trace.existing.len(),
    )
}
