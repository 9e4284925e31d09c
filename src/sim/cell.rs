//! A cell of a grid: what one pair of limits makes of the stream, by the decisions of the run with nothing else kept.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::grid::{Counts, Inexact, Limits, Shared};
use crate::cache::{BYTES_DEFAULT, WAIT_MAX_DEFAULT};
use crate::kms::{self, Answer};
use crate::rig::{EventQueue, Kms, Place, Slab};
use crate::units::{Span, Stream, Timestamp};

/// The object stands as the population has it, or there is none: the step says which.
pub(super) const AS_WRITTEN: u32 = 0;
/// There is no such object; or it is one that nobody reads.
pub(super) const MISSING: u32 = u32::MAX;
/// Numbers of keys that the cell makes; those of the population lie below.
const NEW: u32 = 1 << 31;

/// What a request does to caches and objects; the others do nothing to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key to seal under, and the object stands under it once it is written.
    Put,
    /// A key to seal under: of an upload, whose parts are sealed under it and whose object nobody reads.
    Upload,
    /// The key that the object stands under.
    Get,
    /// That one, then a key to seal under.
    Copy,
    /// The object is gone once the store was told.
    Delete,
}

/// A request, as far as cells look at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) due: Timestamp,
    pub(super) index: u64,
    /// Bytes that count against a key to seal under.
    pub(super) bytes: u64,
    /// From the instant at which it has its keys to its effect on the object.
    pub(super) after: Span,
    /// Place in a cell's table of objects; [`MISSING`] for those that nobody reads.
    pub(super) object: u32,
    /// The number of the key that the object stands under at the start; [`MISSING`] where there is none.
    pub(super) written: u32,
    /// The number of host × requester × bucket × KMS key: who shares keys with whom.
    pub(super) context: u32,
    pub(super) principal: u32,
    pub(super) kms_key: u32,
    pub(super) kind: Kind,
}

/// A key to seal under, by context.
#[derive(Clone, Copy, Debug, Default)]
struct Seal {
    last_at: Timestamp,
    uses_left: u64,
    bytes: u64,
    handle: u32,
    kept: bool,
    flight: Option<Place>,
}

/// A key to open with, by context and key.
#[derive(Clone, Copy, Debug)]
struct Open {
    context: u32,
    handle: u32,
    last_at: Timestamp,
    kept: bool,
    flight: Option<Place>,
}

/// Which of the two, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Seal(u32),
    Open(u32),
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    step: Step,
    /// The key that its object stands under.
    handle: u32,
    /// Needs met.
    met: u8,
}

#[derive(Debug)]
struct Flight {
    target: Target,
    sent: Timestamp,
    waiting: VecDeque<Waiter>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// An object stands under another key, or is gone.
    Changed(u32, u32),
    Replied(Place),
}

/// What an object stands under, and until when the last that asked for it finds its key without looking: keys only leave when
/// they are over age, and one that comes again lives longer.
#[derive(Clone, Copy, Debug)]
struct Object {
    handle: u32,
    /// The context that asked; [`NOBODY`] before.
    context: u32,
    last_at: Timestamp,
}

/// So many requests before one is taken its object is read.
const AHEAD: usize = 16;
/// No context.
const NOBODY: u32 = u32::MAX;

impl Object {
    const fn under(handle: u32) -> Self {
        Self { handle, context: NOBODY, last_at: Timestamp::ZERO }
    }

    /// The key that it stands under, where the population has it under `written`.
    #[inline]
    const fn key(self, written: u32) -> u32 {
        if self.handle == AS_WRITTEN { written } else { self.handle }
    }
}

/// The state of a cell.
#[derive(Debug)]
pub(super) struct Cell {
    limits: Limits,
    capacity: usize,
    kms: Kms,
    stream: Stream,
    /// Quotas that have throttled nothing yet, each with a KMS that counts against it.
    quotas: Vec<(u64, Kms)>,
    objects: Vec<Object>,
    seals: Vec<Seal>,
    opens: Vec<Open>,
    places: HashTable<u32>,
    /// Keys kept, by host: to seal under, to open with.
    kept: Vec<[usize; 2]>,
    flights: Slab<Flight>,
    queue: EventQueue<Event>,
    handles: u32,
    waiting: usize,
    waiting_max: usize,
    seconds: Vec<u64>,
    /// Whether a call of the second in which the measured part begins is measured.
    first_counts: bool,
    counts: Counts,
}

