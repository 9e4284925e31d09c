//! `--fail-if`: what a plan must not come to, in words such as `month>500USD` or `choice!=sse-kms`.

use std::fmt;
use std::str::FromStr;

use super::answer::Plan;
use super::objective::{WordError, usd};
use crate::report::figure;
use crate::request::SseMode;
use crate::units::Usd;
use crate::workload::span;

const FORM: &str = "month>500USD, p99>50ms, p999>1s, failed>0.1%, throttled>1%, headroom<20%, peak>5000, passes<12 (months until \
                    the quota is passed), choice!=MODE or drill=missed";

/// What a plan must not come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    text: String,
    rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Month(Usd),
    P99(u64),
    P999(u64),
    Failed(f64),
    Throttled(f64),
    Headroom(f64),
    Peak(u64),
    Passes(u32),
    Choice(SseMode),
    Drill,
}

impl Gate {
    /// What `plan` comes to, where that is what it must not; where nothing is chosen, any gate is passed.
    pub fn passed_by(&self, plan: &Plan) -> Option<String> {
        let Some(choice) = plan.choice.as_ref().filter(|_| plan.feasible) else {
            return Some(format!("{self}: nothing is chosen"));
        };
        let of = &choice.figures;
        let found = match self.rule {
            Rule::Month(most) => (of.adds_usd.value > most).then(|| format!("{} USD", of.adds_usd.value)),
            Rule::P99(most) => (of.p99_ns.value > most).then(|| figure::time(of.p99_ns.value)),
            Rule::P999(most) => (of.p999_ns.value > most).then(|| figure::time(of.p999_ns.value)),
            Rule::Failed(most) => (of.failed.value > most).then(|| figure::share(Some(of.failed.value))),
            Rule::Throttled(most) => {
                (of.throttled.value > most).then(|| figure::share(Some(of.throttled.value)))
            }
            Rule::Headroom(least) => {
                let headroom = of.headroom.map_or(1.0, |headroom| headroom.value);
                (headroom < least).then(|| format!("{:.1} %", headroom * 100.0))
            }
            Rule::Peak(most) => (of.kms_peak_per_s.value > most).then(|| of.kms_peak_per_s.value.to_string()),
            Rule::Passes(least) => {
                let passed = plan.growth.as_ref().and_then(|growth| growth.quota_passed_in.value);
                passed.filter(|month| *month < least).map(|month| month.to_string())
            }
            Rule::Choice(mode) => (choice.mode != mode.as_str()).then(|| choice.mode.clone()),
            Rule::Drill => {
                let missed: Vec<&str> = plan
                    .drills
                    .iter()
                    .filter(|drill| !drill.kept)
                    .map(|drill| drill.drill.as_str())
                    .collect();
                (!missed.is_empty()).then(|| missed.join(", "))
            }
        };
        found.map(|found| format!("{self}: it is {found}"))
    }
}

impl FromStr for Gate {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        let refuse = || WordError::new("condition", text, FORM);
        let percent = |number: &str| {
            let percent: f64 = number.strip_suffix('%')?.trim().parse().ok()?;
            (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
        };
        let nanos = |number: &str| span(number).map(crate::units::Span::as_nanos);
        let place = text.find(['<', '>', '=', '!']).ok_or_else(refuse)?;
        let (word, rest) = (text[..place].trim(), text[place..].trim());
        let rule = || match (word, rest.split_at(1)) {
            ("month", (">", limit)) => usd(limit).ok().map(Rule::Month),
            ("p99", (">", limit)) => nanos(limit).map(Rule::P99),
            ("p999", (">", limit)) => nanos(limit).map(Rule::P999),
            ("failed", (">", limit)) => percent(limit).map(Rule::Failed),
            ("throttled", (">", limit)) => percent(limit).map(Rule::Throttled),
            ("headroom", ("<", limit)) => percent(limit).map(Rule::Headroom),
            ("peak", (">", limit)) => limit.parse().ok().map(Rule::Peak),
            ("passes", ("<", limit)) => limit.parse().ok().map(Rule::Passes),
            ("choice", ("!", mode)) => mode.strip_prefix('=')?.trim().parse().ok().map(Rule::Choice),
            ("drill", ("=", "missed")) => Some(Rule::Drill),
            _ => None,
        };
        rule().map(|rule| Self { text: text.into(), rule }).ok_or_else(refuse)
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_as_written_and_others_are_refused() {
        for text in [
            "month>500USD",
            "p99>50ms",
            "p999>1s",
            "failed>0.1%",
            "throttled>1%",
            "headroom<20%",
            "peak>5000",
            "passes<12",
            "choice!=sse-kms",
            "drill=missed",
        ] {
            assert_eq!(text.parse::<Gate>().unwrap().to_string(), text);
        }
        for text in ["", "month", "month<5", "p99>5", "choice!=aes", "headroom<200%", "colour>1"] {
            assert!(text.parse::<Gate>().unwrap_err().to_string().contains("expected month>"), "{text}");
        }
    }
}
