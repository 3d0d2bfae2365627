use super::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Whether there is room for a frame at once.
fn brings(arrivals: &Arrivals, from: &ArrivingLink, lane: Lane, bytes: usize) -> bool {
    let mut frame = pin!(arrivals.frame(from, lane, vec![0; bytes]));
    match frame.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(brought) => brought.is_ok(),
        Poll::Pending => false,
    }
}

/// Brings frames until there is room for no more; returns how many had room.
fn fill(arrivals: &Arrivals, from: &ArrivingLink, lane: Lane, bytes: usize) -> usize {
    (0..10_000).take_while(|_| brings(arrivals, from, lane, bytes)).count()
}

#[test]
fn a_peer_that_floods_leaves_room_for_others() {
    let (arrivals, mut queue) = arrivals(0);
    let (flooding, other) = (arrivals.next_link(), arrivals.next_link());
    assert_eq!(fill(&arrivals, &flooding, Lane::Live, 10), LANE_FRAMES_MAX);
    assert_eq!(fill(&arrivals, &flooding, Lane::Bulk, transport::FRAME_BYTES_MAX), 2, "bytes count as well");
    assert_eq!(fill(&arrivals, &flooding, Lane::Control, transport::FRAME_BYTES_MAX), 1);
    assert!(brings(&arrivals, &other, Lane::Live, 1));
    // Who brought most does not come first.
    let mut order = Vec::new();
    while let Some((source, _)) = queue.try_next() {
        queue.charge(source, Duration::from_millis(1));
        order.push(source);
    }
    assert_eq!(order.len(), LANE_FRAMES_MAX + 4);
    assert!(order.iter().take(3).any(|source| *source == Source::Live(other.link)), "{order:?}");
}

#[test]
fn what_was_taken_gives_its_room_back() {
    let (arrivals, mut queue) = arrivals(0);
    let link = arrivals.next_link();
    assert_eq!(fill(&arrivals, &link, Lane::Live, 10), LANE_FRAMES_MAX);
    drop(queue.try_next().unwrap());
    assert_eq!(fill(&arrivals, &link, Lane::Live, 10), 1);
}

#[test]
fn services_have_places_of_their_own() {
    let (arrivals, mut queue) = arrivals(0);
    let links: Vec<ArrivingLink> = (0..100).map(|_| arrivals.next_link()).collect();
    let longest = transport::FRAME_BYTES_MAX;
    let brought: usize = links.iter().map(|link| fill(&arrivals, link, Lane::Bulk, longest)).sum();
    assert_eq!(brought, FRAME_BYTES_MAX / longest, "no byte is left to peers");
    assert!(links.iter().map(|link| fill(&arrivals, link, Lane::Live, 10)).sum::<usize>() < ARRIVALS_MAX);
    let mut asked = pin!(arrivals.ask(Request::Status));
    assert!(asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let taken = std::iter::from_fn(|| queue.try_next()).take(2).map(|(source, _)| source);
    assert!(taken.collect::<Vec<_>>().contains(&Source::Local));
}

#[test]
fn what_waits_is_bounded_in_all() {
    let (arrivals, mut queue) = arrivals(0);
    let links: Vec<ArrivingLink> = (0..100).map(|_| arrivals.next_link()).collect();
    let brought: usize = links.iter().map(|link| fill(&arrivals, link, Lane::Live, 10)).sum();
    assert_eq!(brought, ARRIVALS_MAX);
    // What the loop looked at makes room for as many again, and for no more.
    let taken = queue.try_next();
    assert!(taken.is_some());
    let again: usize = links.iter().map(|link| fill(&arrivals, link, Lane::Live, 10)).sum();
    assert_eq!(again, ARRIVALS_MAX);
    assert!(queue.try_next().is_some());
    assert!(queue.waiting.len() <= ARRIVALS_MAX);
}
