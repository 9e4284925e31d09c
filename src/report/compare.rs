//! Two reports, or two sets of repeats, side by side: what changed, by how much, and whether that is more than noise.
//!
//! Each figure gets an interval by the bootstrap. A draw takes as many repeats of each side as there are, with replacement, and
//! within each repeat draws the figure anew: of a percentile the rank, which is binomial; of a ratio of counts the seconds, in
//! blocks, because neighbours are alike. The change of a draw is `after ÷ before − 1`; the interval covers 99 % of the draws,
//! wide enough for many figures looked at together. With one repeat a side it knows the noise within a run and not that from
//! run to run, so there times of live runs must change by a tenth to count.
//!
//! Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993 (percentile interval); H. Künsch, Annals of
//! Statistics 17, 1989 (blocks).

use std::fmt;

use rand_core::Rng;
use serde::Serialize;

use super::change_limit::ChangeLimit;
use super::figure::{self, count, rate, share, time};
use super::{Kind, Phase, Report, SecondSummary, Summary};
use crate::units::{Seed, Stream};

/// With fewer measured seconds a ratio is drawn from its counts: blocks of so few would all be the same.
const SECONDS_MIN: usize = 20;
/// A percentile with fewer requests beyond it is not compared: its rank is the longest request's as often as not.
const BEYOND_MIN: u64 = 10;
/// Draws of the bootstrap: the ends of a 99 % interval then rest on ten draws each.
const DRAWS: usize = 2_000;
/// Half of what the interval leaves out, as a part of the draws.
const OUTSIDE: f64 = 0.005;
/// Times keep three digits: a smaller change is none.
const RESOLUTION: f64 = 0.002;
/// Times of two live runs on a shared machine differ by this as much by chance.
const LIVE_NOISE: f64 = 0.1;
/// From so many repeats a side on, the noise from run to run is seen and needs no rule.
const REPEATS: usize = 3;
/// The sections and fields of a scenario that say what is asked of the system; the others say how the system is set up.
const WORKLOAD: [&str; 10] = [
    "warm_up",
    "duration",
    "operations",
    "arrival",
    "mix",
    "objects",
    "layout",
    "principals",
    "history",
    "fault",
];

/// What is compared, by the words that objectives use, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Median response time.
    P50,
    /// 90th percentile of the response time.
    P90,
    /// 99th percentile.
    P99,
    /// 99.9th percentile.
    P999,
    /// 99th percentile of the successes.
    SuccessP99,
    /// Successes that ended in the measured part, a second.
    Completed,
    /// Requests that started and did not succeed ÷ requests offered.
    Failed,
    /// Requests that never started ÷ requests offered.
    Dropped,
    /// KMS calls sent ÷ requests that started.
    KmsCalls,
    /// KMS calls throttled ÷ KMS calls sent.
    Throttled,
    /// Data keys found cached ÷ data keys needed.
    HitRatio,
    /// What encryption adds to a month's bill, in US dollars.
    EncryptionAdds,
}

impl Measure {
    /// Every measure, in the order of this enum.
    pub const ALL: [Self; 12] = [
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::SuccessP99,
        Self::Completed,
        Self::Failed,
        Self::Dropped,
        Self::KmsCalls,
        Self::Throttled,
        Self::HitRatio,
        Self::EncryptionAdds,
    ];

