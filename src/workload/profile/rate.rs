//! Requests over time: exact counts by second, and a series for the eye.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most seconds that are kept: 48 days without a quiet second, about 130 MB.
const SECONDS_MAX: usize = 1 << 22;
/// Most points of the series.
const POINTS_MAX: usize = 1_024;

/// Requests, and KMS calls that they make under SSE-KMS without a Bucket Key, by second.
///
/// Beyond 4,194,304 busy seconds a sample of them is kept, by a hash of the second: every part of a log keeps the same
/// ones, so merging stays exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seconds {
    level: u32,
    counts: BTreeMap<u64, (u64, u64)>,
    #[serde(skip)]
    current: Option<(u64, (u64, u64))>,
}

fn zeros(second: u64) -> u32 {
    // Fibonacci hashing: the upper bits of neighbours differ.
    second.wrapping_mul(0x9E37_79B9_7F4A_7C15).leading_zeros()
}

impl Seconds {
    /// Counts requests and their KMS calls in `second`.
    pub fn record(&mut self, second: u64, requests: u64, kms: u64) {
        if let Some((at, counts)) = &mut self.current
            && *at == second
        {
            *counts = (counts.0 + requests, counts.1 + kms);
            return;
        }
        self.settle();
        self.current = Some((second, (requests, kms)));
    }

    /// Puts the second under way to the others.
    pub fn settle(&mut self) {
        if let Some((second, counts)) = self.current.take() {
            self.add(second, counts);
            self.fit();
        }
    }

    fn add(&mut self, second: u64, counts: (u64, u64)) {
        if zeros(second) >= self.level {
            let there = self.counts.entry(second).or_default();
            *there = (there.0 + counts.0, there.1 + counts.1);
        }
    }

    fn fit(&mut self) {
        while self.counts.len() > SECONDS_MAX {
            self.level += 1;
            let level = self.level;
            self.counts.retain(|second, _| zeros(*second) >= level);
        }
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.settle();
        self.level = self.level.max(other.level);
        let level = self.level;
        self.counts.retain(|second, _| zeros(*second) >= level);
        for (second, counts) in &other.counts {
            self.add(*second, *counts);
        }
        if let Some((second, counts)) = other.current {
            self.add(second, counts);
        }
        self.fit();
    }

    /// One second in how many is kept.
    pub fn one_in(&self) -> u64 {
        1 << self.level.min(63)
    }

    /// The seconds that are kept: second, requests, KMS calls.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.counts.iter().map(|(second, (requests, kms))| (*second, *requests, *kms))
    }
}

/// Requests by stretches of 2^n seconds, as fine as 1,024 busy stretches allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// The n of 2^n seconds.
    fineness: u32,
    counts: BTreeMap<u64, u64>,
}

impl Series {
    /// Counts `requests` in `second`.
    pub fn record(&mut self, second: u64, requests: u64) {
        *self.counts.entry(second >> self.fineness).or_default() += requests;
        self.fit();
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.coarsen(other.fineness);
        for (stretch, requests) in &other.counts {
            *self.counts.entry(stretch >> (self.fineness - other.fineness)).or_default() += requests;
        }
        self.fit();
    }

    fn fit(&mut self) {
        while self.counts.len() > POINTS_MAX {
            self.coarsen(self.fineness + 1);
        }
    }

    fn coarsen(&mut self, fineness: u32) {
        if fineness > self.fineness {
            let by = fineness - self.fineness;
            let mut coarse = BTreeMap::new();
            for (stretch, requests) in &self.counts {
                *coarse.entry(stretch >> by).or_default() += requests;
            }
            (self.fineness, self.counts) = (fineness, coarse);
        }
    }

    /// Seconds of a stretch.
    pub fn step(&self) -> u64 {
        1 << self.fineness
    }

    /// First second and requests of each stretch with requests.
    pub fn points(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().map(|(stretch, requests)| (stretch << self.fineness, *requests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_in_any_order_are_the_whole(
            seconds in prop::collection::vec(0_u64..100_000, 0..2_000),
            cut in 0_usize..2_000,
        ) {
            let of = |seconds: &[u64]| {
                let (mut by_second, mut series) = (Seconds::default(), Series::default());
                for second in seconds {
                    by_second.record(*second, 1, 2);
                    series.record(*second, 1);
                }
                by_second.settle();
                (by_second, series)
            };
            let (left, right) = seconds.split_at(cut.min(seconds.len()));
            let (mut a, mut b) = (of(left), of(right));
            a.0.merge(&of(right).0);
            a.1.merge(&of(right).1);
            b.0.merge(&of(left).0);
            b.1.merge(&of(left).1);
            prop_assert_eq!(&a, &of(&seconds));
            prop_assert_eq!(a, b);
        }
    }
}
