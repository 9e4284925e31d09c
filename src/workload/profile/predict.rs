//! The KMS calls that S3 must have made, from the S3 requests alone.
//!
//! How many calls an operation makes in a mode is [`crate::pipeline::calls`]'s to say; which mode an object has is
//! [`KnownObjects`]'. Logs are not in order: entries wait in a window, and leave it in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::kms_call::{KmsCalls, Range, count};
use super::known::{Basis, Known, KnownObjects};
use super::matching::{By, Call, Doubt, Expected, Matching, NO_ARN, Sighting};
use crate::pipeline::{Need, calls, is_cached, needs};
use crate::request::{Operation, SseMode};
use crate::units::Span;
use crate::workload::log::{Digested, Ending, Side, Sse};

/// Entries within which times may be out of order: at 10,000 a second, 26 s; `CloudTrail` files come sorted to minutes.
pub(super) const WINDOW: usize = 1 << 18;
/// Most Bucket Keys that are remembered; a full table is emptied of the expired ones.
const BUCKET_KEYS_MAX: usize = 1 << 20;
/// The part of a Bucket Key's name that says that it is older than the log.
const OLDER: u64 = 1 << 40;
/// The part that says that it is for writing; the KMS key stands below it.
const FOR_WRITES: u64 = 1 << 41;

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
    Seen { arn: u64, call: Call, by: By },
}

/// A request, by digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::struct_excessive_bools, reason = "what a record says, each for itself")]
pub(super) struct Asked {
    /// Writes before reads within a second.
    pub(super) reads: bool,
    pub(super) operation: Option<Operation>,
    pub(super) side: Side,
    pub(super) target: Object,
    pub(super) source: Option<Object>,
    pub(super) requester: u64,
    /// The requester's session, where the requester is its role.
    pub(super) session: u64,
    pub(super) sse: Option<Sse>,
    /// Whether the bucket's default decided so.
    pub(super) by_default: bool,
    pub(super) source_sse: Option<Sse>,
    /// The KMS key of what it writes; 0: none is named.
    pub(super) kms_key: u64,
    /// The version that it reads, or made; 0: none is named.
    pub(super) version: u64,
    /// Whether it asks for checksums.
    pub(super) checksum: bool,
    /// Whether it changes the mode of its object and nothing else.
    pub(super) updates: bool,
    /// Whether it is a copy from or to a directory bucket, for which no Bucket Key serves.
    pub(super) uncached: bool,
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

/// A call's Bucket Key, by the two scopes that AWS's text has had.
#[derive(Clone, Copy, Debug, Default)]
struct Fetched {
    /// Calls that were likely made.
    likely: u64,
    /// Calls if each session of a role fetches Bucket Keys of its own.
    by_session: u64,
    /// Which Bucket Key a write got, in each scope.
    generation: u32,
    session_generation: u32,
}

/// One digest of two: a folded multiplication.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b ^ 0xD6E8_FEB8_6659_FD93);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// The data keys that a request needs in `mode`: those of its operation, and a HEAD that asks for checksums that of its
/// object, under which they are kept.
///
/// Source: S3 user guide, checking object integrity (docs/SOURCES.md, pipeline).
pub(super) fn needed(operation: Operation, mode: SseMode, checksum: bool) -> &'static [Need] {
    let reads_checksum = operation == Operation::HeadObject && checksum;
    if reads_checksum && mode != SseMode::KmsCached {
        return needs(Operation::GetObject, mode);
    }
    needs(operation, mode)
}

/// Predicts.
#[derive(Debug)]
pub(super) struct Predictor {
    lifetime: u64,
    /// Under how many Bucket Keys of a bucket the objects stand that are older than the log.
    older_keys: u64,
    /// By time; within an instant settings, writes, reads, calls; then as they came.
    waiting: BinaryHeap<Reverse<(u64, u8, u64, Step)>>,
    sequence: u64,
    objects: KnownObjects,
    keys: Keys,
    /// If each session of a role fetches its own.
    session_keys: Keys,
    /// Under the assumption that everything has a Bucket Key; that everything is cached in the client.
    implied: [(SseMode, Keys); 2],
    matching: Matching,
    out: KmsCalls,
}

