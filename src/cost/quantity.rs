//! Counts and sizes as people write them, read exactly: `10M`, `2.5k`, `1e9`, `64KiB`, `1,000,000`.

use std::str::FromStr;

use rust_decimal::Decimal;

/// A text that is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is {wrong}: expected {expected}")]
pub struct QuantityError {
    /// The text, shortened.
    pub value: String,
    /// What is wrong with it.
    pub wrong: &'static str,
    /// What belongs there.
    pub expected: &'static str,
}

const COUNT_FORM: &str = "a whole number such as 15000, 15k (thousand), 2.5M (million), 1G (billion) or 1e9";
const BYTES_FORM: &str = "a size such as 4096, 64KiB, 1.5GB or 2TiB";
/// Most digits of an exponent: 10^99 passes every count, and its power is never taken.
const EXPONENT_DIGITS: usize = 2;

const COUNT_UNITS: [(&str, u64); 6] =
    [("", 1), ("k", 1_000), ("K", 1_000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000)];

const BYTE_UNITS: [(&str, u64); 12] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
];

/// The count that `text` names; `k`, `M`, `G`, `T` are powers of a thousand. `_` may part the digits anywhere, `,` where
/// thousands end; a decimal comma is refused, for it would be read as ten or a hundred times as much.
///
/// # Errors
/// [`QuantityError`] for what is negative, not whole, beyond 2⁶⁴ − 1 or no number.
pub fn count(text: &str) -> Result<u64, QuantityError> {
    scaled(text, &COUNT_UNITS, COUNT_FORM, str::to_owned)
}

/// The bytes that `text` names; `KiB` is 2¹⁰, `KB` is 10³. Price lists say GB and mean GiB; here they differ.
///
/// # Errors
/// [`QuantityError`] as for [`count`].
pub fn bytes(text: &str) -> Result<u64, QuantityError> {
    scaled(text, &BYTE_UNITS, BYTES_FORM, str::to_ascii_lowercase)
}

const DECIMAL_COMMA: &str = "with a comma where no thousands end (decimals take a point: 2.5M)";

/// `text` without its commas, each of which parts three digits of its number from those before; none where one does not.
pub fn ungrouped(text: &str) -> Option<String> {
    let Some((first, _)) = text.split_once(',') else { return Some(text.to_owned()) };
    let mut groups = text.split(',').skip(1).peekable();
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let leading = first.bytes().rev().take_while(u8::is_ascii_digit).count();
    let mut grouped = (1..=3).contains(&leading) && !first.contains('.');
    while let Some(group) = groups.next() {
        grouped &= digits(group) == 3 && (groups.peek().is_none() || group.len() == 3);
    }
    grouped.then(|| text.replace(',', ""))
}

/// The power of ten at the front of what follows a number's digits (`e9`), and what follows that; 0 where there is none.
fn exponent(rest: &str) -> (u32, &str) {
    let Some(digits) = rest.strip_prefix(['e', 'E']) else { return (0, rest) };
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let power = digits[..length].parse().ok().filter(|_| length <= EXPONENT_DIGITS);
    power.map_or((0, rest), |power| (power, &digits[length..]))
}

