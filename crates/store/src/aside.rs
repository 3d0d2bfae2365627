//! Setting damaged rows aside, so that an empty store can take their place and peers can fill it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::directory::{Directory, sync};
use crate::error::OpenError;

/// Rows set aside that are kept, for whoever examines them; the oldest goes when there is another.
pub const SET_ASIDE_MAX: usize = 2;
const NAME: &str = "rows.damaged-";

/// What became of damaged rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where they are.
    pub path: PathBuf,
    /// Rows set aside earlier, which are deleted because [`SET_ASIDE_MAX`] others are kept.
    pub deleted: Vec<PathBuf>,
}

/// Why rows were not set aside. What was done until then is done; it may be called again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetAsideError {
    /// The directory is in use, or not a store of this version's format.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There are no rows.
    #[error("there are no rows in {path} to be set aside")]
    NoRows {
        /// The store's directory.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("the rows in {path} are not set aside: {operation} failed: {source}")]
    Io {
        /// The store's directory.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Renames the rows of a store that is not open to `rows.damaged-N`, and forgets its high-water mark: the next open
/// makes an empty store. The caller draws a new incarnation and a new epoch for it.
///
/// A crash leaves the rows here or there; after one in between, the next open says that the store is shortened to no
/// commit, and this, called again, ends what it began.
///
/// # Errors
/// [`SetAsideError`].
pub fn set_aside(directory: &Path) -> Result<SetAside, SetAsideError> {
    let directory = Directory::open(directory)?;
    let path = directory.path();
    let failed = |operation| move |source| SetAsideError::Io { path: path.into(), operation, source };
    let mut kept = kept(path).map_err(failed("listing the directory"))?;
    let rows = directory.file("rows");
    let mark = directory.file("high-water");
    let target = if rows.try_exists().map_err(failed("looking for rows"))? {
        let number = kept.last().map_or(1, |(number, _)| number.saturating_add(1));
        let target = directory.file(&format!("{NAME}{number}"));
        fs::rename(&rows, &target).map_err(failed("renaming the rows"))?;
        sync(path).map_err(failed("syncing the directory"))?;
        kept.push((number, target.clone()));
        target
    } else if let (Some((_, target)), true) = (kept.last(), mark.exists()) {
        target.clone() // cut off in between
    } else {
        return Err(SetAsideError::NoRows { path: path.into() });
    };
    fs::remove_file(&mark).or_else(absent).map_err(failed("removing the high-water mark"))?;
    sync(path).map_err(failed("syncing the directory"))?;
    let surplus = kept.len().saturating_sub(SET_ASIDE_MAX);
    let mut deleted = Vec::new();
    for (_, old) in kept.drain(..surplus) {
        tracing::warn!(path = %old.display(), "rows set aside earlier are deleted");
        fs::remove_dir_all(&old).map_err(failed("deleting rows set aside earlier"))?;
        deleted.push(old);
    }
    tracing::warn!(path = %target.display(), "the rows are set aside");
    Ok(SetAside { path: target, deleted })
}

/// What is set aside already, oldest first.
fn kept(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(NAME)?.parse().ok());
        kept.extend(number.map(|number| (number, entry.path())));
    }
    kept.sort_unstable();
    Ok(kept)
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FjallStore, HighWater, Options};

    fn open(directory: &Path) -> Result<FjallStore, OpenError> {
        FjallStore::open(directory, Options::default(), |_| {})
    }

    #[test]
    fn the_newest_are_kept_and_the_deleted_are_told() {
        let temporary = tempfile::tempdir().unwrap();
        let path = |number: u32| temporary.path().join(format!("rows.damaged-{number}"));
        assert!(matches!(set_aside(temporary.path()), Err(SetAsideError::NoRows { .. })));
        for (number, deleted) in [(1, vec![]), (2, vec![]), (3, vec![path(1)]), (4, vec![path(2)])] {
            let store = open(temporary.path()).unwrap();
            assert_eq!(store.high_water(), HighWater::New);
            assert!(matches!(
                set_aside(temporary.path()),
                Err(SetAsideError::Open(OpenError::Locked { .. }))
            ));
            drop(store);
            assert_eq!(set_aside(temporary.path()).unwrap(), SetAside { path: path(number), deleted });
        }
        assert_eq!([1, 2, 3, 4].map(|number| path(number).exists()), [false, false, true, true]);
    }

    #[test]
    fn one_that_was_cut_off_is_ended() {
        let temporary = tempfile::tempdir().unwrap();
        drop(open(temporary.path()).unwrap());
        fs::rename(temporary.path().join("rows"), temporary.path().join("rows.damaged-1")).unwrap();
        let done = set_aside(temporary.path()).unwrap();
        assert_eq!(done.path, temporary.path().join("rows.damaged-1"));
        assert!(!temporary.path().join("high-water").exists());
        assert!(matches!(set_aside(temporary.path()), Err(SetAsideError::NoRows { .. })));
    }
}
