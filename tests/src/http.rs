//! A service that speaks HTTP.

use crate::process::{DEADLINE, Process};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// A connection. Its requests go one after another.
pub struct HttpClient {
    sender: SendRequest<Full<Bytes>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The name of the problem that it is; empty when it is none.
    pub fn problem(&self) -> String {
        let value = self.json();
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        kind.trim_start_matches("urn:isle:problem:").to_owned()
    }

    /// The text of a header; empty when it is not there.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}

impl HttpClient {
    /// Over the Unix socket of a replica.
    pub async fn of(process: &Process) -> Self {
        Self::over(UnixStream::connect(process.data.join("http.sock")).await.unwrap()).await
    }

    /// Over TCP.
    pub async fn at(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    /// Over what is connected already.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        // It ends with its sender or its server.
        tokio::spawn(connection);
        Self { sender }
    }

    /// Sends a request and waits for its whole answer.
    pub async fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_call(method, path, headers, body).await.unwrap()
    }

    /// The same; an error when the connection ended before the answer.
    ///
    /// # Errors
    /// Whatever hyper says.
    pub async fn try_call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<Answer> {
        let response = self.send(method, path, headers, body.into()).await?;
        let (head, body) = response.into_parts();
        let body = timeout(DEADLINE, body.collect()).await.unwrap()?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Reads a document.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    /// Begins a feed; the connection is for nothing else then.
    pub async fn feed(mut self, path: &str, headers: &[(&str, &str)]) -> Feed {
        let response = self.send("GET", path, headers, Bytes::new()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Feed { body: response.into_body(), read: String::new(), _connection: self }
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        let mut request = Request::builder().method(method).uri(path).body(Full::new(body)).unwrap();
        request.headers_mut().insert("host", HeaderValue::from_static("localhost"));
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        timeout(DEADLINE, self.sender.send_request(request)).await.expect("an answer in time")
    }
}

/// Server-sent events.
pub struct Feed {
    body: Incoming,
    read: String,
    _connection: HttpClient,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its cursor.
    pub id: String,
    /// What it says.
    pub data: Value,
}

impl Feed {
    /// The next event, past heartbeats; `None` when the feed has ended.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let mut event = Event::default();
            for line in block.lines() {
                match line.split_once(':').map(|(name, value)| (name, value.trim_start())) {
                    Some(("event", value)) => value.clone_into(&mut event.name),
                    Some(("id", value)) => value.clone_into(&mut event.id),
                    Some(("data", value)) => event.data = serde_json::from_str(value).unwrap(),
                    _ => {}
                }
            }
            if !event.name.is_empty() {
                return Some(event);
            }
        }
    }

    /// The lines that come next, up to an empty one: an event, or a comment as a heartbeat is; `None` when the feed has
    /// ended.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                return Some(self.read.drain(..end + 2).collect());
            }
            let frame = timeout(DEADLINE, self.body.frame()).await.expect("an event in time")?.ok()?;
            self.read.push_str(std::str::from_utf8(frame.data_ref()?).unwrap());
        }
    }
}
