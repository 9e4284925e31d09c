//! Who and what the numbers of a run stand for, and the fingerprints under which caches file their keys, made once each.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::step::KeyHandle;
use crate::cache::{
    BucketKeyAssumptions, BucketKeyError, Fingerprint, Hint, Partition, PrincipalScope, Requester,
};
use crate::envelope::{EncryptionContext, KeyArn};
use crate::request::{Principal, SseMode};

/// Suite of the envelopes whose keys are cached: there is one.
const SUITE: u8 = 1;

/// The principals, buckets and KMS keys of a run by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Principals.
    pub principals: Vec<Principal>,
    /// Bucket names.
    pub buckets: Vec<String>,
    /// KMS keys.
    pub kms_keys: Vec<KeyArn>,
}

/// Of each of `principals` the number of the first that counts as the same requester in `scope`: who shares keys with whom.
pub fn requesters(principals: &[Principal], scope: PrincipalScope) -> Vec<u32> {
    let mut first: BTreeMap<[&str; 3], u32> = BTreeMap::new();
    (0..)
        .zip(principals)
        .map(|(number, principal)| *first.entry(alike(principal, scope)).or_insert(number))
        .collect()
}

/// What principals that share keys in `scope` have in common.
fn alike(principal: &Principal, scope: PrincipalScope) -> [&str; 3] {
    let (account, role, session) = (principal.account(), principal.role(), principal.session());
    match scope {
        PrincipalScope::Account => [account, "", ""],
        PrincipalScope::Role => [account, role, ""],
        PrincipalScope::Session => [account, role, session],
    }
}

/// Whose keys are shared with whom, and under which fingerprints.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) directory: Directory,
    mode: SseMode,
    bucket_key: BucketKeyAssumptions,
    /// Of each principal, the number of the first that counts as the same requester; and that requester.
    requesters: Vec<(u32, Requester)>,
    entries: Vec<Name>,
    /// Where in `entries` something is filed.
    places: HashTable<u32>,
    /// Of what shares a place here, where in `entries` the one stands that was asked for last: what has been found once is
    /// found again without a search, as long as keys are numbered densely. A power of two; any value is right or is noticed.
    recent: Vec<u32>,
}

/// A fingerprint, with what it was made from.
#[derive(Debug)]
pub(super) struct Name {
    filed: Filed,
    pub(super) fingerprint: Fingerprint,
    /// Where a cache last found its key.
    pub(super) hint: Hint,
}

/// What a fingerprint is made from, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Filed {
    requester: u32,
    bucket: u32,
    kms_key: u32,
    /// The wrapped key; for a key that is to be made, the shard.
    key: u64,
    decrypt: bool,
}

impl Filed {
    #[inline]
    fn place(self) -> u64 {
        let people = u64::from(self.requester) << 32 | u64::from(self.bucket);
        let keys = u64::from(self.kms_key) << 1 | u64::from(self.decrypt);
        mixed(mixed(people ^ mixed(keys)) ^ self.key)
    }

    /// The place among `len` recent ones, a power of two: keys that follow each other do not meet.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "reduced to the length")]
    fn recent(self, len: usize) -> usize {
        let people = self.requester ^ self.bucket.rotate_left(16);
        let keys = self.kms_key << 1 | u32::from(self.decrypt);
        let apart = people.wrapping_mul(0x9E37_79B9) ^ keys.wrapping_mul(0x85EB_CA6B);
        (self.key as usize ^ apart as usize) & len.wrapping_sub(1)
    }
}

/// A word that depends on every bit of `word`: a fixed multiply-and-fold, no random state.
#[inline]
pub(super) fn mixed(word: u64) -> u64 {
    let (low, high) = word.wrapping_add(0x9E37_79B9_7F4A_7C15).carrying_mul(0xD6E8_FEB8_6659_FD93, 0);
    low ^ high
}

