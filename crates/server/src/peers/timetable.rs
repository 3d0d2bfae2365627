//! When a peer is dialled, and when the connection has done what it was for.

use super::link::{Ended, LinkEnd};
use super::pace::Pace;
use crate::clock::time_of_day;
use crate::config::{ScheduleConfig, SpaceName, TimeOfDay};
use crate::event_loop::{Arrivals, Reply};
use document::Space;
use replica::Request;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use transport::ConnectionHandle;

/// How often it is looked whether it is time. Short, for changes that are to go at once.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long neither side has sent anything when an exchange is done: longer than a slow disk takes to make a batch
/// durable, which is answered after it.
const QUIET: Duration = Duration::from_secs(5);

/// How long where one of them still lacks something: whoever has nothing to say for so long has nothing more to give.
const LACKING_QUIET: Duration = Duration::from_secs(30);

/// Why there is no connection to a peer with a schedule, while nothing is wrong; the time follows.
pub(crate) const WAITS: &str = "waits for its schedule: the next exchange is at ";

/// The schedule of one peer, and where it stands.
pub(crate) struct Timetable {
    schedule: Option<ScheduleConfig>,
    arrivals: Arrivals,
    /// The end of the last exchange that was gone through with.
    exchanged: Option<Instant>,
    /// Changes of the spaces that do not wait, as of some seconds before then.
    had: Mutex<BTreeMap<Space, u64>>,
}

impl Timetable {
    pub(crate) fn new(schedule: Option<ScheduleConfig>, arrivals: Arrivals) -> Self {
        Self { schedule, arrivals, exchanged: None, had: Mutex::default() }
    }

    /// When the peer is to be dialled, in words, where that is not now.
    pub(super) fn waits(&self) -> Option<String> {
        let schedule = self.schedule.as_ref()?;
        let since = self.exchanged.map(|at| at.elapsed());
        wait(schedule, time_of_day(), since).map(|at| format!("{WAITS}{at}"))
    }

