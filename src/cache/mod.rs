//! The data-key cache: may this key be used again, who waits for whom, and where keys are kept.
//!
//! Three caches decide by one set of rules: [`Off`] keeps nothing and coalesces nothing, [`Local`] is single-threaded
//! and deterministic, [`Shared`] is concurrent. Two caches make one: *reuse* for encrypt, under
//! [`UsageLimits`], and a *memo* for decrypt, under an age ([`Core`]). All are told `now` and do no waiting.
//!
//! # How to drive one
//!
//! ```text
//! try_use ─► Hit          use the key; start a fetch when a refresh comes with it
//!          ─► Lead        start a fetch with the ticket, park under its flight until the deadline
//!          ─► Join        park under the flight until the deadline
//!          ─► Refused     fail, or come back at the instant of a Pace
//! the fetch:  send, once per KMS call ─► land ─► wake the flight with what `Landed` says
//! a woken request: resume, which answers like try_use
//! ```
//!
//! ```
//! use s3seal::cache::*;
//! use s3seal::envelope::{DataKey, EncryptionContext};
//! use s3seal::request::Principal;
//! use s3seal::units::{Span, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A key serves for five minutes, counted from the call that brought it, and for at most 100 bodies.
//! let limits = UsageLimits { max_uses: 100, ..UsageLimits::of_age(Span::from_seconds(300)) };
//! let mut cache = Local::new(Rules::new(CacheConfig::new(limits))?, Generations::new());
//!
//! let arn = "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
//! let writer = Principal::new("111122223333", "writer", "");
//! let requester = Requester::new(&Partition::new("photos")?, PrincipalScope::Role, &writer);
//! let fingerprint = Fingerprint::encrypt(&requester, &arn, &EncryptionContext::of_bucket("photos")?, 1);
//!
//! let mut calls = 0;
//! for second in 0..1_000 {
//!     let now = Timestamp::from_seconds(second);
//!     let key: DataKey = match cache.try_use(&fingerprint, Some(4_096), now) {
//!         Lookup::Hit { key, .. } => key,
//!         Lookup::Lead { mut ticket, .. } => {
//!             cache.send(&mut ticket, now); // here goes GenerateDataKey
//!             calls += 1;
//!             cache.land(ticket, Ok(DataKey::generate()?), now);
//!             match cache.resume(&fingerprint, Some(4_096), now) {
//!                 Lookup::Hit { key, .. } => key,
//!                 other => panic!("landed just now: {other:?}"),
//!             }
//!         }
//!         other => panic!("nobody else asks: {other:?}"),
//!     };
//!     # let _ = key;
//! }
//! assert_eq!(calls, 10); // of 1,000 uses, each key served 100
//! assert_eq!(cache.metrics().calls, 10);
//! # Ok(())
//! # }
//! ```
//!
//! What a KMS error means to the cache says [`pipeline::failure_of`](crate::pipeline::failure_of).
//!
//! With threads, a request that was told to join parks first and then asks [`Cache::is_flying`]; when the flight has
//! landed in between, it resumes at once. One that leads parks before it starts its fetch.
//!
//! **What is deliberately absent.** No clock, no thread, no KMS. moka's expiry is not used: age is a security limit
//! and is checked here against `now`; moka only decides which keys stay when there are too many.
//!
//! [`Off`]: crate::cache::Off
//! [`Local`]: crate::cache::Local
//! [`Shared`]: crate::cache::Shared
//! [`UsageLimits`]: crate::cache::UsageLimits
//! [`Core`]: crate::cache::Core
//! [`Cache::is_flying`]: crate::cache::Cache::is_flying

// `stamp` names its atomics through here, so that the loom test can put loom's in their place.
use std::sync::atomic;

mod limits;
mod fingerprint;
mod stamp;
mod generation;
mod flight;
mod metrics;
mod config;
mod off;
mod local;
mod front;
mod shared;
mod bucket_key;
mod core;

pub use self::core::Core;
pub use bucket_key::{BucketKeyAssumptions, BucketKeyError};
pub use config::{CAPACITY_DEFAULT, CacheConfig, ConfigError, Refresh, Rules, WAIT_MAX_DEFAULT};
pub use fingerprint::{Digest, Fingerprint, Opening, Partition, PartitionError, PrincipalScope, Requester};
pub use flight::{Failure, FailureLife, FlightId, Flights, Ticket, Turn};
pub use front::Lent;
pub use generation::Generations;
pub use limits::{BYTES_DEFAULT, Balance, Lease, Spent, USES_DEFAULT, UsageLimits};
pub use local::Local;
pub use metrics::{Audit, End, Histogram, Metrics, Used};
pub use off::Off;
pub use shared::{STRIPES_MAX, Shared};
pub use stamp::{Generation, Stamp};

use crate::envelope::KeyArn;
use crate::units::Timestamp;

