//! JSON value by value: strict about all of it, without a copy of what is passed over.

use std::borrow::Cow;

/// Deepest nesting that is read: one bit of a word for each level.
pub(super) const DEPTH_MAX: u32 = 128;

/// Why a text is no JSON. One byte, so that results stay in registers; the cursor knows the place and what belongs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends before the value does.
    End,
    /// Something else stands there.
    Wrong,
}

/// A place in a text, between values.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    expected: &'static str,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, expected: "" }
    }

    /// Bytes before it.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// What was gone over since `start`.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        &self.text.as_bytes()[start..self.at]
    }

    /// The next `N` bytes, if there are so many.
    #[inline]
    pub(super) fn ahead<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.text.as_bytes().get(self.at..)?.first_chunk()
    }

    /// Goes over `length` bytes of those ahead, to the end of a character.
    #[inline]
    pub(super) fn advance(&mut self, length: usize) {
        self.at += length;
    }

    /// What belongs there, after [`Fault::Wrong`].
    pub(super) const fn expected(&self) -> &'static str {
        self.expected
    }

    /// The next byte that is no blank.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, Fault> {
        match self.text.as_bytes().get(self.at) {
            Some(byte) if *byte > b' ' => Ok(*byte),
            _ => self.peek_behind_blanks(),
        }
    }

    #[cold]
    fn peek_behind_blanks(&mut self) -> Result<u8, Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')).count();
        self.at += blanks;
        rest.get(blanks).copied().ok_or(Fault::End)
    }

    #[cold]
    pub(super) fn wrong(&mut self, expected: &'static str) -> Fault {
        self.expected = expected;
        Fault::Wrong
    }

    #[cold]
    fn wrong_at(&mut self, at: usize, expected: &'static str) -> Fault {
        self.at = at;
        self.wrong(expected)
    }

    #[inline]
    fn pass(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.peek()? != byte {
            return Err(self.wrong(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// Goes into an object, for [`Self::member`]; `false` behind an empty one.
    pub(super) fn first_member(&mut self) -> Result<bool, Fault> {
        self.pass(b'{', "an object")?;
        let empty = self.peek()? == b'}';
        self.at += usize::from(empty);
        Ok(!empty)
    }

    /// From behind a member's value to the next member; `false` behind the object.
    #[inline]
    pub(super) fn next_member(&mut self) -> Result<bool, Fault> {
        let next = self.peek()?;
        if !matches!(next, b',' | b'}') {
            return Err(self.wrong("`,` or `}`"));
        }
        self.at += 1;
        Ok(next == b',')
    }

    /// Goes into a list: to its first value; `false` behind an empty one.
    pub(super) fn first_item(&mut self) -> Result<bool, Fault> {
        self.pass(b'[', "a list")?;
        let empty = self.peek()? == b']';
        self.at += usize::from(empty);
        Ok(!empty)
    }

    /// From behind a list's value to the next; `false` behind the list.
    pub(super) fn next_item(&mut self) -> Result<bool, Fault> {
        let next = self.peek()?;
        if !matches!(next, b',' | b']') {
            return Err(self.wrong("`,` or `]`"));
        }
        self.at += 1;
        Ok(next == b',')
    }

    /// What `look` makes of a member's name; over its colon, to the value.
    #[inline]
    pub(super) fn member<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T, Fault> {
        if self.peek()? != b'"' {
            return Err(self.wrong("a name in quotes"));
        }
        let start = self.at;
        let resolved;
        let name = if self.pass_string()? {
            resolved = self.unescaped(start)?;
            resolved.as_bytes()
        } else {
            &self.text.as_bytes()[start + 1..self.at - 1]
        };
        let found = look(name);
        self.pass(b':', "`:`")?;
        Ok(found)
    }

    /// A text in quotes, its escapes resolved.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at;
        if self.pass_string()? {
            return self.unescaped(start).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(&self.text[start + 1..self.at - 1]))
    }

    #[cold]
    fn unescaped(&mut self, start: usize) -> Result<String, Fault> {
        let resolved = serde_json::from_str(&self.text[start..self.at]);
        resolved.map_err(|_| self.wrong_at(start, "a text without half characters"))
    }

    /// Over a text in quotes; whether escapes stand in it.
    #[inline]
    pub(super) fn pass_string(&mut self) -> Result<bool, Fault> {
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        // Eight bytes at once. Nearly all texts end here; the rest is done elsewhere, so that this calls nothing.
        for word in bytes[at..].as_chunks().0 {
            let marks = marks(u64::from_le_bytes(*word));
            at += (marks.trailing_zeros() / 8) as usize;
            if marks != 0 {
                if bytes.get(at) == Some(&b'"') {
                    self.at = at + 1;
                    return Ok(false);
                }
                break;
            }
        }
        self.pass_string_from(at)
    }

    /// Over the rest of a text in quotes, from `at` on, byte by byte; whether escapes stand in it.
    #[cold]
    #[inline(never)]
    fn pass_string_from(&mut self, mut at: usize) -> Result<bool, Fault> {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        loop {
            at += bytes[at..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            match bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(at)?;
                }
                Some(_) => return Err(self.wrong_at(at, "no control character in a text")),
                None => return Err(Fault::End),
            }
        }
    }

    /// Behind the escape that begins `at`.
    #[cold]
    fn escape(&mut self, at: usize) -> Result<usize, Fault> {
        let bytes = self.text.as_bytes();
        match bytes.get(at + 1) {
            None => Err(Fault::End),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                let digits = &bytes[at + 2..bytes.len().min(at + 6)];
                if digits.len() < 4 {
                    return Err(Fault::End);
                }
                match digits.iter().position(|byte| !byte.is_ascii_hexdigit()) {
                    Some(odd) => Err(self.wrong_at(at + 2 + odd, "four hexadecimal digits")),
                    None => Ok(at + 6),
                }
            }
            Some(_) => Err(self.wrong_at(at + 1, "an escape of JSON")),
        }
    }

    /// Over a number, which it gives as it is written.
    pub(super) fn number(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start + usize::from(bytes[start] == b'-');
        at = if bytes.get(at) == Some(&b'0') { at + 1 } else { self.digits(at)? };
        if bytes.get(at) == Some(&b'.') {
            at = self.digits(at + 1)?;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            at = self.digits(at + 1 + sign)?;
        }
        if at == bytes.len() {
            // It may go on.
            return Err(Fault::End);
        }
        self.at = at;
        Ok(&self.text[start..at])
    }

    /// Behind the digits that begin `at`, of which there must be one.
    fn digits(&mut self, at: usize) -> Result<usize, Fault> {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        match rest.iter().take_while(|byte| byte.is_ascii_digit()).count() {
            0 if rest.is_empty() => Err(Fault::End),
            0 => Err(self.wrong_at(at, "a digit")),
            count => Ok(at + count),
        }
    }

    /// Over `word`, whose first byte stands there.
    pub(super) fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        let same = rest.iter().zip(word.as_bytes()).take_while(|(a, b)| a == b).count();
        self.at += same;
        match same {
            _ if same == word.len() => Ok(()),
            _ if same == rest.len() => Err(Fault::End),
            _ => Err(self.wrong(word)),
        }
    }

    /// Over a value of any kind.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        // The kinds of the objects (1) and lists (0) that are open, the innermost last.
        let (mut open, mut depth) = (0_u128, 0_u32);
        loop {
            let first = self.peek()?;
            match first {
                b'"' => {
                    self.pass_string()?;
                }
                b'{' | b'[' => {
                    if depth == DEPTH_MAX {
                        return Err(self.wrong("no more than 128 levels"));
                    }
                    self.at += 1;
                    let object = first == b'{';
                    // In ASCII both closing brackets stand two behind the opening ones.
                    if self.peek()? == first + 2 {
                        self.at += 1;
                    } else {
                        open = open << 1 | u128::from(object);
                        depth += 1;
                        if object {
                            self.pass_name()?;
                        }
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => return Err(self.wrong("a value")),
            }
            // Behind a value: to the next one, out of all that ends here.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = open & 1 == 1;
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        if object {
                            self.pass_name()?;
                        }
                        break;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ => return Err(self.wrong(if object { "`,` or `}`" } else { "`,` or `]`" })),
                }
                self.at += 1;
                open >>= 1;
                depth -= 1;
            }
        }
    }

    #[inline]
    fn pass_name(&mut self) -> Result<(), Fault> {
        if self.peek()? != b'"' {
            return Err(self.wrong("a name in quotes"));
        }
        self.pass_string()?;
        self.pass(b':', "`:`")
    }
}

