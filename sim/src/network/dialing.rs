//! How connections come about.

use super::connection::Connection;
use super::{ConnectionId, End, LinkNumber, Network, NetworkEvent, Planned};
use crate::topology::NodeId;
use replica::LinkId;

impl Network {
    /// A node came up: it dials its links.
    pub(crate) fn node_up(&mut self, now_ns: u64, node: NodeId) -> Planned {
        let of_node = |link: &LinkNumber| self.links.get(link.0).is_some_and(|link| link.plan.dialer == node);
        let links: Vec<_> = self.link_numbers().filter(of_node).collect();
        links.into_iter().filter_map(|link| self.redial(now_ns, link)).collect()
    }

    /// Plans the dialer's next try, unless it has a connection or is at it.
    pub(super) fn redial(&mut self, now_ns: u64, link: LinkNumber) -> Option<(u64, NetworkEvent)> {
        let seed = self.seed;
        let state = self.link(link);
        if state.current.is_some() || state.is_dialing || state.is_retired {
            return None;
        }
        state.is_dialing = true;
        let pause_ns = state.next_pause_ns(seed, link);
        Some((now_ns + pause_ns, NetworkEvent::Dial(link)))
    }

    /// The dialer tries. `reachable`: both nodes run.
    pub(crate) fn dial(
        &mut self,
        now_ns: u64,
        link: LinkNumber,
        reachable: bool,
        next_link_id: &mut impl FnMut() -> LinkId,
    ) -> Planned {
        let state = self.link(link);
        if !state.is_dialing {
            return Planned::new();
        }
        state.is_dialing = false;
        if !reachable || state.is_cut() || state.is_retired {
            return self.redial(now_ns, link).into_iter().collect();
        }
        state.tries = 0;
        state.connections += 1;
        let (plan, ordinal) = (state.plan, state.connections);
        let id = ConnectionId(self.connections_made);
        self.connections_made += 1;
        self.link(link).current = Some(id);
        let mut dice = self.dice("handshake", &[link.0 as u64, ordinal]);
        let round_trip_ns = 2 * plan.latency_ns;
        let dialer_ns = now_ns + round_trip_ns + dice.below(plan.jitter_ns + 1);
        let acceptor_ns = dialer_ns + plan.latency_ns + dice.below(plan.jitter_ns + 1);
        // An end that is older grants no stream for control.
        let is_older = dice.chance(15);
        let ids = (next_link_id(), next_link_id());
        self.ends.insert(ids.0, (id, End::Dialer));
        self.ends.insert(ids.1, (id, End::Acceptor));
        let up = ((dialer_ns, acceptor_ns), is_older);
        self.connections.insert(id, Connection::new((link, ordinal), &plan, ids, up));
        vec![
            (dialer_ns, NetworkEvent::Up(id, End::Dialer)),
            (acceptor_ns, NetworkEvent::Up(id, End::Acceptor)),
        ]
    }

    /// An end learns of its connection, unless it is gone already.
    pub(crate) fn up(&mut self, id: ConnectionId, end: End) -> Option<(NodeId, LinkId, NodeId)> {
        let connection = self.connections.get_mut(&id)?;
        let (node, peer) = (connection.node(end), connection.node(end.other()));
        let side = connection.side_mut(end);
        if side.is_closed {
            return None;
        }
        side.is_up = true;
        Some((node, side.link_id, peer))
    }
}
