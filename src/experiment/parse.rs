//! Experiment files: TOML in, a checked [`Experiment`] out.

use toml::Value;

use super::definition::{Band, Experiment, KIND, MODE, Small, is_special, list, wrong};
use super::figure::{Figure, Unit};
use super::knob::{Knob, range, same};
use crate::report::Kind;
use crate::request::SseMode;
use crate::workload::{Document, ScenarioError, Section, nearest, section_of, shorten, span};

/// Most characters of a name: it becomes that of a folder.
const NAME_MAX: usize = 60;

impl Experiment {
    /// The experiment that the TOML `text` describes (docs/EXPERIMENTS.md).
    ///
    /// # Errors
    ///
    /// [`ScenarioError`], with line and column: text that is not TOML, an unknown field (with the nearest known one), a
    /// value of the wrong kind or out of range, a point whose values make no scenario, a band about no point.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let document = Document::parse(text)?;
        let checked = read(&document.root()).and_then(|experiment| experiment.check().map(|()| experiment));
        checked.map_err(|error| {
            let place = error.field().and_then(|field| document.locate(field));
            error.at(place)
        })
    }
}

fn read(root: &Section<'_>) -> Result<Experiment, ScenarioError> {
    root.only(&[
        "name",
        "question",
        "hypothesis",
        "limits",
        "kind",
        "x",
        "lines",
        "figures",
        "seeds",
        "answer",
        "scenario",
        "knobs",
        "band",
        "small",
    ])?;
    let text = |name, expected| Ok(root.required(name, root.text(name)?, expected)?.to_owned());
    let knobs = knobs(root, "knobs")?;
    if knobs.is_empty() {
        return Err(wrong("knobs", "empty", "at least one field with its values"));
    }
    let kinds = [("simulated", Kind::Simulated), ("live", Kind::Live)];
    let figures: Vec<(&str, Figure)> = Figure::ALL.iter().map(|figure| (figure.as_str(), *figure)).collect();
    let shown = root.required("figures", root.choices("figures", &figures)?, "figures such as [\"p99\"]")?;
    if shown.is_empty() {
        return Err(wrong("figures", "[]", "at least one figure"));
    }
    let knob = |name| root.text(name)?.map(|path| knob_of(&knobs, name, path)).transpose();
    let x = root.required("x", knob("x")?, "the knob across the charts")?;
    let lines = knob("lines")?;
    if lines == Some(x) {
        return Err(wrong("lines", &knobs[x].path, "another knob than `x`"));
    }
    let sections = root.sections("band")?.into_iter().enumerate();
    let bands: Vec<Band> =
        sections.map(|(place, section)| band(&section, place, &knobs, &figures)).collect::<Result<_, _>>()?;
    if bands.is_empty() {
        return Err(wrong("band", "missing", "at least one [[band]]: what is expected, so that it can fail"));
    }
    for (place, band) in bands.iter().enumerate() {
        if bands[..place].iter().any(|other| other.name == band.name) {
            return Err(wrong(&format!("band[{place}].name"), &band.name, "a name that no other band has"));
        }
    }
    Ok(Experiment {
        name: name(&text("name", "a name such as \"throttle-cliff\"")?)?,
        question: text("question", "what is asked")?,
        hypothesis: text("hypothesis", "what is expected, and why")?,
        limits: sentences(root, "limits")?,
        kind: root.choice("kind", &kinds)?.unwrap_or(Kind::Simulated),
        x,
        lines,
        figures: shown,
        seeds: seeds(root)?.unwrap_or_else(|| vec![1]),
        bands,
        answer: sentences(root, "answer")?,
        scenario: section_of(root, "scenario")?,
        small: small(root, &knobs)?,
        knobs,
    })
}

fn name(name: &str) -> Result<String, ScenarioError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits =
        !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(is_plain) && !name.starts_with('-');
    if fits {
        return Ok(name.to_owned());
    }
    Err(wrong("name", &format!("{:?}", shorten(name)), "lower-case letters, digits and hyphens, at most 60"))
}

