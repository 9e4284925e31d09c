//! A `CloudTrail` record: the fields that matter here, borrowed from the text, and what they come down to.

use std::borrow::Cow;

use serde::Deserialize;

use super::loose::{Count, FromText, Part, Text};
use crate::request::{Operation, SseMode};
use crate::workload::log::entry::{Ending, Entry, KmsUse, Request, Setting, Side, Sse, decoded};
use crate::workload::log::moment;

/// A record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record<'a> {
    #[serde(borrow, rename = "eventTime")]
    event_time: Text<'a>,
    #[serde(borrow, rename = "@timestamp")]
    timestamp: Text<'a>,
    #[serde(borrow, rename = "eventSource")]
    event_source: Text<'a>,
    #[serde(borrow, rename = "eventName")]
    event_name: Text<'a>,
    #[serde(borrow, rename = "eventID")]
    pub(super) event_id: Text<'a>,
    #[serde(borrow, rename = "errorCode")]
    error_code: Text<'a>,
    #[serde(borrow, rename = "userIdentity")]
    identity: Part<Identity<'a>>,
    #[serde(borrow, rename = "requestParameters")]
    request: Part<Parameters<'a>>,
    #[serde(borrow, rename = "responseElements")]
    response: Part<Response<'a>>,
    #[serde(rename = "additionalEventData")]
    additional: Part<Additional<'a>>,
    #[serde(borrow)]
    resources: Resources<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Identity<'a> {
    #[serde(borrow)]
    arn: Text<'a>,
    #[serde(borrow, rename = "principalId")]
    principal_id: Text<'a>,
    #[serde(borrow, rename = "accountId")]
    account_id: Text<'a>,
    #[serde(borrow, rename = "accountid")]
    account_id_lower: Text<'a>,
    #[serde(borrow, rename = "invokedBy")]
    invoked_by: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameters<'a> {
    #[serde(borrow, rename = "bucketName")]
    bucket: Text<'a>,
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow, rename = "x-amz-copy-source")]
    copy_source: Text<'a>,
    #[serde(borrow, rename = "Range")]
    range: Text<'a>,
    #[serde(borrow, rename = "range")]
    range_lower: Text<'a>,
    #[serde(borrow, rename = "x-amz-server-side-encryption")]
    sse: Text<'a>,
    #[serde(borrow, rename = "x-amz-server-side-encryption-customer-algorithm")]
    customer: Text<'a>,
    #[serde(borrow, rename = "x-amz-server-side-encryption-bucket-key-enabled")]
    bucket_key: Text<'a>,
    #[serde(borrow, rename = "keyId")]
    key_id: Text<'a>,
    #[serde(borrow, rename = "encryptionContext")]
    context: Part<Context<'a>>,
    #[serde(borrow, rename = "ServerSideEncryptionConfiguration")]
    configuration: Part<Configuration<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow, rename = "x-amz-server-side-encryption")]
    sse: Text<'a>,
    #[serde(borrow, rename = "x-amz-server-side-encryption-bucket-key-enabled")]
    bucket_key: Text<'a>,
    #[serde(borrow, rename = "x-amz-server-side-encryption-customer-algorithm")]
    customer: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Additional<'a> {
    #[serde(borrow, rename = "SSEApplied")]
    sse_applied: Text<'a>,
    #[serde(rename = "bytesTransferredIn")]
    received: Count,
    #[serde(rename = "bytesTransferredOut")]
    sent: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context<'a> {
    #[serde(borrow, rename = "aws:s3:arn")]
    s3_arn: Text<'a>,
    #[serde(borrow, rename = "aws:cloudtrail:arn")]
    cloudtrail: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Configuration<'a> {
    #[serde(borrow, rename = "Rule")]
    rule: Rule<'a>,
}

