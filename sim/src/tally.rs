use crate::time::SECOND_NS;
use replica::{Event, Rung};
use std::fmt;
use std::ops::AddAssign;

/// What was done in one run, or in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Virtual time, in nanoseconds.
    pub virtual_ns: u64,
    /// Requests that services sent, tries again included.
    pub operations: u64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Of them those of several documents.
    pub transactions: u64,
    /// Writes that were refused, as too few rights are.
    pub refused: u64,
    /// Looks at all goods of a space that showed everything.
    pub looks: u64,
    /// Looks that the durable rows answered beside the core.
    pub views: u64,
    /// Documents that were read beside the core.
    pub loads: u64,
    /// Writes of which nobody can say what became of them.
    pub unknown: u64,
    /// Links cut.
    pub cuts: u64,
    /// Nodes crashed.
    pub crashes: u64,
    /// Batches that crashes took.
    pub batches_lost: u64,
    /// Nodes stalled.
    pub pauses: u64,
    /// Disks that were full, slow, rotten or failed to sync.
    pub disk_faults: u64,
    /// Disks lost, or replaced by an old copy.
    pub destroyed: u64,
    /// Wall clocks that jumped.
    pub clocks: u64,
    /// Frames of a peer that keeps no rule.
    pub strange: u64,
    /// Sessions that started with equal vectors.
    pub equal: u64,
    /// Sessions that started at a cursor.
    pub cursor: u64,
    /// Sessions that started at a version vector.
    pub vector: u64,
    /// Sessions that started with spaces to reconcile.
    pub reconcile: u64,
    /// Sessions that started with spaces to fill.
    pub fill: u64,
    /// Spaces that were filled.
    pub filled: u64,
    /// Times that a receiver asked its peer to go back.
    pub rewinds: u64,
    /// Frames delivered.
    pub frames: u64,
}

impl Tally {
    /// Counts what a replica told its operator.
    pub(crate) fn count(&mut self, event: &Event) -> &'static str {
        match event {
            Event::SessionStarted { rung: Rung::Equal, .. } => {
                self.equal += 1;
                "a session started, nothing to send"
            }
            Event::SessionStarted { rung: Rung::Cursor, .. } => {
                self.cursor += 1;
                "a session started at the cursor"
            }
            Event::SessionStarted { rung: Rung::Vector, .. } => {
                self.vector += 1;
                "a session started at the version vector"
            }
            Event::SessionStarted { rung: Rung::Reconcile, .. } => {
                self.reconcile += 1;
                "a session started with spaces to reconcile"
            }
            Event::SessionStarted { rung: Rung::Fill, .. } => {
                self.fill += 1;
                "a session started with spaces to fill"
            }
            Event::Filled { .. } => {
                self.filled += 1;
                "a space was filled"
            }
            Event::FillStopped { .. } => "a fill was stopped",
            Event::StreamStopped { .. } => "a stream stopped",
            Event::Blocked { .. } => "a document is blocked",
            Event::ValueMended { .. } => "a stored value is made again",
            Event::KeysGone { .. } => "idempotency keys went early",
            Event::ForkSettled { .. } => "a branch of a forked history is taken out",
            Event::AccessRefused { .. } => "an access document grants nothing",
            Event::RowsBeyondCut { .. } => "changes beyond a cut are here",
            Event::SchemaTaken { .. } => "a schema is in force",
            Event::SchemaRefused { .. } => "a schema is passed over",
            Event::SnapshotRefused { .. } => "a snapshot is refused",
            Event::Rewound { .. } => {
                self.rewinds += 1;
                "asked its peer to go back"
            }
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.virtual_ns += other.virtual_ns;
        self.operations += other.operations;
        self.acknowledged += other.acknowledged;
        self.transactions += other.transactions;
        self.refused += other.refused;
        self.looks += other.looks;
        self.views += other.views;
        self.loads += other.loads;
        self.unknown += other.unknown;
        self.cuts += other.cuts;
        self.crashes += other.crashes;
        self.batches_lost += other.batches_lost;
        self.pauses += other.pauses;
        self.disk_faults += other.disk_faults;
        self.destroyed += other.destroyed;
        self.clocks += other.clocks;
        self.strange += other.strange;
        self.equal += other.equal;
        self.cursor += other.cursor;
        self.vector += other.vector;
        self.reconcile += other.reconcile;
        self.fill += other.fill;
        self.filled += other.filled;
        self.rewinds += other.rewinds;
        self.frames += other.frames;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations ({} acknowledged, {} of them transactions, {} refused, {} unknown, {} looks, {} beside the core), {} documents read beside the core, {} frames in {} virtual seconds; \
             faults: {} cuts, {} crashes ({} batches lost), {} stalls, {} of disks, {} disks destroyed, {} of clocks, \
             {} strange frames; \
             sessions: {} equal, {} by cursor, {} by vector, {} to reconcile, {} to fill; {} spaces filled; {} rewinds",
            self.operations,
            self.acknowledged,
            self.transactions,
            self.refused,
            self.unknown,
            self.looks,
            self.views,
            self.loads,
            self.frames,
            self.virtual_ns / SECOND_NS,
            self.cuts,
            self.crashes,
            self.batches_lost,
            self.pauses,
            self.disk_faults,
            self.destroyed,
            self.clocks,
            self.strange,
            self.equal,
            self.cursor,
            self.vector,
            self.reconcile,
            self.fill,
            self.filled,
            self.rewinds,
        )
    }
}
