//! `DataKeyCache`: data keys for any number of tasks, with as few KMS calls as the limits allow.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::builder::Builder;
use super::clock::Clock;
use super::crowd::Crowd;
use super::deadline::{Parking, Waiter};
use super::error::KeyError;
use super::request::{CachedKey, KeyRequest, Material};
use super::service::{AnyService, KeyService, ServiceError};
use super::snapshot::Snapshot;
use super::waiting::{Asked, Waiting};
use crate::cache::{
    self, Cache, ConfigError, Fingerprint, FlightId, Lookup, Partition, PrincipalScope, Requester, Shared,
};
use crate::envelope::{EncryptionContext, KeyArn, WrappedKey};
use crate::kms::{Attempts, Retry, RetryBudget, RetryPolicy};
use crate::request::Principal;
use crate::units::{Seed, Span, Stream};

/// Keys over age leave the memory at the latest so long after, also when nobody asks for them.
const SWEEP_EVERY_MAX: Span = Span::from_seconds(60);

/// Longer waits end here: far beyond any process, and within what every system's clock can add.
const WAIT_FAR: Span = Span::from_seconds(86_400 * 365);

/// A cache of data keys in front of a key management service. A clone is another handle on the same cache.
///
/// Asking for a key is one look-up while one is there that age, uses and bytes allow once more. Otherwise one task fetches,
/// whoever asks meanwhile joins it, and nobody waits past [`Builder::wait_max`]. Dropping a future that waits strands nobody,
/// since the fetch has a task of its own.
///
/// ```
/// # use s3seal::client::ModelService;
/// use s3seal::DataKeyCache;
/// use s3seal::cache::UsageLimits;
/// use s3seal::envelope::{EncryptionContext, Identity};
/// use s3seal::request::Principal;
/// use s3seal::units::Span;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kms_key = "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
/// # let service = ModelService::of_one_key(&kms_key)?;
/// // A key seals for five minutes at most, and 10,000 objects.
/// let limits = UsageLimits { max_uses: 10_000, ..UsageLimits::of_age(Span::from_seconds(300)) };
/// let cache = DataKeyCache::builder(service).limits(limits).build()?;
///
/// let context = EncryptionContext::new([("app", "invoices")])?;
/// let request = cache.request(kms_key, context, Principal::new("111122223333", "writer", ""));
/// for number in 0..1_000 {
///     let identity = Identity::text(&format!("invoice/{number}"));
///     let envelope = cache.seal_bytes(&request, &identity, b"12 EUR").await?;
///     assert_eq!(cache.open_bytes(&request, &identity, &envelope).await?, b"12 EUR");
/// }
/// assert_eq!(cache.snapshot().calls(), 2, "one GenerateDataKey, one Decrypt");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DataKeyCache(pub(super) Arc<Inner>);

/// The two caches in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Encrypt,
    Decrypt,
}

/// One of the two, and who waits for its flights.
pub(super) struct Half {
    pub(super) cache: Shared<Material>,
    pub(super) parking: Parking,
}

/// Apart from the count of its handles, which every clone and drop of one writes, while every hit reads what is here.
#[repr(align(64))]
pub(super) struct Inner {
    pub(super) service: Box<dyn AnyService>,
    pub(super) clock: Clock,
    pub(super) wait_max: Span,
    pub(super) call_max: Span,
    pub(super) policy: RetryPolicy,
    pub(super) backoff: Mutex<(RetryBudget, Stream)>,
    pub(super) tally: Tally,
    pub(super) crowd: Crowd,
    encrypt: Half,
    decrypt: Half,
    partition: Partition,
    scope: PrincipalScope,
    sweep_every: Span,
    sweeping: AtomicBool,
}

/// What the caches do not count.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) throttled: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) expired: AtomicU64,
}

impl Tally {
    pub(super) fn retries(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for DataKeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKeyCache").field("encrypt", &self.0.encrypt.cache).finish_non_exhaustive()
    }
}

impl DataKeyCache {
    /// The settings of a cache in front of `service`.
    pub fn builder(service: impl KeyService) -> Builder {
        Builder::new(service)
    }

