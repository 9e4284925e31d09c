//! A profile: what a log says of the load, small enough to send and to merge with others.
//!
//! [`Profiler`] takes the entries of a log, [`Profile`] is what comes out. Counts and histograms merge exactly, in any order
//! and grouping; samples and tallies state their error. What needs neighbours in time (reuse, KMS predictions) is found
//! within one profile and added up by merging: a shard should hold whole stretches of time of whole buckets.
//!
//! Memory does not grow with the log: docs/LOGS.md has the bounds.

mod anonymise;
mod histogram;
mod kms_call;
mod known;
mod matching;
mod predict;
mod rate;
mod sample;
mod scenario;
mod summary;
mod tally;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use anonymise::AnonymiseKey;
pub use histogram::Histogram;
pub use kms_call::{KmsCalls, Range};
pub use rate::{Seconds, Series};
pub use sample::{Distinct, Sample};
pub use summary::{instant, summary};
pub use tally::{Share, Tally};

use self::kms_call::count;
use self::matching::{By, Call, NO_ARN, REPLICATION};
use self::predict::{Asked, Object, Predictor, Step, needed};
use super::log::{
    Account, Ending, Entry, KmsUse, Request, Side, UPDATE_ENCRYPTION, digest, digest_within,
    is_directory_bucket, of_arn, role,
};
use crate::pipeline::Need;
use crate::request::{Operation, SseMode};
use crate::units::{NANOS_PER_SECOND, Span, Timestamp};
use crate::workload::{Scenario, span_text};

/// The version of the profile's form: another one is refused.
pub const VERSION: u32 = 1;

/// Quotas of KMS's symmetric operations that Regions have today, calls per second. Source: docs/SOURCES.md, kms.
pub const QUOTAS: [u64; 3] = [10_000, 20_000, 100_000];

/// Most members of the sample of objects, and of requesters.
const OBJECTS: usize = 1 << 16;
const REQUESTERS: usize = 1 << 14;
/// Names that an attribution keeps at least.
const NAMES: usize = 1 << 12;
/// Most different operations; those beyond count as `(other)`.
const OPERATIONS: usize = 256;

/// What a profiler assumes.
#[derive(Clone, Copy, Debug)]
pub struct ProfileOptions {
    /// The mode of objects of which neither log nor inventory tells.
    pub assume: Option<SseMode>,
    /// How long a Bucket Key serves. AWS publishes no figure: 5 minutes is this project's assumption everywhere.
    pub bucket_key_lifetime: Span,
    /// Over how long before the log the objects were written, evenly, that are older than it: they stand under as many
    /// Bucket Keys as lifetimes fit. An assumption, as [`History::span`](crate::workload::History) is.
    pub history: Span,
    /// How many `/`-ended parts of a key make its prefix.
    pub prefix_depth: usize,
}

impl Default for ProfileOptions {
    fn default() -> Self {
        let history = Scenario::default().history.span;
        Self { assume: None, bucket_key_lifetime: Span::from_seconds(300), history, prefix_depth: 1 }
    }
}

/// What an operation comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCount {
    /// Requests.
    pub requests: u64,
    /// Of those, the ones that read a part of the object.
    pub ranged: u64,
    /// Of those, the ones answered 4xx or 5xx.
    pub failed: u64,
    /// Of those, the ones answered 5xx: S3 does not bill them.
    #[serde(default)]
    pub server_errors: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
    /// Body bytes from clients.
    pub bytes_in: u64,
}

