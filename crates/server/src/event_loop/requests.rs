//! Requests that wait for the core's answer.

use super::conduct::ConductShown;
use crate::local::{OperationPlace, Refusal, RefusalKind, StoreFailure, violation_shown};
use document::{JsonError, PatchFault, WriteError};
use replica::{
    AccessError, Behind, BlockReason, Reading, RequestError, RequestId, Response, StoreError,
    TransactionError, WaitError, WatchError, WatchEvent,
};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use store::Manifest;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// What a request brought.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// The core's answer.
    Core(Response),
    /// How the replica is, and what the loop knows beside it.
    Status(Box<replica::Status>, Beside),
    /// The answer of a hub's registrar.
    Hub(crate::local::Response),
    /// A backup is whole.
    BackedUp(Manifest),
    /// Events of a watch, which goes on.
    Watched(Vec<WatchEvent>),
}

/// What the core does not know of its replica.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Beside {
    /// How its store last failed.
    pub(crate) failure: Option<StoreFailure>,
    /// What the operator is to do before too many stores in memory have written.
    pub(crate) starts_warning: Option<String>,
    /// Which peers are refused for what they did.
    pub(crate) conduct: ConductShown,
}

/// What came of a request, on its way to the connection that it came from.
pub(crate) struct Outcome {
    /// The client's number; none when the line was not readable that far.
    pub(crate) id: Option<u64>,
    pub(crate) result: Result<Reply, Refusal>,
    /// Its place among the connection's requests; given back when the answer is written. None for events: a watch
    /// keeps its place.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// Who waits for an answer. Dropped without one it says that the outcome is unknown.
pub(crate) struct Waiting {
    /// Taken when it is answered.
    open: Option<Open>,
}

struct Open {
    id: u64,
    outcomes: mpsc::Sender<Outcome>,
    place: OwnedSemaphorePermit,
}

impl Waiting {
    /// `outcomes` has room for as many as there are places.
    pub(crate) fn new(id: u64, outcomes: mpsc::Sender<Outcome>, place: OwnedSemaphorePermit) -> Self {
        Self { open: Some(Open { id, outcomes, place }) }
    }

    /// Answers.
    pub(crate) fn answer(mut self, result: Result<Reply, Refusal>) {
        self.send(result);
    }

    /// Who waited is gone, or wants no answer.
    pub(super) fn forget(mut self) {
        self.open = None;
    }

    fn send(&mut self, result: Result<Reply, Refusal>) {
        if let Some(Open { id, outcomes, place }) = self.open.take() {
            // It fails only when the client is gone: then nobody waits.
            let _ = outcomes.try_send(Outcome { id: Some(id), result, place: Some(place) });
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.send(Err(unknown_outcome()));
    }
}

pub(super) fn unknown_outcome() -> Refusal {
    Refusal::new(
        RefusalKind::UnknownOutcome,
        "the store failed or the server ended before the request was done: a write may be there or not",
    )
    .hinted("sent again with its idempotency key a write counts once; without one, read the document before")
}

/// The request was taken and certainly not done: the store failed before it began to write.
pub(super) fn not_done(error: &StoreError) -> Refusal {
    if *error == StoreError::Full {
        return refusal(&RequestError::DiskFull);
    }
    Refusal::new(
        RefusalKind::Unavailable,
        format!("the store failed before anything of the request was written: {error}"),
    )
    .hinted("the store is being opened again: try again soon")
}

/// The request was not taken.
pub(super) fn unavailable() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "the server takes no requests: its store is not open, or it is ending; nothing was written",
    )
    .hinted("the server's log says why; try again later")
}

/// The request was not taken: the store failed, and is not open yet.
pub(super) fn store_closed(error: &str) -> Refusal {
    let message = format!("the store is not open: {error}; nothing was written");
    Refusal { message, hint: Some("it is being opened again: try again soon".into()), ..unavailable() }
}

/// The requests that the core has and has not answered.
#[derive(Default)]
pub(super) struct Requests {
    next: u64,
    waiting: BTreeMap<RequestId, Waiting>,
}

impl Requests {
    /// A number for the core.
    pub(super) fn add(&mut self, waiting: Waiting) -> RequestId {
        let id = self.next_id();
        self.waiting.insert(id, waiting);
        id
    }

    /// A number of which no other request is.
    pub(super) fn next_id(&mut self) -> RequestId {
        let id = RequestId(self.next);
        self.next += 1;
        id
    }

    pub(super) fn answer(&mut self, id: RequestId, result: Result<Response, RequestError>) {
        self.reply(id, result.map_err(|error| refusal(&error)).and_then(shown).map(Reply::Core));
    }

    pub(super) fn reply(&mut self, id: RequestId, result: Result<Reply, Refusal>) {
        if let Some(waiting) = self.waiting.remove(&id) {
            waiting.answer(result);
        }
    }

    #[cfg(test)]
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Nobody will answer the rest: all are told the same.
    pub(super) fn end(&mut self, refusal: &Refusal) {
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            waiting.answer(Err(refusal.clone()));
        }
    }
}

