//! The names of a trace, each kept once, and their dense ids.

use std::fmt::Write;
use std::hash::{BuildHasherDefault, DefaultHasher};

use indexmap::IndexSet;

/// Fixed seed, so that a run repeats itself; ids follow the order of first mention in any case.
type Set = IndexSet<Box<str>, BuildHasherDefault<DefaultHasher>>;

/// Buckets, objects and principals of a trace.
#[derive(Clone, Debug, Default)]
pub(in crate::workload) struct Names {
    buckets: Set,
    /// `bucket id:key`.
    objects: Set,
    principals: Set,
    scratch: String,
}

impl Names {
    pub(super) fn bucket_id(&mut self, name: &str) -> u32 {
        narrow(intern(&mut self.buckets, name))
    }

    pub(super) fn object_id(&mut self, bucket: u32, key: &str) -> u64 {
        self.scratch.clear();
        write!(self.scratch, "{bucket}:{key}").expect("a string takes everything");
        intern(&mut self.objects, &self.scratch) as u64
    }

    /// The sessions of a role are one principal, as they share one Bucket Key (docs/SOURCES.md).
    pub(super) fn principal_id(&mut self, name: &str) -> u32 {
        narrow(intern(&mut self.principals, role(name)))
    }

    pub(super) fn object_count(&self) -> u64 {
        self.objects.len() as u64
    }

    /// How many buckets and principals there are.
    pub(in crate::workload) fn counts(&self) -> (u32, u32) {
        (narrow(self.buckets.len()), narrow(self.principals.len()))
    }

    pub(in crate::workload) fn bucket(&self, id: u32) -> &str {
        self.buckets.get_index(id as usize).map_or("", |name| name)
    }

    pub(in crate::workload) fn object_key(&self, id: u64) -> &str {
        let name = usize::try_from(id).ok().and_then(|id| self.objects.get_index(id));
        name.and_then(|name| name.split_once(':')).map_or("", |(_, key)| key)
    }

    pub(in crate::workload) fn principal(&self, id: u32) -> &str {
        self.principals.get_index(id as usize).map_or("", |name| name)
    }
}

/// `arn:aws:sts::111122223333:assumed-role/Role/session` without its session, and `AROA…:session`, by which an account
/// knows another's role; whatever else as it is.
pub(in crate::workload) fn role(requester: &str) -> &str {
    if let Some(start) = requester.find(":assumed-role/") {
        let name = start + ":assumed-role/".len();
        return requester[name..].rfind('/').map_or(requester, |end| &requester[..name + end]);
    }
    let foreign = requester.split_once(':').filter(|(id, _)| id.starts_with("AROA"));
    foreign.map_or(requester, |(id, _)| id)
}

fn intern(set: &mut Set, name: &str) -> usize {
    match set.get_index_of(name) {
        Some(id) => id,
        None => set.insert_full(name.into()).0,
    }
}

fn narrow(id: usize) -> u32 {
    // 2³² names of ten bytes are more than 100 GB: memory ends first.
    u32::try_from(id).expect("fewer than 2^32 buckets and principals")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_a_role_are_one_principal_and_other_names_are_themselves() {
        let mut names = Names::default();
        let mut id = |name| names.principal_id(name);
        let first = id("arn:aws:sts::111122223333:assumed-role/Spark/executor-1");
        assert_eq!(id("arn:aws:sts::111122223333:assumed-role/Spark/executor-2"), first);
        for other in [
            "arn:aws:sts::111122223333:assumed-role/Other/executor-1",
            "arn:aws:iam::111122223333:user/Spark/executor-1",
            "Spark/executor-1",
        ] {
            assert_ne!(id(other), first, "{other}");
        }
        assert_eq!(names.counts().1, 4);
    }
}
