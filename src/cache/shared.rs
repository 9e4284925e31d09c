//! `Shared`: the concurrent cache. A striped front serves hits, moka keeps what fits, flights coalesce the rest.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moka::policy::EvictionPolicy;
use parking_lot::{Mutex, MutexGuard};

use super::config::{ConfigError, Rules, Verdict};
use super::fingerprint::{Digest, Fingerprint, Uniform};
use super::flight::{Failure, Fetch, FlightId, Flights, Purpose, Ticket, Turn};
use super::front::{Asking, Entry, Front, Grant, Lent};
use super::generation::Generations;
use super::limits::{Balance, Life};
use super::metrics::{End, Metrics};
use super::{Cache, Landed, Lookup};
use crate::envelope::{KeyArn, Protection, protection};
use crate::units::{Span, Timestamp};

/// Most stripes of the front.
pub const STRIPES_MAX: usize = 256;

/// Shares of the flights; each has a lock of its own, which only misses take.
const FLIGHT_PARTS: usize = 16;

/// The keeper hears of a key about this often in its life, per stripe: recency is known to 1/64 of `max_age`.
const TOUCHES: u64 = 64;

/// A cache for any number of threads; a clone is another handle on the same cache.
///
/// Each thread belongs to a stripe with a table and a lock of its own, where a key has a lease of uses and bytes. A
/// hit takes that lock, counts in the lease and lends the key: no other core writes what it touches. What a stripe
/// does not hold comes from moka, which knows by sampled touches what is hot and drops the least recently used.
///
/// Locks are taken in one order: flights, moka, stripe, entry. Everything that files or ends a key by its
/// fingerprint holds the lock of its flights, so a landing and a miss cannot pass each other.
pub struct Shared<K>(Arc<Inner<K>>);

impl<K> Clone for Shared<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for Shared<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("rules", &self.0.rules).finish_non_exhaustive()
    }
}

struct Inner<K> {
    rules: Rules,
    generations: Arc<Generations>,
    flights: Box<[Mutex<Flights>]>,
    front: Arc<Front<K>>,
    keeper: moka::sync::Cache<Digest, Arc<Entry<K>>, Uniform>,
}

