//! What happened in each second, found by number without hashing.

use std::ops::AddAssign;

/// Seconds that are kept side by side.
const BLOCK: usize = 64;

/// Counts of one second of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    /// Requests due in this second.
    pub(super) offered: u64,
    /// Of these, those that succeeded, whenever they ended.
    pub(super) completed: u64,
    /// Of these, those that started and failed.
    pub(super) failed: u64,
    /// Of these, those that never started.
    pub(super) dropped: u64,
    /// KMS calls sent in this second.
    pub(super) kms_calls: u64,
    /// Of these, those that KMS throttled.
    pub(super) throttled: u64,
    /// Requests due in this second whose data key was cached.
    pub(super) cached: u64,
    /// Those that joined another's fetch.
    pub(super) joined: u64,
    /// Those that fetched.
    pub(super) fetched: u64,
}

impl AddAssign for Second {
    fn add_assign(&mut self, other: Self) {
        let pairs = [
            (&mut self.offered, other.offered),
            (&mut self.completed, other.completed),
            (&mut self.failed, other.failed),
            (&mut self.dropped, other.dropped),
            (&mut self.kms_calls, other.kms_calls),
            (&mut self.throttled, other.throttled),
            (&mut self.cached, other.cached),
            (&mut self.joined, other.joined),
            (&mut self.fetched, other.fetched),
        ];
        for (ours, theirs) in pairs {
            *ours = ours.saturating_add(theirs);
        }
    }
}

/// Seconds in blocks of 64, sorted; blocks exist where something happened, so a clock may start anywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    blocks: Vec<(u64, Box<[Second; BLOCK]>)>,
    /// Where the last second was found: the next one is nearly always there, too.
    last: usize,
}

impl Series {
    /// The counts of second `second`.
    pub(super) fn at(&mut self, second: u64) -> &mut Second {
        let (number, offset) = (second / BLOCK as u64, second % BLOCK as u64);
        if self.blocks.get(self.last).is_none_or(|(held, _)| *held != number) {
            self.last =
                self.blocks.binary_search_by_key(&number, |(held, _)| *held).unwrap_or_else(|place| {
                    self.blocks.insert(place, (number, Box::new([Second::default(); BLOCK])));
                    place
                });
        }
        &mut self.blocks[self.last].1[usize::try_from(offset).expect("below 64")]
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (second, counts) in other.iter() {
            *self.at(second) += counts;
        }
    }

    /// Seconds in which something happened, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Second)> + '_ {
        self.blocks.iter().flat_map(|(number, block)| {
            let first = number * BLOCK as u64;
            let seconds = block.iter().zip(first..=u64::MAX);
            seconds.filter(|(counts, _)| **counts != Second::default()).map(|(counts, n)| (n, *counts))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_come_back_in_order_whatever_order_they_came_in() {
        let mut series = Series::default();
        for second in [u64::MAX, 70, 3, 18_446_744_073, 3, 0] {
            series.at(second).offered += 1;
        }
        let seen: Vec<_> = series.iter().map(|(second, counts)| (second, counts.offered)).collect();
        assert_eq!(seen, [(0, 1), (3, 2), (70, 1), (18_446_744_073, 1), (u64::MAX, 1)]);
    }

    #[test]
    fn adding_seconds_saturates() {
        let mut full = Second { offered: u64::MAX, ..Second::default() };
        full += Second { offered: 1, throttled: 2, ..Second::default() };
        assert_eq!((full.offered, full.throttled), (u64::MAX, 2));
    }
}
