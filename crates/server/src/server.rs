//! `isle serve`: opens everything, runs the event loop, ends everything.

mod alone;
mod embedded;
mod guarded;
mod network;

pub use alone::AloneError;
pub(crate) use alone::{Alone, open_alone};
pub use embedded::{Embedded, EmbeddedBody, Rows};

use crate::banner::Banner;
use crate::callers::Tokens;
use crate::causes::{DESCRIPTORS_HINT, is_of_descriptors, is_of_missing_file};
use crate::clock::Clocks;
use crate::config::{Config, ConfigErrors, Effective, Layers, SpaceName};
use crate::data_directory::{DataDirectory, DataDirectoryLock, IncarnationError, LockError};
use crate::enrolment::{
    DenyList, DenyListError, EnrolmentError, Hub, Refusals, renew_own, warn_of_certificate,
};
use crate::event_loop::{
    DRAIN_DEADLINE, EventLoop, OpenCoreError, Opening, Pulse, Stop, StopOrder, arrivals,
};
use crate::http::{Api, HttpError, HttpListener, Limits};
use crate::local::{LocalSocket, SocketError};
use crate::log;
use crate::observing::{ObserveError, Observed, Observing};
use crate::open_files::{self, OpenFilesError};
use crate::random::{self, RandomError};
use crate::schemas::{self, SchemasError};
use crate::systemd;
use document::Schemas;
use guarded::guarded;
use network::Addresses;
use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::timeout;
use transport::{BindError, Endpoint, Identity, IdentityError};

/// How long connections may take to end in order: the end of a stream to be confirmed, answers to be read.
const TASKS_DEADLINE: Duration = Duration::from_millis(700);

/// How long peers may take to hear that the socket closes.
const IDLE_DEADLINE: Duration = Duration::from_millis(300);

/// From the order to stop to the end of the process at most: a service manager kills what takes longer than it was told. What
/// is left of it is for closing the store.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
const _: () = assert!(
    DRAIN_DEADLINE.as_millis() + TASKS_DEADLINE.as_millis() + IDLE_DEADLINE.as_millis() + 1_000
        <= STOP_DEADLINE.as_millis()
);

/// How long the last words of a process may take.
const LOG_PATIENCE: Duration = Duration::from_millis(100);

/// How long a server waits for the data directory: a command that works on it has it for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Key or certificates cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The hub's authority or book cannot be used.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The list of denied replicas cannot be used.
    #[error(transparent)]
    DenyList(#[from] DenyListError),
    /// The certificate is for another replica.
    #[error(
        "{} says name = \"{configured}\", but the certificate in {} is for \"{certified}\": use the right one of the two",
        config.display(), identity.display()
    )]
    OtherName {
        /// The configuration.
        config: PathBuf,
        /// The name in it.
        configured: String,
        /// Where the certificate is.
        identity: PathBuf,
        /// The name in it.
        certified: String,
    },
    /// The store has no incarnation.
    #[error(transparent)]
    Incarnation(#[from] IncarnationError),
    /// A schema of the data directory cannot be used.
    #[error(transparent)]
    Schemas(#[from] SchemasError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store did not open.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// The store could not be read.
    #[error(transparent)]
    StoreRead(#[from] replica::StoreError),
    /// The UDP socket did not open.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The local socket did not open.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The API for services did not open.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The address for monitoring did not open.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// A part of a running server ended by a fault of the program.
    #[error(
        "a part of the server panicked: {said}. Without it the rest would only look well, so that all of it has stopped: \
         start it again. It is a fault of isle: please report it"
    )]
    Panicked {
        /// What the panic said.
        said: String,
    },
    /// Too few files may be open.
    #[error(transparent)]
    OpenFiles(#[from] OpenFilesError),
    /// The system gave no threads or signals.
    #[error("cannot start: {0}")]
    Runtime(#[from] io::Error),
}

impl ServeError {
    /// What to do about it, where the message does not say it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        if matches!(self, Self::OpenFiles(_)) || is_of_descriptors(self) {
            return Some(DESCRIPTORS_HINT);
        }
        if matches!(self, Self::Config(_) | Self::Identity(_)) && is_of_missing_file(self) {
            return Some(
                "`isle join TOKEN` makes configuration and identity of a site that was invited, `isle hub init` those of a hub, \
                 `isle identity issue` an identity for an isle.toml of your own",
            );
        }
        let is_damaged = matches!(
            self,
            Self::Store(store::OpenError::Damaged { .. })
                | Self::StoreRead(replica::StoreError::Damaged { .. })
        );
        if is_damaged {
            return Some("`isle repair` sets the store aside; peers fill an empty one");
        }
        let is_address =
            matches!(self, Self::Bind(_) | Self::Observe(_) | Self::Http(HttpError::Address { .. }));
        is_address.then_some(
            "`isle config show` says where the address comes from; `ss -lnptu` lists who has which",
        )
    }
}

