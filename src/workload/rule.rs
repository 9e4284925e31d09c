//! The rules that a scenario keeps: ranges of its values, and what cannot hold together.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::error::{ScenarioError, Where};
use super::quantity::{bytes_text, span_text};
use super::scenario::{
    ArrivalProcess, FaultKind, Popularity, Puts, Quantile, Retry, RetryPolicy, Scenario, SizeLaw, Stop,
    ThrottleRule,
};
use crate::units::{NANOS_PER_SECOND, Span};

/// Smallest part of a multipart upload, the last one excepted. Source: S3 user guide, multipart upload limits.
pub const MIN_PART_BYTES: u64 = 5 << 20;
/// Largest part, and largest object of one PUT. Source: S3 user guide, multipart upload limits.
pub const MAX_PART_BYTES: u64 = 5 << 30;
/// Most parts of an upload. Source: S3 user guide, multipart upload limits.
pub const MAX_PARTS: u32 = 10_000;
/// Largest object: 10,000 parts of 5 GiB.
pub const MAX_OBJECT_BYTES: u64 = MAX_PART_BYTES * MAX_PARTS as u64;
/// Most objects, principals × …: ids stay exact in a float.
pub(super) const MAX_OBJECTS: u64 = 1_000_000_000_000;
/// A year: longer runs are typing errors.
pub(super) const MAX_RUN: Span = Span::from_days(366);
/// A century: longer histories are typing errors.
const MAX_HISTORY: Span = Span::from_days(36_525);
const MAX_RATE: f64 = 1e8;
const MIN_RATE: f64 = 1e-6;

