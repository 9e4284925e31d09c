//! How long KMS takes to answer: constant, lognormal, or from samples; and presets that say what they rest on.

use std::io::BufRead;

use rand_core::Rng;

use super::normal;
use crate::units::{Span, Stream};

/// Longest service time that is believed: an hour.
const SPAN_MAX: Span = Span::from_seconds(3_600);
/// Most spread that is believed: σ = 3 puts p99 at a thousand medians.
const SIGMA_MAX: f64 = 3.0;
/// Most samples read.
const SAMPLES_MAX: usize = 1 << 24;

/// Parameters or samples that make no service time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceTimeError {
    /// A parameter is out of its range.
    #[error("{field} `{value}` is not valid: expected {expected}")]
    Parameter {
        /// Which one.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A line of a file of samples is no duration.
    #[error(
        "line {line}: sample `{value}` is not valid: expected milliseconds, 0 to 3600000, one number a line"
    )]
    Sample {
        /// Counted from 1.
        line: usize,
        /// The line, cut at 40 characters.
        value: String,
    },
    /// The samples could not be read.
    #[error("the samples could not be read")]
    Read(#[from] std::io::Error),
}

/// A distribution of service times. Drawing needs a stream that the caller owns, so a run repeats from its seed.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceTime(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Constant(Span),
    Lognormal {
        minimum: Span,
        /// Nanoseconds.
        median: f64,
        sigma: f64,
    },
    /// In ascending order, not empty.
    Samples(Vec<Span>),
    Tabulated {
        minimum: Span,
        /// Without the minimum, which would bend a cell; one each [`CELLS`]-th.
        quantiles: Vec<Span>,
        /// For the ends.
        law: Box<Kind>,
    },
}

/// Cells of a table of quantiles: a draw's upper 12 bits say which.
const CELLS: u64 = 1 << 12;
/// Cells at either end of a table in which the law itself is asked: there its quantiles bend.
const END_CELLS: u64 = CELLS / 64;

fn span(field: &'static str, value: Span) -> Result<Span, ServiceTimeError> {
    if value <= SPAN_MAX {
        return Ok(value);
    }
    Err(ServiceTimeError::Parameter { field, value: value.to_string(), expected: "at most 3600 s" })
}

impl ServiceTime {
    /// Always `value`.
    ///
    /// # Errors
    /// [`ServiceTimeError`] above an hour.
    pub fn constant(value: Span) -> Result<Self, ServiceTimeError> {
        Ok(Self(Kind::Constant(span("service time", value)?)))
    }

    /// max(minimum, median × e^(σ·Z)), Z standard normal: the p-quantile is max(minimum, median × e^(σ·z(p))).
    ///
    /// # Errors
    /// [`ServiceTimeError`] unless 0 < median ≤ 1 h, minimum ≤ median and 0 ≤ σ ≤ 3.
    pub fn lognormal(minimum: Span, median: Span, sigma: f64) -> Result<Self, ServiceTimeError> {
        let refuse =
            |field, value: String, expected| Err(ServiceTimeError::Parameter { field, value, expected });
        if span("median", median)? == Span::ZERO {
            return refuse("median", median.to_string(), "more than 0 s");
        }
        if minimum > median {
            return refuse("minimum", minimum.to_string(), "at most the median");
        }
        if !(0.0..=SIGMA_MAX).contains(&sigma) {
            return refuse("sigma", sigma.to_string(), "0 to 3");
        }
        Ok(Self(Kind::Lognormal { minimum, median: as_float(median), sigma }))
    }

    /// The empirical distribution of `samples`: quantiles are interpolated between neighbours, and nothing is drawn
    /// outside of what was seen.
    ///
    /// # Errors
    /// [`ServiceTimeError`] without samples, or with one above an hour.
    pub fn empirical(mut samples: Vec<Span>) -> Result<Self, ServiceTimeError> {
        samples.sort_unstable();
        match samples.last() {
            None => Err(ServiceTimeError::Parameter {
                field: "samples",
                value: "none".into(),
                expected: "at least one sample",
            }),
            Some(last) => span("sample", *last).map(|_| Self(Kind::Samples(samples))),
        }
    }

