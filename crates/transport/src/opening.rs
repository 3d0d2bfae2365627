//! How a connection's stream is opened: one byte there, the same byte back.
//!
//! QUIC tells the dialler that the handshake is done before the accepting end has judged its certificate,
//! and shows a stream to the accepting end only once there is data in it. The byte says what the stream is
//! for; its echo says that the dialler is accepted. It costs one round trip per connection.

use quinn::{ConnectionError, ReadError, ReadExactError, RecvStream, SendStream, WriteError};

use crate::disconnect::Disconnect;

/// The stream that carries replication.
const REPLICATION: u8 = 1;

/// Why the two ends did not agree on a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OpeningError {
    Disconnect(Disconnect),
    /// The other end sent something else, or nothing.
    Unexpected,
}

pub(crate) async fn open(connection: &quinn::Connection) -> Result<(SendStream, RecvStream), OpeningError> {
    let (mut sender, mut receiver) = connection.open_bi().await?;
    sender.write_all(&[REPLICATION]).await?;
    expect(&mut receiver).await?;
    Ok((sender, receiver))
}

pub(crate) async fn take(connection: &quinn::Connection) -> Result<(SendStream, RecvStream), OpeningError> {
    let (mut sender, mut receiver) = connection.accept_bi().await?;
    expect(&mut receiver).await?;
    sender.write_all(&[REPLICATION]).await?;
    Ok((sender, receiver))
}

async fn expect(receiver: &mut RecvStream) -> Result<(), OpeningError> {
    let mut opening = [0];
    receiver.read_exact(&mut opening).await?;
    if opening == [REPLICATION] { Ok(()) } else { Err(OpeningError::Unexpected) }
}

impl From<ConnectionError> for OpeningError {
    fn from(error: ConnectionError) -> Self {
        Self::Disconnect(Disconnect::from_quinn(error))
    }
}

impl From<WriteError> for OpeningError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ConnectionLost(error) => error.into(),
            WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => {
                Self::Unexpected
            }
        }
    }
}

impl From<ReadExactError> for OpeningError {
    fn from(error: ReadExactError) -> Self {
        match error {
            ReadExactError::ReadError(ReadError::ConnectionLost(error)) => error.into(),
            ReadExactError::ReadError(_) | ReadExactError::FinishedEarly(_) => Self::Unexpected,
        }
    }
}
