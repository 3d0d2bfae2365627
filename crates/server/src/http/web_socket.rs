//! Feeds over a WebSocket (RFC 6455).
//!
//! tungstenite has the frames and the handshake. Nothing is buffered here: an event is asked of the feed when the one before is
//! with the system, so that the feed sees how slow its reader is. What the client sends is bounded and not looked at, but for
//! answers to pings and the end.

use super::asking::Api;
use super::extract::text;
use super::feed::{Feed, HEARTBEAT, SLOW_HINT, Told};
use super::listening::Kept;
use super::problem::{Kind, Problem, ProblemDocument};
use super::watch::json;
use crate::local::WatchEvent;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{self, HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use utoipa::ToSchema;

/// What a server answers that offers more.
const PROTOCOL: &str = "isle";
/// A subprotocol that begins so is the way of a page in a browser to show a token.
const TOKEN_PREFIX: &str = "isle.token.";

/// Bytes of a message of the client.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Bytes that are read at once.
const READ_BYTES: usize = 4 * 1024;

/// A message of a feed over a WebSocket, as it is described.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "each kind is written where it comes from")]
pub(super) enum FeedMessage {
    /// Something that is watched.
    Event(Box<WatchEvent>),
    /// The last one.
    End(FeedEnd),
}

/// Why the server ends a feed.
#[derive(Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum FeedEnd {
    /// Its reader took nothing for 20 seconds.
    Slow {
        /// What to do about it.
        hint: &'static str,
    },
    /// It cannot go on.
    Problem {
        /// Why.
        #[schema(value_type = ProblemDocument)]
        problem: Problem,
    },
}

/// A client that answers none of so many pings is gone.
const PINGS_MAX: u32 = 3;

/// For the client to answer the end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// What a request asks its connection to become.
pub(super) enum Upgrade {
    /// Nothing else.
    None,
    WebSocket(Box<Handshake>),
}

/// A handshake that fits.
pub(super) struct Handshake {
    response: Response,
    upgrade: OnUpgrade,
    kept: Kept,
}

/// Whether a request asks for a WebSocket.
fn is_asked(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|asked| asked.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The subprotocols that a client offers.
fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(',')).map(str::trim)
}

/// The token that a request for a WebSocket shows among its subprotocols.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    if !is_asked(headers) {
        return None;
    }
    offered(headers).find_map(|protocol| protocol.strip_prefix(TOKEN_PREFIX))
}

impl FromRequestParts<Api> for Upgrade {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        if !is_asked(&parts.headers) {
            return Ok(Self::None);
        }
        text(parts.headers.get(header::SEC_WEBSOCKET_PROTOCOL), "Sec-WebSocket-Protocol")?;
        let mut request = http::Request::new(());
        request.method_mut().clone_from(&parts.method);
        *request.version_mut() = parts.version;
        request.headers_mut().clone_from(&parts.headers);
        let mut response = create_response(&request).map_err(|error| no_handshake(&error.to_string()))?;
        if offered(&parts.headers).any(|protocol| protocol == PROTOCOL) {
            let protocol = HeaderValue::from_static(PROTOCOL);
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        let taken = (parts.extensions.remove::<OnUpgrade>(), parts.extensions.get::<Kept>().cloned());
        let (Some(upgrade), Some(kept)) = taken else {
            return Err(no_handshake("the connection can become nothing else"));
        };
        let response = response.map(|()| Body::empty());
        Ok(Self::WebSocket(Box::new(Handshake { response, upgrade, kept })))
    }
}

fn no_handshake(why: &str) -> Problem {
    let detail = format!("the request for a WebSocket cannot be answered: {why}");
    Problem::new(Kind::MALFORMED, detail, "RFC 6455 (4.1) says what the request has")
        .header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}

impl Handshake {
    /// Answers, and shows the feed as soon as the answer is sent.
    pub(super) fn show(self, feed: Feed) -> Response {
        let Self { response, upgrade, kept } = self;
        // The connection's task waits for it, by `kept`.
        tokio::spawn(async move {
            let _kept = kept;
            match upgrade.await {
                Ok(stream) => {
                    let stream = TokioIo::new(stream);
                    show(feed, WebSocketStream::from_raw_socket(stream, Role::Server, Some(bounds())).await)
                        .await;
                }
                Err(error) => tracing::debug!(%error, "a connection did not become a WebSocket"),
            }
        });
        response
    }
}

