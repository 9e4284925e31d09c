//! The settings of a cache, and `Rules`: the settings once they are found good, with the decisions that follow.

use super::Landed;
use super::fingerprint::{Digest, Fingerprint};
use super::flight::{Failure, FailureLife, Fetch, Purpose};
use super::limits::{Life, UsageLimits};
use super::metrics::{Audit, Metrics, Used};
use super::stamp::Stamp;
use crate::units::{Span, Timestamp};

/// Keys kept when nothing else is asked. Source: AWS Material Providers Library, default cache, capacity 1,000.
pub const CAPACITY_DEFAULT: usize = 1_000;

/// Longest wait for a flight when nothing else is asked. Source: AWS Material Providers Library, `StormTracker`,
/// in-flight time to live 10 s.
pub const WAIT_MAX_DEFAULT: Span = Span::from_seconds(10);

/// When a key that is still good is fetched anew, so that nobody waits when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Age from which the next use starts a refresh.
    pub after: Span,
    /// Added to `after`: a span in `[0, jitter)`, fixed for each fingerprint, so that keys fetched together are not
    /// refreshed together.
    pub jitter: Span,
}

/// The settings of a cache.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// When a key may be used once more.
    pub limits: UsageLimits,
    /// Most keys kept.
    pub capacity: usize,
    /// Refresh ahead; `None` for never.
    pub refresh: Option<Refresh>,
    /// How long failures are remembered.
    pub failure_life: FailureLife,
    /// Most failures remembered; the first to end makes room. `Shared` rounds it up to a multiple of 16.
    pub failures_max: usize,
    /// Longest wait for a flight: of a request, after which it fails, and of the cache, after which a flight that
    /// has not landed is overtaken.
    pub wait_max: Span,
    /// Told of every use.
    pub audit: Option<Audit>,
}

impl CacheConfig {
    /// The defaults around `limits`.
    pub fn new(limits: UsageLimits) -> Self {
        Self {
            limits,
            capacity: CAPACITY_DEFAULT,
            refresh: None,
            failure_life: FailureLife::default(),
            failures_max: CAPACITY_DEFAULT,
            wait_max: WAIT_MAX_DEFAULT,
            audit: None,
        }
    }
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}: expected {expected}")]
pub struct ConfigError {
    /// The setting.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// The rule that it breaks.
    pub expected: &'static str,
}

/// Settings found good: what every cache decides by.
#[derive(Clone, Debug)]
pub struct Rules {
    config: CacheConfig,
}

/// What becomes of a fetch that landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict<K> {
    /// Its key belongs to an older generation, or its failure does.
    Drop,
    /// It failed.
    Fail(Failure),
    /// Its key is good.
    Keep(K, Life),
}

impl Rules {
    /// The rules of `config`.
    ///
    /// # Errors
    /// [`ConfigError`] for a limit, capacity or wait of zero, and for a refresh later than `max_age`.
    pub fn new(config: CacheConfig) -> Result<Self, ConfigError> {
        let refuse = |field, value: &dyn std::fmt::Display, expected| {
            Err(ConfigError { field, value: value.to_string(), expected })
        };
        let UsageLimits { max_age, max_uses, max_bytes } = config.limits;
        if max_age == Span::ZERO {
            return refuse("max_age", &max_age, "more than 0 s");
        }
        if max_uses == 0 {
            return refuse("max_uses", &max_uses, "at least 1");
        }
        if max_bytes == 0 {
            return refuse("max_bytes", &max_bytes, "at least 1");
        }
        if config.capacity == 0 {
            return refuse("capacity", &config.capacity, "at least 1 key; use Off to keep none");
        }
        if config.failures_max == 0 {
            return refuse("failures_max", &config.failures_max, "at least 1");
        }
        if config.wait_max == Span::ZERO {
            return refuse("wait_max", &config.wait_max, "more than 0 s");
        }
        if let Some(Refresh { after, jitter }) = config.refresh {
            if after == Span::ZERO {
                return refuse("refresh.after", &after, "more than 0 s");
            }
            if after + jitter > max_age {
                let value = format!("{after} + {jitter} of jitter with max_age {max_age}");
                return refuse("refresh.after", &value, "after + jitter of at most max_age");
            }
        }
        Ok(Self { config })
    }

    /// The settings.
    #[inline]
    pub fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// Bytes that a use counts; `None` when its key must be its own: more than `max_bytes`, or of unknown length where bytes
    /// are limited at all.
    #[inline]
    pub(super) fn shareable(&self, bytes: Option<u64>) -> Option<u64> {
        let most = self.config.limits.max_bytes;
        match bytes {
            None if most == u64::MAX => Some(0),
            bytes => bytes.filter(|bytes| *bytes <= most),
        }
    }

