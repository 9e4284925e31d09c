//! `Core`: what the requests of a run share: caches, retry budgets, names, S3's limits per prefix.

use super::directory::{Directory, Name, Names};
use super::hit::{Lane, lanes};
use super::job::Job;
use super::need::{Need, is_service_side};
use super::prefix::PrefixLimits;
use super::step::{KeyHandle, Parking};
use crate::cache::{self, BucketKeyAssumptions, BucketKeyError, Cache, Metrics, PrincipalScope};
use crate::kms::{RetryBudget, RetryPolicy};
use crate::request::{Operation, SseMode};
use crate::units::{Seed, Stream, Timestamp};

/// The settings of a run that the machines decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The SSE mode.
    pub mode: SseMode,
    /// Whether the S3 client tries again after KMS throttled or failed (503, 500); otherwise the KMS client does, call
    /// by call, and what still fails ends the request.
    pub retry_at_s3: bool,
    /// By which policy; a 503 of S3's own limits is always tried again by the S3 client under the same policy.
    pub retry: RetryPolicy,
    /// Whose requests share a data key.
    pub scope: PrincipalScope,
    /// What is assumed of Bucket Keys.
    pub bucket_key: BucketKeyAssumptions,
}

impl Settings {
    /// The defaults of `mode`: retries at the S3 client, with `kms-cached` at the KMS client; the SDKs' standard policy
    /// of today; keys shared by role.
    pub fn new(mode: SseMode) -> Self {
        Self {
            mode,
            retry_at_s3: is_service_side(mode),
            retry: RetryPolicy::STANDARD_2_1,
            scope: PrincipalScope::default(),
            bucket_key: BucketKeyAssumptions::default(),
        }
    }
}

/// The retry budgets of one machine's clients.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) s3: RetryBudget,
    pub(super) kms: RetryBudget,
}

/// What the requests of one driver share. One thread owns it; several threads have one each over a shared cache.
///
/// Its hosts are the machines that send: each has clients with a retry budget of their own, and with `kms-cached` a
/// cache of its own. Bucket Keys live in S3, so that all hosts share the first cache.
#[derive(Debug)]
pub struct Core<C: Cache> {
    pub(super) settings: Settings,
    pub(super) caches: Vec<cache::Core<C>>,
    pub(super) clients: Vec<Client>,
    pub(super) names: Names,
    pub(super) prefixes: Option<PrefixLimits>,
    pub(super) lanes: [Lane; Operation::ALL.len()],
    /// Spreads back-off.
    pub(super) stream: Stream,
}

impl<C: Cache> Core<C> {
    /// A core for `hosts` machines over `caches`: one for each host with `kms-cached`, else one. The seed's stream
    /// `backoff`, number `thread`, spreads retries.
    ///
    /// # Errors
    /// [`BucketKeyError`] for a bucket name of `directory` that is longer than a context may be.
    ///
    /// # Panics
    /// When the number of caches does not fit.
    pub fn new(
        settings: Settings,
        hosts: u32,
        caches: Vec<cache::Core<C>>,
        directory: Directory,
        seed: Seed,
        thread: u64,
    ) -> Result<Self, BucketKeyError> {
        let expected = Self::caches(settings.mode, hosts);
        assert!(caches.len() == expected as usize, "{} caches: expected {expected}", caches.len());
        let names = Names::new(directory, settings.mode, settings.scope, settings.bucket_key)?;
        let client =
            || Client { s3: RetryBudget::new(settings.retry), kms: RetryBudget::new(settings.retry) };
        Ok(Self {
            settings,
            caches,
            clients: (0..hosts).map(|_| client()).collect(),
            names,
            prefixes: None,
            lanes: lanes(settings.mode),
            stream: seed.stream("backoff", thread),
        })
    }

    /// How many caches a run of `mode` has.
    pub fn caches(mode: SseMode, hosts: u32) -> u32 {
        if mode == SseMode::KmsCached { hosts.max(1) } else { 1 }
    }

    /// With S3's limits per prefix.
    #[must_use]
    pub fn with_prefix_limits(mut self) -> Self {
        self.prefixes = Some(PrefixLimits::new());
        self
    }

    /// How many machines send.
    pub fn hosts(&self) -> u32 {
        u32::try_from(self.clients.len()).expect("it was made from a u32")
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who and what the numbers stand for.
    pub fn directory(&self) -> &Directory {
        &self.names.directory
    }

    /// Empties the cache of `host`: it starts anew. What is on its way will be dropped when it lands. Nothing happens
    /// where the cache is S3's.
    pub fn restart(&mut self, host: u32, now: Timestamp) {
        if self.settings.mode == SseMode::KmsCached {
            self.caches[host as usize].invalidate_all(now);
        }
    }

    /// Drops every key that may not be used any more, in all caches. Gives how many.
    pub fn sweep(&mut self, now: Timestamp) -> usize {
        self.caches.iter_mut().map(|cache| cache.sweep(now)).sum()
    }

    /// `count` requests that waited for a flight that has landed go on waiting for `parking`, which one of them leads or has
    /// joined and which is for the same key: each would be told so, one by one. Gives their deadline; none where each has to
    /// be told.
    pub fn rejoin(&mut self, parking: Parking, count: u64, now: Timestamp) -> Option<Timestamp> {
        let cache = &mut self.caches[parking.cache as usize];
        let cache = if parking.decrypt { &mut cache.decrypt } else { &mut cache.encrypt };
        cache.rejoin(count, now)
    }

    /// What all caches did.
    pub fn metrics(&self) -> Metrics {
        self.caches.iter().fold(Metrics::default(), |mut sum, cache| {
            sum.add(&cache.metrics());
            sum
        })
    }

    /// The cache that `host` asks.
    #[inline]
    pub(super) fn cache_of(&self, host: u32) -> u32 {
        if self.settings.mode == SseMode::KmsCached { host } else { 0 }
    }

    /// The side of the cache that meets a need, and the name that the key is filed under.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of one way, taken for nearly every simulated request")]
    pub(super) fn slot(&mut self, ask: Ask, cache: u32) -> (&mut C, &mut Name) {
        let Ask { need, principal, bucket, kms_key, object, handle } = ask;
        let cache = &mut self.caches[cache as usize];
        match (need, handle) {
            (Need::Generate, _) => {
                (&mut cache.encrypt, self.names.encrypt(principal, bucket, kms_key, object))
            }
            // Where no key is kept, one fingerprint serves all: it only leads to the KMS key.
            (_, None) => (&mut cache.decrypt, self.names.encrypt(principal, bucket, kms_key, object)),
            (_, Some(handle)) => (&mut cache.decrypt, self.names.decrypt(principal, bucket, kms_key, handle)),
        }
    }
}

/// A need with everything that its fingerprint is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) need: Need,
    pub(super) principal: u32,
    pub(super) bucket: u32,
    pub(super) kms_key: u32,
    pub(super) object: u64,
    /// The key to decrypt, where keys are kept.
    pub(super) handle: Option<KeyHandle>,
}

impl Ask {
    #[inline]
    pub(super) fn new(job: &Job, need: Need, handle: Option<KeyHandle>) -> Self {
        let &Job { principal, bucket, kms_key, object, .. } = job;
        Self { need, principal, bucket, kms_key, object, handle }
    }
}
