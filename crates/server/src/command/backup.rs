//! `isle backup`, `isle restore`, `isle verify` and `isle repair`: a replica's store as a whole.

use super::{CommandError, call, unasked};
use crate::arguments::{BackupArguments, Data};
use crate::data_directory::{DataDirectory, DataDirectoryLock};
use crate::local::{BackedUp, ConnectError, LocalClient, Request, Response};
use indicatif::{ProgressBar, ProgressStyle};
use replica::{Store as _, StoreError};
use std::io::{self, Write as _};
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
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "backed up to {}: {} rows, {} bytes", directory.display(), made.rows, made.bytes)?;
    Ok(())
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
    writeln!(
        io::stdout().lock(),
        "restored {} rows; `isle serve --data {data}` goes on under a new origin",
        manifest.rows
    )?;
    Ok(())
}

pub(super) fn verify(data: &Data) -> Result<(), CommandError> {
    let stopped = stopped(data)?;
    let bar = spinner("reading");
    let reports = stopped.snapshot.verify(|progress| shown(&bar, progress));
    bar.finish_and_clear();
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{:<10} {:>12} {:>16}  STATE", "ROWS OF", "ROWS", "BYTES")?;
    for Verified { keyspace, read, damage } in &reports {
        let state = damage.as_ref().map_or_else(|| "whole".to_owned(), ToString::to_string);
        writeln!(stdout, "{:<10} {:>12} {:>16}  {state}", keyspace.name(), read.rows, read.bytes)?;
    }
    let damage = reports.into_iter().find_map(|report| report.damage);
    match damage.or_else(|| replica::verify_journal(&stopped.snapshot).err()) {
        None => Ok(writeln!(stdout, "the journal's chain holds")?),
        Some(damage) => Err(CommandError::Damaged { data: data.data.clone(), source: damage }),
    }
}

pub(super) fn repair(data: &Data) -> Result<(), CommandError> {
    let directory = DataDirectory::new(&data.data);
    let lock = directory.lock()?;
    let mut stdout = io::stdout().lock();
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
        return Ok(writeln!(stdout, "the store opens and can be read: there is nothing to repair")?);
    };
    writeln!(stdout, "damaged: {damage}")?;
    directory.forget_incarnation(&lock)?;
    let aside = store::set_aside(&directory.store())?;
    writeln!(stdout, "set aside: {}", aside.path.display())?;
    for deleted in &aside.deleted {
        writeln!(stdout, "deleted, set aside before: {}", deleted.display())?;
    }
    let data = directory.path().display();
    writeln!(stdout, "`isle serve --data {data}` starts with an empty store, which peers fill")?;
    Ok(())
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