/// What to do about a blocked document.
const BLOCKED_HINT: &str = "upgrade this replica; `isle blocked --help` says what else can be done";

/// What to do about rows that are damaged.
const DAMAGED_HINT: &str = "the rest goes on; stop the replica: `isle verify` says what else is damaged, `isle repair` \
                            sets the store aside to be filled by peers";

/// Of a blocked document of which nothing was ever applied it would be wrong to say that it is not there.
fn shown(response: Response) -> Result<Response, Refusal> {
    if let Response::Document(Reading {
        value: None,
        behind: Some(Behind { blocked: Some(reason), .. }),
        ..
    }) = &response
    {
        let is_damaged = *reason == BlockReason::Damaged;
        let (kind, hint) = if is_damaged {
            (RefusalKind::Damaged, DAMAGED_HINT)
        } else {
            (RefusalKind::Blocked, BLOCKED_HINT)
        };
        let message = format!("the document is blocked: {reason}");
        return Err(Refusal::new(kind, message).hinted(hint));
    }
    Ok(response)
}

/// Where rights and schemas are written.
const NOT_AUTHORITY_HINT: &str = "run it at the hub whose key is `authority` in isle.toml. Where there is no such hub, schemas \
                                  are files schemas/COLLECTION.json of each data directory, read at the start";

const RULES_HINT: &str =
    "the collection's schema has its rules: `isle schema list`, or /v1/schemas over HTTP";

/// What to do about a conflict of what is no register.
const NO_REGISTER_HINT: &str =
    "write the field, or the item of the list, as it should be: what is not `choosable` is decided so";

/// What to do about a step of a patch that finds nothing.
const NOWHERE_HINT: &str =
    "read the document: what is removed, replaced, copied or moved is there, and so is what it is added to";

/// What to do about a document that is none.
const NO_OBJECT_HINT: &str =
    "send an object, as in {\"on_hand\": 12}; what is no object goes into a member of one";

/// What to do about a write of a deleted document.
const DELETED_HINT: &str = "a put brings it back, with nothing of what it was";

/// What to do about a transaction that writes a document twice.
const REPEATED_HINT: &str = "give both in one write of it, one after another";

/// What to do about a change that is too long.
const TOO_LONG_HINT: &str = "split it into several writes, each of some of the fields, items or characters; a single value \
                             that is too long goes into several documents";

/// What to do about a transaction that is too long.
const LONG_TRANSACTION_HINT: &str = "split it into several transactions, or write single documents where readers may see one \
                                     before the other";

/// The core's refusal for programs and people.
pub(super) fn refusal(error: &RequestError) -> Refusal {
    let (kind, hint) = match error {
        RequestError::Wait(WaitError::TooMany) | RequestError::Watch(WatchError::TooMany) => {
            (RefusalKind::Unavailable, Some("try again in a moment"))
        }
        RequestError::UnknownSpace(_) => (
            RefusalKind::UnknownSpace,
            Some("`isle status` lists its spaces; [spaces] in isle.toml adds one"),
        ),
        RequestError::ReadOnly(_) => {
            (RefusalKind::ReadOnly, Some("write it at the replica whose isle.toml says \"write\""))
        }
        RequestError::Access(AccessError::NotAuthority) => (RefusalKind::ReadOnly, Some(NOT_AUTHORITY_HINT)),
        RequestError::NoRight(_) => (RefusalKind::ReadOnly, Some("ask the hub to grant it")),
        RequestError::Write(error) => of_write(error),
        RequestError::InTransaction { error, .. } => of_write(error),
        RequestError::Transaction(error) => of_transaction(error),
        RequestError::Access(_)
        | RequestError::Schema(_)
        | RequestError::Query(_)
        | RequestError::Watch(_)
        | RequestError::Wait(WaitError::UnknownChange(_))
        | RequestError::UnknownChange(_)
        | RequestError::NothingToDrop(_) => (RefusalKind::Invalid, None),
        RequestError::NotBlocked(_) => {
            (RefusalKind::Invalid, Some("`isle blocked list` shows those that are"))
        }
        RequestError::Behind(_) => {
            (RefusalKind::Behind, Some("try again soon: its changes are being applied"))
        }
        RequestError::Blocked(_) => (RefusalKind::Blocked, Some(BLOCKED_HINT)),
        RequestError::Damaged { .. } => (RefusalKind::Damaged, Some(DAMAGED_HINT)),
        RequestError::Wait(WaitError::NoHub) => (
            RefusalKind::Invalid,
            Some("`hub = true` in [peers.NAME] of isle.toml says which peer is the hub"),
        ),
        RequestError::Wait(_) => (RefusalKind::Other, None),
        RequestError::ConditionFailed { .. } => (
            RefusalKind::ConditionFailed,
            Some("read the document again, which shows its heads, and decide anew; nothing was written"),
        ),
        RequestError::KeyReused => (
            RefusalKind::KeyReused,
            Some("make a key for each write, and send it again with that write alone"),
        ),
        RequestError::Renewing => (RefusalKind::Unavailable, Some("try again in a moment")),
        RequestError::DiskFull => {
            (RefusalKind::DiskFull, Some("free space on the disk; it goes on by itself"))
        }
        RequestError::PutOff => (
            RefusalKind::DiskFull,
            Some("free space on the disk and run it again: what was written is not put a second time"),
        ),
        _ => (RefusalKind::Other, None),
    };
    about(error, Refusal { hint: hint.map(Into::into), ..Refusal::new(kind, error.to_string()) })
}

