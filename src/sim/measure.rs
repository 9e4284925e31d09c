//! A run with its figures: rows gathered by a recorder, and what they come to.

use super::{Options, Run, run_source};
use crate::pipeline::uses_kms;
use crate::report::{self, Kind, Member, Recorder, Summary, Window};
use crate::request::SseMode;
use crate::rig::RigError;
use crate::units::Timestamp;
use crate::workload::{Scenario, Source, Stop};

/// A simulated run with everything that it leaves.
#[derive(Debug)]
pub struct Measured {
    /// What is known beside the rows.
    pub run: Run,
    /// The rows.
    pub recorder: Recorder,
    /// Their figures.
    pub summary: Summary,
}

/// Runs `source` in `mode` and adds up its rows.
///
/// # Errors
/// As [`run_source`].
pub fn measure(source: &Source, mode: SseMode, options: &Options) -> Result<Measured, RigError> {
    let mut recorder = Recorder::new(window(source.scenario()));
    let run = run_source(source, mode, options, &mut recorder)?;
    let facts = report::Run {
        mode,
        kind: Kind::Simulated,
        quota_per_s: uses_kms(mode).then(|| run.quota_per_s.into()),
        until: run.measured_until,
        concurrency: options.concurrency,
    };
    let summary = Summary::new(&recorder, &facts, name(source));
    Ok(Measured { run, recorder, summary })
}

/// The measured part that `scenario` plans; its end is not known beforehand where it is a number of requests.
pub fn window(scenario: &Scenario) -> Window {
    let from = Timestamp::ZERO + scenario.warm_up;
    let until = match scenario.stop {
        Stop::Duration(duration) => from + duration,
        Stop::Operations(_) => Timestamp::MAX,
    };
    Window { from, until }
}

/// The names of buckets, principals and KMS keys in reports on `source`.
pub fn name(source: &Source) -> impl Fn(Member) -> String + use<> {
    let naming = source.naming();
    move |member| match member {
        Member::Bucket(bucket) => naming.bucket(bucket),
        Member::Principal(principal) => naming.principal_name(principal),
        Member::KmsKey(key) => naming.kms_key_arn(key),
    }
}
