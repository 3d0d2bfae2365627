//! Live feeds, however they are sent (`watch`, `web_socket`).
//!
//! A feed holds no events back: the core reads its journal as far as the reader has taken what came before. A reader that
//! takes nothing for [`SLOW`] is told so, where it takes something again, and let go; one that takes nothing at all loses
//! its connection (`listening`). Either goes on where it was, with its cursor.

use super::asking::{Api, no_answer};
use super::calling::Caller;
use super::problem::{Kind, Problem};
use super::shares::Share;
use super::watch::json;
use crate::event_loop::{Arrivals, ClientId, Outcome, Reply, Stop, Waiting, Watching};
use crate::local::{WATCH_EVENTS_MAX, WatchEvent, watch_event};
use document::{Collection, Space};
use replica::{UNTAKEN_BYTES_MAX, WatchCursor, WatchScope};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};

/// From one sign of life to the next where nothing happens.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// A reader that takes nothing for so long is let go.
pub(super) const SLOW: Duration = Duration::from_secs(20);

/// The client's number for its only watch.
const WATCH: u64 = 1;

/// Room is given back for half of the events of a feed at once, and earlier where they are long: each time costs the loop a
/// turn.
const TAKEN_MAX: u32 = WATCH_EVENTS_MAX / 2;

/// Bytes of events as they are sent, which are at least those that the core counts, likewise. It takes all that were shown for
/// equally long, of which the short ones may have been taken: with more it could wait for the feed, and the feed for it.
const TAKEN_BYTES_MAX: usize = 8 * 1024;
const _: () =
    assert!(TAKEN_BYTES_MAX * TAKEN_MAX as usize <= UNTAKEN_BYTES_MAX, "the two wait for each other");

/// What a reader is told.
#[derive(Debug)]
pub(super) enum Told {
    Event(ToldEvent),
    /// It was too slow, and this is the last.
    Slow,
    /// It cannot go on, and this is the last.
    Problem(Problem),
}

/// Something that is watched, as it is sent.
#[derive(Debug)]
pub(super) struct ToldEvent {
    /// Its name, as server-sent events have one.
    pub(super) name: &'static str,
    /// What the reader goes on after it with.
    pub(super) cursor: String,
    pub(super) json: String,
}

impl ToldEvent {
    fn of(event: &WatchEvent) -> Self {
        let json = json(event);
        let (name, cursor) = match event {
            WatchEvent::Reset { cursor } => ("reset", cursor),
            WatchEvent::Document { cursor, .. } => ("document", cursor),
            WatchEvent::Synced { cursor } => ("synced", cursor),
            WatchEvent::Changed { cursor, .. } => ("changed", cursor),
        };
        Self { name, cursor: cursor.clone(), json }
    }
}

/// What a reader is told that was too slow.
pub(super) const SLOW_HINT: &str = "connect again with the last cursor";

/// A watch of the core and its events. It ends with it.
pub(super) struct Feed {
    arrivals: Arrivals,
    client: ClientId,
    outcomes: mpsc::Receiver<Outcome>,
    waiting: VecDeque<replica::WatchEvent>,
    /// Events that came and for which no new room was given, and the bytes of those that were sent.
    taken: u32,
    taken_bytes: usize,
    stop: Stop,
    /// When the reader was given the last event.
    given: Option<Instant>,
    is_over: bool,
    reader: Option<Reader>,
    _place: Share,
}

/// Who reads a feed, and what. It is looked at again with each event, and at least with every sign of life: its right may
/// end before the connection does.
pub(super) struct Reader {
    pub(super) api: Api,
    pub(super) caller: Caller,
    pub(super) space: Space,
    pub(super) collection: Option<Collection>,
}

impl Reader {
    fn check(&self) -> Result<(), Problem> {
        self.caller.still_reads(&self.api, &self.space, self.collection.as_ref())
    }
}

impl Feed {
    /// Begins, or says why not.
    pub(super) async fn begin(
        reader: Reader,
        place: Share,
        scope: WatchScope,
        from: Option<WatchCursor>,
    ) -> Result<Self, Problem> {
        let api = reader.api.clone();
        let arrivals = api.arrivals().clone();
        let client = arrivals.next_client();
        // Room for all events that there is credit for, and for the end.
        let room = usize::try_from(WATCH_EVENTS_MAX).unwrap_or(usize::MAX).saturating_add(1);
        let (outcomes, queue) = mpsc::channel(room);
        let Ok(held) = Arc::new(Semaphore::new(1)).acquire_owned().await else {
            return Err(Problem::new(Kind::UNAVAILABLE, "the server is ending", "connect again in a moment"));
        };
        let end = Waiting::new(WATCH, outcomes.clone(), held);
        let request = replica::Request::Watch { scope, from, credit: WATCH_EVENTS_MAX };
        let most = api.limits().time;
        let watching = arrivals.watch(request, Watching { client, id: WATCH, outcomes, end });
        timeout(most, watching).await.map_err(|_| no_answer(most))?;
        let mut feed = Self {
            arrivals,
            client,
            outcomes: queue,
            waiting: VecDeque::new(),
            taken: 0,
            taken_bytes: 0,
            stop: api.stop(),
            given: None,
            is_over: false,
            reader: Some(reader),
            _place: place,
        };
        // Services are answered in the order of their asking: what comes after the watch is answered when it was taken or
        // refused.
        let asked = api.arrivals().ask(replica::Request::Blocked { after: None, limit: 1 });
        let _ = timeout(most, asked).await.map_err(|_| no_answer(most))?;
        if let Ok(outcome) = feed.outcomes.try_recv() {
            feed.take(outcome)?;
        }
        Ok(feed)
    }

