//! Cuts of links.

use super::{
    ConnectionId, Direction, End, LinkNumber, Network, NetworkEvent, Planned, SILENCE_NS_MAX, SILENCE_NS_MIN,
};
use replica::Lane;

impl Network {
    /// Cuts a link. Cuts may overlap.
    pub(crate) fn cut(&mut self, now_ns: u64, link: LinkNumber, direction: Direction) -> Planned {
        let state = self.link(link);
        state.cuts += 1;
        let (cut, was_cut) = (state.cuts, state.is_cut());
        state.cut_by(direction);
        if was_cut {
            return Planned::new();
        }
        state.cut = Some(cut);
        let mut planned = Planned::new();
        for (id, connection) in self.connections.iter().filter(|(_, connection)| connection.link == link) {
            let [of, ordinal] = connection.drawn();
            for end in [End::Dialer, End::Acceptor] {
                let mut dice = self.dice("silence", &[cut, of, ordinal, end as u64]);
                let at_ns = now_ns + dice.between(SILENCE_NS_MIN, SILENCE_NS_MAX);
                planned.push((at_ns, NetworkEvent::Down(*id, end, Some(cut))));
            }
        }
        planned
    }

    pub(super) fn connections_of(&self, link: LinkNumber) -> impl Iterator<Item = ConnectionId> + '_ {
        self.connections.iter().filter(move |(_, connection)| connection.link == link).map(|(id, _)| *id)
    }

    /// Ends one cut of a link: what waited goes on.
    pub(crate) fn heal(&mut self, now_ns: u64, link: LinkNumber, direction: Direction) -> Planned {
        let state = self.link(link);
        state.heal_by(direction);
        if !state.is_cut() {
            state.cut = None;
        }
        let open: Vec<_> =
            [End::Dialer, End::Acceptor].into_iter().filter(|end| state.side(*end).cuts == 0).collect();
        let mut planned = Planned::new();
        let ids: Vec<_> = self.connections_of(link).collect();
        for id in ids {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            for end in &open {
                for lane in [Lane::Live, Lane::Control, Lane::Bulk] {
                    for at_ns in connection.resume(now_ns, *end, lane) {
                        planned.push((at_ns, NetworkEvent::Arrive(id, *end, lane)));
                    }
                }
            }
        }
        planned
    }
}
