//! How long a key serves after it is disabled, and how much stands under one data key.

use super::candidate::Candidate;
use super::load::{Load, seconds};
use crate::cache::UsageLimits;
use crate::request::SseMode;
use crate::rig::{CACHE_MAX_AGE_DEFAULT, settings};
use crate::units::Span;
use crate::workload::Scenario;

/// How long after its KMS key is disabled data may still be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The next request already calls KMS, or needs a key that the customer withholds.
    AtOnce,
    /// At most so long: the age limit of a cache.
    Within(Span),
    /// As long as S3 keeps a Bucket Key, which AWS does not publish; so long where nothing else is assumed.
    Unpublished(Span),
    /// For ever: no key of the account stands behind it.
    Never,
}

impl Revocation {
    /// Of `candidate`.
    ///
    /// Law: no cached key is handed out later than its age limit after the KMS key is disabled (`tests/cache_laws.rs`).
    pub fn of(candidate: &Candidate, scenario: &Scenario) -> Self {
        match candidate.mode {
            SseMode::SseS3 => Self::Never,
            SseMode::SseKms | SseMode::DsseKms | SseMode::SseC => Self::AtOnce,
            SseMode::KmsCached => {
                let age = candidate.max_age.or(scenario.cache.max_age).unwrap_or(CACHE_MAX_AGE_DEFAULT);
                Self::Within(age)
            }
            SseMode::SseKmsBucketKey => match scenario.bucket_key.lifetime {
                Some(lifetime) => Self::Within(lifetime),
                None => Self::Unpublished(settings(scenario, candidate.mode).bucket_key.lifetime),
            },
        }
    }

    /// The bound, as it enters comparisons; none for ever.
    pub fn bound(self) -> Option<Span> {
        match self {
            Self::AtOnce => Some(Span::ZERO),
            Self::Within(span) | Self::Unpublished(span) => Some(span),
            Self::Never => None,
        }
    }
}

/// How much one stolen key opens: objects and bytes under it, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlastRadius {
    /// Objects.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

impl BlastRadius {
    /// Under one data key of `candidate`, under one Bucket Key where there are such; none with SSE-C, where the callers
    /// decide what they seal under a key.
    ///
    /// Where keys are reused: writes per second of one host × age, at most the limits of uses and bytes. One principal is
    /// taken to write everything, so that it is a bound whatever their skew.
    pub fn of(candidate: &Candidate, scenario: &Scenario, load: &Load) -> Option<Self> {
        let mean = if load.writes_per_s() > 0.0 { load.written_per_s() / load.writes_per_s() } else { 0.0 };
        let written = |age: Span, hosts: u32| {
            let objects = load.writes_per_s() / f64::from(hosts.max(1)) * seconds(age);
            whole(libm::ceil(objects)).max(1)
        };
        let objects = match candidate.mode {
            SseMode::SseC => return None,
            SseMode::SseS3 | SseMode::SseKms | SseMode::DsseKms => 1,
            SseMode::SseKmsBucketKey => written(settings(scenario, candidate.mode).bucket_key.lifetime, 1),
            SseMode::KmsCached => {
                let age = candidate.max_age.or(scenario.cache.max_age).unwrap_or(CACHE_MAX_AGE_DEFAULT);
                let usual = UsageLimits::of_age(age);
                let uses = candidate.max_uses.or(scenario.cache.max_uses).unwrap_or(usual.max_uses);
                written(age, scenario.fleet.hosts).min(uses)
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "a bound shown with three digits")]
        let bytes = whole(libm::ceil(objects as f64 * mean));
        let most = scenario.cache.max_bytes.filter(|_| candidate.mode == SseMode::KmsCached);
        Some(Self { objects, bytes: most.map_or(bytes, |most| bytes.min(most)) })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
fn whole(n: f64) -> u64 {
    n as u64
}
