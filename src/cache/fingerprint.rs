//! What a cached key is filed under: `Fingerprint`, from everything that decides whether two requests may share it.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::envelope::{EncryptionContext, KeyArn};
use crate::request::Principal;

/// A name that walls one part of a cache off from the others: a tenant, a data class. Not empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(Arc<str>);

/// A partition without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("partition is empty: expected at least one character")]
pub struct PartitionError;

impl Partition {
    /// The partition `name`.
    ///
    /// # Errors
    /// [`PartitionError`] for an empty name.
    pub fn new(name: &str) -> Result<Self, PartitionError> {
        if name.is_empty() { Err(PartitionError) } else { Ok(Self(name.into())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How much of a principal must agree before a key is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalScope {
    /// Everyone in an account shares: right only where every principal of the account may use the KMS key.
    Account,
    /// Sessions of one role share.
    #[default]
    Role,
    /// Nobody shares beyond one session.
    Session,
}

/// Who asks, prepared: partition and principal, the latter as far as the scope tells principals apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requester(Digest);

impl Requester {
    /// SHA-256 of the partition, the scope, and the parts of the principal that the scope compares.
    pub fn new(partition: &Partition, scope: PrincipalScope, principal: &Principal) -> Self {
        let (kind, parts): (&[u8], [&str; 3]) = match scope {
            PrincipalScope::Account => (b"account", [principal.account(), "", ""]),
            PrincipalScope::Role => (b"role", [principal.account(), principal.role(), ""]),
            PrincipalScope::Session => {
                (b"session", [principal.account(), principal.role(), principal.session()])
            }
        };
        let [account, role, session] = parts.map(str::as_bytes);
        let fields = [partition.as_str().as_bytes(), kind, account, role, session];
        Self(fields.into_iter().fold(Fields::new(b"requester"), Fields::and).digest())
    }
}

/// What a cached key is filed under, prepared once and used for many look-ups.
///
/// `SHA-256(label ‖ (length u64 ‖ field)*)` over requester, resolved key ARN, canonical encryption context and suite;
/// for decrypt also SHA-256 of the wrapped key. Lengths make it injective before hashing, and the label keeps
/// encrypt, decrypt and Bucket Keys apart.
///
/// Two fingerprints are compared over all 256 bits; a shorter hash only picks the place in a table. Agreement of two
/// that were made from different requests would be a collision of SHA-256. Nothing in it is secret, so the comparison
/// need not be constant in time.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    digest: Digest,
    key: KeyArn,
}

impl Fingerprint {
    /// For a data key that seals: reused under [`super::UsageLimits`].
    pub fn encrypt(requester: &Requester, key: &KeyArn, context: &EncryptionContext, suite: u8) -> Self {
        Self::of(b"encrypt", requester, key, context, &[&[suite]])
    }

    /// For a data key that opens what `wrapped` (the KMS blob; in a simulation any name of it) belongs to.
    pub fn decrypt(
        requester: &Requester,
        key: &KeyArn,
        context: &EncryptionContext,
        suite: u8,
        wrapped: &[u8],
    ) -> Self {
        Opening::new(requester, key, context, suite).of(wrapped)
    }

    pub(super) fn of(
        label: &[u8],
        requester: &Requester,
        key: &KeyArn,
        context: &EncryptionContext,
        more: &[&[u8]],
    ) -> Self {
        let fields = Fields::of(label, requester, key, context);
        Self {
            digest: more.iter().fold(fields, |fields, field| fields.and(field)).digest(),
            key: key.clone(),
        }
    }

    /// The KMS key that the data key comes from.
    pub fn key(&self) -> &KeyArn {
        &self.key
    }

    /// The 32 bytes: for logs and for finding the same key again; they tell nothing about their origin.
    pub fn bytes(&self) -> [u8; 32] {
        self.digest.bytes()
    }

    #[inline]
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }
}

/// What [`Fingerprint::decrypt`] of any number of wrapped keys has in common, hashed once.
#[derive(Clone)]
pub struct Opening {
    fields: Fields,
    key: KeyArn,
}

impl Opening {
    /// Of the requests of one requester under this key, context and suite.
    pub fn new(requester: &Requester, key: &KeyArn, context: &EncryptionContext, suite: u8) -> Self {
        let fields = Fields::of(b"decrypt", requester, key, context).and(&[suite]);
        Self { fields, key: key.clone() }
    }

    /// The fingerprint of the data key in `wrapped`.
    pub fn of(&self, wrapped: &[u8]) -> Fingerprint {
        let digest = self.fields.clone().and(&Sha256::digest(wrapped)).digest();
        Fingerprint { digest, key: self.key.clone() }
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening(of {})", self.key)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:?} of {})", self.digest, self.key)
    }
}

/// A hash of fields, each with its length before it.
#[derive(Clone)]
struct Fields(Sha256);

impl Fields {
    fn new(label: &[u8]) -> Self {
        Self(Sha256::new().chain_update(b"s3seal/v1/fingerprint/")).and(label)
    }

