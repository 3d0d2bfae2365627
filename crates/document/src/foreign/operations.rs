//! The operations of a change, read row by row across its columns and never held.
//!
//! Everything that one change alone can show is checked: what an operation is, where it is, which operations it names,
//! how long its value is. Whether the operations that it names are there is asked when it is applied (module
//! `document::lineage`).

use super::columns::Columns;
use super::leb::Reader;
use super::runs::{Booleans, Differences, Runs};
use super::value::{self, Scalar};
use super::{ChangeRefusal, Header, OPERATIONS_MAX};
use crate::Origin;
use crate::entry;

/// Names an operation. Ordered as Automerge orders them: the highest of concurrent values is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OperationId {
    pub(crate) counter: u64,
    pub(crate) author: Origin,
}

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// At the entry of this name.
    Entry(&'a str),
    /// In the sequence whose creation has this author: after an element when it inserts, else at it. `None` is the
    /// start.
    Element { sequence: Origin, element: Option<OperationId> },
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action<'a> {
    Put(Scalar<'a>),
    Insert(Scalar<'a>),
    Delete,
}

/// An operation; those that it replaces are told by [`Operations::replaced`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Operation<'a> {
    pub(crate) id: OperationId,
    pub(crate) place: Place<'a>,
    pub(crate) action: Action<'a>,
}

const ACTION_PUT: u64 = 1;
const ACTION_DELETE: u64 = 3;

/// Reads the operations of a change.
pub(crate) struct Operations<'a> {
    header: &'a Header,
    /// The author's short form: the only tallies that it may write.
    short: String,
    /// Authors that an operation named, as in the header.
    named: Vec<bool>,
    next: u64,
    /// Entries that may still be named: each takes a byte at least, so that runs which claim more are a bomb.
    entries_left: usize,
    object_author: Runs<'a, u64>,
    object_counter: Runs<'a, u64>,
    key_author: Runs<'a, u64>,
    key_counter: Differences<'a>,
    key_name: Runs<'a, &'a str>,
    insert: Booleans<'a>,
    action: Runs<'a, u64>,
    value_kind: Runs<'a, u64>,
    value: Reader<'a>,
    replaced_count: Runs<'a, u64>,
    replaced_author: Runs<'a, u64>,
    replaced_counter: Differences<'a>,
    replaced: Vec<OperationId>,
}

impl<'a> Operations<'a> {
    /// Those of the change with this header, these columns, and so many bytes.
    pub(crate) fn new(header: &'a Header, columns: &Columns<'a>, body_bytes: usize) -> Self {
        let unsigned = |bytes| Runs::new(bytes, OPERATIONS_MAX, Reader::unsigned);
        Self {
            short: header.author().short(),
            named: vec![false; header.authors.len()],
            next: header.first_operation,
            entries_left: body_bytes,
            object_author: unsigned(columns.object_author),
            object_counter: unsigned(columns.object_counter),
            key_author: unsigned(columns.key_author),
            key_counter: Differences::new(columns.key_counter, OPERATIONS_MAX),
            key_name: Runs::new(columns.key_name, OPERATIONS_MAX, Reader::text),
            insert: Booleans::new(columns.insert, OPERATIONS_MAX),
            action: unsigned(columns.action),
            value_kind: unsigned(columns.value_kind),
            value: Reader::new(columns.value),
            replaced_count: unsigned(columns.predecessor_count),
            replaced_author: unsigned(columns.predecessor_author),
            replaced_counter: Differences::new(columns.predecessor_counter, OPERATIONS_MAX),
            replaced: Vec::new(),
            header,
        }
    }

    /// The operations that the last one replaces.
    pub(crate) fn replaced(&self) -> &[OperationId] {
        &self.replaced
    }

