//! Usage × price book = bill: one line per tier, each rounded half up to the cent.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::amount::{Amount, quotient};
use super::{Confidence, Item, Month, Price, PriceBook, Region, Usage, Variant};
use crate::units::Usd;

/// What holds for a whole bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whether the account's allowances (20,000 KMS requests, 100 GB to the internet) are there to be used; not when
    /// other work in the account uses them up.
    pub free_tier: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self { free_tier: true }
    }
}

/// Why a usage has no bill.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BillError {
    /// A Region with a currency of its own.
    #[error(
        "{region} is billed in CNY, at prices of its own: expected a Region that AWS bills in USD, for \
         bills are in USD alone"
    )]
    Currency {
        /// Where.
        region: Region,
    },
    /// A line passes what is calculated exactly.
    #[error(
        "{item} in {region}: {quantity} {unit} in the smallest unit is beyond exact arithmetic: expected an amount below 10^15 USD"
    )]
    Overflow {
        /// What.
        item: Item,
        /// Where.
        region: Region,
        /// How much, in base units.
        quantity: u128,
        /// The unit of its price.
        unit: super::Unit,
    },
}

/// One line: a quantity in one tier at one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub item: Item,
    /// Which variant of it.
    pub variant: Variant,
    /// Where.
    pub region: Region,
    /// How much, in base units (`Unit::base`).
    pub quantity: u128,
    /// Base units in one unit of the price.
    pub base: u128,
    /// The row that prices it; `None` where the book has none.
    pub price: Option<Arc<Price>>,
    /// Where the tier ends, in units of the price; `None` for the last.
    pub upto: Option<u64>,
    /// The amount to twelve decimals; `None` where the price is not known.
    pub exact: Option<Usd>,
    /// The amount to the cent, as billed; `None` where the price is not known.
    pub amount: Option<Usd>,
}

impl Line {
    /// The quantity in the unit of the price, to twelve decimals.
    pub fn units(&self) -> Decimal {
        // A bill refuses quantities beyond; this line could not be.
        quotient(self.quantity, self.base, 12).unwrap_or(Decimal::MAX).normalize()
    }

    /// Whether it is an allowance of the account: billed at nothing.
    pub fn is_allowance(&self) -> bool {
        self.price.as_ref().is_some_and(|price| price.scope == super::Scope::Account)
    }

    /// How sure its price is; `None` when there is none.
    pub fn confidence(&self) -> Option<Confidence> {
        self.price.as_ref().filter(|price| price.usd.is_some()).map(|price| price.confidence)
    }

    /// What the line is called: item, variant, tier.
    pub fn title(&self) -> String {
        let item = self.item.title();
        let title = match self.variant {
            Variant::None => item.to_owned(),
            Variant::Class(class) => format!("{item}, {class}"),
            Variant::To(region) => format!("{item} {region}"),
        };
        let over = self.price.as_ref().map_or(0, |price| price.over);
        let unit = self.item.unit().plural();
        let grouped = |n: u64| super::grouped(u128::from(n));
        if self.is_allowance() {
            format!("{title}, free tier")
        } else if over > 0 {
            format!("{title}, over {} {unit}", grouped(over))
        } else if let Some(upto) = self.upto {
            format!("{title}, first {} {unit}", grouped(upto))
        } else {
            title
        }
    }
}

/// A month's bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    month: Month,
    lines: Vec<Line>,
}

