use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::super::board::Event;
use super::super::error::DemoError;
use super::super::plan::Cut;
use super::super::proxy::Proxy;
use super::super::status::{Probe, in_step};
use super::super::week_clock::WeekClock;
use super::Events;
use super::sales::Shift;

/// How long the two ends may take to be in step after a heal before the time is not measured any more.
const CONVERGENCE_DEADLINE: Duration = Duration::from_secs(30);

/// A shop's link and when it is cut.
pub(super) struct Link {
    pub(super) shop: usize,
    pub(super) cuts: Vec<Cut>,
    pub(super) proxy: Arc<Proxy>,
    pub(super) hub: Probe,
    pub(super) probe: Probe,
}

impl Link {
    /// Cuts and heals the link, and measures how long the ends take to be in step again.
    pub(super) async fn run(mut self, clock: WeekClock, events: Events) -> Result<Option<Shift>, DemoError> {
        let shop = self.shop;
        for (place, cut) in self.cuts.iter().enumerate() {
            clock.until(cut.from).await;
            self.proxy.cut();
            events.add(Event::Cut { shop }).await;
            clock.until(cut.until).await;
            let healed = Instant::now();
            self.proxy.heal();
            events.add(Event::Healed { shop }).await;
            let mut end = healed + CONVERGENCE_DEADLINE;
            if let Some(next) = self.cuts.get(place + 1) {
                end = end.min(clock.wall_time(next.from));
            }
            if timeout_at(end, in_step(&mut self.hub, &mut self.probe)).await.is_ok() {
                events.add(Event::Converged { shop, after: healed.elapsed() }).await;
            }
        }
        Ok(None)
    }
}
