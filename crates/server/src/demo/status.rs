//! Asking replicas how they are: for the view, and to find out when two of them are in step.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::board::{HubState, ShopState};
use super::documents::price_list_address;
use super::error::DemoError;
use super::fleet::HUB;
use super::till::Till;
use crate::local::{PeerStatus, Request, Response, Status};

/// A replica that does not answer for so long is busy or gone: it is asked again later.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);
/// Between two questions whether replicas are in step; the precision of what is measured.
const STEP_INTERVAL: Duration = Duration::from_millis(20);

/// Asks one replica, over a connection that is made again when the replica was killed.
pub(super) struct Probe {
    replica: String,
    data: PathBuf,
    till: Option<Till>,
}

impl Probe {
    pub(super) fn new(replica: &str, data: PathBuf) -> Self {
        Self { replica: replica.to_owned(), data, till: None }
    }

    /// Another one to the same replica.
    pub(super) fn another(&self) -> Self {
        Self::new(&self.replica, self.data.clone())
    }

    /// How the replica is; `None` when it does not answer.
    pub(super) async fn status(&mut self) -> Option<Status> {
        match self.ask(&Request::Status).await {
            Some(Response::Status(status)) => Some(*status),
            _ => None,
        }
    }

    /// The last price round that the replica has; `None` when it does not answer.
    pub(super) async fn price_round(&mut self) -> Option<u64> {
        let request = Request::Get { address: price_list_address().ok()?, at: None };
        match self.ask(&request).await {
            Some(Response::Document(reading)) => Some(
                reading
                    .value
                    .as_ref()
                    .and_then(|list| list.get("round"))
                    .and_then(Value::as_u64)
                    .unwrap_or(0),
            ),
            _ => None,
        }
    }

    async fn ask(&mut self, request: &Request) -> Option<Response> {
        let asked = async {
            let till = match &mut self.till {
                Some(till) => till,
                unconnected => unconnected.insert(Till::open(&self.replica, &self.data).await?),
            };
            till.ask(request).await
        };
        let answer = timeout(ANSWER_DEADLINE, asked).await.ok().and_then(Result::<_, DemoError>::ok);
        if answer.is_none() {
            // A connection on which an answer is still to come is of no more use.
            self.till = None;
        }
        answer
    }
}

/// How things stand with one peer.
pub(super) fn peer<'a>(status: &'a Status, name: &str) -> Option<&'a PeerStatus> {
    status.peers.iter().find(|peer| peer.peer == name)
}

/// What a hub's and a shop's status say about the shop.
pub(super) fn shop_state(hub: Option<&Status>, shop: &Status, price_round: u64) -> ShopState {
    let to_hub = peer(shop, HUB);
    let from_hub = hub.and_then(|hub| peer(hub, &shop.name));
    let rows = |peer: Option<&PeerStatus>| peer.map_or(0, |peer| peer.backlog_rows);
    let lag_ms = |peer: Option<&PeerStatus>| peer.map_or(0, |peer| peer.lag_ms);
    ShopState {
        connected: to_hub.is_some_and(|hub| hub.connected) && from_hub.is_some_and(|shop| shop.connected),
        to_hub_rows: rows(to_hub),
        from_hub_rows: rows(from_hub),
        lag_ms: lag_ms(to_hub).max(lag_ms(from_hub)),
        price_round,
    }
}

/// How the hub is.
pub(super) fn hub_state(hub: &Status) -> HubState {
    let connected = hub.peers.iter().filter(|peer| peer.connected).count();
    HubState { documents: hub.documents, head: hub.head, connected }
}

/// Whether shop and hub are connected and each has all that the other has.
fn is_in_step(state: ShopState) -> bool {
    state.connected && state.to_hub_rows == 0 && state.from_hub_rows == 0
}

