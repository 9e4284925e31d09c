//! Work on bodies, with the stamps of its start and end, here or in rayon's pool: sealing, opening, the directory's files.

use std::ops::Deref;
use std::sync::Arc;

use object_store::path::Path;

use super::clock::Clock;
use super::directory::Directory;
use super::error::WorkError;
use super::store::{Sealed, Stored, Upload};
use super::vault::{Held, Name, Vault};
use crate::envelope::Part;
use crate::units::{Span, Timestamp};

/// Bodies of this many bytes and more go to the pool: opened and compared where requests are released, each would hold up
/// the next for longer than a sleeping worker takes to wake. An estimate (docs/SOURCES.md, live).
pub const HAND_OUT_BYTES: u64 = 128 << 10;

/// A piece of work on one body.
#[derive(Debug)]
pub(super) struct Task<K> {
    pub(super) name: Name,
    pub(super) key: Option<K>,
    pub(super) work: Work,
    /// Where sealed or opened bytes go: memory that is used again.
    pub(super) out: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Work {
    /// Seal `plain`, which is made first where it does not have its `bytes` yet.
    Seal { plain: Vec<u8>, body: Body, part: Part },
    /// Open all of it, or bytes from an offset on, and compare. `sealed` is what was read of a file.
    Open { source: Arc<Stored>, sealed: Vec<u8>, range: Option<(u64, u64)> },
    /// Read a file, or of it what bytes from an offset on need.
    Read { source: Arc<Stored>, range: Option<(u64, u64)> },
    /// Write an envelope to a file, as the version or part of this number.
    Write { sealed: Vec<u8>, number: u64 },
    /// Look a file up.
    LookUp { source: Arc<Stored> },
    /// List what lies beside the object.
    List,
    /// Write the manifest of an upload; then open the whole by it and compare.
    Complete { parts: Vec<Sealed>, version: u64 },
}

/// Which bytes a body is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) object: u64,
    pub(super) version: u64,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// What came of it. Making and comparing bodies is the load generator's own work and counts in no time.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) result: Result<Product, WorkError>,
    pub(super) took: Span,
    pub(super) at: Timestamp,
}

#[derive(Debug)]
pub(super) enum Product {
    /// An envelope, and the memory of the plaintext.
    Sealed { sealed: Vec<u8>, plain: Vec<u8> },
    /// A plaintext that was compared, and the memory of what was read for it.
    Opened { plain: Vec<u8>, sealed: Vec<u8> },
    /// What stood in a file.
    Read(Vec<u8>),
    /// A file that was written.
    Written(Sealed),
    /// Nothing that anybody needs.
    Looked,
    /// A whole upload that was compared.
    Uploaded(Upload),
}

/// Everything that tasks work with; shared by the pool.
#[derive(Clone, Debug)]
pub(super) struct Bench {
    pub(super) vault: Arc<Vault>,
    pub(super) directory: Option<Directory>,
    pub(super) clock: Clock,
}

impl Bench {
    pub(super) fn perform<K: Deref<Target = Held>>(&self, task: Task<K>) -> Finished {
        let Task { name, key, work, out } = task;
        let held = key.as_deref();
        match work {
            Work::Seal { plain, body, part } => self.seal(held, name, plain, body, part, out),
            Work::Open { source, sealed, range } => self.open(held, name, &source, sealed, range, out),
            Work::Read { source, range } => self.timed(|| {
                let directory = self.directory.as_ref();
                let envelope = match range {
                    None => source.sealed.bytes(directory)?,
                    Some(range) => source.sealed.stretch(range, directory)?,
                };
                Ok(Product::Read(envelope.into_owned()))
            }),
            Work::Write { sealed, number } => {
                self.timed(|| Ok(Product::Written(self.write(sealed, name, number)?)))
            }
            Work::LookUp { source } => self.timed(|| {
                if let (Sealed::File { path, .. }, Some(directory)) = (&source.sealed, &self.directory) {
                    directory.look_up(path)?;
                }
                Ok(Product::Looked)
            }),
            Work::List => self.timed(|| {
                if let Some(directory) = &self.directory {
                    directory.list(&self.vault.listed(name))?;
                }
                Ok(Product::Looked)
            }),
            Work::Complete { parts, version } => self.complete(held, name, parts, version),
        }
    }

    fn timed(&self, work: impl FnOnce() -> Result<Product, WorkError>) -> Finished {
        let start = self.clock.now();
        let result = work();
        let at = self.clock.now();
        Finished { result, took: at.since(start), at }
    }

    fn write(&self, sealed: Vec<u8>, name: Name, number: u64) -> Result<Sealed, WorkError> {
        let path = || -> Path { self.vault.path(name, number) };
        Sealed::keep(sealed, path, self.directory.as_ref(), self.vault.mode)
    }

    fn seal(
        &self,
        held: Option<&Held>,
        name: Name,
        mut plain: Vec<u8>,
        body: Body,
        part: Part,
        mut out: Vec<u8>,
    ) -> Finished {
        let bytes = usize::try_from(body.bytes).expect("a body fits in memory");
        if plain.len() != bytes {
            plain.resize(bytes, 0);
            self.vault.bodies.fill(body.object, body.version, body.offset, &mut plain);
        }
        let start = self.clock.now();
        let result = self.vault.seal(held, name, part, &plain, &mut out);
        let at = self.clock.now();
        let result = result.map(|()| Product::Sealed { sealed: out, plain });
        Finished { result, took: at.since(start), at }
    }

    fn open(
        &self,
        held: Option<&Held>,
        name: Name,
        source: &Stored,
        sealed: Vec<u8>,
        range: Option<(u64, u64)>,
        mut out: Vec<u8>,
    ) -> Finished {
        let envelope = match &source.sealed {
            Sealed::Memory(envelope) => envelope,
            Sealed::File { .. } => &sealed,
        };
        let start = self.clock.now();
        let opened = match range {
            None => self.vault.open(held, name, envelope, &mut out),
            Some(range) => {
                let length = source.sealed.length();
                self.vault.open_range(held, name, envelope, length, range).map(|opened| out = opened)
            }
        };
        let at = self.clock.now();
        let offset = range.map_or(0, |(first, _)| first);
        let checked = opened.and_then(|()| self.vault.check(source.object, source.version, offset, &out));
        let result = checked.map(|()| Product::Opened { plain: out, sealed });
        Finished { result, took: at.since(start), at }
    }

    fn complete(&self, held: Option<&Held>, name: Name, parts: Vec<Sealed>, version: u64) -> Finished {
        let directory = self.directory.as_ref();
        let read: Result<Vec<_>, WorkError> = parts.iter().map(|part| part.bytes(directory)).collect();
        let start = self.clock.now();
        let written = read.and_then(|bytes| {
            let manifest = self.vault.manifest(held, name, &bytes)?;
            Ok((bytes, manifest.clone(), self.write(manifest, name, 0)?))
        });
        let at = self.clock.now();
        let checked = written.and_then(|(bytes, manifest, kept)| {
            self.vault.check_upload(held, name, version, &manifest, &bytes)?;
            Ok(kept)
        });
        let result = checked.map(|manifest| Product::Uploaded(Upload { parts, manifest }));
        Finished { result, took: at.since(start), at }
    }
}