/// `Rule` is an object, or a list of them of which the first counts.
#[derive(Debug, Default)]
struct Rule<'a>(Option<RuleBody<'a>>);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuleBody<'a> {
    #[serde(borrow, rename = "ApplyServerSideEncryptionByDefault")]
    default: Part<ByDefault<'a>>,
    #[serde(borrow, rename = "BucketKeyEnabled")]
    bucket_key: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ByDefault<'a> {
    #[serde(borrow, rename = "SSEAlgorithm")]
    algorithm: Text<'a>,
}

#[derive(Debug, Default)]
struct Resources<'a>(Vec<Resource<'a>>);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resource<'a> {
    #[serde(borrow, rename = "ARN")]
    arn: Text<'a>,
    #[serde(borrow, rename = "arn")]
    arn_lower: Text<'a>,
}

impl Resource<'_> {
    fn arn(&self) -> &str {
        if self.arn.0.is_some() { self.arn.as_str() } else { self.arn_lower.as_str() }
    }
}

/// Lists of objects, where anything may stand instead.
mod list {
    use super::{Resource, Resources, Rule, RuleBody};
    use crate::workload::log::cloudtrail::loose::{FromText, Part};
    use serde::Deserialize;
    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
    use std::fmt;
    use std::marker::PhantomData;

    struct Objects<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + FromText + Default> Visitor<'de> for Objects<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(Part(one)) = list.next_element::<Part<T>>()? {
                all.push(one);
            }
            Ok(all)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            Ok(vec![T::deserialize(MapAccessDeserializer::new(map))?])
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_str<E>(self, _: &str) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_bool<E>(self, _: bool) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_u64<E>(self, _: u64) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_i64<E>(self, _: i64) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_f64<E>(self, _: f64) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
    }

    impl<'de: 'a, 'a> Deserialize<'de> for Resources<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Objects::<Resource<'a>>(PhantomData)).map(Self)
        }
    }

    impl<'de: 'a, 'a> Deserialize<'de> for Rule<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let rules = deserializer.deserialize_any(Objects::<RuleBody<'a>>(PhantomData))?;
            Ok(Self(rules.into_iter().next()))
        }
    }
}

fn own(text: Text<'_>) -> Text<'static> {
    Text(text.0.map(|text| Cow::Owned(text.into_owned())))
}

macro_rules! from_text {
    ($($name:ident { $($text:ident),* } { $($rest:ident),* })*) => { $(
        impl FromText for $name<'_> {
            fn from_text(text: &str) -> Self {
                let Ok(read) = serde_json::from_str::<$name<'_>>(text) else { return Self::default() };
                Self { $($text: own(read.$text),)* $($rest: read.$rest.detached(),)* }
            }
        }
        impl $name<'_> {
            #[allow(dead_code, reason = "not every part stands within another")]
            fn detached<'a>(self) -> $name<'a> {
                $name { $($text: own(self.$text),)* $($rest: self.$rest.detached(),)* }
            }
        }
    )* };
}

from_text! {
    Identity { arn, principal_id, account_id, account_id_lower, invoked_by, kind } {}
    Parameters { bucket, key, copy_source, range, range_lower, sse, customer, bucket_key, key_id } { context, configuration }
    Response { sse, bucket_key, customer } {}
    Additional { sse_applied } { received, sent }
    Context { s3_arn, cloudtrail } {}
    ByDefault { algorithm } {}
    RuleBody { bucket_key } { default }
    Configuration {} { rule }
    Resource { arn, arn_lower } {}
}

impl Rule<'_> {
    fn detached<'a>(self) -> Rule<'a> {
        Rule(self.0.map(RuleBody::detached))
    }
}

impl Count {
    fn detached(self) -> Self {
        self
    }
}

macro_rules! detach_part {
    ($($name:ident)*) => { $(
        impl Part<$name<'_>> {
            fn detached<'a>(self) -> Part<$name<'a>> {
                Part(self.0.detached())
            }
        }
    )* };
}

detach_part! { Context Configuration ByDefault }

