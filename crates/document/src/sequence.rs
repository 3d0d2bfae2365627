//! Creation of lists and texts, the only Automerge objects in a document.
//!
//! Of two objects put concurrently under one key Automerge keeps one. So the change that creates a sequence is built
//! from the entry's name and the kind alone, and every replica makes the same one: its actor is a digest of both, its
//! sequence and its first operation are 1, its time is 0, and it depends on nothing. It is never stored nor sent. A
//! change that uses a sequence for the first time depends on it and puts the sequence's mark (module `entry`):
//! whoever applies a change that names a mark makes the creation first.

use crate::ChangeHash;
use crate::entry::SequenceKind;
use crate::foreign;
use automerge::{ActorId, ObjId};
use sha2::{Digest as _, Sha256};

/// The change that creates a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Creation {
    /// Its identity.
    pub(crate) hash: ChangeHash,
    /// Its bytes, as Automerge reads them.
    pub(crate) chunk: Vec<u8>,
}

/// The author of the change that creates the sequence at the entry of this name.
pub(crate) fn actor(kind: SequenceKind, name: &str) -> ActorId {
    let kind = match kind {
        SequenceKind::List => "list",
        SequenceKind::Text => "text",
    };
    let digest = Sha256::new().chain_update("isle sequence").chain_update(kind).chain_update([0]);
    let digest: [u8; 32] = digest.chain_update(name).finalize().into();
    let (actor, _) = digest.split_at(16);
    ActorId::from(actor)
}

/// The object that the creation makes.
pub(crate) fn object(kind: SequenceKind, name: &str) -> ObjId {
    ObjId::Id(1, actor(kind, name), 0)
}

/// Header of a creation after its author: sequence 1, first operation 1, time 0, no message, no other authors, five
/// columns.
const HEADER: [u8; 6] = [1, 1, 0, 0, 0, 5];
/// Numbers of those columns: key names, insert, action, kind of value, count of predecessors.
const COLUMNS: [u8; 5] = [0x15, 0x34, 0x42, 0x56, 0x70];
/// A run of one value that follows.
const ONE: u8 = 0x7f;
const ACTION_MAKE_LIST: u8 = 2;
const ACTION_MAKE_TEXT: u8 = 4;

/// The change that creates the sequence at the entry of this name: the same wherever and whenever it is made, byte by
/// byte as Automerge would make it. Put together here: a change of a few hundred bytes can mark a hundred sequences, and
/// a document of Automerge for each would cost thousands of times its length.
pub(crate) fn creation(kind: SequenceKind, name: &str) -> Creation {
    let action = match kind {
        SequenceKind::List => ACTION_MAKE_LIST,
        SequenceKind::Text => ACTION_MAKE_TEXT,
    };
    let mut names = vec![ONE];
    foreign::push_unsigned(&mut names, name.len() as u64);
    names.extend_from_slice(name.as_bytes());
    let columns: [&[u8]; 5] = [&names, &[1], &[ONE, action], &[ONE, 0], &[ONE, 0]];
    let mut body = vec![0, 16];
    body.extend_from_slice(actor(kind, name).to_bytes());
    body.extend_from_slice(&HEADER);
    for (column, bytes) in COLUMNS.into_iter().zip(columns) {
        body.push(column);
        foreign::push_unsigned(&mut body, bytes.len() as u64);
    }
    columns.iter().for_each(|bytes| body.extend_from_slice(bytes));
    let (hash, chunk) = foreign::seal(&body);
    Creation { hash, chunk }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automerge::transaction::{CommitOptions, Transactable as _};
    use automerge::{Automerge, ObjType, ROOT};
    use proptest::prelude::*;

    /// Golden bytes: were they to change, replicas of two versions would make two lists in place of one.
    #[test]
    fn a_creation_is_the_same_for_ever() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let list = creation(SequenceKind::List, "lines");
        assert_eq!(
            hex(&list.chunk),
            "856f4a83fd4d59d301300010c650857807b285fc68064fcdd30e4a0d010100000005150734014202560270027f056c696e6573017f027f007f00"
        );
        let text = creation(SequenceKind::Text, "attributes/body");
        assert_eq!(
            hex(&text.chunk),
            "856f4a83b40a0cb7013a0010b0ee18edffbdf7f1594878433d86e1f4010100000005151134014202560270027f0f617474726962757465732f626f6479017f047f007f00"
        );
    }

    /// As Automerge makes it.
    fn made(kind: SequenceKind, name: &str) -> Creation {
        let object = match kind {
            SequenceKind::List => ObjType::List,
            SequenceKind::Text => ObjType::Text,
        };
        let mut document = Automerge::new().with_actor(actor(kind, name));
        let mut transaction = document.transaction();
        transaction.put_object(ROOT, name, object).unwrap();
        transaction.commit_with(CommitOptions::default().with_time(0));
        let change = document.get_last_local_change().unwrap();
        Creation { hash: change.hash(), chunk: change.raw_bytes().to_vec() }
    }

    proptest! {
        #[test]
        fn a_creation_is_as_automerge_makes_it(name in "\\PC{1,12}", times in 1..120_usize) {
            for kind in [SequenceKind::List, SequenceKind::Text] {
                for name in [name.clone(), name.repeat(times)] {
                    prop_assert_eq!(creation(kind, &name), made(kind, &name));
                }
            }
        }
    }

    #[test]
    fn a_creation_is_one_change_without_a_past() {
        for kind in [SequenceKind::List, SequenceKind::Text] {
            let creation = creation(kind, "a/b");
            let change = automerge::Change::from_bytes(creation.chunk).unwrap();
            assert_eq!((change.hash(), change.actor_id()), (creation.hash, &actor(kind, "a/b")));
            assert_eq!((change.seq(), change.start_op().get(), change.len()), (1, 1, 1));
            assert_eq!((change.timestamp(), change.message()), (0, None));
            assert!(change.deps().is_empty());
        }
        assert_ne!(creation(SequenceKind::List, "a").hash, creation(SequenceKind::Text, "a").hash);
        assert_ne!(creation(SequenceKind::List, "a").hash, creation(SequenceKind::List, "b").hash);
    }
}
