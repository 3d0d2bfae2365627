//! fjall's journals, looked at before fjall opens them, and emptied after it has closed them.
//!
//! fjall ends a journal where it cannot read it, and cuts off what follows for good; or it refuses to open: which of the two
//! depends on where the damage hits. Rows are written out to tables at their own pace, so that a journal cut in its middle
//! would leave some keyspaces ahead of others. Here:
//! - the end that a commit left which was under way, of which nobody was told, is cut off;
//! - where acknowledged commits follow the damage and no row is in a table yet, the journal is first copied, then cut: what is
//!   left is the store as it was before them;
//! - otherwise nothing is touched, and the store is refused as damaged.
//!
//! The format is that of fjall 3 without compression (its `journal/entry.rs`): a batch is a start, items and an end with the
//! xxh3 of the items and a magic number; a journal is allocated in advance, with zeros.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::directory::sync;
use crate::high_water::{Mark, ROW_KEY};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: [u8; 4] = *b"FJL\x03";
/// What stands between two batches: the end of one and the start of the next.
const BETWEEN: [u8; 5] = *b"FJL\x03\x01";
/// How the store opens fjall: see `Engine`.
const UNCOMPRESSED: u8 = 0;
/// Bytes of a mark's row.
const MARK_BYTES: usize = 40;
/// The directory of the keyspace in which fjall keeps the names of the others.
const FJALL_S_OWN: &str = "0";

/// Journals kept apart that are kept; the oldest goes when there are others.
const APART_MAX: usize = 2;
const APART: &str = "journals.damaged-";

/// What was found, and done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Healed {
    /// All can be read.
    Sound,
    /// A commit that was under way when the power went was cut off.
    Torn,
    /// The journal ends before the damage; as it was it is kept there.
    Apart(PathBuf),
    /// Nothing was touched: more hangs on what follows this place of the journal.
    Damaged { journal: PathBuf, whole_bytes: u64 },
}

/// What is known of acknowledged commits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    /// The last one, up to a second before the power went; `None` where nobody knows.
    pub(crate) last: Option<Mark>,
    /// Whether each was durable before the next one began.
    pub(crate) one_by_one: bool,
}

/// Looks at the journals in `rows` and deals with what cannot be read, see above. `forget` is called before acknowledged
/// commits are cut off, with a mark that the rows will never reach.
pub(crate) fn heal(
    (store, rows): (&Path, &Path),
    acknowledged: Acknowledged,
    forget: impl FnOnce(Mark) -> io::Result<()>,
) -> io::Result<Healed> {
    let journals = journals(rows)?;
    let number = |mark: Option<Mark>| mark.map_or(0, |mark| mark.number);
    let mut last = None;
    for (at, journal) in journals.iter().enumerate() {
        let found = scan(journal)?;
        last = found.last.or(last);
        if found.content_bytes == found.whole_bytes {
            continue;
        }
        let is_last = at + 1 == journals.len();
        let (left, durable) = (number(last), number(acknowledged.last));
        if is_last && left >= durable && !(acknowledged.one_by_one && found.has_batches_behind) {
            cut(journal, found.whole_bytes)?;
            return Ok(Healed::Torn);
        }
        if !is_last || has_tables(rows)? {
            return Ok(Healed::Damaged { journal: journal.clone(), whole_bytes: found.whole_bytes });
        }
        let kept = set_apart(store, journal, found.content_bytes)?;
        forget(Mark { number: left.max(durable).saturating_add(1), ..Mark::default() })?;
        cut(journal, found.whole_bytes)?;
        return Ok(Healed::Apart(kept));
    }
    Ok(Healed::Sound)
}

/// Empties the journal of a database that nobody has open and whose rows are all in tables. fjall itself leaves an empty one
/// where nothing could be read, and takes up its count of commits from the tables. With more than one journal nothing is
/// done: fjall deletes the older ones in its own time.
pub(crate) fn empty(rows: &Path) -> io::Result<()> {
    match journals(rows)?.as_slice() {
        [journal] => cut(journal, 0),
        _ => Ok(()),
    }
}

/// Bytes on the disk of all journals, not those that are allocated in advance.
pub(crate) fn written_bytes(rows: &Path) -> io::Result<u64> {
    let blocks =
        journals(rows)?.iter().map(|journal| Ok(fs::metadata(journal)?.blocks())).sum::<io::Result<u64>>()?;
    Ok(blocks.saturating_mul(512))
}

fn cut(journal: &Path, whole_bytes: u64) -> io::Result<()> {
    let file = File::options().write(true).open(journal)?;
    file.set_len(whole_bytes)?;
    file.sync_all()
}

