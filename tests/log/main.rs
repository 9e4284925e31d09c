//! Readers of real logs: hard lines, laws, round trips, samples.

mod account;
mod agreement;
mod audit;
mod conformance;
mod hard_lines;
mod laws;
mod round_trip;
mod variant;
mod writer;
