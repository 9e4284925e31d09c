//! The answer to `s3seal cost`: bills side by side, what they rest on, in every form.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::{Decimal, RoundingStrategy};
use s3seal::cost::{Confidence, Item, Line, Month, Region, Table, Variant, focus, grouped, grouped_decimal};
use s3seal::report::{BillPage, BillSum};
use s3seal::request::SseMode;
use s3seal::units::Usd;
use serde_json::json;

use super::{Choice, Load, Scenario, is_later};

/// What is shown.
pub(super) struct Page<'p> {
    pub(super) scenarios: &'p [Scenario],
    /// What the scenarios are modes or runs of.
    pub(super) load: &'p Load,
    pub(super) choice: &'p Choice,
    /// Where a workload is billed.
    pub(super) regions: &'p [Region],
    pub(super) month: Month,
}

/// What one line of every bill is about: item, variant, Region and tier.
type Key = (Item, Variant, Region, bool, u64);

fn key(line: &Line) -> Key {
    let over = line.price.as_ref().map_or(0, |price| price.over);
    (line.item, line.variant, line.region, !line.is_allowance(), over)
}

pub(super) fn money(usd: Usd) -> String {
    grouped_decimal(usd.decimal(), 2)
}

/// To six decimals at most, as many as are needed.
fn quantity(units: Decimal) -> String {
    let shown = units.round_dp_with_strategy(6, RoundingStrategy::MidpointAwayFromZero).normalize();
    grouped_decimal(shown, shown.scale())
}

/// A sum, marked where it lacks a line (a lower bound) or rests on a price that is not sure.
fn sum_of(scenario: &Scenario, usd: Usd) -> String {
    let sign = if scenario.is_short() { ">= " } else { "" };
    let star = if scenario.is_unsure() { UNSURE } else { "" };
    format!("{sign}{}{star}", money(usd))
}

fn amount(line: &Line, month: Month) -> String {
    let unsure = line.confidence() > Some(Confidence::Found) || is_later(line, month);
    let star = if unsure { UNSURE } else { "" };
    line.amount.map_or_else(|| "no price".into(), |usd| money(usd) + star)
}

/// Columns of text that a table of several Regions may take: as wide as one of all modes in one Region.
const WIDE: usize = 120;
const UNSURE: &str = "*";
const PER_MILLION: &str = "  per million requests";

