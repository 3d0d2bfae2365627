//! The file `suspect`: what is about to be tried and could end the process. Written without a sync, so it outlives the
//! process and not the machine. A torn or foreign content is none.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use replica::StoreError;

use crate::error::io_error;

/// Most bytes that can be noted.
pub const SUSPECT_BYTES_MAX: usize = 4_096;
/// The checksum and the length before the bytes.
const HEADER_BYTES: usize = 32 + 4;
const FILE_BYTES: usize = HEADER_BYTES + SUSPECT_BYTES_MAX;

/// The file and what it holds.
#[derive(Debug)]
pub(crate) struct SuspectFile {
    file: File,
    noted: Option<Vec<u8>>,
}

impl SuspectFile {
    /// Opens or makes it. Its blocks are taken here: noting is to work on a full disk.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() != FILE_BYTES as u64 {
            file.set_len(0)?;
            file.write_all_at(&[0; FILE_BYTES], 0)?;
        }
        let mut content = [0; FILE_BYTES];
        file.read_exact_at(&mut content, 0)?;
        Ok(Self { file, noted: decoded(&content) })
    }

    pub(crate) fn note(&mut self, suspect: Option<&[u8]>) -> Result<(), StoreError> {
        let operation = "noting a suspect";
        let content = match suspect {
            None => vec![0; HEADER_BYTES],
            Some(bytes) if bytes.len() <= SUSPECT_BYTES_MAX => encoded(bytes),
            Some(_) => return Err(io_error(io::ErrorKind::InvalidInput, operation)),
        };
        self.file.write_all_at(&content, 0).map_err(|error| io_error(error.kind(), operation))?;
        self.noted = suspect.map(<[u8]>::to_vec);
        Ok(())
    }

    pub(crate) fn noted(&self) -> Option<&[u8]> {
        self.noted.as_deref()
    }
}

fn encoded(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let content = [length.to_be_bytes().as_slice(), bytes].concat();
    [blake3::hash(&content).as_bytes(), content.as_slice()].concat()
}

fn decoded(content: &[u8]) -> Option<Vec<u8>> {
    let (checksum, content) = content.split_first_chunk::<32>()?;
    let (length, _) = content.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let content = content.get(..length.checked_add(4)?)?;
    (blake3::hash(content).as_bytes() == checksum).then(|| content.get(4..).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_there_when_opened_again() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("suspect");
        let longest = vec![7; SUSPECT_BYTES_MAX];
        for noted in [None, Some(b"change".as_slice()), Some(b""), Some(&longest), Some(b"short"), None] {
            SuspectFile::open(&path).unwrap().note(noted).unwrap();
            assert_eq!(SuspectFile::open(&path).unwrap().noted(), noted);
        }
    }

    #[test]
    fn a_damaged_note_is_none_and_a_long_one_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("suspect");
        let mut file = SuspectFile::open(&path).unwrap();
        assert!(file.note(Some(&vec![0; SUSPECT_BYTES_MAX + 1])).is_err());
        assert_eq!(file.noted(), None);
        file.note(Some(b"change")).unwrap();
        for place in 0..HEADER_BYTES as u64 + 6 {
            let mut byte = [0];
            file.file.read_exact_at(&mut byte, place).unwrap();
            file.file.write_all_at(&[byte[0] ^ 0x80], place).unwrap();
            assert_eq!(SuspectFile::open(&path).unwrap().noted(), None, "byte {place}");
            file.file.write_all_at(&byte, place).unwrap();
        }
        assert_eq!(SuspectFile::open(&path).unwrap().noted(), Some(b"change".as_slice()));
    }
}
