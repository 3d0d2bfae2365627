//! A short look for what comes next, before a thread sleeps.

use std::hint::spin_loop;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// Longer than a small write takes, and about as long as it takes to wake a thread.
const LOOKOUT: Duration = Duration::from_micros(50);

/// Of two threads that hand work to one another and back, each waits awake for the other: to wake a thread takes several times
/// what a write in memory does. It costs [`LOOKOUT`] of a processor after the last of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lookout {
    is_kept: bool,
}

impl Lookout {
    /// Where the one who is waited for has a processor of its own.
    pub(crate) fn beside_another() -> Self {
        Self { is_kept: available_parallelism().map_or(1, NonZeroUsize::get) > 1 }
    }

    /// Returns when something is there, or soon without.
    pub(super) fn keep(self, mut is_there: impl FnMut() -> bool) -> bool {
        let began = Instant::now();
        while self.is_kept && began.elapsed() < LOOKOUT {
            if is_there() {
                return true;
            }
            spin_loop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_until_something_is_there_and_not_for_ever() {
        let mut looks = 0;
        let third = || {
            looks += 1;
            looks == 3
        };
        assert!(Lookout { is_kept: true }.keep(third));
        assert!(!Lookout { is_kept: true }.keep(|| false));
        assert!(!Lookout::default().keep(|| true), "nobody looks");
    }
}
