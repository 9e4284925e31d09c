//! Why there is no plan at all: values that do not hold, not demands that nothing keeps.

use super::question::QuestionError;
use crate::report::PricingError;
use crate::rig::RigError;
use crate::workload::ReplayError;

/// Why nothing could be planned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A value that a room refuses.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// A workload that does not hold.
    #[error(transparent)]
    Workload(#[from] ReplayError),
    /// A run that has no bill.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// A question that does not hold.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// No quota is known.
    #[error("{0}")]
    Quota(String),
    /// Nothing of the workload is measured.
    #[error("no request arrives in the measured part: expected a longer duration or a higher rate")]
    Nothing,
    /// A drill that does not exist.
    #[error("`{0}` is no drill: expected failover:REGION, cold-start or outage:TIME such as outage:60s")]
    Drill(String),
}
