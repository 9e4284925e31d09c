//! KMS from a scenario: quota, keys, service times, neighbours, faults.

use jiff::civil::{Date, date};

use super::error::RigError;
use crate::envelope::KeyArn;
use crate::kms::{
    Background, Change, Fault, Grantee, KeyIndex, KeyKind, Model, Pool, Preset, Quota, ServiceTime,
    ServiceTimes, ThrottleRule,
};
use crate::pipeline::{Directory, is_service_side};
use crate::request::{Principal, SseMode};
use crate::units::{Span, Timestamp};
use crate::workload::{self, FaultKind, Scenario};

/// The day whose quotas hold: of the newest tables that were read.
pub const QUOTA_DATE: Date = date(2026, 11, 1);

/// When a caller gives up on a KMS that does not answer. An assumption.
pub const OUTAGE_GIVES_UP_AFTER: Span = Span::from_seconds(3);

/// The KMS of a run.
#[derive(Debug)]
pub struct Kms {
    /// The model.
    pub model: Model,
    /// Its keys, by their numbers in the scenario.
    pub keys: Vec<KeyIndex>,
    /// Calls per second that the run's quota allows at the start.
    pub quota_per_s: u32,
    /// What the reader of the result should be told about the quota.
    pub note: Option<String>,
}

/// KMS as `scenario` describes it, for `mode`; `quota` in place of the scenario's, where given.
///
/// Times count from the start of the warm-up, faults from its end. Where no service time is named, S3's calls take the
/// preset `s3-to-kms`, a client's own (`kms-cached`) `sdk-in-region`: both assumptions.
///
/// # Errors
/// [`RigError`] for what the KMS model refuses.
pub fn kms(
    scenario: &Scenario,
    mode: SseMode,
    quota: Option<u64>,
    directory: &Directory,
) -> Result<Kms, RigError> {
    let of_region = Quota::for_region(&scenario.kms.region, QUOTA_DATE);
    let of_region = of_region.map_err(|error| RigError::quota("kms.region", &error))?;
    let named = quota.or(scenario.kms.quota);
    let quota_per_s = match named {
        Some(quota) => whole("kms.quota", quota)?,
        None => of_region.per_second,
    };
    let pool = pool(scenario, quota_per_s)?;
    let model = Model::new(&scenario.kms.region, QUOTA_DATE)
        .map_err(|error| RigError::quota("kms.region", &error))?;
    let mut model = model.with_service_times(service_times(scenario.kms.service_time, mode)?);
    // One account is charged for all: that of the first principal.
    let account = directory.principals[0].account();
    model.add_account(account, pool).map_err(|error| RigError::quota("principals", &error))?;
    let allowed = allowed(scenario, account, directory);
    let keys = directory
        .kms_keys
        .iter()
        .map(|arn: &KeyArn| {
            Ok(model.add_key(arn.clone(), KeyKind::Customer, allowed.clone(), Timestamp::ZERO)?)
        })
        .collect::<Result<Vec<_>, RigError>>()?;
    let start = Timestamp::ZERO + scenario.warm_up;
    for (index, fault) in scenario.faults.iter().enumerate() {
        for fault in faults(fault, start, account, &keys, quota_per_s)? {
            let field = format!("fault[{index}]");
            model.add_fault(fault).map_err(|error| RigError::quota(&field, &error))?;
        }
    }
    let note = if named.is_none() { of_region.note } else { None };
    Ok(Kms { model, keys, quota_per_s, note })
}

/// Who may use the keys: the whole account, or the roles before the last `kms.denied_roles`.
fn allowed(scenario: &Scenario, account: &str, directory: &Directory) -> Vec<Grantee> {
    if scenario.kms.denied_roles == 0 {
        return vec![Grantee::Account(account.into())];
    }
    let roles = directory.principals.iter().step_by(scenario.principals.sessions as usize);
    let count = scenario.principals.roles - scenario.kms.denied_roles;
    let grantee = |principal: &Principal| Grantee::Role {
        account: principal.account().into(),
        role: principal.role().into(),
    };
    roles.take(count as usize).map(grantee).collect()
}

fn pool(scenario: &Scenario, quota: u32) -> Result<Pool, RigError> {
    let rule = match scenario.kms.throttle_rule {
        workload::ThrottleRule::FixedWindow => ThrottleRule::FixedWindow { per_second: quota },
        workload::ThrottleRule::TokenBucket => {
            // A bucket as deep as a second's quota, where no burst is named.
            let burst = scenario.kms.burst.map_or(Ok(quota), |burst| whole("kms.burst", burst))?;
            ThrottleRule::TokenBucket { rate: quota, burst }
        }
    };
    let pool = Pool::new(rule).map_err(|error| RigError::quota("kms.quota", &error))?;
    let background = rounded(scenario.kms.background);
    Ok(if background == 0 { pool } else { pool.with_background(Background::Constant(background)) })
}

fn service_times(named: Option<workload::ServiceTime>, mode: SseMode) -> Result<ServiceTimes, RigError> {
    let usual = ServiceTimes::default();
    let served = match named {
        Some(workload::ServiceTime { median, sigma: 0.0, .. }) => ServiceTime::constant(median),
        Some(workload::ServiceTime { min, median, sigma }) => ServiceTime::lognormal(min, median, sigma),
        None if is_service_side(mode) => return Ok(usual),
        None => Preset::named("sdk-in-region").map(|preset| preset.service_time),
    };
    Ok(ServiceTimes { served: served.map_err(|error| RigError::service_time(&error))?, ..usual })
}

fn faults(
    fault: &workload::Fault,
    start: Timestamp,
    account: &str,
    keys: &[KeyIndex],
    quota: u32,
) -> Result<Vec<Fault>, RigError> {
    let from = start + fault.at;
    let until = fault.length.map_or(Timestamp::MAX, |length| from + length);
    let ends = until < Timestamp::MAX;
    let changes = |first, then: Fault| if ends { vec![first, then] } else { vec![first] };
    Ok(match fault.kind {
        FaultKind::KmsOutage => {
            vec![Fault::Outage { from, until, gives_up_after: OUTAGE_GIVES_UP_AFTER }]
        }
        FaultKind::KmsBrownOut { factor } => {
            vec![Fault::BrownOut { from, until, slower_per_mille: rounded(factor * 1_000.0) }]
        }
        FaultKind::KmsErrors { share } => {
            vec![Fault::ErrorBurst { from, until, failed_per_mille: rounded(share * 1_000.0) }]
        }
        FaultKind::KeyDisabled { key } => {
            let key = keys[key as usize];
            changes(
                Fault::KeyChange { key, at: from, change: Change::Disable },
                Fault::KeyChange { key, at: until, change: Change::Enable },
            )
        }
        FaultKind::QuotaChanged { quota: to } => {
            let change = |at, per_second| Fault::QuotaChange { account: account.to_owned(), at, per_second };
            changes(change(from, whole("fault.quota", to)?), change(until, quota))
        }
        FaultKind::StoreStall => Vec::new(),
    })
}

fn whole(field: &str, value: u64) -> Result<u32, RigError> {
    u32::try_from(value).map_err(|_| RigError::new(field, &value, "at most 268,435,456 units a second"))
}

/// The nearest whole number. A scenario holds its numbers within 0 to 10⁹ here.
fn rounded(number: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 10⁹ fits; else it saturates"
    )]
    let whole = libm::round(number) as u32;
    whole
}
