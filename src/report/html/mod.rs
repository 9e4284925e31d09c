//! A report as one HTML page: no script, no network, charts as inline SVG, values on hover.
//!
//! Markup is `maud`'s, which escapes every text; names from outside are made harmless before that as in the text report.
//! Charts are drawn by plotters on a back end of ours (docs/adr/0019). Figures in the table are `<data>` elements with the
//! exact value and the place in the JSON that it comes from.

mod bar;
mod bill;
mod chart;
mod line_chart;
mod palette;
mod panel;
mod plan;
mod profile;
mod profile_chart;
mod sheet;
mod table;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use rust_decimal::prelude::ToPrimitive;

use self::bar::{Row, bars};
use super::figure::{self, NONE, count, rate, share, time};
use super::search::WHICH;
use super::table::{FEWER, fewer, money};
use super::text::{SAVES, caller, rate_of};
use super::{Cost, CostAttribution, CostShare, Kind, PhaseMeans, Report, Rule, Search, Share, Summary};
use crate::cost::grouped_decimal;
use crate::request::SseMode;
use crate::units::Usd;

pub use bill::{BillPage, BillSum};
pub use line_chart::{LINES_MAX, Line, LineChart, LineName, LinePanel};
pub use palette::{DARK, LIGHT, Theme};
pub use plan::{PlanPage, PlanPoint};
pub use profile::ProfilePage;

/// Characters of a name from outside.
const NAME: usize = 80;
/// Members that are shown of each breakdown.
const MEMBERS: usize = 5;

/// Runs that are drawn together: on one clock, under one quota, and with those for which no quota matters.
struct Group<'a> {
    title: String,
    /// With their places in the report.
    runs: Vec<(usize, &'a Summary)>,
}

impl Report {
    /// The report as an HTML page that needs nothing else: under 1 MB, whatever the length of the runs. Names from outside
    /// are shown harmlessly.
    pub fn to_html(&self) -> String {
        let groups = together(&self.runs);
        let title = sentences(self)
            .first()
            .map_or_else(|| "No run was made".into(), |first| split(first).0.to_owned());
        let main = html! {
            @if !self.searches.is_empty() { (search_section(&self.searches)) }
            @if !self.runs.is_empty() {
                (quota_section(&groups))
                (latency_section(&groups))
                (phase_section(&self.runs))
                (hit_section(&groups))
                (cost_section(self))
                (table::section(self))
                (member_section(&self.runs))
            }
        };
        page(&title, &head(self), &main, &foot(self))
    }
}

/// What a reader should take away, the most important first.
fn sentences(report: &Report) -> Vec<String> {
    let found = report.findings().into_iter().filter(|finding| finding.rule != Rule::Invalid);
    let searched = report.searches.iter().map(Search::sentence);
    searched.chain(found.map(|finding| finding.sentence)).chain(report.part()).collect()
}

/// `1 request/s`, `8,000 requests/s`.
fn requests_per_s(per_s: f64) -> String {
    let shown = rate(per_s);
    format!("{shown} request{}/s", if shown == "1" { "" } else { "s" })
}

fn head(report: &Report) -> Markup {
    let invalid = report.findings().into_iter().find(|finding| finding.rule == Rule::Invalid);
    let kinds = |kind| report.runs.iter().any(|run| run.kind == kind);
    let kind = match (kinds(Kind::Live), kinds(Kind::Simulated)) {
        (true, true) => "measured on the clock, with simulated runs beside",
        (true, false) => "measured on the clock, with real encryption",
        (false, true) => "simulated in virtual time",
        (false, false) => "empty",
    };
    let mut findings = sentences(report).into_iter();
    let headline = findings.next().unwrap_or_else(|| "No run was made.".into());
    let (headline, lede) = split(&headline);
    // Of searches each run has a rate of its own.
    let first = report.runs.first().filter(|_| report.searches.is_empty());
    let load =
        first.map(|run| format!("{} for {}", requests_per_s(run.offered_per_s), time(run.measured_ns)));
    html! {
        @if let Some(invalid) = invalid { p class="invalid" { (invalid.sentence) } }
        p class="eyebrow" { b { "S3 encryption report" } @if !report.name.is_empty() { " · " (figure::name(&report.name, NAME)) } " · " (kind) @if let Some(load) = load { " · " (load) } }
        h1 { (headline.replace(" %", "\u{a0}%")) }
        @if !lede.is_empty() { p class="lede" { (lede) } }
        @let rest: Vec<String> = findings.collect();
        @if !rest.is_empty() {
            ul class="more" {
                @for sentence in &rest { @let (head, tail) = split(sentence); li { b { (head) } span { (tail) } } }
            }
        }
        @if !report.runs.is_empty() { div class="tiles" { @for run in &report.runs { (tile(run, &report.runs)) } } }
    }
}

