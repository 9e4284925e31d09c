//! The run: arrivals and events in one order, from the first due time to the last row.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::abreast::Rows;
use super::entry::Auditor;
use super::fast::Walks;
use super::object::{FIRST_NEW_HANDLE, OBJECTS_MAX, Objects};
use super::option::{Options, Run};
use crate::cache::{self, Cache, Failure};
use crate::kms::{self, Answer};
use crate::pipeline::{
    Action, Call, Core, Fetch, FetchAction, FetchInput, Input, Job, KeyHandle, Need, Parking, Phase, Reply,
    Request, Standing, Tally, Woken, failure_of, is_cached, is_service_side, reads,
};
use crate::report::Sink;
use crate::request::{Operation, SseMode};
use crate::rig::{self, EventQueue, Kms, Place, RigError, S3Times, Slab, Stalls};
use crate::units::{Span, Stream, Timestamp};
use crate::workload::{Arrival, FleetStart, Placement, Scenario, Source, Stop};

/// So many requests may be under way before the simulator looks which of them have ended.
const ROOM_MIN: usize = 1_024;

pub(super) fn simulation<'s, C, S>(
    source: &Source,
    mode: SseMode,
    options: &Options,
    sink: &'s mut S,
    audit: Auditor<'s>,
    make: impl Fn(cache::Rules, Arc<cache::Generations>) -> Result<C, cache::ConfigError> + Copy,
) -> Result<Simulation<'s, C, S>, RigError>
where
    C: Cache<Key = KeyHandle, Material = KeyHandle> + Send,
    S: Sink + Send,
{
    let scenario = source.scenario();
    let followed = is_cached(mode) || source.makes_objects();
    if followed && scenario.objects.count > OBJECTS_MAX {
        let (field, value) = ("objects.count".into(), scenario.objects.count.to_string());
        return Err(RigError { field, value, expected: "at most 268,435,456 in this mode".into() });
    }
    let directory = rig::directory(scenario, &source.naming())?;
    let settings = rig::settings(scenario, mode);
    let kms = rig::kms(scenario, mode, options.quota, &directory)?;
    let (seal, open) = rig::rules(scenario, mode)?;
    let hosts = scenario.fleet.hosts;
    let caches = (0..Core::<C>::caches(mode, hosts))
        .map(|_| cache::Core::new(seal.clone(), open.clone(), make))
        .collect::<Result<Vec<_>, _>>()
        .expect("rules that were accepted make a cache");
    let mut core = Core::new(settings, hosts, caches, directory, scenario.seed(), 0)?;
    if scenario.s3.prefix_limits {
        core = core.with_prefix_limits();
    }
    let (s3, stalls) = (S3Times::new(scenario), Stalls::new(scenario));
    Ok(Simulation {
        objects: Objects::new(source, mode, settings.bucket_key.lifetime),
        core,
        kms_stream: scenario.seed().stream("kms", 0),
        kms,
        kms_calls: 0,
        next_handle: FIRST_NEW_HANDLE,
        layers: if mode == SseMode::DsseKms { 2 } else { 1 },
        service_side: is_service_side(mode),
        // A client learns of an end when it comes.
        options: Options { run_ahead: options.run_ahead && options.concurrency.is_none(), ..*options },
        idle: options.concurrency.unwrap_or(0),
        walks: Walks::default(),
        is_steady: s3.is_zero() && stalls.is_empty(),
        s3,
        stalls,
        queue: EventQueue::new(),
        running: Slab::new(),
        fetches: Slab::new(),
        parked: BTreeMap::new(),
        deadlines: VecDeque::new(),
        ahead: Vec::new(),
        roomy: 0,
        actions: Vec::new(),
        fetch_actions: Vec::new(),
        ended: Timestamp::ZERO,
        requests: 0,
        rows: Rows::new(sink),
        audit,
    })
}

/// A request and what the driver knows of it.
#[derive(Debug)]
struct Running {
    request: Request<KeyHandle>,
    /// Its number in the schedule.
    index: u64,
    /// Times that S3 served it.
    serves: u32,
}

