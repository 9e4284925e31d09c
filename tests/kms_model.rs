//! KMS as a whole: published quota examples, the lives of keys with real cryptography, faults, replay, bad input.
#![expect(clippy::disallowed_methods, reason = "racing callers are threads")]

use jiff::civil::{Date, date};
use s3seal::envelope::{DataKey, EncryptionContext, KeyArn, WrappedKey};
use s3seal::kms::{
    Answer, BlobHeader, Call, Change, Connection, Fault, Granted, Grantee, KeyIndex, KeyKind, KeyState,
    Keyring, KmsError, Model, Operation, Pool, Quota, Reply, ServiceTimes, ThrottleRule, Trail,
};
use s3seal::request::Principal;
use s3seal::units::{Seed, Span, Stream, Timestamp};

const OWNER: &str = "111122223333";
const FOREIGN: &str = "444455556666";
const TODAY: Date = date(2026, 11, 24);
const GENERATE: Operation = Operation::GenerateDataKey;
const ENCRYPT: Operation = Operation::Encrypt { bytes: 32 };
const DECRYPT: Operation = Operation::Decrypt { material: 0, named: None };

const fn day(days: u64) -> Timestamp {
    Timestamp::from_seconds(days * 86_400)
}

fn arn(number: u32) -> KeyArn {
    format!("arn:aws:kms:eu-west-2:{OWNER}:key/{number:08x}-12ab-34cd-56ef-1234567890ab").parse().unwrap()
}

fn owner() -> Principal {
    Principal::new(OWNER, "writer", "session")
}

/// A KMS of one account with a quota and a service time of 1 ms.
struct House {
    model: Model,
    ring: Keyring,
    stream: Stream,
    keys: u32,
}

impl House {
    fn new(per_second: u32, on: Date) -> Self {
        let times = ServiceTimes::constant(Span::from_millis(1)).unwrap();
        let mut model = Model::new("eu-west-2", on).unwrap().with_service_times(times);
        let pool = Pool::new(ThrottleRule::FixedWindow { per_second }).unwrap();
        model.add_account(OWNER, pool).unwrap();
        Self { model, ring: Keyring::new(), stream: Seed(1).stream("kms", 0), keys: 0 }
    }

    fn key(&mut self, kind: KeyKind) -> KeyIndex {
        self.keys += 1;
        let allowed = vec![Grantee::Account(OWNER.into())];
        self.model.add_key(arn(self.keys), kind, allowed, Timestamp::ZERO).unwrap()
    }

    fn call(&mut self, operation: Operation, key: KeyIndex, now: Timestamp) -> Reply {
        self.model.call(&Call::new(operation, key, &owner()), now, &mut self.stream)
    }

    /// How many of so many calls pass in one second.
    fn passed(&mut self, operation: Operation, calls: u32, key: KeyIndex) -> u32 {
        let pass = |_: &u32| matches!(self.call(operation, key, Timestamp::ZERO).answer, Answer::Granted(_));
        u32::try_from((0..calls).filter(pass).count()).unwrap()
    }

    fn change(&mut self, key: KeyIndex, change: Change, now: Timestamp) -> Answer {
        self.model.change(&owner(), key, change, now, &mut self.stream).answer
    }

    fn generate(&mut self, key: KeyIndex, now: Timestamp) -> Result<(DataKey, WrappedKey), KmsError> {
        match self.call(GENERATE, key, now).answer {
            Answer::Granted(granted) => {
                Ok(self.ring.generate_data_key(&self.model.header(granted), &context()).unwrap())
            }
            Answer::Failed(error) => Err(error),
            Answer::Throttled(throttled) => panic!("{throttled:?}"),
        }
    }

    fn open(&mut self, blob: &WrappedKey, now: Timestamp) -> Result<DataKey, KmsError> {
        let (key, material) = self.model.resolve(&BlobHeader::of(blob)?)?;
        match self.call(Operation::Decrypt { material, named: None }, key, now).answer {
            Answer::Granted(_) => self.ring.decrypt_data_key(blob, &context()),
            Answer::Failed(error) => Err(error),
            Answer::Throttled(throttled) => panic!("{throttled:?}"),
        }
    }
}

