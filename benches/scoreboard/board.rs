//! The measuring: two contenders interleaved, medians of rounds, a ratio judged.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports on its standard streams")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(dead_code, reason = "the claims use what they need of it")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use self::claim::{Arguments, Claim, Mode};
pub(crate) use self::claim::{Goal, median};

mod claim;

/// Rounds per contender. Odd, so that the median is a measured round.
const ROUNDS: u128 = 101;
/// Fewest rounds, for operations that take a good part of a second.
const ROUNDS_MIN: u128 = 5;
/// Length of one round: long against the timer, shorter than a scheduler's turn, so that most rounds run undisturbed.
const ROUND: Duration = Duration::from_millis(3);
/// What one claim may take, so that the whole board stays a matter of minutes.
const BUDGET: Duration = Duration::from_secs(5);

/// One contender: does `n` operations and says how long they took. Setting up and checking stay outside the clock.
pub(crate) type Contender<'a> = &'a mut dyn FnMut(u64) -> Duration;

/// The run: its arguments, what it measured and what fell short.
pub(crate) struct Board {
    arguments: Arguments,
    measured: usize,
    short: Vec<String>,
}

/// Median nanoseconds per operation of both contenders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paired {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
}

/// Times `n` calls of `operation`.
pub(crate) fn time<T>(n: u64, mut operation: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        black_box(operation());
    }
    start.elapsed()
}

impl Board {
    /// The run that the command line asks for. Exits 2 on an unknown option.
    pub(crate) fn from_args() -> Self {
        let arguments = Arguments::parse(std::env::args().skip(1)).unwrap_or_else(|option| {
            eprintln!("scoreboard: unknown option {option}; known: FILTER, --json, --check, --test");
            std::process::exit(2);
        });
        if arguments.mode == Mode::List {
            std::process::exit(0);
        }
        Self { arguments, measured: 0, short: Vec::new() }
    }

    /// Whether the claim `name` is asked for: skip its set-up when it is not.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.arguments.wants(name)
    }

    /// Whether this run only checks that the claims work (`cargo test --benches`): shrink the set-up.
    pub(crate) fn is_test(&self) -> bool {
        self.arguments.mode == Mode::Try
    }

    /// `ours` as a multiple of the peer's speed: peer time ÷ our time.
    pub(crate) fn speed(
        &mut self,
        name: &str,
        goal: Goal,
        peer: &str,
        ours: Contender<'_>,
        theirs: Contender<'_>,
    ) {
        if let Some(paired) = self.race(name, ours, theirs) {
            self.line(name, paired.peer / paired.ours, "× the peer's speed", goal, peer, Some(paired.peer));
        }
    }

    /// `ours` as a multiple of the peer's time: our time ÷ peer time.
    pub(crate) fn cost(
        &mut self,
        name: &str,
        goal: Goal,
        peer: &str,
        ours: Contender<'_>,
        theirs: Contender<'_>,
    ) {
        if let Some(paired) = self.race(name, ours, theirs) {
            self.line(name, paired.ours / paired.peer, "× the peer's time", goal, peer, Some(paired.peer));
        }
    }

    /// Interleaves the two and gives the medians, when the claim is asked for.
    pub(crate) fn race(&mut self, name: &str, ours: Contender<'_>, theirs: Contender<'_>) -> Option<Paired> {
        if !self.wants(name) {
            return None;
        }
        if self.is_test() {
            return Some(Paired { ours: nanos(ours(1), 1), peer: nanos(theirs(1), 1) });
        }
        let ((n_ours, took_ours), (n_peer, took_peer)) = (calibrate(ours), calibrate(theirs));
        let (mut of_ours, mut of_peer) = (Vec::new(), Vec::new());
        for round in 0..rounds(took_ours + took_peer) {
            let mut run_ours = || of_ours.push(nanos(ours(n_ours), n_ours));
            let mut run_peer = || of_peer.push(nanos(theirs(n_peer), n_peer));
            // Alternating order, so that a drift of the machine favours neither.
            if round % 2 == 0 {
                run_ours();
                run_peer();
            } else {
                run_peer();
                run_ours();
            }
        }
        Some(Paired { ours: median(&mut of_ours), peer: median(&mut of_peer) })
    }

    /// Prints one line of the board and remembers whether it fell short. Counts may be judged here as well.
    pub(crate) fn line(
        &mut self,
        name: &str,
        value: f64,
        unit: &str,
        goal: Goal,
        peer: &str,
        peer_ns: Option<f64>,
    ) {
        if !self.wants(name) {
            return;
        }
        self.measured += 1;
        if self.is_test() {
            // One operation says that the claim works, not how fast it is.
            println!("ran   {name}");
            return;
        }
        let claim = Claim { name, value, unit, goal, peer, peer_ns };
        println!("{}", if self.arguments.json { claim.json() } else { claim.text() });
        if !claim.pass() {
            self.short.push(name.into());
        }
    }

    /// Exits 1 under `--check` when a goal was missed, 2 when nothing was measured to check.
    pub(crate) fn finish(self) {
        if self.measured == 0 && !self.is_test() {
            eprintln!("scoreboard: no claim matches {:?}; nothing was measured", self.arguments.filters);
            if self.arguments.check {
                std::process::exit(2);
            }
        }
        if !self.short.is_empty() {
            eprintln!("scoreboard: fell short: {}", self.short.join(", "));
            if self.arguments.check {
                std::process::exit(1);
            }
        }
    }
}

/// Nanoseconds of one of `n` operations.
#[expect(clippy::cast_precision_loss, reason = "52 bits of nanoseconds are 52 days")]
fn nanos(took: Duration, n: u64) -> f64 {
    (took.as_nanos().max(1) as f64) / n as f64
}

/// How many operations fill a round, and how long they will take.
fn calibrate(contender: Contender<'_>) -> (u64, Duration) {
    contender(1); // warms caches and pages
    let mut n = 1_u64;
    loop {
        // The shortest of three: a turn taken by another process must not decide how long every round is.
        let took = (0..3).map(|_| contender(n)).min().unwrap_or_default();
        if took >= ROUND / 4 || n >= 1 << 32 {
            let took = took.max(Duration::from_nanos(1));
            let scaled = u128::from(n) * ROUND.as_nanos() / took.as_nanos();
            let scaled = u64::try_from(scaled).unwrap_or(u64::MAX).max(1);
            // One round is as long as asked for, or one operation where that is longer.
            return (scaled, took.max(ROUND));
        }
        n *= 2;
    }
}

/// How many rounds of this length fit the budget; odd.
fn rounds(pair: Duration) -> u128 {
    (BUDGET.as_nanos() / pair.as_nanos().max(1)).clamp(ROUNDS_MIN, ROUNDS) | 1
}
