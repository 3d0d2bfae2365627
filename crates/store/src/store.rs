//! [`FjallStore`]: opening, reading, submitting, ending.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle};

use replica::{Batch, Keyspace, ReadRows, Row, Store, StoreError, Turn};

use crate::ballast::Ballast;
use crate::closing::Closing;
use crate::committer::{Committer, Progress, check};
use crate::directory::{Directory, io_error};
use crate::engine::{Engine, EngineSnapshot};
use crate::error::{BrokenJournal, OpenError, OtherRows};
use crate::events::{CommitNotice, Events};
use crate::high_water::{HighWater, Mark, MarkFile, Mismatch, compare};
use crate::journal::{Acknowledged, Healed, heal};
use crate::options::{Durability, Options};
use crate::pacer::Pacer;
use crate::queue::{Queue, Refused};
use crate::room::{Disk, RoomGauge};
use crate::suspect::SuspectFile;
use crate::upkeep::{End, Upkeep};

/// With less free space than this, opening has the ballast's room: files are made, and fjall replays its journal into
/// tables.
const OPENING_BYTES: u64 = 16 * 1024 * 1024;

/// A store on disk.
///
/// Dropping it makes durable what was submitted, sends the last notices, ends its threads, writes out what only the journal
/// has (for two seconds at the most) so that the next opening has nothing to replay, and unlocks the directory. It waits for a
/// compaction that is under way (measured: up to 0.7 s).
pub struct FjallStore {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    pacer: Arc<Pacer>,
    commits: Arc<AtomicU64>,
    suspect: SuspectFile,
    high_water: HighWater,
    end: Arc<End>,
    committing: Option<JoinHandle<()>>,
    pacing: Option<JoinHandle<()>>,
    keeping_up: Option<JoinHandle<()>>,
    /// After everything that has fjall open.
    closing: Closing,
    /// Last, so that the directory is unlocked after its files are closed.
    directory: Arc<Directory>,
}

/// What is opened before the threads start.
struct Parts {
    gauge: Arc<RoomGauge>,
    mark_file: Arc<MarkFile>,
    events: Arc<Events>,
    progress: Progress,
}

impl FjallStore {
    /// Opens the store in `directory`, or makes one if the directory is empty or absent.
    ///
    /// `on_notice` is called by one thread at a time, once for each commit and each change of the room; commits wait
    /// for it. It must not wait for a `submit`.
    ///
    /// # Errors
    /// [`OpenError`]; nothing durable was changed then, except that fjall itself cuts off what it cannot read at the
    /// end of a journal.
    pub fn open(
        directory: &Path,
        options: Options,
        on_notice: impl FnMut(CommitNotice) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let directory = Arc::new(Directory::open(directory)?);
        let path = directory.path();
        let failed = |operation| move |source| io_error(path, operation, source);
        let disk = Disk::look(path).map_err(failed("asking for free space"))?;
        let mut ballast = Ballast::at(directory.file("ballast"), disk);
        if disk.free < OPENING_BYTES {
            ballast.release();
        }
        let suspect =
            SuspectFile::open(&directory.file("suspect")).map_err(failed("opening the suspect file"))?;
        let (mark_file, found) =
            MarkFile::open(&directory.file("high-water")).map_err(failed("opening the high-water mark"))?;
        heal_journals(&directory, (&mark_file, found), options.durability)?;
        let found = mark_file.newest().map_err(failed("reading the high-water mark"))?;
        let engine = Arc::new(directory.open_rows()?);
        let mark = mark_of(&engine, path)?;
        let high_water = compared(mark, found, options.accept_shortened, path)?;
        if high_water != HighWater::Agrees {
            mark_file.reset(mark).map_err(failed("writing the high-water mark"))?;
        }
        let gauge = RoomGauge::new(path, (options.room, options.refused_bytes), Arc::clone(&engine), ballast);
        let mark_file = Arc::new(mark_file);
        let closing = Closing::new(&engine, Arc::clone(&mark_file), directory.rows());
        let parts = Parts {
            gauge: Arc::new(gauge),
            mark_file,
            events: Arc::new(Events::new(on_notice)),
            progress: Progress::new(mark, options.durability),
        };
        let mut store = Self {
            pacer: Arc::new(Pacer::new(Arc::clone(&engine))),
            engine,
            queue: Arc::default(),
            commits: Arc::default(),
            suspect,
            high_water,
            end: Arc::default(),
            committing: None,
            pacing: None,
            keeping_up: None,
            closing,
            directory,
        };
        store.engine.tell_budget();
        if let Durability::Interval { interval_ms } = options.durability {
            tracing::warn!(
                interval_ms,
                "writes are answered before they are synced: a power cut loses those of the last interval, a killed process none"
            );
        }
        let operation = "starting a thread";
        match store.start(parts) {
            Ok(()) => Ok(store),
            Err(source) => Err(io_error(store.directory.path(), operation, source)),
        }
    }

