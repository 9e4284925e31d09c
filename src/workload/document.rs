//! A TOML text as sections and fields, each with its place.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use super::error::{Place, ScenarioError, Where, nearest};
use super::quantity::{self, BYTES_FORM, SPAN_FORM};
use crate::units::Span;

/// Longest part of a value that an error shows.
const SHOWN: usize = 60;

/// A parsed text.
pub(crate) struct Document<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

/// One table of it, under its path.
pub(crate) struct Section<'d> {
    text: &'d str,
    table: &'d DeTable<'d>,
    path: String,
    start: usize,
}

impl<'t> Document<'t> {
    pub(crate) fn parse(text: &'t str) -> Result<Self, ScenarioError> {
        match DeTable::parse(text) {
            Ok(root) => Ok(Self { text, root }),
            Err(error) => Err(ScenarioError::Syntax {
                at: Where(error.span().map(|span| Place::of(text, span.start))),
                message: error.message().trim().into(),
            }),
        }
    }

    pub(crate) fn root(&self) -> Section<'_> {
        Section { text: self.text, table: self.root.get_ref(), path: String::new(), start: 0 }
    }

    /// The place of the value at `path`, or of the nearest section above it.
    pub(crate) fn locate(&self, path: &str) -> Option<Place> {
        let mut table = self.root.get_ref();
        let mut found = None;
        for step in path.split('.') {
            let (name, index) = match step.split_once('[') {
                Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
                None => (step, None),
            };
            let Some(mut value) = table.get(name) else { break };
            if let (Some(index), DeValue::Array(array)) = (index, value.get_ref()) {
                let Some(element) = array.get(index) else { break };
                value = element;
            }
            found = Some(Place::of(self.text, value.span().start));
            let DeValue::Table(inner) = value.get_ref() else { break };
            table = inner;
        }
        found
    }
}

