//! Many callers at once: single flight, limits and generations under real threads.
#![expect(clippy::disallowed_methods, reason = "its callers are real threads")]

mod cache_world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::thread::{Scope, sleep, yield_now};
use std::time::Duration;

use cache_world::*;
use rand_core::Rng;
use s3seal::cache::{CacheConfig, End, Failure, FlightId, Landed, Lookup, Metrics, Shared, Ticket};
use s3seal::units::Seed;

const CALLERS: usize = 10_000;
const THREADS: usize = 4;

/// Says what KMS answers to the call of this number, while the fetch is on its way.
type Answer = dyn Fn(u64, &Shared<u64>) -> Result<u64, Failure> + Sync;

/// What became of the callers.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    calls: u64,
    served: u64,
    failed: u64,
    cancelled: u64,
}

/// Callers on threads, parked by flight; each fetch runs on a thread of its own.
struct Stampede<'a> {
    cache: Shared<u64>,
    kms: &'a Answer,
    parked: Mutex<BTreeMap<FlightId, Vec<usize>>>,
    cancelled: Vec<AtomicBool>,
    counts: [AtomicU64; 4],
}

impl Stampede<'_> {
    fn count(&self, which: usize) -> u64 {
        self.counts[which].fetch_add(1, SeqCst)
    }

    fn ask<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, caller: usize, resumed: bool) {
        if self.cancelled[caller].load(SeqCst) {
            self.count(3);
            return;
        }
        let (name, now) = (&fingerprint(0), at(0));
        let lookup = if resumed {
            self.cache.resume(name, Some(1), now)
        } else {
            self.cache.try_use(name, Some(1), now)
        };
        match lookup {
            Lookup::Hit { .. } => drop(self.count(1)),
            Lookup::Refused(_) => drop(self.count(2)),
            Lookup::Lead { ticket, .. } => {
                self.parked.lock().unwrap().entry(ticket.flight()).or_default().push(caller);
                scope.spawn(move || self.fetch(scope, ticket));
            }
            Lookup::Join { flight, .. } => {
                self.parked.lock().unwrap().entry(flight).or_default().push(caller);
                if !self.cache.is_flying(name, flight) {
                    let late = self.parked.lock().unwrap().remove(&flight).unwrap_or_default();
                    for caller in late {
                        self.ask(scope, caller, true);
                    }
                }
            }
            Lookup::Pace { .. } => panic!("nothing paces here"),
        }
    }

    fn fetch<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, mut ticket: Ticket) {
        self.cache.send(&mut ticket, at(0));
        let call = self.count(0);
        sleep(Duration::from_millis(2));
        let result = (self.kms)(call, &self.cache);
        let flight = ticket.flight();
        let landed = self.cache.land(ticket, result, at(0));
        let waiting = self.parked.lock().unwrap().remove(&flight).unwrap_or_default();
        for caller in waiting {
            match &landed {
                Landed::Kept | Landed::Dropped => self.ask(scope, caller, true),
                Landed::Failed(_) => drop(self.count(2)),
                Landed::Own(_) => panic!("nobody asked for an own key"),
            }
        }
    }
}

/// 10,000 callers on one cold key; `cancel` in 1,000 of them give up at a random point.
fn stampede(cancel: u64, kms: &Answer) -> (Tally, Metrics) {
    let run = Stampede {
        cache: shared(CacheConfig::new(limits(100, u64::MAX, u64::MAX))),
        kms,
        parked: Mutex::default(),
        cancelled: (0..CALLERS).map(|_| AtomicBool::new(false)).collect(),
        counts: Default::default(),
    };
    let barrier = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (run, barrier) = (&run, &barrier);
            scope.spawn(move || {
                barrier.wait();
                (thread..CALLERS).step_by(THREADS).for_each(|caller| run.ask(scope, caller, false));
            });
        }
        // Cancels before they ask, while they wait, or too late: whichever it happens to be.
        let (run, barrier) = (&run, &barrier);
        scope.spawn(move || {
            let mut random = Seed(1).stream("test/cancel", 0);
            barrier.wait();
            for caller in (0..CALLERS).rev() {
                if random.next_u64() % 1_000 < cancel {
                    run.cancelled[caller].store(true, SeqCst);
                }
            }
        });
    });
    let [calls, served, failed, cancelled] = run.counts.map(AtomicU64::into_inner);
    assert!(run.parked.into_inner().unwrap().is_empty(), "nobody is stranded");
    assert_eq!(served + failed + cancelled, CALLERS as u64);
    let metrics = run.cache.metrics();
    assert_eq!((metrics.calls, metrics.uses()), (calls, served), "the cache counts what the callers count");
    (Tally { calls, served, failed, cancelled }, metrics)
}

#[test]
fn ten_thousand_callers_on_a_cold_key_make_one_call() {
    let (tally, metrics) = stampede(0, &|_, _| Ok(1));
    assert_eq!(tally, Tally { calls: 1, served: CALLERS as u64, failed: 0, cancelled: 0 });
    assert_eq!(metrics.calls_avoided(), CALLERS as u64 - 1);
}

#[test]
fn waiters_that_are_cancelled_strand_nobody_and_cost_no_call() {
    for cancel in [10, 500, 1_000] {
        let (tally, _) = stampede(cancel, &|_, _| Ok(1));
        assert!(tally.calls <= 1, "one call, or none when all gave up before they asked");
        assert_eq!(tally.failed, 0);
    }
}

#[test]
fn a_failing_fetch_fails_its_waiters_and_is_not_repeated_by_them() {
    for cancel in [0, 100] {
        let (tally, _) = stampede(cancel, &|_, _| Err(Failure::Transient));
        assert_eq!((tally.calls, tally.served), (1, 0));
    }
}

#[test]
fn invalidate_during_the_flight_makes_the_waiters_fetch_once_more() {
    for cancel in [0, 100] {
        let (tally, metrics) = stampede(cancel, &|call, cache| {
            if call == 0 {
                cache.invalidate(&key(0), at(0));
            }
            Ok(call)
        });
        assert_eq!((tally.calls, tally.failed, metrics.dropped), (2, 0, 1));
    }
}

#[test]
fn disable_during_the_flight_fails_everyone() {
    for cancel in [0, 100] {
        let (tally, _) = stampede(cancel, &|_, cache| {
            cache.disable(&key(0), at(0));
            Ok(1)
        });
        assert_eq!((tally.calls, tally.served), (1, 0));
    }
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
        assert_eq!(world.uses.len(), CALLERS);
        world.kms.calls
    }
    let config = || CacheConfig::new(limits(1_000, u64::MAX, u64::MAX));
    assert_eq!(
        (calls(local(config())), calls(shared(config())), calls(off(config()))),
        (1, 1, CALLERS as u64)
    );
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
    let cache = Shared::<Counted>::new(rules(limits), s3seal::cache::Generations::new(), THREADS).unwrap();
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
                let mut random = Seed(2).stream("test/bytes", thread as u64);
                (0..USES / THREADS as u64).for_each(|_| use_once(random.next_u64() % 4));
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
    let lease = u64::from(limits.lease(THREADS).uses());
    if invalidations == 0 && max_bytes == u64::MAX {
        let fewest = max_uses - (lease - 1) * THREADS as u64;
        assert!(metrics.ended(End::Uses) * fewest <= USES);
        assert!(calls.load(SeqCst) <= USES.div_ceil(fewest), "{metrics:?}");
    }
}
