use crate::failure::Failure;
use crate::network::{FillPart, Message};
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{Nodes, Settled};

/// Documents of both replicas together from which on a listing may be asked for. Every one is an item of the difference at
/// most, and a sketch has 256 symbols at least: four for each, where one and a half are needed.
const ITEMS_MAX: usize = 64;

/// Which documents of a small space differ, symbols tell: nobody asks for a listing of it, however much differs.
#[derive(Debug, Default)]
pub struct SymbolsSuffice;

impl Checker for SymbolsSuffice {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        let Observation::Sent { passage, message: Message::Fill { space: Some(space), part }, .. } =
            observation
        else {
            return Ok(());
        };
        let is_strange = nodes.is_stranger(passage.from) || nodes.is_stranger(passage.to);
        if *part != (FillPart::More { lists: true }) || is_strange {
            return Ok(());
        }
        let has = |node| nodes.documents(node, space);
        let Some((asks, fills)) = has(passage.from).zip(has(passage.to)) else { return Ok(()) };
        if asks + fills > ITEMS_MAX {
            return Ok(());
        }
        let (from, to) = (Topology::name(passage.from), Topology::name(passage.to));
        let finding = format!(
            "{from}, which has {asks} documents of {space}, asked {to}, which has {fills}, for a listing of them"
        );
        Err(Failure::correctness("symbols_suffice", finding))
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
    use crate::topology::{NodeId, Shape};
    use crate::world::World;
    use document::{Address, Operation, Space};
    use replica::Request;

    #[test]
    fn a_listing_of_a_small_space_is_seen_and_of_a_large_one_passes() {
        let mut world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
        world.open().unwrap();
        let (hub, site) = (NodeId(0), NodeId(1));
        let is_fine = |world: &World, part| {
            let passage = Passage { connection: ConnectionId(0), end: End::Dialer, from: site, to: hub };
            let message = Message::Fill { space: Space::new("store-1").ok(), part };
            let sent = Observation::Sent { passage, message: &message, bytes: 1 };
            SymbolsSuffice.observe(&sent, world.nodes()).is_ok()
        };
        let listing = FillPart::More { lists: true };
        assert!(!is_fine(&world, listing) && is_fine(&world, FillPart::More { lists: false }));
        for key in 0..=ITEMS_MAX {
            let address: Address = format!("store-1/inventory/{key}").parse().unwrap();
            let operations = vec![Operation::increment("/on_hand", 1).unwrap()];
            world.request(site, Request::write(address, operations)).unwrap();
        }
        world.run_until(world.now_ns() + SECOND_NS).unwrap();
        assert!(is_fine(&world, listing));
    }
}
