use super::rules::Rules;
use crate::failure::Failure;
use crate::network::{FilledChange, Message, Passage, RowName};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Rule, Settled};
use document::{Origin, Space};
use std::collections::BTreeMap;

/// Who has heard that a site may not write any more, and has it on its disk, passes on nothing of that site beyond what the
/// hub held then: no row, and no change with a document.
#[derive(Debug, Default)]
pub struct CutsKept {
    rules: Rules,
    /// What the hub held of a site at each of its rulings about it.
    cuts: BTreeMap<(NodeId, usize), BTreeMap<(Space, Origin), u64>>,
    /// The last ruling about a site that a node has on its disk.
    heard: BTreeMap<(NodeId, NodeId), (usize, Rule)>,
    /// Stamps of changes of sites, as they were sent as rows.
    stamps: BTreeMap<[u8; 32], u64>,
}

impl CutsKept {
    /// What was held for the disk has left.
    fn hear(&mut self, node: NodeId, nodes: &Nodes) {
        for site in nodes.ids().filter(|site| *site != node) {
            if let Some(heard) = self.rules.heard(node, site, nodes) {
                self.heard.insert((node, site), heard);
            }
        }
    }

    fn cut(&mut self, site: NodeId, nodes: &Nodes) {
        let hub = NodeId(0);
        let Some((place, _)) = self.rules.heard(hub, site, nodes) else { return };
        let mut cut = BTreeMap::new();
        for space in nodes.spaces(hub) {
            let held = nodes.vector(hub, space).into_iter().filter(|(of, _)| nodes.owner(*of) == Some(site));
            cut.extend(held.map(|(origin, sequence)| ((space.clone(), origin), sequence)));
        }
        self.cuts.insert((site, place), cut);
    }

    /// Up to where a node passes a stream on, when there is an end to it: by what it has of rights on its disk, or by what is
    /// on its way there.
    fn last(&self, node: NodeId, space: &Space, origin: Origin, nodes: &Nodes) -> Option<u64> {
        let site = nodes.owner(origin).filter(|site| *site != node && site.0 > 0)?;
        let heard = [*self.heard.get(&(node, site))?, self.rules.heard(node, site, nodes)?];
        let is_full = heard.iter().any(|(_, rule)| *rule == Rule::Full);
        if is_full || self.rules.is_unsure(site) || !nodes.may_write(site, space) {
            return None;
        }
        let cuts = heard.iter().filter_map(|(place, _)| self.cuts.get(&(site, *place)));
        cuts.map(|cut| cut.get(&(space.clone(), origin)).copied().unwrap_or(0)).max()
    }

    fn check(&self, passage: Passage, row: &RowName, nodes: &Nodes) -> Result<(), Failure> {
        let RowName { space, origin, sequence } = row;
        let Some(last) = self.last(passage.from, space, *origin, nodes).filter(|last| *sequence > *last)
        else {
            return Ok(());
        };
        let (from, to) = (Topology::name(passage.from), Topology::name(passage.to));
        let finding =
            format!("{from} gave {to} change {sequence} of {origin} in {space}, which is cut at {last}");
        Err(Failure::correctness("cuts_kept", finding))
    }

    fn sent(&mut self, passage: Passage, message: &Message, nodes: &Nodes) -> Result<(), Failure> {
        match message {
            Message::Delta { rows, hashes, .. } => {
                for (row, hash) in rows.iter().zip(hashes) {
                    self.stamps.insert(*hash, row.sequence);
                    self.check(passage, row, nodes)?;
                }
                Ok(())
            }
            Message::Offer { has, .. } => has.iter().try_for_each(|row| self.check(passage, row, nodes)),
            Message::Documents { space: Some(space), changes, .. } => {
                for FilledChange { origin, hash } in changes {
                    let Some(sequence) = self.stamps.get(hash).copied() else { continue };
                    let row = RowName { space: space.clone(), origin: *origin, sequence };
                    self.check(passage, &row, nodes)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Checker for CutsKept {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        if !nodes.have_authority() {
            return Ok(());
        }
        self.rules.observe(observation);
        match observation {
            Observation::Ruled { ruling, .. } => self.cut(ruling.node, nodes),
            Observation::Opened { node } => {
                self.heard.retain(|(of, _), _| of != node);
                self.hear(*node, nodes);
            }
            Observation::TurnEnded { node }
                if self.rules.was_any_denied() && nodes.in_flight_bytes(*node) == 0 =>
            {
                self.hear(*node, nodes);
            }
            Observation::Sent { passage, message, .. } if !nodes.is_stranger(passage.from) => {
                return self.sent(*passage, message, nodes);
            }
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{ConnectionId, End};
    use crate::sabotage::Sabotage;
    use crate::time::SECOND_NS;
    use crate::topology::Shape;
    use crate::world::{Ruling, World};

    #[test]
    fn a_change_beyond_the_cut_is_seen() {
        let (hub, site, other) = (NodeId(0), NodeId(1), NodeId(2));
        let mut world = World::new(&Topology::new(1, Shape::Star, 3).with_authority(), Sabotage::None);
        world.open().unwrap();
        world.rule(Ruling { node: site, rule: Rule::Full }).unwrap();
        world.run_until(10 * SECOND_NS).unwrap();
        let milk = "store-1/inventory/milk".parse().unwrap();
        let write =
            replica::Request::write(milk, vec![document::Operation::increment("/on_hand", 1).unwrap()]);
        world.request(site, write).unwrap().unwrap().unwrap();
        world.run_until(20 * SECOND_NS).unwrap();

        let (nodes, space) = (world.nodes(), Space::new("store-1").unwrap());
        let (origin, system) = (nodes.origin(site), Space::new("system").unwrap());
        assert_eq!(nodes.vector(hub, &space).get(&origin), Some(&1));
        let sequence = nodes.vector(hub, &system)[&nodes.origin(hub)];
        let ruling = Ruling { node: site, rule: Rule::Narrow };
        let mut checker = CutsKept::default();
        for observation in [
            Observation::Asked { ruling },
            Observation::Ruled { ruling, sequence },
            Observation::TurnEnded { node: hub },
        ] {
            checker.observe(&observation, nodes).unwrap();
        }
        let passage = Passage { connection: ConnectionId(0), end: End::Acceptor, from: hub, to: other };
        let mut is_fine = |sequence| {
            let message = Message::Offer {
                space: space.clone(),
                has: vec![RowName { space: space.clone(), origin, sequence }],
            };
            checker.observe(&Observation::Sent { passage, message: &message, bytes: 1 }, nodes).is_ok()
        };
        assert!(is_fine(1));
        assert!(!is_fine(2));
    }
}
