//! A profile as text for people.

use std::fmt::Write;

use super::summary::{Rate, instant, kms_peak, zipf};
use super::{Profile, QUOTAS, Range, Share, Tally};
use crate::request::SseMode;
use crate::units::NANOS_PER_SECOND;

/// Names of each attribution that are shown.
const SHOWN: usize = 5;
/// Operations that are shown.
const OPERATIONS: usize = 12;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The text of `profile`, for a terminal `width` cells wide.
pub(super) fn render(profile: &Profile, width: usize) -> String {
    let mut out = String::new();
    sections(&mut out, profile, width.clamp(40, 200)).expect("a string takes everything");
    out
}

fn sections(out: &mut String, profile: &Profile, width: usize) -> std::fmt::Result {
    let formats: Vec<String> =
        profile.formats.iter().map(|(format, files)| format!("{files} × {format}")).collect();
    let read = profile.records - profile.duplicates - profile.bad_lines;
    let formats = if formats.is_empty() { "nothing".into() } else { formats.join(", ") };
    writeln!(
        out,
        "Read {formats}: {} records, {} bad, {} more than once.",
        grouped(profile.records),
        grouped(profile.bad_lines),
        grouped(profile.duplicates)
    )?;
    if profile.unrelated > 0 {
        writeln!(
            out,
            "{} of {} are of other services or say nothing of objects.",
            grouped(profile.unrelated),
            grouped(read)
        )?;
    }
    if profile.inventoried > 0 {
        writeln!(out, "{} objects stand in the inventory.", grouped(profile.inventoried))?;
    }
    if read > 0 && profile.requests() == 0 && profile.kms.seen.is_empty() {
        writeln!(out, "{}", nothing_of_s3(profile))?;
    }
    if let (Some(from), Some(until)) = (profile.from, profile.until) {
        writeln!(out, "From {} to {}.", instant(from), instant(until))?;
        load(out, profile, width)?;
    }
    kms(out, profile)?;
    if profile.requests() > 0 || !profile.kms.seen.is_empty() {
        writeln!(out, "\nWho causes it")?;
        for (title, tally) in
            [("bucket", &profile.buckets), ("prefix", &profile.prefixes), ("principal", &profile.principals)]
        {
            attribution(out, title, tally, width)?;
        }
    }
    if !profile.assumptions.is_empty() {
        let all: Vec<&str> = profile.assumptions.keys().map(String::as_str).collect();
        writeln!(out, "\nAssumed: {}.", all.join("; "))?;
    }
    if profile.requests() > 0 {
        writeln!(
            out,
            "\nA month of it in money: s3seal cost --profile FILE, where FILE is this with --format json"
        )?;
    }
    Ok(())
}

/// What to do about a profile without a request.
const fn nothing_of_s3(profile: &Profile) -> &'static str {
    if profile.inventoried > 0 {
        "An inventory holds no requests: give it with --inventory beside the logs, whose objects' modes it tells."
    } else {
        "No request to S3 is in it: CloudTrail has those for objects where the trail logs data events of S3."
    }
}

