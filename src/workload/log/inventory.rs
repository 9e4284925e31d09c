//! S3 Inventory: the manifest, and the CSV files that it names: which objects exist, and how they are encrypted.
//!
//! The rows have no header: the manifest's `fileSchema` says which column is which. Without it, bucket and key come first, as
//! AWS has them, and the encryption columns are known by their values. Keys are URL-encoded. The inventory does not name the
//! KMS key. Source: S3 user guide, Amazon S3 Inventory (docs/SOURCES.md).

use std::borrow::Cow;

use serde::Deserialize;
use thiserror::Error;

use super::access::AccessLineError;
use super::entry::{Entry, Sse, Stored, decoded};
use crate::request::SseMode;

/// What `manifest.json` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The bucket whose objects are listed.
    pub bucket: String,
    /// Keys of the files in the destination bucket, in their order.
    pub files: Vec<String>,
    /// Which column is which.
    pub schema: Schema,
}

/// Which column is which, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    bucket: Option<usize>,
    key: Option<usize>,
    size: Option<usize>,
    deleted: Option<usize>,
    latest: Option<usize>,
    encryption: Option<usize>,
    bucket_key: Option<usize>,
}

/// Why a manifest is of no use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not one.
    #[error("not the manifest of an S3 Inventory: {0}")]
    Json(#[from] serde_json::Error),
    /// Its files are written in a way that is not read here.
    #[error("`fileFormat` is {0:?}: expected CSV; set the inventory's output format to CSV")]
    Format(String),
    /// The columns lack one that is needed.
    #[error("`fileSchema` is {0:?}: expected Bucket and Key among its columns")]
    Schema(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    source_bucket: String,
    file_format: String,
    file_schema: String,
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    key: String,
}

impl Manifest {
    /// The manifest in `text`.
    ///
    /// # Errors
    /// [`ManifestError`] for other JSON, ORC and Parquet files, and a schema without bucket or key.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let written: Written = serde_json::from_slice(text)?;
        if !written.file_format.eq_ignore_ascii_case("csv") {
            return Err(ManifestError::Format(written.file_format));
        }
        let schema = Schema::of_names(&written.file_schema);
        if schema.bucket.is_none() || schema.key.is_none() {
            return Err(ManifestError::Schema(written.file_schema));
        }
        let files = written.files.into_iter().map(|file| file.key).collect();
        Ok(Self { bucket: written.source_bucket, files, schema })
    }
}

impl Schema {
    /// From `Bucket, Key, VersionId, …`.
    pub fn of_names(names: &str) -> Self {
        let mut schema = Self::default();
        for (place, name) in names.split(',').map(str::trim).enumerate() {
            let field = match name {
                "Bucket" => &mut schema.bucket,
                "Key" => &mut schema.key,
                "Size" => &mut schema.size,
                "IsDeleteMarker" => &mut schema.deleted,
                "IsLatest" => &mut schema.latest,
                "EncryptionStatus" => &mut schema.encryption,
                "BucketKeyStatus" => &mut schema.bucket_key,
                _ => continue,
            };
            *field = Some(place);
        }
        schema
    }

