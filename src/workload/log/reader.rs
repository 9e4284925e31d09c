//! One reader for every format: what each line or record says, and an account of those that say nothing.

use std::borrow::Cow;
use std::io::{BufRead, ErrorKind};

use super::access::{AccessLine, AccessLineError};
use super::cloudtrail::{CloudTrail, Seen};
use super::csv::{CsvFormat, Places, Row, Split, row};
use super::entry::{Ending, Entry, Request, Side, Told};
use super::error::{BadLine, LogError};
use super::format::Format;
use super::inventory::Schema;
use super::line::{Lines, MAX_LINE, Read};
use super::oracle::OracleGeneral;
use super::{cos, twitter};
use crate::request::Operation;
use crate::units::Timestamp;
use crate::workload::document::shorten;

/// What a turn of a reader brings.
#[derive(Debug)]
pub enum Turn<'a> {
    /// What a line or record says.
    Entry(Entry<'a>),
    /// A record whose event was there already.
    Duplicate,
    /// A line or record that cannot be used.
    Bad(BadLine),
    /// Nothing this time; ask again.
    Again,
    /// No more.
    End,
}

/// The reader of one file.
#[derive(Debug)]
pub struct LogReader<R> {
    file: String,
    body: Body<R>,
}

#[derive(Debug)]
enum Body<R> {
    Access(Lines<R>),
    CloudTrail(CloudTrail<R>),
    Inventory {
        lines: Lines<R>,
        split: Box<Split>,
        schema: Schema,
    },
    Oracle(OracleGeneral<R>),
    Cos(Lines<R>),
    Twitter(Lines<R>),
    Table {
        lines: Lines<R>,
        split: Box<Split>,
        places: Places,
        format: CsvFormat,
    },
    /// The input failed: nothing more is asked of it.
    Ended,
}

impl<R: BufRead> LogReader<R> {
    /// A reader of `input`, called `file` in errors. Reads the header of a table that has one.
    ///
    /// # Errors
    /// [`LogError::Column`] for a column that the header lacks, [`LogError::Io`].
    pub fn open(file: &str, input: R, format: &Format) -> Result<Self, LogError> {
        let body = match format {
            Format::S3Access => Body::Access(Lines::new(input)),
            Format::CloudTrail => Body::CloudTrail(CloudTrail::new(input)),
            Format::Inventory(schema) => Body::Inventory {
                lines: Lines::new(input),
                split: Box::new(Split::new(b',')),
                schema: *schema,
            },
            Format::OracleGeneral => Body::Oracle(OracleGeneral::new(input)),
            Format::IbmCos => Body::Cos(Lines::new(input)),
            Format::Twitter => Body::Twitter(Lines::new(input)),
            Format::Meta(format) | Format::Csv(format) => table(file, input, format)?,
        };
        Ok(Self { file: file.into(), body })
    }

    /// The next line or record. `seen` knows the events of all files of a log.
    ///
    /// A file that ends where it must not (a cut archive, half a record) yields a bad line that says so, and then the end.
    ///
    /// # Errors
    /// [`LogError::Io`] for any other failure of the input.
    pub fn turn(&mut self, seen: &mut Seen) -> Result<Turn<'_>, LogError> {
        let failed = match self.body.ready() {
            Ok(true) => return Ok(self.body.turn(seen)),
            Ok(false) => return Ok(Turn::End),
            Err(error) => error,
        };
        let line = self.body.number();
        self.body = Body::Ended;
        if !matches!(
            failed.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput
        ) {
            return Err(LogError::Io { file: self.file.clone(), line, source: failed });
        }
        Ok(Turn::Bad(BadLine {
            line: line + 1,
            column: 1,
            field: "file",
            value: shorten(&failed.to_string()),
            expected: "a file that is whole: what stands before this place was read".into(),
        }))
    }
}

fn table<R: BufRead>(file: &str, input: R, format: &CsvFormat) -> Result<Body<R>, LogError> {
    let mut lines = Lines::new(input);
    let mut split = Box::new(Split::new(format.delimiter));
    let mut header = Vec::new();
    if format.header {
        // Empty lines may come first.
        loop {
            let read = lines.advance();
            let read =
                read.map_err(|source| LogError::Io { file: file.into(), line: lines.number(), source })?;
            if read == Read::End {
                return Err(LogError::Empty { file: file.into(), lines: 0, first: None });
            }
            if !lines.text().is_empty() {
                break;
            }
        }
        if split.split(lines.text()).is_ok() {
            let name = |field| String::from_utf8_lossy(split.field(field)).trim().to_owned();
            header = (0..split.count).map(name).collect();
        }
    }
    let places = Places::new(file, &format.columns, &header)?;
    Ok(Body::Table { lines, split, places, format: format.clone() })
}

impl<R: BufRead> Body<R> {
    fn number(&self) -> u64 {
        match self {
            Self::Access(lines)
            | Self::Inventory { lines, .. }
            | Self::Cos(lines)
            | Self::Twitter(lines)
            | Self::Table { lines, .. } => lines.number(),
            Self::Oracle(oracle) => oracle.count(),
            Self::CloudTrail(trail) => trail.number(),
            Self::Ended => 0,
        }
    }