impl Scenario {
    /// Whether the values can make a run.
    ///
    /// # Errors
    ///
    /// [`ScenarioError::Invalid`] for a value out of range, [`ScenarioError::Contradiction`] for values that cannot hold
    /// together; without a place, since there is no text.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        within("seed", self.seed, &(0..=i64::MAX as u64))?;
        if self.modes.is_empty() {
            return Err(invalid("modes", "[]", "at least one SSE mode"));
        }
        for (index, mode) in self.modes.iter().enumerate() {
            if self.modes[..index].contains(mode) {
                return Err(invalid("modes", mode, "each mode once"));
            }
        }
        match self.stop {
            Stop::Duration(span) => span_within("duration", span, Span::from_millis(1), MAX_RUN)?,
            Stop::Operations(count) => within("operations", count, &(1..=MAX_OBJECTS))?,
        }
        span_within("warm_up", self.warm_up, Span::ZERO, MAX_RUN)?;
        self.validate_arrival()?;
        self.validate_mix()?;
        self.validate_objects()?;
        self.validate_people()?;
        self.validate_surroundings()?;
        self.validate_faults()
    }

    fn validate_arrival(&self) -> Result<(), ScenarioError> {
        match &self.arrival {
            ArrivalProcess::Constant { rate } | ArrivalProcess::Poisson { rate } => {
                rate_within("arrival.rate", *rate)
            }
            ArrivalProcess::Burst { rate, peak, quiet, busy } => {
                rate_within("arrival.rate", *rate)?;
                if !(*peak > 1.0 && *peak <= 1e6) {
                    return Err(invalid(
                        "arrival.peak",
                        peak,
                        "busy rate ÷ quiet rate, above 1, up to 1000000",
                    ));
                }
                span_within("arrival.quiet", *quiet, Span::from_millis(1), MAX_RUN)?;
                span_within("arrival.busy", *busy, Span::from_millis(1), MAX_RUN)?;
                let cycle = (*quiet + *busy).as_nanos() as f64 / NANOS_PER_SECOND as f64;
                if rate * cycle < 1e-3 {
                    let reason = "the state changes more than a thousand times between two requests";
                    return Err(contradiction("arrival.busy", "arrival.rate", reason));
                }
                Ok(())
            }
            ArrivalProcess::Ramp { from, to, over } => {
                rate_within("arrival.from", *from)?;
                rate_within("arrival.to", *to)?;
                span_within("arrival.over", *over, Span::from_millis(1), MAX_RUN)
            }
            ArrivalProcess::Step { rates, every } => {
                if rates.is_empty() || rates.len() > 10_000 {
                    return Err(invalid(
                        "arrival.rates",
                        format_args!("{} rates", rates.len()),
                        "1 to 10000 rates",
                    ));
                }
                for (index, rate) in rates.iter().enumerate() {
                    rate_within(&format!("arrival.rates[{index}]"), *rate)?;
                }
                span_within("arrival.every", *every, Span::from_millis(1), MAX_RUN)
            }
        }
    }

    fn validate_mix(&self) -> Result<(), ScenarioError> {
        let mix = &self.mix;
        let mut sum = 0.0;
        for (name, weight) in mix.weights() {
            number_within(&format!("mix.{name}"), weight, 0.0..=1e9, "a weight from 0 to 1000000000")?;
            sum += weight;
        }
        bytes_within("mix.range", mix.range_bytes, 1, MAX_OBJECT_BYTES)?;
        let multipart = mix.multipart;
        within("mix.multipart.parts", multipart.parts, &(1..=MAX_PARTS))?;
        within("mix.multipart.objects", multipart.objects, &(1..=100_000_000))?;
        // The last part may be short; a lone part is the last.
        let min = if multipart.parts == 1 { 1 } else { MIN_PART_BYTES };
        bytes_within("mix.multipart.part", multipart.part_bytes, min, MAX_PART_BYTES)?;
        if sum <= 0.0 {
            return Err(invalid("mix", "all weights 0", "at least one operation with a weight above 0"));
        }
        if mix.delete_object > 0.0 && self.objects.puts == Puts::Overwrite {
            return Err(contradiction(
                "mix.DeleteObject",
                "objects.puts",
                "nothing replaces what is deleted while every PUT overwrites; set objects.puts = \"new\"",
            ));
        }
        if mix.delete_object > 0.0 && self.objects.count < 2 {
            return Err(contradiction(
                "mix.DeleteObject",
                "objects.count",
                "deleting the only object leaves nothing",
            ));
        }
        if mix.delete_object > mix.put_object {
            return Err(contradiction(
                "mix.DeleteObject",
                "mix.PutObject",
                "more deletes than PUTs empty the bucket; give PutObject at least the same weight",
            ));
        }
        Ok(())
    }

    fn validate_objects(&self) -> Result<(), ScenarioError> {
        let objects = &self.objects;
        within("objects.count", objects.count, &(1..=MAX_OBJECTS))?;
        span_within("objects.visible_after", objects.visible_after, Span::ZERO, Span::from_seconds(3_600))?;
        validate_size(&objects.size)?;
        match objects.popularity {
            Popularity::Uniform => {}
            Popularity::Zipf { theta } => theta_within("objects.popularity.theta", theta)?,
            Popularity::Latest { theta } => {
                theta_within("objects.popularity.theta", theta)?;
                if objects.puts == Puts::Overwrite {
                    return Err(contradiction(
                        "objects.popularity.law",
                        "objects.puts",
                        "nothing is ever newer while every PUT overwrites; set objects.puts = \"new\"",
                    ));
                }
            }
            Popularity::Hotspot { objects: share, requests } => {
                open_share("objects.popularity.objects", share)?;
                open_share("objects.popularity.requests", requests)?;
                if objects.count < 2 {
                    return Err(contradiction(
                        "objects.popularity.law",
                        "objects.count",
                        "one object has no hot and cold part",
                    ));
                }
            }
        }
        Ok(())
    }

    fn validate_people(&self) -> Result<(), ScenarioError> {
        within("layout.buckets", self.layout.buckets, &(1..=1_000_000))?;
        within("layout.prefixes", self.layout.prefixes, &(1..=1_000_000))?;
        within("layout.kms_keys", self.layout.kms_keys, &(1..=1_000_000))?;
        if u64::from(self.layout.buckets) > self.objects.count {
            return Err(contradiction("layout.buckets", "objects.count", "some bucket would hold no object"));
        }
        if u64::from(self.layout.kms_keys) > self.objects.count {
            return Err(contradiction(
                "layout.kms_keys",
                "objects.count",
                "some key would protect no object",
            ));
        }
        within("principals.roles", self.principals.roles, &(1..=1_000_000))?;
        within("principals.sessions", self.principals.sessions, &(1..=1_000_000))?;
        theta_within("principals.zipf", self.principals.zipf)?;
        within("history.writers", self.history.writers, &(1..=1_000_000))?;
        within("history.uses_per_key", self.history.uses_per_key, &(1..=u64::from(u32::MAX) + 1))?;
        span_within("history.span", self.history.span, Span::from_nanos(1), MAX_HISTORY)?;
        if self.principals.count() > 100_000_000 {
            return Err(contradiction(
                "principals.roles",
                "principals.sessions",
                "roles × sessions is more than 100000000 principals",
            ));
        }
        if self.kms.denied_roles >= self.principals.roles {
            return Err(contradiction(
                "kms.denied_roles",
                "principals.roles",
                "nobody would be left who may use the keys",
            ));
        }
        let allowed = self.principals.roles - self.kms.denied_roles;
        let may_write = u64::from(allowed) * u64::from(self.principals.sessions);
        if u64::from(self.history.writers) > may_write && self.kms.denied_roles > 0 {
            return Err(contradiction(
                "history.writers",
                "kms.denied_roles",
                "some of the writers would belong to roles that may not use the keys",
            ));
        }
        if u64::from(self.history.writers) > self.principals.count() {
            return Err(contradiction(
                "history.writers",
                "principals.roles",
                "there are fewer principals (roles × sessions) than writers",
            ));
        }
        Ok(())
    }

    fn validate_surroundings(&self) -> Result<(), ScenarioError> {
        let kms = &self.kms;
        if !is_region(&kms.region) {
            let value = format!("{:?}", super::document::shorten(&kms.region));
            return Err(invalid("kms.region", value, "a Region such as us-east-1"));
        }
        if let Some(quota) = kms.quota {
            within("kms.quota", quota, &(1..=MAX_QUOTA))?;
        }
        number_within("kms.background", kms.background, 0.0..=MAX_RATE, "calls per second, 0 to 1e8")?;
        match (kms.burst, kms.throttle_rule) {
            (Some(_), ThrottleRule::FixedWindow) => {
                let reason = "a fixed window has no burst; set kms.throttle_rule = \"token-bucket\"";
                return Err(contradiction("kms.burst", "kms.throttle_rule", reason));
            }
            (Some(burst), ThrottleRule::TokenBucket) => within("kms.burst", burst, &(1..=MAX_QUOTA))?,
            (None, _) => {}
        }
        if let Some(time) = kms.service_time {
            span_within("kms.service_time.min", time.min, Span::ZERO, Span::from_seconds(3_600))?;
            span_within("kms.service_time.median", time.median, Span::ZERO, Span::from_seconds(3_600))?;
            number_within("kms.service_time.sigma", time.sigma, 0.0..=5.0, "a number from 0 to 5")?;
            if time.min > time.median {
                let reason = "the shortest time is above the middle one";
                return Err(contradiction("kms.service_time.min", "kms.service_time.median", reason));
            }
        }
        self.validate_cache()?;
        validate_retry(&self.retry)?;
        within("fleet.hosts", self.fleet.hosts, &(1..=1_000_000))?;
        if let Some(every) = self.fleet.restart_every {
            span_within("fleet.restart_every", every, Span::from_millis(1), MAX_RUN)?;
        }
        Ok(())
    }

    fn validate_cache(&self) -> Result<(), ScenarioError> {
        let cache = self.cache;
        if let Some(age) = cache.max_age {
            span_within("cache.max_age", age, Span::from_nanos(1), MAX_HISTORY)?;
        }
        if let Some(uses) = cache.max_uses {
            within("cache.max_uses", uses, &(1..=u64::MAX))?;
        }
        if let Some(bytes) = cache.max_bytes {
            bytes_within("cache.max_bytes", bytes, 1, i64::MAX as u64)?;
        }
        if let Some(capacity) = cache.capacity {
            within("cache.capacity", capacity, &(1..=1_000_000_000))?;
        }
        if let Some(refresh) = cache.refresh_after {
            span_within("cache.refresh_after", refresh, Span::from_nanos(1), MAX_HISTORY)?;
            if cache.max_age.is_some_and(|age| refresh >= age) {
                let reason = "a key would be dropped before it is fetched anew";
                return Err(contradiction("cache.refresh_after", "cache.max_age", reason));
            }
        }
        if let Some(lifetime) = self.bucket_key.lifetime {
            span_within("bucket_key.lifetime", lifetime, Span::from_millis(1), MAX_HISTORY)?;
        }
        Ok(())
    }

    fn validate_faults(&self) -> Result<(), ScenarioError> {
        for (index, fault) in self.faults.iter().enumerate() {
            let path = |name: &str| format!("fault[{index}].{name}");
            span_within(&path("at"), fault.at, Span::ZERO, MAX_RUN)?;
            if let Some(length) = fault.length {
                span_within(&path("for"), length, Span::from_nanos(1), MAX_RUN)?;
            }
            if let Stop::Duration(duration) = self.stop
                && fault.at >= duration
            {
                return Err(contradiction(
                    &path("at"),
                    "duration",
                    "the fault begins after the run has ended",
                ));
            }
            match fault.kind {
                FaultKind::KmsBrownOut { factor } if !(factor > 1.0 && factor <= 1e6) => {
                    return Err(invalid(
                        &path("factor"),
                        factor,
                        "how many times as long: above 1, up to 1000000",
                    ));
                }
                FaultKind::KmsErrors { share } if !(share > 0.0 && share <= 1.0) => {
                    return Err(invalid(&path("share"), share, "a share above 0, up to 1"));
                }
                FaultKind::KeyDisabled { key } if key >= self.layout.kms_keys => {
                    let reason = "keys are numbered from 0, and there is none with this number";
                    return Err(contradiction(&path("key"), "layout.kms_keys", reason));
                }
                FaultKind::QuotaChanged { quota } => within(&path("quota"), quota, &(1..=MAX_QUOTA))?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Most KMS calls per second of a quota or a burst: what `kms` takes.
const MAX_QUOTA: u64 = 1 << 28;

/// Whether `text` has the form of a Region's code: what `kms` finds a quota for. One that nobody knows yet may be.
fn is_region(text: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 64 && text.split('-').count() >= 3 && text.split('-').all(word)
}

#[expect(clippy::float_cmp, reason = "the ends are to be 0 and 1 exactly")]
fn validate_size(size: &SizeLaw) -> Result<(), ScenarioError> {
    match size {
        SizeLaw::Fixed { bytes } => bytes_within("objects.size.bytes", *bytes, 0, MAX_OBJECT_BYTES),
        SizeLaw::Lognormal { median, sigma, min, max } => {
            bytes_within("objects.size.median", *median, 1, MAX_OBJECT_BYTES)?;
            bytes_within("objects.size.min", *min, 0, MAX_OBJECT_BYTES)?;
            bytes_within("objects.size.max", *max, 1, MAX_OBJECT_BYTES)?;
            number_within("objects.size.sigma", *sigma, 0.0..=10.0, "a number from 0 to 10")?;
            if min > median {
                let reason = "the smallest size is above the middle one";
                return Err(contradiction("objects.size.min", "objects.size.median", reason));
            }
            if max < median {
                let reason = "the largest size is below the middle one";
                return Err(contradiction("objects.size.max", "objects.size.median", reason));
            }
            Ok(())
        }
        SizeLaw::Empirical { quantiles } => {
            let path = "objects.size.quantiles";
            if quantiles.len() < 2 || quantiles.len() > 10_000 {
                return Err(invalid(path, format_args!("{} points", quantiles.len()), "2 to 10000 points"));
            }
            let (first, last) = (quantiles[0].share, quantiles[quantiles.len() - 1].share);
            if first != 0.0 || last != 1.0 {
                return Err(invalid(
                    path,
                    format_args!("from share {first} to {last}"),
                    "from share 0 to share 1",
                ));
            }
            for (index, pair) in quantiles.windows(2).enumerate() {
                let (Quantile { share: a, bytes: low }, Quantile { share: b, bytes: high }) =
                    (pair[0], pair[1]);
                if !(a < b && low <= high) {
                    let value = format_args!("{b}, {} after {a}, {}", bytes_text(high), bytes_text(low));
                    let path = format!("{path}[{}]", index + 1);
                    return Err(invalid(&path, value, "a larger share and no smaller size than before it"));
                }
            }
            bytes_within(path, quantiles[quantiles.len() - 1].bytes, 0, MAX_OBJECT_BYTES)
        }
        SizeLaw::Preset { .. } => Ok(()),
    }
}

fn validate_retry(retry: &Retry) -> Result<(), ScenarioError> {
    if let Some(attempts) = retry.max_attempts {
        within("retry.max_attempts", attempts, &(1..=1_000))?;
        if attempts > 1 && retry.policy == Some(RetryPolicy::None) {
            let reason = "policy none makes one attempt";
            return Err(contradiction("retry.max_attempts", "retry.policy", reason));
        }
    }
    if let Some(base) = retry.base {
        span_within("retry.base", base, Span::from_nanos(1), Span::from_seconds(3_600))?;
    }
    if let Some(cap) = retry.cap {
        span_within("retry.cap", cap, Span::from_nanos(1), Span::from_seconds(86_400))?;
        if retry.base.is_some_and(|base| base > cap) {
            return Err(contradiction("retry.base", "retry.cap", "the first back-off is above the longest"));
        }
    }
    Ok(())
}

fn invalid(field: &str, value: impl Display, expected: &str) -> ScenarioError {
    ScenarioError::Invalid {
        at: Where(None),
        field: field.into(),
        value: value.to_string(),
        expected: expected.into(),
    }
}

fn contradiction(field: &str, other: &str, reason: &str) -> ScenarioError {
    ScenarioError::Contradiction {
        at: Where(None),
        field: field.into(),
        other: other.into(),
        reason: reason.into(),
    }
}

fn within<T: PartialOrd + Display>(
    field: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), ScenarioError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(invalid(field, value, &format!("a whole number from {} to {}", range.start(), range.end())))
}

fn number_within(
    field: &str,
    value: f64,
    range: RangeInclusive<f64>,
    expected: &str,
) -> Result<(), ScenarioError> {
    if range.contains(&value) { Ok(()) } else { Err(invalid(field, value, expected)) }
}

fn rate_within(field: &str, rate: f64) -> Result<(), ScenarioError> {
    number_within(field, rate, MIN_RATE..=MAX_RATE, "a rate per second from 0.000001 to 100000000")
}

fn theta_within(field: &str, theta: f64) -> Result<(), ScenarioError> {
    number_within(field, theta, 0.0..=10.0, "a number from 0 (uniform) to 10")
}

fn open_share(field: &str, share: f64) -> Result<(), ScenarioError> {
    if share > 0.0 && share < 1.0 {
        return Ok(());
    }
    Err(invalid(field, share, "a share above 0 and below 1"))
}

fn span_within(field: &str, span: Span, min: Span, max: Span) -> Result<(), ScenarioError> {
    if min <= span && span <= max {
        return Ok(());
    }
    let expected = format!("a duration from {} to {}", span_text(min), span_text(max));
    Err(invalid(field, format_args!("{:?}", span_text(span)), &expected))
}

fn bytes_within(field: &str, bytes: u64, min: u64, max: u64) -> Result<(), ScenarioError> {
    if min <= bytes && bytes <= max {
        return Ok(());
    }
    let expected = format!("a size from {} to {}", bytes_text(min), bytes_text(max));
    Err(invalid(field, format_args!("{:?}", bytes_text(bytes)), &expected))
}
