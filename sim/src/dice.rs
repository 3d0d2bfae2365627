use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Seeded randomness for one purpose.
///
/// Every decision has a generator of its own, made of the seed, the purpose and the numbers of what it is about (a
/// node, a link, how many connections or frames the link has carried). So taking one event out of a schedule changes no
/// draw about other nodes and links.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The generator for a purpose: ChaCha8 seeded by blake3(seed ‖ numbers ‖ purpose).
    pub(crate) fn of(seed: u64, purpose: &str, numbers: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(purpose.as_bytes());
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// A number from 0 to below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        // The high half of a product of two 64-bit numbers always fits; its bias is below 2^-32 for what is drawn here.
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the items; `None` when there are none.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.below(items.len() as u64);
        items.get(usize::try_from(index).ok()?)
    }

    /// Random bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_draws_the_same_whatever_else_is_drawn() {
        let alone = Dice::of(7, "latency", &[1, 2]).below(1_000_000);
        let _ = Dice::of(7, "latency", &[1, 1]).below(1_000_000);
        assert_eq!(Dice::of(7, "latency", &[1, 2]).below(1_000_000), alone);
        assert_ne!(Dice::of(7, "backoff", &[1, 2]).below(1_000_000), alone);
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut dice = Dice::of(1, "range", &[]);
        assert!((0..1_000).all(|_| (3..=5).contains(&dice.between(3, 5))));
        assert_eq!((dice.below(0), dice.below(1)), (0, 0));
        assert!(dice.pick(&[] as &[u8]).is_none());
    }
}
