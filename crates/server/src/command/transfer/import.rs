//! `isle import`.

use super::error::{RowError, TransferError};
use super::rows::{Row, Rows};
use super::{format_of, progress, schema_json};
use crate::arguments::{Format, ImportArguments};
use crate::command::CommandError;
use crate::command::answer::{note, stdout};
use crate::command::asking::Asking;
use crate::command::schema::present;
use crate::local::{CallError, DocumentWrite, RefusalKind, Request, Response};
use document::{Operation, Schema};
use indicatif::ProgressBar;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};

/// Lines whose documents are of one transaction, or of several.
const BLOCK_LINES: usize = 100;

/// Bytes of them: far below what a transaction may have, which its changes need too.
const BATCH_BYTES_MAX: usize = 128 * 1024;

/// Lines that are told on standard error when they are skipped; the rest is counted.
const TOLD_MAX: u64 = 100;

pub(in crate::command) async fn run(arguments: &ImportArguments) -> Result<(), CommandError> {
    let ImportArguments { file: path, data, place, .. } = arguments;
    // A pipe is read once.
    let is_file = path.as_os_str() != "-" && fs::metadata(path).is_ok_and(|path| path.is_file());
    let format = arguments.format.or_else(|| format_of(path));
    let format = format.ok_or_else(|| TransferError::Format { path: path.clone() })?;
    let mut asking = Asking::of(&data.data).await?;
    let schema = present(&mut asking, &data.data, &place.collection).await?.map(|(schema, _)| schema);
    let open = || open((arguments, format), schema.as_ref());
    if is_file && !(arguments.continues || arguments.dry_run) {
        // Before anything is written: rows beside a mended one that were written would be put a second time.
        let (mut rows, bar) = open()?;
        bar.set_message("checking");
        while let Some(row) = rows.next()? {
            row.and_then(|row| against(schema.as_ref(), arguments.merge, row))
                .map_err(|row| TransferError::Refused { row })?;
        }
        bar.finish_and_clear();
    }
    let (mut rows, bar) = open()?;
    let batch = Batch::default();
    let mut import =
        Import { arguments, asking, schema: schema.as_ref(), bar, batch, imported: 0, skipped: 0 };
    while let Some(row) = rows.next()? {
        import.take(row).await?;
    }
    import.write().await?;
    import.bar.finish_and_clear();
    import.end()
}

/// The rows of the file, or of standard input, and a bar that shows how far they are read.
fn open(
    (arguments, format): (&ImportArguments, Format),
    schema: Option<&Schema>,
) -> Result<(Rows<impl Read + use<>>, ProgressBar), TransferError> {
    let ImportArguments { file: path, place, key, .. } = arguments;
    let failed = |source| TransferError::Read { path: path.clone(), source };
    let (file, bytes): (Box<dyn Read>, _) = if path.as_os_str() == "-" {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        (Box::new(file), Some(bytes))
    };
    let bar = progress(place, bytes);
    let file = bar.wrap_read(file);
    Ok((Rows::open((path, file), format, key.as_deref(), &schema_json(schema))?, bar))
}

/// A row held against the schema. What is merged is no whole document.
fn against(schema: Option<&Schema>, merge: bool, row: Row) -> Result<Row, RowError> {
    let schema = schema.filter(|_| !merge);
    match schema.and_then(|schema| schema.violations(&row.value).into_iter().next()) {
        Some(violation) => Err(RowError::Schema { line: row.line, violation }),
        None => Ok(row),
    }
}

/// What is written at once.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    keys: BTreeSet<document::Key>,
    bytes: usize,
}

impl Batch {
    /// Whether a row of so many bytes goes with the others: each document is there once. Where a batch ends depends on
    /// nothing before its block of lines, so that a line that is skipped, or was mended, makes others of its block alone.
    fn has_room(&self, row: &Row, bytes: usize) -> bool {
        let Some(first) = self.rows.first() else { return true };
        let block = |row: &Row| row.line / BLOCK_LINES as u64;
        // Where lines end otherwise than they are counted, the number of rows is what bounds them.
        block(first) == block(row)
            && self.rows.len() < BLOCK_LINES
            && self.bytes + bytes <= BATCH_BYTES_MAX
            && !self.keys.contains(&row.key)
    }
}

/// An import on its way.
struct Import<'a> {
    arguments: &'a ImportArguments,
    asking: Asking,
    schema: Option<&'a Schema>,
    bar: ProgressBar,
    batch: Batch,
    imported: u64,
    skipped: u64,
}