    /// Waits until the peer is to be dialled.
    pub(super) async fn due(&self) {
        let Some(schedule) = &self.schedule else { return };
        while !is_due(schedule, time_of_day(), self.exchanged.map(|at| at.elapsed())) {
            // After a start nothing is known to be had: what was changed before it may wait.
            if self.changes(schedule).await.is_some_and(|now| now != *self.had()) {
                return;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits until the connection has done what it was for; never, for one that stands.
    pub(super) async fn over(&self, connection: ConnectionHandle, paces: [&Pace; 2]) {
        let Some(schedule) = &self.schedule else { return std::future::pending().await };
        let was_open = schedule.is_open(time_of_day());
        let mut last = (connection.frame_parts(), Instant::now());
        // Counted when it becomes quiet: what is changed later has either been sent when the exchange ends, or is due.
        let (mut had, mut is_counted) = (self.had().clone(), false);
        loop {
            sleep(LOOK_INTERVAL).await;
            let parts = connection.frame_parts();
            // Under a cap a long frame is silence on the line until its time has come.
            if parts != last.0 || paces.iter().any(|pace| pace.is_behind()) {
                (last, is_counted) = ((parts, Instant::now()), false);
            } else if !is_counted && let Some(now) = self.changes(schedule).await {
                (had, is_counted) = (now, true);
            }
            let is_open = schedule.is_open(time_of_day());
            // What may not wait is gone through with, and not left to the next time.
            let closes = was_open && !is_open && self.changes(schedule).await.is_none_or(|now| now == had);
            let quiet = last.1.elapsed();
            if is_over(schedule, (closes, is_open), quiet)
                && (closes || quiet >= LACKING_QUIET || !self.lacks(&connection).await)
            {
                *self.had() = had;
                return;
            }
        }
    }

    /// A connection has ended.
    pub(super) fn ended(&mut self, ended: &Ended) {
        if matches!(ended.why, LinkEnd::Over) {
            self.exchanged = Some(Instant::now());
        }
    }

    /// Whether the peer lacks changes of this replica, or this replica is being filled.
    async fn lacks(&self, connection: &ConnectionHandle) -> bool {
        let Ok(Reply::Status(status, _)) = self.arrivals.ask(Request::Status).await else { return false };
        let name = &connection.peer().name;
        let is_behind = status.peers.iter().any(|peer| peer.peer == *name && peer.backlog_rows > 0);
        is_behind || status.spaces.iter().any(|space| space.is_filling)
    }

    fn had(&self) -> MutexGuard<'_, BTreeMap<Space, u64>> {
        self.had.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many changes there are of each space whose changes do not wait; none while the core does not answer.
    async fn changes(&self, schedule: &ScheduleConfig) -> Option<BTreeMap<Space, u64>> {
        if schedule.at_once.is_empty() {
            return None;
        }
        let Ok(Reply::Status(status, _)) = self.arrivals.ask(Request::Status).await else { return None };
        let urgent = |space: &Space| schedule.at_once.iter().any(|SpaceName(name)| name == space);
        let spaces = status.spaces.into_iter().filter(|of| urgent(&of.space));
        Some(spaces.map(|of| (of.space, of.changes)).collect())
    }
}

/// When it is time; none when it is time now.
fn wait(schedule: &ScheduleConfig, now: TimeOfDay, since: Option<Duration>) -> Option<TimeOfDay> {
    let pause = schedule.every.zip(since).map(|(every, since)| every.0.saturating_sub(since));
    let next = schedule.opens(now, pause.unwrap_or_default());
    next.filter(|_| !is_due(schedule, now, since))
}

fn is_due(schedule: &ScheduleConfig, now: TimeOfDay, since: Option<Duration>) -> bool {
    let is_time = match (schedule.every, since) {
        (Some(every), Some(since)) => since >= every.0,
        (None, _) | (_, None) => true,
    };
    is_time && schedule.is_open(now)
}

/// `closes` says that the time of day has passed for which it was dialled, and nothing is left that may not wait.
fn is_over(schedule: &ScheduleConfig, (closes, is_open): (bool, bool), quiet: Duration) -> bool {
    closes || (quiet >= QUIET && (schedule.every.is_some() || !is_open))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::Span;

    const NOON: &str = "12:00";
    const NIGHT: &str = "23:00";

    fn schedule(every_s: Option<u64>, between: &[&str]) -> ScheduleConfig {
        ScheduleConfig {
            every: every_s.map(|every| Span(Duration::from_secs(every))),
            between: between.iter().map(|window| window.parse().unwrap()).collect(),
            at_once: Vec::new(),
        }
    }

    fn due(schedule: &ScheduleConfig, now: &str, since_s: Option<u64>) -> bool {
        is_due(schedule, now.parse().unwrap(), since_s.map(Duration::from_secs))
    }

    #[test]
    fn a_peer_is_dialled_at_the_start_and_then_in_intervals() {
        let every = schedule(Some(300), &[]);
        assert!(due(&every, NOON, None) && !due(&every, NOON, Some(299)) && due(&every, NOON, Some(300)));
    }

    #[test]
    fn a_peer_is_dialled_within_its_times_of_day_only() {
        let nightly = schedule(None, &["22:00-05:00"]);
        assert!(!due(&nightly, NOON, None) && due(&nightly, NIGHT, None) && due(&nightly, NIGHT, Some(1)));
        let both = schedule(Some(300), &["22:00-05:00"]);
        assert!(
            !due(&both, NOON, Some(400)) && !due(&both, NIGHT, Some(200)) && due(&both, NIGHT, Some(400))
        );
    }

    #[test]
    fn it_is_told_when_the_next_exchange_is() {
        let (every, nightly) = (schedule(Some(300), &[]), schedule(None, &["22:00-05:00"]));
        let both = schedule(Some(300), &["22:00-05:00"]);
        let told = |schedule: &ScheduleConfig, now: &str, since_s: Option<u64>| {
            let at = wait(schedule, now.parse().unwrap(), since_s.map(Duration::from_secs));
            at.map(|at| at.to_string())
        };
        assert_eq!(told(&every, NOON, Some(100)).as_deref(), Some("12:04"), "minutes are rounded up");
        assert_eq!(told(&every, NOON, Some(300)), None);
        assert_eq!(told(&every, "23:58", Some(10)).as_deref(), Some("00:03"));
        assert_eq!(told(&nightly, NOON, None).as_deref(), Some("22:00"));
        assert_eq!(told(&nightly, NIGHT, Some(1)), None);
        assert_eq!(told(&both, NIGHT, Some(1)).as_deref(), Some("23:05"));
        assert_eq!(told(&both, "04:58", Some(1)).as_deref(), Some("22:00"));
    }

    #[test]
    fn an_exchange_is_over_when_nothing_is_left_or_its_time_has_passed() {
        let (every, nightly) = (schedule(Some(300), &[]), schedule(None, &["22:00-05:00"]));
        let (busy, quiet) = (Duration::from_secs(1), Duration::from_secs(5));
        assert!(!is_over(&every, (false, true), busy) && is_over(&every, (false, true), quiet));
        assert!(!is_over(&nightly, (false, true), quiet) && is_over(&nightly, (true, false), busy));
        // What does not wait until the night is gone through with, and then it ends.
        assert!(!is_over(&nightly, (false, false), busy) && is_over(&nightly, (false, false), quiet));
    }
}
