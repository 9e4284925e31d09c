//! The search: arithmetic first, then runs side by side, results in candidate order whatever the number of threads.

use rayon::prelude::*;

use super::bound::bounds;
use super::candidate::Candidate;
use super::error::PlanError;
use super::inquiry::{Judge, Trial};
use super::load::Load;
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
pub(super) fn search(
    judge: Judge<'_>,
    source: &Source,
    load: &Load,
    candidates: &[Candidate],
) -> Result<Vec<Fate>, PlanError> {
    let families: Vec<&[Candidate]> = candidates.chunk_by(Candidate::is_sibling).collect();
    let family = |family: &&[Candidate]| -> Result<Vec<Fate>, PlanError> {
        let mut fates = Vec::with_capacity(family.len());
        let mut settled: Option<String> = None;
        for candidate in *family {
            let known = bounds(candidate, source.scenario(), load, judge.demands, judge.pricing);
            fates.push(if !known.broken.is_empty() {
                Fate::Broken(known.broken)
            } else if let Some(reason) = known.hopeless {
                Fate::Hopeless(reason)
            } else if let Some(reason) = &settled {
                Fate::Unneeded(reason.clone())
            } else {
                let trial = judge.try_out(source, candidate)?;
                let quota = candidate.quota;
                if trial.missed.is_empty() {
                    settled = Some(format!("a quota of {quota} KMS calls/s suffices"));
                } else if trial.run.kms.throttled == 0 {
                    settled = Some(format!(
                        "no call is throttled at a quota of {quota}, so that a larger one changes nothing"
                    ));
                }
                Fate::Tried(Box::new(trial))
            });
        }
        Ok(fates)
    };
    // Gathered before the first failure is looked for, so that it is the same one every time.
    let fates: Vec<Result<Vec<Fate>, PlanError>> = families.par_iter().map(family).collect();
    let fates: Vec<Vec<Fate>> = fates.into_iter().collect::<Result<_, _>>()?;
    Ok(fates.into_iter().flatten().collect())
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
    let untried = |fate: &Fate| matches!(fate, Fate::Broken(_) | Fate::Hopeless(_));
    let places: Vec<usize> =
        (0..candidates.len()).filter(|place| is_first(*place) && untried(&fates[*place])).collect();
    let one = |place: &usize| Ok((*place, judge.try_out(source, &candidates[*place])?));
    let trials: Vec<Result<(usize, Trial), PlanError>> = places.par_iter().map(one).collect();
    trials.into_iter().collect()
}
