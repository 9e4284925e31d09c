//! Where requests wait for a flight: one signal per flight, kept by whoever comes first, removed when it lands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::request::CachedKey;
use super::service::ServiceError;
use crate::cache::{Failure, FlightId};

/// What a landing means for those who waited.
#[derive(Clone, Debug)]
pub(super) enum Woken {
    /// Ask again.
    Resume,
    /// The key is the one waiter's own.
    Own(CachedKey),
    /// Fail with this.
    Failed(Failure, Option<Arc<ServiceError>>),
}

/// Hears of one landing.
pub(super) type Signal = watch::Receiver<Option<Woken>>;

/// The flights that requests of one cache wait for.
#[derive(Debug, Default)]
pub(super) struct Parking(Mutex<BTreeMap<FlightId, watch::Sender<Option<Woken>>>>);

impl Parking {
    /// The signal of `flight`, which is made when nobody waits yet. Whoever joins must ask the cache after this whether
    /// the flight is still up, and give the place back if not: a landing that came before was not for this signal.
    pub(super) fn park(&self, flight: FlightId) -> Signal {
        self.0.lock().entry(flight).or_insert_with(|| watch::channel(None).0).subscribe()
    }

    /// Gives the place of a flight back that had landed before its holder parked.
    pub(super) fn leave(&self, flight: FlightId, signal: Signal) {
        let mut flights = self.0.lock();
        // Under the lock: of several that came late the last one takes the signal away. Others may have been in time, and
        // the landing is about to wake them.
        drop(signal);
        if flights.get(&flight).is_some_and(|signal| signal.receiver_count() == 0) {
            flights.remove(&flight);
        }
    }

    /// Wakes everybody who waits for `flight`.
    pub(super) fn land(&self, flight: FlightId, woken: Woken) {
        let signal = self.0.lock().remove(&flight);
        if let Some(signal) = signal {
            signal.send_replace(Some(woken));
        }
    }

    /// Flights that somebody waits for.
    pub(super) fn flights(&self) -> usize {
        self.0.lock().len()
    }
}

/// How many requests wait, and how many may.
#[derive(Debug)]
pub(super) struct Crowd {
    waiting: AtomicUsize,
    pub(super) limit: usize,
}

impl Crowd {
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), limit }
    }

    /// A place, given back when it is dropped; none when all are taken.
    pub(super) fn enter(&self) -> Option<Place<'_>> {
        // Added before it is looked at, so that the limit holds whoever races; a refused one takes itself back.
        let place = Place(self);
        (self.waiting.fetch_add(1, Ordering::Relaxed) < self.limit).then_some(place)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Crowd);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flight of a real cache; its number is nobody else's business.
    fn flight() -> FlightId {
        let life = crate::units::Span::from_seconds(1);
        crate::cache::Flights::new(0, 1, 1, life).own()
    }

    #[test]
    fn the_last_one_who_came_late_takes_the_signal_away_and_those_in_time_are_still_woken() {
        let (parking, flight) = (Parking::default(), flight());
        let late = [parking.park(flight), parking.park(flight)];
        assert_eq!(parking.flights(), 1);
        for signal in late {
            parking.leave(flight, signal);
        }
        assert_eq!(parking.flights(), 0);

        let (in_time, late) = (parking.park(flight), parking.park(flight));
        parking.leave(flight, late);
        parking.land(flight, Woken::Resume);
        assert!(in_time.borrow().is_some());
        assert_eq!(parking.flights(), 0);
    }

    #[test]
    fn a_crowd_has_its_limit_and_a_refused_one_leaves_no_trace() {
        let crowd = Crowd::new(1);
        let one = crowd.enter();
        assert!(one.is_some() && crowd.enter().is_none());
        assert_eq!(crowd.waiting(), 1);
        drop(one);
        assert!(crowd.enter().is_some());
        assert_eq!(crowd.waiting(), 0);
    }
}
