//! The figures of a profile, as JSON for programs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Distinct, Histogram, KmsCalls, Profile, Range, Share, Tally, VERSION, seconds_of};
use crate::units::NANOS_PER_SECOND;

/// How many names of each attribution are shown.
const SHOWN: usize = 20;

/// The figures of `profile`.
pub fn summary(profile: &Profile) -> Value {
    let rate = Rate::of(profile);
    let bytes = |of: fn(&super::OperationCount) -> u64| -> u64 {
        profile.operations.values().map(of).fold(0, u64::saturating_add)
    };
    json!({
        "version": VERSION,
        "kind": "s3seal profile",
        "formats": profile.formats,
        "records": profile.records,
        "events": profile.records - profile.duplicates - profile.bad_lines,
        "duplicates": profile.duplicates,
        "bad_lines": profile.bad_lines,
        "unrelated": profile.unrelated,
        "inventoried": profile.inventoried,
        "from": profile.from.map(instant),
        "until": profile.until.map(instant),
        "requests": profile.requests(),
        "failed": bytes(|operation| operation.failed),
        "bytes": { "out": bytes(|o| o.bytes_out), "in": bytes(|o| o.bytes_in) },
        "operations": profile.operations,
        "rate_per_second": rate.json(),
        "burstiness": {
            "peak_to_mean": rate.mean.gt(&0.0).then(|| rate.peak as f64 / rate.mean),
            "index_of_dispersion": rate.dispersion,
        },
        "series": {
            "step_seconds": profile.series.step(),
            "points": profile.series.points().collect::<Vec<_>>(),
            "busiest": busiest(profile),
        },
        "sizes": sizes(&profile.sizes),
        "objects": distinct(profile.objects.distinct()),
        "requesters": distinct(profile.requesters.distinct()),
        "popularity": popularity(profile),
        "reuse_interval_ms": quantiles(&profile.reuse_ms),
        "kms_calls": kms(profile),
        "attribution": {
            "buckets": tally(&profile.buckets),
            "prefixes": tally(&profile.prefixes),
            "principals": tally(&profile.principals),
        },
        "assumptions": profile.assumptions.keys().collect::<Vec<_>>(),
        "anonymised": profile.anonymised,
    })
}

fn range(range: Range) -> Value {
    json!({ "low": range.low, "likely": range.likely, "high": range.high })
}

fn kms(profile: &Profile) -> Value {
    let kms: &KmsCalls = &profile.kms;
    let (peak_at, peak) = kms_peak(profile);
    let mut predicted = range(kms.predicted());
    predicted["GenerateDataKey"] = range(kms.generate_data_key);
    predicted["Decrypt"] = range(kms.decrypt);
    predicted["UpdateObjectEncryption"] = range(kms.update);
    predicted["likely_by_session"] = json!(kms.likely_by_session());
    predicted["basis"] = json!(kms.basis);
    json!({
        "seen": kms.seen,
        "seen_total": kms.seen.values().sum::<u64>(),
        "seen_failed": kms.seen_failed,
        "seen_for_bucket_key": kms.seen_for_bucket_key,
        "seen_peak_per_second": peak,
        "seen_peak_at": peak_at.map(|second| instant(second * NANOS_PER_SECOND)),
        "not_by_s3": kms.not_by_s3,
        "predicted": predicted,
        "differences": {
            "agreed": kms.agreed,
            "seen_not_predicted": kms.seen_not_predicted,
            "predicted_not_seen": kms.predicted_not_seen,
        },
        "implied_by_mode": kms.implied.iter().map(|(mode, of)| (mode.clone(), range(*of))).collect::<serde_json::Map<_, _>>(),
    })
}

/// The second with the most KMS calls by S3, and how many.
pub(super) fn kms_peak(profile: &Profile) -> (Option<u64>, u64) {
    let most =
        profile.kms_seconds.counts().max_by_key(|(second, calls, _)| (*calls, std::cmp::Reverse(*second)));
    most.map_or((None, 0), |(second, calls, _)| (Some(second), calls))
}