/// What a log says of the load. Times are those of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    version: u32,
    /// Files by format.
    pub formats: BTreeMap<String, u64>,
    /// Lines and records read, bad ones among them.
    pub records: u64,
    /// Records whose event was there already.
    pub duplicates: u64,
    /// Lines and records that could not be used.
    pub bad_lines: u64,
    /// Records of other services and of other things.
    pub unrelated: u64,
    /// Objects listed by inventories.
    pub inventoried: u64,
    /// First and last request, in ns.
    pub from: Option<u64>,
    /// Last request, in ns.
    pub until: Option<u64>,
    /// Requests by operation.
    pub operations: BTreeMap<String, OperationCount>,
    /// Requests by second.
    pub seconds: Seconds,
    /// KMS calls by S3 that were seen, by second.
    pub kms_seconds: Seconds,
    /// Requests over time.
    pub series: Series,
    /// Sizes of the objects that requests went to, by request, where the log tells.
    pub sizes: Histogram,
    /// Milliseconds between two requests for one object, of a sample of objects.
    pub reuse_ms: Histogram,
    /// A sample of objects.
    pub objects: Sample,
    /// A sample of requesters.
    pub requesters: Sample,
    /// The most asked-for objects.
    pub top_objects: Tally,
    /// Who caused how much, by bucket.
    pub buckets: Tally,
    /// By prefix.
    pub prefixes: Tally,
    /// By requester; sessions count for their role.
    pub principals: Tally,
    /// KMS calls, seen and predicted.
    pub kms: KmsCalls,
    /// What the predictions assume, in words.
    pub assumptions: BTreeMap<String, u64>,
    /// Whether names are keyed hashes, and under which key: the first 8 hexadecimal digits of its hash.
    pub anonymised: Option<String>,
}

/// Why two profiles cannot be merged, or a text is none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Not JSON, or not of this form.
    #[error("not a profile, as `s3seal profile --format json` writes it: {0}")]
    Json(#[from] serde_json::Error),
    /// Of another version.
    #[error("profile version {found}: expected {VERSION}; make it again with this s3seal")]
    Version {
        /// Its version.
        found: u32,
    },
    /// One has names, the other hashes, or hashes under another key.
    #[error(
        "names under {ours} and names under {theirs} do not merge: anonymise all shards with one key, or none"
    )]
    Anonymised {
        /// Key of the one.
        ours: String,
        /// Key of the other.
        theirs: String,
    },
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            version: VERSION,
            formats: BTreeMap::new(),
            records: 0,
            duplicates: 0,
            bad_lines: 0,
            unrelated: 0,
            inventoried: 0,
            from: None,
            until: None,
            operations: BTreeMap::new(),
            seconds: Seconds::default(),
            kms_seconds: Seconds::default(),
            series: Series::default(),
            sizes: Histogram::default(),
            reuse_ms: Histogram::default(),
            objects: Sample::new(OBJECTS),
            requesters: Sample::new(REQUESTERS),
            top_objects: Tally::new(NAMES),
            buckets: Tally::new(NAMES),
            prefixes: Tally::new(NAMES),
            principals: Tally::new(NAMES),
            kms: KmsCalls::default(),
            assumptions: BTreeMap::new(),
            anonymised: None,
        }
    }
}

