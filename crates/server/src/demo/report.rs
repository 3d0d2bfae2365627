//! What a run came to: for programs as JSON, for people as a table.

mod table;

pub(super) use table::print;

use std::time::Duration;

use serde::Serialize;

use super::board::{Board, ShopLine};
use super::check::Comparison;
use super::proxy::Traffic;

/// The result of a run. Durations are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// Whether every check holds.
    pub(super) ok: bool,
    pub(super) seed: u64,
    pub(super) wall_ms: u64,
    pub(super) units: Units,
    pub(super) stock: Comparison,
    pub(super) catalog: Comparison,
    /// Replicas that still had changes for each other when the wait for them ended.
    pub(super) not_converged: Vec<String>,
    pub(super) price_changes: usize,
    pub(super) price_rounds: u64,
    pub(super) baskets_while_cut: u64,
    pub(super) units_while_cut: u64,
    pub(super) kills: usize,
    pub(super) wire_bytes: u64,
    pub(super) shops: Vec<ShopReport>,
}

/// Units sold by all shops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Units {
    /// By the file.
    pub(super) expected: u64,
    /// By the stock at the hub.
    pub(super) hub: i64,
    /// By the stock at the shops.
    pub(super) shops: i64,
}

/// What came of one shop.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ShopReport {
    pub(super) site: String,
    pub(super) units_expected: u64,
    pub(super) units_hub: i64,
    pub(super) units_shop: i64,
    pub(super) cuts: usize,
    pub(super) baskets_while_cut: u64,
    pub(super) units_while_cut: u64,
    /// Of each heal, how long it took until shop and hub had each other's changes.
    pub(super) converged_after_ms: Vec<u64>,
    /// Of each kill, how long it took until the shop sold again.
    pub(super) restarted_after_ms: Vec<u64>,
    pub(super) price_round: u64,
    pub(super) traffic: Traffic,
}

/// What was read at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub(super) stock: Comparison,
    pub(super) catalog: Comparison,
    pub(super) not_converged: Vec<String>,
    /// In the order of the shops.
    pub(super) shops: Vec<ShopReading>,
}

/// Units sold, by the stock that is left, and the wire's count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShopReading {
    pub(super) units_hub: i64,
    pub(super) units_shop: i64,
    pub(super) traffic: Traffic,
}

impl Report {
    /// Puts together what was seen on the way and what was read at the end.
    pub(super) fn new(seed: u64, wall: Duration, board: &Board, reading: Reading) -> Self {
        let shops: Vec<ShopReport> = board
            .shops
            .iter()
            .zip(&reading.shops)
            .map(|(line, reading)| ShopReport::new(line, *reading))
            .collect();
        let units = Units {
            expected: board.shops.iter().map(|shop| shop.units_planned).sum(),
            hub: shops.iter().map(|shop| shop.units_hub).sum(),
            shops: shops.iter().map(|shop| shop.units_shop).sum(),
        };
        let ok = shops.len() == board.shops.len()
            && shops.iter().all(ShopReport::units_agree)
            && reading.stock.is_equal()
            && reading.catalog.is_equal()
            && reading.not_converged.is_empty();
        Self {
            ok,
            seed,
            wall_ms: milliseconds(wall),
            units,
            stock: reading.stock,
            catalog: reading.catalog,
            not_converged: reading.not_converged,
            price_changes: board.price_changes,
            price_rounds: board.price_round,
            baskets_while_cut: board.shops.iter().map(|shop| shop.baskets_while_cut).sum(),
            units_while_cut: board.shops.iter().map(|shop| shop.units_while_cut).sum(),
            kills: board.shops.iter().map(|shop| shop.restarted_after.len()).sum(),
            wire_bytes: shops.iter().map(|shop| shop.traffic.bytes()).sum(),
            shops,
        }
    }
}

impl ShopReport {
    fn new(line: &ShopLine, reading: ShopReading) -> Self {
        Self {
            site: line.site.clone(),
            units_expected: line.units_planned,
            units_hub: reading.units_hub,
            units_shop: reading.units_shop,
            cuts: line.cuts,
            baskets_while_cut: line.baskets_while_cut,
            units_while_cut: line.units_while_cut,
            converged_after_ms: line.converged_after.iter().copied().map(milliseconds).collect(),
            restarted_after_ms: line.restarted_after.iter().copied().map(milliseconds).collect(),
            price_round: line.state.price_round,
            traffic: reading.traffic,
        }
    }

    /// Whether hub and shop say that what was sold was sold.
    pub(super) fn units_agree(&self) -> bool {
        let expected = i64::try_from(self.units_expected).unwrap_or(i64::MAX);
        self.units_hub == expected && self.units_shop == expected
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
