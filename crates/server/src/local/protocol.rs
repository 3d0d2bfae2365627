//! The shapes of the lines. A field that is not named here is refused, so that a misspelt one is noticed.

mod refusal;
mod request;
mod response;
mod site;
mod status;
mod watch;

pub(crate) use refusal::OperationPlace;
pub use refusal::{Refusal, RefusalKind};
pub use request::{Condition, DocumentWrite, Moment, Request};
pub use response::{
    BackedUp, BlockedDocument, BlockingChange, Change, Conflict, ConflictingValue, Found, Listed,
    ListedDocument, Reading, Response, SchemaInForce, Stamp, Violation, Written,
};
pub use site::{SiteState, SiteStatus};
pub use status::{
    CertificateStatus, PeerStatus, RefusedPeer, SpaceMode, SpaceStatus, Status, StoppedStream, StoreFailure,
};
pub use watch::{WatchEvent, WatchedChange, WatchedDocument};

use serde::{Deserialize, Serialize};

/// A request as it is on the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The client's number for it; its answer carries the same.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// An answer as it is on the line: a result or an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// The request was done.
    Done {
        /// The request's number.
        id: u64,
        /// What came of it.
        result: Response,
    },
    /// It was not done, or nobody knows.
    Refused {
        /// The request's number; none when the line was not readable that far.
        id: Option<u64>,
        /// Why.
        error: Refusal,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refused(request: Value) -> bool {
        serde_json::from_value::<Request>(request).is_err()
    }

    #[test]
    fn the_heads_of_an_answer_stand_beside_what_earlier_clients_read() {
        let (origin, heads) = ("2a".repeat(16), vec!["5f".repeat(32)]);
        let stamp = Stamp { origin: origin.clone(), sequence: 7 };
        let written = Response::Written(Some(Written { stamp: stamp.clone(), heads: heads.clone() }));
        let line = json!({"written": {"origin": origin, "sequence": 7, "heads": heads}});
        assert_eq!(serde_json::to_value(&written).unwrap(), line);
        assert_eq!(
            serde_json::from_value::<Stamp>(line["written"].clone()).unwrap(),
            stamp,
            "an earlier client"
        );
        let earlier = json!({"written": {"origin": origin, "sequence": 7}});
        let read = serde_json::from_value::<Response>(earlier).unwrap();
        assert_eq!(read, Response::Written(Some(Written { stamp, heads: Vec::new() })), "an earlier server");
        assert_eq!(serde_json::to_value(Response::Written(None)).unwrap(), json!({"written": null}));
    }

    #[test]
    fn a_condition_is_optional_and_one_of_three() {
        let write = |condition: Value| json!({"write": {"address": "s/c/k", "operations": [], "condition": condition}});
        let read = |condition: Value| {
            let request = serde_json::from_value(write(condition)).unwrap();
            let Request::Write { condition, .. } = request else { panic!("{request:?}") };
            condition
        };
        assert_eq!(read(json!("absent")), Some(Condition::Absent));
        let heads = vec![vec!["5f".to_owned()]];
        assert_eq!(read(json!({"heads_among": heads})), Some(Condition::HeadsAmong(heads)));
        assert_eq!(read(json!(null)), None);
        let plain = json!({"write": {"address": "s/c/k", "operations": []}});
        let request: Request = serde_json::from_value(plain.clone()).unwrap();
        assert_eq!(serde_json::to_value(request).unwrap(), plain, "as an earlier server reads it");
        assert!(refused(write(json!("missing"))) && refused(write(json!({"heads": []}))));
    }
}
