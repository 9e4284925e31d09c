//! What one run came to: plain data, integers where they can be, ready to be kept and compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::distribution::{Distribution, Percentiles};
use super::figure::{per_second, ratio};
use super::recorder::{Answers, OperationRecord, Phase, Recorder, Window};
use super::tally::Calls;
use crate::request::{Ending, KeySource, KmsAnswer, Operation, SseMode};
use crate::units::Timestamp;

/// Whether a run took real time or virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Real encryption, on the clock.
    Live,
    /// Virtual time.
    Simulated,
}

impl Kind {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Simulated => "simulated",
        }
    }
}

/// What a driver knows about a run and its rows do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How objects were encrypted.
    pub mode: SseMode,
    /// Real or virtual time.
    pub kind: Kind,
    /// The KMS quota that it ran under, in calls per second; none where no quota applied.
    pub quota_per_s: Option<u64>,
    /// When the measured part really ended: earlier than planned where the run was broken off.
    pub until: Timestamp,
}

/// What a number in the rows stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// [`Outcome::bucket`](crate::request::Outcome::bucket).
    Bucket(u32),
    /// [`Outcome::principal`](crate::request::Outcome::principal).
    Principal(u32),
    /// [`Outcome::kms_key`](crate::request::Outcome::kms_key).
    KmsKey(u32),
}

/// How many members a breakdown names before it sums up the rest.
const NAMED: usize = 10;

/// The name under which the calls of refresh ahead stand among the operations.
pub const REFRESH_AHEAD: &str = "refresh-ahead";

/// One run in figures. docs/REPORT.md describes every field.
///
/// Counts are over the measured part (see [`Recorder`]); `offered = completed + failed + dropped`. Percentiles cover
/// the requests that started, with the time that they took, failed ones included; a dropped request took no time and
/// stands in no percentile, only in `dropped`. Times are whole nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How objects were encrypted.
    #[serde(with = "mode_name")]
    pub mode: SseMode,
    /// Real or virtual time.
    pub kind: Kind,
    /// The KMS quota in calls per second; none where no quota applied.
    pub quota_per_s: Option<u64>,
    /// Length of the measured part.
    pub measured_ns: u64,
    /// Requests due in the measured part.
    pub offered: u64,
    /// Those that succeeded.
    pub completed: u64,
    /// Those that started and did not succeed.
    pub failed: u64,
    /// Those that never started.
    pub dropped: u64,
    /// The same by ending.
    pub endings: Endings,
    /// `offered ÷ measured time`.
    pub offered_per_s: f64,
    /// Successes that *ended* in the measured part, whenever they were due, ÷ measured time: what the system kept up.
    pub completed_per_s: f64,
    /// `finished − due` over all that started.
    pub response_time_ns: Percentiles,
    /// `finished − due` over the successes.
    pub response_time_success_ns: Percentiles,
    /// `finished − started` over all that started.
    pub service_time_ns: Percentiles,
    /// The parts of the time, over all that started.
    pub phase_ns: PhasePercentiles,
    /// Calls to KMS.
    pub kms: Kms,
    /// Where data keys came from.
    pub cache: Cache,
    /// Attempts after the first, at S3 or at KMS.
    pub retries: u64,
    /// What retries cost.
    pub amplification: Amplification,
    /// Plaintext bytes of the requests that succeeded.
    pub bytes: u64,
    /// Plaintext bytes of the successes that ended in the measured part ÷ measured time.
    pub bytes_per_s: f64,
    /// The same per operation, those that occurred.
    pub operations: Vec<OperationSummary>,
    /// Who caused the KMS calls.
    pub attribution: Attribution,
    /// Second by second, warm-up included and marked.
    pub series: Vec<SecondSummary>,
}

/// Requests by ending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endings {
    /// Did what they were asked.
    pub succeeded: u64,
    /// Throttled beyond their retries, as the client saw it.
    pub throttled: u64,
    /// Not allowed.
    pub denied: u64,
    /// The KMS key could not be used.
    pub key_unavailable: u64,
    /// Anything else.
    pub failed: u64,
    /// Never started.
    pub dropped: u64,
}

