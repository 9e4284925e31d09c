//! Who waits for a flight, under every interleaving of landing, parking, giving up and deadline:
//! `cargo test --test client interleaving`.
//!
//! loom runs in an ordinary test build, without a flag: the crate's own `src/client/parking.rs` is compiled here once more
//! against loom's locks and pointers, which it names through its parent module. A wake-up that is lost is a thread that waits
//! for ever, which loom reports as a deadlock.
#![allow(dead_code, reason = "the file is made for the crate")]

use std::task::{Wake, Waker};

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, MutexGuard, Notify};
use loom::thread;

/// loom's lock with the face of the crate's.
#[derive(Debug)]
struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// What is set once, with the order of memory that the standard's has.
#[derive(Debug)]
struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    is_set: AtomicBool,
}

impl<T> OnceLock<T> {
    fn new() -> Self {
        Self { value: std::sync::OnceLock::new(), is_set: AtomicBool::new(false) }
    }

    fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.is_set.store(true, Ordering::Release);
        Ok(())
    }

    fn get(&self) -> Option<&T> {
        self.is_set.load(Ordering::Acquire).then(|| self.value.get().unwrap())
    }
}

#[path = "../../src/client/parking.rs"]
mod parking;

use parking::Heard;

/// Flights, runtimes, instants and outcomes are numbers here.
type Parking = parking::Parking<u8, u8, u32, u8>;
type Crew = parking::Crew<u32, u8>;
type Waiter = parking::Waiter<u32, u8>;

const FLIGHT: u8 = 1;
const RUNTIME: u8 = 1;
const OUTCOME: u8 = 7;
const SOON: u32 = 1;
const LATER: u32 = 5;

/// Every interleaving in which threads are interrupted at most three times where they could have gone on; without that bound
/// three threads take hours.
fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

/// A thread that can be woken.
struct Bell(Notify);

impl Bell {
    fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self(Notify::new()))
    }
}

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

/// Hears until there is something: an outcome, the deadline, or that a timer is missing.
fn hear(waiter: &mut Waiter) -> Heard<u8> {
    let bell = Bell::new();
    let waker = Waker::from(std::sync::Arc::clone(&bell));
    loop {
        match waiter.hear(&waker) {
            Heard::Nothing => bell.0.wait(),
            heard => return heard,
        }
    }
}

/// The flight lands, on a thread of its own.
fn land(parking: &Arc<Parking>) -> thread::JoinHandle<()> {
    let parking = Arc::clone(parking);
    thread::spawn(move || drop(parking.land(&FLIGHT, &OUTCOME)))
}

/// As [`hear`], where the caller sees to the timer.
fn hear_timed(waiter: &mut Waiter) -> Heard<u8> {
    let bell = Bell::new();
    let waker = Waker::from(std::sync::Arc::clone(&bell));
    loop {
        match waiter.hear(&waker) {
            Heard::Nothing | Heard::Untimed => bell.0.wait(),
            heard => return heard,
        }
    }
}

/// A timer's life on a clock that stands at `now`: until nobody waits any more.
fn keep_time(crew: &Crew, now: u32) {
    let bell = Bell::new();
    let waker = Waker::from(std::sync::Arc::clone(&bell));
    while crew.tick(now, &waker).is_some() {
        bell.0.wait();
    }
}

/// Asks as the cache is asked: parks first, then whether the flight is up.
fn join(parking: &Parking, flying: &Mutex<bool>) {
    let mut waiter = parking.park(FLIGHT, RUNTIME, LATER);
    if *flying.lock() {
        assert_eq!(hear_timed(&mut waiter), Heard::Landed(OUTCOME));
    } else {
        parking.leave(&FLIGHT, waiter);
    }
}

#[test]
fn whoever_parks_while_a_flight_lands_hears_of_it_or_sees_that_it_is_down_and_no_flight_is_left() {
    model(|| {
        let shared = Arc::new((Parking::default(), Mutex::new(true)));
        let joiner = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || join(&shared.0, &shared.1))
        };
        let landing = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                *shared.1.lock() = false;
                drop(shared.0.land(&FLIGHT, &OUTCOME));
            })
        };
        join(&shared.0, &shared.1);
        joiner.join().unwrap();
        landing.join().unwrap();
        assert_eq!(shared.0.flights(), 0);
    });
}

#[test]
fn a_landing_that_is_interrupted_strands_nobody() {
    model(|| {
        let parking = Arc::new(Parking::default());
        let mut first = parking.park(FLIGHT, RUNTIME, SOON);
        let mut second = parking.park(FLIGHT, RUNTIME, LATER);
        assert_eq!(first.hear(&Waker::from(Bell::new())), Heard::Untimed);
        let waiting = thread::spawn(move || assert_eq!(hear_timed(&mut second), Heard::Landed(OUTCOME)));
        let mut landing = parking.land(&FLIGHT, &OUTCOME);
        landing.next(1).into_iter().for_each(Waker::wake);
        drop(landing);
        waiting.join().unwrap();
        assert_eq!(first.hear(&Waker::from(Bell::new())), Heard::Landed(OUTCOME));
    });
}

