//! The tables of the page: every figure, with the exact value and its place in the JSON.

use maud::{Markup, html};

use crate::report::table::{Column, Group, Tone, groups, label};
use crate::report::{Report, Summary};

pub(super) fn section(report: &Report) -> Markup {
    let exact = serde_json::to_value(&report.runs).unwrap_or_default();
    let (load, others): (Vec<Group>, Vec<Group>) =
        groups(&report.runs).into_iter().partition(|group| ["Load", "KMS"].contains(&group.title));
    let (times, costs): (Vec<Group>, Vec<Group>) =
        others.into_iter().partition(|group| group.title.starts_with("Response"));
    html! {
        section id="table" {
            h2 { "All figures" }
            p { "Point at a figure for all its digits." }
            @for sentence in report.runs.iter().filter_map(Summary::failures) { p class="alarm" { (sentence) } }
            @for groups in [load, times, costs].iter().filter(|groups| !groups.is_empty()) {
                div class="card scroll" tabindex="0" { (table(&exact, &report.runs, groups)) }
            }
        }
    }
}

fn table(exact: &serde_json::Value, runs: &[Summary], groups: &[Group]) -> Markup {
    let label = label();
    html! {
        table class="cards" {
            thead {
                tr class="titles" {
                    td colspan=(label.columns.len()) {}
                    @for group in groups { th class="first" scope="colgroup" colspan=(group.columns.len()) { (group.title) } }
                }
                tr {
                    @for (place, column) in label.columns.iter().enumerate() { (heading(column, (place < 2).then_some("name"))) }
                    @for group in groups {
                        @for (place, column) in group.columns.iter().enumerate() { (heading(column, (place == 0).then_some("first"))) }
                    }
                }
            }
            tbody {
                @for (row, run) in runs.iter().enumerate() {
                    tr {
                        @for (place, column) in label.columns.iter().enumerate() {
                            @let cell = (column.cell)(run).text;
                            @match place {
                                0 => th scope="row" { (cell) },
                                1 => td class="name" data-th=(titled(column)) { (cell) },
                                _ => td data-th=(titled(column)) { (datum(exact, row, column.field, &cell)) },
                            }
                        }
                        @for group in groups {
                            @for (place, column) in group.columns.iter().enumerate() {
                                @let cell = (column.cell)(run);
                                td class=[class(place == 0, cell.tone == Tone::Alarm)] data-group=[(place == 0).then_some(group.title)] data-th=(titled(column)) { (datum(exact, row, column.field, &cell.text)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn heading(column: &Column, class: Option<&str>) -> Markup {
    html! { th scope="col" class=[class] { (column.heading) small { (column.unit) } } }
}

/// What a narrow page writes beside the figure, where there is no head of the table.
fn titled(column: &Column) -> String {
    format!("{} {}", column.heading, column.unit).trim().to_owned()
}

fn class(first: bool, alarming: bool) -> Option<&'static str> {
    match (first, alarming) {
        (true, true) => Some("first alarm"),
        (true, false) => Some("first"),
        (false, true) => Some("alarm"),
        (false, false) => None,
    }
}

/// `shown`, with the exact value and its place in the JSON where it has one.
fn datum(runs: &serde_json::Value, row: usize, field: &str, shown: &str) -> Markup {
    let value = (!field.is_empty()).then(|| runs.pointer(&format!("/{row}{field}"))).flatten();
    match value {
        Some(value) if value.is_number() => {
            html! { data value=(value) data-of={ "/runs/" (row) (field) } title=(value) { (shown) } }
        }
        // Money is text in JSON, exact.
        Some(serde_json::Value::String(value)) if field.starts_with("/cost") => {
            html! { data value=(value) data-of={ "/runs/" (row) (field) } title=(value) { (shown) } }
        }
        _ => html! { (shown) },
    }
}
