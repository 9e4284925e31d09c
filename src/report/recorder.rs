//! Takes the rows of one run as they come: one recorder per worker, merged at the end.

use std::borrow::Cow;

use super::cost::class;
use super::distribution::Distribution;
use super::phases::Phases;
use super::series::Series;
use super::summary::{Ended, S3Requests};
use super::tally::{Calls, Count, Tally};
use crate::request::{Ending, KeySource, KmsAnswer, KmsCall, Operation, Outcome};
use crate::units::{Span, Timestamp};

/// The measured part of a run: `from ≤ t < until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where the warm-up ends.
    pub from: Timestamp,
    /// Where the last request is due; [`Timestamp::MAX`] while nobody knows.
    pub until: Timestamp,
}

impl Window {
    /// Whether `at` lies in the measured part.
    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// How long the measured part is.
    pub fn length(self) -> Span {
        self.until.since(self.from)
    }
}

/// A part of a request's time that has a distribution of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// `finished − due`.
    Response,
    /// `finished − started`.
    Service,
    /// `started − due`.
    Lag,
    /// Waiting for data keys.
    KmsWait,
    /// Sealing or opening.
    Crypto,
    /// Reading or writing the store.
    Store,
    /// S3's own time, where it is modelled.
    S3,
}

impl Phase {
    /// Every phase, in the order of this enum.
    pub const ALL: [Self; 7] =
        [Self::Response, Self::Service, Self::Lag, Self::KmsWait, Self::Crypto, Self::Store, Self::S3];

    /// The name in reports and in the tags of interval logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Service => "service",
            Self::Lag => "lag",
            Self::KmsWait => "kms-wait",
            Self::Crypto => "crypto",
            Self::Store => "store",
            Self::S3 => "s3",
        }
    }
}

/// What one operation left.
#[derive(Clone, Debug)]
pub(super) struct OperationRecord {
    pub(super) succeeded: Phases,
    /// Started and did not succeed.
    pub(super) failed: Phases,
    pub(super) endings: [u64; Ending::ALL.len()],
    pub(super) sources: [u64; KeySource::ALL.len()],
    pub(super) kms_calls: u64,
    pub(super) throttles: u64,
    pub(super) retries: u64,
    /// Requests that gave up although KMS calls had been sent for them.
    pub(super) given_up: u64,
    /// Plaintext bytes of those that succeeded.
    pub(super) bytes: u64,
    /// Those that ended in the measured part, whenever they were due.
    pub(super) ended: Ended,
}

impl Default for OperationRecord {
    fn default() -> Self {
        Self {
            succeeded: Phases::default(),
            failed: Phases::default(),
            endings: Default::default(),
            sources: Default::default(),
            kms_calls: 0,
            throttles: 0,
            retries: 0,
            given_up: 0,
            bytes: 0,
            ended: Ended::NOTHING,
        }
    }
}

impl OperationRecord {
    pub(super) fn ending(&self, ending: Ending) -> u64 {
        self.endings[ending as usize]
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.succeeded.merge(&other.succeeded);
        self.failed.merge(&other.failed);
        let pairs = self.endings.iter_mut().zip(other.endings);
        for (ours, theirs) in pairs.chain(self.sources.iter_mut().zip(other.sources)) {
            add(ours, theirs);
        }
        add(&mut self.kms_calls, other.kms_calls);
        add(&mut self.throttles, other.throttles);
        add(&mut self.retries, other.retries);
        add(&mut self.given_up, other.given_up);
        add(&mut self.bytes, other.bytes);
        self.ended.add(other.ended);
    }
}

/// KMS calls by their answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answers {
    pub(super) by_answer: [u64; 4],
    pub(super) billed: u64,
}

impl Answers {
    pub(super) fn of(self, answer: KmsAnswer) -> u64 {
        self.by_answer[answer as usize]
    }

    pub(super) fn calls(self) -> u64 {
        self.by_answer.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.by_answer.iter_mut().zip(other.by_answer).for_each(|(ours, theirs)| add(ours, theirs));
        add(&mut self.billed, other.billed);
    }
}

