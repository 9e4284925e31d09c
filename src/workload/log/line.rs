//! Lines of bounded length.

use std::io::{BufRead, Error};

/// Longest line, without its end. A longer one is skipped and counted as bad, so that memory stays bounded.
pub(super) const MAX_LINE: usize = 64 << 10;

/// Lines of an input, counted from 1.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    cut: bool,
}

/// How a line came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// In full: see [`Lines::text`].
    Line,
    /// Longer than [`MAX_LINE`]; its beginning is kept.
    TooLong,
    /// No line is left.
    End,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0, cut: false }
    }

    /// The number of the current line.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the current line was longer than [`MAX_LINE`].
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// The current line without its end (LF or CRLF), and without a byte order mark.
    pub(super) fn text(&self) -> &[u8] {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if self.number == 1 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line }
    }

    pub(super) fn advance(&mut self) -> Result<Read, Error> {
        self.line.clear();
        let (mut any, mut too_long) = (false, false);
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = memchr::memchr(b'\n', buffer);
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            let room = MAX_LINE - self.line.len();
            too_long |= piece.len() > room;
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let used = piece.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(Read::End);
        }
        self.number += 1;
        self.cut = too_long;
        Ok(if too_long { Read::TooLong } else { Read::Line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_input() {
        let mut lines = Lines::new(&b"\xEF\xBB\xBFa\r\n\nb"[..]);
        let mut seen = Vec::new();
        while lines.advance().unwrap() == Read::Line {
            seen.push((lines.number(), lines.text().to_vec()));
        }
        assert_eq!(seen, [(1, b"a".to_vec()), (2, b"".to_vec()), (3, b"b".to_vec())]);
    }

    #[test]
    fn a_line_without_end_takes_no_more_than_the_limit() {
        let long = std::io::BufReader::new(std::io::Read::take(std::io::repeat(b'x'), 3_000_000));
        let mut lines = Lines::new(std::io::Read::chain(long, &b"\nnext\n"[..]));
        assert_eq!(lines.advance().unwrap(), Read::TooLong);
        assert_eq!(lines.text().len(), MAX_LINE);
        assert_eq!(lines.advance().unwrap(), Read::Line);
        assert_eq!(lines.text(), b"next");
        assert_eq!(lines.advance().unwrap(), Read::End);
    }
}
