//! One connection: its frames to the event loop, and the loop's frames to it.

use super::pace::{Pace, Share};
use super::presence::Presence;
use crate::config::PeerConfig;
use crate::enrolment::{Admissions, wall};
use crate::event_loop::{Arrivals, ArrivingLink, FrameQueues, LoopEnded};
use replica::Lane;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};
use transport::{
    Connection, Disconnect, Endpoint, FrameReceiver, FrameSender, LaneReceiver, Lanes, Outlived,
    ReceiveError, STREAM_WINDOW_BYTES, SendError, Term,
};

/// Frames that wait to be sent to a peer. The core has at most 1 MiB under way to a peer that has not acknowledged
/// it, and a frame of one small change has 64 bytes at least: when this is full the peer breaks that window.
const LINK_FRAMES_MAX: usize = 16 * 1024;

/// Bytes that go at once where a link has a cap: three datagrams.
const PIECE_BYTES: usize = 4 * 1024;

/// How long the peer may take to confirm the end of the stream.
const FINISH_DEADLINE: Duration = Duration::from_secs(1);

/// What a peer is told whose key, or name, is refused.
pub(super) const REVOKED: &str = "the key of this replica was revoked at the hub, or is denied here; once it is invited again \
    `isle join --new-key TOKEN` makes it another";

