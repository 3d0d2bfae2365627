//! What services ask of nodes.

use super::clients::{Answered, Awaited};
use super::node::in_order;
use super::settled::INDEXED;
use super::{ClientWrite, Event, World};
use crate::failure::Failure;
use crate::observation::Observation;
use crate::sabotage::Sabotage;
use crate::time::SECOND_NS;
use crate::topology::{NodeId, Topology};
use crate::trace::Moment;
use document::{Collection, Space};
use replica::{
    Input, Level, PAGE_DOCUMENTS_MAX, Queried, Query, Request, RequestError, RequestId, Response, Written,
};
use std::rc::Rc;

/// How long a direct request may take, in virtual nanoseconds.
const ANSWER_NS_MAX: u64 = 60 * SECOND_NS;

impl World {
    /// A service sends a write to its node. While the node is down, one that is tried again waits, and one that is
    /// not comes to nothing.
    ///
    /// # Errors
    /// [`Failure`] of a checker.
    pub fn write(&mut self, write: ClientWrite) -> Result<(), Failure> {
        let awaited = Awaited { write: Rc::new(write), attempts: 0 };
        let node = awaited.write.node;
        // Of a space that a stranger may write, nobody can say what is in it.
        if !self.nodes.has(node)
            || self.nodes.is_stranger(node)
            || self.nodes.is_strange(&awaited.write.space)
        {
            return Ok(());
        }
        match self.nodes.node(node).replica.is_some() {
            true => self.submit(awaited),
            false if awaited.write.is_retried => {
                self.clients.wait(awaited);
                Ok(())
            }
            false => Ok(()),
        }
    }

    /// A service asks a node something, and nobody looks at the answer.
    pub fn ask(&mut self, node: NodeId, request: Request) {
        if self.nodes.has(node) && self.nodes.node(node).replica.is_some() {
            self.tally.operations += 1;
            let id = self.clients.ignored(node);
            self.give(node, Input::Request { id, request });
        }
    }

    /// A service asks a node for all goods of a space at once, and checkers look at the answer. It also asks for what
    /// has an index, by that: an index is built when it is first asked for, and kept up from then on. What the durable rows
    /// say beside the core it looks at first.
    ///
    /// # Errors
    /// [`Failure`] of a checker.
    pub fn look(&mut self, node: NodeId, space: &Space) -> Result<(), Failure> {
        let Ok(collection) = Collection::new("inventory") else { return Ok(()) };
        if self.nodes.has(node) && self.nodes.node(node).replica.is_some() {
            self.tally.operations += 1;
            let id = self.clients.look(node, space.clone());
            self.observe(&Observation::Looking { look: id.0 })?;
            for request in INDEXED.iter().filter_map(|(collection, field)| in_order(space, collection, field))
            {
                let id = self.clients.ignored(node);
                self.give(node, Input::Request { id, request });
            }
            let query = Box::new(Query { limit: PAGE_DOCUMENTS_MAX, ..Query::default() });
            if let Some(viewed) = self.nodes.viewed(node, (space, &collection), &query) {
                self.tally.views += 1;
                self.looked((node, None), space, &viewed.map(Response::Queried))?;
            }
            self.give(
                node,
                Input::Request { id, request: Request::Query { space: space.clone(), collection, query } },
            );
        }
        Ok(())
    }

    /// Asks a node, and runs the world until the answer is there. `None` when none came: the node is down, or went
    /// down meanwhile.
    ///
    /// # Errors
    /// [`Failure`] of a checker or of a store.
    pub fn request(
        &mut self,
        node: NodeId,
        request: Request,
    ) -> Result<Option<Result<Response, RequestError>>, Failure> {
        if !self.nodes.has(node) || self.nodes.node(node).replica.is_none() {
            return Ok(None);
        }
        self.tally.operations += 1;
        let id = self.clients.direct(node);
        self.give(node, Input::Request { id, request });
        let until_ns = self.now_ns().saturating_add(ANSWER_NS_MAX);
        loop {
            if let Some(answer) = self.clients.take_answer(id) {
                return Ok(Some(answer));
            }
            if !self.step(until_ns)? {
                return Ok(None);
            }
        }
    }