fn sentences(root: &Section<'_>, name: &str) -> Result<Vec<String>, ScenarioError> {
    match root.value(name)? {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(all)) if all.iter().all(Value::is_str) => {
            Ok(all.into_iter().filter_map(|one| one.as_str().map(str::to_owned)).collect())
        }
        Some(other) => {
            Err(wrong(name, &shorten(&other.to_string()), "a text, or an array of texts, in quotes"))
        }
    }
}

fn seeds(root: &Section<'_>) -> Result<Option<Vec<u64>>, ScenarioError> {
    let expected = "an array of whole numbers from 0 to 9223372036854775807, no two alike";
    let path = root.path_of("seeds");
    let Some(value) = root.value("seeds")? else { return Ok(None) };
    let seeds: Option<Vec<u64>> = value
        .as_array()
        .and_then(|all| all.iter().map(|seed| u64::try_from(seed.as_integer()?).ok()).collect());
    let alike = |seeds: &Vec<u64>| (1..seeds.len()).any(|place| seeds[..place].contains(&seeds[place]));
    match seeds {
        Some(seeds) if !seeds.is_empty() && !alike(&seeds) => Ok(Some(seeds)),
        _ => Err(wrong(&path, &shorten(&value.to_string()), expected)),
    }
}

/// The knobs in section `name`, in the order of their paths; `mode` and `kind` by their words.
fn knobs(root: &Section<'_>, name: &str) -> Result<Vec<Knob>, ScenarioError> {
    let Some(section) = root.section(name)? else { return Ok(Vec::new()) };
    section.values("from")?.into_iter().map(|(path, value)| knob(&section, path, &value)).collect()
}

fn knob(section: &Section<'_>, path: String, value: &Value) -> Result<Knob, ScenarioError> {
    let field = section.path_of(&path);
    let refuse = |value: &Value, expected: &str| wrong(&field, &shorten(&value.to_string()), expected);
    let values = match value {
        Value::Array(values) => values.clone(),
        Value::Table(table) => ranged(table).ok_or_else(|| {
            refuse(
                value,
                "a range of numbers such as { from = 1000, to = 8000, step = 1000 }, or factor = 2 for step",
            )
        })?,
        one => vec![one.clone()],
    };
    let alike = |place: usize| values[..place].iter().any(|other| same(other, &values[place]));
    if values.is_empty() || values.iter().any(|value| value.is_array() || value.is_table()) {
        return Err(refuse(value, "an array of at least one value"));
    }
    if let Some(twice) = (1..values.len()).find(|place| alike(*place)) {
        return Err(refuse(&values[twice], "a value that does not stand there already"));
    }
    let known: Vec<&str> = match path.as_str() {
        MODE => SseMode::ALL.iter().map(|mode| mode.as_str()).collect(),
        KIND => vec!["simulated", "live"],
        _ => Vec::new(),
    };
    let unknown = |value: &&Value| value.as_str().is_none_or(|word| !known.contains(&word));
    if let Some(odd) = values.iter().find(unknown).filter(|_| is_special(&path)) {
        let meant = nearest(odd.as_str().unwrap_or_default(), &known);
        let meant = meant.map(|name| format!(" (did you mean \"{name}\"?)")).unwrap_or_default();
        return Err(refuse(odd, &format!("one of {}{meant}", known.join(", "))));
    }
    Ok(Knob { path, values })
}

fn ranged(table: &toml::Table) -> Option<Vec<Value>> {
    if table.keys().any(|key| !["from", "to", "step", "factor"].contains(&key.as_str())) {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "ranges reach nowhere near 2⁵³")]
    let number = |name: &str| {
        table.get(name).and_then(|value| value.as_float().or_else(|| value.as_integer().map(|n| n as f64)))
    };
    let has = |name: &str| table.contains_key(name);
    if has("step") == has("factor") {
        return None;
    }
    range(number("from")?, number("to")?, number("step"), number("factor"))
}