impl<'a> Record<'a> {
    /// Whether it is a record at all.
    pub(super) fn is_one(&self) -> bool {
        self.event_name.0.is_some() && self.event_source.0.is_some()
    }

    /// What it says; `Err` with the time as written where a record of S3 or KMS has none that can be read.
    pub(super) fn into_entry(self) -> Result<Entry<'a>, String> {
        let kms = match self.event_source.as_str() {
            "kms.amazonaws.com" => true,
            "s3.amazonaws.com" | "s3express.amazonaws.com" | "s3-object-lambda.amazonaws.com" => false,
            _ => return Ok(Entry::Other),
        };
        let written = if self.event_time.0.is_some() { &self.event_time } else { &self.timestamp };
        let time = moment::of_iso(written.as_str()).ok_or_else(|| written.as_str().to_owned())?;
        let Self { event_name, error_code, identity, request, response, additional, resources, .. } = self;
        let Part(identity) = identity;
        let by = identity.invoked_by.as_str();
        let service = identity.kind.as_str() == "AWSService" || !(by.is_empty() || is_s3(by));
        let requester = requester(identity);
        let failed = !error_code.as_str().is_empty();
        let name = event_name.0.unwrap_or_default();
        let Part(request) = request;
        if kms {
            let Part(context) = request.context;
            // A Decrypt names its key among the resources alone.
            let arns = resources.0.into_iter().filter_map(|resource| resource.arn.0.or(resource.arn_lower.0));
            let key = arns.into_iter().find(|arn| arn.contains(":key/"));
            let kms_key = key.or(request.key_id.0).unwrap_or_default();
            let by_service = context.cloudtrail.0.is_some() || service;
            let s3_arn = context.s3_arn.0;
            return Ok(Entry::Kms(KmsUse { time, name, s3_arn, kms_key, requester, by_service, failed }));
        }
        let mut request = request;
        let bucket = match request.bucket.0.take() {
            Some(bucket) if !bucket.is_empty() && !bucket.starts_with("arn:") => bucket,
            // Through an access point, the bucket stands among the resources.
            named => Some(resource_bucket(&resources))
                .filter(|bucket| !bucket.is_empty())
                .or(named)
                .unwrap_or_default(),
        };
        if matches!(&*name, "PutBucketEncryption" | "DeleteBucketEncryption") {
            if failed {
                return Ok(Entry::Other);
            }
            let deleted = name == "DeleteBucketEncryption";
            let sse =
                if deleted { Some(Sse::Known(SseMode::SseS3)) } else { configured(&request.configuration.0) };
            return Ok(Entry::Setting(Setting { time, bucket, sse }));
        }
        let Part(additional) = additional;
        let Part(response) = response;
        let (sent, received) = (additional.sent.0.unwrap_or(0), additional.received.0.unwrap_or(0));
        let copy = request.copy_source.0.as_deref().and_then(copy_source);
        let ranged = request.range.0.is_some() || request.range_lower.0.is_some();
        let operation = operation(&name, ranged);
        let writes = matches!(
            operation,
            Some(Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload)
        );
        let sse = if writes { applied(&additional, &request, &response) } else { None };
        let size = match operation {
            Some(Operation::PutObject | Operation::UploadPart) => additional.received.0,
            Some(Operation::GetObject) => additional.sent.0,
            _ => None,
        }
        .filter(|_| !failed);
        let key = request.key.0.unwrap_or_default();
        Ok(Entry::Request(Request {
            time,
            operation,
            name: named(name, operation),
            bucket,
            key,
            requester,
            size,
            sent,
            received,
            ending: ending(error_code.as_str()),
            side: Side::Whole,
            source: copy,
            sse,
            times: 1,
        }))
    }
}

/// Whether `invokedBy` is S3 itself, as the years spell it.
fn is_s3(by: &str) -> bool {
    matches!(by, "internal.amazonaws.com" | "AWS Internal" | "s3.amazonaws.com" | "fas.s3.amazonaws.com")
}

