//! What happened: a hash over all of it, and the last of it in words.

use crate::network::{Message, Passage};
use crate::time::SECOND_NS;
use crate::topology::{NodeId, Topology};
use replica::Turn;
use std::collections::VecDeque;
use std::fmt::{self, Write as _};

/// Moments kept for a failure's report.
const LAST_MOMENTS: usize = 40;

/// After so many events the hash so far is kept: where two runs go apart is then known.
pub const MILESTONE_EVENTS: u64 = 1_000;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Opened(NodeId),
    Crashed { node: NodeId, batches_lost: usize },
    Paused(NodeId),
    Faulted { node: NodeId, what: &'static str },
    Cut { link: usize },
    Healed { link: usize },
    PeerUp { node: NodeId, peer: NodeId },
    PeerDown { node: NodeId },
    Durable(NodeId, Turn),
    Submitted { node: NodeId, operation: u64 },
    Replied { node: NodeId },
    Watched { node: NodeId },
    Told { node: NodeId, event: &'static str },
    Left { node: NodeId },
    Sent(Passage, Kind),
    Delivered(Passage, Kind),
}

/// What a frame is, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unread,
    Hello,
    Delta { generation: u32, to: u64, rows: usize },
    Ack { durable: Option<u64> },
    Rewind,
    Fill,
    Question,
}

impl Kind {
    pub(crate) fn of(message: Option<&Message>) -> Self {
        match message {
            None | Some(Message::Unreadable) => Self::Unread,
            Some(Message::Hello { .. }) => Self::Hello,
            Some(Message::Delta { generation, to, rows, .. }) => {
                Self::Delta { generation: *generation, to: *to, rows: rows.len() }
            }
            Some(Message::Ack { durable, .. }) => Self::Ack { durable: *durable },
            Some(Message::Rewind { .. }) => Self::Rewind,
            Some(Message::Ask | Message::Fork { .. }) => Self::Question,
            Some(Message::Offer { .. } | Message::Documents { .. } | Message::Fill { .. }) => Self::Fill,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |node: NodeId| Topology::name(node);
        match *self {
            Self::Opened(node) => write!(f, "{} opened", name(node)),
            Self::Crashed { node, batches_lost } => {
                write!(f, "{} crashed, {batches_lost} batches lost", name(node))
            }
            Self::Faulted { node, what } => write!(f, "{} {what}", name(node)),
            Self::Paused(node) => write!(f, "{} stalls", name(node)),
            Self::Cut { link } => write!(f, "link {link} cut"),
            Self::Healed { link } => write!(f, "link {link} healed"),
            Self::PeerUp { node, peer } => write!(f, "{} is connected to {}", name(node), name(peer)),
            Self::PeerDown { node } => write!(f, "{} lost a connection", name(node)),
            Self::Durable(node, turn) => write!(f, "{} made turn {} durable", name(node), turn.0),
            Self::Submitted { node, operation } => {
                write!(f, "{} is asked for operation {operation}", name(node))
            }
            Self::Replied { node } => write!(f, "{} answered a request", name(node)),
            Self::Watched { node } => write!(f, "{} showed events to a watch", name(node)),
            Self::Told { node, event } => write!(f, "{}: {event}", name(node)),
            Self::Left { node } => write!(f, "{} left a connection", name(node)),
            Self::Sent(passage, kind) => {
                write!(f, "{} -> {} sent {kind}", name(passage.from), name(passage.to))
            }
            Self::Delivered(passage, kind) => {
                write!(f, "{} -> {} came {kind}", name(passage.from), name(passage.to))
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread => write!(f, "a frame"),
            Self::Hello => write!(f, "hello"),
            Self::Delta { generation, to, rows } => {
                write!(f, "delta of {rows} rows to position {to}, generation {generation}")
            }
            Self::Ack { durable: Some(durable) } => write!(f, "ack of position {durable}"),
            Self::Ack { durable: None } => write!(f, "ack of no delta"),
            Self::Rewind => write!(f, "rewind"),
            Self::Fill => write!(f, "part of a fill"),
            Self::Question => write!(f, "a question about histories"),
        }
    }
}

/// The record of a run.
#[derive(Default)]
pub(crate) struct Trace {
    hasher: Hasher,
    last: VecDeque<(u64, Moment)>,
    events: u64,
    milestones: Vec<[u8; 32]>,
}

#[derive(Default)]
struct Hasher(blake3::Hasher);

impl fmt::Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Trace {
    /// Something happened; `content` is what else of it counts for the hash.
    pub(crate) fn note(&mut self, now_ns: u64, moment: Moment, content: &[u8]) {
        // Hashing cannot fail.
        let _ = write!(self.hasher, "{now_ns} {moment:?} {} ", content.len());
        self.hasher.0.update(content);
        self.events += 1;
        if self.events.is_multiple_of(MILESTONE_EVENTS) {
            self.milestones.push(*self.hasher.0.finalize().as_bytes());
        }
        if self.last.len() >= LAST_MOMENTS {
            self.last.pop_front();
        }
        self.last.push_back((now_ns, moment));
    }

    /// Hash over everything so far, in hexadecimal.
    pub(crate) fn hash(&self) -> String {
        self.hasher.0.finalize().to_hex().to_string()
    }

    /// The hash after every [`MILESTONE_EVENTS`].
    pub(crate) fn milestones(&self) -> &[[u8; 32]] {
        &self.milestones
    }

    /// The last moments, oldest first, a line each.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let line = |(at_ns, moment): &(u64, Moment)| {
            format!("{:>5}.{:09} s  {moment}", at_ns / SECOND_NS, at_ns % SECOND_NS)
        };
        self.last.iter().map(line).collect()
    }
}