impl From<OpenCoreError> for ServeError {
    fn from(error: OpenCoreError) -> Self {
        match error {
            OpenCoreError::Open(error) => Self::Store(error),
            OpenCoreError::Read(error) => Self::StoreRead(error),
            OpenCoreError::Incarnation(error) => Self::Incarnation(error),
            OpenCoreError::Random(error) => Self::Random(error),
        }
    }
}

/// What is read of a data directory: nothing was written yet.
struct Checked {
    config: Config,
    identity: Identity,
    hub: Option<Hub>,
    denied: Refusals,
    schemas: Schemas,
}

/// What is needed to open its store.
struct Prepared {
    config: Config,
    identity: Identity,
    hub: Option<Hub>,
    denied: Refusals,
    opening: Opening,
}

/// Whether a configuration says the name that is in the certificate.
pub(crate) fn check_name(
    directory: &DataDirectory,
    identity: &Identity,
    config: &Config,
) -> Result<(), ServeError> {
    if identity.name() == config.name {
        return Ok(());
    }
    Err(ServeError::OtherName {
        config: directory.config(),
        configured: config.name.clone(),
        identity: directory.identity(),
        certified: identity.name().to_owned(),
    })
}

/// Reads and checks it all.
fn check(directory: &DataDirectory, config: Config) -> Result<Checked, ServeError> {
    let identity = Identity::load(&directory.identity())?;
    check_name(directory, &identity, &config)?;
    let hub = Hub::open(directory, &config)?;
    let schemas = schemas::load(&directory.schemas())?;
    let denied = DenyList::of(directory).read()?;
    if hub.as_ref().is_some_and(|hub| !hub.certifies()) && denied != Refusals::default() {
        return Err(EnrolmentError::DeniedBeside { list: directory.denied() }.into());
    }
    Ok(Checked { config, identity, hub, denied, schemas })
}

/// Writes what is to be there before the store is opened: an incarnation where there is none.
fn prepare(
    directory: &DataDirectory,
    checked: Checked,
    lock: &DataDirectoryLock,
) -> Result<Prepared, ServeError> {
    let Checked { config, identity, mut hub, denied, schemas } = checked;
    if let Some(hub) = hub.as_mut().filter(|_| !directory.has_known_store()) {
        // Durable before the incarnation is: with one this store counts as known.
        let forgotten = hub.change(|book| {
            book.forget_written();
            Ok::<(), Infallible>(())
        });
        forgotten.map_err(EnrolmentError::from)?.unwrap_or_else(|never| match never {});
    }
    let incarnation = directory.incarnation(lock)?;
    let mut settings = config.settings(schemas, identity.public_key(), incarnation, random::number()?);
    // A space of a site that was revoked, or may do nothing there any more, is still read here.
    for SpaceName(space) in hub.iter().flat_map(|hub| hub.book().spaces()) {
        settings.spaces.entry(space.clone()).or_insert(replica::SpaceMode::Write);
    }
    let durability = config.durability();
    let opening = Opening {
        directory: directory.clone(),
        settings,
        durability,
        clocks: Clocks::start(),
        must_renew: false,
        refused_bytes: 0,
        rows: Rows::Disk,
    };
    Ok(Prepared { config, identity, hub, denied, opening })
}

/// Serves until SIGTERM or SIGINT. `layers` overrule the configuration of the directory.
pub(crate) fn run(data: &Path, layers: &Layers) -> Result<(), ServeError> {
    let directory = DataDirectory::new(data);
    directory.check_there()?;
    let Effective { config, warnings, .. } = Effective::load(&directory.config(), layers)?;
    log::start(config.log.as_ref(), config.log_format);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    open_files::raise()?;
    let lock = directory.lock_within(LOCK_PATIENCE)?;
    let checked = check(&directory, config)?;
    // The store is opened and the loop runs on this thread, where waiting for the disk holds up nobody; connections run on
    // the others.
    let readers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    // One more than may wait for the disk at a time: monitoring and peers are never behind it.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(readers + 1).enable_all().build()?;
    runtime.block_on(serve((&directory, &lock), checked, readers))
}

/// The identity to start with. A hub renews its own certificate before anybody sees it.
fn current(directory: &DataDirectory, config: &Config, hub: Option<&Hub>, identity: Identity) -> Identity {
    let renewed = hub.map(|hub| renew_own(hub, &directory.identity(), &identity));
    let identity = match renewed {
        Some(Ok(Some(renewed))) => renewed,
        Some(Err(error)) => {
            tracing::error!(%error, "this hub's own certificate is not renewed");
            identity
        }
        Some(Ok(None)) | None => identity,
    };
    warn_of_certificate(&identity, renewed_by(config, hub.is_some_and(Hub::certifies)));
    identity
}

/// Who renews this replica's certificate; a hub that certifies does so itself.
pub(crate) fn renewed_by(config: &Config, certifies: bool) -> Option<&str> {
    if certifies {
        return Some(&config.name);
    }
    let mut renewing = config.peers.iter().filter(|(_, peer)| peer.renews && peer.address.is_some());
    renewing.next().map(|(name, _)| name.as_str())
}

/// The listener for monitoring, where it is asked for.
async fn observing(config: &Config) -> Result<Option<Observing>, ObserveError> {
    match config.observe {
        Some(address) => Observing::bind(address).await.map(Some),
        None => Ok(None),
    }
}

