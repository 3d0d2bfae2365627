use crate::failure::Failure;
use crate::network::{Message, RowName};
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{Nodes, Settled};

/// No node is sent a change of a space that it may not read.
#[derive(Debug, Default)]
pub struct SentByRight;

impl Checker for SentByRight {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        let Observation::Sent { passage, message, .. } = observation else { return Ok(()) };
        let rows: &[RowName] = match message {
            Message::Delta { rows, .. } | Message::Offer { has: rows } => rows,
            Message::Hello { .. }
            | Message::Ack { .. }
            | Message::Rewind { .. }
            | Message::Fill
            | Message::Unreadable => &[],
        };
        let ends = (passage.from, passage.to);
        let Some(row) = rows.iter().find(|row| !nodes.may_read(ends, &row.space)) else { return Ok(()) };
        let (from, to) = (Topology::name(passage.from), Topology::name(passage.to));
        let finding =
            format!("{from} sent {to} change {} of {}, which it may not read", row.sequence, row.space);
        Err(Failure::correctness("sent_by_right", finding))
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}
