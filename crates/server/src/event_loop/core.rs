//! The core and its store, opened together and dropped together.

use crate::clock::Clocks;
use replica::{Effect, Input, Replica, Settings, StoreError, Turn};
use std::path::PathBuf;
use store::{CommitNotice, FjallStore, OpenError};
use tokio::sync::watch;

/// What it takes to open a core, as often as needed.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) store: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) clocks: Clocks,
}

/// Why a core did not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenCoreError {
    /// The store did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] StoreError),
}

/// A replica on its store.
pub(crate) struct Core {
    replica: Replica<FjallStore>,
    commits: watch::Receiver<Commits>,
    clocks: Clocks,
}

/// The newest report of the store. A later one includes the earlier, so that none has to be queued.
#[derive(Debug, Default)]
struct Commits {
    durable: Option<Turn>,
    failed: Option<StoreError>,
}

impl Opening {
    /// Opens the store and the replica on it. Takes seconds when much is to be recovered.
    pub(crate) fn open(&self) -> Result<Core, OpenCoreError> {
        let (reports, commits) = watch::channel(Commits::default());
        let store = FjallStore::open(&self.store, move |notice| {
            reports.send_modify(|commits| match notice {
                CommitNotice::Durable(turn) => commits.durable = Some(turn),
                CommitNotice::Failed { error, .. } => commits.failed = Some(error),
            });
        })?;
        let replica = Replica::open(store, self.settings.clone())?;
        Ok(Core { replica, commits, clocks: self.clocks })
    }
}

impl Core {
    pub(super) fn handle(&mut self, input: Input) -> Result<(), StoreError> {
        self.replica.handle(input, self.clocks.read())
    }

    /// Waits until the store has something to report. The future may be dropped at any time.
    pub(super) async fn committed(&mut self) {
        // An error means that the committer is gone: `settle` finds that out.
        let _ = self.commits.changed().await;
    }

    /// Takes in the store's newest report.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        let is_gone = self.commits.has_changed().is_err();
        let (durable, failed) = {
            let commits = self.commits.borrow_and_update();
            (commits.durable, commits.failed.clone())
        };
        if let Some(turn) = durable {
            self.handle(Input::Durable(turn))?;
        }
        match failed {
            Some(error) => Err(error),
            None if is_gone => Err(StoreError::Poisoned),
            None => Ok(()),
        }
    }

    pub(super) fn end_turn(&mut self) -> Result<bool, StoreError> {
        self.replica.end_turn()
    }

    pub(super) fn next_effect(&mut self) -> Option<Effect> {
        self.replica.poll_effect()
    }

    pub(super) fn in_flight_bytes(&self) -> usize {
        self.replica.in_flight_bytes()
    }

    /// Under which origin it writes.
    pub(crate) fn origin(&self) -> document::Origin {
        self.replica.origin()
    }
}
