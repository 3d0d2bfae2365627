//! Requests that wait for the hub.

use super::*;
use wire::{Ack, Frame};

fn write(n: i64, within_ms: u64, key: Option<&str>) -> Request {
    let terms = WriteTerms {
        idempotency_key: key.map(|key| IdempotencyKey::new(key).unwrap()),
        wait: WaitFor::Hub { within_ms },
        ..WriteTerms::default()
    };
    let operations = vec![document::Operation::Put(item(n))];
    Request::Write { address: address("store-1/inventory/1"), operations, condition: None, terms }
}

fn wait(stamp: Stamp, within_ms: u64) -> Request {
    Request::Wait { space: space("store-1"), stamp, wait: WaitFor::Hub { within_ms } }
}

fn reached(origin_number: u8, sequence: u64, level: Level) -> Result<Response, RequestError> {
    let stamp = Some(Stamp { origin: origin(origin_number), sequence });
    Ok(Response::Reached { stamp, heads: Vec::new(), level })
}

/// An answer without its heads.
fn headless(answer: Result<Response, RequestError>) -> Result<Response, RequestError> {
    let Ok(Response::Reached { stamp, heads: _, level }) = answer else { return answer };
    Ok(Response::Reached { stamp, heads: Vec::new(), level })
}

/// Time goes on to a moment.
fn pass(node: &mut Node, now_ms: u64) {
    node.replica.handle(Input::Timeout, Clock { now_ms, wall_ms: node.wall_ms }).unwrap();
}

#[test]
fn a_write_is_answered_when_the_hub_has_it_durably() {
    let (mut hub, mut site, mut wire) = pair();
    let id = site.ask(write(1, 5_000, None));
    site.settle();
    assert_eq!(site.replies.remove(&id), None);
    assert_eq!(site.replica.poll_timeout(), Some((5_000, Wake::Deadline)));
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    hub.end_turn();
    assert!(hub.frames.is_empty(), "not before it is durable there");
    wire.carry(&mut hub, &mut site);
    assert_eq!(site.replies.remove(&id).map(headless), Some(reached(2, 1, Level::Hub)));
    assert_eq!(site.replica.poll_timeout(), None);
    // The change is known to be there: no round trip.
    let stamp = Stamp { origin: origin(2), sequence: 1 };
    assert_eq!(site.answer(wait(stamp, 0)), reached(2, 1, Level::Hub));
}

#[test]
fn at_the_deadline_the_change_is_here_and_stays() {
    let (mut hub, mut site, mut wire) = pair();
    wire.cut(&mut hub, &mut site);
    let id = site.ask(write(1, 5_000, None));
    site.settle();
    pass(&mut site, 4_999);
    site.settle();
    assert_eq!(site.replies.remove(&id), None);
    pass(&mut site, 5_000);
    site.settle();
    assert_eq!(site.replies.remove(&id).map(headless), Some(reached(2, 1, Level::Local)));
    wire.connect(&mut hub, &mut site);
    assert_converged(&mut hub, &mut site);
    assert!(site.replies.is_empty(), "it is answered once");
}

#[test]
fn the_deadline_does_not_answer_what_is_not_durable() {
    let mut site = Node::new(site_settings());
    site.settle();
    let id = site.ask(write(1, 10, None));
    site.end_turn();
    pass(&mut site, 10);
    site.end_turn();
    assert!(site.replies.is_empty());
    site.settle();
    assert_eq!(site.replies.remove(&id).map(headless), Some(reached(2, 1, Level::Local)));
}

/// What it says before its core is lost: the turns that became durable, and no more.
fn ended(site: &mut Node) -> BTreeMap<RequestId, Result<Response, RequestError>> {
    site.replica.end_waits();
    while let Some(effect) = site.replica.poll_effect() {
        if let Effect::Reply { id, result } = effect {
            site.replies.insert(id, result);
        }
    }
    std::mem::take(&mut site.replies).into_iter().map(|(id, answer)| (id, headless(answer))).collect()
}

#[test]
fn a_failure_of_later_batches_does_not_touch_what_is_here_and_waits_for_the_hub() {
    let mut site = Node::new(site_settings());
    site.settle();
    let kept = site.ask(write(1, 5_000, None));
    site.settle();
    let lost = site.ask(write(2, 5_000, None));
    site.end_turn();
    assert_eq!(ended(&mut site), [(kept, reached(2, 1, Level::Local))].into(), "not {lost:?}");
    assert!(ended(&mut site).is_empty(), "it is answered once");
}

