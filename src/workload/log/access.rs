//! S3 server access logs, every edition: a line cut into its fields without a copy.
//!
//! Fields stand in a fixed order, a space between them, `-` for what does not apply; later editions append fields, so
//! neither a count is demanded nor an extra one refused. Quotes inside the three quoted fields are not escaped. So the
//! Request-URI ends at the first `"` that six fields follow which look like status to turn-around time; the User-Agent
//! ends at the last `"` of the line, and the Referer at the first `" "` between the two.
//!
//! Source: S3 user guide, server access log format; real lines of six editions (docs/SOURCES.md).

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::entry::{Ending, Entry, Request, Side, Told, decoded};
use super::error::BadLine;
use super::moment;
use crate::request::Operation;
use crate::units::Timestamp;
use crate::workload::document::shorten;

/// The fields of one line, as written; `-` is what it says. Bytes, since agents send what they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLine<'a> {
    /// 1: canonical id of the bucket's owner.
    pub owner: &'a [u8],
    /// 2: the bucket.
    pub bucket: &'a [u8],
    /// 3: when the request was received.
    pub time: Timestamp,
    /// 4: address of the client.
    pub remote_ip: &'a [u8],
    /// 5: who asked.
    pub requester: &'a [u8],
    /// 6: the request's id. Both records of a copy have the same.
    pub request_id: &'a [u8],
    /// 7: `REST.GET.OBJECT` and the like.
    pub operation: &'a [u8],
    /// 8: the key, URL-encoded.
    pub key: &'a [u8],
    /// 9: first line of the request, without its outer quotes.
    pub uri: &'a [u8],
    /// 10: HTTP status.
    pub status: &'a [u8],
    /// 11: S3's error code.
    pub error: &'a [u8],
    /// 12: body bytes sent.
    pub bytes_sent: &'a [u8],
    /// 13: size of the object.
    pub object_size: &'a [u8],
    /// 14: milliseconds until the last byte was sent.
    pub total_ms: &'a [u8],
    /// 15: milliseconds that S3 worked on it.
    pub turnaround_ms: &'a [u8],
    /// 16: the Referer, without its outer quotes.
    pub referer: &'a [u8],
    /// 17: the User-Agent, without its outer quotes.
    pub user_agent: &'a [u8],
    /// 18 to 27 where the edition has them: version id, host id, signature version, cipher suite, authentication, host,
    /// TLS version, access point ARN, whether an ACL was required, source Region.
    pub later: [&'a [u8]; 10],
    /// How many fields the line has, unknown later ones included.
    pub fields: u32,
}

/// Where and why a line is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLineError {
    /// Byte of the line at which the field begins, from 0.
    pub at: usize,
    /// The field.
    pub field: &'static str,
    /// What belongs there.
    pub expected: &'static str,
}

/// A place in a line.
struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The bytes up to the next space, which is passed; one or several spaces part two fields.
    #[inline]
    fn word(&mut self, field: &'static str) -> Result<&'a [u8], AccessLineError> {
        while self.line.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        let start = self.at;
        let Some(length) = memchr(b' ', &self.line[start..]).filter(|length| *length > 0) else {
            return Err(AccessLineError { at: start, field, expected: "a field, and more after it" });
        };
        self.at = start + length + 1;
        Ok(&self.line[start..start + length])
    }
}

/// Length of a word of `text` in which all bytes pass, or that is `-`; 0 when there is none.
#[inline]
fn word_of(text: &[u8], pass: impl Fn(u8) -> bool) -> usize {
    let length = text.iter().take_while(|byte| **byte != b' ').count();
    let word = &text[..length];
    if word == b"-" || word.iter().all(|byte| pass(*byte)) { length } else { 0 }
}

