//! The ways into a run: of a scenario or a trace, with other arrivals, with an audit log.

use std::io::Write;

use super::audit::Audit;
use super::option::{Options, Run};
use super::run::simulation;
use crate::cache::{Local, Off};
use crate::kms;
use crate::pipeline::{Call, is_cached};
use crate::report::Sink;
use crate::request::SseMode;
use crate::rig::RigError;
use crate::workload::{Arrival, Arrivals, Scenario, Source, Stop};

/// Runs `scenario` in `mode` in virtual time. Rows go to `sink`.
///
/// # Errors
/// [`RigError`] for options that [`Options::check`] refuses, values that the workload allows and another room refuses, and
/// beyond 2²⁸ objects whose keys would have
/// to be followed.
pub fn run(
    scenario: &Scenario,
    mode: SseMode,
    options: &Options,
    sink: &mut (impl Sink + Send),
) -> Result<Run, RigError> {
    run_source(&Source::from(scenario), mode, options, sink)
}

/// As [`run`], for the schedule of a scenario or for a trace.
///
/// # Errors
/// As [`run`].
pub fn run_source(
    source: &Source,
    mode: SseMode,
    options: &Options,
    sink: &mut (impl Sink + Send),
) -> Result<Run, RigError> {
    run_all(source, mode, options, sink, None)
}

/// As [`run_source`], with every KMS call in `audit` as well. Off in the other runs, and then free.
///
/// # Errors
/// As [`run`].
pub fn run_audited<W: Write + Send>(
    source: &Source,
    mode: SseMode,
    options: &Options,
    sink: &mut (impl Sink + Send),
    audit: &mut Audit<W>,
) -> Result<Run, RigError> {
    let mut record = |call: &Call, event| audit.record(call, event);
    run_all(source, mode, options, sink, Some(&mut record))
}

/// As [`run_source`], with `arrivals` in place of the schedule, in due order; they name nothing beyond the numbers of
/// `source`.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// When an arrival names a bucket, KMS key or principal beyond those numbers.
pub fn run_arrivals(
    source: &Source,
    mode: SseMode,
    options: &Options,
    arrivals: impl Iterator<Item = Arrival> + Send,
    sink: &mut (impl Sink + Send),
) -> Result<Run, RigError> {
    run_through(source, mode, options, arrivals, sink, None)
}

/// Told of every KMS call and its event.
pub(super) type Auditor<'a> = Option<&'a mut (dyn FnMut(&Call, kms::Event) + Send)>;

fn run_all<'a>(
    source: &Source,
    mode: SseMode,
    options: &Options,
    sink: &'a mut (impl Sink + Send),
    audit: Auditor<'a>,
) -> Result<Run, RigError> {
    options.check()?;
    match source {
        Source::Scenario(scenario) if options.concurrency.is_some() => {
            // The clients, not the schedule, decide when a run is over.
            let endless = Scenario { stop: Stop::Operations(u64::MAX), ..scenario.clone() };
            run_through(source, mode, options, Arrivals::new(&endless), sink, audit)
        }
        Source::Scenario(scenario) => {
            let (machine, machines) = options.shard.unwrap_or((0, 1));
            let arrivals = Arrivals::new(scenario).shard(machine.into(), machines.into());
            run_through(source, mode, options, arrivals, sink, audit)
        }
        Source::Replay(replay) => run_through(source, mode, options, replay.arrivals(), sink, audit),
    }
}

fn run_through<'a>(
    source: &Source,
    mode: SseMode,
    options: &Options,
    arrivals: impl Iterator<Item = Arrival> + Send,
    sink: &'a mut (impl Sink + Send),
    audit: Auditor<'a>,
) -> Result<Run, RigError> {
    let scenario = source.scenario();
    if is_cached(mode) {
        let make = |rules, generations| Ok(Local::new(rules, generations));
        Ok(simulation(source, mode, options, sink, audit, make)?.run(scenario, arrivals))
    } else {
        let make = |rules, generations| Ok(Off::new(rules, generations));
        Ok(simulation(source, mode, options, sink, audit, make)?.run(scenario, arrivals))
    }
}
