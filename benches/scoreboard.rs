//! Every speed claim of the project against its peer or limit, in one run: `cargo bench --bench scoreboard`.
//!
//! `-- FILTER` runs the claims whose name contains FILTER; `--json` prints one object a line; `--check` exits 1 when a
//! ratio falls short; `--test` (what `cargo test --benches` passes) runs each claim once, to see that it works.

#[path = "scoreboard/board.rs"]
mod board;
#[path = "scoreboard/workload.rs"]
mod workload;

use board::Board;

fn main() {
    let mut board = Board::from_args();
    workload::run(&mut board);
    board.finish();
}
