//! What is done to nodes and links.

use super::{Event, World};
use crate::failure::Failure;
use crate::network::{Direction, LinkNumber};
use crate::topology::NodeId;
use crate::trace::Moment;

impl World {
    /// Cuts a link until it is healed.
    pub fn cut(&mut self, link: LinkNumber, direction: Direction) {
        if !self.network.has(link) {
            return;
        }
        let now_ns = self.now_ns();
        self.tally.cuts += 1;
        self.trace.note(now_ns, Moment::Cut { link: link.0 }, &[]);
        let planned = self.network.cut(now_ns, link, direction);
        self.plan(planned);
    }

    /// Cuts a link for some time, in nanoseconds.
    pub fn cut_for(&mut self, link: LinkNumber, direction: Direction, for_ns: u64) {
        self.cut(link, direction);
        self.agenda.plan(self.now_ns().saturating_add(for_ns), Event::Heal { link, direction });
    }

    /// Ends one cut of a link. Whoever lost the connection connects again after a pause.
    pub fn heal(&mut self, link: LinkNumber, direction: Direction) {
        if !self.network.has(link) {
            return;
        }
        let now_ns = self.now_ns();
        self.trace.note(now_ns, Moment::Healed { link: link.0 }, &[]);
        let planned = self.network.heal(now_ns, link, direction);
        self.plan(planned);
    }

    /// Opens a node that is down, before its time. Nothing happens to one that is up.
    ///
    /// # Errors
    /// [`Failure`] of a checker or of a store.
    pub fn restart(&mut self, node: NodeId) -> Result<(), Failure> {
        if self.nodes.has(node) && self.nodes.node(node).replica.is_none() {
            self.open_node(node)?;
        }
        Ok(())
    }

    /// A node is gone at once, with its connections and with what its disk had not synced, but for `keep_percent` of
    /// 100 of those batches. It is opened again after `down_ns` nanoseconds; with
    /// [`u64::MAX`] when somebody restarts it. Nothing happens to one that is down.
    ///
    /// # Errors
    /// [`Failure`] of a checker.
    pub fn crash(&mut self, id: NodeId, keep_percent: u64, down_ns: u64) -> Result<(), Failure> {
        if !self.nodes.has(id) || self.nodes.node(id).replica.is_none() {
            return Ok(());
        }
        self.tally.crashes += 1;
        self.go_down(id, keep_percent, down_ns)
    }

    /// As a crash, whatever the cause.
    pub(super) fn go_down(&mut self, id: NodeId, keep_percent: u64, down_ns: u64) -> Result<(), Failure> {
        let now_ns = self.now_ns();
        let node = self.nodes.node_mut(id);
        node.replica = None;
        node.inbox.clear();
        node.notices.clear();
        node.links.clear();
        node.turn_planned = false;
        node.busy_ns = 0;
        node.paused_ns = 0;
        let batches_lost = node.disk.crash(keep_percent);
        self.tally.batches_lost += batches_lost as u64;
        self.trace.note(now_ns, Moment::Crashed { node: id, batches_lost }, &[]);
        let planned = self.network.node_down(now_ns, id);
        self.plan(planned);
        if down_ns < u64::MAX {
            self.agenda.plan(now_ns.saturating_add(down_ns), Event::Restart { node: id });
        }
        self.lose_answers(id)
    }

    /// A node stalls: what comes waits. A long stall costs it its connections.
    pub fn pause(&mut self, id: NodeId, for_ns: u64) {
        if !self.nodes.has(id) || self.nodes.node(id).replica.is_none() {
            return;
        }
        let now_ns = self.now_ns();
        self.tally.pauses += 1;
        self.trace.note(now_ns, Moment::Paused(id), &[]);
        let node = self.nodes.node_mut(id);
        node.paused_ns = node.paused_ns.max(now_ns.saturating_add(for_ns));
        let until_ns = node.paused_ns;
        let planned = self.network.stall(now_ns, id, until_ns);
        self.plan(planned);
    }

    /// Whether a connection over a link can be made: both nodes run.
    pub(super) fn is_reachable(&self, link: LinkNumber) -> bool {
        let now_ns = self.now_ns();
        let runs = |node: NodeId| {
            if self.nodes.is_stranger(node) {
                return true;
            }
            let node = self.nodes.node(node);
            node.replica.is_some() && node.paused_ns <= now_ns
        };
        self.network.nodes_of(link).is_some_and(|(dialer, acceptor)| runs(dialer) && runs(acceptor))
    }
}
