//! `CloudTrail`: `{"Records": […]}` files, lists, one record after the other (NDJSON), and the `{"Events": […]}` of `aws
//! cloudtrail lookup-events`, read record by record.
//!
//! No file is held: the buffer grows to the longest record, at most [`RECORD_BYTES_MAX`]. Records that cannot be read are
//! counted and passed over. The same `eventID` counts once, as long as its second coming is among the next millions
//! of records: accounts where two trails deliver to one bucket hold every event twice. So does what crosses accounts and
//! stands in the trails of both.
//!
//! Source: `CloudTrail` user guide, record contents; AWS's, and three public collections of real records (docs/SOURCES.md).

mod field;
mod json;
mod order;
mod record;

use std::io::BufRead;

use memchr::{memchr, memchr_iter, memrchr};

use self::field::{Field, Fields};
use self::json::{Cursor, Fault};
use self::order::Order;
use super::digest::{Digests, digest, digest_within};
use super::error::BadLine;
use super::reader::Turn;
use crate::workload::document::shorten;

/// Longest record that is read; `CloudTrail` itself keeps to 256 KiB.
pub const RECORD_BYTES_MAX: usize = 4 << 20;
/// Bytes taken from the input at once.
const CHUNK: usize = 128 << 10;
/// A record is tried when so many bytes lie ahead; nearly all are far shorter.
const RESERVE: usize = 32 << 10;
/// Bytes within which `{"Records":[` shows itself, blanks included.
const WRAPPER: usize = 256;

/// Which events were there already: the last `half` to twice `half` of them, nine bytes each.
#[derive(Debug)]
pub struct Seen {
    young: Digests,
    old: Digests,
    half: usize,
}

impl Default for Seen {
    /// At least the last 8,388,608 events: at most 300 MB.
    fn default() -> Self {
        Self::new(1 << 23)
    }
}

impl Seen {
    /// Remembers at least the last `half` events.
    pub fn new(half: usize) -> Self {
        Self { young: Digests::default(), old: Digests::default(), half: half.max(1) }
    }

    /// Whether `id` is new; it is remembered. Two ids share a digest of 64 bits with probability 2⁻⁶⁴.
    pub fn is_new(&mut self, id: &str) -> bool {
        let digest = digest(id);
        self.add(digest)
    }

    /// Whether another account got the event of the action `shared`, called `name`, before `recipient` did: `CloudTrail`
    /// gives what crosses accounts to both, with an `eventID` each and one `sharedEventID`. Within an account that is no
    /// repetition.
    fn is_twin(&mut self, shared: &str, name: &str, recipient: &str) -> bool {
        let action = digest_within(digest(shared), name);
        let of_account = self.add(digest_within(action, recipient));
        let of_all = self.add(action);
        of_account && !of_all
    }

    fn add(&mut self, digest: u64) -> bool {
        if self.old.contains(&digest) || !self.young.insert(digest) {
            return false;
        }
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        true
    }
}

/// The records of one file.
#[derive(Debug)]
pub struct CloudTrail<R> {
    input: R,
    /// Checked once as it comes, so that the texts in it need no checking; what is no UTF-8 is U+FFFD.
    buffer: String,
    /// The beginning of a character whose end has not come.
    carry: Vec<u8>,
    at: usize,
    ended: bool,
    /// Why the input ended early.
    failed: Option<std::io::Error>,
    /// Bytes that must lie ahead before a record is tried.
    reserve: usize,
    /// Whether a wrapper such as `{"Records":[` was opened: what stands between its records is passed over.
    wrapped: bool,
    /// Whether the record at hand could not be read and is to be passed over.
    passing: bool,
    /// In which order the members of the records so far came.
    order: Order,
    /// Line ends before the buffer, and bytes of the current line before it.
    lines: u64,
    columns: usize,
}

impl<R: BufRead> CloudTrail<R> {
    /// A reader of `input`.
    pub fn new(input: R) -> Self {
        let (buffer, carry, reserve) = (String::new(), Vec::new(), RESERVE);
        Self {
            input,
            buffer,
            carry,
            at: 0,
            ended: false,
            failed: None,
            reserve,
            wrapped: false,
            passing: false,
            order: Order::new(),
            lines: 0,
            columns: 0,
        }
    }