    pub(super) fn of(builder: Builder) -> Result<Self, ConfigError> {
        let (encrypt, decrypt) = builder.rules()?;
        let wait_max = encrypt.config().wait_max;
        let ages = [encrypt.config().limits.max_age, decrypt.config().limits.max_age];
        let stripes = builder.stripes;
        let make = |rules, generations| Shared::new(rules, generations, stripes);
        let cache::Core { encrypt, decrypt } = cache::Core::new(encrypt, decrypt, make)?;
        let half = |cache| Half { cache, parking: Parking::default() };
        let partition =
            builder.partition.unwrap_or_else(|| Partition::new("default").expect("it has a name"));
        // Only spreads retries; keys come from the service.
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| ConfigError {
            field: "seed",
            value: error.to_string(),
            expected: "random bytes from the operating system",
        })?;
        let stream = Seed(u64::from_le_bytes(seed)).stream("client-backoff", 0);
        Ok(Self(Arc::new(Inner {
            service: builder.service,
            clock: builder.clock,
            wait_max,
            call_max: builder.call_max,
            policy: builder.retry,
            backoff: Mutex::new((RetryBudget::new(builder.retry), stream)),
            tally: Tally::default(),
            crowd: Crowd::new(builder.waiters_max),
            encrypt: half(encrypt),
            decrypt: half(decrypt),
            partition,
            scope: builder.scope,
            sweep_every: ages.into_iter().fold(SWEEP_EVERY_MAX, Span::min),
            sweeping: AtomicBool::new(false),
        })))
    }

    /// What keys are asked for with: the KMS key, the context that KMS binds, and who asks. Make one for each scope of reuse
    /// and keep it.
    pub fn request(&self, key: KeyArn, context: EncryptionContext, principal: Principal) -> KeyRequest {
        let requester = Requester::new(&self.0.partition, self.0.scope, &principal);
        KeyRequest::new(requester, key, context, principal)
    }

    /// A data key to seal one body of `bytes` plaintext bytes with; `None` for a length not known beforehand, which gets a
    /// key of its own.
    ///
    /// # Errors
    /// [`KeyError`].
    ///
    /// # Panics
    /// When a key must be fetched on a tokio runtime without timers.
    ///
    /// # Cost
    /// A hit reads the clock once, looks up once and allocates nothing.
    #[inline]
    pub async fn encrypt_key(&self, request: &KeyRequest, bytes: Option<u64>) -> Result<CachedKey, KeyError> {
        let now = self.0.clock.now();
        let lookup = self.0.encrypt.cache.try_use(request.fingerprint(), bytes, now);
        if let Lookup::Hit { key, refresh: None } = lookup {
            return Ok(CachedKey(key));
        }
        let asked = Asked { request, wrapped: None, fingerprint: request.fingerprint(), bytes, at: now };
        let mut waiting = Waiting::new(&self.0, asked);
        match waiting.heed(lookup)? {
            Some(key) => Ok(key),
            // Where it stands: moved, it would be in this future twice.
            None => Pin::new(&mut waiting).await,
        }
    }

    /// The data key in `wrapped`, which `encrypt_key` of the same KMS key and context gave.
    ///
    /// # Errors
    /// [`KeyError`].
    ///
    /// # Panics
    /// As [`Self::encrypt_key`].
    pub async fn decrypt_key(
        &self,
        request: &KeyRequest,
        wrapped: &WrappedKey,
    ) -> Result<CachedKey, KeyError> {
        let fingerprint = request.fingerprint_of(wrapped);
        let now = self.0.clock.now();
        // Opening wears no key out, so its bytes do not count.
        let bytes = Some(0);
        let lookup = self.0.decrypt.cache.try_use(&fingerprint, bytes, now);
        if let Lookup::Hit { key, refresh: None } = lookup {
            return Ok(CachedKey(key));
        }
        let asked = Asked { request, wrapped: Some(wrapped), fingerprint: &fingerprint, bytes, at: now };
        let mut waiting = Waiting::new(&self.0, asked);
        match waiting.heed(lookup)? {
            Some(key) => Ok(key),
            // Where it stands: moved, it would be in this future twice.
            None => Pin::new(&mut waiting).await,
        }
    }

    /// Drops every data key under `key`, and what is on its way: those who wait fetch anew, once.
    pub fn invalidate(&self, key: &KeyArn) {
        self.0.halves().invalidate(key, self.0.clock.now());
    }

    /// As [`Self::invalidate`], for all KMS keys.
    pub fn invalidate_all(&self) {
        self.0.halves().invalidate_all(self.0.clock.now());
    }

    /// As [`Self::invalidate`], and refuses every request under `key` until [`Self::enable`], also those who wait. When it
    /// returns, no key is handed out any more.
    pub fn disable(&self, key: &KeyArn) {
        self.0.halves().disable(key, self.0.clock.now());
    }

    /// Takes a [`Self::disable`] back. Data keys from before stay unusable.
    pub fn enable(&self, key: &KeyArn) {
        self.0.halves().enable(key);
    }

    /// What happened so far.
    pub fn snapshot(&self) -> Snapshot {
        let Inner { encrypt, decrypt, tally, crowd, .. } = &*self.0;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            encrypt: encrypt.cache.metrics(),
            decrypt: decrypt.cache.metrics(),
            encrypt_keys: encrypt.cache.len(),
            decrypt_keys: decrypt.cache.len(),
            waiting: crowd.waiting(),
            flights: encrypt.parking.flights() + decrypt.parking.flights(),
            throttled: count(&tally.throttled),
            timed_out: count(&tally.timed_out),
            retried: count(&tally.retried),
            expired: count(&tally.expired),
        }
    }
}

