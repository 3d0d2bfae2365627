//! The connections that the loop knows.

use super::arrival::FrameQueues;
use replica::{Lane, LinkId};
use std::collections::BTreeMap;
use tokio::sync::mpsc::error::TrySendError;
use transport::{ConnectionHandle, Peer};

/// Connections by number.
#[derive(Default)]
pub(super) struct Links {
    by_id: BTreeMap<LinkId, Link>,
}

struct Link {
    handle: ConnectionHandle,
    frames: FrameQueues,
}

impl Links {
    pub(super) fn add(&mut self, link: LinkId, handle: ConnectionHandle, frames: FrameQueues) {
        self.by_id.insert(link, Link { handle, frames });
    }

    pub(super) fn remove(&mut self, link: LinkId) {
        self.by_id.remove(&link);
    }

    /// The peer at the other end; none when the connection has ended.
    pub(super) fn peer(&self, link: LinkId) -> Option<&Peer> {
        self.by_id.get(&link).map(|link| link.handle.peer())
    }

    /// Hands a frame over for sending. A connection that has ended takes it and does nothing: its end is on its way
    /// to the core.
    pub(super) fn send(&mut self, link: LinkId, lane: Lane, frame: Vec<u8>) {
        let Some(to) = self.by_id.get(&link) else { return };
        let frames = match lane {
            Lane::Control => &to.frames.control,
            Lane::Live => &to.frames.live,
            Lane::Bulk => &to.frames.bulk,
        };
        match frames.try_send(frame) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => {
                let peer = &to.handle.peer().name;
                tracing::warn!(%peer, "too many frames wait for the peer: the connection is ended");
                self.disconnect(link, "the peer does not keep up");
            }
        }
    }

    /// Closes a connection; the peer is shown the reason. The core hears of it when the connection has ended.
    pub(super) fn disconnect(&mut self, link: LinkId, reason: &str) {
        if let Some(link) = self.by_id.remove(&link) {
            link.handle.close(reason);
        }
    }

    pub(super) fn disconnect_all(&mut self, reason: &str) {
        for link in std::mem::take(&mut self.by_id).into_values() {
            link.handle.close(reason);
        }
    }

    /// Lets every connection end in order: what waits is sent, then its streams are finished.
    pub(super) fn end(&mut self) {
        self.by_id.clear();
    }
}
