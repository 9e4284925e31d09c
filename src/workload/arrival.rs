//! The schedule: every request with its due time, fixed by scenario and seed before the run.
//!
//! No function here takes a response, so none can move a due time: the load is open-loop by type.
//!
//! # Objects and their ids
//!
//! Ids are dense, so that a simulator may keep its state in flat arrays:
//!
//! | ids | what |
//! |---|---|
//! | 0 .. count | the population; under zipf and hotspot a smaller id is asked for more often |
//! | then `mix.multipart.objects`, if there are multipart uploads | their targets, written in turn, never read |
//! | then count, if there are copies | the copies, one per object at a time, never read |
//! | from there on, with `objects.puts = "new"` | new objects in the order of their PUTs |
//!
//! With `puts = "overwrite"` a PUT writes an object drawn like a read; its size stays. With `puts = "new"` each PUT makes an
//! object. Popularity then belongs to `count` places, not to objects: the n-th new object takes over place n mod count, so
//! reads always go to about the newest `count` objects, and a `DeleteObject` takes the oldest that is left. So **no request is
//! scheduled for an object whose delete was due before it**, and none for a new object until `visible_after` has passed since
//! its PUT was due. Still, a driver that falls behind may run a read after the delete that follows it, or before the PUT: it
//! then gets `NoSuchKey`, which is an outcome, not an error of the schedule.

use std::collections::VecDeque;

use rand_core::Rng;

use super::name::Placement;
use super::popularity::Ranks;
use super::process::DueTimes;
use super::random::{Alias, below};
use super::scenario::{Mix, Popularity, Puts, Scenario, Stop};
use super::size::Sizes;
use crate::request::Operation;
use crate::units::{Span, Stream, Timestamp};

/// A request of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number in the whole schedule, from 0, shards or not.
    pub index: u64,
    /// When it is due, counted from the start of the warm-up. Response time counts from here.
    pub due: Timestamp,
    /// The object, or what decides bucket and prefix of a `ListObjects`; of a `CopyObject` the source.
    pub object: u64,
    /// Size of the whole object in bytes; 0 for a `ListObjects`.
    pub bytes: u64,
    /// What the operation needs beyond that.
    pub shape: Shape,
    /// The operation. `CreateMultipartUpload` stands for the whole upload: its parts and its end follow inside it.
    pub operation: Operation,
    /// The bucket.
    pub bucket: u32,
    /// The KMS key that protects the object.
    pub kms_key: u32,
    /// Who asks.
    pub principal: u32,
}

/// What an operation needs beyond its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    Whole,
    /// The bytes of a ranged read, within the object and not empty.
    Range {
        /// First byte.
        first: u64,
        /// Length.
        bytes: u64,
    },
    /// The copy that a `CopyObject` writes: its id. It lies in the source's bucket, under the source's KMS key.
    Copy {
        /// Id of the copy.
        target: u64,
    },
    /// The parts of a multipart upload.
    Parts {
        /// How many.
        count: u32,
        /// Bytes of each.
        bytes: u64,
    },
}

impl Arrival {
    /// The version that this arrival writes, when it writes: 1 and up, later ones larger. The population is version 0.
    pub fn version(&self) -> u64 {
        self.index + 1
    }

    /// Body bytes that cross the wire: the whole object, the range, or nothing.
    #[inline]
    pub fn transferred(&self) -> u64 {
        match (self.operation, self.shape) {
            (_, Shape::Range { bytes, .. }) => bytes,
            (Operation::PutObject | Operation::GetObject | Operation::CreateMultipartUpload, _) => self.bytes,
            _ => 0,
        }
    }
}

/// The arrivals of a scenario in due order: an iterator. Same scenario, same seed: same arrivals, on every machine.
///
/// # Cost
///
/// About 40 ns an arrival under Poisson, zipf and lognormal sizes, without allocation; the scoreboard's `arrivals` measures
/// it.
#[derive(Clone, Debug)]
pub struct Arrivals {
    due: DueTimes,
    operations: Alias,
    objects: Objects,
    principals: Ranks,
    streams: Streams,
    range_bytes: u64,
    parts: (u32, u64),
    warm_up: Timestamp,
    end: End,
    index: u64,
    shard: (u64, u64),
}

/// A stream for each use, so that a new use leaves the others as they were.
#[derive(Clone, Debug)]
struct Streams {
    operation: Stream,
    object: Stream,
    principal: Stream,
    range: Stream,
}

#[derive(Clone, Copy, Debug)]
enum End {
    At(Timestamp),
    /// This many more that are due after the warm-up.
    After(u64),
}

