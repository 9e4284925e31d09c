//! Trying a candidate: one simulated run, priced and held against the demands.

use super::candidate::Candidate;
use super::error::PlanError;
use super::load::seconds;
use super::objective::Demands;
use super::revocation::Revocation;
use crate::cost::Bill;
use crate::pipeline::is_cached;
use crate::report::{Miss, Pricing, PricingError, Quantity, Summary};
use crate::request::SseMode;
use crate::rig::settings;
use crate::sim::{Options, measure, reuse};
use crate::units::{Span, Usd};
use crate::workload::{ArrivalProcess, Scenario, Source, Stop};

/// What a candidate came to.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) candidate: Candidate,
    /// The run, without its distributions.
    pub(super) run: Summary,
    /// What encryption adds to a month's bill.
    pub(super) adds: Usd,
    /// The month's bill.
    pub(super) total: Usd,
    /// Whether every line has a price, and whether all are confirmed.
    pub(super) complete: bool,
    pub(super) confirmed: bool,
    /// Demands that it misses.
    pub(super) missed: Vec<String>,
    /// Whether keys came to the end of their lives before and in the measured part, so that its calls are those of every day;
    /// else they are those of filling caches.
    pub(super) steady: bool,
    pub(super) revocation: Revocation,
    /// KMS calls per second that others make on the same quota.
    pub(super) background: f64,
    /// Requests that fail in every mode, where that was looked at: no demand is missed for them.
    pub(super) own_failures: u64,
}

/// How a candidate is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge<'a> {
    pub(super) demands: &'a Demands,
    pub(super) pricing: &'a Pricing,
}

impl Judge<'_> {
    /// What is missed where encryption adds so much to a month's bill.
    pub(super) fn over_budget(&self, adds: Usd) -> Option<String> {
        let budget = self.demands.budget.filter(|budget| adds > *budget)?;
        Some(format!("encryption adds {adds} USD a month, and the budget is {budget}"))
    }

    /// Runs `source` under `candidate`.
    pub(super) fn try_out(&self, source: &Source, candidate: &Candidate) -> Result<Trial, PlanError> {
        let (changed, steady) = applied(source, candidate)?;
        let options = Options { quota: Some(candidate.quota), ..Options::default() };
        let mut run = measure(&changed, candidate.mode, &options)?.summary;
        (run.record, run.attribution) = (None, crate::report::Attribution::default());
        let usage = run.usage(self.pricing)?.filter(|_| run.offered > 0).ok_or(PlanError::Nothing)?;
        let bill = Bill::new(&usage, &self.pricing.book, self.pricing.terms).map_err(PricingError::Bill)?;
        let own_failures = self.own_failures(&changed, &run)?;
        let judged = Summary { failed: run.failed - own_failures.min(run.endings.failed), ..run.clone() };
        let mut missed: Vec<String> = self
            .demands
            .keep
            .missed(if own_failures > 0 { &judged } else { &run })
            .iter()
            .map(|miss| format!("{miss}, and {} is demanded", miss.objective))
            .collect();
        missed.extend(self.over_budget(bill.encryption()));
        let scenario = changed.scenario();
        Ok(Trial {
            candidate: *candidate,
            adds: bill.encryption(),
            total: bill.total(),
            complete: bill.missing().next().is_none(),
            confirmed: bill.unconfirmed().next().is_none(),
            missed,
            steady,
            revocation: Revocation::of(candidate, scenario),
            background: scenario.kms.background,
            own_failures,
            run,
        })
    }

    /// How many requests of `source` fail whatever the mode, where `run` misses a demand for its failures: as many as under
    /// SSE-S3, which needs no key. They ask for objects that are not there yet, or not any more.
    fn own_failures(&self, source: &Source, run: &Summary) -> Result<u64, PlanError> {
        let failed = |miss: &Miss| miss.objective.quantity == Quantity::Failed;
        let asked = source.makes_objects() && run.endings.failed > 0;
        if !asked || !self.demands.keep.missed(run).iter().any(failed) {
            return Ok(0);
        }
        Ok(measure(source, SseMode::SseS3, &Options::default())?.summary.endings.failed)
    }
}

/// `source` as it runs under `candidate`, and whether its calls are then those of every day.
pub(super) fn applied(source: &Source, candidate: &Candidate) -> Result<(Source, bool), PlanError> {
    let changed = source.under(|scenario| *scenario = candidate.apply(scenario))?;
    let steady = is_steady(candidate, changed.scenario());
    Ok(if steady { (changed, true) } else { (unwarmed(&changed)?, false) })
}

/// How long keys live under `candidate`; none where none is kept.
pub(super) fn lifetime(candidate: &Candidate, scenario: &Scenario) -> Option<Span> {
    if !is_cached(candidate.mode) {
        return None;
    }
    match Revocation::of(candidate, scenario) {
        Revocation::Within(span) | Revocation::Unpublished(span) => Some(span),
        Revocation::AtOnce | Revocation::Never => {
            Some(settings(scenario, candidate.mode).bucket_key.lifetime)
        }
    }
}

