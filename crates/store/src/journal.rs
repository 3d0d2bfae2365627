//! fjall's journals, looked at before fjall opens them.
//!
//! fjall ends a journal where it cannot read it, and cuts off what follows for good; or it refuses to open: which of the two
//! depends on where the damage hits. Here only a batch that was never acknowledged is cut off. Where acknowledged ones
//! follow the damage everything is first kept apart, as it is; the rest then opens as a store that lost its newest commits,
//! which is noticed by its high-water mark.
//!
//! The format is that of fjall 3 without compression (its `journal/entry.rs`): a batch is a start, items and an end with the
//! xxh3 of the items and a magic number; a journal is allocated in advance, with zeros.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::directory::sync;
use crate::high_water::{Mark, ROW_KEY};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: [u8; 4] = *b"FJL\x03";
/// How the store opens fjall: see `Engine`.
const UNCOMPRESSED: u8 = 0;
/// Bytes of a mark's row.
const MARK_BYTES: usize = 40;

/// Journals kept apart that are kept; the oldest goes when there are others.
const APART_MAX: usize = 2;
const APART: &str = "journals.damaged-";

/// What was done about a journal that cannot be read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Healed {
    /// Nothing: all can be read.
    Sound,
    /// A commit that was under way when the power went was cut off: nobody was told of it.
    Torn,
    /// What follows the damage was kept apart, there.
    Apart(PathBuf),
}

/// Looks at the journals in `rows`, and ends them where they cannot be read any more, `durable` being the last commit that
/// was acknowledged as far as that is known. What acknowledged commits may be in is copied into the store's directory first.
pub(crate) fn heal(store: &Path, rows: &Path, durable: Option<Mark>) -> io::Result<Healed> {
    let journals = journals(rows)?;
    let mut last = None;
    for (at, journal) in journals.iter().enumerate() {
        let found = scan(journal)?;
        last = found.last.or(last);
        if found.content_bytes == found.whole_bytes {
            continue;
        }
        let later = journals.get(at + 1..).unwrap_or_default();
        let number = |mark: Option<Mark>| mark.map(|mark| mark.number);
        let loses_nothing = later.is_empty() && durable.is_some() && number(last) >= number(durable);
        let healed = match loses_nothing {
            true => Healed::Torn,
            false => Healed::Apart(set_apart(store, (journal, found.content_bytes), later)?),
        };
        let file = File::options().write(true).open(journal)?;
        file.set_len(found.whole_bytes)?;
        file.sync_all()?;
        return Ok(healed);
    }
    Ok(Healed::Sound)
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

/// Copies a damaged journal, and moves the later ones: what is in them does not follow what is left. Cut off in between it is
/// begun anew.
fn set_apart(store: &Path, (damaged, content_bytes): (&Path, u64), later: &[PathBuf]) -> io::Result<PathBuf> {
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
    let within = |path: &Path| directory.join(path.file_name().unwrap_or_default());
    // A full disk refuses it here, before anything is changed.
    copy(damaged, content_bytes, &within(damaged)).inspect_err(|_| drop(fs::remove_dir_all(&directory)))?;
    for journal in later.iter().rev() {
        fs::rename(journal, within(journal))?;
    }
    sync(&directory)?;
    sync(store)?;
    let surplus = (apart.len() + 1).saturating_sub(APART_MAX);
    for (_, old) in apart.into_iter().take(surplus) {
        tracing::warn!(path = %old.display(), "journals kept apart earlier are deleted");
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
}

fn scan(path: &Path) -> io::Result<Scanned> {
    let mut journal = Journal {
        file: BufReader::with_capacity(64 * 1024, File::open(path)?),
        position: 0,
        sum: Xxh3::new(),
    };
    let mut scanned = Scanned { whole_bytes: 0, last: None, content_bytes: 0 };
    while let Some(mark) = journal.batch()? {
        scanned.whole_bytes = journal.position;
        scanned.last = mark.or(scanned.last);
    }
    let (mut rest, mut at) = (journal.file, scanned.whole_bytes);
    scanned.content_bytes = at;
    rest.seek(SeekFrom::Start(at))?;
    let mut block = [0; 16 * 1024];
    loop {
        let read = rest.read(&mut block)?;
        let Some(block) = block.get(..read).filter(|block| !block.is_empty()) else { return Ok(scanned) };
        at += block.len() as u64;
        if block.iter().any(|byte| *byte != 0) {
            scanned.content_bytes = at;
        }
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
