//! How peers behaved, and who is refused for it. Known to the loop, which says who broke a rule, and to where connections
//! are accepted.

mod strikes;

pub(crate) use strikes::{Counts, Refused, RefusedKey};

use replica::Misbehaviour;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use strikes::Strikes;
use tokio::time::Instant;
use transport::Peer;

/// Clones share what is known; it ends with the process.
#[derive(Clone, Debug)]
pub(crate) struct Conduct {
    strikes: Arc<Mutex<Strikes>>,
    started: Instant,
}

/// What an operator is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ConductShown {
    /// Some of the keys that are refused at the moment.
    pub(crate) refused: Vec<RefusedKey>,
    /// How many they are.
    pub(crate) refused_count: usize,
    pub(crate) counts: Counts,
}

impl Conduct {
    pub(super) fn start() -> Self {
        Self { strikes: Arc::default(), started: Instant::now() }
    }

    /// Whether a peer is let in, which connects now.
    pub(crate) fn admit(&self, peer: &Peer) -> Result<(), Refused> {
        self.strikes().admit(&peer.public_key, &peer.name, self.now())
    }

    /// A connection ended because the peer broke a rule. That counts for who was let in here: one that this replica dials
    /// has its pauses.
    pub(crate) fn strike(&self, peer: &Peer, last: Misbehaviour) {
        let mut strikes = self.strikes();
        if !strikes.knows(&peer.public_key) {
            return;
        }
        let refused = strikes.strike(&peer.public_key, &peer.name, last, self.now());
        if let Some(Refused { cause, left }) = refused {
            tracing::warn!(peer = %peer.name, %cause, for_s = left.as_secs(), "a key is refused for a while");
        }
    }

    pub(super) fn shown(&self) -> ConductShown {
        let (now, strikes) = (self.now(), self.strikes());
        let (refused, refused_count) = strikes.refused(now);
        ConductShown { refused, refused_count, counts: strikes.counts() }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn strikes(&self) -> MutexGuard<'_, Strikes> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_dialled_is_counted_no_strikes() {
        let conduct = Conduct::start();
        let peer = |byte: u8| Peer { name: format!("store-{byte}"), public_key: [byte; 32] };
        conduct.admit(&peer(1)).unwrap();
        for _ in 0..5 {
            conduct.strike(&peer(1), Misbehaviour::Space);
            conduct.strike(&peer(2), Misbehaviour::Space);
        }
        let shown = conduct.shown();
        assert_eq!((shown.refused_count, shown.counts.strikes), (1, 5));
        assert!(conduct.admit(&peer(1)).is_err() && conduct.admit(&peer(2)).is_ok());
    }
}
