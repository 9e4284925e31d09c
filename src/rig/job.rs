//! Jobs from arrivals, and the directory from the naming.

use super::error::RigError;
use crate::pipeline::{Directory, Job};
use crate::request::Operation;
use crate::workload::{Arrival, Naming, Placement, Scenario, Shape};

/// Most principals of a run: each has a name of its own in memory.
const PRINCIPALS_MAX: u64 = 4_000_000;

/// The principals, buckets and KMS keys of `scenario` by their numbers.
///
/// # Errors
/// [`RigError`] for more than 4,000,000 principals, and for a Region that no ARN may name.
pub fn directory(scenario: &Scenario, naming: &Naming) -> Result<Directory, RigError> {
    let principals = scenario.principals.count();
    if principals > PRINCIPALS_MAX {
        return Err(RigError::new("principals.roles × sessions", &principals, "at most 4000000 in a run"));
    }
    let principals = u32::try_from(principals).expect("it was compared just now");
    Ok(Directory {
        principals: (0..principals).map(|principal| naming.principal(principal)).collect(),
        buckets: (0..scenario.layout.buckets).map(|bucket| naming.bucket(bucket)).collect(),
        kms_keys: (0..scenario.layout.kms_keys)
            .map(|key| Ok(naming.kms_key_arn(key).parse()?))
            .collect::<Result<_, RigError>>()?,
    })
}

/// The job of `arrival`. Arrivals go round the `hosts`. Its prefix is that of `placement`; where no limit per prefix holds,
/// nobody asks for it, and it may be left out.
#[inline]
pub fn job(arrival: &Arrival, placement: Option<&Placement>, hosts: u32) -> Job {
    let host = if hosts <= 1 { 0 } else { u32::try_from(arrival.index % u64::from(hosts)).unwrap_or(0) };
    let (body, parts) = match (arrival.operation, arrival.shape) {
        (_, Shape::Parts { count, bytes }) => (0, (count, bytes)),
        // Within S3 a copy is read, opened, sealed and written in full, although its client moves no byte.
        (Operation::CopyObject, _) => (arrival.bytes, (0, 0)),
        _ => (arrival.transferred(), (0, 0)),
    };
    Job {
        due: arrival.due,
        operation: arrival.operation,
        object: arrival.object,
        bytes: arrival.bytes,
        body,
        parts,
        host,
        bucket: arrival.bucket,
        prefix: placement.map_or(0, |placement| placement.prefix(arrival.object)),
        kms_key: arrival.kms_key,
        principal: arrival.principal,
    }
}