fn load(out: &mut String, profile: &Profile, width: usize) -> std::fmt::Result {
    let rate = Rate::of(profile);
    writeln!(
        out,
        "\nRequests a second: mean {}, p99 {}, peak {}",
        if rate.mean < 0.01 { "<0.01".into() } else { format!("{:.2}", rate.mean) },
        grouped(rate.p99),
        grouped(rate.peak)
    )?;
    if let Some(dispersion) = rate.dispersion {
        writeln!(out, "Burstiness: variance ÷ mean {dispersion:.1} (1 is Poisson)")?;
    }
    if rate.one_in > 1 {
        writeln!(out, "(from a sample of one second in {})", rate.one_in)?;
    }
    chart(out, profile, width)?;
    let over: Vec<String> =
        QUOTAS.iter().filter(|quota| rate.kms_peak > **quota).map(|quota| grouped(*quota)).collect();
    write!(out, "KMS calls in the busiest second, if all were SSE-KMS: {}", grouped(rate.kms_peak))?;
    match over.last() {
        Some(_) => writeln!(out, ", over quotas of {}", over.join(", "))?,
        None => writeln!(out, ", under every quota (the smallest is {})", grouped(QUOTAS[0]))?,
    }
    writeln!(out, "\n{:<34} {:>13} {:>9} {:>11} {:>11}", "Operation", "requests", "failed", "out", "in")?;
    let mut operations: Vec<_> = profile.operations.iter().collect();
    operations.sort_by_key(|(name, operation)| (std::cmp::Reverse(operation.requests), *name));
    let more = operations.len().saturating_sub(OPERATIONS);
    for (name, operation) in operations.into_iter().take(OPERATIONS) {
        writeln!(
            out,
            "{:<34} {:>13} {:>9} {:>11} {:>11}",
            cut(name, 34),
            grouped(operation.requests),
            grouped(operation.failed),
            bytes(operation.bytes_out),
            bytes(operation.bytes_in),
        )?;
    }
    if more > 0 {
        writeln!(out, "and {more} more")?;
    }
    let (sizes, objects) = (&profile.sizes, profile.objects.distinct());
    writeln!(out)?;
    if sizes.count() > 0 {
        let at = |per_mille| bytes(sizes.quantile(per_mille));
        writeln!(
            out,
            "Sizes: p50 {}, p90 {}, p99 {}, largest {}",
            at(500),
            at(900),
            at(990),
            bytes(sizes.max())
        )?;
    }
    let counts = profile.objects.counts();
    if !counts.is_empty() {
        write!(out, "Objects: {}{}", grouped(objects.count), error(objects.standard_error))?;
        let total: u64 = counts.iter().sum();
        let top = counts[..counts.len().div_ceil(100)].iter().sum::<u64>();
        write!(out, "; the most popular 1 % get {:.0} % of the requests", percent(top, total))?;
        match zipf(&counts) {
            Some(exponent) => writeln!(out, "; about Zipf {exponent:.2}")?,
            None => writeln!(out)?,
        }
    }
    if profile.reuse_ms.count() > 0 {
        let at = |per_mille| duration(profile.reuse_ms.quantile(per_mille));
        writeln!(
            out,
            "Between two requests for one object: p50 {}, p90 {}, p99 {}",
            at(500),
            at(900),
            at(990)
        )?;
    }
    let requesters = profile.requesters.distinct();
    writeln!(out, "Requesters: {}{}", grouped(requesters.count), error(requesters.standard_error))
}

/// Requests over time as bars.
fn chart(out: &mut String, profile: &Profile, width: usize) -> std::fmt::Result {
    let points: Vec<(u64, u64)> = profile.series.points().collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
    let stretches = (last.0 - first.0) / profile.series.step() + 1;
    let per_bar = stretches.div_ceil(width as u64 - 2).max(1) * profile.series.step();
    let bars = usize::try_from((last.0 - first.0) / per_bar + 1).unwrap_or(1);
    let mut heights = vec![0_u64; bars];
    for (second, requests) in &points {
        heights[usize::try_from((second - first.0) / per_bar).unwrap_or(0).min(bars - 1)] += requests;
    }
    let top = heights.iter().copied().max().unwrap_or(0).max(1);
    let bar = |height: &u64| match *height {
        0 => ' ',
        height => BARS[usize::try_from((u128::from(height) * 8 - 1) / u128::from(top)).unwrap_or(7).min(7)],
    };
    writeln!(out, "{}  ({} a bar)", heights.iter().map(bar).collect::<String>(), duration(per_bar * 1_000))
}

fn kms(out: &mut String, profile: &Profile) -> std::fmt::Result {
    let kms = &profile.kms;
    if !kms.implied.is_empty() {
        writeln!(out, "\nKMS calls that these requests make, by mode")?;
        let of = |mode: &SseMode| kms.implied.get_key_value(mode.as_str());
        for (mode, range) in SseMode::ALL.iter().filter_map(of) {
            writeln!(out, "  {mode:<20} {}", spread(*range))?;
        }
    }
    if !kms.not_by_s3.is_empty() {
        writeln!(out, "\nKMS calls by others than S3: {}", list(&kms.not_by_s3))?;
    }
    let predicted = kms.predicted();
    if kms.seen.is_empty() && predicted.high == 0 {
        return Ok(());
    }
    let seen: u64 = kms.seen.values().sum();
    writeln!(
        out,
        "\nKMS calls by S3, seen: {}{}",
        grouped(seen),
        if seen > 0 { format!(" ({})", list(&kms.seen)) } else { String::new() }
    )?;
    if let (Some(second), peak) = kms_peak(profile) {
        writeln!(out, "  {} in the busiest second, {}", grouped(peak), instant(second * NANOS_PER_SECOND))?;
    }
    writeln!(out, "Predicted from the S3 requests alone: {}", spread(predicted))?;
    for (name, range) in [("GenerateDataKey", kms.generate_data_key), ("Decrypt", kms.decrypt)] {
        writeln!(out, "  {name:<20} {}", spread(range))?;
    }
    if kms.update.high > 0 {
        writeln!(out, "  {:<22} {}", "UpdateObjectEncryption", spread(kms.update))?;
    }
    if kms.by_session != 0 {
        let calls = grouped(kms.likely_by_session());
        writeln!(out, "  {calls} if each session of a role fetches Bucket Keys of its own")?;
    }
    if !kms.basis.is_empty() {
        writeln!(out, "  the mode is known by: {}", list(&kms.basis))?;
    }
    if seen > 0 {
        writeln!(out, "  {} calls agree", grouped(kms.agreed))?;
        for (title, causes) in [
            ("seen, not predicted", &kms.seen_not_predicted),
            ("predicted, not seen", &kms.predicted_not_seen),
        ] {
            for (cause, times) in causes {
                writeln!(out, "  {title}: {} {cause}", grouped(*times))?;
            }
        }
    }
    Ok(())
}

