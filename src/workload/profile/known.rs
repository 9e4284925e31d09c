//! What is known of the objects of a log: the mode of each, how it is known, and under which Bucket Key it stands.
//!
//! What an object was written with never changes when its bucket's default does: so a setting decides about the writes that
//! come after it, and about older objects only the default decides that was in force before the log.
//!
//! Source: S3 user guide, default encryption (docs/SOURCES.md, workload).

use super::predict::{Asked, Object, Step, mix};
use crate::request::{Operation, SseMode};
use crate::workload::log::{Digested, Ending, Side, Sse};

/// Most objects whose mode is remembered: at most 400 MB. Those beyond count as not written in the log.
const OBJECTS_MAX: usize = 1 << 23;
/// Most multipart uploads under way, and most buckets, that are remembered.
const UPLOADS_MAX: usize = 1 << 20;
const BUCKETS_MAX: usize = 1 << 17;

/// How an object's mode is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    OwnPut,
    OwnRequest,
    Inventory,
    Setting,
    Default,
    Assumed,
    Unknown,
    Update,
}

impl Basis {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OwnPut => "own PUT in the log",
            Self::OwnRequest => "the request itself",
            Self::Inventory => "inventory",
            Self::Setting => "bucket setting in the log",
            Self::Default => "default that other PUTs in the bucket had",
            Self::Assumed => "assumed",
            Self::Unknown => "unknown",
            Self::Update => "UpdateObjectEncryption in the log",
        }
    }
}

/// What is known of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) sse: Option<Sse>,
    pub(super) basis: Basis,
    /// Whether its write named the version that it made.
    versioned: bool,
    /// Which Bucket Key it stands under, as far as the log tells; 0: an older one.
    pub(super) generation: u32,
    /// Which it stands under if each session fetches its own.
    pub(super) session_generation: u32,
    /// Which it would stand under if everything had one.
    pub(super) implied: u32,
}

impl Known {
    const fn by(sse: Sse, basis: Basis) -> Self {
        Self { sse: Some(sse), basis, versioned: false, generation: 0, session_generation: 0, implied: 0 }
    }

    const UNKNOWN: Self = Self {
        sse: None,
        basis: Basis::Unknown,
        versioned: false,
        generation: 0,
        session_generation: 0,
        implied: 0,
    };
}

/// The default of a bucket before the log: what its first PUT without a wish of its own got, if nothing had changed it.
#[derive(Clone, Copy, Debug)]
struct Before {
    told_at: u64,
    sse: Option<Sse>,
    changed_at: u64,
}

/// What is known of all objects.
#[derive(Debug)]
pub(super) struct KnownObjects {
    assume: Option<SseMode>,
    objects: Digested<Known>,
    uploads: Digested<Known>,
    settings: Digested<Sse>,
    before: Digested<Before>,
}

impl KnownObjects {
    pub(super) fn new(assume: Option<SseMode>) -> Self {
        Self {
            assume,
            objects: Digested::default(),
            uploads: Digested::default(),
            settings: Digested::default(),
            before: Digested::default(),
        }
    }

    /// An object that exists, from an inventory.
    pub(super) fn stored(&mut self, object: Object, sse: Sse) {
        self.remember(object.object, Known::by(sse, Basis::Inventory));
    }

    /// Takes notice of `step`, before its turn in time: a default that is told later was there earlier.
    pub(super) fn look_ahead(&mut self, time: u64, step: &Step) {
        let (bucket, told) = match step {
            Step::Setting { bucket, .. } => (*bucket, None),
            Step::Request(asked) if asked.by_default && asked.ending == Ending::Done => match asked.sse {
                told @ Some(_) => (asked.target.bucket, told),
                None => return,
            },
            _ => return,
        };
        if self.before.len() >= BUCKETS_MAX && !self.before.contains_key(&bucket) {
            return;
        }
        let nothing = Before { told_at: u64::MAX, sse: None, changed_at: u64::MAX };
        let before = self.before.entry(bucket).or_insert(nothing);
        match told {
            None => before.changed_at = before.changed_at.min(time),
            Some(sse) if time < before.told_at => (before.told_at, before.sse) = (time, Some(sse)),
            Some(_) => {}
        }
    }

    /// A bucket's default changes; `None`: nobody says to what.
    pub(super) fn set(&mut self, bucket: u64, sse: Option<Sse>) {
        match sse {
            Some(sse) if self.settings.len() < BUCKETS_MAX || self.settings.contains_key(&bucket) => {
                self.settings.insert(bucket, sse);
            }
            _ => {
                self.settings.remove(&bucket);
            }
        }
    }

    /// What is known of the object that `operation` works on; a write that is done makes it known.
    pub(super) fn target(&mut self, operation: Operation, asked: &Asked) -> Known {
        let object = asked.target;
        let told = asked.sse.map(|sse| self.settle(sse, object.bucket));
        match operation {
            Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload => {
                let written = told.map_or_else(|| self.untold(object), |sse| Known::by(sse, Basis::OwnPut));
                Known { versioned: asked.version != 0, ..written }
            }
            Operation::UploadPart | Operation::CompleteMultipartUpload => {
                let begun = self.uploads.get(&object.object).copied();
                match (told, begun) {
                    // It names no Bucket Key generation, its beginning does.
                    (Some(sse), Some(begun)) => Known { sse: Some(sse), basis: Basis::OwnPut, ..begun },
                    (Some(sse), None) => Known::by(sse, Basis::OwnRequest),
                    (None, Some(begun)) => begun,
                    (None, None) => self.untold(object),
                }
            }
            _ => told.map_or_else(
                || self.of(object, asked.version),
                |sse| Known { sse: Some(sse), basis: Basis::OwnRequest, ..self.of(object, asked.version) },
            ),
        }
    }

