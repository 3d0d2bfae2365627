//! What a small change weighs on its way to a peer, and what packing and reading it costs.
//!
//! Bytes count everything: frame headers, names, origins, digests. They do not depend on the machine.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::cpu::{median, micros_each};
use benches::reach::{Goal, Row, record};
use criterion::{Criterion, criterion_group, criterion_main};
use document::{Document, ForeignChange, Operation, Schema, Signature};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use wire::{Deflaters, Delta, DeltaDecoder, DeltaEncoder, DocumentName, Frame, OriginKey, Unpacked};

const CHANGES: usize = 1_000;
const DOCUMENTS: usize = 200;
const SITES: usize = 4;
/// Rows of a delta for which the goal is set: what a sale writes is sent at once.
const GOAL_ROWS: usize = 1;

/// A change, its document, and the site that wrote it.
struct Written {
    document: usize,
    site: usize,
    sequence: u64,
    body: Vec<u8>,
}

fn key(site: usize) -> OriginKey {
    let seed = blake3_of(site);
    let (incarnation, _) = seed.split_first_chunk().expect("32 bytes");
    OriginKey { public_key: seed, incarnation: *incarnation }
}

/// Bytes that do not compress, as keys do not.
fn blake3_of(site: usize) -> [u8; 32] {
    wire::change_hash(&[u8::try_from(site).expect("few sites")])
}

/// Numbers that repeat with the seed alone (xorshift).
fn next(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed >> 33).expect("31 bits")
}

/// The documents' creation by the first site, which the receiver has, then `CHANGES` small changes: two of three are
/// sales, the others put a text; every site writes to every document.
fn written() -> (Vec<Written>, Vec<Written>) {
    let schema = Schema::parse(include_str!("../schemas/collections/inventory.json")).expect("a schema");
    let mut documents: Vec<Document> = (0..DOCUMENTS).map(|_| Document::new()).collect();
    let (mut sequences, mut wall_ms, mut seed) = ([0; SITES], 1_760_000_000_000, 0x5eed);
    let mut write = |document: usize, site: usize, wall_ms, operation| {
        let origin = replica::origin_of(&key(site));
        let at = documents.get_mut(document).expect("a document");
        let change = at.write(&Signature::of(origin, wall_ms), Some(&schema), &[operation]);
        let change = change.expect("written").expect("something to write");
        let sequence = sequences.get_mut(site).expect("a site");
        *sequence += 1;
        let body = ForeignChange::body(&change.chunk).expect("a change").to_vec();
        Written { document, site, sequence: *sequence, body }
    };
    let value = |document: usize| json!({"product": document.to_string(), "on_hand": 100, "shelf": "A-12"});
    let created = (0..DOCUMENTS).map(|n| write(n, 0, wall_ms, Operation::Put(value(n)))).collect();
    let changes = (0..CHANGES).map(|n| {
        wall_ms += 200 + i64::try_from(next(&mut seed) % 5_000).expect("small");
        let (document, site) = (next(&mut seed) % DOCUMENTS, next(&mut seed) % SITES);
        let sale = -1 - i64::try_from(next(&mut seed) % 3).expect("small");
        let operation = match n % 3 {
            0 => Operation::MergePatch(json!({"shelf": format!("B-{n}")})),
            _ => Operation::increment("/on_hand", sale).expect("a pointer"),
        };
        write(document, site, wall_ms, operation)
    });
    let changes = changes.collect();
    (created, changes)
}

fn delta(from: usize, rows: &[Written]) -> Delta {
    let (from, to) = (from as u64, (from + rows.len()) as u64);
    let mut delta = Delta { from, to, spaces: vec!["store-367".into()], ..Delta::default() };
    let (mut documents, mut origins) = (BTreeMap::new(), BTreeMap::new());
    for row in rows {
        let index = |length: usize| u32::try_from(length).expect("few");
        let document = *documents.entry(row.document).or_insert_with(|| {
            let (collection, key) = ("inventory".to_owned(), format!("{}", 1_029_743 + row.document * 7));
            delta.documents.push(DocumentName { space: 0, collection, key });
            index(delta.documents.len() - 1)
        });
        let origin = *origins.entry(row.site).or_insert_with(|| {
            delta.origins.push(key(row.site));
            index(delta.origins.len() - 1)
        });
        let (sequence, body) = (row.sequence, row.body.clone());
        delta.rows.push(wire::Row { document, origin, sequence, body, follow: None });
    }
    delta
}

/// Bytes of the frames of all changes in deltas of so many rows, and microseconds to pack and to read each.
fn carried(has: &BTreeSet<[u8; 32]>, deltas: &[Delta]) -> (usize, f64, f64) {
    let (mut encoder, mut decoder) = (DeltaEncoder::default(), DeltaDecoder::default());
    let mut deflaters = Deflaters::default();
    let mut frames = Vec::new();
    let pack = || {
        for delta in deltas {
            let packed = encoder.pack(delta, &mut deflaters, |_, hash| has.contains(hash)).expect("packed");
            frames.push(wire::encode(&Frame::Delta(packed)).expect("a frame"));
        }
    };
    let packing = micros_each(CHANGES, pack);
    let read = || {
        for (frame, delta) in frames.iter().zip(deltas) {
            let Ok(Frame::Delta(packed)) = wire::decode(frame) else { panic!("another frame") };
            let unpacked = decoder
                .unpack(&packed, |_, prefix| has.iter().find(|hash| hash.starts_with(prefix)).copied());
            assert!(unpacked.is_ok_and(|unpacked| unpacked == Unpacked::Delta(delta.clone())));
        }
    };
    let reading = micros_each(CHANGES, read);
    (frames.iter().map(Vec::len).sum(), packing, reading)
}

fn change(_: &mut Criterion) {
    let (created, changes) = written();
    let has: BTreeSet<_> = created.iter().map(|row| wire::change_hash(&row.body)).collect();
    let raw = changes.iter().map(|row| row.body.len()).sum::<usize>() / CHANGES;
    for rows in [1, 10, 100] {
        let deltas: Vec<_> =
            changes.chunks(rows).enumerate().map(|(n, chunk)| delta(n * rows, chunk)).collect();
        let runs: Vec<_> = (0..9).map(|_| carried(&has, &deltas)).collect();
        let bytes = runs.first().map_or(0, |run| run.0) as f64 / CHANGES as f64;
        let packing = median(runs.iter().map(|run| run.1).collect());
        let reading = median(runs.iter().map(|run| run.2).collect());
        println!(
            "{rows} a delta: {bytes:.1} bytes each ({raw} raw), packed in {packing:.2} us, read in {reading:.2} us"
        );
        let name = if rows == GOAL_ROWS { "wire.change".into() } else { format!("wire.change.{rows}") };
        let goal = Goal::value_at_most(35.0);
        record(&Row { name, unit: "bytes".into(), value: bytes, reference: Some(raw as f64), goal })
            .expect("the row is written");
    }
}

criterion_group!(wire_change, change);
criterion_main!(wire_change);
