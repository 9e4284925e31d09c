//! `Request`: from the due time to the row of its report, by way of the cache, KMS, the body and S3.

use super::core::{Ask, Core, Settings};
use super::directory::Name;
use super::fetch::{Fetch, class};
use super::job::Job;
use super::need::{Need, continues, is_cached, is_service_side, needs, phases, reads, spend};
use super::step::{Action, Call, Input, KeyHandle, Keyed, Parking, Phase, Standing, Tally, Woken};
use crate::cache::{Cache, Failure, Lookup, Ticket};
use crate::kms::{self, Attempts, Retry};
use crate::request::{Ending, KeySource, Operation, Outcome, SseMode};
use crate::units::{Span, Timestamp};

/// One request. `Key` is what the cache hands out.
///
/// It asks for its keys as soon as an attempt begins; once it has them, an attempt touches nothing that requests share
/// ([`Request::is_settled`]). An S3 client that tries again begins at the first need of the (sub-)request, sends the body
/// again and pays S3's time again; a KMS client's retries happen inside the fetch.
///
/// For the retry budget a request has succeeded when it has its keys: what follows is not refused for load.
#[derive(Debug)]
pub struct Request<Key> {
    job: Job,
    state: State,
    /// The (sub-)request under way: of a multipart upload first its creation, then each part, then its end.
    operation: Operation,
    parts_left: u32,
    /// Needs met, then phases done, in this attempt.
    met: u8,
    done: u8,
    open: Option<Key>,
    seal: Option<Key>,
    standing: Option<KeyHandle>,
    /// Of a multipart upload.
    upload: Option<Key>,
    attempts: Attempts,
    /// Who made the latest of them.
    retrier: Retrier,
    /// When it began to wait.
    since: Timestamp,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not begun.
    Due,
    /// Parked under a flight that it leads, or joined.
    Parked {
        leads: bool,
    },
    /// Backing off.
    Waiting,
    /// A phase is being done.
    Busy,
    /// S3 takes its time to refuse.
    Refused(Refusal),
    Over,
}

/// Who tries again after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retrier {
    Nobody,
    S3,
    Kms,
}

/// Why an attempt failed, and who may make another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    class: kms::Failure,
    ending: Ending,
    retrier: Retrier,
    /// No attempt before this.
    not_before: Timestamp,
    /// Whether S3 has its say, after S3's time.
    served: bool,
    /// Whether S3 then answers with 4xx: what the client asked for cannot be, and is billed. Otherwise with 503 or 500.
    is_clients: bool,
}

impl Refusal {
    /// A data key that could not be had, for whatever fetch was made.
    fn of(failure: Failure, settings: &Settings) -> Self {
        let ending = match failure {
            Failure::Denied => Ending::Denied,
            Failure::Disabled | Failure::NotFound => Ending::KeyUnavailable,
            Failure::Invalid | Failure::Transient => Ending::Failed,
            Failure::Throttled { .. } => Ending::Throttled,
        };
        let retrier = if settings.retry_at_s3 { Retrier::S3 } else { Retrier::Nobody };
        let served = is_service_side(settings.mode);
        let is_clients =
            matches!(failure, Failure::Denied | Failure::Disabled | Failure::NotFound | Failure::Invalid);
        Self { class: class(failure), ending, retrier, not_before: Timestamp::ZERO, served, is_clients }
    }
}

impl<Key: Clone + Keyed> Request<Key> {
    /// A request that has not begun.
    pub fn new(job: Job) -> Self {
        Self {
            job,
            state: State::Due,
            operation: job.operation,
            parts_left: job.parts.0,
            met: 0,
            done: 0,
            open: None,
            seal: None,
            standing: None,
            upload: None,
            attempts: Attempts::default(),
            retrier: Retrier::S3,
            since: job.due,
            outcome: job.outcome(job.due),
        }
    }

    /// What it is about.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Whether what is left of it touches nothing that requests share: the driver may feed it [`Input::Completed`] with a
    /// later `now` ahead of the others.
    pub fn is_settled(&self) -> bool {
        self.state == State::Busy && !continues(self.operation)
    }