impl Profile {
    /// Reads the profile that [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// [`ProfileError`] for what is no profile, or one of another version.
    pub fn from_json(text: &[u8]) -> Result<Self, ProfileError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        #[derive(Deserialize)]
        struct Written {
            state: Profile,
        }
        let Versioned { version } = serde_json::from_slice(text)?;
        if version != VERSION {
            return Err(ProfileError::Version { found: version });
        }
        Ok(serde_json::from_slice::<Written>(text)?.state)
    }

    /// The profile as JSON: figures to read, and `state`, from which profiles merge.
    ///
    /// # Panics
    /// Never: everything in it has a form in JSON.
    pub fn to_json(&self) -> String {
        let mut value = summary(self);
        value["state"] = serde_json::to_value(self).expect("maps with text keys, and numbers");
        let mut text = serde_json::to_string_pretty(&value).expect("a value");
        text.push('\n');
        text
    }

    /// Requests in all.
    pub fn requests(&self) -> u64 {
        self.operations.values().map(|operation| operation.requests).sum()
    }

    /// Adds what `other` counted. Any order and grouping of merges gives the same profile.
    ///
    /// # Errors
    /// [`ProfileError::Anonymised`]
    pub fn merge(&mut self, other: &Self) -> Result<(), ProfileError> {
        let is_empty = |profile: &Self| profile.records == 0 && profile.anonymised.is_none();
        if self.anonymised != other.anonymised && !is_empty(self) && !is_empty(other) {
            let name =
                |key: &Option<String>| key.as_ref().map_or("no key".into(), |key| format!("key {key}"));
            return Err(ProfileError::Anonymised {
                ours: name(&self.anonymised),
                theirs: name(&other.anonymised),
            });
        }
        if self.anonymised.is_none() {
            self.anonymised.clone_from(&other.anonymised);
        }
        for (format, files) in &other.formats {
            count(&mut self.formats, format, *files);
        }
        for (assumption, files) in &other.assumptions {
            count(&mut self.assumptions, assumption, *files);
        }
        self.records += other.records;
        self.duplicates += other.duplicates;
        self.bad_lines += other.bad_lines;
        self.unrelated += other.unrelated;
        self.inventoried += other.inventoried;
        self.from = self.from.into_iter().chain(other.from).min();
        self.until = self.until.max(other.until);
        for (name, theirs) in &other.operations {
            let ours = self.operations.entry(name.clone()).or_default();
            ours.requests += theirs.requests;
            ours.ranged += theirs.ranged;
            ours.failed += theirs.failed;
            ours.server_errors += theirs.server_errors;
            ours.bytes_out = ours.bytes_out.saturating_add(theirs.bytes_out);
            ours.bytes_in = ours.bytes_in.saturating_add(theirs.bytes_in);
        }
        self.seconds.merge(&other.seconds);
        self.kms_seconds.merge(&other.kms_seconds);
        self.series.merge(&other.series);
        self.sizes.merge(&other.sizes);
        self.reuse_ms.merge(&other.reuse_ms);
        self.objects.merge(&other.objects);
        self.requesters.merge(&other.requesters);
        self.top_objects.merge(&other.top_objects);
        self.buckets.merge(&other.buckets);
        self.prefixes.merge(&other.prefixes);
        self.principals.merge(&other.principals);
        self.kms.merge(&other.kms);
        Ok(())
    }

    /// The text for people: what the load is, what it implies for KMS, and who causes it.
    pub fn to_text(&self, width: usize) -> String {
        text::render(self, width)
    }
}

/// Makes a profile of the entries of a log.
#[derive(Debug)]
pub struct Profiler {
    profile: Profile,
    predictor: Predictor,
    options: ProfileOptions,
}

impl Profiler {
    /// A profiler of nothing yet.
    pub fn new(options: ProfileOptions) -> Self {
        let predictor = Predictor::new(options.assume, options.bucket_key_lifetime, options.history);
        Self { profile: Profile::default(), predictor, options }
    }

    /// A file of `format` begins.
    pub fn file(&mut self, format: &str) {
        count(&mut self.profile.formats, format, 1);
    }

    /// A record whose event was there already.
    pub fn duplicate(&mut self) {
        self.profile.duplicates += 1;
    }

