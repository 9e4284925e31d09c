//! The columns of a report, in the order and the groups in which text, Markdown and HTML show them.

use super::figure::{self, NONE, count, rate, share, time};
use super::{Cost, Kind, Percentiles, Summary};
use crate::cost::grouped_decimal;
use crate::units::Usd;

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Alarm,
    Faint,
    Plain,
    Strong,
}

/// A cell of a table.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

fn plain(text: String) -> Cell {
    Cell { text, tone: Tone::Plain }
}

/// A share that had better be nothing.
fn alarming(part: Option<f64>) -> Cell {
    let tone = if part.is_some_and(|part| part > 0.0) { Tone::Alarm } else { Tone::Plain };
    Cell { text: share(part), tone }
}

/// A column: two lines of heading, the least width, and its cell for a run.
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) unit: &'static str,
    pub(super) width: usize,
    /// Where the exact figure stands in the JSON of a run; empty where the cell is worked out from several.
    pub(super) field: &'static str,
    pub(super) cell: fn(&Summary) -> Cell,
}

/// Columns that stay together.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) columns: Vec<Column>,
}

fn column(
    (heading, unit): (&'static str, &'static str),
    width: usize,
    field: &'static str,
    cell: fn(&Summary) -> Cell,
) -> Column {
    Column { heading, unit, width, field, cell }
}

/// What tells runs apart; starts every table.
pub(super) fn label() -> Group {
    let columns = vec![
        column(("mode", ""), 18, "/mode", |run| plain(run.mode.to_string())),
        column(("run", ""), 4, "/kind", |run| {
            plain(if run.kind == Kind::Live { "live".into() } else { "sim".into() })
        }),
        column(("quota", "/s"), 7, "/quota_per_s", |run| {
            plain(run.quota_per_s.map_or_else(|| NONE.into(), count))
        }),
    ];
    Group { title: "", columns }
}

/// The groups that say something of `runs`: costs only once they are priced.
pub(super) fn groups(runs: &[Summary]) -> Vec<Group> {
    let load = vec![
        column(("offered", "/s"), 7, "/offered_per_s", |run| plain(rate(run.offered_per_s))),
        column(("completed", "/s"), 9, "/completed_per_s", |run| plain(rate(run.completed_per_s))),
        column(("failed", ""), 7, "", |run| alarming(run.failed_share())),
        column(("dropped", ""), 7, "", |run| alarming(run.dropped_share())),
        column(("bodies", "MB/s"), 6, "/bytes_per_s", |run| plain(figure::bytes_per_second(run.bytes_per_s))),
    ];
    let kms = vec![
        column(("KMS calls", "/s"), 9, "/kms/calls_per_s", |run| plain(rate(run.kms.calls_per_s))),
        column(("needed", "/request"), 8, "", |run| {
            plain(run.calls_needed_per_request().map_or_else(|| NONE.into(), rate))
        }),
        column(("throttled", ""), 9, "", |run| alarming(run.throttled_share())),
        column(("hit ratio", ""), 9, "/cache/hit_ratio", |run| {
            plain(run.cache.hit_ratio.map_or_else(|| NONE.into(), hit_ratio))
        }),
    ];
    let all = vec![
        column(("p50", ""), 7, "/response_time_ns/p50", |run| span(&run.response_time_ns, |p| p.p50)),
        column(("p90", ""), 7, "/response_time_ns/p90", |run| span(&run.response_time_ns, |p| p.p90)),
        column(("p99", ""), 7, "/response_time_ns/p99", |run| span(&run.response_time_ns, |p| p.p99)),
        column(("p99.9", ""), 7, "/response_time_ns/p999", |run| span(&run.response_time_ns, |p| p.p999)),
        column(("max", ""), 7, "/response_time_ns/max", |run| span(&run.response_time_ns, |p| p.max)),
    ];
    let successes = vec![
        column(("p50", ""), 7, "/response_time_success_ns/p50", |run| success(run, |p| p.p50)),
        column(("p90", ""), 7, "/response_time_success_ns/p90", |run| success(run, |p| p.p90)),
        column(("p99", ""), 7, "/response_time_success_ns/p99", |run| success(run, |p| p.p99)),
        column(("p99.9", ""), 7, "/response_time_success_ns/p999", |run| success(run, |p| p.p999)),
        column(("max", ""), 7, "/response_time_success_ns/max", |run| success(run, |p| p.max)),
    ];
    let cost = vec![
        column(("total", "/month"), 9, "/cost/total", |run| monthly(run, |cost| cost.total)),
        column(("encryption", "/month"), 10, "/cost/encryption_adds", |run| {
            monthly(run, |cost| cost.encryption_adds)
        }),
        column(("encryption", "/million"), 10, "/cost/per_million/encryption_adds", |run| {
            cost(run, |cost| Some((cost, cost.per_million?.encryption_adds)))
        }),
        column(("saves", "/month"), 9, "/cost/saves/usd", |run| {
            cost(run, |cost| Some((cost, cost.saves.as_ref()?.usd)))
        }),
    ];
    let parts = vec![
        column(("KMS", "p50"), 7, "/phase_ns/kms_wait/p50", |run| span(&run.phase_ns.kms_wait, |p| p.p50)),
        column(("KMS", "p99"), 7, "/phase_ns/kms_wait/p99", |run| span(&run.phase_ns.kms_wait, |p| p.p99)),
        column(("crypto", "p99"), 7, "/phase_ns/crypto/p99", |run| span(&run.phase_ns.crypto, |p| p.p99)),
        column(("S3", "p50"), 7, "/phase_ns/s3/p50", |run| span(&run.phase_ns.s3, |p| p.p50)),
        column(("S3", "p99"), 7, "/phase_ns/s3/p99", |run| span(&run.phase_ns.s3, |p| p.p99)),
    ];
    let mut groups = vec![
        Group { title: "Load", columns: load },
        Group { title: "KMS", columns: kms },
        Group { title: "Cost, USD", columns: cost },
        Group { title: "Response time, all that started", columns: all },
        Group { title: "Response time, successes", columns: successes },
    ];
    if runs.iter().all(|run| run.cost.is_none()) {
        groups.remove(2);
    }
    // With S3's own time in the response, what encryption adds to it would not be seen.
    if runs.iter().any(|run| run.phase_ns.s3.max > 0) {
        groups.push(Group { title: "Encryption's part and S3's", columns: parts });
    }
    groups
}

