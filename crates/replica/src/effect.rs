use crate::load::{LoadOrder, Loaded};
use crate::session::fill::FILL_IDLE_MS;
use crate::store::{Room, Turn};
use crate::watch::WatchEvent;
use crate::{AccessFault, BlockReason, Request, RequestError, Response, SchemaFault};
use document::{Address, ChangeRefusal, Collection, Origin, Space};

/// Names a connection. The edge never uses a number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Names a client's request. The edge never uses a number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Everything that happens to a replica.
#[derive(Clone, Debug)]
pub enum Input {
    /// A service asks for something.
    Request {
        /// Comes back with the reply.
        id: RequestId,
        /// What it asks.
        request: Request,
    },
    /// A peer is connected, and its certificate holds.
    PeerUp {
        /// The connection.
        link: LinkId,
        /// The name in its certificate.
        peer: String,
        /// The key in its certificate.
        public_key: [u8; 32],
    },
    /// A connection ended.
    PeerDown {
        /// The connection.
        link: LinkId,
    },
    /// A peer sent a frame.
    Frame {
        /// The connection.
        link: LinkId,
        /// The frame's bytes.
        bytes: Vec<u8>,
    },
    /// The reader of a watch has room for more events.
    WatchMore {
        /// The request that started it.
        id: RequestId,
        /// For how many.
        credit: u32,
    },
    /// The reader of a watch is gone. Events that were decided before may still come.
    WatchEnd {
        /// The request that started it.
        id: RequestId,
    },
    /// A document was read that [`Effect::Load`] asked for. It comes for each of them, and never to a replica that was opened
    /// since.
    Loaded(Box<Loaded>),
    /// The time that `Replica::poll_timeout` gave has come. Too early or too often does no harm.
    Timeout,
    /// A turn's batch, and all before it, outlive the process but not yet the machine. Only a store that syncs at
    /// intervals says so; services are answered then, peers are not.
    Written(Turn),
    /// A turn's batch, and all before it, are durable.
    Durable(Turn),
    /// The room on the disk changed.
    Room(Room),
}

/// A stream of a connection. Frames of one lane arrive in order, those of two in any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// What is said about changes that came: small, and not to wait behind others that go. It may arrive before what was sent
    /// earlier on the live lane, but not before the first frame there: who carries it holds it back.
    Control,
    /// Changes as they are made.
    Live,
    /// Documents that fill a space, which may take long.
    Bulk,
}

/// What the edge is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a frame.
    Send {
        /// Over which connection.
        link: LinkId,
        /// On which of its streams.
        lane: Lane,
        /// The frame's bytes.
        bytes: Vec<u8>,
    },
    /// Answer a request.
    Reply {
        /// Whose.
        id: RequestId,
        /// The answer.
        result: Result<Response, RequestError>,
    },
    /// Show events to the reader of a watch, after those before.
    Watch {
        /// The request that started it.
        id: RequestId,
        /// At least one, and together no more than it has room for.
        events: Vec<WatchEvent>,
    },
    /// End a connection.
    Disconnect {
        /// Which.
        link: LinkId,
        /// Why.
        reason: DisconnectReason,
    },
    /// Read a document of the durable rows beside the core ([`LoadOrder::read`]), and hand in what came of it.
    Load(LoadOrder),
    /// Draw a new incarnation, keep it, and open the replica again under it: its store is an old copy. Until then it
    /// refuses writes.
    Renew {
        /// What has shown it.
        reason: DisconnectReason,
    },
    /// Tell the operator.
    Event(Event),
}

