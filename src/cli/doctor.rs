//! `s3seal doctor`: what on this machine biases a measurement, and what to do about it.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use s3seal::envelope::{CustomerKey, Protection, protection};
use s3seal::live;
use s3seal::report::Percentiles;
use s3seal::units::Span;
use serde_json::json;

use super::Failure;
use super::file::Output;
use super::machine::{self, ProcessorTime, System};

/// How long a thread watches the clock.
const WATCH: Span = Span::from_seconds(1);
/// How many naps are measured, and how long each is.
const NAPS: u32 = 300;
const NAP: Span = Span::from_millis(1);
/// How many reads of the clock are timed.
const READS: u64 = 100_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Whether a fact of the machine spoils figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    Biases,
    Unknown,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Biases => "biases",
            Self::Unknown => "unknown",
        }
    }
}

/// Something about the machine, what it does to a measurement, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    name: &'static str,
    value: String,
    verdict: Verdict,
    advice: &'static str,
}

impl Fact {
    fn fine(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), verdict: Verdict::Fine, advice: "" }
    }

    /// Biases no times, and yet something could be better.
    fn noted(name: &'static str, value: impl Into<String>, advice: &'static str) -> Self {
        Self { advice, ..Self::fine(name, value) }
    }

    /// Nothing is known; `advice` is how a reader learns it.
    fn unknown(name: &'static str, value: impl Into<String>, advice: &'static str) -> Self {
        Self { name, value: value.into(), verdict: Verdict::Unknown, advice }
    }

    /// Biases when `biased`, with `advice`; otherwise fine.
    fn judged(name: &'static str, value: impl Into<String>, biased: bool, advice: &'static str) -> Self {
        let verdict = if biased { Verdict::Biases } else { Verdict::Fine };
        Self { name, value: value.into(), verdict, advice: if biased { advice } else { "" } }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let system = System::here();
    let before = system.processor_time();
    let mut facts = standing(&system);
    facts.extend(measured());
    facts.extend(stolen(before, system.processor_time()));
    let text = match arguments.format {
        Form::Text => text(&facts),
        Form::Json => json(&facts),
    };
    let mut output = Output::new(None, false, false)?;
    output.write(text.as_bytes())?;
    output.finish()
}

/// What biases the times of a run: looked at before it, since a run is load itself, and after it.
#[derive(Debug)]
pub(super) struct Watched {
    biased: Vec<Fact>,
    time: Option<ProcessorTime>,
}

impl Watched {
    pub(super) fn start() -> Self {
        let system = System::here();
        let mut biased = standing(&system);
        biased.retain(|fact| fact.verdict == Verdict::Biases);
        Self { biased, time: system.processor_time() }
    }

    /// A sentence for a report; none when nothing biases that can be seen without measuring.
    pub(super) fn note(mut self) -> Option<String> {
        let stolen = stolen(self.time, System::here().processor_time());
        self.biased.extend(stolen.filter(|fact| fact.verdict == Verdict::Biases));
        let named: Vec<String> =
            self.biased.iter().map(|fact| format!("{} ({})", fact.name, fact.value)).collect();
        let named = named.join(", ");
        (!named.is_empty()).then(|| {
            format!("This biases the times on this machine: {named}. `s3seal doctor` says what to do.")
        })
    }
}

/// What can be read without taking time.
fn standing(system: &System) -> Vec<Fact> {
    let cores = machine::cores();
    vec![
        Fact::judged(
            "processor",
            format!("{}, {cores} core{}", system.model(), if cores == 1 { "" } else { "s" }),
            cores < 2,
            "the load generator and the encryption of large bodies share one core: measure on two or more",
        ),
        Fact::judged(
            "AES",
            if machine::aes().is_empty() { "in software" } else { machine::aes() },
            machine::aes().is_empty(),
            "encryption takes many times as long as on a server with AES instructions: do not quote its times",
        ),
        Fact::judged(
            "back end",
            if cfg!(feature = "aws-lc") { "aws-lc" } else { "portable" },
            !cfg!(feature = "aws-lc"),
            "build with the feature `aws-lc` (a default): the portable back end is several times slower",
        ),
        Fact::judged(
            "build",
            if cfg!(debug_assertions) { "without optimisation" } else { "release" },
            cfg!(debug_assertions),
            "use `cargo run --release` or `cargo install`",
        ),
        governor(system),
        clock_source(system),
        match system.processor_limit() {
            None => Fact::fine("processor limit", "none"),
            Some(limit) => Fact::judged(
                "processor limit",
                format!("{limit:.2} processors"),
                true,
                "the control group stops every thread once its share of 100 ms is used up, which looks like a slow \
                 service: lift the limit (in Kubernetes: no CPU limit, whole CPUs requested)",
            ),
        },
        load(system, cores),
        match system.is_virtual() {
            Some(true) => Fact::fine("virtual machine", "yes: neighbours show as steal alone"),
            Some(false) => Fact::fine("virtual machine", "no"),
            None => Fact::unknown("virtual machine", "not told", ""),
        },
        match system.swapped() {
            None => Fact::unknown("swapped out", "not told", ""),
            Some(bytes) => Fact::judged(
                "swapped out",
                bytesize::ByteSize(bytes).to_string(),
                bytes > 0,
                "memory is short, or was: a page that comes back from disk looks like a slow request",
            ),
        },
    ]
}

