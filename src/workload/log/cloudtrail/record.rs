//! A `CloudTrail` record: what its fields come down to.

use std::borrow::Cow;

use super::field::{Field, Fields};
use crate::request::{Operation, SseMode};
use crate::units::Timestamp;
use crate::workload::log::entry::{
    Ending, Entry, KmsUse, Request, Setting, Side, Sse, Told, UPDATE_ENCRYPTION, decoded,
    is_directory_bucket, of_arn,
};
use crate::workload::log::moment;

impl<'a> Fields<'a> {
    /// Whether it is a record at all. Those of `CloudTrail` Insights name no event.
    pub(super) fn is_one(&self) -> bool {
        let named = self.has(Field::EventName) && self.has(Field::EventSource);
        named || (self.has(Field::EventType) && self.has(Field::EventId))
    }

    /// What it says; `Err` with the time as written where a record of S3 or KMS has none that can be read.
    pub(super) fn entry(&mut self) -> Result<Entry<'a>, String> {
        let (kms, side) = match self.text(Field::EventSource) {
            "kms.amazonaws.com" => (true, Side::Whole),
            "s3.amazonaws.com" | "s3express.amazonaws.com" => (false, Side::Whole),
            "s3-object-lambda.amazonaws.com" => (false, Side::ObjectLambda),
            _ => return Ok(Entry::Other),
        };
        // What passed a VPC endpoint is told a second time, under an event of its own.
        if self.text(Field::Category) == "NetworkActivity"
            || self.text(Field::EventType).starts_with("AwsVpce")
        {
            return Ok(Entry::Other);
        }
        let written = self.text(if self.has(Field::EventTime) { Field::EventTime } else { Field::Timestamp });
        let time = moment::of_iso(written).ok_or_else(|| written.to_owned())?;
        let failed = !self.text(Field::ErrorCode).is_empty();
        let name = self.take(Field::EventName).unwrap_or_default();
        if kms {
            return Ok(Entry::Kms(self.kms_use(time, name, failed)));
        }
        let bucket = self.bucket();
        if matches!(&*name, "PutBucketEncryption" | "DeleteBucketEncryption") {
            if failed {
                return Ok(Entry::Other);
            }
            let deleted = name == "DeleteBucketEncryption";
            let sse = if deleted { Some(Sse::Known(SseMode::SseS3)) } else { self.configured(&bucket) };
            return Ok(Entry::Setting(Setting { time, name, bucket, sse }));
        }
        let (sent, received) = (self.count(Field::Sent), self.count(Field::Received));
        let source = if self.has(Field::CopySource) { self.copy_source(&bucket) } else { None };
        let named_so = operation(&name, self.has(Field::Range) || self.has(Field::RangeLower));
        let operation = named_so.filter(|_| side == Side::Whole);
        let writes = matches!(
            operation,
            Some(Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload)
        );
        let sse = match operation {
            Some(_) => self.applied(&bucket),
            None if name == UPDATE_ENCRYPTION => Some(self.updated()),
            None => None,
        };
        let told = Told {
            version: self
                .take(if writes { Field::VersionMade } else { Field::VersionRead })
                .unwrap_or_default(),
            by_default: writes && self.text(Field::SseApplied).starts_with("Default_"),
            kms_key: self.take(Field::AnsweredKey).or(self.take(Field::AskedKey)).unwrap_or_default(),
            checksum: self.text(Field::Checksum).eq_ignore_ascii_case("enabled"),
            source_sse: self.has(Field::SourceCustomer).then_some(Sse::Known(SseMode::SseC)),
        };
        let size = match operation {
            Some(Operation::PutObject | Operation::UploadPart) => received,
            Some(Operation::GetObject) => sent,
            _ => None,
        };
        Ok(Entry::Request(Request {
            time,
            operation,
            name: named(name, operation, side),
            bucket,
            key: self.take(Field::Key).unwrap_or_default(),
            size: size.filter(|_| !failed),
            sent: sent.unwrap_or(0),
            received: received.unwrap_or(0),
            ending: ending(self.text(Field::ErrorCode), self.text(Field::ErrorMessage)),
            requester: self.requester(),
            side,
            source,
            sse,
            told,
            times: 1,
        }))
    }

    /// What it says of a call to KMS.
    fn kms_use(&mut self, time: Timestamp, name: Cow<'a, str>, failed: bool) -> KmsUse<'a> {
        let by = self.text(Field::InvokedBy);
        let service = self.text(Field::Kind) == "AWSService" || !(by.is_empty() || is_s3(by));
        let by_service = self.has(Field::TrailArn) || service;
        // A refusal may leave the context out. `AWS Internal` is S3 in some years, and others in the same.
        let named = matches!(by, "s3.amazonaws.com" | "fas.s3.amazonaws.com");
        let s3_arn = self.take(Field::S3Arn).or(self.take(Field::ExpressArn));
        // A Decrypt names its key among the resources alone.
        let key = self.take(Field::ResourceKey).or(self.take(Field::KeyId));
        let requester = self.requester();
        KmsUse {
            time,
            name,
            by_s3: s3_arn.is_some() || named,
            s3_arn,
            kms_key: key.unwrap_or_default(),
            by_service,
            // The name that S3 gives the session.
            by_replication: requester.ends_with("/s3-replication"),
            requester,
            failed,
        }
    }

    /// The ARN; a session by its role, for that is what shares and what a bill is split by. Else whatever names somebody.
    fn requester(&mut self) -> Cow<'a, str> {
        let names =
            [Field::Arn, Field::PrincipalId, Field::AccountId, Field::AccountIdLower, Field::InvokedBy];
        let named = names.into_iter().find(|field| !self.text(*field).is_empty());
        named.and_then(|field| self.take(field)).unwrap_or_default()
    }

    /// The bucket's name; through an access point it stands among the resources.
    fn bucket(&mut self) -> Cow<'a, str> {
        let named = self.take(Field::Bucket).unwrap_or_default();
        if !named.is_empty() && !is_access_point(&named) {
            return named;
        }
        let key = self.text(Field::Key);
        // Of a copy both sides stand there.
        let (first, last) = (self.resource(Field::ResourceS3), self.resource(Field::ResourceLast));
        let name = if last.1 == Some(key) && first.1 != Some(key) { last.0 } else { first.0 };
        if name.is_empty() { named } else { Cow::Owned(name.to_owned()) }
    }

    /// Bucket and key of `x-amz-copy-source`: `[/]bucket/key[?versionId=…]`, URL-encoded, or an access point's ARN or alias;
    /// behind that is the bucket that stands among the resources, if not alone with `target`.
    fn copy_source(&self, target: &str) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        let (named, key) = copy_source(self.text(Field::CopySource))?;
        if !is_access_point(&named) {
            return Some((named, key));
        }
        let sides = [Field::ResourceS3, Field::ResourceLast].map(|field| self.resource(field));
        let mut found = sides.iter().filter(|side| side.1 == Some(&*key));
        let other = found.clone().find(|side| side.0 != target).or_else(|| found.next());
        Some((other.map_or(named, |side| Cow::Owned(side.0.to_owned())), key))
    }

    /// Bucket and key of an ARN among the resources.
    fn resource(&self, field: Field) -> (&str, Option<&str>) {
        of_arn(self.text(field)).unwrap_or_default()
    }

    /// How the object written into `bucket` is encrypted: what was applied, else what the answer says, else what was asked
    /// for.
    fn applied(&self, bucket: &str) -> Option<Sse> {
        if self.has(Field::AskedCustomer) || self.has(Field::Customer) {
            return Some(Sse::Known(SseMode::SseC));
        }
        let told = [Field::BucketKey, Field::AskedBucketKey].into_iter().find(|field| self.has(*field));
        let bucket_key = told.map(|field| self.text(field) == "true");
        // The answer names a Bucket Key whenever there is one.
        let answered = !self.text(Field::Sse).is_empty();
        let kms = match (bucket_key, answered) {
            // In a directory bucket it is always on, said or not.
            _ if is_directory_bucket(bucket) => Sse::Known(SseMode::SseKmsBucketKey),
            (Some(true), _) => Sse::Known(SseMode::SseKmsBucketKey),
            (Some(false), _) | (None, true) => Sse::Known(SseMode::SseKms),
            (None, false) => Sse::Kms,
        };
        match self.text(Field::SseApplied) {
            "SSE_S3" | "Default_SSE_S3" => return Some(Sse::Known(SseMode::SseS3)),
            "SSE_KMS" | "Default_SSE_KMS" => return Some(kms),
            "SSE_C" => return Some(Sse::Known(SseMode::SseC)),
            "DSSE_KMS" | "Default_DSSE_KMS" => return Some(Sse::Known(SseMode::DsseKms)),
            _ => {}
        }
        let header = self.text(if answered { Field::Sse } else { Field::AskedSse });
        algorithm(header).map(|sse| if sse == Sse::Kms { kms } else { sse })
    }

    /// What `UpdateObjectEncryption` made of its object: SSE-KMS, for it can make nothing else. Whether with a Bucket Key
    /// stands in the body of the request, and it is off there where it is not named; whether `CloudTrail` writes the body
    /// is not published.
    fn updated(&self) -> Sse {
        match self.text(Field::AskedBucketKey) {
            "" if !self.has(Field::AskedKey) => Sse::Kms,
            enabled if enabled.eq_ignore_ascii_case("true") => Sse::Known(SseMode::SseKmsBucketKey),
            _ => Sse::Known(SseMode::SseKms),
        }
    }

    /// What the new setting of `bucket` gives its objects.
    fn configured(&self, bucket: &str) -> Option<Sse> {
        let sse = algorithm(self.text(Field::DefaultSse))?;
        if sse != Sse::Kms {
            return Some(sse);
        }
        // The Bucket Key is off where it is not named.
        let enabled =
            is_directory_bucket(bucket) || self.text(Field::DefaultBucketKey).eq_ignore_ascii_case("true");
        Some(Sse::Known(if enabled { SseMode::SseKmsBucketKey } else { SseMode::SseKms }))
    }
}

