//! The audit log: an event for every call, the same bytes for the same seed, in the shape of `CloudTrail`.

use std::collections::BTreeSet;

use crate::house::*;
use s3seal::envelope::{EncryptionContext, KeyArn, WrappedKey};
use s3seal::kms::{
    Answer, BlobHeader, Call, Change, Event, Fault, Grantee, KeyKind, KmsError, Model, NewKey, Operation,
    Pool, Stray, ThrottleRule, Trail,
};
use s3seal::request::Principal;
use s3seal::units::{Seed, Span, Timestamp};

/// The trail of a busy run with every kind of answer in it.
fn trail(seed: Seed) -> Vec<u8> {
    let mut model = Model::new("eu-west-2", TODAY).unwrap();
    let rule = ThrottleRule::TokenBucket { rate: 200, burst: 20 };
    model.add_account(OWNER, Pool::new(rule).unwrap()).unwrap();
    model.add_account(FOREIGN, Pool::new(ThrottleRule::FixedWindow { per_second: 50 }).unwrap()).unwrap();
    let allowed = vec![Grantee::Account(OWNER.into())];
    let key = model.add_key(arn(1), KeyKind::Customer, allowed, Timestamp::ZERO).unwrap();
    let (from, until) = (Timestamp::from_millis(500), Timestamp::from_millis(700));
    model.add_fault(Fault::ErrorBurst { from, until, failed_per_mille: 300 }).unwrap();
    let principals = [owner(), Principal::new(FOREIGN, "stranger", "")];
    let context = context();
    let epoch = "2026-11-24T00:00:00Z".parse().unwrap();
    let (mut trail, mut stream) = (Trail::new(Vec::new(), epoch, seed), seed.stream("kms", 0));
    let mut now = Timestamp::ZERO;
    for i in 0..600u32 {
        let operation = [GENERATE, DECRYPT, ENCRYPT, Operation::DescribeKey][(i % 4) as usize];
        let principal = &principals[usize::from(i % 7 == 0)];
        let call =
            Call { context: Some(&context), via_s3: i % 2 == 0, ..Call::new(operation, key, principal) };
        let mut event = None;
        let reply = model.audited(&call, now, &mut stream, |made| event = Some(made));
        trail.record(&event.unwrap()).unwrap();
        // Closed loop, so that the drawn service times show in the times of the log.
        now = now + Span::from_nanos(reply.reply_at.since(now).as_nanos() / 4);
    }
    let change = Change::ScheduleDeletion { days: 7 };
    let sink = |event| trail.record(&event).unwrap();
    model.audited_change(&principals[0], key, change, now, &mut stream, sink);
    trail.into_inner()
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte_and_another_seed_another() {
    assert_eq!(trail(Seed(5)), trail(Seed(5)));
    assert_ne!(trail(Seed(5)), trail(Seed(6)));
}

#[test]
fn the_log_holds_every_call_in_the_shape_of_cloudtrail() {
    let log = String::from_utf8(trail(Seed(5))).unwrap();
    let records: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // 600 calls and a change; the 86 of the foreign account stand in both logs.
    assert_eq!(records.len(), 600 + 86 + 1);
    let codes = |code: &str| records.iter().filter(|r| r["errorCode"] == code).count();
    for code in ["ThrottlingException", "AccessDeniedException", "KMSInternalException"] {
        assert!(codes(code) > 0, "{code}");
    }
    let first = &records[0];
    assert_eq!(first["eventTime"], "2026-11-24T00:00:00Z");
    assert_eq!(first["userIdentity"]["invokedBy"], "fas.s3.amazonaws.com");
    assert_eq!(first["requestParameters"]["encryptionContext"]["aws:s3:arn"], "arn:aws:s3:::bucket");
    assert_eq!(first["requestParameters"]["keySpec"], "AES_256");
    assert_eq!(first["resources"][0]["ARN"], arn(1).as_str());
    assert_eq!(
        (&first["recipientAccountId"], &records[1]["recipientAccountId"]),
        (&FOREIGN.into(), &OWNER.into())
    );
    let last = records.last().unwrap();
    assert_eq!((&last["eventName"], &last["readOnly"]), (&"ScheduleKeyDeletion".into(), &false.into()));
    assert_eq!(last["requestParameters"]["pendingWindowInDays"], 7);
    let ids: BTreeSet<_> = records.iter().map(|r| r["eventID"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), records.len());
}

/// The record of one event in the caller's log.
fn record(event: &Event) -> serde_json::Value {
    event.to_json(event.principal.account(), "2026-11-24T00:00:00Z".parse().unwrap(), "id")
}

#[test]
fn every_management_operation_leaves_one_event_done_or_not() {
    let changes = [
        Change::Enable,
        Change::Disable,
        Change::ScheduleDeletion { days: 7 },
        Change::CancelDeletion,
        Change::EnableRotation { days: 90 },
        Change::DisableRotation,
        Change::RotateOnDemand,
        Change::ImportMaterial { expires: None },
        Change::DeleteImportedMaterial,
        Change::Disconnect,
        Change::Connect,
    ];
    let mut failures = 0;
    for change in changes {
        for kind in [KeyKind::Customer, KeyKind::Imported] {
            let mut house = House::new(5_500, TODAY);
            let key = house.key(kind);
            let mut events = Vec::new();
            let sink = |event| events.push(event);
            let reply = house.model.audited_change(&owner(), key, change, day(1), &mut house.stream, sink);
            let [event] = &events[..] else { panic!("{change:?}: {events:?}") };
            let record = record(event);
            assert_eq!(record["eventName"], change.as_str());
            assert_eq!(record["readOnly"], false, "{change:?}");
            assert_eq!(record["resources"][0]["ARN"], arn(1).as_str());
            assert_eq!(record["requestParameters"]["keyId"], arn(1).as_str());
            let code = match reply.answer {
                Answer::Granted(_) => None,
                Answer::Failed(error) => Some(error.at_kms().code),
                Answer::Throttled(throttled) => panic!("{throttled:?}"),
            };
            failures += usize::from(code.is_some());
            assert_eq!(record.get("errorCode").and_then(|code| code.as_str()), code.as_deref(), "{change:?}");
        }
    }
    assert!(failures > 5, "both ends are seen");
}

#[test]
fn create_key_leaves_an_event_with_the_key_that_it_made_and_one_when_it_made_none() {
    let mut house = House::new(5_500, TODAY);
    let mut create = |number, kind| {
        let new = NewKey { arn: arn(number), kind, allowed: vec![Grantee::Account(OWNER.into())] };
        let mut events = Vec::new();
        let sink = |event| events.push(event);
        house.model.audited_create_key(&owner(), new, day(1), &mut house.stream, sink);
        assert_eq!(events.len(), 1);
        record(&events[0])
    };
    let made = create(1, KeyKind::Imported);
    assert_eq!((&made["eventName"], &made["readOnly"]), (&"CreateKey".into(), &false.into()));
    assert_eq!(made["requestParameters"]["origin"], "EXTERNAL");
    assert_eq!(made["resources"][0]["ARN"], arn(1).as_str());
    let metadata = &made["responseElements"]["keyMetadata"];
    assert_eq!(metadata["arn"], arn(1).as_str());
    assert_eq!(metadata["keyId"], "00000001-12ab-34cd-56ef-1234567890ab");
    assert_eq!((&metadata["keyState"], &metadata["enabled"]), (&"PendingImport".into(), &false.into()));
    assert_eq!(metadata["creationDate"], "Nov 25, 2026, 12:00:00 AM");
    let refused = |record: &serde_json::Value, code: &str| {
        assert_eq!(record["errorCode"], code);
        assert!(record["responseElements"].is_null() && record.get("resources").is_none(), "{record}");
    };
    refused(&create(1, KeyKind::Customer), "ValidationException");
    refused(&create(2, KeyKind::AwsOwned), "AccessDeniedException");
    create(3, KeyKind::Customer);
    create(4, KeyKind::Customer);
    refused(&create(5, KeyKind::Customer), "ThrottlingException");
}

#[test]
fn a_call_for_a_key_that_is_not_there_uses_quota_is_not_billed_and_leaves_an_event() {
    let mut house = House::new(3, TODAY);
    house.key(KeyKind::Customer);
    let unknown = arn(77);
    let error = house.model.find(&unknown).unwrap_err();
    assert_eq!(error, KmsError::NotFound { key: unknown.clone() });
    let (principal, context) = (owner(), context());
    let stray = Stray {
        context: Some(&context),
        via_s3: true,
        ..Stray::new("GenerateDataKey", Some(&unknown), error.clone(), &principal)
    };
    let mut events = Vec::new();
    let mut replies = Vec::new();
    for _ in 0..4 {
        let sink = |event| events.push(event);
        replies.push(house.model.audited_refusal(&stray, Timestamp::ZERO, &mut house.stream, sink));
    }
    assert_eq!(events.len(), 4);
    assert!(replies.iter().all(|reply| !reply.billed && reply.reply_at > Timestamp::ZERO));
    assert_eq!(replies[2].answer, Answer::Failed(error));
    assert!(matches!(replies[3].answer, Answer::Throttled(_)), "three a second, and three were taken");
    let found = record(&events[0]);
    assert_eq!(found["errorCode"], "NotFoundException");
    assert_eq!(found["errorMessage"], format!("Key '{unknown}' does not exist"));
    assert_eq!(found["requestParameters"]["keyId"], unknown.as_str());
    assert_eq!(found["requestParameters"]["keySpec"], "AES_256");
    assert_eq!(found["requestParameters"]["encryptionContext"]["aws:s3:arn"], "arn:aws:s3:::bucket");
    assert_eq!(found["userIdentity"]["invokedBy"], "fas.s3.amazonaws.com");
    assert_eq!(found["awsRegion"], "eu-west-2");
    assert!(found.get("resources").is_none(), "there is no such key");
    assert_eq!(record(&events[3])["errorCode"], "ThrottlingException");
    assert_eq!(events[0].recipients().collect::<Vec<_>>(), [OWNER]);
}

#[test]
fn a_management_call_for_a_key_that_is_not_there_uses_the_quota_of_its_operation() {
    let mut house = House::new(1, TODAY);
    let (principal, unknown) = (owner(), arn(77));
    let mut throttled = 0;
    for _ in 0..9 {
        let error = house.model.find(&unknown).unwrap_err();
        let stray = Stray::new(Change::Disable.as_str(), Some(&unknown), error, &principal);
        let reply = house.model.refuse(&stray, Timestamp::ZERO, &mut house.stream);
        throttled += usize::from(matches!(reply.answer, Answer::Throttled(_)));
    }
    assert_eq!(throttled, 4, "DisableKey has five a second");
    let key = house.key(KeyKind::Customer);
    assert_eq!(house.passed(DECRYPT, 5, key), 1, "and the cryptographic quota is untouched");
}

#[test]
fn a_blob_of_nobody_is_charged_and_logged_without_a_key() {
    let (mut house, mut elsewhere) = (House::new(10, TODAY), House::new(10, TODAY));
    elsewhere.key(KeyKind::Customer);
    let key = elsewhere.key(KeyKind::Customer);
    let (_, blob): (_, WrappedKey) = elsewhere.generate(key, day(1)).unwrap();
    let error = house.model.resolve(&BlobHeader::of(&blob).unwrap()).unwrap_err();
    let (principal, mut event) = (owner(), None);
    let stray = Stray::new(DECRYPT.as_str(), None, error, &principal);
    let reply = house.model.audited_refusal(&stray, day(1), &mut house.stream, |made| event = Some(made));
    assert_eq!(reply.answer, Answer::Failed(KmsError::InvalidCiphertext));
    let record = record(&event.unwrap());
    assert_eq!(
        (&record["eventName"], &record["errorCode"]),
        (&"Decrypt".into(), &"InvalidCiphertextException".into())
    );
    assert!(record["requestParameters"].get("keyId").is_none() && record.get("resources").is_none());
    let own = house.key(KeyKind::Customer);
    // Calls that come late count in the latest second seen: that of the stray, which took one of the ten.
    assert_eq!(house.passed(DECRYPT, 99, own), 9);
}

#[test]
fn a_deleted_key_is_named_in_the_event_but_not_found() {
    let mut house = House::new(10, TODAY);
    let key = house.key(KeyKind::Customer);
    house.change(key, Change::ScheduleDeletion { days: 7 }, day(1));
    let principal = owner();
    let mut events = Vec::new();
    for now in [day(7), day(8)] {
        let call = Call::new(GENERATE, key, &principal);
        house.model.audited(&call, now, &mut house.stream, |event| events.push(event));
    }
    let [pending, gone] = [record(&events[0]), record(&events[1])];
    assert_eq!(pending["errorCode"], "KMSInvalidStateException");
    assert_eq!(pending["resources"][0]["ARN"], arn(1).as_str());
    assert_eq!(gone["errorCode"], "NotFoundException");
    assert_eq!(gone["requestParameters"]["keyId"], arn(1).as_str());
    assert!(gone.get("resources").is_none());
}

#[test]
fn a_re_encryption_names_both_keys_and_stands_in_the_logs_of_both_owners() {
    let mut house = House::new(10, TODAY);
    let pool = || Pool::new(ThrottleRule::FixedWindow { per_second: 9 }).unwrap();
    house.model.add_account(FOREIGN, pool()).unwrap();
    let third = "777788889999";
    house.model.add_account(third, pool()).unwrap();
    let foreign: KeyArn = arn(50).as_str().replace(OWNER, FOREIGN).parse().unwrap();
    let everybody = || [OWNER, FOREIGN, third].map(|account| Grantee::Account(account.into())).to_vec();
    let old = house.model.add_key(arn(49), KeyKind::Customer, everybody(), day(0)).unwrap();
    let to = house.model.add_key(foreign.clone(), KeyKind::Customer, everybody(), day(0)).unwrap();
    let (mover, before) = (Principal::new(third, "mover", ""), context());
    let after = EncryptionContext::of_bucket("other").unwrap();
    let call = Call {
        context: Some(&before),
        new_context: Some(&after),
        ..Call::new(Operation::ReEncrypt { material: 0, to }, old, &mover)
    };
    let mut event = None;
    house.model.audited(&call, day(1), &mut house.stream, |made| event = Some(made));
    let event = event.unwrap();
    assert_eq!(event.recipients().collect::<Vec<_>>(), [third, OWNER, FOREIGN]);
    let record = record(&event);
    let parameters = &record["requestParameters"];
    assert_eq!(parameters["sourceKeyId"], arn(49).as_str());
    assert_eq!(parameters["destinationKeyId"], foreign.as_str());
    assert_eq!(parameters["sourceEncryptionContext"]["aws:s3:arn"], "arn:aws:s3:::bucket");
    assert_eq!(parameters["destinationEncryptionContext"]["aws:s3:arn"], "arn:aws:s3:::other");
    assert_eq!(record["resources"][1]["ARN"], foreign.as_str());
    assert_eq!(record["resources"].as_array().unwrap().len(), 2);
}
