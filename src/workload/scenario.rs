//! A scenario: everything that decides what arrives, when, and under which keys, as data.
//!
//! The sections from `kms` on are plain values that other rooms turn into their own types; here they are only read and
//! checked. What is left out (`None`) is that room's own default.

use serde::Serialize;

use super::quantity::{write_bytes, write_optional_bytes, write_optional_span, write_span};
use crate::request::SseMode;
use crate::units::{Seed, Span};

/// A workload with its population, its faults and its surroundings. Read from TOML by [`Scenario::parse`], or built
/// field by field and then held against [`Scenario::validate`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scenario {
    /// The number from which every random choice follows.
    pub seed: u64,
    /// The SSE modes to run side by side, each once.
    #[serde(serialize_with = "write_modes")]
    pub modes: Vec<SseMode>,
    /// When the measured part ends.
    #[serde(flatten)]
    pub stop: Stop,
    /// How long requests arrive before the measured part.
    #[serde(serialize_with = "write_span")]
    pub warm_up: Span,
    /// When requests arrive.
    pub arrival: ArrivalProcess,
    /// Which operations they are.
    pub mix: Mix,
    /// The objects, their sizes and how often each is asked for.
    pub objects: Objects,
    /// How objects are spread over buckets, prefixes and KMS keys.
    pub layout: Layout,
    /// Who asks.
    pub principals: Principals,
    /// How the objects that exist at the start came to be.
    pub history: History,
    /// The KMS side.
    pub kms: Kms,
    /// The data-key cache of mode `kms-cached`.
    pub cache: Cache,
    /// The S3 Bucket Key.
    pub bucket_key: BucketKey,
    /// Where and how throttled or failed calls are tried again.
    pub retry: Retry,
    /// S3's own behaviour.
    pub s3: S3,
    /// The machines that send the requests.
    pub fleet: Fleet,
    /// What goes wrong, and when.
    #[serde(rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// The end of the measured part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// After this long: requests due before it count.
    #[serde(serialize_with = "write_span")]
    Duration(Span),
    /// After this many requests.
    Operations(u64),
}

/// When requests arrive; rates per second. Due times are fixed before the run: no response moves them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "process", rename_all = "kebab-case")]
pub enum ArrivalProcess {
    /// Evenly spaced: the n-th request is due n ÷ rate after the start.
    Constant {
        /// Requests per second.
        rate: f64,
    },
    /// Independent clients: exponential gaps.
    Poisson {
        /// Requests per second in the long run.
        rate: f64,
    },
    /// A Poisson process that switches between a quiet and a busy state, each of exponential length (MMPP-2).
    Burst {
        /// Requests per second in the long run, both states together.
        rate: f64,
        /// Rate of the busy state ÷ rate of the quiet one; above 1.
        peak: f64,
        /// Mean length of a quiet stretch.
        #[serde(serialize_with = "write_span")]
        quiet: Span,
        /// Mean length of a busy stretch.
        #[serde(serialize_with = "write_span")]
        busy: Span,
    },
    /// A Poisson process whose rate rises or falls in a straight line from the start of the measured part, then stays.
    /// The warm-up runs at `from`.
    Ramp {
        /// Requests per second at the start.
        from: f64,
        /// Requests per second at the end.
        to: f64,
        /// How long the change takes.
        #[serde(serialize_with = "write_span")]
        over: Span,
    },
    /// A Poisson process with one rate after the other from the start of the measured part; the last one stays. The
    /// warm-up runs at the first.
    Step {
        /// Requests per second of each step.
        rates: Vec<f64>,
        /// How long each lasts.
        #[serde(serialize_with = "write_span")]
        every: Span,
    },
}

/// Weights of the operations (any scale, 0: never) and the shape of those that have one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mix {
    /// `PutObject`.
    pub put_object: f64,
    /// `GetObject` of whole objects.
    pub get_object: f64,
    /// `GetObject` with a `Range`.
    pub get_object_range: f64,
    /// `HeadObject`.
    pub head_object: f64,
    /// `CopyObject`, from an object to a copy of its own.
    pub copy_object: f64,
    /// A whole multipart upload: create, parts, complete.
    pub multipart_upload: f64,
    /// `DeleteObject`.
    pub delete_object: f64,
    /// `ListObjects`.
    pub list_objects: f64,
    /// Length of a ranged read; shorter at the end of an object.
    #[serde(rename = "range", serialize_with = "write_bytes")]
    pub range_bytes: u64,
    /// The shape of multipart uploads.
    #[serde(rename = "multipart")]
    pub multipart: Multipart,
}

/// A multipart upload: parts × part size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Multipart {
    /// Parts per upload, 1–10,000.
    pub parts: u32,
    /// Bytes per part, 5 MiB–5 GiB (a lone part may be smaller).
    #[serde(rename = "part", serialize_with = "write_bytes")]
    pub part_bytes: u64,
    /// How many names the uploads go round: upload n writes name n modulo this.
    pub objects: u32,
}

