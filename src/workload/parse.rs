//! Scenario files: TOML in, a checked [`Scenario`] out.

use super::document::{Document, Section};
use super::error::{ScenarioError, Where};
use super::rule::MAX_OBJECTS;
use super::scenario::{
    ArrivalProcess, BucketKey, Cache, Fault, FaultKind, Fleet, FleetStart, History, Kms, Layout, Mix,
    Multipart, Objects, Popularity, Principals, Puts, Quantile, Retry, RetryPolicy, RetrySide, S3,
    S3ServiceTime, Scenario, Scope, ServiceTime, SizeLaw, SizePreset, Stop, ThrottleRule,
};
use crate::request::SseMode;
use crate::units::{NANOS_PER_SECOND, Span};

const SCOPES: [(&str, Scope); 3] =
    [("account", Scope::Account), ("role", Scope::Role), ("session", Scope::Session)];

impl Default for Scenario {
    /// The default run: 8,000 requests/s, 4 of 5 reads, over 20,000 objects of 16 KiB (median) under zipf 0.99.
    fn default() -> Self {
        Self {
            seed: 1,
            modes: SseMode::ALL.to_vec(),
            stop: Stop::Duration(Span::from_seconds(5)),
            warm_up: Span::from_seconds(3),
            arrival: ArrivalProcess::Poisson { rate: 8_000.0 },
            mix: Mix { put_object: 20.0, get_object: 80.0, ..Mix::none() },
            objects: Objects {
                count: 20_000,
                puts: Puts::Overwrite,
                visible_after: Span::from_seconds(1),
                size: SizeLaw::Lognormal { median: 16 << 10, sigma: 1.0, min: 1 << 10, max: 1 << 20 },
                popularity: Popularity::Zipf { theta: 0.99 },
            },
            layout: Layout { buckets: 1, prefixes: 16, kms_keys: 1 },
            principals: Principals { roles: 1, sessions: 1, zipf: 0.0 },
            history: History { span: Span::from_days(1), writers: 1, uses_per_key: 1 },
            kms: Kms {
                region: "us-east-1".into(),
                quota: None,
                throttle_rule: ThrottleRule::FixedWindow,
                burst: None,
                background: 0.0,
                denied_roles: 0,
                service_time: None,
            },
            cache: Cache::default(),
            bucket_key: BucketKey::default(),
            retry: Retry::default(),
            s3: S3 { service_time: S3ServiceTime::None, prefix_limits: false },
            fleet: Fleet { hosts: 1, start: FleetStart::Warm, restart_every: None },
            faults: Vec::new(),
        }
    }
}

impl Mix {
    /// Every weight 0, with the usual shapes: ranges of 64 KiB, uploads of 8 parts of 8 MiB.
    pub fn none() -> Self {
        Self {
            put_object: 0.0,
            get_object: 0.0,
            get_object_range: 0.0,
            head_object: 0.0,
            copy_object: 0.0,
            multipart_upload: 0.0,
            delete_object: 0.0,
            list_objects: 0.0,
            range_bytes: 64 << 10,
            multipart: Multipart { parts: 8, part_bytes: 8 << 20, objects: 8 },
        }
    }
}

impl Scenario {
    /// The scenario that the TOML `text` describes. What it leaves out is as in [`Scenario::default`]; once `[mix]`
    /// names an operation, those that it does not name have weight 0.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`], with line and column: text that is not TOML, an unknown field (with the nearest known one), a
    /// value of the wrong kind or out of range, and values that cannot hold together.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let document = Document::parse(text)?;
        let checked = read(&document.root()).and_then(|scenario| scenario.validate().map(|()| scenario));
        checked.map_err(|error| {
            let place = error.field().and_then(|field| document.locate(field));
            error.at(place)
        })
    }
}

/// The scenario in `section` of a larger text, named `name` there; the default without it.
pub(crate) fn section_of(root: &Section<'_>, name: &str) -> Result<Scenario, ScenarioError> {
    let Some(section) = root.section(name)? else { return Ok(Scenario::default()) };
    let scenario = read(&section)?;
    scenario.validate().map_err(|error| error.below(name))?;
    Ok(scenario)
}

