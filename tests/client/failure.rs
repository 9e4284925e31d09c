//! What goes wrong with a service: throttling, outages, hanging calls, bugs; deadlines and bounds.

use std::time::Duration;

use s3seal::cache::{ConfigError, Failure, UsageLimits};
use s3seal::client::{KeyError, ServiceError};
use s3seal::kms::RetryPolicy;
use s3seal::units::Span;
use tokio::time::{Instant, sleep};

use crate::stub::{
    Answer, Stub, arn, assert_quiet, builder, disabled, refused_after, request, throttled, unavailable,
};

const NO_RETRY: RetryPolicy = RetryPolicy::NONE;

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_tried_again_by_the_policy_and_counted_on_both_sides() {
    let kms = Stub::new(5);
    kms.say([throttled(), throttled()]);
    let cache = builder(&kms).retry(RetryPolicy::STANDARD_2_1).build().unwrap();
    let request = request(&cache);
    assert!(cache.encrypt_key(&request, Some(1)).await.is_ok());
    let snapshot = cache.snapshot();
    assert_eq!((kms.calls(), snapshot.calls()), (3, 3));
    assert_eq!((snapshot.throttled, snapshot.retried), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn after_throttling_beyond_the_policy_no_call_is_made_before_it_is_due() {
    let kms = Stub::new(5);
    let hint = Some(Span::from_seconds(3));
    let error = ServiceError::Throttled { message: "slow down".into(), retry_after: hint };
    kms.say([Answer::Refused(error)]);
    let cache = builder(&kms).retry(NO_RETRY).build().unwrap();
    let request = request(&cache);
    let refused = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
    assert!(matches!(refused.failure(), Some(Failure::Throttled { .. })), "{refused:?}");
    // Those who come now wait for the instant, not for KMS, and then make one call together.
    let asked = Instant::now();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (cache, request) = (cache.clone(), request.clone());
            tokio::spawn(async move { cache.encrypt_key(&request, Some(1)).await.is_ok() })
        })
        .collect();
    sleep(Duration::from_secs(2)).await;
    assert_eq!((kms.calls(), cache.snapshot().waiting), (1, 50));
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert!(asked.elapsed() >= Duration::from_secs(3));
    assert_eq!(kms.calls(), 2);
    assert_eq!(cache.snapshot().encrypt.paced, 50);
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn whoever_could_only_be_served_after_its_deadline_is_told_at_once() {
    let kms = Stub::new(5);
    let hint = Some(Span::from_seconds(30));
    kms.say([Answer::Refused(ServiceError::Throttled { message: String::new(), retry_after: hint })]);
    let cache = builder(&kms).retry(NO_RETRY).build().unwrap();
    let request = request(&cache);
    assert!(cache.encrypt_key(&request, Some(1)).await.is_err());
    let asked = Instant::now();
    let paced = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
    let expected = KeyError::Paced { key: arn(), wait: Span::from_seconds(30) };
    assert_eq!((paced, asked.elapsed()), (expected, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_past_the_deadline_for_a_service_that_hangs_and_no_flight_is_left() {
    let kms = Stub::new(5);
    kms.say(std::iter::repeat_n(Answer::Hang, 9));
    let cache =
        builder(&kms).wait_max(Span::from_seconds(10)).call_max(Span::from_seconds(60)).build().unwrap();
    let request = request(&cache);
    let ask = |late| refused_after(&cache, &request, late);
    let waiters = [0, 1, 5, 9].map(ask);
    for waiter in waiters {
        let (error, waited) = waiter.await.unwrap();
        // A timer of tokio ends up to 1 ms late.
        assert!(waited <= Duration::from_millis(10_001), "{waited:?}");
        assert!(
            matches!(error, KeyError::DeadlineExceeded { .. }) || error.failure() == Some(Failure::Transient),
            "{error:?}"
        );
    }
    sleep(Duration::from_secs(11)).await;
    assert_quiet(&cache);
    assert_eq!(cache.snapshot().calls(), kms.calls());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_given_up_in_time_for_a_second_one() {
    let kms = Stub::new(5);
    kms.say([Answer::Hang]);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    assert!(cache.encrypt_key(&request, Some(1)).await.is_ok());
    let snapshot = cache.snapshot();
    assert_eq!((kms.calls(), snapshot.calls(), snapshot.timed_out, snapshot.retried), (2, 2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_lands_as_abandoned() {
    let kms = Stub::new(5);
    kms.say([Answer::Panic]);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let error = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
    let KeyError::Refused { failure: Failure::Transient, source: Some(source), .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(*source, ServiceError::Abandoned);
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn a_failure_reaches_every_waiter_with_what_the_service_said_and_is_remembered_without_it() {
    let kms = Stub::new(5);
    kms.say([disabled()]);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let (one, two) = tokio::join!(cache.encrypt_key(&request, Some(1)), cache.encrypt_key(&request, Some(1)));
    for error in [one.unwrap_err(), two.unwrap_err()] {
        let KeyError::Refused { failure: Failure::Disabled, source: Some(source), .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(source.to_string(), "the KMS key is disabled: it is off");
    }
    let remembered = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
    let expected = KeyError::Refused { key: arn(), failure: Failure::Disabled, source: None };
    assert_eq!(remembered, expected);
    assert_eq!(kms.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_tried_again_within_the_budget_and_a_denial_never() {
    let kms = Stub::new(5);
    kms.say([unavailable(), Answer::Key]);
    let cache = builder(&kms).build().unwrap();
    assert!(cache.encrypt_key(&request(&cache), Some(1)).await.is_ok());
    assert_eq!(kms.calls(), 2);
    cache.invalidate(&arn());
    kms.say([Answer::Refused(ServiceError::Denied { message: "no".into() })]);
    let denied = cache.encrypt_key(&request(&cache), Some(1)).await.unwrap_err();
    assert_eq!(denied.failure(), Some(Failure::Denied));
    assert_eq!(kms.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_more_waiter_than_allowed_is_refused_at_once() {
    let kms = Stub::new(20);
    let cache = builder(&kms).waiters_max(2).build().unwrap();
    let request = request(&cache);
    let ask = || cache.encrypt_key(&request, Some(1));
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(three.unwrap_err(), KeyError::TooManyWaiters { limit: 2 });
    assert_eq!(kms.calls(), 1);
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn settings_out_of_range_are_named() {
    let kms = Stub::new(1);
    let field = |result: Result<s3seal::DataKeyCache, ConfigError>| result.unwrap_err().field;
    let zero = UsageLimits::of_age(Span::ZERO);
    assert_eq!(field(s3seal::DataKeyCache::builder(kms.clone()).build()), "limits");
    assert_eq!(field(builder(&kms).limits(zero).build()), "max_age");
    assert_eq!(field(builder(&kms).memo(Span::ZERO).build()), "memo");
    let capacity = builder(&kms).capacity(0).build().unwrap_err();
    assert_eq!(capacity.to_string(), "capacity is 0: expected at least 1 key");
    assert_eq!(field(builder(&kms).call_max(Span::ZERO).build()), "call_max");
    assert_eq!(field(builder(&kms).waiters_max(0).build()), "waiters_max");
    assert_eq!(field(builder(&kms).stripes(0).build()), "stripes");
}
