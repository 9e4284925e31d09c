//! One claim of the board: its goal, its verdict, its line in text and in JSON; and the arguments of a run.

/// What a claim asserts about its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// The value is at least this.
    AtLeast(f64),
    /// The value is at most this.
    AtMost(f64),
    /// Shown only.
    Shown,
}

/// A claim with its measured value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: f64,
    pub(crate) unit: &'a str,
    pub(crate) goal: Goal,
    /// Who or what it is held against; empty when nothing.
    pub(crate) peer: &'a str,
    /// The peer's nanoseconds per operation.
    pub(crate) peer_ns: Option<f64>,
}

impl Claim<'_> {
    /// Whether the goal is met. A value that is not a number meets no goal.
    pub(crate) fn pass(&self) -> bool {
        match self.goal {
            Goal::AtLeast(bound) => self.value >= bound,
            Goal::AtMost(bound) => self.value <= bound,
            Goal::Shown => true,
        }
    }

    fn bound(&self) -> (Option<&'static str>, Option<f64>) {
        match self.goal {
            Goal::AtLeast(bound) => (Some(">="), Some(bound)),
            Goal::AtMost(bound) => (Some("<="), Some(bound)),
            Goal::Shown => (None, None),
        }
    }

    /// One JSON object: `name`, `value`, `unit`, `op`, `goal`, `peer`, `peer_value` (ns per operation), `pass`.
    pub(crate) fn json(&self) -> String {
        let (op, goal) = self.bound();
        let peer = Some(self.peer).filter(|peer| !peer.is_empty());
        format!(
            r#"{{"name":{},"value":{},"unit":{},"op":{},"goal":{},"peer":{},"peer_value":{},"pass":{}}}"#,
            json_text(Some(self.name)),
            json_number(Some(self.value)),
            json_text(Some(self.unit)),
            json_text(op),
            json_number(goal),
            json_text(peer),
            json_number(self.peer_ns),
            self.pass(),
        )
    }

    /// One line: verdict, name, value, unit, goal, peer.
    pub(crate) fn text(&self) -> String {
        let verdict = match self.goal {
            Goal::Shown => "",
            _ if self.pass() => "ok",
            _ => "SHORT",
        };
        let goal = match self.bound() {
            (Some(op), Some(bound)) => format!("{op} {bound}"),
            _ => String::new(),
        };
        let peer = match self.peer_ns {
            Some(ns) => format!("{}, {}", self.peer, per_operation(ns)),
            None => self.peer.to_owned(),
        };
        let line =
            format!("{verdict:<6}{:<30} {:>12.3} {:<20} {goal:<8} {peer}", self.name, self.value, self.unit);
        line.trim_end().to_owned()
    }
}

/// What a run was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Claims whose name contains one of these; all when empty.
    pub(crate) filters: Vec<String>,
    /// One JSON object a line.
    pub(crate) json: bool,
    /// Exit 1 when a goal is missed.
    pub(crate) check: bool,
    /// What to do with the claims.
    pub(crate) mode: Mode,
}

/// What a run does with its claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Measures and judges them.
    #[default]
    Measure,
    /// Runs each once, to see that it works.
    Try,
    /// Names the tests that can be called one by one, as test runners ask: there are none.
    List,
}

/// Options of the standard test runner that `cargo test --all-targets -- …` hands to every target.
const RUNNER_FLAGS: [&str; 8] = [
    "--nocapture",
    "--no-capture",
    "--show-output",
    "--quiet",
    "-q",
    "--ignored",
    "--include-ignored",
    "--exact",
];
/// The same, with a value.
const RUNNER_OPTIONS: [&str; 5] = ["--test-threads", "--format", "--color", "--skip", "--logfile"];

impl Arguments {
    /// Reads the arguments after the program's name. `cargo bench` adds `--bench`; `cargo test --benches` adds
    /// nothing, so a run without `--bench`, `--json` and `--check` is a test.
    ///
    /// # Errors
    /// The first option that is not known.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut parsed, mut bench, mut test, mut list) = (Self::default(), false, false, false);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let name = argument.split('=').next().unwrap_or_default();
            match argument.as_str() {
                "--json" => parsed.json = true,
                "--check" => parsed.check = true,
                "--test" => test = true,
                "--bench" => bench = true,
                "--list" => list = true,
                flag if RUNNER_FLAGS.contains(&flag) => {}
                option if RUNNER_OPTIONS.contains(&option) => drop(arguments.next()),
                _ if RUNNER_OPTIONS.contains(&name) => {}
                option if option.starts_with('-') => return Err(option.to_owned()),
                filter => parsed.filters.push(filter.to_owned()),
            }
        }
        let measure = !test && (bench || parsed.json || parsed.check);
        parsed.mode = match (list, measure) {
            (true, _) => Mode::List,
            (false, true) => Mode::Measure,
            (false, false) => Mode::Try,
        };
        Ok(parsed)
    }

    /// Whether the claim `name` is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }
}

/// The middle value; the lower of the two middle ones when their number is even.
///
/// # Panics
/// When there are no samples.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[(samples.len() - 1) / 2]
}

fn per_operation(ns: f64) -> String {
    match ns {
        n if n >= 1e9 => format!("{:.2} s", n / 1e9),
        n if n >= 1e6 => format!("{:.2} ms", n / 1e6),
        n if n >= 1e3 => format!("{:.2} µs", n / 1e3),
        n => format!("{n:.1} ns"),
    }
}

/// JSON knows no NaN and no infinity: both become `null`.
fn json_number(number: Option<f64>) -> String {
    number.filter(|number| number.is_finite()).map_or("null".to_owned(), |number| number.to_string())
}

fn json_text(text: Option<&str>) -> String {
    let Some(text) = text else { return "null".to_owned() };
    let mut json = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => json.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
