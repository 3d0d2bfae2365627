//! What the hub says of sites.

use super::Expansion;
use crate::schedule::{Event, Scheduled};
use crate::topology::NodeId;

/// Changes of rights of a run, after those with which sites are enrolled, at most.
const RULINGS_MAX: u64 = 6;

impl Expansion {
    /// All sites are enrolled, some of them late; some that nobody is behind lose the right to write, and may get it back.
    pub(super) fn rulings(&self) -> Vec<Scheduled> {
        let sites = (1..self.topology.nodes.len()).map(NodeId);
        let is_leaf = |node: &NodeId| self.topology.links.iter().all(|link| link.acceptor != *node);
        let leaves: Vec<_> = sites.clone().filter(is_leaf).collect();
        let mut events = Vec::new();
        for node in sites {
            let mut dice = self.dice("enrol", node.0 as u64);
            let at_us = match dice.below(100) {
                0..60 => dice.below(10_000),
                60..80 => self.moment_us(&mut dice),
                _ => dice.below(self.duration_us / 4 * 5),
            };
            events.push(Scheduled { at_us, event: Event::Grant { node, narrow: false } });
        }
        for number in 0..self.dice("rulings", 0).below(RULINGS_MAX + 1) {
            let mut dice = self.dice("ruling", number);
            // Some come after the last write, so that nothing written later shows what they brought about.
            let later_us = if dice.chance(50) { self.duration_us / 2 } else { 0 };
            let at_us = later_us + self.moment_us(&mut dice);
            let Some(node) = dice.pick(&leaves).copied() else { continue };
            let event = match dice.below(10) {
                0..4 => Event::Grant { node, narrow: true },
                4..8 => Event::Grant { node, narrow: false },
                _ => Event::Revoke { node },
            };
            events.push(Scheduled { at_us, event });
        }
        let mut dice = self.dice("schema", 0);
        let collection = (*dice.pick(&["inventory", "note", "basket"]).unwrap_or(&"note")).to_owned();
        events.push(Scheduled { at_us: self.moment_us(&mut dice), event: Event::Schema { collection } });
        // Who is revoked gets nothing back.
        let revoked = |node: &NodeId| {
            let revocations =
                events.iter().filter(|scheduled| scheduled.event == Event::Revoke { node: *node });
            revocations.map(|scheduled| scheduled.at_us).min()
        };
        let late = |scheduled: &Scheduled| {
            let Event::Grant { node, .. } = &scheduled.event else { return false };
            revoked(node).is_some_and(|at_us| scheduled.at_us >= at_us)
        };
        let kept = events.iter().filter(|scheduled| !late(scheduled));
        kept.cloned().collect()
    }
}
