//! The KMS model: keys, quota, audit, closed forms, interleavings.

mod audit;
mod closed_form;
mod house;
mod interleaving;
mod laws;
mod model;
