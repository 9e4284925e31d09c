//! What a report carries beside its figures, so that reports of parts of a workload merge without loss.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use super::phases::Phases;
use super::recorder::{Answers, OperationRecord, Phase, Recorder, Window};
use super::series::Second;
use super::summary::{Ended, Member, Run, S3Requests, SecondSummary, Summary};
use super::tally::{Calls, Tally, ranked};
use crate::request::{Ending, KeySource, Operation};
use crate::units::Timestamp;

/// So many members of a tally have their name beside their number. A member that is among the ten largest of the whole is
/// among these in some part, unless the parts are very unlike; then its number is shown.
const NAMED: usize = 1_000;
/// More than a histogram of three digits over all of u64 takes when unpacked: what unpacks to more is none.
const UNPACKED_MAX: u64 = 1 << 20;
/// Opens a compressed V2 histogram, and the plain one inside it.
const COMPRESSED: [u8; 4] = 0x1c84_9314_u32.to_be_bytes();
const PLAIN_HEADER: usize = 40;

/// A distribution as text: counts, maximum and sum are exact, lengths keep three digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coded {
    /// The longest, in nanoseconds.
    pub max: u64,
    /// All together, in nanoseconds.
    pub sum: u64,
    /// An `HdrHistogram` of nanoseconds, compressed V2, in base64: what interval logs hold. Empty when nothing was counted.
    pub hdr: String,
}

/// What one operation left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCoded {
    /// AWS's name.
    pub operation: String,
    /// Requests by ending, in the order of `endings` in a run.
    pub endings: [u64; Ending::ALL.len()],
    /// Requests that started by the source of their key: none needed, cached, joined, fetched.
    pub sources: [u64; KeySource::ALL.len()],
    /// KMS calls, throttled answers, retries.
    pub counts: [u64; 3],
    /// Requests that gave up although KMS calls had been sent for them.
    pub given_up: u64,
    /// Plaintext bytes of the successes.
    pub bytes: u64,
    /// Those that ended in the measured part, whenever they were due; none in reports of older programs.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// Of the successes: response time, service time, lag, KMS wait, crypto, store, S3.
    pub succeeded: [Coded; Phase::ALL.len()],
    /// The same of those that started and did not succeed.
    pub failed: [Coded; Phase::ALL.len()],
}

/// KMS calls and S3 requests by the number of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallied {
    /// Number, calls, those of them that were throttled, those that cost money.
    pub calls: Vec<(u32, u64, u64, u64)>,
    /// Number, S3 requests; none by KMS key, and in reports of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<Vec<(u32, S3Requests)>>,
    /// Names of the largest.
    pub names: BTreeMap<u32, String>,
}

/// Everything that a recorder counted and that does not stand in `series`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The start of the measured part, in nanoseconds of the run's clock.
    pub from_ns: u64,
    /// Its end as planned; 2⁶⁴ − 1 where only the run could tell.
    pub until_ns: u64,
    /// Its end as it was.
    pub ended_ns: u64,
    /// Successes that ended in the measured part.
    pub completions: u64,
    /// Their plaintext bytes.
    pub completed_bytes: u64,
    /// KMS calls sent in the measured part.
    pub calls_in_window: u64,
    /// Those of them that cost money; none in reports of older programs.
    #[serde(default)]
    pub billed_in_window: Option<u64>,
    /// KMS calls for requests due in the measured part: all, and those granted or refused; none in reports of older
    /// programs.
    #[serde(default)]
    pub calls_due: Option<[u64; 2]>,
    /// By operation.
    pub operations: Vec<OperationCoded>,
    /// By KMS operation: granted, throttled, refused, failed, billed.
    pub calls: BTreeMap<String, [u64; 5]>,
    /// What KMS took to answer.
    pub call_time: Coded,
    /// KMS calls by bucket.
    pub by_bucket: Tallied,
    /// By principal.
    pub by_principal: Tallied,
    /// By KMS key.
    pub by_kms_key: Tallied,
    /// By operation: calls, throttled, billed; the last is refresh ahead.
    pub by_operation: Vec<(u64, u64, u64)>,
}

/// Why reports do not merge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("no report was given")]
    Nothing,
    /// An older program wrote it, or a run was left out by hand.
    #[error("{run} holds no record to merge: it was written by a version of s3seal that kept none")]
    NoRecord {
        /// Which run of which report.
        run: String,
    },
    /// The record was damaged or edited.
    #[error("the record of {run} does not read: {what}")]
    Damaged {
        /// Which run of which report.
        run: String,
        /// What is wrong.
        what: String,
    },
    /// The reports are not of one workload, or not all of it, or more than once.
    #[error("{0}")]
    Apart(String),
}

