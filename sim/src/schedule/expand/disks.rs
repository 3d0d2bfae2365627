//! What happens to disks.

use super::{CLOCK_PERCENT, Expansion};
use crate::dice::Dice;
use crate::schedule::Event;
use crate::topology::{NodeId, Shape};
use replica::TrimPolicy;

impl Expansion {
    pub(super) fn full(&self, dice: &mut Dice) -> Option<Event> {
        let (node, at_once) = (self.any_node(dice)?, dice.chance(40));
        Some(Event::Full { node, at_once, for_us: dice.between(200_000, 8_000_000) })
    }

    pub(super) fn slow(&self, dice: &mut Dice) -> Option<Event> {
        let (node, times) = (self.any_node(dice)?, dice.between(2, 60));
        Some(Event::Slow { node, times, for_us: dice.between(200_000, 8_000_000) })
    }

    pub(super) fn rot(&self, dice: &mut Dice) -> Option<Event> {
        let (node, row) = (self.any_fungible(dice)?, dice.below(1 << 20));
        Some(Event::Rot { node, row, found_us: dice.between(100_000, 8_000_000) })
    }

    pub(super) fn wipe(&self, dice: &mut Dice) -> Option<Event> {
        Some(Event::Wipe { node: self.any_fungible(dice)?, down_us: dice.between(10_000, 6_000_000) })
    }

    /// Who was away, down or cut off, loses its disk soon after it is back.
    pub(super) fn lost_on_return(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let Some(node) = self.any_fungible(dice) else { return Vec::new() };
        let away_us = dice.between(500_000, 8_000_000);
        let mut events = match dice.chance(30) {
            true => vec![(0, Event::Crash { node, keep_percent: 100, down_us: away_us })],
            false => self.cut_off(node, (0, away_us)),
        };
        let later_us = dice.between(50_000, 3_500_000);
        let wipe = Event::Wipe { node, down_us: dice.between(10_000, 3_000_000) };
        events.push((away_us + later_us, wipe));
        events
    }

    pub(super) fn restore(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let Some(node) = self.any_fungible(dice) else { return Vec::new() };
        let later_us = dice.between(100_000, 10_000_000);
        let down_us = dice.between(10_000, 6_000_000);
        let restore = Event::Restore { node, keeps_incarnation: false, down_us };
        vec![(0, Event::Image { node }), (later_us, restore)]
    }

    /// A directory that was copied by hand is put back, and some is written on it before it meets anyone.
    pub(super) fn old_copy(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let Some(node) = self.any_copied(dice) else { return Vec::new() };
        let later_us = dice.between(100_000, 10_000_000);
        let down_us = dice.between(10_000, 2_000_000);
        let alone_us = if dice.chance(80) { down_us + dice.between(100_000, 8_000_000) } else { 0 };
        let is_alone = alone_us > 0;
        let mut events = if is_alone { self.cut_off(node, (later_us, alone_us)) } else { Vec::new() };
        events.insert(0, (0, Event::Image { node }));
        events.push((later_us, Event::Restore { node, keeps_incarnation: true, down_us }));
        events
    }

    /// A node whose branch reaches no other that the hub cannot correct: in a chain its neighbour is the hub's, too. In a
    /// mesh or a cluster it is one of the seed: peers that take each other's branches have nobody who decides. So it is in a
    /// chain whose rows are trimmed, by age or by a clock that jumps ahead: the hub cannot tell what a relay that was put back
    /// took.
    fn any_copied(&self, dice: &mut Dice) -> Option<NodeId> {
        let one = &mut self.dice("old-copy", u64::MAX - 2);
        if self.topology.shape == Shape::Mesh {
            return self.any_node(one);
        }
        if self.topology.shape == Shape::Cluster {
            return self.any_fungible(one);
        }
        let jumps = self.dice("clock", u64::MAX).chance(CLOCK_PERCENT);
        let are_trimmed =
            self.topology.nodes.iter().any(|node| node.trimming != TrimPolicy::default()) || jumps;
        let dice = if self.topology.shape == Shape::Chain && are_trimmed { one } else { dice };
        let links = &self.topology.links;
        let parent = |node: NodeId| links.iter().find(|link| link.dialer == node).map(|link| link.acceptor);
        let is_near = |node: &NodeId| parent(*node).and_then(parent).is_none_or(|above| above.0 == 0);
        self.any_fungible(dice).filter(is_near)
    }
}