/// Everything that a report says, counted as the rows come in. No locks: one per worker, then [`merge`](Self::merge).
///
/// Which rows count: requests *due* in the measured part, and KMS calls *sent* at or after its start (the last
/// requests still call KMS when nothing is offered any more). All others, the warm-up above all, stand in the series
/// alone, marked. What is set against requests is counted apart by the due time of the request that a call is for, and
/// what is set against time by what happened within the measured part. Counts saturate.
///
/// # Cost
///
/// In the order of 100 ns per row on a shared machine (`report_record` on the scoreboard sets it against bare
/// histograms). A histogram takes 216 KiB and exists per operation, phase and success or failure, once a span other
/// than zero was recorded.
#[derive(Clone, Debug)]
pub struct Recorder {
    pub(super) window: Window,
    pub(super) operations: [Option<Box<OperationRecord>>; Operation::ALL.len()],
    /// Successes that ended in the measured part, whenever they were due.
    pub(super) completions: u64,
    /// Their plaintext bytes.
    pub(super) completed_bytes: u64,
    /// KMS calls sent in the measured part.
    pub(super) calls_in_window: u64,
    /// Those of them that cost money.
    pub(super) billed_in_window: u64,
    /// KMS calls for requests due in the measured part, whenever they were sent: all, and those granted or refused.
    pub(super) calls_due: [u64; 2],
    /// Few names: a search by comparison beats a map.
    pub(super) calls: Vec<(Cow<'static, str>, Answers)>,
    pub(super) call_time: Distribution,
    pub(super) by_bucket: Tally<Calls>,
    pub(super) by_principal: Tally<Calls>,
    pub(super) by_kms_key: Tally<Calls>,
    /// S3 requests that ended in the measured part, as far as S3 bills them.
    pub(super) s3_by_bucket: Tally<S3Requests>,
    pub(super) s3_by_principal: Tally<S3Requests>,
    /// Whether both hold every request: not those of a part that an older program recorded.
    pub(super) s3_known: bool,
    /// By the operation's place in `Operation::ALL`; the last is refresh ahead.
    pub(super) by_operation: [Calls; Operation::ALL.len() + 1],
    pub(super) measured: Series,
    pub(super) unmeasured: Series,
}

impl Recorder {
    /// A recorder that has seen nothing.
    pub fn new(window: Window) -> Self {
        Self {
            window,
            operations: Default::default(),
            completions: 0,
            completed_bytes: 0,
            calls_in_window: 0,
            billed_in_window: 0,
            calls_due: [0; 2],
            calls: Vec::new(),
            call_time: Distribution::default(),
            by_bucket: Tally::default(),
            by_principal: Tally::default(),
            by_kms_key: Tally::default(),
            s3_by_bucket: Tally::default(),
            s3_by_principal: Tally::default(),
            s3_known: true,
            by_operation: Default::default(),
            measured: Series::default(),
            unmeasured: Series::default(),
        }
    }

    /// The measured part that it was made for.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Counts one request that ended or was dropped.
    pub fn record(&mut self, row: &Outcome) {
        let measured = self.window.contains(row.due);
        let series = if measured { &mut self.measured } else { &mut self.unmeasured };
        let second = series.at(row.due.second());
        add(&mut second.offered, 1);
        match row.ending {
            Ending::Succeeded => add(&mut second.completed, 1),
            Ending::Dropped => add(&mut second.dropped, 1),
            _ => add(&mut second.failed, 1),
        }
        if row.ending != Ending::Dropped {
            match row.key_source {
                KeySource::None => {}
                KeySource::Cached => add(&mut second.cached, 1),
                KeySource::Joined => add(&mut second.joined, 1),
                KeySource::Fetched => add(&mut second.fetched, 1),
            }
        }
        let succeeded = row.ending == Ending::Succeeded;
        if row.ending != Ending::Dropped && self.window.contains(row.finished) {
            let ended = &mut self.operations[row.operation as usize].get_or_insert_default().ended;
            match row.ending {
                Ending::Succeeded => {
                    add(&mut ended.succeeded, 1);
                    add(&mut ended.bytes, row.bytes);
                    add(&mut self.completions, 1);
                    add(&mut self.completed_bytes, row.bytes);
                }
                Ending::Denied | Ending::KeyUnavailable => add(&mut ended.refused, 1),
                _ => {}
            }
            // What S3 bills: also the parts of an upload that failed later on.
            let (requests, bytes) = (row.s3_requests.into(), row.crypto_bytes);
            ended.s3_requests = ended.s3_requests.map(|sum| sum.saturating_add(requests));
            ended.crypto_bytes = ended.crypto_bytes.map(|sum| sum.saturating_add(bytes));
            for member in [self.s3_by_bucket.at(row.bucket), self.s3_by_principal.at(row.principal)] {
                add(&mut member.requests[class(row.operation)], requests);
                add(&mut member.crypto_bytes, bytes);
            }
        }
        if !measured {
            return;
        }
        let record = self.operations[row.operation as usize].get_or_insert_default();
        add(&mut record.endings[row.ending as usize], 1);
        if row.ending == Ending::Dropped {
            return;
        }
        add(&mut record.sources[row.key_source as usize], 1);
        add(&mut record.kms_calls, row.kms_calls.into());
        add(&mut record.throttles, row.throttles.into());
        add(&mut record.retries, row.retries.into());
        if row.ending == Ending::Throttled && row.kms_calls > 0 {
            add(&mut record.given_up, 1);
        }
        if succeeded {
            add(&mut record.bytes, row.bytes);
        }
        let phases = if succeeded { &mut record.succeeded } else { &mut record.failed };
        phases.record(row);
    }

