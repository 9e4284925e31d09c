//! Reports: figures, costs, findings, merge, comparison, pages and snapshots.

mod compare;
mod cost;
mod finding;
mod laws;
mod merge;
mod page;
mod rows;
mod screenshot;
mod snapshot;
