//! One machine, two drivers: laws and oracles of the simulator, replayed logs, and the live driver beside it.

mod abreast;
mod billing;
mod fast;
mod grid;
mod grid_trace;
mod laws;
mod ledger;
mod live;
mod oracle;
mod replay;
mod twin;
