use super::message::{Message, Reader};
use super::{End, LinkNumber};
use crate::dice::Dice;
use crate::time::SECOND_NS;
use crate::topology::{LinkPlan, NodeId};
use replica::{Lane, LinkId};
use std::collections::VecDeque;
use std::rc::Rc;
use wire::{DeltaDecoder, DeltaEncoder};

/// A frame on its way.
pub(super) struct Waiting {
    pub(super) bytes: Vec<u8>,
    pub(super) message: Option<Rc<Message>>,
}

/// A stream of frames from an end.
#[derive(Default)]
pub(super) struct Stream {
    /// What is on its way.
    pub(super) queue: VecDeque<Waiting>,
    /// Frames that would have arrived, but for a cut.
    pub(super) stalled: usize,
    /// Frames that have arrived before the first of the first stream, and wait for that.
    pub(super) early: usize,
    /// When the last frame arrives.
    last_arrival_ns: u64,
}

impl Stream {
    /// Of which nothing arrives before a time.
    fn from(at_ns: u64) -> Self {
        Self { last_arrival_ns: at_ns, ..Self::default() }
    }
}

/// One end of a connection, and the streams of frames from it.
pub(super) struct Side {
    pub(super) link_id: LinkId,
    /// Its node was told of the connection.
    pub(super) is_up: bool,
    /// Its node has left it, or was told that it is gone, or is gone itself.
    pub(super) is_closed: bool,
    /// A frame of its first stream has arrived.
    pub(super) has_begun: bool,
    control: Stream,
    live: Stream,
    bulk: Stream,
    /// When the line has taken all frames so far.
    free_ns: u64,
    /// The same of frames that go before all others.
    control_free_ns: u64,
    /// Reads the stream for checkers.
    pub(super) reader: Reader,
    /// Tear the stream's transactions, in a run that is sabotaged so.
    pub(super) torn: (DeltaDecoder, DeltaEncoder),
}

impl Side {
    /// Nothing arrives at the other end before `other_up_ns`.
    fn new(link_id: LinkId, other_up_ns: u64) -> Self {
        Self {
            link_id,
            is_up: false,
            is_closed: false,
            has_begun: false,
            control: Stream::from(other_up_ns),
            live: Stream::from(other_up_ns),
            bulk: Stream::from(other_up_ns),
            free_ns: 0,
            control_free_ns: 0,
            reader: Reader::default(),
            torn: <(DeltaDecoder, DeltaEncoder)>::default(),
        }
    }

    pub(super) fn stream_mut(&mut self, lane: Lane) -> &mut Stream {
        match lane {
            Lane::Control => &mut self.control,
            Lane::Live => &mut self.live,
            Lane::Bulk => &mut self.bulk,
        }
    }

    /// When the line has taken a frame that takes it `line_ns`. Control goes before all others, which wait for it.
    fn line(&mut self, now_ns: u64, lane: Lane, line_ns: u64) -> u64 {
        self.free_ns = self.free_ns.max(now_ns) + line_ns;
        if lane != Lane::Control {
            return self.free_ns;
        }
        self.control_free_ns = self.control_free_ns.max(now_ns) + line_ns;
        self.control_free_ns
    }
}

pub(super) struct Connection {
    pub(super) link: LinkNumber,
    /// Counts the connections over the link: what is drawn about one is keyed by this.
    ordinal: u64,
    pub(super) plan: LinkPlan,
    /// Its ends know no control lane: what would go there goes on the first stream.
    pub(super) is_older: bool,
    dialer: Side,
    acceptor: Side,
}

impl Connection {
    /// `up_ns`: when the two ends learn of it.
    pub(super) fn new(
        (link, ordinal): (LinkNumber, u64),
        plan: &LinkPlan,
        ids: (LinkId, LinkId),
        (up_ns, is_older): ((u64, u64), bool),
    ) -> Self {
        let (dialer, acceptor) = (Side::new(ids.0, up_ns.1), Side::new(ids.1, up_ns.0));
        Self { link, ordinal, plan: *plan, is_older, dialer, acceptor }
    }

    /// What names it in draws: no other link has a part in it.
    pub(super) fn drawn(&self) -> [u64; 2] {
        [self.link.0 as u64, self.ordinal]
    }

    pub(super) fn node(&self, end: End) -> NodeId {
        match end {
            End::Dialer => self.plan.dialer,
            End::Acceptor => self.plan.acceptor,
        }
    }

    pub(super) fn side(&self, end: End) -> &Side {
        match end {
            End::Dialer => &self.dialer,
            End::Acceptor => &self.acceptor,
        }
    }

    pub(super) fn side_mut(&mut self, end: End) -> &mut Side {
        match end {
            End::Dialer => &mut self.dialer,
            End::Acceptor => &mut self.acceptor,
        }
    }

    /// The readers of what comes from an end, and of what comes the other way.
    pub(super) fn readers_mut(&mut self, end: End) -> (&mut Reader, &Reader) {
        match end {
            End::Dialer => (&mut self.dialer.reader, &self.acceptor.reader),
            End::Acceptor => (&mut self.acceptor.reader, &self.dialer.reader),
        }
    }

    /// Puts a frame on a stream from an end; returns when it arrives. The streams share the line.
    pub(super) fn push(
        &mut self,
        now_ns: u64,
        (end, lane): (End, Lane),
        plan: &LinkPlan,
        dice: &mut Dice,
        sent: Waiting,
    ) -> u64 {
        let side = self.side_mut(end);
        let line_ns = sent.bytes.len() as u64 * SECOND_NS / plan.bytes_per_second.max(1);
        let arrival_ns = side.line(now_ns, lane, line_ns) + plan.latency_ns + dice.below(plan.jitter_ns + 1);
        let stream = side.stream_mut(lane);
        stream.last_arrival_ns = arrival_ns.max(stream.last_arrival_ns + 1);
        stream.queue.push_back(sent);
        stream.last_arrival_ns
    }

    /// The way from an end is open again: when the frames that waited arrive.
    pub(super) fn resume(&mut self, now_ns: u64, end: End, lane: Lane) -> Vec<u64> {
        let latency_ns = self.plan.latency_ns;
        let stream = self.side_mut(end).stream_mut(lane);
        let stalled = std::mem::take(&mut stream.stalled) as u64;
        let first_ns = now_ns + latency_ns;
        if stalled > 0 {
            stream.last_arrival_ns = stream.last_arrival_ns.max(first_ns + stalled);
        }
        (0..stalled).map(|place| first_ns + place).collect()
    }
}
