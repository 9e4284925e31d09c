//! Objectives: what a run is to keep to, in words such as `p99<50ms,failed<0.1%`.

use std::fmt;
use std::str::FromStr;

use super::figure;
use super::{Percentiles, Summary};
use crate::units::Span;

/// What an objective is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Median response time.
    P50,
    /// 90th percentile of the response time.
    P90,
    /// 99th percentile.
    P99,
    /// 99.9th percentile.
    P999,
    /// The longest response time.
    Max,
    /// Requests that started and did not succeed ÷ requests offered.
    Failed,
    /// KMS calls throttled ÷ KMS calls sent.
    Throttled,
    /// Requests that never started ÷ requests offered.
    Dropped,
}

impl Quantity {
    /// Every quantity, in the order of this enum.
    pub const ALL: [Self; 8] = [
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::Max,
        Self::Failed,
        Self::Throttled,
        Self::Dropped,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::Max => "max",
            Self::Failed => "failed",
            Self::Throttled => "throttled",
            Self::Dropped => "dropped",
        }
    }

    /// Of a response time: how many of 1,000 requests may take longer; none for a share.
    const fn beyond_per_mille(self) -> Option<u64> {
        match self {
            Self::P50 => Some(500),
            Self::P90 => Some(100),
            Self::P99 => Some(10),
            Self::P999 => Some(1),
            Self::Max => Some(0),
            Self::Failed | Self::Throttled | Self::Dropped => None,
        }
    }
}

/// Where it ends to be kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Of a response time.
    Time(Span),
    /// Of a share: 0 to 1.
    Share(f64),
}

/// One objective: `quantity < limit`, or `<=`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// What it is about.
    pub quantity: Quantity,
    /// Its limit.
    pub limit: Limit,
    /// Whether the limit itself still keeps it (`<=`).
    pub inclusive: bool,
}

/// Objectives that are all to be kept; at least one, each quantity once.
#[derive(Clone, Debug, PartialEq)]
pub struct Objectives(Vec<Objective>);

/// An objective that a run missed.
#[derive(Clone, Debug, PartialEq)]
pub struct Miss {
    /// Which.
    pub objective: Objective,
    /// What it was instead.
    pub found: String,
}

/// Why a text is no objectives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// None at all.
    #[error("expected at least one objective, such as p99<50ms or failed<0.1%")]
    Empty,
    /// No comparison.
    #[error("`{part}` is no objective: expected quantity<limit, such as p99<50ms or failed<0.1%")]
    Form {
        /// The part.
        part: String,
    },
    /// A word that is no quantity.
    #[error(
        "unknown quantity `{word}`{}: expected p50, p90, p99, p999, max, failed, throttled or dropped",
        meant(nearest.as_ref())
    )]
    Quantity {
        /// The word.
        word: String,
        /// The one that it resembles.
        nearest: Option<&'static str>,
    },
    /// A limit that does not fit its quantity.
    #[error("`{quantity}` is to be below `{limit}`: expected {expected}")]
    Limit {
        /// The quantity.
        quantity: &'static str,
        /// The limit as written.
        limit: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// Twice the same quantity.
    #[error("`{quantity}` is given twice")]
    Twice {
        /// The quantity.
        quantity: &'static str,
    },
}

fn meant(nearest: Option<&&'static str>) -> String {
    nearest.map_or_else(String::new, |word| format!(" (did you mean `{word}`?)"))
}

impl Objectives {
    /// The objectives, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Objective> {
        self.0.iter()
    }

    /// Those that `run` misses, in their order; empty when it keeps all.
    ///
    /// A percentile covers the requests that started. A dropped request counts as one that took for ever: with more than
    /// 1 % dropped, any limit of `p99` is missed. A run that offered nothing keeps nothing.
    pub fn missed(&self, run: &Summary) -> Vec<Miss> {
        let found = self.0.iter().filter_map(|objective| {
            let found = objective.missed(run)?;
            Some(Miss { objective: *objective, found })
        });
        found.collect()
    }
}

