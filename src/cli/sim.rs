//! `s3seal sim`: a scenario in virtual time, all modes and quotas side by side.

use clap::Args;
use rayon::prelude::*;
use s3seal::report::{Kind, Member, Recorder, Report, Run, Summary, Window};
use s3seal::request::SseMode;
use s3seal::sim::{self, Options};
use s3seal::units::Timestamp;
use s3seal::workload::{Naming, Scenario, Stop};

use super::workload::uses_kms;
use super::{Failure, rendering, workload};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    workload: workload::Arguments,
    #[command(flatten)]
    rendering: rendering::Arguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let scenario = arguments.workload.scenario()?;
    let output = arguments.rendering.open()?;
    let rows: Vec<_> = scenario
        .modes
        .iter()
        .flat_map(|&mode| arguments.workload.quotas(mode).into_iter().map(move |quota| (mode, quota)))
        .collect();
    let (runs, mut notes) = simulate(&scenario, &rows, arguments.workload.concurrency)?;
    let mut report = Report::new(scenario.seed(), scenario.to_toml(), runs);
    report.notes = rendering::notes(&scenario);
    report.notes.append(&mut notes);
    arguments.rendering.write(output, &report)
}

/// A simulated run for each of `rows`, in their order whatever the number of threads; and what is to be said of them.
pub(super) fn simulate(
    scenario: &Scenario,
    rows: &[(SseMode, Option<u64>)],
    concurrency: Option<u32>,
) -> Result<(Vec<Summary>, Vec<String>), Failure> {
    let done: Result<Vec<_>, Failure> =
        rows.par_iter().map(|&(mode, quota)| simulate_one(scenario, mode, quota, concurrency)).collect();
    let (runs, notes): (Vec<_>, Vec<_>) = done?.into_iter().unzip();
    let mut said: Vec<String> = Vec::new();
    for note in notes.into_iter().flatten() {
        if !said.contains(&note) {
            said.push(note);
        }
    }
    if !runs.is_empty() {
        said.push(
            "Simulated rows assume 2 µs + 0.1 ns per byte for sealing or opening a layer, and 1 µs + 0.05 ns per byte \
             for the store."
                .into(),
        );
    }
    Ok((runs, said))
}

fn simulate_one(
    scenario: &Scenario,
    mode: SseMode,
    quota: Option<u64>,
    concurrency: Option<u32>,
) -> Result<(Summary, Option<String>), Failure> {
    let from = Timestamp::ZERO + scenario.warm_up;
    let until = match scenario.stop {
        Stop::Duration(duration) => from + duration,
        Stop::Operations(_) => Timestamp::MAX,
    };
    let mut recorder = Recorder::new(Window { from, until });
    let options = Options { quota, concurrency, ..Options::default() };
    let run = sim::run(scenario, mode, &options, &mut recorder).map_err(Failure::usage)?;
    let facts = Run {
        mode,
        kind: Kind::Simulated,
        quota_per_s: uses_kms(mode).then(|| run.quota_per_s.into()),
        until: run.measured_until,
        concurrency,
    };
    let summary = Summary::new(&recorder, &facts, name(scenario));
    Ok((summary, run.note.filter(|_| uses_kms(mode))))
}

/// The names of buckets, principals and KMS keys in reports on `scenario`.
pub(super) fn name(scenario: &Scenario) -> impl Fn(Member) -> String {
    let naming = Naming::new(scenario);
    move |member| match member {
        Member::Bucket(bucket) => naming.bucket(bucket),
        Member::Principal(principal) => naming.principal(principal).to_string(),
        Member::KmsKey(key) => naming.kms_key_arn(key),
    }
}
