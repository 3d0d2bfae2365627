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
    /// Documents that it has.
    pub documents: u64,
    /// Documents that it has open in memory.
    pub documents_open: u64,
    /// How much room its disk has.
    pub room: Room,
    /// The spaces that it carries.
    pub spaces: Vec<SpaceStatus>,
    /// The peers in its settings.
    pub peers: Vec<PeerStatus>,
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
