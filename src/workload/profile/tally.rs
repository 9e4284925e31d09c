//! Who caused how much: exact counts by name while there are few, the largest of them when there are many.
//!
//! A tally holds at most twice its capacity. Full, it keeps the larger half and folds the rest into `others`; how much a
//! name that came back may have lost is stated as `undercount`. Tallies add up without a loss of their own, so merging is
//! exact in any order; a merged tally is as large as its parts have names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::workload::log::{Digested, digest};

/// What is counted for a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Requests.
    pub requests: u64,
    /// Requests that did not succeed.
    pub failed: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// KMS calls that these requests make when every object is under SSE-KMS without a Bucket Key.
    pub kms_if_sse_kms: u64,
    /// KMS calls by S3 that the log holds.
    pub kms_seen: u64,
}

impl Share {
    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.kms_if_sse_kms += other.kms_if_sse_kms;
        self.kms_seen += other.kms_seen;
    }

    fn weight(&self) -> u64 {
        self.requests + self.kms_seen
    }
}

/// Shares by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct Tally {
    capacity: usize,
    entries: Digested<(String, Share)>,
    others: Share,
    undercount: u64,
}

#[derive(Serialize, Deserialize)]
struct Form {
    capacity: usize,
    names: BTreeMap<String, Share>,
    others: Share,
    undercount: u64,
}

impl From<Form> for Tally {
    fn from(form: Form) -> Self {
        let Form { capacity, names, others, undercount } = form;
        let entries = names.into_iter().map(|(name, share)| (digest(&name), (name, share))).collect();
        Self { capacity, entries, others, undercount }
    }
}

impl From<Tally> for Form {
    fn from(tally: Tally) -> Self {
        let Tally { capacity, entries, others, undercount } = tally;
        Self { capacity, names: entries.into_values().collect(), others, undercount }
    }
}

impl Tally {
    /// An empty tally that keeps at least the `capacity` largest names.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            entries: Digested::default(),
            others: Share::default(),
            undercount: 0,
        }
    }

    /// Adds `share` to the name of `digest`, which `name` makes when it is new.
    pub fn record(&mut self, digest: u64, share: &Share, name: impl FnOnce() -> String) {
        if let Some((_, there)) = self.entries.get_mut(&digest) {
            there.add(share);
            return;
        }
        self.entries.insert(digest, (name(), *share));
        if self.entries.len() >= 2 * self.capacity {
            self.prune();
        }
    }

    fn prune(&mut self) {
        let mut all: Vec<(u64, (String, Share))> = self.entries.drain().collect();
        all.sort_unstable_by(|(_, a), (_, b)| b.1.weight().cmp(&a.1.weight()).then_with(|| a.0.cmp(&b.0)));
        let dropped = all.split_off(self.capacity);
        self.undercount += dropped.first().map_or(0, |(_, (_, share))| share.weight());
        for (_, (_, share)) in dropped {
            self.others.add(&share);
        }
        self.entries = all.into_iter().collect();
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        for (digest, (name, share)) in &other.entries {
            self.entries.entry(*digest).or_insert_with(|| (name.clone(), Share::default())).1.add(share);
        }
        self.others.add(&other.others);
        self.undercount += other.undercount;
        self.capacity = self.capacity.min(other.capacity);
    }

    /// The `count` names with the most requests, the largest first.
    pub fn top(&self, count: usize) -> Vec<(&str, &Share)> {
        let mut all: Vec<_> = self.entries.values().map(|(name, share)| (&**name, share)).collect();
        all.sort_unstable_by(|a, b| b.1.weight().cmp(&a.1.weight()).then_with(|| a.0.cmp(b.0)));
        all.truncate(count);
        all
    }

    /// How many names are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no name is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What names caused that are not kept.
    pub fn others(&self) -> &Share {
        &self.others
    }

    /// At most so many requests of a name that is kept may stand among the others.
    pub fn undercount(&self) -> u64 {
        self.undercount
    }

    /// Gives every name another.
    pub fn rename(&mut self, rename: impl Fn(&str) -> String) {
        let entries = std::mem::take(&mut self.entries);
        for (name, share) in entries.into_values() {
            let name = rename(&name);
            self.entries.entry(digest(&name)).or_insert((name, Share::default())).1.add(&share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(capacity: usize, names: &[u16]) -> Tally {
        let mut tally = Tally::new(capacity);
        for name in names {
            let name = name.to_string();
            tally.record(digest(&name), &Share { requests: 1, ..Share::default() }, || name.clone());
        }
        tally
    }

    fn text(tally: &Tally) -> String {
        serde_json::to_string(tally).unwrap()
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_kept_name_lacks_more_than_is_stated(
            names in prop::collection::vec(0_u16..100, 0..600),
        ) {
            let tally = tally(8, &names);
            let kept: u64 = tally.top(usize::MAX).iter().map(|(_, share)| share.requests).sum();
            prop_assert_eq!(kept + tally.others().requests, names.len() as u64);
            prop_assert!(tally.len() < 16);
            for (name, share) in tally.top(usize::MAX) {
                let there = names.iter().filter(|n| n.to_string() == name).count() as u64;
                prop_assert!(share.requests <= there && there - share.requests <= tally.undercount());
            }
        }

        #[test]
        fn merging_in_any_order_and_grouping_is_the_same(
            parts in prop::array::uniform3(prop::collection::vec(0_u16..60, 0..100)),
        ) {
            let [a, b, c] = parts.map(|names| tally(8, &names));
            let mut left = a.clone();
            left.merge(&b);
            left.merge(&c);
            let mut right = c;
            right.merge(&b);
            right.merge(&a);
            prop_assert_eq!(text(&left), text(&right));
        }
    }
}
