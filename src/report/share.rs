//! Whose the lines of a run's bill are: by bucket, principal, operation and KMS key, to the exact decimal.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::cost::CLASSES;
use super::summary::{S3Requests, Share, Summary};
use crate::cost::{Item, Line};
use crate::request::SseMode;
use crate::units::Usd;

/// Decimals of an exact amount, as of the line that it is a part of.
const EXACT_PLACES: u32 = 12;
/// Sums of counts are kept below 2^this, so that their products fit.
const WEIGHT_BITS: u32 = 60;

/// Who causes the charges for requests and bytes: KMS requests, S3 requests, bytes under DSSE-KMS; by KMS key those for KMS
/// requests alone. Item by item the parts of each list sum to the lines of the bill, quantity, amount and exact amount.
///
/// Law: `tests/report/cost.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostAttribution {
    /// By bucket.
    pub bucket: Vec<CostShare>,
    /// By principal.
    pub principal: Vec<CostShare>,
    /// By S3 operation, and refresh ahead.
    pub operation: Vec<CostShare>,
    /// By KMS key, without its monthly price.
    pub kms_key: Vec<CostShare>,
}

/// The part of one member in the bill of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostShare {
    /// Its name; none for all the members that the list does not name.
    pub name: Option<String>,
    /// KMS requests that it is billed for.
    pub kms_requests: u64,
    /// What they cost, to the cent; none where no price is known.
    pub usd: Option<Usd>,
    /// Everything that it is billed for: the sum of [`Self::parts`] to the cent. None where a price is not known, among KMS
    /// keys, and in reports that an older program ran.
    #[serde(default)]
    pub total: Option<Usd>,
    /// The same before rounding.
    #[serde(default)]
    pub total_exact: Option<Usd>,
    /// Item by item, those of which the bill has a line.
    #[serde(default)]
    pub parts: Vec<CostPart>,
}

/// The part of one member in one item of the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostPart {
    /// As the lines of the bill have it: `kms-request`, `put-request`, `get-request`, `delete-request`, `dsse`.
    pub item: String,
    /// How much: requests, or bytes.
    pub quantity: u64,
    /// To the cent; none where no price is known.
    pub amount: Option<Usd>,
    /// To twelve decimals; none where no price is known.
    pub exact: Option<Usd>,
}

impl S3Requests {
    /// How much of it `item` bills under `mode`.
    pub(super) fn billed(&self, item: Item, mode: SseMode) -> u64 {
        match CLASSES.iter().position(|class| *class == item) {
            Some(class) => self.requests[class],
            None if item == Item::Dsse && mode == SseMode::DsseKms => self.crypto_bytes,
            None => 0,
        }
    }
}

impl CostAttribution {
    /// `lines`, which bill a month of `run`, divided among its members; `quantity` says how much of an item the month has.
    pub(super) fn of(run: &Summary, lines: &[Line], quantity: impl Fn(Item) -> u64) -> Self {
        let whole = |item| Whole::of(item, lines, quantity(item));
        let [put, get, delete] = CLASSES;
        let all: Vec<_> = [Item::KmsRequest, put, get, delete, Item::Dsse].into_iter().map(whole).collect();
        let shares = |list: &[Share], whole: &[Whole]| shares(list, run.mode, whole);
        Self {
            bucket: shares(&run.attribution.bucket, &all),
            principal: shares(&run.attribution.principal, &all),
            operation: shares(&run.attribution.operation, &all),
            kms_key: shares(&run.attribution.kms_key, &all[..1]),
        }
    }
}

/// What all lines of one item come to.
struct Whole {
    item: Item,
    quantity: u64,
    amount: Option<Usd>,
    exact: Option<Usd>,
    /// Whether the bill has a line of it.
    billed: bool,
}

impl Whole {
    fn of(item: Item, lines: &[Line], quantity: u64) -> Self {
        let lines = || lines.iter().filter(|line| line.item == item);
        let amount = lines().map(|line| line.amount).sum();
        let exact = lines().map(|line| line.exact).sum();
        Self { item, quantity, amount, exact, billed: lines().next().is_some() }
    }

