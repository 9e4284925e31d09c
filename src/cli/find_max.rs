//! `--find-max OBJECTIVES`: the highest rate that keeps them, by doubling and then halving what is left.

use s3seal::report::{Objectives, Probe, Search, Summary, Verdict};
use s3seal::workload::Source;

use super::Failure;

/// How far from the scenario's own rate the search goes, up and down.
const REACH: f64 = 128.0;

/// What one rate came to.
pub(super) struct Tried<R> {
    pub(super) summary: Summary,
    /// The run, to be given back when it is the answer.
    pub(super) run: R,
    /// Why the figures say more of the machine than of what was measured: then the rate counts as missed.
    pub(super) spoiled: Option<String>,
    /// Whether the search is to end.
    pub(super) interrupted: bool,
}

/// Where a search ended: the highest rate that holds, the lowest that does not, each where one was met.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bracket {
    holds: Option<f64>,
    fails: Option<f64>,
    ended: bool,
}

/// Searches from the rate of `source`, `try_rate` running it at another; gives the search and the run at its answer.
///
/// The answer is `resolution` fine: at the next rate tried above it an objective is missed. The rates have three digits.
pub(super) fn search<R>(
    source: &Source,
    objectives: &Objectives,
    resolution: f64,
    mut try_rate: impl FnMut(&Source) -> Result<Tried<R>, Failure>,
) -> Result<(Search, R), Failure> {
    let mut probes: Vec<Probe> = Vec::new();
    let mut best: Best<R> = Best { holds: None, fails: None };
    let start = source.scenario().arrival.mean_rate();
    let bracket = bisect(start, resolution, |rate| {
        let at_rate = source.at_rate(rate).map_err(Failure::usage)?;
        let Tried { summary, run, spoiled, interrupted } = try_rate(&at_rate)?;
        if interrupted {
            return Ok(None);
        }
        let mut missed: Vec<String> = objectives.missed(&summary).iter().map(ToString::to_string).collect();
        missed.extend(spoiled.map(|reason| format!("this machine does not hold the rate ({reason})")));
        let holds = missed.is_empty();
        let requests = summary.offered;
        probes.push(Probe { rate_per_s: rate, requests, p99_ns: summary.response_time_ns.p99, missed });
        // What holds is met at rising rates, what fails at falling ones: the last of each is the answer.
        *(if holds { &mut best.holds } else { &mut best.fails }) = Some((summary, run));
        Ok(Some(holds))
    })?;
    let Bracket { holds, fails, ended } = bracket;
    let verdict = match (holds, fails) {
        _ if !ended => Verdict::Interrupted,
        (Some(_), Some(_)) => Verdict::Found,
        (Some(_), None) => Verdict::Unlimited,
        (None, _) => Verdict::Unreachable,
    };
    let missed =
        probes.iter().find(|probe| Some(probe.rate_per_s) == fails).map(|probe| probe.missed.clone());
    let Some((summary, run)) = best.holds.or(best.fails) else {
        return Err(Failure { text: "interrupted before the first rate was tried".into(), code: 130 });
    };
    let found = Search {
        mode: summary.mode,
        kind: summary.kind,
        quota_per_s: summary.quota_per_s,
        objectives: objectives.to_string(),
        verdict,
        highest_per_s: holds,
        exceeded_per_s: fails,
        missed: missed.unwrap_or_default(),
        probes,
    };
    Ok((found, run))
}

/// The latest run that kept the objectives, and the latest that did not.
struct Best<R> {
    holds: Option<(Summary, R)>,
    fails: Option<(Summary, R)>,
}

/// Doubles from `start` while it holds, or halves it until it does. Then halves what is left, on a logarithmic scale, until what holds and what does not are `resolution` apart. `holds` gives none to end early.
fn bisect(
    start: f64,
    resolution: f64,
    mut holds: impl FnMut(f64) -> Result<Option<bool>, Failure>,
) -> Result<Bracket, Failure> {
    let start = rounded(start);
    // A little beyond, for what rounding to three digits takes away.
    let (floor, ceiling) = (start / REACH * 0.95, start * REACH * 1.05);
    let mut bracket = Bracket { holds: None, fails: None, ended: false };
    let mut rate = start;
    loop {
        match holds(rate)? {
            None => return Ok(bracket),
            Some(true) => bracket.holds = Some(rate),
            Some(false) => bracket.fails = Some(rate),
        }
        rate = match (bracket.holds, bracket.fails) {
            (Some(low), Some(high)) => {
                let middle = rounded((low * high).sqrt());
                if high <= low * (1.0 + resolution) || middle <= low || middle >= high {
                    break;
                }
                middle
            }
            (Some(low), None) if low * 2.0 <= ceiling => rounded(low * 2.0),
            (None, Some(high)) if high / 2.0 >= floor => rounded(high / 2.0),
            _ => break,
        };
    }
    Ok(Bracket { ended: true, ..bracket })
}

/// Three digits; powers of ten are exact, so that every machine gets the same.
fn rounded(rate: f64) -> f64 {
    let (mut up, mut down) = (1.0, 1.0);
    while rate * up < 100.0 && up < 1e12 {
        up *= 10.0;
    }
    while rate / down >= 1_000.0 {
        down *= 10.0;
    }
    (rate * up / down).round() * down / up
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches for `limit`; gives the bracket and the rates tried.
    fn tried(start: f64, limit: f64) -> (Bracket, Vec<f64>) {
        let mut rates = Vec::new();
        let bracket = bisect(start, 0.01, |rate| {
            rates.push(rate);
            Ok(Some(rate <= limit))
        });
        (bracket.ok().unwrap(), rates)
    }

    #[test]
    fn the_answer_holds_and_the_next_step_does_not_wherever_the_search_begins() {
        for start in [3.7, 100.0, 1_000.0, 12_345.0] {
            for factor in [0.02, 0.5, 0.999, 1.0, 1.3, 17.0, 120.0] {
                let limit = start * factor;
                let (bracket, rates) = tried(start, limit);
                let (holds, fails) = (bracket.holds.unwrap(), bracket.fails.unwrap());
                // A step is 1 %, or what three digits can tell apart.
                assert!(holds <= limit && limit < fails, "{start}, {limit}: {bracket:?}");
                assert!(fails <= holds * 1.011, "{start}, {limit}: {bracket:?}");
                assert!(rates.contains(&holds) && rates.contains(&fails), "both were tried");
                // 7 doublings or halvings of the rate, then log2(ln 2 ÷ ln 1.01) of what is left.
                assert!(rates.len() <= 15, "{} rates", rates.len());
            }
        }
    }

    #[test]
    fn what_nothing_limits_and_what_nothing_reaches_is_told_apart() {
        let (bracket, rates) = tried(100.0, f64::INFINITY);
        assert_eq!((bracket.holds, bracket.fails, rates.len()), (Some(12_800.0), None, 8));
        let (bracket, rates) = tried(100.0, 0.0);
        let lowest = bracket.fails.unwrap();
        assert_eq!((bracket.holds, rates.len()), (None, 8));
        // Seven times half of it, to three digits each time.
        assert!((lowest * 128.0 / 100.0 - 1.0).abs() < 0.01, "{lowest}");
    }

    #[test]
    fn an_interrupt_leaves_what_is_known() {
        let mut left = 3;
        let bracket = bisect(100.0, 0.01, |rate| {
            left -= 1;
            Ok((left >= 0).then_some(rate < 150.0))
        });
        let known = Bracket { holds: Some(141.0), fails: Some(200.0), ended: false };
        assert_eq!(bracket.ok().unwrap(), known);
    }
}
