//! One turn: what an event or an arrival makes the machines do, and what they ask of KMS.

use std::ops::Deref;
use std::sync::atomic::Ordering;

use super::driver::{Driver, Event, Flying, Running};
use super::error::WorkError;
use super::lag::LAG_MAX;
use super::phase::{Asked, Did, name_of};
use super::vault::Held;
use crate::cache::{Cache, Failure};
use crate::kms::{self, Answer};
use crate::pipeline::{
    Action, Call, Fetch, FetchAction, FetchInput, Input, KeyHandle, Keyed, Need, Parking, Phase, Reply,
    Request, Standing, Tally, Woken, failure_of, is_cached,
};
use crate::report::Sink;
use crate::request::Operation;
use crate::rig::{self, Place};
use crate::units::Timestamp;
use crate::workload::Arrival;

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
        // In a closed loop the clients are the limit.
        let full = self.concurrency.is_none() && self.running.len() >= self.in_flight_max;
        if late || full {
            self.run.late += u64::from(late);
            self.store.keep(plain);
            return self.row(&job.dropped(arrival.due));
        }
        let running = Running {
            request: Request::new(job),
            arrival,
            serves: 0,
            phase: Phase::Serve,
            operation: arrival.operation,
            handle: KeyHandle(0),
            stalled_until: now,
            source: None,
            plain,
            out: self.store.buffer(),
            sealed: Vec::new(),
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
        let source = if reads { self.store.read(object).cloned() } else { None };
        if let Some(former) = std::mem::replace(&mut running.source, source) {
            self.store.release(former);
        }
        self.drive(running, Input::Go(standing), now);
    }

    /// Feeds a request until it waits for something or is over.
    pub(super) fn drive(
        &mut self,
        mut running: Running<C::Key>,
        mut input: Input<C::Key>,
        mut now: Timestamp,
    ) {
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
                    match self.phase(running, Asked { phase, operation, bytes, key }, now) {
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
                    if let Some(source) = running.source {
                        self.store.release(source);
                    }
                    self.store.keep(running.plain);
                    return self.store.keep(running.out);
                }
                Action::Spawn(_) => unreachable!("spawned above"),
            }
        }
    }

    fn spawn(&mut self, fetch: Fetch, running: &Running<C::Key>, now: Timestamp) {
        let call = fetch.call();
        let name = name_of(&running.arrival, call.need == Need::Generate);
        let wrapped = match call.need {
            Need::Generate => None,
            // Of many objects under one key, any leads to it.
            Need::Decrypt if !is_cached(self.bench.vault.mode) => {
                running.source.as_ref().and_then(|source| source.wrapped())
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
        self.progress.kms_calls.fetch_add(1, Ordering::Relaxed);
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
                let made = self.bench.vault.generate(handle, &self.kms.model.header(granted), flying.name);
                made.inspect(|held| {
                    if is_cached(self.bench.vault.mode)
                        || call.cause == Some(Operation::CreateMultipartUpload)
                    {
                        self.store.wrapped.insert(handle, held.wrapped.clone());
                    }
                })
            }
            Need::Decrypt | Need::DecryptUpload => {
                let handle = call.handle.unwrap_or(KeyHandle(0));
                let wrapped = flying.wrapped.as_ref().ok_or(WorkError::NoKey);
                wrapped.and_then(|wrapped| self.bench.vault.decrypt(handle, wrapped, flying.name))
            }
        };
        made.map_err(|error| {
            self.broken(error);
            Failure::Invalid
        })
    }
}
