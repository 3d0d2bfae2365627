//! What services do: each seed draws its own weights, so that some runs see one kind of writes often.

use super::Scheduled;
use super::change::{Change, Discarded, bin};
use super::stock::Stock;
use crate::dice::Dice;
use crate::topology::NodeId;

/// Documents of each kind and space: few, so that writers meet in them.
const DOCUMENTS: u64 = 12;
/// Documents that are deleted now and then, of each kind and space.
const DISCARDED_DOCUMENTS: u64 = 3;
/// Bytes of a note, at most: a few of them fill a frame, and some dozens the window of a link.
const NOTE_BYTES_MAX: u64 = 60_000;
/// A write that makes a counter start adds so much, at most.
const STOCK_MAX: u64 = 100;
/// Tags that are put on pages.
const TAGS: u64 = 6;
/// The weight of a kind of writes, at most.
const WEIGHT_MAX: u64 = 8;

/// A kind of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Goods,
    Notes,
    Promises,
    Moves,
    Patches,
    Pages,
    Baskets,
    Seasons,
    Devices,
}

/// All kinds but the goods, which every seed has.
const DRAWN: [Kind; 8] = [
    Kind::Notes,
    Kind::Promises,
    Kind::Moves,
    Kind::Patches,
    Kind::Pages,
    Kind::Baskets,
    Kind::Seasons,
    Kind::Devices,
];

/// What the services of a seed do.
pub(super) struct Workload {
    weights: Vec<(Kind, u64)>,
    nodes: u64,
    stock: Option<Stock>,
}

impl Workload {
    pub(super) fn new(seed: u64, nodes: usize, stock: Option<Stock>) -> Self {
        let mut weights = vec![(Kind::Goods, WEIGHT_MAX)];
        for kind in DRAWN {
            let mut dice = Dice::of(seed, "weight", &[kind as u64]);
            // Notes are long: most seeds do without.
            let percent = if kind == Kind::Notes { 25 } else { 70 };
            let weight = if dice.chance(percent) { dice.between(1, WEIGHT_MAX) } else { 0 };
            weights.push((kind, weight));
        }
        Self { weights, nodes: nodes as u64, stock }
    }

    /// What is written before anything else.
    pub(super) fn load(&self, seed: u64) -> Vec<Scheduled> {
        self.stock.as_ref().map_or_else(Vec::new, |stock| stock.load(seed))
    }

    /// A write to a space: the document's key, and what is done to it.
    pub(super) fn write(&self, space: &str, dice: &mut Dice) -> Option<(String, Change)> {
        if space == "catalog" || (space == "shared" && dice.chance(15)) {
            return Some((self.product(space, dice), Change::Price));
        }
        match self.kind(dice) {
            Kind::Goods => Some((self.product(space, dice), goods(dice)?)),
            Kind::Notes => {
                let bytes = usize::try_from(dice.below(NOTE_BYTES_MAX)).ok()?;
                Some((product(dice), Change::Note(bytes)))
            }
            Kind::Promises => Some((product(dice), self.promise(dice)?)),
            Kind::Moves => {
                let (others, by) = (dice.between(1, 3), i64::try_from(dice.between(1, 9)).ok()?);
                let change = match dice.below(10) {
                    0..2 => Change::Grant(dice.between(1, STOCK_MAX)),
                    _ => Change::Move { others, by, promised: dice.chance(25) },
                };
                Some((bin(dice.below(DOCUMENTS)), change))
            }
            Kind::Patches => Some((self.product(space, dice), Change::Patch)),
            Kind::Pages => Some((discarded("page", dice), page(dice)?)),
            Kind::Baskets => Some((discarded("basket", dice), basket(dice)?)),
            Kind::Devices => Some((format!("device-{}", dice.below(DOCUMENTS)), Change::Report)),
            Kind::Seasons => Some((discarded("season", dice), self.season(dice)?)),
        }
    }

    fn product(&self, space: &str, dice: &mut Dice) -> String {
        let stocked = self.stock.as_ref().and_then(|stock| stock.product(space, dice));
        stocked.unwrap_or_else(|| product(dice))
    }

    fn kind(&self, dice: &mut Dice) -> Kind {
        let mut drawn = dice.below(self.weights.iter().map(|(_, weight)| weight).sum());
        for (kind, weight) in &self.weights {
            match drawn.checked_sub(*weight) {
                None => return *kind,
                Some(left) => drawn = left,
            }
        }
        Kind::Goods
    }

    fn promise(&self, dice: &mut Dice) -> Option<Change> {
        Some(match dice.below(10) {
            0..2 => Change::Grant(dice.between(1, STOCK_MAX)),
            2..4 => {
                let to = NodeId(usize::try_from(dice.below(self.nodes)).ok()?);
                Change::Transfer { to, by: dice.between(1, STOCK_MAX / 4) }
            }
            _ => Change::Spend(dice.between(1, STOCK_MAX / 10)),
        })
    }

    /// Goods that are deleted, and put again.
    fn season(&self, dice: &mut Dice) -> Option<Change> {
        match dice.below(10) {
            0..2 => Some(Change::Discard(Discarded::Goods)),
            2..5 => self.promise(dice),
            5 => Some(Change::Patch),
            _ => goods(dice),
        }
    }
}

fn product(dice: &mut Dice) -> String {
    format!("product-{}", dice.below(DOCUMENTS))
}

fn discarded(what: &str, dice: &mut Dice) -> String {
    format!("{what}-{}", dice.below(DISCARDED_DOCUMENTS))
}

fn goods(dice: &mut Dice) -> Option<Change> {
    let units = i64::try_from(dice.between(1, STOCK_MAX)).ok()?;
    Some(match dice.below(100) {
        0..60 => Change::Count(-(units % 5) - 1),
        60..80 => Change::Shelve,
        _ => Change::Stock(units),
    })
}

fn page(dice: &mut Dice) -> Option<Change> {
    let index = usize::try_from(dice.below(20)).ok()?;
    let delete = usize::try_from(dice.below(6)).ok()?;
    Some(match dice.below(20) {
        0 => Change::Discard(Discarded::Page),
        1..4 => Change::Page,
        4..8 => Change::Type { index: 0, delete: 0 },
        8..13 => Change::Type { index, delete },
        _ => Change::Tag { tag: dice.below(TAGS), added: dice.chance(60) },
    })
}

fn basket(dice: &mut Dice) -> Option<Change> {
    let index = usize::try_from(dice.below(4)).ok()?;
    Some(match dice.below(20) {
        0 => Change::Discard(Discarded::Basket),
        1..4 => Change::Basket,
        4 => Change::Pay,
        5..9 => Change::Scan { index: 0 },
        9..15 => Change::Scan { index },
        _ => Change::Unscan { index, delete: usize::try_from(dice.between(1, 2)).ok()? },
    })
}