impl Coded {
    fn new(distribution: &Distribution) -> Self {
        if distribution.count() == 0 {
            return Self::default();
        }
        let mut packed = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&distribution.to_histogram(), &mut packed)
            .expect("a vector takes anything, and counts stay below 2⁶³");
        Self { max: distribution.max, sum: distribution.sum, hdr: STANDARD.encode(packed) }
    }

    /// The distribution that was written.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, which may come from anywhere.
    pub fn decode(&self) -> Result<Distribution, String> {
        if self.hdr.is_empty() {
            return Ok(Distribution::default());
        }
        let histogram = unpacked(&self.hdr)?;
        let mut distribution = Distribution { max: self.max, sum: self.sum, ..Distribution::default() };
        for step in histogram.iter_recorded() {
            let (value, count) = (step.value_iterated_to(), step.count_at_value());
            if histogram.lowest_equivalent(value) == 0 {
                distribution.zeros = count;
            } else {
                distribution.restore(value, count).map_err(|error| error.to_string())?;
            }
        }
        Ok(distribution)
    }
}

/// The histogram in `text`, base64 of compressed V2, which may come from anywhere.
pub(super) fn unpacked(text: &str) -> Result<Histogram<u64>, String> {
    let packed = STANDARD.decode(text).map_err(|error| format!("base64: {error}"))?;
    let body = packed.strip_prefix(&COMPRESSED).and_then(|rest| rest.get(4..));
    let body = body.ok_or("expected a compressed V2 histogram")?;
    // Unpacked here, so that a length in its header reserves no memory before it is known to be true.
    let mut plain = Vec::new();
    let read = ZlibDecoder::new(body).take(UNPACKED_MAX + 1).read_to_end(&mut plain);
    read.map_err(|error| format!("zlib: {error}"))?;
    let told = plain.get(4..8).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    if plain.len() as u64 > UNPACKED_MAX || PLAIN_HEADER as u64 + u64::from(told) != plain.len() as u64 {
        return Err("expected a histogram as long as its header says".into());
    }
    let read: Result<Histogram<u64>, _> = Deserializer::new().deserialize(&mut &plain[..]);
    let histogram = read.map_err(|error| error.to_string())?;
    if histogram.sigfig() != 3 {
        return Err(format!("{} digits, expected 3", histogram.sigfig()));
    }
    Ok(histogram)
}

impl OperationCoded {
    fn new(operation: Operation, record: &OperationRecord) -> Self {
        let coded = |phases: &Phases| std::array::from_fn(|phase| Coded::new(&phases[phase]));
        Self {
            operation: operation.as_str().into(),
            endings: record.endings,
            sources: record.sources,
            counts: [record.kms_calls, record.throttles, record.retries],
            given_up: record.given_up,
            bytes: record.bytes,
            ended: Some(record.ended),
            succeeded: coded(&record.succeeded),
            failed: coded(&record.failed),
        }
    }

    fn decode(&self) -> Result<OperationRecord, String> {
        let decoded = |coded: &[Coded; Phase::ALL.len()]| {
            let mut phases: [Distribution; Phase::ALL.len()] = Default::default();
            for (phase, coded) in phases.iter_mut().zip(coded) {
                *phase = coded.decode()?;
            }
            Ok::<_, String>(Phases::from(phases))
        };
        let [kms_calls, throttles, retries] = self.counts;
        Ok(OperationRecord {
            succeeded: decoded(&self.succeeded)?,
            failed: decoded(&self.failed)?,
            endings: self.endings,
            sources: self.sources,
            kms_calls,
            throttles,
            retries,
            given_up: self.given_up,
            bytes: self.bytes,
            ended: self.ended.unwrap_or_else(|| Ended::of_due(&self.endings, self.bytes)),
        })
    }
}

impl Tallied {
    fn new(calls: &Tally<Calls>, s3: Option<&Tally<S3Requests>>, name: impl Fn(u32) -> String) -> Self {
        let largest = ranked(calls, s3).into_iter().take(NAMED);
        let names = largest.map(|(member, ..)| (member, name(member))).collect();
        let coded = |(member, calls): (u32, Calls)| (member, calls.sent, calls.throttled, calls.billed);
        Self { calls: calls.iter().map(coded).collect(), s3: s3.map(|s3| s3.iter().collect()), names }
    }

    fn s3(&self) -> Tally<S3Requests> {
        let mut tally = Tally::default();
        self.s3.iter().flatten().for_each(|&(member, requests)| tally.add(member, requests));
        tally
    }

    fn decode(&self) -> Tally<Calls> {
        let mut tally = Tally::default();
        for &(member, sent, throttled, billed) in &self.calls {
            tally.add(member, Calls { sent, throttled, billed });
        }
        tally
    }
}