fn foot(report: &Report) -> Markup {
    html! {
        h2 { "How to read this" }
        p { "Percentiles cover every request that started, failed ones with the time they took; dropped ones took none and \
            are counted apart. Completed are the successes that ended in the measured time. Values show when you point at \
            a bar or a dot; the table holds the exact figures." }
        @if !report.notes.is_empty() {
            h2 { "Assumptions and notes" }
            ul { @for note in &report.notes { li { (figure::name(note, usize::MAX)) } } }
        }
        h2 { "What the model rests on" }
        ul {
            li { "KMS quotas by Region and date, and refusing beyond them second by second: AWS KMS developer guide, request quotas and \
                throttling, 2026. That a throttled call uses no quota and costs nothing is an assumption." }
            li { "Which requests call KMS, and Bucket Keys: Amazon S3 user guide, April 2026. Their lifetime is an assumption." }
            li { "Back-off of clients: AWS SDKs and Tools reference guide, 2026. Percentiles: HdrHistogram, three digits." }
            @if report.runs.iter().any(|run| run.cost.is_some()) {
                li { "Prices with the source and date of each: s3seal cost prices." }
            }
        }
        h2 { "Where this comes from" }
        dl {
            @if !report.name.is_empty() { dt { "Scenario" } dd { (figure::name(&report.name, 400)) } }
            dt { "Seed" } dd { data value=(report.seed) data-of="/seed" { (report.seed) } }
            dt { "Program" } dd { "s3seal " (figure::name(&report.s3seal, NAME)) @if !report.commit.is_empty() { ", commit " (figure::name(&report.commit, NAME)) } }
            dt { "Machine" } dd { @if report.machine.is_empty() { "none: virtual time needs no particular one" } @else { (figure::name(&report.machine, 400)) } }
            @if let Some(shard) = report.shard { dt { "Part" } dd { "shard " (shard.index) " of " (shard.of) ", numbered from 0" } }
        }
        details { summary { "The scenario in full" } pre { (lines(&report.scenario)) } }
    }
}

/// A page of this house's style: what every HTML file of s3seal looks like.
fn page(title: &str, head: &Markup, main: &Markup, foot: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(palette::style())) }
            }
            body { header { (head) } main { (main) } footer { (foot) } }
        }
    }
    .into_string()
}

/// `Head: tail.` as head and tail: a headline, and what explains it.
fn split(sentence: &str) -> (&str, &str) {
    match sentence.split_once(": ") {
        Some((head, tail)) => (head, tail),
        None => sentence.split_once("; ").unwrap_or((sentence.trim_end_matches('.'), "")),
    }
}

/// A text of several lines, harmless.
fn lines(text: &str) -> String {
    let shown =
        text.lines().map(|line| if line.is_empty() { String::new() } else { figure::name(line, 1_000) });
    shown.collect::<Vec<_>>().join("\n")
}

const MODE_CLASSES: [&str; 7] = ["m0", "m1", "m2", "m3", "m4", "m5", "m6"];

fn mode_class(mode: SseMode) -> &'static str {
    let place = SseMode::ALL.iter().position(|held| *held == mode).unwrap_or(MODE_CLASSES.len() - 1);
    MODE_CLASSES[place]
}

fn swatch(mode: SseMode) -> Markup {
    html! { span class={ "swatch " (mode_class(mode)) } {} }
}

