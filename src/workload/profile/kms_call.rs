//! What a profile says of KMS: the calls seen, the calls predicted from the S3 requests alone, and where the two differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bounds and best guess of a number of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Not fewer: calls that the log leaves no doubt about.
    pub low: u64,
    /// Most likely, under the assumptions that the profile names.
    pub likely: u64,
    /// Not more: every doubt decided for a call.
    pub high: u64,
}

impl Range {
    /// So often.
    pub(super) const fn times(self, times: u64) -> Self {
        Self { low: self.low * times, likely: self.likely * times, high: self.high * times }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        self.low += other.low;
        self.likely += other.likely;
        self.high += other.high;
    }
}

/// The KMS part of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsCalls {
    /// Calls that S3 made, by AWS's name: those whose encryption context holds `aws:s3:arn`.
    pub seen: BTreeMap<String, u64>,
    /// Of those, the ones that KMS refused.
    pub seen_failed: u64,
    /// Of those, the ones for a Bucket Key: the context holds the bucket's ARN.
    pub seen_for_bucket_key: u64,
    /// Calls by others than S3.
    pub not_by_s3: BTreeMap<String, u64>,
    /// Predicted `GenerateDataKey`.
    pub generate_data_key: Range,
    /// Predicted `Decrypt`.
    pub decrypt: Range,
    /// Predicted for `UpdateObjectEncryption`, of whichever kind.
    #[serde(default)]
    pub update: Range,
    /// How many calls more are likely, or fewer, if each session of a role fetches Bucket Keys of its own.
    #[serde(default)]
    pub by_session: i64,
    /// How the mode was known, in data keys needed.
    pub basis: BTreeMap<String, u64>,
    /// Calls that were predicted and seen, within a second, under the same ARN.
    pub agreed: u64,
    /// Calls seen that were not predicted as likely, by cause.
    pub seen_not_predicted: BTreeMap<String, u64>,
    /// Calls predicted as likely that were not seen, by cause. Empty where the log holds no KMS calls by S3.
    pub predicted_not_seen: BTreeMap<String, u64>,
    /// What the same requests would cost in each mode.
    pub implied: BTreeMap<String, Range>,
}

impl KmsCalls {
    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        let add = |to: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>| {
            for (name, count) in from {
                *to.entry(name.clone()).or_default() += count;
            }
        };
        add(&mut self.seen, &other.seen);
        add(&mut self.not_by_s3, &other.not_by_s3);
        add(&mut self.basis, &other.basis);
        add(&mut self.seen_not_predicted, &other.seen_not_predicted);
        add(&mut self.predicted_not_seen, &other.predicted_not_seen);
        self.seen_failed += other.seen_failed;
        self.seen_for_bucket_key += other.seen_for_bucket_key;
        self.agreed += other.agreed;
        self.generate_data_key.add(other.generate_data_key);
        self.decrypt.add(other.decrypt);
        self.update.add(other.update);
        self.by_session += other.by_session;
        for (mode, range) in &other.implied {
            self.implied.entry(mode.clone()).or_default().add(*range);
        }
    }

    /// All predicted calls.
    pub fn predicted(&self) -> Range {
        let mut all = self.generate_data_key;
        all.add(self.decrypt);
        all.add(self.update);
        all
    }

    /// Most likely, if each session of a role fetches Bucket Keys of its own.
    pub fn likely_by_session(&self) -> u64 {
        self.predicted().likely.saturating_add_signed(self.by_session)
    }
}

pub(super) fn count(map: &mut BTreeMap<String, u64>, name: &str, times: u64) {
    if let Some(there) = map.get_mut(name) {
        *there += times;
    } else {
        map.insert(name.to_owned(), times);
    }
}
