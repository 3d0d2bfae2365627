//! Real sales: a sample of a week in grocery stores.

use super::{Change, Event, Scheduled};
use crate::dice::Dice;
use crate::topology::{NodeId, Topology};
use document::Space;
use replica::SpaceMode;
use std::collections::BTreeMap;

/// See the comment in the file.
const SALES: &str = include_str!("../../data/sales.csv");
/// Lines of a run: at least and at most.
const LINES: (u64, u64) = (30, 150);
/// Writes of sales are numbered from here, so that they share no number with others.
const FIRST_ID: u64 = 1_000_000;

/// A line of the file.
#[derive(serde::Deserialize)]
struct Line {
    time: String,
    store: u64,
    product: u64,
    quantity: i64,
}

impl Line {
    /// Seconds since midnight of the first day.
    fn second(&self) -> Option<u64> {
        let number = |from: usize| self.time.get(from..from + 2)?.parse::<u64>().ok();
        Some(((number(8)? * 24 + number(11)?) * 60 + number(14)?) * 60 + number(17)?)
    }
}

fn lines() -> Vec<Line> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(SALES.as_bytes());
    reader.deserialize().filter_map(Result::ok).collect()
}

/// Some of the sales one after another, each at the node that stands for its store, in the time that the run has.
pub(super) fn sales(topology: &Topology, duration_us: u64) -> Vec<Scheduled> {
    let mut dice = Dice::of(topology.seed, "sales", &[]);
    if !dice.chance(50) {
        return Vec::new();
    }
    let lines = lines();
    let count = usize::try_from(dice.between(LINES.0, LINES.1)).unwrap_or(0).min(lines.len());
    let first = usize::try_from(dice.below((lines.len() - count) as u64 + 1)).unwrap_or(0);
    let chosen = lines.get(first..first + count).unwrap_or_default();
    let seconds: Vec<u64> = chosen.iter().filter_map(Line::second).collect();
    let (Some(begin), Some(end)) = (seconds.first(), seconds.last()) else { return Vec::new() };
    let span = (end - begin).max(1);
    let mut stores: BTreeMap<u64, usize> = BTreeMap::new();
    let mut scheduled = Vec::new();
    for ((line, second), id) in chosen.iter().zip(&seconds).zip(FIRST_ID..) {
        let others = stores.len();
        let store = *stores.entry(line.store).or_insert(others);
        let node = NodeId(1 + store % topology.nodes.len().saturating_sub(1).max(1));
        let Some(space) = own_space(topology, node) else { continue };
        let event = Event::Write {
            id,
            node,
            space: space.as_str().to_owned(),
            key: line.product.to_string(),
            change: Change::Count(-line.quantity),
            retried: dice.chance(60),
        };
        scheduled.push(Scheduled { at_us: (second - begin) * duration_us / span, event });
    }
    scheduled
}

/// The space that the services of a node write.
fn own_space(topology: &Topology, node: NodeId) -> Option<&Space> {
    topology.spaces(node)?.iter().find(|(_, mode)| **mode == SpaceMode::Write).map(|(space, _)| space)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Shape;

    #[test]
    fn the_sample_is_read_whole_and_sold_in_the_order_of_time() {
        let lines = lines();
        assert_eq!((lines.len(), lines.iter().filter_map(Line::second).count()), (300, 300));
        let sold = (0..20).map(|seed| sales(&Topology::new(seed, Shape::Star, 4), 1_000_000));
        let sold = sold.max_by_key(Vec::len).unwrap();
        assert!(sold.len() >= 30 && sold.is_sorted_by_key(|scheduled| scheduled.at_us));
        assert!(sold.iter().all(|scheduled| scheduled.at_us <= 1_000_000));
    }
}
