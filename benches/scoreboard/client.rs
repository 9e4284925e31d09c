//! The async data-key cache: a hit beside a bare `moka` future get, waking 10,000 waiters, a sealed store beside its two halves.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use s3seal::DataKeyCache;
use s3seal::cache::{Refresh, UsageLimits};
use s3seal::client::{
    Decrypt, GenerateDataKey, GeneratedKey, KeyRequest, KeyService, SealedStore, ServiceError,
};
use s3seal::envelope::{
    DataKey, EncryptionContext, Identity, KeyArn, Keys, Options, Slot, WrappedKey, WrappingKey, open, seal,
};
use s3seal::request::Principal;
use s3seal::units::Span;
use tokio::runtime;
use tokio::sync::watch;

use crate::board::{Board, Contender, Goal};
use crate::cache::{Key, ORDER, PeerKey, Uniform, order};

const KEYS: usize = 1_000;

/// Wraps in memory, after `delay`, and notes when it was done.
struct Service {
    key: WrappingKey,
    delay: Duration,
    done: Mutex<Option<Instant>>,
}

impl Service {
    fn new(delay: Duration) -> Arc<Self> {
        Arc::new(Self { key: WrappingKey::generate().unwrap(), delay, done: Mutex::new(None) })
    }
}

impl KeyService for Service {
    async fn generate_data_key(&self, call: GenerateDataKey<'_>) -> Result<GeneratedKey, ServiceError> {
        tokio::time::sleep(self.delay).await;
        let key = DataKey::generate().unwrap();
        let wrapped = self.key.wrap(&key, call.context).unwrap();
        *self.done.lock().unwrap() = Some(Instant::now());
        Ok(GeneratedKey { key, wrapped })
    }

    async fn decrypt(&self, call: Decrypt<'_>) -> Result<DataKey, ServiceError> {
        Ok(self.key.unwrap(call.wrapped, call.context).unwrap())
    }
}

fn arn() -> KeyArn {
    "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
}

fn principal() -> Principal {
    Principal::new("111122223333", "r", "")
}

fn context(number: usize) -> EncryptionContext {
    EncryptionContext::of_bucket(&format!("b{number}")).unwrap()
}

/// All checks on, as for the cache's own claims.
fn cache(service: Arc<Service>) -> DataKeyCache {
    let limits = UsageLimits { max_uses: 1 << 32, ..UsageLimits::of_age(Span::from_seconds(3_600)) };
    let refresh = Refresh { after: Span::from_seconds(2_700), jitter: Span::from_seconds(600) };
    DataKeyCache::builder(service).limits(limits).refresh(refresh).capacity(KEYS).build().unwrap()
}

/// A runtime without threads of its own.
fn here() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

pub(crate) fn run(board: &mut Board) {
    hits(board);
    if ["client_wake_10k", "client_wake_10k_p99"].iter().any(|name| board.wants(name)) {
        wake(board);
    }
    if board.wants("sealed_store_put_get_1MiB") {
        store(board);
    }
}