/// The top bit of each byte that is a quote, a backslash or a control character; exact up to the first of them.
#[inline]
const fn marks(word: u64) -> u64 {
    const fn spread(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    // A byte that is 0 borrows into its top bit; what is beyond ASCII has it set before and is masked.
    let quotes = (word ^ spread(b'"')).wrapping_sub(spread(1));
    let slashes = (word ^ spread(b'\\')).wrapping_sub(spread(1));
    let controls = word.wrapping_sub(spread(0x20));
    (quotes | slashes | controls) & !word & spread(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    /// What the peer says of the first value in `text`: its end, or whether it is cut.
    fn peer(text: &str) -> Result<usize, bool> {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
        match stream.next() {
            Some(Ok(_)) => Ok(stream.byte_offset()),
            Some(Err(error)) => Err(error.is_eof()),
            None => Err(true),
        }
    }

    fn ours(text: &str) -> Result<usize, bool> {
        let mut cursor = Cursor::new(text);
        cursor.skip().map(|()| cursor.at()).map_err(|fault| fault == Fault::End)
    }

    fn agree(text: &str) {
        // In a list, so that no number stands at the very end, where it could go on.
        let listed = format!("[{text}]");
        assert_eq!(ours(&listed), peer(&listed), "{listed:?}");
        let cut = &listed[..listed.floor_char_boundary(listed.len() / 2)];
        // Half a number is wrong for the peer, for us the text may go on.
        let half = cut.ends_with(['-', '+', '.', 'e', 'E']) && ours(cut) == Err(true);
        assert!(half || ours(cut) == peer(cut), "{cut:?}: {:?}, {:?}", ours(cut), peer(cut));
    }

    #[test]
    fn hard_values_are_taken_and_refused_as_the_peer_does() {
        let all = [
            "0",
            "-0",
            "00",
            "01",
            "-",
            "1.",
            "1.5",
            ".5",
            "1e",
            "1e+",
            "1E-5",
            "+1",
            "1.e5",
            "0x1",
            "true",
            "nul",
            "truth",
            "nulL",
            "false",
            r#""a"#,
            r#""\u12g4""#,
            r#""\ud800""#,
            r#""\x""#,
            "\"\u{1}\"",
            "\"\t\"",
            "\"é\u{7F}\"",
            "{}",
            "[]",
            "{ }",
            "[ ]",
            "{,}",
            "[,]",
            "[1,]",
            r#"{"a":1,}"#,
            r#"{"a" : 1 , "b":[ { } ]}"#,
            r#"{"a"}"#,
            "{1:2}",
            r#"{"a":1]"#,
            "[1}",
            r#"{"a":}"#,
            "\u{A0}1",
            "[1 2]",
            r#"{"a":1 "b":2}"#,
            "\"12345678\\\"12345678\"",
            "",
        ];
        for text in all {
            agree(text);
        }
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(ours(&deep(128)), Ok(256));
        assert_eq!(ours(&deep(129)), Err(false));
    }

    #[test]
    fn texts_have_their_escapes_resolved() {
        let text = |json: &str| Cursor::new(json).string().map(Cow::into_owned);
        assert_eq!(text(r#""a\u00e9\"\\\n\ud83d\ude00""#).unwrap(), "aé\"\\\n😀");
        assert_eq!(text(r#""""#).unwrap(), "");
        assert_eq!(text(r#""\ud800""#), Err(Fault::Wrong));
    }

    proptest! {
        #[test]
        fn any_text_of_jsons_alphabet_is_judged_as_the_peer_does(text in r#"[\[\]{},:"\\ut0-9eE.+\-nrulfase \n\x00é]{0,24}"#) {
            agree(&text);
        }

        #[test]
        fn values_with_a_change_are_judged_as_the_peer_does(
            words in proptest::collection::vec(r#"[a-z"\\\x1F\x20é]{0,20}"#, 1..6),
            numbers in proptest::collection::vec(any::<f64>(), 1..4),
            place in any::<proptest::sample::Index>(),
            byte in r#"[\[\]{},:"\\0 ]"#,
        ) {
            let value = serde_json::json!({ "words": words, "numbers": numbers, "more": { "x": [null, true, {}, []] } });
            let text = value.to_string();
            agree(&text);
            let at = text.floor_char_boundary(place.index(text.len()));
            let mut changed = text;
            changed.insert_str(at, &byte);
            agree(&changed);
        }
    }
}
