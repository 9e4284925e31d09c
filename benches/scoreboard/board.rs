//! The measuring: two contenders interleaved, medians of rounds, a ratio judged.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds per contender. Odd, so that the median is a measured round.
const ROUNDS: usize = 15;
/// Length of one round: long against the timer, short against the neighbours' bursts.
const ROUND: Duration = Duration::from_millis(25);

/// What a claim asserts about its ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The value is at least this.
    AtLeast(f64),
    /// The value is at most this.
    AtMost(f64),
    /// Shown only.
    Shown,
}

/// One contender: does `n` operations and says how long they took. Setting up and checking stay outside the clock.
pub type Contender<'a> = &'a mut dyn FnMut(u64) -> Duration;

/// The run: its arguments and what fell short.
pub struct Board {
    filter: Option<String>,
    json: bool,
    check: bool,
    test: bool,
    short: Vec<String>,
}

/// Median nanoseconds per operation of both contenders.
#[derive(Clone, Copy, Debug)]
pub struct Paired {
    pub ours: f64,
    pub peer: f64,
}

/// Times `n` calls of `operation`.
pub fn time<T>(n: u64, mut operation: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        black_box(operation());
    }
    start.elapsed()
}

impl Board {
    pub fn from_args() -> Self {
        let mut board = Self { filter: None, json: false, check: false, test: false, short: Vec::new() };
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                "--json" => board.json = true,
                "--check" => board.check = true,
                "--test" => board.test = true,
                "--bench" => {}
                other if other.starts_with("--") => {
                    eprintln!("scoreboard: unknown option {other}; known: FILTER, --json, --check, --test");
                    std::process::exit(2);
                }
                filter => board.filter = Some(filter.into()),
            }
        }
        board
    }

    /// Whether the claim `name` is asked for: skip its set-up when it is not.
    pub fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }

    /// Whether this run only checks that the claims work (`--test`).
    pub fn is_test(&self) -> bool {
        self.test
    }

    /// `ours` as a multiple of the peer's speed: peer time ÷ our time.
    pub fn speed(&mut self, name: &str, goal: Goal, peer: &str, ours: Contender<'_>, theirs: Contender<'_>) {
        if let Some(paired) = self.race(name, ours, theirs) {
            self.line(name, paired.peer / paired.ours, "× the peer's speed", goal, peer, Some(paired.peer));
        }
    }

    /// `ours` as a multiple of the peer's time: our time ÷ peer time.
    pub fn cost(&mut self, name: &str, goal: Goal, peer: &str, ours: Contender<'_>, theirs: Contender<'_>) {
        if let Some(paired) = self.race(name, ours, theirs) {
            self.line(name, paired.ours / paired.peer, "× the peer's time", goal, peer, Some(paired.peer));
        }
    }

    /// Interleaves the two and gives the medians, when the claim is asked for.
    pub fn race(&mut self, name: &str, ours: Contender<'_>, theirs: Contender<'_>) -> Option<Paired> {
        if !self.wants(name) {
            return None;
        }
        if self.test {
            let once = |contender: Contender<'_>| contender(1).as_nanos().max(1) as f64;
            return Some(Paired { ours: once(ours), peer: once(theirs) });
        }
        let (n_ours, n_peer) = (calibrate(ours), calibrate(theirs));
        let mut samples = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let mut run_ours = || samples.0.push(ours(n_ours).as_nanos() as f64 / n_ours as f64);
            let mut run_peer = || samples.1.push(theirs(n_peer).as_nanos() as f64 / n_peer as f64);
            // Alternating order, so that a drift of the machine favours neither.
            if round % 2 == 0 {
                run_ours();
                run_peer();
            } else {
                run_peer();
                run_ours();
            }
        }
        Some(Paired { ours: median(&mut samples.0), peer: median(&mut samples.1) })
    }

    /// Prints one line of the board and remembers whether it fell short. Counts may be judged here as well.
    pub fn line(&mut self, name: &str, value: f64, unit: &str, goal: Goal, peer: &str, peer_ns: Option<f64>) {
        if !self.wants(name) {
            return;
        }
        let (op, bound, pass) = match goal {
            Goal::AtLeast(bound) => (">=", Some(bound), value >= bound),
            Goal::AtMost(bound) => ("<=", Some(bound), value <= bound),
            Goal::Shown => ("", None, true),
        };
        if !pass {
            self.short.push(name.into());
        }
        if self.json {
            let number = |n: Option<f64>| n.map_or("null".to_owned(), |n| n.to_string());
            let text = |s: &str| if s.is_empty() { "null".to_owned() } else { format!("{s:?}") };
            println!(
                r#"{{"name":{name:?},"value":{value},"unit":{unit:?},"op":{},"goal":{},"peer":{},"peer_value":{},"pass":{pass}}}"#,
                text(op),
                number(bound),
                text(peer),
                number(peer_ns),
            );
            return;
        }
        let verdict = match goal {
            Goal::Shown => "      ",
            _ if pass => "ok    ",
            _ => "SHORT ",
        };
        let goal = bound.map(|bound| format!("{op} {bound}")).unwrap_or_default();
        let peer = match peer_ns {
            Some(ns) => format!("{peer}, {}", per_operation(ns)),
            None => peer.to_owned(),
        };
        println!("{verdict}{name:<30} {value:>12.3} {unit:<20} {goal:<8} {peer}");
    }

    /// Exits 1 under `--check` when a ratio fell short.
    pub fn finish(self) {
        if self.short.is_empty() {
            return;
        }
        eprintln!("fell short: {}", self.short.join(", "));
        if self.check && !self.test {
            std::process::exit(1);
        }
    }
}

fn per_operation(ns: f64) -> String {
    match ns {
        n if n >= 1e9 => format!("{:.2} s", n / 1e9),
        n if n >= 1e6 => format!("{:.2} ms", n / 1e6),
        n if n >= 1e3 => format!("{:.2} µs", n / 1e3),
        n => format!("{n:.1} ns"),
    }
}

/// How many operations fill a round.
fn calibrate(contender: Contender<'_>) -> u64 {
    contender(1); // warms caches and pages
    let mut n = 1;
    loop {
        let took = contender(n);
        if took >= ROUND / 4 || n >= 1 << 32 {
            let scaled = n as f64 * ROUND.as_secs_f64() / took.as_secs_f64().max(1e-9);
            return (scaled as u64).max(1);
        }
        n *= 2;
    }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