async fn serve(
    (directory, lock): (&DataDirectory, &DataDirectoryLock),
    checked: Checked,
    readers: usize,
) -> Result<(), ServeError> {
    // Before anything is written: whoever cannot start for an address that is taken has changed nothing.
    let addresses = Addresses::take(directory, &checked.config, checked.config.http.listen)?;
    let observing = observing(&checked.config).await?;
    let observed_at = observing.as_ref().map(Observing::address).transpose()?;
    let Prepared { config, identity, hub, denied, mut opening } = prepare(directory, checked, lock)?;
    let identity = current(directory, &config, hub.as_ref(), identity);
    let (order, stop) = Stop::new();
    let (arrivals, queue) = arrivals(readers);
    let pulse = Pulse::new();
    let mut tasks = JoinSet::new();
    let shown = Arc::new(OnceLock::new());
    // Before the store is opened, which may take long: who looks sees that it lives.
    if let Some(observing) = observing {
        let observed = Observed {
            arrivals: arrivals.clone(),
            pulse: pulse.clone(),
            directory: directory.clone(),
            network: Arc::clone(&shown),
        };
        tasks.spawn(observing.run(observed, stop.clone()));
    }
    // As early: what opens a store may be killed at any time.
    let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let is_open = Arc::new(AtomicBool::new(false));
    tasks.spawn(stop_on_signal(signals, order.clone(), stop.clone(), Arc::clone(&is_open)));
    tracing::info!("opening the store");
    let starting = systemd::starting();
    let opened = opening.open();
    starting.abort();
    let core = opened?;
    is_open.store(true, Ordering::Relaxed);
    tracing::info!(name = %config.name, origin = %core.origin(), "store opened");
    let (network, kept) = addresses.open(&identity)?;
    let socket = LocalSocket::bind(&directory.socket())?;
    let tls = config.http.tls.then(|| network.services());
    let http = HttpListener::bind(&directory.http_socket(), &config.http, tls).await?;
    drop(kept);
    let http_at = http.address()?;
    let attached = (directory, &config, (hub, denied));
    let (endpoint, context) = network.attach(attached, (&arrivals, &stop), &mut tasks);
    // Set once: this is the only place.
    let _ = shown.set((endpoint.clone(), context.presence.clone()));
    let rules = (Limits::of(&config.http), Tokens::open(directory.path()));
    let api = Api::new(arrivals.clone(), Arc::clone(&context), rules, stop.clone());
    tasks.spawn(http.run(api, stop.clone()));
    tasks.spawn(socket.run(arrivals.clone(), Arc::clone(&context), stop.clone()));
    let renewed_by = context.renewed_by.as_deref();
    let banner = Banner { directory, config: &config, endpoint: &endpoint, observed_at, http_at, renewed_by };
    banner.log();
    banner.announce();
    systemd::ready(&banner.summary());
    tasks.spawn(systemd::run(pulse.clone(), stop.clone()));
    let running = EventLoop::new(queue, stop, pulse).run(core, &mut opening);
    let (core, whole) = guarded(running, &mut tasks, &order, end_in_time).await;
    drop(arrivals);
    // Peers and services hear it before the store is closed, which may wait for the disk.
    end(tasks, &endpoint).await;
    drop(core);
    tracing::info!("stopped");
    whole
}

async fn stop_on_signal(
    (mut terminate, mut interrupt): (Signal, Signal),
    order: StopOrder,
    mut stop: Stop,
    is_open: Arc<AtomicBool>,
) {
    let signal = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        // Somebody else gave the order.
        () = stop.ordered() => return,
    };
    if !is_open.load(Ordering::Relaxed) {
        tracing::info!(signal, "stopped before the store was open");
        process::exit(0);
    }
    tracing::info!(signal, "stopping");
    end_in_time();
    order.give();
}

/// From here on the process has [`STOP_DEADLINE`].
fn end_in_time() {
    if let Err(error) = thread::Builder::new().name("stopping".to_owned()).spawn(end_late) {
        tracing::warn!(%error, "nothing ends this process should its disk hang");
    }
}

/// Ends the process where its disk does not let the store be closed in time: then it is as after a kill.
fn end_late() {
    thread::sleep(STOP_DEADLINE);
    // The log may be on the same disk.
    let told = thread::Builder::new().spawn(|| {
        tracing::error!(
            "the store is not closed after {STOP_DEADLINE:?}: its disk is slow, or does not answer"
        );
    });
    drop(told);
    thread::sleep(LOG_PATIENCE);
    process::exit(1);
}

/// Waits for connections to end in order, then closes what is left.
async fn end(mut tasks: JoinSet<()>, endpoint: &Endpoint) {
    let ended = timeout(TASKS_DEADLINE, async { while tasks.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::debug!("connections that did not end in order are closed");
        tasks.shutdown().await;
    }
    endpoint.close("the replica is stopping");
    // Peers that do not hear it find out by themselves.
    let _ = timeout(IDLE_DEADLINE, endpoint.wait_idle()).await;
}