#[test]
fn a_waiter_who_gives_up_while_a_flight_lands_takes_nobody_elses_place() {
    model(|| {
        let parking = Arc::new(Parking::default());
        let mut staying = parking.park(FLIGHT, RUNTIME, LATER);
        let mut leaving = parking.park(FLIGHT, RUNTIME, LATER);
        let quiet = Waker::from(Bell::new());
        assert_eq!(staying.hear(&quiet), Heard::Untimed);
        assert_eq!(leaving.hear(&quiet), Heard::Nothing);
        let landing = land(&parking);
        let gone = thread::spawn(move || drop(leaving));
        assert_eq!(hear_timed(&mut staying), Heard::Landed(OUTCOME));
        landing.join().unwrap();
        gone.join().unwrap();
        assert_eq!(parking.flights(), 0);
        assert_eq!(staying.crew().tick(0, &quiet), None, "no list is left");
    });
}

#[test]
fn at_a_deadline_that_meets_a_landing_a_waiter_has_one_of_both_and_one_with_time_left_has_the_landing() {
    model(|| {
        let parking = Arc::new(Parking::default());
        let mut due = parking.park(FLIGHT, RUNTIME, SOON);
        let mut patient = parking.park(FLIGHT, RUNTIME, LATER);
        assert_eq!(due.hear(&Waker::from(Bell::new())), Heard::Untimed);
        assert_eq!(patient.hear(&Waker::from(Bell::new())), Heard::Nothing);
        let timer = {
            let crew = Arc::clone(due.crew());
            thread::spawn(move || keep_time(&crew, SOON))
        };
        let landing = land(&parking);
        let heard = hear(&mut due);
        assert!(matches!(heard, Heard::Landed(OUTCOME) | Heard::Expired), "{heard:?}");
        assert_eq!(hear(&mut patient), Heard::Landed(OUTCOME));
        landing.join().unwrap();
        timer.join().unwrap();
    });
}

#[test]
fn nobody_misses_a_deadline_when_an_earlier_one_is_parked_beside_a_timer_that_falls_asleep() {
    model(|| {
        let parking = Parking::default();
        let mut patient = parking.park(FLIGHT, RUNTIME, LATER);
        assert_eq!(patient.hear(&Waker::from(Bell::new())), Heard::Untimed);
        // Its clock stands at the first deadline, but it looks again only when it is woken.
        let timer = {
            let crew = Arc::clone(patient.crew());
            thread::spawn(move || keep_time(&crew, SOON))
        };
        let mut due = parking.park(FLIGHT, RUNTIME, SOON);
        assert_eq!(hear(&mut due), Heard::Expired);
        drop(patient);
        timer.join().unwrap();
    });
}

#[test]
fn with_nobody_left_the_timer_ends_and_whoever_comes_then_starts_another_and_there_are_never_two() {
    model(|| {
        let parking = Arc::new(Parking::default());
        let asleep = Arc::new(AtomicUsize::new(0));
        let start = |crew: &Arc<Crew>, asleep: &Arc<AtomicUsize>| {
            let (crew, asleep) = (Arc::clone(crew), Arc::clone(asleep));
            thread::spawn(move || {
                let bell = Bell::new();
                let waker = Waker::from(std::sync::Arc::clone(&bell));
                while crew.tick(0, &waker).is_some() {
                    assert_eq!(asleep.fetch_add(1, Ordering::SeqCst), 0);
                    bell.0.wait();
                    asleep.fetch_sub(1, Ordering::SeqCst);
                }
            })
        };
        let mut first = parking.park(FLIGHT, RUNTIME, LATER);
        assert_eq!(first.hear(&Waker::from(Bell::new())), Heard::Untimed);
        let timer = start(first.crew(), &asleep);
        let going = thread::spawn(move || drop(first));
        let mut second = parking.park(FLIGHT, RUNTIME, LATER);
        let another =
            (second.hear(&Waker::from(Bell::new())) == Heard::Untimed).then(|| start(second.crew(), &asleep));
        drop(second);
        going.join().unwrap();
        timer.join().unwrap();
        if let Some(another) = another {
            another.join().unwrap();
        }
        let mut third = parking.park(FLIGHT, RUNTIME, LATER);
        assert_eq!(third.hear(&Waker::from(Bell::new())), Heard::Untimed);
    });
}

#[test]
fn when_a_timer_is_lost_somebody_who_waits_starts_another() {
    model(|| {
        let parking = Arc::new(Parking::default());
        let mut one = parking.park(FLIGHT, RUNTIME, LATER);
        assert_eq!(one.hear(&Waker::from(Bell::new())), Heard::Untimed);
        let lost = {
            let crew = Arc::clone(one.crew());
            thread::spawn(move || crew.timer_lost())
        };
        // Whoever is told that a timer is missing lands the flight, so that the other does not wait for ever.
        let wait = |mut waiter: Waiter, parking: &Parking| match hear(&mut waiter) {
            Heard::Untimed => {
                drop(parking.land(&FLIGHT, &OUTCOME));
                1
            }
            heard => {
                assert_eq!(heard, Heard::Landed(OUTCOME));
                0
            }
        };
        let other = {
            let parking = Arc::clone(&parking);
            thread::spawn(move || wait(parking.park(FLIGHT, RUNTIME, LATER), &parking))
        };
        let started = wait(one, &parking);
        lost.join().unwrap();
        // One who parks after the landing parks at a flight of its own, which is not what is asked here.
        assert!(started + other.join().unwrap() >= 1);
    });
}
