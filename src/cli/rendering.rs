//! How a report leaves the program: format, file, width, colours, and the notes that every report carries.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use s3seal::report::{LoggedRun, Report, Style, Summary, write_interval_log};
use s3seal::request::SseMode;
use s3seal::rig;
use s3seal::units::Span;
use s3seal::workload::{Scenario, SizeLaw};

use super::file::Output;
use super::sim::Recorded;
use super::{Failure, pricing};

#[derive(Debug, Default, Args)]
#[group(skip)]
pub(super) struct Arguments {
    /// How the report is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The report's file; standard output when left out or -
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also a page with charts, in one file that needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    force: bool,
}

/// The same for the report of a run, which has its distributions at hand and is priced.
#[derive(Debug, Default, Args)]
#[group(skip)]
pub(super) struct OfRun {
    #[command(flatten)]
    report: Arguments,
    /// Every distribution as an interval log, for the `HdrHistogram` tools
    #[arg(long, value_name = "FILE")]
    hdr: Option<PathBuf>,
    #[command(flatten)]
    pub(super) pricing: pricing::OfRun,
}

/// Where a report goes: its own file or standard output, and the page.
pub(super) struct Outputs {
    report: Output,
    page: Option<Output>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Findings, a table and charts
    #[default]
    Text,
    /// Everything, for programs (docs/REPORT.md)
    Json,
    /// One row a run
    Csv,
    /// Findings and tables for a pull request
    Markdown,
    /// A page with charts, in one file that needs no network
    Html,
}

impl Outputs {
    /// Writes what is no report, and no page.
    pub(super) fn write_raw(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut output = self.report;
        output.write(bytes)?;
        output.finish()
    }
}

impl Arguments {
    /// Refuses what cannot be written before anything takes time: an existing file, a folder that takes none.
    pub(super) fn open(&self) -> Result<Outputs, Failure> {
        if let (Some(report), Some(page)) = (&self.output, &self.html) {
            distinct("--output", report, "--html", page)?;
        }
        let page = self.html.as_deref().map(|path| Output::new(Some(path), self.force, false)).transpose()?;
        Ok(Outputs { report: Output::new(self.output.as_deref(), self.force, false)?, page })
    }

    /// Writes `report` and gives its files their names.
    pub(super) fn write(&self, outputs: Outputs, report: &Report) -> Result<(), Failure> {
        let Outputs { report: mut output, page } = outputs;
        if let Some(mut page) = page {
            page.write(report.to_html().as_bytes())?;
            page.finish()?;
        }
        let mut bytes = Vec::new();
        match self.format {
            Format::Text => bytes.extend_from_slice(report.to_text(style(&output)).as_bytes()),
            Format::Json => report.write_json(&mut bytes).map_err(Failure::new)?,
            Format::Csv => report.write_csv(&mut bytes).map_err(Failure::new)?,
            Format::Markdown => bytes.extend_from_slice(report.to_markdown().as_bytes()),
            Format::Html => bytes.extend_from_slice(report.to_html().as_bytes()),
        }
        output.write(&bytes)?;
        output.finish()
    }
}

impl OfRun {
    /// Whether existing files may be replaced.
    pub(super) fn force(&self) -> bool {
        self.report.force
    }

    /// As [`Arguments::open`], with the interval log.
    pub(super) fn open(&self) -> Result<(Outputs, Option<Output>), Failure> {
        if let Some(hdr) = &self.hdr {
            for (flag, path) in [("--output", &self.report.output), ("--html", &self.report.html)] {
                path.as_ref().map_or(Ok(()), |path| distinct(flag, path, "--hdr", hdr))?;
            }
        }
        let hdr =
            self.hdr.as_deref().map(|path| Output::new(Some(path), self.report.force, false)).transpose()?;
        Ok((self.report.open()?, hdr))
    }

    /// Writes `report`, and the distributions of its `runs`, and gives the files their names.
    pub(super) fn write(
        &self,
        (outputs, hdr): (Outputs, Option<Output>),
        report: &Report,
        runs: &[Recorded],
    ) -> Result<(), Failure> {
        if let Some(mut hdr) = hdr {
            hdr.write(&interval_log(runs)?)?;
            hdr.finish()?;
        }
        self.report.write(outputs, report)
    }
}

