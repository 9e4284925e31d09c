//! Built-in scenarios: TOML texts, each with a first line that says what it shows and where its numbers come from.

use super::error::nearest;

/// A built-in scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its TOML text, comments included: what `scenario show` prints and `scenario new` writes.
    pub text: &'static str,
}

/// Every built-in scenario, the default first.
pub const PRESETS: [Preset; 10] = [
    Preset { name: "default", text: include_str!("preset/default.toml") },
    Preset { name: "hot-read", text: include_str!("preset/hot-read.toml") },
    Preset { name: "many-requesters", text: include_str!("preset/many-requesters.toml") },
    Preset { name: "ingest", text: include_str!("preset/ingest.toml") },
    Preset { name: "backup", text: include_str!("preset/backup.toml") },
    Preset { name: "burst", text: include_str!("preset/burst.toml") },
    Preset { name: "ramp", text: include_str!("preset/ramp.toml") },
    Preset { name: "cold-fleet", text: include_str!("preset/cold-fleet.toml") },
    Preset { name: "small-objects", text: include_str!("preset/small-objects.toml") },
    Preset { name: "mixed", text: include_str!("preset/mixed.toml") },
];

/// Every field that a scenario may have, as a TOML text: defaults as they are, other choices in comments.
pub const FIELDS: &str = include_str!("fields.toml");

/// The first section that has a field of this name; none for fields of no section.
pub(super) fn section_of_field(name: &str) -> Option<&'static str> {
    let mut section = None;
    for line in FIELDS.lines() {
        let line = line.trim_start_matches("# ");
        if let Some(head) = line.strip_prefix('[') {
            // Of several alike, no single one is meant.
            section =
                head.split_once(']').map(|(section, _)| section).filter(|section| !section.starts_with('['));
        } else if section.is_some() && line.split_once(" = ").is_some_and(|(field, _)| field == name) {
            return section;
        }
    }
    None
}

/// A name that no built-in scenario has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no built-in scenario is called `{name}`{}; there are {}", hint(nearest.as_ref()), names())]
pub struct PresetError {
    /// The name asked for.
    pub name: String,
    /// The one that it resembles.
    pub nearest: Option<&'static str>,
}

fn hint(nearest: Option<&&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

fn names() -> String {
    PRESETS.map(|preset| preset.name).join(", ")
}

/// The built-in scenario `name`.
///
/// # Errors
///
/// [`PresetError`] with the nearest name when there is none.
pub fn preset(name: &str) -> Result<Preset, PresetError> {
    PRESETS.into_iter().find(|preset| preset.name == name).ok_or_else(|| PresetError {
        name: super::document::shorten(name),
        nearest: nearest(name, &PRESETS.map(|preset| preset.name)),
    })
}

impl Preset {
    /// What it shows and where its numbers come from: the first line, without its `#` and its name.
    pub fn about(&self) -> &'static str {
        let line = self.text.lines().next().unwrap_or_default().trim_start_matches('#').trim();
        line.split_once(": ").map_or(line, |(_, about)| about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Scenario, ScenarioError};

    #[test]
    fn every_built_in_scenario_is_valid_and_survives_being_written_out() {
        for preset in PRESETS {
            let scenario =
                Scenario::parse(preset.text).unwrap_or_else(|error| panic!("{}: {error}", preset.name));
            let text = scenario.to_toml();
            assert_eq!(Scenario::parse(&text).as_ref(), Ok(&scenario), "{}:\n{text}", preset.name);
        }
    }

    #[test]
    fn every_first_line_names_its_scenario_and_says_what_it_shows_and_whence() {
        for preset in PRESETS {
            assert!(preset.text.starts_with(&format!("# {}: ", preset.name)), "{}", preset.name);
            assert!(preset.about().len() > 60, "{}", preset.name);
        }
    }

    #[test]
    fn the_default_text_is_the_default_value() {
        assert_eq!(Scenario::parse(preset("default").unwrap().text), Ok(Scenario::default()));
        assert_eq!(Scenario::parse(""), Ok(Scenario::default()));
    }

    #[test]
    fn the_text_of_all_fields_is_the_default_and_names_every_field() {
        assert_eq!(Scenario::parse(FIELDS), Ok(Scenario::default()));
        // What an unknown field is told to be instead, in every section.
        let known = |before: &str, path: &str| {
            let text = format!("{before}\n{path}.nonsense = 1");
            match Scenario::parse(&text).unwrap_err() {
                ScenarioError::Unknown { known, .. } => known,
                other => panic!("{text}: {other}"),
            }
        };
        let mut names = match Scenario::parse("nonsense = 1").unwrap_err() {
            ScenarioError::Unknown { known, .. } => known,
            other => panic!("{other}"),
        };
        for section in [
            "mix",
            "mix.multipart",
            "objects",
            "layout",
            "principals",
            "history",
            "kms",
            "kms.service_time",
            "cache",
            "bucket_key",
            "retry",
            "s3",
            "fleet",
        ] {
            names.extend(known("", section));
        }
        for process in ["constant", "poisson", "burst", "ramp", "step"] {
            names.extend(known(&format!("arrival.process = \"{process}\""), "arrival"));
        }
        for law in ["fixed", "lognormal", "empirical", "preset"] {
            names.extend(known(&format!("objects.size.law = \"{law}\""), "objects.size"));
        }
        for law in ["uniform", "zipf", "hotspot", "latest"] {
            names.extend(known(&format!("objects.popularity.law = \"{law}\""), "objects.popularity"));
        }
        for kind in
            ["kms-outage", "kms-brown-out", "kms-errors", "key-disabled", "quota-changed", "store-stall"]
        {
            let text = format!("[[fault]]\nkind = \"{kind}\"\nnonsense = 1");
            match Scenario::parse(&text).unwrap_err() {
                ScenarioError::Unknown { known, .. } => names.extend(known),
                other => panic!("{other}"),
            }
            assert!(FIELDS.contains(&format!("\"{kind}\"")), "{kind}");
        }
        for name in names {
            let named = FIELDS
                .lines()
                .any(|line| line.contains(&format!("{name} = ")) || line.contains(&format!("[{name}]")));
            assert!(named, "{name} is not in fields.toml");
        }
    }

    #[test]
    fn a_field_without_its_section_brings_the_section() {
        assert_eq!(section_of_field("quota"), Some("kms"));
        assert_eq!(section_of_field("max_age"), Some("cache"));
        assert_eq!(section_of_field("seed"), None, "of no section");
        assert_eq!((section_of_field("factor"), section_of_field("rat")), (None, None));
        let said = Scenario::parse("quota = 5500").unwrap_err().to_string();
        assert!(
            said.starts_with("line 1, column 1: unknown field `quota` (did you mean `kms.quota`?)"),
            "{said}"
        );
        let said = Scenario::parse("[cache]\nquota = 5500").unwrap_err().to_string();
        assert!(said.starts_with("line 2, column 1: unknown field `cache.quota`; known here"), "{said}");
    }

    #[test]
    fn an_unknown_name_brings_the_nearest() {
        let error = preset("hot-reads").unwrap_err();
        assert_eq!(error.nearest, Some("hot-read"));
        assert!(error.to_string().contains("did you mean `hot-read`?"));
    }
}
