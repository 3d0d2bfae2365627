//! Files of the data directory that are for its owner only, and are never seen half written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

/// Its owner reads and writes it, and nobody else.
pub(crate) const MODE_PRIVATE: u32 = 0o600;

/// Puts a text in the place of what a file has. Beside it first, then renamed: the old text or the new one is there at any
/// moment. Durable when this returns.
///
/// # Errors
/// What the file system said; the old text is there.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    // A crash may have left one, of any mode.
    if let Err(error) = fs::remove_file(new)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE_PRIVATE).open(new)?;
    give_to_owner(&file, path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Where root makes a file in somebody's directory it is theirs: the server there could not read it.
///
/// # Errors
/// What the file system said.
pub(crate) fn give_to_owner(file: &File, directory: &Path) -> io::Result<()> {
    let owner = fs::metadata(directory)?;
    if file.metadata()?.uid() == 0 && owner.uid() != 0 {
        fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whole_for_its_owner_alone_whatever_a_crash_left() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("book.json");
        for text in ["one", "another", ""] {
            fs::write(temporary.path().join("book.json.new"), "half of it").unwrap();
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE_PRIVATE);
        }
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_root_writes_belongs_to_whose_directory_it_is() {
        let temporary = tempfile::tempdir().unwrap();
        // Only root can give a directory away.
        let is_root = std::os::unix::fs::chown(temporary.path(), Some(65_534), Some(65_534)).is_ok();
        let path = temporary.path().join("denied.txt");
        replace(&path, b"store-1").unwrap();
        let directory = fs::metadata(temporary.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().uid(), directory.uid());
        assert_eq!(directory.uid() == 65_534, is_root);
    }
}
