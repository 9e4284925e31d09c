//! Which one: the cheapest that keeps every demand, but for pennies rather the one that is revoked sooner.

use super::inquiry::Trial;
use super::revocation::{BlastRadius, Revocation};
use crate::request::SseMode;
use crate::units::{Span, Usd};

/// Savings below this are not worth a longer life of keys: 1 US dollar a month. An assumption, and 1 % besides.
const PENNIES: i64 = 100;

/// Of `trials`, in candidate order, the place of the one to choose; none where none keeps every demand.
///
/// SSE-C only where nothing else keeps them: its keys are for the customer to keep and to send. Of the others those under the
/// smallest quota that any needs: a quota that is there needs no request. Of these the cheapest, and what costs less than
/// 1 USD or 1 % of it more. Of these first the settings of S3, which no client has to be changed for; then the soonest
/// revoked; then the fewest objects under a key; then the cheapest; then the shortest p99; then the first.
pub(super) fn choose(trials: &[(Option<BlastRadius>, &Trial)], own_quota: u64) -> Option<usize> {
    let feasible: Vec<usize> = (0..trials.len()).filter(|place| trials[*place].1.missed.is_empty()).collect();
    let others: Vec<usize> =
        feasible.iter().copied().filter(|place| trials[*place].1.candidate.mode != SseMode::SseC).collect();
    let feasible = if others.is_empty() { feasible } else { others };
    let raised = |place: usize| trials[place].1.candidate.quota.max(own_quota);
    let quota = feasible.iter().map(|place| raised(*place)).min()?;
    let within: Vec<usize> = feasible.into_iter().filter(|place| raised(*place) == quota).collect();
    let least = within.iter().map(|place| trials[*place].1.adds).min()?;
    let slack = slack(least);
    let near = within.into_iter().filter(|place| trials[*place].1.adds - least < slack);
    near.min_by_key(|place| {
        let (blast, trial) = &trials[*place];
        let objects = blast.map_or(u64::MAX, |blast| blast.objects);
        let clients = trial.candidate.mode == SseMode::KmsCached;
        (clients, revoked(trial.revocation), objects, trial.adds, trial.run.response_time_ns.p99, *place)
    })
}

/// What is not worth a longer life of keys beside a cost of `least`.
pub(super) fn slack(least: Usd) -> Usd {
    let percent = Usd::new(least.decimal() / rust_decimal::Decimal::ONE_HUNDRED);
    percent.max(Usd::from_cents(PENNIES))
}

fn revoked(revocation: Revocation) -> Span {
    revocation.bound().unwrap_or(Span::MAX)
}

/// Why `trial`, which keeps every demand, was not chosen beside `chosen`.
pub(super) fn why_not(trial: &Trial, chosen: &Trial, own_quota: u64) -> String {
    if trial.candidate.mode == SseMode::SseC {
        return "its keys are yours to keep and to send, and no demand needs that".into();
    }
    let (theirs, ours) = (trial.candidate.quota, chosen.candidate.quota);
    if theirs.max(own_quota) > ours.max(own_quota) {
        return format!(
            "it needs a quota of {theirs} KMS calls/s, and there is a choice under {}",
            ours.max(own_quota)
        );
    }
    let dearer = trial.adds - chosen.adds;
    if dearer >= slack(chosen.adds.min(trial.adds)) {
        return format!("it costs {dearer} USD a month more");
    }
    if trial.candidate.mode == SseMode::KmsCached && chosen.candidate.mode != SseMode::KmsCached {
        return "clients would have to encrypt, and that saves no more than pennies".into();
    }
    let (later, sooner) = (revoked(trial.revocation), revoked(chosen.revocation));
    if later > sooner {
        let saves = if dearer < Usd::ZERO {
            format!("it saves only {} USD a month", Usd::ZERO - dearer)
        } else {
            "it saves nothing".into()
        };
        return match trial.revocation.bound() {
            Some(span) => format!(
                "{saves}, and keys serve up to {} after they are disabled",
                crate::workload::span_text(span)
            ),
            None => format!("{saves}, and nothing revokes it"),
        };
    }
    if dearer > Usd::ZERO {
        return format!("it costs {dearer} USD a month more and is no better");
    }
    "more objects stand under a key, or it is no better and comes later in the list".into()
}

/// Of `trials`, each with the number of demands that it breaks by its nature, the place of the one nearest to feasible:
/// fewest demands broken, then fewest requests lost, then fewest calls throttled, then the shortest p99, the cheapest, the
/// first.
pub(super) fn nearest(trials: &[(usize, &Trial)]) -> Option<usize> {
    (0..trials.len()).min_by(|a, b| {
        let key = |place: usize| {
            let (broken, trial) = trials[place];
            let run = &trial.run;
            let lost = run.failed_share().unwrap_or(0.0) + run.dropped_share().unwrap_or(0.0);
            (
                broken + trial.missed.len(),
                lost,
                run.throttled_share().unwrap_or(0.0),
                run.response_time_ns.p99,
                trial.adds,
            )
        };
        let (a_key, b_key) = (key(*a), key(*b));
        let by = a_key.0.cmp(&b_key.0).then(a_key.1.total_cmp(&b_key.1)).then(a_key.2.total_cmp(&b_key.2));
        by.then(a_key.3.cmp(&b_key.3)).then(a_key.4.cmp(&b_key.4)).then(a.cmp(b))
    })
}
