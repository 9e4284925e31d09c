//! The figures that an experiment measures: what each is of a run, and how it is written.

use rust_decimal::prelude::ToPrimitive;

use crate::report::{PerMillion, Summary, figure};
use crate::units::{NANOS_PER_SECOND, Span, Usd};
use crate::workload::Scenario;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Time,
    /// 0 to 1.
    Share,
    /// Something per second, or per request.
    Number,
    /// US dollars.
    Usd,
}

macro_rules! figures {
    ($($(#[$doc:meta])* $figure:ident $name:literal $unit:ident $title:literal;)*) => {
        /// A figure of one run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Figure { $($(#[$doc])* $figure,)* }

        impl Figure {
            /// Every figure, in the order of its columns.
            pub const ALL: &[Self] = &[$(Self::$figure,)*];

            /// Its word in experiment files.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$figure => $name,)* }
            }

            /// What it counts.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$figure => Unit::$unit,)* }
            }

            /// What it is, over a chart.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$figure => $title,)* }
            }
        }
    };
}

figures! {
    /// Median response time of the requests that started.
    P50 "p50" Time "Median response time";
    /// 99th percentile of it.
    P99 "p99" Time "p99 response time";
    /// 99.9th percentile of it.
    P999 "p999" Time "p99.9 response time";
    /// 99th percentile over the successes.
    P99Success "p99_success" Time "p99 response time of the successes";
    /// Median time of sealing or opening a body.
    CryptoP50 "crypto_p50" Time "Median time of sealing or opening";
    /// 99th percentile of what requests waited for data keys.
    KmsWaitP99 "kms_wait_p99" Time "p99 wait for data keys";
    /// 99th percentile of started − due.
    LagP99 "lag_p99" Time "p99 lag";
    /// KMS calls throttled ÷ KMS calls sent.
    Throttled "throttled" Share "KMS calls throttled";
    /// Requests that started and failed ÷ requests offered.
    Failed "failed" Share "Requests failed";
    /// Requests that never started ÷ requests offered.
    Dropped "dropped" Share "Requests that never started";
    /// Hits ÷ requests that needed a KMS key.
    HitRatio "hit_ratio" Share "Hit ratio";
    /// Successes that ended in the measured part, per second.
    CompletedPerS "completed_per_s" Number "Requests completed per second";
    /// KMS calls per second in the mean.
    KmsCallsPerS "kms_calls_per_s" Number "KMS calls per second";
    /// The most KMS calls in one second.
    KmsPeakPerS "kms_peak_per_s" Number "KMS calls in the busiest second";
    /// KMS calls ÷ requests offered.
    KmsCallsPerRequest "kms_calls_per_request" Number "KMS calls per request";
    /// KMS calls sent ÷ KMS calls needed.
    Amplification "amplification" Number "KMS calls sent per call needed";
    /// Attempts ÷ requests that started.
    Attempts "attempts" Number "Attempts per request";
    /// What a million requests that succeed cost.
    UsdPerMillion "usd_per_million" Usd "USD per million requests";
    /// What of it encryption adds.
    EncryptionUsdPerMillion "encryption_usd_per_million" Usd "USD that encryption adds per million requests";
    /// What encryption adds to a month's bill.
    EncryptionUsdPerMonth "encryption_usd_per_month" Usd "USD that encryption adds per month";
    /// From the start of the first fault to the end of the last second of due times in which a request succeeded; whole
    /// seconds, 0 when none did.
    ServedAfterFault "served_after_fault" Time "How long requests still succeeded";
}

#[expect(clippy::cast_precision_loss, reason = "figures for charts and bands: fifteen digits")]
const fn float(n: u64) -> f64 {
    n as f64
}

impl Figure {
    /// Its place among [`Figure::ALL`].
    pub const fn place(self) -> usize {
        self as usize
    }

