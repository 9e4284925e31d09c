//! Times as logs write them, to nanoseconds since 1970, without a calendar library on the hot path.

use crate::units::Timestamp;

const NANOS: u64 = 1_000_000_000;

/// Days from 1970-01-01 to a civil date of the proleptic Gregorian calendar, from 1970 on.
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil` (docs/SOURCES.md).
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..2554).contains(&year) || day == 0 || day > longest {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// `digits` as a number; `None` where one is no digit.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(sum * 10 + u64::from(digit))
    })
}

/// Seconds of the day; a leap second counts as the last ordinary one.
fn of_day(hour: u64, minute: u64, second: u64) -> Option<u64> {
    (hour < 24 && minute < 60 && second < 61).then_some(hour * 3_600 + minute * 60 + second.min(59))
}

/// `06/Feb/2019:00:00:38 +0000`, any offset, in nanoseconds since 1970.
pub(super) fn of_access_log(text: &[u8]) -> Option<Timestamp> {
    let text: &[u8; 26] = text.try_into().ok()?;
    let marks = [text[2], text[6], text[11], text[14], text[17], text[20]];
    if marks != *b"//::: " {
        return None;
    }
    let month = match &text[3..6] {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    let days = days(number(&text[7..11])?, month, number(&text[..2])?)?;
    let local =
        days * 86_400 + of_day(number(&text[12..14])?, number(&text[15..17])?, number(&text[18..20])?)?;
    let offset = number(&text[22..24])? * 3_600 + number(&text[24..26])? * 60;
    let seconds = match text[21] {
        b'+' => local.checked_sub(offset)?,
        b'-' => local + offset,
        _ => return None,
    };
    Some(Timestamp::from_seconds(seconds))
}

/// `2015-09-10T23:58:18Z`, with a space for the `T`, with decimals, with an offset, or without a zone, which means UTC.
pub(super) fn of_iso(text: &str) -> Option<Timestamp> {
    let bytes = text.trim().as_bytes();
    let (head, tail) = bytes.split_at_checked(19)?;
    if [head[4], head[7], head[13], head[16]] != *b"--::" || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let days = days(number(&head[..4])?, number(&head[5..7])?, number(&head[8..10])?)?;
    let local =
        days * 86_400 + of_day(number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?)?;
    let (fraction, zone) = match tail.split_first() {
        Some((b'.' | b',', rest)) => rest.split_at(rest.iter().take_while(|b| b.is_ascii_digit()).count()),
        _ => (&tail[..0], tail),
    };
    let kept = &fraction[..fraction.len().min(9)];
    let mut nanos = number(kept)?;
    for _ in kept.len()..9 {
        nanos *= 10;
    }
    let seconds = match zone {
        [] | [b'Z' | b'z'] => local,
        [sign @ (b'+' | b'-'), hours @ ..] => {
            let offset = match hours {
                [a, b] => number(&[*a, *b])? * 3_600,
                [a, b, c, d] | [a, b, b':', c, d] => number(&[*a, *b])? * 3_600 + number(&[*c, *d])? * 60,
                _ => return None,
            };
            if *sign == b'+' { local.checked_sub(offset)? } else { local + offset }
        }
        _ => return None,
    };
    Some(Timestamp::from_nanos(seconds.checked_mul(NANOS)?.checked_add(nanos)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_time_zone_of_a_line_counts() {
        let utc = of_access_log(b"06/Feb/2019:00:00:38 +0000").unwrap();
        assert_eq!(utc, Timestamp::from_seconds(1_549_411_238));
        assert_eq!(of_access_log(b"06/Feb/2019:02:00:38 +0200"), Some(utc));
        assert_eq!(of_access_log(b"05/Feb/2019:18:30:38 -0530"), Some(utc));
        for text in ["06/Feb/2019:00:00:38", "31/Feb/2019:00:00:38 +0000", "06/feb/2019:00:00:38 +0000", ""] {
            assert_eq!(of_access_log(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn iso_times_come_in_several_shapes() {
        let at = |text| of_iso(text).map(Timestamp::as_nanos);
        assert_eq!(at("2015-09-10T23:58:18Z"), Some(1_441_929_498_000_000_000));
        assert_eq!(at("2021-10-19 00:56:05"), Some(1_634_604_965_000_000_000));
        assert_eq!(at("2020-09-14T00:44:20.529Z"), Some(1_600_044_260_529_000_000));
        assert_eq!(at("2020-09-14T02:44:20.529+02:00"), at("2020-09-14T00:44:20.529Z"));
        for text in
            ["2015-09-10", "2015-13-10T23:58:18Z", "2015-09-10T23:58:18 Berlin", "1969-12-31T23:59:59Z"]
        {
            assert_eq!(at(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_agrees_with_the_calendar_library(seconds in 0_i64..18_000_000_000) {
            let time = jiff::Timestamp::from_second(seconds).unwrap();
            let seconds = seconds.unsigned_abs();
            prop_assert_eq!(of_iso(&time.to_string()), Some(Timestamp::from_seconds(seconds)));
            let line = time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
            prop_assert_eq!(of_access_log(line.as_bytes()), Some(Timestamp::from_seconds(seconds)));
        }

        #[test]
        fn no_text_makes_a_time_panic(text in ".{0,40}") {
            let _ = (of_iso(&text), of_access_log(text.as_bytes()));
        }
    }
}
