//! A plan's question as a TOML file: objectives, constraints, growth, candidates.

use serde::Deserialize;

use super::candidate::{Grid, retry, scope};
use super::objective::{Custody, Demands, GrowthRate, Runner, usd};
use crate::cost::Region;
use crate::request::SseMode;
use crate::units::Span;
use crate::workload::span;

/// Requests that a candidate is simulated with at most when nothing else is asked.
pub const REQUESTS_MAX_DEFAULT: u64 = 2_000_000;
/// Months that growth is followed for when nothing else is asked.
pub const HORIZON_DEFAULT: u32 = 12;
/// Longest horizon: ten years.
pub const HORIZON_MAX: u32 = 120;

/// Everything that is asked beside the workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What to keep to.
    pub demands: Demands,
    /// The modes that are allowed; none: those of the scenario.
    pub modes: Option<Vec<SseMode>>,
    /// What to try.
    pub grid: Grid,
    /// Regions to ask it all in, at their own quotas and prices; none: the scenario's.
    pub regions: Vec<Region>,
    /// How the load grows.
    pub growth: Option<GrowthRate>,
    /// For how many months.
    pub horizon: u32,
    /// Requests that a candidate is simulated with at most.
    pub requests_max: u64,
    /// How the objects that exist are encrypted today.
    pub current: Option<SseMode>,
    /// Whether to look for what flips the choice.
    pub sensitivity: bool,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            demands: Demands::default(),
            modes: None,
            grid: Grid::default(),
            regions: Vec::new(),
            growth: None,
            horizon: HORIZON_DEFAULT,
            requests_max: REQUESTS_MAX_DEFAULT,
            current: None,
            sensitivity: true,
        }
    }
}