impl Bill {
    /// The bill for `usage` at the prices of `book`.
    ///
    /// `line = round(price × quantity ÷ per)`, half up to the cent, one line per tier; total = sum of lines. Volume
    /// tiers count per Region, over what the allowance left; an allowance counts over the Regions in the order of
    /// their codes (AWS does not publish an order; where prices are equal it changes nothing).
    ///
    /// Laws (`tests/cost/laws.rs`): no line falls when a quantity grows; the exact value is continuous at tier edges.
    ///
    /// Source: worked examples of AWS's price pages; docs/COST.md, rounding.
    ///
    /// # Errors
    /// [`BillError`] for a quantity beyond exact arithmetic, and for a Region that is not billed in US dollars.
    pub fn new(usage: &Usage, book: &PriceBook, terms: Terms) -> Result<Self, BillError> {
        let month = usage.month();
        let mut lines = Vec::new();
        let mut allowance: Option<(Item, Option<Arc<Price>>, u128)> = None;
        for ((item, variant, region), quantity) in usage.iter().filter(|(_, quantity)| *quantity > 0) {
            if !region.is_billed_in_usd() {
                return Err(BillError::Currency { region });
            }
            let base = item.unit().base(month);
            let line = |price: Option<Arc<Price>>, upto, quantity| {
                let mut line =
                    Line { item, variant, region, quantity, base, price, upto, exact: None, amount: None };
                line.calculate().ok_or(BillError::Overflow { item, region, quantity, unit: item.unit() })?;
                Ok(line)
            };
            // Usage is ordered by item, so one allowance at a time is enough.
            if allowance.as_ref().is_none_or(|(of, ..)| *of != item) {
                let row = book.allowance(item, month).filter(|_| terms.free_tier).cloned();
                let free = row.as_ref().map_or(0, |row| u128::from(row.per).saturating_mul(base));
                allowance = Some((item, row, free));
            }
            let mut rest = quantity;
            if let Some((_, Some(row), free)) = &mut allowance
                && *free > 0
            {
                let used = rest.min(*free);
                lines.push(line(Some(row.clone()), None, used)?);
                *free -= used;
                rest -= used;
            }
            let tiers: Vec<_> = book.tiers(item, variant, region, month).collect();
            // What lies below the first tier of the month has no price.
            let first = tiers.first().map_or(u128::MAX, |tier| u128::from(tier.over).saturating_mul(base));
            if rest.min(first) > 0 {
                lines.push(line(None, None, rest.min(first))?);
            }
            for (i, tier) in tiers.iter().enumerate() {
                let upto = tiers.get(i + 1).map(|next| next.over);
                let start = u128::from(tier.over).saturating_mul(base);
                let end = upto.map_or(u128::MAX, |upto| u128::from(upto).saturating_mul(base));
                if rest > start {
                    lines.push(line(Some((*tier).clone()), upto, rest.min(end) - start)?);
                }
            }
        }
        Ok(Self { month, lines })
    }

    /// The month.
    pub const fn month(&self) -> Month {
        self.month
    }

    /// Its lines, by item, variant, Region, tier.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// What is to be paid: the sum of the lines as rounded. Without the lines that have no price.
    pub fn total(&self) -> Usd {
        self.lines.iter().filter_map(|line| line.amount).sum()
    }

    /// The sum of the exact values, to twelve decimals a line.
    pub fn exact(&self) -> Usd {
        self.lines.iter().filter_map(|line| line.exact).sum()
    }

    /// What encryption adds to the total: the lines that are there because of it (`Item::is_encryption`).
    pub fn encryption(&self) -> Usd {
        let added = self.lines.iter().filter(|line| line.item.is_encryption());
        added.filter_map(|line| line.amount).sum()
    }

    /// What encryption adds to the exact value.
    pub fn encryption_exact(&self) -> Usd {
        let added = self.lines.iter().filter(|line| line.item.is_encryption());
        added.filter_map(|line| line.exact).sum()
    }

    /// The lines without a price: what the total lacks.
    pub fn missing(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.amount.is_none())
    }

    /// The lines whose price is unconfirmed or doubtful.
    pub fn unconfirmed(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.confidence().is_some_and(|sure| sure > Confidence::Found))
    }
}

impl Line {
    /// Calculates the amounts; `None` when that overflows.
    fn calculate(&mut self) -> Option<()> {
        let Some(usd) = self.price.as_ref().and_then(|price| price.usd) else { return Some(()) };
        let per = self.price.as_ref().map_or(1, |price| price.per);
        let amount = Amount::new(usd, self.quantity, per, self.base)?;
        self.exact = Some(amount.exact().filter(|exact| exact.decimal() < limit())?);
        self.amount = Some(amount.cents()?);
        quotient(self.quantity, self.base, 12).map(|_| ())
    }
}

