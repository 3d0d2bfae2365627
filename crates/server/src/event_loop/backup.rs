//! Backups while everything goes on: a snapshot is taken between two turns, and copied on a thread of its own.

use super::requests::{Reply, Waiting};
use crate::local::{Refusal, RefusalKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{BackupError, StoreSnapshot};

/// Backups that are being made.
#[derive(Default)]
pub(super) struct Backups {
    ended: Arc<AtomicBool>,
}

impl Backups {
    /// Copies a snapshot and answers when the copy is durable.
    pub(super) fn start(&self, snapshot: StoreSnapshot, directory: PathBuf, waiting: Waiting) {
        let ended = Arc::clone(&self.ended);
        tokio::task::spawn_blocking(move || {
            tracing::info!(directory = %directory.display(), "backup started");
            let made = snapshot.backup(&directory, |_| !ended.load(Ordering::Relaxed));
            // Before the answer: a snapshot keeps rows from being compacted away, and the store from being opened.
            drop(snapshot);
            match &made {
                Ok(manifest) => tracing::info!(rows = manifest.rows, bytes = manifest.bytes, "backup made"),
                Err(error) => tracing::warn!(%error, "backup not made"),
            }
            waiting.answer(made.map(Reply::BackedUp).map_err(|error| refusal(&error)));
        });
    }

    /// Ends them all: the store is to be closed.
    pub(super) fn end(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.ended = Arc::default();
    }
}

/// What is in memory only is not backed up.
pub(super) fn without_disk() -> Refusal {
    Refusal::new(RefusalKind::Backup, "this replica has its rows in memory")
        .hinted("back up the replica that it is connected to")
}

fn refusal(error: &BackupError) -> Refusal {
    let hint = "without its manifest.json a backup is of no use: delete the directory and try again";
    let is_ours = !matches!(error, BackupError::NotEmpty { .. });
    Refusal { hint: is_ours.then(|| hint.into()), ..Refusal::new(RefusalKind::Backup, error.to_string()) }
}
