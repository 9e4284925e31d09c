//! Keys and envelopes of a run: what wraps, seals and opens for real. Decides nothing.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use object_store::path::Path;

use super::directory::Directory;
use super::error::WorkError;
use super::store::Stored;
use crate::cache::Lent;
use crate::envelope::{
    Backend, ByteRange, CustomerKey, DataKey, EncryptionContext, Header, Identity, KeyArn, Keys, Manifest,
    ManifestPart, Options, Part, Slot, Threads, WrappedKey, WrappingKey, seal_into,
};
use crate::kms::{BlobHeader, Keyring};
use crate::pipeline::{KeyHandle, Keyed, is_cached};
use crate::request::SseMode;
use crate::units::Seed;
use crate::workload::{Bodies, Naming, Scenario};

/// Version of the one root key that a run has.
const ROOT_VERSION: u32 = 1;

/// A key that KMS made or opened, with its wrapped form: a data key, or a Bucket Key.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) handle: KeyHandle,
    pub(super) key: DataKey,
    pub(super) wrapped: WrappedKey,
}

impl Keyed for Arc<Held> {
    fn handle(&self) -> KeyHandle {
        self.deref().handle
    }
}

impl Keyed for Lent<Held> {
    fn handle(&self) -> KeyHandle {
        self.deref().handle
    }
}

/// What an envelope belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) bucket: u32,
    pub(super) kms_key: u32,
    /// The object; of a copy its source.
    pub(super) object: u64,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Copy,
    /// Of the arrival with this number.
    Upload(u64),
}

/// Everything that seals and opens in one run; shared by its threads.
#[derive(Debug)]
pub(super) struct Vault {
    pub(super) mode: SseMode,
    pub(super) bodies: Bodies,
    naming: Naming,
    buckets: Vec<String>,
    arns: Vec<KeyArn>,
    keyring: Keyring,
    root: WrappingKey,
    customer: CustomerKey,
}

/// The keys of one envelope, and its slot.
struct Unwrapped<'k> {
    inner: Inner<'k>,
    outer: Option<DataKey>,
}

enum Inner<'k> {
    Held(&'k DataKey),
    Own(DataKey),
    Customer(&'k CustomerKey),
}

impl Unwrapped<'_> {
    fn keys(&self) -> Keys<'_> {
        let inner = match &self.inner {
            Inner::Customer(key) => return Keys::Customer(key),
            Inner::Held(key) => key,
            Inner::Own(key) => key,
        };
        match &self.outer {
            Some(outer) => Keys::Two { inner, outer },
            None => Keys::One(inner),
        }
    }
}

impl Vault {
    pub(super) fn new(
        scenario: &Scenario,
        naming: Naming,
        mode: SseMode,
        arns: Vec<KeyArn>,
    ) -> Result<Self, WorkError> {
        Ok(Self {
            mode,
            bodies: Bodies::new(Seed(scenario.seed)),
            buckets: (0..scenario.layout.buckets).map(|bucket| naming.bucket(bucket)).collect(),
            naming,
            arns,
            keyring: Keyring::new(),
            root: WrappingKey::generate()?,
            customer: CustomerKey::generate()?,
        })
    }

    /// `GenerateDataKey`.
    pub(super) fn generate(
        &self,
        handle: KeyHandle,
        header: &BlobHeader,
        name: Name,
    ) -> Result<Held, WorkError> {
        let (key, wrapped) = self.keyring.generate_data_key(header, &self.context(name)?)?;
        Ok(Held { handle, key, wrapped })
    }

    /// `Decrypt`.
    pub(super) fn decrypt(
        &self,
        handle: KeyHandle,
        wrapped: &WrappedKey,
        name: Name,
    ) -> Result<Held, WorkError> {
        let key = self.keyring.decrypt_data_key(wrapped, &self.context(name)?)?;
        Ok(Held { handle, key, wrapped: wrapped.clone() })
    }