/// What a phase changes when it is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect {
    object: u64,
    /// Under which key the object then stands; none: it is gone.
    handle: Option<KeyHandle>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// An effect of a request that has run ahead.
    Changed(Effect),
    /// A phase is done, with its effect.
    Completed(Place, Span, Option<Effect>),
    /// A request has waited.
    Go(Place),
    /// A fetch has waited.
    FetchGo(Place),
    /// KMS answered.
    Replied(Place, Result<KeyHandle, Failure>, bool),
    /// A host starts anew; so does the next one an interval later.
    Restart(u32, Span),
    /// All hosts start anew.
    ColdStart,
}

pub(super) struct Simulation<'s, C: Cache, S> {
    pub(super) core: Core<C>,
    pub(super) objects: Objects,
    kms: Kms,
    kms_stream: Stream,
    kms_calls: u64,
    next_handle: u64,
    layers: u64,
    service_side: bool,
    options: Options,
    /// Of a closed loop, the clients that wait for nothing.
    idle: u32,
    s3: S3Times,
    stalls: Stalls,
    /// Whether phases take the same time whenever they begin and whoever's they are.
    pub(super) is_steady: bool,
    pub(super) walks: Walks,
    pub(super) queue: EventQueue<Event>,
    running: Slab<Running>,
    fetches: Slab<Fetch>,
    /// In order of arrival.
    parked: BTreeMap<Parking, VecDeque<Place>>,
    /// When the next so many of those parked there give up. In order of time, since every wait is equally long; so who has
    /// been parked for longest gives up first.
    deadlines: VecDeque<(Timestamp, Parking, usize)>,
    /// When requests end that have run ahead; some may have ended already.
    pub(super) ahead: Vec<Timestamp>,
    /// With fewer than so many in `running` and `ahead` there is room; with more, `ahead` is looked through.
    roomy: usize,
    actions: Vec<Action<KeyHandle>>,
    fetch_actions: Vec<FetchAction<KeyHandle>>,
    pub(super) ended: Timestamp,
    pub(super) requests: u64,
    pub(super) rows: Rows<'s, S>,
    audit: Auditor<'s>,
}

