//! The audit log: an event per call in `CloudTrail`'s shape, throttled and denied calls included.
//!
//! Off unless asked for, and then free: [`Model::call`] makes no events, [`Model::audited`] makes one per call and
//! hands it to a sink. Source of the shape: `CloudTrail` record contents, S3's calls to KMS (docs/SOURCES.md, kms).

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::call::{Answer, Call, Operation, Reply, Stray};
use super::error::AwsError;
use super::key::{Change, KeyIndex, KeyKind, KeyState, NewKey};
use super::model::Model;
use crate::envelope::{EncryptionContext, KeyArn};
use crate::request::Principal;
use crate::units::{Seed, Stream, Timestamp};

/// One call, as the logs of the accounts that it concerns see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the call was made.
    pub time: Timestamp,
    /// `eventName`.
    pub name: &'static str,
    /// `awsRegion`.
    pub region: Box<str>,
    /// Who called.
    pub principal: Principal,
    /// The key of the request, where it names one; for `ReEncrypt` the old one.
    pub key: Option<KeyArn>,
    /// `resources`: the keys that the call found; for `ReEncrypt` the old one and then the new one.
    pub found: Vec<KeyArn>,
    /// The encryption context, where the call bore one; for `ReEncrypt` that of the old blob.
    pub context: Option<EncryptionContext>,
    /// Whether S3 called on the principal's behalf.
    pub via_s3: bool,
    /// Why it failed.
    pub error: Option<AwsError>,
    /// What the operation takes beside key and context.
    parameters: Parameters,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Parameters {
    None,
    KeySpec,
    Algorithm,
    ReEncrypt { to: KeyArn, context: Option<EncryptionContext> },
    Change(Change),
    Create { origin: &'static str, made: Option<(KeyArn, KeyState)> },
}

impl Event {
    /// The event of a call that found no key yet.
    fn new(
        model: &Model,
        name: &'static str,
        principal: &Principal,
        time: Timestamp,
        answer: &Answer,
    ) -> Self {
        let error = match answer {
            Answer::Granted(_) => None,
            Answer::Throttled(throttled) => Some(throttled.at_kms()),
            Answer::Failed(error) => Some(error.at_kms()),
        };
        Self {
            time,
            name,
            region: model.region().into(),
            principal: principal.clone(),
            key: None,
            found: Vec::new(),
            context: None,
            via_s3: false,
            error,
            parameters: Parameters::None,
        }
    }

    /// Of the same call, which named a key that this KMS knows: gone since, it is found no more.
    fn naming(mut self, model: &Model, key: KeyIndex) -> Self {
        self.key = Some(model.key(key).arn().clone());
        self.finding(model, key)
    }

    fn finding(mut self, model: &Model, key: KeyIndex) -> Self {
        let key = model.key(key);
        if key.state(self.time).is_some() {
            self.found.push(key.arn().clone());
        }
        self
    }

    fn of_call(model: &Model, call: &Call<'_>, now: Timestamp, answer: &Answer) -> Self {
        let name = call.operation.as_str();
        let event = Self {
            context: call.context.cloned(),
            via_s3: call.via_s3,
            ..Self::new(model, name, call.principal, now, answer).naming(model, call.key)
        };
        let Operation::ReEncrypt { to, .. } = call.operation else {
            return Self { parameters: Parameters::of(name), ..event };
        };
        let context = call.new_context.cloned();
        let parameters = Parameters::ReEncrypt { to: model.key(to).arn().clone(), context };
        Self { parameters, ..event.finding(model, to) }
    }

    fn of_stray(model: &Model, stray: &Stray<'_>, now: Timestamp, answer: &Answer) -> Self {
        Self {
            key: stray.key.cloned(),
            context: stray.context.cloned(),
            via_s3: stray.via_s3,
            parameters: Parameters::of(stray.name),
            ..Self::new(model, stray.name, stray.principal, now, answer)
        }
    }

    /// The accounts in whose logs it stands: the caller's, and those of the keys' owners where they are others.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        let caller = self.principal.account();
        let owners = || self.found.iter().map(KeyArn::account);
        let first =
            move |(i, owner): &(usize, &str)| *owner != caller && !owners().take(*i).any(|o| o == *owner);
        std::iter::once(caller).chain(owners().enumerate().filter(first).map(|(_, owner)| owner))
    }

    /// The record in the log of `recipient`, where the clock started at `epoch` and `id` is the event's own.
    pub fn to_json(&self, recipient: &str, epoch: jiff::Timestamp, id: &str) -> Value {
        let nanos = i64::try_from(self.time.as_nanos()).unwrap_or(i64::MAX);
        let time = epoch.saturating_add(jiff::SignedDuration::from_nanos(nanos));
        let seconds = time.map_or(0, jiff::Timestamp::as_second);
        let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        let service = "fas.s3.amazonaws.com";
        let mut identity = json!({
            "type": if self.principal.session().is_empty() { "IAMUser" } else { "AssumedRole" },
            "accountId": self.principal.account(),
            "arn": self.principal.arn(),
        });
        let mut record = json!({
            "eventVersion": "1.11",
            "eventTime": time.to_string(),
            "eventSource": "kms.amazonaws.com",
            "eventName": self.name,
            "awsRegion": self.region,
            "requestParameters": self.request_parameters(),
            "responseElements": self.response_elements(time),
            "requestID": id,
            "eventID": id,
            "readOnly": !matches!(self.parameters, Parameters::Change(_) | Parameters::Create { .. }),
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": recipient,
            "eventCategory": "Management",
        });
        if self.via_s3 {
            identity["invokedBy"] = service.into();
            record["sourceIPAddress"] = service.into();
            record["userAgent"] = service.into();
        }
        record["userIdentity"] = identity;
        if !self.found.is_empty() {
            record["resources"] = self.resources();
        }
        if let Some(error) = &self.error {
            record["errorCode"] = error.code.as_str().into();
            record["errorMessage"] = error.message.as_str().into();
        }
        record
    }

    fn request_parameters(&self) -> Value {
        let mut out = Map::new();
        let (key, context) = match self.parameters {
            Parameters::ReEncrypt { .. } => ("sourceKeyId", "sourceEncryptionContext"),
            _ => ("keyId", "encryptionContext"),
        };
        let mut put = |name: &str, value: Value| {
            out.insert(name.into(), value);
        };
        if let Some(arn) = &self.key {
            put(key, arn.as_str().into());
        }
        if let Some(pairs) = &self.context {
            put(context, pairs_of(pairs));
        }
        match &self.parameters {
            Parameters::KeySpec => put("keySpec", "AES_256".into()),
            Parameters::Algorithm => put("encryptionAlgorithm", ALGORITHM.into()),
            Parameters::ReEncrypt { to, context } => {
                put("sourceEncryptionAlgorithm", ALGORITHM.into());
                put("destinationKeyId", to.as_str().into());
                put("destinationEncryptionAlgorithm", ALGORITHM.into());
                if let Some(pairs) = context {
                    put("destinationEncryptionContext", pairs_of(pairs));
                }
            }
            Parameters::Change(Change::ScheduleDeletion { days }) => {
                put("pendingWindowInDays", (*days).into());
            }
            Parameters::Change(Change::EnableRotation { days }) => {
                put("rotationPeriodInDays", (*days).into());
            }
            Parameters::Create { origin, .. } => {
                put("keySpec", ALGORITHM.into());
                put("keyUsage", USAGE.into());
                put("origin", (*origin).into());
            }
            Parameters::None | Parameters::Change(_) => {}
        }
        out.into()
    }

    /// Of `CreateKey` the key that it made; null for the rest.
    fn response_elements(&self, time: jiff::Timestamp) -> Value {
        let Parameters::Create { origin, made: Some((arn, state)) } = &self.parameters else {
            return Value::Null;
        };
        json!({"keyMetadata": {
            "AWSAccountId": arn.account(),
            "keyId": arn.key_id().as_str(),
            "arn": arn.as_str(),
            "creationDate": time.strftime("%b %-d, %Y, %-I:%M:%S %p").to_string(),
            "enabled": *state == KeyState::Enabled,
            "keyUsage": USAGE,
            "keyState": state.as_str(),
            "origin": origin,
            "keyManager": "CUSTOMER",
            "keySpec": ALGORITHM,
            "encryptionAlgorithms": [ALGORITHM],
            "multiRegion": false,
        }})
    }

    fn resources(&self) -> Value {
        let resource =
            |key: &KeyArn| json!({"accountId": key.account(), "type": "AWS::KMS::Key", "ARN": key.as_str()});
        self.found.iter().map(resource).collect()
    }
}

