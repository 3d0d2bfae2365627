//! Reading every row, so that damage is found before the row is needed.

use replica::{Keyspace, StoreError};

use crate::store::StoreSnapshot;

/// Rows between two reports of progress.
pub(crate) const PROGRESS_ROWS: u64 = 10_000;

/// How far a long operation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that are done.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl Progress {
    /// Counts a row; true when it is time to report.
    pub(crate) fn count(&mut self, key: &[u8], value: &[u8]) -> bool {
        self.rows += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.rows.is_multiple_of(PROGRESS_ROWS)
    }
}

/// What was read of a keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which.
    pub keyspace: Keyspace,
    /// Rows that were read, and their bytes.
    pub read: Progress,
    /// The first damage; what comes after it in key order was not read.
    pub damage: Option<StoreError>,
}

impl StoreSnapshot {
    /// Reads every row of every keyspace; fjall compares each block that comes from the disk with its checksum. Blocks
    /// in the caches of fjall and of the operating system are not read again from the medium. `progress` is told of
    /// rows and bytes so far, and ends the reading early by returning false.
    pub fn verify(&self, mut progress: impl FnMut(Progress) -> bool) -> Vec<Verified> {
        let mut all = Progress::default();
        let mut reports = Vec::new();
        for keyspace in Keyspace::ALL {
            let mut report = Verified { keyspace, read: Progress::default(), damage: None };
            for row in self.all(keyspace) {
                match row {
                    Ok((key, value)) => {
                        report.read.count(&key, &value);
                        if all.count(&key, &value) && !progress(all) {
                            reports.push(report);
                            return reports;
                        }
                    }
                    Err(error) => {
                        report.damage = Some(error);
                        break;
                    }
                }
            }
            reports.push(report);
        }
        progress(all);
        reports
    }
}
