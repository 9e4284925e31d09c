//! The settings of a data-key cache, each with its default, and what they make.

use std::num::NonZero;

use super::clock::Clock;
use super::data_key_cache::DataKeyCache;
use super::service::{AnyService, KeyService};
use crate::cache::{
    Audit, CAPACITY_DEFAULT, CacheConfig, ConfigError, FailureLife, Partition, PrincipalScope, Refresh,
    Rules, UsageLimits, WAIT_MAX_DEFAULT,
};
use crate::kms::RetryPolicy;
use crate::units::Span;

/// Longest wait for one answer of the service when nothing else is asked: two tries fit into [`WAIT_MAX_DEFAULT`].
pub const CALL_MAX_DEFAULT: Span = Span::from_seconds(4);

/// Most requests that wait for keys at once when nothing else is asked: about 100 MB of waiting tasks.
pub const WAITERS_MAX_DEFAULT: usize = 100_000;

/// Settings of a [`DataKeyCache`]; [`Self::limits`] has no default, since the age is the revocation bound.
#[must_use = "a cache comes out of `build`"]
pub struct Builder {
    pub(super) service: Box<dyn AnyService>,
    limits: Option<UsageLimits>,
    memo: Option<Span>,
    capacity: usize,
    refresh: Option<Refresh>,
    failure_life: FailureLife,
    wait_max: Span,
    audit: Option<Audit>,
    pub(super) stripes: usize,
    pub(super) partition: Option<Partition>,
    pub(super) scope: PrincipalScope,
    pub(super) retry: RetryPolicy,
    pub(super) call_max: Span,
    pub(super) waiters_max: usize,
    pub(super) clock: Clock,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn new(service: impl KeyService) -> Self {
        Self {
            service: Box::new(service),
            limits: None,
            memo: None,
            capacity: CAPACITY_DEFAULT,
            refresh: None,
            failure_life: FailureLife::default(),
            wait_max: WAIT_MAX_DEFAULT,
            audit: None,
            // Tasks move between threads, so a stripe for each core is all that helps.
            stripes: std::thread::available_parallelism().map_or(1, NonZero::get).min(64),
            partition: None,
            scope: PrincipalScope::default(),
            retry: RetryPolicy::STANDARD_2_1,
            call_max: CALL_MAX_DEFAULT,
            waiters_max: WAITERS_MAX_DEFAULT,
            clock: Clock::default(),
        }
    }

    /// When a data key may seal once more. Required.
    pub fn limits(mut self, limits: UsageLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// How long a data key is remembered for opening. Default: the age of [`Self::limits`].
    pub fn memo(mut self, max_age: impl Into<Span>) -> Self {
        self.memo = Some(max_age.into());
        self
    }

    /// Most data keys kept for sealing, and as many for opening. Default [`CAPACITY_DEFAULT`].
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = keys;
        self
    }

    /// When keys that are in use are fetched anew, so that nobody waits when they end. Default: never.
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = Some(refresh);
        self
    }

    /// How long failures are remembered. Default [`FailureLife::default`].
    pub fn failure_life(mut self, life: FailureLife) -> Self {
        self.failure_life = life;
        self
    }

    /// The deadline of a request from when it is made, and of a fetch. Default [`WAIT_MAX_DEFAULT`].
    pub fn wait_max(mut self, wait: impl Into<Span>) -> Self {
        self.wait_max = wait.into();
        self
    }

    /// Longest wait for one answer of the service. Default [`CALL_MAX_DEFAULT`].
    pub fn call_max(mut self, wait: impl Into<Span>) -> Self {
        self.call_max = wait.into();
        self
    }

    /// Most requests that wait for keys at once; one more is refused. Default [`WAITERS_MAX_DEFAULT`].
    pub fn waiters_max(mut self, waiters: usize) -> Self {
        self.waiters_max = waiters;
        self
    }

    /// When and how often a KMS call is tried again. Default [`RetryPolicy::STANDARD_2_1`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Whose requests share a data key. Default [`PrincipalScope::Role`].
    pub fn scope(mut self, scope: PrincipalScope) -> Self {
        self.scope = scope;
        self
    }

    /// Walls requests of this cache off, also in audits: a tenant, a data class. Default `default`.
    pub fn partition(mut self, partition: Partition) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Told of every use of a data key, which KMS does not see.
    pub fn audit(mut self, audit: Audit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Threads that use the cache at once without contending. Default: the cores, at most 64.
    pub fn stripes(mut self, stripes: usize) -> Self {
        self.stripes = stripes;
        self
    }

    /// Where the time is read. Default [`Clock::boot`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// [`ConfigError`] without limits, and for a setting out of its range.
    pub fn build(self) -> Result<DataKeyCache, ConfigError> {
        DataKeyCache::of(self)
    }

    /// The rules for sealing and for opening.
    pub(super) fn rules(&self) -> Result<(Rules, Rules), ConfigError> {
        let refuse = |field, value: &str, expected| Err(ConfigError { field, value: value.into(), expected });
        let Some(limits) = self.limits else {
            return refuse("limits", "not given", "limits of age, uses and bytes; the age has no default");
        };
        if self.call_max == Span::ZERO {
            return refuse("call_max", "0 s", "more than 0 s");
        }
        if self.memo == Some(Span::ZERO) {
            return refuse("memo", "0 s", "more than 0 s");
        }
        // The rules name a cache that keeps nothing, which is not to be had here.
        if self.capacity == 0 {
            return refuse("capacity", "0", "at least 1 key");
        }
        if self.waiters_max == 0 {
            return refuse("waiters_max", "0", "at least 1");
        }
        let config = |limits| CacheConfig {
            capacity: self.capacity,
            refresh: self.refresh,
            failure_life: self.failure_life,
            wait_max: self.wait_max,
            audit: self.audit.clone(),
            ..CacheConfig::new(limits)
        };
        let memo = self.memo.unwrap_or(limits.max_age);
        // A refresh that the memo's age leaves no room for would make it refuse a setting that concerns sealing.
        let fits = |refresh: &Refresh| refresh.after + refresh.jitter <= memo;
        let decrypt = CacheConfig { refresh: self.refresh.filter(fits), ..config(UsageLimits::memo(memo)) };
        Ok((Rules::new(config(limits))?, Rules::new(decrypt)?))
    }
}
