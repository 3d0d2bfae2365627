//! Watches of services: whose they are, and the way of their events.

use super::requests::{Outcome, Reply, Waiting};
use crate::local::Refusal;
use replica::{RequestId, WatchEvent};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Names a connection of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientId(pub(crate) u64);

/// Names a watch on its connection, by the client's number for it.
pub(crate) type WatchId = (ClientId, u64);

/// A service that watches. It holds its place among the connection's requests.
pub(crate) struct Watching {
    pub(crate) client: ClientId,
    pub(crate) id: u64,
    pub(crate) outcomes: mpsc::Sender<Outcome>,
    /// Answers when it ends otherwise than by its client.
    pub(crate) end: Waiting,
}

impl Watching {
    /// Ends it with a refusal.
    pub(super) fn refuse(self, refusal: Refusal) {
        self.end.answer(Err(refusal));
    }
}

/// All watches.
#[derive(Default)]
pub(super) struct Watches {
    by_request: BTreeMap<RequestId, Watching>,
    requests: BTreeMap<WatchId, RequestId>,
}

impl Watches {
    /// A client that uses a number twice takes it from the watch before, which is returned to be ended.
    pub(super) fn add(&mut self, request: RequestId, watching: Watching) -> Option<RequestId> {
        let before = self.requests.insert((watching.client, watching.id), request);
        self.by_request.insert(request, watching);
        before.inspect(|before| drop(self.by_request.remove(before)))
    }

    pub(super) fn request(&self, watch: WatchId) -> Option<RequestId> {
        self.requests.get(&watch).copied()
    }

    /// Takes one out; `None` when there is none of this request.
    pub(super) fn remove(&mut self, request: RequestId) -> Option<Watching> {
        let watching = self.by_request.remove(&request)?;
        self.requests.remove(&(watching.client, watching.id));
        Some(watching)
    }

    /// Takes out all of a connection.
    pub(super) fn end_client(&mut self, client: ClientId) -> Vec<RequestId> {
        let range = (client, 0)..=(client, u64::MAX);
        let requests: Vec<_> = self.requests.range(range).map(|(_, request)| *request).collect();
        requests.iter().filter_map(|request| self.remove(*request)).for_each(|ended| ended.end.forget());
        requests
    }

    /// Events on their way to a client. There is room: they are no more than its credit. A client that is gone says so
    /// itself.
    pub(super) fn show(&self, request: RequestId, events: Vec<WatchEvent>) {
        if let Some(watching) = self.by_request.get(&request) {
            let outcome = Outcome { id: Some(watching.id), result: Ok(Reply::Watched(events)), place: None };
            let _ = watching.outcomes.try_send(outcome);
        }
    }

    /// Nobody shows them anything any more.
    pub(super) fn end(&mut self) {
        self.by_request.clear();
        self.requests.clear();
    }
}