    /// What `envelope` keeps under a KMS key.
    pub(super) fn wrapped(envelope: &[u8]) -> Result<WrappedKey, WorkError> {
        match Header::parse(envelope)?.slot() {
            Slot::SseKms { wrapped, .. } | Slot::DsseKms { wrapped_inner: wrapped, .. } => {
                Ok(wrapped.clone())
            }
            Slot::SseKmsBucketKey { wrapped_bucket_key, .. } => Ok(wrapped_bucket_key.clone()),
            _ => Err(WorkError::NoKey),
        }
    }

    /// `out` becomes the envelope of `plaintext`.
    pub(super) fn seal(
        &self,
        held: Option<&Held>,
        name: Name,
        part: Part,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), WorkError> {
        let (unwrapped, slot) = self.fresh(held, name)?;
        let options = Options { part, ..Options::default() };
        Ok(seal_into(unwrapped.keys(), &slot, &self.identity(name), plaintext, options, out)?)
    }

    /// `out` becomes the plaintext of `envelope`, all of it.
    pub(super) fn open(
        &self,
        held: Option<&Held>,
        name: Name,
        envelope: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), WorkError> {
        let header = Header::parse(envelope)?;
        let unwrapped = self.unwrap(header.slot(), held, name)?;
        let unlocked = header.unlock(unwrapped.keys(), &self.identity(name), Backend::default())?;
        Ok(unlocked.open_into(&envelope[unlocked.header_bytes()..], Threads::Pool, out)?)
    }

    /// `bytes` of the plaintext of an envelope of `length` bytes, from `first` on; `envelope` is all of it, or its header and
    /// their frames.
    pub(super) fn open_range(
        &self,
        held: Option<&Held>,
        name: Name,
        envelope: &[u8],
        length: u64,
        (first, bytes): (u64, u64),
    ) -> Result<Vec<u8>, WorkError> {
        let header = Header::parse(envelope)?;
        let unwrapped = self.unwrap(header.slot(), held, name)?;
        let unlocked = header.unlock(unwrapped.keys(), &self.identity(name), Backend::default())?;
        let range = ByteRange::FromTo { first, last: first + bytes - 1 };
        let plan = unlocked.plan_range(range, length)?;
        if (envelope.len() as u64) < length {
            let frames = &envelope[unlocked.header_bytes()..];
            return Ok(unlocked.open_range(&plan, frames, &[], Threads::Pool)?);
        }
        let cut = |range: &std::ops::Range<u64>| {
            let at = |offset| usize::try_from(offset).expect("within an envelope in memory");
            &envelope[at(range.start)..at(range.end)]
        };
        let last = plan.last_frame().map_or(&[][..], |range| cut(&range));
        Ok(unlocked.open_range(&plan, cut(&plan.frames()), last, Threads::Pool)?)
    }

