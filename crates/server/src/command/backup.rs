//! `isle backup`, `isle restore`, `isle verify` and `isle repair`: a replica's store as a whole.

use super::answer::answer;
use super::{CommandError, call, unasked};
use crate::arguments::{BackupArguments, Data, StoreArguments};
use crate::data_directory::{DataDirectory, DataDirectoryLock};
use crate::local::{BackedUp, ConnectError, LocalClient, Request, Response};
use indicatif::{ProgressBar, ProgressStyle};
use replica::{Store as _, StoreError};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use store::{FjallStore, OpenError, Options, Progress, RestoreError, StoreSnapshot, Verified};

/// Backs up through the running server, or without one from the data directory itself.
pub(super) async fn back_up(arguments: &BackupArguments) -> Result<(), CommandError> {
    let directory = std::path::absolute(&arguments.directory)?;
    let made = match LocalClient::connect(&arguments.data.data).await {
        Ok(_) => {
            let bar = spinner("copying; the server goes on");
            let answer = call(&arguments.data.data, &Request::Backup { directory: directory.clone() }).await;
            bar.finish_and_clear();
            let Response::BackedUp(made) = answer? else { return Err(unasked()) };
            made
        }
        Err(ConnectError::NotRunning { .. }) => {
            let bar = spinner("copying");
            let stopped = stopped(&arguments.data)?;
            let manifest = stopped.snapshot.backup(&directory, |progress| shown(&bar, progress))?;
            bar.finish_and_clear();
            BackedUp { rows: manifest.rows, bytes: manifest.bytes }
        }
        Err(error) => return Err(error.into()),
    };
    let BackedUp { rows, bytes } = made;
    let said = json!({"directory": directory, "rows": rows, "bytes": bytes});
    let text = format!("backed up to {}: {rows} rows, {bytes} bytes", directory.display());
    answer(arguments.json, &said, &text)
}

pub(super) fn restore(arguments: &BackupArguments) -> Result<(), CommandError> {
    let directory = DataDirectory::new(&arguments.data.data);
    let lock = directory.lock()?;
    if directory.store().join("rows").is_dir() {
        return Err(RestoreError::NotEmpty { path: directory.store() }.into());
    }
    // Before there is a store: whatever is restored never writes under an origin that was used.
    directory.forget_incarnation(&lock)?;
    let bar = spinner("checking and reading");
    let manifest = store::restore(&arguments.directory, &directory.store(), |progress| {
        shown(&bar, progress);
    })?;
    bar.finish_and_clear();
    let data = directory.path().display();
    let rows = manifest.rows;
    let text = format!("restored {rows} rows; `isle serve --data {data}` goes on under a new origin");
    answer(arguments.json, &json!({"rows": rows}), &text)
}

pub(super) fn verify(arguments: &StoreArguments) -> Result<(), CommandError> {
    let StoreArguments { data, json } = arguments;
    let stopped = stopped(data)?;
    let bar = spinner("reading");
    let reports = stopped.snapshot.verify(|progress| shown(&bar, progress));
    bar.finish_and_clear();
    let damage = reports.iter().find_map(|report| report.damage.clone());
    let damage = damage.or_else(|| replica::verify_journal(&stopped.snapshot).err());
    let said = json!({
        "rows": reports.iter().map(report_json).collect::<Vec<_>>(),
        "damage": damage.as_ref().map(ToString::to_string),
    });
    let end = if damage.is_none() { "the journal's chain holds\n" } else { "" };
    answer(*json, &said, &(report_table(&reports) + end))?;
    damage.map_or(Ok(()), |source| Err(CommandError::Damaged { data: data.data.clone(), source }))
}

fn report_json(report: &Verified) -> Value {
    let Verified { keyspace, read, damage } = report;
    let damage = damage.as_ref().map(ToString::to_string);
    json!({"of": keyspace.name(), "rows": read.rows, "bytes": read.bytes, "damage": damage})
}

fn report_table(reports: &[Verified]) -> String {
    let mut text = format!("{:<10} {:>12} {:>16}  STATE\n", "ROWS OF", "ROWS", "BYTES");
    for Verified { keyspace, read, damage } in reports {
        let state = damage.as_ref().map_or_else(|| "whole".to_owned(), ToString::to_string);
        // Nothing is refused by a text.
        let _ = writeln!(text, "{:<10} {:>12} {:>16}  {state}", keyspace.name(), read.rows, read.bytes);
    }
    text
}

pub(super) fn repair(arguments: &StoreArguments) -> Result<(), CommandError> {
    let directory = DataDirectory::new(&arguments.data.data);
    let lock = directory.lock()?;
    if !directory.store().is_dir() {
        return Err(CommandError::NoStore { path: directory.store() });
    }
    // Only damage is repaired: whatever else keeps a store from opening takes nothing from it.
    let damage = match open(&directory.store()) {
        Ok(store) => damage_of(&store.snapshot()).map(|damage| damage.to_string()),
        Err(OpenError::Damaged { source, .. }) => Some(source.to_string()),
        Err(error) => return Err(error.into()),
    };
    let Some(damage) = damage else {
        let text = "the store opens and can be read: there is nothing to repair";
        return answer(arguments.json, &json!({"damage": null, "set_aside": null, "deleted": []}), text);
    };
    directory.forget_incarnation(&lock)?;
    let aside = store::set_aside(&directory.store())?;
    let mut text = format!("damaged: {damage}\nset aside: {}\n", aside.path.display());
    for deleted in &aside.deleted {
        let _ = writeln!(text, "deleted, set aside before: {}", deleted.display());
    }
    let data = directory.path().display();
    let _ = writeln!(text, "`isle serve --data {data}` starts with an empty store, which peers fill");
    let said = json!({"damage": damage, "set_aside": aside.path, "deleted": aside.deleted});
    answer(arguments.json, &said, &text)
}

/// The rows of a replica that does not run, which stays so until this is dropped.
struct Stopped {
    snapshot: StoreSnapshot,
    #[expect(dead_code, reason = "it is held")]
    store: FjallStore,
    #[expect(dead_code, reason = "it is held")]
    lock: DataDirectoryLock,
}

fn stopped(data: &Data) -> Result<Stopped, CommandError> {
    let directory = DataDirectory::new(&data.data);
    let lock = directory.lock()?;
    let path = directory.store();
    if !path.join("rows").is_dir() {
        return Err(CommandError::NoStore { path });
    }
    let store = open(&path)?;
    Ok(Stopped { snapshot: store.snapshot(), store, lock })
}

/// The first damage of any kind.
fn damage_of(snapshot: &StoreSnapshot) -> Option<StoreError> {
    let damage = snapshot.verify(|_| true).into_iter().find_map(|report| report.damage);
    damage.or_else(|| replica::verify_journal(snapshot).err())
}

fn open(path: &Path) -> Result<FjallStore, OpenError> {
    FjallStore::open(path, Options::default(), |_| {})
}

/// Shown only on a terminal.
fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {prefix} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn shown(bar: &ProgressBar, progress: Progress) -> bool {
    bar.set_prefix(format!("{} rows, {} MB", progress.rows, progress.bytes / 1_000_000));
    true
}