    /// Takes in `entry`.
    pub fn record(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Request(request) => self.request(request),
            Entry::Kms(call) => self.kms(call),
            Entry::Setting(setting) => {
                // A request like any other.
                self.span(setting.time);
                operation_of(&mut self.profile.operations, &setting.name).requests += 1;
                self.profile.seconds.record(setting.time.second(), 1, 0);
                self.profile.series.record(setting.time.second(), 1);
                let bucket = digest(&setting.bucket);
                self.predictor.push(setting.time.as_nanos(), Step::Setting { bucket, sse: setting.sse });
            }
            Entry::Stored(stored) => {
                self.profile.inventoried += 1;
                if let Some(sse) = stored.sse {
                    self.predictor.stored(object(&stored.bucket, &stored.key), sse);
                }
            }
            Entry::Other => self.profile.unrelated += 1,
        }
    }

    /// The profile; `account` says what was read.
    pub fn finish(self, account: &Account) -> Profile {
        let Self { mut profile, predictor, options } = self;
        profile.kms = predictor.finish();
        profile.seconds.settle();
        profile.kms_seconds.settle();
        profile.records = account.read;
        profile.bad_lines = account.bad;
        let lifetime = options.bucket_key_lifetime;
        count(&mut profile.assumptions, &format!("a Bucket Key lives {lifetime}"), 1);
        let history = options.history;
        let older =
            format!("objects older than the log were written evenly over {} before it", span_text(history));
        count(&mut profile.assumptions, &older, 1);
        if let Some(mode) = options.assume {
            count(&mut profile.assumptions, &format!("objects of unknown mode are under {mode}"), 1);
        }
        profile
    }

    fn span(&mut self, time: Timestamp) {
        let now = time.as_nanos();
        self.profile.from = Some(self.profile.from.map_or(now, |from| from.min(now)));
        self.profile.until = Some(self.profile.until.map_or(now, |until| until.max(now)));
    }

    fn request(&mut self, request: &Request<'_>) {
        self.span(request.time);
        let (now, times) = (request.time.as_nanos(), request.times);
        let bucket = digest(&request.bucket);
        let target = Object { bucket, object: digest_within(bucket, &request.key) };
        let requester = role(&request.requester);
        let by = digest(requester);
        let failed = !matches!(request.ending, Ending::Done | Ending::Unchanged);
        let kms = request.operation.map_or(0, |operation| implied(operation, request)) * times;
        let profile = &mut self.profile;
        let operation = operation_of(&mut profile.operations, &request.name);
        operation.requests += times;
        operation.ranged += if request.operation == Some(Operation::GetObjectRange) { times } else { 0 };
        operation.failed += if failed { times } else { 0 };
        operation.server_errors += if request.ending.is_server_error() { times } else { 0 };
        operation.bytes_out = operation.bytes_out.saturating_add(request.sent);
        operation.bytes_in = operation.bytes_in.saturating_add(request.received);
        // The source's read is a part of its copy, which is a record of its own.
        let second = request.time.second();
        profile.seconds.record(second, times, if failed { 0 } else { kms });
        profile.series.record(second, times);
        if let Some(size) = request.size
            && !failed
        {
            profile.sizes.record(size, times);
        }
        let share = Share {
            requests: times,
            failed: if failed { times } else { 0 },
            bytes_out: request.sent,
            bytes_in: request.received,
            kms_if_sse_kms: if failed { 0 } else { kms },
            kms_seen: 0,
        };
        profile.buckets.record(bucket, &share, || request.bucket.clone().into_owned());
        profile.principals.record(by, &share, || requester.to_owned());
        if !requester.is_empty() {
            profile.requesters.record(by, times, now);
        }
        // What S3 Object Lambda serves is read by a request with a record of its own.
        let of_object = !request.key.is_empty()
            && request.operation != Some(Operation::ListObjects)
            && request.side != Side::ObjectLambda;
        if of_object {
            let prefix = prefix(&request.key, self.options.prefix_depth);
            let named = || format!("{}/{prefix}", request.bucket);
            profile.prefixes.record(digest_within(bucket, prefix), &share, named);
            let named = || format!("{}/{}", request.bucket, request.key);
            profile.top_objects.record(target.object, &share, named);
            if let Some(before) = profile.objects.record(target.object, times, now) {
                profile.reuse_ms.record(now.abs_diff(before) / 1_000_000, 1);
            }
            let named = |name: &str| if name.is_empty() { 0 } else { digest(name) };
            let writes = matches!(
                request.operation,
                Some(Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload)
            );
            let updates = request.name == UPDATE_ENCRYPTION;
            let source = request.source.as_ref();
            let asked = Asked {
                reads: !(writes || updates),
                operation: request.operation,
                side: request.side,
                target,
                source: source.map(|(bucket, key)| object(bucket, key)),
                requester: by,
                session: digest(&request.requester),
                sse: request.sse,
                by_default: request.told.by_default,
                source_sse: request.told.source_sse,
                // A directory bucket has one for its life, named or not.
                kms_key: if is_directory_bucket(&request.bucket) { 0 } else { named(&request.told.kms_key) },
                version: named(&request.told.version),
                checksum: request.told.checksum,
                updates,
                uncached: source.is_some_and(|(from, _)| {
                    is_directory_bucket(from) || is_directory_bucket(&request.bucket)
                }),
                ending: request.ending,
                times,
            };
            let costs = request.operation.is_none_or(|operation| {
                !needed(operation, SseMode::SseKms, request.told.checksum).is_empty()
            });
            if costs {
                self.predictor.push(now, Step::Request(asked));
            }
        }
    }

    fn kms(&mut self, call: &KmsUse<'_>) {
        if !call.by_s3 {
            count(&mut self.predictor.out().not_by_s3, &call.name, 1);
            return;
        }
        let out = self.predictor.out();
        count(&mut out.seen, &call.name, 1);
        out.seen_failed += u64::from(call.failed);
        self.profile.kms_seconds.record(call.time.second(), 1, 1);
        let share = Share { kms_seen: 1, ..Share::default() };
        let requester = role(&call.requester);
        self.profile.principals.record(digest(requester), &share, || requester.to_owned());
        let mut arn = NO_ARN;
        if let Some(written) = &call.s3_arn {
            let (bucket, key) = of_arn(written).unwrap_or((written, None));
            let object = object(bucket, key.unwrap_or_default());
            self.predictor.out().seen_for_bucket_key += u64::from(key.is_none());
            self.profile.buckets.record(object.bucket, &share, || bucket.to_owned());
            if let Some(key) = key {
                let prefix = prefix(key, self.options.prefix_depth);
                let named = || format!("{bucket}/{prefix}");
                self.profile.prefixes.record(digest_within(object.bucket, prefix), &share, named);
            }
            arn = if key.is_some() { object.object } else { object.bucket };
        }
        let kind = Call::of(&call.name);
        let Some(kind) = kind.filter(|kind| !(*kind == Call::Wrap && call.by_replication)) else {
            let cause = if call.by_replication {
                REPLICATION.to_owned()
            } else {
                format!("{}: not a call that reads or writes make", call.name)
            };
            count(&mut self.predictor.out().seen_not_predicted, &cause, 1);
            return;
        };
        let by = match (call.by_replication, call.by_service) {
            (true, _) => By::Replication,
            (false, true) => By::Service,
            (false, false) => By::Request,
        };
        self.predictor.push(call.time.as_nanos(), Step::Seen { arn, call: kind, by });
    }
}