fn context() -> EncryptionContext {
    EncryptionContext::of_bucket("bucket").unwrap()
}

#[test]
fn the_published_quota_examples_come_out() {
    // (case, quota, first operation and its calls, second operation and its calls, calls throttled).
    let cases = [
        ("C1", 10_000, (GENERATE, 7_000), (DECRYPT, 2_000), 0),
        ("C2", 10_000, (GENERATE, 9_500), (ENCRYPT, 1_000), 500),
        ("C3", 5_500, (GENERATE, 3_000), (DECRYPT, 1_000), 0),
        ("C4", 5_500, (GENERATE, 5_000), (DECRYPT, 1_000), 500),
        ("C5", 1_200, (GENERATE, 600), (DECRYPT, 400), 0),
        ("C6", 1_200, (GENERATE, 200), (ENCRYPT, 1_100), 100),
    ];
    for (case, quota, first, second, throttled) in cases {
        let mut house = House::new(quota, TODAY);
        let key = house.key(KeyKind::Customer);
        let passed = house.passed(first.0, first.1, key) + house.passed(second.0, second.1, key);
        assert_eq!(first.1 + second.1 - passed, throttled, "{case}");
    }
}

#[test]
fn a_custom_key_store_weighs_generate_data_key_three_times_until_2022() {
    // C7.
    for (on, generates) in [(date(2020, 6, 1), 600), (date(2022, 9, 30), 600), (date(2022, 10, 1), 1_800)] {
        let mut house = House::new(5_500, on);
        let quota = Quota::for_custom_key_store(on).unwrap().per_second;
        assert_eq!(quota, 1_800);
        let rule = ThrottleRule::FixedWindow { per_second: quota };
        let store = house.model.add_store(Pool::new(rule).unwrap());
        let key = house.key(KeyKind::CustomStore(store));
        assert_eq!(house.passed(GENERATE, 3_000, key), generates, "{on}");
        // The store's calls count in the account's pool, the refused ones do not.
        let other = house.key(KeyKind::Customer);
        assert_eq!(house.passed(DECRYPT, 9_000, other), 5_500 - generates, "{on}");
    }
}

#[test]
fn what_the_account_refuses_leaves_the_store_uncharged() {
    let mut house = House::new(100, TODAY);
    let store = house.model.add_store(Pool::new(ThrottleRule::FixedWindow { per_second: 150 }).unwrap());
    let key = house.key(KeyKind::CustomStore(store));
    assert_eq!(house.passed(GENERATE, 1_000, key), 100);
    house
        .model
        .add_account(FOREIGN, Pool::new(ThrottleRule::FixedWindow { per_second: 900 }).unwrap())
        .unwrap();
    // The foreign account may not use the key, but its calls are charged before that is found out: 50 are left.
    let stranger = Principal::new(FOREIGN, "r", "");
    let call = Call::new(GENERATE, key, &stranger);
    let denied = |answer| matches!(answer, Answer::Failed(KmsError::AccessDenied { .. }));
    let mut stream = Seed(2).stream("kms", 0);
    let count =
        (0..200).filter(|_| denied(house.model.call(&call, Timestamp::ZERO, &mut stream).answer)).count();
    assert_eq!(count, 50);
}

