//! What can be chosen: mode × limits of the cache × scope × retries × quota.

use std::fmt::Write;

use super::objective::{WordError, choose};
use crate::pipeline::uses_kms;
use crate::request::SseMode;
use crate::rig::CACHE_MAX_AGE_DEFAULT;
use crate::units::Span;
use crate::workload::{RetryPolicy, Scenario, Scope, span_text};

/// Quotas above the one there is that a plan tries unless told otherwise: what AWS grants in its Regions.
///
/// Source: KMS developer guide, request quotas, 2026 (src/kms/quota.csv).
const QUOTAS: [u64; 3] = [10_000, 20_000, 100_000];
/// Ages of cached data keys that a plan tries unless told otherwise.
const AGES: [Span; 3] = [Span::from_seconds(60), CACHE_MAX_AGE_DEFAULT, Span::from_seconds(900)];
/// Uses of a cached data key that a plan tries beside no limit.
const USES: u64 = 1_000;

const SCOPES: [(&str, Scope); 3] =
    [("account", Scope::Account), ("role", Scope::Role), ("session", Scope::Session)];
const RETRIES: [(&str, RetryPolicy); 4] = [
    ("none", RetryPolicy::None),
    ("standard-2.0", RetryPolicy::Standard20),
    ("standard-2.1", RetryPolicy::Standard21),
    ("full-jitter", RetryPolicy::FullJitter),
];

/// A scope by its word: `account`, `role` or `session`.
///
/// # Errors
/// [`WordError`] for another word.
pub fn scope(text: &str) -> Result<Scope, WordError> {
    choose("scope", text, &SCOPES)
}

/// A retry policy by its word, as in scenarios.
///
/// # Errors
/// [`WordError`] for another word.
pub fn retry(text: &str) -> Result<RetryPolicy, WordError> {
    choose("retry policy", text, &RETRIES)
}

