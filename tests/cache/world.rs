//! A world for the cache's tests: requests, a KMS with a service time, and an event loop that drives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::Rng;
use s3seal::cache::{
    Cache, CacheConfig, Failure, Fingerprint, FlightId, Generations, Landed, Lent, Local, Lookup, Off,
    Partition, PrincipalScope, Requester, Rules, Shared, Ticket, UsageLimits,
};
use s3seal::envelope::{EncryptionContext, KeyArn};
use s3seal::request::Principal;
use s3seal::units::{Span, Stream, Timestamp};

pub(crate) fn key(index: usize) -> KeyArn {
    format!("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-{index:012}").parse().unwrap()
}

pub(crate) fn requester(role: &str) -> Requester {
    let principal = Principal::new("111122223333", role, "");
    Requester::new(&Partition::new("p").unwrap(), PrincipalScope::Role, &principal)
}

/// A fingerprint of its own for each index, all under KMS key 0.
pub(crate) fn fingerprint(index: usize) -> Fingerprint {
    let context = EncryptionContext::of_bucket(&format!("bucket-{index}")).unwrap();
    Fingerprint::encrypt(&requester("role"), &key(0), &context, 1)
}

pub(crate) fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

pub(crate) fn limits(max_age: u64, max_uses: u64, max_bytes: u64) -> UsageLimits {
    UsageLimits { max_age: Span::from_nanos(max_age), max_uses, max_bytes }
}

pub(crate) fn rules(limits: UsageLimits) -> Rules {
    Rules::new(CacheConfig::new(limits)).unwrap()
}

pub(crate) fn local<K>(config: CacheConfig) -> Local<K> {
    Local::new(Rules::new(config).unwrap(), Generations::new())
}

pub(crate) fn shared<K: Send + Sync + 'static>(config: CacheConfig) -> Shared<K> {
    Shared::new(Rules::new(config).unwrap(), Generations::new(), 4).unwrap()
}

pub(crate) fn off<K>(config: CacheConfig) -> Off<K> {
    Off::new(Rules::new(config).unwrap(), Generations::new())
}

/// What a hit handed out, whichever variant it came from.
pub(crate) trait Material {
    fn value(&self) -> u64;
}

impl Material for u64 {
    fn value(&self) -> u64 {
        *self
    }
}

impl Material for Lent<u64> {
    fn value(&self) -> u64 {
        **self
    }
}

