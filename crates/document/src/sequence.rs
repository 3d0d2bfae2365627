//! Creation of lists and texts, the only Automerge objects in a document.
//!
//! Of two objects put concurrently under one key Automerge keeps one. So the change that creates a sequence is built
//! from the entry's name and the kind alone, and every replica makes the same one: its actor is a digest of both, its
//! sequence and its first operation are 1, its time is 0, and it depends on nothing. It is never stored nor sent. A
//! change that uses a sequence for the first time depends on it and puts the sequence's mark (module `entry`):
//! whoever applies a change that names a mark makes the creation first.

use crate::ChangeHash;
use crate::entry::SequenceKind;
use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, Automerge, ObjId, ObjType, ROOT};
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

/// The change that creates the sequence at the entry of this name: the same wherever and whenever it is made.
pub(crate) fn creation(kind: SequenceKind, name: &str) -> Creation {
    let object = match kind {
        SequenceKind::List => ObjType::List,
        SequenceKind::Text => ObjType::Text,
    };
    let mut document = Automerge::new().with_actor(actor(kind, name));
    let mut transaction = document.transaction();
    // A new document refuses nothing; were it to, the hash of nothing would fit nowhere.
    let _made = transaction.put_object(ROOT, name, object);
    transaction.commit_with(CommitOptions::default().with_time(0));
    let change = document.get_last_local_change();
    let (hash, chunk) = change
        .map_or((ChangeHash([0; 32]), Vec::new()), |change| (change.hash(), change.raw_bytes().to_vec()));
    Creation { hash, chunk }
}

#[cfg(test)]
mod tests {
    use super::*;

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