    fn start(&mut self, parts: Parts) -> io::Result<()> {
        let Parts { gauge, mark_file, events, progress } = parts;
        events.look(&gauge, 0);
        let pacer = Arc::clone(&self.pacer);
        self.pacing = Some(Builder::new().name("store-pacer".into()).spawn(move || pacer.run())?);
        let upkeep = Upkeep {
            mark: Arc::clone(&mark_file),
            gauge: Arc::clone(&gauge),
            events: Arc::clone(&events),
            end: Arc::clone(&self.end),
        };
        self.keeping_up = Some(Builder::new().name("store-upkeep".into()).spawn(move || upkeep.run())?);
        let committer = Committer {
            directory: Arc::clone(&self.directory),
            engine: Arc::clone(&self.engine),
            queue: Arc::clone(&self.queue),
            pacer: Arc::clone(&self.pacer),
            commits: Arc::clone(&self.commits),
            gauge,
            mark_file,
            events,
            progress,
        };
        self.committing = Some(Builder::new().name("store-committer".into()).spawn(move || committer.run())?);
        Ok(())
    }

    /// What the high-water mark said when the store was opened.
    #[must_use]
    pub fn high_water(&self) -> HighWater {
        self.high_water
    }

    /// Whether the disk takes writes, whatever befell this store: writes, syncs and removes a few MiB beside the rows.
    ///
    /// # Errors
    /// [`io::Error`]: what the system says.
    pub fn probe(&self) -> io::Result<()> {
        self.directory.probe()
    }

    /// A way to the durable rows for others, on any thread. It ends with the store.
    #[must_use]
    pub fn reader(&self) -> StoreReader {
        StoreReader(Arc::downgrade(&self.engine))
    }

    /// Commits since the store was opened. Each is one `fdatasync`, however many batches it made durable.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// Looks at fjall's journals before fjall does.
fn heal_journals(
    directory: &Directory,
    (mark_file, last): (&MarkFile, Option<Mark>),
    durability: Durability,
) -> Result<(), OpenError> {
    let path = directory.path();
    let acknowledged = Acknowledged { last, one_by_one: durability == Durability::Fsync };
    let healed = heal((path, &directory.rows()), acknowledged, |mark| mark_file.reset(mark));
    match healed.map_err(|source| io_error(path, "looking at the journals", source))? {
        Healed::Sound => {}
        Healed::Torn => tracing::info!("a commit that was under way when the process ended is cut off"),
        Healed::Apart(kept) => {
            tracing::error!(kept = %kept.display(), "a journal is damaged: it ends there, and what it had is kept apart");
        }
        Healed::Damaged { journal, whole_bytes } => {
            let source = Box::new(BrokenJournal { journal, whole_bytes });
            return Err(OpenError::Damaged { path: path.into(), source });
        }
    }
    Ok(())
}

/// The mark in the rows.
fn mark_of(engine: &Engine, path: &Path) -> Result<Mark, OpenError> {
    let mark = engine.mark_row().and_then(|row| Mark::from_row(row.as_deref()));
    mark.map_err(|error| OpenError::Damaged { path: path.into(), source: Box::new(error) })
}

/// What the mark in the file says about the one in the rows.
fn compared(row: Mark, file: Option<Mark>, accept: bool, path: &Path) -> Result<HighWater, OpenError> {
    match compare(row, file) {
        Ok(HighWater::Missing) if !accept => Err(OpenError::MarkMissing { path: path.into() }),
        Ok(found) => Ok(found),
        Err(Mismatch::Shortened { expected, found }) if accept => {
            tracing::warn!(expected, found, "the store lost commits that were durable");
            Ok(HighWater::AcceptedShortened { expected, found })
        }
        Err(Mismatch::Shortened { expected, found }) => {
            Err(OpenError::Shortened { path: path.into(), expected, found })
        }
        Err(Mismatch::Other { number }) => {
            Err(OpenError::Damaged { path: path.into(), source: Box::new(OtherRows { commits: number }) })
        }
    }
}

impl ReadRows for FjallStore {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.get(keyspace, key)
    }