/// What tells runs of one mode apart.
fn chip(run: &Summary) -> Markup {
    let kind = if run.kind == Kind::Simulated { "simulated" } else { "live" };
    html! { small { (kind) @if let Some(quota) = run.quota_per_s { ", quota " (count(quota)) "/s" } } }
}

fn tile(run: &Summary, all: &[Summary]) -> Markup {
    let lost = run.failed.saturating_add(run.dropped);
    let quota = run.quota_per_s.filter(|_| all.iter().filter(|other| other.mode == run.mode).count() > 1);
    html! {
        div class={ "tile " (mode_class(run.mode)) } {
            b { (run.mode) @if let Some(quota) = quota { br; "under " (count(quota)) "/s" } }
            (chip(run))
            span class="big" { (if run.response_time_ns.count == 0 { NONE.into() } else { time(run.response_time_ns.p99) }) }
            span { "p99 response time" }
            @if lost > 0 { span class="alarm" { (share(figure::ratio(lost, run.offered))) " of requests fail" } }
            @else if run.offered == 0 { span { "no request was sent" } }
            @else { span { "no request fails" } }
            @if let Some(calls) = run.calls_needed_per_request() {
                @let shown = rate(calls);
                span { (shown) " KMS call" (if shown == "1" { "" } else { "s" }) "/request" }
            }
            @if run.is_filling() { span { "cache still filling" } }
        }
    }
}

fn together(runs: &[Summary]) -> Vec<Group<'_>> {
    let mut keys: Vec<(Kind, Option<u64>)> = Vec::new();
    for run in runs {
        let key = (run.kind, run.quota_per_s);
        if key.1.is_some() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    for run in runs {
        if !keys.iter().any(|(kind, _)| *kind == run.kind) {
            keys.push((run.kind, None));
        }
    }
    keys.into_iter()
        .map(|(kind, quota)| Group {
            title: match quota {
                Some(quota) => format!("{}, quota {}/s", kind.as_str(), count(quota)),
                None => kind.as_str().into(),
            },
            runs: runs
                .iter()
                .enumerate()
                .filter(|(_, run)| {
                    run.kind == kind && (run.quota_per_s == quota || run.quota_per_s.is_none())
                })
                .collect(),
        })
        .collect()
}

fn search_section(searches: &[Search]) -> Markup {
    html! {
        section id="searches" {
            h2 { "What was tried" }
            p { (WHICH) }
            div class="grid wide" {
                @for search in searches {
                    div class="card" {
                        h3 { (swatch(search.mode)) (search.title()) }
                        div class="scroll" tabindex="0" { table {
                            thead { tr { th scope="col" { "requests/s" } th scope="col" { "requests" } th scope="col" { "p99" } th scope="col" class="name" { "missed" } } }
                            tbody {
                                @for probe in &search.probes {
                                    tr {
                                        td { (rate(probe.rate_per_s)) } td { (count(probe.requests)) } td { (time(probe.p99_ns)) }
                                        td class="name" { (if probe.missed.is_empty() { NONE.into() } else { figure::name(&probe.missed.join(", "), 200) }) }
                                    }
                                }
                            }
                        } }
                    }
                }
            }
        }
    }
}

