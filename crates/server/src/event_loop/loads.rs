//! Documents that are read for the core beside the loop: loading one with much history takes longer than a turn.

use replica::{LoadOrder, Loaded};
use std::sync::Arc;
use store::StoreReader;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, spawn_blocking};

/// Documents that are read at a time, and not taken yet: small machines have two cores, and each may take megabytes.
const AT_A_TIME: usize = 2;

/// What is being read of one opened store.
pub(super) struct Loads {
    under_way: JoinSet<(Loaded, Option<OwnedSemaphorePermit>)>,
    places: Arc<Semaphore>,
}

impl Default for Loads {
    fn default() -> Self {
        Self { under_way: JoinSet::new(), places: Arc::new(Semaphore::new(AT_A_TIME)) }
    }
}

impl Loads {
    /// Reads a document; without a reader, or where that fails, the core does.
    pub(super) fn begin(&mut self, order: LoadOrder, reader: Option<StoreReader>) {
        let places = Arc::clone(&self.places);
        self.under_way.spawn(async move {
            let place = places.acquire_owned().await.ok();
            let failed = order.failed();
            let read = spawn_blocking(move || {
                // The snapshot is let go of first: a closed store cannot be opened again while there is one.
                let found = reader?.snapshot().map(|rows| order.read(&rows))?;
                Some(found.load())
            });
            (read.await.ok().flatten().unwrap_or(failed), place)
        });
    }

    /// Waits for the next that was read; for ever while nothing is. It may be dropped at any time.
    pub(super) async fn next(&mut self) -> Box<Loaded> {
        loop {
            match self.under_way.join_next().await {
                Some(Ok((loaded, _place))) => return Box::new(loaded),
                // The process ends, and the runtime with it.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// The store is about to be closed: what was read of it is of no use to another.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}
