//! The quota against governor, and a decrypt through the model against the bare unwrapping loop.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::FakeRelativeClock;
use governor::{Quota as GovernorQuota, RateLimiter};
use s3seal::envelope::{DataKey, EncryptionContext, KeyArn, WrappingKey};
use s3seal::kms::{
    Answer, BlobHeader, Call, Grantee, KeyKind, Keyring, Model, Operation, Pool, ThrottleRule,
};
use s3seal::request::Principal;
use s3seal::units::{Seed, Timestamp};

use crate::board::{Board, Goal, time};

/// Units a second: today's largest tier.
const RATE: u32 = 100_000;
/// Both limiters read the time from a shared word, which moves on once in so many calls, by as much as they take at
/// `RATE`: so nearly all are admitted, and moving the clock costs both next to nothing.
const CALLS_PER_TICK: u64 = 64;
const TICK: Duration = Duration::from_nanos(CALLS_PER_TICK * 1_000_000_000 / RATE as u64);
const PEER: &str = "governor 0.10 with its fake clock";

pub fn run(board: &mut Board) {
    let window = ThrottleRule::FixedWindow { per_second: RATE };
    let bucket = ThrottleRule::TokenBucket { rate: RATE, burst: RATE };
    for (name, rule, threads, goal) in [
        ("quota_admit", window, 1, 1.3),
        ("quota_admit_bucket", bucket, 1, 1.3),
        ("quota_admit_2t", window, 2, 1.0),
        ("quota_admit_bucket_2t", bucket, 2, 1.0),
    ] {
        if board.wants(name) {
            admit(board, name, rule, threads, Goal::AtMost(goal));
        }
    }
    if board.wants("kms_decrypt_model") {
        decrypt(board);
    }
}

fn admit(board: &mut Board, name: &str, rule: ThrottleRule, threads: u64, goal: Goal) {
    let pool = Pool::new(rule).expect("the rule is in range");
    let clock = AtomicU64::new(0);
    let per_second = NonZeroU32::new(RATE).expect("not 0");
    let governor_clock = FakeRelativeClock::default();
    let governor =
        RateLimiter::direct_with_clock(GovernorQuota::per_second(per_second), governor_clock.clone());
    let ours = |n| {
        let tick = u64::try_from(TICK.as_nanos()).expect("a tick is short");
        let call = || pool.admit(1, Timestamp::from_nanos(clock.load(Ordering::Relaxed))).is_ok();
        drive(n, threads, &call, &|| {
            clock.fetch_add(tick, Ordering::Relaxed);
        })
    };
    let theirs = |n| drive(n, threads, &|| governor.check().is_ok(), &|| governor_clock.advance(TICK));
    board.cost(name, goal, PEER, &mut { ours }, &mut { theirs });
}

/// `n` calls on so many threads, and the time they take; nearly all must pass.
fn drive(n: u64, threads: u64, call: &(impl Fn() -> bool + Sync), tick: &(impl Fn() + Sync)) -> Duration {
    let share = n.div_ceil(threads);
    let work = || {
        let mut passed = 0;
        for i in 0..share {
            if i % CALLS_PER_TICK == 0 {
                tick();
            }
            passed += u64::from(black_box(call()));
        }
        assert!(passed * 100 >= share * 98, "{passed} of {share} passed");
    };
    if threads == 1 {
        let start = Instant::now();
        work();
        return start.elapsed();
    }
    let ready = Barrier::new(usize::try_from(threads).expect("few"));
    let mut took = Duration::ZERO;
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    ready.wait();
                    let start = Instant::now();
                    work();
                    start.elapsed()
                })
            })
            .collect();
        for thread in running {
            took = took.max(thread.join().expect("the worker does not panic"));
        }
    });
    took
}

/// A `Decrypt` as `live` does it (read the blob's header, decide, unwrap), against deriving and unwrapping alone.
fn decrypt(board: &mut Board) {
    const ACCOUNT: &str = "111122223333";
    let arn: KeyArn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        .parse()
        .expect("an ARN");
    let context = EncryptionContext::of_object("bucket", "key").expect("a context");
    let principal = Principal::new(ACCOUNT, "reader", "session");

    let mut model = Model::new("eu-west-1", jiff::civil::date(2026, 11, 24)).expect("a Region");
    let quota = ThrottleRule::FixedWindow { per_second: RATE };
    model.add_account(ACCOUNT, Pool::new(quota).expect("a quota")).expect("an account");
    let allowed = vec![Grantee::Account(ACCOUNT.into())];
    let key = model.add_key(arn, KeyKind::Customer, allowed, Timestamp::ZERO).expect("a key");
    let ring = Keyring::new();
    let header = model.header(s3seal::kms::Granted { key, material: 0 });
    let (plain, blob) = ring.generate_data_key(&header, &context).expect("a data key");

    let bare = WrappingKey::generate().expect("a key");
    let bare_plain = DataKey::generate().expect("a key");
    let bare_blob = bare.wrap(&bare_plain, &context).expect("a blob");

    let mut stream = Seed(1).stream("kms", 0);
    let mut now = 0;
    let mut ours = |n| {
        time(n, || {
            now += 20_000;
            let (key, material) = model.resolve(&BlobHeader::of(&blob).expect("a header")).expect("our key");
            let call = Call::new(Operation::Decrypt { material, named: None }, key, &principal);
            let reply = model.call(&call, Timestamp::from_nanos(now), &mut stream);
            assert!(matches!(reply.answer, Answer::Granted(_)), "{reply:?}");
            let opened = ring.decrypt_data_key(&blob, &context).expect("it opens");
            assert!(opened == plain, "another key");
            (opened, reply.reply_at)
        })
    };
    let mut theirs = |n| {
        time(n, || {
            let opened = bare.unwrap(&bare_blob, &context).expect("it opens");
            assert!(opened == bare_plain, "another key");
            opened
        })
    };
    let peer = "deriving the key and unwrapping alone";
    board.speed("kms_decrypt_model", Goal::AtLeast(0.6), peer, &mut ours, &mut theirs);
}