/// A time in ns as text: a date when it is one, seconds when the log counts from its own start.
pub fn instant(nanos: u64) -> String {
    // Before 2001 it is a trace that counts from its own beginning.
    if seconds_of(nanos) < 978_307_200 {
        return format!("{}.{:03} s", seconds_of(nanos), nanos % NANOS_PER_SECOND / 1_000_000);
    }
    i64::try_from(nanos)
        .ok()
        .and_then(|nanos| jiff::Timestamp::from_nanosecond(nanos.into()).ok())
        .map_or_else(|| format!("{nanos} ns"), |time| time.to_string())
}

fn quantiles(histogram: &Histogram) -> Value {
    let count = histogram.count();
    if count == 0 {
        return json!({ "count": 0 });
    }
    let at = |per_mille| histogram.quantile(per_mille);
    json!({
        "count": count,
        "mean": histogram.sum() as f64 / count as f64,
        "p50": at(500), "p90": at(900), "p99": at(990), "p999": at(999),
        "max": histogram.max(),
    })
}

fn sizes(histogram: &Histogram) -> Value {
    let mut value = quantiles(histogram);
    let mut columns: BTreeMap<u64, u64> = BTreeMap::new();
    for (lowest, count) in histogram.steps() {
        *columns.entry(lowest.checked_ilog2().map_or(0, |power| 1 << power)).or_default() += count;
    }
    value["by_power_of_two"] = json!(columns.into_iter().collect::<Vec<_>>());
    value
}

/// Requests, and KMS calls if all were under SSE-KMS, in the busiest seconds of each stretch of the series.
fn busiest(profile: &Profile) -> Vec<(u64, u64, u64)> {
    let step = profile.series.step();
    let mut stretches: Vec<(u64, u64, u64)> = Vec::new();
    for (second, requests, kms) in profile.seconds.counts() {
        let stretch = second / step * step;
        match stretches.last_mut() {
            Some(last) if last.0 == stretch => (last.1, last.2) = (last.1.max(requests), last.2.max(kms)),
            _ => stretches.push((stretch, requests, kms)),
        }
    }
    stretches
}

/// What share of the requests the most popular share of objects gets, at four shares in each power of ten.
fn curve(counts: &[u64]) -> Vec<(f64, f64)> {
    let total: u64 = counts.iter().sum();
    let mut ranks: Vec<usize> = (0_u8..80)
        .map(|quarter| libm::round(libm::pow(10.0, f64::from(quarter) / 4.0)) as usize)
        .take_while(|rank| *rank < counts.len())
        .chain([counts.len()])
        .filter(|rank| *rank > 0)
        .collect();
    ranks.dedup();
    let (mut sum, mut at) = (0, 0);
    let point = |rank: usize| {
        sum += counts[at..rank].iter().sum::<u64>();
        at = rank;
        (rank as f64 / counts.len() as f64, sum as f64 / total as f64)
    };
    ranks.into_iter().map(point).collect()
}

fn distinct(distinct: Distinct) -> Value {
    json!({ "distinct": distinct.count, "standard_error": distinct.standard_error })
}

fn tally(tally: &Tally) -> Value {
    let one = |(name, share): (&str, &Share)| {
        let mut value = json!(share);
        value["name"] = json!(name);
        value
    };
    json!({
        "top": tally.top(SHOWN).into_iter().map(one).collect::<Vec<_>>(),
        "names": tally.len(),
        "others": tally.others(),
        "undercount_at_most": tally.undercount(),
    })
}

