//! The one task that owns the replica.
//!
//! Everything that can happen to a replica comes through one place: what arrives (requests of services, peers,
//! their frames), what the store reports, and the order to stop. The loop takes a bounded number of inputs, ends the
//! turn, and carries out what the core decided. There is no lock around the replica and no other way to it.
//!
//! Invariants:
//! - While more than [`IN_FLIGHT_BYTES_MAX`] wait for the disk, nothing but the store's reports is taken: services and
//!   peers wait in their sockets.
//! - Reads that the durable rows answer do not come here (module `viewing`): they hold up no write, and none holds up them.
//! - Every request that was taken gets one answer: the core's, or what is known when there is none: that it was not
//!   done, or that the outcome is unknown.
//! - A failed store is opened again; the pauses grow until it holds for a while, and the status says why. The server
//!   goes on. As long as the disk takes no writes the failed store stays open to readers.

mod arrival;
mod backup;
mod conduct;
mod core;
mod effects;
mod events;
mod fairness;
mod links;
mod loads;
mod lookout;
mod pulse;
mod reopening;
mod requests;
mod stop;
mod stored;
mod viewing;
mod watching;

pub(crate) use arrival::{Arrivals, ArrivingLink, FrameQueues, LoopEnded, arrivals, arrivals_with};
pub(crate) use conduct::{Counts, RefusedKey};
pub(crate) use core::{Core, OpenCoreError, Opening};
pub(crate) use lookout::Lookout;
pub(crate) use pulse::{Pulse, STUCK_AFTER};
pub(crate) use requests::{Beside, Outcome, Reply, Waiting};
pub(crate) use stop::{Stop, StopOrder};
pub(crate) use watching::{ClientId, Watching};

use crate::local::Refusal;
use arrival::{Arrival, ArrivalQueue};
use backup::Backups;
use fairness::Source;
use links::Links;
use loads::Loads;
use reopening::Reopening;
use replica::{Input, Loaded, StoreError};
use requests::Requests;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use watching::Watches;

/// Inputs of one turn. With 20 to 50 µs each a turn takes a few milliseconds, so that acknowledgements never wait
/// long behind a burst; the store groups the batches of turns by itself.
const INPUTS_PER_TURN_MAX: usize = 128;

/// How long a turn takes inputs: a frame may have thousands of changes, and who waits for an acknowledgement is not to
/// wait for many of them.
const TURN_MAX: Duration = Duration::from_millis(10);

/// Bytes on their way to the disk from which on nothing new is taken: half of what the store queues, so that handing
/// over a batch hardly ever waits.
const IN_FLIGHT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How long what was taken may take to become durable when the server is to stop.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(3);

/// The loop's own state; the core is apart, because it is replaced when the store fails.
pub(crate) struct EventLoop {
    arrivals: ArrivalQueue,
    stop: Stop,
    links: Links,
    loads: Loads,
    requests: Requests,
    watches: Watches,
    backups: Backups,
    reopening: Reopening,
    /// Whether the core is to be opened again under a new incarnation.
    is_renewing: bool,
    pulse: Pulse,
}

/// What the loop does next.
enum Cause {
    Stop,
    /// The store has something to report.
    Commit,
    Arrived(Source, Box<Arrival>),
    /// A document was read that the core asked for.
    Loaded(Box<Loaded>),
    /// The time has come that the core asked for.
    Due,
    /// The core has more to send without any input.
    Work,
}

impl EventLoop {
    pub(crate) fn new(arrivals: ArrivalQueue, stop: Stop, pulse: Pulse) -> Self {
        Self {
            arrivals,
            stop,
            links: Links::default(),
            loads: Loads::default(),
            requests: Requests::default(),
            watches: Watches::default(),
            backups: Backups::default(),
            reopening: Reopening::new(Instant::now()),
            is_renewing: false,
            pulse,
        }
    }

