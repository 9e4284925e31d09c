//! Who and what the numbers of a run stand for, and the fingerprints under which caches file their keys, made once each.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::step::KeyHandle;
use crate::cache::{BucketKeyAssumptions, BucketKeyError, Fingerprint, Partition, PrincipalScope, Requester};
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

/// Whose keys are shared with whom, and under which fingerprints.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) directory: Directory,
    mode: SseMode,
    bucket_key: BucketKeyAssumptions,
    /// Of each principal, the number of the first that counts as the same requester; and that requester.
    requesters: Vec<(u32, Requester)>,
    fingerprints: Vec<(Filed, Fingerprint)>,
    /// Where in `fingerprints` something is filed.
    places: HashTable<u32>,
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
        let mut first: BTreeMap<[&str; 3], (u32, Requester)> = BTreeMap::new();
        let requesters = (0..)
            .zip(&directory.principals)
            .map(|(number, principal)| {
                let (account, role, session) = (principal.account(), principal.role(), principal.session());
                let alike = match scope {
                    PrincipalScope::Account => [account, "", ""],
                    PrincipalScope::Role => [account, role, ""],
                    PrincipalScope::Session => [account, role, session],
                };
                let new = || (number, Requester::new(&partition, scope, principal));
                *first.entry(alike).or_insert_with(new)
            })
            .collect();
        Ok(Self {
            directory,
            mode,
            bucket_key,
            requesters,
            fingerprints: Vec::new(),
            places: HashTable::new(),
        })
    }

    /// What the key for a write is filed under.
    #[inline]
    pub(super) fn encrypt(&mut self, principal: u32, bucket: u32, kms_key: u32, object: u64) -> &Fingerprint {
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
    ) -> &Fingerprint {
        let requester = self.requesters[principal as usize].0;
        self.filed(Filed { requester, bucket, kms_key, key: handle.0, decrypt: true })
    }

    #[inline]
    fn filed(&mut self, filed: Filed) -> &Fingerprint {
        let place = filed.place();
        let found = self.places.find(place, |&at| self.fingerprints[at as usize].0 == filed).copied();
        let at = found.unwrap_or_else(|| self.file(filed, place));
        &self.fingerprints[at as usize].1
    }

    #[cold]
    fn file(&mut self, filed: Filed, place: u64) -> u32 {
        let fingerprint = self.fingerprint(filed);
        let at = u32::try_from(self.fingerprints.len()).expect("fewer than 2³² fingerprints");
        self.fingerprints.push((filed, fingerprint));
        let Self { places, fingerprints, .. } = self;
        places.insert_unique(place, at, |&at| fingerprints[at as usize].0.place());
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
