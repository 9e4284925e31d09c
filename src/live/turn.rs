//! One turn: what an event, an arrival or a finished task makes the machines do, and what they ask for.

use std::ops::Deref;
use std::sync::Arc;

use super::clock::Time;
use super::driver::{Driver, Effect, Event, Flying, Running};
use super::error::WorkError;
use super::lag::LAG_MAX;
use super::store::{Stored, Upload};
use super::task::{Body, Finished, HAND_OUT_BYTES, Task, Work, perform};
use super::vault::{Held, Kind, Name, Vault};
use crate::cache::{Cache, Failure};
use crate::envelope::Part;
use crate::kms::{self, Answer};
use crate::pipeline::{
    Action, Call, Fetch, FetchAction, FetchInput, Input, KeyHandle, Keyed, Need, Parking, Phase, Reply,
    Request, Standing, Tally, Woken, failure_of, is_cached,
};
use crate::report::Sink;
use crate::request::Operation;
use crate::rig::{self, Place};
use crate::units::{Span, Timestamp};
use crate::workload::{Arrival, Shape};

/// What a phase came to.
#[expect(clippy::large_enum_variant, reason = "moved once; a box would be an allocation for each phase")]
enum Did<K: Clone + Keyed> {
    /// It is over: this input, at this instant.
    Now(Running<K>, Input<K>, Timestamp),
    /// It goes on; the queue or the pool has the request.
    Later,
}

