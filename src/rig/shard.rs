//! A scenario as one of several machines runs it: the same schedule, a part of everything that is counted per second.

use super::error::RigError;
use super::kms::QUOTA_DATE;
use crate::kms::Quota;
use crate::workload::{FaultKind, Puts, Scenario};

/// `scenario` for machine `machine` of `machines`: quota, burst, the calls of others and changed quotas are divided among
/// the machines, so that the parts add up to the whole; `quota` in place of the scenario's, where given. What arrives stays
/// as it is: [`Arrivals::shard`](crate::workload::Arrivals::shard) divides that.
///
/// What a machine keeps for itself is its own: caches, Bucket Keys, the limits per S3 prefix, and which key an overwritten
/// object stands under. Where `fleet.hosts` is a multiple of `machines`, the caches of hosts fall to the machines whole,
/// since arrivals go round the hosts.
///
/// # Errors
/// [`RigError`] for a Region without a quota, for a quota that leaves a machine none, and for objects that come and go: a
/// machine would ask for what another made or deleted.
pub fn shard(
    scenario: &Scenario,
    quota: Option<u64>,
    machine: u32,
    machines: u32,
) -> Result<Scenario, RigError> {
    let of_region = Quota::for_region(&scenario.kms.region, QUOTA_DATE);
    let of_region = of_region.map_err(|error| RigError::quota("kms.region", &error))?;
    let whole = quota.or(scenario.kms.quota).unwrap_or(of_region.per_second.into());
    let part = |whole: u64| {
        let until = |n: u32| u128::from(whole) * u128::from(n) / u128::from(machines);
        u64::try_from(until(machine + 1) - until(machine)).expect("at most the whole")
    };
    if scenario.objects.puts == Puts::New || scenario.mix.delete_object > 0.0 {
        let (field, value) = ("objects.puts".into(), "new, or there are deletes".into());
        let expected =
            "\"overwrite\" and no DeleteObject for shards: a machine does not see the objects of another"
                .into();
        return Err(RigError { field, value, expected });
    }
    let mut scenario = scenario.clone();
    if part(whole) == 0 {
        return Err(RigError::new("kms.quota", &whole, "at least one call a second for each shard"));
    }
    scenario.kms.quota = Some(part(whole));
    scenario.kms.burst = scenario.kms.burst.map(|burst| part(burst).max(1));
    scenario.kms.background /= f64::from(machines);
    for fault in &mut scenario.faults {
        if let FaultKind::QuotaChanged { quota } = &mut fault.kind {
            *quota = part(*quota).max(1);
        }
    }
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_quota_add_up_to_it() {
        for (whole, machines) in [(5_500, 4), (7, 3), (100_000, 7)] {
            let parts =
                (0..machines).map(|machine| shard(&Scenario::default(), Some(whole), machine, machines));
            let sum: u64 = parts.map(|part| part.unwrap().kms.quota.unwrap()).sum();
            assert_eq!(sum, whole);
        }
        assert!(shard(&Scenario::default(), Some(3), 0, 4).is_err());
        let mut coming = Scenario::default();
        coming.objects.puts = Puts::New;
        assert!(shard(&coming, None, 0, 4).is_err());
    }
}
