//! The formats of logs, and which of them a file's beginning looks like.

use std::fmt;
use std::str::FromStr;

use memchr::{memchr, memmem};
use thiserror::Error;

use super::column::{Column, Columns};
use super::csv::CsvFormat;
use super::inventory::Schema;
use super::{access, cos, twitter};
use crate::request::Operation;
use crate::workload::error::nearest;

/// How a log is written.
#[derive(Clone, Debug)]
pub enum Format {
    /// S3 server access log, any edition.
    S3Access,
    /// `CloudTrail`: files of records, or one record a line.
    CloudTrail,
    /// Rows of an S3 Inventory.
    Inventory(Schema),
    /// `oracleGeneral`, the binary format of `libCacheSim`.
    OracleGeneral,
    /// IBM Cloud Object Storage (SNIA IOTTA 36305).
    IbmCos,
    /// Twitter's cache traces.
    Twitter,
    /// Meta's key-value and block traces: CSV, columns by their names.
    Meta(CsvFormat),
    /// Any table with a column map.
    Csv(CsvFormat),
}

/// A text that names no format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{name}` is no format{}: expected {}",
    nearest.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)")),
    NAMES.join(", ")
)]
pub struct FormatError {
    name: String,
    nearest: Option<&'static str>,
}

const NAMES: [&str; 8] =
    ["s3-access", "cloudtrail", "inventory", "oracle-general", "ibm-cos", "twitter", "meta", "csv"];

impl Format {
    /// Its name on a command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::S3Access => NAMES[0],
            Self::CloudTrail => NAMES[1],
            Self::Inventory(_) => NAMES[2],
            Self::OracleGeneral => NAMES[3],
            Self::IbmCos => NAMES[4],
            Self::Twitter => NAMES[5],
            Self::Meta(_) => NAMES[6],
            Self::Csv(_) => NAMES[7],
        }
    }

    /// What a log looks like that begins with `head`, 4 KiB of it or more where there are as many. `None`: like none.
    pub fn guess(head: &[u8]) -> Option<Self> {
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
        let start = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let has = |needle: &[u8]| memmem::find(text, needle).is_some();
        if matches!(text[start], b'{' | b'[') {
            let trail = [
                &b"\"eventSource\""[..],
                b"\"eventVersion\"",
                b"\"eventName\"",
                b"\"Records\"",
                b"\"CloudTrailEvent\"",
            ];
            return trail.into_iter().any(has).then_some(Self::CloudTrail);
        }
        let mut lines = text[start..].split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let first = first.strip_suffix(b"\r").unwrap_or(first);
        if head.contains(&0) {
            return is_oracle(head).then_some(Self::OracleGeneral);
        }
        // A bad first line must not hide what the others are.
        let any = |looks: &dyn Fn(&[u8]) -> bool| {
            let all = text[start..].split(|byte| *byte == b'\n').take(20);
            all.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).any(looks)
        };
        if any(&|line| access::AccessLine::parse(line).is_ok()) {
            return Some(Self::S3Access);
        }
        if any(&|line| cos::parse(line).is_ok()) {
            return Some(Self::IbmCos);
        }
        if any(&|line| twitter::parse(line).is_ok()) {
            return Some(Self::Twitter);
        }
        let names: Vec<&[u8]> = first.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
        if names.contains(&&b"op_time"[..]) {
            return meta(&names).map(Self::Meta);
        }
        let named = |name: &[u8]| names.contains(&name);
        if named(b"time") && named(b"op") && named(b"key") {
            return Some(Self::Csv(CsvFormat { columns: columns_of(&names), ..CsvFormat::default() }));
        }
        // Every field of an inventory is quoted; Batch Operations' manifests have the same two first columns.
        let quoted = first.first() == Some(&b'"') && first.last() == Some(&b'"');
        (quoted && memchr(b',', first).is_some()).then(|| Self::Inventory(Schema::default()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    /// By name; tables then have the columns of their defaults.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        Ok(match text {
            "s3-access" => Self::S3Access,
            "cloudtrail" => Self::CloudTrail,
            "inventory" => Self::Inventory(Schema::default()),
            "oracle-general" => Self::OracleGeneral,
            "ibm-cos" => Self::IbmCos,
            "twitter" => Self::Twitter,
            "meta" => {
                Self::Meta(meta(&[b"op_time", b"key", b"op", b"op_count", b"size"]).expect("its columns"))
            }
            "csv" => Self::Csv(CsvFormat::default()),
            _ => return Err(FormatError { name: text.into(), nearest: nearest(text, &NAMES) }),
        })
    }
}

