//! Rows of a file, one at a time and of bounded length.

use super::cells::{Kind, pointer, put};
use super::error::{RowError, TransferError};
use super::{COLUMNS_MAX, KEY, ROW_BYTES_MAX};
use crate::arguments::Format;
use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord};
use document::{Key, Pointer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest part of a cell that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// What the reader of CSV may hold beyond a row.
const BUFFER_BYTES: usize = 64 * 1024;

/// A document to be.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// From 1; where the row begins.
    pub(super) line: u64,
    pub(super) key: Key,
    pub(super) value: Value,
}

/// A file that is read.
pub(super) enum Rows<R: Read> {
    Csv(Box<CsvRows<R>>),
    Jsonl(JsonRows<R>),
}

impl<R: Read> Rows<R> {
    /// Reads the header, where there is one.
    pub(super) fn open(
        (path, file): (&Path, R),
        format: Format,
        key: Option<&str>,
        schema: &Value,
    ) -> Result<Self, TransferError> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(CsvRows::open((path, file), key, schema)?)),
            Format::Jsonl => Self::Jsonl(JsonRows {
                path: path.to_owned(),
                file: BufReader::new(file),
                line: 0,
                field: key.map(pointer),
            }),
        })
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Result<Row, RowError>>, TransferError> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Jsonl(rows) => rows.next(),
        }
    }
}

/// CSV with a header.
pub(super) struct CsvRows<R: Read> {
    path: PathBuf,
    reader: Reader<Limited<R>>,
    record: StringRecord,
    /// Field and kind of each column; no field: it is the key alone.
    columns: Vec<(Option<String>, Kind)>,
    header: StringRecord,
    key: usize,
}

impl<R: Read> CsvRows<R> {
    fn open((path, file): (&Path, R), key: Option<&str>, schema: &Value) -> Result<Self, TransferError> {
        let limited = Limited { file, read: 0 };
        let mut reader = ReaderBuilder::new().buffer_capacity(BUFFER_BYTES).from_reader(limited);
        let failed = |error: csv::Error| TransferError::Read { path: path.to_owned(), source: error.into() };
        let header = reader.headers().map_err(failed)?.clone();
        let name = key.unwrap_or(KEY);
        let no_key = || TransferError::NoKeyColumn { name: name.to_owned() };
        let at = header.iter().position(|column| column == name).ok_or_else(no_key)?;
        if header.len() > COLUMNS_MAX {
            return Err(TransferError::TooManyColumns);
        }
        let mut columns = Vec::new();
        let mut fields = BTreeSet::new();
        for (index, column) in header.iter().enumerate() {
            if index == at && key.is_none() {
                columns.push((None, Kind::Any));
                continue;
            }
            let field = pointer(column);
            let faulty = |source| TransferError::Column { column: index + 1, source };
            Pointer::parse(&field).map_err(faulty)?;
            if !fields.insert(field.clone()) {
                return Err(TransferError::ColumnTwice { name: column.to_owned() });
            }
            let kind = Kind::of(schema, &field);
            columns.push((Some(field), kind));
        }
        Ok(Self { path: path.to_owned(), reader, record: StringRecord::new(), columns, header, key: at })
    }

