//! The population: the objects that exist before the run, and under which keys they came to be written.
//!
//! Within each bucket and KMS key the objects were written in a random order, evenly over `history.span`, by the writers in
//! turn. So everything about an object follows from its id in constant time, and counts of data keys and Bucket Key
//! generations are exact.

use std::sync::Arc;

use rand_core::Rng;

use super::name::{Placement, round};
use super::random::permuted;
use super::scenario::Scenario;
use super::size::Sizes;
use crate::units::Span;

/// The existing objects of a scenario.
#[derive(Clone, Debug)]
pub struct Population {
    count: u64,
    key: u64,
    sizes: Sizes,
    placement: Placement,
    span: Span,
    writers: u64,
    uses_per_key: u64,
    /// Of a trace; none: objects go round buckets and keys.
    listed: Option<Arc<Listed>>,
}

/// The objects of a trace that exist before it begins.
#[derive(Debug)]
struct Listed {
    /// By object id.
    members: Vec<Option<Member>>,
    /// How many there are in each bucket.
    alike: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    bytes: u64,
    bucket: u32,
    /// Its number in the bucket.
    in_bucket: u64,
}

/// An object that exists before the run; its body is version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its id.
    pub object: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its bucket.
    pub bucket: u32,
    /// Its KMS key.
    pub kms_key: u32,
    /// The principal that wrote it.
    pub writer: u32,
    /// How long before the start of the warm-up it was written; above 0.
    pub written_before: Span,
    /// The number of its writer × bucket × KMS key, from 0: those who may share data keys and Bucket Keys.
    pub scope: u64,
    /// Its number among the objects of that scope, from 0, the oldest first.
    pub ordinal: u64,
    /// The data key that it stands under where data keys are reused: `uses_per_key` consecutive objects of a scope share
    /// one. Numbers are unique over the population, with gaps.
    pub data_key: u64,
}

impl Population {
    /// The population of `scenario`, which is to be valid ([`Scenario::validate`]).
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            count: scenario.objects.count,
            key: scenario.seed().stream("history", 0).next_u64(),
            sizes: Sizes::new(&scenario.objects.size, scenario.seed()),
            placement: Placement::new(scenario),
            span: scenario.history.span,
            writers: u64::from(scenario.history.writers),
            uses_per_key: scenario.history.uses_per_key,
            listed: None,
        }
    }

    /// The objects that exist before a trace, as (object, bytes, bucket), each object once; `scenario` is the trace's own
    /// ([`Replay::scenario`](super::Replay::scenario)): up to one KMS key per bucket.
    pub(super) fn listed(scenario: &Scenario, existing: impl Iterator<Item = (u64, u64, u32)>) -> Self {
        let mut members = vec![None; usize::try_from(scenario.objects.count).unwrap_or(usize::MAX)];
        let mut alike = vec![0; scenario.layout.buckets as usize];
        for (object, bytes, bucket) in existing {
            let in_bucket = &mut alike[bucket as usize];
            members[usize::try_from(object).expect("ids of a trace are dense")] =
                Some(Member { bytes, bucket, in_bucket: *in_bucket });
            *in_bucket += 1;
        }
        Self { listed: Some(Arc::new(Listed { members, alike })), ..Self::new(scenario) }
    }

    /// Whether there is an object with this id; in a scenario all below [`count`](Self::count), in a trace those that it
    /// uses before it writes them.
    pub fn exists(&self, object: u64) -> bool {
        match &self.listed {
            None => object < self.count,
            Some(listed) => listed.member(object).is_some(),
        }
    }

    /// Ids of objects lie below it; in a scenario each is an object ([`exists`](Self::exists)).
    pub fn count(&self) -> u64 {
        self.count
    }

    /// writers × buckets × KMS keys of a bucket: scopes are numbered below it.
    pub fn scopes(&self) -> u64 {
        self.placement.buckets() * self.keys_of_a_bucket() * self.writers
    }

    /// The object `object`.
    ///
    /// # Panics
    ///
    /// When there is none with this id.
    ///
    /// # Cost
    ///
    /// Constant: some 50 ns.
    pub fn object(&self, object: u64) -> Existing {
        assert!(self.exists(object), "object {object} of {}: numbered from 0", self.count);
        let buckets = self.placement.buckets();
        let member = self.listed.as_ref().and_then(|listed| Some((listed, listed.member(object)?)));
        let (bucket, turn, in_key, alike, bytes) = if let Some((listed, member)) = member {
            let bucket = u64::from(member.bucket);
            (bucket, 0, member.in_bucket, listed.alike[member.bucket as usize], member.bytes)
        } else {
            let (bucket, in_bucket) = (object % buckets, object / buckets);
            // The objects of a bucket go round its keys.
            let keys = self.placement.keys_of(bucket);
            let (turn, in_key) = (in_bucket % keys, in_bucket / keys);
            let alike = round(round(self.count, buckets, bucket), keys, turn);
            (bucket, turn, in_key, alike, self.sizes.of(object))
        };
        // Of a trace the bucket decides.
        let placed = if member.is_some() { bucket } else { object };
        let order_key = self.key ^ (bucket * self.keys_of_a_bucket() + turn);
        let write = permuted(order_key, in_key, alike);
        let (writer, ordinal) = (write % self.writers, write / self.writers);
        let scope = (bucket * self.keys_of_a_bucket() + turn) * self.writers + writer;
        let ago = u128::from(self.span.as_nanos()) * u128::from(alike - write) / u128::from(alike);
        Existing {
            object,
            bytes,
            bucket: self.placement.bucket(placed),
            kms_key: self.placement.kms_key(placed),
            writer: u32::try_from(writer).unwrap_or(u32::MAX),
            written_before: Span::from_nanos(u64::try_from(ago).unwrap_or(u64::MAX).max(1)),
            scope,
            ordinal,
            data_key: scope + self.scopes() * (ordinal / self.uses_per_key),
        }
    }

    /// All objects by id.
    pub fn iter(&self) -> impl Iterator<Item = Existing> + '_ {
        (0..self.count).filter(|object| self.exists(*object)).map(|object| self.object(object))
    }

    /// The Bucket Key generation that `existing` stands under when S3 keeps a Bucket Key for `lifetime`: a scope gets a new
    /// one in each such window, counted from the start of the history. Numbers are unique over the population, with gaps.
    ///
    /// A lifetime of 0 counts as 1 ns.
    pub fn bucket_key_generation(&self, existing: &Existing, lifetime: Span) -> u64 {
        let written = (self.span - existing.written_before).as_nanos();
        existing.scope + self.scopes() * (written / lifetime.as_nanos().max(1))
    }

    /// The most KMS keys that a bucket's objects go round.
    fn keys_of_a_bucket(&self) -> u64 {
        self.placement.keys_of(0)
    }
}

