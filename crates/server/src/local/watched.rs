//! Events of watches as they are on the line.

use super::answer;
use super::protocol::{Stamp, WatchEvent, WatchedChange, WatchedDocument};
use replica::WatchedValue;
use serde_json::Value;

pub(crate) fn shown(event: replica::WatchEvent) -> WatchEvent {
    let cursor = event.cursor().0.clone();
    match event {
        replica::WatchEvent::Reset { .. } => WatchEvent::Reset { cursor },
        replica::WatchEvent::Document { document: shown, .. } => {
            WatchEvent::Document { cursor, document: document(shown) }
        }
        replica::WatchEvent::Synced { .. } => WatchEvent::Synced { cursor },
        replica::WatchEvent::Changed { changes, .. } => {
            WatchEvent::Changed { cursor, changes: changes.into_iter().map(change).collect() }
        }
    }
}

fn change(change: replica::WatchedChange) -> WatchedChange {
    let (wall_ms, author, message) = match change.signature {
        Some(signature) => (Some(signature.wall_ms), signature.author, signature.message),
        None => (None, None, None),
    };
    WatchedChange {
        stamp: Stamp { origin: change.stamp.origin.to_string(), sequence: change.stamp.sequence },
        hash: change.hash.to_string(),
        lsn: change.lsn,
        accepted_ms: change.accepted_ms,
        wall_ms,
        author,
        message,
        document: document(change.document),
    }
}

fn document(document: replica::WatchedDocument) -> WatchedDocument {
    let omitted = document.value == WatchedValue::Omitted;
    WatchedDocument {
        address: document.address,
        lsn: document.lsn,
        heads: document.heads.iter().map(ToString::to_string).collect(),
        value: match document.value {
            WatchedValue::Json(value) => value,
            WatchedValue::Absent | WatchedValue::Omitted => Value::Null,
        },
        omitted,
        violations: document.violations.into_iter().map(answer::violation_shown).collect(),
        blocked: document.blocked.map(|reason| reason.to_string()),
    }
}
