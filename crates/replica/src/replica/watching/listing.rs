use super::{DAMAGED, Refreshing, Replica, Step};
use crate::keys;
use crate::record::{self, DocumentRow};
use crate::store::{Keyspace, Store, StoreError};
use crate::watch::{Listing, Stage, Watch, WatchEvent, WatchedValue};
use document::Address;

impl<S: Store> Replica<S> {
    /// Shows some of the initial state. Documents are as they are now: what changed since the watch began is shown as
    /// changes too.
    pub(super) fn list_some(
        &mut self,
        watch: &mut Watch,
        refreshing: &mut Refreshing,
    ) -> Result<Step, StoreError> {
        let mut step = Step::default();
        let Stage::Listing { head, after, is_reset } = &mut watch.stage else { return Ok(step) };
        let (head, mut after, is_reset) = (*head, after.take(), std::mem::take(is_reset));
        let place = self.place(head)?;
        if is_reset {
            let cursor = self.cursor(watch, place, Some(Listing::default()));
            step.events.push(WatchEvent::Reset { cursor });
        }
        let most = step.room(watch);
        let rows = self.next_documents(watch, after.as_ref(), most)?;
        let mut is_last = rows.len() < most;
        for (address, row) in rows {
            if step.room(watch) == 0 {
                is_last = false;
                break;
            }
            let Some(shown) = self.watched(watch, &address, row.last.min(head), refreshing)? else {
                (is_last, step.is_stalled) = (false, true);
                break;
            };
            after = Some((address.collection, address.key));
            if shown.document.value != WatchedValue::Absent || shown.document.blocked.is_some() {
                let cursor = self.cursor(watch, place, Some(Listing::new(after.as_ref())));
                step.bytes += shown.bytes;
                step.events.push(WatchEvent::Document { cursor, document: shown.document });
            }
        }
        watch.stage = if is_last && step.room(watch) > 0 {
            step.events.push(WatchEvent::Synced { cursor: self.cursor(watch, place, None) });
            Stage::Following(head)
        } else {
            Stage::Listing { head, after, is_reset: false }
        };
        Ok(step)
    }

    fn next_documents(
        &self,
        watch: &Watch,
        after: Option<&(document::Collection, document::Key)>,
        most: usize,
    ) -> Result<Vec<(Address, DocumentRow)>, StoreError> {
        let (keyspace, range) = watch.scope.documents(watch.space, after);
        let rows = self.journal.rows.durable().scan(keyspace, range).take(most);
        rows.map(|row| {
            let (key, value) = row?;
            let (collection, key) = keys::read_document(&key).ok_or(DAMAGED)?;
            let address = Address { space: watch.scope.space().clone(), collection, key };
            Ok((address, record::decode(Keyspace::Documents, &value)?))
        })
        .collect()
    }
}