#[test]
fn cross_account_calls_charge_the_caller_and_aws_owned_keys_charge_nobody() {
    let mut house = House::new(10, TODAY);
    house
        .model
        .add_account(FOREIGN, Pool::new(ThrottleRule::FixedWindow { per_second: 3 }).unwrap())
        .unwrap();
    let grantees = vec![Grantee::Account(OWNER.into()), Grantee::Account(FOREIGN.into())];
    let key = house.model.add_key(arn(99), KeyKind::Customer, grantees, Timestamp::ZERO).unwrap();
    let reader = Principal::new(FOREIGN, "reader", "");
    let call = Call::new(DECRYPT, key, &reader);
    let granted = |answer| matches!(answer, Answer::Granted(_));
    let mut stream = Seed(2).stream("kms", 0);
    let foreign =
        (0..9).filter(|_| granted(house.model.call(&call, Timestamp::ZERO, &mut stream).answer)).count();
    assert_eq!((foreign, house.passed(DECRYPT, 99, key)), (3, 10));

    let root = house.key(KeyKind::AwsOwned);
    assert_eq!(house.passed(GENERATE, 1_000, root), 1_000);
    let reply = house.call(GENERATE, root, Timestamp::ZERO);
    assert_eq!((reply.reply_at, reply.billed), (Timestamp::ZERO, false));
    let material = |at| house.model.key(root).material(day(at));
    assert_eq!([0, 364, 365, 730].map(material), [0, 0, 1, 2]);
}

#[test]
fn old_ciphertexts_open_after_any_number_of_rotations() {
    let mut house = House::new(5_500, TODAY);
    let key = house.key(KeyKind::Customer);
    assert!(matches!(house.change(key, Change::EnableRotation { days: 90 }, day(1)), Answer::Granted(_)));
    let mut kept = Vec::new();
    for round in 0..30 {
        let now = day(2 + 45 * round);
        kept.push(house.generate(key, now).unwrap());
        if round < 25 {
            assert!(matches!(house.change(key, Change::RotateOnDemand, now), Answer::Granted(_)), "{round}");
        }
    }
    let end = day(2 + 45 * 30);
    let over = house.change(key, Change::RotateOnDemand, end);
    assert!(matches!(over, Answer::Failed(KmsError::LimitExceeded { limit: 25, .. })), "{over:?}");
    // 25 on demand and one each 90 days since day 1.
    assert_eq!(house.model.key(key).material(end), 25 + (2 + 45 * 30 - 1) / 90);
    let materials: std::collections::BTreeSet<_> =
        kept.iter().map(|(_, blob)| *BlobHeader::of(blob).unwrap().material()).collect();
    assert!(materials.len() > 25, "a rotation on demand between two of them gives another material");
    for (plain, blob) in &kept {
        assert_eq!(house.open(blob, end).as_ref(), Ok(plain));
    }
}

#[test]
fn a_disabled_key_refuses_and_opens_again_when_it_is_enabled() {
    let mut house = House::new(5_500, TODAY);
    let key = house.key(KeyKind::Customer);
    let (plain, blob) = house.generate(key, day(1)).unwrap();
    house.change(key, Change::Disable, day(2));
    let disabled = KmsError::Disabled { key: arn(1) };
    assert_eq!(house.open(&blob, day(2)), Err(disabled.clone()));
    assert_eq!(house.generate(key, day(3)).map(|_| ()), Err(disabled));
    house.change(key, Change::Enable, day(4));
    assert_eq!(house.open(&blob, day(4)), Ok(plain));
}

#[test]
fn nothing_opens_while_a_deletion_is_pending_or_after_it() {
    let mut house = House::new(5_500, TODAY);
    let key = house.key(KeyKind::Customer);
    let (plain, blob) = house.generate(key, day(1)).unwrap();
    house.change(key, Change::ScheduleDeletion { days: 7 }, day(2));
    let pending = house.open(&blob, day(8)).unwrap_err();
    assert_eq!(pending.at_kms().message, format!("{} is pending deletion.", arn(1)));
    house.change(key, Change::CancelDeletion, day(8));
    assert_eq!(house.open(&blob, day(9)), Err(KmsError::Disabled { key: arn(1) }));
    house.change(key, Change::Enable, day(9));
    assert_eq!(house.open(&blob, day(9)), Ok(plain));
    house.change(key, Change::ScheduleDeletion { days: 30 }, day(10));
    for now in [day(40), day(4_000)] {
        assert_eq!(house.open(&blob, now), Err(KmsError::NotFound { key: arn(1) }));
        let answer = house.change(key, Change::CancelDeletion, now);
        assert_eq!(answer, Answer::Failed(KmsError::NotFound { key: arn(1) }));
    }
}

