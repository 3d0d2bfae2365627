//! What systemd is told: that the server is ready, that it stops, and that its event loop moves.
//!
//! A unit with `Type=notify` is started when the server says so, one with `WatchdogSec=` is killed and started again when
//! the loop no longer moves. Without systemd (no `NOTIFY_SOCKET`) nothing is said.

use crate::event_loop::{Pulse, STUCK_AFTER, Stop};
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How much longer the start may take from each time on that it is told: systemd ends what takes longer than `TimeoutStartSec=`,
/// and much to recover would never be.
const START_EXTENSION: Duration = Duration::from_secs(60);

/// Until what it returns is aborted: the store is being opened, and that takes what it takes.
pub(crate) fn starting() -> JoinHandle<()> {
    extend();
    tokio::spawn(async {
        loop {
            sleep(START_EXTENSION / 3).await;
            extend();
        }
    })
}

fn extend() {
    let micros = u32::try_from(START_EXTENSION.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros), NotifyState::Status("opening the store")]);
}

/// The server answers; `status` is what `systemctl status` shows.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells of the loop as often as the unit asks for, until it is to stop; then of that.
pub(crate) async fn run(pulse: Pulse, mut stop: Stop) {
    let limit = sd_notify::watchdog_enabled();
    // Twice in the time after which systemd ends the process.
    let interval = limit.map(|limit| limit / 2);
    let stuck_after = limit.map_or(STUCK_AFTER, |limit| limit.min(STUCK_AFTER));
    loop {
        tokio::select! {
            biased;
            () = stop.ordered() => break,
            () = pause(interval) => {}
        }
        tell(beat(pulse.stuck(stuck_after)));
    }
    tell(&[NotifyState::Stopping]);
}

/// What is said of a loop. Nothing of one that is stuck: then systemd acts.
fn beat(stuck: Option<Duration>) -> &'static [NotifyState<'static>] {
    match stuck {
        None => &[NotifyState::Watchdog],
        Some(since) => {
            tracing::error!(
                seconds = since.as_secs(),
                "the event loop does not move: the watchdog is not told"
            );
            &[]
        }
    }
}

async fn pause(interval: Option<Duration>) {
    match interval {
        Some(interval) => sleep(interval).await,
        None => std::future::pending().await,
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if !states.is_empty()
        && let Err(error) = sd_notify::notify(states)
    {
        tracing::warn!(%error, "systemd is not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_loop_that_is_stuck_nothing_is_said() {
        assert!(matches!(beat(None), [NotifyState::Watchdog]));
        assert!(beat(Some(Duration::from_secs(120))).is_empty());
    }
}
