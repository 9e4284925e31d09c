//! Every speed claim of the project against its peer or limit, in one run: `cargo bench --bench scoreboard`.
//!
//! `-- FILTER` runs the claims whose name contains FILTER; `--json` prints one object a line; `--check` exits 1 when a
//! ratio falls short; `--test` (what `cargo test --benches` passes) runs each claim once, to see that it works.

#![allow(unreachable_pub)] // its modules are the crate's own
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_imports,
    reason = "figures for people; offsets of buffers in memory; claims of one room"
)]

#[path = "scoreboard/board.rs"]
mod board;
#[cfg(feature = "aws-lc")]
#[path = "scoreboard/envelope.rs"]
mod envelope;
#[cfg(feature = "aws-lc")]
#[path = "scoreboard/process.rs"]
mod process;
#[path = "scoreboard/kms.rs"]
mod kms;
#[path = "scoreboard/cache.rs"]
mod cache;
#[path = "scoreboard/client.rs"]
mod client;
#[path = "scoreboard/workload.rs"]
mod workload;
#[path = "scoreboard/report.rs"]
mod report;
#[path = "scoreboard/libcachesim.rs"]
mod libcachesim;
#[path = "scoreboard/sim.rs"]
mod sim;
#[path = "scoreboard/live.rs"]
mod live;
#[path = "scoreboard/cost.rs"]
mod cost;
#[path = "scoreboard/log.rs"]
mod log;

use board::Board;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// Allocations of this process so far: for claims that there are none.
fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

fn main() {
    #[cfg(feature = "aws-lc")]
    if let [argument, file] = &std::env::args().skip(1).collect::<Vec<_>>()[..]
        && argument == process::PEER
    {
        return process::peer_seal_loop(file);
    }
    let mut board = Board::from_args();
    #[cfg(feature = "aws-lc")]
    {
        envelope::run(&mut board);
        process::run(&mut board);
    }
    kms::run(&mut board);
    cache::run(&mut board);
    client::run(&mut board);
    workload::run(&mut board);
    report::run(&mut board);
    sim::run(&mut board);
    live::run(&mut board);
    cost::run(&mut board);
    log::run(&mut board);
    board.finish();
}
