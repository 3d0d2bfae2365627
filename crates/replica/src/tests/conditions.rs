//! Writes that are made only while their document is as their writer knows it.

use super::*;
use document::{ChangeHash, Operation};
use proptest::prelude::*;

const AT: &str = "store-1/inventory/1";

fn put(at: &str, n: i64, condition: Option<Condition>) -> Request {
    keyed(at, n, condition, None)
}

fn keyed(at: &str, n: i64, condition: Option<Condition>, key: Option<&str>) -> Request {
    let idempotency_key = key.map(|key| IdempotencyKey::new(key).unwrap());
    let terms = WriteTerms { idempotency_key, ..WriteTerms::default() };
    Request::Write { address: address(at), operations: vec![Operation::Put(item(n))], condition, terms }
}

fn among(heads: &[ChangeHash]) -> Option<Condition> {
    Some(Condition::HeadsAmong(vec![heads.to_vec()]))
}

#[track_caller]
fn written(answer: Result<Response, RequestError>) -> Written {
    match answer {
        Ok(Response::Written(written)) => written,
        other => panic!("{other:?}"),
    }
}

/// How the document was when the condition did not hold: whether it is shown, and its heads.
#[track_caller]
fn failed(answer: Result<Response, RequestError>) -> (bool, Vec<ChangeHash>) {
    match answer {
        Err(RequestError::ConditionFailed { address: of, exists, heads }) if of == address(AT) => {
            (exists, heads)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_condition_is_held_against_the_document_as_it_is() {
    let mut site = Node::new(site_settings());
    let (exists, absent) = (|| Some(Condition::Exists), || Some(Condition::Absent));
    assert_eq!(failed(site.answer(put(AT, 1, exists()))), (false, vec![]));
    assert_eq!((site.status().head, site.status().documents), (0, 0), "nothing is written");
    let first = written(site.answer(put(AT, 1, absent()))).heads;
    assert_eq!(failed(site.answer(put(AT, 2, absent()))), (true, first.clone()));
    let second = written(site.answer(put(AT, 2, exists()))).heads;
    assert_eq!(failed(site.answer(put(AT, 3, among(&first)))), (true, second.clone()));
    let either = Condition::HeadsAmong(vec![first, second]);
    let third = written(site.answer(put(AT, 3, Some(either)))).heads;
    assert_eq!((site.get(AT), site.read(AT).heads), (Some(item(3)), third.clone()));

    let gone = Request::Write {
        address: address(AT),
        operations: vec![Operation::Delete],
        condition: among(&third),
        terms: WriteTerms::default(),
    };
    let deleted = written(site.answer(gone)).heads;
    let reading = Reading { heads: deleted.clone(), ..Reading::default() };
    assert_eq!(site.read(AT), reading, "a deleted document has heads");
    assert_eq!(failed(site.answer(put(AT, 4, exists()))), (false, deleted.clone()));
    assert_eq!(failed(site.answer(put(AT, 4, among(&[])))), (false, deleted), "it was written once");
    written(site.answer(put(AT, 4, absent())));
    assert_eq!(site.get(AT), Some(item(4)));
    let refused = site.answer(put(AT, 4, absent())).unwrap_err().to_string();
    assert!(refused.contains("store-1/inventory/1 has the heads "), "{refused}");
}

#[test]
fn an_answer_and_a_reading_tell_the_same_heads() {
    let (mut hub, mut site, mut wire) = pair();
    let one = written(site.answer(put(AT, 1, None)));
    assert_eq!((one.heads.len(), site.read(AT).heads), (1, one.heads.clone()));
    let same = written(site.answer(put(AT, 1, None)));
    assert_eq!(same, Written { stamp: None, heads: one.heads.clone() }, "nothing was to be written");
    wire.carry(&mut hub, &mut site);
    wire.cut(&mut hub, &mut site);
    hub.sell(AT, 1);
    site.sell(AT, 1);
    wire.connect(&mut hub, &mut site);
    let both = site.read(AT).heads;
    assert_eq!((both.len(), hub.read(AT).heads), (2, both.clone()));
    assert!(both.is_sorted());
    // They are those of the moment, too, and bring it back.
    for at in [At::Wall(i64::MAX), At::Heads(both.iter().rev().copied().collect())] {
        let Ok(Response::Document(then)) = site.answer(Request::Get { address: address(AT), at: Some(at) })
        else {
            panic!("no reading")
        };
        assert_eq!((then.value, then.heads), (Some(item(-1)), both.clone()));
    }
    let merged = written(site.answer(put(AT, 7, among(&both)))).heads;
    assert_eq!((merged.len(), site.read(AT).heads), (1, merged));
    let missing = site.read("store-1/inventory/none");
    assert_eq!(missing, Reading::default(), "a document that was never written has none");
}

/// The document is brought up to date first: a change that a peer sent in the same turn counts.
#[test]
fn a_change_that_arrives_in_the_same_turn_ends_a_condition() {
    let (mut hub, mut site, mut wire) = pair();
    let heads = written(hub.answer(put(AT, 1, None))).heads;
    wire.carry(&mut hub, &mut site);
    assert_eq!(site.read(AT).heads, heads);
    hub.sell(AT, 1);
    for (link, bytes) in hub.frames_of(wire.link) {
        site.input(Input::Frame { link, bytes });
    }
    let late = site.ask(put(AT, 9, among(&heads)));
    site.settle();
    let (exists, now) = failed(site.replies.remove(&late).unwrap());
    assert_eq!((exists, site.get(AT)), (true, Some(item(0))));
    assert_eq!((now.clone(), now != heads), (site.read(AT).heads, true));
    // Of two writers with the same heads in one turn, one wins.
    let (first, second) = (site.ask(put(AT, 5, among(&now))), site.ask(put(AT, 6, among(&now))));
    site.settle();
    let won = written(site.replies.remove(&first).unwrap()).heads;
    assert_eq!(failed(site.replies.remove(&second).unwrap()), (true, won));
    assert_eq!(site.get(AT), Some(item(5)));
}

#[test]
fn a_write_sent_again_is_answered_before_its_condition_is_looked_at() {
    let mut site = Node::new(site_settings());
    let request = || keyed(AT, 1, Some(Condition::Absent), Some("k"));
    let first = written(site.answer(request()));
    assert_eq!(written(site.answer(request())).stamp, first.stamp);
    site.crash();
    written(site.answer(put(AT, 2, None)));
    let again = written(site.answer(request()));
    assert_eq!(
        again, first,
        "who asks again has not seen the second write: its heads are no condition for it"
    );
    assert_eq!(site.get(AT), Some(item(2)));
    for other in [None, Some(Condition::Exists), among(&first.heads)] {
        assert_eq!(site.answer(keyed(AT, 1, other, Some("k"))), Err(RequestError::KeyReused));
    }
    // What failed was no write: under its key another condition may be tried.
    failed(site.answer(keyed(AT, 3, Some(Condition::Absent), Some("other"))));
    written(site.answer(keyed(AT, 3, Some(Condition::Exists), Some("other"))));
    assert_eq!(site.get(AT), Some(item(3)));
}

#[test]
fn of_a_transaction_all_conditions_hold_or_nothing_is_written() {
    let mut site = Node::new(site_settings());
    site.put(AT, item(1));
    let write = |key: &str, condition| TransactionWrite {
        collection: "inventory".parse().unwrap(),
        key: key.parse().unwrap(),
        operations: vec![Operation::Put(item(9))],
        condition,
    };
    // The first would be refused for what it writes: that the second's condition fails is told before.
    let broken = TransactionWrite { operations: vec![Operation::Put(json!(1))], ..write("0", None) };
    let transaction =
        |writes| Request::Transaction { space: space("store-1"), writes, terms: WriteTerms::default() };
    let refused = transaction(vec![broken, write("1", Some(Condition::Absent))]);
    assert!(failed(site.answer(refused)).0);
    let refused = transaction(vec![write("0", Some(Condition::Absent)), write("1", Some(Condition::Absent))]);
    assert!(failed(site.answer(refused)).0);
    assert_eq!((site.status().head, site.status().documents), (1, 1));
    let (new, old) = (write("0", Some(Condition::Absent)), write("1", Some(Condition::Exists)));
    let answer = written(site.answer(transaction(vec![new, old])));
    assert_eq!(
        answer,
        Written::from(Some(Stamp { origin: origin(2), sequence: 3 })),
        "of several no heads are told"
    );
    assert_eq!((site.get("store-1/inventory/0"), site.get(AT)), (Some(item(9)), Some(item(9))));
}

#[test]
fn a_write_that_waits_for_the_hub_is_told_its_heads_too() {
    let (mut hub, mut site, mut wire) = pair();
    let wait = WaitFor::Hub { within_ms: 5_000 };
    let request = |n| Request::Write {
        address: address(AT),
        operations: vec![Operation::Put(item(n))],
        condition: None,
        terms: WriteTerms { wait, ..WriteTerms::default() },
    };
    let id = site.ask(request(1));
    wire.carry(&mut hub, &mut site);
    let heads = site.read(AT).heads;
    let Some(Ok(Response::Reached { stamp: Some(_), heads: told, level: Level::Hub })) =
        site.replies.remove(&id)
    else {
        panic!("no answer")
    };
    assert_eq!(told, heads);
    let same = Ok(Response::Reached { stamp: None, heads, level: Level::Local });
    assert_eq!(site.answer(request(1)), same);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Writers that each add one to what they last read, and write only while it is so, lose nothing: the document counts
    /// exactly the writes that were made.
    #[test]
    fn no_update_is_lost_among_writers_with_conditions(steps in prop::collection::vec((0..3_usize, any::<bool>(), any::<bool>()), 1..60)) {
        let mut site = Node::new(site_settings());
        let mut known: [(i64, Vec<ChangeHash>); 3] = Default::default();
        let mut made = 0;
        for (writer, reads, crashes) in steps {
            if reads {
                let reading = site.read(AT);
                let n = reading.value.map_or(0, |value| value["on_hand"].as_i64().unwrap());
                known[writer] = (n, reading.heads);
            }
            let (n, heads) = known[writer].clone();
            match site.answer(put(AT, n + 1, among(&heads))) {
                Ok(Response::Written(answer)) => {
                    made += 1;
                    known[writer] = (n + 1, answer.heads);
                }
                Err(RequestError::ConditionFailed { heads: now, .. }) => prop_assert_ne!(now, heads),
                other => panic!("{other:?}"),
            }
            if crashes {
                site.crash();
            }
        }
        prop_assert_eq!(site.get(AT), (made > 0).then(|| item(made)));
    }
}