impl Mix {
    /// The weights by their names in a scenario, in the order of draws.
    pub(super) fn weights(&self) -> [(&'static str, f64); 8] {
        [
            ("PutObject", self.put_object),
            ("GetObject", self.get_object),
            ("GetObjectRange", self.get_object_range),
            ("HeadObject", self.head_object),
            ("CopyObject", self.copy_object),
            ("MultipartUpload", self.multipart_upload),
            ("DeleteObject", self.delete_object),
            ("ListObjects", self.list_objects),
        ]
    }
}

/// The operations in the order of [`Mix::weights`].
const OPERATIONS: [Operation; 8] = [
    Operation::PutObject,
    Operation::GetObject,
    Operation::GetObjectRange,
    Operation::HeadObject,
    Operation::CopyObject,
    Operation::CreateMultipartUpload,
    Operation::DeleteObject,
    Operation::ListObjects,
];

impl Arrivals {
    /// The arrivals of `scenario`, which is to be valid ([`Scenario::validate`]).
    pub fn new(scenario: &Scenario) -> Self {
        let seed = scenario.seed();
        let principals = &scenario.principals;
        let multipart = scenario.mix.multipart;
        Self {
            due: DueTimes::new(&scenario.arrival, scenario.warm_up, seed),
            operations: Alias::new(&scenario.mix.weights().map(|(_, weight)| weight)),
            objects: Objects::new(scenario),
            principals: Ranks::new(Popularity::Zipf { theta: principals.zipf }, principals.count()),
            streams: Streams {
                operation: seed.stream("operation", 0),
                object: seed.stream("object", 0),
                principal: seed.stream("principal", 0),
                range: seed.stream("range", 0),
            },
            range_bytes: scenario.mix.range_bytes,
            parts: (multipart.parts, multipart.part_bytes),
            warm_up: Timestamp::ZERO + scenario.warm_up,
            end: match scenario.stop {
                Stop::Duration(duration) => End::At(Timestamp::ZERO + scenario.warm_up + duration),
                Stop::Operations(count) => End::After(count),
            },
            index: 0,
            shard: (0, 1),
        }
    }

    /// The share of these arrivals that machine `machine` of `machines` sends: every `machines`-th by its number. Together
    /// the shards are the whole, each arrival once, with the numbers and due times that it has there.
    ///
    /// # Panics
    ///
    /// When `machine` is not below `machines`.
    #[must_use]
    pub fn shard(mut self, machine: u64, machines: u64) -> Self {
        assert!(machine < machines, "machine {machine} of {machines}: numbered from 0");
        self.shard = (machine, machines);
        self
    }

    /// The start of the measured part: what is due before it is warm-up.
    pub fn measured_from(&self) -> Timestamp {
        self.warm_up
    }

    /// How many object ids there are before the new objects: ids of arrivals lie below this plus the number of PUTs.
    pub fn fixed_objects(&self) -> u64 {
        self.objects.first_new
    }

    /// The next arrival of the whole schedule.
    #[inline]
    fn next_of_all(&mut self) -> Option<Arrival> {
        let due = self.due.next_due();
        match &mut self.end {
            End::At(end) if due >= *end => return None,
            End::At(_) => {}
            End::After(0) => return None,
            End::After(left) => *left -= u64::from(due >= self.warm_up),
        }
        let index = self.index;
        self.index += 1;
        self.objects.advance(due);
        let mut operation = OPERATIONS[self.operations.pick(self.streams.operation.next_u64())];
        // Drawn for each arrival, needed or not, so that another mix leaves the ranks as they were.
        let rank = self.objects.ranks.draw(&mut self.streams.object);
        let principal = self.principal();
        let (object, mut bytes, mut shape) = match operation {
            Operation::PutObject => {
                let object = self.objects.written(rank, due);
                (object, self.objects.sizes.of(object), Shape::Whole)
            }
            Operation::CopyObject => {
                let (object, target) = self.objects.copied(rank);
                (object, self.objects.sizes.of(object), Shape::Copy { target })
            }
            Operation::CreateMultipartUpload => {
                let (count, bytes) = self.parts;
                (self.objects.uploaded(), u64::from(count) * bytes, Shape::Parts { count, bytes })
            }
            Operation::DeleteObject => {
                let object = self.objects.deleted();
                (object, self.objects.sizes.of(object), Shape::Whole)
            }
            _ => {
                let object = self.objects.read(rank);
                (object, self.objects.sizes.of(object), Shape::Whole)
            }
        };
        if operation == Operation::GetObjectRange {
            match self.range(bytes) {
                Some(range) => shape = range,
                // An empty object has no range: S3 would answer 416.
                None => operation = Operation::GetObject,
            }
        } else if operation == Operation::ListObjects {
            bytes = 0;
        }
        let placement = self.objects.placement;
        let (bucket, kms_key) = (placement.bucket(object), placement.kms_key(object));
        Some(Arrival { index, due, object, bytes, shape, operation, bucket, kms_key, principal })
    }