/// Percentiles of the parts of a request's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhasePercentiles {
    /// `started − due`.
    pub lag: Percentiles,
    /// Waiting for data keys; 0 for those that did not wait.
    pub kms_wait: Percentiles,
    /// Sealing or opening.
    pub crypto: Percentiles,
    /// Reading or writing the store.
    pub store: Percentiles,
    /// S3's own time, where it is modelled.
    pub s3: Percentiles,
}

/// Calls to KMS, sent at or after the start of the measured part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kms {
    /// `granted + throttled + refused + failed`.
    pub calls: u64,
    /// Answered with what they asked for.
    pub granted: u64,
    /// Over the quota.
    pub throttled: u64,
    /// Denied, disabled, not found, invalid.
    pub refused: u64,
    /// Outages and internal errors.
    pub failed: u64,
    /// Those that cost money.
    pub billed: u64,
    /// Calls that would have done without any throttling or failure: granted, refused, and one for each request that
    /// gave up throttled.
    pub needed: u64,
    /// Calls sent in the measured part ÷ measured time.
    pub calls_per_s: f64,
    /// The most calls in one second of the clock.
    pub peak_calls_per_s: u64,
    /// What requests waited for data keys, over all that started; 0 for those that did not wait.
    pub wait_ns: Percentiles,
    /// What KMS took to answer.
    pub call_time_ns: Percentiles,
    /// The same by KMS operation, in the order of their names.
    pub operations: Vec<KmsOperation>,
}

/// Calls of one KMS operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsOperation {
    /// AWS's name.
    pub name: String,
    /// `granted + throttled + refused + failed`.
    pub calls: u64,
    /// Answered with what they asked for.
    pub granted: u64,
    /// Over the quota.
    pub throttled: u64,
    /// Denied, disabled, not found, invalid.
    pub refused: u64,
    /// Outages and internal errors.
    pub failed: u64,
    /// Those that cost money.
    pub billed: u64,
}

/// Where the data keys of the requests that started came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cache {
    /// `cached ÷ (cached + joined + fetched)`, 0 to 1; none when no request needed a KMS key.
    pub hit_ratio: Option<f64>,
    /// From a cached data key or a warm Bucket Key.
    pub cached: u64,
    /// From another request's fetch.
    pub joined: u64,
    /// From a KMS call of their own.
    pub fetched: u64,
}

/// How much more was sent than was needed; none when nothing was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Amplification {
    /// KMS calls sent ÷ KMS calls needed.
    pub kms_calls: Option<f64>,
    /// Attempts ÷ requests that started.
    pub attempts: Option<f64>,
}

/// One operation of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationSummary {
    /// AWS's name, with `GetObjectRange` for a ranged `GetObject`.
    pub operation: String,
    /// Requests due in the measured part.
    pub offered: u64,
    /// Those that succeeded.
    pub completed: u64,
    /// Those that started and did not succeed.
    pub failed: u64,
    /// Those that never started.
    pub dropped: u64,
    /// `finished − due` over all that started.
    pub response_time_ns: Percentiles,
    /// `finished − due` over the successes.
    pub response_time_success_ns: Percentiles,
    /// `finished − started` over all that started.
    pub service_time_ns: Percentiles,
    /// The parts of the time, over all that started.
    pub phase_ns: PhasePercentiles,
    /// Where data keys came from.
    pub cache: Cache,
    /// KMS calls sent for these requests, throttled ones included.
    pub kms_calls: u64,
    /// Throttled answers that these requests met.
    pub throttles: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Plaintext bytes of the requests that succeeded.
    pub bytes: u64,
}

/// KMS calls and throttles by who caused them; each list sums to [`Kms::calls`] and [`Kms::throttled`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// By bucket.
    pub bucket: Vec<Share>,
    /// By principal.
    pub principal: Vec<Share>,
    /// By S3 operation, with [`REFRESH_AHEAD`] for calls that no request caused.
    pub operation: Vec<Share>,
    /// By KMS key.
    pub kms_key: Vec<Share>,
}

