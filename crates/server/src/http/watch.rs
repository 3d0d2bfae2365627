//! The operation of live feeds, and feeds as server-sent events.

use super::asking::Api;
use super::calling::Caller;
use super::extract::{Parameters, name, only_text};
use super::feed::{Feed, HEARTBEAT, Reader, SLOW_HINT, Told, ToldEvent};
use super::problem::{Kind, Problem};
use super::problems::FeedProblems;
use super::texts::NameText;
use super::web_socket::{FeedMessage, Upgrade};
use crate::local::WatchEvent;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use document::{Collection, Space};
use futures_util::stream;
use replica::{WatchCursor, WatchScope};
use std::convert::Infallible;

/// Watch documents.
///
/// Server-sent events: `document` for each document of the present state, `synced` after the last, then `changed` for every
/// change or transaction; `reset` where a cursor serves no more and the state follows anew. The `id` of each is a cursor: sent
/// back as `Last-Event-ID` (as browsers do by themselves) or `after` the feed goes on behind it, also after a restart of
/// either side. A comment comes every 15 seconds. A reader that takes nothing for 20 seconds gets the event `slow` and is let
/// go; where the server cannot go on it is `problem`, with a problem document.
///
/// Asked with `Upgrade: websocket` the same comes over a WebSocket (RFC 6455), each event as one text message: its JSON, whose
/// `event` is the name and whose `cursor` is what `after` takes; `{"event": "slow", "hint": …}` and
/// `{"event": "problem", "problem": {…}}` are the last ones. A ping comes every 15 seconds: who answers none of three is let go.
/// Pages in a browser, which can send no header with it, offer the subprotocols `isle` and `isle.token.TOKEN`, and are
/// answered with `isle`; a token in the address is not taken. What a client sends is not looked at, and a message is at most
/// 4 KiB. The connection is closed with 1001 when the server ends, 1013 for a slow reader, 1011 for a problem, 1008 where no ping
/// is answered, and 1009 for a message that is too long.
#[utoipa::path(get, path = "/v1/watch", tag = "feeds",
    params(
        ("space" = inline(NameText), Query, description = "Of which space"),
        ("collection" = inline(Option<NameText>), Query, description = "Of one collection"),
        ("prefix" = Option<String>, Query, description = "Of keys of it that start so"),
        ("after" = Option<String>, Query, description = "A cursor to go on after"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same; it counts before `after`"),
    ),
    responses((status = 101, description = "Events over a WebSocket, where the request asked for one: a text message each",
        content_type = "application/json", body = FeedMessage,
        headers(("Sec-WebSocket-Protocol" = String, description = "`isle`, where it was offered"))),
        (status = 200, description = "Events until either side ends", content_type = "text/event-stream", body = WatchEvent,
        headers(("Cache-Control" = String, description = "`no-cache`"))), FeedProblems))]
pub(super) async fn watch(
    State(api): State<Api>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    parameters.only(&["space", "collection", "prefix", "after"])?;
    let (scope, from) = wanted(&caller, &parameters, &headers)?;
    let place = api.watch_place(&caller)?;
    let (space, collection) = (scope.space().clone(), scope.collection().cloned());
    let feed = Feed::begin(Reader { api, caller, space, collection }, place, scope, from).await?;
    Ok(match upgrade {
        Upgrade::WebSocket(handshake) => handshake.show(feed),
        Upgrade::None => events(feed),
    })
}

/// As server-sent events.
fn events(feed: Feed) -> Response {
    let events = stream::unfold(feed, |mut feed| async move {
        let told = feed.next().await?;
        Some((Ok::<_, Infallible>(event(&told)), feed))
    });
    let heartbeat = KeepAlive::new().interval(HEARTBEAT);
    Sse::new(events).keep_alive(heartbeat).into_response()
}

fn event(told: &Told) -> Event {
    match told {
        Told::Event(ToldEvent { name, cursor, json }) => Event::default().event(name).id(cursor).data(json),
        // Without a cursor the reader goes on with the one before.
        Told::Slow => Event::default().event("slow").data(json(&serde_json::json!({"hint": SLOW_HINT}))),
        Told::Problem(problem) => Event::default().event("problem").data(json(problem)),
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    // Maps have text keys and numbers are finite, so that it cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

fn wanted(
    caller: &Caller,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<(WatchScope, Option<WatchCursor>), Problem> {
    let malformed = |detail: &str, hint: &str| Problem::new(Kind::MALFORMED, detail, hint);
    let space = parameters.one("space")?;
    let space = space.ok_or_else(|| malformed("it is not said what to watch", "as in ?space=store-1"))?;
    let space: Space = name(space)?;
    let collection: Option<Collection> = parameters.one("collection")?.map(name).transpose()?;
    caller.reads(&space, collection.as_ref())?;
    let scope = match (collection, parameters.one("prefix")?) {
        (None, None) => WatchScope::Space(space),
        (Some(collection), None) => WatchScope::Collection(space, collection),
        (Some(collection), Some(prefix)) => WatchScope::Keys(space, collection, prefix.to_owned()),
        (None, Some(_)) => {
            let hint = "name the `collection` of the keys";
            return Err(malformed("'prefix' is of keys of a collection, and none is named", hint));
        }
    };
    let last = only_text(headers, "Last-Event-ID")?;
    let from = match last {
        Some(last) => Some(last),
        None => parameters.one("after")?,
    };
    Ok((scope, from.map(|cursor| WatchCursor(cursor.to_owned()))))
}
