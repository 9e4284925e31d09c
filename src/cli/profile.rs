//! `s3seal profile`: real logs in, a workload profile out; and profiles of shards into one.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use s3seal::report::ProfilePage;
use s3seal::request::SseMode;
use s3seal::units::Span;
use s3seal::workload::log::{
    Account, Columns, CsvFormat, Format, LogReader, Manifest, ManifestError, Seen, TimeFormat, Turn,
};
use s3seal::workload::profile::{AnonymiseKey, Profile, ProfileOptions, Profiler, QUOTAS, summary};
use s3seal::workload::span;

use super::document::{Document, Writing};
use super::file::Output;
use super::log_file::{self, LogFile};
use super::{Failure, key_file, progress};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Logs: files, folders, patterns; - or nothing for standard input. Plain, gzip or zstd
    #[arg(value_name = "LOG")]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// An S3 Inventory (its manifest.json, or its CSV files): which objects are under SSE-KMS; may be repeated
    #[arg(long, value_name = "FILE")]
    inventory: Vec<PathBuf>,
    /// The SSE mode of objects of which nothing else tells
    #[arg(long, value_name = "MODE")]
    assume: Option<SseMode>,
    /// How long a Bucket Key serves: AWS publishes no figure
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5m")]
    bucket_key_lifetime: Span,
    /// Over how long before the log the objects were written that are older: under so many Bucket Keys do they stand
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1d")]
    history: Span,
    /// How many /-ended parts of a key make its prefix
    #[arg(long, value_name = "PARTS", default_value_t = 1)]
    prefix_depth: usize,
    /// Replace names by hashes under the key in this file (see `s3seal keygen`)
    #[arg(long, value_name = "KEYFILE")]
    anonymise: Option<PathBuf>,
    #[command(flatten)]
    writing: Writing,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Profiles of shards or days into one
    Merge(MergeArguments),
}

#[derive(Debug, Args)]
struct MergeArguments {
    /// Profiles as JSON
    #[arg(value_name = "PROFILE", required = true)]
    profiles: Vec<PathBuf>,
    #[command(flatten)]
    writing: Writing,
}

/// How logs are read.
#[derive(Debug, Args)]
#[group(skip)]
struct Reading {
    /// How the logs are written; guessed from their content when left out
    #[arg(long = "log", value_name = "FORMAT", long_help = LOG_HELP)]
    log_format: Option<Format>,
    /// For CSV: which column is which, as in time=ts,op=2,key=Key,size=4
    #[arg(long, value_name = "MAP")]
    columns: Option<Columns>,
    /// For CSV: how times are written: s, ms, us, ns or rfc3339
    #[arg(long, value_name = "FORMAT", requires = "columns")]
    time_format: Option<TimeFormat>,
    /// For CSV: the character between fields
    #[arg(long, value_name = "CHAR", requires = "columns")]
    delimiter: Option<char>,
    /// For CSV: the first line is no header
    #[arg(long, requires = "columns")]
    no_header: bool,
    /// The share of lines that may be bad
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "1%")]
    max_bad: f64,
}

const LOG_HELP: &str = "How the logs are written: s3-access, cloudtrail, inventory, oracle-general, ibm-cos, twitter, meta \
                        or csv; guessed from their content when left out";

fn time(text: &str) -> Result<Span, String> {
    let span = span(text).filter(|span| *span > Span::ZERO);
    span.ok_or_else(|| "expected a time above 0 such as 30s, 5m or 1h".into())
}

fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().ok().map(|number| number / unit);
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a share such as 1% or 0.01".into())
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(Verb::Merge(arguments)) = &arguments.verb {
        return merge(arguments);
    }
    let output = arguments.writing.open()?;
    let key = arguments.anonymise.as_deref().map(key_file::read_bytes).transpose()?;
    let options = ProfileOptions {
        assume: arguments.assume,
        bucket_key_lifetime: arguments.bucket_key_lifetime,
        history: arguments.history,
        prefix_depth: arguments.prefix_depth,
    };
    let mut run = Run {
        profiler: Profiler::new(options),
        account: Account::default(),
        seen: Seen::default(),
        max_bad: arguments.reading.max_bad,
        told: Vec::new(),
        passed_over: 0,
        bar: ProgressBar::hidden(),
    };
    let given = arguments.reading.format()?;
    let standard_input = [PathBuf::from("-")];
    let logs = if arguments.logs.is_empty() { &standard_input[..] } else { &arguments.logs };
    let logs = log_file::find(logs)?;
    run.bar = progress::bar(log_file::total(&logs), "reading");
    // Modes must be known before the requests come.
    for path in log_file::find(&arguments.inventory)? {
        run.inventory(&path)?;
    }
    let (manifests, logs): (Vec<_>, Vec<_>) =
        logs.into_iter().partition(|path| path.file_name().is_some_and(|name| name == "manifest.json"));
    for path in manifests {
        run.inventory(&path)?;
    }
    let one = logs.len() == 1;
    for path in logs {
        run.log(&path, given.as_ref(), one)?;
    }
    run.bar.finish_and_clear();
    run.report();
    if run.passed_over > 0 && run.account.read == 0 {
        return Err(Failure::usage(format_args!(
            "none of the {} files is like a format that is known; name it with --log, or its columns with --columns (docs/LOGS.md)",
            run.passed_over
        )));
    }
    run.account.check(run.max_bad, true).map_err(Failure::new)?;
    let mut profile = run.profiler.finish(&run.account);
    if let Some(key) = key {
        profile.anonymise(&AnonymiseKey::new(*key));
    }
    arguments.writing.write(output, &profile)
}

/// Files passed over that are named.
const SHOWN: u64 = 5;

/// A reading under way.
struct Run {
    profiler: Profiler,
    account: Account,
    seen: Seen,
    max_bad: f64,
    /// Formats that the user has been told of.
    told: Vec<&'static str>,
    /// Files that are no log.
    passed_over: u64,
    bar: ProgressBar,
}

impl Run {
    /// Reads the log at `path`: as `given`, else by its content. One of many that is no log is passed over.
    fn log(&mut self, path: &Path, given: Option<&Format>, alone: bool) -> Result<(), Failure> {
        let file = log_file::open(path, &self.bar)?;
        let guessed = if given.is_some() { None } else { Format::guess(&file.head) };
        let Some(format) = given.or(guessed.as_ref()) else {
            // One that cannot be read says so itself.
            if !matches!(Manifest::parse(&file.head), Err(ManifestError::Json(_))) {
                return self.inventory(path);
            }
            if alone && !file.head.is_empty() {
                return Err(Failure::usage(format_args!(
                    "{}: like no format that is known; name it with --log, or its columns with --columns (docs/LOGS.md)",
                    file.name
                )));
            }
            if !file.head.is_empty() {
                self.passed_over += 1;
                if self.passed_over <= SHOWN {
                    self.say(&format!("{}: passed over, like no format that is known", file.name));
                }
            }
            return Ok(());
        };
        if guessed.is_some() && !self.told.contains(&format.name()) {
            self.told.push(format.name());
            self.say(&format!("{}: looks like {format} (--log says otherwise)", file.name));
        }
        self.read(file, format)
    }

    fn read(&mut self, file: LogFile, format: &Format) -> Result<(), Failure> {
        let LogFile { name, input, .. } = file;
        self.profiler.file(format.name());
        let mut reader = LogReader::open(&name, input, format).map_err(Failure::new)?;
        loop {
            match reader.turn(&mut self.seen).map_err(Failure::new)? {
                Turn::Entry(entry) => {
                    self.account.read += 1;
                    self.profiler.record(&entry);
                }
                Turn::Duplicate => {
                    self.account.read += 1;
                    self.profiler.duplicate();
                }
                Turn::Bad(bad) => {
                    self.account.read += 1;
                    self.account.add_bad(&name, bad);
                    if let Err(error) = self.account.check(self.max_bad, false) {
                        self.bar.finish_and_clear();
                        self.report();
                        return Err(Failure::new(error));
                    }
                }
                Turn::Again => {}
                Turn::End => return Ok(()),
            }
        }
    }

