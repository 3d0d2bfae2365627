//! A node that is none of us: no replica, but a name, a key and a link. What it sends is drawn, from garbage to rows
//! that are sound but for one thing.

mod newer;

use super::{Event, World};
use crate::dice::Dice;
use crate::failure::Failure;
use crate::time::MILLISECOND_NS;
use crate::topology::{NodeId, Strangeness};
use document::{Document, ForeignChange, Operation, Signature};
use replica::{Lane, LinkId};
use serde_json::json;
use std::collections::VecDeque;
use std::num::NonZeroU16;
use wire::{
    Ack, Body, Delta, DeltaEncoder, DocumentName, FillDocument, FillDocuments, FillName, FillOffer,
    FillOrigin, Fork, Frame, Hello, OriginKey, Rewind, Row, SpaceVector, VectorEntry,
};

/// Frames of others that it keeps, to send them changed or again.
const RECORDED_MAX: usize = 32;
/// Frames of a flood.
const FLOOD: u64 = 60;
/// How long it waits before it does the next thing, in nanoseconds, at most.
const PAUSE_NS_MAX: u64 = 400 * MILLISECOND_NS;

#[derive(Default)]
pub(super) struct StrangerState {
    /// The frames that it saw last, its own and those between others.
    recorded: VecDeque<Vec<u8>>,
    acts: u64,
    /// Position of its journal on this connection, as it pretends.
    position: u64,
    /// The last of its own changes that others have, as they said.
    sequence: u64,
    rewinds: u32,
    is_silent: bool,
    /// What it has packed on its connection.
    encoder: DeltaEncoder,
}

/// What a row that it makes is like.
#[derive(Clone, Copy, Default)]
struct Crafted {
    /// Sequences left out before it.
    gap: u64,
    /// Under the key of another node.
    of: Option<NodeId>,
    /// In a space that it may not write.
    is_elsewhere: bool,
    /// A byte of its change is another.
    is_damaged: bool,
    /// It begins a transaction that does not go on.
    is_cut: bool,
}

impl World {
    /// The stranger is gone for good, so that the world can come to rest.
    pub fn silence(&mut self) {
        for node in self.nodes.revoked().collect::<Vec<_>>() {
            self.network.retire(node);
        }
        let Some(stranger) = self.nodes.stranger() else { return };
        self.stranger.is_silent = true;
        let now_ns = self.now_ns();
        self.network.retire(stranger.node);
        let planned = self.network.node_down(now_ns, stranger.node);
        self.plan(planned);
    }

    /// It sees what its peers send it, and what others send each other.
    pub(super) fn record(&mut self, to: NodeId, bytes: &[u8]) {
        let Some(stranger) = self.nodes.stranger() else { return };
        if to == stranger.node
            && let Ok(Frame::Hello(hello)) = wire::decode(bytes)
        {
            let own = self.nodes.origin(stranger.node);
            let entries = hello.spaces.iter().flat_map(|vector| &vector.entries);
            let own = entries.filter(|entry| entry.origin == own.0).map(|entry| entry.sequence);
            self.stranger.sequence = own.max().unwrap_or(0);
        }
        let recorded = &mut self.stranger.recorded;
        if recorded.len() >= RECORDED_MAX {
            recorded.pop_front();
        }
        recorded.push_back(bytes.to_vec());
    }

    pub(super) fn stranger_connected(&mut self, link: LinkId) -> Result<(), Failure> {
        self.stranger.position = 0;
        self.stranger.rewinds = 0;
        self.stranger.encoder = DeltaEncoder::default();
        let mut dice = self.stranger_dice();
        for bytes in self.stranger_greeting(&mut dice) {
            self.stranger_sends((link, Lane::Live), bytes);
        }
        self.stranger_waits(link, &mut dice);
        Ok(())
    }

    /// What it says first on a connection.
    fn stranger_greeting(&self, dice: &mut Dice) -> Vec<Vec<u8>> {
        let Some(stranger) = self.nodes.stranger() else { return Vec::new() };
        let hello = wire::encode(&self.stranger_hello(0)).unwrap_or_default();
        match stranger.kind {
            Strangeness::Hostile | Strangeness::Version => {
                dice.chance(85).then_some(hello).into_iter().collect()
            }
            Strangeness::Newer => {
                let before = dice.chance(50).then(|| newer::unknown_frame(dice));
                before.into_iter().chain([newer::with_field(&hello)]).collect()
            }
        }
    }

    fn stranger_waits(&mut self, link: LinkId, dice: &mut Dice) {
        let at_ns = self.now_ns() + dice.between(MILLISECOND_NS, PAUSE_NS_MAX);
        self.agenda.plan(at_ns, Event::Stranger { link });
    }

