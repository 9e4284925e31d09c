//! `s3seal load`: a scenario on the clock with real encryption, mode after mode; other quotas as simulated rows beside.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use s3seal::live::{self, Buffers, Options, PopulationSize, Progress};
use s3seal::pipeline::uses_kms;
use s3seal::report::{Kind, Objectives, Recorder, Report, Run, Search, Summary};
use s3seal::request::SseMode;
use s3seal::sim::{name, reuse, window};
use s3seal::units::Span;
use s3seal::workload::{Scenario, Source, Stop};

use super::find_max::{self, Tried};
use super::sim::{Recorded, Steady, simulate};
use super::watch::Watch;
use super::{COMMIT, Failure, doctor, file, machine, rendering, store, workload};

/// Quotas of its simulated rows.
const DEFAULT_SIMULATED_QUOTAS: [u64; 2] = [10_000, 30_000];
/// In the default run modes that never call KMS run shorter: nothing changes in them from second to second.
const DEFAULT_PLAIN_WARM_UP: Span = Span::from_millis(500);
const DEFAULT_PLAIN_DURATION: Span = Span::from_seconds(3);

/// How fine a search for the highest rate is: runs on the clock differ by some percent from one to the next.
const RESOLUTION: f64 = 0.05;

#[derive(Debug, Default, Args)]
#[group(skip)]
pub(super) struct Arguments {
    #[command(flatten)]
    workload: workload::Arguments,
    #[command(flatten)]
    store: store::Arguments,
    #[command(flatten)]
    rendering: rendering::OfRun,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let default = arguments.workload.is_default();
    let (live_quota, simulated) = match &arguments.workload.quota[..] {
        [] if default => (None, DEFAULT_SIMULATED_QUOTAS.to_vec()),
        [] => (None, Vec::new()),
        [first, others @ ..] => (Some(*first), others.to_vec()),
    };
    let objectives = arguments.workload.find_max.as_ref();
    let progress = Arc::new(Progress::default());
    // Before there is a file to remove.
    file::interrupts(&progress);
    let output = arguments.rendering.open()?;
    let work = arguments.workload.work(live_quota)?;
    let scenario = work.source.scenario();
    let concurrency = arguments.workload.concurrency;
    let rows: Vec<_> = simulated
        .iter()
        .flat_map(|&quota| scenario.modes.iter().map(move |&mode| (mode, Some(quota))))
        .filter(|&(mode, _)| uses_kms(mode))
        .collect();
    let mut load = Load {
        progress: &progress,
        watch: Watch::new(0),
        buffers: Buffers::new(),
        options: Options {
            memory_max: machine::available_memory(),
            concurrency,
            shard: arguments.workload.shard.map(|shard| (shard.index, shard.of)),
            ..Options::default()
        },
        store: arguments.store.open()?,
        recorded: Vec::new(),
        searches: Vec::new(),
        notes: Vec::new(),
        reasons: Vec::new(),
    };
    let plans: Vec<(SseMode, Source)> =
        scenario.modes.iter().map(|&mode| (mode, plan(&work.source, mode, default))).collect();
    let watched = doctor::Watched::start();
    load.watch = Watch::new(plans.iter().map(|(_, plan)| length(plan.scenario())).sum());
    if let Some(store) = &load.store {
        let size = PopulationSize::of(&work.source).map_err(Failure::new)?;
        load.watch.announce(&store.plan(size, &scenario.modes)?);
    }
    for (mode, plan) in &plans {
        let (part, _) = arguments.workload.part(plan, None)?;
        match objectives {
            None => load.mode(&part, *mode)?,
            Some(objectives) => match load.search(plan, *mode, objectives) {
                // What ran before stays.
                Err(_) if progress.interrupted.load(Ordering::Relaxed) => break,
                searched => searched?,
            },
        }
        if progress.interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    load.watch.finish();
    let interrupted = progress.interrupted.load(Ordering::Relaxed);
    let Load { mut recorded, mut searches, notes: said, reasons, store, .. } = load;
    let mut notes = rendering::notes(scenario);
    notes.extend(work.notes);
    if work.took_default_quota {
        notes.push(rendering::DEFAULT_QUOTA_NOTE.into());
    }
    notes.extend(store.iter().map(store::Store::note));
    // Removing files takes a while and is no part of a simulated run.
    drop(store);
    notes.extend(said);
    if !interrupted {
        let mut beside = simulate(&arguments.workload, &work.source, &rows, Steady::AsAsked)?;
        recorded.append(&mut beside.recorded);
        searches.append(&mut beside.searches);
        notes.extend(beside.notes.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
    }
    notes.extend(watched.note());
    let runs = recorded.iter().map(|run| run.summary.clone()).collect();
    let mut report = Report::new(scenario.seed(), scenario.to_toml(), runs);
    report.commit = COMMIT.into();
    report.machine = machine::description();
    report.name = work.name;
    report.shard = arguments.workload.shard;
    report.notes = notes;
    report.searches = searches;
    arguments.rendering.pricing.price(&mut report, scenario)?;
    let invalid = (!reasons.is_empty()).then(|| reasons.join("; "));
    if let Some(reason) = &invalid {
        report.invalidate(reason.clone());
    }
    arguments.rendering.write(output, &report, &recorded)?;
    match invalid {
        _ if interrupted => {
            Err(Failure { text: "interrupted: the report covers what had run by then".into(), code: 130 })
        }
        Some(_) => Err(Failure::new(
            "the report is INVALID and says why; lower --rate, or run on a machine with less beside it",
        )),
        None => Ok(()),
    }
}

/// The live runs so far.
struct Load<'a> {
    progress: &'a Progress,
    watch: Watch,
    /// One population at a time is in memory; the next one is sealed into the same.
    buffers: Buffers,
    options: Options,
    /// None: objects are in memory.
    store: Option<store::Store>,
    recorded: Vec<Recorded>,
    searches: Vec<Search>,
    notes: Vec<String>,
    reasons: Vec<String>,
}

impl Load<'_> {
    /// Runs `mode` and keeps what came of it.
    fn mode(&mut self, source: &Source, mode: SseMode) -> Result<(), Failure> {
        let (recorded, run) = self.run(source, mode)?;
        self.say(mode, &run, &recorded.summary);
        self.recorded.push(recorded);
        Ok(())
    }

