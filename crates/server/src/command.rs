//! The commands.

mod answer;
mod asking;
mod backup;
mod blocked;
mod config;
mod doctor;
mod documents;
mod history;
mod hub;
mod identity;
mod join;
mod query;
mod rights;
mod schema;
mod setup;
mod status;
mod token;
mod transfer;
mod watch;

pub use crate::condition::ConditionError;
pub use transfer::{CellFault, RowError, TransferError};

use asking::Asking;

use crate::arguments::{Arguments, Command};
use crate::callers::TokenFileError;
use crate::causes::{FULL_DISK_HINT, is_of_full_disk};
use crate::config::ConfigErrors;
use crate::data_directory::{IncarnationError, LockError};
use crate::demo;
use crate::enrolment::{DenyListError, EnrolmentError, InitError, JoinError, NO_HUB_HINT, SpacesError};
use crate::local::{CallError, ConnectError, RefusalKind, Request, Response};
use crate::log;
use crate::schemas::SchemasError;
use crate::server::{self, AloneError, ServeError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use transport::AuthorityError;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The server did not start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// No connection to a server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No server runs, and the replica did not open without one.
    #[error(transparent)]
    Alone(#[from] AloneError),
    /// The request was refused, or nobody knows what became of it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An authority or identity was not made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// No hub was made.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The hub did not do it.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The list of denied replicas cannot be used.
    #[error(transparent)]
    DenyList(#[from] DenyListError),
    /// What a site is to do cannot be read.
    #[error(transparent)]
    Spaces(#[from] SpacesError),
    /// `isle doctor` found what does not work.
    #[error("checks that failed: {failed}")]
    Unwell {
        /// How many.
        failed: usize,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The site did not join.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The document was never written.
    #[error("there is no document {address}")]
    NoDocument {
        /// Which.
        address: document::Address,
    },
    /// Documents were not exported or imported, or not all.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A schema cannot be used.
    #[error(transparent)]
    Schemas(#[from] SchemasError),
    /// The site is not known here.
    #[error("nothing is known of a site {site} here")]
    NoRights {
        /// Its name.
        site: String,
    },
    /// The replica goes by its settings.
    #[error("this replica goes by no access documents: what its peers may do stands in its isle.toml")]
    NoAccessDocuments,
    /// A name cannot be one.
    #[error(transparent)]
    Name(#[from] document::AddressError),
    /// The write was to wait for the hub, which did not confirm it in time.
    #[error(
        "the write is stored here and not yet at the hub: nothing is lost, it gets there with the next link, if the hub takes \
         this replica's writes still"
    )]
    NotAtHub,
    /// A revocation that a restart would forget.
    #[error(
        "{site} is revoked: its key is refused from here on. It is not durable until there is room: {cause}"
    )]
    RevokedForNow {
        /// Whose.
        site: String,
        /// Why it is not on the disk.
        cause: String,
    },
    /// A change of a document still cannot be applied.
    #[error("{address} is blocked still: {reason}")]
    StillBlocked {
        /// Which document.
        address: document::Address,
        /// Why.
        reason: String,
    },
    /// A text is no JSON, or not of the form that belongs there.
    #[error("the JSON does not fit: {0}")]
    Json(#[from] serde_json::Error),
    /// A text is no time.
    #[error("'{text}' is no time: write it as in 2026-11-24T08:00:00Z: {source}")]
    Time {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: time::error::Parse,
    },
    /// A field is no JSON Pointer.
    #[error(transparent)]
    Pointer(#[from] document::PointerError),
    /// A condition of a query.
    #[error(transparent)]
    Condition(#[from] ConditionError),
    /// There is no store.
    #[error("there is no store in {}", path.display())]
    NoStore {
        /// Where it would be.
        path: PathBuf,
    },
    /// The store did not open.
    #[error(transparent)]
    Open(#[from] store::OpenError),
    /// The store is damaged.
    #[error("{source}")]
    Damaged {
        /// The data directory.
        data: PathBuf,
        /// What was found.
        source: replica::StoreError,
    },
    /// No backup was made.
    #[error(transparent)]
    Backup(#[from] store::BackupError),
    /// Nothing was restored.
    #[error(transparent)]
    Restore(#[from] store::RestoreError),
    /// Nothing was set aside.
    #[error(transparent)]
    SetAside(#[from] store::SetAsideError),
    /// The incarnation is in the way.
    #[error(transparent)]
    Incarnation(#[from] IncarnationError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A certificate cannot be read.
    #[error("cannot read {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A token was not made, listed or revoked.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// Standard input has more than a request can carry.
    #[error("standard input has more than the {bytes_max} bytes of a request")]
    InputTooLong {
        /// What is allowed.
        bytes_max: usize,
    },
    /// The server that a feed came from ended.
    #[error("the server ended, and the feed with it: `isle watch --from` goes on after the last cursor")]
    FeedEnded,
    /// Standard output does not take the answer.
    #[error(
        "standard output does not take the answer: {source}. What was asked is done; a write is not to be sent again, unless \
         under an --idempotency-key that it had"
    )]
    Output {
        /// What the system said.
        source: io::Error,
    },
    /// Standard input or another part of the system failed.
    #[error("standard input or the system failed: {0}")]
    Io(#[source] io::Error),
}

/// What to do about a server that does not answer.
const SILENT_HINT: &str =
    "`isle doctor` says more; `kill -CONT` has a stopped process go on, and a restart loses nothing";

impl CommandError {
    /// What the process ends with; `isle --help` lists them.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Call(error) if error.is_outcome_unknown()) {
            3
        } else if matches!(
            self,
            Self::Connect(ConnectError::NotRunning { .. } | ConnectError::Silent { .. })
                | Self::Call(CallError::Silent { .. })
                | Self::Alone(AloneError::NoStore { .. } | AloneError::Busy { .. })
                | Self::FeedEnded
        ) {
            4
        } else if matches!(self, Self::NotAtHub) {
            5
        } else if matches!(self, Self::RevokedForNow { .. })
            || matches!(self, Self::Transfer(error) if error.is_part())
        {
            6
        } else if matches!(self, Self::Call(CallError::Refused(refusal)) if refusal.kind == RefusalKind::ConditionFailed)
        {
            7
        } else if matches!(self, Self::Output { .. }) {
            8
        } else {
            1
        }
    }

    /// What to do about it, where the message does not say it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        if let Self::Call(CallError::Refused(refusal)) = self {
            if refusal.kind == RefusalKind::UnknownOutcome {
                return Some("run the command again with the same --idempotency-key: it counts once");
            }
            return refusal.hint.as_deref();
        }
        if let Self::Call(CallError::Silent { is_write, .. }) = self {
            return Some(match is_write {
                true => {
                    "`isle doctor` says more. Once it answers again, see what is there: only with the --idempotency-key that \
                     it had may it be sent again"
                }
                false => SILENT_HINT,
            });
        }
        if matches!(self, Self::Connect(ConnectError::Silent { .. })) {
            return Some(SILENT_HINT);
        }
        if matches!(self, Self::Damaged { .. } | Self::Open(store::OpenError::Damaged { .. })) {
            return Some("`isle repair` sets the store aside; peers fill an empty one");
        }
        if let Self::Serve(error) | Self::Alone(AloneError::Open(error)) = self
            && let Some(hint) = error.hint()
        {
            return Some(hint);
        }
        if let Self::Join(error) = self
            && let Some(hint) = error.hint()
        {
            return Some(hint);
        }
        if matches!(self, Self::Output { .. }) {
            return Some("see to where the output goes: `isle doc get` and the like show what is there");
        }
        if is_of_full_disk(self) {
            return Some(FULL_DISK_HINT);
        }
        if matches!(self, Self::Enrolment(EnrolmentError::NoHub { .. })) {
            return Some(NO_HUB_HINT);
        }
        if matches!(self, Self::RevokedForNow { .. }) {
            return Some(
                "free space on the disk of the data directory: the hub tries again by itself; before it has, a hub that is \
                 started again lets the site in, and `isle hub revoke` has to be said again",
            );
        }
        if matches!(self, Self::StillBlocked { .. }) {
            return Some(
                "upgrade this replica; `isle blocked drop --help` says how to go on without the change",
            );
        }
        if matches!(self, Self::NotAtHub) {
            return Some(
                "do not send it again, it would count twice, unless with the --idempotency-key that it had; `isle status` shows the links",
            );
        }
        if let Self::Transfer(error) = self {
            return error.hint();
        }
        if matches!(self, Self::NoRights { .. }) {
            return Some("`isle rights list` shows those that are known");
        }
        if matches!(self, Self::NoAccessDocuments) {
            return Some(NO_HUB_HINT);
        }
        matches!(self, Self::NoDocument { .. }).then_some("`isle doc list` shows what a collection has")
    }
}

/// Does what the command line says. The demo has exit codes of its own.
///
/// # Errors
/// [`CommandError`] explains itself and has the exit code.
pub fn run(arguments: Arguments) -> Result<ExitCode, CommandError> {
    // A server logs as its configuration says.
    if !arguments.is_server() {
        log::start_as_environment_says();
    }
    match dispatch(arguments) {
        // Who reads the output has enough, as `head` has.
        Err(CommandError::Output { source }) if source.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        ended => ended,
    }
}

fn dispatch(arguments: Arguments) -> Result<ExitCode, CommandError> {
    match arguments.command {
        Command::Serve(arguments) => server::run(&arguments.data.data, &arguments.settings.layers())?,
        Command::Config(command) => config::run(&command)?,
        Command::Doctor(arguments) => block_on(doctor::run(&arguments))?,
        Command::Completions(arguments) => setup::completions(&arguments)?,
        Command::Man(arguments) => setup::man(&arguments)?,
        Command::Status(arguments) => block_on(status::run(&arguments))?,
        Command::Doc(command) => block_on(documents::run(&command))?,
        Command::Watch(arguments) => block_on(watch::run(&arguments))?,
        Command::Query(arguments) => block_on(query::run(&arguments))?,
        Command::Export(arguments) => block_on(transfer::export(&arguments))?,
        Command::Import(arguments) => block_on(transfer::import(&arguments))?,
        Command::Blocked(command) => block_on(blocked::run(&command))?,
        Command::Backup(arguments) => block_on(backup::back_up(&arguments))?,
        Command::Restore(arguments) => backup::restore(&arguments)?,
        Command::Verify(arguments) => backup::verify(&arguments)?,
        Command::Repair(arguments) => backup::repair(&arguments)?,
        Command::Hub(command) => block_on(hub::run(&command))?,
        Command::Rights(command) => block_on(rights::run(&command))?,
        Command::Schema(command) => block_on(schema::run(&command))?,
        Command::Token(command) => token::run(&command)?,
        Command::Join(arguments) => block_on(join::run(&arguments))?,
        Command::Identity(command) => identity::run(&command)?,
        Command::Demo(arguments) => return Ok(demo::run(arguments)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Commands talk to one socket: one thread is enough.
fn block_on(future: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

async fn call(data: &Path, request: &Request) -> Result<Response, CommandError> {
    Asking::of(data).await?.call(request).await
}

/// The server answered with another kind of result than belongs to the request.
fn unasked() -> CommandError {
    CommandError::Call(CallError::Unasked)
}
