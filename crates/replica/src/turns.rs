//! Effects wait here until what they rest on is durable.

use crate::effect::{Effect, LinkId};
use crate::store::Turn;
use std::collections::VecDeque;

#[derive(Default)]
pub(crate) struct Turns {
    /// Of the turn that is going on.
    current: Vec<Effect>,
    /// For services, of turns whose batch is on its way: they leave when it outlives the process.
    replies: VecDeque<(Turn, Vec<Effect>)>,
    /// For peers, of such turns: they leave when it is durable.
    held: VecDeque<(Turn, Vec<Effect>)>,
    /// Batches up to this turn outlive the process.
    written: Turn,
    /// The last turn that ended with a batch on its way.
    ended: Turn,
    ready: VecDeque<Effect>,
}

impl Turns {
    /// Leaves once everything that the core has seen so far is safe enough for whom it is meant.
    pub(crate) fn hold(&mut self, effect: Effect) {
        self.current.push(effect);
    }

    /// An answer to a service that rests on a turn, the one that is going on at the latest, and on no later one. No answer
    /// overtakes one of the turn that it rests on: a read before a write must not be answered after it.
    pub(crate) fn reply_after(&mut self, turn: Turn, reply: Effect) {
        if turn > self.ended {
            self.hold(reply);
            return;
        }
        if turn <= self.written {
            self.ready.push_back(reply);
            return;
        }
        let place = self.replies.partition_point(|(held, _)| *held <= turn);
        self.replies.insert(place, (turn, vec![reply]));
    }

    /// Batches up to this turn outlive the process.
    pub(crate) fn last_written(&self) -> Turn {
        self.written
    }

    /// Leaves at once: it rests on durable rows only, or on none.
    pub(crate) fn release(&mut self, effect: Effect) {
        self.ready.push_back(effect);
    }

    /// The turn ended; what it held rests on batches up to `last_in_flight`.
    pub(crate) fn end(&mut self, last_in_flight: Option<Turn>) {
        let effects = std::mem::take(&mut self.current);
        let Some(turn) = last_in_flight else {
            self.ready.extend(effects);
            return;
        };
        self.ended = turn.max(self.ended);
        let (replies, others): (Vec<_>, Vec<_>) =
            effects.into_iter().partition(|effect| matches!(effect, Effect::Reply { .. }));
        if turn <= self.written {
            self.ready.extend(replies);
        } else if !replies.is_empty() {
            self.replies.push_back((turn, replies));
        }
        if !others.is_empty() {
            self.held.push_back((turn, others));
        }
    }

    /// A turn and all before it outlive the process: what services wait for leaves.
    pub(crate) fn written(&mut self, turn: Turn) {
        self.written = turn.max(self.written);
        release_up_to(&mut self.replies, turn, &mut self.ready);
    }

    /// A turn and all before it are durable.
    pub(crate) fn settle(&mut self, turn: Turn) {
        self.written(turn);
        release_up_to(&mut self.held, turn, &mut self.ready);
    }

    /// The session of a connection ended: what was held for it never leaves.
    pub(crate) fn drop_frames(&mut self, ended: LinkId) {
        let stays = |effect: &Effect| !matches!(effect, Effect::Send { link, .. } if *link == ended);
        self.current.retain(stays);
        self.held.iter_mut().for_each(|(_, effects)| effects.retain(stays));
        self.ready.retain(stays);
    }

    pub(crate) fn pop(&mut self) -> Option<Effect> {
        self.ready.pop_front()
    }
}

fn release_up_to(held: &mut VecDeque<(Turn, Vec<Effect>)>, turn: Turn, ready: &mut VecDeque<Effect>) {
    while let Some((_, effects)) = held.pop_front_if(|(held, _)| *held <= turn) {
        ready.extend(effects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, LinkId, RequestId, Response};

    fn effect(number: u8) -> Effect {
        Effect::Send { link: LinkId(0), lane: Lane::Live, bytes: vec![number] }
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

    #[test]
    fn nothing_is_sent_on_a_connection_whose_session_ended() {
        let other = || Effect::Send { link: LinkId(1), lane: Lane::Live, bytes: vec![9] };
        let mut turns = Turns::default();
        turns.hold(effect(1));
        turns.hold(other());
        turns.end(Some(Turn(1)));
        turns.release(effect(2));
        turns.hold(effect(3));
        turns.drop_frames(LinkId(0));
        turns.end(Some(Turn(1)));
        turns.settle(Turn(1));
        assert_eq!((turns.pop(), turns.pop()), (Some(other()), None));
    }

    #[test]
    fn an_answer_rests_on_its_own_turn_alone() {
        let reply = |id| Effect::Reply {
            id: RequestId(id),
            result: Ok(Response::Written(crate::Written::default())),
        };
        let mut turns = Turns::default();
        turns.hold(reply(1));
        turns.end(Some(Turn(1)));
        turns.hold(reply(3));
        turns.end(Some(Turn(3)));
        turns.reply_after(Turn(2), reply(2));
        turns.written(Turn(1));
        assert_eq!((turns.pop(), turns.pop()), (Some(reply(1)), None));
        turns.written(Turn(2));
        assert_eq!((turns.pop(), turns.pop()), (Some(reply(2)), None));
        turns.reply_after(Turn(0), reply(4));
        assert_eq!((turns.pop(), turns.pop()), (Some(reply(4)), None));
        // Of the turn that is going on: in the order in which they were made.
        turns.hold(reply(5));
        turns.reply_after(Turn(4), reply(6));
        turns.end(Some(Turn(4)));
        turns.written(Turn(4));
        assert_eq!((turns.pop(), turns.pop(), turns.pop()), (Some(reply(3)), Some(reply(5)), Some(reply(6))));
    }

    #[test]
    fn services_are_answered_when_a_turn_is_written_and_peers_when_it_is_durable() {
        let reply =
            || Effect::Reply { id: RequestId(1), result: Ok(Response::Written(crate::Written::default())) };
        let mut turns = Turns::default();
        turns.hold(effect(1));
        turns.hold(reply());
        turns.end(Some(Turn(1)));
        turns.written(Turn(1));
        assert_eq!((turns.pop(), turns.pop()), (Some(reply()), None));
        turns.hold(reply());
        turns.end(Some(Turn(1)));
        assert_eq!(
            (turns.pop(), turns.pop()),
            (Some(reply()), None),
            "a read of what is written waits no more"
        );
        turns.settle(Turn(1));
        assert_eq!(popped(&mut turns), [1]);
    }
}