fn attribution(out: &mut String, title: &str, tally: &Tally, width: usize) -> std::fmt::Result {
    if tally.is_empty() {
        return Ok(());
    }
    let name = width.saturating_sub(40).max(20);
    let kms = |share: &Share| if share.kms_seen > 0 { grouped(share.kms_seen) } else { "-".into() };
    writeln!(out, "{:<name$} {:>13} {:>11} {:>10}", title, "requests", "out", "KMS seen")?;
    for (who, share) in tally.top(SHOWN) {
        let who = if who.is_empty() { "(nobody named)" } else { who };
        writeln!(
            out,
            "  {:<inner$} {:>13} {:>11} {:>10}",
            cut(who, name - 2),
            grouped(share.requests),
            bytes(share.bytes_out),
            kms(share),
            inner = name - 2
        )?;
    }
    if tally.len() > SHOWN {
        writeln!(out, "  and {} more", grouped(tally.len() as u64 - SHOWN as u64))?;
    }
    if tally.undercount() > 0 {
        writeln!(
            out,
            "  (each may lack up to {} requests that are counted under others)",
            grouped(tally.undercount())
        )?;
    }
    Ok(())
}

fn spread(range: Range) -> String {
    if range.low == range.high {
        return grouped(range.likely);
    }
    format!("{} (from {} to {})", grouped(range.likely), grouped(range.low), grouped(range.high))
}

fn list(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let all: Vec<String> = counts.iter().map(|(name, times)| format!("{} {name}", grouped(*times))).collect();
    all.join(", ")
}

fn error(standard_error: f64) -> String {
    if standard_error > 0.0 { format!(" ± {:.1} %", standard_error * 100.0) } else { String::new() }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn bytes(bytes: u64) -> String {
    let mut scaled = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if scaled < 1_024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{scaled:.1} {unit}") };
        }
        scaled /= 1_024.0;
    }
    format!("{scaled:.1} PiB")
}

fn duration(millis: u64) -> String {
    match millis {
        0 => "0 s".into(),
        1..1_000 => format!("{millis} ms"),
        1_000..120_000 => format!("{:.0} s", millis as f64 / 1e3),
        120_000..7_200_000 => format!("{:.0} min", millis as f64 / 6e4),
        7_200_000..172_800_000 => format!("{:.0} h", millis as f64 / 3.6e6),
        _ => format!("{:.0} d", millis as f64 / 8.64e7),
    }
}

/// `text` in at most `width` characters, its middle left out: names of one kind begin alike, and end as they differ.
fn cut(text: &str, width: usize) -> String {
    let clean = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    let length = text.chars().count();
    if length <= width {
        return text.chars().map(clean).collect();
    }
    let end = (width - 1).div_ceil(2);
    let begin = text.chars().take(width - 1 - end);
    begin.chain(['…']).chain(text.chars().skip(length - end)).map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_profile_lacks_has_no_heading_and_a_hint_where_it_is_all() {
        let text = |profile: &Profile| render(profile, 80);
        assert!(text(&Profile::default()).starts_with("Read nothing: 0 records"));
        let mut profile = Profile { records: 4, inventoried: 4, ..Profile::default() };
        assert!(text(&profile).contains("4 objects stand in the inventory.\nAn inventory holds no requests"));
        profile.inventoried = 0;
        assert!(text(&profile).contains("No request to S3 is in it"));
        profile.kms.seen.insert("Decrypt".into(), 1);
        let text = text(&profile);
        assert!(text.contains("KMS calls by S3, seen: 1 (1 Decrypt)"), "{text}");
        for absent in ["No request to S3", "is known by", "bucket  ", "prefix  "] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn a_long_name_loses_its_middle_and_keeps_what_tells_it_apart() {
        assert_eq!(cut("analytics-production-0", 12), "analy…tion-0");
        assert_ne!(cut("analytics-production-0", 12), cut("analytics-production-1", 12));
        assert_eq!(cut("漢字漢字漢字", 5), "漢字…漢字");
        assert_eq!(cut("short\n", 12), "short\u{FFFD}");
    }
}
