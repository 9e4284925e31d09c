//! The members of a record that matter here, and their texts: all else is passed over.
//!
//! Types vary by year and by service, so what is of no use is none and never an error: a list stands for its first text,
//! and parts come as objects or as texts that hold one (Athena, Lake, `lookup-events`).

use std::borrow::Cow;

use super::json::{Cursor, Fault};

/// A text that a record may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    EventTime,
    Timestamp,
    EventSource,
    EventName,
    EventId,
    ErrorCode,
    /// Of `userIdentity`.
    Arn,
    PrincipalId,
    AccountId,
    AccountIdLower,
    InvokedBy,
    Kind,
    /// Of `requestParameters`.
    Bucket,
    Key,
    CopySource,
    Range,
    RangeLower,
    AskedSse,
    AskedCustomer,
    AskedBucketKey,
    KeyId,
    S3Arn,
    TrailArn,
    DefaultSse,
    DefaultBucketKey,
    /// Of `responseElements`.
    Sse,
    BucketKey,
    Customer,
    /// Of `additionalEventData`.
    SseApplied,
    Received,
    Sent,
    /// The first ARN of a KMS key, and the first of S3, among `resources`.
    ResourceKey,
    ResourceS3,
    /// Of the resource at hand.
    Resource,
    ResourceLower,
}

const FIELDS: usize = Field::ResourceLower as usize + 1;
// Which of them were there is kept in one word.
const _: () = assert!(FIELDS + (Place::Resource as usize) < 64);

/// An object within a record whose members matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Record,
    Identity,
    Request,
    Context,
    Configuration,
    Rule,
    ByDefault,
    Response,
    Additional,
    Resource,
}

/// What a member is good for.
enum Use {
    /// A text, or a whole number as one.
    Text(Field),
    /// A number, or a text of one.
    Count(Field),
    /// An object, or a text that holds one.
    Part(Place),
    /// A list of objects, or one of them.
    List(Place),
    Nothing,
}

/// What the member called `name` is good for.
fn use_of(place: Place, name: &str) -> Use {
    use Field as F;
    use Use::{Count, List, Part, Text};
    match (place, name) {
        (Place::Record, "eventTime") => Text(F::EventTime),
        (Place::Record, "@timestamp") => Text(F::Timestamp),
        (Place::Record, "eventSource") => Text(F::EventSource),
        (Place::Record, "eventName") => Text(F::EventName),
        (Place::Record, "eventID") => Text(F::EventId),
        (Place::Record, "errorCode") => Text(F::ErrorCode),
        (Place::Record, "userIdentity") => Part(Place::Identity),
        (Place::Record, "requestParameters") => Part(Place::Request),
        (Place::Record, "responseElements") => Part(Place::Response),
        (Place::Record, "additionalEventData") => Part(Place::Additional),
        (Place::Record, "resources") => List(Place::Resource),
        // The whole record, in what `aws cloudtrail lookup-events` prints.
        (Place::Record, "CloudTrailEvent") => Part(Place::Record),
        (Place::Identity, "arn") => Text(F::Arn),
        (Place::Identity, "principalId") => Text(F::PrincipalId),
        (Place::Identity, "accountId") => Text(F::AccountId),
        (Place::Identity, "accountid") => Text(F::AccountIdLower),
        (Place::Identity, "invokedBy") => Text(F::InvokedBy),
        (Place::Identity, "type") => Text(F::Kind),
        (Place::Request, "bucketName") => Text(F::Bucket),
        (Place::Request, "key") => Text(F::Key),
        (Place::Request, "x-amz-copy-source") => Text(F::CopySource),
        (Place::Request, "Range") => Text(F::Range),
        (Place::Request, "range") => Text(F::RangeLower),
        (Place::Request, "x-amz-server-side-encryption") => Text(F::AskedSse),
        (Place::Request, "x-amz-server-side-encryption-customer-algorithm") => Text(F::AskedCustomer),
        (Place::Request, "x-amz-server-side-encryption-bucket-key-enabled") => Text(F::AskedBucketKey),
        (Place::Request, "keyId") => Text(F::KeyId),
        (Place::Request, "encryptionContext") => Part(Place::Context),
        (Place::Request, "ServerSideEncryptionConfiguration") => Part(Place::Configuration),
        (Place::Context, "aws:s3:arn") => Text(F::S3Arn),
        (Place::Context, "aws:cloudtrail:arn") => Text(F::TrailArn),
        (Place::Configuration, "Rule") => List(Place::Rule),
        (Place::Rule, "ApplyServerSideEncryptionByDefault") => Part(Place::ByDefault),
        (Place::Rule, "BucketKeyEnabled") => Text(F::DefaultBucketKey),
        (Place::ByDefault, "SSEAlgorithm") => Text(F::DefaultSse),
        (Place::Response, "x-amz-server-side-encryption") => Text(F::Sse),
        (Place::Response, "x-amz-server-side-encryption-bucket-key-enabled") => Text(F::BucketKey),
        (Place::Response, "x-amz-server-side-encryption-customer-algorithm") => Text(F::Customer),
        (Place::Additional, "SSEApplied") => Text(F::SseApplied),
        (Place::Additional, "bytesTransferredIn") => Count(F::Received),
        (Place::Additional, "bytesTransferredOut") => Count(F::Sent),
        (Place::Resource, "ARN") => Text(F::Resource),
        (Place::Resource, "arn") => Text(F::ResourceLower),
        _ => Use::Nothing,
    }
}

/// The texts of a record, borrowed where it has them as they are.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    texts: [Option<Cow<'a, str>>; FIELDS],
}