/// Waits until a shop and the hub are in step; for ever, if they never are.
pub(super) async fn in_step(hub: &mut Probe, shop: &mut Probe) {
    loop {
        if let (Some(shop), Some(hub)) = (shop.status().await, hub.status().await)
            && is_in_step(shop_state(Some(&hub), &shop, 0))
        {
            return;
        }
        sleep(STEP_INTERVAL).await;
    }
}

/// Waits until all shops are in step with the hub. Those that are not after `deadline` are named, each with what
/// it lacks; none is a success.
pub(super) async fn all_in_step(hub: &mut Probe, shops: &mut [Probe], deadline: Duration) -> Vec<String> {
    let end = Instant::now() + deadline;
    loop {
        let mut waiting = Vec::new();
        // The shops before the hub: what a shop has sent by then, the hub counts as its own.
        let mut answers = Vec::new();
        for shop in shops.iter_mut() {
            answers.push((shop.replica.clone(), shop.status().await));
        }
        let hub_status = hub.status().await;
        for (site, status) in answers {
            let Some(status) = status else {
                waiting.push(format!("{site} does not answer"));
                continue;
            };
            let state = shop_state(hub_status.as_ref(), &status, 0);
            if !is_in_step(state) {
                waiting.push(lack(&site, state));
            }
        }
        if waiting.is_empty() || Instant::now() >= end {
            return waiting;
        }
        sleep(STEP_INTERVAL).await;
    }
}

fn lack(site: &str, state: ShopState) -> String {
    let link = if state.connected { "" } else { "is not connected, " };
    format!("{site} {link}has {} changes for the hub and lacks {}", state.to_hub_rows, state.from_hub_rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, peers: &[(&str, bool, u64, u64)]) -> Status {
        let peer = |(peer, connected, backlog_rows, lag_ms): &(&str, bool, u64, u64)| PeerStatus {
            peer: (*peer).to_owned(),
            connected: *connected,
            backlog_rows: *backlog_rows,
            lag_ms: *lag_ms,
            trouble: None,
            stopped: Vec::new(),
            stopped_count: 0,
        };
        Status {
            name: name.to_owned(),
            origin: String::new(),
            address: String::new(),
            head: 12,
            documents: 3,
            documents_open: 0,
            memory_bytes: None,
            trimmed: 0,
            disk: "ample".into(),
            values_broken: 0,
            store_failure: None,
            starts_warning: None,
            certificate: None,
            spaces: Vec::new(),
            peers: peers.iter().map(peer).collect(),
            refused: Vec::new(),
            refused_count: 0,
        }
    }

    #[test]
    fn a_shop_is_in_step_when_both_sides_say_so() {
        let check = |at_shop, at_hub, expected| {
            let shop = status("store-7", &[at_shop]);
            let hub = status("hub", &[("store-9", true, 5, 1), at_hub]);
            assert_eq!(is_in_step(shop_state(Some(&hub), &shop, 0)), expected, "{at_shop:?} {at_hub:?}");
        };
        check(("hub", true, 0, 0), ("store-7", true, 0, 0), true);
        check(("hub", false, 0, 0), ("store-7", true, 0, 0), false);
        check(("hub", true, 0, 0), ("store-7", false, 0, 0), false);
        check(("hub", true, 1, 0), ("store-7", true, 0, 0), false);
        check(("hub", true, 0, 0), ("store-7", true, 1, 0), false);
        check(("hub", true, 0, 0), ("store-8", true, 0, 0), false);
    }

    #[test]
    fn the_state_has_both_backlogs_and_the_greater_lag() {
        let shop = status("store-7", &[("hub", true, 3, 40)]);
        let hub = status("hub", &[("store-7", true, 2, 90)]);
        let expected =
            ShopState { connected: true, to_hub_rows: 3, from_hub_rows: 2, lag_ms: 90, price_round: 4 };
        assert_eq!(shop_state(Some(&hub), &shop, 4), expected);
        assert_eq!(lack("store-7", expected), "store-7 has 3 changes for the hub and lacks 2");
        assert_eq!(hub_state(&hub), HubState { documents: 3, head: 12, connected: 1 });
    }
}
