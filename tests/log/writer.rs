//! Writes the logs that AWS would have of a simulated run: `CloudTrail` records, and S3 server access log lines.

use std::fmt::Write;

use s3seal::request::{Ending, KmsAnswer, KmsCall, Operation, Outcome, SseMode};
use s3seal::sim::{self, Options, Sink};
use s3seal::units::Timestamp;
use s3seal::workload::{Arrival, Arrivals, Naming, Scenario};

/// The run's clock began here: 2026-11-24T12:00:00Z.
const EPOCH: u64 = 1_795_521_600;

/// The logs of one run.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// NDJSON.
    pub(crate) cloudtrail: String,
    /// Lines.
    pub(crate) access: String,
    /// KMS calls that S3 made.
    pub(crate) kms_calls: u64,
}

#[derive(Default)]
struct Rows {
    outcomes: Vec<Outcome>,
    calls: Vec<KmsCall>,
}

impl Sink for Rows {
    fn outcome(&mut self, row: &Outcome) {
        self.outcomes.push(*row);
    }
    fn kms_call(&mut self, row: &KmsCall) {
        self.calls.push(*row);
    }
}

struct Writer {
    naming: Naming,
    mode: SseMode,
    logs: Logs,
    records: u64,
}

/// Runs `scenario`, whose arrivals are to be further apart than a request takes, so that each call is known by its time.
pub(crate) fn write(scenario: &Scenario, mode: SseMode) -> Logs {
    scenario.validate().unwrap();
    let mut rows = Rows::default();
    sim::run(scenario, mode, &Options::default(), &mut rows).unwrap();
    let arrivals: Vec<Arrival> = Arrivals::new(scenario).collect();
    let mut writer = Writer { naming: Naming::new(scenario), mode, logs: Logs::default(), records: 0 };
    let arrival_at = |time: Timestamp| {
        let after = arrivals.partition_point(|arrival| arrival.due <= time);
        &arrivals[after - 1]
    };
    for row in &rows.outcomes {
        writer.request(row, arrival_at(row.due));
    }
    // KMS events come in files of their own, so behind.
    for call in &rows.calls {
        writer.call(call, arrival_at(call.sent));
    }
    writer.logs
}

fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_second(i64::try_from(EPOCH + at.second()).unwrap()).unwrap().to_string()
}

impl Writer {
    fn record(&mut self, at: Timestamp, source: &str, name: &str, who: &str, rest: &str) {
        self.records += 1;
        let line = format!(
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","arn":"{who}"}},"eventTime":"{}","eventSource":"{source}.amazonaws.com","eventName":"{name}","eventID":"e-{}"{rest}}}"#,
            time(at),
            self.records
        );
        self.logs.cloudtrail.push_str(&line);
        self.logs.cloudtrail.push('\n');
    }

    fn who(&self, principal: u32) -> String {
        let who = self.naming.principal(principal);
        format!("arn:aws:sts::{}:assumed-role/{}/{}", who.account(), who.role(), who.session())
    }

    fn keys(&self, arrival: &Arrival) -> (String, String) {
        let source = self.naming.object_key(arrival.object);
        let copies = arrival.operation == Operation::CopyObject;
        let target = if copies { self.naming.copy_key(arrival.object) } else { source.clone() };
        (source, target)
    }

