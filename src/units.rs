//! Numbers with units: time, money, seeds. The only place where a unit is converted.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use jiff::{Span as CalendarSpan, SpanRelativeTo};
use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// An instant: whole nanoseconds since the start of the clock that gave it.
///
/// Pure code receives it as `now` and never asks for it. In a simulation the clock starts at 0; live it is
/// `CLOCK_BOOTTIME`, so that a suspended machine ages its keys. Two timestamps may be compared only within one
/// clock. 2⁶⁴ ns is 584 years; arithmetic saturates there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The start of the clock.
    pub const ZERO: Self = Self(0);
    /// An instant that never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `nanos` ns after the start of the clock.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `millis` ms after the start of the clock.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The instant `seconds` s after the start of the clock.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since the start of the clock.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Index of the one-second interval that holds this instant: ⌊t / 1 s⌋.
    pub const fn second(self) -> u64 {
        self.0 / NANOS_PER_SECOND
    }

    /// `self − earlier`, zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Span(self.0))
    }
}

/// A length of time in whole nanoseconds; never negative. Arithmetic saturates at 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than any run.
    pub const MAX: Self = Self(u64::MAX);

    /// `nanos` ns.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `micros` µs.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// `millis` ms.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// `seconds` s.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// `days` × 86,400 s.
    pub const fn from_days(days: u64) -> Self {
        Self::from_seconds(days.saturating_mul(86_400))
    }

    /// Whole nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// `self × factor`.
    #[must_use]
    pub const fn saturating_mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_nanos(span.0)
    }
}

/// A text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no length of time: expected one such as 250ms, 5s, 1h30m or 30d")]
pub struct SpanError(String);

impl FromStr for Span {
    type Err = SpanError;

    /// `5s`, `1h30m`, `1.5ms`, `30d`, `PT5S`; a day is 24 hours. Neither negative nor above 584 years.
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let nanos = || {
            let parsed: CalendarSpan = text.trim().parse().ok()?;
            let length = parsed.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
            u64::try_from(length.as_nanos()).ok()
        };
        nanos().map(Self).ok_or_else(|| SpanError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Span {
    /// The largest unit that leaves a whole part, at most three decimals: `1.5 s`, `250 ms`, `20 µs`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0 => return f.write_str("0 s"),
            n if n >= NANOS_PER_SECOND => (NANOS_PER_SECOND, "s"),
            n if n >= 1_000_000 => (1_000_000, "ms"),
            n if n >= 1_000 => (1_000, "µs"),
            n => return write!(f, "{n} ns"),
        };
        let whole = self.0 / unit;
        let thousandths = self.0 % unit / (unit / 1_000);
        if thousandths == 0 {
            return write!(f, "{whole} {name}");
        }
        let digits = format!("{thousandths:03}");
        write!(f, "{whole}.{} {name}", digits.trim_end_matches('0'))
    }
}

/// An amount in US dollars, exact in decimals; there is no way into it from a float. May be negative: a difference.
///
/// ```compile_fail,E0308
/// s3seal::units::Usd::new(0.03);
/// ```
///
/// Holds up to 7.9 × 10²⁸ in units of its last digit; the arithmetic panics beyond, where a bill has refused long
/// before (`cost::BillError`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(Decimal);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// `amount` dollars.
    pub const fn new(amount: Decimal) -> Self {
        Self(amount)
    }

    /// `cents` ÷ 100 dollars.
    pub fn from_cents(cents: i64) -> Self {
        Self(Decimal::new(cents, 2))
    }

    /// The amount in dollars.
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// To the nearest cent, a half away from zero, as each line of an AWS bill is.
    #[must_use]
    pub fn to_cents(self) -> Self {
        Self(self.0.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero))
    }

    /// To `places` decimals, a half away from zero, without needless zeros.
    #[must_use]
    pub fn rounded(self, places: u32) -> Self {
        Self(self.0.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero).normalize())
    }

    /// Whole cents, rounded as by [`Self::to_cents`].
    ///
    /// # Panics
    /// Beyond 2⁶³ cents: 9.2 × 10¹⁶ dollars.
    pub fn cents(self) -> i64 {
        let mut cents = self.to_cents().0;
        cents.rescale(2);
        i64::try_from(cents.mantissa()).expect("a bill refuses amounts beyond")
    }

    /// `self × factor`.
    ///
    /// # Panics
    /// When the product passes what a decimal holds.
    #[must_use]
    pub fn times(self, factor: u64) -> Self {
        Self(self.0 * Decimal::from(factor))
    }

    /// What a million operations cost when `operations` of them cost `self`; `None` for no operation.
    /// To 28 significant digits.
    pub fn per_million(self, operations: u64) -> Option<Self> {
        self.0.checked_mul(Decimal::from(1_000_000))?.checked_div(Decimal::from(operations)).map(Self)
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Usd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Usd {
    /// Every digit, at least two behind the point: `5.97`, `0.0931`, `-12.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = self.0.normalize();
        if amount.scale() < 2 {
            amount.rescale(2);
        }
        f.pad(&amount.to_string())
    }
}

