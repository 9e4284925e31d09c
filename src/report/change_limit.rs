//! Limits of a change, in words such as `p99>+10%`: what a gate says to a comparison.

use std::fmt;
use std::str::FromStr;

use super::compare::{Change, Measure};

/// What a change must not pass, such as `p99>+10%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangeLimit {
    /// What it is about.
    pub measure: Measure,
    /// Whether it forbids more, not less.
    pub rises: bool,
    /// The change, as a part of what was before.
    pub change: f64,
}

/// A text that is no limit of a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` limits no change: expected a figure and a change, such as p99>+10% or completed<-5%; figures are p50, p90, p99, \
         p999, success_p99, completed, failed, dropped, kms_calls, throttled, hit_ratio and encryption_adds"
)]
pub struct ChangeLimitError(String);

impl ChangeLimit {
    pub(super) fn is_passed_by(self, change: &Change) -> bool {
        // From nothing to something is more than any percentage.
        let by = change.change.unwrap_or(f64::INFINITY);
        change.measure == self.measure && if self.rises { by > self.change } else { by < self.change }
    }
}

impl FromStr for ChangeLimit {
    type Err = ChangeLimitError;

    fn from_str(text: &str) -> Result<Self, ChangeLimitError> {
        let read = || {
            let place = text.find(['<', '>'])?;
            let (word, limit) = (text[..place].trim(), text[place + 1..].trim());
            let measure = Measure::ALL.into_iter().find(|measure| measure.as_str() == word)?;
            // A sign says that a change is meant, not a value.
            let signed = limit.strip_suffix('%').filter(|limit| limit.starts_with(['+', '-']))?;
            let percent: f64 = signed.trim().parse().ok()?;
            percent.is_finite().then_some(Self {
                measure,
                rises: text[place..].starts_with('>'),
                change: percent / 100.0,
            })
        };
        read().ok_or_else(|| ChangeLimitError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for ChangeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.rises { '>' } else { '<' };
        write!(f, "{}{sign}{:+}%", self.measure.as_str(), (self.change * 1e8).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_come_back_as_they_were_given_and_others_are_refused() {
        for text in ["p99>+10%", "completed<-5%", "hit_ratio<-0.5%", "failed>+0%"] {
            assert_eq!(text.parse::<ChangeLimit>().unwrap().to_string(), text);
        }
        for text in ["", "p99", "p99>10%", "p99>+10", "colour>+1%", "p99>+NaN%", "p99=+1%", "é>+1%"] {
            assert!(text.parse::<ChangeLimit>().is_err(), "{text}");
        }
    }
}
