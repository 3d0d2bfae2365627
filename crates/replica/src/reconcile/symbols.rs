use super::{Item, ItemKey};
use std::collections::VecDeque;

/// Most bytes of a symbol on the wire: two digests, a checksum, a number.
const PACKED_BYTES_MIN: usize = 8 + 8 + 8 + 1;

/// A coded symbol: the sum of the items that are added to it. Over differences the count may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Symbol {
    document: u64,
    heads: u64,
    checksum: u64,
    pub(super) count: i64,
}

impl Symbol {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn toggle(&mut self, item: &Item, checksum: u64, count: i64) {
        self.document ^= item.document;
        self.heads ^= item.heads;
        self.checksum ^= checksum;
        self.count = self.count.wrapping_add(count);
    }

    /// The one item that it is the sum of.
    fn item(&self, key: &ItemKey) -> Option<Item> {
        let item = Item { document: self.document, heads: self.heads };
        (self.count.unsigned_abs() == 1 && key.checksum(&item) == self.checksum).then_some(item)
    }
}

/// The symbols that an item is added to, in order, the first always: item x is in symbol i with probability
/// 2 / (2 + i). From symbol i the next is
///
/// ```text
/// i + max(1, ⌈(2i + 3)(2³² − s) / 2s⌉)   with s = ⌊√r⌋ + 1
/// ```
///
/// with r the next number of SplitMix64 (Steele, Lea, Flood 2014) seeded by the item's checksum: section 4.2 of the
/// paper with α = ½, in whole numbers, so that every machine maps alike.
struct Places {
    state: u64,
    place: u64,
}

impl Places {
    fn of(checksum: u64) -> Self {
        Self { state: checksum, place: 0 }
    }

    fn advance(&mut self) {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut r = self.state;
        r = (r ^ (r >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        r = (r ^ (r >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        r ^= r >> 31;
        let root = r.isqrt() + 1;
        // Places stay far below 2³⁰: the caller stops at its last symbol.
        let ahead = (2 * self.place + 3).saturating_mul((1 << 32) - root).div_ceil(2 * root);
        self.place = self.place.saturating_add(ahead.max(1));
    }
}

/// Adds an item, or with a count of -1 takes it away.
pub(super) fn toggle(symbols: &mut [Symbol], item: &Item, checksum: u64, count: i64) {
    let mut places = Places::of(checksum);
    while let Some(symbol) = usize::try_from(places.place).ok().and_then(|place| symbols.get_mut(place)) {
        symbol.toggle(item, checksum, count);
        places.advance();
    }
}

/// The symbols of the difference: of what is in `theirs` and not in `ours` with count 1, the other way with -1.
pub(crate) fn subtract(theirs: &[Symbol], ours: &[Symbol]) -> Vec<Symbol> {
    let difference = |(theirs, ours): (&Symbol, &Symbol)| Symbol {
        document: theirs.document ^ ours.document,
        heads: theirs.heads ^ ours.heads,
        checksum: theirs.checksum ^ ours.checksum,
        count: theirs.count.wrapping_sub(ours.count),
    };
    theirs.iter().zip(ours).map(difference).collect()
}

/// How two sets differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Items that only they have.
    pub(crate) theirs: Vec<Item>,
    /// Items that only this side has.
    pub(crate) ours: Vec<Item>,
}

/// The items of a difference; `None` when there are too few symbols for it, or they are of no two sets.
pub(crate) fn decode(key: &ItemKey, mut symbols: Vec<Symbol>) -> Option<Decoded> {
    let mut decoded = Decoded::default();
    let mut waiting: VecDeque<usize> = (0..symbols.len()).collect();
    // Each item found empties a symbol for good, unless the symbols are forged.
    let mut left = symbols.len();
    while let Some(place) = waiting.pop_front() {
        let Some(symbol) = symbols.get(place).copied() else { continue };
        let Some(item) = symbol.item(key) else { continue };
        left = left.checked_sub(1)?;
        if symbol.count > 0 { &mut decoded.theirs } else { &mut decoded.ours }.push(item);
        let mut places = Places::of(symbol.checksum);
        #[cfg(isle_planted)]
        if crate::planted::is(crate::planted::Bug::SymbolOffByOne) {
            places.place += 1;
        }
        while let Some(place) = usize::try_from(places.place).ok().filter(|place| *place < symbols.len()) {
            if let Some(other) = symbols.get_mut(place) {
                other.toggle(&item, symbol.checksum, -symbol.count);
                if other.count.unsigned_abs() == 1 {
                    waiting.push_back(place);
                }
            }
            places.advance();
        }
    }
    // Every item is in the first symbol.
    symbols.first().is_some_and(Symbol::is_empty).then_some(decoded)
}

/// Symbols as they are sent: digests and checksum, and how the count differs from what a set of `items` has there on
/// average, as a zigzag variable-length number: 25 to 27 bytes each.
pub(crate) fn pack(symbols: &[Symbol], first: usize, items: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(symbols.len() * (PACKED_BYTES_MIN + 1));
    for (symbol, place) in symbols.iter().zip(first..) {
        for part in [symbol.document, symbol.heads, symbol.checksum] {
            bytes.extend_from_slice(&part.to_be_bytes());
        }
        push_signed(&mut bytes, symbol.count.wrapping_sub(expected(place, items)));
    }
    bytes
}

/// Reads what [`pack`] wrote; `None` when it is not that.
pub(crate) fn unpack(mut bytes: &[u8], first: usize, items: u64) -> Option<Vec<Symbol>> {
    let mut symbols = Vec::with_capacity(bytes.len() / PACKED_BYTES_MIN);
    while !bytes.is_empty() {
        let mut parts = [0; 3];
        for part in &mut parts {
            let (head, rest) = bytes.split_first_chunk::<8>()?;
            (*part, bytes) = (u64::from_be_bytes(*head), rest);
        }
        let [document, heads, checksum] = parts;
        let (off, rest) = take_signed(bytes)?;
        bytes = rest;
        let count = off.wrapping_add(expected(first + symbols.len(), items));
        symbols.push(Symbol { document, heads, checksum, count });
    }
    Some(symbols)
}

fn expected(place: usize, items: u64) -> i64 {
    let items = i64::try_from(items).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
    items * 2 / i64::try_from(place + 2).unwrap_or(i64::MAX)
}

fn push_signed(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        bytes.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            return;
        }
    }
}

fn take_signed(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_u64;
    for (byte, shift) in bytes.iter().zip((0..64).step_by(7)) {
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (_, rest) = bytes.split_at_checked(shift / 7 + 1)?;
            return Some(((value >> 1).cast_signed() ^ -(value & 1).cast_signed(), rest));
        }
    }
    None
}

#[cfg(test)]
mod tests;
