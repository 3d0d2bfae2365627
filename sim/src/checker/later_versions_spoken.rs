use crate::failure::Failure;
use crate::network::Message;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Strangeness, Topology};
use crate::world::{Nodes, Settled};
use replica::{DisconnectReason, Event};
use std::collections::BTreeSet;

/// A peer that speaks a later version of the protocol is spoken with: its hello is answered by a session, and it is not
/// left for its version, nor for fields and frames that nobody here knows.
#[derive(Debug, Default)]
pub struct LaterVersionsSpoken {
    /// Nodes to which its hello came, and which have done nothing about it.
    greeted: BTreeSet<NodeId>,
}

impl Checker for LaterVersionsSpoken {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        let stranger = nodes.stranger().filter(|stranger| stranger.kind == Strangeness::Newer);
        let Some(stranger) = stranger.map(|stranger| stranger.node) else { return Ok(()) };
        let finding = match observation {
            Observation::Delivered { passage, message: Message::Hello { .. } }
                if passage.from == stranger =>
            {
                self.greeted.insert(passage.to);
                return Ok(());
            }
            Observation::Told { node, event: Event::SessionStarted { peer, .. } }
                if *peer == Topology::name(stranger) =>
            {
                self.greeted.remove(node);
                return Ok(());
            }
            Observation::Left { node, peer, reason } if *peer == Some(stranger) => {
                self.greeted.remove(node);
                match reason {
                    DisconnectReason::Protocol { .. } | DisconnectReason::Misbehaved(_) => {
                        format!("{} left a peer of a later version: {reason}", Topology::name(*node))
                    }
                    // What concerns no version: it answers no fill, a disk is full, a fork is settled.
                    _ => return Ok(()),
                }
            }
            Observation::Opened { node } => {
                self.greeted.remove(node);
                return Ok(());
            }
            Observation::TurnEnded { node }
                if nodes.inputs_waiting(*node) == 0 && self.greeted.remove(node) =>
            {
                format!("{} does not answer the hello of a peer of a later version", Topology::name(*node))
            }
            _ => return Ok(()),
        };
        Err(Failure::correctness("later_versions_spoken", finding))
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
    use crate::topology::{Shape, Stranger};
    use crate::world::World;
    use replica::{Misbehaviour, Rung};

    const HUB: NodeId = NodeId(0);
    const NEWER: NodeId = NodeId(2);

    fn world() -> World {
        let stranger = Some(Stranger { node: NEWER, kind: Strangeness::Newer });
        World::new(&Topology { stranger, ..Topology::new(1, Shape::Star, 3) }, Sabotage::None)
    }

    #[test]
    fn who_leaves_a_later_version_for_what_it_does_not_know_is_seen() {
        let world = world();
        let left = |reason| {
            let left = Observation::Left { node: HUB, peer: Some(NEWER), reason };
            LaterVersionsSpoken::default().observe(&left, world.nodes()).is_ok()
        };
        assert!(left(&DisconnectReason::Replaced));
        assert!(!left(&DisconnectReason::Protocol { theirs: 3, ours: 2 }));
        assert!(!left(&DisconnectReason::Misbehaved(Misbehaviour::Order)));
    }

    #[test]
    fn who_does_not_answer_its_hello_is_seen() {
        let world = world();
        let passage = Passage { connection: ConnectionId(0), end: End::Dialer, from: NEWER, to: HUB };
        let message = &Message::Hello { has: Vec::new(), spaces: Vec::new() };
        let event =
            &Event::SessionStarted { peer: Topology::name(NEWER), rung: Rung::Equal, backlog_rows: 0 };
        let started = Observation::Told { node: HUB, event };
        let is_fine = |between: &[Observation<'_>]| {
            let mut checker = LaterVersionsSpoken::default();
            let mut observe = |observation: &_| checker.observe(observation, world.nodes()).is_ok();
            assert!(
                observe(&Observation::Delivered { passage, message }) && between.iter().all(&mut observe)
            );
            observe(&Observation::TurnEnded { node: HUB })
        };
        assert!(is_fine(&[started]));
        assert!(is_fine(&[Observation::Opened { node: HUB }]), "it crashed before it could");
        assert!(!is_fine(&[]));
    }

    #[test]
    fn it_is_spoken_with() {
        let mut world = world();
        world.watch(Box::new(LaterVersionsSpoken::default()));
        world.open().unwrap();
        world.run_until(10 * SECOND_NS).unwrap();
        let tally = world.tally();
        assert!(tally.strange > 20, "{tally}");
        assert_eq!(tally.equal + tally.cursor + tally.vector + tally.reconcile + tally.fill, 3, "{tally}");
    }
}
