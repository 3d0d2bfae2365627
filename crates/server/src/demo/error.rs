use document::{AddressError, PointerError};
use tokio::task::JoinError;

use super::data::DataError;
use super::fleet::FleetError;
use crate::local::{CallError, ConnectError};

/// Why the demo did not come to its result.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error("{0}")]
    Address(#[from] AddressError),
    #[error(transparent)]
    Pointer(#[from] PointerError),
    #[error("{replica}: {source}")]
    Connect { replica: String, source: ConnectError },
    #[error("{replica}: {source}")]
    Call { replica: String, source: CallError },
    #[error("{replica} answered something else than was asked")]
    Answer { replica: String },
    #[error("the shops have not got the opening stock after {waited_s} s: {}", waiting.join("; "))]
    NotLoaded { waited_s: u64, waiting: Vec<String> },
    #[error("a part of the demo failed: {0}")]
    Task(#[from] JoinError),
    #[error("stopped before the end; nothing is left behind")]
    Interrupted,
    #[error("cannot make a temporary directory: {0}; is TMPDIR writable?")]
    Directory(std::io::Error),
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    #[error("the report cannot be written: {0}")]
    Output(std::io::Error),
}
