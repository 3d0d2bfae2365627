//! How much of a fill is under way.

use crate::effect::Misbehaviour;
use std::collections::VecDeque;

/// Bytes of documents on their way without an acknowledgement: at most, at least, and before it is known how quickly they are
/// acknowledged.
const BYTES_MAX: usize = 1024 * 1024;
const BYTES_MIN: usize = 64 * 1024;
const BYTES_FIRST: usize = 256 * 1024;

/// Acknowledgements of so many milliseconds say how much goes in a second.
const MEASURED_MS: u64 = 1_000;

/// What is under way to a peer: about as much as it acknowledges in a second, so that on a narrow line what goes next is there
/// soon, and a long one is kept busy.
#[derive(Debug)]
pub(super) struct Window {
    number: u32,
    sent: VecDeque<(u32, usize)>,
    bytes: usize,
    most: usize,
    /// Since when it is measured, as `Clock::now_ms`, and what was acknowledged since.
    since_ms: Option<u64>,
    acknowledged: usize,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            number: 0,
            sent: VecDeque::new(),
            bytes: 0,
            most: BYTES_FIRST,
            since_ms: None,
            acknowledged: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes < self.most
    }

    /// The number of the next frame, of so many bytes.
    pub(super) fn number(&mut self, bytes: usize) -> u32 {
        self.number += 1;
        self.sent.push_back((self.number, bytes));
        self.bytes += bytes;
        self.number
    }

    /// Frames up to this one are durable at the peer.
    pub(super) fn acknowledge(&mut self, number: u32, now_ms: u64) -> Result<(), Misbehaviour> {
        if number > self.number {
            return Err(Misbehaviour::Position);
        }
        while let Some((_, bytes)) = self.sent.pop_front_if(|(sent, _)| *sent <= number) {
            self.bytes -= bytes;
            self.acknowledged += bytes;
        }
        let passed_ms = now_ms.saturating_sub(*self.since_ms.get_or_insert(now_ms));
        if passed_ms >= MEASURED_MS {
            let a_second = self.acknowledged as u64 * 1_000 / passed_ms;
            self.most = usize::try_from(a_second).unwrap_or(BYTES_MAX).clamp(BYTES_MIN, BYTES_MAX);
            (self.since_ms, self.acknowledged) = (Some(now_ms), 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends frames of 64 KiB as there is room, over a line that carries so many in a second, for so many seconds; returns
    /// what is under way then.
    fn under_way(frames_a_second: u64, seconds: u64) -> usize {
        let (mut window, mut at_ms, mut last) = (Window::new(), 0, 0);
        while at_ms < seconds * 1_000 {
            while window.has_room() {
                window.number(64 * 1024);
            }
            last += 1;
            at_ms += 1_000 / frames_a_second;
            window.acknowledge(last, at_ms).unwrap();
        }
        window.bytes
    }

    #[test]
    fn a_narrow_line_has_little_under_way_and_a_wide_one_much() {
        assert_eq!(under_way(1, 60), 0, "a frame a second: one after the other");
        assert_eq!(under_way(4, 60), 3 * 64 * 1024);
        assert_eq!(under_way(100, 60), BYTES_MAX - 64 * 1024);
    }

    #[test]
    fn what_was_not_sent_cannot_be_acknowledged() {
        let mut window = Window::new();
        assert_eq!(window.number(10), 1);
        assert!(matches!(window.acknowledge(2, 0), Err(Misbehaviour::Position)));
        window.acknowledge(1, 0).unwrap();
        window.acknowledge(1, 0).unwrap();
        assert_eq!(window.bytes, 0);
    }
}