    /// The next operation.
    pub(crate) fn next_operation(&mut self) -> Result<Option<Operation<'a>>, ChangeRefusal> {
        if self.action.is_at_end() {
            return self.finish().map(|()| None);
        }
        if self.next > super::OPERATION_COUNTER_MAX {
            return Err(ChangeRefusal::Numbering);
        }
        let id = OperationId { counter: self.next, author: self.header.author() };
        self.next += 1;
        let action = self.action.row()?.ok_or(ChangeRefusal::Malformed)?;
        let is_insert = self.insert.row()?;
        let kind = self.value_kind.row()?.ok_or(ChangeRefusal::Malformed)?;
        let scalar = value::read(&mut self.value, kind)?;
        let place = self.place(id)?;
        self.read_replaced(id)?;
        let action = match (action, is_insert) {
            (ACTION_PUT, false) => Action::Put(scalar),
            (ACTION_PUT, true) => Action::Insert(scalar),
            (ACTION_DELETE, false) if scalar == Scalar::Null => Action::Delete,
            _ => return Err(ChangeRefusal::Operation),
        };
        self.check_shape(place, action)?;
        Ok(Some(Operation { id, place, action }))
    }

    /// Only these are written again as they were: a deletion that deletes nothing, say, is forgotten.
    fn check_shape(&self, place: Place<'_>, action: Action<'_>) -> Result<(), ChangeRefusal> {
        let replaces = !self.replaced.is_empty();
        let fits = match (place, action) {
            (Place::Entry(_), Action::Put(_)) => true,
            (Place::Entry(_), Action::Delete) => replaces,
            (Place::Entry(_), Action::Insert(_)) => false,
            (Place::Element { .. }, Action::Insert(_)) => !replaces,
            (Place::Element { element, .. }, Action::Put(_) | Action::Delete) => {
                replaces && element.is_some()
            }
        };
        if fits { Ok(()) } else { Err(ChangeRefusal::Operation) }
    }

    fn place(&mut self, id: OperationId) -> Result<Place<'a>, ChangeRefusal> {
        let object = (self.object_author.row()?, self.object_counter.row()?);
        let element = (self.key_author.row()?, self.key_counter.row()?);
        let name = self.key_name.row()?;
        match (object, element, name) {
            ((None, None), (None, None), Some(name)) => {
                self.entries_left =
                    self.entries_left.checked_sub(1).ok_or(ChangeRefusal::TooMany("operations"))?;
                self.check_name(name)?;
                Ok(Place::Entry(name))
            }
            ((Some(author), Some(1)), element, None) => {
                let sequence = self.author(author)?;
                let element = match element {
                    (None, Some(0)) => None,
                    (Some(author), Some(counter)) => Some(self.operation(author, counter, id)?),
                    _ => return Err(ChangeRefusal::Reference),
                };
                Ok(Place::Element { sequence, element })
            }
            _ => Err(ChangeRefusal::Reference),
        }
    }

    fn check_name(&self, name: &str) -> Result<(), ChangeRefusal> {
        if !entry::is_within_limits(name) {
            return Err(ChangeRefusal::Name);
        }
        let is_foreign = entry::owner(name).is_some_and(|owner| owner != self.short);
        if is_foreign { Err(ChangeRefusal::Tally) } else { Ok(()) }
    }

    fn author(&mut self, index: u64) -> Result<Origin, ChangeRefusal> {
        let index = usize::try_from(index).map_err(|_| ChangeRefusal::Reference)?;
        let author = self.header.authors.get(index).ok_or(ChangeRefusal::Reference)?;
        *self.named.get_mut(index).ok_or(ChangeRefusal::Reference)? = true;
        Ok(*author)
    }

    /// An operation that `id` names: one before it.
    fn operation(
        &mut self,
        author: u64,
        counter: u64,
        id: OperationId,
    ) -> Result<OperationId, ChangeRefusal> {
        let named = OperationId { counter, author: self.author(author)? };
        if (1..id.counter).contains(&counter) { Ok(named) } else { Err(ChangeRefusal::Reference) }
    }

    fn read_replaced(&mut self, id: OperationId) -> Result<(), ChangeRefusal> {
        self.replaced.clear();
        for _ in 0..self.replaced_count.row()?.ok_or(ChangeRefusal::Malformed)? {
            let author = self.replaced_author.row()?.ok_or(ChangeRefusal::Reference)?;
            let counter = self.replaced_counter.row()?.ok_or(ChangeRefusal::Reference)?;
            let replaced = self.operation(author, counter, id)?;
            if self.replaced.last().is_some_and(|last| *last >= replaced) {
                return Err(ChangeRefusal::Reference);
            }
            self.replaced.push(replaced);
        }
        Ok(())
    }

    /// Checks that no column has more rows than there are operations, and that every author listed is named.
    fn finish(&self) -> Result<(), ChangeRefusal> {
        if self.next == self.header.first_operation {
            return Err(ChangeRefusal::Operation);
        }
        for column in [
            &self.object_author,
            &self.object_counter,
            &self.key_author,
            &self.action,
            &self.value_kind,
            &self.replaced_count,
            &self.replaced_author,
        ] {
            column.finish()?;
        }
        self.key_counter.finish()?;
        self.key_name.finish()?;
        self.insert.finish()?;
        self.replaced_counter.finish()?;
        let is_all_named = self.named.iter().skip(1).all(|named| *named);
        if self.value.is_empty() && is_all_named { Ok(()) } else { Err(ChangeRefusal::Malformed) }
    }
}
