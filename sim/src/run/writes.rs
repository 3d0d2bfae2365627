//! From a change of a schedule to what a service sends.

use crate::schedule::{BIN_PREFIX, Change, Discarded, bin};
use crate::topology::NodeId;
use crate::world::{ClientWrite, Nodes};
use document::{Address, Insertion, Operation, Pointer};
use serde_json::{Value, json};

/// A name in a schedule that is none writes nothing.
pub(super) fn address(space: &str, collection: &str, key: &str) -> Option<Address> {
    format!("{space}/{collection}/{key}").parse().ok()
}

pub(super) fn client_write(
    (id, node): (u64, NodeId),
    (space, key): (&str, &str),
    (change, is_retried): (Change, bool),
    nodes: &Nodes,
) -> Option<ClientWrite> {
    let parts = if let Change::Move { others, by, promised } = change {
        moves((space, key), others, by, promised)?
    } else {
        vec![(address(space, collection(change), key)?, operations(id, key, change, nodes)?)]
    };
    let space = document::Space::new(space).ok()?;
    Some(ClientWrite { id, node, space, parts, is_retried })
}

fn collection(change: Change) -> &'static str {
    match change {
        Change::Count(_)
        | Change::Shelve
        | Change::Stock(_)
        | Change::Grant(_)
        | Change::Spend(_)
        | Change::Transfer { .. }
        | Change::Move { .. }
        | Change::Patch
        | Change::Discard(Discarded::Goods) => "inventory",
        Change::Note(_)
        | Change::Tag { .. }
        | Change::Type { .. }
        | Change::Page
        | Change::Discard(Discarded::Page) => "note",
        Change::Scan { .. }
        | Change::Unscan { .. }
        | Change::Basket
        | Change::Pay
        | Change::Discard(Discarded::Basket) => "basket",
        Change::Price => "product",
        Change::Report => "device",
    }
}

fn field(pointer: &str) -> Option<Pointer> {
    Pointer::parse(pointer).ok()
}

fn count(by: i64) -> Option<Operation> {
    Operation::increment("/on_hand", by).ok()
}

/// What is done to the one document that is named. Of a put, one value is unlike that of any other.
fn operations(id: u64, key: &str, change: Change, nodes: &Nodes) -> Option<Vec<Operation>> {
    let put = |field: &str, value: Value| Operation::Put(json!({ "product": key, field: value }));
    let shelf = || put("shelf", format!("shelf-{id}").into());
    let sellable = || field("/sellable");
    Some(match change {
        Change::Count(by) => vec![count(by)?],
        Change::Shelve => vec![shelf()],
        Change::Stock(by) => vec![shelf(), count(by)?],
        // The number comes first: no two notes are equal.
        Change::Note(bytes) => vec![put("text", format!("{id} {}", "text ".repeat(bytes / 5)).into())],
        Change::Price => {
            vec![Operation::Put(json!({ "product": key, "price": id, "department": format!("{}", id % 3) }))]
        }
        Change::Grant(by) => vec![Operation::Grant { field: sellable()?, by, to: None }],
        Change::Spend(by) => vec![Operation::Spend { field: sellable()?, by }],
        Change::Transfer { to, by } => {
            let to = nodes.has(to).then(|| nodes.origin(to))?;
            vec![Operation::Transfer { field: sellable()?, to, by }]
        }
        Change::Move { .. } => return None,
        Change::Patch => {
            let colour = format!("colour-{}", id % 7);
            let patch = json!({ "attributes": { "number": id, colour: id }, "price_override": null });
            vec![Operation::MergePatch(patch)]
        }
        Change::Tag { tag, added } => vec![tagging(tag, added)?],
        Change::Type { index, delete } => {
            let insert = Insertion::Text(format!("{id} "));
            vec![Operation::Splice { field: field("/body")?, index, delete, insert }]
        }
        Change::Page => {
            let body = format!("page {id} of notes");
            let page = json!({ "title": id.to_string(), "tags": ["tag-0", "new"], "body": body });
            vec![Operation::Put(page)]
        }
        Change::Scan { index } => {
            vec![Operation::Insert { field: field("/lines")?, index, values: vec![line(id)] }]
        }
        Change::Unscan { index, delete } => {
            let insert = Insertion::Values(Vec::new());
            vec![Operation::Splice { field: field("/lines")?, index, delete, insert }]
        }
        Change::Basket => {
            let till = format!("till-{}", id % 3);
            vec![Operation::Put(json!({ "till": till, "state": "open", "lines": [line(id)], "basket": key }))]
        }
        Change::Pay => {
            let totals = json!({ "units": 1, "sum": id });
            vec![Operation::MergePatch(json!({ "state": "paid", "totals": totals, "closed_ms": id }))]
        }
        Change::Report => {
            let state = if id.is_multiple_of(5) { "fault" } else { "online" };
            vec![Operation::Put(json!({ "state": state, "last_seen": id }))]
        }
        Change::Discard(_) => vec![Operation::Delete],
    })
}

fn tagging(tag: u64, is_added: bool) -> Option<Operation> {
    let (field, element) = (field("/tags")?, Value::from(format!("tag-{tag}")));
    Some(if is_added { Operation::Add { field, element } } else { Operation::Remove { field, element } })
}

/// A line of a basket.
fn line(id: u64) -> Value {
    json!({ "product": format!("product-{id}"), "quantity": 1, "price": 2 })
}

/// Out of the bin that is named, and into those after it.
fn moves(
    (space, key): (&str, &str),
    others: u64,
    by: i64,
    is_promised: bool,
) -> Option<Vec<(Address, Vec<Operation>)>> {
    let first: u64 = key.strip_prefix(BIN_PREFIX)?.parse().ok()?;
    let out = by.checked_mul(i64::try_from(others).ok()?)?;
    let mut taken = vec![count(out.checked_neg()?)?];
    if is_promised {
        taken.push(Operation::Spend { field: field("/sellable")?, by: out.unsigned_abs() });
    }
    let mut parts = vec![(address(space, "inventory", key)?, taken)];
    for other in 1..=others {
        parts.push((address(space, "inventory", &bin(first.checked_add(other)?))?, vec![count(by)?]));
    }
    Some(parts)
}
