//! Reads beside the loop: of what is durable, while it goes on writing.

use super::core::Core;
use super::requests::{Reply, refusal};
use crate::local::Refusal;
use document::Address;
use replica::{Request, Response, View, ViewedDocument};
use std::sync::Arc;
use store::{StoreReader, StoreSnapshot};
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
    /// Documents that may be read at a time where they are asked for: a disk that does not answer holds up so many threads.
    readers: Arc<Semaphore>,
}

/// Both ends, for so many readers at a time.
pub(super) fn views(readers: usize) -> (Viewed, Views) {
    let (sender, opened) = watch::channel(None);
    let places = |most| Arc::new(Semaphore::new(most));
    let views = Views { opened, queries: places(QUERIES_MAX), readers: places(readers) };
    (Viewed { opened: sender, number: None }, views)
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

    /// What one reads of the open store where it is asked for. It may wait for the disk, for a block or two: that costs less
    /// than to go elsewhere for it, and a thread is left for other tasks.
    fn read<T>(&self, read: impl FnOnce(&View, &StoreSnapshot) -> Option<T>) -> Option<T> {
        let _place = self.readers.try_acquire().ok()?;
        let opened = self.opened()?;
        read(&opened.view, &opened.rows.snapshot()?)
    }

    /// A document; `None` when the core must be asked.
    pub(super) fn document(&self, address: &Address) -> Option<ViewedDocument> {
        self.read(|view, rows| view.document(rows, address))
    }

    /// The answer to a read; `None` when the core must be asked, as for everything else. A query is run on another thread.
    pub(super) async fn answer(&self, request: &Request) -> Option<Result<Reply, Refusal>> {
        if let Request::Get { address, at: None } = request {
            let reading = self.read(|view, rows| view.reading(rows, address))?;
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