impl Half {
    /// Parks under `flight`; nothing when it has landed meanwhile.
    pub(super) fn join(
        &self,
        fingerprint: &Fingerprint,
        flight: FlightId,
        left: Span,
    ) -> Result<Option<Waiter>, KeyError> {
        let waiter = self.park(flight, left)?;
        if self.cache.is_flying(fingerprint, flight) {
            return Ok(Some(waiter));
        }
        self.parking.leave(&flight, waiter);
        Ok(None)
    }

    /// Parks under `flight` for at most `left`.
    pub(super) fn park(&self, flight: FlightId, left: Span) -> Result<Waiter, KeyError> {
        let runtime = Handle::try_current().map_err(|_| KeyError::NoRuntime)?;
        Ok(self.parking.park(flight, runtime.id(), Instant::now() + left.min(WAIT_FAR).into()))
    }
}

impl Inner {
    pub(super) fn side(&self, side: Side) -> &Half {
        match side {
            Side::Encrypt => &self.encrypt,
            Side::Decrypt => &self.decrypt,
        }
    }

    /// Both caches under their one set of generations; handles on the same caches.
    fn halves(&self) -> cache::Core<Shared<Material>> {
        cache::Core { encrypt: self.encrypt.cache.clone(), decrypt: self.decrypt.cache.clone() }
    }

    pub(super) fn retry(&self, attempts: &mut Attempts, error: &ServiceError) -> Retry {
        let (budget, stream) = &mut *self.backoff.lock();
        budget.failed(attempts, error.class(), error.retry_after(), stream)
    }

    pub(super) fn count(&self, error: &ServiceError) {
        let counter = match error {
            ServiceError::Throttled { .. } => &self.tally.throttled,
            ServiceError::TimeOut { .. } => &self.tally.timed_out,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Sees to it that keys leave the memory soon after their age: a task that lives as long as the cache or its
    /// runtime.
    pub(super) fn sweep_later(self: &Arc<Self>) {
        if self.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            self.sweeping.store(false, Ordering::Release);
            return;
        };
        let sweeper = Sweeper(Arc::downgrade(self));
        let every = self.sweep_every;
        runtime.spawn(async move {
            loop {
                sleep(every.into()).await;
                let Some(inner) = sweeper.0.upgrade() else { return };
                inner.halves().sweep(inner.clock.now());
            }
        });
    }
}

/// Says that nobody sweeps any more, however its task ends.
struct Sweeper(Weak<Inner>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.sweeping.store(false, Ordering::Release);
        }
    }
}
