use super::{Contents, Entries, Ledger, clamp, stored_json};
use crate::entry::{self, EMPTY_DOCUMENT, Entry, Pointer, SHORT_BYTES, SequenceKind};
use automerge::{ObjType, ScalarValueRef, ValueRef};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a field holds that is no plain value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Special {
    /// The sum of the tallies, without the base.
    Counter(i128),
    Bounded(Box<Ledger>),
    /// Elements by the names of their entries.
    Set(BTreeMap<String, Value>),
    List(Vec<Value>),
    Text(String),
}

/// What the entries of one field say.
#[derive(Debug, Default)]
pub(crate) struct Field {
    /// The plain value; the base of a counter, where it is a whole number.
    pub(crate) leaf: Option<Value>,
    pub(crate) special: Option<Special>,
    /// A list or text whose mark was taken away while somebody wrote to it: shown when it has content.
    unmarked: Option<Special>,
}

impl Field {
    /// Takes in an entry of the field; `name` is the entry's.
    pub(super) fn add(&mut self, contents: &impl Contents, entry: &Entry, name: &str, value: &ValueRef<'_>) {
        let number =
            if let ValueRef::Scalar(ScalarValueRef::Int(number)) = value { Some(*number) } else { None };
        let (field, reserved) = entry::split_reserved(name).unwrap_or((name, ""));
        match (entry, number) {
            (Entry::Leaf(_), _) => self.add_leaf(contents, name, value),
            (Entry::Tally(_), Some(share)) => {
                if let Special::Counter(sum) = self.special.get_or_insert(Special::Counter(0)) {
                    *sum += i128::from(share);
                }
            }
            (Entry::Spend(_) | Entry::Grant(_) | Entry::Bound(_), Some(amount)) => {
                self.add_rights(reserved, amount);
            }
            (Entry::Element(_, element), _) => {
                if let Special::Set(elements) =
                    self.special.get_or_insert_with(|| Special::Set(BTreeMap::new()))
                    && let Some(element) = element
                {
                    elements.insert(name.to_owned(), element.clone());
                }
            }
            (Entry::Sequence(_, kind), _) => self.add_sequence(contents, field, *kind),
            (Entry::Tally(_) | Entry::Spend(_) | Entry::Grant(_) | Entry::Bound(_), None)
            | (Entry::Reserved, _) => {}
        }
    }

    fn add_leaf(&mut self, contents: &impl Contents, name: &str, value: &ValueRef<'_>) {
        match value {
            ValueRef::Scalar(value) => self.leaf = Some(stored_json(value)),
            ValueRef::Object(kind) => {
                self.leaf = contents.plain(name);
                self.unmarked = match kind {
                    ObjType::List => Some(Special::List(contents.items(name))),
                    ObjType::Text => Some(Special::Text(contents.text(name))),
                    ObjType::Map | ObjType::Table => None,
                };
            }
        }
    }

    fn add_rights(&mut self, reserved: &str, amount: i64) {
        let bounded = self.special.get_or_insert_with(|| Special::Bounded(Box::default()));
        let (Special::Bounded(ledger), Some(kind)) = (bounded, reserved.get(..1)) else { return };
        let origins = reserved.get(1..).unwrap_or_default();
        match (kind, origins.split_at_checked(SHORT_BYTES)) {
            (">", Some((from, to))) => ledger.add_grant(from, to, amount),
            ("!", _) => ledger.add_spend(origins, amount),
            _ => ledger.set_bound(amount),
        }
    }

    fn add_sequence(&mut self, contents: &impl Contents, field: &str, kind: SequenceKind) {
        if self.special.is_some() {
            return;
        }
        self.special = Some(match (kind, self.unmarked.take()) {
            (SequenceKind::List, Some(Special::List(items))) => Special::List(items),
            (SequenceKind::List, _) => Special::List(contents.items(field)),
            (SequenceKind::Text, Some(Special::Text(text))) => Special::Text(text),
            (SequenceKind::Text, _) => Special::Text(contents.text(field)),
        });
    }

    /// Called when all entries of the field are in.
    pub(super) fn finish(&mut self) {
        let unmarked = self.unmarked.take().filter(|unmarked| match unmarked {
            Special::List(items) => !items.is_empty(),
            Special::Text(text) => !text.is_empty(),
            Special::Counter(_) | Special::Bounded(_) | Special::Set(_) => false,
        });
        self.special = self.special.take().or(unmarked);
        let base = self.base();
        if let Some(Special::Bounded(ledger)) = &mut self.special {
            ledger.set_base(base);
        }
    }

    /// The number that a counter here counts on from.
    pub(crate) fn base(&self) -> Option<i64> {
        self.leaf.as_ref().and_then(super::count)
    }

    /// What is shown of the field.
    pub(super) fn json(self) -> Option<Value> {
        let base = self.base();
        Some(match self.special {
            None => return self.leaf,
            Some(Special::Counter(tallies)) => Value::from(clamp(i128::from(base.unwrap_or(0)) + tallies)),
            Some(Special::Bounded(ledger)) => Value::from(clamp(ledger.value())),
            Some(Special::Set(elements)) => elements.into_values().collect(),
            Some(Special::List(items)) => Value::Array(items),
            Some(Special::Text(text)) => Value::String(text),
        })
    }

    /// Whether the field holds nothing that is shown.
    pub(super) fn is_empty(&self) -> bool {
        self.leaf.is_none() && self.special.is_none()
    }
}

/// All fields of a document by name, and the mark of an empty document under its own.
pub(crate) fn fields(document: &impl Entries) -> BTreeMap<String, Field> {
    let mut fields: BTreeMap<String, Field> = BTreeMap::new();
    for (name, value) in document.range("", None) {
        let entry = entry::read_name(&name);
        let field = match entry {
            Entry::Leaf(_) => name.as_ref(),
            Entry::Reserved if name == EMPTY_DOCUMENT => {
                fields.entry(EMPTY_DOCUMENT.to_owned()).or_default().leaf = Some(Value::Bool(true));
                continue;
            }
            Entry::Reserved => continue,
            Entry::Tally(_)
            | Entry::Spend(_)
            | Entry::Grant(_)
            | Entry::Bound(_)
            | Entry::Element(..)
            | Entry::Sequence(..) => entry::split_reserved(&name).map_or("", |(field, _)| field),
        };
        fields.entry(field.to_owned()).or_default().add(document, &entry, &name, &value);
    }
    fields.values_mut().for_each(Field::finish);
    fields.retain(|_, field| !field.is_empty());
    fields
}

/// What the entries of one bounded counter say; without any, nothing was made.
pub(crate) fn ledger(document: &impl Entries, field: &Pointer) -> Ledger {
    let mut special = Field::default();
    // ',' follows '+' in byte order.
    for (name, value) in document.range(&format!("{}/+", field.name()), Some(&format!("{}/,", field.name())))
    {
        special.add(document, &entry::read_name(&name), &name, &value);
    }
    let mut ledger = match special.special {
        Some(Special::Bounded(ledger)) => *ledger,
        _ => Ledger::default(),
    };
    ledger.set_base(document.plain(field.name()).as_ref().and_then(super::count));
    ledger
}
