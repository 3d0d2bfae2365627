//! Changes of peers as they came, until they are applied: what takes them next need not read them from the store.

use crate::keys::DocumentNumber;
use std::collections::BTreeMap;

/// Bytes that are kept. Where more come than are applied, as in a first sync, all are let go of: the store has them.
const BYTES_MAX: usize = 1024 * 1024;
/// What a change costs besides its bytes.
const CHANGE_OVERHEAD_BYTES: usize = 64;

/// The last changes of some documents, each with its position.
#[derive(Default)]
pub(super) struct Arrived {
    runs: BTreeMap<DocumentNumber, Run>,
    bytes: usize,
}

/// All changes of a document after a position.
struct Run {
    after: u64,
    changes: Vec<(u64, Vec<u8>)>,
}

impl Run {
    fn last(&self) -> u64 {
        self.changes.last().map_or(self.after, |(lsn, _)| *lsn)
    }

    fn bytes(&self) -> usize {
        self.changes.iter().map(|(_, chunk)| charge(chunk)).sum()
    }
}

fn charge(chunk: &[u8]) -> usize {
    chunk.len() + CHANGE_OVERHEAD_BYTES
}

impl Arrived {
    /// Notes a change that came to a document whose last one was at `after`.
    pub(super) fn note(&mut self, document: DocumentNumber, after: u64, (lsn, chunk): (u64, &[u8])) {
        if self.bytes + charge(chunk) > BYTES_MAX {
            (self.runs, self.bytes) = (BTreeMap::new(), 0);
        }
        if self.runs.get(&document).is_some_and(|run| run.last() != after) {
            self.forget(document);
        }
        let run = self.runs.entry(document).or_insert(Run { after, changes: Vec::new() });
        run.changes.push((lsn, chunk.to_vec()));
        self.bytes += charge(chunk);
    }

    /// The changes of a document are others than those that were noted.
    pub(super) fn forget(&mut self, document: DocumentNumber) {
        if let Some(run) = self.runs.remove(&document) {
            self.bytes -= run.bytes();
        }
    }

    /// Gives out at most `most` of a document's changes after one position, where `last` is that of its last one. `None`
    /// where not all of them were noted.
    pub(super) fn take(
        &mut self,
        document: DocumentNumber,
        (after, last): (u64, u64),
        most: usize,
    ) -> Option<Vec<(u64, Vec<u8>)>> {
        let run = self.runs.get(&document)?;
        if run.after > after || run.last() != last || after >= last {
            return None;
        }
        let mut run = self.runs.remove(&document)?;
        self.bytes -= run.bytes();
        run.changes.retain(|(lsn, _)| *lsn > after);
        let rest = run.changes.split_off(most.min(run.changes.len()));
        if !rest.is_empty() {
            let rest = Run { after: run.last(), changes: rest };
            self.bytes += rest.bytes();
            self.runs.insert(document, rest);
        }
        Some(run.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: DocumentNumber = DocumentNumber(7);

    fn noted(positions: &[u64]) -> Arrived {
        let mut arrived = Arrived::default();
        for pair in positions.windows(2) {
            arrived.note(DOCUMENT, pair[0], (pair[1], &[7; 10]));
        }
        arrived
    }

    fn positions(changes: Option<Vec<(u64, Vec<u8>)>>) -> Option<Vec<u64>> {
        changes.map(|changes| changes.into_iter().map(|(lsn, _)| lsn).collect())
    }

    #[test]
    fn a_run_is_given_out_once_and_in_parts() {
        let mut arrived = noted(&[3, 5, 6, 9]);
        assert_eq!(positions(arrived.take(DOCUMENT, (3, 9), 2)), Some(vec![5, 6]));
        assert_eq!(positions(arrived.take(DOCUMENT, (6, 9), 2)), Some(vec![9]));
        assert_eq!(arrived.take(DOCUMENT, (6, 9), 2), None);
        assert_eq!(arrived.bytes, 0);
    }

    #[test]
    fn what_was_not_noted_from_where_it_is_asked_is_read_from_the_store() {
        assert_eq!(noted(&[3, 5]).take(DOCUMENT, (2, 5), 9), None, "one before it may be missing");
        assert_eq!(noted(&[3, 5]).take(DOCUMENT, (3, 6), 9), None, "one behind it is missing");
        assert_eq!(noted(&[3, 5]).take(DOCUMENT, (5, 5), 9), None, "there is nothing to take");
        assert_eq!(positions(noted(&[3, 5, 6]).take(DOCUMENT, (5, 6), 9)), Some(vec![6]));
        let mut arrived = noted(&[3, 5]);
        arrived.note(DOCUMENT, 8, (9, b"after one of this replica"));
        assert_eq!(arrived.take(DOCUMENT, (5, 9), 9), None);
        assert_eq!(positions(arrived.take(DOCUMENT, (8, 9), 9)), Some(vec![9]));
        let mut arrived = noted(&[3, 5]);
        arrived.forget(DOCUMENT);
        assert_eq!((arrived.take(DOCUMENT, (3, 5), 9), arrived.bytes), (None, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut arrived = Arrived::default();
        let chunk = [1; 10_000];
        for lsn in 1..1_000 {
            arrived.note(DocumentNumber(lsn), 0, (lsn.into(), &chunk));
            assert!(arrived.bytes <= BYTES_MAX);
            assert_eq!(arrived.bytes, arrived.runs.values().map(Run::bytes).sum::<usize>());
        }
    }
}
