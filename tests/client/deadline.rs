//! One timer for all who wait: deadlines to the millisecond, runtimes that end or stand still, and no timer left behind.

use std::sync::Arc;
use std::time::Duration;

use s3seal::DataKeyCache;
use s3seal::client::{KeyError, KeyRequest};
use s3seal::units::Span;
use tokio::runtime::{self, Handle, Runtime};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::stub::{Answer, Stub, arn, assert_quiet, builder, refused_after, request};

fn runtime() -> Runtime {
    runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// A cache whose service hangs, made on `runtime`'s clock.
fn hanging(runtime: &Runtime, wait_max: Span) -> (Arc<Stub>, DataKeyCache, KeyRequest) {
    let kms = Stub::new(0);
    kms.say(std::iter::repeat_n(Answer::Hang, 9));
    let _inside = runtime.enter();
    let hour = Span::from_seconds(3_600);
    let cache = builder(&kms).wait_max(wait_max).call_max(hour).build().unwrap();
    let request = request(&cache);
    (kms, cache, request)
}

#[tokio::test(start_paused = true)]
async fn each_waiter_gives_up_at_its_own_deadline_whatever_the_order_in_which_they_parked() {
    let kms = Stub::new(5_000);
    kms.say([Answer::Key, Answer::Hang]);
    let cache = builder(&kms).call_max(Span::from_seconds(60)).build().unwrap();
    let request = request(&cache);
    // All park at the first flight in order, and at the second, which hangs from second 5 to 15, in any.
    let tasks = [4, 0, 3, 1, 2].map(|late| refused_after(&cache, &request, late));
    sleep(Duration::from_millis(4_500)).await;
    cache.invalidate(&arn());
    for task in tasks {
        let (error, waited) = task.await.unwrap();
        assert!(matches!(error, KeyError::DeadlineExceeded { .. }), "{error:?}");
        // A timer of tokio ends up to 1 ms late.
        let late = waited.checked_sub(Duration::from_secs(10)).expect("not before its deadline");
        assert!(late <= Duration::from_millis(1), "{waited:?}");
    }
    assert_eq!((cache.snapshot().expired, kms.calls()), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn no_timer_is_left_when_all_have_gone_or_been_served() {
    let kms = Stub::new(1_000);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let alive = || Handle::current().metrics().num_alive_tasks();
    let ask = || {
        let (cache, request) = (cache.clone(), request.clone());
        tokio::spawn(async move { cache.encrypt_key(&request, Some(1)).await.is_ok() })
    };
    let waiting = [ask(), ask(), ask()];
    sleep(Duration::from_millis(1)).await;
    assert_eq!(alive(), 5, "three who wait, their fetch and their timer");
    for task in waiting {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    yield_now().await;
    assert_eq!(alive(), 1, "the fetch");
    // Whoever comes now has a timer again.
    let one = ask();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(alive(), 3);
    assert!(one.await.unwrap());
    yield_now().await;
    assert_eq!(alive(), 1, "the task that sweeps");
    assert_eq!(kms.calls(), 1);
    assert_quiet(&cache);
}

#[test]
fn a_runtime_that_stands_still_holds_up_nobodys_deadline_on_another() {
    let (still, moving) = (runtime(), runtime());
    let (kms, cache, request) = hanging(&moving, Span::from_millis(200));
    // Leads, has its timer there, and is then driven no more.
    still.block_on(async {
        let (cache, request) = (cache.clone(), request.clone());
        tokio::spawn(async move { cache.encrypt_key(&request, Some(1)).await });
        sleep(Duration::from_millis(20)).await;
    });
    assert_eq!(kms.calls(), 1);
    let error = moving.block_on(async {
        timeout(Duration::from_mins(1), cache.encrypt_key(&request, Some(1)))
            .await
            .expect("it gives up")
            .unwrap_err()
    });
    assert!(matches!(error, KeyError::DeadlineExceeded { .. }), "{error:?}");
    drop(still);
    assert_quiet(&cache);
}

#[test]
fn whoever_waits_on_when_the_runtime_of_the_timer_has_ended_starts_another_where_it_is() {
    let (ending, staying) = (runtime(), runtime());
    let (kms, cache, request) = hanging(&staying, Span::from_millis(400));
    let leader = {
        let (cache, request) = (cache.clone(), request.clone());
        staying.spawn(async move { cache.encrypt_key(&request, Some(1)).await })
    };
    staying.block_on(async { sleep(Duration::from_millis(10)).await });
    let mut one = Box::pin(cache.encrypt_key(&request, Some(1)));
    let mut other = Box::pin(cache.encrypt_key(&request, Some(1)));
    ending.block_on(async {
        let both = async { tokio::join!(&mut one, &mut other) };
        assert!(timeout(Duration::from_millis(50), both).await.is_err());
    });
    drop(ending);
    let (one, other) = staying.block_on(async {
        timeout(Duration::from_mins(1), async { tokio::join!(one, other) }).await.expect("they give up")
    });
    for error in [one.unwrap_err(), other.unwrap_err()] {
        assert!(
            matches!(error, KeyError::DeadlineExceeded { .. }) || error.failure().is_some(),
            "its deadline, or that of the fetch: {error:?}"
        );
    }
    assert!(staying.block_on(leader).unwrap().is_err());
    assert_eq!(kms.calls(), 1);
    assert_quiet(&cache);
}
