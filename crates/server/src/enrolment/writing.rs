//! What the core is asked to write into `system`: of each key one thing at a time, in the order in which it was decided.

use super::book::Unwritten;
use crate::event_loop::Arrivals;
use crate::local::Refusal;
use std::collections::{BTreeSet, VecDeque};
use tokio::task::JoinSet;

/// What was to be written, what came of it, and who waits for it.
pub(super) type Settled<W> = (Unwritten, Result<(), Refusal>, W);

/// Writes on their way, and those that wait for one of the same key. As many as there are requests of operators and sites.
pub(super) struct Writing<W> {
    under_way: JoinSet<Settled<W>>,
    keys: BTreeSet<[u8; 32]>,
    queued: VecDeque<(Unwritten, W)>,
}

impl<W: Send + 'static> Writing<W> {
    pub(super) fn new() -> Self {
        Self { under_way: JoinSet::new(), keys: BTreeSet::new(), queued: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Has something written. What came of it is to be fetched with [`Self::next`] and told with [`Self::settled`].
    pub(super) fn start(&mut self, arrivals: &Arrivals, unwritten: Unwritten, waiter: W) {
        if !self.keys.insert(*unwritten.public_key()) {
            self.queued.push_back((unwritten, waiter));
            return;
        }
        let arrivals = arrivals.clone();
        self.under_way.spawn(async move {
            let outcome = write(&arrivals, &unwritten).await;
            (unwritten, outcome, waiter)
        });
    }

    /// Waits for the next that is settled; `None` when nothing is on its way. The future may be dropped at any time.
    pub(super) async fn next(&mut self) -> Option<Settled<W>> {
        // A task that panicked has told everybody who waits for it.
        self.under_way.join_next().await?.ok()
    }

    /// A write of this key is settled: the next one of the key begins.
    pub(super) fn settled(&mut self, arrivals: &Arrivals, public_key: &[u8; 32]) {
        self.keys.remove(public_key);
        let next = self.queued.iter().position(|(queued, _)| queued.public_key() == public_key);
        if let Some((unwritten, waiter)) = next.and_then(|next| self.queued.remove(next)) {
            self.start(arrivals, unwritten, waiter);
        }
    }
}

/// Asks the core as a service would.
async fn write(arrivals: &Arrivals, unwritten: &Unwritten) -> Result<(), Refusal> {
    let request = match unwritten.clone() {
        Unwritten::Grant { public_key, site, spaces } => {
            let spaces = spaces.into_iter().map(|(name, rights)| (name.0, rights.rights()));
            replica::Request::Grant { public_key, name: site, spaces: spaces.collect() }
        }
        Unwritten::Cut { public_key } => replica::Request::Revoke { public_key },
    };
    arrivals.ask(request).await.map(|_| ())
}