    /// Those that all fingerprints have.
    fn of(label: &[u8], requester: &Requester, key: &KeyArn, context: &EncryptionContext) -> Self {
        let (requester, key) = (requester.0.bytes(), key.as_str().as_bytes());
        Self::new(label).and(&requester).and(key).and(&context.canonical_bytes())
    }

    fn and(mut self, field: &[u8]) -> Self {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
        self
    }

    fn digest(self) -> Digest {
        let bytes: [u8; 32] = self.0.finalize().into();
        let (words, _) = bytes.as_chunks::<8>();
        Digest(std::array::from_fn(|i| u64::from_be_bytes(words[i])))
    }
}

/// A SHA-256 value as four words: compared in full, ordered, and hashed by its first word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u64; 4]);

impl Digest {
    fn bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (out, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *out = word.to_be_bytes();
        }
        bytes
    }

    /// The place in a table.
    #[inline]
    pub(super) fn place(self) -> u64 {
        self.0[0]
    }

    /// The share of a divided table, independent of the place.
    #[expect(clippy::cast_possible_truncation, reason = "below `parts`")]
    pub(super) fn part(self, parts: usize) -> usize {
        self.0[1].carrying_mul(parts as u64, 0).1 as usize
    }

    /// A number below `bound`, fixed for this digest: jitter without a generator. 0 for a bound of 0.
    pub(super) fn below(self, bound: u64) -> u64 {
        self.0[2].carrying_mul(bound, 0).1
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.place());
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}…", self.0[0])
    }
}

/// Takes the first word of a [`Digest`] as its hash: SHA-256 is uniform already, and there is no random state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a digest hashes itself with write_u64");
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

impl BuildHasher for Uniform {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const OTHER: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ac";

    fn requester(partition: &str, scope: PrincipalScope, principal: [&str; 3]) -> Requester {
        let [account, role, session] = principal;
        Requester::new(&Partition::new(partition).unwrap(), scope, &Principal::new(account, role, session))
    }

    #[test]
    fn every_part_of_a_request_changes_its_fingerprint() {
        let who = requester("p", PrincipalScope::Role, ["1", "r", "s"]);
        let other = requester("q", PrincipalScope::Role, ["1", "r", "s"]);
        let (key, other_key) = (ARN.parse().unwrap(), OTHER.parse().unwrap());
        let (bucket, object) =
            (EncryptionContext::of_bucket("b").unwrap(), EncryptionContext::of_object("b", "k").unwrap());
        let all = [
            Fingerprint::encrypt(&who, &key, &bucket, 1),
            Fingerprint::encrypt(&other, &key, &bucket, 1),
            Fingerprint::encrypt(&who, &other_key, &bucket, 1),
            Fingerprint::encrypt(&who, &key, &object, 1),
            Fingerprint::encrypt(&who, &key, &bucket, 2),
            Fingerprint::decrypt(&who, &key, &bucket, 1, b"x"),
            Fingerprint::decrypt(&who, &key, &bucket, 1, b"y"),
        ];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(a.digest == b.digest, i == j, "{i} {j}");
            }
        }
    }

    #[test]
    fn a_scope_tells_apart_what_it_names_and_nothing_below() {
        use PrincipalScope::{Account, Role, Session};
        let base = ["1", "r", "s"];
        for (scope, changed, shared) in [
            (Account, ["1", "x", "s"], true),
            (Account, ["2", "r", "s"], false),
            (Role, ["1", "r", "x"], true),
            (Role, ["1", "x", "s"], false),
            (Session, ["1", "r", "s"], true),
            (Session, ["1", "r", "x"], false),
        ] {
            assert_eq!(requester("p", scope, base) == requester("p", scope, changed), shared, "{scope:?}");
        }
        assert_ne!(requester("p", Role, ["1", "r", ""]), requester("p", Session, ["1", "r", ""]));
    }

    #[test]
    fn text_that_moves_from_one_field_to_the_next_is_another_fingerprint() {
        use PrincipalScope::Session;
        assert_ne!(requester("pa", Session, ["b", "c", "d"]), requester("p", Session, ["ab", "c", "d"]));
        assert_ne!(requester("p", Session, ["1", "rs", ""]), requester("p", Session, ["1", "r", "s"]));
    }

    #[test]
    fn a_digest_gives_its_bytes_back_in_order() {
        let expected: [u8; 32] = {
            let mut hash = Sha256::new();
            hash.update(b"s3seal/v1/fingerprint/");
            hash.update(5_u64.to_be_bytes());
            hash.update(b"label");
            hash.finalize().into()
        };
        assert_eq!(Fields::new(b"label").digest().bytes(), expected);
    }

    #[test]
    fn a_partition_without_a_name_is_refused() {
        assert_eq!(
            Partition::new("").unwrap_err().to_string(),
            "partition is empty: expected at least one character"
        );
    }
}
