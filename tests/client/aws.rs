//! `AwsKms` against a stub of the wire format: what it sends, and what AWS's answers become.

use std::time::Duration;

use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3seal::DataKeyCache;
use s3seal::cache::{Failure, FailureLife, UsageLimits};
use s3seal::client::{AwsKms, Builder, KeyError, ServiceError};
use s3seal::envelope::Identity;
use s3seal::kms::RetryPolicy;
use s3seal::units::Span;
use serde_json::json;

use crate::stub::{arn, assert_quiet, request};
use crate::wire::{BLOB, KEY, Reply, Wire, error};

const QUICK: RetryPolicy = RetryPolicy::full_jitter(Span::from_millis(1), Span::from_millis(2), 3);

fn kms(wire: &Wire) -> AwsKms {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-2"))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .endpoint_url(format!("http://127.0.0.1:{}", wire.port))
        .build();
    AwsKms::new(aws_sdk_kms::Client::from_conf(config))
}

fn builder(wire: &Wire) -> Builder {
    let life = FailureLife { denied: Span::ZERO, absent: Span::ZERO, transient: Span::ZERO };
    DataKeyCache::builder(kms(wire))
        .limits(UsageLimits::of_age(Span::from_seconds(300)))
        .retry(QUICK)
        .failure_life(life)
}

#[tokio::test]
async fn calls_go_out_as_aws_wants_them_and_come_back_as_keys() {
    let wire = Wire::start().await;
    let cache = builder(&wire).build().unwrap();
    let request = request(&cache);
    let identity = Identity::text("a");
    let envelope = cache.seal_bytes(&request, &identity, b"plain").await.unwrap();
    assert_eq!(cache.open_bytes(&request, &identity, &envelope).await.unwrap(), b"plain");

    let requests = wire.requests();
    assert_eq!(requests.len(), 2);
    for (request, target) in requests.iter().zip(["TrentService.GenerateDataKey", "TrentService.Decrypt"]) {
        assert_eq!(request.line, "POST / HTTP/1.1");
        assert_eq!(request.header("x-amz-target"), target);
        assert_eq!(request.header("content-type"), "application/x-amz-json-1.1");
        let signed = request.header("authorization");
        assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signed}");
        assert!(signed.contains("/eu-west-2/kms/aws4_request"), "{signed}");
        assert_eq!(request.body["KeyId"], arn().as_str());
        assert_eq!(request.body["EncryptionContext"], json!({ "app": "one" }));
    }
    assert_eq!(requests[0].body["KeySpec"], "AES_256");
    assert_eq!(requests[1].body["CiphertextBlob"], STANDARD.encode(BLOB));
    assert_eq!(cache.snapshot().calls(), 2);
}

#[tokio::test]
async fn errors_of_aws_become_ours_and_keep_what_aws_said() {
    let wire = Wire::start().await;
    let cache = builder(&wire).build().unwrap();
    let request = request(&cache);
    let cases = [
        (error(400, "AccessDeniedException", "User: x is not authorized"), Failure::Denied),
        (error(400, "DisabledException", "arn is disabled."), Failure::Disabled),
        (error(400, "KMSInvalidStateException", "arn is pending deletion."), Failure::Disabled),
        (error(400, "NotFoundException", "Key does not exist"), Failure::NotFound),
        (error(400, "InvalidCiphertextException", ""), Failure::Invalid),
        (error(400, "IncorrectKeyException", "another key"), Failure::Invalid),
        (error(400, "ValidationException", "1 validation error"), Failure::Transient),
    ];
    for (number, (reply, failure)) in cases.into_iter().enumerate() {
        let Reply::Json(_, body, _) = &reply else { panic!("{reply:?}") };
        let (code, message) = (body["__type"].as_str().unwrap(), body["message"].as_str().unwrap());
        wire.say([reply.clone()]);
        let refused = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
        let KeyError::Refused { failure: found, source: Some(source), .. } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(found, failure, "{code}");
        assert!(source.to_string().contains(code) && source.to_string().contains(message), "{source}");
        assert_eq!(wire.requests().len(), number + 1, "{code} is not tried again");
    }
    assert_eq!(cache.snapshot().calls(), 7);
    assert_quiet(&cache);
}

