//! What is done to disks and clocks.

use super::{Event, World, store_failure};
use crate::dice::Dice;
use crate::failure::Failure;
use crate::observation::Observation;
use crate::time::{MILLISECOND_NS, SECOND_NS};
use crate::topology::{self, NodeId};
use crate::trace::Moment;
use replica::{Input, Room, StoreError, TrimPolicy};

/// A failed store is opened again after so long, in nanoseconds, at least, as the server does.
const REOPEN_NS_MIN: u64 = 500 * MILLISECOND_NS;
/// And at most.
const REOPEN_NS_MAX: u64 = 4 * SECOND_NS;

impl World {
    /// A node's disk has no room for some time, in nanoseconds. The store says so before it is full, unless something
    /// else fills the disk `at_once`: then batches on their way are refused too.
    ///
    /// # Errors
    /// [`Failure`] of a checker.
    pub fn fill(&mut self, id: NodeId, at_once: bool, for_ns: u64) -> Result<(), Failure> {
        if !self.has_disk(id) {
            return Ok(());
        }
        self.tally.disk_faults += 1;
        let node = self.nodes.node_mut(id);
        node.fills += 1;
        if at_once {
            node.disk.fill(true);
        }
        self.note(id, "has no room on its disk");
        self.agenda.plan(self.now_ns().saturating_add(for_ns), Event::Roomy { node: id });
        self.tell_room(id, Room::ReadOnly)
    }

    pub(super) fn make_room(&mut self, id: NodeId) -> Result<(), Failure> {
        let node = self.nodes.node_mut(id);
        node.fills = node.fills.saturating_sub(1);
        if node.fills > 0 {
            return Ok(());
        }
        node.disk.fill(false);
        self.note(id, "has room on its disk again");
        // The operator's turn comes when the core knows of the room: before, it refuses.
        self.tell_room(id, Room::Ample)?;
        self.rule_again(id);
        Ok(())
    }

    /// One that is down is told when it opens.
    pub(super) fn tell_room(&mut self, id: NodeId, room: Room) -> Result<(), Failure> {
        self.give(id, Input::Room(room));
        self.observe(&Observation::Room { node: id, is_full: room == Room::ReadOnly })
    }

    /// The next sync of a node's disk fails: nobody knows which of its batches are durable.
    pub fn fail_sync(&mut self, id: NodeId) {
        if self.has_disk(id) {
            self.tally.disk_faults += 1;
            self.note(id, "will fail to sync");
            self.nodes.node(id).disk.fail_sync(true);
        }
    }

    /// Syncs of a node's disk take so many times as long, for some time in nanoseconds.
    pub fn slow_down(&mut self, id: NodeId, times: u64, for_ns: u64) {
        if self.has_disk(id) {
            self.tally.disk_faults += 1;
            self.note(id, "has a slow disk");
            self.nodes.node_mut(id).slow = (self.now_ns().saturating_add(for_ns), times.max(1));
        }
    }

    /// A durable row of a node's disk cannot be read any more. Whoever reads it finds out, or a look at the whole disk
    /// after some time, in nanoseconds; then the store is set aside, and the node begins anew under a new incarnation.
    pub fn rot(&mut self, id: NodeId, row: u64, found_after_ns: u64) {
        if self.has_disk(id) && self.nodes.node(id).disk.rot(row) {
            self.tally.disk_faults += 1;
            self.nodes.node_mut(id).is_damaged = true;
            self.note(id, "has a row that cannot be read");
            self.agenda.plan(self.now_ns().saturating_add(found_after_ns), Event::Scrub { node: id });
        }
    }

    pub(super) fn scrub(&mut self, id: NodeId) -> Result<(), Failure> {
        if self.nodes.node(id).is_damaged {
            return self.wipe(id, REOPEN_NS_MIN);
        }
        Ok(())
    }

    /// A node loses its disk and gets an empty one, with a new incarnation; who sets it up says that its past is lost. It is
    /// down for some nanoseconds.
    ///
    /// # Errors
    /// [`Failure`] of a checker.
    pub fn wipe(&mut self, id: NodeId, down_ns: u64) -> Result<(), Failure> {
        if !self.has_disk(id) {
            return Ok(());
        }
        self.nodes.node(id).disk.wipe();
        self.destroyed(id, "lost its disk", down_ns)?;
        self.nodes.node_mut(id).settings.takes_own_past = true;
        self.reincarnate(id);
        Ok(())
    }

    /// Somebody takes a copy of what is durable on a node's disk.
    pub fn take_image(&mut self, id: NodeId) {
        // The copy of a branch that is written again could not tell: it would be written again twice.
        if self.has_disk(id) && !self.nodes.node(id).is_old_copy {
            self.note(id, "is copied");
            let node = self.nodes.node_mut(id);
            node.disk.take_image();
            node.image = Some((node.settings.key.incarnation, node.settings.epoch));
        }
    }

