//! What arrives from services and peers, and how much of it may wait.

use super::conduct::Conduct;
use super::core::Core;
use super::fairness::{FairQueue, Source};
use super::lookout::Lookout;
use super::requests::{Reply, Waiting, unavailable};
use super::viewing::{Viewed, Views, views};
use super::watching::{ClientId, WatchId, Watching};
use crate::local::Refusal;
use document::Address;
use replica::{Lane, LinkId, Request, ViewedDocument};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc};
use transport::ConnectionHandle;

/// Arrivals of peers that wait for the loop, and as many of services: four turns of it.
const ARRIVALS_MAX: usize = 512;

/// Bytes of frames that wait for the loop. Who brings more waits for a place, in the order of coming; it holds the one frame
/// that it has read.
const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of services' requests that wait for it: peers, however many, take nothing of their places.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Frames of one lane of a connection that wait for the loop. A peer that brings more is read no faster than its frames are taken,
/// and QUIC tells it so.
const LANE_FRAMES_MAX: usize = 32;

/// Bytes of the frames of one lane of a connection that wait for the loop: two of the longest.
const LANE_BYTES_MAX: usize = 2 * transport::FRAME_BYTES_MAX;

/// The same of the control lane: a rewind may be as long as a frame, and all else there is short.
const CONTROL_BYTES_MAX: usize = transport::FRAME_BYTES_MAX;

/// Something that arrived.
pub(crate) enum Arrival {
    /// A service asks.
    Request {
        request: Request,
        waiting: Waiting,
        bytes: ArrivalBytes,
    },
    /// A service watches. Events go into `outcomes`, which has room for as many as there is credit.
    Watch {
        request: Request,
        watching: Watching,
    },
    /// A service has taken events.
    WatchMore {
        watch: WatchId,
        credit: u32,
    },
    /// A service is gone, with all its watches.
    WatchEnd {
        client: ClientId,
    },
    /// The store is to be backed up.
    Backup {
        directory: PathBuf,
        waiting: Waiting,
    },
    /// A connection to a peer stands. Frames for it go into `frames`.
    PeerUp {
        link: LinkId,
        handle: ConnectionHandle,
        frames: FrameQueues,
    },
    PeerDown {
        link: LinkId,
    },
    Frame {
        link: LinkId,
        lane: Lane,
        frame: Vec<u8>,
        places: FramePlaces,
    },
}

/// Where the frames for a peer go, by lane.
#[derive(Clone)]
pub(crate) struct FrameQueues {
    pub(crate) live: mpsc::Sender<Vec<u8>>,
    /// The same as `live` for a peer that does not know the lane.
    pub(crate) control: mpsc::Sender<Vec<u8>>,
    /// As `control`.
    pub(crate) bulk: mpsc::Sender<Vec<u8>>,
}

impl Arrival {
    fn source(&self) -> Source {
        match self {
            Self::Request { .. }
            | Self::Watch { .. }
            | Self::WatchMore { .. }
            | Self::WatchEnd { .. }
            | Self::Backup { .. } => Source::Local,
            Self::Frame { link, lane: Lane::Bulk, .. } => Source::Bulk(*link),
            Self::PeerUp { link, .. } | Self::PeerDown { link } | Self::Frame { link, .. } => {
                Source::Live(*link)
            }
        }
    }
}