/// A hit as an application has it: the clock read, the look-up, a byte of the key looked at.
fn hits(board: &mut Board) {
    let names = ["client_hit_async", "client_hit_async_unprepared", "client_hit_async_open"];
    if !names.iter().any(|name| board.wants(name)) {
        return;
    }
    let (runtime, order) = (here(), order(KEYS));
    let cache = cache(Service::new(Duration::ZERO));
    let requests: Vec<KeyRequest> =
        (0..KEYS).map(|number| cache.request(arn(), context(number), principal())).collect();
    let moka = moka::future::Cache::builder().max_capacity(KEYS as u64).build_with_hasher(Uniform::default());
    let peer_keys: Vec<PeerKey> =
        requests.iter().map(|request| PeerKey(request.fingerprint().bytes())).collect();
    runtime.block_on(async {
        for (request, key) in requests.iter().zip(&peer_keys) {
            cache.encrypt_key(request, Some(1)).await.unwrap();
            moka.insert(*key, Arc::<Key>::new(key.0)).await;
        }
        moka.run_pending_tasks().await;
    });
    let mut at = 0;
    let mut ours = |n| {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..n {
                at = (at + 1) & (ORDER - 1);
                let key = cache.encrypt_key(&requests[order[at] as usize], Some(1_024)).await.unwrap();
                black_box(key.wrapped().as_bytes()[0]);
            }
            start.elapsed()
        })
    };
    let mut at = 0;
    let mut peer = |n| {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..n {
                at = (at + 1) & (ORDER - 1);
                black_box(moka.get(&peer_keys[order[at] as usize]).await.expect("filled")[0]);
            }
            start.elapsed()
        })
    };
    board.cost(names[0], Goal::AtMost(1.5), "moka::future get", &mut ours, &mut peer);
    let contexts: Vec<EncryptionContext> = (0..KEYS).map(context).collect();
    let (arn, principal) = (arn(), principal());
    let mut at = 0;
    let mut unprepared = |n| {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..n {
                at = (at + 1) & (ORDER - 1);
                let context = contexts[order[at] as usize].clone();
                let request = cache.request(arn.clone(), context, principal.clone());
                let key = cache.encrypt_key(&request, Some(1_024)).await.unwrap();
                black_box(key.wrapped().as_bytes()[0]);
            }
            start.elapsed()
        })
    };
    board.cost(names[1], Goal::Shown, "moka::future get", &mut unprepared, &mut peer);
    assert_eq!(cache.snapshot().calls(), KEYS as u64, "every look-up was a hit");
    opening_hits(board, names[2], &runtime, (&cache, &requests), &order, &mut peer);
}

/// The same on the side that opens, where the fingerprint is that of the wrapped key at hand and part of every call.
fn opening_hits(
    board: &mut Board,
    name: &str,
    runtime: &runtime::Runtime,
    (cache, requests): (&DataKeyCache, &[KeyRequest]),
    order: &[u32],
    peer: Contender<'_>,
) {
    let wrapped: Vec<WrappedKey> = runtime.block_on(async {
        let mut wrapped = Vec::new();
        for request in requests {
            let key = cache.encrypt_key(request, Some(1)).await.unwrap();
            cache.decrypt_key(request, key.wrapped()).await.unwrap();
            wrapped.push(key.wrapped().clone());
        }
        wrapped
    });
    let calls = cache.snapshot().calls();
    let mut at = 0;
    let mut ours = |n| {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..n {
                at = (at + 1) & (ORDER - 1);
                let number = order[at] as usize;
                let key = cache.decrypt_key(&requests[number], &wrapped[number]).await.unwrap();
                black_box(key.wrapped().as_bytes()[0]);
            }
            start.elapsed()
        })
    };
    board.cost(name, Goal::Shown, "moka::future get", &mut ours, peer);
    assert_eq!(cache.snapshot().calls(), calls, "every look-up was a hit");
}

/// 10,000 tasks on one cold key, beside as many that wait for a bare signal of tokio's under a deadline each: how long after the
/// fetch's return 99 of 100 are awake.
fn wake(board: &mut Board) {
    let (tasks, rounds) = if board.is_test() { (100, 1) } else { (10_000, 15) };
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let ours = || {
        let service = Service::new(FETCH);
        let cache = cache(Arc::clone(&service));
        let request = cache.request(arn(), context(0), principal());
        let woken = crowd(&runtime, tasks, || {
            let (cache, request) = (cache.clone(), request.clone());
            async move {
                let key = cache.encrypt_key(&request, Some(1)).await.unwrap();
                black_box(key.wrapped().as_bytes()[0]);
            }
        });
        assert_eq!(cache.snapshot().calls(), 1);
        let done = service.done.lock().unwrap().expect("it was called");
        woken.saturating_duration_since(done).as_secs_f64() * 1e3
    };
    let peer = || {
        let (sender, signal) = watch::channel(false);
        let fetch = runtime.spawn(async move {
            tokio::time::sleep(FETCH).await;
            let done = Instant::now();
            sender.send(true).unwrap();
            done
        });
        let woken = crowd(&runtime, tasks, || {
            let mut signal = signal.clone();
            async move {
                let heard =
                    tokio::time::timeout(Duration::from_secs(10), signal.wait_for(|landed| *landed)).await;
                black_box(*heard.unwrap().unwrap());
            }
        });
        let done = runtime.block_on(fetch).unwrap();
        woken.saturating_duration_since(done).as_secs_f64() * 1e3
    };
    let (mut p99s, mut peers): (Vec<f64>, Vec<f64>) = (0..rounds).map(|_| (ours(), peer())).unzip();
    let (p99, bare) = (crate::board::median(&mut p99s), crate::board::median(&mut peers));
    let name = "bare watch with a deadline each";
    let bare_ns = Some(bare * 1e6);
    board.line("client_wake_10k", p99 / bare, "× the peer's time", Goal::AtMost(1.5), name, bare_ns);
    board.line("client_wake_10k_p99", p99, "ms", Goal::Shown, name, bare_ns);
}