/// Kind, how the key comes into the state, the state, the answer to its use, the answers to the changes.
type Row<'a> = (KeyKind, &'a [Change], KeyState, &'a str, [&'a str; 9]);

#[test]
fn each_state_answers_each_operation_as_the_documentation_says() {
    use Change::{
        CancelDeletion, DeleteImportedMaterial, Disable, DisableRotation, Enable, EnableRotation,
        ImportMaterial, RotateOnDemand, ScheduleDeletion,
    };
    let code = |answer: Answer| match answer {
        Answer::Granted(_) => "ok".into(),
        Answer::Failed(error) => error.at_kms().code,
        Answer::Throttled(throttled) => panic!("{throttled:?}"),
    };
    let (invalid, disabled, unsupported) =
        ("KMSInvalidStateException", "DisabledException", "UnsupportedOperationException");
    let delete = ScheduleDeletion { days: 30 };
    let rotate = EnableRotation { days: 365 };
    let import = ImportMaterial { expires: None };
    let columns = [
        Enable,
        Disable,
        delete,
        CancelDeletion,
        rotate,
        DisableRotation,
        RotateOnDemand,
        import,
        DeleteImportedMaterial,
    ];
    let ok = "ok";
    let un = unsupported;
    let (inv, dis) = (invalid, disabled);
    let rows: [Row<'_>; 7] = [
        (KeyKind::Customer, &[], KeyState::Enabled, ok, [ok, ok, ok, inv, ok, ok, ok, un, un]),
        (KeyKind::Customer, &[Disable], KeyState::Disabled, dis, [ok, ok, ok, inv, dis, dis, dis, un, un]),
        (
            KeyKind::Customer,
            &[delete],
            KeyState::PendingDeletion,
            inv,
            [inv, inv, inv, ok, inv, inv, inv, un, un],
        ),
        (KeyKind::Imported, &[], KeyState::PendingImport, inv, [inv, inv, ok, inv, un, un, inv, ok, ok]),
        (KeyKind::Imported, &[import], KeyState::Enabled, ok, [ok, ok, ok, inv, un, un, ok, ok, ok]),
        (
            KeyKind::Imported,
            &[import, delete],
            KeyState::PendingDeletion,
            inv,
            [inv, inv, inv, ok, un, un, inv, inv, ok],
        ),
        (
            KeyKind::Imported,
            &[import, DeleteImportedMaterial],
            KeyState::PendingImport,
            inv,
            [inv, inv, ok, inv, un, un, inv, ok, ok],
        ),
    ];
    for (kind, before, state, use_code, codes) in rows {
        let prepared = || {
            let mut house = House::new(5_500, TODAY);
            let key = house.key(kind);
            for change in before {
                assert_eq!(code(house.change(key, *change, day(1))), ok);
            }
            (house, key)
        };
        let (mut house, key) = prepared();
        assert_eq!(house.model.key(key).state(day(2)), Some(state));
        for operation in [GENERATE, ENCRYPT, DECRYPT, Operation::ReEncrypt { material: 0, to: key }] {
            assert_eq!(code(house.call(operation, key, day(2)).answer), use_code, "{operation:?} {state:?}");
        }
        for operation in [Operation::DescribeKey, Operation::GetKeyRotationStatus] {
            assert_eq!(code(house.call(operation, key, day(2)).answer), ok, "{operation:?} {state:?}");
        }
        for (change, expected) in columns.iter().zip(codes) {
            let (mut house, key) = prepared();
            assert_eq!(code(house.change(key, *change, day(2))), expected, "{change:?} {kind:?} {state:?}");
        }
    }
}

