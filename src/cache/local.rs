//! `Local`: the single-threaded, deterministic cache of the simulator; the least recently used key makes room.

use std::sync::Arc;

use hashbrown::HashTable;

use super::config::{Rules, Verdict};
use super::fingerprint::{Digest, Fingerprint};
use super::flight::{Failure, Fetch, FlightId, Flights, Purpose, Ticket, Turn};
use super::generation::Generations;
use super::limits::{Balance, Life, Spent};
use super::metrics::{End, Metrics};
use super::stamp::{Generation, Stamp};
use super::{Cache, Landed, Lookup};
use crate::envelope::KeyArn;
use crate::units::Timestamp;

/// End of a list.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Entry<K> {
    digest: Digest,
    key: K,
    life: Life,
    balance: Balance,
    stamp: Stamp,
    generation: Arc<Generation>,
    newer: u32,
    older: u32,
}

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
#[derive(Debug)]
pub struct Local<K> {
    rules: Rules,
    generations: Arc<Generations>,
    flights: Flights,
    /// Where a digest stands in `entries`.
    places: HashTable<u32>,
    entries: Vec<Option<Entry<K>>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
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
            newest: NONE,
            oldest: NONE,
            metrics: Metrics::default(),
        }
    }

    fn entry(&self, place: u32) -> &Entry<K> {
        self.entries[place as usize].as_ref().expect("a listed place is taken")
    }

    fn entry_mut(&mut self, place: u32) -> &mut Entry<K> {
        self.entries[place as usize].as_mut().expect("a listed place is taken")
    }

    fn place(&self, digest: Digest) -> Option<u32> {
        self.places.find(digest.place(), |&place| self.entry(place).digest == digest).copied()
    }

    /// Takes an entry out of the order of use.
    fn unlink(&mut self, place: u32) {
        let Entry { newer, older, .. } = *self.entry(place);
        match newer {
            NONE => self.newest = older,
            newer => self.entry_mut(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.entry_mut(older).newer = newer,
        }
    }

    /// Puts an entry first in the order of use.
    fn link(&mut self, place: u32) {
        let older = std::mem::replace(&mut self.newest, place);
        let entry = self.entry_mut(place);
        (entry.newer, entry.older) = (NONE, older);
        match older {
            NONE => self.oldest = place,
            older => self.entry_mut(older).newer = place,
        }
    }

    /// Drops the entry, and with it the key, at once.
    fn retire(&mut self, place: u32, end: End, now: Timestamp) {
        self.unlink(place);
        let entry = self.entries[place as usize].take().expect("a listed place is taken");
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
        if self.places.len() >= self.rules.config().capacity {
            self.retire(self.oldest, End::Capacity, now);
        }
        let entry = Entry {
            digest,
            key,
            life,
            balance: Balance::full(self.rules.config().limits),
            stamp: fetch.stamp,
            generation: Arc::clone(&fetch.generation),
            newer: NONE,
            older: NONE,
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
        self.link(place);
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
                    if self.newest != place {
                        self.unlink(place);
                        self.link(place);
                    }
                    let refresh = self.refresh(place, fingerprint, now);
                    let entry = self.entry(place);
                    self.rules.audit(fingerprint, bytes, now, || entry.life.sent_at);
                    return Lookup::Hit { key: entry.key.clone(), refresh };
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

    fn resume(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<K> {
        self.ask(fingerprint, bytes, now, |metrics| &mut metrics.resumed)
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
