//! Limits of a cache counted together: one pass over the requests for all of them, in place of a run for each.

use rayon::prelude::*;

use super::candidate::Candidate;
use super::choose::Known;
use super::error::PlanError;
use super::inquiry::{Judge, applied};
use super::load::Load;
use super::revocation::{BlastRadius, Revocation};
use crate::cache::USES_DEFAULT;
use crate::cost::Bill;
use crate::report::{PricingError, figure};
use crate::request::SseMode;
use crate::rig::CACHE_MAX_AGE_DEFAULT;
use crate::sim::{Counts, Limits, Options, grid};
use crate::units::Usd;
use crate::workload::Source;

/// So many pairs of limits are run one by one, so that table and chart show what their requests take. With more, those that
/// cannot be the choice are counted only.
pub(super) const RUN_ALL: usize = 12;
/// Pairs of limits in one pass, and the memory that their tables of objects may take. Passes stand side by side.
const CELLS: usize = 32;
const TABLES: u64 = 256 << 20;

/// What is known of a candidate without a run of its own.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) candidate: Candidate,
    /// Demands that it misses, as far as calls decide: the budget.
    pub(super) missed: Vec<String>,
    pub(super) adds: Usd,
    pub(super) revocation: Revocation,
    pub(super) calls_per_s: f64,
    pub(super) peak_per_s: u64,
    objects: u64,
    pub(super) steady: bool,
}

impl Counted {
    pub(super) fn known(&self) -> Known {
        Known {
            candidate: self.candidate,
            kept: self.missed.is_empty(),
            adds: self.adds,
            revocation: self.revocation,
            objects: self.objects,
            steady: self.steady,
            p99: 0,
        }
    }
}

/// What one pass tells of each of `candidates`; none of a candidate whose counts only a run has: without a cache, throttled
/// under its quota, with keys that have to make room ([`grid`]), or where there are so few that each is run.
pub(super) fn count(
    judge: Judge<'_>,
    source: &Source,
    load: &Load,
    candidates: &[Option<&Candidate>],
) -> Result<Vec<Option<Counted>>, PlanError> {
    let mut counted: Vec<Option<Counted>> = vec![None; candidates.len()];
    let cached = |place: &usize| candidates[*place].is_some_and(|of| of.mode == SseMode::KmsCached);
    let places: Vec<usize> = (0..candidates.len()).filter(cached).collect();
    let mut passes: Vec<Pass> = Vec::new();
    for place in places {
        let Some(candidate) = candidates[place] else { continue };
        let (run, steady) = applied(source, candidate)?;
        let scenario = run.scenario();
        let limits = Limits {
            max_age: candidate.max_age.or(scenario.cache.max_age).unwrap_or(CACHE_MAX_AGE_DEFAULT),
            max_uses: candidate.max_uses.or(scenario.cache.max_uses).unwrap_or(USES_DEFAULT),
        };
        // Retries are for what is throttled, and then there are no counts.
        let alike = (candidate.scope, steady);
        match passes.iter_mut().find(|pass| pass.alike == alike) {
            Some(pass) => pass.members.push((place, limits)),
            None => passes.push(Pass { alike, source: run, members: vec![(place, limits)] }),
        }
    }
    for pass in passes {
        for (place, counts) in pass.run(candidates)? {
            counted[place] = candidates[place]
                .map(|candidate| Counted::new(judge, &pass, load, candidate, &counts))
                .transpose()?;
        }
    }
    Ok(counted)
}

/// Candidates that one stream of requests serves.
struct Pass {
    alike: (Option<crate::workload::Scope>, bool),
    source: Source,
    members: Vec<(usize, Limits)>,
}

impl Pass {
    /// The counts of those members that have some, by place.
    fn run(&self, candidates: &[Option<&Candidate>]) -> Result<Vec<(usize, Counts)>, PlanError> {
        let mut limits: Vec<Limits> = self.members.iter().map(|(_, limits)| *limits).collect();
        limits.sort_unstable();
        limits.dedup();
        if limits.len() <= RUN_ALL {
            return Ok(Vec::new());
        }
        let quota = |(place, _): &(usize, Limits)| candidates[*place].map(|candidate| candidate.quota);
        let mut quotas: Vec<u64> = self.members.iter().filter_map(quota).collect();
        quotas.sort_unstable();
        quotas.dedup();
        let table = self.source.scenario().objects.count.saturating_mul(8).max(1);
        let cells = usize::try_from(TABLES / table).unwrap_or(CELLS).clamp(1, CELLS);
        // Gathered before the first failure is looked for, so that it is the same one every time.
        let passes: Vec<_> = limits
            .par_chunks(cells)
            .map(|limits| grid(&self.source, &Options::default(), limits, &quotas))
            .collect();
        let mut of_limits = Vec::with_capacity(limits.len());
        for cells in passes {
            of_limits.extend(cells?);
        }
        let of = |(place, of): &(usize, Limits)| {
            let cell = limits.binary_search(of).ok()?;
            let counts = of_limits[cell].as_ref().ok()?;
            let quota = candidates[*place]?.quota;
            (counts.unthrottled.contains(&quota) && counts.offered > 0 && counts.measured_ns > 0)
                .then(|| (*place, counts.clone()))
        };
        Ok(self.members.iter().filter_map(of).collect())
    }
}

impl Counted {
    fn new(
        judge: Judge<'_>,
        pass: &Pass,
        load: &Load,
        candidate: &Candidate,
        counts: &Counts,
    ) -> Result<Self, PlanError> {
        let (pricing, scenario) = (judge.pricing, pass.source.scenario());
        let (billed, measured) = (counts.billed_in_window, counts.measured_ns);
        let usage = pricing.kms_usage(candidate.mode, billed, measured, candidate.quota);
        let bill = Bill::new(&usage, &pricing.book, pricing.terms).map_err(PricingError::Bill)?;
        let adds = bill.encryption();
        Ok(Self {
            candidate: *candidate,
            missed: judge.over_budget(adds).into_iter().collect(),
            adds,
            revocation: Revocation::of(candidate, scenario),
            calls_per_s: figure::per_second(counts.calls_in_window, measured),
            peak_per_s: counts.peak_calls_per_s,
            objects: BlastRadius::of(candidate, scenario, load).map_or(u64::MAX, |blast| blast.objects),
            steady: pass.alike.1,
        })
    }
}