    fn check(&self) -> Result<(), Problem> {
        self.reader.as_ref().map_or(Ok(()), Reader::check)
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

    /// What comes next; `None` after the last. Who does not wait for it to the end may lose an event.
    pub(super) async fn next(&mut self) -> Option<Told> {
        if self.is_over {
            return None;
        }
        // Asked for the next one only now: until then its socket took nothing.
        if self.given.take().is_some_and(|given| given.elapsed() > SLOW) {
            self.is_over = true;
            return Some(Told::Slow);
        }
        while self.waiting.is_empty() {
            let taken = tokio::select! {
                biased;
                () = self.stop.ordered() => return None,
                outcome = self.outcomes.recv() => self.take(outcome?),
                () = sleep(HEARTBEAT) => self.check(),
            };
            if let Err(problem) = taken {
                return self.over(problem);
            }
        }
        if let Err(problem) = self.check() {
            return self.over(problem);
        }
        let event = ToldEvent::of(&watch_event(self.waiting.pop_front()?));
        self.taken_bytes = self.taken_bytes.saturating_add(event.json.len());
        let is_due = self.taken >= TAKEN_MAX || self.taken_bytes >= TAKEN_BYTES_MAX;
        if self.waiting.is_empty() && is_due {
            // All that was on its way is given: room for as many again.
            let taken = std::mem::take(&mut self.taken);
            self.taken_bytes = 0;
            self.arrivals.watch_more((self.client, WATCH), taken).await;
        }
        self.given = Some(Instant::now());
        Some(Told::Event(event))
    }
}

impl Feed {
    /// It cannot go on, which is told; unless all that happened is that the server ends, which may be seen in what it takes
    /// along before it is heard.
    fn over(&mut self, problem: Problem) -> Option<Told> {
        self.is_over = true;
        (!self.stop.is_ordered()).then_some(Told::Problem(problem))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let (arrivals, client) = (self.arrivals.clone(), self.client);
        // Without a runtime the loop has ended, or ends: who has the replica in its process may drop a feed anywhere.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { arrivals.watch_end(client).await });
        } else {
            arrivals.watch_end_now(client);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::shares::Shares;
    use super::*;
    use crate::event_loop::{StopOrder, arrivals};
    use tokio::time::advance;

    /// Where a feed's events would come from, and its end.
    pub(in crate::http) type Source = (mpsc::Sender<Outcome>, StopOrder);

    /// A feed with this many events that came. It goes on as long as its source is held.
    pub(in crate::http) fn feed(events: usize) -> (Feed, Source) {
        let (arrivals, _) = arrivals(0);
        let (sender, outcomes) = mpsc::channel(1);
        let (order, stop) = Stop::new();
        let place = Shares::whole(1).take(None).ok().unwrap();
        let synced = || replica::WatchEvent::Synced { cursor: WatchCursor("c".to_owned()) };
        let feed = Feed {
            client: arrivals.next_client(),
            arrivals,
            outcomes,
            waiting: (0..events).map(|_| synced()).collect(),
            taken: 0,
            taken_bytes: 0,
            stop,
            given: None,
            is_over: false,
            reader: None,
            _place: place,
        };
        (feed, (sender, order))
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_was_slow_is_told_so_and_let_go() {
        let (mut feed, _source) = feed(3);
        let name = async |feed: &mut Feed| {
            feed.next().await.map(|told| match told {
                Told::Event(event) => event.name,
                Told::Slow => "slow",
                Told::Problem(_) => "problem",
            })
        };
        assert_eq!(name(&mut feed).await, Some("synced"));
        advance(SLOW).await;
        assert_eq!(name(&mut feed).await, Some("synced"), "slow, and not too slow");
        advance(SLOW + Duration::from_millis(1)).await;
        assert_eq!(name(&mut feed).await, Some("slow"));
        assert_eq!(name(&mut feed).await, None);
    }

    /// Of short events for half of them at once; what is long is counted by its bytes, and no event waits for the next.
    #[tokio::test]
    async fn room_is_given_back_before_the_core_waits_for_it() {
        let (mut feed, (sender, _order)) = feed(0);
        let (arrivals, mut queue) = arrivals(0);
        feed.arrivals = arrivals;
        let mut given = async |events: u32, key: &str| {
            let cursor = WatchCursor(key.to_owned());
            let events = (0..events).map(|_| replica::WatchEvent::Synced { cursor: cursor.clone() });
            let events: Vec<_> = events.collect();
            let count = events.len();
            let outcome = Outcome { id: Some(WATCH), result: Ok(Reply::Watched(events)), place: None };
            sender.send(outcome).await.ok().unwrap();
            for _ in 0..count {
                feed.next().await.unwrap();
            }
            queue.try_next_credit()
        };
        assert_eq!(given(TAKEN_MAX - 1, "c").await, None);
        assert_eq!(given(1, "c").await, Some(TAKEN_MAX));
        assert_eq!(given(2 * TAKEN_MAX, "c").await, Some(2 * TAKEN_MAX));
        assert_eq!(given(1, &"c".repeat(TAKEN_BYTES_MAX)).await, Some(1));
        assert_eq!(given(1, "c").await, None);
    }

    #[tokio::test]
    async fn a_feed_that_ends_with_its_server_has_no_problem() {
        let problem = || Problem::new(Kind::UNAVAILABLE, "its store failed", "wait");
        let (mut feed, (_sender, order)) = feed(0);
        assert!(matches!(feed.over(problem()), Some(Told::Problem(_))));
        order.give();
        assert!(feed.over(problem()).is_none());
    }
}
