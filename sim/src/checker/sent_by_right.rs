use super::rules::Rules;
use crate::failure::Failure;
use crate::network::{Message, Passage, RowName};
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Rule, Settled};
use document::Space;

/// No node is sent a change of a space that it may not read, by the settings and by what the sender has heard.
#[derive(Debug, Default)]
pub struct SentByRight {
    rules: Rules,
}

impl SentByRight {
    fn may_read(&self, (from, to): (NodeId, NodeId), space: &Space, nodes: &Nodes) -> bool {
        // What was said of it last may have been asked for already, and be on its way to the disk.
        let heard = self.rules.heard(from, to, nodes).map(|(_, rule)| rule);
        nodes.may_read((from, to), space)
            && match heard {
                Some(Rule::Revoked) => false,
                Some(Rule::Narrow) => !nodes.may_write(to, space) || self.rules.is_unsure(to),
                Some(Rule::Full) | None => true,
            }
    }

    fn check_documents(&self, passage: Passage, space: &Space, nodes: &Nodes) -> Result<(), Failure> {
        if self.may_read((passage.from, passage.to), space, nodes) {
            return Ok(());
        }
        let (from, to) = (Topology::name(passage.from), Topology::name(passage.to));
        let finding = format!("{from} sent {to} documents of {space}, which it may not read");
        Err(Failure::correctness("sent_by_right", finding))
    }
}

impl Checker for SentByRight {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        self.rules.observe(observation);
        let Observation::Sent { passage, message, .. } = observation else { return Ok(()) };
        let rows: &[RowName] = match message {
            Message::Delta { rows, .. } | Message::Offer { has: rows, .. } => rows,
            Message::Documents { space: Some(space), changes, .. } if !changes.is_empty() => {
                return self.check_documents(*passage, space, nodes);
            }
            Message::Documents { .. }
            | Message::Hello { .. }
            | Message::Ack { .. }
            | Message::Rewind { .. }
            | Message::Fill { .. }
            | Message::Ask
            | Message::Fork { .. }
            | Message::Unreadable => &[],
        };
        let ends = (passage.from, passage.to);
        let Some(row) = rows.iter().find(|row| !self.may_read(ends, &row.space, nodes)) else {
            return Ok(());
        };
        let (from, to) = (Topology::name(passage.from), Topology::name(passage.to));
        let finding =
            format!("{from} sent {to} change {} of {}, which it may not read", row.sequence, row.space);
        Err(Failure::correctness("sent_by_right", finding))
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}
