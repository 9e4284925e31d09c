//! From a workload and a question to a plan.

use jiff::civil::Date;

use super::answer::{Basis, Choice, Judged, Plan, VERSION, Verdict};
use super::candidate::Candidate;
use super::choose::{Known, choose, nearest, why_not};
use super::drill::{Drill, drill};
use super::error::PlanError;
use super::figure::{CountedFigures, Figure, Figures, How};
use super::growth::growth;
use super::inquiry::{Judge, Trial, lifetime, stretched};
use super::load::Load;
use super::question::Question;
use super::region::plan_in;
use super::revocation::{BlastRadius, Revocation};
use super::search::{Fate, search, try_the_rest};
use super::sensitivity::sensitivity;
use super::setting::settings;
use super::solve::{Unknown, solve};
use super::text::{AT_MOST, money};
use super::transition::transition;
use crate::kms::Quota;
use crate::pipeline::uses_kms;
use crate::report::{FEWER, Pricing, figure};
use crate::request::SseMode;
use crate::units::Span;
use crate::workload::{S3ServiceTime, Source, Stop, span_text};

/// What a plan is made of beside workload and question.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The prices.
    pub pricing: &'a Pricing,
    /// The day whose quotas hold.
    pub date: Date,
    /// Whether the workload was made from a profile.
    pub from_profile: bool,
    /// Drills to put the choice through.
    pub drills: &'a [Drill],
    /// What to solve for.
    pub unknowns: &'a [Unknown],
}

/// The state of a plan under way.
pub(super) struct Draft<'a> {
    question: &'a Question,
    around: &'a Surroundings<'a>,
    judge: Judge<'a>,
    /// As it was asked for, with the modes that are allowed.
    asked: Source,
    /// Stretched over the lives of keys.
    source: Source,
    load: Load,
    own_quota: u64,
    longest: Span,
    candidates: Vec<Candidate>,
    fates: Vec<Fate>,
}

/// A run and its place among the candidates.
pub(super) struct Best {
    place: usize,
    trial: Trial,
    /// Demands that it breaks by its nature.
    broken: Vec<String>,
}

impl Best {
    /// Every demand that it misses.
    fn missed(&self) -> Vec<String> {
        self.broken.iter().chain(&self.trial.missed).cloned().collect()
    }
}

