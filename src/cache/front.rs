//! The read-mostly front of the shared cache: a table for each stripe of threads, so that a hit touches no line that
//! another core writes.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use hashbrown::HashTable;
use parking_lot::Mutex;

use super::fingerprint::Digest;
use super::flight::Fetch;
use super::limits::{Balance, Lease, Life};
use super::metrics::{End, Metrics};
use super::stamp::{Generation, Stamp};
use crate::units::{Span, Timestamp};

/// A key lent for one use. It lives, whatever the cache drops, until the last one to whom it was lent drops it.
///
/// A clone counts on a word of the stripe that lent it, so that cores which use one key do not contend.
#[derive(Debug)]
pub struct Lent<K>(Arc<Loan<K>>);

/// What a hit reads anyway, as it counts the loan: kept together, in one cache line.
#[derive(Debug)]
struct Loan<K> {
    generation: Arc<Generation>,
    stamp: Stamp,
    key: Arc<K>,
    sent_at: Timestamp,
}

impl<K> Lent<K> {
    /// A key that the cache does not keep.
    pub(super) fn own(fetch: &Fetch, key: K, sent_at: Timestamp) -> Self {
        let generation = Arc::clone(&fetch.generation);
        Self(Arc::new(Loan { generation, stamp: fetch.stamp, key: Arc::new(key), sent_at }))
    }

    /// When the KMS call that brought the key was sent.
    pub fn sent_at(&self) -> Timestamp {
        self.0.sent_at
    }
}

impl<K> Clone for Lent<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Deref for Lent<K> {
    type Target = K;
    fn deref(&self) -> &K {
        &self.0.key
    }
}

/// What all stripes know of one key.
#[derive(Debug)]
pub(super) struct Entry<K> {
    pub(super) digest: Digest,
    pub(super) life: Life,
    pub(super) stamp: Stamp,
    pub(super) generation: Arc<Generation>,
    /// Nanoseconds of the instant from which a use should start a refresh; later while one is on its way.
    refresh_at: AtomicU64,
    /// What no stripe has leased.
    balance: Mutex<Balance>,
    /// Taken out when the key ends: what the keeper behind holds on to for a while is then an empty shell.
    key: Mutex<Option<Arc<K>>>,
    ended: AtomicBool,
}

impl<K> Entry<K> {
    pub(super) fn new(fetch: &Fetch, key: K, life: Life, balance: Balance) -> Self {
        Self {
            digest: fetch.fingerprint.digest(),
            life,
            stamp: fetch.stamp,
            generation: Arc::clone(&fetch.generation),
            refresh_at: AtomicU64::new(life.refresh_at.as_nanos()),
            balance: Mutex::new(balance),
            key: Mutex::new(Some(Arc::new(key))),
            ended: AtomicBool::new(false),
        }
    }

    /// Why it may not be used at all, however little is asked of it.
    pub(super) fn over(&self, now: Timestamp) -> Option<End> {
        if self.generation.stamp() != self.stamp {
            Some(End::Invalidated)
        } else if self.life.is_over(now) {
            Some(End::Age)
        } else {
            None
        }
    }

    fn is_refresh_due(&self, now: Timestamp) -> bool {
        self.refresh_at.load(Ordering::Relaxed) <= now.as_nanos()
    }