/// The objects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Objects {
    /// How many exist at the start. Reads go to this many at any time (see [`Puts`]).
    pub count: u64,
    /// What a PUT does to them.
    pub puts: Puts,
    /// How long after its due time a new object is first read or deleted.
    #[serde(serialize_with = "write_span")]
    pub visible_after: Span,
    /// How large they are.
    pub size: SizeLaw,
    /// How often each is asked for.
    pub popularity: Popularity,
}

/// What `PutObject` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Puts {
    /// One of the existing objects, by popularity; its size stays.
    Overwrite,
    /// A new object. Reads follow: the newest `count` objects are the ones that are asked for; deletes take the oldest.
    New,
}

/// The sizes of objects: a function of the seed and the object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "law", rename_all = "kebab-case")]
pub enum SizeLaw {
    /// All alike.
    Fixed {
        /// Bytes.
        #[serde(serialize_with = "write_bytes")]
        bytes: u64,
    },
    /// median · e^(sigma · Z), Z standard normal, held within `min` and `max`.
    Lognormal {
        /// Bytes.
        #[serde(serialize_with = "write_bytes")]
        median: u64,
        /// Standard deviation of the logarithm, 0–10.
        sigma: f64,
        /// Smaller draws become this many bytes.
        #[serde(serialize_with = "write_bytes")]
        min: u64,
        /// Larger draws become this many bytes.
        #[serde(serialize_with = "write_bytes")]
        max: u64,
    },
    /// Straight lines between points (share of objects, bytes) of the inverse distribution function.
    Empirical {
        /// From share 0 to share 1, both rising.
        #[serde(serialize_with = "write_quantiles")]
        quantiles: Vec<Quantile>,
    },
    /// A table with a source.
    Preset {
        /// Which.
        name: SizePreset,
    },
}

/// A point of a size distribution: `share` of the objects have at most `bytes`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// Share of objects, 0–1.
    pub share: f64,
    /// Size in bytes.
    pub bytes: u64,
}

/// Size distributions of others, each with its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SizePreset {
    /// Objects of Meta's CDN cache: half below 13 KiB, 1 in 100 above 268 KiB.
    MetaCdn,
    /// `COSBench`'s S3 sample: all 64 KB.
    CosbenchS3,
}

/// How often each object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "law", rename_all = "kebab-case")]
pub enum Popularity {
    /// All alike.
    Uniform,
    /// The k-th most popular in proportion to k^−theta.
    Zipf {
        /// 0 (uniform) to 10.
        theta: f64,
    },
    /// A share of the objects takes a share of the requests; uniform within both.
    Hotspot {
        /// Share of the objects that is hot.
        objects: f64,
        /// Share of the requests that goes there.
        requests: f64,
    },
    /// The newest most of all: the k-th newest in proportion to k^−theta.
    Latest {
        /// 0 to 10.
        theta: f64,
    },
}

/// How objects are spread. Each object has its place for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// Buckets; objects go round them.
    pub buckets: u32,
    /// Prefixes per bucket.
    pub prefixes: u32,
    /// KMS keys. Up to one per bucket, buckets go round them; beyond, each bucket's objects go round several.
    pub kms_keys: u32,
}

/// Who asks: roles × sessions principals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Principals {
    /// IAM roles.
    pub roles: u32,
    /// Sessions of each.
    pub sessions: u32,
    /// Skew of the requests over principals: the k-th asks in proportion to k^−zipf; 0: all alike.
    pub zipf: f64,
}

/// How the existing objects came to be: evenly over `span` before the start, by `writers` in turn. It decides how many
/// data keys and Bucket Key generations they stand under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// How long before the start the first object was written. In a file, `rate` (objects per second) may stand instead.
    #[serde(serialize_with = "write_span")]
    pub span: Span,
    /// How many of the principals wrote: the first ones.
    pub writers: u32,
    /// Objects under one data key, where data keys are reused.
    pub uses_per_key: u64,
}

/// The KMS side, as plain values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kms {
    /// AWS Region.
    pub region: String,
    /// Symmetric cryptographic operations per second; `None`: the Region's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
    /// How a quota turns into refusals.
    pub throttle_rule: ThrottleRule,
    /// Tokens of a full bucket; only with `token-bucket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// Calls per second that others in the account make on the same quota.
    pub background: f64,
    /// How many of the roles, the last ones, may not use the KMS keys: their requests end denied.
    pub denied_roles: u32,
    /// Time that a call takes; `None`: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_time: Option<ServiceTime>,
}

/// When a KMS call counts as too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThrottleRule {
    /// At most the quota in each second of the clock.
    FixedWindow,
    /// Tokens flow in at the quota.
    TokenBucket,
}

/// min + a lognormal time: `min` at least, `median` in the middle, `sigma` for the tail (0: constant).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ServiceTime {
    /// The shortest.
    #[serde(serialize_with = "write_span")]
    pub min: Span,
    /// The middle one.
    #[serde(serialize_with = "write_span")]
    pub median: Span,
    /// Standard deviation of the logarithm, 0–5.
    pub sigma: f64,
}

/// Whose requests may share a cached key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All of an account.
    Account,
    /// Those of a role.
    Role,
    /// Those of a session.
    Session,
}

