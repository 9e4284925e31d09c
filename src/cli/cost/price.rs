//! `s3seal cost prices`: the book, row by row, with sources and age.

use clap::Args;
use s3seal::cost::{Month, Price, Region, Scope, Table, grouped};
use serde_json::Value;

use super::{Answer, Failure, Format, refuse, this_month};
use crate::cli::pricing::{self, Prices};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only what can be priced in this Region
    #[arg(long, value_name = "REGION")]
    region: Option<Region>,
    /// The month from which the age of a source is counted [default: this one, UTC]
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<Month>,
    #[command(flatten)]
    pricing: pricing::Arguments,
    #[command(flatten)]
    answer: Answer,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let book = Prices::new(&arguments.pricing)?.book;
    let month = arguments.month.or_else(this_month);
    let rows: Vec<&Price> = match arguments.region {
        Some(region) => book.rows_for(region).collect(),
        None => book.rows().collect(),
    };
    arguments.answer.write(&match arguments.answer.format {
        Format::Text => table(&rows, month).text(),
        Format::Markdown => table(&rows, month).markdown(),
        Format::Csv => csv(&rows),
        Format::Json => json(&rows),
        Format::Focus => refuse("--format focus is for bills; prices come as text, json, csv or markdown"),
    })
}

fn table(rows: &[&Price], month: Option<Month>) -> Table {
    let mut table = Table::new(&[
        "item",
        "variant",
        "region",
        "#over",
        "price in USD",
        "months",
        "price is",
        "#age in months",
        "source",
        "note",
    ]);
    for price in rows {
        let rate = match price.scope {
            Scope::Account => {
                format!("0 for the first {} {}", grouped(u128::from(price.per)), price.item.unit().plural())
            }
            _ => price.rate(),
        };
        let months = match (price.from, price.until) {
            (None, None) => String::new(),
            (from, until) => {
                let text = |month: Option<Month>| month.map(|month| month.to_string()).unwrap_or_default();
                format!("{}..{}", text(from), text(until))
            }
        };
        table.rows.push(vec![
            price.item.to_string(),
            price.variant.as_str().into(),
            price.scope.as_str().into(),
            grouped(u128::from(price.over)),
            rate,
            months,
            if price.usd.is_some() { price.confidence.as_str() } else { "missing" }.into(),
            month
                .and_then(|month| age(&price.source_date, month))
                .map_or_else(|| "?".into(), |age| age.to_string()),
            price.source.clone(),
            price.note.clone(),
        ]);
    }
    table
}

/// Whole months from the date of a source (a year counts from its January) to `month`.
fn age(date: &str, month: Month) -> Option<i32> {
    let mut parts = date.split('-').map(|part| part.parse::<i32>().ok());
    let (year, of_year) = (parts.next()??, parts.next().flatten().unwrap_or(1));
    let now = month.first();
    Some(((i32::from(now.year()) - year) * 12 + i32::from(now.month()) - of_year).max(0))
}

/// In the columns that `--prices` reads: edit it and give it back.
fn csv(rows: &[&Price]) -> String {
    let fields: Vec<_> = rows.iter().map(|price| price.fields()).collect();
    let heads = fields.first().map(|row| row.each_ref().map(|(name, _)| *name)).unwrap_or_default();
    let mut table = Table::new(&heads);
    table.rows = fields.into_iter().map(|row| row.map(|(_, field)| field).into()).collect();
    table.csv()
}

/// The same fields; what a row does not bound or know is null.
fn json(rows: &[&Price]) -> String {
    let row = |price: &&Price| {
        let field = |(name, text): (&str, String)| {
            let nothing = text.is_empty() && matches!(name, "price" | "from" | "until");
            (name.to_owned(), if nothing { Value::Null } else { text.into() })
        };
        Value::Object(price.fields().into_iter().map(field).collect())
    };
    format!("{:#}\n", Value::Array(rows.iter().map(row).collect()))
}