    fn next(&mut self) -> Result<Option<Result<Row, RowError>>, TransferError> {
        self.reader.get_mut().read = 0;
        let begins = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let line = self.line(begins);
                Ok(Some(self.row(line)))
            }
            Err(error) => {
                let line = error.position().map_or(begins, Position::line).max(self.line(begins));
                if let ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
                    return Ok(Some(Err(RowError::Cells { line, found: *len, expected: *expected_len })));
                }
                if matches!(error.kind(), ErrorKind::Utf8 { .. }) {
                    return Ok(Some(Err(RowError::Utf8 { line })));
                }
                if let ErrorKind::Io(source) = error.kind()
                    && source.kind() == io::ErrorKind::FileTooLarge
                {
                    return Ok(Some(Err(RowError::TooLong { line })));
                }
                Err(TransferError::Read { path: self.path.clone(), source: error.into() })
            }
        }
    }

    /// Where the last record begins. Empty lines before it are no rows, and the library counts them to it.
    fn line(&self, begins: u64) -> u64 {
        let inside = self.record.as_slice().bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.reader.position().line().saturating_sub(inside + 1).max(begins)
    }

    fn row(&self, line: u64) -> Result<Row, RowError> {
        if self.record.as_slice().len() > ROW_BYTES_MAX {
            return Err(RowError::TooLong { line });
        }
        let text = self.record.get(self.key).unwrap_or_default();
        let key = Key::new(text).map_err(|source| RowError::Key { line, source })?;
        let mut document = Map::new();
        for (index, (cell, (field, kind))) in self.record.iter().zip(&self.columns).enumerate() {
            let Some(field) = field.as_ref().filter(|_| !cell.is_empty()) else { continue };
            let name = || self.header.get(index).unwrap_or_default().to_owned();
            let faulty = |fault| RowError::Cell {
                line,
                column: index + 1,
                name: name(),
                cell: cell.chars().take(SHOWN_CHARS_MAX).collect(),
                fault,
            };
            let value = kind.read(cell).map_err(faulty)?;
            if !put(&mut document, field, value) {
                return Err(RowError::Clash { line, column: index + 1, name: name() });
            }
        }
        Ok(Row { line, key, value: Value::Object(document) })
    }
}

/// A file of which no more than a row's length is read for one row.
struct Limited<R> {
    file: R,
    read: usize,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // As much as one row, and what was read ahead of it.
        if self.read > ROW_BYTES_MAX + BUFFER_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.file.read(buffer)?;
        self.read += read;
        Ok(read)
    }
}

/// A JSON object a line.
pub(super) struct JsonRows<R> {
    path: PathBuf,
    file: BufReader<R>,
    line: u64,
    /// The field that has the key; none: lines are keys and values.
    field: Option<String>,
}

