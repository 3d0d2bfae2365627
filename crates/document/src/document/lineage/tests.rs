use crate::{
    ApplyReason, ChangeHash, Document, ForeignChange, NewChange, Operation, Origin, Schema, Signature,
};
use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, ObjType, ROOT, ScalarValue};
use serde_json::json;

const VICTIM: u8 = 1;
const FOE: u8 = 9;

/// What a foe makes up: it puts 5 at an entry, in place of the victim's operation of this number.
struct Forged<'a> {
    dependencies: &'a [ChangeHash],
    sequence: u8,
    start: u64,
    name: &'a str,
    replaces: Option<u8>,
}

impl Forged<'_> {
    fn chunk(&self) -> Vec<u8> {
        let mut body = vec![u8::try_from(self.dependencies.len()).unwrap()];
        self.dependencies.iter().for_each(|hash| body.extend_from_slice(&hash.0));
        body.push(16);
        body.extend_from_slice(&[FOE; 16]);
        body.push(self.sequence);
        let mut start = self.start;
        while start > 127 {
            body.push(u8::try_from(start & 127).unwrap() | 128);
            start >>= 7;
        }
        // First operation, time 0, no message; the other author where it is named.
        body.extend_from_slice(&[u8::try_from(start).unwrap(), 0, 0]);
        match self.replaces {
            Some(_) => body.extend_from_slice(&[&[1, 16][..], &[VICTIM; 16]].concat()),
            None => body.push(0),
        }
        let name = [&[0x7f, u8::try_from(self.name.len()).unwrap()], self.name.as_bytes()].concat();
        // Insert: no. Action: put. Value: a number of one byte, 5.
        let mut columns = vec![
            (0x15, name),
            (0x34, vec![1]),
            (0x42, vec![0x7f, 1]),
            (0x56, vec![0x7f, 0x14]),
            (0x57, vec![5]),
        ];
        columns.push((0x70, vec![0x7f, u8::from(self.replaces.is_some())]));
        if let Some(number) = self.replaces {
            columns.extend([(0x71, vec![0x7f, 1]), (0x73, vec![0x7f, number])]);
        }
        body.push(u8::try_from(columns.len()).unwrap());
        for (number, column) in &columns {
            // Numbers of 7 bits are one byte.
            body.extend_from_slice(&[*number, u8::try_from(column.len()).unwrap()]);
        }
        columns.iter().for_each(|(_, column)| body.extend_from_slice(column));
        crate::foreign::seal(&body).1
    }
}

/// Two changes of the victim: a tally put by operation 1, and again by operation 2.
fn victims() -> [NewChange; 2] {
    let schema =
        r#"{"x-version":1,"type":"object","properties":{"on_hand":{"type":"integer","x-crdt":"counter"}}}"#;
    let schema = Schema::parse(schema).unwrap();
    let mut document = Document::new();
    [50, 7].map(|by| {
        let operation = Operation::increment("/on_hand", by).unwrap();
        document.write(&Signature::of(Origin([VICTIM; 16]), 0), Some(&schema), &[operation]).unwrap().unwrap()
    })
}

/// Applies the changes each alone, and all together: it must come to the same.
#[track_caller]
fn apply(chunks: &[Vec<u8>]) -> (Result<(), ApplyReason>, Document) {
    let (mut alone, mut together) = (Document::new(), Document::new());
    let one_by_one = chunks.iter().try_for_each(|chunk| alone.apply(std::slice::from_ref(chunk)));
    let at_once = together.apply(chunks);
    let blamed = |result: Result<(), crate::ApplyError>| result.map_err(|error| (error.change, error.reason));
    assert_eq!(blamed(at_once), blamed(one_by_one));
    if let Err(error) = at_once {
        let (change, _) = crate::foreign::seal(ForeignChange::body(&chunks[error.applied]).unwrap());
        assert_eq!(change, error.change);
    }
    assert_eq!((alone.heads(), alone.json()), (together.heads(), together.json()));
    (one_by_one.map_err(|error| error.reason), alone)
}

