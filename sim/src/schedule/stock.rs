//! A space with many goods, which somebody loads before anything is sold.

use super::{Change, Event, Scheduled};
use crate::dice::Dice;
use crate::topology::{self, NodeId, Topology};
use replica::SpaceMode;

/// Of 100 worlds so many have such a space; and of those whose lines are poor, where it takes long to give it to anyone.
const STOCK_PERCENT: (u64, u64) = (6, 35);
/// Goods: at least and at most. All documents of the space fit on one page of a query.
const GOODS: (u64, u64) = (200, 800);
/// Of 100 writes of goods of the space, so many are of one of these.
const GOODS_PERCENT: u64 = 70;
/// When the first is loaded, in microseconds, at most.
const BEGIN_US_MAX: u64 = 3_000_000;
/// From one to the next, in microseconds, at most.
const STEP_US_MAX: u64 = 2_000;
/// Writes that load goods are numbered from here, so that they share no number with others.
const FIRST_ID: u64 = 2_000_000;
/// A product's first number in stock, at most.
const UNITS_MAX: u64 = 100;

/// The goods of a space that has many.
pub(super) struct Stock {
    node: NodeId,
    space: String,
    goods: u64,
}

impl Stock {
    /// The one of a seed, if there is one.
    pub(super) fn of(topology: &Topology) -> Option<Self> {
        let mut dice = Dice::of(topology.seed, "stock", &[]);
        let (anywhere, remote) = STOCK_PERCENT;
        if !dice.chance(if topology::is_remote(topology.seed) { remote } else { anywhere }) {
            return None;
        }
        let node = NodeId(usize::try_from(dice.below(topology.nodes.len() as u64)).ok()?);
        let writable = topology.spaces(node)?.iter().filter(|(_, mode)| **mode == SpaceMode::Write);
        let writable: Vec<_> = writable.map(|(space, _)| space.as_str()).collect();
        let space = (*dice.pick(&writable)?).to_owned();
        Some(Self { node, space, goods: dice.between(GOODS.0, GOODS.1) })
    }

    /// One of the goods of a space, mostly, where it has many.
    pub(super) fn product(&self, space: &str, dice: &mut Dice) -> Option<String> {
        (space == self.space && dice.chance(GOODS_PERCENT)).then(|| key(dice.below(self.goods)))
    }

    /// The writes that load them.
    pub(super) fn load(&self, seed: u64) -> Vec<Scheduled> {
        let mut dice = Dice::of(seed, "load", &[]);
        let (begin_us, step_us) = (dice.below(BEGIN_US_MAX), dice.between(1, STEP_US_MAX));
        let write = |number| {
            let units = i64::try_from(dice.between(1, UNITS_MAX)).unwrap_or(1);
            let change = if self.space == "catalog" { Change::Price } else { Change::Stock(units) };
            let (id, node, space) = (FIRST_ID + number, self.node, self.space.clone());
            let event = Event::Write { id, node, space, key: key(number), change, retried: true };
            Scheduled { at_us: begin_us + number * step_us, event }
        };
        (0..self.goods).map(write).collect()
    }
}

fn key(number: u64) -> String {
    format!("goods-{number}")
}
