//! Between the shapes of the lines and those of the core.

use super::protocol::{
    Answer, BackedUp, BlockedDocument, BlockingChange, CertificateStatus, Change, Condition, Conflict,
    ConflictingValue, DocumentWrite, Found, Listed, ListedDocument, Moment, PeerStatus, Reading, Refusal,
    RefusalKind, RefusedPeer, Request, Response, SchemaInForce, SpaceMode, SpaceStatus, Stamp, Status,
    StoppedStream, Violation, Written,
};
use super::{WATCH_EVENTS_MAX, watched};
use crate::config::{PublicKey, SpaceName};
use crate::enrolment::{
    Admissions, HubRequest, Invited, SpaceRights, certificate_warning, parse_spaces, wall,
};
use crate::event_loop::{Beside, RefusedKey, Reply};
use crate::memory::resident_bytes;
use crate::peers::Presence;
use document::{ChangeHash, Collection, HistoryEntry, HistoryQuery, Key, Schema, Space};
use replica::{
    At, IdempotencyKey, LIST_MAX, Level, Room, TransactionWrite, WaitFor, WatchCursor, WatchScope, WriteTerms,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use transport::{Endpoint, Validity};

/// How a replica is attached to the others.
#[derive(Debug)]
pub(crate) enum Attached {
    /// Over the network: its UDP address, and its certificate.
    Network(Endpoint),
    /// Not at all: it is open for one command. When its certificate holds.
    Alone(Validity),
}

/// What the server adds to the core's answers.
#[derive(Debug)]
pub(crate) struct Context {
    /// How it is attached to the others.
    pub(crate) attached: Attached,
    /// Who renews the certificate.
    pub(crate) renewed_by: Option<String>,
    /// Who answers what `isle hub` asks.
    pub(crate) admissions: Admissions,
    /// Why peers are not connected.
    pub(crate) presence: Presence,
}

/// Who is asked.
pub(crate) enum Asked {
    /// The core.
    Core(replica::Request),
    /// The core, which answers again and again.
    Watch(replica::Request),
    /// The store, while the core goes on: a backup into this directory.
    Backup(PathBuf),
    /// The hub's registrar.
    Hub(HubRequest),
}

/// Who is asked what.
pub(crate) fn asked(request: Request) -> Result<Asked, Refusal> {
    Ok(Asked::Core(match request {
        Request::Get { address, at } => replica::Request::Get { address, at: at.map(moment).transpose()? },
        Request::Write {
            address,
            operations,
            condition: given,
            idempotency_key,
            author,
            message,
            hub_within_ms,
        } => {
            let terms = terms(idempotency_key, (author, message), hub_within_ms)?;
            replica::Request::Write {
                address,
                operations,
                condition: given.map(condition).transpose()?,
                terms,
            }
        }
        Request::Transaction { space, writes, idempotency_key, author, message, hub_within_ms, can_wait } => {
            let terms = terms(idempotency_key, (author, message), hub_within_ms)?;
            let writes = writes.into_iter().map(document_write).collect::<Result<_, _>>()?;
            let terms = WriteTerms { can_wait, ..terms };
            replica::Request::Transaction { space, writes, terms }
        }
        Request::Query { space, collection, query } => {
            replica::Request::Query { space, collection, query: Box::new(query) }
        }
        Request::History { address, before, limit } => {
            let before = before.map(|before| hash(&before)).transpose()?;
            replica::Request::History { address, query: HistoryQuery { before, limit } }
        }
        Request::Conflicts { address } => replica::Request::Conflicts { address },
        Request::List { space, collection, after, limit } => {
            replica::Request::List { space, collection, after, limit }
        }
        Request::Blocked { after } => replica::Request::Blocked { after, limit: LIST_MAX },
        Request::Retry { address } => replica::Request::Retry { address },
        Request::Drop { address } => replica::Request::Drop { address },
        Request::Watch { space, collection, prefix, from } => {
            let scope = scope(space, collection, prefix)?;
            let (from, credit) = (from.map(WatchCursor), WATCH_EVENTS_MAX);
            return Ok(Asked::Watch(replica::Request::Watch { scope, from, credit }));
        }
        Request::Backup { directory } => return Ok(Asked::Backup(directory)),
        Request::Invite { site, spaces, expires_in_ms, address } => {
            let spaces = rights(&spaces)?;
            let address = address.map(|address| address.parse()).transpose();
            let address = address.map_err(|error| invalid(&error))?;
            let expiry = Duration::from_millis(expires_in_ms);
            let invited = Invited { site, spaces, expiry, address };
            return Ok(Asked::Hub(HubRequest::Invite(invited)));
        }
        Request::Admit { certificate, spaces } => {
            return Ok(Asked::Hub(HubRequest::Admit { certificate, spaces: rights(&spaces)? }));
        }
        Request::Revoke { site } => return Ok(Asked::Hub(HubRequest::Revoke { site })),
        Request::SetRights { site, spaces } => {
            return Ok(Asked::Hub(HubRequest::SetRights { site, spaces: rights(&spaces)? }));
        }
        Request::Sites => return Ok(Asked::Hub(HubRequest::Sites)),
        Request::Schemas => replica::Request::Schemas,
        Request::AddSchema { collection, text } => {
            let schema = Schema::parse(&text).map_err(|error| invalid(&error))?;
            replica::Request::AddSchema { collection, schema }
        }
        Request::Status => replica::Request::Status,
    }))
}

fn rights(spaces: &str) -> Result<BTreeMap<SpaceName, SpaceRights>, Refusal> {
    parse_spaces(spaces).map_err(|error| invalid(&error))
}

fn scope(
    space: Space,
    collection: Option<Collection>,
    prefix: Option<String>,
) -> Result<WatchScope, Refusal> {
    Ok(match (collection, prefix) {
        (None, None) => WatchScope::Space(space),
        (Some(collection), None) => WatchScope::Collection(space, collection),
        (Some(collection), Some(prefix)) => WatchScope::Keys(space, collection, prefix),
        (None, Some(_)) => {
            let message = "a prefix of keys belongs to a collection, and none is named";
            return Err(Refusal::new(RefusalKind::Invalid, message));
        }
    })
}

fn terms(
    idempotency_key: Option<String>,
    (author, message): (Option<String>, Option<String>),
    hub_within_ms: Option<u64>,
) -> Result<WriteTerms, Refusal> {
    let idempotency_key =
        idempotency_key.map(IdempotencyKey::new).transpose().map_err(|error| invalid(&error))?;
    let wait = hub_within_ms.map_or(WaitFor::Local, |within_ms| WaitFor::Hub { within_ms });
    Ok(WriteTerms { idempotency_key, author, message, wait, can_wait: false })
}

fn document_write(write: DocumentWrite) -> Result<TransactionWrite, Refusal> {
    Ok(TransactionWrite {
        collection: write.collection,
        key: write.key,
        operations: write.operations,
        condition: write.condition.map(condition).transpose()?,
    })
}

fn condition(condition: Condition) -> Result<replica::Condition, Refusal> {
    Ok(match condition {
        Condition::Exists => replica::Condition::Exists,
        Condition::Absent => replica::Condition::Absent,
        Condition::HeadsAmong(sets) => {
            let sets = sets.iter().map(|set| hashes(set)).collect::<Result<_, _>>()?;
            replica::Condition::HeadsAmong(sets)
        }
    })
}

fn moment(moment: Moment) -> Result<At, Refusal> {
    Ok(match moment {
        Moment::Heads(heads) => At::Heads(hashes(&heads)?),
        Moment::WallMs(wall_ms) => At::Wall(wall_ms),
    })
}

fn hashes(texts: &[String]) -> Result<Vec<ChangeHash>, Refusal> {
    texts.iter().map(|text| hash(text)).collect()
}

fn hash(text: &str) -> Result<ChangeHash, Refusal> {
    text.parse().map_err(|_| {
        Refusal::new(RefusalKind::Invalid, format!("'{text}' is no hash of a change"))
            .hinted("64 hexadecimal digits, as `isle doc history --json` and `isle doc get --json` show them")
    })
}

fn invalid(error: &impl std::error::Error) -> Refusal {
    Refusal::new(RefusalKind::Invalid, error.to_string())
}

/// What the client is told.
pub(super) fn answer(id: Option<u64>, result: Result<Reply, Refusal>, context: &Context) -> Answer {
    match (id, result) {
        (Some(id), Ok(response)) => Answer::Done { id, result: shown(response, context) },
        (id, Err(error)) => Answer::Refused { id, error },
        // A result belongs to a request, which had a number.
        (None, Ok(_)) => {
            let message = "an answer without a request".to_owned();
            Answer::Refused { id, error: Refusal::new(RefusalKind::Other, message) }
        }
    }
}

/// What a service is shown of the core's answer.
pub(crate) fn shown(response: Reply, context: &Context) -> Response {
    let response = match response {
        Reply::Core(response) => response,
        Reply::Status(status, beside) => {
            return Response::Status(Box::new(status_shown(*status, beside, context)));
        }
        Reply::Hub(response) => return response,
        Reply::BackedUp(manifest) => {
            return Response::BackedUp(BackedUp { rows: manifest.rows, bytes: manifest.bytes });
        }
        Reply::Watched(events) => {
            return Response::Watched(events.into_iter().map(watched::shown).collect());
        }
    };
    match response {
        replica::Response::Document(reading) => Response::Document(reading_shown(reading)),
        replica::Response::Written(replica::Written { stamp, heads }) => Response::Written(
            stamp.map(|stamp| Written { stamp: stamp_shown(stamp), heads: hashes_shown(&heads) }),
        ),
        replica::Response::Reached { stamp, heads, level } => Response::Reached {
            stamp: stamp.map(stamp_shown),
            heads: hashes_shown(&heads),
            hub: level == Level::Hub,
        },
        replica::Response::Listed(listed) => Response::Listed(listed_shown(listed)),
        replica::Response::Queried(queried) => Response::Found(found_shown(queried)),
        replica::Response::History { entries, .. } => {
            Response::History(entries.into_iter().map(change_shown).collect())
        }
        replica::Response::Conflicts { conflicts, .. } => {
            Response::Conflicts(conflicts.into_iter().map(conflict_shown).collect())
        }
        replica::Response::Blocked(blocked) => Response::Blocked {
            documents: blocked
                .documents
                .into_iter()
                .map(|blocked| BlockedDocument {
                    address: blocked.address,
                    reason: blocked.reason.to_string(),
                    change: blocked.change.map(blocking_shown),
                })
                .collect(),
            next: blocked.next.map(|address| address.to_string()),
        },
        replica::Response::Retried(reason) => Response::Retried(reason.map(|reason| reason.to_string())),
        replica::Response::Dropped(dropped) => Response::Dropped {
            change: blocking_shown(dropped.change),
            blocked: dropped.blocked.map(|reason| reason.to_string()),
        },
        replica::Response::Schemas(schemas) => Response::Schemas(
            schemas
                .into_iter()
                .map(|listed| SchemaInForce {
                    collection: listed.collection.to_string(),
                    version: listed.schema.version(),
                    travelled: listed.travelled,
                })
                .collect(),
        ),
        replica::Response::Status(status) => {
            Response::Status(Box::new(status_shown(*status, Beside::default(), context)))
        }
    }
}

fn reading_shown(reading: replica::Reading) -> Reading {
    Reading {
        value: reading.value,
        heads: hashes_shown(&reading.heads),
        violations: reading.violations.into_iter().map(violation_shown).collect(),
        blocked: reading.behind.and_then(|behind| behind.blocked).map(|reason| reason.to_string()),
        is_behind: reading.behind.is_some(),
    }
}

pub(crate) fn violation_shown(violation: document::Violation) -> Violation {
    Violation { field: violation.field, rule: violation.rule, message: violation.message }
}

/// Documents with the rules that those among them break, which `broken` has in the same order.
fn documents_shown(
    documents: Vec<(Key, Value)>,
    broken: Vec<replica::BrokenDocument>,
) -> Vec<ListedDocument> {
    let mut broken = broken.into_iter().peekable();
    let document = |(key, value): (Key, Value)| {
        let breaks =
            broken.next_if(|broken| broken.key == key).map_or_else(Vec::new, |broken| broken.violations);
        let violations = breaks.into_iter().map(violation_shown).collect();
        ListedDocument { key: key.to_string(), value, violations }
    };
    documents.into_iter().map(document).collect()
}

fn hashes_shown(hashes: &[ChangeHash]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}

/// A stamp as services see it.
pub(crate) fn stamp_shown(stamp: replica::Stamp) -> Stamp {
    Stamp { origin: stamp.origin.to_string(), sequence: stamp.sequence }
}

fn blocking_shown(change: replica::BlockingChange) -> BlockingChange {
    BlockingChange { hash: change.hash.to_string(), stamp: stamp_shown(change.stamp) }
}

fn found_shown(queried: replica::Queried) -> Found {
    let page = queried.page;
    Found {
        documents: documents_shown(page.documents, page.broken),
        damaged: page.damaged.iter().map(ToString::to_string).collect(),
        next: page.next.map(|next| next.0),
        examined: u64::from(page.examined),
        plan: page.plan,
        is_behind: queried.is_behind,
    }
}

pub(crate) fn change_shown(entry: HistoryEntry) -> Change {
    Change {
        hash: entry.hash.to_string(),
        dependencies: hashes_shown(&entry.dependencies),
        origin: entry.origin.to_string(),
        wall_ms: entry.wall_ms,
        author: entry.author,
        message: entry.message,
        patch: serde_json::to_value(&entry.patch).unwrap_or_default(),
    }
}

pub(crate) fn conflict_shown(conflict: document::Conflict) -> Conflict {
    let value = |value: document::ConflictingValue| ConflictingValue {
        value: value.value,
        wins: value.wins,
        hash: value.hash.to_string(),
        origin: value.origin.to_string(),
        wall_ms: value.wall_ms,
        author: value.author,
    };
    Conflict {
        field: conflict.field,
        values: conflict.values.into_iter().map(value).collect(),
        choosable: conflict.choosable,
    }
}

fn listed_shown(listed: replica::Listed) -> Listed {
    Listed {
        documents: documents_shown(listed.documents, listed.broken),
        blocked: listed.blocked.iter().map(ToString::to_string).collect(),
        next: listed.next.map(|key| key.to_string()),
        is_behind: listed.is_behind,
    }
}

fn status_shown(status: replica::Status, beside: Beside, context: &Context) -> Status {
    let space = |space: replica::SpaceStatus| SpaceStatus {
        space: space.space.to_string(),
        mode: match space.mode {
            replica::SpaceMode::Read => SpaceMode::Read,
            replica::SpaceMode::Write => SpaceMode::Write,
        },
        lacks_read: space.lacks_read,
        lacks_write: space.lacks_write,
        changes: space.changes,
        is_filling: space.is_filling,
    };
    let peer = |peer: replica::PeerStatus| PeerStatus {
        trouble: context.presence.trouble(&peer.peer).filter(|_| !peer.connected),
        peer: peer.peer,
        connected: peer.connected,
        backlog_rows: peer.backlog_rows,
        lag_ms: peer.lag_ms,
        stopped: peer.stopped.iter().map(stopped_shown).collect(),
        stopped_count: peer.stopped_count,
    };
    Status {
        name: status.name,
        origin: status.origin.to_string(),
        address: match &context.attached {
            Attached::Network(endpoint) => endpoint.local_address().to_string(),
            Attached::Alone(_) => String::new(),
        },
        head: status.head,
        trimmed: status.trimmed,
        documents: status.documents,
        documents_open: status.documents_open,
        memory_bytes: match &context.attached {
            Attached::Network(_) => resident_bytes(),
            Attached::Alone(_) => None,
        },
        disk: match status.room {
            Room::Ample => "ample",
            Room::Low => "low",
            Room::Shed => "nearly full",
            Room::ReadOnly => "full: read only",
        }
        .to_owned(),
        values_broken: status.values_broken,
        store_failure: beside.failure,
        starts_warning: beside.starts_warning,
        certificate: Some(certificate_shown(context)),
        spaces: status.spaces.into_iter().map(space).collect(),
        peers: status.peers.into_iter().map(peer).collect(),
        refused: beside.conduct.refused.into_iter().map(refused_shown).collect(),
        refused_count: u64::try_from(beside.conduct.refused_count).unwrap_or(u64::MAX),
    }
}

fn stopped_shown(stream: &replica::StoppedStream) -> StoppedStream {
    StoppedStream {
        space: stream.space.to_string(),
        origin: stream.origin.to_string(),
        sequence: stream.sequence,
        cause: stream.cause.map(|cause| cause.to_string()),
    }
}

fn refused_shown(key: RefusedKey) -> RefusedPeer {
    RefusedPeer {
        peer: key.name,
        public_key: String::from(PublicKey(key.public_key)),
        left_ms: u64::try_from(key.refused.left.as_millis()).unwrap_or(u64::MAX),
        cause: key.refused.cause.to_string(),
    }
}

fn certificate_shown(context: &Context) -> CertificateStatus {
    let validity = match &context.attached {
        Attached::Network(endpoint) => endpoint.identity().validity(),
        Attached::Alone(validity) => *validity,
    };
    let renewed_by = context.renewed_by.clone();
    CertificateStatus {
        ends_ms: i64::try_from(validity.end.as_millis()).unwrap_or(i64::MAX),
        warning: certificate_warning(validity, wall(), renewed_by.as_deref()),
        renewed_by,
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
        let listed = listed_shown(replica::Listed {
            documents,
            broken: Vec::new(),
            blocked: vec![key("c%")],
            next: Some(key("c%")),
            is_behind: true,
            is_filling: false,
        });
        assert_eq!((listed.documents[0].key.as_str(), listed.blocked[0].as_str()), ("a%2Fb", "c%25"));
        assert_eq!(listed.next.as_deref(), Some("c%25"));
    }

    #[test]
    fn what_is_wrong_with_a_request_is_said() {
        let write = Request::write("s/c/k".parse().unwrap(), Vec::new());
        assert!(asked(write.clone()).is_ok());
        let refused = asked(write.under(Some("k".repeat(65)))).err().unwrap();
        assert_eq!(refused.kind, RefusalKind::Invalid);
        assert!(refused.message.contains("1 to 64 bytes"), "{refused}");
        let at = Some(Moment::Heads(vec!["5f".into()]));
        let refused = asked(Request::Get { address: "s/c/k".parse().unwrap(), at }).err().unwrap();
        assert!(refused.message.contains("'5f' is no hash"), "{refused}");
        let mut write = Request::write("s/c/k".parse().unwrap(), Vec::new());
        if let Request::Write { condition, .. } = &mut write {
            *condition = Some(Condition::HeadsAmong(vec![vec!["5f".into()]]));
        }
        let refused = asked(write).err().unwrap();
        assert!(refused.message.contains("'5f' is no hash"), "{refused}");
    }
}
