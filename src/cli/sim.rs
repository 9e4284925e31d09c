//! `s3seal sim`: a scenario or a trace in virtual time, all modes and quotas side by side.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;
use s3seal::pipeline::uses_kms;
use s3seal::report::{Recorder, Report, Search, Summary};
use s3seal::request::SseMode;
use s3seal::sim::{self, Audit, Measured, Options};
use s3seal::units::Timestamp;
use s3seal::workload::Source;

use super::file::Output;
use super::find_max::{self, Tried};
use super::{COMMIT, Failure, rendering, workload};

/// How fine a search for the highest rate is: a simulated run has no noise, so the answer is as sharp as the seed allows.
const RESOLUTION: f64 = 0.01;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    workload: workload::Arguments,
    #[command(flatten)]
    rendering: rendering::OfRun,
    /// Also write the KMS calls of the run, one mode and one quota, as `CloudTrail` would have them: a record a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["find_max", "shard"])]
    audit: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = arguments.rendering.open()?;
    let work = arguments.workload.work(None)?;
    let scenario = work.source.scenario();
    let pricing = arguments.rendering.pricing.pricing(scenario)?;
    let rows: Vec<_> = scenario
        .modes
        .iter()
        .flat_map(|&mode| arguments.workload.quotas(mode).into_iter().map(move |quota| (mode, quota)))
        .collect();
    let audit = arguments.audit.as_deref().map(|path| Auditing::new(path, arguments, &rows)).transpose()?;
    let mut simulated = simulate(&arguments.workload, &work.source, &rows)?;
    if let Some(audit) = audit {
        audit.run(&arguments.workload, &work.source)?;
    }
    let mut report = Report::new(scenario.seed(), scenario.to_toml(), simulated.runs());
    report.commit = COMMIT.into();
    report.shard = arguments.workload.shard;
    report.notes = rendering::notes(scenario);
    report.notes.extend(work.notes);
    report.notes.append(&mut simulated.notes);
    report.searches = simulated.searches;
    report.price(&pricing).map_err(Failure::new)?;
    arguments.rendering.write(output, &report, &simulated.recorded)
}

/// The run whose KMS calls are wanted one by one.
struct Auditing {
    output: Output,
    mode: SseMode,
    quota: Option<u64>,
}

impl Auditing {
    fn new(path: &Path, arguments: &Arguments, rows: &[(SseMode, Option<u64>)]) -> Result<Self, Failure> {
        let &[(mode, quota)] = rows else {
            return Err(Failure::usage(format_args!(
                "--audit writes the calls of one run, here are {}: give one mode and one quota, as in --modes sse-kms",
                rows.len()
            )));
        };
        let output = Output::new(Some(path), arguments.rendering.force(), false)?;
        Ok(Self { output, mode, quota })
    }

    /// Runs once more, which gives the same calls, and writes them.
    fn run(self, arguments: &workload::Arguments, source: &Source) -> Result<(), Failure> {
        let Self { mut output, mode, quota } = self;
        let (part, quota) = arguments.part(source, quota)?;
        let options = Options { quota, concurrency: arguments.concurrency, ..Options::default() };
        let mut audit =
            Audit::new(BufWriter::new(&mut output), mode, source.naming(), source.scenario().seed());
        let mut rows = Recorder::new(sim::window(source.scenario()));
        sim::run_audited(&part, mode, &options, &mut rows, &mut audit).map_err(Failure::usage)?;
        audit.finish().map_err(|error| output.failure(&error))?;
        output.finish()
    }
}

/// A run with its rows.
pub(super) struct Recorded {
    pub(super) summary: Summary,
    pub(super) recorder: Recorder,
    pub(super) until: Timestamp,
}

/// Simulated runs, and what is to be said of them.
pub(super) struct Simulated {
    pub(super) recorded: Vec<Recorded>,
    pub(super) searches: Vec<Search>,
    pub(super) notes: Vec<String>,
}

impl Simulated {
    pub(super) fn runs(&self) -> Vec<Summary> {
        self.recorded.iter().map(|run| run.summary.clone()).collect()
    }
}

/// A simulated run for each of `rows`, in their order whatever the number of threads; with `objectives` the one at the
/// highest rate that keeps them.
pub(super) fn simulate(
    arguments: &workload::Arguments,
    source: &Source,
    rows: &[(SseMode, Option<u64>)],
) -> Result<Simulated, Failure> {
    type Row = (Recorded, Option<Search>, Option<String>);
    let one = |&(mode, quota): &(SseMode, Option<u64>)| -> Result<Row, Failure> {
        let Some(objectives) = &arguments.find_max else {
            let (recorded, note) = simulate_one(arguments, source, mode, quota)?;
            return Ok((recorded, None, note));
        };
        let (found, (recorded, note)) = find_max::search(source, objectives, RESOLUTION, |source| {
            let (recorded, note) = simulate_one(arguments, source, mode, quota)?;
            let summary = recorded.summary.clone();
            Ok(Tried { summary, run: (recorded, note), spoiled: None, interrupted: false })
        })?;
        Ok((recorded, Some(found), note))
    };
    let done: Vec<Row> = rows.par_iter().map(one).collect::<Result<_, Failure>>()?;
    let mut simulated = Simulated { recorded: Vec::new(), searches: Vec::new(), notes: Vec::new() };
    for (recorded, search, note) in done {
        simulated.recorded.push(recorded);
        simulated.searches.extend(search);
        if let Some(note) = note.filter(|note| !simulated.notes.contains(note)) {
            simulated.notes.push(note);
        }
    }
    if !simulated.recorded.is_empty() {
        simulated.notes.push(
            "Simulated rows assume 2 µs + 0.1 ns per byte for sealing or opening a layer, and 1 µs + 0.05 ns per byte \
             for the store."
                .into(),
        );
    }
    Ok(simulated)
}

fn simulate_one(
    arguments: &workload::Arguments,
    source: &Source,
    mode: SseMode,
    quota: Option<u64>,
) -> Result<(Recorded, Option<String>), Failure> {
    let (part, quota) = arguments.part(source, quota)?;
    let shard = arguments.shard.map(|shard| (shard.index, shard.of));
    let options = Options { quota, concurrency: arguments.concurrency, shard, ..Options::default() };
    let Measured { run, recorder, summary } = sim::measure(&part, mode, &options).map_err(Failure::usage)?;
    let recorded = Recorded { summary, recorder, until: run.measured_until };
    Ok((recorded, run.note.filter(|_| uses_kms(mode))))
}