impl<K: Send + Sync + 'static> Shared<K> {
    /// An empty cache whose front has `stripes` stripes: as many as threads use it at once.
    ///
    /// # Errors
    /// [`ConfigError`] for no stripes or more than [`STRIPES_MAX`].
    pub fn new(rules: Rules, generations: Arc<Generations>, stripes: usize) -> Result<Self, ConfigError> {
        if !(1..=STRIPES_MAX).contains(&stripes) {
            let value = stripes.to_string();
            return Err(ConfigError { field: "stripes", value, expected: "1 to 256" });
        }
        let config = rules.config();
        let touch_every = Span::from_nanos(config.limits.max_age.as_nanos() / TOUCHES);
        let lease = config.limits.lease(stripes);
        let front = Arc::new(Front::new(stripes, lease, config.limits.max_uses, touch_every));
        let keeper = {
            let front = Arc::clone(&front);
            moka::sync::Cache::builder()
                .max_capacity(config.capacity as u64)
                .eviction_policy(EvictionPolicy::lru())
                .eviction_listener(move |_, entry, _| front.end(&entry, End::Capacity, None))
                .build_with_hasher(Uniform::default())
        };
        let flights = (0..FLIGHT_PARTS)
            .map(|part| {
                let failures_max = config.failures_max.div_ceil(FLIGHT_PARTS);
                Mutex::new(Flights::new(part as u64, FLIGHT_PARTS as u64, failures_max, config.wait_max))
            })
            .collect();
        Ok(Self(Arc::new(Inner { rules, generations, flights, front, keeper })))
    }

    /// As [`Cache::try_use`].
    ///
    /// # Cost
    /// A hit allocates nothing and takes no lock that another stripe takes, but once per lease that of the entry.
    #[inline]
    pub fn try_use(&self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<Lent<K>> {
        self.0.ask(fingerprint, bytes, now, Asking::First)
    }

    /// As [`Cache::resume`].
    pub fn resume(&self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<Lent<K>> {
        self.0.ask(fingerprint, bytes, now, Asking::Resumed)
    }

    /// As [`Cache::is_flying`].
    pub fn is_flying(&self, fingerprint: &Fingerprint, flight: FlightId) -> bool {
        self.0.flights(fingerprint.digest()).is_flying(fingerprint, flight)
    }

    /// As [`Cache::send`].
    pub fn send(&self, ticket: &mut Ticket, now: Timestamp) {
        ticket.send(now);
        self.0.front.metrics.lock().calls += 1;
    }

    /// As [`Cache::land`].
    ///
    /// # Panics
    /// When a key lands without a [`Self::send`] before it.
    pub fn land(&self, ticket: Ticket, result: Result<K, Failure>, now: Timestamp) -> Landed<Lent<K>> {
        self.0.land(ticket, result, now)
    }

    /// As [`Cache::sweep`].
    pub fn sweep(&self, now: Timestamp) -> usize {
        self.0.flights.iter().for_each(|flights| flights.lock().sweep(now));
        let dropped = self.0.end_where(now, |entry| entry.over(now));
        self.0.generations.prune();
        dropped
    }

    /// As [`Cache::invalidate`].
    pub fn invalidate(&self, key: &KeyArn, now: Timestamp) {
        self.0.generations.invalidate(key);
        self.0.end_invalidated(now);
    }

    /// As [`Cache::invalidate_all`].
    pub fn invalidate_all(&self, now: Timestamp) {
        self.0.generations.invalidate_all();
        self.0.end_invalidated(now);
    }

    /// As [`Cache::disable`].
    pub fn disable(&self, key: &KeyArn, now: Timestamp) {
        self.0.generations.disable(key);
        self.0.end_invalidated(now);
    }

    /// As [`Cache::enable`].
    pub fn enable(&self, key: &KeyArn) {
        self.0.generations.enable(key);
    }

    /// As [`Cache::metrics`].
    pub fn metrics(&self) -> Metrics {
        self.0.front.metrics()
    }
}

impl<K: Send + Sync + 'static> Inner<K> {
    fn flights(&self, digest: Digest) -> MutexGuard<'_, Flights> {
        self.flights[digest.part(FLIGHT_PARTS)].lock()
    }

    #[inline]
    fn ask(
        &self,
        fingerprint: &Fingerprint,
        bytes: Option<u64>,
        now: Timestamp,
        asking: Asking,
    ) -> Lookup<Lent<K>> {
        let counted = self.rules.shareable(bytes);
        if let Some(counted) = counted
            && let Some(grant) = self.front.take(fingerprint.digest(), counted, now, asking)
        {
            return self.hit(fingerprint, bytes, now, grant);
        }
        self.ask_behind(fingerprint, bytes, counted, now, asking)
    }

    /// A hit, once no lock is held: audit, touch, refresh.
    #[inline]
    fn hit(
        &self,
        fingerprint: &Fingerprint,
        bytes: Option<u64>,
        now: Timestamp,
        grant: Grant<K>,
    ) -> Lookup<Lent<K>> {
        self.rules.audit(fingerprint, bytes, now, || grant.key.sent_at());
        if grant.touch {
            self.keeper.get(&fingerprint.digest());
        }
        let refresh = grant.due.and_then(|entry| self.refresh(&entry, fingerprint, now));
        Lookup::Hit { key: grant.key, refresh }
    }

    #[cold]
    fn refresh(&self, entry: &Arc<Entry<K>>, fingerprint: &Fingerprint, now: Timestamp) -> Option<Ticket> {
        if !entry.claim_refresh(now, self.rules.deadline(now)) {
            return None;
        }
        let flight = self.flights(fingerprint.digest()).refresh(fingerprint, now)?;
        self.front.metrics.lock().refreshes += 1;
        Some(Ticket::new(fingerprint, flight, Purpose::Refresh, Arc::clone(&entry.generation)))
    }

    /// What the front does not answer.
    #[cold]
    fn ask_behind(
        &self,
        fingerprint: &Fingerprint,
        bytes: Option<u64>,
        counted: Option<u64>,
        now: Timestamp,
        asking: Asking,
    ) -> Lookup<Lent<K>> {
        let digest = fingerprint.digest();
        let mut flights = self.flights(digest);
        if let Some(counted) = counted
            && let Some(entry) = self.keeper.get(&digest)
        {
            match self.front.fill(&entry, counted, now, asking) {
                Ok(grant) => {
                    drop(flights);
                    return self.hit(fingerprint, bytes, now, grant);
                }
                Err(end) => self.end(&entry, end, now),
            }
        }
        let generation = self.generations.of(fingerprint.key());
        if generation.stamp().is_disabled() {
            return Lookup::refused(Failure::Disabled, &mut self.front.metrics.lock());
        }
        let deadline = self.rules.deadline(now);
        if counted.is_none() {
            self.front.metrics.lock().misses += 1;
            return Lookup::Lead {
                ticket: Ticket::own(fingerprint, flights.own(), generation, bytes),
                deadline,
            };
        }
        let turn = flights.turn(fingerprint, now);
        let mut metrics = self.front.metrics.lock();
        match turn {
            Turn::Lead(flight) => {
                metrics.misses += 1;
                Lookup::Lead { ticket: Ticket::new(fingerprint, flight, Purpose::Fill, generation), deadline }
            }
            Turn::Join(flight) => {
                metrics.joins += 1;
                Lookup::Join { flight, deadline }
            }
            Turn::Failed(failure) => Lookup::refused(failure, &mut metrics),
        }
    }

    fn land(&self, ticket: Ticket, result: Result<K, Failure>, now: Timestamp) -> Landed<Lent<K>> {
        let fetch = ticket.into_fetch();
        if fetch.purpose == Purpose::Own {
            let metrics = &mut Metrics::default();
            let sent_at = fetch.sent_at.unwrap_or(now);
            let result = result.map(|key| Lent::own(&fetch, key, sent_at));
            let landed = self.rules.land_own(&fetch, result, now, metrics);
            self.front.metrics.lock().add(metrics);
            return landed;
        }
        self.front.note(now);
        let mut flights = self.flights(fetch.fingerprint.digest());
        let verdict = if flights.land(&fetch.fingerprint, fetch.flight) {
            self.rules.judge(&fetch, result, now)
        } else {
            Verdict::Drop
        };
        match verdict {
            Verdict::Drop => {
                self.front.metrics.lock().dropped += 1;
                Landed::Dropped
            }
            Verdict::Fail(failure) => {
                self.front.metrics.lock().failures += 1;
                self.fail(&mut flights, &fetch, failure, now);
                Landed::Failed(failure)
            }
            Verdict::Keep(key, life) => {
                self.keep(&fetch, key, life, now);
                drop(flights);
                // moka drops what is over capacity, and calls the listener for it, only when asked to.
                self.keeper.run_pending_tasks();
                warn_once(protection());
                Landed::Kept
            }
        }
    }

    /// Files a key. Under the lock of its flights.
    fn keep(&self, fetch: &Fetch, key: K, life: Life, now: Timestamp) {
        let digest = fetch.fingerprint.digest();
        if let Some(old) = self.keeper.get(&digest) {
            self.front.end(&old, End::Replaced, Some(now));
        }
        let balance = Balance::full(self.rules.config().limits);
        let entry = Arc::new(Entry::new(fetch, key, life, balance));
        self.keeper.insert(digest, Arc::clone(&entry));
        // An `invalidate` between the verdict and here has looked for entries before this one was there.
        if let Some(end @ End::Invalidated) = entry.over(now) {
            self.end(&entry, end, now);
        }
    }

    /// After a failure: the old key ends when the failure is definitive; while it lives, it answers instead.
    fn fail(&self, flights: &mut Flights, fetch: &Fetch, failure: Failure, now: Timestamp) {
        let until = self.rules.config().failure_life.until(failure, now);
        if let Some(entry) = self.keeper.get(&fetch.fingerprint.digest()) {
            if !failure.is_definitive() {
                entry.refresh_at(until);
                return;
            }
            self.end(&entry, End::Refused, now);
        }
        flights.fail(fetch, failure, until, now);
    }

    /// Drops a key that the keeper holds under its digest. Under the lock of its flights.
    fn end(&self, entry: &Arc<Entry<K>>, end: End, now: Timestamp) {
        self.front.end(entry, end, Some(now));
        self.keeper.invalidate(&entry.digest);
    }

    fn end_where(&self, now: Timestamp, over: impl Fn(&Entry<K>) -> Option<End>) -> usize {
        let ended: Vec<(Arc<Entry<K>>, End)> =
            self.keeper.iter().filter_map(|(_, entry)| over(&entry).map(|end| (entry, end))).collect();
        for (entry, end) in &ended {
            self.front.end(entry, *end, Some(now));
            let _flights = self.flights(entry.digest);
            if self.keeper.get(&entry.digest).is_some_and(|kept| Arc::ptr_eq(&kept, entry)) {
                self.keeper.invalidate(&entry.digest);
            }
        }
        self.keeper.run_pending_tasks();
        ended.len()
    }

    fn end_invalidated(&self, now: Timestamp) {
        self.end_where(now, |entry| (entry.generation.stamp() != entry.stamp).then_some(End::Invalidated));
    }
}

