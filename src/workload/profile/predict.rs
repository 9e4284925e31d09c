//! The KMS calls that S3 must have made, from the S3 requests alone.
//!
//! How many calls an operation makes in a mode is [`crate::pipeline::calls`]'s to say; here is found which mode an object has:
//! by its own PUT in the log, else the inventory, else its bucket's setting, else what the caller assumes, else not at
//! all. Logs are not in order: entries wait in a window, and leave it in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::kms_call::{KmsCalls, Range, count};
use super::matching::{Doubt, Expected, Matching, Sighting};
use crate::pipeline::{Need, calls, is_cached, needs};
use crate::request::{Operation, SseMode};
use crate::units::Span;
use crate::workload::log::{Digested, Ending, Side, Sse};

/// Entries within which times may be out of order: at 10,000 a second, 26 s; `CloudTrail` files come sorted to minutes.
pub(super) const WINDOW: usize = 1 << 18;
/// Most objects whose mode is remembered: at most 400 MB. Those beyond count as not written in the log.
const OBJECTS_MAX: usize = 1 << 23;
/// Most Bucket Keys that are remembered; a full table is emptied of the expired ones.
const BUCKET_KEYS_MAX: usize = 1 << 20;

/// How an object's mode is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    OwnPut,
    Inventory,
    Setting,
    Assumed,
    Unknown,
}

impl Basis {
    const fn name(self) -> &'static str {
        match self {
            Self::OwnPut => "own PUT in the log",
            Self::Inventory => "inventory",
            Self::Setting => "bucket setting in the log",
            Self::Assumed => "assumed",
            Self::Unknown => "unknown",
        }
    }
}

/// What is remembered of an object.
#[derive(Clone, Copy, Debug)]
struct Known {
    sse: Sse,
    basis: Basis,
    /// Which Bucket Key it stands under, as far as the log tells; 0: an older one.
    generation: u64,
}

/// An object, by digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Object {
    pub(super) bucket: u64,
    pub(super) object: u64,
}

/// What waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A bucket's setting.
    Setting { bucket: u64, sse: Option<Sse> },
    /// A request.
    Request(Asked),
    /// A call by S3 under the ARN of an object, or of a bucket.
    Seen { arn: u64, generates: bool, by_service: bool },
}

/// A request, by digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// Writes before reads within a second.
    pub(super) reads: bool,
    pub(super) operation: Option<Operation>,
    pub(super) side: Side,
    pub(super) target: Object,
    pub(super) source: Option<Object>,
    pub(super) requester: u64,
    pub(super) sse: Option<Sse>,
    pub(super) ending: Ending,
    pub(super) times: u64,
}

/// Bucket Keys, or data keys in a client's cache, that are still good.
#[derive(Debug, Default)]
struct Keys {
    fetched: Digested<u64>,
}

impl Keys {
    /// Whether the key of `parts` must be fetched at `now` (then it is), and when the one was fetched that serves.
    fn fetch(&mut self, parts: [u64; 3], now: u64, lifetime: u64) -> (bool, u64) {
        let digest = parts.into_iter().fold(0, mix);
        if self.fetched.len() >= BUCKET_KEYS_MAX {
            self.fetched.retain(|_, at| now.saturating_sub(*at) < lifetime);
        }
        match self.fetched.get_mut(&digest) {
            Some(at) if now.saturating_sub(*at) < lifetime => (false, *at),
            Some(at) => {
                *at = now;
                (true, now)
            }
            None => {
                if self.fetched.len() < BUCKET_KEYS_MAX {
                    self.fetched.insert(digest, now);
                }
                (true, now)
            }
        }
    }
}

/// One digest of two: a folded multiplication.
fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b ^ 0xD6E8_FEB8_6659_FD93);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// Predicts.
#[derive(Debug)]
pub(super) struct Predictor {
    assume: Option<SseMode>,
    lifetime: u64,
    /// By time; within an instant settings, writes, reads, calls; then as they came.
    waiting: BinaryHeap<Reverse<(u64, u8, u64, Step)>>,
    sequence: u64,
    objects: Digested<Known>,
    settings: Digested<Sse>,
    keys: Keys,
    /// Under the assumption that everything has a Bucket Key; that everything is cached in the client.
    implied: [(SseMode, Keys); 2],
    matching: Matching,
    out: KmsCalls,
}