    /// Goes to the next record, with room ahead to try it; `false` at the end.
    ///
    /// # Errors
    /// What the input says. What was read before is good.
    pub fn ready(&mut self) -> Result<bool, std::io::Error> {
        if std::mem::take(&mut self.passing) {
            self.skip_record();
        }
        if !self.find() {
            return self.failed.take().map_or(Ok(false), Err);
        }
        while !self.ended && self.buffer.len() - self.at < self.reserve {
            self.fill();
        }
        Ok(true)
    }

    /// The line at which the reading stands, from 1.
    pub fn number(&self) -> u64 {
        place(&self.bytes()[..self.at], self.lines, self.columns).0
    }

    /// What the record says that [`Self::ready`] went to. `seen` is shared by all files of a log.
    pub fn turn(&mut self, seen: &mut Seen) -> Turn<'_> {
        if self.bytes().get(self.at) != Some(&b'{') {
            self.passing = true;
            return Turn::Bad(self.bad("record", "a JSON object".into()));
        }
        let start = self.at;
        let mut cursor = Cursor::new(&self.buffer[start..]);
        let mut fields = Fields::new();
        match fields.read(&mut cursor, &mut self.order) {
            Ok(()) => {}
            Err(Fault::End) if !self.ended && self.reserve < RECORD_BYTES_MAX => {
                self.reserve = (self.reserve * 4).min(RECORD_BYTES_MAX);
                return Turn::Again;
            }
            Err(fault) => {
                let expected = match fault {
                    Fault::End => format!("a whole record of at most {RECORD_BYTES_MAX} bytes"),
                    Fault::Wrong => format!(
                        "a CloudTrail record (and {} behind {} bytes of it)",
                        cursor.expected(),
                        cursor.at()
                    ),
                };
                self.passing = true;
                return Turn::Bad(self.bad("record", expected));
            }
        }
        let end = start + cursor.at();
        self.reserve = RESERVE;
        self.at = end;
        if !fields.is_one() {
            self.at = start;
            let bad = self.bad("record", "a CloudTrail record with eventName and eventSource".into());
            self.at = end;
            return Turn::Bad(bad);
        }
        let id = fields.text(Field::EventId);
        if !id.is_empty() && !seen.is_new(id) {
            return Turn::Duplicate;
        }
        let (shared, name) = (fields.text(Field::SharedId), fields.text(Field::EventName));
        if !shared.is_empty() && seen.is_twin(shared, name, fields.text(Field::Recipient)) {
            return Turn::Duplicate;
        }
        match fields.entry() {
            Ok(entry) => Turn::Entry(entry),
            Err(written) => {
                let (line, column) = place(&self.buffer.as_bytes()[..start], self.lines, self.columns);
                let expected = "a time such as 2026-11-24T12:00:00Z".into();
                Turn::Bad(BadLine { line, column, field: "eventTime", value: shorten(&written), expected })
            }
        }
    }

    /// Goes to the next byte that begins a record, or that has no place between records. `false` at the end.
    fn find(&mut self) -> bool {
        loop {
            let between = |byte: &u8| {
                byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b']' | 0xEF | 0xBB | 0xBF)
            };
            let rest = &self.buffer.as_bytes()[self.at..];
            let closing = |byte: &u8| between(byte) || (self.wrapped && *byte == b'}');
            let Some(skipped) = rest.iter().position(|byte| !closing(byte)) else {
                self.at = self.buffer.len();
                if self.ended {
                    return false;
                }
                self.fill();
                continue;
            };
            self.at += skipped;
            if self.bytes()[self.at] == b'{' {
                // Room to see whether it is a wrapper.
                if !self.ended && self.buffer.len() - self.at < WRAPPER {
                    self.fill();
                    continue;
                }
                if let Some(length) = wrapper(&self.bytes()[self.at..]) {
                    self.at += length;
                    self.wrapped = true;
                    continue;
                }
                return true;
            }
            if !self.wrapped {
                return true;
            }
            // Further members of the wrapper: over the text or the word.
            let rest = &self.buffer.as_bytes()[self.at..];
            let text = rest[0] == b'"';
            let end = if text { memchr(b'"', &rest[1..]).map(|end| end + 2) } else { Some(1) };
            self.at += end.unwrap_or(rest.len());
        }
    }

    fn fill(&mut self) {
        // Where bytes were passed over one by one, the place may lie within a character.
        let start = self.buffer.floor_char_boundary(self.at);
        let (line, column) = place(&self.bytes()[..start], self.lines, self.columns);
        (self.lines, self.columns) = (line - 1, column - 1);
        self.buffer.drain(..start);
        self.at -= start;
        let until = self.buffer.len() + CHUNK;
        while self.buffer.len() < until {
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // What came before is still given out.
                    (self.ended, self.failed) = (true, Some(error));
                    break;
                }
            };
            if bytes.is_empty() {
                self.ended = true;
                break;
            }
            let taken = bytes.len().min(CHUNK);
            append(&mut self.buffer, &mut self.carry, &bytes[..taken]);
            self.input.consume(taken);
        }
        if self.ended && !std::mem::take(&mut self.carry).is_empty() {
            self.buffer.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.as_bytes()
    }

    fn bad(&self, field: &'static str, expected: String) -> BadLine {
        let (line, column) = place(&self.bytes()[..self.at], self.lines, self.columns);
        let rest = &self.buffer.as_bytes()[self.at..];
        let value = shorten(&String::from_utf8_lossy(&rest[..rest.len().min(256)]));
        BadLine { line, column, field, value, expected }
    }

    /// Over the rest of the line.
    fn skip_line(&mut self) {
        loop {
            if let Some(end) = memchr(b'\n', &self.bytes()[self.at..]) {
                self.at += end + 1;
                return;
            }
            self.at = self.buffer.len();
            if self.ended {
                return;
            }
            self.fill();
        }
    }

    /// Over a record that cannot be read: to its closing brace within a wrapper, else to the end of its line, since there
    /// a brace too few would take the next records with it.
    fn skip_record(&mut self) {
        if !self.wrapped || self.bytes().get(self.at) != Some(&b'{') {
            self.skip_line();
            return;
        }
        let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
        loop {
            for place in self.at..self.buffer.len() {
                let byte = self.bytes()[place];
                match (quoted, byte) {
                    (true, _) if escaped => escaped = false,
                    (true, b'\\') => escaped = true,
                    (_, b'"') => quoted = !quoted,
                    (false, b'{') => depth += 1,
                    (false, b'}') => {
                        depth -= 1;
                        if depth == 0 {
                            self.at = place + 1;
                            return;
                        }
                    }
                    _ => {}
                }
            }
            self.at = self.buffer.len();
            if self.ended {
                return;
            }
            self.fill();
        }
    }
}

