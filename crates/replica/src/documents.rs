//! Open documents: an LRU bounded in bytes. A document is opened from its changes, and brought up to date with those
//! that came since it was opened.

use crate::journal::{DAMAGED, DocumentPlace, Journal};
use crate::keys::DocumentNumber;
use crate::store::{Store, StoreError};
use document::{ApplyError, Document};
use std::collections::BTreeMap;

struct Open {
    document: Document,
    /// Position of the last change that is in it.
    applied: u64,
    /// When it was last used; the key in `by_use`.
    used: u64,
}

pub(crate) struct Documents {
    open: BTreeMap<DocumentNumber, Open>,
    by_use: BTreeMap<u64, DocumentNumber>,
    uses: u64,
    bytes: u64,
    bytes_max: u64,
}

impl Documents {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { open: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0, bytes: 0, bytes_max }
    }

    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// Runs `work` on a document as it is at its last change. `work` returns the position of the last change in it
    /// when it wrote one. The inner error is a change that cannot be applied.
    pub(crate) fn with<S: Store, T>(
        &mut self,
        journal: &mut Journal<S>,
        place: &mut DocumentPlace,
        work: impl FnOnce(
            &mut Document,
            &mut Journal<S>,
            &mut DocumentPlace,
        ) -> Result<(T, Option<u64>), StoreError>,
    ) -> Result<Result<T, ApplyError>, StoreError> {
        let number = place.number();
        // Taken out: whatever goes wrong below, no half-changed document stays open.
        let (mut document, mut applied) = match self.take(number) {
            Some(open) => (open.document, open.applied),
            None => (Document::new(), 0),
        };
        while applied < place.row.last {
            let (chunks, position) = journal.chunks(number, applied, place.row.last)?;
            if position == applied {
                return Err(DAMAGED);
            }
            if let Err(error) = document.apply(&chunks) {
                return Ok(Err(error));
            }
            applied = position;
        }
        let (result, written) = work(&mut document, journal, place)?;
        self.keep(number, document, written.unwrap_or(place.row.last));
        Ok(Ok(result))
    }

    fn take(&mut self, number: DocumentNumber) -> Option<Open> {
        let open = self.open.remove(&number)?;
        self.by_use.remove(&open.used);
        self.bytes -= open.document.memory_bytes();
        Some(open)
    }

    fn keep(&mut self, number: DocumentNumber, document: Document, applied: u64) {
        self.uses += 1;
        self.bytes += document.memory_bytes();
        self.by_use.insert(self.uses, number);
        self.open.insert(number, Open { document, applied, used: self.uses });
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.by_use.first_key_value() else { return };
            let oldest = *oldest;
            self.take(oldest);
        }
    }
}
