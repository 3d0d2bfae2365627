use super::*;
use crate::entry::SequenceKind;
use crate::{Operation, Origin, Signature, sequence};
use automerge::legacy::{Key, ObjectId, Op, OpType};
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, ExpandedChange, ROOT, ReadDoc as _};
use serde_json::json;
use std::cell::RefCell;
use std::num::NonZeroU64;

/// A replica whose writes are made with Automerge alone: lists, texts, deletions, and what no write would do.
struct Hand(Automerge);

impl Hand {
    fn new(number: u8) -> Self {
        Self(Automerge::new().with_actor(ActorId::from(&[number; 16])))
    }

    fn write(&mut self, work: impl FnOnce(&mut Transaction<'_>)) -> Vec<u8> {
        let mut transaction = self.0.transaction();
        work(&mut transaction);
        let options = CommitOptions::default().with_time(1_700_000_000_000).with_message("till\nsold");
        transaction.commit_with(options);
        self.0.get_last_local_change().unwrap().raw_bytes().to_vec()
    }

    fn create(&mut self, kind: SequenceKind, name: &str) {
        let creation = Change::from_bytes(sequence::creation(kind, name).chunk).unwrap();
        self.0.apply_changes([creation]).unwrap();
    }

    fn take(&mut self, chunks: &[Vec<u8>]) {
        let changes = chunks.iter().map(|chunk| Change::from_bytes(chunk.clone()).unwrap());
        self.0.apply_changes(changes.collect::<Vec<_>>()).unwrap();
    }
}

/// Two replicas that edit the list `lines` and the text `body`, cut off and then together.
fn edits() -> Vec<Vec<u8>> {
    let list = || sequence::object(SequenceKind::List, "lines");
    let text = || sequence::object(SequenceKind::Text, "body");
    let mut chunks = Vec::new();
    let mut hands = [Hand::new(1), Hand::new(2)];
    for (number, hand) in hands.iter_mut().enumerate() {
        hand.create(SequenceKind::List, "lines");
        hand.create(SequenceKind::Text, "body");
        chunks.push(hand.write(|write| {
            write.put(ROOT, "lines/+[", true).unwrap();
            write.put(ROOT, "body/+\"", true).unwrap();
            write.insert(list(), 0, "milk").unwrap();
            write.insert(list(), 1, i64::try_from(number).unwrap()).unwrap();
            write.splice_text(text(), 0, 0, "good day, é").unwrap();
        }));
        chunks.push(hand.write(|write| {
            write.put(list(), 0, "bread").unwrap();
            write.delete(list(), 1).unwrap();
            write.splice_text(text(), 2, 4, "ne").unwrap();
        }));
    }
    hands.iter_mut().for_each(|hand| hand.take(&chunks));
    for (number, hand) in hands.iter_mut().enumerate() {
        let chunk = hand.write(|write| {
            write.insert(list(), 1, 2.5).unwrap();
            write.put(list(), 0, true).unwrap();
            write.splice_text(text(), 1, 3, "xyz").unwrap();
            write.put(ROOT, "name", format!("site {number}")).unwrap();
        });
        chunks.push(chunk);
    }
    chunks
}

/// Changes of fields and counters by three replicas, on each other and at once.
fn fields() -> Vec<Vec<u8>> {
    let mut sites = [Document::new(), Document::new(), Document::new()];
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    for round in 0..4_i64 {
        let mut made = Vec::new();
        for (number, site) in (1_u8..).zip(&mut sites) {
            site.apply(&chunks).unwrap();
            let tally = format!("n/+{}", Origin([number; 16]).short());
            let value = json!({"name": format!("site {number}"), "price": 1.25, "tags": [round], "none": null,
                (round % 2).to_string(): {"a": u64::MAX, "b": -round, "c": round % 2 == 0}});
            let change = site
                .write(&Signature::of(Origin([number; 16]), 1_000 + round), None, &[Operation::Put(value)])
                .unwrap();
            made.push(change.unwrap().chunk);
            let mut hand =
                Hand(Automerge::load(&site.save()).unwrap().with_actor(ActorId::from(&[number; 16])));
            let chunk = hand.write(|write| write.put(ROOT, tally, round + 1).unwrap());
            site.apply(std::slice::from_ref(&chunk)).unwrap();
            made.push(chunk);
        }
        chunks.extend(made);
    }
    chunks
}

/// Applies alone and together: it must come to the same.
#[track_caller]
fn apply(chunks: &[Vec<u8>]) -> Result<Document, ApplyReason> {
    let (mut alone, mut together) = (Document::new(), Document::new());
    let one_by_one = chunks.iter().try_for_each(|chunk| alone.apply(std::slice::from_ref(chunk)));
    let at_once = together.apply(chunks);
    assert_eq!(at_once.map_err(|error| error.reason), one_by_one.map_err(|error| error.reason));
    assert_eq!(alone.heads(), together.heads());
    one_by_one.map(|()| together).map_err(|error| error.reason)
}

#[test]
fn lists_and_texts_of_cut_off_replicas_are_one() {
    let chunks = edits();
    for chunk in &chunks {
        ForeignChange::parse(ForeignChange::body(chunk).unwrap()).unwrap();
    }
    let document = apply(&chunks).unwrap();
    let text = document.ahead.whole().text(sequence::object(SequenceKind::Text, "body")).unwrap();
    assert_eq!(document.ahead.whole().length(sequence::object(SequenceKind::List, "lines")), 4);
    assert!(text.matches("xyz").count() == 2, "{text}");
    let mut other_way = Document::new();
    let turned = [2, 3, 0, 1, 5, 4].map(|at: usize| chunks[at].clone());
    other_way.apply(&turned).unwrap();
    assert_eq!(other_way.heads(), document.heads());
    assert_eq!(other_way.ahead.whole().hydrate(None), document.ahead.whole().hydrate(None));
    let loaded = Document::load(&document.save()).unwrap();
    assert_eq!(loaded.changes_count(), document.changes_count());
    assert_eq!(loaded.progress.last_changes, document.progress.last_changes, "a creation has no author");
    for chunk in &chunks {
        assert_eq!(loaded.change(&hash_of(chunk)).as_ref(), Some(chunk));
    }
    assert_eq!(loaded.change(&ChangeHash([0; 32])), None);
}

#[test]
fn a_sequence_is_marked_by_whoever_uses_it_first() {
    let list = || sequence::object(SequenceKind::List, "lines");
    let mut hand = Hand::new(1);
    hand.create(SequenceKind::List, "lines");
    let unmarked = hand.write(|write| write.insert(list(), 0, 1).unwrap());
    assert_eq!(apply(&[unmarked]).err(), Some(ApplyReason::MissingDependency));
    // Beside a change that marks it, the other still depends on what nobody sends.
    let mut marking = Hand::new(2);
    marking.create(SequenceKind::List, "lines");
    let marked = marking.write(|write| write.put(ROOT, "lines/+[", true).unwrap());
    let mut unmarked = Hand::new(1);
    unmarked.create(SequenceKind::List, "lines");
    let unmarked = unmarked.write(|write| write.insert(list(), 0, 1).unwrap());
    assert!(apply(&[marked.clone(), unmarked]).is_err());
    // A mark without the creation below it.
    let bare = Hand::new(3).write(|write| write.put(ROOT, "lines/+[", true).unwrap());
    assert_eq!(apply(std::slice::from_ref(&bare)).err(), Some(ApplyReason::Misfit));
    assert_eq!(apply(&[marked.clone(), bare]).err(), Some(ApplyReason::Misfit), "whatever else is there");
    // Marked again by one that has it.
    let again = marking.write(|write| write.delete(ROOT, "lines/+[").unwrap());
    let more = marking.write(|write| write.put(ROOT, "lines/+[", true).unwrap());
    assert!(apply(&[marked, again, more]).is_ok());
}

#[test]
fn an_object_that_is_no_sequence_of_ours_is_refused() {
    let mut hand = Hand::new(1);
    let chunk = hand.write(|write| drop(write.put_object(ROOT, "lines", automerge::ObjType::List).unwrap()));
    assert_eq!(apply(&[chunk]).err(), Some(ApplyReason::Refused));
    let mut hand = Hand::new(1);
    hand.create(SequenceKind::Text, "body");
    let text = sequence::object(SequenceKind::Text, "body");
    let chunk = hand.write(|write| {
        write.put(ROOT, "body/+\"", true).unwrap();
        write.insert(&text, 0, 5).unwrap();
    });
    assert_eq!(apply(&[chunk]).err(), Some(ApplyReason::Misfit), "a number in a text");
}

/// Numbers that follow from a seed (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// Damages a body in one to three places; its checksum and its hash are made anew later.
    fn damage(&mut self, body: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(body.len());
            let byte = u8::try_from(self.below(256)).unwrap();
            match self.below(5) {
                0 => body[at] = byte,
                1 => body[at] ^= 1 << self.below(8),
                2 => body[at] = body[at].wrapping_add(1),
                3 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
    }
}

/// Takes damaged changes through parse, apply and use; returns how many were parsed, and applied.
fn use_damaged(real: &[Vec<u8>], seed: u64, rounds: usize) -> (usize, usize) {
    let mut numbers = Numbers(seed);
    let (mut parsed, mut applied) = (0, 0);
    let mut befores = vec![Document::new()];
    for chunk in real {
        let mut document = befores.last().unwrap().clone();
        document.apply(std::slice::from_ref(chunk)).unwrap();
        befores.push(document);
    }
    for _ in 0..rounds {
        let at = numbers.below(real.len());
        let mut body = ForeignChange::body(&real[at]).unwrap().to_vec();
        numbers.damage(&mut body);
        let Ok(change) = ForeignChange::parse(&body) else { continue };
        parsed += 1;
        let mut document = befores[at].clone();
        match document.apply(std::slice::from_ref(&change.chunk)) {
            Ok(()) => {
                applied += 1;
                let loaded = Document::load(&document.save()).unwrap();
                assert_eq!((loaded.heads(), loaded.json()), (document.heads(), document.json()));
                assert_eq!(loaded.conflicts(), document.conflicts());
            }
            Err(error) => {
                let met = matches!(error.reason, ApplyReason::Panicked | ApplyReason::SaveDiffers);
                assert!(!met, "the checks let through {body:02x?}: {error}");
                assert_eq!(document.heads(), befores[at].heads());
            }
        }
    }
    (parsed, applied)
}

#[test]
fn damaged_changes_harm_nothing() {
    for (real, seed) in [(fields(), 0x5eed), (edits(), 0xface)] {
        let (parsed, applied) = use_damaged(&real, seed, 3_000);
        assert!(parsed > applied && applied > 20, "{parsed} {applied}");
    }
}

#[test]
fn a_change_after_one_that_fails_is_left_out() {
    let chunks = fields();
    let mut hand = Hand::new(9);
    let counter = hand.write(|write| write.put(ROOT, "n", automerge::ScalarValue::counter(1)).unwrap());
    for at in [0, 1, 7, chunks.len()] {
        let mut with = chunks.clone();
        with.insert(at, counter.clone());
        let mut document = Document::new();
        let error = document.apply(&with).unwrap_err();
        let expected = ApplyError { applied: at, change: hash_of(&counter), reason: ApplyReason::Refused };
        assert_eq!(error, expected);
        let mut clean = Document::new();
        clean.apply_known(&chunks[..at]).unwrap();
        assert_eq!((document.heads(), document.changes_count()), (clean.heads(), clean.changes_count()));
        assert_eq!(
            (document.bytes(), &document.progress.last_changes),
            (clean.bytes(), &clean.progress.last_changes)
        );
    }
}

#[test]
fn steps_of_any_length_come_to_the_same() {
    let mut with = fields();
    // One of them twice.
    with.insert(9, with[1].clone());
    let counter =
        Hand::new(9).write(|write| write.put(ROOT, "n", automerge::ScalarValue::counter(1)).unwrap());
    for failing in [None, Some(0), Some(5), Some(with.len())] {
        let mut chunks = with.clone();
        failing.iter().for_each(|at| chunks.insert(*at, counter.clone()));
        let apply = |most| {
            let mut document = Document::new();
            let result = document.apply_steps(&chunks, Trust::Foreign, most);
            (
                result,
                document.heads(),
                document.json(),
                document.changes_count(),
                document.progress.last_changes,
            )
        };
        let whole = apply(chunks.len());
        assert_eq!(whole.0.as_ref().map_err(|error| error.applied).err(), failing);
        for most in 1..chunks.len() {
            assert_eq!(apply(most), whole, "{failing:?} {most}");
        }
        let mut document = Document::new();
        let applied = document.apply(&chunks).map_err(|error| error.applied).err();
        assert_eq!((applied, document.heads(), document.json()), (failing, whole.1, whole.2));
    }
}

/// The fuzz targets start with these: what replicas of three sites wrote, bodies with their lengths before them. They
/// are stored changes as well: every later version applies them.
#[test]
fn the_seeds_of_the_fuzz_targets_apply() {
    for seed in [
        &include_bytes!("../../../fuzz/seeds/parse_then_apply/fields")[..],
        include_bytes!("../../../fuzz/seeds/parse_then_apply/edits"),
    ] {
        let mut rest = seed;
        let mut chunks = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (body, after) = after.split_at(usize::from(u16::from_le_bytes(*length)));
            chunks.push(ForeignChange::parse(body).unwrap().chunk);
            rest = after;
        }
        assert!(apply(&chunks).unwrap().changes_count() >= 6);
    }
}