/// Whether a request names an access point in its bucket's place: its ARN, or the alias that S3 gives it.
fn is_access_point(name: &str) -> bool {
    name.starts_with("arn:") || name.ends_with("-s3alias")
}

/// Whether `invokedBy` is S3 itself, as the years spell it.
fn is_s3(by: &str) -> bool {
    matches!(by, "internal.amazonaws.com" | "AWS Internal" | "s3.amazonaws.com" | "fas.s3.amazonaws.com")
}

/// Bucket, or access point, and key of a copy's source as it is written.
fn copy_source<'a>(text: &str) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let text = text.split("?versionId=").next().unwrap_or_default();
    let text = decoded(text.trim_start_matches('/'), false);
    let (bucket, key) = match text.split_once("/object/") {
        Some((point, key)) if point.starts_with("arn:") => (point, key),
        _ => text.split_once('/')?,
    };
    Some((Cow::Owned(bucket.to_owned()), Cow::Owned(key.to_owned())))
}

fn operation(name: &str, ranged: bool) -> Option<Operation> {
    Some(match name {
        "GetObject" if ranged => Operation::GetObjectRange,
        "GetObject" => Operation::GetObject,
        // It opens as much of the object as it needs.
        "SelectObjectContent" => Operation::GetObjectRange,
        "PutObject" | "PostObject" => Operation::PutObject,
        "HeadObject" => Operation::HeadObject,
        "CopyObject" => Operation::CopyObject,
        "CreateMultipartUpload" | "InitiateMultipartUpload" => Operation::CreateMultipartUpload,
        "UploadPart" | "UploadPartCopy" => Operation::UploadPart,
        "CompleteMultipartUpload" => Operation::CompleteMultipartUpload,
        "DeleteObject" => Operation::DeleteObject,
        "ListObjects" | "ListObjectsV2" | "ListBucket" | "ListObjectVersions" => Operation::ListObjects,
        _ => return None,
    })
}

