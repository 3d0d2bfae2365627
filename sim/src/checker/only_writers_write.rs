use super::rules::Rules;
use super::stream::Streams;
use crate::failure::Failure;
use crate::network::{FilledChange, Message, RowName};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Rule, Settled};
use document::Space;
use std::collections::{BTreeMap, BTreeSet};

const PROPERTY: &str = "only_writers_write";

/// A node has no change to a space of an origin that may not write it, whoever delivered it; and no change of others
/// that was not delivered to it with all before it. From when it has heard that a site may not write, it takes nothing
/// more of that than the hub held.
#[derive(Debug, Default)]
pub struct OnlyWritersWrite {
    /// Streams of which all rows came to a node, without gaps.
    came: BTreeMap<NodeId, Streams>,
    changed: BTreeMap<NodeId, BTreeSet<Space>>,
    rules: Rules,
    /// How many changes of a site the hub held, or a node when it heard: by site, place of the ruling, and holder.
    held: BTreeMap<(NodeId, usize, NodeId), u64>,
}

impl OnlyWritersWrite {
    /// Changes that a site wrote to its own space, under all its origins.
    fn held(node: NodeId, of: NodeId, space: &Space, nodes: &Nodes) -> u64 {
        let vector = nodes.vector(node, space).into_iter();
        vector.filter(|(origin, _)| nodes.owner(*origin) == Some(of)).map(|(_, sequence)| sequence).sum()
    }

    /// What a node gives with documents was written by who may write there. The origins that lists and texts are created by
    /// are nobody's.
    fn check_filled(
        node: NodeId,
        space: &Space,
        changes: &[FilledChange],
        nodes: &Nodes,
    ) -> Result<(), Failure> {
        let may_write = |owner: NodeId| match space.as_str() {
            "system" => owner == NodeId(0),
            _ => nodes.may_write(owner, space),
        };
        let is_foreign =
            |change: &&FilledChange| nodes.owner(change.origin).is_some_and(|owner| !may_write(owner));
        let Some(FilledChange { origin, .. }) = changes.iter().find(is_foreign) else { return Ok(()) };
        let name = Topology::name(node);
        let finding =
            format!("{name} gives documents of {space} with a change of {origin}, which may not write it");
        Err(Failure::correctness(PROPERTY, finding))
    }

    fn check_cut(&mut self, node: NodeId, space: &Space, nodes: &Nodes) -> Result<(), Failure> {
        let writes = |site: &NodeId| site.0 > 0 && nodes.may_write(*site, space);
        let Some(site) = nodes.ids().find(writes).filter(|site| *site != node) else { return Ok(()) };
        let Some((place, rule)) = self.rules.heard(node, site, nodes) else { return Ok(()) };
        if rule == Rule::Full || self.rules.is_unsure(site) {
            return Ok(());
        }
        let held = Self::held(node, site, space, nodes);
        let cut = self.held.get(&(site, place, NodeId(0))).copied().unwrap_or(0);
        let had = *self.held.entry((site, place, node)).or_insert(held);
        if held <= had.max(cut) {
            return Ok(());
        }
        let (name, of) = (Topology::name(node), Topology::name(site));
        let finding = format!("{name} took {held} changes of {of} in {space}, which was cut at {cut}");
        Err(Failure::correctness(PROPERTY, finding))
    }

    fn check(&self, node: NodeId, space: &Space, nodes: &Nodes) -> Result<(), Failure> {
        let name = Topology::name(node);
        for (origin, sequence) in nodes.vector(node, space) {
            let owner = nodes.owner(origin);
            // A stranger may draw an incarnation of its own.
            let is_writer =
                owner.map_or_else(|| nodes.is_strange(space), |owner| nodes.may_write(owner, space));
            if !is_writer {
                let writer = owner.map_or_else(|| "nobody".to_owned(), Topology::name);
                let finding = format!(
                    "{name} has change {sequence} of {origin} in {space}, which {writer} may not write"
                );
                return Err(Failure::correctness(PROPERTY, finding));
            }
            let row = RowName { space: space.clone(), origin, sequence };
            let came = self.came.get(&node).map_or(0, |came| came.last(&row));
            if owner != Some(node) && came < sequence {
                let finding =
                    format!("{name} has {sequence} changes of {origin} in {space}, and {came} came to it");
                return Err(Failure::correctness(PROPERTY, finding));
            }
        }
        Ok(())
    }
}