    fn submit(&mut self, mut awaited: Awaited) -> Result<(), Failure> {
        awaited.attempts += 1;
        self.tally.operations += 1;
        let (write, attempt) = (Rc::clone(&awaited.write), awaited.attempts);
        self.trace.note(self.now_ns(), Moment::Submitted { node: write.node, operation: write.id }, &[]);
        self.observe(&Observation::Submitted { write: &write, attempt })?;
        let id = self.clients.write(awaited);
        self.give(write.node, Input::Request { id, request: write.request() });
        if self.sabotage == Sabotage::DoubledWrites && !write.is_retried {
            let id = self.clients.ignored(write.node);
            self.give(write.node, Input::Request { id, request: write.request() });
        }
        Ok(())
    }

    /// The node is up again: its services send what they had no answer to.
    pub(super) fn submit_waiting(&mut self, node: NodeId) -> Result<(), Failure> {
        self.clients.take_waiting(node).into_iter().try_for_each(|awaited| self.submit(awaited))
    }

    pub(super) fn replied(
        &mut self,
        id: RequestId,
        result: Result<Response, RequestError>,
    ) -> Result<(), Failure> {
        if self.ruled(id, &result)? {
            return Ok(());
        }
        let (awaited, result) = match self.clients.answer(id, result) {
            Answered::Write(awaited, result) => (awaited, result),
            Answered::Look((node, look), space, result) => {
                return self.looked((node, Some(look.0)), &space, &result);
            }
            Answered::Other => return Ok(()),
        };
        let (write, attempts) = (&awaited.write, awaited.attempts);
        if let Ok(Response::Reached { stamp: Some(stamp), level: Level::Hub, .. }) = &result {
            self.observe(&Observation::Confirmed { write, stamp: *stamp })?;
        }
        // Asked of a store that turns out to be an old copy, it is asked again when that is opened anew.
        if result == Err(RequestError::Renewing) && write.is_retried {
            self.clients.wait(awaited);
            return Ok(());
        }
        if matches!(result, Err(RequestError::Damaged { .. })) && self.nodes.node(write.node).is_damaged {
            // Somebody looks at the disk, and puts another in its place.
            self.agenda.plan(self.now_ns(), Event::Scrub { node: write.node });
            if write.is_retried {
                self.clients.wait(awaited);
                return Ok(());
            }
        }
        match &result {
            Ok(Response::Written(Written { stamp, .. }) | Response::Reached { stamp, .. }) => {
                self.tally.acknowledged += 1;
                self.tally.transactions += u64::from(write.parts.len() > 1);
                self.observe(&Observation::Acknowledged { write, stamp: *stamp, attempts })
            }
            Ok(
                Response::Document(_)
                | Response::Listed(_)
                | Response::History { .. }
                | Response::Conflicts { .. }
                | Response::Status(_)
                | Response::Queried(_)
                | Response::Blocked(_)
                | Response::Retried(_)
                | Response::Dropped(_)
                | Response::Schemas(_),
            ) => {
                let finding = format!("operation {} got the answer to another question", write.id);
                Err(Failure::correctness("requests_are_answered", finding))
            }
            Err(error) => {
                self.tally.refused += 1;
                self.observe(&Observation::Refused { write, error })
            }
        }
    }

    fn looked(
        &mut self,
        (node, look): (NodeId, Option<u64>),
        space: &Space,
        result: &Result<Response, RequestError>,
    ) -> Result<(), Failure> {
        match result {
            Ok(Response::Queried(Queried { page, is_behind, is_filling })) => {
                if self.nodes.is_strange(space) {
                    return Ok(());
                }
                let is_whole = !is_behind && !is_filling && page.next.is_none();
                self.tally.looks += u64::from(is_whole);
                self.observe(&Observation::Looked { look, node, space, goods: &page.documents, is_whole })
            }
            // A node that does not carry the space.
            Err(RequestError::UnknownSpace(_)) => Ok(()),
            Err(RequestError::Damaged { .. }) if self.nodes.node(node).is_damaged => {
                self.agenda.plan(self.now_ns(), Event::Scrub { node });
                Ok(())
            }
            Ok(_) | Err(_) => {
                let finding = format!("{} does not show {space}: {result:?}", Topology::name(node));
                Err(Failure::correctness("requests_are_answered", finding))
            }
        }
    }

    /// The node is gone, and the answers with it.
    pub(super) fn lose_answers(&mut self, node: NodeId) -> Result<(), Failure> {
        for write in self.clients.lose(node) {
            self.tally.unknown += 1;
            self.observe(&Observation::Unknown { write: &write })?;
        }
        Ok(())
    }
}
