//! `Off`: a cache that keeps nothing and coalesces nothing, as S3 without a Bucket Key.

use std::marker::PhantomData;
use std::sync::Arc;

use super::config::Rules;
use super::fingerprint::Fingerprint;
use super::flight::{Failure, FlightId, Flights, Ticket};
use super::generation::Generations;
use super::metrics::Metrics;
use super::{Cache, Landed, Lookup};
use crate::envelope::KeyArn;
use crate::units::Timestamp;

/// No cache: every request leads a fetch of its own and gets the key that it brings. Failures are not remembered.
///
/// Generations hold here too: a disabled KMS key is refused, and what was on its way when the generation changed is
/// dropped.
#[derive(Debug)]
pub struct Off<K> {
    rules: Rules,
    generations: Arc<Generations>,
    flights: Flights,
    metrics: Metrics,
    keeps: PhantomData<fn() -> K>,
}

impl<K> Off<K> {
    /// A cache of nothing; of `rules` only the wait and the audit matter.
    pub fn new(rules: Rules, generations: Arc<Generations>) -> Self {
        let flights = Flights::new(0, 1, 1, rules.config().wait_max);
        Self { rules, generations, flights, metrics: Metrics::default(), keeps: PhantomData }
    }
}

impl<K: Clone> Cache for Off<K> {
    type Material = K;
    type Key = K;

    fn try_use(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<K> {
        let generation = self.generations.of(fingerprint.key());
        if generation.stamp().is_disabled() {
            return Lookup::refused(Failure::Disabled, &mut self.metrics);
        }
        self.metrics.misses += 1;
        let ticket = Ticket::own(fingerprint, self.flights.own(), generation, bytes);
        Lookup::Lead { ticket, deadline: self.rules.deadline(now) }
    }

    fn resume(&mut self, fingerprint: &Fingerprint, bytes: Option<u64>, now: Timestamp) -> Lookup<K> {
        self.try_use(fingerprint, bytes, now)
    }

    fn is_flying(&self, _: &Fingerprint, _: FlightId) -> bool {
        // Nobody joins, so nobody can have missed a landing: the one who leads parks before its fetch starts.
        true
    }

    fn send(&mut self, ticket: &mut Ticket, now: Timestamp) {
        ticket.send(now);
        self.metrics.calls += 1;
    }

    fn land(&mut self, ticket: Ticket, result: Result<K, Failure>, now: Timestamp) -> Landed<K> {
        let fetch = ticket.into_fetch();
        self.rules.land_own(&fetch, result, now, &mut self.metrics)
    }

    fn sweep(&mut self, _: Timestamp) -> usize {
        self.generations.prune();
        0
    }

    fn invalidate(&mut self, key: &KeyArn, _: Timestamp) {
        self.generations.invalidate(key);
    }

    fn invalidate_all(&mut self, _: Timestamp) {
        self.generations.invalidate_all();
    }

    fn disable(&mut self, key: &KeyArn, _: Timestamp) {
        self.generations.disable(key);
    }

    fn enable(&mut self, key: &KeyArn) {
        self.generations.enable(key);
    }

    fn len(&self) -> usize {
        0
    }

    fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }
}
