//! The body of a change, taken apart and put together again. Format: Automerge binary document format, "change chunks".

use super::number::{Reader, push_bytes, push_signed, push_unsigned};
use sha2::{Digest as _, Sha256};

/// Most dependencies of a change that is sent slim, and most other authors.
pub(super) const LIST_MAX: usize = 1_024;
/// Longest message of a change that is sent slim, in bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 1_024;
/// Most columns of a change that is sent slim.
const COLUMNS_MAX: usize = 32;
const KIND_CHANGE: u8 = 1;

/// The parts of a body.
pub(super) struct Change<'a> {
    pub(super) dependencies: Vec<[u8; 32]>,
    pub(super) author: [u8; 16],
    /// Its number among the author's changes of the document.
    pub(super) sequence: u64,
    pub(super) first_operation: u64,
    pub(super) time: i64,
    pub(super) message: &'a [u8],
    pub(super) others: Vec<[u8; 16]>,
    /// Their number, what each is and how long, then their bytes.
    pub(super) columns: &'a [u8],
}

impl<'a> Change<'a> {
    /// Takes a body apart; `None` when its parts would not make the same body again.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let count = reader.count(LIST_MAX)?;
        let dependencies = (0..count).map(|_| reader.array()).collect::<Option<Vec<_>>>()?;
        let author = read_author(&mut reader)?;
        let (sequence, first_operation) = (reader.unsigned()?, reader.unsigned()?);
        let (time, message) = (reader.signed()?, reader.bytes(MESSAGE_BYTES_MAX)?);
        let count = reader.count(LIST_MAX)?;
        let others = (0..count).map(|_| read_author(&mut reader)).collect::<Option<Vec<_>>>()?;
        let columns = read_columns(&mut reader)?;
        let change = Self { dependencies, author, sequence, first_operation, time, message, others, columns };
        // Numbers in a longer form than needed, and what follows the columns, would be lost.
        (change.body() == body).then_some(change)
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let lists = self.dependencies.len() * 32 + self.others.len() * 17;
        let mut body = Vec::with_capacity(lists + self.message.len() + self.columns.len() + 48);
        push_unsigned(&mut body, self.dependencies.len() as u64);
        body.extend(self.dependencies.as_flattened());
        push_bytes(&mut body, &self.author);
        push_unsigned(&mut body, self.sequence);
        push_unsigned(&mut body, self.first_operation);
        push_signed(&mut body, self.time);
        push_bytes(&mut body, self.message);
        push_unsigned(&mut body, self.others.len() as u64);
        for other in &self.others {
            push_bytes(&mut body, other);
        }
        body.extend_from_slice(self.columns);
        body
    }
}

fn read_author(reader: &mut Reader<'_>) -> Option<[u8; 16]> {
    if reader.unsigned()? == 16 { reader.array() } else { None }
}

/// Reads columns, which say themselves how long they are.
pub(super) fn read_columns<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let all = reader.rest();
    let mut bytes = 0_usize;
    for _ in 0..reader.count(COLUMNS_MAX)? {
        reader.unsigned()?;
        bytes = bytes.checked_add(reader.count(all.len())?)?;
    }
    reader.take(bytes)?;
    all.get(..all.len() - reader.rest().len())
}

/// The identity of a change: SHA-256 over kind, length and body.
#[must_use]
pub fn hash(body: &[u8]) -> [u8; 32] {
    let mut head = vec![KIND_CHANGE];
    push_unsigned(&mut head, body.len() as u64);
    Sha256::new().chain_update(&head).chain_update(body).finalize().into()
}