impl Cell {
    pub(super) fn new(
        limits: Limits,
        capacity: usize,
        kms: Kms,
        quotas: Vec<(u64, Kms)>,
        stream: Stream,
        hosts: u32,
    ) -> Self {
        Self {
            limits,
            capacity,
            kms,
            stream,
            quotas,
            objects: Vec::new(),
            seals: Vec::new(),
            opens: Vec::new(),
            places: HashTable::new(),
            kept: vec![[0; 2]; hosts.max(1) as usize],
            flights: Slab::new(),
            queue: EventQueue::new(),
            handles: NEW,
            waiting: 0,
            waiting_max: 0,
            seconds: Vec::new(),
            first_counts: false,
            counts: Counts::default(),
        }
    }

    /// Takes `steps` in due order.
    pub(super) fn take(&mut self, steps: &[Step], shared: &Shared) -> Result<(), Inexact> {
        self.seals.resize(shared.contexts.len(), Seal::default());
        self.objects.resize(shared.objects, Object::under(AS_WRITTEN));
        for (at, step) in steps.iter().enumerate() {
            // Of millions of objects most lie in main memory: read now what is asked for soon.
            if let Some(soon) = steps.get(at + AHEAD) {
                let object = self.objects.get(soon.object as usize);
                std::hint::black_box(object.map_or(NOBODY, |object| object.context));
            }
            // As in the run, what happens at the very instant of an arrival happens before it.
            while self.queue.next_at().is_some_and(|at| at <= step.due) {
                self.turn(shared)?;
            }
            self.arrive(step, shared)?;
        }
        Ok(())
    }

    /// What is still to happen after the last request, and what it all came to.
    pub(super) fn finish(mut self, shared: &Shared) -> Result<Counts, Inexact> {
        while self.queue.next_at().is_some() {
            self.turn(shared)?;
        }
        let from = shared.window.from.second();
        let counted = (0..)
            .zip(&self.seconds)
            .filter(|(second, _)| *second > from || (*second == from && self.first_counts));
        self.counts.peak_calls_per_s = counted.map(|(_, calls)| *calls).max().unwrap_or(0);
        self.counts.unthrottled = self.quotas.iter().map(|(quota, _)| *quota).collect();
        Ok(self.counts)
    }

    fn turn(&mut self, shared: &Shared) -> Result<(), Inexact> {
        match self.queue.pop() {
            Some((_, Event::Changed(object, handle))) => {
                if let Some(object) = self.objects.get_mut(object as usize) {
                    *object = Object::under(handle);
                }
                Ok(())
            }
            Some((now, Event::Replied(place))) => self.land(place, now, shared),
            None => Ok(()),
        }
    }

    #[inline]
    fn arrive(&mut self, step: &Step, shared: &Shared) -> Result<(), Inexact> {
        match step.kind {
            Kind::Get => {
                let Some(object) = self.objects.get(step.object as usize) else { return Ok(()) };
                if object.context == step.context && step.due <= object.last_at {
                    self.counts.hits += 1;
                    return Ok(());
                }
                let handle = object.key(step.written);
                self.begin(step, handle, shared)
            }
            Kind::Copy => {
                let Some(object) = self.objects.get(step.object as usize) else { return Ok(()) };
                let handle = object.key(step.written);
                self.begin(step, handle, shared)
            }
            Kind::Put if self.try_seal(step.context, step.bytes, step.due, shared)? => {
                self.counts.hits += 1;
                self.put(step, step.due);
                Ok(())
            }
            Kind::Put | Kind::Upload => self.begin(step, AS_WRITTEN, shared),
            Kind::Delete => {
                let gone = Event::Changed(step.object, MISSING);
                self.queue.push_effect(step.due + step.after, step.index, gone);
                Ok(())
            }
        }
    }

    /// The object of `step` will stand under the key that its context has now: sealing begins at `now`.
    #[inline]
    fn put(&mut self, step: &Step, now: Timestamp) {
        if step.object != MISSING {
            let changed = Event::Changed(step.object, self.seals[step.context as usize].handle);
            self.queue.push_effect(now + step.after, step.index, changed);
        }
    }

