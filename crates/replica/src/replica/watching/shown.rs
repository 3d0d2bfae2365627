use super::{Refreshing, Replica};
use crate::journal::DAMAGED;
use crate::keys;
use crate::record::{self, DocumentRow};
use crate::store::{Store, StoreError, undamaged};
use crate::value::ValueRow;
use crate::watch::{Watch, WatchedDocument, WatchedValue};
use document::{Address, ChangeHash};
use serde_json::Value;

/// A document for a reader.
pub(super) struct Shown {
    pub(super) document: WatchedDocument,
    /// Length of its JSON.
    pub(super) bytes: usize,
}

/// What the row of a value has.
#[derive(Default)]
struct Stored {
    json: Option<Value>,
    heads: Vec<ChangeHash>,
    bytes: usize,
    is_broken: bool,
}

/// A document of which neither the value can be read nor what it is made from.
fn unreadable(address: &Address, row: &DocumentRow) -> Shown {
    let (address, heads, violations) = (address.clone(), Vec::new(), Vec::new());
    let blocked = row.blocked.map(|blocked| blocked.reason);
    let value = WatchedValue::Omitted;
    Shown {
        document: WatchedDocument { address, lsn: row.value, heads, value, violations, blocked },
        bytes: 0,
    }
}

impl Refreshing {
    /// Whether nothing more is brought up to date in this turn.
    pub(super) fn is_spent(&self) -> bool {
        self.documents == 0 || self.changes == 0
    }
}

impl<S: Store> Replica<S> {
    /// A document as its durable rows have it, with all changes up to a position. `None` when its value lacks some:
    /// then it is brought up to date, as far as the turn allows, and can be shown when that is durable.
    pub(super) fn watched(
        &mut self,
        watch: &Watch,
        address: &Address,
        lsn: u64,
        refreshing: &mut Refreshing,
    ) -> Result<Option<Shown>, StoreError> {
        let durable = self.journal.rows.durable();
        let (keyspace, key) = keys::document(watch.space, &address.collection, &address.key);
        // All of its changes may have been taken out with a branch of a forked history.
        let Some(row) = durable.get(keyspace, &key)? else {
            let (address, heads, violations) = (address.clone(), Vec::new(), Vec::new());
            let value = WatchedValue::Absent;
            let document = WatchedDocument { address, lsn, heads, value, violations, blocked: None };
            return Ok(Some(Shown { document, bytes: 0 }));
        };
        let row: DocumentRow = record::decode(keyspace, &row)?;
        // A row that stamps a change which came with a fill tells nothing new of the document.
        if row.blocked.is_none() && row.value < lsn.min(row.last) {
            self.refresh_for_watch(address, refreshing)?;
            return Ok(None);
        }
        let Some(stored) = self.stored(watch, address, row.value)? else {
            if row.blocked.is_some() {
                return Ok(Some(unreadable(address, &row)));
            }
            self.refresh_for_watch(address, refreshing)?;
            return Ok(None);
        };
        let Stored { json, heads, bytes, is_broken } = stored;
        let json = json.map(|json| self.indexing(&address.collection).shown(json));
        let violations = if is_broken { self.violations(address, json.as_ref()) } else { Vec::new() };
        let document = WatchedDocument {
            address: address.clone(),
            lsn: if row.value < row.last { row.value } else { row.value.max(lsn) },
            heads,
            value: json.map_or(WatchedValue::Absent, WatchedValue::Json),
            violations,
            blocked: row.blocked.map(|blocked| blocked.reason),
        };
        Ok(Some(Shown { document, bytes }))
    }

    /// A document's value as the durable rows have it; `None` where it cannot be read.
    fn stored(&self, watch: &Watch, address: &Address, value: u64) -> Result<Option<Stored>, StoreError> {
        if value == 0 {
            return Ok(Some(Stored::default()));
        }
        let (keyspace, key) = keys::value(watch.space, &address.collection, &address.key);
        let row = self.journal.rows.durable().get(keyspace, &key).and_then(|row| row.ok_or(DAMAGED));
        let read = row.and_then(|row| {
            let value = ValueRow::read(&row)?;
            Ok(Stored {
                json: value.document()?,
                heads: value.heads(),
                bytes: value.json.len(),
                is_broken: value.is_broken(),
            })
        });
        undamaged(read)
    }

    fn refresh_for_watch(
        &mut self,
        address: &Address,
        refreshing: &mut Refreshing,
    ) -> Result<(), StoreError> {
        // A durable notice, or room on the disk, lets it go on.
        if refreshing.is_spent() || self.must_spare_disk() {
            return Ok(());
        }
        let mut place = self.journal.document(address)?.ok_or(DAMAGED)?;
        let refreshed = self.refresh(address, &mut place, refreshing.changes)?;
        let changes = refreshed.changes.saturating_add(self.mend_value(address, &mut place)?);
        if changes > 0 {
            refreshing.documents -= 1;
            refreshing.changes = refreshing.changes.saturating_sub(changes);
        }
        Ok(())
    }
}