/// The ARN; a session by its role, for that is what shares and what a bill is split by. Else whatever names somebody.
fn requester(identity: Identity<'_>) -> Cow<'_, str> {
    let Identity { arn, principal_id, account_id, account_id_lower, invoked_by, .. } = identity;
    let texts = [arn, principal_id, account_id, account_id_lower, invoked_by];
    texts.into_iter().filter_map(|text| text.0).find(|text| !text.is_empty()).unwrap_or_default()
}

fn resource_bucket<'a>(resources: &Resources<'a>) -> Cow<'a, str> {
    // Of any partition: `arn:aws-cn:s3:::bucket/key`.
    let mut names = resources.0.iter().filter_map(|resource| resource.arn().split_once(":s3:::"));
    names.next().map_or(Cow::Borrowed(""), |(_, name)| {
        Cow::Owned(name.split('/').next().unwrap_or_default().to_owned())
    })
}

/// Bucket and key of `x-amz-copy-source`: `[/]bucket/key[?versionId=…]`, URL-encoded, or an access point's ARN.
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
fn named(name: Cow<'_, str>, operation: Option<Operation>) -> Cow<'_, str> {
    match operation {
        Some(Operation::ListObjects) => Cow::Borrowed("ListObjects"),
        _ => name,
    }
}

fn ending(code: &str) -> Ending {
    if code.is_empty() {
        return Ending::Done;
    }
    if code.starts_with("KMS.") || code.starts_with("Kms") {
        return Ending::RefusedByKms;
    }
    match code {
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

/// How the written object is encrypted: what was applied, else what the answer says, else what was asked for.
fn applied(additional: &Additional<'_>, request: &Parameters<'_>, response: &Response<'_>) -> Option<Sse> {
    if request.customer.0.is_some() || response.customer.0.is_some() {
        return Some(Sse::Known(SseMode::SseC));
    }
    let told = response.bucket_key.0.as_ref().or(request.bucket_key.0.as_ref());
    let bucket_key = told.map(|text| &**text == "true");
    // The answer names a Bucket Key whenever there is one.
    let answered = !response.sse.as_str().is_empty();
    let kms = match (bucket_key, answered) {
        (Some(true), _) => Sse::Known(SseMode::SseKmsBucketKey),
        (Some(false), _) | (None, true) => Sse::Known(SseMode::SseKms),
        (None, false) => Sse::Kms,
    };
    match additional.sse_applied.as_str() {
        "SSE_S3" | "Default_SSE_S3" => return Some(Sse::Known(SseMode::SseS3)),
        "SSE_KMS" | "Default_SSE_KMS" => return Some(kms),
        "SSE_C" => return Some(Sse::Known(SseMode::SseC)),
        "DSSE_KMS" | "Default_DSSE_KMS" => return Some(Sse::Known(SseMode::DsseKms)),
        _ => {}
    }
    let header = if answered { response.sse.as_str() } else { request.sse.as_str() };
    algorithm(header).map(|sse| if sse == Sse::Kms { kms } else { sse })
}

fn algorithm(name: &str) -> Option<Sse> {
    match name {
        "AES256" => Some(Sse::Known(SseMode::SseS3)),
        "aws:kms" => Some(Sse::Kms),
        "aws:kms:dsse" => Some(Sse::Known(SseMode::DsseKms)),
        _ => None,
    }
}

fn configured(configuration: &Configuration<'_>) -> Option<Sse> {
    let rule = configuration.rule.0.as_ref()?;
    let sse = algorithm(rule.default.0.algorithm.as_str())?;
    if sse != Sse::Kms {
        return Some(sse);
    }
    // The setting is off where it is not named.
    let enabled = rule.bucket_key.as_str().eq_ignore_ascii_case("true");
    Some(Sse::Known(if enabled { SseMode::SseKmsBucketKey } else { SseMode::SseKms }))
}