    fn request(&mut self, row: &Outcome, arrival: &Arrival) {
        let (source, key) = self.keys(arrival);
        let bucket = self.naming.bucket(row.bucket);
        let who = self.who(row.principal);
        let name = match row.operation {
            Operation::GetObjectRange => "GetObject",
            other => other.as_str(),
        };
        let error = match row.ending {
            Ending::Succeeded => "",
            Ending::Throttled => "SlowDown",
            _ => "NoSuchKey",
        };
        let mut parameters = format!(r#""bucketName":"{bucket}","key":"{key}""#);
        if row.operation == Operation::CopyObject {
            write!(parameters, r#","x-amz-copy-source":"{bucket}/{source}""#).unwrap();
        }
        let writes = matches!(
            row.operation,
            Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload
        );
        let (applied, header) = match self.mode {
            SseMode::SseKms => ("Default_SSE_KMS", r#""x-amz-server-side-encryption":"aws:kms""#),
            SseMode::SseKmsBucketKey => (
                "Default_SSE_KMS",
                r#""x-amz-server-side-encryption":"aws:kms","x-amz-server-side-encryption-bucket-key-enabled":"true""#,
            ),
            SseMode::DsseKms => ("Default_DSSE_KMS", r#""x-amz-server-side-encryption":"aws:kms:dsse""#),
            SseMode::SseC => ("SSE_C", r#""x-amz-server-side-encryption-customer-algorithm":"AES256""#),
            _ => ("Default_SSE_S3", r#""x-amz-server-side-encryption":"AES256""#),
        };
        let mut rest = format!(r#","requestParameters":{{{parameters}}}"#);
        if writes {
            write!(
                rest,
                r#","responseElements":{{{header}}},"additionalEventData":{{"SSEApplied":"{applied}","bytesTransferredIn":{}.0}}"#,
                row.bytes
            )
            .unwrap();
        }
        if !error.is_empty() {
            write!(rest, r#","errorCode":"{error}""#).unwrap();
        }
        self.record(row.started, "s3", name, &who, &rest);
        let (operation, part) = match row.operation {
            Operation::PutObject => ("REST.PUT.OBJECT", "-"),
            Operation::HeadObject => ("REST.HEAD.OBJECT", "-"),
            Operation::DeleteObject => ("REST.DELETE.OBJECT", "-"),
            Operation::ListObjects => ("REST.GET.BUCKET", "-"),
            Operation::CopyObject => ("REST.COPY.OBJECT", "REST.COPY.OBJECT_GET"),
            Operation::CreateMultipartUpload => ("REST.POST.UPLOADS", "-"),
            Operation::UploadPart => ("REST.PUT.PART", "-"),
            Operation::CompleteMultipartUpload => ("REST.POST.UPLOAD", "-"),
            _ => ("REST.GET.OBJECT", "-"),
        };
        let status = match (row.ending, row.operation) {
            (Ending::Succeeded, Operation::GetObjectRange) => 206,
            (Ending::Succeeded, _) => 200,
            (Ending::Throttled, _) => 503,
            _ => 404,
        };
        let second = i64::try_from(EPOCH + row.started.second()).unwrap();
        let stamp =
            jiff::Timestamp::from_second(second).unwrap().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        let code = if error.is_empty() { "-" } else { error };
        for (operation, key) in [(operation, &key), (part, &source)] {
            if operation != "-" {
                writeln!(
                    self.logs.access,
                    "79a5 {bucket} [{stamp}] 2001:db8::1 {who} ID{} {operation} {key} \"- /{key} HTTP/1.1\" {status} {code} - {} 9 8 \"-\" \"sim \"quoted\"\" - h= SigV4 c AuthHeader host TLSv1.3 - -",
                    self.records, row.bytes
                )
                .unwrap();
            }
        }
    }

    fn call(&mut self, call: &KmsCall, arrival: &Arrival) {
        let (source, target) = self.keys(arrival);
        let key = if call.name == "Decrypt" { source } else { target };
        let bucket = self.naming.bucket(call.bucket);
        let context = match self.mode {
            // The client calls, not S3: no ARN of S3's in the context.
            SseMode::KmsCached => r#""tenant":"one""#.to_owned(),
            SseMode::SseKmsBucketKey => format!(r#""aws:s3:arn":"arn:aws:s3:::{bucket}""#),
            _ => format!(r#""aws:s3:arn":"arn:aws:s3:::{bucket}/{key}""#),
        };
        let mut rest = format!(
            r#","requestParameters":{{"encryptionContext":{{{context}}}}},"resources":[{{"ARN":"{}"}}]"#,
            self.naming.kms_key_arn(call.kms_key)
        );
        if call.answer == KmsAnswer::Throttled {
            rest += r#","errorCode":"ThrottlingException""#;
        }
        if self.mode != SseMode::KmsCached {
            self.logs.kms_calls += 1;
        }
        let who = self.who(call.principal);
        self.record(call.sent, "kms", call.name, &who, &rest);
    }
}