/// Why a replica ends a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// Nobody of this name is in the settings.
    #[error("'{peer}' is not among this replica's peers")]
    UnknownPeer {
        /// The name in its certificate.
        peer: String,
    },
    /// The same peer connected again.
    #[error("the peer has a newer connection")]
    Replaced,
    /// The peer speaks another protocol.
    #[error("the peer speaks protocol {theirs}, this replica {ours}: upgrade the older one")]
    Protocol {
        /// The peer's.
        theirs: u16,
        /// This replica's.
        ours: u16,
    },
    /// The peer has more of this replica's own changes than this replica: its store was restored from an old copy.
    #[error(
        "the peer knows change {theirs} of this replica in {space}, this replica only {ours}: the store here is an old copy"
    )]
    RolledBack {
        /// Where.
        space: Space,
        /// What the peer has.
        theirs: u64,
        /// What this replica has.
        ours: u64,
    },
    /// The two have different changes under the same stamp.
    #[error("two histories of {origin} in {space} part after change {sequence}")]
    Forked {
        /// Where.
        space: Space,
        /// Whose.
        origin: Origin,
        /// The last change that they could have in common.
        sequence: u64,
    },
    /// The peer fills this replica, or is filled while others wait for it, and says nothing more.
    #[error(
        "the peer has said nothing of a fill for {} minutes: it is tried again at the next connection",
        FILL_IDLE_MS / 60_000
    )]
    FillStalled,
    /// This replica begins or ceases to take changes, and says so in its next hello.
    #[error("this replica's disk {}: connect again", if *.is_full { "has no room for changes" } else { "has room for changes again" })]
    Room {
        /// Whether it takes none.
        is_full: bool,
    },
    /// One of two histories gave way to the other.
    #[error("one of two histories of an origin gave way to the other: connect again")]
    ForkSettled,
    /// The peer has said whether it has other changes under this replica's stamps.
    #[error("this replica's history was compared with the peer's: connect again")]
    HistoriesCompared,
    /// The peer does not know what this replica's hello built on.
    #[error("the peer asks to be told all anew: connect again")]
    Asked,
    /// The peer's key was revoked.
    #[error("the peer's key was revoked")]
    Revoked,
    /// What the peer may do is no more what it was when the session began.
    #[error("the peer's rights changed: connect again")]
    RightsChanged,
    /// The peer broke a rule.
    #[error("the peer misbehaved: {0}")]
    Misbehaved(#[from] Misbehaviour),
    /// What this replica has to say does not fit into a frame.
    #[error("a frame to the peer would be too long: share fewer spaces with it")]
    FrameTooLong,
}

/// Which rule a peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// A frame that cannot be read.
    #[error(transparent)]
    Frame(#[from] wire::DecodeError),
    /// Something else than a hello came first, or a second one.
    #[error("a frame came before the hello, or a second hello")]
    Order,
    /// A row names a place in a table that is not there.
    #[error("a row names a table entry that was never sent")]
    Table,
    /// It says that it has more streams than there can be.
    #[error("a hello names too many streams")]
    TooManyEntries,
    /// A name that is none.
    #[error("a name in a frame breaks the rules for names")]
    Name,
    /// A change to a space that it may not write, or that is not shared with it.
    #[error("a change to a space that the peer may not write")]
    Space,
    /// A change of another replica, from a peer that may not relay.
    #[error("a change of another replica from a peer that may not relay")]
    Relay,
    /// Deltas that do not follow one another, or an acknowledgement of what was never sent.
    #[error("positions that do not follow one another")]
    Position,
    /// The changes of a transaction that are not whole, not consecutive, or not of different documents.
    #[error("a transaction that is not whole")]
    Transaction,
    /// A frame of a fill that was not asked for, or does not say what it must.
    #[error("a frame of a fill that is out of turn or malformed")]
    Fill,
    /// What it says of a forked history contradicts itself, or is of none that both have.
    #[error("a frame about a fork that contradicts itself")]
    Fork,
    /// It went on sending changes that lack what they depend on.
    #[error("changes without what they depend on, again and again")]
    Gap,
}

