//! What has happened so far: events of the run, added up. The views show it and the report is made of it.

use std::time::Duration;

use super::data::Week;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// The next part of the run begins.
    Stage(Stage),
    /// The replay is at this place of the week.
    Time(Duration),
    /// A basket is durable at its shop.
    Sold { shop: usize, units: u64, while_cut: bool },
    /// A link was cut.
    Cut { shop: usize },
    /// A link was healed.
    Healed { shop: usize },
    /// Shop and hub have each other's changes again, so long after the heal.
    Converged { shop: usize, after: Duration },
    /// A shop's process was killed with so many writes unanswered.
    Killed { shop: usize, unanswered: usize },
    /// It runs again, so long after the kill.
    Restarted { shop: usize, after: Duration },
    /// The hub changed prices.
    Prices { round: u64, changes: usize },
    /// A shop was asked how it is.
    Shop { shop: usize, state: ShopState },
    /// The hub was asked how it is.
    Hub(HubState),
}

/// Parts of the run, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Processes are started.
    Starting,
    /// Products, prices and stock are written at the hub and reach the shops.
    Loading,
    /// Sales are replayed.
    Replaying,
    /// All links are healed; what is missing arrives.
    Converging,
    /// Documents are compared.
    Checking,
    /// The result is known.
    Done,
}

/// How a shop said that it is, and how the hub said that things stand with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShopState {
    pub(super) connected: bool,
    /// Changes that the hub has not acknowledged.
    pub(super) to_hub_rows: u64,
    /// Changes at the hub that the shop has not acknowledged.
    pub(super) from_hub_rows: u64,
    /// Age of the oldest of both.
    pub(super) lag_ms: u64,
    /// Last price round that the shop has.
    pub(super) price_round: u64,
}

/// How the hub is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HubState {
    pub(super) documents: u64,
    /// Last position of its journal.
    pub(super) head: u64,
    /// Shops that are connected.
    pub(super) connected: usize,
}

/// All that happened.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub(super) stage: Stage,
    pub(super) time: Duration,
    pub(super) shops: Vec<ShopLine>,
    pub(super) hub: HubState,
    /// Last price round of the hub.
    pub(super) price_round: u64,
    pub(super) price_changes: usize,
}

/// What happened to one shop.
#[derive(Clone, Debug, Default)]
pub(super) struct ShopLine {
    pub(super) site: String,
    pub(super) units: u64,
    /// Units that it is going to sell in all.
    pub(super) units_planned: u64,
    pub(super) is_cut: bool,
    pub(super) is_down: bool,
    pub(super) state: ShopState,
    pub(super) cuts: usize,
    /// Of each heal after which it converged, how long that took.
    pub(super) converged_after: Vec<Duration>,
    pub(super) restarted_after: Vec<Duration>,
    pub(super) baskets_while_cut: u64,
    pub(super) units_while_cut: u64,
}

/// What a shop's link is like, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    /// Cut by the proxy, whatever the shop has noticed of it.
    Cut,
    /// Nothing is cut, and the two are not connected yet.
    Joining,
    /// There is no process.
    Killed,
}

impl ShopLine {
    pub(super) fn link(&self) -> Link {
        match (self.is_down, self.is_cut, self.state.connected) {
            (true, _, _) => Link::Killed,
            (_, true, _) => Link::Cut,
            (_, _, true) => Link::Up,
            (_, _, false) => Link::Joining,
        }
    }
}

impl Board {
    /// Before anything happened.
    pub(super) fn new(week: &Week) -> Self {
        let shops = week.shops.iter().map(|shop| ShopLine {
            site: shop.site(),
            units_planned: shop.units(),
            ..ShopLine::default()
        });
        Self {
            stage: Stage::Starting,
            time: Duration::ZERO,
            shops: shops.collect(),
            hub: HubState::default(),
            price_round: 0,
            price_changes: 0,
        }
    }

    /// Adds an event.
    pub(super) fn add(&mut self, event: &Event) {
        match *event {
            Event::Stage(stage) => self.stage = stage,
            Event::Time(time) => self.time = time,
            Event::Hub(state) => self.hub = state,
            Event::Prices { round, changes } => {
                self.price_round = round;
                self.price_changes += changes;
            }
            Event::Sold { shop, .. }
            | Event::Cut { shop }
            | Event::Healed { shop }
            | Event::Converged { shop, .. }
            | Event::Killed { shop, .. }
            | Event::Restarted { shop, .. }
            | Event::Shop { shop, .. } => {
                if let Some(line) = self.shops.get_mut(shop) {
                    line.add(event);
                }
            }
        }
    }

    /// Units sold so far.
    pub(super) fn units(&self) -> u64 {
        self.shops.iter().map(|shop| shop.units).sum()
    }
}

impl ShopLine {
    fn add(&mut self, event: &Event) {
        match *event {
            Event::Sold { units, while_cut, .. } => {
                self.units += units;
                self.baskets_while_cut += u64::from(while_cut);
                self.units_while_cut += if while_cut { units } else { 0 };
            }
            Event::Cut { .. } => {
                self.is_cut = true;
                self.cuts += 1;
            }
            Event::Healed { .. } => self.is_cut = false,
            Event::Converged { after, .. } => self.converged_after.push(after),
            Event::Killed { .. } => {
                self.is_down = true;
                self.state.connected = false;
            }
            Event::Restarted { after, .. } => {
                self.is_down = false;
                self.restarted_after.push(after);
            }
            Event::Shop { state, .. } => self.state = state,
            Event::Stage(_) | Event::Time(_) | Event::Prices { .. } | Event::Hub(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(events: &[Event]) -> Board {
        let mut board = Board::new(&Week::built_in(Some(2)).unwrap());
        events.iter().for_each(|event| board.add(event));
        board
    }

    #[test]
    fn a_board_knows_what_is_going_to_be_sold() {
        let board = board(&[]);
        assert_eq!((board.shops[0].site.as_str(), board.shops[0].units_planned), ("store-406", 836));
        assert_eq!(board.units(), 0);
    }

    #[test]
    fn sales_add_up_and_those_of_a_cut_apart() {
        let sold = |shop, units, while_cut| Event::Sold { shop, units, while_cut };
        let board = board(&[sold(0, 3, false), sold(0, 4, true), sold(1, 5, true), sold(9, 1, true)]);
        assert_eq!(board.units(), 12);
        let line = &board.shops[0];
        assert_eq!((line.units, line.units_while_cut, line.baskets_while_cut), (7, 4, 1));
    }

    #[test]
    fn a_link_is_what_matters_most_about_it() {
        let connected = Event::Shop { shop: 0, state: ShopState { connected: true, ..ShopState::default() } };
        let check = |events: &[Event], expected| assert_eq!(board(events).shops[0].link(), expected);
        let cut = Event::Cut { shop: 0 };
        let killed = Event::Killed { shop: 0, unanswered: 2 };
        let restarted = Event::Restarted { shop: 0, after: Duration::from_secs(1) };
        check(&[], Link::Joining);
        check(std::slice::from_ref(&connected), Link::Up);
        check(&[connected.clone(), cut.clone()], Link::Cut);
        check(&[connected.clone(), cut.clone(), killed.clone()], Link::Killed);
        check(&[connected.clone(), cut.clone(), killed.clone(), restarted.clone()], Link::Cut);
        check(&[connected.clone(), killed, restarted], Link::Joining);
        check(&[connected, cut, Event::Healed { shop: 0 }], Link::Up);
    }
}
