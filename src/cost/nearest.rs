//! The known name that a misspelt one resembles.

/// The one of `known` that takes the fewest edits from `name`, case aside; `None` when none is near: more than a third
/// of its letters would have to change, two at least being allowed.
pub fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower = name.to_lowercase();
    known
        .iter()
        .map(|&known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .filter(|&(edits, known)| edits <= (known.len() / 3).max(2))
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_another_word_is_not() {
        let known = ["us-east-1", "us-west-2", "STANDARD_IA"];
        assert_eq!(nearest("us-esat-1", &known), Some("us-east-1"));
        assert_eq!(nearest("standard-ia", &known), Some("STANDARD_IA"));
        assert_eq!(nearest("mars", &known), None);
    }
}
