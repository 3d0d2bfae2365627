use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled, SettledSpace};
use document::{Address, Origin, Space};
use replica::{Event, WatchEvent, WatchedChange, WatchedDocument, WatchedValue};
use serde_json::Value;
use std::collections::BTreeMap;

/// A watch shows the present state, then every change once, in order, transactions whole; it goes on from its cursor
/// after a crash; and a reader that keeps what it was shown has in the end what the node has.
#[derive(Debug, Default)]
pub struct WatchesSeeEveryChange {
    feeds: BTreeMap<(NodeId, Space), Feed>,
}

/// What a reader was shown.
#[derive(Debug, Default)]
struct Feed {
    /// What the node had of each stream when the reader had its first event: all that follows is to be shown.
    had: BTreeMap<Origin, u64>,
    /// What a fill brought since: documents with their changes, which are not shown one by one.
    filled: BTreeMap<Origin, u64>,
    /// The last change shown of each stream.
    streams: BTreeMap<Origin, u64>,
    lsn: u64,
    listed: Option<Address>,
    is_synced: bool,
    state: BTreeMap<Address, Value>,
}

impl Feed {
    fn take(&mut self, event: &WatchEvent) -> Result<(), String> {
        match event {
            WatchEvent::Reset { .. } => *self = Self::default(),
            WatchEvent::Document { document, .. } => {
                let in_order = self.listed.as_ref().is_none_or(|listed| *listed < document.address);
                if self.is_synced || !in_order {
                    return Err(format!("{} is out of order in the initial state", document.address));
                }
                self.listed = Some(document.address.clone());
                self.show(document);
            }
            WatchEvent::Synced { .. } if self.is_synced => return Err("it is synced twice".to_owned()),
            WatchEvent::Synced { .. } => self.is_synced = true,
            WatchEvent::Changed { changes, .. } => {
                let consecutive = changes.windows(2).all(|pair| match pair {
                    [one, next] => {
                        one.stamp.origin == next.stamp.origin && one.stamp.sequence + 1 == next.stamp.sequence
                    }
                    _ => true,
                });
                if !self.is_synced || !consecutive {
                    return Err(format!(
                        "changes out of order: {:?}",
                        changes.first().map(|change| change.stamp)
                    ));
                }
                changes.iter().try_for_each(|change| self.change(change))?;
            }
        }
        Ok(())
    }

    fn change(&mut self, change: &WatchedChange) -> Result<(), String> {
        let (stamp, lsn) = (change.stamp, change.lsn);
        let last = self.streams.insert(stamp.origin, stamp.sequence);
        let had = self.had.get(&stamp.origin).copied().unwrap_or(0);
        let filled = self.filled.get(&stamp.origin).copied().unwrap_or(0);
        let follows = match last {
            Some(last) => {
                stamp.sequence == last + 1 || (last < stamp.sequence && stamp.sequence <= filled + 1)
            }
            // The journal may have gone on between the beginning of the watch and its first event.
            None => stamp.sequence <= had.max(filled) + 1,
        };
        if !follows || lsn <= self.lsn {
            return Err(format!(
                "{stamp:?} at {lsn} follows {last:?} of the stream and position {}",
                self.lsn
            ));
        }
        if change.document.lsn < lsn && change.document.blocked.is_none() {
            return Err(format!("the value of {} lacks change {stamp:?}", change.document.address));
        }
        self.lsn = lsn;
        self.show(&change.document);
        Ok(())
    }

    fn show(&mut self, document: &WatchedDocument) {
        match &document.value {
            WatchedValue::Json(value) => drop(self.state.insert(document.address.clone(), value.clone())),
            WatchedValue::Absent => drop(self.state.remove(&document.address)),
            WatchedValue::Omitted => {}
        }
    }

    fn settle(&self, content: &SettledSpace) -> Result<(), String> {
        for (origin, entry) in &content.vector {
            let shown = self.streams.get(origin).or_else(|| self.had.get(origin)).copied().unwrap_or(0);
            if shown.max(self.filled.get(origin).copied().unwrap_or(0)) < entry.sequence {
                return Err(format!(
                    "changes of {origin} after {shown} were never shown, there are {}",
                    entry.sequence
                ));
            }
        }
        for (address, (_, json)) in &content.documents {
            let is_same = match json {
                None => true,
                Some(Value::Null) => !self.state.contains_key(address),
                Some(json) => self.state.get(address) == Some(json),
            };
            if !is_same {
                return Err(format!("{address} is {json:?}, and was shown as {:?}", self.state.get(address)));
            }
        }
        Ok(())
    }
}

impl Checker for WatchesSeeEveryChange {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        if let Observation::Told { node, event: Event::Filled { space, .. }, .. } = observation
            && let Some(feed) = self.feeds.get_mut(&(*node, space.clone()))
        {
            feed.filled = nodes.vector(*node, space);
        }
        if let Observation::Told { node, event: Event::ForkSettled { space, origin, sequence, .. } } =
            observation
            && let Some(feed) = self.feeds.get_mut(&(*node, space.clone()))
        {
            // Another branch follows.
            feed.streams.remove(origin);
            feed.had.insert(*origin, *sequence);
        }
        let Observation::Watched { node, space, is_anew, events } = observation else { return Ok(()) };
        let feed = self.feeds.entry((*node, (*space).clone())).or_default();
        if *is_anew {
            *feed = Feed { had: nodes.vector(*node, space), ..Feed::default() };
        }
        for event in *events {
            feed.take(event).map_err(|finding| failure(*node, space, &finding))?;
            if matches!(event, WatchEvent::Reset { .. }) {
                feed.had = nodes.vector(*node, space);
            }
        }
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        for ((node, space), feed) in &self.feeds {
            let content = settled.spaces.get(space).and_then(|nodes| nodes.get(node));
            if let Some(content) = content {
                feed.settle(content).map_err(|finding| failure(*node, space, &finding))?;
            }
        }
        Ok(())
    }
}

fn failure(node: NodeId, space: &Space, finding: &str) -> Failure {
    let finding = format!("a watch of {space} at {}: {finding}", Topology::name(node));
    Failure::correctness("watches_see_every_change", finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use document::ChangeHash;
    use replica::{Stamp, WatchCursor};

    fn changed(sequence: u64, lsn: u64) -> WatchEvent {
        let document = WatchedDocument {
            address: "s/c/k".parse().unwrap(),
            lsn,
            heads: Vec::new(),
            value: WatchedValue::Absent,
            violations: Vec::new(),
            blocked: None,
        };
        let stamp = Stamp { origin: Origin([1; 16]), sequence };
        let hash = ChangeHash([0; 32]);
        let change = WatchedChange { stamp, hash, lsn, accepted_ms: 0, signature: None, document };
        WatchEvent::Changed { cursor: WatchCursor(String::new()), changes: vec![change] }
    }

    #[test]
    fn a_gap_a_repetition_and_another_order_are_seen() {
        let take = |events: &[WatchEvent]| {
            let mut feed = Feed { is_synced: true, ..Feed::default() };
            events.iter().try_for_each(|event| feed.take(event)).is_ok()
        };
        assert!(take(&[changed(1, 4), changed(2, 9)]));
        assert!(!take(&[changed(2, 4)]), "the first is missing");
        assert!(!take(&[changed(1, 4), changed(3, 9)]));
        assert!(!take(&[changed(1, 4), changed(1, 4)]));
        assert!(!take(&[changed(1, 4), changed(2, 3)]));
    }
}
