//! How often each object is asked for: ranks, 0 the most popular.

use libm::{exp, expm1, floor, log, log1p, pow};
use rand_core::Rng;

use super::random::{Alias, below, unit};
use super::scenario::Popularity;
use crate::units::Stream;

/// Up to this many ranks a table (8 bytes each) is faster than arithmetic: it still fits a second-level cache.
const TABLE_RANKS: u64 = 1 << 20;

/// Beyond that, the table holds this many, and arithmetic draws the rest.
const HEAD_RANKS: u64 = 1 << 14;

/// A law over ranks 0..n.
#[derive(Clone, Debug)]
pub struct Ranks {
    law: Law,
    count: u64,
}

#[derive(Clone, Debug)]
enum Law {
    Uniform,
    Table(Alias),
    /// A table of the first ranks, its last item for all the others.
    Long {
        head: Alias,
        first: u64,
        tail: Zipf,
    },
    Hotspot {
        hot: u64,
        requests: f64,
    },
}

impl Ranks {
    /// `popularity` over `count` ranks (1 or more). `Latest` gives ranks by age: 0 the newest.
    pub fn new(popularity: Popularity, count: u64) -> Self {
        let count = count.max(1);
        let law = match popularity {
            Popularity::Uniform => Law::Uniform,
            Popularity::Zipf { theta } | Popularity::Latest { theta } => {
                if count == 1 || theta == 0.0 {
                    Law::Uniform
                } else if count <= TABLE_RANKS {
                    let weights: Vec<f64> = (1..=count).map(|rank| pow(rank as f64, -theta)).collect();
                    Law::Table(Alias::new(&weights))
                } else {
                    let tail = Zipf::new(theta, HEAD_RANKS + 1, count);
                    let head = (1..=HEAD_RANKS).map(|rank| pow(rank as f64, -theta));
                    let weights: Vec<f64> = head.chain([tail.sum()]).collect();
                    Law::Long { head: Alias::new(&weights), first: HEAD_RANKS, tail }
                }
            }
            Popularity::Hotspot { objects, requests } => {
                let hot = ((count as f64 * objects) as u64).clamp(1, count.saturating_sub(1).max(1));
                Law::Hotspot { hot, requests }
            }
        };
        Self { law, count }
    }

    /// How many ranks there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A rank below [`Ranks::count`].
    ///
    /// # Cost
    ///
    /// 2–8 ns up to 2²⁰ ranks, beyond some 30 ns under zipf; the scoreboard's `zipf_draw` measures it.
    #[inline]
    pub fn draw(&self, stream: &mut Stream) -> u64 {
        match &self.law {
            Law::Uniform => below(stream.next_u64(), self.count),
            Law::Table(alias) => alias.pick(stream.next_u64()) as u64,
            Law::Long { head, first, tail } => match head.pick(stream.next_u64()) as u64 {
                rank if rank < *first => rank,
                _ => tail.draw(stream),
            },
            Law::Hotspot { hot, requests } => {
                let warm = self.count - hot;
                if unit(stream.next_u64()) < *requests || warm == 0 {
                    below(stream.next_u64(), *hot)
                } else {
                    hot + below(stream.next_u64(), warm)
                }
            }
        }
    }
}

/// Zipf over the ranks `first..=last` by rejection-inversion: no table, exact for any number of ranks.
///
/// Source: Hörmann, Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM
/// TOMACS 6 (1996).
#[derive(Clone, Debug)]
struct Zipf {
    theta: f64,
    first: f64,
    last: f64,
    /// The range of the inverted area.
    low: f64,
    high: f64,
    /// Ranks whose rounding moved them by less than this are accepted without a look at the hat.
    squeeze: f64,
}

impl Zipf {
    /// Ranks from `first`, 2 or more, to `last`.
    fn new(theta: f64, first: u64, last: u64) -> Self {
        let (first, last) = (first as f64, last as f64);
        let mut zipf = Self { theta, first, last, low: 0.0, high: 0.0, squeeze: 0.0 };
        zipf.low = zipf.area(first - 0.5);
        zipf.high = zipf.area(last + 0.5);
        // It grows with the rank: what the first one allows, all do.
        zipf.squeeze = first - zipf.inverse_area(zipf.area(first + 0.5) - zipf.weight(first));
        zipf
    }

    /// Σ k^−theta over its ranks: Euler–Maclaurin at half ranks. The next term is below 10⁻¹² of the sum from rank 2¹⁴ on.
    fn sum(&self) -> f64 {
        let slope = |x: f64| -self.theta * self.weight(x) / x;
        let area = self.high - self.low;
        // A steep law leaves less than rounding.
        (area - (slope(self.last + 0.5) - slope(self.first - 0.5)) / 24.0).max(0.0)
    }

    /// A rank, from 0.
    fn draw(&self, stream: &mut Stream) -> u64 {
        loop {
            let area = self.high + unit(stream.next_u64()) * (self.low - self.high);
            let x = self.inverse_area(area);
            let rank = floor(x + 0.5).clamp(self.first, self.last);
            if rank - x <= self.squeeze || area >= self.area(rank + 0.5) - self.weight(rank) {
                return rank as u64 - 1;
            }
        }
    }

    /// x^−theta.
    fn weight(&self, x: f64) -> f64 {
        exp(-self.theta * log(x))
    }

    /// ∫₁ˣ t^−theta dt = (x^(1−theta) − 1) ÷ (1 − theta), ln x at theta = 1.
    fn area(&self, x: f64) -> f64 {
        let log_x = log(x);
        let t = (1.0 - self.theta) * log_x;
        // (eᵗ − 1) ÷ t by its series near 0, where the quotient loses its digits.
        let ratio = if t.abs() > 1e-8 { expm1(t) / t } else { 1.0 + t / 2.0 };
        ratio * log_x
    }

