//! Counters on a base: the table of module `write::counter`, held against a model on 2 to 5 clones.

use super::{HERE, THERE, every_kind};
use crate::{Document, NewChange, Operation, Origin, Pointer, Signature, WriteError};
use automerge::legacy::Key;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Act {
    /// As a site does that knows no schema.
    PlainPut(i64),
    PlainRemove,
    /// As one that does.
    Put(i64),
    /// Of a counter an increment, of a bounded one a grant, or a spend where it is below 0.
    Add(i64),
    Clear,
    Delete,
    /// A whole put, which brings a deleted document back.
    PutBack(Option<i64>),
}

#[derive(Clone, Debug)]
enum Step {
    At(usize, Act),
    Exchange(usize, usize),
}

/// What one change did to the field.
#[derive(Clone, Debug, Default)]
struct Event {
    base: Option<i64>,
    /// The operation that put the base, and its author.
    lamport: (u64, [u8; 16]),
    /// Events whose bases it replaced.
    replaces: BTreeSet<usize>,
    /// To the sum of tallies, or to the rights of its author.
    add: i64,
    has_entries: bool,
    deletes: bool,
    undeletes: BTreeSet<usize>,
}

#[derive(Default)]
struct Site {
    document: Document,
    /// Events seen, and their chunks.
    log: BTreeMap<usize, Vec<u8>>,
}

struct Sites {
    field: &'static str,
    /// Of a bounded counter.
    start: Option<i64>,
    sites: Vec<Site>,
    events: Vec<(usize, Event)>,
}

/// What a site knows of the field.
struct Known {
    bases: BTreeSet<usize>,
    base: Option<i64>,
    sum: i64,
    own: i64,
    has_entries: bool,
    tombstones: BTreeSet<usize>,
}

impl Known {
    fn is_there(&self) -> bool {
        self.base.is_some() || self.has_entries
    }
}

fn origin(site: usize) -> Origin {
    Origin([u8::try_from(site * 7 % 5).unwrap() + 1; 16])
}