    /// Its word in limits.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::SuccessP99 => "success_p99",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::KmsCalls => "kms_calls",
            Self::Throttled => "throttled",
            Self::HitRatio => "hit_ratio",
            Self::EncryptionAdds => "encryption_adds",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::P50 => "the median response time",
            Self::P90 => "the p90 response time",
            Self::P99 => "the p99 response time",
            Self::P999 => "the p99.9 response time",
            Self::SuccessP99 => "the p99 response time of the successes",
            Self::Completed => "the completed rate",
            Self::Failed => "the share of failed requests",
            Self::Dropped => "the share of dropped requests",
            Self::KmsCalls => "the number of KMS calls per request",
            Self::Throttled => "the share of throttled KMS calls",
            Self::HitRatio => "the hit ratio",
            Self::EncryptionAdds => "what encryption adds to the month's bill",
        }
    }

    /// Of a percentile: how many of 1,000, and whether of the successes alone.
    const fn rank(self) -> Option<(u32, bool)> {
        match self {
            Self::P50 => Some((500, false)),
            Self::P90 => Some((900, false)),
            Self::P99 => Some((990, false)),
            Self::P999 => Some((999, false)),
            Self::SuccessP99 => Some((990, true)),
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "three digits of a time are compared")]
    fn of(self, run: &Summary) -> Option<f64> {
        let (all, good) = (&run.response_time_ns, &run.response_time_success_ns);
        let time = |nanos: u64, count: u64| (count > 0).then_some(nanos as f64);
        match self {
            Self::P50 => time(all.p50, all.count),
            Self::P90 => time(all.p90, all.count),
            Self::P99 => time(all.p99, all.count),
            Self::P999 => time(all.p999, all.count),
            Self::SuccessP99 => time(good.p99, good.count),
            Self::Completed => Some(run.completed_per_s),
            Self::Failed => run.failed_share(),
            Self::Dropped => run.dropped_share(),
            Self::KmsCalls => figure::ratio(run.kms.calls, run.started()),
            Self::Throttled => run.throttled_share(),
            Self::HitRatio => run.cache.hit_ratio,
            Self::EncryptionAdds => run.cost.as_ref()?.encryption_adds.to_string().parse().ok(),
        }
    }

    /// Of a ratio of counts: its parts in a second.
    fn parts(self, second: &SecondSummary) -> Option<(u64, u64)> {
        let started = second.completed.saturating_add(second.failed);
        match self {
            Self::Completed => Some((second.completed, 1)),
            Self::Failed => Some((second.failed, second.offered)),
            Self::Dropped => Some((second.dropped, second.offered)),
            Self::KmsCalls => Some((second.kms_calls, started)),
            Self::Throttled => Some((second.throttled, second.kms_calls)),
            Self::HitRatio => Some((
                second.cached,
                second.cached.saturating_add(second.joined).saturating_add(second.fetched),
            )),
            _ => None,
        }
    }

    /// A value as a person reads it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a mean of whole nanoseconds"
    )]
    fn shown(self, value: f64) -> String {
        match self {
            _ if self.rank().is_some() => time(value.round() as u64),
            Self::Failed | Self::Dropped | Self::Throttled => share(Some(value)),
            Self::Completed => format!("{}/s", rate(value)),
            Self::EncryptionAdds => format!("{value:.2} USD"),
            _ => rate(value),
        }
    }
}

/// One figure of one run, before and after. Of several repeats the mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Which run: mode, kind, quota.
    pub run: String,
    /// Which figure.
    pub measure: Measure,
    /// Before: nanoseconds, per second, 0 to 1, or US dollars.
    pub before: f64,
    /// After.
    pub after: f64,
    /// `after ÷ before − 1`; none when there was nothing before and there is something now.
    pub change: Option<f64>,
    /// 99 % interval of the change; none where it cannot be told.
    pub interval: Option<(f64, f64)>,
    /// Whether the interval leaves out no change, and the change is material.
    pub beyond_noise: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moved = if self.after > self.before { "rose" } else { "fell" };
        let (before, after) = (self.measure.shown(self.before), self.measure.shown(self.after));
        write!(f, "Under {} {} {moved} from {before} to {after}", self.run, self.measure.title())?;
        if let Some(change) = self.change {
            write!(f, ", by {}", percent(change.abs()))?;
            if let Some((low, high)) = self.interval.filter(|(low, high)| low.is_finite() && high.is_finite())
            {
                write!(f, " (99 % interval {} to {})", signed(low), signed(high))?;
            }
        }
        f.write_str(".")
    }
}

fn percent(part: f64) -> String {
    if part >= 9.995 { format!("{} times", rate(part + 1.0)) } else { format!("{:.1} %", part * 100.0) }
}

fn signed(part: f64) -> String {
    let sign = if part < 0.0 { "−" } else { "+" };
    format!("{sign}{:.1} %", part.abs() * 100.0)
}