impl Listed {
    fn member(&self, object: u64) -> Option<Member> {
        *self.members.get(usize::try_from(object).ok()?)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::scenario::{History, Layout, Principals};
    use std::collections::{BTreeMap, BTreeSet};

    fn population(count: u64, buckets: u32, kms_keys: u32, writers: u32, uses_per_key: u64) -> Population {
        let mut scenario = Scenario::default();
        scenario.objects.count = count;
        scenario.layout = Layout { buckets, prefixes: 1, kms_keys };
        scenario.principals = Principals { roles: writers, sessions: 1, zipf: 0.0 };
        scenario.history = History { span: Span::from_seconds(3_600), writers, uses_per_key };
        scenario.validate().unwrap();
        Population::new(&scenario)
    }

    #[test]
    fn each_data_key_covers_its_uses_and_only_objects_of_one_scope() {
        let population = population(10_007, 3, 7, 4, 25);
        let mut keys: BTreeMap<u64, Vec<Existing>> = BTreeMap::new();
        for existing in population.iter() {
            keys.entry(existing.data_key).or_default().push(existing);
        }
        let mut full = 0;
        for objects in keys.values() {
            let first = objects[0];
            assert!(objects.len() <= 25);
            full += u32::from(objects.len() == 25);
            for other in objects {
                let alike = |e: &Existing| (e.bucket, e.kms_key, e.writer, e.scope);
                assert_eq!(alike(other), alike(&first));
            }
        }
        // A bucket has at least 2 of the 7 keys. 7 keys × 4 writers leave at most one short data key each.
        assert!(keys.len() - full as usize <= 28, "{} keys, {full} full", keys.len());
        assert!(
            keys.keys().max().unwrap() / population.scopes() <= 10_007 / 3 / 2 / 4 / 25 + 1,
            "numbers are nearly dense"
        );
    }

    #[test]
    fn without_reuse_every_object_has_a_data_key_of_its_own() {
        let population = population(5_000, 2, 2, 3, 1);
        let keys: BTreeSet<u64> = population.iter().map(|existing| existing.data_key).collect();
        assert_eq!(keys.len(), 5_000);
    }

    #[test]
    fn objects_were_written_evenly_over_the_span_by_writers_in_turn() {
        let population = population(3_600, 1, 1, 2, 1);
        let mut ages: Vec<(u64, u32)> =
            population.iter().map(|e| (e.written_before.as_nanos() / 1_000_000_000, e.writer)).collect();
        ages.sort_unstable();
        for (index, (age, writer)) in ages.iter().enumerate() {
            assert_eq!(*age, index as u64 + 1);
            assert_eq!(*writer, (3_600 - *age as u32) % 2);
        }
    }

    #[test]
    fn a_scope_has_one_bucket_key_generation_for_each_lifetime_of_its_history() {
        let population = population(7_200, 2, 2, 2, 1);
        let generations = |lifetime: u64| -> usize {
            let lifetime = Span::from_seconds(lifetime);
            population
                .iter()
                .map(|e| population.bucket_key_generation(&e, lifetime))
                .collect::<BTreeSet<_>>()
                .len()
        };
        // 2 buckets × 2 writers, one hour.
        assert_eq!(generations(3_600), 4);
        assert_eq!(generations(300), 4 * 12);
        assert_eq!(generations(1_000_000), 4);
    }

    #[test]
    fn the_order_of_writes_is_another_than_the_order_of_popularity() {
        let population = population(10_000, 1, 1, 1, 1);
        let older = (0..100).filter(|id| population.object(*id).ordinal < 5_000).count();
        // Binomial of 100: deviation 5; five of them.
        assert!((25..=75).contains(&older), "{older}");
    }
}
