use crate::failure::Failure;
use crate::network::{ConnectionId, End, Message, Passage};
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{IN_FLIGHT_BYTES_MAX, Nodes, Settled};
use std::collections::{BTreeMap, VecDeque};

const PROPERTY: &str = "bounded_memory";
/// Bytes of changes on their way without an acknowledgement: the core's window, a frame and the change that fills it.
const WINDOW_BYTES_MAX: usize = (1024 + 64) * 1024 + document::CHANGE_BYTES_MAX;
/// Bytes that one turn may hand to the disk.
const TURN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a node sends without an acknowledgement stays within its window, what it hands to its disk within what the
/// server allows, and every frame within the wire's limit.
#[derive(Debug, Default)]
pub struct BoundedMemory {
    windows: BTreeMap<(ConnectionId, End), Window>,
}

/// Deltas without an acknowledgement: how far each goes, and its bytes.
#[derive(Debug, Default)]
struct Window {
    deltas: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl BoundedMemory {
    fn sent(&mut self, passage: Passage, to: u64, body_bytes: usize) -> Result<(), Failure> {
        let window = self.windows.entry((passage.connection, passage.end)).or_default();
        window.deltas.push_back((to, body_bytes));
        window.bytes += body_bytes;
        if window.bytes <= WINDOW_BYTES_MAX {
            return Ok(());
        }
        let (from, to, bytes) = (Topology::name(passage.from), Topology::name(passage.to), window.bytes);
        let finding = format!(
            "{from} has sent {to} {bytes} bytes without an acknowledgement, {WINDOW_BYTES_MAX} are allowed"
        );
        Err(Failure::correctness(PROPERTY, finding))
    }

    fn delivered(&mut self, passage: Passage, message: &Message) {
        let window = self.windows.entry((passage.connection, passage.end.other())).or_default();
        match message {
            Message::Ack { durable: Some(durable), .. } => {
                while let Some((_, bytes)) = window.deltas.front().copied().filter(|(to, _)| to <= durable) {
                    window.deltas.pop_front();
                    window.bytes -= bytes;
                }
            }
            Message::Rewind { .. } => *window = Window::default(),
            Message::Ack { durable: None, .. }
            | Message::Hello { .. }
            | Message::Delta { .. }
            | Message::Offer { .. }
            | Message::Documents { .. }
            | Message::Fill { .. }
            | Message::Ask
            | Message::Fork { .. }
            | Message::Unreadable => {}
        }
    }
}

impl Checker for BoundedMemory {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        match observation {
            Observation::Sent { bytes, .. } if *bytes > wire::FRAME_BYTES_MAX + 2 => {
                let finding = format!("a frame has {bytes} bytes");
                Err(Failure::correctness(PROPERTY, finding))
            }
            Observation::Sent { passage, message: Message::Delta { to, body_bytes, .. }, .. } => {
                self.sent(*passage, *to, *body_bytes)
            }
            Observation::Delivered { passage, message } => {
                self.delivered(*passage, message);
                Ok(())
            }
            Observation::TurnEnded { node } => match nodes.in_flight_bytes(*node) {
                bytes if bytes > IN_FLIGHT_BYTES_MAX + TURN_BYTES_MAX => {
                    let finding =
                        format!("{} has {bytes} bytes on their way to its disk", Topology::name(*node));
                    Err(Failure::correctness(PROPERTY, finding))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn settle(&mut self, _settled: &Settled) -> Result<(), Failure> {
        Ok(())
    }
}