/// Under what it is counted: as the log calls it, for one operation has one name there.
fn named(name: Cow<'_, str>, operation: Option<Operation>, side: Side) -> Cow<'_, str> {
    match operation {
        _ if side == Side::ObjectLambda => Cow::Owned(format!("{name} (S3 Object Lambda)")),
        Some(Operation::ListObjects) => Cow::Borrowed("ListObjects"),
        _ => name,
    }
}

/// Source of the messages: S3's error responses; S3 user guide, troubleshooting (docs/SOURCES.md).
fn ending(code: &str, message: &str) -> Ending {
    if code.is_empty() {
        return Ending::Done;
    }
    let denied =
        message.contains("perform: kms:") || message.contains("ciphertext refers to a customer master key");
    if code.starts_with("KMS.") || code.starts_with("Kms") || denied {
        return Ending::RefusedByKms;
    }
    match code {
        // The same code for a prefix of S3's that is asked too much, and for KMS's quota.
        "SlowDown" | "ServiceUnavailable" if message.contains("KMS") => Ending::ThrottledByKms,
        "SlowDown" | "ServiceUnavailable" if message.contains("educe your request rate") => {
            Ending::TurnedAway
        }
        "NotModified" | "304" => Ending::Unchanged,
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "SlowDown"
        | "ServerException"
        | "RequestTimeout"
        | "ThrottlingException" => Ending::Failed,
        _ => Ending::Refused,
    }
}

fn algorithm(name: &str) -> Option<Sse> {
    match name {
        "AES256" => Some(Sse::Known(SseMode::SseS3)),
        "aws:kms" => Some(Sse::Kms),
        "aws:kms:dsse" => Some(Sse::Known(SseMode::DsseKms)),
        _ => None,
    }
}