impl Names {
    /// # Errors
    /// [`BucketKeyError`] for a bucket name longer than a context may be.
    pub(super) fn new(
        directory: Directory,
        mode: SseMode,
        scope: PrincipalScope,
        bucket_key: BucketKeyAssumptions,
    ) -> Result<Self, BucketKeyError> {
        for bucket in &directory.buckets {
            EncryptionContext::of_bucket(bucket)
                .map_err(|source| BucketKeyError { bucket: bucket.clone(), source })?;
        }
        let partition = Partition::new("run").expect("it has a name");
        let scope = if mode == SseMode::SseKmsBucketKey { bucket_key.scope } else { scope };
        let first = requesters(&directory.principals, scope);
        let requesters = first.into_iter().zip(&directory.principals);
        let requesters = requesters
            .map(|(first, principal)| (first, Requester::new(&partition, scope, principal)))
            .collect();
        Ok(Self {
            directory,
            mode,
            bucket_key,
            requesters,
            entries: Vec::new(),
            places: HashTable::new(),
            recent: Vec::new(),
        })
    }

    /// What the key for a write is filed under.
    #[inline]
    pub(super) fn encrypt(&mut self, principal: u32, bucket: u32, kms_key: u32, object: u64) -> &mut Name {
        let shards = self.mode == SseMode::SseKmsBucketKey && self.bucket_key.shards > 1;
        let key = if shards { u64::from(self.bucket_key.shard(mixed(object))) } else { 0 };
        let requester = self.requesters[principal as usize].0;
        self.filed(Filed { requester, bucket, kms_key, key, decrypt: false })
    }

    /// What the key that `handle` names is filed under, for a reader.
    #[inline]
    pub(super) fn decrypt(
        &mut self,
        principal: u32,
        bucket: u32,
        kms_key: u32,
        handle: KeyHandle,
    ) -> &mut Name {
        let requester = self.requesters[principal as usize].0;
        self.filed(Filed { requester, bucket, kms_key, key: handle.0, decrypt: true })
    }

    #[inline]
    fn filed(&mut self, filed: Filed) -> &mut Name {
        let recent = filed.recent(self.recent.len());
        let at = match self.recent.get(recent) {
            Some(&at) if self.entries[at as usize].filed == filed => at,
            _ => self.find(filed),
        };
        &mut self.entries[at as usize]
    }

    #[inline(never)]
    fn find(&mut self, filed: Filed) -> u32 {
        let place = filed.place();
        let found = self.places.find(place, |&at| self.entries[at as usize].filed == filed).copied();
        let at = found.unwrap_or_else(|| self.file(filed, place));
        let recent = filed.recent(self.recent.len());
        self.recent[recent] = at;
        at
    }

    #[cold]
    fn file(&mut self, filed: Filed, place: u64) -> u32 {
        let fingerprint = self.fingerprint(filed);
        let at = u32::try_from(self.entries.len()).expect("fewer than 2³² fingerprints");
        self.entries.push(Name { filed, fingerprint, hint: Hint::default() });
        let Self { places, entries, .. } = self;
        places.insert_unique(place, at, |&at| entries[at as usize].filed.place());
        if self.recent.len() < self.entries.len() {
            // All zeros, which names the first; each finds its place again when it is asked for.
            self.recent = vec![0; self.entries.len().next_power_of_two()];
        }
        at
    }

    fn fingerprint(&self, filed: Filed) -> Fingerprint {
        let requester = &self.requesters[filed.requester as usize].1;
        let key = &self.directory.kms_keys[filed.kms_key as usize];
        let bucket = self.directory.buckets[filed.bucket as usize].as_str();
        let wrapped = filed.key.to_be_bytes();
        match (self.mode, filed.decrypt) {
            (SseMode::SseKmsBucketKey, true) => self.bucket_key.read(requester, bucket, key, &wrapped),
            (SseMode::SseKmsBucketKey, false) => {
                let shard = u32::try_from(filed.key).expect("a shard is a u32");
                self.bucket_key.write(requester, bucket, key, shard)
            }
            (_, decrypt) => EncryptionContext::of_bucket(bucket)
                .map(|context| {
                    if decrypt {
                        Fingerprint::decrypt(requester, key, &context, SUITE, &wrapped)
                    } else {
                        Fingerprint::encrypt(requester, key, &context, SUITE)
                    }
                })
                .map_err(|source| BucketKeyError { bucket: bucket.into(), source }),
        }
        .expect("the contexts of all buckets were made once before")
    }
}
