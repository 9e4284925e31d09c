//! How long what is not KMS takes, where it is modelled: cryptography, the store and its stalls, S3 itself.

use crate::kms::ServiceTime;
use crate::request::Operation;
use crate::units::{NANOS_PER_SECOND, Span, Stream, Timestamp};
use crate::workload::{FaultKind, S3ServiceTime, Scenario};

const MIB: u64 = 1 << 20;

/// A fixed part and a part per byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Whatever the size.
    pub fixed: Span,
    /// For each byte, in 10⁻¹² s.
    pub picos_per_byte: u64,
}

/// Sealing or opening in one layer: 2 µs for header and derivation, then 10 GB/s. An assumption after measurements with
/// aws-lc-rs on one core with AVX-512: 9.7 GB/s at 16 KiB, 10.6 GB/s at 1 MiB (docs/SOURCES.md, rig).
pub const CRYPTO_COST: Cost = Cost { fixed: Span::from_micros(2), picos_per_byte: 100 };

/// A store in memory: 1 µs for the look-up, then 20 GB/s. An assumption after measurements of copies larger than the
/// caches: 18 GB/s at 8 MiB (docs/SOURCES.md, rig).
pub const STORE_COST: Cost = Cost { fixed: Span::from_micros(1), picos_per_byte: 50 };

impl Cost {
    /// fixed + bytes × `picos_per_byte`, to the nanosecond below.
    #[inline]
    pub fn of(self, bytes: u64) -> Span {
        self.fixed + Span::from_nanos(bytes.saturating_mul(self.picos_per_byte) / 1_000)
    }
}

/// When the store answers nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stalls(Vec<(Timestamp, Timestamp)>);

