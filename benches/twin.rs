//! Twins on the real clock: the live driver against the simulator, one scenario, all modes that call KMS, throttled and
//! not; and a planned configuration, run live, against what its plan promised.
//! `cargo bench --bench twin -- --record FOLDER` writes the reports there; `-- modes` and `-- plan` run one part alone.
//!
//! Prints one line a figure and exits 1 when one is beyond what is allowed, or when the machine spoiled the live run.
//! Without `--bench` (as `cargo test --benches` runs it) a short run shows that it works and judges nothing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports on its standard streams")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use s3seal::cost::{PriceBook, Terms};
use s3seal::live::{self, Buffers, Progress};
use s3seal::plan::{Figures, Plan, Question, Surroundings, plan};
use s3seal::report::{Kind, Pricing, Recorder, Report, Run, Summary, Window};
use s3seal::request::SseMode;
use s3seal::rig::QUOTA_DATE;
use s3seal::sim;
use s3seal::units::{Span, Timestamp};
use s3seal::workload::{Scenario, Source, Stop};

/// Calls a second: far below what the modes without a cache ask for, and far above what any asks for.
const QUOTAS: [u64; 2] = [150, 30_000];

/// How long the choice of a plan runs live.
const PLANNED: Span = Span::from_seconds(10);
/// SSE-KMS needs more than this quota, a cache less; both its ages are lived through in the warm-up, and several times after.
const QUESTION: &str = "[objectives]\nkeep = \"p99<1s,failed<0.1%,throttled<1%\"\n[constraints]\nkey_custody = \"account\"\n\
                        [candidates]\nmax_age = [\"1s\", \"2s\"]\nmax_uses = [64]\nquota = [300]\nsensitivity = false";

/// What was run, what spoiled it, and how many figures are beyond what is allowed.
#[derive(Default)]
struct Found {
    /// By name: the scenario, and its runs.
    reports: Vec<(&'static str, Scenario, Vec<Summary>)>,
    /// The plan, as JSON.
    plan: Option<String>,
    spoiled: Vec<String>,
    beyond: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let judged = arguments.iter().any(|argument| argument == "--bench");
    let record = arguments.iter().position(|argument| argument == "--record");
    let folder = record.map(|place| PathBuf::from(arguments.get(place + 1).expect("--record FOLDER")));
    let asked = |part: &str| arguments.iter().any(|argument| argument == part);
    let all = !asked("modes") && !asked("plan");
    let scenario = Scenario::parse(include_str!("twin.toml")).expect("the scenario of the twins");
    let (mut found, mut buffers) = (Found::default(), Buffers::new());
    println!(
        "{:<20} {:>6}  {:<9} {:>12} {:>12} {:>9}  allowed",
        "mode", "quota", "figure", "simulated", "live", "off by"
    );
    if all || asked("modes") {
        found.modes(if judged { scenario.clone() } else { short(scenario.clone()) }, &mut buffers);
    }
    if all || asked("plan") {
        found.planned(scenario, judged, &mut buffers);
    }
    if let Some(folder) = folder {
        found.record(&folder);
    }
    for reason in &found.spoiled {
        eprintln!("INVALID: {reason}");
    }
    println!("{} beyond what is allowed", found.beyond);
    ExitCode::from(u8::from(judged && (found.beyond > 0 || !found.spoiled.is_empty())))
}

/// So short that it only shows that it works.
fn short(scenario: Scenario) -> Scenario {
    Scenario { warm_up: Span::from_millis(100), stop: Stop::Duration(Span::from_millis(200)), ..scenario }
}

impl Found {
    /// Every mode of `scenario` under every quota.
    fn modes(&mut self, scenario: Scenario, buffers: &mut Buffers) {
        let (mut lives, mut sims) = (Vec::new(), Vec::new());
        for quota in QUOTAS {
            for &mode in &scenario.modes {
                let simulated = simulate(&scenario, mode, quota);
                let live = self.compare(&scenario, &simulated, quota, buffers);
                sims.push(simulated);
                lives.push(live);
            }
        }
        self.reports.push(("simulated.json", scenario.clone(), sims));
        self.reports.push(("live.json", scenario, lives));
    }

