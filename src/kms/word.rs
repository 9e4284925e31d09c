//! The admission word: one atomic word that racing callers spend from, and never spend twice.
//!
//! Plain numbers only and no path into the crate, so that `tests/kms/interleaving.rs` compiles this very file against loom's
//! atomics and tries every interleaving. Memory order is relaxed throughout: the word publishes no other data, and
//! all that matters is the order of changes to this one location.

use super::atomic::{AtomicU64, Ordering::Relaxed};

/// Bits of the units taken in a window; the other 35 hold the window's number, enough for 1,000 years of seconds.
const TAKEN_BITS: u32 = 29;
const TAKEN_MASK: u64 = (1 << TAKEN_BITS) - 1;

/// Largest limit of a window and largest weight of a call. Half of what the field holds: the rest is room for racers
/// that add before they look.
pub(super) const LIMIT_MAX: u64 = 1 << (TAKEN_BITS - 1);

/// What an admission did to the word, for [`Word::undo_window`] and [`Word::undo_bucket`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    before: u64,
    after: u64,
}

/// A refusal by a window: the latest window seen and the units taken in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WindowFull {
    pub(super) window: u64,
    pub(super) taken: u64,
}

/// A refusal by a bucket: the instant on its clock from which the call would be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BucketEmpty {
    pub(super) until: u64,
}

/// The word. On cache lines of its own (two, since processors fetch them in pairs): a neighbour's writes must not
/// slow the callers down.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Word(AtomicU64);

const fn window_of(word: u64) -> u64 {
    word >> TAKEN_BITS
}

const fn taken_of(word: u64) -> u64 {
    word & TAKEN_MASK
}

impl Word {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes one unit of window `window`, or of the latest window seen when that is later, where `limit` holds for
    /// every window. The fast path: a contended word costs one locked addition and no retry.
    #[inline]
    pub(super) fn take_one(&self, window: u64, limit: u64) -> Result<Receipt, WindowFull> {
        let seen = self.0.load(Relaxed);
        if window_of(seen) < window {
            return self.take(window, 1, |_| limit);
        }
        if taken_of(seen) >= limit {
            return Err(WindowFull { window: window_of(seen), taken: taken_of(seen) });
        }
        // Whoever adds beyond the limit finds it reached before, so nobody is refused a unit that was free, and the
        // surplus (one per racer at most) stays in a full window, which soon ends.
        let before = self.0.fetch_add(1, Relaxed);
        if taken_of(before) < limit {
            return Ok(Receipt { before, after: before + 1 });
        }
        Err(WindowFull { window: window_of(before), taken: taken_of(before) })
    }

    /// Takes `weight` units of window `window`, or of the latest window seen when that is later; `limit` tells the
    /// units of the window that is charged.
    #[inline]
    pub(super) fn take(
        &self,
        window: u64,
        weight: u64,
        limit: impl Fn(u64) -> u64,
    ) -> Result<Receipt, WindowFull> {
        let mut before = self.0.load(Relaxed);
        loop {
            let latest = window_of(before).max(window);
            let taken = if latest == window_of(before) { taken_of(before) } else { 0 };
            if taken + weight > limit(latest) {
                return Err(WindowFull { window: latest, taken });
            }
            let after = (latest << TAKEN_BITS) | (taken + weight);
            match self.0.compare_exchange_weak(before, after, Relaxed, Relaxed) {
                Ok(_) => return Ok(Receipt { before, after }),
                Err(now) => before = now,
            }
        }
    }

    /// Gives `weight` units back to the window that they were taken from; nothing when that window has passed.
    pub(super) fn undo_window(&self, receipt: Receipt, weight: u64) {
        let mut before = self.0.load(Relaxed);
        while window_of(before) == window_of(receipt.after) {
            let after = before - weight;
            match self.0.compare_exchange_weak(before, after, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => before = now,
            }
        }
    }

    /// Uses up what is left of `window`, if it is still the latest.
    pub(super) fn fill_window(&self, window: u64, limit: u64) {
        let mut before = self.0.load(Relaxed);
        while window_of(before) == window && taken_of(before) < limit || window_of(before) < window {
            let after = (window << TAKEN_BITS) | limit;
            match self.0.compare_exchange_weak(before, after, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => before = now,
            }
        }
    }

    /// Takes `cost` ns from a bucket that holds `depth` ns, at `now` on the bucket's clock. The word holds the
    /// instant at which the bucket is full again (the theoretical arrival time of GCRA).
    #[inline]
    pub(super) fn draw(&self, now: u64, cost: u64, depth: u64) -> Result<Receipt, BucketEmpty> {
        let Some(slack) = depth.checked_sub(cost) else {
            // A call that costs more than the bucket holds never passes, full as it may be.
            return Err(BucketEmpty { until: u64::MAX });
        };
        let mut before = self.0.load(Relaxed);
        loop {
            if before > now.saturating_add(slack) {
                return Err(BucketEmpty { until: before - slack });
            }
            // Where the clock ends, nothing passes any more.
            let Some(after) = before.max(now).checked_add(cost) else {
                return Err(BucketEmpty { until: u64::MAX });
            };
            match self.0.compare_exchange_weak(before, after, Relaxed, Relaxed) {
                Ok(_) => return Ok(Receipt { before, after }),
                Err(now) => before = now,
            }
        }
    }

    /// Takes a draw back when nobody has drawn since; else the tokens stay lost, since giving them back could
    /// admit more than the bucket allows.
    pub(super) fn undo_bucket(&self, receipt: Receipt) {
        // A failure is the second case, so the result does not matter.
        let _ = self.0.compare_exchange(receipt.after, receipt.before, Relaxed, Relaxed);
    }

    /// Uses up what is left in a bucket of `depth` ns at `now` on the bucket's clock.
    pub(super) fn empty_bucket(&self, now: u64, depth: u64) {
        self.0.fetch_max(now.saturating_add(depth), Relaxed);
    }
}
