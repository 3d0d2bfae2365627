//! How many items differ, before they can be decoded: from the counts of the difference's symbols.

use super::symbols::Symbol;

/// An estimate of how many items two sets differ in.
///
/// With d items, of which δ more are theirs than ours, the count of symbol i has mean δρ and variance about dρ(1 − ρ)
/// with ρ = 2 / (2 + i). So d is estimated by the mean of (count − δρ)² / ρ(1 − ρ) over the symbols; δ is the count of
/// the first, to which every item is added. Off by a factor of 1 ± √(2 / symbols) or so.
pub(crate) fn difference_of(symbols: &[Symbol]) -> u64 {
    let surplus = symbols.first().map_or(0, |symbol| i128::from(symbol.count));
    let (mut sum, mut terms) = (0_u128, 0_u128);
    for (symbol, place) in symbols.iter().zip(0_i128..).skip(1) {
        // (count − 2δ / (2 + i))² · (2 + i)² / 2i, in whole numbers.
        let off = i128::from(symbol.count) * (place + 2) - 2 * surplus;
        let square = off.unsigned_abs().saturating_mul(off.unsigned_abs());
        sum = sum.saturating_add(square / (2 * place).unsigned_abs());
        terms += 1;
    }
    let spread = sum.checked_div(terms).unwrap_or(0);
    u64::try_from(spread).unwrap_or(u64::MAX).max(u64::try_from(surplus.unsigned_abs()).unwrap_or(u64::MAX))
}

/// Symbols that decode a difference estimated as so many items, mostly: 1.35 to 1.55 each are needed, and the estimate
/// may be low.
pub(crate) fn symbols_for(difference: u64) -> usize {
    usize::try_from(difference.saturating_mul(8) / 5).unwrap_or(usize::MAX).saturating_add(32)
}
