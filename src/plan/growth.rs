//! Growth: when the quota is passed, when demands are missed, what quota to ask for and by when, the bill at the horizon.

use serde::Serialize;

use super::candidate::Candidate;
use super::error::PlanError;
use super::figure::{Figure, arithmetic, assumption, simulated};
use super::inquiry::{Judge, Trial, lifetime, stretched};
use super::objective::GrowthRate;
use crate::cost::Month;
use crate::units::{Span, Usd};
use crate::workload::Source;

/// Room above the highest peak that a requested quota has. An assumption: a second of a month may be busier than any of a run.
const ROOM: f64 = 1.25;
/// Months before it is needed that a quota should be asked for. An assumption: AWS names no time.
const LEAD_MONTHS: u32 = 1;
/// A quota that throttles nothing.
const NO_QUOTA: u64 = 1 << 28;

/// What growth does to a choice. Months are counted from now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// By how much the load grows a month, as a part of it.
    pub rate: Figure<f64>,
    /// For how many months it is followed.
    pub horizon: u32,
    /// The first month in which a call is throttled; none within the horizon.
    pub quota_passed_in: Figure<Option<u32>>,
    /// The first month in which a demand is missed; none within the horizon.
    pub missed_in: Figure<Option<u32>>,
    /// What is missed then.
    pub missed: Vec<String>,
    /// The quota to ask for, enough until the horizon for this load and for others on the same quota; none where the one there is suffices.
    pub request_quota: Option<Figure<u64>>,
    /// The month by which to ask for it, as in `2027-03`.
    pub request_by: Option<Figure<String>>,
    /// The most KMS calls in one second at the horizon, nothing throttled.
    pub peak_at_horizon: Figure<u64>,
    /// What encryption adds to a month's bill now, in US dollars.
    pub adds_now_usd: Figure<Usd>,
    /// The same at the horizon, if the quota does not throttle.
    pub adds_at_horizon_usd: Figure<Usd>,
}

/// Follows the growth of `trial` by `rate` for `horizon` months.
///
/// Months are searched by halves, each month simulated: what more load throttles or misses, still more does too, up to the
/// noise of one schedule.
pub(super) fn growth(
    judge: Judge<'_>,
    asked: &Source,
    trial: &Trial,
    rate: GrowthRate,
    horizon: u32,
    requests_max: u64,
    now: Month,
) -> Result<Growth, PlanError> {
    let candidate = trial.candidate;
    let at = |months: u32, candidate: &Candidate| -> Result<Trial, PlanError> {
        let grown = asked.at_rate(asked.scenario().arrival.mean_rate() * rate.after(months))?;
        let longest = lifetime(candidate, grown.scenario()).unwrap_or(Span::ZERO);
        judge.try_out(&stretched(&grown, longest, requests_max)?, candidate)
    };
    let first = |is_over: &dyn Fn(&Trial) -> bool| -> Result<Option<(u32, Trial)>, PlanError> {
        if is_over(trial) {
            return Ok(Some((0, trial.clone())));
        }
        let last = at(horizon, &candidate)?;
        if horizon == 0 || !is_over(&last) {
            return Ok(None);
        }
        let (mut low, mut high, mut found) = (0, horizon, last);
        while high - low > 1 {
            let middle = u32::midpoint(low, high);
            let tried = at(middle, &candidate)?;
            if is_over(&tried) {
                (high, found) = (middle, tried);
            } else {
                low = middle;
            }
        }
        Ok(Some((high, found)))
    };
    let passed = first(&|trial| trial.run.kms.throttled > 0)?;
    let missed = first(&|trial| !trial.missed.is_empty())?;
    let free = at(horizon, &Candidate { quota: NO_QUOTA, ..candidate })?;
    let peak = free.run.kms.peak_calls_per_s;
    let passed_in = passed.as_ref().map(|(month, _)| *month);
    // The quota has to hold what others call on it as well.
    #[expect(clippy::cast_precision_loss, reason = "calls of a second")]
    let needed = two_digits(peak as f64 + free.background);
    let request = passed_in.filter(|_| needed > candidate.quota);
    let by = |month: u32| (0..month.saturating_sub(LEAD_MONTHS)).fold(now, |month, _| month.next());
    Ok(Growth {
        rate: assumption(rate.0),
        horizon,
        quota_passed_in: simulated(passed_in),
        missed_in: simulated(missed.as_ref().map(|(month, _)| *month)),
        missed: missed.map(|(_, trial)| trial.missed).unwrap_or_default(),
        request_quota: request.map(|_| arithmetic(needed)),
        request_by: request.map(|month| arithmetic(by(month).to_string())),
        peak_at_horizon: simulated(peak),
        adds_now_usd: simulated(trial.adds),
        adds_at_horizon_usd: simulated(free.adds),
    })
}

/// `calls` of a second with room, up to two digits: 1,234 × 1.25 is asked for as 1,600.
fn two_digits(calls: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
    let wanted = libm::ceil(calls * ROOM) as u64;
    let mut step = 1;
    while wanted / step >= 100 {
        step *= 10;
    }
    wanted.div_ceil(step) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_asked_for_with_room_and_in_round_numbers() {
        assert_eq!(
            [0.0, 7.0, 80.0, 803.0, 1_234.0, 9_999.0].map(two_digits),
            [0, 9, 100, 1_100, 1_600, 13_000]
        );
    }
}