    /// The object that a copy reads.
    pub(super) fn source(&self, object: Object, told: Option<Sse>) -> Known {
        told.map_or_else(|| self.of(object, 0), |sse| Known::by(sse, Basis::OwnRequest))
    }

    /// The object, in the version with the digest `version` (0: the latest), that a request works on which tells nothing.
    pub(super) fn read(&self, object: Object, version: u64) -> Known {
        self.of(object, version)
    }

    /// `object` is in the mode `sse` from now on, and nothing else of it has changed; `generations` are those of its Bucket
    /// Key, by role and by session.
    pub(super) fn updated(
        &mut self,
        object: Object,
        version: u64,
        sse: Option<Sse>,
        generations: (u32, u32),
    ) {
        let latest = self.objects.get(&object.object).copied();
        let (generation, session_generation) = generations;
        let change =
            |known: Known| Known { sse, basis: Basis::Update, generation, session_generation, ..known };
        let updated = change(self.of(object, version));
        if version != 0 {
            self.remember(mix(object.object, version), updated);
        }
        // The latest version, or one that may be it.
        if version == 0 || latest.is_none_or(|latest| !latest.versioned) {
            self.remember(object.object, updated);
        }
    }

    /// `known` is what `asked` left behind, if it was done.
    pub(super) fn done(&mut self, operation: Operation, asked: &Asked, known: Known) {
        let object = asked.target.object;
        if asked.ending != Ending::Done || asked.side == Side::CopyRead {
            return;
        }
        match operation {
            // A part tells of its upload, which is no object yet.
            Operation::CreateMultipartUpload | Operation::UploadPart
                if self.uploads.len() < UPLOADS_MAX || self.uploads.contains_key(&object) =>
            {
                self.uploads.insert(object, known);
            }
            Operation::CreateMultipartUpload | Operation::UploadPart => {}
            Operation::CompleteMultipartUpload => {
                self.uploads.remove(&object);
                self.written(object, asked.version, known);
            }
            Operation::PutObject | Operation::CopyObject => self.written(object, asked.version, known),
            // What a request tells of its object holds for the next ones.
            _ if known.basis == Basis::OwnRequest && asked.version == 0 => self.remember(object, known),
            _ => {}
        }
    }

    fn written(&mut self, object: u64, version: u64, known: Known) {
        // The version may be told by the end of an upload alone.
        let known = Known { versioned: version != 0, ..known };
        self.remember(object, known);
        if version != 0 {
            self.remember(mix(object, version), known);
        }
    }

    fn remember(&mut self, object: u64, known: Known) {
        if self.objects.len() < OBJECTS_MAX || self.objects.contains_key(&object) {
            self.objects.insert(object, known);
        }
    }

    /// An object that is read, in the version with the digest `version`; 0: the latest.
    fn of(&self, object: Object, version: u64) -> Known {
        let latest = self.objects.get(&object.object);
        let found = if version == 0 {
            latest
        } else {
            // Where writes name their versions, one that none has named is older than the log.
            let of_version = self.objects.get(&mix(object.object, version));
            of_version.or(latest.filter(|latest| !latest.versioned))
        };
        match found {
            Some(known) if known.sse.is_some() => *known,
            Some(known) => {
                let Known { generation, session_generation, implied, .. } = *known;
                Known { generation, session_generation, implied, ..self.older(object) }
            }
            None => self.older(object),
        }
    }

    /// A write that does not tell: by the bucket's setting; else as the object was that it replaces, and as others were.
    fn untold(&self, object: Object) -> Known {
        if let Some(sse) = self.settings.get(&object.bucket) {
            return Known::by(*sse, Basis::Setting);
        }
        let there = self.objects.get(&object.object).filter(|there| there.sse.is_some());
        let known = there.copied().unwrap_or_else(|| self.older(object));
        Known { generation: 0, session_generation: 0, implied: 0, ..known }
    }

    /// An object that is older than the log.
    fn older(&self, object: Object) -> Known {
        let before = self.before.get(&object.bucket).filter(|before| before.told_at < before.changed_at);
        let default = before.and_then(|before| Some(Known::by(before.sse?, Basis::Default)));
        let assumed = || self.assume.map(|mode| Known::by(Sse::Known(mode), Basis::Assumed));
        default.or_else(assumed).unwrap_or(Known::UNKNOWN)
    }

    /// SSE-KMS of which only the bucket's setting can say whether there is a Bucket Key.
    fn settle(&self, sse: Sse, bucket: u64) -> Sse {
        let with = Sse::Known(SseMode::SseKmsBucketKey);
        if sse == Sse::Kms && self.settings.get(&bucket) == Some(&with) { with } else { sse }
    }
}
