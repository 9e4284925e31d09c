//! `Local`: the single-threaded, deterministic cache of the simulator; the least recently used key makes room.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashTable;

use super::config::{Rules, Verdict};
use super::fingerprint::{Digest, Fingerprint};
use super::flight::{Failure, Fetch, FlightId, Flights, Purpose, Ticket, Turn};
use super::generation::Generations;
use super::limits::{Balance, Life, Spent};
use super::metrics::{End, Metrics};
use super::stamp::{Generation, Stamp};
use super::{Cache, Hint, Landed, Lookup};
use crate::envelope::KeyArn;
use crate::units::Timestamp;

#[derive(Debug)]
struct Entry<K> {
    digest: Digest,
    key: K,
    life: Life,
    balance: Balance,
    stamp: Stamp,
    generation: Arc<Generation>,
    /// Its last use.
    used: Tick,
    /// The use under which it stands in the order: its last or an earlier one.
    listed: Tick,
}

/// A number for each use, counting up.
type Tick = u64;

impl<K> Entry<K> {
    /// Why it may not be used at all, however little is asked of it.
    fn over(&self, now: Timestamp) -> Option<End> {
        if self.generation.stamp() != self.stamp {
            Some(End::Invalidated)
        } else if self.life.is_over(now) {
            Some(End::Age)
        } else {
            None
        }
    }

    fn take(&mut self, bytes: u64, now: Timestamp) -> Result<(), End> {
        if let Some(end) = self.over(now) {
            return Err(end);
        }
        self.balance.take(bytes).map_err(End::from)
    }
}

impl From<Spent> for End {
    fn from(spent: Spent) -> Self {
        match spent {
            Spent::Uses => Self::Uses,
            Spent::Bytes => Self::Bytes,
        }
    }
}

/// A cache for one thread. The same calls give the same answers: no random state, no clock.
///
/// A hit hands out a clone of the material: a handle in a simulation, an `Arc` elsewhere.
///
/// # Cost
/// A hit is one look into a table, and none where a [`Hint`] holds. It only notes that the key was used; the order of use is
/// brought up to date when a key has to make room, at O(log n) for each key that was used since it was last put in order.
#[derive(Debug)]
pub struct Local<K> {
    rules: Rules,
    generations: Arc<Generations>,
    flights: Flights,
    /// Where a digest stands in `entries`.
    places: HashTable<u32>,
    entries: Vec<Option<Entry<K>>>,
    free: Vec<u32>,
    /// Where keys stand, by the use under which each is listed. When the first is listed under its last use, it has been
    /// unused for longest: no other was used before the use under which it is listed.
    order: BTreeMap<Tick, u32>,
    now: Tick,
    metrics: Metrics,
}

impl<K> Local<K> {
    /// An empty cache.
    pub fn new(rules: Rules, generations: Arc<Generations>) -> Self {
        let config = rules.config();
        let flights = Flights::new(0, 1, config.failures_max, config.wait_max);
        Self {
            rules,
            generations,
            flights,
            places: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            order: BTreeMap::new(),
            now: 0,
            metrics: Metrics::default(),
        }
    }

    #[inline]
    fn entry(&self, place: u32) -> &Entry<K> {
        self.entries[place as usize].as_ref().expect("a listed place is taken")
    }

    #[inline]
    fn entry_mut(&mut self, place: u32) -> &mut Entry<K> {
        self.entries[place as usize].as_mut().expect("a listed place is taken")
    }

    #[inline]
    fn place(&self, digest: Digest) -> Option<u32> {
        self.places.find(digest.place(), |&place| self.entry(place).digest == digest).copied()
    }

    /// As [`Self::place`], where it is seldom needed.
    #[inline(never)]
    fn place_afar(&self, digest: Digest) -> Option<u32> {
        self.place(digest)
    }

    #[inline]
    fn tick(&mut self) -> Tick {
        self.now += 1;
        self.now
    }

    /// The place of the key that has been unused for longest.
    fn oldest(&mut self) -> Option<u32> {
        loop {
            let (&listed, &place) = self.order.first_key_value()?;
            let entry = self.entry_mut(place);
            if entry.used == listed {
                return Some(place);
            }
            entry.listed = entry.used;
            let used = entry.used;
            self.order.remove(&listed);
            self.order.insert(used, place);
        }
    }

