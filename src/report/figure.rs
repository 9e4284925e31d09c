//! Numbers and names as a person reads them: never NaN, never a control character.

use unicode_width::UnicodeWidthChar;

use crate::units::NANOS_PER_SECOND;

/// `part ÷ whole`; none when there is no whole.
#[expect(clippy::cast_precision_loss, reason = "a ratio of counts is shown with four digits at most")]
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// `count ÷ span`, per second; 0 for a span of zero.
pub(crate) fn per_second(count: u64, span_ns: u64) -> f64 {
    ratio(count, span_ns).map_or(0.0, |per_nano| per_nano * 1e9)
}

/// What stands where there is no figure.
pub(super) const NONE: &str = "–";

/// A count with thousands separators: `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A count of things: `1 call`, `1,234 calls`.
pub(super) fn one_of(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A rate: three digits below 100, whole numbers with separators above.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded and not negative; a rate beyond u64 saturates"
)]
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        n if n.is_nan() || n <= 0.0 => "0".into(),
        n if n < 0.0005 => "<0.001".into(),
        n if n < 0.9995 => trimmed(format!("{n:.3}")),
        n if n < 9.995 => trimmed(format!("{n:.2}")),
        n if n < 99.95 => trimmed(format!("{n:.1}")),
        n => count(n.round() as u64),
    }
}

/// `1.50` is `1.5` and `2.0` is `2`.
fn trimmed(decimal: String) -> String {
    if decimal.contains('.') { decimal.trim_end_matches('0').trim_end_matches('.').into() } else { decimal }
}

/// A share as a percentage with one decimal. What is not nothing never shows as 0 %, what is not all never as 100 %.
pub(crate) fn share(of_one: Option<f64>) -> String {
    match of_one {
        None => NONE.into(),
        Some(n) if n.is_nan() => NONE.into(),
        Some(n) if n <= 0.0 => "0 %".into(),
        Some(n) if n < 0.0005 => "<0.1 %".into(),
        Some(n) if n >= 1.0 => "100 %".into(),
        Some(n) if n >= 0.9995 => ">99.9 %".into(),
        Some(n) => format!("{:.1} %", n * 100.0),
    }
}

/// A length of time with three digits: `1.23 ms`, `12.3 ms`, `123 ms`.
pub(crate) fn time(nanos: u64) -> String {
    let units = [(NANOS_PER_SECOND, "s"), (1_000_000, "ms"), (1_000, "µs")];
    // The largest unit in which the figure, rounded, reaches 1: 999.9 µs is 1 ms.
    for (unit, name) in units {
        if nanos.saturating_add(unit / 2_000) >= unit {
            // Each rounded from the nanoseconds, not from each other.
            let rounded = |parts: u64| {
                let parts = (u128::from(nanos) * u128::from(parts) + u128::from(unit / 2)) / u128::from(unit);
                u64::try_from(parts).unwrap_or(u64::MAX)
            };
            let (hundredths, tenths) = (rounded(100), rounded(10));
            return match (hundredths, tenths) {
                (..1_000, _) => format!("{}.{:02} {name}", hundredths / 100, hundredths % 100),
                (_, ..1_000) => format!("{}.{} {name}", tenths / 10, tenths % 10),
                _ => format!("{} {name}", count(rounded(1))),
            };
        }
    }
    format!("{nanos} ns")
}

/// Bytes per second in megabytes (10⁶ bytes) per second.
pub(super) fn bytes_per_second(per_second: f64) -> String {
    rate(per_second / 1e6)
}

