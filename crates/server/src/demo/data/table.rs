//! CSV rows with fixed columns, of which each knows where it stands.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use csv::{Reader, ReaderBuilder, StringRecord};
use ruzstd::decoding::StreamingDecoder;

use super::error::{DataError, FieldFault};

/// Longest file in bytes: a year of twelve stores has 16 MB.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most rows of a file: a year of twelve stores has 303,252.
pub(super) const ROWS_MAX: u64 = 500_000;
/// Longest id of a store, basket or product: an idempotency key of 64 bytes has room for one and a line number.
pub(super) const ID_BYTES_MAX: usize = 40;
/// Longest free text.
pub(super) const TEXT_BYTES_MAX: usize = 200;

/// A CSV file's name and bytes.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a [u8],
}

/// A file that was read.
pub(super) struct Content {
    name: String,
    bytes: Vec<u8>,
}

impl Content {
    pub(super) fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.bytes }
    }
}

/// What a file compressed with zstd starts with (RFC 8878, section 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Reads a file of at most [`FILE_BYTES_MAX`], as it is after it was decompressed.
pub(super) fn read(path: &Path) -> Result<Content, DataError> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let mut read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    if read.is_ok() && bytes.starts_with(&ZSTD_MAGIC) {
        let compressed = std::mem::take(&mut bytes);
        read = StreamingDecoder::new(compressed.as_slice())
            .map_err(io::Error::other)
            .and_then(|decoder| decoder.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    }
    match read {
        Err(source) => Err(DataError::Read { file: name, source }),
        Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => Err(DataError::FileTooLong { file: name }),
        Ok(_) => Ok(Content { name, bytes }),
    }
}

/// Calls `visit` for each row after the header, which has to be `columns`; at least one.
pub(super) fn each_row(
    source: Source<'_>,
    columns: &'static [&'static str],
    mut visit: impl FnMut(&Row<'_>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(source.text);
    let mut record = StringRecord::new();
    next(&mut reader, &mut record, source)?;
    if record.iter().ne(columns.iter().copied()) {
        let found = record.iter().collect::<Vec<_>>().join(",");
        return Err(DataError::Header { file: source.name.to_owned(), found, expected: columns.join(",") });
    }
    let mut rows = 0;
    while next(&mut reader, &mut record, source)? {
        rows += 1;
        let line = record.position().map_or(0, csv::Position::line);
        if rows > ROWS_MAX {
            return Err(DataError::TooManyRows { file: source.name.to_owned(), line });
        }
        visit(&Row { file: source.name, line, columns, record: &record })?;
    }
    if rows == 0 { Err(DataError::NoRows { file: source.name.to_owned() }) } else { Ok(()) }
}

fn next(
    reader: &mut Reader<&[u8]>,
    record: &mut StringRecord,
    source: Source<'_>,
) -> Result<bool, DataError> {
    reader.read_record(record).map_err(|error| {
        let line = error.position().map_or(0, csv::Position::line);
        DataError::Row { file: source.name.to_owned(), line, source: error }
    })
}

/// A row whose columns are known to be there.
pub(super) struct Row<'a> {
    file: &'a str,
    line: u64,
    columns: &'static [&'static str],
    record: &'a StringRecord,
}

impl Row<'_> {
    /// What stands in a column.
    pub(super) fn field(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    /// An error about a column.
    pub(super) fn fault(&self, column: usize, fault: FieldFault) -> DataError {
        let column = self.columns.get(column).copied().unwrap_or_default();
        DataError::Field { file: self.file.to_owned(), line: self.line, column, fault }
    }

    /// An id of a basket or product.
    pub(super) fn id(&self, column: usize) -> Result<&str, DataError> {
        let text = self.field(column);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits = (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(text) } else { Err(self.fault(column, FieldFault::Id { found: shortened(text) })) }
    }

    /// Free text.
    pub(super) fn text(&self, column: usize) -> Result<String, DataError> {
        let text = self.field(column);
        if text.len() <= TEXT_BYTES_MAX {
            Ok(text.to_owned())
        } else {
            Err(self.fault(column, FieldFault::TooLong(text.len())))
        }
    }
}

/// The beginning of a field, for an error.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 60;
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}
