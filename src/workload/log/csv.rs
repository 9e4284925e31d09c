//! Arrivals from a table of text: CSV and its kin (RFC 4180, any delimiter), read as a stream in bounded memory.
//!
//! A record is one line of at most 64 KiB; quotes may hold delimiters but not line ends. Lines that cannot be used are
//! counted and the first few kept; beyond a share of them reading stops. Times need not ascend: requests are sorted within
//! a window of `window` requests, and one that comes later than that ends the reading. Memory: the window, and each distinct
//! bucket, key and principal once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::BufRead;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::column::{Column, Columns, TimeFormat, operation};
use super::error::{BadLine, BadLines, LogError};
use super::line::{Lines, MAX_LINE, Read};
use super::name::Names;
use crate::request::Operation;
use crate::units::{Span, Timestamp};
use crate::workload::arrival::{Arrival, Shape};
use crate::workload::document::shorten;
use crate::workload::error::nearest;
use crate::workload::name::Naming;
use crate::workload::quantity::BYTES_FORM;
use crate::workload::rule::MAX_OBJECT_BYTES;

/// Most fields of a record that are looked at.
const MAX_FIELDS: usize = 1_024;
/// Lines before a share of bad ones means anything.
const MIN_LINES: u64 = 100;

/// How a trace is written.
#[derive(Clone, Debug)]
pub struct CsvFormat {
    /// Between fields: `,`, `;`, a tab, a space.
    pub delimiter: u8,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Where the fields stand.
    pub columns: Columns,
    /// How times are written.
    pub time: TimeFormat,
    /// Further names of operations, exactly as in the file; they come before the known ones.
    pub operations: BTreeMap<String, Operation>,
    /// The size of objects of which the trace never tells it.
    pub default_bytes: u64,
    /// Share of the lines that may be bad, 0–1.
    pub max_bad: f64,
    /// Requests within which times may be out of order, 1 or more.
    pub window: usize,
}

impl Default for CsvFormat {
    /// Commas, a header with the fields' own names, seconds, objects of 16 KiB, 1 line in 100 may be bad, a window of
    /// 10,000 requests.
    fn default() -> Self {
        Self {
            delimiter: b',',
            header: true,
            columns: Columns::default(),
            time: TimeFormat::Seconds,
            operations: BTreeMap::new(),
            default_bytes: 16 << 10,
            max_bad: 0.01,
            window: 10_000,
        }
    }
}

/// The arrivals of a trace in due order, the earliest due at 0: an iterator. After an error it ends.
///
/// Each line is one request: the calls of a multipart upload stand for themselves. A request whose line has no size is as
/// large as the last one that told the object's size, else `default_bytes`. A copy names one object, so it goes onto
/// itself; a ranged read has no range in the table, so it begins at 0. All objects stand under KMS key 0.
#[derive(Debug)]
pub struct CsvTrace<R> {
    file: String,
    lines: Lines<R>,
    format: CsvFormat,
    places: Places,
    split: Split,
    names: Names,
    waiting: BinaryHeap<Reverse<Record>>,
    /// Last known size by object.
    sizes: Vec<Option<u64>>,
    bad: BadLines,
    /// Lines but empty ones and the header.
    read: u64,
    index: u64,
    /// Time of the earliest request, and of the last one given out.
    start: Option<u64>,
    last: u64,
    ended: bool,
}

/// Field numbers from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    time: usize,
    op: usize,
    bucket: Option<usize>,
    key: usize,
    size: Option<usize>,
    principal: Option<usize>,
    count: Option<usize>,
}

/// A request that waits for its turn; ordered by time, then line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    time: u64,
    line: u64,
    object: u64,
    size: Option<u64>,
    bucket: u32,
    principal: u32,
    operation: Operation,
}