/// Everything that two sides have in common, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Repeats before and after.
    pub repeats: (usize, usize),
    /// What a reader must know.
    pub notes: Vec<String>,
    /// Every figure that both sides have, run by run.
    pub changes: Vec<Change>,
}

/// Why two sides are not compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A side has no report.
    #[error("each side needs at least one report")]
    Nothing,
    /// A run stands on its side twice: it would pass for two that agree to the last digit, and hide all noise.
    #[error(
        "{one} and {other} hold the same run, which is no repeat: list each file once, and give simulated repeats a \
         --seed each"
    )]
    SameRun {
        /// A report.
        one: String,
        /// Another of its side, or the same.
        other: String,
    },
    /// What was asked of the system differs.
    #[error(
        "{before} and {after} ran different workloads ({differs} differs), so a change may come from either; --anyway \
         compares them all the same"
    )]
    Workload {
        /// A report.
        before: String,
        /// Another.
        after: String,
        /// Sections of the scenario.
        differs: String,
    },
    /// No mode, kind and quota is on both sides.
    #[error("the two sides have no run in common: modes, kinds or quotas differ")]
    NothingInCommon,
}

/// A set of repeats, each with its name.
pub type Repeats = [(String, Report)];

/// Compares the runs that both sides have. The same reports and seed give the same intervals.
///
/// # Errors
///
/// The same run twice on a side; reports of different workloads, unless `anyway`; sides that have no run in common.
pub fn compare(
    before: &Repeats,
    after: &Repeats,
    anyway: bool,
    seed: Seed,
) -> Result<Comparison, CompareError> {
    let (Some(first), false) = (before.first(), after.is_empty()) else { return Err(CompareError::Nothing) };
    distinct(before)?;
    distinct(after)?;
    let mut notes = Vec::new();
    for other in before.iter().chain(after) {
        let differs = differing(&first.1, &other.1);
        if !differs.is_empty() {
            let differs = differs.join(", ");
            if !anyway {
                return Err(CompareError::Workload {
                    before: first.0.clone(),
                    after: other.0.clone(),
                    differs,
                });
            }
            notes.push(format!("{} ran another workload than {}: {differs} differs.", other.0, first.0));
        }
        if other.1.machine != first.1.machine {
            notes.push(format!("{} and {} ran on different machines.", first.0, other.0));
        }
        if !other.1.valid {
            notes.push(format!(
                "{} is invalid: {}.",
                other.0,
                other.1.invalid_reason.as_deref().unwrap_or("no reason was given")
            ));
        }
    }
    if before.len().min(after.len()) < REPEATS {
        notes.push(format!(
            "With fewer than {REPEATS} repeats a side the intervals know the noise within a run, not that from run to run."
        ));
    }
    notes.sort();
    notes.dedup();
    let mut changes = Vec::new();
    for (place, run) in first.1.runs.iter().enumerate() {
        let alike = |report: &Report| {
            report
                .runs
                .iter()
                .find(|other| {
                    (other.mode, other.kind, other.quota_per_s) == (run.mode, run.kind, run.quota_per_s)
                })
                .cloned()
        };
        let of =
            |side: &Repeats| side.iter().map(|(_, report)| alike(report)).collect::<Option<Vec<Summary>>>();
        let Some((old, new)) = of(before).zip(of(after)) else { continue };
        let mut stream = seed.stream("bootstrap", place as u64);
        changes
            .extend(Measure::ALL.into_iter().filter_map(|measure| change(measure, &old, &new, &mut stream)));
    }
    if changes.is_empty() {
        return Err(CompareError::NothingInCommon);
    }
    Ok(Comparison { repeats: (before.len(), after.len()), notes, changes })
}

/// Refuses a run that stands on a side twice.
fn distinct(side: &Repeats) -> Result<(), CompareError> {
    for (place, (one, report)) in side.iter().enumerate() {
        if let Some((other, _)) = side[place + 1..].iter().find(|(_, other)| other.runs == report.runs) {
            return Err(CompareError::SameRun { one: one.clone(), other: other.clone() });
        }
    }
    Ok(())
}

