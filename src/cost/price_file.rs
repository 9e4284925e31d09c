//! Reading price books: CSV with a header, each error with its file, line and field.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::price_book::{Confidence, Key, Price, Scope};
use super::{Item, Month, Unit, UnknownName, Variant, nearest};

/// Largest price accepted, in US dollars.
const USD_MAX: u32 = 1_000_000;
/// Most decimals of a price.
const DECIMALS_MAX: u32 = 10;
/// Most units that a price is for.
const PER_MAX: u64 = 1_000_000_000;

const REQUIRED: [&str; 6] = ["item", "region", "price", "per", "unit", "source"];
const COLUMNS: [&str; 13] = [
    "item",
    "variant",
    "region",
    "over",
    "price",
    "per",
    "unit",
    "from",
    "until",
    "source_date",
    "confidence",
    "source",
    "note",
];

/// Why a text is no price book: where, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {problem}")]
pub struct PriceError {
    /// The name of the text.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: PriceProblem,
}

/// What can be wrong with a price book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceProblem {
    /// Not CSV, or not UTF-8.
    #[error("not a CSV record: {0}")]
    Csv(String),
    /// A column that does not exist.
    #[error("`{column}` is no column{}; columns are {}", hint(*nearest), COLUMNS.join(", "))]
    Column {
        /// Its name.
        column: String,
        /// The column that it resembles.
        nearest: Option<&'static str>,
    },
    /// A column named twice in the header.
    #[error("column `{0}` stands in the header twice")]
    ColumnTwice(&'static str),
    /// A column that has to be there is not.
    #[error("column `{column}` is missing from the header; needed are {}", REQUIRED.join(", "))]
    ColumnMissing {
        /// Its name.
        column: &'static str,
    },
    /// A word that is not known.
    #[error("`{field}`: {name}")]
    Unknown {
        /// The column.
        field: &'static str,
        /// The word.
        name: UnknownName,
    },
    /// A value of the wrong kind, or out of range.
    #[error("`{field}` is `{value}`: expected {expected}")]
    Invalid {
        /// The column.
        field: &'static str,
        /// The value, shortened.
        value: String,
        /// What belongs there.
        expected: String,
    },
    /// Two rows price one item for one time.
    #[error("{what} has a second price; the first stands in line {first}")]
    Twice {
        /// Item, variant, scope and tier.
        what: String,
        /// The line of the first.
        first: u64,
    },
    /// Tiers without one that begins at 0.
    #[error("{0} has tiers, but none that begins at 0: give a row with `over` 0")]
    NoFirstTier(String),
}

