//! Envelope in detail: sealing and opening by size, mode and back end; where a second core begins to pay; wrapping.
#![allow(missing_docs, clippy::wildcard_imports, clippy::cast_possible_truncation)] // criterion's macros; one room; a pattern

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use s3seal::envelope::*;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn plaintext(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i % 251) as u8).collect()
}

/// Sealing under a customer key, the slot with the least in it.
fn seal_to(key: &CustomerKey, plain: &[u8], backend: Backend, threads: Threads, out: &mut Vec<u8>) {
    let options = Options { backend, threads, ..Options::default() };
    seal_into(Keys::Customer(key), &Slot::SseC, &Identity::object("bucket", "key"), plain, options, out)
        .expect("seals");
}

fn by_size(criterion: &mut Criterion) {
    let key = CustomerKey::generate().expect("random");
    for backend in Backend::ALL {
        let mut group = criterion.benchmark_group(format!("seal/{backend:?}"));
        for bytes in [KIB, 16 * KIB, 64 * KIB, MIB] {
            let (plain, mut out) = (plaintext(bytes), Vec::new());
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
                bencher.iter(|| seal_to(&key, &plain, *backend, Threads::One, &mut out));
            });
        }
        group.finish();
        let mut group = criterion.benchmark_group(format!("open/{backend:?}"));
        for bytes in [KIB, 16 * KIB, 64 * KIB, MIB] {
            let (plain, mut sealed, mut out) = (plaintext(bytes), Vec::new(), Vec::new());
            seal_to(&key, &plain, *backend, Threads::One, &mut sealed);
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
                bencher.iter(|| {
                    let header = Header::parse(&sealed).expect("ours");
                    let identity = Identity::object("bucket", "key");
                    let unlocked =
                        header.unlock(Keys::Customer(&key), &identity, *backend).expect("the right key");
                    unlocked
                        .open_into(&sealed[unlocked.header_bytes()..], Threads::One, &mut out)
                        .expect("opens");
                });
            });
            assert_eq!(out, plain);
        }
    }
}

/// One core against the pool, from well below to well above `PARALLEL_BYTES_MIN`: the crossing is the threshold.
fn threshold(criterion: &mut Criterion) {
    let key = CustomerKey::generate().expect("random");
    let mut group = criterion.benchmark_group("threshold");
    for mebibytes in [2, 4, 8, 16] {
        let (plain, mut out) = (plaintext(mebibytes * MIB), Vec::new());
        group.throughput(Throughput::Bytes(plain.len() as u64));
        for threads in [Threads::One, Threads::Pool] {
            group.bench_function(BenchmarkId::new(format!("{threads:?}"), mebibytes), |bencher| {
                bencher.iter(|| seal_to(&key, &plain, Backend::default(), threads, &mut out));
            });
        }
    }
}

fn wrapping(criterion: &mut Criterion) {
    let kms = WrappingKey::generate().expect("random");
    let key = DataKey::generate().expect("random");
    let context = EncryptionContext::of_object("bucket", "key").expect("short");
    let wrapped = kms.wrap(&key, &context).expect("random");
    criterion.bench_function("wrap", |bencher| bencher.iter(|| kms.wrap(black_box(&key), &context)));
    criterion.bench_function("unwrap", |bencher| bencher.iter(|| kms.unwrap(black_box(&wrapped), &context)));
    assert_eq!(kms.unwrap(&wrapped, &context), Ok(key));
}

criterion_group! {
    name = envelope;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = by_size, threshold, wrapping
}
criterion_main!(envelope);