    /// Whether `parking`, where this request waits, has yet to land. For drivers with threads: a request that parked after
    /// the landing is fed `Input::Landed(Woken::Resume, …)` at once.
    pub fn is_flying<C: Cache<Key = Key>>(&self, core: &mut Core<C>, parking: Parking) -> bool {
        let mode = core.settings.mode;
        let Some(&need) = needs(self.operation, mode).get(usize::from(self.met)) else { return false };
        let (cache, Name { fingerprint, .. }) = core.slot(self.ask(need, mode), parking.cache);
        cache.is_flying(fingerprint, parking.flight)
    }

    /// Takes one input; what should happen next goes to `out`.
    ///
    /// # Panics
    /// On an input that does not fit its state, apart from a wake-up that comes too late, which is ignored.
    pub fn step<C: Cache<Key = Key>>(
        &mut self,
        core: &mut Core<C>,
        input: Input<Key>,
        now: Timestamp,
        out: &mut Vec<Action<Key>>,
    ) {
        match (self.state, input) {
            (State::Due, Input::Go(standing)) => {
                self.outcome.started = now;
                self.begin(core, standing, now, out);
            }
            (State::Waiting, Input::Go(standing)) => {
                self.waited(now);
                self.begin(core, standing, now, out);
            }
            (State::Parked { leads }, Input::Landed(woken, tally)) => {
                self.waited(now);
                self.woken(core, leads, woken, tally, now, out);
            }
            (State::Parked { .. }, Input::Expired) => {
                self.waited(now);
                let refusal = Refusal::of(Failure::Transient, &core.settings);
                self.refuse(core, Refusal { class: kms::Failure::TimeOut, ..refusal }, now, out);
            }
            (State::Busy, Input::Completed { took }) => {
                self.count(took);
                self.done += 1;
                self.act(core, now, out);
            }
            (State::Busy, Input::Broken { took }) => {
                self.count(took);
                self.end(Ending::Failed, now, out);
            }
            (State::Refused(refusal), Input::Completed { took } | Input::Broken { took }) => {
                self.outcome.s3 = self.outcome.s3 + took;
                self.outcome.s3_requests += u32::from(refusal.is_clients);
                self.back_off(core, refusal, now, out);
            }
            // A wake-up after the deadline, or a deadline after the wake-up.
            (_, Input::Landed(..) | Input::Expired) => {}
            (state, input) => panic!("{input:?} in state {state:?}", input = std::mem::discriminant(&input)),
        }
    }

    /// An attempt at the (sub-)request under way, from its first need.
    fn begin<C: Cache<Key = Key>>(
        &mut self,
        core: &mut Core<C>,
        standing: Standing,
        now: Timestamp,
        out: &mut Vec<Action<Key>>,
    ) {
        (self.met, self.done, self.open, self.seal) = (0, 0, None, None);
        self.standing = match standing {
            Standing::Under(handle) => Some(handle),
            Standing::Missing if reads(self.operation) => {
                // NoSuchKey, which no client tries again.
                let refusal = Refusal::of(Failure::NotFound, &core.settings);
                let refusal =
                    Refusal { ending: Ending::Failed, retrier: Retrier::Nobody, served: true, ..refusal };
                return self.refuse(core, refusal, now, out);
            }
            Standing::Missing => None,
        };
        self.enter(core, now, out);
    }

    /// S3's door, then the keys.
    fn enter<C: Cache<Key = Key>>(&mut self, core: &mut Core<C>, now: Timestamp, out: &mut Vec<Action<Key>>) {
        if let Some(limits) = &mut core.prefixes
            && limits.admit(self.job.bucket, self.job.prefix, self.operation, now).is_err()
        {
            let refusal = Refusal::of(Failure::Throttled { earliest: now }, &core.settings);
            self.outcome.throttles += 1;
            return self.refuse(core, Refusal { retrier: Retrier::S3, served: true, ..refusal }, now, out);
        }
        self.ask_all(core, false, now, out);
    }

