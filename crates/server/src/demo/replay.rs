//! The week itself: sales at the shops, prices at the hub, links that are cut, processes that are killed.

mod links;
mod sales;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::board::Event;
use super::data::Week;
use super::error::DemoError;
use super::fleet::{Fleet, HUB};
use super::load::change_prices;
use super::plan::Plan;
use super::status::{Probe, hub_state, shop_state};
use super::till::Till;
use super::week_clock::WeekClock;
use links::Link;
use sales::Shift;

/// Events that wait to be shown; who makes more of them waits.
pub(super) const EVENTS_MAX: usize = 1_024;
/// Between two looks at all replicas, for the view.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Where events go. A view that is gone does not stop the replay.
#[derive(Clone)]
pub(super) struct Events(pub(super) mpsc::Sender<Event>);

impl Events {
    pub(super) async fn add(&self, event: Event) {
        let _ = self.0.send(event).await;
    }
}

/// What is replayed, and how fast.
#[derive(Clone)]
pub(super) struct Replay {
    pub(super) week: Arc<Week>,
    pub(super) plan: Arc<Plan>,
    pub(super) clock: WeekClock,
    pub(super) events: Events,
}

impl Replay {
    /// Replays the week. At the end every sale is durable at its shop and every link is healed.
    ///
    /// # Errors
    /// [`DemoError`] of the first part that fails.
    pub(super) async fn run(self, fleet: &mut Fleet) -> Result<(), DemoError> {
        let hub = Probe::new(HUB, fleet.hub.data().to_owned());
        let mut parts: JoinSet<Result<Option<Shift>, DemoError>> = JoinSet::new();
        let shops = self.plan.shops.clone().into_iter().enumerate().zip(fleet.shops.drain(..));
        for ((shop, plan), site) in shops {
            let probe = Probe::new(site.process.name(), site.process.data().to_owned());
            let link =
                Link { shop, cuts: plan.cuts, proxy: Arc::clone(&site.proxy), hub: hub.another(), probe };
            parts.spawn(link.run(self.clock, self.events.clone()));
            let shift = Shift { shop, site, kill: plan.kill };
            parts.spawn(shift.run(self.clone()));
        }
        parts.spawn(self.clone().prices(Till::open(HUB, fleet.hub.data()).await?));

        let mut shifts = Vec::new();
        while let Some(part) = parts.join_next().await {
            shifts.extend(part??);
        }
        shifts.sort_by_key(|shift| shift.shop);
        fleet.shops = shifts.into_iter().map(|shift| shift.site).collect();
        Ok(())
    }

    /// Changes prices at the hub when their time has come.
    async fn prices(self, mut hub: Till) -> Result<Option<Shift>, DemoError> {
        for round in &self.plan.price_rounds {
            self.clock.until(round.at).await;
            change_prices(&mut hub, &self.week, round).await?;
            self.events.add(Event::Prices { round: round.number, changes: round.prices.len() }).await;
        }
        Ok(None)
    }
}

/// Asks all replicas again and again how they are, until it is dropped.
pub(super) async fn watch(mut hub: Probe, mut shops: Vec<Probe>, events: Events) {
    loop {
        let hub_status = hub.status().await;
        if let Some(status) = &hub_status {
            events.add(Event::Hub(hub_state(status))).await;
        }
        for (shop, probe) in shops.iter_mut().enumerate() {
            if let Some(status) = probe.status().await {
                let price_round = probe.price_round().await.unwrap_or(0);
                let state = shop_state(hub_status.as_ref(), &status, price_round);
                events.add(Event::Shop { shop, state }).await;
            }
        }
        sleep(WATCH_INTERVAL).await;
    }
}

/// Says again and again where in the week the replay is, until it is dropped.
pub(super) async fn tell_time(clock: WeekClock, events: Events) {
    const INTERVAL: Duration = Duration::from_millis(50);
    loop {
        events.add(Event::Time(clock.now())).await;
        sleep(INTERVAL).await;
    }
}