    /// The last copy of a node's disk is put in its place, if there is one. It is down for some nanoseconds. The tool
    /// that restores draws a new incarnation; somebody who copies files by hand keeps that of the copy
    /// (`keeps_incarnation`), which is done only where the peers can settle the fork.
    ///
    /// # Errors
    /// [`Failure`] of a checker.
    pub fn restore(&mut self, id: NodeId, keeps_incarnation: bool, down_ns: u64) -> Result<(), Failure> {
        if !self.has_disk(id) || !self.nodes.node(id).disk.restore_image() {
            return Ok(());
        }
        self.destroyed(id, "got an old copy of its disk", down_ns)?;
        let node = self.nodes.node_mut(id);
        let current = (node.settings.key.incarnation, node.settings.epoch);
        let image = node.image.unwrap_or(current);
        (node.settings.key.incarnation, node.settings.epoch) = image;
        if keeps_incarnation && self.is_settled_by_peers(id) {
            let node = self.nodes.node_mut(id);
            node.is_old_copy = true;
            // A branch whose rows are gone is refused for ever.
            node.settings.trimming = TrimPolicy { age_ms: i64::MAX, bytes: u64::MAX };
            return self.observe(&Observation::OldCopy { node: id });
        }
        self.nodes.node_mut(id).settings.takes_own_past = true;
        self.reincarnate(id);
        Ok(())
    }

    /// Whether whoever meets the node next holds the branch that is to stand. A peer that lacks it takes the other one,
    /// and the next has to yield, which only the hub's neighbours know. Where the node meets the others in no order,
    /// all must have its changes alike.
    fn is_settled_by_peers(&self, id: NodeId) -> bool {
        let origin = self.nodes.origin(id);
        self.nodes.spaces(id).all(|space| {
            let carries = |node: &NodeId| *node != id && self.nodes.spaces(*node).any(|other| other == space);
            let is_met = |node: &NodeId| self.nodes.may_read((id, *node), space);
            let others: Vec<_> = self.nodes.ids().filter(carries).collect();
            if others.iter().filter(|node| is_met(node)).count() < 2 || !self.nodes.may_write(id, space) {
                return true;
            }
            let entry = |node: &NodeId| {
                let mut entries = self.nodes.entries(*node, space).into_iter();
                entries.find(|(of, _)| *of == origin).map(|(_, entry)| entry)
            };
            let first = others.first().and_then(entry);
            others.iter().all(|node| self.nodes.node(*node).is_at_rest() && entry(node) == first)
        })
    }

    /// The wall clock of a node is wrong by so much from here on, in milliseconds. Its monotonic clock is not.
    pub fn set_clock(&mut self, id: NodeId, wrong_ms: i64) {
        if self.has_disk(id) {
            self.tally.clocks += 1;
            self.note(id, "has another wall clock");
            self.nodes.node_mut(id).clock_wrong_ms = wrong_ms;
        }
    }

    /// A store gave an error: it is opened again after a pause, and one that is damaged is set aside.
    pub(super) fn store_failed(&mut self, id: NodeId, error: &StoreError) -> Result<(), Failure> {
        let node = self.nodes.node_mut(id);
        let mut dice = Dice::of(self.seed, "reopen", &[id.0 as u64, node.life.into(), node.syncs]);
        let (keep_percent, down_ns) = (dice.below(101), dice.between(REOPEN_NS_MIN, REOPEN_NS_MAX));
        match error {
            StoreError::Full => self.go_down(id, 0, down_ns),
            StoreError::Io { .. } | StoreError::Poisoned => self.go_down(id, keep_percent, down_ns),
            StoreError::Damaged { .. } | StoreError::BrokenJournal { .. } if node.is_damaged => {
                self.wipe(id, down_ns)
            }
            StoreError::Damaged { .. } | StoreError::BrokenJournal { .. } | _ => {
                Err(store_failure(id, error))
            }
        }
    }

    fn destroyed(&mut self, id: NodeId, what: &'static str, down_ns: u64) -> Result<(), Failure> {
        self.tally.destroyed += 1;
        let trimming = topology::trimming(self.seed, id);
        let node = self.nodes.node_mut(id);
        (node.is_old_copy, node.is_damaged) = (false, false);
        node.settings.trimming = trimming;
        self.go_down(id, 0, down_ns)?;
        self.note(id, what);
        self.observe(&Observation::Destroyed { node: id })?;
        // Whether an attempt was written and went out is gone with the answer, and with the key that would tell.
        for write in self.clients.attempted(id) {
            self.observe(&Observation::Unknown { write: &write })?;
        }
        Ok(())
    }

    /// What an edge does with a store that turns out to be an old copy: it opens it again under a new incarnation.
    pub(super) fn renew(&mut self, id: NodeId) -> Result<(), Failure> {
        self.note(id, "has an old copy of its store");
        self.reincarnate(id);
        // The process goes on: what it handed to its disk is written.
        self.go_down(id, 100, REOPEN_NS_MIN)
    }

    fn reincarnate(&mut self, id: NodeId) {
        let node = self.nodes.node_mut(id);
        node.incarnations += 1;
        let mut dice = Dice::of(self.seed, "incarnation", &[id.0 as u64, node.incarnations]);
        node.settings.key.incarnation = dice.bytes();
        node.settings.epoch = dice.below(u64::MAX);
        self.nodes.own(id);
    }

    fn note(&mut self, node: NodeId, what: &'static str) {
        self.trace.note(self.now_ns(), Moment::Faulted { node, what }, &[]);
    }

    fn has_disk(&self, id: NodeId) -> bool {
        self.nodes.has(id) && !self.nodes.is_stranger(id)
    }
}