    #[inline(never)]
    fn begin(&mut self, step: &Step, handle: u32, shared: &Shared) -> Result<(), Inexact> {
        if handle == MISSING {
            return Ok(());
        }
        self.ask(Waiter { step: *step, handle, met: 0 }, false, step.due, shared)
    }

    /// Meets what `waiter` still needs, or parks it where it has to wait; `resumed` where it has waited for the first of it.
    fn ask(
        &mut self,
        mut waiter: Waiter,
        mut resumed: bool,
        now: Timestamp,
        shared: &Shared,
    ) -> Result<(), Inexact> {
        let Step { context, bytes, kind, .. } = waiter.step;
        loop {
            let target = match (kind, waiter.met) {
                (Kind::Put | Kind::Upload, 0) | (Kind::Copy, 1) => Target::Seal(context),
                (Kind::Get | Kind::Copy, 0) => Target::Open(self.find(context, waiter.handle)),
                _ => break,
            };
            let usable = match target {
                Target::Seal(context) => self.try_seal(context, bytes, now, shared)?,
                Target::Open(open) => self.try_open(open, &waiter, now, shared),
            };
            if !usable {
                return self.wait(waiter, target, now, shared);
            }
            *(if resumed { &mut self.counts.resumed } else { &mut self.counts.hits }) += 1;
            (resumed, waiter.met) = (false, waiter.met + 1);
        }
        if kind == Kind::Put {
            self.put(&waiter.step, now);
        }
        Ok(())
    }

    /// One use of the key to seal under, where there is one that may be used.
    #[inline]
    fn try_seal(
        &mut self,
        context: u32,
        bytes: u64,
        now: Timestamp,
        shared: &Shared,
    ) -> Result<bool, Inexact> {
        let seal = &mut self.seals[context as usize];
        if !seal.kept {
            return Ok(false);
        }
        if now > seal.last_at || seal.uses_left == 0 {
            seal.kept = false;
            self.kept[shared.contexts[context as usize] as usize][0] -= 1;
            return Ok(false);
        }
        seal.uses_left -= 1;
        seal.bytes += bytes;
        if seal.bytes > BYTES_DEFAULT {
            return Err(Inexact::Bytes);
        }
        self.counts.sealed_bytes += u128::from(bytes);
        self.counts.objects_per_key = self.counts.objects_per_key.max(self.limits.max_uses - seal.uses_left);
        self.counts.bytes_per_key = self.counts.bytes_per_key.max(seal.bytes);
        Ok(true)
    }

    /// Whether the key to open with may be used. Opening wears none out.
    fn try_open(&mut self, open: u32, waiter: &Waiter, now: Timestamp, shared: &Shared) -> bool {
        let open = &mut self.opens[open as usize];
        if open.kept && now > open.last_at {
            open.kept = false;
            self.kept[shared.contexts[open.context as usize] as usize][1] -= 1;
        }
        let object = &mut self.objects[waiter.step.object as usize];
        // It may have been written anew while the waiter waited.
        if open.kept && object.key(waiter.step.written) == open.handle {
            (object.context, object.last_at) = (open.context, open.last_at);
        }
        open.kept
    }

    /// Where the key `handle` of `context` stands among those to open with.
    #[inline(never)]
    fn find(&mut self, context: u32, handle: u32) -> u32 {
        let Self { opens, places, .. } = self;
        let alike = |&at: &u32| opens[at as usize].context == context && opens[at as usize].handle == handle;
        if let Some(&at) = places.find(place(context, handle), alike) {
            return at;
        }
        let at = u32::try_from(opens.len()).expect("fewer than 2³² keys");
        opens.push(Open { context, handle, last_at: Timestamp::ZERO, kept: false, flight: None });
        places.insert_unique(place(context, handle), at, |&at| {
            place(opens[at as usize].context, opens[at as usize].handle)
        });
        at
    }

    fn flight(&mut self, target: Target) -> &mut Option<Place> {
        match target {
            Target::Seal(context) => &mut self.seals[context as usize].flight,
            Target::Open(open) => &mut self.opens[open as usize].flight,
        }
    }