impl<R: BufRead> CsvTrace<R> {
    /// A reader of `input`, called `file` in errors. Reads the header, if there is to be one.
    ///
    /// # Errors
    ///
    /// [`LogError::Option`] for a format out of range, [`LogError::Column`] for a column that the header lacks,
    /// [`LogError::Empty`] when there is no header, [`LogError::Io`].
    pub fn open(file: &str, input: R, format: CsvFormat) -> Result<Self, LogError> {
        check(&format)?;
        let mut lines = Lines::new(input);
        let mut split = Split::new(format.delimiter);
        let mut header = Vec::new();
        if format.header {
            // Empty lines may come first.
            loop {
                match lines.advance() {
                    Err(source) => {
                        return Err(LogError::Io { file: file.into(), line: lines.number(), source });
                    }
                    Ok(Read::End) => {
                        return Err(LogError::Empty { file: file.into(), lines: 0, first: None });
                    }
                    Ok(_) if lines.text().is_empty() => {}
                    Ok(_) => break,
                }
            }
            if split.split(lines.text()).is_ok() {
                let name = |field| String::from_utf8_lossy(split.field(field)).trim().to_owned();
                header = (0..split.count).map(name).collect();
            }
        }
        let places = Places::new(file, &format.columns, &header)?;
        Ok(Self {
            file: file.into(),
            lines,
            format,
            places,
            split,
            names: Names::default(),
            waiting: BinaryHeap::new(),
            sizes: Vec::new(),
            bad: BadLines::default(),
            read: 0,
            index: 0,
            start: None,
            last: 0,
            ended: false,
        })
    }

    /// The lines that could not be used so far.
    pub fn bad(&self) -> &BadLines {
        &self.bad
    }

    /// What the numbers of the arrivals so far are called.
    pub fn into_naming(self) -> Naming {
        Naming::of_trace(self.names)
    }

    /// The lines that could not be used, and the names.
    pub(super) fn into_parts(self) -> (BadLines, Names) {
        (self.bad, self.names)
    }

    fn next_record(&mut self) -> Result<Option<Arrival>, LogError> {
        while self.waiting.len() < self.format.window {
            match self.lines.advance() {
                Err(source) => {
                    return Err(LogError::Io { file: self.file.clone(), line: self.lines.number(), source });
                }
                Ok(Read::End) => {
                    self.check_share(true)?;
                    break;
                }
                Ok(Read::Line) if self.lines.text().is_empty() => {}
                Ok(how) => {
                    self.read += 1;
                    let record = if how == Read::TooLong { Err(self.too_long()) } else { self.record() };
                    match record {
                        Ok(record) => self.admit(record)?,
                        Err(bad) => {
                            self.bad.push(bad);
                            self.check_share(false)?;
                        }
                    }
                }
            }
        }
        let Some(Reverse(record)) = self.waiting.pop() else {
            if self.index == 0 {
                let first = self.bad.first.first().cloned().map(Box::new);
                return Err(LogError::Empty { file: self.file.clone(), lines: self.read, first });
            }
            return Ok(None);
        };
        Ok(Some(self.release(record)))
    }

    fn admit(&mut self, record: Record) -> Result<(), LogError> {
        if self.start.is_some() && record.time < self.last {
            return Err(LogError::OutOfOrder {
                file: self.file.clone(),
                line: record.line,
                behind: Span::from_nanos(self.last - record.time),
                window: self.format.window,
            });
        }
        self.waiting.push(Reverse(record));
        Ok(())
    }

    fn release(&mut self, record: Record) -> Arrival {
        let start = *self.start.get_or_insert(record.time);
        self.last = record.time;
        let object = usize::try_from(record.object).unwrap_or(usize::MAX);
        if object >= self.sizes.len() {
            self.sizes.resize(object + 1, None);
        }
        // A listing has no object of its own, and a part is not the object.
        if !matches!(record.operation, Operation::ListObjects | Operation::UploadPart) {
            self.sizes[object] = record.size.or(self.sizes[object]);
        }
        let known = self.sizes[object].unwrap_or(self.format.default_bytes);
        let bytes = match record.operation {
            Operation::ListObjects => 0,
            Operation::UploadPart => record.size.unwrap_or(known),
            _ => known,
        };
        let shape = match record.operation {
            Operation::GetObjectRange => Shape::Range { first: 0, bytes },
            Operation::CopyObject => Shape::Copy { target: record.object },
            _ => Shape::Whole,
        };
        let arrival = Arrival {
            index: self.index,
            due: Timestamp::from_nanos(record.time - start),
            object: record.object,
            bytes,
            shape,
            operation: record.operation,
            bucket: record.bucket,
            kms_key: 0,
            principal: record.principal,
        };
        self.index += 1;
        arrival
    }

