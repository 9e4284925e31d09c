//! What `load` shows while it runs: a live view on a terminal, a plain line now and then in a pipe. On standard error.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use s3seal::cost::grouped;
use s3seal::live::Progress;
use s3seal::units::{NANOS_PER_SECOND, Span};

/// How often the view is drawn.
const TICK: Duration = Duration::from_millis(200);
/// How often a pipe gets a line.
const LINE: Duration = Duration::from_secs(5);
/// Cells of the bar of KMS calls.
const BAR: u64 = 24;

/// The view over a whole command.
pub(super) struct Watch {
    bar: ProgressBar,
    terminal: bool,
}

/// The counters at an instant.
#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    ended: u64,
    kms_calls: u64,
}

impl Watch {
    /// A view of a command that takes `length` nanoseconds of schedule.
    pub(super) fn new(length: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let style =
            ProgressStyle::with_template("{msg}\n{wide_bar} {eta} left").expect("the template is valid");
        let bar = ProgressBar::new(length).with_style(style);
        Self { bar, terminal }
    }

    pub(super) fn position(&self) -> u64 {
        self.bar.position()
    }

    pub(super) fn set_position(&self, nanos: u64) {
        self.bar.set_position(nanos);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Says `text` above the view; nothing in a pipe.
    pub(super) fn say(&self, text: &str) {
        self.bar.println(text);
    }

    /// Says `text` above the view, or as a line in a pipe.
    pub(super) fn announce(&self, text: &str) {
        if self.terminal {
            self.bar.println(text);
        } else {
            eprintln!("s3seal: {text}");
        }
    }

    /// Shows one run until it is `over`, which began when the view stood at `base`.
    pub(super) fn follow(
        &self,
        progress: &Progress,
        what: &str,
        quota: Option<u64>,
        base: u64,
        over: &AtomicBool,
    ) {
        let seen = || Seen {
            #[expect(clippy::disallowed_methods, reason = "the pace of a view")]
            at: Instant::now(),
            ended: progress.ended.load(Ordering::Relaxed),
            kms_calls: progress.kms_calls.load(Ordering::Relaxed),
        };
        let pace = if self.terminal { Duration::from_secs(1) } else { LINE };
        let mut before = seen();
        let mut said = before.at;
        let throttled_before = progress.throttled.load(Ordering::Relaxed);
        let mut text = sealing(what, progress);
        while !over.load(Ordering::Relaxed) {
            let now = seen();
            let elapsed = progress.elapsed_ns.load(Ordering::Relaxed);
            if elapsed == 0 {
                // The population is being sealed: the rate begins with the first request.
                text = sealing(what, progress);
                if !self.terminal && now.at.duration_since(said) >= LINE {
                    eprintln!("s3seal: {text}");
                    said = now.at;
                }
                before = now;
            }
            if now.at.duration_since(before.at) >= pace && elapsed > 0 {
                let throttled = progress.throttled.load(Ordering::Relaxed) - throttled_before;
                text = line(what, quota, progress, (before, now), throttled, self.terminal);
                before = now;
                if !self.terminal {
                    let left =
                        self.bar.length().unwrap_or(0).saturating_sub(base + elapsed) / NANOS_PER_SECOND;
                    eprintln!("s3seal: {text}, {left} s left");
                }
            }
            if self.terminal {
                self.bar.set_message(text.clone());
                self.bar.set_position(base + elapsed);
            }
            std::thread::park_timeout(TICK);
        }
    }
}

/// How far the population is.
fn sealing(what: &str, progress: &Progress) -> String {
    let [sealed, all] = [&progress.sealed, &progress.to_seal].map(|count| count.load(Ordering::Relaxed));
    if all == 0 {
        return format!("{what}: sealing the population");
    }
    let percent = sealed.min(all) * 100 / all;
    format!(
        "{what}: sealing the population, {} of {} objects, {percent} %",
        grouped(sealed.into()),
        grouped(all.into())
    )
}

fn line(
    what: &str,
    quota: Option<u64>,
    progress: &Progress,
    (before, now): (Seen, Seen),
    throttled: u64,
    terminal: bool,
) -> String {
    let millis = now.at.duration_since(before.at).as_millis().max(1);
    let rate = |from: u64, to: u64| u128::from(to.saturating_sub(from)) * 1_000 / millis;
    let time = |per_mille| progress.times.quantile(per_mille).map_or_else(|| "–".into(), short);
    let requests = grouped(rate(before.ended, now.ended));
    let (p50, p99) = (time(500), time(990));
    let mut text = format!("{what}: {requests} requests/s, p50 {p50}, p99 {p99}");
    if let Some(quota) = quota {
        let calls = rate(before.kms_calls, now.kms_calls);
        let bar = if terminal { format!("\nKMS {} ", gauge(calls, quota)) } else { ", KMS ".into() };
        let _ = write!(
            text,
            "{bar}{} of {} calls/s, {} throttled",
            grouped(calls),
            grouped(quota.into()),
            grouped(throttled.into())
        );
    }
    text
}

/// A bar that is full at the quota.
fn gauge(calls: u128, quota: u64) -> String {
    let full = (calls * u128::from(BAR)).div_ceil(u128::from(quota.max(1))).min(u128::from(BAR));
    (0..u128::from(BAR)).map(|cell| if cell < full { '█' } else { '░' }).collect()
}

/// Two digits are as many as the counters keep.
fn short(span: Span) -> String {
    let nanos = span.as_nanos();
    let (unit, name) = match nanos {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..NANOS_PER_SECOND => (1_000_000, "ms"),
        _ => (NANOS_PER_SECOND, "s"),
    };
    let (whole, tenth) = (nanos / unit, nanos % unit * 10 / unit);
    if whole < 10 && unit > 1 { format!("{whole}.{tenth} {name}") } else { format!("{whole} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_is_full_at_the_quota_and_shows_a_single_call() {
        let cells = |calls| gauge(calls, 5_500).matches('█').count();
        assert_eq!([0, 1, 2_750, 5_500, 99_999].map(cells), [0, 1, 12, 24, 24]);
    }

    #[test]
    fn times_are_short() {
        assert_eq!(
            [12, 1_999, 45_000, 7_260_000, 12_000_000_000].map(|n| short(Span::from_nanos(n))),
            ["12 ns", "1.9 µs", "45 µs", "7.2 ms", "12 s"]
        );
    }
}
