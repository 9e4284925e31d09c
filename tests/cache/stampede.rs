//! Many callers at once: single flight, limits and generations under real threads.
#![expect(clippy::disallowed_methods, reason = "its callers are real threads")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::thread::{panicking, yield_now};

use crate::world::*;
use rand_core::Rng;
use s3seal::cache::{Cache, CacheConfig, End, Failure, FlightId, Landed, Lookup, Metrics, Shared, Ticket};
use s3seal::units::Seed;

const CALLERS: u64 = 10_000;
const THREADS: u64 = 4;
const KMS_THREADS: usize = 2;
const STRIPES: usize = 4;

/// How threads come to a cache: `Shared` takes them all at once, the others one at a time.
trait Door: Sync {
    type Cache: Cache<Material = u64>;
    fn enter<R>(&self, work: impl FnOnce(&mut Self::Cache) -> R) -> R;
}

impl Door for Shared<u64> {
    type Cache = Self;
    fn enter<R>(&self, work: impl FnOnce(&mut Self) -> R) -> R {
        work(&mut self.clone())
    }
}

impl<C: Cache<Material = u64> + Send> Door for Mutex<C> {
    type Cache = C;
    fn enter<R>(&self, work: impl FnOnce(&mut C) -> R) -> R {
        work(&mut self.lock().unwrap())
    }
}

/// What happens while the first call is on its way, before any reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happens {
    Nothing,
    Failure,
    Invalidate,
    Disable,
}

/// How it goes: when KMS begins to reply, and how many of 1,000 waiters give up.
#[derive(Clone, Copy, Debug)]
struct Course {
    happens: Happens,
    /// Callers that have asked before KMS replies: all, or half of them, and the rest while it does.
    asked_before: u64,
    cancelled_per_mille: u64,
}

/// What became of the callers.
#[derive(Debug, Default)]
struct Tally {
    /// Askings that were told to fetch.
    leads: AtomicU64,
    calls: AtomicU64,
    served: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    /// Keys that came for a caller of their own who had given up.
    unclaimed: AtomicU64,
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, SeqCst);
}

/// Who waits for which flight, and who has given up.
#[derive(Debug, Default)]
struct Parked {
    by_flight: BTreeMap<FlightId, BTreeSet<u64>>,
    flight_of: BTreeMap<u64, FlightId>,
    gone: BTreeSet<u64>,
}

/// Callers on threads, parked by flight; KMS on threads of its own.
struct Stampede<'a, D> {
    door: &'a D,
    course: Course,
    parked: Mutex<Parked>,
    kms: Mutex<VecDeque<Ticket>>,
    asked: AtomicU64,
    replies: AtomicU64,
    happened: AtomicBool,
    /// A thread has panicked: nobody waits for it.
    broken: AtomicBool,
    tally: Tally,
}

/// Tells the other threads of a panic, so that a test that fails ends.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if panicking() {
            self.0.store(true, SeqCst);
        }
    }
}

