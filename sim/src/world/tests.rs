//! A world driven by hand, as tests and benchmarks do.

use super::*;
use crate::network::Direction;
use crate::time::SECOND_NS;
use crate::topology::Shape;
use document::{Address, Operation};
use replica::{Request, Response, Written};

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
    matches!(
        world.request(node, increment(key)).unwrap(),
        Some(Ok(Response::Written(Written { stamp: Some(_), .. })))
    )
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

/// What becomes of the second site's connections by faults of its own, after a cut of the first site's link or none.
fn fates_of_the_second_site(first_is_cut: bool) -> Vec<String> {
    let (link, site) = (LinkNumber(1), NodeId(2));
    let mut world = World::new(&Topology::new(1, Shape::Star, 3), Sabotage::None);
    world.open().unwrap();
    world.run_until(10 * SECOND_NS).unwrap();
    if first_is_cut {
        world.cut_for(LINK, Direction::Both, 8 * SECOND_NS);
    }
    world.run_until(40 * SECOND_NS).unwrap();
    let mut fates = Vec::new();
    for from in [40, 60, 80] {
        match from {
            40 => world.cut_for(link, Direction::Both, 8 * SECOND_NS),
            60 => world.pause(site, 8 * SECOND_NS),
            _ => world.crash(site, 0, SECOND_NS).unwrap(),
        }
        world.run_until((from + 20) * SECOND_NS).unwrap();
        let began =
            |line: &String| line.trim_start().split('.').next().unwrap().parse::<u64>().unwrap() >= from;
        fates.extend(world.last_lines().into_iter().filter(began).filter(|line| line.contains(" connect")));
    }
    // Each end loses a connection three times and gets another, but for the one that crashed.
    assert_eq!(fates.len(), 11, "{fates:?}");
    fates
}

#[test]
fn a_fault_of_one_link_changes_no_draw_of_another() {
    assert_eq!(fates_of_the_second_site(true), fates_of_the_second_site(false));
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
