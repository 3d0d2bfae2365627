//! Frames as checkers see them: rows by name instead of by place in a connection's tables.

use document::{Origin, Space};
use replica::origin_of;
use wire::{FillOffer, FillOrigin, Frame, SpaceVector};

/// A change, by stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowName {
    /// Where.
    pub space: Space,
    /// Who wrote it.
    pub origin: Origin,
    /// Its number among the origin's changes in the space.
    pub sequence: u64,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// What the sender has.
    Hello {
        /// The last change of each stream.
        has: Vec<RowName>,
    },
    /// Changes.
    Delta {
        /// Counts the receiver's rewinds.
        generation: u32,
        /// Position of the sender's journal that they reach to.
        to: u64,
        /// The changes.
        rows: Vec<RowName>,
        /// Bytes of the changes, uncompressed.
        body_bytes: usize,
    },
    /// The receiver has the deltas up to a position.
    Ack {
        /// The position.
        durable: u64,
    },
    /// The receiver wants deltas again, and says what it has.
    Rewind {
        /// The generation that the next deltas carry.
        generation: u32,
        /// The last change of each stream.
        has: Vec<RowName>,
    },
    /// A space's documents are offered.
    Offer {
        /// The last change of each stream that the receiver has once it has the documents.
        has: Vec<RowName>,
    },
    /// Another part of a fill.
    Fill,
    /// Something that cannot be read.
    Unreadable,
}

/// The tables of a connection in one direction.
#[derive(Default)]
pub(crate) struct Tables {
    spaces: Vec<Space>,
    origins: Vec<Origin>,
}

impl Tables {
    /// Reads a frame in the order of the stream.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Message {
        match wire::decode(bytes) {
            Ok(Frame::Hello(hello)) => named(&hello.spaces).map(|has| Message::Hello { has }),
            Ok(Frame::Delta(delta)) => self.delta(delta),
            Ok(Frame::Ack(ack)) => Some(Message::Ack { durable: ack.durable }),
            Ok(Frame::Rewind(rewind)) => {
                named(&rewind.spaces).map(|has| Message::Rewind { generation: rewind.generation, has })
            }
            Ok(Frame::Ask | Frame::Fork(_) | Frame::Unknown(_)) | Err(_) => None,
            Ok(Frame::FillOffer(offer)) => offered(&offer).map(|has| Message::Offer { has }),
            Ok(_) => Some(Message::Fill),
        }
        .unwrap_or(Message::Unreadable)
    }

    fn delta(&mut self, delta: wire::Delta) -> Option<Message> {
        for space in delta.spaces {
            self.spaces.push(Space::new(space).ok()?);
        }
        self.origins.extend(delta.origins.iter().map(origin_of));
        let mut rows = Vec::with_capacity(delta.rows.len());
        let mut body_bytes = 0;
        for row in delta.rows {
            let document = delta.documents.get(row.document as usize)?;
            let space = self.spaces.get(document.space as usize)?.clone();
            let origin = *self.origins.get(row.origin as usize)?;
            body_bytes += row.body.len();
            rows.push(RowName { space, origin, sequence: row.sequence });
        }
        Some(Message::Delta { generation: delta.generation, to: delta.to, rows, body_bytes })
    }
}

fn offered(offer: &FillOffer) -> Option<Vec<RowName>> {
    let space = Space::new(offer.space.as_str()).ok()?;
    let row =
        |of: &FillOrigin| RowName { space: space.clone(), origin: origin_of(&of.key), sequence: of.sequence };
    Some(offer.origins.iter().map(row).collect())
}

fn named(vectors: &[SpaceVector]) -> Option<Vec<RowName>> {
    let mut has = Vec::new();
    for vector in vectors {
        let space = Space::new(vector.space.as_str()).ok()?;
        for entry in &vector.entries {
            has.push(RowName {
                space: space.clone(),
                origin: Origin(entry.origin),
                sequence: entry.sequence,
            });
        }
    }
    Some(has)
}