/// A refusal with what the core's says for programs: which document, which field, which operation, which limit.
fn about(error: &RequestError, mut refusal: Refusal) -> Refusal {
    refusal.limit = error.limit().and_then(|limit| u32::try_from(limit).ok()).and_then(NonZeroU32::new);
    if let Some(error) = error.of_write() {
        refusal.field = error.field().map(String::into_boxed_str);
        refusal.place = OperationPlace::of(error.place().as_deref());
        refusal.violations = error.violations().iter().cloned().map(violation_shown).collect();
    }
    if let RequestError::Transaction(TransactionError::Repeated(address))
    | RequestError::InTransaction { address, .. }
    | RequestError::ConditionFailed { address, .. }
    | RequestError::Behind(address)
    | RequestError::Blocked(address) = error
    {
        refusal.document = Some(address.to_string().into());
    }
    refusal
}

fn of_transaction(error: &TransactionError) -> (RefusalKind, Option<&'static str>) {
    let is_repeated = matches!(error, TransactionError::Repeated(_));
    let hint = if is_repeated { Some(REPEATED_HINT) } else { error.limit().map(|_| LONG_TRANSACTION_HINT) };
    (RefusalKind::Invalid, hint)
}

fn of_write(error: &WriteError) -> (RefusalKind, Option<&'static str>) {
    let error = error.cause();
    if let WriteError::NotEnough { holders, .. } = error {
        let hint = match holders.is_empty() {
            true => "grant more where there are more to be promised",
            false => "who holds rights can transfer some",
        };
        return (RefusalKind::NotEnough, Some(hint));
    }
    if let WriteError::Patch { fault: PatchFault::Test { .. }, .. } = error {
        return (RefusalKind::ConditionFailed, Some("read the document again and decide anew"));
    }
    if let WriteError::Patch { fault: PatchFault::Path | PatchFault::From, .. } = error {
        return (RefusalKind::Invalid, Some(NOWHERE_HINT));
    }
    if let WriteError::Json(JsonError::NoObject(_)) = error {
        return (RefusalKind::Invalid, Some(NO_OBJECT_HINT));
    }
    if let WriteError::Deleted = error {
        return (RefusalKind::Invalid, Some(DELETED_HINT));
    }
    if let WriteError::NoRegister { .. } = error {
        return (RefusalKind::Invalid, Some(NO_REGISTER_HINT));
    }
    if let WriteError::Invalid(_) = error {
        return (RefusalKind::Invalid, Some(RULES_HINT));
    }
    if error.limit().is_some() {
        return (RefusalKind::Invalid, Some(TOO_LONG_HINT));
    }
    let is_settled = matches!(error, WriteError::NoSuchValue { .. });
    (RefusalKind::Invalid, is_settled.then_some("list the conflicts again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use replica::Written;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    fn waiting(id: u64) -> (Waiting, mpsc::Receiver<Outcome>, Arc<Semaphore>) {
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let (outcomes, queue) = mpsc::channel(1);
        (Waiting::new(id, outcomes, place), queue, places)
    }

    #[test]
    fn a_request_is_answered_once_under_the_clients_number() {
        let mut requests = Requests::default();
        let (waiting, mut queue, places) = waiting(7);
        let id = requests.add(waiting);
        requests.answer(id, Ok(Response::Written(Written::default())));
        requests.answer(id, Ok(Response::Written(Written::default())));
        let outcome = queue.try_recv().unwrap();
        assert_eq!(
            (outcome.id, outcome.result),
            (Some(7), Ok(Reply::Core(Response::Written(Written::default()))))
        );
        assert_eq!(places.available_permits(), 0, "the place is kept until the answer is written");
        drop(outcome.place);
        assert!(queue.try_recv().is_err() && !requests.are_waiting());
    }

    #[test]
    fn what_nobody_answers_has_an_unknown_outcome() {
        let (waiting, mut queue, _places) = waiting(7);
        drop(waiting);
        assert_eq!(queue.try_recv().unwrap().result.unwrap_err().kind, RefusalKind::UnknownOutcome);
    }

    #[test]
    fn what_was_certainly_not_done_is_told_so() {
        let broken = StoreError::Io { operation: "writing out rows", kind: std::io::ErrorKind::Other };
        let ends = [
            (unknown_outcome(), RefusalKind::UnknownOutcome),
            (not_done(&StoreError::Full), RefusalKind::DiskFull),
            (not_done(&broken), RefusalKind::Unavailable),
        ];
        for (refusal, kind) in ends {
            let mut requests = Requests::default();
            let (waiting, mut queue, _places) = waiting(7);
            requests.add(waiting);
            requests.end(&refusal);
            assert_eq!(queue.try_recv().unwrap().result.unwrap_err().kind, kind);
        }
    }
}
