//! The `isle` program: a replica as a server of its site, and the commands around it.
//!
//! It composes what the other crates do: the core (`replica`) on its disk (`store`), connected to its peers
//! (`transport`) and to the services of its site ([`local`]). It decides nothing about documents or replication, and
//! no service waits for a peer.
//!
//! Invariants:
//! - One task owns the replica (module `event_loop`); nothing else reaches it but through one bounded queue.
//! - An answer to a write leaves after the write is durable. A request gets one answer, or its outcome is unknown and
//!   the client is told so.
//! - Two servers never share a data directory, and no origin ever writes from two stores ([`data_directory`]).
//! - Every queue, buffer and pause has a named limit.

#[cfg(isle_planted)]
compile_error!("bugs are planted in the core: only the simulator is built with `--cfg isle_planted`");

mod arguments;
mod banner;
mod callers;
mod causes;
mod clock;
mod command;
mod condition;
pub mod config;
pub mod data_directory;
mod demo;
mod doctor;
pub mod duration;
pub mod enrolment;
mod event_loop;
mod http;
pub mod local;
mod log;
mod memory;
mod observing;
mod open_files;
mod peers;
mod private_file;
mod random;
mod schemas;
mod server;
mod systemd;
mod version;

pub use arguments::Arguments;
pub use callers::{RightsTextError, TokenError, TokenFileError};
pub use command::{CellFault, CommandError, ConditionError, RowError, TransferError, run};
pub use http::HttpError;
pub use observing::ObserveError;
pub use open_files::OpenFilesError;
pub use random::RandomError;
pub use schemas::SchemasError;
pub use server::{AloneError, Embedded, EmbeddedBody, Rows, ServeError};
