//! What one update costs in processor time, without a disk.
//!
//! `document.update.cpu`: an update through the core: the open document, the difference, the change, all rows of its
//! batch, value included; 64 a turn, on 400 documents with 10 to 20 earlier changes, which all stay open. Once an
//! increment, once a put of the whole value with one field changed; the row is the slower of the two.
//! `document.counter.history`: the same increment on a document alone, with 10,000 earlier changes and with 10.
//! `document.history`: a document with 10,000 changes, listed whole in pages of 250, and one with 1,000: each change.
//! `document.apply64`: 64 changes of another replica on one small document: the bounded parse, the table, and Automerge
//! that gets them.
//!
//! Measured with a load average of 2 on 2 cores that were slow that day: increment 109 us, put 127 us, `document.counter.history`
//! 65 us against 57, `document.history` 31 us a change of 10,000 and 17 of 1,000. On a better day, with a load average of 2:
//! increment 24 us, put 32 us, `document.counter.history` 15 us against 22, `document.apply64` 8.2 us.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::cpu::{median, micros_each};
use benches::reach::{Goal, Row, measuring, record};
use benches::small_update::Kind;
use criterion::{Criterion, criterion_group, criterion_main};
use document::{Document, ForeignChange, HistoryQuery, Operation, Origin, Schema, Signature};
use serde_json::json;

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const HERE: Origin = Origin([1; 16]);
const THERE: Origin = Origin([2; 16]);

fn rounds() -> usize {
    if measuring() { 15 } else { 1 }
}

fn row(name: &str, unit: &str, value: f64, reference: Option<f64>, goal: Goal) {
    println!("{name}: {value:.2} {unit}, reference {reference:?}");
    let row = Row { name: name.into(), unit: unit.into(), value, reference, goal };
    record(&row).expect("the row is written");
}

fn update(_: &mut Criterion) {
    let measured = Kind::ALL.map(|kind| (kind, kind.micros(rounds())));
    for (kind, micros) in measured {
        row(&format!("document.update.cpu.{}", kind.name()), "us", micros, None, Goal::value_at_most(45.0));
    }
    let worse = measured.iter().map(|(_, micros)| *micros).fold(0.0, f64::max);
    row("document.update.cpu", "us", worse, None, Goal::value_at_most(45.0));
}

fn schema() -> Schema {
    Schema::parse(include_str!("../schemas/collections/inventory.json")).expect("a schema")
}

fn product(origin: Origin, schema: &Schema) -> Document {
    let mut document = Document::new();
    let value = json!({"product": "1029743", "on_hand": 100, "shelf": "A-12",
        "attributes": {"colour": "red", "size": "11 OZ", "brand": "National", "season": "all"}});
    write(&mut document, origin, schema, Operation::Put(value));
    document
}

fn write(document: &mut Document, origin: Origin, schema: &Schema, operation: Operation) -> Vec<u8> {
    let signature = Signature { origin, wall_ms: 1_700_000_000_000, author: None, message: None };
    let change = document.write(&signature, Some(schema), &[operation]).expect("a write");
    change.expect("a change").chunk
}

fn sell(document: &mut Document, origin: Origin, schema: &Schema) -> Vec<u8> {
    write(document, origin, schema, Operation::increment("/on_hand", -1).expect("a pointer"))
}

fn counter_history(_: &mut Criterion) {
    let schema = schema();
    // So many that what waits for Automerge is given to it at least once.
    let cost = |history: usize, count: usize| {
        let mut document = product(HERE, &schema);
        (0..history).for_each(|_| drop(sell(&mut document, HERE, &schema)));
        let rounds = (0..rounds()).map(|_| {
            let mut document = document.clone();
            drop(sell(&mut document, HERE, &schema));
            micros_each(count, || (0..count).for_each(|_| drop(sell(&mut document, HERE, &schema))))
        });
        median(rounds.collect())
    };
    let (short, long) = (cost(10, 128), if measuring() { cost(10_000, 1_280) } else { cost(200, 128) });
    row("document.counter.history", "us", long, Some(short), Goal::ratio_at_most(1.5));
}

/// Changes of one page.
const PAGE: usize = 250;

fn history(_: &mut Criterion) {
    let schema = schema();
    let cost = |changes: usize| {
        let mut document = product(HERE, &schema);
        (1..changes).for_each(|_| drop(sell(&mut document, HERE, &schema)));
        micros_each(changes, || {
            let (mut before, mut told) = (None, 0);
            while told < changes {
                let page = document.history(HistoryQuery { before, limit: PAGE }).expect("its own change");
                (before, told) = (page.last().map(|entry| entry.hash), told + page.len());
            }
        })
    };
    let (short, long) = (cost(1_000), cost(if measuring() { 10_000 } else { 2_000 }));
    row("document.history", "us", long, Some(short), Goal::ratio_at_most(3.0));
}

fn apply(_: &mut Criterion) {
    let schema = schema();
    let mut there = product(THERE, &schema);
    let mut here = Document::new();
    let first = there.heads().first().and_then(|head| there.change(head));
    here.apply(&[first.expect("its change")]).expect("applied");
    let chunks: Vec<Vec<u8>> = (0..64).map(|_| sell(&mut there, THERE, &schema)).collect();
    let rounds = (0..rounds() * 10).map(|_| {
        let mut document = here.clone();
        micros_each(chunks.len(), || {
            let parsed = chunks.iter().map(|chunk| {
                let body = ForeignChange::body(chunk).expect("a change");
                ForeignChange::parse(body).expect("an honest change").chunk
            });
            document.apply(&parsed.collect::<Vec<_>>()).expect("applied");
        })
    });
    let micros = median(rounds.collect());
    row("document.apply64", "us", micros, None, Goal::value_at_most(8.0));
}

criterion_group!(document, update, counter_history, history, apply);
criterion_main!(document);
