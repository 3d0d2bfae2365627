use crate::effect::Rung;
use crate::session::StopCause;
use crate::settings::SpaceMode;
use crate::store::Room;
use document::{Origin, Space};
use wire::{FillDocument, Frame};

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Under which origin it writes.
    pub origin: Origin,
    /// Last position of its journal.
    pub head: u64,
    /// Positions up to here were trimmed.
    pub trimmed: u64,
    /// Documents that it has.
    pub documents: u64,
    /// Documents that it has open in memory.
    pub documents_open: u64,
    /// How much room its disk has.
    pub room: Room,
    /// Values that changes of others made break a rule of their schema, since the replica was opened.
    pub values_broken: u64,
    /// How sessions started, since the replica was opened.
    pub sessions: Sessions,
    /// What filling its peers' spaces took, since the replica was opened.
    pub fills: FillSteps,
    /// What is kept of idempotency keys.
    pub idempotency: IdempotencyStatus,
    /// The spaces that it carries.
    pub spaces: Vec<SpaceStatus>,
    /// The peers in its settings.
    pub peers: Vec<PeerStatus>,
}

/// What is kept of idempotency keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdempotencyStatus {
    /// How many there are.
    pub keys: u64,
    /// The age of the one that goes next, in milliseconds of wall time; `None` where there is none, or an earlier version kept it,
    /// which did not say when.
    pub oldest_ms: Option<u64>,
    /// Those that went before a day was over, for want of room, since the replica was opened: a retry under one of them counts
    /// anew.
    pub gone_early: u64,
}

/// Sessions by the step of the ladder that they started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// With nothing to send.
    pub equal: u64,
    /// At the peer's cursor.
    pub cursor: u64,
    /// At its version vector.
    pub vector: u64,
    /// With spaces to reconcile.
    pub reconcile: u64,
    /// With spaces to fill.
    pub fill: u64,
}

impl Sessions {
    pub(crate) fn count(&mut self, rung: Rung) {
        let counter = match rung {
            Rung::Equal => &mut self.equal,
            Rung::Cursor => &mut self.cursor,
            Rung::Vector => &mut self.vector,
            Rung::Reconcile => &mut self.reconcile,
            Rung::Fill => &mut self.fill,
        };
        *counter += 1;
    }
}

/// The steps of the ladder below a session's: what this replica sent peers whose spaces it fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillSteps {
    /// Frames with symbols of documents that differ, each offer's own among them.
    pub symbols: u64,
    /// Sorted listings of documents, for peers that differ in too many.
    pub listings: u64,
    /// Documents that were sent, whole or what a peer lacked of them.
    pub documents: u64,
    /// Those of them that began with a snapshot.
    pub snapshots: u64,
}

impl FillSteps {
    pub(crate) fn count(&mut self, frame: &Frame) {
        if let Frame::FillOffer(offer) = frame {
            self.symbols += u64::from(!offer.symbols.is_empty());
        } else if let Frame::FillSymbols(_) = frame {
            self.symbols += 1;
        } else if let Frame::FillListing(_) = frame {
            self.listings += 1;
        } else if let Frame::FillDocuments(sent) = frame {
            // A long document comes in parts: the snapshot in the first, the heads in the last.
            let count =
                |part: fn(&FillDocument) -> bool| sent.documents.iter().filter(|of| part(of)).count() as u64;
            self.documents += count(|document| !document.heads.is_empty());
            self.snapshots += count(|document| document.snapshot.is_some());
        }
    }
}

/// How a space is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceStatus {
    /// Which.
    pub space: Space,
    /// What services may do in it, as the settings say.
    pub mode: SpaceMode,
    /// Whether this replica's access document does not give the right to read: it is sent nothing more.
    pub lacks_read: bool,
    /// Whether the settings say write, and the access document does not: services' writes are refused.
    pub lacks_write: bool,
    /// Changes that it has.
    pub changes: u64,
    /// Whether it is being filled from a peer: documents, or changes of them, are missing.
    pub is_filling: bool,
}

/// How things stand with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its name.
    pub peer: String,
    /// Whether it is connected and hellos were exchanged.
    pub connected: bool,
    /// Changes for it that it has not acknowledged.
    pub backlog_rows: u64,
    /// Age of the oldest of them, in milliseconds of wall time.
    pub lag_ms: u64,
    /// Streams of which it takes no more over this connection, by space: [`STOPPED_SHOWN_MAX`] of them at most.
    pub stopped: Vec<StoppedStream>,
    /// How many they are.
    pub stopped_count: u64,
}

/// Streams that a peer stopped of which a status tells.
pub const STOPPED_SHOWN_MAX: usize = 16;

/// A stream of which a peer takes no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoppedStream {
    /// Where.
    pub space: Space,
    /// Who wrote the changes.
    pub origin: Origin,
    /// The last of them that the peer has.
    pub sequence: u64,
    /// Why, where the peer's version says it.
    pub cause: Option<StopCause>,
}
