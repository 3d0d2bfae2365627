//! Writing: operations on a document become entries of one change, or none.

use crate::entry::{self, Entry, Pointer, PointerError};
use crate::json::{self, JsonError};
use crate::{ChangeRefusal, Crdt, Origin, Schema};
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
    /// A value was put where counters are below.
    #[error("{field} has the counter {counter} below it, which cannot be put away: write its members")]
    CounterBelow {
        /// The field.
        field: Pointer,
        /// One of the counters.
        counter: Pointer,
    },
    /// A field with members was to count: they would hide it.
    #[error("{field} has members, which hide a counter: put the document without them, then it counts")]
    MembersBelow {
        /// The field.
        field: Pointer,
    },
    /// No peer would take the change: too many sites have written the document at once, or it is damaged.
    #[error("no peer would take the change: {0}")]
    Refused(#[from] ChangeRefusal),
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

/// Most that one call may write, by the estimate of [`Writer::count`]: refused before a long change is made.
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
            Operation::Increment { field, by } => {
                let has_tallies = self.has_tallies(field);
                if !has_tallies && self.schema_says(field) != Crdt::Counter {
                    return Err(WriteError::NoCounter { field: field.clone() });
                }
                if self.has_members(field) {
                    return Err(WriteError::MembersBelow { field: field.clone() });
                }
                let plain = self.take_plain(field)?;
                let by = i128::from(*by) + if has_tallies { 0 } else { plain };
                self.increment(field, by, true)
            }
        }
    }

    fn schema_says(&self, field: &Pointer) -> Crdt {
        self.schema.map_or(Crdt::Register, |schema| schema.crdt(field))
    }

    /// Tallies tell of a counter also where the schema is not known.
    fn has_tallies(&self, field: &Pointer) -> bool {
        // ',' follows '+' in byte order.
        let tallies = format!("{}/+", field.name())..format!("{}/,", field.name());
        self.transaction.map_range(ROOT, tallies).next().is_some()
    }

    fn has_members(&self, field: &Pointer) -> bool {
        // '0' follows '/' in byte order.
        let below = format!("{}/", field.name())..format!("{}0", field.name());
        let mut below = self.transaction.map_range(ROOT, below);
        below.any(|item| match entry::read_name(&item.key) {
            Entry::Leaf(_) => true,
            Entry::Tally(_) => entry::split_tally(&item.key).is_some_and(|(name, _)| name != field.name()),
            Entry::Reserved => false,
        })
    }

    /// Takes a plain value away from a counter's name, where it was before the field was a counter; returns it as
    /// far as it is a whole number.
    fn take_plain(&mut self, field: &Pointer) -> Result<i128, WriteError> {
        let plain = match self.transaction.get(ROOT, field.name()) {
            Ok(None) => return Ok(0),
            Ok(Some((automerge::Value::Scalar(plain), _))) => plain.as_i64().map_or(0, i128::from),
            Ok(Some(_)) | Err(_) => 0,
        };
        self.delete(field.name())?;
        Ok(plain)
    }

    fn put(&mut self, value: &Value) -> Result<(), WriteError> {
        let mut wanted = json::leaves(value)?;
        let present = self.present();
        self.check_counters(&wanted, &present)?;
        for (name, stored) in &present.leaves {
            if self.is_counter(name, &present) {
                continue;
            }
            match wanted.get(name) {
                Some(leaf) if json::scalar(leaf) == *stored => drop(wanted.remove(name)),
                Some(_) => {}
                None => self.delete(name)?,
            }
        }
        for (name, leaf) in wanted {
            let is_counter = self.is_counter(&name, &present);
            let field = Pointer::from_name(name);
            if !is_counter {
                self.set(field.name(), json::scalar(leaf))?;
                continue;
            }
            let given = json::kind(leaf);
            let target = leaf.as_i64().ok_or(WriteError::CounterValue { field: field.clone(), given })?;
            self.take_plain(&field)?;
            let sum = present.sums.get(field.name()).copied();
            self.increment(&field, i128::from(target) - sum.unwrap_or(0), sum.is_none())?;
        }
        Ok(())
    }

    fn is_counter(&self, name: &str, present: &Present) -> bool {
        present.sums.contains_key(name)
            || self.schema_says(&Pointer::from_name(name.to_owned())) == Crdt::Counter
    }

    /// Nothing is put below a counter, and no value over counters: it would be acknowledged and not be seen.
    fn check_counters(&self, wanted: &BTreeMap<String, &Value>, present: &Present) -> Result<(), WriteError> {
        for (name, leaf) in wanted {
            for (end, _) in name.match_indices('/') {
                let above = name.get(..end).unwrap_or_default();
                if self.is_counter(above, present) {
                    let field = Pointer::from_name(above.to_owned());
                    return Err(WriteError::CounterValue { field, given: "an object" });
                }
            }
            let below = format!("{name}/");
            let counter =
                present.sums.range(below.clone()..).next().filter(|(name, _)| name.starts_with(&below));
            // An empty object takes nothing away.
            if let Some((counter, _)) = counter.filter(|_| !leaf.is_object()) {
                let (field, counter) = (name.clone(), counter.clone());
                let (field, counter) = (Pointer::from_name(field), Pointer::from_name(counter));
                return Err(WriteError::CounterBelow { field, counter });
            }
        }
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), WriteError> {
        self.count(name, 0)?;
        self.transaction.delete(ROOT, name).map_err(|_| WriteError::Document)
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
                    let counter = entry::split_tally(&item.key).map_or("", |(counter, _)| counter);
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