    /// The sealed manifest of `parts`, which are checked on the way.
    pub(super) fn manifest(
        &self,
        held: Option<&Held>,
        name: Name,
        parts: &[Cow<'_, [u8]>],
    ) -> Result<Vec<u8>, WorkError> {
        let identity = self.identity(name);
        let listed = parts.iter().map(|part| {
            let header = Header::parse(part)?;
            let unwrapped = self.unwrap(header.slot(), held, name)?;
            Ok(ManifestPart::of(&header.unlock(unwrapped.keys(), &identity, Backend::default())?)?)
        });
        let manifest = Manifest::new(listed.collect::<Result<_, WorkError>>()?)?;
        let (unwrapped, slot) = self.fresh(held, name)?;
        Ok(manifest.seal(unwrapped.keys(), &slot, &identity)?)
    }

    /// Opens a whole upload by its manifest, and compares it with the body of `version`.
    pub(super) fn check_upload(
        &self,
        held: Option<&Held>,
        name: Name,
        version: u64,
        manifest: &[u8],
        parts: &[Cow<'_, [u8]>],
    ) -> Result<(), WorkError> {
        let identity = self.identity(name);
        let unwrapped = self.unwrap(Header::parse(manifest)?.slot(), held, name)?;
        let manifest = Manifest::open(unwrapped.keys(), &identity, manifest)?;
        let (mut offset, mut plain) = (0, Vec::new());
        for (index, part) in parts.iter().enumerate() {
            let header = Header::parse(part)?;
            let unwrapped = self.unwrap(header.slot(), held, name)?;
            let unlocked = header.unlock(unwrapped.keys(), &identity, Backend::default())?;
            manifest.check_part(index, &unlocked)?;
            unlocked.open_into(&part[unlocked.header_bytes()..], Threads::Pool, &mut plain)?;
            self.check(name.object, version, offset, &plain)?;
            offset += plain.len() as u64;
        }
        Ok(())
    }

    /// Opens a stored object with nothing but what stands in it, and compares it.
    pub(super) fn check_stored(
        &self,
        stored: &Stored,
        name: Name,
        directory: Option<&Directory>,
    ) -> Result<(), WorkError> {
        let envelope = stored.sealed.bytes(directory)?;
        let held = match Self::wrapped(&envelope) {
            Ok(wrapped) => Some(self.decrypt(stored.handle, &wrapped, name)?),
            Err(WorkError::NoKey) => None,
            Err(error) => return Err(error),
        };
        let mut plain = Vec::new();
        self.open(held.as_ref(), name, &envelope, &mut plain)?;
        self.check(stored.object, stored.version, 0, &plain)
    }

    /// Whether `plain` is the body of `object` in `version` from `offset` on.
    pub(super) fn check(
        &self,
        object: u64,
        version: u64,
        offset: u64,
        plain: &[u8],
    ) -> Result<(), WorkError> {
        let mismatch = self.bodies.mismatch(object, version, offset, plain);
        mismatch.map_or(Ok(()), |at| Err(WorkError::Mismatch { object, version, at }))
    }

    /// Keys for a new envelope, and the slot that leads to them.
    fn fresh<'k>(&'k self, held: Option<&'k Held>, name: Name) -> Result<(Unwrapped<'k>, Slot), WorkError> {
        let key = || self.arns[name.kms_key as usize].clone();
        let held = || held.ok_or(WorkError::NoKey);
        let context = EncryptionContext::empty();
        let (inner, outer, slot) = match self.mode {
            SseMode::SseC => (Inner::Customer(&self.customer), None, Slot::SseC),
            SseMode::SseS3 => {
                let (own, wrapped) = self.under(&self.root, name)?;
                (Inner::Own(own), None, Slot::SseS3 { root_version: ROOT_VERSION, wrapped })
            }
            SseMode::SseKms | SseMode::KmsCached => {
                let held = held()?;
                let slot = Slot::SseKms { key: key(), wrapped: held.wrapped.clone(), context };
                (Inner::Held(&held.key), None, slot)
            }
            SseMode::SseKmsBucketKey => {
                let held = held()?;
                let (own, wrapped) = self.under(&WrappingKey::from_data_key(&held.key), name)?;
                let (generation, wrapped_bucket_key) = (held.handle.0, held.wrapped.clone());
                let slot =
                    Slot::SseKmsBucketKey { key: key(), generation, wrapped_bucket_key, wrapped, context };
                (Inner::Own(own), None, slot)
            }
            SseMode::DsseKms => {
                let held = held()?;
                let (outer, wrapped_outer) = self.under(&self.root, name)?;
                let (wrapped_inner, root_version) = (held.wrapped.clone(), ROOT_VERSION);
                let slot = Slot::DsseKms { key: key(), wrapped_inner, root_version, wrapped_outer, context };
                (Inner::Held(&held.key), Some(outer), slot)
            }
        };
        Ok((Unwrapped { inner, outer }, slot))
    }

    /// The keys that `slot` leads to.
    fn unwrap<'k>(
        &'k self,
        slot: &Slot,
        held: Option<&'k Held>,
        name: Name,
    ) -> Result<Unwrapped<'k>, WorkError> {
        let held = || held.ok_or(WorkError::NoKey);
        let (inner, outer) = match slot {
            Slot::SseC => (Inner::Customer(&self.customer), None),
            Slot::SseS3 { wrapped, .. } => {
                (Inner::Own(self.root.unwrap(wrapped, &self.object_context(name)?)?), None)
            }
            Slot::SseKms { .. } => (Inner::Held(&held()?.key), None),
            Slot::SseKmsBucketKey { wrapped, .. } => {
                let bucket_key = WrappingKey::from_data_key(&held()?.key);
                (Inner::Own(bucket_key.unwrap(wrapped, &self.object_context(name)?)?), None)
            }
            Slot::DsseKms { wrapped_outer, .. } => {
                let outer = self.root.unwrap(wrapped_outer, &self.object_context(name)?)?;
                (Inner::Held(&held()?.key), Some(outer))
            }
        };
        Ok(Unwrapped { inner, outer })
    }

    /// A fresh data key for the object alone, and its form under `key`.
    fn under(&self, key: &WrappingKey, name: Name) -> Result<(DataKey, WrappedKey), WorkError> {
        let own = DataKey::generate()?;
        let wrapped = key.wrap(&own, &self.object_context(name)?)?;
        Ok((own, wrapped))
    }

    /// The context of a call to KMS: constant for the bucket where keys are kept, else that of the object.
    fn context(&self, name: Name) -> Result<EncryptionContext, WorkError> {
        if is_cached(self.mode) {
            return Ok(EncryptionContext::of_bucket(self.bucket(name))?);
        }
        self.object_context(name)
    }

    fn object_context(&self, name: Name) -> Result<EncryptionContext, WorkError> {
        Ok(EncryptionContext::of_object(self.bucket(name), &self.object_key(name))?)
    }

    fn identity(&self, name: Name) -> Identity {
        let (bucket, key) = (self.bucket(name), self.object_key(name));
        match name.kind {
            Kind::Upload(number) => Identity::upload(bucket, &key, &format!("upload-{number}")),
            Kind::Object | Kind::Copy => Identity::object(bucket, &key),
        }
    }

    /// The file of what `number` wrote under this name: a version of an object, or a part of an upload, whose manifest is
    /// part 0.
    pub(super) fn path(&self, name: Name, number: u64) -> Path {
        let (folder, file) = (self.naming.folder(name.bucket), self.naming.file(name.object));
        Path::from(match name.kind {
            Kind::Object => format!("{folder}/{file}.v{number}"),
            Kind::Copy => format!("{folder}/copy-of/{file}.v{number}"),
            Kind::Upload(upload) => format!("{folder}/{file}.upload{upload}/part{number}"),
        })
    }

    /// The folder that a listing drawn at this object looks into.
    pub(super) fn listed(&self, name: Name) -> Path {
        Path::from(format!("{}/{}", self.naming.folder(name.bucket), self.naming.prefix(name.object)))
    }

    fn bucket(&self, name: Name) -> &str {
        &self.buckets[name.bucket as usize]
    }

    fn object_key(&self, name: Name) -> String {
        match name.kind {
            Kind::Copy => self.naming.copy_key(name.object),
            Kind::Object | Kind::Upload(_) => self.naming.object_key(name.object),
        }
    }
}

