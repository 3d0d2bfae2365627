//! How many attempts of others an endpoint works for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::enrolment::Purpose;
use crate::limits::{
    ENROLMENT_PAUSE, ENROLMENTS_BURST, FAILED_ADDRESSES_MAX, FAILED_FOR, FAILED_HANDSHAKE_PAUSE,
    FAILED_HANDSHAKES_BURST,
};
use crate::rate::Rate;

/// Shared by an endpoint and the handshakes that it accepted.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    counts: Arc<watch::Sender<Counts>>,
    started: Instant,
}

/// Joins and renewals are apart, so that strangers who join keep nobody from renewing.
#[derive(Debug)]
struct Counts {
    joins: Rate,
    renewals: Rate,
    /// Handshakes to replicate that came to nothing, by where they came from.
    failed: BTreeMap<IpAddr, Failed>,
}

#[derive(Debug)]
struct Failed {
    rate: Rate,
    last: Duration,
}

impl Failed {
    fn is_recent(&self, now: Duration) -> bool {
        now.saturating_sub(self.last) < FAILED_FOR
    }
}

/// What is done with somebody who wants to replicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Take,
    /// A handshake from there failed: the next one is worked for when the address is proven.
    Prove,
    /// Too many failed.
    Refuse,
}

impl Attempts {
    pub(crate) fn start() -> Self {
        let enrolments = Rate::new(ENROLMENTS_BURST, ENROLMENT_PAUSE, Duration::ZERO);
        let counts = Counts { joins: enrolments, renewals: enrolments, failed: BTreeMap::new() };
        Self { counts: Arc::new(watch::Sender::new(counts)), started: Instant::now() }
    }

    /// Whether one more who wants this is taken.
    pub(crate) fn admits(&self, purpose: Purpose) -> bool {
        let now = self.started.elapsed();
        let mut admitted = true;
        self.counts.send_modify(|counts| match purpose {
            Purpose::Replication => {}
            Purpose::Join => admitted = counts.joins.admit(now),
            Purpose::Renewal => admitted = counts.renewals.admit(now),
        });
        admitted
    }

    /// Whether a handshake from an address is worked for.
    pub(crate) fn judge(&self, address: IpAddr, is_proven: bool) -> Verdict {
        let now = self.started.elapsed();
        let counts = self.counts.borrow();
        match counts.failed.get(&network(address)).filter(|failed| failed.is_recent(now)) {
            None => Verdict::Take,
            Some(_) if !is_proven => Verdict::Prove,
            Some(failed) if failed.rate.clone().admit(now) => Verdict::Take,
            Some(_) => Verdict::Refuse,
        }
    }

    /// A handshake from an address came to nothing. One from an address that was not proven may be in another's name: it
    /// costs that one a round trip, and no more.
    pub(crate) fn failed(&self, address: IpAddr, is_proven: bool) {
        let now = self.started.elapsed();
        self.counts.send_modify(|Counts { failed, .. }| {
            let address = network(address);
            if !failed.contains_key(&address) && failed.len() >= FAILED_ADDRESSES_MAX {
                failed.retain(|_, failed| failed.is_recent(now));
                if failed.len() >= FAILED_ADDRESSES_MAX {
                    // Whoever has so many addresses is held by the handshakes in flight alone.
                    failed.pop_first();
                }
            }
            let rate = Rate::new(FAILED_HANDSHAKES_BURST, FAILED_HANDSHAKE_PAUSE, now);
            let failed = failed.entry(address).or_insert(Failed { rate, last: now });
            failed.last = now;
            if is_proven {
                failed.rate.admit(now);
            }
        });
    }
}

/// What one machine may choose its address from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_fails_again_and_again_is_refused_and_earns_it_back() {
        let attempts = Attempts::start();
        let [one, other] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        assert_eq!(attempts.judge(one, false), Verdict::Take);
        // In somebody's name, as often as one likes.
        (0..1_000).for_each(|_| attempts.failed(one, false));
        assert_eq!([false, true].map(|proven| attempts.judge(one, proven)), [Verdict::Prove, Verdict::Take]);
        (0..FAILED_HANDSHAKES_BURST).for_each(|_| attempts.failed(one, true));
        assert_eq!(attempts.judge(one, true), Verdict::Refuse);
        assert_eq!(attempts.judge(other, false), Verdict::Take);
        tokio::time::advance(FAILED_HANDSHAKE_PAUSE).await;
        assert_eq!(attempts.judge(one, true), Verdict::Take);
        attempts.failed(one, true);
        assert_eq!(attempts.judge(one, true), Verdict::Refuse);
        tokio::time::advance(FAILED_FOR).await;
        assert_eq!(attempts.judge(one, false), Verdict::Take);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_counted_by_network_and_forgotten() {
        let attempts = Attempts::start();
        let near: [IpAddr; 2] = ["2001:db8::1", "2001:db8::ffff:1"].map(|text| text.parse().unwrap());
        attempts.failed(near[0], true);
        assert_eq!(attempts.judge(near[1], false), Verdict::Prove);
        let many = |index: u32| IpAddr::from((0x0a00_0000 + index).to_be_bytes());
        (0..2_000).for_each(|index| attempts.failed(many(index), true));
        assert_eq!(attempts.counts.borrow().failed.len(), FAILED_ADDRESSES_MAX);
        assert_eq!(attempts.judge(many(1_999), false), Verdict::Prove);
    }
}