impl<D: Door> Stampede<'_, D> {
    fn ask(&self, caller: u64) {
        let lookup = self.door.enter(|cache| cache.try_use(&fingerprint(0), Some(1), at(0)));
        self.answer(caller, lookup);
        add(&self.asked);
    }

    fn wake(&self, caller: u64) {
        if self.parked.lock().unwrap().gone.contains(&caller) {
            return add(&self.tally.cancelled);
        }
        let lookup = self.door.enter(|cache| cache.resume(&fingerprint(0), Some(1), at(0)));
        self.answer(caller, lookup);
    }

    fn answer(&self, caller: u64, lookup: Lookup<<D::Cache as Cache>::Key>) {
        match lookup {
            Lookup::Hit { .. } => add(&self.tally.served),
            Lookup::Refused(_) => add(&self.tally.failed),
            Lookup::Lead { mut ticket, .. } => {
                add(&self.tally.leads);
                self.park(caller, ticket.flight());
                self.door.enter(|cache| cache.send(&mut ticket, at(0)));
                add(&self.tally.calls);
                self.kms.lock().unwrap().push_back(ticket);
            }
            Lookup::Join { flight, .. } => {
                self.park(caller, flight);
                if !self.door.enter(|cache| cache.is_flying(&fingerprint(0), flight)) {
                    self.unpark(flight).into_iter().for_each(|caller| self.wake(caller));
                }
            }
            Lookup::Pace { .. } => panic!("nothing paces here"),
        }
    }

    fn park(&self, caller: u64, flight: FlightId) {
        let mut parked = self.parked.lock().unwrap();
        if parked.gone.contains(&caller) {
            return add(&self.tally.cancelled);
        }
        parked.by_flight.entry(flight).or_default().insert(caller);
        parked.flight_of.insert(caller, flight);
    }

    fn unpark(&self, flight: FlightId) -> BTreeSet<u64> {
        let mut parked = self.parked.lock().unwrap();
        let callers = parked.by_flight.remove(&flight).unwrap_or_default();
        for caller in &callers {
            parked.flight_of.remove(caller);
        }
        callers
    }

    /// The caller gives up, wherever it is.
    fn cancel(&self, caller: u64) {
        let mut parked = self.parked.lock().unwrap();
        parked.gone.insert(caller);
        if let Some(flight) = parked.flight_of.remove(&caller) {
            parked.by_flight.get_mut(&flight).unwrap().remove(&caller);
            add(&self.tally.cancelled);
        }
    }

    fn done(&self) -> u64 {
        [&self.tally.served, &self.tally.failed, &self.tally.cancelled]
            .map(|count| count.load(SeqCst))
            .iter()
            .sum()
    }

    fn serve(&self) {
        let _alarm = Alarm(&self.broken);
        while !self.broken.load(SeqCst) {
            let ready = self.asked.load(SeqCst) >= self.course.asked_before;
            let ticket = if ready { self.kms.lock().unwrap().pop_front() } else { None };
            match ticket {
                Some(ticket) => self.reply(ticket),
                None if self.done() == CALLERS && self.kms.lock().unwrap().is_empty() => return,
                None => yield_now(),
            }
        }
    }

    fn reply(&self, ticket: Ticket) {
        let reply = self.replies.fetch_add(1, SeqCst);
        assert!(reply < 4 * CALLERS, "callers fetch in a circle");
        if reply == 0 {
            match self.course.happens {
                Happens::Nothing | Happens::Failure => {}
                Happens::Invalidate => self.door.enter(|cache| cache.invalidate(&key(0), at(0))),
                Happens::Disable => self.door.enter(|cache| cache.disable(&key(0), at(0))),
            }
            self.happened.store(true, SeqCst);
        }
        while !self.happened.load(SeqCst) && !self.broken.load(SeqCst) {
            yield_now();
        }
        let result =
            if self.course.happens == Happens::Failure { Err(Failure::Transient) } else { Ok(reply) };
        let flight = ticket.flight();
        let landed = self.door.enter(|cache| cache.land(ticket, result, at(0)));
        let waiting = self.unpark(flight);
        if waiting.is_empty() && matches!(landed, Landed::Own(_)) {
            add(&self.tally.unclaimed);
        }
        for caller in waiting {
            match &landed {
                Landed::Kept | Landed::Dropped => self.wake(caller),
                Landed::Failed(_) => add(&self.tally.failed),
                Landed::Own(_) => add(&self.tally.served),
            }
        }
    }
}

/// What became of 10,000 callers of one cold key.
struct Outcome {
    leads: u64,
    calls: u64,
    served: u64,
    failed: u64,
    metrics: Metrics,
}

