//! Files of the data directory that are for its owner only, and are never seen half written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
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
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
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
}