#[test]
fn a_disconnected_store_makes_all_its_keys_unavailable() {
    let mut house = House::new(5_500, TODAY);
    let pool = Pool::new(ThrottleRule::FixedWindow { per_second: 1_800 }).unwrap();
    let store = house.model.add_store(pool);
    let (one, other) = (house.key(KeyKind::CustomStore(store)), house.key(KeyKind::CustomStore(store)));
    house.model.add_fault(Fault::KeyChange { key: one, at: day(2), change: Change::Disconnect }).unwrap();
    house.model.add_fault(Fault::KeyChange { key: one, at: day(3), change: Change::Connect }).unwrap();
    assert!(house.generate(other, day(1)).is_ok());
    let error = house.generate(other, day(2)).unwrap_err();
    assert_eq!(error, KmsError::InvalidState { key: arn(2), problem: "is unavailable" });
    assert!(house.generate(other, day(3)).is_ok());
}

#[test]
fn re_encryption_moves_a_blob_to_another_key() {
    let mut house = House::new(5_500, TODAY);
    let (old, new) = (house.key(KeyKind::Customer), house.key(KeyKind::Customer));
    let (plain, blob) = house.generate(old, day(1)).unwrap();
    let operation = Operation::ReEncrypt { material: 0, to: new };
    let Answer::Granted(granted) = house.call(operation, old, day(2)).answer else { panic!("refused") };
    assert_eq!(granted, Granted { key: new, material: 0 });
    let secret = house.ring.decrypt(&blob, &context()).unwrap();
    let moved = house.ring.encrypt(&house.model.header(granted), &secret, &context()).unwrap();
    house.change(old, Change::Disable, day(3));
    assert_eq!(house.open(&moved, day(3)), Ok(plain));
    assert!(house.open(&blob, day(3)).is_err());
}

#[test]
fn a_blob_of_another_kms_or_of_a_material_to_come_is_an_invalid_ciphertext() {
    let (mut house, mut other) = (House::new(5_500, TODAY), House::new(5_500, TODAY));
    let key = house.key(KeyKind::Customer);
    other.key(KeyKind::Customer);
    let second = other.key(KeyKind::Customer);
    let (_, foreign) = other.generate(second, day(1)).unwrap();
    assert_eq!(house.open(&foreign, day(1)), Err(KmsError::InvalidCiphertext));
    let to_come = Operation::Decrypt { material: 1, named: None };
    assert_eq!(house.call(to_come, key, day(1)).answer, Answer::Failed(KmsError::InvalidCiphertext));
    let named = house.key(KeyKind::Customer);
    let wrong = Operation::Decrypt { material: 0, named: Some(named) };
    assert_eq!(house.call(wrong, key, day(1)).answer, Answer::Failed(KmsError::IncorrectKey));
}