impl Checker for OnlyWritersWrite {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.rules.observe(observation);
        match observation {
            Observation::Ruled { ruling, .. } => {
                let hub = NodeId(0);
                let heard = self.rules.heard(hub, ruling.node, nodes);
                let own = nodes.spaces(ruling.node).filter(|space| nodes.may_write(ruling.node, space));
                let held = own.map(|space| Self::held(hub, ruling.node, space, nodes)).sum();
                if let Some((place, _)) = heard {
                    self.held.insert((ruling.node, place, hub), held);
                }
            }
            Observation::Sent {
                passage,
                message: Message::Documents { space: Some(space), changes, .. },
                ..
            } if !nodes.is_stranger(passage.from) => {
                Self::check_filled(passage.from, space, changes, nodes)?;
            }
            Observation::Delivered { passage, message: Message::Delta { rows, .. } } => {
                let came = self.came.entry(passage.to).or_default();
                let changed = self.changed.entry(passage.to).or_default();
                for row in rows {
                    if row.sequence <= came.last(row).saturating_add(1) {
                        came.raise(row);
                    }
                    changed.insert(row.space.clone());
                }
            }
            // With its documents all changes up to there come.
            Observation::Delivered { passage, message: Message::Offer { has, .. } } => {
                let came = self.came.entry(passage.to).or_default();
                has.iter().for_each(|row| came.raise(row));
            }
            Observation::TurnEnded { node } if nodes.inputs_waiting(*node) == 0 => {
                for space in self.changed.remove(node).into_iter().flatten() {
                    if nodes.spaces(*node).any(|carried| *carried == space) {
                        self.check(*node, &space, nodes)?;
                        self.check_cut(*node, &space, nodes)?;
                    }
                }
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
    use crate::network::{ConnectionId, End, Passage};
    use crate::sabotage::Sabotage;
    use crate::time::SECOND_NS;
    use crate::topology::Shape;
    use crate::world::{Ruling, World};
    use document::Origin;

    const HUB: NodeId = NodeId(0);
    const SITE: NodeId = NodeId(1);

    /// Site 1 has written two changes to its space, and the hub has them.
    fn written() -> World {
        let mut world = World::new(&Topology::new(1, Shape::Star, 3).with_authority(), Sabotage::None);
        world.open().unwrap();
        world.rule(Ruling { node: SITE, rule: Rule::Full }).unwrap();
        world.run_until(10 * SECOND_NS).unwrap();
        for key in ["milk", "bread"] {
            let address = format!("store-1/inventory/{key}").parse().unwrap();
            let operations = vec![document::Operation::increment("/on_hand", 1).unwrap()];
            world.request(SITE, replica::Request::write(address, operations)).unwrap().unwrap().unwrap();
        }
        world.run_until(20 * SECOND_NS).unwrap();
        world
    }

    fn row(origin: Origin, sequence: u64) -> RowName {
        RowName { space: Space::new("store-1").unwrap(), origin, sequence }
    }

    fn delta(rows: Vec<RowName>) -> Message {
        Message::Delta { generation: 0, to: 1, rows, hashes: Vec::new(), body_bytes: 1 }
    }

    /// A turn of the hub to which these rows came.
    fn took(checker: &mut OnlyWritersWrite, rows: Vec<RowName>, nodes: &Nodes) -> bool {
        let passage = Passage { connection: ConnectionId(0), end: End::Dialer, from: SITE, to: HUB };
        let message = &delta(rows);
        checker.observe(&Observation::Delivered { passage, message }, nodes).unwrap();
        checker.observe(&Observation::TurnEnded { node: HUB }, nodes).is_ok()
    }

    #[test]
    fn a_change_that_did_not_come_with_all_before_it_is_seen() {
        let world = written();
        let (nodes, origin) = (world.nodes(), world.nodes().origin(SITE));
        let took = |sequences: &[u64]| {
            let rows = sequences.iter().map(|sequence| row(origin, *sequence)).collect();
            took(&mut OnlyWritersWrite::default(), rows, nodes)
        };
        assert!(took(&[1, 2]));
        assert!(!took(&[1]), "the second came by no delta");
        assert!(!took(&[2]), "without the first");
    }

    #[test]
    fn a_change_of_who_may_not_write_is_seen() {
        let world = written();
        let (nodes, space) = (world.nodes(), Space::new("store-1").unwrap());
        let gives = |origin| {
            let passage = Passage { connection: ConnectionId(0), end: End::Acceptor, from: HUB, to: SITE };
            let changes = vec![FilledChange { origin, hash: [1; 32] }];
            let message = &Message::Documents {
                space: Some(space.clone()),
                fill: 1,
                number: 1,
                changes,
                body_bytes: 1,
            };
            let sent = Observation::Sent { passage, message, bytes: 1 };
            OnlyWritersWrite::default().observe(&sent, nodes).is_ok()
        };
        assert!(gives(nodes.origin(SITE)));
        assert!(!gives(nodes.origin(NodeId(2))), "it writes another space");
    }

    #[test]
    fn what_is_taken_beyond_a_cut_is_seen() {
        let world = written();
        let (nodes, space) = (world.nodes(), Space::new("store-1").unwrap());
        let (hub, system) = (nodes.origin(HUB), Space::new("system").unwrap());
        let ruling = Ruling { node: SITE, rule: Rule::Narrow };
        let sequence = nodes.vector(HUB, &system)[&hub];
        let is_fine = |cut| {
            let mut checker = OnlyWritersWrite::default();
            checker.observe(&Observation::Asked { ruling }, nodes).unwrap();
            checker.observe(&Observation::Ruled { ruling, sequence }, nodes).unwrap();
            checker.held.values_mut().for_each(|held| *held = cut);
            checker.check_cut(HUB, &space, nodes).is_ok()
        };
        assert!(is_fine(2) && !is_fine(1));
    }
}
