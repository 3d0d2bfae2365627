//! The high-water mark: how many commits there were and a digest over all of them, kept twice. Once as a row that
//! every commit writes with its own rows, once in a file beside fjall's. fjall opens a journal that was damaged in
//! the middle without an error, and everything after that place is gone: then the row is behind the file.
//!
//! The file has two slots, in turns, so that a torn write leaves the one before. It is written after each commit
//! (the end of the process loses nothing) and synced once a second: a power cut hides at most the last second.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use replica::{Keyspace, StoreError};

use crate::engine::Group;

/// The row's key in `Meta`. No row of the core begins with it.
pub(crate) const ROW_KEY: [u8; 1] = [0];
/// What a slot starts with.
const MAGIC: [u8; 8] = *b"islemark";
/// Magic, number, digest, checksum.
const SLOT_BYTES: usize = 8 + 8 + 32 + 32;
/// A slot has a page of its own.
const SLOT_STRIDE: u64 = 4_096;
/// A commit's rows are hashed in one piece; a buffer that a large commit made longer than this is given back.
const BUFFER_BYTES_KEPT: usize = 2 * 1024 * 1024;

/// After which commit a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Commits since the store was made.
    pub(crate) number: u64,
    /// blake3 over the digest before, the number and the rows of the commit; zeros before the first.
    pub(crate) digest: [u8; 32],
}

impl Mark {
    /// The mark after a commit of `group`. `buffer` is memory to be used again.
    pub(crate) fn after(self, group: &Group, buffer: &mut Vec<u8>) -> Self {
        let number = self.number.saturating_add(1);
        buffer.clear();
        buffer.extend_from_slice(&self.digest);
        buffer.extend_from_slice(&number.to_be_bytes());
        for ((keyspace, key), value) in group {
            buffer.push(*keyspace as u8);
            part(buffer, key);
            match value {
                Some(value) => {
                    buffer.push(1);
                    part(buffer, value);
                }
                None => buffer.push(0),
            }
        }
        let digest = blake3::hash(buffer).into();
        if buffer.capacity() > BUFFER_BYTES_KEPT {
            *buffer = Vec::new();
        }
        Self { number, digest }
    }

    /// The row's value.
    pub(crate) fn to_row(self) -> Vec<u8> {
        [self.number.to_be_bytes().as_slice(), &self.digest].concat()
    }

    /// The mark in the row; that of an empty store when there is none.
    pub(crate) fn from_row(row: Option<&[u8]>) -> Result<Self, StoreError> {
        let damaged =
            StoreError::Damaged { what: "a high-water mark of another length", keyspace: Keyspace::Meta };
        row.map_or(Some(Self::default()), Self::from_bytes).ok_or(damaged)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, digest) = bytes.split_first_chunk()?;
        Some(Self { number: u64::from_be_bytes(*number), digest: digest.try_into().ok()? })
    }

    fn to_slot(self) -> Vec<u8> {
        let mut slot = [MAGIC.as_slice(), &self.to_row()].concat();
        let checksum = blake3::hash(&slot);
        slot.extend_from_slice(checksum.as_bytes());
        slot
    }

    /// Where its slot is in the file.
    fn place(self) -> u64 {
        if self.number.is_multiple_of(2) { 0 } else { SLOT_STRIDE }
    }

    fn from_slot(slot: &[u8; SLOT_BYTES]) -> Option<Self> {
        let (content, checksum) = slot.split_last_chunk::<32>()?;
        let content = (blake3::hash(content).as_bytes() == checksum).then_some(content)?;
        Self::from_bytes(content.strip_prefix(&MAGIC)?)
    }
}

/// A length and its bytes, so that no two groups give the same text.
fn part(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    buffer.extend_from_slice(bytes);
}

/// What the mark beside the rows said when a store was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HighWater {
    /// A store without a commit.
    New,
    /// The rows are where the mark says.
    Agrees,
    /// There were more commits than the mark says: a power cut within its last second.
    Behind {
        /// Commits that it did not know.
        commits: u64,
    },
    /// There are rows and no readable mark, so nothing is known about lost rows: the file was deleted, or the rows
    /// were copied here without it. It is made again. A caller that finds this in a store that it did not copy by
    /// itself draws a new incarnation. Only where the caller had accepted it.
    Missing,
    /// Rows are lost, and the caller had accepted that.
    AcceptedShortened {
        /// Commits by the mark.
        expected: u64,
        /// Commits that are left.
        found: u64,
    },
}

/// Why rows and mark do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Shortened { expected: u64, found: u64 },
    Other { number: u64 },
}

/// Compares the row's mark with the file's.
pub(crate) fn compare(row: Mark, file: Option<Mark>) -> Result<HighWater, Mismatch> {
    match file {
        None if row.number == 0 => Ok(HighWater::New),
        None => Ok(HighWater::Missing),
        Some(file) if file.number > row.number => {
            Err(Mismatch::Shortened { expected: file.number, found: row.number })
        }
        Some(file) if file.number < row.number => Ok(HighWater::Behind { commits: row.number - file.number }),
        Some(file) if file.digest != row.digest => Err(Mismatch::Other { number: row.number }),
        Some(_) if row.number == 0 => Ok(HighWater::New),
        Some(_) => Ok(HighWater::Agrees),
    }
}

/// The file `high-water`.
#[derive(Debug)]
pub(crate) struct MarkFile {
    file: File,
    unsynced: AtomicBool,
    failed: AtomicBool,
}

impl MarkFile {
    /// Opens or makes it, with the newest mark that it holds. Its blocks are taken here, so that a full disk does not
    /// keep a mark from being written.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Option<Mark>)> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = 2 * SLOT_STRIDE;
        if file.metadata()?.len() != length {
            file.set_len(0)?;
            file.write_all_at(&[0; 2 * 4_096], 0)?;
            file.sync_all()?;
        }
        let opened = Self { file, unsynced: AtomicBool::new(false), failed: AtomicBool::new(false) };
        let newest = opened.newest()?;
        Ok((opened, newest))
    }

    /// The newest mark that it holds.
    pub(crate) fn newest(&self) -> io::Result<Option<Mark>> {
        let slot = |place| {
            let mut slot = [0; SLOT_BYTES];
            self.file.read_exact_at(&mut slot, place)?;
            io::Result::Ok(Mark::from_slot(&slot))
        };
        let marks = [slot(0)?, slot(SLOT_STRIDE)?];
        Ok(marks.into_iter().flatten().max_by_key(|mark| mark.number))
    }

    /// Notes that everything up to `mark` is durable. A failure is told once and costs no commit: what it takes away
    /// is the knowledge of lost rows.
    pub(crate) fn write(&self, mark: Mark) {
        match self.file.write_all_at(&mark.to_slot(), mark.place()) {
            Ok(()) => self.unsynced.store(true, Ordering::Release),
            Err(error) => self.report(&error),
        }
    }

    /// Both slots, whatever they held: the rows are the truth.
    pub(crate) fn reset(&self, mark: Mark) -> io::Result<()> {
        self.file.write_all_at(&[0; 2 * 4_096], 0)?;
        self.file.write_all_at(&mark.to_slot(), mark.place())?;
        self.file.sync_data()
    }

    /// Makes it durable if it was written since.
    pub(crate) fn sync(&self) {
        if self.unsynced.swap(false, Ordering::AcqRel)
            && let Err(error) = self.file.sync_data()
        {
            self.report(&error);
        }
    }

    fn report(&self, error: &io::Error) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "the high-water mark is not written: rows lost by the disk would not be noticed");
        }
    }
}

#[cfg(test)]
mod tests;
