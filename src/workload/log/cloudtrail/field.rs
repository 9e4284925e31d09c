//! The members of a record that matter here, and their texts: all else is passed over.
//!
//! Types vary by year and by service, so what is of no use is none and never an error: a list stands for its first text,
//! and parts come as objects or as texts that hold one (Athena, Lake, `lookup-events`).

use std::borrow::Cow;

use super::json::{Cursor, Fault};
use super::order::{At, Order};
use crate::workload::log::entry::{behind_partition, of_arn};

/// A text that a record may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    EventTime,
    Timestamp,
    EventSource,
    EventName,
    EventId,
    SharedId,
    EventType,
    Category,
    Recipient,
    ErrorCode,
    ErrorMessage,
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
    SourceCustomer,
    Checksum,
    VersionRead,
    Range,
    RangeLower,
    AskedSse,
    AskedCustomer,
    AskedBucketKey,
    AskedKey,
    KeyId,
    S3Arn,
    ExpressArn,
    TrailArn,
    DefaultSse,
    DefaultBucketKey,
    /// Of `responseElements`.
    Sse,
    BucketKey,
    AnsweredKey,
    Customer,
    VersionMade,
    /// Of `additionalEventData`.
    SseApplied,
    Received,
    Sent,
    /// The first ARN of a KMS key, the first of S3, and the last of an object in S3, among `resources`.
    ResourceKey,
    ResourceS3,
    ResourceLast,
    /// Of the resource at hand.
    Resource,
    ResourceLower,
}

const FIELDS: usize = Field::ResourceLower as usize + 1;
// Which of them were there is kept in one word.
const _: () = assert!(FIELDS + (Place::Resource as usize) < 64);

/// An object within a record whose members matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Record,
    Identity,
    Request,
    Context,
    Configuration,
    Rule,
    ByDefault,
    Update,
    UpdateKms,
    Response,
    Additional,
    Resource,
}

impl Place {
    /// All of them, in the order of their numbers.
    pub(super) const ALL: [Self; 12] = [
        Self::Record,
        Self::Identity,
        Self::Request,
        Self::Context,
        Self::Configuration,
        Self::Rule,
        Self::ByDefault,
        Self::Update,
        Self::UpdateKms,
        Self::Response,
        Self::Additional,
        Self::Resource,
    ];
}

/// What a member is good for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
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
#[inline]
fn use_of(place: Place, name: &[u8]) -> Use {
    use Field as F;
    use Use::{Count, List, Part, Text};
    match (place, name) {
        (Place::Record, b"eventTime") => Text(F::EventTime),
        (Place::Record, b"@timestamp") => Text(F::Timestamp),
        (Place::Record, b"eventSource") => Text(F::EventSource),
        (Place::Record, b"eventName") => Text(F::EventName),
        (Place::Record, b"eventID") => Text(F::EventId),
        (Place::Record, b"sharedEventID") => Text(F::SharedId),
        (Place::Record, b"eventType") => Text(F::EventType),
        (Place::Record, b"eventCategory") => Text(F::Category),
        (Place::Record, b"recipientAccountId") => Text(F::Recipient),
        (Place::Record, b"errorCode") => Text(F::ErrorCode),
        (Place::Record, b"errorMessage") => Text(F::ErrorMessage),
        (Place::Record, b"userIdentity") => Part(Place::Identity),
        (Place::Record, b"requestParameters") => Part(Place::Request),
        (Place::Record, b"responseElements") => Part(Place::Response),
        (Place::Record, b"additionalEventData") => Part(Place::Additional),
        (Place::Record, b"resources") => List(Place::Resource),
        // The whole record, in what `aws cloudtrail lookup-events` prints.
        (Place::Record, b"CloudTrailEvent") => Part(Place::Record),
        (Place::Identity, b"arn") => Text(F::Arn),
        (Place::Identity, b"principalId") => Text(F::PrincipalId),
        (Place::Identity, b"accountId") => Text(F::AccountId),
        (Place::Identity, b"accountid") => Text(F::AccountIdLower),
        (Place::Identity, b"invokedBy") => Text(F::InvokedBy),
        (Place::Identity, b"type") => Text(F::Kind),
        (Place::Request, b"bucketName") => Text(F::Bucket),
        (Place::Request, b"key") => Text(F::Key),
        (Place::Request, b"x-amz-copy-source") => Text(F::CopySource),
        (Place::Request, b"x-amz-copy-source-server-side-encryption-customer-algorithm") => {
            Text(F::SourceCustomer)
        }
        (Place::Request, b"x-amz-checksum-mode") => Text(F::Checksum),
        (Place::Request, b"versionId") => Text(F::VersionRead),
        (Place::Request, b"Range") => Text(F::Range),
        (Place::Request, b"range") => Text(F::RangeLower),
        (Place::Request, b"x-amz-server-side-encryption") => Text(F::AskedSse),
        (Place::Request, b"x-amz-server-side-encryption-customer-algorithm") => Text(F::AskedCustomer),
        (Place::Request, b"x-amz-server-side-encryption-bucket-key-enabled")
        | (Place::UpdateKms, b"BucketKeyEnabled") => Text(F::AskedBucketKey),
        (Place::Request, b"x-amz-server-side-encryption-aws-kms-key-id")
        | (Place::UpdateKms, b"KMSKeyArn") => Text(F::AskedKey),
        (Place::Request, b"keyId") => Text(F::KeyId),
        // `ReEncrypt` has one for each key.
        (Place::Request, b"encryptionContext" | b"destinationEncryptionContext") => Part(Place::Context),
        (Place::Request, b"ServerSideEncryptionConfiguration") => Part(Place::Configuration),
        (Place::Request, b"ObjectEncryption") => Part(Place::Update),
        (Place::Context, b"aws:s3:arn") => Text(F::S3Arn),
        (Place::Context, b"aws:s3express:arn") => Text(F::ExpressArn),
        (Place::Context, b"aws:cloudtrail:arn") => Text(F::TrailArn),
        (Place::Configuration, b"Rule") => List(Place::Rule),
        (Place::Rule, b"ApplyServerSideEncryptionByDefault") => Part(Place::ByDefault),
        (Place::Rule, b"BucketKeyEnabled") => Text(F::DefaultBucketKey),
        (Place::ByDefault, b"SSEAlgorithm") => Text(F::DefaultSse),
        (Place::Update, b"SSE-KMS") => Part(Place::UpdateKms),
        (Place::Response, b"x-amz-server-side-encryption") => Text(F::Sse),
        (Place::Response, b"x-amz-server-side-encryption-bucket-key-enabled") => Text(F::BucketKey),
        (Place::Response, b"x-amz-server-side-encryption-aws-kms-key-id") => Text(F::AnsweredKey),
        (Place::Response, b"x-amz-server-side-encryption-customer-algorithm") => Text(F::Customer),
        (Place::Response, b"x-amz-version-id") => Text(F::VersionMade),
        (Place::Additional, b"SSEApplied") => Text(F::SseApplied),
        (Place::Additional, b"bytesTransferredIn") => Count(F::Received),
        (Place::Additional, b"bytesTransferredOut") => Count(F::Sent),
        (Place::Resource, b"ARN") => Text(F::Resource),
        (Place::Resource, b"arn") => Text(F::ResourceLower),
        _ => Use::Nothing,
    }
}