    /// Joins the flight for `target`, or leads one.
    #[inline(never)]
    fn wait(
        &mut self,
        waiter: Waiter,
        target: Target,
        now: Timestamp,
        shared: &Shared,
    ) -> Result<(), Inexact> {
        self.waiting += 1;
        self.waiting_max = self.waiting_max.max(self.waiting);
        // Those that wait, those that waited within the time that a request takes after it, and those due in that time.
        if 2 * self.waiting_max + shared.passing > shared.in_flight_max {
            return Err(Inexact::InFlight);
        }
        if let Some(place) = *self.flight(target) {
            self.counts.joins += 1;
            let flight = self.flights.at(place).expect("a flight stays until it lands");
            flight.waiting.push_back(waiter);
            return Ok(());
        }
        self.counts.misses += 1;
        let place = self.flights.insert(Flight { target, sent: now, waiting: VecDeque::from([waiter]) });
        *self.flight(target) = Some(place);
        let operation = match target {
            Target::Seal(_) => kms::Operation::GenerateDataKey,
            // Scenarios do not rotate keys: there is one material.
            Target::Open(_) => kms::Operation::Decrypt { material: 0, named: None },
        };
        let principal = &shared.directory.principals[waiter.step.principal as usize];
        let call = kms::Call::new(operation, self.kms.keys[waiter.step.kms_key as usize], principal);
        let reply = self.kms.model.call(&call, now, &mut self.stream);
        let Answer::Granted(_) = reply.answer else { return Err(Inexact::Refused) };
        self.count(reply.billed, principal.account(), now, shared);
        let took = reply.reply_at.since(now);
        if took > WAIT_MAX_DEFAULT || took > self.limits.max_age {
            return Err(Inexact::Late);
        }
        self.queue.push(reply.reply_at, Event::Replied(place));
        Ok(())
    }

    /// Counts a call sent at `now`, as a recorder does, and against every quota.
    fn count(&mut self, billed: bool, account: &str, now: Timestamp, shared: &Shared) {
        let (second, counted) = (now.second(), now >= shared.window.from);
        self.counts.calls += 1;
        if counted {
            self.counts.measured_calls += 1;
            self.first_counts |= second == shared.window.from.second();
            if shared.window.contains(now) {
                self.counts.calls_in_window += 1;
                self.counts.billed_in_window += u64::from(billed);
            }
        }
        let second = usize::try_from(second).expect("a run has fewer seconds than memory");
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, 0);
        }
        self.seconds[second] += 1;
        self.quotas.retain(|(_, kms)| kms.model.pool(account).is_some_and(|pool| pool.admit(1, now).is_ok()));
    }

    fn land(&mut self, place: Place, now: Timestamp, shared: &Shared) -> Result<(), Inexact> {
        let Flight { target, sent, mut waiting } = self.flights.take(place).expect("a flight lands once");
        *self.flight(target) = None;
        let last_at = sent + self.limits.max_age;
        let (context, side) = match target {
            Target::Seal(context) => {
                self.handles += 1;
                let (uses_left, handle) = (self.limits.max_uses, self.handles);
                self.seals[context as usize] =
                    Seal { last_at, uses_left, bytes: 0, handle, kept: true, flight: None };
                (context, 0)
            }
            Target::Open(open) => {
                let open = &mut self.opens[open as usize];
                (open.last_at, open.kept) = (last_at, true);
                (open.context, 1)
            }
        };
        let kept = &mut self.kept[shared.contexts[context as usize] as usize][side];
        *kept += 1;
        if *kept > self.capacity {
            return Err(Inexact::Capacity);
        }
        while let Some(waiter) = waiting.pop_front() {
            self.waiting -= 1;
            self.ask(waiter, true, now, shared)?;
            if let Some(next) = *self.flight(target) {
                // The key is spent: all that are left join the next flight at once.
                self.counts.joins += waiting.len() as u64;
                self.flights.at(next).expect("it has just begun").waiting.append(&mut waiting);
            }
        }
        Ok(())
    }
}

/// Where a key to open with is filed: a fixed multiply-and-fold, no random state.
#[inline]
fn place(context: u32, handle: u32) -> u64 {
    let word = u64::from(context) << 32 | u64::from(handle);
    let (low, high) = word.wrapping_add(0x9E37_79B9_7F4A_7C15).carrying_mul(0xD6E8_FEB8_6659_FD93, 0);
    low ^ high
}
