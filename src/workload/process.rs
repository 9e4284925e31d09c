//! Due times: when requests arrive, fixed by the seed before the run.

use libm::sqrt;
use rand_core::Rng;

use super::random::{Exponential, unit};
use super::scenario::ArrivalProcess;
use crate::units::{NANOS_PER_SECOND, Seed, Span, Stream, Timestamp};

/// The due times of an arrival process, never falling, without end.
///
/// A process with rate λ(t) is a Poisson process of rate 1 read on the clock Λ(t) = ∫λ: exponential gaps are used up at the
/// rate of the moment. Times are kept in floating ns (exact to 1 ns for 104 days) and rounded once, at the end.
#[derive(Clone, Debug)]
pub struct DueTimes {
    process: Process,
    exponential: Exponential,
    gaps: Stream,
    states: Stream,
    /// ns since the start of the warm-up.
    now: f64,
}

/// Rates are per ns, times in ns.
#[derive(Clone, Debug)]
enum Process {
    Constant { gap: f64, count: f64 },
    Poisson { gap: f64 },
    Burst { rates: [f64; 2], lengths: [f64; 2], state: usize, until: f64 },
    Ramp { from: f64, to: f64, start: f64, over: f64, area: f64 },
    Step { rates: Box<[f64]>, every: f64, step: usize, until: f64 },
}

const NANOS: f64 = NANOS_PER_SECOND as f64;

impl DueTimes {
    /// The due times of `process` under `seed`; ramps and steps begin after `warm_up`.
    pub fn new(process: &ArrivalProcess, warm_up: Span, seed: Seed) -> Self {
        let exponential = Exponential::new();
        let gaps = seed.stream("arrival.gap", 0);
        let mut states = seed.stream("arrival.state", 0);
        let start = warm_up.as_nanos() as f64;
        let process = match process {
            ArrivalProcess::Constant { rate } => Process::Constant { gap: NANOS / rate, count: 0.0 },
            ArrivalProcess::Poisson { rate } => Process::Poisson { gap: NANOS / rate },
            ArrivalProcess::Burst { rate, peak, quiet, busy } => {
                let lengths = [quiet.as_nanos() as f64, busy.as_nanos() as f64];
                let total = lengths[0] + lengths[1];
                let slow = rate / NANOS * total / (lengths[0] + peak * lengths[1]);
                // The first state as it would be found at a random moment, so that the process has no beginning.
                let state = usize::from(unit(states.next_u64()) * total >= lengths[0]);
                let until = exponential.draw(&mut states) * lengths[state];
                Process::Burst { rates: [slow, slow * peak], lengths, state, until }
            }
            ArrivalProcess::Ramp { from, to, over } => {
                let over = over.as_nanos() as f64;
                Process::Ramp { from: from / NANOS, to: to / NANOS, start, over, area: 0.0 }
            }
            ArrivalProcess::Step { rates, every } => {
                let every = every.as_nanos() as f64;
                let rates = rates.iter().map(|rate| rate / NANOS).collect();
                Process::Step { rates, every, step: 0, until: start + every }
            }
        };
        Self { process, exponential, gaps, states, now: 0.0 }
    }

    /// The next due time.
    #[inline]
    pub fn next_due(&mut self) -> Timestamp {
        let Self { process, exponential, gaps, states, now: previous } = self;
        let now = match process {
            Process::Constant { gap, count } => {
                let due = *count * *gap;
                *count += 1.0;
                due
            }
            Process::Poisson { gap } => *previous + exponential.draw(gaps) * *gap,
            Process::Burst { rates, lengths, state, until } => {
                let (mut now, mut left) = (*previous, exponential.draw(gaps));
                while now + left / rates[*state] > *until {
                    left -= (*until - now) * rates[*state];
                    now = *until;
                    *state = 1 - *state;
                    *until += exponential.draw(states) * lengths[*state];
                }
                now + left.max(0.0) / rates[*state]
            }
            Process::Step { rates, every, step, until } => {
                let (mut now, mut left) = (*previous, exponential.draw(gaps));
                while *step + 1 < rates.len() && now + left / rates[*step] > *until {
                    left -= (*until - now) * rates[*step];
                    now = *until;
                    *step += 1;
                    *until += *every;
                }
                now + left.max(0.0) / rates[*step]
            }
            Process::Ramp { from, to, start, over, area } => {
                *area += exponential.draw(gaps);
                ramp_time(*area, *from, *to, *start, *over)
            }
        };
        self.now = now;
        Timestamp::from_nanos((now + 0.5) as u64)
    }
}