fn read(root: &Section<'_>) -> Result<Scenario, ScenarioError> {
    root.only(&[
        "seed",
        "modes",
        "duration",
        "operations",
        "warm_up",
        "arrival",
        "mix",
        "objects",
        "layout",
        "principals",
        "history",
        "kms",
        "cache",
        "bucket_key",
        "retry",
        "s3",
        "fleet",
        "fault",
    ])?;
    let default = Scenario::default();
    let stop = match (root.span("duration")?, root.integer("operations")?) {
        (Some(_), Some(_)) => return Err(both("duration", "operations", "the measured part has one end")),
        (Some(duration), None) => Stop::Duration(duration),
        (None, Some(operations)) => Stop::Operations(operations),
        (None, None) => default.stop,
    };
    let modes = SseMode::ALL.map(|mode| (mode.as_str(), mode));
    let objects = objects(root, default.objects)?;
    let history = history(root, default.history, objects.count)?;
    Ok(Scenario {
        seed: root.integer("seed")?.unwrap_or(default.seed),
        modes: root.choices("modes", &modes)?.unwrap_or(default.modes),
        stop,
        warm_up: root.span("warm_up")?.unwrap_or(default.warm_up),
        arrival: arrival(root, default.arrival)?,
        mix: mix(root, default.mix)?,
        objects,
        layout: layout(root, default.layout)?,
        principals: principals(root, default.principals)?,
        history,
        kms: kms(root, default.kms)?,
        cache: cache(root)?,
        bucket_key: bucket_key(root)?,
        retry: retry(root)?,
        s3: s3(root, default.s3)?,
        fleet: fleet(root, default.fleet)?,
        faults: root.sections("fault")?.iter().map(fault).collect::<Result<_, _>>()?,
    })
}

fn both(field: &str, other: &str, reason: &str) -> ScenarioError {
    ScenarioError::Contradiction {
        at: Where(None),
        field: field.into(),
        other: other.into(),
        reason: format!("{reason}; give one of them"),
    }
}

fn arrival(root: &Section<'_>, default: ArrivalProcess) -> Result<ArrivalProcess, ScenarioError> {
    #[derive(Clone, Copy)]
    enum Kind {
        Constant,
        Poisson,
        Burst,
        Ramp,
        Step,
    }
    const RATE: &str = "a rate per second";
    let Some(section) = root.section("arrival")? else { return Ok(default) };
    let kinds = [
        ("constant", Kind::Constant),
        ("poisson", Kind::Poisson),
        ("burst", Kind::Burst),
        ("ramp", Kind::Ramp),
        ("step", Kind::Step),
    ];
    let kind = section.choice("process", &kinds)?.unwrap_or(Kind::Poisson);
    let number = |name| section.required(name, section.number(name)?, RATE);
    let span = |name, what| section.required(name, section.span(name)?, what);
    let rate = |default: &ArrivalProcess| Ok(section.number("rate")?.unwrap_or(default.mean_rate()));
    match kind {
        Kind::Constant => {
            section.only(&["process", "rate"])?;
            Ok(ArrivalProcess::Constant { rate: rate(&default)? })
        }
        Kind::Poisson => {
            section.only(&["process", "rate"])?;
            Ok(ArrivalProcess::Poisson { rate: rate(&default)? })
        }
        Kind::Burst => {
            section.only(&["process", "rate", "peak", "quiet", "busy"])?;
            Ok(ArrivalProcess::Burst {
                rate: rate(&default)?,
                peak: section.required("peak", section.number("peak")?, "busy rate ÷ quiet rate, above 1")?,
                quiet: span("quiet", "the mean length of a quiet stretch, such as \"8s\"")?,
                busy: span("busy", "the mean length of a busy stretch, such as \"2s\"")?,
            })
        }
        Kind::Ramp => {
            section.only(&["process", "from", "to", "over"])?;
            let (from, to) = (number("from")?, number("to")?);
            Ok(ArrivalProcess::Ramp {
                from,
                to,
                over: span("over", "how long the change takes, such as \"30s\"")?,
            })
        }
        Kind::Step => {
            section.only(&["process", "rates", "every"])?;
            let rates = section.required("rates", section.numbers("rates")?, "rates per second")?;
            Ok(ArrivalProcess::Step { rates, every: span("every", "how long a step lasts, such as \"5s\"")? })
        }
    }
}

