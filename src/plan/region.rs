//! Several Regions: the whole question asked in each, at its own quota and prices, side by side, and one picked.

use serde::Serialize;

use super::answer::Plan;
use super::choose::slack;
use super::error::PlanError;
use super::figure::{Figure, Figures, assumption};
use super::make::{Draft, Surroundings};
use super::question::Question;
use super::text::money;
use crate::cost::Region;
use crate::report::{Pricing, figure};
use crate::units::Usd;
use crate::workload::Source;

/// What the question comes to in a Region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionOutcome {
    /// The AWS Region.
    pub region: String,
    /// The quota that the account has there, in KMS calls per second.
    pub quota_per_s: Figure<u64>,
    /// Whether a candidate keeps every demand there.
    pub feasible: bool,
    /// Whether it is the Region that the rest of the plan is about.
    pub picked: bool,
    /// What is chosen there, or nearest; none where there is no candidate.
    pub choice: Option<String>,
    /// What that comes to.
    pub figures: Option<Figures>,
    /// What it misses there.
    pub missed: Vec<String>,
    /// Why it is not the Region to pick.
    pub reason: Option<String>,
}

/// What a pick looks at.
#[derive(Clone, Copy, Debug)]
struct Offer {
    missed: usize,
    /// The quota that is needed beyond the one there is; 0: none.
    raised: u64,
    /// Whether a line of its bill has no price, so that the bill says too little.
    unpriced: bool,
    total: Usd,
}

/// The place of the one to pick: of those that miss least, those that need no larger quota, then those whose bill is known in
/// full, then the cheapest in all, and of those that cost hardly more the one named first.
fn pick(offers: &[Offer]) -> usize {
    let key = |offer: &Offer| (offer.missed, offer.raised > 0, offer.unpriced);
    let Some(best) = offers.iter().map(key).min() else { return 0 };
    let alike = || offers.iter().enumerate().filter(|(_, offer)| key(offer) == best);
    let least = alike().map(|(_, offer)| offer.total).min().unwrap_or(Usd::ZERO);
    alike().find(|(_, offer)| offer.total - least < slack(least)).map_or(0, |(place, _)| place)
}

/// Why `offer` was not picked beside `picked`.
fn why_not(offer: &Offer, picked: &Offer) -> String {
    if offer.missed > picked.missed {
        return "nothing keeps every demand there, or it misses more".into();
    }
    if offer.raised > 0 && picked.raised == 0 {
        return format!("it needs a quota of {}, which is more than there is", figure::count(offer.raised));
    }
    if offer.unpriced && !picked.unpriced {
        return "its bill is not known in full: prices of your own (--prices) would tell".into();
    }
    let dearer = offer.total - picked.total;
    if dearer >= slack(picked.total.min(offer.total)) {
        return format!("a month costs {} USD more", money(dearer));
    }
    "it is no cheaper, and named later".into()
}

/// The plan for the Region that is picked among those of `question`, with what each comes to.
pub(super) fn plan_in(
    source: &Source,
    question: &Question,
    around: &Surroundings<'_>,
) -> Result<Plan, PlanError> {
    let priced: Vec<Pricing> =
        question.regions.iter().map(|region| Pricing { region: *region, ..around.pricing.clone() }).collect();
    let arounds: Vec<Surroundings<'_>> =
        priced.iter().map(|pricing| Surroundings { pricing, ..*around }).collect();
    let of = |(region, around): (&Region, _)| {
        let there = source.under(|scenario| scenario.kms.region = region.to_string())?;
        Draft::new(&there, question, around)
    };
    let drafts: Vec<Draft<'_>> = question.regions.iter().zip(&arounds).map(of).collect::<Result<_, _>>()?;
    let mut decided = Vec::with_capacity(drafts.len());
    let (mut outcomes, mut offers) = (Vec::new(), Vec::new());
    for (draft, region) in drafts.iter().zip(&question.regions) {
        let (best, feasible) = draft.decide()?;
        let found = best.as_ref().map(|best| draft.found(best));
        let (choice, figures, missed, quota) = match found {
            Some((choice, figures, missed, quota)) => (Some(choice), Some(figures), missed, quota),
            None => (None, None, vec!["no mode is allowed".into()], 0),
        };
        offers.push(Offer {
            missed: missed.len(),
            raised: if quota > draft.own_quota() { quota } else { 0 },
            unpriced: figures.as_ref().is_some_and(|figures| !figures.prices_complete),
            total: figures.as_ref().map_or(Usd::ZERO, |figures| figures.total_usd.value),
        });
        outcomes.push(RegionOutcome {
            region: region.to_string(),
            quota_per_s: assumption(draft.own_quota()),
            feasible,
            picked: false,
            choice,
            figures,
            missed,
            reason: None,
        });
        decided.push((best, feasible));
    }
    let picked = pick(&offers);
    outcomes[picked].picked = true;
    for (place, outcome) in outcomes.iter_mut().enumerate() {
        outcome.reason = (place != picked).then(|| why_not(&offers[place], &offers[picked]));
    }
    let (best, feasible) = decided.swap_remove(picked);
    let mut plan = drafts[picked].write(best, feasible)?;
    plan.answer = format!("{}: {}", outcomes[picked].region, plan.answer);
    if feasible {
        let others = outcomes
            .iter()
            .filter_map(|other| Some(format!("Not {}: {}.", other.region, other.reason.as_ref()?)));
        plan.why.extend(others);
    }
    plan.notes.push(
        "Regions are compared by the demands, the quota there is, and the month's bill of requests, KMS calls and keys; storage, transfer \
         and how far away they are are not in it."
            .into(),
    );
    plan.regions = outcomes;
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(missed: usize, raised: u64, cents: i64) -> Offer {
        Offer { missed, raised, unpriced: false, total: Usd::from_cents(cents) }
    }

    #[test]
    fn demands_come_before_a_quota_that_is_there_and_that_before_the_bill() {
        assert_eq!(pick(&[offer(1, 0, 1), offer(0, 9, 90_000)]), 1);
        assert_eq!(pick(&[offer(0, 9, 1), offer(0, 0, 90_000)]), 1);
        assert_eq!(pick(&[offer(0, 0, 50_000), offer(0, 0, 40_000)]), 1);
        let unpriced = Offer { unpriced: true, ..offer(0, 0, 1) };
        assert_eq!(pick(&[unpriced, offer(0, 0, 90_000)]), 1, "what has no price is not cheap");
        assert_eq!(pick(&[unpriced, offer(0, 9, 90_000)]), 0);
        // Less than a percent apart: the one named first. At a percent the cheaper one.
        assert_eq!(pick(&[offer(0, 0, 40_399), offer(0, 0, 40_000)]), 0);
        assert_eq!(pick(&[offer(0, 0, 40_400), offer(0, 0, 40_000)]), 1);
    }

    #[test]
    fn each_reason_names_what_decided() {
        let picked = offer(0, 0, 40_000);
        assert!(why_not(&offer(1, 0, 1), &picked).starts_with("nothing keeps"));
        assert_eq!(
            why_not(&offer(0, 9_000, 1), &picked),
            "it needs a quota of 9,000, which is more than there is"
        );
        let unpriced = Offer { unpriced: true, ..offer(0, 0, 1) };
        assert!(why_not(&unpriced, &picked).starts_with("its bill is not known in full"));
        assert_eq!(why_not(&offer(0, 0, 50_000), &picked), "a month costs 100.00 USD more");
        assert_eq!(why_not(&offer(0, 0, 40_100), &picked), "it is no cheaper, and named later");
    }
}
