//! The open loop. Drawing arrivals, deciding on them and recording what came of them go on abreast on up to three processors,
//! where there is much to record and nobody else wants the processors.

use rayon::join;

use super::run::Simulation;
use crate::cache::Cache;
use crate::pipeline::KeyHandle;
use crate::report::Sink;
use crate::request::{KmsCall, Outcome};
use crate::units::Timestamp;
use crate::workload::{Arrival, Placement};

/// So many arrivals are drawn before the first of them is taken: enough for their objects to come from main memory all at
/// once, few enough to stay in the first-level cache.
const BLOCK: usize = 64;

/// Arrivals of a step: a millisecond of work, long beside the way to another processor, in memory that the caches hold.
const STEP: usize = 4_096;

/// Where the rows of a run go: to the sink at once, or into a list while another processor has the sink.
pub(super) struct Rows<'s, S> {
    sink: Option<&'s mut S>,
    held: Vec<Row>,
}

enum Row {
    Ended(Outcome),
    Called(KmsCall),
}

impl<'s, S: Sink> Rows<'s, S> {
    pub(super) fn new(sink: &'s mut S) -> Self {
        Self { sink: Some(sink), held: Vec::new() }
    }

    #[inline]
    pub(super) fn outcome(&mut self, row: &Outcome) {
        match &mut self.sink {
            Some(sink) => sink.outcome(row),
            None => self.held.push(Row::Ended(*row)),
        }
    }

    pub(super) fn kms_call(&mut self, row: &KmsCall) {
        match &mut self.sink {
            Some(sink) => sink.kms_call(row),
            None => self.held.push(Row::Called(*row)),
        }
    }
}

/// Gives `rows` to `sink`, in order.
fn give(rows: &mut Vec<Row>, sink: &mut impl Sink) {
    for row in rows.drain(..) {
        match row {
            Row::Ended(row) => sink.outcome(&row),
            Row::Called(row) => sink.kms_call(&row),
        }
    }
}

impl<C, S> Simulation<'_, C, S>
where
    C: Cache<Key = KeyHandle, Material = KeyHandle> + Send,
    S: Sink + Send,
{
    /// Sends all `arrivals` at their due times. Gives the last of these, or `none` when there are none.
    pub(super) fn open_loop(
        &mut self,
        mut arrivals: impl Iterator<Item = Arrival> + Send,
        placement: Option<&Placement>,
        none: Timestamp,
    ) -> Timestamp {
        let mut last_due = none;
        // A pool's own threads are left to what the pool was given: in its waits a thread would take up another whole run.
        if !S::IS_COSTLY || rayon::current_thread_index().is_some() || rayon::current_num_threads() == 1 {
            let mut block = Vec::with_capacity(BLOCK);
            loop {
                block.extend(arrivals.by_ref().take(BLOCK));
                if block.is_empty() {
                    return last_due;
                }
                self.send(&block, placement, &mut last_due);
                block.clear();
            }
        }
        // Within the pool, so that its steps need not be brought there one by one.
        rayon::scope(|_| self.abreast(arrivals, placement, &mut last_due));
        last_due
    }

    /// While the arrivals of one step are sent, those of the next are drawn and the rows of the last are recorded: each by one
    /// thread at a time and in order, so that however many there are, the run is the same.
    fn abreast(
        &mut self,
        mut arrivals: impl Iterator<Item = Arrival> + Send,
        placement: Option<&Placement>,
        last_due: &mut Timestamp,
    ) {
        let Some(sink) = self.rows.sink.take() else { return };
        let (mut step, mut next, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        step.extend(arrivals.by_ref().take(STEP));
        while !step.is_empty() {
            let send = || step.chunks(BLOCK).for_each(|block| self.send(block, placement, last_due));
            let draw = || next.extend(arrivals.by_ref().take(STEP));
            join(send, || join(|| give(&mut rows, sink), draw));
            step.clear();
            std::mem::swap(&mut step, &mut next);
            std::mem::swap(&mut rows, &mut self.rows.held);
        }
        give(&mut rows, sink);
        self.rows.sink = Some(sink);
    }

    fn send(&mut self, block: &[Arrival], placement: Option<&Placement>, last_due: &mut Timestamp) {
        self.objects.fetch_ahead(block);
        for arrival in block {
            while self.next_event().is_some_and(|at| at <= arrival.due) {
                self.turn(true);
            }
            *last_due = arrival.due;
            self.requests += 1;
            self.arrive(arrival, placement);
        }
    }
}
