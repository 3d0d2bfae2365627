//! A replica inside the process of a service: all of a server but what a machine asks of one. It has no signals, no
//! monitoring and no address for services; its service calls it by functions.

use super::guarded::guarded;
use super::network::Addresses;
use super::{LOCK_PATIENCE, Prepared, ServeError, check, current, end, prepare};
use crate::callers::Tokens;
use crate::config::{Effective, Layers};
use crate::data_directory::{DataDirectory, DataDirectoryLock};
use crate::event_loop::{Core, EventLoop, Lookout, Pulse, Stop, StopOrder, arrivals_with};
use crate::http::{Api, Calls, Limits};
use crate::local::LocalSocket;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use hyper::{Request, Response};
use std::io;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use tokio::task::JoinSet;

/// What part of a memory store the journal has.
const JOURNAL_PART: u64 = 4;

/// Where an embedded replica has its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// In the store of the data directory. What is acknowledged outlives the process and the machine's power.
    Disk,
    /// In memory, up to so many MiB. They end with the process; what peers have of them comes back from peers, and every
    /// start that writes is another origin. Peers take few of one key: they are counted in `identity/`, and after 56 no
    /// further one begins where the configuration lets services write.
    Memory {
        /// Nearly that much is read-only.
        mib_max: NonZeroU32,
    },
}

/// The body of an answer; that of a feed goes on.
pub type EmbeddedBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// An open replica. Dropped it ends, once everything that it took is durable; that takes a moment and blocks.
#[derive(Debug)]
pub struct Embedded {
    calls: Calls,
    order: StopOrder,
    thread: Option<JoinHandle<()>>,
}

/// What is said when it is open: the way to it, or why it is not.
type Opened = Result<(Calls, StopOrder), ServeError>;

impl Embedded {
    /// Opens the replica of a data directory, as `isle join` makes one, on a thread of its own, and connects it with its
    /// peers. Blocks until the store is open, which takes seconds when much is to be recovered.
    ///
    /// While it is open `isle status --data DIRECTORY` and the other commands work on it as on a server's. Variables that
    /// overrule a server's configuration do not count here: they are the service's own.
    ///
    /// # Errors
    /// [`ServeError`], as a server would not start.
    pub fn open(data: &Path, rows: Rows) -> Result<Self, ServeError> {
        let (ready, opened) = mpsc::sync_channel::<Opened>(1);
        let directory = DataDirectory::new(data);
        let thread = thread::Builder::new().name("replica".to_owned()).spawn(move || {
            if let Err(error) = run(&directory, rows, &ready) {
                tracing::error!(%error, "the embedded replica ended");
                // Nobody waits for it only after it was opened.
                let _ = ready.send(Err(error));
            }
        })?;
        // The thread is gone without a word only when it panicked.
        let said = opened.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        let (calls, order) = said?;
        Ok(Self { calls, order, thread: Some(thread) })
    }

    /// Answers a request of the HTTP API in this process, as of the data directory's owner. To be called on a tokio
    /// runtime with time. A write whose future is dropped may be done or not.
    pub async fn call(&self, request: Request<Bytes>) -> Response<EmbeddedBody> {
        let answered = self.calls.answer(request).await;
        answered.map(|body| body.map_err(Into::into).boxed_unsync())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.order.give();
        if let Some(thread) = self.thread.take() {
            // It panicked: what was acknowledged is durable all the same.
            let _ = thread.join();
        }
    }
}

fn run(directory: &DataDirectory, rows: Rows, ready: &mpsc::SyncSender<Opened>) -> Result<(), ServeError> {
    directory.check_there()?;
    let Effective { config, warnings, .. } = Effective::load(&directory.config(), &Layers::default())?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let lock = directory.lock_within(LOCK_PATIENCE)?;
    let checked = check(directory, config)?;
    let addresses = Addresses::take(directory, &checked.config, None)?;
    let mut prepared = prepare(directory, checked, &lock)?;
    prepared.opening.rows = rows;
    if let Rows::Memory { mib_max } = rows {
        // The journal is for peers that are away: a part of what there is.
        let journal = &mut prepared.opening.settings.trimming.bytes;
        *journal = (*journal).min(u64::from(mib_max.get()) * 1024 * 1024 / JOURNAL_PART);
    }
    let core = prepared.opening.open()?;
    // The loop is on this thread, where waiting for the disk holds up nobody; connections are on the other.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(serve((directory, &lock), (prepared, addresses), core, ready))
}

async fn serve(
    (directory, _lock): (&DataDirectory, &DataDirectoryLock),
    (prepared, addresses): (Prepared, Addresses),
    core: Core,
    ready: &mpsc::SyncSender<Opened>,
) -> Result<(), ServeError> {
    let Prepared { config, identity, hub, denied, mut opening } = prepared;
    let identity = current(directory, &config, hub.as_ref(), identity);
    let (network, _) = addresses.open(&identity)?;
    let socket = LocalSocket::bind(&directory.socket())?;
    let (order, stop) = Stop::new();
    // The threads that ask are the service's own: they wait for no disk.
    let lookout = match opening.rows {
        Rows::Memory { .. } => Lookout::beside_another(),
        // A disk takes longer than to wake a thread.
        Rows::Disk => Lookout::default(),
    };
    let (arrivals, queue) = arrivals_with(0, lookout);
    let mut tasks = JoinSet::new();
    let let_in = (hub, denied);
    let (endpoint, context) = network.attach((directory, &config, let_in), (&arrivals, &stop), &mut tasks);
    tasks.spawn(socket.run(arrivals.clone(), std::sync::Arc::clone(&context), stop.clone()));
    let rules = (Limits::in_process(&config.http), Tokens::open(directory.path()));
    let calls = Calls::new(Api::new(arrivals.clone(), context, rules, stop.clone()));
    // Nobody waits any more when the process is ending: the order to stop was given then.
    let _ = ready.send(Ok((calls, order.clone())));
    let running = EventLoop::new(queue, stop, Pulse::new()).run(core, &mut opening);
    let (core, whole) = guarded(running, &mut tasks, &order, || ()).await;
    drop(arrivals);
    end(tasks, &endpoint).await;
    drop(core);
    whole
}