    /// Drops the entry, and with it the key, at once.
    fn retire(&mut self, place: u32, end: End, now: Timestamp) {
        let entry = self.entries[place as usize].take().expect("a listed place is taken");
        self.order.remove(&entry.listed);
        if let Ok(found) = self.places.find_entry(entry.digest.place(), |&p| p == place) {
            found.remove();
        }
        self.free.push(place);
        let uses = self.rules.config().limits.max_uses - entry.balance.uses();
        self.metrics.end(end, uses, now.since(entry.life.sent_at));
    }

    fn keep(&mut self, fetch: &Fetch, key: K, life: Life, now: Timestamp) {
        let digest = fetch.fingerprint.digest();
        if let Some(place) = self.place(digest) {
            self.retire(place, End::Replaced, now);
        }
        if self.places.len() >= self.rules.config().capacity
            && let Some(oldest) = self.oldest()
        {
            self.retire(oldest, End::Capacity, now);
        }
        let used = self.tick();
        let entry = Entry {
            digest,
            key,
            life,
            balance: Balance::full(self.rules.config().limits),
            stamp: fetch.stamp,
            generation: Arc::clone(&fetch.generation),
            used,
            listed: used,
        };
        let place = if let Some(place) = self.free.pop() {
            self.entries[place as usize] = Some(entry);
            place
        } else {
            self.entries.push(Some(entry));
            u32::try_from(self.entries.len() - 1).expect("fewer than 2³² keys")
        };
        let Self { places, entries, .. } = self;
        places.insert_unique(digest.place(), place, |&p| {
            entries[p as usize].as_ref().map_or(0, |entry| entry.digest.place())
        });
        self.order.insert(used, place);
    }

    /// After a failure: the old key ends when the failure is definitive; while it lives, it answers instead.
    fn fail(&mut self, fetch: &Fetch, failure: Failure, now: Timestamp) {
        let until = self.rules.config().failure_life.until(failure, now);
        if let Some(place) = self.place(fetch.fingerprint.digest()) {
            if !failure.is_definitive() {
                self.entry_mut(place).life.refresh_at = until;
                return;
            }
            self.retire(place, End::Refused, now);
        }
        self.flights.fail(fetch, failure, until, now);
    }

    fn retire_where(&mut self, now: Timestamp, over: impl Fn(&Entry<K>) -> Option<End>) -> usize {
        let ended: Vec<(u32, End)> = (0..)
            .zip(&self.entries)
            .filter_map(|(place, entry)| Some((place, over(entry.as_ref()?)?)))
            .collect();
        for &(place, end) in &ended {
            self.retire(place, end, now);
        }
        ended.len()
    }

    fn retire_invalidated(&mut self, now: Timestamp) {
        self.retire_where(now, |entry| (entry.generation.stamp() != entry.stamp).then_some(End::Invalidated));
    }
}

impl<K: Clone> Local<K> {
    fn ask(
        &mut self,
        fingerprint: &Fingerprint,
        bytes: Option<u64>,
        now: Timestamp,
        count: impl Fn(&mut Metrics) -> &mut u64,
    ) -> Lookup<K> {
        let Some(counted) = self.rules.shareable(bytes) else {
            return self.lead_own(fingerprint, bytes, now);
        };
        if let Some(place) = self.place(fingerprint.digest()) {
            match self.entry_mut(place).take(counted, now) {
                Ok(()) => {
                    *count(&mut self.metrics) += 1;
                    let refresh = self.refresh(place, fingerprint, now);
                    return Lookup::Hit { key: self.hand_out(place, fingerprint, bytes, now), refresh };
                }
                Err(end) => self.retire(place, end, now),
            }
        }
        let generation = self.generations.of(fingerprint.key());
        if generation.stamp().is_disabled() {
            return Lookup::refused(Failure::Disabled, &mut self.metrics);
        }
        let deadline = self.rules.deadline(now);
        match self.flights.turn(fingerprint, now) {
            Turn::Lead(flight) => {
                self.metrics.misses += 1;
                Lookup::Lead { ticket: Ticket::new(fingerprint, flight, Purpose::Fill, generation), deadline }
            }
            Turn::Join(flight) => {
                self.metrics.joins += 1;
                Lookup::Join { flight, deadline }
            }
            Turn::Failed(failure) => Lookup::refused(failure, &mut self.metrics),
        }
    }

