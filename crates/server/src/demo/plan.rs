//! What goes wrong during the replayed week, and when: drawn from a seed, before anything starts.
//!
//! The same week and seed make the same plan. Times are since the start of the week.

mod cuts;
mod dice;
mod kills;
mod prices;

use std::sync::Arc;
use std::time::Duration;

use dice::Dice;

use super::data::{Cents, Week};

/// All that is to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// In the order of the week's shops.
    pub(super) shops: Vec<ShopPlan>,
    /// In order of time.
    pub(super) price_rounds: Vec<PriceRound>,
}

/// What is to happen to one shop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShopPlan {
    /// When its link is cut, in order of time and apart from each other.
    pub(super) cuts: Vec<Cut>,
    /// When its process is killed.
    pub(super) kill: Option<Kill>,
}

/// A time without a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) from: Duration,
    pub(super) until: Duration,
}

/// The end of a process by SIGKILL, while it is writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kill {
    /// The place of the basket among the shop's baskets: its lines are sent, and the process is killed before
    /// all of them are answered.
    pub(super) basket: usize,
}

/// New prices that the hub gives out together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PriceRound {
    /// From 1 on.
    pub(super) number: u64,
    pub(super) at: Duration,
    /// Each product at most once.
    pub(super) prices: Vec<(Arc<str>, Cents)>,
}

impl Plan {
    /// Draws a plan.
    pub(super) fn draw(week: &Week, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let cuts = cuts::draw(week, &mut dice);
        let kills = kills::draw(week, &cuts, &mut dice);
        let shops = cuts.into_iter().zip(kills).map(|(cuts, kill)| ShopPlan { cuts, kill }).collect();
        Self { shops, price_rounds: prices::draw(week, &mut dice) }
    }
}

#[cfg(test)]
mod tests;