    fn check_share(&self, at_end: bool) -> Result<(), LogError> {
        let (bad, lines) = (self.bad.count, self.read);
        let judged = at_end || lines >= MIN_LINES;
        // Nothing but bad lines at the end is an empty trace.
        let empty = at_end && bad == lines;
        match self.bad.first.first() {
            Some(first) if judged && !empty && bad as f64 > self.format.max_bad * lines as f64 => {
                let (file, first) = (self.file.clone(), Box::new(first.clone()));
                Err(LogError::TooManyBad { file, bad, lines, max_share: self.format.max_bad, first })
            }
            _ => Ok(()),
        }
    }

    fn too_long(&self) -> BadLine {
        BadLine {
            line: self.lines.number(),
            column: 1,
            field: "line",
            value: shorten(&String::from_utf8_lossy(&self.lines.text()[..256])),
            expected: format!("a line of at most {MAX_LINE} bytes"),
        }
    }

    fn record(&mut self) -> Result<Record, BadLine> {
        let Self { lines, split, places, format, names, .. } = self;
        let line = lines.number();
        let row = row(lines.text(), line, split, places, format)?;
        let bucket = names.bucket_id(row.bucket);
        let object = names.object_id(bucket, row.key);
        let principal = names.principal_id(row.principal);
        let Row { time, size, operation, .. } = row;
        Ok(Record { time, line, object, size, bucket, principal, operation })
    }
}

/// What a line says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// In ns since the trace's epoch.
    pub(super) time: u64,
    pub(super) operation: Operation,
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) size: Option<u64>,
    pub(super) principal: &'a str,
    /// How many requests it stands for.
    pub(super) times: u64,
}

/// The row in `text`, which is line number `line`.
pub(super) fn row<'a>(
    text: &[u8],
    line: u64,
    split: &'a mut Split,
    places: &Places,
    format: &CsvFormat,
) -> Result<Row<'a>, BadLine> {
    let bad = |place: Option<usize>, field, value: &[u8], expected: &str| BadLine {
        line,
        column: place.map_or(1, |place| column_of(text, format.delimiter, place)),
        field,
        value: shorten(&String::from_utf8_lossy(value)),
        expected: expected.into(),
    };
    split.split(text).map_err(|expected| bad(None, "line", &text[..text.len().min(256)], expected))?;
    let split = &*split;
    let field = |place: usize, name| {
        if place >= split.count {
            let expected = format!("a field {}; the line has {}", place + 1, split.count);
            return Err(bad(Some(split.count), name, b"", &expected));
        }
        let value = split.field(place);
        std::str::from_utf8(value).map(str::trim).map_err(|_| bad(Some(place), name, value, "UTF-8"))
    };
    let optional = |place: Option<usize>, name| place.map(|place| field(place, name)).transpose();
    let time_text = field(places.time, "time")?;
    let time = format.time.nanos(time_text);
    let time =
        time.ok_or_else(|| bad(Some(places.time), "time", time_text.as_bytes(), format.time.expected()))?;
    let op_text = field(places.op, "op")?;
    let found = format.operations.get(op_text).copied().or_else(|| operation(op_text));
    let expected =
        "an operation such as PutObject, GetObject, HeadObject, CopyObject, DeleteObject or ListObjects";
    let operation = found.ok_or_else(|| bad(Some(places.op), "op", op_text.as_bytes(), expected))?;
    let key = field(places.key, "key")?;
    if key.is_empty() && operation != Operation::ListObjects {
        return Err(bad(Some(places.key), "key", b"", "the key of an object"));
    }
    let size = match optional(places.size, "size")? {
        // S3's access logs write `-` for what does not apply.
        None | Some("" | "-") => None,
        Some(text) => {
            let size = text.parse().ok().or_else(|| crate::workload::quantity::bytes(text));
            let size = size.filter(|size: &u64| *size <= MAX_OBJECT_BYTES);
            Some(size.ok_or_else(|| bad(places.size, "size", text.as_bytes(), BYTES_FORM))?)
        }
    };
    let times = match optional(places.count, "count")? {
        None => 1,
        Some(text) => {
            text.parse().map_err(|_| bad(places.count, "count", text.as_bytes(), "a whole number"))?
        }
    };
    // As in the other logs, what has no name goes by one.
    let bucket = optional(places.bucket, "bucket")?.filter(|name| !name.is_empty()).unwrap_or("bucket");
    let principal = optional(places.principal, "principal")?.unwrap_or("principal");
    Ok(Row { time, operation, bucket, key, size, principal, times })
}