    pub(super) fn stranger_acts(&mut self, link: LinkId) -> Result<(), Failure> {
        let Some(stranger) = self.nodes.stranger() else { return Ok(()) };
        if self.stranger.is_silent || !self.nodes.node(stranger.node).links.contains_key(&link) {
            return Ok(());
        }
        let mut dice = self.stranger_dice();
        // One that is newer keeps to the order in which its first frames go, of which one is not known here.
        let is_control = stranger.kind == Strangeness::Hostile && dice.chance(30);
        let lane = if is_control { Lane::Control } else { Lane::Live };
        for bytes in self.stranger_frames(stranger.kind, &mut dice) {
            self.stranger_sends((link, lane), bytes);
        }
        if stranger.kind == Strangeness::Hostile && dice.chance(40) {
            for frame in self.stranger_fill(&mut dice) {
                self.stranger_sends((link, Lane::Bulk), wire::encode(&frame).unwrap_or_default());
            }
        }
        self.stranger_waits(link, &mut dice);
        Ok(())
    }

    fn stranger_dice(&mut self) -> Dice {
        self.stranger.acts += 1;
        Dice::of(self.seed, "stranger", &[self.stranger.acts])
    }

    fn stranger_sends(&mut self, place: (LinkId, Lane), bytes: Vec<u8>) {
        self.tally.strange += 1;
        let departure = self.network.send(self.now_ns(), place, bytes);
        let planned = departure.and_then(|departure| departure.arrival).into_iter().collect();
        self.plan(planned);
    }

    fn stranger_frames(&mut self, kind: Strangeness, dice: &mut Dice) -> Vec<Vec<u8>> {
        let frame = match kind {
            Strangeness::Version => self.stranger_hello(0),
            Strangeness::Newer if dice.chance(30) => {
                let nothing = wire::encode(&Frame::Ack(Ack::default())).unwrap_or_default();
                return vec![newer::with_field(&nothing)];
            }
            Strangeness::Newer => return vec![newer::unknown_frame(dice)],
            Strangeness::Hostile => match dice.below(17) {
                0 => return vec![garbage(dice)],
                1 | 2 => return self.recorded(dice).into_iter().map(|bytes| damaged(bytes, dice)).collect(),
                3 => return self.recorded(dice).into_iter().collect(),
                4 => return vec![vec![0xa0; 64]; usize::try_from(FLOOD).unwrap_or(1)],
                5 => self.stranger_hello(dice.below(u64::MAX)),
                6 => Frame::Ack(Ack { durable: Some(dice.below(u64::MAX)), ..Ack::default() }),
                7 | 8 => {
                    self.stranger.rewinds += 1;
                    Frame::Rewind(Rewind { generation: self.stranger.rewinds, spaces: Vec::new() })
                }
                9 => self.delta(Crafted { gap: dice.between(1, 4), ..Crafted::default() }),
                10 => {
                    let of = usize::try_from(dice.below(self.nodes.ids().count() as u64)).ok().map(NodeId);
                    self.delta(Crafted { of, ..Crafted::default() })
                }
                11 => self.delta(Crafted { is_elsewhere: true, ..Crafted::default() }),
                12 => self.delta(Crafted { is_damaged: true, ..Crafted::default() }),
                13 => self.delta(Crafted { is_cut: true, ..Crafted::default() }),
                14 => self.fork(dice),
                _ => self.delta(Crafted::default()),
            },
        };
        vec![wire::encode(&frame).unwrap_or_default()]
    }

    /// A space that it may write, when there is one.
    fn stranger_space(&self) -> Option<String> {
        let node = self.nodes.stranger()?.node;
        let mut spaces = self.nodes.spaces(node).filter(|space| self.nodes.may_write(node, space));
        spaces.next().map(|space| space.as_str().to_owned())
    }

    /// A document in a space that it may write, of somebody who is there, with more changes than there are.
    fn stranger_fill(&self, dice: &mut Dice) -> Vec<Frame> {
        let (Some(space), Some(stranger)) = (self.stranger_space(), self.nodes.stranger()) else {
            return Vec::new();
        };
        let nodes: Vec<_> = self.nodes.ids().collect();
        let author = dice.pick(&nodes).copied().unwrap_or(stranger.node);
        let sequence = *dice.pick(&[1, 2, 40, 1 << 40, u64::MAX]).unwrap_or(&1);
        let authors = if dice.chance(50) { vec![author] } else { vec![stranger.node, author] };
        let stream =
            |node: NodeId| FillOrigin { key: self.nodes.node(node).settings.key, sequence, chain: [3; 32] };
        let fill = self.stranger.acts;
        let offer = FillOffer {
            fill,
            space,
            key: [0; 32],
            documents: 0,
            origins: authors.into_iter().map(stream).collect(),
            symbols: Vec::new(),
            is_ahead: dice.chance(50),
            more: false,
        };
        let document = FillDocument {
            name: FillName { collection: "inventory".to_owned(), key: format!("filled-{fill}") },
            snapshot: None,
            changes: vec![Body(self.stranger_body(author))],
            heads: vec![5; 32],
        };
        let (documents, is_done) = (vec![document], dice.chance(70));
        let documents = FillDocuments { fill, number: 1, documents, is_done, ..FillDocuments::default() };
        let mut frames = vec![Frame::FillOffer(offer)];
        frames.extend(dice.chance(80).then_some(Frame::FillDocuments(documents)));
        frames
    }