    /// A part for each of `counts`, in proportion and without a rest.
    fn parts(&self, counts: &[u64]) -> Vec<CostPart> {
        let quantities = divided(self.quantity.into(), counts);
        let money = |whole: Option<Usd>, places| {
            whole.map(|whole| {
                let units = divided(units(whole, places), counts);
                let usd = |n| {
                    i128::try_from(n).ok().and_then(|n| Decimal::try_from_i128_with_scale(n, places).ok())
                };
                units.into_iter().map(|n| Usd::new(usd(n).expect("a part of what fits"))).collect::<Vec<_>>()
            })
        };
        let (amounts, exacts) = (money(self.amount, 2), money(self.exact, EXACT_PLACES));
        let at = |list: &Option<Vec<Usd>>, place: usize| list.as_ref().map(|list| list[place]);
        let part = |(place, quantity): (usize, u128)| CostPart {
            item: self.item.as_str().into(),
            quantity: u64::try_from(quantity).expect("a part of what fits"),
            amount: at(&amounts, place),
            exact: at(&exacts, place),
        };
        quantities.into_iter().enumerate().map(part).collect()
    }
}

/// `usd` in units of its last decimal, of which there are `places`. A bill refuses amounts below nothing, and from 10¹⁵ on.
fn units(usd: Usd, places: u32) -> u128 {
    let mut amount = usd.decimal();
    amount.rescale(places);
    amount.mantissa().unsigned_abs()
}

/// `whole` in proportion to `counts`, without a rest: each gets what the sum up to it is, rounded, less what those before it
/// got. Nobody gets anything where nobody counts.
fn divided(whole: u128, counts: &[u64]) -> Vec<u128> {
    let bits = |sum: u128| u128::BITS - sum.leading_zeros();
    let all: u128 = counts.iter().map(|count| u128::from(*count)).sum();
    let shift = bits(all).saturating_sub(WEIGHT_BITS);
    let counts = counts.iter().map(|count| u128::from(*count >> shift));
    let all = counts.clone().sum::<u128>().max(1);
    let (mut sum, mut given) = (0, 0);
    let part = |count| {
        sum += count;
        // The quotient apart from the rest: neither product passes 2¹²⁸.
        let upto = whole / all * sum + (whole % all * sum + all / 2) / all;
        upto - std::mem::replace(&mut given, upto)
    };
    counts.map(part).collect()
}

fn shares(list: &[Share], mode: SseMode, whole: &[Whole]) -> Vec<CostShare> {
    let s3_known = list.iter().all(|share| share.s3.is_some());
    let count = |share: &Share, item| match item {
        Item::KmsRequest => share.billed,
        item => share.s3.map_or(0, |s3| s3.billed(item, mode)),
    };
    let divide = |whole: &Whole| {
        let counts: Vec<_> = list.iter().map(|share| count(share, whole.item)).collect();
        whole.parts(&counts)
    };
    let kms = whole.first().map(&divide).unwrap_or_default();
    let shown = whole.iter().filter(|whole| whole.billed && (s3_known || whole.item == Item::KmsRequest));
    let divided: Vec<_> = shown.map(divide).collect();
    let share = |(place, share): (usize, &Share)| {
        let parts: Vec<_> = divided.iter().map(|parts| parts[place].clone()).collect();
        let sum = |of: fn(&CostPart) -> Option<Usd>| s3_known.then(|| parts.iter().map(of).sum()).flatten();
        CostShare {
            name: share.name.clone(),
            kms_requests: kms[place].quantity,
            usd: kms[place].amount,
            total: sum(|part| part.amount),
            total_exact: sum(|part| part.exact),
            parts,
        }
    };
    list.iter().enumerate().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_whole_is_divided_in_proportion_and_to_the_last_unit() {
        assert_eq!(divided(100, &[1, 1, 1]), [33, 34, 33]);
        assert_eq!(divided(7, &[0, 2, 0, 5]), [0, 2, 0, 5]);
        assert_eq!(divided(7, &[0, 0]), [0, 0]);
        assert_eq!(divided(7, &[]), [0_u128; 0]);
        let huge = divided(u128::from(u64::MAX) << 30, &[u64::MAX, u64::MAX, 1]);
        assert_eq!(huge.iter().sum::<u128>(), u128::from(u64::MAX) << 30);
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole_and_none_is_off_by_more_than_one(
            whole in 0..1_u128 << 90,
            counts in prop::collection::vec(0..1_u64 << 40, 1..12),
        ) {
            let all: u128 = counts.iter().map(|count| u128::from(*count)).sum();
            prop_assume!(all > 0);
            let parts = divided(whole, &counts);
            prop_assert_eq!(parts.iter().sum::<u128>(), whole);
            for (part, count) in parts.iter().zip(&counts) {
                // The exact part is whole × count ÷ all: 2⁹⁰ × 2⁴⁰ would overflow, so quotient and rest apart.
                let count = u128::from(*count);
                let exact = whole / all * count + whole % all * count / all;
                // Both ends of its stretch are rounded to the nearest, each off by half a unit at most; `exact` is floored.
                prop_assert!(part.abs_diff(exact) <= 1 || *part == exact + 1, "{part} {exact}");
            }
        }
    }
}
