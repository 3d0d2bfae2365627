//! The way from connections and local requests to the registrar, and what it says of keys.

use super::registrar::HubRequest;
use crate::event_loop::Waiting;
use crate::local::{Refusal, RefusalKind};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use transport::enrolment::EnrolmentRequest;

/// Orders that wait for the registrar: each fsync takes a few.
const ORDERS_MAX: usize = 64;

/// What the registrar is asked or told.
pub(crate) enum Order {
    /// An operator asks.
    Local { request: HubRequest, waiting: Waiting },
    /// A site asks for a certificate.
    Enrol(EnrolmentRequest),
    /// A connection of a key stands.
    Up([u8; 32]),
    /// It has ended.
    Down([u8; 32]),
}

/// Keys that are refused.
pub(crate) type RevokedKeys = Arc<BTreeSet<[u8; 32]>>;

/// The registrar as others see it. Clones speak to the same one, or to none.
#[derive(Clone, Debug)]
pub(crate) struct Admissions {
    orders: Option<mpsc::Sender<Order>>,
    revoked: watch::Receiver<RevokedKeys>,
}

/// A way to a registrar, and its ends of it.
pub(crate) fn admissions(
    revoked: RevokedKeys,
) -> (Admissions, mpsc::Receiver<Order>, watch::Sender<RevokedKeys>) {
    let (orders, queue) = mpsc::channel(ORDERS_MAX);
    let (sender, revoked) = watch::channel(revoked);
    (Admissions { orders: Some(orders), revoked }, queue, sender)
}

impl Admissions {
    /// Of a replica that enrols nobody.
    pub(crate) fn none() -> Self {
        Self { orders: None, revoked: watch::channel(RevokedKeys::default()).1 }
    }

    pub(crate) fn is_revoked(&self, public_key: &[u8; 32]) -> bool {
        self.revoked.borrow().contains(public_key)
    }

    /// Waits until a key is revoked; at once if it is.
    pub(crate) async fn revoked(&self, public_key: &[u8; 32]) {
        let mut revoked = self.revoked.clone();
        let found = revoked.wait_for(|keys| keys.contains(public_key)).await.is_ok();
        if !found {
            // Nobody is left who could revoke it.
            std::future::pending::<()>().await;
        }
    }

    /// Tells of a connection.
    pub(crate) async fn tell(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // An error means that the server is ending.
            let _ = orders.send(order).await;
        }
    }

    /// Hands a site's question over; one too many ends without an answer, and the site asks again.
    pub(crate) fn enrol(&self, request: EnrolmentRequest) {
        if let Some(orders) = &self.orders {
            let _ = orders.try_send(Order::Enrol(request));
        }
    }

    /// Hands an operator's request over. It is answered through `waiting` in any case.
    pub(crate) async fn ask(&self, request: HubRequest, waiting: Waiting) {
        let Some(orders) = &self.orders else {
            waiting.answer(Err(no_hub()));
            return;
        };
        // Not taken, `waiting` is dropped and says that the outcome is unknown.
        let _ = orders.send(Order::Local { request, waiting }).await;
    }
}

/// What to do where there is no authority.
pub(crate) const NO_HUB_HINT: &str = "ask at the hub that enrols sites; `isle hub init` makes one. Where an \
    organisation's own authority certifies replicas, [peers] of the hub's isle.toml says who is let in and what it may \
    do: change it there, and start the hub again";

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
        let (admissions, _queue, revoked) = admissions(RevokedKeys::default());
        let mut waiting = pin!(admissions.revoked(&[1; 32]));
        let is_ready = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready())).await;
        assert!(!is_ready);
        revoked.send_replace(Arc::new([[2; 32]].into()));
        let is_ready = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready())).await;
        assert!(!is_ready, "another key");
        revoked.send_replace(Arc::new([[1; 32], [2; 32]].into()));
        waiting.await;
        admissions.revoked(&[2; 32]).await;
        assert!(admissions.is_revoked(&[1; 32]) && !admissions.is_revoked(&[3; 32]));
    }
}
