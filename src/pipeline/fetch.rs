//! `Fetch`: one KMS call on behalf of a flight, with the KMS client's retries, until it lands.

use super::core::Core;
use super::step::{Call, FetchAction, FetchInput, Parking, Reply, Tally, Woken};
use crate::cache::{Cache, Failure, Landed, Ticket};
use crate::kms::{self, Attempts, KmsError, Retry};
use crate::request::{KmsAnswer, KmsCall};
use crate::units::Timestamp;

/// A fetch: it leads its flight, and no request does. So a request that is gone strands nobody, and first fetch, refresh
/// ahead and Bucket Key fetch are one thing.
///
/// The driver starts it with [`FetchInput::Go`] and keeps it until [`FetchAction::Wake`].
#[derive(Debug)]
pub struct Fetch {
    /// Taken when it lands.
    ticket: Option<Ticket>,
    call: Call,
    host: u32,
    parking: Parking,
    attempts: Attempts,
    tally: Tally,
    sent: Timestamp,
}

impl Fetch {
    pub(super) fn new(ticket: Ticket, call: Call, host: u32, parking: Parking) -> Self {
        Self {
            ticket: Some(ticket),
            call,
            host,
            parking,
            attempts: Attempts::default(),
            tally: Tally::default(),
            sent: Timestamp::ZERO,
        }
    }

    /// The flight that it leads.
    pub fn parking(&self) -> Parking {
        self.parking
    }

    /// The KMS call that it makes.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The machine whose KMS client makes the call.
    pub fn host(&self) -> u32 {
        self.host
    }

    /// Takes one input; what should happen next goes to `out`.
    ///
    /// # Panics
    /// After it has landed.
    pub fn step<C: Cache>(
        &mut self,
        core: &mut Core<C>,
        input: FetchInput<C::Material>,
        now: Timestamp,
        out: &mut Vec<FetchAction<C::Key>>,
    ) {
        match input {
            FetchInput::Go => {
                let (cache, ticket) = self.flight(core);
                cache.send(ticket, now);
                self.sent = now;
                self.tally.retries += u32::from(self.tally.calls > 0);
                self.tally.calls += 1;
                out.push(FetchAction::Call(self.call));
            }
            FetchInput::Reply(Reply { result, billed }) => {
                out.push(FetchAction::Called(self.row(result.as_ref().err().copied(), billed, now)));
                match result {
                    Ok(material) => {
                        core.clients[self.host as usize].kms.succeeded(&self.attempts);
                        self.land(core, Ok(material), now, out);
                    }
                    Err(failure) => self.refused(core, failure, now, out),
                }
            }
        }
    }

    fn refused<C: Cache>(
        &mut self,
        core: &mut Core<C>,
        failure: Failure,
        now: Timestamp,
        out: &mut Vec<FetchAction<C::Key>>,
    ) {
        self.tally.throttles += u32::from(matches!(failure, Failure::Throttled { .. }));
        if !core.settings.retry_at_s3 {
            let Core { clients, stream, .. } = core;
            let budget = &mut clients[self.host as usize].kms;
            if let Retry::After(wait) = budget.failed(&mut self.attempts, class(failure), None, stream) {
                out.push(FetchAction::WaitUntil(now + wait));
                return;
            }
        }
        self.land(core, Err(failure), now, out);
    }

    fn land<C: Cache>(
        &mut self,
        core: &mut Core<C>,
        result: Result<C::Material, Failure>,
        now: Timestamp,
        out: &mut Vec<FetchAction<C::Key>>,
    ) {
        let ticket = self.ticket.take().expect("a fetch lands once");
        let cache = &mut core.caches[self.parking.cache as usize];
        let cache = if self.parking.decrypt { &mut cache.decrypt } else { &mut cache.encrypt };
        let woken = match cache.land(ticket, result, now) {
            Landed::Kept | Landed::Dropped => Woken::Resume,
            Landed::Own(key) => Woken::Own(key),
            Landed::Failed(failure) => Woken::Failed(failure),
        };
        out.push(FetchAction::Wake(self.parking, woken, self.tally));
    }

    fn flight<'a, C: Cache>(&'a mut self, core: &'a mut Core<C>) -> (&'a mut C, &'a mut Ticket) {
        let cache = &mut core.caches[self.parking.cache as usize];
        let cache = if self.parking.decrypt { &mut cache.decrypt } else { &mut cache.encrypt };
        (cache, self.ticket.as_mut().expect("a fetch that has landed makes no call"))
    }

    fn row(&self, failure: Option<Failure>, billed: bool, now: Timestamp) -> KmsCall {
        let answer = match failure {
            None => KmsAnswer::Granted,
            Some(Failure::Throttled { .. }) => KmsAnswer::Throttled,
            Some(failure) if failure.is_definitive() => KmsAnswer::Refused,
            Some(_) => KmsAnswer::Failed,
        };
        KmsCall {
            name: self.call.need.call_name(),
            cause: self.call.cause,
            due: self.call.due,
            sent: self.sent,
            replied: now,
            answer,
            billed,
            bucket: self.call.bucket,
            principal: self.call.principal,
            kms_key: self.call.kms_key,
        }
    }
}

/// How a retry policy classes a failure.
pub(super) fn class(failure: Failure) -> kms::Failure {
    match failure {
        Failure::Throttled { .. } => kms::Failure::Throttling,
        Failure::Transient => kms::Failure::Transient,
        Failure::Denied | Failure::Disabled | Failure::Invalid | Failure::NotFound => kms::Failure::Permanent,
    }
}

/// What an error of KMS means for a fetch.
pub fn failure_of(error: &KmsError) -> Failure {
    match error {
        KmsError::AccessDenied { .. } => Failure::Denied,
        KmsError::Disabled { .. } | KmsError::InvalidState { .. } => Failure::Disabled,
        KmsError::NotFound { .. } | KmsError::InvalidArn { .. } | KmsError::InvalidKeyId { .. } => {
            Failure::NotFound
        }
        KmsError::InvalidCiphertext | KmsError::IncorrectKey => Failure::Invalid,
        // What is left is an outage or a call that our own drivers do not make.
        _ => Failure::Transient,
    }
}
