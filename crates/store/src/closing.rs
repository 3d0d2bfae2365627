//! The end of a store: its rows are written out to tables and its journal is emptied.
//!
//! fjall begins its journal anew at 64 MB and not earlier, and reads all of it whenever it opens, also what has long been in
//! tables: up to 1.2 s of a start that takes some 20 ms without. What is killed leaves its journal.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use replica::{Keyspace, StoreError};

use crate::engine::Engine;
use crate::high_water::{Mark, MarkFile};
use crate::journal;
use crate::room::Disk;

/// Less than this is read in some 20 ms, and is not worth a table in each keyspace.
const JOURNAL_BYTES_MIN: u64 = 1024 * 1024;
/// With less free space nothing is written out: all memtables, and a compaction that comes of them.
const ROOM_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Longest that writing out may take: a program that is told to stop has 5 s for everything.
const WRITE_OUT_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether fjall is done, which tells nobody.
const POLL: Duration = Duration::from_millis(1);

/// Empties the journal when it is dropped: after fjall was closed, and only where [`Self::write_out`] wrote all out.
pub(crate) struct Closing {
    engine: Weak<Engine>,
    mark_file: Arc<MarkFile>,
    rows: PathBuf,
    written_out: bool,
}

impl Closing {
    pub(crate) fn new(engine: &Arc<Engine>, mark_file: Arc<MarkFile>, rows: PathBuf) -> Self {
        Self { engine: Arc::downgrade(engine), mark_file, rows, written_out: false }
    }

    /// Writes all rows to tables. The committer and the pacer have ended: nothing is committed from here on.
    pub(crate) fn write_out(&mut self, engine: &Engine) {
        let is_long = journal::written_bytes(&self.rows).is_ok_and(|bytes| bytes >= JOURNAL_BYTES_MIN);
        let has_room = Disk::look(&self.rows).is_ok_and(|disk| disk.free >= ROOM_BYTES_MIN);
        if !is_long || !has_room {
            return;
        }
        match self.is_written_out(engine, Instant::now() + WRITE_OUT_MAX) {
            Ok(written_out) => self.written_out = written_out,
            Err(error) => tracing::warn!(%error, "the journal stays as it is: the next start reads it"),
        }
    }

    /// False where the time was too short, or a commit before this failed in a way that is not known.
    fn is_written_out(&self, engine: &Engine, until: Instant) -> Result<bool, StoreError> {
        for keyspace in Keyspace::ALL {
            engine.rotate(keyspace)?;
        }
        while Keyspace::ALL.iter().any(|keyspace| engine.has_memtables(*keyspace)) {
            if Instant::now() >= until {
                return Ok(false);
            }
            engine.health()?;
            thread::sleep(POLL);
        }
        let in_tables = Mark::from_row(engine.mark_row()?.as_deref())?;
        Ok(self.mark_file.newest().is_ok_and(|newest| newest == Some(in_tables)))
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        // A reader on another thread may have fjall open still.
        if self.written_out
            && self.engine.strong_count() == 0
            && let Err(error) = journal::empty(&self.rows)
        {
            tracing::warn!(%error, "the journal was not emptied: the next start reads it");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use replica::{Batch, ReadRows as _, Store as _, Turn, Write};

    use super::*;
    use crate::{CommitNotice, FjallStore, Options};

    fn open(directory: &Path) -> FjallStore {
        FjallStore::open(directory, Options::default(), |_| ()).unwrap()
    }

    fn write(store: &mut FjallStore, turn: u64, rows: impl IntoIterator<Item = (String, String)>) {
        let write = |(key, value): (String, String)| Write {
            keyspace: Keyspace::Documents,
            key: key.into_bytes(),
            value: Some(value.into_bytes()),
        };
        store.submit(Turn(turn), Batch { writes: rows.into_iter().map(write).collect() }).unwrap();
    }

    /// More than what is left in a journal.
    fn many(value: &str) -> impl Iterator<Item = (String, String)> {
        let value = value.repeat(1_000);
        (0..2_000).map(move |key| (key.to_string(), value.clone()))
    }

    fn journal_bytes(directory: &Path) -> u64 {
        journal::written_bytes(&directory.join("rows")).unwrap()
    }

    #[test]
    fn a_closed_store_has_all_in_tables_and_goes_on_from_there() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..3_u64 {
            let mut store = open(directory.path());
            assert_eq!(journal_bytes(directory.path()), 0, "fjall allocates it in advance at the most");
            if round > 0 {
                let expected = round.to_string().repeat(1_000).into_bytes();
                assert_eq!(store.get(Keyspace::Documents, b"1999"), Ok(Some(expected)));
                assert_eq!(store.scan(Keyspace::Documents, vec![0]..vec![255]).count(), 2_000);
            }
            // The newer value of each key wins only if the count of commits went on where it was.
            write(&mut store, 1, many(&(round + 1).to_string()));
            drop(store);
        }
    }

    #[test]
    fn a_short_journal_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path());
        write(&mut store, 1, [("key".to_owned(), "value".to_owned())]);
        drop(store);
        assert!((1..JOURNAL_BYTES_MIN).contains(&journal_bytes(directory.path())));
        assert_eq!(open(directory.path()).get(Keyspace::Documents, b"key"), Ok(Some(b"value".to_vec())));
    }

    #[test]
    fn the_journal_stays_where_the_mark_is_not_that_of_the_rows() {
        let directory = tempfile::tempdir().unwrap();
        let (durable, notices) = mpsc::channel();
        let mut store = FjallStore::open(directory.path(), Options::default(), move |notice| {
            if matches!(notice, CommitNotice::Durable(_)) {
                let _ended = durable.send(());
            }
        })
        .unwrap();
        write(&mut store, 1, many("1"));
        notices.recv().unwrap();
        let (other, _) = MarkFile::open(&directory.path().join("high-water")).unwrap();
        other.reset(Mark { number: 9, ..Mark::default() }).unwrap();
        drop(store);
        assert!(journal_bytes(directory.path()) >= JOURNAL_BYTES_MIN);
    }

    #[test]
    fn the_journal_stays_while_another_reads() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::open(&directory.path().join("rows")).unwrap());
        let (mark_file, _) = MarkFile::open(&directory.path().join("high-water")).unwrap();
        mark_file.reset(Mark::default()).unwrap();
        let group =
            many("1").map(|(key, value)| ((Keyspace::Documents, key.into_bytes()), Some(value.into_bytes())));
        engine.commit(group.collect(), true).unwrap();
        let mut closing = Closing::new(&engine, Arc::new(mark_file), directory.path().join("rows"));
        closing.write_out(&engine);
        assert!(closing.written_out);
        drop(closing);
        assert!(journal_bytes(directory.path()) >= JOURNAL_BYTES_MIN);
    }
}
