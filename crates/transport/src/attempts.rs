//! How many attempts of others an endpoint works for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::enrolment::Purpose;
use crate::limits::{
    ENROLMENT_HANDSHAKES_MAX, ENROLMENT_PAUSE, ENROLMENTS_BURST, FAILED_ADDRESSES_MAX,
    FAILED_ENROLMENT_PAUSE, FAILED_ENROLMENTS_BURST, FAILED_ENROLMENTS_IN_FLIGHT_MAX, FAILED_FOR,
    FAILED_HANDSHAKE_PAUSE, FAILED_HANDSHAKES_BURST, FAILED_IN_FLIGHT_MAX, HANDSHAKES_MAX,
};
use crate::rate::Rate;

/// Those of each purpose have places and counts of their own: who joins or renews, or pretends to, takes nothing from who
/// replicates, and neither of the two from the other.
#[derive(Debug)]
pub(crate) struct AttemptsByPurpose {
    replication: Attempts,
    joins: Attempts,
    renewals: Attempts,
}

impl AttemptsByPurpose {
    pub(crate) fn start() -> Self {
        let start = Attempts::start;
        let [joins, renewals] = [Purpose::Join, Purpose::Renewal].map(start);
        Self { replication: start(Purpose::Replication), joins, renewals }
    }

    pub(crate) fn of(&self, purpose: Purpose) -> &Attempts {
        match purpose {
            Purpose::Replication => &self.replication,
            Purpose::Join => &self.joins,
            Purpose::Renewal => &self.renewals,
        }
    }
}

/// Those of one purpose. Shared by an endpoint and the handshakes that it accepted.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    purpose: Purpose,
    /// For handshakes in flight.
    places: Arc<Semaphore>,
    counts: Arc<watch::Sender<Counts>>,
    started: Instant,
}

#[derive(Debug)]
struct Counts {
    /// Those who join, or renew.
    enrolments: Rate,
    /// Handshakes that came to nothing, by where they came from.
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

/// What is allowed to those of a purpose.
struct Allowed {
    places: usize,
    /// Of an address with failures: handshakes in flight, failures at once, and the pause that earns one more.
    in_flight: u32,
    burst: u32,
    pause: Duration,
}

/// A place for a handshake in flight, and what it costs its address.
#[derive(Debug)]
pub(crate) struct Charge {
    attempts: Attempts,
    place: Option<OwnedSemaphorePermit>,
    address: IpAddr,
    /// Whether one was taken from the address's rate, as it had failures.
    is_taken: bool,
    has_failed: bool,
}

fn allowed(purpose: Purpose) -> Allowed {
    match purpose {
        Purpose::Replication => Allowed {
            places: HANDSHAKES_MAX,
            in_flight: FAILED_IN_FLIGHT_MAX,
            burst: FAILED_HANDSHAKES_BURST,
            pause: FAILED_HANDSHAKE_PAUSE,
        },
        Purpose::Join | Purpose::Renewal => Allowed {
            places: ENROLMENT_HANDSHAKES_MAX,
            in_flight: FAILED_ENROLMENTS_IN_FLIGHT_MAX,
            burst: FAILED_ENROLMENTS_BURST,
            pause: FAILED_ENROLMENT_PAUSE,
        },
    }
}

impl Attempts {
    pub(crate) fn start(purpose: Purpose) -> Self {
        let enrolments = Rate::new(ENROLMENTS_BURST, ENROLMENT_PAUSE, Duration::ZERO);
        let counts = Counts { enrolments, failed: BTreeMap::new(), warned: None };
        let places = Arc::new(Semaphore::new(allowed(purpose).places));
        Self { purpose, places, counts: Arc::new(watch::Sender::new(counts)), started: Instant::now() }
    }

    /// Handshakes in flight.
    pub(crate) fn in_flight(&self) -> usize {
        allowed(self.purpose).places.saturating_sub(self.places.available_permits())
    }

