//! Reads beside the loop: of what is durable, while it goes on writing.

use super::core::Core;
use super::requests::{Reply, refusal};
use crate::local::Refusal;
use document::Address;
use replica::{Request, Response, View, ViewedDocument};
use std::sync::Arc;
use store::StoreReader;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

/// Queries that are answered beside the loop at a time: each may look at 8 MiB of documents. More wait.
const QUERIES_MAX: usize = 2;

/// The open store, as others may read it.
#[derive(Debug)]
struct Opened {
    view: View,
    rows: StoreReader,
}

/// The loop's end: tells readers what is open.
pub(super) struct Viewed {
    opened: watch::Sender<Option<Arc<Opened>>>,
    /// Of the view that readers have.
    number: Option<u64>,
}

/// The readers' end. Clones share its limit.
#[derive(Clone, Debug)]
pub(crate) struct Views {
    opened: watch::Receiver<Option<Arc<Opened>>>,
    queries: Arc<Semaphore>,
}

pub(super) fn views() -> (Viewed, Views) {
    let (sender, opened) = watch::channel(None);
    (
        Viewed { opened: sender, number: None },
        Views { opened, queries: Arc::new(Semaphore::new(QUERIES_MAX)) },
    )
}

impl Viewed {
    /// Shows the store as the core has it at the end of a turn. Nothing of one in memory is shown.
    pub(super) fn follow(&mut self, core: &Core) {
        let number = core.view_number();
        if self.number != Some(number) {
            self.number = Some(number);
            let opened = core.reader().map(|rows| Arc::new(Opened { view: core.view(), rows }));
            self.opened.send_replace(opened);
        }
    }

    /// The store is about to be closed.
    pub(super) fn close(&mut self) {
        self.number = None;
        self.opened.send_replace(None);
    }
}

impl Views {
    fn opened(&self) -> Option<Arc<Opened>> {
        self.opened.borrow().clone()
    }

    /// A document; `None` when the core must be asked. It may wait for the disk, for a block or two: that costs less than to
    /// go elsewhere for it, and other tasks go on on other threads.
    pub(crate) fn document(&self, address: &Address) -> Option<ViewedDocument> {
        let opened = self.opened()?;
        opened.view.document(&opened.rows.snapshot()?, address)
    }

    /// The answer to a read; `None` when the core must be asked, as for everything else. A query is run on another thread.
    pub(super) async fn answer(&self, request: &Request) -> Option<Result<Reply, Refusal>> {
        if let Request::Get { address, at: None } = request {
            let opened = self.opened()?;
            let reading = opened.view.reading(&opened.rows.snapshot()?, address)?;
            return Some(Ok(Reply::Core(Response::Document(reading))));
        }
        let Request::Query { space, collection, query } = request else { return None };
        let (space, collection, query) = (space.clone(), collection.clone(), query.clone());
        let opened = self.opened()?;
        let place = Arc::clone(&self.queries).acquire_owned().await.ok()?;
        let queried = spawn_blocking(move || {
            let queried = opened.view.query(&opened.rows.snapshot()?, (&space, &collection), &query);
            drop(place);
            queried
        });
        // It fails when the process ends.
        let queried = queried.await.ok().flatten()?;
        Some(queried.map(|queried| Reply::Core(Response::Queried(queried))).map_err(|error| refusal(&error)))
    }
}

#[cfg(test)]
mod tests;
