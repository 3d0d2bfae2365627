//! A replica without a server: opened in this process for one command, on the same loop and behind the same protocol, and
//! without peers.

use super::{Prepared, ServeError, check, prepare, renewed_by};
use crate::config::{Effective, Layers};
use crate::data_directory::{DataDirectory, LockError};
use crate::enrolment::{Admissions, Hub};
use crate::event_loop::{EventLoop, Pulse, Stop, StopOrder, arrivals};
use crate::local::{Attached, Context, Terms, serve};
use crate::peers::Presence;
use std::io;
use std::os::unix::net::UnixStream as Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Why a replica is not opened for a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AloneError {
    /// Nothing was ever stored there.
    #[error("no server is running in {}, and there is nothing in it yet: start it with `isle serve --data {}`",
        data.display(), data.display())]
    NoStore {
        /// The data directory.
        data: PathBuf,
    },
    /// Somebody has the data directory and answers nobody.
    #[error("a server is starting or ending in {}, or another command works on it: try again in a moment", data.display())]
    Busy {
        /// The data directory.
        data: PathBuf,
    },
    /// As for a server.
    #[error(transparent)]
    Open(#[from] ServeError),
}

/// An open replica. Dropped it ends, once everything that it took is durable.
#[derive(Debug)]
pub(crate) struct Alone {
    order: StopOrder,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.order.give();
        if let Some(thread) = self.thread.take() {
            // It panicked: what was acknowledged is durable all the same.
            let _ = thread.join();
        }
    }
}

/// Opens the replica of a data directory in which no server runs, and a connection to it.
pub(crate) fn open_alone(data: &Path) -> Result<(Alone, Connection), AloneError> {
    let (ready, opened) = mpsc::sync_channel(1);
    let data = data.to_owned();
    let thread = thread::Builder::new().name("replica".to_owned());
    let thread = thread.spawn(move || {
        if let Err(error) = run(&data, &ready) {
            // Nobody waits for it only after it was opened.
            let _ = ready.send(Err(error));
        }
    });
    let thread = thread.map_err(ServeError::from)?;
    // The thread is gone without a word only when it panicked.
    let gone = || ServeError::Runtime(io::ErrorKind::BrokenPipe.into());
    let (order, connection) = opened.recv().map_err(|_| gone())??;
    Ok((Alone { order, thread: Some(thread) }, connection))
}

type Opened = Result<(StopOrder, Connection), AloneError>;

/// Until the order to stop. What it does with the replica is what a server does.
fn run(data: &Path, ready: &mpsc::SyncSender<Opened>) -> Result<(), AloneError> {
    let directory = DataDirectory::new(data);
    let lock = directory.lock().map_err(|error| match error {
        LockError::Taken { path, .. } => AloneError::Busy { data: path },
        error @ (LockError::Missing { .. } | LockError::Io { .. }) => ServeError::from(error).into(),
    })?;
    if !directory.store().join("rows").is_dir() {
        return Err(AloneError::NoStore { data: data.to_owned() });
    }
    let effective = Effective::load(&directory.config(), &Layers::of_environment());
    let config = effective.map_err(ServeError::from)?.config;
    let checked = check(&directory, config)?;
    let Prepared { config, identity, hub, mut opening, .. } = prepare(&directory, checked, &lock)?;
    let core = opening.open().map_err(ServeError::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::from)?;
    let (order, stop) = Stop::new();
    let (arrivals, queue) = arrivals(0);
    let (ours, theirs) = Connection::pair().map_err(ServeError::from)?;
    for end in [&ours, &theirs] {
        end.set_nonblocking(true).map_err(ServeError::from)?;
    }
    let attached = Attached::Alone(identity.validity());
    let renewed_by = renewed_by(&config, hub.as_ref().is_some_and(Hub::certifies)).map(str::to_owned);
    let presence = Presence::of(std::iter::empty());
    let context = Arc::new(Context { attached, renewed_by, admissions: Admissions::none(), presence });
    let served = runtime.block_on(async {
        let stream = UnixStream::from_std(ours)?;
        let serving = tokio::spawn(serve(stream, (arrivals.clone(), context), Terms::ALONE, stop.clone()));
        // Nobody waits any more when the process is ending.
        let _ = ready.send(Ok((order, theirs)));
        let core = EventLoop::new(queue, stop, Pulse::new()).run(core, &mut opening).await;
        drop(arrivals);
        let _ = timeout(super::TASKS_DEADLINE, serving).await;
        drop(core);
        Ok::<(), io::Error>(())
    });
    Ok(served.map_err(ServeError::from)?)
}