    /// When a request that starts to wait at `now` gives up.
    pub(super) fn deadline(&self, now: Timestamp) -> Timestamp {
        now + self.config.wait_max
    }

    /// What becomes of a fetch that lands at `now` while its KMS key has the generation `current`.
    ///
    /// # Panics
    /// When a key lands for which no call was sent: its age would be unknown.
    pub(super) fn judge<K>(&self, fetch: &Fetch, result: Result<K, Failure>, now: Timestamp) -> Verdict<K> {
        let current: Stamp = fetch.generation.stamp();
        if current.is_disabled() {
            return Verdict::Fail(Failure::Disabled);
        }
        if current != fetch.stamp {
            return Verdict::Drop;
        }
        let key = match result {
            Ok(key) => key,
            Err(failure) => return Verdict::Fail(failure),
        };
        let sent_at = fetch.sent_at.expect("a key lands only after its call was sent");
        let life = self.life(fetch.fingerprint.digest(), sent_at);
        // A key that travelled longer than it may live helps nobody who shares it; as a failure it is not fetched in
        // a circle.
        if life.is_over(now) && fetch.purpose != Purpose::Own {
            return Verdict::Fail(Failure::Transient);
        }
        Verdict::Keep(key, life)
    }

    /// What landing an own key means for the one request that waits for it.
    pub(super) fn land_own<K>(
        &self,
        fetch: &Fetch,
        result: Result<K, Failure>,
        now: Timestamp,
        metrics: &mut Metrics,
    ) -> Landed<K> {
        match self.judge(fetch, result, now) {
            Verdict::Drop => {
                metrics.dropped += 1;
                Landed::Dropped
            }
            Verdict::Fail(failure) => {
                metrics.failures += 1;
                Landed::Failed(failure)
            }
            Verdict::Keep(key, life) => {
                metrics.own += 1;
                self.audit(&fetch.fingerprint, fetch.bytes, now, || life.sent_at);
                Landed::Own(key)
            }
        }
    }

    /// Tells the audit, if there is one, of a use.
    #[inline]
    pub(super) fn audit(
        &self,
        fingerprint: &Fingerprint,
        bytes: Option<u64>,
        at: Timestamp,
        sent_at: impl FnOnce() -> Timestamp,
    ) {
        if let Some(audit) = &self.config.audit {
            audit.record(Used { fingerprint, bytes, at, sent_at: sent_at() });
        }
    }

    fn life(&self, digest: Digest, sent_at: Timestamp) -> Life {
        let refresh_at = self.config.refresh.map_or(Timestamp::MAX, |Refresh { after, jitter }| {
            sent_at + after + Span::from_nanos(digest.below(jitter.as_nanos()))
        });
        Life { sent_at, last_at: sent_at + self.config.limits.max_age, refresh_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> CacheConfig {
        CacheConfig::new(UsageLimits::of_age(Span::from_seconds(60)))
    }

    #[test]
    fn a_bad_setting_is_refused_with_its_name_its_value_and_the_rule() {
        let limits = config().limits;
        let refresh = |after, jitter| {
            Some(Refresh { after: Span::from_seconds(after), jitter: Span::from_seconds(jitter) })
        };
        let cases = [
            (
                CacheConfig { limits: UsageLimits { max_age: Span::ZERO, ..limits }, ..config() },
                "max_age is 0 s: expected more than 0 s",
            ),
            (
                CacheConfig { limits: UsageLimits { max_uses: 0, ..limits }, ..config() },
                "max_uses is 0: expected at least 1",
            ),
            (
                CacheConfig { limits: UsageLimits { max_bytes: 0, ..limits }, ..config() },
                "max_bytes is 0: expected at least 1",
            ),
            (
                CacheConfig { capacity: 0, ..config() },
                "capacity is 0: expected at least 1 key; use Off to keep none",
            ),
            (CacheConfig { failures_max: 0, ..config() }, "failures_max is 0: expected at least 1"),
            (CacheConfig { wait_max: Span::ZERO, ..config() }, "wait_max is 0 s: expected more than 0 s"),
            (
                CacheConfig { refresh: refresh(0, 1), ..config() },
                "refresh.after is 0 s: expected more than 0 s",
            ),
            (
                CacheConfig { refresh: refresh(50, 11), ..config() },
                "refresh.after is 50 s + 11 s of jitter with max_age 60 s: expected after + jitter of at most max_age",
            ),
        ];
        for (config, message) in cases {
            assert_eq!(Rules::new(config).unwrap_err().to_string(), message);
        }
        assert!(Rules::new(CacheConfig { refresh: refresh(50, 10), ..config() }).is_ok());
    }
}