/// The part of one member in the KMS calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its name; none for all the members that the list does not name, summed up in its last place.
    pub name: Option<String>,
    /// Calls sent.
    pub calls: u64,
    /// Those of them that were throttled.
    pub throttled: u64,
}

/// One second of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondSummary {
    /// Seconds of the clock since the one in which the measured part started; negative in the warm-up.
    pub second: i64,
    /// Whether this counts in the figures of the run. A second that the measured part shares with the warm-up stands
    /// twice.
    pub measured: bool,
    /// Requests due in this second.
    pub offered: u64,
    /// Of these, those that succeeded, whenever they ended.
    pub completed: u64,
    /// Of these, those that started and failed.
    pub failed: u64,
    /// Of these, those that never started.
    pub dropped: u64,
    /// KMS calls sent in this second.
    pub kms_calls: u64,
    /// Of these, those that KMS throttled.
    pub throttled: u64,
}

impl Summary {
    /// The figures of what `recorder` counted. `name` names the members of the run; it is asked for few of them.
    pub fn new(recorder: &Recorder, run: &Run, name: impl Fn(Member) -> String) -> Self {
        let window = Window { from: recorder.window.from, until: recorder.window.until.min(run.until) };
        let measured_ns = window.length().as_nanos();
        let total = Total::of(recorder.operations.iter().flatten().map(AsRef::as_ref));
        let started = total.completed.saturating_add(total.failed);
        let kms = kms(recorder, &total, measured_ns);
        Self {
            mode: run.mode,
            kind: run.kind,
            quota_per_s: run.quota_per_s,
            measured_ns,
            offered: started.saturating_add(total.endings.dropped),
            completed: total.completed,
            failed: total.failed,
            dropped: total.endings.dropped,
            endings: total.endings,
            offered_per_s: per_second(started.saturating_add(total.endings.dropped), measured_ns),
            completed_per_s: per_second(recorder.completions, measured_ns),
            response_time_ns: total.all(Phase::Response),
            response_time_success_ns: total.succeeded[Phase::Response as usize].percentiles(),
            service_time_ns: total.all(Phase::Service),
            phase_ns: total.phases(),
            cache: total.cache,
            retries: total.retries,
            amplification: Amplification {
                kms_calls: ratio(kms.calls, kms.needed),
                attempts: ratio(started.saturating_add(total.retries), started),
            },
            kms,
            bytes: total.bytes,
            bytes_per_s: per_second(recorder.completed_bytes, measured_ns),
            operations: operations(recorder),
            attribution: attribution(recorder, name),
            series: series(recorder),
        }
    }

    /// Requests that started: those that the percentiles cover.
    pub fn started(&self) -> u64 {
        self.completed.saturating_add(self.failed)
    }

    /// KMS calls that a request needs on average; none when no request started.
    pub fn calls_per_request(&self) -> Option<f64> {
        ratio(self.kms.needed, self.started())
    }

    /// The part of the KMS calls that was throttled, 0 to 1; none without a call.
    pub fn throttled_share(&self) -> Option<f64> {
        ratio(self.kms.throttled, self.kms.calls)
    }

    /// The part of the offered requests that started and failed, 0 to 1; none when none was offered.
    pub fn failed_share(&self) -> Option<f64> {
        ratio(self.failed, self.offered)
    }

    /// The part of the offered requests that never started, 0 to 1; none when none was offered.
    pub fn dropped_share(&self) -> Option<f64> {
        ratio(self.dropped, self.offered)
    }
}

/// Operations added up.
#[derive(Default)]
struct Total {
    succeeded: [Distribution; Phase::ALL.len()],
    every: [Distribution; Phase::ALL.len()],
    endings: Endings,
    completed: u64,
    failed: u64,
    cache: Cache,
    kms_calls: u64,
    throttles: u64,
    retries: u64,
    given_up: u64,
    bytes: u64,
}

