//! Where requests wait for a flight: a list of wakers per flight and runtime, with the deadlines that one timer keeps for all.
//!
//! Locks and shared pointers are named through the parent module and no path leads into the crate, so that
//! `tests/client/interleaving.rs` compiles this very file against loom's. Wakers are called and dropped with no lock held: they
//! may run whatever an executor likes, a drop of another waiter included.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoValues;
use std::iter::{Chain, Flatten};
use std::mem;
use std::task::Waker;
use std::vec;

use super::{Arc, Mutex, OnceLock};

/// The flights `F` that requests of one cache wait for, on runtimes `R`, until instants `D`, to hear `T`.
///
/// Runtimes are apart because each has a clock of its own, and because one that nobody drives any more must not hold up the
/// deadlines of another's requests.
#[derive(Debug)]
pub(super) struct Parking<F, R, D, T>(Mutex<BTreeMap<F, Crews<R, D, T>>>);

/// Who waits for one flight, by runtime: nearly always one.
type Crews<R, D, T> = Vec<(R, Arc<Crew<D, T>>)>;

impl<F, R, D, T> Default for Parking<F, R, D, T> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<F: Ord, R: Eq, D: Ord + Copy, T: Clone> Parking<F, R, D, T> {
    /// A place at `flight` for a request that gives up at `deadline`. Whoever joins must ask the cache after this whether the
    /// flight is still up, and give the place back if not: a landing that came before was not for this place.
    pub(super) fn park(&self, flight: F, runtime: R, deadline: D) -> Waiter<D, T> {
        let mut flights = self.0.lock();
        let crews = flights.entry(flight).or_default();
        let known = crews.iter().find(|(of, _)| *of == runtime).map(|(_, crew)| Arc::clone(crew));
        let crew = known.unwrap_or_else(|| {
            let crew = Arc::new(Crew::default());
            crews.push((runtime, Arc::clone(&crew)));
            crew
        });
        Waiter { crew, deadline, number: None }
    }

    /// Gives the place of a flight back that had landed before its holder parked.
    pub(super) fn leave(&self, flight: &F, waiter: Waiter<D, T>) {
        let mut flights = self.0.lock();
        // Under the lock: of several that came late the last one takes the flight away. Others may have been in time, and the
        // landing is about to wake them.
        drop(waiter);
        if flights.get(flight).is_some_and(|crews| crews.iter().all(|(_, crew)| Arc::strong_count(crew) == 1))
        {
            flights.remove(flight);
        }
    }

    /// Tells everybody who waits for `flight`. They are woken as the caller goes through the [`Landing`], the rest at its drop.
    pub(super) fn land(&self, flight: &F, outcome: &T) -> Landing<D> {
        let crews = self.0.lock().remove(flight).into_iter().flatten();
        let (waiting, timers): (Vec<_>, Vec<_>) = crews.map(|(_, crew)| crew.land(outcome.clone())).unzip();
        let timers: Vec<Waker> = timers.into_iter().flatten().collect();
        Landing(waiting.into_iter().flatten().chain(timers))
    }

    /// Flights that somebody waits for.
    pub(super) fn flights(&self) -> usize {
        self.0.lock().len()
    }
}

/// Those to whom a flight has landed and who have not been woken yet. Dropped, it wakes them all: nobody is stranded, wherever
/// the landing is interrupted.
#[derive(Debug)]
#[must_use = "who waits is woken when it is dropped"]
pub(super) struct Landing<D>(Chain<Flatten<vec::IntoIter<Waiting<D>>>, vec::IntoIter<Waker>>);

/// Those of one crew, in order of their deadlines.
type Waiting<D> = IntoValues<(D, u64), Waker>;

impl<D> Landing<D> {
    /// The next `count` to be woken, less only when there are no more.
    pub(super) fn next(&mut self, count: usize) -> Vec<Waker> {
        self.0.by_ref().take(count).collect()
    }
}

impl<D> Drop for Landing<D> {
    fn drop(&mut self) {
        self.0.by_ref().for_each(Waker::wake);
    }
}

/// Who waits for one flight on one runtime, until when, and the timer that sees to it.
#[derive(Debug)]
pub(super) struct Crew<D, T> {
    outcome: Outcome<T>,
    state: Mutex<State<D>>,
}

/// What the landing said, set under the lock of the state and read without it: thousands that are woken at once only read it. A
/// cache line of its own keeps it apart from what they write, which is how many still point to the crew.
#[derive(Debug)]
#[repr(align(64))]
struct Outcome<T>(OnceLock<T>);

#[derive(Debug)]
struct State<D> {
    /// By deadline, and in order of arrival among those of one instant.
    waiting: BTreeMap<(D, u64), Waker>,
    arrived: u64,
    timer: Timer<D>,
}

/// What is known of the timer.
#[derive(Debug)]
enum Timer<D> {
    /// There is none.
    Off,
    /// It is about to look.
    Awake,
    /// It looks again when it is woken, or at the instant.
    Asleep(D, Waker),
}

