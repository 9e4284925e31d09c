//! What to paste: the bucket's encryption as `put-bucket-encryption` takes it, the cache's limits as TOML and as Rust.

use std::fmt::Write;

use serde::Serialize;
use serde_json::json;

use super::candidate::Candidate;
use crate::request::SseMode;
use crate::rig::CACHE_MAX_AGE_DEFAULT;
use crate::units::NANOS_PER_SECOND;
use crate::workload::{Scenario, span_text};

/// A text to paste.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// What it is and where it goes.
    pub title: String,
    /// `json`, `toml` or `rust`.
    pub language: String,
    /// The text.
    pub text: String,
}

/// The settings of `candidate`. Where S3 is told nothing there is no S3 setting: kms-cached is none (docs/adr/0008).
///
/// Source: S3 API reference 2026, `PutBucketEncryption`: `ServerSideEncryptionConfiguration`, `BlockedEncryptionTypes`.
pub(super) fn settings(candidate: &Candidate, scenario: &Scenario) -> Vec<Setting> {
    let key = format!("arn:aws:kms:{}:ACCOUNT:key/KEY-ID", scenario.kms.region);
    let rule = |algorithm: &str, bucket_key: Option<bool>| {
        let mut default = json!({ "SSEAlgorithm": algorithm });
        if algorithm != "AES256" {
            default["KMSMasterKeyID"] = json!(key);
        }
        let mut rule = json!({ "ApplyServerSideEncryptionByDefault": default });
        if let Some(bucket_key) = bucket_key {
            rule["BucketKeyEnabled"] = json!(bucket_key);
        }
        rule
    };
    let bucket = |rule: serde_json::Value| {
        let text = serde_json::to_string_pretty(&json!({ "Rules": [rule] })).expect("a value");
        let title = "aws s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration file://this.json";
        vec![Setting { title: title.into(), language: "json".into(), text }]
    };
    match candidate.mode {
        SseMode::SseS3 => bucket(rule("AES256", None)),
        SseMode::SseKms => bucket(rule("aws:kms", Some(false))),
        SseMode::SseKmsBucketKey => bucket(rule("aws:kms", Some(true))),
        SseMode::DsseKms => bucket(rule("aws:kms:dsse", Some(false))),
        SseMode::SseC => {
            let mut unblocked = rule("AES256", None);
            unblocked["BlockedEncryptionTypes"] = json!({ "EncryptionType": ["NONE"] });
            bucket(unblocked)
        }
        SseMode::KmsCached => cache(candidate, scenario),
    }
}

fn cache(candidate: &Candidate, scenario: &Scenario) -> Vec<Setting> {
    let changed = candidate.apply(scenario).cache;
    let age = changed.max_age.unwrap_or(CACHE_MAX_AGE_DEFAULT);
    let limits = crate::workload::Cache { max_age: Some(age), ..changed };
    let mut table = toml::Table::new();
    table.insert("cache".into(), toml::Value::try_from(limits).expect("limits are TOML"));
    let text = toml::to_string(&table).expect("a table");
    let toml = Setting {
        title: "limits of the data-key cache of your clients or your own store".into(),
        language: "toml".into(),
        text,
    };
    let mut code =
        String::from("use s3seal::cache::{CacheConfig, UsageLimits};\nuse s3seal::units::Span;\n\n");
    let _ = writeln!(code, "// Revocation bound: {} after the KMS key is disabled.", span_text(age));
    code.push_str("let config = CacheConfig::new(UsageLimits {\n");
    if let Some(uses) = changed.max_uses {
        let _ = writeln!(code, "    max_uses: {uses},");
    }
    if let Some(bytes) = changed.max_bytes {
        let _ = writeln!(code, "    max_bytes: {bytes},");
    }
    let nanos = age.as_nanos();
    let span = if nanos.is_multiple_of(NANOS_PER_SECOND) {
        format!("Span::from_seconds({})", nanos / NANOS_PER_SECOND)
    } else {
        format!("Span::from_nanos({nanos})")
    };
    let _ = writeln!(code, "    ..UsageLimits::of_age({span})\n}});");
    let rust =
        Setting { title: "the same for the cache in this crate".into(), language: "rust".into(), text: code };
    vec![toml, rust]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CacheConfig, UsageLimits};
    use crate::units::Span;

    fn of(mode: SseMode) -> Vec<Setting> {
        let max_age = (mode == SseMode::KmsCached).then_some(Span::from_seconds(60));
        let max_uses = max_age.map(|_| 1_000);
        let candidate = Candidate { mode, max_age, max_uses, scope: None, retry: None, quota: 1 };
        settings(&candidate, &Scenario::default())
    }

    #[test]
    fn settings_of_s3_are_the_documented_json_and_the_cache_is_none_of_them() {
        let json = |mode| serde_json::from_str::<serde_json::Value>(&of(mode)[0].text).unwrap();
        assert_eq!(json(SseMode::SseKmsBucketKey)["Rules"][0]["BucketKeyEnabled"], true);
        let default = "/Rules/0/ApplyServerSideEncryptionByDefault/SSEAlgorithm";
        assert_eq!(json(SseMode::DsseKms).pointer(default).unwrap(), "aws:kms:dsse");
        assert_eq!(json(SseMode::SseS3)["Rules"][0].get("BucketKeyEnabled"), None);
        assert_eq!(json(SseMode::SseC)["Rules"][0]["BlockedEncryptionTypes"]["EncryptionType"][0], "NONE");
        let cached = of(SseMode::KmsCached);
        assert!(cached.iter().all(|setting| !setting.title.contains("s3api") && setting.language != "json"));
    }

    #[test]
    fn the_cache_reads_back_as_a_scenario_and_its_code_is_the_one_that_compiles() {
        let cached = of(SseMode::KmsCached);
        let read = Scenario::parse(&cached[0].text).unwrap().cache;
        assert_eq!((read.max_age, read.max_uses), (Some(Span::from_seconds(60)), Some(1_000)));
        let code = &cached[1].text;
        // The very lines that stand below as code.
        let end = "let config = CacheConfig::new(UsageLimits {\n    max_uses: 1000,\n    ..UsageLimits::of_age(Span::from_seconds(60))\n});\n";
        assert!(code.ends_with(end), "{code}");
        let config =
            CacheConfig::new(UsageLimits { max_uses: 1000, ..UsageLimits::of_age(Span::from_seconds(60)) });
        assert_eq!(config.limits.max_uses, 1_000);
    }
}
