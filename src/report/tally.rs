//! What members of a run caused, by their number: KMS calls and S3 requests per bucket, principal or KMS key.

use std::collections::BTreeMap;

use super::summary::S3Requests;

/// Numbers below this are kept in a vector; a run that names more members pays for a tree.
const DENSE: u32 = 1 << 16;

/// Counts of one member.
pub(super) trait Count: Copy + Default + PartialEq {
    fn add(&mut self, other: Self);
}

/// KMS calls sent, those of them that were throttled, and those that cost money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) sent: u64,
    pub(super) throttled: u64,
    pub(super) billed: u64,
}

impl Count for Calls {
    fn add(&mut self, other: Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.throttled = self.throttled.saturating_add(other.throttled);
        self.billed = self.billed.saturating_add(other.billed);
    }
}

impl Count for S3Requests {
    fn add(&mut self, other: Self) {
        let pairs = self.requests.iter_mut().zip(other.requests);
        pairs.for_each(|(ours, theirs)| *ours = ours.saturating_add(theirs));
        self.crypto_bytes = self.crypto_bytes.saturating_add(other.crypto_bytes);
    }
}

/// Counts by the number of the member that caused them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally<C> {
    dense: Vec<C>,
    sparse: BTreeMap<u32, C>,
}

impl<C: Count> Tally<C> {
    pub(super) fn at(&mut self, member: u32) -> &mut C {
        if member >= DENSE {
            return self.sparse.entry(member).or_default();
        }
        let place = member as usize;
        if place >= self.dense.len() {
            self.dense.resize(place + 1, C::default());
        }
        &mut self.dense[place]
    }

    pub(super) fn add(&mut self, member: u32, count: C) {
        self.at(member).add(count);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (member, count) in other.iter() {
            self.add(member, count);
        }
    }

    /// Members that caused something, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, C)> + '_ {
        let dense = (0..DENSE).zip(&self.dense).filter(|(_, count)| **count != C::default());
        let sparse = self.sparse.iter().map(|(member, count)| (*member, count));
        dense.chain(sparse).map(|(member, count)| (member, *count))
    }
}

/// Members that caused a KMS call or an S3 request; the one with the most calls first, then with the most requests, then
/// the lower number.
pub(super) fn ranked(calls: &Tally<Calls>, s3: Option<&Tally<S3Requests>>) -> Vec<(u32, Calls, S3Requests)> {
    let mut members: BTreeMap<u32, (Calls, S3Requests)> =
        calls.iter().map(|(member, calls)| (member, (calls, S3Requests::default()))).collect();
    for (member, requests) in s3.into_iter().flat_map(Tally::iter) {
        members.entry(member).or_default().1 = requests;
    }
    let mut members: Vec<_> = members.into_iter().map(|(member, (calls, s3))| (member, calls, s3)).collect();
    members.sort_by_key(|(member, calls, s3)| {
        (std::cmp::Reverse((calls.sent, calls.throttled, s3.count())), *member)
    });
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_any_number_are_counted_without_room_for_those_between() {
        let mut tally: Tally<Calls> = Tally::default();
        for member in [5, u32::MAX, 5, DENSE, DENSE - 1] {
            tally.add(member, Calls { sent: 1, ..Calls::default() });
        }
        let mut twice = tally.clone();
        twice.merge(&tally);
        let seen: Vec<_> = twice.iter().map(|(member, calls)| (member, calls.sent)).collect();
        assert_eq!(seen, [(5, 4), (DENSE - 1, 2), (DENSE, 2), (u32::MAX, 2)]);
    }
}
