//! How many requests wait, and how many may.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The requests that wait at one cache, counted; on a cache line of its own, since all who wait write it.
#[derive(Debug)]
#[repr(align(64))]
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
