//! A workload profile as a page: its rate against the quotas, sizes, popularity, and the KMS calls that were seen, that
//! are predicted and that other modes would make.
//!
//! Made from the profile's JSON (docs/LOGS.md), so that the page says nothing else: each figure is a `<data>` element with
//! its place there.

use maud::{Markup, html};
use serde_json::Value;

use super::bar::{Row, bars};
use super::page;
use super::profile_chart as chart;
use crate::report::figure::{NONE, count, name, rate, share};
use crate::request::SseMode;

/// Characters of a name from a log.
const NAME: usize = 80;
/// Members of each attribution and popular objects that are shown.
const MEMBERS: usize = 8;

/// A page of a profile. Every name is shown harmlessly; what the profile lacks is left out.
#[derive(Clone, Copy, Debug)]
pub struct ProfilePage<'a> {
    /// The profile's figures, as its JSON has them.
    pub profile: &'a Value,
    /// Quotas of KMS, calls per second, that Regions have.
    pub quotas: &'a [u64],
}

impl ProfilePage<'_> {
    /// The page, which needs nothing else.
    pub fn to_html(&self) -> String {
        let requests = self.whole("/requests") > 0;
        let main = html! {
            @if requests {
                section id="rate" {
                    h2 { "Load against the KMS quotas" }
                    p { "KMS calls in the busiest second of each stretch if every object were under SSE-KMS without a Bucket Key, and the \
                        requests of that second, on a logarithmic scale. The dashed lines are the quotas of Regions; an account has one of \
                        them in each Region, for all that calls KMS there." }
                    div class="grid one" { figure class="card" {
                        (chart::rate(self.at("/series"), self.quotas))
                        ul class="legend" {
                            li { span class="swatch part" {} "KMS calls if all were SSE-KMS" }
                            li { span class="swatch m1" {} "requests" }
                        }
                    } }
                }
                section id="objects" {
                    h2 { "Sizes and popularity" }
                    p { "How large the objects are that requests go to, and how much of the load the most popular of them get." }
                    div class="grid wide" { (self.sizes()) (self.popularity()) }
                }
            }
            @if self.at("/kms_calls/implied_by_mode").as_object().is_some_and(|modes| !modes.is_empty()) { (self.implied()) }
            @if self.whole("/kms_calls/seen_total") + self.whole("/kms_calls/predicted/high") > 0 { (self.prediction()) }
            @if requests { (self.operations()) }
            (self.attribution())
        };
        page("Workload profile", &self.head(), &main, &self.foot())
    }

    fn at(&self, place: &str) -> &Value {
        self.profile.pointer(place).unwrap_or(&Value::Null)
    }

    fn whole(&self, place: &str) -> u64 {
        self.at(place).as_u64().unwrap_or(0)
    }

    /// The figure at `place` as `shown` writes it; a dash where there is none.
    fn figure(&self, place: &str, shown: impl FnOnce(&Value) -> String) -> Markup {
        let value = self.at(place);
        html! {
            @if value.is_number() { data value=(value) data-of=(place) title=(value) { (shown(value)) } }
            @else { (NONE) }
        }
    }

    fn count(&self, place: &str) -> Markup {
        self.figure(place, |value| value.as_u64().map_or_else(|| rate(float(value)), count))
    }

    fn bytes(&self, place: &str) -> Markup {
        self.figure(place, |value| bytes(float(value)))
    }

    /// `likely (low to high)`, or one figure where they are the same.
    fn range(&self, place: &str) -> Markup {
        let [low, likely, high] = ["low", "likely", "high"].map(|end| format!("{place}/{end}"));
        html! {
            (self.count(&likely))
            @if self.at(&low) != self.at(&high) { small { " " (self.count(&low)) " to " (self.count(&high)) } }
        }
    }

    fn head(&self) -> Markup {
        let peak = self.whole("/rate_per_second/kms_peak_if_sse_kms");
        let over: Vec<String> =
            self.quotas.iter().filter(|quota| peak > **quota).map(|quota| count(*quota)).collect();
        let headline = match (self.whole("/requests"), over.is_empty()) {
            (0, _) => "No request to S3 in these logs".to_owned(),
            (_, true) => format!("At most {} KMS calls a second: under every quota", count(peak)),
            (_, false) => {
                format!("Up to {} KMS calls a second: over quotas of {}", count(peak), over.join(", "))
            }
        };
        let instant = |place: &str| self.at(place).as_str().map_or_else(String::new, |text| name(text, NAME));
        let tile = |class: &str, title: &str, figure: Markup, note: Markup| {
            html! { div class={ "tile " (class) } { b { (title) } span class="big" { (figure) } span { (note) } } }
        };
        let error = |place: &str| {
            let error = self.at(place).as_f64().filter(|error| *error > 0.0);
            html! { @if let Some(error) = error { "standard error " (share(Some(error))) } @else { "exact" } }
        };
        html! {
            p class="eyebrow" { b { "Workload profile" } @for (format, files) in members(self.at("/formats")) { " · " (files) " × " (name(format, NAME)) } }
            h1 { (headline) }
            @if self.whole("/requests") > 0 {
                p class="lede" { "If every object were under SSE-KMS without a Bucket Key. From " span class="chip" { (instant("/from")) } " to " span class="chip" { (instant("/until")) } "." }
            }
            div class="tiles" {
                (tile("m0", "Requests", self.count("/requests"), html! { (self.count("/failed")) " failed" }))
                (tile("m1", "Busiest second", self.count("/rate_per_second/peak"), html! { "mean " (self.figure("/rate_per_second/mean", |mean| rate(float(mean)))) " a second, p99 " (self.count("/rate_per_second/p99")) }))
                (tile("m2", "Sent", self.bytes("/bytes/out"), html! { "received " (self.bytes("/bytes/in")) }))
                (tile("m3", "Objects", self.count("/objects/distinct"), error("/objects/standard_error")))
                (tile("m4", "Requesters", self.count("/requesters/distinct"), error("/requesters/standard_error")))
                (tile("m5", "Burstiness", self.figure("/burstiness/index_of_dispersion", |value| rate(float(value))), html! { "variance ÷ mean of the seconds; 1 is Poisson" }))
            }
        }
    }

    fn sizes(&self) -> Markup {
        html! {
            figure class="card" {
                h3 { "Sizes" small { "share of requests by size, a column for each power of two" } }
                @if self.whole("/sizes/count") == 0 { p { "These logs tell no sizes." } }
                @else {
                    (chart::sizes(self.at("/sizes/by_power_of_two")))
                    p { "p50 " (self.bytes("/sizes/p50")) ", p90 " (self.bytes("/sizes/p90")) ", p99 " (self.bytes("/sizes/p99")) ", largest " (self.bytes("/sizes/max")) }
                }
            }
        }
    }

    fn popularity(&self) -> Markup {
        let of = |place: &str| self.figure(place, |value| share(value.as_f64()));
        let top: Vec<&Value> =
            self.at("/popularity/top").as_array().into_iter().flatten().take(MEMBERS).collect();
        html! {
            figure class="card" {
                h3 { "Popularity" small { "share of the requests that the most popular objects get" } }
                (chart::popularity(self.at("/popularity/curve")))
                p {
                    "The top 1 % get " (of("/popularity/share_of_top_1_percent")) ", the top 10 % " (of("/popularity/share_of_top_10_percent"))
                    "; asked for once: " (of("/popularity/asked_once")) " of the objects"
                    @if self.at("/popularity/zipf_exponent").is_number() { "; about Zipf " (self.figure("/popularity/zipf_exponent", |value| rate(float(value)))) }
                    "."
                }
                @if !top.is_empty() {
                    details { summary { "The most popular" } div class="scroll" { table { tbody {
                        @for (place, object) in top.into_iter().enumerate() {
                            tr { th scope="row" { (shown(object)) } td { (self.count(&format!("/popularity/top/{place}/requests"))) } }
                        }
                    } } } }
                }
            }
        }
    }

    fn implied(&self) -> Markup {
        let mut modes: Vec<(&str, &Value)> = members(self.at("/kms_calls/implied_by_mode")).collect();
        modes.sort_by_key(|(mode, _)| SseMode::ALL.iter().position(|known| known.as_str() == *mode));
        let full = modes.iter().map(|(_, range)| float(&range["high"])).fold(0.0, f64::max);
        let rows: Vec<Row> = modes
            .into_iter()
            .map(|(mode, range)| {
                let likely = float(&range["likely"]);
                let said = format!("{}: {} calls", name(mode, NAME), rate(likely));
                Row {
                    label: html! { (name(mode, NAME)) },
                    value: self.range(&format!("/kms_calls/implied_by_mode/{}", escaped(mode))),
                    parts: vec![(mode_class(mode), likely, said)],
                }
            })
            .collect();
        html! {
            section id="implied" {
                h2 { "KMS calls that these requests make, by mode" }
                p { "The same requests, with every object in one mode; the bar is the likely figure, beside it from the lowest to the highest." }
                div class="card top" { (bars(&rows, Some(full))) }
            }
        }
    }

    fn prediction(&self) -> Markup {
        let rows = [("GenerateDataKey", "/GenerateDataKey"), ("Decrypt", "/Decrypt"), ("both", "")];
        let seen = self.whole("/kms_calls/seen_total") > 0;
        let causes = [
            ("seen, not predicted", "/kms_calls/differences/seen_not_predicted"),
            ("predicted, not seen", "/kms_calls/differences/predicted_not_seen"),
        ];
        html! {
            section id="prediction" {
                h2 { "KMS calls by S3: seen and predicted" }
                p { "Predicted from the S3 requests alone, by the mode of each object as far as it is known." }
                div class="card scroll" tabindex="0" { table class="cards" {
                    thead { tr { th scope="col" class="name" { "Call" } th scope="col" { "seen" } th scope="col" { "low" } th scope="col" { "likely" } th scope="col" { "high" } } }
                    tbody { @for (title, part) in rows {
                        tr {
                            th scope="row" { (title) }
                            td data-th="seen" { (self.count(&if part.is_empty() { "/kms_calls/seen_total".to_owned() } else { format!("/kms_calls/seen{part}") })) }
                            @for end in ["low", "likely", "high"] { td data-th=(end) { (self.count(&format!("/kms_calls/predicted{part}/{end}"))) } }
                        }
                    } }
                } }
                div class="card scroll" tabindex="0" { table {
                    thead { tr { th scope="col" class="name" { "How the mode was known" } th scope="col" { "data keys" } } }
                    tbody { @for (basis, _) in members(self.at("/kms_calls/predicted/basis")) {
                        tr { th scope="row" { (name(basis, NAME)) } td { (self.count(&format!("/kms_calls/predicted/basis/{}", escaped(basis)))) } }
                    } }
                } }
                @if seen {
                    div class="card scroll" tabindex="0" { table class="cards one" {
                        thead { tr { th scope="col" class="name" { "Difference" } th scope="col" class="name" { "Cause" } th scope="col" { "calls" } } }
                        tbody {
                            tr { th scope="row" { "none" } td class="name" data-th="cause" { "seen as predicted" } td data-th="calls" { (self.count("/kms_calls/differences/agreed")) } }
                            @for (title, place) in causes {
                                @for (cause, _) in members(self.at(place)) {
                                    tr { th scope="row" { (title) } td class="name" data-th="cause" { (name(cause, NAME)) } td data-th="calls" { (self.count(&format!("{place}/{}", escaped(cause)))) } }
                                }
                            }
                        }
                    } }
                } @else { p { "No KMS event stands in these logs: nothing to compare with." } }
            }
        }
    }

    fn operations(&self) -> Markup {
        let mut all: Vec<(&str, u64)> = members(self.at("/operations"))
            .map(|(name, of)| (name, of["requests"].as_u64().unwrap_or(0)))
            .collect();
        all.sort_by_key(|(name, requests)| (std::cmp::Reverse(*requests), *name));
        html! {
            section id="operations" {
                h2 { "Requests by operation" }
                div class="card scroll" tabindex="0" { table class="cards" {
                    thead { tr { th scope="col" class="name" { "Operation" } th scope="col" { "requests" } th scope="col" { "failed" } th scope="col" { "sent" } th scope="col" { "received" } } }
                    tbody { @for (operation, _) in &all {
                        @let place = format!("/operations/{}", escaped(operation));
                        tr {
                            th scope="row" { (name(operation, NAME)) }
                            td data-th="requests" { (self.count(&format!("{place}/requests"))) }
                            td data-th="failed" { (self.count(&format!("{place}/failed"))) }
                            td data-th="sent" { (self.bytes(&format!("{place}/bytes_out"))) }
                            td data-th="received" { (self.bytes(&format!("{place}/bytes_in"))) }
                        }
                    } }
                } }
            }
        }
    }

    fn attribution(&self) -> Markup {
        let kinds = [("Bucket", "buckets"), ("Prefix", "prefixes"), ("Requester", "principals")];
        let shown_of = |kind: &str| {
            self.at(&format!("/attribution/{kind}/top")).as_array().map_or(0, |top| top.len().min(MEMBERS))
        };
        html! {
            @if kinds.iter().any(|(_, kind)| shown_of(kind) > 0) {
                section id="members" {
                    h2 { "Who causes it" }
                    p { "The largest " (MEMBERS) " of each kind. Sessions count for their role." }
                    @for (title, kind) in kinds {
                        @if shown_of(kind) > 0 { div class="card scroll" tabindex="0" { table class="cards" {
                            thead { tr { th scope="col" class="name" { (title) } th scope="col" { "requests" } th scope="col" { "sent" } th scope="col" { "KMS calls seen" } } }
                            tbody { @for place in 0..shown_of(kind) {
                                @let place = format!("/attribution/{kind}/top/{place}");
                                tr {
                                    th scope="row" { (shown(self.at(&place))) }
                                    td data-th="requests" { (self.count(&format!("{place}/requests"))) }
                                    td data-th="sent" { (self.bytes(&format!("{place}/bytes_out"))) }
                                    td data-th="KMS calls seen" { (self.count(&format!("{place}/kms_seen"))) }
                                }
                            } }
                        } } }
                    }
                }
            }
        }
    }

    fn foot(&self) -> Markup {
        let assumptions: Vec<&str> =
            self.at("/assumptions").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        html! {
            h2 { "What was read" }
            dl {
                dt { "Records" } dd { (self.count("/records")) }
                dt { "Bad lines" } dd { (self.count("/bad_lines")) }
                dt { "Repeated events" } dd { (self.count("/duplicates")) }
                dt { "Of other services" } dd { (self.count("/unrelated")) }
                dt { "Objects in inventories" } dd { (self.count("/inventoried")) }
                @if let Some(key) = self.at("/anonymised").as_str() { dt { "Names" } dd { "are hashes under the key " (name(key, NAME)) } }
            }
            @if !assumptions.is_empty() {
                h2 { "Assumptions" }
                ul { @for assumption in assumptions { li { (name(assumption, 400)) } } }
            }
            h2 { "How to read this" }
            p { "Counts and sizes are exact, sizes to three digits. Distinct names, popularity and what is asked for once come from a sample \
                of names, whose standard error stands beside them. Values show when you point at them." }
        }
    }
}

/// What a member of a list is called.
fn shown(member: &Value) -> String {
    match member["name"].as_str() {
        None | Some("") => "(nobody named)".into(),
        Some(text) => name(text, NAME),
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

pub(super) fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

/// A name as a part of a place in JSON. Source: RFC 6901, 3.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Bytes in powers of 1,024, with three digits.
pub(super) fn bytes(bytes: f64) -> String {
    let mut scaled = bytes;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if scaled < 1_023.5 {
            return format!("{} {unit}", rate(scaled));
        }
        scaled /= 1_024.0;
    }
    format!("{} PiB", rate(scaled))
}

fn mode_class(mode: &str) -> &'static str {
    SseMode::ALL.into_iter().find(|held| held.as_str() == mode).map_or("part", super::mode_class)
}