fn quota_section(groups: &[Group<'_>]) -> Markup {
    let shown: Vec<&Group<'_>> =
        groups.iter().filter(|group| group.runs.iter().any(|(_, run)| chart::may_call(run))).collect();
    html! {
        @if !shown.is_empty() {
            section id="quota" {
                h2 { "KMS calls against the quota" }
                p { "Calls per second. The dashed line is the quota; what stands above it in red was throttled. The shaded part is \
                    the warm-up." }
                @for group in shown { (chart::quota(group)) }
            }
        }
    }
}

fn latency_section(groups: &[Group<'_>]) -> Markup {
    if groups.iter().all(|group| group.runs.iter().all(|(_, run)| run.started() == 0)) {
        return html! {};
    }
    html! {
        section id="latency" {
            h2 { "How long requests take" }
            p { "Response time from the due time to the end, by percentile, both axes logarithmic: the further to the right, the rarer." }
            div class="grid wide" { @for group in groups { (chart::curves(group)) } }
        }
    }
}

/// Parts of the mean time: class, name, figure.
type PhasePart = (&'static str, &'static str, fn(&PhaseMeans) -> u64);
const PHASES: [PhasePart; 6] = [
    ("m0", "lag", |mean| mean.lag),
    ("m1", "KMS wait", |mean| mean.kms_wait),
    ("m2", "crypto", |mean| mean.crypto),
    ("m3", "store", |mean| mean.store),
    ("m4", "S3", |mean| mean.s3),
    ("m5", "worker wait", |mean| mean.other),
];

fn phase_section(runs: &[Summary]) -> Markup {
    let known: Vec<(&Summary, &PhaseMeans)> =
        runs.iter().filter_map(|run| Some((run, run.phase_mean_ns.as_ref()?))).collect();
    #[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
    let rows: Vec<Row> = known
        .iter()
        .map(|(run, mean)| {
            let total: u64 = PHASES.iter().fold(0, |sum, (.., of)| sum.saturating_add(of(mean)));
            let part = |(class, name, of): &PhasePart| {
                let nanos = of(mean);
                (*class, nanos as f64, format!("{name} {} of {}", time(nanos), time(total)))
            };
            Row {
                label: html! { (run.mode) (chip(run)) },
                value: html! { (time(total)) },
                parts: PHASES.iter().map(part).collect(),
            }
        })
        .collect();
    let occurring = PHASES.iter().filter(|(.., of)| known.iter().any(|(_, mean)| of(mean) > 0));
    html! {
        @if !rows.is_empty() {
            section id="phases" {
                h2 { "Where the time goes" }
                p { "The mean response time and the parts it is made of. Each bar fills the width: compare shares along it, and totals at its end." }
                div class="card top" {
                    (bars(&rows, None))
                    ul class="legend" { @for (class, name, _) in occurring { li { span class={ "swatch " (class) } {} (name) } } }
                }
            }
        }
    }
}

fn hit_section(groups: &[Group<'_>]) -> Markup {
    let drawn: Vec<Markup> = groups.iter().filter_map(|group| chart::hits(group, 430)).collect();
    html! {
        @if !drawn.is_empty() {
            section id="hits" {
                h2 { "How often a data key was at hand" }
                p { "The part of the requests that found a cached data key or a warm Bucket Key, over time." }
                div class="grid wide" { @for chart in &drawn { (chart) } }
            }
        }
    }
}

/// A month of each run in money: what the requests cost anyway, and what encryption adds.
fn cost_section(report: &Report) -> Markup {
    let runs = &report.runs;
    let priced: Vec<(&Summary, &Cost)> =
        runs.iter().filter_map(|run| Some((run, run.cost.as_ref()?))).collect();
    let Some((_, first)) = priced.first() else { return html! {} };
    let size = |usd: Usd| usd.decimal().to_f64().unwrap_or(0.0).max(0.0);
    let rows: Vec<Row> = priced
        .iter()
        .map(|(run, cost)| {
            let adds = cost.encryption_adds;
            let base = cost.total - adds;
            let text = |usd: Usd| grouped_decimal(usd.decimal(), 2);
            Row {
                label: html! { (run.mode) (chip(run)) },
                value: html! {
                    (money(cost, cost.total))
                    @if let Some(part) = run.billed_share() { (FEWER) small { "of " (figure::share(Some(part))) " of the requests" } }
                    small { "encryption adds " (money(cost, adds)) }
                },
                parts: vec![
                    ("part", size(base), format!("requests {} USD a month", text(base))),
                    ("m1", size(adds), format!("encryption adds {} USD a month", text(adds))),
                ],
            }
        })
        .collect();
    let full = priced.iter().map(|(_, cost)| size(cost.total)).fold(0.0, f64::max);
    let mut prices: Vec<(String, &str, String)> = Vec::new();
    for charge in priced.iter().flat_map(|(_, cost)| &cost.lines) {
        let title = figure::name(&charge.title, NAME);
        if !prices.iter().any(|(held, ..)| *held == title) {
            let sure = match charge.confidence.as_str() {
                "found" => "found",
                "missing" => "no price known",
                _ => "not confirmed",
            };
            prices.push((title, sure, rate_of(charge)));
        }
    }
    let place = [&first.region, &first.month].map(|text| figure::name(text, NAME)).join(", ");
    html! {
        section id="cost" {
            h2 { "What a month costs" }
            p { (if report.searches.is_empty() { "At this rate for a month in " } else { "Each at its own rate, so they do not compare: for a month in " }) (place) ", in US dollars, all bars on one scale. Storage and transfer are the same in every \
                mode and left out." }
            div class="card top" {
                (bars(&rows, Some(full)))
                ul class="legend" {
                    li { span class="swatch part" {} "requests" }
                    li { span class="swatch m1" {} "encryption adds" }
                }
                @if let Some(fewer) = fewer(runs) { p class="alarm" { (fewer) } }
                @if let Some(filling) = report.filling() { p class="alarm" { (filling) } }
                @if priced.iter().any(|(_, cost)| cost.saves.is_some()) { p { "Saves, in the table: " (SAVES) "." } }
                @if priced.iter().any(|(_, cost)| !cost.confirmed) { p { "* rests on a price that is not confirmed." } }
                @if priced.iter().any(|(_, cost)| !cost.complete) { p { ">= a price is not known, and its line is not in the sum." } }
                details {
                    summary { "The prices" }
                    div class="scroll" { table { tbody {
                        @for (title, sure, rate) in &prices { tr { th scope="row" { (title) } td class="text" { (rate) } td class="text" { (sure) } } }
                    } } }
                }
            }
        }
    }
}

/// Who causes the KMS calls of the run that calls most, where there is more than one who could.
fn member_section(runs: &[Summary]) -> Markup {
    let Some(run) = caller(runs) else { return html! {} };
    let (calls, unpriced) = (&run.attribution, CostAttribution::default());
    let cost = run.cost.as_ref().map_or(&unpriced, |cost| &cost.attribution);
    let lists: [(&str, &Vec<Share>, &Vec<CostShare>); 4] = [
        ("Buckets", &calls.bucket, &cost.bucket),
        ("Principals", &calls.principal, &cost.principal),
        ("Operations", &calls.operation, &cost.operation),
        ("KMS keys", &calls.kms_key, &cost.kms_key),
    ];
    let shown: Vec<_> = lists.into_iter().filter(|(_, list, _)| list.len() > 1).collect();
    #[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
    let rows = |list: &[Share], costs: &[CostShare]| -> Vec<Row> {
        list.iter()
            .take(MEMBERS)
            .enumerate()
            .map(|(place, member)| {
                let name = member
                    .name
                    .as_deref()
                    .map_or_else(|| "all others".into(), |name| figure::name_ends(name, NAME));
                let said = format!("{} calls, {} throttled", count(member.calls), count(member.throttled));
                let cost = costs.get(place);
                let usd =
                    |usd: Option<Usd>| usd.map(|usd| format!("{} USD", grouped_decimal(usd.decimal(), 2)));
                let kms = cost.and_then(|cost| usd(cost.usd)).map(|usd| format!("{usd} for KMS requests"));
                let all = cost.and_then(|cost| usd(cost.total)).map(|usd| format!("{usd} in all"));
                let costs: Vec<_> = [kms, all].into_iter().flatten().collect();
                Row {
                    label: html! {
                        (name)
                        @if !costs.is_empty() { small { (costs.join(", ")) } }
                    },
                    value: html! { (share(figure::ratio(member.calls, run.kms.calls))) },
                    parts: vec![("part", member.calls as f64, said)],
                }
            })
            .collect()
    };
    #[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
    let full = run.kms.calls as f64;
    html! {
        @if !shown.is_empty() {
            section id="members" {
                h2 { "Who calls KMS under " (run.mode) }
                p {
                    "Of the run that calls most: the largest " (MEMBERS) " of each kind, by KMS calls"
                    @if run.cost.is_some() { ", and what a month of each costs" }
                    "."
                }
                div class="grid wide" {
                    @for (name, list, costs) in shown { div class="card" { h3 { (name) } (bars(&rows(list, costs), Some(full))) } }
                }
            }
        }
    }
}
