//! `Hit`: a request whose keys are there when it begins, without the machine: the same decisions, the same row.

use super::core::{Ask, Core};
use super::job::Job;
use super::need::{Need, continues, is_cached, needs, reads};
use super::step::Standing;
use crate::cache::Cache;
use crate::kms::Attempts;
use crate::request::{KeySource, Operation, Outcome, SseMode};

/// What a request has met at once; what is left of it touches nothing that requests share.
///
/// The driver does the phases of the operation ([`phases`](super::phases)) one after the other and adds each to the row
/// ([`spend`](super::spend)).
#[derive(Clone, Copy, Debug)]
pub struct Hit<Key> {
    /// The key to seal or open with, where one is needed.
    pub key: Option<Key>,
}

/// What becomes of an operation that asks for its keys at once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lane {
    /// The machine takes it.
    Machine,
    /// It needs no key.
    Keyless,
    /// It has what it needs when this is met.
    One(Need),
}

/// The lane of each operation in `mode`, by its number.
pub(super) fn lanes(mode: SseMode) -> [Lane; Operation::ALL.len()] {
    let mut lanes = [Lane::Machine; Operation::ALL.len()];
    for operation in Operation::ALL.into_iter().filter(|operation| !continues(*operation)) {
        lanes[operation as usize] = match needs(operation, mode) {
            [] => Lane::Keyless,
            &[need] if is_cached(mode) => Lane::One(need),
            _ => Lane::Machine,
        };
    }
    lanes
}

impl<C: Cache> Core<C> {
    /// Begins and meets all needs of a request at its due time, as [`Request`](super::Request) would, where that takes one
    /// usable key at most. `None`, with nothing counted, for everything else: the machine then takes it from the beginning.
    ///
    /// What it declines: a key that is not there, is spent, or is due for a refresh; two needs, since the second may be
    /// missing when the first has been counted; uploads, which go on; objects that are missing; S3's limits per prefix.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of one way, taken for nearly every simulated request")]
    pub fn try_hit(&mut self, job: &Job, standing: Standing) -> Option<Hit<C::Key>> {
        if self.prefixes.is_some() {
            return None;
        }
        let handle = match standing {
            Standing::Under(handle) => Some(handle),
            Standing::Missing if reads(job.operation) => return None,
            Standing::Missing => None,
        };
        let key = match self.lanes[job.operation as usize] {
            Lane::Machine => return None,
            Lane::Keyless => None,
            Lane::One(need) => {
                let (cache, name) = self.slot(Ask::new(job, need, handle), self.cache_of(job.host));
                let bytes = Some(need.bytes_of(job));
                Some(cache.try_hit(&name.fingerprint, bytes, job.due, &mut name.hint)?)
            }
        };
        self.clients[job.host as usize].s3.succeeded(&Attempts::default());
        Some(Hit { key })
    }
}

impl<Key> Hit<Key> {
    /// The row of the request before its first phase.
    #[inline]
    pub fn row(&self, job: &Job) -> Outcome {
        let key_source = if self.key.is_some() { KeySource::Cached } else { KeySource::None };
        Outcome { key_source, ..job.outcome(job.due) }
    }
}
