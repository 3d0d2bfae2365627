use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Seeded randomness: the same seed throws the same numbers on every machine.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // Of 64 random bits and a small bound, the bias of a remainder is beyond notice.
        let thrown = self.0.next_u64().checked_rem(bound as u64).unwrap_or(0);
        usize::try_from(thrown).unwrap_or(0)
    }

    /// A whole number of `range`.
    pub(super) fn within(&mut self, range: std::ops::RangeInclusive<u32>) -> u32 {
        let width = u64::from(range.end().saturating_sub(*range.start())) + 1;
        let thrown = u32::try_from(self.0.next_u64() % width).unwrap_or(0);
        range.start() + thrown
    }

    /// Between `from` and `to` per mille of `span`.
    pub(super) fn share(&mut self, span: Duration, from: u32, to: u32) -> Duration {
        span.mul_f64(f64::from(self.within(from..=to)) / 1_000.0)
    }

    /// One of them; `None` of none.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// The numbers below `bound` in random order.
    pub(super) fn shuffled(&mut self, bound: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..bound).collect();
        for end in (1..bound).rev() {
            numbers.swap(end, self.below(end + 1));
        }
        numbers
    }
}