    /// What it is of `run`; none where there is nothing that it is of, and of money before `run` is priced.
    pub fn of(self, run: &Summary, scenario: &Scenario) -> Option<f64> {
        let usd = |of: fn(PerMillion) -> Usd| of(run.cost.as_ref()?.per_million?).decimal().to_f64();
        let response = &run.response_time_ns;
        match self {
            Self::P50 => Some(float(response.p50)),
            Self::P99 => Some(float(response.p99)),
            Self::P999 => Some(float(response.p999)),
            Self::P99Success => Some(float(run.response_time_success_ns.p99)),
            Self::CryptoP50 => Some(float(run.phase_ns.crypto.p50)),
            Self::KmsWaitP99 => Some(float(run.kms.wait_ns.p99)),
            Self::LagP99 => Some(float(run.phase_ns.lag.p99)),
            // No call is throttled where none is sent.
            Self::Throttled => run.throttled_share().or(Some(0.0)),
            Self::Failed => run.failed_share(),
            Self::Dropped => run.dropped_share(),
            Self::HitRatio => run.cache.hit_ratio,
            Self::CompletedPerS => Some(run.completed_per_s),
            Self::KmsCallsPerS => Some(run.kms.calls_per_s),
            Self::KmsPeakPerS => Some(float(run.kms.peak_calls_per_s)),
            Self::KmsCallsPerRequest => (run.offered > 0).then(|| float(run.kms.calls) / float(run.offered)),
            Self::Amplification => run.amplification.kms_calls,
            Self::Attempts => run.amplification.attempts,
            Self::UsdPerMillion => usd(|cost| cost.total),
            Self::EncryptionUsdPerMillion => usd(|cost| cost.encryption_adds),
            Self::EncryptionUsdPerMonth => run.cost.as_ref()?.encryption_adds.decimal().to_f64(),
            Self::ServedAfterFault => served_after(run, scenario).map(|span| float(span.as_nanos())),
        }
    }

    /// `value` of it as people read it.
    pub fn show(self, value: f64) -> String {
        self.unit().show(value)
    }
}

impl Unit {
    /// `value` as people read it.
    pub fn show(self, value: f64) -> String {
        self.label()(value)
    }

    /// A limit as it was given, to six digits behind the point.
    pub fn exact(self, value: f64) -> String {
        let trimmed = |value: f64| {
            let text = format!("{value:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        match self {
            Self::Time => time(value),
            Self::Share => format!("{} %", trimmed(value * 100.0)),
            Self::Number | Self::Usd if value >= 1_000.0 => figure::rate(value),
            Self::Number | Self::Usd => trimmed(value),
        }
    }

    /// How its values are written.
    pub const fn label(self) -> fn(f64) -> String {
        match self {
            Self::Time => time,
            Self::Share => |value| figure::share(Some(value)),
            Self::Number => figure::rate,
            Self::Usd => |value| if value < 0.0005 { "0".into() } else { figure::rate(value) },
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded and not negative; beyond u64 it saturates"
)]
fn time(nanos: f64) -> String {
    let whole = libm::round(nanos.max(0.0)) as u64;
    if whole == 0 { "0 s".into() } else { figure::time(whole) }
}

/// Whole seconds from the first fault on in which requests that were due still succeeded, up to the last such second.
fn served_after(run: &Summary, scenario: &Scenario) -> Option<Span> {
    let fault = scenario.faults.iter().map(|fault| fault.at).min()?;
    let start = i64::try_from(fault.as_nanos().div_ceil(NANOS_PER_SECOND)).ok()?;
    let served = run.series.iter().filter(|second| second.completed > 0 && second.second >= start);
    let last = served.map(|second| second.second + 1 - start).max().unwrap_or(0);
    Some(Span::from_seconds(u64::try_from(last).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_list() {
        for (place, figure) in Figure::ALL.iter().enumerate() {
            assert_eq!(figure.place(), place, "{}", figure.as_str());
        }
    }

    #[test]
    fn values_are_written_in_their_units() {
        assert_eq!(Figure::P99.show(1_500_000.0), "1.50 ms");
        assert_eq!(Figure::Throttled.show(0.313), "31.3 %");
        assert_eq!(Figure::KmsCallsPerS.show(5_500.0), "5,500");
        assert_eq!([0.0, 3.0, 0.123_456].map(|usd| Figure::UsdPerMillion.show(usd)), ["0", "3", "0.123"]);
    }
}
