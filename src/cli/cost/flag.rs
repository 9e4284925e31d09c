//! Values of flags: loads, sizes, shares, limits. Exact, without floats.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use s3seal::cost::{Month, bytes, count, ungrouped};
use s3seal::units::Usd;

/// A number of requests, by the month or at a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    count: u64,
    /// Seconds in which that many come; `None` for the month.
    seconds: Option<u64>,
}

impl Load {
    /// Requests in `month`; `None` beyond 2⁶⁴ − 1. A rate goes on for all its seconds.
    pub(super) fn requests(self, month: Month) -> Option<u64> {
        match self.seconds {
            None => Some(self.count),
            // Every period divides a day, so this leaves no rest.
            Some(seconds) => self.count.checked_mul(month.seconds() / seconds),
        }
    }
}

impl FromStr for Load {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, period) =
            text.split_once('/').map_or((text, None), |(number, period)| (number, Some(period)));
        let seconds = match period.map(str::trim) {
            None | Some("month") => None,
            Some("s") => Some(1),
            Some("min") => Some(60),
            Some("h") => Some(3_600),
            Some("day") => Some(86_400),
            Some(other) => return Err(format!("`{other}` is no period: expected s, min, h, day or month")),
        };
        Ok(Self { count: count(number).map_err(|error| error.to_string())?, seconds })
    }
}

/// A plain count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl FromStr for Count {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        count(text).map(Self).map_err(|error| error.to_string())
    }
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        bytes(text).map(Self).map_err(|error| error.to_string())
    }
}

/// A share from 0 to 1, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share(u64);

const WHOLE: u64 = 1_000_000;

impl Share {
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn percent(percent: u64) -> Self {
        Self(percent * (WHOLE / 100))
    }

    /// What is left of `count` after this share is taken away, rounded up: a part of a call is a call.
    pub(super) fn rest(self, count: u64) -> u64 {
        let rest = u128::from(count) * u128::from(WHOLE - self.0);
        u64::try_from(rest.div_ceil(u128::from(WHOLE))).expect("no more than the count")
    }
}

impl FromStr for Share {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let error =
            || format!("`{text}` is no share: expected 0 to 1, or 0% to 100%, with at most six decimals");
        let (number, whole) = match text.strip_suffix('%') {
            Some(number) => (number.trim(), WHOLE / 100),
            None => (text, WHOLE),
        };
        let millionths =
            Decimal::from_str_exact(number).ok().and_then(|n| n.checked_mul(Decimal::from(whole)));
        let millionths =
            millionths.filter(Decimal::is_integer).and_then(|n| u64::try_from(n.normalize().mantissa()).ok());
        match millionths {
            Some(n) if n <= WHOLE => Ok(Self(n)),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", Decimal::new(i64::try_from(self.0).unwrap_or_default(), 4).normalize())
    }
}

/// A condition that a bill should not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// About what encryption adds; otherwise about the whole month.
    pub(super) encryption: bool,
    /// Whether meeting it exactly counts.
    inclusive: bool,
    usd: Usd,
}

impl Limit {
    pub(super) fn passed(&self, value: Usd) -> bool {
        value > self.usd || (self.inclusive && value == self.usd)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = if self.encryption { "encryption" } else { "month" };
        let sign = if self.inclusive { ">=" } else { ">" };
        write!(f, "{metric}{sign}{}USD", self.usd.decimal())
    }
}

impl FromStr for Limit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let error = || {
            format!(
                "`{text}` is no condition: expected `month>500USD` or `encryption>=20USD`, at most two decimals"
            )
        };
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (metric, rest) = compact.split_once('>').ok_or_else(error)?;
        let encryption = match metric {
            "month" => false,
            "encryption" => true,
            _ => return Err(error()),
        };
        let (inclusive, amount) = rest.strip_prefix('=').map_or((false, rest), |amount| (true, amount));
        let amount = amount.strip_suffix("USD").unwrap_or(amount);
        let amount = &ungrouped(amount).ok_or_else(error)?;
        let plain = !amount.is_empty() && amount.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let usd =
            Decimal::from_str_exact(amount).ok().filter(|usd| plain && usd.scale() <= 2).ok_or_else(error)?;
        Ok(Self { encryption, inclusive, usd: Usd::new(usd) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_by_the_month_or_at_a_rate() {
        let month: Month = "2026-02".parse().unwrap();
        let requests = |text: &str| text.parse::<Load>().unwrap().requests(month);
        assert_eq!(requests("10M"), Some(10_000_000));
        assert_eq!(requests("10/s"), Some(10 * 28 * 86_400));
        assert_eq!(requests("5k/day"), Some(140_000));
        assert_eq!(requests("18446744073709551615/s"), None);
        assert!("10/week".parse::<Load>().is_err());
    }

    #[test]
    fn shares_are_exact_and_a_part_of_a_call_is_a_call() {
        let share = |text: &str| text.parse::<Share>();
        assert_eq!(share("0.99"), share("99%"));
        assert_eq!([share("1").unwrap(), share("0").unwrap()], [Share(1_000_000), Share(0)]);
        assert_eq!(share("100%").unwrap(), Share(1_000_000));
        assert_eq!(share("10%").unwrap(), Share(100_000));
        for text in ["1.1", "-0.1", "101%", "", "half", "0.1234567"] {
            assert!(share(text).is_err(), "{text}");
        }
        assert_eq!(share("0.99").unwrap().rest(101), 2);
        // Encryption SDK, data key caching guide: 500 and 1,000 requests a second, a key good for 100 uses.
        assert_eq!([500, 1_000].map(|calls| share("0.99").unwrap().rest(calls)), [5, 10]);
        assert_eq!(Share::NONE.rest(u64::MAX), u64::MAX);
        assert_eq!(share("0.9733").unwrap().to_string(), "97.33 %");
    }

    #[test]
    fn limits_hold_above_or_at_their_amount() {
        let limit = |text: &str| text.parse::<Limit>().unwrap();
        let usd = |cents| Usd::from_cents(cents);
        assert!(!limit("month>500USD").passed(usd(50_000)) && limit("month>500USD").passed(usd(50_001)));
        assert!(limit("encryption >= 20 USD").passed(usd(2_000)));
        assert!(
            !limit("month>5,000USD").passed(usd(500_000)) && limit("month>5,000USD").passed(usd(500_001))
        );
        for text in [
            "month>5,00USD",
            "month<5USD",
            "year>5USD",
            "month>",
            "month>-1USD",
            "month>5EUR",
            "month>0.001USD",
        ] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }
}
