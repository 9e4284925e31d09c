//! The other way round: the quota, the age or the rate at which the demands are just kept, each a fixed point that runs check.

use std::str::FromStr;

use serde::Serialize;

use super::candidate::Candidate;
use super::error::PlanError;
use super::figure::{Figure, simulated};
use super::inquiry::{Judge, lifetime, stretched};
use super::objective::{WordError, choose};
use crate::units::Span;
use crate::workload::Source;

/// How far a search goes from where it starts, up and down.
const REACH: u64 = 128;
/// Longest age that is looked at: a day, in seconds.
const AGE_MAX: u64 = 86_400;
/// The largest quota that the model takes.
const QUOTA_MAX: u64 = 1 << 28;

/// What to solve for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The smallest quota, in KMS calls per second.
    Quota,
    /// The shortest age limit of cached data keys, in seconds: the tightest revocation that the load allows.
    MaxAge,
    /// The highest rate, in requests per second.
    MaxRate,
}

impl Unknown {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::MaxAge => "max-age",
            Self::MaxRate => "max-rate",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Quota => "KMS calls/s",
            Self::MaxAge => "s",
            Self::MaxRate => "requests/s",
        }
    }
}

impl FromStr for Unknown {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        let choices = [Self::Quota, Self::MaxAge, Self::MaxRate].map(|unknown| (unknown.as_str(), unknown));
        choose("unknown", text, &choices)
    }
}

/// A solution: `answer` keeps every demand, `beyond`, one step further, does not. Both were run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Solved {
    /// What was solved for.
    pub unknown: String,
    /// The candidate that it was solved for.
    pub candidate: String,
    /// In what it counts.
    pub unit: String,
    /// The last value that keeps every demand; none where none that was tried does.
    pub answer: Option<Figure<u64>>,
    /// One step beyond; none where every value that was tried keeps every demand.
    pub beyond: Option<Figure<u64>>,
    /// What is missed there.
    pub missed: Vec<String>,
    /// Runs that it took.
    pub runs: u32,
}

/// Solves for `unknown` under `candidate`; none where it means nothing to its mode.
pub(super) fn solve(
    judge: Judge<'_>,
    asked: &Source,
    candidate: &Candidate,
    unknown: Unknown,
    requests_max: u64,
) -> Result<Option<Solved>, PlanError> {
    let scenario = asked.scenario();
    let life = lifetime(candidate, scenario).unwrap_or(Span::ZERO);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "requests a second, not negative"
    )]
    let rate = (libm::round(scenario.arrival.mean_rate()) as u64).max(1);
    // Where it starts, its least and its most, and whether more of it is kept more easily.
    let (start, least, most, more_helps) = match unknown {
        Unknown::Quota if crate::pipeline::uses_kms(candidate.mode) => (candidate.quota, 1, QUOTA_MAX, true),
        Unknown::MaxAge if candidate.max_age.is_some() => {
            ((life.as_nanos() / 1_000_000_000).clamp(1, AGE_MAX), 1, AGE_MAX, true)
        }
        Unknown::MaxRate => (rate, (rate / REACH).max(1), rate.saturating_mul(REACH), false),
        _ => return Ok(None),
    };
    let mut missed_at: Vec<(u64, Vec<String>)> = Vec::new();
    let mut runs = 0;
    let mut keeps = |value: u64| -> Result<bool, PlanError> {
        let mut changed = *candidate;
        let source = match unknown {
            Unknown::Quota => {
                changed.quota = value;
                asked.clone()
            }
            Unknown::MaxAge => {
                changed.max_age = Some(Span::from_seconds(value));
                asked.clone()
            }
            #[expect(clippy::cast_precision_loss, reason = "requests a second")]
            Unknown::MaxRate => asked.at_rate(value as f64)?,
        };
        let life = lifetime(&changed, source.scenario()).unwrap_or(Span::ZERO);
        let trial = judge.try_out(&stretched(&source, life, requests_max)?, &changed)?;
        runs += 1;
        let kept = trial.missed.is_empty();
        if !kept {
            missed_at.push((value, trial.missed));
        }
        Ok(kept)
    };
    let (answer, beyond) = edge(start, least, most, more_helps, &mut keeps)?;
    let missed = missed_at.into_iter().find(|(value, _)| Some(*value) == beyond).map(|(_, missed)| missed);
    Ok(Some(Solved {
        unknown: unknown.as_str().into(),
        candidate: candidate.title(),
        unit: unknown.unit().into(),
        answer: answer.map(simulated),
        beyond: beyond.map(simulated),
        missed: missed.unwrap_or_default(),
        runs,
    }))
}

/// Two neighbours, of which the first keeps and the second does not: doubling or halving from `start` until both have been
/// met, then halving what lies between. One of them is none where `least..=most` has no such value on the way.
fn edge<E>(
    start: u64,
    least: u64,
    most: u64,
    more_helps: bool,
    mut keeps: impl FnMut(u64) -> Result<bool, E>,
) -> Result<(Option<u64>, Option<u64>), E> {
    let (mut kept, mut missed) = (None, None);
    let mut value = start.clamp(least, most);
    loop {
        *(if keeps(value)? { &mut kept } else { &mut missed }) = Some(value);
        value = match (kept, missed) {
            (Some(a), Some(b)) if a.abs_diff(b) == 1 => break,
            (Some(a), Some(b)) => u64::midpoint(a, b),
            // Towards what is harder from what keeps, towards what is easier from what does not.
            (Some(at), None) if more_helps && at > least => (at / 2).max(least),
            (None, Some(at)) if more_helps && at < most => at.saturating_mul(2).min(most),
            (Some(at), None) if !more_helps && at < most => at.saturating_mul(2).min(most),
            (None, Some(at)) if !more_helps && at > least => (at / 2).max(least),
            _ => break,
        };
    }
    Ok((kept, missed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_is_found_wherever_it_lies_and_from_either_side() {
        for at in [1, 2, 3, 77, 1_000, 99_999] {
            for start in [1, 50, 1_000, 99_999] {
                let found = edge(start, 1, 100_000, true, |value| Ok::<_, ()>(value >= at)).unwrap();
                assert_eq!(found, (Some(at), (at > 1).then(|| at - 1)), "smallest from {start}");
                let found = edge(start, 1, 100_000, false, |value| Ok::<_, ()>(value <= at)).unwrap();
                assert_eq!(found, (Some(at), Some(at + 1)), "largest from {start}");
            }
        }
        assert_eq!(edge(5, 1, 40, true, |_| Ok::<_, ()>(false)), Ok((None, Some(40))));
        assert_eq!(edge(5, 1, 40, false, |_| Ok::<_, ()>(true)), Ok((Some(40), None)));
    }
}
