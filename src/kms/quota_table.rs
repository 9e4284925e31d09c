//! What the request quotas were and are: dated rows by Region, each with its source and how sure it is.

use jiff::civil::Date;

use super::quota::{QuotaError, ThrottleRule};

/// The rows, embedded. Format and meaning of the columns: the file's first lines.
const TABLE: &str = include_str!("quota.csv");

/// Longest Region name accepted, in bytes.
const REGION_BYTES_MAX: usize = 32;

/// How sure a number from outside is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// Stated in the source.
    Found,
    /// Follows from what the source states.
    Derived,
    /// Some of it stands in no source that was read.
    Unconfirmed,
}

/// A quota as published: calls a second for one account in one Region on a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Calls a second.
    pub per_second: u32,
    /// How sure the row is.
    pub confidence: Confidence,
    /// Where the row comes from.
    pub source: &'static str,
    /// What the reader of a result should be told: an unknown Region, an unconfirmed row.
    pub note: Option<String>,
}

struct Row {
    item: &'static str,
    region: &'static str,
    per_second: u32,
    from: Date,
    until: Option<Date>,
    confidence: Confidence,
    source: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().filter(|line| !line.starts_with('#')).skip(1).map(|line| {
        row(line).unwrap_or_else(|| panic!("quota.csv is embedded and tested, yet has a bad line: {line}"))
    })
}

fn row(line: &'static str) -> Option<Row> {
    let mut columns = line.splitn(7, ',');
    Some(Row {
        item: columns.next()?,
        region: columns.next()?,
        per_second: columns.next()?.parse().ok()?,
        from: columns.next()?.parse().ok()?,
        until: match columns.next()? {
            "" => None,
            date => Some(date.parse().ok()?),
        },
        confidence: match columns.next()? {
            "found" => Confidence::Found,
            "derived" => Confidence::Derived,
            "unconfirmed" => Confidence::Unconfirmed,
            _ => return None,
        },
        source: columns.next()?,
    })
}

impl Row {
    fn quota(self, note: Option<String>) -> Quota {
        let Self { per_second, confidence, source, .. } = self;
        Quota { per_second, confidence, source, note }
    }

    fn holds(&self, on: Date) -> bool {
        self.from <= on && self.until.is_none_or(|until| on < until)
    }
}

impl Quota {
    /// The rule that AWS documents for it: a fixed window of a second.
    pub const fn rule(&self) -> ThrottleRule {
        ThrottleRule::FixedWindow { per_second: self.per_second }
    }

    /// The quota that the symmetric cryptographic operations share in `region` on `on`: `Decrypt`, `Encrypt`,
    /// `GenerateDataKey`, `GenerateDataKeyWithoutPlaintext`, `GenerateRandom`, `ReEncrypt` and two more.
    ///
    /// A Region that no row names has the default of the date; from 2018 on that is a guess unless the name is one
    /// that AWS uses, so the note says so.
    ///
    /// Source: `quota.csv`, row by row (docs/SOURCES.md, kms).
    ///
    /// # Errors
    /// [`QuotaError`] when `region` does not look like a Region, or `on` is before the first published table
    /// (2017-11-15).
    pub fn for_region(region: &str, on: Date) -> Result<Self, QuotaError> {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let named =
            region.len() <= REGION_BYTES_MAX && region.bytes().all(word) && region.split('-').count() >= 3;
        if !named || region.split('-').any(str::is_empty) {
            return Err(QuotaError {
                field: "Region",
                value: region.chars().take(80).collect(),
                expected: "lower-case letters, digits and at least two hyphens, such as eu-west-2",
            });
        }
        let mut fallback = None;
        let mut known = false;
        for row in rows().filter(|row| row.item == "symmetric") {
            known |= row.region == region;
            if !row.holds(on) {
                continue;
            }
            if row.region == region || row.region == "all" {
                let note = (row.confidence == Confidence::Unconfirmed)
                    .then(|| format!("quota of {region} on {on} is in part unconfirmed: {}", row.source));
                return Ok(row.quota(note));
            }
            if row.region == "default" {
                fallback = Some(row);
            }
        }
        let row = fallback.ok_or_else(|| before_records(on))?;
        let note = (!known).then(|| {
            format!(
                "Region {region} stands in no quota table; the default of {} a second holds",
                row.per_second
            )
        });
        Ok(row.quota(note))
    }

    /// The quota of one management operation, such as `DescribeKey`, on `on`: each has one of its own.
    ///
    /// # Errors
    /// [`QuotaError`] for an operation without a quota of its own, and when no row holds on that date.
    pub fn for_operation(name: &str, on: Date) -> Result<Self, QuotaError> {
        if !rows().any(|row| row.item == name && name.starts_with(char::is_uppercase)) {
            return Err(QuotaError {
                field: "operation",
                value: name.chars().take(80).collect(),
                expected: "a management operation with a quota of its own, such as DescribeKey; the cryptographic ones \
                           share a pool, which `for_region` tells",
            });
        }
        Self::of_item(name, on)
    }

