//! Frames on their way.

use super::connection::Waiting;
use super::message::Sent;
use super::{ConnectionId, Delivery, Departure, End, Message, Network, NetworkEvent, Passage};
use crate::dice::Dice;
use crate::sabotage::Sabotage;
use replica::{Lane, LinkId};
use std::num::NonZeroU16;
use std::rc::Rc;
use wire::{DeltaDecoder, DeltaEncoder, Frame};

impl Network {
    /// Puts a frame on its stream. `None` when the connection is gone.
    pub(crate) fn send(
        &mut self,
        now_ns: u64,
        (link_id, lane): (LinkId, Lane),
        bytes: Vec<u8>,
    ) -> Option<Departure> {
        let (id, end) = self.ends.get(&link_id).copied()?;
        let connection =
            self.connections.get_mut(&id).filter(|connection| !connection.side(end).is_closed)?;
        let lane = if connection.is_older && lane == Lane::Control { Lane::Live } else { lane };
        let passage =
            Passage { connection: id, end, from: connection.node(end), to: connection.node(end.other()) };
        let (link, plan) = (connection.link, connection.plan);
        let readers = connection.readers_mut(end);
        let message = self.is_watched.then(|| Rc::new(self.sent.read(readers, &bytes)));
        let (seed, side) = (self.seed, self.link(link).side_mut(end));
        side.traffic.frames += 1;
        side.traffic.bytes += bytes.len() as u64;
        let mut dice = Dice::of(seed, "frame", &[link.0 as u64, end as u64, side.traffic.frames]);
        if self.vanishes(message.as_deref()) {
            return Some(Departure { arrival: None, passage, message });
        }
        let connection = self.connections.get_mut(&id)?;
        let at_ns = connection.push(
            now_ns,
            (end, lane),
            &plan,
            &mut dice,
            Waiting { bytes, message: message.clone() },
        );
        let arrival = Some((at_ns, NetworkEvent::Arrive(id, end, lane)));
        Some(Departure { arrival, passage, message })
    }

    fn vanishes(&mut self, message: Option<&Message>) -> bool {
        let Some(Message::Delta { rows, .. }) = message else { return false };
        if rows.is_empty() {
            return false;
        }
        self.deltas += 1;
        self.sabotage == Sabotage::DropDelta { number: self.deltas - 1 }
    }

    /// The next frame of a stream gets there, unless the way is cut or nobody is there any more. Of the control stream
    /// none is taken before the first of the first stream (W-116): then they are planned with that.
    pub(crate) fn arrive(
        &mut self,
        now_ns: u64,
        (id, end, lane): (ConnectionId, End, Lane),
    ) -> Option<Delivery> {
        let link = self.connections.get(&id)?.link;
        let is_cut = self.link(link).side(end).cuts > 0;
        let connection = self.connections.get_mut(&id)?;
        if is_cut {
            connection.side_mut(end).stream_mut(lane).stalled += 1;
            return None;
        }
        let side = connection.side_mut(end);
        if lane == Lane::Control && !side.has_begun {
            side.stream_mut(lane).early += 1;
            return None;
        }
        side.has_begun |= lane == Lane::Live;
        let early =
            if side.has_begun { std::mem::take(&mut side.stream_mut(Lane::Control).early) } else { 0 };
        let planned = vec![(now_ns, NetworkEvent::Arrive(id, end, Lane::Control)); early];
        let Waiting { bytes, message } = side.stream_mut(lane).queue.pop_front()?;
        let bytes = if self.sabotage == Sabotage::TornTransactions {
            torn(bytes, &mut self.sent, &mut connection.side_mut(end).torn)
        } else {
            bytes
        };
        let (from, to) = (connection.node(end), connection.node(end.other()));
        let receiver = connection.side(end.other());
        if receiver.is_closed {
            return None;
        }
        let passage = Passage { connection: id, end, from, to };
        Some(Delivery { node: to, link: receiver.link_id, passage, bytes, message, planned })
    }
}

/// The frame without the last row of each transaction in it.
fn torn(bytes: Vec<u8>, sent: &mut Sent, (decoder, encoder): &mut (DeltaDecoder, DeltaEncoder)) -> Vec<u8> {
    let Ok(Frame::Delta(packed)) = wire::decode(&bytes) else { return bytes };
    let Some(mut delta) = sent.unpack(decoder, &packed) else { return bytes };
    let mut goes_on = false;
    delta.rows.retain(|row| {
        let is_last = goes_on && row.follow.is_none();
        goes_on = row.follow.is_some();
        !is_last
    });
    for row in &mut delta.rows {
        row.follow = row.follow.and_then(|left| NonZeroU16::new(left.get() - 1));
    }
    let packed = encoder.pack(&delta, &mut wire::Deflaters::default(), |_, _| false).map(Frame::Delta);
    packed.and_then(|frame| wire::encode(&frame)).unwrap_or(bytes)
}