#[test]
fn faults_come_and_go_with_the_time_alone() {
    let mut house = House::new(10, TODAY);
    let key = house.key(KeyKind::Customer);
    let at = Timestamp::from_seconds;
    let window = |from, until| (at(from), at(until));
    let (from, until) = window(10, 20);
    let gives_up_after = Span::from_seconds(5);
    house.model.add_fault(Fault::Outage { from, until, gives_up_after }).unwrap();
    let (from, until) = window(30, 40);
    house.model.add_fault(Fault::BrownOut { from, until, slower_per_mille: 4_000 }).unwrap();
    let (from, until) = window(50, 60);
    house.model.add_fault(Fault::ErrorBurst { from, until, failed_per_mille: 1_000 }).unwrap();
    house.model.add_fault(Fault::KeyChange { key, at: at(70), change: Change::Disable }).unwrap();
    house.model.add_fault(Fault::KeyChange { key, at: at(80), change: Change::Enable }).unwrap();
    house.model.add_fault(Fault::QuotaChange { account: OWNER.into(), at: at(90), per_second: 2 }).unwrap();

    let mut seen = |second: u64| {
        let reply = house.call(GENERATE, key, at(second));
        (reply.answer, reply.reply_at.since(at(second)).as_nanos() / 1_000_000)
    };
    let granted = Answer::Granted(Granted { key, material: 0 });
    let failed = Answer::Failed;
    assert_eq!(seen(9), (granted.clone(), 1));
    assert_eq!(seen(10), (failed(KmsError::DependencyTimeout), 5_000));
    assert_eq!(seen(20), (granted.clone(), 1));
    assert_eq!(seen(30), (granted.clone(), 4));
    assert_eq!(seen(50), (failed(KmsError::Internal), 1));
    assert_eq!(seen(60), (granted.clone(), 1));
    assert_eq!(seen(70), (failed(KmsError::Disabled { key: arn(1) }), 1));
    assert_eq!(seen(80), (granted.clone(), 1));
    assert_eq!(seen(90), (granted.clone(), 1));
    assert_eq!(seen(90), (granted, 1));
    assert!(matches!(seen(90).0, Answer::Throttled(t) if t.earliest == at(91)));
    let unknown = Fault::QuotaChange { account: FOREIGN.into(), at: at(1), per_second: 1 };
    assert_eq!(house.model.add_fault(unknown).unwrap_err().field, "account");
    let backwards = Fault::Outage { from: at(2), until: at(2), gives_up_after };
    assert_eq!(house.model.add_fault(backwards).unwrap_err().field, "until");
    let too_many = Fault::ErrorBurst { from: at(1), until: at(2), failed_per_mille: 1_001 };
    assert_eq!(house.model.add_fault(too_many).unwrap_err().field, "failed per mille");
}

#[test]
fn a_cold_connection_and_another_region_take_longer_and_a_throttled_call_its_own_time() {
    let constant = |millis| ServiceTimes::constant(Span::from_millis(millis)).unwrap().served;
    let times = ServiceTimes {
        served: constant(5),
        throttled: constant(2),
        cross_region: constant(30),
        cold_surcharge: Span::from_millis(3),
    };
    let mut model = Model::new("eu-west-2", TODAY).unwrap().with_service_times(times);
    model.add_account(OWNER, Pool::new(ThrottleRule::FixedWindow { per_second: 3 }).unwrap()).unwrap();
    let allowed = vec![Grantee::Account(OWNER.into())];
    let key = model.add_key(arn(1), KeyKind::Customer, allowed, Timestamp::ZERO).unwrap();
    let principal = owner();
    let mut stream = Seed(1).stream("kms", 0);
    let mut took = |cold, cross_region| {
        let call =
            Call { connection: Connection { cold, cross_region }, ..Call::new(GENERATE, key, &principal) };
        let reply = model.call(&call, Timestamp::ZERO, &mut stream);
        (reply.reply_at.as_nanos() / 1_000_000, reply.billed)
    };
    assert_eq!((took(false, false), took(true, false), took(true, true)), ((5, true), (8, true), (33, true)));
    assert_eq!(took(false, true), (2, false), "throttled at the front door, and not billed");
}

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
    let ids: std::collections::BTreeSet<_> = records.iter().map(|r| r["eventID"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), records.len());
}

