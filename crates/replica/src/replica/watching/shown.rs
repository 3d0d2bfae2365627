use super::{Refreshing, Replica};
use crate::journal::DAMAGED;
use crate::keys;
use crate::record::{self, DocumentRow};
use crate::store::{Store, StoreError};
use crate::value::ValueRow;
use crate::watch::{Watch, WatchedDocument, WatchedValue};
use document::{Address, ChangeHash};

/// A document for a reader.
pub(super) struct Shown {
    pub(super) document: WatchedDocument,
    /// Length of its JSON.
    pub(super) bytes: usize,
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
        let (keyspace, key) = keys::value(watch.space, &address.collection, &address.key);
        let bytes = if row.value == 0 { None } else { Some(durable.get(keyspace, &key)?.ok_or(DAMAGED)?) };
        let value = bytes.as_deref().map(ValueRow::read).transpose()?;
        let json = value.as_ref().map(ValueRow::document).transpose()?.flatten();
        let json = json.map(|json| self.indexing(&address.collection).shown(json));
        let is_broken = value.as_ref().is_some_and(ValueRow::is_broken);
        let violations = if is_broken { self.violations(address, json.as_ref()) } else { Vec::new() };
        let (heads, _) = value.map_or(&[][..], |value| value.heads).as_chunks::<32>();
        let document = WatchedDocument {
            address: address.clone(),
            lsn: if row.value < row.last { row.value } else { row.value.max(lsn) },
            heads: heads.iter().copied().map(ChangeHash).collect(),
            value: json.map_or(WatchedValue::Absent, WatchedValue::Json),
            violations,
            blocked: row.blocked.map(|blocked| blocked.reason),
        };
        Ok(Some(Shown { document, bytes: value.map_or(0, |value| value.json.len()) }))
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
        if refreshed.changes > 0 {
            refreshing.documents -= 1;
            refreshing.changes = refreshing.changes.saturating_sub(refreshed.changes);
        }
        Ok(())
    }
}
