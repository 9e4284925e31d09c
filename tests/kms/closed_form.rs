//! The quota under Poisson arrivals without retries, against closed forms. The seed is fixed, so a pass stays a pass;
//! it is printed with every figure.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within 2⁵³
#![allow(clippy::print_stdout)] // seed and figures

use rand_core::Rng;
use s3seal::kms::{Pool, ThrottleRule};
use s3seal::units::{NANOS_PER_SECOND, Seed, Timestamp};

const SEED: Seed = Seed(20_261_124);

/// Share of Poisson(`rate` a second) calls that `pool` refuses in `seconds` seconds.
fn throttled_share(pool: &Pool, rate: f64, seconds: u64) -> f64 {
    let mut stream = SEED.stream("arrival", 0);
    let (mut now, mut calls, mut refused) = (0.0, 0u64, 0u64);
    let mean_gap = NANOS_PER_SECOND as f64 / rate;
    while now < (seconds * NANOS_PER_SECOND) as f64 {
        let u = ((stream.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        now -= libm::log(u) * mean_gap;
        calls += 1;
        refused += u64::from(pool.admit(1, Timestamp::from_nanos(now as u64)).is_err());
    }
    refused as f64 / calls as f64
}

/// Poisson probability of `n` at mean `mean`.
fn poisson(mean: f64, n: u32) -> f64 {
    libm::exp(f64::from(n) * libm::log(mean) - mean - libm::lgamma(f64::from(n) + 1.0))
}

/// E[(N − quota)⁺] / λ for N ~ Poisson(λ): the share of a window's calls beyond its quota.
fn window_share(rate: f64, quota: u32) -> f64 {
    // The sum ends where nothing is left: 20 standard deviations above the larger of mean and quota.
    let last = rate.max(f64::from(quota)) + 20.0 * libm::sqrt(rate);
    (quota + 1..last as u32).map(|n| f64::from(n - quota) * poisson(rate, n)).sum::<f64>() / rate
}

/// Loss of M/D/1/K, K places in all, by its chain embedded at departures: 1 − 1 / (π₀ + ρ).
///
/// Source: Gross, Shortle, Thompson, Harris, "Fundamentals of Queueing Theory", M/G/1/K.
fn md1k_loss(rho: f64, places: usize) -> f64 {
    let arrivals: Vec<f64> = (0..).map(|n| poisson(rho, n)).take(places).collect();
    // p[j], up to a factor: a departure leaves j behind. Balance: p[j] = p[0]·a[j] + Σ_{i=1..j+1} p[i]·a[j+1−i].
    let mut p = vec![1.0];
    for j in 0..places - 1 {
        let inflow: f64 = p[0] * arrivals[j] + (1..=j).map(|i| p[i] * arrivals[j + 1 - i]).sum::<f64>();
        p.push((p[j] - inflow) / arrivals[0]);
    }
    let empty = 1.0 / p.iter().sum::<f64>();
    1.0 - 1.0 / (empty + rho)
}

/// Within 1 % of `expected`, or 0.02 points of it: the larger tolerance counts where the share itself is small.
fn assert_close(measured: f64, expected: f64, what: &str) {
    println!("seed {SEED}, {what}: measured {measured:.6}, closed form {expected:.6}");
    let tolerance = (expected * 0.01).max(0.000_2);
    assert!((measured - expected).abs() <= tolerance, "{what}: {measured} against {expected}");
}

fn window(per_second: u32) -> Pool {
    Pool::new(ThrottleRule::FixedWindow { per_second }).unwrap()
}

#[test]
fn a_window_refuses_the_expected_excess_at_its_quota() {
    let expected = window_share(5_500.0, 5_500);
    assert!((expected - 0.005_38).abs() < 0.000_005, "{expected}");
    // One window's excess has a standard deviation of 43 calls against a mean of 30; 4,000 windows bring the error
    // of the share to 0.012 points.
    assert_close(throttled_share(&window(5_500), 5_500.0, 4_000), expected, "window, λ = Q = 5,500");
}

#[test]
fn a_window_refuses_the_expected_excess_far_above_its_quota() {
    let expected = window_share(8_000.0, 5_500);
    assert!((expected - 0.312_5).abs() < 1e-9, "{expected}");
    // 300 windows: an error of the share of 0.04 points, an eighth of the tolerance.
    assert_close(throttled_share(&window(5_500), 8_000.0, 300), expected, "window, λ = 8,000, Q = 5,500");
}

#[test]
fn a_bucket_refuses_what_an_m_d_1_k_queue_loses() {
    // A full bucket of K tokens is an empty queue with K places: a token taken comes back after a fixed time, and one
    // after the other. 4 to 20 million calls: errors of the share below 0.01 points.
    for (rate, burst, seconds) in [(900, 5, 10_000), (1_000, 20, 20_000), (1_500, 10, 4_000)] {
        let pool = Pool::new(ThrottleRule::TokenBucket { rate: 1_000, burst }).unwrap();
        let expected = md1k_loss(f64::from(rate) / 1_000.0, burst as usize);
        let measured = throttled_share(&pool, f64::from(rate), seconds);
        assert_close(measured, expected, &format!("bucket, λ = {rate}, rate = 1,000, K = {burst}"));
    }
}

#[test]
fn the_loss_formula_gives_the_known_small_cases() {
    // K = 1 is Erlang's loss ρ / (1 + ρ). Far above the rate, all but the rate is lost: 1 − 1 / ρ.
    assert!((md1k_loss(0.5, 1) - 1.0 / 3.0).abs() < 1e-12);
    assert!((md1k_loss(3.0, 12) - 2.0 / 3.0).abs() < 1e-9);
}
