//! Claims about the workload: how fast a schedule, a popularity draw and a body are made.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::hint::black_box;
use std::time::Instant;

use rand_distr::Distribution;
use s3seal::units::Seed;
use s3seal::workload::{Arrivals, Bodies, Popularity, Ranks, Scenario, Stop};

use crate::board::{Board, Goal, time};

pub(crate) fn run(board: &mut Board) {
    arrivals(board);
    // A table alone; a table for the head, arithmetic for the tail.
    zipf(board, "zipf_draw", 20_000, Goal::AtLeast(5.0));
    zipf(board, "zipf_draw_10m", 10_000_000, Goal::AtLeast(2.0));
    body(board);
}

/// The default run's schedule, without end: Poisson, zipf 0.99, lognormal sizes.
fn arrivals(board: &mut Board) {
    if !board.wants("arrivals") {
        return;
    }
    let endless = || Arrivals::new(&Scenario { stop: Stop::Operations(u64::MAX), ..Scenario::default() });
    let first = endless().next().expect("an endless schedule has a first arrival");
    assert_eq!(first.index, 0);
    let mut schedule = endless();
    let mut ours = |n| time(n, || schedule.next());
    // The peer does what any generator has to: an exponential gap and a zipf rank, by the usual crate.
    let mut stream = Seed(1).stream("peer", 0);
    let zipf = rand_distr::Zipf::new(20_000.0, 0.99).expect("a valid law");
    let gap = rand_distr::Exp::new(8_000.0).expect("a valid law");
    let mut theirs = |n| time(n, || -> (f64, f64) { (gap.sample(&mut stream), zipf.sample(&mut stream)) });
    if let Some(paired) = board.race("arrivals", &mut ours, &mut theirs) {
        let peer = "gap and rank alone by rand_distr";
        board.line("arrivals", 1e3 / paired.ours, "M arrivals/s", Goal::Shown, peer, Some(paired.peer));
    }
}

fn zipf(board: &mut Board, name: &str, objects: u32, goal: Goal) {
    if !board.wants(name) {
        return;
    }
    let ranks = Ranks::new(Popularity::Zipf { theta: 0.99 }, objects.into());
    let peer = rand_distr::Zipf::new(f64::from(objects), 0.99).expect("a valid law");
    let (mut a, mut b) = (Seed(1).stream("ours", 0), Seed(1).stream("peer", 0));
    // Both draw one law: the mean logarithm of 20,000 ranks has a deviation of 0.02 on either side.
    let mean = |mut draw: Box<dyn FnMut() -> f64 + '_>| (0..20_000).map(|_| draw().ln()).sum::<f64>() / 2e4;
    let ours = mean(Box::new(|| ranks.draw(&mut a) as f64 + 1.0));
    let theirs = mean(Box::new(|| peer.sample(&mut b)));
    assert!((ours - theirs).abs() < 0.15, "one law: {ours} and {theirs}");
    board.speed(name, goal, "rand_distr::Zipf", &mut |n| time(n, || ranks.draw(&mut a)), &mut |n| {
        time(n, || peer.sample(&mut b))
    });
}

/// Bytes of the body that is made.
const BYTES: usize = 64 << 10;

/// A body against a copy of one that lies ready.
fn body(board: &mut Board) {
    if !board.wants("body_fill") {
        return;
    }
    let bodies = Bodies::new(Seed(1));
    let (mut made, mut copied, mut ready) = (vec![0_u8; BYTES], vec![0_u8; BYTES], vec![0_u8; BYTES]);
    bodies.fill(1, 2, 0, &mut ready);
    let mut version = 0;
    let mut ours = |n| {
        let start = Instant::now();
        for _ in 0..n {
            version += 1;
            bodies.fill(1, version, 0, black_box(&mut made));
        }
        start.elapsed()
    };
    let mut theirs = |n| time(n, || copied.copy_from_slice(black_box(&ready)));
    if let Some(paired) = board.race("body_fill", &mut ours, &mut theirs) {
        let value = BYTES as f64 / paired.ours;
        board.line("body_fill", value, "GB/s", Goal::Shown, "memcpy", Some(paired.peer));
    }
}
