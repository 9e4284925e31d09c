//! `oracleGeneral`, the trace format of `libCacheSim`: 24 bytes a request, without a header or an operation.
//!
//! | bytes | little-endian | what |
//! |---|---|---|
//! | 0..4 | u32 | time in seconds |
//! | 4..12 | u64 | object |
//! | 12..16 | u32 | size in bytes |
//! | 16..24 | i64 | when the object comes again, as the writer counts; −1 or the largest number: never |
//!
//! Reads and writes look alike: every request counts as a read. Source: `libCacheSim`, traceReader (docs/SOURCES.md).

use std::borrow::Cow;
use std::io::{BufRead, Error, ErrorKind};

use super::entry::{Ending, Entry, Request, Side, Told};
use crate::request::Operation;
use crate::units::Timestamp;

/// Bytes of a request.
pub const RECORD_BYTES: usize = 24;

/// One request of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OracleRequest {
    /// Seconds from the trace's own start.
    pub second: u32,
    /// The object's number.
    pub object: u64,
    /// Its size in bytes; some writers give the size that it had first.
    pub bytes: u32,
    /// When it comes again, in the writer's count; `None`: never.
    pub next: Option<u64>,
}

impl OracleRequest {
    /// The request in `bytes`.
    #[inline]
    pub fn parse(bytes: &[u8; RECORD_BYTES]) -> Self {
        let [t0, t1, t2, t3, o0, o1, o2, o3, o4, o5, o6, o7, s0, s1, s2, s3, n0, n1, n2, n3, n4, n5, n6, n7] =
            *bytes;
        let next = i64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
        Self {
            second: u32::from_le_bytes([t0, t1, t2, t3]),
            object: u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
            bytes: u32::from_le_bytes([s0, s1, s2, s3]),
            next: u64::try_from(next).ok().filter(|next| *next != i64::MAX.unsigned_abs()),
        }
    }

    /// What it says.
    pub fn entry(self) -> Entry<'static> {
        Entry::Request(Request {
            time: Timestamp::from_seconds(self.second.into()),
            operation: Some(Operation::GetObject),
            name: Cow::Borrowed("GetObject"),
            bucket: Cow::Borrowed(""),
            key: Cow::Owned(format!("{:x}", self.object)),
            requester: Cow::Borrowed(""),
            size: Some(self.bytes.into()),
            sent: self.bytes.into(),
            received: 0,
            ending: Ending::Done,
            side: Side::Whole,
            source: None,
            sse: None,
            told: Told::default(),
            times: 1,
        })
    }
}

/// The requests of a file: an iterator.
#[derive(Debug)]
pub struct OracleGeneral<R> {
    input: R,
    /// Requests given out.
    count: u64,
    next: Option<OracleRequest>,
}

impl<R: BufRead> OracleGeneral<R> {
    /// A reader of `input`.
    pub fn new(input: R) -> Self {
        Self { input, count: 0, next: None }
    }

    /// Requests read so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Reads the next request for [`Self::take`]; `false` at the end.
    pub(super) fn ready(&mut self) -> Result<bool, Error> {
        self.next = self.next().transpose()?;
        Ok(self.next.is_some())
    }

    /// The request that was read last.
    pub(super) fn take(&mut self) -> OracleRequest {
        self.next.take().expect("ready said so")
    }

    /// A request that lies across the ends of the input's buffers.
    fn assemble(&mut self) -> Result<Option<OracleRequest>, Error> {
        let mut whole = [0; RECORD_BYTES];
        let mut filled = 0;
        while filled < RECORD_BYTES {
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if bytes.is_empty() {
                let cut = || {
                    Error::new(ErrorKind::UnexpectedEof, format!("the last request has {filled} of 24 bytes"))
                };
                return if filled == 0 { Ok(None) } else { Err(cut()) };
            }
            let taken = bytes.len().min(RECORD_BYTES - filled);
            whole[filled..filled + taken].copy_from_slice(&bytes[..taken]);
            self.input.consume(taken);
            filled += taken;
        }
        Ok(Some(OracleRequest::parse(&whole)))
    }
}

impl<R: BufRead> Iterator for OracleGeneral<R> {
    type Item = Result<OracleRequest, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.input.fill_buf() {
            Ok(bytes) => {
                if let Some(whole) = bytes.first_chunk::<RECORD_BYTES>() {
                    let request = OracleRequest::parse(whole);
                    self.input.consume(RECORD_BYTES);
                    self.count += 1;
                    return Some(Ok(request));
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Some(Err(error)),
        }
        let next = self.assemble().transpose();
        self.count += u64::from(matches!(next, Some(Ok(_))));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(second: u32, object: u64, bytes: u32, next: i64) -> Vec<u8> {
        let parts: [&[u8]; 4] =
            [&second.to_le_bytes(), &object.to_le_bytes(), &bytes.to_le_bytes(), &next.to_le_bytes()];
        parts.concat()
    }

    #[test]
    fn requests_come_back_as_written_across_any_buffer() {
        let mut file = written(7, u64::MAX, 4_096, -1);
        file.extend(written(8, 1, 0, 3));
        file.extend(written(u32::MAX, 2, u32::MAX, i64::MAX));
        for capacity in [1, 5, 24, 25, 1_000] {
            let reader = OracleGeneral::new(std::io::BufReader::with_capacity(capacity, &file[..]));
            let all: Vec<_> = reader.map(Result::unwrap).collect();
            assert_eq!(all.len(), 3);
            assert_eq!(all[0], OracleRequest { second: 7, object: u64::MAX, bytes: 4_096, next: None });
            assert_eq!(all[1].next, Some(3));
            assert_eq!(all[2], OracleRequest { second: u32::MAX, object: 2, bytes: u32::MAX, next: None });
        }
    }

    #[test]
    fn a_cut_request_is_said_and_not_made_up() {
        let file = [written(7, 1, 1, 1), vec![0; 23]].concat();
        let mut reader = OracleGeneral::new(&file[..]);
        assert!(reader.next().unwrap().is_ok());
        assert_eq!(reader.next().unwrap().unwrap_err().to_string(), "the last request has 23 of 24 bytes");
    }
}
