//! The core and its store, opened together and dropped together.

use super::stored::Stored;
use crate::clock::Clocks;
use crate::data_directory::{DataDirectory, IncarnationError, MemoryStarts};
use crate::random::{self, RandomError};
use crate::server::Rows;
use replica::{
    Effect, Input, LoadPolicy, Replica, Request, RequestId, Room, Settings, SpaceMode, StoreError, Turn, View,
};
use std::io;
use std::time::Duration;
use store::{
    CommitNotice, Durability, FjallStore, MemoryStore, OpenError, Options, Outcome, StoreReader,
    StoreSnapshot,
};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long the store may take to say what it knows of a commit that failed: it has failed already.
const REPORT_DEADLINE: Duration = Duration::from_secs(1);

/// What it takes to open a core, as often as needed.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) directory: DataDirectory,
    pub(crate) settings: Settings,
    pub(crate) durability: Durability,
    pub(crate) clocks: Clocks,
    /// Whether the store turned out to be an old copy: it is opened under a new incarnation.
    pub(crate) must_renew: bool,
    /// See [`Options::refused_bytes`].
    pub(crate) refused_bytes: usize,
    /// Where the rows are.
    pub(crate) rows: Rows,
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
    /// No incarnation for a store that lost rows.
    #[error(transparent)]
    Incarnation(#[from] IncarnationError),
    /// No epoch for it.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// A replica on its store.
pub(crate) struct Core {
    replica: Replica<Stored>,
    commits: watch::Receiver<Commits>,
    /// As last told to the core.
    room: Room,
    clocks: Clocks,
    /// Of a store in memory.
    starts: Option<MemoryStarts>,
}

/// The newest report of the store. A later one includes the earlier, so that none has to be queued.
#[derive(Clone, Debug, Default)]
struct Commits {
    written: Option<Turn>,
    durable: Option<Turn>,
    room: Option<Room>,
    failed: Option<(StoreError, Outcome)>,
}

impl Opening {
    /// Opens the store and the replica on it. Takes seconds when much is to be recovered.
    ///
    /// A store that lost rows is opened under a new incarnation, drawn and kept before: peers may know what was lost,
    /// and bring it back as another origin's.
    pub(crate) fn open(&mut self) -> Result<Core, OpenCoreError> {
        // What is in memory is another store with each opening.
        if self.must_renew || matches!(self.rows, Rows::Memory { .. }) {
            self.renew()?;
        }
        match self.open_store(false) {
            Err(OpenCoreError::Open(
                lost @ (OpenError::Shortened { .. } | OpenError::MarkMissing { .. }),
            )) => {
                tracing::error!(%lost, "the replica goes on under a new origin; peers bring back what they have");
                self.renew()?;
                self.open_store(true)
            }
            opened => opened,
        }
    }

    /// A new incarnation and epoch; kept before the store is opened with them.
    fn renew(&mut self) -> Result<(), OpenCoreError> {
        self.settings.key.incarnation = match self.rows {
            Rows::Disk => self.directory.renew_incarnation()?,
            Rows::Memory { .. } => random::bytes()?,
        };
        self.settings.epoch = random::number()?;
        self.must_renew = false;
        Ok(())
    }

    fn open_store(&self, accept_shortened: bool) -> Result<Core, OpenCoreError> {
        let (reports, commits) = watch::channel(Commits::default());
        let (durability, refused_bytes) = (self.durability, self.refused_bytes);
        let options = Options { durability, accept_shortened, refused_bytes, ..Options::default() };
        let on_notice = move |notice| {
            reports.send_modify(|commits| match notice {
                CommitNotice::Written(turn) => commits.written = Some(turn),
                CommitNotice::Durable(turn) => commits.durable = Some(turn),
                CommitNotice::Room(room) => commits.room = Some(room),
                CommitNotice::Failed { error, outcome, .. } => commits.failed = Some((error, outcome)),
            });
        };
        let starts = match self.rows {
            Rows::Disk => None,
            Rows::Memory { .. } => Some(self.memory_starts()?),
        };
        let store = match self.rows {
            Rows::Disk => {
                Stored::Disk(Box::new(FjallStore::open(&self.directory.store(), options, on_notice)?))
            }
            Rows::Memory { mib_max } => {
                let bytes_max =
                    usize::try_from(mib_max.get()).unwrap_or(usize::MAX).saturating_mul(1024 * 1024);
                Stored::Memory(MemoryStore::new(bytes_max, on_notice))
            }
        };
        let mut settings = self.settings.clone();
        settings.loads_aside = matches!(self.rows, Rows::Disk).then(LoadPolicy::default);
        let replica = Replica::open(store, settings)?;
        Ok(Core { replica, commits, room: Room::default(), clocks: self.clocks, starts })
    }

    fn memory_starts(&self) -> Result<MemoryStarts, IncarnationError> {
        let Settings { spaces, key, .. } = &self.settings;
        let may_write = spaces.values().any(|mode| *mode == SpaceMode::Write);
        MemoryStarts::begin(&self.directory.identity(), key.public_key, may_write)
    }
}

impl Core {
    pub(super) fn handle(&mut self, input: Input) -> Result<(), StoreError> {
        self.replica.handle(input, self.clocks.read())
    }

    /// To be called before a request is handed over: the first one that may write makes a store in memory an origin.
    ///
    /// # Errors
    /// [`IncarnationError`] where that cannot be kept; the request must not be handed over then.
    pub(super) fn note_writing(&mut self, request: &Request) -> Result<(), IncarnationError> {
        match &mut self.starts {
            Some(starts) if writes(request) => starts.note(),
            Some(_) | None => Ok(()),
        }
    }

    /// What the operator is to do before too many stores in memory have written; none while they are few.
    pub(super) fn starts_warning(&self) -> Option<String> {
        self.starts.as_ref().and_then(MemoryStarts::warning)
    }

    /// Whether the store has something to report.
    pub(super) fn has_report(&self) -> bool {
        self.commits.has_changed().unwrap_or(true)
    }

    /// Waits until the store has something to report. The future may be dropped at any time.
    pub(super) async fn committed(&mut self) {
        // An error means that the committer is gone: `settle` finds that out.
        let _ = self.commits.changed().await;
    }

    /// Takes in the store's newest report.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        let is_gone = self.commits.has_changed().is_err();
        let Commits { written, durable, room, failed } = self.commits.borrow_and_update().clone();
        if let Some(room) = room.filter(|room| self.room != *room) {
            self.room = room;
            self.handle(Input::Room(room))?;
        }
        if let Some(turn) = written.filter(|written| durable < Some(*written)) {
            self.handle(Input::Written(turn))?;
        }
        if let Some(turn) = durable {
            self.handle(Input::Durable(turn))?;
        }
        match failed {
            Some((error, _)) => Err(error),
            None if is_gone => Err(StoreError::Poisoned),
            None => Ok(()),
        }
    }

    /// After a failure: takes in what became durable before it, and says what is known of the rest. What the store does
    /// not speak of is unknown; so is what rests on a failure to read.
    pub(super) async fn outcome(&mut self) -> Outcome {
        // The store stops taking batches just before it says why.
        drop(timeout(REPORT_DEADLINE, self.commits.wait_for(|commits| commits.failed.is_some())).await);
        let outcome = self.commits.borrow().failed.as_ref().map(|(_, outcome)| *outcome);
        // It fails again, after it has taken in the rest.
        drop(self.settle());
        outcome.unwrap_or(Outcome::Unknown)
    }

    /// What to wait for: the store has something to report; the core is to be woken. Both may be dropped at any time.
    pub(super) fn causes(&mut self) -> (impl Future<Output = ()> + '_, impl Future<Output = ()> + use<>) {
        let now_ms = self.clocks.read().now_ms;
        let pause = self.replica.poll_timeout().map(|(at_ms, _)| at_ms.saturating_sub(now_ms));
        let due = async move {
            match pause {
                Some(pause_ms) => tokio::time::sleep(Duration::from_millis(pause_ms)).await,
                None => std::future::pending().await,
            }
        };
        (self.committed(), due)
    }

    pub(super) fn end_turn(&mut self) -> Result<bool, StoreError> {
        self.replica.end_turn()
    }

    /// Lets go of requests that wait for documents to be read: nobody reads them any more.
    pub(super) fn let_go_of_held(&mut self) -> Vec<RequestId> {
        self.replica.let_go_of_held()
    }

    /// Answers who waits for the hub alone. Then it takes no more inputs.
    pub(super) fn end_waits(&mut self) {
        self.replica.end_waits();
    }

    pub(super) fn next_effect(&mut self) -> Option<Effect> {
        self.replica.poll_effect()
    }

    pub(super) fn in_flight_bytes(&self) -> usize {
        self.replica.in_flight_bytes()
    }

    /// The durable rows as they are now; `None` when there is no disk.
    pub(super) fn snapshot(&self) -> Option<StoreSnapshot> {
        self.replica.store().on_disk().map(replica::Store::snapshot)
    }

    /// Whether the disk takes writes; blocks for as long as it takes to write and sync some.
    pub(super) fn probe(&self) -> io::Result<()> {
        self.replica.store().on_disk().map_or(Ok(()), FjallStore::probe)
    }

    /// How others read the durable rows; `None` when there is no disk.
    pub(super) fn reader(&self) -> Option<StoreReader> {
        self.replica.store().on_disk().map(FjallStore::reader)
    }

    /// What they need beside them.
    pub(super) fn view(&self) -> View {
        self.replica.view()
    }

    /// Another one as soon as the view is.
    pub(super) fn view_number(&self) -> u64 {
        self.replica.view_number()
    }

    /// Under which origin it writes.
    pub(crate) fn origin(&self) -> document::Origin {
        self.replica.origin()
    }
}

/// Whether changes may come of it, if the core takes it.
fn writes(request: &Request) -> bool {
    match request {
        Request::Write { .. }
        | Request::Transaction { .. }
        | Request::Grant { .. }
        | Request::Revoke { .. }
        | Request::AddSchema { .. } => true,
        Request::Get { .. }
        | Request::List { .. }
        | Request::Query { .. }
        | Request::History { .. }
        | Request::Conflicts { .. }
        | Request::Watch { .. }
        | Request::Wait { .. }
        | Request::Status
        | Request::Blocked { .. }
        | Request::Retry { .. }
        | Request::Drop { .. }
        | Request::Schemas => false,
    }
}
