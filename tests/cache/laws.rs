//! The cache against a naive model: any sequence of operations, the same answers and counts from all three variants.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use s3seal::cache::{
    Audit, Cache, CacheConfig, End, Failure, FailureLife, Fingerprint, FlightId, Generations, Landed, Lent,
    Local, Lookup, Metrics, Off, Partition, PrincipalScope, Refresh, Requester, Rules, Shared, Ticket,
    UsageLimits,
};
use s3seal::envelope::{EncryptionContext, KeyArn};
use s3seal::request::Principal;
use s3seal::units::{Span, Timestamp};

const FINGERPRINTS: usize = 6;
const KEYS: usize = 2;
/// All spans are nanoseconds, so that random steps hit every boundary. Below 64, so that moka hears of every use.
const LIMITS: UsageLimits = UsageLimits { max_age: Span::from_nanos(40), max_uses: 4, max_bytes: 10 };
const CAPACITY: usize = 3;
const REFRESH_AFTER: u64 = 25;
const WAIT_MAX: u64 = 30;
const LIFE: [u64; 3] = [7, 12, 3];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Use { fingerprint: usize, bytes: Option<u64>, resumed: bool },
    Advance(u64),
    Send(usize),
    Land(usize, Result<(), Failure>),
    Invalidate(usize),
    InvalidateAll,
    Disable(usize),
    Enable(usize),
    Sweep,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Hit { material: u64, refresh: Option<usize> },
    Lead { ticket: usize },
    Join { ticket: usize },
    Refused(Failure),
    Pace(u64),
    Kept,
    Own(u64),
    Failed(Failure),
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Variant {
    Off,
    Local,
    Shared,
}

#[derive(Clone, Debug)]
struct Kept {
    fingerprint: usize,
    material: u64,
    sent: u64,
    generation: u64,
    uses: u64,
    bytes: u64,
    refresh_at: u64,
}

#[derive(Clone, Debug)]
struct Flying {
    fingerprint: usize,
    own: bool,
    generation: u64,
    sent: Option<u64>,
}

/// The rules said once more, as plainly as possible: lists and maps, no leases, no tables.
struct Model {
    variant: Variant,
    now: u64,
    /// Least recently used first.
    kept: Vec<Kept>,
    /// Fingerprint → ticket in charge and when it began.
    charge: BTreeMap<usize, (usize, u64)>,
    failed: BTreeMap<usize, (Failure, u64, u64)>,
    tickets: Vec<Option<Flying>>,
    generation: [u64; KEYS],
    disabled: [bool; KEYS],
    materials: u64,
    metrics: Metrics,
}

impl Model {
    fn new(variant: Variant) -> Self {
        Self {
            variant,
            now: 0,
            kept: vec![],
            charge: BTreeMap::new(),
            failed: BTreeMap::new(),
            tickets: vec![],
            generation: [0; KEYS],
            disabled: [false; KEYS],
            materials: 0,
            metrics: Metrics::default(),
        }
    }

    fn end(&mut self, index: usize, end: End) {
        let kept = self.kept.remove(index);
        self.metrics.ends[End::ALL.iter().position(|e| *e == end).unwrap()] += 1;
        self.metrics.uses_at_end.record(kept.uses);
        self.metrics.age_at_end.record(self.now - kept.sent);
    }

    fn ticket(&mut self, fingerprint: usize, own: bool) -> usize {
        let generation = self.generation[fingerprint % KEYS];
        self.tickets.push(Some(Flying { fingerprint, own, generation, sent: None }));
        let ticket = self.tickets.len() - 1;
        if !own {
            self.charge.insert(fingerprint, (ticket, self.now));
            self.failed.remove(&fingerprint);
        }
        ticket
    }

    fn in_flight(&self, fingerprint: usize) -> Option<usize> {
        let (ticket, since) = self.charge.get(&fingerprint)?;
        (self.now - since <= WAIT_MAX).then_some(*ticket)
    }

