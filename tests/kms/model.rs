//! KMS as a whole: published quota examples, the lives of keys with real cryptography, faults, replay, bad input.
#![expect(clippy::disallowed_methods, reason = "racing callers are threads")]

use crate::house::*;
use jiff::civil::date;
use s3seal::envelope::KeyArn;
use s3seal::kms::{
    Answer, BlobHeader, Call, Change, Connection, Fault, Granted, Grantee, KeyKind, KeyState, KmsError,
    Model, NewKey, Operation, Pool, Quota, Reply, ServiceTimes, ThrottleRule,
};
use s3seal::request::Principal;
use s3seal::units::{Seed, Span, Timestamp};

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
fn a_re_encryption_is_charged_once_to_the_account_and_once_to_each_store_that_it_touches() {
    let window = |per_second| Pool::new(ThrottleRule::FixedWindow { per_second }).unwrap();
    let mut house = House::new(100, TODAY);
    let (one, other) = (house.model.add_store(window(30)), house.model.add_store(window(20)));
    let plain = house.key(KeyKind::Customer);
    let [in_one, also_in_one] = [(); 2].map(|()| house.key(KeyKind::CustomStore(one)));
    let in_other = house.key(KeyKind::CustomStore(other));
    let to = |to| Operation::ReEncrypt { material: 0, to };
    assert_eq!(house.passed(to(in_other), 5, in_one), 5, "one 25, other 15, account 95 left");
    assert_eq!(
        house.passed(to(also_in_one), 5, in_one),
        5,
        "one 20, account 90: one request in one store is one unit"
    );
    assert_eq!(house.passed(to(plain), 5, in_one), 5, "one 15, account 85");
    assert_eq!(house.passed(to(in_one), 5, plain), 5, "one 10, account 80");
    // The other store has 15 and refuses first; what it refused gives the first store its units back.
    assert_eq!(house.passed(DECRYPT, 8, in_other), 8, "other 7, account 72");
    assert_eq!(house.passed(to(in_other), 50, in_one), 7, "one 3, account 65");
    assert_eq!(house.passed(DECRYPT, 50, in_one), 3, "account 62");
    assert_eq!(house.passed(DECRYPT, 500, plain), 62);
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
        model.create_key(&owner(), NewKey { arn: arn(number), kind, allowed }, day(1), stream).answer
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
    assert!(matches!(reply.answer, Answer::Failed(KmsError::AccessDenied { .. })), "{:?}", reply.answer);
    // Where a key would let it in, its account is missed.
    let allowed = vec![Grantee::Account("777788889999".into())];
    let open = house.model.add_key(arn(77), KeyKind::Customer, allowed, day(0)).unwrap();
    let reply = house.model.call(&Call::new(GENERATE, open, &stranger), day(1), &mut house.stream);
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
