//! Requests that call KMS otherwise than others, or stand in a log otherwise: S3 Object Lambda, directory buckets, a change
//! of mode without a copy, sessions of a role. The calls that each account must have made are known.

use crate::account::{KEY, Trail, kms_answer, range};
use s3seal::workload::log::{BadLines, Format, Gather, LogReader, Seen, Turn};
use serde_json::{Value, json};

/// A directory bucket, and its ARN as encryption contexts have it.
const DIRECTORY: &str = "data--usw2-az1--x-s3";
const DIRECTORY_ARN: &str = "arn:aws:s3express:us-west-2:111122223333:bucket/data--usw2-az1--x-s3";

#[test]
fn a_read_through_object_lambda_stands_twice_and_is_one_read() {
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &kms_answer());
    trail.kms(0, "GenerateDataKey", "k", &json!({}));
    let point = "arn:aws:s3-object-lambda:us-east-1:111122223333:accesspoint/redact";
    for second in [10, 20] {
        let front = json!({
            "requestParameters": { "bucketName": point, "key": "k", "Range": "bytes=0-9" },
            "resources": [{ "type": "AWS::S3ObjectLambda::AccessPoint", "ARN": point }],
            "additionalEventData": { "bytesTransferredOut": 7.0 },
        });
        trail.push(second, "s3-object-lambda", "GetObject", &front);
        trail.push(second, "s3-object-lambda", "WriteGetObjectResponse", &json!({ "requestParameters": {} }));
        // The function reads through the access point that supports it.
        let real = json!([{ "ARN": "arn:aws:s3:::b/k" }, { "ARN": "arn:aws:s3:::b" }]);
        let under = json!({ "bucketName": "arn:aws:s3:us-east-1:111122223333:accesspoint/under" });
        trail.s3(second, "GetObject", "k", &under, &json!({ "resources": real }));
        trail.kms(second, "Decrypt", "k", &json!({}));
    }
    let profile = trail.profile();
    assert_eq!((range(&profile.kms), profile.kms.agreed), ((3, 3, 3), 3), "{:?}", profile.kms);
    assert!(profile.kms.seen_not_predicted.is_empty(), "{:?}", profile.kms);
    assert_eq!(profile.kms.implied["sse-kms"].likely, 3);
    let requests = |name: &str| profile.operations.get(name).map(|operation| operation.requests);
    assert_eq!(requests("GetObject"), Some(2), "{:?}", profile.operations);
    assert_eq!(requests("GetObject (S3 Object Lambda)"), Some(2));
    assert_eq!(requests("WriteGetObjectResponse (S3 Object Lambda)"), Some(2));
    assert_eq!(profile.objects.distinct().count, 1);
    // A replay asks for the object once, and misses nothing.
    let (mut gather, mut seen) = (Gather::default(), Seen::default());
    let text: Vec<String> = trail.records.iter().map(Value::to_string).collect();
    let text = text.join("\n");
    let mut reader = LogReader::open("log", text.as_bytes(), &Format::CloudTrail).unwrap();
    loop {
        match reader.turn(&mut seen).unwrap() {
            Turn::Entry(s3seal::workload::log::Entry::Request(request)) => gather.record(&request),
            Turn::End => break,
            _ => {}
        }
    }
    assert_eq!(gather.left_out(), 0);
    assert_eq!(gather.finish("log", 1, BadLines::default()).unwrap().arrivals.len(), 3);
}

/// `UpdateObjectEncryption` of `key`; `body`: what `CloudTrail` says of the request's body.
fn update(trail: &mut Trail, second: usize, key: &str, body: &Value) {
    let mut parameters = json!({ "encryption": "" });
    if !body.is_null() {
        parameters["ObjectEncryption"] = json!({ "SSE-KMS": body });
    }
    trail.s3(second, "UpdateObjectEncryption", key, &parameters, &json!({}));
}