#[test]
fn threads_share_a_model_without_a_lock() {
    fn shared<T: Send + Sync>(_: &T) {}
    let mut house = House::new(300, TODAY);
    let key = house.key(KeyKind::Customer);
    shared(&house.model);
    let (model, principal) = (&house.model, owner());
    let passed = |thread| {
        let (call, mut stream) = (Call::new(GENERATE, key, &principal), Seed(1).stream("kms", thread));
        let granted = |reply: Reply| matches!(reply.answer, Answer::Granted(_));
        (0..200).filter(|_| granted(model.call(&call, Timestamp::ZERO, &mut stream))).count()
    };
    let total: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                scope.spawn({
                    let passed = &passed;
                    move || passed(thread)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(total, 300);
}

#[test]
fn create_key_is_a_call_with_a_quota_of_its_own() {
    let mut house = House::new(5_500, TODAY);
    let mut create = |number: u32, kind| {
        let allowed = vec![Grantee::Account(OWNER.into())];
        let (model, stream) = (&mut house.model, &mut house.stream);
        model.create_key(&owner(), arn(number), kind, allowed, day(1), stream).answer
    };
    assert!(matches!(create(1, KeyKind::AwsOwned), Answer::Failed(KmsError::AccessDenied { .. })));
    for number in 1..=4 {
        assert!(matches!(create(number, KeyKind::Customer), Answer::Granted(_)), "{number}");
    }
    assert!(matches!(create(5, KeyKind::Customer), Answer::Throttled(_)), "five a second");
    let key = house.model.find(&arn(4)).unwrap();
    assert_eq!(house.model.key(key).state(Timestamp::ZERO), None);
    assert_eq!(house.model.key(key).state(day(1)), Some(KeyState::Enabled));
}

#[test]
fn bad_input_is_refused_with_field_value_and_expectation() {
    let mut house = House::new(5_500, TODAY);
    let key = house.key(KeyKind::Customer);
    let failed = |answer| match answer {
        Answer::Failed(error) => KmsError::to_string(&error),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        failed(house.call(Operation::Encrypt { bytes: 4_097 }, key, day(1)).answer),
        "plaintext `4097 bytes` is not valid: expected length between 1 and 4096"
    );
    for days in [6, 31] {
        let text = failed(house.change(key, Change::ScheduleDeletion { days }, day(1)));
        assert_eq!(
            text,
            format!("pendingWindowInDays `{days}` is not valid: expected value between 7 and 30")
        );
    }
    for days in [89, 2_561] {
        let text = failed(house.change(key, Change::EnableRotation { days }, day(2)));
        assert!(text.starts_with(&format!("rotationPeriodInDays `{days}`")), "{text}");
    }
    let imported = house.key(KeyKind::Imported);
    let expired = Change::ImportMaterial { expires: Some(day(3)) };
    assert!(failed(house.change(imported, expired, day(3))).starts_with("validTo `"));
    let stranger = Principal::new("777788889999", "r", "");
    let reply = house.model.call(&Call::new(GENERATE, key, &stranger), day(1), &mut house.stream);
    assert!(failed(reply.answer).starts_with("account `777788889999` is not valid"));

    assert_eq!(Model::new("nowhere", TODAY).unwrap_err().field, "Region");
    let pool = || Pool::new(ThrottleRule::FixedWindow { per_second: 1 }).unwrap();
    assert_eq!(house.model.add_account("12", pool()).unwrap_err().field, "account");
    assert_eq!(house.model.add_account(OWNER, pool()).unwrap_err().field, "account");
    let abroad: KeyArn = arn(1).as_str().replace("eu-west-2", "us-west-2").parse().unwrap();
    let error = house.model.find(&abroad).unwrap_err();
    assert_eq!(error.at_kms().message, "Invalid arn us-west-2");
    let again = house.model.add_key(arn(1), KeyKind::Customer, vec![], day(0)).unwrap_err();
    assert!(again.to_string().starts_with("keyId `"), "{again}");
    assert!("arn:aws:kms:eu-west-2:1:key/x".parse::<KeyArn>().is_err());
}

#[test]
fn a_rotation_on_demand_next_to_an_automatic_one_is_a_conflict() {
    let mut house = House::new(5_500, TODAY);
    let key = house.key(KeyKind::Customer);
    house.change(key, Change::EnableRotation { days: 90 }, day(0));
    let close = day(90) - Span::from_seconds(20 * 60);
    let answer = house.change(key, Change::RotateOnDemand, close);
    assert_eq!(answer, Answer::Failed(KmsError::Conflict { key: arn(1) }));
    let earlier = close - Span::from_seconds(1);
    assert!(matches!(house.change(key, Change::RotateOnDemand, earlier), Answer::Granted(_)));
}
