//! How large objects are: a function of the seed and the object, so that a read knows what was written.

use libm::exp;
use rand_core::Rng;

use super::random::{normal_quantile, scatter, unit};
use super::scenario::{Quantile, SizeLaw, SizePreset};
use crate::units::Seed;

/// Cells of the lognormal table; the outermost `EXACT` on either side, where the law bends most, are computed.
const CELLS: usize = 1_024;
const EXACT: usize = 16;

impl SizePreset {
    /// Every preset.
    pub const ALL: [Self; 2] = [Self::MetaCdn, Self::CosbenchS3];

    /// The name in scenarios.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MetaCdn => "meta-cdn",
            Self::CosbenchS3 => "cosbench-s3",
        }
    }

    /// Where the numbers come from.
    pub const fn source(self) -> &'static str {
        match self {
            Self::MetaCdn => {
                "facebook/CacheLib 278ffc7, test_configs/hit_ratio/cdn/sizes.json; quantiles computed 2026-11-24"
            }
            Self::CosbenchS3 => {
                "intel-cloud/cosbench 68ffaa9, release/conf/s3-config-sample.xml; read 2026-11-24"
            }
        }
    }

    /// (share of objects, bytes).
    const fn table(self) -> &'static [(f64, u64)] {
        match self {
            Self::MetaCdn => &[
                (0.0, 127),
                (0.1, 159),
                (0.2, 1_791),
                (0.25, 2_783),
                (0.3, 4_031),
                (0.4, 7_615),
                (0.5, 13_343),
                (0.6, 21_567),
                (0.7, 33_599),
                (0.8, 50_079),
                (0.9, 77_631),
                (0.95, 118_495),
                (0.99, 274_239),
                (0.999, 827_039),
                (0.9999, 1_642_367),
                (1.0, 4_176_255),
            ],
            Self::CosbenchS3 => &[(0.0, 64_000), (1.0, 64_000)],
        }
    }
}

/// A size law made ready to draw from.
#[derive(Clone, Debug)]
pub struct Sizes {
    key: u64,
    curve: Curve,
}

#[derive(Clone, Debug)]
enum Curve {
    Fixed(u64),
    Points(Box<[Quantile]>),
    Lognormal { median: f64, sigma: f64, min: f64, max: f64, table: Box<[f64]> },
}

impl Sizes {
    /// The sizes that `law` gives under `seed`.
    pub fn new(law: &SizeLaw, seed: Seed) -> Self {
        let key = seed.stream("size", 0).next_u64();
        let curve = match law {
            SizeLaw::Fixed { bytes } => Curve::Fixed(*bytes),
            SizeLaw::Empirical { quantiles } => Curve::Points(quantiles.clone().into()),
            SizeLaw::Preset { name } => {
                let quantile = |(share, bytes): &(f64, u64)| Quantile { share: *share, bytes: *bytes };
                Curve::Points(name.table().iter().map(quantile).collect())
            }
            SizeLaw::Lognormal { median, sigma, min, max } => {
                let (median, min, max) = (*median as f64, *min as f64, *max as f64);
                let at = |cell: usize| lognormal(median, *sigma, min, max, cell as f64 / CELLS as f64);
                // The two ends are infinite; they are never looked up.
                let table = (0..=CELLS).map(|cell| at(cell.clamp(1, CELLS - 1))).collect();
                Curve::Lognormal { median, sigma: *sigma, min, max, table }
            }
        };
        Self { key, curve }
    }

    /// Bytes of `object`, every version of it.
    #[inline]
    pub fn of(&self, object: u64) -> u64 {
        self.at(scatter(self.key, object))
    }

    /// The size that a share `p` of the objects does not pass, 0 < p < 1.
    ///
    /// The lognormal law is kept as straight lines between 1,024 quantiles (the outermost 32 cells exact): with sigma 1 a
    /// size lies within 0.03 % of the formula.
    pub fn quantile(&self, p: f64) -> u64 {
        self.at((p.clamp(0.0, 1.0) * 18_446_744_073_709_551_616.0) as u64)
    }