    /// A fork of somebody's changes, where there is none.
    fn fork(&self, dice: &mut Dice) -> Frame {
        let nodes: Vec<_> = self.nodes.ids().collect();
        let origin = dice.pick(&nodes).map_or([0; 16], |node| self.nodes.origin(*node).0);
        let agreed = dice.below(4);
        let space = self.stranger_space().unwrap_or_default();
        let differs = agreed + 1 + dice.below(3);
        Frame::Fork(Fork { space, origin, agreed, differs, chains: Vec::new(), asks: dice.chance(50) })
    }

    /// A change in the name of a node.
    fn stranger_body(&self, node: NodeId) -> Vec<u8> {
        let mut document = Document::new();
        let put = [Operation::Put(json!({ "product": format!("{}", self.stranger.acts) }))];
        let change = document.write(&Signature::of(self.nodes.origin(node), 0), None, &put);
        let chunk = change.ok().flatten().map(|change| change.chunk).unwrap_or_default();
        ForeignChange::body(&chunk).map(<[u8]>::to_vec).unwrap_or_default()
    }

    fn recorded(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let place = usize::try_from(dice.below(self.stranger.recorded.len() as u64)).ok()?;
        self.stranger.recorded.get(place).cloned()
    }

    /// What it has, which is nothing; or with `claimed` more of everybody's changes than there are.
    fn stranger_hello(&self, claimed: u64) -> Frame {
        let Some(stranger) = self.nodes.stranger() else { return Frame::Unknown(0) };
        let protocol = match stranger.kind {
            Strangeness::Version => wire::PROTOCOL_OLDEST - 1,
            Strangeness::Newer => wire::PROTOCOL_VERSION + 1,
            Strangeness::Hostile => wire::PROTOCOL_VERSION,
        };
        let entry =
            |node| VectorEntry { origin: self.nodes.origin(node).0, sequence: claimed, chain: [7; 8] };
        let spaces = self.nodes.spaces(stranger.node).map(|space| SpaceVector {
            space: space.as_str().to_owned(),
            entries: self.nodes.ids().filter(|_| claimed > 0).map(entry).collect(),
            takes: true,
        });
        Frame::Hello(Hello {
            protocol,
            epoch: 1,
            cursor: None,
            spaces: spaces.collect(),
            since: 0,
            head: 0,
            subscription: [0; 8],
            incomplete: Vec::new(),
        })
    }

    /// A row that follows the last one, but for what is wrong with it.
    fn delta(&mut self, crafted: Crafted) -> Frame {
        let Some(stranger) = self.nodes.stranger() else { return Frame::Unknown(0) };
        let node = crafted.of.unwrap_or(stranger.node);
        let key: OriginKey = self.nodes.node(node).settings.key;
        let may_write = |space: &&document::Space| self.nodes.may_write(stranger.node, space);
        let space = self.nodes.spaces(stranger.node).find(|space| may_write(space) != crafted.is_elsewhere);
        let space = space.map_or_else(String::new, |space| space.as_str().to_owned());
        let sequence = if crafted.of.is_some() { 1 } else { self.stranger.sequence + 1 + crafted.gap };
        let mut body = self.stranger_body(node);
        if crafted.is_damaged {
            let mut dice = Dice::of(self.seed, "damage", &[self.stranger.acts]);
            body = damaged(body, &mut dice);
        }
        if crafted.of.is_none() && !crafted.is_elsewhere {
            self.stranger.sequence = sequence;
        }
        let from = self.stranger.position;
        self.stranger.position += 1;
        let follow = if crafted.is_cut { NonZeroU16::new(3) } else { None };
        let delta = Delta {
            generation: 0,
            from,
            to: self.stranger.position,
            spaces: vec![space],
            origins: vec![key],
            documents: vec![DocumentName {
                space: 0,
                collection: "inventory".to_owned(),
                key: format!("strange-{}", self.stranger.acts),
            }],
            rows: vec![Row { document: 0, origin: 0, sequence, body, follow }],
        };
        self.stranger
            .encoder
            .pack(&delta, &mut wire::Deflaters::default(), |_, _| false)
            .map_or(Frame::Unknown(0), Frame::Delta)
    }
}

fn garbage(dice: &mut Dice) -> Vec<u8> {
    (0..dice.below(300)).map(|_| u8::try_from(dice.below(256)).unwrap_or(0)).collect()
}

/// Some bytes are others, or the end is gone.
fn damaged(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let length = bytes.len() as u64;
    if dice.chance(20) {
        bytes.truncate(usize::try_from(dice.below(length)).unwrap_or(0));
        return bytes;
    }
    for _ in 0..dice.between(1, 3) {
        let place = usize::try_from(dice.below(length)).unwrap_or(0);
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= u8::try_from(dice.between(1, 255)).unwrap_or(1);
        }
    }
    bytes
}