    /// Searches the highest rate that keeps `objectives`, and keeps the run at it.
    fn search(&mut self, source: &Source, mode: SseMode, objectives: &Objectives) -> Result<(), Failure> {
        let (found, (recorded, run)) = find_max::search(source, objectives, RESOLUTION, |source| {
            let (mut recorded, mut run) = self.run(source, mode)?;
            if live::spoiled(&recorded.summary, run.late).is_some() && !run.interrupted {
                // Once more: it may have been a neighbour on this machine.
                (recorded, run) = self.run(source, mode)?;
            }
            let rate = source.scenario().arrival.mean_rate();
            let (summary, interrupted) = (recorded.summary.clone(), run.interrupted);
            let spoiled = live::spoiled(&summary, run.late);
            let verdict = match (&spoiled, objectives.missed(&summary).first()) {
                (Some(_), _) => "this machine does not hold it".into(),
                (None, Some(miss)) => miss.to_string(),
                (None, None) => format!("keeps {objectives}"),
            };
            self.watch.say(&format!("{mode} at {rate} requests/s: {verdict}"));
            Ok(Tried { summary, run: (recorded, run), spoiled, interrupted })
        })?;
        self.say(mode, &run, &recorded.summary);
        self.recorded.push(recorded);
        self.searches.push(found);
        Ok(())
    }

    fn run(&mut self, source: &Source, mode: SseMode) -> Result<(Recorded, live::Run), Failure> {
        let scenario = source.scenario();
        let mut recorder = Recorder::new(window(source, self.options.concurrency));
        self.options.directory = self.store.as_ref().map(|store| store.folder(mode)).transpose()?;
        let Self { progress, watch, buffers, options, .. } = self;
        progress.elapsed_ns.store(0, Ordering::Relaxed);
        progress.to_seal.store(0, Ordering::Relaxed);
        progress.times.clear();
        let quota = uses_kms(mode).then_some(scenario.kms.quota).flatten();
        let base = watch.position();
        let over = std::sync::atomic::AtomicBool::new(false);
        #[expect(
            clippy::disallowed_methods,
            reason = "a thread that draws, so that the one that drives does not"
        )]
        let run = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| watch.follow(progress, mode.as_str(), quota, base, &over));
            let run = live::run_source(source, mode, options, buffers, progress, &mut recorder);
            over.store(true, Ordering::Relaxed);
            watcher.thread().unpark();
            run
        });
        let run = run.map_err(Failure::new)?;
        if let Some(store) = &self.store {
            store.done(mode);
        }
        watch.set_position(base + length(scenario));
        let facts = Run {
            mode,
            kind: Kind::Live,
            quota_per_s: uses_kms(mode).then(|| run.quota_per_s.into()),
            until: run.measured_until,
            concurrency: self.options.concurrency,
        };
        let reuse = reuse(scenario, mode);
        let summary = Summary { reuse, ..Summary::new(&recorder, &facts, name(source)) };
        Ok((Recorded { summary, recorder, until: run.measured_until }, run))
    }

    fn say(&mut self, mode: SseMode, run: &live::Run, summary: &Summary) {
        if run.interrupted {
            self.notes.push(format!(
                "Interrupted under {mode}: {} requests in flight have no row; no later mode ran.",
                run.abandoned
            ));
        }
        let shown = |nanos| Span::from_nanos(nanos);
        self.notes.push(format!(
            "{mode}: requests started {} late at the p99 and {} at most, which is in their response times. A thread that only \
             watched the clock right before was late by {} and {}: that much is the machine's own noise, the rest the load \
             generator's work. A p99 lag above {} and above a tenth of the p99 response time makes a run invalid.",
            shown(summary.phase_ns.lag.p99),
            shown(summary.phase_ns.lag.max),
            shown(run.noise.p99),
            shown(run.noise.max),
            live::LAG_MATERIAL,
        ));
        self.notes.extend(run.note.clone().filter(|note| uses_kms(mode) && !self.notes.contains(note)));
        self.reasons.extend(live::spoiled(summary, run.late));
        if let Some(error) = &run.first_broken {
            self.reasons
                .push(format!("under {mode} {} pieces of work failed, the first: {error}", run.broken));
        }
    }
}

/// What `mode` runs: all of it, and in the default run less of it where KMS has no part.
fn plan(source: &Source, mode: SseMode, default: bool) -> Source {
    let mut plan = source.clone();
    if let Source::Scenario(scenario) = &mut plan
        && default
        && !uses_kms(mode)
    {
        (scenario.warm_up, scenario.stop) = (DEFAULT_PLAIN_WARM_UP, Stop::Duration(DEFAULT_PLAIN_DURATION));
    }
    plan
}

/// Nanoseconds of schedule.
fn length(scenario: &Scenario) -> u64 {
    let measured = match scenario.stop {
        Stop::Duration(duration) => duration.as_nanos(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "an estimate for a bar: positive, and saturating"
        )]
        Stop::Operations(count) => (count as f64 / scenario.arrival.mean_rate() * 1e9) as u64,
    };
    scenario.warm_up.as_nanos().saturating_add(measured)
}
