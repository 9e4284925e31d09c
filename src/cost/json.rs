//! A bill as JSON. Amounts and quantities are strings: a JSON number is a float to most readers.

use serde_json::{Value, json};

use super::{Bill, Line};

impl Bill {
    /// The bill as a JSON object; every amount and quantity a string of decimals, `null` where the price is not known.
    pub fn json(&self) -> Value {
        json!({
            "month": self.month().to_string(),
            "currency": "USD",
            "total": self.total().to_string(),
            "total_exact": self.exact().to_string(),
            "encryption_adds": self.encryption().to_string(),
            "encryption_adds_exact": self.encryption_exact().to_string(),
            "complete": self.missing().next().is_none(),
            "lines": self.lines().iter().map(Line::json).collect::<Vec<_>>(),
        })
    }
}

impl Line {
    fn json(&self) -> Value {
        let price = self.price.as_ref();
        json!({
            "item": self.item.as_str(),
            "variant": self.variant.as_str(),
            "region": self.region.as_str(),
            "service": self.item.service().title(),
            "title": self.title(),
            "encryption": self.item.is_encryption(),
            "quantity": self.units().to_string(),
            "quantity_base": self.quantity.to_string(),
            "unit": self.item.unit().as_str(),
            "price": price.and_then(|price| price.usd).map(|usd| usd.to_string()),
            "per": price.map(|price| price.per.to_string()),
            "amount": self.amount.map(|amount| amount.to_string()),
            "exact": self.exact.map(|exact| exact.to_string()),
            "confidence": self.confidence().map_or("missing", super::Confidence::as_str),
            "source": price.map(|price| price.source.as_str()),
            "source_date": price.map(|price| price.source_date.as_str()),
            "note": price.map(|price| price.note.as_str()),
        })
    }
}
