//! Effects wait here until what they rest on is durable.

use crate::effect::Effect;
use crate::store::Turn;
use std::collections::VecDeque;

#[derive(Default)]
pub(crate) struct Turns {
    /// Of the turn that is going on.
    current: Vec<Effect>,
    /// Of turns whose batch is on its way.
    held: VecDeque<(Turn, Vec<Effect>)>,
    ready: VecDeque<Effect>,
}

impl Turns {
    /// Leaves once everything that the core has seen so far is durable.
    pub(crate) fn hold(&mut self, effect: Effect) {
        self.current.push(effect);
    }

    /// Leaves at once: it rests on durable rows only, or on none.
    pub(crate) fn release(&mut self, effect: Effect) {
        self.ready.push_back(effect);
    }

    /// The turn ended; what it held rests on batches up to `last_in_flight`.
    pub(crate) fn end(&mut self, last_in_flight: Option<Turn>) {
        let effects = std::mem::take(&mut self.current);
        match last_in_flight {
            Some(turn) if !effects.is_empty() => self.held.push_back((turn, effects)),
            Some(_) => {}
            None => self.ready.extend(effects),
        }
    }

    /// A turn and all before it are durable.
    pub(crate) fn settle(&mut self, turn: Turn) {
        while self.held.front().is_some_and(|(held, _)| *held <= turn) {
            let Some((_, effects)) = self.held.pop_front() else { return };
            self.ready.extend(effects);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Effect> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkId;

    fn effect(number: u8) -> Effect {
        Effect::Send { link: LinkId(0), bytes: vec![number] }
    }

    fn popped(turns: &mut Turns) -> Vec<u8> {
        let effects = std::iter::from_fn(|| turns.pop());
        effects.map(|effect| if let Effect::Send { bytes, .. } = effect { bytes[0] } else { 0 }).collect()
    }

    #[test]
    fn nothing_leaves_before_its_turn_is_durable() {
        let mut turns = Turns::default();
        turns.hold(effect(1));
        turns.end(Some(Turn(1)));
        turns.hold(effect(2));
        turns.release(effect(9));
        turns.end(Some(Turn(2)));
        assert_eq!(popped(&mut turns), [9]);
        turns.settle(Turn(1));
        assert_eq!(popped(&mut turns), [1]);
        turns.settle(Turn(2));
        assert_eq!(popped(&mut turns), [2]);
    }

    #[test]
    fn with_nothing_in_flight_effects_leave_when_the_turn_ends() {
        let mut turns = Turns::default();
        turns.hold(effect(1));
        assert!(popped(&mut turns).is_empty());
        turns.end(None);
        assert_eq!(popped(&mut turns), [1]);
    }
}
