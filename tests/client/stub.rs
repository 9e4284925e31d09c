//! A key service whose every answer the test decides, on the clock of tokio.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use s3seal::DataKeyCache;
use s3seal::cache::UsageLimits;
use s3seal::client::{
    Builder, Clock, Decrypt, GenerateDataKey, GeneratedKey, KeyError, KeyRequest, KeyService, ServiceError,
};
use s3seal::envelope::{DataKey, EncryptionContext, KeyArn, WrappingKey};
use s3seal::request::Principal;
use s3seal::units::Span;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// What a call meets.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A key.
    Key,
    /// A refusal.
    Refused(ServiceError),
    /// None, ever.
    Hang,
    /// A bug in the service.
    Panic,
}

/// Wraps for real, after `delay`, as the script says; when that is at its end, with keys.
pub(crate) struct Stub {
    key: WrappingKey,
    pub(crate) delay: Duration,
    pub(crate) calls: AtomicU64,
    script: Mutex<VecDeque<Answer>>,
}

impl Stub {
    pub(crate) fn new(delay_ms: u64) -> Arc<Self> {
        let key = WrappingKey::generate().unwrap();
        let delay = Duration::from_millis(delay_ms);
        Arc::new(Self { key, delay, calls: AtomicU64::new(0), script: Mutex::default() })
    }

    /// The next answers.
    pub(crate) fn say(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().unwrap().extend(answers);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn answer(&self) -> Result<(), ServiceError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.script.lock().unwrap().pop_front().unwrap_or(Answer::Key);
        tokio::time::sleep(self.delay).await;
        match answer {
            Answer::Key => Ok(()),
            Answer::Refused(error) => Err(error),
            Answer::Hang => std::future::pending().await,
            Answer::Panic => panic!("a bug in the service"),
        }
    }
}

impl KeyService for Stub {
    async fn generate_data_key(&self, call: GenerateDataKey<'_>) -> Result<GeneratedKey, ServiceError> {
        self.answer().await?;
        let key = DataKey::generate().unwrap();
        let wrapped = self.key.wrap(&key, call.context).unwrap();
        Ok(GeneratedKey { key, wrapped })
    }

    async fn decrypt(&self, call: Decrypt<'_>) -> Result<DataKey, ServiceError> {
        self.answer().await?;
        let refused =
            |error: s3seal::envelope::UnwrapError| ServiceError::Invalid { message: error.to_string() };
        self.key.unwrap(call.wrapped, call.context).map_err(refused)
    }
}

pub(crate) fn throttled() -> Answer {
    Answer::Refused(ServiceError::Throttled { message: "slow down".into(), retry_after: None })
}

pub(crate) fn disabled() -> Answer {
    Answer::Refused(ServiceError::Disabled { message: "it is off".into() })
}

pub(crate) fn unavailable() -> Answer {
    Answer::Refused(ServiceError::Unavailable { message: "no route".into() })
}

pub(crate) fn arn() -> KeyArn {
    "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
}

/// A cache over `service` on the paused clock: keys of a minute, 1,000 uses.
pub(crate) fn builder(service: &Arc<impl KeyService>) -> Builder {
    let limits = UsageLimits { max_uses: 1_000_000, ..UsageLimits::of_age(Span::from_seconds(60)) };
    DataKeyCache::builder(Arc::clone(service)).limits(limits).clock(Clock::runtime()).stripes(2)
}

pub(crate) fn request(cache: &DataKeyCache) -> KeyRequest {
    request_of(cache, "one")
}

pub(crate) fn request_of(cache: &DataKeyCache, app: &str) -> KeyRequest {
    let context = EncryptionContext::new([("app", app)]).unwrap();
    cache.request(arn(), context, Principal::new("111122223333", "writer", ""))
}

/// Asks for a key that does not come, `late` seconds from now: with what that ended, and after how long.
pub(crate) fn refused_after(
    cache: &DataKeyCache,
    request: &KeyRequest,
    late: u64,
) -> JoinHandle<(KeyError, Duration)> {
    let (cache, request) = (cache.clone(), request.clone());
    tokio::spawn(async move {
        sleep(Duration::from_secs(late)).await;
        let asked = Instant::now();
        let result = cache.encrypt_key(&request, Some(1)).await;
        (result.unwrap_err(), asked.elapsed())
    })
}

/// Nothing waits and no flight is up.
pub(crate) fn assert_quiet(cache: &DataKeyCache) {
    let snapshot = cache.snapshot();
    assert_eq!((snapshot.waiting, snapshot.flights), (0, 0), "{snapshot:?}");
}