    /// Goes to the next line that is not empty; `false` at the end.
    fn ready(&mut self) -> Result<bool, std::io::Error> {
        match self {
            Self::Access(lines)
            | Self::Inventory { lines, .. }
            | Self::Cos(lines)
            | Self::Twitter(lines)
            | Self::Table { lines, .. } => loop {
                match lines.advance()? {
                    Read::End => return Ok(false),
                    Read::Line if lines.text().is_empty() => {}
                    Read::Line | Read::TooLong => return Ok(true),
                }
            },
            Self::CloudTrail(trail) => trail.ready(),
            Self::Oracle(oracle) => oracle.ready(),
            Self::Ended => Ok(false),
        }
    }

    /// What the line or record says that [`Self::ready`] went to.
    fn turn(&mut self, seen: &mut Seen) -> Turn<'_> {
        match self {
            Self::Access(lines) => of_line(lines, |line| Ok(AccessLine::parse(line)?.entry())),
            Self::Cos(lines) => of_line(lines, cos::parse),
            Self::Twitter(lines) => of_line(lines, twitter::parse),
            Self::Oracle(oracle) => Turn::Entry(oracle.take().entry()),
            Self::CloudTrail(trail) => trail.turn(seen),
            Self::Inventory { lines, split, schema } => {
                let (text, number) = (lines.text(), lines.number());
                if let Some(bad) = too_long(lines) {
                    return Turn::Bad(bad);
                }
                let refuse = |error: AccessLineError| Turn::Bad(error.bad(number, text));
                if let Err(expected) = split.split(text) {
                    return refuse(AccessLineError { at: 0, field: "row", expected });
                }
                let fields: Result<Vec<&str>, _> =
                    (0..split.count).map(|i| std::str::from_utf8(split.field(i))).collect();
                let Ok(fields) = fields else {
                    return refuse(AccessLineError { at: 0, field: "row", expected: "UTF-8" });
                };
                match schema.entry(&fields) {
                    Ok(entry) => Turn::Entry(entry),
                    Err(error) => refuse(error),
                }
            }
            Self::Table { lines, split, places, format } => {
                if let Some(bad) = too_long(lines) {
                    return Turn::Bad(bad);
                }
                match row(lines.text(), lines.number(), split, places, format) {
                    Ok(row) => Turn::Entry(of_row(row)),
                    Err(bad) => Turn::Bad(bad),
                }
            }
            Self::Ended => Turn::End,
        }
    }
}

fn of_line<'a, R: BufRead>(
    lines: &'a Lines<R>,
    parse: impl Fn(&'a [u8]) -> Result<Entry<'a>, AccessLineError>,
) -> Turn<'a> {
    if let Some(bad) = too_long(lines) {
        return Turn::Bad(bad);
    }
    match parse(lines.text()) {
        Ok(entry) => Turn::Entry(entry),
        Err(error) => Turn::Bad(error.bad(lines.number(), lines.text())),
    }
}

fn too_long<R: BufRead>(lines: &Lines<R>) -> Option<BadLine> {
    lines.is_cut().then(|| BadLine {
        line: lines.number(),
        column: 1,
        field: "line",
        value: shorten(&String::from_utf8_lossy(&lines.text()[..256])),
        expected: format!("a line of at most {MAX_LINE} bytes"),
    })
}

fn of_row(row: Row<'_>) -> Entry<'_> {
    let Row { time, operation, bucket, key, size, principal, times } = row;
    let body = size.unwrap_or(0);
    let reads = matches!(operation, Operation::GetObject | Operation::GetObjectRange);
    let writes = matches!(operation, Operation::PutObject | Operation::UploadPart);
    Entry::Request(Request {
        time: Timestamp::from_nanos(time),
        operation: Some(operation),
        name: Cow::Borrowed(operation.as_str()),
        bucket: Cow::Borrowed(bucket),
        key: Cow::Borrowed(key),
        requester: Cow::Borrowed(principal),
        size,
        sent: if reads { body } else { 0 },
        received: if writes { body } else { 0 },
        ending: Ending::Done,
        side: Side::Whole,
        source: None,
        sse: None,
        told: Told::default(),
        times,
    })
}

/// The account of a log: what was read, and what of it could not be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Lines and records, bad ones among them.
    pub read: u64,
    /// Those that could not be used.
    pub bad: u64,
    /// The first of them, with their files.
    pub first: Vec<(String, BadLine)>,
}

impl Account {
    /// How many bad lines are kept.
    pub const KEPT: usize = 10;
    /// Lines before a share of bad ones means anything.
    const MIN_LINES: u64 = 100;

    /// Takes down a bad line of `file`.
    pub fn add_bad(&mut self, file: &str, bad: BadLine) {
        self.bad += 1;
        if self.first.len() < Self::KEPT {
            self.first.push((file.into(), bad));
        }
    }

    /// Refuses a share of bad lines above `max_bad`: after a hundred lines, and `at_end` in any case.
    ///
    /// # Errors
    /// [`LogError::TooManyBad`]
    pub fn check(&self, max_bad: f64, at_end: bool) -> Result<(), LogError> {
        let judged = at_end || self.read >= Self::MIN_LINES;
        match self.first.first() {
            Some((file, first)) if judged && self.bad as f64 > max_bad * self.read as f64 => {
                Err(LogError::TooManyBad {
                    file: file.clone(),
                    bad: self.bad,
                    lines: self.read,
                    max_share: max_bad,
                    first: Box::new(first.clone()),
                })
            }
            _ => Ok(()),
        }
    }
}