/// Appends `bytes` to `text`; a character that is cut at the end waits in `carry`.
fn append(text: &mut String, carry: &mut Vec<u8>, bytes: &[u8]) {
    let joined;
    let mut rest = bytes;
    if !carry.is_empty() {
        carry.extend_from_slice(bytes);
        joined = std::mem::take(carry);
        rest = &joined;
    }
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(good) => return text.push_str(good),
            Err(error) => error,
        };
        let (good, bad) = rest.split_at(error.valid_up_to());
        text.push_str(std::str::from_utf8(good).expect("just checked"));
        let Some(length) = error.error_len() else {
            carry.extend_from_slice(bad);
            return;
        };
        text.push(char::REPLACEMENT_CHARACTER);
        rest = &bad[length..];
    }
}

/// Line and column, both from 1, of the end of `before`, when `lines` and `columns` lie before it.
fn place(before: &[u8], lines: u64, columns: usize) -> (u64, usize) {
    let ends = memchr_iter(b'\n', before).count() as u64;
    let column = match memrchr(b'\n', before) {
        Some(last) => before.len() - last,
        None => columns + before.len() + 1,
    };
    (lines + ends + 1, column)
}

/// Length of `{"Records":[` or `{"Events":[` at the beginning of `text`, with any blanks, in any case.
fn wrapper(text: &[u8]) -> Option<usize> {
    let blanks = |at: usize| at + text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let mark = |at: usize, mark: &[u8]| {
        let found = text.get(at..at + mark.len())?;
        found.eq_ignore_ascii_case(mark).then_some(at + mark.len())
    };
    let name = blanks(mark(0, b"{")?);
    let colon = blanks(mark(name, b"\"Records\"").or_else(|| mark(name, b"\"Events\""))?);
    mark(blanks(mark(colon, b":")?), b"[")
}
