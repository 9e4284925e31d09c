//! The life of a key as a function of time: what was done to it, when, and what follows from that at any instant.
//!
//! Changes are kept as they were made; states and materials are worked out from them once, at each change. So a
//! change that lies ahead (a scheduled fault) and what happens by itself (deletion, expiry, rotation) need no event
//! in a simulation: the answer follows from `now`.

use super::key::{Change, KeyState};
use crate::units::{Span, Timestamp};

/// A key's automatic rotation: `GetKeyRotationStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationStatus {
    /// Time between two rotations.
    pub period: Span,
    /// The next one, if the key is enabled then.
    pub next: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Lifecycle {
    created: Timestamp,
    imports: bool,
    /// The period of a key that AWS rotates.
    own_period: Option<Span>,
    changes: Vec<(Timestamp, Change)>,
    /// Follows from the four above: in the order of their starts.
    epochs: Vec<Epoch>,
}

/// From `start` to the start of the next epoch nothing happens to the key but rotations on schedule.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Timestamp,
    state: Option<KeyState>,
    /// The material at the start.
    material: u32,
    on_demand: u32,
    rotation: Option<RotationStatus>,
    deletion: Option<Timestamp>,
}

impl Epoch {
    /// Rotations on schedule in this epoch until `now`, both ends included.
    fn rotations(&self, now: Timestamp) -> u32 {
        match self.rotation {
            Some(RotationStatus { period, next }) if self.state == Some(KeyState::Enabled) && next <= now => {
                let more = now.since(next).as_nanos() / period.as_nanos();
                u32::try_from(1 + more).expect("584 years hold fewer than 2³² periods of 90 days")
            }
            _ => 0,
        }
    }

    /// The schedule as of `now`: a rotation that was due while the key was not enabled stays due.
    fn rotation(&self, now: Timestamp) -> Option<RotationStatus> {
        let RotationStatus { period, next } = self.rotation?;
        Some(RotationStatus { period, next: next + period.saturating_mul(self.rotations(now).into()) })
    }
}

/// The facts from which a state follows.
struct Facts {
    enabled: bool,
    connected: bool,
    has_material: bool,
    expires: Option<Timestamp>,
}

impl Lifecycle {
    pub(super) fn new(created: Timestamp, imports: bool, own_period: Option<Span>) -> Self {
        let mut life = Self { created, imports, own_period, changes: Vec::new(), epochs: Vec::new() };
        life.replay();
        life
    }

    pub(super) fn change(&mut self, at: Timestamp, change: Change) {
        let index = self.changes.partition_point(|(t, _)| *t <= at);
        self.changes.insert(index, (at, change));
        self.replay();
    }

    #[inline]
    fn epoch(&self, now: Timestamp) -> Option<&Epoch> {
        // Most questions are about the last epoch.
        let last = self.epochs.last()?;
        if last.start <= now {
            return Some(last);
        }
        self.epochs[..self.epochs.partition_point(|epoch| epoch.start <= now)].last()
    }

    #[inline]
    pub(super) fn state(&self, now: Timestamp) -> Option<KeyState> {
        self.epoch(now)?.state
    }

    #[inline]
    pub(super) fn material(&self, now: Timestamp) -> u32 {
        self.epoch(now).map_or(0, |epoch| epoch.material + epoch.rotations(now))
    }

    pub(super) fn rotation(&self, now: Timestamp) -> Option<RotationStatus> {
        self.epoch(now)?.rotation(now)
    }

    pub(super) fn on_demand_rotations(&self, now: Timestamp) -> u32 {
        self.epoch(now).map_or(0, |epoch| epoch.on_demand)
    }

    pub(super) fn deletion(&self, now: Timestamp) -> Option<Timestamp> {
        self.epoch(now)?.deletion
    }

    /// Works the epochs out anew.
    fn replay(&mut self) {
        let mut facts = Facts { enabled: true, connected: true, has_material: !self.imports, expires: None };
        let rotation = self.own_period.map(|period| RotationStatus { period, next: self.created + period });
        let mut epoch = Epoch {
            start: self.created,
            state: Some(facts.state(None)),
            material: 0,
            on_demand: 0,
            rotation,
            deletion: None,
        };
        let mut epochs = Vec::with_capacity(self.changes.len() + 2);
        for (at, change) in &self.changes {
            facts.pass(&mut epochs, &mut epoch, *at);
            if epoch.state.is_some() && *at >= self.created {
                epochs.push(epoch);
                epoch = facts.follow(&epoch, *at, *change);
            }
        }
        facts.pass(&mut epochs, &mut epoch, Timestamp::MAX);
        epochs.push(epoch);
        // Several changes in one instant leave epochs without length; the last one holds.
        let starts: Vec<Timestamp> = epochs.iter().skip(1).map(|epoch| epoch.start).collect();
        let mut next = starts.into_iter();
        epochs.retain(|epoch| next.next().is_none_or(|next| epoch.start < next));
        self.epochs = epochs;
    }
}