#[test]
fn an_answer_whose_time_came_does_not_rest_on_later_batches() {
    let mut site = Node::new(site_settings());
    site.settle();
    let kept = site.ask(write(1, 10, None));
    site.end_turn();
    let lost = site.ask(write(2, 20, None));
    pass(&mut site, 10);
    site.end_turn();
    assert!(site.replies.is_empty());
    let turn = site.disk.sync_one().unwrap();
    site.input(Input::Durable(turn));
    assert_eq!(ended(&mut site), [(kept, reached(2, 1, Level::Local))].into(), "not {lost:?}");
}

#[test]
fn a_reconnect_confirms_what_waits_and_so_does_a_retry() {
    let (mut hub, mut site, mut wire) = pair();
    let id = site.ask(write(1, 5_000, Some("k")));
    site.settle();
    for (link, bytes) in std::mem::take(&mut site.frames) {
        hub.input(Input::Frame { link, bytes });
    }
    hub.settle();
    // Its acknowledgement is lost with the connection; its next hello says it.
    wire.cut(&mut hub, &mut site);
    assert!(site.replies.is_empty());
    wire.connect(&mut hub, &mut site);
    assert_eq!(site.replies.remove(&id).map(headless), Some(reached(2, 1, Level::Hub)));
    assert_eq!(headless(site.answer(write(1, 5_000, Some("k")))), reached(2, 1, Level::Hub));
    let same = Ok(Response::Reached { stamp: None, heads: Vec::new(), level: Level::Local });
    assert_eq!(headless(site.answer(write(1, 5_000, None))), same, "nothing was written");
}

#[test]
fn an_acknowledgement_that_does_not_say_it_confirms_nothing() {
    let (_, mut site, wire) = pair();
    site.ask(write(1, 5_000, None));
    site.settle();
    let delta = site.deltas().pop().unwrap();
    // A hub that refused the change acknowledges the delta all the same.
    let ack = wire::encode(&Frame::Ack(Ack { durable: Some(delta.to), ..Ack::default() })).unwrap();
    site.input(Input::Frame { link: LinkId(wire.link), bytes: ack });
    site.settle();
    assert!(site.replies.is_empty() && site.disconnects.is_empty());
}

#[test]
fn who_cannot_wait_is_refused_before_anything_is_written() {
    let mut alone = Node::new(Settings { peers: BTreeMap::new(), ..site_settings() });
    assert_eq!(alone.answer(write(1, 5_000, None)), Err(RequestError::Wait(WaitError::NoHub)));
    assert_eq!(alone.status().head, 0);
    let mut hub = Node::new(hub_settings());
    assert_eq!(
        headless(hub.answer(write(1, 5_000, None))),
        reached(1, 1, Level::Hub),
        "at the hub, local is enough"
    );
    let mut site = Node::new(site_settings());
    let stamp = site.put("store-1/inventory/1", item(0)).unwrap();
    let unknown = Stamp { sequence: 2, ..stamp };
    assert_eq!(site.answer(wait(unknown, 1)), Err(RequestError::Wait(WaitError::UnknownChange(unknown))));
    for _ in 0..WAITS_MAX {
        site.ask(wait(stamp, 1));
    }
    assert_eq!(headless(site.answer(write(1, 5_000, None))), Err(RequestError::Wait(WaitError::TooMany)));
    // What was done already is not refused because the hub cannot be waited for any more.
    let mut alone = Node::new(Settings { peers: BTreeMap::new(), ..site_settings() });
    let Request::Write { address, operations, condition, mut terms } = write(1, 5_000, Some("once")) else {
        panic!("it is a write")
    };
    terms.wait = WaitFor::Local;
    assert!(alone.answer(Request::Write { address, operations, condition, terms }).is_ok());
    let again = alone.ask(write(1, 5_000, Some("once")));
    pass(&mut alone, 5_000);
    alone.settle();
    let told = alone.replies.remove(&again).map(headless);
    assert!(matches!(told, Some(Ok(Response::Reached { level: Level::Local, .. }))), "{told:?}");
    assert_eq!(alone.status().head, 1);
    pass(&mut site, 1);
    site.settle();
    assert_eq!((site.replies.len(), site.status().head), (WAITS_MAX, 1));
}

/// A hub, a relay, and a till behind it; the links of the till start at 100.
struct Chain {
    nodes: [Node; 3],
    links: [u64; 2],
}

