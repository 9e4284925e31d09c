//! The phases of a request that has its keys: sealing, opening, the store, S3's own time; and what each changes.

use std::ops::Deref;

use super::clock::Time;
use super::driver::{Driver, Effect, Event, Running};
use super::store::{Sealed, Stored};
use super::task::{Body, Finished, HAND_OUT_BYTES, Product, Task, Work};
use super::vault::{Held, Kind, Name};
use crate::cache::Cache;
use crate::envelope::Part;
use crate::pipeline::{Input, KeyHandle, Keyed, Phase};
use crate::report::Sink;
use crate::request::Operation;
use crate::rig::Place;
use crate::units::{Span, Timestamp};
use crate::workload::{Arrival, Shape};

/// What a phase came to.
#[expect(clippy::large_enum_variant, reason = "moved once; a box would be an allocation for each phase")]
pub(super) enum Did<K: Clone + Keyed> {
    /// It is over: this input, at this instant.
    Now(Running<K>, Input<K>, Timestamp),
    /// It goes on; the queue or the pool has the request.
    Later,
}

/// A phase as the machine asks for it.
#[derive(Debug)]
pub(super) struct Asked<K> {
    pub(super) phase: Phase,
    pub(super) operation: Operation,
    pub(super) bytes: u64,
    pub(super) key: Option<K>,
}