impl Predictor {
    pub(super) fn new(assume: Option<SseMode>, lifetime: Span) -> Self {
        Self {
            assume,
            lifetime: lifetime.as_nanos(),
            waiting: BinaryHeap::new(),
            sequence: 0,
            objects: Digested::default(),
            settings: Digested::default(),
            keys: Keys::default(),
            implied: [(SseMode::SseKmsBucketKey, Keys::default()), (SseMode::KmsCached, Keys::default())],
            matching: Matching::default(),
            out: KmsCalls::default(),
        }
    }

    /// The part of a profile under way.
    pub(super) fn out(&mut self) -> &mut KmsCalls {
        &mut self.out
    }

    /// An object that exists, from an inventory.
    pub(super) fn stored(&mut self, object: Object, sse: Sse) {
        self.remember(object, Known { sse, basis: Basis::Inventory, generation: 0 });
    }

    /// Takes in `step` of `time`.
    pub(super) fn push(&mut self, time: u64, step: Step) {
        let rank = match step {
            Step::Setting { .. } => 0,
            Step::Request(Asked { reads, .. }) => 1 + u8::from(reads),
            Step::Seen { .. } => 3,
        };
        self.sequence += 1;
        self.waiting.push(Reverse((time, rank, self.sequence, step)));
        if self.waiting.len() > WINDOW
            && let Some(Reverse((time, _, _, step))) = self.waiting.pop()
        {
            self.take(time, step);
        }
    }

    /// Everything has come.
    pub(super) fn finish(mut self) -> KmsCalls {
        while let Some(Reverse((time, _, _, step))) = self.waiting.pop() {
            self.take(time, step);
        }
        self.matching.finish(&mut self.out);
        self.out
    }

    fn take(&mut self, time: u64, step: Step) {
        match step {
            Step::Setting { bucket, sse: Some(sse) } => {
                self.settings.insert(bucket, sse);
            }
            // Changed, and nobody says to what.
            Step::Setting { bucket, sse: None } => {
                self.settings.remove(&bucket);
            }
            Step::Request(asked) => self.request(time, &asked),
            Step::Seen { arn, generates, by_service } => {
                self.matching.sight(Sighting { time, arn, generates, by_service }, &mut self.out);
            }
        }
    }

    fn request(&mut self, time: u64, asked: &Asked) {
        let Some(operation) = asked.operation else {
            for generates in [false, true] {
                let arns = [asked.target.object, asked.target.bucket];
                let doubt = Doubt::Operation;
                self.matching.expect(Expected { time, arns, likely: false, doubt, generates }, &mut self.out);
            }
            return;
        };
        self.imply(time, operation, asked);
        if asked.side != Side::CopyRead {
            let known = self.mode_of_target(operation, asked);
            for need in needs(operation, SseMode::SseKms) {
                // The read of a copy is its source's.
                if !(operation == Operation::CopyObject && *need == Need::Decrypt) {
                    self.need(time, *need, operation, asked, asked.target, known);
                }
            }
        }
        let source = if asked.side == Side::CopyRead { Some(asked.target) } else { asked.source };
        if let Some(source) = source {
            let known = self.mode_of(source);
            self.need(time, Need::Decrypt, Operation::CopyObject, asked, source, known);
        }
    }

    /// The mode under which a request works on its target, which is remembered for a write that was done.
    fn mode_of_target(&mut self, operation: Operation, asked: &Asked) -> Option<Known> {
        let writes = matches!(
            operation,
            Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload
        );
        if !writes {
            return self.mode_of(asked.target);
        }
        let told = asked.sse.map(|sse| Known {
            sse: self.settle(sse, asked.target),
            basis: Basis::OwnPut,
            generation: 0,
        });
        // An inventory tells of the object that was there; what comes now is by the bucket's setting.
        let known = told
            .or_else(|| self.objects.get(&asked.target.object).copied())
            .or_else(|| self.default(asked.target));
        if let Some(told) = told
            && asked.ending == Ending::Done
        {
            self.remember(asked.target, told);
        }
        known
    }

    /// SSE-KMS of which only the bucket's setting can say whether there is a Bucket Key.
    fn settle(&self, sse: Sse, object: Object) -> Sse {
        let with = Sse::Known(SseMode::SseKmsBucketKey);
        if sse == Sse::Kms && self.settings.get(&object.bucket) == Some(&with) { with } else { sse }
    }

    fn remember(&mut self, object: Object, known: Known) {
        if self.objects.len() < OBJECTS_MAX || self.objects.contains_key(&object.object) {
            self.objects.insert(object.object, known);
        }
    }

    fn mode_of(&self, object: Object) -> Option<Known> {
        self.objects.get(&object.object).copied().or_else(|| self.default(object))
    }

