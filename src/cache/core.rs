//! `Core`: reuse for encrypt and memo for decrypt side by side, under one set of generations.

use std::sync::Arc;

use super::generation::Generations;
use super::metrics::Metrics;
use super::{Cache, ConfigError, Rules};
use crate::envelope::KeyArn;
use crate::units::Timestamp;

/// The two caches of a client: one reuses data keys that seal, one remembers data keys that open.
///
/// They have rules and capacities of their own. Invalidating or disabling a KMS key reaches both.
#[derive(Clone, Debug)]
pub struct Core<C> {
    /// Reuse under limits of age, uses and bytes.
    pub encrypt: C,
    /// Memo under a limit of age.
    pub decrypt: C,
}

impl<C: Cache> Core<C> {
    /// Two caches that `make` makes from their rules over one set of generations.
    ///
    /// # Errors
    /// [`ConfigError`] of `make`.
    pub fn new(
        encrypt: Rules,
        decrypt: Rules,
        make: impl Fn(Rules, Arc<Generations>) -> Result<C, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let generations = Generations::new();
        Ok(Self { encrypt: make(encrypt, Arc::clone(&generations))?, decrypt: make(decrypt, generations)? })
    }

    /// Drops every key that may not be used any more. Gives how many.
    pub fn sweep(&mut self, now: Timestamp) -> usize {
        self.encrypt.sweep(now) + self.decrypt.sweep(now)
    }

    /// Drops all keys under `key`, and what is on its way.
    pub fn invalidate(&mut self, key: &KeyArn, now: Timestamp) {
        self.encrypt.invalidate(key, now);
        self.decrypt.invalidate(key, now);
    }

    /// Drops all keys, and what is on its way.
    pub fn invalidate_all(&mut self, now: Timestamp) {
        self.encrypt.invalidate_all(now);
        self.decrypt.invalidate_all(now);
    }

    /// Drops all keys under `key`, and refuses every request under it until [`Self::enable`].
    pub fn disable(&mut self, key: &KeyArn, now: Timestamp) {
        self.encrypt.disable(key, now);
        self.decrypt.disable(key, now);
    }

    /// Takes a [`Self::disable`] back. Keys from before stay unusable.
    pub fn enable(&mut self, key: &KeyArn) {
        self.encrypt.enable(key);
    }

    /// What both did.
    pub fn metrics(&self) -> Metrics {
        let mut sum = self.encrypt.metrics();
        sum.add(&self.decrypt.metrics());
        sum
    }
}