/// The answer to a request for a data key.
#[derive(Debug)]
pub enum Lookup<Key> {
    /// A key, one use of which is counted already.
    Hit {
        /// The key.
        key: Key,
        /// A fetch to start beside, because the key is getting old.
        refresh: Option<Ticket>,
    },
    /// No usable key, and nobody fetches one: start a fetch with this ticket and wait for its flight.
    Lead {
        /// For the fetch.
        ticket: Ticket,
        /// When the request gives up.
        deadline: Timestamp,
    },
    /// A fetch is on its way: wait for it.
    Join {
        /// Where to park.
        flight: FlightId,
        /// When the request gives up.
        deadline: Timestamp,
    },
    /// A fetch failed a moment ago, or the KMS key is disabled.
    Refused(Failure),
    /// KMS throttles: no fetch before `until`.
    Pace {
        /// The first instant at which it makes sense to ask again.
        until: Timestamp,
    },
}

impl<Key> Lookup<Key> {
    /// The answer that a remembered failure gives, and its count.
    fn refused(failure: Failure, metrics: &mut Metrics) -> Self {
        if let Failure::Throttled { earliest } = failure {
            metrics.paced += 1;
            return Self::Pace { until: earliest };
        }
        metrics.negative_hits += 1;
        Self::Refused(failure)
    }
}

/// Where a cache found a key the last time. It looks there first and compares what it finds there in full, so that a hint
/// that is out of date, or of another cache or key, costs a moment and changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint(u32);

/// What a landed fetch means for the requests that wait for its flight.
#[derive(Debug)]
pub enum Landed<Key> {
    /// The key is kept: each waiter resumes and takes a use of its own, as far as the limits go.
    Kept,
    /// The key is for the one waiter of this flight and is kept nowhere.
    Own(Key),
    /// Every waiter fails with this.
    Failed(Failure),
    /// What was brought no longer counts: each waiter resumes, and one of them leads the next flight.
    Dropped,
}

/// A cache of data keys: decides, counts and keeps; never calls KMS, waits, or asks the time.
///
/// One instant may be told to several calls; an earlier `now` than the latest is harmless, as ages below zero count
/// as zero.
pub trait Cache {
    /// What a KMS call brings: live the data key and its wrapped form, in a simulation a handle without bytes.
    type Material;
    /// What a request is handed.
    type Key: Clone;

    /// Asks for a key to use on `bytes` bytes and counts the use when there is one.
    ///
    /// `None` for a length that is not known beforehand. Under a limit of bytes such a use gets a key of its own, one call
    /// each, since it may pass any limit; without one ([`UsageLimits::memo`]) it is a use like the others.
    fn try_use(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp)
    -> Lookup<Self::Key>;

    /// As [`Self::try_use`] where that is a hit without a refresh; otherwise `None`, and nothing is counted or changed. A
    /// cache without a quick way has none. `hint` is kept by the caller, best one for each fingerprint.
    #[inline]
    fn try_hit(&mut self, _: &Fingerprint, _: Option<u64>, _: Timestamp, _: &mut Hint) -> Option<Self::Key> {
        None
    }

    /// As [`Self::try_use`], for a request that waited for a flight: counted as resumed instead of hit.
    fn resume(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<Self::Key>;

    /// `count` requests that waited for a flight which has landed go on waiting for the one that has taken its place, as
    /// [`Self::resume`] would tell each of them: counted at once. Gives when they give up; none where each has to ask itself.
    fn rejoin(&mut self, _count: u64, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    /// Whether `flight`, which the cache told somebody to join, has yet to land.
    fn is_flying(&self, fingerprint: &Fingerprint, flight: FlightId) -> bool;

    /// Notes that the fetch sends a KMS call at `now`. Before every call, retries included: age counts from the last.
    fn send(&mut self, ticket: &mut Ticket, now: Timestamp);

    /// Ends a fetch with what it brought.
    ///
    /// # Panics
    /// When a key lands without a [`Self::send`] before it.
    fn land(
        &mut self,
        ticket: Ticket,
        result: Result<Self::Material, Failure>,
        now: Timestamp,
    ) -> Landed<Self::Key>;

    /// Drops every key that may not be used any more, and forgets old failures. Gives how many keys.
    ///
    /// Such keys are never handed out; sweeping bounds how long they stay in memory: until the next use of their
    /// fingerprint or the next sweep.
    ///
    /// # Cost
    /// Linear in the keys kept.
    fn sweep(&mut self, now: Timestamp) -> usize;

    /// Drops all keys under `key`; fetches on their way will be dropped when they land.
    fn invalidate(&mut self, key: &KeyArn, now: Timestamp);

    /// As [`Self::invalidate`], for all KMS keys.
    fn invalidate_all(&mut self, now: Timestamp);

    /// As [`Self::invalidate`], and refuses every request under `key` until [`Self::enable`].
    fn disable(&mut self, key: &KeyArn, now: Timestamp);

    /// Takes a [`Self::disable`] back. Keys from before stay unusable.
    fn enable(&mut self, key: &KeyArn);

    /// Keys kept.
    fn len(&self) -> usize;

    /// Whether no key is kept.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What happened so far.
    fn metrics(&self) -> Metrics;
}
