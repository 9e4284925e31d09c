//! The three sentences that a reader should take away: computed from the runs, by rules.

use super::figure::{self, count, one_of, rate, ratio, share, time};
use super::{Kind, Report, Share, Summary};
use crate::cost::grouped_decimal;
use crate::request::SseMode;
use crate::units::Usd;

/// How many sentences a reader takes away; a warning stands beside them.
const FINDINGS_MAX: usize = 3;
/// From this part of the requests on, dropping comes before what the percentiles say: they leave it out.
const DROPPED_MATERIAL: f64 = 0.01;
/// A tail this many times the other shows; below it two live runs on a shared machine differ as much by chance.
const TAIL_MATERIAL: f64 = 1.1;
/// A p99 from which on a multiple of it means something; below it stand microseconds of a machine, not of S3.
const BASE_MATERIAL_NS: u64 = 1_000_000;
/// A change is worth naming as the cheapest when it saves this part of the KMS calls.
const CHANGE_MATERIAL: f64 = 0.5;
/// A member that causes this part of the KMS calls is where to look first.
const CONCENTRATION_MATERIAL: f64 = 0.5;
/// Cells of a terminal that a name or a reason from outside may take in a sentence.
const NAME_CELLS: usize = 48;
const REASON_CELLS: usize = 400;

/// What a rule has to say of a report, if anything.
type Say = fn(&Report) -> Option<String>;

/// Which rule made a finding, in the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The figures may not be used.
    Invalid,
    /// So many requests never started that the percentiles flatter.
    Dropped,
    /// What KMS adds to the tail.
    Tail,
    /// Where the quota bites.
    Quota,
    /// What the cheapest change brings.
    Change,
    /// Who causes most of the KMS calls.
    Concentration,
    /// Caches were still filling, so that no month is like this.
    Filling,
}

/// One sentence, and the rule that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The sentence: harmless on a terminal, with a full stop.
    pub sentence: String,
}

impl Report {
    /// At most three findings, the most important first, and a warning where caches were still filling. Rules that find nothing to say give way to later ones. A report on
    /// searches says what they found instead: its runs are at rates of their own and do not compare.
    pub fn findings(&self) -> Vec<Finding> {
        let rules: [(Rule, Say); 6] = [
            (Rule::Invalid, invalid),
            (Rule::Dropped, dropped),
            (Rule::Tail, tail),
            (Rule::Quota, quota),
            (Rule::Change, change),
            (Rule::Concentration, concentration),
        ];
        let ruled = if self.searches.is_empty() { &rules[..] } else { &rules[..1] };
        let said =
            ruled.iter().copied().filter_map(|(rule, say)| Some(Finding { rule, sentence: say(self)? }));
        let mut findings: Vec<Finding> = said.take(FINDINGS_MAX).collect();
        findings.extend(self.filling().map(|sentence| Finding { rule: Rule::Filling, sentence }));
        findings
    }

    /// Whose bill is that of caches that are still filling, and which run has that of a month; none where all have.
    pub fn filling(&self) -> Option<String> {
        let filling: Vec<&Summary> = self.runs.iter().filter(|run| run.is_filling()).collect();
        let reuse = filling.iter().filter_map(|run| run.reuse);
        let lifetime = reuse.clone().map(|reuse| reuse.key_lifetime_ns).max()?;
        let warm_up = reuse.map(|reuse| reuse.warm_up_ns).min().unwrap_or(0);
        let measured = filling.iter().map(|run| run.measured_ns).min().unwrap_or(0);
        let mut modes: Vec<&str> = Vec::new();
        filling.iter().map(|run| run.mode.as_str()).for_each(|mode| {
            if !modes.contains(&mode) {
                modes.push(mode);
            }
        });
        let seconds = lifetime.div_ceil(1_000_000_000);
        Some(format!(
            "KMS calls and costs of {} are those of caches still filling, not of a month: keys live for {}, but the run \
             {} and measured {}; for the steady state run `s3seal sim` with --warm-up {seconds}s --duration \
             {seconds}s (a trace has to be that long; without a warm-up, twenty times a key's life).",
            modes.join(" and "),
            time(lifetime),
            if warm_up == 0 { "had no warm-up".into() } else { format!("warmed up for {}", time(warm_up)) },
            time(measured),
        ))
    }
}