impl<C, S> Driver<'_, C, S>
where
    C: Cache,
    C::Key: Keyed + Deref<Target = Held> + Send + 'static,
    C::Material: From<Held>,
    S: Sink,
{
    pub(super) fn arrive(&mut self, arrival: Arrival, plain: Vec<u8>, now: Timestamp) {
        let job = rig::job(&arrival, Some(&self.placement), self.core.hosts());
        let late = now.since(arrival.due) > LAG_MAX;
        if late || self.running.len() >= self.in_flight_max {
            self.run.late += u64::from(late);
            self.store.keep(plain);
            return self.row(&job.dropped(arrival.due));
        }
        let running = Running {
            request: Request::new(job),
            arrival,
            serves: 0,
            source: None,
            plain,
            out: self.store.buffer(),
            parts: Vec::new(),
        };
        self.go(running, now);
    }

    /// The next event; `arriving` while arrivals are left.
    pub(super) fn turn(&mut self, now: Timestamp, arriving: bool) {
        // An answer at the very deadline still counts.
        let deadline = self.deadlines.front().map(|(at, ..)| *at);
        if let Some(at) = deadline
            && self.queue.next_at().is_none_or(|event| at < event)
        {
            return self.expire(now);
        }
        let Some((_, event)) = self.queue.pop() else { return };
        match event {
            Event::Completed(place, took, effect) => {
                if let Some(effect) = effect {
                    self.store.change(effect.object, effect.stored);
                }
                let running = self.running.take(place).expect("a busy request stays");
                self.drive(running, Input::Completed { took }, now);
            }
            Event::Broken(place, took) => {
                let running = self.running.take(place).expect("a busy request stays");
                self.drive(running, Input::Broken { took }, now);
            }
            Event::Go(place) => {
                let running = self.running.take(place).expect("a waiting request stays");
                self.go(running, now);
            }
            Event::FetchGo(place) => self.fetch(place, FetchInput::Go, now),
            Event::Replied(place, result, billed) => {
                let result = result.map(C::Material::from);
                self.fetch(place, FetchInput::Reply(Reply { result, billed }), now);
            }
            Event::Restart(host, every) => {
                self.core.restart(host, now);
                if arriving {
                    let next = (host + 1) % self.core.hosts();
                    self.queue.push(now + every, Event::Restart(next, every));
                }
            }
            Event::ColdStart => (0..self.core.hosts()).for_each(|host| self.core.restart(host, now)),
        }
    }

    fn expire(&mut self, now: Timestamp) {
        let Some((_, place, parking)) = self.deadlines.pop_front() else { return };
        let Some(parked) = self.parked.get_mut(&parking) else { return };
        let Some(at) = parked.iter().position(|parked| *parked == place) else { return };
        parked.remove(at);
        if parked.is_empty() {
            self.parked.remove(&parking);
        }
        if let Some(running) = self.running.take(place) {
            self.drive(running, Input::Expired, now);
        }
    }

    fn go(&mut self, mut running: Running<C::Key>, now: Timestamp) {
        let object = running.arrival.object;
        let reads = matches!(
            running.arrival.operation,
            Operation::GetObject | Operation::GetObjectRange | Operation::HeadObject | Operation::CopyObject
        );
        let standing = if reads { self.store.standing(object) } else { Standing::Under(KeyHandle(0)) };
        // What is written meanwhile is for later readers.
        running.source = if reads { self.store.read(object).cloned() } else { None };
        self.drive(running, Input::Go(standing), now);
    }

    /// A task that the pool has done.
    pub(super) fn finished(&mut self, place: Place, finished: Finished) {
        self.handed_out -= 1;
        let running = self.running.take(place).expect("a busy request stays");
        let at = finished.at;
        let (running, input) = self.take_in(running, finished);
        self.drive(running, input, at);
    }

    /// Feeds a request until it waits for something or is over.
    fn drive(&mut self, mut running: Running<C::Key>, mut input: Input<C::Key>, mut now: Timestamp) {
        loop {
            let mut actions = std::mem::take(&mut self.actions);
            running.request.step(&mut self.core, input, now, &mut actions);
            let mut own = None;
            for action in actions.drain(..) {
                match action {
                    Action::Spawn(fetch) => self.spawn(fetch, &running, now),
                    action => own = Some(action),
                }
            }
            self.actions = actions;
            match own.expect("a step says what the request does next") {
                Action::Do { phase, operation, bytes, key } => {
                    match self.phase(running, (phase, operation, bytes), key, now) {
                        Did::Now(back, next, at) => (running, input, now) = (back, next, at),
                        Did::Later => return,
                    }
                }
                Action::Park(parking, deadline) => {
                    let place = self.running.insert(running);
                    self.parked.entry(parking).or_default().push(place);
                    return self.deadlines.push_back((deadline, place, parking));
                }
                Action::WaitUntil(at) => {
                    let place = self.running.insert(running);
                    return self.queue.push(at, Event::Go(place));
                }
                Action::Done(outcome) => {
                    self.row(&outcome);
                    self.store.keep(running.plain);
                    return self.store.keep(running.out);
                }
                Action::Spawn(_) => unreachable!("spawned above"),
            }
        }
    }

    fn phase(
        &mut self,
        mut running: Running<C::Key>,
        (phase, operation, bytes): (Phase, Operation, u64),
        key: Option<C::Key>,
        now: Timestamp,
    ) -> Did<C::Key> {
        match phase {
            Phase::Seal | Phase::Open => self.crypto(running, phase, operation, key, bytes, now),
            Phase::Read | Phase::Write | Phase::Touch => {
                let start = self.clock.now();
                let effect = self.effect(phase, operation, key.as_ref(), &mut running);
                let stalled = self.stalls.wait(now);
                let (took, at) = match self.time {
                    Time::Paused { store, .. } => {
                        let took = stalled + store.of(if phase == Phase::Touch { 0 } else { bytes });
                        (took, now + took)
                    }
                    Time::Real if stalled > Span::ZERO => (stalled, now + stalled),
                    Time::Real => {
                        if let Some(effect) = effect {
                            self.store.change(effect.object, effect.stored);
                        }
                        let done = self.clock.now();
                        return Did::Now(running, Input::Completed { took: done.since(start) }, done);
                    }
                };
                self.later(running, took, at, effect)
            }
            Phase::Serve => {
                running.serves += 1;
                let took = self.s3.of(running.arrival.index, running.serves, operation, bytes);
                self.later(running, took, now + took, None)
            }
        }
    }

    /// Queues the end of a phase, unless it takes no time.
    fn later(
        &mut self,
        running: Running<C::Key>,
        took: Span,
        at: Timestamp,
        effect: Option<Effect>,
    ) -> Did<C::Key> {
        if took == Span::ZERO {
            if let Some(effect) = effect {
                self.store.change(effect.object, effect.stored);
            }
            return Did::Now(running, Input::Completed { took }, at);
        }
        let index = running.arrival.index;
        let place = self.running.insert(running);
        match effect {
            Some(effect) => {
                self.queue.push_effect(at, index, Event::Completed(place, took, Some(Box::new(effect))));
            }
            None => self.queue.push(at, Event::Completed(place, took, None)),
        }
        Did::Later
    }

    fn crypto(
        &mut self,
        mut running: Running<C::Key>,
        phase: Phase,
        operation: Operation,
        key: Option<C::Key>,
        bytes: u64,
        now: Timestamp,
    ) -> Did<C::Key> {
        let task = Self::task(&mut running, phase, operation, key);
        if let Time::Paused { crypto, .. } = self.time {
            let took = crypto.of(bytes).saturating_mul(self.layers);
            let finished = perform(&self.vault, self.clock, task);
            let (running, input) = self.take_in(running, finished);
            return match input {
                Input::Broken { .. } => {
                    let place = self.running.insert(running);
                    self.queue.push(now + took, Event::Broken(place, took));
                    Did::Later
                }
                _ => self.later(running, took, now + took, None),
            };
        }
        if bytes < HAND_OUT_BYTES {
            let finished = perform(&self.vault, self.clock, task);
            let at = finished.at;
            let (running, input) = self.take_in(running, finished);
            return Did::Now(running, input, at);
        }
        let place = self.running.insert(running);
        let (vault, clock, sender) = (Arc::clone(&self.vault), self.clock, self.sender.clone());
        self.handed_out += 1;
        rayon::spawn(move || {
            // The driver outlives its tasks unless it was interrupted; then nobody asks.
            let _ = sender.send((place, perform(&vault, clock, task)));
        });
        Did::Later
    }

    fn task(
        running: &mut Running<C::Key>,
        phase: Phase,
        operation: Operation,
        key: Option<C::Key>,
    ) -> Task<C::Key> {
        let arrival = &running.arrival;
        let name = name_of(arrival, phase == Phase::Seal);
        let out = std::mem::take(&mut running.out);
        if phase == Phase::Open {
            let source = running.source.clone().expect("a request without its object ends before");
            let range = match arrival.shape {
                Shape::Range { first, bytes } => Some((first, bytes)),
                _ => None,
            };
            return Task { name, key, work: Work::Open { source, range }, out };
        }
        let plain = std::mem::take(&mut running.plain);
        let (object, version) = (arrival.object, arrival.version());
        let (body, part) = match (operation, arrival.shape) {
            (Operation::UploadPart, Shape::Parts { bytes, .. }) => {
                let number = running.parts.len() as u64;
                let part = u16::try_from(number + 1).expect("at most 10,000 parts");
                (Body { object, version, offset: number * bytes, bytes }, Part::Number(part))
            }
            // What a copy opened is what it seals.
            (Operation::CopyObject, _) => {
                (Body { object, version, offset: 0, bytes: plain.len() as u64 }, Part::Whole)
            }
            _ => (Body { object, version, offset: 0, bytes: arrival.bytes }, Part::Whole),
        };
        Task { name, key, work: Work::Seal { plain, body, part }, out }
    }

    /// Gives a request the result of its task.
    fn take_in(
        &mut self,
        mut running: Running<C::Key>,
        finished: Finished,
    ) -> (Running<C::Key>, Input<C::Key>) {
        let Finished { result, took, out, plain, .. } = finished;
        running.out = out;
        if let Err(error) = result {
            self.broken(error);
            return (running, Input::Broken { took });
        }
        if let Some(sealed) = plain {
            self.store.keep(sealed);
        } else {
            self.run.checked += 1;
            if running.arrival.operation == Operation::CopyObject {
                // Opened: now it is sealed.
                running.plain = std::mem::replace(&mut running.out, self.store.buffer());
            }
        }
        (running, Input::Completed { took })
    }

    /// What the end of a phase changes in the store.
    fn effect(
        &mut self,
        phase: Phase,
        operation: Operation,
        key: Option<&C::Key>,
        running: &mut Running<C::Key>,
    ) -> Option<Effect> {
        let arrival = running.arrival;
        let object = arrival.object;
        let handle = key.map_or(KeyHandle(0), Keyed::handle);
        match (phase, operation) {
            (Phase::Write, Operation::PutObject) => {
                let sealed = std::mem::take(&mut running.out);
                let stored = Stored { handle, object, version: arrival.version(), sealed };
                Some(Effect { object, stored: Some(stored) })
            }
            (Phase::Write, Operation::CopyObject) => {
                let version = running.source.as_ref().map_or(0, |source| source.version);
                let sealed = std::mem::take(&mut running.out);
                if let Shape::Copy { target } = arrival.shape {
                    let stored = Arc::new(Stored { handle, object, version, sealed });
                    self.store.copies.insert(target, stored);
                }
                None
            }
            (Phase::Write, Operation::UploadPart) => {
                running.parts.push(std::mem::take(&mut running.out));
                None
            }
            (Phase::Touch, Operation::CompleteMultipartUpload) => {
                self.complete(running, key.map(Deref::deref));
                None
            }
            (Phase::Touch, Operation::DeleteObject) => Some(Effect { object, stored: None }),
            _ => None,
        }
    }

    /// Writes the manifest of an upload, and has the whole opened and compared aside.
    fn complete(&mut self, running: &mut Running<C::Key>, held: Option<&Held>) {
        let arrival = running.arrival;
        let name = name_of(&arrival, true);
        let parts = std::mem::take(&mut running.parts);
        let manifest = match self.vault.manifest(held, name, &parts) {
            Ok(manifest) => manifest,
            Err(error) => return self.broken(error),
        };
        let checked = self.vault.check_upload(held, name, arrival.version(), &manifest, &parts);
        match checked {
            Ok(()) => self.run.checked += 1,
            Err(error) => self.broken(error),
        }
        self.store.uploads.insert(arrival.object, Arc::new(Upload { parts, manifest }));
    }

    fn spawn(&mut self, fetch: Fetch, running: &Running<C::Key>, now: Timestamp) {
        let call = fetch.call();
        let name = name_of(&running.arrival, call.need == Need::Generate);
        let wrapped = match call.need {
            Need::Generate => None,
            // Of many objects under one key, any leads to it.
            Need::Decrypt if !is_cached(self.vault.mode) => {
                running.source.as_ref().and_then(|source| Vault::wrapped(&source.sealed).ok())
            }
            Need::Decrypt | Need::DecryptUpload => {
                call.handle.and_then(|handle| self.store.wrapped.get(&handle).cloned())
            }
        };
        let place = self.fetches.insert(Flying { fetch, name, wrapped });
        self.fetch(place, FetchInput::Go, now);
    }

    fn fetch(&mut self, place: Place, input: FetchInput<C::Material>, now: Timestamp) {
        let mut actions = std::mem::take(&mut self.fetch_actions);
        let flying = self.fetches.at(place).expect("a fetch stays until it lands");
        flying.fetch.step(&mut self.core, input, now, &mut actions);
        let mut wake = None;
        for action in actions.drain(..) {
            match action {
                FetchAction::Call(call) => self.call(place, &call, now),
                FetchAction::WaitUntil(at) => self.queue.push(at, Event::FetchGo(place)),
                FetchAction::Called(row) => self.sink.kms_call(&row),
                FetchAction::Wake(parking, woken, tally) => wake = Some((parking, woken, tally)),
            }
        }
        self.fetch_actions = actions;
        if let Some((parking, woken, tally)) = wake {
            self.fetches.take(place);
            self.wake(parking, &woken, tally, now);
        }
    }

    fn wake(&mut self, parking: Parking, woken: &Woken<C::Key>, tally: Tally, now: Timestamp) {
        for place in self.parked.remove(&parking).unwrap_or_default() {
            if let Some(running) = self.running.take(place) {
                self.drive(running, Input::Landed(woken.clone(), tally), now);
            }
        }
    }

    /// The model decides; what it grants is really made or opened, and both arrive when the model says.
    fn call(&mut self, place: Place, call: &Call, now: Timestamp) {
        let operation = match call.need {
            Need::Generate => kms::Operation::GenerateDataKey,
            // Scenarios do not rotate keys: there is one material.
            Need::Decrypt | Need::DecryptUpload => kms::Operation::Decrypt { material: 0, named: None },
        };
        let principal = &self.core.directory().principals[call.principal as usize];
        let key = self.kms.keys[call.kms_key as usize];
        let asked = kms::Call { via_s3: self.service_side, ..kms::Call::new(operation, key, principal) };
        let reply = self.kms.model.call(&asked, now, &mut self.kms_stream);
        self.run.kms_calls += 1;
        let result = match reply.answer {
            Answer::Granted(granted) => self.granted(place, call, granted),
            Answer::Throttled(throttled) => Err(Failure::Throttled { earliest: throttled.earliest }),
            Answer::Failed(error) => Err(failure_of(&error)),
        };
        self.queue.push(reply.reply_at, Event::Replied(place, Box::new(result), reply.billed));
    }

    fn granted(&mut self, place: Place, call: &Call, granted: kms::Granted) -> Result<Held, Failure> {
        let flying = self.fetches.at(place).expect("a fetch stays until it lands");
        let made = match call.need {
            Need::Generate => {
                self.next_handle += 1;
                let handle = KeyHandle(self.next_handle);
                let made = self.vault.generate(handle, &self.kms.model.header(granted), flying.name);
                made.inspect(|held| {
                    if is_cached(self.vault.mode) || call.cause == Some(Operation::CreateMultipartUpload) {
                        self.store.wrapped.insert(handle, held.wrapped.clone());
                    }
                })
            }
            Need::Decrypt | Need::DecryptUpload => {
                let handle = call.handle.unwrap_or(KeyHandle(0));
                let wrapped = flying.wrapped.as_ref().ok_or(WorkError::NoKey);
                wrapped.and_then(|wrapped| self.vault.decrypt(handle, wrapped, flying.name))
            }
        };
        made.map_err(|error| {
            self.broken(error);
            Failure::Invalid
        })
    }
}

/// What an arrival's envelope belongs to: of a copy the target when `writing`, else the source.
fn name_of(arrival: &Arrival, writing: bool) -> Name {
    let Arrival { bucket, kms_key, object, .. } = *arrival;
    let kind = match arrival.shape {
        Shape::Copy { .. } if writing => Kind::Copy,
        Shape::Parts { .. } => Kind::Upload(arrival.index),
        _ => Kind::Object,
    };
    Name { bucket, kms_key, object, kind }
}
