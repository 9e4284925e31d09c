//! Drills: the choice under another Region, with empty caches, or without KMS for a while.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::Serialize;

use super::candidate::Candidate;
use super::error::PlanError;
use super::figure::{Figure, assumption, simulated};
use super::inquiry::Judge;
use super::objective::Demands;
use crate::kms::Quota;
use crate::report::{Pricing, SecondSummary};
use crate::units::{NANOS_PER_SECOND, Span};
use crate::workload::{Fault, FaultKind, FleetStart, Source, Stop, span, span_text};

/// When an outage begins, counted from the start of the measured part, and how long is measured after it.
const OUTAGE_AT: Span = Span::from_seconds(5);
const AFTER_OUTAGE: Span = Span::from_seconds(30);

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drill {
    /// All traffic moves to another Region, whose quota is the published one, with empty caches.
    Failover(crate::cost::Region),
    /// Every host starts with empty caches.
    ColdStart,
    /// No KMS call succeeds for so long.
    Outage(Span),
}

impl FromStr for Drill {
    type Err = PlanError;
    fn from_str(text: &str) -> Result<Self, PlanError> {
        let refuse = || PlanError::Drill(text.chars().take(40).collect());
        match text.split_once(':') {
            None if text == "cold-start" => Ok(Self::ColdStart),
            Some(("failover", region)) => region.parse().map(Self::Failover).map_err(|_| refuse()),
            Some(("outage", length)) => {
                let length =
                    span(length).filter(|length| *length > Span::ZERO && *length <= Span::from_days(1));
                length.map(Self::Outage).ok_or_else(refuse)
            }
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failover(region) => write!(f, "failover:{region}"),
            Self::ColdStart => f.write_str("cold-start"),
            Self::Outage(length) => write!(f, "outage:{}", span_text(*length)),
        }
    }
}

/// What a drill came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drilled {
    /// Which, as it was asked for.
    pub drill: String,
    /// The candidate that went through it.
    pub candidate: String,
    /// Whether every objective was kept.
    pub kept: bool,
    /// Objectives missed.
    pub missed: Vec<String>,
    /// KMS calls per second that the quota allowed.
    pub quota_per_s: Figure<u64>,
    /// 99th percentile of the response time.
    pub p99_ns: Figure<u64>,
    /// Requests that started and failed ÷ requests offered.
    pub failed: Figure<f64>,
    /// KMS calls throttled ÷ KMS calls sent.
    pub throttled: Figure<f64>,
    /// The most KMS calls in one second.
    pub kms_peak_per_s: Figure<u64>,
    /// Seconds after the outage, or the start, until the last request failed or the last call was throttled; 0: none did.
    pub recovered_in_s: Figure<u64>,
}

/// Puts `candidate` through `drill`; `source` is stretched over the lives of its keys.
pub(super) fn drill(
    judge: Judge<'_>,
    source: &Source,
    candidate: &Candidate,
    drill: &Drill,
    date: Date,
) -> Result<Drilled, PlanError> {
    let mut candidate = *candidate;
    let mut pricing: Option<Pricing> = None;
    let mut over = Span::ZERO;
    let source = match drill {
        Drill::Failover(region) => {
            let quota =
                Quota::for_region(region.as_str(), date).map_err(|e| PlanError::Quota(e.to_string()))?;
            candidate.quota = quota.per_second.into();
            pricing = Some(Pricing { region: *region, ..judge.pricing.clone() });
            source.under(|scenario| {
                scenario.kms.region = region.to_string();
                scenario.fleet.start = FleetStart::Cold;
            })?
        }
        Drill::ColdStart => source.under(|scenario| scenario.fleet.start = FleetStart::Cold)?,
        Drill::Outage(length) => {
            over = OUTAGE_AT + *length;
            source.under(|scenario| {
                scenario.faults.push(Fault {
                    at: OUTAGE_AT,
                    length: Some(*length),
                    kind: FaultKind::KmsOutage,
                });
                if let Stop::Duration(measured) = scenario.stop {
                    scenario.stop = Stop::Duration(measured.max(over + AFTER_OUTAGE));
                }
            })?
        }
    };
    // A month of outages has no bill.
    let demands = Demands { budget: None, ..judge.demands.clone() };
    let judge = Judge { demands: &demands, pricing: pricing.as_ref().unwrap_or(judge.pricing) };
    let trial = judge.try_out(&source, &candidate)?;
    let run = &trial.run;
    Ok(Drilled {
        drill: drill.to_string(),
        candidate: candidate.title(),
        kept: trial.missed.is_empty(),
        missed: trial.missed.clone(),
        quota_per_s: assumption(candidate.quota),
        p99_ns: simulated(run.response_time_ns.p99),
        failed: simulated(run.failed_share().unwrap_or(0.0)),
        throttled: simulated(run.throttled_share().unwrap_or(0.0)),
        kms_peak_per_s: simulated(run.kms.peak_calls_per_s),
        recovered_in_s: simulated(recovered_in_s(&run.series, over)),
    })
}

/// Seconds from `over`, counted from the start of the measured part, to the end of the last measured second in which a request
/// was lost or a call throttled; 0 where there is none after it.
fn recovered_in_s(series: &[SecondSummary], over: Span) -> u64 {
    let over = i64::try_from(over.as_nanos() / NANOS_PER_SECOND).unwrap_or(i64::MAX);
    let bad =
        |second: &&SecondSummary| second.measured && second.failed + second.dropped + second.throttled > 0;
    let last = series.iter().filter(bad).map(|second| second.second + 1 - over).max();
    last.map_or(0, |last| u64::try_from(last).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_ends_with_the_last_measured_second_in_which_anything_was_refused() {
        let second = |second: i64, measured, [failed, dropped, throttled]: [u64; 3]| SecondSummary {
            second,
            measured,
            offered: 100,
            completed: 100 - failed - dropped,
            failed,
            dropped,
            kms_calls: 100,
            throttled,
            cached: 0,
            joined: 0,
            fetched: 0,
        };
        let (quiet, s) = ([0; 3], Span::from_seconds);
        assert_eq!(recovered_in_s(&[], s(0)), 0);
        // The warm-up shares the second in which the measured part starts.
        let warm_up = [second(-1, false, [1; 3]), second(0, false, [1; 3]), second(0, true, quiet)];
        assert_eq!(recovered_in_s(&warm_up, s(0)), 0);
        for bad in [[1, 0, 0], [0, 1, 0], [0, 0, 1]] {
            let series = [second(0, true, bad), second(8, true, bad), second(9, true, quiet)];
            assert_eq!([0, 5, 8, 9, 20].map(|over| recovered_in_s(&series, s(over))), [9, 4, 1, 0, 0]);
        }
    }
}