impl Predictor {
    /// Objects of which nothing tells are in the mode `assume`; a Bucket Key serves for `lifetime`; older objects were
    /// written evenly over `history`.
    pub(super) fn new(assume: Option<SseMode>, lifetime: Span, history: Span) -> Self {
        let lifetime = lifetime.as_nanos();
        Self {
            lifetime,
            older_keys: history.as_nanos().div_ceil(lifetime.max(1)).max(1),
            waiting: BinaryHeap::new(),
            sequence: 0,
            objects: KnownObjects::new(assume),
            keys: Keys::default(),
            session_keys: Keys::default(),
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
        self.objects.stored(object, sse);
    }

    /// Takes in `step` of `time`.
    pub(super) fn push(&mut self, time: u64, step: Step) {
        let rank = match step {
            Step::Setting { .. } => 0,
            Step::Request(Asked { reads, .. }) => 1 + u8::from(reads),
            Step::Seen { .. } => 3,
        };
        self.objects.look_ahead(time, &step);
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
            Step::Setting { bucket, sse } => self.objects.set(bucket, sse),
            Step::Request(asked) => self.request(time, &asked),
            Step::Seen { arn, call, by } => {
                self.matching.sight(Sighting { time, arn, call, by }, &mut self.out);
            }
        }
    }

    fn request(&mut self, time: u64, asked: &Asked) {
        if asked.updates {
            return self.update(time, asked);
        }
        let Some(operation) = asked.operation else {
            let arns = [asked.target.object, asked.target.bucket, asked.target.object];
            for calls in [&[Call::Decrypt], &[Call::Generate]] {
                let expected = Expected { time, arns, calls, likely: false, doubt: Doubt::Operation };
                self.matching.expect(expected, &mut self.out);
            }
            return;
        };
        let source = match (asked.side, operation) {
            (Side::CopyRead, _) => Some(asked.target),
            // A table names one object: it is copied onto itself.
            (Side::Whole, Operation::CopyObject) => asked.source.or(Some(asked.target)),
            _ => asked.source,
        };
        let source = source.map(|object| {
            let told = if asked.side == Side::CopyRead { asked.sse } else { asked.source_sse };
            (object, self.objects.source(object, told))
        });
        let target = (asked.side != Side::CopyRead).then(|| self.objects.target(operation, asked));
        let implied = self.imply(time, operation, asked, target, source);
        let mut target_asked = *asked;
        if let Some((object, known)) = source {
            let read = self.need(time, Need::Decrypt, Operation::CopyObject, asked, object, known);
            // KMS refused the first call, as far as is known: then there was no second.
            if read.likely > 0 && asked_kms(asked.ending) {
                target_asked.ending = Ending::Refused;
            }
        }
        let Some(mut known) = target else { return };
        for need in needed(operation, SseMode::SseKms, asked.checksum) {
            // The read of a copy is its source's.
            if operation == Operation::CopyObject && *need == Need::Decrypt {
                continue;
            }
            let fetched = self.need(time, *need, operation, &target_asked, asked.target, known);
            if *need == Need::Generate {
                known.generation = fetched.generation;
                known.session_generation = fetched.session_generation;
                known.implied = implied;
            }
        }
        self.objects.done(operation, asked, known);
    }

    /// `UpdateObjectEncryption`: a data key goes from under one key under another, and nobody has published by which calls.
    ///
    /// Without a Bucket Key one call at least has to be made, for KMS alone can wrap under its key; two are as many as
    /// unwrapping and wrapping need. With one a warm Bucket Key may do, unless the object stood under the KMS key itself.
    ///
    /// Source: S3 API reference, `UpdateObjectEncryption`: permissions for Encrypt, Decrypt, `GenerateDataKey` and `ReEncrypt`
    /// (docs/SOURCES.md); the counts are an assumption.
    fn update(&mut self, time: u64, asked: &Asked) {
        let before = self.objects.read(asked.target, asked.version);
        let with_bucket_key = asked.sse == Some(Sse::Known(SseMode::SseKmsBucketKey));
        let mut fetched = Fetched::default();
        if with_bucket_key && asked.ending == Ending::Done {
            fetched = self.fetch(time, true, asked, asked.target, before);
            self.count_sessions(fetched, asked);
        }
        let (mut low, mut likely) = match asked.sse {
            Some(Sse::Known(SseMode::SseKms)) => (1, 1),
            _ if with_bucket_key => {
                (0, fetched.likely + u64::from(before.sse == Some(Sse::Known(SseMode::SseKms))))
            }
            _ => (0, 1),
        };
        let mut doubt = Doubt::Update;
        ended(asked.ending, 2, &mut low, &mut likely, &mut doubt);
        count(&mut self.out.basis, Basis::Update.name(), asked.times);
        self.out.update.add(Range { low, likely, high: 2 }.times(asked.times));
        let object = asked.target;
        self.expect(
            time,
            asked,
            [object.object, object.bucket, object.bucket],
            Call::ANY,
            (likely, 2),
            doubt,
        );
        if asked.ending == Ending::Done {
            self.objects.updated(
                object,
                asked.version,
                asked.sse,
                (fetched.generation, fetched.session_generation),
            );
        }
    }

