//! Set reconciliation: which documents of a space have other heads at a peer, in bytes proportional to how many do.
//!
//! Rateless invertible Bloom lookup tables (Yang, Gilad, Alizadeh: Practical Rateless Set Reconciliation,
//! arXiv 2402.02668). A set's coded symbols are linear, so the difference of two replicas' symbols is the symbols of
//! the difference of their sets; it is decoded by peeling.

mod estimate;
mod item;
mod sketch;
mod symbols;

pub(crate) use estimate::{difference_of, symbols_for};
pub(crate) use item::{Item, ItemKey};
pub(crate) use sketch::{Scan, Sketch, Sketches, vector_of};
#[cfg(isle_planted)]
pub(crate) use symbols::Decoded;
pub(crate) use symbols::{Symbol, decode, pack, subtract, unpack};

/// Most symbols of a sketch: enough for about 5,500 documents that differ. Beyond, a listing costs less.
pub(crate) const SYMBOLS_MAX: usize = 16_384;
/// Symbols of the first batch, at most: from so many the difference is estimated within a tenth.
const FIRST_SYMBOLS_MAX: u64 = 256;
/// And at least.
const FIRST_SYMBOLS_MIN: u64 = 32;

/// Symbols of the first batch for a space with so many documents.
pub(crate) fn first_symbols(documents: u64) -> usize {
    usize::try_from((documents / 8).clamp(FIRST_SYMBOLS_MIN, FIRST_SYMBOLS_MAX)).unwrap_or(0)
}

/// Symbols kept for a space with so many documents: when a quarter of the items differ a listing costs less.
pub(crate) fn symbols_max(documents: u64) -> usize {
    let most = (documents / 2).saturating_add(FIRST_SYMBOLS_MAX);
    usize::try_from(most).unwrap_or(SYMBOLS_MAX).min(SYMBOLS_MAX)
}
