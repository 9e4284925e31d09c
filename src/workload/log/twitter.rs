//! Twitter's cache traces: `second,key,key size,value size,client,operation,TTL`, no header.
//!
//! Keys are anonymised but keep their delimiters, commas among them, so a line is read from both ends. A value of size 0 is a
//! miss. Source: twitter/cache-trace, README (docs/SOURCES.md).

use std::borrow::Cow;

use super::access::AccessLineError;
use super::entry::{Ending, Entry, Request, Side, Told};
use crate::request::Operation;
use crate::units::Timestamp;

/// What `line` says.
pub(super) fn parse(line: &[u8]) -> Result<Entry<'_>, AccessLineError> {
    let bad = |at, field, expected| AccessLineError { at, field, expected };
    let short = bad(0, "line", "second,key,key size,value size,client,operation,TTL");
    let text = std::str::from_utf8(line).map_err(|_| bad(0, "line", "UTF-8"))?;
    let (time, rest) = text.split_once(',').ok_or(short)?;
    let mut ends = rest.rsplitn(6, ',');
    let mut end = || ends.next().ok_or(short);
    let (_ttl, name, client, value, key_size, key) = (end()?, end()?, end()?, end()?, end()?, end()?);
    let at = |field: &str| field.as_ptr().addr() - text.as_ptr().addr();
    let second: u64 = time.trim().parse().map_err(|_| bad(0, "time", "seconds since the trace began"))?;
    let bytes =
        |text: &str, field| text.trim().parse::<u64>().map_err(|_| bad(at(text), field, "a count of bytes"));
    let size = bytes(key_size, "key size")?.saturating_add(bytes(value, "value size")?);
    let operation = match name.trim() {
        "get" | "gets" => Operation::GetObject,
        "set" | "add" | "replace" | "cas" | "append" | "prepend" | "incr" | "decr" => Operation::PutObject,
        "delete" => Operation::DeleteObject,
        _ => {
            let expected = "get, gets, set, add, replace, cas, append, prepend, incr, decr or delete";
            return Err(bad(at(name), "operation", expected));
        }
    };
    let hit = value.trim() != "0";
    Ok(Entry::Request(Request {
        time: Timestamp::from_seconds(second),
        operation: Some(operation),
        name: Cow::Borrowed(operation.as_str()),
        bucket: Cow::Borrowed(""),
        key: Cow::Borrowed(key),
        requester: Cow::Borrowed(client.trim()),
        size: hit.then_some(size),
        sent: if operation == Operation::GetObject && hit { size } else { 0 },
        received: if operation == Operation::PutObject { size } else { 0 },
        ending: Ending::Done,
        side: Side::Whole,
        source: None,
        sse: None,
        told: Told::default(),
        times: 1,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_hold_commas_and_colons() {
        let Entry::Request(request) = parse(b"7,a:b,c:1,6,10,3,gets,86400").unwrap() else { panic!() };
        assert_eq!((&*request.key, &*request.requester, request.size), ("a:b,c:1", "3", Some(16)));
        assert_eq!(request.time, Timestamp::from_seconds(7));
        let Entry::Request(miss) = parse(b"7,k,6,0,3,get,0").unwrap() else { panic!() };
        assert_eq!((miss.size, miss.sent), (None, 0));
        let error = parse(b"7,k,6,0,3,fetch,0").unwrap_err();
        assert_eq!((error.field, error.at), ("operation", 10));
        assert_eq!(parse(b"7,k,6").unwrap_err().field, "line");
    }
}