/// 10,000 callers on one cold key, of whom some give up at random points once they have asked.
fn stampede(door: &impl Door, course: Course) -> Outcome {
    let run = Stampede {
        door,
        course,
        parked: Mutex::default(),
        kms: Mutex::default(),
        asked: AtomicU64::new(0),
        replies: AtomicU64::new(0),
        happened: AtomicBool::new(false),
        broken: AtomicBool::new(false),
        tally: Tally::default(),
    };
    let barrier = Barrier::new(usize::try_from(THREADS).unwrap() + 1);
    std::thread::scope(|scope| {
        let (run, barrier) = (&run, &barrier);
        for thread in 0..THREADS {
            scope.spawn(move || {
                let _alarm = Alarm(&run.broken);
                barrier.wait();
                (thread..CALLERS)
                    .step_by(usize::try_from(THREADS).unwrap())
                    .for_each(|caller| run.ask(caller));
            });
        }
        for _ in 0..KMS_THREADS {
            scope.spawn(|| run.serve());
        }
        // Before they park, while they wait, as they are woken, or too late: whichever it happens to be.
        scope.spawn(move || {
            let mut random = Seed(1).stream("test/cancel", 0);
            barrier.wait();
            for _ in 0..CALLERS {
                let (caller, draw) = (random.next_u64() % CALLERS, random.next_u64());
                if draw % 1_000 < course.cancelled_per_mille {
                    run.cancel(caller);
                }
                if draw % 64 == 0 {
                    yield_now();
                }
            }
        });
    });
    let Parked { by_flight, .. } = run.parked.into_inner().unwrap();
    assert!(by_flight.values().all(BTreeSet::is_empty), "nobody is stranded");
    let Tally { leads, calls, served, failed, cancelled, unclaimed } = run.tally;
    let [leads, calls, served, failed, cancelled, unclaimed] =
        [leads, calls, served, failed, cancelled, unclaimed].map(AtomicU64::into_inner);
    assert_eq!(served + failed + cancelled, CALLERS, "everybody is accounted for");
    assert!(course.cancelled_per_mille > 0 || cancelled == 0);
    let metrics = door.enter(|cache| cache.metrics());
    let counted = (metrics.calls, metrics.uses());
    assert_eq!(counted, (calls, served + unclaimed), "the cache counts what the callers and KMS count");
    Outcome { leads, calls, served, failed, metrics }
}

/// One stampede on each variant, for every course in which this happens: all callers before the first reply or half of
/// them, and none, some or very many who give up.
fn on_every_variant(happens: Happens, check: impl Fn(&str, Course, &Outcome)) {
    for asked_before in [CALLERS, CALLERS / 2] {
        for cancelled_per_mille in [0, 10, 500, 1_000] {
            let course = Course { happens, asked_before, cancelled_per_mille };
            let config = || CacheConfig::new(limits(100, u64::MAX, u64::MAX));
            check("off", course, &stampede(&Mutex::new(off(config())), course));
            check("local", course, &stampede(&Mutex::new(local(config())), course));
            check("shared", course, &stampede(&shared(config()), course));
        }
    }
}

#[test]
fn ten_thousand_callers_make_one_call_in_local_and_shared_and_all_in_off_whoever_gives_up() {
    on_every_variant(Happens::Nothing, |variant, course, end| {
        let calls = if variant == "off" { CALLERS } else { 1 };
        assert_eq!((end.calls, end.failed), (calls, 0), "{variant} {course:?}");
        if course.cancelled_per_mille == 0 {
            assert_eq!((end.served, end.metrics.calls_avoided()), (CALLERS, CALLERS - calls), "{variant}");
        }
    });
}

#[test]
fn a_failing_fetch_fails_its_waiters_and_is_not_repeated_by_them() {
    on_every_variant(Happens::Failure, |variant, course, end| {
        let calls = if variant == "off" { CALLERS } else { 1 };
        assert_eq!((end.calls, end.served), (calls, 0), "{variant} {course:?}");
    });
}

#[test]
fn invalidate_during_the_flight_makes_those_who_wait_fetch_once_more() {
    on_every_variant(Happens::Invalidate, |variant, course, end| {
        assert_eq!((end.calls, end.failed), (end.leads, 0), "{variant} {course:?}");
        match (variant, course.asked_before, course.cancelled_per_mille) {
            // All were on their way, and each fetches anew.
            ("off", CALLERS, 0) => assert_eq!((end.calls, end.metrics.dropped), (2 * CALLERS, CALLERS)),
            ("off", ..) => assert!((CALLERS..=2 * CALLERS).contains(&end.calls) && end.metrics.dropped > 0),
            // Whoever is left fetches once for all; nobody may be left.
            (_, _, 1_000) => assert!((1..=2).contains(&end.calls), "{variant} {course:?}"),
            _ => assert_eq!((end.calls, end.metrics.dropped), (2, 1), "{variant} {course:?}"),
        }
    });
}

#[test]
fn disable_during_the_flight_fails_everyone() {
    on_every_variant(Happens::Disable, |variant, course, end| {
        assert_eq!((end.calls, end.served), (end.leads, 0), "{variant} {course:?}");
        match (variant, course.asked_before) {
            ("off", CALLERS) => assert_eq!(end.calls, CALLERS, "{course:?}"),
            // Those who ask afterwards are refused without a call.
            ("off", _) => assert!((CALLERS / 2..=CALLERS).contains(&end.calls), "{course:?}"),
            _ => assert_eq!(end.calls, 1, "{variant} {course:?}"),
        }
    });
}