fn invalid(report: &Report) -> Option<String> {
    if report.valid {
        return None;
    }
    let reason = report.invalid_reason.as_deref().unwrap_or("no reason was given");
    let reason = figure::name(reason, REASON_CELLS);
    Some(format!("The figures of this report may not be used: {}.", reason.trim_end_matches('.')))
}

fn dropped(report: &Report) -> Option<String> {
    let worst = worst(report.runs.iter(), |run| run.dropped_share().unwrap_or(0.0))?;
    let part = worst.dropped_share().filter(|part| *part >= DROPPED_MATERIAL)?;
    Some(format!(
        "{} of the requests under {} never started, because too many were in flight: the percentiles leave them out.",
        share(Some(part)),
        title(worst),
    ))
}

fn tail(report: &Report) -> Option<String> {
    let p99 = |run: &Summary| run.response_time_ns.p99;
    let Some(base) = prefer_live(report, |run| run.mode == SseMode::SseS3 && run.started() > 0) else {
        return tail_alone(report);
    };
    let compared: Vec<&Summary> = report
        .runs
        .iter()
        .filter(|run| uses_kms(run.mode) && run.kind == base.kind && run.started() > 0)
        .collect();
    let slowest = compared.iter().copied().reduce(|a, b| if p99(b) > p99(a) { b } else { a })?;
    let (slow, plain) = (p99(slowest), p99(base));
    let factor = ratio(slow, plain);
    if slow <= plain || factor.is_some_and(|factor| factor < TAIL_MATERIAL) {
        return Some(format!(
            "KMS does not show in the tail: the p99 response time is {} under {} and {} under {}.",
            time(slow),
            title(slowest),
            time(plain),
            title(base),
        ));
    }
    // Against microseconds any wait is a thousandfold.
    let times = factor
        .filter(|_| plain >= BASE_MATERIAL_NS)
        .map(|factor| format!(", {} times as much", rate(factor)))
        .unwrap_or_default();
    let late = base.phase_ns.lag.p99;
    let late = if late.saturating_mul(2) > plain {
        format!(" (of which the load generator's own lag is up to {})", time(late))
    } else {
        String::new()
    };
    let left_out = if report.runs.iter().all(|run| run.phase_ns.s3.max == 0) {
        "; S3's own time is not in these figures"
    } else {
        ""
    };
    let fastest = compared.iter().copied().reduce(|a, b| if p99(b) < p99(a) { b } else { a });
    let best = fastest
        .filter(|best| best.mode != slowest.mode)
        .map(|best| format!("; under {} it is {}", title(best), time(p99(best))))
        .unwrap_or_default();
    let waited = slowest.kms.wait_ns.p99;
    let (adds, but) = if waited.saturating_mul(2) >= slow - plain {
        ("KMS", String::new())
    } else {
        let what = if slowest.mode == SseMode::DsseKms {
            "the second layer"
        } else {
            "encryption, store and queues"
        };
        ("Encryption", format!("; KMS is waited for {} at the p99, the rest is {what}", time(waited)))
    };
    Some(format!(
        "{adds} adds {} to the p99 response time of {}: {} against {} under {}{late}{times}{but}{best}{left_out}.",
        time(slow - plain),
        title(slowest),
        time(slow),
        time(plain),
        title(base),
    ))
}

