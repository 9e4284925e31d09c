//! How a length of time is distributed: a histogram that exists only once there is something in it.

use std::borrow::Cow;

use hdrhistogram::{Histogram, RecordError};
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// Decimal digits that a percentile keeps: three, so a percentile is at most 0.1 % above the true one.
const DIGITS: u8 = 3;
/// The histogram covers this much at first (216 KiB) and grows when more is recorded.
const FIRST_REACH: Span = Span::from_seconds(64);
/// So many spans are counted at once, so that their counters come from memory together: one by one, half of the time of a
/// record is waiting for its counter.
const PENDING: usize = 64;

/// A distribution of spans with three significant digits, mergeable without loss.
///
/// Zeros are counted apart, for they are common (a phase that did not occur, a simulation without lag) and need no
/// histogram; the maximum is kept exactly. Counts saturate.
///
/// Source: `HdrHistogram`, hdrhistogram.org (docs/SOURCES.md).
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    pub(super) zeros: u64,
    pub(super) max: u64,
    /// Of all spans, in nanoseconds.
    pub(super) sum: u64,
    pub(super) spans: Option<Box<Spans>>,
}

/// A histogram of spans other than zero, the last of which are still to be counted.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    counted: Histogram<u64>,
    pending: [u64; PENDING],
    held: usize,
}

impl Default for Spans {
    fn default() -> Self {
        Self { counted: empty(), pending: [0; PENDING], held: 0 }
    }
}

impl Spans {
    #[inline]
    fn record(&mut self, nanos: u64) {
        self.pending[self.held] = nanos;
        self.held += 1;
        if self.held == PENDING {
            self.count();
        }
    }

    #[inline(never)]
    fn count(&mut self) {
        for &nanos in &self.pending[..self.held] {
            if self.counted.record(nanos).is_err() {
                // Only where usize is too narrow for the grown array; the maximum is exact all the same.
                self.counted.saturating_record(nanos);
            }
        }
        self.held = 0;
    }

    fn all(&self) -> Cow<'_, Histogram<u64>> {
        if self.held == 0 {
            return Cow::Borrowed(&self.counted);
        }
        let mut all = self.clone();
        all.count();
        Cow::Owned(all.counted)
    }
}

impl Distribution {
    /// Counts `span`.
    pub fn record(&mut self, span: Span) {
        let nanos = span.as_nanos();
        if nanos == 0 {
            self.zeros = self.zeros.saturating_add(1);
            return;
        }
        self.max = self.max.max(nanos);
        self.sum = self.sum.saturating_add(nanos);
        self.spans.get_or_insert_default().record(nanos);
    }

    /// Counts `count` spans of `nanos`, which are in `max` and `sum` already.
    ///
    /// # Errors
    /// Only where usize is too narrow for the grown array.
    pub(super) fn restore(&mut self, nanos: u64, count: u64) -> Result<(), RecordError> {
        self.spans.get_or_insert_default().counted.record_n(nanos, count)
    }

    /// Those other than zero.
    fn histogram(&self) -> Option<Cow<'_, Histogram<u64>>> {
        self.spans.as_ref().map(|spans| spans.all())
    }

    /// Adds what `other` counted; the order of merges makes no difference.
    pub fn merge(&mut self, other: &Self) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
        if let Some(theirs) = other.histogram() {
            let ours = &mut self.spans.get_or_insert_default().counted;
            ours.add(theirs.as_ref()).expect("a growing histogram takes any value");
        }
    }

    /// How many spans were counted.
    pub fn count(&self) -> u64 {
        let others =
            self.spans.as_ref().map_or(0, |spans| spans.counted.len().saturating_add(spans.held as u64));
        self.zeros.saturating_add(others)
    }

    /// The figures of a report.
    pub fn percentiles(&self) -> Percentiles {
        let count = self.count();
        let at = |per_mille| self.at(rank(count, per_mille));
        Percentiles { count, p50: at(500), p90: at(900), p99: at(990), p999: at(999), max: self.max }
    }

    /// The arithmetic mean, rounded to nanoseconds; none when nothing was counted.
    pub fn mean(&self) -> Option<Span> {
        let count = self.count();
        (count > 0).then(|| Span::from_nanos(self.sum / count))
    }

    /// The smallest length that `per_100_000` of the spans do not pass, by nearest rank; of none 0.
    pub fn quantile(&self, per_100_000: u32) -> Span {
        let exact = (u128::from(self.count()) * u128::from(per_100_000)).div_ceil(100_000);
        Span::from_nanos(self.at(u64::try_from(exact).unwrap_or(u64::MAX).min(self.count())))
    }

    /// Its steps in order: how many spans are at most so long, and how long that is. The last is the maximum.
    pub(super) fn steps(&self) -> Vec<(u64, u64)> {
        let mut steps = Vec::new();
        let mut sum = self.zeros;
        if sum > 0 {
            steps.push((sum, 0));
        }
        if let Some(spans) = self.histogram() {
            for step in spans.iter_recorded() {
                sum = sum.saturating_add(step.count_at_value());
                steps.push((sum, spans.highest_equivalent(step.value_iterated_to()).min(self.max)));
            }
        }
        steps
    }

    /// The whole distribution as one histogram of nanoseconds, the same whatever was merged in which order.
    pub fn to_histogram(&self) -> Histogram<u64> {
        let reach = self.max.max(FIRST_REACH.as_nanos());
        let mut whole = Histogram::new_with_max(reach, DIGITS).expect("within the crate's bounds");
        if let Some(spans) = self.histogram() {
            // Near u64::MAX a step ends above the maximum that it was made for: let it grow.
            whole.auto(true);
            whole.add(spans.as_ref()).expect("a growing histogram takes any value");
        }
        whole.record_n(0, self.zeros).expect("zero is within every range");
        whole
    }

    /// The value of rank `rank`, counting from 1: the upper end of its step, but never above the maximum; for the
    /// last rank the maximum itself.
    fn at(&self, rank: u64) -> u64 {
        if rank == self.count() {
            return self.max;
        }
        match self.histogram() {
            Some(spans) if rank > self.zeros => {
                let mut left = rank - self.zeros;
                for step in spans.iter_recorded() {
                    let here = step.count_at_value();
                    if left <= here {
                        return spans.highest_equivalent(step.value_iterated_to()).min(self.max);
                    }
                    left -= here;
                }
                self.max
            }
            _ => 0,
        }
    }
}

