//! A core of nodes that is healed, while everything else fails for ever.

use super::rulings::HUB;
use super::{Settled, World};
use crate::failure::Failure;
use crate::network::{Direction, LinkNumber};
use crate::time::SECOND_NS;
use crate::topology::{NodeId, Topology};
use document::Space;
use std::collections::BTreeSet;

/// How long a core may take to converge, in nanoseconds.
const CORE_NS_MAX: u64 = 120 * SECOND_NS;

impl World {
    /// Cuts every link that does not join two of the nodes, crashes all others, and runs until the nodes have the same
    /// of every space. Then the rest is healed.
    ///
    /// # Errors
    /// [`Failure`] when they have not in time, and of a checker.
    pub fn converge(&mut self, core: &[NodeId]) -> Result<(), Failure> {
        let core: BTreeSet<NodeId> = core.iter().copied().filter(|node| self.nodes.has(*node)).collect();
        let within = |world: &Self, link: LinkNumber| {
            let nodes = world.network.nodes_of(link);
            nodes.is_some_and(|(one, other)| core.contains(&one) && core.contains(&other))
        };
        let cut: Vec<_> = self.network.link_numbers().filter(|link| !within(self, *link)).collect();
        cut.iter().for_each(|link| self.cut(*link, Direction::Both));
        let others: Vec<_> = self.nodes.ids().filter(|node| !core.contains(node)).collect();
        for node in &others {
            self.crash(*node, 0, u64::MAX)?;
        }
        let until_ns = self.now_ns() + CORE_NS_MAX;
        while let Some((space, one, other)) = self.apart(&core) {
            if self.now_ns() >= until_ns {
                let (one, other) = (Topology::name(one), Topology::name(other));
                let finding =
                    format!("{one} and {other} have not the same of {space}, though nothing hinders them");
                return Err(Failure::liveness("core_converges", finding));
            }
            self.run_until(self.now_ns() + SECOND_NS)?;
        }
        let mut settled: Settled = self.settled()?;
        settled.spaces.retain(|space, _| !self.is_in_doubt(&core, space));
        settled.spaces.values_mut().for_each(|nodes| nodes.retain(|node, _| core.contains(node)));
        crate::checker::Converged.compare_all(&settled)?;
        cut.iter().for_each(|link| self.heal(*link, Direction::Both));
        others.into_iter().try_for_each(|node| self.restart(node))
    }

    /// Whether a core without the hub may stay apart in a space: what was said last of who writes it may not have come to the
    /// core, which then goes by what was said before; and what the hub alone writes comes from above alone, also to a relay
    /// that lost its disk.
    fn is_in_doubt(&self, core: &BTreeSet<NodeId>, space: &Space) -> bool {
        if core.contains(&HUB) {
            return false;
        }
        let is_denied = self.rulings.denied.iter().any(|site| self.nodes.may_write(*site, space));
        let is_hubs = !self.nodes.ids().any(|node| node != HUB && self.nodes.may_write(node, space));
        is_denied || (is_hubs && core.iter().any(|node| self.nodes.node(*node).incarnations > 0))
    }

    /// Two of the nodes that have not the same of a space, or of which one is at work or down.
    fn apart(&self, core: &BTreeSet<NodeId>) -> Option<(Space, NodeId, NodeId)> {
        for one in core {
            for space in self
                .nodes
                .spaces(*one)
                .filter(|space| !self.nodes.is_strange(space) && !self.nodes.is_denied(*one, space))
                .filter(|space| !self.is_in_doubt(core, space))
            {
                let entries = self.nodes.entries(*one, space);
                let carries = |other: &&NodeId| {
                    self.nodes.spaces(**other).any(|carried| carried == space)
                        && !self.nodes.is_denied(**other, space)
                };
                let other = core.iter().filter(carries).find(|other| {
                    !self.nodes.node(**other).is_at_rest() || self.nodes.entries(**other, space) != entries
                });
                if let Some(other) = other {
                    return Some((space.clone(), *one, *other));
                }
            }
        }
        None
    }
}
