//! Objects in memory, sealed: the population, then what PUTs, copies, uploads and deletes make of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::error::{LiveError, WorkError};
use super::vault::{Held, Kind, Name, Vault};
use crate::envelope::{Part, WrappedKey};
use crate::kms::BlobHeader;
use crate::pipeline::{KeyHandle, Standing};
use crate::request::SseMode;
use crate::units::Span;
use crate::workload::{Existing, Population, Source};

/// Most objects of a population in memory.
const OBJECTS_MAX: u64 = 1 << 28;

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
    pub(super) sealed: Vec<u8>,
}

/// A completed upload.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) parts: Vec<Vec<u8>>,
    pub(super) manifest: Vec<u8>,
}

/// Memory that one run leaves to the next; what it held last can still be looked at.
#[derive(Debug, Default)]
pub struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    /// No memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that the store of the latest run held when it ended.
    pub fn stored(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

#[derive(Debug)]
pub(super) struct Store {
    of_population: Vec<Option<Arc<Stored>>>,
    /// The objects that the run makes, from `first_new` on.
    made: Vec<Option<Arc<Stored>>>,
    first_new: u64,
    /// Copies and uploads, by their ids; nobody reads them during the run.
    pub(super) copies: BTreeMap<u64, (Name, Arc<Stored>)>,
    pub(super) uploads: BTreeMap<u64, Arc<Upload>>,
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
    /// Seals the population of `source` by its mode, outside any quota. `headers` are those of KMS's blobs, by KMS key.
    pub(super) fn new(
        source: &Source,
        vault: &Vault,
        headers: &[BlobHeader],
        lifetime: Span,
        memory_max: u64,
        buffers: &mut Buffers,
    ) -> Result<Self, LiveError> {
        let population = source.population();
        if population.count() > OBJECTS_MAX {
            return Err(LiveError::Objects { count: population.count(), expected: OBJECTS_MAX });
        }
        let bytes = match source {
            Source::Scenario(_) => population.iter().fold(0_u64, |sum, e| sum.saturating_add(e.bytes)),
            Source::Replay(replay) => replay.bytes_at_most(),
        };
        if bytes > memory_max {
            return Err(LiveError::Memory { bytes, available: memory_max });
        }
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
                seal(&existing, names, vault, headers, &population, &keys, plain, sealed)
            })
            .collect::<Result<Vec<_>, WorkError>>()?;
        Ok(Self {
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
        // Somebody may be reading it.
        if let Some(former) = former.and_then(Arc::into_inner) {
            self.keep(former.sealed);
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
        buffers.0.extend(objects.filter_map(Arc::into_inner).map(|stored| stored.sealed));
        for upload in self.uploads.into_values().filter_map(Arc::into_inner) {
            buffers.0.extend(upload.parts);
            buffers.0.push(upload.manifest);
        }
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
    Ok(Some(Arc::new(Stored { handle, object: existing.object, version: 0, sealed })))
}