fn scaled(
    text: &str,
    units: &[(&str, u64)],
    expected: &'static str,
    spell: impl Fn(&str) -> String,
) -> Result<u64, QuantityError> {
    let wrong = |wrong| QuantityError { value: text.trim().chars().take(40).collect(), wrong, expected };
    let plain: String = text.trim().chars().filter(|c| *c != '_').collect();
    let plain = ungrouped(&plain).ok_or_else(|| wrong(DECIMAL_COMMA))?;
    if plain.starts_with('-') {
        return Err(wrong("negative"));
    }
    let split = plain.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(plain.len());
    let (digits, rest) = plain.split_at(split);
    let (power, unit) = exponent(rest);
    let unit = spell(unit.trim());
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(wrong(if digits.is_empty() { "no number" } else { "in an unknown unit" }));
    };
    let whole_digits = digits.split('.').next().unwrap_or_default().trim_start_matches('0').len();
    if whole_digits > 20 {
        return Err(wrong("too large"));
    }
    let number = Decimal::from_str_exact(digits).map_err(|_| wrong("no number"))?;
    let power = 10_u64.checked_pow(power).ok_or_else(|| wrong("too large"))?;
    let product = number.normalize().checked_mul(Decimal::from(*factor));
    let product = product.and_then(|product| product.normalize().checked_mul(Decimal::from(power)));
    let product = product.ok_or_else(|| wrong("too large"))?;
    if !product.is_integer() {
        return Err(wrong("not whole"));
    }
    u64::from_str(&product.normalize().to_string()).map_err(|_| wrong("too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_and_sizes_are_read_exactly() {
        assert_eq!(count("10M"), Ok(10_000_000));
        assert_eq!(count("2.5k"), Ok(2_500));
        assert_eq!(
            [count("1,000,000"), count("1_0000_00"), count("2,500k")].map(Result::ok),
            [Some(1_000_000), Some(1_000_000), Some(2_500_000)]
        );
        assert_eq!((count("1,234.5k"), bytes("1,024KiB")), (Ok(1_234_500), Ok(1_048_576)));
        assert_eq!(count("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(
            ["1e9", "2.5E6", "1e+3", "1.5e1k", "1e0"].map(|text| count(text).ok()),
            [1_000_000_000, 2_500_000, 1_000, 15_000, 1].map(Some)
        );
        assert_eq!(bytes("1e3KiB"), Ok(1_024_000));
        let units =
            ["1KiB", "1MiB", "1GiB", "1TiB", "1PiB"].map(|text| bytes(text).unwrap().trailing_zeros());
        assert_eq!(units, [10, 20, 30, 40, 50]);
        let units = ["1kb", "1MB", "1GB", "1TB", "1PB"].map(|text| bytes(text).unwrap().ilog10());
        assert_eq!(units, [3, 6, 9, 12, 15]);
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("1.5 GiB"), Ok(1_610_612_736));
        assert_eq!(bytes("5MB"), Ok(5_000_000));
        // 0.7 PiB has no exact binary fraction; a float would be off by bytes.
        assert_eq!(bytes("0.75PiB"), Ok(844_424_930_131_968));
    }

    #[test]
    fn what_is_no_quantity_is_refused_and_says_why() {
        for (text, wrong) in [
            ("-1", "negative"),
            ("1.5", "not whole"),
            ("", "no number"),
            ("ten", "no number"),
            ("1.2.3", "no number"),
            ("5 apples", "in an unknown unit"),
            ("300m", "in an unknown unit"),
            ("1e", "in an unknown unit"),
            ("1e-3", "in an unknown unit"),
            ("1e123", "in an unknown unit"),
            ("e9", "no number"),
            ("1e20", "too large"),
            ("1e99", "too large"),
            ("1.23e1", "not whole"),
            ("2,5M", DECIMAL_COMMA),
            ("1,5", DECIMAL_COMMA),
            ("0,5k", DECIMAL_COMMA),
            ("1,000,00", DECIMAL_COMMA),
            ("1,0000", DECIMAL_COMMA),
            ("1000,000", DECIMAL_COMMA),
            (",500", DECIMAL_COMMA),
            ("1,,000", DECIMAL_COMMA),
            ("1,000k,000", DECIMAL_COMMA),
            ("1,000.5,000", DECIMAL_COMMA),
            ("1.5,000", DECIMAL_COMMA),
            ("18446744073709551616", "too large"),
            ("99999999999999999999999999999999", "too large"),
            ("99999999T", "too large"),
        ] {
            assert_eq!(count(text).unwrap_err().wrong, wrong, "{text}");
        }
        assert_eq!(bytes("1,5KB").unwrap_err().wrong, DECIMAL_COMMA);
        assert_eq!(bytes("10m").unwrap_err().wrong, "in an unknown unit");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_quantity_panic(text in ".*") {
            let _ = (count(&text), bytes(&text));
        }

        #[test]
        fn digits_are_read_back(n: u64) {
            prop_assert_eq!(count(&n.to_string()), Ok(n));
            prop_assert_eq!(bytes(&n.to_string()), Ok(n));
        }
    }
}
