//! Queries over the stored values of a collection: filters, an order, pages.
//!
//! A query costs no more than its limits, however large the collection is: a page ends early where so much was looked
//! at, and its cursor goes on from there. Module `plan` chooses where to begin, module `walk` looks at documents.
//!
//! Orders: by key, byte by byte; or by a field, as its index has it: missing, null, false, true, numbers, strings by their
//! first 64 bytes, arrays and objects; what is alike by key. Descending is the same order from its end.

pub(crate) mod cursor;
mod filter;
mod form;
mod plan;
mod walk;

pub use cursor::{Cursor, CursorError};
pub use filter::{Filter, IN_VALUES_MAX, OPERAND_BYTES_MAX, Test};

use crate::index::{self, Field, Indexing};
use crate::keys::{self, SpaceNumber};
use crate::request::BrokenDocument;
use crate::store::{ReadRows, StoreError};
use cursor::{Digest, Position};
use document::{Collection, Key, Pointer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use walk::Walk;

/// Most documents of one page.
pub const PAGE_DOCUMENTS_MAX: u32 = 1_000;
/// Most filters of one query.
pub const FILTERS_MAX: usize = 16;
/// Most fields that a query shows.
pub const FIELDS_MAX: usize = 64;
/// Most documents that are looked at for one page; also the most that are sorted.
pub const EXAMINED_MAX: u32 = 10_000;
/// Most JSON that is looked at for one page, in bytes; the document that passes it is the last.
pub const EXAMINED_BYTES_MAX: usize = 8 << 20;

/// A page ends with the document that makes it so many bytes of JSON, about: who reads it slowly holds it for as long.
const SHOWN_BYTES_MAX: usize = 1 << 20;
/// Most rows of an index that are gathered, to be put into another order.
pub(crate) const GATHERED_MAX: u32 = 10_000;
/// Most documents that are sorted where an index has the order, but another one has few documents.
const SORTED_INSTEAD_MAX: u32 = 1_000;

/// What to look for in a collection, and how to show it.
///
/// ```
/// use replica::{Filter, Order, Query};
/// let query: Query = serde_json::from_str(
///     r#"{"filters": [{"field": "/price", "at_most": 500}, {"field": "/brand", "equal": "Alpro"}],
///         "order": {"field": "/price"}, "descending": true, "fields": ["/name", "/price"], "limit": 20}"#,
/// )?;
/// assert_eq!((query.filters.len(), query.limit), (2, 20));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// Only documents with these keys.
    pub keys: KeyRange,
    /// A document passes all of them.
    pub filters: Vec<Filter>,
    /// Shows only these fields; `None` shows whole documents.
    #[serde(with = "form::pointers", skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Pointer>>,
    /// By what the documents are ordered.
    pub order: Order,
    /// The order from its end.
    pub descending: bool,
    /// At most so many documents, from 1 to [`PAGE_DOCUMENTS_MAX`].
    pub limit: u32,
    /// Only what comes after the page that gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
}

impl Default for Query {
    /// The first 100 documents by key.
    fn default() -> Self {
        Self {
            keys: KeyRange::All,
            filters: Vec::new(),
            fields: None,
            order: Order::Key,
            descending: false,
            limit: 100,
            after: None,
        }
    }
}

/// Part of the keys of a collection, compared byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRange {
    /// Every key.
    #[default]
    All,
    /// Keys that start so.
    Prefix(String),
    /// Keys from this one.
    From(String),
    /// Keys up to and including this one.
    To(String),
    /// Keys from the first to the second, both included.
    Between(String, String),
}

/// By what documents are ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Their keys.
    #[default]
    Key,
    /// A field's value, then their keys. Without an index at most [`EXAMINED_MAX`] documents are sorted.
    Field(#[serde(with = "form::pointer")] Pointer),
}

/// Part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Keys and documents in the order asked for, defaults of the schema included.
    pub documents: Vec<(Key, Value)>,
    /// Those among `documents` that break rules of their schema.
    pub broken: Vec<BrokenDocument>,
    /// Keys of documents that are passed over because their values cannot be read, as far as the page went.
    pub damaged: Vec<Key>,
    /// Where to go on. A page may have fewer documents than asked for, even none, and be followed by another.
    pub next: Option<Cursor>,
    /// How many documents, and rows of an index put into another order, were looked at.
    pub examined: u32,
    /// The field of the index that was read.
    pub index: Option<Pointer>,
    /// How the documents were found, in words.
    pub plan: String,
}