    /// Whether the caller is the one who starts the refresh that is due. If it has not landed by `overtaken_after`,
    /// the next one is due.
    pub(super) fn claim_refresh(&self, now: Timestamp, overtaken_after: Timestamp) -> bool {
        let due = self.refresh_at.load(Ordering::Relaxed);
        let next = overtaken_after + Span::from_nanos(1);
        due <= now.as_nanos()
            && self
                .refresh_at
                .compare_exchange(due, next.as_nanos(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Lets the next refresh start at `at`.
    pub(super) fn refresh_at(&self, at: Timestamp) {
        self.refresh_at.store(at.as_nanos(), Ordering::Relaxed);
    }
}

/// One key as one stripe sees it: one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Row<K> {
    digest: Digest,
    /// From when a use must do more than count: the end of the life, a refresh, or a touch of the keeper.
    check_at: Timestamp,
    lease: Lease,
    lent: Lent<K>,
    entry: Arc<Entry<K>>,
}

const _: () = assert!(size_of::<Row<u8>>() == 64);

/// A use that was granted.
#[derive(Debug)]
pub(super) struct Grant<K> {
    pub(super) key: Lent<K>,
    /// The entry, when a refresh may be due.
    pub(super) due: Option<Arc<Entry<K>>>,
    /// Whether the keeper should hear of this use, to know what is hot.
    pub(super) touch: bool,
}

/// Whether the use is the first asking of its request, or the end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    First,
    Resumed,
}

#[derive(Debug)]
struct Table<K> {
    rows: HashTable<Row<K>>,
    hits: u64,
    resumed: u64,
}

/// Padded to two cache lines: adjacent lines are fetched in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe<K>(Mutex<Table<K>>);

/// The stripes, and what ended.
#[derive(Debug)]
pub(super) struct Front<K> {
    stripes: Box<[Stripe<K>]>,
    lease: Lease,
    max_uses: u64,
    /// Longest time in which one stripe uses one key without a touch of the keeper and a look at the refresh.
    touch_every: Span,
    /// The latest `now` that a landing brought: for the age of keys that end by capacity.
    latest: AtomicU64,
    /// Everything but hits: off the hit path.
    pub(super) metrics: Mutex<Metrics>,
}

impl<K> Front<K> {
    /// A front with `stripes` stripes, a power of two.
    pub(super) fn new(stripes: usize, lease: Lease, max_uses: u64, touch_every: Span) -> Self {
        let stripe = || Stripe(Mutex::new(Table { rows: HashTable::new(), hits: 0, resumed: 0 }));
        Self {
            stripes: (0..stripes).map(|_| stripe()).collect(),
            lease,
            max_uses,
            touch_every,
            latest: AtomicU64::new(0),
            metrics: Mutex::default(),
        }
    }

    #[inline]
    fn stripe(&self) -> &Mutex<Table<K>> {
        // The number of stripes is a power of two.
        &self.stripes[thread() & (self.stripes.len() - 1)].0
    }

    /// The hit path: a use of the key that this thread's stripe holds under `digest`, if it covers one.
    ///
    /// # Cost
    /// The stripe's own lock, one row, the generation of the KMS key; once per lease the lock of the entry.
    #[inline]
    pub(super) fn take(
        &self,
        digest: Digest,
        bytes: u64,
        now: Timestamp,
        asking: Asking,
    ) -> Option<Grant<K>> {
        let mut table = self.stripe().lock();
        let row = table.rows.find_mut(digest.place(), |row| row.digest == digest)?;
        let grant = self.grant(row, bytes, now).ok()?;
        table.count(asking);
        Some(grant)
    }

    /// Brings `entry` into this thread's stripe and takes the first use there.
    ///
    /// # Errors
    /// Why no use is left.
    pub(super) fn fill(
        &self,
        entry: &Arc<Entry<K>>,
        bytes: u64,
        now: Timestamp,
        asking: Asking,
    ) -> Result<Grant<K>, End> {
        let mut guard = self.stripe().lock();
        let table = &mut *guard;
        // Under the stripe's lock: whoever ends the entry marks it first and then comes for the row.
        let Some(key) = entry.key.lock().clone().filter(|_| !entry.ended.load(Ordering::Acquire)) else {
            return Err(End::Invalidated);
        };
        let digest = entry.digest;
        let same = |row: &Row<K>| row.digest == digest && Arc::ptr_eq(&row.entry, entry);
        if table.rows.find(digest.place(), same).is_none() {
            let lent = Lent(Arc::new(Loan {
                generation: Arc::clone(&entry.generation),
                stamp: entry.stamp,
                key,
                sent_at: entry.life.sent_at,
            }));
            // The first use looks at everything: a refresh may be due already.
            let row = Row { digest, check_at: now, lease: Lease::EMPTY, lent, entry: Arc::clone(entry) };
            table.rows.insert_unique(digest.place(), row, |row| row.digest.place());
        }
        let row = table.rows.find_mut(digest.place(), same).expect("just inserted");
        let grant = self.grant(row, bytes, now)?;
        table.count(asking);
        Ok(grant)
    }