impl Serialize for Usd {
    /// As text, every digit: a JSON number is a float to most readers.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    /// From text alone; a number is refused, for it may have been a float.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Usd;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("US dollars as text such as \"5.97\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Usd, E> {
                let amount = Decimal::from_str_exact(text).map(Usd);
                amount.map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The one number from which every random choice of a run follows.
///
/// Each use draws from a stream of its own, named after it, so that a new use leaves the others as they were.
/// Never a source of keys: those come from the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

/// A deterministic stream of random numbers (xoshiro256++).
pub type Stream = Xoshiro256PlusPlus;

impl Seed {
    /// The stream `name`, number `index`: seeded with SHA-256(seed ‖ index ‖ name).
    pub fn stream(self, name: &str, index: u64) -> Stream {
        let mut hash = Sha256::new();
        hash.update(self.0.to_le_bytes());
        hash.update(index.to_le_bytes());
        hash.update(name.as_bytes());
        Stream::from_seed(hash.finalize().into())
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::Rng;

    #[test]
    fn spans_are_shown_in_the_largest_unit_that_leaves_a_whole_part() {
        let shown = [0, 7, 20_000, 250_000_000, 1_500_000_000, 86_400 * NANOS_PER_SECOND]
            .map(|n| Span::from_nanos(n).to_string());
        assert_eq!(shown, ["0 s", "7 ns", "20 µs", "250 ms", "1.5 s", "86400 s"]);
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::MAX + Span::from_nanos(1), Timestamp::MAX);
        assert_eq!(Timestamp::ZERO.since(Timestamp::from_seconds(1)), Span::ZERO);
        assert_eq!(Timestamp::from_seconds(1) - Span::from_seconds(2), Timestamp::ZERO);
    }

    #[test]
    fn dollars_round_a_half_away_from_zero_and_show_every_digit() {
        let shown = |cents_of_thousandths: i64| {
            let exact = Usd::new(Decimal::new(cents_of_thousandths, 3));
            (exact.to_string(), exact.to_cents().to_string())
        };
        assert_eq!(shown(248), ("0.248".into(), "0.25".into()));
        assert_eq!(shown(5), ("0.005".into(), "0.01".into()));
        assert_eq!(shown(-15), ("-0.015".into(), "-0.02".into()));
        assert_eq!(shown(1_500_000), ("1500.00".into(), "1500.00".into()));
        let third = Usd::new(Decimal::new(1, 0) / Decimal::new(3, 0));
        assert_eq!((third.rounded(6).to_string(), third.cents()), ("0.333333".into(), 33));
        assert_eq!(Usd::new(Decimal::new(-5, 0)).cents(), -500);
    }

    #[test]
    fn dollars_are_text_in_json_and_a_number_is_refused() {
        let text = serde_json::to_string(&Usd::from_cents(-597)).unwrap();
        assert_eq!(text, "\"-5.97\"");
        assert_eq!(serde_json::from_str::<Usd>(&text).unwrap(), Usd::from_cents(-597));
        for wrong in ["5.97", "\"5.97 USD\"", "\"\"", "null", "\"1e3\""] {
            assert!(serde_json::from_str::<Usd>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_cost_of_a_million_operations_needs_at_least_one() {
        assert_eq!(Usd::from_cents(597).per_million(1_990_000), Some(Usd::from_cents(300)));
        assert_eq!(Usd::from_cents(597).per_million(0), None);
    }

    #[test]
    fn streams_differ_by_name_and_index_and_repeat_by_seed() {
        let first = |seed: u64, name: &str, index: u64| Seed(seed).stream(name, index).next_u64();
        assert_eq!(first(1, "arrival", 0), first(1, "arrival", 0));
        assert_ne!(first(1, "arrival", 0), first(1, "arrival", 1));
        assert_ne!(first(1, "arrival", 0), first(1, "size", 0));
        assert_ne!(first(1, "arrival", 0), first(2, "arrival", 0));
    }
}
