//! Knobs: fields of a scenario that an experiment turns, with the values that each takes.

use toml::Value;

use crate::report::figure;
use crate::workload::{bytes, span};

/// What is turned.
#[derive(Clone, Debug, PartialEq)]
pub struct Knob {
    /// `mode`, `kind`, or the path of a scenario's field.
    pub path: String,
    /// At least one, no two alike.
    pub values: Vec<Value>,
}

/// Most values of one knob.
pub const VALUES_MAX: usize = 1_000;

impl Knob {
    /// A short name: the last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// The value at `place` as people read it.
    pub fn show(&self, place: usize) -> String {
        self.values.get(place).map(show).unwrap_or_default()
    }

    /// Where its values stand on an axis, in their order: by what they measure where all are numbers, durations or sizes,
    /// one after the other else. Beyond a factor of 30 by their logarithms.
    pub fn places(&self) -> Vec<f64> {
        let measured =
            |read: fn(&Value) -> Option<f64>| self.values.iter().map(read).collect::<Option<Vec<_>>>();
        let numbers = measured(number).or_else(|| measured(nanos)).or_else(|| measured(size));
        let Some(numbers) = numbers else {
            let count = u32::try_from(self.values.len()).unwrap_or(0);
            return (0..count).map(f64::from).collect();
        };
        let low = numbers.iter().copied().fold(f64::MAX, f64::min);
        let high = numbers.iter().copied().fold(f64::MIN, f64::max);
        if low > 0.0 && high / low >= 30.0 { numbers.into_iter().map(libm::log10).collect() } else { numbers }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place on an axis")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Float(n) => Some(*n),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place on an axis")]
fn nanos(value: &Value) -> Option<f64> {
    span(value.as_str()?).map(|span| span.as_nanos() as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a place on an axis")]
fn size(value: &Value) -> Option<f64> {
    bytes(value.as_str()?).map(|bytes| bytes as f64)
}

/// `value` as people read it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => figure::name(text, 60),
        Value::Integer(n) if *n >= 0 => figure::count(n.unsigned_abs()),
        Value::Float(n) => n.to_string(),
        other => figure::name(&other.to_string(), 60),
    }
}

/// Whether two values are the same: 5500 is 5500.0.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    a == b || number(a).zip(number(b)).is_some_and(|(a, b)| (a - b).abs() <= f64::EPSILON * a.abs())
}

/// Numbers from `from` up to `to`, each by `step` more than the one before or `factor` times it; none where that does not
/// end or gives more than [`VALUES_MAX`].
pub(super) fn range(from: f64, to: f64, step: Option<f64>, factor: Option<f64>) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    let (mut at, mut count) = (from, 0_u32);
    // A float that falls short of the end by its last digits is the end.
    while at <= to * (1.0 + 1e-9) {
        if values.len() == VALUES_MAX {
            return None;
        }
        values.push(written(at));
        count += 1;
        at = match (step, factor) {
            (Some(step), None) if step > 0.0 => from + step * f64::from(count),
            (None, Some(factor)) if factor > 1.0 && from > 0.0 => from * libm::pow(factor, f64::from(count)),
            _ => return None,
        };
    }
    (!values.is_empty()).then_some(values)
}

/// Whole numbers as such: fields that count take no others.
#[expect(clippy::cast_possible_truncation, reason = "whole and far below 2⁵³")]
fn written(n: f64) -> Value {
    let whole = libm::round(n);
    if (n - whole).abs() <= 1e-9 * n.abs().max(1.0) && whole.abs() < 9e15 {
        Value::Integer(whole as i64)
    } else {
        Value::Float(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_go_by_steps_and_by_factors_and_reach_their_end() {
        let whole = |values: &[i64]| Some(values.iter().copied().map(Value::Integer).collect::<Vec<_>>());
        assert_eq!(range(1_000.0, 4_000.0, Some(1_000.0), None), whole(&[1_000, 2_000, 3_000, 4_000]));
        assert_eq!(range(1.0, 1_000.0, None, Some(10.0)), whole(&[1, 10, 100, 1_000]));
        assert_eq!(range(0.1, 0.3, Some(0.1), None).unwrap().len(), 3);
        for (from, to, step, factor) in [
            (1.0, 9.0, Some(0.0), None),
            (1.0, 9.0, None, Some(1.0)),
            (0.0, 9.0, None, Some(2.0)),
            (9.0, 1.0, Some(1.0), None),
        ] {
            assert_eq!(range(from, to, step, factor), None);
        }
        assert_eq!(range(1.0, 1e9, Some(1.0), None), None, "too many");
    }

    #[test]
    fn values_stand_by_what_they_measure() {
        let knob = |values: &[&str]| Knob {
            path: "cache.max_age".into(),
            values: values.iter().map(|text| Value::String((*text).into())).collect(),
        };
        assert_eq!(knob(&["1s", "2s"]).places(), [1e9, 2e9]);
        assert_eq!(knob(&["1s", "1000s"]).places(), [9.0, 12.0]);
        assert_eq!(knob(&["1KiB", "2KiB"]).places(), [1_024.0, 2_048.0]);
        assert_eq!(knob(&["sse-s3", "dsse-kms"]).places(), [0.0, 1.0]);
        assert_eq!(knob(&["1s"]).name(), "max_age");
    }
}