fn mix(root: &Section<'_>, default: Mix) -> Result<Mix, ScenarioError> {
    let Some(section) = root.section("mix")? else { return Ok(default) };
    section.only(&[
        "PutObject",
        "GetObject",
        "GetObjectRange",
        "HeadObject",
        "CopyObject",
        "MultipartUpload",
        "DeleteObject",
        "ListObjects",
        "range",
        "multipart",
    ])?;
    let none = Mix::none();
    // One weight given gives them all; a section that only shapes requests leaves the weights as they are.
    let named = default.weights().iter().any(|(name, _)| section.has(name));
    let weight = |name, default| Ok(section.number(name)?.unwrap_or(if named { 0.0 } else { default }));
    Ok(Mix {
        put_object: weight("PutObject", default.put_object)?,
        get_object: weight("GetObject", default.get_object)?,
        get_object_range: weight("GetObjectRange", default.get_object_range)?,
        head_object: weight("HeadObject", default.head_object)?,
        copy_object: weight("CopyObject", default.copy_object)?,
        multipart_upload: weight("MultipartUpload", default.multipart_upload)?,
        delete_object: weight("DeleteObject", default.delete_object)?,
        list_objects: weight("ListObjects", default.list_objects)?,
        range_bytes: section.bytes("range")?.unwrap_or(none.range_bytes),
        multipart: match section.section("multipart")? {
            None => none.multipart,
            Some(section) => {
                section.only(&["parts", "part", "objects"])?;
                Multipart {
                    parts: section.integer("parts")?.unwrap_or(none.multipart.parts),
                    part_bytes: section.bytes("part")?.unwrap_or(none.multipart.part_bytes),
                    objects: section.integer("objects")?.unwrap_or(none.multipart.objects),
                }
            }
        },
    })
}

fn objects(root: &Section<'_>, default: Objects) -> Result<Objects, ScenarioError> {
    let Some(section) = root.section("objects")? else { return Ok(default) };
    section.only(&["count", "puts", "visible_after", "size", "popularity"])?;
    let puts = [("overwrite", Puts::Overwrite), ("new", Puts::New)];
    Ok(Objects {
        count: section.positive("count", MAX_OBJECTS)?.unwrap_or(default.count),
        puts: section.choice("puts", &puts)?.unwrap_or(default.puts),
        visible_after: section.span("visible_after")?.unwrap_or(default.visible_after),
        size: size(&section, default.size)?,
        popularity: popularity(&section, default.popularity)?,
    })
}

fn size(objects: &Section<'_>, default: SizeLaw) -> Result<SizeLaw, ScenarioError> {
    #[derive(Clone, Copy)]
    enum Law {
        Fixed,
        Lognormal,
        Empirical,
        Preset,
    }
    const LAW: &str = "one of fixed, lognormal, empirical, preset";
    let Some(section) = objects.section("size")? else { return Ok(default) };
    let laws = [
        ("fixed", Law::Fixed),
        ("lognormal", Law::Lognormal),
        ("empirical", Law::Empirical),
        ("preset", Law::Preset),
    ];
    let law = section.required("law", section.choice("law", &laws)?, LAW)?;
    match law {
        Law::Fixed => {
            section.only(&["law", "bytes"])?;
            let bytes = section.required("bytes", section.bytes("bytes")?, "a size such as \"16KiB\"")?;
            Ok(SizeLaw::Fixed { bytes })
        }
        Law::Lognormal => {
            section.only(&["law", "median", "sigma", "min", "max"])?;
            Ok(SizeLaw::Lognormal {
                median: section.required("median", section.bytes("median")?, "a size such as \"16KiB\"")?,
                sigma: section.required(
                    "sigma",
                    section.number("sigma")?,
                    "the standard deviation of the logarithm, such as 1.0",
                )?,
                min: section.bytes("min")?.unwrap_or(1),
                max: section.bytes("max")?.unwrap_or(super::rule::MAX_PART_BYTES),
            })
        }
        Law::Empirical => {
            section.only(&["law", "quantiles"])?;
            let points = section.required(
                "quantiles",
                section.quantiles("quantiles")?,
                "an array of [share, size], from share 0 to share 1",
            )?;
            let quantiles = points.into_iter().map(|(share, bytes)| Quantile { share, bytes }).collect();
            Ok(SizeLaw::Empirical { quantiles })
        }
        Law::Preset => {
            section.only(&["law", "name"])?;
            let presets = SizePreset::ALL.map(|preset| (preset.as_str(), preset));
            let name = section.required("name", section.choice("name", &presets)?, "the name of a preset")?;
            Ok(SizeLaw::Preset { name })
        }
    }
}

