//! Five of eight shops lose their link: two of them for long and at the same time, one of them twice.

use std::time::Duration;

use super::super::data::{Shop, Week};
use super::Cut;
use super::dice::Dice;

/// Shops that are cut off for long; these cuts meet around the middle of the week.
const LONG_CUTS: usize = 2;

/// The cuts of each shop.
pub(super) fn draw(week: &Week, dice: &mut Dice) -> Vec<Vec<Cut>> {
    let shops = week.shops.len();
    let cut_off = (shops * 5 / 8).max(1);
    let order = dice.shuffled(shops);
    let mut cuts = vec![Vec::new(); shops];
    for (rank, shop) in order.into_iter().take(cut_off).enumerate() {
        let (Some(own), Some(shop)) = (cuts.get_mut(shop), week.shops.get(shop)) else { continue };
        if rank < LONG_CUTS {
            own.push(long(week.span, dice));
        } else {
            own.push(short(week.span, shop, 100..=600, dice));
        }
        // The first is cut off for long and, late in the week, for a while again.
        if rank == 0 {
            own.push(short(week.span, shop, 820..=900, dice));
        }
    }
    cuts
}

/// From before the middle of the week until after it.
fn long(span: Duration, dice: &mut Dice) -> Cut {
    let from = dice.share(span, 200, 400);
    Cut { from, until: from + dice.share(span, 300, 400) }
}

/// A shorter one, which starts with a sale of the shop within that part of the week (per mille), if there is one:
/// a cut during which nothing happens shows nothing.
fn short(span: Duration, shop: &Shop, part: std::ops::RangeInclusive<u32>, dice: &mut Dice) -> Cut {
    let earliest = dice.share(span, *part.start(), *part.start());
    let latest = dice.share(span, *part.end(), *part.end());
    let within = |at: &Duration| (earliest..=latest).contains(at);
    let sales: Vec<Duration> = shop.baskets.iter().map(|basket| basket.at).filter(within).collect();
    let from = dice.pick(&sales).copied();
    let from = from.unwrap_or_else(|| dice.share(span, *part.start(), *part.end()));
    Cut { from, until: from + dice.share(span, 60, 160) }
}