/// A test that runs for `Local` and for `Shared`.
macro_rules! both {
    ($($(#[$meta:meta])* fn $name:ident($make:ident) $body:block)*) => {$(
        mod $name {
            #![allow(unused_imports, unused_mut, reason = "each test uses its part; `Shared` needs no `mut`")]
            use super::*;

            $(#[$meta])*
            #[test]
            fn local() {
                use $crate::world::local as $make;
                $body
            }

            $(#[$meta])*
            #[test]
            fn shared() {
                use $crate::world::shared as $make;
                $body
            }
        }
    )*};
}
pub(crate) use both;

/// Fetches for a cold fingerprint and lands `material`; sent at `sent`, landed at `landed`.
pub(crate) fn fill<C: Cache<Material = K>, K>(
    cache: &mut C,
    fingerprint: &Fingerprint,
    material: K,
    sent: u64,
    landed: u64,
) where
    C::Key: std::fmt::Debug,
{
    let mut ticket = lead(cache.try_use(fingerprint, Some(0), at(sent)));
    cache.send(&mut ticket, at(sent));
    assert!(matches!(cache.land(ticket, Ok(material), at(landed)), Landed::Kept));
}

/// The ticket of a look-up that leads.
pub(crate) fn lead<Key: std::fmt::Debug>(lookup: Lookup<Key>) -> Ticket {
    match lookup {
        Lookup::Lead { ticket, .. } => ticket,
        other => panic!("expected to lead, got {other:?}"),
    }
}

pub(crate) fn is_hit<Key>(lookup: &Lookup<Key>) -> bool {
    matches!(lookup, Lookup::Hit { .. })
}

/// A request for one use of a key.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) bytes: u64,
}

/// A key that was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) at: u64,
    pub(crate) material: u64,
}

#[derive(Debug)]
enum Event {
    Ask(Request),
    Send(Ticket),
    Reply(Ticket, Result<u64, Failure>),
}

/// The KMS: a service time, a key that may be disabled, and a count of calls.
#[derive(Debug)]
pub(crate) struct Kms {
    /// Shortest and longest time from sending to the reply.
    pub(crate) service: (u64, u64),
    /// Calls that arrive after this are refused.
    pub(crate) disabled_at: u64,
    pub(crate) calls: u64,
}

/// Drives one cache: every request is asked, parked and woken as the cache says.
pub(crate) struct World<C: Cache<Material = u64>> {
    pub(crate) cache: C,
    pub(crate) kms: Kms,
    pub(crate) uses: Vec<Use>,
    pub(crate) failed: u64,
    pub(crate) random: Stream,
    queue: BTreeMap<(u64, u64), Event>,
    parked: BTreeMap<FlightId, Vec<Request>>,
    events: u64,
    materials: u64,
}

impl<C: Cache<Material = u64>> World<C>
where
    C::Key: Material,
{
    pub(crate) fn new(cache: C, kms: Kms, random: Stream) -> Self {
        let (queue, parked) = (BTreeMap::new(), BTreeMap::new());
        Self { cache, kms, uses: vec![], failed: 0, random, queue, parked, events: 0, materials: 0 }
    }

    pub(crate) fn ask_at(&mut self, at: u64, request: Request) {
        self.push(at, Event::Ask(request));
    }

    fn push(&mut self, at: u64, event: Event) {
        self.queue.insert((at, self.events), event);
        self.events += 1;
    }

    /// Runs until nothing is left to happen.
    pub(crate) fn run(&mut self) {
        while let Some(((now, _), event)) = self.queue.pop_first() {
            match event {
                Event::Ask(request) => {
                    let lookup = self.cache.try_use(&request.fingerprint, Some(request.bytes), at(now));
                    self.answer(lookup, request, now);
                }
                Event::Send(mut ticket) => {
                    self.cache.send(&mut ticket, at(now));
                    self.kms.calls += 1;
                    let (shortest, longest) = self.kms.service;
                    let there = shortest / 2 + self.random.next_u64() % (longest - shortest + 1) / 2;
                    let back = shortest / 2 + self.random.next_u64() % (longest - shortest + 1) / 2;
                    self.materials += 1;
                    let refused = now + there > self.kms.disabled_at;
                    let result = if refused { Err(Failure::Disabled) } else { Ok(self.materials) };
                    self.push(now + there + back, Event::Reply(ticket, result));
                }
                Event::Reply(ticket, result) => {
                    let waiting = self.parked.remove(&ticket.flight()).unwrap_or_default();
                    let landed = self.cache.land(ticket, result, at(now));
                    self.wake(&landed, waiting, now);
                }
            }
        }
        assert!(self.parked.is_empty(), "nobody waits for a flight that has landed");
        assert_eq!(self.cache.metrics().calls, self.kms.calls, "the cache counts every call, and no other");
    }

    fn wake(&mut self, landed: &Landed<C::Key>, waiting: Vec<Request>, now: u64) {
        for request in waiting {
            match landed {
                Landed::Kept | Landed::Dropped => {
                    let lookup = self.cache.resume(&request.fingerprint, Some(request.bytes), at(now));
                    self.answer(lookup, request, now);
                }
                Landed::Own(key) => self.uses.push(Use { at: now, material: key.value() }),
                Landed::Failed(_) => self.failed += 1,
            }
        }
    }

    fn answer(&mut self, lookup: Lookup<C::Key>, request: Request, now: u64) {
        match lookup {
            Lookup::Hit { key, refresh } => {
                self.uses.push(Use { at: now, material: key.value() });
                if let Some(ticket) = refresh {
                    self.push(now, Event::Send(ticket));
                }
            }
            Lookup::Lead { ticket, .. } => {
                self.parked.entry(ticket.flight()).or_default().push(request);
                self.push(now, Event::Send(ticket));
            }
            Lookup::Join { flight, .. } => self.parked.entry(flight).or_default().push(request),
            Lookup::Refused(_) => self.failed += 1,
            Lookup::Pace { until } => self.push(until.as_nanos(), Event::Ask(request)),
        }
    }
}

/// Counts how many of its kind are alive: what a dropped secret is recognised by.
#[derive(Debug)]
pub(crate) struct Alive(#[expect(dead_code, reason = "counted by being there")] Arc<()>);

/// Hands out [`Alive`]s and knows how many are left.
#[derive(Debug, Default)]
pub(crate) struct Census(Arc<()>);

impl Census {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn born(&self) -> Alive {
        Alive(Arc::clone(&self.0))
    }

    pub(crate) fn alive(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}
