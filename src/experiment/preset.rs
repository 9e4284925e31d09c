//! Built-in experiments: the files of `experiments/`.

use crate::workload::nearest;

/// A built-in experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Its TOML text, comments included.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal)*) => {
        /// Every built-in experiment.
        pub const EXPERIMENTS: &[Preset] = &[$(Preset {
            name: $name,
            text: include_str!(concat!("../../experiments/", $name, ".toml")),
        },)*];
    };
}

presets! {
    "throttle-cliff"
    "throttle-rule"
    "retry-storm"
    "age-limit"
    "uses-per-key"
    "requesters"
    "cold-fleet"
    "failover"
    "revocation"
    "cost"
    "object-size"
    "second-layer"
    "twins"
}

/// A name that no built-in experiment has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no built-in experiment is called `{name}`{}; there are {}", hint(*nearest), names())]
pub struct NameError {
    /// The name asked for.
    pub name: String,
    /// The one that it resembles.
    pub nearest: Option<&'static str>,
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

fn names() -> String {
    EXPERIMENTS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

/// The built-in experiment `name`.
///
/// # Errors
/// [`NameError`] with the nearest name when there is none.
pub fn preset(name: &str) -> Result<Preset, NameError> {
    EXPERIMENTS.iter().copied().find(|preset| preset.name == name).ok_or_else(|| {
        let known: Vec<&'static str> = EXPERIMENTS.iter().map(|preset| preset.name).collect();
        NameError { name: crate::workload::shorten(name), nearest: nearest(name, &known) }
    })
}
