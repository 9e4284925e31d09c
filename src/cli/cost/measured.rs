//! A month of what a profile has measured: `--profile`.

use std::path::Path;

use s3seal::cost::{Item, Month, Region, StorageClass, Usage, UsageError, Variant, grouped};
use s3seal::report::{body_passes, by_the_month, request_item};
use s3seal::request::{Operation, SseMode};
use s3seal::units::NANOS_PER_SECOND;
use s3seal::workload::profile::{OperationCount, Profile, Range, instant};

use super::{Failure, Question, refuse};
use crate::cli::pricing::read;

/// Below a day the rhythm of days is not in the log, below a week that of weeks.
const DAY: u64 = 86_400;

/// What a profile has measured, and the keys that are billed with it.
pub(super) struct Measured {
    pub(super) region: Region,
    profile: Profile,
    /// From the first request to the last, both seconds counted.
    seconds: u64,
    keys: u64,
    rotations: u64,
}

impl Measured {
    pub(super) fn new(path: &Path, question: &Question, region: Region) -> Result<Self, Failure> {
        let (keys, rotations) =
            question.flags.keys_alone("--profile").unwrap_or_else(|problem| refuse(&problem));
        let (name, text) = read(path)?;
        let profile = Profile::from_json(text.as_bytes())
            .map_err(|error| Failure::new(format_args!("{name}: {error}")))?;
        let span = profile.from.zip(profile.until).filter(|_| profile.requests() > 0);
        let Some((from, until)) = span else {
            return Err(Failure::new(format_args!(
                "{name}: no request to S3 is in it, so there is nothing to bill; profile the logs of a day or more"
            )));
        };
        let seconds = until / NANOS_PER_SECOND - from / NANOS_PER_SECOND + 1;
        Ok(Self { region, profile, seconds, keys: keys.unwrap_or(1), rotations: rotations.unwrap_or(0) })
    }

    /// So many of the log in a month at the same rate.
    fn scaled(&self, count: u64, month: Month) -> u64 {
        by_the_month(count, self.seconds.saturating_mul(NANOS_PER_SECOND), month)
    }

    /// Requests of the log that S3 bills, by item.
    fn billed(&self, item: Item) -> u64 {
        let of_item = |(name, count): (&String, &OperationCount)| {
            (item_of(name) == Some(item)).then(|| count.requests - count.server_errors)
        };
        self.profile.operations.iter().filter_map(of_item).sum()
    }

    /// Requests of a month that S3 bills.
    pub(super) fn requests(&self, month: Month) -> u64 {
        let items = [Item::PutRequest, Item::GetRequest, Item::DeleteRequest];
        items.into_iter().map(|item| self.scaled(self.billed(item), month)).sum()
    }

    fn calls(&self, mode: SseMode) -> Range {
        self.profile.kms.implied.get(mode.as_str()).copied().unwrap_or_default()
    }

    /// KMS calls of a month under `mode`.
    pub(super) fn kms_requests(&self, mode: SseMode, month: Month) -> u64 {
        self.scaled(self.calls(mode).likely, month)
    }

    /// Bytes of the log that are encrypted or decrypted.
    fn crypto_bytes(&self) -> u64 {
        let mean = match self.profile.sizes.count() {
            0 => 0,
            count => self.profile.sizes.sum() / count,
        };
        let of = |operation: Operation| {
            let count = self.profile.operations.get(operation.as_str()).copied().unwrap_or_default();
            let body = match operation {
                // A log tells no bytes of a copy.
                Operation::CopyObject => mean.saturating_mul(count.requests - count.failed),
                _ => count.bytes_in.saturating_add(count.bytes_out),
            };
            body.saturating_mul(body_passes(operation))
        };
        Operation::ALL.into_iter().map(of).fold(0, u64::saturating_add)
    }

    /// What a month in `region` uses under `mode`.
    pub(super) fn usage(&self, mode: SseMode, region: Region, month: Month) -> Result<Usage, UsageError> {
        let mut usage = Usage::new(month);
        let standard = Variant::Class(StorageClass::Standard);
        for (item, variant) in
            [(Item::PutRequest, standard), (Item::GetRequest, standard), (Item::DeleteRequest, Variant::None)]
        {
            usage.add(item, variant, region, u128::from(self.scaled(self.billed(item), month)))?;
        }
        if matches!(mode, SseMode::SseS3 | SseMode::SseC) {
            return Ok(usage);
        }
        usage.add(Item::KmsRequest, Variant::None, region, u128::from(self.kms_requests(mode, month)))?;
        if mode == SseMode::DsseKms {
            let bytes = self.scaled(self.crypto_bytes(), month);
            usage.add(Item::Dsse, Variant::None, region, u128::from(bytes))?;
        }
        usage.add_keys(region, self.keys, self.rotations, month.hours())?;
        Ok(usage)
    }

