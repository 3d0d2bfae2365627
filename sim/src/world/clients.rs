//! Services: what they asked, what they were told, and what they try again.

use crate::topology::NodeId;
use document::{Address, Operation, Space};
use replica::{
    IdempotencyKey, Request, RequestError, RequestId, Response, TransactionWrite, WaitFor, WriteTerms,
};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A write that a service wants done: of one document, or a transaction of several.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientWrite {
    /// Names it; no other write has the number.
    pub id: u64,
    /// At which node.
    pub node: NodeId,
    /// Where.
    pub space: Space,
    /// Its documents, and what to do to each.
    pub parts: Vec<(Address, Vec<Operation>)>,
    /// Whether it carries an idempotency key, and is tried again until it is answered.
    pub is_retried: bool,
}

impl ClientWrite {
    /// What it does, one operation after another, each with its document.
    pub fn operations(&self) -> impl Iterator<Item = (&Address, &Operation)> {
        self.parts
            .iter()
            .flat_map(|(address, operations)| operations.iter().map(move |operation| (address, operation)))
    }

    /// The documents that it deletes.
    pub fn deleted(&self) -> impl Iterator<Item = &Address> {
        self.operations()
            .filter(|(_, operation)| **operation == Operation::Delete)
            .map(|(address, _)| address)
    }

    pub(super) fn request(&self) -> Request {
        let key = self.is_retried.then(|| IdempotencyKey::new(format!("operation-{}", self.id)).ok());
        // Some wait for the hub, for less than a restart takes and for longer.
        let wait = match self.id % 4 {
            0 => WaitFor::Hub { within_ms: self.id % 3_000 },
            _ => WaitFor::Local,
        };
        let terms = WriteTerms { idempotency_key: key.flatten(), wait, ..WriteTerms::default() };
        if let [(address, operations)] = self.parts.as_slice() {
            let (address, operations) = (address.clone(), operations.clone());
            return Request::Write { address, operations, condition: None, terms };
        }
        let write = |(address, operations): &(Address, Vec<Operation>)| TransactionWrite {
            collection: address.collection.clone(),
            key: address.key.clone(),
            operations: operations.clone(),
            condition: None,
        };
        Request::Transaction {
            space: self.space.clone(),
            writes: self.parts.iter().map(write).collect(),
            terms,
        }
    }
}

/// A write whose answer is awaited.
#[derive(Clone)]
pub(super) struct Awaited {
    pub(super) write: Rc<ClientWrite>,
    /// How often it was sent.
    pub(super) attempts: u32,
}

/// A question whose answer is awaited.
enum Asked {
    Write(Awaited),
    /// The answer is kept for who asked.
    Direct,
    /// Checkers look at all goods of a space.
    Look(Space),
    /// The answer is of no interest.
    Ignored,
}

/// What became of a question.
pub(super) enum Answered {
    Write(Awaited, Result<Response, RequestError>),
    Look((NodeId, RequestId), Space, Result<Response, RequestError>),
    Other,
}

#[derive(Default)]
pub(super) struct Clients {
    asked: BTreeMap<RequestId, (NodeId, Asked)>,
    /// To be sent when the node is up again.
    waiting: BTreeMap<(NodeId, u64), Awaited>,
    answers: BTreeMap<RequestId, Result<Response, RequestError>>,
    requests: u64,
}

impl Clients {
    fn ask(&mut self, node: NodeId, asked: Asked) -> RequestId {
        let id = RequestId(self.requests);
        self.requests += 1;
        self.asked.insert(id, (node, asked));
        id
    }

    pub(super) fn write(&mut self, awaited: Awaited) -> RequestId {
        self.ask(awaited.write.node, Asked::Write(awaited))
    }

    pub(super) fn direct(&mut self, node: NodeId) -> RequestId {
        self.ask(node, Asked::Direct)
    }

    pub(super) fn look(&mut self, node: NodeId, space: Space) -> RequestId {
        self.ask(node, Asked::Look(space))
    }

    pub(super) fn ignored(&mut self, node: NodeId) -> RequestId {
        self.ask(node, Asked::Ignored)
    }

    pub(super) fn wait(&mut self, awaited: Awaited) {
        self.waiting.insert((awaited.write.node, awaited.write.id), awaited);
    }

    pub(super) fn answer(&mut self, id: RequestId, result: Result<Response, RequestError>) -> Answered {
        match self.asked.remove(&id) {
            Some((_, Asked::Write(awaited))) => Answered::Write(awaited, result),
            Some((_, Asked::Direct)) => {
                self.answers.insert(id, result);
                Answered::Other
            }
            Some((node, Asked::Look(space))) => Answered::Look((node, id), space, result),
            Some((_, Asked::Ignored)) | None => Answered::Other,
        }
    }

    /// The answer to a direct question, once.
    pub(super) fn take_answer(&mut self, id: RequestId) -> Option<Result<Response, RequestError>> {
        self.answers.remove(&id)
    }

    /// The node is gone: who can, tries again later. Returns the writes of which nobody will ever know.
    pub(super) fn lose(&mut self, node: NodeId) -> Vec<Rc<ClientWrite>> {
        let lost: Vec<_> = self.asked.iter().filter(|(_, (at, _))| *at == node).map(|(id, _)| *id).collect();
        let mut unknown = Vec::new();
        for id in lost {
            match self.asked.remove(&id) {
                Some((_, Asked::Write(awaited))) if awaited.write.is_retried => self.wait(awaited),
                Some((_, Asked::Write(awaited))) => unknown.push(awaited.write),
                Some((_, Asked::Direct | Asked::Look(_) | Asked::Ignored)) | None => {}
            }
        }
        unknown
    }

    /// What is to be sent to a node that is up again, in the order of the operations.
    pub(super) fn take_waiting(&mut self, node: NodeId) -> Vec<Awaited> {
        let later = self.waiting.split_off(&(node, 0));
        let (mine, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            later.into_iter().partition(|((at, _), _)| *at == node);
        self.waiting.extend(others);
        mine.into_values().collect()
    }

    /// Writes that wait for a node, and were sent to it before.
    pub(super) fn attempted(&self, node: NodeId) -> Vec<Rc<ClientWrite>> {
        let waiting = self.waiting.range((node, 0)..=(node, u64::MAX)).map(|(_, awaited)| awaited);
        waiting.filter(|awaited| awaited.attempts > 0).map(|awaited| Rc::clone(&awaited.write)).collect()
    }

    /// Requests without an answer.
    pub(super) fn open(&self) -> usize {
        self.asked.len() + self.waiting.len()
    }
}
