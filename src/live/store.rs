//! The objects, sealed, in memory or in a directory: the population, then what PUTs, copies, uploads and deletes make of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use object_store::path::Path;
use rayon::prelude::*;

use super::directory::Directory;
use super::driver::Options;
use super::error::{LiveError, WorkError};
use super::vault::{Held, Kind, Name, Vault};
use super::watch::Progress;
use crate::envelope::{Header, Part, WrappedKey};
use crate::kms::BlobHeader;
use crate::pipeline::{KeyHandle, Standing, is_cached};
use crate::request::SseMode;
use crate::units::Span;
use crate::workload::{Existing, Population, Source};

/// Most objects of a population.
const OBJECTS_MAX: u64 = 1 << 28;

/// What a file takes beyond its plaintext, at most: header and tags, and the rest of its last block.
const FILE_BYTES: u64 = 4_096;

/// What is read of a file for its header: more than one takes, whatever the mode. Source: docs/FORMAT.md, the slots.
const HEADER_BYTES_READ: u64 = 4_096;

/// Files of at most this many bytes are read whole, ranges of them, too: one access instead of two.
const WHOLE_BYTES: u64 = 32 << 10;

/// Buffers kept for the next body.
const SPARE_MAX: usize = 64;

/// An object as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    /// The key that it stands under.
    pub(super) handle: KeyHandle,
    /// The object and version whose body it holds.
    pub(super) object: u64,
    pub(super) version: u64,
    pub(super) sealed: Sealed,
}

/// Where an envelope lies.
#[derive(Clone, Debug)]
pub(super) enum Sealed {
    Memory(Vec<u8>),
    /// In the directory.
    File {
        path: Path,
        /// The key of KMS that it names, where it stands under one of its own: S3 has that at hand before it reads.
        wrapped: Option<WrappedKey>,
        /// Bytes of the file.
        bytes: u64,
    },
}

/// A completed upload.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) parts: Vec<Sealed>,
    pub(super) manifest: Sealed,
}

impl Stored {
    /// The key of KMS that it names; where one key serves many objects, its handle leads to it instead.
    pub(super) fn wrapped(&self) -> Option<WrappedKey> {
        match &self.sealed {
            Sealed::Memory(envelope) => Vault::wrapped(envelope).ok(),
            Sealed::File { wrapped, .. } => wrapped.clone(),
        }
    }
}

impl Sealed {
    /// Keeps `envelope` in the directory, or in memory where there is none.
    pub(super) fn keep(
        envelope: Vec<u8>,
        path: impl FnOnce() -> Path,
        directory: Option<&Directory>,
        mode: SseMode,
    ) -> Result<Self, WorkError> {
        let Some(directory) = directory else { return Ok(Self::Memory(envelope)) };
        let (path, bytes) = (path(), envelope.len() as u64);
        let wrapped = if is_cached(mode) { None } else { Vault::wrapped(&envelope).ok() };
        directory.write(&path, envelope)?;
        Ok(Self::File { path, wrapped, bytes })
    }

    /// Of a file what `bytes` of the plaintext from `first` on need: its header and their frames, in a first and a second
    /// access. All of the envelope where there is less to save than an access costs, or in memory.
    pub(super) fn stretch(
        &self,
        (first, bytes): (u64, u64),
        directory: Option<&Directory>,
    ) -> Result<Cow<'_, [u8]>, WorkError> {
        let (Self::File { path, bytes: of, .. }, Some(directory)) = (self, directory) else {
            return self.bytes(directory);
        };
        if *of <= WHOLE_BYTES {
            return self.bytes(Some(directory));
        }
        let front = directory.read_stretch(path, 0..HEADER_BYTES_READ)?;
        if Header::length(&front)? > front.len() {
            return self.bytes(Some(directory));
        }
        let Some([header, frames]) = Header::parse(&front)?.stretches(first, bytes) else {
            return self.bytes(Some(directory));
        };
        let mut read = front;
        read.truncate(usize::try_from(header.end).expect("within what was read"));
        read.append(&mut directory.read_stretch(path, frames)?);
        Ok(Cow::Owned(read))
    }

    /// Bytes of the whole envelope.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Memory(envelope) => envelope.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }

    /// The envelope.
    pub(super) fn bytes(&self, directory: Option<&Directory>) -> Result<Cow<'_, [u8]>, WorkError> {
        match self {
            Self::Memory(envelope) => Ok(Cow::Borrowed(envelope)),
            Self::File { path, .. } => {
                let directory = directory.expect("files are made in a directory");
                Ok(Cow::Owned(directory.read(path)?))
            }
        }
    }
}

