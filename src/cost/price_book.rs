//! Dated prices, each with its source and how sure it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::price_file::{self, PriceError};
use super::{Item, Month, Region, UnknownName, Variant};

/// The rows in the binary. Meaning of the columns: docs/COST.md.
const EMBEDDED: &str = include_str!("price.csv");

/// How sure a price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Stated in the source.
    Found,
    /// Stated in no source that was read, or only in one too old to trust.
    Unconfirmed,
    /// Sources contradict each other, or there is none and it is not even likely.
    Doubtful,
}

impl Confidence {
    /// Every degree.
    pub const ALL: [Self; 3] = [Self::Found, Self::Unconfirmed, Self::Doubtful];

    /// The name in price books and bills.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Unconfirmed => "unconfirmed",
            Self::Doubtful => "doubtful",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a price holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In one Region.
    Region(Region),
    /// In every Region but those of China and `GovCloud`.
    Commercial,
    /// In every Region.
    All,
    /// A monthly allowance of the account over all its Regions: the first [`Price::per`] units cost nothing.
    Account,
}

impl Scope {
    /// The name in price books.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Region(region) => region.as_str(),
            Self::Commercial => "commercial",
            Self::All => "all",
            Self::Account => "account",
        }
    }

    /// Reads a name.
    pub(super) fn parse(text: &str) -> Result<Self, UnknownName> {
        match text {
            "commercial" => Ok(Self::Commercial),
            "all" => Ok(Self::All),
            "account" => Ok(Self::Account),
            _ => text.parse().map(Self::Region),
        }
    }

    /// Whether a price for `self` says something about everything that a price for `other` is for.
    fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::All, Self::Region(_) | Self::Commercial) => true,
            (Self::Commercial, Self::Region(region)) => region.is_commercial(),
            _ => self == other,
        }
    }
}

/// One row of the book: a price, or one tier of it, in its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// What it is for.
    pub item: Item,
    /// Which variant of it.
    pub variant: Variant,
    /// Where.
    pub scope: Scope,
    /// The tier begins above this many units; 0 for the first.
    pub over: u64,
    /// US dollars for [`Self::per`] units; `None` where it is known that there is a price but not which.
    pub usd: Option<Decimal>,
    /// How many units [`Self::usd`] is for.
    pub per: u64,
    /// First month; `None` since ever.
    pub from: Option<Month>,
    /// First month in which it no longer holds; `None` until further notice.
    pub until: Option<Month>,
    /// When the source said so: a year, month or day; empty when it bears no date.
    pub source_date: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Who says so; `none` for nobody.
    pub source: String,
    /// What a reader should know.
    pub note: String,
}

impl Price {
    pub(super) fn holds(&self, month: Month) -> bool {
        self.from.is_none_or(|from| from <= month) && self.until.is_none_or(|until| month < until)
    }

    /// The price as bills write it: `0.03 per 10,000 requests`; `unknown` where it is.
    pub fn rate(&self) -> String {
        let Some(usd) = self.usd else { return "unknown".into() };
        let unit = self.item.unit();
        match self.per {
            1 => format!("{} per {unit}", usd.normalize()),
            per => format!("{} per {} {}", usd.normalize(), super::grouped(u128::from(per)), unit.plural()),
        }
    }
}

pub(super) type Key = (Item, Variant, Scope);

/// Prices by item, variant and scope.
#[derive(Clone, Debug)]
pub struct PriceBook {
    /// By tier, then by time.
    rows: BTreeMap<Key, Vec<Arc<Price>>>,
}

impl PriceBook {
    /// The prices that come with the program, read on 24 November 2026.
    ///
    /// Source: row by row in the book itself; docs/COST.md.
    pub fn embedded() -> Self {
        Self { rows: price_file::parse(EMBEDDED, "price.csv").expect("price.csv is embedded and tested") }
    }

