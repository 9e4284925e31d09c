//! Arithmetic on random words: the same on every machine.

use std::hint::select_unpredictable;

use libm::{exp, log, sqrt};
use rand_core::Rng;

use crate::units::Stream;

/// 2⁶⁴ ÷ golden ratio: consecutive multiples lie far apart.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A word that depends on every bit of `key` and `n`: the `n`-th output of `SplitMix64` started at `key`.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with the finaliser mix13.
pub(crate) const fn scatter(key: u64, n: u64) -> u64 {
    let mut z = key.wrapping_add(n.wrapping_add(1).wrapping_mul(GOLDEN));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `word` as a number strictly between 0 and 1: the middle of one of 2⁵² cells.
pub(crate) fn unit(word: u64) -> f64 {
    const CELL: f64 = 1.0 / (1_u64 << 52) as f64;
    ((word >> 12) as f64 + 0.5) * CELL
}

/// ⌊word · n ÷ 2⁶⁴⌋: uniform on 0..n to within n ÷ 2⁶⁴.
pub(crate) fn below(word: u64, n: u64) -> u64 {
    ((u128::from(word) * u128::from(n)) >> 64) as u64
}

/// The exponential law of mean 1, by the ziggurat: one product and one comparison in 99 of 100 draws.
///
/// Source: Marsaglia, Tsang, "The ziggurat method for generating random variables", J. Stat. Software 5 (2000), with 256
/// layers; the random bits of layer and position do not overlap.
#[derive(Clone, Debug)]
pub(crate) struct Exponential {
    /// Right ends of the layers, and the density there.
    ends: Box<[(f64, f64)]>,
}

impl Exponential {
    const LAYERS: usize = 256;
    /// Where the tail begins, and the area of a layer.
    const TAIL: f64 = 7.697_117_470_131_05;
    const AREA: f64 = 0.003_949_659_822_581_557;

    pub(crate) fn new() -> Self {
        let mut ends = vec![(Self::AREA * exp(Self::TAIL), 0.0), (Self::TAIL, exp(-Self::TAIL))];
        while ends.len() < Self::LAYERS {
            let (end, density) = ends[ends.len() - 1];
            let density = density + Self::AREA / end;
            ends.push((-log(density), density));
        }
        ends.push((0.0, 1.0));
        Self { ends: ends.into() }
    }

    #[inline]
    pub(crate) fn draw(&self, stream: &mut Stream) -> f64 {
        loop {
            let word = stream.next_u64();
            let layer = (word & 0xFF) as usize;
            let (end, density) = self.ends[layer];
            let (inner, above) = self.ends[layer + 1];
            let x = unit(word) * end;
            if x < inner {
                return x;
            }
            if layer == 0 {
                // Beyond the tail's beginning the law is the same again.
                return Self::TAIL - log(unit(stream.next_u64()));
            }
            if density + (above - density) * unit(stream.next_u64()) < exp(-x) {
                return x;
            }
        }
    }
}

/// The place of `x` in a random order of 0..n, chosen by `key`: a bijection.
///
/// A four-round Feistel network over the next even power of two, walked until it falls below `n`.
///
/// # Cost
///
/// Four steps at most in the mean, at any `n`; no table.
pub(crate) fn permuted(key: u64, x: u64, n: u64) -> u64 {
    debug_assert!(x < n);
    let half = (u64::BITS - (n - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1_u64 << half) - 1;
    let mut value = x;
    loop {
        let (mut left, mut right) = (value >> half, value & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (scatter(key ^ round, right) & mask));
        }
        value = left << half | right;
        if value < n {
            return value;
        }
    }
}

/// The value that a standard normal variable stays below with probability `p`, 0 < p < 1; relative error 10⁻¹⁶.
///
/// Source: Wichura, algorithm AS 241 (PPND16), Applied Statistics 37 (1988); held against `erfc` by a test.
#[expect(clippy::excessive_precision, reason = "digits as published")]
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        2_509.080_928_730_122_672_7,
        33_430.575_583_588_128_105,
        67_265.770_927_008_700_853,
        45_921.953_931_549_871_457,
        13_731.693_765_509_461_125,
        1_971.590_950_306_551_442_7,
        133.141_667_891_784_377_45,
        3.387_132_872_796_366_608_0,
    ];
    const B: [f64; 8] = [
        5_226.495_278_852_854_561_0,
        28_729.085_735_721_942_674,
        39_307.895_800_092_710_610,
        21_213.794_301_586_595_867,
        5_394.196_021_424_751_107_7,
        687.187_007_492_057_908_30,
        42.313_330_701_600_911_252,
        1.0,
    ];
    const C: [f64; 8] = [
        7.745_450_142_783_414_076_40e-4,
        2.272_384_498_926_918_458_33e-2,
        2.417_807_251_774_506_117_70e-1,
        1.270_458_252_452_368_382_58,
        3.647_848_324_763_204_605_04,
        5.769_497_221_460_691_405_50,
        4.630_337_846_156_545_295_90,
        1.423_437_110_749_683_577_34,
    ];
    const D: [f64; 8] = [
        1.050_750_071_644_416_843_24e-9,
        5.475_938_084_995_344_946_00e-4,
        1.519_866_656_361_645_719_66e-2,
        1.481_039_764_274_800_745_90e-1,
        6.897_673_349_851_000_045_50e-1,
        1.676_384_830_183_803_849_40,
        2.053_191_626_637_758_821_87,
        1.0,
    ];
    const E: [f64; 8] = [
        2.010_334_399_292_288_132_65e-7,
        2.711_555_568_743_487_578_15e-5,
        1.242_660_947_388_078_438_60e-3,
        2.653_218_952_657_612_309_30e-2,
        2.965_605_718_285_048_912_30e-1,
        1.784_826_539_917_291_335_80,
        5.463_784_911_164_114_369_90,
        6.657_904_643_501_103_777_20,
    ];
    const F: [f64; 8] = [
        2.044_263_103_389_939_785_64e-15,
        1.421_511_758_316_445_888_70e-7,
        1.846_318_317_510_054_681_80e-5,
        7.868_691_311_456_132_591_00e-4,
        1.487_536_129_085_061_485_25e-2,
        1.369_298_809_227_358_053_10e-1,
        5.998_322_065_558_879_376_90e-1,
        1.0,
    ];
    let polynomial = |coefficients: &[f64; 8], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&A, r) / polynomial(&B, r);
    }
    let r = sqrt(-log(if q < 0.0 { p } else { 1.0 - p }));
    let tail = if r <= 5.0 {
        polynomial(&C, r - 1.6) / polynomial(&D, r - 1.6)
    } else {
        polynomial(&E, r - 5.0) / polynomial(&F, r - 5.0)
    };
    if q < 0.0 { -tail } else { tail }
}