/// The one key specification of symmetric keys, and their one algorithm.
const ALGORITHM: &str = "SYMMETRIC_DEFAULT";
const USAGE: &str = "ENCRYPT_DECRYPT";

impl Parameters {
    /// Those of an operation that takes nothing which only a call tells.
    fn of(name: &str) -> Self {
        match name {
            "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext" => Self::KeySpec,
            "Encrypt" | "Decrypt" => Self::Algorithm,
            _ => Self::None,
        }
    }
}

fn pairs_of(context: &EncryptionContext) -> Value {
    context.iter().map(|(key, value)| (key.to_string(), Value::from(value))).collect::<Map<_, _>>().into()
}

impl Model {
    /// [`Model::call`], and its event to `sink`. Calls under a key that AWS owns leave none, as in `CloudTrail`.
    pub fn audited(
        &self,
        call: &Call<'_>,
        now: Timestamp,
        stream: &mut Stream,
        sink: impl FnOnce(Event),
    ) -> Reply {
        let reply = self.call(call, now, stream);
        if self.key(call.key).kind() != KeyKind::AwsOwned {
            sink(Event::of_call(self, call, now, &reply.answer));
        }
        reply
    }

    /// [`Model::refuse`], and its event to `sink`.
    pub fn audited_refusal(
        &self,
        stray: &Stray<'_>,
        now: Timestamp,
        stream: &mut Stream,
        sink: impl FnOnce(Event),
    ) -> Reply {
        let reply = self.refuse(stray, now, stream);
        sink(Event::of_stray(self, stray, now, &reply.answer));
        reply
    }

