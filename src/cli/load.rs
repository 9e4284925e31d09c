//! `s3seal load`: a scenario on the clock with real encryption, mode after mode; other quotas as simulated rows beside.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use s3seal::live::{self, Buffers, Options, Progress};
use s3seal::report::{Kind, Recorder, Report, Run, Summary, Window};
use s3seal::request::SseMode;
use s3seal::units::{Span, Timestamp};
use s3seal::workload::{Scenario, Stop};

use super::sim::{name, simulate};
use super::watch::Watch;
use super::workload::uses_kms;
use super::{Failure, file, rendering, workload};

/// Quota of the live rows of the default run: that of most Regions until 2022, low enough to bite at 8,000/s.
const DEFAULT_LIVE_QUOTA: u64 = 5_500;
/// Quotas of its simulated rows.
const DEFAULT_SIMULATED_QUOTAS: [u64; 2] = [10_000, 30_000];
/// In the default run modes that never call KMS run shorter: nothing changes in them from second to second.
const DEFAULT_PLAIN_WARM_UP: Span = Span::from_millis(500);
const DEFAULT_PLAIN_DURATION: Span = Span::from_seconds(3);

#[derive(Debug, Default, Args)]
#[group(skip)]
pub(super) struct Arguments {
    #[command(flatten)]
    workload: workload::Arguments,
    #[command(flatten)]
    rendering: rendering::Arguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut scenario = arguments.workload.scenario()?;
    let default = arguments.workload.is_default();
    let (live_quota, simulated) = match &arguments.workload.quota[..] {
        [] if default => (Some(DEFAULT_LIVE_QUOTA), DEFAULT_SIMULATED_QUOTAS.to_vec()),
        [] => (None, Vec::new()),
        [first, others @ ..] => (Some(*first), others.to_vec()),
    };
    scenario.kms.quota = live_quota.or(scenario.kms.quota);
    let pricing = arguments.rendering.pricing.pricing(&scenario)?;
    let progress = Arc::new(Progress::default());
    // Before there is a file to remove.
    file::interrupts(&progress);
    let output = arguments.rendering.open()?;
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
            memory_max: available_memory(),
            shard: arguments.workload.shard.map(|shard| (shard.index, shard.of)),
            ..Options::default()
        },
        runs: Vec::new(),
        notes: Vec::new(),
        reasons: Vec::new(),
    };
    let plans: Vec<(SseMode, Scenario)> =
        scenario.modes.iter().map(|&mode| (mode, plan(&scenario, mode, default))).collect();
    load.watch = Watch::new(plans.iter().map(|(_, plan)| length(plan)).sum());
    for (mode, plan) in &plans {
        let (part, _) = arguments.workload.part(plan, None)?;
        load.mode(&part, *mode)?;
        if progress.interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    load.watch.finish();
    let interrupted = progress.interrupted.load(Ordering::Relaxed);
    let Load { mut runs, notes: said, reasons, .. } = load;
    let mut notes = rendering::notes(&scenario);
    notes.extend(said);
    if !interrupted {
        let (mut beside, said) = simulate(&arguments.workload, &scenario, &rows)?;
        runs.append(&mut beside);
        notes.extend(said.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
    }
    if cfg!(debug_assertions) {
        notes.push(
            "This s3seal was built without optimisation: its own times are many times too long.".into(),
        );
    }
    let mut report = Report::new(scenario.seed(), scenario.to_toml(), runs);
    report.machine = machine();
    report.shard = arguments.workload.shard;
    report.notes = notes;
    report.price(&pricing).map_err(Failure::new)?;
    let invalid = (!reasons.is_empty()).then(|| reasons.join("; "));
    if let Some(reason) = &invalid {
        report.invalidate(reason.clone());
    }
    arguments.rendering.write(output, &report)?;
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
    runs: Vec<Summary>,
    notes: Vec<String>,
    reasons: Vec<String>,
}

impl Load<'_> {
    fn mode(&mut self, scenario: &Scenario, mode: SseMode) -> Result<(), Failure> {
        let from = Timestamp::ZERO + scenario.warm_up;
        let until = match scenario.stop {
            Stop::Duration(duration) => from + duration,
            Stop::Operations(_) => Timestamp::MAX,
        };
        let mut recorder = Recorder::new(Window { from, until });
        let Self { progress, watch, buffers, options, .. } = self;
        progress.elapsed_ns.store(0, Ordering::Relaxed);
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
            let run = live::run(scenario, mode, options, buffers, progress, &mut recorder);
            over.store(true, Ordering::Relaxed);
            watcher.thread().unpark();
            run
        });
        let run = run.map_err(Failure::new)?;
        watch.set_position(base + length(scenario));
        let facts = Run {
            mode,
            kind: Kind::Live,
            quota_per_s: uses_kms(mode).then(|| run.quota_per_s.into()),
            until: run.measured_until,
        };
        let summary = Summary::new(&recorder, &facts, name(scenario));
        self.say(mode, &run, &summary);
        self.runs.push(summary);
        Ok(())
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
            "{mode}: requests started {} late at the p99 and {} at most; a thread that only watched the clock right \
             before was {} and {} late: the machine's own noise.",
            shown(summary.phase_ns.lag.p99),
            shown(summary.phase_ns.lag.max),
            shown(run.noise.p99),
            shown(run.noise.max),
        ));
        self.notes.extend(run.note.clone().filter(|note| uses_kms(mode) && !self.notes.contains(note)));
        self.reasons.extend(live::spoiled(summary, run.late));
        if let Some(error) = &run.first_broken {
            self.reasons
                .push(format!("under {mode} {} pieces of work failed, the first: {error}", run.broken));
        }
    }
}

/// What `mode` runs: the scenario, and in the default run less of it where KMS has no part.
fn plan(scenario: &Scenario, mode: SseMode, default: bool) -> Scenario {
    let mut plan = scenario.clone();
    if default && !uses_kms(mode) {
        (plan.warm_up, plan.stop) = (DEFAULT_PLAIN_WARM_UP, Stop::Duration(DEFAULT_PLAIN_DURATION));
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

/// What a population may take: three quarters of what the system calls available; everything where it does not say.
fn available_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib.saturating_mul(1_024) / 4 * 3)
}

/// Processor, cores and system, as far as they can be learnt.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let plural = if cores == 1 { "" } else { "s" };
    format!("{model}, {cores} core{plural}, {}", std::env::consts::OS)
}