/// The six fields from status to turn-around time at the beginning of `text`, and where they end.
#[inline]
fn figures(text: &[u8]) -> Option<([&[u8]; 6], usize)> {
    let mut found = [&text[..0]; 6];
    let mut at = 0;
    for (i, place) in found.iter_mut().enumerate() {
        let rest = text.get(at..)?;
        let length = match i {
            0 => word_of(rest, |byte| byte.is_ascii_digit()),
            1 => word_of(rest, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')),
            _ => word_of(rest, |byte| byte.is_ascii_digit()),
        };
        if length == 0 || (i == 0 && length != 3 && rest[..length] != *b"-") {
            return None;
        }
        *place = &rest[..length];
        at += length;
        if rest.get(length).is_none() {
            // The line may end with the last of them.
            return (i == 5).then_some((found, at));
        }
        at += 1;
    }
    Some((found, at))
}

impl<'a> AccessLine<'a> {
    /// The fields of `line`, which has no line end.
    ///
    /// # Errors
    /// [`AccessLineError`] where a field up to the turn-around time is missing or is not what belongs there.
    ///
    /// # Cost
    /// The scoreboard's `access_log_parse` measures it.
    pub fn parse(line: &'a [u8]) -> Result<Self, AccessLineError> {
        let mut cursor = Cursor { line, at: 0 };
        let owner = cursor.word("owner")?;
        let bucket = cursor.word("bucket")?;
        while line.get(cursor.at) == Some(&b' ') {
            cursor.at += 1;
        }
        let at = cursor.at;
        let bad_time =
            AccessLineError { at, field: "time", expected: "a time such as [06/Feb/2019:00:00:38 +0000]" };
        let stamp = line.get(at..at + 28).ok_or(bad_time)?;
        if stamp[0] != b'[' || stamp[27] != b']' {
            return Err(bad_time);
        }
        let time = moment::of_access_log(&stamp[1..27]).ok_or(bad_time)?;
        cursor.at = at + 28;
        let remote_ip = cursor.word("remote IP")?;
        let requester = cursor.word("requester")?;
        let request_id = cursor.word("request id")?;
        let operation = cursor.word("operation")?;
        let key = cursor.word("key")?;
        while line.get(cursor.at) == Some(&b' ') {
            cursor.at += 1;
        }
        let (uri, figures, end) = uri(line, cursor.at)?;
        let [status, error, bytes_sent, object_size, total_ms, turnaround_ms] = figures;
        let (referer, user_agent, rest) = agents(line.get(end..).unwrap_or_default());
        let mut later = [&line[..0]; 10];
        let mut fields = 15 + u32::from(!referer.is_empty()) + u32::from(!user_agent.is_empty());
        let mut at = 0;
        let mut place = 0;
        for end in memchr_iter(b' ', rest).chain([rest.len()]) {
            if end > at {
                if let Some(field) = later.get_mut(place) {
                    *field = &rest[at..end];
                }
                place += 1;
                fields += 1;
            }
            at = end + 1;
        }
        Ok(Self {
            owner,
            bucket,
            time,
            remote_ip,
            requester,
            request_id,
            operation,
            key,
            uri,
            status,
            error,
            bytes_sent,
            object_size,
            total_ms,
            turnaround_ms,
            referer,
            user_agent,
            later,
            fields,
        })
    }

    /// What the line says.
    pub fn entry(&self) -> Entry<'a> {
        let (operation, side, name) = self.named();
        let status = number(self.status);
        let size = number(self.object_size);
        let ending = match status {
            Some(304) => Ending::Unchanged,
            Some(500..) => Ending::Failed,
            Some(400..) if self.error.starts_with(b"KMS.") => Ending::RefusedByKms,
            Some(400..) => Ending::Refused,
            _ => Ending::Done,
        };
        let writes = matches!(operation, Some(Operation::PutObject | Operation::UploadPart));
        // A PUT sends nothing back; its upload stands as the object's size.
        let received = if writes && ending == Ending::Done { size.unwrap_or(0) } else { 0 };
        let operation = match operation {
            Some(Operation::GetObject) if status == Some(206) => Some(Operation::GetObjectRange),
            other => other,
        };
        Entry::Request(Request {
            time: self.time,
            operation,
            name,
            bucket: text(self.bucket),
            key: match text(self.key) {
                Cow::Borrowed(key) => decoded(key, true),
                Cow::Owned(key) => Cow::Owned(decoded(&key, true).into_owned()),
            },
            requester: text(self.requester),
            size,
            sent: number(self.bytes_sent).unwrap_or(0),
            received,
            ending,
            side,
            source: None,
            sse: None,
            told: Told::default(),
            times: 1,
        })
    }

    /// Operation, side of a copy, and the name under which it is counted.
    fn named(&self) -> (Option<Operation>, Side, Cow<'a, str>) {
        let api = |operation: Operation| (Some(operation), Side::Whole, Cow::Borrowed(operation.as_str()));
        let plain = |name: &'static str| (None, Side::Whole, Cow::Borrowed(name));
        match self.operation {
            b"REST.GET.OBJECT" | b"SOAP.GET.OBJECT" | b"WEBSITE.GET.OBJECT" => api(Operation::GetObject),
            b"REST.PUT.OBJECT" | b"SOAP.PUT.OBJECT" | b"REST.POST.OBJECT" => api(Operation::PutObject),
            // A browser's form: it goes to the bucket, and the record has the key.
            b"REST.POST.BUCKET" if self.key != b"-" => api(Operation::PutObject),
            b"REST.POST.SELECT" => {
                (Some(Operation::GetObjectRange), Side::Whole, "SelectObjectContent".into())
            }
            b"REST.HEAD.OBJECT" | b"WEBSITE.HEAD.OBJECT" => api(Operation::HeadObject),
            b"REST.DELETE.OBJECT" | b"SOAP.DELETE.OBJECT" => api(Operation::DeleteObject),
            b"REST.GET.BUCKET" => api(Operation::ListObjects),
            b"REST.POST.UPLOADS" => api(Operation::CreateMultipartUpload),
            b"REST.PUT.PART" => api(Operation::UploadPart),
            b"REST.POST.UPLOAD" => api(Operation::CompleteMultipartUpload),
            b"REST.COPY.OBJECT" => (Some(Operation::CopyObject), Side::CopyWrite, "CopyObject".into()),
            b"REST.COPY.OBJECT_GET" => {
                (Some(Operation::GetObject), Side::CopyRead, "CopyObject (source read)".into())
            }
            b"REST.COPY.PART" => (Some(Operation::UploadPart), Side::Whole, "UploadPartCopy".into()),
            b"REST.COPY.PART_GET" => {
                (Some(Operation::GetObjectRange), Side::CopyRead, "UploadPartCopy (source read)".into())
            }
            b"BATCH.DELETE.OBJECT" => {
                (Some(Operation::DeleteObject), Side::Whole, "DeleteObjects (one key)".into())
            }
            b"REST.POST.MULTI_OBJECT_DELETE" => plain("DeleteObjects"),
            b"REST.DELETE.UPLOAD" => plain("AbortMultipartUpload"),
            b"REST.GET.UPLOAD" => plain("ListParts"),
            b"REST.GET.UPLOADS" => plain("ListMultipartUploads"),
            b"REST.HEAD.BUCKET" => plain("HeadBucket"),
            other => (None, Side::Whole, text(other)),
        }
    }
}