#[test]
fn an_object_whose_mode_is_changed_is_read_in_the_new_one() {
    let plain = json!({ "x-amz-server-side-encryption": "AES256" });
    // (what is said of the body; calls of two reads afterwards; calls of the change itself)
    let cases = [
        (json!({ "KMSKeyArn": KEY }), (2, 2, 2), (1, 1, 2)),
        (json!({ "KMSKeyArn": KEY, "BucketKeyEnabled": false }), (2, 2, 2), (1, 1, 2)),
        // The reads share the Bucket Key that the change fetched for writing, and fetch it for reading once.
        (json!({ "KMSKeyArn": KEY, "BucketKeyEnabled": true }), (0, 1, 2), (0, 1, 2)),
        // Only that it is SSE-KMS is sure.
        (Value::Null, (0, 2, 2), (0, 1, 2)),
    ];
    for (body, reads, of_change) in cases {
        let mut trail = Trail::default();
        trail.put(0, "k", "SSE_S3", &plain);
        trail.get(1, "k");
        update(&mut trail, 2, "k", &body);
        trail.get(3, "k");
        trail.get(4, "k");
        let profile = trail.profile();
        let kms = &profile.kms;
        assert_eq!((kms.decrypt.low, kms.decrypt.likely, kms.decrypt.high), reads, "{body}: {kms:?}");
        assert_eq!((kms.update.low, kms.update.likely, kms.update.high), of_change, "{body}: {kms:?}");
        assert_eq!(kms.basis["UpdateObjectEncryption in the log"], 3, "{body}");
        assert_eq!(profile.operations["UpdateObjectEncryption"].requests, 1);
    }
}

#[test]
fn a_change_that_failed_changes_nothing_and_one_of_an_old_version_leaves_the_latest() {
    let plain =
        |version: &str| json!({ "x-amz-server-side-encryption": "AES256", "x-amz-version-id": version });
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_S3", &plain("v1"));
    trail.put(
        1,
        "k",
        "SSE_S3",
        &json!({ "x-amz-server-side-encryption": "AES256", "x-amz-version-id": "v2" }),
    );
    let denied = json!({ "errorCode": "AccessDenied", "errorMessage": "Access Denied" });
    trail.s3(
        2,
        "UpdateObjectEncryption",
        "k",
        &json!({ "ObjectEncryption": { "SSE-KMS": { "KMSKeyArn": KEY } } }),
        &denied,
    );
    trail.get(3, "k");
    assert_eq!(range(&trail.profile().kms), (0, 0, 2), "{:?}", trail.profile().kms);
    let of_old = json!({ "versionId": "v1", "ObjectEncryption": { "SSE-KMS": { "KMSKeyArn": KEY } } });
    trail.s3(10, "UpdateObjectEncryption", "k", &of_old, &json!({}));
    trail.s3(11, "GetObject", "k", &json!({ "versionId": "v1" }), &json!({}));
    trail.get(12, "k");
    let kms = trail.profile().kms;
    assert_eq!((kms.decrypt.likely, kms.update.likely), (1, 1), "{kms:?}");
}

#[test]
fn whichever_call_a_change_of_mode_makes_is_found_and_a_second_one_has_its_cause() {
    for calls in [&["ReEncrypt"][..], &["Encrypt"], &["GenerateDataKey"], &["Decrypt", "Encrypt"]] {
        let mut trail = Trail::default();
        trail.put(0, "k", "SSE_KMS", &kms_answer());
        trail.kms(0, "GenerateDataKey", "k", &json!({}));
        update(&mut trail, 10, "k", &json!({ "KMSKeyArn": KEY }));
        for call in calls {
            let context = json!({ "aws:s3:arn": "arn:aws:s3:::b/k" });
            let parameters = match *call {
                "ReEncrypt" => {
                    json!({ "sourceEncryptionContext": context, "destinationEncryptionContext": context })
                }
                _ => json!({ "encryptionContext": context }),
            };
            trail.kms(10, call, "k", &json!({ "requestParameters": parameters }));
        }
        let kms = trail.profile().kms;
        assert_eq!(kms.agreed, 2, "{calls:?}: {kms:?}");
        let second = kms
            .seen_not_predicted
            .get("second call for UpdateObjectEncryption, of which AWS tells no number");
        assert_eq!(second.copied().unwrap_or(0), calls.len() as u64 - 1, "{calls:?}: {kms:?}");
    }
    // One that nobody asked for.
    let mut trail = Trail::default();
    trail.get(0, "k");
    trail.kms(10, "Encrypt", "k", &json!({}));
    trail.get(20, "k");
    let causes = trail.profile().kms.seen_not_predicted;
    assert_eq!(
        causes["Encrypt or ReEncrypt without UpdateObjectEncryption within a second"], 1,
        "{causes:?}"
    );
}

