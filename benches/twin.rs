//! Twins on the real clock: the live driver against the simulator, one scenario, all modes that call KMS, throttled and
//! not. `cargo bench --bench twin -- --record FOLDER` writes both reports there.
//!
//! Prints one line a figure and exits 1 when one is beyond what is allowed, or when the machine spoiled the live run.
//! Without `--bench` (as `cargo test --benches` runs it) a short run shows that it works and judges nothing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports on its standard streams")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use s3seal::live::{self, Buffers, Progress};
use s3seal::report::{Kind, Recorder, Report, Run, Summary, Window};
use s3seal::request::SseMode;
use s3seal::sim;
use s3seal::units::{Span, Timestamp};
use s3seal::workload::{Scenario, Stop};

/// Calls a second: far below what the modes without a cache ask for, and far above what any asks for.
const QUOTAS: [u64; 2] = [150, 30_000];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let judged = arguments.iter().any(|argument| argument == "--bench");
    let record = arguments.iter().position(|argument| argument == "--record");
    let folder = record.map(|place| PathBuf::from(arguments.get(place + 1).expect("--record FOLDER")));
    let mut scenario = Scenario::parse(include_str!("twin.toml")).expect("the scenario of the twins");
    if !judged {
        scenario.warm_up = Span::from_millis(100);
        scenario.stop = Stop::Duration(Span::from_millis(200));
    }
    let (mut lives, mut sims, mut spoiled, mut beyond) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut buffers = Buffers::new();
    println!(
        "{:<20} {:>6}  {:<9} {:>12} {:>12} {:>9}  allowed",
        "mode", "quota", "figure", "simulated", "live", "off by"
    );
    for quota in QUOTAS {
        for &mode in &scenario.modes {
            let simulated = simulate(&scenario, mode, quota);
            let (live, reason) = on_the_clock(&scenario, mode, quota, &mut buffers);
            spoiled.extend(reason);
            for figure in figures(&simulated, &live) {
                let verdict = if figure.holds() { "" } else { "  BEYOND" };
                beyond += usize::from(!figure.holds());
                println!("{:<20} {quota:>6}  {}{verdict}", mode.as_str(), figure.line());
            }
            sims.push(simulated);
            lives.push(live);
        }
    }
    if let Some(folder) = folder {
        std::fs::create_dir_all(&folder).expect("the folder of the record");
        for (name, runs, reasons) in [("live.json", lives, &spoiled), ("simulated.json", sims, &Vec::new())] {
            let mut report = Report::new(scenario.seed(), scenario.to_toml(), runs);
            if !reasons.is_empty() {
                report.invalidate(reasons.join("; "));
            }
            report.write_json(&mut File::create(folder.join(name)).expect("a file")).expect("written");
        }
    }
    for reason in &spoiled {
        eprintln!("INVALID: {reason}");
    }
    println!("{beyond} beyond what is allowed");
    ExitCode::from(u8::from(judged && (beyond > 0 || !spoiled.is_empty())))
}

fn window(scenario: &Scenario) -> Recorder {
    let from = Timestamp::ZERO + scenario.warm_up;
    let Stop::Duration(length) = scenario.stop else { unreachable!("the scenario has a duration") };
    Recorder::new(Window { from, until: from + length })
}

fn summary(recorder: &Recorder, mode: SseMode, kind: Kind, quota: u64, until: Timestamp) -> Summary {
    let facts = Run { mode, kind, quota_per_s: Some(quota), until, concurrency: None };
    Summary::new(recorder, &facts, |_| String::new())
}

fn simulate(scenario: &Scenario, mode: SseMode, quota: u64) -> Summary {
    let mut recorder = window(scenario);
    let options = sim::Options { quota: Some(quota), ..sim::Options::default() };
    let run = sim::run(scenario, mode, &options, &mut recorder).expect("the scenario runs");
    summary(&recorder, mode, Kind::Simulated, quota, run.measured_until)
}

fn on_the_clock(
    scenario: &Scenario,
    mode: SseMode,
    quota: u64,
    buffers: &mut Buffers,
) -> (Summary, Option<String>) {
    let mut recorder = window(scenario);
    let options = live::Options { quota: Some(quota), ..live::Options::default() };
    let progress = Progress::default();
    let run = live::run(scenario, mode, &options, buffers, &progress, &mut recorder).expect("it runs");
    assert_eq!(run.broken, 0, "{mode}: {:?}", run.first_broken);
    let summary = summary(&recorder, mode, Kind::Live, quota, run.measured_until);
    let reason = live::spoiled(&summary, run.late);
    (summary, reason)
}

/// One figure of both sides.
struct Figure {
    name: &'static str,
    simulated: f64,
    live: f64,
    /// Share of the simulated figure by which they may differ.
    share: f64,
    /// By this much they always may.
    amount: f64,
    unit: &'static str,
}

impl Figure {
    fn off(&self) -> f64 {
        (self.live - self.simulated).abs()
    }

    fn holds(&self) -> bool {
        self.off() <= (self.share * self.simulated).max(self.amount)
    }

    fn line(&self) -> String {
        let off = if self.simulated > 0.0 { self.off() / self.simulated * 100.0 } else { 0.0 };
        let (name, unit) = (self.name, self.unit);
        let or = if self.amount > 0.0 { format!(" or {} {unit}", self.amount) } else { String::new() };
        format!(
            "{name:<9} {:>9.2} {unit:<2} {:>9.2} {unit:<2} {off:>7.2} %  {} %{or}",
            self.simulated,
            self.live,
            self.share * 100.0
        )
    }
}

fn figures(simulated: &Summary, live: &Summary) -> Vec<Figure> {
    let figure = |name, of: fn(&Summary) -> u64, share, amount, unit| {
        // Times in ms, counts as they are.
        let scale = if unit == "ms" { 1e6 } else { 1.0 };
        let shown = |run| of(run) as f64 / scale;
        Figure { name, simulated: shown(simulated), live: shown(live), share, amount, unit }
    };
    vec![
        figure("hits", |run| run.cache.cached, 0.005, 0.0, ""),
        figure("KMS calls", |run| run.kms.calls, 0.10, 0.0, ""),
        figure("p50", |run| run.response_time_ns.p50, 0.10, 2.0, "ms"),
        figure("p90", |run| run.response_time_ns.p90, 0.10, 2.0, "ms"),
        figure("p99", |run| run.response_time_ns.p99, 0.30, 0.0, "ms"),
    ]
}