/// Why nothing more of an origin's changes in a space is taken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// The bytes of a change are refused.
    #[error(transparent)]
    Refused(#[from] ChangeRefusal),
    /// A change of this origin depends on one of a stream that was stopped.
    #[error("a change depends on one that was refused")]
    DependsOnStopped,
    /// A document would have more concurrent changes than a change may depend on.
    #[error("a document has too many concurrent changes")]
    TooManyHeads,
    /// The key of this origin has had too many incarnations.
    #[error("the replica has had too many incarnations")]
    TooManyIncarnations,
    /// The same change came under two sequences.
    #[error("a change came a second time under another number")]
    Repeated,
    /// Nothing in `system` says what its writer may do. Taken as soon as something does.
    #[error("no access document of its writer is here yet")]
    RightUnknown,
    /// Its writer may not write the space.
    #[error("its writer may not write the space")]
    NoWrite,
    /// The peer may not deliver changes of others in the space.
    #[error("the peer may not relay in the space")]
    NoRelay,
    /// Its writer's key was revoked.
    #[error("its writer was revoked; changes up to {last} are taken")]
    Revoked {
        /// The last change that is taken.
        last: u64,
    },
    /// The peer left documents, or changes of them, out of a fill: it cannot read them, or they lie beyond a cut.
    #[error(
        "the peer left out what is damaged there, or beyond the cut of a writer without right: repair its store if it \
         says so, or connect to the hub; the fill is tried again at the next connection"
    )]
    FillerDamaged,
}

/// Which step of the ladder brought two replicas together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Nothing to send: the peer has all.
    Equal,
    /// From the peer's cursor into the journal.
    Cursor,
    /// From the first row that the peer's version vector lacks.
    Vector,
    /// The journal lacks changes of a space for the peer: its documents are reconciled first.
    Reconcile,
    /// The peer has nothing of a space whose changes the journal lacks, or of which there are many: it is sent the documents
    /// first.
    Fill,
}

/// What an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Hellos were exchanged; sending starts.
    SessionStarted {
        /// With whom.
        peer: String,
        /// How.
        rung: Rung,
        /// Rows that the peer lacks.
        backlog_rows: u64,
    },
    /// A change is refused; nothing more of this origin in this space is taken on this connection.
    StreamStopped {
        /// From whom it came.
        peer: String,
        /// Where.
        space: Space,
        /// Who wrote it.
        origin: Origin,
        /// Which.
        sequence: u64,
        /// Why.
        reason: StopReason,
    },
    /// A peer was asked to go back.
    Rewound {
        /// Who.
        peer: String,
    },
    /// A space has its documents from a peer.
    Filled {
        /// From whom.
        peer: String,
        /// Which.
        space: Space,
        /// Documents that came.
        documents: u64,
    },
    /// A change in a fill is refused: the space is not filled by this peer.
    FillStopped {
        /// From whom.
        peer: String,
        /// Which.
        space: Space,
        /// Why.
        reason: StopReason,
    },
    /// Idempotency keys went before a day was over, for want of room: a retry under one of them counts anew.
    KeysGone {
        /// The age of the last one, in milliseconds of wall time.
        age_ms: i64,
        /// How many did since the replica was opened.
        gone: u64,
        /// The most that are kept.
        keys_max: u64,
    },
    /// A document is blocked: its changes are stored and not applied, it is read as before.
    Blocked {
        /// Which.
        address: Address,
        /// Why.
        reason: BlockReason,
    },
    /// A stored value could not be read, and was made again from the document's changes.
    ValueMended {
        /// Whose.
        address: Address,
    },
    /// This replica's branch of a forked history gave way to the hub's.
    ForkSettled {
        /// Where.
        space: Space,
        /// Whose.
        origin: Origin,
        /// The last change that both histories have.
        sequence: u64,
        /// Changes of the branch, and those that depended on them.
        taken_out: u64,
        /// Documents in which this replica's own part of them was written again.
        written_again: u64,
    },
    /// An access document grants nothing.
    AccessRefused {
        /// Which.
        address: Address,
        /// Why.
        fault: AccessFault,
    },
    /// Changes are here that their writer lost the right to write before the authority had them: they are shown here, and
    /// passed on to nobody.
    RowsBeyondCut {
        /// Whose, by the name in its access document.
        name: String,
        /// Where.
        space: Space,
        /// Who wrote them.
        origin: Origin,
        /// The last change before them.
        last: u64,
        /// How many they are.
        rows: u64,
    },
    /// A schema came with `system`, and is in force.
    SchemaTaken {
        /// Of which collection.
        collection: Collection,
        /// Which version.
        version: u32,
    },
    /// A schema document is passed over.
    SchemaRefused {
        /// Which.
        address: Address,
        /// Why.
        fault: SchemaFault,
    },
    /// A document's history does not survive being saved: its changes are kept instead.
    SnapshotRefused {
        /// Which.
        address: Address,
    },
}
