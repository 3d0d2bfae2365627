use super::shown::Shown;
use crate::failure::Failure;
use crate::network::{FillPart, Message, RowName};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled};
use document::Space;

const HUB: NodeId = NodeId(0);

/// A service is told that the hub has its write only once the hub has let somebody know that it has it durably. What it
/// has lost since with its disk, it had: who heard of it before may say so still.
#[derive(Debug, Default)]
pub struct HubHasWhatItConfirms {
    /// Never forgotten: see [`HubHasWhatItConfirms`].
    shown: Shown,
}

impl HubHasWhatItConfirms {
    fn has(&self, row: &RowName) -> u64 {
        self.shown.of(HUB).map_or(0, |shown| shown.last(row))
    }

    /// Who has taken documents says what it has of their space.
    fn filled(&mut self, space: &Space, nodes: &Nodes) {
        for (origin, sequence) in nodes.vector(HUB, space) {
            self.shown.raise(HUB, &RowName { space: space.clone(), origin, sequence });
        }
    }
}

impl Checker for HubHasWhatItConfirms {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.shown.observe(observation, nodes);
        match observation {
            Observation::Sent {
                passage,
                message: Message::Fill { space: Some(space), part: FillPart::Finished },
                ..
            } if passage.from == HUB => self.filled(space, nodes),
            // What is on the hub's own disk needs nobody else's word.
            Observation::Confirmed { write, stamp } if write.node != HUB => {
                let (space, origin, sequence) = (write.space.clone(), stamp.origin, stamp.sequence);
                let has = self.has(&RowName { space, origin, sequence });
                if has < sequence {
                    let (name, id) = (Topology::name(write.node), write.id);
                    let finding = format!(
                        "{name} says of operation {id} that the hub has it, which told of {has} changes of \
                         {origin} in {} and not of {sequence}",
                        write.space
                    );
                    return Err(Failure::correctness("hub_has_what_it_confirms", finding));
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
    use crate::topology::Shape;
    use crate::world::{ClientWrite, World};
    use document::Origin;
    use replica::Stamp;

    /// What a checker is shown, and then that a write of a site is confirmed: its change 2.
    fn is_fine(node: NodeId, shown: &[Observation<'_>]) -> bool {
        let world = World::new(&Topology::new(1, Shape::Chain, 3), Sabotage::None);
        let mut checker = HubHasWhatItConfirms::default();
        shown.iter().for_each(|observation| checker.observe(observation, world.nodes()).unwrap());
        let space = Space::new("store-2").unwrap();
        let write = &ClientWrite { id: 1, node, space, parts: Vec::new(), is_retried: false };
        let stamp = Stamp { origin: Origin([2; 16]), sequence: 2 };
        checker.observe(&Observation::Confirmed { write, stamp }, world.nodes()).is_ok()
    }

    fn passage(connection: u64, from: NodeId, to: NodeId) -> Passage {
        let end = if from < to { End::Acceptor } else { End::Dialer };
        Passage { connection: ConnectionId(connection), end, from, to }
    }

    fn row(sequence: u64) -> RowName {
        RowName { space: Space::new("store-2").unwrap(), origin: Origin([2; 16]), sequence }
    }

    fn sent(from: NodeId, to: NodeId, message: &Message) -> Observation<'_> {
        Observation::Sent { passage: passage(1, from, to), message, bytes: 1 }
    }

    #[test]
    fn who_says_that_the_hub_has_a_change_heard_it_of_the_hub() {
        let (hub, relay, site) = (HUB, NodeId(1), NodeId(2));
        let told =
            |sequence| Message::Ack { durable: None, hub: vec![row(sequence)], spaces: vec![row(1).space] };
        assert!(is_fine(site, &[sent(hub, relay, &told(2))]));
        assert!(!is_fine(site, &[sent(hub, relay, &told(1))]), "the hub had less");
        assert!(!is_fine(site, &[sent(relay, site, &told(2))]), "nobody heard it of the hub");
        assert!(is_fine(hub, &[]), "it has it itself");
        // It is down, or another store is in its place: it had it.
        let lost = Observation::Destroyed { node: hub };
        assert!(is_fine(site, &[sent(hub, relay, &told(2)), lost]));
        assert!(!is_fine(site, &[lost]));
    }

    #[test]
    fn an_acknowledgement_is_the_word_of_who_gave_it() {
        let (hub, relay, site) = (HUB, NodeId(1), NodeId(2));
        let delta =
            Message::Delta { generation: 0, to: 5, rows: vec![row(2)], hashes: Vec::new(), body_bytes: 1 };
        let acknowledged = Message::Ack { durable: Some(5), hub: Vec::new(), spaces: Vec::new() };
        let carried = |from, to| {
            let passage = passage(1, from, to);
            let back = Passage { end: passage.end.other(), from: to, to: from, ..passage };
            [
                Observation::Delivered { passage, message: &delta },
                Observation::Sent { passage: back, message: &acknowledged, bytes: 1 },
            ]
        };
        assert!(is_fine(site, &carried(relay, hub)));
        assert!(!is_fine(site, &carried(site, relay)), "the relay has it, and the hub may not");
    }
}
