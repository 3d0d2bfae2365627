use super::rules::Rules;
use crate::failure::Failure;
use crate::network::{FillPart, Message, Passage};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Rule, Settled};
use document::Space;

/// No node is sent anything of a space that it may not read, by the settings and by what the sender has heard: no change, no
/// document, no digest of one. And of a space in which it has no right at all, nobody tells it anything: not what the sender
/// has of it, nor what of it was taken.
#[derive(Debug, Default)]
pub struct SentByRight {
    rules: Rules,
}

/// What a frame tells of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// What is in it.
    Content,
    /// That it is there, and how much of it.
    Name,
}

impl SentByRight {
    fn is_granted(&self, (from, to): (NodeId, NodeId), space: &Space, nodes: &Nodes) -> bool {
        // What was said of it last may have been asked for already, and be on its way to the disk.
        let heard = self.rules.heard(from, to, nodes).map(|(_, rule)| rule);
        match heard {
            Some(Rule::Revoked) => false,
            Some(Rule::Narrow) => !nodes.may_write(to, space) || self.rules.is_unsure(to),
            Some(Rule::Full) | None => true,
        }
    }

    fn check<'a>(
        &self,
        passage: Passage,
        told: Told,
        spaces: impl IntoIterator<Item = &'a Space>,
        nodes: &Nodes,
    ) -> Result<(), Failure> {
        let ends = (passage.from, passage.to);
        for space in spaces {
            let may = match told {
                Told::Content => nodes.may_read(ends, space),
                Told::Name => nodes.may_know(ends, space),
            };
            if may && self.is_granted(ends, space, nodes) {
                continue;
            }
            let (from, to) = (Topology::name(passage.from), Topology::name(passage.to));
            let finding = match told {
                Told::Content => format!("{from} sent {to} what is in {space}, which it may not read"),
                Told::Name => format!("{from} told {to} of {space}, where it has no right"),
            };
            return Err(Failure::correctness("sent_by_right", finding));
        }
        Ok(())
    }

    fn sent(&self, passage: Passage, message: &Message, nodes: &Nodes) -> Result<(), Failure> {
        match message {
            Message::Delta { rows, .. } => {
                self.check(passage, Told::Content, rows.iter().map(|row| &row.space), nodes)
            }
            Message::Offer { space, .. } | Message::Documents { space: Some(space), .. } => {
                self.check(passage, Told::Content, [space], nodes)
            }
            Message::Fill { space: Some(space), part } => self.check(passage, told_by(*part), [space], nodes),
            Message::Fork { space, names_changes } => {
                let told = if *names_changes { Told::Content } else { Told::Name };
                self.check(passage, told, [space], nodes)
            }
            Message::Hello { spaces, .. } | Message::Ack { spaces, .. } | Message::Rewind { spaces, .. } => {
                self.check(passage, Told::Name, spaces, nodes)
            }
            Message::Documents { space: None, .. }
            | Message::Fill { space: None, .. }
            | Message::Ask
            | Message::Unreadable => Ok(()),
        }
    }
}

/// What a part of a fill tells the one whom it goes to.
fn told_by(part: FillPart) -> Told {
    match part {
        FillPart::Digests | FillPart::Ahead { asks: false } => Told::Content,
        FillPart::More { .. }
        | FillPart::Want
        | FillPart::Ack { .. }
        | FillPart::Finished
        | FillPart::Ahead { asks: true } => Told::Name,
    }
}

impl Checker for SentByRight {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.rules.observe(observation);
        match observation {
            Observation::Sent { passage, message, .. } if !nodes.is_stranger(passage.from) => {
                self.sent(*passage, message, nodes)
            }
            _ => Ok(()),
        }
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{ConnectionId, End, RowName};
    use crate::sabotage::Sabotage;
    use crate::topology::Shape;
    use crate::world::World;

    #[test]
    fn nobody_is_told_of_a_space_where_it_has_no_right() {
        let world = World::new(&Topology::new(1, Shape::Star, 3), Sabotage::None);
        let (hub, site) = (NodeId(0), NodeId(1));
        let is_fine = |(from, to), message: &Message| {
            let passage = Passage { connection: ConnectionId(0), end: End::Dialer, from, to };
            SentByRight::default().sent(passage, message, world.nodes()).is_ok()
        };
        let own = || Space::new("store-1").unwrap();
        let others = || Space::new("store-2").unwrap();
        let catalog = || Space::new("catalog").unwrap();
        let hello = |space| Message::Hello { has: Vec::<RowName>::new(), spaces: vec![space] };
        let ack = |space| Message::Ack { durable: None, hub: Vec::new(), spaces: vec![space] };
        let rewind = |space| Message::Rewind { generation: 1, has: Vec::new(), spaces: vec![space] };
        for message in [hello, ack].map(|of| of(own())).into_iter().chain([rewind(own())]) {
            assert!(is_fine((hub, site), &message), "{message:?}");
        }
        for message in [hello, ack].map(|of| of(others())).into_iter().chain([rewind(others())]) {
            assert!(!is_fine((hub, site), &message), "{message:?}");
        }
        // The hub takes nothing of the catalog from a site, which tells it how much it has.
        let part = |part| Message::Fill { space: Some(catalog()), part };
        assert!(is_fine((site, hub), &hello(catalog())));
        assert!(
            is_fine((site, hub), &part(FillPart::Want)) && !is_fine((site, hub), &part(FillPart::Digests))
        );
        assert!(is_fine((hub, site), &part(FillPart::Digests)));
        let fork = |names_changes| Message::Fork { space: catalog(), names_changes };
        assert!(is_fine((site, hub), &fork(false)) && !is_fine((site, hub), &fork(true)));
    }
}
