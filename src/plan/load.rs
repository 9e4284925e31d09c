//! What arrives, by the second in the mean: what closed forms need of a workload.

use crate::pipeline::calls;
use crate::request::{Operation, SseMode};
use crate::units::{NANOS_PER_SECOND, Span};
use crate::workload::{Arrivals, Puts, Shape, Source, Stop};

/// Requests per second by operation, in the mean of the whole workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    per_s: [f64; Operation::ALL.len()],
    /// The most KMS calls that one request makes.
    calls_max: f64,
    /// Bytes that writes bring, per second.
    written_per_s: f64,
}

/// `span` in seconds.
#[expect(clippy::cast_precision_loss, reason = "seconds with fifteen digits")]
pub(super) fn seconds(span: Span) -> f64 {
    span.as_nanos() as f64 / NANOS_PER_SECOND as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes with fifteen digits")]
fn float(n: u64) -> f64 {
    n as f64
}

impl Load {
    /// Of at most the first `requests_max` requests of `source`.
    pub fn of(source: &Source, requests_max: u64) -> Self {
        let mut load = Self { per_s: [0.0; Operation::ALL.len()], calls_max: 1.0, written_per_s: 0.0 };
        let mut last = Span::ZERO;
        let mut requests = 0_u64;
        each(source, requests_max, |operation, shape, bytes, due| {
            last = due;
            requests += 1;
            let mut add = |operation: Operation, n: f64| load.per_s[operation as usize] += n;
            add(operation, 1.0);
            let mut made = calls(operation, SseMode::SseKms, false);
            if let Shape::Parts { count, .. } = shape {
                add(Operation::UploadPart, f64::from(count));
                add(Operation::CompleteMultipartUpload, 1.0);
                made += count * calls(Operation::UploadPart, SseMode::SseKms, false)
                    + calls(Operation::CompleteMultipartUpload, SseMode::SseKms, false);
            }
            load.calls_max = load.calls_max.max(f64::from(made));
            if writes(operation) {
                load.written_per_s += float(bytes);
            }
        });
        // A schedule of independent requests has n of them in n ÷ rate; a trace has its own length.
        let length = match source {
            Source::Scenario(scenario) => float(requests) / scenario.arrival.mean_rate(),
            Source::Replay(_) => seconds(last).max(1.0),
        };
        if length > 0.0 {
            load.per_s.iter_mut().for_each(|n| *n /= length);
            load.written_per_s /= length;
        }
        load
    }

    /// Requests of clients per second; parts and ends of uploads are not apart.
    pub fn requests_per_s(&self) -> f64 {
        let inner = [Operation::UploadPart, Operation::CompleteMultipartUpload];
        let outer = Operation::ALL.into_iter().filter(|operation| !inner.contains(operation));
        outer.map(|operation| self.per_s[operation as usize]).sum()
    }

    /// KMS calls per second that `mode` needs: where keys are kept, when all are kept (`warm`) or none.
    ///
    /// Σ requests of an operation × its calls ([`calls`]).
    pub fn calls_per_s(&self, mode: SseMode, warm: bool) -> f64 {
        let each = Operation::ALL.into_iter();
        each.map(|operation| self.per_s[operation as usize] * f64::from(calls(operation, mode, warm))).sum()
    }

    /// The most KMS calls that one request makes where nothing is kept.
    pub fn calls_max(&self) -> f64 {
        self.calls_max
    }

    /// Objects written per second, copies and uploads among them.
    pub fn writes_per_s(&self) -> f64 {
        Operation::ALL.into_iter().filter(|of| writes(*of)).map(|of| self.per_s[of as usize]).sum()
    }

    /// Bytes of objects written per second.
    pub fn written_per_s(&self) -> f64 {
        self.written_per_s
    }
}

const fn writes(operation: Operation) -> bool {
    matches!(operation, Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload)
}

fn each(source: &Source, requests_max: u64, mut take: impl FnMut(Operation, Shape, u64, Span)) {
    arrivals(source, requests_max, |arrival| {
        take(arrival.operation, arrival.shape, arrival.bytes, Span::from_nanos(arrival.due.as_nanos()));
    });
}

/// Hands the first `requests_max` arrivals of `source` to `take`.
fn arrivals(source: &Source, requests_max: u64, mut take: impl FnMut(&crate::workload::Arrival)) {
    let count = usize::try_from(requests_max).unwrap_or(usize::MAX);
    match source {
        Source::Scenario(scenario) => {
            let endless = matches!(scenario.stop, Stop::Operations(u64::MAX));
            let arrivals = Arrivals::new(scenario).take(if endless { count.min(1 << 20) } else { count });
            arrivals.for_each(|arrival| take(&arrival));
        }
        Source::Replay(replay) => replay.arrivals().take(count).for_each(|arrival| take(&arrival)),
    }
}

/// How reads meet objects that were there before: the share of the reads that go to objects which the workload has not
/// written by then; none without a read.
pub(super) fn old_reads(source: &Source, requests_max: u64) -> Option<f64> {
    let population = source.population();
    let mut written = vec![0_u64; usize::try_from(population.count().min(1 << 28)).unwrap_or(0).div_ceil(64)];
    let (mut reads, mut old) = (0_u64, 0_u64);
    let makes = matches!(source, Source::Scenario(scenario) if scenario.objects.puts == Puts::New);
    arrivals(source, requests_max, |arrival| {
        let place = usize::try_from(arrival.object / 64).unwrap_or(usize::MAX);
        let bit = 1_u64 << (arrival.object % 64);
        if writes(arrival.operation) && arrival.operation != Operation::CopyObject && !makes {
            if let Some(word) = written.get_mut(place) {
                *word |= bit;
            }
        } else if matches!(arrival.operation, Operation::GetObject | Operation::GetObjectRange) {
            reads += 1;
            let rewritten = written.get(place).is_some_and(|word| word & bit != 0);
            old += u64::from(population.exists(arrival.object) && !rewritten);
        }
    });
    (reads > 0).then(|| float(old) / float(reads))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Mix, Scenario, SizeLaw};

    #[test]
    fn calls_per_second_follow_the_mix_and_the_table() {
        let scenario = Scenario { stop: Stop::Operations(20_000), ..Scenario::default() };
        let rate = scenario.arrival.mean_rate();
        let load = Load::of(&Source::from(&scenario), u64::MAX);
        assert!((load.requests_per_s() / rate - 1.0).abs() < 1e-9, "every request counts once");
        // Each PUT and GET makes one call under SSE-KMS, and none where all keys are kept.
        assert!((load.calls_per_s(SseMode::SseKms, false) / rate - 1.0).abs() < 1e-9);
        assert!(load.calls_per_s(SseMode::SseKmsBucketKey, true).abs() < 1e-12);
        // 20 % of 20,000 draws: a deviation of 0.28 %; five of them.
        assert!((load.writes_per_s() / rate - 0.2).abs() < 0.015);
    }

    #[test]
    fn bytes_are_those_of_writes_alone() {
        let mut scenario = Scenario { stop: Stop::Operations(1_000), ..Scenario::default() };
        scenario.objects.size = SizeLaw::Fixed { bytes: 4_096 };
        let load = Load::of(&Source::from(&scenario), u64::MAX);
        assert!((load.written_per_s() / load.writes_per_s() - 4_096.0).abs() < 1e-6, "{load:?}");
    }

    #[test]
    fn an_upload_counts_its_parts() {
        let mix = Mix { multipart_upload: 1.0, ..Mix::none() };
        let scenario = Scenario { mix, stop: Stop::Operations(100), ..Scenario::default() };
        let parts = f64::from(scenario.mix.multipart.parts);
        let load = Load::of(&Source::from(&scenario), u64::MAX);
        assert!((load.calls_max() - parts - 2.0).abs() < 1e-9, "create, parts, complete");
        let calls = load.calls_per_s(SseMode::SseKms, false);
        assert!((calls / load.requests_per_s() - parts - 2.0).abs() < 1e-9);
    }

    #[test]
    fn reads_go_to_old_objects_until_these_are_written_anew() {
        let mut scenario = Scenario { stop: Stop::Operations(20_000), ..Scenario::default() };
        let share = |scenario: &Scenario| old_reads(&Source::from(scenario), u64::MAX);
        scenario.mix = Mix { get_object: 1.0, ..Mix::none() };
        assert_eq!(share(&scenario), Some(1.0));
        scenario.mix.put_object = 1.0;
        let mixed = share(&scenario).unwrap();
        assert!(mixed > 0.0 && mixed < 0.9, "{mixed}");
        scenario.mix = Mix { get_object: 1.0, copy_object: 1.0, ..Mix::none() };
        assert_eq!(share(&scenario), Some(1.0), "a copy leaves its source as it was");
        scenario.mix = Mix { put_object: 1.0, ..Mix::none() };
        assert_eq!(share(&scenario), None);
    }
}