impl Stalls {
    /// Those of `scenario`, counted from the start of the warm-up.
    pub fn new(scenario: &Scenario) -> Self {
        let start = Timestamp::ZERO + scenario.warm_up;
        let stalls = scenario.faults.iter().filter(|fault| fault.kind == FaultKind::StoreStall);
        let window =
            |from: Timestamp, length: Option<Span>| (from, length.map_or(Timestamp::MAX, |l| from + l));
        Self(stalls.map(|fault| window(start + fault.at, fault.length)).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What an access that begins at `now` waits until the store answers again.
    #[inline]
    pub fn wait(&self, now: Timestamp) -> Span {
        let mut at = now;
        // A stall that ends within another is followed by it.
        while let Some((_, until)) = self.0.iter().find(|(from, until)| *from <= at && at < *until) {
            at = *until;
        }
        at.since(now)
    }
}

/// S3's own service time: a lognormal fit for reads and one for writes, or none.
///
/// | | reads | writes |
/// |---|---|---|
/// | standard | median 27 ms, σ 0.62, at least 10 ms | median 60 ms + 20 ms per MiB, σ 0.29, at least 10 ms |
/// | express | median 2.5 ms, σ 0.57, at least 1 ms | median 6.5 ms + 10 ms per MiB, σ 0.24, at least 1 ms |
///
/// A read of more than 1 MiB takes 1 s longer per 90 MB of the rest. `HeadObject`, `ListObjects` and `DeleteObject` count as
/// reads without a body, the ends of a multipart upload as writes without one: assumptions. The fit overstates the p90 of
/// standard reads (60 ms against 47 ms measured) and meets the p99.
///
/// Source: lognormal fits of cdouglas/endive to published measurements (2025); throughput per request: S3 performance
/// guide (docs/SOURCES.md, rig).
#[derive(Clone, Debug)]
pub struct S3Times {
    model: Option<Fit>,
    seed: u64,
}

#[derive(Clone, Debug)]
struct Fit {
    read: ServiceTime,
    write: ServiceTime,
    /// Medians of a write: without a body, and what a MiB adds, in µs.
    write_base: u64,
    write_per_mib: u64,
}

impl S3Times {
    /// The model that `scenario` names.
    pub fn new(scenario: &Scenario) -> Self {
        let fit = |read: [u64; 2], read_sigma, write: [u64; 2], write_sigma, write_per_mib| {
            let law = |[minimum, median]: [u64; 2], sigma| {
                ServiceTime::lognormal(Span::from_micros(minimum), Span::from_micros(median), sigma)
                    .expect("the fits are in range")
                    .tabulated()
            };
            let (read, write_base) = (law(read, read_sigma), write[1]);
            Fit { read, write: law(write, write_sigma), write_base, write_per_mib }
        };
        let model = match scenario.s3.service_time {
            S3ServiceTime::None => None,
            S3ServiceTime::Standard => Some(fit([10_000, 27_000], 0.62, [10_000, 60_000], 0.29, 20_000)),
            S3ServiceTime::Express => Some(fit([1_000, 2_500], 0.57, [1_000, 6_500], 0.24, 10_000)),
        };
        Self { model, seed: first_word(scenario.seed().stream("s3-service-time", 0)) }
    }

    /// Whether S3 takes no time.
    pub fn is_zero(&self) -> bool {
        self.model.is_none()
    }

    /// The time of the `attempt`-th S3 request that arrival `index` makes, with a body of `bytes`: a function of these and
    /// the seed, whatever else happens.
    #[inline]
    pub fn of(&self, index: u64, attempt: u32, operation: Operation, bytes: u64) -> Span {
        match &self.model {
            None => Span::ZERO,
            Some(fit) => self.drawn(fit, index, attempt, operation, bytes),
        }
    }

    #[inline]
    fn drawn(&self, fit: &Fit, index: u64, attempt: u32, operation: Operation, bytes: u64) -> Span {
        let place = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (u64::from(attempt) << 40);
        let number = first_number(self.seed ^ place);
        let writes = matches!(
            operation,
            Operation::PutObject
                | Operation::CopyObject
                | Operation::CreateMultipartUpload
                | Operation::UploadPart
                | Operation::CompleteMultipartUpload
        );
        if writes {
            // The whole law stretches with the body.
            let unit = fit.write_base * MIB;
            let more = proportion(fit.write_per_mib, bytes, 1);
            Span::from_nanos(proportion(fit.write.at(number).as_nanos(), unit.saturating_add(more), unit))
        } else {
            let rest = proportion(bytes.saturating_sub(MIB), NANOS_PER_SECOND, 90_000_000);
            fit.read.at(number) + Span::from_nanos(rest)
        }
    }
}

/// ⌊a · b ÷ c⌋, saturating.
fn proportion(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        // Dividing 128 bits takes longer than drawing.
        Some(product) => product / c,
        None => u64::try_from(u128::from(a) * u128::from(b) / u128::from(c)).unwrap_or(u64::MAX),
    }
}

/// The first number of the [`Stream`] that `seed_from_u64` makes: of the four words of its state, which `SplitMix64` gives, it
/// depends on two, and making the others takes as long again.
///
/// Source: xoshiro256++ and `SplitMix64`, prng.di.unimi.it.
#[inline]
fn first_number(seed: u64) -> u64 {
    let word = |place: u64| {
        let z = seed.wrapping_add(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let (first, last) = (word(1), word(4));
    first.wrapping_add(last).rotate_left(23).wrapping_add(first)
}

fn first_word(mut stream: Stream) -> u64 {
    use rand_core::Rng;
    stream.next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Fault, S3};

    #[test]
    fn the_first_number_of_a_stream_is_had_without_the_stream() {
        use rand_core::SeedableRng;
        for seed in (0..1_000).chain((0..64).map(|bit| 1 << bit)).chain([u64::MAX]) {
            assert_eq!(first_number(seed), first_word(Stream::seed_from_u64(seed)), "seed {seed}");
        }
    }

    #[test]
    fn costs_are_a_fixed_part_and_a_rate() {
        assert_eq!(CRYPTO_COST.of(0), Span::from_micros(2));
        assert_eq!(CRYPTO_COST.of(10_000_000), Span::from_micros(1_002));
    }

    #[test]
    fn an_access_waits_out_the_stall_that_it_meets() {
        let stall = |at, length| Fault {
            at: Span::from_seconds(at),
            length: Some(Span::from_seconds(length)),
            kind: FaultKind::StoreStall,
        };
        let faults = vec![stall(1, 2), stall(3, 1)];
        let scenario = Scenario { warm_up: Span::from_seconds(1), faults, ..Scenario::default() };
        let stalls = Stalls::new(&scenario);
        let waits = [1_999, 2_000, 3_500, 4_999, 5_000].map(|ms| stalls.wait(Timestamp::from_millis(ms)));
        assert_eq!(waits, [0, 3_000, 1_500, 1, 0].map(Span::from_millis));
    }

    #[test]
    fn s3_times_follow_the_fit_and_depend_on_nothing_but_their_place() {
        let s3 = S3 { service_time: S3ServiceTime::Standard, prefix_limits: false };
        let times = S3Times::new(&Scenario { s3, ..Scenario::default() });
        let median = |operation, bytes| {
            let mut all: Vec<u64> =
                (0..20_001).map(|i| times.of(i, 0, operation, bytes).as_nanos() / 1_000).collect();
            all.sort_unstable();
            all[10_000]
        };
        // The median of n draws has a deviation of 1.25 σ ÷ √n: 0.55 % and 0.26 %; four of them.
        assert!(median(Operation::GetObject, 4_096).abs_diff(27_000) < 600);
        assert!(median(Operation::PutObject, 0).abs_diff(60_000) < 630);
        assert!(median(Operation::PutObject, 3 << 20).abs_diff(120_000) < 1_260);
        assert_eq!(times.of(7, 1, Operation::GetObject, 1), times.of(7, 1, Operation::GetObject, 1));
        assert_ne!(times.of(7, 1, Operation::GetObject, 1), times.of(7, 2, Operation::GetObject, 1));
    }
}