impl Total {
    fn of<'a>(records: impl Iterator<Item = &'a OperationRecord>) -> Self {
        let mut total = Self::default();
        let add = |sum: &mut u64, n: u64| *sum = sum.saturating_add(n);
        for record in records {
            for phase in 0..Phase::ALL.len() {
                total.succeeded[phase].merge(&record.succeeded[phase]);
                total.every[phase].merge(&record.succeeded[phase]);
                total.every[phase].merge(&record.failed[phase]);
            }
            add(&mut total.endings.succeeded, record.ending(Ending::Succeeded));
            add(&mut total.endings.throttled, record.ending(Ending::Throttled));
            add(&mut total.endings.denied, record.ending(Ending::Denied));
            add(&mut total.endings.key_unavailable, record.ending(Ending::KeyUnavailable));
            add(&mut total.endings.failed, record.ending(Ending::Failed));
            add(&mut total.endings.dropped, record.ending(Ending::Dropped));
            add(&mut total.cache.cached, record.sources[KeySource::Cached as usize]);
            add(&mut total.cache.joined, record.sources[KeySource::Joined as usize]);
            add(&mut total.cache.fetched, record.sources[KeySource::Fetched as usize]);
            add(&mut total.kms_calls, record.kms_calls);
            add(&mut total.throttles, record.throttles);
            add(&mut total.retries, record.retries);
            add(&mut total.given_up, record.given_up);
            add(&mut total.bytes, record.bytes);
        }
        let Endings { throttled, denied, key_unavailable, failed, .. } = total.endings;
        total.completed = total.endings.succeeded;
        total.failed =
            throttled.saturating_add(denied).saturating_add(key_unavailable).saturating_add(failed);
        let Cache { cached, joined, fetched, .. } = total.cache;
        total.cache.hit_ratio = ratio(cached, cached.saturating_add(joined).saturating_add(fetched));
        total
    }

    fn all(&self, phase: Phase) -> Percentiles {
        self.every[phase as usize].percentiles()
    }

    fn phases(&self) -> PhasePercentiles {
        PhasePercentiles {
            lag: self.all(Phase::Lag),
            kms_wait: self.all(Phase::KmsWait),
            crypto: self.all(Phase::Crypto),
            store: self.all(Phase::Store),
            s3: self.all(Phase::S3),
        }
    }
}

fn kms(recorder: &Recorder, total: &Total, measured_ns: u64) -> Kms {
    let mut every = Answers::default();
    let mut operations = Vec::with_capacity(recorder.calls.len());
    for (name, answers) in &recorder.calls {
        every.merge(answers);
        operations.push(KmsOperation {
            name: (*name).into(),
            calls: answers.calls(),
            granted: answers.of(KmsAnswer::Granted),
            throttled: answers.of(KmsAnswer::Throttled),
            refused: answers.of(KmsAnswer::Refused),
            failed: answers.of(KmsAnswer::Failed),
            billed: answers.billed,
        });
    }
    // Workers meet the names in any order.
    operations.sort_by(|a, b| a.name.cmp(&b.name));
    let (granted, refused) = (every.of(KmsAnswer::Granted), every.of(KmsAnswer::Refused));
    Kms {
        calls: every.calls(),
        granted,
        throttled: every.of(KmsAnswer::Throttled),
        refused,
        failed: every.of(KmsAnswer::Failed),
        billed: every.billed,
        needed: granted.saturating_add(refused).saturating_add(total.given_up),
        calls_per_s: per_second(recorder.calls_in_window, measured_ns),
        peak_calls_per_s: peak(recorder),
        wait_ns: total.all(Phase::KmsWait),
        call_time_ns: recorder.call_time.percentiles(),
        operations,
    }
}

/// The busiest second of the measured part, with what the warm-up sent in the same second: so the quota counts.
fn peak(recorder: &Recorder) -> u64 {
    let unmeasured: BTreeMap<u64, u64> =
        recorder.unmeasured.iter().map(|(second, counts)| (second, counts.kms_calls)).collect();
    let sent = recorder.measured.iter().map(|(second, counts)| {
        let before = unmeasured.get(&second).copied().unwrap_or(0);
        if counts.kms_calls == 0 { 0 } else { counts.kms_calls.saturating_add(before) }
    });
    sent.max().unwrap_or(0)
}