fn bounds() -> WebSocketConfig {
    // Each message is written whole before the next is made, so that what waits to be written is one message.
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// Shows a feed until either side ends it.
async fn show<S: AsyncRead + AsyncWrite + Unpin>(mut feed: Feed, mut socket: WebSocketStream<S>) {
    match told(&mut feed, &mut socket).await {
        // The client's close is answered by reading on.
        Ok(None) => drop(timeout(CLOSE_PATIENCE, until_closed(&mut socket)).await),
        Ok(Some((code, reason))) => {
            drop(feed);
            let frame = CloseFrame { code, reason: reason.into() };
            let closing = async {
                socket.close(Some(frame)).await?;
                until_closed(&mut socket).await
            };
            drop(timeout(CLOSE_PATIENCE, closing).await);
        }
        Err(error) => tracing::debug!(%error, "a WebSocket failed"),
    }
}

async fn until_closed<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
) -> Result<(), Error> {
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

/// Why the server ends it; none where the client does.
type Ending = Option<(CloseCode, &'static str)>;

async fn told<S>(feed: &mut Feed, socket: &mut WebSocketStream<S>) -> Result<Ending, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        // An event that was begun to be taken is taken, whatever the client sends meanwhile.
        let mut next = pin!(feed.next());
        let told = loop {
            tokio::select! {
                told = &mut next => break told,
                message = socket.next() => match message {
                    Some(Ok(Message::Pong(_))) => unanswered = 0,
                    Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(_))) | None => return Ok(None),
                    Some(Err(Error::Capacity(_))) => return Ok(Some((CloseCode::Size, "a message has at most 4 KiB"))),
                    Some(Err(error)) => return Err(error),
                },
                _ = heartbeat.tick() => {
                    if unanswered == PINGS_MAX {
                        return Ok(Some((CloseCode::Policy, "no ping was answered")));
                    }
                    unanswered += 1;
                    socket.send(Message::Ping(Bytes::new())).await?;
                }
            }
        };
        let Some(told) = told else { return Ok(Some((CloseCode::Away, "the server ends"))) };
        let (message, ending) = match told {
            Told::Event(event) => (event.json, None),
            Told::Slow => (json(&FeedEnd::Slow { hint: SLOW_HINT }), Some((CloseCode::Again, "too slow"))),
            Told::Problem(problem) => {
                (json(&FeedEnd::Problem { problem }), Some((CloseCode::Error, "it cannot go on")))
            }
        };
        socket.send(Message::text(message)).await?;
        if ending.is_some() {
            return Ok(ending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::feed::SLOW;
    use super::super::feed::tests::{Source, feed};
    use super::*;
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
    use tokio::time::advance;

    /// The client's end of a feed with so many events, over a pipe that holds so many bytes.
    async fn shown(events: usize, bytes: usize) -> (WebSocketStream<DuplexStream>, Source) {
        let (client, server) = duplex(bytes);
        let server = WebSocketStream::from_raw_socket(server, Role::Server, Some(bounds())).await;
        let (feed, source) = feed(events);
        tokio::spawn(show(feed, server));
        (WebSocketStream::from_raw_socket(client, Role::Client, None).await, source)
    }

    fn code(message: Option<Result<Message, Error>>) -> CloseCode {
        match message {
            Some(Ok(Message::Close(Some(frame)))) => frame.code,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_told_so_and_the_connection_ends_in_order() {
        let (mut client, _source) = shown(100, 64).await;
        let mut messages = vec![client.next().await.unwrap().unwrap().into_text().unwrap()];
        advance(SLOW + Duration::from_secs(1)).await;
        let end = loop {
            match client.next().await {
                Some(Ok(Message::Text(text))) => messages.push(text),
                Some(Ok(Message::Ping(_))) => {}
                other => break other,
            }
        };
        assert_eq!(code(end), CloseCode::Again);
        assert!(messages.len() < 5, "nothing was buffered: {messages:?}");
        assert!(messages.last().unwrap().contains("\"slow\""), "{messages:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_no_ping_is_let_go() {
        let (mut client, server) = duplex(4_096);
        let server = WebSocketStream::from_raw_socket(server, Role::Server, Some(bounds())).await;
        let (feed, _source) = feed(0);
        let began = Instant::now();
        show(feed, server).await;
        let expected = HEARTBEAT * (PINGS_MAX + 1);
        assert!((expected..=expected + CLOSE_PATIENCE).contains(&began.elapsed()), "{:?}", began.elapsed());
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        let pings = [0x89, 0].repeat(3);
        assert_eq!(said.strip_prefix(pings.as_slice()).unwrap()[..4], [0x88, 22, 0x03, 0xf0], "then 1008");
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_pings_stays_whatever_else_it_sends() {
        let (mut client, _source) = shown(1, 4 * MESSAGE_BYTES_MAX).await;
        assert!(client.next().await.unwrap().unwrap().is_text());
        for _ in 0..PINGS_MAX * 2 {
            // Reading answers it.
            assert!(client.next().await.unwrap().unwrap().is_ping());
            client.send(Message::text("hello")).await.unwrap();
        }
        client.send(Message::text("x".repeat(MESSAGE_BYTES_MAX + 1))).await.unwrap();
        assert_eq!(code(client.next().await), CloseCode::Size);
    }

    #[test]
    fn a_token_is_among_the_subprotocols_of_a_web_socket_alone() {
        let mut headers = HeaderMap::new();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, "isle, isle.token.secret".parse().unwrap());
        assert_eq!(token(&headers), None);
        headers.insert(header::UPGRADE, "WebSocket".parse().unwrap());
        assert_eq!(token(&headers), Some("secret"));
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, "isle".parse().unwrap());
        assert_eq!(token(&headers), None);
    }
}
