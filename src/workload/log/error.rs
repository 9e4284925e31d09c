//! What can be wrong with a log, and where.

use std::fmt;

use thiserror::Error;

use crate::units::Span;

/// A line that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// Where the value begins in it: characters, from 1.
    pub column: usize,
    /// The field.
    pub field: &'static str,
    /// The value as written, cut to what a message can show.
    pub value: String,
    /// What belongs there.
    pub expected: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, field, value, expected } = self;
        write!(f, "line {line}, column {column}: `{field}` is {value:?}: expected {expected}")
    }
}

/// The lines that could not be used: all counted, the first few kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadLines {
    /// How many.
    pub count: u64,
    /// The first [`BadLines::KEPT`].
    pub first: Vec<BadLine>,
}

impl BadLines {
    /// How many are kept.
    pub const KEPT: usize = 10;

    /// Counts `bad`.
    pub fn push(&mut self, bad: BadLine) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(bad);
        }
    }
}

/// Why a log cannot be read on. Each names the file by the label that the reader was given.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The input failed.
    #[error("{file}: reading after line {line}: {source}")]
    Io {
        /// Label of the file.
        file: String,
        /// The last line that was read.
        line: u64,
        /// What the input says.
        source: std::io::Error,
    },
    /// An option of the reader is out of range.
    #[error("`{option}` is {value}: expected {expected}")]
    Option {
        /// Which.
        option: &'static str,
        /// Its value.
        value: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A column that the header does not have, or that needs a header.
    #[error("{file}: no column `{column}` for `{field}`{}; the header has {header}", hint(nearest.as_deref()))]
    Column {
        /// Label of the file.
        file: String,
        /// The field that the column is for.
        field: &'static str,
        /// The name asked for.
        column: Box<str>,
        /// The name in the header that it resembles.
        nearest: Option<Box<str>>,
        /// The names in the header.
        header: Box<str>,
    },
    /// No line could be used.
    #[error("{file}: no request in {lines} lines{}", first_bad(first.as_deref()))]
    Empty {
        /// Label of the file.
        file: String,
        /// Lines read, empty ones and the header apart.
        lines: u64,
        /// The first bad one.
        first: Option<Box<BadLine>>,
    },
    /// Too many lines could not be used.
    #[error("{file}: {bad} of {lines} lines cannot be used, more than {max_share}; the first: {first}")]
    TooManyBad {
        /// Label of the file.
        file: String,
        /// Bad lines.
        bad: u64,
        /// Lines read, empty ones and the header apart.
        lines: u64,
        /// The share that is allowed.
        max_share: f64,
        /// The first bad one.
        first: Box<BadLine>,
    },
    /// A request older than what was already given out.
    #[error(
        "{file}: line {line}: its time lies {behind} before a request that was read {window} or more requests earlier: sort the file by time, or widen the window"
    )]
    OutOfOrder {
        /// Label of the file.
        file: String,
        /// The line.
        line: u64,
        /// How much too late it comes.
        behind: Span,
        /// The window within which requests are sorted.
        window: usize,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

fn first_bad(first: Option<&BadLine>) -> String {
    first.map_or_else(String::new, |bad| format!("; the first: {bad}"))
}
