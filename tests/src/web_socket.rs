//! A service that watches over a WebSocket.

use crate::process::{DEADLINE, Process};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::Response;
use hyper::header::HeaderName;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, handshake::client::generate_key};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A feed.
pub struct WebSocket<S> {
    stream: WebSocketStream<S>,
    /// How the request for it was answered.
    pub answer: Response<Option<Vec<u8>>>,
}

/// How a feed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this code (RFC 6455, 7.4).
    Closed(u16),
    /// Without a word.
    Lost,
}

/// The headers that ask for a WebSocket, of a request that is to be refused.
pub fn asking(key: &str) -> [(&'static str, &str); 4] {
    [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", key),
    ]
}

/// A key that fits.
pub fn key() -> String {
    generate_key()
}

impl WebSocket<UnixStream> {
    /// Over the Unix socket of a replica.
    pub async fn of(process: &Process, path: &str) -> Self {
        let stream = UnixStream::connect(process.data.join("http.sock")).await.unwrap();
        Self::over(stream, path, &[]).await
    }
}

impl WebSocket<TcpStream> {
    /// Over TCP.
    pub async fn at(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), path, headers).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    async fn over(stream: S, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (stream, answer) = timeout(DEADLINE, client_async(request, stream)).await.unwrap().unwrap();
        Self { stream, answer }
    }

    /// The next event, past pings.
    pub async fn next(&mut self) -> Result<Value, Ended> {
        loop {
            let message = timeout(DEADLINE, self.stream.next()).await.expect("an event in time");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(text.as_str()).unwrap()),
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(Message::Close(Some(frame)))) => {
                    // Reading on answers it.
                    while timeout(DEADLINE, self.stream.next()).await.expect("an end in time").is_some() {}
                    return Err(Ended::Closed(frame.code.into()));
                }
                _ => return Err(Ended::Lost),
            }
        }
    }

    /// Says something, which nobody looks at.
    pub async fn say(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// Closes it and waits until the server has answered that.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while timeout(DEADLINE, self.stream.next()).await.expect("an end in time").is_some() {}
    }
}