impl Sites {
    fn new(count: usize, (field, start): (&'static str, Option<i64>)) -> Self {
        let sites = (0..count).map(|_| Site::default()).collect();
        Self { field, start, sites, events: Vec::new() }
    }

    fn known(&self, site: usize) -> Known {
        let seen: Vec<_> = self.sites[site].log.keys().map(|id| (*id, &self.events[*id])).collect();
        let gone: BTreeSet<usize> = seen.iter().flat_map(|(_, (_, event))| event.replaces.clone()).collect();
        let undeleted: BTreeSet<usize> =
            seen.iter().flat_map(|(_, (_, event))| event.undeletes.clone()).collect();
        let bases = seen.iter().filter(|(id, (_, event))| event.base.is_some() && !gone.contains(id));
        let last = bases.clone().max_by_key(|(_, (_, event))| event.lamport);
        let own = seen.iter().filter(|(_, (author, _))| *author == site);
        Known {
            bases: bases.clone().map(|(id, _)| *id).collect(),
            base: last.and_then(|(_, (_, event))| event.base),
            sum: seen.iter().map(|(_, (_, event))| event.add).sum(),
            own: own.map(|(_, (_, event))| event.add).sum(),
            has_entries: seen.iter().any(|(_, (_, event))| event.has_entries),
            tombstones: seen
                .iter()
                .filter(|(id, (_, event))| event.deletes && !undeleted.contains(id))
                .map(|(id, _)| *id)
                .collect(),
        }
    }

    fn value(&self, known: &Known) -> i64 {
        match self.start {
            None => known.base.unwrap_or(0) + known.sum,
            Some(start) => known.base.unwrap_or(start).max(start) + known.sum,
        }
    }

    /// What an act does by the table; nothing where it is refused.
    fn expect(&self, site: usize, act: &Act) -> Option<Event> {
        let known = self.known(site);
        let (value, start) = (self.value(&known), self.start.unwrap_or(0));
        let mut event = Event::default();
        let rebased = |event: &mut Event, base: Option<i64>| {
            (event.base, event.replaces) = (base, known.bases.clone());
        };
        let add = |mut event: Event, by: i64| {
            (event.add, event.has_entries) = (by, true);
            (self.start.is_none() || known.own + by >= 0 || by >= 0).then_some(event)
        };
        let is_back = !known.tombstones.is_empty();
        if is_back && !matches!(act, Act::PutBack(_) | Act::Delete | Act::Clear) {
            return None;
        }
        let is_so = |target: &i64| match known.has_entries {
            true => *target == value,
            false => Some(*target) == known.base,
        };
        match act {
            Act::Delete => event.deletes = !is_back && !self.sites[site].log.is_empty(),
            Act::PlainPut(target) if !known.has_entries => {
                if known.base != Some(*target) {
                    rebased(&mut event, Some(*target));
                }
            }
            Act::PlainRemove if known.has_entries => return None,
            Act::PlainRemove => rebased(&mut event, None),
            Act::PlainPut(target) | Act::Put(target) => {
                return if is_so(target) { Some(event) } else { add(event, target - value) };
            }
            Act::PutBack(target) if !is_back => {
                let Some(target) = target else { return Some(event) };
                return if is_so(target) { Some(event) } else { add(event, target - value) };
            }
            Act::Add(by) => return add(event, *by),
            Act::Clear if !known.is_there() => {}
            Act::Clear if self.start.is_some() && !is_back => {
                if known.sum != 0 {
                    return None;
                }
                if known.base.is_some_and(|base| base > start) {
                    rebased(&mut event, Some(start));
                }
            }
            Act::Clear | Act::PutBack(_) => {
                if let Act::PutBack(_) = act {
                    event.undeletes = known.tombstones.clone();
                }
                let target = if let Act::PutBack(target) = act { *target } else { None };
                if target.is_none() && !known.is_there() {
                    return Some(event);
                }
                event.has_entries = true;
                if self.start.is_none() {
                    let base = target.unwrap_or(0) - known.sum;
                    if known.base.unwrap_or(0) != base {
                        rebased(&mut event, Some(base));
                    }
                    return Some(event);
                }
                let above = target.unwrap_or(0).max(start) - known.sum - start;
                let base = start + above.max(0);
                if known.base.is_some_and(|before| before != base)
                    || known.base.is_none() && base > start && target.is_some()
                {
                    rebased(&mut event, Some(base));
                }
                let held = known.own;
                event.add = match target {
                    Some(target) if target < start || -above > held => return None,
                    Some(_) => above.min(0),
                    None => -(-above).clamp(0, held.max(0)),
                };
            }
        }
        Some(event)
    }

    fn act(&mut self, site: usize, act: &Act) {
        let field = Pointer::parse(&format!("/{}", self.field)).unwrap();
        let (put, schema) = (|target| Operation::MergePatch(json!({ self.field: target })), every_kind());
        let (operation, schema) = match act {
            Act::PlainPut(target) => (put(Some(*target)), None),
            Act::PlainRemove => (put(None), None),
            Act::Put(target) => (put(Some(*target)), Some(&schema)),
            Act::Add(by) if self.start.is_none() => (Operation::Increment { field, by: *by }, Some(&schema)),
            Act::Add(by @ 0..) => {
                (Operation::Grant { field, by: by.unsigned_abs(), to: None }, Some(&schema))
            }
            Act::Add(by) => (Operation::Spend { field, by: by.unsigned_abs() }, Some(&schema)),
            Act::Clear => (Operation::Clear { field }, Some(&schema)),
            Act::Delete => (Operation::Delete, None),
            Act::PutBack(None) => (Operation::Put(json!({})), Some(&schema)),
            Act::PutBack(Some(target)) => (Operation::Put(json!({ self.field: target })), Some(&schema)),
        };
        let expected = self.expect(site, act);
        let written = self.sites[site].document.write(&Signature::of(origin(site), 0), schema, &[operation]);
        match (written, expected) {
            (Err(_), None) => {}
            (Ok(None), Some(event)) => {
                let Event { base, add, deletes, ref undeletes, .. } = event;
                assert!(base.is_none() && add == 0 && !deletes && undeletes.is_empty(), "{act:?}: {event:?}");
            }
            (Ok(Some(change)), Some(mut event)) => {
                event.lamport = (lamport(&change.chunk, self.field), origin(site).0);
                self.sites[site].log.insert(self.events.len(), change.chunk);
                self.events.push((site, event));
            }
            (written, expected) => panic!("{act:?}: {written:?}, not {expected:?}"),
        }
        self.check(site);
    }

    fn exchange(&mut self, from: usize, to: usize) {
        let lacking: Vec<_> = self.sites[from].log.clone().into_iter().collect();
        let lacking: Vec<_> =
            lacking.into_iter().filter(|(id, _)| !self.sites[to].log.contains_key(id)).collect();
        let chunks: Vec<_> = lacking.iter().map(|(_, chunk)| chunk.clone()).collect();
        self.sites[to].document.apply(&chunks).unwrap();
        self.sites[to].log.extend(lacking);
        self.check(to);
    }

    fn check(&self, site: usize) {
        let known = self.known(site);
        let shown = self.sites[site].document.json();
        let is_live = known.tombstones.is_empty() && !self.sites[site].log.is_empty();
        assert_eq!(shown.is_some(), is_live);
        let Some(shown) = shown else { return };
        let value = if known.has_entries { Some(self.value(&known)) } else { known.base };
        assert_eq!(shown.get(self.field).and_then(Value::as_i64), value);
        if let Some(start) = self.start.filter(|_| known.has_entries) {
            assert!(value >= Some(start), "never below the bound");
        }
    }

    /// Nobody spent more than it was granted, whatever the others did.
    fn check_rights(&self) {
        for site in 0..self.sites.len() {
            let own: i64 =
                self.events.iter().filter(|(author, _)| *author == site).map(|(_, event)| event.add).sum();
            assert!(self.start.is_none() || own >= 0, "site {site} spent {own}");
        }
    }
}

/// The number of the operation that puts the base, or of the first.
fn lamport(chunk: &[u8], field: &str) -> u64 {
    let change = automerge::Change::from_bytes(chunk.to_vec()).unwrap();
    let operations = change.decode().operations;
    let place = operations.iter().rposition(|operation| operation.key == Key::Map(field.into()));
    change.start_op().get() + place.unwrap_or(0) as u64
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (-7..9_i64).prop_map(Act::PlainPut),
        1 => Just(Act::PlainRemove),
        2 => (-7..9_i64).prop_map(Act::Put),
        6 => (-5..6_i64).prop_filter("counts", |by| *by != 0).prop_map(Act::Add),
        1 => Just(Act::Clear),
        1 => Just(Act::Delete),
        2 => prop::option::of(-7..9_i64).prop_map(Act::PutBack),
    ]
}

