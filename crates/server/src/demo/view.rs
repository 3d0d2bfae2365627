//! What is shown while it runs: a live table in a terminal, plain lines elsewhere, nothing for a JSON report.

mod lines;
mod live;

use std::time::Duration;

use time::OffsetDateTime;

use super::board::{Board, Event};
use super::data::Week;
use lines::Lines;
use live::Live;

/// How to show a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Live,
    Lines,
    Quiet,
}

/// One of the views.
pub(super) enum View {
    Live(Box<Live>),
    Lines(Lines),
    Quiet,
}

impl View {
    /// Begins to show.
    pub(super) fn new(mode: Mode, week: &Week, seed: u64, board: &Board) -> Self {
        match mode {
            Mode::Live => Self::Live(Box::new(Live::new(week, seed, board))),
            Mode::Lines => Self::Lines(Lines::new(week)),
            Mode::Quiet => Self::Quiet,
        }
    }

    /// Something happened; `board` has it already.
    pub(super) fn show(&mut self, event: &Event, board: &Board) {
        match self {
            Self::Live(live) => live.note(event, board),
            Self::Lines(lines) => lines.write(event, board),
            Self::Quiet => {}
        }
    }

    /// Some time passed.
    pub(super) fn refresh(&mut self, board: &Board) {
        if let Self::Live(live) = self {
            live.draw(board);
        }
    }

    /// Shows the last state, and nothing after it.
    pub(super) fn finish(&mut self, board: &Board) {
        if let Self::Live(live) = self {
            live.draw(board);
            live.finish();
        }
    }
}

/// The calendar of the replayed week.
#[derive(Clone, Copy)]
struct Calendar {
    start: OffsetDateTime,
}

impl Calendar {
    fn new(week: &Week) -> Self {
        Self { start: week.start }
    }

    /// `Thu 20 Jul 14:05`.
    fn show(self, since_start: Duration) -> String {
        let time = self.start.checked_add(since_start.try_into().unwrap_or_default()).unwrap_or(self.start);
        let (weekday, month) = (time.weekday().to_string(), time.month().to_string());
        let short = |name: &str| name.chars().take(3).collect::<String>();
        let (weekday, month) = (short(&weekday), short(&month));
        format!("{weekday} {:>2} {month} {:02}:{:02}", time.day(), time.hour(), time.minute())
    }
}

/// An event in words; `None` for those that happen all the time.
fn words(event: &Event, board: &Board) -> Option<String> {
    let site = |shop: usize| board.shops.get(shop).map_or("", |shop| shop.site.as_str());
    let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
    Some(match *event {
        Event::Cut { shop } => format!("{} is cut off", site(shop)),
        Event::Healed { shop } => format!("{} has its link again", site(shop)),
        Event::Converged { shop, after } => {
            format!("{} and the hub are in step again after {}", site(shop), seconds(after))
        }
        Event::Killed { shop, unanswered } => {
            format!("{} is killed (SIGKILL), {unanswered} writes unanswered", site(shop))
        }
        Event::Restarted { shop, after } => format!("{} sells again after {}", site(shop), seconds(after)),
        Event::Prices { round, changes } => format!("hub changes {changes} prices, round {round}"),
        Event::Stage(_) | Event::Time(_) | Event::Sold { .. } | Event::Shop { .. } | Event::Hub(_) => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_shows_day_and_time() {
        let week = Week::built_in(None).unwrap();
        let calendar = Calendar::new(&week);
        assert_eq!(calendar.show(Duration::ZERO), "Mon 17 Jul 05:30");
        assert_eq!(calendar.show(week.span), "Mon 24 Jul 03:00");
    }

    #[test]
    fn what_happens_rarely_has_words() {
        let board = Board::new(&Week::built_in(None).unwrap());
        let check = |event: Event, expected: Option<&str>| {
            assert_eq!(words(&event, &board).as_deref(), expected);
        };
        check(Event::Cut { shop: 1 }, Some("store-367 is cut off"));
        let after = Duration::from_millis(1_234);
        let converged = "store-367 and the hub are in step again after 1.23 s";
        check(Event::Converged { shop: 1, after }, Some(converged));
        let killed = "store-406 is killed (SIGKILL), 3 writes unanswered";
        check(Event::Killed { shop: 0, unanswered: 3 }, Some(killed));
        check(Event::Prices { round: 2, changes: 5 }, Some("hub changes 5 prices, round 2"));
        check(Event::Sold { shop: 0, units: 1, while_cut: false }, None);
    }
}