fn governor(system: &System) -> Fact {
    match system.governors() {
        None => Fact::unknown(
            "frequency governor",
            "not told",
            "a virtual machine hides it: ask the host's owner",
        ),
        Some(found) => Fact::judged(
            "frequency governor",
            found.join(", "),
            found.iter().any(|governor| governor != "performance"),
            "cores that have slept start slowly: `cpupower frequency-set --governor performance`",
        ),
    }
}

fn clock_source(system: &System) -> Fact {
    // Read without a system call. Source: Linux, arch/x86/include/asm/vdso/clocksource.h and its like for other processors.
    const FAST: [&str; 5] =
        ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "timebase"];
    match system.clock_source() {
        None => Fact::unknown("clock source", "not told", ""),
        Some(source) => Fact::judged(
            "clock source",
            source.clone(),
            !FAST.contains(&source.as_str()),
            "every reading of the clock is a system call: boot with `clocksource=tsc` where the machine allows it",
        ),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful of cores")]
fn load(system: &System, cores: usize) -> Fact {
    match system.load() {
        None => Fact::unknown("load", "not told", ""),
        Some(load) => Fact::judged(
            "load",
            format!("{load:.2} tasks in the last minute"),
            load > cores as f64 / 2.0,
            "something else runs here: stop it, or wait a minute after a build",
        ),
    }
}

/// What a stolen share does: above half a percent.
fn stolen(before: Option<ProcessorTime>, after: Option<ProcessorTime>) -> Option<Fact> {
    let share = after?.stolen_since(before?);
    Some(Fact::judged(
        "stolen time",
        format!("{:.2} %", share * 100.0),
        share > 0.005,
        "neighbours take the core away: measure at another time or on a machine of your own; ratios survive, times do not",
    ))
}

/// What takes a moment to find out.
fn measured() -> Vec<Fact> {
    let started = live::now();
    for _ in 0..READS {
        std::hint::black_box(live::now());
    }
    let read = Span::from_nanos(live::now().since(started).as_nanos() / READS);
    let noise = live::noise(WATCH);
    let naps = naps();
    vec![
        Fact::judged(
            "clock read",
            read.to_string(),
            read > Span::from_micros(1),
            "the load generator reads the clock several times a request: see the clock source",
        ),
        Fact::judged(
            "noise floor",
            format!(
                "p50 {}, p99 {}, p99.9 {}, at most {}",
                span(noise.p50),
                span(noise.p99),
                span(noise.p999),
                span(noise.max)
            ),
            Span::from_nanos(noise.p99) > Span::from_micros(100),
            "a thread that does nothing but watch the clock was held up as long as this: no percentile below it is the system's",
        ),
        Fact::judged(
            "wake-up from sleep",
            format!("late by p50 {}, p99 {}", span(naps.p50), span(naps.p99)),
            Span::from_nanos(naps.p99) > live::LAG_MATERIAL,
            "the kernel wakes threads late: deep sleep states or a full machine; requests would start late",
        ),
        match CustomerKey::generate().map(|_key| protection()) {
            Ok(Protection::Full) => Fact::fine("key memory", "locked, and left out of core dumps"),
            Ok(Protection::NotLocked) => Fact::noted(
                "key memory",
                "left out of core dumps, not locked",
                "keys may reach swap: raise the limit (`ulimit -l`) or switch swap off; it changes no times",
            ),
            _ => Fact::noted(
                "key memory",
                "wiped after use, no more",
                "this system neither locks memory nor leaves it out of core dumps; it changes no times",
            ),
        },
    ]
}

/// How late a sleeping thread wakes.
fn naps() -> Percentiles {
    let mut late = s3seal::report::Distribution::default();
    for _ in 0..NAPS {
        let due = live::now() + NAP;
        #[expect(clippy::disallowed_methods, reason = "how late a sleep ends is what is measured")]
        std::thread::sleep(NAP.into());
        late.record(live::now().since(due));
    }
    late.percentiles()
}

fn span(nanos: u64) -> Span {
    // Three figures are what the histogram has.
    Span::from_nanos(nanos / 100 * 100)
}

fn text(facts: &[Fact]) -> String {
    let widest = facts.iter().map(|fact| fact.name.len()).max().unwrap_or(0);
    let biased = facts.iter().filter(|fact| fact.verdict == Verdict::Biases).count();
    let mut text = format!("{}\n\n", machine::description());
    for fact in facts {
        let mark = match fact.verdict {
            Verdict::Fine => " ",
            Verdict::Biases => "!",
            Verdict::Unknown => "?",
        };
        let _ = writeln!(text, "{mark} {:<widest$}  {}", fact.name, fact.value);
        if !fact.advice.is_empty() {
            let _ = writeln!(text, "  {:<widest$}  → {}", "", fact.advice);
        }
    }
    let _ = match biased {
        0 => writeln!(text, "\nNothing here biases a measurement that can be seen from inside."),
        1 => writeln!(text, "\nOne thing (!) biases what is measured here."),
        _ => writeln!(text, "\n{biased} things (!) bias what is measured here."),
    };
    text
}

fn json(facts: &[Fact]) -> String {
    let facts: Vec<_> = facts
        .iter()
        .map(|fact| json!({ "name": fact.name, "value": fact.value, "verdict": fact.verdict.as_str(), "advice": fact.advice }))
        .collect();
    let document = json!({ "version": 1, "machine": machine::description(), "facts": facts });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::super::machine::planted;
    use super::*;

    fn verdicts(files: &[(&str, &str)]) -> Vec<(&'static str, Verdict)> {
        let (_root, system) = planted(files);
        standing(&system).iter().map(|fact| (fact.name, fact.verdict)).collect()
    }

    fn of(files: &[(&str, &str)], name: &str) -> Verdict {
        verdicts(files).iter().find(|(other, _)| *other == name).unwrap().1
    }

    #[test]
    fn what_biases_is_named_and_what_is_not_told_is_unknown() {
        let governor = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
        assert_eq!(of(&[], "frequency governor"), Verdict::Unknown);
        assert_eq!(of(&[(governor, "performance\n")], "frequency governor"), Verdict::Fine);
        assert_eq!(of(&[(governor, "schedutil\n")], "frequency governor"), Verdict::Biases);
        let clock = "sys/devices/system/clocksource/clocksource0/current_clocksource";
        assert_eq!(of(&[(clock, "tsc\n")], "clock source"), Verdict::Fine);
        assert_eq!(of(&[(clock, "hpet\n")], "clock source"), Verdict::Biases);
        assert_eq!(of(&[("proc/loadavg", "99.0 1 1 1/1 1\n")], "load"), Verdict::Biases);
        assert_eq!(of(&[("proc/loadavg", "0.10 1 1 1/1 1\n")], "load"), Verdict::Fine);
        let swap = |free| [("proc/meminfo", free)];
        assert_eq!(of(&swap("SwapTotal: 9 kB\nSwapFree: 9 kB\n"), "swapped out"), Verdict::Fine);
        assert_eq!(of(&swap("SwapTotal: 9 kB\nSwapFree: 8 kB\n"), "swapped out"), Verdict::Biases);
    }

    #[test]
    fn every_bias_comes_with_something_to_do() {
        let (_root, system) = planted(&[]);
        let mut facts = standing(&system);
        facts.extend(measured());
        for fact in facts {
            assert!(fact.verdict != Verdict::Biases || !fact.advice.is_empty(), "{fact:?}");
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let facts = [
            Fact::fine("one", "1"),
            Fact::judged("two", "2", true, "do"),
            Fact::unknown("three", "3", "ask"),
        ];
        let (text, json) = (text(&facts), json(&facts));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        for (fact, shown) in facts.iter().zip(json["facts"].as_array().unwrap()) {
            assert_eq!(
                (shown["name"].as_str(), shown["verdict"].as_str()),
                (Some(fact.name), Some(fact.verdict.as_str()))
            );
            assert!(text.contains(fact.name) && text.contains(fact.advice));
        }
        assert!(text.ends_with("One thing (!) biases what is measured here.\n"), "{text}");
    }
}
