//! Predicted calls against calls seen: paired by ARN within a second, and a cause for what is left over on either side.
//!
//! KMS and S3 events share no request id, and event times have whole seconds: so the ARN of the encryption context and the
//! time are all there is to join by (docs/LOGS.md).

use std::collections::VecDeque;

use super::kms_call::{KmsCalls, count};
use crate::workload::log::Digested;

/// How far apart the two events of a call may lie: ±1 s, since both times are cut to the second.
const REACH: u64 = 1_999_999_999;
/// Most predictions and sightings that wait for their partner.
const WAITING_MAX: usize = 1 << 20;
/// Most partners that are looked at for one call.
const LOOK_MAX: usize = 256;

/// The place of an ARN where KMS told none: it refused.
pub(super) const NO_ARN: u64 = 0x6E6F_2061_726E;

/// For what a key was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    /// A request.
    Request,
    /// The work of another service, such as `CloudTrail` when it delivers.
    Service,
    /// S3 Replication.
    Replication,
}

/// A kind of call under an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    /// `GenerateDataKey`.
    Generate,
    /// `Decrypt`.
    Decrypt,
    /// `Encrypt` or `ReEncrypt`: a data key that is there goes under a KMS key.
    Wrap,
}

impl Call {
    /// Any of them, the likeliest first: what `UpdateObjectEncryption` may make. Its permissions name them all.
    pub(super) const ANY: &[Self] = &[Self::Wrap, Self::Generate, Self::Decrypt];

    /// By AWS's name, if S3 makes it for requests.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "GenerateDataKey" => Some(Self::Generate),
            "Decrypt" => Some(Self::Decrypt),
            "Encrypt" | "ReEncrypt" => Some(Self::Wrap),
            _ => None,
        }
    }

    /// The place of such a call under `arn`.
    const fn key(self, arn: u64) -> u64 {
        match self {
            Self::Generate => arn,
            Self::Decrypt => !arn,
            Self::Wrap => arn.rotate_left(32),
        }
    }
}

/// Why a call may be seen though it was not thought likely, or why it may be missing though it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// None: object and mode are known.
    None,
    /// Served by a Bucket Key, as assumed.
    BucketKey,
    /// Served by a Bucket Key that another session of the role had fetched.
    Session,
    /// The object's mode is not known.
    Mode,
    /// The request failed.
    Failed,
    /// Answered 304.
    Unchanged,
    /// An operation that the table of calls does not have.
    Operation,
    /// DSSE-KMS, which may make a second call for its second layer.
    Dsse,
    /// `UpdateObjectEncryption`, whose calls AWS does not number.
    Update,
}

impl Doubt {
    const fn seen(self) -> &'static str {
        match self {
            Self::None => "mode known otherwise than by this log",
            Self::BucketKey => "Bucket Key fetched again sooner than assumed",
            Self::Session => "Bucket Key fetched, though another session of the role had one",
            Self::Mode => "mode of the object not known",
            Self::Failed => "failed request that had called KMS",
            Self::Unchanged => "unchanged object (304) that had called KMS",
            Self::Dsse => "second call for DSSE-KMS, of which AWS tells no number",
            Self::Update => "second call for UpdateObjectEncryption, of which AWS tells no number",
            Self::Operation => "operation whose calls are not predicted",
        }
    }

    const fn missing(self) -> &'static str {
        match self {
            Self::BucketKey => "Bucket Key lived longer than assumed",
            Self::Failed => "failed request that had not called KMS",
            _ => "no KMS event within a second",
        }
    }
}

/// A call that a request may have made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) time: u64,
    /// Digests of the ARNs under which it may be found: the object's, the bucket's, [`NO_ARN`]; some of them twice.
    pub(super) arns: [u64; 3],
    /// What it may be.
    pub(super) calls: &'static [Call],
    pub(super) likely: bool,
    pub(super) doubt: Doubt,
}

impl Expected {
    /// Where it may be found, each place once.
    fn keys(&self) -> impl Iterator<Item = u64> + use<> {
        let Self { arns, calls, .. } = *self;
        let places = (0..arns.len()).filter(move |i| !arns[..*i].contains(&arns[*i]));
        places.flat_map(move |i| calls.iter().map(move |call| call.key(arns[i])))
    }
}

