//! Adds up what the recorders of a run counted into its summary.

use std::collections::BTreeMap;

use super::distribution::{Distribution, Percentiles};
use super::figure::{per_second, ratio};
use super::record::Record;
use super::recorder::{Answers, OperationRecord, Phase, Recorder, Window};
use super::summary::{
    Amplification, Attribution, Cache, Ended, Endings, Kms, KmsOperation, Member, OperationSummary,
    PhaseMeans, PhasePercentiles, REFRESH_AHEAD, Run, S3Requests, SecondSummary, Share, Summary,
};
use super::tally::{Calls, Count, Tally, ranked};
use crate::request::{Ending, KeySource, KmsAnswer, Operation};

/// How many members a breakdown names before it sums up the rest.
const NAMED: usize = 10;

impl Summary {
    /// The figures of what `recorder` counted. `name` names the members of the run; it is asked for few of them.
    pub fn new(recorder: &Recorder, run: &Run, name: impl Fn(Member) -> String) -> Self {
        let window = Window { from: recorder.window.from, until: recorder.window.until.min(run.until) };
        let measured_ns = window.length().as_nanos();
        let total = Total::of(recorder.operations.iter().flatten().map(AsRef::as_ref));
        let started = total.completed.saturating_add(total.failed);
        let kms = kms(recorder, &total, measured_ns);
        Self {
            mode: run.mode,
            kind: run.kind,
            quota_per_s: run.quota_per_s,
            concurrency: run.concurrency,
            measured_ns,
            offered: started.saturating_add(total.endings.dropped),
            completed: total.completed,
            failed: total.failed,
            dropped: total.endings.dropped,
            endings: total.endings,
            offered_per_s: per_second(started.saturating_add(total.endings.dropped), measured_ns),
            completed_per_s: per_second(recorder.completions, measured_ns),
            response_time_ns: total.all(Phase::Response),
            response_time_success_ns: total.succeeded[Phase::Response as usize].percentiles(),
            service_time_ns: total.all(Phase::Service),
            phase_ns: total.phases(),
            phase_mean_ns: total.means(),
            cache: total.cache,
            retries: total.retries,
            amplification: Amplification {
                kms_calls: ratio(recorder.calls_due[0], kms.needed),
                attempts: ratio(started.saturating_add(total.retries), started),
            },
            kms,
            reuse: None,
            bytes: total.bytes,
            bytes_per_s: per_second(recorder.completed_bytes, measured_ns),
            operations: operations(recorder),
            attribution: attribution(recorder, run, &name),
            series: series(recorder),
            record: Some(Record::new(recorder, run.until, &name)),
            cost: None,
        }
    }
}

/// Operations added up.
#[derive(Default)]
struct Total {
    succeeded: [Distribution; Phase::ALL.len()],
    every: [Distribution; Phase::ALL.len()],
    endings: Endings,
    completed: u64,
    failed: u64,
    cache: Cache,
    kms_calls: u64,
    throttles: u64,
    retries: u64,
    given_up: u64,
    bytes: u64,
    ended: Ended,
}

