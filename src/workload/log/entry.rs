//! What the lines of every log come down to: requests, KMS calls, bucket settings, stored objects.

use std::borrow::Cow;

use crate::request::{Operation, SseMode};
use crate::units::Timestamp;

/// What a line or record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'a> {
    /// A request to S3 or to another store.
    Request(Request<'a>),
    /// A call to KMS.
    Kms(KmsUse<'a>),
    /// A bucket's default encryption changes.
    Setting(Setting<'a>),
    /// An object that exists, from an inventory.
    Stored(Stored<'a>),
    /// A record that says nothing of this kind: another service, another action.
    Other,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// Since 1970; in traces without a date, since their own start.
    pub time: Timestamp,
    /// The operation, where it is one that moves or names objects.
    pub operation: Option<Operation>,
    /// What the log calls it, in AWS's API names where there is one.
    pub name: Cow<'a, str>,
    /// The bucket; empty when the log names none.
    pub bucket: Cow<'a, str>,
    /// The object's key, decoded; empty when there is none.
    pub key: Cow<'a, str>,
    /// Who asked; empty when nobody is named.
    pub requester: Cow<'a, str>,
    /// Bytes of the object, where told.
    pub size: Option<u64>,
    /// Body bytes to the client.
    pub sent: u64,
    /// Body bytes from the client.
    pub received: u64,
    /// How it ended.
    pub ending: Ending,
    /// Which side of a copy the record is.
    pub side: Side,
    /// Bucket and key that a copy reads, where the record names them.
    pub source: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// How the object that it writes or reads is encrypted, where the record says.
    pub sse: Option<Sse>,
    /// What only `CloudTrail` says besides.
    pub told: Told<'a>,
    /// How many like it the line stands for.
    pub times: u64,
}

/// What `CloudTrail` says of a request and no other log does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// The version that it reads, or that it made; empty when none is named.
    pub version: Cow<'a, str>,
    /// Whether the bucket's default decided how the object is encrypted, and not the request.
    pub by_default: bool,
    /// Whether it asks for checksums, which are kept encrypted: then a HEAD needs the object's key.
    pub checksum: bool,
    /// The KMS key of what it writes, as the answer or the request names it; empty when none is named.
    pub kms_key: Cow<'a, str>,
    /// How the object that a copy reads is encrypted.
    pub source_sse: Option<Sse>,
}

/// What an existing object's mode is changed by, without a copy of it. Its target is SSE-KMS.
///
/// Source: S3 API reference, `UpdateObjectEncryption` (docs/SOURCES.md).
pub const UPDATE_ENCRYPTION: &str = "UpdateObjectEncryption";

/// Whether `bucket` is a directory bucket, of S3 Express One Zone: those alone may end so.
///
/// Source: S3 user guide, directory bucket naming rules (docs/SOURCES.md).
pub fn is_directory_bucket(bucket: &str) -> bool {
    bucket.ends_with("--x-s3")
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Done, or nothing is said of an error.
    Done,
    /// 304: nothing sent.
    Unchanged,
    /// Refused, 4xx.
    Refused,
    /// Refused because of the KMS key: S3 had asked KMS.
    RefusedByKms,
    /// KMS was over its quota when S3 asked it, 503.
    ThrottledByKms,
    /// Turned away by S3 before it was worked on, 503.
    TurnedAway,
    /// Failed inside S3, 5xx.
    Failed,
}

impl Ending {
    /// Whether it was answered with 5xx, which S3 does not bill.
    pub const fn is_server_error(self) -> bool {
        matches!(self, Self::ThrottledByKms | Self::TurnedAway | Self::Failed)
    }
}

/// Which part of an action a record is: of a copy access logs write a record for each side, `CloudTrail` one for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The whole request.
    Whole,
    /// The read of a copy's source.
    CopyRead,
    /// The write of a copy.
    CopyWrite,
    /// The request to an access point of S3 Object Lambda: what reads the object is a request with a record of its own.
    ObjectLambda,
}

/// What a record says of an object's encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sse {
    /// One mode.
    Known(SseMode),
    /// SSE-KMS; whether with a Bucket Key is not said.
    Kms,
}

/// A call to KMS.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "what a record says, each for itself")]
pub struct KmsUse<'a> {
    /// Since 1970.
    pub time: Timestamp,
    /// AWS's name of the call.
    pub name: Cow<'a, str>,
    /// `aws:s3:arn` of the encryption context: the object's ARN, or the bucket's with a Bucket Key; `aws:s3express:arn`, the
    /// bucket's, for a directory bucket. S3's own calls alone have it.
    pub s3_arn: Option<Cow<'a, str>>,
    /// The KMS key's ARN, as far as the record tells.
    pub kms_key: Cow<'a, str>,
    /// On whose behalf.
    pub requester: Cow<'a, str>,
    /// Whether S3 called: the context holds an `aws:s3:arn`, or, where KMS refused and left the context out, S3 is named.
    pub by_s3: bool,
    /// Whether another service than S3 had the key fetched, such as `CloudTrail` when it delivers.
    pub by_service: bool,
    /// Whether S3 Replication had.
    pub by_replication: bool,
    /// Whether KMS refused it.
    pub failed: bool,
}

