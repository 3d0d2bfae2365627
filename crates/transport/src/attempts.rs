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
    FAILED_HANDSHAKES_BURST, FAILED_IN_FLIGHT_MAX,
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
    /// When it was last warned of a refusal.
    warned: Option<Duration>,
}

#[derive(Debug)]
struct Failed {
    rate: Rate,
    last: Duration,
    in_flight: u32,
}

/// What a handshake in flight costs its address.
#[derive(Debug)]
pub(crate) struct Charge {
    attempts: Attempts,
    address: IpAddr,
    /// Whether one was taken from the address's rate, as it had failures.
    is_taken: bool,
    has_failed: bool,
}

impl Attempts {
    pub(crate) fn start() -> Self {
        let enrolments = Rate::new(ENROLMENTS_BURST, ENROLMENT_PAUSE, Duration::ZERO);
        let counts =
            Counts { joins: enrolments, renewals: enrolments, failed: BTreeMap::new(), warned: None };
        Self { counts: Arc::new(watch::Sender::new(counts)), started: Instant::now() }
    }

    /// Takes one more who wants this, from an address; `None` where there are too many.
    pub(crate) fn admit(&self, purpose: Purpose, address: IpAddr) -> Option<Charge> {
        let (now, address) = (self.started.elapsed(), network(address));
        let (mut admitted, mut is_taken) = (true, false);
        self.counts.send_modify(|counts| match purpose {
            Purpose::Replication => {
                let Some(failed) = counts.failed.get_mut(&address) else { return };
                is_taken = failed.in_flight < FAILED_IN_FLIGHT_MAX && failed.rate.admit(now);
                failed.in_flight += u32::from(is_taken);
                admitted = is_taken;
            }
            Purpose::Join => admitted = counts.joins.admit(now),
            Purpose::Renewal => admitted = counts.renewals.admit(now),
        });
        admitted.then(|| Charge { attempts: self.clone(), address, is_taken, has_failed: false })
    }

    /// Whether it is to be warned of a refusal: now and then.
    pub(crate) fn warns(&self) -> bool {
        let now = self.started.elapsed();
        self.counts.send_if_modified(|counts| {
            let is_due = counts.warned.is_none_or(|warned| now.saturating_sub(warned) >= FAILED_FOR);
            counts.warned = if is_due { Some(now) } else { counts.warned };
            is_due
        })
    }

    /// A handshake came to nothing, by somebody who has the address: one in another's name would be counted for that one.
    pub(crate) fn failed(&self, address: IpAddr) {
        let charge =
            Charge { attempts: self.clone(), address: network(address), is_taken: false, has_failed: true };
        drop(charge);
    }
}

impl Charge {
    /// It came to nothing, by somebody who has the address.
    pub(crate) fn fail(mut self) {
        self.has_failed = true;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let Self { ref attempts, address, is_taken, has_failed } = *self;
        let now = attempts.started.elapsed();
        attempts.counts.send_modify(|Counts { failed, .. }| {
            if has_failed {
                make_room(failed, &address, now);
                let rate = Rate::new(FAILED_HANDSHAKES_BURST, FAILED_HANDSHAKE_PAUSE, now);
                let failed = failed.entry(address).or_insert(Failed { rate, last: now, in_flight: 0 });
                failed.last = now;
                if !is_taken {
                    failed.rate.admit(now);
                }
            }
            if is_taken && let Some(failed) = failed.get_mut(&address) {
                failed.in_flight = failed.in_flight.saturating_sub(1);
                if !has_failed {
                    failed.rate.give_back();
                }
            }
        });
    }
}

/// Forgets those of whom nothing was heard for the longest.
fn make_room(failed: &mut BTreeMap<IpAddr, Failed>, address: &IpAddr, now: Duration) {
    if failed.contains_key(address) || failed.len() < FAILED_ADDRESSES_MAX {
        return;
    }
    failed.retain(|_, failed| now.saturating_sub(failed.last) < FAILED_FOR);
    if failed.len() >= FAILED_ADDRESSES_MAX
        && let Some(oldest) = failed.iter().min_by_key(|(_, failed)| failed.last).map(|(address, _)| *address)
    {
        // Whoever has so many addresses is held by the handshakes in flight alone.
        failed.remove(&oldest);
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

    fn admits(attempts: &Attempts, address: IpAddr) -> bool {
        attempts.admit(Purpose::Replication, address).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn those_in_flight_count_and_who_gets_through_costs_nothing() {
        let attempts = Attempts::start();
        let address = IpAddr::from([192, 0, 2, 1]);
        let many =
            || (0..200).map_while(|_| attempts.admit(Purpose::Replication, address)).collect::<Vec<_>>();
        assert_eq!(many().len(), 200, "nobody failed");
        attempts.failed(address);
        for _ in 0..3 {
            assert_eq!(many().len(), FAILED_IN_FLIGHT_MAX as usize);
        }
        while let Some(charge) = attempts.admit(Purpose::Replication, address) {
            charge.fail();
        }
        tokio::time::advance(2 * FAILED_HANDSHAKE_PAUSE).await;
        assert_eq!(many().len(), 2);
        assert!(attempts.warns() && !attempts.warns());
    }

    #[tokio::test(start_paused = true)]
    async fn who_fails_again_and_again_is_refused_and_earns_it_back() {
        let attempts = Attempts::start();
        let [one, other] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        for _ in 0..FAILED_HANDSHAKES_BURST {
            assert!(admits(&attempts, one));
            attempts.failed(one);
        }
        assert!(!admits(&attempts, one) && admits(&attempts, other));
        tokio::time::advance(FAILED_HANDSHAKE_PAUSE).await;
        assert!(admits(&attempts, one));
        attempts.failed(one);
        assert!(!admits(&attempts, one));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_counted_by_network_and_forgotten() {
        let attempts = Attempts::start();
        let near: [IpAddr; 2] = ["2001:db8::1", "2001:db8::ffff:1"].map(|text| text.parse().unwrap());
        (0..FAILED_HANDSHAKES_BURST).for_each(|_| attempts.failed(near[0]));
        assert!(!admits(&attempts, near[1]));
        let many = |index: u32| IpAddr::from((0x0a00_0000 + index).to_be_bytes());
        (0..2_000).for_each(|index| attempts.failed(many(index)));
        assert_eq!(attempts.counts.borrow().failed.len(), FAILED_ADDRESSES_MAX);
        tokio::time::advance(FAILED_FOR).await;
        attempts.failed(many(2_000));
        assert_eq!(attempts.counts.borrow().failed.len(), 1);
    }
}