impl<'a> Fields<'a> {
    /// Those of the object at `cursor`, which ends up behind it.
    ///
    /// # Errors
    /// Where it is no JSON, or says a thing twice.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let mut fields = Self { texts: [const { None }; FIELDS] };
        fields.object(Place::Record, cursor)?;
        Ok(fields)
    }

    /// The text; empty where there is none.
    pub(super) fn text(&self, field: Field) -> &str {
        self.texts[field as usize].as_deref().unwrap_or_default()
    }

    /// Whether there is one.
    pub(super) fn has(&self, field: Field) -> bool {
        self.texts[field as usize].is_some()
    }

    /// The text, taken out.
    pub(super) fn take(&mut self, field: Field) -> Option<Cow<'a, str>> {
        self.texts[field as usize].take()
    }

    /// A count: a whole number, a float or a text of one. Negative and odd values are none.
    pub(super) fn count(&self, field: Field) -> Option<u64> {
        let text = self.text(field).trim();
        text.parse().ok().or_else(|| whole(text.parse().ok()?))
    }

    fn object(&mut self, place: Place, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        // One bit a field or place that was there.
        let mut there = 0_u64;
        let mut name = cursor.first_member()?;
        while let Some(member) = name {
            let found = use_of(place, &member);
            let bit = match found {
                Use::Text(field) | Use::Count(field) => field as u32,
                Use::Part(place) | Use::List(place) => FIELDS as u32 + place as u32,
                Use::Nothing => {
                    cursor.skip()?;
                    name = cursor.next_member()?;
                    continue;
                }
            };
            if there >> bit & 1 == 1 {
                return cursor.wrong("each name once");
            }
            there |= 1 << bit;
            match found {
                Use::Text(field) => self.texts[field as usize] = text(cursor)?,
                Use::Count(field) => self.texts[field as usize] = number(cursor)?,
                Use::Part(place) => self.part(place, cursor)?,
                Use::List(place) => self.list(place, cursor)?,
                Use::Nothing => {}
            }
            name = cursor.next_member()?;
        }
        Ok(())
    }

    fn part(&mut self, place: Place, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        match cursor.peek()? {
            // Not within another record without end.
            b'{' if place != Place::Record => self.object(place, cursor),
            b'"' => {
                self.held(place, &cursor.string()?);
                Ok(())
            }
            _ => cursor.skip(),
        }
    }

    /// The part that a text holds, if it holds one: what is read of it has to outlive the text.
    #[cold]
    fn held(&mut self, place: Place, text: &str) {
        let mut fields = Fields { texts: [const { None }; FIELDS] };
        if fields.object(place, &mut Cursor::new(text)).is_err() {
            return;
        }
        for (to, from) in self.texts.iter_mut().zip(fields.texts) {
            if let Some(text) = from {
                *to = Some(Cow::Owned(text.into_owned()));
            }
        }
    }

    fn list(&mut self, place: Place, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        match cursor.peek()? {
            b'{' => self.item(place, cursor, true),
            b'[' => {
                let (mut more, mut first) = (cursor.first_item()?, true);
                while more {
                    match cursor.peek()? {
                        b'{' => self.item(place, cursor, first)?,
                        _ => cursor.skip()?,
                    }
                    first = false;
                    more = cursor.next_item()?;
                }
                Ok(())
            }
            _ => cursor.skip(),
        }
    }

    /// Of resources those that name a key and an object or bucket; of rules the first.
    fn item(&mut self, place: Place, cursor: &mut Cursor<'a>, first: bool) -> Result<(), Fault> {
        if place != Place::Resource {
            return if first { self.object(place, cursor) } else { cursor.skip() };
        }
        self.object(place, cursor)?;
        let lower = self.take(Field::ResourceLower);
        let Some(arn) = self.take(Field::Resource).or(lower) else { return Ok(()) };
        // Of any partition: `arn:aws-cn:s3:::bucket/key`.
        let of_service =
            arn.strip_prefix("arn:").and_then(|arn| arn.split_once(':')).map_or("", |(_, rest)| rest);
        let slot = if of_service.starts_with("s3:::") {
            Field::ResourceS3
        } else if of_service.starts_with("kms:") && of_service.contains(":key/") {
            Field::ResourceKey
        } else {
            return Ok(());
        };
        self.texts[slot as usize].get_or_insert(arn);
        Ok(())
    }
}

/// A text, a whole number or a truth value; of a list the first of it.
fn text<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    let first = cursor.peek()?;
    if first != b'[' {
        return simple(first, cursor);
    }
    let (mut more, mut found) = (cursor.first_item()?, None);
    if more {
        let first = cursor.peek()?;
        found = simple(first, cursor)?;
        more = cursor.next_item()?;
    }
    while more {
        cursor.skip()?;
        more = cursor.next_item()?;
    }
    Ok(found)
}

fn simple<'a>(first: u8, cursor: &mut Cursor<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    match first {
        b'"' => return cursor.string().map(Some),
        b'-' | b'0'..=b'9' => {
            let number = cursor.number()?;
            let whole = number.parse::<u64>().is_ok() || (number.parse::<i64>().is_ok() && number != "-0");
            return Ok(whole.then_some(Cow::Borrowed(number)));
        }
        b't' => cursor.word("true").map(|()| Some(Cow::Borrowed("true"))),
        b'f' => cursor.word("false").map(|()| Some(Cow::Borrowed("false"))),
        _ => cursor.skip().map(|()| None),
    }
}

/// A number as it is written, or whatever text stands there.
fn number<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    match cursor.peek()? {
        b'"' => cursor.string().map(Some),
        b'-' | b'0'..=b'9' => cursor.number().map(|number| Some(Cow::Borrowed(number))),
        _ => cursor.skip().map(|()| None),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0..2^63")]
fn whole(value: f64) -> Option<u64> {
    (0.0..9e18).contains(&value).then_some(value as u64)
}
