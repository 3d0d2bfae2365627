//! Inputs that break Automerge when it is given them, and the longest change: refused, in under a
//! millisecond and a mebibyte. Where it takes little, it is shown that they do break it.

#![expect(clippy::unwrap_used, reason = "a test whose scene fails ends")]

use automerge::{Automerge, Change};
use document::{CHANGE_BYTES_MAX, ChangeRefusal, ForeignChange};
use sha2::{Digest as _, Sha256};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[track_caller]
fn refuses<T: std::fmt::Debug>(input: &[u8], parse: fn(&[u8]) -> Result<T, ChangeRefusal>) -> ChangeRefusal {
    check_cost(|| assert!(parse(input).is_err()));
    parse(input).unwrap_err()
}

/// What is accepted costs no more than what is refused.
#[track_caller]
fn accepts(body: &[u8]) {
    check_cost(|| drop(ForeignChange::parse(body).unwrap()));
}

/// The least time of several runs: the machine may be busy with other things.
#[expect(clippy::disallowed_methods, reason = "the time that a parse takes is what is tested")]
#[track_caller]
fn check_cost(run: impl Fn()) {
    let region = Region::new(ALLOCATOR);
    run();
    let allocated = region.change().bytes_allocated;
    assert!(allocated < 1 << 20, "{allocated} bytes");
    let times = (0..20).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    let least = times.min().unwrap();
    assert!(least < Duration::from_millis(1), "{least:?}");
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
    body_after(0, columns)
}

/// The body of a change that depends on so many others.
fn body_after(dependencies: u8, columns: &[(u64, &[u8])]) -> Vec<u8> {
    let mut body = vec![dependencies];
    (1..=dependencies).for_each(|dependency| body.extend_from_slice(&[dependency; 32]));
    body.push(16);
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

/// The most operations at marks of lists that a change may have, after three others: all at one, or each at its own.
fn marks(each: bool) -> Vec<u8> {
    let name = |mark: u8| [&[6][..], format!("{mark:03}/+[").as_bytes()].concat();
    let names = match each {
        false => [run(128, Some(4)), b"f/+[".to_vec()].concat(),
        // 128 values one by one, as a negative number.
        true => [&[0x80, 0x7f][..], &(0..128).flat_map(name).collect::<Vec<_>>()].concat(),
    };
    let once = |value| run(128, Some(value));
    body_after(
        3,
        &[(0x15, &names), (0x34, &run(128, None)), (0x42, &once(1)), (0x56, &once(2)), (0x70, &once(0))],
    )
}

/// A deflate stream (RFC 1951) in fixed Huffman codes: a zero, and then so often 258 copies of it, 13 bits each.
fn deflated(copies: usize) -> Vec<u8> {
    // The last block, of fixed codes; literal 0; codes from their highest bit on. The end is seven zeros.
    let copy = "11000101".chars().chain("00000".chars());
    let bits = "110".chars().chain("00110000".chars());
    let bits = bits.chain(std::iter::repeat_n(copy, copies).flatten()).chain("0000000".chars());
    let bits: Vec<u8> = bits.map(|bit| u8::from(bit == '1')).collect();
    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

/// A whole chunk of this kind.
fn chunk(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut tail = vec![kind];
    number(&mut tail, content.len() as u64);
    tail.extend_from_slice(content);
    let checksum = Sha256::digest(&tail);
    [&[0x85, 0x6f, 0x4a, 0x83][..], checksum.get(..4).unwrap(), &tail].concat()
}

/// Found by damaging a change of fields: Automerge applies it, and then saves what it refuses to load. One bit is set in
/// the number of a column, which makes it one of a column that nobody knows.
const UNLOADABLE: &str = "0010010101010101010101010101010101010101e80700000615223401c24202560a571c70027903302f6103302f\
    6203302f63046e616d65046e6f6e65057072696365047461677307070179a30114026600850137ffffffffffffffffff01007369746520310000\
    00000000f43f5b305d0700";

fn unloadable() -> Vec<u8> {
    let digits = UNLOADABLE.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
    digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
}

/// That Automerge does inflate the chunk, and does apply the change and cannot load what it saves then.
fn check_that_they_break_automerge(deflated: &[u8], unloadable: &[u8]) {
    let region = Region::new(ALLOCATOR);
    assert!(Change::from_bytes(deflated.to_vec()).is_err());
    assert!(region.change().bytes_allocated > 32 << 20, "{} bytes", region.change().bytes_allocated);
    let mut document = Automerge::new();
    document.apply_changes([Change::from_bytes(chunk(1, unloadable)).unwrap()]).unwrap();
    assert_eq!(document.get_heads().len(), 1);
    assert!(Automerge::load(&document.save()).is_err());
}

// One test: allocations are counted for the whole process.
#[test]
fn bombs_are_refused_at_once() {
    // Numbers whose sixth bit of the last byte is not set: signed and unsigned look alike.
    assert_eq!(refuses(&puts(10_000_000), ForeignChange::parse), ChangeRefusal::TooMany("operations"));
    assert_eq!(refuses(&puts(4_000), ForeignChange::parse), ChangeRefusal::TooMany("operations"));
    assert_eq!(refuses(&puts(u64::MAX >> 2), ForeignChange::parse), ChangeRefusal::TooMany("operations"));
    // A deflated change is not inflated to see what it is, nor is a deflated column.
    let bomb = deflated(150_000);
    assert!(bomb.len() <= CHANGE_BYTES_MAX);
    let packed = chunk(2, &bomb);
    let unpack = |chunk: &[u8]| ForeignChange::body(chunk).map(drop);
    assert_eq!(refuses(&packed, unpack), ChangeRefusal::Kind);
    assert_eq!(refuses(&body(&[(0x4a, &bomb)]), ForeignChange::parse), ChangeRefusal::Columns);
    check_that_they_break_automerge(&packed, &unloadable());
    assert_eq!(refuses(&unloadable(), ForeignChange::parse), ChangeRefusal::Columns);
    // The creation of each list that is marked is made: 148 bytes must not cost 128 documents of Automerge.
    assert_eq!(marks(false).len(), 148, "few bytes");
    accepts(&marks(false));
    accepts(&marks(true));
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
