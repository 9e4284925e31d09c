//! Workloads: schedules and draws, scenario files, traces.

mod laws;
mod scenario;
mod trace;
