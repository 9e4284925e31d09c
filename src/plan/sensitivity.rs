//! What flips the choice: the best of each mode, run again with one thing changed.

use rayon::prelude::*;
use serde::Serialize;

use super::candidate::Candidate;
use super::choose::{Known, choose};
use super::error::PlanError;
use super::inquiry::{Judge, Trial, stretched};
use super::load::Load;
use super::revocation::BlastRadius;
use super::search::{Fate, search};
use crate::request::SseMode;
use crate::units::Span;
use crate::workload::{Popularity, Scenario, Source, ThrottleRule, span_text};

/// One thing changed, and what would be chosen then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// What is changed.
    pub change: String,
    /// What would be chosen; none where nothing would keep every demand.
    pub choice: Option<String>,
    /// Whether that is another choice.
    pub flips: bool,
}

type Change = (String, Box<dyn Fn(&Source) -> Result<Source, PlanError> + Send + Sync>);

fn scenario(what: String, change: impl Fn(&mut Scenario) + Send + Sync + 'static) -> Change {
    (what, Box::new(move |source| Ok(source.under(&change)?)))
}

fn changes(source: &Source, modes: &[SseMode]) -> Vec<Change> {
    let now = source.scenario();
    let mut changes: Vec<Change> = Vec::new();
    for (name, factor) in [("half", 0.5), ("twice", 2.0), ("four times", 4.0)] {
        let rate = now.arrival.mean_rate() * factor;
        changes.push((format!("{name} the rate"), Box::new(move |source| Ok(source.at_rate(rate)?))));
    }
    if matches!(source, Source::Scenario(_)) && now.objects.popularity != Popularity::Uniform {
        changes.push(scenario("no skew: every object asked for alike".into(), |scenario| {
            scenario.objects.popularity = Popularity::Uniform;
        }));
    }
    changes.push(match now.kms.throttle_rule {
        ThrottleRule::FixedWindow => scenario("KMS throttles by a token bucket".into(), |scenario| {
            scenario.kms.throttle_rule = ThrottleRule::TokenBucket;
        }),
        ThrottleRule::TokenBucket => {
            scenario("KMS throttles by fixed windows of a second".into(), |scenario| {
                (scenario.kms.throttle_rule, scenario.kms.burst) = (ThrottleRule::FixedWindow, None);
            })
        }
    });
    if modes.contains(&SseMode::SseKmsBucketKey) {
        for life in [Span::from_seconds(60), Span::from_seconds(3_600)] {
            let what = format!("a Bucket Key lives {}", span_text(life));
            changes.push(scenario(what, move |scenario| scenario.bucket_key.lifetime = Some(life)));
        }
    }
    if modes.iter().any(|mode| matches!(mode, SseMode::SseKmsBucketKey | SseMode::KmsCached)) {
        changes.push(scenario("existing objects written over ten times as long".into(), |scenario| {
            let longest = Span::from_days(36_500);
            scenario.history.span = scenario.history.span.saturating_mul(10).min(longest);
        }));
        changes.push(scenario("existing objects 1,000 to a data key".into(), |scenario| {
            scenario.history.uses_per_key = 1_000;
        }));
    }
    changes
}

/// What each change makes of the choice `chosen` (none: nothing keeps every demand) among `contenders`.
pub(super) fn sensitivity(
    judge: Judge<'_>,
    asked: &Source,
    contenders: &[Candidate],
    chosen: Option<&Candidate>,
    own_quota: u64,
    longest: Span,
    requests_max: u64,
) -> Result<Vec<Flip>, PlanError> {
    let modes: Vec<SseMode> = contenders.iter().map(|candidate| candidate.mode).collect();
    let one = |(what, change): &Change| -> Result<Flip, PlanError> {
        let source = stretched(&change(asked)?, longest, requests_max)?;
        let load = Load::of(&source, requests_max);
        let fates = search(judge, &source, &load, contenders, own_quota)?;
        let known =
            |trial: &Trial| Known::of(trial, BlastRadius::of(&trial.candidate, source.scenario(), &load));
        let known: Vec<Known> = fates.iter().filter_map(Fate::trial).map(known).collect();
        let choice = choose(&known, own_quota).map(|place| known[place].candidate);
        Ok(Flip {
            change: what.clone(),
            choice: choice.map(|candidate| candidate.title()),
            flips: choice.as_ref() != chosen,
        })
    };
    let flips: Vec<Result<Flip, PlanError>> = changes(asked, &modes).par_iter().map(one).collect();
    flips.into_iter().collect()
}
