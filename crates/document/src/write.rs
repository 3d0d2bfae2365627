//! Writing: operations on a document become entries of one change, or none.

use crate::entry::{self, Entry, Pointer, PointerError};
use crate::json::{self, JsonError};
use crate::{Crdt, Origin, Schema};
use automerge::transaction::{Transactable, Transaction};
use automerge::{ROOT, ReadDoc, ScalarValue, ScalarValueRef, ValueRef};
use serde_json::Value;
use std::collections::BTreeMap;

/// One thing to do to a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Makes the document this object. Fields that are equal already are not written; a counter gets the difference
    /// from its present sum, and a counter that the value leaves out stays as it is.
    Put(Value),
    /// Adds to a counter.
    Increment {
        /// The counter.
        field: Pointer,
        /// What to add; may be negative.
        by: i64,
    },
}

impl Operation {
    /// Adds `by` to the counter at a JSON Pointer.
    ///
    /// # Errors
    /// [`PointerError`] when the text is no pointer.
    pub fn increment(field: &str, by: i64) -> Result<Self, PointerError> {
        Ok(Self::Increment { field: Pointer::parse(field)?, by })
    }
}

/// Why operations were refused. The document is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The value cannot be a document.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A counter was given something else than a whole number of 64 bits.
    #[error("{field} is a counter: it takes a whole number, not {given}")]
    CounterValue {
        /// The counter.
        field: Pointer,
        /// What it was given.
        given: &'static str,
    },
    /// The schema does not say that the field is a counter.
    #[error("{field} is no counter: name it in the collection's schema with \"x-crdt\": \"counter\"")]
    NoCounter {
        /// The field.
        field: Pointer,
    },
    /// This origin's share of the counter would leave 64 bits.
    #[error("{field} would leave the range of 64 bits")]
    Overflow {
        /// The counter.
        field: Pointer,
    },
    /// The change would be longer than a change may be.
    #[error("the change would have {0} bytes, {COST_MAX} are allowed: write less at once")]
    TooLong(usize),
    /// Automerge refused; the document's changes contradict each other.
    #[error("the document cannot be written")]
    Document,
}

/// Most that one call may write, by the estimate of [`Writer::count`]; it keeps a change within what peers accept.
const COST_MAX: usize = crate::CHANGE_BYTES_MAX - 64 * 1024;
/// What an entry takes in a change besides its name and its value, rounded up.
const ENTRY_COST: usize = 24;

pub(crate) struct Writer<'a, 'b> {
    transaction: &'a mut Transaction<'b>,
    origin: Origin,
    schema: Option<&'a Schema>,
    cost: usize,
}

impl<'a, 'b> Writer<'a, 'b> {
    pub(crate) fn new(
        transaction: &'a mut Transaction<'b>,
        origin: Origin,
        schema: Option<&'a Schema>,
    ) -> Self {
        Self { transaction, origin, schema, cost: 0 }
    }

    pub(crate) fn run(&mut self, operation: &Operation) -> Result<(), WriteError> {
        match operation {
            Operation::Put(value) => self.put(value),
            Operation::Increment { field, by } => match self.crdt(field) {
                Crdt::Counter => self.increment(field, i128::from(*by), true),
                Crdt::Register => Err(WriteError::NoCounter { field: field.clone() }),
            },
        }
    }

    fn crdt(&self, field: &Pointer) -> Crdt {
        self.schema.map_or(Crdt::Register, |schema| schema.crdt(field))
    }

    fn put(&mut self, value: &Value) -> Result<(), WriteError> {
        let mut wanted = json::leaves(value)?;
        let present = self.present();
        for (name, stored) in &present.leaves {
            match wanted.get(name) {
                Some(leaf) if json::scalar(leaf) == *stored => drop(wanted.remove(name)),
                Some(_) => {}
                None => {
                    self.count(name, 0)?;
                    self.transaction.delete(ROOT, name.as_str()).map_err(|_| WriteError::Document)?;
                }
            }
        }
        for (name, leaf) in wanted {
            let field = Pointer::from_name(name);
            match self.crdt(&field) {
                Crdt::Register => self.set(field.name(), json::scalar(leaf))?,
                Crdt::Counter => {
                    let given = json::kind(leaf);
                    let target =
                        leaf.as_i64().ok_or(WriteError::CounterValue { field: field.clone(), given })?;
                    let sum = present.sums.get(field.name()).copied();
                    self.increment(&field, i128::from(target) - sum.unwrap_or(0), sum.is_none())?;
                }
            }
        }
        Ok(())
    }

    /// Adds to this origin's tally. `even_zero` writes a tally that does not change, so that the counter exists.
    fn increment(&mut self, field: &Pointer, by: i128, even_zero: bool) -> Result<(), WriteError> {
        let name = field.tally(self.origin);
        let share = match self.transaction.get(ROOT, name.as_str()) {
            Ok(Some((automerge::Value::Scalar(share), _))) => share.as_i64(),
            Ok(_) => None,
            Err(_) => return Err(WriteError::Document),
        };
        if by == 0 && (share.is_some() || !even_zero) {
            return Ok(());
        }
        let total = i128::from(share.unwrap_or(0)) + by;
        let total = i64::try_from(total).map_err(|_| WriteError::Overflow { field: field.clone() })?;
        self.set(&name, ScalarValue::Int(total))
    }

    fn set(&mut self, name: &str, value: ScalarValue) -> Result<(), WriteError> {
        let bytes = value.as_bytes().map_or(0, <[u8]>::len) + value.as_str().map_or(0, str::len);
        self.count(name, bytes)?;
        self.transaction.put(ROOT, name, value).map_err(|_| WriteError::Document)
    }

    fn count(&mut self, name: &str, value_bytes: usize) -> Result<(), WriteError> {
        self.cost += name.len() + value_bytes + ENTRY_COST;
        if self.cost > COST_MAX { Err(WriteError::TooLong(self.cost)) } else { Ok(()) }
    }

    fn present(&self) -> Present {
        let mut present = Present::default();
        for item in self.transaction.map_range(ROOT, ..) {
            let ValueRef::Scalar(value) = item.value else { continue };
            match (entry::read_name(&item.key), &value) {
                (Entry::Tally(_), ScalarValueRef::Int(share)) => {
                    let counter = item.key.rsplit_once('/').map_or("", |(counter, _)| counter);
                    *present.sums.entry(counter.to_owned()).or_default() += i128::from(*share);
                }
                (Entry::Leaf(_), _) => drop(present.leaves.insert(item.key.into_owned(), owned(&value))),
                (Entry::Reserved, _) if item.key == entry::EMPTY_DOCUMENT => {
                    present.leaves.insert(item.key.into_owned(), owned(&value));
                }
                (Entry::Tally(_) | Entry::Reserved, _) => {}
            }
        }
        present
    }
}

/// What a document holds: leaves by name, and the sums of its counters.
#[derive(Default)]
struct Present {
    leaves: BTreeMap<String, ScalarValue>,
    sums: BTreeMap<String, i128>,
}

fn owned(value: &ScalarValueRef<'_>) -> ScalarValue {
    match ValueRef::Scalar(value.clone()).into_value() {
        automerge::Value::Scalar(scalar) => scalar.into_owned(),
        automerge::Value::Object(_) => ScalarValue::Null,
    }
}
