//! Bills side by side as a page: what encryption adds, the lines, and what they rest on.

use maud::html;
use rust_decimal::prelude::ToPrimitive;

use super::bar::{Row, bars};
use super::{NAME, page, split};
use crate::cost::{Table, grouped_decimal};
use crate::report::figure;
use crate::units::Usd;

/// A page of bills. Every text is shown harmlessly.
#[derive(Clone, Debug)]
pub struct BillPage {
    /// What the page is about.
    pub title: String,
    /// What a reader should take away.
    pub findings: Vec<String>,
    /// The sums of each bill; none for a table alone.
    pub bills: Vec<BillSum>,
    /// The lines.
    pub table: Table,
    /// Assumptions and prices, under their headings.
    pub notes: Vec<(String, Vec<String>)>,
}

/// The sums of a bill, as a bar.
#[derive(Clone, Debug)]
pub struct BillSum {
    /// Whose bill it is.
    pub name: String,
    /// Its total.
    pub total: Usd,
    /// What of it encryption adds.
    pub adds: Usd,
    /// Whether it lacks a line, so that both are too small.
    pub short: bool,
    /// Whether it rests on a price that is not sure.
    pub unsure: bool,
}

impl BillSum {
    /// `usd`, marked as in the table.
    fn text(&self, usd: Usd) -> String {
        let (least, star) = (if self.short { ">= " } else { "" }, if self.unsure { "*" } else { "" });
        format!("{least}{}{star}", grouped_decimal(usd.decimal(), 2))
    }
}

impl BillPage {
    /// The page, which needs nothing else.
    pub fn to_html(&self) -> String {
        let size = |usd: Usd| usd.decimal().to_f64().unwrap_or(0.0).max(0.0);
        let rows: Vec<Row> = self
            .bills
            .iter()
            .map(|sum| {
                let (total, adds) = (sum.text(sum.total), sum.text(sum.adds));
                let plain = sum.total - sum.adds;
                Row {
                    label: html! { (figure::name(&sum.name, NAME)) },
                    value: html! { (total) small { "encryption adds " (adds) } },
                    parts: vec![
                        (
                            "part",
                            size(plain),
                            format!("without encryption {} USD", grouped_decimal(plain.decimal(), 2)),
                        ),
                        (
                            if sum.short { "m1 short" } else { "m1" },
                            size(sum.adds),
                            format!("encryption adds {adds} USD"),
                        ),
                    ],
                }
            })
            .collect();
        let full = self.bills.iter().map(|sum| size(sum.total)).fold(0.0, f64::max);
        let shown = |text: &String| figure::name(text, usize::MAX);
        let head = html! {
            p class="eyebrow" { b { "S3 encryption cost" } }
            @let first = self.findings.first().map_or_else(|| shown(&self.title), shown);
            @let (headline, lede) = split(&first);
            h1 { (headline.replace(" %", "\u{a0}%").trim_end_matches('.')) }
            @if !lede.is_empty() { p class="lede" { (lede) } }
            @if !self.findings.is_empty() { p class="lede" { (shown(&self.title)) } }
        };
        let main = html! {
            @if !self.bills.is_empty() { section id="cost" {
                h2 { "What it costs" }
                p { "In US dollars, all bars on one scale." }
                div class="card top" {
                    (bars(&rows, Some(full)))
                    ul class="legend" {
                        li { span class="swatch part" {} "without encryption" }
                        li { span class="swatch m1" {} "encryption adds" }
                    }
                    @if self.bills.iter().any(|sum| sum.unsure) { p { "* rests on a price that is not confirmed, or was stated only after the month." } }
                    @if self.bills.iter().any(|sum| sum.short) { p { ">= at least: a line is not in the sum, and the pale bar is too short." } }
                }
            } }
            section id="table" {
                h2 { "Line by line" }
                div class="card scroll" tabindex="0" {
                    table class="cards one" {
                        thead { tr {
                            @for column in &self.table.columns { th scope="col" class=[(!column.number).then_some("name")] { (figure::name(&column.name, NAME)) } }
                        } }
                        tbody {
                            @for row in &self.table.rows { tr {
                                @for (place, (cell, column)) in row.iter().zip(&self.table.columns).enumerate() {
                                    @let cell = if cell.is_empty() { String::new() } else { figure::name(cell.trim(), NAME) };
                                    @if place == 0 { th scope="row" { (cell) } }
                                    @else { td class=[(!column.number).then_some("name")] data-th=(figure::name(&column.name, NAME)) { (cell) } }
                                }
                            } }
                        }
                    }
                }
            }
        };
        let foot = html! {
            @for (heading, notes) in &self.notes {
                h2 { (figure::name(heading, NAME)) }
                ul { @for note in notes { li { (shown(note)) } } }
            }
        };
        page(&figure::name(&self.title, 200), &head, &main, &foot)
    }
}
