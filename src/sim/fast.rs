//! The fast lane: a request whose keys are there when it is due is finished at once, without a machine and without the queue.

use super::run::{Event, Simulation};
use crate::cache::Cache;
use crate::pipeline::{Hit, Job, KeyHandle, Phase, phases, spend};
use crate::report::Sink;
use crate::request::{Operation, Outcome};
use crate::units::Span;

/// The phases of a request, walked: what they leave in its row, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    crypto: Span,
    store: Span,
    s3: Span,
    bytes: u64,
    crypto_bytes: u64,
    s3_requests: u32,
    /// From the due time to the end.
    took: Span,
    /// The phase that changes the object, and when it is done.
    changed: Option<(Phase, Span)>,
}

/// The last walk of each operation, with the body that it was for.
#[derive(Debug, Default)]
pub(super) struct Walks([Option<(u64, Walk)>; Operation::ALL.len()]);

impl<C, S> Simulation<'_, C, S>
where
    C: Cache<Key = KeyHandle, Material = KeyHandle> + Send,
    S: Sink + Send,
{
    /// Runs arrival `index` from its due time to its row, when it has its keys at once; else nothing has happened.
    ///
    /// The row and what the request leaves behind are those of the machine (`tests/sim/fast.rs`): keys and limits are decided
    /// by the same core, phases take the same times, and effects on objects enter the queue in the same order.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of one way, taken for nearly every simulated request")]
    pub(super) fn hit(&mut self, job: &Job, index: u64) -> bool {
        let standing = self.standing(job);
        let Some(hit) = self.core.try_hit(job, standing) else { return false };
        let walk = if self.is_steady { self.steady_walk(&hit, job) } else { self.walk(&hit, job, index) };
        if let Some((phase, after)) = walk.changed
            && let Some(effect) = self.effect(phase, job.operation, hit.key, job.object)
        {
            self.queue.push_effect(job.due + after, index, Event::Changed(effect));
        }
        let finished = job.due + walk.took;
        self.ahead.push(finished);
        self.ended = self.ended.max(finished);
        let Walk { crypto, store, s3, bytes, crypto_bytes, s3_requests, .. } = walk;
        let spent = Outcome { crypto, store, s3, bytes, crypto_bytes, s3_requests, ..hit.row(job) };
        self.rows.outcome(&Outcome { finished, ..spent });
        true
    }

    /// The walk where phases take the same time whenever they begin and whoever's they are: remembered.
    #[inline]
    fn steady_walk(&mut self, hit: &Hit<KeyHandle>, job: &Job) -> Walk {
        match &self.walks.0[job.operation as usize] {
            Some((body, walk)) if *body == job.body => *walk,
            _ => {
                let walk = self.walk(hit, job, 0);
                self.walks.0[job.operation as usize] = Some((job.body, walk));
                walk
            }
        }
    }

    /// Walks the phases of arrival `index` from its due time on.
    fn walk(&self, hit: &Hit<KeyHandle>, job: &Job, index: u64) -> Walk {
        let (mut spent, mut now, mut serves, mut changed) = (hit.row(job), job.due, 0, None);
        for &phase in phases(job.operation) {
            let took = self.time(phase, job.operation, job.body, index, &mut serves, now);
            now = now + took;
            if self.effect(phase, job.operation, hit.key, job.object).is_some() {
                changed = Some((phase, now.since(job.due)));
            }
            spend(&mut spent, job.operation, phase, job.body, took);
        }
        let Outcome { crypto, store, s3, bytes, crypto_bytes, s3_requests, .. } = spent;
        Walk { crypto, store, s3, bytes, crypto_bytes, s3_requests, took: now.since(job.due), changed }
    }
}
