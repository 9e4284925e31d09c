//! The admission word under every interleaving of its callers: `cargo test --test kms interleaving`.
//!
//! loom runs in an ordinary test build, without a flag: the crate's own `src/kms/word.rs` is compiled here once more
//! against loom's atomics, which it names through its parent module.
#![allow(unreachable_pub, dead_code)] // the word's file is made for the crate

use loom::sync::Arc;
use loom::sync::atomic;
use loom::thread;

#[path = "../../src/kms/word.rs"]
mod word;

use word::Word;

/// Runs `first` and `second` on threads of their own against one word and gives what both return.
fn race<T: Send + 'static>(
    word: &Arc<Word>,
    first: impl Fn(&Word) -> T + Send + 'static,
    second: impl Fn(&Word) -> T,
) -> (T, T) {
    let shared = Arc::clone(word);
    let thread = thread::spawn(move || first(&shared));
    let second = second(word);
    (thread.join().unwrap(), second)
}

fn passed(word: &Word, calls: u32, limit: u64) -> u32 {
    (0..calls).map(|_| u32::from(word.take_one(7, limit).is_ok())).sum()
}

fn drawn(word: &Word, calls: u32, now: u64) -> u32 {
    (0..calls).map(|_| u32::from(word.draw(now, 10, 30).is_ok())).sum()
}

#[test]
fn racing_callers_get_the_limit_of_a_window_exactly() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let (one, other) = race(&word, |w| passed(w, 2, 3), |w| passed(w, 2, 3));
        assert_eq!(one + other, 3);
        assert_eq!(passed(&word, 1, 3), 0, "the surplus of the racers makes no room");
    });
}

#[test]
fn a_window_that_turns_while_a_caller_adds_never_gives_more_than_its_limit() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        assert!(word.take_one(6, 2).is_ok());
        let (early, late) = race(&word, |w| u32::from(w.take_one(6, 2).is_ok()), |w| passed(w, 2, 2));
        let left = passed(&word, 3, 2);
        // Window 7 has two units in all; the early caller took the last of window 6 or one of these.
        assert!(late + left <= 2 && early + late + left >= 2, "{early} + {late} + {left}");
    });
}

#[test]
fn callers_of_unequal_weight_never_exceed_the_limit() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let heavy = |w: &Word| if w.take(7, 3, |_| 4).is_ok() { 3 } else { 0 };
        let (heavy, light) = race(&word, heavy, |w| passed(w, 2, 4));
        assert!(heavy + light <= 4, "{heavy} + {light}");
        assert!(heavy == 3 || light == 2, "somebody is served in full");
    });
}

#[test]
fn units_given_back_are_given_once_and_only_to_their_window() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let undoes = |w: &Word| {
            if let Ok(receipt) = w.take(7, 2, |_| 3) {
                w.undo_window(receipt, 2);
            }
            0
        };
        let (_, kept) = race(&word, undoes, |w| passed(w, 2, 3));
        assert!(kept + passed(&word, 4, 3) <= 3);
    });
    loom::model(|| {
        let word = Arc::new(Word::new());
        let receipt = word.take(7, 1, |_| 1).unwrap();
        let undoes = move |w: &Word| {
            w.undo_window(receipt, 1);
            0
        };
        let (_, next) = race(&word, undoes, |w| u32::from(w.take_one(8, 1).is_ok()));
        assert_eq!(next, 1);
        assert!(word.take_one(8, 1).is_err(), "a unit of window 7 is none of window 8");
    });
}

#[test]
fn racing_callers_get_the_burst_of_a_bucket_exactly() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let (one, other) = race(&word, |w| drawn(w, 2, 100), |w| drawn(w, 2, 100));
        assert_eq!(one + other, 3);
    });
}

#[test]
fn a_draw_given_back_never_makes_room_that_was_not_there() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let undoes = |w: &Word| {
            if let Ok(receipt) = w.draw(100, 20, 30) {
                w.undo_bucket(receipt);
            }
            0
        };
        // The others come when the draw has long dripped back: giving it back then would forgive theirs.
        let (_, kept) = race(&word, undoes, |w| drawn(w, 2, 200));
        assert!(kept + drawn(&word, 4, 200) <= 3);
    });
}