/// A call by S3 in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub(super) time: u64,
    pub(super) arn: u64,
    pub(super) call: Call,
    pub(super) by: By,
}

impl Sighting {
    const fn key(&self) -> u64 {
        self.call.key(self.arn)
    }
}

#[derive(Debug)]
struct Waiting<T> {
    /// The entry, and whether it has found its partner.
    queue: VecDeque<(T, bool)>,
    /// Number of the first in the queue.
    base: u64,
    by_arn: Digested<VecDeque<u64>>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), base: 0, by_arn: Digested::default() }
    }
}

impl<T> Waiting<T> {
    fn push(&mut self, keys: impl Iterator<Item = u64>, entry: T) {
        let number = self.base + self.queue.len() as u64;
        for key in keys {
            self.by_arn.entry(key).or_default().push_back(number);
        }
        self.queue.push_back((entry, false));
    }

    fn pop<K: Iterator<Item = u64>>(&mut self, keys: impl Fn(&T) -> K) -> Option<(T, bool)> {
        let (entry, paired) = self.queue.pop_front()?;
        for key in keys(&entry) {
            if let Some(numbers) = self.by_arn.get_mut(&key) {
                while numbers.front().is_some_and(|number| *number <= self.base) {
                    numbers.pop_front();
                }
                if numbers.is_empty() {
                    self.by_arn.remove(&key);
                }
            }
        }
        self.base += 1;
        Some((entry, paired))
    }

    /// The unpaired entry under `key` that is `best` by the smallest rank, marked as paired.
    fn pair(&mut self, key: u64, rank: impl Fn(&T) -> Option<u64>) -> Option<&T> {
        let numbers = self.by_arn.get(&key)?;
        let queue = &self.queue;
        let open = numbers.iter().rev().take(LOOK_MAX).filter_map(|number| {
            let place = usize::try_from(number - self.base).ok()?;
            let (entry, paired) = queue.get(place)?;
            if *paired { None } else { Some((rank(entry)?, place)) }
        });
        let (_, place) = open.min()?;
        let slot = &mut self.queue[place];
        slot.1 = true;
        Some(&slot.0)
    }
}

/// Pairs the two sides as they come, in the order of time.
#[derive(Debug, Default)]
pub(super) struct Matching {
    expected: Waiting<Expected>,
    sighted: Waiting<Sighting>,
    /// Time of the latest call seen, and of the latest request.
    last_sighting: Option<u64>,
    last_request: Option<u64>,
    /// Likely calls not seen since the latest call that was.
    missing_since: Vec<(Doubt, u64)>,
    first_request: Option<u64>,
}

impl Matching {
    /// A call that a request may have made.
    pub(super) fn expect(&mut self, expected: Expected, out: &mut KmsCalls) {
        self.advance(expected.time, out);
        self.first_request.get_or_insert(expected.time);
        self.last_request = Some(expected.time);
        let near = |sighting: &Sighting| {
            let apart = sighting.time.abs_diff(expected.time);
            (apart <= REACH && sighting.by == By::Request).then_some(apart)
        };
        for key in expected.keys() {
            // Without likelihood it may still explain a later call better: sightings that wait are orphans so far.
            if self.sighted.pair(key, near).is_some() {
                paired(&expected, out);
                return;
            }
        }
        self.expected.push(expected.keys(), expected);
    }

    /// A call by S3 in the log.
    pub(super) fn sight(&mut self, sighting: Sighting, out: &mut KmsCalls) {
        self.advance(sighting.time, out);
        if self.last_sighting.is_none() {
            // What was expected before the first call lies outside of what the log holds of KMS.
            self.missing_since.clear();
        }
        self.last_sighting = Some(sighting.time);
        for (doubt, times) in std::mem::take(&mut self.missing_since) {
            count(&mut out.predicted_not_seen, doubt.missing(), times);
        }
        let near = |expected: &Expected| {
            let apart = sighting.time.abs_diff(expected.time);
            // A likely one first, then the nearest in time.
            (apart <= REACH).then_some(apart + if expected.likely { 0 } else { 1 << 62 })
        };
        match self.expected.pair(sighting.key(), near) {
            Some(expected) => paired(&expected.clone(), out),
            None => self.sighted.push(std::iter::once(sighting.key()), sighting),
        }
    }

