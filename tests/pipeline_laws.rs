//! Laws of the two machines, driven by hand: who waits for whom, who tries again, what a request costs.

use s3seal::cache::{self, CacheConfig, Failure, Local, Rules, UsageLimits};
use s3seal::kms::RetryPolicy;
use s3seal::pipeline::{
    Action, Core, Directory, Fetch, FetchAction, FetchInput, Input, Job, KeyHandle, Parking, Phase, Reply,
    Request, Settings, Standing, Tally, Woken,
};
use s3seal::request::{Ending, KeySource, KmsAnswer, KmsCall, Operation, Outcome, Principal, SseMode};
use s3seal::units::{Seed, Span, Timestamp};

type Keys = Local<KeyHandle>;
type Wake = (Parking, Woken<KeyHandle>, Tally);

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn core(settings: Settings) -> Core<Keys> {
    let rules = |limits| Rules::new(CacheConfig::new(limits)).unwrap();
    let age = Span::from_seconds(60);
    let make = |rules, generations| Ok(Local::new(rules, generations));
    let cache =
        cache::Core::new(rules(UsageLimits::of_age(age)), rules(UsageLimits::memo(age)), make).unwrap();
    let directory = Directory {
        principals: vec![Principal::new("111122223333", "r", "s"), Principal::new("111122223333", "q", "s")],
        buckets: vec!["b".into()],
        kms_keys: vec![ARN.parse().unwrap()],
    };
    Core::new(settings, 1, vec![cache], directory, Seed(1), 0).unwrap()
}

fn cached() -> Settings {
    Settings { retry: RetryPolicy::NONE, ..Settings::new(SseMode::KmsCached) }
}

fn job(operation: Operation) -> Job {
    Job {
        due: Timestamp::ZERO,
        operation,
        object: 1,
        bytes: 100,
        body: 100,
        parts: (0, 0),
        host: 0,
        bucket: 0,
        prefix: 0,
        kms_key: 0,
        principal: 0,
    }
}

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

const HELD: Standing = Standing::Under(KeyHandle(5));

/// What a step of a request led to.
#[derive(Debug)]
enum Next {
    Parked(Parking, Timestamp),
    Waiting(Timestamp),
    Busy(Phase),
    Over(Outcome),
}

fn step(
    core: &mut Core<Keys>,
    request: &mut Request<KeyHandle>,
    input: Input<KeyHandle>,
    now: Timestamp,
) -> (Option<Next>, Vec<Fetch>) {
    let mut out = Vec::new();
    request.step(core, input, now, &mut out);
    let (mut next, mut fetches) = (None, Vec::new());
    for action in out {
        let own = match action {
            Action::Spawn(fetch) => {
                fetches.push(fetch);
                continue;
            }
            Action::Park(parking, deadline) => Next::Parked(parking, deadline),
            Action::WaitUntil(at) => Next::Waiting(at),
            Action::Do { phase, .. } => Next::Busy(phase),
            Action::Done(outcome) => Next::Over(outcome),
        };
        assert!(next.replace(own).is_none(), "one action concerns the request");
    }
    (next, fetches)
}

/// A step of a fetch: the calls' rows, when it comes back, whom it wakes.
fn fly(
    core: &mut Core<Keys>,
    fetch: &mut Fetch,
    input: FetchInput<KeyHandle>,
    now: Timestamp,
) -> (Vec<KmsCall>, Option<Timestamp>, Option<Wake>) {
    let mut out = Vec::new();
    fetch.step(core, input, now, &mut out);
    let (mut rows, mut again, mut wake) = (Vec::new(), None, None);
    for action in out {
        match action {
            FetchAction::Call(_) => {}
            FetchAction::WaitUntil(at) => again = Some(at),
            FetchAction::Called(row) => rows.push(row),
            FetchAction::Wake(parking, woken, tally) => wake = Some((parking, woken, tally)),
        }
    }
    (rows, again, wake)
}

fn granted(handle: u64) -> FetchInput<KeyHandle> {
    FetchInput::Reply(Reply { result: Ok(KeyHandle(handle)), billed: true })
}

fn refused(failure: Failure) -> FetchInput<KeyHandle> {
    FetchInput::Reply(Reply { result: Err(failure), billed: false })
}

