//! What can be seen of a run while it goes on: counters that anybody may read, written without waiting.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::units::Span;

/// Steps in a power of two: a percentile so far is at most an eighth above the true one.
const STEPS: u64 = 8;
const BUCKETS: usize = 64 * 8;

/// How far a run is, for whoever watches it; and the way to end it early.
#[derive(Debug, Default)]
pub struct Progress {
    /// Objects that the population of the run has.
    pub to_seal: AtomicU64,
    /// Those of them that are sealed, and written where there is a directory.
    pub sealed: AtomicU64,
    /// Nanoseconds of the schedule that are over.
    pub elapsed_ns: AtomicU64,
    /// Requests that ended, dropped ones included.
    pub ended: AtomicU64,
    /// Throttled answers of KMS.
    pub throttled: AtomicU64,
    /// Calls sent to KMS.
    pub kms_calls: AtomicU64,
    /// Response times so far.
    pub times: Times,
    /// Set to release nothing any more; what has ended by then makes a valid report.
    pub interrupted: AtomicBool,
}

/// Response times, counted by eighths of powers of two: for a look in passing, never for a report.
#[derive(Debug)]
pub struct Times([AtomicU64; BUCKETS]);

impl Default for Times {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Times {
    /// Counts `span`.
    pub fn record(&self, span: Span) {
        self.0[bucket(span.as_nanos())].fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    /// What `per_mille` of 1,000 did not pass; none while nothing was counted.
    pub fn quantile(&self, per_mille: u64) -> Option<Span> {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let mut left = (total * per_mille).div_ceil(1_000).max(1);
        for (place, count) in counts.iter().enumerate() {
            if left <= *count {
                return Some(Span::from_nanos(top(place)));
            }
            left -= count;
        }
        None
    }
}

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(1);
    let power = u64::from(nanos.ilog2());
    // The three bits below the highest.
    let step =
        if power >= 3 { (nanos >> (power - 3)) & (STEPS - 1) } else { (nanos << (3 - power)) & (STEPS - 1) };
    usize::try_from(power * STEPS + step).expect("below 512")
}

/// The upper end of a bucket.
fn top(place: usize) -> u64 {
    let (power, step) = (place as u64 / STEPS, place as u64 % STEPS);
    let end = (u128::from(STEPS + step + 1) << power) / u128::from(STEPS);
    u64::try_from(end).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_so_far_is_at_most_an_eighth_above_the_true_one() {
        let times = Times::default();
        assert_eq!(times.quantile(500), None);
        (1..=10_000_u64).for_each(|n| times.record(Span::from_micros(n)));
        for per_mille in [1, 500, 990, 1_000] {
            let truth = per_mille * 10_000;
            let found = times.quantile(per_mille).unwrap().as_nanos();
            assert!(found >= truth && found <= truth + truth / 8 + 1, "{per_mille}: {found} for {truth}");
        }
        times.clear();
        assert_eq!(times.quantile(500), None);
        for nanos in [0, 1, 7, u64::MAX] {
            times.record(Span::from_nanos(nanos));
        }
        assert_eq!(times.quantile(1_000), Some(Span::MAX));
    }
}
