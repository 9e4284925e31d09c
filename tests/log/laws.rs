//! Laws of the log readers over damaged logs: never a panic, always an end, the same wherever the input is cut.

use std::io::BufReader;

use proptest::prelude::*;
use s3seal::workload::log::{
    AccessLine, Account, Entry, Format, LogReader, Manifest, OracleGeneral, Seen, Turn,
};
use s3seal::workload::profile::{Profile, ProfileOptions, Profiler};

const ACCESS: &str = "79a5 b [06/Feb/2019:00:00:38 +0000] 2001:db8::1 arn:aws:iam::1:user/a@b ID REST.GET.OBJECT a%2Fb \"GET /a/b?q=\"x\" HTTP/1.1\" 206 - 512 171408 53 52 \"-\" \"\"Mozilla \"q\"\" - h= SigV4 c AuthHeader host TLSv1.2 - Yes us-east-1 more\r\n\
o b [06/Feb/2019:02:00:38 +0200] - AmazonS3 9F BATCH.DELETE.OBJECT k - 204 - - 344017 - - - - -\n";

const TRAIL: &str = r#"{"Records":[{"eventTime":"2026-11-24T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"CopyObject","eventID":"1","requestParameters":{"bucketName":"b","key":"k\u00e9","x-amz-copy-source":"/c/d%20e"},"responseElements":"{\"x-amz-server-side-encryption\":\"aws:kms\"}","additionalEventData":{"SSEApplied":"SSE_KMS","bytesTransferredIn":1.5e3}},
{"eventTime":"2026-11-24T12:00:00Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","eventID":"2","requestParameters":{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::b/k"}},"resources":[{"ARN":"arn:aws:kms:us-east-1:1:key/x"}]}],"more":{}}
{"eventTime":"2026-11-24T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"PutBucketEncryption","requestParameters":{"ServerSideEncryptionConfiguration":{"Rule":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms"}}]}}}
"#;

const OTHERS: [(&str, &str); 5] = [
    ("inventory", "\"b\",\"a%2Fb\",\"SSE-KMS\",\"ENABLED\"\n\"b\",\"k\",\"\"\"\"\n"),
    ("ibm-cos", "1219008 REST.PUT.OBJECT 8d4f 1056\n7 REST.GET.OBJECT 8688 9 0 -1\n"),
    ("twitter", "0,a,b:c,12,5,3,get,0\n1,k,1,0,2,set,9\n"),
    ("meta", "op_time,key,key_size,op,op_count,size\n7,k,48,GET,3,87\n8,k,48,SET,1,\n"),
    ("csv", "time,op,bucket,key,size,principal\n1.5,get,b,k,7,p\n2,put,b,k,1MiB,p\n"),
];

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Damage {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let odd = prop_oneof![
        Just(b'"'),
        Just(b' '),
        Just(b'{'),
        Just(b'}'),
        Just(b'\\'),
        Just(b'\n'),
        Just(b'-'),
        Just(0),
        any::<u8>()
    ];
    prop_oneof![
        (any::<usize>(), odd.clone()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<usize>(), prop::collection::vec(odd, 0..8)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<usize>(), 0_usize..200).prop_map(|(at, length)| Damage::Remove(at, length)),
        (any::<usize>(), 0_usize..200).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ]
}

