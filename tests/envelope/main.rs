//! The sealed envelope: golden files, laws, every small object's every fault.

mod exhaustive;
mod forge;
mod golden;
mod golden_case;
mod key_service;
mod laws;
