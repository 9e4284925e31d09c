//! What a cache did, as a snapshot: hits, joins, fetches, ends of keys, KMS calls made and avoided.

use std::fmt;
use std::sync::Arc;

use super::fingerprint::Fingerprint;
use crate::units::{Span, Timestamp};

/// Why a key left the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Its age passed `max_age`.
    Age,
    /// A use needed more bytes than were left.
    Bytes,
    /// It was the least recently used and its place was needed.
    Capacity,
    /// Its KMS key has a new generation.
    Invalidated,
    /// A refresh was answered `Denied`, `Disabled`, `Invalid` or `NotFound`.
    Refused,
    /// A refresh brought its successor.
    Replaced,
    /// No use was left.
    Uses,
}

impl End {
    /// Every cause, in the order of this enum.
    pub const ALL: [Self; 7] = [
        Self::Age,
        Self::Bytes,
        Self::Capacity,
        Self::Invalidated,
        Self::Refused,
        Self::Replaced,
        Self::Uses,
    ];
}

/// Counts by power of two: bucket 0 holds 0, bucket i the values from 2^(i−1) to 2^i − 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram([u64; 65]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; 65])
    }
}

impl Histogram {
    /// Counts one `value`.
    pub fn record(&mut self, value: u64) {
        self.0[(u64::BITS - value.leading_zeros()) as usize] += 1;
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The buckets that hold something, ascending: largest value that belongs there, and count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let largest = |i: usize| if i == 64 { u64::MAX } else { (1 << i) - 1 };
        self.0.iter().enumerate().filter(|(_, n)| **n > 0).map(move |(i, n)| (largest(i), *n))
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("≤ ")?;
        f.debug_map().entries(self.buckets()).finish()
    }
}

/// What a cache did since it was made. Plain sums: snapshots of several caches add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Keys handed out at the first asking.
    pub hits: u64,
    /// Keys handed out to requests that had waited for a flight.
    pub resumed: u64,
    /// Keys handed to the one request that they were fetched for.
    pub own: u64,
    /// Askings that found no usable key and led a flight.
    pub misses: u64,
    /// Askings that joined a flight.
    pub joins: u64,
    /// Refreshes begun.
    pub refreshes: u64,
    /// Askings answered by a remembered failure or a disabled KMS key.
    pub negative_hits: u64,
    /// Askings told to wait until KMS accepts calls again.
    pub paced: u64,
    /// Fetches that failed.
    pub failures: u64,
    /// Fetches whose key was dropped: sent under an older generation, or overtaken.
    pub dropped: u64,
    /// KMS calls sent, retries and throttled ones included.
    pub calls: u64,
    /// Keys that left, by cause, in the order of [`End::ALL`].
    pub ends: [u64; End::ALL.len()],
    /// Uses that keys had when they left.
    pub uses_at_end: Histogram,
    /// Ages, in ns, that keys had when they left.
    pub age_at_end: Histogram,
}

impl Metrics {
    /// Keys handed out in all.
    pub const fn uses(&self) -> u64 {
        self.hits + self.resumed + self.own
    }

    /// KMS calls that would have been made with a call per use, less those made; 0 when failures cost more.
    pub const fn calls_avoided(&self) -> u64 {
        self.uses().saturating_sub(self.calls)
    }

    /// Share of askings that were answered at once, 0–1; 0 when nothing was asked.
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 53 bits")]
    pub fn hit_ratio(&self) -> f64 {
        let asked = self.hits + self.misses + self.joins + self.negative_hits + self.paced;
        if asked == 0 { 0.0 } else { self.hits as f64 / asked as f64 }
    }

    /// Keys that left because of `end`.
    pub const fn ended(&self, end: End) -> u64 {
        self.ends[end as usize]
    }

    /// Adds what another cache, or another part of one, did.
    pub fn add(&mut self, other: &Self) {
        let Self {
            hits,
            resumed,
            own,
            misses,
            joins,
            refreshes,
            negative_hits,
            paced,
            failures,
            dropped,
            calls,
            ends,
            uses_at_end,
            age_at_end,
        } = other;
        self.hits += hits;
        self.resumed += resumed;
        self.own += own;
        self.misses += misses;
        self.joins += joins;
        self.refreshes += refreshes;
        self.negative_hits += negative_hits;
        self.paced += paced;
        self.failures += failures;
        self.dropped += dropped;
        self.calls += calls;
        for (mine, theirs) in self.ends.iter_mut().zip(ends) {
            *mine += theirs;
        }
        self.uses_at_end.add(uses_at_end);
        self.age_at_end.add(age_at_end);
    }

    pub(super) fn end(&mut self, end: End, uses: u64, age: Span) {
        self.ends[end as usize] += 1;
        self.uses_at_end.record(uses);
        self.age_at_end.record(age.as_nanos());
    }
}

/// One use of a data key, which KMS does not see when the key was cached.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// What the key is filed under.
    pub fingerprint: &'a Fingerprint,
    /// Plaintext bytes; `None` when their number was unknown.
    pub bytes: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// When the KMS call that brought the key was sent.
    pub sent_at: Timestamp,
}

/// Told of every use of a data key. It runs on the path of the request, with no lock held.
#[derive(Clone)]
pub struct Audit(Arc<dyn Fn(Used<'_>) + Send + Sync>);

impl Audit {
    /// Calls `record` for every use.
    pub fn new(record: impl Fn(Used<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(record))
    }

    pub(super) fn record(&self, used: Used<'_>) {
        (self.0)(used);
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_by_powers_of_two_from_zero_to_the_largest_value() {
        let mut histogram = Histogram::default();
        for value in [0, 1, 2, 3, 4, u64::MAX] {
            histogram.record(value);
        }
        assert_eq!(histogram.buckets().collect::<Vec<_>>(), [(0, 1), (1, 1), (3, 2), (7, 1), (u64::MAX, 1)]);
        assert_eq!(histogram.count(), 6);
    }

    #[test]
    fn causes_index_their_own_count() {
        let mut metrics = Metrics::default();
        for (i, end) in End::ALL.into_iter().enumerate() {
            metrics.end(end, 1, Span::ZERO);
            assert_eq!((end as usize, metrics.ended(end)), (i, 1));
        }
    }
}
