//! Waiting for a flight until a deadline on tokio: a future per request, and one timer for all who wait on the same runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::{self, Handle};
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::KeyError;
use super::fetch::Woken;
use super::parking::{self, Crew, Heard};
use crate::cache::FlightId;

/// The flights that requests of one cache wait for.
pub(super) type Parking = parking::Parking<FlightId, runtime::Id, Instant, Woken>;

/// A request's place at a flight.
pub(super) type Waiter = parking::Waiter<Instant, Woken>;

/// What the landing said; nothing when the deadline came first.
#[derive(Debug)]
pub(super) struct Wait(pub(super) Waiter);

impl Future for Wait {
    type Output = Result<Option<Woken>, KeyError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.hear(context.waker()) {
            Heard::Landed(woken) => Poll::Ready(Ok(Some(woken))),
            Heard::Expired => Poll::Ready(Ok(None)),
            Heard::Nothing => Poll::Pending,
            Heard::Untimed => {
                let timer = Keeper(Some(Arc::clone(self.0.crew())));
                // A runtime that has ended drops every timer it is given, upon which the crew is woken to start another.
                if self.0.deadline() <= Instant::now() {
                    return Poll::Ready(Ok(None));
                }
                let Ok(runtime) = Handle::try_current() else { return Poll::Ready(Err(KeyError::NoRuntime)) };
                // Made here, so that a runtime without timers panics in its caller.
                let sleep = Box::pin(sleep_until(self.0.deadline()));
                runtime.spawn(Timer { keeper: timer, sleep });
                Poll::Pending
            }
        }
    }
}

/// Ends the waits of one crew at their deadlines: a task that lives until the flight lands or nobody waits.
#[derive(Debug)]
struct Timer {
    keeper: Keeper,
    sleep: Pin<Box<Sleep>>,
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { keeper, sleep } = self.get_mut();
        loop {
            let next = keeper.0.as_ref().and_then(|crew| crew.tick(Instant::now(), context.waker()));
            let Some(next) = next else {
                // The crew knows: the next who comes may have started another.
                keeper.0 = None;
                return Poll::Ready(());
            };
            if sleep.is_elapsed() || sleep.deadline() != next {
                sleep.as_mut().reset(next);
            }
            std::task::ready!(sleep.as_mut().poll(context));
        }
    }
}

/// The crew that counts on a timer, and is told when there is none any more.
#[derive(Debug)]
struct Keeper(Option<Arc<Crew<Instant, Woken>>>);

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(crew) = &self.0 {
            crew.timer_lost();
        }
    }
}
