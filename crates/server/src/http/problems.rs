//! Which problems an operation can have, for its description.

use super::problem::Kind;
use axum::http::StatusCode;
use std::collections::BTreeMap;
use utoipa::IntoResponses;
use utoipa::openapi::{
    Content, Header, Object, Ref, RefOr, ResponseBuilder, Type, response::Response as Described,
};

type Responses = BTreeMap<String, RefOr<Described>>;

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident without $($kinds:expr),+;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> Responses {
                described(&[$(&$kinds),+])
            }
        }
    )*};
}

problems! {
    /// Those of an operation that writes what is in its body.
    WriteProblems without OF_READING;
    /// Those of one that settles a conflict: rights of a bounded counter are moved by others.
    SettleProblems without OF_READING, [Kind::NOT_ENOUGH];
    /// Those of one that writes without a body.
    BodilessProblems without OF_READING, OF_BODIES;
    /// Those of one that lists what a document has, of which there is none where the document is not there.
    HistoryProblems without OF_BODIES, OF_WRITING, [Kind::NOT_FOUND];
    /// The same without parameters.
    ConflictsProblems without OF_BODIES, OF_WRITING, [Kind::NOT_FOUND, Kind::INVALID];
    /// Those of one that looks for documents.
    FindProblems without OF_BODIES, OF_WRITING, [Kind::NOT_FOUND, Kind::BLOCKED];
    /// Those of one that shows the replica.
    ReplicaProblems without OF_BODIES, OF_WRITING, OF_DOCUMENTS, [Kind::NOT_FOUND];
    /// Those of one that shows one thing of it.
    NamedProblems without OF_BODIES, OF_WRITING, OF_DOCUMENTS;
}

/// Those of one that reads a document.
pub(super) struct DocumentProblems;

impl IntoResponses for DocumentProblems {
    fn responses() -> Responses {
        let is_of_others = |kind: &Kind| !is(kind, &[Kind::CONDITION_FAILED]) && is(kind, &OF_WRITING);
        let mut described = described_if(|kind| !is(kind, &OF_BODIES) && !is_of_others(kind));
        let deleted = "The heads of a document that was deleted";
        add_header(&mut described, StatusCode::NOT_FOUND, ("ETag", Type::String, deleted));
        add_header(&mut described, StatusCode::PRECONDITION_FAILED, ("ETag", Type::String, "Its heads"));
        described
    }
}

/// Those of a feed.
pub(super) struct FeedProblems;

impl IntoResponses for FeedProblems {
    fn responses() -> Responses {
        let never = [Kind::NOT_FOUND, Kind::BLOCKED, Kind::DAMAGED];
        let mut described = described(&[&OF_BODIES, &OF_WRITING, &never]);
        let versions = "The versions of WebSocket that are spoken, where another was asked for";
        let header = ("Sec-WebSocket-Version", Type::String, versions);
        add_header(&mut described, StatusCode::BAD_REQUEST, header);
        described
    }
}

/// Kinds that are of a body.
const OF_BODIES: [Kind; 4] = [Kind::TOO_SLOW, Kind::TOO_LARGE, Kind::CONTENT_TYPE, Kind::NOT_ENOUGH];

/// Kinds that are of a write alone.
const OF_WRITING: [Kind; 5] =
    [Kind::READ_ONLY, Kind::CONDITION_FAILED, Kind::KEY_REUSED, Kind::BEHIND, Kind::DISK_FULL];

/// Kinds that are of a read alone.
const OF_READING: [Kind; 1] = [Kind::NOT_FOUND];

/// Kinds that are of documents and what is asked of them.
const OF_DOCUMENTS: [Kind; 4] = [Kind::UNKNOWN_SPACE, Kind::BLOCKED, Kind::INVALID, Kind::DAMAGED];

fn is(kind: &Kind, among: &[Kind]) -> bool {
    among.iter().any(|other| other.name == kind.name)
}

/// All but some.
fn described(without: &[&[Kind]]) -> Responses {
    described_if(|kind| !without.iter().any(|kinds| is(kind, kinds)))
}

fn described_if(are_had: impl Fn(&Kind) -> bool) -> Responses {
    let mut described = BTreeMap::new();
    let had: Vec<&Kind> = Kind::ALL.iter().filter(|kind| are_had(kind)).collect();
    for kind in &had {
        let names = had.iter().filter(|other| other.status == kind.status);
        let names: Vec<String> = names.map(|kind| format!("`{}`: {}", kind.name, kind.title)).collect();
        let content = Content::new(Some(Ref::from_schema_name("ProblemDocument")));
        let response =
            ResponseBuilder::new().description(names.join("; ")).content("application/problem+json", content);
        described.insert(kind.status.as_str().to_owned(), RefOr::T(response.build()));
        if let Some(header) = told_with(kind.status) {
            add_header(&mut described, kind.status, header);
        }
    }
    described
}

/// The header that comes with every problem of a status, its type, and what it says.
fn told_with(status: StatusCode) -> Option<(&'static str, Type, &'static str)> {
    Some(match status {
        StatusCode::UNAUTHORIZED => ("WWW-Authenticate", Type::String, "How to say who calls"),
        StatusCode::METHOD_NOT_ALLOWED => ("Allow", Type::String, "The methods that there are"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("Accept-Encoding", Type::String, "`identity`, where the body was in another coding")
        }
        StatusCode::SERVICE_UNAVAILABLE => ("Retry-After", Type::Integer, "When to try again, in seconds"),
        _ => return None,
    })
}

fn add_header(described: &mut Responses, status: StatusCode, (name, kind, what): (&str, Type, &str)) {
    if let Some(RefOr::T(answer)) = described.get_mut(status.as_str()) {
        let mut header = Header::new(Object::with_type(kind));
        header.description = Some(what.to_owned());
        answer.headers.insert(name.to_owned(), RefOr::T(header));
    }
}