fn operations(recorder: &Recorder) -> Vec<OperationSummary> {
    let occurred = Operation::ALL.into_iter().zip(&recorder.operations);
    let summary = |(operation, record): (Operation, &Option<Box<OperationRecord>>)| {
        let total = Total::of(std::iter::once(record.as_ref()?.as_ref()));
        let started = total.completed.saturating_add(total.failed);
        Some(OperationSummary {
            operation: operation.as_str().into(),
            offered: started.saturating_add(total.endings.dropped),
            completed: total.completed,
            failed: total.failed,
            dropped: total.endings.dropped,
            response_time_ns: total.all(Phase::Response),
            response_time_success_ns: total.succeeded[Phase::Response as usize].percentiles(),
            service_time_ns: total.all(Phase::Service),
            phase_ns: total.phases(),
            cache: total.cache,
            kms_calls: total.kms_calls,
            throttles: total.throttles,
            retries: total.retries,
            bytes: total.bytes,
        })
    };
    occurred.filter_map(summary).collect()
}

fn attribution(recorder: &Recorder, name: impl Fn(Member) -> String) -> Attribution {
    let by_operation = (0..).zip(recorder.by_operation).filter(|(_, calls)| calls.sent > 0);
    let operation = |place: u32| {
        Operation::ALL.get(place as usize).map_or(REFRESH_AHEAD, |operation| operation.as_str()).to_owned()
    };
    Attribution {
        bucket: breakdown(recorder.by_bucket.iter(), NAMED, |n| name(Member::Bucket(n))),
        principal: breakdown(recorder.by_principal.iter(), NAMED, |n| name(Member::Principal(n))),
        operation: breakdown(by_operation, usize::MAX, operation),
        kms_key: breakdown(recorder.by_kms_key.iter(), NAMED, |n| name(Member::KmsKey(n))),
    }
}

/// The largest first; of equals the lower number.
fn breakdown(
    members: impl Iterator<Item = (u32, Calls)>,
    named: usize,
    name: impl Fn(u32) -> String,
) -> Vec<Share> {
    let mut members: Vec<(u32, Calls)> = members.collect();
    members.sort_by_key(|(member, calls)| (std::cmp::Reverse((calls.sent, calls.throttled)), *member));
    let mut rest = Calls::default();
    members.iter().skip(named).for_each(|(_, calls)| rest.add(*calls));
    let mut shares: Vec<Share> = members
        .iter()
        .take(named)
        .map(|(member, calls)| Share {
            name: Some(name(*member)),
            calls: calls.sent,
            throttled: calls.throttled,
        })
        .collect();
    if rest.sent > 0 {
        shares.push(Share { name: None, calls: rest.sent, throttled: rest.throttled });
    }
    shares
}

fn series(recorder: &Recorder) -> Vec<SecondSummary> {
    let start = i128::from(recorder.window.from.second());
    let parts = [(false, &recorder.unmeasured), (true, &recorder.measured)];
    let mut seconds: Vec<SecondSummary> = parts
        .into_iter()
        .flat_map(|(measured, part)| part.iter().map(move |(second, counts)| (measured, second, counts)))
        .map(|(measured, second, counts)| SecondSummary {
            second: i64::try_from(i128::from(second) - start).expect("2⁶⁴ ns are fewer than 2⁶³ s"),
            measured,
            offered: counts.offered,
            completed: counts.completed,
            failed: counts.failed,
            dropped: counts.dropped,
            kms_calls: counts.kms_calls,
            throttled: counts.throttled,
        })
        .collect();
    seconds.sort_by_key(|second| (second.second, second.measured));
    seconds
}

/// A mode by its name, as everywhere.
mod mode_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::request::SseMode;

    pub(super) fn serialize<S: Serializer>(mode: &SseMode, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(mode.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SseMode, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