/// Terminal cells that `text` takes.
pub(super) fn cells(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A name from outside, made harmless for a terminal and cut to `room` cells.
///
/// Control characters, characters that turn the writing direction, invisible ones and right-to-left letters (which
/// would reorder the numbers beside them) are shown by their code point: `\u{202e}`.
pub(crate) fn name(text: &str, room: usize) -> String {
    let mut shown = String::new();
    let mut used = 0;
    for c in text.chars() {
        let piece = if is_harmless(c) { c.to_string() } else { format!("\\u{{{:x}}}", u32::from(c)) };
        let width = cells(&piece);
        if used + width > room {
            while used + 1 > room {
                let Some(last) = shown.pop() else { break };
                used -= last.width().unwrap_or(0);
            }
            shown.push('…');
            break;
        }
        shown.push_str(&piece);
        used += width;
    }
    if shown.is_empty() { "(no name)".into() } else { shown }
}

/// As [`name`], but what does not fit is cut out of the middle: of an ARN the beginning is everybody's, the end its own.
pub(super) fn name_ends(text: &str, room: usize) -> String {
    let whole = name(text, usize::MAX);
    if cells(&whole) <= room || room < 8 {
        return name(text, room);
    }
    let (head, mut tail) = (name(text, room / 3), String::new());
    let left = room.saturating_sub(cells(&head));
    for c in whole.chars().rev() {
        if cells(&tail) + c.width().unwrap_or(0) > left {
            break;
        }
        tail.insert(0, c);
    }
    head + &tail
}

fn is_harmless(c: char) -> bool {
    let right_to_left = matches!(u32::from(c), 0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff
        | 0x1_0800..=0x1_0fff | 0x1_e800..=0x1_efff);
    // No width: controls, joiners, combining marks, direction marks. Tags and private letters are not looked for.
    let takes_room = c.width().is_some_and(|width| width > 0);
    takes_room && !right_to_left && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{ad}' | '\u{e000}'..='\u{f8ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_whatever_their_size() {
        let shown =
            [0, 7, 999, 999_949, 1_234, 12_345, 123_456, 999_999, 1_230_000, 99_960_000, 64_000_000_000]
                .map(time);
        let expected = [
            "0 ns", "7 ns", "999 ns", "1.00 ms", "1.23 µs", "12.3 µs", "123 µs", "1.00 ms", "1.23 ms",
            "100 ms", "64.0 s",
        ];
        assert_eq!(shown, expected);
        assert_eq!(time(u64::MAX), "18,446,744,074 s");
    }

    #[test]
    fn a_share_that_is_not_nothing_or_not_all_does_not_look_so() {
        let shown = [None, Some(0.0), Some(1e-9), Some(0.123_45), Some(0.999_99), Some(1.0), Some(f64::NAN)];
        assert_eq!(shown.map(share), ["–", "0 %", "<0.1 %", "12.3 %", ">99.9 %", "100 %", "–"]);
    }

    #[test]
    fn rates_keep_three_digits_and_never_show_a_small_one_as_nothing() {
        let shown = [0.0, 1e-6, 0.0123, 1.0, 1.5, 12.34, 5_499.6, f64::NAN, f64::INFINITY].map(rate);
        let infinite = count(u64::MAX);
        assert_eq!(shown, ["0", "<0.001", "0.012", "1", "1.5", "12.3", "5,500", "0", &infinite]);
    }

    #[test]
    fn nothing_divided_by_nothing_is_no_number() {
        assert_eq!((ratio(0, 0), ratio(5, 0), per_second(5, 0).to_bits()), (None, None, 0));
    }

    #[test]
    fn hostile_names_are_shown_by_their_code_points() {
        let hostile = "a\u{1b}[31m\n\u{202e}\u{5d0}\u{200b}é漢";
        assert_eq!(name(hostile, 99), "a\\u{1b}[31m\\u{a}\\u{202e}\\u{5d0}\\u{200b}é漢");
        assert_eq!(name("", 10), "(no name)");
    }

    #[test]
    fn an_arn_that_is_cut_keeps_the_end_that_tells_it_from_others() {
        let arn = |session: &str| format!("arn:aws:sts::111122223333:assumed-role/ingest/{session}");
        let shown = [arn("worker-1"), arn("worker-2")].map(|arn| name_ends(&arn, 35));
        assert!(shown[0].starts_with("arn:aws:") && shown[0].ends_with("/ingest/worker-1"), "{shown:?}");
        assert_ne!(shown[0], shown[1]);
        assert!(shown.iter().all(|name| cells(name) == 35), "{shown:?}");
        assert_eq!(name_ends("short", 35), "short");
    }

    #[test]
    fn long_names_are_cut_to_the_cells_there_are() {
        let long = "x".repeat(1_024);
        assert_eq!(name(&long, 8), "xxxxxxx…");
        assert_eq!(name("漢漢漢漢", 5), "漢漢…");
        assert_eq!(cells(&name("漢漢漢漢", 4)), 3);
        assert_eq!(name("exactly8", 8), "exactly8");
    }
}
