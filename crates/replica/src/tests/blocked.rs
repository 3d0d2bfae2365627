//! Documents whose changes cannot be applied.

use super::hostile::{bodies, delta, send_delta, site_and_foe, with_foe};
use super::*;
use crate::documents::Suspect;
use crate::record::StruckRow;
use wire::Delta;

pub(super) const AT: &str = "store-1/product/1";

/// A site with a document of which the first change is sound and the second cannot be applied.
pub(super) fn site_with_a_blocked_document() -> Node {
    let mut site = site_and_foe();
    let mut bodies = bodies(origin(1), 2);
    // Its author's second change of the document claims to be the seventh.
    bodies[1][50] = 7;
    let first = Delta { spaces: vec!["store-1".into()], ..delta(0, 1, 1, &bodies[..1]) };
    send_delta(&mut site, &first);
    assert_eq!(site.get(AT), Some(json!({"n": 0})));
    site.wall_ms = 9_000;
    send_delta(&mut site, &Delta { spaces: first.spaces, ..delta(1, 1, 2, &bodies[1..]) });
    site
}

fn blocked(reason: BlockReason, as_of_ms: Option<i64>) -> Option<Behind> {
    Some(Behind { as_of_ms, blocked: Some(reason) })
}

fn blocked_events(node: &Node) -> usize {
    node.events.iter().filter(|event| matches!(event, Event::Blocked { .. })).count()
}

pub(super) fn list(node: &mut Node) -> Vec<(Address, BlockReason)> {
    let Ok(Response::Blocked(list)) = node.answer(Request::Blocked { after: None, limit: 10 }) else {
        panic!("no list")
    };
    assert_eq!(list.next, None);
    list.documents.into_iter().map(|blocked| (blocked.address, blocked.reason)).collect()
}

#[test]
fn a_blocked_document_is_read_as_before_and_stores_what_comes() {
    let mut site = site_with_a_blocked_document();
    assert_eq!(site.status().head, 2, "the change is stored and counted");
    let reading = Reading {
        value: Some(json!({"n": 0})),
        heads: vec![document::ForeignChange::parse(&bodies(origin(1), 1)[0]).unwrap().hash],
        behind: blocked(BlockReason::Refused, Some(1_000)),
        ..Reading::default()
    };
    assert_eq!(site.read(AT), reading);
    site.crash();
    assert_eq!(site.read(AT), reading, "it stays so");
    assert_eq!(list(&mut site), [(address(AT), BlockReason::Refused)]);
    let put = Request::Write {
        address: address(AT),
        operations: vec![document::Operation::Put(json!({"n": 3}))],
        condition: None,
        terms: WriteTerms::default(),
    };
    assert_eq!(site.answer(put), Err(RequestError::Blocked(address(AT))));
}

#[test]
fn a_retry_says_whether_it_helped() {
    let mut site = site_with_a_blocked_document();
    let retry = |at: &str| Request::Retry { address: address(at) };
    assert_eq!(site.answer(retry(AT)), Ok(Response::Retried(Some(BlockReason::Refused))));
    assert_eq!(list(&mut site).len(), 1);
    assert_eq!(site.answer(retry("store-1/product/none")), Ok(Response::Retried(None)));
    let elsewhere = RequestError::UnknownSpace(space("store-9"));
    assert_eq!(site.answer(retry("store-9/product/1")), Err(elsewhere));
}

#[test]
fn what_an_earlier_version_blocked_is_tried_again() {
    let mut site = site_with_a_blocked_document();
    assert_eq!(blocked_events(&site), 1);
    site.crash();
    site.settle();
    assert_eq!(blocked_events(&site), 0, "the same version does not try again");
    let place = site.place(AT);
    let (collection, key) = ("product".parse().unwrap(), document::Key::new("1").unwrap());
    let row = keys::blocked(place.space, &collection, &key);
    site.disk.0.borrow_mut().rows.insert(row, 0_u32.to_be_bytes().to_vec());
    site.crash();
    site.settle();
    assert_eq!(blocked_events(&site), 1, "another does, here in vain");
    assert_eq!(list(&mut site).len(), 1);
}