    /// Asks for the keys that are still to be had; with all of them, starts the first phase.
    fn ask_all<C: Cache<Key = Key>>(
        &mut self,
        core: &mut Core<C>,
        mut resumed: bool,
        now: Timestamp,
        out: &mut Vec<Action<Key>>,
    ) {
        let mode = core.settings.mode;
        let cache_number = core.cache_of(self.job.host);
        while let Some(&need) = needs(self.operation, mode).get(usize::from(self.met)) {
            let bytes = Some(need.bytes_of(&self.job));
            let (cache, Name { fingerprint, .. }) = core.slot(self.ask(need, mode), cache_number);
            let lookup = if resumed {
                cache.resume(fingerprint, bytes, now)
            } else {
                cache.try_use(fingerprint, bytes, now)
            };
            let parking = |ticket: &Ticket| Parking {
                cache: cache_number,
                decrypt: need != Need::Generate,
                flight: ticket.flight(),
            };
            match lookup {
                Lookup::Hit { key, refresh } => {
                    if let Some(ticket) = refresh {
                        let (call, parking) = (self.call(need, None), parking(&ticket));
                        out.push(Action::Spawn(Fetch::new(ticket, call, self.job.host, parking)));
                    }
                    if !resumed {
                        self.outcome.key_source = self.outcome.key_source.max(KeySource::Cached);
                    }
                    self.take(need, key);
                    resumed = false;
                }
                Lookup::Lead { ticket, deadline } => {
                    let (call, parking) = (self.call(need, Some(self.operation)), parking(&ticket));
                    self.outcome.key_source = KeySource::Fetched;
                    self.park(true, now);
                    out.push(Action::Park(parking, deadline));
                    out.push(Action::Spawn(Fetch::new(ticket, call, self.job.host, parking)));
                    return;
                }
                Lookup::Join { flight, deadline } => {
                    let parking = Parking { cache: cache_number, decrypt: need != Need::Generate, flight };
                    self.outcome.key_source = self.outcome.key_source.max(KeySource::Joined);
                    self.park(false, now);
                    out.push(Action::Park(parking, deadline));
                    return;
                }
                Lookup::Refused(failure) => {
                    let refusal = Refusal::of(failure, &core.settings);
                    return self.refuse(core, refusal, now, out);
                }
                Lookup::Pace { until } => {
                    // As if KMS had throttled once more, but without the call: whoever tries again backs off.
                    let throttled = Refusal::of(Failure::Throttled { earliest: until }, &core.settings);
                    self.outcome.throttles += 1;
                    let (retrier, served) = match throttled.retrier {
                        _ if until == Timestamp::MAX => (Retrier::Nobody, throttled.served),
                        Retrier::Nobody => (Retrier::Kms, false),
                        retrier => (retrier, throttled.served),
                    };
                    let refusal = Refusal { not_before: until, retrier, served, ..throttled };
                    return self.refuse(core, refusal, now, out);
                }
            }
        }
        let client = &mut core.clients[self.job.host as usize];
        let budget = if self.retrier == Retrier::Kms { &mut client.kms } else { &mut client.s3 };
        budget.succeeded(&self.attempts);
        self.act(core, now, out);
    }

    fn woken<C: Cache<Key = Key>>(
        &mut self,
        core: &mut Core<C>,
        leads: bool,
        woken: Woken<Key>,
        tally: Tally,
        now: Timestamp,
        out: &mut Vec<Action<Key>>,
    ) {
        if leads {
            self.outcome.kms_calls += tally.calls;
            self.outcome.throttles += tally.throttles;
            self.outcome.retries += tally.retries;
        }
        match woken {
            Woken::Resume => self.ask_all(core, true, now, out),
            Woken::Own(key) => {
                let need = needs(self.operation, core.settings.mode)[usize::from(self.met)];
                self.take(need, key);
                self.ask_all(core, false, now, out);
            }
            Woken::Failed(failure) => {
                let throttled = matches!(failure, Failure::Throttled { .. });
                self.outcome.throttles += u32::from(throttled && !leads);
                let refusal = Refusal::of(failure, &core.settings);
                self.refuse(core, refusal, now, out);
            }
        }
    }

    /// Does the next phase; after the last one goes on with the next part of an upload, or ends.
    fn act<C: Cache<Key = Key>>(&mut self, core: &mut Core<C>, now: Timestamp, out: &mut Vec<Action<Key>>) {
        let Some(&phase) = phases(self.operation).get(usize::from(self.done)) else {
            if !continues(self.operation) {
                return self.end(Ending::Succeeded, now, out);
            }
            self.next_part();
            return self.enter(core, now, out);
        };
        self.state = State::Busy;
        let key = match phase {
            Phase::Open => self.open.clone(),
            Phase::Seal | Phase::Write => self.seal.clone().or_else(|| self.upload.clone()),
            // The end of an upload writes its manifest.
            Phase::Touch => self.upload.clone(),
            Phase::Read | Phase::Serve => None,
        };
        out.push(Action::Do { phase, operation: self.operation, bytes: self.body(), key });
    }