    fn ask(&mut self, fingerprint: usize, bytes: Option<u64>, resumed: bool) -> Answer {
        let key = fingerprint % KEYS;
        let shareable = bytes.is_some_and(|b| b <= LIMITS.max_bytes) && self.variant != Variant::Off;
        if shareable && let Some(index) = self.kept.iter().position(|k| k.fingerprint == fingerprint) {
            let kept = &self.kept[index];
            let end = if kept.generation != self.generation[key] {
                Some(End::Invalidated)
            } else if self.now - kept.sent > LIMITS.max_age.as_nanos() {
                Some(End::Age)
            } else if kept.uses == LIMITS.max_uses {
                Some(End::Uses)
            } else if kept.bytes + bytes.unwrap() > LIMITS.max_bytes {
                Some(End::Bytes)
            } else {
                None
            };
            if let Some(end) = end {
                self.end(index, end);
            } else {
                let mut kept = self.kept.remove(index);
                kept.uses += 1;
                kept.bytes += bytes.unwrap();
                let (material, due) = (kept.material, self.now >= kept.refresh_at);
                self.kept.push(kept);
                *(if resumed { &mut self.metrics.resumed } else { &mut self.metrics.hits }) += 1;
                let refresh = (due && self.in_flight(fingerprint).is_none()).then(|| {
                    self.metrics.refreshes += 1;
                    self.ticket(fingerprint, false)
                });
                return Answer::Hit { material, refresh };
            }
        }
        if self.disabled[key] {
            self.metrics.negative_hits += 1;
            return Answer::Refused(Failure::Disabled);
        }
        if !shareable {
            self.metrics.misses += 1;
            return Answer::Lead { ticket: self.ticket(fingerprint, true) };
        }
        if let Some(ticket) = self.in_flight(fingerprint) {
            self.metrics.joins += 1;
            return Answer::Join { ticket };
        }
        match self.failed.get(&fingerprint) {
            Some((failure, until, generation))
                if self.now < *until && *generation == self.generation[key] =>
            {
                if let Failure::Throttled { earliest } = failure {
                    self.metrics.paced += 1;
                    Answer::Pace(earliest.as_nanos())
                } else {
                    self.metrics.negative_hits += 1;
                    Answer::Refused(*failure)
                }
            }
            _ => {
                self.metrics.misses += 1;
                Answer::Lead { ticket: self.ticket(fingerprint, false) }
            }
        }
    }

    fn send(&mut self, ticket: usize) {
        let now = self.now;
        let flying = self.tickets[ticket].as_mut().unwrap();
        flying.sent = Some(now);
        flying.generation = self.generation[flying.fingerprint % KEYS];
        self.metrics.calls += 1;
    }

    fn land(&mut self, ticket: usize, result: Result<(), Failure>, material: u64) -> Answer {
        let flying = self.tickets[ticket].take().unwrap();
        let fingerprint = flying.fingerprint;
        let key = fingerprint % KEYS;
        if !flying.own {
            if self.charge.get(&fingerprint).is_none_or(|(t, _)| *t != ticket) {
                self.metrics.dropped += 1;
                return Answer::Dropped;
            }
            self.charge.remove(&fingerprint);
        }
        let too_old = flying.sent.is_some_and(|sent| self.now - sent > LIMITS.max_age.as_nanos());
        let failure = if self.disabled[key] {
            Some(Failure::Disabled)
        } else if flying.generation != self.generation[key] {
            self.metrics.dropped += 1;
            return Answer::Dropped;
        } else if let Err(failure) = result {
            Some(failure)
        } else {
            (too_old && !flying.own).then_some(Failure::Transient)
        };
        if let Some(failure) = failure {
            self.metrics.failures += 1;
            if !flying.own {
                self.fail(&flying, failure);
            }
            return Answer::Failed(failure);
        }
        if flying.own {
            self.metrics.own += 1;
            return Answer::Own(material);
        }
        if let Some(index) = self.kept.iter().position(|k| k.fingerprint == fingerprint) {
            self.end(index, End::Replaced);
        }
        if self.kept.len() == CAPACITY {
            self.end(0, End::Capacity);
        }
        let sent = flying.sent.unwrap();
        self.kept.push(Kept {
            fingerprint,
            material,
            sent,
            generation: flying.generation,
            uses: 0,
            bytes: 0,
            refresh_at: sent + REFRESH_AFTER,
        });
        Answer::Kept
    }

