//! A run with its figures: rows gathered by a recorder, and what they come to.

use super::{Options, Run, run_source};
use crate::pipeline::uses_kms;
use crate::report::{self, Kind, Member, Recorder, Reuse, Summary, Window};
use crate::request::SseMode;
use crate::rig::{self, RigError};
use crate::units::{Span, Timestamp};
use crate::workload::{Arrivals, Scenario, Source, Stop};

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
    let mut recorder = Recorder::new(window(source, options.concurrency));
    let run = run_source(source, mode, options, &mut recorder)?;
    let facts = report::Run {
        mode,
        kind: Kind::Simulated,
        quota_per_s: uses_kms(mode).then(|| run.quota_per_s.into()),
        until: run.measured_until,
        concurrency: options.concurrency,
    };
    let reuse = reuse(source.scenario(), mode);
    let summary = Summary { reuse, ..Summary::new(&recorder, &facts, name(source)) };
    Ok(Measured { run, recorder, summary })
}

/// How long data keys live in `scenario` under `mode`, and how long it warms up; none where none is used again.
pub fn reuse(scenario: &Scenario, mode: SseMode) -> Option<Reuse> {
    let lifetime = rig::key_lifetime(scenario, mode)?;
    Some(Reuse { key_lifetime_ns: lifetime.as_nanos(), warm_up_ns: scenario.warm_up.as_nanos() })
}

/// The measured part that `source` plans. Where it is a number of requests it ends with the last of them, which the schedule
/// knows; only in a closed loop nobody does.
pub fn window(source: &Source, concurrency: Option<u32>) -> Window {
    let scenario = source.scenario();
    let from = Timestamp::ZERO + scenario.warm_up;
    let until = match (scenario.stop, source) {
        (Stop::Duration(duration), _) => from + duration,
        (Stop::Operations(_), Source::Scenario(scenario)) if concurrency.is_none() => {
            let last = Arrivals::new(scenario).last().map_or(from, |arrival| arrival.due);
            // The last request itself is one of them.
            last + Span::from_nanos(1)
        }
        (Stop::Operations(_), _) => Timestamp::MAX,
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
