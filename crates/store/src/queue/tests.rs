use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use replica::{Keyspace, Write};

use super::*;

fn batch(bytes: usize) -> Batch {
    Batch { writes: vec![Write { keyspace: Keyspace::Meta, key: vec![1], value: Some(vec![0; bytes - 1]) }] }
}

fn turns(taken: Taken) -> Vec<u64> {
    match taken {
        Taken::Group(batches) => batches.iter().map(|(turn, _)| turn.0).collect(),
        Taken::Nothing | Taken::Ended => Vec::new(),
    }
}

#[track_caller]
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        thread::yield_now();
    }
}

/// Pushes `count` batches of `bytes` at a queue that nobody empties, then empties it.
#[track_caller]
fn check_bound(count: usize, bytes: usize, waiting_max: usize) {
    let queue = Queue::default();
    let pushed = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0..count {
                queue.push(Turn(turn as u64), batch(bytes)).unwrap();
                pushed.fetch_add(1, Ordering::SeqCst);
            }
        });
        eventually("the queue fills", || queue.lock().batches.len() == waiting_max);
        let mut seen = Vec::new();
        while seen.len() < count {
            let waiting = queue.lock().batches.len();
            assert!(waiting <= waiting_max, "{waiting} batches of {bytes} bytes wait");
            assert!(pushed.load(Ordering::SeqCst) <= seen.len() + waiting_max);
            seen.extend(turns(queue.take(None)));
        }
        assert!(seen.iter().copied().eq(0..count as u64), "in order and complete: {seen:?}");
    });
}

#[test]
fn a_full_queue_makes_the_producer_wait() {
    check_bound(3 * QUEUE_BATCHES_MAX, 10, QUEUE_BATCHES_MAX);
    check_bound(40, QUEUE_BYTES_MAX / 8, 8);
    check_bound(5, QUEUE_BYTES_MAX + 1, 1);
}

#[test]
fn a_group_is_bounded_in_bytes_but_never_empty() {
    let queue = Queue::default();
    for (turn, bytes) in [(1, 100), (2, GROUP_BYTES_MAX - 100), (3, 1), (4, GROUP_BYTES_MAX + 1), (5, 1)] {
        queue.push(Turn(turn), batch(bytes)).unwrap();
    }
    queue.end();
    assert_eq!(turns(queue.take(None)), [1, 2]);
    assert_eq!(turns(queue.take(None)), [3]);
    assert_eq!(turns(queue.take(None)), [4]);
    assert_eq!(turns(queue.take(None)), [5]);
    assert_eq!(queue.take(None), Taken::Ended);
}

#[test]
fn an_ended_queue_hands_out_what_waits_and_takes_no_more() {
    let queue = Queue::default();
    queue.push(Turn(1), batch(1)).unwrap();
    queue.end();
    assert_eq!(queue.push(Turn(2), batch(1)), Err(Refused::Ended));
    assert_eq!(turns(queue.take(None)), [1]);
    assert_eq!(queue.take(None), Taken::Ended);
}

#[test]
fn a_refusing_queue_frees_a_waiting_producer() {
    let queue = Queue::default();
    queue.push(Turn(1), batch(QUEUE_BYTES_MAX)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.push(Turn(2), batch(1)));
        queue.refuse();
        assert_eq!(waiting.join().unwrap(), Err(Refused::Ended));
    });
    assert_eq!(queue.take(None), Taken::Ended);
}

#[test]
fn a_deadline_ends_the_wait_for_a_batch() {
    let queue = Queue::default();
    assert_eq!(queue.take(Some(Instant::now())), Taken::Nothing);
    queue.push(Turn(1), batch(1)).unwrap();
    assert_eq!(turns(queue.take(Some(Instant::now()))), [1]);
    queue.end();
    assert_eq!(queue.take(Some(Instant::now())), Taken::Ended);
}

#[test]
fn a_turn_that_found_the_disk_full_comes_first_again() {
    let queue = Queue::default();
    for turn in [5, 6] {
        queue.push(Turn(turn), batch(1)).unwrap();
    }
    queue.refuse_until(Turn(5));
    assert_eq!(queue.push(Turn(7), batch(1)), Err(Refused::Full));
    for turn in [5, 6] {
        assert_eq!(queue.push(Turn(turn), batch(1)), Ok(()));
    }
    assert_eq!(turns(queue.take(None)), [5, 6]);
}

#[test]
fn a_full_disk_frees_a_waiting_producer() {
    let queue = Queue::default();
    queue.push(Turn(1), batch(QUEUE_BYTES_MAX)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.push(Turn(2), batch(1)));
        queue.refuse_until(Turn(1));
        assert_eq!(waiting.join().unwrap(), Err(Refused::Full));
    });
}
