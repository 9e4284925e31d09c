//! Generations: that of every KMS key in use, by which `invalidate`, `disable` and `enable` reach what was fetched.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::stamp::Generation;
use crate::envelope::KeyArn;

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

#[cfg(test)]
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
    fn a_change_reaches_whoever_holds_the_generation_of_that_key() {
        let generations = Generations::new();
        let held = generations.of(&key());
        let mut seen = vec![held.stamp()];
        let changes: [fn(&Generations); 4] = [
            |all| all.invalidate(&key()),
            Generations::invalidate_all,
            |all| all.disable(&key()),
            |all| all.enable(&key()),
        ];
        for change in changes {
            change(&generations);
            assert!(!seen.contains(&held.stamp()));
            seen.push(held.stamp());
        }
        let disabled: Vec<_> = seen.iter().map(|stamp| stamp.is_disabled()).collect();
        assert_eq!(disabled, [false, false, false, true, false]);
    }

    #[test]
    fn pruning_keeps_what_is_referred_to_and_what_is_disabled() {
        let generations = Generations::new();
        let held = generations.of(&key());
        assert_eq!(generations.prune(), 0);
        drop(held);
        assert_eq!(generations.prune(), 1);
        let other = |digit: char| key().as_str().replace('6', &digit.to_string()).parse().unwrap();
        let held = generations.of(&key());
        generations.of(&other('7'));
        generations.of(&other('8'));
        assert_eq!(generations.prune(), 2);
        drop(held);
        assert_eq!(generations.prune(), 1);
        generations.disable(&key());
        assert_eq!(generations.prune(), 0);
        assert!(generations.of(&key()).stamp().is_disabled());
    }
}