/// Whether `head` begins with requests of 24 bytes: times that do not fall and no wild next access.
fn is_oracle(head: &[u8]) -> bool {
    let (records, _) = head.as_chunks::<{ super::oracle::RECORD_BYTES }>();
    let mut last = 0;
    !records.is_empty()
        && records.iter().take(64).all(|bytes| {
            let request = super::oracle::OracleRequest::parse(bytes);
            let rises = request.second >= last;
            last = request.second;
            rises && request.next.is_none_or(|next| next < 1 << 48)
        })
}

/// The default map, without the optional columns that the header lacks.
fn columns_of(names: &[&[u8]]) -> Columns {
    let all = Columns::default();
    let there = |column: Option<Column>| {
        column.filter(|column| matches!(column, Column::Name(name) if names.contains(&name.as_bytes())))
    };
    Columns { bucket: there(all.bucket), size: there(all.size), principal: there(all.principal), ..all }
}

/// Meta's columns by their names, since files of one release differ in their order.
///
/// Source: `CacheLib`, kv and block traces (docs/SOURCES.md).
fn meta(names: &[&[u8]]) -> Option<CsvFormat> {
    let pick = |choices: &[&str]| {
        let found = choices.iter().find(|choice| names.contains(&choice.as_bytes()));
        found.map(|name| Column::Name((*name).into()))
    };
    let operations = [
        ("GET", Operation::GetObject),
        ("GET_LEASE", Operation::GetObject),
        ("SET", Operation::PutObject),
        ("SET_LEASE", Operation::PutObject),
        ("DELETE", Operation::DeleteObject),
        ("getChunkData.Permanent", Operation::GetObject),
        ("getChunkData.NotInitialized", Operation::GetObject),
        ("putChunk.Permanent", Operation::PutObject),
        ("putChunk.NotInitialized", Operation::PutObject),
    ];
    let columns = Columns {
        time: pick(&["op_time"])?,
        op: pick(&["op", "op_name"])?,
        key: pick(&["key", "block_id"])?,
        bucket: None,
        size: pick(&["size", "io_size"]),
        principal: pick(&["usecase", "user_name"]),
        count: pick(&["op_count"]),
    };
    let operations = operations.map(|(name, operation)| (name.to_owned(), operation)).into();
    Some(CsvFormat { columns, operations, ..CsvFormat::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(text: &str) -> Option<&'static str> {
        Format::guess(text.as_bytes()).map(|format| format.name())
    }

    #[test]
    fn each_format_is_known_by_its_beginning() {
        assert_eq!(guess("\u{FEFF}\n {\"Records\":[]}"), Some("cloudtrail"));
        assert_eq!(guess("{\"@timestamp\":\"x\",\"eventSource\":\"s3.amazonaws.com\"}"), Some("cloudtrail"));
        assert_eq!(
            guess(
                "not a line\nowner bucket [06/Feb/2019:00:00:38 +0000] - - 3E57 REST.GET.OBJECT k \"GET /k\" 200 - 1 1 1 1 \"-\" \"-\" -\r\n"
            ),
            Some("s3-access")
        );
        assert_eq!(guess("1219008 REST.PUT.OBJECT 8d4fcda3d675bac9 1056\n"), Some("ibm-cos"));
        assert_eq!(guess("0,q:q:1:8WT,12,0,3,get,0\n"), Some("twitter"));
        assert_eq!(guess("op_time,key,key_size,op,op_count,size\n"), Some("meta"));
        assert_eq!(guess("key,op,time\na,get,1\n"), Some("csv"));
        assert_eq!(guess("\"b\",\"k\",\"v\"\n"), Some("inventory"));
        assert_eq!(
            Format::guess(&[[1, 0, 0, 0], [0; 4], [7; 4], [9, 0, 0, 0], [255; 4], [255; 4]].concat())
                .unwrap()
                .name(),
            "oracle-general"
        );
        for text in ["", "  \n", "hello world\n", "a,b,c\n1,2,3\n", "{\"name\":1}"] {
            assert_eq!(guess(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_lead_to_formats_and_a_slip_to_the_nearest() {
        for name in NAMES {
            assert_eq!(name.parse::<Format>().unwrap().name(), name);
        }
        let error = "cloudtrial".parse::<Format>().unwrap_err().to_string();
        assert!(error.contains("did you mean `cloudtrail`?"), "{error}");
    }
}