    fn fail(&mut self, flying: &Flying, failure: Failure) {
        let until = match failure {
            Failure::Denied => self.now + LIFE[0],
            Failure::Disabled | Failure::Invalid | Failure::NotFound => self.now + LIFE[1],
            Failure::Transient => self.now + LIFE[2],
            Failure::Throttled { earliest } => earliest.as_nanos(),
        };
        if let Some(index) = self.kept.iter().position(|k| k.fingerprint == flying.fingerprint) {
            if matches!(failure, Failure::Transient | Failure::Throttled { .. }) {
                self.kept[index].refresh_at = until;
                if self.variant == Variant::Shared {
                    // moka has no look that is not a touch.
                    let kept = self.kept.remove(index);
                    self.kept.push(kept);
                }
                return;
            }
            self.end(index, End::Refused);
        }
        self.failed.insert(flying.fingerprint, (failure, until, flying.generation));
    }

    fn end_where(&mut self, over: impl Fn(&Self, &Kept) -> Option<End>) {
        for index in (0..self.kept.len()).rev() {
            if let Some(end) = over(self, &self.kept[index]) {
                self.end(index, end);
            }
        }
    }

    fn end_invalidated(&mut self) {
        self.end_where(|model, kept| {
            (model.generation[kept.fingerprint % KEYS] != kept.generation).then_some(End::Invalidated)
        });
    }
}

