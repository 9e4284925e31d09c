//! What it costs: usage × price book = bill, in exact decimals and integers.
//!
//! A [`Usage`] says what was used in one calendar month of one paying account, in whole base units (requests, bytes,
//! byte-hours, key-hours). A [`PriceBook`] holds dated prices, each with its source and how sure it is. [`Bill::new`]
//! multiplies them as AWS does: one line per tier, each line rounded half up to the cent, the total the sum of the
//! lines; the exact value stands beside. A price that is unconfirmed or missing shows as such in the line.
//!
//! No float is on the way: quantities are integers, prices are decimals, the product is a ratio of integers that is
//! rounded once. How usage came about is not this room's business.
//!
//! ```
//! use s3seal::cost::{Bill, Item, Month, PriceBook, Region, Terms, Usage, Variant};
//!
//! let region: Region = "us-east-1".parse()?;
//! let month: Month = "2026-10".parse()?;
//! let mut usage = Usage::new(month);
//! usage.add(Item::KmsRequest, Variant::None, region, 2_010_000)?;
//! usage.add_keys(region, 1, 0, month.hours())?;
//! let bill = Bill::new(&usage, &PriceBook::embedded(), Terms::default())?;
//! assert_eq!(bill.total().to_string(), "6.97");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod amount;
mod bill;
mod charge;
mod focus;
mod item;
mod month;
mod nearest;
mod price_book;
mod price_file;
mod quantity;
mod region;
mod table;
mod transition;
mod usage;
mod usage_file;

pub use amount::quotient;
pub use bill::{Bill, BillError, Line, Terms};
pub use charge::Charge;
pub use focus::{FOCUS_COLUMNS, focus};
pub use item::{Item, Service, StorageClass, Unit, Variant};
pub use month::Month;
pub use nearest::nearest;
pub use price_book::{Confidence, Price, PriceBook, Scope};
pub use price_file::{PriceError, PriceProblem};
pub use quantity::{QuantityError, bytes, count, ungrouped};
pub use region::Region;
pub use table::{Column, Table, grouped, grouped_decimal};
pub use transition::{Method, Months, break_even, months_to_break_even};
pub use usage::{Usage, UsageError};
pub use usage_file::{UsageFile, UsageFileError, UsageFileProblem};

/// A word that is not in the list it should be in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no {kind}{}", self.hint())]
pub struct UnknownName {
    /// What it should have been: `Region`, `item`, `storage class`, …
    pub kind: &'static str,
    /// The word as it was given, shortened.
    pub value: String,
    /// The known word that it resembles.
    pub nearest: Option<&'static str>,
}

impl UnknownName {
    pub(crate) fn new(kind: &'static str, value: &str, known: &[&'static str]) -> Self {
        let shown: String = value.chars().take(60).collect();
        Self { kind, nearest: nearest(&shown, known), value: shown }
    }

    fn hint(&self) -> String {
        match self.nearest {
            Some(name) => format!("; did you mean `{name}`?"),
            None if self.kind == region::KIND => {
                "; expected its code, such as us-east-1 (`s3seal cost prices` lists them)".into()
            }
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_like_none_is_told_where_regions_stand_only_where_one_was_expected() {
        let text = |kind, value| UnknownName::new(kind, value, &["eu-west-1", "STANDARD"]).to_string();
        assert_eq!(text("storage class", "zzz"), "`zzz` is no storage class");
        assert_eq!(
            text("storage class", "STANDART"),
            "`STANDART` is no storage class; did you mean `STANDARD`?"
        );
        assert!(text(region::KIND, "zzz").ends_with("(`s3seal cost prices` lists them)"));
    }
}