/// URI, the six figures after it, and where the rest of the line begins.
type UriAndFigures<'a> = (&'a [u8], [&'a [u8]; 6], usize);

fn uri(line: &[u8], at: usize) -> Result<UriAndFigures<'_>, AccessLineError> {
    let rest = &line[at.min(line.len())..];
    if rest.first() == Some(&b'"') {
        for quote in memchr_iter(b'"', &rest[1..]).map(|quote| quote + 1) {
            if rest.get(quote + 1) == Some(&b' ')
                && let Some((figures, length)) = figures(&rest[quote + 2..])
            {
                return Ok((&rest[1..quote], figures, at + quote + 2 + length));
            }
        }
    } else if let Some(end) = memchr(b' ', rest)
        && end > 0
        && let Some((figures, length)) = figures(&rest[end + 1..])
    {
        return Ok((&rest[..end], figures, at + end + 1 + length));
    }
    Err(AccessLineError {
        at,
        field: "Request-URI",
        expected: "a quoted request, then status, error, bytes, size and two times",
    })
}

/// Referer, User-Agent and what follows them. Each of the two is quoted or a bare word.
fn agents(rest: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let word = |text: &[u8]| memchr(b' ', text).unwrap_or(text.len());
    let after = |at: usize| rest.get(at..).unwrap_or_default();
    let last = memrchr(b'"', rest);
    if rest.first() != Some(&b'"') {
        let referer = word(rest);
        let start = referer + 1;
        let (end, shift) = match (after(start).first(), last) {
            (Some(b'"'), Some(last)) if last > start => (last, 1),
            _ => (start + word(after(start)), 0),
        };
        return (&rest[..referer], rest.get(start + shift..end).unwrap_or_default(), after(end + 1 + shift));
    }
    let Some(last) = last.filter(|last| *last > 0) else {
        // A quote that nothing closes: the line was cut.
        return (&rest[1..], &rest[..0], &rest[..0]);
    };
    if let Some(split) = memmem::find(&rest[1..=last], b"\" \"").map(|split| split + 1)
        && split + 2 < last
    {
        return (&rest[1..split], &rest[split + 3..last], after(last + 2));
    }
    // The Referer alone is quoted.
    let start = last + 2;
    let end = start + word(after(start));
    (&rest[1..last], rest.get(start..end).unwrap_or_default(), after(end + 1))
}

/// A figure; `-` and anything else that is no number is none.
fn number(field: &[u8]) -> Option<u64> {
    field
        .iter()
        .try_fold(0_u64, |sum, byte| {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(digit.into()) }
        })
        .filter(|_| !field.is_empty())
}

/// A field as text; `-` is empty.
fn text(field: &[u8]) -> Cow<'_, str> {
    if field == b"-" { Cow::Borrowed("") } else { String::from_utf8_lossy(field) }
}

impl AccessLineError {
    /// The bad line for messages.
    pub(super) fn bad(self, number: u64, line: &[u8]) -> BadLine {
        let at = self.at.min(line.len());
        let value = &line[at..line.len().min(at + 256)];
        BadLine {
            line: number,
            column: String::from_utf8_lossy(&line[..at]).chars().count() + 1,
            field: self.field,
            value: shorten(&String::from_utf8_lossy(value)),
            expected: self.expected.into(),
        }
    }
}
