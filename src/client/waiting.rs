//! A request that no key at hand answers, until there is one: parked under a flight, or held back while KMS throttles.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::time::{Sleep, sleep};

use super::crowd::Place;
use super::data_key_cache::{Half, Inner, Side};
use super::deadline::Wait;
use super::error::KeyError;
use super::fetch::{Fetch, Need, Woken};
use super::request::{CachedKey, KeyRequest, Material};
use crate::cache::{self, Fingerprint, Lent, Lookup, Ticket};
use crate::envelope::WrappedKey;
use crate::units::{Span, Timestamp};

/// What a request asks for.
pub(super) struct Asked<'a> {
    pub(super) request: &'a KeyRequest,
    /// What to open; nothing when a key that seals is asked for.
    pub(super) wrapped: Option<&'a WrappedKey>,
    pub(super) fingerprint: &'a Fingerprint,
    pub(super) bytes: Option<u64>,
    pub(super) at: Timestamp,
}

/// A request that waits.
///
/// Written out, since what the compiler makes of an `async fn` of the same steps is so large that it wants a box: when thousands
/// are woken at once, bringing their memory back to the processor is most of the work.
pub(super) struct Waiting<'a> {
    inner: &'a Arc<Inner>,
    asked: Asked<'a>,
    /// One for the whole wait, however many flights it takes.
    place: Option<Place<'a>>,
    until: Until,
}

/// What a request waits for.
enum Until {
    /// Nothing: it asks the cache.
    Now,
    /// A flight lands.
    Landed(Wait),
    /// KMS may be called again.
    Paced(Pin<Box<Sleep>>),
}

impl<'a> Waiting<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, asked: Asked<'a>) -> Self {
        Self { inner, asked, place: None, until: Until::Now }
    }

    fn half(&self) -> &'a Half {
        self.inner.side(if self.asked.wrapped.is_none() { Side::Encrypt } else { Side::Decrypt })
    }

    fn deadline(&self) -> Timestamp {
        self.asked.at + self.inner.wait_max
    }

    fn left(&self) -> Span {
        self.deadline().since(self.inner.clock.now())
    }

    fn start(&self, ticket: Ticket) -> Result<(), KeyError> {
        let need = self.asked.wrapped.map_or(Need::Generate, |wrapped| Need::Open(wrapped.clone()));
        Fetch::new(self.inner, self.asked.request, need, ticket).start()
    }

    fn enter(&mut self) -> Result<(), KeyError> {
        if self.place.is_none() {
            let crowd = &self.inner.crowd;
            self.place = Some(crowd.enter().ok_or(KeyError::TooManyWaiters { limit: crowd.limit })?);
        }
        Ok(())
    }

    /// The key in what the cache said, or nothing yet: then it knows what to wait for.
    #[cold]
    pub(super) fn heed(&mut self, lookup: Lookup<Lent<Material>>) -> Result<Option<CachedKey>, KeyError> {
        self.until = match lookup {
            Lookup::Hit { key, refresh } => {
                if let Some(ticket) = refresh {
                    // Without a runtime the refresh is given up; the key at hand is good.
                    drop(self.start(ticket));
                }
                return Ok(Some(CachedKey(key)));
            }
            Lookup::Lead { ticket, .. } => {
                let waiter = self.half().park(ticket.flight(), self.left());
                self.start(ticket)?;
                Until::Landed(Wait(waiter?))
            }
            Lookup::Join { flight, .. } => {
                match self.half().join(self.asked.fingerprint, flight, self.left())? {
                    Some(waiter) => Until::Landed(Wait(waiter)),
                    None => Until::Now,
                }
            }
            Lookup::Refused(failure) => return Err(self.refused(failure, None)),
            Lookup::Pace { until } => {
                let wait = until.since(self.inner.clock.now());
                if until >= self.deadline() {
                    return Err(KeyError::Paced { key: self.asked.request.key().clone(), wait });
                }
                Until::Paced(Box::pin(sleep(wait.into())))
            }
        };
        if !matches!(self.until, Until::Now) {
            self.enter()?;
        }
        Ok(None)
    }

    fn refused(&self, failure: cache::Failure, source: Option<Arc<super::ServiceError>>) -> KeyError {
        KeyError::Refused { key: self.asked.request.key().clone(), failure, source }
    }

    fn expired(&self) -> KeyError {
        self.inner.tally.expired.fetch_add(1, Ordering::Relaxed);
        let waited = self.inner.clock.now().since(self.asked.at);
        KeyError::DeadlineExceeded { key: self.asked.request.key().clone(), waited }
    }
}

impl Future for Waiting<'_> {
    type Output = Result<CachedKey, KeyError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.until {
                Until::Now => {}
                Until::Paced(sleep) => ready!(sleep.as_mut().poll(context)),
                Until::Landed(wait) => match ready!(Pin::new(wait).poll(context))? {
                    Some(Woken::Resume) => {}
                    Some(Woken::Own(key)) => return Poll::Ready(Ok(key)),
                    Some(Woken::Failed(failure, source)) => {
                        return Poll::Ready(Err(self.refused(failure, source)));
                    }
                    None => return Poll::Ready(Err(self.expired())),
                },
            }
            // The place at the old flight is given back before there may be a new one.
            self.until = Until::Now;
            let Asked { fingerprint, bytes, .. } = self.asked;
            let lookup = self.half().cache.resume(fingerprint, bytes, self.inner.clock.now());
            if let Some(answer) = self.heed(lookup).transpose() {
                return Poll::Ready(answer);
            }
        }
    }
}