#[test]
fn in_one_thread_ten_thousand_requests_at_once_make_one_call_in_local_and_shared_and_all_in_off() {
    fn calls<C: s3seal::cache::Cache<Material = u64>>(cache: C) -> u64
    where
        C::Key: Material,
    {
        let kms = Kms { service: (10, 20), disabled_at: u64::MAX, calls: 0 };
        let mut world = World::new(cache, kms, Seed(1).stream("test", 0));
        for _ in 0..CALLERS {
            world.ask_at(0, Request { fingerprint: fingerprint(0), bytes: 1 });
        }
        world.run();
        assert_eq!(world.uses.len() as u64, CALLERS);
        world.kms.calls
    }
    let config = || CacheConfig::new(limits(1_000, u64::MAX, u64::MAX));
    assert_eq!((calls(local(config())), calls(shared(config())), calls(off(config()))), (1, 1, CALLERS));
}

/// Uses and bytes of each material, and the generation that it was fetched under at the latest.
struct Counted {
    uses: AtomicU64,
    bytes: AtomicU64,
    begun: u64,
}

#[test]
fn limits_hold_exactly_and_no_invalidated_key_is_handed_out_under_contention() {
    for (max_uses, max_bytes, invalidations) in
        [(1, u64::MAX, 0), (7, 100, 0), (5_000, u64::MAX, 0), (200_000, 40_000, 0), (5_000, 40_000, 200)]
    {
        contend(max_uses, max_bytes, invalidations);
    }
}

fn contend(max_uses: u64, max_bytes: u64, invalidations: u64) {
    const USES: u64 = 20_000;
    let limits = limits(100, max_uses, max_bytes);
    let cache = Shared::<Counted>::new(rules(limits), s3seal::cache::Generations::new(), STRIPES).unwrap();
    let (begun, done, calls) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let use_once = |bytes: u64| {
        let mut first = true;
        loop {
            let done_before = done.load(SeqCst);
            let lookup = if first {
                cache.try_use(&fingerprint(0), Some(bytes), at(0))
            } else {
                cache.resume(&fingerprint(0), Some(bytes), at(0))
            };
            first = false;
            match lookup {
                Lookup::Hit { key, .. } => {
                    let (uses, total) =
                        (key.uses.fetch_add(1, SeqCst) + 1, key.bytes.fetch_add(bytes, SeqCst) + bytes);
                    assert!(uses <= max_uses, "{uses} uses of {max_uses}");
                    assert!(total <= max_bytes, "{total} bytes of {max_bytes}");
                    assert!(key.begun >= done_before, "a key from before an invalidation that had returned");
                    return;
                }
                Lookup::Lead { mut ticket, .. } => {
                    cache.send(&mut ticket, at(0));
                    calls.fetch_add(1, SeqCst);
                    // After sending, so that the stamp is of this generation at the latest.
                    let begun = begun.load(SeqCst);
                    let material = Counted { uses: AtomicU64::new(0), bytes: AtomicU64::new(0), begun };
                    cache.land(ticket, Ok(material), at(0));
                }
                Lookup::Join { .. } => yield_now(),
                other => panic!("{:?}", std::mem::discriminant(&other)),
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let use_once = &use_once;
            scope.spawn(move || {
                let mut random = Seed(2).stream("test/bytes", thread);
                (0..USES / THREADS).for_each(|_| use_once(random.next_u64() % 4));
            });
        }
        scope.spawn(|| {
            for _ in 0..invalidations {
                begun.fetch_add(1, SeqCst);
                cache.invalidate(&key(0), at(0));
                done.fetch_add(1, SeqCst);
                yield_now();
            }
        });
    });
    let metrics = cache.metrics();
    assert_eq!((metrics.uses(), metrics.calls), (USES, calls.load(SeqCst)));
    // Keys that ended by uses were used up but for what the other stripes had leased.
    let lease = u64::from(limits.lease(STRIPES).uses());
    if invalidations == 0 && max_bytes == u64::MAX {
        let fewest = max_uses - (lease - 1) * THREADS;
        assert!(metrics.ended(End::Uses) * fewest <= USES);
        assert!(calls.load(SeqCst) <= USES.div_ceil(fewest), "{metrics:?}");
    }
}
