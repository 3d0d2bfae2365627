//! `isle export`.

use super::cells::{Kind, column, each_leaf};
use super::error::TransferError;
use super::{COLUMNS_MAX, KEY, format_of, progress, schema_json};
use crate::arguments::{ExportArguments, Format, Place};
use crate::command::answer::{answer, note, stdout};
use crate::command::asking::Asking;
use crate::command::documents::line;
use crate::command::schema::present;
use crate::command::{CommandError, unasked};
use crate::local::{ListedDocument, Request, Response};
use csv::{Terminator, WriterBuilder};
use document::Key;
use indicatif::ProgressBar;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use tempfile::NamedTempFile;

/// Documents of one page.
const PAGE: usize = 500;

pub(in crate::command) async fn run(arguments: &ExportArguments) -> Result<(), CommandError> {
    let named = arguments.output.as_deref().and_then(format_of);
    let format = arguments.format.or(named).unwrap_or(Format::Jsonl);
    let mut asking = Asking::of(&arguments.data.data).await?;
    let Some(output) = &arguments.output else {
        let mut stdout = BufWriter::new(stdout());
        write(arguments, (&mut asking, format), &mut stdout).await?;
        return Ok(stdout.flush()?);
    };
    let written = write_to(output, arguments, (&mut asking, format)).await;
    let documents = written.map_err(|error| {
        if let CommandError::Io(source) = error {
            TransferError::Write { path: output.clone(), source }.into()
        } else {
            error
        }
    })?;
    let said = serde_json::json!({"documents": documents, "output": output});
    answer(arguments.json, &said, &format!("exported {documents} documents to {}", output.display()))
}

/// Into a file that is there whole or not at all. What is there and is no file, as a pipe that has a name, is written to as it
/// is, and a link stays one: what it leads to is written.
async fn write_to(
    output: &Path,
    arguments: &ExportArguments,
    (asking, format): (&mut Asking, Format),
) -> Result<u64, CommandError> {
    let place = match fs::canonicalize(output) {
        Ok(place) => place,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        // A link that leads nowhere is not replaced: it is written through, as a shell would.
        Err(_) if output.is_symlink() => return into_place(output, arguments, (asking, format)).await,
        Err(_) => output.to_owned(),
    };
    if place.exists() && !place.is_file() {
        return into_place(&place, arguments, (asking, format)).await;
    }
    let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut writer = BufWriter::new(NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?);
    let documents = write(arguments, (asking, format), &mut writer).await?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(place).map_err(|error| error.error)?;
    Ok(documents)
}

async fn into_place(
    place: &Path,
    arguments: &ExportArguments,
    (asking, format): (&mut Asking, Format),
) -> Result<u64, CommandError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(place)?;
    let mut writer = BufWriter::new(file);
    let documents = write(arguments, (asking, format), &mut writer).await?;
    writer.flush()?;
    Ok(documents)
}

/// A failed write as itself, without what CSV has around it.
fn failed(error: csv::Error) -> io::Error {
    if error.is_io_error()
        && let csv::ErrorKind::Io(error) = error.into_kind()
    {
        return error;
    }
    io::ErrorKind::InvalidData.into()
}

async fn write(
    arguments: &ExportArguments,
    (asking, format): (&mut Asking, Format),
    output: &mut impl Write,
) -> Result<u64, CommandError> {
    let place = &arguments.place;
    let bar = progress(place, None);
    let mut documents = 0;
    match format {
        Format::Jsonl => {
            each_page(asking, place, &bar, |page| {
                for document in page {
                    // What breaks the schema is exported too; only its value is read back.
                    let document = ListedDocument { violations: Vec::new(), ..document.clone() };
                    writeln!(output, "{}", line(&document)?)?;
                    documents += 1;
                }
                Ok(())
            })
            .await?;
        }
        Format::Csv => {
            let schema = present(asking, &arguments.data.data, &place.collection).await?;
            let schema = schema_json(schema.as_ref().map(|(schema, _)| schema));
            let columns = columns(asking, place, &bar).await?;
            let kinds: Vec<_> = columns.iter().map(|pointer| (pointer, Kind::of(&schema, pointer))).collect();
            let terminator = Terminator::Any(b'\n');
            let mut writer = WriterBuilder::new().terminator(terminator).from_writer(output);
            let header = std::iter::once(KEY).chain(columns.iter().map(|pointer| column(pointer)));
            writer.write_record(header).map_err(failed)?;
            each_page(asking, place, &bar, |page| {
                for document in page {
                    writer.write_record(record(document, &kinds)?).map_err(failed)?;
                    documents += 1;
                }
                Ok(())
            })
            .await?;
            writer.flush()?;
        }
    }
    bar.finish_and_clear();
    Ok(documents)
}

/// The fields of all documents: a first pass over them.
async fn columns(
    asking: &mut Asking,
    place: &Place,
    bar: &ProgressBar,
) -> Result<BTreeSet<String>, CommandError> {
    let mut columns = BTreeSet::new();
    each_page(asking, place, bar, |page| {
        for document in page {
            each_leaf(&document.value, &mut |pointer, _| {
                columns.insert(pointer);
            });
            if columns.len() >= COLUMNS_MAX {
                return Err(TransferError::TooManyColumns.into());
            }
        }
        Ok(())
    })
    .await?;
    Ok(columns)
}

fn record(document: &ListedDocument, kinds: &[(&String, Kind)]) -> Result<Vec<String>, TransferError> {
    let key: Key = document.key.parse().map_err(|_| TransferError::Changed)?;
    let mut cells = vec![String::new(); kinds.len() + 1];
    let mut is_known = true;
    each_leaf(&document.value, &mut |pointer, value| {
        let at = kinds.binary_search_by(|(known, _)| (*known).cmp(&pointer));
        match at.ok().and_then(|at| Some((cells.get_mut(at + 1)?, kinds.get(at)?.1))) {
            Some((cell, kind)) => *cell = kind.write(value),
            None => is_known = false,
        }
    });
    if let Some(cell) = cells.first_mut() {
        key.as_str().clone_into(cell);
    }
    if is_known { Ok(cells) } else { Err(TransferError::Changed) }
}

/// Page after page.
async fn each_page(
    asking: &mut Asking,
    place: &Place,
    bar: &ProgressBar,
    mut visit: impl FnMut(&[ListedDocument]) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let (mut after, mut documents): (Option<Key>, usize) = (None, 0);
    loop {
        let request = Request::List {
            space: place.space.clone(),
            collection: place.collection.clone(),
            after: after.clone(),
            limit: PAGE,
        };
        let Response::Listed(listed) = asking.call(&request).await? else { return Err(unasked()) };
        for key in &listed.blocked {
            bar.suspend(|| note(format_args!("{key} is blocked or damaged: `isle doc get` says why")));
        }
        visit(&listed.documents)?;
        documents += listed.documents.len();
        bar.set_message(format!("{documents} documents"));
        // A page that goes no further would come again for ever.
        let next = listed.next.and_then(|key| key.parse().ok());
        let next = next.filter(|next: &Key| after.as_ref() < Some(next));
        let Some(next) = next else { return Ok(()) };
        after = Some(next);
    }
}
