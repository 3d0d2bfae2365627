use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use document::AddressError;
use transport::AuthorityError;

use super::line::LineError;
use crate::config::PeerAddressError;
use crate::local::{CallError, ConnectError};

/// Why the processes could not be started, or one of them is gone.
#[derive(Debug, thiserror::Error)]
pub(in crate::demo) enum FleetError {
    #[error("cannot find this program's own file to start it again: {0}")]
    Program(io::Error),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("a space has a name that is none: {0}")]
    Space(#[from] AddressError),
    #[error(transparent)]
    PeerAddress(#[from] PeerAddressError),
    #[error("a configuration has no TOML form: {0}")]
    Config(#[from] toml::ser::Error),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("no UDP socket between a shop and the hub: {0}")]
    Proxy(io::Error),
    #[error("cannot start {replica}: {source}")]
    Start { replica: String, source: io::Error },
    #[error("cannot kill {replica}: {source}")]
    Kill { replica: String, source: io::Error },
    #[error("{replica} was not ready after {waited_s} s; its log ends with:\n{log}")]
    NotReady { replica: String, waited_s: u64, log: String },
    #[error("{replica} ended by itself ({status}); its log ends with:\n{log}")]
    Ended { replica: String, status: ExitStatus, log: String },
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{replica} does not say at which address it can be dialled")]
    Address { replica: String },
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
    #[error("the hub does not say how it is: {source}")]
    Status { source: CallError },
}
