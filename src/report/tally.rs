//! KMS calls and throttles per member of a run: per bucket, principal or KMS key.

use std::collections::BTreeMap;

/// Numbers below this are kept in a vector; a run that names more members pays for a tree.
const DENSE: u32 = 1 << 16;

/// KMS calls sent, those of them that were throttled, and those that cost money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) sent: u64,
    pub(super) throttled: u64,
    pub(super) billed: u64,
}

impl Calls {
    pub(super) fn add(&mut self, other: Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.throttled = self.throttled.saturating_add(other.throttled);
        self.billed = self.billed.saturating_add(other.billed);
    }
}

/// Calls by the number of the member that caused them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    dense: Vec<Calls>,
    sparse: BTreeMap<u32, Calls>,
}

impl Tally {
    pub(super) fn add(&mut self, member: u32, calls: Calls) {
        if member >= DENSE {
            return self.sparse.entry(member).or_default().add(calls);
        }
        let place = member as usize;
        if place >= self.dense.len() {
            self.dense.resize(place + 1, Calls::default());
        }
        self.dense[place].add(calls);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (member, calls) in other.iter() {
            self.add(member, calls);
        }
    }

    /// Members that caused a call, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Calls)> + '_ {
        let dense = (0..DENSE).zip(&self.dense).filter(|(_, calls)| calls.sent > 0);
        let sparse = self.sparse.iter().map(|(member, calls)| (*member, calls));
        dense.chain(sparse).map(|(member, calls)| (member, *calls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_any_number_are_counted_without_room_for_those_between() {
        let mut tally = Tally::default();
        for member in [5, u32::MAX, 5, DENSE, DENSE - 1] {
            tally.add(member, Calls { sent: 1, ..Calls::default() });
        }
        let mut twice = tally.clone();
        twice.merge(&tally);
        let seen: Vec<_> = twice.iter().map(|(member, calls)| (member, calls.sent)).collect();
        assert_eq!(seen, [(5, 4), (DENSE - 1, 2), (DENSE, 2), (u32::MAX, 2)]);
    }
}
