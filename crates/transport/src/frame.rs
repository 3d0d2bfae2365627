//! Frames on a stream: a length of four bytes, big endian, and as many bytes.

use quinn::{ReadError, RecvStream, SendStream, StoppedError, WriteError};

use crate::disconnect::{CLOSE_CODE, Disconnect, close};
use crate::limits::FRAME_BYTES_MAX;

const LENGTH_BYTES: usize = 4;

/// Why a frame was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A frame has at least one byte. Nothing was sent.
    #[error("an empty frame cannot be sent")]
    Empty,
    /// The frame is over the limit. Nothing was sent.
    #[error("a frame of {bytes} bytes is over the limit of {FRAME_BYTES_MAX}: split it")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// An earlier `send` was dropped or failed half way; what follows would be read as part of that frame.
    #[error("an earlier frame was sent in part only: connect again")]
    Torn,
    /// The peer reads no more from this stream.
    #[error("the peer stopped reading: connect again")]
    Stopped,
    /// The connection is gone.
    #[error(transparent)]
    Disconnect(#[from] Disconnect),
}

/// Why no frame was received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The peer announced a frame without bytes. The connection was closed.
    #[error("the peer sent an empty frame")]
    Empty,
    /// The peer announced a frame over the limit. The connection was closed.
    #[error("the peer announced a frame of {bytes} bytes, the limit is {FRAME_BYTES_MAX}")]
    TooLong {
        /// The announced length.
        bytes: u32,
    },
    /// The peer ended the stream within a frame.
    #[error("the peer ended the stream within a frame")]
    Truncated,
    /// The peer gave the stream up; frames on their way are lost.
    #[error("the peer gave the stream up")]
    Abandoned,
    /// The connection is gone.
    #[error(transparent)]
    Disconnect(#[from] Disconnect),
}

/// The sending half of a connection.
///
/// Dropped without [`FrameSender::finish`] it tells the peer that frames may be missing.
#[derive(Debug)]
pub struct FrameSender {
    stream: SendStream,
    /// A byte before the first frame that says what the stream is for; taken when it is sent.
    opening: Option<u8>,
    /// A frame was begun and not completed.
    torn: bool,
    finished: bool,
}

impl FrameSender {
    pub(crate) fn new(stream: SendStream) -> Self {
        Self { stream, opening: None, torn: false, finished: false }
    }

    /// A stream that begins with `opening`, sent with the first frame.
    pub(crate) fn opening(stream: SendStream, opening: u8) -> Self {
        Self { stream, opening: Some(opening), torn: false, finished: false }
    }

    /// Sends a frame of 1 to [`FRAME_BYTES_MAX`] bytes. Waits while the peer does not keep up. `Ok` means
    /// handed over for sending: only an answer says that the peer has it.
    ///
    /// If the future is dropped before it is done, the frame may be sent in part and the sender is of no
    /// more use ([`SendError::Torn`]).
    ///
    /// # Errors
    /// If the frame is empty or too long, an earlier one is torn, or the peer or the connection is gone.
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        self.send_in_pieces(frame, FRAME_BYTES_MAX, |_| std::future::ready(())).await
    }

    /// The same, in pieces of at most `piece_bytes`, which is at least 1: before each goes, `pause` is called with its
    /// length and waited for.
    ///
    /// # Errors
    /// As for [`FrameSender::send`].
    pub async fn send_in_pieces<P: Future<Output = ()>>(
        &mut self,
        frame: &[u8],
        piece_bytes: usize,
        mut pause: impl FnMut(usize) -> P,
    ) -> Result<(), SendError> {
        if frame.is_empty() {
            return Err(SendError::Empty);
        }
        let too_long = SendError::TooLong { bytes: frame.len() };
        let length = u32::try_from(frame.len()).map_err(|_| too_long.clone())?;
        if frame.len() > FRAME_BYTES_MAX {
            return Err(too_long);
        }
        if self.torn {
            return Err(SendError::Torn);
        }
        self.torn = true;
        if let Some(opening) = self.opening.take() {
            self.stream.write_all(&[opening]).await.map_err(not_written)?;
        }
        self.stream.write_all(&length.to_be_bytes()).await.map_err(not_written)?;
        for piece in frame.chunks(piece_bytes.max(1)) {
            pause(piece.len()).await;
            self.stream.write_all(piece).await.map_err(not_written)?;
        }
        self.torn = false;
        Ok(())
    }

    /// Ends the stream in order and waits until the peer's machine has all of it.
    ///
    /// # Errors
    /// If an earlier frame is torn, or the peer or the connection went away before.
    pub async fn finish(mut self) -> Result<(), SendError> {
        if self.torn {
            return Err(SendError::Torn);
        }
        self.stream.finish().map_err(|_| SendError::Stopped)?;
        self.finished = true;
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(StoppedError::ZeroRttRejected) => Err(SendError::Stopped),
            Err(StoppedError::ConnectionLost(error)) => Err(Disconnect::from_quinn(error).into()),
        }
    }
}

impl Drop for FrameSender {
    fn drop(&mut self) {
        if !self.finished {
            // quinn would end the stream in order, and the peer take it for complete. An error here means
            // that the stream is gone already.
            let _ = self.stream.reset(CLOSE_CODE);
        }
    }
}