/// Items drawn in proportion to their weights, in constant time: Walker's alias table, 8 bytes an item.
///
/// Source: Vose, "A linear algorithm for generating random numbers with a given distribution", IEEE TSE 17 (1991).
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    /// Threshold in the high half, the other item in the low half.
    cells: Box<[u64]>,
}

impl Alias {
    /// A table over `weights`: none negative, their sum above 0, fewer than 2³² of them.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let count = weights.len();
        let scale = count as f64 / weights.iter().sum::<f64>();
        let mut shares: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let heaviest = (0..count).max_by(|a, b| weights[*a].total_cmp(&weights[*b])).unwrap_or(0);
        // What rounding leaves without a partner falls to the heaviest item, so that weight 0 is never drawn.
        let mut cells: Vec<u64> = shares.iter().map(|share| cell(*share, heaviest)).collect();
        let (mut light, mut heavy): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|item| shares[*item] < 1.0);
        while let (Some(poor), Some(rich)) = (light.pop(), heavy.last().copied()) {
            cells[poor] = cell(shares[poor], rich);
            shares[rich] -= 1.0 - shares[poor];
            if shares[rich] < 1.0 {
                heavy.pop();
                light.push(rich);
            }
        }
        for item in heavy {
            cells[item] = cell(1.0, item);
        }
        Self { cells: cells.into() }
    }

    /// The item that the random `word` stands for.
    #[inline]
    pub(crate) fn pick(&self, word: u64) -> usize {
        let wide = u128::from(word) * self.cells.len() as u128;
        let item = (wide >> 64) as usize;
        let cell = self.cells[item];
        let position = (wide as u64) >> 32;
        // No branch: a coin cannot be predicted.
        select_unpredictable(position < cell >> 32, item, (cell & 0xFFFF_FFFF) as usize)
    }
}

