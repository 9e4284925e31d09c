//! Counts by size, each step at most 0.1 % wide: a log-linear histogram that merges without loss.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Binary digits that a value keeps: steps of 2⁻¹⁰ of the value, less than 0.1 %.
const DIGITS: u32 = 11;

/// How many values fell into each step. At most 54 × 1,024 steps, whatever is counted.
///
/// Source: the steps are `HdrHistogram`'s with 2,048 sub-buckets (docs/SOURCES.md).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// By the lowest value of the step.
    steps: BTreeMap<u64, u64>,
    /// The largest value, exactly.
    max: u64,
    /// The sum, exactly up to 2⁶⁴ − 1, beyond which JSON has no whole numbers: it stays there.
    sum: u64,
}

impl Histogram {
    /// Counts `value`, `times` over.
    pub fn record(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        let shift = (64 - value.leading_zeros()).saturating_sub(DIGITS);
        *self.steps.entry(value >> shift << shift).or_default() += times;
        self.max = self.max.max(value);
        self.sum = self.sum.saturating_add(value.saturating_mul(times));
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        for (step, count) in &other.steps {
            *self.steps.entry(*step).or_default() += count;
        }
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.steps.values().sum()
    }

    /// The largest.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The sum, at most 2⁶⁴ − 1.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The value of nearest rank `per_mille` ÷ 1,000, at most 0.1 % above the true one; 0 when nothing was counted.
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let count = u128::from(self.count());
        let mut left = (count * u128::from(per_mille)).div_ceil(1_000);
        if left >= count {
            return self.max;
        }
        for (step, here) in &self.steps {
            let here = u128::from(*here);
            if left <= here {
                let shift = (64 - step.leading_zeros()).saturating_sub(DIGITS);
                return (step + ((1 << shift) - 1)).min(self.max);
            }
            left -= here;
        }
        self.max
    }

    /// Lowest value and count of each step that holds something, ascending.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> {
        self.steps.iter().map(|(step, count)| (*step, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_lie_at_most_a_thousandth_above_those_of_the_sorted_values(
            mut values in prop::collection::vec(any::<u64>().prop_map(|v| v >> (v % 64)), 1..200),
            per_mille in 0_u64..=1_000,
        ) {
            let mut histogram = Histogram::default();
            for value in &values {
                histogram.record(*value, 1);
            }
            values.sort_unstable();
            let rank = (values.len() as u64 * per_mille).div_ceil(1_000).max(1) as usize;
            let (true_one, found) = (values[rank - 1], histogram.quantile(per_mille));
            prop_assert!(found >= true_one && u128::from(found) <= u128::from(true_one) * 1_001 / 1_000);
        }

        #[test]
        fn parts_in_any_order_are_the_whole(values in prop::collection::vec(any::<u64>(), 0..100), cut in 0_usize..100) {
            let of = |values: &[u64]| {
                let mut histogram = Histogram::default();
                for value in values {
                    histogram.record(*value, 1);
                }
                histogram
            };
            let (left, right) = values.split_at(cut.min(values.len()));
            let (mut a, mut b) = (of(left), of(right));
            b.merge(&of(left));
            a.merge(&of(right));
            prop_assert_eq!(&a, &of(&values));
            prop_assert_eq!(a, b);
        }
    }
}
