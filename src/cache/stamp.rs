//! The generation of one KMS key: a word that says whether what was fetched under it still counts.
//!
//! Plain numbers only and no path into the crate, so that `tests/cache/interleaving.rs` compiles this very file against loom's
//! atomics and tries every interleaving.

use super::atomic::{AtomicU64, Ordering};

const DISABLED: u64 = 1;
const STEP: u64 = 2;

/// The generation of a KMS key at one instant. A data key may be used while the stamp that it was fetched under
/// is still the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// Whether the KMS key was disabled.
    pub const fn is_disabled(self) -> bool {
        self.0 & DISABLED != 0
    }
}

/// The current generation of one KMS key: a count of invalidations and a bit for disabled, in one atomic word.
///
/// Read at every use with one acquire load. Whoever learns, in whatever way, that `invalidate` or `disable` has
/// returned reads the new stamp.
#[derive(Debug, Default)]
pub struct Generation(AtomicU64);

impl Generation {
    /// The current stamp.
    #[inline]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Acquire))
    }

    /// Begins a new generation: nothing fetched before counts any more.
    pub fn invalidate(&self) {
        self.0.fetch_add(STEP, Ordering::AcqRel);
    }

    /// Begins a new generation in which nothing may be fetched or used.
    pub fn disable(&self) {
        self.change(|word| (word + STEP) | DISABLED);
    }

    /// Begins a new generation in which keys may be fetched again.
    pub fn enable(&self) {
        self.change(|word| (word + STEP) & !DISABLED);
    }

    fn change(&self, next: impl Fn(u64) -> u64) {
        let mut word = self.0.load(Ordering::Acquire);
        while let Err(seen) =
            self.0.compare_exchange_weak(word, next(word), Ordering::AcqRel, Ordering::Acquire)
        {
            word = seen;
        }
    }
}
