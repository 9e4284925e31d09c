//! Stacked bars, one per row: where the time goes, where the money goes.

use maud::{Markup, html};

/// A row of a bar chart.
pub(super) struct Row {
    pub(super) label: Markup,
    /// What the whole comes to, as written beside it.
    pub(super) value: Markup,
    /// Class, size and description of each part, from the left.
    pub(super) parts: Vec<(&'static str, f64, String)>,
}

/// `rows` on one scale: `full` fills the width; without it each row fills its own.
pub(super) fn bars(rows: &[Row], full: Option<f64>) -> Markup {
    html! {
        div class="bars" {
            @for row in rows {
                div class="label" { (row.label) }
                (bar(&row.parts, full.unwrap_or_else(|| row.parts.iter().map(|(_, size, _)| size).sum())))
                div class="value" { (row.value) }
            }
        }
    }
}

fn bar(parts: &[(&'static str, f64, String)], full: f64) -> Markup {
    let mut from = 0.0;
    let placed: Vec<_> = parts
        .iter()
        .filter(|(_, size, _)| size.is_finite() && *size > 0.0 && full > 0.0)
        .map(|(class, size, said)| {
            let start = from;
            let width = size / full * 1_000.0;
            from += width;
            (*class, start, width, said)
        })
        .collect();
    html! {
        svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(names(parts)) {
            @for (class, start, width, said) in placed {
                rect class=(class) x=(format!("{start:.2}")) y="0" width=(format!("{width:.2}")) height="10" { title { (said) } }
            }
        }
    }
}

fn names(parts: &[(&'static str, f64, String)]) -> String {
    parts
        .iter()
        .filter(|(_, size, _)| *size > 0.0)
        .map(|(_, _, said)| said.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
