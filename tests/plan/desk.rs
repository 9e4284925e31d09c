//! Where plans are asked for: a scenario and a question as TOML.

use s3seal::cost::{PriceBook, Terms};
use s3seal::plan::{Drill, Plan, Question, Surroundings, Unknown, plan};
use s3seal::report::Pricing;
use s3seal::rig::QUOTA_DATE;
use s3seal::workload::{Scenario, Source};

/// The embedded prices for the Region of `scenario`.
pub(crate) fn pricing(scenario: &Scenario) -> Pricing {
    Pricing {
        book: PriceBook::embedded(),
        terms: Terms::default(),
        region: scenario.kms.region.parse().unwrap(),
        month: PriceBook::month(),
        kms_keys: scenario.layout.kms_keys.into(),
        rotations: 0,
    }
}

/// The plan for a source, with nothing around it.
pub(crate) fn plan_for(source: &Source, question: &Question) -> Plan {
    asked(source, question, &[], &[])
}

/// The plan for a source, with drills and what to solve for.
pub(crate) fn asked(source: &Source, question: &Question, drills: &[Drill], unknowns: &[Unknown]) -> Plan {
    let pricing = pricing(source.scenario());
    let date = QUOTA_DATE;
    let around = Surroundings { pricing: &pricing, date, from_profile: false, drills, unknowns };
    plan(source, question, &around).unwrap()
}

/// Requests that a story's candidates are simulated with at most: enough for what it is about.
const REQUESTS: u64 = 40_000;

/// A story: a scenario and a question.
pub(crate) struct Story {
    pub(crate) scenario: &'static str,
    pub(crate) question: &'static str,
}

impl Story {
    /// Its scenario and question with `from` replaced by `to` in the one of them that has it, exactly once.
    pub(crate) fn told(&self, change: Option<(&str, &str)>) -> (Source, Question) {
        let mut texts = [self.scenario.to_owned(), self.question.to_owned()];
        if let Some((from, to)) = change {
            let found: usize = texts.iter().map(|text| text.matches(from).count()).sum();
            assert_eq!(found, 1, "`{from}` is to stand in the story once");
            for text in &mut texts {
                *text = text.replace(from, to);
            }
        }
        let [scenario, question] = texts;
        let scenario = Scenario::parse(&scenario).unwrap_or_else(|error| panic!("{error}\n{scenario}"));
        let mut question = Question::parse(&question).unwrap_or_else(|error| panic!("{error}\n{question}"));
        question.sensitivity = false;
        question.requests_max = question.requests_max.min(REQUESTS);
        (Source::Scenario(scenario), question)
    }

    pub(crate) fn plan(&self, change: Option<(&str, &str)>) -> Plan {
        let (source, question) = self.told(change);
        plan_for(&source, &question)
    }
}

/// The title of the choice; empty where nothing keeps every demand.
pub(crate) fn choice(plan: &Plan) -> &str {
    plan.choice.as_ref().filter(|_| plan.feasible).map_or("", |choice| &choice.title)
}