impl Total {
    fn of<'a>(records: impl Iterator<Item = &'a OperationRecord>) -> Self {
        let mut total = Self { ended: Ended::NOTHING, ..Self::default() };
        let add = |sum: &mut u64, n: u64| *sum = sum.saturating_add(n);
        for record in records {
            for phase in 0..Phase::ALL.len() {
                total.succeeded[phase].merge(&record.succeeded[phase]);
                total.every[phase].merge(&record.succeeded[phase]);
                total.every[phase].merge(&record.failed[phase]);
            }
            add(&mut total.endings.succeeded, record.ending(Ending::Succeeded));
            add(&mut total.endings.throttled, record.ending(Ending::Throttled));
            add(&mut total.endings.denied, record.ending(Ending::Denied));
            add(&mut total.endings.key_unavailable, record.ending(Ending::KeyUnavailable));
            add(&mut total.endings.failed, record.ending(Ending::Failed));
            add(&mut total.endings.dropped, record.ending(Ending::Dropped));
            add(&mut total.cache.cached, record.sources[KeySource::Cached as usize]);
            add(&mut total.cache.joined, record.sources[KeySource::Joined as usize]);
            add(&mut total.cache.fetched, record.sources[KeySource::Fetched as usize]);
            add(&mut total.kms_calls, record.kms_calls);
            add(&mut total.throttles, record.throttles);
            add(&mut total.retries, record.retries);
            add(&mut total.given_up, record.given_up);
            add(&mut total.bytes, record.bytes);
            total.ended.add(record.ended);
        }
        let Endings { throttled, denied, key_unavailable, failed, .. } = total.endings;
        total.completed = total.endings.succeeded;
        total.failed =
            throttled.saturating_add(denied).saturating_add(key_unavailable).saturating_add(failed);
        let Cache { cached, joined, fetched, .. } = total.cache;
        total.cache.hit_ratio = ratio(cached, cached.saturating_add(joined).saturating_add(fetched));
        total
    }

    fn all(&self, phase: Phase) -> Percentiles {
        self.every[phase as usize].percentiles()
    }

    /// What is left of the service time waited for a worker.
    fn means(&self) -> Option<PhaseMeans> {
        let sum = |phase: Phase| self.every[phase as usize].sum;
        let count = self.every[Phase::Response as usize].count();
        let mean = |sum: u64| sum / count;
        let parts = [Phase::KmsWait, Phase::Crypto, Phase::Store, Phase::S3];
        let known = parts.into_iter().fold(0, |all: u64, phase| all.saturating_add(sum(phase)));
        (count > 0).then(|| PhaseMeans {
            lag: mean(sum(Phase::Lag)),
            kms_wait: mean(sum(Phase::KmsWait)),
            crypto: mean(sum(Phase::Crypto)),
            store: mean(sum(Phase::Store)),
            s3: mean(sum(Phase::S3)),
            other: mean(sum(Phase::Service).saturating_sub(known)),
        })
    }

    fn phases(&self) -> PhasePercentiles {
        PhasePercentiles {
            lag: self.all(Phase::Lag),
            kms_wait: self.all(Phase::KmsWait),
            crypto: self.all(Phase::Crypto),
            store: self.all(Phase::Store),
            s3: self.all(Phase::S3),
        }
    }
}

fn kms(recorder: &Recorder, total: &Total, measured_ns: u64) -> Kms {
    let mut every = Answers::default();
    let mut operations = Vec::with_capacity(recorder.calls.len());
    for (name, answers) in &recorder.calls {
        every.merge(answers);
        operations.push(KmsOperation {
            name: name.clone().into_owned(),
            calls: answers.calls(),
            granted: answers.of(KmsAnswer::Granted),
            throttled: answers.of(KmsAnswer::Throttled),
            refused: answers.of(KmsAnswer::Refused),
            failed: answers.of(KmsAnswer::Failed),
            billed: answers.billed,
        });
    }
    // Workers meet the names in any order.
    operations.sort_by(|a, b| a.name.cmp(&b.name));
    let (granted, refused) = (every.of(KmsAnswer::Granted), every.of(KmsAnswer::Refused));
    Kms {
        calls: every.calls(),
        granted,
        throttled: every.of(KmsAnswer::Throttled),
        refused,
        failed: every.of(KmsAnswer::Failed),
        billed: every.billed,
        billed_in_window: Some(recorder.billed_in_window),
        needed: recorder.calls_due[1].saturating_add(total.given_up),
        calls_per_s: per_second(recorder.calls_in_window, measured_ns),
        peak_calls_per_s: peak(recorder),
        wait_ns: total.all(Phase::KmsWait),
        call_time_ns: recorder.call_time.percentiles(),
        operations,
    }
}

/// The busiest second of the measured part, with what the warm-up sent in the same second: so the quota counts.
fn peak(recorder: &Recorder) -> u64 {
    let unmeasured: BTreeMap<u64, u64> =
        recorder.unmeasured.iter().map(|(second, counts)| (second, counts.kms_calls)).collect();
    let sent = recorder.measured.iter().map(|(second, counts)| {
        let before = unmeasured.get(&second).copied().unwrap_or(0);
        if counts.kms_calls == 0 { 0 } else { counts.kms_calls.saturating_add(before) }
    });
    sent.max().unwrap_or(0)
}