impl<C, S> Driver<'_, C, S>
where
    C: Cache,
    C::Key: Keyed + Deref<Target = Held> + Send + 'static,
    C::Material: From<Held>,
    S: Sink,
{
    pub(super) fn phase(
        &mut self,
        mut running: Running<C::Key>,
        asked: Asked<C::Key>,
        now: Timestamp,
    ) -> Did<C::Key> {
        let Asked { phase, operation, bytes, key } = asked;
        (running.phase, running.operation) = (phase, operation);
        running.handle = key.as_ref().map_or(KeyHandle(0), Keyed::handle);
        let stalled = match phase {
            Phase::Serve => {
                running.serves += 1;
                let took = self.s3.of(running.arrival.index, running.serves, operation, bytes);
                return self.later(running, took, now + took, None);
            }
            Phase::Seal | Phase::Open => Span::ZERO,
            Phase::Read | Phase::Write | Phase::Touch => self.stalls.wait(now),
        };
        running.stalled_until = now + stalled;
        let task = self.task(&mut running, key);
        match self.time {
            Time::Paused { crypto, store } => {
                let took = match phase {
                    Phase::Seal | Phase::Open => crypto.of(bytes).saturating_mul(self.layers),
                    Phase::Touch => stalled + store.of(0),
                    _ => stalled + store.of(bytes),
                };
                let (running, input, effect) = match task {
                    Some(task) => {
                        let finished = self.bench.perform(task);
                        self.take_in(running, finished)
                    }
                    None => self.in_memory(running, took),
                };
                if let Input::Broken { .. } = input {
                    let place = self.running.insert(running);
                    self.queue.push(now + took, Event::Broken(place, took));
                    return Did::Later;
                }
                self.later(running, took, now + took, effect)
            }
            Time::Real => match task {
                None => self.at_once(running, now, stalled),
                Some(task) if matches!(phase, Phase::Seal | Phase::Open) && bytes < HAND_OUT_BYTES => {
                    let finished = self.bench.perform(task);
                    let at = finished.at;
                    let (running, input, _) = self.take_in(running, finished);
                    Did::Now(running, input, at)
                }
                Some(task) => {
                    self.hand_out(running, task);
                    Did::Later
                }
            },
        }
    }

    /// A task that the pool has done.
    pub(super) fn finished(&mut self, place: Place, finished: Finished) {
        self.handed_out -= 1;
        let running = self.running.take(place).expect("a busy request stays");
        let (at, took, stalled_until) = (finished.at, finished.took, running.stalled_until);
        let (running, input, effect) = self.take_in(running, finished);
        if at < stalled_until && matches!(input, Input::Completed { .. }) {
            let took = took + stalled_until.since(at);
            self.later(running, took, stalled_until, effect);
            return;
        }
        if let Some(effect) = effect {
            self.store.change(effect.object, effect.stored);
        }
        self.drive(running, input, at);
    }

    fn hand_out(&mut self, running: Running<C::Key>, task: Task<C::Key>) {
        let place = self.running.insert(running);
        let (bench, sender) = (self.bench.clone(), self.sender.clone());
        self.handed_out += 1;
        rayon::spawn(move || {
            // The driver outlives its tasks unless it was interrupted; then nobody asks.
            let _ = sender.send((place, bench.perform(task)));
        });
    }

    /// An access to the store in memory: what was sealed changes hands.
    fn in_memory(
        &mut self,
        mut running: Running<C::Key>,
        took: Span,
    ) -> (Running<C::Key>, Input<C::Key>, Option<Effect>) {
        let effect = match running.phase {
            Phase::Write => {
                let sealed = Sealed::Memory(std::mem::take(&mut running.out));
                self.written(&mut running, sealed)
            }
            _ => gone(&running),
        };
        (running, Input::Completed { took }, effect)
    }

    fn at_once(&mut self, running: Running<C::Key>, now: Timestamp, stalled: Span) -> Did<C::Key> {
        let start = self.clock.now();
        let (running, _, effect) = self.in_memory(running, stalled);
        if stalled > Span::ZERO {
            return self.later(running, stalled, now + stalled, effect);
        }
        if let Some(effect) = effect {
            self.store.change(effect.object, effect.stored);
        }
        let done = self.clock.now();
        Did::Now(running, Input::Completed { took: done.since(start) }, done)
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

    /// The work of the phase that `running` is in; none where an access to the store in memory is all.
    fn task(&mut self, running: &mut Running<C::Key>, key: Option<C::Key>) -> Option<Task<C::Key>> {
        let (arrival, operation) = (running.arrival, running.operation);
        let (object, version) = (arrival.object, arrival.version());
        let in_directory = self.store.directory.is_some();
        let writes = matches!(running.phase, Phase::Seal | Phase::Write | Phase::Touch);
        let name = name_of(&arrival, writes);
        let range = match arrival.shape {
            // All of it, or of an object that is shorter by now than the trace says.
            Shape::Range { bytes, .. } if bytes >= arrival.bytes => None,
            Shape::Range { first, bytes } => Some((first, bytes)),
            _ => None,
        };
        let source = || running.source.clone().expect("a request without its object ends before");
        let work = match (running.phase, operation) {
            (Phase::Open, _) => {
                Work::Open { source: source(), sealed: std::mem::take(&mut running.sealed), range }
            }
            (Phase::Seal, _) => {
                let plain = std::mem::take(&mut running.plain);
                let (body, part) = match (operation, arrival.shape) {
                    (Operation::UploadPart, Shape::Parts { bytes, .. }) => {
                        let number = running.parts.len() as u64;
                        let part = Part::Number(part_number(running.parts.len()));
                        (Body { object, version, offset: number * bytes, bytes }, part)
                    }
                    // What a copy opened is what it seals.
                    (Operation::CopyObject, _) => {
                        (Body { object, version, offset: 0, bytes: plain.len() as u64 }, Part::Whole)
                    }
                    _ => (Body { object, version, offset: 0, bytes: arrival.bytes }, Part::Whole),
                };
                Work::Seal { plain, body, part }
            }
            (Phase::Touch, Operation::CompleteMultipartUpload) => {
                Work::Complete { parts: std::mem::take(&mut running.parts), version }
            }
            _ if !in_directory => return None,
            (Phase::Read, _) => Work::Read { source: source(), range },
            (Phase::Write, _) => {
                let number = match operation {
                    Operation::UploadPart => part_number(running.parts.len()).into(),
                    _ => version,
                };
                Work::Write { sealed: std::mem::take(&mut running.out), number }
            }
            (_, Operation::ListObjects) => Work::List,
            // Nothing to look up: it is gone already.
            _ => Work::LookUp { source: self.store.read(object)?.clone() },
        };
        // What sealing and opening leave goes back to `running`.
        let out = match running.phase {
            Phase::Seal | Phase::Open => std::mem::take(&mut running.out),
            _ => Vec::new(),
        };
        Some(Task { name, key, work, out })
    }

    /// Gives a request the result of its task.
    fn take_in(
        &mut self,
        mut running: Running<C::Key>,
        finished: Finished,
    ) -> (Running<C::Key>, Input<C::Key>, Option<Effect>) {
        let Finished { result, took, .. } = finished;
        let mut effect = None;
        match result {
            Err(error) => {
                self.broken(error);
                return (running, Input::Broken { took }, None);
            }
            Ok(Product::Sealed { sealed, plain }) => {
                running.out = sealed;
                self.store.keep(plain);
            }
            Ok(Product::Opened { plain, sealed }) => {
                self.run.checked += 1;
                self.store.keep(sealed);
                if running.arrival.operation == Operation::CopyObject {
                    // Opened: now it is sealed.
                    (running.plain, running.out) = (plain, self.store.buffer());
                } else {
                    running.out = plain;
                }
            }
            Ok(Product::Read(sealed)) => running.sealed = sealed,
            Ok(Product::Written(sealed)) => effect = self.written(&mut running, sealed),
            Ok(Product::Looked) => effect = gone(&running),
            Ok(Product::Uploaded(upload)) => {
                self.run.checked += 1;
                self.store.uploaded(running.arrival.object, upload);
            }
        }
        (running, Input::Completed { took }, effect)
    }

    /// What a write changes.
    fn written(&mut self, running: &mut Running<C::Key>, sealed: Sealed) -> Option<Effect> {
        let arrival = running.arrival;
        let (handle, object) = (running.handle, arrival.object);
        match (running.operation, arrival.shape) {
            (Operation::PutObject, _) => {
                let stored = Stored { handle, object, version: arrival.version(), sealed };
                return Some(Effect { object, stored: Some(stored) });
            }
            (Operation::CopyObject, Shape::Copy { target }) => {
                // The body is that of its source.
                let version = running.source.as_ref().map_or(0, |source| source.version);
                self.store.copied(
                    target,
                    name_of(&arrival, true),
                    Stored { handle, object, version, sealed },
                );
            }
            (Operation::UploadPart, _) => running.parts.push(sealed),
            _ => {}
        }
        None
    }
}

/// What a look at the store changes: a deleted object is gone.
fn gone<K: Clone + Keyed>(running: &Running<K>) -> Option<Effect> {
    let deletes = running.phase == Phase::Touch && running.operation == Operation::DeleteObject;
    deletes.then_some(Effect { object: running.arrival.object, stored: None })
}

fn part_number(before: usize) -> u16 {
    u16::try_from(before + 1).expect("at most 10,000 parts")
}

/// What an arrival's envelope belongs to: of a copy the target when `writing`, else the source.
pub(super) fn name_of(arrival: &Arrival, writing: bool) -> Name {
    let Arrival { bucket, kms_key, object, .. } = *arrival;
    let kind = match arrival.shape {
        Shape::Copy { .. } if writing => Kind::Copy,
        Shape::Parts { .. } => Kind::Upload(arrival.index),
        _ => Kind::Object,
    };
    Name { bucket, kms_key, object, kind }
}