impl Objective {
    /// What `run` has instead, where it misses this.
    fn missed(&self, run: &Summary) -> Option<String> {
        if run.offered == 0 {
            return Some("no request was offered".into());
        }
        match self.limit {
            Limit::Time(limit) => {
                let beyond = u128::from(self.quantity.beyond_per_mille().unwrap_or(0));
                if u128::from(run.dropped) * 1_000 > u128::from(run.offered) * beyond {
                    return Some(format!("{} never started", figure::share(run.dropped_share())));
                }
                let nanos = self.quantity.of(&run.response_time_ns);
                let kept = nanos < limit.as_nanos() || self.inclusive && nanos == limit.as_nanos();
                (!kept).then(|| figure::time(nanos))
            }
            Limit::Share(limit) => {
                let share = match self.quantity {
                    Quantity::Failed => run.failed_share(),
                    Quantity::Throttled => run.throttled_share(),
                    _ => run.dropped_share(),
                };
                let part = share.unwrap_or(0.0);
                let kept = part < limit || self.inclusive && part <= limit;
                (!kept).then(|| figure::share(Some(part)))
            }
        }
    }
}

impl Quantity {
    fn of(self, times: &Percentiles) -> u64 {
        match self {
            Self::P50 => times.p50,
            Self::P90 => times.p90,
            Self::P99 => times.p99,
            Self::P999 => times.p999,
            _ => times.max,
        }
    }
}

impl FromStr for Objectives {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let mut objectives: Vec<Objective> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let objective: Objective = part.parse()?;
            if objectives.iter().any(|other| other.quantity == objective.quantity) {
                return Err(ObjectiveError::Twice { quantity: objective.quantity.as_str() });
            }
            objectives.push(objective);
        }
        if objectives.is_empty() { Err(ObjectiveError::Empty) } else { Ok(Self(objectives)) }
    }
}

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let Some((word, limit)) = text.split_once('<') else {
            return Err(ObjectiveError::Form { part: text.trim().chars().take(40).collect() });
        };
        let (word, inclusive) = (word.trim(), limit.starts_with('='));
        let limit = limit.trim_start_matches('=').trim();
        let Some(quantity) = Quantity::ALL.into_iter().find(|quantity| quantity.as_str() == word) else {
            let word: String = word.chars().take(40).collect();
            let nearest = nearest(&word);
            return Err(ObjectiveError::Quantity { word, nearest });
        };
        let refused = |expected| ObjectiveError::Limit {
            quantity: quantity.as_str(),
            limit: limit.chars().take(40).collect(),
            expected,
        };
        let limit = if quantity.beyond_per_mille().is_some() {
            let span: Option<Span> = limit.parse().ok().filter(|span| *span > Span::ZERO);
            Limit::Time(span.ok_or_else(|| refused("a time above 0, such as 50ms or 1.5s"))?)
        } else {
            let percent: Option<f64> = limit.strip_suffix('%').and_then(|number| number.trim().parse().ok());
            let in_range = |percent: &f64| (0.0..=100.0).contains(percent) && (*percent > 0.0 || inclusive);
            let percent = percent.filter(in_range);
            let share = percent.ok_or_else(|| refused("a percentage above 0%, such as 0.1%, or <=0%"))?;
            Limit::Share(share / 100.0)
        };
        Ok(Self { quantity, limit, inclusive })
    }
}

/// The quantity that `word` most resembles, when it is close enough to be meant.
fn nearest(word: &str) -> Option<&'static str> {
    // Other names of the same things.
    match word {
        "p99.9" | "p9990" => return Some("p999"),
        "median" => return Some("p50"),
        "errors" | "error" => return Some("failed"),
        _ => {}
    }
    let likeness = |known: &str| strsim::jaro_winkler(&word.to_lowercase(), known);
    let words = Quantity::ALL.map(Quantity::as_str);
    let best = words.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    // As in scenario files: `fails` is meant, `colour` is not.
    (likeness(best) >= 0.75).then_some(best)
}