    /// The empirical distribution of the samples in `text`: one number a line, in milliseconds; empty lines and
    /// lines that start with `#` are left out.
    ///
    /// # Errors
    /// [`ServiceTimeError`], with the line.
    pub fn read(text: impl BufRead) -> Result<Self, ServiceTimeError> {
        let mut samples = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line?;
            let value = line.trim();
            if value.is_empty() || value.starts_with('#') {
                continue;
            }
            let wrong =
                || ServiceTimeError::Sample { line: index + 1, value: value.chars().take(40).collect() };
            let millis: f64 = value.parse().map_err(|_| wrong())?;
            let nanos = millis * 1e6;
            if !(0.0..=as_float(SPAN_MAX)).contains(&nanos) || samples.len() == SAMPLES_MAX {
                return Err(wrong());
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 3.6e12, rounded"
            )]
            samples.push(Span::from_nanos(libm::round(nanos) as u64));
        }
        Self::empirical(samples)
    }

    /// The same law, drawn several times as fast, for what every request draws: 63 of 64 draws are interpolated between 4,096 of
    /// its quantiles, at most 0.001 % off for σ ≤ 0.62 and 0.01 % for any; the ends are exact. Takes 32 KiB, and 4,096 exact
    /// draws to make.
    #[must_use]
    pub fn tabulated(self) -> Self {
        let Self(law) = self;
        let Kind::Lognormal { minimum, median, sigma } = law else { return Self(law) };
        let unbent = Kind::Lognormal { minimum: Span::ZERO, median, sigma };
        let quantiles = (0..CELLS).map(|cell| unbent.quantile_of(cell << (64 - CELLS.ilog2())));
        let quantiles = quantiles.chain([unbent.quantile_of(u64::MAX)]).collect();
        Self(Kind::Tabulated { minimum, quantiles, law: Box::new(law) })
    }

    /// One service time. A constant takes nothing from the stream, the others one number.
    ///
    /// # Cost
    /// Lognormal about 40 ns; samples and tables a few, and the cache misses of their table.
    #[inline]
    pub fn draw(&self, stream: &mut Stream) -> Span {
        match &self.0 {
            Kind::Constant(value) => *value,
            law => law.quantile_of(stream.next_u64()),
        }
    }

    /// The service time that [`Self::draw`] gives for the number `u`: the quantile of u / 2⁶⁴.
    #[inline]
    pub fn at(&self, u: u64) -> Span {
        self.0.quantile_of(u)
    }

    /// The `per_mille`-quantile, for display: 500 is the median, 990 is p99.
    pub fn quantile(&self, per_mille: u16) -> Span {
        self.0.quantile_of(u64::MAX / 1_000 * u64::from(per_mille.min(1_000)))
    }
}

impl Kind {
    /// The quantile of u / 2⁶⁴.
    fn quantile_of(&self, u: u64) -> Span {
        match self {
            Self::Constant(value) => *value,
            Self::Tabulated { minimum, quantiles, law } => {
                let cell = u >> (64 - CELLS.ilog2());
                if (END_CELLS..CELLS - END_CELLS).contains(&cell) {
                    interpolated(quantiles, u).max(*minimum)
                } else {
                    law.quantile_of(u)
                }
            }
            Self::Lognormal { minimum, median, sigma } => {
                // The midpoint of one of 2⁵³ cells: never 0 and never 1.
                #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
                let p = ((u >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
                let nanos = median * libm::exp(sigma * normal::quantile(p));
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive; saturates"
                )]
                let drawn = Span::from_nanos(nanos as u64);
                drawn.max(*minimum)
            }
            Self::Samples(samples) => interpolated(samples, u),
        }
    }
}

/// What lies u / 2⁶⁴ of the way through `samples`.
#[inline]
fn interpolated(samples: &[Span], u: u64) -> Span {
    let position = u128::from(u) * (samples.len() as u128 - 1);
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is below the length")]
    let (index, fraction) = ((position >> 64) as usize, position as u64);
    let low = samples[index];
    let high = samples[(index + 1).min(samples.len() - 1)];
    let gap = u128::from((high - low).as_nanos());
    let part = ((gap * u128::from(fraction)) >> 64) as u64;
    low + Span::from_nanos(part)
}

#[expect(clippy::cast_precision_loss, reason = "an hour is 3.6e12 ns, below 2⁵³")]
fn as_float(span: Span) -> f64 {
    span.as_nanos() as f64
}

