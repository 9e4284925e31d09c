//! KMS key identifiers: `KeyId` and `KeyArn`, parsed and validated once, cheap to clone.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest key ARN accepted, in bytes. Source: KMS API reference, `KeyId` length 1–2,048.
pub const KEY_ARN_BYTES_MAX: usize = 2_048;

/// A text that is not the KMS identifier it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} `{value}` is not valid: expected {expected}")]
pub struct ArnError {
    /// Which part of the identifier is wrong.
    pub field: &'static str,
    /// The part as it was given, cut at 80 characters.
    pub value: String,
    /// What it should look like.
    pub expected: &'static str,
}

fn refuse(field: &'static str, value: &str, expected: &'static str) -> ArnError {
    ArnError { field, value: value.chars().take(80).collect(), expected }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// A KMS key id: a lower-case UUID, or `mrk-` and 32 hexadecimal digits for a multi-Region key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// The id as AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn check(text: &str) -> Result<(), ArnError> {
        let hex = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let uuid = {
            let groups: Vec<&str> = text.split('-').collect();
            groups.iter().map(|g| g.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(|g| hex(g))
        };
        let multi_region = text.strip_prefix("mrk-").is_some_and(|rest| rest.len() == 32 && hex(rest));
        if uuid || multi_region {
            return Ok(());
        }
        Err(refuse(
            "key id",
            text,
            "a lower-case UUID such as 1234abcd-12ab-34cd-56ef-1234567890ab, or mrk- and 32 hexadecimal digits",
        ))
    }
}

impl FromStr for KeyId {
    type Err = ArnError;
    fn from_str(text: &str) -> Result<Self, ArnError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

/// A KMS key ARN: `arn:PARTITION:kms:REGION:ACCOUNT:key/KEY-ID`. A clone shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyArn(Arc<str>);

impl KeyArn {
    /// The ARN as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition: `aws`, `aws-cn`, `aws-us-gov`, …
    pub fn partition(&self) -> &str {
        self.part(1)
    }

    /// The Region, such as `eu-west-1`.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The twelve digits of the account that owns the key.
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// The key id.
    pub fn key_id(&self) -> KeyId {
        KeyId(self.part(5).trim_start_matches("key/").into())
    }

    /// The ARN made from its parts.
    ///
    /// # Errors
    /// As [`str::parse`].
    pub fn new(region: &str, account: &str, key_id: &KeyId) -> Result<Self, ArnError> {
        Self::check_region(region)?;
        Self::check_account(account)?;
        format!("arn:aws:kms:{region}:{account}:key/{key_id}").parse()
    }

    fn check_region(region: &str) -> Result<(), ArnError> {
        if region.split('-').all(is_word) {
            return Ok(());
        }
        Err(refuse(
            "Region",
            region,
            "words of lower-case letters and digits with hyphens between, such as eu-west-1",
        ))
    }

    fn check_account(account: &str) -> Result<(), ArnError> {
        if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(());
        }
        Err(refuse("account", account, "twelve digits"))
    }

    fn part(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }
}

impl FromStr for KeyArn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        const SHAPE: &str = "arn:PARTITION:kms:REGION:ACCOUNT:key/KEY-ID";
        if text.len() > KEY_ARN_BYTES_MAX {
            return Err(refuse("key ARN", text, "at most 2,048 bytes"));
        }
        let parts: Vec<&str> = text.split(':').collect();
        let [arn, partition, service, region, account, resource] = parts[..] else {
            return Err(refuse("key ARN", text, SHAPE));
        };
        if arn != "arn" {
            return Err(refuse("key ARN", text, SHAPE));
        }
        if partition != "aws" && !(partition.starts_with("aws-") && partition.split('-').all(is_word)) {
            return Err(refuse("partition", partition, "aws, aws-cn, aws-us-gov or another aws- partition"));
        }
        if service != "kms" {
            return Err(refuse("service", service, "kms"));
        }
        Self::check_region(region)?;
        Self::check_account(account)?;
        let Some(id) = resource.strip_prefix("key/") else {
            return Err(refuse(
                "resource",
                resource,
                "key/KEY-ID (an alias is resolved before it comes here)",
            ));
        };
        KeyId::check(id)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyArn({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn a_good_arn_gives_its_parts_back() {
        let arn: KeyArn = GOOD.parse().unwrap();
        assert_eq!((arn.partition(), arn.region(), arn.account()), ("aws", "eu-west-1", "111122223333"));
        assert_eq!(arn.key_id().as_str(), "1234abcd-12ab-34cd-56ef-1234567890ab");
        assert_eq!(KeyArn::new("eu-west-1", "111122223333", &arn.key_id()).unwrap(), arn);
    }

    #[test]
    fn a_multi_region_key_id_is_accepted() {
        assert!("mrk-1234abcd12ab34cd56ef1234567890ab".parse::<KeyId>().is_ok());
    }

    #[test]
    fn a_bad_arn_is_refused_by_the_part_that_is_wrong() {
        let cases = [
            ("", "key ARN"),
            ("nonsense", "key ARN"),
            ("arn:aws:kms:eu-west-1:111122223333:key/a:b", "key ARN"),
            ("arn:azure:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "partition"),
            ("arn:aws:s3:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "service"),
            ("arn:aws:kms::111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "Region"),
            ("arn:aws:kms:eu-west-1:1111:key/1234abcd-12ab-34cd-56ef-1234567890ab", "account"),
            ("arn:aws:kms:eu-west-1:111122223333:alias/x", "resource"),
            ("arn:aws:kms:eu-west-1:111122223333:key/1234ABCD-12ab-34cd-56ef-1234567890ab", "key id"),
        ];
        for (text, field) in cases {
            assert_eq!(text.parse::<KeyArn>().unwrap_err().field, field, "{text}");
        }
    }
}
