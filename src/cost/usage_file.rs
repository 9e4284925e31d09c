//! Usage files: TOML with one table per line of a bill, and optionally the workload that the command line prices.

use rust_decimal::{Decimal, RoundingStrategy};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::quantity::bytes;
use super::{Item, Month, Region, Unit, UnknownName, Usage, UsageError, Variant, nearest};

const ROOT: [&str; 4] = ["month", "region", "line", "workload"];
const LINE: [&str; 8] = ["item", "variant", "region", "quantity", "bytes", "keys", "rotations", "hours"];

/// What a usage file says.
///
/// ```toml
/// month = "2026-10"
/// region = "us-east-1"          # of the lines that name none
///
/// [[line]]
/// item = "storage"              # as `s3seal cost prices` lists them
/// variant = "STANDARD"          # storage class, or destination of a transfer
/// quantity = 14.045             # in the unit of the bill: GB-month, 2³⁰ bytes for a month
///
/// [[line]]
/// item = "storage"
/// variant = "STANDARD"
/// bytes = "100GiB"              # or what was held, and for how long
/// hours = 360
///
/// [[line]]
/// item = "kms-key"
/// keys = 3
/// rotations = 2                 # of each; hours left out: the whole month
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageFile {
    /// The month, when the file names one.
    pub month: Option<Month>,
    /// The Region, when the file names one.
    pub region: Option<Region>,
    /// What the lines used.
    pub usage: Usage,
    /// The fields of `[workload]` as text, each with its line.
    pub workload: Vec<(String, String, usize)>,
}

/// Why a text is no usage file: file, line, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {problem}")]
pub struct UsageFileError {
    /// The name of the text.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: UsageFileProblem,
}

/// What can be wrong with a usage file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageFileProblem {
    /// Not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// A field that does not exist.
    #[error("`{field}` is no field{}; known here: {}", nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default(), known.join(", "))]
    Field {
        /// Its name.
        field: String,
        /// The field that it resembles.
        nearest: Option<&'static str>,
        /// Every field that may stand there.
        known: &'static [&'static str],
    },
    /// A field that has to be there is not.
    #[error("`{field}` is missing: expected {expected}")]
    Missing {
        /// Its name.
        field: &'static str,
        /// What belongs there.
        expected: String,
    },
    /// A word that is not known.
    #[error("`{field}`: {name}")]
    Unknown {
        /// The field.
        field: &'static str,
        /// The word.
        name: UnknownName,
    },
    /// A value of the wrong kind, or out of range.
    #[error("`{field}` is {value}: expected {expected}")]
    Invalid {
        /// The field.
        field: String,
        /// The value, shortened.
        value: String,
        /// What belongs there.
        expected: String,
    },
    /// The quantities of the file do not add up to a usage.
    #[error("{0}")]
    Usage(#[from] UsageError),
}

impl UsageFile {
    /// Reads `text`; `file` names it in errors; `default` is the month when it names none, and `region` the Region of lines
    /// that name none where the file names none for them.
    ///
    /// # Errors
    /// [`UsageFileError`] names file, line, field and, for a misspelt word, the nearest that exists.
    pub fn parse(
        text: &str,
        file: &str,
        default: Month,
        region: Option<Region>,
    ) -> Result<Self, UsageFileError> {
        Reader { text, file }.read(default, region)
    }
}

struct Reader<'t> {
    text: &'t str,
    file: &'t str,
}

/// One table with the place where it begins.
#[derive(Clone, Copy)]
struct Section<'t> {
    table: &'t DeTable<'t>,
    start: usize,
}

