//! Names as 64-bit digests, the same on every machine, and tables keyed by them.

use std::hash::{BuildHasherDefault, Hasher};

use twox_hash::XxHash3_64;

/// A 64-bit digest is its own hash.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::workload) struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("digests are u64");
    }
    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

/// A table by digest.
pub(in crate::workload) type Digested<V> = hashbrown::HashMap<u64, V, BuildHasherDefault<Plain>>;
/// A set of digests.
pub(in crate::workload) type Digests = hashbrown::HashSet<u64, BuildHasherDefault<Plain>>;

/// The digest of `text`: XXH3, 64 bits. Two of a million names share one with probability 3 × 10⁻⁸.
///
/// Source: xxHash specification, XXH3 (docs/SOURCES.md).
pub(in crate::workload) fn digest(text: &str) -> u64 {
    XxHash3_64::oneshot(text.as_bytes())
}

/// The digest of an object: its key under its bucket's digest.
pub(in crate::workload) fn digest_within(bucket: u64, key: &str) -> u64 {
    XxHash3_64::oneshot_with_seed(bucket, key.as_bytes())
}