fn damaged(text: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for damage in damages {
        let place = |at: usize| at % (bytes.len() + 1);
        match damage {
            Damage::Set(at, byte) => {
                let at = place(*at);
                if let Some(there) = bytes.get_mut(at) {
                    *there = *byte;
                }
            }
            Damage::Insert(at, more) => {
                let at = place(*at);
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Remove(at, length) => {
                let at = place(*at);
                bytes.drain(at..bytes.len().min(at + length));
            }
            Damage::Repeat(at, length) => {
                let at = place(*at);
                let piece = bytes[at..bytes.len().min(at + length)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// All turns, in words; that they end is seen to.
fn turns(format: &Format, bytes: &[u8], piece: usize) -> Vec<String> {
    let input = BufReader::with_capacity(piece, bytes);
    let Ok(mut reader) = LogReader::open("log", input, format) else { return vec!["refused".into()] };
    let (mut seen, mut all) = (Seen::new(4), Vec::new());
    for _ in 0..2 * bytes.len() + 50 {
        match reader.turn(&mut seen).expect("memory does not fail") {
            Turn::Again => {}
            Turn::End => return all,
            turn => all.push(format!("{turn:?}")),
        }
    }
    panic!("no end");
}

fn profiled(bytes: &[u8]) -> Option<Profile> {
    let format = Format::guess(bytes)?;
    let mut reader = LogReader::open("log", bytes, &format).ok()?;
    let mut profiler = Profiler::new(ProfileOptions::default());
    let (mut account, mut seen) = (Account::default(), Seen::new(16));
    loop {
        let turn = reader.turn(&mut seen).expect("memory does not fail");
        account.read += u64::from(!matches!(turn, Turn::Again | Turn::End));
        match turn {
            Turn::Entry(entry) => profiler.record(&entry),
            Turn::Duplicate => profiler.duplicate(),
            Turn::Bad(bad) => account.add_bad("log", bad),
            Turn::Again => {}
            Turn::End => return Some(profiler.finish(&account)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_damaged_access_log_yields_requests_or_bad_lines_with_a_place(
        damages in prop::collection::vec(damage(), 0..6),
        piece in 1_usize..300,
    ) {
        let bytes = damaged(ACCESS.as_bytes(), &damages);
        for line in bytes.split(|byte| *byte == b'\n') {
            match AccessLine::parse(line) {
                Err(error) => prop_assert!(error.at <= line.len()),
                Ok(found) => {
                    let place = |field: &[u8]| field.as_ptr() as usize - line.as_ptr() as usize;
                    let fields = [found.owner, found.bucket, found.remote_ip, found.requester, found.request_id,
                        found.operation, found.key, found.uri, found.status, found.error, found.bytes_sent,
                        found.object_size, found.total_ms, found.turnaround_ms];
                    let ordered = fields.windows(2).all(|two| place(two[0]) + two[0].len() < place(two[1]));
                    prop_assert!(ordered, "{:?}", found);
                    prop_assert!(matches!(found.entry(), Entry::Request(_)));
                }
            }
        }
        prop_assert_eq!(turns(&Format::S3Access, &bytes, 1 << 16), turns(&Format::S3Access, &bytes, piece));
    }

    #[test]
    fn a_damaged_trail_ends_and_reads_the_same_in_any_pieces(
        damages in prop::collection::vec(damage(), 0..6),
        piece in 1_usize..300,
    ) {
        let bytes = damaged(TRAIL.as_bytes(), &damages);
        prop_assert_eq!(turns(&Format::CloudTrail, &bytes, 1 << 16), turns(&Format::CloudTrail, &bytes, piece));
    }

    #[test]
    fn every_other_format_takes_any_damage(
        damages in prop::collection::vec(damage(), 0..6),
        noise in prop::collection::vec(any::<u8>(), 0..100),
        piece in 1_usize..300,
    ) {
        for (name, text) in OTHERS {
            let format: Format = name.parse().unwrap();
            let bytes = damaged(text.as_bytes(), &damages);
            prop_assert_eq!(turns(&format, &bytes, 1 << 16), turns(&format, &bytes, piece));
            turns(&format, &noise, piece);
            let _ = Format::guess(&bytes);
        }
        let _ = (Manifest::parse(&noise), Profile::from_json(&noise), Format::guess(&noise));
        let whole = OracleGeneral::new(&noise[..]).flatten().count();
        prop_assert_eq!(whole, noise.len() / 24);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_profile_of_anything_reads_back_and_merges_with_nothing(
        damages in prop::collection::vec(damage(), 0..6),
        which in 0_usize..7,
    ) {
        let text = match which {
            0 => ACCESS,
            1 => TRAIL,
            other => OTHERS[other - 2].1,
        };
        let Some(profile) = profiled(&damaged(text.as_bytes(), &damages)) else { return Ok(()) };
        let _ = profile.to_text(80);
        let written = profile.to_json();
        let mut again = Profile::from_json(written.as_bytes()).unwrap();
        prop_assert_eq!(&again.to_json(), &written);
        again.merge(&Profile::default()).unwrap();
        prop_assert_eq!(again.to_json(), written);
    }
}