#[test]
#[expect(clippy::drop_non_drop, reason = "says that the request is gone")]
fn a_request_that_is_gone_strands_nobody() {
    let mut core = core(cached());
    let mut leader = Request::new(job(Operation::PutObject));
    let (next, mut fetches) = step(&mut core, &mut leader, Input::Go(HELD), at(0));
    let Some(Next::Parked(parking, _)) = next else { panic!("{next:?}") };
    let mut fetch = fetches.pop().unwrap();
    fly(&mut core, &mut fetch, FetchInput::Go, at(0));
    let mut joins = Request::new(job(Operation::PutObject));
    let (next, fetches) = step(&mut core, &mut joins, Input::Go(HELD), at(1));
    assert!(matches!(next, Some(Next::Parked(p, _)) if p == parking) && fetches.is_empty());
    assert!(joins.is_flying(&mut core, parking));
    drop(leader);
    let (rows, _, wake) = fly(&mut core, &mut fetch, granted(7), at(5));
    assert_eq!(
        (rows.len(), rows[0].answer, rows[0].cause),
        (1, KmsAnswer::Granted, Some(Operation::PutObject))
    );
    assert!(!joins.is_flying(&mut core, parking));
    let (_, woken, tally) = wake.unwrap();
    let (next, _) = step(&mut core, &mut joins, Input::Landed(woken, tally), at(5));
    assert!(matches!(next, Some(Next::Busy(Phase::Seal))), "{next:?}");
    assert!(joins.is_settled());
}

#[test]
fn a_call_counts_for_the_request_that_led() {
    let mut core = core(cached());
    let mut requests = [0, 1].map(|_| Request::new(job(Operation::PutObject)));
    let (_, mut fetches) = step(&mut core, &mut requests[0], Input::Go(HELD), at(0));
    step(&mut core, &mut requests[1], Input::Go(HELD), at(0));
    let fetch = &mut fetches[0];
    fly(&mut core, fetch, FetchInput::Go, at(0));
    let (_, _, wake) = fly(&mut core, fetch, granted(7), at(5));
    let (_, woken, tally) = wake.unwrap();
    let outcomes = requests.each_mut().map(|request| {
        let (mut next, _) = step(&mut core, request, Input::Landed(woken.clone(), tally), at(5));
        while !matches!(next, Some(Next::Over(_))) {
            (next, _) = step(&mut core, request, Input::Completed { took: Span::from_millis(1) }, at(6));
        }
        let Some(Next::Over(outcome)) = next else { unreachable!() };
        outcome
    });
    assert_eq!(outcomes.map(|o| o.kms_calls), [1, 0]);
    assert_eq!(outcomes.map(|o| o.key_source), [KeySource::Fetched, KeySource::Joined]);
    assert_eq!(outcomes.map(|o| o.kms_wait), [Span::from_millis(5); 2]);
    // Seal, write, serve: a millisecond each.
    assert_eq!(outcomes.map(|o| [o.crypto, o.store, o.s3]), [[Span::from_millis(1); 3]; 2]);
}

#[test]
fn a_denial_fails_everyone_who_waits_and_the_next_without_a_call() {
    let mut core = core(cached());
    let mut first = Request::new(job(Operation::GetObject));
    let (_, mut fetches) = step(&mut core, &mut first, Input::Go(HELD), at(0));
    fly(&mut core, &mut fetches[0], FetchInput::Go, at(0));
    let (rows, _, wake) = fly(&mut core, &mut fetches[0], refused(Failure::Denied), at(5));
    assert_eq!(rows[0].answer, KmsAnswer::Refused);
    let (_, woken, tally) = wake.unwrap();
    let (next, _) = step(&mut core, &mut first, Input::Landed(woken, tally), at(5));
    assert!(
        matches!(next, Some(Next::Over(o)) if o.ending == Ending::Denied && o.kms_calls == 1),
        "{next:?}"
    );
    let mut second = Request::new(job(Operation::GetObject));
    let (next, fetches) = step(&mut core, &mut second, Input::Go(HELD), at(6));
    assert!(
        matches!(next, Some(Next::Over(o)) if o.ending == Ending::Denied && o.kms_calls == 0),
        "{next:?}"
    );
    assert!(fetches.is_empty());
    // Another principal has a fate of its own.
    let mut other = Request::new(Job { principal: 1, ..job(Operation::GetObject) });
    let (next, fetches) = step(&mut core, &mut other, Input::Go(HELD), at(6));
    assert!(matches!(next, Some(Next::Parked(..))) && fetches.len() == 1);
}