/// A file that is no question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// Not TOML, or with a field that does not exist.
    #[error("{0}")]
    Toml(String),
    /// A field whose value does not fit.
    #[error("{field}: {reason}")]
    Value {
        /// Its path.
        field: &'static str,
        /// Why.
        reason: String,
    },
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    objectives: Objectives,
    constraints: Constraints,
    growth: Growth,
    candidates: Candidates,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Objectives {
    keep: Option<String>,
    budget: Option<String>,
    revoke_within: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Constraints {
    audit_per_object: bool,
    key_custody: Option<String>,
    double_encryption: bool,
    run_by: Option<String>,
    modes: Option<Vec<String>>,
    current: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Growth {
    rate: Option<String>,
    horizon: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Candidates {
    max_age: Vec<String>,
    max_uses: Vec<u64>,
    scope: Vec<String>,
    quota: Vec<u64>,
    retry: Vec<String>,
    region: Vec<String>,
    requests: Option<u64>,
    sensitivity: Option<bool>,
}

impl Question {
    /// Reads the question in `text`; what it leaves out has its default. docs/PLAN.md describes every field.
    ///
    /// # Errors
    /// [`QuestionError`] with line and column of what is no TOML, or with the field whose value does not fit.
    pub fn parse(text: &str) -> Result<Self, QuestionError> {
        let file: File =
            toml::from_str(text).map_err(|error| QuestionError::Toml(error.to_string().trim_end().into()))?;
        let mut question = Self::default();
        let demands = &mut question.demands;
        if let Some(keep) = &file.objectives.keep {
            demands.keep = value("objectives.keep", keep.parse())?;
        }
        demands.budget = optional("objectives.budget", file.objectives.budget.as_deref(), usd)?;
        let within = file.objectives.revoke_within.as_deref();
        demands.revoke_within = optional("objectives.revoke_within", within, time)?;
        let Constraints { audit_per_object, key_custody, double_encryption, run_by, modes, current } =
            file.constraints;
        demands.audit_per_object = audit_per_object;
        demands.double_encryption = double_encryption;
        if let Some(custody) = &key_custody {
            demands.custody = value("constraints.key_custody", custody.parse::<Custody>())?;
        }
        if let Some(runner) = &run_by {
            demands.runner = value("constraints.run_by", runner.parse::<Runner>())?;
        }
        let named = |mode: &str| mode.parse::<SseMode>();
        question.modes = modes.map(|modes| all("constraints.modes", &modes, named)).transpose()?;
        question.current = optional("constraints.current", current.as_deref(), named)?;
        question.growth = optional("growth.rate", file.growth.rate.as_deref(), str::parse::<GrowthRate>)?;
        let candidates = file.candidates;
        question.grid = Grid {
            max_ages: all("candidates.max_age", &candidates.max_age, positive_time)?,
            max_uses: candidates.max_uses,
            scopes: all("candidates.scope", &candidates.scope, scope)?,
            quotas: candidates.quota,
            retries: all("candidates.retry", &candidates.retry, retry)?,
        };
        question.regions = all("candidates.region", &candidates.region, str::parse::<Region>)?;
        if let Some(region) = twice(&question.regions) {
            let reason = format!("{region} is given twice");
            return Err(QuestionError::Value { field: "candidates.region", reason });
        }
        if question.grid.max_uses.contains(&0) || question.grid.quotas.contains(&0) {
            let reason = "0: expected at least 1".into();
            return Err(QuestionError::Value { field: "candidates.max_uses and candidates.quota", reason });
        }
        question.horizon = file.growth.horizon.unwrap_or(question.horizon);
        if question.horizon > HORIZON_MAX {
            let reason = format!("{}: expected at most {HORIZON_MAX} months", question.horizon);
            return Err(QuestionError::Value { field: "growth.horizon", reason });
        }
        question.requests_max = candidates.requests.unwrap_or(question.requests_max).max(1);
        question.sensitivity = candidates.sensitivity.unwrap_or(question.sensitivity);
        Ok(question)
    }
}

/// The first of `regions` that was there before.
pub fn twice(regions: &[Region]) -> Option<Region> {
    (0..regions.len()).find(|place| regions[..*place].contains(&regions[*place])).map(|place| regions[place])
}

fn time(text: &str) -> Result<Span, &'static str> {
    span(text).ok_or("expected a time such as 30s, 5m or 1h")
}

fn positive_time(text: &str) -> Result<Span, &'static str> {
    time(text).ok().filter(|span| *span > Span::ZERO).ok_or("expected times above 0 such as 30s, 5m or 1h")
}

fn value<T>(field: &'static str, read: Result<T, impl ToString>) -> Result<T, QuestionError> {
    read.map_err(|reason| QuestionError::Value { field, reason: reason.to_string() })
}

fn optional<T, E: ToString>(
    field: &'static str,
    text: Option<&str>,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, QuestionError> {
    text.map(|text| value(field, read(text))).transpose()
}

fn all<T, E: ToString>(
    field: &'static str,
    texts: &[String],
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, QuestionError> {
    texts.iter().map(|text| value(field, read(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_everything_and_what_it_leaves_out_is_the_default() {
        assert_eq!(Question::parse(""), Ok(Question::default()));
        let text = "[objectives]\nkeep = \"p99<50ms\"\nbudget = \"500USD\"\nrevoke_within = \"5m\"\n[constraints]\n\
                    run_by = \"client\"\nmodes = [\"sse-kms\"]\n[growth]\nrate = \"8%/month\"\nhorizon = 18\n\
                    [candidates]\nmax_age = [\"30s\"]\nretry = [\"full-jitter\"]\nrequests = 1000";
        let question = Question::parse(text).unwrap();
        let said = [
            "p99<50ms",
            "encryption adds at most 500.00 USD a month",
            "revocation within 5m",
            "clients encrypt",
        ];
        assert_eq!(question.demands.said(), said);
        assert_eq!((question.horizon, question.requests_max), (18, 1_000));
        assert_eq!(question.grid.max_ages, [Span::from_seconds(30)]);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let error = Question::parse("[objectives]\ncolour = 1").unwrap_err().to_string();
        assert!(error.contains("line 2, column 1") && error.contains("colour"), "{error}");
        let error = Question::parse("[constraints]\nrun_by = \"nobody\"").unwrap_err().to_string();
        assert_eq!(error, "constraints.run_by: `nobody` is no runner: expected any, s3, store, client");
        for text in [
            "[candidates]\nmax_age = [\"0s\"]",
            "[growth]\nhorizon = 999",
            "[candidates]\nquota = [0]",
            "[candidates]\nregion = [\"nowhere-1\"]",
            "[candidates]\nregion = [\"eu-west-2\", \"eu-west-2\"]",
        ] {
            assert!(Question::parse(text).is_err(), "{text}");
        }
    }
}