/// How large the population of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PopulationSize {
    /// Objects.
    pub objects: u64,
    /// Their plaintext; of a trace, what they may come to at most.
    pub bytes: u64,
}

impl PopulationSize {
    /// That of `source`, in whatever mode.
    ///
    /// # Errors
    /// [`LiveError::Objects`] for more objects than a run takes.
    pub fn of(source: &Source) -> Result<Self, LiveError> {
        let population = source.population();
        if population.count() > OBJECTS_MAX {
            return Err(LiveError::Objects { count: population.count(), expected: OBJECTS_MAX });
        }
        Ok(match source {
            Source::Scenario(_) => population.iter().fold(Self { objects: 0, bytes: 0 }, |sum, existing| {
                Self { objects: sum.objects + 1, bytes: sum.bytes.saturating_add(existing.bytes) }
            }),
            Source::Replay(replay) => {
                Self { objects: replay.scenario().objects.count, bytes: replay.bytes_at_most() }
            }
        })
    }

    /// What its files may take in a directory: header and tags, and the rest of the last block of each, beside the bytes.
    pub fn in_files(self) -> u64 {
        self.bytes.saturating_add(self.objects.saturating_mul(FILE_BYTES))
    }
}

/// Memory that one run leaves to the next; what it held last can still be looked at.
#[derive(Debug, Default)]
pub struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    /// No memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that the store of the latest run held in memory when it ended.
    pub fn stored(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

#[derive(Debug)]
pub(super) struct Store {
    /// None: in memory.
    pub(super) directory: Option<Directory>,
    of_population: Vec<Option<Arc<Stored>>>,
    /// The objects that the run makes, from `first_new` on.
    made: Vec<Option<Arc<Stored>>>,
    first_new: u64,
    /// Copies and uploads, by their ids; nobody reads them during the run.
    pub(super) copies: BTreeMap<u64, (Name, Arc<Stored>)>,
    uploads: BTreeMap<u64, Upload>,
    /// Wrapped keys by handle, where a handle alone leads to them.
    pub(super) wrapped: BTreeMap<KeyHandle, WrappedKey>,
    spare: Vec<Vec<u8>>,
}

/// Which keys the population stands under.
#[derive(Clone, Copy, Debug)]
enum Names {
    /// None of KMS.
    Nothing,
    /// One for each object.
    Own,
    DataKeys,
    BucketKeys(Span),
}

impl Store {
    /// Seals the population of `source` by its mode, outside any quota, and counts its objects in `progress`. `headers` are
    /// those of KMS's blobs, by KMS key.
    pub(super) fn new(
        source: &Source,
        vault: &Vault,
        headers: &[BlobHeader],
        lifetime: Span,
        options: &Options,
        buffers: &mut Buffers,
        progress: &Progress,
    ) -> Result<Self, LiveError> {
        let directory = options.directory.clone();
        let population = source.population();
        let needed = PopulationSize::of(source)?;
        if let Some(directory) = &directory {
            let (bytes, available) = (needed.in_files(), directory.free());
            if bytes > available {
                return Err(LiveError::Directory { bytes, available });
            }
        } else {
            let (bytes, available) = (needed.bytes, options.memory_max);
            if bytes > available {
                return Err(LiveError::Memory { bytes, available });
            }
        }
        progress.sealed.store(0, Ordering::Relaxed);
        progress.to_seal.store(needed.objects, Ordering::Relaxed);
        let names = match vault.mode {
            SseMode::SseS3 | SseMode::SseC => Names::Nothing,
            SseMode::SseKms | SseMode::DsseKms => Names::Own,
            SseMode::KmsCached => Names::DataKeys,
            SseMode::SseKmsBucketKey => Names::BucketKeys(lifetime),
        };
        let keys = shared_keys(&population, names, vault, headers)?;
        let mut memory = std::mem::take(&mut buffers.0);
        memory.resize_with(usize::try_from(population.count()).expect("compared just now"), Vec::new);
        let of_population = memory
            .into_par_iter()
            .enumerate()
            .map_init(Vec::new, |plain, (object, sealed)| {
                let object = object as u64;
                if !population.exists(object) {
                    return Ok(None);
                }
                let existing = population.object(object);
                let files = directory.as_ref();
                let sealed = seal(&existing, names, vault, headers, &population, &keys, plain, sealed, files);
                progress.sealed.fetch_add(1, Ordering::Relaxed);
                sealed
            })
            .collect::<Result<Vec<_>, WorkError>>()?;
        Ok(Self {
            directory,
            of_population,
            made: Vec::new(),
            first_new: source.first_new(),
            copies: BTreeMap::new(),
            uploads: BTreeMap::new(),
            // The keys themselves are wiped here: to read an object, the run has to ask KMS.
            wrapped: keys.into_iter().map(|(handle, held)| (handle, held.wrapped)).collect(),
            spare: Vec::new(),
        })
    }

    pub(super) fn read(&self, object: u64) -> Option<&Arc<Stored>> {
        let (list, first) =
            if object >= self.first_new { (&self.made, self.first_new) } else { (&self.of_population, 0) };
        list.get(usize::try_from(object - first).ok()?)?.as_ref()
    }

    pub(super) fn standing(&self, object: u64) -> Standing {
        self.read(object).map_or(Standing::Missing, |stored| Standing::Under(stored.handle))
    }

    /// `object` is now this, or gone.
    pub(super) fn change(&mut self, object: u64, stored: Option<Stored>) {
        let stored = stored.map(Arc::new);
        let former = if object >= self.first_new {
            let made = usize::try_from(object - self.first_new).expect("ids of new objects are dense");
            if made >= self.made.len() {
                self.made.resize(made + 1, None);
            }
            std::mem::replace(&mut self.made[made], stored)
        } else {
            let slot = self.of_population.get_mut(usize::try_from(object).unwrap_or(usize::MAX));
            slot.and_then(|slot| std::mem::replace(slot, stored))
        };
        if let Some(former) = former {
            self.release(former);
        }
    }

    /// The copy `target` is now this, under this name.
    pub(super) fn copied(&mut self, target: u64, name: Name, stored: Stored) {
        if let Some((_, former)) = self.copies.insert(target, (name, Arc::new(stored))) {
            self.release(former);
        }
    }

    /// The upload `target` is now this.
    pub(super) fn uploaded(&mut self, target: u64, upload: Upload) {
        if let Some(former) = self.uploads.insert(target, upload) {
            former.parts.into_iter().chain([former.manifest]).for_each(|sealed| self.discard(sealed));
        }
    }

    /// Gives back a hold on an object. The last one takes a former version with it: somebody may still read it before.
    pub(super) fn release(&mut self, stored: Arc<Stored>) {
        if let Some(stored) = Arc::into_inner(stored) {
            self.discard(stored.sealed);
        }
    }

    fn discard(&mut self, sealed: Sealed) {
        match sealed {
            Sealed::Memory(buffer) => self.keep(buffer),
            Sealed::File { path, .. } => {
                if let Some(directory) = self.directory.clone() {
                    rayon::spawn(move || directory.remove(&path));
                }
            }
        }
    }

    /// Memory for a body.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Memory that is no longer needed.
    pub(super) fn keep(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < SPARE_MAX && buffer.capacity() > 0 {
            self.spare.push(buffer);
        }
    }

    /// Leaves all memory to the next run.
    pub(super) fn recycle(self, buffers: &mut Buffers) {
        let copies = self.copies.into_values().map(|(_, copy)| copy);
        let objects = self.of_population.into_iter().chain(self.made).flatten().chain(copies);
        let objects = objects.filter_map(Arc::into_inner).map(|stored| stored.sealed);
        let uploads =
            self.uploads.into_values().flat_map(|upload| upload.parts.into_iter().chain([upload.manifest]));
        buffers.0.extend(objects.chain(uploads).filter_map(|sealed| match sealed {
            Sealed::Memory(buffer) => Some(buffer),
            Sealed::File { .. } => None,
        }));
    }
}

impl Names {
    fn handle(self, existing: &Existing, population: &Population) -> KeyHandle {
        KeyHandle(match self {
            Self::Nothing | Self::Own => 0,
            Self::DataKeys => existing.data_key,
            Self::BucketKeys(lifetime) => population.bucket_key_generation(existing, lifetime),
        })
    }
}

fn name(existing: &Existing) -> Name {
    let Existing { object, bucket, kms_key, .. } = *existing;
    Name { bucket, kms_key, object, kind: Kind::Object }
}

/// The keys under which several objects may stand.
fn shared_keys(
    population: &Population,
    names: Names,
    vault: &Vault,
    headers: &[BlobHeader],
) -> Result<BTreeMap<KeyHandle, Held>, WorkError> {
    let mut keys = BTreeMap::new();
    if matches!(names, Names::Nothing | Names::Own) {
        return Ok(keys);
    }
    for existing in population.iter() {
        let handle = names.handle(&existing, population);
        if let std::collections::btree_map::Entry::Vacant(vacant) = keys.entry(handle) {
            let header = &headers[existing.kms_key as usize];
            vacant.insert(vault.generate(handle, header, name(&existing))?);
        }
    }
    Ok(keys)
}

#[expect(clippy::too_many_arguments, reason = "the body of one closure")]
fn seal(
    existing: &Existing,
    names: Names,
    vault: &Vault,
    headers: &[BlobHeader],
    population: &Population,
    keys: &BTreeMap<KeyHandle, Held>,
    plain: &mut Vec<u8>,
    mut sealed: Vec<u8>,
    directory: Option<&Directory>,
) -> Result<Option<Arc<Stored>>, WorkError> {
    let handle = names.handle(existing, population);
    plain.resize(usize::try_from(existing.bytes).expect("the population fits in memory"), 0);
    vault.bodies.fill(existing.object, 0, 0, plain);
    let own = match names {
        Names::Own => Some(vault.generate(handle, &headers[existing.kms_key as usize], name(existing))?),
        _ => None,
    };
    let held = own.as_ref().or_else(|| keys.get(&handle));
    vault.seal(held, name(existing), Part::Whole, plain, &mut sealed)?;
    let sealed = Sealed::keep(sealed, || vault.path(name(existing), 0), directory, vault.mode)?;
    Ok(Some(Arc::new(Stored { handle, object: existing.object, version: 0, sealed })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{CustomerKey, Identity, Keys, Options, Slot, seal_into};

    #[test]
    fn of_a_range_only_the_header_and_its_frames_are_read_and_small_files_whole() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path(), 1 << 30).unwrap();
        let (key, identity) = (CustomerKey::generate().unwrap(), Identity::object("bucket", "key"));
        let kept = |bytes: usize| {
            let mut envelope = Vec::new();
            let plain = vec![7; bytes];
            seal_into(
                Keys::Customer(&key),
                &Slot::SseC,
                &identity,
                &plain,
                Options::default(),
                &mut envelope,
            )
            .unwrap();
            let path = || Path::from(format!("o{bytes}"));
            (Sealed::keep(envelope.clone(), path, Some(&directory), SseMode::SseC).unwrap(), envelope)
        };
        let (sealed, envelope) = kept(1 << 20);
        let header = Header::parse(&envelope).unwrap().as_bytes().len();
        let frame = Options::default().frame_size.bytes();
        let read = |range| sealed.stretch(range, Some(&directory)).unwrap().into_owned();
        let first = read((5, 10));
        assert_eq!(first, envelope[..header + frame + 16], "the first frame, and its tag");
        let across = read((frame as u64 - 1, 2));
        assert_eq!(across, envelope[..header + 2 * (frame + 16)], "two frames");
        let last = read(((1 << 20) - 1, 1));
        assert_eq!((last.len(), &last[..header]), (header + frame + 16, &envelope[..header]));
        assert_eq!(read((1 << 20, 1)), envelope, "beyond the end: all of it, and opening says so");
        let (small, envelope) = kept(1_000);
        assert_eq!(small.stretch((5, 10), Some(&directory)).unwrap(), envelope);
        assert_eq!(Sealed::Memory(envelope.clone()).stretch((5, 10), None).unwrap(), envelope);
    }
}