impl Epoch {
    /// The epoch that follows at `at`, so far without a difference.
    fn next(&self, at: Timestamp) -> Self {
        Self { start: at, material: self.material + self.rotations(at), rotation: self.rotation(at), ..*self }
    }
}

impl Facts {
    /// What happens by itself until `at`, that instant included: expiry, then deletion.
    fn pass(&mut self, epochs: &mut Vec<Epoch>, epoch: &mut Epoch, at: Timestamp) {
        if let Some(expires) = self.expires.filter(|t| *t <= at && epoch.deletion.is_none_or(|d| *t < d)) {
            epochs.push(*epoch);
            self.expires = None;
            self.has_material = false;
            *epoch = epoch.next(expires);
            epoch.state = Some(self.state(epoch.deletion));
        }
        if let Some(deletion) = epoch.deletion.filter(|t| *t <= at) {
            epochs.push(*epoch);
            *epoch = Epoch { state: None, rotation: None, deletion: None, ..epoch.next(deletion) };
            self.expires = None;
        }
    }

    fn state(&self, deletion: Option<Timestamp>) -> KeyState {
        match () {
            () if deletion.is_some() => KeyState::PendingDeletion,
            () if !self.has_material => KeyState::PendingImport,
            () if !self.connected => KeyState::Unavailable,
            () if self.enabled => KeyState::Enabled,
            () => KeyState::Disabled,
        }
    }

