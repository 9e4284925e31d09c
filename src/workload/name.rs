//! Where an object lies, and what buckets, keys and principals are called: derived from their numbers on demand.

use std::sync::Arc;

use super::random::{below, scatter};
use super::scenario::Scenario;
use crate::request::Principal;

/// The account of every derived name. Source: AWS's example account in its documentation.
const ACCOUNT: &str = "111122223333";

/// Which bucket, prefix and KMS key an object has: for good, by its id alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    buckets: u64,
    prefixes: u64,
    kms_keys: u64,
}

impl Placement {
    /// The placement that `scenario` describes.
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            buckets: u64::from(scenario.layout.buckets),
            prefixes: u64::from(scenario.layout.prefixes),
            kms_keys: u64::from(scenario.layout.kms_keys),
        }
    }

    /// The bucket of `object`, from 0: objects go round the buckets.
    #[inline]
    pub fn bucket(&self, object: u64) -> u32 {
        // The common case, without a division.
        if self.buckets == 1 { 0 } else { narrow(object % self.buckets) }
    }

    /// The prefix of `object` within its bucket, from 0.
    pub fn prefix(&self, object: u64) -> u32 {
        narrow(below(scatter(0, object), self.prefixes))
    }

    /// The KMS key of `object`, from 0. Up to one key per bucket the bucket decides; beyond, the objects of a bucket go
    /// round the keys that are the bucket's own.
    #[inline]
    pub fn kms_key(&self, object: u64) -> u32 {
        // The common case, without a division.
        if self.kms_keys == 1 {
            return 0;
        }
        let bucket = object % self.buckets;
        if self.kms_keys <= self.buckets {
            return narrow(bucket % self.kms_keys);
        }
        narrow(bucket + self.buckets * (object / self.buckets % self.keys_of(bucket)))
    }

    /// How many KMS keys the objects of `bucket` go round.
    pub(super) fn keys_of(&self, bucket: u64) -> u64 {
        if self.kms_keys <= self.buckets { 1 } else { round(self.kms_keys, self.buckets, bucket) }
    }

    pub(super) fn buckets(&self) -> u64 {
        self.buckets
    }
}

/// How many of 0..count are `rest` modulo `modulus`.
pub(super) fn round(count: u64, modulus: u64, rest: u64) -> u64 {
    (count + modulus - 1 - rest) / modulus
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("the scenario's limits keep it within u32")
}

/// Names, of a scenario or of a trace.
#[derive(Clone, Debug)]
pub struct Naming(Source);

#[derive(Clone, Debug)]
enum Source {
    Derived { placement: Placement, region: String, sessions: u32 },
    Trace { names: Arc<super::log::Names>, region: String },
}

impl Naming {
    /// The names of `scenario`.
    pub fn new(scenario: &Scenario) -> Self {
        Self(Source::Derived {
            placement: Placement::new(scenario),
            region: scenario.kms.region.clone(),
            sessions: scenario.principals.sessions.max(1),
        })
    }

    /// The names that a trace mentions, its KMS keys in us-east-1.
    pub(super) fn of_trace(names: super::log::Names) -> Self {
        Self(Source::Trace { names: Arc::new(names), region: "us-east-1".into() })
    }

    /// The same names, with KMS keys in `to`.
    pub(super) fn in_region(&self, to: &str) -> Self {
        let mut moved = self.clone();
        let (Source::Derived { region, .. } | Source::Trace { region, .. }) = &mut moved.0;
        to.clone_into(region);
        moved
    }

    /// How many buckets and principals a trace mentions.
    pub(super) fn mentioned(&self) -> (u32, u32) {
        match &self.0 {
            Source::Derived { .. } => (0, 0),
            Source::Trace { names, .. } => names.counts(),
        }
    }

    /// The bucket's name: `bucket-0000`.
    pub fn bucket(&self, bucket: u32) -> String {
        match &self.0 {
            Source::Derived { .. } => format!("bucket-{bucket:04}"),
            Source::Trace { names, .. } => names.bucket(bucket).into(),
        }
    }

