//! Generations: one word for each KMS key that says whether what was fetched under it still counts.

use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::envelope::KeyArn;

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

/// The generations of all KMS keys in use, shared by the caches that stand side by side.
///
/// Bounded by what the caches hold: [`Generations::prune`] forgets keys that no entry and no fetch refers to, except
/// disabled ones.
#[derive(Debug, Default)]
pub struct Generations(Mutex<BTreeMap<KeyArn, Arc<Generation>>>);

impl Generations {
    /// No key known yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The generation of `key`.
    pub fn of(&self, key: &KeyArn) -> Arc<Generation> {
        let mut map = self.0.lock();
        if let Some(generation) = map.get(key) {
            return Arc::clone(generation);
        }
        Arc::clone(map.entry(key.clone()).or_default())
    }

    /// Begins a new generation of `key`.
    pub fn invalidate(&self, key: &KeyArn) {
        // A key without an entry here has nothing fetched under it.
        if let Some(generation) = self.0.lock().get(key) {
            generation.invalidate();
        }
    }

    /// Begins a new generation of every key.
    pub fn invalidate_all(&self) {
        self.0.lock().values().for_each(|generation| generation.invalidate());
    }

    /// Disables `key` until [`Self::enable`].
    pub fn disable(&self, key: &KeyArn) {
        self.of(key).disable();
    }

    /// Enables `key`: what was fetched before stays unusable.
    pub fn enable(&self, key: &KeyArn) {
        self.of(key).enable();
    }

    /// Forgets the keys that nothing refers to. Gives how many.
    pub fn prune(&self) -> usize {
        let mut map = self.0.lock();
        let before = map.len();
        // A count of one is this map's own, and further clones are made only under this lock. One that comes back
        // starts at 0 again, which no entry can remember.
        map.retain(|_, generation| Arc::strong_count(generation) > 1 || generation.stamp().is_disabled());
        before - map.len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn key() -> KeyArn {
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
    }

    #[test]
    fn no_stamp_comes_back_after_invalidate_disable_or_enable() {
        let generation = Generation::default();
        let mut seen = vec![generation.stamp()];
        for change in
            [Generation::invalidate, Generation::disable, Generation::invalidate, Generation::enable]
        {
            change(&generation);
            assert!(!seen.contains(&generation.stamp()));
            seen.push(generation.stamp());
        }
        assert_eq!(
            seen.iter().map(|s| s.is_disabled()).collect::<Vec<_>>(),
            [false, false, true, true, false]
        );
    }

    #[test]
    fn pruning_keeps_what_is_referred_to_and_what_is_disabled() {
        let generations = Generations::new();
        let held = generations.of(&key());
        assert_eq!(generations.prune(), 0);
        drop(held);
        assert_eq!(generations.prune(), 1);
        generations.disable(&key());
        assert_eq!(generations.prune(), 0);
        assert!(generations.of(&key()).stamp().is_disabled());
    }
}