fn word<T: Copy + PartialEq>(choices: &[(&'static str, T)], of: T) -> &'static str {
    choices.iter().find(|(_, choice)| *choice == of).map_or("", |(word, _)| word)
}

/// What to try. An empty list stands for what the scenario says and, for ages, uses and quotas, for what else is usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Ages of cached data keys.
    pub max_ages: Vec<Span>,
    /// Objects under a cached data key.
    pub max_uses: Vec<u64>,
    /// Who shares a cached data key.
    pub scopes: Vec<Scope>,
    /// KMS calls per second.
    pub quotas: Vec<u64>,
    /// How throttled calls are tried again.
    pub retries: Vec<RetryPolicy>,
}

/// One thing that can be chosen. `None`: as the scenario has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How objects are encrypted.
    pub mode: SseMode,
    /// Age limit of cached data keys; only in mode `kms-cached`.
    pub max_age: Option<Span>,
    /// Objects under a cached data key; only in mode `kms-cached`.
    pub max_uses: Option<u64>,
    /// Who shares one; only in mode `kms-cached`.
    pub scope: Option<Scope>,
    /// How throttled calls are tried again.
    pub retry: Option<RetryPolicy>,
    /// KMS calls per second.
    pub quota: u64,
}

impl Candidate {
    /// `scenario` as it runs under this candidate. The quota is an option of the run.
    pub fn apply(&self, scenario: &Scenario) -> Scenario {
        let mut changed = scenario.clone();
        changed.cache.max_age = self.max_age.or(changed.cache.max_age);
        changed.cache.max_uses = self.max_uses.or(changed.cache.max_uses);
        changed.cache.scope = self.scope.or(changed.cache.scope);
        changed.retry.policy = self.retry.or(changed.retry.policy);
        // A refresh that the scenario wants later than the age allows happens halfway.
        if let (Some(age), Some(after)) = (changed.cache.max_age, changed.cache.refresh_after)
            && after >= age
        {
            changed.cache.refresh_after = Some(Span::from_nanos(age.as_nanos() / 2));
        }
        changed
    }

    /// What it is called: the mode, and what else is told apart.
    pub fn title(&self) -> String {
        let mut title = self.mode.to_string();
        if let Some(age) = self.max_age {
            let _ = write!(title, ", age {}", span_text(age));
        }
        if let Some(uses) = self.max_uses {
            let _ = write!(title, ", {uses} uses");
        }
        if let Some(scope) = self.scope {
            let _ = write!(title, ", by {}", word(&SCOPES, scope));
        }
        if let Some(retry) = self.retry {
            let _ = write!(title, ", retry {}", word(&RETRIES, retry));
        }
        if uses_kms(self.mode) {
            let _ = write!(title, ", quota {}/s", self.quota);
        }
        title
    }

    /// Whether `other` differs in the quota alone.
    pub(super) fn is_sibling(&self, other: &Self) -> bool {
        Self { quota: other.quota, ..*self } == *other
    }
}

impl Grid {
    /// Every candidate for `scenario`, whose quota is `quota`: by mode as `SseMode::ALL` has them, then age, uses, scope,
    /// retries, quota, each rising. `also_age` is tried beside the usual ages.
    pub fn candidates(&self, scenario: &Scenario, quota: u64, also_age: Option<Span>) -> Vec<Candidate> {
        let ages = if self.max_ages.is_empty() {
            let own = scenario.cache.max_age.into_iter().chain(also_age).filter(|age| *age > Span::ZERO);
            sorted(AGES.into_iter().chain(own))
        } else {
            sorted(self.max_ages.iter().copied())
        };
        let uses = match (&self.max_uses[..], scenario.cache.max_uses) {
            ([], Some(own)) => vec![Some(own)],
            ([], None) => vec![Some(USES), None],
            (given, _) => sorted(given.iter().copied()).into_iter().map(Some).collect(),
        };
        let quotas = if self.quotas.is_empty() {
            sorted(QUOTAS.into_iter().filter(|tier| *tier > quota).chain([quota]))
        } else {
            sorted(self.quotas.iter().copied())
        };
        let scopes = optional(&self.scopes);
        let retries = optional(&self.retries);
        let mut candidates = Vec::new();
        for mode in SseMode::ALL.into_iter().filter(|mode| scenario.modes.contains(mode)) {
            let plain = Candidate { mode, max_age: None, max_uses: None, scope: None, retry: None, quota };
            if !uses_kms(mode) {
                candidates.push(plain);
                continue;
            }
            let cached = mode == SseMode::KmsCached;
            let limits: Vec<(Option<Span>, Option<u64>, Option<Scope>)> = if cached {
                let pairs = ages.iter().flat_map(|age| uses.iter().map(move |uses| (Some(*age), *uses)));
                pairs.flat_map(|(age, uses)| scopes.iter().map(move |scope| (age, uses, *scope))).collect()
            } else {
                vec![(None, None, None)]
            };
            for (max_age, max_uses, scope) in limits {
                for retry in &retries {
                    let of_quota = |quota: &u64| Candidate {
                        max_age,
                        max_uses,
                        scope,
                        retry: *retry,
                        quota: *quota,
                        ..plain
                    };
                    candidates.extend(quotas.iter().map(of_quota));
                }
            }
        }
        candidates
    }
}

fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn optional<T: Copy>(given: &[T]) -> Vec<Option<T>> {
    if given.is_empty() { vec![None] } else { given.iter().copied().map(Some).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_come_in_one_order_and_each_once() {
        let grid = Grid { scopes: vec![Scope::Role, Scope::Session], ..Grid::default() };
        let also = Some(Span::from_seconds(30));
        let candidates = grid.candidates(&Scenario::default(), 5_500, also);
        let count = |mode| candidates.iter().filter(|candidate| candidate.mode == mode).count();
        // One without KMS; four quotas; four ages × two limits of uses × two scopes × four quotas.
        assert_eq!(SseMode::ALL.map(count), [1, 4, 4, 64, 4, 1]);
        let titles: std::collections::BTreeSet<String> = candidates.iter().map(Candidate::title).collect();
        assert_eq!(titles.len(), candidates.len());
        assert!(candidates.windows(2).all(|pair| pair[0].mode <= pair[1].mode));
    }

    #[test]
    fn a_candidate_changes_what_it_names_and_nothing_else() {
        let mut scenario = Scenario::default();
        scenario.cache.refresh_after = Some(Span::from_seconds(200));
        let grid = Grid { max_ages: vec![Span::from_seconds(60)], ..Grid::default() };
        let candidates = grid.candidates(&scenario, 10_000, None);
        let cached = candidates.iter().find(|c| c.mode == SseMode::KmsCached && c.max_uses.is_none());
        let mut changed = cached.unwrap().apply(&scenario);
        assert_eq!(changed.cache.refresh_after, Some(Span::from_seconds(30)), "within the age");
        assert_eq!(changed.cache.max_age, Some(Span::from_seconds(60)));
        changed.cache = scenario.cache;
        assert_eq!(changed, scenario);
    }

    #[test]
    fn a_refresh_has_to_come_before_the_age_and_stays_where_it_does() {
        let refresh_after = |seconds| {
            let mut scenario = Scenario::default();
            scenario.cache.refresh_after = Some(Span::from_seconds(seconds));
            let mode = SseMode::KmsCached;
            let max_age = Some(Span::from_seconds(60));
            let candidate = Candidate { mode, max_age, max_uses: None, scope: None, retry: None, quota: 1 };
            candidate.apply(&scenario).cache.refresh_after
        };
        let after = [59, 60, 61].map(refresh_after);
        assert_eq!(after, [59, 30, 30].map(|seconds| Some(Span::from_seconds(seconds))));
    }
}
