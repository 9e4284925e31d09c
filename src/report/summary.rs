//! What one run came to: plain data, integers where they can be, ready to be kept and compared.

use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::distribution::Percentiles;
use super::figure::{ratio, share};
use super::record::Record;
use crate::request::{Ending, SseMode};
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
    /// The clients of a closed loop; none: an open loop by due times.
    pub concurrency: Option<u32>,
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

/// The name under which the calls of refresh ahead stand among the operations.
pub const REFRESH_AHEAD: &str = "refresh-ahead";

/// One run in figures. docs/REPORT.md describes every field.
///
/// Counts are over the measured part (see [`Recorder`](super::Recorder)); `offered = completed + failed + dropped`. Percentiles cover
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
    /// The clients of a closed loop, each of which sent its next request when the last had ended; none: an open loop by
    /// due times.
    #[serde(default)]
    pub concurrency: Option<u32>,
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
    /// Their means, which add up to that of the response time; none when nothing started.
    #[serde(default)]
    pub phase_mean_ns: Option<PhaseMeans>,
    /// How long data keys are used again and how long they had been when the measured part began; none where none is, or
    /// where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
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
    /// The whole distributions and tallies, for merging and drawing; none in reports of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    /// What a month of it costs; none until the report is [priced](super::Report::price).
    #[serde(default)]
    pub cost: Option<Cost>,
}

/// From this part of the requests on that others did and a run did not, its bill is no longer comparable. A judgement.
const BILL_LACKS: f64 = 0.01;

/// Filling caches may take one such part of what is measured before a report speaks of it. A judgement: 5 % of a bill.
const FILLING_PART: u64 = 20;

/// What a run's data-key caches or Bucket Keys must have gone through before their calls are those of every month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reuse {
    /// The longest that a data key or a Bucket Key is used.
    pub key_lifetime_ns: u64,
    /// The warm-up.
    pub warm_up_ns: u64,
}

impl Reuse {
    /// Whether the filling of caches shows in the figures of a measured part that is so long: when that is shorter than keys
    /// live, so that no renewal was seen, or when more than a twentieth of it passed before keys that were fetched at the start
    /// of the run had to be renewed.
    ///
    /// A key that is always in use is fetched once in each of its lives: from a cold start once more than that, at most. So the
    /// calls are too many by no more than this share.
    pub const fn is_filling(self, measured_ns: u64) -> bool {
        let cold_ns = self.key_lifetime_ns.saturating_sub(self.warm_up_ns);
        measured_ns < self.key_lifetime_ns || cold_ns > measured_ns / FILLING_PART
    }
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

/// Requests that ended within the measured part, as far as S3 bills them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Did what they were asked.
    pub succeeded: u64,
    /// Answered with 4xx: not allowed, or the KMS key could not be used.
    pub refused: u64,
    /// Plaintext bytes of the successes.
    pub bytes: u64,
    /// Requests at S3 that it bills: those it answered with success or 4xx, of an upload each part and two besides. None in
    /// reports of older programs, which took uploads for one.
    #[serde(default)]
    pub s3_requests: Option<u64>,
    /// Plaintext bytes that were encrypted or decrypted, of a copy twice. None in reports of older programs, which left out
    /// copies and uploads.
    #[serde(default)]
    pub crypto_bytes: Option<u64>,
}

/// S3 requests that ended within the measured part, as far as S3 bills them, by the class of its bills: those at the price
/// of a PUT, those at that of a GET, deletes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Requests {
    /// Answered with success or 4xx; of an upload each part and two besides.
    pub requests: [u64; 3],
    /// Plaintext bytes that were encrypted or decrypted: those of a copy twice.
    pub crypto_bytes: u64,
}

