//! A scenario with some of its fields changed by their paths, as a file would have them.

use toml::{Table, Value};

use super::error::{ScenarioError, Where};
use super::scenario::Scenario;

/// Fields of which one replaces the other.
const INSTEAD: [(&str, &str); 2] = [("duration", "operations"), ("history.span", "history.rate")];

impl Scenario {
    /// The same with each field of `fields`, named by its path (`objects.size.median`), at its value. A field that is there
    /// instead of another one (`operations`, `duration`) replaces it.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] without a place, as if the values had stood in a file.
    pub fn with<'p>(
        &self,
        fields: impl IntoIterator<Item = (&'p str, Value)>,
    ) -> Result<Self, ScenarioError> {
        let mut table: Table = self.to_toml().parse().expect("a scenario writes what TOML reads");
        for (path, value) in fields {
            for (one, other) in INSTEAD {
                if path == one {
                    remove(&mut table, other);
                } else if path == other {
                    remove(&mut table, one);
                }
            }
            *place(&mut table, path)? = value;
        }
        let text = toml::to_string(&table)
            .map_err(|error| ScenarioError::Syntax { at: Where(None), message: error.to_string() })?;
        Self::parse(&text).map_err(ScenarioError::unplaced)
    }
}

/// The value at `path`, made where there is none.
fn place<'t>(table: &'t mut Table, path: &str) -> Result<&'t mut Value, ScenarioError> {
    let (sections, field) = path.rsplit_once('.').unwrap_or(("", path));
    let mut inner = table;
    for section in sections.split('.').filter(|section| !section.is_empty()) {
        let value = inner.entry(section).or_insert_with(|| Value::Table(Table::new()));
        inner = value.as_table_mut().ok_or_else(|| ScenarioError::NoSection {
            at: Where(None),
            field: path.into(),
            section: section.into(),
        })?;
    }
    Ok(inner.entry(field).or_insert(Value::Boolean(false)))
}

fn remove(table: &mut Table, path: &str) {
    match path.rsplit_once('.') {
        None => drop(table.remove(path)),
        Some((section, field)) => {
            if let Some(inner) = table.get_mut(section).and_then(Value::as_table_mut) {
                inner.remove(field);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Stop;

    #[test]
    fn a_field_that_stands_instead_of_another_replaces_it() {
        let changed = Scenario::default().with([("operations", Value::Integer(77))]).unwrap();
        assert_eq!(changed.stop, Stop::Operations(77));
        assert_eq!(changed.with([("duration", Value::String("5s".into()))]).unwrap(), Scenario::default());
    }

    #[test]
    fn what_is_below_a_value_is_named() {
        let error = Scenario::default().with([("seed.x", Value::Integer(1))]).unwrap_err();
        assert_eq!(error.to_string(), "`seed.x` cannot be: `seed` is no section");
    }
}
