//! The file `ballast`: room that is given back when the disk is nearly full, so that fjall can finish what it has begun.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, fallocate};

use crate::room::Disk;

/// The ballast's size, unless the file system is small.
pub const BALLAST_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The part of a small file system that it takes.
const FILE_SYSTEM_PART: u64 = 16;

/// The file, made or released.
#[derive(Debug)]
pub(crate) struct Ballast {
    path: PathBuf,
    bytes: u64,
    is_made: bool,
}

impl Ballast {
    /// The ballast at `path`, as an earlier process left it. What is half made is released.
    pub(crate) fn at(path: PathBuf, disk: Disk) -> Self {
        let bytes = BALLAST_BYTES_MAX.min(disk.size / FILE_SYSTEM_PART);
        let is_made = fs::metadata(&path).is_ok_and(|found| found.len() == bytes);
        let mut ballast = Self { path, bytes, is_made: true };
        if !is_made {
            ballast.release();
        }
        ballast
    }

    /// Free space as if it were there.
    pub(crate) fn counted(&self, free: u64) -> u64 {
        if self.is_made { free } else { free.saturating_sub(self.bytes) }
    }

    /// Free space as if half of it were there: the other half is lent to batches that were on their way when the room
    /// ended.
    pub(crate) fn lent(&self, free: u64) -> u64 {
        if self.is_made { free } else { free.saturating_sub(self.bytes / 2) }
    }

    /// Takes its room, unless it has. One that cannot be made is made later.
    pub(crate) fn make(&mut self) {
        if self.is_made {
            return;
        }
        match self.allocate() {
            Ok(()) => self.is_made = true,
            Err(error) => {
                tracing::debug!(%error, "the ballast is not made");
                self.release();
            }
        }
    }

    /// Gives its room back.
    pub(crate) fn release(&mut self) {
        self.is_made = false;
        match fs::remove_file(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "the ballast is not released"),
        }
    }

    fn allocate(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            Ok(()) => Ok(()),
            // A file system that cannot is written to.
            Err(rustix::io::Errno::OPNOTSUPP) => {
                let block = [0; 4_096];
                for _ in 0..self.bytes / 4_096 {
                    file.write_all(&block)?;
                }
                file.set_len(self.bytes)
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn it_takes_real_room_and_gives_it_back() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("ballast");
        let disk = Disk { size: 16 * 1024 * 1024, free: 0 };
        let mut ballast = Ballast::at(path.clone(), disk);
        assert_eq!((ballast.counted(5_000_000), path.exists()), (5_000_000 - 1024 * 1024, false));
        ballast.make();
        assert_eq!((ballast.counted(5_000_000), ballast.lent(5_000_000)), (5_000_000, 5_000_000));
        assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 1024 * 1024, "sparse");
        assert!(Ballast::at(path.clone(), disk).is_made);
        ballast.release();
        assert_eq!((ballast.lent(5_000_000), path.exists()), (5_000_000 - 512 * 1024, false));
        ballast.release();
    }

    #[test]
    fn a_half_made_one_is_released() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("ballast");
        fs::write(&path, "half").unwrap();
        assert!(!Ballast::at(path.clone(), Disk { size: 1 << 30, free: 0 }).is_made);
        assert!(!path.exists());
    }
}