fn cell(share: f64, other: usize) -> u64 {
    // Casting saturates: a share of 1 or more keeps all but 2⁻³² of its cell.
    let threshold = u64::from((share * 4_294_967_296.0) as u32);
    threshold << 32 | other as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_normal_quantile_undoes_the_normal_distribution_function() {
        let cdf = |z: f64| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
        for exponent in 1..=300 {
            let p = libm::exp10(-f64::from(exponent) / 20.0);
            let back = cdf(normal_quantile(p));
            // d ln Φ/dz ≈ |z| ≤ 8 and both functions are good to a few ulp of z: 10⁻¹³ leaves room.
            assert!((back / p - 1.0).abs() < 1e-13, "p {p}: {back}");
            assert!((normal_quantile(1.0 - p) + normal_quantile(p)).abs() < 2e-16 / p + 1e-12, "p {p}");
        }
        assert!(normal_quantile(0.5).abs() < f64::MIN_POSITIVE);
    }

    #[test]
    fn unit_numbers_stay_strictly_between_zero_and_one() {
        assert!(unit(0) > 0.0);
        assert!(unit(u64::MAX) < 1.0);
    }

    #[test]
    fn exponential_draws_follow_their_law_in_every_layer_and_in_the_tail() {
        let law = Exponential::new();
        let mut stream = crate::units::Seed(2).stream("test", 0);
        let draws = 2_000_000;
        let mut beyond = [0_u32; 44];
        let mut tail_start = 0_u32;
        for _ in 0..draws {
            let x = law.draw(&mut stream);
            assert!(x > 0.0);
            tail_start += u32::from((Exponential::TAIL..Exponential::TAIL + 0.1).contains(&x));
            for (index, count) in beyond.iter_mut().enumerate() {
                *count += u32::from(x > index as f64 / 4.0);
            }
        }
        for (index, count) in (0_i32..).zip(beyond) {
            let share = exp(-f64::from(index) / 4.0);
            let expected = share * f64::from(draws);
            // Binomial; five deviations, and one for the lattice of counts near 0.
            let slack = 5.0 * (expected * (1.0 - share)).sqrt() + 1.0;
            assert!((f64::from(count) - expected).abs() < slack, "beyond {index}/4: {count} for {expected}");
        }
        let expected = f64::from(draws) * (exp(-Exponential::TAIL) - exp(-Exponential::TAIL - 0.1));
        assert!(
            (f64::from(tail_start) - expected).abs() < 5.0 * expected.sqrt(),
            "{tail_start} for {expected}"
        );
    }

    #[test]
    fn the_layers_of_the_ziggurat_have_one_area_and_meet_at_the_top() {
        let ends = Exponential::new().ends;
        assert_eq!(ends.len(), 257);
        // The recursion ends at density 1 to the digits of the published area.
        let (last, density) = ends[255];
        assert!((last * (1.0 - density) - Exponential::AREA).abs() < 1e-12, "{last}");
    }

    proptest! {
        #[test]
        fn a_permutation_meets_every_place_once(key: u64, n in 1_u64..700) {
            let mut places: Vec<u64> = (0..n).map(|x| permuted(key, x, n)).collect();
            places.sort_unstable();
            prop_assert_eq!(places, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn an_alias_table_gives_each_item_its_share_exactly(weights in prop::collection::vec(
            prop_oneof![Just(0.0), 0.0..100.0], 1..40,
        )) {
            prop_assume!(weights.iter().sum::<f64>() > 0.1);
            let table = Alias::new(&weights);
            let count = weights.len();
            let mut shares = vec![0.0; count];
            for (item, cell) in table.cells.iter().enumerate() {
                let own = (cell >> 32) as f64 / 4_294_967_296.0 / count as f64;
                shares[item] += own;
                shares[(cell & 0xFFFF_FFFF) as usize] += 1.0 / count as f64 - own;
            }
            let sum: f64 = weights.iter().sum();
            for (share, weight) in shares.iter().zip(&weights) {
                // Each cell rounds its threshold to 2⁻³².
                prop_assert!((share - weight / sum).abs() < 1e-8);
                prop_assert!(*weight > 0.0 || *share == 0.0, "weight 0 is never drawn");
            }
        }
    }
}
