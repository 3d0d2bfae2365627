//! Frames as checkers see them: rows by name instead of by place in their delta.

use document::{Document, ForeignChange, Origin, Space};
use replica::origin_of;
use std::collections::BTreeMap;
use wire::{
    Delta, DeltaDecoder, FillDocument, FillOffer, FillOrigin, Frame, PackedDelta, SpaceVector, Unpacked,
};

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
        durable: Option<u64>,
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

/// Every change that was ever sent, by the start of its hash: what a row may name so.
#[derive(Default)]
pub(crate) struct Sent(BTreeMap<[u8; 8], [u8; 32]>);

impl Sent {
    /// Reads the next delta of a stream.
    pub(crate) fn unpack(&mut self, decoder: &mut DeltaDecoder, packed: &PackedDelta) -> Option<Delta> {
        let unpacked = decoder.unpack(packed, |_, prefix| self.0.get(prefix).copied());
        let Ok(Unpacked::Delta(delta)) = unpacked else { return None };
        delta.rows.iter().for_each(|row| self.note(&row.body));
        Some(delta)
    }

    fn note(&mut self, body: &[u8]) {
        let hash = wire::change_hash(body);
        self.0.extend(hash.first_chunk().map(|start| (*start, hash)));
    }

    /// Changes that come with a document were sent too.
    fn note_filled(&mut self, document: &FillDocument) {
        document.changes.iter().for_each(|body| self.note(&body.0));
        let loaded = document.snapshot.as_ref().and_then(|snapshot| Document::load(&snapshot.0).ok());
        for chunk in loaded.and_then(|loaded| loaded.changes()).unwrap_or_default() {
            ForeignChange::body(&chunk).into_iter().for_each(|body| self.note(body));
        }
    }

    /// Reads the next frame of a stream.
    pub(crate) fn read(&mut self, decoder: &mut DeltaDecoder, bytes: &[u8]) -> Message {
        match wire::decode(bytes) {
            Ok(Frame::Hello(hello)) => named(&hello.spaces).map(|has| Message::Hello { has }),
            Ok(Frame::Delta(packed)) => self.unpack(decoder, &packed).and_then(message),
            Ok(Frame::Ack(ack)) => Some(Message::Ack { durable: ack.durable }),
            Ok(Frame::Rewind(rewind)) => {
                named(&rewind.spaces).map(|has| Message::Rewind { generation: rewind.generation, has })
            }
            Ok(Frame::Ask | Frame::Fork(_) | Frame::Unknown(_)) | Err(_) => None,
            Ok(Frame::FillOffer(offer)) => offered(&offer).map(|has| Message::Offer { has }),
            Ok(Frame::FillDocuments(filled)) => {
                filled.documents.iter().for_each(|document| self.note_filled(document));
                Some(Message::Fill)
            }
            Ok(_) => Some(Message::Fill),
        }
        .unwrap_or(Message::Unreadable)
    }
}

fn message(delta: Delta) -> Option<Message> {
    let origins: Vec<_> = delta.origins.iter().map(origin_of).collect();
    let mut rows = Vec::with_capacity(delta.rows.len());
    let mut body_bytes = 0;
    for row in delta.rows {
        let document = delta.documents.get(row.document as usize)?;
        let space = Space::new(delta.spaces.get(document.space as usize)?.as_str()).ok()?;
        let origin = *origins.get(row.origin as usize)?;
        body_bytes += row.body.len();
        rows.push(RowName { space, origin, sequence: row.sequence });
    }
    Some(Message::Delta { generation: delta.generation, to: delta.to, rows, body_bytes })
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