/// What the proof of encryption searches for (`live/proof.rs`).
#[cfg(test)]
impl Vault {
    /// The keys at the roots: S3's own, and the customer's.
    pub(super) fn roots(&self) -> Vec<[u8; crate::envelope::KEY_BYTES]> {
        vec![*self.root.bytes(), *self.customer.bytes()]
    }

    /// Every key that the envelope in the file at `path` leads to.
    pub(super) fn keys_of(
        &self,
        path: &std::path::Path,
        envelope: &[u8],
    ) -> Result<Vec<[u8; crate::envelope::KEY_BYTES]>, WorkError> {
        let name = self.name_of_file(path.to_str().expect("made from text"));
        let held = match Self::wrapped(envelope) {
            Ok(wrapped) => Some(self.decrypt(KeyHandle(0), &wrapped, name)?),
            Err(WorkError::NoKey) => None,
            Err(error) => return Err(error),
        };
        let header = Header::parse(envelope)?;
        let unwrapped = self.unwrap(header.slot(), held.as_ref(), name)?;
        let inner = match &unwrapped.inner {
            Inner::Customer(key) => *key.bytes(),
            Inner::Held(key) => *key.bytes(),
            Inner::Own(key) => *key.bytes(),
        };
        let outer = unwrapped.outer.iter().map(|key| *key.bytes());
        let held = held.iter().map(|held| *held.key.bytes());
        Ok(std::iter::once(inner).chain(outer).chain(held).collect())
    }

