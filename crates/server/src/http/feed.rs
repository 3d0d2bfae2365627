//! Live feeds as server-sent events.
//!
//! A feed holds no events back: the core reads its journal as far as the reader has taken what came before. A reader that
//! takes nothing for [`SLOW`] is told so, where it takes something again, and let go; one that takes nothing at all loses
//! its connection (`listening`). Either goes on where it was, with its cursor.

use super::asking::{Api, Place};
use super::calling::Caller;
use super::extract::{Parameters, name};
use super::problem::{Kind, Problem, Problems};
use crate::event_loop::{Arrivals, ClientId, Outcome, Reply, Stop, Waiting, Watching};
use crate::local::{WATCH_EVENTS_MAX, WatchEvent, watch_event};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use document::{Collection, Space};
use futures_util::stream;
use replica::{WatchCursor, WatchScope};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// From one sign of life to the next where nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A reader that takes nothing for so long is let go.
const SLOW: Duration = Duration::from_secs(20);

/// The client's number for its only watch.
const WATCH: u64 = 1;

/// Watch documents.
///
/// Server-sent events: `document` for each document of the present state, `synced` after the last, then `changed` for every
/// change or transaction; `reset` where a cursor serves no more and the state follows anew. The `id` of each is a cursor: sent
/// back as `Last-Event-ID` (as browsers do by themselves) or `after` the feed goes on behind it, also after a restart of
/// either side. A comment comes every 15 seconds. A reader that takes nothing for 20 seconds gets the event `slow` and is let
/// go; where the server cannot go on it is `problem`, with a problem document.
#[utoipa::path(get, path = "/v1/watch", tag = "feeds",
    params(
        ("space" = String, Query, description = "Of which space"),
        ("collection" = Option<String>, Query, description = "Of one collection"),
        ("prefix" = Option<String>, Query, description = "Of keys of it that start so"),
        ("after" = Option<String>, Query, description = "A cursor to go on after"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same; it counts before `after`"),
    ),
    responses((status = 200, description = "Events until either side ends", content_type = "text/event-stream",
        body = WatchEvent), Problems))]