/// Without an SSE-S3 run, the wait for KMS itself is what can be said.
fn tail_alone(report: &Report) -> Option<String> {
    let waited = report.runs.iter().filter(|run| uses_kms(run.mode) && run.started() > 0);
    let slowest = waited.reduce(|a, b| if b.kms.wait_ns.p99 > a.kms.wait_ns.p99 { b } else { a })?;
    Some(format!(
        "Under {} the wait for KMS has a p99 of {}, the whole response time one of {}; no sse-s3 run was made to \
         compare with.",
        title(slowest),
        time(slowest.kms.wait_ns.p99),
        time(slowest.response_time_ns.p99),
    ))
}

fn quota(report: &Report) -> Option<String> {
    let calling: Vec<&Summary> = report.runs.iter().filter(|run| run.kms.calls > 0).collect();
    if calling.is_empty() {
        return (!report.runs.is_empty()).then(|| "No KMS call was made, so no quota bites.".into());
    }
    let under_quota: Vec<(&Summary, u64)> =
        calling.iter().filter_map(|run| Some((*run, run.quota_per_s?))).collect();
    if under_quota.is_empty() {
        return Some("No run stood under a KMS quota, so nothing is known of where one would bite.".into());
    }
    let throttled = |run: &Summary| run.throttled_share().unwrap_or(0.0);
    let (worst, limit) =
        *under_quota.iter().reduce(|a, b| if throttled(b.0) > throttled(a.0) { b } else { a })?;
    if worst.kms.throttled == 0 {
        let used =
            |(run, limit): &(&Summary, u64)| ratio(run.kms.peak_calls_per_s, *limit).unwrap_or(f64::MAX);
        let closest = under_quota.iter().reduce(|a, b| if used(b) > used(a) { b } else { a })?;
        return Some(format!(
            "No quota bites: {} comes closest, with {} of {} in its busiest second{}.",
            title(closest.0),
            one_of(closest.0.kms.peak_calls_per_s, "KMS call"),
            count(closest.1),
            reached(closest.0, closest.1),
        ));
    }
    let relief = under_quota
        .iter()
        .filter(|(run, higher)| run.mode == worst.mode && *higher > limit && run.kms.throttled == 0)
        .min_by_key(|(_, higher)| *higher)
        .map(|(run, higher)| format!("; under {}/s{} nothing is throttled", count(*higher), simulated(run)))
        .unwrap_or_default();
    Some(format!(
        "The quota of {} KMS calls/s bites under {}: {} of the calls are throttled and {} of the requests fail at {} \
         offered/s{}{relief}.",
        count(limit),
        title(worst),
        share(worst.throttled_share()),
        share(worst.failed_share()),
        rate(worst.offered_per_s),
        reached(worst, limit),
    ))
}

/// From which rate on the calls that requests need reach the quota.
fn reached(run: &Summary, limit: u64) -> String {
    let Some(calls) = run.calls_needed_per_request().filter(|calls| *calls > 0.0) else {
        return String::new();
    };
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits or as a whole number")]
    let from = limit as f64 / calls;
    format!("; at {} per request it is reached at {} requests/s", kms_calls(calls), rate(from))
}

/// `1 KMS call`, `0.012 KMS calls`.
fn kms_calls(calls: f64) -> String {
    let shown = rate(calls);
    let plural = if shown == "1" { "" } else { "s" };
    format!("{shown} KMS call{plural}")
}