/// A service time with a name, and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name in scenarios.
    pub name: &'static str,
    /// The distribution.
    pub service_time: ServiceTime,
    /// Where it comes from.
    pub source: &'static str,
    /// Whether nobody measured it: reports say so.
    pub assumption: bool,
}

/// Names of the presets, in the order of [`Preset::all`].
const NAMES: &str = "s3-to-kms, sdk-in-region, sdk-cross-region, sdk-measured-2022 or throttled";

/// Warm `Decrypt` calls from an SDK, ms. Source: aws-encryption-sdk-python#430 (2022).
const MEASURED_2022_MILLIS: &str = include_str!("decrypt_2022.txt");

impl Preset {
    /// Every preset. AWS publishes no percentile of KMS, so most are assumptions (docs/SOURCES.md, kms).
    pub fn all() -> Vec<Self> {
        let lognormal = |name, minimum, median, sigma, source| Self {
            name,
            service_time: ServiceTime::lognormal(
                Span::from_millis(minimum),
                Span::from_millis(median),
                sigma,
            )
            .expect("the preset's parameters are in range"),
            source,
            assumption: true,
        };
        vec![
            lognormal("s3-to-kms", 2, 5, 0.6, "assumption: S3 to KMS within a Region, p99 near 20 ms"),
            lognormal("sdk-in-region", 0, 10, 0.6, "assumption: SDK to KMS within a Region, warm"),
            lognormal("sdk-cross-region", 0, 28, 0.25, "assumption: SDK to KMS across Regions, warm"),
            Self {
                name: "sdk-measured-2022",
                service_time: ServiceTime::read(MEASURED_2022_MILLIS.as_bytes())
                    .expect("the embedded samples are well formed"),
                source: "aws-encryption-sdk-python#430 (2022): 20 warm Decrypt calls, place of the client unknown",
                assumption: false,
            },
            lognormal("throttled", 1, 2, 0.3, "assumption: refused at the front door"),
        ]
    }

    /// The preset with this name.
    ///
    /// # Errors
    /// [`ServiceTimeError::Parameter`] when there is none.
    pub fn named(name: &str) -> Result<Self, ServiceTimeError> {
        Self::all().into_iter().find(|preset| preset.name == name).ok_or_else(|| {
            ServiceTimeError::Parameter {
                field: "service time preset",
                value: name.chars().take(40).collect(),
                expected: NAMES,
            }
        })
    }
}

/// The service times of one KMS.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceTimes {
    /// Of calls that are answered, granted or refused, from the same Region.
    pub served: ServiceTime,
    /// Of calls that are throttled: they get no further than the front door.
    pub throttled: ServiceTime,
    /// Of calls from another Region, in place of `served`.
    pub cross_region: ServiceTime,
    /// What a new connection adds: a TCP and one or two TLS round trips.
    pub cold_surcharge: Span,
}

impl Default for ServiceTimes {
    /// The presets `s3-to-kms`, `throttled` and `sdk-cross-region`, and 3 ms for a new connection (three round trips
    /// of 1 ms): assumptions, all four.
    fn default() -> Self {
        let preset = |name| Preset::named(name).expect("the preset exists").service_time;
        Self {
            served: preset("s3-to-kms"),
            throttled: preset("throttled"),
            cross_region: preset("sdk-cross-region"),
            cold_surcharge: Span::from_millis(3),
        }
    }
}