/// A plan for `source`: candidates are listed, those that arithmetic rules out are dropped, the others are simulated side by
/// side and priced, and one is chosen.
///
/// Same input, same plan, whatever the number of threads.
///
/// # Errors
/// [`PlanError`] for values that do not hold. Demands that nothing keeps are no error: the plan says what is nearest.
pub fn plan(source: &Source, question: &Question, around: &Surroundings<'_>) -> Result<Plan, PlanError> {
    if !question.regions.is_empty() {
        return plan_in(source, question, around);
    }
    let draft = Draft::new(source, question, around)?;
    let (best, feasible) = draft.decide()?;
    draft.write(best, feasible)
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        source: &Source,
        question: &'a Question,
        around: &'a Surroundings<'a>,
    ) -> Result<Self, PlanError> {
        let asked = source.under(|scenario| {
            if let Some(modes) = &question.modes {
                scenario.modes.clone_from(modes);
            }
        })?;
        let scenario = asked.scenario();
        let named = scenario.kms.quota.or(question.grid.quotas.iter().copied().min());
        let own_quota = match named {
            Some(quota) => quota,
            None => Quota::for_region(&scenario.kms.region, around.date)
                .map_err(|error| PlanError::Quota(error.to_string()))?
                .per_second
                .into(),
        };
        let candidates = question.grid.candidates(scenario, own_quota, question.demands.revoke_within);
        // Only the lives of keys that may be chosen have to be waited for.
        let lives = candidates.iter().filter(|candidate| question.demands.forbid(candidate.mode).is_empty());
        let longest = lives.filter_map(|c| lifetime(c, scenario)).max().unwrap_or(Span::ZERO);
        let source = stretched(&asked, longest, question.requests_max)?;
        let load = Load::of(&source, question.requests_max);
        let judge = Judge { demands: &question.demands, pricing: around.pricing };
        let fates = search(judge, &source, &load, &candidates, own_quota)?;
        Ok(Self { question, around, judge, asked, source, load, own_quota, longest, candidates, fates })
    }

    /// The choice, or where none keeps every demand what is nearest; and whether it keeps them.
    pub(super) fn decide(&self) -> Result<(Option<Best>, bool), PlanError> {
        match self.chosen() {
            Some(best) => Ok((Some(best), true)),
            None => Ok((self.nearest()?, false)),
        }
    }

    /// The quota of the account.
    pub(super) fn own_quota(&self) -> u64 {
        self.own_quota
    }

    /// Of what was decided on: its title, its figures, what it misses, its quota.
    pub(super) fn found(&self, best: &Best) -> (String, Figures, Vec<String>, u64) {
        let candidate = best.trial.candidate;
        let figures = Figures::of(&best.trial, self.blast(&candidate));
        let quota = if uses_kms(candidate.mode) { candidate.quota } else { 0 };
        (candidate.title(), figures, best.missed(), quota)
    }

    fn blast(&self, candidate: &Candidate) -> Option<BlastRadius> {
        BlastRadius::of(candidate, self.source.scenario(), &self.load)
    }

    fn known(&self, trial: &Trial) -> Known {
        Known::of(trial, self.blast(&trial.candidate))
    }

    /// The trials with their places.
    fn tried(&self) -> Vec<(usize, &Trial)> {
        let fates = self.fates.iter().enumerate();
        fates.filter_map(|(place, fate)| Some((place, fate.trial()?))).collect()
    }

    fn chosen(&self) -> Option<Best> {
        let tried = self.tried();
        let known: Vec<Known> = tried.iter().map(|(_, trial)| self.known(trial)).collect();
        let (place, trial) = tried[choose(&known, self.own_quota)?];
        Some(Best { place, trial: trial.clone(), broken: Vec::new() })
    }

    /// The candidate that is nearest to feasible.
    fn nearest(&self) -> Result<Option<Best>, PlanError> {
        let rest = try_the_rest(self.judge, &self.source, &self.candidates, &self.fates)?;
        let mut all: Vec<(usize, Vec<String>, &Trial)> =
            self.tried().into_iter().map(|(place, trial)| (place, Vec::new(), trial)).collect();
        all.extend(rest.iter().map(|(place, trial)| {
            let broken = match &self.fates[*place] {
                Fate::Broken(reasons) => reasons.clone(),
                _ => Vec::new(),
            };
            (*place, broken, trial)
        }));
        all.sort_by_key(|(place, ..)| *place);
        let counted: Vec<(usize, &Trial)> =
            all.iter().map(|(_, broken, trial)| (broken.len(), *trial)).collect();
        Ok(nearest(&counted).map(|best| {
            let (place, broken, trial) = &all[best];
            Best { place: *place, trial: (*trial).clone(), broken: broken.clone() }
        }))
    }

    pub(super) fn write(&self, best: Option<Best>, feasible: bool) -> Result<Plan, PlanError> {
        let Question { requests_max, growth: rate, horizon, .. } = *self.question;
        let scenario = self.asked.scenario();
        let mut plan = Plan {
            version: VERSION,
            s3seal: env!("CARGO_PKG_VERSION").into(),
            commit: String::new(),
            seed: scenario.seed,
            feasible,
            answer: "No candidate: no mode is allowed.".into(),
            why: Vec::new(),
            demands: self.question.demands.said(),
            basis: self.basis(),
            choice: None,
            candidates: self.judged(best.as_ref().filter(|_| feasible)),
            regions: Vec::new(),
            growth: None,
            transition: None,
            sensitivity: Vec::new(),
            drills: Vec::new(),
            solved: Vec::new(),
            notes: self.notes(),
            scenario: scenario.to_toml(),
        };
        let Some(best) = best else { return Ok(plan) };
        let trial = &best.trial;
        let candidate = trial.candidate;
        let figures = Figures::of(trial, self.blast(&candidate));
        let missed = best.missed();
        plan.answer = answer(feasible, &candidate, &figures, &missed);
        if feasible {
            plan.why = self.why(trial, &plan.candidates);
        }
        plan.choice = Some(Choice {
            candidate: best.place,
            title: candidate.title(),
            mode: candidate.mode.to_string(),
            quota_per_s: candidate.quota,
            figures,
            missed,
            settings: settings(&candidate, scenario),
        });
        if let Some(rate) = rate {
            let now = self.around.pricing.month;
            plan.growth = Some(growth(self.judge, &self.asked, trial, rate, horizon, requests_max, now)?);
        }
        let current = self.question.current.map(|mode| self.current(mode)).transpose()?;
        let current = self.question.current.zip(current.as_ref());
        plan.transition = Some(transition(&self.source, current, trial, self.around.pricing, requests_max)?);
        if self.question.sensitivity {
            let chosen = feasible.then_some(&candidate);
            let contenders = self.contenders(&candidate);
            let (judge, longest) = (self.judge, self.longest);
            plan.sensitivity =
                sensitivity(judge, &self.asked, &contenders, chosen, self.own_quota, longest, requests_max)?;
        }
        for asked in self.around.drills {
            plan.drills.push(drill(self.judge, &self.source, &candidate, asked, self.around.date)?);
        }
        for unknown in self.around.unknowns {
            let of = self.solver(&candidate, *unknown);
            match solve(self.judge, &self.asked, &of, *unknown, requests_max)? {
                Some(solved) => plan.solved.push(solved),
                None => plan.notes.push(format!("{} means nothing to {}.", unknown.as_str(), of.title())),
            }
        }
        Ok(plan)
    }

    /// The run of what there is today.
    fn current(&self, mode: SseMode) -> Result<Trial, PlanError> {
        let candidate = Candidate {
            mode,
            max_age: None,
            max_uses: None,
            scope: None,
            retry: None,
            quota: self.own_quota,
        };
        self.judge.try_out(&self.source, &candidate)
    }

    /// Whom to solve for: the choice, and for an age the first candidate that has one.
    fn solver(&self, chosen: &Candidate, unknown: Unknown) -> Candidate {
        let aged = self.candidates.iter().find(|candidate| candidate.max_age.is_some());
        match (unknown, chosen.max_age, aged) {
            (Unknown::MaxAge, None, Some(aged)) => *aged,
            _ => *chosen,
        }
    }

    /// The best of each mode that breaks no demand by its nature, and the choice with all its quotas.
    fn contenders(&self, chosen: &Candidate) -> Vec<Candidate> {
        let mut contenders = Vec::new();
        for mode in SseMode::ALL {
            if mode == chosen.mode {
                contenders.extend(self.candidates.iter().filter(|candidate| candidate.is_sibling(chosen)));
                continue;
            }
            let of_mode: Vec<(usize, &Trial)> =
                self.tried().into_iter().filter(|(_, trial)| trial.candidate.mode == mode).collect();
            let known: Vec<Known> = of_mode.iter().map(|(_, trial)| self.known(trial)).collect();
            let counted: Vec<(usize, &Trial)> = of_mode.iter().map(|(_, trial)| (0, *trial)).collect();
            let best = choose(&known, self.own_quota).or_else(|| nearest(&counted));
            let hopeless = |place: &usize| {
                self.candidates[*place].mode == mode && matches!(self.fates[*place], Fate::Hopeless(_))
            };
            match best {
                Some(best) => contenders.push(of_mode[best].1.candidate),
                None => contenders
                    .extend((0..self.fates.len()).find(hopeless).map(|place| self.candidates[place])),
            }
        }
        contenders
    }

    fn judged(&self, chosen: Option<&Best>) -> Vec<Judged> {
        let one = |(place, fate): (usize, &Fate)| {
            let candidate = &self.candidates[place];
            let (verdict, reasons) = match fate {
                Fate::Broken(reasons) => (Verdict::Excluded, reasons.clone()),
                Fate::Hopeless(reason) => (Verdict::Excluded, vec![reason.clone()]),
                Fate::Unneeded(reason) => (Verdict::Unneeded, vec![reason.clone()]),
                Fate::Counted(counted) if !counted.missed.is_empty() => {
                    (Verdict::Missed, counted.missed.clone())
                }
                Fate::Counted(counted) => {
                    let reason = chosen
                        .map(|best| why_not(&counted.known(), &self.known(&best.trial), self.own_quota));
                    (Verdict::Counted, reason.into_iter().collect())
                }
                Fate::Tried(trial) if !trial.missed.is_empty() => (Verdict::Missed, trial.missed.clone()),
                Fate::Tried(trial) => match chosen {
                    Some(best) if best.place == place => (Verdict::Chosen, Vec::new()),
                    Some(best) => {
                        let reason = why_not(&self.known(trial), &self.known(&best.trial), self.own_quota);
                        (Verdict::Feasible, vec![reason])
                    }
                    None => (Verdict::Feasible, Vec::new()),
                },
            };
            let figures = fate.trial().map(|trial| Figures::of(trial, self.blast(candidate)));
            let (title, mode) = (candidate.title(), candidate.mode.to_string());
            let counted = match fate {
                Fate::Counted(counted) => Some(CountedFigures::of(counted)),
                _ => None,
            };
            Judged { title, mode, verdict, reasons, figures, counted }
        };
        self.fates.iter().enumerate().map(one).collect()
    }

    fn why(&self, chosen: &Trial, judged: &[Judged]) -> Vec<String> {
        let mut why = vec![format!("It keeps every demand: {}.", self.question.demands.said().join("; "))];
        let (run, quota) = (&chosen.run, chosen.candidate.quota);
        if uses_kms(chosen.candidate.mode) {
            why.push(format!(
                "It makes {} KMS calls/s, at most {} in one second, under a quota of {}; without a cache there would be {}.",
                figure::rate(run.kms.calls_per_s),
                figure::count(run.kms.peak_calls_per_s),
                figure::count(quota),
                figure::rate(self.load.calls_per_s(SseMode::SseKms, false)),
            ));
            if quota > self.own_quota {
                why.push(format!(
                    "It needs a quota of {}: nothing keeps every demand under {}.",
                    figure::count(quota),
                    figure::count(self.own_quota)
                ));
            }
        }
        // Of each other mode the one that came closest says what kept it out: under the quota that there is before a larger one,
        // what kept the demands before what did not, the cheapest, the first.
        let far = |place: usize| {
            let other = &judged[place];
            let run = other.figures.as_ref().map(|of| of.adds_usd.value);
            let adds = run.or(other.counted.map(|of| of.adds_usd.value));
            let kept = matches!(other.verdict, Verdict::Feasible | Verdict::Counted);
            (self.candidates[place].quota > self.own_quota, !kept, adds.is_none(), adds)
        };
        let mut told: Vec<usize> = Vec::new();
        for (place, other) in judged.iter().enumerate() {
            let own = other.mode == chosen.candidate.mode.as_str();
            if own || other.reasons.is_empty() || other.verdict == Verdict::Unneeded {
                continue;
            }
            match told.iter_mut().find(|held| judged[**held].mode == other.mode) {
                Some(held) if far(place) < far(*held) => *held = place,
                Some(_) => {}
                None => told.push(place),
            }
        }
        let said = told.iter().map(|place| &judged[*place]);
        why.extend(said.map(|other| format!("Not {}: {}.", other.title, other.reasons[0])));
        why
    }

    fn basis(&self) -> Basis {
        let (scenario, around) = (self.source.scenario(), self.around);
        let (source, how) = match (&self.source, around.from_profile) {
            (Source::Replay(_), _) => ("trace", How::Measured),
            (_, true) => ("profile", How::Measured),
            _ => ("scenario", How::Assumption),
        };
        let calls = self.load.calls_per_s(SseMode::SseKms, false);
        Basis {
            source: source.into(),
            region: scenario.kms.region.clone(),
            date: around.date.to_string(),
            month: around.pricing.month.to_string(),
            quota_per_s: Figure { value: self.own_quota, how: How::Assumption },
            requests_per_s: Figure { value: self.load.requests_per_s(), how },
            calls_per_s_uncached: Figure { value: calls, how: How::Arithmetic },
            warm_up_ns: scenario.warm_up.as_nanos(),
            measured_ns: match scenario.stop {
                Stop::Duration(measured) => measured.as_nanos(),
                Stop::Operations(_) => 0,
            },
        }
    }

    fn notes(&self) -> Vec<String> {
        let scenario = self.source.scenario();
        let mut notes = Vec::new();
        if scenario.kms.quota.is_none() && self.question.grid.quotas.is_empty() {
            notes.push(format!(
                "The quota of {} KMS calls/s is what AWS publishes for {} on {}; your account's may be another (Service Quotas).",
                figure::count(self.own_quota),
                scenario.kms.region,
                self.around.date
            ));
        }
        let modes: Vec<SseMode> = self.tried().iter().map(|(_, trial)| trial.candidate.mode).collect();
        if modes.contains(&SseMode::SseKmsBucketKey) {
            let bucket = self.candidates.iter().find(|candidate| candidate.mode == SseMode::SseKmsBucketKey);
            let life = bucket.and_then(|bucket| Revocation::of(bucket, scenario).bound());
            notes.push(format!(
                "AWS publishes no lifetime of a Bucket Key: {} is an assumption (bucket_key.lifetime).",
                life.map_or_else(String::new, span_text)
            ));
        }
        if modes.contains(&SseMode::KmsCached) {
            notes.push(
                "kms-cached is a data-key cache in your clients or your own store; it is no setting of S3."
                    .into(),
            );
        }
        if self.tried().iter().any(|(_, trial)| trial.run.billed_share().is_some()) {
            notes.push(format!(
                "{FEWER} The bill of fewer requests than were offered, for the rest was throttled or dropped: less to pay, and no saving."
            ));
        }
        if self.tried().iter().any(|(_, trial)| !trial.confirmed) {
            notes.push("* rests on a price that no source confirms (`s3seal cost prices`).".into());
        }
        if self.tried().iter().any(|(_, trial)| !trial.complete) {
            notes.push(">= at least: a price is not known, and its line is not in the sum.".into());
        }
        let unsteady = self.tried().iter().filter(|(_, trial)| !trial.steady).count();
        if unsteady > 0 {
            let longer = match self.source {
                Source::Scenario(_) => "More requests (--requests) let them run longer.",
                Source::Replay(_) => "A longer trace would show more.",
            };
            notes.push(format!(
                "{AT_MOST}at most: in {unsteady} of {} runs caches fill for a good part of the time, so that KMS calls and costs are \
                 rather more than those of a month. {longer}",
                self.tried().len(),
            ));
        }
        if let Some((_, trial)) = self.tried().iter().find(|(_, trial)| trial.own_failures > 0) {
            notes.push(format!(
                "{} of the requests fail in every mode, under sse-s3 too: what they ask for is not there yet, or not any more. No demand \
                 is missed for them.",
                figure::share(figure::ratio(trial.own_failures, trial.run.offered)),
            ));
        }
        if scenario.s3.service_time == S3ServiceTime::None {
            notes.push(
                "Response times are what encryption adds: S3's own time is not in them (--set s3.service_time=\"standard\" adds it)."
                    .into(),
            );
        }
        notes.push(
            "Costs are those of requests, KMS calls and KMS keys by the month; storage and transfer are the same in every mode. A budget \
             is held against what encryption adds."
                .into(),
        );
        notes
    }
}

fn answer(feasible: bool, candidate: &Candidate, figures: &Figures, missed: &[String]) -> String {
    let costs = format!(
        "encryption adds {}{} USD a month, p99 is {}",
        if figures.steady { "" } else { "at most " },
        money(figures.adds_usd.value),
        figure::time(figures.p99_ns.value)
    );
    if feasible {
        format!("Choose {}: {costs}.", candidate.title())
    } else {
        format!(
            "Nothing keeps every demand. Nearest is {}: {costs}; but {}.",
            candidate.title(),
            missed.join("; ")
        )
    }
}