impl Price {
    /// The row as a price book has it: the columns that `--prices` reads, with their fields; empty where there is
    /// nothing to say.
    pub fn fields(&self) -> [(&'static str, String); COLUMNS.len()] {
        let month = |month: Option<Month>| month.map(|month| month.to_string()).unwrap_or_default();
        let fields = [
            self.item.to_string(),
            self.variant.as_str().into(),
            self.scope.as_str().into(),
            self.over.to_string(),
            self.usd.map(|usd| usd.to_string()).unwrap_or_default(),
            self.per.to_string(),
            self.item.unit().to_string(),
            month(self.from),
            month(self.until),
            self.source_date.clone(),
            self.confidence.to_string(),
            self.source.clone(),
            self.note.clone(),
        ];
        std::array::from_fn(|place| (COLUMNS[place], fields[place].clone()))
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// The rows of `text`, tiers and times in order.
pub(super) fn parse(text: &str, file: &str) -> Result<BTreeMap<Key, Vec<Arc<Price>>>, PriceError> {
    let at = |line: u64, problem| PriceError { file: file.into(), line, problem };
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
    let csv_error =
        |error: &csv::Error| at(line_of(text, error.position()), PriceProblem::Csv(csv_text(error)));
    let header = reader.headers().map_err(|error| csv_error(&error))?.clone();
    let header_line =
        reader.headers().ok().and_then(csv::StringRecord::position).map_or(1, csv::Position::line);
    let columns = Columns::of(&header).map_err(|problem| at(header_line, problem))?;
    let mut rows: BTreeMap<Key, Vec<(u64, Price)>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| csv_error(&error))?;
        let line = line_of(text, record.position());
        let price = columns.price(&record).map_err(|problem| at(line, problem))?;
        match rows.entry((price.item, price.variant, price.scope)) {
            Entry::Vacant(entry) => {
                entry.insert(vec![(line, price)]);
            }
            Entry::Occupied(mut entry) => {
                if let Some((first, _)) = entry.get().iter().find(|(_, other)| clash(other, &price)) {
                    return Err(at(line, PriceProblem::Twice { what: what(&price), first: *first }));
                }
                entry.get_mut().push((line, price));
            }
        }
    }
    let mut sorted = BTreeMap::new();
    for (key, mut prices) in rows {
        prices.sort_by_key(|(_, price)| (price.over, price.from));
        if prices[0].1.over != 0 {
            return Err(at(prices[0].0, PriceProblem::NoFirstTier(what(&prices[0].1))));
        }
        sorted.insert(key, prices.into_iter().map(|(_, price)| Arc::new(price)).collect());
    }
    Ok(sorted)
}

/// The line of a record. The reader's position is where it began to look for it: before comments and empty lines.
fn line_of(text: &str, position: Option<&csv::Position>) -> u64 {
    let start = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(0);
    let rest = text.get(start..).unwrap_or_default();
    let skipped = rest.lines().take_while(|line| line.trim().is_empty() || line.starts_with('#')).count();
    let before = text.get(..start).unwrap_or(text).matches('\n').count();
    u64::try_from(before + skipped + 1).unwrap_or(u64::MAX)
}

/// Whether both price the same tier in some month.
fn clash(a: &Price, b: &Price) -> bool {
    let ends_before = |a: &Price, b: &Price| a.until.zip(b.from).is_some_and(|(until, from)| until <= from);
    a.over == b.over && !ends_before(a, b) && !ends_before(b, a)
}

fn what(price: &Price) -> String {
    let variant = if price.variant == Variant::None { "" } else { " " };
    let tier = if price.over > 0 { format!(" over {}", price.over) } else { String::new() };
    format!("{}{variant}{} in {}{tier}", price.item, price.variant.as_str(), price.scope.as_str())
}

fn csv_text(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".into(),
        _ => error.to_string(),
    }
}

/// Where each column stands in a record.
struct Columns([Option<usize>; COLUMNS.len()]);

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, PriceProblem> {
        let mut places = [None; COLUMNS.len()];
        for (place, name) in header.iter().enumerate() {
            let Some(column) = COLUMNS.iter().position(|column| *column == name) else {
                let column: String = name.chars().take(60).collect();
                return Err(PriceProblem::Column { nearest: nearest(&column, &COLUMNS), column });
            };
            if places[column].replace(place).is_some() {
                return Err(PriceProblem::ColumnTwice(COLUMNS[column]));
            }
        }
        let columns = Self(places);
        match REQUIRED.into_iter().find(|name| columns.place(name).is_none()) {
            Some(column) => Err(PriceProblem::ColumnMissing { column }),
            None => Ok(columns),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0[COLUMNS.iter().position(|column| *column == name)?]
    }

    fn price(&self, record: &csv::StringRecord) -> Result<Price, PriceProblem> {
        let text = |name: &str| self.place(name).and_then(|place| record.get(place)).unwrap_or_default();
        let unknown = |field| move |name| PriceProblem::Unknown { field, name };
        let item: Item = text("item").parse().map_err(unknown("item"))?;
        let variant = item.variant(text("variant")).map_err(unknown("variant"))?;
        let scope = Scope::parse(text("region")).map_err(unknown("region"))?;
        let unit: Unit = text("unit").parse().map_err(unknown("unit"))?;
        if unit != item.unit() {
            return Err(invalid("unit", text("unit"), &format!("{}, the unit of {item}", item.unit())));
        }
        let per = whole("per", text("per"), 1, PER_MAX)?;
        let over = match text("over") {
            "" => 0,
            text => whole("over", text, 0, u64::MAX)?,
        };
        let usd = price(text("price"))?;
        if scope == Scope::Account && (usd.is_none_or(|usd| !usd.is_zero()) || over != 0) {
            let expected = "0, and no tier: the first `per` units of an account cost nothing";
            return Err(invalid("price", text("price"), expected));
        }
        let confidence = match text("confidence") {
            "" if usd.is_some() => Confidence::Found,
            "" => Confidence::Unconfirmed,
            word => Confidence::ALL.into_iter().find(|confidence| confidence.as_str() == word).ok_or_else(
                || {
                    let name = UnknownName::new("confidence", word, &Confidence::ALL.map(Confidence::as_str));
                    PriceProblem::Unknown { field: "confidence", name }
                },
            )?,
        };
        if text("source").is_empty() {
            return Err(invalid("source", "", "who states the price, or `none`"));
        }
        let (from, until) = (month("from", text("from"))?, month("until", text("until"))?);
        if from.zip(until).is_some_and(|(from, until)| until <= from) {
            return Err(invalid("until", text("until"), "a month after `from`"));
        }
        Ok(Price {
            item,
            variant,
            scope,
            over,
            usd,
            per,
            from,
            until,
            source_date: date(text("source_date"))?,
            confidence,
            source: text("source").into(),
            note: text("note").into(),
        })
    }
}

