//! Flights: who waits for whom. One fetch leads, requests join, failures are remembered for a short while.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fingerprint::{Digest, Fingerprint};
use super::stamp::{Generation, Stamp};
use crate::units::{Span, Timestamp};

/// Names a flight within one cache: where the driver parks the requests that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightId(u64);

/// Why a fetch brought no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The principal may not use the KMS key (`AccessDeniedException`).
    #[error("access to the KMS key is denied")]
    Denied,
    /// The KMS key is disabled or pending deletion.
    #[error("the KMS key is disabled")]
    Disabled,
    /// The wrapped key does not open under this KMS key and context (`InvalidCiphertextException`).
    #[error("the wrapped key does not belong to this KMS key and encryption context")]
    Invalid,
    /// There is no such KMS key.
    #[error("the KMS key does not exist")]
    NotFound,
    /// KMS throttled the call beyond what the back-off was willing to wait.
    #[error("KMS throttled the call; the next is due at {earliest}")]
    Throttled {
        /// No call before this instant.
        earliest: Timestamp,
    },
    /// Time-out, connection, internal error, or a key that was over age when it arrived: may pass by itself.
    #[error("KMS gave no usable answer")]
    Transient,
}

impl Failure {
    /// Whether asking again in a moment would get the same answer; such an answer to a refresh ends the old key.
    pub const fn is_definitive(self) -> bool {
        match self {
            Self::Denied | Self::Disabled | Self::Invalid | Self::NotFound => true,
            Self::Throttled { .. } | Self::Transient => false,
        }
    }
}

/// How long a failure answers for KMS before the next request asks again.
///
/// The defaults, 5 s, 30 s and 1 s, are assumptions: after a key was enabled again at KMS, a refusal that is remembered still
/// holds for up to 30 s, unless `enable` or `invalidate` clears it. What peers do is in docs/SOURCES.md (Ceph RGW: negative 120 s, transient 10 s;
/// Kroxylicious: not found 30 s). A denial is short because a grant or policy takes effect within seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureLife {
    /// For [`Failure::Denied`]; 5 s.
    pub denied: Span,
    /// For [`Failure::Disabled`], [`Failure::Invalid`] and [`Failure::NotFound`]; 30 s.
    pub absent: Span,
    /// For [`Failure::Transient`]; 1 s.
    pub transient: Span,
}

impl Default for FailureLife {
    fn default() -> Self {
        Self {
            denied: Span::from_seconds(5),
            absent: Span::from_seconds(30),
            transient: Span::from_seconds(1),
        }
    }
}

impl FailureLife {
    /// The first instant at which a fetch may be tried again after `failure` at `now`.
    pub(super) fn until(self, failure: Failure, now: Timestamp) -> Timestamp {
        match failure {
            Failure::Denied => now + self.denied,
            Failure::Disabled | Failure::Invalid | Failure::NotFound => now + self.absent,
            Failure::Transient => now + self.transient,
            Failure::Throttled { earliest } => earliest,
        }
    }
}

/// What a fetch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One request's own key: never kept, never shared.
    Own,
    /// No usable key is there.
    Fill,
    /// A usable key is there and getting old.
    Refresh,
}

/// The right, and the duty, to make one fetch and land it.
///
/// The fetch holds it, not a request: a cancelled request strands nobody. Whatever happens, it goes back through
/// `land`; a fetch that is given up lands [`Failure::Transient`].
#[derive(Debug)]
#[must_use = "requests wait for this fetch until it lands"]
pub struct Ticket(Box<Fetch>);

#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) fingerprint: Fingerprint,
    pub(super) flight: FlightId,
    pub(super) purpose: Purpose,
    pub(super) generation: Arc<Generation>,
    /// The generation when the latest call was sent, or when the flight began.
    pub(super) stamp: Stamp,
    pub(super) sent_at: Option<Timestamp>,
    /// Plaintext bytes that the one request of an own key will use it for.
    pub(super) bytes: Option<u64>,
}

impl Ticket {
    pub(super) fn new(
        fingerprint: &Fingerprint,
        flight: FlightId,
        purpose: Purpose,
        generation: Arc<Generation>,
    ) -> Self {
        let stamp = generation.stamp();
        let fingerprint = fingerprint.clone();
        let bytes = None;
        Self(Box::new(Fetch { fingerprint, flight, purpose, generation, stamp, sent_at: None, bytes }))
    }

    /// A fetch for one request of `bytes`.
    pub(super) fn own(
        fingerprint: &Fingerprint,
        flight: FlightId,
        generation: Arc<Generation>,
        bytes: Option<u64>,
    ) -> Self {
        let mut ticket = Self::new(fingerprint, flight, Purpose::Own, generation);
        ticket.0.bytes = bytes;
        ticket
    }

    /// The flight that this fetch leads.
    pub fn flight(&self) -> FlightId {
        self.0.flight
    }

    /// What to fetch.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0.fingerprint
    }

    /// Whether the key will belong to one request alone.
    pub fn is_own(&self) -> bool {
        self.0.purpose == Purpose::Own
    }

    /// Whether this refreshes a key that is still in use.
    pub fn is_refresh(&self) -> bool {
        self.0.purpose == Purpose::Refresh
    }

    /// Notes that the KMS call leaves at `now`: age counts from here, under the generation of this instant.
    pub(super) fn send(&mut self, now: Timestamp) {
        self.0.sent_at = Some(now);
        self.0.stamp = self.0.generation.stamp();
    }

    pub(super) fn into_fetch(self) -> Fetch {
        *self.0
    }
}

