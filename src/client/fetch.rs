//! `Fetch`: one flight's KMS call with its retries, in a task of its own, until it lands.

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use super::data_key_cache::{Inner, Side};
use super::error::KeyError;
use super::parking::Landing;
use super::request::{CachedKey, KeyRequest, Material};
use super::service::{Decrypt, GenerateDataKey, GeneratedKey, ServiceError};
use crate::cache::{self, Landed, Ticket};
use crate::envelope::WrappedKey;
use crate::kms::{Attempts, Failure, Retry};
use crate::units::{Span, Timestamp};

/// So many are woken at a time: a quarter of what a worker's own queue holds.
const HANDFUL: usize = 64;

/// When whoever is left is woken at once: on an idle runtime 10,000 are through by then.
const TURNS_MAX: Duration = Duration::from_millis(10);

/// What to ask the service for.
#[derive(Clone, Debug)]
pub(super) enum Need {
    /// A key that seals.
    Generate,
    /// The key in a blob.
    Open(WrappedKey),
}

/// What a landing means for those who waited.
#[derive(Clone, Debug)]
pub(super) enum Woken {
    /// Ask again.
    Resume,
    /// The key is the one waiter's own.
    Own(CachedKey),
    /// Fail with this.
    Failed(cache::Failure, Option<Arc<ServiceError>>),
}

/// Leads a flight. However its task ends, it lands: dropped at any point, by a panic of the service or the end of its
/// runtime, it lands as abandoned.
pub(super) struct Fetch {
    inner: Arc<Inner>,
    request: KeyRequest,
    need: Need,
    deadline: Timestamp,
    ticket: Option<Ticket>,
}

impl Fetch {
    pub(super) fn new(inner: &Arc<Inner>, request: &KeyRequest, need: Need, ticket: Ticket) -> Self {
        let deadline = inner.clock.now() + inner.wait_max;
        Self { inner: Arc::clone(inner), request: request.clone(), need, deadline, ticket: Some(ticket) }
    }

    /// Runs on the caller's runtime.
    ///
    /// # Errors
    /// [`KeyError::NoRuntime`]; it has then landed.
    pub(super) fn start(self) -> Result<(), KeyError> {
        let runtime = Handle::try_current().map_err(|_| KeyError::NoRuntime)?;
        let name = match self.need {
            Need::Generate => "GenerateDataKey",
            Need::Open(_) => "Decrypt",
        };
        let refresh = self.ticket.as_ref().is_some_and(Ticket::is_refresh);
        let span = tracing::debug_span!("kms", operation = name, key = %self.request.key(), refresh);
        runtime.spawn(self.run().instrument(span));
        Ok(())
    }

    async fn run(mut self) {
        let mut attempts = Attempts::default();
        let result = loop {
            let now = self.inner.clock.now();
            let left = self.deadline.since(now).min(self.inner.call_max);
            if left == Span::ZERO {
                break Err((ServiceError::TimeOut { after: self.inner.wait_max }, now));
            }
            let side = self.inner.side(self.side());
            side.cache.send(self.ticket.as_mut().expect("a fetch lands once"), now);
            let answer = timeout(left.into(), self.call()).await;
            let error = match answer.unwrap_or(Err(ServiceError::TimeOut { after: left })) {
                Ok(material) => {
                    self.inner.backoff.lock().0.succeeded(&attempts);
                    break Ok(material);
                }
                Err(error) => error,
            };
            self.inner.count(&error);
            let now = self.inner.clock.now();
            match self.inner.retry(&mut attempts, &error) {
                Retry::After(wait) if now + wait < self.deadline => {
                    tracing::debug!(%error, ?wait, "KMS call failed, tried again");
                    self.inner.tally.retries();
                    sleep(wait.into()).await;
                }
                _ => {
                    tracing::warn!(%error, retries = attempts.retries(), "KMS call failed");
                    let pace = error
                        .retry_after()
                        .unwrap_or(self.inner.policy.wait_max(attempts.retries(), Failure::Throttling));
                    break Err((error, now + pace));
                }
            }
        };
        if let Some(landing) = self.land(result) {
            wake(landing).await;
        }
    }

    async fn call(&self) -> Result<Material, ServiceError> {
        let (service, request) = (&self.inner.service, &self.request);
        let (key, context, principal) = (request.key(), request.context(), request.principal());
        match &self.need {
            Need::Generate => {
                let call = GenerateDataKey { key, context, principal };
                let GeneratedKey { key, wrapped } = service.generate(call).await?;
                Ok(Material { key, wrapped })
            }
            Need::Open(wrapped) => {
                let key = service.open(Decrypt { key, wrapped, context, principal }).await?;
                Ok(Material { key, wrapped: wrapped.clone() })
            }
        }
    }

    fn side(&self) -> Side {
        match self.need {
            Need::Generate => Side::Encrypt,
            Need::Open(_) => Side::Decrypt,
        }
    }

    /// Lands, once. Whoever waited is woken by what it gives.
    fn land(&mut self, result: Result<Material, (ServiceError, Timestamp)>) -> Option<Landing<Instant>> {
        let ticket = self.ticket.take()?;
        let (flight, now) = (ticket.flight(), self.inner.clock.now());
        let (result, source) = match result {
            Ok(material) => (Ok(material), None),
            Err((error, earliest)) => (Err(error.failure(earliest)), Some(Arc::new(error))),
        };
        let side = self.inner.side(self.side());
        let woken = match side.cache.land(ticket, result, now) {
            Landed::Kept => {
                Inner::sweep_later(&self.inner);
                Woken::Resume
            }
            Landed::Dropped => Woken::Resume,
            Landed::Own(key) => Woken::Own(CachedKey(key)),
            Landed::Failed(failure) => Woken::Failed(failure, source),
        };
        Some(side.parking.land(&flight, &woken))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        drop(self.land(Err((ServiceError::Abandoned, Timestamp::ZERO))));
    }
}

/// Wakes all, a handful at a time, and lets each handful run before the next: on the processor that has just touched their tasks,
/// from its own queue, instead of through the queue that all workers share. A second task does the same from the other end of the
/// runtime: a worker that finds one woken task at a time falls asleep after each. Thousands are awake sooner so.
///
/// On a runtime that has much else to do a turn may come late, so the turns have an end.
async fn wake(mut landing: Landing<Instant>) {
    let first = landing.next(HANDFUL);
    if first.len() < HANDFUL {
        return first.into_iter().for_each(Waker::wake);
    }
    let (landing, until) = (Arc::new(Mutex::new(landing)), Instant::now() + TURNS_MAX);
    tokio::spawn(turns(Arc::clone(&landing), until));
    first.into_iter().for_each(Waker::wake);
    turns(landing, until).await;
}

/// Wakes a handful each time that it is its turn, until nobody is left or it is late.
async fn turns(landing: Arc<Mutex<Landing<Instant>>>, until: Instant) {
    loop {
        let handful = landing.lock().next(HANDFUL);
        let is_last = handful.len() < HANDFUL;
        handful.into_iter().for_each(Waker::wake);
        if is_last || Instant::now() >= until {
            return;
        }
        turn().await;
    }
}

/// Lets the tasks run that are ready now. Unlike `yield_now`, which waits until the worker has nothing else to do and has looked
/// after timers and sockets, it only goes to the end of the queue.
async fn turn() {
    let mut is_over = false;
    poll_fn(|context| {
        if mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
