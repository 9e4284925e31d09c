//! Flight, generation and use counter under every interleaving: `cargo test --test cache interleaving`.
//!
//! loom runs in an ordinary test build, without a flag: the crate's own `src/cache/stamp.rs` is compiled here once more
//! against loom's atomics, which it names through its parent module. Flights and balances hold no atomics; the lock that
//! they stand behind is loom's here.
#![allow(unreachable_pub, dead_code)] // the generation's file is made for the crate

use loom::sync::atomic;
use loom::sync::{Arc, Mutex};
use loom::thread;
use s3seal::cache::{
    Balance, Fingerprint, Flights, Lease, Partition, PrincipalScope, Requester, Turn, UsageLimits,
};
use s3seal::envelope::EncryptionContext;
use s3seal::request::Principal;
use s3seal::units::{Span, Timestamp};

#[path = "../../src/cache/stamp.rs"]
mod stamp;

use stamp::Generation;

const NOW: Timestamp = Timestamp::ZERO;

fn fingerprint() -> Fingerprint {
    let key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
    let requester = Requester::new(
        &Partition::new("p").unwrap(),
        PrincipalScope::Role,
        &Principal::new("111122223333", "role", ""),
    );
    Fingerprint::encrypt(&requester, &key, &EncryptionContext::empty(), 1)
}

fn limits(max_uses: u64, max_bytes: u64) -> UsageLimits {
    UsageLimits { max_age: Span::MAX, max_uses, max_bytes }
}

/// The shared cache's protocol for a miss: look again under the lock of the flights, then lead or join; a landing
/// files the key under the same lock.
#[test]
fn of_two_that_miss_at_once_one_leads_and_the_other_finds_its_flight_or_its_key() {
    loom::model(|| {
        let name = fingerprint();
        let state = Arc::new(Mutex::new((Flights::new(0, 1, 1, Span::from_seconds(1)), None::<u8>)));
        let ask = move |state: &Mutex<(Flights, Option<u8>)>| {
            let turn = {
                let mut guard = state.lock().unwrap();
                if guard.1.is_some() {
                    return 0;
                }
                guard.0.turn(&name, NOW)
            };
            match turn {
                Turn::Lead(flight) => {
                    // The KMS call happens here, with no lock held.
                    let mut guard = state.lock().unwrap();
                    assert!(guard.0.land(&name, flight));
                    guard.1 = Some(7);
                    1
                }
                Turn::Join(flight) => {
                    // Parked first, then asks: flying, or landed with its key there.
                    let guard = state.lock().unwrap();
                    assert!(guard.0.is_flying(&name, flight) || guard.1.is_some());
                    0
                }
                Turn::Failed(_) => unreachable!(),
            }
        };
        let other = {
            let (state, ask) = (Arc::clone(&state), ask.clone());
            thread::spawn(move || ask(&state))
        };
        let calls = ask(&state) + other.join().unwrap();
        assert_eq!(calls, 1);
    });
}

/// Two stripes draw leases from one balance until it is spent.
#[test]
fn two_stripes_never_pass_a_limit_of_uses_or_bytes_and_use_all_but_a_lease() {
    for (max_uses, max_bytes, bytes) in [(3, 100, 1), (100, 6, 2)] {
        loom::model(move || {
            let limits = limits(max_uses, max_bytes);
            // Larger than the rule gives for so small a limit, so that leases matter.
            let size = self::limits(128, 128 * 3).lease(1);
            let balance = Arc::new(Mutex::new(Balance::full(limits)));
            let draw_all = move |balance: &Mutex<Balance>| {
                let (mut lease, mut uses) = (Lease::EMPTY, 0);
                while uses < 4
                    && (lease.take(bytes) || {
                        let drawn = balance.lock().unwrap().draw(&mut lease, bytes, size);
                        drawn.is_ok()
                    })
                {
                    uses += 1;
                }
                balance.lock().unwrap().give_back(&mut lease);
                uses
            };
            let other = {
                let balance = Arc::clone(&balance);
                thread::spawn(move || draw_all(&balance))
            };
            let uses = draw_all(&balance) + other.join().unwrap();
            assert!(uses <= max_uses && uses * bytes <= max_bytes);
            assert_eq!(balance.lock().unwrap().uses(), max_uses - uses, "what was not used came back");
        });
    }
}

/// A landing checks its stamp and files the key; a disable moves the generation and then looks for keys to drop.
#[test]
fn after_disable_has_returned_no_key_from_before_is_handed_out_and_none_stays_filed() {
    loom::model(|| {
        let generation = Arc::new(Generation::default());
        let filed = Arc::new(Mutex::new(None));
        let stamp = generation.stamp();
        let landing = {
            let (generation, filed) = (Arc::clone(&generation), Arc::clone(&filed));
            thread::spawn(move || {
                if generation.stamp() == stamp {
                    *filed.lock().unwrap() = Some(stamp);
                    // Looks once more: whoever disabled in between looked before the key was there.
                    if generation.stamp() != stamp {
                        *filed.lock().unwrap() = None;
                    }
                }
            })
        };
        generation.disable();
        filed.lock().unwrap().take_if(|filed| *filed != generation.stamp());
        // Disable has returned: whatever is still filed is not usable.
        assert!(filed.lock().unwrap().is_none_or(|filed| filed != generation.stamp()));
        landing.join().unwrap();
        assert!(filed.lock().unwrap().is_none(), "no secret lingers");
        assert!(generation.stamp().is_disabled());
    });
}

#[test]
fn invalidations_at_once_are_all_counted_and_disable_is_not_lost_among_them() {
    loom::model(|| {
        let generation = Arc::new(Generation::default());
        let before = generation.stamp();
        let other = {
            let generation = Arc::clone(&generation);
            thread::spawn(move || generation.disable())
        };
        generation.invalidate();
        other.join().unwrap();
        assert!(generation.stamp().is_disabled());
        let expected = Generation::default();
        expected.invalidate();
        expected.disable();
        assert_ne!(generation.stamp(), before);
        assert_eq!(generation.stamp(), expected.stamp(), "both are counted");
    });
}