    /// The quota of a custom key store on `on`, which counts beside the account's.
    ///
    /// # Errors
    /// [`QuotaError`] before 2018-12-04, when there were none.
    pub fn for_custom_key_store(on: Date) -> Result<Self, QuotaError> {
        Self::of_item("custom-key-store", on)
    }

    /// Units of a custom key store's quota that a `GenerateDataKey` costs on `on`, where an `Encrypt` or a
    /// `Decrypt` costs 1: 3 from 2019-03-08 to the end of 2022-09, 1 otherwise.
    pub fn custom_key_store_weight(on: Date) -> u32 {
        Self::of_item("custom-key-store-generate-weight", on).map_or(1, |row| row.per_second)
    }

    fn of_item(item: &str, on: Date) -> Result<Self, QuotaError> {
        let row = rows().find(|row| row.item == item && row.holds(on)).ok_or_else(|| before_records(on))?;
        Ok(row.quota(None))
    }
}

fn before_records(on: Date) -> QuotaError {
    QuotaError {
        field: "quota date",
        value: on.to_string(),
        expected: "a day for which a quota was published: 2017-11-15 or later, 2018-12-04 for custom key stores",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn every_row_parses_and_says_where_it_comes_from() {
        assert!(rows().count() > 40);
        for row in rows() {
            assert!(row.per_second > 0 && row.source.len() > 10, "{}", row.item);
            assert!(row.until.is_none_or(|until| row.from < until), "{} {}", row.item, row.region);
        }
    }

    #[test]
    fn two_rows_never_hold_for_one_item_and_region_on_one_day() {
        let all: Vec<Row> = rows().collect();
        for (i, a) in all.iter().enumerate() {
            for b in &all[..i] {
                let same = a.item == b.item && a.region == b.region;
                assert!(!same || !(a.holds(b.from) || b.holds(a.from)), "{} {}", a.item, a.region);
            }
        }
    }

    #[test]
    fn the_tiers_are_those_of_the_date() {
        let per_second = |region, on| Quota::for_region(region, on).unwrap().per_second;
        let tiers = |on| ["us-east-1", "eu-west-2", "us-west-1"].map(|region| per_second(region, on));
        assert_eq!(tiers(date(2017, 11, 15)), [1_200; 3]);
        assert_eq!(tiers(date(2018, 8, 20)), [1_200; 3]);
        assert_eq!(tiers(date(2018, 8, 21)), [10_000, 5_500, 5_500]);
        assert_eq!(tiers(date(2020, 6, 1)), [30_000, 10_000, 5_500]);
        assert_eq!(tiers(date(2022, 6, 1)), [50_000, 10_000, 5_500]);
        assert_eq!(tiers(date(2026, 11, 24)), [100_000, 20_000, 10_000]);
    }

    #[test]
    fn unconfirmed_rows_and_unknown_regions_say_so() {
        let today = date(2026, 11, 24);
        assert_eq!(Quota::for_region("eu-west-2", today).unwrap().note, None);
        let split = Quota::for_region("us-east-1", date(2020, 6, 1)).unwrap();
        assert_eq!(split.confidence, Confidence::Unconfirmed);
        assert!(split.note.unwrap().contains("unconfirmed"));
        let unknown = Quota::for_region("mars-north-1", today).unwrap();
        assert_eq!(unknown.per_second, 10_000);
        assert_eq!(
            unknown.note.unwrap(),
            "Region mars-north-1 stands in no quota table; the default of 10000 a second holds"
        );
        assert_eq!(Quota::for_region("sa-east-1", date(2020, 1, 1)).unwrap().note, None);
    }

    #[test]
    fn what_is_no_region_and_days_before_the_tables_are_refused() {
        for region in ["", "London", "eu-west", "EU-WEST-2", "eu--2", "eu-west-2;", "eu-west-2\n"] {
            assert_eq!(
                Quota::for_region(region, date(2026, 1, 1)).unwrap_err().field,
                "Region",
                "{region:?}"
            );
        }
        assert_eq!(Quota::for_region("eu-west-2", date(2017, 11, 14)).unwrap_err().field, "quota date");
        assert!(Quota::for_custom_key_store(date(2018, 1, 1)).is_err());
    }

    #[test]
    fn custom_key_stores_and_their_weights_are_dated() {
        assert_eq!(Quota::for_custom_key_store(date(2019, 1, 1)).unwrap().per_second, 400);
        assert_eq!(Quota::for_custom_key_store(date(2026, 1, 1)).unwrap().per_second, 1_800);
        let weights = [date(2019, 3, 7), date(2019, 3, 8), date(2022, 9, 30), date(2022, 10, 1)];
        assert_eq!(weights.map(Quota::custom_key_store_weight), [1, 3, 3, 1]);
        assert_eq!(Quota::for_operation("DescribeKey", date(2026, 1, 1)).unwrap().per_second, 2_000);
        for name in ["Foo", "Decrypt", ""] {
            assert_eq!(Quota::for_operation(name, date(2026, 1, 1)).unwrap_err().field, "operation");
        }
    }
}