/// Far below what a decimal of twelve places holds, so that sums of lines do too.
fn limit() -> Decimal {
    Decimal::from(1_000_000_000_000_000_u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::StorageClass;

    fn usage(month: &str) -> Usage {
        Usage::new(month.parse().unwrap())
    }

    fn bill(usage: &Usage) -> Bill {
        Bill::new(usage, &PriceBook::embedded(), Terms::default()).unwrap()
    }

    #[test]
    fn a_missing_price_is_a_line_without_an_amount() {
        let mut usage = usage("2026-10");
        let paris = "eu-west-3".parse().unwrap();
        usage.add(Item::KmsRequest, Variant::None, paris, 30_000).unwrap();
        usage.add_keys(paris, 1, 0, usage.month().hours()).unwrap();
        let bill = bill(&usage);
        assert_eq!(bill.total().to_string(), "1.00");
        let missing: Vec<_> = bill.missing().map(|line| (line.item, line.quantity)).collect();
        assert_eq!(missing, [(Item::KmsRequest, 10_000)]);
    }

    #[test]
    fn a_tier_without_a_known_price_is_missing_and_those_below_are_not() {
        let mut usage = usage("2026-10");
        usage.add(Item::Bucket, Variant::None, "us-east-1".parse().unwrap(), 2_001).unwrap();
        let bill = bill(&usage);
        let lines: Vec<_> = bill.lines().iter().map(|line| (line.quantity, line.amount)).collect();
        assert_eq!(lines, [(2_000, Some(Usd::ZERO)), (1, None)]);
        assert_eq!(bill.lines()[1].title(), "General purpose buckets, over 2,000 bucket-months");
    }

    #[test]
    fn the_allowance_is_one_for_all_regions() {
        let mut usage = usage("2026-10");
        for region in ["us-east-1", "eu-west-1"] {
            usage.add(Item::KmsRequest, Variant::None, region.parse().unwrap(), 15_000).unwrap();
        }
        let bill = bill(&usage);
        let lines: Vec<_> = bill
            .lines()
            .iter()
            .map(|line| (line.region.as_str(), line.quantity, line.is_allowance()))
            .collect();
        assert_eq!(
            lines,
            [("eu-west-1", 15_000, true), ("us-east-1", 5_000, true), ("us-east-1", 10_000, false)]
        );
        assert_eq!(bill.total().to_string(), "0.03");
    }

    #[test]
    fn a_quantity_beyond_exact_arithmetic_is_refused() {
        let mut usage = usage("2026-10");
        usage.add(Item::KmsRequest, Variant::None, "us-east-1".parse().unwrap(), u128::MAX).unwrap();
        let refused = Bill::new(&usage, &PriceBook::embedded(), Terms::default()).unwrap_err();
        assert!(matches!(refused, BillError::Overflow { item: Item::KmsRequest, .. }));
    }

    /// 100 GB a month are free, and the tiers begin behind them; a GB is 2³⁰ bytes on both sides.
    #[test]
    fn an_allowance_and_the_foot_of_a_tier_are_in_units_of_the_price() {
        let region = "us-east-1".parse().unwrap();
        let mut used = usage("2026-10");
        used.add(Item::InternetTransfer, Variant::None, region, 150 << 30).unwrap();
        let lines: Vec<_> = bill(&used)
            .lines()
            .iter()
            .map(|line| (line.is_allowance(), line.quantity >> 30, line.amount.unwrap().to_string()))
            .collect();
        assert_eq!(lines, [(true, 100, "0.00".into()), (false, 50, "4.50".into())]);
        // The price of the first ten has ended, and nobody says what came after it.
        let text = "item,region,over,price,per,unit,source,until\n\
                    internet-transfer,us-east-1,0,0.09,1,GB,contract,2026-01\n\
                    internet-transfer,us-east-1,10,0.09,1,GB,contract,\n";
        let book = PriceBook::embedded().overlay(text, "mine.csv").unwrap();
        let alone = Bill::new(&used, &book, Terms { free_tier: false }).unwrap();
        let lines: Vec<_> = alone.lines().iter().map(|line| (line.amount, line.quantity >> 30)).collect();
        assert_eq!(lines, [(None, 10), (Some(Usd::from_cents(1_260)), 140)]);
        // Exactly at its foot a tier has nothing.
        let mut at_the_foot = usage("2026-10");
        at_the_foot.add(Item::InternetTransfer, Variant::None, region, 10 << 30).unwrap();
        assert_eq!(Bill::new(&at_the_foot, &book, Terms { free_tier: false }).unwrap().lines().len(), 1);
    }

    #[test]
    fn a_region_that_is_billed_in_yuan_has_no_bill_in_dollars() {
        for region in ["cn-north-1", "cn-northwest-1"] {
            let mut usage = usage("2026-10");
            usage.add(Item::KmsRequest, Variant::None, region.parse().unwrap(), 1).unwrap();
            let prices =
                format!("item,region,price,per,unit,source\nkms-request,{region},0.2,10000,request,contract");
            let book = PriceBook::embedded().overlay(&prices, "cny.csv").unwrap();
            let refused = Bill::new(&usage, &book, Terms::default()).unwrap_err();
            assert_eq!(refused, BillError::Currency { region: region.parse().unwrap() });
            assert!(refused.to_string().contains("is billed in CNY"), "{refused}");
        }
        assert_eq!(Region::all().filter(|region| !region.is_billed_in_usd()).count(), 2);
    }

    #[test]
    fn update_object_encryption_costs_a_standard_put_whatever_the_class() {
        let mut usage = usage("2026-10");
        let region = "us-east-1".parse().unwrap();
        usage.add(Item::UpdateEncryptionRequest, Variant::None, region, 1_000_000).unwrap();
        usage.add(Item::PutRequest, Variant::Class(StorageClass::DeepArchive), region, 1_000_000).unwrap();
        let amounts: Vec<_> =
            bill(&usage).lines().iter().map(|line| line.amount.unwrap().to_string()).collect();
        assert_eq!(amounts, ["50.00", "5.00"]);
    }
}
