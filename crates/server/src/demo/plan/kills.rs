//! Two processes are killed while they write: one whose link is cut, and one whose link is not.

use super::super::data::{Basket, Week};
use super::dice::Dice;
use super::{Cut, Kill};

/// Lines of a basket from which on a kill surely falls between them.
const LINES_MIN: usize = 4;

/// The kill of each shop, if it has one.
pub(super) fn draw(week: &Week, cuts: &[Vec<Cut>], dice: &mut Dice) -> Vec<Option<Kill>> {
    let mut kills = vec![None; week.shops.len()];
    for while_cut in [true, false] {
        let candidates: Vec<(usize, usize)> = week
            .shops
            .iter()
            .zip(cuts)
            .enumerate()
            .filter(|(shop, _)| kills.get(*shop).is_some_and(Option::is_none))
            .flat_map(|(shop, (sales, cuts))| {
                let baskets = sales.baskets.iter().enumerate();
                let fitting = baskets.filter(move |(_, basket)| fits(week, basket, cuts, while_cut));
                fitting.map(move |(basket, _)| (shop, basket))
            })
            .collect();
        if let Some((shop, basket)) = dice.pick(&candidates)
            && let Some(kill) = kills.get_mut(*shop)
        {
            *kill = Some(Kill { basket: *basket });
        }
    }
    kills
}

/// Whether the process may be killed at this basket: well inside a cut, or well outside of all; not at the very
/// beginning or end of the week.
fn fits(week: &Week, basket: &Basket, cuts: &[Cut], while_cut: bool) -> bool {
    let margin = week.span / 25;
    let inside = |cut: &Cut| cut.from + margin / 4 <= basket.at && basket.at + margin <= cut.until;
    let near = |cut: &Cut| cut.from <= basket.at + margin && basket.at <= cut.until + margin;
    let placed = if while_cut { cuts.iter().any(inside) } else { !cuts.iter().any(near) };
    let middle = week.span / 8..=week.span / 8 * 7;
    basket.lines.len() >= LINES_MIN && middle.contains(&basket.at) && placed
}