    /// The month in which the prices that come with the program were read: 2026-11. Reports are priced for it unless
    /// told otherwise, so that the same run costs the same whenever it is made.
    ///
    /// # Panics
    /// Never: the month is one.
    pub fn month() -> Month {
        Month::of(jiff::civil::Date::constant(2026, 11, 1)).expect("after S3 opened")
    }

    /// This book with the rows of `text` over it: what they price, by item and variant, they price alone.
    ///
    /// A row for `all` or `commercial` replaces what the book has for the Regions among them; with a first tier a file
    /// must give all others. `file` names the text in errors.
    ///
    /// # Errors
    /// [`PriceError`] names file, line, field and, for a misspelt word, the nearest that exists.
    pub fn overlay(&self, text: &str, file: &str) -> Result<Self, PriceError> {
        let mut rows = self.rows.clone();
        let added = price_file::parse(text, file)?;
        rows.retain(|&(item, variant, scope), _| {
            !added.keys().any(|&(i, v, s)| i == item && v == variant && s.covers(scope))
        });
        rows.extend(added);
        Ok(Self { rows })
    }

    /// Every row: by item, variant, scope, tier, time.
    pub fn rows(&self) -> impl Iterator<Item = &Price> {
        self.rows.values().flatten().map(Arc::as_ref)
    }

    /// Every row that can price something in `region`, and the allowances.
    pub fn rows_for(&self, region: Region) -> impl Iterator<Item = &Price> {
        self.rows()
            .filter(move |price| price.scope == Scope::Account || price.scope.covers(Scope::Region(region)))
    }

    /// The tiers that price `item` in `region` in `month`, by their lower bounds; empty when the book has none.
    ///
    /// A row for the Region goes before one for `commercial`, that before one for `all`; a row for the destination of
    /// a transfer before one for any.
    pub(super) fn tiers(
        &self,
        item: Item,
        variant: Variant,
        region: Region,
        month: Month,
    ) -> impl Iterator<Item = &Arc<Price>> {
        let (item, variant) = item.priced_as(variant);
        let scopes = [
            Some(Scope::Region(region)),
            region.is_commercial().then_some(Scope::Commercial),
            Some(Scope::All),
        ];
        let variants = [Some(variant), matches!(variant, Variant::To(_)).then_some(Variant::None)];
        let found = scopes.into_iter().flatten().find_map(|scope| {
            variants.into_iter().flatten().find_map(|variant| {
                self.rows.get(&(item, variant, scope)).filter(|rows| rows.iter().any(|row| row.holds(month)))
            })
        });
        found.into_iter().flatten().filter(move |row| row.holds(month))
    }