#[test]
fn the_kms_client_tries_again_inside_the_fetch() {
    let mut core = core(Settings::new(SseMode::KmsCached));
    let mut request = Request::new(job(Operation::PutObject));
    let (_, mut fetches) = step(&mut core, &mut request, Input::Go(HELD), at(0));
    let fetch = &mut fetches[0];
    let throttled = Failure::Throttled { earliest: at(1_000) };
    fly(&mut core, fetch, FetchInput::Go, at(0));
    let (_, again, wake) = fly(&mut core, fetch, refused(throttled), at(5));
    assert!(wake.is_none(), "nobody hears of it yet");
    fly(&mut core, fetch, FetchInput::Go, again.unwrap());
    let (_, _, wake) = fly(&mut core, fetch, granted(7), again.unwrap() + Span::from_millis(5));
    let (_, woken, tally) = wake.unwrap();
    assert_eq!(tally, Tally { calls: 2, throttles: 1, retries: 1 });
    let (next, _) =
        step(&mut core, &mut request, Input::Landed(woken, tally), again.unwrap() + Span::from_millis(5));
    assert!(matches!(next, Some(Next::Busy(Phase::Seal))));
}

#[test]
fn the_s3_client_begins_again_at_the_first_call_after_s3_has_answered() {
    let mut core = core(Settings::new(SseMode::SseKmsBucketKey));
    let mut request = Request::new(job(Operation::CopyObject));
    let (_, mut fetches) = step(&mut core, &mut request, Input::Go(HELD), at(0));
    assert_eq!(fetches[0].call().handle, Some(KeyHandle(5)), "first the source");
    let fetch = &mut fetches[0];
    fly(&mut core, fetch, FetchInput::Go, at(0));
    let (_, _, wake) = fly(&mut core, fetch, granted(5), at(5));
    let (_, woken, tally) = wake.unwrap();
    let (next, mut fetches) = step(&mut core, &mut request, Input::Landed(woken, tally), at(5));
    assert!(matches!(next, Some(Next::Parked(..))), "then the target: {next:?}");
    let fetch = &mut fetches[0];
    fly(&mut core, fetch, FetchInput::Go, at(5));
    let throttled = Failure::Throttled { earliest: at(1_000) };
    let (_, again, wake) = fly(&mut core, fetch, refused(throttled), at(10));
    assert!(again.is_none(), "S3 does not call again");
    let (_, woken, tally) = wake.unwrap();
    let (next, _) = step(&mut core, &mut request, Input::Landed(woken, tally), at(10));
    assert!(matches!(next, Some(Next::Busy(Phase::Serve))), "{next:?}");
    assert!(!request.is_settled());
    let (next, _) = step(&mut core, &mut request, Input::Completed { took: Span::from_millis(30) }, at(40));
    let Some(Next::Waiting(again)) = next else { panic!("{next:?}") };
    // The object is another by now: what it stands under is asked for again.
    let (next, fetches) =
        step(&mut core, &mut request, Input::Go(Standing::Under(KeyHandle(6))), again.max(at(2_000)));
    assert!(matches!(next, Some(Next::Parked(..))));
    assert_eq!(fetches[0].call().handle, Some(KeyHandle(6)));
}

#[test]
fn a_paced_request_waits_without_a_call_until_kms_accepts_again() {
    let mut core = core(Settings::new(SseMode::KmsCached));
    let mut first = Request::new(job(Operation::PutObject));
    let (_, mut fetches) = step(&mut core, &mut first, Input::Go(HELD), at(0));
    let throttled = Failure::Throttled { earliest: at(60_000) };
    let mut now = at(0);
    // Three attempts of the KMS client, then it gives up.
    let wake = loop {
        fly(&mut core, &mut fetches[0], FetchInput::Go, now);
        let (_, again, wake) = fly(&mut core, &mut fetches[0], refused(throttled), now);
        match again {
            Some(at) => now = at,
            None => break wake.unwrap(),
        }
    };
    assert_eq!(wake.2, Tally { calls: 3, throttles: 3, retries: 2 });
    let mut second = Request::new(job(Operation::PutObject));
    let (next, fetches) = step(&mut core, &mut second, Input::Go(HELD), now);
    assert!(matches!(next, Some(Next::Waiting(until)) if until >= at(60_000)), "{next:?}");
    assert!(fetches.is_empty());
    let (next, fetches) = step(&mut core, &mut second, Input::Go(HELD), at(60_000));
    assert!(matches!(next, Some(Next::Parked(..))) && fetches.len() == 1);
}

