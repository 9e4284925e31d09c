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
    "`{text}` limits no change{hint}: expected a figure and a change, such as p99>+10% or completed<-5%; figures are p50, p90, \
         p99, p999, success_p99, completed, failed, dropped, kms_calls, throttled, hit_ratio and encryption_adds"
)]
pub struct ChangeLimitError {
    text: String,
    /// What it lacks to be one.
    hint: String,
}

impl ChangeLimitError {
    fn new(text: &str) -> Self {
        let shown: String = text.chars().take(40).collect();
        let plain: String = shown.split_whitespace().collect();
        let signed = plain.replacen('>', ">+", 1).replacen('<', "<-", 1);
        let mended = [
            (format!("{plain}%"), "its %"),
            (signed.clone(), "the sign that a change has"),
            (format!("{signed}%"), "the sign and the % that a change has"),
        ];
        let lacks = mended.into_iter().find(|(text, _)| ChangeLimit::read(text).is_some());
        let hint = lacks
            .map_or_else(String::new, |(text, what)| format!(", for it lacks {what} (did you mean {text}?)"));
        Self { text: shown, hint }
    }
}

impl ChangeLimit {
    fn read(text: &str) -> Option<Self> {
        let place = text.find(['<', '>'])?;
        let (word, limit) = (text[..place].trim(), text[place + 1..].trim());
        let measure = Measure::ALL.into_iter().find(|measure| measure.as_str() == word)?;
        // A sign says that a change is meant, not a value.
        let signed = limit.strip_suffix('%').filter(|limit| limit.starts_with(['+', '-']))?;
        let percent: f64 = signed.trim().parse().ok()?;
        let rises = text[place..].starts_with('>');
        percent.is_finite().then_some(Self { measure, rises, change: percent / 100.0 })
    }

    pub(super) fn is_passed_by(self, change: &Change) -> bool {
        // From nothing to something is more than any percentage.
        let by = change.change.unwrap_or(f64::INFINITY);
        change.measure == self.measure && if self.rises { by > self.change } else { by < self.change }
    }
}

impl FromStr for ChangeLimit {
    type Err = ChangeLimitError;

    fn from_str(text: &str) -> Result<Self, ChangeLimitError> {
        Self::read(text).ok_or_else(|| ChangeLimitError::new(text))
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

    #[test]
    fn what_a_limit_lacks_is_named() {
        let said = |text: &str| text.parse::<ChangeLimit>().unwrap_err().to_string();
        let mended = |text: &str| said(text).split_once(": expected").unwrap().0.to_owned();
        assert_eq!(
            mended("p99>+10"),
            "`p99>+10` limits no change, for it lacks its % (did you mean p99>+10%?)"
        );
        assert_eq!(
            mended("completed<5%"),
            "`completed<5%` limits no change, for it lacks the sign that a change has (did you mean completed<-5%?)"
        );
        assert!(
            mended("p99 > 10")
                .ends_with("lacks the sign and the % that a change has (did you mean p99>+10%?)")
        );
        assert_eq!(mended("colour>+1"), "`colour>+1` limits no change");
    }
}
