//! What an operator reads about the core.

use replica::{DisconnectReason, Event, RequestError, Response};

/// `peer` is the name in the certificate; none when the connection has ended by itself.
pub(super) fn log_disconnect(peer: Option<&str>, reason: &DisconnectReason) {
    let peer = peer.unwrap_or("a peer that is gone");
    let is_lost_history =
        matches!(reason, DisconnectReason::RolledBack { .. } | DisconnectReason::Forked { .. });
    if is_lost_history {
        tracing::error!(%peer, %reason, "connection ended here");
    } else if matches!(reason, DisconnectReason::Replaced | DisconnectReason::RightsChanged) {
        tracing::debug!(%peer, %reason, "connection ended here");
    } else {
        tracing::warn!(%peer, %reason, "connection ended here");
    }
}

/// A change that an operator dropped is missing here for good: that must be found later.
pub(super) fn log_drop(result: &Result<Response, RequestError>) {
    if let Ok(Response::Dropped(dropped)) = result {
        let change = dropped.change;
        let (hash, origin, sequence) = (change.hash, change.stamp.origin, change.stamp.sequence);
        tracing::warn!(%hash, %origin, sequence, "a change was dropped: it is stored and never applied here");
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
        Event::KeysGone { age_ms, gone, keys_max } => {
            tracing::warn!(
                age_ms,
                gone,
                keys_max,
                "idempotency keys are dropped before a day is over, for want of room: a sale that is sent again later counts twice; `idempotency_keys_max` of [http] in isle.toml has the limit"
            );
        }
        Event::ValueMended { address } => {
            tracing::warn!(%address, "a stored value could not be read and was made again from its changes: look at the disk");
        }
        Event::ForkSettled { space, origin, sequence, taken_out, written_again } => {
            tracing::error!(%space, %origin, sequence, taken_out, written_again, "an old copy of the store was written to: its changes gave way to the hub's and are written again under a new origin");
        }
        Event::SnapshotRefused { address } => {
            tracing::error!(%address, "a document does not survive being saved: its changes are kept");
        }
        Event::AccessRefused { address, fault } => {
            tracing::error!(%address, %fault, "an access document grants nothing");
        }
        Event::RowsBeyondCut { name, space, origin, last, rows } => {
            tracing::error!(%name, %space, %origin, last, rows, "changes of a writer without right are here: nobody is sent them");
        }
        Event::SchemaTaken { collection, version } => {
            tracing::info!(%collection, version, "a schema is in force");
        }
        Event::SchemaRefused { address, fault } => {
            tracing::error!(%address, %fault, "a schema document is passed over");
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