    /// Counts one KMS call, whoever caused it.
    pub fn record_call(&mut self, call: &KmsCall) {
        let throttled = u64::from(call.answer == KmsAnswer::Throttled);
        if self.window.contains(call.due) {
            let needed = matches!(call.answer, KmsAnswer::Granted | KmsAnswer::Refused);
            add(&mut self.calls_due[0], 1);
            add(&mut self.calls_due[1], u64::from(needed));
        }
        let counted = call.sent >= self.window.from;
        let series = if counted { &mut self.measured } else { &mut self.unmeasured };
        let second = series.at(call.sent.second());
        add(&mut second.kms_calls, 1);
        add(&mut second.throttled, throttled);
        if !counted {
            return;
        }
        let within = self.window.contains(call.sent);
        add(&mut self.calls_in_window, u64::from(within));
        add(&mut self.billed_in_window, u64::from(within && call.billed));
        let answers = self.answers(Cow::Borrowed(call.name));
        add(&mut answers.by_answer[call.answer as usize], 1);
        add(&mut answers.billed, u64::from(call.billed));
        self.call_time.record(call.replied.since(call.sent));
        let calls = Calls { sent: 1, throttled, billed: u64::from(call.billed) };
        self.by_bucket.add(call.bucket, calls);
        self.by_principal.add(call.principal, calls);
        self.by_kms_key.add(call.kms_key, calls);
        self.by_operation[call.cause.map_or(Operation::ALL.len(), |cause| cause as usize)].add(calls);
    }

    /// Adds what `other` counted; the order of merges makes no difference.
    ///
    /// # Panics
    ///
    /// When `other` was made for another measured part.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.window, other.window, "recorders of one run share its measured part");
        for (ours, theirs) in self.operations.iter_mut().zip(&other.operations) {
            if let Some(theirs) = theirs {
                ours.get_or_insert_default().merge(theirs);
            }
        }
        add(&mut self.completions, other.completions);
        add(&mut self.completed_bytes, other.completed_bytes);
        add(&mut self.calls_in_window, other.calls_in_window);
        add(&mut self.billed_in_window, other.billed_in_window);
        self.calls_due.iter_mut().zip(other.calls_due).for_each(|(ours, theirs)| add(ours, theirs));
        for (name, theirs) in &other.calls {
            self.answers(name.clone()).merge(theirs);
        }
        self.call_time.merge(&other.call_time);
        self.by_bucket.merge(&other.by_bucket);
        self.by_principal.merge(&other.by_principal);
        self.by_kms_key.merge(&other.by_kms_key);
        self.s3_by_bucket.merge(&other.s3_by_bucket);
        self.s3_by_principal.merge(&other.s3_by_principal);
        self.s3_known &= other.s3_known;
        self.by_operation.iter_mut().zip(other.by_operation).for_each(|(ours, theirs)| ours.add(theirs));
        self.measured.merge(&other.measured);
        self.unmeasured.merge(&other.unmeasured);
    }

    /// The distribution of `phase` over all requests of `operation` that ended, or over the successes alone.
    pub fn distribution(&self, operation: Operation, phase: Phase, successes_only: bool) -> Distribution {
        let mut whole = Distribution::default();
        if let Some(record) = &self.operations[operation as usize] {
            whole.merge(&record.succeeded[phase as usize]);
            if !successes_only {
                whole.merge(&record.failed[phase as usize]);
            }
        }
        whole
    }

    pub(super) fn answers(&mut self, name: Cow<'static, str>) -> &mut Answers {
        let place = self.calls.iter().position(|(held, _)| *held == name).unwrap_or_else(|| {
            self.calls.push((name, Answers::default()));
            self.calls.len() - 1
        });
        &mut self.calls[place].1
    }
}

fn add(counter: &mut u64, n: u64) {
    *counter = counter.saturating_add(n);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_operations_endings_and_sources_are_those_of_their_lists() {
        assert!(Operation::ALL.iter().enumerate().all(|(place, operation)| *operation as usize == place));
        assert!(Ending::ALL.iter().enumerate().all(|(place, ending)| *ending as usize == place));
        assert!(KeySource::ALL.iter().enumerate().all(|(place, source)| *source as usize == place));
        assert!(Phase::ALL.iter().enumerate().all(|(place, phase)| *phase as usize == place));
    }

    #[test]
    #[should_panic(expected = "share its measured part")]
    fn recorders_of_different_windows_do_not_merge() {
        let of = |from| Recorder::new(Window { from: Timestamp::from_seconds(from), until: Timestamp::MAX });
        of(0).merge(&of(1));
    }
}