fn operations(recorder: &Recorder) -> Vec<OperationSummary> {
    let occurred = Operation::ALL.into_iter().zip(&recorder.operations);
    let summary = |(operation, record): (Operation, &Option<Box<OperationRecord>>)| {
        let total = Total::of(std::iter::once(record.as_ref()?.as_ref()));
        let started = total.completed.saturating_add(total.failed);
        Some(OperationSummary {
            operation: operation.as_str().into(),
            offered: started.saturating_add(total.endings.dropped),
            completed: total.completed,
            failed: total.failed,
            dropped: total.endings.dropped,
            endings: total.endings,
            ended: Some(total.ended),
            response_time_ns: total.all(Phase::Response),
            response_time_success_ns: total.succeeded[Phase::Response as usize].percentiles(),
            service_time_ns: total.all(Phase::Service),
            phase_ns: total.phases(),
            cache: total.cache,
            kms_calls: total.kms_calls,
            throttles: total.throttles,
            retries: total.retries,
            bytes: total.bytes,
        })
    };
    occurred.filter_map(summary).collect()
}

fn attribution(recorder: &Recorder, run: &Run, name: &impl Fn(Member) -> String) -> Attribution {
    let operation = (0..).zip(recorder.by_operation).filter_map(|(place, calls)| {
        let operation = Operation::ALL.get(place).copied();
        let record = recorder.operations.get(place).and_then(Option::as_ref);
        let s3 = record.zip(operation).map(|(record, operation)| record.ended.by_class(operation, run.mode));
        let s3 = s3.unwrap_or_default();
        let name = operation.map_or(REFRESH_AHEAD, |operation| operation.as_str());
        (calls.sent > 0 || s3.count() > 0)
            .then(|| share(Some(name.into()), calls, recorder.s3_known.then_some(s3)))
    });
    let mut operation: Vec<Share> = operation.collect();
    // Stable: of equals the earlier operation comes first.
    operation.sort_by_key(|share| {
        let requests = share.s3.map_or(0, |s3| s3.count());
        std::cmp::Reverse((share.calls, share.throttled, requests))
    });
    let s3 = |tally| recorder.s3_known.then_some(tally);
    Attribution {
        bucket: breakdown(&recorder.by_bucket, s3(&recorder.s3_by_bucket), |n| name(Member::Bucket(n))),
        principal: breakdown(&recorder.by_principal, s3(&recorder.s3_by_principal), |n| {
            name(Member::Principal(n))
        }),
        operation,
        kms_key: breakdown(&recorder.by_kms_key, None, |n| name(Member::KmsKey(n))),
    }
}

/// The largest, and the rest in one.
fn breakdown(
    calls: &Tally<Calls>,
    s3: Option<&Tally<S3Requests>>,
    name: impl Fn(u32) -> String,
) -> Vec<Share> {
    let members = ranked(calls, s3);
    let known = |requests: S3Requests| s3.map(|_| requests);
    let named = members.iter().take(NAMED);
    let mut shares: Vec<Share> =
        named.map(|&(member, calls, s3)| share(Some(name(member)), calls, known(s3))).collect();
    if members.len() > NAMED {
        let mut rest = (Calls::default(), S3Requests::default());
        for &(_, calls, s3) in &members[NAMED..] {
            rest.0.add(calls);
            rest.1.add(s3);
        }
        shares.push(share(None, rest.0, known(rest.1)));
    }
    shares
}

fn share(name: Option<String>, calls: Calls, s3: Option<S3Requests>) -> Share {
    Share { name, calls: calls.sent, throttled: calls.throttled, billed: calls.billed, s3 }
}

fn series(recorder: &Recorder) -> Vec<SecondSummary> {
    let start = i128::from(recorder.window.from.second());
    let parts = [(false, &recorder.unmeasured), (true, &recorder.measured)];
    let mut seconds: Vec<SecondSummary> = parts
        .into_iter()
        .flat_map(|(measured, part)| part.iter().map(move |(second, counts)| (measured, second, counts)))
        .map(|(measured, second, counts)| SecondSummary {
            second: i64::try_from(i128::from(second) - start).expect("2⁶⁴ ns are fewer than 2⁶³ s"),
            measured,
            offered: counts.offered,
            completed: counts.completed,
            failed: counts.failed,
            dropped: counts.dropped,
            kms_calls: counts.kms_calls,
            throttled: counts.throttled,
            cached: counts.cached,
            joined: counts.joined,
            fetched: counts.fetched,
        })
        .collect();
    seconds.sort_by_key(|second| (second.second, second.measured));
    seconds
}
