//! Frames as checkers see them: rows by name instead of by place in their delta.

use document::{Document, ForeignChange, Origin, Space};
use replica::origin_of;
use std::collections::BTreeMap;
use wire::{
    Delta, DeltaDecoder, FillDocument, FillOffer, FillOrigin, Frame, HubSpace, PackedDelta, SpaceVector,
    Unpacked,
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

/// A change that came with a document: it has no stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilledChange {
    /// Who wrote it.
    pub origin: Origin,
    /// Its name.
    pub hash: [u8; 32],
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
        /// What each of them is, in the same order.
        hashes: Vec<[u8; 32]>,
        /// Bytes of the changes, uncompressed.
        body_bytes: usize,
    },
    /// The receiver has the deltas up to a position.
    Ack {
        /// The position.
        durable: Option<u64>,
        /// What is told of the hub: the last change of streams that it has.
        hub: Vec<RowName>,
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
    /// Documents of a space.
    Documents {
        /// Which; `None` when it was never offered.
        space: Option<Space>,
        /// The changes in them.
        changes: Vec<FilledChange>,
    },
    /// Another part of a fill.
    Fill,
    /// A question about histories that may have parted, or its answer.
    Question,
    /// Something that cannot be read.
    Unreadable,
}

/// Reads what comes from an end of a connection.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) decoder: DeltaDecoder,
    /// The fills that were offered, and of which spaces.
    offered: BTreeMap<u64, Space>,
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
    fn note_filled(&mut self, document: &FillDocument) -> Vec<FilledChange> {
        let loaded = document.snapshot.as_ref().and_then(|snapshot| Document::load(&snapshot.0).ok());
        let chunks = loaded.and_then(|loaded| loaded.changes()).unwrap_or_default();
        let whole = chunks.iter().filter_map(|chunk| ForeignChange::body(chunk).ok());
        let bodies = document.changes.iter().map(|body| body.0.as_slice()).chain(whole);
        let changes = bodies.filter_map(|body| {
            self.note(body);
            let change = ForeignChange::parse(body).ok()?;
            Some(FilledChange { origin: change.origin, hash: change.hash.0 })
        });
        changes.collect()
    }

    /// Reads the next frame of a stream.
    pub(crate) fn read(&mut self, reader: &mut Reader, bytes: &[u8]) -> Message {
        match wire::decode(bytes) {
            Ok(Frame::Hello(hello)) => named(&hello.spaces).map(|has| Message::Hello { has }),
            Ok(Frame::Delta(packed)) => self.unpack(&mut reader.decoder, &packed).and_then(message),
            Ok(Frame::Ack(ack)) => {
                let hub = ack.hub.iter().flatten().flat_map(told_of_hub).collect();
                Some(Message::Ack { durable: ack.durable, hub })
            }
            Ok(Frame::Rewind(rewind)) => {
                named(&rewind.spaces).map(|has| Message::Rewind { generation: rewind.generation, has })
            }
            Ok(Frame::Ask | Frame::Fork(_)) => Some(Message::Question),
            Ok(Frame::Unknown(_)) | Err(_) => None,
            Ok(Frame::FillOffer(offer)) => {
                reader.offered.extend(Space::new(offer.space.as_str()).ok().map(|space| (offer.fill, space)));
                offered(&offer).map(|has| Message::Offer { has })
            }
            Ok(Frame::FillDocuments(filled)) => {
                let changes =
                    filled.documents.iter().flat_map(|document| self.note_filled(document)).collect();
                Some(Message::Documents { space: reader.offered.get(&filled.fill).cloned(), changes })
            }
            Ok(_) => Some(Message::Fill),
        }
        .unwrap_or(Message::Unreadable)
    }
}

fn message(delta: Delta) -> Option<Message> {
    let origins: Vec<_> = delta.origins.iter().map(origin_of).collect();
    let (mut rows, mut hashes) = (Vec::with_capacity(delta.rows.len()), Vec::new());
    let mut body_bytes = 0;
    for row in delta.rows {
        let document = delta.documents.get(row.document as usize)?;
        let space = Space::new(delta.spaces.get(document.space as usize)?.as_str()).ok()?;
        let origin = *origins.get(row.origin as usize)?;
        body_bytes += row.body.len();
        hashes.push(wire::change_hash(&row.body));
        rows.push(RowName { space, origin, sequence: row.sequence });
    }
    Some(Message::Delta { generation: delta.generation, to: delta.to, rows, hashes, body_bytes })
}

fn told_of_hub(told: &HubSpace) -> Vec<RowName> {
    let Ok(space) = Space::new(told.space.as_str()) else { return Vec::new() };
    let entries = told.entries.iter();
    let row = |(origin, sequence)| RowName { space: space.clone(), origin: Origin(origin), sequence };
    entries.map(|entry| row((entry.origin, entry.sequence))).collect()
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
