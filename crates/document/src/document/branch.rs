//! One branch of a forked history in place of another: a document without some of its changes, and what they said
//! written again under another origin.

use super::{ApplyError, Document, NewChange, lineage};
use crate::{ChangeHash, Origin, Signature, WriteError};
use std::collections::{BTreeMap, BTreeSet};

impl Document {
    /// The document without some changes and all that depend on them, and which changes that leaves out.
    ///
    /// # Errors
    /// [`ApplyError`] when what is left cannot be applied, which is so of damaged documents only.
    pub fn without(
        &self,
        changes: &BTreeSet<ChangeHash>,
    ) -> Result<(Self, BTreeSet<ChangeHash>), ApplyError> {
        let (mut left_out, mut chunks) = (BTreeSet::new(), Vec::new());
        // Each comes after what it depends on.
        for meta in self.ahead.whole().get_changes_meta(&[]) {
            if changes.contains(&meta.hash) || meta.deps.iter().any(|hash| left_out.contains(hash)) {
                left_out.insert(meta.hash);
            } else if lineage::creation_at(self.ahead.whole(), &meta).is_none() {
                chunks.extend(self.change(&meta.hash));
            }
        }
        let mut document = Self::new();
        document.apply_known(&chunks)?;
        Ok((document, left_out))
    }

    /// How many changes each origin has here. An origin numbers its changes of a document from 1: a change under one of these
    /// numbers that is not here is of another history.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<Origin, u64> {
        let mut numbers = BTreeMap::new();
        for meta in self.ahead.whole().get_changes_meta(&[]) {
            if let Some(origin) = lineage::origin(&meta.actor) {
                let number = numbers.entry(origin).or_default();
                *number = meta.seq.max(*number);
            }
        }
        numbers
    }

    /// Writes what `with` shows beyond this document, which is [`Document::without`] some of its changes: plain values,
    /// elements, lists and texts as they are there, and of counters what one of `authors` added, under the origin of the
    /// signature. What others added to counters is theirs to send again. `Ok(None)` when there is nothing of that.
    ///
    /// # Errors
    /// [`WriteError`]; the document is as it was.
    pub fn write_again(
        &mut self,
        signature: &Signature<'_>,
        with: &Self,
        authors: &[Origin],
    ) -> Result<Option<NewChange>, WriteError> {
        let shares: BTreeSet<String> = authors.iter().map(|origin| origin.short()).collect();
        self.commit(signature, None, &|writer| writer.write_again(with.ahead.whole(), &shares))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Operation, Pointer, Schema};
    use serde_json::{Value, json};

    const SCHEMA: &str = r#"{"x-version": 1, "type": "object", "properties": {
        "name": {"type": "string"}, "stock": {"type": "integer", "x-crdt": "counter"},
        "sellable": {"type": "integer", "minimum": 0, "x-crdt": "bounded-counter"},
        "tags": {"type": "array", "items": {"type": "string"}, "x-crdt": "set"}, "lines": {"type": "array", "x-crdt": "list"},
        "text": {"type": "string", "x-crdt": "text"}}}"#;

    fn write(document: &mut Document, origin: u8, operations: &[Operation]) -> ChangeHash {
        let schema = Schema::parse(SCHEMA).unwrap();
        let signature = Signature::of(Origin([origin; 16]), 0);
        document.write(&signature, Some(&schema), operations).unwrap().unwrap().hash
    }

    fn put(value: Value) -> Operation {
        Operation::Put(value)
    }

    fn increment(by: i64) -> Operation {
        Operation::increment("/stock", by).unwrap()
    }

    #[test]
    fn a_document_without_a_change_is_without_what_depends_on_it() {
        let mut document = Document::new();
        write(&mut document, 1, &[put(json!({"stock": 10, "lines": ["a"]}))]);
        let mut aside = document.clone();
        let dropped = write(&mut document, 1, &[increment(-1)]);
        let dependent = write(&mut document, 2, &[increment(-2)]);
        let kept = aside.write(&Signature::of(Origin([3; 16]), 0), None, &[increment(-4)]).unwrap().unwrap();
        document.apply(&[kept.chunk]).unwrap();
        let (without, left_out) = document.without(&[dropped].into()).unwrap();
        assert_eq!(left_out, [dropped, dependent].into());
        assert_eq!(without.json(), Some(json!({"stock": 6, "lines": ["a"]})));
        assert_eq!(without.heads(), aside.heads());
    }

    #[test]
    fn a_list_of_which_all_is_gone_again_is_taken_by_others() {
        let mut document = Document::new();
        let first = write(&mut document, 1, &[put(json!({"lines": ["a"], "name": "x"}))]);
        let delete = Operation::Splice {
            field: "/lines".parse_pointer(),
            index: 0,
            delete: 1,
            insert: crate::Insertion::Values(vec![]),
        };
        let second = write(&mut document, 1, &[delete]);
        let (mut without, _) = document.without(&[first, second].into()).unwrap();
        let signature = Signature::of(Origin([3; 16]), 0);
        let again = without.write_again(&signature, &document, &[Origin([1; 16])]).unwrap().unwrap();
        let mut other = Document::new();
        write(&mut other, 2, &[put(json!({"lines": ["b"]}))]);
        for mut other in [Document::new(), other] {
            other.apply(std::slice::from_ref(&again.chunk)).unwrap();
        }
    }

    #[test]
    fn what_the_lost_branch_said_is_said_once_more_and_counts_once() {
        let mut document = Document::new();
        let first =
            json!({"stock": 10, "sellable": 8, "tags": ["old"], "lines": ["a"], "text": "milk", "name": "x"});
        write(&mut document, 1, &[put(first)]);
        let spend = Operation::Spend { field: "/sellable".parse_pointer(), by: 3 };
        let changed =
            json!({"stock": 7, "sellable": 5, "tags": ["new"], "lines": ["a", "b"], "text": "milk!"});
        let dropped = write(&mut document, 1, &[increment(-3), spend]);
        write(&mut document, 1, &[put(changed.clone())]);
        // Another's sale on top of the branch is for that other to send again.
        write(&mut document, 2, &[increment(-100)]);
        let (mut without, left_out) = document.without(&[dropped].into()).unwrap();
        assert_eq!(left_out.len(), 3);
        let signature = Signature::of(Origin([9; 16]), 0);
        let change = without.write_again(&signature, &document, &[Origin([1; 16])]).unwrap().unwrap();
        assert_eq!(without.json(), Some(changed.clone()));
        assert_eq!(change.json, without.json());
        assert_eq!(without.write_again(&signature, &document, &[]).unwrap(), None, "said already");
        // It is a change like any other, and fits where the other branch went on.
        let (mut other, _) = document.without(&[dropped].into()).unwrap();
        write(&mut other, 1, &[increment(-1)]);
        other.apply(&[change.chunk]).unwrap();
        assert_eq!(other.json().unwrap()["stock"], json!(6));
    }

    trait ParsePointer {
        fn parse_pointer(&self) -> Pointer;
    }

    impl ParsePointer for str {
        fn parse_pointer(&self) -> Pointer {
            Pointer::parse(self).unwrap()
        }
    }
}
