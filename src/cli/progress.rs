//! Progress on a terminal: bar, rate and time left; nothing in a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How many of `runs` simulated runs are done, and since when they go. Hidden unless standard error is a terminal.
pub(super) fn runs(runs: usize) -> ProgressBar {
    let bar = ProgressBar::new(runs as u64);
    let style =
        ProgressStyle::with_template("simulating {wide_bar} {pos} of {len} runs done, {elapsed} {msg}");
    bar.set_style(style.expect("the template is valid"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar over `bytes`, or a counter where the length is unknown. Hidden unless standard error is a terminal.
pub(super) fn bar(bytes: Option<u64>, doing: &'static str) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{msg} {binary_bytes} {binary_bytes_per_sec} {elapsed}"),
    };
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    bar.set_style(style);
    bar.set_message(doing);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
