//! Real changes of several authors, in an order in which a journal could have them.

use super::super::{Delta, DocumentName, Row, change};
use crate::OriginKey;
use document::{Document, ForeignChange, Operation, Origin, Schema, Signature};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

/// Writes and exchanges of a few sites.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A site writes to a document.
    Write { site: u8, document: u16, kind: u8 },
    /// A site takes all that another has of a document.
    Take { site: u8, from: u8, document: u16 },
}

pub(crate) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let write =
        (0..4_u8, 0..5_u16, 0..7_u8).prop_map(|(site, document, kind)| Step::Write { site, document, kind });
    let take =
        (0..4_u8, 0..4_u8, 0..5_u16).prop_map(|(site, from, document)| Step::Take { site, from, document });
    prop::collection::vec(prop_oneof![3 => write, 1 => take], 1..60)
}

/// A row with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) space: String,
    pub(crate) collection: String,
    pub(crate) key: String,
    pub(crate) origin: OriginKey,
    pub(crate) sequence: u64,
    pub(crate) body: Vec<u8>,
    pub(crate) follow: u16,
}

impl Named {
    pub(crate) fn hash(&self) -> [u8; 32] {
        change::hash(&self.body)
    }
}

pub(crate) fn key(number: u8) -> OriginKey {
    OriginKey { public_key: [number; 32], incarnation: [0x80 | number; 16] }
}

pub(crate) fn origin(number: u8) -> Origin {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&key(number).public_key).update(&key(number).incarnation);
    let mut origin = [0; 16];
    hasher.finalize_xof().fill(&mut origin);
    Origin(origin)
}

fn operation(kind: u8, turn: i64) -> Operation {
    match kind {
        0 => Operation::increment("/on_hand", -turn).unwrap(),
        1 => Operation::Put(json!({"name": format!("n{turn}"), "on_hand": 100, "tags": ["red"]})),
        2 => Operation::MergePatch(json!({"name": format!("n{}", turn % 7)})),
        3 => Operation::MergePatch(json!({"lines": [turn, "x"]})),
        4 => Operation::MergePatch(json!({"body": format!("text {turn}")})),
        5 => Operation::MergePatch(json!({"attributes": {"colour": turn, "size": turn}})),
        _ => Operation::MergePatch(json!({"name": null})),
    }
}

/// What the sites wrote, in the order in which they wrote it.
pub(crate) fn rows_of(steps: &[Step]) -> Vec<Named> {
    let schema =
        Schema::parse(include_str!("../../../../../schemas/golden/document/v1/schema.json")).unwrap();
    let mut documents: BTreeMap<(u8, u16), (Document, BTreeSet<usize>)> = BTreeMap::new();
    let mut sequences: BTreeMap<(u8, u16), u64> = BTreeMap::new();
    let mut rows: Vec<Named> = Vec::new();
    for (turn, step) in (1..).zip(steps) {
        match *step {
            Step::Write { site, document, kind } => {
                let (at, has) = documents.entry((site, document)).or_default();
                let mut signature = Signature::of(origin(site), 1_700_000_000_000 + turn * 137);
                if kind == 2 {
                    signature.message = Some("corrected by hand");
                }
                let Ok(Some(change)) = at.write(&signature, Some(&schema), &[operation(kind, turn)]) else {
                    continue;
                };
                has.insert(rows.len());
                let space = document % 2;
                let sequence = sequences.entry((site, space)).or_default();
                *sequence += 1;
                rows.push(Named {
                    space: format!("store-{space}"),
                    collection: "inventory".into(),
                    key: format!("10297{document}"),
                    origin: key(site),
                    sequence: *sequence,
                    body: ForeignChange::body(&change.chunk).unwrap().to_vec(),
                    follow: 0,
                });
            }
            Step::Take { site, from, document } => {
                let theirs = documents.get(&(from, document)).map(|(_, has)| has.clone());
                let Some(theirs) = theirs else { continue };
                let (at, has) = documents.entry((site, document)).or_default();
                let new: Vec<usize> = theirs.difference(has).copied().collect();
                let chunks: Vec<_> =
                    new.iter().map(|row| ForeignChange::parse(&rows[*row].body).unwrap().chunk).collect();
                at.apply(&chunks).unwrap();
                has.extend(new);
            }
        }
    }
    rows
}

/// A delta of these rows, its lists in the order of first use.
pub(crate) fn delta_of(generation: u32, from: u64, rows: &[Named]) -> Delta {
    let mut delta = Delta { generation, from, to: from + rows.len() as u64, ..Delta::default() };
    for row in rows {
        let space = index(&mut delta.spaces, row.space.clone());
        let name = DocumentName { space, collection: row.collection.clone(), key: row.key.clone() };
        let document = index(&mut delta.documents, name);
        let origin = index(&mut delta.origins, row.origin);
        let (sequence, body) = (row.sequence, row.body.clone());
        delta.rows.push(Row { document, origin, sequence, body, follow: NonZeroU16::new(row.follow) });
    }
    delta
}

fn index<T: PartialEq>(list: &mut Vec<T>, entry: T) -> u32 {
    let found = list.iter().position(|known| *known == entry);
    let index = found.unwrap_or_else(|| {
        list.push(entry);
        list.len() - 1
    });
    u32::try_from(index).unwrap()
}

/// The rows of a delta by their names.
pub(crate) fn named(delta: &Delta) -> Vec<Named> {
    let name = |row: &Row| {
        let document = &delta.documents[row.document as usize];
        Named {
            space: delta.spaces[document.space as usize].clone(),
            collection: document.collection.clone(),
            key: document.key.clone(),
            origin: delta.origins[row.origin as usize],
            sequence: row.sequence,
            body: row.body.clone(),
            follow: row.follow.map_or(0, NonZeroU16::get),
        }
    };
    delta.rows.iter().map(name).collect()
}
