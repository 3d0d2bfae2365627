//! The second stream each way: what takes long goes there, so that what is small need not wait behind it.
//!
//! Each end opens its own when it has something to send, with one byte that says what the stream is for. It yields to
//! the first stream: what that one has to send goes into the next datagram. A peer that grants no such stream is sent
//! everything on the first one.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use quinn::{RecvStream, SendStream};

use crate::disconnect::{CLOSE_CODE, Disconnect};
use crate::frame::{FrameReceiver, FrameSender, ReceiveError};
use crate::limits::FRAME_BYTES_MAX;

/// What is long: documents that fill a space.
const BULK: u8 = 2;

/// Below the stream for replication, which has 0.
const BULK_PRIORITY: i32 = -1;

/// The sender of long frames, if the peer grants a stream for them. What a peer grants is known once the handshake is
/// done.
pub(crate) fn bulk_sender(connection: &quinn::Connection) -> Option<FrameSender> {
    let stream = at_once(connection.open_uni())?.ok()?;
    // Fails for a stream that is closed, where sending fails as well and says why.
    let _ = stream.set_priority(BULK_PRIORITY);
    Some(FrameSender::opening(stream, BULK))
}

fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// The receiving half of the second stream.
#[derive(Debug)]
pub struct BulkReceiver {
    connection: quinn::Connection,
    open: Option<FrameReceiver>,
    failed: Option<ReceiveError>,
}

impl BulkReceiver {
    pub(crate) fn new(connection: quinn::Connection) -> Self {
        Self { connection, open: None, failed: None }
    }

    /// Waits for the next frame, of 1 to [`FRAME_BYTES_MAX`](crate::FRAME_BYTES_MAX) bytes. A stream that the peer has
    /// ended in order is followed by the next that it opens. One for something that is not known here is turned down.
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
            let lost = |error| ReceiveError::Disconnect(Disconnect::from_quinn(error));
            let stream = self.connection.accept_uni().await.map_err(lost)?;
            self.open = self.opened(stream).await;
        }
    }

    async fn opened(&self, mut stream: RecvStream) -> Option<FrameReceiver> {
        let mut opening = [0];
        if stream.read_exact(&mut opening).await.is_ok() && opening == [BULK] {
            return Some(FrameReceiver::new(stream, self.connection.clone()));
        }
        // Fails for a stream that the peer has given up: nothing is to be turned down then.
        let _ = stream.stop(CLOSE_CODE);
        None
    }
}

/// The streams of a connection, taken apart.
#[derive(Debug)]
pub struct Lanes {
    /// For what is not to wait.
    pub sender: FrameSender,
    /// What the peer sends there.
    pub receiver: FrameReceiver,
    /// For what takes long; none with a peer that has one stream only.
    pub bulk_sender: Option<FrameSender>,
    /// What the peer sends there.
    pub bulk_receiver: BulkReceiver,
}

pub(crate) fn lanes(connection: &quinn::Connection, (sender, receiver): (SendStream, RecvStream)) -> Lanes {
    Lanes {
        sender: FrameSender::new(sender),
        receiver: FrameReceiver::new(receiver, connection.clone()),
        bulk_sender: bulk_sender(connection),
        bulk_receiver: BulkReceiver::new(connection.clone()),
    }
}

#[cfg(test)]
mod tests;
