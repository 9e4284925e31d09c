//! What accounts do that no simulated run does, in records of their own: the KMS calls that each must have made are known.

use crate::round_trip::{check_books, profile_of};
use s3seal::request::SseMode;
use s3seal::workload::log::Format;
use s3seal::workload::profile::{KmsCalls, Profile};
use serde_json::{Value, json};

pub(crate) const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1";

/// Records of one account, a second apart where nothing else is said.
#[derive(Default)]
pub(crate) struct Trail {
    pub(crate) records: Vec<Value>,
}

impl Trail {
    pub(crate) fn push(&mut self, second: usize, source: &str, name: &str, more: &Value) {
        let mut record = json!({
            "eventVersion": "1.11",
            "eventTime": format!("2026-11-24T12:{:02}:{:02}Z", second / 60, second % 60),
            "eventSource": format!("{source}.amazonaws.com"),
            "eventName": name,
            "eventID": format!("e-{}", self.records.len()),
            "eventType": "AwsApiCall",
            "eventCategory": if source == "kms" { "Management" } else { "Data" },
            "recipientAccountId": "111122223333",
            "userIdentity": { "type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/R/s" },
        });
        for (name, value) in more.as_object().unwrap() {
            record[name] = value.clone();
        }
        self.records.push(record);
    }

    /// A request for `bucket/key` with these parameters, and what else stands in its record.
    pub(crate) fn s3(&mut self, second: usize, name: &str, key: &str, parameters: &Value, more: &Value) {
        let mut request = json!({ "bucketName": "b", "key": key });
        for (name, value) in parameters.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        let mut record = more.clone();
        record["requestParameters"] = request;
        self.push(second, "s3", name, &record);
    }

    /// A write that the bucket's default, or its own wish, put under `sse`.
    pub(crate) fn put(&mut self, second: usize, key: &str, applied: &str, answer: &Value) {
        let more = json!({ "responseElements": answer, "additionalEventData": { "SSEApplied": applied } });
        self.s3(second, "PutObject", key, &json!({}), &more);
    }

    pub(crate) fn get(&mut self, second: usize, key: &str) {
        self.s3(second, "GetObject", key, &json!({}), &json!({}));
    }

    /// A call by S3 under the ARN of `key`, and what else stands in its record.
    pub(crate) fn kms(&mut self, second: usize, name: &str, key: &str, more: &Value) {
        let mut record = json!({
            "requestParameters": { "encryptionContext": { "aws:s3:arn": format!("arn:aws:s3:::b/{key}") } },
            "resources": [{ "ARN": KEY }],
        });
        record["userIdentity"] = json!({ "type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/R/s", "invokedBy": "fas.s3.amazonaws.com" });
        for (name, value) in more.as_object().into_iter().flatten() {
            record[name] = value.clone();
        }
        self.push(second, "kms", name, &record);
    }

    pub(crate) fn profile(&self) -> Profile {
        let lines: Vec<String> = self.records.iter().map(Value::to_string).collect();
        let profile = profile_of(&lines.join("\n"), &Format::CloudTrail, None);
        check_books(&profile.kms);
        profile
    }
}

pub(crate) fn kms_answer() -> Value {
    json!({ "x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": KEY })
}

pub(crate) fn range(kms: &KmsCalls) -> (u64, u64, u64) {
    let all = kms.predicted();
    (all.low, all.likely, all.high)
}

#[test]
fn a_head_that_asks_for_checksums_needs_the_key_and_a_select_reads_like_a_get() {
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &kms_answer());
    trail.s3(10, "HeadObject", "k", &json!({ "x-amz-checksum-mode": "ENABLED" }), &json!({}));
    trail.s3(20, "HeadObject", "k", &json!({}), &json!({}));
    trail.s3(30, "SelectObjectContent", "k", &json!({}), &json!({}));
    let profile = trail.profile();
    assert_eq!(range(&profile.kms), (3, 3, 3), "{:?}", profile.kms);
    assert_eq!(profile.kms.implied["sse-kms"].likely, 3);
    assert_eq!(profile.operations["SelectObjectContent"].requests, 1);
}

