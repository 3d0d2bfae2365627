use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Under which origin it writes, in hexadecimal.
    pub origin: String,
    /// Its UDP address. Peers can dial it if the configuration says so. Empty where no server runs.
    pub address: String,
    /// Last position of its journal.
    pub head: u64,
    /// Positions up to here were trimmed: they were old, or too many.
    #[serde(default)]
    pub trimmed: u64,
    /// Documents that it has.
    pub documents: u64,
    /// Documents that it has open in memory.
    pub documents_open: u64,
    /// Memory of the server's process that is in RAM, in bytes; none where no server runs, or the system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// How much room the disk has: `ample`, `low`, `nearly full`, `full: read only`.
    pub disk: String,
    /// Values that merges made break a rule of their schema, since the store was opened.
    #[serde(default)]
    pub values_broken: u64,
    /// How the store last failed since the server started, and was opened again; none when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_failure: Option<StoreFailure>,
    /// What to do before too many starts with rows in memory have written under its key, in words; none while they are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_warning: Option<String>,
    /// Its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateStatus>,
    /// The spaces that it carries, by name.
    pub spaces: Vec<SpaceStatus>,
    /// The peers of its configuration, by name.
    pub peers: Vec<PeerStatus>,
    /// Peers that are refused for what they did: 32 of them at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedPeer>,
    /// How many they are.
    #[serde(default)]
    pub refused_count: u64,
}

/// A peer that is refused for a while. It ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedPeer {
    /// The name in its certificate.
    pub peer: String,
    /// The key in it, in hexadecimal.
    pub public_key: String,
    /// For how long it is refused, in milliseconds.
    pub left_ms: u64,
    /// What for, in words.
    pub cause: String,
}

/// A replica's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateStatus {
    /// Its last moment, in milliseconds since 1970.
    pub ends_ms: i64,
    /// Which replica renews it; none: nobody does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_by: Option<String>,
    /// What is wrong with it, or with the clock, in words; none when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// A failure of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreFailure {
    /// What happened, and what to do about it.
    pub error: String,
    /// How often it failed in a row, each time soon after it had been opened again.
    pub times: u32,
    /// How long ago, in milliseconds.
    pub ago_ms: u64,
}

/// What services may do in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpaceMode {
    /// Read only: others write it.
    Read,
    /// Read and write.
    Write,
}

/// How a space is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpaceStatus {
    /// Which.
    pub space: String,
    /// What services may do in it, by the replica's configuration.
    pub mode: SpaceMode,
    /// Whether the hub gave the replica no right to read it: nothing more comes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_read: bool,
    /// Whether the configuration says write and the hub gave no right to: writes are refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_write: bool,
    /// Changes that the replica has.
    pub changes: u64,
    /// Whether it is being filled from a peer: documents, or changes of them, are missing.
    #[serde(default)]
    pub is_filling: bool,
}

/// How things stand with a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerStatus {
    /// Its name.
    pub peer: String,
    /// Whether it is connected and both have said what they have.
    pub connected: bool,
    /// Changes for it that it has not acknowledged.
    pub backlog_rows: u64,
    /// Age of the oldest of them in milliseconds of wall time.
    pub lag_ms: u64,
    /// Why it is not connected, in words; none when it is. Of one that dials it is known only that its certificate has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Streams of this replica of which it takes no more until it is connected again, or knows of another right: 16 of them
    /// at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<StoppedStream>,
    /// How many they are.
    #[serde(default)]
    pub stopped_count: u64,
}

/// A stream of which a peer takes no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoppedStream {
    /// Which space's changes.
    pub space: String,
    /// Who wrote them, in hexadecimal.
    pub origin: String,
    /// The last of them that the peer has.
    pub sequence: u64,
    /// Why, in words; none where its version does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}