pub(super) fn empty() -> Histogram<u64> {
    let mut spans =
        Histogram::new_with_max(FIRST_REACH.as_nanos(), DIGITS).expect("constant, within the crate's bounds");
    spans.auto(true);
    spans
}

/// `⌈count × per_mille ÷ 1000⌉` in integers: a float would miss the rank of large counts.
fn rank(count: u64, per_mille: u64) -> u64 {
    let exact = (u128::from(count) * u128::from(per_mille)).div_ceil(1_000);
    u64::try_from(exact).expect("at most the count")
}

/// Percentiles of a length of time, in whole nanoseconds. All zero when nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many requests (or calls) stand behind the figures.
    pub count: u64,
    /// The median: half took no longer.
    pub p50: u64,
    /// 90 % took no longer.
    pub p90: u64,
    /// 99 % took no longer.
    pub p99: u64,
    /// 99.9 % took no longer.
    pub p999: u64,
    /// The longest, exactly.
    pub max: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_distribution_holds_no_histogram_and_says_zero() {
        let nothing = Distribution::default();
        assert!(nothing.spans.is_none());
        assert_eq!(nothing.percentiles(), Percentiles::default());
        assert_eq!(nothing.to_histogram().len(), 0);
    }

    #[test]
    fn zeros_need_no_histogram_and_count_all_the_same() {
        let mut mostly_zero = Distribution::default();
        (0..99).for_each(|_| mostly_zero.record(Span::ZERO));
        assert!(mostly_zero.spans.is_none());
        mostly_zero.record(Span::from_millis(5));
        let figures = mostly_zero.percentiles();
        assert_eq!((figures.count, figures.p99, figures.p999), (100, 0, 5_000_000));
        assert_eq!(mostly_zero.to_histogram().len(), 100);
    }

    /// However many of the last spans are still to be counted, all of them are in every figure.
    #[test]
    fn spans_count_from_when_they_are_recorded() {
        let mut some = Distribution::default();
        for n in 1..=3 * PENDING as u64 {
            some.record(Span::from_nanos(n));
            let figures = some.percentiles();
            assert_eq!((figures.count, figures.p50, figures.max), (n, n.div_ceil(2), n));
            assert_eq!((some.to_histogram().len(), some.steps().len() as u64), (n, n));
            let mut twice = some.clone();
            twice.merge(&some);
            assert_eq!(
                (twice.count(), twice.percentiles().p50, twice.sum),
                (2 * n, n.div_ceil(2), n * (n + 1))
            );
        }
    }

    #[test]
    fn the_longest_span_that_there_is_fits() {
        let mut extreme = Distribution::default();
        extreme.record(Span::MAX);
        extreme.record(Span::from_nanos(1));
        assert_eq!(extreme.percentiles().max, u64::MAX);
        assert_eq!(extreme.percentiles().p50, 1);
        let mut other = Distribution::default();
        other.record(Span::from_nanos(7));
        other.merge(&extreme);
        assert_eq!((other.count(), other.percentiles().p999), (3, u64::MAX));
    }

    #[test]
    fn ranks_are_those_of_the_nearest_rank_method() {
        assert_eq!([0, 1, 2, 999, 1_000, 1_001].map(|n| rank(n, 500)), [0, 1, 1, 500, 500, 501]);
        assert_eq!(rank(u64::MAX, 999), u64::MAX - u64::MAX / 1_000);
    }
}
