//! What services ask of nodes.

use super::clients::{Answered, Awaited};
use super::{ClientWrite, World};
use crate::failure::Failure;
use crate::observation::Observation;
use crate::sabotage::Sabotage;
use crate::time::SECOND_NS;
use crate::topology::NodeId;
use crate::trace::Moment;
use replica::{Input, Request, RequestError, RequestId, Response};
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
        if !self.nodes.has(node) {
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
        let Answered::Write(awaited, result) = self.clients.answer(id, result) else { return Ok(()) };
        let (write, attempts) = (&awaited.write, awaited.attempts);
        match &result {
            Ok(Response::Written(stamp)) => {
                self.tally.acknowledged += 1;
                self.observe(&Observation::Acknowledged { write, stamp: *stamp, attempts })
            }
            Ok(Response::Document(_) | Response::Listed(_) | Response::Status(_)) => {
                let finding = format!("operation {} got the answer to another question", write.id);
                Err(Failure::correctness("requests_are_answered", finding))
            }
            Err(error) => self.observe(&Observation::Refused { write, error }),
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