    /// Reads an inventory: the files that a manifest names, or rows.
    fn inventory(&mut self, path: &Path) -> Result<(), Failure> {
        let file = log_file::open(path, &self.bar)?;
        if !file.head.trim_ascii_start().starts_with(b"{") {
            return self.read(file, &Format::Inventory(s3seal::workload::log::Schema::default()));
        }
        let LogFile { name, mut input, .. } = file;
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut input, &mut text)
            .map_err(|error| Failure::new(format_args!("cannot read {name}: {error}")))?;
        let manifest =
            Manifest::parse(&text).map_err(|error| Failure::new(format_args!("{name}: {error}")))?;
        for key in &manifest.files {
            let Some(path) = beside(path, key) else {
                return Err(Failure::new(format_args!(
                    "{name}: its file {key} is not there; keep the folders of the inventory as they are in S3"
                )));
            };
            let file = log_file::open(&path, &self.bar)?;
            self.read(file, &Format::Inventory(manifest.schema))?;
        }
        Ok(())
    }

    fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("s3seal: {text}"));
    }

    /// Shows the first bad lines, and how many more files were no logs.
    fn report(&self) {
        if self.passed_over > SHOWN {
            eprintln!("s3seal: and {} more files passed over", self.passed_over - SHOWN);
        }
        for (file, bad) in &self.account.first {
            eprintln!("s3seal: {file}: {bad}");
        }
        let (bad, shown) = (self.account.bad, self.account.first.len() as u64);
        if bad > shown {
            eprintln!("s3seal: and {} more lines that cannot be used", bad - shown);
        }
    }
}

/// The local copy of the object `key` that the manifest at `path` names: below a folder above it, or beside it.
fn beside(path: &Path, key: &str) -> Option<PathBuf> {
    let name = Path::new(key).file_name()?;
    let folders = path.ancestors().skip(1);
    let mut candidates = folders.flat_map(|folder| {
        [folder.join(key), folder.join(name), folder.join("data").join(name), folder.join("files").join(name)]
    });
    candidates.find(|candidate| candidate.is_file())
}

impl Reading {
    /// The format that is given, with its columns.
    fn format(&self) -> Result<Option<Format>, Failure> {
        let Some(columns) = &self.columns else { return Ok(self.log_format.clone()) };
        if !matches!(self.log_format, None | Some(Format::Csv(_))) {
            return Err(Failure::usage("--columns is for --log csv"));
        }
        let defaults = CsvFormat::default();
        let delimiter = match self.delimiter.map(u8::try_from) {
            None => defaults.delimiter,
            Some(Ok(delimiter)) => delimiter,
            Some(Err(_)) => return Err(Failure::usage("--delimiter is one character of ASCII")),
        };
        let time = self.time_format.unwrap_or(defaults.time);
        let columns = columns.clone();
        Ok(Some(Format::Csv(CsvFormat { delimiter, header: !self.no_header, columns, time, ..defaults })))
    }
}

impl Document for Profile {
    fn text(&self, output: &Output) -> String {
        let terminal = !output.is_file() && std::io::stdout().is_terminal();
        let size = terminal.then(terminal_size::terminal_size).flatten();
        self.to_text(size.map_or(80, |(width, _)| usize::from(width.0)))
    }
    fn json(&self) -> String {
        self.to_json()
    }
    fn html(&self) -> String {
        ProfilePage { profile: &summary(self), quotas: &QUOTAS }.to_html()
    }
}

fn merge(arguments: &MergeArguments) -> Result<(), Failure> {
    let output = arguments.writing.open()?;
    let mut all = Profile::default();
    for path in log_file::find(&arguments.profiles)? {
        let LogFile { name, mut input, .. } = log_file::open(&path, &ProgressBar::hidden())?;
        let refuse = |error: &dyn std::fmt::Display| Failure::new(format_args!("{name}: {error}"));
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut input, &mut text).map_err(|error| refuse(&error))?;
        let profile = Profile::from_json(&text).map_err(|error| refuse(&error))?;
        all.merge(&profile).map_err(|error| refuse(&error))?;
    }
    arguments.writing.write(output, &all)
}
