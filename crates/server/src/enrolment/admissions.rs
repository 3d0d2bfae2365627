//! The way from connections and local requests to the registrar, and what it says of keys.

use super::denied::Refusals;
use super::registrar::HubRequest;
use crate::event_loop::Waiting;
use crate::local::{Refusal, RefusalKind};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use transport::Peer;
use transport::enrolment::EnrolmentRequest;

/// Orders that wait for the registrar, and as many sites: each fsync takes a few.
const ORDERS_MAX: usize = 64;

/// What the registrar is asked or told.
pub(crate) enum Order {
    /// An operator asks.
    Local { request: HubRequest, waiting: Waiting },
    /// A connection of a key stands.
    Up([u8; 32]),
    /// It has ended.
    Down([u8; 32]),
}

/// Who is refused.
pub(crate) type Revoked = Arc<Refusals>;

/// What waits for the registrar.
pub(crate) struct Queues {
    /// Taken at any time.
    pub(crate) orders: mpsc::Receiver<Order>,
    /// Sites that want a certificate. Anybody may be among them, so nobody else waits behind them.
    pub(crate) asking: mpsc::Receiver<EnrolmentRequest>,
}

/// The other ends of [`Queues`].
#[derive(Clone, Debug)]
struct Ways {
    orders: mpsc::Sender<Order>,
    asking: mpsc::Sender<EnrolmentRequest>,
}

/// The registrar as others see it. Clones speak to the same one, or to none.
#[derive(Clone, Debug)]
pub(crate) struct Admissions {
    registrar: Option<Ways>,
    revoked: watch::Receiver<Revoked>,
}

/// A way to a registrar, and its ends of it.
pub(crate) fn admissions(revoked: Revoked) -> (Admissions, Queues, watch::Sender<Revoked>) {
    let ((orders, ordered), (asking, asked)) = (mpsc::channel(ORDERS_MAX), mpsc::channel(ORDERS_MAX));
    let (sender, revoked) = watch::channel(revoked);
    let registrar = Some(Ways { orders, asking });
    (Admissions { registrar, revoked }, Queues { orders: ordered, asking: asked }, sender)
}

impl Admissions {
    /// Of a replica that enrols nobody.
    pub(crate) fn none() -> Self {
        Self::denying(Revoked::default()).0
    }

    /// Of one that enrols nobody, and what says whom it refuses.
    pub(crate) fn denying(revoked: Revoked) -> (Self, watch::Sender<Revoked>) {
        let (sender, revoked) = watch::channel(revoked);
        (Self { registrar: None, revoked }, sender)
    }

    pub(crate) fn is_revoked(&self, peer: &Peer) -> bool {
        self.revoked.borrow().has(peer)
    }

    /// Waits until a peer is revoked; at once if it is.
    pub(crate) async fn revoked(&self, peer: &Peer) {
        let mut revoked = self.revoked.clone();
        let found = revoked.wait_for(|revoked| revoked.has(peer)).await.is_ok();
        if !found {
            // Nobody is left who could revoke it.
            std::future::pending::<()>().await;
        }
    }

    /// Tells of a connection.
    pub(crate) async fn tell(&self, order: Order) {
        if let Some(registrar) = &self.registrar {
            // An error means that the server is ending.
            let _ = registrar.orders.send(order).await;
        }
    }

    /// Hands a site's question over; one too many ends without an answer, and the site asks again.
    pub(crate) fn enrol(&self, request: EnrolmentRequest) {
        if let Some(registrar) = &self.registrar {
            let _ = registrar.asking.try_send(request);
        }
    }

    /// Hands an operator's request over. It is answered through `waiting` in any case.
    pub(crate) async fn ask(&self, request: HubRequest, waiting: Waiting) {
        let Some(registrar) = &self.registrar else {
            waiting.answer(Err(no_hub()));
            return;
        };
        // Not taken, `waiting` is dropped and says that the outcome is unknown.
        let _ = registrar.orders.send(Order::Local { request, waiting }).await;
    }
}

/// What to do where there is no authority.
pub(crate) const NO_HUB_HINT: &str = "ask at the hub that enrols sites; `isle hub init` makes one. Where an \
    organisation's own authority certifies replicas, `isle hub init --certified` makes a book of them. Without one [peers] of \
    the hub's isle.toml says who is let in and what it may do: change it there, and start the hub again; `isle hub revoke` \
    needs no restart";

fn no_hub() -> Refusal {
    Refusal::new(RefusalKind::Invalid, "this replica enrols nobody: it has no authority of its own")
        .hinted(NO_HUB_HINT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    #[tokio::test]
    async fn a_revocation_is_heard_by_who_waits_for_its_key() {
        let peer = |byte: u8| Peer { name: format!("store-{byte}"), public_key: [byte; 32] };
        let keys = |keys: &[u8]| Arc::new(Refusals::of_keys(keys.iter().map(|byte| [*byte; 32])));
        let (admissions, _queues, revoked) = admissions(Revoked::default());
        let first = peer(1);
        let mut waiting = pin!(admissions.revoked(&first));
        let is_ready = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready())).await;
        assert!(!is_ready);
        revoked.send_replace(keys(&[2]));
        let is_ready = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready())).await;
        assert!(!is_ready, "another key");
        revoked.send_replace(keys(&[1, 2]));
        waiting.await;
        admissions.revoked(&peer(2)).await;
        assert!(admissions.is_revoked(&peer(1)) && !admissions.is_revoked(&peer(3)));
    }
}