fn object(bucket: &str, key: &str) -> Object {
    let bucket = digest(bucket);
    Object { bucket, object: digest_within(bucket, key) }
}

/// The first `depth` parts of `key`, each with its `/`.
fn prefix(key: &str, depth: usize) -> &str {
    let end = key.match_indices('/').take(depth).last().map_or(0, |(at, _)| at + 1);
    &key[..end]
}

/// KMS calls of a request when every object is under SSE-KMS without a Bucket Key.
fn implied(operation: Operation, request: &Request<'_>) -> u64 {
    let side = request.side;
    let operation = if side == Side::Whole { operation } else { Operation::CopyObject };
    let counted = |need: &&Need| match side {
        Side::Whole => true,
        Side::CopyRead => **need == Need::Decrypt,
        Side::CopyWrite => **need == Need::Generate,
        Side::ObjectLambda => false,
    };
    let own = needed(operation, SseMode::SseKms, request.told.checksum).iter().filter(counted).count() as u64;
    // The read of a copy of a part stands in the same record.
    own + u64::from(operation == Operation::UploadPart && request.source.is_some())
}

fn operation_of<'a>(
    operations: &'a mut BTreeMap<String, OperationCount>,
    name: &str,
) -> &'a mut OperationCount {
    let name =
        if operations.len() >= OPERATIONS && !operations.contains_key(name) { "(other)" } else { name };
    if !operations.contains_key(name) {
        operations.insert(name.to_owned(), OperationCount::default());
    }
    operations.get_mut(name).expect("just seen to")
}

/// The second's part of a time, for figures.
pub(super) fn seconds_of(nanos: u64) -> u64 {
    nanos / NANOS_PER_SECOND
}
