//! Inputs that break Automerge when it is given them, and the longest change: refused, in under a
//! millisecond and a mebibyte.

#![expect(clippy::unwrap_used, reason = "a test whose scene fails ends")]

use document::{CHANGE_BYTES_MAX, ChangeRefusal, ForeignChange};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The least time of several runs: the machine may be busy with other things.
#[expect(clippy::disallowed_methods, reason = "the time that a refusal takes is what is tested")]
#[track_caller]
fn refuses<T: std::fmt::Debug>(input: &[u8], parse: fn(&[u8]) -> Result<T, ChangeRefusal>) -> ChangeRefusal {
    let region = Region::new(ALLOCATOR);
    let refusal = parse(input).unwrap_err();
    let allocated = region.change().bytes_allocated;
    assert!(allocated < 1 << 20, "{allocated} bytes");
    let times = (0..20).map(|_| {
        let start = Instant::now();
        assert!(parse(input).is_err());
        start.elapsed()
    });
    let least = times.min().unwrap();
    assert!(least < Duration::from_millis(1), "{least:?}");
    refusal
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        bytes.push(u8::try_from(value & 127).unwrap() | 128);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
}

/// The body of a first change without dependencies.
fn body(columns: &[(u64, &[u8])]) -> Vec<u8> {
    let mut body = vec![0, 16];
    body.extend_from_slice(&[9; 16]);
    body.extend_from_slice(&[1, 1, 0, 0, 0, u8::try_from(columns.len()).unwrap()]);
    for (column, bytes) in columns {
        number(&mut body, *column);
        number(&mut body, bytes.len() as u64);
    }
    columns.iter().for_each(|(_, bytes)| body.extend_from_slice(bytes));
    body
}

/// A run of this many rows; booleans have no value.
fn run(rows: u64, value: Option<u8>) -> Vec<u8> {
    let mut column = Vec::new();
    number(&mut column, rows);
    column.extend(value);
    column
}

/// The bytes of a run with a name.
fn names(rows: u64) -> Vec<u8> {
    [run(rows, Some(1)), b"a".to_vec()].concat()
}

/// That many nulls put at one entry: 50 bytes. Automerge takes 13 s and 3.9 GB for ten million.
fn puts(rows: u64) -> Vec<u8> {
    body(&[
        (0x15, &names(rows)),
        (0x34, &run(rows, None)),
        (0x42, &run(rows, Some(1))),
        (0x56, &run(rows, Some(0))),
        (0x70, &run(rows, Some(0))),
    ])
}

// One test: allocations are counted for the whole process.
#[test]
fn bombs_are_refused_at_once() {
    // Numbers whose sixth bit of the last byte is not set: signed and unsigned look alike.
    assert_eq!(refuses(&puts(10_000_000), ForeignChange::parse), ChangeRefusal::TooMany("operations"));
    assert_eq!(refuses(&puts(4_000), ForeignChange::parse), ChangeRefusal::TooMany("operations"));
    assert_eq!(refuses(&puts(u64::MAX >> 2), ForeignChange::parse), ChangeRefusal::TooMany("operations"));
    // A deflated change is not inflated to see what it is, nor is a deflated column.
    let deflated = [&[0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 2, 0x80, 0x80, 0x20][..], &[0; 1 << 19]].concat();
    let unpack = |chunk: &[u8]| ForeignChange::body(chunk).map(drop);
    assert_eq!(refuses(&deflated, unpack), ChangeRefusal::Kind);
    assert_eq!(refuses(&body(&[(0x4a, &[0; 1000])]), ForeignChange::parse), ChangeRefusal::Columns);
    // The most operations that a change may have, and a byte too many at the very end: values of 16 bytes.
    let kinds = [run(10_000, Some(0x87)), vec![2]].concat();
    let longest = body(&[
        (0x15, &names(10_000)),
        (0x34, &run(10_000, None)),
        (0x42, &run(10_000, Some(1))),
        (0x56, &kinds),
        (0x57, &[7; 160_001]),
        (0x70, &run(10_000, Some(0))),
    ]);
    assert!(longest.len() <= CHANGE_BYTES_MAX);
    assert_eq!(refuses(&longest, ForeignChange::parse), ChangeRefusal::Malformed);
}
