//! `s3seal experiment`: knobs turned, figures measured, bands judged, results recorded.

mod record;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::{Args, Subcommand};
use rayon::prelude::*;
use s3seal::experiment::{EXPERIMENTS, Experiment, Outcome, Point, Row, preset};
use s3seal::live::{self, Buffers, Progress};
use s3seal::pipeline::uses_kms;
use s3seal::report::{Kind, LoggedRun, Recorder, Run, Summary, Window, write_interval_log};
use s3seal::sim;
use s3seal::units::Timestamp;
use s3seal::workload::{Source, Stop};

use super::file::Output;
use super::{Failure, doctor, file, machine, pricing, progress, rendering};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every built-in experiment: its question, how many runs, how long
    List,
    /// A built-in experiment as it is written, to start one's own from
    Show {
        /// Its name
        name: String,
    },
    /// Run experiments and judge their bands: exit code 3 when one does not hold
    Run(Running),
    /// Write the page of findings anew from the recorded results
    Index {
        /// The folder of results
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct Running {
    /// Built-in experiments (see `s3seal experiment list`), files, or all
    #[arg(required = true, value_name = "NAME|FILE|all")]
    names: Vec<String>,
    /// The small version: seconds instead of minutes
    #[arg(long)]
    small: bool,
    /// Other seeds, as in 1,2,3; each point is run under each
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    seed: Vec<u64>,
    /// Also record everything in a new folder below this one, named by date and experiment
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Record interval logs too, `HdrHistogram`'s, of every point under the first seed
    #[arg(long, requires = "output")]
    hdr: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let text = match &arguments.verb {
        Verb::Run(running) => return running.run(),
        Verb::Index { folder } => return record::index(folder).map(|()| ExitCode::SUCCESS),
        Verb::List => list()?,
        Verb::Show { name } => preset(name).map_err(Failure::usage)?.text.to_owned(),
    };
    let mut output = Output::new(None, false, false)?;
    output.write(text.as_bytes())?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<String, Failure> {
    let widest = EXPERIMENTS.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for preset in EXPERIMENTS {
        let experiment = Experiment::parse(preset.text).map_err(Failure::new)?;
        let points = experiment.points().map_err(Failure::new)?;
        let _ = writeln!(text, "{:<widest$}  {}", preset.name, experiment.question);
        let _ = writeln!(text, "{:<widest$}  {}", "", size(&experiment, &points));
    }
    Ok(text)
}

/// How much an experiment is.
fn size(experiment: &Experiment, points: &[Point]) -> String {
    let seeds = experiment.seeds.len();
    let runs = points.len() * seeds;
    let sum = |kind: Kind, of: fn(&Point) -> f64| -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few seeds")]
        let seeds = seeds as f64;
        points.iter().filter(|point| point.kind == kind).map(of).sum::<f64>() * seeds
    };
    let mut said = format!("{runs} run{}", if runs == 1 { "" } else { "s" });
    let simulated = sum(Kind::Simulated, Point::requests);
    if simulated > 0.0 {
        let (count, unit) = if simulated < 1e6 { (simulated / 1e3, "k") } else { (simulated / 1e6, "M") };
        let _ = write!(said, ", {count:.1} {unit} requests simulated");
    }
    let clock = sum(Kind::Live, Point::seconds);
    if clock > 0.0 {
        let _ = write!(said, ", {clock:.0} s on the clock");
    }
    said
}

impl Running {
    fn run(&self) -> Result<ExitCode, Failure> {
        let chosen = self.chosen()?;
        let day = record::Day::today();
        if let Some(folder) = &self.output {
            record::prepare(folder, &day, chosen.iter().map(|experiment| experiment.name.as_str()))?;
        }
        let progress = Arc::new(Progress::default());
        file::interrupts(&progress);
        let (mut broken, mut spoiled) = (false, false);
        for (place, experiment) in chosen.iter().enumerate() {
            let points = experiment.points().map_err(Failure::usage)?;
            let Measured { rows, logs, reasons, biases } = measure(experiment, &points, self.hdr, &progress)?;
            let outcome = Outcome::new(experiment, &points, rows);
            let mut output = Output::new(None, false, false)?;
            let gap = if place > 0 { "\n" } else { "" };
            let text = format!("{gap}{}", outcome.to_text(rendering::style(&output)));
            output.write(text.as_bytes())?;
            output.finish()?;
            for said in reasons.iter().map(|reason| format!("INVALID: {reason}")).chain(biases.clone()) {
                eprintln!("s3seal: {said}");
            }
            if let Some(folder) = &self.output {
                let told = record::Told { logs, spoiled: reasons.clone(), biases };
                let folder = record::record(folder, &day, experiment, &outcome, told)?;
                eprintln!("s3seal: recorded in {}", folder.display());
            }
            broken |= !outcome.holds();
            spoiled |= !reasons.is_empty();
        }
        match (spoiled, broken) {
            (true, _) => Err(Failure::new("a live run is INVALID; run it on a machine with less beside it")),
            (false, true) => Ok(ExitCode::from(3)),
            (false, false) => Ok(ExitCode::SUCCESS),
        }
    }

    /// The experiments asked for, read and checked before anything runs.
    fn chosen(&self) -> Result<Vec<Experiment>, Failure> {
        let mut chosen: Vec<Experiment> = Vec::new();
        for name in &self.names {
            let texts: Vec<(String, String)> = match preset(name) {
                _ if name == "all" => {
                    EXPERIMENTS.iter().map(|preset| (preset.name.into(), preset.text.into())).collect()
                }
                Ok(preset) => vec![(preset.name.into(), preset.text.into())],
                Err(_) if is_path(name) => vec![pricing::read(Path::new(name))?],
                Err(error) => return Err(Failure::usage(error)),
            };
            for (name, text) in texts {
                let refuse = |error: &dyn std::fmt::Display| Failure::usage(format_args!("{name}: {error}"));
                let mut experiment = Experiment::parse(&text).map_err(|error| refuse(&error))?;
                if self.small {
                    experiment = experiment.small().map_err(|error| refuse(&error))?;
                }
                if !self.seed.is_empty() {
                    experiment.seeds.clone_from(&self.seed);
                    experiment.seeds.sort_unstable();
                    experiment.seeds.dedup();
                }
                if chosen.iter().any(|other| other.name == experiment.name) {
                    return Err(refuse(&format_args!("`{}` is asked for twice", experiment.name)));
                }
                chosen.push(experiment);
            }
        }
        Ok(chosen)
    }
}

/// Whether what is no built-in experiment was meant as a file.
fn is_path(name: &str) -> bool {
    let path = Path::new(name);
    path.extension().is_some() || path.components().count() > 1 || path.exists()
}

/// What the runs of an experiment leave.
struct Measured {
    /// In the order of points and seeds.
    rows: Vec<Row>,
    /// Interval logs of the first seed, where they are wanted, with the names of their points.
    logs: Vec<(String, String)>,
    /// What spoilt live runs.
    reasons: Vec<String>,
    /// What biases the times of live runs on this machine, where there are any.
    biases: Option<String>,
}

/// A run at a point.
type Made = (Row, Option<String>);

/// Makes every run. Simulated ones go side by side, live ones one after the other and by themselves.
fn measure(
    experiment: &Experiment,
    points: &[Point],
    hdr: bool,
    progress: &Progress,
) -> Result<Measured, Failure> {
    let jobs: Vec<(usize, u64)> =
        (0..points.len()).flat_map(|point| experiment.seeds.iter().map(move |seed| (point, *seed))).collect();
    let bar = progress::runs(jobs.len());
    bar.set_message(format!("({})", experiment.name));
    let interrupted = || progress.interrupted.load(Ordering::Relaxed);
    let title = |place: usize| experiment.title(&points[place].places);
    let refuse = |place: usize, error: &dyn std::fmt::Display| {
        Failure::usage(format_args!("{} at {}: {error}", experiment.name, title(place)))
    };
    let made = |(place, seed): (usize, u64), summary, recorder: &Recorder, until| -> Result<Made, Failure> {
        let row = points[place].row(place, seed, summary).map_err(|error| refuse(place, &error))?;
        let is_logged = hdr && experiment.seeds.first() == Some(&seed);
        bar.inc(1);
        Ok((row, is_logged.then(|| log(&title(place), recorder, until))))
    };
    let simulated = |&(place, seed): &(usize, u64)| -> Result<Option<Made>, Failure> {
        let point = &points[place];
        if interrupted() || point.kind == Kind::Live {
            return Ok(None);
        }
        let run = point.measure(seed).map_err(|error| refuse(place, &error))?;
        made((place, seed), run.summary, &run.recorder, run.run.measured_until).map(Some)
    };
    // Gathered before the first failure is looked for, so that it is the same one every time.
    let runs: Vec<Result<Option<Made>, Failure>> = jobs.par_iter().map(simulated).collect();
    let mut runs: Vec<Option<Made>> = runs.into_iter().collect::<Result<_, _>>()?;
    let watched = points.iter().any(|point| point.kind == Kind::Live).then(doctor::Watched::start);
    let (mut buffers, mut reasons) = (Buffers::new(), Vec::new());
    for (run, &(place, seed)) in runs.iter_mut().zip(&jobs) {
        if run.is_none() && !interrupted() {
            let live = on_the_clock(&points[place], seed, &mut buffers, progress)?;
            reasons.extend(live.spoiled.map(|why| format!("{}: {why}", title(place))));
            *run = Some(made((place, seed), live.summary, &live.recorder, live.until)?);
        }
    }
    bar.finish_and_clear();
    if interrupted() {
        let text = format!("interrupted: {} is not judged, and nothing of it is recorded", experiment.name);
        return Err(Failure { text, code: 130 });
    }
    let biases = watched.and_then(doctor::Watched::note);
    let mut measured = Measured { rows: Vec::new(), logs: Vec::new(), reasons, biases };
    for (row, log) in runs.into_iter().flatten() {
        measured.logs.extend(log.map(|log| (title(row.point), log)));
        measured.rows.push(row);
    }
    Ok(measured)
}

/// The interval log of a run; of an experiment without a knob that turns it is called `all`.
fn log(title: &str, recorder: &Recorder, until: Timestamp) -> String {
    let label = if title.is_empty() { "all" } else { title };
    let mut log = Vec::new();
    write_interval_log(&mut log, &[LoggedRun { label, recorder, until }]).expect("memory takes anything");
    String::from_utf8(log).expect("an interval log is text")
}

/// A run on the clock.
struct Live {
    summary: Summary,
    recorder: Recorder,
    until: Timestamp,
    spoiled: Option<String>,
}

/// Runs `point` with real encryption.
fn on_the_clock(
    point: &Point,
    seed: u64,
    buffers: &mut Buffers,
    progress: &Progress,
) -> Result<Live, Failure> {
    let scenario = point.scenario(seed);
    let source = Source::Scenario(scenario.clone());
    let window = match scenario.stop {
        Stop::Duration(length) => {
            let from = Timestamp::ZERO + scenario.warm_up;
            Window { from, until: from + length }
        }
        Stop::Operations(_) => sim::window(&source, None),
    };
    let mut recorder = Recorder::new(window);
    let options = live::Options { memory_max: machine::available_memory(), ..live::Options::default() };
    let run =
        live::run(&scenario, point.mode, &options, buffers, progress, &mut recorder).map_err(Failure::new)?;
    let facts = Run {
        mode: point.mode,
        kind: Kind::Live,
        quota_per_s: uses_kms(point.mode).then(|| run.quota_per_s.into()),
        until: run.measured_until,
        concurrency: None,
    };
    let summary = Summary::new(&recorder, &facts, sim::name(&source));
    let broken = run
        .first_broken
        .as_ref()
        .map(|error| format!("{} pieces of work failed, the first: {error}", run.broken));
    let spoiled = live::spoiled(&summary, run.late).or(broken);
    Ok(Live { summary, recorder, until: run.measured_until, spoiled })
}
