//! A file of rows: a first line, then frames. A frame is the length of its content (4 bytes, big-endian), the content's
//! blake3 (32 bytes), and the content: rows, each the lengths of key and value (4 bytes each), key, value.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use replica::Row;

/// The first line.
const HEADER: &[u8] = b"isle rows 1\n";
/// A frame is written when it has this many bytes.
const FRAME_BYTES: usize = 256 * 1024;
/// The longest frame that is read: one row of the longest kind.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Whether a row of `bytes` can be written.
pub(super) fn fits(bytes: usize) -> bool {
    bytes <= FRAME_BYTES_MAX - 8
}

/// Writes rows; hashes what it writes.
pub(super) struct RowsWriter {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
    frame: Vec<u8>,
}

impl RowsWriter {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::options().write(true).create_new(true).mode(0o600).open(path)?);
        let mut writer = Self { file, hasher: blake3::Hasher::new(), bytes: 0, frame: Vec::new() };
        writer.write(HEADER)?;
        Ok(writer)
    }

    pub(super) fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if !self.frame.is_empty() && self.frame.len() + 8 + key.len() + value.len() > FRAME_BYTES {
            self.end_frame()?;
        }
        self.frame.extend_from_slice(&length(key)?);
        self.frame.extend_from_slice(&length(value)?);
        self.frame.extend_from_slice(key);
        self.frame.extend_from_slice(value);
        Ok(())
    }

    /// Makes the file durable; its length and its sum.
    pub(super) fn finish(mut self) -> io::Result<(u64, String)> {
        if !self.frame.is_empty() {
            self.end_frame()?;
        }
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.bytes, self.hasher.finalize().to_hex().to_string()))
    }

    fn end_frame(&mut self) -> io::Result<()> {
        let frame = std::mem::take(&mut self.frame);
        self.write(&length(&frame)?)?;
        self.write(blake3::hash(&frame).as_bytes())?;
        self.write(&frame)?;
        self.frame = frame;
        self.frame.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

fn length(bytes: &[u8]) -> io::Result<[u8; 4]> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(length.to_be_bytes())
}

/// Reads the frames of a file.
pub(super) struct RowsReader(BufReader<File>);

impl RowsReader {
    /// None when the file is not one of rows in this format.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = BufReader::new(File::open(path)?);
        let mut header = [0; HEADER.len()];
        match file.read_exact(&mut header) {
            Ok(()) => Ok((header == HEADER).then_some(Self(file))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The rows of the next frame; none at the end of the file. An error of the kind `InvalidData` is a frame that
    /// contradicts itself.
    pub(super) fn frame(&mut self) -> io::Result<Option<Vec<Row>>> {
        let mut length = [0; 4];
        match self.0.read(&mut length)? {
            0 => return Ok(None),
            read => self.0.read_exact(length.get_mut(read..).unwrap_or_default())?,
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut sum = [0; 32];
        self.0.read_exact(&mut sum)?;
        let mut frame = Vec::new();
        Read::take(&mut self.0, length as u64).read_to_end(&mut frame)?;
        let rows = (frame.len() == length && blake3::hash(&frame).as_bytes() == &sum).then(|| rows(&frame));
        rows.flatten().map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

fn rows(mut frame: &[u8]) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    while !frame.is_empty() {
        let (key_bytes, rest) = frame.split_first_chunk()?;
        let (value_bytes, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*key_bytes)).ok()?)?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*value_bytes)).ok()?)?;
        rows.push((key.to_vec(), value.to_vec()));
        frame = rest;
    }
    Some(rows)
}
