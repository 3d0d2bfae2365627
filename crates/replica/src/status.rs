use crate::effect::Rung;
use crate::settings::SpaceMode;
use crate::store::Room;
use document::{Origin, Space};

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
    /// The spaces that it carries.
    pub spaces: Vec<SpaceStatus>,
    /// The peers in its settings.
    pub peers: Vec<PeerStatus>,
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

/// How a space is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceStatus {
    /// Which.
    pub space: Space,
    /// What services may do in it.
    pub mode: SpaceMode,
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
}
