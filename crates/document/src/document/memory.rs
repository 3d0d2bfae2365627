//! What the columns of a document take in memory.
//!
//! A change can be far shorter than what it makes: a run of 10,000 items has 100 bytes, and those of two authors laid
//! between one another are no runs in the document (measured: 1,325 bytes of changes, 39 KB). So operations are counted
//! besides bytes, and when they might come to more than an eighth of what is known, the columns are written out, which
//! tells how long they are.

use automerge::Automerge;

/// What an operation may take at most besides its bytes.
const OPERATION_BYTES: u64 = 12;
/// What may be unknown of a small document, in bytes.
const UNKNOWN_BYTES: u64 = 4 * 1024;

/// Bytes of the columns, as far as they are known.
#[derive(Clone, Copy, Default)]
pub(super) struct Memory {
    /// What was measured, and the bytes of changes since then.
    known: u64,
    operations: u64,
    /// Operations since it was measured.
    unmeasured: u64,
}

impl Memory {
    /// The memory of a document that has so many operations.
    pub(super) fn measured(document: &Automerge, operations: u64) -> Self {
        let columns = document.save_nocompress().len() as u64;
        // Columns without runs take more in memory than they have bytes.
        let known = columns + (columns * 2 / 3).min(operations * OPERATION_BYTES);
        Self { known, operations, unmeasured: 0 }
    }

    /// Counts changes that the document has got.
    pub(super) fn add<'a>(&mut self, bytes: u64, operations: u64, document: impl FnOnce() -> &'a Automerge) {
        self.known += bytes;
        self.operations += operations;
        self.unmeasured += operations;
        if self.unmeasured * OPERATION_BYTES > UNKNOWN_BYTES.max(self.known / 8) {
            let measured = Self::measured(document(), self.operations);
            *self = Self { known: measured.known.max(self.known), ..measured };
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.known
    }
}