/// Says once per process that key memory is less protected than asked for.
fn warn_once(protection: Protection) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if protection != Protection::Full && !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(?protection, "key memory is not fully protected: raise the limit on locked memory");
    }
}

impl<K: Send + Sync + 'static> Cache for Shared<K> {
    type Material = K;
    type Key = Lent<K>;

    fn try_use(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<Lent<K>> {
        Self::try_use(self, fingerprint, bytes, now)
    }

    fn resume(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<Lent<K>> {
        Self::resume(self, fingerprint, bytes, now)
    }

    fn is_flying(&self, fingerprint: &Fingerprint, flight: FlightId) -> bool {
        Self::is_flying(self, fingerprint, flight)
    }

    fn send(&mut self, ticket: &mut Ticket, now: Timestamp) {
        Self::send(self, ticket, now);
    }

    fn land(&mut self, ticket: Ticket, result: Result<K, Failure>, now: Timestamp) -> Landed<Lent<K>> {
        Self::land(self, ticket, result, now)
    }

    fn sweep(&mut self, now: Timestamp) -> usize {
        Self::sweep(self, now)
    }

    fn invalidate(&mut self, key: &KeyArn, now: Timestamp) {
        Self::invalidate(self, key, now);
    }

    fn invalidate_all(&mut self, now: Timestamp) {
        Self::invalidate_all(self, now);
    }

    fn disable(&mut self, key: &KeyArn, now: Timestamp) {
        Self::disable(self, key, now);
    }

    fn enable(&mut self, key: &KeyArn) {
        Self::enable(self, key);
    }

    fn len(&self) -> usize {
        self.0.keeper.run_pending_tasks();
        usize::try_from(self.0.keeper.entry_count()).unwrap_or(usize::MAX)
    }

    fn metrics(&self) -> Metrics {
        Self::metrics(self)
    }
}