impl Record {
    pub(super) fn new(recorder: &Recorder, ended: Timestamp, name: &impl Fn(Member) -> String) -> Self {
        let operations = Operation::ALL.into_iter().zip(&recorder.operations);
        let answers = |answers: &Answers| {
            let [granted, throttled, refused, failed] = answers.by_answer;
            [granted, throttled, refused, failed, answers.billed]
        };
        let s3 = |tally| recorder.s3_known.then_some(tally);
        Self {
            from_ns: recorder.window.from.as_nanos(),
            until_ns: recorder.window.until.as_nanos(),
            ended_ns: recorder.window.until.min(ended).as_nanos(),
            completions: recorder.completions,
            completed_bytes: recorder.completed_bytes,
            calls_in_window: recorder.calls_in_window,
            billed_in_window: Some(recorder.billed_in_window),
            calls_due: Some(recorder.calls_due),
            operations: operations
                .filter_map(|(operation, record)| Some(OperationCoded::new(operation, record.as_ref()?)))
                .collect(),
            calls: recorder
                .calls
                .iter()
                .map(|(name, held)| (name.clone().into_owned(), answers(held)))
                .collect(),
            call_time: Coded::new(&recorder.call_time),
            by_bucket: Tallied::new(&recorder.by_bucket, s3(&recorder.s3_by_bucket), |n| {
                name(Member::Bucket(n))
            }),
            by_principal: Tallied::new(&recorder.by_principal, s3(&recorder.s3_by_principal), |n| {
                name(Member::Principal(n))
            }),
            by_kms_key: Tallied::new(&recorder.by_kms_key, None, |n| name(Member::KmsKey(n))),
            by_operation: recorder
                .by_operation
                .iter()
                .map(|calls| (calls.sent, calls.throttled, calls.billed))
                .collect(),
        }
    }

    fn window(&self) -> Window {
        Window { from: Timestamp::from_nanos(self.from_ns), until: Timestamp::from_nanos(self.until_ns) }
    }

    /// The recorder that left this record and `series`.
    fn decode(&self, series: &[SecondSummary]) -> Result<Recorder, String> {
        let mut recorder = Recorder::new(self.window());
        recorder.completions = self.completions;
        recorder.completed_bytes = self.completed_bytes;
        recorder.calls_in_window = self.calls_in_window;
        let all =
            |place: usize| self.calls.values().fold(0_u64, |sum, answers| sum.saturating_add(answers[place]));
        let [granted, refused, billed] = [0, 2, 4].map(all);
        let calls = (0..4).map(all).fold(0_u64, u64::saturating_add);
        // An older program counted all of them from the start of the measured part on.
        recorder.billed_in_window = self.billed_in_window.unwrap_or(billed);
        recorder.calls_due = self.calls_due.unwrap_or([calls, granted.saturating_add(refused)]);
        for coded in &self.operations {
            let place = Operation::ALL.iter().position(|operation| operation.as_str() == coded.operation);
            let place = place.ok_or_else(|| format!("operation `{}` is not known", coded.operation))?;
            recorder.operations[place].get_or_insert_default().merge(&coded.decode()?);
        }
        for (name, [granted, throttled, refused, failed, billed]) in &self.calls {
            let answers = Answers { by_answer: [*granted, *throttled, *refused, *failed], billed: *billed };
            recorder.answers(Cow::Owned(name.clone())).merge(&answers);
        }
        recorder.call_time = self.call_time.decode()?;
        recorder.by_bucket = self.by_bucket.decode();
        recorder.by_principal = self.by_principal.decode();
        recorder.by_kms_key = self.by_kms_key.decode();
        recorder.s3_by_bucket = self.by_bucket.s3();
        recorder.s3_by_principal = self.by_principal.s3();
        recorder.s3_known = self.by_bucket.s3.is_some() && self.by_principal.s3.is_some();
        if self.by_operation.len() != recorder.by_operation.len() {
            return Err(format!(
                "{} operations, expected {}",
                self.by_operation.len(),
                recorder.by_operation.len()
            ));
        }
        for (calls, &(sent, throttled, billed)) in recorder.by_operation.iter_mut().zip(&self.by_operation) {
            *calls = Calls { sent, throttled, billed };
        }
        let start = i128::from(recorder.window.from.second());
        for second in series {
            let at = u64::try_from(start + i128::from(second.second))
                .map_err(|_| format!("second {} lies before the clock", second.second))?;
            let part = if second.measured { &mut recorder.measured } else { &mut recorder.unmeasured };
            *part.at(at) += Second {
                offered: second.offered,
                completed: second.completed,
                failed: second.failed,
                dropped: second.dropped,
                kms_calls: second.kms_calls,
                throttled: second.throttled,
                cached: second.cached,
                joined: second.joined,
                fetched: second.fetched,
            };
        }
        Ok(recorder)
    }
}

