//! The search: arithmetic first, then runs side by side, results in candidate order whatever the number of threads.

use rayon::prelude::*;

use super::bound::{Bounds, bounds};
use super::candidate::Candidate;
use super::choose::{Known, decisive};
use super::count::{Counted, count};
use super::error::PlanError;
use super::inquiry::{Judge, Trial};
use super::load::Load;
use super::revocation::BlastRadius;
use crate::request::SseMode;
use crate::workload::Source;

/// What became of a candidate.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// It breaks demands by its nature.
    Broken(Vec<String>),
    /// Arithmetic rules it out.
    Hopeless(String),
    /// The same under a smaller quota tells what it would come to.
    Unneeded(String),
    /// One pass over all limits told enough of it.
    Counted(Box<Counted>),
    /// It was run.
    Tried(Box<Trial>),
}

impl Fate {
    /// Its run, where there was one.
    pub(super) fn trial(&self) -> Option<&Trial> {
        match self {
            Self::Tried(trial) => Some(trial),
            _ => None,
        }
    }
}

/// The fates of `candidates`, in their order. Those that differ in the quota alone stand together, the smallest first: no
/// larger quota is tried where one suffices, nor where none was reached.
///
/// Of many limits of a cache those are run that may be the choice, of all or of their mode ([`decide`]); of the others one
/// pass tells what is to be known.
pub(super) fn search(
    judge: Judge<'_>,
    source: &Source,
    load: &Load,
    candidates: &[Candidate],
    own_quota: u64,
) -> Result<Vec<Fate>, PlanError> {
    let bounds: Vec<Bounds> = candidates
        .iter()
        .map(|candidate| bounds(candidate, source.scenario(), load, judge.demands, judge.pricing))
        .collect();
    let open = |(candidate, known): (_, &Bounds)| {
        (known.broken.is_empty() && known.hopeless.is_none()).then_some(candidate)
    };
    let open: Vec<Option<&Candidate>> = candidates.iter().zip(&bounds).map(open).collect();
    let counted = count(judge, source, load, &open)?;
    let mut places: Vec<usize> = (0..candidates.len()).collect();
    let families = places.chunk_by_mut(|a, b| candidates[*a].is_sibling(&candidates[*b]));
    let families: Vec<&mut [usize]> = families.collect();
    let family = |family: &&mut [usize]| -> Result<Vec<Fate>, PlanError> {
        let mut fates = Vec::with_capacity(family.len());
        let mut settled: Option<String> = None;
        let unthrottled = |quota: u64| {
            format!("no call is throttled at a quota of {quota}, so that a larger one changes nothing")
        };
        for &place in &**family {
            let (candidate, known) = (&candidates[place], &bounds[place]);
            fates.push(if !known.broken.is_empty() {
                Fate::Broken(known.broken.clone())
            } else if let Some(reason) = &known.hopeless {
                Fate::Hopeless(reason.clone())
            } else if let Some(reason) = &settled {
                Fate::Unneeded(reason.clone())
            } else if let Some(counted) = &counted[place] {
                settled = Some(unthrottled(candidate.quota));
                Fate::Counted(Box::new(counted.clone()))
            } else {
                let trial = judge.try_out(source, candidate)?;
                let quota = candidate.quota;
                if trial.missed.is_empty() {
                    settled = Some(format!("a quota of {quota} KMS calls/s suffices"));
                } else if trial.run.kms.throttled == 0 {
                    settled = Some(unthrottled(quota));
                }
                Fate::Tried(Box::new(trial))
            });
        }
        Ok(fates)
    };
    // Gathered before the first failure is looked for, so that it is the same one every time.
    let fates: Vec<Result<Vec<Fate>, PlanError>> = families.par_iter().map(family).collect();
    let fates: Vec<Vec<Fate>> = fates.into_iter().collect::<Result<_, _>>()?;
    let mut fates = fates.into_iter().flatten().collect();
    decide(judge, source, load, own_quota, &mut fates)?;
    Ok(fates)
}

/// Runs those that were counted until the choice of all, that of the cached mode, and the cheapest that each was weighed
/// against have been run and keep every demand: no run of the rest could change either ([`decisive`]).
fn decide(
    judge: Judge<'_>,
    source: &Source,
    load: &Load,
    own_quota: u64,
    fates: &mut Vec<Fate>,
) -> Result<(), PlanError> {
    let mut more = 0;
    loop {
        let known: Vec<(usize, Known)> = (0..)
            .zip(&*fates)
            .filter_map(|(place, fate)| match fate {
                Fate::Counted(counted) => Some((place, counted.known())),
                Fate::Tried(trial) => {
                    let blast = BlastRadius::of(&trial.candidate, source.scenario(), load);
                    Some((place, Known::of(trial, blast)))
                }
                _ => None,
            })
            .collect();
        let of_mode = known.iter().filter(|(_, known)| known.candidate.mode == SseMode::KmsCached).copied();
        let mut places: Vec<usize> = Vec::new();
        for among in [known.clone(), of_mode.collect()] {
            let known: Vec<Known> = among.iter().map(|(_, known)| *known).collect();
            let both = decisive(&known, own_quota).map(|(chosen, cheapest)| [chosen, cheapest]);
            places.extend(both.into_iter().flatten().map(|of| among[of].0));
        }
        let is_counted = |place: &usize| matches!(&fates[*place], Fate::Counted(_));
        places.retain(is_counted);
        if places.is_empty() {
            return Ok(());
        }
        // Where those that come first miss a demand, others may well miss it, too: ever more of them side by side.
        let kept = |place: &usize| matches!(&fates[*place], Fate::Counted(of) if of.missed.is_empty());
        places.extend((0..fates.len()).filter(kept).take(more));
        more = (2 * more).max(2);
        places.sort_unstable();
        places.dedup();
        let run = |place: &usize| match &fates[*place] {
            Fate::Counted(counted) => Ok((*place, judge.try_out(source, &counted.candidate)?)),
            _ => Err(PlanError::Nothing),
        };
        let trials: Vec<Result<(usize, Trial), PlanError>> = places.par_iter().map(run).collect();
        for trial in trials {
            let (place, trial) = trial?;
            fates[place] = Fate::Tried(Box::new(trial));
        }
    }
}

/// Runs those of `candidates` that were not, the smallest quota of each only: what is nearest to feasible is looked for among
/// all that there is. Gives their places with their trials.
pub(super) fn try_the_rest(
    judge: Judge<'_>,
    source: &Source,
    candidates: &[Candidate],
    fates: &[Fate],
) -> Result<Vec<(usize, Trial)>, PlanError> {
    let is_first = |place: usize| place == 0 || !candidates[place].is_sibling(&candidates[place - 1]);
    let untried = |fate: &Fate| matches!(fate, Fate::Broken(_) | Fate::Hopeless(_) | Fate::Counted(_));
    let places: Vec<usize> =
        (0..candidates.len()).filter(|place| is_first(*place) && untried(&fates[*place])).collect();
    let one = |place: &usize| Ok((*place, judge.try_out(source, &candidates[*place])?));
    let trials: Vec<Result<(usize, Trial), PlanError>> = places.par_iter().map(one).collect();
    trials.into_iter().collect()
}
