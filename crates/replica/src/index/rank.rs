//! Where a value stands in an index: bytes whose order is the order of values.
//!
//! | first byte | values | what follows |
//! |---|---|---|
//! | 1 | the field is not there | |
//! | 2, 3, 4 | null, false, true | |
//! | 5 | numbers, in one order whatever their form | the greatest double that is no greater, as ordered bits; what is left of an integer, 2 bytes |
//! | 6 | strings, by their bytes | the bytes, each 0 as 0 255; then 0. Of a longer one the first 64 bytes, then 1 |
//! | 7 | arrays and objects, all alike | |
//!
//! A rank ends itself, so that a document's key can follow it; no key starts with 255.

use crate::keys;
use serde_json::{Number, Value};
use std::ops::Range;

/// Bytes of a string that count for its rank; longer strings that begin alike have one rank.
pub(crate) const STRING_BYTES_MAX: usize = 64;

const MISSING: u8 = 1;
const NULL: u8 = 2;
const FALSE: u8 = 3;
const TRUE: u8 = 4;
const NUMBER: u8 = 5;
const STRING: u8 = 6;
const COMPOUND: u8 = 7;
/// Ends a string that was cut; more than the 0 that ends a whole one.
const CUT: u8 = 1;
const NUMBER_BYTES: usize = 10;

/// The rank of a field's value; `None` is a field that is not there.
pub(crate) fn of(value: Option<&Value>) -> Vec<u8> {
    match value {
        None => vec![MISSING],
        Some(Value::Null) => vec![NULL],
        Some(Value::Bool(false)) => vec![FALSE],
        Some(Value::Bool(true)) => vec![TRUE],
        Some(Value::Number(number)) => [&[NUMBER], number_bytes(number).as_slice()].concat(),
        Some(Value::String(text)) => string(text),
        Some(Value::Array(_) | Value::Object(_)) => vec![COMPOUND],
    }
}

fn string(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut rank = Vec::with_capacity(bytes.len().min(STRING_BYTES_MAX) + 2);
    rank.push(STRING);
    match bytes.get(..STRING_BYTES_MAX) {
        Some(first) if bytes.len() > STRING_BYTES_MAX => {
            keys::push_escaped(&mut rank, first);
            rank.push(CUT);
        }
        Some(_) | None => keys::push_terminated(&mut rank, bytes),
    }
    rank
}

/// Orders as the numbers do, exactly: doubles, and integers of 64 bits that no double is equal to.
pub(crate) fn number_bytes(number: &Number) -> [u8; NUMBER_BYTES] {
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let (below, rest) = match integer {
        Some(integer) => split_integer(integer),
        // Minus zero is zero.
        None => (number.as_f64().unwrap_or_default() + 0.0, 0),
    };
    let bits = below.to_bits();
    let ordered = if below.is_sign_negative() { !bits } else { bits | (1 << 63) };
    let mut bytes = [0; NUMBER_BYTES];
    let (first, last) = bytes.split_at_mut(8);
    first.copy_from_slice(&ordered.to_be_bytes());
    last.copy_from_slice(&rest.to_be_bytes());
    bytes
}

/// An integer as the greatest double that is no greater, and the rest. Doubles below 2^64 are at most 2,048 apart.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a double within 2^64 of zero is a whole number of an i128"
)]
fn split_integer(integer: i128) -> (f64, u16) {
    let nearest = integer as f64;
    let below = if nearest as i128 > integer { nearest.next_down() } else { nearest };
    (below, u16::try_from(integer - below as i128).unwrap_or(u16::MAX))
}

/// Bytes of the rank that starts `bytes`; `None` when none does.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        MISSING | NULL | FALSE | TRUE | COMPOUND => Some(1),
        NUMBER => (bytes.len() > NUMBER_BYTES).then_some(1 + NUMBER_BYTES),
        STRING => string_length(bytes),
        _ => None,
    }
}

fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    for _ in 0..STRING_BYTES_MAX {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (0, Some(0xff)) => at += 2,
            (0, _) => return Some(at + 1),
            (_, _) => at += 1,
        }
    }
    matches!(bytes.get(at)?, 0 | 1).then_some(at + 1)
}

/// Every rank from `first` to `last`, whatever key follows.
pub(crate) fn between(first: &[u8], last: &[u8]) -> Range<Vec<u8>> {
    first.to_vec()..[last, keys::AFTER_KEYS].concat()
}

/// One rank, whatever key follows.
pub(crate) fn point(rank: &[u8]) -> Range<Vec<u8>> {
    between(rank, rank)
}

/// Every rank of the same kind as `rank`, up to and including it.
pub(crate) fn up_to(rank: &[u8]) -> Range<Vec<u8>> {
    between(kind(rank), rank)
}

/// `rank` and every later one of its kind.
pub(crate) fn from(rank: &[u8]) -> Range<Vec<u8>> {
    rank.to_vec()..after_kind(kind(rank))
}

/// Every rank of the same kind before `rank`; with it where other strings have it, too.
pub(crate) fn before(rank: &[u8]) -> Range<Vec<u8>> {
    if is_cut(rank) { up_to(rank) } else { kind(rank).to_vec()..rank.to_vec() }
}

/// Every later rank of the same kind; with `rank` where other strings have it, too.
pub(crate) fn after(rank: &[u8]) -> Range<Vec<u8>> {
    if is_cut(rank) { from(rank) } else { [rank, keys::AFTER_KEYS].concat()..after_kind(kind(rank)) }
}

fn is_cut(rank: &[u8]) -> bool {
    rank.first() == Some(&STRING) && rank.last() == Some(&CUT)
}

/// Every rank.
pub(crate) fn all() -> Range<Vec<u8>> {
    vec![MISSING]..vec![COMPOUND + 1]
}

/// Every string that may begin with `prefix`.
pub(crate) fn strings_from(prefix: &str) -> Range<Vec<u8>> {
    let mut first = vec![STRING];
    let bytes = prefix.as_bytes();
    keys::push_escaped(&mut first, bytes.get(..STRING_BYTES_MAX).unwrap_or(bytes));
    // UTF-8 has no byte 255, and an escape follows only a 0, which a prefix may end with.
    let last = [first.as_slice(), &[0xff; 2]].concat();
    first..last
}

/// Booleans are one kind to comparisons.
fn kind(rank: &[u8]) -> &[u8] {
    match rank.first() {
        Some(&(FALSE | TRUE)) => &[FALSE],
        _ => rank.get(..1).unwrap_or_default(),
    }
}

fn after_kind(kind: &[u8]) -> Vec<u8> {
    match kind.first() {
        Some(&FALSE) => vec![TRUE + 1],
        Some(first) => vec![first.saturating_add(1)],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