impl Summary {
    /// The distribution of `phase` over all requests that started, or over the successes alone; none where the report holds
    /// no record that reads.
    pub fn distribution(&self, phase: Phase, successes_only: bool) -> Option<Distribution> {
        let mut whole = Distribution::default();
        for operation in &self.record.as_ref()?.operations {
            whole.merge(&operation.succeeded[phase as usize].decode().ok()?);
            if !successes_only {
                whole.merge(&operation.failed[phase as usize].decode().ok()?);
            }
        }
        Some(whole)
    }

    /// The run that the runs `parts` make together: counts and distributions are added up, quota and clients, too, for each part had
    /// its own. What is merged says the same whatever the order.
    ///
    /// # Errors
    ///
    /// A part without a record, a damaged one, and parts that differ in mode, kind or measured part.
    pub fn merge(parts: &[(&str, &Self)]) -> Result<Self, MergeError> {
        let Some((first_name, first)) = parts.first() else { return Err(MergeError::Nothing) };
        let mut whole: Option<Recorder> = None;
        let mut ended = Timestamp::ZERO;
        let mut quota_per_s = first.quota_per_s.map(|_| 0);
        let mut concurrency = first.concurrency.map(|_| 0);
        let mut names: [BTreeMap<u32, String>; 3] = Default::default();
        for (name, part) in parts {
            let record = part.record.as_ref().ok_or_else(|| MergeError::NoRecord { run: (*name).into() })?;
            let damaged = |what| MergeError::Damaged { run: (*name).into(), what };
            let recorder = record.decode(&part.series).map_err(damaged)?;
            if (part.mode, part.kind, part.quota_per_s.is_some(), part.concurrency.is_some())
                != (first.mode, first.kind, quota_per_s.is_some(), concurrency.is_some())
            {
                return Err(MergeError::Apart(format!(
                    "{first_name} and {name} are runs of different kinds"
                )));
            }
            quota_per_s =
                quota_per_s.zip(part.quota_per_s).map(|(sum, own): (u64, u64)| sum.saturating_add(own));
            concurrency =
                concurrency.zip(part.concurrency).map(|(sum, own): (u32, u32)| sum.saturating_add(own));
            ended = ended.max(Timestamp::from_nanos(record.ended_ns));
            let lists = [&record.by_bucket, &record.by_principal, &record.by_kms_key];
            for (held, list) in names.iter_mut().zip(lists) {
                held.extend(list.names.iter().map(|(number, name)| (*number, name.clone())));
            }
            match &mut whole {
                None => whole = Some(recorder),
                Some(whole) if whole.window() == recorder.window() => whole.merge(&recorder),
                Some(_) => {
                    let text = format!("{first_name} and {name} measured from or until different times");
                    return Err(MergeError::Apart(text));
                }
            }
        }
        let run = Run { mode: first.mode, kind: first.kind, quota_per_s, concurrency, until: ended };
        let name = |member| {
            let (list, number) = match member {
                Member::Bucket(n) => (0, n),
                Member::Principal(n) => (1, n),
                Member::KmsKey(n) => (2, n),
            };
            names[list].get(&number).cloned().unwrap_or_else(|| format!("number {number}"))
        };
        Ok(Self { reuse: first.reuse, ..Self::new(&whole.ok_or(MergeError::Nothing)?, &run, name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    #[test]
    fn a_distribution_reads_back_with_every_count() {
        let mut distribution = Distribution::default();
        for nanos in [0, 0, 1, 1_999, 5_000_000, 70_000_000_000, u64::MAX] {
            distribution.record(Span::from_nanos(nanos));
        }
        let back = Coded::new(&distribution).decode().unwrap();
        assert_eq!(back.percentiles(), distribution.percentiles());
        assert_eq!((back.zeros, back.sum, back.max), (2, distribution.sum, u64::MAX));
        let counts = |of: &Distribution| -> Vec<_> {
            of.to_histogram()
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect()
        };
        assert_eq!(counts(&back), counts(&distribution));
        assert_eq!(Coded::new(&Distribution::default()).decode().unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_histogram_is_refused_and_reserves_no_memory() {
        let coded = |hdr: &str| Coded { hdr: hdr.into(), ..Coded::default() }.decode();
        assert!(coded("!").unwrap_err().contains("base64"));
        assert!(coded("AAAA").unwrap_err().contains("V2"));
        let mut header = COMPRESSED.to_vec();
        header.extend_from_slice(&[0, 0, 0, 9]);
        // Says that 4 GiB follow.
        let lie = [0x1c, 0x84, 0x93, 0x13, 0xff, 0xff, 0xff, 0xff];
        let mut packer = flate2::write::ZlibEncoder::new(header, flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, &lie).unwrap();
        let text = STANDARD.encode(packer.finish().unwrap());
        assert!(coded(&text).unwrap_err().contains("as long as"));
    }
}
