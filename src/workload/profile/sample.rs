//! A sample of names by their digests: which names are in it does not depend on the order or on the part of the log.
//!
//! A name is in the sample of level L when its digest begins with L zero bits. The level rises when the sample grows over
//! its capacity and never falls, so two parts of a log end up with the same members as the whole, with exact counts.
//! Distinct names are estimated as members × 2^L; the standard error is 1 ÷ √members, at level 0 nothing.
//!
//! Source: adaptive sampling, Flajolet 1990 (docs/SOURCES.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    /// Zero bits with which its digest begins. Kept apart, so that an anonymised sample still merges.
    zeros: u32,
    /// Requests.
    pub count: u64,
    /// When it was last asked for, in ns; not part of the profile.
    #[serde(skip)]
    pub last: u64,
}

/// The sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    level: u32,
    capacity: usize,
    members: BTreeMap<u64, Member>,
}

/// An estimate of a number of distinct names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Distinct {
    /// How many.
    pub count: u64,
    /// Relative standard error; 0 when the count is exact.
    pub standard_error: f64,
}

impl Sample {
    /// An empty sample of at most `capacity` members.
    pub fn new(capacity: usize) -> Self {
        Self { level: 0, capacity: capacity.max(1), members: BTreeMap::new() }
    }

    /// Counts `times` requests for the name of `digest` at `now`; gives the time of the last one before, for members.
    pub fn record(&mut self, digest: u64, times: u64, now: u64) -> Option<u64> {
        let zeros = digest.leading_zeros();
        if zeros < self.level {
            return None;
        }
        if let Some(member) = self.members.get_mut(&digest) {
            member.count += times;
            let before = member.last;
            member.last = before.max(now);
            return Some(before);
        }
        self.members.insert(digest, Member { zeros, count: times, last: now });
        self.fit();
        None
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.level = self.level.max(other.level);
        self.capacity = self.capacity.min(other.capacity);
        for (digest, theirs) in &other.members {
            let ours = self.members.entry(*digest).or_insert(Member { count: 0, ..theirs.clone() });
            ours.count += theirs.count;
            ours.last = ours.last.max(theirs.last);
        }
        let level = self.level;
        self.members.retain(|_, member| member.zeros >= level);
        self.fit();
    }

    fn fit(&mut self) {
        while self.members.len() > self.capacity {
            self.level += 1;
            let level = self.level;
            self.members.retain(|_, member| member.zeros >= level);
        }
    }

    /// How many distinct names there were.
    pub fn distinct(&self) -> Distinct {
        let members = self.members.len() as u64;
        let standard_error = if self.level == 0 { 0.0 } else { 1.0 / libm::sqrt(members.max(1) as f64) };
        Distinct { count: members.saturating_mul(1 << self.level.min(63)), standard_error }
    }

    /// One name in how many is a member.
    pub fn one_in(&self) -> u64 {
        1 << self.level.min(63)
    }

    /// The members' counts, the largest first.
    pub fn counts(&self) -> Vec<u64> {
        let mut counts: Vec<u64> = self.members.values().map(|member| member.count).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts
    }

    /// Gives every member another digest.
    pub fn rename(&mut self, name: impl Fn(u64) -> u64) {
        let members = std::mem::take(&mut self.members);
        self.members = members.into_iter().map(|(digest, member)| (name(digest), member)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::log::digest;
    use proptest::prelude::*;

    fn sample(capacity: usize, names: &[u16]) -> Sample {
        let mut sample = Sample::new(capacity);
        for name in names {
            sample.record(digest(&name.to_string()), 1, 0);
        }
        sample
    }

    #[test]
    fn distinct_names_are_found_within_three_standard_errors() {
        let names: Vec<u16> = (0..60_000).collect();
        let few = sample(1 << 10, &names).distinct();
        // Three standard errors of at most 1/√512: the digests are fixed, so this holds or does not, for good.
        assert!((few.count as f64 / 60_000.0 - 1.0).abs() < 3.0 * few.standard_error, "{few:?}");
        assert!(few.standard_error < 0.045);
        assert_eq!(sample(1 << 16, &names).distinct(), Distinct { count: 60_000, standard_error: 0.0 });
    }

    proptest! {
        #[test]
        fn parts_in_any_order_and_grouping_are_the_whole(
            names in prop::collection::vec(0_u16..300, 0..400),
            cuts in (0_usize..400, 0_usize..400),
        ) {
            let (a, b) = (cuts.0.min(cuts.1).min(names.len()), cuts.0.max(cuts.1).min(names.len()));
            let part = |range: std::ops::Range<usize>| sample(50, &names[range]);
            let (x, y, z) = (part(0..a), part(a..b), part(b..names.len()));
            let mut left = x.clone();
            left.merge(&y);
            left.merge(&z);
            let mut right = z;
            right.merge(&y);
            let mut all = x;
            all.merge(&right);
            prop_assert_eq!(&left, &all);
            prop_assert_eq!(left, sample(50, &names));
        }
    }
}
