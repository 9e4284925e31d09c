//! Reports as CSV (RFC 4180): one row per run, for spreadsheets and data frames.

use std::io;

use super::{Cost, Report, Summary};

/// What a column is called, and its field for a run.
type Column = (&'static str, fn(&Report, &Summary) -> String);

/// Every column, in order. New ones are added at the end.
const COLUMNS: [Column; 62] = [
    ("report_version", |report, _| report.version.to_string()),
    ("s3seal", |report, _| report.s3seal.clone()),
    ("commit", |report, _| report.commit.clone()),
    ("machine", |report, _| report.machine.clone()),
    ("seed", |report, _| report.seed.to_string()),
    ("valid", |report, _| report.valid.to_string()),
    ("mode", |_, run| run.mode.to_string()),
    ("kind", |_, run| run.kind.as_str().into()),
    ("quota_per_s", |_, run| optional(run.quota_per_s)),
    ("measured_ns", |_, run| run.measured_ns.to_string()),
    ("offered", |_, run| run.offered.to_string()),
    ("completed", |_, run| run.completed.to_string()),
    ("failed", |_, run| run.failed.to_string()),
    ("dropped", |_, run| run.dropped.to_string()),
    ("offered_per_s", |_, run| run.offered_per_s.to_string()),
    ("completed_per_s", |_, run| run.completed_per_s.to_string()),
    ("response_time_p50_ns", |_, run| run.response_time_ns.p50.to_string()),
    ("response_time_p90_ns", |_, run| run.response_time_ns.p90.to_string()),
    ("response_time_p99_ns", |_, run| run.response_time_ns.p99.to_string()),
    ("response_time_p999_ns", |_, run| run.response_time_ns.p999.to_string()),
    ("response_time_max_ns", |_, run| run.response_time_ns.max.to_string()),
    ("response_time_success_p50_ns", |_, run| run.response_time_success_ns.p50.to_string()),
    ("response_time_success_p90_ns", |_, run| run.response_time_success_ns.p90.to_string()),
    ("response_time_success_p99_ns", |_, run| run.response_time_success_ns.p99.to_string()),
    ("response_time_success_p999_ns", |_, run| run.response_time_success_ns.p999.to_string()),
    ("response_time_success_max_ns", |_, run| run.response_time_success_ns.max.to_string()),
    ("service_time_p50_ns", |_, run| run.service_time_ns.p50.to_string()),
    ("service_time_p90_ns", |_, run| run.service_time_ns.p90.to_string()),
    ("service_time_p99_ns", |_, run| run.service_time_ns.p99.to_string()),
    ("service_time_p999_ns", |_, run| run.service_time_ns.p999.to_string()),
    ("service_time_max_ns", |_, run| run.service_time_ns.max.to_string()),
    ("kms_wait_p50_ns", |_, run| run.kms.wait_ns.p50.to_string()),
    ("kms_wait_p90_ns", |_, run| run.kms.wait_ns.p90.to_string()),
    ("kms_wait_p99_ns", |_, run| run.kms.wait_ns.p99.to_string()),
    ("kms_wait_p999_ns", |_, run| run.kms.wait_ns.p999.to_string()),
    ("kms_wait_max_ns", |_, run| run.kms.wait_ns.max.to_string()),
    ("lag_p50_ns", |_, run| run.phase_ns.lag.p50.to_string()),
    ("lag_p90_ns", |_, run| run.phase_ns.lag.p90.to_string()),
    ("lag_p99_ns", |_, run| run.phase_ns.lag.p99.to_string()),
    ("lag_p999_ns", |_, run| run.phase_ns.lag.p999.to_string()),
    ("lag_max_ns", |_, run| run.phase_ns.lag.max.to_string()),
    ("kms_calls", |_, run| run.kms.calls.to_string()),
    ("kms_throttled", |_, run| run.kms.throttled.to_string()),
    ("kms_billed", |_, run| run.kms.billed.to_string()),
    ("kms_calls_per_s", |_, run| run.kms.calls_per_s.to_string()),
    ("kms_peak_calls_per_s", |_, run| run.kms.peak_calls_per_s.to_string()),
    ("hit_ratio", |_, run| optional(run.cache.hit_ratio)),
    ("retries", |_, run| run.retries.to_string()),
    ("kms_amplification", |_, run| optional(run.amplification.kms_calls)),
    ("attempts_per_request", |_, run| optional(run.amplification.attempts)),
    ("bytes", |_, run| run.bytes.to_string()),
    ("bytes_per_s", |_, run| run.bytes_per_s.to_string()),
    ("cost_region", |_, run| cost(run, |cost| Some(cost.region.clone()))),
    ("cost_month", |_, run| cost(run, |cost| Some(cost.month.clone()))),
    ("cost_complete", |_, run| cost(run, |cost| Some(cost.complete.to_string()))),
    ("cost_confirmed", |_, run| cost(run, |cost| Some(cost.confirmed.to_string()))),
    ("total_usd_per_month", |_, run| cost(run, |cost| Some(cost.total.to_string()))),
    ("encryption_usd_per_month", |_, run| cost(run, |cost| Some(cost.encryption_adds.to_string()))),
    ("total_usd_per_million", |_, run| cost(run, |cost| Some(cost.per_million?.total.to_string()))),
    ("encryption_usd_per_million", |_, run| {
        cost(run, |cost| Some(cost.per_million?.encryption_adds.to_string()))
    }),
    ("saves_usd_per_month", |_, run| cost(run, |cost| Some(cost.saves.as_ref()?.usd.to_string()))),
    ("kms_requests_per_month", |_, run| cost(run, |cost| Some(cost.kms_requests.to_string()))),
];

impl Report {
    /// Writes a header and one row per run.
    ///
    /// Times are whole nanoseconds, rates per second, ratios 0 to 1; what does not exist is an empty field.
    ///
    /// # Errors
    ///
    /// What `out` refuses.
    pub fn write_csv(&self, out: &mut impl io::Write) -> io::Result<()> {
        write_row(out, COLUMNS.map(|(name, _)| name.to_owned()))?;
        self.runs.iter().try_for_each(|run| write_row(out, COLUMNS.map(|(_, field)| field(self, run))))
    }
}

fn cost(run: &Summary, field: fn(&Cost) -> Option<String>) -> String {
    run.cost.as_ref().and_then(field).unwrap_or_default()
}

fn optional(field: Option<impl ToString>) -> String {
    field.map(|value| value.to_string()).unwrap_or_default()
}

fn write_row(out: &mut impl io::Write, fields: [String; COLUMNS.len()]) -> io::Result<()> {
    let row = fields.map(|field| quoted(&field)).join(",");
    write!(out, "{row}\r\n")
}

/// RFC 4180: a field with a comma, a quote or a line break stands in quotes, quotes inside it are doubled.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.into()
    }
}
