//! The hub changes prices: some products again and again, each by a few percent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::data::{Cents, Week};
use super::PriceRound;
use super::dice::Dice;

const ROUNDS: u32 = 8;
/// Price changes of a round.
const CHANGES: usize = 5;

/// The rounds in order of time.
pub(super) fn draw(week: &Week, dice: &mut Dice) -> Vec<PriceRound> {
    let products: Vec<&Arc<str>> = week.products.keys().collect();
    let mut present: BTreeMap<&Arc<str>, Cents> =
        week.products.iter().map(|(id, product)| (id, product.price)).collect();
    let slot = week.span / (ROUNDS + 1);
    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        let mut prices = BTreeMap::new();
        // Products may be fewer than changes, and a throw may repeat: the map keeps each once.
        for _ in 0..CHANGES {
            let Some(id) = dice.pick(&products).copied() else { continue };
            if prices.contains_key(id) {
                continue;
            }
            let Some(price) = present.get_mut(id) else { continue };
            *price = changed(*price, dice);
            prices.insert(Arc::clone(id), *price);
        }
        let jitter = dice.share(slot, 0, 500);
        rounds.push(PriceRound {
            number: u64::from(number),
            at: slot * (number - 1) + slot / 2 + jitter,
            prices: prices.into_iter().collect(),
        });
    }
    rounds
}

/// 5 to 20 % more or less, and never the same.
fn changed(price: Cents, dice: &mut Dice) -> Cents {
    let difference = (price.0 * u64::from(dice.within(5..=20)) / 100).max(1);
    if dice.below(2) == 0 && price.0 > difference {
        Cents(price.0 - difference)
    } else {
        Cents(price.0.saturating_add(difference))
    }
}