/// By the rule of reports ([`Reuse::is_filling`](crate::report::Reuse::is_filling)).
fn is_steady(candidate: &Candidate, scenario: &Scenario) -> bool {
    let measured = match scenario.stop {
        Stop::Duration(measured) => measured,
        Stop::Operations(_) => Span::ZERO,
    };
    reuse(scenario, candidate.mode).is_none_or(|reuse| !reuse.is_filling(measured.as_nanos()))
}

/// `source` with all of it measured: where keys outlive a run, the calls that fill caches count, so that a bill is rather too
/// high than too low.
fn unwarmed(source: &Source) -> Result<Source, PlanError> {
    let Source::Scenario(Scenario { stop: Stop::Duration(measured), warm_up, .. }) = source else {
        return Ok(source.clone());
    };
    let whole = *warm_up + *measured;
    Ok(source.under(|scenario| (scenario.warm_up, scenario.stop) = (Span::ZERO, Stop::Duration(whole)))?)
}

/// `source` run for as long as the keys that live longest: once to warm up, once measured, with at most `requests_max`
/// requests in all. Traces, and rates that change with a plan of their own, keep their measured part.
pub(super) fn stretched(source: &Source, longest: Span, requests_max: u64) -> Result<Source, PlanError> {
    let Source::Scenario(scenario) = source else { return Ok(source.clone()) };
    let Stop::Duration(asked) = scenario.stop else { return Ok(source.clone()) };
    #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
    let room_s = requests_max as f64 / scenario.arrival.mean_rate();
    let (before, after) = match scenario.arrival {
        ArrivalProcess::Constant { .. } | ArrivalProcess::Poisson { .. } | ArrivalProcess::Burst { .. } => {
            (longest, longest)
        }
        ArrivalProcess::Ramp { .. } | ArrivalProcess::Step { .. } => (longest, Span::ZERO),
    };
    let (mut warm_up, mut measured) = (scenario.warm_up.max(before), asked.max(after));
    if seconds(warm_up + measured) > room_s {
        // What was asked for is kept; the rest of the room goes to both in halves, to whole seconds.
        let least = seconds(scenario.warm_up + asked);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds, not negative")]
        let half = Span::from_seconds(((room_s - least).max(0.0) / 2.0) as u64);
        warm_up = warm_up.min(scenario.warm_up + half);
        measured = measured.min(asked + half);
    }
    Ok(source.under(|scenario| {
        scenario.warm_up = warm_up;
        scenario.stop = Stop::Duration(measured);
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_stretched_over_the_lives_of_keys_as_far_as_requests_allow() {
        let source = Source::from(&Scenario::default());
        let lengths = |requests| {
            let stretched = stretched(&source, Span::from_seconds(60), requests).unwrap();
            (stretched.scenario().warm_up, stretched.scenario().stop)
        };
        let s = Span::from_seconds;
        assert_eq!(lengths(u64::MAX), (s(60), Stop::Duration(s(60))));
        // 8,000 a second, 3 s and 5 s as asked: 40 s have 16 s more for each.
        assert_eq!(lengths(320_000), (s(19), Stop::Duration(s(21))));
        assert_eq!(lengths(1), (s(3), Stop::Duration(s(5))), "never less than asked");
    }

    #[test]
    fn rates_with_a_plan_of_their_own_keep_their_measured_part() {
        let arrival = ArrivalProcess::Ramp { from: 10.0, to: 20.0, over: Span::from_seconds(5) };
        let source = Source::from(&Scenario { arrival, ..Scenario::default() });
        let stretched = stretched(&source, Span::from_seconds(60), u64::MAX).unwrap();
        let Scenario { warm_up, stop, .. } = stretched.scenario();
        assert_eq!((*warm_up, *stop), (Span::from_seconds(60), Stop::Duration(Span::from_seconds(5))));
    }

    #[test]
    fn where_nothing_is_warmed_up_the_whole_of_it_is_measured() {
        let source = unwarmed(&Source::from(&Scenario::default())).unwrap();
        let Scenario { warm_up, stop, .. } = source.scenario();
        assert_eq!((*warm_up, *stop), (Span::ZERO, Stop::Duration(Span::from_seconds(8))), "3 s and 5 s");
    }

    #[test]
    fn a_budget_is_kept_to_the_cent_and_missed_by_one_more() {
        let demands = Demands { budget: Some(Usd::from_cents(500)), ..Demands::default() };
        let pricing = Pricing {
            book: crate::cost::PriceBook::embedded(),
            terms: crate::cost::Terms::default(),
            region: "us-east-1".parse().unwrap(),
            month: crate::cost::PriceBook::month(),
            kms_keys: 1,
            rotations: 0,
        };
        let judge = Judge { demands: &demands, pricing: &pricing };
        assert_eq!(judge.over_budget(Usd::from_cents(500)), None);
        let missed = judge.over_budget(Usd::from_cents(501)).unwrap();
        assert_eq!(missed, "encryption adds 5.01 USD a month, and the budget is 5.00");
    }
}
