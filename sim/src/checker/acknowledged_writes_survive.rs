use super::lives::Lives;
use super::rules::Rules;
use super::shown::Shown;
use crate::failure::Failure;
use crate::network::RowName;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Ruling, Settled};
use document::{Origin, Space};
use replica::Stamp;
use std::collections::{BTreeMap, BTreeSet};

const PROPERTY: &str = "acknowledged_writes_survive";
const HUB: NodeId = NodeId(0);

/// An acknowledged write is for ever in the version vector of its origin, and in the end in that of every replica
/// which shares the space; no two writes have one stamp. It is lost only with the disks of all nodes that had it.
/// Of a site that may not write any more, that stays which the hub held when it said so: beyond the cut, writes stay where
/// they are. What is written on an old copy of a store may be written again under another stamp: see `counters_exact`.
#[derive(Debug, Default)]
pub struct AcknowledgedWritesSurvive {
    /// The last acknowledged stamp of each origin and space.
    last: BTreeMap<(Origin, Space), Stamp>,
    /// What each node surely has on its disk, as it said to others.
    shown: Shown,
    /// Origins whose author had another disk since: it gets its own past from others.
    renewed: BTreeSet<Origin>,
    /// Which write a stamp was given to.
    writes: BTreeMap<(Space, Stamp), u64>,
    lives: Lives,
    rules: Rules,
    authors: BTreeMap<Origin, NodeId>,
    /// What the hub held of each site when it last said that this may not write any more.
    cuts: BTreeMap<NodeId, BTreeMap<(Origin, Space), u64>>,
}

impl AcknowledgedWritesSurvive {
    /// Of changes whose author has no disk any more, those stay that another node said it has.
    fn destroyed(&mut self, node: NodeId, nodes: &Nodes) {
        self.shown.forget(node);
        self.renewed.insert(nodes.origin(node));
        for ((origin, space), stamp) in &mut self.last {
            let is_alive = nodes.ids().any(|other| other != node && nodes.origin(other) == *origin);
            if !is_alive || self.renewed.contains(origin) {
                let row = RowName { space: space.clone(), origin: *origin, sequence: 0 };
                stamp.sequence = stamp.sequence.min(self.shown.most(&row));
            }
        }
    }

    fn ruled(&mut self, Ruling { node: site, .. }: Ruling, nodes: &Nodes) {
        let mut cut = BTreeMap::new();
        for space in nodes.spaces(HUB) {
            let held = nodes.vector(HUB, space).into_iter().filter(|(of, _)| nodes.owner(*of) == Some(site));
            cut.extend(held.map(|(origin, sequence)| ((origin, space.clone()), sequence)));
        }
        self.cuts.insert(site, cut);
    }

    /// Up to where the writes of an origin are everywhere in the end.
    fn until(&self, (origin, space): &(Origin, Space)) -> u64 {
        let Some(author) = self.authors.get(origin).filter(|author| self.rules.is_cut(**author)) else {
            return u64::MAX;
        };
        let cut = self.cuts.get(author).and_then(|cut| cut.get(&(*origin, space.clone())));
        cut.copied().unwrap_or(0)
    }

    fn acknowledge(
        &mut self,
        (id, node, space): (u64, NodeId, &Space),
        stamp: Stamp,
        nodes: &Nodes,
    ) -> Result<(), Failure> {
        let other = *self.writes.entry((space.clone(), stamp)).or_insert(id);
        if other != id {
            let finding = format!("operations {other} and {id} have one stamp, {stamp:?} in {space}");
            return Err(Failure::correctness(PROPERTY, finding));
        }
        self.authors.insert(stamp.origin, node);
        let last = self.last.entry((stamp.origin, space.clone())).or_insert(stamp);
        *last = stamp.max(*last);
        // Asked again, an old copy answers for what it has, before the rest of its own past has come back.
        let held = if self.renewed.contains(&stamp.origin) { stamp } else { *last };
        has(node, space, held, &nodes.vector(node, space))
    }
}

fn has(node: NodeId, space: &Space, stamp: Stamp, vector: &BTreeMap<Origin, u64>) -> Result<(), Failure> {
    let has = vector.get(&stamp.origin).copied().unwrap_or(0);
    if has >= stamp.sequence {
        return Ok(());
    }
    let (name, sequence) = (Topology::name(node), stamp.sequence);
    let finding =
        format!("in {space} change {sequence} was acknowledged, and {name} has only {has} of its author");
    Err(Failure::correctness(PROPERTY, finding))
}

impl Checker for AcknowledgedWritesSurvive {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.lives.observe(observation, nodes);
        self.rules.observe(observation);
        match observation {
            Observation::Acknowledged { write, stamp, .. } if self.lives.may_move(write.node, *stamp) => {
                Ok(())
            }
            Observation::OldCopy { node } => {
                self.renewed.insert(nodes.origin(*node));
                Ok(())
            }
            Observation::Acknowledged { write, stamp: Some(stamp), .. } => {
                self.acknowledge((write.id, write.node, &write.space), *stamp, nodes)
            }
            Observation::Ruled { ruling, .. } => {
                self.ruled(*ruling, nodes);
                Ok(())
            }
            Observation::Opened { node } => {
                let origin = nodes.origin(*node);
                let own = self.last.iter().filter(|((of, _), _)| *of == origin && !self.renewed.contains(of));
                own.into_iter().try_for_each(|((_, space), stamp)| {
                    has(*node, space, *stamp, &nodes.vector(*node, space))
                })
            }
            Observation::Destroyed { node } => {
                self.destroyed(*node, nodes);
                Ok(())
            }
            _ => {
                self.shown.observe(observation, nodes);
                Ok(())
            }
        }
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        for (stream, last) in &self.last {
            let (space, stamp) =
                (&stream.1, Stamp { sequence: last.sequence.min(self.until(stream)), ..*last });
            for (node, content) in settled.spaces.get(space).into_iter().flatten() {
                let vector = content.vector.iter().map(|(origin, entry)| (*origin, entry.sequence)).collect();
                has(*node, space, stamp, &vector)?;
            }
        }
        Ok(())
    }
}
