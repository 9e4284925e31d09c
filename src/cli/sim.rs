//! `s3seal sim`: a scenario or a trace in virtual time, all modes and quotas side by side.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;
use s3seal::pipeline::uses_kms;
use s3seal::report::{Recorder, Report, Search, Summary};
use s3seal::request::SseMode;
use s3seal::rig;
use s3seal::sim::{self, Audit, Measured, Options};
use s3seal::units::{Span, Timestamp};
use s3seal::workload::{ArrivalProcess, FleetStart, Scenario, Source, Stop};

use super::file::Output;
use super::find_max::{self, Tried};
use super::{COMMIT, Failure, progress, rendering, workload};

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
    /// Said to those who look for it here.
    #[arg(long, value_name = "DIR", hide = true)]
    store: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.store.is_some() {
        return Err(Failure::usage(
            "a simulation keeps no objects: use `s3seal load --store DIR`, which really seals them",
        ));
    }
    let output = arguments.rendering.open()?;
    let work = arguments.workload.work(None)?;
    let scenario = work.source.scenario();
    let rows: Vec<_> = scenario
        .modes
        .iter()
        .flat_map(|&mode| arguments.workload.quotas(mode).into_iter().map(move |quota| (mode, quota)))
        .collect();
    let audit = arguments.audit.as_deref().map(|path| Auditing::new(path, arguments, &rows)).transpose()?;
    // The audit log is of the very run that is reported, and one of many minutes is for those who ask for it.
    let steady = if audit.is_some() { Steady::AsAsked } else { Steady::new(&arguments.workload) };
    let mut simulated = simulate(&arguments.workload, &work.source, &rows, steady)?;
    if let Some(audit) = audit {
        audit.run(&arguments.workload, &work.source)?;
    }
    let mut report = Report::new(scenario.seed(), scenario.to_toml(), simulated.runs());
    report.commit = COMMIT.into();
    report.name = work.name;
    report.shard = arguments.workload.shard;
    report.notes = rendering::notes(scenario);
    report.notes.extend(work.notes);
    report.notes.extend(work.took_default_quota.then(|| rendering::DEFAULT_QUOTA_NOTE.into()));
    report.notes.append(&mut simulated.notes);
    report.searches = simulated.searches;
    arguments.rendering.pricing.price(&mut report, scenario)?;
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
        let mut rows = Recorder::new(sim::window(source, arguments.concurrency));
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

/// Whether runs whose data keys are used again take as long as it takes to see them renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steady {
    /// As long as the scenario says.
    AsAsked,
    /// Until caches have filled and for a lifetime of their keys: in virtual time that costs a second or two.
    UntilRenewed,
}

/// Most requests of a run that is made longer by itself.
const STEADY_REQUESTS_MAX: f64 = 12e6;

impl Steady {
    /// Where nothing else is said and nothing but the schedule changes with time.
    fn new(arguments: &workload::Arguments) -> Self {
        if arguments.has_own_times() { Self::AsAsked } else { Self::UntilRenewed }
    }

    /// `source`, longer where that is called for.
    fn lengthened(self, source: &Source, mode: SseMode) -> Source {
        let lifetime = rig::key_lifetime(source.scenario(), mode);
        let (Source::Scenario(scenario), Some(lifetime), Self::UntilRenewed) = (source, lifetime, self)
        else {
            return source.clone();
        };
        let even =
            matches!(scenario.arrival, ArrivalProcess::Constant { .. } | ArrivalProcess::Poisson { .. });
        let eventless = scenario.faults.is_empty()
            && scenario.fleet.start == FleetStart::Warm
            && scenario.fleet.restart_every.is_none();
        let Stop::Duration(duration) = scenario.stop else { return source.clone() };
        let (warm_up, duration) = (scenario.warm_up.max(lifetime), duration.max(lifetime));
        #[expect(clippy::cast_precision_loss, reason = "a rough count")]
        let requests = scenario.arrival.mean_rate() * (warm_up + duration).as_nanos() as f64 / 1e9;
        if !even || !eventless || requests > STEADY_REQUESTS_MAX {
            return source.clone();
        }
        Source::Scenario(Scenario { warm_up, stop: Stop::Duration(duration), ..scenario.clone() })
    }
}

/// A simulated run for each of `rows`, in their order whatever the number of threads; with `objectives` the one at the
/// highest rate that keeps them.
pub(super) fn simulate(
    arguments: &workload::Arguments,
    source: &Source,
    rows: &[(SseMode, Option<u64>)],
    steady: Steady,
) -> Result<Simulated, Failure> {
    type Row = (Recorded, Option<Search>, Option<String>);
    let bar = progress::runs(rows.len());
    let one = |&(mode, quota): &(SseMode, Option<u64>)| -> Result<Row, Failure> {
        let Some(objectives) = &arguments.find_max else {
            let (recorded, note) = simulate_one(arguments, &steady.lengthened(source, mode), mode, quota)?;
            bar.inc(1);
            return Ok((recorded, None, note));
        };
        let (found, (recorded, note)) = find_max::search(source, objectives, RESOLUTION, |source| {
            let (recorded, note) = simulate_one(arguments, source, mode, quota)?;
            let summary = recorded.summary.clone();
            bar.set_message(format!("({mode} at {} requests/s)", source.scenario().arrival.mean_rate()));
            Ok(Tried { summary, run: (recorded, note), spoiled: None, interrupted: false })
        })?;
        bar.inc(1);
        Ok((recorded, Some(found), note))
    };
    let done: Vec<Row> = match rows {
        // Not by a thread of the pool: then the run itself uses the pool.
        [row] => vec![one(row)?],
        rows => rows.par_iter().map(one).collect::<Result<_, Failure>>()?,
    };
    bar.finish_and_clear();
    let mut simulated = Simulated { recorded: Vec::new(), searches: Vec::new(), notes: Vec::new() };
    for (recorded, search, note) in done {
        simulated.recorded.push(recorded);
        simulated.searches.extend(search);
        if let Some(note) = note.filter(|note| !simulated.notes.contains(note)) {
            simulated.notes.push(note);
        }
    }
    let longer = |run: &&Recorded| {
        run.summary.reuse.is_some_and(|reuse| reuse.warm_up_ns > source.scenario().warm_up.as_nanos())
    };
    if let Some(run) = simulated.recorded.iter().find(longer) {
        let (warm_up, measured) =
            (run.summary.reuse.map_or(0, |reuse| reuse.warm_up_ns), run.summary.measured_ns);
        simulated.notes.push(format!(
            "Runs whose data keys or Bucket Keys are used again measured {} after a warm-up of {}, as long as the keys live, so \
             that their calls and costs are those of a month and not of caches that are filling; --warm-up or --duration sets \
             other times.",
            Span::from_nanos(measured),
            Span::from_nanos(warm_up),
        ));
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