fn invalid(field: &'static str, value: &str, expected: &str) -> PriceProblem {
    PriceProblem::Invalid { field, value: value.chars().take(60).collect(), expected: expected.into() }
}

fn whole(field: &'static str, text: &str, min: u64, max: u64) -> Result<u64, PriceProblem> {
    let expected = || invalid(field, text, &format!("a whole number from {min} to {max}"));
    text.parse().ok().filter(|number| (min..=max).contains(number)).ok_or_else(expected)
}

fn price(text: &str) -> Result<Option<Decimal>, PriceProblem> {
    if text.is_empty() {
        return Ok(None);
    }
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let read = Decimal::from_str_exact(text).ok().map(|usd| usd.normalize());
    let fits = |usd: &Decimal| plain && *usd <= Decimal::from(USD_MAX) && usd.scale() <= DECIMALS_MAX;
    match read.filter(fits) {
        Some(usd) => Ok(Some(usd)),
        None => Err(invalid(
            "price",
            text,
            &format!("US dollars from 0 to {USD_MAX} with at most {DECIMALS_MAX} decimals, or nothing"),
        )),
    }
}

fn month(field: &'static str, text: &str) -> Result<Option<Month>, PriceProblem> {
    match text {
        "" => Ok(None),
        text => {
            text.parse().map(Some).map_err(|_| invalid(field, text, "a month such as 2024-05, or nothing"))
        }
    }
}

