//! Calendar months: what a bill is for.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

/// A calendar month in UTC, the period of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// Its first day.
    first: Date,
}

/// A text that is no month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no month: expected a year and a month such as 2026-10, from 2006-03 on")]
pub struct MonthError(String);

impl Month {
    /// The month that holds `day`; `None` before March 2006, when S3 opened.
    pub fn of(day: Date) -> Option<Self> {
        let first = day.first_of_month();
        (first >= Date::constant(2006, 3, 1)).then_some(Self { first })
    }

    /// Its first day.
    pub const fn first(self) -> Date {
        self.first
    }

    /// The month after it; itself at the end of the calendar, in 9999.
    #[must_use]
    pub fn next(self) -> Self {
        self.first.last_of_month().tomorrow().map_or(self, |first| Self { first })
    }

    /// Its hours, 672 to 744: what byte-hours and key-hours are divided by.
    ///
    /// Source: S3 FAQ, storage example (744 hours in March); FOCUS 1.0 sample, one KMS key-hour of September = 1/720.
    pub fn hours(self) -> u64 {
        24 * u64::try_from(self.first.days_in_month()).expect("a month has days")
    }

    /// Its seconds.
    pub fn seconds(self) -> u64 {
        self.hours() * 3_600
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04}-{:02}", self.first.year(), self.first.month()))
    }
}

impl FromStr for Month {
    type Err = MonthError;
    fn from_str(text: &str) -> Result<Self, MonthError> {
        let error = || MonthError(text.chars().take(40).collect());
        let well_formed = text.len() == 7
            && text.bytes().enumerate().all(|(i, b)| if i == 4 { b == b'-' } else { b.is_ascii_digit() });
        if !well_formed {
            return Err(error());
        }
        let (year, month) = (text[..4].parse().ok(), text[5..].parse().ok());
        let day = year.zip(month).and_then(|(year, month)| Date::new(year, month, 1).ok());
        day.and_then(Self::of).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_know_their_hours_and_successors() {
        let hours = |text: &str| text.parse::<Month>().unwrap().hours();
        assert_eq!(
            [hours("2026-02"), hours("2024-02"), hours("2026-09"), hours("2026-03")],
            [672, 696, 720, 744]
        );
        assert_eq!("2026-12".parse::<Month>().unwrap().next().to_string(), "2027-01");
        assert_eq!("9999-12".parse::<Month>().unwrap().next().to_string(), "9999-12");
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in [
            "2026",
            "2026/10",
            "2026x10",
            "2026-13",
            "2026-00",
            "2006-02",
            "2026-1",
            "26-10",
            "2026-10-01",
            "",
            "2026‑1",
        ] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