    /// The allowance of `item` in `month`.
    pub(super) fn allowance(&self, item: Item, month: Month) -> Option<&Arc<Price>> {
        self.rows.get(&(item, Variant::None, Scope::Account))?.iter().find(|row| row.holds(month))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    fn region(text: &str) -> Region {
        text.parse().unwrap()
    }

    fn usd(book: &PriceBook, item: Item, place: &str, on: &str) -> Vec<String> {
        let tiers = book.tiers(item, Variant::None, region(place), month(on));
        tiers.map(|row| row.usd.unwrap().to_string()).collect()
    }

    #[test]
    fn a_price_holds_in_its_months_only() {
        let book = PriceBook::embedded();
        assert_eq!(usd(&book, Item::KmsRotationLater, "us-east-1", "2024-04"), ["1"]);
        assert_eq!(usd(&book, Item::KmsRotationLater, "us-east-1", "2024-05"), ["0"]);
    }

    #[test]
    fn commercial_prices_do_not_reach_china_or_govcloud() {
        let book = PriceBook::embedded();
        assert_eq!(usd(&book, Item::KmsKey, "eu-north-1", "2026-10"), ["1"]);
        assert!(usd(&book, Item::KmsKey, "cn-north-1", "2026-10").is_empty());
        assert!(usd(&book, Item::KmsKey, "us-gov-west-1", "2026-10").is_empty());
    }

    #[test]
    fn a_destination_with_a_price_of_its_own_has_it() {
        let book = PriceBook::embedded();
        let to = |place| {
            let variant = Variant::To(region(place));
            let mut tiers =
                book.tiers(Item::InterRegionTransfer, variant, region("us-east-1"), month("2026-10"));
            tiers.next().unwrap().usd.unwrap().to_string()
        };
        assert_eq!([to("us-east-2"), to("eu-west-1")], ["0.01", "0.02"]);
    }

    #[test]
    fn every_price_has_a_source_and_no_unsure_one_pretends() {
        for price in PriceBook::embedded().rows() {
            assert!(!price.source.is_empty(), "{price:?}");
            assert!(price.confidence > Confidence::Found || price.source != "none", "{price:?}");
            assert!(price.usd.is_some() || price.confidence > Confidence::Found, "{price:?}");
        }
    }

    #[test]
    fn an_allowance_is_that_of_its_month_and_stands_beside_the_prices_of_every_region() {
        let book = PriceBook::embedded();
        let free = |on| book.allowance(Item::InternetTransfer, month(on)).map(|row| row.per);
        assert_eq!([free("2021-11"), free("2021-12")], [Some(1), Some(100)]);
        let listed = |place| book.rows_for(region(place)).filter(|row| row.scope == Scope::Account).count();
        assert!(listed("us-east-1") >= 3 && listed("us-east-1") == listed("us-gov-west-1"));
    }

    #[test]
    fn a_file_replaces_what_it_covers_and_no_more() {
        let over = |rows: &str| {
            let text = format!("item,variant,region,price,per,unit,source,from\n{rows}");
            PriceBook::embedded().overlay(&text, "mine.csv").unwrap()
        };
        let price = |book: &PriceBook, item, class, place: &str| {
            let mut tiers = book.tiers(item, class, region(place), month("2026-10"));
            tiers.next().and_then(|row| row.usd).map(|usd| usd.normalize().to_string())
        };
        let (plain, standard) = (Variant::None, Variant::Class(crate::cost::StorageClass::Standard));
        // All Regions: also in place of what holds for the commercial ones.
        let book = over("kms-key,,all,2,1,key-month,contract,\n");
        assert_eq!(price(&book, Item::KmsKey, plain, "us-east-1").as_deref(), Some("2"));
        // The commercial ones: not GovCloud.
        let book = over("get-request,STANDARD,commercial,9,1000,request,contract,\n");
        assert_eq!(price(&book, Item::GetRequest, standard, "us-east-1").as_deref(), Some("9"));
        let before = price(&PriceBook::embedded(), Item::GetRequest, standard, "us-gov-west-1");
        assert_eq!(price(&book, Item::GetRequest, standard, "us-gov-west-1"), before);
        assert!(before.is_some());
        // One class: not the others.
        let book = over("get-request,GLACIER,us-east-1,9,1000,request,contract,\n");
        assert_eq!(price(&book, Item::GetRequest, standard, "us-east-1").as_deref(), Some("0.0004"));
        // A row of its own that does not hold yet leaves the month to the wider one.
        let book = over(
            "kms-key,,us-east-1,3,1,key-month,contract,2027-01\nkms-key,,commercial,2,1,key-month,contract,\n",
        );
        assert_eq!(price(&book, Item::KmsKey, plain, "us-east-1").as_deref(), Some("2"));
    }

    #[test]
    fn a_file_prices_alone_what_it_prices_and_leaves_the_rest() {
        let text = "item,region,price,per,unit,source\nkms-request,all,0.02,10000,request,contract\n";
        let book = PriceBook::embedded().overlay(text, "mine.csv").unwrap();
        assert_eq!(usd(&book, Item::KmsRequest, "us-east-1", "2026-10"), ["0.02"]);
        assert_eq!(usd(&book, Item::KmsRequest, "eu-south-2", "2026-10"), ["0.02"]);
        assert_eq!(usd(&book, Item::KmsKey, "us-east-1", "2026-10"), ["1"]);
        assert!(book.allowance(Item::KmsRequest, month("2026-10")).is_some());
    }
}
