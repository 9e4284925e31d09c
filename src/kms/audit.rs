//! The audit log: an event per call in CloudTrail's shape, throttled and denied calls included.
//!
//! Off unless asked for, and then free: [`Model::call`] makes no events, [`Model::audited`] makes one per call and
//! hands it to a sink. Source of the shape: CloudTrail record contents, S3's calls to KMS (docs/SOURCES.md, kms).

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::call::{Answer, Call, Operation, Reply};
use super::error::AwsError;
use super::key::{Change, Key, KeyIndex};
use super::model::Model;
use crate::envelope::{EncryptionContext, KeyArn};
use crate::request::Principal;
use crate::units::{Seed, Stream, Timestamp};

/// One call, as the log of the account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the call was made.
    pub time: Timestamp,
    /// `eventName`.
    pub name: &'static str,
    /// Who called.
    pub principal: Principal,
    /// The key of the request; for `ReEncrypt` the old one.
    pub key: KeyArn,
    /// The new key of a `ReEncrypt`.
    pub to: Option<KeyArn>,
    /// The encryption context, where the call bore one.
    pub context: Option<EncryptionContext>,
    /// Whether S3 called on the principal's behalf.
    pub via_s3: bool,
    /// Why it failed.
    pub error: Option<AwsError>,
    /// What the operation takes beside key and context.
    parameters: Parameters,
    read_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parameters {
    None,
    KeySpec,
    Algorithm,
    Change(Change),
}

impl Event {
    /// The event of `call` at `now` that `reply` answered.
    pub fn of_call(model: &Model, call: &Call<'_>, now: Timestamp, reply: &Reply) -> Self {
        let (parameters, to) = match call.operation {
            Operation::GenerateDataKey | Operation::GenerateDataKeyWithoutPlaintext => {
                (Parameters::KeySpec, None)
            }
            Operation::Encrypt { .. } | Operation::Decrypt { .. } => (Parameters::Algorithm, None),
            Operation::ReEncrypt { to, .. } => (Parameters::Algorithm, Some(model.key(to).arn().clone())),
            Operation::DescribeKey | Operation::GetKeyRotationStatus => (Parameters::None, None),
        };
        Self {
            time: now,
            name: call.operation.as_str(),
            principal: call.principal.clone(),
            key: model.key(call.key).arn().clone(),
            to,
            context: call.context.cloned(),
            via_s3: call.via_s3,
            error: error_of(&reply.answer),
            parameters,
            read_only: true,
        }
    }

    /// The event of a change of `key` by `principal` at `now` that `reply` answered.
    pub fn of_change(
        key: &Key,
        principal: &Principal,
        change: Change,
        now: Timestamp,
        reply: &Reply,
    ) -> Self {
        Self {
            time: now,
            name: change.as_str(),
            principal: principal.clone(),
            key: key.arn().clone(),
            to: None,
            context: None,
            via_s3: false,
            error: error_of(&reply.answer),
            parameters: Parameters::Change(change),
            read_only: false,
        }
    }

    /// The accounts in whose logs it stands: the caller's, and the key owner's where that is another.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        let owner = self.key.account();
        let other = (owner != self.principal.account()).then_some(owner);
        std::iter::once(self.principal.account()).chain(other)
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
            "arn": self.principal.to_string(),
        });
        let mut record = json!({
            "eventVersion": "1.11",
            "eventTime": time.to_string(),
            "eventSource": "kms.amazonaws.com",
            "eventName": self.name,
            "awsRegion": self.key.region(),
            "requestParameters": self.request_parameters(),
            "responseElements": null,
            "requestID": id,
            "eventID": id,
            "readOnly": self.read_only,
            "resources": self.resources(),
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
        if let Some(error) = &self.error {
            record["errorCode"] = error.code.as_str().into();
            record["errorMessage"] = error.message.as_str().into();
        }
        record
    }

    fn request_parameters(&self) -> Value {
        let mut out = Map::new();
        out.insert("keyId".into(), self.key.as_str().into());
        if let Some(context) = &self.context {
            let pairs: Map<String, Value> = context.iter().map(|(k, v)| (k.into(), v.into())).collect();
            out.insert("encryptionContext".into(), pairs.into());
        }
        let mut put = |name: &str, value: Value| out.insert(name.into(), value);
        match self.parameters {
            Parameters::KeySpec => put("keySpec", "AES_256".into()),
            Parameters::Algorithm => put("encryptionAlgorithm", "SYMMETRIC_DEFAULT".into()),
            Parameters::Change(Change::ScheduleDeletion { days }) => put("pendingWindowInDays", days.into()),
            Parameters::Change(Change::EnableRotation { days }) => put("rotationPeriodInDays", days.into()),
            Parameters::None | Parameters::Change(_) => None,
        };
        out.into()
    }

    fn resources(&self) -> Value {
        let resource =
            |key: &KeyArn| json!({"accountId": key.account(), "type": "AWS::KMS::Key", "ARN": key.as_str()});
        std::iter::once(&self.key).chain(&self.to).map(resource).collect()
    }
}

fn error_of(answer: &Answer) -> Option<AwsError> {
    match answer {
        Answer::Granted(_) => None,
        Answer::Throttled(throttled) => Some(throttled.at_kms()),
        Answer::Failed(error) => Some(error.at_kms()),
    }
}

impl Model {
    /// [`Model::call`], and its event to `sink`. Calls under a key that AWS owns leave none, as in CloudTrail.
    pub fn audited(
        &self,
        call: &Call<'_>,
        now: Timestamp,
        stream: &mut Stream,
        sink: impl FnOnce(Event),
    ) -> Reply {
        let reply = self.call(call, now, stream);
        if self.key(call.key).kind() != super::key::KeyKind::AwsOwned {
            sink(Event::of_call(self, call, now, &reply));
        }
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
        sink(Event::of_change(self.key(key), principal, change, now, &reply));
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
        let mut hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        hex.replace_range(12..13, "8");
        hex.replace_range(16..17, "a");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}