/// The place of the knob `path` that `field` names: by its path, or by the last part of it where that is one knob's alone.
fn knob_of(knobs: &[Knob], field: &str, path: &str) -> Result<usize, ScenarioError> {
    if let Some(place) = knobs.iter().position(|knob| knob.path == path) {
        return Ok(place);
    }
    let named: Vec<usize> = (0..knobs.len()).filter(|place| knobs[*place].name() == path).collect();
    if let [place] = named[..] {
        return Ok(place);
    }
    let paths: Vec<&str> = knobs.iter().map(|knob| knob.path.as_str()).collect();
    let meant = nearest(path, &paths).map(|name| format!(" (did you mean \"{name}\"?)")).unwrap_or_default();
    Err(wrong(field, &format!("{:?}", shorten(path)), &format!("a knob: one of {}{meant}", paths.join(", "))))
}

fn band(
    section: &Section<'_>,
    place: usize,
    knobs: &[Knob],
    figures: &[(&'static str, Figure)],
) -> Result<Band, ScenarioError> {
    section.only(&["name", "figure", "at", "over", "low", "high", "why"])?;
    let text = |name, expected| Ok(section.required(name, section.text(name)?, expected)?.to_owned());
    let figure =
        section.required("figure", section.choice("figure", figures)?, "a figure such as \"p99\"")?;
    let over = section.section("over")?.map(|over| settings(&over, knobs)).transpose()?;
    let at = section.section("at")?.map(|at| settings(&at, knobs)).transpose()?.unwrap_or_default();
    let unit = if over.is_some() { Unit::Number } else { figure.unit() };
    let (low, high) = (limit(section, "low", unit)?, limit(section, "high", unit)?);
    if low.is_none() && high.is_none() {
        return section.required("low", None, "`low` or `high`, or both: where the figure is expected");
    }
    if let Some((low, _)) = low.zip(high).filter(|(low, high)| low > high) {
        let written = if unit == Unit::Time { unit.show(low) } else { low.to_string() };
        return Err(wrong(&format!("band[{place}].low"), &written, "at most `high`"));
    }
    Ok(Band {
        name: text("name", "a name for the answer, such as \"cliff\"")?,
        figure,
        at,
        over,
        low,
        high,
        why: text("why", "the formula or the source that it follows from")?,
    })
}

/// Knobs at one of their values each.
fn settings(section: &Section<'_>, knobs: &[Knob]) -> Result<Vec<(usize, usize)>, ScenarioError> {
    let one = |(path, value): (String, Value)| {
        let field = section.path_of(&path);
        let knob = knob_of(knobs, &field, &path)?;
        let values = &knobs[knob].values;
        let place = values.iter().position(|held| same(held, &value));
        let place = place.ok_or_else(|| {
            wrong(&field, &shorten(&value.to_string()), &format!("one of its values: {}", list(values)))
        })?;
        Ok((knob, place))
    };
    section.values("")?.into_iter().map(one).collect()
}

/// A time as a duration, all else as a number.
fn limit(section: &Section<'_>, name: &str, unit: Unit) -> Result<Option<f64>, ScenarioError> {
    if unit != Unit::Time {
        return section.number(name);
    }
    #[expect(clippy::cast_precision_loss, reason = "a limit with fifteen digits")]
    let nanos = |text: &str| span(text).map(|span| span.as_nanos() as f64);
    let Some(text) = section.text(name)? else { return Ok(None) };
    let expected = "a duration such as \"250ms\" or \"5s\"";
    nanos(text)
        .map(Some)
        .ok_or_else(|| wrong(&section.path_of(name), &format!("{:?}", shorten(text)), expected))
}

fn small(root: &Section<'_>, knobs_of_whole: &[Knob]) -> Result<Small, ScenarioError> {
    let Some(section) = root.section("small")? else { return Ok(Small::default()) };
    section.only(&["seeds", "scenario", "knobs"])?;
    let scenario =
        section.section("scenario")?.map(|inner| inner.values("")).transpose()?.unwrap_or_default();
    let knobs = knobs(&section, "knobs")?;
    for knob in &knobs {
        if !knobs_of_whole.iter().any(|held| held.path == knob.path) {
            let paths: Vec<&str> = knobs_of_whole.iter().map(|held| held.path.as_str()).collect();
            let field = format!("small.knobs.{}", knob.path);
            return Err(wrong(
                &field,
                &list(&knob.values),
                &format!("one of the knobs: {}", paths.join(", ")),
            ));
        }
    }
    Ok(Small { seeds: seeds(&section)?, scenario, knobs })
}