#[test]
fn a_read_with_a_customers_key_tells_its_mode() {
    let mut trail = Trail::default();
    trail.s3(
        0,
        "GetObject",
        "k",
        &json!({ "x-amz-server-side-encryption-customer-algorithm": "AES256" }),
        &json!({}),
    );
    let copy = json!({
        "x-amz-copy-source": "b/k",
        "x-amz-copy-source-server-side-encryption-customer-algorithm": "AES256",
    });
    let more =
        json!({ "responseElements": kms_answer(), "additionalEventData": { "SSEApplied": "SSE_KMS" } });
    trail.s3(10, "CopyObject", "new", &copy, &more);
    trail.get(20, "k");
    assert_eq!(range(&trail.profile().kms), (1, 1, 1));
}

#[test]
fn a_refusal_by_the_key_policy_had_asked_kms_and_one_by_the_bucket_policy_had_not() {
    let denied = "User: x is not authorized to perform: kms:Decrypt on the resource";
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &kms_answer());
    trail.kms(0, "GenerateDataKey", "k", &json!({}));
    trail.s3(
        10,
        "GetObject",
        "k",
        &json!({}),
        &json!({ "errorCode": "AccessDenied", "errorMessage": denied }),
    );
    // KMS leaves the parameters of a request out that it denies.
    let refusal = json!({ "errorCode": "AccessDenied", "errorMessage": denied, "requestParameters": null });
    trail.kms(10, "Decrypt", "k", &refusal);
    trail.s3(
        20,
        "GetObject",
        "k",
        &json!({}),
        &json!({ "errorCode": "AccessDenied", "errorMessage": "Access Denied" }),
    );
    let kms = trail.profile().kms;
    assert_eq!(range(&kms), (2, 2, 3), "{kms:?}");
    assert_eq!((kms.agreed, kms.seen["Decrypt"], kms.seen_failed), (2, 1, 1), "{kms:?}");
    assert!(kms.not_by_s3.is_empty(), "{kms:?}");
}

#[test]
fn a_503_of_kmss_quota_is_a_call_and_one_of_s3s_own_is_none() {
    let slow = |message: &str| json!({ "errorCode": "SlowDown", "errorMessage": message });
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &kms_answer());
    let of_kms = slow("Please reduce your request rate for operations involving AWS KMS.");
    trail.s3(10, "GetObject", "k", &json!({}), &of_kms);
    trail.s3(20, "GetObject", "k", &json!({}), &slow("Please reduce your request rate."));
    let profile = trail.profile();
    assert_eq!(range(&profile.kms), (2, 2, 3), "{:?}", profile.kms);
    let reads = profile.operations["GetObject"];
    assert_eq!((reads.failed, reads.server_errors), (2, 2));
}

fn setting(trail: &mut Trail, second: usize, algorithm: &str) {
    let rule = json!({ "ApplyServerSideEncryptionByDefault": { "SSEAlgorithm": algorithm }, "BucketKeyEnabled": false });
    let parameters = json!({ "bucketName": "b", "ServerSideEncryptionConfiguration": { "Rule": rule } });
    trail.push(second, "s3", "PutBucketEncryption", &json!({ "requestParameters": parameters }));
}

#[test]
fn a_new_default_leaves_the_objects_that_are_there_as_they_are() {
    let mut trail = Trail::default();
    trail.put(0, "before", "Default_SSE_S3", &json!({ "x-amz-server-side-encryption": "AES256" }));
    setting(&mut trail, 10, "aws:kms");
    // Events without the fields: the setting decides about this one.
    trail.s3(20, "PutObject", "after", &json!({}), &json!({}));
    trail.get(30, "before");
    trail.get(40, "older");
    trail.get(50, "after");
    let profile = trail.profile();
    // One is older than the log: SSE-S3, as the others were that came before the change.
    assert_eq!(range(&profile.kms), (2, 2, 3), "{:?}", profile.kms);
    assert_eq!(profile.operations["PutBucketEncryption"].requests, 1);
    assert_eq!(profile.requests(), 6);
}

#[test]
fn what_others_got_by_default_is_what_older_objects_likely_have_whenever_it_is_told() {
    let mut trail = Trail::default();
    trail.get(0, "older");
    trail.get(10, "older");
    trail.put(20, "new", "Default_SSE_KMS", &kms_answer());
    let kms = trail.profile().kms;
    assert_eq!(range(&kms), (1, 3, 3), "{kms:?}");
    assert_eq!(kms.basis["default that other PUTs in the bucket had"], 2);
}