impl ServiceTimes {
    /// Every call takes `value`, a throttled one as well, and new connections cost nothing: for tests and bounds.
    ///
    /// # Errors
    /// [`ServiceTimeError`] above an hour.
    pub fn constant(value: Span) -> Result<Self, ServiceTimeError> {
        let served = ServiceTime::constant(value)?;
        let (throttled, cross_region) = (served.clone(), served.clone());
        Ok(Self { served, throttled, cross_region, cold_surcharge: Span::ZERO })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Seed;

    const fn ms(millis: u64) -> Span {
        Span::from_millis(millis)
    }

    #[test]
    fn lognormal_quantiles_are_those_of_the_formula_and_never_below_the_minimum() {
        let time = Preset::named("s3-to-kms").unwrap().service_time;
        let micros = |per_mille| time.quantile(per_mille).as_nanos() / 1_000;
        // 5·e^(0.6·2.3263) = 20.19 ms and 5·e^(0.6·1.2816) = 10.79 ms.
        assert_eq!((micros(500), micros(900), micros(990)), (4_999, 10_787, 20_191));
        let mut stream = Seed(1).stream("service time", 0);
        let drawn: Vec<Span> = (0..10_000).map(|_| time.draw(&mut stream)).collect();
        assert!(drawn.iter().all(|t| *t >= ms(2)));
        let below = drawn.iter().filter(|t| **t < ms(5)).count();
        // Binomial(10,000, ½): four standard deviations are 200.
        assert!(below.abs_diff(5_000) < 200, "{below}");
    }

    #[test]
    fn a_table_draws_what_its_law_draws() {
        for (sigma, off_by_at_most) in [(0.0, 0.0), (0.29, 1e-5), (0.62, 1e-5), (SIGMA_MAX, 1e-4)] {
            let law = ServiceTime::lognormal(ms(1), ms(27), sigma).unwrap();
            let table = law.clone().tabulated();
            let (mut of_law, mut of_table) = (Seed(3).stream("table", 0), Seed(3).stream("table", 0));
            let mut exact = 0;
            for _ in 0..100_000 {
                let (drawn, expected) = (table.draw(&mut of_table), law.draw(&mut of_law));
                exact += u32::from(drawn == expected);
                // Both round down to nanoseconds.
                let allowed = as_float(expected) * off_by_at_most + 1.0;
                assert!(
                    as_float(drawn - expected) + as_float(expected - drawn) <= allowed,
                    "{drawn} {expected}"
                );
            }
            assert!(exact > 100_000 / 40, "the ends are exact: {exact}");
            for per_mille in [0, 1, 999, 1_000] {
                assert_eq!(table.quantile(per_mille), law.quantile(per_mille));
            }
        }
        let constant = ServiceTime::constant(ms(5)).unwrap();
        assert_eq!(constant.clone().tabulated(), constant);
    }

    #[test]
    fn samples_give_their_own_quantiles_back() {
        let time = Preset::named("sdk-measured-2022").unwrap().service_time;
        assert_eq!(
            (time.quantile(0), time.quantile(1_000).as_nanos().div_ceil(1_000)),
            (Span::from_micros(23_400), 79_900)
        );
        assert_eq!(time.quantile(500).as_nanos().div_ceil(1_000), 27_700);
        let one = ServiceTime::empirical(vec![ms(3)]).unwrap();
        assert_eq!(one.draw(&mut Seed(0).stream("x", 0)), ms(3));
    }

    #[test]
    fn a_file_of_samples_may_hold_comments_and_empty_lines() {
        let time = ServiceTime::read("# ms\n\n 1.5 \n2\n0\n".as_bytes()).unwrap();
        assert_eq!(time.quantile(0), Span::ZERO);
        assert_eq!(time.quantile(500).as_nanos().div_ceil(1_000), 1_500);
    }

    #[test]
    fn bad_parameters_and_samples_are_refused_by_name_and_line() {
        let text = |result: Result<ServiceTime, ServiceTimeError>| result.unwrap_err().to_string();
        assert_eq!(
            text(ServiceTime::read("1\n-2\n".as_bytes())),
            "line 2: sample `-2` is not valid: expected milliseconds, 0 to 3600000, one number a line"
        );
        for wrong in ["x", "NaN", "inf", "1,5", "3600001", "1 2"] {
            assert!(text(ServiceTime::read(wrong.as_bytes())).starts_with("line 1"), "{wrong}");
        }
        assert!(text(ServiceTime::read("# none\n".as_bytes())).starts_with("samples `none`"));
        assert!(text(ServiceTime::lognormal(ms(1), Span::ZERO, 0.5)).starts_with("median"));
        assert!(text(ServiceTime::lognormal(ms(2), ms(1), 0.5)).starts_with("minimum"));
        for sigma in [-0.1, 3.1, f64::NAN, f64::INFINITY] {
            assert!(text(ServiceTime::lognormal(ms(1), ms(1), sigma)).starts_with("sigma"), "{sigma}");
        }
        assert!(text(ServiceTime::constant(Span::MAX)).starts_with("service time"));
        assert!(Preset::named("fast").unwrap_err().to_string().contains("s3-to-kms, sdk-in-region"));
    }

    #[test]
    fn every_preset_says_what_it_rests_on_and_is_in_the_list_of_names() {
        for preset in Preset::all() {
            assert!(NAMES.contains(preset.name));
            assert_eq!(preset.source.starts_with("assumption"), preset.assumption);
        }
    }
}