fn popularity(objects: &Section<'_>, default: Popularity) -> Result<Popularity, ScenarioError> {
    #[derive(Clone, Copy)]
    enum Law {
        Uniform,
        Zipf,
        Hotspot,
        Latest,
    }
    const SHARE: &str = "a share between 0 and 1";
    /// YCSB's `ZipfianGenerator` (d9faaac).
    const THETA: f64 = 0.99;
    let Some(section) = objects.section("popularity")? else { return Ok(default) };
    let laws =
        [("uniform", Law::Uniform), ("zipf", Law::Zipf), ("hotspot", Law::Hotspot), ("latest", Law::Latest)];
    let law =
        section.required("law", section.choice("law", &laws)?, "one of uniform, zipf, hotspot, latest")?;
    match law {
        Law::Uniform => {
            section.only(&["law"])?;
            Ok(Popularity::Uniform)
        }
        Law::Zipf => {
            section.only(&["law", "theta"])?;
            Ok(Popularity::Zipf { theta: section.number("theta")?.unwrap_or(THETA) })
        }
        Law::Hotspot => {
            section.only(&["law", "objects", "requests"])?;
            Ok(Popularity::Hotspot {
                objects: section.required("objects", section.number("objects")?, SHARE)?,
                requests: section.required("requests", section.number("requests")?, SHARE)?,
            })
        }
        Law::Latest => {
            section.only(&["law", "theta"])?;
            Ok(Popularity::Latest { theta: section.number("theta")?.unwrap_or(THETA) })
        }
    }
}

fn layout(root: &Section<'_>, default: Layout) -> Result<Layout, ScenarioError> {
    let Some(section) = root.section("layout")? else { return Ok(default) };
    section.only(&["buckets", "prefixes", "kms_keys"])?;
    Ok(Layout {
        buckets: section.integer("buckets")?.unwrap_or(default.buckets),
        prefixes: section.integer("prefixes")?.unwrap_or(default.prefixes),
        kms_keys: section.integer("kms_keys")?.unwrap_or(default.kms_keys),
    })
}

fn principals(root: &Section<'_>, default: Principals) -> Result<Principals, ScenarioError> {
    let Some(section) = root.section("principals")? else { return Ok(default) };
    section.only(&["roles", "sessions", "zipf"])?;
    Ok(Principals {
        roles: section.integer("roles")?.unwrap_or(default.roles),
        sessions: section.integer("sessions")?.unwrap_or(default.sessions),
        zipf: section.number("zipf")?.unwrap_or(default.zipf),
    })
}

fn history(root: &Section<'_>, default: History, objects: u64) -> Result<History, ScenarioError> {
    let Some(section) = root.section("history")? else { return Ok(default) };
    section.only(&["span", "rate", "writers", "uses_per_key"])?;
    let span = match (section.span("span")?, section.number("rate")?) {
        (Some(_), Some(_)) => {
            return Err(both("history.span", "history.rate", "objects.count ÷ rate is the span already"));
        }
        (Some(span), None) => span,
        (None, Some(rate)) if rate > 0.0 => {
            // A float beyond u64 becomes its largest value, which the range check then names.
            Span::from_nanos((objects as f64 / rate * NANOS_PER_SECOND as f64) as u64)
        }
        (None, Some(rate)) => {
            return Err(ScenarioError::Invalid {
                at: Where(None),
                field: "history.rate".into(),
                value: rate.to_string(),
                expected: "objects per second, above 0".into(),
            });
        }
        (None, None) => default.span,
    };
    Ok(History {
        span,
        writers: section.integer("writers")?.unwrap_or(default.writers),
        uses_per_key: section.integer("uses_per_key")?.unwrap_or(default.uses_per_key),
    })
}

fn kms(root: &Section<'_>, default: Kms) -> Result<Kms, ScenarioError> {
    let Some(section) = root.section("kms")? else { return Ok(default) };
    section.only(&[
        "region",
        "quota",
        "throttle_rule",
        "burst",
        "background",
        "denied_roles",
        "service_time",
    ])?;
    let rules = [("fixed-window", ThrottleRule::FixedWindow), ("token-bucket", ThrottleRule::TokenBucket)];
    Ok(Kms {
        region: section.text("region")?.map_or(default.region, Into::into),
        quota: section.integer("quota")?,
        throttle_rule: section.choice("throttle_rule", &rules)?.unwrap_or(default.throttle_rule),
        burst: section.integer("burst")?,
        background: section.number("background")?.unwrap_or(default.background),
        denied_roles: section.integer("denied_roles")?.unwrap_or(default.denied_roles),
        service_time: section.section("service_time")?.as_ref().map(service_time).transpose()?,
    })
}

fn service_time(section: &Section<'_>) -> Result<ServiceTime, ScenarioError> {
    section.only(&["min", "median", "sigma"])?;
    Ok(ServiceTime {
        min: section.span("min")?.unwrap_or(Span::ZERO),
        median: section.required("median", section.span("median")?, "a duration such as \"5ms\"")?,
        sigma: section.number("sigma")?.unwrap_or(0.0),
    })
}