    fn default(&self, object: Object) -> Option<Known> {
        let setting = self.settings.get(&object.bucket);
        let by = |sse, basis| Known { sse, basis, generation: 0 };
        setting
            .map(|sse| by(*sse, Basis::Setting))
            .or_else(|| self.assume.map(|mode| by(Sse::Known(mode), Basis::Assumed)))
    }

    /// A data key that a request needs, if its object's mode needs any.
    fn need(
        &mut self,
        time: u64,
        need: Need,
        operation: Operation,
        asked: &Asked,
        object: Object,
        known: Option<Known>,
    ) {
        let cold = |mode| needs(operation, mode).contains(&need) && calls(operation, mode, false) > 0;
        let warm = |mode| is_cached(mode) && calls(operation, mode, true) == 0;
        let generates = need == Need::Generate;
        let (mut low, mut likely, high, mut doubt) = match known.map(|known| known.sse) {
            // S3's own default since January 2023 is SSE-S3.
            None => (false, false, cold(SseMode::SseKms), Doubt::Mode),
            Some(Sse::Kms) => (false, true, true, Doubt::Mode),
            Some(Sse::Known(mode)) if warm(mode) && cold(mode) => {
                (false, self.fetch(time, generates, asked, object, known), true, Doubt::BucketKey)
            }
            Some(Sse::Known(mode)) => (cold(mode), cold(mode), cold(mode), Doubt::None),
        };
        match asked.ending {
            Ending::Done => {}
            Ending::RefusedByKms => (low, likely, doubt) = (high, high, Doubt::Failed),
            Ending::Unchanged => (low, likely, doubt) = (false, false, Doubt::Unchanged),
            Ending::Refused => (low, likely, doubt) = (false, false, Doubt::Failed),
            Ending::Failed => (low, doubt) = (false, Doubt::Failed),
        }
        let basis = known.map_or(Basis::Unknown, |known| known.basis);
        count(&mut self.out.basis, basis.name(), asked.times);
        let range = Range::new(low, likely, high, asked.times);
        if generates {
            self.out.generate_data_key.add(range);
        } else {
            self.out.decrypt.add(range);
        }
        if !high && basis == Basis::OwnPut {
            return;
        }
        // What cannot have called may still turn out to have: then its mode was known wrongly.
        let arns = match known.map(|known| known.sse) {
            Some(Sse::Known(SseMode::SseKms | SseMode::DsseKms)) => [object.object; 2],
            Some(Sse::Known(SseMode::SseKmsBucketKey)) => [object.bucket; 2],
            _ => [object.object, object.bucket],
        };
        for _ in 0..asked.times.min(1_000) {
            self.matching.expect(Expected { time, arns, likely, doubt, generates }, &mut self.out);
        }
    }

    /// Whether a Bucket Key must be fetched; a write remembers which one it got.
    fn fetch(
        &mut self,
        time: u64,
        generates: bool,
        asked: &Asked,
        object: Object,
        known: Option<Known>,
    ) -> bool {
        let generation = if generates { 0 } else { 1 + known.map_or(0, |known| known.generation) };
        let (cold, at) = self.keys.fetch([asked.requester, object.bucket, generation], time, self.lifetime);
        if generates && let Some(there) = self.objects.get_mut(&object.object) {
            there.generation = mix(asked.requester, at) >> 1;
        }
        cold
    }

    /// What the request would cost if every object had the same mode.
    fn imply(&mut self, time: u64, operation: Operation, asked: &Asked) {
        if asked.ending != Ending::Done {
            return;
        }
        let counts_need = |need: Need| match asked.side {
            Side::Whole => true,
            Side::CopyRead => need == Need::Decrypt,
            Side::CopyWrite => need == Need::Generate,
        };
        let operation = if asked.side == Side::CopyRead { Operation::CopyObject } else { operation };
        let lifetime = self.lifetime;
        for mode in SseMode::ALL {
            let mut range = Range::default();
            for need in needs(operation, mode).iter().filter(|need| counts_need(**need)) {
                if !is_cached(mode) {
                    range.add(Range::new(true, true, true, asked.times));
                    continue;
                }
                let found = self.implied.iter_mut().find(|(of, _)| *of == mode);
                let (_, keys) = found.expect("both cached modes are there");
                let kind = u64::from(*need == Need::Generate);
                let (cold, _) = keys.fetch([asked.requester, asked.target.bucket, kind], time, lifetime);
                range.high += asked.times;
                range.likely += u64::from(cold);
            }
            if let Some(there) = self.out.implied.get_mut(mode.as_str()) {
                there.add(range);
            } else {
                self.out.implied.insert(mode.as_str().to_owned(), range);
            }
        }
    }
}
