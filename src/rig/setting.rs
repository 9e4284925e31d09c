//! What the machines decide by, and the rules of the caches, from a scenario.

use super::error::RigError;
use crate::cache::{
    BucketKeyAssumptions, CAPACITY_DEFAULT, CacheConfig, PrincipalScope, Refresh, Rules, UsageLimits,
};
use crate::kms::{self, RetryPolicy};
use crate::pipeline::Settings;
use crate::request::SseMode;
use crate::units::Span;
use crate::workload::{self, RetrySide, Scenario, Scope};

/// Age limit of cached data keys when a scenario names none: 5 minutes, as long as a Bucket Key is assumed to live, so that
/// the two are compared on one revocation bound. An assumption.
pub const CACHE_MAX_AGE_DEFAULT: Span = Span::from_seconds(300);

/// First back-off bound of `full-jitter` when a scenario names none. An assumption.
const FULL_JITTER_BASE: Span = Span::from_millis(100);
/// Longest back-off of `full-jitter` when a scenario names none: that of the SDKs' standard mode.
const FULL_JITTER_CAP: Span = Span::from_seconds(20);
/// Attempts of `full-jitter` when a scenario names none: those of the SDKs' standard mode.
const FULL_JITTER_ATTEMPTS: u32 = 3;

/// What S3 keeps is not bounded by what the model knows of.
const BUCKET_KEYS_MAX: usize = 1 << 30;

/// The settings of `scenario` in `mode`.
///
/// Retries sit at the S3 client, with `kms-cached` at the KMS client, unless `retry.at` says otherwise; the policy is the
/// SDKs' of today (`standard-2.1`) unless `retry.policy` does.
pub fn settings(scenario: &Scenario, mode: SseMode) -> Settings {
    let default = Settings::new(mode);
    Settings {
        retry_at_s3: scenario.retry.at.map_or(default.retry_at_s3, |at| at == RetrySide::S3Client),
        retry: retry_policy(&scenario.retry),
        scope: scope(scenario.cache.scope),
        bucket_key: bucket_key(scenario),
        ..default
    }
}

/// The rules of the caches that seal and that open.
///
/// With `kms-cached` as `cache` says: for sealing age, uses and bytes, for opening the age alone; 1,000 keys each where no
/// capacity is named; a refresh ahead is spread over half of what is left of the age. With a Bucket Key its lifetime. In
/// the other modes nothing is kept.
///
/// # Errors
/// [`RigError`] for limits that contradict each other once the defaults are in.
pub fn rules(scenario: &Scenario, mode: SseMode) -> Result<(Rules, Rules), RigError> {
    if mode != SseMode::KmsCached {
        let rules = bucket_key(scenario).rules(BUCKET_KEYS_MAX);
        let rules = rules.map_err(|error| RigError::bucket_key(&error))?;
        return Ok((rules.clone(), rules));
    }
    let cache = &scenario.cache;
    let max_age = cache.max_age.unwrap_or(CACHE_MAX_AGE_DEFAULT);
    let usual = UsageLimits::of_age(max_age);
    let limits = UsageLimits {
        max_age,
        max_uses: cache.max_uses.unwrap_or(usual.max_uses),
        max_bytes: cache.max_bytes.unwrap_or(usual.max_bytes),
    };
    let refresh = cache.refresh_after.map(|after| {
        let left = (max_age - after).as_nanos();
        Refresh { after, jitter: Span::from_nanos(left / 2) }
    });
    let capacity =
        cache.capacity.map_or(CAPACITY_DEFAULT, |keys| usize::try_from(keys).unwrap_or(usize::MAX));
    let rules = |limits| {
        Rules::new(CacheConfig { capacity, refresh, ..CacheConfig::new(limits) })
            .map_err(|error| RigError::cache(&error))
    };
    Ok((rules(limits)?, rules(UsageLimits::memo(max_age))?))
}

/// The longest that a data key or a Bucket Key is used in `scenario` under `mode`; none in modes that use none again.
pub fn key_lifetime(scenario: &Scenario, mode: SseMode) -> Option<Span> {
    match mode {
        SseMode::KmsCached => Some(scenario.cache.max_age.unwrap_or(CACHE_MAX_AGE_DEFAULT)),
        SseMode::SseKmsBucketKey => Some(bucket_key(scenario).lifetime),
        _ => None,
    }
}

fn bucket_key(scenario: &Scenario) -> BucketKeyAssumptions {
    let usual = BucketKeyAssumptions::default();
    BucketKeyAssumptions {
        lifetime: scenario.bucket_key.lifetime.unwrap_or(usual.lifetime),
        scope: scope(scenario.bucket_key.scope),
        ..usual
    }
}

fn scope(scope: Option<Scope>) -> PrincipalScope {
    match scope {
        Some(Scope::Account) => PrincipalScope::Account,
        Some(Scope::Role) => PrincipalScope::Role,
        Some(Scope::Session) => PrincipalScope::Session,
        None => PrincipalScope::default(),
    }
}

fn retry_policy(retry: &workload::Retry) -> RetryPolicy {
    let mut policy = match retry.policy {
        Some(workload::RetryPolicy::None) => kms::RetryPolicy::NONE,
        Some(workload::RetryPolicy::Standard20) => kms::RetryPolicy::STANDARD_2_0,
        Some(workload::RetryPolicy::Standard21) | None => kms::RetryPolicy::STANDARD_2_1,
        Some(workload::RetryPolicy::FullJitter) => {
            kms::RetryPolicy::full_jitter(FULL_JITTER_BASE, FULL_JITTER_CAP, FULL_JITTER_ATTEMPTS)
        }
    };
    if let Some(attempts) = retry.max_attempts {
        policy.max_attempts = attempts;
    }
    if let Some(base) = retry.base {
        (policy.base_throttling, policy.base_transient) = (base, base);
    }
    if let Some(cap) = retry.cap {
        policy.cap = cap;
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scenario_leaves_out_has_its_documented_default() {
        let scenario = Scenario::default();
        let of_s3 = settings(&scenario, SseMode::SseKms);
        assert!(of_s3.retry_at_s3 && !settings(&scenario, SseMode::KmsCached).retry_at_s3);
        assert_eq!(of_s3.retry, RetryPolicy::STANDARD_2_1);
        assert_eq!(of_s3.scope, PrincipalScope::Role);
        let (seal, open) = rules(&scenario, SseMode::KmsCached).unwrap();
        assert_eq!(seal.config().limits, UsageLimits::of_age(CACHE_MAX_AGE_DEFAULT));
        assert_eq!(open.config().limits, UsageLimits::memo(CACHE_MAX_AGE_DEFAULT));
    }

    #[test]
    fn a_refresh_later_than_the_default_age_is_named_as_in_the_scenario() {
        let mut scenario = Scenario::default();
        scenario.cache.refresh_after = Some(Span::from_seconds(400));
        let error = rules(&scenario, SseMode::KmsCached).unwrap_err();
        assert_eq!(error.field, "cache.refresh.after");
    }

    #[test]
    fn retry_fields_override_the_policy() {
        let mut scenario = Scenario::default();
        scenario.retry.policy = Some(workload::RetryPolicy::FullJitter);
        scenario.retry.max_attempts = Some(7);
        scenario.retry.base = Some(Span::from_millis(5));
        let policy = settings(&scenario, SseMode::SseKms).retry;
        assert_eq!((policy.max_attempts, policy.base_throttling), (7, Span::from_millis(5)));
        assert_eq!(policy.cap, FULL_JITTER_CAP);
    }
}