    #[inline]
    fn grant(&self, row: &mut Row<K>, bytes: u64, now: Timestamp) -> Result<Grant<K>, End> {
        let Loan { generation, stamp, .. } = &*row.lent.0;
        if generation.stamp() != *stamp {
            return Err(End::Invalidated);
        }
        let check = now >= row.check_at;
        if check && row.entry.life.is_over(now) {
            return Err(End::Age);
        }
        if !row.lease.take(bytes) {
            row.entry.balance.lock().draw(&mut row.lease, bytes, self.lease)?;
        }
        let mut due = None;
        if check {
            due = row.entry.is_refresh_due(now).then(|| Arc::clone(&row.entry));
            row.check_at = self.check_at(&row.entry, now);
        }
        Ok(Grant { key: row.lent.clone(), due, touch: check })
    }

    /// The next instant after a use at `now` at which a use must do more than count.
    fn check_at(&self, entry: &Entry<K>, now: Timestamp) -> Timestamp {
        let over_at = entry.life.last_at + Span::from_nanos(1);
        let refresh_at = Timestamp::from_nanos(entry.refresh_at.load(Ordering::Relaxed));
        // A refresh that is due and not claimed yet is claimed by this use or another one.
        let refresh_at = if refresh_at <= now { Timestamp::MAX } else { refresh_at };
        over_at.min(refresh_at).min(now + self.touch_every)
    }

    /// Ends `entry` for every stripe and drops its key, now or with the last use lent. The first cause counts.
    pub(super) fn end(&self, entry: &Arc<Entry<K>>, end: End, now: Option<Timestamp>) {
        if entry.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        for Stripe(stripe) in &self.stripes {
            let mut table = stripe.lock();
            let digest = entry.digest;
            let row = table.rows.find_entry(digest.place(), |row| Arc::ptr_eq(&row.entry, entry));
            if let Ok(found) = row {
                let (mut row, _) = found.remove();
                drop(table);
                entry.balance.lock().give_back(&mut row.lease);
            }
        }
        drop(entry.key.lock().take());
        let uses = self.max_uses - entry.balance.lock().uses();
        let now = now.unwrap_or(Timestamp::from_nanos(self.latest.load(Ordering::Relaxed)));
        self.metrics.lock().end(end, uses, now.since(entry.life.sent_at));
    }

    /// Notes how late it is, for the ends that come from the keeper.
    pub(super) fn note(&self, now: Timestamp) {
        self.latest.fetch_max(now.as_nanos(), Ordering::Relaxed);
    }

    /// Everything that happened so far.
    pub(super) fn metrics(&self) -> Metrics {
        let mut sum = self.metrics.lock().clone();
        for Stripe(stripe) in &self.stripes {
            let table = stripe.lock();
            sum.hits += table.hits;
            sum.resumed += table.resumed;
        }
        sum
    }
}

/// The number of this thread: in the order of their first use, so that workers started together spread evenly.
#[inline]
fn thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const UNNUMBERED: usize = usize::MAX;
    thread_local! {
        static THREAD: Cell<usize> = const { Cell::new(UNNUMBERED) };
    }
    THREAD.with(|number| {
        if number.get() == UNNUMBERED {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

impl<K> Table<K> {
    #[inline]
    fn count(&mut self, asking: Asking) {
        match asking {
            Asking::First => self.hits += 1,
            Asking::Resumed => self.resumed += 1,
        }
    }
}