/// Refuses one file for two things.
pub(super) fn distinct(flag: &str, path: &Path, other: &str, same: &Path) -> Result<(), Failure> {
    if path == same {
        return Err(Failure::usage(format_args!("{flag} and {other} name the same file: they are two")));
    }
    Ok(())
}

/// The distributions of `runs`, each under a label of its own: its mode, and where a mode runs more than once whether it is
/// simulated and its quota.
fn interval_log(runs: &[Recorded]) -> Result<Vec<u8>, Failure> {
    let label = |run: &Recorded| {
        let of_mode = runs.iter().filter(|other| other.summary.mode == run.summary.mode).count();
        let Summary { mode, kind, quota_per_s, .. } = &run.summary;
        match quota_per_s {
            Some(quota) if of_mode > 1 => format!("{mode}-{}-{quota}", kind.as_str()),
            _ => mode.to_string(),
        }
    };
    let labels: Vec<String> = runs.iter().map(label).collect();
    let logged: Vec<LoggedRun<'_>> = runs
        .iter()
        .zip(&labels)
        .map(|(run, label)| LoggedRun { label, recorder: &run.recorder, until: run.until })
        .collect();
    let mut bytes = Vec::new();
    write_interval_log(&mut bytes, &logged).map_err(Failure::new)?;
    Ok(bytes)
}

pub(super) fn style(output: &Output) -> Style {
    let terminal = !output.is_file() && std::io::stdout().is_terminal();
    if !terminal {
        return Style::default();
    }
    let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    #[expect(clippy::disallowed_methods, reason = "cli reads the environment")]
    let no_colour = std::env::var_os("NO_COLOR");
    // Source: no-color.org: any value but the empty one.
    Style { width, colour: no_colour.is_none_or(|value| value.is_empty()) }
}

/// What the reader of a run under [`DEFAULT_QUOTA`](super::workload::DEFAULT_QUOTA) is told.
pub(super) const DEFAULT_QUOTA_NOTE: &str = "The default scenario runs under 5,500 KMS calls/s, the quota of most Regions from 2019 to 2021, so that it bites at 8,000/s. \
     Today us-east-1 grants 100,000 and most Regions 10,000 or 20,000: --region takes a Region's own, --quota any other.";

/// Most bytes of a PUT that is no multipart upload. Source: Amazon S3 user guide, uploading objects, 2026: 5 GB (GiB).
const PUT_BYTES_MAX: u64 = 5 << 30;

/// The largest object that `scenario` may draw.
fn largest(size: &SizeLaw) -> u64 {
    match size {
        SizeLaw::Fixed { bytes } => *bytes,
        SizeLaw::Lognormal { max, .. } => *max,
        SizeLaw::Empirical { quantiles } => quantiles.last().map_or(0, |quantile| quantile.bytes),
        SizeLaw::Preset { .. } => 0,
    }
}

/// What a reader must know of the modes in `scenario`.
pub(super) fn notes(scenario: &Scenario) -> Vec<String> {
    let mut notes = Vec::new();
    if scenario.mix.put_object > 0.0 && largest(&scenario.objects.size) > PUT_BYTES_MAX {
        notes.push(
            "Some objects are larger than 5 GiB, which S3 takes only as a multipart upload: as a PutObject they are a \
             calculation, not something that can be done."
                .into(),
        );
    }
    if scenario.modes.contains(&SseMode::KmsCached) {
        notes.push(
            "kms-cached is a data-key cache in the client or in an S3-compatible store; it is no setting of S3, whose \
             counterpart is the Bucket Key."
                .into(),
        );
    }
    if scenario.modes.contains(&SseMode::SseKmsBucketKey) {
        let lifetime: Span = rig::settings(scenario, SseMode::SseKmsBucketKey).bucket_key.lifetime;
        notes.push(format!(
            "AWS publishes no lifetime of a Bucket Key: {lifetime} is an assumption (bucket_key.lifetime)."
        ));
    }
    if scenario.modes.contains(&SseMode::DsseKms) {
        notes.push(
            "AWS publishes no count of KMS calls under dsse-kms: as many as under sse-kms are assumed."
                .into(),
        );
    }
    notes
}
