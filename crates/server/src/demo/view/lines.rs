use std::io::{self, Write as _};

use super::super::board::{Board, Event, Stage};
use super::super::data::Week;
use super::{Calendar, words};

/// One line on stdout for each thing worth one.
pub(in crate::demo) struct Lines {
    calendar: Calendar,
}

impl Lines {
    pub(super) fn new(week: &Week) -> Self {
        Self { calendar: Calendar::new(week) }
    }

    pub(super) fn write(&self, event: &Event, board: &Board) {
        if let Some(line) = self.line(event, board) {
            // Whoever listened has gone: the run goes on, its exit code still counts.
            let _ = writeln!(io::stdout().lock(), "{line}");
        }
    }

    fn line(&self, event: &Event, board: &Board) -> Option<String> {
        if let Event::Stage(stage) = event {
            return stage_line(*stage, board);
        }
        words(event, board).map(|words| format!("{}  {words}", self.calendar.show(board.time)))
    }
}

fn stage_line(stage: Stage, board: &Board) -> Option<String> {
    let shops = board.shops.len();
    Some(match stage {
        Stage::Starting => format!("starting a hub and {shops} shops"),
        Stage::Loading => "loading products, prices and opening stock at the hub".to_owned(),
        Stage::Replaying => format!("all {shops} shops have them; replaying the sales"),
        Stage::Converging => format!("{} units sold; all links are healed", board.units()),
        Stage::Checking => "hub and shops are in step; comparing their documents".to_owned(),
        Stage::Done => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_says_when_in_the_week_and_what() {
        let week = Week::built_in(None).unwrap();
        let mut board = Board::new(&week);
        board.time = Duration::from_secs(60);
        let line = Lines::new(&week).line(&Event::Cut { shop: 1 }, &board);
        assert_eq!(line.as_deref(), Some("Mon 17 Jul 05:31  store-367 is cut off"));
        let stage = Lines::new(&week).line(&Event::Stage(Stage::Starting), &board);
        assert_eq!(stage.as_deref(), Some("starting a hub and 8 shops"));
        assert_eq!(Lines::new(&week).line(&Event::Time(Duration::ZERO), &board), None);
    }
}