    /// The epoch that `change` at `at` opens after `last`.
    fn follow(&mut self, last: &Epoch, at: Timestamp, change: Change) -> Epoch {
        let mut epoch = last.next(at);
        let pending = epoch.deletion.is_some();
        let enabled = epoch.state == Some(KeyState::Enabled);
        match change {
            Change::Enable if !pending && self.has_material => self.enabled = true,
            Change::Disable if !pending && self.has_material => self.enabled = false,
            Change::ScheduleDeletion { days } if !pending => {
                epoch.deletion = Some(at + Span::from_days(days.into()));
                self.enabled = false;
            }
            Change::CancelDeletion => epoch.deletion = None,
            Change::EnableRotation { days } if enabled => {
                let period = Span::from_days(days.into());
                epoch.rotation = Some(RotationStatus { period, next: at + period });
            }
            Change::DisableRotation if enabled => epoch.rotation = None,
            Change::RotateOnDemand if enabled => {
                epoch.material += 1;
                epoch.on_demand += 1;
            }
            Change::ImportMaterial { expires } if !pending => {
                self.enabled |= !self.has_material;
                self.has_material = true;
                self.expires = expires;
            }
            Change::DeleteImportedMaterial => {
                self.has_material = false;
                self.expires = None;
            }
            Change::Disconnect => self.connected = false,
            Change::Connect => self.connected = true,
            _ => {}
        }
        epoch.state = Some(self.state(epoch.deletion));
        // A rotation that fell due while the key was off is made up for, and the schedule counts from there.
        if let Some(RotationStatus { period, next }) = epoch.rotation
            && epoch.state == Some(KeyState::Enabled)
            && next <= at
        {
            epoch.material += 1;
            epoch.rotation = Some(RotationStatus { period, next: at + period });
        }
        epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use KeyState::{Disabled, Enabled, PendingDeletion, PendingImport, Unavailable};

    const fn day(days: u64) -> Timestamp {
        Timestamp::from_seconds(days * 86_400)
    }

    fn life(changes: &[(u64, Change)]) -> Lifecycle {
        let mut life = Lifecycle::new(day(1), false, None);
        changes.iter().for_each(|(at, change)| life.change(day(*at), *change));
        life
    }

    #[test]
    fn a_key_is_there_from_its_creation_to_the_end_of_its_deletion_window() {
        let life = life(&[(10, Change::ScheduleDeletion { days: 7 })]);
        let states = [0, 1, 9, 10, 16, 17, 900].map(|t| life.state(day(t)));
        let gone = None;
        assert_eq!(
            states,
            [gone, Some(Enabled), Some(Enabled), Some(PendingDeletion), Some(PendingDeletion), gone, gone]
        );
        assert_eq!((life.deletion(day(9)), life.deletion(day(10))), (None, Some(day(17))));
    }

    #[test]
    fn a_cancelled_deletion_leaves_the_key_disabled() {
        let life = life(&[(10, Change::ScheduleDeletion { days: 7 }), (16, Change::CancelDeletion)]);
        assert_eq!([16, 17, 99].map(|t| life.state(day(t))), [Some(Disabled); 3]);
    }

    #[test]
    fn changes_may_be_made_in_any_order_of_calls() {
        let changes = [(5, Change::Disable), (9, Change::Enable), (7, Change::RotateOnDemand)];
        let mut shuffled = changes;
        shuffled.reverse();
        for order in [changes, shuffled] {
            let life = life(&order);
            let states = [4, 5, 8, 9].map(|t| life.state(day(t)));
            assert_eq!(states, [Some(Enabled), Some(Disabled), Some(Disabled), Some(Enabled)]);
            assert_eq!(life.material(day(99)), 0, "a disabled key is not rotated on demand");
        }
    }

    #[test]
    fn automatic_rotations_follow_from_the_time_alone() {
        let life = life(&[(10, Change::EnableRotation { days: 90 })]);
        let materials = [99, 100, 189, 190, 100_000].map(|t| life.material(day(t)));
        assert_eq!(materials, [0, 1, 1, 2, (100_000 - 10) / 90]);
        assert_eq!(life.rotation(day(100)).unwrap().next, day(190));
    }

    #[test]
    fn rotation_waits_for_a_disabled_key_and_is_made_up_for_when_it_is_enabled() {
        let rotating = (10, Change::EnableRotation { days: 90 });
        let missed = life(&[rotating, (50, Change::Disable), (150, Change::Enable)]);
        assert_eq!([149, 150, 239, 240].map(|t| missed.material(day(t))), [0, 1, 1, 2]);
        let kept = life(&[rotating, (50, Change::Disable), (60, Change::Enable)]);
        assert_eq!([99, 100, 190].map(|t| kept.material(day(t))), [0, 1, 2]);
    }

    #[test]
    fn rotation_on_demand_leaves_the_schedule_alone() {
        let life = life(&[(10, Change::EnableRotation { days: 90 }), (50, Change::RotateOnDemand)]);
        assert_eq!([49, 50, 99, 100].map(|t| life.material(day(t))), [0, 1, 1, 2]);
        assert_eq!(life.on_demand_rotations(day(100)), 1);
    }

    #[test]
    fn disabling_rotation_keeps_the_materials_made_so_far() {
        let life = life(&[(10, Change::EnableRotation { days: 90 }), (200, Change::DisableRotation)]);
        assert_eq!([200, 900].map(|t| life.material(day(t))), [2, 2]);
        assert_eq!(life.rotation(day(900)), None);
    }

    #[test]
    fn imported_material_expires_and_can_be_imported_again() {
        let mut life = Lifecycle::new(day(0), true, None);
        life.change(day(2), Change::ImportMaterial { expires: Some(day(5)) });
        life.change(day(8), Change::ImportMaterial { expires: None });
        life.change(day(9), Change::DeleteImportedMaterial);
        let states = [0, 1, 2, 4, 5, 7, 8, 9].map(|t| life.state(day(t)).unwrap());
        let expected = [
            PendingImport,
            PendingImport,
            Enabled,
            Enabled,
            PendingImport,
            PendingImport,
            Enabled,
            PendingImport,
        ];
        assert_eq!(states, expected);
    }

    #[test]
    fn a_disconnected_store_makes_its_keys_unavailable_and_gives_the_old_state_back() {
        let life = life(&[(2, Change::Disable), (3, Change::Disconnect), (5, Change::Connect)]);
        let states = [2, 3, 5].map(|t| life.state(day(t)).unwrap());
        assert_eq!(states, [Disabled, Unavailable, Disabled]);
    }

    #[test]
    fn several_changes_in_one_instant_count_in_the_order_made() {
        let life = life(&[(2, Change::Disable), (2, Change::Enable), (2, Change::Disable)]);
        assert_eq!(life.state(day(2)), Some(Disabled));
        assert_eq!(life.epochs.len(), 2);
    }
}