    fn principal(&mut self) -> u32 {
        if self.principals.count() == 1 {
            return 0;
        }
        u32::try_from(self.principals.draw(&mut self.streams.principal)).unwrap_or(u32::MAX)
    }

    /// A range that begins anywhere in an object of `size` bytes.
    fn range(&mut self, size: u64) -> Option<Shape> {
        let first = below(self.streams.range.next_u64(), size);
        (size > 0).then(|| Shape::Range { first, bytes: self.range_bytes.min(size - first) })
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    #[inline]
    fn next(&mut self) -> Option<Arrival> {
        let (machine, machines) = self.shard;
        loop {
            let arrival = self.next_of_all();
            if arrival.is_none() {
                // Nothing after the end, however often it is asked.
                self.end = End::After(0);
                return None;
            }
            if machines == 1 || arrival.is_some_and(|arrival| arrival.index % machines == machine) {
                return arrival;
            }
        }
    }
}

impl std::iter::FusedIterator for Arrivals {}

/// Which objects there are at a point of the schedule.
///
/// A *position* counts the objects in the order of their making, population first; the live ones are the positions
/// from `gone` to `count + visible`.
#[derive(Clone, Debug)]
struct Objects {
    ranks: Ranks,
    sizes: Sizes,
    placement: Placement,
    puts: Puts,
    latest: bool,
    count: u64,
    /// Multipart targets and their turn.
    uploads: (u64, u64),
    first_copy: u64,
    first_new: u64,
    made: u64,
    visible: u64,
    gone: u64,
    /// When the objects made but not yet visible become so.
    pending: VecDeque<Timestamp>,
    visible_after: Span,
}

impl Objects {
    fn new(scenario: &Scenario) -> Self {
        let (objects, mix) = (&scenario.objects, &scenario.mix);
        let targets = if mix.multipart_upload > 0.0 { u64::from(mix.multipart.objects) } else { 0 };
        let copies = if mix.copy_object > 0.0 { objects.count } else { 0 };
        Self {
            ranks: Ranks::new(objects.popularity, objects.count),
            sizes: Sizes::new(&objects.size, scenario.seed()),
            placement: Placement::new(scenario),
            puts: objects.puts,
            latest: matches!(objects.popularity, Popularity::Latest { .. }),
            count: objects.count,
            uploads: (targets, 0),
            first_copy: objects.count + targets,
            first_new: objects.count + targets + copies,
            made: 0,
            visible: 0,
            gone: 0,
            pending: VecDeque::new(),
            visible_after: objects.visible_after,
        }
    }

    fn advance(&mut self, now: Timestamp) {
        while self.pending.front().is_some_and(|visible_at| *visible_at <= now) {
            self.pending.pop_front();
            self.visible += 1;
        }
    }

    /// The position that `rank` stands for now.
    fn position(&self, rank: u64) -> u64 {
        if self.made == 0 && self.gone == 0 {
            return if self.latest { self.count - 1 - rank } else { rank };
        }
        let end = self.count + self.visible;
        let position = if self.latest {
            end - 1 - rank
        } else {
            // The newest position in the place of this rank.
            rank + (end - 1 - rank) / self.count * self.count
        };
        // Its last holder may be deleted: any that is left takes its requests.
        if position < self.gone { self.gone + rank % (end - self.gone) } else { position }
    }

    fn id(&self, position: u64) -> u64 {
        if position < self.count { position } else { self.first_new + position - self.count }
    }

    fn read(&self, rank: u64) -> u64 {
        self.id(self.position(rank))
    }

    fn written(&mut self, rank: u64, due: Timestamp) -> u64 {
        if self.puts == Puts::Overwrite {
            return self.read(rank);
        }
        let object = self.first_new + self.made;
        self.made += 1;
        self.pending.push_back(due + self.visible_after);
        object
    }

    fn copied(&self, rank: u64) -> (u64, u64) {
        let position = self.position(rank);
        (self.id(position), self.first_copy + position % self.count)
    }

    fn uploaded(&mut self) -> u64 {
        let (targets, turn) = self.uploads;
        self.uploads.1 = (turn + 1) % targets.max(1);
        self.count + turn
    }

    /// The oldest object, which is then gone. The last one stays: the delete before it is sent again, as S3 allows.
    fn deleted(&mut self) -> u64 {
        if self.count + self.visible - self.gone > 1 {
            self.gone += 1;
        }
        self.id(self.gone.saturating_sub(1))
    }
}
