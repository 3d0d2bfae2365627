//! How much the answer to a write tells: nothing of a document that its writer may not read.
//!
//! A refusal says what is there: a value that breaks a rule, heads, a length, who holds rights. So does a success: whether
//! anything was changed, and on what. Who may write and not read is told the kind of a refusal and which of its own fields it is
//! about, and of a success how safe it is.

use super::calling::Caller;
use crate::local::{Refusal, RefusalKind};
use document::{Address, Operation};
use replica::Request;
use serde_json::Value;
use std::collections::BTreeSet;

/// Bytes of names of fields that are kept of a write while it is under way, which may wait for the hub.
const NAMED_BYTES_MAX: usize = 16 * 1024;

/// What to do about a refusal that says no more.
const HINT: &str = "who may read there is told more: `isle token create` makes a token with that right";

/// What a writer may see of the documents that it writes.
pub(super) struct Sight {
    unread: Vec<Unread>,
}

/// A document that its writer may not read.
struct Unread {
    address: String,
    /// The fields that the write names, as JSON Pointers.
    named: Named,
}

impl Sight {
    /// Of a caller on what it asks to be written.
    pub(super) fn of(caller: &Caller, request: &Request) -> Self {
        let (mut unread, mut room) = (Vec::new(), NAMED_BYTES_MAX);
        let mut see = |address: Address, operations: &[Operation]| {
            if caller.reads(&address.space, Some(&address.collection)).is_err() {
                let named = Named::by(operations, room);
                room = named.room;
                unread.push(Unread { address: address.to_string(), named });
            }
        };
        if let Request::Write { address, operations, .. } = request {
            see(address.clone(), operations);
        } else if let Request::Transaction { space, writes, .. } = request {
            for write in writes {
                let (space, collection, key) = (space.clone(), write.collection.clone(), write.key.clone());
                see(Address { space, collection, key }, &write.operations);
            }
        }
        Self { unread }
    }

    /// Whether all that is written may be read.
    pub(super) fn is_whole(&self) -> bool {
        self.unread.is_empty()
    }

    /// The refusal as the caller is told it.
    pub(super) fn refusal(&self, refusal: Refusal) -> Refusal {
        let Some(message) = fixed(refusal.kind).filter(|_| !self.is_whole()) else { return refusal };
        let is_about =
            |unread: &&Unread| refusal.document.as_deref().is_none_or(|document| document == unread.address);
        let about: Vec<&Unread> = self.unread.iter().filter(is_about).collect();
        if about.is_empty() {
            return refusal;
        }
        let broken = refusal.violations.iter().map(|violation| violation.field.as_str());
        let mut fields = refusal.field.as_deref().into_iter().chain(broken);
        let field = fields.find(|field| about.iter().any(|unread| unread.named.has(field)));
        Refusal {
            document: refusal.document.clone(),
            field: field.map(Into::into),
            ..Refusal::new(refusal.kind, message).hinted(HINT)
        }
    }
}

/// The words for a refusal of what a document holds; `None` for one of the request or the replica, which says nothing of
/// that.
fn fixed(kind: RefusalKind) -> Option<&'static str> {
    match kind {
        RefusalKind::Invalid => Some("the write does not fit"),
        RefusalKind::ConditionFailed => Some("the condition of the write does not hold"),
        RefusalKind::NotEnough => Some("rights of a bounded counter are lacking here"),
        RefusalKind::Blocked => Some("changes of a document cannot be applied"),
        RefusalKind::Damaged => Some("what is stored cannot be read"),
        RefusalKind::Behind => Some("changes of a document are being applied: try again in a moment"),
        RefusalKind::Other => Some("it was not done"),
        RefusalKind::Malformed
        | RefusalKind::TooLong
        | RefusalKind::UnknownSpace
        | RefusalKind::ReadOnly
        | RefusalKind::KeyReused
        | RefusalKind::DiskFull
        | RefusalKind::Backup
        | RefusalKind::Unavailable
        | RefusalKind::UnknownOutcome => None,
    }
}

/// The fields that operations name, but for the whole document; not all of them where there are very many.
struct Named {
    fields: BTreeSet<String>,
    /// Bytes that may still be kept. With the first name that does not fit there are none: what is named below it is longer,
    /// and to look at all of a long write for each would cost far more than to carry it out.
    room: usize,
}

impl Named {
    fn by(operations: &[Operation], room: usize) -> Self {
        let mut named = Self { fields: BTreeSet::new(), room };
        for operation in operations {
            if named.room == 0 {
                break;
            }
            named.take(operation);
        }
        named
    }

    fn has(&self, field: &str) -> bool {
        self.fields.contains(field)
    }

    fn take(&mut self, operation: &Operation) {
        match operation {
            Operation::Put(value) | Operation::MergePatch(value) => self.below("", value),
            Operation::Patch(patch) => {
                let steps = serde_json::to_value(patch).unwrap_or_default();
                for step in steps.as_array().into_iter().flatten() {
                    self.step(step);
                }
            }
            Operation::Settle { field, value } => self.below(&field.to_string(), value),
            Operation::Increment { field, .. }
            | Operation::Spend { field, .. }
            | Operation::Grant { field, .. }
            | Operation::Transfer { field, .. }
            | Operation::Add { field, .. }
            | Operation::Remove { field, .. }
            | Operation::Insert { field, .. }
            | Operation::Splice { field, .. }
            | Operation::Clear { field }
            | Operation::Choose { field, .. } => self.add(field.to_string()),
            Operation::Delete => {}
        }
    }

    fn step(&mut self, step: &Value) {
        let text = |name| step.get(name).and_then(Value::as_str);
        if let Some(path) = text("path") {
            self.below(path, step.get("value").unwrap_or(&Value::Null));
        }
        self.add(text("from").unwrap_or_default().to_owned());
    }

    /// A value's own place, and those within it.
    fn below(&mut self, place: &str, value: &Value) {
        self.add(place.to_owned());
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.within(place, &name.replace('~', "~0").replace('/', "~1"), value);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    self.within(place, &index.to_string(), value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn within(&mut self, place: &str, name: &str, value: &Value) {
        if self.room > 0 {
            self.below(&format!("{place}/{name}"), value);
        }
    }

    fn add(&mut self, field: String) {
        if field.is_empty() {
            return;
        }
        match self.room.checked_sub(field.len()) {
            Some(room) => {
                self.room = room;
                self.fields.insert(field);
            }
            None => self.room = 0,
        }
    }
}

#[cfg(test)]
mod tests;