impl Chain {
    fn new() -> Self {
        let mut hub = hub_settings();
        hub.peers.get_mut("site").unwrap().relay = true;
        let till_at_relay = PeerSettings { spaces: [(space("store-1"), BOTH)].into(), ..Default::default() };
        let mut relay = site_settings();
        relay.peers.insert("till".into(), till_at_relay.clone());
        let till = Settings {
            name: "till".into(),
            key: key(3),
            epoch: 33,
            spaces: [(space("store-1"), SpaceMode::Write)].into(),
            peers: [("site".to_owned(), PeerSettings { relay: true, ..till_at_relay })].into(),
            ..site_settings()
        };
        Self { nodes: [hub, relay, till].map(Node::new), links: [0, 100] }
    }

    fn connect(&mut self, upper: usize) {
        self.links[upper] += 1;
        let link = LinkId(self.links[upper]);
        for (at, other) in [(upper, upper + 1), (upper + 1, upper)] {
            let Settings { name: peer, key, .. } = self.nodes[other].settings.clone();
            self.nodes[at].input(Input::PeerUp { link, peer, public_key: key.public_key });
        }
    }

    fn cut(&mut self, upper: usize) {
        for node in &mut self.nodes[upper..=upper + 1] {
            node.input(Input::PeerDown { link: LinkId(self.links[upper]) });
            node.settle();
        }
    }

    fn carry(&mut self) {
        loop {
            self.nodes.iter_mut().for_each(Node::settle);
            let sent: Vec<_> = self.nodes.iter_mut().map(|node| std::mem::take(&mut node.frames)).collect();
            if sent.iter().all(VecDeque::is_empty) {
                return;
            }
            for (from, frames) in sent.into_iter().enumerate() {
                for (link, bytes) in frames {
                    let upper = usize::from(link.0 >= 100);
                    let to = if from == upper { upper + 1 } else { upper };
                    self.nodes[to].input(Input::Frame { link, bytes });
                }
            }
        }
    }
}

#[test]
fn a_write_behind_a_relay_waits_for_the_hub_and_not_for_the_relay() {
    let mut chain = Chain::new();
    chain.connect(0);
    chain.connect(1);
    chain.carry();
    let id = chain.nodes[2].ask(write(1, 5_000, None));
    chain.carry();
    assert_eq!(chain.nodes[2].replies.remove(&id).map(headless), Some(reached(3, 1, Level::Hub)));

    chain.cut(0);
    let id = chain.nodes[2].ask(write(2, 5_000, None));
    chain.carry();
    assert_eq!(chain.nodes[1].status().head, 2);
    chain.nodes[1].replies.clear();
    assert!(chain.nodes[2].replies.is_empty(), "the relay alone is not enough");
    chain.connect(0);
    chain.carry();
    assert_eq!(chain.nodes[2].replies.remove(&id).map(headless), Some(reached(3, 2, Level::Hub)));
    assert!(chain.nodes.iter().all(|node| node.disconnects.is_empty()));
}

#[test]
fn after_a_reconnect_a_relay_tells_anew_what_the_hub_has() {
    let mut chain = Chain::new();
    chain.connect(0);
    chain.connect(1);
    chain.carry();
    let id = chain.nodes[2].ask(write(1, 5_000, None));
    // The change gets to the relay; then the till's link is gone.
    chain.nodes[2].settle();
    for (link, bytes) in std::mem::take(&mut chain.nodes[2].frames) {
        chain.nodes[1].input(Input::Frame { link, bytes });
    }
    chain.cut(1);
    chain.nodes[1].frames.retain(|(link, _)| link.0 < 100);
    chain.carry();
    assert!(chain.nodes[2].replies.is_empty());
    chain.connect(1);
    chain.carry();
    assert_eq!(chain.nodes[2].replies.remove(&id).map(headless), Some(reached(3, 1, Level::Hub)));
}

#[test]
fn a_peer_that_is_no_relay_is_not_believed() {
    let mut chain = Chain::new();
    chain.connect(0);
    chain.connect(1);
    chain.carry();
    let stamp = chain.nodes[1].put("store-1/inventory/1", item(1)).unwrap();
    let id = chain.nodes[1].ask(wait(stamp, 5_000));
    let entry = wire::HubEntry { origin: origin(2).0, sequence: 9 };
    let hub = Some(vec![wire::HubSpace { space: "store-1".into(), entries: vec![entry] }]);
    for link in [101, 1] {
        assert!(!chain.nodes[1].replies.contains_key(&id));
        let bytes = wire::encode(&Frame::Ack(Ack { hub: hub.clone(), ..Ack::default() })).unwrap();
        chain.nodes[1].input(Input::Frame { link: LinkId(link), bytes });
        chain.nodes[1].settle();
    }
    assert_eq!(chain.nodes[1].replies.remove(&id).map(headless), Some(reached(2, 1, Level::Hub)));
}