/// A year, a month or a day.
fn date(text: &str) -> Result<String, PriceProblem> {
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.split('-');
    let year = parts.next().is_some_and(|year| year.is_empty() && text.is_empty() || digits(year, 4));
    let rest = parts.by_ref().take(2).all(|part| digits(part, 2));
    if year && rest && parts.next().is_none() {
        Ok(text.into())
    } else {
        Err(invalid("source_date", text, "a date such as 2026, 2026-10 or 2026-10-28, or nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str =
        "item,variant,region,over,price,per,unit,from,until,source_date,confidence,source,note";

    fn refusal(rows: &str) -> String {
        parse(&format!("{HEADER}\n{rows}\n"), "mine.csv").unwrap_err().to_string()
    }

    #[test]
    fn each_error_names_file_line_field_and_the_nearest_name() {
        for (rows, said) in [
            (
                "kms-requests,,all,0,1,1,request,,,,,me,",
                "mine.csv, line 2: `item`: `kms-requests` is no item; did you mean `kms-request`?",
            ),
            (
                "# a comment\n\nkms-request,,us-esat-1,0,1,1,request,,,,,me,",
                "mine.csv, line 4: `region`: `us-esat-1` is no Region; did you mean `us-east-1`?",
            ),
            (
                "storage,STANDARDS,all,0,1,1,GB-month,,,,,me,",
                "mine.csv, line 2: `variant`: `STANDARDS` is no storage class; did you mean `STANDARD`?",
            ),
            (
                "storage,STANDARD,all,0,1,1,GB-months,,,,,me,",
                "mine.csv, line 2: `unit`: `GB-months` is no unit; did you mean `GB-month`?",
            ),
            (
                "storage,STANDARD,all,0,1,1,GB,,,,,me,",
                "mine.csv, line 2: `unit` is `GB`: expected GB-month, the unit of storage",
            ),
            (
                "kms-request,,all,0,-1,1,request,,,,,me,",
                "mine.csv, line 2: `price` is `-1`: expected US dollars from 0 to 1000000 with at most 10 decimals, or nothing",
            ),
            (
                "kms-request,,all,0,1,0,request,,,,,me,",
                "mine.csv, line 2: `per` is `0`: expected a whole number from 1 to 1000000000",
            ),
            (
                "kms-request,,all,0,1,1,request,2024-13,,,,me,",
                "mine.csv, line 2: `from` is `2024-13`: expected a month such as 2024-05, or nothing",
            ),
            (
                "kms-request,,all,0,1,1,request,2024-05,2024-05,,,me,",
                "mine.csv, line 2: `until` is `2024-05`: expected a month after `from`",
            ),
            (
                "kms-request,,all,0,1,1,request,,,yesterday,,me,",
                "mine.csv, line 2: `source_date` is `yesterday`: expected a date such as 2026, 2026-10 or 2026-10-28, or nothing",
            ),
            (
                "kms-request,,all,0,1,1,request,,,,fond,me,",
                "mine.csv, line 2: `confidence`: `fond` is no confidence; did you mean `found`?",
            ),
            (
                "kms-request,,all,0,1,1,request,,,,,,",
                "mine.csv, line 2: `source` is ``: expected who states the price, or `none`",
            ),
            (
                "kms-request,,all,0,1,1,request",
                "mine.csv, line 2: not a CSV record: 7 fields, but the header has 13",
            ),
            (
                "kms-request,,account,0,1,1,request,,,,,me,",
                "mine.csv, line 2: `price` is `1`: expected 0, and no tier: the first `per` units of an account cost nothing",
            ),
            (
                "kms-request,,all,5,1,1,request,,,,,me,",
                "mine.csv, line 2: kms-request in all over 5 has tiers, but none that begins at 0: give a row with `over` 0",
            ),
        ] {
            assert_eq!(refusal(rows), said);
        }
    }

    #[test]
    fn two_rows_for_one_item_are_refused_unless_their_times_part_them() {
        let row = |times: &str| format!("kms-key,,all,0,1,1,key-month,{times},,,me,");
        assert_eq!(
            refusal(&format!("{}\n{}", row(","), row(","))),
            "mine.csv, line 3: kms-key in all has a second price; the first stands in line 2"
        );
        assert!(refusal(&format!("{}\n{}", row(",2024-06"), row("2024-05,"))).contains("second price"));
        let text = format!("{HEADER}\n{}\n{}\n", row("2024-05,"), row(",2024-05"));
        assert!(parse(&text, "mine.csv").is_ok());
    }

    #[test]
    fn a_header_must_be_known_and_whole() {
        let said = |header: &str| parse(header, "mine.csv").unwrap_err().to_string();
        assert!(
            said("item,regions,price,per,unit,source")
                .contains("line 1: `regions` is no column; did you mean `region`?")
        );
        assert!(said("item,price,per,unit,source").contains("column `region` is missing"));
        assert!(said("item,item,price,per,unit,source").contains("column `item` stands in the header twice"));
        assert!(said("").contains("column `item` is missing"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}", rows in "[a-z0-9,.\n\"-]{0,200}") {
            let _ = parse(&text, "a");
            let _ = parse(&format!("{HEADER}\n{rows}"), "a");
        }
    }
}
