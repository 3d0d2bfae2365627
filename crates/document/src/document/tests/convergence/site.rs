//! Real documents beside the model, compared after every step.

use super::model::{Event, Model};
use super::{Act, every_kind, origin};
use crate::foreign::{self, Operations, Place};
use crate::{Document, ForeignChange, Insertion, Operation, Schema, Signature, WriteError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

mod plan;
mod puts;

#[derive(Default)]
struct Site {
    document: Document,
    seen: BTreeSet<usize>,
    /// Events and their chunks, in the order in which they came.
    log: Vec<(usize, Vec<u8>)>,
}

pub(super) struct Sites {
    schema: Schema,
    sites: Vec<Site>,
    model: Model,
    /// Numbers items and characters, so that each is known again.
    items: u32,
    /// Items and characters that were ever shown one before the other.
    before: BTreeSet<(String, String)>,
}

/// What an act comes to.
enum Expected {
    Change(Event),
    Nothing,
    Refused(WriteError),
}

impl Sites {
    pub(super) fn new(count: usize) -> Self {
        let sites = (0..count).map(|_| Site::default()).collect();
        Self { schema: every_kind(), sites, model: Model::default(), items: 0, before: BTreeSet::new() }
    }

    pub(super) fn document(&self, site: usize) -> &Document {
        &self.sites[site].document
    }

    pub(super) fn act(&mut self, site: usize, act: &Act) {
        let (operation, expected) = self.expect(site, act);
        let shown = [self.list(site), self.text(site)];
        let Site { document, .. } = &mut self.sites[site];
        let written = document.write(
            &Signature::of(origin(site), 0),
            Some(&self.schema),
            std::slice::from_ref(&operation),
        );
        match (written, expected) {
            (Ok(None), Expected::Nothing) => {}
            (Err(error), Expected::Refused(expected)) => assert_eq!(error, expected, "{act:?}"),
            (Ok(Some(change)), Expected::Change(mut event)) => {
                let id = self.model.events.len();
                event.author = site;
                (event.numbers, event.origin) = (numbers(&change.chunk), origin(site).0);
                event.past = self.sites[site].seen.clone();
                event.past.insert(id);
                self.model.events.push(event);
                self.sites[site].seen.insert(id);
                self.sites[site].log.push((id, change.chunk));
            }
            (written, Expected::Change(event)) => panic!("{act:?}: {written:?}, not {event:?}"),
            (written, Expected::Nothing) => panic!("{act:?}: {written:?}, not nothing"),
            (written, Expected::Refused(error)) => panic!("{act:?}: {written:?}, not {error:?}"),
        }
        self.check(site);
        self.check_place(site, &operation, shown);
    }

    pub(super) fn exchange(&mut self, from: usize, to: usize, most: usize) {
        let lacking = self.sites[from].log.iter().filter(|(id, _)| !self.sites[to].seen.contains(id));
        let lacking: Vec<(usize, Vec<u8>)> = lacking.take(most).cloned().collect();
        let chunks: Vec<Vec<u8>> = lacking.iter().map(|(_, chunk)| chunk.clone()).collect();
        let site = &mut self.sites[to];
        site.document.apply(&chunks).unwrap();
        site.seen.extend(lacking.iter().map(|(id, _)| *id));
        site.log.extend(lacking);
        self.check(to);
    }

    pub(super) fn check_equal(&self) {
        let first = &self.sites[0].document;
        for site in &self.sites {
            assert_eq!(site.seen.len(), self.model.events.len(), "everybody has everything");
            assert_eq!((site.document.heads(), site.document.json()), (first.heads(), first.json()));
        }
    }

    /// Holds what a site shows against the model, and against the order that anybody ever saw.
    fn check(&mut self, site: usize) {
        let mut shown = self.sites[site].document.json();
        assert_eq!(shown.as_ref().map(sorted), self.model.json(&self.sites[site].seen));
        let shown = shown.take().unwrap_or_default();
        let lines =
            shown["lines"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let body = shown["body"].as_str().unwrap_or_default().chars().map(String::from);
        for sequence in [lines.collect::<Vec<_>>(), body.collect()] {
            for (place, earlier) in sequence.iter().enumerate() {
                for later in &sequence[place + 1..] {
                    let reversed = (later.clone(), earlier.clone());
                    assert!(!self.before.contains(&reversed), "{earlier} was after {later}");
                    self.before.insert((earlier.clone(), later.clone()));
                }
            }
        }
    }

    /// At the site itself an insertion is where it was made.
    fn check_place(&self, site: usize, operation: &Operation, [list, text]: [Vec<String>; 2]) {
        let splice = |mut before: Vec<String>, index: usize, delete: usize, insert: Vec<String>| {
            before.splice(index..index + delete, insert);
            before
        };
        let texts =
            |values: &[Value]| values.iter().map(|value| value.as_str().unwrap().to_owned()).collect();
        if self.model.is_deleted(&self.sites[site].seen) {
            return;
        }
        if let Operation::Insert { index, values, .. } = operation {
            assert_eq!(self.list(site), splice(list, *index, 0, texts(values)));
        } else if let Operation::Splice { index, delete, insert, .. } = operation {
            match insert {
                Insertion::Values(values) => {
                    assert_eq!(self.list(site), splice(list, *index, *delete, texts(values)));
                }
                Insertion::Text(insert) => {
                    let insert = insert.chars().map(String::from).collect();
                    assert_eq!(self.text(site), splice(text, *index, *delete, insert));
                }
            }
        }
    }

    fn list(&self, site: usize) -> Vec<String> {
        let shown = self.sites[site].document.json().unwrap_or_default();
        let lines = shown["lines"].as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }

    fn text(&self, site: usize) -> Vec<String> {
        let shown = self.sites[site].document.json().unwrap_or_default();
        shown["body"].as_str().unwrap_or_default().chars().map(String::from).collect()
    }
}

/// The number of the last operation at each entry, and in a sequence under no name, as the format has them: read by the
/// parser of foreign changes, which knows nothing of Automerge.
fn numbers(chunk: &[u8]) -> BTreeMap<String, u64> {
    let body = ForeignChange::body(chunk).unwrap();
    let (header, columns) = foreign::read(body).unwrap();
    let mut operations = Operations::new(&header, &columns, body.len());
    let mut numbers = BTreeMap::new();
    while let Some(operation) = operations.next_operation().unwrap() {
        let entry = match operation.place {
            Place::Entry(name) => name,
            Place::Element { .. } => "",
        };
        numbers.insert(entry.to_owned(), operation.id.counter);
    }
    numbers
}

/// With arrays and the text in byte order.
fn sorted(shown: &Value) -> Value {
    let mut shown = shown.clone();
    for field in ["tags", "lines"] {
        if let Some(Value::Array(items)) = shown.get_mut(field) {
            items.sort_by_key(ToString::to_string);
        }
    }
    if let Some(Value::String(body)) = shown.get_mut("body") {
        let mut characters: Vec<char> = body.chars().collect();
        characters.sort_unstable();
        *body = characters.into_iter().collect();
    }
    shown
}
