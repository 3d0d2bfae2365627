//! Rows on the disk or in memory.

use either::Either;
use replica::{Batch, Keyspace, ReadRows, Row, Store, StoreError, Turn};
use std::ops::Range;
use store::{FjallStore, MemoryStore, StoreSnapshot};

/// Where the core's rows are.
pub(super) enum Stored {
    Disk(Box<FjallStore>),
    Memory(MemoryStore),
}

/// Rows as of one moment.
pub(super) enum Snapshot {
    Disk(StoreSnapshot),
    Memory(MemoryStore),
}

impl Stored {
    pub(super) fn on_disk(&self) -> Option<&FjallStore> {
        match self {
            Self::Disk(store) => Some(store),
            Self::Memory(_) => None,
        }
    }
}

/// Reads either kind of rows.
macro_rules! read_rows {
    ($both:ident) => {
        impl ReadRows for $both {
            fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
                match self {
                    Self::Disk(rows) => rows.get(keyspace, key),
                    Self::Memory(rows) => rows.get(keyspace, key),
                }
            }

            fn scan(
                &self,
                keyspace: Keyspace,
                range: Range<Vec<u8>>,
            ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
                match self {
                    Self::Disk(rows) => Either::Left(rows.scan(keyspace, range)),
                    Self::Memory(rows) => Either::Right(rows.scan(keyspace, range)),
                }
            }

            fn scan_back(
                &self,
                keyspace: Keyspace,
                range: Range<Vec<u8>>,
            ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
                match self {
                    Self::Disk(rows) => Either::Left(rows.scan_back(keyspace, range)),
                    Self::Memory(rows) => Either::Right(rows.scan_back(keyspace, range)),
                }
            }
        }
    };
}

read_rows!(Stored);
read_rows!(Snapshot);

impl Store for Stored {
    type Snapshot = Snapshot;

    fn snapshot(&self) -> Snapshot {
        match self {
            Self::Disk(store) => Snapshot::Disk(store.snapshot()),
            Self::Memory(store) => Snapshot::Memory(store.snapshot()),
        }
    }

    fn submit(&mut self, turn: Turn, batch: Batch) -> Result<(), StoreError> {
        match self {
            Self::Disk(store) => store.submit(turn, batch),
            Self::Memory(store) => store.submit(turn, batch),
        }
    }

    fn set_suspect(&mut self, suspect: Option<&[u8]>) -> Result<(), StoreError> {
        match self {
            Self::Disk(store) => store.set_suspect(suspect),
            Self::Memory(store) => store.set_suspect(suspect),
        }
    }

    fn suspect(&self) -> Option<Vec<u8>> {
        match self {
            Self::Disk(store) => store.suspect(),
            Self::Memory(store) => store.suspect(),
        }
    }
}
