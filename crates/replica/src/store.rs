//! What the core needs of a disk: ordered keyspaces, an atomic batch, a notice when it is durable.
//!
//! Two implementations: fjall (crate `store`), and the simulator's disk, which loses what was not synced.

use std::ops::Range;

/// A group of rows that share a memtable. Keys inside are prefixed by kind; `keys` builds and parses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keyspace {
    /// Epoch, interned names, peers.
    Meta,
    /// Documents by address and by number, their values, lists of them.
    Documents,
    /// Changes by document, their hashes, snapshots.
    Changes,
    /// The journal, stamps and version vectors.
    Journal,
}

impl Keyspace {
    /// Every keyspace, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Meta, Self::Documents, Self::Changes, Self::Journal];

    /// Its name on disk. Never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Documents => "documents",
            Self::Changes => "changes",
            Self::Journal => "journal",
        }
    }
}

/// Number of a turn of the core. Batches are submitted and become durable in this order, without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(pub u64);

/// One row to write, or to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub keyspace: Keyspace,
    /// The row's key.
    pub key: Vec<u8>,
    /// The row's value; `None` removes the row.
    pub value: Option<Vec<u8>>,
}

/// Rows written together or not at all. A later write of a key replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the order in which they were made.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Bytes of keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.writes.iter().map(|write| write.key.len() + write.value.as_ref().map_or(0, Vec::len)).sum()
    }
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Why the store could not read or take a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full.
    #[error("the disk is full: free space, then restart; nothing acknowledged is lost")]
    Full,
    /// The disk gave an input or output error.
    #[error("the disk failed ({kind}) while {operation}: check it, then restart")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// What the operating system said.
        kind: std::io::ErrorKind,
    },
    /// An earlier failure made the store refuse writes until it is opened again.
    #[error("the store refuses writes after an earlier failure: restart")]
    Poisoned,
    /// Rows contradict each other or cannot be read.
    #[error("the store is damaged: {what} in {keyspace:?}")]
    Damaged {
        /// What was found.
        what: &'static str,
        /// Where.
        keyspace: Keyspace,
    },
    /// A row of the journal does not follow the one before it, or is gone.
    #[error(
        "the store is damaged: the journal is broken at position {lsn}; restore a backup or fetch from peers"
    )]
    BrokenJournal {
        /// The first position that does not hold.
        lsn: u64,
    },
}

/// What was read; `None` where it is damaged. That concerns what was read for, and the rest goes on.
pub(crate) fn undamaged<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How much room the disk has. Watermarks keep fjall from ever meeting a full disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Enough.
    #[default]
    Ample,
    /// An operator should look at it.
    Low,
    /// Nearly none. What can wait is put off, so that the room is for what services write and for new changes of peers:
    /// fills of this replica with documents that a peer has anyway, the building of indexes, and writes that say that they
    /// can wait, as those of an import. All of it goes on by itself, or is run again, when there is room.
    Shed,
    /// Nothing more is written until there is room again; reads go on.
    ReadOnly,
}

/// Rows, read synchronously.
pub trait ReadRows {
    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError`] when the disk fails.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Rows with keys in `range`, in key order, as of the call.
    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_;

    /// Rows with keys in `range`, from the last to the first, as of the call. As given it reads the whole range first:
    /// a disk that can go backwards does so.
    fn scan_back(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        let rows: Vec<Result<Row, StoreError>> = self.scan(keyspace, range).collect();
        rows.into_iter().rev()
    }
}

/// Durable rows, read synchronously; batches, handed over and made durable later.
pub trait Store: ReadRows {
    /// The rows as of one moment, for readers elsewhere.
    type Snapshot: ReadRows + 'static;

    /// The rows that are visible now, whatever is written later. While it lives, what it may still read is kept from
    /// being compacted away: keep it short.
    fn snapshot(&self) -> Self::Snapshot;

    /// Hands over a batch without waiting. It becomes visible to `get` and `scan` when it is durable; the edge
    /// then tells the core with `Input::Durable`. Turns arrive in order; several may become durable together,
    /// never a later one without the earlier.
    ///
    /// # Errors
    /// [`StoreError`] when the batch can certainly not become durable.
    fn submit(&mut self, turn: Turn, batch: Batch) -> Result<(), StoreError>;

    /// Notes, or with `None` takes back, what is about to be tried and could end the process. It outlives the
    /// process, not the machine: it costs a write to memory of the operating system, no sync.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be noted; then it must not be tried.
    fn set_suspect(&mut self, suspect: Option<&[u8]>) -> Result<(), StoreError>;

    /// What was noted when the process before this one ended; until [`Store::set_suspect`] is called.
    fn suspect(&self) -> Option<Vec<u8>>;
}