    /// The choice of a plan, with its cache limits and its quota: simulated it gives the plan's figures, live it is to keep them.
    fn planned(&mut self, scenario: Scenario, judged: bool, buffers: &mut Buffers) {
        let modes = vec![SseMode::SseKms, SseMode::KmsCached];
        let asked = Scenario { modes, stop: Stop::Duration(PLANNED), ..scenario };
        let question = Question::parse(QUESTION).expect("the question");
        let plan = promised(&asked, &question);
        let choice = plan.choice.as_ref().filter(|_| plan.feasible).expect("a choice");
        assert!(choice.figures.steady && choice.mode == SseMode::KmsCached.as_str(), "{}", plan.answer);
        let candidates = question.grid.candidates(&asked, choice.quota_per_s, None);
        let candidate = candidates[choice.candidate];
        assert_eq!(candidate.title(), choice.title);
        let chosen = candidate.apply(&asked);
        let simulated = simulate(&chosen, candidate.mode, candidate.quota);
        promises_are(&choice.figures, &simulated);
        println!("{}", plan.answer);
        let chosen = if judged { chosen } else { short(chosen) };
        let simulated = if judged { simulated } else { simulate(&chosen, candidate.mode, candidate.quota) };
        let live = self.compare(&chosen, &simulated, candidate.quota, buffers);
        let (promised, found) = (simulated.kms.throttled > 0, live.kms.throttled > 0);
        if promised != found {
            self.beyond += 1;
            println!("throttled: promised {promised}, found {found}  BEYOND");
        }
        self.plan = Some(plan.to_json());
        self.reports.push(("plan-simulated.json", chosen.clone(), vec![simulated]));
        self.reports.push(("plan-live.json", chosen, vec![live]));
    }

    /// Runs what was `simulated` on the clock and says how far off each figure is.
    fn compare(
        &mut self,
        scenario: &Scenario,
        simulated: &Summary,
        quota: u64,
        buffers: &mut Buffers,
    ) -> Summary {
        let mode = simulated.mode;
        let (live, reason) = on_the_clock(scenario, mode, quota, buffers);
        self.spoiled.extend(reason);
        for figure in figures(simulated, &live) {
            let verdict = if figure.holds() { "" } else { "  BEYOND" };
            self.beyond += usize::from(!figure.holds());
            println!("{:<20} {quota:>6}  {}{verdict}", mode.as_str(), figure.line());
        }
        live
    }

    fn record(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("the folder of the record");
        for (name, scenario, runs) in &self.reports {
            let mut report = Report::new(scenario.seed(), scenario.to_toml(), runs.clone());
            if name.ends_with("live.json") && !self.spoiled.is_empty() {
                report.invalidate(self.spoiled.join("; "));
            }
            report.write_json(&mut File::create(folder.join(name)).expect("a file")).expect("written");
        }
        if let Some(plan) = &self.plan {
            std::fs::write(folder.join("plan.json"), plan).expect("written");
        }
    }
}

/// The plan for `scenario`.
fn promised(scenario: &Scenario, question: &Question) -> Plan {
    let pricing = Pricing {
        book: PriceBook::embedded(),
        terms: Terms::default(),
        region: scenario.kms.region.parse().expect("a Region"),
        month: PriceBook::month(),
        kms_keys: scenario.layout.kms_keys.into(),
        rotations: 0,
    };
    let around =
        Surroundings { pricing: &pricing, date: QUOTA_DATE, from_profile: false, drills: &[], unknowns: &[] };
    plan(&Source::from(scenario), question, &around).expect("a plan")
}

/// A plan's figures are those of the simulated run of its choice, to the last digit.
fn promises_are(figures: &Figures, run: &Summary) {
    let throttled = run.throttled_share().unwrap_or(0.0);
    assert_eq!(figures.p50_ns.value, run.response_time_ns.p50);
    assert_eq!(figures.p99_ns.value, run.response_time_ns.p99);
    assert_eq!(figures.kms_calls_per_s.value.to_bits(), run.kms.calls_per_s.to_bits());
    assert_eq!(figures.throttled.value.to_bits(), throttled.to_bits());
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