    /// Rows are read as the iterator moves. While it is open, what it may still read is kept from being compacted
    /// away: keep it short.
    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        self.engine.scan(keyspace, range)
    }

    fn scan_back(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        self.engine.scan_back(keyspace, range)
    }
}

impl Store for FjallStore {
    type Snapshot = StoreSnapshot;

    fn snapshot(&self) -> StoreSnapshot {
        StoreSnapshot(self.engine.snapshot())
    }

    /// Waits while [`crate::QUEUE_BATCHES_MAX`] batches or [`crate::QUEUE_BYTES_MAX`] bytes wait for the disk. The
    /// core bounds its turns in flight below that, so it waits only when one turn is very large. After a turn failed
    /// because the disk is full, and was certainly not written, that turn comes first again: until then others are
    /// refused with [`StoreError::Full`].
    fn submit(&mut self, turn: Turn, batch: Batch) -> Result<(), StoreError> {
        check(&batch)?;
        self.queue.push(turn, batch).map_err(|refused| match refused {
            Refused::Ended => StoreError::Poisoned,
            Refused::Full => StoreError::Full,
        })
    }

    fn set_suspect(&mut self, suspect: Option<&[u8]>) -> Result<(), StoreError> {
        self.suspect.note(suspect)
    }

    fn suspect(&self) -> Option<Vec<u8>> {
        self.suspect.noted().map(<[u8]>::to_vec)
    }
}

/// Reads a store that others write, as long as it is open. Clones are the same way.
#[derive(Clone)]
pub struct StoreReader(Weak<Engine>);

impl StoreReader {
    /// The rows that are durable now; `None` when the store is closed. While it lives, what it may still read is kept from
    /// being compacted away, and a closed store from being opened again: keep it short.
    #[must_use]
    pub fn snapshot(&self) -> Option<StoreSnapshot> {
        self.0.upgrade().map(|engine| StoreSnapshot(engine.snapshot()))
    }
}

impl fmt::Debug for StoreReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreReader").finish_non_exhaustive()
    }
}

/// The rows of a store as of one moment, for a reader on any thread.
pub struct StoreSnapshot(EngineSnapshot);

impl StoreSnapshot {
    /// Every row of a keyspace, in key order.
    pub(crate) fn all(&self, keyspace: Keyspace) -> impl Iterator<Item = Result<Row, StoreError>> + use<> {
        self.0.all(keyspace)
    }
}

impl ReadRows for StoreSnapshot {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(keyspace, key)
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        self.0.scan(keyspace, range)
    }

    fn scan_back(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        self.0.scan_back(keyspace, range)
    }
}

impl fmt::Debug for StoreSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSnapshot").finish_non_exhaustive()
    }
}

impl Drop for FjallStore {
    fn drop(&mut self) {
        self.queue.end();
        let committed = self.committing.take().map(JoinHandle::join);
        // The committer may wait for the pacer, never the other way round. The mark's last sync comes after the last
        // commit.
        self.end.end();
        let kept_up = self.keeping_up.take().map(JoinHandle::join);
        self.pacer.end();
        let paced = self.pacing.take().map(JoinHandle::join);
        if [committed, kept_up, paced].into_iter().flatten().any(|ended| ended.is_err()) {
            tracing::error!("a thread of the store panicked");
        } else {
            self.closing.write_out(&self.engine);
        }
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore").field("path", &self.directory.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
