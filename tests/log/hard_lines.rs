//! The hard lines of real logs, written anew: each checked field by field.

use s3seal::request::{Operation, SseMode};
use s3seal::units::Timestamp;
use s3seal::workload::log::{
    AccessLine, Ending, Entry, Format, KmsUse, LogReader, Request, Seen, Setting, Side, Sse, Turn,
};

const HEAD: &str = "79a5 logs-bucket [06/Feb/2019:00:00:38 +0000] 192.0.2.3";

fn access(line: &str) -> AccessLine<'_> {
    AccessLine::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {line}"))
}

fn text(field: &[u8]) -> &str {
    std::str::from_utf8(field).unwrap()
}

fn request(line: &[u8]) -> Request<'_> {
    match AccessLine::parse(line).unwrap().entry() {
        Entry::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

/// Everything that a reader of `format` yields, in words.
fn read(format: &str, bytes: &[u8]) -> Vec<String> {
    // Pieces as a file gives them, not all at once.
    let bytes = std::io::BufReader::with_capacity(10_007, bytes);
    let format: Format = format.parse().unwrap();
    let mut seen = Seen::default();
    let mut reader = LogReader::open("log", bytes, &format).unwrap();
    let mut all = Vec::new();
    loop {
        match reader.turn(&mut seen).unwrap() {
            Turn::Entry(Entry::Request(request)) => {
                all.push(format!("{} {}/{}", request.name, request.bucket, request.key));
            }
            Turn::Entry(Entry::Kms(call)) => {
                all.push(format!("kms {} {}", call.name, call.s3_arn.unwrap_or_default()));
            }
            Turn::Entry(Entry::Setting(setting)) => {
                all.push(format!("setting {} {:?}", setting.bucket, setting.sse));
            }
            Turn::Entry(Entry::Stored(stored)) => all.push(format!("stored {} {:?}", stored.key, stored.sse)),
            Turn::Entry(Entry::Other) => all.push("other".into()),
            Turn::Duplicate => all.push("duplicate".into()),
            Turn::Bad(bad) => all.push(format!("bad {}:{} {}", bad.line, bad.column, bad.field)),
            Turn::Again => {}
            Turn::End => return all,
        }
    }
}

#[test]
fn every_edition_from_18_to_27_fields_and_what_may_come_later() {
    let base = format!(
        "{HEAD} arn:aws:iam::111122223333:user/a@b=c 3E57427F3EXAMPLE REST.GET.OBJECT photos%2F2014/a+b.jpg \
         \"GET /logs-bucket/photos/2014/a%20b.jpg?x=1 HTTP/1.1\" 206 - 512 171408 53 52 \"-\" \"agent/1.0\""
    );
    let later = [
        "v1",
        "host==",
        "SigV4",
        "TLS_AES_128_GCM_SHA256",
        "AuthHeader",
        "logs-bucket.s3.amazonaws.com",
        "TLSv1.3",
        "arn:aws:s3:us-west-1:111122223333:accesspoint/ap",
        "Yes",
        "us-west-1",
        "new-28",
        "new-29",
    ];
    for count in 1..=later.len() {
        for ending in ["", " "] {
            let line = format!("{base} {}{ending}", later[..count].join(" "));
            let found = access(&line);
            assert_eq!(found.fields as usize, 17 + count, "{line}");
            assert_eq!(found.later.iter().filter(|field| !field.is_empty()).count(), count.min(10));
            assert_eq!(text(found.later[0]), "v1");
            assert_eq!(text(found.user_agent), "agent/1.0");
            assert_eq!(
                (text(found.status), text(found.bytes_sent), text(found.object_size)),
                ("206", "512", "171408")
            );
            assert_eq!((text(found.total_ms), text(found.turnaround_ms)), ("53", "52"));
            assert_eq!(found.time, Timestamp::from_seconds(1_549_411_238));
        }
    }
    // Without the version id too: somebody cut the line there.
    assert_eq!(access(&base).fields, 17);
    let request = request(base.as_bytes());
    assert_eq!(request.operation, Some(Operation::GetObjectRange));
    assert_eq!((&*request.key, &*request.name), ("photos/2014/a b.jpg", "GetObject"));
    assert_eq!(request.requester, "arn:aws:iam::111122223333:user/a@b=c");
    assert_eq!((request.size, request.sent, request.received), (Some(171_408), 512, 0));
}

#[test]
fn quotes_stand_raw_inside_all_three_quoted_fields() {
    let line = format!(
        "{HEAD} - T6MT REST.GET.OBJECT k \"GET /k?d=attachment;%20filename=\"a.json\" 200 x HTTP/1.1\" 200 - 1194552 9045012 \
         38 35 \"https://x/?q=\"xinba\";$ch\" \"\"Mozilla/5.0 (\"odd\") Safari\" - host= - c - h t -"
    );
    let found = access(&line);
    assert_eq!(text(found.uri), "GET /k?d=attachment;%20filename=\"a.json\" 200 x HTTP/1.1");
    assert_eq!(text(found.referer), "https://x/?q=\"xinba\";$ch");
    assert_eq!(text(found.user_agent), "\"Mozilla/5.0 (\"odd\") Safari");
    assert_eq!((text(found.later[0]), text(found.later[1]), found.fields), ("-", "host=", 25));
}

#[test]
fn bare_dashes_stand_for_quoted_fields_and_for_figures() {
    let batch =
        format!("{HEAD} AmazonS3 9F1 BATCH.DELETE.OBJECT a/b - 204 - - 344017 - - - - - host - - - - -");
    let found = access(&batch);
    assert_eq!((text(found.uri), text(found.status), text(found.object_size)), ("-", "204", "344017"));
    assert_eq!((text(found.referer), text(found.user_agent), text(found.later[0])), ("-", "-", "-"));
    assert_eq!(text(found.later[1]), "host");
    let expiry = "o b [06/Feb/2019:00:00:38 +0000] - AmazonS3 9F2 S3.EXPIRE.OBJECT a%2Fb \"-\" - - - 317 - - \"-\" \"-\" - h - - - - - - -";
    let found = access(expiry);
    assert_eq!((text(found.uri), text(found.status), text(found.remote_ip)), ("-", "-", "-"));
    assert_eq!((text(found.referer), text(found.user_agent), found.fields), ("-", "-", 26));
    let request = request(expiry.as_bytes());
    assert_eq!((request.operation, request.ending, &*request.name), (None, Ending::Done, "S3.EXPIRE.OBJECT"));
    // One of the two bare, the other quoted.
    let mixed = format!("{HEAD} - A REST.GET.OBJECT k \"GET /k\" 200 - 1 1 1 1 - \"curl/8 (x)\" - h");
    assert_eq!((text(access(&mixed).referer), text(access(&mixed).user_agent)), ("-", "curl/8 (x)"));
    let mixed = format!("{HEAD} - A REST.GET.OBJECT k \"GET /k\" 200 - 1 1 1 1 \"https://x\" - v h");
    assert_eq!((text(access(&mixed).referer), text(access(&mixed).user_agent)), ("https://x", "-"));
    assert_eq!(text(access(&mixed).later[0]), "v");
    let empty = format!("{HEAD} - A REST.GET.OBJECT k \"GET /k\" 200 - 1 1 1 1 \"\" \"x\" -");
    assert_eq!((text(access(&empty).referer), text(access(&empty).user_agent)), ("", "x"));
}

#[test]
fn addresses_zones_and_spaces_as_they_come() {
    let line = "79a5 b [06/Feb/2019:02:00:38 +0200] 2001:db8::1  svc:delivery.logs.amazonaws.com A REST.PUT.OBJECT \
                s3-dg.pdf \"PUT /b/s3-dg.pdf HTTP/1.1\" 200 - - 4406583 41754 28 \"-\" \"S3Console/0.4\" -";
    let found = access(line);
    assert_eq!(
        (text(found.remote_ip), text(found.requester)),
        ("2001:db8::1", "svc:delivery.logs.amazonaws.com")
    );
    let put = request(line.as_bytes());
    assert_eq!(put.time, Timestamp::from_seconds(1_549_411_238));
    assert_eq!((put.operation, put.sent, put.received), (Some(Operation::PutObject), 0, 4_406_583));
    let line = format!("{HEAD} - A REST.GET.OBJECT k \"GET /k\" 304 - - 1718 10 - \"-\" \"x\" -");
    assert_eq!(request(line.as_bytes()).ending, Ending::Unchanged);
    let line =
        format!("{HEAD} - A REST.PUT.OBJECT k \"PUT /k\" 400 KMS.DisabledException 300 - 10 - \"-\" \"x\" -");
    assert_eq!(request(line.as_bytes()).ending, Ending::RefusedByKms);
    let line = format!("{HEAD} - A REST.PUT.OBJECT k \"PUT /k\" 503 SlowDown 300 4406 10 - \"-\" \"x\" -");
    assert_eq!((request(line.as_bytes()).ending, request(line.as_bytes()).received), (Ending::Failed, 0));
}

#[test]
fn a_copy_is_two_records_with_one_id_and_both_count() {
    let line = |operation: &str, key: &str| {
        format!("{HEAD} r C0PY {operation} {key} \"PUT /to HTTP/1.1\" 200 - 234 9 10 9 \"-\" \"x\" -\n")
    };
    let log = line("REST.COPY.OBJECT_GET", "from") + &line("REST.COPY.OBJECT", "to");
    assert_eq!(
        read("s3-access", log.as_bytes()),
        ["CopyObject (source read) logs-bucket/from", "CopyObject logs-bucket/to"]
    );
    let sides = log.lines().map(|line| request(line.as_bytes()).side).collect::<Vec<_>>();
    assert_eq!(sides, [Side::CopyRead, Side::CopyWrite]);
}

#[test]
fn invalid_utf8_line_ends_and_a_line_of_a_megabyte() {
    let good = |agent: &[u8]| {
        [HEAD.as_bytes(), b" - A REST.GET.OBJECT k \"GET /k\" 200 - 1 1 1 1 \"-\" \"", agent, b"\" - h"]
            .concat()
    };
    let agent = [b"x\xFF\xFE".as_slice(), "é".as_bytes()].concat();
    let odd = good(&agent);
    assert_eq!(AccessLine::parse(&odd).unwrap().user_agent, &agent[..]);
    let log = [
        b"\xEF\xBB\xBF".as_slice(),
        &odd,
        b"\r\n\r\n",
        &good(&vec![b'a'; 1 << 20]),
        b"\r\nnot a line\r\n",
        &good(b"last"),
    ]
    .concat();
    assert_eq!(
        read("s3-access", &log),
        ["GetObject logs-bucket/k", "bad 3:1 line", "bad 4:7 time", "GetObject logs-bucket/k"]
    );
}

#[test]
fn a_bad_line_names_its_field_and_column() {
    let error = |line: &str| {
        let error = AccessLine::parse(line.as_bytes()).unwrap_err();
        (error.field, error.at)
    };
    assert_eq!(error(""), ("owner", 0));
    assert_eq!(error("o b [06/Feb/2019:00:00:38]"), ("time", 4));
    assert_eq!(error("o b [06/Feb/2019:00:00:38 +0000] ip r id"), ("request id", 38));
    assert_eq!(
        error("o b [06/Feb/2019:00:00:38 +0000] i r d REST.GET.OBJECT k \"GET /k 200 - 1 1 1"),
        ("Request-URI", 57)
    );
    assert_eq!(
        error(
            "o b [06/Feb/2019:00:00:38 +0000] i r d REST.GET.OBJECT k \"GET /k\" 20 - 1 1 1 1 \"-\" \"-\" -"
        )
        .0,
        "Request-URI"
    );
}

fn record(source: &str, name: &str, id: &str, rest: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","userIdentity":{{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/R/s"}},"eventTime":"2026-11-24T12:00:00Z","eventSource":"{source}.amazonaws.com","eventName":"{name}","eventID":"{id}"{rest}}}"#
    )
}

