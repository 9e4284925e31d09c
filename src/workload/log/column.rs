//! Which column of a table holds what, and in which form.

use std::str::FromStr;

use thiserror::Error;

use super::super::error::nearest;
use crate::request::Operation;

/// A column, by its name in the header or by its number from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// Its name, as in the header.
    Name(String),
    /// Its number, from 1.
    Number(usize),
}

/// Where the fields of a request stand. Time, operation and key are needed.
///
/// Reads `time=Timestamp,op=2,bucket=Bucket,key=Key,size=BytesSent,principal=Requester`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// When it arrived.
    pub time: Column,
    /// The operation.
    pub op: Column,
    /// The bucket; without it all objects lie in one.
    pub bucket: Option<Column>,
    /// The object's key.
    pub key: Column,
    /// Bytes of the object.
    pub size: Option<Column>,
    /// Who asked; without it one principal asks for everything.
    pub principal: Option<Column>,
    /// How many requests the line stands for; without it each stands for one. Profiles count them, traces run one.
    pub count: Option<Column>,
}

impl Default for Columns {
    /// Each field under its own name; a header is needed, in which bucket, size and principal may be missing.
    fn default() -> Self {
        let name = |name: &str| Column::Name(name.into());
        Self {
            time: name("time"),
            op: name("op"),
            bucket: Some(name("bucket")),
            key: name("key"),
            size: Some(name("size")),
            principal: Some(name("principal")),
            count: None,
        }
    }
}

/// Why a text is no column map.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// A part that is not `field=column`.
    #[error("`{part}` is no column: expected field=column, such as time=Timestamp or time=1")]
    Form {
        /// The part.
        part: String,
    },
    /// A field that does not exist.
    #[error("unknown field `{field}`: expected time, op, bucket, key, size or principal{}", hint(*nearest))]
    Field {
        /// The field.
        field: String,
        /// The one that it resembles.
        nearest: Option<&'static str>,
    },
    /// A field given twice.
    #[error("`{field}` is given twice")]
    Twice {
        /// The field.
        field: &'static str,
    },
    /// A needed field that is not given.
    #[error("`{field}` is missing: time, op and key are needed")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// Column 0.
    #[error("`{field}` is column 0: columns are numbered from 1")]
    Zero {
        /// The field.
        field: &'static str,
    },
}

fn hint(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

const FIELDS: [&str; 7] = ["time", "op", "bucket", "key", "size", "principal", "count"];

impl FromStr for Columns {
    type Err = ColumnError;

    fn from_str(text: &str) -> Result<Self, ColumnError> {
        let mut columns: [Option<Column>; FIELDS.len()] = Default::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let form = || ColumnError::Form { part: part.into() };
            let (field, column) = part.split_once('=').ok_or_else(form)?;
            let (field, column) = (field.trim(), column.trim());
            if column.is_empty() {
                return Err(form());
            }
            let Some(index) = FIELDS.iter().position(|name| *name == field) else {
                return Err(ColumnError::Field { field: field.into(), nearest: nearest(field, &FIELDS) });
            };
            let column = match column.parse() {
                Ok(0) => return Err(ColumnError::Zero { field: FIELDS[index] }),
                Ok(number) => Column::Number(number),
                Err(_) => Column::Name(column.into()),
            };
            if columns[index].replace(column).is_some() {
                return Err(ColumnError::Twice { field: FIELDS[index] });
            }
        }
        let [time, op, bucket, key, size, principal, count] = columns;
        let needed = |column: Option<Column>, field| column.ok_or(ColumnError::Missing { field });
        Ok(Self {
            time: needed(time, "time")?,
            op: needed(op, "op")?,
            bucket,
            key: needed(key, "key")?,
            size,
            principal,
            count,
        })
    }
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Seconds since any epoch, decimals allowed: `1700000000.25`.
    Seconds,
    /// Milliseconds since any epoch, decimals allowed.
    Millis,
    /// Microseconds since any epoch, decimals allowed.
    Micros,
    /// Nanoseconds since any epoch.
    Nanos,
    /// RFC 3339, from 1970 on: `2026-11-24T12:00:00.250Z`.
    Rfc3339,
}

