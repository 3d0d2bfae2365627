//! In which order the loop takes what waits: every source gets its share of the loop's time.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996), with the cost of an arrival charged when it is known.
//! Who brings little is next when it comes, however much others have brought: a till does not wait behind a peer that
//! floods, and a peer whose frames are dear takes no more of the loop than one whose frames are cheap.

use replica::LinkId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Who brings something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Services of this machine, all together.
    Local,
    /// A connection to a peer, what is long left out.
    Live(LinkId),
    /// What is long of it. After `Live`: a connection comes before its frames.
    Bulk(LinkId),
}

/// What waits, by source; in the order of coming within each.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    sources: BTreeMap<Source, Waiting<T>>,
    /// The sources that have something waiting, by their start.
    order: BTreeSet<(u64, Source)>,
    /// The start of what was taken last.
    now: u64,
    count: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    /// The loop's time that the source has had, in nanoseconds; no less than `now` when something comes after a pause,
    /// so that nobody saves up.
    start: u64,
    queue: VecDeque<T>,
    /// Nothing more comes: it is forgotten with the last of what waits.
    is_ended: bool,
}

impl<T> FairQueue<T> {
    pub(super) fn new() -> Self {
        Self { sources: BTreeMap::new(), order: BTreeSet::new(), now: 0, count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, source: Source, item: T) {
        let now = self.now;
        let waiting = self.sources.entry(source).or_insert_with(|| Waiting {
            start: now,
            queue: VecDeque::new(),
            is_ended: false,
        });
        if waiting.queue.is_empty() {
            waiting.start = waiting.start.max(now);
            self.order.insert((waiting.start, source));
        }
        waiting.queue.push_back(item);
        self.count += 1;
    }

    /// What is next. What taking it costs is told with [`FairQueue::charge`].
    pub(super) fn pop(&mut self) -> Option<(Source, T)> {
        let (start, source) = *self.order.first()?;
        let waiting = self.sources.get_mut(&source)?;
        let item = waiting.queue.pop_front()?;
        if waiting.queue.is_empty() {
            self.order.remove(&(start, source));
            if waiting.is_ended {
                self.sources.remove(&source);
            }
        }
        self.now = start;
        self.count -= 1;
        Some((source, item))
    }

    /// A source has had so much of the loop's time.
    pub(super) fn charge(&mut self, source: Source, cost: Duration) {
        let Some(waiting) = self.sources.get_mut(&source) else { return };
        let was_waiting = self.order.remove(&(waiting.start, source));
        // Never nothing, so that sources take turns also where the clock stands still.
        let cost = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX).max(1);
        waiting.start = waiting.start.saturating_add(cost);
        if was_waiting {
            self.order.insert((waiting.start, source));
        }
    }

    /// A connection brings nothing more; what it has brought is still taken.
    pub(super) fn end(&mut self, link: LinkId) {
        for source in [Source::Live(link), Source::Bulk(link)] {
            let Some(waiting) = self.sources.get_mut(&source) else { continue };
            waiting.is_ended = true;
            if waiting.queue.is_empty() {
                self.sources.remove(&source);
            }
        }
    }

    /// How much of a source waits.
    pub(super) fn waiting(&self, source: Source) -> usize {
        self.sources.get(&source).map_or(0, |waiting| waiting.queue.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn link(number: u64) -> Source {
        Source::Live(LinkId(number))
    }

    /// Takes so much, each at the cost that `cost` says, and gives the sources in order.
    fn take(queue: &mut FairQueue<u32>, count: usize, cost: impl Fn(Source) -> Duration) -> Vec<Source> {
        let take_one = |_| {
            let (source, _) = queue.pop().unwrap();
            queue.charge(source, cost(source));
            source
        };
        (0..count).map(take_one).collect()
    }

    #[test]
    fn who_brings_little_does_not_wait_behind_who_floods() {
        let mut queue = FairQueue::new();
        (0..100).for_each(|number| queue.push(link(1), number));
        take(&mut queue, 10, |_| MS);
        queue.push(Source::Local, 0);
        queue.push(link(2), 0);
        let next = take(&mut queue, 3, |_| MS);
        assert!(next.contains(&Source::Local) && next.contains(&link(2)), "{next:?}");
        assert_eq!(queue.len(), 89);
    }

    #[test]
    fn dear_frames_come_less_often_than_cheap_ones() {
        let mut queue = FairQueue::new();
        (0..100).for_each(|number| queue.push(link(1), number));
        (0..100).for_each(|number| queue.push(link(2), number));
        let cost = |source| if source == link(1) { 9 * MS } else { MS };
        let taken = take(&mut queue, 50, cost);
        let dear = taken.iter().filter(|source| **source == link(1)).count();
        assert_eq!(dear, 5, "a tenth of them for half of the time");
    }

    #[test]
    fn one_alone_has_all_of_it_and_owes_nothing_for_it() {
        let mut queue = FairQueue::new();
        (0..100).for_each(|number| queue.push(link(1), number));
        take(&mut queue, 50, |_| MS);
        (0..100).for_each(|number| queue.push(link(2), number));
        let taken = take(&mut queue, 20, |_| MS);
        let first = taken.iter().filter(|source| **source == link(1)).count();
        assert!((9..=11).contains(&first), "{first}");
    }

    #[test]
    fn nobody_saves_up_during_a_pause() {
        let mut queue = FairQueue::new();
        queue.push(link(2), 0);
        take(&mut queue, 1, |_| MS);
        (0..200).for_each(|number| queue.push(link(1), number));
        take(&mut queue, 100, |_| MS);
        (0..100).for_each(|number| queue.push(link(2), number));
        let taken = take(&mut queue, 20, |_| MS);
        let second = taken.iter().filter(|source| **source == link(2)).count();
        assert!((9..=11).contains(&second), "{second}");
    }

    #[test]
    fn a_connection_comes_before_what_is_long_of_it() {
        let mut queue = FairQueue::new();
        queue.push(Source::Local, 0);
        take(&mut queue, 1, |_| MS);
        queue.push(link(1), 1);
        queue.push(Source::Bulk(LinkId(1)), 2);
        assert_eq!(take(&mut queue, 2, |_| MS), [link(1), Source::Bulk(LinkId(1))]);
    }

    #[test]
    fn each_source_keeps_its_order_and_is_forgotten_at_its_end() {
        let mut queue = FairQueue::new();
        (0..10).for_each(|number| queue.push(link(1 + u64::from(number % 2)), number));
        let mut of_first = Vec::new();
        while let Some((source, number)) = queue.pop() {
            queue.charge(source, MS * number);
            if source == link(1) {
                of_first.push(number);
            }
        }
        assert_eq!(of_first, [0, 2, 4, 6, 8]);
        queue.push(link(2), 0);
        queue.end(LinkId(1));
        queue.end(LinkId(2));
        assert_eq!(queue.sources.len(), 1, "the one that has something waiting stays");
        assert!(queue.pop().is_some() && queue.sources.is_empty(), "until that was taken");
    }
}
