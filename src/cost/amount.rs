//! A price times a quantity: a ratio of integers, rounded once.

use rust_decimal::Decimal;

use crate::units::Usd;

/// Decimals of the exact value that stands beside a line.
const EXACT_PLACES: u32 = 12;

/// `price × quantity ÷ (per × base)` dollars, exactly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    numerator: u128,
    denominator: u128,
}

impl Amount {
    /// `None` when a product passes 2¹²⁸, or `price` is negative.
    pub(super) fn new(price: Decimal, quantity: u128, per: u64, base: u128) -> Option<Self> {
        let price = price.normalize();
        let mantissa = u128::try_from(price.mantissa()).ok()?;
        let scale = 10_u128.checked_pow(price.scale())?;
        let denominator = base.checked_mul(u128::from(per))?.checked_mul(scale)?;
        // Shortened crosswise, so that only a product that is large in itself overflows.
        let (a, b) = (gcd(mantissa, denominator), gcd(quantity, denominator / gcd(mantissa, denominator)));
        let numerator = (mantissa / a).checked_mul(quantity / b)?;
        Some(Self { numerator, denominator: denominator / a / b })
    }

    /// The value to twelve decimals.
    pub(super) fn exact(self) -> Option<Usd> {
        quotient(self.numerator, self.denominator, EXACT_PLACES).map(Usd::new)
    }

    /// The value to the nearest cent, half up.
    pub(super) fn cents(self) -> Option<Usd> {
        quotient(self.numerator, self.denominator, 2).map(Usd::new)
    }
}

/// `numerator ÷ denominator` to `places` decimals, half up, by integers alone.
///
/// `None` for a zero denominator, or when the result passes what a decimal holds (7.9 × 10²⁸ without its point).
pub fn quotient(numerator: u128, denominator: u128, places: u32) -> Option<Decimal> {
    let scale = 10_u128.checked_pow(places)?;
    let whole = numerator.checked_div(denominator)?;
    let rest = numerator % denominator;
    // The rest is below the denominator: shortened, the product fits for every unit that is billed.
    let common = gcd(rest, denominator).max(1);
    let (rest, denominator) = (rest / common, denominator / common);
    let scaled = rest.checked_mul(scale)?;
    let (digits, remainder) = (scaled / denominator, scaled % denominator);
    let up = u128::from(remainder >= denominator - remainder);
    let mantissa = whole.checked_mul(scale)?.checked_add(digits)?.checked_add(up)?;
    Decimal::try_from_i128_with_scale(i128::try_from(mantissa).ok()?, places).ok()
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_half_goes_up_and_a_hair_less_goes_down() {
        let cents = |n, d| quotient(n, d, 2).unwrap().to_string();
        assert_eq!(cents(5, 1_000), "0.01");
        assert_eq!(cents(4_999_999_999_999, 1_000_000_000_000_000), "0.00");
        assert_eq!(cents(248, 1_000), "0.25");
        // Whose rest has no room for the decimals before it is shortened.
        let huge = 10_u128.pow(30);
        assert_eq!(quotient(3 * huge, 2 * huge, 12).unwrap().to_string(), "1.500000000000");
        assert_eq!(cents(2, 3), "0.67");
    }

    #[test]
    fn what_does_not_fit_is_none() {
        assert_eq!(quotient(1, 0, 2), None);
        assert_eq!(quotient(u128::MAX, 1, 2), None);
        assert!(Amount::new(Decimal::new(-1, 2), 1, 1, 1).is_none());
        assert!(Amount::new(Decimal::new(23, 3), u128::MAX, 1, 1).is_none());
        assert!(Amount::new(Decimal::ZERO, u128::MAX, 1, 1).is_some());
    }

    proptest! {
        /// Against long multiplication: result ≤ n/d + half and > n/d − half.
        #[test]
        fn a_quotient_is_the_nearest(n in 0..1_u128 << 80, d in 1..1_u128 << 60) {
            let q = u128::try_from(quotient(n, d, 2).unwrap().mantissa()).unwrap();
            prop_assert!(2 * q * d <= 2 * n * 100 + d);
            prop_assert!(2 * q * d + d > 2 * n * 100);
        }
    }
}