    /// A data key that a request needs, if its object's mode needs any.
    fn need(
        &mut self,
        time: u64,
        need: Need,
        operation: Operation,
        asked: &Asked,
        object: Object,
        known: Known,
    ) -> Fetched {
        let cold = |mode| needed(operation, mode, asked.checksum).contains(&need);
        let warm = |mode| is_cached(mode) && calls(operation, mode, true) == 0;
        let one = |called| u64::from(called);
        let generates = need == Need::Generate;
        let mut fetched = Fetched::default();
        let (mut low, mut likely, mut high, mut doubt) = match known.sse {
            // S3's own default since January 2023 is SSE-S3.
            None => (0, 0, one(cold(SseMode::SseKms)), Doubt::Mode),
            Some(Sse::Kms) => (0, 1, 1, Doubt::Mode),
            Some(Sse::Known(mode)) if warm(mode) && cold(mode) && !asked.uncached => {
                fetched = self.fetch(time, generates, asked, object, known);
                let by_another = fetched.likely < fetched.by_session;
                (0, fetched.likely, 1, if by_another { Doubt::Session } else { Doubt::BucketKey })
            }
            // AWS says that it makes more calls than SSE-KMS, and not how many.
            Some(Sse::Known(SseMode::DsseKms)) => {
                let call = one(cold(SseMode::DsseKms));
                (call, call, 2 * call, Doubt::Dsse)
            }
            Some(Sse::Known(mode)) => (one(cold(mode)), one(cold(mode)), one(cold(mode)), Doubt::None),
        };
        if known.basis == Basis::Default {
            (low, high) = (0, high.max(one(cold(SseMode::SseKms))));
            doubt = if doubt == Doubt::None { Doubt::Mode } else { doubt };
        }
        ended(asked.ending, high, &mut low, &mut likely, &mut doubt);
        count(&mut self.out.basis, known.basis.name(), asked.times);
        let range = Range { low, likely, high }.times(asked.times);
        if generates {
            self.out.generate_data_key.add(range);
        } else {
            self.out.decrypt.add(range);
        }
        if matches!(asked.ending, Ending::Done | Ending::Failed) {
            self.count_sessions(fetched, asked);
        }
        fetched.likely = likely;
        if high == 0 && matches!(known.basis, Basis::OwnPut | Basis::OwnRequest) {
            return fetched;
        }
        // What cannot have called may still turn out to have: then its mode was known wrongly.
        let mut arns = match known.sse {
            // A directory bucket's context is its bucket's, however it was fetched.
            Some(Sse::Known(SseMode::SseKms | SseMode::DsseKms)) => [object.object; 3],
            Some(Sse::Known(SseMode::SseKmsBucketKey)) => [object.bucket; 3],
            _ => [object.object, object.bucket, object.bucket],
        };
        if asked_kms(asked.ending) {
            arns[2] = NO_ARN;
        }
        let calls: &[Call] = if generates { &[Call::Generate] } else { &[Call::Decrypt] };
        self.expect(time, asked, arns, calls, (likely, high.max(1)), doubt);
        fetched
    }

    /// Calls that a request may have made: how many likely, and how many at most.
    fn expect(
        &mut self,
        time: u64,
        asked: &Asked,
        arns: [u64; 3],
        calls: &'static [Call],
        (likely, most): (u64, u64),
        doubt: Doubt,
    ) {
        for _ in 0..asked.times.min(1_000) {
            for call in 0..most {
                let likely = call < likely;
                self.matching.expect(Expected { time, arns, calls, likely, doubt }, &mut self.out);
            }
        }
    }

    /// How many calls more it is if each session of a role fetches its own.
    fn count_sessions(&mut self, fetched: Fetched, asked: &Asked) {
        let apart = fetched.by_session.cast_signed() - fetched.likely.cast_signed();
        self.out.by_session += apart * asked.times.cast_signed();
    }

