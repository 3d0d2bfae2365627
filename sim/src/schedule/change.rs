use crate::topology::NodeId;
use serde::{Deserialize, Serialize};

/// Keys of the documents between which goods are moved start so. Their stock is changed by moves alone.
pub const BIN_PREFIX: &str = "bin-";
/// Bins of a space.
const BINS: u64 = 5;

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Change {
    /// Goods come in, or are sold: an increment of a counter.
    Count(i64),
    /// Goods are put elsewhere: a register gets a value that no other write gives it.
    Shelve,
    /// Both at once: a document is made, or brought up to date.
    Stock(i64),
    /// A note of so many bytes is put: a long register.
    Note(usize),
    /// A price is set: a register gets a value that no other write gives it.
    Price,
    /// Units may be promised: rights of a bounded counter are made.
    Grant(u64),
    /// Units are promised: rights are spent. Refused when the node has not so many.
    Spend(u64),
    /// Another node may promise them: rights are given to it. Refused when the node has not so many.
    Transfer {
        /// Who gets them.
        to: NodeId,
        /// How many.
        by: u64,
    },
    /// Goods are moved between bins in one transaction, whose increments come to 0.
    Move {
        /// To so many bins after the one that is named.
        others: u64,
        /// So many to each.
        by: i64,
        /// They are promised too: the transaction is refused when the node has no right to promise them.
        promised: bool,
    },
    /// A merge patch: a field of a map gets a value that no other write gives it, and a register is removed.
    Patch,
    /// A tag is put on a page, or taken from it: an element of a set.
    Tag {
        /// Which.
        tag: u64,
        /// Whether it is put on.
        added: bool,
    },
    /// Something is typed into the text of a page. Refused where the text is shorter.
    Type {
        /// Before which character.
        index: usize,
        /// Characters that are deleted first.
        delete: usize,
    },
    /// A line is inserted into the list of a basket. Refused where the list is shorter.
    Scan {
        /// Before which line.
        index: usize,
    },
    /// Lines are taken out of the list of a basket. Refused where the list is shorter.
    Unscan {
        /// The first.
        index: usize,
        /// How many.
        delete: usize,
    },
    /// A page is put with its title, tags and text: where it was deleted, it comes back.
    Page,
    /// A basket is put, open and with one line: where it was deleted, it comes back.
    Basket,
    /// A basket is paid.
    Pay,
    /// A device is heard of: two registers of its state.
    Report,
    /// A document is deleted.
    Discard(Discarded),
}

/// Of what a document is that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discarded {
    /// Goods.
    Goods,
    /// A page of notes.
    Page,
    /// A basket.
    Basket,
}

/// The key of a bin: numbers go round.
#[must_use]
pub fn bin(number: u64) -> String {
    format!("{BIN_PREFIX}{}", number % BINS)
}