    /// Runs until it is told to stop and what was taken is durable and answered. Who waits for anything hears its end before
    /// the returned core is dropped: closing a store may wait for its disk.
    #[must_use = "dropping it closes the store"]
    pub(crate) async fn run(mut self, mut core: Core, opening: &mut Opening) -> Option<Core> {
        self.pulse.begin();
        let left = loop {
            let is_failed = match self.serve(&mut core).await {
                Ok(()) if self.is_renewing => {
                    self.refuse_held(&mut core);
                    core.end_waits();
                    self.carry_out(&mut core);
                    self.is_renewing = false;
                    opening.must_renew = true;
                    let why = "the store is an old copy and is being opened under a new origin";
                    self.let_go(&requests::unknown_outcome(), why);
                    false
                }
                served => {
                    let drained = if served.is_ok() { self.drain(&mut core).await } else { served };
                    let Err(error) = drained else { break Some(core) };
                    self.reopening.failed(error.to_string(), Instant::now());
                    let outcome = core.outcome().await;
                    self.refuse_held(&mut core);
                    // What became durable before the failure is answered; so is who only waits for the hub.
                    core.end_waits();
                    self.carry_out(&mut core);
                    tracing::error!(%error, "the store failed: it is opened again");
                    let refusal = match outcome {
                        store::Outcome::NotWritten => requests::not_done(&error),
                        store::Outcome::Unknown => requests::unknown_outcome(),
                    };
                    self.let_go(&refusal, "the store failed and is being opened again");
                    opening.refused_bytes =
                        if error == StoreError::Full { core.in_flight_bytes() } else { 0 };
                    true
                }
            };
            let readable = is_failed.then_some(core);
            match self.reopen(readable, opening).await {
                Ok(opened) => core = opened,
                Err(readable) => break readable,
            }
        };
        // What came while it drained was not taken either, and is told so.
        self.arrivals.close();
        self.refuse_arrivals();
        self.arrivals.viewed.close();
        self.backups.end();
        self.requests.end(&requests::unknown_outcome());
        self.watches.end();
        self.links.end();
        left
    }

    /// Serves until it is to stop, or to be opened anew.
    async fn serve(&mut self, core: &mut Core) -> Result<(), StoreError> {
        let served = self.turns(core).await;
        self.pulse.rest();
        served
    }

    async fn turns(&mut self, core: &mut Core) -> Result<(), StoreError> {
        let (mut more, mut is_asked) = (false, false);
        loop {
            if is_asked && !more {
                // Who was answered may ask again at once.
                is_asked = self.arrivals.look_out(core);
            }
            let cause = self.next(core, more).await;
            self.pulse.work();
            match cause {
                Cause::Stop => return Ok(()),
                Cause::Commit => {
                    core.settle()?;
                    // Who waits for an answer has it before readers of feeds and peers are seen to.
                    self.arrivals.viewed.follow(core);
                    self.carry_out(core);
                }
                Cause::Arrived(source, arrival) => {
                    is_asked |= source == Source::Local;
                    self.take_some(core, source, *arrival)?;
                }
                Cause::Loaded(loaded) => {
                    core.handle(Input::Loaded(loaded))?;
                    // One load after the other keeps nobody out.
                    if let Some((source, arrival)) = self.arrivals.try_next() {
                        self.take_some(core, source, arrival)?;
                    }
                }
                Cause::Due => core.handle(Input::Timeout)?,
                Cause::Work => {}
            }
            more = core.end_turn()?;
            self.arrivals.viewed.follow(core);
            self.carry_out(core);
            self.pulse.rest();
            if self.is_renewing {
                return Ok(());
            }
        }
    }

    /// Every cause of work is listed here.
    async fn next(&mut self, core: &mut Core, more: bool) -> Cause {
        let has_room = core.in_flight_bytes() < IN_FLIGHT_BYTES_MAX;
        let (committed, due) = core.causes();
        tokio::select! {
            biased;
            () = self.stop.ordered() => Cause::Stop,
            () = committed => Cause::Commit,
            () = due => Cause::Due,
            loaded = self.loads.next(), if has_room => Cause::Loaded(loaded),
            // The senders are never all gone: the loop's owner keeps one.
            Some((source, arrival)) = self.arrivals.next(), if has_room => {
                Cause::Arrived(source, Box::new(arrival))
            }
            () = std::future::ready(()), if more => Cause::Work,
        }
    }