/// The texts of a record, borrowed where it has them as they are.
#[derive(Debug, PartialEq)]
pub(super) struct Fields<'a> {
    texts: [Option<&'a str>; FIELDS],
    /// Those that had escapes, or stood in a text themselves: they go before the borrowed ones.
    held: Vec<(usize, String)>,
}

impl<'a> Fields<'a> {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self { texts: [None; FIELDS], held: Vec::new() }
    }

    /// Reads the object at `cursor`, which ends up behind it. `order` makes it faster and changes nothing.
    ///
    /// # Errors
    /// Where it is no JSON, or says a thing twice.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'a>, order: &mut Order) -> Result<(), Fault> {
        self.object(Place::Record, cursor, order)
    }

    fn found(&self, field: Field) -> Option<&str> {
        let held = self.held.iter().rev().find(|(of, _)| *of == field as usize);
        held.map(|(_, text)| text.as_str()).or(self.texts[field as usize])
    }

    /// The text; empty where there is none.
    pub(super) fn text(&self, field: Field) -> &str {
        self.found(field).unwrap_or_default()
    }

    /// Whether there is one.
    pub(super) fn has(&self, field: Field) -> bool {
        self.found(field).is_some()
    }

    /// The text, taken out.
    pub(super) fn take(&mut self, field: Field) -> Option<Cow<'a, str>> {
        let borrowed = self.texts[field as usize].take().map(Cow::Borrowed);
        match self.held.iter().rposition(|(of, _)| *of == field as usize) {
            Some(place) => Some(Cow::Owned(self.held.swap_remove(place).1)),
            None => borrowed,
        }
    }

    #[inline]
    fn put(&mut self, field: Field, text: Cow<'a, str>) {
        match text {
            Cow::Borrowed(text) => self.texts[field as usize] = Some(text),
            Cow::Owned(text) => self.held.push((field as usize, text)),
        }
    }

    /// A count: a whole number, a float or a text of one. Negative and odd values are none.
    pub(super) fn count(&self, field: Field) -> Option<u64> {
        let text = self.text(field).trim();
        // CloudTrail writes whole bytes as `171408.0`, which need not become a float.
        let digits = text.strip_suffix(".0").unwrap_or(text);
        digits.parse().ok().or_else(|| whole(text.parse().ok()?))
    }

    fn object(&mut self, place: Place, cursor: &mut Cursor<'a>, order: &mut Order) -> Result<(), Fault> {
        // One bit a field or place that was there.
        let mut there = 0_u64;
        let mut before = At::beginning(place);
        let mut more = cursor.first_member()?;
        while more {
            cursor.peek()?;
            let found = if let Some((at, foreseen)) = order.foreseen(place, before, cursor) {
                before = at;
                foreseen
            } else {
                let start = cursor.at();
                let found = cursor.member(|name| use_of(place, name))?;
                before = order.learn(place, before, cursor.since(start), found);
                found
            };
            let bit = match found {
                Use::Text(field) | Use::Count(field) => 1 << field as u32,
                Use::Part(place) | Use::List(place) => 1 << (FIELDS as u32 + place as u32),
                Use::Nothing => 0,
            };
            if there & bit != 0 {
                return Err(cursor.wrong("each name once"));
            }
            there |= bit;
            match found {
                Use::Text(field) => self.text_at(field, cursor)?,
                Use::Count(field) => self.count_at(field, cursor)?,
                Use::Part(place) => self.part(place, cursor, order)?,
                Use::List(place) => self.list(place, cursor, order)?,
                Use::Nothing => cursor.skip()?,
            }
            more = cursor.next_member()?;
        }
        Ok(())
    }

    /// A text, a whole number or a truth value; of a list the first of it.
    fn text_at(&mut self, field: Field, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        let first = cursor.peek()?;
        if first != b'[' {
            return self.simple(field, first, cursor);
        }
        let mut more = cursor.first_item()?;
        if more {
            let first = cursor.peek()?;
            self.simple(field, first, cursor)?;
            more = cursor.next_item()?;
        }
        while more {
            cursor.skip()?;
            more = cursor.next_item()?;
        }
        Ok(())
    }

    fn simple(&mut self, field: Field, first: u8, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        let text = match first {
            b'"' => cursor.string()?,
            b'-' | b'0'..=b'9' => {
                let number = cursor.number()?;
                let whole =
                    number.parse::<u64>().is_ok() || (number.parse::<i64>().is_ok() && number != "-0");
                if !whole {
                    return Ok(());
                }
                Cow::Borrowed(number)
            }
            b't' => {
                cursor.word("true")?;
                Cow::Borrowed("true")
            }
            b'f' => {
                cursor.word("false")?;
                Cow::Borrowed("false")
            }
            _ => return cursor.skip(),
        };
        self.put(field, text);
        Ok(())
    }

    /// A number as it is written, or whatever text stands there.
    fn count_at(&mut self, field: Field, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        let text = match cursor.peek()? {
            b'"' => cursor.string()?,
            b'-' | b'0'..=b'9' => Cow::Borrowed(cursor.number()?),
            _ => return cursor.skip(),
        };
        self.put(field, text);
        Ok(())
    }

    fn part(&mut self, place: Place, cursor: &mut Cursor<'a>, order: &mut Order) -> Result<(), Fault> {
        match cursor.peek()? {
            // Not within another record without end.
            b'{' if place != Place::Record => self.object(place, cursor, order),
            b'"' => {
                self.held(place, &cursor.string()?, order);
                Ok(())
            }
            _ => cursor.skip(),
        }
    }

    /// The part that a text holds, if it holds one: what is read of it has to outlive the text.
    #[cold]
    fn held(&mut self, place: Place, text: &str, order: &mut Order) {
        let mut fields = Fields::new();
        if fields.object(place, &mut Cursor::new(text), order).is_err() {
            return;
        }
        let borrowed = fields.texts.into_iter().enumerate();
        self.held.extend(borrowed.filter_map(|(field, text)| Some((field, text?.to_owned()))));
        self.held.append(&mut fields.held);
    }

    fn list(&mut self, place: Place, cursor: &mut Cursor<'a>, order: &mut Order) -> Result<(), Fault> {
        match cursor.peek()? {
            b'{' => self.item(place, cursor, order, true),
            b'[' => {
                let (mut more, mut first) = (cursor.first_item()?, true);
                while more {
                    match cursor.peek()? {
                        b'{' => self.item(place, cursor, order, first)?,
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
    fn item(
        &mut self,
        place: Place,
        cursor: &mut Cursor<'a>,
        order: &mut Order,
        first: bool,
    ) -> Result<(), Fault> {
        if place != Place::Resource {
            return if first { self.object(place, cursor, order) } else { cursor.skip() };
        }
        self.object(place, cursor, order)?;
        let lower = self.take(Field::ResourceLower);
        let Some(arn) = self.take(Field::Resource).or(lower) else { return Ok(()) };
        let slot = if let Some((_, key)) = of_arn(&arn) {
            if self.has(Field::ResourceS3) && key.is_some() { Field::ResourceLast } else { Field::ResourceS3 }
        } else if behind_partition(&arn).starts_with("kms:") && arn.contains(":key/") {
            Field::ResourceKey
        } else {
            return Ok(());
        };
        if slot == Field::ResourceLast || !self.has(slot) {
            self.put(slot, arn);
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0..2^63")]
fn whole(value: f64) -> Option<u64> {
    (0.0..9e18).contains(&value).then_some(value as u64)
}