#[test]
fn a_version_has_the_mode_that_it_was_written_with() {
    let mut trail = Trail::default();
    let plain = json!({ "x-amz-server-side-encryption": "AES256", "x-amz-version-id": "v1" });
    trail.put(0, "k", "SSE_S3", &plain);
    let mut answer = kms_answer();
    answer["x-amz-version-id"] = "v2".into();
    trail.put(10, "k", "SSE_KMS", &answer);
    for (second, version) in [(20, "v1"), (30, "v2")] {
        trail.s3(second, "GetObject", "k", &json!({ "versionId": version }), &json!({}));
    }
    trail.get(40, "k");
    assert_eq!(range(&trail.profile().kms), (3, 3, 3));
    // A version that no write named is older than they are.
    trail.s3(50, "GetObject", "k", &json!({ "versionId": "null" }), &json!({}));
    assert_eq!(range(&trail.profile().kms), (3, 3, 4));
}

#[test]
fn an_upload_changes_its_object_when_it_is_completed_and_its_parts_tell_what_its_beginning_did_not() {
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_S3", &json!({ "x-amz-server-side-encryption": "AES256" }));
    let begun =
        json!({ "responseElements": kms_answer(), "additionalEventData": { "SSEApplied": "SSE_KMS" } });
    trail.s3(10, "CreateMultipartUpload", "k", &json!({}), &begun);
    trail.s3(20, "UploadPart", "k", &json!({}), &json!({}));
    trail.get(30, "k");
    assert_eq!(range(&trail.profile().kms), (2, 2, 2), "the old object is read");
    trail.s3(40, "CompleteMultipartUpload", "k", &json!({}), &json!({}));
    trail.get(50, "k");
    assert_eq!(range(&trail.profile().kms), (4, 4, 4), "the new one is");
    trail.s3(
        60,
        "UploadPart",
        "begun-before-the-log",
        &json!({}),
        &json!({ "responseElements": kms_answer() }),
    );
    assert_eq!(range(&trail.profile().kms), (5, 5, 5));
}

#[test]
fn what_crosses_accounts_stands_in_the_trails_of_both_and_is_one_event() {
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &kms_answer());
    trail.kms(0, "GenerateDataKey", "k", &json!({ "sharedEventID": "s-1" }));
    let theirs = json!({ "sharedEventID": "s-1", "recipientAccountId": "444455556666" });
    trail.kms(0, "GenerateDataKey", "k", &theirs);
    let profile = trail.profile();
    assert_eq!((profile.duplicates, profile.kms.seen["GenerateDataKey"]), (1, 1));
    // Within an account a shared id is no repetition.
    trail.kms(0, "GenerateDataKey", "k", &json!({ "sharedEventID": "s-1" }));
    assert_eq!(trail.profile().kms.seen["GenerateDataKey"], 2);
}

#[test]
fn events_of_endpoints_and_insights_are_no_requests_and_not_bad() {
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &kms_answer());
    let endpoint = json!({ "eventCategory": "NetworkActivity", "eventType": "AwsVpceEvent" });
    trail.s3(0, "PutObject", "k", &json!({}), &endpoint);
    trail.kms(0, "GenerateDataKey", "k", &endpoint);
    let insight = json!({
        "eventVersion": "1.09", "eventTime": "2026-11-24T12:00:00Z", "eventID": "i-1", "eventType": "AwsCloudTrailInsight",
        "eventCategory": "Insight", "insightDetails": { "eventSource": "kms.amazonaws.com", "eventName": "Decrypt" },
    });
    trail.records.push(insight);
    let profile = trail.profile();
    assert_eq!((profile.requests(), profile.unrelated, profile.kms.seen.len()), (1, 3, 0));
}

#[test]
fn behind_an_access_point_is_the_bucket_among_the_resources() {
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &kms_answer());
    let real = json!([{ "ARN": "arn:aws:s3:::b/k" }, { "ARN": "arn:aws:s3:::b" }]);
    for (second, point) in [
        (10, "arn:aws:s3:us-east-1:111122223333:accesspoint/ap"),
        (20, "ap-0123456789abcdef0123456789abcdefuse1a-s3alias"),
    ] {
        trail.s3(second, "GetObject", "k", &json!({ "bucketName": point }), &json!({ "resources": real }));
    }
    let copy = json!({
        "bucketName": "other",
        "x-amz-copy-source": "arn:aws:s3:us-east-1:111122223333:accesspoint/ap/object/k",
    });
    let both = json!({
        "resources": [{ "ARN": "arn:aws:s3:::b/k" }, { "ARN": "arn:aws:s3:::b" }, { "ARN": "arn:aws:s3:::other/k" }],
        "responseElements": { "x-amz-server-side-encryption": "AES256" },
    });
    trail.s3(30, "CopyObject", "k", &copy, &both);
    let profile = trail.profile();
    assert_eq!(range(&profile.kms), (4, 4, 4), "{:?}", profile.kms);
    assert_eq!(profile.buckets.top(9).len(), 2);
}

