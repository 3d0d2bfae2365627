//! What must hold of a document for a write of it to be made.

use crate::request::Reading;
use document::{Address, ChangeHash};
use std::collections::BTreeSet;
use std::fmt;

/// Most heads that a message names.
const HEADS_TOLD_MAX: usize = 4;

/// What must hold of a document when it is written. It is held against the document with all changes that are here, in
/// the turn that writes: nothing comes between. Other replicas may write at the same time: their changes merge, as ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The document is shown: it was written, and is not deleted.
    Exists,
    /// The document is not shown: it was never written, or is deleted.
    Absent,
    /// The document's heads are one of these sets, as a reading or the answer to a write told them; the order within a
    /// set is of no account. The empty set is that of a document that was never written.
    HeadsAmong(Vec<Vec<ChangeHash>>),
}

impl Condition {
    pub(crate) fn holds(&self, reading: &Reading) -> bool {
        match self {
            Self::Exists => reading.value.is_some(),
            Self::Absent => reading.value.is_none(),
            Self::HeadsAmong(sets) => {
                let present = in_order(&reading.heads);
                sets.iter().any(|set| in_order(set) == present)
            }
        }
    }

    /// Tells it from every other condition, in whichever order its heads are.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Exists => b"exists".to_vec(),
            Self::Absent => b"absent".to_vec(),
            Self::HeadsAmong(sets) => {
                let mut bytes = b"heads among".to_vec();
                for set in sets.iter().map(|set| in_order(set)).collect::<BTreeSet<_>>() {
                    bytes.extend((set.len() as u64).to_be_bytes());
                    bytes.extend(set.into_iter().flat_map(|head| head.0));
                }
                bytes
            }
        }
    }
}

fn in_order(heads: &[ChangeHash]) -> BTreeSet<ChangeHash> {
    heads.iter().copied().collect()
}

/// How a document is at present, in words.
pub(crate) struct Present<'a>(pub(crate) &'a Address, pub(crate) bool, pub(crate) &'a [ChangeHash]);

impl fmt::Display for Present<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(address, exists, heads) = self;
        let told: Vec<String> = heads.iter().take(HEADS_TOLD_MAX).map(ToString::to_string).collect();
        match (exists, heads.len()) {
            (_, 0) => return write!(f, "there is no document {address}"),
            (true, _) => write!(f, "{address} has the heads {}", told.join(","))?,
            (false, _) => write!(f, "{address} is deleted and has the heads {}", told.join(","))?,
        }
        match heads.len().saturating_sub(HEADS_TOLD_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn heads(numbers: &[u8]) -> Vec<ChangeHash> {
        numbers.iter().map(|number| ChangeHash([*number; 32])).collect()
    }

    #[test]
    fn a_condition_is_held_against_what_is_shown_and_its_heads() {
        let never = Reading::default();
        let deleted = Reading { heads: heads(&[1]), ..Reading::default() };
        let shown = Reading { value: Some(json!({})), heads: heads(&[1, 2]), ..Reading::default() };
        let holds =
            |condition: &Condition| [&never, &deleted, &shown].map(|reading| condition.holds(reading));
        assert_eq!(holds(&Condition::Exists), [false, false, true]);
        assert_eq!(holds(&Condition::Absent), [true, true, false]);
        let among = |sets: &[&[u8]]| Condition::HeadsAmong(sets.iter().map(|set| heads(set)).collect());
        assert_eq!(holds(&among(&[&[1]])), [false, true, false], "a part is not all");
        assert_eq!(holds(&among(&[&[3], &[2, 1, 2]])), [false, false, true], "in any order");
        assert_eq!(holds(&among(&[&[]])), [true, false, false]);
        assert_eq!(holds(&among(&[])), [false; 3]);
    }

    #[test]
    fn bytes_tell_conditions_apart_and_not_their_order() {
        let among =
            |sets: &[&[u8]]| Condition::HeadsAmong(sets.iter().map(|set| heads(set)).collect()).to_bytes();
        assert_eq!(among(&[&[2, 1], &[3]]), among(&[&[3], &[1, 2]]));
        let all = [
            Condition::Exists.to_bytes(),
            Condition::Absent.to_bytes(),
            among(&[]),
            among(&[&[]]),
            among(&[&[1], &[2]]),
            among(&[&[1, 2]]),
        ];
        assert_eq!(BTreeSet::from_iter(&all).len(), all.len());
    }

    #[test]
    fn what_holds_is_told_shortly() {
        let address: Address = "s/c/k".parse().unwrap();
        let told = |exists, numbers: &[u8]| Present(&address, exists, &heads(numbers)).to_string();
        assert_eq!(told(false, &[]), "there is no document s/c/k");
        assert!(told(false, &[1]).starts_with("s/c/k is deleted and has the heads 0101"));
        let many = told(true, &[1, 2, 3, 4, 5, 6]);
        assert!(many.starts_with("s/c/k has the heads 0101") && many.ends_with("04 and 2 more"), "{many}");
    }
}
