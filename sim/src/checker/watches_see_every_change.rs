use super::transactions::{Span, Spans, Transactions};
use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled, SettledSpace};
use document::{Address, Origin, Space};
use replica::{Event, WatchEvent, WatchScope, WatchedChange, WatchedDocument, WatchedValue};
use serde_json::Value;
use std::collections::BTreeMap;

/// A watch shows the present state, then every change once, in order, transactions whole; it goes on from its cursor
/// after a crash; and a reader that keeps what it was shown has in the end what the node has. Who watches less than a space is
/// shown of it what concerns that, all of it and nothing else.
#[derive(Debug, Default)]
pub struct WatchesSeeEveryChange {
    feeds: BTreeMap<(NodeId, WatchScope), Feed>,
    transactions: Transactions,
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
    /// What was shown in one event.
    events: BTreeMap<Origin, Spans>,
    lsn: u64,
    listed: Option<Address>,
    is_synced: bool,
    state: BTreeMap<Address, Value>,
    /// Of a space: where in the journal it was shown a change of which document.
    shown: BTreeMap<u64, Address>,
    /// Of less than a space: positions between which it was shown nothing.
    silent: Vec<(u64, u64)>,
}

impl Feed {
    fn take(&mut self, scope: &WatchScope, event: &WatchEvent) -> Result<(), String> {
        match event {
            WatchEvent::Reset { .. } => *self = Self::default(),
            WatchEvent::Document { document, .. } => {
                is_of(scope, document)?;
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
                        let (one, next) = (one.stamp, next.stamp);
                        let follows = one.sequence + 1 == next.sequence
                            || (is_narrow(scope) && one.sequence < next.sequence);
                        one.origin == next.origin && follows
                    }
                    _ => true,
                });
                if !self.is_synced || !consecutive {
                    return Err(format!(
                        "changes out of order: {:?}",
                        changes.first().map(|change| change.stamp)
                    ));
                }
                changes.iter().try_for_each(|change| self.change(scope, change))?;
                if let Some((origin, span)) = span(changes) {
                    self.events.entry(origin).or_default().insert(span);
                }
            }
        }
        Ok(())
    }

    /// A transaction is shown in one event, and in that of a whole space nothing else; or it is not shown at all.
    fn is_whole(&self, scope: &WatchScope, origin: Origin, transaction: Span) -> Result<(), String> {
        // Some of it may have come with documents that were filled, and is not shown.
        if self.filled.get(&origin).is_some_and(|filled| *filled >= transaction.0) {
            return Ok(());
        }
        let events: Vec<Span> =
            self.events.get(&origin).into_iter().flat_map(|spans| spans.meeting(transaction)).collect();
        match events.as_slice() {
            [] => Ok(()),
            [event] if is_narrow(scope) || *event == transaction => Ok(()),
            _ => Err(format!(
                "the transaction of changes {transaction:?} of {origin} was shown in events of {events:?}"
            )),
        }
    }

    fn change(&mut self, scope: &WatchScope, change: &WatchedChange) -> Result<(), String> {
        is_of(scope, &change.document)?;
        let (stamp, lsn) = (change.stamp, change.lsn);
        let last = self.streams.insert(stamp.origin, stamp.sequence);
        let had = self.had.get(&stamp.origin).copied().unwrap_or(0);
        let filled = self.filled.get(&stamp.origin).copied().unwrap_or(0);
        let follows = match last {
            // Between them may be changes of what is not watched.
            Some(last) if is_narrow(scope) => last < stamp.sequence,
            None if is_narrow(scope) => true,
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
        if !is_narrow(scope) {
            self.shown.insert(lsn, change.document.address.clone());
        } else if self.lsn > 0 {
            self.silent.push((self.lsn, lsn));
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

    /// Whether it was shown all that a reader of the whole space was shown of it.
    fn compare(&self, scope: &WatchScope, whole: &Self) -> Result<(), String> {
        for (from, to) in &self.silent {
            let between = whole.shown.range(from + 1..*to);
            if let Some((lsn, address)) = between.into_iter().find(|(_, address)| scope.contains(address)) {
                return Err(format!(
                    "a change of {address} at {lsn} was not shown between those at {from} and {to}"
                ));
            }
        }
        Ok(())
    }

    fn settle(&self, scope: &WatchScope, content: &SettledSpace) -> Result<(), String> {
        for (origin, entry) in content.vector.iter().filter(|_| !is_narrow(scope)) {
            let shown = self.streams.get(origin).or_else(|| self.had.get(origin)).copied().unwrap_or(0);
            if shown.max(self.filled.get(origin).copied().unwrap_or(0)) < entry.sequence {
                return Err(format!(
                    "changes of {origin} after {shown} were never shown, there are {}",
                    entry.sequence
                ));
            }
        }
        for (address, (_, json)) in content.documents.iter().filter(|(address, _)| scope.contains(address)) {
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

/// What is in an event: changes of one stream.
fn span(changes: &[WatchedChange]) -> Option<(Origin, Span)> {
    let (first, last) = (changes.first()?.stamp, changes.last()?.stamp);
    Some((first.origin, (first.sequence, last.sequence)))
}

fn is_narrow(scope: &WatchScope) -> bool {
    !matches!(scope, WatchScope::Space(_))
}

fn is_of(scope: &WatchScope, document: &WatchedDocument) -> Result<(), String> {
    match scope.contains(&document.address) {
        true => Ok(()),
        false => Err(format!("{} is not what is watched", document.address)),
    }
}

impl WatchesSeeEveryChange {
    fn feeds_of(&mut self, node: NodeId, space: &Space) -> impl Iterator<Item = &mut Feed> {
        let those =
            self.feeds.iter_mut().filter(move |((at, scope), _)| *at == node && scope.space() == space);
        those.map(|(_, feed)| feed)
    }

    /// What was shown before it was acknowledged.
    fn acknowledged(&self, space: &Space, origin: Origin, transaction: Span) -> Result<(), Failure> {
        let feeds = self.feeds.iter().filter(|((_, scope), _)| scope.space() == space);
        feeds.into_iter().try_for_each(|((node, scope), feed)| {
            let is_whole = feed.is_whole(scope, origin, transaction);
            is_whole.map_err(|finding| failure(*node, scope, &finding))
        })
    }

    fn watched(
        &mut self,
        (node, scope): (NodeId, &WatchScope),
        (is_anew, events): (bool, &[WatchEvent]),
        nodes: &Nodes,
    ) -> Result<(), String> {
        let feed = self.feeds.entry((node, scope.clone())).or_default();
        if is_anew {
            *feed = Feed { had: nodes.vector(node, scope.space()), ..Feed::default() };
        }
        for event in events {
            feed.take(scope, event)?;
            match event {
                WatchEvent::Reset { .. } => feed.had = nodes.vector(node, scope.space()),
                WatchEvent::Changed { changes, .. } => {
                    let Some((origin, span)) = span(changes) else { continue };
                    let mut transactions = self.transactions.meeting(scope.space(), origin, span);
                    transactions.try_for_each(|transaction| feed.is_whole(scope, origin, transaction))?;
                }
                WatchEvent::Document { .. } | WatchEvent::Synced { .. } => {}
            }
        }
        Ok(())
    }
}

impl Checker for WatchesSeeEveryChange {
    fn observe(&mut self, observation: &Observation<'_>, nodes: &Nodes) -> Result<(), Failure> {
        if let Some((space, origin, transaction)) = self.transactions.observe(observation, nodes) {
            self.acknowledged(&space, origin, transaction)?;
        }
        match observation {
            Observation::Told { node, event: Event::Filled { space, .. } } => {
                let has = nodes.vector(*node, space);
                self.feeds_of(*node, space).for_each(|feed| feed.filled.clone_from(&has));
            }
            Observation::Told { node, event: Event::ForkSettled { space, origin, sequence, .. } } => {
                // Another branch follows.
                for feed in self.feeds_of(*node, space) {
                    feed.streams.remove(origin);
                    feed.events.remove(origin);
                    feed.had.insert(*origin, *sequence);
                }
            }
            Observation::Watched { node, scope, is_anew, events } => {
                let watched = self.watched((*node, scope), (*is_anew, events), nodes);
                watched.map_err(|finding| failure(*node, scope, &finding))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        for ((node, scope), feed) in &self.feeds {
            let content = settled.spaces.get(scope.space()).and_then(|nodes| nodes.get(node));
            let whole = self.feeds.get(&(*node, WatchScope::Space(scope.space().clone())));
            if let (Some(content), Some(whole)) = (content, whole) {
                let held = feed.settle(scope, content).and_then(|()| feed.compare(scope, whole));
                held.map_err(|finding| failure(*node, scope, &finding))?;
            }
        }
        Ok(())
    }
}

fn failure(node: NodeId, scope: &WatchScope, finding: &str) -> Failure {
    let finding = format!("a watch of {scope:?} at {}: {finding}", Topology::name(node));
    Failure::correctness("watches_see_every_change", finding)
}

#[cfg(test)]
mod tests;
