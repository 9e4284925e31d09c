//! Where a driver puts the rows of a run.

use super::Recorder;
use crate::request::{KmsCall, Outcome};

/// Takes the rows of a run, as a [`Recorder`] does.
pub trait Sink {
    /// Whether taking a row is work enough to leave it to another processor.
    const IS_COSTLY: bool = false;

    /// A request has ended. Warm-up included: it is due before the measured part.
    fn outcome(&mut self, row: &Outcome);
    /// A KMS call has ended.
    fn kms_call(&mut self, row: &KmsCall);
}

impl Sink for Recorder {
    const IS_COSTLY: bool = true;

    fn outcome(&mut self, row: &Outcome) {
        self.record(row);
    }
    fn kms_call(&mut self, row: &KmsCall) {
        self.record_call(row);
    }
}