#[test]
fn blocked_documents_are_listed_in_pages() {
    let mut site = site_and_foe();
    let mut body = bodies(origin(1), 1).remove(0);
    body[18] = 7;
    let mut rows = delta(0, 1, 1, &[body.clone()]);
    for number in 1..5_u32 {
        let (key, sequence) = ((number + 1).to_string(), u64::from(number) + 1);
        rows.documents.push(wire::DocumentName { space: 0, collection: "product".into(), key });
        rows.rows.push(wire::Row { document: number, origin: 0, sequence, body: body.clone(), follow: None });
    }
    send_delta(&mut site, &rows);
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let Ok(Response::Blocked(page)) = site.answer(Request::Blocked { after, limit: 2 }) else {
            panic!("no list")
        };
        found.extend(page.documents.iter().map(|blocked| blocked.address.key.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, ["1", "2", "3", "4", "5"]);
}

/// A hub that has the changes of two documents on its disk and has applied those of the first, as if its process had
/// ended while it tried the second's.
pub(super) fn disk_of_a_crashed_hub() -> Disk {
    let (mut hub, mut site, _) = pair();
    for n in 0..2 {
        site.put(&format!("store-1/inventory/{n}"), item(n));
    }
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    hub.replica.end_turn().unwrap();
    while hub.disk.sync_one().is_some() {}
    let mut disk = hub.disk.after_crash();
    let noted = suspect(&disk, 1, 2, 0);
    disk.set_suspect(Some(&noted)).unwrap();
    disk
}

/// A note of a change as the disk has it; of one that is not there, as of another.
pub(super) fn suspect(disk: &Disk, document: u32, last: u64, strikes: u8) -> Vec<u8> {
    let number = keys::DocumentNumber(document);
    let (keyspace, key) = keys::change(number, last);
    let chunk = disk.get(keyspace, &key).unwrap();
    Suspect::of(number, (last, &chunk.unwrap_or_default()), strikes).to_bytes()
}

#[test]
fn a_process_that_ended_once_on_a_document_tries_it_again() {
    let mut hub = Node::on(disk_of_a_crashed_hub(), hub_settings());
    let id = hub.ask(Request::Get { address: address("store-1/inventory/1"), at: None });
    hub.end_turn();
    assert!(hub.disk.suspect().is_some(), "it is not tried before its strike is durable");
    hub.settle();
    let behind = Some(Behind { as_of_ms: None, blocked: None });
    assert_eq!(
        hub.replies.remove(&id),
        Some(Ok(Response::Document(Reading { behind, ..Reading::default() })))
    );
    assert_eq!(hub.disk.suspect(), None);
    assert_eq!(hub.get("store-1/inventory/1"), Some(item(1)));
    assert_eq!(hub.place("store-1/inventory/1").row.strikes, 0);
}

#[test]
fn a_process_that_ended_twice_on_one_change_blocks_its_document() {
    let hub = |disk| Node::on(disk, hub_settings());
    // The first end was on several, or so it may be; the next two on one alone.
    let mut disk = disk_of_a_crashed_hub();
    for _ in 0..2 {
        disk = ends_when_it_tries(hub(disk));
        assert_eq!(Suspect::read(&disk.suspect().unwrap()).unwrap().last, 2);
    }
    let mut hub = hub(disk);
    hub.settle();
    assert_eq!(blocked_events(&hub), 1);
    assert_eq!(hub.disk.suspect(), None);
    let behind = blocked(BlockReason::Crashed, None);
    assert_eq!(hub.read("store-1/inventory/1"), Reading { behind, ..Reading::default() });
    assert_eq!(hub.get("store-1/inventory/0"), Some(item(0)), "and no other");
    let retry = Request::Retry { address: address("store-1/inventory/1") };
    assert_eq!(hub.answer(retry), Ok(Response::Retried(None)));
    assert_eq!(hub.get("store-1/inventory/1"), Some(item(1)));
}

/// A hub that has changes 1 to `count` of a document on its disk, applied none, and ended while it tried them together.
pub(super) fn disk_of_a_hub_that_ended_on(count: u64) -> Disk {
    let (mut hub, mut site, _) = pair();
    for n in 0..count {
        site.put(AT, item(i64::try_from(n).unwrap()));
    }
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    hub.replica.handle(Input::Room(Room::ReadOnly), Clock::default()).unwrap();
    hub.settle();
    let mut disk = hub.disk.after_crash();
    let noted = suspect(&disk, 0, count, 0);
    disk.set_suspect(Some(&noted)).unwrap();
    disk
}

/// The disk of a process that is killed while it tries change `last`.
fn killed_at(mut hub: Node, last: u64) -> Disk {
    hub.disk.0.borrow_mut().suspects.clear();
    loop {
        hub.end_turn();
        let suspects = std::mem::take(&mut hub.disk.0.borrow_mut().suspects);
        let noted = suspects.into_iter().find(|noted| Suspect::read(noted).unwrap().last == last);
        if noted.is_some() {
            let mut disk = hub.disk.after_crash();
            disk.set_suspect(noted.as_deref()).unwrap();
            return disk;
        }
        let turn = hub.disk.sync_one().expect("it is tried");
        hub.input(Input::Durable(turn));
    }
}

#[test]
fn kills_that_meet_different_changes_block_nothing() {
    let mut disk = disk_of_a_hub_that_ended_on(40);
    // In each life some changes are taken up, and a kill meets another one.
    for last in [3, 5, 2, 12, 14, 20, 38, 35, 40] {
        disk = killed_at(Node::on(disk, hub_settings()), last);
    }
    let mut hub = Node::on(disk, hub_settings());
    hub.settle();
    assert_eq!(blocked_events(&hub), 0);
    assert_eq!(hub.get(AT), Some(item(39)));
    let row = hub.place(AT).row;
    assert_eq!((row.strikes, row.struck), (0, None), "together they are tried again");
}

#[test]
fn a_process_that_ends_without_a_change_taken_up_blocks_the_document_in_the_end() {
    let mut disk = disk_of_a_hub_that_ended_on(8);
    for end in 1..8 {
        disk = killed_at(Node::on(disk, hub_settings()), end);
        assert_eq!(blocked_events(&Node::on(disk.after_crash(), hub_settings())), 0);
    }
    let mut hub = Node::on(disk, hub_settings());
    hub.settle();
    assert_eq!(blocked_events(&hub), 1);
}

#[test]
fn an_end_is_counted_once_when_the_process_ends_again_before_it_is_forgotten() {
    let mut first = Node::on(disk_of_a_hub_that_ended_on(3), hub_settings());
    let noted = first.disk.suspect();
    first.end_turn();
    while first.disk.sync_one().is_some() {}
    // Its row says so on the disk, and the note is still there.
    let mut disk = first.disk.after_crash();
    disk.set_suspect(noted.as_deref()).unwrap();
    let mut hub = Node::on(disk, hub_settings());
    let row = hub.place(AT).row;
    assert_eq!((row.strikes, row.struck), (1, Some(StruckRow { until: 3, alone: None })));
    hub.settle();
    assert_eq!(hub.get(AT), Some(item(2)));
}

#[test]
fn a_suspect_that_is_not_there_or_was_applied_is_nothing() {
    for (document, last) in [(0, 1), (77, 1)] {
        let mut disk = disk_of_a_crashed_hub();
        let noted = suspect(&disk, document, last, 0);
        disk.set_suspect(Some(&noted)).unwrap();
        let hub = Node::on(disk, hub_settings());
        assert_eq!(hub.disk.suspect(), None);
    }
}

/// The disk of a process that ends when it tries a change; turns become durable one after another until then.
pub(super) fn ends_when_it_tries(mut site: Node) -> Disk {
    loop {
        site.disk.0.borrow_mut().suspects.clear();
        site.end_turn();
        let noted = site.disk.0.borrow().suspects.first().cloned();
        if noted.is_some() {
            let mut disk = site.disk.after_crash();
            disk.set_suspect(noted.as_deref()).unwrap();
            return disk;
        }
        let turn = site.disk.sync_one().expect("something is tried");
        site.input(Input::Durable(turn));
    }
}

/// A peer sends the change of a new document, as it does on each connection until it is acknowledged.
fn is_sent(site: Node, body: &[u8]) -> Node {
    let mut site = with_foe(site);
    let delta = Delta { spaces: vec!["store-1".into()], ..delta(0, 1, 1, &[body.to_vec()]) };
    let packed = site.foe.pack(&delta, &mut wire::Deflaters::default(), |_, _| false).unwrap();
    let bytes = wire::encode(&wire::Frame::Delta(packed)).unwrap();
    site.input(Input::Frame { link: LinkId(1), bytes });
    site
}

#[test]
fn a_change_that_ends_the_process_each_time_it_arrives_is_blocked() {
    let body = bodies(origin(1), 1).remove(0);
    let site = |disk| Node::on(disk, site_settings());
    let disk = ends_when_it_tries(is_sent(site(Disk::default()), &body));
    assert_eq!(site(disk.after_crash()).status().head, 0, "it was tried in the turn in which it came");
    let disk = ends_when_it_tries(is_sent(site(disk), &body));
    assert_eq!(site(disk.after_crash()).status().head, 1, "the next process has it before it tries it");
    let disk = ends_when_it_tries(site(disk));
    let disk = ends_when_it_tries(site(disk));
    let mut site = site(disk);
    site.settle();
    assert_eq!(list(&mut site), [(address(AT), BlockReason::Crashed)]);
    let Ok(Response::Dropped(dropped)) = site.answer(Request::Drop { address: address(AT) }) else {
        panic!("not dropped")
    };
    assert_eq!(dropped.change.hash, document::ForeignChange::parse(&body).unwrap().hash);
}

#[test]
fn a_change_that_took_the_place_of_a_lost_one_is_not_blamed() {
    let mut disk = disk_of_a_crashed_hub();
    let lost = Suspect::of(keys::DocumentNumber(1), (2, b"another change"), 0);
    disk.set_suspect(Some(&lost.to_bytes())).unwrap();
    let mut hub = Node::on(disk, hub_settings());
    hub.settle();
    assert_eq!(hub.place("store-1/inventory/1").row.strikes, 0);
    assert_eq!(hub.get("store-1/inventory/1"), Some(item(1)));
}

#[test]
fn after_an_end_on_what_was_lost_values_follow_what_is_durable() {
    let (mut hub, mut site, mut wire) = pair();
    let lost = Suspect::of(keys::DocumentNumber(0), (1, b"lost"), 0);
    hub.disk.set_suspect(Some(&lost.to_bytes())).unwrap();
    hub.crash();
    wire.cut(&mut hub, &mut site);
    wire.connect(&mut hub, &mut site);
    for n in 0..40 {
        site.put(&format!("store-1/inventory/{n}"), item(n));
    }
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    let id = hub.ask(Request::Get { address: address("store-1/inventory/7"), at: None });
    hub.settle();
    let behind = Some(Behind { as_of_ms: None, blocked: None });
    assert_eq!(
        hub.replies.remove(&id),
        Some(Ok(Response::Document(Reading { behind, ..Reading::default() })))
    );
    wire.carry(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
    let waits = hub.disk.scan(Keyspace::Documents, vec![keys::KIND_WAITING]..vec![keys::KIND_WAITING + 1]);
    assert_eq!(waits.count(), 0);
}