    /// What the row with `fields` says. Delete markers and old versions are nothing here.
    pub(super) fn entry<'a>(&self, fields: &[&'a str]) -> Result<Entry<'a>, AccessLineError> {
        let lacks = |field| AccessLineError { at: 0, field, expected: "a row with bucket and key" };
        let field = |place: Option<usize>| place.and_then(|place| fields.get(place)).copied();
        let known = self.key.is_some();
        let bucket = fields.get(self.bucket.unwrap_or(0)).copied().ok_or(lacks("bucket"))?;
        let key = fields.get(self.key.unwrap_or(1)).copied().ok_or(lacks("key"))?;
        if field(self.deleted) == Some("true") || field(self.latest) == Some("false") {
            return Ok(Entry::Other);
        }
        let among = |values: &[&str]| {
            fields.iter().skip(2).find(|field| values.contains(*field)).copied().filter(|_| !known)
        };
        let encryption = field(self.encryption)
            .or_else(|| among(&["SSE-S3", "SSE-KMS", "SSE-C", "NOT-SSE", "DSSE-KMS"]))
            .unwrap_or_default();
        let bucket_key =
            field(self.bucket_key).or_else(|| among(&["ENABLED", "DISABLED"])).unwrap_or_default();
        let sse = match (encryption, bucket_key) {
            ("SSE-S3" | "NOT-SSE", _) => Some(Sse::Known(SseMode::SseS3)),
            ("SSE-C", _) => Some(Sse::Known(SseMode::SseC)),
            ("DSSE-KMS", _) => Some(Sse::Known(SseMode::DsseKms)),
            ("SSE-KMS", "ENABLED") => Some(Sse::Known(SseMode::SseKmsBucketKey)),
            ("SSE-KMS", "DISABLED") => Some(Sse::Known(SseMode::SseKms)),
            ("SSE-KMS", _) => Some(Sse::Kms),
            _ => None,
        };
        let size = field(self.size).and_then(|size| size.parse().ok());
        Ok(Entry::Stored(Stored { bucket: Cow::Borrowed(bucket), key: decoded(key, true), size, sse }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str =
        "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, EncryptionStatus, BucketKeyStatus";

    fn stored(schema: &Schema, row: &[&str]) -> Option<(String, Option<u64>, Option<Sse>)> {
        match schema.entry(row).unwrap() {
            Entry::Stored(stored) => Some((stored.key.into_owned(), stored.size, stored.sse)),
            _ => None,
        }
    }

    #[test]
    fn a_row_tells_mode_and_bucket_key_but_not_of_delete_markers_and_old_versions() {
        let schema = Schema::of_names(SCHEMA);
        let of = |row: &[&str]| stored(&schema, row);
        let mode = |mode| Some(Sse::Known(mode));
        assert_eq!(
            of(&["b", "a%2Fb+c", "v", "true", "false", "7", "SSE-KMS", "ENABLED"]),
            Some(("a/b c".into(), Some(7), mode(SseMode::SseKmsBucketKey)))
        );
        assert_eq!(
            of(&["b", "k", "", "true", "false", "7", "SSE-KMS", "DISABLED"]),
            Some(("k".into(), Some(7), mode(SseMode::SseKms)))
        );
        assert_eq!(
            of(&["b", "k", "", "true", "false", "7", "SSE-KMS", ""]),
            Some(("k".into(), Some(7), Some(Sse::Kms)))
        );
        assert_eq!(of(&["b", "k", "v", "true", "true", "", "", "DISABLED"]), None);
        assert_eq!(of(&["b", "k", "v", "false", "false", "7", "SSE-KMS", "DISABLED"]), None);
    }

    #[test]
    fn without_a_schema_the_values_name_their_columns() {
        let row = ["b", "k", "7", "2024-05-06T22:37:48.000Z", "DSSE-KMS"];
        assert_eq!(
            stored(&Schema::default(), &row),
            Some(("k".into(), None, Some(Sse::Known(SseMode::DsseKms))))
        );
        assert!(Schema::default().entry(&["b"]).is_err());
    }

    #[test]
    fn a_manifest_of_csv_is_read_and_others_say_what_to_do() {
        let manifest = |format: &str| {
            format!(
                r#"{{"sourceBucket":"b","fileFormat":"{format}","fileSchema":"{SCHEMA}","files":[{{"key":"x/y.csv.gz","size":1}}]}}"#
            )
        };
        let read = Manifest::parse(manifest("CSV").as_bytes()).unwrap();
        assert_eq!((&*read.bucket, &read.files[..]), ("b", &["x/y.csv.gz".to_owned()][..]));
        assert_eq!(read.schema, Schema::of_names(SCHEMA));
        let refused = Manifest::parse(manifest("ORC").as_bytes()).unwrap_err();
        assert!(refused.to_string().contains("set the inventory's output format to CSV"), "{refused}");
        assert!(Manifest::parse(b"{}").is_err());
    }
}