fn one(json: &str) -> Entry<'static> {
    let mut seen = Seen::default();
    let bytes: &'static [u8] = json.as_bytes().to_vec().leak();
    let reader = Box::leak(Box::new(LogReader::open("log", bytes, &Format::CloudTrail).unwrap()));
    let seen = Box::leak(Box::new(std::mem::take(&mut seen)));
    match reader.turn(seen).unwrap() {
        Turn::Entry(entry) => entry,
        other => panic!("{other:?}"),
    }
}

fn s3(json: &str) -> Request<'static> {
    match one(json) {
        Entry::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn kms(json: &str) -> KmsUse<'static> {
    match one(json) {
        Entry::Kms(call) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn cloudtrail_comes_wrapped_listed_and_line_by_line_and_each_event_once() {
    let get = |id| record("s3", "GetObject", id, r#","requestParameters":{"bucketName":"b","key":"a b"}"#);
    let wanted = ["GetObject b/a b", "duplicate", "GetObject b/a b"];
    let (a, b) = (get("1"), get("2"));
    let wrapped = format!("{{\"Records\":[{a},{a},{b}]}}");
    assert_eq!(read("cloudtrail", wrapped.as_bytes()), wanted);
    let pretty = format!(
        "\u{FEFF}{{\r\n \"Records\" : [\r\n {a}\r\n ,\r\n {a},{b}\r\n ]\r\n, \"more\": \"}}\" }}\r\n"
    );
    assert_eq!(read("cloudtrail", pretty.as_bytes()), wanted);
    assert_eq!(read("cloudtrail", format!("[{a},{a},{b}]").as_bytes()), wanted);
    assert_eq!(read("cloudtrail", format!("{a}\r\n{a}\n\n{b}").as_bytes()), wanted);
    // Two trails that deliver to one bucket: two files, one after the other.
    assert_eq!(
        read("cloudtrail", format!("{wrapped}\n{wrapped}").as_bytes())
            .iter()
            .filter(|e| *e != "duplicate")
            .count(),
        2
    );
    assert_eq!(read("cloudtrail", br#"{"Records":[]}"#), [""; 0]);
    // Without an id nothing is taken for a repetition.
    let nameless = get("");
    assert_eq!(read("cloudtrail", format!("{nameless}\n{nameless}").as_bytes()), ["GetObject b/a b"; 2]);
}

#[test]
fn a_broken_record_is_counted_and_its_neighbours_are_read() {
    let get = |id| record("s3", "GetObject", id, r#","requestParameters":{"bucketName":"b","key":"k"}"#);
    let (a, b) = (get("1"), get("2"));
    let lines = format!("{a}\n{{\"eventName\": \"cut\nwords\n{{\"x\":1}}\n{b}\n");
    assert_eq!(
        read("cloudtrail", lines.as_bytes()),
        ["GetObject b/k", "bad 2:1 record", "bad 3:1 record", "bad 4:1 record", "GetObject b/k"]
    );
    let wrapped =
        format!("{{\"Records\":[{a},\n{{\"eventName\": oops, \"x\":{{\"y\":\"\\\"}}}}\"}}}},\n{b}]}}");
    assert_eq!(read("cloudtrail", wrapped.as_bytes()), ["GetObject b/k", "bad 2:1 record", "GetObject b/k"]);
    let cut = format!("{{\"Records\":[{a},{}", &b[..b.len() - 5]);
    assert_eq!(
        read("cloudtrail", cut.as_bytes()),
        ["GetObject b/k".to_owned(), format!("bad 1:{} record", 14 + a.len())]
    );
    let half = [a.as_bytes(), b"\n\xC3"].concat();
    let all = read("cloudtrail", &half);
    assert!(all.len() == 2 && all[1].starts_with("bad 2:"), "{all:?}");
    let timeless = record("s3", "GetObject", "3", "").replace("2026-11-24T12:00:00Z", "yesterday");
    assert_eq!(read("cloudtrail", timeless.as_bytes()), ["bad 1:1 eventTime"]);
}

#[test]
fn records_longer_than_the_room_ahead_and_escapes_are_read() {
    let long = "x".repeat(200_000);
    let rest = format!(r#","requestParameters":{{"bucketName":"b","key":"\u00e9\"\\{long}"}}"#);
    let a = record("s3", "GetObject", "1", &rest);
    let file = format!("{{\"Records\":[{a},{}]}}", record("s3", "ListBuckets", "2", ""));
    let all = read("cloudtrail", file.as_bytes());
    assert_eq!(all, [format!("GetObject b/é\"\\{long}"), "ListBuckets /".into()]);
    let huge = record(
        "s3",
        "GetObject",
        "1",
        &format!(r#","requestParameters":{{"key":"{}"}}"#, "x".repeat(5 << 20)),
    );
    let file = format!("{{\"Records\":[{huge},{}]}}", record("s3", "ListBuckets", "2", ""));
    assert_eq!(read("cloudtrail", file.as_bytes()), ["bad 1:13 record", "ListBuckets /"]);
}

#[test]
fn kms_calls_of_s3_are_known_by_their_context_and_decrypt_has_no_key_id() {
    let key = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let by = |arn: &str, more: &str, field: &str| {
        format!(
            r#","requestParameters":{{"encryptionContext":{{"aws:s3:arn":"{arn}"{more}}}}},"responseElements":null,"resources":[{{"{field}":"{key}","accountId":"111122223333"}}]"#
        )
    };
    let call = kms(&record("kms", "Decrypt", "1", &by("arn:aws:s3:::b/k", "", "ARN")));
    assert_eq!(call.s3_arn.as_deref(), Some("arn:aws:s3:::b/k"));
    assert_eq!((&*call.kms_key, call.by_service, call.failed), (key, false, false));
    let call = kms(&record("kms", "Decrypt", "1", &by("arn:aws:s3:::b", "", "arn")));
    assert_eq!((call.s3_arn.as_deref(), &*call.kms_key), (Some("arn:aws:s3:::b"), key));
    let two = by("arn:aws:s3:::b", "", "ARN")
        .replace("\"resources\":[", &format!("\"resources\":[{{\"ARN\":\"{key}-first\"}},"));
    assert_eq!(kms(&record("kms", "Decrypt", "1", &two)).kms_key, format!("{key}-first"));
    let trail = r#","aws:cloudtrail:arn":"arn:aws:cloudtrail:us-west-2:111122223333:trail/Default""#;
    assert!(kms(&record("kms", "GenerateDataKey", "1", &by("arn:aws:s3:::b/k", trail, "ARN"))).by_service);
    let parameter = r#","requestParameters":{"encryptionContext":{"PARAMETER_ARN":"arn:aws:ssm:x"}},"errorCode":"AccessDenied""#;
    let other = kms(&record("kms", "Decrypt", "1", parameter));
    assert_eq!((other.s3_arn, other.failed), (None, true));
}

#[test]
fn odd_types_and_old_shapes_are_read() {
    let odd = s3(
        r#"{"@timestamp":"2020-09-14T00:44:20.529Z","eventSource":"s3.amazonaws.com","eventName":"GetObject",
            "userIdentity":{"accountid":"111122223333"},"requestParameters":{"bucketName":["b"],"key":"k"},
            "additionalEventData":{"bytesTransferredOut":89.0,"bytesTransferredIn":0.0},"resources":null}"#,
    );
    assert_eq!(
        (odd.time, &*odd.requester),
        (Timestamp::from_nanos(1_600_044_260_529_000_000), "111122223333")
    );
    assert_eq!((&*odd.bucket, &*odd.key, odd.sent, odd.size), ("b", "k", 89, Some(89)));
    // Athena and Lake keep parts as texts.
    let rest = r#","requestParameters":"{\"bucketName\":\"b\",\"key\":\"k\"}","responseElements":"{\"x-amz-server-side-encryption\":\"aws:kms\",\"x-amz-server-side-encryption-bucket-key-enabled\":\"true\"}","additionalEventData":"{\"bytesTransferredIn\":\"7\"}""#;
    let put = s3(&record("s3", "PutObject", "1", rest));
    assert_eq!((&*put.bucket, &*put.key, put.size), ("b", "k", Some(7)));
    assert_eq!(put.sse, Some(Sse::Known(SseMode::SseKmsBucketKey)));
    // A PUT of which nothing is known but that it was.
    let bare =
        s3(r#"{"eventSource":"s3.amazonaws.com","eventName":"PutObject","eventTime":"2024-01-15 10:30:00"}"#);
    assert_eq!((&*bare.bucket, &*bare.key, &*bare.requester, bare.sse), ("", "", "", None));
    let refused = s3(&record("s3", "GetObject", "1", r#","errorCode":"AccessDenied""#));
    assert_eq!(refused.ending, Ending::Refused);
    let failed = s3(&record("s3", "PutObject", "1", r#","errorCode":"InternalError""#));
    assert_eq!(failed.ending, Ending::Failed);
}

#[test]
fn the_mode_of_a_write_comes_from_what_was_applied_and_a_copy_is_one_record() {
    let sse = |rest: &str| s3(&record("s3", "PutObject", "1", rest)).sse;
    let known = |mode| Some(Sse::Known(mode));
    assert_eq!(sse(r#","additionalEventData":{"SSEApplied":"Default_SSE_S3"}"#), known(SseMode::SseS3));
    assert_eq!(sse(r#","additionalEventData":{"SSEApplied":"SSE_KMS"}"#), Some(Sse::Kms));
    assert_eq!(sse(r#","additionalEventData":{"SSEApplied":"SSE_C"}"#), known(SseMode::SseC));
    let kms = r#","additionalEventData":{"SSEApplied":"SSE_KMS"},"responseElements":{"x-amz-server-side-encryption":"aws:kms""#;
    assert_eq!(sse(&format!("{kms}}}")), known(SseMode::SseKms));
    assert_eq!(
        sse(&format!("{kms},\"x-amz-server-side-encryption-bucket-key-enabled\":true}}")),
        known(SseMode::SseKmsBucketKey)
    );
    assert_eq!(
        sse(r#","responseElements":{"x-amz-server-side-encryption":"aws:kms:dsse"}"#),
        known(SseMode::DsseKms)
    );
    assert_eq!(sse(""), None);
    let copy = s3(&record(
        "s3",
        "CopyObject",
        "1",
        r#","requestParameters":{"bucketName":"to","key":"k","x-amz-copy-source":"/from/a%20b/c?versionId=1"}"#,
    ));
    assert_eq!(copy.operation, Some(Operation::CopyObject));
    let (bucket, key) = copy.source.unwrap();
    assert_eq!((&*bucket, &*key), ("from", "a b/c"));
    let setting = one(&record(
        "s3",
        "PutBucketEncryption",
        "1",
        r#","requestParameters":{"bucketName":"b","ServerSideEncryptionConfiguration":{"Rule":{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"x"},"BucketKeyEnabled":true}}}"#,
    ));
    let Entry::Setting(Setting { bucket, sse, .. }) = setting else { panic!("{setting:?}") };
    assert_eq!((&*bucket, sse), ("b", known(SseMode::SseKmsBucketKey)));
}

#[test]
fn tables_of_the_public_traces_are_read_by_their_headers() {
    let meta = "op_time,key,key_size,op,op_count,size\n7,82131353f9ddc8c6,48,GET,3,87\n7,k,1,SET,1,0\n";
    let Some(format) = Format::guess(meta.as_bytes()) else { panic!() };
    let mut seen = Seen::default();
    let mut reader = LogReader::open("log", meta.as_bytes(), &format).unwrap();
    let Turn::Entry(Entry::Request(first)) = reader.turn(&mut seen).unwrap() else { panic!() };
    assert_eq!((first.times, first.size, first.operation), (3, Some(87), Some(Operation::GetObject)));
    assert_eq!(
        read("inventory", b"\"b\",\"a%2Fb\",\"SSE-KMS\",\"ENABLED\"\n\"b\"\n"),
        ["stored a/b Some(Known(SseKmsBucketKey))".to_owned(), "bad 2:1 key".to_owned()]
    );
    assert_eq!(read("oracle-general", &[0; 25]), ["GetObject /0", "bad 2:1 file"]);
}

#[test]
fn an_archive_cut_short_gives_what_it_holds_and_then_says_so() {
    use std::io::Write;
    let packed = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let line =
        |i: usize| format!("{HEAD} - ID{i} REST.GET.OBJECT k{i} \"GET /k\" 200 - 1 1 1 1 \"-\" \"x\" -\n");
    let lines: String = (0..2_000).map(line).collect();
    let records: Vec<String> = (0..2_000).map(|i| record("s3", "ListBuckets", &i.to_string(), "")).collect();
    let trail = format!("{{\"Records\":[{}]}}", records.join(","));
    for (format, text) in [("s3-access", lines), ("cloudtrail", trail)] {
        // Two members, as AWS's own concatenated files have; the second is cut.
        let (first, second) = (packed(&text), packed(&text));
        let bytes = [&first[..], &second[..second.len() / 2]].concat();
        let unpacked = std::io::BufReader::new(flate2::bufread::MultiGzDecoder::new(&bytes[..]));
        let format: Format = format.parse().unwrap();
        let mut reader = LogReader::open("log", unpacked, &format).unwrap();
        let (mut seen, mut good, mut bad) = (Seen::default(), 0, Vec::new());
        loop {
            match reader.turn(&mut seen).unwrap() {
                Turn::Entry(_) | Turn::Duplicate => good += 1,
                Turn::Bad(line) => bad.push(line.field),
                Turn::Again => {}
                Turn::End => break,
            }
        }
        assert!((2_100..4_000).contains(&good), "{format}: {good}");
        assert_eq!(bad.last(), Some(&"file"), "{format}");
        assert!(bad.len() <= 2, "{format}: {bad:?}");
    }
}

#[test]
fn what_lookup_events_prints_is_read_like_the_records_that_it_holds() {
    let rest = r#","requestParameters":{"bucketName":"b","key":"a \"b\" \\ é"},"resources":[{"ARN":"arn:aws:s3:::b/k"}]"#;
    let records = [
        record("s3", "GetObject", "1", rest),
        record("s3", "GetObject", "1", rest),
        record("ec2", "Run", "2", ""),
    ];
    let events: Vec<String> = records
        .iter()
        .map(|record| {
            let held = serde_json::to_string(record).unwrap();
            format!(
                r#"{{"EventId":"1","EventName":"GetObject","EventTime":1764000000.0,"Resources":[{{"ResourceName":"b"}}],"CloudTrailEvent":{held},"Username":"r"}}"#
            )
        })
        .collect();
    let printed = format!("{{\n    \"Events\": [\n{}\n], \"NextToken\": \"}}\"}}\n", events.join(",\n"));
    assert_eq!(Format::guess(printed.as_bytes()).map(|format| format.name()), Some("cloudtrail"));
    assert_eq!(read("cloudtrail", printed.as_bytes()), ["GetObject b/a \"b\" \\ é", "duplicate", "other"]);
    // Held in a text that is no record, and one that holds itself.
    let odd = r#"{"Events":[{"CloudTrailEvent":"{\"eventName\":"},{"CloudTrailEvent":"{\"CloudTrailEvent\":\"{}\"}"},{"CloudTrailEvent":{}}]}"#;
    assert_eq!(read("cloudtrail", odd.as_bytes()).len(), 3);
    assert!(read("cloudtrail", odd.as_bytes()).iter().all(|entry| entry.starts_with("bad 1:")));
}

#[test]
fn only_the_event_id_makes_a_repetition_and_a_name_said_twice_is_no_record() {
    let shared = r#","sharedEventID":"same""#;
    let log = record("s3", "GetObject", "1", shared) + "\n" + &record("s3", "GetObject", "2", shared);
    assert_eq!(read("cloudtrail", log.as_bytes()), ["GetObject /"; 2]);
    let twice = record("s3", "GetObject", "1", r#","eventName":"PutObject""#);
    assert_eq!(read("cloudtrail", twice.as_bytes()), ["bad 1:1 record"]);
    let other = record("s3", "GetObject", "1", r#","unknown":1,"unknown":2"#);
    assert_eq!(read("cloudtrail", other.as_bytes()), ["GetObject /"]);
}

#[test]
fn who_had_a_key_fetched_is_spelled_differently_by_year() {
    let by = |invoked: &str, kind: &str| {
        let context = r#","requestParameters":{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::b/k"}}"#;
        let plain = record("kms", "Decrypt", "1", context);
        let identity = format!(r#""userIdentity":{{"type":"{kind}","invokedBy":"{invoked}"}}"#);
        let end = plain.find(",\"eventTime\"").unwrap();
        let start = plain.find("\"userIdentity\"").unwrap();
        kms(&format!("{}{identity}{}", &plain[..start], &plain[end..])).by_service
    };
    for s3 in ["internal.amazonaws.com", "AWS Internal", "s3.amazonaws.com", "fas.s3.amazonaws.com", ""] {
        assert!(!by(s3, "AssumedRole"), "{s3}");
    }
    assert!(by("cloudtrail.amazonaws.com", "AssumedRole") && by("", "AWSService"));
    let nobody = r#","requestParameters":{"bucketName":"b","key":"k"}"#;
    let anonymous = record("s3", "GetObject", "1", nobody).replace(
        r#"{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/R/s"}"#,
        r#"{"type":"AWSAccount","principalId":"","accountId":"ANONYMOUS_PRINCIPAL"}"#,
    );
    assert_eq!(s3(&anonymous).requester, "ANONYMOUS_PRINCIPAL");
}

#[test]
fn operations_of_every_shape_have_the_names_of_the_api_or_their_own() {
    let of = |operation: &str| {
        let line = format!("{HEAD} - A {operation} k \"X /k\" 200 - - - 1 1 \"-\" \"x\" -");
        let request = request(line.as_bytes());
        (request.operation, request.name.into_owned(), request.sent, request.size)
    };
    let api = |operation: Operation| (Some(operation), operation.as_str().to_owned(), 0, None);
    for read in ["REST.GET.OBJECT", "SOAP.GET.OBJECT", "WEBSITE.GET.OBJECT"] {
        assert_eq!(of(read), api(Operation::GetObject));
    }
    for write in ["REST.PUT.OBJECT", "SOAP.PUT.OBJECT", "REST.POST.OBJECT"] {
        assert_eq!(of(write), api(Operation::PutObject));
    }
    assert_eq!(of("REST.POST.UPLOADS"), api(Operation::CreateMultipartUpload));
    assert_eq!(of("REST.PUT.PART"), api(Operation::UploadPart));
    assert_eq!(of("REST.POST.UPLOAD"), api(Operation::CompleteMultipartUpload));
    assert_eq!(of("REST.HEAD.OBJECT"), api(Operation::HeadObject));
    assert_eq!(of("REST.DELETE.OBJECT"), api(Operation::DeleteObject));
    assert_eq!(of("REST.GET.BUCKET"), api(Operation::ListObjects));
    assert_eq!(of("REST.COPY.PART_GET").1, "UploadPartCopy (source read)");
    for own in [
        "S3.EXPIRE.OBJECT",
        "S3.CREATE.DELETEMARKER",
        "S3.TRANSITION_INT.OBJECT",
        "S3.DELETE.UPLOAD",
        "REST.NEW.THING",
    ] {
        assert_eq!(of(own), (None, own.to_owned(), 0, None));
    }
}