impl S3Requests {
    /// All of them, whatever the class.
    pub fn count(&self) -> u64 {
        self.requests.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

impl Ended {
    /// Nothing counted yet.
    pub(super) const NOTHING: Self =
        Self { succeeded: 0, refused: 0, bytes: 0, s3_requests: Some(0), crypto_bytes: Some(0) };

    pub(super) fn add(&mut self, other: Self) {
        let both = |ours: Option<u64>, theirs: Option<u64>| Some(ours?.saturating_add(theirs?));
        self.succeeded = self.succeeded.saturating_add(other.succeeded);
        self.refused = self.refused.saturating_add(other.refused);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.s3_requests = both(self.s3_requests, other.s3_requests);
        self.crypto_bytes = both(self.crypto_bytes, other.crypto_bytes);
    }

    /// What the requests due in the measured part say of those that ended in it: nearly the same, where nothing waits.
    pub(super) fn of_due(endings: &[u64; Ending::ALL.len()], bytes: u64) -> Self {
        let of = |ending: Ending| endings[ending as usize];
        let refused = of(Ending::Denied).saturating_add(of(Ending::KeyUnavailable));
        Self { succeeded: of(Ending::Succeeded), refused, bytes, s3_requests: None, crypto_bytes: None }
    }
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

/// Means of the parts of a request's time, in whole nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseMeans {
    /// `started − due`.
    pub lag: u64,
    /// Waiting for data keys.
    pub kms_wait: u64,
    /// Sealing or opening.
    pub crypto: u64,
    /// Reading or writing the store.
    pub store: u64,
    /// S3's own time, where it is modelled.
    pub s3: u64,
    /// The rest of the service time: waiting for a worker.
    pub other: u64,
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
    /// Those of them that were sent within the measured part, not after its end: what a month is scaled from. None in
    /// reports of older programs.
    #[serde(default)]
    pub billed_in_window: Option<u64>,
    /// Calls that would have done, without any throttling or failure, for the requests due in the measured part: those
    /// granted or refused, whenever they were sent, and one for each request that gave up throttled.
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
    /// KMS calls sent for the requests due in the measured part ÷ KMS calls that they needed.
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
    /// The same by ending.
    #[serde(default)]
    pub endings: Endings,
    /// Requests that ended within the measured part, whenever they were due: what a month is scaled from. None in reports
    /// of older programs.
    #[serde(default)]
    pub ended: Option<Ended>,
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

/// KMS calls, throttles and S3 requests by who caused them; each list sums to [`Kms::calls`], [`Kms::throttled`],
/// [`Kms::billed`], and all but that by KMS key to what [`OperationSummary::ended`] counts.
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

/// The part of one member in the KMS calls and S3 requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its name; none for all the members that the list does not name, summed up in its last place.
    pub name: Option<String>,
    /// Calls sent.
    pub calls: u64,
    /// Those of them that were throttled.
    pub throttled: u64,
    /// Those of them that cost money.
    #[serde(default)]
    pub billed: u64,
    /// Its S3 requests. None among KMS keys, and in reports of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Requests>,
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
    /// Requests due in this second that started and found their data key cached.
    #[serde(default)]
    pub cached: u64,
    /// Those that joined another request's fetch.
    #[serde(default)]
    pub joined: u64,
    /// Those that fetched.
    #[serde(default)]
    pub fetched: u64,
}

impl OperationSummary {
    /// Requests that ended within the measured part; in a report of an older program, those that were due in it.
    pub fn ended(&self) -> Ended {
        let Endings { denied, key_unavailable, .. } = self.endings;
        let refused = denied.saturating_add(key_unavailable);
        self.ended.unwrap_or(Ended {
            succeeded: self.completed,
            refused,
            bytes: self.bytes,
            ..Ended::default()
        })
    }
}

impl Summary {
    /// Successes that ended within the measured part, whenever they were due.
    pub fn completed_in_window(&self) -> u64 {
        self.operations.iter().fold(0, |sum, row| sum.saturating_add(row.ended().succeeded))
    }

    /// Requests that started: those that the percentiles cover.
    pub fn started(&self) -> u64 {
        self.completed.saturating_add(self.failed)
    }

    /// KMS calls that a request which started needs on average, without those that throttling and failures cost on top
    /// (`amplification.kms_calls` times as many are sent); none when no request started.
    ///
    /// Law (`tests/sim/billing.rs`): 1 for PUTs and GETs under `sse-kms`, whatever the quota.
    pub fn calls_needed_per_request(&self) -> Option<f64> {
        ratio(self.kms.needed, self.started())
    }

    /// Whether its KMS calls, hit ratio, tail and bill are those of caches or Bucket Keys that fill, not of a month
    /// ([`Reuse::is_filling`]).
    pub fn is_filling(&self) -> bool {
        self.started() > 0 && self.reuse.is_some_and(|reuse| reuse.is_filling(self.measured_ns))
    }

    /// The part of the offered requests that its bill is about, 0 to 1, where that is not all of them: where 1 % or more were
    /// throttled to the end of their retries or dropped. The bill is then one of fewer requests than others have.
    pub fn billed_share(&self) -> Option<f64> {
        let lost = ratio(self.endings.throttled.saturating_add(self.endings.dropped), self.offered)?;
        (lost >= BILL_LACKS).then_some(1.0 - lost)
    }

    /// The same as a percentage, for people.
    pub fn billed_percentage(&self) -> Option<String> {
        self.billed_share().map(|part| share(Some(part)))
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

/// A mode by its name, as everywhere.
pub(super) mod mode_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::request::SseMode;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(in crate::report) fn serialize<S: Serializer>(
        mode: &SseMode,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(mode.as_str())
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SseMode, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