/// Its place among [`FRAME_BYTES_MAX`] or [`REQUEST_BYTES_MAX`]; given back when the core has taken it.
pub(crate) struct ArrivalBytes(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// A connection's number, and the room that its frames have.
pub(crate) struct ArrivingLink {
    pub(crate) link: LinkId,
    control: LaneRoom,
    live: LaneRoom,
    bulk: LaneRoom,
}

impl ArrivingLink {
    fn new(link: LinkId) -> Self {
        let [control, live, bulk] =
            [CONTROL_BYTES_MAX, LANE_BYTES_MAX, LANE_BYTES_MAX].map(LaneRoom::of_bytes);
        Self { link, control, live, bulk }
    }
}

struct LaneRoom {
    frames: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
}

impl LaneRoom {
    fn of_bytes(bytes_max: usize) -> Self {
        let room = |places| Arc::new(Semaphore::new(places));
        Self { frames: room(LANE_FRAMES_MAX), bytes: room(bytes_max), bytes_max }
    }

    async fn place(&self, bytes: usize) -> Result<[OwnedSemaphorePermit; 2], AcquireError> {
        let frame = Arc::clone(&self.frames).acquire_owned().await?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(places(bytes, self.bytes_max)).await?;
        Ok([frame, bytes])
    }
}

/// A frame's places: among those of its lane, and among all that wait.
pub(crate) struct FramePlaces {
    _of_lane: [OwnedSemaphorePermit; 2],
    _of_all: ArrivalBytes,
}

/// The loop has ended; nothing more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is ending")]
pub(crate) struct LoopEnded;

/// The way into the loop. Clones share its limits.
#[derive(Clone)]
pub(crate) struct Arrivals {
    of_peers: mpsc::Sender<Arrival>,
    of_services: mpsc::Sender<Arrival>,
    frame_bytes: Arc<Semaphore>,
    request_bytes: Arc<Semaphore>,
    links: Arc<AtomicU64>,
    views: Views,
    conduct: Conduct,
    lookout: Lookout,
}

/// The loop's end of it.
pub(crate) struct ArrivalQueue {
    of_peers: mpsc::Receiver<Arrival>,
    of_services: mpsc::Receiver<Arrival>,
    waiting: FairQueue<Arrival>,
    /// What readers may see beside the loop.
    pub(super) viewed: Viewed,
    pub(super) conduct: Conduct,
    lookout: Lookout,
}

/// A way into a loop, and the loop's end of it. So many threads at a time may read the store beside the loop where they are
/// asked to: at least one is to be left.
pub(crate) fn arrivals(readers: usize) -> (Arrivals, ArrivalQueue) {
    arrivals_with(readers, Lookout::default())
}

/// The same where loop and services may wait for one another awake.
pub(crate) fn arrivals_with(readers: usize, lookout: Lookout) -> (Arrivals, ArrivalQueue) {
    let (peers_sender, of_peers) = mpsc::channel(ARRIVALS_MAX);
    let (services_sender, of_services) = mpsc::channel(ARRIVALS_MAX);
    let (viewed, views) = views(readers);
    let conduct = Conduct::start();
    let arrivals = Arrivals {
        of_peers: peers_sender,
        of_services: services_sender,
        frame_bytes: Arc::new(Semaphore::new(FRAME_BYTES_MAX)),
        request_bytes: Arc::new(Semaphore::new(REQUEST_BYTES_MAX)),
        links: Arc::default(),
        views,
        conduct: conduct.clone(),
        lookout,
    };
    (arrivals, ArrivalQueue { of_peers, of_services, waiting: FairQueue::new(), viewed, conduct, lookout })
}

impl Arrivals {
    /// A connection, under a number that no other has.
    pub(crate) fn next_link(&self) -> ArrivingLink {
        ArrivingLink::new(LinkId(self.links.fetch_add(1, Ordering::Relaxed)))
    }

    /// How peers behaved, as far as the loop has found.
    pub(crate) fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// A document, if the durable rows tell all of it. Otherwise it is asked for.
    pub(crate) fn viewed(&self, address: &Address) -> Option<ViewedDocument> {
        self.views.document(address)
    }

    #[cfg(test)]
    pub(super) fn views(&self) -> &Views {
        &self.views
    }

    /// A request of `line_bytes`. It is answered through `waiting`, also if the loop has ended.
    pub(crate) async fn request(&self, request: Request, waiting: Waiting, line_bytes: usize) {
        if let Some(answer) = self.views.answer(&request).await {
            return waiting.answer(answer);
        }
        let bytes = place(&self.request_bytes, line_bytes, REQUEST_BYTES_MAX).await;
        let (Ok(bytes), Ok(place)) = (bytes, self.of_services.reserve().await) else {
            waiting.answer(Err(unavailable()));
            return;
        };
        place.send(Arrival::Request { request, waiting, bytes });
    }

    /// Asks as a service would, and waits for the answer. If the loop has ended, that is the answer.
    pub(crate) async fn ask(&self, request: Request) -> Result<Reply, Refusal> {
        self.ask_from(request, None::<(usize, ())>).await
    }

    /// The same with a request that was read from a body: what it takes in bytes, and the room of it, which is let go of when
    /// the request has its place here.
    pub(crate) async fn ask_from<R: Send>(
        &self,
        request: Request,
        room: Option<(usize, R)>,
    ) -> Result<Reply, Refusal> {
        let (outcomes, mut answers) = mpsc::channel(1);
        let Ok(place) = Arc::new(Semaphore::new(1)).acquire_owned().await else { return Err(unavailable()) };
        let bytes = room.as_ref().map_or(0, |(bytes, _)| *bytes);
        self.request(request, Waiting::new(0, outcomes, place), bytes).await;
        drop(room);
        self.lookout.keep(|| !answers.is_empty());
        answers.recv().await.map_or_else(|| Err(unavailable()), |outcome| outcome.result)
    }

    /// A name for a connection of a service that no other has.
    pub(crate) fn next_client(&self) -> ClientId {
        ClientId(self.links.fetch_add(1, Ordering::Relaxed))
    }

    /// A watch, refused through `watching` if the loop has ended.
    pub(crate) async fn watch(&self, request: Request, watching: Watching) {
        match self.of_services.reserve().await {
            Ok(place) => place.send(Arrival::Watch { request, watching }),
            Err(_) => watching.refuse(unavailable()),
        }
    }

    /// Room for more events. Nothing is to be done when the loop has ended.
    pub(crate) async fn watch_more(&self, watch: WatchId, credit: u32) {
        let _ = self.of_services.send(Arrival::WatchMore { watch, credit }).await;
    }

    /// The end of a connection of a service.
    pub(crate) async fn watch_end(&self, client: ClientId) {
        let _ = self.of_services.send(Arrival::WatchEnd { client }).await;
    }

    /// The same without waiting for a place: where there is none the watches end with their first event that nobody takes.
    pub(crate) fn watch_end_now(&self, client: ClientId) {
        let _ = self.of_services.try_send(Arrival::WatchEnd { client });
    }

    /// A backup into a directory. It is answered through `waiting`, also if the loop has ended.
    pub(crate) async fn backup(&self, directory: PathBuf, waiting: Waiting) {
        match self.of_services.reserve().await {
            Ok(place) => place.send(Arrival::Backup { directory, waiting }),
            Err(_) => waiting.answer(Err(unavailable())),
        }
    }

    pub(crate) async fn peer_up(
        &self,
        link: LinkId,
        handle: ConnectionHandle,
        frames: FrameQueues,
    ) -> Result<(), LoopEnded> {
        self.send(Arrival::PeerUp { link, handle, frames }).await
    }

    pub(crate) async fn peer_down(&self, link: LinkId) -> Result<(), LoopEnded> {
        self.send(Arrival::PeerDown { link }).await
    }

    /// A frame of a connection, when there is room for it.
    pub(crate) async fn frame(
        &self,
        from: &ArrivingLink,
        lane: Lane,
        frame: Vec<u8>,
    ) -> Result<(), LoopEnded> {
        let room = match lane {
            Lane::Control => &from.control,
            Lane::Live => &from.live,
            Lane::Bulk => &from.bulk,
        };
        let of_lane = room.place(frame.len()).await.map_err(|_| LoopEnded)?;
        let of_all = place(&self.frame_bytes, frame.len(), FRAME_BYTES_MAX).await?;
        let places = FramePlaces { _of_lane: of_lane, _of_all: of_all };
        self.send(Arrival::Frame { link: from.link, lane, frame, places }).await
    }

    async fn send(&self, arrival: Arrival) -> Result<(), LoopEnded> {
        self.of_peers.send(arrival).await.map_err(|_| LoopEnded)
    }
}

async fn place(all: &Arc<Semaphore>, bytes: usize, most: usize) -> Result<ArrivalBytes, LoopEnded> {
    let permit = Arc::clone(all).acquire_many_owned(places(bytes, most)).await;
    permit.map(ArrivalBytes).map_err(|_| LoopEnded)
}

/// Places that so many bytes take. Requests and frames are bounded far below the limits; a larger one would take all of
/// them.
fn places(bytes: usize, most: usize) -> u32 {
    u32::try_from(bytes.min(most)).unwrap_or(u32::MAX)
}

/// Puts what has come with what waits, of which there is so much already.
fn fill(waiting: &mut FairQueue<Arrival>, from: &mut mpsc::Receiver<Arrival>, already: usize) {
    for _ in already..ARRIVALS_MAX {
        let Ok(arrival) = from.try_recv() else { return };
        waiting.push(arrival.source(), arrival);
    }
}

impl ArrivalQueue {
    /// What is next. It was not taken when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<(Source, Arrival)> {
        if self.waiting.len() == 0 {
            let first = tokio::select! {
                Some(arrival) = self.of_services.recv() => arrival,
                Some(arrival) = self.of_peers.recv() => arrival,
                else => return None,
            };
            self.waiting.push(first.source(), first);
        }
        self.try_next()
    }

    /// Looks for what comes next, before the loop sleeps; whether there is something.
    pub(super) fn look_out(&self, core: &Core) -> bool {
        let is_here = || !(self.of_services.is_empty() && self.of_peers.is_empty());
        self.lookout.keep(|| self.waiting.len() > 0 || core.has_report() || is_here())
    }

    /// What is next of what is here.
    pub(super) fn try_next(&mut self) -> Option<(Source, Arrival)> {
        let of_services = self.waiting.waiting(Source::Local);
        let of_peers = self.waiting.len() - of_services;
        fill(&mut self.waiting, &mut self.of_services, of_services);
        fill(&mut self.waiting, &mut self.of_peers, of_peers);
        self.waiting.pop()
    }

    /// The room that a watch was given for more events, where that is what comes next.
    #[cfg(test)]
    pub(crate) fn try_next_credit(&mut self) -> Option<u32> {
        match self.try_next() {
            Some((_, Arrival::WatchMore { credit, .. })) => Some(credit),
            _ => None,
        }
    }

    /// Takes no more than what was sent before.
    pub(super) fn close(&mut self) {
        self.of_services.close();
        self.of_peers.close();
    }

    /// What was taken took so much of the loop's time.
    pub(super) fn charge(&mut self, source: Source, cost: Duration) {
        self.waiting.charge(source, cost);
    }

    /// A connection brings nothing more.
    pub(super) fn end(&mut self, link: LinkId) {
        self.waiting.end(link);
    }
}

#[cfg(test)]
mod tests;
