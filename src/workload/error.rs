//! What can be wrong with a scenario, and where it stands.

use std::fmt;

use thiserror::Error;

use super::preset::section_of_field;

/// A place in a text, both counted from 1; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Character in the line.
    pub column: usize,
}

impl Place {
    /// The place of byte `offset` in `text`; the end when it lies beyond.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// `None` when the scenario was not read from a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Where(pub Option<Place>);

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Place { line, column }) => write!(f, "line {line}, column {column}: "),
            None => Ok(()),
        }
    }
}

/// Why a text or a set of values is no scenario.
///
/// Fields are named by their path (`objects.size.median`, `fault[0].at`).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// Not TOML.
    #[error("{at}not valid TOML: {message}")]
    Syntax {
        /// Where.
        at: Where,
        /// What the TOML reader says.
        message: String,
    },
    /// A field that does not exist.
    #[error("{at}unknown field `{field}`{}; known here: {}", suggestion(field, *nearest, known), known.join(", "))]
    Unknown {
        /// Where.
        at: Where,
        /// Its path.
        field: String,
        /// The known field that it resembles.
        nearest: Option<&'static str>,
        /// Every field that may stand there.
        known: Vec<&'static str>,
    },
    /// A field that must be given is not.
    #[error("{at}`{field}` is missing: expected {expected}")]
    Missing {
        /// The section that lacks it.
        at: Where,
        /// Its path.
        field: String,
        /// What belongs there.
        expected: String,
    },
    /// A value of the wrong kind, or out of range.
    #[error("{at}`{field}` is {value}: expected {expected}")]
    Invalid {
        /// Where.
        at: Where,
        /// Its path.
        field: String,
        /// The value as written.
        value: String,
        /// What belongs there.
        expected: String,
    },
    /// A field below one that is a value.
    #[error("{at}`{field}` cannot be: `{section}` is no section")]
    NoSection {
        /// Where.
        at: Where,
        /// Its path.
        field: String,
        /// What is taken for a section.
        section: String,
    },
    /// Two values that cannot hold together.
    #[error("{at}`{field}` contradicts `{other}`: {reason}")]
    Contradiction {
        /// Where `field` stands.
        at: Where,
        /// One field.
        field: String,
        /// The other.
        other: String,
        /// Why not both.
        reason: String,
    },
}

/// What was meant by `field`: what one of the sections that are `known` here holds under its very name, else what is `nearest`.
fn suggestion(field: &str, nearest: Option<&str>, known: &[&str]) -> String {
    let name = field.rsplit('.').next().unwrap_or(field);
    match (section_of_field(name).filter(|section| known.contains(section)), nearest) {
        (Some(section), _) => format!(" (did you mean `{section}.{name}`?)"),
        (None, Some(name)) => format!(" (did you mean `{name}`?)"),
        (None, None) => String::new(),
    }
}

impl ScenarioError {
    /// Where the error stands; `None` when the scenario was not read from a text.
    pub fn place(&self) -> Option<Place> {
        let (Self::Syntax { at, .. }
        | Self::Unknown { at, .. }
        | Self::Missing { at, .. }
        | Self::Invalid { at, .. }
        | Self::NoSection { at, .. }
        | Self::Contradiction { at, .. }) = self;
        at.0
    }

    /// The path of the field in question; `None` for text that is not TOML.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Syntax { .. } => None,
            Self::Unknown { field, .. }
            | Self::Missing { field, .. }
            | Self::Invalid { field, .. }
            | Self::NoSection { field, .. }
            | Self::Contradiction { field, .. } => Some(field),
        }
    }

    /// The error without its place, for values that the reader did not write down there.
    #[must_use]
    pub fn unplaced(mut self) -> Self {
        let (Self::Syntax { at, .. }
        | Self::Unknown { at, .. }
        | Self::Missing { at, .. }
        | Self::Invalid { at, .. }
        | Self::NoSection { at, .. }
        | Self::Contradiction { at, .. }) = &mut self;
        at.0 = None;
        self
    }

    /// The error of a scenario that stands in `section` of a larger text.
    pub(crate) fn below(mut self, section: &str) -> Self {
        if let Self::Contradiction { other, .. } = &mut self {
            *other = format!("{section}.{other}");
        }
        if let Self::Unknown { field, .. }
        | Self::Missing { field, .. }
        | Self::Invalid { field, .. }
        | Self::NoSection { field, .. }
        | Self::Contradiction { field, .. } = &mut self
        {
            *field = format!("{section}.{field}");
        }
        self
    }

    /// The error with its place, when it has none yet.
    pub(crate) fn at(mut self, place: Option<Place>) -> Self {
        let (Self::Syntax { at, .. }
        | Self::Unknown { at, .. }
        | Self::Missing { at, .. }
        | Self::Invalid { at, .. }
        | Self::NoSection { at, .. }
        | Self::Contradiction { at, .. }) = &mut self;
        at.0 = at.0.or(place);
        self
    }
}

/// The one of `known` that `word` most resembles, when it is close enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Jaro-Winkler compares every pair of characters: a long word is no misspelling of a short one.
    if word.len() > 64 {
        return None;
    }
    let folded = word.to_lowercase().replace('-', "_");
    let likeness = |name: &&&str| strsim::jaro_winkler(&folded, &name.to_lowercase().replace('-', "_"));
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    // 0.75 finds `ratte`, `oject_count` and `thetta`, not `colour` for `count`.
    (likeness(&best) >= 0.75).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a = 1\nü = 2";
        assert_eq!(Place::of(text, 0), Place { line: 1, column: 1 });
        assert_eq!(Place::of(text, 8), Place { line: 2, column: 2 });
        assert_eq!(Place::of(text, 7), Place { line: 2, column: 6 }, "inside a character: the end");
        assert_eq!(Place::of(text, 999), Place { line: 2, column: 6 });
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_a_foreign_one_none() {
        let known = ["rate", "process", "warm_up", "count"];
        assert_eq!(nearest("ratte", &known), Some("rate"));
        assert_eq!(nearest("warmup", &known), Some("warm_up"));
        assert_eq!(nearest("warm-up", &known), Some("warm_up"));
        assert_eq!(nearest("xyzzy", &known), None);
        assert_eq!(nearest(&"rate".repeat(1000), &known), None);
    }
}
