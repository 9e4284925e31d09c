//! The event queue: first by time, then effects before causes, then by order of entry.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::units::Timestamp;

/// What is due at an instant, in a fixed order.
#[derive(Debug)]
pub(crate) struct EventQueue<E> {
    heap: BinaryHeap<Entry<E>>,
    entered: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Timestamp,
    /// Within an instant: effects on objects by their number, then everything else as it was entered.
    turn: u64,
    event: E,
}

/// Turns of events that are no effects start here.
const ORDINARY: u64 = 1 << 63;

impl<E> EventQueue<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), entered: ORDINARY }
    }

    /// An event after all others of its instant that were entered before.
    pub(crate) fn push(&mut self, at: Timestamp, event: E) {
        self.entered += 1;
        self.heap.push(Entry { at, turn: self.entered, event });
    }

    /// An effect of arrival `number`: before all ordinary events of its instant, whenever it was entered.
    pub(crate) fn push_effect(&mut self, at: Timestamp, number: u64, event: E) {
        debug_assert!(number < ORDINARY);
        self.heap.push(Entry { at, turn: number, event });
    }

    /// When the next event is due.
    #[inline]
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.heap.peek().map(|entry| entry.at)
    }

    pub(crate) fn pop(&mut self) -> Option<(Timestamp, E)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    /// Reversed: the heap's largest is the next.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.turn).cmp(&(self.at, self.turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_effects_then_in_order_of_entry() {
        let mut queue = EventQueue::new();
        let at = Timestamp::from_seconds;
        queue.push(at(2), 'd');
        queue.push(at(1), 'b');
        queue.push(at(2), 'e');
        queue.push(at(1), 'c');
        queue.push_effect(at(1), 7, 'a');
        assert_eq!(queue.next_at(), Some(at(1)));
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(order, "abcde");
    }
}