pub(super) async fn watch(
    State(api): State<Api>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    parameters.only(&["space", "collection", "prefix", "after"])?;
    let (scope, from) = wanted(&caller, &parameters, &headers)?;
    let place = api.watch_place()?;
    let feed = Feed::begin(&api, place, scope, from).await?;
    let events = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    let heartbeat = KeepAlive::new().interval(HEARTBEAT);
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

fn wanted(
    caller: &Caller,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<(WatchScope, Option<WatchCursor>), Problem> {
    let malformed = |detail: &str| Problem::new(Kind::MALFORMED, detail);
    let space = parameters.one("space")?.ok_or_else(|| malformed("'space' says what to watch"))?;
    let space: Space = name(space)?;
    let collection: Option<Collection> = parameters.one("collection")?.map(name).transpose()?;
    caller.reads(&space, collection.as_ref())?;
    let scope = match (collection, parameters.one("prefix")?) {
        (None, None) => WatchScope::Space(space),
        (Some(collection), None) => WatchScope::Collection(space, collection),
        (Some(collection), Some(prefix)) => WatchScope::Keys(space, collection, prefix.to_owned()),
        (None, Some(_)) => return Err(malformed("'prefix' is of keys of a 'collection'")),
    };
    let last = super::extract::text(headers.get("last-event-id"), "Last-Event-ID")?;
    let from = match last {
        Some(last) => Some(last),
        None => parameters.one("after")?,
    };
    Ok((scope, from.map(|cursor| WatchCursor(cursor.to_owned()))))
}

/// A watch of the core and its events. It ends with it.
struct Feed {
    arrivals: Arrivals,
    client: ClientId,
    outcomes: mpsc::Receiver<Outcome>,
    waiting: VecDeque<replica::WatchEvent>,
    /// Events that came and for which no new room was given.
    taken: u32,
    stop: Stop,
    /// When the reader was given the last event.
    given: Option<Instant>,
    is_over: bool,
    _place: Place,
}

impl Feed {
    /// Begins, or says why not.
    async fn begin(
        api: &Api,
        place: Place,
        scope: WatchScope,
        from: Option<WatchCursor>,
    ) -> Result<Self, Problem> {
        let arrivals = api.arrivals().clone();
        let client = arrivals.next_client();
        // Room for all events that there is credit for, and for the end.
        let room = usize::try_from(WATCH_EVENTS_MAX).unwrap_or(usize::MAX).saturating_add(1);
        let (outcomes, queue) = mpsc::channel(room);
        let Ok(held) = Arc::new(Semaphore::new(1)).acquire_owned().await else {
            return Err(Problem::new(Kind::UNAVAILABLE, "the server is ending"));
        };
        let end = Waiting::new(WATCH, outcomes.clone(), held);
        let request = replica::Request::Watch { scope, from, credit: WATCH_EVENTS_MAX };
        arrivals.watch(request, Watching { client, id: WATCH, outcomes, end }).await;
        let mut feed = Self {
            arrivals,
            client,
            outcomes: queue,
            waiting: VecDeque::new(),
            taken: 0,
            stop: api.stop(),
            given: None,
            is_over: false,
            _place: place,
        };
        // Services are answered in the order of their asking: what comes after the watch is answered when it was taken or
        // refused.
        let _ = api.arrivals().ask(replica::Request::Blocked { after: None, limit: 1 }, 0).await;
        if let Ok(outcome) = feed.outcomes.try_recv() {
            feed.take(outcome)?;
        }
        Ok(feed)
    }

    fn take(&mut self, outcome: Outcome) -> Result<(), Problem> {
        match outcome.result {
            Ok(Reply::Watched(events)) => {
                self.taken = self.taken.saturating_add(u32::try_from(events.len()).unwrap_or(u32::MAX));
                self.waiting.extend(events);
                Ok(())
            }
            Ok(_) => Err(super::written::unexpected()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The next event; `None` after the last.
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        // Asked for the next one only now: until then its socket took nothing.
        if self.given.take().is_some_and(|given| given.elapsed() > SLOW) {
            self.is_over = true;
            return Some(
                Event::default().event("slow").data("{\"hint\":\"connect again with the last cursor\"}"),
            );
        }
        while self.waiting.is_empty() {
            let outcome = tokio::select! {
                biased;
                () = self.stop.ordered() => return None,
                outcome = self.outcomes.recv() => outcome?,
            };
            if let Err(problem) = self.take(outcome) {
                self.is_over = true;
                return Some(Event::default().event("problem").data(json(&problem)));
            }
        }
        let event = watch_event(self.waiting.pop_front()?);
        if self.waiting.is_empty() {
            // All that was on its way is given: room for as many again.
            let taken = std::mem::take(&mut self.taken);
            self.arrivals.watch_more((self.client, WATCH), taken).await;
        }
        self.given = Some(Instant::now());
        let (name, cursor) = match &event {
            WatchEvent::Reset { cursor } => ("reset", cursor),
            WatchEvent::Document { cursor, .. } => ("document", cursor),
            WatchEvent::Synced { cursor } => ("synced", cursor),
            WatchEvent::Changed { cursor, .. } => ("changed", cursor),
        };
        Some(Event::default().event(name).id(cursor).data(json(&event)))
    }
}

fn json(value: &impl serde::Serialize) -> String {
    // Maps have text keys and numbers are finite, so that it cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

impl Drop for Feed {
    fn drop(&mut self) {
        let (arrivals, client) = (self.arrivals.clone(), self.client);
        // The connection's task ends with its runtime only.
        tokio::spawn(async move { arrivals.watch_end(client).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::arrivals;
    use tokio::time::advance;

    /// A feed with this many events that came.
    fn feed(events: usize) -> Feed {
        let (arrivals, _) = arrivals();
        let (_, outcomes) = mpsc::channel(1);
        let place = Place::of(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap());
        let synced = || replica::WatchEvent::Synced { cursor: WatchCursor("c".to_owned()) };
        Feed {
            client: arrivals.next_client(),
            arrivals,
            outcomes,
            waiting: (0..events).map(|_| synced()).collect(),
            taken: 0,
            stop: Stop::new().1,
            given: None,
            is_over: false,
            _place: place,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_was_slow_is_told_so_and_let_go() {
        let mut feed = feed(3);
        let shown = async |feed: &mut Feed| feed.next().await.map(|event| format!("{event:?}"));
        assert!(shown(&mut feed).await.unwrap().contains("synced"));
        advance(SLOW).await;
        assert!(shown(&mut feed).await.unwrap().contains("synced"), "slow, and not too slow");
        advance(SLOW + Duration::from_millis(1)).await;
        assert!(shown(&mut feed).await.unwrap().contains("slow"));
        assert_eq!(shown(&mut feed).await, None);
    }
}
