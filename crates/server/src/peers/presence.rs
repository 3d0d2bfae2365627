//! Which peers are connected, whoever dialled, and why those that are dialled are not.
//!
//! Two replicas may dial each other. The newest connection replaces the older one at both; a dialler that did not know
//! of a connection would replace it, and be replaced, for ever.

use super::timetable::WAITS;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Connections to each peer of the configuration. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    by_peer: Arc<BTreeMap<String, OfPeer>>,
}

#[derive(Debug, Default)]
struct OfPeer {
    connections: watch::Sender<usize>,
    /// Why there is none, in words; none while nobody knows.
    trouble: watch::Sender<Option<String>>,
}

/// Counts as a connection until it is dropped.
#[derive(Debug)]
pub(super) struct Present<'a>(Option<&'a watch::Sender<usize>>);

impl Presence {
    pub(crate) fn of<'a>(peers: impl Iterator<Item = &'a String>) -> Self {
        Self { by_peer: Arc::new(peers.map(|peer| (peer.clone(), OfPeer::default())).collect()) }
    }

    /// A connection to the peer stands. One that is not in the configuration is not counted: nobody dials it.
    pub(super) fn enter(&self, peer: &str) -> Present<'_> {
        let of_peer = self.by_peer.get(peer);
        if let Some(of_peer) = of_peer {
            of_peer.connections.send_modify(|count| *count += 1);
            of_peer.trouble.send_replace(None);
        }
        Present(of_peer.map(|of_peer| &of_peer.connections))
    }

    /// Says why there is no connection to the peer.
    pub(super) fn set_trouble(&self, peer: &str, why: String) {
        if let Some(of_peer) = self.by_peer.get(peer) {
            of_peer.trouble.send_replace(Some(why));
        }
    }

    /// Why there is no connection to the peer, in words, as far as this replica knows.
    pub(crate) fn trouble(&self, peer: &str) -> Option<String> {
        let of_peer = self.by_peer.get(peer)?;
        of_peer.trouble.borrow().clone().filter(|_| *of_peer.connections.borrow() == 0)
    }

    /// The peers that are not connected because their schedule says so.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let waits = |peer: &&String| self.trouble(peer).is_some_and(|trouble| trouble.starts_with(WAITS));
        self.by_peer.keys().filter(waits).cloned().collect()
    }

    /// Waits until there is no connection to the peer.
    pub(super) async fn absent(&self, peer: &str) {
        if let Some(of_peer) = self.by_peer.get(peer) {
            // The sender is held here: it cannot be gone.
            let _ = of_peer.connections.subscribe().wait_for(|count| *count == 0).await;
        }
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        if let Some(connections) = self.0 {
            connections.send_modify(|count| *count -= 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    /// Whether the future is ready at the first look.
    async fn is_ready(future: impl Future<Output = ()>) -> bool {
        let mut future = pin!(future);
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn a_peer_is_absent_when_its_last_connection_has_ended() {
        let presence = Presence::of(["hub".to_owned()].iter());
        assert!(is_ready(presence.absent("hub")).await);
        let (first, second) = (presence.enter("hub"), presence.enter("hub"));
        drop(first);
        assert!(!is_ready(presence.absent("hub")).await);
        drop(second);
        assert!(is_ready(presence.absent("hub")).await);
    }

    #[test]
    fn trouble_with_a_peer_ends_with_a_connection() {
        let presence = Presence::of(["hub".to_owned()].iter());
        presence.set_trouble("hub", "nobody listens".to_owned());
        assert_eq!(presence.trouble("hub").as_deref(), Some("nobody listens"));
        drop(presence.enter("hub"));
        assert_eq!(presence.trouble("hub"), None);
        presence.set_trouble("stranger", "nobody knows it".to_owned());
        assert_eq!(presence.trouble("stranger"), None);
    }

    #[tokio::test]
    async fn who_is_not_in_the_configuration_is_never_waited_for() {
        let presence = Presence::of(std::iter::empty());
        let _present = presence.enter("stranger");
        assert!(is_ready(presence.absent("stranger")).await);
    }
}