    /// The object's key: `p0007/o000000001234`.
    pub fn object_key(&self, object: u64) -> String {
        match &self.0 {
            Source::Derived { placement, .. } => {
                format!("{}/o{object:012}", prefix_of(placement, object))
            }
            Source::Trace { names, .. } => names.object_key(object).into(),
        }
    }

    /// The key of the copy that `CopyObject` makes of `object`, in the same bucket.
    pub fn copy_key(&self, object: u64) -> String {
        format!("copy-of/{}", self.object_key(object))
    }

    /// The prefix that a `ListObjects` drawn at `object` lists; empty for a trace, whose listings name none.
    pub fn prefix(&self, object: u64) -> String {
        match &self.0 {
            Source::Derived { placement, .. } => format!("{}/", prefix_of(placement, object)),
            Source::Trace { .. } => String::new(),
        }
    }

    /// The KMS key's ARN.
    pub fn kms_key_arn(&self, key: u32) -> String {
        let (Source::Derived { region, .. } | Source::Trace { region, .. }) = &self.0;
        format!("arn:aws:kms:{region}:{ACCOUNT}:key/00000000-0000-4000-8000-{key:012x}")
    }

    /// The principal: session `p` mod sessions of role `p` ÷ sessions.
    pub fn principal(&self, principal: u32) -> Principal {
        match &self.0 {
            Source::Derived { sessions, .. } => Principal::new(
                ACCOUNT,
                &format!("role-{:04}", principal / sessions),
                &format!("session-{:04}", principal % sessions),
            ),
            Source::Trace { names, .. } => Principal::new(ACCOUNT, names.principal(principal), ""),
        }
    }

    /// What the principal is called in a report: account, role and session; of a trace the trace's own word.
    pub fn principal_name(&self, principal: u32) -> String {
        match &self.0 {
            Source::Derived { .. } => self.principal(principal).to_string(),
            Source::Trace { names, .. } => names.principal(principal).into(),
        }
    }
}

fn prefix_of(placement: &Placement, object: u64) -> String {
    format!("p{:04}", placement.prefix(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::scenario::Layout;

    fn placement(buckets: u32, kms_keys: u32) -> Placement {
        let layout = Layout { buckets, prefixes: 8, kms_keys };
        Placement::new(&Scenario { layout, ..Scenario::default() })
    }

    #[test]
    fn every_bucket_and_every_key_is_used_and_a_key_stays_in_its_bucket() {
        for (buckets, keys) in [(1, 1), (3, 2), (3, 3), (3, 8), (1, 5)] {
            let placement = placement(buckets, keys);
            let mut seen = std::collections::BTreeMap::new();
            for object in 0..1_000 {
                let (bucket, key) = (placement.bucket(object), placement.kms_key(object));
                assert!(bucket < buckets && key < keys, "{buckets} buckets, {keys} keys");
                seen.entry(key).or_insert_with(std::collections::BTreeSet::new).insert(bucket);
            }
            assert_eq!(seen.len(), keys as usize, "{buckets} buckets, {keys} keys");
            assert!(keys < buckets || seen.values().all(|of_key| of_key.len() == 1));
        }
    }

    #[test]
    fn names_are_derived_from_numbers() {
        let mut scenario = Scenario::default();
        scenario.principals.sessions = 10;
        let naming = Naming::new(&scenario);
        assert_eq!(naming.bucket(3), "bucket-0003");
        assert_eq!(naming.principal(25), Principal::new(ACCOUNT, "role-0002", "session-0005"));
        assert!(naming.object_key(7).starts_with(&naming.prefix(7)));
        assert!(naming.object_key(7).ends_with("/o000000000007"));
        assert!(naming.kms_key_arn(1).starts_with("arn:aws:kms:us-east-1:111122223333:key/"));
    }
}