fn cache(root: &Section<'_>) -> Result<Cache, ScenarioError> {
    let Some(section) = root.section("cache")? else { return Ok(Cache::default()) };
    section.only(&["max_age", "max_uses", "max_bytes", "refresh_after", "capacity", "scope"])?;
    Ok(Cache {
        max_age: section.span("max_age")?,
        max_uses: section.integer("max_uses")?,
        max_bytes: section.bytes("max_bytes")?,
        refresh_after: section.span("refresh_after")?,
        capacity: section.integer("capacity")?,
        scope: section.choice("scope", &SCOPES)?,
    })
}

fn bucket_key(root: &Section<'_>) -> Result<BucketKey, ScenarioError> {
    let Some(section) = root.section("bucket_key")? else { return Ok(BucketKey::default()) };
    section.only(&["lifetime", "scope"])?;
    Ok(BucketKey { lifetime: section.span("lifetime")?, scope: section.choice("scope", &SCOPES)? })
}

fn retry(root: &Section<'_>) -> Result<Retry, ScenarioError> {
    let Some(section) = root.section("retry")? else { return Ok(Retry::default()) };
    section.only(&["at", "policy", "max_attempts", "base", "cap"])?;
    let sides = [("s3-client", RetrySide::S3Client), ("kms-client", RetrySide::KmsClient)];
    let policies = [
        ("none", RetryPolicy::None),
        ("standard-2.0", RetryPolicy::Standard20),
        ("standard-2.1", RetryPolicy::Standard21),
        ("full-jitter", RetryPolicy::FullJitter),
    ];
    Ok(Retry {
        at: section.choice("at", &sides)?,
        policy: section.choice("policy", &policies)?,
        max_attempts: section.integer("max_attempts")?,
        base: section.span("base")?,
        cap: section.span("cap")?,
    })
}

fn s3(root: &Section<'_>, default: S3) -> Result<S3, ScenarioError> {
    let Some(section) = root.section("s3")? else { return Ok(default) };
    section.only(&["service_time", "prefix_limits"])?;
    let models = [
        ("none", S3ServiceTime::None),
        ("standard", S3ServiceTime::Standard),
        ("express", S3ServiceTime::Express),
    ];
    Ok(S3 {
        service_time: section.choice("service_time", &models)?.unwrap_or(default.service_time),
        prefix_limits: section.boolean("prefix_limits")?.unwrap_or(default.prefix_limits),
    })
}

fn fleet(root: &Section<'_>, default: Fleet) -> Result<Fleet, ScenarioError> {
    let Some(section) = root.section("fleet")? else { return Ok(default) };
    section.only(&["hosts", "start", "restart_every"])?;
    let starts = [("warm", FleetStart::Warm), ("cold", FleetStart::Cold)];
    Ok(Fleet {
        hosts: section.integer("hosts")?.unwrap_or(default.hosts),
        start: section.choice("start", &starts)?.unwrap_or(default.start),
        restart_every: section.span("restart_every")?,
    })
}

fn fault(section: &Section<'_>) -> Result<Fault, ScenarioError> {
    const KINDS: [(&str, &[&str]); 6] = [
        ("kms-outage", &["kind", "at", "for"]),
        ("kms-brown-out", &["kind", "at", "for", "factor"]),
        ("kms-errors", &["kind", "at", "for", "share"]),
        ("key-disabled", &["kind", "at", "for", "key"]),
        ("quota-changed", &["kind", "at", "for", "quota"]),
        ("store-stall", &["kind", "at", "for"]),
    ];
    let kinds: Vec<(&'static str, usize)> =
        KINDS.iter().enumerate().map(|(index, (name, _))| (*name, index)).collect();
    let kind = section.choice("kind", &kinds)?;
    let index =
        section.required("kind", kind, &format!("one of {}", KINDS.map(|(name, _)| name).join(", ")))?;
    section.only(KINDS[index].1)?;
    let kind = match index {
        0 => FaultKind::KmsOutage,
        1 => FaultKind::KmsBrownOut {
            factor: section.required(
                "factor",
                section.number("factor")?,
                "how many times as long, above 1",
            )?,
        },
        2 => FaultKind::KmsErrors {
            share: section.required("share", section.number("share")?, "a share between 0 and 1")?,
        },
        3 => FaultKind::KeyDisabled { key: section.integer("key")?.unwrap_or(0) },
        4 => FaultKind::QuotaChanged {
            quota: section.required("quota", section.integer("quota")?, "calls per second")?,
        },
        _ => FaultKind::StoreStall,
    };
    Ok(Fault {
        at: section.required("at", section.span("at")?, "when it begins, such as \"10s\"")?,
        length: section.span("for")?,
        kind,
    })
}