impl fmt::Display for Objectives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, objective) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{objective}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.inclusive { "<=" } else { "<" };
        write!(f, "{}{sign}", self.quantity.as_str())?;
        match self.limit {
            // Without the space, so that it reads back.
            Limit::Time(span) => f.write_str(&span.to_string().replace(' ', "").replace('µ', "u")),
            Limit::Share(share) => {
                // 0.1 % is kept as 0.001; what a float adds beyond six decimals is not what was asked.
                let percent = format!("{:.6}", share * 100.0);
                write!(f, "{}%", percent.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.objective.quantity.as_str(), self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Kind, Recorder, Run, Window};
    use crate::request::SseMode;
    use crate::units::Timestamp;

    fn objectives(text: &str) -> Objectives {
        text.parse().unwrap()
    }

    /// A run of which only what objectives look at is set.
    fn run(offered: u64, failed: u64, dropped: u64, p99_ms: u64) -> Summary {
        let window = Window { from: Timestamp::ZERO, until: Timestamp::from_seconds(1) };
        let facts =
            Run { mode: SseMode::SseKms, kind: Kind::Simulated, quota_per_s: None, until: window.until };
        let mut run = Summary::new(&Recorder::new(window), &facts, |_| String::new());
        (run.offered, run.failed, run.dropped) = (offered, failed, dropped);
        run.completed = offered - failed - dropped;
        run.response_time_ns.p99 = p99_ms * 1_000_000;
        run
    }

    #[test]
    fn the_words_come_back_as_they_were_given() {
        for text in
            ["p99<50ms", "p999<=1.5s,failed<0.1%", "max<250us,dropped<=0%,throttled<12.5%,p50<1s,p90<7ns"]
        {
            assert_eq!(objectives(text).to_string(), text);
        }
        assert_eq!(objectives(" p99 < 50 ms , failed < 1 % ").to_string(), "p99<50ms,failed<1%");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
        let error = |text: &str| text.parse::<Objectives>().unwrap_err().to_string();
        assert_eq!(error(""), "expected at least one objective, such as p99<50ms or failed<0.1%");
        assert!(error("p99").starts_with("`p99` is no objective"));
        assert_eq!(
            error("fails<1%"),
            "unknown quantity `fails` (did you mean `failed`?): expected p50, p90, p99, p999, max, failed, throttled \
             or dropped"
        );
        assert!(error("colour<1%").starts_with("unknown quantity `colour`: expected"));
        assert!(error("p99.9<1s").contains("did you mean `p999`?"));
        assert_eq!(
            error("p99<5%"),
            "`p99` is to be below `5%`: expected a time above 0, such as 50ms or 1.5s"
        );
        for text in ["failed<50ms", "failed<0%", "failed<101%", "failed<-1%", "failed<NaN%", "failed<0.1"] {
            assert!(error(text).contains("a percentage above 0%"), "{text}");
        }
        assert!(error("p99<0s").contains("a time above 0"));
        assert_eq!(error("p99<1s,p99<2s"), "`p99` is given twice");
    }

    #[test]
    fn a_limit_is_kept_below_it_and_at_it_only_when_said() {
        assert!(objectives("p99<50ms").missed(&run(100, 0, 0, 49)).is_empty());
        let missed = objectives("p99<50ms").missed(&run(100, 0, 0, 50));
        assert_eq!(missed[0].to_string(), "p99 is 50.0 ms");
        assert!(objectives("p99<=50ms").missed(&run(100, 0, 0, 50)).is_empty());
        assert!(objectives("failed<=0%").missed(&run(100, 0, 0, 0)).is_empty());
        assert_eq!(objectives("failed<1%").missed(&run(100, 1, 0, 0))[0].to_string(), "failed is 1.0 %");
    }

    #[test]
    fn what_never_started_counts_as_for_ever_and_nothing_offered_keeps_nothing() {
        assert!(objectives("p99<50ms").missed(&run(1_000, 0, 10, 1)).is_empty());
        assert_eq!(objectives("p99<50ms").missed(&run(1_000, 0, 11, 1))[0].found, "1.1 % never started");
        assert_eq!(objectives("max<50ms").missed(&run(1_000, 0, 1, 1)).len(), 1);
        assert_eq!(objectives("failed<50%").missed(&run(0, 0, 0, 0)).len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = text.parse::<Objectives>();
        }
    }
}