/// What a request that found no usable key should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Start a fetch; it leads this flight.
    Lead(FlightId),
    /// A fetch is on its way: wait for this flight.
    Join(FlightId),
    /// A fetch failed a moment ago.
    Failed(Failure),
}

#[derive(Debug)]
enum Slot {
    Flying { flight: FlightId, since: Timestamp },
    Failed { failure: Failure, until: Timestamp, stamp: Stamp, generation: Arc<Generation> },
}

/// The flights and the remembered failures of a cache, or of one share of it. At most one flight per fingerprint.
#[derive(Debug)]
pub struct Flights {
    slots: BTreeMap<Digest, Slot>,
    next: u64,
    step: u64,
    failures: usize,
    failures_max: usize,
    wait_max: Span,
}

impl Flights {
    /// No flights. Ids are `first`, `first + step`, …, so that several shares of one cache never give one out twice.
    pub fn new(first: u64, step: u64, failures_max: usize, wait_max: Span) -> Self {
        Self { slots: BTreeMap::new(), next: first, step, failures: 0, failures_max, wait_max }
    }

    /// An id that no other flight has: for a fetch that nobody may join.
    pub fn own(&mut self) -> FlightId {
        let id = FlightId(self.next);
        self.next += self.step;
        id
    }

    /// Whose turn it is to fetch `fingerprint`.
    ///
    /// A flight older than `wait_max` is overtaken: everyone who waited for it has given up, so the next request
    /// leads anew, and what the late fetch brings is dropped. A failure counts until its life is over or its KMS
    /// key has a new generation.
    pub fn turn(&mut self, fingerprint: &Fingerprint, now: Timestamp) -> Turn {
        match self.slots.get(&fingerprint.digest()) {
            Some(Slot::Flying { flight, since }) if now.since(*since) <= self.wait_max => Turn::Join(*flight),
            Some(Slot::Failed { failure, until, stamp, generation })
                if now < *until && generation.stamp() == *stamp =>
            {
                Turn::Failed(*failure)
            }
            _ => Turn::Lead(self.lead(fingerprint, now)),
        }
    }

    /// Begins a refresh, unless a fetch is on its way already.
    pub fn refresh(&mut self, fingerprint: &Fingerprint, now: Timestamp) -> Option<FlightId> {
        match self.turn(fingerprint, now) {
            Turn::Lead(flight) => Some(flight),
            Turn::Join(_) | Turn::Failed(_) => None,
        }
    }

    /// Whether requests still wait for `flight`.
    pub fn is_flying(&self, fingerprint: &Fingerprint, flight: FlightId) -> bool {
        matches!(self.slots.get(&fingerprint.digest()), Some(Slot::Flying { flight: f, .. }) if *f == flight)
    }

    /// Ends `flight`. Whether it was still in charge of its fingerprint; if not, what it brings is dropped.
    pub fn land(&mut self, fingerprint: &Fingerprint, flight: FlightId) -> bool {
        let in_charge = self.is_flying(fingerprint, flight);
        if in_charge {
            self.slots.remove(&fingerprint.digest());
        }
        in_charge
    }

    /// Remembers `failure` until `until`, as long as the generation of the KMS key does not move from `stamp`.
    pub(super) fn fail(&mut self, fetch: &Fetch, failure: Failure, until: Timestamp, now: Timestamp) {
        if until <= now {
            return;
        }
        if self.failures >= self.failures_max {
            self.sweep(now);
        }
        if self.failures >= self.failures_max {
            self.forget_first_to_end();
        }
        let (stamp, generation) = (fetch.stamp, Arc::clone(&fetch.generation));
        let slot = Slot::Failed { failure, until, stamp, generation };
        let before = self.slots.insert(fetch.fingerprint.digest(), slot);
        debug_assert!(before.is_none(), "a failure lands where its flight was");
        self.failures += 1;
    }

    /// Forgets the failures whose life is over. Flights stay: they land.
    pub fn sweep(&mut self, now: Timestamp) {
        self.slots.retain(|_, slot| match slot {
            Slot::Flying { .. } => true,
            Slot::Failed { until, stamp, generation, .. } => now < *until && generation.stamp() == *stamp,
        });
        self.failures = self.slots.values().filter(|slot| matches!(slot, Slot::Failed { .. })).count();
    }

    fn lead(&mut self, fingerprint: &Fingerprint, now: Timestamp) -> FlightId {
        let flight = self.own();
        let slot = Slot::Flying { flight, since: now };
        if let Some(Slot::Failed { .. }) = self.slots.insert(fingerprint.digest(), slot) {
            self.failures -= 1;
        }
        flight
    }

    fn forget_first_to_end(&mut self) {
        let first = self.slots.iter().filter_map(|(digest, slot)| match slot {
            Slot::Failed { until, .. } => Some((*until, *digest)),
            Slot::Flying { .. } => None,
        });
        if let Some((_, digest)) = first.min() {
            self.slots.remove(&digest);
            self.failures -= 1;
        }
    }
}