impl<D> Timer<D> {
    /// What wakes it, when it sleeps.
    fn rouse(&mut self) -> Option<Waker> {
        match mem::replace(self, Self::Awake) {
            Self::Asleep(_, waker) => Some(waker),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl<D, T> Default for Crew<D, T> {
    fn default() -> Self {
        let (waiting, arrived, timer) = (BTreeMap::new(), 0, Timer::Off);
        let state = Mutex::new(State { waiting, arrived, timer });
        Self { outcome: Outcome(OnceLock::new()), state }
    }
}

impl<D, T: Clone> Crew<D, T> {
    fn landed(&self) -> Option<T> {
        self.outcome.0.get().cloned()
    }
}

impl<D: Ord + Copy, T> Crew<D, T> {
    /// Who is to be woken then: those who wait, and the timer.
    fn land(&self, outcome: T) -> (Waiting<D>, Option<Waker>) {
        let mut state = self.state.lock();
        // A flight lands once; were it twice, the first outcome stands.
        drop(self.outcome.0.set(outcome));
        (mem::take(&mut state.waiting).into_values(), state.timer.rouse())
    }

    /// What the timer does whenever it is awake: ends the waits that are over at `now`. Gives the next deadline, before which
    /// `timer` may be woken; none when nobody waits any more, and then the timer is no more.
    pub(super) fn tick(&self, now: D, timer: &Waker) -> Option<D> {
        let mut over = Vec::new();
        let next = {
            let mut state = self.state.lock();
            while let Some(first) = state.waiting.first_entry()
                && first.key().0 <= now
            {
                over.push(first.remove());
            }
            let next = state.waiting.first_key_value().map(|((deadline, _), _)| *deadline);
            state.timer = next.map_or(Timer::Off, |next| Timer::Asleep(next, timer.clone()));
            next
        };
        over.into_iter().for_each(Waker::wake);
        next
    }

    /// The timer is dropped, by a runtime that ends, before its time: whoever waits is woken to start another.
    pub(super) fn timer_lost(&self) {
        let woken: Vec<Waker> = {
            let mut state = self.state.lock();
            match mem::replace(&mut state.timer, Timer::Off) {
                Timer::Off => return,
                Timer::Awake | Timer::Asleep(..) => state.waiting.values().cloned().collect(),
            }
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

/// A request's place at a flight; dropped, it is given up.
#[derive(Debug)]
pub(super) struct Waiter<D: Ord + Copy, T> {
    crew: Arc<Crew<D, T>>,
    deadline: D,
    /// Of its place, while it has one that it must give back.
    number: Option<u64>,
}

/// What a waiter hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<T> {
    /// The flight has landed.
    Landed(T),
    /// The deadline came first.
    Expired,
    /// Nothing yet.
    Nothing,
    /// Nothing yet, and there is no timer: the caller starts one, which calls [`Crew::tick`].
    Untimed,
}

impl<D: Ord + Copy, T: Clone> Waiter<D, T> {
    /// What there is to hear; `waker` is called when there is more.
    pub(super) fn hear(&mut self, waker: &Waker) -> Heard<T> {
        if let Some(outcome) = self.crew.landed() {
            self.number = None;
            return Heard::Landed(outcome);
        }
        let mut woken = None;
        // Dropped after the lock.
        let old;
        let heard = {
            let mut state = self.crew.state.lock();
            // Set before the lock was free: whoever has it now and does not see it is woken by the landing.
            if let Some(outcome) = self.crew.landed() {
                self.number = None;
                return Heard::Landed(outcome);
            }
            if let Some(number) = self.number {
                let Some(kept) = state.waiting.get_mut(&(self.deadline, number)) else {
                    self.number = None;
                    return Heard::Expired;
                };
                old = (!kept.will_wake(waker)).then(|| mem::replace(kept, waker.clone()));
            } else {
                let number = state.arrived;
                state.arrived += 1;
                self.number = Some(number);
                old = state.waiting.insert((self.deadline, number), waker.clone());
            }
            match &state.timer {
                Timer::Off => {
                    state.timer = Timer::Awake;
                    Heard::Untimed
                }
                Timer::Asleep(until, _) if self.deadline < *until => {
                    woken = state.timer.rouse();
                    Heard::Nothing
                }
                Timer::Awake | Timer::Asleep(..) => Heard::Nothing,
            }
        };
        drop(old);
        woken.into_iter().for_each(Waker::wake);
        heard
    }

    /// When it gives up.
    pub(super) fn deadline(&self) -> D {
        self.deadline
    }

    /// With whom it waits.
    pub(super) fn crew(&self) -> &Arc<Crew<D, T>> {
        &self.crew
    }
}

impl<D: Ord + Copy, T> Drop for Waiter<D, T> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        // Dropped, and the timer woken, after the lock: with nobody left it has nothing to do.
        let (_waker, timer) = {
            let mut state = self.crew.state.lock();
            let waker = state.waiting.remove(&(self.deadline, number));
            let timer = if state.waiting.is_empty() { state.timer.rouse() } else { None };
            (waker, timer)
        };
        timer.into_iter().for_each(Waker::wake);
    }
}
