//! The file of the rows, `target/reach.jsonl`.

use super::row::{Entry, Row};
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why a measurement was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// JSON has no such number, and nothing can be compared with it.
    #[error("`{name}`: {field} is {number}; record a finite number")]
    NotFinite {
        /// The row's name.
        name: String,
        /// Which number it was.
        field: &'static str,
        /// The number.
        number: f64,
    },
    /// The row could not be written as JSON.
    #[error("`{name}` cannot be written as JSON")]
    NotEncoded {
        /// The row's name.
        name: String,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// The file could not be written.
    #[error("cannot append to {}; is the target directory writable?", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why the rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing was measured yet.
    #[error("{} does not exist yet; measure with `cargo bench -p benches` first", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read.
    #[error("cannot read {}", path.display())]
    NotRead {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not a row.
    #[error("{}:{line} is not a row of the reach table; delete the line or the file", path.display())]
    NotARow {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What was wrong.
        source: serde_json::Error,
    },
}

/// Whether this process measures: `cargo bench` passes `--bench`, a run that only tests the benchmarks passes
/// `--test` or neither.
#[must_use]
pub fn measuring() -> bool {
    is_measuring(std::env::args_os().skip(1))
}

fn is_measuring(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    has("--bench") && !has("--test")
}

/// Appends a row to [`file_path`]; does nothing unless [`measuring`].
///
/// # Errors
///
/// If a number is not finite, or the file cannot be written.
pub fn record(row: &Row) -> Result<(), RecordError> {
    if measuring() { append(row, &file_path()) } else { Ok(()) }
}

/// Where the rows are: `reach.jsonl` in `CARGO_TARGET_DIR` (a relative one is taken from the workspace's root),
/// or else in the workspace's `target`.
#[must_use]
pub fn file_path() -> PathBuf {
    path_in(std::env::var_os("CARGO_TARGET_DIR").as_deref())
}

fn path_in(target: Option<&OsStr>) -> PathBuf {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = benches.parent().unwrap_or(benches);
    root.join(target.unwrap_or(OsStr::new("target"))).join("reach.jsonl")
}

fn append(row: &Row, path: &Path) -> Result<(), RecordError> {
    refuse_not_finite(row)?;
    let mut line = serde_json::to_string(&Entry::from(row))
        .map_err(|source| RecordError::NotEncoded { name: row.name.clone(), source })?;
    line.push('\n');
    write_line(line.as_bytes(), path)
        .map_err(|source| RecordError::NotWritten { path: path.to_owned(), source })
}

fn refuse_not_finite(row: &Row) -> Result<(), RecordError> {
    let numbers = [
        ("value", Some(row.value)),
        ("reference", row.reference),
        ("the goal's limit", Some(row.goal.limit)),
    ];
    for (field, number) in numbers {
        if let Some(number) = number.filter(|number| !number.is_finite()) {
            return Err(RecordError::NotFinite { name: row.name.clone(), field, number });
        }
    }
    Ok(())
}

/// One write of the whole line, so that benchmarks that run side by side do not mix theirs.
fn write_line(line: &[u8], path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    OpenOptions::new().create(true).append(true).open(path)?.write_all(line)
}

/// The rows of a file, oldest first.
///
/// # Errors
///
/// If there is no such file, it cannot be read, or a line of it is not a row.
pub fn read(path: &Path) -> Result<Vec<Entry>, ReadError> {
    let text = fs::read_to_string(path).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            ReadError::Missing { path: path.to_owned() }
        } else {
            ReadError::NotRead { path: path.to_owned(), source }
        }
    })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|source| ReadError::NotARow {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::row::Goal;
    use super::*;

    fn row(value: f64) -> Row {
        Row {
            name: "merge".into(),
            unit: "ms".into(),
            value,
            reference: Some(4.0),
            goal: Goal::ratio_at_most(1.0),
        }
    }

    fn arguments(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn only_a_bench_run_measures() {
        assert!(is_measuring(arguments(&["--bench"])));
        assert!(is_measuring(arguments(&["merge", "--bench"])));
        assert!(!is_measuring(arguments(&["--bench", "--test"])));
        assert!(!is_measuring(arguments(&["--test"])));
        assert!(!is_measuring(arguments(&[])));
    }

    #[test]
    fn a_test_run_records_nothing() {
        assert!(!measuring());
        record(&row(f64::NAN)).unwrap();
    }

    #[test]
    fn what_is_appended_is_read_back_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("target/reach.jsonl");
        append(&row(2.0), &path).unwrap();
        append(&row(8.0), &path).unwrap();
        let entries = read(&path).unwrap();
        assert_eq!(entries, [Entry::from(&row(2.0)), Entry::from(&row(8.0))]);
    }

    #[test]
    fn a_line_has_exactly_the_documented_fields() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reach.jsonl");
        append(&Row { reference: None, ..row(2.0) }, &path).unwrap();
        let line = fs::read_to_string(&path).unwrap();
        let expected = r#"{"name":"merge","unit":"ms","value":2.0,"reference":null,"ratio":null,"goal":"ratio <= 1","met":false}"#;
        assert_eq!(line.trim_end(), expected);
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reach.jsonl");
        let rows = [
            row(f64::NAN),
            Row { reference: Some(f64::INFINITY), ..row(1.0) },
            Row { goal: Goal::value_at_most(f64::NAN), ..row(1.0) },
        ];
        for row in rows {
            assert!(matches!(append(&row, &path), Err(RecordError::NotFinite { .. })));
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_missing_file_says_how_to_make_one() {
        let failure = read(Path::new("/nowhere/reach.jsonl")).unwrap_err();
        assert!(failure.to_string().contains("cargo bench -p benches"));
    }

    #[test]
    fn a_damaged_line_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reach.jsonl");
        append(&row(2.0), &path).unwrap();
        write_line(b"{\"name\":\n", &path).unwrap();
        assert!(matches!(read(&path), Err(ReadError::NotARow { line: 2, .. })));
    }

    #[test]
    fn the_file_is_in_the_target_directory() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert_eq!(path_in(None), root.join("target/reach.jsonl"));
        assert_eq!(path_in(Some(OsStr::new("elsewhere"))), root.join("elsewhere/reach.jsonl"));
        assert_eq!(path_in(Some(OsStr::new("/elsewhere"))), Path::new("/elsewhere/reach.jsonl"));
    }
}
