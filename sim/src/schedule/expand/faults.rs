//! Which faults a seed has, and what happens to nodes.

use super::{CLOCK_PERCENT, Expansion};
use crate::dice::Dice;
use crate::network::Direction;
use crate::schedule::{Event, Scheduled};
use crate::topology::{NodeId, Shape};

/// Faults of one kind in a run, at most.
const FAULTS_MAX: u64 = 8;
/// And of a kind that goes on for long.
const LONG_MAX: u64 = 3;
/// Of 100 seeds so many have sites that come late.
const LATE_PERCENT: u64 = 15;
/// Of 100 seeds so many end with a core that must converge though everything else fails.
const CORE_PERCENT: u64 = 40;
/// How far a wall clock is wrong, in milliseconds: some minutes, or ten years.
const CLOCK_WRONG_MS: [u64; 2] = [600_000, 10 * 365 * 86_400_000];

/// Makes a fault: what happens, and how long after it begins.
type Make<'a> = dyn Fn(&mut Dice) -> Vec<(u64, Event)> + 'a;

impl Expansion {
    /// Each kind of fault is drawn or not; `percent` of 100 seeds have it.
    pub(super) fn faults(&self) -> Vec<Scheduled> {
        let copies_percent = if self.topology.shape == Shape::Mesh { 40 } else { 15 };
        let copies_percent = if self.authority { 0 } else { copies_percent };
        let are_copied = self.dice("old-copy", u64::MAX).chance(copies_percent);
        // Who lost its disk takes either branch from whoever comes first, and passes it on. A star's hub loses none.
        let loses_percent = if are_copied && self.topology.shape != Shape::Star { 0 } else { 12 };
        let mut events = Vec::new();
        let mut some = |(percent, most): (u64, u64), purpose: &str, make: &Make<'_>| {
            let is_drawn = self.dice(purpose, u64::MAX).chance(percent);
            let count = if is_drawn { self.dice(purpose, u64::MAX - 1).between(1, most) } else { 0 };
            for number in 0..count {
                let mut dice = self.dice(purpose, number);
                let at_us = self.moment_us(&mut dice);
                let made = make(&mut dice).into_iter();
                events.extend(made.map(|(later_us, event)| Scheduled { at_us: at_us + later_us, event }));
            }
        };
        some((20, LONG_MAX), "train", &|dice| self.train(dice));
        some((20, LONG_MAX), "outage", &|dice| self.outage(dice));
        some((loses_percent, LONG_MAX), "lost-on-return", &|dice| self.lost_on_return(dice));
        let mut add = |percent, purpose: &str, make: &Make<'_>| some((percent, FAULTS_MAX), purpose, make);
        let one = |event: Option<Event>| event.into_iter().map(|event| (0, event)).collect();
        add(60, "cut", &|dice| one(self.cut(dice, Direction::Both, (100_000, 15_000_000))));
        add(35, "one-way", &|dice| {
            let direction = if dice.chance(50) { Direction::Up } else { Direction::Down };
            one(self.cut(dice, direction, (100_000, 10_000_000)))
        });
        for flap in 0..4 {
            let purpose = format!("flap-{flap}");
            add(12, &purpose, &|dice| one(self.cut(dice, Direction::Both, (10_000, 2_500_000))));
        }
        add(15, "swizzle", &|dice| self.swizzle(dice));
        add(20, "partition", &|dice| self.partition(dice));
        add(50, "crash", &|dice| one(self.crash(dice)));
        add(30, "pause", &|dice| one(self.pause(dice)));
        add(20, "full", &|dice| one(self.full(dice)));
        add(20, "eio", &|dice| one(self.any_node(dice).map(|node| Event::Eio { node })));
        add(20, "slow", &|dice| one(self.slow(dice)));
        add(loses_percent, "rot", &|dice| one(self.rot(dice)));
        add(loses_percent, "wipe", &|dice| one(self.wipe(dice)));
        add(loses_percent, "restore", &|dice| self.restore(dice));
        add(copies_percent, "old-copy", &|dice| self.old_copy(dice));
        add(CLOCK_PERCENT, "clock", &|dice| one(self.clock(dice)));
        if self.dice("late", u64::MAX).chance(LATE_PERCENT) {
            let late = (0..self.topology.links.len() as u64).filter_map(|number| self.late(number));
            events.extend(late.map(|event| Scheduled { at_us: 0, event }));
        }
        events
    }

    fn crash(&self, dice: &mut Dice) -> Option<Event> {
        let node = self.any_node(dice)?;
        let keep_percent = *dice.pick(&[0, 0, 30, 60, 100])?;
        Some(Event::Crash { node, keep_percent, down_us: dice.between(10_000, 6_000_000) })
    }

    fn pause(&self, dice: &mut Dice) -> Option<Event> {
        Some(Event::Pause { node: self.any_node(dice)?, for_us: dice.between(5_000, 5_000_000) })
    }

    fn clock(&self, dice: &mut Dice) -> Option<Event> {
        let node = self.any_node(dice)?;
        let most = i64::try_from(*dice.pick(&CLOCK_WRONG_MS)?).ok()?;
        let wrong_ms = i64::try_from(dice.below(2 * most.unsigned_abs())).ok()? - most;
        Some(Event::Clock { node, wrong_ms })
    }

    /// Nodes that are linked with each other: one, and neighbours of those that are in already.
    pub(super) fn core(&self) -> Option<Event> {
        let mut dice = self.dice("core", 0);
        let honest = |node: &NodeId| self.topology.stranger.is_none_or(|stranger| stranger.node != *node);
        if !dice.chance(CORE_PERCENT) {
            return None;
        }
        let size = usize::try_from(dice.between(2, self.topology.nodes.len() as u64)).ok()?;
        let mut nodes = vec![self.any_node(&mut dice).filter(honest).unwrap_or(NodeId(0))];
        while nodes.len() < size {
            let ends = self.topology.links.iter().map(|link| (link.dialer, link.acceptor));
            let both = ends.flat_map(|(one, other)| [(one, other), (other, one)]);
            let next = both.filter(|(one, other)| nodes.contains(one) && !nodes.contains(other));
            let next: Vec<_> = next.map(|(_, other)| other).filter(honest).collect();
            let Some(next) = dice.pick(&next) else { break };
            nodes.push(*next);
        }
        nodes.sort_unstable();
        Some(Event::Core { nodes })
    }
}