impl<'d> Section<'d> {
    /// Refuses every field that is not `known`.
    pub(crate) fn only(&self, known: &[&'static str]) -> Result<(), ScenarioError> {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                return Err(ScenarioError::Unknown {
                    at: self.place(key.span()),
                    field: self.path_of(&shorten(name)),
                    nearest: nearest(name, known),
                    known: known.to_vec(),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    pub(crate) fn section(&self, name: &str) -> Result<Option<Section<'d>>, ScenarioError> {
        let example = section_example(&self.path_of(name));
        self.read(name, &format!("a table{example}"), |value| {
            value.get_ref().as_table().map(|table| (table, value.span().start))
        })
        .map(|found| {
            found.map(|(table, start)| Section { text: self.text, table, path: self.path_of(name), start })
        })
    }

    /// The tables of an array of tables.
    pub(crate) fn sections(&self, name: &str) -> Result<Vec<Section<'d>>, ScenarioError> {
        let read = self.read(name, "an array of tables", |value| {
            let array = value.get_ref().as_array()?;
            let mut sections = Vec::with_capacity(array.len());
            for (index, element) in array.iter().enumerate() {
                sections.push(Section {
                    text: self.text,
                    table: element.get_ref().as_table()?,
                    path: format!("{}[{index}]", self.path_of(name)),
                    start: element.span().start,
                });
            }
            Some(sections)
        })?;
        Ok(read.unwrap_or_default())
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, ScenarioError> {
        self.read(name, "a number", |value| number(value.get_ref()))
    }

    pub(crate) fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>, ScenarioError> {
        self.read(name, "an array of numbers", |value| {
            value.get_ref().as_array()?.iter().map(|element| number(element.get_ref())).collect()
        })
    }

    /// A whole number that `T` can hold.
    pub(crate) fn integer<T: TryFrom<u64>>(&self, name: &str) -> Result<Option<T>, ScenarioError> {
        let expected = format!("a whole number from 0 to {}", bounds::<T>());
        self.read(name, &expected, |value| integer(value.get_ref()).and_then(|n| T::try_from(n).ok()))
    }

    /// A whole number from 1 to `max`; what lies beyond that is for the rules to refuse.
    pub(crate) fn positive(&self, name: &str, max: u64) -> Result<Option<u64>, ScenarioError> {
        self.read(name, &format!("a whole number from 1 to {max}"), |value| integer(value.get_ref()))
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, ScenarioError> {
        self.read(name, "true or false", |value| value.get_ref().as_bool())
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'d str>, ScenarioError> {
        self.read(name, "a text in quotes", |value| value.get_ref().as_str())
    }

    pub(crate) fn span(&self, name: &str) -> Result<Option<Span>, ScenarioError> {
        self.read(name, SPAN_FORM, |value| quantity::span(value.get_ref().as_str()?))
    }

    pub(crate) fn bytes(&self, name: &str) -> Result<Option<u64>, ScenarioError> {
        self.read(name, BYTES_FORM, |value| bytes(value.get_ref()))
    }

    /// Pairs `[share, size]`.
    pub(crate) fn quantiles(&self, name: &str) -> Result<Option<Vec<(f64, u64)>>, ScenarioError> {
        let expected = "an array of [share, size] such as [[0.0, \"1B\"], [0.5, \"16KiB\"], [1.0, \"1MiB\"]]";
        self.read(name, expected, |value| {
            let pair = |element: &Spanned<DeValue<'_>>| {
                let pair = element.get_ref().as_array()?;
                let (share, size) = (pair.first()?, pair.get(1)?);
                if pair.len() != 2 {
                    return None;
                }
                Some((number(share.get_ref())?, bytes(size.get_ref())?))
            };
            value.get_ref().as_array()?.iter().map(pair).collect()
        })
    }

    /// One of `choices` by its name.
    pub(crate) fn choice<T: Copy>(
        &self,
        name: &str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<T>, ScenarioError> {
        let Some(word) = self.text(name)? else { return Ok(None) };
        pick(word, choices).map(Some).map_err(|expected| self.invalid(name, expected))
    }

    /// Several of `choices` by their names.
    pub(crate) fn choices<T: Copy>(
        &self,
        name: &str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<Vec<T>>, ScenarioError> {
        let words = self.read(name, "an array of texts in quotes", |value| {
            value.get_ref().as_array()?.iter().map(|word| word.get_ref().as_str()).collect::<Option<Vec<_>>>()
        })?;
        let Some(words) = words else { return Ok(None) };
        words
            .into_iter()
            .map(|word| pick(word, choices))
            .collect::<Result<_, _>>()
            .map(Some)
            .map_err(|expected| self.invalid(name, expected))
    }

    /// `value`, or the error that `name` must be given.
    pub(crate) fn required<T>(
        &self,
        name: &str,
        value: Option<T>,
        expected: &str,
    ) -> Result<T, ScenarioError> {
        value.ok_or_else(|| ScenarioError::Missing {
            at: self.place(self.start..self.start),
            field: self.path_of(name),
            expected: expected.into(),
        })
    }

    /// A value as it is.
    pub(crate) fn value(&self, name: &str) -> Result<Option<Value>, ScenarioError> {
        self.read(name, "a value of TOML that is no date", |value| plain(value.get_ref()))
    }

    /// Its values by their paths below it, in order of their names: a table is looked into, unless it has a field named
    /// `whole`.
    pub(crate) fn values(&self, whole: &str) -> Result<Vec<(String, Value)>, ScenarioError> {
        let mut values = Vec::new();
        for (key, value) in self.table {
            let name: &str = key.get_ref();
            let inner = value.get_ref().as_table().filter(|table| !table.contains_key(whole));
            if let Some(table) = inner {
                let path = self.path_of(name);
                let section = Section { text: self.text, table, path, start: value.span().start };
                values.extend(
                    section.values(whole)?.into_iter().map(|(path, v)| (format!("{name}.{path}"), v)),
                );
            } else {
                values.extend(self.value(name)?.map(|value| (name.to_owned(), value)));
            }
        }
        Ok(values)
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        convert: impl FnOnce(&'d Spanned<DeValue<'d>>) -> Option<T>,
    ) -> Result<Option<T>, ScenarioError> {
        match self.table.get(name) {
            None => Ok(None),
            Some(value) => convert(value).map(Some).ok_or_else(|| self.invalid(name, expected.into())),
        }
    }

    fn invalid(&self, name: &str, expected: String) -> ScenarioError {
        let span = self.table.get(name).map_or(0..0, Spanned::span);
        let value = shorten(self.text.get(span.clone()).unwrap_or_default());
        ScenarioError::Invalid { at: self.place(span), field: self.path_of(name), value, expected }
    }

    fn place(&self, span: Range<usize>) -> Where {
        Where(Some(Place::of(self.text, span.start)))
    }
}

/// The choice named `word`, or what was expected instead.
fn pick<T: Copy>(word: &str, choices: &[(&'static str, T)]) -> Result<T, String> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
        return Ok(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let meant = nearest(word, &names).map(|name| format!(" (did you mean \"{name}\"?)")).unwrap_or_default();
    Err(format!("one of {}{meant}", names.join(", ")))
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok().filter(|n: &f64| n.is_finite()),
        DeValue::Integer(_) => {
            // Beyond 2⁵³ a whole number may round; no field reaches that far.
            integer(value).map(|n| n as f64).or_else(|| negative(value))
        }
        _ => None,
    }
}

/// `value` without its places; none for what a scenario never holds.
fn plain(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Boolean(is) => Value::Boolean(*is),
        DeValue::Integer(integer) => {
            Value::Integer(i64::from_str_radix(integer.as_str(), integer.radix()).ok()?)
        }
        DeValue::Float(_) => Value::Float(number(value)?),
        DeValue::Array(array) => {
            Value::Array(array.iter().map(|element| plain(element.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let field = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
                Some((key.get_ref().clone().into_owned(), plain(value.get_ref())?))
            };
            Value::Table(table.iter().map(field).collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) => return None,
    })
}

/// A negative whole number, so that a range check can name it.
fn negative(value: &DeValue<'_>) -> Option<f64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|n| n as f64)
}

/// What a table looks like, for those that are taken for a value.
fn section_example(path: &str) -> &'static str {
    match path {
        "objects.size" => r#" such as { law = "fixed", bytes = "4KiB" }"#,
        "objects.popularity" => r#" such as { law = "zipf", theta = 0.99 }"#,
        "arrival" => r#" such as { process = "poisson", rate = 800 }"#,
        _ => "",
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn bytes(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(_) => integer(value),
        _ => quantity::bytes(value.as_str()?),
    }
}

fn bounds<T: TryFrom<u64>>() -> u64 {
    if T::try_from(u64::MAX).is_ok() { u64::MAX } else { u64::from(u32::MAX) }
}

/// `text` on one line, cut to what a message can show.
pub(crate) fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