impl Reader<'_> {
    fn at(&self, offset: usize, problem: UsageFileProblem) -> UsageFileError {
        let before = self.text.get(..offset).unwrap_or(self.text);
        UsageFileError { file: self.file.into(), line: before.matches('\n').count() + 1, problem }
    }

    fn line(&self, offset: usize) -> usize {
        self.text.get(..offset).unwrap_or(self.text).matches('\n').count() + 1
    }

    fn read(&self, default: Month, else_in: Option<Region>) -> Result<UsageFile, UsageFileError> {
        let root = DeTable::parse(self.text).map_err(|error| {
            let problem = UsageFileProblem::Syntax(error.message().trim().replace('\n', "; "));
            self.at(error.span().map_or(0, |span| span.start), problem)
        })?;
        let root = Section { table: root.get_ref(), start: 0 };
        self.only(root, &ROOT)?;
        let month = self.word(root, "month")?;
        let month = month
            .map(|(text, at)| {
                text.parse::<Month>().map_err(|_| self.invalid(at, "month", &text, "a month such as 2026-10"))
            })
            .transpose()?;
        let region = self.region(root)?;
        let mut usage = Usage::new(month.unwrap_or(default));
        if let Some(lines) = root.table.get("line") {
            let array = lines.get_ref().as_array().ok_or_else(|| {
                self.invalid(lines.span().start, "line", "no array of tables", "lines under [[line]]")
            })?;
            for line in array {
                let table = line.get_ref().as_table().ok_or_else(|| {
                    self.invalid(line.span().start, "line", "no table", "lines under [[line]]")
                })?;
                self.add(Section { table, start: line.span().start }, region.or(else_in), &mut usage)?;
            }
        }
        Ok(UsageFile { month, region, usage, workload: self.workload(root)? })
    }

    fn workload(&self, root: Section<'_>) -> Result<Vec<(String, String, usize)>, UsageFileError> {
        let Some(value) = root.table.get("workload") else { return Ok(Vec::new()) };
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.invalid(value.span().start, "workload", "no table", "a table"));
        };
        let field = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            match scalar(value.get_ref()) {
                Some(text) => Ok((name.to_string(), text, self.line(key.span().start))),
                None => Err(self.invalid(value.span().start, name, "a list or table", "a number or a word")),
            }
        };
        table.iter().map(field).collect()
    }

    fn only(&self, section: Section<'_>, known: &'static [&'static str]) -> Result<(), UsageFileError> {
        for (key, _) in section.table {
            let name: String = key.get_ref().chars().take(60).collect();
            if !known.contains(&name.as_str()) {
                let nearest = nearest(&name, known);
                let problem = UsageFileProblem::Field { field: name, nearest, known };
                return Err(self.at(key.span().start, problem));
            }
        }
        Ok(())
    }

    fn invalid(&self, at: usize, field: &str, value: &str, expected: &str) -> UsageFileError {
        let value = value.chars().take(60).collect();
        self.at(at, UsageFileProblem::Invalid { field: field.into(), value, expected: expected.into() })
    }

    /// The text of a number, a word or a truth value.
    fn word(
        &self,
        section: Section<'_>,
        field: &'static str,
    ) -> Result<Option<(String, usize)>, UsageFileError> {
        let Some(value) = section.table.get(field) else { return Ok(None) };
        let at = value.span().start;
        match scalar(value.get_ref()) {
            Some(text) => Ok(Some((text, at))),
            None => Err(self.invalid(at, field, "a list or table", "a number or a word")),
        }
    }

    fn region(&self, section: Section<'_>) -> Result<Option<Region>, UsageFileError> {
        let unknown = |at, name| self.at(at, UsageFileProblem::Unknown { field: "region", name });
        let word = self.word(section, "region")?;
        word.map(|(text, at)| text.parse().map_err(|name| unknown(at, name))).transpose()
    }

    fn count(
        &self,
        section: Section<'_>,
        field: &'static str,
    ) -> Result<Option<(u64, usize)>, UsageFileError> {
        let word = self.word(section, field)?;
        word.map(|(text, at)| match super::count(&text) {
            Ok(count) => Ok((count, at)),
            Err(error) => {
                Err(self.invalid(at, field, &text, &format!("{} ({})", error.expected, error.wrong)))
            }
        })
        .transpose()
    }

    fn add(
        &self,
        line: Section<'_>,
        default: Option<Region>,
        usage: &mut Usage,
    ) -> Result<(), UsageFileError> {
        self.only(line, &LINE)?;
        let missing = |field, expected: &str| {
            self.at(line.start, UsageFileProblem::Missing { field, expected: expected.into() })
        };
        let unknown = |field, at| move |name| self.at(at, UsageFileProblem::Unknown { field, name });
        let (item, at) =
            self.word(line, "item")?.ok_or_else(|| missing("item", "what `s3seal cost prices` lists"))?;
        let item: Item = item.parse().map_err(unknown("item", at))?;
        let (variant, at) = self.word(line, "variant")?.unwrap_or((String::new(), line.start));
        let variant = item.variant(&variant).map_err(unknown("variant", at))?;
        let region = self.region(line)?.or(default).ok_or_else(|| {
            missing("region", "here, at the top for all lines, or given with the file (--region)")
        })?;
        let month = usage.month();
        let hours = match self.count(line, "hours")? {
            Some((hours, at)) if hours > month.hours() => {
                let expected = format!("at most the {} hours of {month}", month.hours());
                return Err(self.invalid(at, "hours", &hours.to_string(), &expected));
            }
            Some((hours, _)) => Some(hours),
            None => None,
        };
        let given: Vec<_> = ["quantity", "bytes", "keys"]
            .into_iter()
            .filter(|field| line.table.contains_key(*field))
            .collect();
        let added = match (given[..].first().copied(), given.len()) {
            (Some("bytes"), 1) if matches!(item.unit(), Unit::Gb | Unit::GbMonth) => {
                self.bytes(line, item, variant, region, hours, usage)?
            }
            (Some("keys"), 1) if item.unit() == Unit::KeyMonth => {
                let (keys, _) = self.count(line, "keys")?.unwrap_or_default();
                let hours = hours.unwrap_or(month.hours());
                match self.count(line, "rotations")? {
                    Some((rotations, _)) if item == Item::KmsKey => {
                        usage.add_keys(region, keys, rotations, hours)
                    }
                    Some((_, at)) => {
                        return Err(self.invalid(at, "rotations", item.as_str(), "only with kms-key"));
                    }
                    None => usage.add_held(item, variant, region, u128::from(keys), hours),
                }
            }
            (Some("quantity"), 1) if hours.is_none() => {
                let (text, at) = self.word(line, "quantity")?.unwrap_or_default();
                let base = item.unit().base(month);
                let quantity = quantity(&text, item.unit(), base)
                    .map_err(|expected| self.invalid(at, "quantity", &text, &expected))?;
                usage.add(item, variant, region, quantity)
            }
            _ => {
                let way = match item.unit() {
                    Unit::GbMonth => "either `quantity` in GB-month, or `bytes` and perhaps `hours`",
                    Unit::Gb => "either `quantity` in GB, or `bytes`",
                    Unit::KeyMonth => {
                        "either `quantity` in key-month, or `keys` and perhaps `hours` and `rotations`"
                    }
                    _ => "`quantity` alone",
                };
                return Err(missing("quantity", &format!("{way}, for {item}")));
            }
        };
        added.map_err(|error| self.at(line.start, error.into()))
    }

    fn bytes(
        &self,
        line: Section<'_>,
        item: Item,
        variant: Variant,
        region: Region,
        hours: Option<u64>,
        usage: &mut Usage,
    ) -> Result<Result<(), UsageError>, UsageFileError> {
        let (text, at) = self.word(line, "bytes")?.unwrap_or_default();
        let bytes = bytes(&text).map_err(|error| {
            self.invalid(at, "bytes", &text, &format!("{} ({})", error.expected, error.wrong))
        })?;
        Ok(match (item.unit(), hours) {
            (Unit::GbMonth, hours) => {
                let hours = hours.unwrap_or(usage.month().hours());
                usage.add_held(item, variant, region, u128::from(bytes), hours)
            }
            (_, None) => usage.add(item, variant, region, u128::from(bytes)),
            (_, Some(_)) => {
                return Err(self.invalid(at, "hours", "given", "only with what is held by the hour"));
            }
        })
    }
}

/// A number, word or truth value as it is written.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// `text` units in base units, to the nearest; the unit may stand behind the number.
fn quantity(text: &str, unit: Unit, base: u128) -> Result<u128, String> {
    let counted = base == 1;
    let expected = || {
        let number = if counted { "a whole number" } else { "a number" };
        format!("{number} of {}, not negative", unit.plural())
    };
    let number = text.trim().strip_suffix(unit.as_str()).unwrap_or(text).trim();
    if counted {
        return super::count(number).map(u128::from).map_err(|_| expected());
    }
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number = Decimal::from_str_exact(number).ok().filter(|_| plain).ok_or_else(expected)?.normalize();
    // Whole and fraction apart: their products are exact, where that of the number could lose its last digits.
    let whole = u128::try_from(number.trunc().mantissa()).ok().and_then(|whole| whole.checked_mul(base));
    let base = Decimal::from(u64::try_from(base).map_err(|_| expected())?);
    let part = number.fract().checked_mul(base).ok_or_else(expected)?;
    let part = part.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).mantissa();
    whole
        .zip(u128::try_from(part).ok())
        .and_then(|(whole, part)| whole.checked_add(part))
        .ok_or_else(expected)
}
