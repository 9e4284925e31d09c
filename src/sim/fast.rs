//! The fast lane: a request whose keys are there when it is due is finished at once, without a machine and without the queue.

use super::run::{Event, Simulation};
use crate::cache::Cache;
use crate::pipeline::{Job, KeyHandle, phases, spend};
use crate::report::Sink;

impl<C, S> Simulation<'_, C, S>
where
    C: Cache<Key = KeyHandle, Material = KeyHandle>,
    S: Sink,
{
    /// Runs arrival `index` from its due time to its row, when it has its keys at once; else nothing has happened.
    ///
    /// The row and what the request leaves behind are those of the machine (`tests/sim_fast.rs`): keys and limits are decided
    /// by the same core, phases take the same times, and effects on objects enter the queue in the same order.
    pub(super) fn hit(&mut self, job: &Job, index: u64) -> bool {
        let standing = self.standing(job);
        let Some(hit) = self.core.try_hit(job, standing) else { return false };
        let (mut row, mut now, mut serves) = (hit.row(job), job.due, 0);
        for &phase in phases(job.operation) {
            let took = self.time(phase, job.operation, job.body, index, &mut serves, now);
            now = now + took;
            if let Some(effect) = self.effect(phase, job.operation, hit.key, job.object) {
                self.queue.push_effect(now, index, Event::Changed(effect));
            }
            spend(&mut row, job.operation, phase, job.body, took);
        }
        self.ahead.push(now);
        self.ended = self.ended.max(now);
        row.finished = now;
        self.sink.outcome(&row);
        true
    }
}