#[tokio::test]
async fn throttling_and_faults_are_tried_again_by_our_policy_and_not_by_the_sdk_too() {
    let wire = Wire::start().await;
    let cache = builder(&wire).build().unwrap();
    let request = request(&cache);
    wire.say([error(400, "ThrottlingException", "slow down"), error(500, "KMSInternalException", "")]);
    cache.encrypt_key(&request, Some(1)).await.unwrap();
    let snapshot = cache.snapshot();
    assert_eq!((wire.requests().len(), snapshot.calls()), (3, 3));
    assert_eq!((snapshot.throttled, snapshot.retried), (1, 2));
    // A connection that breaks.
    cache.invalidate_all();
    wire.say([Reply::Close]);
    cache.encrypt_key(&request, Some(1)).await.unwrap();
    assert_eq!(cache.snapshot().retried, 3);
}

#[tokio::test]
async fn the_wait_that_aws_asks_for_paces_the_next_call() {
    let wire = Wire::start().await;
    let cache = builder(&wire).retry(RetryPolicy::NONE).build().unwrap();
    let request = request(&cache);
    let body = json!({ "__type": "ThrottlingException", "message": "" });
    wire.say([Reply::Json(400, body, "x-amz-retry-after: 60000\r\n")]);
    assert!(cache.encrypt_key(&request, Some(1)).await.is_err());
    let paced = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
    assert!(matches!(paced, KeyError::Paced { wait, .. } if wait > Span::from_seconds(50)), "{paced:?}");
    assert_eq!(wire.requests().len(), 1);
}

#[tokio::test]
async fn a_slow_reply_is_given_up_after_the_longest_wait_for_a_call() {
    let wire = Wire::start().await;
    let cache = builder(&wire).call_max(Duration::from_millis(50)).build().unwrap();
    let request = request(&cache);
    wire.say([Reply::Late(Duration::from_mins(1))]);
    cache.encrypt_key(&request, Some(1)).await.unwrap();
    let snapshot = cache.snapshot();
    assert_eq!((snapshot.timed_out, snapshot.calls()), (1, 2));
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_refused_and_no_error_shows_a_key() {
    let wire = Wire::start().await;
    let cache = builder(&wire).retry(RetryPolicy::NONE).build().unwrap();
    let request = request(&cache);
    let (blob, plaintext) = (STANDARD.encode(BLOB), STANDARD.encode(KEY));
    let other = "arn:aws:kms:eu-west-2:111122223333:key/00000000-12ab-34cd-56ef-1234567890ab";
    let answers = [
        (json!({ "CiphertextBlob": blob, "KeyId": other, "Plaintext": plaintext }), "asked for"),
        (json!({ "CiphertextBlob": blob, "Plaintext": plaintext }), "under key none"),
        (json!({ "KeyId": arn().as_str(), "Plaintext": plaintext }), "without CiphertextBlob"),
        (json!({ "CiphertextBlob": blob, "KeyId": arn().as_str() }), "without Plaintext"),
        (
            json!({ "CiphertextBlob": blob, "KeyId": arn().as_str(), "Plaintext": STANDARD.encode(&KEY[1..]) }),
            "a data key of 31 bytes",
        ),
        (json!([plaintext]), ""),
    ];
    for (answer, expected) in answers {
        wire.say([Reply::Json(200, answer, "")]);
        let refused = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
        let KeyError::Refused { source: Some(source), .. } = &refused else { panic!("{refused:?}") };
        assert!(source.to_string().contains(expected), "{source}");
        assert!(expected.is_empty() || matches!(**source, ServiceError::Unexpected { .. }), "{source:?}");
        let printed = format!("{refused:?} {refused} {source:?} {source}");
        assert!(!printed.contains(&plaintext[..20]) && !printed.contains("165, 165"), "{printed}");
    }
}
