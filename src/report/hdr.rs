//! Interval logs that the `HdrHistogram` tools read: one histogram per run, operation and phase.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, IntervalLogWriterError, LogEntry, Tag,
};

use super::distribution::empty;
use super::record::unpacked;
use super::recorder::{Phase, Recorder};
use crate::request::Operation;
use crate::units::Timestamp;

/// Nanoseconds in the log, milliseconds in its `Interval_Max` column, as the tools have it.
const MAX_DIVISOR: f64 = 1e6;

/// One run of a log.
#[derive(Clone, Copy, Debug)]
pub struct LoggedRun<'a> {
    /// How the tags of the run start, `sse-kms` say; what a tag may not hold becomes `_`.
    pub label: &'a str,
    /// Its merged rows.
    pub recorder: &'a Recorder,
    /// When the measured part really ended.
    pub until: Timestamp,
}

/// Writes the distributions of `runs` as an interval log (format version 1.3, compressed V2 histograms).
///
/// The tag is `label/operation/phase`, for all requests that started, and `label/operation/phase-of-successes` for
/// the successes where some did not succeed. Values are nanoseconds. The whole measured part is one interval that
/// starts at 0; phases in which every span was zero are left out, except the response time.
///
/// # Errors
///
/// What `out` refuses.
pub fn write_interval_log(out: &mut impl io::Write, runs: &[LoggedRun<'_>]) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[s3seal: values in nanoseconds, Interval_Max in milliseconds]")
        .with_max_value_divisor(MAX_DIVISOR)
        .begin_log_with(out, &mut serializer)?;
    for run in runs {
        let window = run.recorder.window();
        let length = Duration::from(window.until.min(run.until).since(window.from));
        for operation in Operation::ALL {
            let ended = run.recorder.distribution(operation, Phase::Response, false).count();
            let succeeded = run.recorder.distribution(operation, Phase::Response, true).count();
            let selections: &[(bool, &str)] = match ended {
                0 => &[],
                n if n == succeeded => &[(false, "")],
                _ => &[(false, ""), (true, "-of-successes")],
            };
            for (phase, (successes_only, suffix)) in Phase::ALL
                .into_iter()
                .flat_map(|phase| selections.iter().map(move |selection| (phase, *selection)))
            {
                let distribution = run.recorder.distribution(operation, phase, successes_only);
                if distribution.percentiles().max == 0 && phase != Phase::Response {
                    continue;
                }
                let tag = tag(run.label, operation, phase, suffix);
                let histogram = distribution.to_histogram();
                log.write_histogram(&histogram, Duration::ZERO, length, Tag::new(&tag)).map_err(to_io)?;
            }
        }
    }
    Ok(())
}

/// Writes one interval log of several, each with the name that errors call it by: histograms of one tag are added up, without
/// loss.
///
/// # Errors
///
/// A log that does not read, with its name; what `out` refuses.
pub fn merge_interval_logs(out: &mut impl io::Write, logs: &[(String, String)]) -> io::Result<()> {
    let mut merged: BTreeMap<String, (Histogram<u64>, Duration)> = BTreeMap::new();
    for (name, text) in logs {
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {what}"));
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            let entry = entry.map_err(|error| wrong(format!("no interval log: {error:?}")))?;
            let LogEntry::Interval(interval) = entry else { continue };
            let histogram = unpacked(interval.encoded_histogram()).map_err(wrong)?;
            let tag = interval.tag().map_or_else(String::new, |tag| tag.as_str().to_owned());
            let (sum, length) = merged.entry(tag).or_insert_with(|| (empty(), Duration::ZERO));
            sum.add(&histogram).map_err(|error| wrong(error.to_string()))?;
            *length = interval.duration().max(*length);
        }
    }
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[s3seal: values in nanoseconds, Interval_Max in milliseconds]")
        .with_max_value_divisor(MAX_DIVISOR)
        .begin_log_with(out, &mut serializer)?;
    for (tag, (histogram, length)) in &merged {
        log.write_histogram(histogram, Duration::ZERO, *length, Tag::new(tag)).map_err(to_io)?;
    }
    Ok(())
}

fn tag(label: &str, operation: Operation, phase: Phase, suffix: &str) -> String {
    let harmless: String = label
        .chars()
        .map(|c| if c == ',' || c.is_whitespace() || c.is_control() { '_' } else { c })
        .collect();
    format!("{harmless}/{operation}/{}{suffix}", phase.as_str())
}

fn to_io<E: std::error::Error + Send + Sync + 'static>(error: IntervalLogWriterError<E>) -> io::Error {
    match error {
        IntervalLogWriterError::IoError(error) => error,
        IntervalLogWriterError::SerializeError(error) => io::Error::other(error),
    }
}