/// Whether rows of any keyspace were written out: all but fjall's own, which is the first.
fn has_tables(rows: &Path) -> io::Result<bool> {
    for keyspace in fs::read_dir(rows.join("keyspaces"))? {
        let keyspace = keyspace?;
        if keyspace.file_name() == FJALL_S_OWN {
            continue;
        }
        match fs::read_dir(keyspace.path().join("tables")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(mut tables) => {
                if tables.next().transpose()?.is_some() {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// The journals of a database, oldest first.
fn journals(rows: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    let entries = match fs::read_dir(rows) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl"));
        if let Some(number) = name.and_then(|name| name.parse::<u64>().ok()) {
            journals.push((number, path));
        }
    }
    journals.sort_unstable();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// Copies a damaged journal. Cut off in between it is copied again.
fn set_apart(store: &Path, damaged: &Path, content_bytes: u64) -> io::Result<PathBuf> {
    let mut apart = Vec::new();
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(APART)?.parse::<u64>().ok());
        apart.extend(number.map(|number| (number, entry.path())));
    }
    apart.sort_unstable();
    let number = apart.last().map_or(1, |(number, _)| number.saturating_add(1));
    let directory = store.join(format!("{APART}{number}"));
    fs::create_dir(&directory)?;
    let target = directory.join(damaged.file_name().unwrap_or_default());
    // A full disk refuses it here, before anything is changed.
    copy(damaged, content_bytes, &target).inspect_err(|_| drop(fs::remove_dir_all(&directory)))?;
    sync(&directory)?;
    sync(store)?;
    let surplus = (apart.len() + 1).saturating_sub(APART_MAX);
    for (_, old) in apart.into_iter().take(surplus) {
        tracing::warn!(path = %old.display(), "a journal kept apart earlier is deleted");
        fs::remove_dir_all(old)?;
    }
    Ok(directory)
}

fn copy(from: &Path, bytes: u64, to: &Path) -> io::Result<()> {
    let mut copy = File::create_new(to)?;
    io::copy(&mut File::open(from)?.take(bytes), &mut copy)?;
    copy.sync_all()
}

/// What a journal has.
#[derive(Debug, PartialEq, Eq)]
struct Scanned {
    /// Up to where it has whole batches.
    whole_bytes: u64,
    /// The mark of the last of them that has one.
    last: Option<Mark>,
    /// Behind here are zeros.
    content_bytes: u64,
    /// Whether a batch seems to end, and another to begin, behind the whole ones.
    has_batches_behind: bool,
}

fn scan(path: &Path) -> io::Result<Scanned> {
    let mut journal = Journal {
        file: BufReader::with_capacity(64 * 1024, File::open(path)?),
        position: 0,
        sum: Xxh3::new(),
    };
    let mut scanned = Scanned { whole_bytes: 0, last: None, content_bytes: 0, has_batches_behind: false };
    while let Some(mark) = journal.batch()? {
        scanned.whole_bytes = journal.position;
        scanned.last = mark.or(scanned.last);
    }
    let (mut rest, mut at) = (journal.file, scanned.whole_bytes);
    scanned.content_bytes = at;
    rest.seek(SeekFrom::Start(at))?;
    let mut block = [0; 16 * 1024];
    let mut before = Vec::new();
    loop {
        let read = rest.read(&mut block)?;
        let Some(block) = block.get(..read).filter(|block| !block.is_empty()) else { return Ok(scanned) };
        at += block.len() as u64;
        if block.iter().any(|byte| *byte != 0) {
            scanned.content_bytes = at;
        }
        before.extend_from_slice(block);
        scanned.has_batches_behind |= before.windows(BETWEEN.len()).any(|bytes| bytes == BETWEEN);
        before.drain(..before.len().saturating_sub(BETWEEN.len() - 1));
    }
}

struct Journal<R> {
    file: R,
    position: u64,
    /// Of what was read since the batch began.
    sum: Xxh3,
}

/// `Ok(None)` from here on where something is no part of a batch.
macro_rules! some {
    ($read:expr) => {
        match $read? {
            Some(read) => read,
            None => return Ok(None),
        }
    };
}

impl<R: Read> Journal<R> {
    /// Reads a batch; the mark in it, if there is one. `None` where there is no whole batch.
    fn batch(&mut self) -> io::Result<Option<Option<Mark>>> {
        if some!(self.bytes()) != [START] {
            return Ok(None);
        }
        let items = u32::from_le_bytes(some!(self.bytes()));
        some!(self.bytes::<8>());
        self.sum.reset();
        let mut mark = None;
        for _ in 0..items {
            match some!(self.bytes()) {
                [ITEM] => mark = some!(self.item()).or(mark),
                [CLEAR] => drop(some!(self.bytes::<8>())),
                _ => return Ok(None),
            }
        }
        let sum = self.sum.digest();
        let is_end = some!(self.bytes()) == [END]
            && u64::from_le_bytes(some!(self.bytes())) == sum
            && some!(self.bytes()) == MAGIC;
        Ok(is_end.then_some(mark))
    }

    /// The mark, if the item is its row.
    fn item(&mut self) -> io::Result<Option<Option<Mark>>> {
        let [_kind, compression] = some!(self.bytes());
        some!(self.bytes::<8>());
        let key_bytes = usize::from(u16::from_le_bytes(some!(self.bytes())));
        let value_bytes = u32::from_le_bytes(some!(self.bytes()));
        let stored_bytes = u32::from_le_bytes(some!(self.bytes()));
        if compression != UNCOMPRESSED || value_bytes != stored_bytes {
            return Ok(None);
        }
        if key_bytes == ROW_KEY.len() {
            let key = some!(self.bytes());
            if key == ROW_KEY && usize::try_from(stored_bytes).is_ok_and(|bytes| bytes == MARK_BYTES) {
                let row = some!(self.bytes::<MARK_BYTES>());
                return Ok(Some(Mark::from_row(Some(&row)).ok()));
            }
        } else {
            some!(self.skip(key_bytes as u64));
        }
        some!(self.skip(u64::from(stored_bytes)));
        Ok(Some(None))
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        Ok(self.fill(&mut bytes)?.then_some(bytes))
    }

    fn skip(&mut self, mut left: u64) -> io::Result<Option<()>> {
        let mut block = [0; 4_096];
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
            let Some(part) = block.get_mut(..part) else { return Ok(None) };
            if !self.fill(part)? {
                return Ok(None);
            }
            left -= part.len() as u64;
        }
        Ok(Some(()))
    }

    /// False at the journal's end.
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        match self.file.read_exact(bytes) {
            Ok(()) => {
                self.sum.update(bytes);
                self.position += bytes.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
