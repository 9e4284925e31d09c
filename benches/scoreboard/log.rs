//! Claims of the log readers, per line or record, one core.

use std::fmt::Write;
use std::hint::black_box;

use regex::bytes::Regex;
use s3seal::workload::log::{
    AccessLine, Format, LogReader, OracleGeneral, OracleRequest, RECORD_BYTES, Seen, Turn,
};
use serde::de::IgnoredAny;

use crate::board::{Board, Goal, time};

/// Lines, records or requests that are gone through in turn.
const MANY: usize = 4_096;

/// The fields of a line for a regex that is compiled once: the pattern of AWS's documents for Athena, with the later fields.
///
/// Source: Amazon Athena user guide, "Query Amazon S3 server access logs" (docs/SOURCES.md).
const PATTERN: &str = r#"(?-u)^([^ ]*) ([^ ]*) \[(.*?)\] ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ("[^"]*"|-) (-|[0-9]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ("[^"]*"|-) ([^ ]*)(?: ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*))?(?: ([^ ]*))?(?: ([^ ]*))?.*$"#;

pub fn run(board: &mut Board) {
    access(board);
    cloudtrail(board);
    oracle(board);
}

fn access(board: &mut Board) {
    if !board.wants("access_log_parse") && !board.wants("access_log_MBps") {
        return;
    }
    let lines: Vec<String> = (0..MANY)
        .map(|i| {
            format!(
                "8787a3c41bf7ce0d54359d9348ad5b08e16bd5bb8ae5aa4e1508b435773a066e archive [{:02}/Jan/2026:05:06:{:02} +0000] \
                 192.0.2.{} arn:aws:iam::111122223333:user/reader {:016X} REST.GET.OBJECT blobs/{:03x}/{:03x}/{i:08x}-data.nii.gz \
                 \"GET /blobs/{:03x}/{:03x}/{i:08x}-data.nii.gz?versionId=MwI7yXtui4mtwTeuZxHoT4qHap44j3T2 HTTP/1.1\" 206 - {} \
                 171408 53 52 \"-\" \"Boto3/1.21.19 Python/3.9.10 Linux/4.4.0-1104-aws Botocore/1.24.19 Resource\" - \
                 DX8oFoKQx0o5V3lwEuWBxF5p2fSXrwINj0rnxmas0YgjWuPqYLK/vnW60Txh23K93aahe0IFw2c= SigV4 ECDHE-RSA-AES128-GCM-SHA256 \
                 AuthHeader archive.s3.us-east-2.amazonaws.com TLSv1.2 - -",
                i % 28 + 1, i % 60, i % 256, i * 7_919, i % 4_096, i % 997, i % 4_096, i % 997, i * 37,
            )
        })
        .collect();
    let pattern = Regex::new(PATTERN).expect("constant");
    let (first, captures) =
        (AccessLine::parse(lines[0].as_bytes()).expect("a line"), pattern.captures(lines[0].as_bytes()));
    let captures = captures.expect("the peer reads the same line");
    assert_eq!((&captures[8], &captures[10], &captures[13]), (first.key, first.status, first.object_size));
    let bytes: usize = lines.iter().map(String::len).sum::<usize>() / MANY;
    let (mut place, mut peer_place) = (0, 0);
    let mut locations = pattern.capture_locations();
    let mut ours = |n: u64| {
        time(n, || {
            place = (place + 1) % MANY;
            AccessLine::parse(black_box(lines[place].as_bytes())).expect("a line").fields
        })
    };
    let mut theirs = |n: u64| {
        time(n, || {
            peer_place = (peer_place + 1) % MANY;
            pattern.captures_read(&mut locations, black_box(lines[peer_place].as_bytes())).expect("a line");
            locations.get(26)
        })
    };
    let peer = "regex 1, compiled once, the same fields";
    if let Some(paired) = board.race("access_log_parse", &mut ours, &mut theirs) {
        board.line(
            "access_log_parse",
            paired.peer / paired.ours,
            "× the peer's speed",
            Goal::AtLeast(5.0),
            peer,
            Some(paired.peer),
        );
        board.line("access_log_MBps", bytes as f64 * 1e3 / paired.ours, "MB/s", Goal::Shown, "", None);
    }
}