    /// The arrival, and those that wait behind it, up to the limits of a turn. Each source pays for the time that its
    /// arrivals take.
    fn take_some(&mut self, core: &mut Core, source: Source, arrival: Arrival) -> Result<(), StoreError> {
        let began = Instant::now();
        let (mut before, mut next) = (began, Some((source, arrival)));
        let mut taken = 0;
        // What is taken out of the queue is handed to the core: a turn looks for another only when it may take it.
        while let Some((source, arrival)) = next.take() {
            let ended = if let Arrival::PeerDown { link } = arrival { Some(link) } else { None };
            self.take(core, arrival)?;
            let now = Instant::now();
            self.arrivals.charge(source, now - before);
            before = now;
            if let Some(link) = ended {
                self.arrivals.end(link);
            }
            taken += 1;
            let is_full = taken == INPUTS_PER_TURN_MAX || now - began >= TURN_MAX;
            if is_full || core.in_flight_bytes() >= IN_FLIGHT_BYTES_MAX {
                break;
            }
            next = self.arrivals.try_next();
        }
        Ok(())
    }

    /// Lets what was taken become durable and be answered; what has not been taken is refused.
    async fn drain(&mut self, core: &mut Core) -> Result<(), StoreError> {
        let deadline = Instant::now() + DRAIN_DEADLINE;
        self.refuse_arrivals();
        self.refuse_held(core);
        // What no turn has handed over yet, as what a new store begins with, would never become durable.
        core.end_turn()?;
        self.carry_out(core);
        while core.in_flight_bytes() > 0 {
            if timeout_at(deadline, core.committed()).await.is_err() {
                tracing::warn!(
                    in_flight_bytes = core.in_flight_bytes(),
                    "stopping before everything is durable"
                );
                break;
            }
            core.settle()?;
            core.end_turn()?;
            self.carry_out(core);
        }
        core.end_waits();
        self.carry_out(core);
        Ok(())
    }

    /// The core is lost: nobody may wait for it. `refusal` is for the requests that it has not answered.
    fn let_go(&mut self, refusal: &Refusal, why: &str) {
        self.loads.end();
        self.backups.end();
        self.requests.end(refusal);
        self.watches.end();
        self.links.disconnect_all(why);
    }

    /// Opens the store again; an error, with the one that readers have, when the server is to stop. A failed one is closed
    /// when the disk takes writes again, or is full, which opening deals with: until then readers have it.
    async fn reopen(
        &mut self,
        mut readable: Option<Core>,
        opening: &mut Opening,
    ) -> Result<Core, Option<Core>> {
        if readable.is_none() {
            self.arrivals.viewed.close();
        }
        loop {
            // Without randomness the pauses are not spread, which does no harm here.
            let pause = self.reopening.pause(crate::random::number().unwrap_or_default());
            if !self.refuse_for(pause).await {
                return Err(readable);
            }
            if let Some(Err(error)) = readable.as_ref().map(Core::probe)
                && !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            {
                self.reopening.failed(format!("the disk takes no writes: {error}"), Instant::now());
                tracing::error!(%error, "the disk takes no writes: what is stored can be read, and nothing is written");
                continue;
            }
            // The directory is locked until then.
            self.arrivals.viewed.close();
            readable = None;
            match opening.open() {
                Ok(core) => {
                    self.reopening.opened(Instant::now());
                    tracing::info!("the store is open again");
                    return Ok(core);
                }
                Err(error) => {
                    self.reopening.failed(error.to_string(), Instant::now());
                    tracing::error!(%error, "the store does not open: it is tried again");
                }
            }
        }
    }

    /// Refuses what arrives during a pause; false when the server is to stop.
    async fn refuse_for(&mut self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        loop {
            tokio::select! {
                biased;
                () = self.stop.ordered() => return false,
                () = tokio::time::sleep_until(end) => return true,
                Some((_, arrival)) = self.arrivals.next() => self.refuse(arrival),
            }
        }
    }

    fn refuse_arrivals(&mut self) {
        while let Some((_, arrival)) = self.arrivals.try_next() {
            self.refuse(arrival);
        }
    }
}

#[cfg(test)]
mod tests;
