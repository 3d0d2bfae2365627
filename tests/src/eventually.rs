//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// The first pause between two looks at a condition.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest pause: what a condition that came true is noticed too late by, at most.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Waits until `condition` is true.
///
/// The condition is looked at once at least, and once more when the deadline is over.
///
/// # Panics
///
/// If the condition is still false after `deadline`; the message says `what` was waited for, as in
/// "the hub has every row".
#[track_caller]
pub fn eventually(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let mut wait = Wait::new(deadline);
    while !condition() {
        let Some(pause) = wait.next_pause() else { not_reached(deadline, what) };
        std::thread::park_timeout(pause);
    }
}

/// Waits until `condition` is true, without holding up the other tasks of the runtime.
///
/// The condition is looked at once at least, and once more when the deadline is over. One that never returns is
/// not cut off: give what it awaits a time limit of its own.
///
/// # Panics
///
/// If the condition is still false after `deadline`; the message says `what` was waited for. If there is no
/// tokio runtime with a timer.
pub async fn eventually_async(deadline: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let mut wait = Wait::new(deadline);
    while !condition().await {
        let Some(pause) = wait.next_pause() else { not_reached(deadline, what) };
        tokio::time::sleep(pause).await;
    }
}

#[track_caller]
fn not_reached(deadline: Duration, what: &str) -> ! {
    panic!("not within {deadline:?}: {what}")
}

/// The pauses up to a deadline: each twice the one before, up to [`PAUSE_MAX`].
struct Wait {
    started: Instant,
    deadline: Duration,
    pause: Duration,
}

impl Wait {
    fn new(deadline: Duration) -> Self {
        Self { started: Instant::now(), deadline, pause: PAUSE_MIN }
    }

    /// How long to pause before the next look; `None` when the deadline was over before the last one.
    fn next_pause(&mut self) -> Option<Duration> {
        let left = self.deadline.checked_sub(self.started.elapsed())?;
        let pause = self.pause.min(left);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn it_returns_once_the_condition_is_true() {
        let mut looks = 0;
        eventually(LONG, "the third look", || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
    }

    #[test]
    fn it_sees_what_another_thread_does() {
        let (done, is_done) = std::sync::mpsc::channel();
        let worker = std::thread::spawn(move || done.send(()));
        eventually(LONG, "the other thread is done", || is_done.try_recv().is_ok());
        worker.join().unwrap().unwrap();
    }

    #[test]
    fn it_looks_even_when_there_is_no_time() {
        eventually(Duration::ZERO, "what is true already", || true);
    }

    #[test]
    fn it_panics_after_the_deadline_and_says_what_was_waited_for() {
        let started = Instant::now();
        let failure = catch_unwind(|| eventually(SHORT, "the moon is full", || false)).unwrap_err();
        assert_eq!(failure.downcast_ref::<String>().unwrap(), "not within 20ms: the moon is full");
        assert!(started.elapsed() >= SHORT);
    }

    #[tokio::test]
    async fn the_async_form_lets_other_tasks_run() {
        let (done, mut is_done) = tokio::sync::oneshot::channel();
        tokio::spawn(async move { done.send(()) });
        eventually_async(LONG, "the other task is done", async || is_done.try_recv().is_ok()).await;
    }

    #[tokio::test]
    async fn the_async_form_panics_after_the_deadline() {
        let waiting = tokio::spawn(eventually_async(SHORT, "the moon is full", async || false));
        assert!(waiting.await.unwrap_err().is_panic());
    }
}