    /// Gives up on what is too long ago for `now`.
    fn advance(&mut self, now: u64, out: &mut KmsCalls) {
        let old = |time: u64, waiting: usize| now.saturating_sub(time) > REACH || waiting > WAITING_MAX;
        while let Some((expected, _)) = self.expected.queue.front()
            && old(expected.time, self.expected.queue.len())
        {
            self.drop_expected(out);
        }
        while let Some((sighting, _)) = self.sighted.queue.front()
            && old(sighting.time, self.sighted.queue.len())
        {
            self.drop_sighting(out, false);
        }
    }

    fn drop_expected(&mut self, out: &mut KmsCalls) {
        let Some((expected, paired)) = self.expected.pop(Expected::keys) else { return };
        if paired || !expected.likely {
            return;
        }
        if self.last_sighting.is_none() {
            count(&mut out.predicted_not_seen, BEFORE, 1);
            return;
        }
        match self.missing_since.iter_mut().find(|(doubt, _)| *doubt == expected.doubt) {
            Some((_, times)) => *times += 1,
            None => self.missing_since.push((expected.doubt, 1)),
        }
    }

    fn drop_sighting(&mut self, out: &mut KmsCalls, at_end: bool) {
        let key = |sighting: &Sighting| std::iter::once(sighting.key());
        let Some((sighting, paired)) = self.sighted.pop(key) else { return };
        if paired {
            return;
        }
        let outside = match (self.first_request, self.last_request) {
            (Some(first), Some(last)) => {
                sighting.time + REACH < first || (at_end && last + REACH < sighting.time)
            }
            _ => false,
        };
        let cause = if sighting.by == By::Service {
            "key fetched by another service"
        } else if sighting.by == By::Replication {
            REPLICATION
        } else if sighting.arn == NO_ARN {
            "refused by KMS without an ARN, and no S3 request that it refused within a second"
        } else if self.first_request.is_none() || outside {
            "outside the window of the S3 requests in the log"
        } else if sighting.call == Call::Wrap {
            "Encrypt or ReEncrypt without UpdateObjectEncryption within a second"
        } else if self.answers(&sighting) {
            "retry, or a second call for one request"
        } else {
            "no S3 request for this ARN within a second"
        };
        count(&mut out.seen_not_predicted, cause, 1);
    }

    /// Whether a request nearby has its call already: then this one is a further call for it.
    fn answers(&self, sighting: &Sighting) -> bool {
        let numbers = self.expected.by_arn.get(&sighting.key());
        numbers.is_some_and(|numbers| {
            numbers.iter().take(LOOK_MAX).any(|number| {
                let place = usize::try_from(number - self.expected.base).ok();
                let found = place.and_then(|place| self.expected.queue.get(place));
                found.is_some_and(|(expected, _)| expected.time.abs_diff(sighting.time) <= REACH)
            })
        })
    }

    /// Everything has come.
    pub(super) fn finish(&mut self, out: &mut KmsCalls) {
        // Sightings first: what they answer still waits.
        while !self.sighted.queue.is_empty() {
            self.drop_sighting(out, true);
        }
        while !self.expected.queue.is_empty() {
            self.drop_expected(out);
        }
        let last = self.last_sighting;
        for (doubt, times) in std::mem::take(&mut self.missing_since) {
            let outside = last.zip(self.last_request).is_some_and(|(last, request)| last + REACH < request);
            let cause = if outside { AFTER } else { doubt.missing() };
            count(&mut out.predicted_not_seen, cause, times);
        }
        if last.is_none() {
            out.predicted_not_seen.clear();
        }
    }
}

/// Why S3 calls with nobody's request.
pub(super) const REPLICATION: &str = "S3 Replication: no request of anybody's";
const BEFORE: &str = "before the first KMS event in the log";
const AFTER: &str = "after the last KMS event in the log";

fn paired(expected: &Expected, out: &mut KmsCalls) {
    if expected.likely {
        out.agreed += 1;
    } else {
        count(&mut out.seen_not_predicted, expected.doubt.seen(), 1);
    }
}