    /// Ends an attempt without its keys.
    fn refuse<C: Cache<Key = Key>>(
        &mut self,
        core: &mut Core<C>,
        refusal: Refusal,
        now: Timestamp,
        out: &mut Vec<Action<Key>>,
    ) {
        if !refusal.served {
            return self.back_off(core, refusal, now, out);
        }
        self.state = State::Refused(refusal);
        let (phase, operation, bytes) = (Phase::Serve, self.operation, self.body());
        out.push(Action::Do { phase, operation, bytes, key: None });
    }

    fn back_off<C: Cache<Key = Key>>(
        &mut self,
        core: &mut Core<C>,
        refusal: Refusal,
        now: Timestamp,
        out: &mut Vec<Action<Key>>,
    ) {
        let client = &mut core.clients[self.job.host as usize];
        let budget = match refusal.retrier {
            Retrier::Nobody => return self.end(refusal.ending, now, out),
            Retrier::S3 => &mut client.s3,
            Retrier::Kms => &mut client.kms,
        };
        match budget.failed(&mut self.attempts, refusal.class, None, &mut core.stream) {
            Retry::After(wait) => {
                self.retrier = refusal.retrier;
                self.outcome.retries += 1;
                self.state = State::Waiting;
                self.since = now;
                out.push(Action::WaitUntil((now + wait).max(refusal.not_before)));
            }
            Retry::GiveUp(_) => self.end(refusal.ending, now, out),
        }
    }

    fn end(&mut self, ending: Ending, now: Timestamp, out: &mut Vec<Action<Key>>) {
        self.state = State::Over;
        self.outcome.finished = now;
        self.outcome.ending = ending;
        out.push(Action::Done(self.outcome));
    }

    fn park(&mut self, leads: bool, now: Timestamp) {
        self.state = State::Parked { leads };
        self.since = now;
    }

    fn waited(&mut self, now: Timestamp) {
        self.outcome.kms_wait = self.outcome.kms_wait + now.since(self.since);
    }

    fn take(&mut self, need: Need, key: Key) {
        if need == Need::Decrypt {
            self.open = Some(key);
        } else {
            // Parts are sealed under the upload's key.
            if self.operation == Operation::CreateMultipartUpload {
                self.upload = Some(key.clone());
            }
            self.seal = Some(key);
        }
        self.met += 1;
    }

    /// Adds the time of the phase that has just ended.
    fn count(&mut self, took: Span) {
        let phase = phases(self.operation)[usize::from(self.done)];
        let body = self.body();
        spend(&mut self.outcome, self.operation, phase, body, took);
    }

    fn next_part(&mut self) {
        (self.met, self.done, self.seal) = (0, 0, None);
        (self.attempts, self.retrier) = (Attempts::default(), Retrier::S3);
        if self.parts_left > 0 {
            self.parts_left -= 1;
            self.operation = Operation::UploadPart;
        } else {
            self.operation = Operation::CompleteMultipartUpload;
        }
    }

    /// Body bytes of the (sub-)request under way.
    fn body(&self) -> u64 {
        match self.operation {
            Operation::CreateMultipartUpload | Operation::CompleteMultipartUpload => 0,
            Operation::UploadPart => self.job.parts.1,
            _ => self.job.body,
        }
    }

    fn handle(&self, need: Need) -> Option<KeyHandle> {
        match need {
            Need::Generate => None,
            Need::Decrypt => self.standing,
            Need::DecryptUpload => self.upload.as_ref().map(Keyed::handle),
        }
    }

    fn ask(&self, need: Need, mode: SseMode) -> Ask {
        Ask::new(&self.job, need, if is_cached(mode) { self.handle(need) } else { None })
    }

    fn call(&self, need: Need, cause: Option<Operation>) -> Call {
        let Job { due, principal, bucket, kms_key, object, .. } = self.job;
        let object = cause.map(|_| object);
        Call { need, handle: self.handle(need), cause, due, bucket, object, principal, kms_key }
    }
}