#[test]
fn a_request_fails_at_its_deadline_and_ignores_what_comes_later() {
    let mut core = core(cached());
    let mut request = Request::new(job(Operation::GetObject));
    let (next, mut fetches) = step(&mut core, &mut request, Input::Go(HELD), at(0));
    let Some(Next::Parked(_, deadline)) = next else { panic!("{next:?}") };
    fly(&mut core, &mut fetches[0], FetchInput::Go, at(0));
    let (next, _) = step(&mut core, &mut request, Input::Expired, deadline);
    assert!(
        matches!(next, Some(Next::Over(o)) if o.ending == Ending::Failed && o.kms_wait == deadline.since(at(0)))
    );
    let (_, _, wake) = fly(&mut core, &mut fetches[0], granted(5), deadline);
    let (_, woken, tally) = wake.unwrap();
    assert!(step(&mut core, &mut request, Input::Landed(woken, tally), deadline).0.is_none());
}

#[test]
fn what_is_not_there_is_not_decrypted() {
    for mode in SseMode::ALL {
        let mut core = core(Settings::new(mode));
        let mut request = Request::new(job(Operation::GetObject));
        let (next, fetches) = step(&mut core, &mut request, Input::Go(Standing::Missing), at(0));
        assert!(matches!(next, Some(Next::Busy(Phase::Serve))) && fetches.is_empty(), "{mode}");
        let (next, _) = step(&mut core, &mut request, Input::Completed { took: Span::ZERO }, at(0));
        assert!(matches!(next, Some(Next::Over(o)) if o.ending == Ending::Failed && o.bytes == 0), "{mode}");
        assert!(matches!(next, Some(Next::Over(o)) if o.s3_requests == 1), "{mode}: S3 bills a 404");
    }
}

#[test]
fn a_body_that_does_not_open_ends_its_request() {
    let mut core = core(Settings::new(SseMode::SseS3));
    let mut request = Request::new(job(Operation::GetObject));
    step(&mut core, &mut request, Input::Go(HELD), at(0));
    let (next, _) = step(&mut core, &mut request, Input::Completed { took: Span::ZERO }, at(1));
    assert!(matches!(next, Some(Next::Busy(Phase::Open))));
    let (next, _) = step(&mut core, &mut request, Input::Broken { took: Span::from_millis(1) }, at(2));
    assert!(
        matches!(next, Some(Next::Over(o)) if o.ending == Ending::Failed && o.crypto == Span::from_millis(1))
    );
}

#[test]
fn a_key_of_a_cached_upload_stays_in_the_clients_hand() {
    let mut core = core(cached());
    let mut upload = Request::new(Job { parts: (2, 50), body: 0, ..job(Operation::CreateMultipartUpload) });
    let (_, mut fetches) = step(&mut core, &mut upload, Input::Go(HELD), at(0));
    fly(&mut core, &mut fetches[0], FetchInput::Go, at(0));
    let (_, _, wake) = fly(&mut core, &mut fetches[0], granted(7), at(5));
    let (_, woken, tally) = wake.unwrap();
    let mut out = Vec::new();
    upload.step(&mut core, Input::Landed(woken, tally), at(5), &mut out);
    let mut seen = Vec::new();
    loop {
        match out.pop().unwrap() {
            Action::Do { phase, operation, bytes, key } => seen.push((operation, phase, bytes, key)),
            Action::Done(outcome) => {
                assert_eq!((outcome.bytes, outcome.kms_calls, outcome.ending), (100, 1, Ending::Succeeded));
                break;
            }
            other => panic!("{other:?}"),
        }
        upload.step(&mut core, Input::Completed { took: Span::ZERO }, at(6), &mut out);
    }
    let key = Some(KeyHandle(7));
    let part = |phase, key| (Operation::UploadPart, phase, 50, key);
    let parts = [part(Phase::Seal, key), part(Phase::Write, key), part(Phase::Serve, None)];
    let mut expected = vec![(Operation::CreateMultipartUpload, Phase::Serve, 0, None)];
    expected.extend(parts);
    expected.extend(parts);
    expected.push((Operation::CompleteMultipartUpload, Phase::Touch, 0, key));
    expected.push((Operation::CompleteMultipartUpload, Phase::Serve, 0, None));
    assert_eq!(seen, expected);
}