impl<R: BufRead> Iterator for CsvTrace<R> {
    type Item = Result<Arrival, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_record().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

fn check(format: &CsvFormat) -> Result<(), LogError> {
    let bad = |option, value: String, expected| Err(LogError::Option { option, value, expected });
    if !(0.0..=1.0).contains(&format.max_bad) {
        return bad("max_bad", format.max_bad.to_string(), "a share from 0 to 1");
    }
    if format.window == 0 {
        return bad("window", "0".into(), "at least 1 request");
    }
    if format.default_bytes > MAX_OBJECT_BYTES {
        return bad("default_bytes", format.default_bytes.to_string(), "a size that S3 takes");
    }
    if matches!(format.delimiter, b'"' | b'\n' | b'\r') || !format.delimiter.is_ascii() {
        let value = format!("{:?}", char::from(format.delimiter));
        return bad("delimiter", value, "a character of ASCII that is no quote and no line end");
    }
    Ok(())
}

impl Places {
    pub(super) fn new(file: &str, columns: &Columns, header: &[String]) -> Result<Self, LogError> {
        let place = |column: &Column, field: &'static str| match column {
            Column::Number(number) => Ok(number.saturating_sub(1)),
            Column::Name(name) => header.iter().position(|of_header| of_header == name).ok_or_else(|| {
                let names: Vec<&str> = header.iter().map(String::as_str).collect();
                LogError::Column {
                    file: file.into(),
                    field,
                    column: shorten(name).into(),
                    nearest: nearest(name, &names).map(|name| shorten(name).into()),
                    header: if names.is_empty() {
                        "no names".into()
                    } else {
                        shorten(&names.join(", ")).into()
                    },
                }
            }),
        };
        // A field under its own name may be missing, unless the header has a name that looks as if it were meant.
        let optional = |column: &Option<Column>, field: &'static str| match column {
            None => Ok(None),
            Some(column) => match place(column, field) {
                Err(LogError::Column { nearest: None, column, .. }) if &*column == field => Ok(None),
                found => found.map(Some),
            },
        };
        Ok(Self {
            time: place(&columns.time, "time")?,
            op: place(&columns.op, "op")?,
            bucket: optional(&columns.bucket, "bucket")?,
            key: place(&columns.key, "key")?,
            size: optional(&columns.size, "size")?,
            principal: optional(&columns.principal, "principal")?,
            count: optional(&columns.count, "count")?,
        })
    }
}

/// A line cut into fields.
#[derive(Debug)]
pub(super) struct Split {
    reader: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    pub(super) count: usize,
}

impl Split {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            bytes: vec![0; MAX_LINE + 1],
            ends: vec![0; MAX_FIELDS],
            count: 0,
        }
    }

    /// Cuts `line`, or says what was expected instead.
    pub(super) fn split(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.reader.reset();
        self.count = 0;
        let (mut read, mut written, mut ended) = (0, 0, 0);
        // The line, then its end.
        for input in [line, b"\n"] {
            let (result, used, bytes, ends) =
                self.reader.read_record(input, &mut self.bytes[written..], &mut self.ends[ended..]);
            (read, written, ended) = (read + used, written + bytes, ended + ends);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record if read > line.len() => {
                    self.count = ended;
                    return Ok(());
                }
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err("at most 1024 fields");
                }
            }
        }
        Err("one record, each quote closed within its line")
    }

    pub(super) fn field(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.bytes[start..self.ends[place]]
    }
}

/// The character, from 1, at which field `place` of `line` begins; the end when there is none.
fn column_of(line: &[u8], delimiter: u8, place: usize) -> usize {
    let (mut left, mut quoted, mut at) = (place, false, 0);
    while left > 0 && at < line.len() {
        quoted ^= line[at] == b'"';
        left -= usize::from(line[at] == delimiter && !quoted);
        at += 1;
    }
    String::from_utf8_lossy(&line[..at]).chars().count() + 1
}
