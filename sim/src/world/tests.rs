//! A world driven by hand, as tests and benchmarks do.

use super::*;
use crate::network::Direction;
use crate::time::SECOND_NS;
use crate::topology::Shape;
use document::{Address, Operation};
use replica::{Request, Response};

const SITE: NodeId = NodeId(1);
const HUB: NodeId = NodeId(0);
const LINK: LinkNumber = LinkNumber(0);

fn pair() -> World {
    let mut world = World::new(&Topology::new(1, Shape::Star, 2), Sabotage::None);
    world.open().unwrap();
    assert!(world.run_until_quiet(10 * SECOND_NS).unwrap());
    world
}

fn increment(key: usize) -> Request {
    let address: Address = format!("store-1/inventory/{key}").parse().unwrap();
    let operations = vec![Operation::increment("/on_hand", 1).unwrap()];
    Request::write(address, operations)
}

fn is_written(world: &mut World, node: NodeId, key: usize) -> bool {
    matches!(world.request(node, increment(key)).unwrap(), Some(Ok(Response::Written(Some(_)))))
}

fn sent_bytes(world: &World) -> u64 {
    world.traffic(LINK, End::Dialer).bytes + world.traffic(LINK, End::Acceptor).bytes
}

fn documents(world: &mut World, node: NodeId) -> usize {
    let settled = world.settled().unwrap();
    settled.spaces[&"store-1".parse().unwrap()][&node].documents.len()
}

#[test]
fn what_is_written_while_cut_costs_its_bytes_after_the_heal() {
    let mut world = pair();
    assert!((0..50).all(|key| is_written(&mut world, SITE, key)));
    assert!(world.run_until_quiet(10 * SECOND_NS).unwrap());
    assert_eq!(documents(&mut world, HUB), 50);

    world.cut(LINK, Direction::Both);
    world.run_until(world.now_ns() + 10 * SECOND_NS).unwrap();
    assert!((50..60).all(|key| is_written(&mut world, SITE, key)));
    let before = sent_bytes(&world);
    world.heal(LINK, Direction::Both);
    assert!(world.run_until_quiet(60 * SECOND_NS).unwrap());
    assert_eq!(documents(&mut world, HUB), 60);
    let cost = sent_bytes(&world) - before;
    assert!((200..2_000).contains(&cost), "{cost} bytes for 10 changes");
}

#[test]
fn a_short_cut_only_delays() {
    let mut world = pair();
    let sessions = world.tally().equal;
    world.cut_for(LINK, Direction::Up, SECOND_NS / 2);
    assert!(is_written(&mut world, SITE, 1));
    assert_eq!(documents(&mut world, HUB), 0);
    assert!(world.run_until_quiet(10 * SECOND_NS).unwrap());
    assert_eq!((documents(&mut world, HUB), world.tally().equal), (1, sessions));
}

#[test]
fn a_node_that_is_down_answers_nothing_and_comes_back_with_what_was_durable() {
    let mut world = pair();
    assert!(is_written(&mut world, SITE, 1));
    world.crash(SITE, 0, SECOND_NS).unwrap();
    assert_eq!(world.request(SITE, increment(2)).unwrap(), None);
    assert!(world.run_until_quiet(30 * SECOND_NS).unwrap());
    assert_eq!((documents(&mut world, SITE), documents(&mut world, HUB)), (1, 1));
    assert!(is_written(&mut world, HUB, 2));
}