impl Comparison {
    /// What changed beyond noise, a sentence each; one that says so when nothing did.
    pub fn sentences(&self) -> Vec<String> {
        let changed: Vec<String> =
            self.changes.iter().filter(|change| change.beyond_noise).map(ToString::to_string).collect();
        if changed.is_empty() { vec!["Nothing changed beyond noise.".into()] } else { changed }
    }

    /// The changes that pass `limit` and are beyond noise.
    pub fn passing(&self, limit: ChangeLimit) -> Vec<&Change> {
        self.changes.iter().filter(|change| change.beyond_noise && limit.is_passed_by(change)).collect()
    }
}

/// Where the workloads of two reports differ, by section; nothing when they are the same or neither reads.
fn differing(a: &Report, b: &Report) -> Vec<&'static str> {
    if a.scenario == b.scenario {
        return Vec::new();
    }
    let read = |report: &Report| report.scenario.parse::<toml::Table>().ok();
    let (Some(a), Some(b)) = (read(a), read(b)) else { return vec!["the scenario"] };
    WORKLOAD.into_iter().filter(|section| a.get(*section) != b.get(*section)).collect()
}

/// What a draw of one repeat needs.
enum Source {
    /// How many are at most so long; and how many of 1,000 the percentile covers.
    Ranks(Vec<(u64, u64)>, u32),
    /// Parts of a ratio, second by second, its value over all of them, and the figure.
    Seconds(Vec<(u64, u64)>, f64, f64),
    /// A figure, the count that it rests on, and the variance of that count ÷ the count.
    Counts(f64, u64, f64),
    /// No noise that the report knows of.
    Fixed(f64),
}

impl Source {
    fn new(measure: Measure, run: &Summary) -> Option<Self> {
        let value = measure.of(run)?;
        if let Some((per_mille, successes)) = measure.rank() {
            let known = if successes { &run.response_time_success_ns } else { &run.response_time_ns };
            if u128::from(known.count) * u128::from(1_000 - per_mille) < u128::from(BEYOND_MIN * 1_000) {
                return None;
            }
            let whole = run.distribution(Phase::Response, successes);
            return Some(whole.map_or(Self::Fixed(value), |whole| Self::Ranks(whole.steps(), per_mille)));
        }
        if measure == Measure::EncryptionAdds {
            // What moves it is the number of calls that are billed.
            return Some(if run.kms.billed > 0 && value > 0.0 {
                Self::Counts(value, run.kms.billed, 1.0)
            } else {
                Self::Fixed(value)
            });
        }
        let seconds: Vec<(u64, u64)> = run
            .series
            .iter()
            .filter(|second| second.measured)
            .filter_map(|second| measure.parts(second))
            .collect();
        let part = seconds.iter().fold(0, |sum: u64, (part, _)| sum.saturating_add(*part));
        Some(match ratio_of(seconds.iter()).filter(|ratio| *ratio > 0.0) {
            None => Self::Fixed(value),
            Some(_) if seconds.len() < SECONDS_MIN => {
                // Binomial where it is a share, else Poisson.
                Self::Counts(value, part, if value < 1.0 { 1.0 - value } else { 1.0 })
            }
            Some(over_all) => Self::Seconds(seconds, over_all, value),
        })
    }

    fn draw(&self, stream: &mut Stream) -> f64 {
        match self {
            Self::Fixed(value) => *value,
            // By the normal law.
            Self::Counts(value, part, rest) => {
                #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
                let spread = libm::sqrt(*rest / *part as f64);
                (value * (1.0 + spread * normal(stream))).max(0.0)
            }
            Self::Ranks(steps, per_mille) => {
                let Some((total, longest)) = steps.last().copied() else { return 0.0 };
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a rank between 1 and the count"
                )]
                let rank = {
                    let part = f64::from(*per_mille) / 1_000.0;
                    let spread = libm::sqrt(total as f64 * part * (1.0 - part));
                    (total as f64 * part + spread * normal(stream)).ceil().clamp(1.0, total as f64) as u64
                };
                let place = steps.partition_point(|(sum, _)| *sum < rank);
                #[expect(clippy::cast_precision_loss, reason = "three digits of a time")]
                let nanos = steps.get(place).map_or(longest, |(_, nanos)| *nanos) as f64;
                nanos
            }
            Self::Seconds(seconds, over_all, value) => {
                let length = seconds.len() as u64;
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "few seconds"
                )]
                let block = (libm::cbrt(length as f64).ceil() as u64).max(1);
                let drawn = (0..length.div_ceil(block)).flat_map(|_| {
                    let from = stream.next_u64() % length;
                    (from..from + block).map(|second| second % length)
                });
                let drawn: Vec<(u64, u64)> =
                    drawn.map(|second| seconds[usize::try_from(second).unwrap_or(0)]).collect();
                ratio_of(drawn.iter()).map_or(*value, |drawn| value * drawn / over_all)
            }
        }
    }
}

