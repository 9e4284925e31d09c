//! IBM Cloud Object Storage traces: `milliseconds REST.OPERATION.OBJECT object [size [first last]]`, spaces between.
//!
//! Only requests that succeeded are in them. The last byte is inclusive; an empty object has the range `0 -1`.
//! Source: SNIA IOTTA trace 36305 (docs/SOURCES.md).

use std::borrow::Cow;

use super::access::AccessLineError;
use super::entry::{Ending, Entry, Request, Side, Told};
use crate::request::Operation;
use crate::units::Timestamp;

/// What `line` says.
pub(super) fn parse(line: &[u8]) -> Result<Entry<'_>, AccessLineError> {
    let mut at = 0;
    let mut words = line.split(|byte| *byte == b' ').filter_map(|word| {
        let start = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((start, word))
    });
    let end = line.len();
    let bad = |at, field, expected| AccessLineError { at, field, expected };
    let (start, time) = words.next().ok_or(bad(end, "time", "milliseconds since the trace began"))?;
    let time = number(time).and_then(|time| time.checked_mul(1_000_000));
    let time = time.ok_or(bad(start, "time", "milliseconds since the trace began, below 2^64 ns"))?;
    let (start, name) = words.next().ok_or(bad(end, "operation", "an operation such as REST.GET.OBJECT"))?;
    let operation = match name {
        b"REST.GET.OBJECT" => Operation::GetObject,
        b"REST.PUT.OBJECT" => Operation::PutObject,
        b"REST.HEAD.OBJECT" => Operation::HeadObject,
        b"REST.DELETE.OBJECT" => Operation::DeleteObject,
        b"REST.COPY.OBJECT" => Operation::CopyObject,
        _ => return Err(bad(start, "operation", "REST.GET, PUT, HEAD, DELETE or COPY.OBJECT")),
    };
    let (start, key) = words.next().ok_or(bad(end, "object", "the object's id"))?;
    let key = std::str::from_utf8(key).map_err(|_| bad(start, "object", "UTF-8"))?;
    let mut figure = |field| match words.next() {
        None => Ok(None),
        Some((start, b"-1")) if field == "last byte" => Ok(Some((start, None))),
        Some((start, word)) => match number(word) {
            Some(figure) => Ok(Some((start, Some(figure)))),
            None => Err(bad(start, field, "a count of bytes")),
        },
    };
    let size = figure("size")?.and_then(|(_, size)| size);
    let first = figure("first byte")?;
    let last = figure("last byte")?;
    let moved = match (first, last) {
        (Some((_, Some(first))), Some((start, Some(last)))) => {
            let moved = last.checked_sub(first).and_then(|moved| moved.checked_add(1));
            Some(moved.ok_or(bad(start, "last byte", "not before the first byte"))?)
        }
        (Some(_), Some((_, None))) => Some(0),
        _ => None,
    };
    let ranged = matches!((moved, size), (Some(moved), Some(size)) if moved < size);
    let (operation, name) = match operation {
        Operation::GetObject if ranged => (Operation::GetObjectRange, "GetObject"),
        other => (other, other.as_str()),
    };
    let body = moved.or(size).unwrap_or(0);
    let reads = matches!(operation, Operation::GetObject | Operation::GetObjectRange);
    Ok(Entry::Request(Request {
        time: Timestamp::from_nanos(time),
        operation: Some(operation),
        name: Cow::Borrowed(name),
        bucket: Cow::Borrowed(""),
        key: Cow::Borrowed(key),
        requester: Cow::Borrowed(""),
        size,
        sent: if reads { body } else { 0 },
        received: if operation == Operation::PutObject { body } else { 0 },
        ending: Ending::Done,
        side: Side::Whole,
        source: None,
        sse: None,
        told: Told::default(),
        times: 1,
    }))
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> (Operation, String, Option<u64>, u64, u64) {
        match parse(line.as_bytes()).unwrap() {
            Entry::Request(r) => (r.operation.unwrap(), r.key.into_owned(), r.size, r.sent, r.received),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn size_and_range_are_optional_and_the_last_byte_is_inclusive() {
        let get = Operation::GetObject;
        assert_eq!(
            request("1219008 REST.PUT.OBJECT 8d4f 1056"),
            (Operation::PutObject, "8d4f".into(), Some(1_056), 0, 1_056)
        );
        assert_eq!(
            request("1 REST.GET.OBJECT 95d3 1168 0 1167"),
            (get, "95d3".into(), Some(1_168), 1_168, 0)
        );
        assert_eq!(
            request("1 REST.GET.OBJECT 95d3 1168 10 19"),
            (Operation::GetObjectRange, "95d3".into(), Some(1_168), 10, 0)
        );
        assert_eq!(request("1 REST.GET.OBJECT 8688 0 0 -1"), (get, "8688".into(), Some(0), 0, 0));
        assert_eq!(request("1 REST.HEAD.OBJECT 8688"), (Operation::HeadObject, "8688".into(), None, 0, 0));
    }

    #[test]
    fn a_bad_line_names_field_and_place() {
        let error = |line: &str| parse(line.as_bytes()).map_err(|error| (error.field, error.at)).unwrap_err();
        assert_eq!(error("x REST.GET.OBJECT a"), ("time", 0));
        assert_eq!(error("1 GET a"), ("operation", 2));
        assert_eq!(error("1 REST.GET.OBJECT"), ("object", 17));
        assert_eq!(error("1 REST.GET.OBJECT a big"), ("size", 20));
        assert_eq!(error("1 REST.GET.OBJECT a 5 4 2"), ("last byte", 24));
    }
}
