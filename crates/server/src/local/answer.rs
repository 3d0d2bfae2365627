//! Between the shapes of the lines and those of the core.

use super::protocol::{
    Answer, Increment, Listed, ListedDocument, PeerStatus, Refusal, RefusalKind, Request, Response,
    SpaceMode, SpaceStatus, Stamp, Status,
};
use document::{Address, Key, Operation};
use replica::IdempotencyKey;
use serde_json::Value;
use std::net::SocketAddr;

/// What the server adds to the core's answers.
#[derive(Debug)]
pub(crate) struct Context {
    /// Its UDP address.
    pub(crate) address: SocketAddr,
}

/// What the core is asked.
pub(super) fn core_request(request: Request) -> Result<replica::Request, Refusal> {
    match request {
        Request::Get { address } => Ok(replica::Request::Get { address }),
        Request::Put { address, value, idempotency_key } => {
            write(address, vec![Operation::Put(value)], idempotency_key)
        }
        Request::Increment { address, increments, idempotency_key } => {
            let operations: Result<_, _> = increments.iter().map(Increment::operation).collect();
            let operations = operations.map_err(|error| invalid(&error))?;
            write(address, operations, idempotency_key)
        }
        Request::List { space, collection, after, limit } => {
            Ok(replica::Request::List { space, collection, after, limit })
        }
        Request::Status => Ok(replica::Request::Status),
    }
}

fn write(
    address: Address,
    operations: Vec<Operation>,
    key: Option<String>,
) -> Result<replica::Request, Refusal> {
    let idempotency_key = key.map(IdempotencyKey::new).transpose().map_err(|error| invalid(&error))?;
    Ok(replica::Request::Write { address, operations, idempotency_key })
}

fn invalid(error: &impl std::error::Error) -> Refusal {
    Refusal { kind: RefusalKind::Invalid, message: error.to_string(), hint: None }
}

/// What the client is told.
pub(super) fn answer(
    id: Option<u64>,
    result: Result<replica::Response, Refusal>,
    context: &Context,
) -> Answer {
    match (id, result) {
        (Some(id), Ok(response)) => Answer::Done { id, result: shown(response, context) },
        (id, Err(error)) => Answer::Refused { id, error },
        // A result belongs to a request, which had a number.
        (None, Ok(_)) => {
            let message = "an answer without a request".to_owned();
            Answer::Refused { id, error: Refusal { kind: RefusalKind::Other, message, hint: None } }
        }
    }
}

fn shown(response: replica::Response, context: &Context) -> Response {
    match response {
        replica::Response::Document(value) => Response::Document(value),
        replica::Response::Written(stamp) => Response::Written(
            stamp.map(|stamp| Stamp { origin: stamp.origin.to_string(), sequence: stamp.sequence }),
        ),
        replica::Response::Listed(listed) => Response::Listed(listed_shown(listed)),
        replica::Response::Status(status) => Response::Status(Box::new(status_shown(*status, context))),
    }
}

fn listed_shown(listed: replica::Listed) -> Listed {
    let document = |(key, value): (Key, Value)| ListedDocument { key: key.to_string(), value };
    Listed {
        documents: listed.documents.into_iter().map(document).collect(),
        blocked: listed.blocked.iter().map(ToString::to_string).collect(),
        next: listed.next.map(|key| key.to_string()),
    }
}

fn status_shown(status: replica::Status, context: &Context) -> Status {
    let space = |space: replica::SpaceStatus| SpaceStatus {
        space: space.space.to_string(),
        mode: match space.mode {
            replica::SpaceMode::Read => SpaceMode::Read,
            replica::SpaceMode::Write => SpaceMode::Write,
        },
        changes: space.changes,
    };
    let peer = |peer: replica::PeerStatus| PeerStatus {
        peer: peer.peer,
        connected: peer.connected,
        backlog_rows: peer.backlog_rows,
        lag_ms: peer.lag_ms,
    };
    Status {
        name: status.name,
        origin: status.origin.to_string(),
        address: context.address.to_string(),
        head: status.head,
        documents: status.documents,
        documents_open: status.documents_open,
        spaces: status.spaces.into_iter().map(space).collect(),
        peers: status.peers.into_iter().map(peer).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn listed_keys_are_written_as_in_an_address() {
        let key = |text: &str| Key::new(text).unwrap();
        let documents = vec![(key("a/b"), json!({"n": 1}))];
        let listed =
            listed_shown(replica::Listed { documents, blocked: vec![key("c%")], next: Some(key("c%")) });
        assert_eq!((listed.documents[0].key.as_str(), listed.blocked[0].as_str()), ("a%2Fb", "c%25"));
        assert_eq!(listed.next.as_deref(), Some("c%25"));
    }

    #[test]
    fn what_is_wrong_with_a_write_is_said() {
        let address: Address = "s/c/k".parse().unwrap();
        let increment = |field: &str, key: Option<String>| Request::Increment {
            address: address.clone(),
            increments: vec![Increment { field: field.into(), by: 1 }],
            idempotency_key: key,
        };
        assert!(core_request(increment("/on_hand", None)).is_ok());
        let refused = core_request(increment("on_hand", None)).unwrap_err();
        assert!(refused.message.contains("JSON Pointer"), "{refused}");
        let refused = core_request(increment("/on_hand", Some("k".repeat(65)))).unwrap_err();
        assert_eq!(refused.kind, RefusalKind::Invalid);
        assert!(refused.message.contains("1 to 64 bytes"), "{refused}");
    }
}