    /// The name under which the file was written, of a scenario with one bucket and one KMS key.
    fn name_of_file(&self, path: &str) -> Name {
        let digits = path.rsplit_once("/o").expect("an object's key").1;
        let object = digits[..12].parse().expect("an object's number");
        let kind = match path.split_once(".upload") {
            _ if path.contains("copy-of") => Kind::Copy,
            Some((_, rest)) => {
                Kind::Upload(rest.split('/').next().expect("a number").parse().expect("a number"))
            }
            None => Kind::Object,
        };
        let name = Name { bucket: 0, kms_key: 0, object, kind };
        assert!(path.contains(&self.object_key(name)), "{path}");
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::KEY_BYTES;
    use crate::kms::Granted;
    use crate::rig;

    const NAME: Name = Name { bucket: 0, kms_key: 0, object: 7, kind: Kind::Object };

    fn vault(mode: SseMode) -> (Vault, Held) {
        let scenario = Scenario::default();
        let directory = rig::directory(&scenario, &Naming::new(&scenario)).unwrap();
        let kms = rig::kms(&scenario, mode, None, &directory).unwrap();
        let vault = Vault::new(&scenario, Naming::new(&scenario), mode, directory.kms_keys).unwrap();
        let header = kms.model.header(Granted { key: kms.keys[0], material: 0 });
        let held = vault.generate(KeyHandle(1), &header, NAME).unwrap();
        (vault, held)
    }

    #[test]
    fn no_key_and_no_sixteen_bytes_of_plaintext_stand_in_an_envelope() {
        for mode in SseMode::ALL {
            let (vault, held) = vault(mode);
            let mut plain = vec![0; 5_000];
            vault.bodies.fill(7, 0, 0, &mut plain);
            let mut sealed = Vec::new();
            vault.seal(Some(&held), NAME, Part::Whole, &plain, &mut sealed).unwrap();
            let header = Header::parse(&sealed).unwrap();
            let unwrapped = vault.unwrap(header.slot(), Some(&held), NAME).unwrap();
            let inner = match &unwrapped.inner {
                Inner::Customer(key) => *key.bytes(),
                Inner::Held(key) => *key.bytes(),
                Inner::Own(key) => *key.bytes(),
            };
            let outer = unwrapped.outer.as_ref().map(|outer| *outer.bytes());
            for key in [Some(inner), outer, Some(*held.key.bytes())].into_iter().flatten() {
                assert!(
                    !sealed.windows(KEY_BYTES).any(|run| run == key),
                    "{mode}: a key stands in the envelope"
                );
            }
            let plain_runs: std::collections::BTreeSet<&[u8]> = plain.windows(16).collect();
            assert!(
                !sealed.windows(16).any(|run| plain_runs.contains(run)),
                "{mode}: plaintext in the envelope"
            );
        }
    }

    #[test]
    fn an_envelope_opens_under_its_own_name_alone_and_a_changed_body_not_at_all() {
        for mode in SseMode::ALL {
            let (vault, held) = vault(mode);
            let (mut sealed, mut opened) = (Vec::new(), Vec::new());
            vault.seal(Some(&held), NAME, Part::Whole, b"body", &mut sealed).unwrap();
            vault.open(Some(&held), NAME, &sealed, &mut opened).unwrap();
            assert_eq!(opened, b"body", "{mode}");
            let other = Name { object: 8, ..NAME };
            assert!(vault.open(Some(&held), other, &sealed, &mut opened).is_err(), "{mode}: another name");
            *sealed.last_mut().unwrap() ^= 1;
            assert!(vault.open(Some(&held), NAME, &sealed, &mut opened).is_err(), "{mode}: a changed body");
        }
    }

    #[test]
    fn a_body_that_is_not_the_one_written_is_told_by_its_first_wrong_byte() {
        let (vault, _) = vault(SseMode::SseC);
        let mut body = vec![0; 100];
        vault.bodies.fill(3, 4, 50, &mut body);
        assert_eq!(vault.check(3, 4, 50, &body), Ok(()));
        body[9] ^= 1;
        assert_eq!(vault.check(3, 4, 50, &body), Err(WorkError::Mismatch { object: 3, version: 4, at: 59 }));
    }
}
