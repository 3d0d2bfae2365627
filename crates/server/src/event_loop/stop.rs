//! The order to stop, heard by every task.

use tokio::sync::watch;

/// Hears the order to stop. Clones hear the same order.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// Gives the order. Dropping the last clone gives the order too.
#[derive(Clone, Debug)]
pub(crate) struct StopOrder(watch::Sender<bool>);

impl Stop {
    pub(crate) fn new() -> (StopOrder, Self) {
        let (order, stop) = watch::channel(false);
        (StopOrder(order), Self(stop))
    }

    /// Waits for the order; at once if it was given.
    pub(crate) async fn ordered(&mut self) {
        // An error means that whoever could give the order is gone: that is one.
        let _ = self.0.wait_for(|ordered| *ordered).await;
    }

    /// Whether the order was given.
    pub(crate) fn is_ordered(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

impl StopOrder {
    pub(crate) fn give(&self) {
        self.0.send_replace(true);
    }
}