/// How long the fetch takes that all wait for: all have come by then.
const FETCH: Duration = Duration::from_millis(100);

/// When nobody waits any more, nearly always.
const OVER: Duration = Duration::from_millis(200);

/// Runs `tasks` of what `ask` makes; the instant by which 99 of 100 had ended. Each says when through its handle, which is looked
/// at when all is over: a thread that waited for it would be woken 10,000 times, and a counter that all share costs them more
/// than their waking.
fn crowd<F: Future<Output = ()> + Send + 'static>(
    runtime: &runtime::Runtime,
    tasks: usize,
    ask: impl Fn() -> F,
) -> Instant {
    let waiting: Vec<_> = (0..tasks)
        .map(|_| {
            let work = ask();
            runtime.spawn(async move {
                work.await;
                Instant::now()
            })
        })
        .collect();
    runtime.block_on(async {
        tokio::time::sleep(FETCH + OVER).await;
        let mut woken = Vec::with_capacity(tasks);
        for task in waiting {
            woken.push(task.await.unwrap());
        }
        woken.sort_unstable();
        woken[tasks * 99 / 100]
    })
}

/// A put and a get of 1 MiB through a sealed store, beside sealing, opening, and the same put and get of the store alone.
fn store(board: &mut Board) {
    let runtime = here();
    let cache = cache(Service::new(Duration::ZERO));
    let request = cache.request(arn(), context(0), principal());
    let (inner, bare) = (Arc::new(InMemory::new()), InMemory::new());
    let sealed = SealedStore::new(inner as Arc<dyn ObjectStore>, "bucket", cache, request);
    let (path, body) = (Path::from("object"), Bytes::from(vec![7; 1 << 20]));
    let mut ours = |n| {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..n {
                sealed.put(&path, body.clone().into()).await.unwrap();
                let got = sealed.get(&path).await.unwrap().bytes().await.unwrap();
                assert_eq!(got.len(), body.len());
            }
            start.elapsed()
        })
    };
    let (key, wrapping) = (DataKey::generate().unwrap(), WrappingKey::generate().unwrap());
    let (identity, context) = (Identity::object("bucket", "object"), context(0));
    let wrapped = wrapping.wrap(&key, &context).unwrap();
    let slot = Slot::SseKms { key: arn(), wrapped, context };
    let mut peer = |n| {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..n {
                let envelope = seal(Keys::One(&key), &slot, &identity, &body, Options::default()).unwrap();
                let plaintext = open(Keys::One(&key), &identity, &envelope).unwrap();
                bare.put(&path, envelope.into()).await.unwrap();
                let got = bare.get(&path).await.unwrap().bytes().await.unwrap();
                assert!(got.len() > plaintext.len());
            }
            start.elapsed()
        })
    };
    let name = "sealed_store_put_get_1MiB";
    board.speed(name, Goal::AtLeast(0.8), "envelope alone + store alone", &mut ours, &mut peer);
}