fn change(report: &Report) -> Option<String> {
    let calls = |run: &Summary| run.calls_needed_per_request().filter(|calls| *calls > 0.0);
    let base = prefer_live(report, |run| run.mode == SseMode::SseKms && calls(run).is_some())?;
    let needed = calls(base)?;
    // In the order of effort: a setting of the bucket, then code of one's own.
    let changes: Vec<(&Summary, f64)> = [SseMode::SseKmsBucketKey, SseMode::KmsCached]
        .into_iter()
        .filter_map(|mode| {
            let same = |run: &&Summary| run.mode == mode && run.kind == base.kind && run.started() > 0;
            let quota = |run: &&Summary| run.quota_per_s == base.quota_per_s;
            report.runs.iter().filter(same).find(quota).or_else(|| report.runs.iter().find(same))
        })
        .map(|run| (run, 1.0 - run.calls_needed_per_request().unwrap_or(0.0) / needed))
        .collect();
    let tail = |run: &Summary| time(run.response_time_ns.p99);
    if let Some((run, saved)) = changes.iter().find(|(_, saved)| *saved >= CHANGE_MATERIAL) {
        let what = match run.mode {
            SseMode::KmsCached => "a data-key cache in the client",
            _ => "a Bucket Key",
        };
        return Some(format!(
            "The cheapest change is {what}: {} needs {} per request where {} needs {}, {} fewer, with a p99 of {} \
             instead of {}{}.",
            title(run),
            kms_calls(run.calls_needed_per_request().unwrap_or(0.0)),
            title(base),
            rate(needed),
            share(Some(*saved)),
            tail(run),
            tail(base),
            money_saved(run),
        ));
    }
    let (best, _) = changes.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    Some(format!(
        "Neither Bucket Key nor cache halves the KMS calls here: {}, the best that was run, needs {} per request where \
         {} needs {}.",
        title(best),
        rate(best.calls_needed_per_request().unwrap_or(0.0)),
        title(base),
        rate(needed),
    ))
}

/// What the change saves in money, where that is known and worth a word.
fn money_saved(run: &Summary) -> String {
    let cost = run.cost.as_ref().filter(|cost| cost.complete);
    let usd = cost.and_then(|cost| cost.saves.as_ref()).map(|saves| saves.usd.to_cents());
    let usd = usd.filter(|usd| *usd >= Usd::from_cents(100));
    usd.map(|usd| format!("; it saves {} USD a month", grouped_decimal(usd.decimal(), 0))).unwrap_or_default()
}

fn concentration(report: &Report) -> Option<String> {
    let pressed = worst(report.runs.iter(), |run| run.throttled_share().unwrap_or(0.0))?;
    let lists = [
        ("bucket", &pressed.attribution.bucket),
        ("principal", &pressed.attribution.principal),
        ("KMS key", &pressed.attribution.kms_key),
    ];
    let part = |largest: &Share| ratio(largest.calls, pressed.kms.calls).unwrap_or(0.0);
    let (kind, largest) = lists
        .into_iter()
        .filter(|(_, list)| list.len() > 1)
        .filter_map(|(kind, list)| Some((kind, list.first().filter(|largest| largest.name.is_some())?)))
        .reduce(|a, b| if part(b.1) > part(a.1) { b } else { a })?;
    let name = figure::name_ends(largest.name.as_deref()?, NAME_CELLS);
    (part(largest) >= CONCENTRATION_MATERIAL).then(|| {
        format!(
            "Of the KMS calls under {}, {} come from one {kind}: {name}.",
            title(pressed),
            share(Some(part(largest)))
        )
    })
}

/// The run with the largest figure, the first of equals.
fn worst<'a>(
    mut runs: impl Iterator<Item = &'a Summary>,
    figure: impl Fn(&Summary) -> f64,
) -> Option<&'a Summary> {
    let first = runs.next()?;
    Some(runs.fold(first, |a, b| if figure(b) > figure(a) { b } else { a }))
}

/// The first live run that fits, else the first.
fn prefer_live(report: &Report, fits: impl Fn(&Summary) -> bool) -> Option<&Summary> {
    let mut fitting = report.runs.iter().filter(|run| fits(run));
    let first = fitting.next()?;
    if first.kind == Kind::Live {
        return Some(first);
    }
    Some(fitting.find(|run| run.kind == Kind::Live).unwrap_or(first))
}

fn uses_kms(mode: SseMode) -> bool {
    !matches!(mode, SseMode::SseS3 | SseMode::SseC)
}

fn title(run: &Summary) -> String {
    format!("{}{}", run.mode, simulated(run))
}

fn simulated(run: &Summary) -> &'static str {
    match run.kind {
        Kind::Live => "",
        Kind::Simulated => " (simulated)",
    }
}