fn cloudtrail(board: &mut Board) {
    if !board.wants("cloudtrail_parse") {
        return;
    }
    let mut file = String::from("{\"Records\":[");
    for i in 0..MANY {
        let comma = if i == 0 { "" } else { "," };
        let identity = r#""userIdentity":{"type":"AssumedRole","principalId":"AROACKCEVSQ6C2EXAMPLE:example-user","arn":"arn:aws:sts::111122223333:assumed-role/Admins/example-user","accountId":"111122223333","accessKeyId":"AKIAIOSFODNN7EXAMPLE","sessionContext":{"attributes":{"mfaAuthenticated":"false","creationDate":"2026-09-10T23:12:48Z"},"sessionIssuer":{"type":"Role","principalId":"AROACKCEVSQ6C2EXAMPLE","arn":"arn:aws:iam::111122223333:role/Admins","accountId":"111122223333","userName":"Admins"}}}"#;
        let rest = if i % 2 == 0 {
            format!(
                r#""eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"us-west-2","sourceIPAddress":"192.0.2.3","userAgent":"[Boto3/1.21.19 Python/3.9.10 Linux/4.4.0 Botocore/1.24.19]","requestParameters":{{"bucketName":"archive","Host":"archive.s3.us-west-2.amazonaws.com","key":"blobs/{i:08x}/data.nii.gz"}},"responseElements":null,"additionalEventData":{{"SignatureVersion":"SigV4","CipherSuite":"ECDHE-RSA-AES128-GCM-SHA256","bytesTransferredIn":0.0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"DX8oFoKQx0o5V3lwEuWBxF5p2fSXrwINj0rnxmas0YgjWuPqYLK=","bytesTransferredOut":171408.0}},"requestID":"{i:016X}","eventID":"{i:08x}-817a-4c3b-82e0-b4fbba5f0e1d","readOnly":true,"resources":[{{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::archive/blobs/{i:08x}/data.nii.gz"}},{{"accountId":"111122223333","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::archive"}}],"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"111122223333","eventCategory":"Data""#
            )
        } else {
            format!(
                r#""eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"us-west-2","sourceIPAddress":"fas.s3.amazonaws.com","userAgent":"fas.s3.amazonaws.com","requestParameters":{{"encryptionContext":{{"aws:s3:arn":"arn:aws:s3:::archive/blobs/{i:08x}/data.nii.gz"}},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}},"responseElements":null,"requestID":"db750745-5817-11e5-93a6-5b87e27d91a0","eventID":"{i:08x}-8a09-4cfc-a249-205ddba330e3","readOnly":true,"resources":[{{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}}],"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management""#
            )
        };
        write!(
            file,
            r#"{comma}{{"eventVersion":"1.11",{identity},"eventTime":"2026-11-24T12:{:02}:{:02}Z",{rest}}}"#,
            i / 60 % 60,
            i % 60
        )
        .expect("a string takes everything");
    }
    file.push_str("]}");
    let bytes = file.as_bytes();
    let ours_of = || {
        let mut seen = Seen::new(MANY * 2);
        let mut reader = LogReader::open("log", bytes, &Format::CloudTrail).expect("a reader");
        let mut records = 0;
        loop {
            match reader.turn(&mut seen).expect("memory does not fail") {
                Turn::Entry(entry) => {
                    black_box(&entry);
                    records += 1;
                }
                Turn::Again => {}
                Turn::End => return records,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(ours_of(), MANY, "every record is read");
    let mut ours = |n: u64| time(n, ours_of);
    let mut theirs =
        |n: u64| time(n, || serde_json::from_slice::<IgnoredAny>(black_box(bytes)).expect("JSON"));
    let peer = "serde_json IgnoredAny, the same bytes, held in memory";
    if let Some(paired) = board.race("cloudtrail_parse", &mut ours, &mut theirs) {
        board.line(
            "cloudtrail_parse",
            paired.peer / paired.ours,
            "× the peer's speed",
            Goal::AtLeast(0.7),
            peer,
            Some(paired.peer),
        );
        board.line("cloudtrail_MBps", bytes.len() as f64 * 1e3 / paired.ours, "MB/s", Goal::Shown, "", None);
    }
}

/// `libCacheSim` is a C library that a bench cannot take along: the peer is its reader's inner loop, written out here: a
/// pointer over the mapped file, four loads a request.
fn oracle(board: &mut Board) {
    if !board.wants("oracle_general_parse") {
        return;
    }
    let mut file = Vec::with_capacity(MANY * 16 * RECORD_BYTES);
    for i in 0..MANY as u64 * 16 {
        file.extend(((i / 100) as u32).to_le_bytes());
        file.extend((i * 7_919 % 65_521).to_le_bytes());
        file.extend((4_096 + (i % 1_000) as u32).to_le_bytes());
        file.extend((i.cast_signed() + 17).to_le_bytes());
    }
    let sum = |request: OracleRequest| request.object ^ u64::from(request.bytes) ^ request.next.unwrap_or(0);
    let ours_of = || {
        let reader = OracleGeneral::new(black_box(&file[..]));
        reader.fold(0_u64, |all, request| all.wrapping_add(sum(request.expect("memory does not fail"))))
    };
    let theirs_of = || {
        black_box(&file[..]).chunks_exact(RECORD_BYTES).fold(0_u64, |all, bytes| {
            let object = u64::from_le_bytes(bytes[4..12].try_into().expect("8 bytes"));
            let size = u32::from_le_bytes(bytes[12..16].try_into().expect("4 bytes"));
            let next = i64::from_le_bytes(bytes[16..24].try_into().expect("8 bytes"));
            let next = if next == -1 || next == i64::MAX { 0 } else { next as u64 };
            all.wrapping_add(object ^ u64::from(size) ^ next)
        })
    };
    assert_eq!(ours_of(), theirs_of(), "both read the same");
    let peer = "libCacheSim's loop over a mapped file, in Rust";
    board.speed("oracle_general_parse", Goal::Shown, peer, &mut |n| time(n, ours_of), &mut |n| {
        time(n, theirs_of)
    });
}