/// A request for `key` of the directory bucket.
fn express(trail: &mut Trail, second: usize, name: &str, key: &str, more: &Value) {
    let mut record = json!({
        "requestParameters": { "bucketName": DIRECTORY, "key": key },
        // As AWS's examples have them: the object's resource is a prefix, the bucket's lacks `bucket/`.
        "resources": [
            { "type": "AWS::S3Express::Object", "ARNPrefix": DIRECTORY_ARN.replace("bucket/", "") },
            { "type": "AWS::S3Express::DirectoryBucket", "ARN": DIRECTORY_ARN.replace("bucket/", "") },
        ],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        if name == "requestParameters" {
            for (name, value) in value.as_object().unwrap() {
                record["requestParameters"][name] = value.clone();
            }
        } else {
            record[name] = value.clone();
        }
    }
    trail.push(second, "s3express", name, &record);
}

/// A call by S3 for the directory bucket.
fn express_call(trail: &mut Trail, second: usize, name: &str, context: &Value) {
    trail.kms(second, name, "", &json!({ "requestParameters": { "encryptionContext": context } }));
}

#[test]
fn in_a_directory_bucket_the_bucket_key_is_always_on() {
    let mut trail = Trail::default();
    // Neither the answer nor what was applied says a word of a Bucket Key.
    let answers = [
        json!({ "responseElements": kms_answer() }),
        json!({ "additionalEventData": { "SSEApplied": "Default_SSE_KMS" } }),
        json!({ "responseElements": kms_answer(), "additionalEventData": { "SSEApplied": "SSE_KMS" } }),
    ];
    for (second, answer) in answers.iter().enumerate() {
        express(&mut trail, second, "PutObject", &format!("k{second}"), answer);
    }
    // AWS's documents write the context with one ARN within another; the plain one is read, too.
    let doubled = json!({ "aws:s3express:arn": format!("arn:aws:s3:::{DIRECTORY_ARN}") });
    express_call(&mut trail, 0, "GenerateDataKey", &doubled);
    for second in 4..7 {
        express(&mut trail, second, "GetObject", &format!("k{}", second - 4), &json!({}));
    }
    express_call(&mut trail, 4, "Decrypt", &json!({ "aws:s3:arn": DIRECTORY_ARN }));
    let profile = trail.profile();
    let kms = &profile.kms;
    assert_eq!((range(kms), kms.agreed, kms.seen_for_bucket_key), ((0, 2, 6), 2, 2), "{kms:?}");
    assert!(kms.seen_not_predicted.is_empty() && kms.predicted_not_seen.is_empty(), "{kms:?}");
    assert!(kms.not_by_s3.is_empty(), "{kms:?}");
    assert_eq!(profile.buckets.top(9).len(), 1, "the calls stand with their bucket");
}

#[test]
fn a_setting_of_a_directory_bucket_has_its_bucket_key_named_or_not() {
    let mut trail = Trail::default();
    let rule =
        json!({ "ApplyServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY } });
    let parameters =
        json!({ "bucketName": DIRECTORY, "ServerSideEncryptionConfiguration": { "Rule": rule } });
    trail.push(0, "s3express", "PutBucketEncryption", &json!({ "requestParameters": parameters }));
    for second in 1..4 {
        express(&mut trail, second, "PutObject", &format!("k{second}"), &json!({}));
    }
    let kms = trail.profile().kms;
    assert_eq!(range(&kms), (0, 1, 3), "{kms:?}");
}

#[test]
fn a_copy_from_or_to_a_directory_bucket_calls_kms_each_time() {
    let with_key = json!({
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-bucket-key-enabled": "true",
        "x-amz-server-side-encryption-aws-kms-key-id": KEY,
    });
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &with_key);
    let into =
        json!({ "requestParameters": { "x-amz-copy-source": "b/k" }, "responseElements": kms_answer() });
    for second in [1, 2, 3] {
        express(&mut trail, second, "CopyObject", &format!("k{second}"), &into);
        express_call(&mut trail, second, "GenerateDataKey", &json!({ "aws:s3:arn": DIRECTORY_ARN }));
    }
    // 1 for the PUT, under a Bucket Key; 2 for each copy, whatever is warm.
    let kms = trail.profile().kms;
    assert_eq!(range(&kms), (6, 7, 7), "{kms:?}");
    assert_eq!(kms.agreed, 3, "{kms:?}");
    // And out of it: the target here is SSE-S3, so the read of the source is all.
    let out = json!({ "x-amz-copy-source": format!("{DIRECTORY}/k1") });
    for second in [10, 11] {
        let plain = json!({ "responseElements": { "x-amz-server-side-encryption": "AES256" } });
        trail.s3(second, "CopyObject", "back", &out, &plain);
    }
    let kms = trail.profile().kms;
    assert_eq!(range(&kms), (8, 9, 9), "{kms:?}");
}

#[test]
fn sessions_of_a_role_share_bucket_keys_or_not_and_both_are_told() {
    let with_key = json!({ "x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-bucket-key-enabled": "true" });
    let by = |session: usize| json!({ "type": "AssumedRole", "arn": format!("arn:aws:sts::111122223333:assumed-role/R/s{session}"), "invokedBy": null });
    let mut trail = Trail::default();
    // Four sessions write and read, each its own object, all within the life of one Bucket Key.
    for session in 0..4 {
        let more = json!({
            "userIdentity": by(session), "responseElements": with_key, "additionalEventData": { "SSEApplied": "SSE_KMS" },
        });
        trail.s3(session, "PutObject", &format!("k{session}"), &json!({}), &more);
        let more = json!({ "userIdentity": by(session) });
        trail.s3(4 + session, "GetObject", &format!("k{session}"), &json!({}), &more);
    }
    let kms = trail.profile().kms;
    // By role one for writing and one for reading; by session four of each.
    assert_eq!((range(&kms), kms.likely_by_session()), ((0, 2, 8), 8), "{kms:?}");
    // Where S3 tells sessions apart, the difference has its cause.
    for session in 0..4 {
        trail.kms(
            session,
            "GenerateDataKey",
            "",
            &json!({ "requestParameters": { "encryptionContext": { "aws:s3:arn": "arn:aws:s3:::b" } } }),
        );
    }
    let kms = trail.profile().kms;
    assert_eq!(
        kms.seen_not_predicted["Bucket Key fetched, though another session of the role had one"], 3,
        "{kms:?}"
    );
    let text = trail.profile().to_text(80);
    assert!(text.contains("8 if each session of a role fetches Bucket Keys of its own"), "{text}");
    // One session alone: the two scopes are one.
    let mut alone = Trail::default();
    alone.put(0, "k", "SSE_KMS", &with_key);
    alone.get(1, "k");
    let kms = alone.profile().kms;
    assert_eq!((kms.predicted().likely, kms.likely_by_session()), (2, 2), "{kms:?}");
}

#[test]
fn a_profile_of_before_is_read_and_merged() {
    let mut trail = Trail::default();
    trail.put(0, "k", "SSE_KMS", &kms_answer());
    let profile = trail.profile();
    let mut old: Value = serde_json::from_str(&profile.to_json()).unwrap();
    for name in ["update", "by_session"] {
        assert!(old["state"]["kms"].as_object_mut().unwrap().remove(name).is_some(), "{name}");
    }
    let mut merged = s3seal::workload::profile::Profile::from_json(old.to_string().as_bytes()).unwrap();
    merged.merge(&profile).unwrap();
    assert_eq!((range(&merged.kms), merged.kms.likely_by_session()), ((2, 2, 2), 2));
}