/// How long a connection has to last to count as stable. Two versions that do not understand each other part within
/// a round trip; a bad link holds longer.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkEnd {
    /// The peer sends no more.
    #[error("the peer ended the stream")]
    Finished,
    /// Its time is over.
    #[error("the exchange is done, and the schedule says when the next one is")]
    Over,
    /// The peer was revoked.
    #[error("the peer is revoked here: `isle hub revoke` or denied.txt says so")]
    Revoked,
    /// A certificate has ended that it was made with.
    #[error(transparent)]
    Outlived(#[from] Outlived),
    /// This server is stopping.
    #[error(transparent)]
    Stopped(#[from] LoopEnded),
    /// Reading failed.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// Writing failed.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl LinkEnd {
    /// Whether this end closed it: whoever did has said why.
    pub(super) fn is_own(&self) -> bool {
        matches!(
            self,
            Self::Stopped(_)
                | Self::Receive(ReceiveError::Disconnect(Disconnect::ClosedHere))
                | Self::Send(SendError::Disconnect(Disconnect::ClosedHere))
        )
    }
}

/// A connection that has ended.
pub(super) struct Ended {
    /// Whether the peer had us for a while: it sent something, and did not end the connection soon after.
    pub(super) was_stable: bool,
    pub(super) why: LinkEnd,
}

/// What all connections need. Clones share it.
#[derive(Clone)]
pub(crate) struct Carrier {
    pub(super) arrivals: Arrivals,
    pub(super) presence: Presence,
    endpoint: Endpoint,
    admissions: Admissions,
    caps: Arc<BTreeMap<String, Caps>>,
}

/// What a link may carry, in kbit/s.
#[derive(Clone, Copy, Debug, Default)]
struct Caps {
    send: Option<NonZeroU32>,
    receive: Option<NonZeroU32>,
}

impl Carrier {
    pub(crate) fn new(
        arrivals: Arrivals,
        (endpoint, admissions): (Endpoint, Admissions),
        peers: &BTreeMap<String, PeerConfig>,
    ) -> Self {
        let caps = |peer: &PeerConfig| Caps { send: peer.send_kbit_s_max, receive: peer.receive_kbit_s_max };
        let caps = peers.iter().map(|(name, peer)| (name.clone(), caps(peer))).collect();
        Self { arrivals, presence: Presence::of(peers.keys()), endpoint, admissions, caps: Arc::new(caps) }
    }

    /// What a peer that is dialled may send ahead of what is read: under a cap as much as goes in a second, else a frame would be
    /// on the line before it is waited for.
    pub(super) fn window_bytes(&self, peer: &str) -> u32 {
        let cap = self.caps.get(peer).and_then(|caps| caps.receive);
        cap.map_or(STREAM_WINDOW_BYTES, |kbit_s| kbit_s.get().saturating_mul(1_000 / 8))
    }

    /// Who is connected, and why others are not.
    pub(crate) fn presence(&self) -> Presence {
        self.presence.clone()
    }
}

/// Carries frames until the connection ends, at the latest when `over` does, or a certificate that it was made with.
pub(super) async fn carry(
    connection: Connection,
    carrier: &Carrier,
    over: impl AsyncFnOnce([&Pace; 2]),
) -> Ended {
    let Carrier { arrivals, presence, endpoint, admissions, caps } = carrier;
    if admissions.is_revoked(connection.peer()) {
        connection.handle().close(REVOKED);
        return Ended { was_stable: false, why: LinkEnd::Revoked };
    }
    let _present = presence.enter(&connection.peer().name);
    let caps = caps.get(&connection.peer().name).copied().unwrap_or_default();
    let (sending, receiving) = (Pace::new(caps.send), Pace::new(caps.receive));
    let started = Instant::now();
    let from = arrivals.next_link();
    let link = from.link;
    let handle = connection.handle();
    let Lanes { sender, receiver, control: control_lane, bulk: bulk_lane, acceptor } = connection.split();
    let (live, live_queue) = mpsc::channel(LINK_FRAMES_MAX);
    let (control, to_control) = queue_of(control_lane.sender, &live);
    let (bulk, to_bulk) = queue_of(bulk_lane.sender, &live);
    let (mut heard, greeted) = (false, Notify::new());
    if let Err(ended) = arrivals.peer_up(link, handle.clone(), FrameQueues { live, control, bulk }).await {
        handle.close("the replica is stopping");
        return Ended { was_stable: false, why: ended.into() };
    }
    let changes = async {
        tokio::select! {
            // What is said of changes is taken, as far as it is there, before the end of the first stream.
            biased;
            why = read_control((control_lane.receiver, &receiving), &from, arrivals, &greeted) => why,
            why = read((receiver, &receiving), &from, arrivals, (&mut heard, &greeted)) => why,
        }
    };
    let why = tokio::select! {
        why = changes => why,
        why = read_lane((bulk_lane.receiver, &receiving), &from, arrivals, (Lane::Bulk, Share::Bulk)) => why,
        lost = acceptor.run() => ReceiveError::from(lost).into(),
        why = write_all((sender, live_queue), (to_control, to_bulk), &sending) => why,
        () = over([&sending, &receiving]) => LinkEnd::Over,
        outlived = outlived(handle.term(), endpoint) => outlived.into(),
        () = admissions.revoked(handle.peer()) => LinkEnd::Revoked,
    };
    // Closed already, unless one half ended by itself.
    match &why {
        LinkEnd::Revoked => handle.close(REVOKED),
        LinkEnd::Over => handle.close("the exchange is done until the next one of the schedule"),
        LinkEnd::Outlived(outlived) => {
            // Also of a peer that dials: before it can be back.
            if *outlived == Outlived::Peer {
                presence.set_trouble(&handle.peer().name, outlived.to_string());
            }
            handle.close(outlived.told());
        }
        why if why.is_own() => handle.close("the replica is stopping"),
        LinkEnd::Finished | LinkEnd::Receive(_) | LinkEnd::Send(_) | LinkEnd::Stopped(_) => {
            handle.close("the stream ended");
        }
    }
    // An error means that the loop has ended, and nobody wants to know.
    let _ = arrivals.peer_down(link).await;
    Ended { was_stable: heard && started.elapsed() >= STABLE_AFTER, why }
}

/// Waits until a connection has outlived a certificate that it was made with.
async fn outlived(term: Term, endpoint: &Endpoint) -> Outlived {
    loop {
        let now = wall();
        if let Err(outlived) = term.check(now, endpoint.identity().validity().end) {
            return outlived;
        }
        sleep(term.next_look(now)).await;
    }
}

async fn read(
    (mut receiver, pace): (FrameReceiver, &Pace),
    from: &ArrivingLink,
    arrivals: &Arrivals,
    (heard, greeted): (&mut bool, &Notify),
) -> LinkEnd {
    loop {
        match receiver.receive_in_pieces(PIECE_BYTES, |bytes| pace.wait(Share::Live, bytes)).await {
            Ok(Some(frame)) => {
                *heard = true;
                if arrivals.frame(from, Lane::Live, frame).await.is_err() {
                    // The loop has let go of the connection: the writer sends what waits, and ends it.
                    return std::future::pending().await;
                }
                greeted.notify_one();
            }
            Ok(None) => return LinkEnd::Finished,
            Err(error) => return error.into(),
        }
    }
}

/// Waits for the first frame of the first stream, which is the peer's hello: nothing is said before that (W-116).
async fn read_control(
    receiving: (LaneReceiver, &Pace),
    from: &ArrivingLink,
    arrivals: &Arrivals,
    greeted: &Notify,
) -> LinkEnd {
    greeted.notified().await;
    read_lane(receiving, from, arrivals, (Lane::Control, Share::Control)).await
}

async fn read_lane(
    (mut receiver, pace): (LaneReceiver, &Pace),
    from: &ArrivingLink,
    arrivals: &Arrivals,
    (lane, share): (Lane, Share),
) -> LinkEnd {
    loop {
        match receiver.receive_in_pieces(PIECE_BYTES, |bytes| pace.wait(share, bytes)).await {
            Ok(frame) => {
                if arrivals.frame(from, lane, frame).await.is_err() {
                    return std::future::pending().await;
                }
            }
            Err(error) => return error.into(),
        }
    }
}

type Queue = mpsc::Receiver<Vec<u8>>;

/// A stream beside the first and what waits for it, if the peer knows the lane.
type LaneQueue = Option<(FrameSender, Queue)>;

/// The queue of a lane: its own, or that of the first stream.
fn queue_of(
    sender: Option<FrameSender>,
    first: &mpsc::Sender<Vec<u8>>,
) -> (mpsc::Sender<Vec<u8>>, LaneQueue) {
    match sender {
        Some(sender) => {
            let (frames, queue) = mpsc::channel(LINK_FRAMES_MAX);
            (frames, Some((sender, queue)))
        }
        None => (first.clone(), None),
    }
}

/// Sends until the loop lets go of the connection; then ends the streams in order. At the end of the first one the peer
/// ends the connection: what is said of its changes goes before it. A fill that is cut off goes on another time.
async fn write_all(
    live: (FrameSender, Queue),
    (control, bulk): (LaneQueue, LaneQueue),
    pace: &Pace,
) -> LinkEnd {
    let first = async {
        let live = write(Some(live), (pace, Share::Live));
        // What goes first on the line is what is said of changes, at the end as before.
        let (live, control) = tokio::try_join!(live, write(control, (pace, Share::Control)))?;
        tokio::join!(finish(control), finish(live));
        Ok(())
    };
    let bulk = async {
        finish(write(bulk, (pace, Share::Bulk)).await?).await;
        Ok(())
    };
    match tokio::try_join!(first, bulk) {
        Ok(_) => LoopEnded.into(),
        Err(error) => LinkEnd::Send(error),
    }
}

/// Sends what comes, until nothing more does.
async fn write(lane: LaneQueue, (pace, share): (&Pace, Share)) -> Result<Option<FrameSender>, SendError> {
    let Some((mut sender, mut queue)) = lane else { return Ok(None) };
    while let Some(frame) = queue.recv().await {
        sender.send_in_pieces(&frame, PIECE_BYTES, |bytes| pace.wait(share, bytes)).await?;
    }
    Ok(Some(sender))
}

async fn finish(sender: Option<FrameSender>) {
    let Some(sender) = sender else { return };
    // Not confirmed in time: the peer asks again for what it lacks when it is back.
    let _ = timeout(FINISH_DEADLINE, sender.finish()).await;
}
