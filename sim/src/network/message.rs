//! Frames as checkers see them: rows by name instead of by place in their delta.

use document::{Document, ForeignChange, Origin, Space};
use replica::origin_of;
use std::collections::BTreeMap;
use wire::{
    Ack, Delta, DeltaDecoder, FillAck, FillDocument, FillDocuments, FillListing, FillMore, FillOffer,
    FillOrigin, FillSymbols, Frame, Hello, HubSpace, PackedDelta, Rewind, SpaceVector, Unpacked,
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

/// A part of a fill that brings no documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillPart {
    /// The receiver asks for symbols, or for a listing.
    More {
        /// Whether for the first listing of the documents.
        lists: bool,
    },
    /// The receiver asks for documents.
    Want,
    /// Documents are durable at the receiver.
    Ack {
        /// Names the fill on the connection.
        fill: u64,
        /// The last frame of documents that is.
        number: u32,
    },
    /// The receiver needs nothing more.
    Finished,
    /// Symbols of the documents, or a listing.
    Digests,
    /// The sender has documents with changes that no version vector tells of, or it asks for such.
    Ahead {
        /// Whether it asks.
        asks: bool,
    },
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// What the sender has.
    Hello {
        /// The last change of each stream.
        has: Vec<RowName>,
        /// Every space that it names.
        spaces: Vec<Space>,
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
        /// Every space that it names.
        spaces: Vec<Space>,
    },
    /// The receiver wants deltas again, and says what it has.
    Rewind {
        /// The generation that the next deltas carry.
        generation: u32,
        /// The last change of each stream.
        has: Vec<RowName>,
        /// Every space that it names.
        spaces: Vec<Space>,
    },
    /// A space's documents are offered.
    Offer {
        /// Which.
        space: Space,
        /// The last change of each stream that the receiver has once it has the documents.
        has: Vec<RowName>,
    },
    /// Documents of a space.
    Documents {
        /// Which; `None` when it was never offered.
        space: Option<Space>,
        /// Names the fill on the connection.
        fill: u64,
        /// Counts the frames of the fill.
        number: u32,
        /// The changes in them.
        changes: Vec<FilledChange>,
        /// Bytes of the documents.
        body_bytes: usize,
    },
    /// Another part of a fill.
    Fill {
        /// Of which space; `None` when it was never offered.
        space: Option<Space>,
        /// What.
        part: FillPart,
    },
    /// The receiver of a hello does not know what it builds on.
    Ask,
    /// A question about histories that may have parted, or its answer.
    Fork {
        /// Where.
        space: Space,
        /// Whether it says which changes the sender has.
        names_changes: bool,
    },
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

    /// Reads the next frame of a stream; `other` reads what comes the other way.
    pub(crate) fn read(&mut self, (reader, other): (&mut Reader, &Reader), bytes: &[u8]) -> Message {
        match wire::decode(bytes) {
            Ok(Frame::Hello(hello)) => hello_message(&hello),
            Ok(Frame::Delta(packed)) => self.unpack(&mut reader.decoder, &packed).and_then(message),
            Ok(Frame::Ack(ack)) => ack_message(&ack),
            Ok(Frame::Rewind(Rewind { generation, spaces: vectors })) => named(&vectors)
                .zip(spaces(vectors.iter().map(|vector| vector.space.as_str())))
                .map(|(has, spaces)| Message::Rewind { generation, has, spaces }),
            Ok(Frame::Ask) => Some(Message::Ask),
            Ok(Frame::Fork(fork)) => {
                let names_changes = fork.chains.iter().any(|chain| chain.change.is_some());
                Space::new(fork.space).ok().map(|space| Message::Fork { space, names_changes })
            }
            Ok(Frame::Unknown(_)) | Err(_) => None,
            Ok(Frame::FillOffer(offer)) => {
                reader.offered.extend(Space::new(offer.space.as_str()).ok().map(|space| (offer.fill, space)));
                offered(&offer)
            }
            Ok(Frame::FillDocuments(filled)) => Some(self.filled(reader, &filled)),
            Ok(
                Frame::FillSymbols(FillSymbols { fill, .. }) | Frame::FillListing(FillListing { fill, .. }),
            ) => Some(reader.part(fill, FillPart::Digests)),
            Ok(Frame::FillMore(FillMore { fill, symbols, after })) => {
                Some(other.part(fill, FillPart::More { lists: symbols.is_none() && after.is_none() }))
            }
            Ok(Frame::FillWant(want)) => Some(other.part(want.fill, FillPart::Want)),
            Ok(Frame::FillAck(FillAck { fill, number })) => {
                Some(other.part(fill, FillPart::Ack { fill, number }))
            }
            Ok(Frame::FillFinished(finished)) => Some(other.part(finished.fill, FillPart::Finished)),
            Ok(Frame::FillAhead(ahead)) => {
                let space = Space::new(ahead.space).ok();
                space.map(|space| Message::Fill {
                    space: Some(space),
                    part: FillPart::Ahead { asks: ahead.asks },
                })
            }
        }
        .unwrap_or(Message::Unreadable)
    }

    fn filled(&mut self, reader: &Reader, filled: &FillDocuments) -> Message {
        let FillDocuments { fill, number, ref documents, .. } = *filled;
        let bytes = |document: &FillDocument| {
            let snapshot = document.snapshot.as_ref().map_or(0, |snapshot| snapshot.0.len());
            snapshot + document.changes.iter().map(|change| change.0.len()).sum::<usize>()
        };
        let body_bytes = documents.iter().map(bytes).sum();
        let changes = documents.iter().flat_map(|document| self.note_filled(document)).collect();
        Message::Documents { space: reader.offered.get(&fill).cloned(), fill, number, changes, body_bytes }
    }
}

impl Reader {
    /// A part of a fill that was offered in what it reads.
    fn part(&self, fill: u64, part: FillPart) -> Message {
        Message::Fill { space: self.offered.get(&fill).cloned(), part }
    }
}

fn spaces<'a>(names: impl Iterator<Item = &'a str>) -> Option<Vec<Space>> {
    names.map(|name| Space::new(name).ok()).collect()
}

fn hello_message(hello: &Hello) -> Option<Message> {
    let names = hello.spaces.iter().map(|vector| &vector.space).chain(&hello.incomplete);
    let spaces = spaces(names.map(String::as_str))?;
    Some(Message::Hello { has: named(&hello.spaces)?, spaces })
}

fn ack_message(ack: &Ack) -> Option<Message> {
    let told = || ack.hub.iter().flatten();
    let names = told().map(|told| &told.space).chain(ack.stopped.iter().map(|stopped| &stopped.space));
    let spaces = spaces(names.map(String::as_str))?;
    Some(Message::Ack { durable: ack.durable, hub: told().flat_map(told_of_hub).collect(), spaces })
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

fn offered(offer: &FillOffer) -> Option<Message> {
    let space = Space::new(offer.space.as_str()).ok()?;
    let row =
        |of: &FillOrigin| RowName { space: space.clone(), origin: origin_of(&of.key), sequence: of.sequence };
    let has = offer.origins.iter().map(row).collect();
    Some(Message::Offer { space, has })
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
