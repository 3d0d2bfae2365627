use std::time::Duration;

use document::Operation;
use tokio::time::{Instant, sleep};

use super::super::board::Event;
use super::super::data::{Basket, Shop};
use super::super::documents::{ON_HAND, inventory_address};
use super::super::error::DemoError;
use super::super::fleet::Site;
use super::super::plan::Kill;
use super::super::till::Till;
use super::Replay;
use crate::local::Request;

/// How long a killed process stays away.
const AWAY: Duration = Duration::from_millis(700);

/// A shop that sells what its part of the week has.
pub(super) struct Shift {
    pub(super) shop: usize,
    pub(super) site: Site,
    pub(super) kill: Option<Kill>,
}

impl Shift {
    /// Sells basket after basket; each is durable before the next.
    pub(super) async fn run(mut self, replay: Replay) -> Result<Option<Self>, DemoError> {
        let Some(sales) = replay.week.shops.get(self.shop) else { return Ok(None) };
        let mut till = Till::open(self.site.process.name(), self.site.process.data()).await?;
        for (place, basket) in sales.baskets.iter().enumerate() {
            replay.clock.until(basket.at).await;
            let lines = lines(sales, basket)?;
            let cut_before = self.site.proxy.is_cut();
            let sold = if self.kill.is_some_and(|kill| kill.basket == place) {
                self.sell_and_be_killed(&mut till, lines, &replay).await
            } else {
                till.write(lines.into_iter()).await
            };
            if let Err(error) = sold {
                return Err(self.site.process.explain(error).await);
            }
            let while_cut = cut_before && self.site.proxy.is_cut();
            replay.events.add(Event::Sold { shop: self.shop, units: basket.units(), while_cut }).await;
        }
        Ok(Some(self))
    }

    /// The process is killed when half of the basket is answered. What has no answer is sent again to the next
    /// process; whatever the first one had made durable of it counts once, by its idempotency key.
    async fn sell_and_be_killed(
        &mut self,
        till: &mut Till,
        lines: Vec<Request>,
        replay: &Replay,
    ) -> Result<(), DemoError> {
        let answers = lines.len() / 2;
        let unanswered = till.write_some(lines, answers).await?;
        self.site.process.kill().await?;
        let killed = Instant::now();
        let shop = self.shop;
        replay.events.add(Event::Killed { shop, unanswered: unanswered.len() }).await;
        sleep(AWAY).await;
        self.site.process.restart().await?;
        till.reopen().await?;
        till.write(unanswered.into_iter()).await?;
        replay.events.add(Event::Restarted { shop, after: killed.elapsed() }).await;
        Ok(())
    }
}

/// A basket's writes: each line takes from the stock of its product.
fn lines(shop: &Shop, basket: &Basket) -> Result<Vec<Request>, DemoError> {
    let numbered = basket.lines.iter().enumerate();
    numbered
        .map(|(number, line)| {
            let taken = Operation::increment(&format!("/{ON_HAND}"), -i64::from(line.quantity))?;
            let request = Request::write(inventory_address(shop, &line.product)?, vec![taken]);
            Ok(request.under(Some(format!("sale-{}-{number}", basket.id))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::data::Week;

    #[test]
    fn every_line_of_the_week_takes_its_quantity_and_has_a_key_of_its_own() {
        let week = Week::built_in(None).unwrap();
        for shop in &week.shops {
            let mut keys = std::collections::BTreeSet::new();
            let mut units = 0;
            for request in shop.baskets.iter().flat_map(|basket| lines(shop, basket).unwrap()) {
                let Request::Write { operations, idempotency_key: Some(key), .. } = request else {
                    panic!("a sale is an increment with a key")
                };
                assert!(key.len() <= 64);
                assert!(keys.insert(key));
                let Operation::Increment { by, .. } = operations[0] else { panic!("a sale is an increment") };
                units -= by;
            }
            assert_eq!(units, i64::try_from(shop.units()).unwrap());
        }
    }
}
