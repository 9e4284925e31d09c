//! Sizes and durations as people write them, and back.

use std::fmt::Write;

use serde::Serializer;

use crate::units::{NANOS_PER_SECOND, Span};

/// What a duration field expects, for error messages.
pub(crate) const SPAN_FORM: &str = "a duration such as \"250ms\", \"5s\", \"1h30m\" or \"30d\"";
/// What a size field expects, for error messages.
pub(crate) const BYTES_FORM: &str = "a size such as 4096, \"16KiB\" or \"5MB\"";

/// The duration that `text` names (`"5s"`, `"1h30m"`, `"1.5ms"`, `"30d"`, `PT5S`); a day is 24 hours.
///
/// `None` when it is no duration, is negative, or passes 584 years.
pub fn span(text: &str) -> Option<Span> {
    text.parse().ok()
}

/// The number of bytes that `text` names: `"4096"`, `"16KiB"` (2¹⁰), `"5MB"` (10⁶), `"1.5 GiB"`.
///
/// `None` when it is no size or passes 2⁶⁴ − 2 bytes.
pub fn bytes(text: &str) -> Option<u64> {
    let size: bytesize::ByteSize = text.trim().parse().ok()?;
    // The parser saturates: its largest value may stand for a larger one.
    (size.0 != u64::MAX).then_some(size.0)
}

/// `span` in the shortest exact form that [`span`] reads back: `"1h30m"`, `"250ms"`, `"0s"`.
pub fn span_text(span: Span) -> String {
    const UNITS: [(u64, &str); 7] = [
        (86_400 * NANOS_PER_SECOND, "d"),
        (3_600 * NANOS_PER_SECOND, "h"),
        (60 * NANOS_PER_SECOND, "m"),
        (NANOS_PER_SECOND, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let mut rest = span.as_nanos();
    let mut text = String::new();
    for (unit, name) in UNITS {
        if rest >= unit {
            write!(text, "{}{name}", rest / unit).expect("a string takes everything");
            rest %= unit;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// `bytes` in the largest binary unit that divides it: `"16KiB"`, `"1000B"`.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, name) in UNITS {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{name}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn write_span<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&span_text(*span))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn write_bytes<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&bytes_text(*bytes))
}

#[expect(clippy::ref_option, reason = "serde's signature")]
pub(crate) fn write_optional_span<S: Serializer>(span: &Option<Span>, s: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => write_span(span, s),
        None => s.serialize_none(),
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
pub(crate) fn write_optional_bytes<S: Serializer>(bytes: &Option<u64>, s: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => write_bytes(bytes, s),
        None => s.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_and_sizes_are_read_as_written() {
        assert_eq!(span("1h30m"), Some(Span::from_seconds(5_400)));
        assert_eq!(span("1.5ms"), Some(Span::from_micros(1_500)));
        assert_eq!(span("30d"), Some(Span::from_days(30)));
        assert_eq!(bytes("16KiB"), Some(16_384));
        assert_eq!(bytes("5MB"), Some(5_000_000));
        assert_eq!(bytes("4096"), Some(4_096));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "5", "-5s", "5 parsecs", "s", "99999999999999y"] {
            assert_eq!(span(text), None, "{text}");
        }
        for text in ["", "-1", "16 apples", "KiB", "1.2.3MB", "18446744073709551615", "99999999999EiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_quantities_are_read_back_exactly(n in 0..u64::MAX / 64) {
            prop_assert_eq!(bytes(&bytes_text(n)), Some(n));
            prop_assert_eq!(span(&span_text(Span::from_nanos(n))), Some(Span::from_nanos(n)));
        }

        #[test]
        fn no_text_makes_a_quantity_panic(text in ".*") {
            let _ = (bytes(&text), span(&text));
        }
    }
}
