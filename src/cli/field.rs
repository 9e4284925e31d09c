//! `--set FIELD=VALUE`: any field of a scenario by its path, as its file would have it.

use s3seal::workload::Scenario;
use toml::{Table, Value};

use super::Failure;

/// `scenario` with the fields in `sets` as they say there.
pub(super) fn set(scenario: &Scenario, sets: &[String]) -> Result<Scenario, Failure> {
    if sets.is_empty() {
        return Ok(scenario.clone());
    }
    let mut fields = Vec::with_capacity(sets.len());
    for set in sets {
        let (path, value) =
            set.split_once('=').map(|(path, value)| (path.trim(), value.trim())).ok_or_else(|| {
                Failure::usage(format_args!("--set {set}: expected FIELD=VALUE, such as objects.count=1000"))
            })?;
        fields.push((path, value_of(value)));
    }
    scenario.with(fields).map_err(|error| Failure::usage(format_args!("--set: {error}")))
}

/// A number, a boolean, a table or an array as TOML has them; anything else is a text without its quotes.
fn value_of(text: &str) -> Value {
    let parsed: Option<Table> = format!("value = {text}").parse().ok();
    let value = parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3seal::units::Span;
    use s3seal::workload::{Popularity, SizeLaw, Stop};

    fn sets(sets: &[&str]) -> Result<Scenario, String> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).into()).collect();
        set(&Scenario::default(), &sets).map_err(|failure| failure.text)
    }

    #[test]
    fn every_kind_of_field_can_be_set_and_the_others_stay() {
        let changed = sets(&[
            "objects.count=1000",
            "objects.size={ law = \"fixed\", bytes = \"4KiB\" }",
            "objects.popularity.theta=0.5",
            "kms.region=eu-west-1",
            "operations=77",
            "history.rate=1",
        ])
        .unwrap();
        assert_eq!((changed.objects.count, changed.kms.region.as_str()), (1_000, "eu-west-1"));
        assert_eq!(changed.objects.size, SizeLaw::Fixed { bytes: 4_096 });
        assert_eq!(changed.objects.popularity, Popularity::Zipf { theta: 0.5 });
        assert_eq!((changed.stop, changed.history.span), (Stop::Operations(77), Span::from_seconds(1_000)));
        assert_eq!(changed.mix, Scenario::default().mix);
    }

    #[test]
    fn a_wrong_field_is_named_with_its_neighbour_and_without_a_line_that_nobody_wrote() {
        let error = sets(&["objects.cuont=5"]).unwrap_err();
        assert!(error.starts_with("--set: unknown field `objects.cuont` (did you mean `count`?)"), "{error}");
        assert!(sets(&["objects"]).unwrap_err().contains("expected FIELD=VALUE"));
        assert!(sets(&["seed.x=1"]).unwrap_err().contains("`seed` is no section"));
        assert!(sets(&["objects.count=many"]).unwrap_err().contains("`objects.count` is \"many\": expected"));
    }
}