    /// [`Model::change`], and its event to `sink`.
    pub fn audited_change(
        &mut self,
        principal: &Principal,
        key: KeyIndex,
        change: Change,
        now: Timestamp,
        stream: &mut Stream,
        sink: impl FnOnce(Event),
    ) -> Reply {
        let reply = self.change(principal, key, change, now, stream);
        let event = Event::new(self, change.as_str(), principal, now, &reply.answer).naming(self, key);
        sink(Event { parameters: Parameters::Change(change), ..event });
        reply
    }

    /// [`Model::create_key`], and its event to `sink`.
    pub fn audited_create_key(
        &mut self,
        principal: &Principal,
        new: NewKey,
        now: Timestamp,
        stream: &mut Stream,
        sink: impl FnOnce(Event),
    ) -> Reply {
        let origin = new.kind.origin();
        let reply = self.create_key(principal, new, now, stream);
        let mut event = Event::new(self, "CreateKey", principal, now, &reply.answer);
        let mut made = None;
        if let Answer::Granted(granted) = reply.answer {
            event = event.finding(self, granted.key);
            let key = self.key(granted.key);
            made = key.state(now).map(|state| (key.arn().clone(), state));
        }
        sink(Event { parameters: Parameters::Create { origin, made }, ..event });
        reply
    }
}

/// A sink that writes a record a line. Equal events in equal order from one seed give equal bytes.
#[derive(Debug)]
pub struct Trail<W> {
    out: W,
    epoch: jiff::Timestamp,
    seed: Seed,
    written: u64,
}

impl<W: Write> Trail<W> {
    /// Writes to `out`; the run's clock started at `epoch`, and event ids follow from `seed`.
    pub const fn new(out: W, epoch: jiff::Timestamp, seed: Seed) -> Self {
        Self { out, epoch, seed, written: 0 }
    }

    /// Writes the records of `event`, one for each account that it concerns.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn record(&mut self, event: &Event) -> io::Result<()> {
        for recipient in event.recipients() {
            let id = self.id();
            serde_json::to_writer(&mut self.out, &event.to_json(recipient, self.epoch, &id))?;
            self.out.write_all(b"\n")?;
            self.written += 1;
        }
        Ok(())
    }

    /// Records written so far.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// A UUID (version 8: of the maker's own making) from the seed and the record's number.
    fn id(&self) -> String {
        let hash = Sha256::new()
            .chain_update("s3seal/v1/event")
            .chain_update(self.seed.0.to_le_bytes())
            .chain_update(self.written.to_le_bytes())
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        bytes[6] = 0x80 | bytes[6] & 0x0F;
        bytes[8] = 0x80 | bytes[8] & 0x3F;
        let hex = format!("{:032x}", u128::from_be_bytes(bytes));
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}