    /// What the bill takes from the log.
    pub(super) fn measured(&self, month: Month) -> Vec<String> {
        let profile = &self.profile;
        let (from, until) = (profile.from.unwrap_or_default(), profile.until.unwrap_or_default());
        let errors: u64 = profile.operations.values().map(|count| count.server_errors).sum();
        let number = |count: u64| grouped(u128::from(count));
        let mut list = vec![format!(
            "{} requests in {} s ({} to {}); {} of them answered with 5xx, which S3 does not bill",
            number(profile.requests()),
            number(self.seconds),
            instant(from),
            instant(until),
            number(errors)
        )];
        let seen: u64 = profile.kms.seen.values().sum();
        if seen > 0 {
            list.push(format!(
                "{} KMS calls by S3 were seen with the settings of today, which makes {} a month",
                number(seen),
                number(self.scaled(seen, month))
            ));
        }
        list
    }

    /// What the bill takes for granted.
    pub(super) fn assumptions(&self, modes: &[SseMode], month: Month) -> Vec<String> {
        let mut list = vec![format!("{} goes on like the log for all its {} hours", month, month.hours())];
        if self.seconds < 7 * DAY {
            let lacks =
                if self.seconds < DAY { "a day: the rhythm of days and weeks" } else { "a week: its rhythm" };
            list.push(format!("the log is shorter than {lacks} is not in it; profile a longer one"));
        }
        list.push(
            "every object is in the mode of the bill; the KMS calls are those that the requests of the log make in it, without \
             those that failed"
                .into(),
        );
        for mode in SseMode::ALL.iter().filter(|mode| modes.contains(mode)) {
            let Range { low, likely, high } = self.calls(*mode);
            if low < high {
                list.push(format!(
                    "{mode}: {} KMS calls a month, from {} to {}",
                    grouped(u128::from(self.scaled(likely, month))),
                    grouped(u128::from(self.scaled(low, month))),
                    grouped(u128::from(self.scaled(high, month)))
                ));
            }
        }
        let of_keys = [SseMode::SseKmsBucketKey, SseMode::KmsCached].iter().any(|mode| modes.contains(mode));
        if of_keys {
            list.extend(self.profile.assumptions.keys().cloned());
        }
        if modes.contains(&SseMode::DsseKms) {
            let copies = self.profile.operations.get(Operation::CopyObject.as_str());
            let copies = copies.is_some_and(|copies| copies.requests > copies.failed);
            let of_copies = if copies { "; copied objects are as large as the mean of the log" } else { "" };
            list.push(format!("dsse-kms: by the bytes that the log says went in and out{of_copies}"));
        }
        list.push(format!(
            "STANDARD, {} customer managed key(s); storage and transfer are those of --usage alone",
            self.keys
        ));
        list
    }
}

/// What S3 bills a request as that a log calls `name`; none for what is no request of its own.
///
/// Source: Amazon S3 price page, request classes; S3 user guide, usage types (docs/COST.md).
fn item_of(name: &str) -> Option<Item> {
    if let Some(operation) = Operation::ALL.into_iter().find(|operation| operation.as_str() == name) {
        return Some(request_item(operation));
    }
    // The other record of a copy, a key of a batch, and what S3 does by itself.
    if name.contains(" (") || name.starts_with("S3.") {
        return None;
    }
    // The access log's own names: `REST.GET.ACL`, `WEBSITE.GET.OBJECT`.
    let verb = name.split('.').nth(1).unwrap_or(name);
    let begins = |words: &[&str]| words.iter().any(|word| verb.starts_with(word));
    Some(if begins(&["DELETE", "Delete", "Abort"]) {
        Item::DeleteRequest
    } else if begins(&["PUT", "POST", "COPY", "Put", "Post", "Copy", "Create", "List", "Upload", "Complete"])
    {
        Item::PutRequest
    } else {
        Item::GetRequest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_log_has_its_class_in_a_bill() {
        for (name, item) in [
            ("GetObject", Some(Item::GetRequest)),
            ("SelectObjectContent", Some(Item::GetRequest)),
            ("GetObjectTagging", Some(Item::GetRequest)),
            ("REST.OPTIONS.PREFLIGHT", Some(Item::GetRequest)),
            ("UploadPartCopy", Some(Item::PutRequest)),
            ("ListParts", Some(Item::PutRequest)),
            ("PutBucketEncryption", Some(Item::PutRequest)),
            ("REST.PUT.ACL", Some(Item::PutRequest)),
            ("REST.DELETE.WEBSITE", Some(Item::DeleteRequest)),
            ("AbortMultipartUpload", Some(Item::DeleteRequest)),
            ("DeleteObjects", Some(Item::DeleteRequest)),
            ("CopyObject (source read)", None),
            ("DeleteObjects (one key)", None),
            ("S3.EXPIRE.OBJECT", None),
        ] {
            assert_eq!(item_of(name), item, "{name}");
        }
    }
}