/// An amount of a run's cost, marked where it lacks a price or rests on one that is not confirmed.
fn cost(run: &Summary, pick: fn(&Cost) -> Option<(&Cost, Usd)>) -> Cell {
    run.cost.as_ref().and_then(pick).map_or_else(|| plain(NONE.into()), |(cost, usd)| plain(money(cost, usd)))
}

/// The mark of a month's bill that is one of fewer requests ([`Summary::billed_share`]).
pub(crate) const FEWER: &str = "†";

/// An amount by the month: marked as above, and where fewer requests stand in it than in others.
fn monthly(run: &Summary, pick: fn(&Cost) -> Usd) -> Cell {
    let mark = if run.billed_share().is_some() { FEWER } else { "" };
    let shown = |cost| format!("{}{mark}", money(cost, pick(cost)));
    plain(run.cost.as_ref().map_or_else(|| NONE.into(), shown))
}

/// What [`FEWER`] stands for, by run; none where no bill is marked.
pub(super) fn fewer(runs: &[Summary]) -> Option<String> {
    let short =
        runs.iter().filter(|run| run.cost.is_some()).filter_map(|run| Some((run, run.billed_share()?)));
    let said: Vec<String> = short
        .map(|(run, part)| {
            let quota = run.quota_per_s.map(|quota| format!(" at {}/s", count(quota))).unwrap_or_default();
            format!("{} under {}{quota}", share(Some(part)), run.mode)
        })
        .collect();
    (!said.is_empty()).then(|| {
        format!(
            "{FEWER} The bill of fewer requests, for the rest was throttled or dropped: of those offered it has {}. Compare these by \
             the million that succeed.",
            said.join(", ")
        )
    })
}

/// `usd`, marked as above.
pub(super) fn money(cost: &Cost, usd: Usd) -> String {
    let least = if cost.complete { "" } else { ">=" };
    let unsure = if cost.confirmed { "" } else { "*" };
    // Cents where they show; the JSON and the CSV have all of them.
    let places = if usd.cents().unsigned_abs() < 100_000 { 2 } else { 0 };
    format!("{least}{}{unsure}", grouped_decimal(usd.decimal(), places))
}

fn span(percentiles: &Percentiles, pick: fn(&Percentiles) -> u64) -> Cell {
    plain(if percentiles.count == 0 { NONE.into() } else { time(pick(percentiles)) })
}

fn success(run: &Summary, pick: fn(&Percentiles) -> u64) -> Cell {
    span(&run.response_time_success_ns, pick)
}

/// 0 to 1 with three decimals; what is not all does not show as 1.
pub(super) fn hit_ratio(ratio: f64) -> String {
    match ratio {
        n if n > 0.0 && n < 0.0005 => "<0.001".into(),
        n if (0.9995..1.0).contains(&n) => ">0.999".into(),
        n => format!("{n:.3}"),
    }
}
