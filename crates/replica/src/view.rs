//! Reads of the durable rows by others than the core, on threads of their own: they hold up no write.
//!
//! What the core shows is durable when it is shown, so that both ways tell one story: who was answered by the one reads no
//! less by the other. A [`View`] answers only what the rows alone say. Whatever would have to be brought up to date, mended
//! or explained is the core's, and asked of it.

use crate::access::SYSTEM;
use crate::index::{self, Indexing};
use crate::keys::{self, SpaceNumber};
use crate::query::{self, Query, QueryContext};
use crate::record::{self, DocumentRow};
use crate::request::{Queried, Reading, RequestError};
use crate::store::{Keyspace, ReadRows, StoreError};
use crate::value::{ValueRow, ValueState};
use document::{Address, ChangeHash, Collection, Schemas, Space};
use std::collections::BTreeMap;

/// Documents on the list of those with work left that one query looks at: most are there for a snapshot, and can be read.
const LISTED_MAX: usize = 64;

/// What it takes beside a snapshot of the rows to read as the core would: the spaces and the schemas as of one moment. See
/// [`crate::Replica::view`].
#[derive(Clone, Debug)]
pub struct View {
    spaces: BTreeMap<Space, SpaceNumber>,
    collections: BTreeMap<Collection, Indexing>,
    /// Of every other collection.
    plain: Indexing,
}

/// A document with all the changes that are here, which keeps the rules of its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewedDocument {
    /// JSON text, with the schema's defaults.
    pub json: Vec<u8>,
    /// Its heads, in byte order.
    pub heads: Vec<ChangeHash>,
}

impl View {
    pub(crate) fn new(spaces: BTreeMap<Space, SpaceNumber>, schemas: &Schemas) -> Self {
        let of = |(collection, schema): (&Collection, _)| (collection.clone(), Indexing::new(Some(schema)));
        Self { spaces, collections: schemas.iter().map(of).collect(), plain: Indexing::new(None) }
    }

    /// A document as the core would show it; `None` when the core must be asked.
    #[must_use]
    pub fn document(&self, rows: &impl ReadRows, address: &Address) -> Option<ViewedDocument> {
        // What fails here fails there too, where it is dealt with.
        self.try_document(rows, address).ok().flatten()
    }

    /// The same, as the core would answer [`crate::Request::Get`].
    #[must_use]
    pub fn reading(&self, rows: &impl ReadRows, address: &Address) -> Option<Reading> {
        let ViewedDocument { json, heads } = self.document(rows, address)?;
        let value = serde_json::from_slice(&json).ok()?;
        let is_filling = is_filling(rows, self.number(&address.space)?).ok()?;
        Some(Reading { value: Some(value), heads, is_filling, ..Reading::default() })
    }

    fn try_document(
        &self,
        rows: &impl ReadRows,
        address: &Address,
    ) -> Result<Option<ViewedDocument>, StoreError> {
        let Some(space) = self.number(&address.space) else { return Ok(None) };
        let (keyspace, place) = keys::document(space, &address.collection, &address.key);
        let Some(row) = rows.get(keyspace, &place)? else { return Ok(None) };
        let row: DocumentRow = record::decode(keyspace, &row)?;
        if !is_fresh(&row) {
            return Ok(None);
        }
        let (keyspace, place) = keys::value(space, &address.collection, &address.key);
        let Some(stored) = rows.get(keyspace, &place)? else { return Ok(None) };
        let value = ValueRow::read(&stored)?;
        if value.state == ValueState::Deleted {
            return Ok(None);
        }
        let indexing = self.indexing(&address.collection);
        let heads = value.heads();
        if indexing.is_whole(value.whole) {
            return Ok(Some(ViewedDocument { json: value.json.to_vec(), heads }));
        }
        let shown = value.document()?.map(|document| indexing.shown(document));
        let kept = shown.filter(|document| indexing.violations(document).is_empty());
        Ok(kept.map(|document| ViewedDocument { json: document.to_string().into_bytes(), heads }))
    }

    /// A page of a query as the core would give it; `None` when the core must be asked.
    #[must_use]
    pub fn query(
        &self,
        rows: &impl ReadRows,
        (space, collection): (&Space, &Collection),
        query: &Query,
    ) -> Option<Result<Queried, RequestError>> {
        self.try_query(rows, (space, collection), query).ok().flatten()
    }

    fn try_query(
        &self,
        rows: &impl ReadRows,
        (space, collection): (&Space, &Collection),
        query: &Query,
    ) -> Result<Option<Result<Queried, RequestError>>, StoreError> {
        let Some(space) = self.number(space) else { return Ok(None) };
        let indexing = self.indexing(collection);
        let lacks_index =
            !indexing.fields().is_empty() && !index::is_complete(rows, indexing, space, collection)?;
        if lacks_index || !is_up_to_date(rows, space, collection)? {
            return Ok(None);
        }
        let context = QueryContext { space, collection, indexing };
        let page = match query::run(rows, &context, query)? {
            Ok(page) if page.damaged.is_empty() => page,
            Ok(_) => return Ok(None),
            Err(error) => return Ok(Some(Err(RequestError::Query(error)))),
        };
        let is_filling = is_filling(rows, space)?;
        Ok(Some(Ok(Queried { page, is_behind: false, is_filling })))
    }

    /// The number of a space that is carried. What `system` says is the core's.
    fn number(&self, space: &Space) -> Option<SpaceNumber> {
        self.spaces.get(space).copied().filter(|_| space.as_str() != SYSTEM)
    }

    fn indexing(&self, collection: &Collection) -> &Indexing {
        self.collections.get(collection).unwrap_or(&self.plain)
    }
}

/// Whether documents of a space, or changes of them, are missing here.
fn is_filling(rows: &impl ReadRows, space: SpaceNumber) -> Result<bool, StoreError> {
    let (keyspace, incomplete) = keys::incomplete(space);
    Ok(rows.get(keyspace, &incomplete)?.is_some())
}

/// Whether a document's value has all of its changes.
fn is_fresh(row: &DocumentRow) -> bool {
    row.blocked.is_none() && row.value == row.last
}

/// Whether no value of a collection is behind, as far as a short look tells.
fn is_up_to_date(
    rows: &impl ReadRows,
    space: SpaceNumber,
    collection: &Collection,
) -> Result<bool, StoreError> {
    let (keyspace, blocked) = keys::listed_of(keys::KIND_BLOCKED, space, collection);
    if rows.scan(keyspace, blocked).next().transpose()?.is_some() {
        return Ok(false);
    }
    let (keyspace, waiting) = keys::listed_of(keys::KIND_WAITING, space, collection);
    for (seen, listed) in rows.scan(keyspace, waiting).enumerate() {
        let (listed, _) = listed?;
        let damaged = StoreError::Damaged { what: "a listed address", keyspace: Keyspace::Documents };
        let (collection, key) = keys::read_document(&listed).ok_or(damaged)?;
        let (keyspace, place) = keys::document(space, &collection, &key);
        let row = rows.get(keyspace, &place)?.map(|row| record::decode(keyspace, &row)).transpose()?;
        if seen == LISTED_MAX || !row.is_some_and(|row| is_fresh(&row)) {
            return Ok(false);
        }
    }
    Ok(true)
}