    fn inverse_area(&self, area: f64) -> f64 {
        // Rounding may carry it just below −1, where the logarithm ends.
        let t = (area * (1.0 - self.theta)).max(-1.0);
        let ratio = if t.abs() > 1e-8 { log1p(t) / t } else { 1.0 - t / 2.0 };
        exp(ratio * area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Seed;

    /// How far draws lie from the exact zipf law over the ranks `first..=count`: chi-square over the first 200 of them and
    /// the rest as one class, as a standard normal.
    fn chi_square(mut draw: impl FnMut(&mut Stream) -> u64, theta: f64, first: u64, count: u64) -> f64 {
        let mut stream = Seed(11).stream("test", 0);
        let (classes, draws) = (200.min((count - first) as usize), 1_000_000);
        let mut seen = vec![0_u64; classes + 1];
        for _ in 0..draws {
            let rank = draw(&mut stream);
            assert!((first - 1..count).contains(&rank));
            seen[((rank + 1 - first) as usize).min(classes)] += 1;
        }
        let weights: Vec<f64> = (first..=count).map(|rank| pow(rank as f64, -theta)).collect();
        let sum: f64 = weights.iter().sum();
        let expected = |class: usize| {
            let weight = if class < classes { weights[class] } else { weights[classes..].iter().sum() };
            weight / sum * f64::from(draws)
        };
        let statistic = (0..=classes)
            .filter(|class| expected(*class) >= 5.0)
            .map(|class| (seen[class] as f64 - expected(class)).powi(2) / expected(class))
            .sum::<f64>();
        let degrees = (0..=classes).filter(|class| expected(*class) >= 5.0).count() as f64 - 1.0;
        // Wilson-Hilferty: a standard normal when the law is right.
        let spread = 2.0 / (9.0 * degrees);
        ((statistic / degrees).cbrt() - (1.0 - spread)) / spread.sqrt()
    }

    #[test]
    fn zipf_ranks_follow_the_exact_law_with_and_without_a_table() {
        for theta in [0.5, 0.99, 1.0, 1.2, 3.0] {
            for count in [50, 20_000] {
                let table = Ranks::new(Popularity::Zipf { theta }, count);
                // 4.5: a right sampler passes it once in 300,000; the seed is fixed, so a pass stays a pass.
                let z = chi_square(|stream| table.draw(stream), theta, 1, count);
                assert!(z < 4.5, "table, theta {theta}, {count} ranks: z = {z}");
                for first in [2, 30] {
                    let tail = Zipf::new(theta, first, count);
                    let z = chi_square(|stream| tail.draw(stream), theta, first, count);
                    assert!(z < 4.5, "arithmetic, theta {theta}, {first} to {count}: z = {z}");
                }
            }
        }
    }

    #[test]
    fn a_long_law_splits_between_its_table_and_its_tail_exactly() {
        for theta in [0.5, 0.99, 1.0, 1.2] {
            let count = 2_000_000;
            let tail = Zipf::new(theta, HEAD_RANKS + 1, count);
            // Summed from the smallest, so that rounding stays below 10⁻¹².
            let exact: f64 = (HEAD_RANKS + 1..=count).rev().map(|rank| pow(rank as f64, -theta)).sum();
            assert!((tail.sum() / exact - 1.0).abs() < 1e-11, "theta {theta}: {} for {exact}", tail.sum());
            let ranks = Ranks::new(Popularity::Zipf { theta }, count);
            let z = chi_square(|stream| ranks.draw(stream), theta, 1, count);
            assert!(z < 4.5, "theta {theta}: z = {z}");
        }
    }

    #[test]
    fn the_chi_square_tells_neighbouring_laws_apart() {
        let wrong = Zipf::new(1.01, 2, 20_000);
        assert!(chi_square(|stream| wrong.draw(stream), 0.99, 2, 20_000) > 10.0);
    }

    #[test]
    fn a_hotspot_takes_its_share_of_the_requests_evenly() {
        let ranks = Ranks::new(Popularity::Hotspot { objects: 0.2, requests: 0.8 }, 1_000);
        let mut stream = Seed(3).stream("test", 0);
        let draws = 200_000;
        let mut seen = vec![0_u32; 1_000];
        for _ in 0..draws {
            seen[ranks.draw(&mut stream) as usize] += 1;
        }
        let hot: u32 = seen[..200].iter().sum();
        // Binomial: √(n·0.8·0.2) = 179; five of them.
        assert!((f64::from(hot) - 160_000.0).abs() < 900.0, "{hot}");
        // Each hot rank: Poisson of mean 800, deviation 28; of 200 the extremes stay within five.
        assert!(seen[..200].iter().all(|n| n.abs_diff(800) < 145));
        assert!(seen[200..].iter().all(|n| n.abs_diff(50) < 40));
    }

    #[test]
    fn laws_over_one_object_draw_that_object() {
        let mut stream = Seed(3).stream("test", 0);
        for law in [Popularity::Uniform, Popularity::Zipf { theta: 2.0 }, Popularity::Latest { theta: 0.9 }] {
            assert_eq!(Ranks::new(law, 1).draw(&mut stream), 0);
        }
    }

    #[test]
    fn extreme_skews_and_counts_draw_within_their_range() {
        let mut stream = Seed(5).stream("test", 0);
        for theta in [1e-9, 0.01, 1.0 - 1e-12, 10.0] {
            for count in [1_048_577, 1_000_000_000_000] {
                let ranks = Ranks::new(Popularity::Zipf { theta }, count);
                for _ in 0..2_000 {
                    assert!(ranks.draw(&mut stream) < count);
                }
            }
        }
    }
}