/// A bucket's default encryption changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting<'a> {
    /// Since 1970.
    pub time: Timestamp,
    /// `PutBucketEncryption` or `DeleteBucketEncryption`.
    pub name: Cow<'a, str>,
    /// The bucket.
    pub bucket: Cow<'a, str>,
    /// What new objects get; `None`: the record does not say.
    pub sse: Option<Sse>,
}

/// A row of an inventory.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<'a> {
    /// The bucket.
    pub bucket: Cow<'a, str>,
    /// The key, decoded.
    pub key: Cow<'a, str>,
    /// Its bytes, where told.
    pub size: Option<u64>,
    /// Its encryption, where told.
    pub sse: Option<Sse>,
}

/// Bucket and key that an ARN of S3 names, in any partition: `arn:aws:s3:::bucket/key`, or of a directory bucket
/// `arn:aws:s3express:region:account:bucket/bucket/key`, which encryption contexts write behind another `arn:aws:s3:::`. None
/// for an access point and for what is not of S3.
///
/// Source: S3 user guide, SSE-KMS in directory buckets; its `CloudTrail` examples, which leave `bucket/` out (docs/SOURCES.md).
pub(in crate::workload) fn of_arn(arn: &str) -> Option<(&str, Option<&str>)> {
    let mut of_service = behind_partition(arn);
    if let Some(inner) = of_service.strip_prefix("s3:::").filter(|inner| inner.starts_with("arn:")) {
        of_service = behind_partition(inner);
    }
    let path = if let Some(path) = of_service.strip_prefix("s3:::") {
        path
    } else {
        let path = of_service.strip_prefix("s3express:")?.splitn(3, ':').nth(2)?;
        let path = path.strip_prefix("bucket/").unwrap_or(path);
        path.split('/').next().filter(|bucket| is_directory_bucket(bucket))?;
        path
    };
    Some(path.split_once('/').map_or((path, None), |(bucket, key)| (bucket, Some(key))))
}

/// `service:region:account:resource` of an ARN; empty if it is none.
pub(super) fn behind_partition(arn: &str) -> &str {
    arn.strip_prefix("arn:").and_then(|arn| arn.split_once(':')).map_or("", |(_, of_service)| of_service)
}

/// `text` with its percent signs resolved, and `+` as a space: how S3 writes keys in logs and inventories.
pub(super) fn decoded(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    let coded = |byte: &u8| *byte == b'%' || (plus_is_space && *byte == b'+');
    let Some(first) = text.as_bytes().iter().position(coded) else {
        return Cow::Borrowed(text);
    };
    let bytes = text.as_bytes();
    let mut out = bytes[..first].to_vec();
    let mut at = first;
    while at < bytes.len() {
        let hex = |i: usize| bytes.get(i).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
                at += 3;
            }
            (b'+', ..) if plus_is_space => {
                out.push(b' ');
                at += 1;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_of_s3_names_bucket_and_key() {
        assert_eq!(of_arn("arn:aws:s3:::b/k/x:y"), Some(("b", Some("k/x:y"))));
        assert_eq!(of_arn("arn:aws-cn:s3:::b"), Some(("b", None)));
        assert_eq!(of_arn("arn:aws:s3:::b/"), Some(("b", Some(""))));
        let express = "arn:aws:s3express:us-west-2:111122223333:bucket/x--usw2-az1--x-s3";
        assert_eq!(of_arn(express), Some(("x--usw2-az1--x-s3", None)));
        assert_eq!(of_arn(&format!("{express}/k/l")), Some(("x--usw2-az1--x-s3", Some("k/l"))));
        assert_eq!(of_arn(&format!("arn:aws:s3:::{express}")), Some(("x--usw2-az1--x-s3", None)));
        assert_eq!(of_arn(&express.replace("bucket/", "")), Some(("x--usw2-az1--x-s3", None)));
        for other in [
            "",
            "b/k",
            "arn:aws:s3:us-east-1:111122223333:accesspoint/ap",
            "arn:aws:s3express:us-west-2:111122223333:accesspoint/x--usw2-az1--xa-s3",
            "arn:aws:s3-object-lambda:us-east-1:111122223333:accesspoint/ol",
            "arn:aws:kms:us-east-1:111122223333:key/1",
            "arn:aws:s3:::arn:aws:s3",
        ] {
            assert_eq!(of_arn(other), None, "{other:?}");
        }
    }

    #[test]
    fn keys_are_decoded_once() {
        assert_eq!(decoded("plain/key", true), "plain/key");
        assert_eq!(decoded("Screen+Shot%202026%2Fa", true), "Screen Shot 2026/a");
        assert_eq!(decoded("a+b", false), "a+b");
        assert_eq!(decoded("twice%2520coded", true), "twice%20coded");
        assert_eq!(decoded("100%", true), "100%");
        assert_eq!(decoded("%zz%4", true), "%zz%4");
        assert_eq!(decoded("%C3%A9", true), "é");
        assert_eq!(decoded("%FF", true), "\u{FFFD}");
    }
}