impl Page<'_> {
    fn head(&self) -> String {
        let hours = self.month.hours();
        match self.region() {
            Some(region) => {
                let several =
                    self.regions.iter().map(|region| region.as_str()).collect::<Vec<_>>().join(", ");
                let place = if self.regions.len() > 1 { &several } else { region.as_str() };
                format!("Cost of S3 encryption in {place}, {} ({hours} hours), USD a month", self.month)
            }
            None => format!("Bill of {} ({hours} hours), USD", self.month),
        }
    }

    /// The Region that the load is in; the lines of a usage file have one each.
    fn region(&self) -> Option<Region> {
        match self.load {
            Load::Lines => None,
            Load::Workload(workload) => Some(workload.region),
            Load::Runs(runs) => Some(runs.pricing.region),
            Load::Profile(measured) => Some(measured.region),
        }
    }

    /// Lines down, modes across; then the sums.
    fn side_by_side(&self) -> Table {
        let names = self.scenarios.iter().map(|scenario| format!("#{}", scenario.name));
        let columns: Vec<String> = ["line".to_owned()].into_iter().chain(names).collect();
        let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
        let mut rows: BTreeMap<Key, (String, Vec<String>)> = BTreeMap::new();
        let regions: BTreeSet<_> = self.lines().map(|line| line.region).collect();
        // Where the columns are Regions, a row is the same line in each.
        let across = self.scenarios.iter().any(|scenario| scenario.region.is_some());
        for (i, scenario) in self.scenarios.iter().enumerate() {
            for line in scenario.bill.lines() {
                let blank = || vec![String::new(); self.scenarios.len()];
                let mut of = key(line);
                if across {
                    of.2 = self.regions[0];
                }
                let row = rows.entry(of).or_insert_with(|| (String::new(), blank()));
                let title = line.title();
                row.0 =
                    if regions.len() > 1 && !across { format!("{title}, {}", line.region) } else { title };
                row.1[i] = amount(line, self.month);
            }
        }
        table.rows = rows.into_values().map(|(title, cells)| [vec![title], cells].concat()).collect();
        let mut sum = |title: &str, cell: &dyn Fn(&Scenario) -> String| {
            let cells = self.scenarios.iter().map(cell);
            table.rows.push([title.to_owned()].into_iter().chain(cells).collect());
        };
        sum("TOTAL", &|scenario| sum_of(scenario, scenario.bill.total()));
        sum("encryption adds", &|scenario| sum_of(scenario, scenario.added()));
        if self.scenarios.iter().any(|scenario| scenario.per_million.is_some()) {
            sum(PER_MILLION, &|scenario| {
                scenario.per_million.map(|usd| sum_of(scenario, usd)).unwrap_or_default()
            });
        }
        if self.scenarios.iter().any(|scenario| scenario.part.is_some()) {
            let part = |scenario: &Scenario| scenario.part.clone().unwrap_or_else(|| "100 %".into());
            sum("  for so many of the requests offered", &part);
        }
        sum("KMS calls", &|scenario| grouped(u128::from(scenario.kms_requests)));
        table
    }

    /// One bill, line by line.
    fn lines_of(&self, scenario: &Scenario) -> Table {
        let bill = &scenario.bill;
        let mut table =
            Table::new(&["line", "region", "#quantity", "unit", "rate", "#USD", "#exact", "price is"]);
        for line in bill.lines() {
            let rate = line.price.as_ref().map_or_else(|| "unknown".into(), |price| price.rate());
            table.rows.push(vec![
                line.title(),
                line.region.to_string(),
                quantity(line.units()),
                line.item.unit().to_string(),
                rate,
                amount(line, self.month),
                line.exact.map(|usd| usd.to_string()).unwrap_or_default(),
                line.confidence().map_or("missing", |confidence| confidence.as_str()).into(),
            ]);
        }
        let empty = String::new;
        let sum = |title: &str, usd: Usd, exact: Usd| {
            vec![
                title.into(),
                empty(),
                empty(),
                empty(),
                empty(),
                sum_of(scenario, usd),
                exact.to_string(),
                empty(),
            ]
        };
        table.rows.push(sum("TOTAL", bill.total(), bill.exact()));
        table.rows.push(sum("encryption adds", scenario.added(), scenario.added_exact()));
        table
    }

    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.scenarios.iter().flat_map(|scenario| scenario.bill.lines())
    }

    /// What the Bucket Key saves, where both sides are shown.
    fn findings(&self) -> Vec<String> {
        if let Load::Runs(runs) = self.load {
            return runs.findings(self.choice);
        }
        let mut findings = Vec::new();
        let places: Vec<Option<Region>> = match self.regions {
            [] | [_] => vec![None],
            several => several.iter().copied().map(Some).collect(),
        };
        for place in places {
            findings.extend(self.bucket_key_saves(place));
        }
        findings
    }

    /// What the Bucket Key saves in `place`, of several Regions.
    fn bucket_key_saves(&self, place: Option<Region>) -> Option<String> {
        let of = |scenario: &&Scenario, mode| scenario.mode == Some(mode) && scenario.region == place;
        let find = |mode| self.scenarios.iter().find(|scenario| of(scenario, mode));
        let (without, with) = find(SseMode::SseKms).zip(find(SseMode::SseKmsBucketKey))?;
        let there = place.map_or_else(String::new, |region| format!(" in {region}"));
        if without.bill.missing().next().is_some() {
            return Some(format!("What the Bucket Key saves{there} cannot be said: a price is not known."));
        }
        let saved = without.bill.total() - with.bill.total();
        let calls = without.kms_requests - with.kms_requests;
        let mut of_it = String::new();
        let added = without.added();
        if added > Usd::ZERO {
            let share = saved.decimal() * Decimal::from(100) / added.decimal();
            of_it = format!(", {} % of what SSE-KMS adds", grouped_decimal(share, 1));
        }
        let (saved, calls) = (money(saved), grouped(u128::from(calls)));
        let hit = match self.load {
            Load::Workload(workload) => workload.bucket_key_hit,
            Load::Lines | Load::Runs(_) | Load::Profile(_) => {
                return Some(format!(
                    "A Bucket Key would likely save {saved} USD a month{there}: {calls} KMS calls{of_it}. AWS publishes no lifetime \
                     of Bucket Keys: the range stands below."
                ));
            }
        };
        Some(format!(
            "A Bucket Key that spares {hit} of the KMS calls it can help would save {saved} USD a month{there}: {calls} KMS \
             calls{of_it}. The {hit} are assumed (--bucket-key-hit; AWS says up to 99 %); `s3seal sim` finds yours."
        ))
    }

    /// The prices used, each once: `0.03 per 10,000 requests, KMS requests in us-east-1: found, source (date)`.
    fn price_notes(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut notes = Vec::new();
        for line in self.lines() {
            if !seen.insert(key(line)) {
                continue;
            }
            let what = format!("{} in {}", line.title(), line.region);
            let Some(price) = &line.price else {
                notes.push(format!("{what}: MISSING, no price is known; give it with --prices"));
                continue;
            };
            let date = match price.source_date.as_str() {
                "" => String::new(),
                date => format!(" ({date})"),
            };
            let sure = match line.confidence() {
                None => "MISSING".into(),
                Some(Confidence::Found) => "found".to_owned(),
                Some(unsure) => unsure.as_str().to_uppercase(),
            };
            let rate = if line.is_allowance() { "0".into() } else { price.rate() };
            let source = if price.source == "none" { "no source" } else { &price.source };
            // Prices have fallen over the years; only some rows know since when they hold.
            let later = if is_later(line, self.month) { ", STATED AFTER THIS MONTH" } else { "" };
            let note = if price.note.is_empty() { String::new() } else { format!("; {}", price.note) };
            notes.push(format!("{what}: {rate}, {sure}, {source}{date}{later}{note}"));
        }
        notes
    }

    /// What was counted in logs.
    fn measured(&self) -> Vec<String> {
        match self.load {
            Load::Profile(measured) => measured.measured(self.month),
            Load::Lines | Load::Workload(_) | Load::Runs(_) => Vec::new(),
        }
    }

    fn assumptions(&self) -> Vec<String> {
        let modes: Vec<_> = self.scenarios.iter().filter_map(|scenario| scenario.mode).collect();
        let mut list = match self.load {
            Load::Lines => Vec::new(),
            Load::Workload(workload) => workload.assumptions(&modes),
            Load::Runs(runs) => runs.assumptions(self.choice),
            Load::Profile(measured) => measured.assumptions(&modes, self.month),
        };
        list.extend(self.scenarios.iter().find_map(|scenario| scenario.lacks).map(str::to_owned));
        if self.regions.len() > 1 {
            list.push(
                "each Region is billed for the whole workload, with the account's free tier to itself".into(),
            );
        }
        if self.scenarios.len() > 1 && self.scenarios.iter().any(|scenario| scenario.per_million.is_some()) {
            list.push(
                "per million requests: without the free tier and the monthly price of keys, as in reports"
                    .into(),
            );
        }
        if self.scenarios.iter().any(|scenario| scenario.bill.unconfirmed().next().is_some()) {
            list.push("*: rests on a price that is not confirmed; see below".into());
        }
        if self.lines().any(|line| is_later(line, self.month)) {
            list.push(format!(
                "*: the price of {} is not known and was perhaps higher; a later one stands in for it",
                self.month
            ));
        }
        if self.scenarios.iter().any(|scenario| scenario.bill.missing().next().is_some()) {
            list.push(">=: at least this much; a price is not known and the line is not in the sum".into());
        }
        list
    }

    fn table(&self) -> Table {
        match self.scenarios {
            [one] => self.lines_of(one),
            _ => self.side_by_side(),
        }
    }

    fn title(&self) -> String {
        match self.scenarios {
            [one] if self.region().is_some() => format!("{}: {}", self.head(), one.name),
            _ => self.head(),
        }
    }

    pub(super) fn text(&self) -> String {
        // Modes times Regions are many columns; those of one mode stay together.
        let table = match self.regions.len() {
            0 | 1 => self.table().text(),
            regions => self.table().text_within(WIDE, regions),
        };
        let mut parts = vec![self.title(), String::new(), table];
        parts.extend(self.findings().into_iter().map(|finding| finding + "\n"));
        for (title, notes) in self.notes() {
            parts.push(title.into());
            parts.extend(notes.iter().map(|note| format!("  {note}")));
            parts.push(String::new());
        }
        parts.join("\n").trim_end().to_owned() + "\n"
    }

    pub(super) fn markdown(&self) -> String {
        let mut parts = vec![format!("## {}", self.title()), String::new(), self.table().markdown()];
        parts.extend(self.findings().into_iter().map(|finding| finding + "\n"));
        for (title, notes) in self.notes() {
            parts.push(format!("### {title}\n"));
            parts.extend(notes.iter().map(|note| format!("- {note}")));
            parts.push(String::new());
        }
        parts.join("\n").trim_end().to_owned() + "\n"
    }

    /// What stands at the foot.
    fn notes(&self) -> impl Iterator<Item = (&'static str, Vec<String>)> {
        let notes =
            [("Measured", self.measured()), ("Assumed", self.assumptions()), ("Prices", self.price_notes())];
        notes.into_iter().filter(|(_, notes)| !notes.is_empty())
    }

    pub(super) fn html(&self) -> String {
        let sum = |one: &Scenario| BillSum {
            name: one.name.clone(),
            total: one.bill.total(),
            adds: one.added(),
            short: one.is_short(),
            unsure: one.is_unsure(),
        };
        let page = BillPage {
            title: self.title(),
            findings: self.findings(),
            bills: self.scenarios.iter().map(sum).collect(),
            table: self.table(),
            notes: self.notes().map(|(title, notes)| (title.to_owned(), notes)).collect(),
        };
        page.to_html()
    }

    /// One row per line of each bill, for spreadsheets.
    pub(super) fn csv(&self) -> String {
        let mut table = Table::new(&[
            "mode",
            "month",
            "item",
            "variant",
            "region",
            "over",
            "quantity",
            "unit",
            "price",
            "per",
            "usd",
            "usd_exact",
            "encryption",
            "confidence",
            "source",
            "source_date",
            "note",
        ]);
        for scenario in self.scenarios {
            for line in scenario.bill.lines() {
                let price = line.price.as_deref();
                let of = |text: fn(&s3seal::cost::Price) -> String| price.map(text).unwrap_or_default();
                table.rows.push(vec![
                    scenario.name.clone(),
                    self.month.to_string(),
                    line.item.to_string(),
                    line.variant.as_str().into(),
                    line.region.to_string(),
                    of(|price| price.over.to_string()),
                    line.units().to_string(),
                    line.item.unit().to_string(),
                    of(|price| price.usd.map(|usd| usd.to_string()).unwrap_or_default()),
                    of(|price| price.per.to_string()),
                    line.amount.map(|usd| usd.to_string()).unwrap_or_default(),
                    line.exact.map(|usd| usd.to_string()).unwrap_or_default(),
                    line.item.is_encryption().to_string(),
                    line.confidence().map_or("missing", |confidence| confidence.as_str()).into(),
                    of(|price| price.source.clone()),
                    of(|price| price.source_date.clone()),
                    of(|price| price.note.clone()),
                ]);
            }
        }
        table.csv()
    }

    /// Amounts are strings of decimals: a JSON number is a float to most readers.
    pub(super) fn json(&self) -> String {
        let bill = |scenario: &Scenario| {
            let mut bill = scenario.bill.json();
            bill["mode"] = scenario.name.as_str().into();
            bill["kms_calls"] = scenario.kms_requests.to_string().into();
            bill["lacks"] = scenario.lacks.into();
            bill["encryption_adds"] = scenario.added().to_string().into();
            bill["encryption_adds_exact"] = scenario.added_exact().to_string().into();
            if let Some(region) = scenario.region {
                bill["region"] = region.as_str().into();
            }
            bill
        };
        let page = json!({
            "month": self.month.to_string(),
            "hours": self.month.hours(),
            "region": self.region().map(Region::as_str),
            "bills": self.scenarios.iter().map(bill).collect::<Vec<_>>(),
            "findings": self.findings(),
            "measured": self.measured(),
            "assumptions": self.assumptions(),
        });
        format!("{page:#}\n")
    }

    pub(super) fn focus(&self, account: &str) -> String {
        let one = &self.scenarios[0];
        focus(&one.name, &one.bill, &one.list, account).csv()
    }
}