#[test]
fn an_operation_replaces_nothing_at_another_entry() {
    let [first, second] = victims();
    for (name, replaces, expected) in [
        ("zz", None, Ok(())),
        ("aa", Some(2), Err(ApplyReason::Misfit)),
        ("zz", Some(2), Err(ApplyReason::Misfit)),
        ("zz", Some(1), Err(ApplyReason::Misfit)),
        ("zz", Some(3), Err(ApplyReason::Refused)),
    ] {
        let dependencies = &[second.hash];
        let forged = Forged { dependencies, sequence: 1, start: 3, name, replaces }.chunk();
        let (result, document) = apply(&[first.chunk.clone(), second.chunk.clone(), forged]);
        assert_eq!(result, expected, "{name} {replaces:?}");
        assert_eq!(document.json().unwrap().get("on_hand"), Some(&json!(57)));
    }
}

#[test]
fn operations_are_numbered_after_what_they_depend_on() {
    let [first, second] = victims();
    for start in [1, 2, 3, 4, 1 << 30, 1 << 31] {
        let forged =
            Forged { dependencies: &[second.hash], sequence: 1, start, name: "zz", replaces: None }.chunk();
        let (result, mut document) = apply(&[first.chunk.clone(), second.chunk.clone(), forged]);
        assert_eq!(result.is_ok(), start == 3, "{start}");
        let put = Operation::Put(json!({"shelf": "A"}));
        assert!(
            document.write(&Signature::of(Origin([2; 16]), 0), None, &[put]).is_ok(),
            "the document can be written"
        );
    }
}

#[test]
fn an_author_uses_no_number_twice() {
    let [first, second] = victims();
    let dependencies = &[second.hash];
    let forged = |sequence, name| Forged { dependencies, sequence, start: 3, name, replaces: None }.chunk();
    let chunks = [first.chunk, second.chunk.clone(), forged(1, "y"), forged(2, "z")];
    assert_eq!(apply(&chunks).0, Err(ApplyReason::Misfit));
    assert_eq!(apply(&chunks[..3]).0, Ok(()));
}

#[test]
fn only_values_at_entries_are_applied() {
    let chunk = |work: &dyn Fn(&mut Automerge)| {
        let mut document = Automerge::new().with_actor(ActorId::from(&[FOE; 16]));
        work(&mut document);
        document.get_changes(&[]).into_iter().map(|change| change.raw_bytes().to_vec()).collect::<Vec<_>>()
    };
    let transact = |document: &mut Automerge, value: ScalarValue| {
        let mut transaction = document.transaction();
        transaction.put(ROOT, "n", value).unwrap();
        transaction.commit();
    };
    let list = chunk(&|document| {
        let mut transaction = document.transaction();
        transaction.put_object(ROOT, "n", ObjType::List).unwrap();
        transaction.commit();
    });
    let counted = chunk(&|document| {
        transact(document, ScalarValue::counter(1));
        let mut transaction = document.transaction();
        transaction.increment(ROOT, "n", 1).unwrap();
        transaction.commit();
    });
    assert_eq!(apply(&list).0, Err(ApplyReason::Refused));
    assert_eq!(apply(&counted).0, Err(ApplyReason::Refused));
    assert_eq!(apply(&chunk(&|document| transact(document, ScalarValue::Int(1)))).0, Ok(()));
}

#[test]
fn honest_changes_fit() {
    let mut sites = [(Document::new(), 1), (Document::new(), 2)];
    let mut underway = Vec::new();
    let mut all = Vec::new();
    for round in 0..40_u8 {
        for (document, number) in &mut sites {
            // Several operations on one entry, a field that goes and comes.
            let put = |n: u8| Operation::Put(json!({"shelf": n, (n % 3).to_string(): *number}));
            let operations = [put(round), put(round + 1), put(round + 2)];
            let change =
                document.write(&Signature::of(Origin([*number; 16]), 0), None, &operations).unwrap().unwrap();
            underway.push((*number, change.chunk));
        }
        if round % 5 == 0 {
            for (author, chunk) in underway.drain(..) {
                let (document, _) = sites.iter_mut().find(|(_, number)| *number != author).unwrap();
                document.apply(std::slice::from_ref(&chunk)).unwrap();
                all.push(chunk);
            }
        }
    }
    let (result, document) = apply(&all);
    assert_eq!(result, Ok(()));
    assert_eq!(document.heads().len(), 2);
}