type Meddler = fn(&mut Automerge);

thread_local! {
    /// What Automerge is made to do with a change: as with one that passes every check and breaks it all the same.
    static MEDDLED: RefCell<Option<(Vec<u8>, Meddler)>> = const { RefCell::new(None) };
}

/// Called when changes were applied to a trial.
pub(super) fn meddle(trial: &mut Automerge, chunks: &[Vec<u8>]) {
    MEDDLED.with_borrow(|meddled| {
        if let Some((_, meddler)) = meddled.as_ref().filter(|(chunk, _)| chunks.contains(chunk)) {
            meddler(trial);
        }
    });
}

fn without_the_last(trial: &mut Automerge) {
    let mut changes = trial.get_changes(&[]);
    changes.pop();
    let mut without = Automerge::new();
    without.apply_changes(changes).unwrap();
    *trial = without;
}

#[test]
fn a_change_that_breaks_automerge_is_found_and_leaves_the_document_as_it_was() {
    let chunks = fields();
    let meddlers: [(Meddler, ApplyReason); 2] = [
        (|_| panic!("as Automerge does"), ApplyReason::Panicked),
        (without_the_last, ApplyReason::SaveDiffers),
    ];
    for (meddler, reason) in meddlers {
        for at in [0, 3, chunks.len() - 1] {
            MEDDLED.set(Some((chunks[at].clone(), meddler)));
            let mut document = Document::new();
            let error = document.apply_the_long_way(&chunks).unwrap_err();
            MEDDLED.set(None);
            assert_eq!(error, ApplyError { applied: at, change: hash_of(&chunks[at]), reason });
            let mut clean = Document::new();
            clean.apply(&chunks[..at]).unwrap();
            assert_eq!((document.heads(), document.json()), (clean.heads(), clean.json()));
            document.apply(&chunks).unwrap();
            assert_eq!(document.changes_count(), chunks.len() as u64, "it can be used");
        }
    }
}

/// Each operation leaves all those before it standing: onto the table they would be copied again and again.
#[test]
fn a_change_that_leaves_much_standing_goes_the_long_way() {
    let put = |value: i64| Op {
        action: OpType::Put(value.into()),
        obj: ObjectId::Root,
        key: Key::Map("a".into()),
        pred: Vec::new().into(),
        insert: false,
    };
    let chunk = |count: i64| {
        let change = Change::from(ExpandedChange {
            operations: (0..count).map(put).collect(),
            actor_id: ActorId::from(&[7; 16]),
            hash: None,
            seq: 1,
            start_op: NonZeroU64::MIN,
            time: 0,
            message: None,
            deps: Vec::new(),
            extra_bytes: Vec::new(),
            author: None,
        });
        change.raw_bytes().to_vec()
    };
    assert_eq!(Document::new().take_on_table(&[chunk(10)]), 1);
    let many = chunk(2_000);
    let mut document = Document::new();
    assert_eq!(document.take_on_table(std::slice::from_ref(&many)), 0);
    assert_eq!(document.json(), None, "as it was");
    document.apply(&[many]).unwrap();
    assert_eq!(document.json(), Some(json!({"a": 1_999})));
}
