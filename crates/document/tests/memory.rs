//! What a document takes in memory, counted with an allocator, against its own estimate.

#![expect(clippy::unwrap_used, reason = "a test whose scene fails ends")]

use document::{Document, HistoryQuery, Insertion, Operation, Origin, Pointer, Schema, Signature, Tip};
use serde_json::{Map, Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What an allocator keeps for an open document besides what it is asked for, of the 16 KiB that are estimated.
const ALLOCATOR_BYTES: f64 = 8.0 * 1024.0;

fn schema() -> Schema {
    let field = |kind: &str, crdt: &str| json!({"type": kind, "x-crdt": crdt});
    let fields = json!({"lines": field("array", "list"), "body": field("string", "text")});
    let schema = json!({"x-version": 1, "type": "object", "properties": fields});
    Schema::parse(&schema.to_string()).unwrap()
}

/// The chunks that these operations come to, a change each, by so many authors in turn.
fn chunks(authors: u16, operations: impl IntoIterator<Item = Operation>) -> Vec<Vec<u8>> {
    written(authors, operations).1
}

/// The document that these operations come to, and its chunks.
fn written(authors: u16, operations: impl IntoIterator<Item = Operation>) -> (Document, Vec<Vec<u8>>) {
    let (mut document, schema) = (Document::new(), schema());
    let mut chunks = Vec::new();
    for (number, operation) in operations.into_iter().enumerate() {
        let mut origin = [7; 16];
        let author = u16::try_from(number).unwrap() % authors;
        origin[..2].copy_from_slice(&author.to_be_bytes());
        let change = document.write(&Signature::of(Origin(origin), 0), Some(&schema), &[operation]);
        chunks.push(change.unwrap().unwrap().chunk);
    }
    (document, chunks)
}

fn taken<T>(make: impl FnOnce() -> T) -> (T, f64) {
    let region = Region::new(ALLOCATOR);
    let made = make();
    let change = region.change();
    let taken = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    (made, taken)
}

fn insert(values: Vec<Value>) -> Operation {
    Operation::Insert { field: Pointer::parse("/lines").unwrap(), index: 0, values }
}

fn text(index: usize, delete: usize, text: &str) -> Operation {
    let insert = Insertion::Text(text.to_owned());
    Operation::Splice { field: Pointer::parse("/body").unwrap(), index, delete, insert }
}

/// Items of one author, and between them as many of another, each in runs.
fn interleaved() -> Vec<Vec<u8>> {
    let (mut document, schema) = (Document::new(), schema());
    let between = (0..2_000).map(|n| if n % 2 == 0 { Value::Null } else { json!(true) }).collect();
    let chunk = |document: &mut Document, author: u8, operation| {
        let change = document.write(&Signature::of(Origin([author; 16]), 0), Some(&schema), &[operation]);
        change.unwrap().unwrap().chunk
    };
    let first = chunk(&mut document, 1, insert(vec![Value::Null; 1_000]));
    let second = chunk(&mut document, 2, Operation::Put(json!({"lines": Value::Array(between)})));
    vec![first, second]
}

fn fields(count: usize, value: &str) -> Operation {
    let fields: Map<String, Value> = (0..count).map(|n| (format!("field {n}"), json!(value))).collect();
    Operation::Put(fields.into())
}

/// Of tips.
fn tips() -> Vec<String> {
    let put = |n: usize| Operation::Put(json!({ "n": n }));
    let mut faults = Vec::new();
    let tip = |chunks: &[Vec<u8>]| {
        let mut tip = Tip::new();
        assert_eq!(tip.take(chunks), chunks.len());
        tip
    };
    for (name, chunks) in [
        ("nothing much", chunks(1, [put(1)])),
        ("20 fields", chunks(1, [fields(20, "milk")])),
        ("300 changes", chunks(1, std::iter::once(fields(2, "y")).chain((0..300).map(put)))),
        ("2,500 fields of 32 bytes", chunks(1, [fields(2_500, &"y".repeat(32))])),
        ("200 authors", chunks(200, (0..200).map(put))),
    ] {
        let (tip, took) = taken(|| tip(&chunks));
        let estimate = tip.memory_bytes() as f64;
        let is_honest = estimate > took * 0.75 && estimate < took * 1.25 + 1_024.0;
        faults.extend((!is_honest).then(|| format!("the tip of {name}: {took} taken, {estimate} estimated")));
    }
    faults
}

// One test: allocations are counted for the whole process.
#[test]
fn the_estimate_is_honest() {
    let put = |n: usize| Operation::Put(json!({ "n": n }));
    let nulls = |count: usize| insert(vec![Value::Null; count]);
    let long: String = ('a'..='z').cycle().take(2_000).collect();
    let scenes: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("nothing much", chunks(1, [put(1)])),
        ("2,000 nulls", chunks(1, [nulls(2_000)])),
        ("4 times 2,000 nulls", chunks(1, (0..4).map(|_| nulls(2_000)))),
        ("100 times 10 nulls", chunks(1, (0..100).map(|_| nulls(10)))),
        ("2,000 numbers", chunks(1, [insert((0..2_000).map(Value::from).collect())])),
        ("a text of 8,000 characters", chunks(1, (0..4).map(|_| text(0, 0, &long)))),
        ("200 characters typed", chunks(1, (0..200).map(|n| text(n, 0, "x")))),
        ("a value of 190,000 bytes", chunks(1, [Operation::Put(json!({"a": "x".repeat(190_000)}))])),
        ("2,500 fields of 32 bytes", chunks(1, [fields(2_500, &"y".repeat(32))])),
        ("300 changes of a field", chunks(1, (0..300).map(put))),
        ("200 authors", chunks(200, (0..200).map(put))),
        ("1,000 items between 1,000 others", interleaved()),
    ];
    let mut faults = Vec::new();
    for (name, chunks) in scenes {
        let (mut applied, took) = taken(|| {
            let mut document = Document::new();
            document.apply(&chunks).unwrap();
            document
        });
        let saved = applied.save();
        applied.let_go_of_copy();
        let (loaded, took_loaded) = taken(|| Document::load(&saved).unwrap());
        for (how, document, took) in [("applied", applied, took), ("loaded", loaded, took_loaded)] {
            let estimate = document.memory_bytes() as f64;
            let is_honest = estimate > took * 0.75 && estimate < took * 1.25 + ALLOCATOR_BYTES;
            faults.extend((!is_honest).then(|| format!("{name} {how}: {took} taken, {estimate} estimated")));
        }
    }
    // What was written here waits beside Automerge, and is twice in memory where somebody looked.
    let put_fields = |count| std::iter::once(fields(2, "y")).chain((0..count).map(put));
    let many = || std::iter::once(fields(2_000, &"y".repeat(32))).chain((0..10).map(put));
    let looked = |document: Document| {
        let history = HistoryQuery { before: None, limit: 1 };
        assert_eq!(document.history(history).unwrap().len(), 1);
        document
    };
    let scenes: Vec<(&str, (Document, f64))> = vec![
        ("60 waiting changes", taken(|| written(1, put_fields(60)).0)),
        ("300 changes", taken(|| written(1, put_fields(300)).0)),
        ("a large table", taken(|| written(1, many()).0)),
        ("60 waiting changes, looked at", taken(|| looked(written(1, put_fields(60)).0))),
        ("a large table, looked at", taken(|| looked(written(1, many()).0))),
    ];
    for (name, (document, took)) in scenes {
        let estimate = document.memory_bytes() as f64;
        let is_honest = estimate > took * 0.75 && estimate < took * 1.25 + 2.0 * ALLOCATOR_BYTES;
        faults.extend((!is_honest).then(|| format!("{name} written: {took} taken, {estimate} estimated")));
    }
    faults.extend(tips());
    assert!(faults.is_empty(), "{faults:#?}");
}