/// Limits of the data-key cache, as plain values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// Longest use of a key.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_optional_span")]
    pub max_age: Option<Span>,
    /// Most objects under a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u64>,
    /// Most bytes under a key.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_optional_bytes")]
    pub max_bytes: Option<u64>,
    /// Age from which a key is fetched anew while it still serves.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_optional_span")]
    pub refresh_after: Option<Span>,
    /// Entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Whose requests share a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// What is assumed of the S3 Bucket Key; AWS publishes neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BucketKey {
    /// How long S3 keeps one in use.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_optional_span")]
    pub lifetime: Option<Span>,
    /// Whose requests share one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// Retries, as plain values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// Who retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<RetrySide>,
    /// By which rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<RetryPolicy>,
    /// Attempts, the first included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// First back-off bound.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_optional_span")]
    pub base: Option<Span>,
    /// Longest back-off.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_optional_span")]
    pub cap: Option<Span>,
}

/// Who tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetrySide {
    /// The S3 client, after 503 `SlowDown`: the request starts again.
    S3Client,
    /// The KMS client, after 400 `ThrottlingException`.
    KmsClient,
}

/// The rule by which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RetryPolicy {
    /// One attempt only.
    #[serde(rename = "none")]
    None,
    /// AWS SDK standard mode until early 2026.
    #[serde(rename = "standard-2.0")]
    Standard20,
    /// AWS SDK standard mode since.
    #[serde(rename = "standard-2.1")]
    Standard21,
    /// rand · min(cap, base · 2ⁱ), no retry budget.
    #[serde(rename = "full-jitter")]
    FullJitter,
}

/// S3's own behaviour, as plain values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct S3 {
    /// Time that S3 itself takes.
    pub service_time: S3ServiceTime,
    /// Whether S3's limits per prefix (3,500 writes/s, 5,500 reads/s) are modelled.
    pub prefix_limits: bool,
}

/// Models of S3's service time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum S3ServiceTime {
    /// None: what encryption adds is shown alone.
    None,
    /// General purpose buckets.
    Standard,
    /// S3 Express One Zone.
    Express,
}

/// The machines that send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fleet {
    /// How many, each with a cache of its own; requests go round them.
    pub hosts: u32,
    /// Whether the caches are filled before the measured part.
    pub start: FleetStart,
    /// One host after the other starts anew, one in each such interval of the measured part.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_optional_span")]
    pub restart_every: Option<Span>,
}

/// The state of the caches at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FleetStart {
    /// As the warm-up left them.
    Warm,
    /// All empty at the start of the measured part.
    Cold,
}

/// Something that goes wrong at a time counted from the start of the measured part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// When it begins.
    #[serde(serialize_with = "write_span")]
    pub at: Span,
    /// How long it lasts; `None`: to the end.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", serialize_with = "write_optional_span")]
    pub length: Option<Span>,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// No KMS call succeeds.
    KmsOutage,
    /// KMS calls take `factor` times as long.
    KmsBrownOut {
        /// Above 1.
        factor: f64,
    },
    /// A share of the KMS calls fails.
    KmsErrors {
        /// 0–1.
        share: f64,
    },
    /// A KMS key is disabled.
    KeyDisabled {
        /// Its number, from 0.
        key: u32,
    },
    /// The quota is another.
    QuotaChanged {
        /// Calls per second.
        quota: u64,
    },
    /// The store answers nothing.
    StoreStall,
}

impl Scenario {
    /// The seed of every stream.
    pub fn seed(&self) -> Seed {
        Seed(self.seed)
    }

    /// The scenario in full as TOML: every value that is in force, defaults included. [`Scenario::parse`] gives an equal
    /// one back.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a scenario holds only what TOML can say")
    }
}

impl ArrivalProcess {
    /// Requests per second in the long run; of a ramp the mean over its course, of steps over all of them.
    pub fn mean_rate(&self) -> f64 {
        match self {
            Self::Constant { rate } | Self::Poisson { rate } | Self::Burst { rate, .. } => *rate,
            Self::Ramp { from, to, .. } => f64::midpoint(*from, *to),
            Self::Step { rates, .. } => rates.iter().sum::<f64>() / rates.len().max(1) as f64,
        }
    }

    /// The same shape with every rate `factor` times as high.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut scaled = self.clone();
        match &mut scaled {
            Self::Constant { rate } | Self::Poisson { rate } | Self::Burst { rate, .. } => *rate *= factor,
            Self::Ramp { from, to, .. } => {
                *from *= factor;
                *to *= factor;
            }
            Self::Step { rates, .. } => rates.iter_mut().for_each(|rate| *rate *= factor),
        }
        scaled
    }
}

impl Principals {
    /// roles × sessions.
    pub fn count(&self) -> u64 {
        u64::from(self.roles) * u64::from(self.sessions)
    }
}

fn write_modes<S: serde::Serializer>(modes: &[SseMode], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(modes.iter().map(|mode| mode.as_str()))
}

fn write_quantiles<S: serde::Serializer>(quantiles: &[Quantile], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(quantiles.iter().map(|q| (q.share, super::quantity::bytes_text(q.bytes))))
}
