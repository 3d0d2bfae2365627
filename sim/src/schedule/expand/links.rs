//! What happens to links.

use super::Expansion;
use crate::dice::Dice;
use crate::network::{Direction, LinkNumber};
use crate::schedule::Event;
use crate::topology::NodeId;

/// How long nodes are divided into two groups, in microseconds: at least and at most.
const PARTITION_US: (u64, u64) = (500_000, 8_000_000);
/// Of 100 sites of a world where some come late, so many do.
const LATE_PERCENT: u64 = 40;
/// How late, in microseconds: at least and at most.
const LATE_US: (u64, u64) = (1_000_000, 12_000_000);
/// How often a link comes and goes that is bad for a while: at least and at most.
const TRAIN: (u64, u64) = (3, 12);
/// How long it is gone each time, in microseconds: connections are lost.
const TRAIN_DOWN_US: (u64, u64) = (2_000_000, 4_000_000);
/// And how long it is there.
const TRAIN_UP_US: (u64, u64) = (100_000, 3_000_000);
/// How long the first link of a region is gone, in microseconds: at least and at most.
const OUTAGE_US: (u64, u64) = (1_000_000, 8_000_000);
/// How much longer each next one is.
const OUTAGE_STEP_US: (u64, u64) = (100_000, 4_000_000);

impl Expansion {
    pub(super) fn cut(&self, dice: &mut Dice, direction: Direction, for_us: (u64, u64)) -> Option<Event> {
        let link = self.any_link(dice)?;
        Some(Event::Cut { link, direction, for_us: dice.between(for_us.0, for_us.1) })
    }

    /// A node cannot be reached over any of its links.
    pub(super) fn cut_off(&self, node: NodeId, (at_us, for_us): (u64, u64)) -> Vec<(u64, Event)> {
        let links = self.topology.links.iter().enumerate();
        let own = links.filter(|(_, link)| link.dialer == node || link.acceptor == node);
        let cut = |link| Event::Cut { link: LinkNumber(link), direction: Direction::Both, for_us };
        own.map(|(link, _)| (at_us, cut(link))).collect()
    }

    /// Some sites are opened before their line is there.
    pub(super) fn late(&self, number: u64) -> Option<Event> {
        let mut dice = self.dice("late", number);
        let link = LinkNumber(usize::try_from(number).ok()?);
        let for_us = dice.between(LATE_US.0, LATE_US.1);
        dice.chance(LATE_PERCENT).then_some(Event::Cut { link, direction: Direction::Both, for_us })
    }

    /// A link comes and goes for a while.
    pub(super) fn train(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let Some(link) = self.any_link(dice) else { return Vec::new() };
        let (times, mut at_us) = (dice.between(TRAIN.0, TRAIN.1), 0);
        let cut = |_| {
            let for_us = dice.between(TRAIN_DOWN_US.0, TRAIN_DOWN_US.1);
            let cut = (at_us, Event::Cut { link, direction: Direction::Both, for_us });
            at_us += for_us + dice.between(TRAIN_UP_US.0, TRAIN_UP_US.1);
            cut
        };
        (0..times).map(cut).collect()
    }

    /// The lines of a region fail about at once, and are mended one after another, from the hub outwards.
    pub(super) fn outage(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let Some(first) = self.any_link(dice) else { return Vec::new() };
        let mut healed_us = dice.between(OUTAGE_US.0, OUTAGE_US.1);
        // Who is nearer to the hub comes first among the links.
        let links = (0..self.topology.links.len()).map(LinkNumber).filter(|link| *link >= first);
        let cut = |link| {
            let at_us = dice.below(OUTAGE_US.0);
            let event = Event::Cut { link, direction: Direction::Both, for_us: healed_us - at_us };
            healed_us += dice.between(OUTAGE_STEP_US.0, OUTAGE_STEP_US.1);
            (at_us, event)
        };
        links.map(cut).collect()
    }

    /// Some links are cut one after another, and healed in another order.
    pub(super) fn swizzle(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let links = (0..self.topology.links.len()).map(LinkNumber).filter(|_| dice.chance(60));
        let links: Vec<_> = links.collect();
        let mut at_us = 0;
        let cut = |link| {
            at_us += dice.below(1_000_000);
            let for_us = dice.between(100_000, 6_000_000);
            (at_us, Event::Cut { link, direction: Direction::Both, for_us })
        };
        links.into_iter().map(cut).collect()
    }

    /// The nodes fall into two groups that cannot reach each other, and then into two others.
    pub(super) fn partition(&self, dice: &mut Dice) -> Vec<(u64, Event)> {
        let (mut events, mut at_us) = (Vec::new(), 0);
        for _ in 0..2 {
            let sides: Vec<bool> = self.topology.nodes.iter().map(|_| dice.chance(50)).collect();
            let for_us = dice.between(PARTITION_US.0, PARTITION_US.1);
            let links = self.topology.links.iter().enumerate();
            let apart = links.filter(|(_, link)| sides.get(link.dialer.0) != sides.get(link.acceptor.0));
            let cut = |link| Event::Cut { link, direction: Direction::Both, for_us };
            events.extend(apart.map(|(link, _)| (at_us, cut(LinkNumber(link)))));
            at_us += for_us;
        }
        events
    }
}