fn any_steps() -> impl Strategy<Value = (usize, Vec<Step>)> {
    (2..6_usize).prop_flat_map(|sites| {
        let exchange = (0..sites, 0..sites).prop_map(|(from, to)| Step::Exchange(from, to));
        let at = (0..sites, any_act()).prop_map(|(site, act)| Step::At(site, act));
        (Just(sites), prop::collection::vec(prop_oneof![2 => at, 1 => exchange], 1..40))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn counters_are_what_the_table_says(
        (count, steps) in any_steps(),
        field in prop::sample::select(vec![("on_hand", None), ("sellable", Some(0)), ("depth", Some(-5))]),
    ) {
        let mut sites = Sites::new(count, field);
        for step in steps {
            match step {
                Step::At(site, act) => sites.act(site, &act),
                Step::Exchange(from, to) => sites.exchange(from, to),
            }
        }
        for _ in 0..2 {
            (0..count).for_each(|site| sites.exchange(site, (site + 1) % count));
        }
        for site in &sites.sites {
            prop_assert_eq!(site.document.heads(), sites.sites[0].document.heads());
            prop_assert_eq!(site.document.json(), sites.sites[0].document.json());
        }
        sites.check_rights();
    }
}

/// Two sites that share a document written without a schema, each with what it writes, and what both show then.
#[track_caller]
fn at_once(shared: Value, [here, there]: [Value; 2]) -> Value {
    let mut first = Document::new();
    let shared: Vec<Operation> = serde_json::from_value(shared).unwrap();
    for operation in shared {
        first.write(&Signature::of(Origin([9; 16]), 0), None, &[operation]).unwrap().unwrap();
    }
    let mut second = first.clone();
    let write = |document: &mut Document, origin, operations: Value| -> NewChange {
        let operations: Vec<Operation> = serde_json::from_value(operations).unwrap();
        document.write(&Signature::of(origin, 0), Some(&every_kind()), &operations).unwrap().unwrap()
    };
    let (mine, theirs) = (write(&mut first, HERE, here), write(&mut second, THERE, there));
    first.apply(&[theirs.chunk]).unwrap();
    second.apply(&[mine.chunk]).unwrap();
    assert_eq!(first.json(), second.json());
    first.json().unwrap()
}

#[test]
fn a_plain_number_that_becomes_a_counter_at_two_sites_counts_once() {
    let plain = json!([{"op": "put", "value": {"on_hand": 10, "sellable": 4}}]);
    let count = |by: i64| json!([{"op": "increment", "field": "/on_hand", "by": by}]);
    assert_eq!(at_once(plain.clone(), [count(-1), count(-2)]), json!({"on_hand": 7, "sellable": 4}));
    let grant = |by: i64| json!([{"op": "grant", "field": "/sellable", "by": by}]);
    assert_eq!(at_once(plain, [grant(1), grant(2)]), json!({"on_hand": 10, "sellable": 7}));
}

#[test]
fn a_plain_number_is_nobodys_right() {
    let mut document = Document::new();
    let plain = [Operation::Put(json!({"sellable": 4}))];
    document.write(&Signature::of(HERE, 0), None, &plain).unwrap();
    let field = || Pointer::parse("/sellable").unwrap();
    let mut write =
        |operations: &[Operation]| document.write(&Signature::of(HERE, 0), Some(&every_kind()), operations);
    let spend = Operation::Spend { field: field(), by: 4 };
    let refused = WriteError::NotEnough { field: field(), missing: 4, holders: vec![] };
    assert_eq!(write(std::slice::from_ref(&spend)), Err(refused));
    let grant = Operation::Grant { field: field(), by: 4, to: None };
    write(&[Operation::Clear { field: field() }, grant, spend]).unwrap().unwrap();
    assert_eq!(document.json(), Some(json!({"sellable": 0})));
}

#[test]
fn a_document_that_two_sites_put_back_counts_once() {
    let deleted = json!([
        {"op": "put", "value": {"on_hand": 10, "sellable": 4}},
        {"op": "delete"}
    ]);
    let back = |on_hand: i64| json!([{"op": "put", "value": {"on_hand": on_hand, "sellable": 6}}]);
    assert_eq!(at_once(deleted.clone(), [back(10), back(10)]), json!({"on_hand": 10, "sellable": 6}));
    assert_eq!(at_once(deleted, [back(7), back(8)])["sellable"], json!(6));
}
