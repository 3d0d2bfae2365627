//! Small updates, as services make them: a sale, and a whole value that is put back with another field.

use crate::cpu::median;
use crate::pair::{Pair, inventory};
use document::Operation;
use serde_json::json;

/// Documents that are updated in memory; all of them stay open.
const DOCUMENTS: usize = 200;
const TURN: usize = 64;

/// What an update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An increment of a counter.
    Sale,
    /// A `put` of the whole value, of which one field differs from what is there.
    Put,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sale, Self::Put];

    /// The name of its rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sale => "increment",
            Self::Put => "put",
        }
    }

    /// The update with this number of a document.
    #[must_use]
    pub fn operation(self, document: usize, number: usize) -> Operation {
        match self {
            Self::Sale => Operation::increment("/on_hand", -1).expect("a pointer"),
            Self::Put => whole(document, number),
        }
    }

    /// Microseconds of the core's thread for one, without a disk: the open document, the difference, the change, all
    /// rows of its batch, value included; 64 a turn, on documents with 10 to 74 earlier changes. The median of `rounds`.
    ///
    /// # Panics
    /// When not all documents stay open.
    #[must_use]
    pub fn micros(self, rounds: usize) -> f64 {
        let count = DOCUMENTS * TURN;
        let update =
            |number: usize| (inventory(number % DOCUMENTS), self.operation(number % DOCUMENTS, number));
        let rounds = (0..rounds).map(|_| {
            let mut pair = Pair::default();
            let first = |document: usize| (inventory(document), whole(document, usize::MAX));
            pair.site.update(0..DOCUMENTS, TURN, first);
            pair.site.update(0..10 * DOCUMENTS, TURN, update);
            let before = pair.site.core_time();
            pair.site.update(10 * DOCUMENTS..10 * DOCUMENTS + count, TURN, update);
            assert_eq!(pair.site.counts().0, DOCUMENTS as u64, "all documents stay open");
            (pair.site.core_time() - before).as_secs_f64() * 1e6 / count as f64
        });
        median(rounds.collect())
    }
}

/// The whole value of an inventory document: every number has another shelf.
#[must_use]
pub fn whole(document: usize, number: usize) -> Operation {
    Operation::Put(json!({"product": document.to_string(), "on_hand": 100, "shelf": format!("A-{number}"),
        "attributes": {"colour": "red", "size": "11 OZ", "brand": "National", "season": "all"}}))
}