fn popularity(profile: &Profile) -> Value {
    let counts = profile.objects.counts();
    let total: u64 = counts.iter().sum();
    let share = |part: f64| {
        let members = libm::ceil(counts.len() as f64 * part) as usize;
        (total > 0).then(|| counts[..members.min(counts.len())].iter().sum::<u64>() as f64 / total as f64)
    };
    let once = counts.iter().filter(|count| **count == 1).count();
    let top: Vec<Value> = profile
        .top_objects
        .top(SHOWN)
        .into_iter()
        .map(|(name, share)| json!({ "name": name, "requests": share.requests }))
        .collect();
    json!({
        "sample_one_in": profile.objects.one_in(),
        "share_of_top_1_percent": share(0.01),
        "share_of_top_10_percent": share(0.1),
        "asked_once": (!counts.is_empty()).then(|| once as f64 / counts.len() as f64),
        "zipf_exponent": zipf(&counts),
        "curve": curve(&counts),
        "top": top,
        "undercount_at_most": profile.top_objects.undercount(),
    })
}

/// The slope of log count over log rank, by least squares over the ranks 1, 2, 4, …: each octave of ranks weighs the same.
pub(super) fn zipf(counts: &[u64]) -> Option<f64> {
    let ranks = (0..).map(|octave| 1_usize << octave).take_while(|rank| *rank <= counts.len());
    let points: Vec<(f64, f64)> =
        ranks.map(|rank| (libm::log(rank as f64), libm::log(counts[rank - 1] as f64))).collect();
    if points.len() < 3 || counts[0] == counts[counts.len() - 1] {
        return None;
    }
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
    let (over, under) = points.iter().fold((0.0, 0.0), |(over, under), point| {
        (over + (point.0 - x) * (point.1 - y), under + (point.0 - x) * (point.0 - x))
    });
    Some(-over / under)
}

/// Requests per second, over all seconds from the first request to the last, quiet ones too.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) seconds: u64,
    pub(super) mean: f64,
    pub(super) peak: u64,
    pub(super) peak_at: Option<u64>,
    pub(super) p50: u64,
    pub(super) p99: u64,
    /// Variance ÷ mean of the counts by second: 1 for Poisson arrivals, more for bursts.
    pub(super) dispersion: Option<f64>,
    /// Most KMS calls in one second if everything were under SSE-KMS.
    pub(super) kms_peak: u64,
    pub(super) one_in: u64,
}

impl Rate {
    pub(super) fn of(profile: &Profile) -> Self {
        let all = match (profile.from, profile.until) {
            (Some(from), Some(until)) => seconds_of(until) - seconds_of(from) + 1,
            _ => 0,
        };
        let one_in = profile.seconds.one_in();
        let mut by_count = Vec::new();
        let (mut peak, mut peak_at, mut kms_peak) = (0, None, 0);
        for (second, requests, kms) in profile.seconds.counts() {
            by_count.push(requests);
            kms_peak = kms_peak.max(kms);
            if requests > peak {
                (peak, peak_at) = (requests, Some(second));
            }
        }
        by_count.sort_unstable();
        // The kept seconds stand for all busy ones; the others were quiet.
        let kept = (all / one_in).max(by_count.len() as u64);
        let quiet = kept - by_count.len() as u64;
        let at = |per_mille: u64| {
            let rank = (u128::from(kept) * u128::from(per_mille)).div_ceil(1_000) as u64;
            let place = rank.max(1).checked_sub(quiet + 1).and_then(|place| usize::try_from(place).ok());
            place.and_then(|place| by_count.get(place)).copied().unwrap_or(0)
        };
        let mean = if all == 0 { 0.0 } else { profile.requests() as f64 / all as f64 };
        let squares: f64 = by_count.iter().map(|count| (*count as f64 - mean) * (*count as f64 - mean)).sum();
        let variance = (squares + quiet as f64 * mean * mean) / kept.max(1) as f64;
        Self {
            seconds: all,
            mean,
            peak,
            peak_at,
            p50: at(500),
            p99: at(990),
            dispersion: (mean > 0.0 && kept > 1).then(|| variance / mean),
            kms_peak,
            one_in,
        }
    }

    fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "mean": self.mean,
            "peak": self.peak,
            "peak_at": self.peak_at.map(|second| instant(second * NANOS_PER_SECOND)),
            "p50": self.p50,
            "p99": self.p99,
            "kms_peak_if_sse_kms": self.kms_peak,
            "seconds_kept_one_in": self.one_in,
        })
    }
}
