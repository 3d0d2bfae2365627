//! The streams beside the first: of what must not wait, and of what takes long.
//!
//! Each end opens its own, of one direction, and begins it with one byte that says what it is for, sent with the first
//! frame. Which stream's bytes go into the next datagram is said by priorities: control before the first stream, bulk
//! after it. A peer that does not grant a stream for a lane is sent its frames on the first one.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;

use crate::disconnect::{CLOSE_CODE, Disconnect};
use crate::frame::{FrameReceiver, FrameSender, ReceiveError};
use crate::limits::FRAME_BYTES_MAX;

/// What is small and not to wait: acknowledgements.
const CONTROL: Kind = Kind { opening: 1, priority: 1 };

/// What is long: documents that fill a space.
const BULK: Kind = Kind { opening: 2, priority: -1 };

/// What a stream is for.
#[derive(Clone, Copy)]
struct Kind {
    opening: u8,
    /// The first stream has 0.
    priority: i32,
}

impl Kind {
    /// The sender of such frames, if the peer grants a stream for them. What a peer grants is known once the handshake is
    /// done.
    fn sender(self, connection: &quinn::Connection) -> Option<FrameSender> {
        let stream = at_once(connection.open_uni())?.ok()?;
        // Fails for a stream that is closed, where sending fails as well and says why.
        let _ = stream.set_priority(self.priority);
        Some(FrameSender::opening(stream, self.opening))
    }
}

fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// The streams of a connection, taken apart.
#[derive(Debug)]
pub struct Lanes {
    /// The first stream.
    pub sender: FrameSender,
    /// What the peer sends there.
    pub receiver: FrameReceiver,
    /// For what is small and not to wait.
    pub control: Lane,
    /// For what takes long.
    pub bulk: Lane,
    /// Takes the streams that the peer opens: nothing arrives on `control` and `bulk` unless it is run.
    pub acceptor: LaneAcceptor,
}

/// A stream beside the first, each way.
#[derive(Debug)]
pub struct Lane {
    /// None with a peer that does not know the lane: what would go there goes on the first stream.
    pub sender: Option<FrameSender>,
    /// What the peer sends there.
    pub receiver: LaneReceiver,
}

pub(crate) fn lanes(connection: &quinn::Connection, (sender, receiver): (SendStream, RecvStream)) -> Lanes {
    let (to_control, control) = LaneReceiver::new(connection);
    let (to_bulk, bulk) = LaneReceiver::new(connection);
    // Who grants one stream knows this one.
    let bulk_sender = BULK.sender(connection);
    Lanes {
        sender: FrameSender::new(sender),
        receiver: FrameReceiver::new(receiver, connection.clone()),
        control: Lane { sender: CONTROL.sender(connection), receiver: control },
        bulk: Lane { sender: bulk_sender, receiver: bulk },
        acceptor: LaneAcceptor { connection: connection.clone(), control: to_control, bulk: to_bulk },
    }
}

/// Takes the streams that a peer opens, and gives each to its lane.
#[derive(Debug)]
pub struct LaneAcceptor {
    connection: quinn::Connection,
    control: mpsc::Sender<FrameReceiver>,
    bulk: mpsc::Sender<FrameReceiver>,
}

impl LaneAcceptor {
    /// Takes streams until the connection ends, and says why it did. One for something that is not known here is turned
    /// down.
    pub async fn run(self) -> Disconnect {
        // Of two streams the later may be used first: QUIC opens the earlier with it, without a byte (RFC 9000, section
        // 2.1). As many at once as a peer may have open.
        let lost = tokio::select! {
            error = self.take() => error,
            error = self.take() => error,
        };
        Disconnect::from_quinn(lost)
    }

    async fn take(&self) -> quinn::ConnectionError {
        loop {
            let mut stream = match self.connection.accept_uni().await {
                Ok(stream) => stream,
                Err(error) => return error,
            };
            let mut opening = [0];
            let lane = match stream.read_exact(&mut opening).await {
                Ok(()) if opening == [CONTROL.opening] => &self.control,
                Ok(()) if opening == [BULK.opening] => &self.bulk,
                Ok(()) | Err(_) => {
                    // Fails for a stream that the peer has given up: nothing is to be turned down then.
                    let _ = stream.stop(CLOSE_CODE);
                    continue;
                }
            };
            // Fails when nobody receives there any more: the stream is stopped as it is dropped.
            let _ = lane.send(FrameReceiver::new(stream, self.connection.clone())).await;
        }
    }
}

/// The receiving half of a stream beside the first.
#[derive(Debug)]
pub struct LaneReceiver {
    connection: quinn::Connection,
    opened: mpsc::Receiver<FrameReceiver>,
    open: Option<FrameReceiver>,
    failed: Option<ReceiveError>,
}

impl LaneReceiver {
    fn new(connection: &quinn::Connection) -> (mpsc::Sender<FrameReceiver>, Self) {
        let (sender, opened) = mpsc::channel(1);
        (sender, Self { connection: connection.clone(), opened, open: None, failed: None })
    }

    /// Waits for the next frame, of 1 to [`FRAME_BYTES_MAX`](crate::FRAME_BYTES_MAX) bytes. A stream that the peer has
    /// ended in order is followed by the next that it opens.
    ///
    /// If the future is dropped the receiver may be of no more use.
    ///
    /// # Errors
    /// As for [`FrameReceiver::receive`]. Every later call gives the same error.
    pub async fn receive(&mut self) -> Result<Vec<u8>, ReceiveError> {
        self.receive_in_pieces(FRAME_BYTES_MAX, |_| std::future::ready(())).await
    }

    /// The same, in pieces: see [`FrameReceiver::receive_in_pieces`].
    ///
    /// # Errors
    /// As for [`FrameReceiver::receive`].
    pub async fn receive_in_pieces<P: Future<Output = ()>>(
        &mut self,
        piece_bytes: usize,
        pause: impl FnMut(usize) -> P,
    ) -> Result<Vec<u8>, ReceiveError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let received = self.receive_next(piece_bytes, pause).await;
        if let Err(error) = &received {
            self.failed = Some(error.clone());
        }
        received
    }

    async fn receive_next<P: Future<Output = ()>>(
        &mut self,
        piece_bytes: usize,
        mut pause: impl FnMut(usize) -> P,
    ) -> Result<Vec<u8>, ReceiveError> {
        loop {
            if let Some(open) = &mut self.open {
                match open.receive_in_pieces(piece_bytes, &mut pause).await? {
                    Some(frame) => return Ok(frame),
                    None => self.open = None,
                }
            }
            self.open = Some(self.next_stream().await?);
        }
    }

    async fn next_stream(&mut self) -> Result<FrameReceiver, ReceiveError> {
        match self.opened.recv().await {
            Some(stream) => Ok(stream),
            // The acceptor has ended, as it does with the connection.
            None => Err(ReceiveError::Disconnect(Disconnect::from_quinn(self.connection.closed().await))),
        }
    }
}

#[cfg(test)]
mod tests;
