//! Figures that say how they are known.

use serde::Serialize;

use super::candidate::Candidate;
use super::count::Counted;
use super::inquiry::Trial;
use super::revocation::{BlastRadius, Revocation};
use crate::pipeline::uses_kms;
use crate::request::SseMode;
use crate::units::Usd;

/// How a figure is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Counted in a log.
    Measured,
    /// Counted in a run in virtual time.
    Simulated,
    /// Follows from what was given by a formula.
    Arithmetic,
    /// Given, or taken from what is published; yours may differ.
    Assumption,
}

impl How {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Simulated => "simulated",
            Self::Arithmetic => "arithmetic",
            Self::Assumption => "assumption",
        }
    }
}

/// A figure and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Figure<T> {
    /// The figure.
    pub value: T,
    /// How it is known.
    pub how: How,
}

/// `value`, counted in a run.
pub(super) const fn simulated<T>(value: T) -> Figure<T> {
    Figure { value, how: How::Simulated }
}

/// `value` by a formula.
pub(super) const fn arithmetic<T>(value: T) -> Figure<T> {
    Figure { value, how: How::Arithmetic }
}

/// `value` as it was given.
pub(super) const fn assumption<T>(value: T) -> Figure<T> {
    Figure { value, how: How::Assumption }
}

/// What a candidate came to. Times in nanoseconds, shares from 0 to 1, money in US dollars a month.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Median response time.
    pub p50_ns: Figure<u64>,
    /// 99th percentile of the response time.
    pub p99_ns: Figure<u64>,
    /// 99.9th percentile.
    pub p999_ns: Figure<u64>,
    /// Requests that started and failed ÷ requests offered.
    pub failed: Figure<f64>,
    /// Requests that never started ÷ requests offered.
    pub dropped: Figure<f64>,
    /// KMS calls throttled ÷ KMS calls sent.
    pub throttled: Figure<f64>,
    /// KMS calls per second in the mean.
    pub kms_calls_per_s: Figure<f64>,
    /// The most KMS calls in one second.
    pub kms_peak_per_s: Figure<u64>,
    /// 1 − (peak + calls of others) ÷ quota; none where no quota matters.
    pub headroom: Option<Figure<f64>>,
    /// What encryption adds to a month's bill.
    pub adds_usd: Figure<Usd>,
    /// The month's bill: requests, KMS and keys, without storage and transfer.
    pub total_usd: Figure<Usd>,
    /// Of the requests offered the part that the bill is about: below 1 where 1 % or more were throttled to the end of their
    /// retries or dropped, so that it is one of fewer requests.
    pub billed_share: Figure<f64>,
    /// Whether every line of the bill has a price.
    pub prices_complete: bool,
    /// Whether every price is confirmed.
    pub prices_confirmed: bool,
    /// How long after its KMS key is disabled data may still be opened; none for ever.
    pub revocation_ns: Figure<Option<u64>>,
    /// Objects under one data key, or Bucket Key, at most; none where the callers decide.
    pub objects_per_key: Figure<Option<u64>>,
    /// Bytes under it.
    pub bytes_per_key: Figure<Option<u64>>,
    /// Whether the calls are those of every day, not of filling caches.
    pub steady: bool,
}

/// What one pass over the requests tells of a candidate without a run of its own: the same calls as in a run, no response
/// times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CountedFigures {
    /// KMS calls per second in the mean.
    pub kms_calls_per_s: Figure<f64>,
    /// The most KMS calls in one second.
    pub kms_peak_per_s: Figure<u64>,
    /// What encryption adds to a month's bill.
    pub adds_usd: Figure<Usd>,
    /// How long after its KMS key is disabled data may still be opened; none for ever.
    pub revocation_ns: Figure<Option<u64>>,
    /// Whether the calls are those of every day, not of filling caches.
    pub steady: bool,
}

impl CountedFigures {
    pub(super) fn of(counted: &Counted) -> Self {
        Self {
            kms_calls_per_s: simulated(counted.calls_per_s),
            kms_peak_per_s: simulated(counted.peak_per_s),
            adds_usd: simulated(counted.adds),
            revocation_ns: arithmetic(counted.revocation.bound().map(crate::units::Span::as_nanos)),
            steady: counted.steady,
        }
    }
}

impl Figures {
    pub(super) fn of(trial: &Trial, blast: Option<BlastRadius>) -> Self {
        let run = &trial.run;
        // With a Bucket Key these rest on a lifetime that nobody publishes.
        let by_age =
            if trial.candidate.mode == SseMode::SseKmsBucketKey { How::Assumption } else { How::Arithmetic };
        Self {
            p50_ns: simulated(run.response_time_ns.p50),
            p99_ns: simulated(run.response_time_ns.p99),
            p999_ns: simulated(run.response_time_ns.p999),
            failed: simulated(run.failed_share().unwrap_or(0.0)),
            dropped: simulated(run.dropped_share().unwrap_or(0.0)),
            throttled: simulated(run.throttled_share().unwrap_or(0.0)),
            kms_calls_per_s: simulated(run.kms.calls_per_s),
            kms_peak_per_s: simulated(run.kms.peak_calls_per_s),
            headroom: headroom(&trial.candidate, run.kms.peak_calls_per_s, trial.background),
            adds_usd: simulated(trial.adds),
            total_usd: simulated(trial.total),
            billed_share: simulated(run.billed_share().unwrap_or(1.0)),
            prices_complete: trial.complete,
            prices_confirmed: trial.confirmed,
            revocation_ns: Figure {
                value: trial.revocation.bound().map(crate::units::Span::as_nanos),
                how: match trial.revocation {
                    Revocation::Unpublished(_) => How::Assumption,
                    _ => by_age,
                },
            },
            objects_per_key: Figure { value: blast.map(|blast| blast.objects), how: by_age },
            bytes_per_key: Figure { value: blast.map(|blast| blast.bytes), how: by_age },
            steady: trial.steady,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a second")]
fn headroom(candidate: &Candidate, peak: u64, background: f64) -> Option<Figure<f64>> {
    uses_kms(candidate.mode).then(|| simulated(1.0 - (peak as f64 + background) / candidate.quota as f64))
}