impl Import<'_> {
    async fn take(&mut self, row: Result<Row, RowError>) -> Result<(), CommandError> {
        let row = match row.and_then(|row| self.checked(row)) {
            Ok(row) => row,
            Err(error) => {
                // What stands before it is written before it is told.
                self.write().await?;
                return self.skip(error);
            }
        };
        if self.arguments.dry_run {
            self.imported += 1;
            return Ok(());
        }
        let bytes = row.value.to_string().len();
        if !self.batch.has_room(&row, bytes) {
            self.write().await?;
        }
        self.batch.keys.insert(row.key.clone());
        self.batch.bytes += bytes;
        self.batch.rows.push(row);
        Ok(())
    }

    /// Against the schema, where nothing is written that could tell.
    fn checked(&self, row: Row) -> Result<Row, RowError> {
        if self.arguments.dry_run { against(self.schema, self.arguments.merge, row) } else { Ok(row) }
    }

    /// Leaves a line out, or ends for it.
    fn skip(&mut self, error: RowError) -> Result<(), CommandError> {
        if error.is_last() || !(self.arguments.continues || self.arguments.dry_run) {
            let imported = self.imported;
            let is_none = imported == 0 || self.arguments.dry_run;
            return Err(match is_none {
                true => TransferError::Refused { row: error }.into(),
                false => TransferError::Stopped { row: error, imported }.into(),
            });
        }
        self.skipped += 1;
        if self.skipped <= TOLD_MAX {
            self.bar.suspend(|| note(format_args!("{error}")));
        }
        Ok(())
    }

    /// Writes what waits: together, or one by one where the replica refuses that.
    async fn write(&mut self) -> Result<(), CommandError> {
        let Batch { rows, .. } = std::mem::take(&mut self.batch);
        if rows.is_empty() {
            return Ok(());
        }
        match self.call(&rows).await {
            Ok(()) => self.imported += rows.len() as u64,
            Err(CallError::Refused(refusal)) if is_of_rows(refusal.kind) => {
                for row in rows {
                    let line = row.line;
                    match self.call(&[row]).await {
                        Ok(()) => self.imported += 1,
                        Err(CallError::Refused(refusal)) if is_of_rows(refusal.kind) => {
                            self.skip(RowError::Refused { line, refusal })?;
                        }
                        Err(error) => return Err(self.broken(error)),
                    }
                }
            }
            Err(error) => return Err(self.broken(error)),
        }
        self.bar.set_message(format!("{} documents", self.imported));
        Ok(())
    }

    async fn call(&mut self, rows: &[Row]) -> Result<(), CallError> {
        let ImportArguments { place, merge, author, .. } = self.arguments;
        let writes = rows.iter().map(|row| DocumentWrite {
            collection: place.collection.clone(),
            key: row.key.clone(),
            operations: vec![match merge {
                true => Operation::MergePatch(row.value.clone()),
                false => Operation::Put(row.value.clone()),
            }],
            condition: None,
        });
        let request = Request::Transaction {
            space: place.space.clone(),
            writes: writes.collect(),
            idempotency_key: Some(self.name_of(rows)),
            author: author.clone(),
            message: None,
            hub_within_ms: None,
            can_wait: true,
        };
        let response = self.asking.ask(&request).await?;
        if matches!(response, Response::Written(_)) { Ok(()) } else { Err(CallError::Unasked) }
    }

    /// A name for a write by what is in it: the same file imported again counts once.
    fn name_of(&self, rows: &[Row]) -> String {
        let ImportArguments { place, merge, name, .. } = self.arguments;
        let mut hasher = blake3::Hasher::new();
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        };
        [name, place.space.as_str(), place.collection.as_str()].into_iter().for_each(&mut part);
        part(if *merge { "merge" } else { "put" });
        for row in rows {
            part(row.key.as_str());
            part(&row.value.to_string());
        }
        format!("import-{}", hasher.finalize().to_hex().get(..32).unwrap_or_default())
    }

    fn broken(&self, source: CallError) -> CommandError {
        match self.imported {
            0 => source.into(),
            imported => TransferError::Broken { imported, source }.into(),
        }
    }

    fn end(self) -> Result<(), CommandError> {
        let Self { arguments, imported, skipped, .. } = self;
        let mut stdout = stdout();
        if skipped > TOLD_MAX {
            note(format_args!("and {} lines more", skipped - TOLD_MAX));
        }
        if arguments.json {
            let (dry_run, documents) = (arguments.dry_run, imported);
            writeln!(
                stdout,
                "{}",
                serde_json::json!({"documents": documents, "skipped": skipped, "dry_run": dry_run})
            )?;
        } else if arguments.dry_run && skipped == 0 {
            writeln!(stdout, "{imported} documents can be imported; nothing was written")?;
        } else if skipped == 0 {
            writeln!(stdout, "imported {imported} documents")?;
        }
        match (skipped, arguments.dry_run) {
            (0, _) => Ok(()),
            (faults, true) => Err(TransferError::Faults { faults }.into()),
            (skipped, false) => Err(TransferError::Skipped { skipped, imported }.into()),
        }
    }
}

/// Whether others may be written where this was refused.
fn is_of_rows(kind: RefusalKind) -> bool {
    matches!(kind, RefusalKind::Invalid | RefusalKind::Blocked | RefusalKind::Damaged | RefusalKind::Behind)
}
