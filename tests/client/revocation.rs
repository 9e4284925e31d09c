//! After a key is disabled at KMS, no data key under it is handed out later than the age of the cache allows.

use std::sync::Arc;
use std::time::Duration;

use s3seal::DataKeyCache;
use s3seal::cache::{Failure, Refresh, UsageLimits};
use s3seal::client::{Clock, KeyRequest, ModelService};
use s3seal::envelope::Identity;
use s3seal::kms::{Change, KmsError};
use s3seal::pipeline;
use s3seal::units::{Span, Timestamp};
use tokio::time::sleep;

use crate::stub::{arn, assert_quiet, request};

const AGE: Span = Span::from_seconds(30);
const MEMO: Span = Span::from_seconds(20);

fn on_the_model(refresh: Option<Refresh>) -> (Arc<ModelService>, DataKeyCache, KeyRequest, Clock) {
    let clock = Clock::runtime();
    let kms = Arc::new(ModelService::of_one_key(&arn()).unwrap().with_clock(clock));
    let mut builder =
        DataKeyCache::builder(Arc::clone(&kms)).limits(UsageLimits::of_age(AGE)).memo(MEMO).clock(clock);
    if let Some(refresh) = refresh {
        builder = builder.refresh(refresh);
    }
    let cache = builder.build().unwrap();
    let request = request(&cache);
    (kms, cache, request, clock)
}

/// Uses keys every 100 ms for twice the longest age after the KMS key was disabled; gives when each side last had one.
async fn last_uses(refresh: Option<Refresh>) -> (Timestamp, [Timestamp; 2]) {
    let (kms, cache, request, clock) = on_the_model(refresh);
    let wrapped = cache.encrypt_key(&request, Some(1)).await.unwrap().wrapped().clone();
    cache.decrypt_key(&request, &wrapped).await.unwrap();
    sleep(Duration::from_secs(7)).await;
    kms.change(&arn(), Change::Disable).unwrap();
    let disabled_at = clock.now();
    let mut last = [Timestamp::ZERO; 2];
    while clock.now() < disabled_at + AGE + AGE {
        if cache.encrypt_key(&request, Some(1)).await.is_ok() {
            last[0] = clock.now();
        }
        if cache.decrypt_key(&request, &wrapped).await.is_ok() {
            last[1] = clock.now();
        }
        sleep(Duration::from_millis(100)).await;
    }
    let refused = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
    assert_eq!(refused.failure(), Some(Failure::Disabled));
    assert_quiet(&cache);
    (disabled_at, last)
}

#[tokio::test(start_paused = true)]
async fn no_key_is_handed_out_later_than_its_age_after_the_kms_key_was_disabled() {
    let (disabled_at, [sealing, opening]) = last_uses(None).await;
    assert!(sealing > disabled_at && sealing <= disabled_at + AGE, "{sealing} {disabled_at}");
    assert!(opening > disabled_at && opening <= disabled_at + MEMO, "{opening} {disabled_at}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_is_refused_ends_the_key_before_its_age() {
    let refresh = Refresh { after: Span::from_seconds(10), jitter: Span::ZERO };
    let (disabled_at, [sealing, opening]) = last_uses(Some(refresh)).await;
    // The refresh is due 3 s after the change; its reply takes a modelled moment.
    let bound = disabled_at + Span::from_seconds(4);
    assert!(sealing <= bound && opening <= bound, "{sealing} {opening} {disabled_at}");
}

#[tokio::test(start_paused = true)]
async fn who_disables_the_key_in_the_cache_too_stops_at_once() {
    let (kms, cache, request, _) = on_the_model(None);
    cache.encrypt_key(&request, Some(1)).await.unwrap();
    kms.change(&arn(), Change::Disable).unwrap();
    cache.disable(&arn());
    assert!(cache.encrypt_key(&request, Some(1)).await.is_err());
    kms.change(&arn(), Change::Enable).unwrap();
    cache.enable(&arn());
    assert!(cache.encrypt_key(&request, Some(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_over_age_leave_the_memory_though_nobody_asks_for_them() {
    let (_, cache, request, _) = on_the_model(None);
    let identity = Identity::text("a");
    let envelope = cache.seal_bytes(&request, &identity, b"secret").await.unwrap();
    cache.open_bytes(&request, &identity, &envelope).await.unwrap();
    assert_eq!((cache.snapshot().encrypt_keys, cache.snapshot().decrypt_keys), (1, 1));
    sleep(Duration::from(AGE + MEMO + Span::from_seconds(1))).await;
    assert_eq!((cache.snapshot().encrypt_keys, cache.snapshot().decrypt_keys), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_principal_that_the_key_does_not_allow_is_denied_beside_one_that_it_allows() {
    let (_, cache, request, _) = on_the_model(None);
    cache.encrypt_key(&request, Some(1)).await.unwrap();
    let stranger = s3seal::request::Principal::new("444455556666", "writer", "");
    let stranger = cache.request(arn(), request.context().clone(), stranger);
    let denied = cache.encrypt_key(&stranger, Some(1)).await.unwrap_err();
    assert_eq!(denied.failure(), Some(Failure::Denied));
    // As is a key of another account, whether there is one or not.
    let foreign = arn().as_str().replace("111122223333", "444455556666").parse().unwrap();
    let foreign = cache.request(foreign, request.context().clone(), request.principal().clone());
    let denied = cache.encrypt_key(&foreign, Some(1)).await.unwrap_err();
    assert_eq!(denied.failure(), Some(Failure::Denied));
}

#[test]
fn refusals_mean_to_the_client_what_they_mean_to_the_simulator() {
    let errors = [
        KmsError::Disabled { key: arn() },
        KmsError::InvalidState { key: arn(), problem: "is pending deletion" },
        KmsError::NotFound { key: arn() },
        KmsError::InvalidArn { region: "eu-west-9".into() },
        KmsError::InvalidKeyId { text: "x".into() },
        KmsError::InvalidCiphertext,
        KmsError::IncorrectKey,
        KmsError::Internal,
        KmsError::DependencyTimeout,
        KmsError::AccessDenied { principal: "p".into(), action: "kms:Decrypt".into(), key: arn() },
    ];
    for error in errors {
        let ours = s3seal::client::ServiceError::of_aws(&error.at_kms(), None).failure(Timestamp::ZERO);
        assert_eq!(ours, pipeline::failure_of(&error), "{error}");
    }
}
