use crate::load::LoadPolicy;
use document::{Origin, Schemas, Space};
use std::collections::BTreeMap;
use wire::OriginKey;

/// What a replica is and what it shares with whom. Fixed while it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, as its certificate has it.
    pub name: String,
    /// What its origin is made of. The incarnation is kept outside the store, and no store ever gets another's.
    pub key: OriginKey,
    /// Names the journal when the store is new, or has another incarnation than before. Random.
    pub epoch: u64,
    /// Whether it is the hub itself.
    pub is_hub: bool,
    /// The key whose replica, the hub, decides by documents of the space `system` what identities may do and which
    /// schemas there are. Without one the settings of peers decide. See [`crate::Rights`].
    pub authority: Option<[u8; 32]>,
    /// The spaces that it carries. With an authority `system` is one of them, whatever stands here; the authority's own
    /// replica carries those that access documents name, too.
    pub spaces: BTreeMap<Space, SpaceMode>,
    /// The replicas that it may be connected to, by the name in their certificate.
    pub peers: BTreeMap<String, PeerSettings>,
    /// The schemas that it knows.
    pub schemas: Schemas,
    /// Most memory for open documents, in bytes, by estimate.
    pub open_documents_bytes_max: u64,
    /// When the changes of a document give way to a snapshot.
    pub snapshots: SnapshotPolicy,
    /// Which documents are read beside the core; `None`: none, and the edge needs not carry out
    /// [`Effect::Load`](crate::Effect::Load).
    pub loads_aside: Option<LoadPolicy>,
    /// When rows of the journal go.
    pub trimming: TrimPolicy,
    /// Most idempotency keys, of which each is kept for a day; fewer than [`IDEMPOTENCY_KEYS_MIN`](crate::IDEMPOTENCY_KEYS_MIN)
    /// are that many.
    pub idempotency_keys_max: u64,
    /// Whether peers that do not relay may bring back what this replica wrote under earlier incarnations, with the
    /// documents of a space. For one whose disk was lost, and of whose past nobody else tells: such a peer is believed
    /// about it, whatever it says.
    pub takes_own_past: bool,
}

/// When rows of the journal go: once they are old, or too many. A peer that lacks them is filled. A clock that jumps
/// ahead trims early, which costs such peers a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimPolicy {
    /// Age by this replica's wall clock, in milliseconds.
    pub age_ms: i64,
    /// Bytes of the journal's rows, by estimate.
    pub bytes: u64,
}

impl Default for TrimPolicy {
    fn default() -> Self {
        Self { age_ms: 7 * 24 * 60 * 60 * 1_000, bytes: 1 << 30 }
    }
}

/// When the changes of a document give way to a snapshot: once there are so many since the last one, or so many
/// bytes of them, and they are as much as it covered. (For a snapshot the last one is loaded and the new one too, to check
/// it, each change of its history costing some microseconds: when each covers twice what the one before did, that is twice
/// for each change, however long the history becomes.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Changes since the last snapshot.
    pub changes_min: u64,
    /// Bytes of changes since the last snapshot.
    pub bytes_min: u64,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { changes_min: 256, bytes_min: 64 * 1024 }
    }
}

impl SnapshotPolicy {
    /// Whether `since` the last snapshot is enough for another one.
    pub(crate) fn is_due(self, changes: Since, bytes: Since) -> bool {
        let enough = |since: Since, least: u64| since.new >= least.max(1) && since.new >= since.covered;
        enough(changes, self.changes_min) || enough(bytes, self.bytes_min)
    }
}

/// What a snapshot covers, and what came after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    pub(crate) covered: u64,
    pub(crate) new: u64,
}

/// What the services of a replica may do in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceMode {
    /// Read and write.
    Write,
    /// Read only: others write it.
    Read,
}

/// What a replica shares with one peer, as far as no document of `system` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerSettings {
    /// What the peer may do, by space. It is sent nothing of any other.
    pub spaces: BTreeMap<Space, Access>,
    /// Whether changes of others are taken from it.
    pub relay: bool,
    /// Whether whole documents are taken from it, with their history as it says: Automerge expands them without a
    /// bound.
    pub snapshots: bool,
    /// Whether it is the hub: what it has is safe, and where two histories of one origin meet, its stands.
    pub hub: bool,
}

/// What a peer may do in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// It is sent the space's changes.
    pub read: bool,
    /// Its changes to the space are taken.
    pub write: bool,
}

/// The origin that a key and an incarnation make: the first 16 bytes of blake3(public key ‖ incarnation).
#[must_use]
pub fn origin_of(key: &OriginKey) -> Origin {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&key.public_key);
    hasher.update(&key.incarnation);
    let mut origin = [0; 16];
    hasher.finalize_xof().fill(&mut origin);
    Origin(origin)
}