impl<R: Read> JsonRows<R> {
    fn next(&mut self) -> Result<Option<Result<Row, RowError>>, TransferError> {
        loop {
            self.line += 1;
            let line = self.line;
            let mut text = Vec::new();
            let limit = u64::try_from(ROW_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
            let read = self.file.by_ref().take(limit).read_until(b'\n', &mut text);
            read.map_err(|source| TransferError::Read { path: self.path.clone(), source })?;
            if text.is_empty() {
                return Ok(None);
            }
            if text.len() > ROW_BYTES_MAX {
                return Ok(Some(Err(RowError::TooLong { line })));
            }
            if !text.trim_ascii().is_empty() {
                return Ok(Some(self.row(line, &text)));
            }
        }
    }

    fn row(&self, line: u64, text: &[u8]) -> Result<Row, RowError> {
        let value: Value = serde_json::from_slice(text).map_err(|error| RowError::Json {
            line,
            column: error.column(),
            fault: error.to_string(),
        })?;
        match &self.field {
            Some(field) => {
                let no_key = || RowError::NoKey { line, name: field.clone() };
                let key = value.pointer(field).and_then(key_text).ok_or_else(no_key)?;
                let key = Key::new(key).map_err(|source| RowError::Key { line, source })?;
                if value.is_object() { Ok(Row { line, key, value }) } else { Err(RowError::Form { line }) }
            }
            None => {
                let Value::Object(mut members) = value else { return Err(RowError::Form { line }) };
                let (key, value) = (members.remove("key"), members.remove("value"));
                let (Some(Value::String(key)), Some(value @ Value::Object(_))) = (key, value) else {
                    return Err(RowError::Form { line });
                };
                let key = key.parse().map_err(|source| RowError::Key { line, source })?;
                Ok(Row { line, key, value })
            }
        }
    }
}

fn key_text(value: &Value) -> Option<String> {
    let number = value.as_number().filter(|number| !number.is_f64());
    value.as_str().map(str::to_owned).or_else(|| number.map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn all(
        text: &str,
        format: Format,
        key: Option<&str>,
    ) -> Result<Vec<Result<Row, RowError>>, TransferError> {
        let schema = json!({"properties": {"on_hand": {"type": "integer"}, "name": {"type": "string"}}});
        let mut rows = Rows::open((Path::new("file"), text.as_bytes()), format, key, &schema)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let is_last = matches!(&row, Err(error) if error.is_last());
            all.push(row);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    fn row(line: u64, key: &str, value: Value) -> Result<Row, RowError> {
        Ok(Row { line, key: Key::new(key).unwrap(), value })
    }

    #[test]
    fn rows_of_csv_are_documents_and_faults_have_line_and_column() {
        let text = "key,on_hand,name,attributes/color\nmilk,3,12,\"white\nor not\"\n\nbread,x,,\na/b,,,red\n,1,,\nshort,1\n";
        let rows = all(text, Format::Csv, None).unwrap();
        let milk = json!({"on_hand": 3, "name": "12", "attributes": {"color": "white\nor not"}});
        assert_eq!(rows[0], row(2, "milk", milk));
        let told = rows[1].as_ref().unwrap_err().to_string();
        assert_eq!(told, "line 5, column 2 (on_hand): 'x' is no whole number");
        assert_eq!(rows[2], row(6, "a/b", json!({"attributes": {"color": "red"}})));
        assert!(matches!(rows[3], Err(RowError::Key { line: 7, .. })), "{:?}", rows[3]);
        assert_eq!(rows[4], Err(RowError::Cells { line: 8, found: 2, expected: 4 }));
        assert_eq!(rows.len(), 5);
    }

    #[test]
    fn a_column_can_be_key_and_field() {
        let rows = all("product,on_hand\n7,1\n", Format::Csv, Some("product")).unwrap();
        assert_eq!(rows, [row(2, "7", json!({"product": 7, "on_hand": 1}))]);
    }

    #[test]
    fn a_header_is_refused_with_what_it_lacks() {
        let refused = |text| all(text, Format::Csv, None).unwrap_err().to_string();
        assert!(refused("product,name\n1,2\n").contains("--key"));
        assert!(refused("key,a,a\n1,2,3\n").contains("'a' twice"));
        assert!(refused("key,a/~2\n1,2\n").contains("column 2"));
        let clash = all("key,a,a/b\nx,1,2\n", Format::Csv, None).unwrap();
        assert!(matches!(clash[0], Err(RowError::Clash { line: 2, column: 3, .. })), "{clash:?}");
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_takes_no_memory() {
        let text = format!("key,name\nmilk,\"{}", "x".repeat(4 * ROW_BYTES_MAX));
        let rows = all(&text, Format::Csv, None).unwrap();
        assert_eq!(rows, [Err(RowError::TooLong { line: 2 })]);
    }

    #[test]
    fn lines_of_json_are_documents() {
        let text = "{\"key\": \"a%2Fb\", \"value\": {\"n\": 1}}\n\n{\"key\": \"c\"}\n{\n";
        let rows = all(text, Format::Jsonl, None).unwrap();
        assert_eq!(rows[0], row(1, "a/b", json!({"n": 1})));
        assert_eq!(rows[1], Err(RowError::Form { line: 3 }));
        assert!(matches!(rows[2], Err(RowError::Json { line: 4, .. })), "{:?}", rows[2]);
        let keyed = all("{\"id\": 7, \"n\": 1}\n{}\n", Format::Jsonl, Some("id")).unwrap();
        assert_eq!(keyed[0], row(1, "7", json!({"id": 7, "n": 1})));
        assert_eq!(keyed[1], Err(RowError::NoKey { line: 2, name: "/id".into() }));
        let long = format!("{{\"key\": \"{}\"}}", "x".repeat(ROW_BYTES_MAX));
        let long = all(&long, Format::Jsonl, None).unwrap();
        assert_eq!(long, [Err(RowError::TooLong { line: 1 })]);
    }
}