    /// A key, one use of which has been taken.
    #[inline]
    fn hand_out(&mut self, place: u32, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> K {
        let used = self.tick();
        self.entry_mut(place).used = used;
        let entry = self.entry(place);
        self.rules.audit(fingerprint, bytes, now, || entry.life.sent_at);
        entry.key.clone()
    }

    fn lead_own(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<K> {
        let generation = self.generations.of(fingerprint.key());
        if generation.stamp().is_disabled() {
            return Lookup::refused(Failure::Disabled, &mut self.metrics);
        }
        self.metrics.misses += 1;
        let ticket = Ticket::own(fingerprint, self.flights.own(), generation, bytes);
        Lookup::Lead { ticket, deadline: self.rules.deadline(now) }
    }

    fn refresh(&mut self, place: u32, fingerprint: &Fingerprint, now: Timestamp) -> Option<Ticket> {
        if now < self.entry(place).life.refresh_at {
            return None;
        }
        let flight = self.flights.refresh(fingerprint, now)?;
        let generation = Arc::clone(&self.entry(place).generation);
        self.metrics.refreshes += 1;
        Some(Ticket::new(fingerprint, flight, Purpose::Refresh, generation))
    }
}

impl<K: Clone> Cache for Local<K> {
    type Material = K;
    type Key = K;

    fn try_use(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<K> {
        self.ask(fingerprint, bytes, now, |metrics| &mut metrics.hits)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of one way, taken for nearly every simulated request")]
    fn try_hit(
        &mut self,
        fingerprint: &Fingerprint,
        bytes: Option<u64>,
        now: Timestamp,
        hint: &mut Hint,
    ) -> Option<K> {
        let counted = self.rules.shareable(bytes)?;
        let digest = fingerprint.digest();
        let near = matches!(self.entries.get(hint.0 as usize), Some(Some(entry)) if entry.digest == digest);
        if !near {
            *hint = Hint(self.place_afar(digest)?);
        }
        let entry = self.entries[hint.0 as usize].as_mut()?;
        if now >= entry.life.refresh_at {
            return None;
        }
        entry.take(counted, now).ok()?;
        self.now += 1;
        entry.used = self.now;
        let (key, sent_at) = (entry.key.clone(), entry.life.sent_at);
        self.metrics.hits += 1;
        self.rules.audit(fingerprint, bytes, now, || sent_at);
        Some(key)
    }

    fn resume(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<K> {
        self.ask(fingerprint, bytes, now, |metrics| &mut metrics.resumed)
    }

    fn rejoin(&mut self, count: u64, now: Timestamp) -> Option<Timestamp> {
        self.metrics.joins += count;
        Some(self.rules.deadline(now))
    }

    fn is_flying(&self, fingerprint: &Fingerprint, flight: FlightId) -> bool {
        self.flights.is_flying(fingerprint, flight)
    }

    fn send(&mut self, ticket: &mut Ticket, now: Timestamp) {
        ticket.send(now);
        self.metrics.calls += 1;
    }

    fn land(&mut self, ticket: Ticket, result: Result<K, Failure>, now: Timestamp) -> Landed<K> {
        let fetch = ticket.into_fetch();
        if fetch.purpose == Purpose::Own {
            return self.rules.land_own(&fetch, result, now, &mut self.metrics);
        }
        if !self.flights.land(&fetch.fingerprint, fetch.flight) {
            self.metrics.dropped += 1;
            return Landed::Dropped;
        }
        match self.rules.judge(&fetch, result, now) {
            Verdict::Drop => {
                self.metrics.dropped += 1;
                Landed::Dropped
            }
            Verdict::Fail(failure) => {
                self.metrics.failures += 1;
                self.fail(&fetch, failure, now);
                Landed::Failed(failure)
            }
            Verdict::Keep(key, life) => {
                self.keep(&fetch, key, life, now);
                Landed::Kept
            }
        }
    }

    fn sweep(&mut self, now: Timestamp) -> usize {
        self.flights.sweep(now);
        let dropped = self.retire_where(now, |entry| entry.over(now));
        self.generations.prune();
        dropped
    }

    fn invalidate(&mut self, key: &KeyArn, now: Timestamp) {
        self.generations.invalidate(key);
        self.retire_invalidated(now);
    }

    fn invalidate_all(&mut self, now: Timestamp) {
        self.generations.invalidate_all();
        self.retire_invalidated(now);
    }

    fn disable(&mut self, key: &KeyArn, now: Timestamp) {
        self.generations.disable(key);
        self.retire_invalidated(now);
    }

    fn enable(&mut self, key: &KeyArn) {
        self.generations.enable(key);
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }
}
