//! A value that changes at known instants: what held at any time follows from the time alone.

use crate::units::Timestamp;

/// A value from the start of the clock, and the values that follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timeline<T> {
    first: T,
    /// In the order of their instants; of two changes at one instant, the later one made holds.
    changes: Vec<(Timestamp, T)>,
}

impl<T> Timeline<T> {
    pub(super) const fn new(first: T) -> Self {
        Self { first, changes: Vec::new() }
    }

    /// The value from `at` on, until the next change.
    pub(super) fn set(&mut self, at: Timestamp, value: T) {
        let index = self.changes.partition_point(|(t, _)| *t <= at);
        self.changes.insert(index, (at, value));
    }

    /// What holds at `now`; a change at an instant holds in that instant.
    pub(super) fn at(&self, now: Timestamp) -> &T {
        // Most timelines never change, and most of the others ask about the end.
        match self.changes.last() {
            None => &self.first,
            Some((t, value)) if *t <= now => value,
            _ => {
                let index = self.changes.partition_point(|(t, _)| *t <= now);
                if index == 0 { &self.first } else { &self.changes[index - 1].1 }
            }
        }
    }

    /// The changes after `now`, in order.
    pub(super) fn after(&self, now: Timestamp) -> &[(Timestamp, T)] {
        &self.changes[self.changes.partition_point(|(t, _)| *t <= now)..]
    }

    /// Every value with the instant from which it holds.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Timestamp, &T)> {
        std::iter::once((Timestamp::ZERO, &self.first)).chain(self.changes.iter().map(|(t, v)| (*t, v)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_holds_from_its_instant_to_the_next_in_whatever_order_they_were_made() {
        let mut line = Timeline::new('a');
        let at = Timestamp::from_seconds;
        line.set(at(20), 'c');
        line.set(at(10), 'b');
        line.set(at(10), 'B');
        let seen: String = [0, 9, 10, 19, 20, 99].map(|t| *line.at(at(t))).iter().collect();
        assert_eq!(seen, "aaBBcc");
        assert_eq!(line.after(at(10)), [(at(20), 'c')]);
    }
}