    /// Takes one more from an address; `None` where there are too many.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Charge> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let (now, address) = (self.started.elapsed(), network(address));
        let (mut admitted, mut is_taken) = (true, false);
        self.counts.send_modify(|counts| {
            if let Some(failed) = counts.failed.get_mut(&address) {
                is_taken = failed.in_flight < allowed(self.purpose).in_flight && failed.rate.admit(now);
                failed.in_flight += u32::from(is_taken);
                admitted = is_taken;
            }
            // Who says that it renews shows so in the handshake: until then it could be anybody.
            if admitted && self.purpose == Purpose::Join {
                admitted = counts.enrolments.admit(now);
            }
        });
        let charge =
            Charge { attempts: self.clone(), place: Some(place), address, is_taken, has_failed: false };
        admitted.then_some(charge)
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
        let (attempts, address) = (self.clone(), network(address));
        drop(Charge { attempts, place: None, address, is_taken: false, has_failed: true });
    }
}

impl Charge {
    /// It came to nothing, by somebody who has the address.
    pub(crate) fn fail(mut self) {
        self.has_failed = true;
    }

    /// Whether one more is taken at this time of those who renew, and have shown a certificate of the fleet.
    pub(crate) fn admits_shown(&self) -> bool {
        let now = self.attempts.started.elapsed();
        self.attempts.counts.send_if_modified(|counts| counts.enrolments.admit(now))
    }

    /// The handshake is over: its place is another's. What it costs the address is still to be decided.
    pub(crate) fn leave_place(&mut self) {
        self.place = None;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let Self { ref attempts, address, is_taken, has_failed, .. } = *self;
        let now = attempts.started.elapsed();
        let Allowed { burst, pause, .. } = allowed(attempts.purpose);
        attempts.counts.send_modify(|Counts { failed, .. }| {
            if has_failed {
                make_room(failed, &address, now);
                let rate = Rate::new(burst, pause, now);
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

#[cfg(test)]
impl Attempts {
    /// Addresses with failures.
    pub(crate) fn charged(&self) -> usize {
        self.counts.borrow().failed.len()
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
        attempts.admit(address).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn those_in_flight_count_and_who_gets_through_costs_nothing() {
        let attempts = Attempts::start(Purpose::Replication);
        let address = IpAddr::from([192, 0, 2, 1]);
        let many = || (0..200).map_while(|_| attempts.admit(address)).collect::<Vec<_>>();
        assert_eq!(many().len(), HANDSHAKES_MAX, "nobody failed");
        attempts.failed(address);
        for _ in 0..3 {
            assert_eq!(many().len(), FAILED_IN_FLIGHT_MAX as usize);
        }
        while let Some(charge) = attempts.admit(address) {
            charge.fail();
        }
        tokio::time::advance(2 * FAILED_HANDSHAKE_PAUSE).await;
        assert_eq!(many().len(), 2);
        assert!(attempts.warns() && !attempts.warns());
    }

    #[tokio::test(start_paused = true)]
    async fn who_fails_again_and_again_is_refused_and_earns_it_back() {
        let attempts = Attempts::start(Purpose::Replication);
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
        let attempts = Attempts::start(Purpose::Replication);
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

    #[tokio::test(start_paused = true)]
    async fn who_pretends_to_join_in_vain_leaves_most_of_the_joins_to_others() {
        let attempts = Attempts::start(Purpose::Join);
        let [stranger, other] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let mut taken = 0;
        for _ in 0..10 {
            while let Some(charge) = attempts.admit(stranger) {
                charge.fail();
                taken += 1;
            }
            assert!(admits(&attempts, other));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(taken, FAILED_ENROLMENTS_BURST + 2 * 9, "its own share, and no more");
        while let Some(charge) = attempts.admit(stranger) {
            charge.fail();
        }
        assert!((0..1_000).all(|_| !admits(&attempts, stranger)));
        assert!(admits(&attempts, other), "what is refused costs others nothing");
    }
}