impl<C, S> Simulation<'_, C, S>
where
    C: Cache<Key = KeyHandle, Material = KeyHandle> + Send,
    S: Sink + Send,
{
    pub(super) fn run(mut self, scenario: &Scenario, arrivals: impl Iterator<Item = Arrival> + Send) -> Run {
        let placement = scenario.s3.prefix_limits.then(|| Placement::new(scenario));
        let measured_from = Timestamp::ZERO + scenario.warm_up;
        let mut last_due = measured_from;
        if scenario.fleet.start == FleetStart::Cold {
            self.queue.push(measured_from, Event::ColdStart);
        }
        let end = match scenario.stop {
            Stop::Duration(duration) => Some(measured_from + duration),
            Stop::Operations(_) => None,
        };
        if let Some(every) = scenario.fleet.restart_every {
            self.queue.push(measured_from + every, Event::Restart(0, every));
        }
        match self.options.concurrency {
            None => last_due = self.open_loop(arrivals, placement.as_ref(), last_due),
            Some(_) => last_due = self.closed_loop(scenario, arrivals, end, placement.as_ref()),
        }
        while self.next_event().is_some() {
            self.turn(false);
        }
        Run {
            measured_from,
            measured_until: end.unwrap_or(last_due),
            ended: self.ended,
            requests: self.requests,
            kms_calls: self.kms_calls,
            quota_per_s: self.kms.quota_per_s,
            cache: self.core.metrics(),
            note: self.kms.note,
        }
    }

    /// Sends what the schedule has, but when a client is idle. Gives when the last request was sent.
    fn closed_loop(
        &mut self,
        scenario: &Scenario,
        mut arrivals: impl Iterator<Item = Arrival>,
        end: Option<Timestamp>,
        placement: Option<&Placement>,
    ) -> Timestamp {
        let mut left = match scenario.stop {
            Stop::Operations(count) => count,
            Stop::Duration(_) => u64::MAX,
        };
        let measured_from = Timestamp::ZERO + scenario.warm_up;
        let mut now = Timestamp::ZERO;
        loop {
            while self.idle > 0 && left > 0 && end.is_none_or(|end| now < end) {
                let Some(arrival) = arrivals.next() else { return now };
                self.idle -= 1;
                left -= u64::from(now >= measured_from);
                self.requests += 1;
                self.arrive(&Arrival { due: now, ..arrival }, placement);
            }
            match self.next_event() {
                Some(at) if left > 0 && end.is_none_or(|end| at < end) => {
                    now = at;
                    self.turn(true);
                }
                _ => return now,
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of one way, taken for nearly every simulated request")]
    pub(super) fn arrive(&mut self, arrival: &Arrival, placement: Option<&Placement>) {
        if self.is_full(arrival.due) {
            return self.turn_away(arrival, placement);
        }
        let job = rig::job(arrival, placement, self.core.hosts());
        if self.options.run_ahead && self.hit(&job, arrival.index) {
            return;
        }
        self.start(arrival, placement);
    }

    #[cold]
    fn turn_away(&mut self, arrival: &Arrival, placement: Option<&Placement>) {
        let job = rig::job(arrival, placement, self.core.hosts());
        self.rows.outcome(&job.dropped(arrival.due));
    }

    /// Begins what takes a machine. Makes its job anew, so that a hit's never has to stand in memory.
    #[inline(never)]
    fn start(&mut self, arrival: &Arrival, placement: Option<&Placement>) {
        let job = rig::job(arrival, placement, self.core.hosts());
        self.go(Running { request: Request::new(job), index: arrival.index, serves: 0 }, arrival.due);
    }

    /// Whether no request may start at `now`.
    #[inline]
    fn is_full(&mut self, now: Timestamp) -> bool {
        self.running.len() + self.ahead.len() >= self.roomy && self.look_for_room(now)
    }

    #[inline(never)]
    fn look_for_room(&mut self, now: Timestamp) -> bool {
        // In a closed loop the clients are the limit.
        let most = self.options.concurrency.map_or(self.options.in_flight_max, |_| usize::MAX);
        self.ahead.retain(|finished| *finished > now);
        let busy = self.running.len() + self.ahead.len();
        // Looks again when twice as many may be under way: often enough to keep the list short, which is in memory.
        self.roomy = busy.saturating_mul(2).max(ROOM_MIN).min(most);
        busy >= most
    }

    #[inline]
    pub(super) fn next_event(&self) -> Option<Timestamp> {
        let deadline = self.deadlines.front().map(|(at, ..)| *at);
        match (self.queue.next_at(), deadline) {
            (Some(event), Some(deadline)) => Some(event.min(deadline)),
            (event, deadline) => event.or(deadline),
        }
    }

    /// The next event; `arriving` while arrivals are left.
    pub(super) fn turn(&mut self, arriving: bool) {
        // An answer at the very deadline still counts.
        let deadline = self.deadlines.front().map(|(at, ..)| *at);
        if let Some(at) = deadline
            && self.queue.next_at().is_none_or(|event| at < event)
        {
            return self.expire();
        }
        let Some((now, event)) = self.queue.pop() else { return };
        match event {
            Event::Changed(effect) => self.objects.change(effect.object, effect.handle),
            Event::Completed(place, took, effect) => {
                if let Some(effect) = effect {
                    self.objects.change(effect.object, effect.handle);
                }
                let running = self.running.take(place).expect("a busy request stays");
                self.drive(running, Input::Completed { took }, now);
            }
            Event::Go(place) => {
                let running = self.running.take(place).expect("a waiting request stays");
                self.go(running, now);
            }
            Event::FetchGo(place) => self.fetch(place, FetchInput::Go, now),
            Event::Replied(place, result, billed) => {
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

    fn expire(&mut self) {
        let Some((now, parking, count)) = self.deadlines.front_mut() else { return };
        let (now, parking) = (*now, *parking);
        *count -= 1;
        let Some(parked) = self.parked.get_mut(&parking) else {
            // They have been woken.
            self.deadlines.pop_front();
            return;
        };
        if *count == 0 {
            self.deadlines.pop_front();
        }
        let Some(place) = parked.pop_front() else { return };
        if parked.is_empty() {
            self.parked.remove(&parking);
        }
        if let Some(running) = self.running.take(place) {
            self.drive(running, Input::Expired, now);
        }
    }

    fn go(&mut self, running: Running, now: Timestamp) {
        let standing = self.standing(running.request.job());
        self.drive(running, Input::Go(standing), now);
    }

    /// What the object of `job` stands under, where it matters.
    #[inline]
    pub(super) fn standing(&mut self, job: &Job) -> Standing {
        if reads(job.operation) { self.objects.standing(job.object) } else { Standing::Under(KeyHandle(0)) }
    }

    /// Feeds a request until it waits for something or is over. Gives the flight that it waits for.
    fn drive(
        &mut self,
        mut running: Running,
        mut input: Input<KeyHandle>,
        mut now: Timestamp,
    ) -> Option<Parking> {
        let mut ahead = false;
        loop {
            let mut actions = std::mem::take(&mut self.actions);
            running.request.step(&mut self.core, input, now, &mut actions);
            let mut own = None;
            for action in actions.drain(..) {
                match action {
                    Action::Spawn(fetch) => {
                        let place = self.fetches.insert(fetch);
                        self.fetch(place, FetchInput::Go, now);
                    }
                    action => own = Some(action),
                }
            }
            self.actions = actions;
            match own.expect("a step says what the request does next") {
                Action::Do { phase, operation, bytes, key } => {
                    let took = self.time(phase, operation, bytes, running.index, &mut running.serves, now);
                    let done = now + took;
                    let effect = self.effect(phase, operation, key, running.request.job().object);
                    ahead |= self.options.run_ahead && running.request.is_settled();
                    if !ahead && took > Span::ZERO {
                        let index = running.index;
                        let place = self.running.insert(running);
                        let event = Event::Completed(place, took, effect);
                        match effect {
                            Some(_) => self.queue.push_effect(done, index, event),
                            None => self.queue.push(done, event),
                        }
                        return None;
                    }
                    if let Some(effect) = effect {
                        if ahead {
                            self.queue.push_effect(done, running.index, Event::Changed(effect));
                        } else {
                            self.objects.change(effect.object, effect.handle);
                        }
                    }
                    now = done;
                    input = Input::Completed { took };
                }
                Action::Park(parking, deadline) => {
                    let place = self.running.insert(running);
                    self.parked.entry(parking).or_default().push_back(place);
                    self.expect_until(deadline, parking, 1);
                    return Some(parking);
                }
                Action::WaitUntil(at) => {
                    let place = self.running.insert(running);
                    self.queue.push(at, Event::Go(place));
                    return None;
                }
                Action::Done(outcome) => {
                    if ahead {
                        self.ahead.push(outcome.finished);
                    }
                    self.idle += u32::from(self.options.concurrency.is_some());
                    self.ended = self.ended.max(outcome.finished);
                    self.rows.outcome(&outcome);
                    return None;
                }
                Action::Spawn(_) => unreachable!("spawned above"),
            }
        }
    }

    /// How long a phase of arrival `index` takes that begins at `now`; `serves` counts what S3 served of it.
    #[inline]
    pub(super) fn time(
        &self,
        phase: Phase,
        operation: Operation,
        bytes: u64,
        index: u64,
        serves: &mut u32,
        now: Timestamp,
    ) -> Span {
        match phase {
            Phase::Seal | Phase::Open => self.options.crypto.of(bytes).saturating_mul(self.layers),
            Phase::Read | Phase::Write => self.stalls.wait(now) + self.options.store.of(bytes),
            Phase::Touch => self.stalls.wait(now) + self.options.store.of(0),
            Phase::Serve => {
                *serves += 1;
                self.s3.of(index, *serves, operation, bytes)
            }
        }
    }

    /// What the end of a phase changes about `object`, where that matters.
    #[inline]
    pub(super) fn effect(
        &self,
        phase: Phase,
        operation: Operation,
        key: Option<KeyHandle>,
        object: u64,
    ) -> Option<Effect> {
        if !self.objects.are_followed() {
            return None;
        }
        match (phase, operation) {
            (Phase::Write, Operation::PutObject) => {
                Some(Effect { object, handle: Some(key.unwrap_or(KeyHandle(0))) })
            }
            (Phase::Touch, Operation::DeleteObject) => Some(Effect { object, handle: None }),
            _ => None,
        }
    }

    fn fetch(&mut self, place: Place, input: FetchInput<KeyHandle>, now: Timestamp) {
        let mut actions = std::mem::take(&mut self.fetch_actions);
        let fetch = self.fetches.at(place).expect("a fetch stays until it lands");
        fetch.step(&mut self.core, input, now, &mut actions);
        let mut wake = None;
        for action in actions.drain(..) {
            match action {
                FetchAction::Call(call) => self.call(place, &call, now),
                FetchAction::WaitUntil(at) => self.queue.push(at, Event::FetchGo(place)),
                FetchAction::Called(row) => self.rows.kms_call(&row),
                FetchAction::Wake(parking, woken, tally) => wake = Some((parking, woken, tally)),
            }
        }
        self.fetch_actions = actions;
        if let Some((parking, woken, tally)) = wake {
            self.fetches.take(place);
            self.wake(parking, &woken, tally, now);
        }
    }

    fn wake(&mut self, parking: Parking, woken: &Woken<KeyHandle>, tally: Tally, now: Timestamp) {
        let mut waiting = self.parked.remove(&parking).unwrap_or_default();
        while let Some(place) = waiting.pop_front() {
            let Some(running) = self.running.take(place) else { continue };
            let next = self.drive(running, Input::Landed(woken.clone(), tally), now);
            if let Some(next) = next
                && self.is_for_the_same(parking, next, &waiting)
                && let Some(deadline) = self.core.rejoin(next, waiting.len() as u64, now)
            {
                // The key is spent and the next one on its way: all that are left would be told to wait for it, one by one,
                // and again when it lands.
                self.expect_until(deadline, next, waiting.len());
                self.parked.entry(next).or_default().append(&mut waiting);
            }
        }
    }

    /// Whether `next`, where a request that waited for `parking` waits now, brings the key that those still `waiting` want.
    fn is_for_the_same(&mut self, parking: Parking, next: Parking, waiting: &VecDeque<Place>) -> bool {
        let alike = (next.cache, next.decrypt) == (parking.cache, parking.decrypt);
        let first = waiting.front().filter(|_| alike).and_then(|place| self.running.at(*place));
        first.is_some_and(|running| running.request.is_flying(&mut self.core, next))
    }

    /// Another `count` of those parked at `parking` give up at `deadline`.
    fn expect_until(&mut self, deadline: Timestamp, parking: Parking, count: usize) {
        debug_assert!(self.deadlines.back().is_none_or(|(last, ..)| *last <= deadline));
        self.deadlines.push_back((deadline, parking, count));
    }

    fn call(&mut self, place: Place, call: &Call, now: Timestamp) {
        let operation = match call.need {
            Need::Generate => kms::Operation::GenerateDataKey,
            // Scenarios do not rotate keys: there is one material.
            Need::Decrypt | Need::DecryptUpload => kms::Operation::Decrypt { material: 0, named: None },
        };
        let principal = &self.core.directory().principals[call.principal as usize];
        let key = self.kms.keys[call.kms_key as usize];
        let asked = kms::Call { via_s3: self.service_side, ..kms::Call::new(operation, key, principal) };
        let reply = match &mut self.audit {
            None => self.kms.model.call(&asked, now, &mut self.kms_stream),
            Some(audit) => {
                self.kms.model.audited(&asked, now, &mut self.kms_stream, |event| audit(call, event))
            }
        };
        self.kms_calls += 1;
        let result = match reply.answer {
            Answer::Granted(_) => Ok(call.handle.unwrap_or_else(|| {
                self.next_handle += 1;
                KeyHandle(self.next_handle)
            })),
            Answer::Throttled(throttled) => Err(Failure::Throttled { earliest: throttled.earliest }),
            Answer::Failed(error) => Err(failure_of(&error)),
        };
        self.queue.push(reply.reply_at, Event::Replied(place, result, reply.billed));
    }
}
