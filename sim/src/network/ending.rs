//! How connections end: each end finds out at its own moment.

use super::{ConnectionId, End, Network, NetworkEvent, Planned, SILENCE_NS_MAX, SILENCE_NS_MIN};
use crate::topology::NodeId;
use replica::LinkId;

impl Network {
    /// A node is gone, and its ends with it. The others hear a reset at once, or nothing, as it happens.
    pub(crate) fn node_down(&mut self, now_ns: u64, node: NodeId) -> Planned {
        let mut planned = Planned::new();
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            for end in [End::Dialer, End::Acceptor] {
                let Some(connection) = self.connections.get_mut(&id) else { continue };
                if connection.node(end) == node && !connection.side(end).is_closed {
                    connection.side_mut(end).is_closed = true;
                    planned.extend(self.tell_other(now_ns, id, end));
                }
            }
        }
        for link in self.link_numbers() {
            let link = self.link(link);
            if link.plan.dialer == node {
                link.current = None;
                link.is_dialing = false;
            }
        }
        planned
    }

    /// The links of a node are never dialled again.
    pub(crate) fn retire(&mut self, node: NodeId) {
        for link in &mut self.links {
            link.is_retired |= link.plan.dialer == node || link.plan.acceptor == node;
        }
    }

    /// An end learns that its connection is gone. Returns whom to tell, when it ever knew of it.
    pub(crate) fn down(
        &mut self,
        now_ns: u64,
        (id, end, cut): (ConnectionId, End, Option<u64>),
    ) -> (Option<(NodeId, LinkId)>, Planned) {
        let Some(link) = self.connections.get(&id).map(|connection| connection.link) else {
            return (None, Planned::new());
        };
        if cut.is_some() && self.link(link).cut != cut {
            return (None, Planned::new());
        }
        self.close(now_ns, id, end)
    }

    /// The node of a connection's end leaves it.
    pub(crate) fn disconnect(&mut self, now_ns: u64, link: LinkId) -> Planned {
        match self.ends.get(&link).copied() {
            Some((id, end)) => self.close(now_ns, id, end).1,
            None => Planned::new(),
        }
    }

    pub(super) fn close(
        &mut self,
        now_ns: u64,
        id: ConnectionId,
        end: End,
    ) -> (Option<(NodeId, LinkId)>, Planned) {
        let Some(connection) = self.connections.get_mut(&id) else { return (None, Planned::new()) };
        let (link, node) = (connection.link, connection.node(end));
        let side = connection.side_mut(end);
        if side.is_closed {
            return (None, Planned::new());
        }
        side.is_closed = true;
        let told = side.is_up.then_some((node, side.link_id));
        let mut planned: Planned = self.tell_other(now_ns, id, end).into_iter().collect();
        if end == End::Dialer {
            let state = self.link(link);
            if state.current == Some(id) {
                state.current = None;
            }
            planned.extend(self.redial(now_ns, link));
        }
        (told, planned)
    }

    /// One end is closed: the other hears of it, or finds out by silence. A connection without ends is forgotten.
    pub(super) fn tell_other(
        &mut self,
        now_ns: u64,
        id: ConnectionId,
        closed: End,
    ) -> Option<(u64, NetworkEvent)> {
        let connection = self.connections.get(&id)?;
        if connection.side(closed.other()).is_closed {
            let connection = self.connections.remove(&id)?;
            self.ends.remove(&connection.side(End::Dialer).link_id);
            self.ends.remove(&connection.side(End::Acceptor).link_id);
            return None;
        }
        let (link, plan, [of, ordinal]) = (connection.link, connection.plan, connection.drawn());
        let mut dice = self.dice("ending", &[of, ordinal, closed as u64]);
        let is_silent = self.link(link).is_cut() || dice.chance(30);
        let after_ns = match is_silent {
            true => dice.between(SILENCE_NS_MIN, SILENCE_NS_MAX),
            false => plan.latency_ns + dice.below(plan.jitter_ns + 1),
        };
        Some((now_ns + after_ns, NetworkEvent::Down(id, closed.other(), None)))
    }

    /// A node stalls until a time: its peers give its connections up after a silence, and so does the node then.
    pub(crate) fn stall(&mut self, now_ns: u64, node: NodeId, until_ns: u64) -> Planned {
        let mut planned = Planned::new();
        for (id, connection) in &self.connections {
            let end = match node {
                node if connection.node(End::Dialer) == node => End::Dialer,
                node if connection.node(End::Acceptor) == node => End::Acceptor,
                _ => continue,
            };
            let [link, ordinal] = connection.drawn();
            let mut dice = self.dice("stall", &[now_ns, link, ordinal]);
            let silent_ns = now_ns + dice.between(SILENCE_NS_MIN, SILENCE_NS_MAX);
            if silent_ns < until_ns {
                planned.push((silent_ns, NetworkEvent::Down(*id, end.other(), None)));
            }
        }
        planned
    }
}
