use crate::failure::Failure;
use crate::network::{ConnectionId, End, FillPart, Message, Passage};
use crate::observation::{Checker, Observation};
use crate::topology::Topology;
use crate::world::{IN_FLIGHT_BYTES_MAX, Nodes, Settled};
use std::collections::{BTreeMap, VecDeque};

const PROPERTY: &str = "bounded_memory";
/// Bytes of changes on their way without an acknowledgement: the core's window, a frame and the change that fills it.
const WINDOW_BYTES_MAX: usize = (1024 + 64) * 1024 + document::CHANGE_BYTES_MAX;
/// Bytes of documents of a fill on their way without an acknowledgement: the core's window, and the frame that fills it.
const FILL_WINDOW_BYTES_MAX: usize = 1024 * 1024 + wire::FRAME_BYTES_MAX;
/// Bytes that one turn may hand to the disk.
const TURN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a node sends without an acknowledgement stays within its windows, of changes and of a fill's documents; what it hands
/// to its disk within what the server allows; what it has open within its settings; and every frame within the wire's limit.
#[derive(Debug, Default)]
pub struct BoundedMemory {
    windows: BTreeMap<(ConnectionId, End), Window>,
    fills: BTreeMap<(ConnectionId, End), FillWindow>,
}

/// Frames of documents without an acknowledgement: the number of each, and its bytes.
#[derive(Debug, Default)]
struct FillWindow {
    fill: u64,
    frames: VecDeque<(u32, usize)>,
    bytes: usize,
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

    fn filled(&mut self, passage: Passage, fill: u64, (number, bytes): (u32, usize)) -> Result<(), Failure> {
        let window = self.fills.entry((passage.connection, passage.end)).or_default();
        if window.fill != fill {
            *window = FillWindow { fill, ..FillWindow::default() };
        }
        window.frames.push_back((number, bytes));
        window.bytes += bytes;
        if window.bytes <= FILL_WINDOW_BYTES_MAX {
            return Ok(());
        }
        let (from, to, bytes) = (Topology::name(passage.from), Topology::name(passage.to), window.bytes);
        let finding = format!(
            "{from} has sent {to} documents of {bytes} bytes without an acknowledgement, {FILL_WINDOW_BYTES_MAX} are allowed"
        );
        Err(Failure::correctness(PROPERTY, finding))
    }

    fn fill_acknowledged(&mut self, (connection, end): (ConnectionId, End), fill: u64, number: u32) {
        let Some(window) = self.fills.get_mut(&(connection, end)).filter(|window| window.fill == fill) else {
            return;
        };
        while let Some((_, bytes)) = window.frames.pop_front_if(|(sent, _)| *sent <= number) {
            window.bytes -= bytes;
        }
    }

    fn delivered(&mut self, passage: Passage, message: &Message) {
        if let Message::Fill { part: FillPart::Ack { fill, number }, .. } = message {
            self.fill_acknowledged((passage.connection, passage.end.other()), *fill, *number);
        }
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
            Observation::Sent {
                passage,
                message: Message::Documents { fill, number, body_bytes, .. },
                ..
            } => self.filled(*passage, *fill, (*number, *body_bytes)),
            Observation::Delivered { passage, message } => {
                self.delivered(*passage, message);
                Ok(())
            }
            Observation::TurnEnded { node } if !nodes.keeps_open_few(*node) => {
                let finding =
                    format!("{} has more documents open than its settings give", Topology::name(*node));
                Err(Failure::correctness(PROPERTY, finding))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::NodeId;

    #[test]
    fn documents_beyond_the_window_of_a_fill_are_seen() {
        let mut checker = BoundedMemory::default();
        let (connection, end) = (ConnectionId(0), End::Dialer);
        let passage = Passage { connection, end, from: NodeId(0), to: NodeId(1) };
        let back = Passage { end: end.other(), from: passage.to, to: passage.from, ..passage };
        let ack = |fill, number| Message::Fill { space: None, part: FillPart::Ack { fill, number } };
        let frame = FILL_WINDOW_BYTES_MAX / 4;
        assert!((1..=4).all(|number| checker.filled(passage, 1, (number, frame)).is_ok()));
        checker.delivered(back, &ack(1, 2));
        // Of another fill it says nothing.
        checker.delivered(back, &ack(2, 9));
        assert!((5..=6).all(|number| checker.filled(passage, 1, (number, frame)).is_ok()));
        assert!(checker.filled(passage, 1, (7, frame)).is_err());
        assert!(checker.filled(passage, 2, (1, frame)).is_ok(), "the next fill has a window of its own");
    }
}