/// The time t with Λ(t) = `area`, where the rate is `from` until `start`, then goes to `to` within `over`, and stays.
fn ramp_time(area: f64, from: f64, to: f64, start: f64, over: f64) -> f64 {
    let before = from * start;
    if area < before {
        return area / from;
    }
    let area = area - before;
    let during = f64::midpoint(from, to) * over;
    if area >= during {
        return start + over + (area - during) / to;
    }
    let slope = (to - from) / over;
    // The root of from·t + slope·t²/2 = area in the form that loses no digits at slope 0.
    let root = sqrt((from * from + 2.0 * slope * area).max(0.0));
    start + 2.0 * area / (from + root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_times(process: &ArrivalProcess, warm_up: u64, seed: u64, end: u64) -> Vec<u64> {
        let mut times = DueTimes::new(process, Span::from_seconds(warm_up), Seed(seed));
        std::iter::from_fn(|| Some(times.next_due().as_nanos()))
            .take_while(|due| *due < end * NANOS_PER_SECOND)
            .collect()
    }

    /// Mean and index of dispersion (variance ÷ mean) of the counts in windows of `window` ns.
    fn counts(due: &[u64], window: u64, windows: usize) -> (f64, f64) {
        let mut counts = vec![0.0; windows];
        for time in due {
            counts[((time / window) as usize).min(windows - 1)] += 1.0;
        }
        let mean = counts.iter().sum::<f64>() / windows as f64;
        let variance = counts.iter().map(|n| (n - mean) * (n - mean)).sum::<f64>() / (windows - 1) as f64;
        (mean, variance / mean)
    }

    #[test]
    fn constant_arrivals_are_evenly_spaced_and_have_no_dispersion() {
        let due = due_times(&ArrivalProcess::Constant { rate: 1_000.0 }, 0, 1, 100);
        assert_eq!(due.len(), 100_000);
        assert!(due.iter().enumerate().all(|(n, time)| *time == n as u64 * 1_000_000));
        assert_eq!(counts(&due, 100_000_000, 1_000), (100.0, 0.0));
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_dispersion_one() {
        let due = due_times(&ArrivalProcess::Poisson { rate: 1_000.0 }, 0, 1, 1_000);
        let (mean, dispersion) = counts(&due, 100_000_000, 10_000);
        // Counts: mean 100, deviation 10, of the mean of 10,000 windows 0.1; five of them.
        assert!((mean - 100.0).abs() < 0.5, "{mean}");
        // Variance ratio of n windows: deviation √(2/n) = 0.0141; five of them.
        assert!((dispersion - 1.0).abs() < 0.071, "{dispersion}");
        let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6).collect();
        let beyond = |t: f64| gaps.iter().filter(|gap| **gap > t).count() as f64 / gaps.len() as f64;
        for t in [0.1_f64, 1.0, 3.0] {
            // Binomial share of 10⁶ gaps: deviation at most 0.0005; five of them.
            assert!((beyond(t) - (-t).exp()).abs() < 0.0025, "gaps beyond {t}");
        }
    }

    #[test]
    fn burst_arrivals_have_the_long_run_rate_and_the_closed_form_dispersion() {
        let (quiet, busy) = (Span::from_millis(800), Span::from_millis(200));
        let process = ArrivalProcess::Burst { rate: 100.0, peak: 10.0, quiet, busy };
        let due = due_times(&process, 0, 5, 100_000);
        let (mean, dispersion) = counts(&due, NANOS_PER_SECOND, 100_000);
        // Index of dispersion of a two-state MMPP over a window t, s = sum of the switching rates.
        // Source: Fischer, Meier-Hellstern, "The Markov-modulated Poisson process cookbook", Perf. Eval. 18 (1992).
        let (slow, r1, r2) = (100.0 / (0.8 + 10.0 * 0.2), 1.0 / 0.8, 1.0 / 0.2);
        let (fast, s): (f64, f64) = (slow * 10.0, r1 + r2);
        let long_run = 2.0 * (fast - slow).powi(2) * r1 * r2 / (s * s * (slow * r2 + fast * r1));
        let expected = 1.0 + long_run * (1.0 - (1.0 - (-s).exp()) / s);
        // Deviation of the mean: √(100 · 14 / 100,000) ≈ 0.12 with correlated windows; five of them.
        assert!((mean - 100.0).abs() < 0.6, "{mean}");
        // √(2/n) ≈ 0.45 % for normal counts; these have longer tails and neighbours that resemble each other, about three
        // times as much; five of them.
        assert!((dispersion / expected - 1.0).abs() < 0.07, "{dispersion} for {expected}");
        assert!(expected > 5.0);
    }

    #[test]
    fn a_burst_that_changes_state_between_requests_keeps_its_rate() {
        let (quiet, busy) = (Span::from_millis(80), Span::from_millis(20));
        let process = ArrivalProcess::Burst { rate: 20.0, peak: 10.0, quiet, busy };
        let due = due_times(&process, 0, 6, 20_000);
        // Poisson of 400,000 with dispersion 2.06 (the closed form above, long run); five deviations.
        assert!(due.len().abs_diff(400_000) < 4_540, "{}", due.len());
    }

    #[test]
    fn a_ramp_makes_the_integral_of_its_rate_and_keeps_the_last_rate() {
        for (from, to) in [(100.0, 4_000.0), (4_000.0, 100.0), (1_000.0, 1_000.0)] {
            let process = ArrivalProcess::Ramp { from, to, over: Span::from_seconds(100) };
            let due = due_times(&process, 10, 9, 210);
            let count = |a: f64, b: f64| {
                due.iter().filter(|t| (a * 1e9..b * 1e9).contains(&(**t as f64))).count() as f64
            };
            let slope = (to - from) / 100.0;
            let integral = |a: f64, b: f64| from * (b - a) + slope * (b * b - a * a) / 2.0;
            let close = |got: f64, expected: f64, what: &str| {
                // Poisson: deviation √expected; five of them.
                assert!(
                    (got - expected).abs() < 5.0 * expected.sqrt(),
                    "{from} to {to}, {what}: {got}, {expected}"
                );
            };
            close(count(0.0, 10.0), 10.0 * from, "warm-up");
            close(count(10.0, 35.0), integral(0.0, 25.0), "first quarter");
            close(count(35.0, 60.0), integral(25.0, 50.0), "second quarter");
            close(count(60.0, 110.0), integral(50.0, 100.0), "second half");
            close(count(110.0, 210.0), 100.0 * to, "after");
        }
    }

    #[test]
    fn steps_make_their_rates_each_for_its_time() {
        let rates = vec![100.0, 5_000.0, 10.0];
        let process = ArrivalProcess::Step { rates, every: Span::from_seconds(10) };
        let due = due_times(&process, 5, 2, 45);
        for (from, to, rate) in
            [(0, 5, 100.0), (5, 15, 100.0), (15, 25, 5_000.0), (25, 35, 10.0), (35, 45, 10.0)]
        {
            let expected: f64 = rate * f64::from(to - from);
            let window = u64::from(from as u32) * NANOS_PER_SECOND..u64::from(to as u32) * NANOS_PER_SECOND;
            let got = due.iter().filter(|t| window.contains(t)).count() as f64;
            // Poisson: deviation √expected; five of them.
            assert!((got - expected).abs() < 5.0 * expected.sqrt(), "{from}–{to} s: {got} for {expected}");
        }
    }

    #[test]
    fn due_times_never_fall() {
        let (quiet, busy) = (Span::from_millis(1), Span::from_millis(1));
        for process in [
            ArrivalProcess::Constant { rate: 1e8 },
            ArrivalProcess::Poisson { rate: 1e8 },
            ArrivalProcess::Burst { rate: 1e6, peak: 1e6, quiet, busy },
            ArrivalProcess::Ramp { from: 1e-6, to: 1e8, over: Span::from_millis(1) },
            ArrivalProcess::Step { rates: vec![1e-6, 1e8], every: Span::from_millis(1) },
        ] {
            let mut times = DueTimes::new(&process, Span::ZERO, Seed(4));
            let mut last = Timestamp::ZERO;
            for _ in 0..100_000 {
                let due = times.next_due();
                assert!(due >= last, "{process:?}");
                last = due;
            }
        }
    }
}
