//! The last plain bytes of a direction: all that its deflate stream rests on between two deltas (W-33).

/// The window is 2^12 bytes. A hub keeps two for each peer; 32 KiB gain 4 % and take eight times the memory.
pub(super) const WINDOW_BITS: u8 = 12;
const WINDOW_BYTES: usize = 1 << WINDOW_BITS;

#[derive(Default)]
pub(super) struct Window(Vec<u8>);

impl Window {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes the plain bytes of a delta.
    pub(super) fn push(&mut self, plain: &[u8]) {
        let plain = plain.get(plain.len().saturating_sub(WINDOW_BYTES)..).unwrap_or_default();
        let gone = (self.0.len() + plain.len()).saturating_sub(WINDOW_BYTES);
        self.0.drain(..gone.min(self.0.len()));
        let length = self.0.len() + plain.len();
        if length > self.0.capacity() {
            // Never more than the window, which a vector that doubles would take.
            let capacity = length.next_power_of_two().min(WINDOW_BYTES);
            self.0.reserve_exact(capacity - self.0.len());
        }
        self.0.extend_from_slice(plain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_end_of_all_that_came(lengths in prop::collection::vec(0..3 * WINDOW_BYTES, 0..9)) {
            let (mut window, mut all) = (Window::default(), Vec::new());
            for (length, number) in lengths.into_iter().zip(0_usize..) {
                let plain: Vec<u8> = (0..length).map(|at| u8::try_from((at * 31 + number) % 251).unwrap()).collect();
                all.extend_from_slice(&plain);
                window.push(&plain);
                prop_assert_eq!(window.bytes(), &all[all.len().saturating_sub(WINDOW_BYTES)..]);
                prop_assert!(window.0.capacity() <= WINDOW_BYTES);
            }
        }
    }
}