impl TimeFormat {
    const NAMES: [(&'static str, Self); 5] = [
        ("s", Self::Seconds),
        ("ms", Self::Millis),
        ("us", Self::Micros),
        ("ns", Self::Nanos),
        ("rfc3339", Self::Rfc3339),
    ];

    /// What a time in this format looks like, for messages.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Seconds => "seconds, such as 1700000000.25, below 2^64 ns",
            Self::Millis => "milliseconds, such as 1700000000250, below 2^64 ns",
            Self::Micros => "microseconds, such as 1700000000250000, below 2^64 ns",
            Self::Nanos => "nanoseconds, such as 1700000000250000000, below 2^64",
            Self::Rfc3339 => "a time such as 2026-11-24T12:00:00.250Z, from 1970 to 2554",
        }
    }

    /// `text` in nanoseconds since its epoch, exact; decimals beyond the nanosecond are cut.
    pub(super) fn nanos(self, text: &str) -> Option<u64> {
        match self {
            Self::Seconds => decimal(text, 9),
            Self::Millis => decimal(text, 6),
            Self::Micros => decimal(text, 3),
            Self::Nanos => decimal(text, 0),
            Self::Rfc3339 => {
                let time: jiff::Timestamp = text.parse().ok()?;
                u64::try_from(time.as_nanosecond()).ok()
            }
        }
    }
}

/// A text that names no time format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no time format: expected s, ms, us, ns or rfc3339")]
pub struct TimeFormatError(String);

impl FromStr for TimeFormat {
    type Err = TimeFormatError;

    fn from_str(text: &str) -> Result<Self, TimeFormatError> {
        let found = Self::NAMES.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, format)| format).ok_or_else(|| TimeFormatError(text.into()))
    }
}

/// `text` × 10^`power` as a whole number.
fn decimal(text: &str, power: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut number: u64 = whole.parse().ok()?;
    for place in 0..power {
        let digit = fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0');
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(number)
}

/// The operation that `text` names, in any case: AWS's name, the name in S3's access logs, or the usual short word.
///
/// The calls of a multipart upload keep their own names: each line is one request.
pub(super) fn operation(text: &str) -> Option<Operation> {
    let name = text.trim().to_ascii_lowercase();
    Some(match name.as_str() {
        "putobject" | "put" | "write" | "set" | "rest.put.object" | "postobject" | "rest.post.object" => {
            Operation::PutObject
        }
        "getobject" | "get" | "read" | "rest.get.object" => Operation::GetObject,
        "getobjectrange" | "getrange" => Operation::GetObjectRange,
        "headobject" | "head" | "stat" | "rest.head.object" => Operation::HeadObject,
        "copyobject" | "copy" | "rest.copy.object" => Operation::CopyObject,
        "createmultipartupload" | "rest.post.uploads" => Operation::CreateMultipartUpload,
        "uploadpart" | "rest.put.part" => Operation::UploadPart,
        "completemultipartupload" | "rest.post.upload" => Operation::CompleteMultipartUpload,
        "deleteobject" | "delete" | "rest.delete.object" => Operation::DeleteObject,
        "listobjects" | "listobjectsv2" | "list" | "rest.get.bucket" => Operation::ListObjects,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_column_map_is_read_by_names_and_numbers() {
        let columns: Columns = "time=ts, op=2,key=Key,size=4".parse().unwrap();
        assert_eq!(columns.time, Column::Name("ts".into()));
        assert_eq!(columns.op, Column::Number(2));
        assert_eq!((columns.size, columns.bucket), (Some(Column::Number(4)), None));
    }

    #[test]
    fn a_wrong_column_map_says_what_is_wrong() {
        let error = |text: &str| text.parse::<Columns>().unwrap_err();
        assert_eq!(error("time=1,op=2"), ColumnError::Missing { field: "key" });
        assert_eq!(error("tiem=1"), ColumnError::Field { field: "tiem".into(), nearest: Some("time") });
        assert_eq!(error("time=1,time=2"), ColumnError::Twice { field: "time" });
        assert_eq!(error("time=0"), ColumnError::Zero { field: "time" });
        assert_eq!(error("time"), ColumnError::Form { part: "time".into() });
    }

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        assert_eq!(TimeFormat::Seconds.nanos("1700000000.000000001"), Some(1_700_000_000_000_000_001));
        assert_eq!(TimeFormat::Millis.nanos("1.5"), Some(1_500_000));
        assert_eq!(TimeFormat::Micros.nanos("7"), Some(7_000));
        assert_eq!(TimeFormat::Nanos.nanos("18446744073709551615"), Some(u64::MAX));
        assert_eq!(TimeFormat::Rfc3339.nanos("1970-01-01T00:00:01.25+00:00"), Some(1_250_000_000));
        assert_eq!(TimeFormat::Rfc3339.nanos("1970-01-01T01:00:00+01:00"), Some(0));
        for text in ["", ".", "-1", "1e9", "1.2.3", "20000000000", "one", " 1", ".5"] {
            assert_eq!(TimeFormat::Seconds.nanos(text), None, "{text}");
        }
        assert_eq!(TimeFormat::Rfc3339.nanos("1969-12-31T23:59:59Z"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_time_or_a_column_map_panic(text in ".*") {
            for (_, format) in TimeFormat::NAMES {
                let _ = format.nanos(&text);
            }
            let _ = (text.parse::<Columns>(), operation(&text));
        }
    }
}
