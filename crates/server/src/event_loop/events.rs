//! What an operator reads about the core.

use replica::{DisconnectReason, Event};

/// `peer` is the name in the certificate; none when the connection has ended by itself.
pub(super) fn log_disconnect(peer: Option<&str>, reason: &DisconnectReason) {
    let peer = peer.unwrap_or("a peer that is gone");
    let is_lost_history =
        matches!(reason, DisconnectReason::RolledBack { .. } | DisconnectReason::Forked { .. });
    if is_lost_history {
        tracing::error!(%peer, %reason, "connection ended here");
    } else if *reason == DisconnectReason::Replaced {
        tracing::debug!(%peer, %reason, "connection ended here");
    } else {
        tracing::warn!(%peer, %reason, "connection ended here");
    }
}

pub(super) fn log_event(event: &Event) {
    match event {
        Event::SessionStarted { peer, rung, backlog_rows } => {
            tracing::info!(%peer, ?rung, backlog_rows, "session started");
        }
        Event::StreamStopped { peer, space, origin, sequence, reason } => {
            tracing::error!(%peer, %space, %origin, sequence, %reason, "a change is refused: its origin's stream stops");
        }
        Event::Blocked { address, reason } => {
            tracing::error!(%address, %reason, "a document is blocked: its changes are stored, it is read as before");
        }
        Event::SnapshotRefused { address } => {
            tracing::error!(%address, "a document does not survive being saved: its changes are kept");
        }
        Event::Filled { peer, space, documents } => {
            tracing::info!(%peer, %space, documents, "a space was filled");
        }
        Event::FillStopped { peer, space, reason } => {
            tracing::error!(%peer, %space, %reason, "a change is refused: the space is not filled by this peer");
        }
        Event::Rewound { peer } => tracing::debug!(%peer, "asked to go back"),
    }
}
