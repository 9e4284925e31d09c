//! A bill as plain data, for JSON. Amounts and quantities are strings: a JSON number is a float to most readers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Bill, Confidence, Line};
use crate::units::Usd;

/// A line of a bill as plain data: what JSON has of it, there and back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// What, as price books name it.
    pub item: String,
    /// Storage class or destination; empty where there is none.
    pub variant: String,
    /// Where.
    pub region: String,
    /// Who bills it.
    pub service: String,
    /// What a bill calls it, with its tier.
    pub title: String,
    /// Whether it is there only because of encryption.
    pub encryption: bool,
    /// How much, in the unit of the price, to twelve decimals.
    pub quantity: String,
    /// The same in whole base units: bytes, byte-hours, key-hours, or what is counted.
    pub quantity_base: String,
    /// The unit of the price.
    pub unit: String,
    /// US dollars for [`Self::per`] units; none where no price is known.
    pub price: Option<String>,
    /// How many units the price is for.
    pub per: Option<String>,
    /// To the cent, as billed; none where no price is known.
    pub amount: Option<Usd>,
    /// To twelve decimals; none where no price is known.
    pub exact: Option<Usd>,
    /// `found`, `unconfirmed`, `doubtful` or `missing`.
    pub confidence: String,
    /// Who states the price; `none` for nobody.
    pub source: Option<String>,
    /// When the source said so; empty when it bears no date.
    pub source_date: Option<String>,
    /// What a reader should know.
    pub note: Option<String>,
}

impl From<&Line> for Charge {
    fn from(line: &Line) -> Self {
        let price = line.price.as_deref();
        Self {
            item: line.item.as_str().into(),
            variant: line.variant.as_str().into(),
            region: line.region.as_str().into(),
            service: line.item.service().title().into(),
            title: line.title(),
            encryption: line.item.is_encryption(),
            quantity: line.units().to_string(),
            quantity_base: line.quantity.to_string(),
            unit: line.item.unit().as_str().into(),
            price: price.and_then(|price| price.usd).map(|usd| usd.to_string()),
            per: price.map(|price| price.per.to_string()),
            amount: line.amount,
            exact: line.exact,
            confidence: line.confidence().map_or("missing", Confidence::as_str).into(),
            source: price.map(|price| price.source.clone()),
            source_date: price.map(|price| price.source_date.clone()),
            note: price.map(|price| price.note.clone()),
        }
    }
}

impl Bill {
    /// Its lines as plain data.
    pub fn charges(&self) -> Vec<Charge> {
        self.lines().iter().map(Charge::from).collect()
    }

    /// The bill as a JSON object; every amount and quantity a string of decimals, `null` where the price is not known.
    pub fn json(&self) -> Value {
        json!({
            "month": self.month().to_string(),
            "currency": "USD",
            "total": self.total(),
            "total_exact": self.exact(),
            "encryption_adds": self.encryption(),
            "encryption_adds_exact": self.encryption_exact(),
            "complete": self.missing().next().is_none(),
            "lines": self.charges(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Item, PriceBook, StorageClass, Terms, Usage, Variant};

    #[test]
    fn json_has_each_line_as_it_is_billed_and_says_what_has_no_price() {
        let mut usage = Usage::new("2026-10".parse().unwrap());
        let [home, other] = ["us-east-1", "eu-west-3"].map(|region| region.parse().unwrap());
        usage.add(Item::KmsRequest, Variant::None, home, 21_234).unwrap();
        usage.add_stored(StorageClass::Standard, home, 1 << 30).unwrap();
        let bill = |usage: &Usage| Bill::new(usage, &PriceBook::embedded(), Terms::default()).unwrap();
        let whole = bill(&usage).json();
        assert_eq!(whole["complete"], true);
        usage.add(Item::KmsRequest, Variant::None, other, 5).unwrap();
        let json = bill(&usage).json();
        // 1,239 requests beyond the free tier, of which eu-west-3 goes first by its code, and a GB-month.
        for (field, value) in [
            ("month", "2026-10"),
            ("total", "0.02"),
            ("total_exact", "0.026717"),
            ("encryption_adds", "0.00"),
            ("encryption_adds_exact", "0.003717"),
        ] {
            assert_eq!(json[field], value, "{field}");
        }
        let line = |item: &str, place: usize| {
            let lines = json["lines"].as_array().unwrap();
            lines.iter().filter(|line| line["item"] == item).nth(place).unwrap().clone()
        };
        let storage = line("storage", 0);
        let shown = ["quantity", "quantity_base", "amount", "exact", "confidence", "encryption"]
            .map(|f| storage[f].clone());
        assert_eq!(
            shown,
            [
                json!("1"),
                json!((744_u64 << 30).to_string()),
                json!("0.02"),
                json!("0.023"),
                json!("found"),
                json!(false)
            ]
        );
        let free = line("kms-request", 0);
        assert_eq!(
            (&free["quantity"], &free["encryption"], &free["amount"]),
            (&json!("5"), &json!(true), &json!("0.00"))
        );
        usage.add(Item::KmsKey, Variant::None, "us-gov-west-1".parse().unwrap(), 1).unwrap();
        usage.add(Item::Dsse, Variant::None, other, 1 << 30).unwrap();
        let json = bill(&usage).json();
        let missing = json["lines"]
            .as_array()
            .unwrap()
            .iter()
            .find(|line| line["region"] == "eu-west-3" && line["item"] == "dsse");
        let missing = missing.unwrap();
        assert_eq!(
            (&json["complete"], &missing["confidence"], &missing["amount"]),
            (&json!(false), &json!("missing"), &Value::Null)
        );
    }
}