#[test]
fn replication_calls_kms_for_nobodys_request() {
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &kms_answer());
    trail.kms(0, "GenerateDataKey", "k", &json!({}));
    let by = json!({ "userIdentity": {
        "type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/crr/s3-replication", "invokedBy": "s3.amazonaws.com",
    } });
    trail.kms(10, "Decrypt", "k", &by);
    trail.kms(10, "Encrypt", "replica", &by);
    let kms = trail.profile().kms;
    assert_eq!(
        (kms.agreed, kms.seen_not_predicted["S3 Replication: no request of anybody's"]),
        (1, 2),
        "{kms:?}"
    );
}

#[test]
fn dsse_makes_one_call_or_two() {
    let mut trail = Trail::default();
    trail.put(0, "k", "DSSE_KMS", &json!({ "x-amz-server-side-encryption": "aws:kms:dsse" }));
    trail.kms(0, "GenerateDataKey", "k", &json!({}));
    trail.get(10, "k");
    trail.kms(10, "Decrypt", "k", &json!({}));
    let kms = trail.profile().kms;
    assert_eq!((range(&kms), kms.agreed), ((2, 2, 4), 2), "{kms:?}");
    trail.kms(10, "Decrypt", "k", &json!({}));
    let kms = trail.profile().kms;
    assert_eq!(
        kms.seen_not_predicted["second call for DSSE-KMS, of which AWS tells no number"], 1,
        "{kms:?}"
    );
}

#[test]
fn sessions_of_a_foreign_role_are_one_requester() {
    let mut trail = Trail::default();
    for session in ["one", "two"] {
        let by = json!({ "userIdentity": { "type": "AWSAccount", "principalId": format!("AROAEXAMPLE:{session}"), "accountId": "4" } });
        trail.s3(0, "GetObject", "k", &json!({}), &by);
    }
    assert_eq!(trail.profile().requesters.distinct().count, 1);
}

#[test]
fn a_browsers_form_and_a_select_stand_in_access_logs_under_names_of_their_own() {
    let line = |operation: &str, key: &str| {
        format!(
            "o b [24/Nov/2026:12:00:00 +0000] - r A {operation} {key} \"POST / HTTP/1.1\" 204 - - 9 1 1 \"-\" \"x\" -"
        )
    };
    let log = [line("REST.POST.BUCKET", "k"), line("REST.POST.BUCKET", "-"), line("REST.POST.SELECT", "k")]
        .join("\n");
    let profile = profile_of(&log, &Format::S3Access, Some(SseMode::SseKms));
    assert_eq!(range(&profile.kms), (2, 2, 2), "{:?}", profile.kms);
    for name in ["PutObject", "REST.POST.BUCKET", "SelectObjectContent"] {
        assert_eq!(profile.operations[name].requests, 1, "{name}");
    }
}

#[test]
fn each_kms_key_of_a_bucket_has_bucket_keys_of_its_own() {
    let mut trail = Trail::default();
    for second in 0..8 {
        let answer = json!({
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-bucket-key-enabled": "true",
            "x-amz-server-side-encryption-aws-kms-key-id": format!("{KEY}{}", second % 2),
        });
        trail.put(second, &format!("k{second}"), "SSE_KMS", &answer);
    }
    assert_eq!(range(&trail.profile().kms), (0, 2, 8));
}

#[test]
fn bytes_that_no_log_can_hold_are_cut_off_and_nothing_panics() {
    let mut trail = Trail::default();
    for name in ["GetObject", "PutObject"] {
        for _ in 0..2 {
            let bytes =
                json!({ "bytesTransferredIn": u64::MAX, "bytesTransferredOut": "18446744073709551615" });
            trail.s3(0, name, "k", &json!({}), &json!({ "additionalEventData": bytes }));
        }
    }
    let profile = trail.profile();
    assert!(profile.to_json().contains(&format!("\"out\": {}", u64::MAX)));
    assert!(!profile.to_text(80).is_empty());
}