    #[inline]
    fn at(&self, word: u64) -> u64 {
        match &self.curve {
            Curve::Fixed(bytes) => *bytes,
            Curve::Points(points) => {
                let p = unit(word);
                let above = points.partition_point(|point| point.share < p).clamp(1, points.len() - 1);
                let (low, high) = (points[above - 1], points[above]);
                let along = (p - low.share) / (high.share - low.share);
                rounded(low.bytes as f64 + along * (high.bytes - low.bytes) as f64)
            }
            Curve::Lognormal { median, sigma, min, max, table } => {
                let cell = (word >> 54) as usize;
                if (EXACT..CELLS - EXACT).contains(&cell) {
                    let (low, high) = (table[cell], table[cell + 1]);
                    return rounded(low + unit(word << 10) * (high - low));
                }
                rounded(lognormal(*median, *sigma, *min, *max, unit(word)))
            }
        }
    }
}

fn lognormal(median: f64, sigma: f64, min: f64, max: f64, p: f64) -> f64 {
    (median * exp(sigma * normal_quantile(p))).clamp(min, max)
}

fn rounded(bytes: f64) -> u64 {
    (bytes + 0.5) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lognormal_law(sigma: f64) -> SizeLaw {
        SizeLaw::Lognormal { median: 16 << 10, sigma, min: 1, max: 1 << 40 }
    }

    #[test]
    fn a_lognormal_table_keeps_to_the_formula() {
        for sigma in [0.0, 0.5, 1.0, 2.0] {
            let sizes = Sizes::new(&lognormal_law(sigma), Seed(1));
            for step in 1..20_000 {
                let p = f64::from(step) / 20_000.0;
                let exact = 16_384.0 * exp(sigma * normal_quantile(p));
                // A chord is off by (cell width)² ÷ 8 times the second derivative: of e^(sigma·z(p)) that is sigma·(sigma + z)
                // at a cell width of 0.0247 in z, both at their largest beside the exact cells, where z = 2.16.
                // Sizes are whole bytes, so half a byte more.
                let tolerance = 7.7e-5 * sigma * (sigma + 2.2);
                let got = sizes.quantile(p) as f64;
                assert!(
                    (got - exact).abs() <= exact * tolerance + 0.5,
                    "sigma {sigma}, p {p}: {got} for {exact}"
                );
            }
        }
    }

    #[test]
    fn sizes_of_objects_have_the_quantiles_of_their_law() {
        let sizes = Sizes::new(&lognormal_law(1.3), Seed(7));
        let mut drawn: Vec<u64> = (0..100_000).map(|object| sizes.of(object)).collect();
        drawn.sort_unstable();
        for p in [0.01, 0.1, 0.5, 0.9, 0.99] {
            // The rank of the true quantile is binomial; five deviations of it, as shares.
            let slack = 5.0 * (p * (1.0 - p) / 100_000.0_f64).sqrt();
            let at = |p: f64| drawn[((p * 100_000.0) as usize).min(99_999)];
            let exact = sizes.quantile(p);
            assert!(at(p - slack) <= exact && exact <= at(p + slack), "p {p}");
        }
    }

    #[test]
    fn draws_beyond_the_bounds_become_the_bounds() {
        let law = SizeLaw::Lognormal { median: 1_000, sigma: 3.0, min: 900, max: 1_100 };
        let sizes = Sizes::new(&law, Seed(1));
        assert!((0..10_000).all(|object| (900..=1_100).contains(&sizes.of(object))));
        assert_eq!((sizes.quantile(0.001), sizes.quantile(0.999)), (900, 1_100));
    }

    #[test]
    fn an_empirical_law_goes_in_straight_lines_between_its_points() {
        let points = [(0.0, 0), (0.5, 100), (1.0, 1_100)];
        let quantiles = points.map(|(share, bytes)| Quantile { share, bytes }).to_vec();
        let sizes = Sizes::new(&SizeLaw::Empirical { quantiles }, Seed(1));
        assert_eq!([0.25, 0.5, 0.75].map(|p| sizes.quantile(p)), [50, 100, 600]);
    }

    #[test]
    fn presets_rise_from_share_zero_to_share_one() {
        for preset in SizePreset::ALL {
            let table = preset.table();
            assert!(table.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{}", preset.as_str());
            assert_eq!((table[0].0, table[table.len() - 1].0), (0.0, 1.0));
            assert!(!preset.source().is_empty());
        }
    }
}