    /// Whether a Bucket Key must be fetched, and which one it is, shared by the sessions of a role or not.
    fn fetch(&mut self, time: u64, generates: bool, asked: &Asked, object: Object, known: Known) -> Fetched {
        let mut of = |keys: fn(&mut Self) -> &mut Keys, requester: u64, generation_read: u32| {
            let which = if generates {
                FOR_WRITES | (asked.kms_key >> 24)
            } else {
                bucket_key_of(object, generation_read, self.older_keys)
            };
            let lifetime = self.lifetime;
            let (cold, at) = keys(self).fetch([requester, object.bucket, which], time, lifetime);
            (u64::from(cold), generation(requester ^ asked.kms_key, at))
        };
        let (likely, generation) = of(|this| &mut this.keys, asked.requester, known.generation);
        let (by_session, session_generation) =
            of(|this| &mut this.session_keys, asked.session, known.session_generation);
        Fetched { likely, by_session, generation, session_generation }
    }

    /// What the request would cost if every object had the same mode; the Bucket Key that its object would stand under.
    fn imply(
        &mut self,
        time: u64,
        operation: Operation,
        asked: &Asked,
        target: Option<Known>,
        source: Option<(Object, Known)>,
    ) -> u32 {
        let mut written = 0;
        if asked.ending != Ending::Done {
            return written;
        }
        let (lifetime, older_keys) = (self.lifetime, self.older_keys);
        for mode in SseMode::ALL {
            let own = target.iter().flat_map(move |known| {
                let needs = needed(operation, mode, asked.checksum).iter();
                // The read of a copy is its source's.
                let own =
                    needs.filter(move |need| operation != Operation::CopyObject || **need == Need::Generate);
                own.map(move |need| (*need, asked.target, known.implied))
            });
            let read = source
                .filter(|_| needs(Operation::GetObject, mode).contains(&Need::Decrypt))
                .map(|(object, known)| (Need::Decrypt, object, known.implied));
            let mut range = Range::default();
            for (need, object, of) in own.chain(read) {
                if !is_cached(mode) {
                    let high = if mode == SseMode::DsseKms { 2 } else { 1 };
                    range.add(Range { low: 1, likely: 1, high }.times(asked.times));
                    continue;
                }
                let which = match need {
                    Need::Generate => FOR_WRITES,
                    // What is older than the log has a data key of its own each.
                    _ if of == 0 && mode == SseMode::KmsCached => OLDER | object.object,
                    _ => bucket_key_of(object, of, older_keys),
                };
                let found = self.implied.iter_mut().find(|(of, _)| *of == mode);
                let (_, keys) = found.expect("both cached modes are there");
                let (cold, at) = keys.fetch([asked.requester, object.bucket, which], time, lifetime);
                range.high += asked.times;
                range.likely += u64::from(cold);
                if need == Need::Generate {
                    written = generation(asked.requester, at);
                }
            }
            if let Some(there) = self.out.implied.get_mut(mode.as_str()) {
                there.add(range);
            } else {
                self.out.implied.insert(mode.as_str().to_owned(), range);
            }
        }
        written
    }
}

/// What the end of a request says of its calls, of which there were at most `high`.
fn ended(ending: Ending, high: u64, low: &mut u64, likely: &mut u64, doubt: &mut Doubt) {
    match ending {
        Ending::Done => {}
        Ending::RefusedByKms | Ending::ThrottledByKms => {
            (*low, *likely, *doubt) = (high.min(1), high.min(1), Doubt::Failed);
        }
        Ending::Unchanged => (*low, *likely, *doubt) = (0, 0, Doubt::Unchanged),
        Ending::Refused | Ending::TurnedAway => (*low, *likely, *doubt) = (0, 0, Doubt::Failed),
        Ending::Failed => (*low, *doubt) = (0, Doubt::Failed),
    }
}

/// Whether KMS was asked and said no.
fn asked_kms(ending: Ending) -> bool {
    matches!(ending, Ending::RefusedByKms | Ending::ThrottledByKms)
}

/// The name of the Bucket Key that a reader of `object` needs: that of its write, or one of the older ones, over which what
/// is older than the log is spread evenly, as in the history of a scenario.
fn bucket_key_of(object: Object, generation: u32, older_keys: u64) -> u64 {
    if generation == 0 { OLDER | (mix(object.object, OLDER) % older_keys) } else { generation.into() }
}

/// The Bucket Key that was fetched at `at` for `writer`; never 0.
fn generation(writer: u64, at: u64) -> u32 {
    (mix(writer, at) >> 33) as u32 + 1
}