/// Why a query was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No documents were asked for, or too many.
    #[error("a page has 1 to {PAGE_DOCUMENTS_MAX} documents, {limit} were asked for")]
    Limit {
        /// How many.
        limit: u32,
    },
    /// Too many filters.
    #[error("a query has at most {FILTERS_MAX} filters, this one has {filters}")]
    TooManyFilters {
        /// How many.
        filters: usize,
    },
    /// Too many fields to show.
    #[error("a query shows at most {FIELDS_MAX} fields, this one {fields}: leave 'fields' out to show all")]
    TooManyFields {
        /// How many.
        fields: usize,
    },
    /// Too many values of one `in`.
    #[error("the filter of {field} has {values} values, {IN_VALUES_MAX} are allowed: ask in parts")]
    TooManyValues {
        /// The filter's field.
        field: Pointer,
        /// How many.
        values: usize,
    },
    /// A value to compare with is too long.
    #[error("the filter of {field} compares with {bytes} bytes of JSON, {OPERAND_BYTES_MAX} are allowed")]
    OperandTooLong {
        /// The filter's field.
        field: Pointer,
        /// What it has.
        bytes: usize,
    },
    /// A value that has no order.
    #[error(
        "the filter of {field} has '{test}' with null, an array or an object: it takes a number, string or boolean"
    )]
    Unordered {
        /// The filter's field.
        field: Pointer,
        /// The test's name.
        test: &'static str,
    },
    /// Two ends of different types.
    #[error(
        "the filter of {field} is between values of two types: give two numbers, two strings or two booleans"
    )]
    EndsDiffer {
        /// The filter's field.
        field: Pointer,
    },
    /// Too many documents to sort.
    #[error(
        "ordering by {field} without an index looks at {EXAMINED_MAX} documents or 8 MiB at most, and there are more: add \
         \"x-index\": true to the field in the collection's schema, order by key, or narrow the query by its keys or \
         an indexed field"
    )]
    Unindexed {
        /// The order's field.
        field: Pointer,
    },
    /// The cursor does not serve.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

/// Where a query looks.
pub(crate) struct QueryContext<'a> {
    pub(crate) space: SpaceNumber,
    pub(crate) collection: &'a Collection,
    pub(crate) indexing: &'a Indexing,
}

impl KeyRange {
    fn contains(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => key.starts_with(prefix.as_str()),
            Self::From(first) => key >= first.as_str(),
            Self::To(last) => key <= last.as_str(),
            Self::Between(first, last) => key >= first.as_str() && key <= last.as_str(),
        }
    }

    /// As bytes of keys: from the first, before the second where there is one.
    fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let behind = |text: &str, last: &[u8]| [text.as_bytes(), last].concat();
        match self {
            Self::All => (Vec::new(), behind("", keys::AFTER_KEYS)),
            Self::Prefix(prefix) => (behind(prefix, &[]), behind(prefix, keys::AFTER_KEYS)),
            Self::From(first) => (behind(first, &[]), behind("", keys::AFTER_KEYS)),
            Self::To(last) => (Vec::new(), behind(last, &[0])),
            Self::Between(first, last) => (behind(first, &[]), behind(last, &[0])),
        }
    }
}

impl Query {
    /// Whether it keeps the limits and makes sense, whatever the documents are.
    ///
    /// # Errors
    /// [`QueryError`] says what to change.
    pub fn check(&self) -> Result<(), QueryError> {
        if !(1..=PAGE_DOCUMENTS_MAX).contains(&self.limit) {
            return Err(QueryError::Limit { limit: self.limit });
        }
        if self.filters.len() > FILTERS_MAX {
            return Err(QueryError::TooManyFilters { filters: self.filters.len() });
        }
        match &self.fields {
            Some(fields) if fields.len() > FIELDS_MAX => {
                Err(QueryError::TooManyFields { fields: fields.len() })
            }
            Some(_) | None => self.filters.iter().try_for_each(Filter::check),
        }
    }

    /// Tells this query in this collection from others. Pages of different lengths are of one query.
    #[expect(clippy::expect_used, reason = "a query has no map whose keys are not texts")]
    fn digest(&self, context: &QueryContext<'_>) -> Digest {
        let query = Self { limit: 0, after: None, ..self.clone() };
        let place = keys::value_prefix(context.space, context.collection);
        let query = serde_json::to_vec(&query).expect("a query is JSON");
        cursor::first_bytes(blake3::hash(&[place, query].concat()))
    }
}

/// One page of a query's answer. The documents are as their value rows say, fresh or not.
pub(crate) fn run(
    rows: &impl ReadRows,
    context: &QueryContext<'_>,
    query: &Query,
) -> Result<Result<Page, QueryError>, StoreError> {
    if let Err(error) = query.check() {
        return Ok(Err(error));
    }
    let digest = query.digest(context);
    let after = match query.after.as_ref().map(|cursor| cursor.read(digest)).transpose() {
        Ok(after) => after,
        Err(error) => return Ok(Err(error.into())),
    };
    let is_complete = index::is_complete(rows, context.indexing, context.space, context.collection)?;
    let indexes = if is_complete { context.indexing.fields() } else { &[] };
    let plan = plan::choose(query, indexes);
    let walk = Walk::new(rows, context, query, after.as_ref());
    let found = match walk.follow(plan)? {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(Page {
        documents: found.documents,
        broken: found.broken,
        damaged: found.damaged,
        next: found.next.map(|position| Cursor::new(digest, &position)),
        examined: found.examined,
        index: found.index,
        plan: found.plan,
    }))
}

/// The fields to show of a document, each where it was; one that is missing is left out.
fn project(document: Value, fields: Option<&[Field]>) -> Value {
    let Some(fields) = fields else { return document };
    let mut shown = Value::Object(Map::new());
    for field in fields {
        if let Some(value) = field.value(&document) {
            put(&mut shown, field.keys(), value.clone());
        }
    }
    shown
}

fn put(object: &mut Value, keys: &[String], value: Value) {
    let Value::Object(members) = object else { return };
    match keys {
        [] => {}
        [last] => drop(members.insert(last.clone(), value)),
        [first, rest @ ..] => {
            put(members.entry(first.clone()).or_insert_with(|| Value::Object(Map::new())), rest, value);
        }
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
