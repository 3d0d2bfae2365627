//! Places in a body, as JSON Pointers: of what cannot be read, and of what the core refuses.

use document::{Operation, Patch};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

/// What a body was, which tells where in it an operation is.
pub(super) enum Sent {
    /// The document, or a merge patch: what is at a field is at that place.
    Document,
    /// A JSON Patch.
    Steps,
    /// So many typed operations.
    Operations(usize),
    /// Of each write of a transaction its document, as `space/collection/key`, and how many operations it has.
    Writes(Vec<(String, usize)>),
}

impl Sent {
    /// The place of what the core refuses: of which document, of which field, and of which operation it is, as far as that is
    /// known.
    pub(super) fn place(
        &self,
        document: Option<&str>,
        field: Option<&str>,
        operation: Option<&str>,
    ) -> Option<String> {
        match self {
            Self::Document => field.filter(|field| !field.is_empty()).map(str::to_owned),
            Self::Steps => operation.and_then(|place| place.strip_prefix("/patch")).map(str::to_owned),
            Self::Operations(count) => in_operations(*count, field, operation),
            Self::Writes(writes) => {
                let is_of =
                    |(address, _): &(String, usize)| document.is_none_or(|document| document == address);
                // Where one is written twice, the second is too many.
                let write = writes.iter().rposition(is_of)?;
                if document.is_none() && writes.len() != 1 {
                    return None;
                }
                let (_, count) = writes.get(write)?;
                let operation =
                    in_operations(*count, field, operation).map(|place| format!("/operations{place}"));
                Some(format!("/writes/{write}{}", operation.unwrap_or_default()))
            }
        }
    }
}

/// In a list of operations. The core names the operation where there are several.
fn in_operations(count: usize, field: Option<&str>, place: Option<&str>) -> Option<String> {
    match (count, place) {
        (1, Some(place)) => Some(format!("/0{place}")),
        (1, None) => field.map(|_| "/0".to_owned()),
        (_, place) => place.filter(|place| !place.starts_with("/patch")).map(str::to_owned),
    }
}

/// Most bytes of a body in which a member is looked for: each is read again and again.
pub(super) const LOOKED_AT_BYTES_MAX: usize = 64 * 1024;

/// Most members that an operation has, and more.
const MEMBERS_MAX: usize = 8;

/// The member of an operation, or of a step of a JSON Patch, for which it cannot be read: with another value for it, or without
/// it, it can. What tells operations apart by `op` does not say which member it stopped at.
pub(super) fn member_at_fault(operation: &Value) -> Option<&str> {
    let members = operation.as_object().filter(|members| members.contains_key("op"))?;
    if members.len() > MEMBERS_MAX {
        return None;
    }
    let read: [fn(&Value) -> bool; 2] =
        [|value| Operation::deserialize(value).is_ok(), |value| Patch::deserialize(&json!([value])).is_ok()];
    let names = || members.keys().map(String::as_str).filter(|name| *name != "op");
    read.iter().find_map(|reads| names().find(|name| is_at_fault(members, name, reads)))
}

fn is_at_fault(members: &Map<String, Value>, name: &str, reads: &dyn Fn(&Value) -> bool) -> bool {
    let mut changed = Value::Object(members.clone());
    // Whatever a member may be, one of these is.
    let fitting = [json!(0), json!("/a"), json!({}), json!([]), json!("0".repeat(32)), json!("0".repeat(64))];
    for value in fitting {
        if let Some(member) = changed.get_mut(name) {
            *member = value;
        }
        if reads(&changed) {
            return true;
        }
    }
    changed.as_object_mut().is_some_and(|members| members.remove(name).is_some()) && reads(&changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_member_that_cannot_be_read_is_found() {
        for (operation, member) in [
            (json!({"op": "increment", "field": "/a", "by": "2"}), Some("by")),
            (json!({"op": "increment", "field": "a", "by": 2}), Some("field")),
            (json!({"op": "grant", "field": "/a", "by": 2, "to": "moon"}), Some("to")),
            (json!({"op": "choose", "field": "/a", "hash": "5f"}), Some("hash")),
            (json!({"op": "insert", "field": "/a", "index": -1, "values": []}), Some("index")),
            (json!({"op": "insert", "field": "/a", "index": 1, "values": 7}), Some("values")),
            (json!({"op": "delete", "moon": 1}), Some("moon")),
            (json!({"op": "replace", "path": 5, "value": 1}), Some("path")),
            (json!({"op": "move", "from": "a", "path": "/a"}), Some("from")),
            // Two, or one that is not there.
            (json!({"op": "increment", "field": "a", "by": "2"}), None),
            (json!({"op": "increment", "field": "/a"}), None),
            (json!({"op": "moon", "field": "/a"}), None),
            (json!("increment"), None),
        ] {
            assert_eq!(member_at_fault(&operation), member, "{operation}");
        }
    }

    #[test]
    fn a_refusal_has_its_place_in_what_was_sent() {
        let writes = Sent::Writes(vec![("s/c/a".to_owned(), 1), ("s/c/b".to_owned(), 2)]);
        let (a, b) = (Some("s/c/a"), Some("s/c/b"));
        for (sent, document, field, operation, expected) in [
            (&Sent::Document, None, Some("/a"), None, Some("/a")),
            (&Sent::Document, None, None, None, None),
            (&Sent::Steps, None, Some("/a"), Some("/patch/3/path"), Some("/3/path")),
            (&Sent::Steps, None, Some("/a"), None, None),
            (&Sent::Operations(1), None, Some("/a"), None, Some("/0")),
            (&Sent::Operations(1), None, Some("/a"), Some("/patch/3/path"), Some("/0/patch/3/path")),
            (&Sent::Operations(2), None, Some("/a"), Some("/1"), Some("/1")),
            (&Sent::Operations(2), None, Some("/a"), None, None),
            (&writes, a, Some("/a"), None, Some("/writes/0/operations/0")),
            (&writes, b, Some("/a"), Some("/1"), Some("/writes/1/operations/1")),
            (&writes, b, None, None, Some("/writes/1")),
            (&writes, None, None, None, None),
        ] {
            assert_eq!(sent.place(document, field, operation).as_deref(), expected);
        }
    }
}