/// The receiving half of a connection.
#[derive(Debug)]
pub struct FrameReceiver {
    stream: RecvStream,
    connection: quinn::Connection,
    partial: PartialFrame,
    /// Why nothing more can be read from this stream.
    failed: Option<ReceiveError>,
}

impl FrameReceiver {
    pub(crate) fn new(stream: RecvStream, connection: quinn::Connection) -> Self {
        Self { stream, connection, partial: PartialFrame::default(), failed: None }
    }

    /// Waits for the next frame, of 1 to [`FRAME_BYTES_MAX`] bytes; `None` when the peer ended the stream in
    /// order. The future may be dropped at any time: the next call goes on where it was.
    ///
    /// # Errors
    /// If the peer breaks the framing, which closes the connection, or the peer or the connection is gone.
    /// Every later call gives the same error.
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, ReceiveError> {
        self.receive_in_pieces(FRAME_BYTES_MAX, |_| std::future::ready(())).await
    }

    /// The same, in pieces of at most `piece_bytes`, which is at least 1: after each `pause` is called with its length and
    /// waited for, before the next is taken off the connection, and so before the peer may send more. If the future is
    /// dropped the receiver is of no more use.
    ///
    /// # Errors
    /// As for [`FrameReceiver::receive`].
    pub async fn receive_in_pieces<P: Future<Output = ()>>(
        &mut self,
        piece_bytes: usize,
        pause: impl FnMut(usize) -> P,
    ) -> Result<Option<Vec<u8>>, ReceiveError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let received = self.receive_next(piece_bytes.max(1), pause).await;
        if let Err(error) = &received {
            self.failed = Some(error.clone());
            if matches!(error, ReceiveError::Empty | ReceiveError::TooLong { .. } | ReceiveError::Truncated) {
                close(&self.connection, &format!("framing broken: {error}"));
            }
        }
        received
    }

    async fn receive_next<P: Future<Output = ()>>(
        &mut self,
        piece_bytes: usize,
        mut pause: impl FnMut(usize) -> P,
    ) -> Result<Option<Vec<u8>>, ReceiveError> {
        loop {
            // Every turn takes at least one byte of a frame, which is bounded.
            let most = self.partial.missing_bytes().min(piece_bytes);
            let chunk = self.stream.read_chunk(most, true).await.map_err(not_read)?;
            match chunk {
                Some(chunk) => {
                    let frame = self.partial.push(&chunk.bytes)?;
                    pause(chunk.bytes.len()).await;
                    if let Some(frame) = frame {
                        return Ok(Some(frame));
                    }
                }
                None if self.partial.is_empty() => return Ok(None),
                None => return Err(ReceiveError::Truncated),
            }
        }
    }
}

/// A frame of which not everything has arrived.
#[derive(Debug, Default)]
struct PartialFrame {
    /// The length as far as it has arrived.
    length: Vec<u8>,
    /// The bytes after the length.
    announced_bytes: Option<usize>,
    content: Vec<u8>,
}

impl PartialFrame {
    fn is_empty(&self) -> bool {
        self.length.is_empty()
    }

    /// How many bytes may be pushed next; never 0.
    fn missing_bytes(&self) -> usize {
        match self.announced_bytes {
            None => LENGTH_BYTES - self.length.len(),
            Some(announced) => announced - self.content.len(),
        }
    }

    /// Takes what arrived, at most [`Self::missing_bytes`], and gives the frame when it is complete. Memory
    /// grows with the bytes that arrived, at most to twice as much.
    fn push(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, ReceiveError> {
        let Some(announced) = self.announced_bytes else {
            self.length.extend_from_slice(bytes);
            if let Ok(length) = self.length.as_slice().try_into() {
                self.announced_bytes = Some(checked_length(u32::from_be_bytes(length))?);
            }
            return Ok(None);
        };
        self.content.extend_from_slice(bytes);
        if self.content.len() < announced {
            return Ok(None);
        }
        self.length.clear();
        self.announced_bytes = None;
        Ok(Some(std::mem::take(&mut self.content)))
    }
}

fn checked_length(bytes: u32) -> Result<usize, ReceiveError> {
    match usize::try_from(bytes) {
        Ok(0) => Err(ReceiveError::Empty),
        Ok(length) if length <= FRAME_BYTES_MAX => Ok(length),
        _ => Err(ReceiveError::TooLong { bytes }),
    }
}

fn not_written(error: WriteError) -> SendError {
    match error {
        WriteError::ConnectionLost(error) => SendError::Disconnect(Disconnect::from_quinn(error)),
        WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => SendError::Stopped,
    }
}

fn not_read(error: ReadError) -> ReceiveError {
    match error {
        ReadError::ConnectionLost(error) => ReceiveError::Disconnect(Disconnect::from_quinn(error)),
        ReadError::Reset(_)
        | ReadError::ClosedStream
        | ReadError::IllegalOrderedRead
        | ReadError::ZeroRttRejected => ReceiveError::Abandoned,
    }
}

#[cfg(test)]
mod tests;