/// What a hit handed out, whichever variant it came from.
trait Material {
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

fn key(index: usize) -> KeyArn {
    format!("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-{index:012}").parse().unwrap()
}

fn fingerprint(index: usize) -> Fingerprint {
    let principal = Principal::new("111122223333", "role", "");
    let requester = Requester::new(&Partition::new("p").unwrap(), PrincipalScope::Role, &principal);
    let context = EncryptionContext::of_bucket(&format!("bucket-{index}")).unwrap();
    Fingerprint::encrypt(&requester, &key(index % KEYS), &context, 1)
}

fn rules(audit: Audit) -> Rules {
    let [denied, absent, transient] = LIFE.map(Span::from_nanos);
    Rules::new(CacheConfig {
        capacity: CAPACITY,
        refresh: Some(Refresh { after: Span::from_nanos(REFRESH_AFTER), jitter: Span::ZERO }),
        failure_life: FailureLife { denied, absent, transient },
        wait_max: Span::from_nanos(WAIT_MAX),
        audit: Some(audit),
        ..CacheConfig::new(LIMITS)
    })
    .unwrap()
}

/// Runs `ops` on both and compares every answer, every count and the number of keys after every step.
#[expect(clippy::too_many_lines, reason = "one arm per operation")]
fn agree<C>(
    variant: Variant,
    ops: &[Op],
    make: impl Fn(Rules, Arc<Generations>) -> C,
) -> Result<(), TestCaseError>
where
    C: Cache<Material = u64>,
    C::Key: Material,
{
    let audited = Arc::new(AtomicU64::new(0));
    let audit = {
        let audited = Arc::clone(&audited);
        Audit::new(move |_| {
            audited.fetch_add(1, Ordering::Relaxed);
        })
    };
    let mut cache = make(rules(audit), Generations::new());
    let mut model = Model::new(variant);
    let fingerprints: Vec<Fingerprint> = (0..FINGERPRINTS).map(fingerprint).collect();
    let mut tickets: Vec<Option<Ticket>> = vec![];
    let mut flights: BTreeMap<FlightId, usize> = BTreeMap::new();
    for (step, op) in ops.iter().enumerate() {
        let now = Timestamp::from_nanos(model.now);
        let live: Vec<usize> = (0..tickets.len()).filter(|i| tickets[*i].is_some()).collect();
        match *op {
            Op::Advance(nanos) => model.now += nanos,
            Op::Use { fingerprint: f, bytes, resumed } => {
                let lookup = if resumed {
                    cache.resume(&fingerprints[f], bytes, now)
                } else {
                    cache.try_use(&fingerprints[f], bytes, now)
                };
                let mut board = |ticket: Ticket| {
                    let index = tickets.len();
                    assert!(flights.insert(ticket.flight(), index).is_none(), "a flight id comes once");
                    tickets.push(Some(ticket));
                    index
                };
                let answer = match lookup {
                    Lookup::Hit { key, refresh } => {
                        Answer::Hit { material: key.value(), refresh: refresh.map(board) }
                    }
                    Lookup::Lead { ticket, deadline } => {
                        prop_assert_eq!(deadline, now + Span::from_nanos(WAIT_MAX));
                        Answer::Lead { ticket: board(ticket) }
                    }
                    Lookup::Join { flight, .. } => Answer::Join { ticket: flights[&flight] },
                    Lookup::Refused(failure) => Answer::Refused(failure),
                    Lookup::Pace { until } => Answer::Pace(until.as_nanos()),
                };
                prop_assert_eq!(answer, model.ask(f, bytes, resumed), "step {} {:?}", step, op);
            }
            Op::Send(_) | Op::Land(..) if live.is_empty() => {}
            Op::Send(i) => {
                let i = live[i % live.len()];
                cache.send(tickets[i].as_mut().unwrap(), now);
                model.send(i);
            }
            Op::Land(i, result) => {
                let i = live[i % live.len()];
                if result.is_ok() && model.tickets[i].as_ref().unwrap().sent.is_none() {
                    cache.send(tickets[i].as_mut().unwrap(), now);
                    model.send(i);
                }
                let material = model.materials;
                model.materials += 1;
                let landed = cache.land(tickets[i].take().unwrap(), result.map(|()| material), now);
                let answer = match landed {
                    Landed::Kept => Answer::Kept,
                    Landed::Own(key) => Answer::Own(key.value()),
                    Landed::Failed(failure) => Answer::Failed(failure),
                    Landed::Dropped => Answer::Dropped,
                };
                prop_assert_eq!(answer, model.land(i, result, material), "step {} {:?}", step, op);
            }
            Op::Invalidate(k) => {
                cache.invalidate(&key(k), now);
                model.generation[k] += 1;
                model.end_invalidated();
            }
            Op::InvalidateAll => {
                cache.invalidate_all(now);
                model.generation.iter_mut().for_each(|g| *g += 1);
                model.end_invalidated();
            }
            Op::Disable(k) => {
                cache.disable(&key(k), now);
                model.generation[k] += 1;
                model.disabled[k] = true;
                model.end_invalidated();
            }
            Op::Enable(k) => {
                cache.enable(&key(k));
                model.generation[k] += 1;
                model.disabled[k] = false;
            }
            Op::Sweep => {
                let before = model.kept.len();
                model.end_where(|model, kept| {
                    let invalidated = model.generation[kept.fingerprint % KEYS] != kept.generation;
                    let over_age = model.now - kept.sent > LIMITS.max_age.as_nanos();
                    invalidated.then_some(End::Invalidated).or(over_age.then_some(End::Age))
                });
                prop_assert_eq!(cache.sweep(now), before - model.kept.len());
            }
        }
        prop_assert_eq!(cache.len(), model.kept.len(), "step {} {:?}", step, op);
        prop_assert_eq!(&cache.metrics(), &model.metrics, "step {} {:?}", step, op);
    }
    prop_assert_eq!(audited.load(Ordering::Relaxed), model.metrics.uses());
    Ok(())
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(Failure::Denied),
        Just(Failure::Disabled),
        Just(Failure::Invalid),
        Just(Failure::NotFound),
        Just(Failure::Transient),
        (0..400_u64).prop_map(|nanos| Failure::Throttled { earliest: Timestamp::from_nanos(nanos) }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let bytes =
        prop_oneof![1 => Just(None), 12 => (0..5_u64).prop_map(Some), 2 => (8..=11_u64).prop_map(Some)];
    let landed = prop_oneof![3 => Just(Ok(())), 1 => failure().prop_map(Err)];
    prop_oneof![
        24 => (0..FINGERPRINTS, bytes, any::<bool>())
            .prop_map(|(fingerprint, bytes, resumed)| Op::Use { fingerprint, bytes, resumed }),
        8 => (0..15_u64).prop_map(Op::Advance),
        3 => any::<usize>().prop_map(Op::Send),
        12 => (any::<usize>(), landed).prop_map(|(i, result)| Op::Land(i, result)),
        1 => (0..KEYS).prop_map(Op::Invalidate),
        1 => Just(Op::InvalidateAll),
        1 => (0..KEYS).prop_map(Op::Disable),
        2 => (0..KEYS).prop_map(Op::Enable),
        1 => Just(Op::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn off_agrees_with_the_model(ops in prop::collection::vec(op(), 1..120)) {
        agree(Variant::Off, &ops, Off::new)?;
    }

    #[test]
    fn local_agrees_with_the_model(ops in prop::collection::vec(op(), 1..250)) {
        agree(Variant::Local, &ops, Local::new)?;
    }

    #[test]
    fn shared_agrees_with_the_model(ops in prop::collection::vec(op(), 1..250)) {
        agree(Variant::Shared, &ops, |rules, generations| Shared::new(rules, generations, 4).unwrap())?;
    }
}
