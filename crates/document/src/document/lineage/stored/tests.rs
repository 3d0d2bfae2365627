use super::*;
use crate::document::Document;
use crate::foreign::{ForeignChange, seal};
use crate::{Operation as Write, Origin, Signature};
use serde_json::json;

fn unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        bytes.push(u8::try_from(value & 127).unwrap() | 128);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
}

fn signed(bytes: &mut Vec<u8>, mut value: i64) {
    while !(-64..64).contains(&value) {
        bytes.push(u8::try_from(value & 127).unwrap() | 128);
        value >>= 7;
    }
    bytes.push(u8::try_from(value & 127).unwrap());
}

/// A column of runs: how often, and what.
fn runs(runs: &[(u64, i64)]) -> Vec<u8> {
    let mut column = Vec::new();
    for (rows, value) in runs {
        // One alone is written as a list of one.
        signed(&mut column, if *rows == 1 { -1 } else { i64::try_from(*rows).unwrap() });
        signed(&mut column, *value);
    }
    column
}

/// A change that puts the entry `a` so often, and which operations each put replaces: counts, authors, differences.
struct Puts<'a> {
    after: &'a [ChangeHash],
    author: u8,
    other: Option<u8>,
    start: u64,
    rows: u64,
    replaced: [&'a [(u64, i64)]; 3],
}

impl Puts<'_> {
    fn chunk(&self) -> Vec<u8> {
        let mut body = vec![u8::try_from(self.after.len()).unwrap()];
        self.after.iter().for_each(|hash| body.extend_from_slice(&hash.0));
        body.push(16);
        body.extend_from_slice(&[self.author; 16]);
        body.push(1);
        unsigned(&mut body, self.start);
        body.extend_from_slice(&[0, 0, u8::from(self.other.is_some())]);
        self.other.iter().for_each(|other| body.extend_from_slice(&[&[16][..], &[*other; 16]].concat()));
        let mut insert = Vec::new();
        unsigned(&mut insert, self.rows);
        let [counts, authors, differences] = self.replaced.map(runs);
        let columns = [
            (0x15, [runs(&[(self.rows, 1)]), b"a".to_vec()].concat()),
            (0x34, insert),
            (0x42, runs(&[(self.rows, 1)])),
            (0x56, runs(&[(self.rows, 0x14)])),
            (0x57, vec![5; usize::try_from(self.rows).unwrap()]),
            (0x70, counts),
            (0x71, authors),
            (0x73, differences),
        ];
        body.push(u8::try_from(columns.len()).unwrap());
        for (number, column) in &columns {
            body.push(*number);
            unsigned(&mut body, column.len() as u64);
        }
        columns.iter().for_each(|(_, column)| body.extend_from_slice(column));
        ForeignChange::parse(&body).unwrap();
        seal(&body).1
    }
}

/// So many puts, each in place of the one before; then as many that all name the last of those.
fn hostile(rows: u64) -> [Vec<u8>; 2] {
    let end = i64::try_from(rows).unwrap();
    let replaced: [&[_]; 3] = [&[(1, 0), (rows - 1, 1)], &[(rows - 1, 0)], &[(rows - 1, 1)]];
    let first = Puts { after: &[], author: 1, other: None, start: 1, rows, replaced }.chunk();
    let after = [seal(ForeignChange::body(&first).unwrap()).0];
    let replaced: [&[_]; 3] = [&[(rows, 1)], &[(rows, 1)], &[(1, end), (rows - 1, 0)]];
    let second = Puts { after: &after, author: 9, other: Some(1), start: rows + 1, rows, replaced }.chunk();
    [first, second]
}

fn write(document: &mut Document, author: u8, name: &str) -> Vec<u8> {
    let put = Write::MergePatch(json!({name: document.changes_count()}));
    document.write(&Signature::of(Origin([author; 16]), 0), None, &[put]).unwrap().unwrap().chunk
}

/// Each put of the second change names the last operation of the first, at an entry with so many of them that a walk for
/// each would meet the time limit of a test.
#[test]
fn naming_one_operation_over_and_over_takes_no_walk_each() {
    let [first, second] = hostile(10_000);
    let mut document = Document::new();
    // Another head, so that the entry is asked for as it was.
    write(&mut document, 5, "b");
    document.apply(&[first]).unwrap();
    for _ in 0..12 {
        document.clone().apply(std::slice::from_ref(&second)).unwrap();
    }
}

/// A change that replaces the operation of each of 40 changes, written after the last.
fn replaces_all(last: ChangeHash) -> Vec<u8> {
    let replaced: [&[_]; 3] = [&[(1, 40)], &[(40, 1)], &[(40, 1)]];
    Puts { after: &[last], author: 9, other: Some(1), start: 41, rows: 1, replaced }.chunk()
}

#[test]
fn operations_of_many_changes_are_found_in_one_pass() {
    for (number, expected) in [(None, None), (Some(20), Some(ApplyReason::Misfit))] {
        let mut document = Document::new();
        for change in 0..40 {
            write(&mut document, 1, if number == Some(change) { "b" } else { "a" });
        }
        let [last] = document.heads().try_into().unwrap();
        let result = document.apply(&[replaces_all(last)]);
        assert_eq!(result.err().map(|error| error.reason), expected, "{number:?}");
    }
}

#[test]
fn one_pass_reads_what_one_by_one_reads() {
    let mut document = Document::new();
    for change in 0..60 {
        write(&mut document, change % 3 + 1, if change % 5 == 0 { "b" } else { "a" });
    }
    let named = |last| (1..=last).map(|counter| OperationId { counter, author: Origin([2; 16]) }).collect();
    let all = Stored::new(document.ahead.whole()).changes_of(&named(60)).unwrap();
    assert_eq!(all.len(), 20);
    for change in all {
        assert_eq!(document.change(&change.hash()).unwrap(), change.raw_bytes());
    }
    let mut stored = Stored::new(document.ahead.whole());
    assert_eq!(stored.changes_of(&named(30)).unwrap().len(), 10);
    assert_eq!(stored.changes_of(&named(60)).unwrap().len(), 10, "none is read twice");
}