fn ratio_of<'a>(parts: impl Iterator<Item = &'a (u64, u64)>) -> Option<f64> {
    let (part, whole) = parts
        .fold((0_u64, 0_u64), |(a, b), (part, whole)| (a.saturating_add(*part), b.saturating_add(*whole)));
    figure::ratio(part, whole)
}

/// A standard normal draw (Box and Muller).
fn normal(stream: &mut Stream) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    let mut uniform = || ((stream.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let (a, b) = (uniform(), uniform());
    libm::sqrt(-2.0 * libm::log(a)) * libm::cos(std::f64::consts::TAU * b)
}

#[expect(clippy::cast_precision_loss, reason = "a few repeats")]
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

fn relative(before: f64, after: f64) -> f64 {
    match before {
        before if before > 0.0 => after / before - 1.0,
        _ if after > 0.0 => f64::INFINITY,
        _ => 0.0,
    }
}

fn change(measure: Measure, old: &[Summary], new: &[Summary], stream: &mut Stream) -> Option<Change> {
    let sources =
        |side: &[Summary]| side.iter().map(|run| Source::new(measure, run)).collect::<Option<Vec<Source>>>();
    let (old_sources, new_sources) = (sources(old)?, sources(new)?);
    let point = |side: &[Summary]| mean(side.iter().map(|run| measure.of(run).unwrap_or(0.0)));
    let (before, after) = (point(old), point(new));
    let side = |sources: &[Source], stream: &mut Stream| {
        let picked: Vec<f64> = (0..sources.len())
            .map(|_| {
                let pick = stream.next_u64() % sources.len() as u64;
                sources[usize::try_from(pick).unwrap_or(0)].draw(stream)
            })
            .collect();
        mean(picked.into_iter())
    };
    let mut draws: Vec<f64> =
        (0..DRAWS).map(|_| relative(side(&old_sources, stream), side(&new_sources, stream))).collect();
    draws.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in 2,000 draws"
    )]
    let cut = (DRAWS as f64 * OUTSIDE) as usize;
    let (low, high) = (draws[cut], draws[DRAWS - 1 - cut]);
    let change = relative(before, after);
    let few = old.len().min(new.len()) < REPEATS;
    let floor = match measure.rank() {
        Some(_) if few && old[0].kind == Kind::Live => LIVE_NOISE,
        Some(_) => RESOLUTION,
        None => 0.0,
    };
    Some(Change {
        run: title(&old[0]),
        measure,
        before,
        after,
        change: change.is_finite().then_some(change),
        interval: (low.is_finite() && high.is_finite()).then_some((low, high)),
        beyond_noise: (low > 0.0 || high < 0.0) && change.abs() > floor,
    })
}

fn title(run: &Summary) -> String {
    let kind = if run.kind == Kind::Simulated { " (simulated)" } else { "" };
    let quota =
        run.quota_per_s.map_or_else(String::new, |quota| format!(" at a quota of {}/s", count(quota)));
    format!("{}{kind}{quota}", run.mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_draw_has_mean_0_and_deviation_1() {
        let mut stream = Seed(7).stream("test", 0);
        let draws: Vec<f64> = (0..20_000).map(|_| normal(&mut stream)).collect();
        let average = mean(draws.iter().copied());
        let spread = mean(draws.iter().map(|draw| draw * draw));
        // Five standard errors: 1 ÷ √20,000, and √2 of it for the square.
        assert!(average.abs() < 0.036 && (spread - 1.0).abs() < 0.05, "{average} {spread}");
    }
}
