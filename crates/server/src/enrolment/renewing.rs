//! Keeps a site's certificate valid.

use super::date;
use super::hub::wall;
use crate::config::PeerAddress;
use crate::event_loop::Stop;
use crate::peers::Tried;
use crate::random;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use transport::enrolment::EnrolError;
use transport::{Backoff, Endpoint, Identity, IdentityError, RENEWAL_GRACE, Stage, Validity};

/// Between two looks at the clock: it may be set, and a machine may sleep.
const LOOK_INTERVAL: Duration = Duration::from_mins(10);

/// Pauses between tries, from the first failure on.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest: a hub with 1,000 sites that it all refuses has three tries a second.
const PAUSE_MAX: Duration = Duration::from_mins(5);

/// How long before its end an operator is warned of a certificate that nobody renews.
const WARNING_BEFORE: Duration = Duration::from_hours(24 * 30);

/// Renews at one hub.
pub(crate) struct Renewer {
    pub(crate) endpoint: Endpoint,
    pub(crate) identity: PathBuf,
    pub(crate) hub: String,
    pub(crate) address: PeerAddress,
    pub(crate) tried: Tried,
    pub(crate) stop: Stop,
}

/// Why a certificate was not renewed.
#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error("cannot look up {address}: {source}")]
    LookUp { address: PeerAddress, source: io::Error },
    #[error("{address} has no address that this replica's socket can dial")]
    NoAddress { address: PeerAddress },
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    #[error(transparent)]
    File(#[from] transport::FileError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl Renewer {
    /// Runs until the server stops.
    pub(crate) async fn run(mut self) {
        let mut stop = self.stop.clone();
        let mut pauses = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        let mut last_failure = String::new();
        loop {
            let pause = match wait(self.endpoint.identity().validity(), wall()) {
                Some(pause) => pause,
                None => {
                    let renewed = tokio::select! {
                        biased;
                        () = stop.ordered() => return,
                        renewed = self.renew() => renewed,
                    };
                    match renewed {
                        Ok(end) => {
                            tracing::info!(until = date(end), hub = %self.hub, "certificate renewed");
                            last_failure.clear();
                            let renewed = self.endpoint.identity().validity();
                            rest((renewed, wall()), &mut pauses, random::number().unwrap_or_default())
                        }
                        Err(error) => {
                            self.log_failure(&error, &mut last_failure);
                            pauses.next(random::number().unwrap_or_default())
                        }
                    }
                }
            };
            tokio::select! {
                biased;
                () = stop.ordered() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Until when the new certificate is valid. It is on the disk before it is used.
    async fn renew(&mut self) -> Result<Duration, RenewError> {
        let address = self.resolve().await?;
        let renewed = self.endpoint.renew(address, &self.hub).await;
        let renewed = renewed.inspect_err(|_| self.tried.failed(address))?;
        renewed.certificate().replace_in(&self.identity)?;
        let identity = Identity::load(&self.identity)?;
        self.endpoint.replace_identity(&identity);
        Ok(identity.validity().end)
    }

    async fn resolve(&mut self) -> Result<SocketAddr, RenewError> {
        let address = || self.address.clone();
        let found = tokio::net::lookup_host(self.address.as_str()).await;
        let found = found.map_err(|source| RenewError::LookUp { address: address(), source })?;
        let next = self.tried.next(found, self.endpoint.local_address());
        next.ok_or_else(|| RenewError::NoAddress { address: address() })
    }

    /// A failure that lasts is told once.
    fn log_failure(&self, error: &RenewError, last: &mut String) {
        let (hub, cause) = (&self.hub, error.to_string());
        let until = date(self.endpoint.identity().validity().end);
        if cause == *last {
            tracing::debug!(%hub, %cause, "certificate still not renewed");
        } else {
            tracing::warn!(%hub, %cause, until, "certificate not renewed: trying again");
        }
        *last = cause;
    }
}

/// How long to wait before the certificate is looked at again; `None` when it is to be renewed now.
fn wait(validity: Validity, now: Duration) -> Option<Duration> {
    match validity.stage(now, RENEWAL_GRACE) {
        Stage::Fresh => Some(validity.renewal().saturating_sub(now).min(LOOK_INTERVAL)),
        // Before its beginning a clock is wrong, or the hub's was when it gave the certificate: then it gives a right one.
        // How long the grace is the hub decides.
        Stage::Early | Stage::Due | Stage::Grace | Stage::Ended => None,
    }
}

/// How long to wait after a renewal. By a clock that runs ahead the new certificate is due at once, and so is the one after
/// it: the hub is not asked without a pause.
fn rest((renewed, now): (Validity, Duration), pauses: &mut Backoff, random: u64) -> Duration {
    if wait(renewed, now).is_none() {
        return pauses.next(random);
    }
    pauses.reset();
    Duration::ZERO
}

/// One sentence for an operator when something is wrong with a certificate, by this machine's clock. `renewed_by` is who
/// renews it.
pub(crate) fn certificate_warning(
    validity: Validity,
    now: Duration,
    renewed_by: Option<&str>,
) -> Option<String> {
    let (clock, end) = (date(now), date(validity.end));
    let stage = validity.stage(now, RENEWAL_GRACE);
    Some(match (stage, renewed_by) {
        (Stage::Fresh, _) => return None,
        (Stage::Due, Some(_)) if validity.end.saturating_sub(now) > overdue(validity) => return None,
        (Stage::Due, Some(hub)) => format!(
            "the certificate ends {end}, and {hub} has not renewed it yet: it is tried again and again; see why {hub} is not \
             reached or refuses, before it ends"
        ),
        (Stage::Due, None) if validity.end.saturating_sub(now) > WARNING_BEFORE => return None,
        (Stage::Early, renewed_by) => {
            let other =
                renewed_by.map_or_else(|| "that of who issued it".to_owned(), |hub| format!("{hub}'s"));
            format!(
                "this machine's clock shows {clock}, before this replica's certificate begins ({}): set the clock that is \
                 wrong, this one or {other}; until there is a valid certificate no peer is connected, and local work goes on",
                date(validity.start)
            )
        }
        (Stage::Due, None) => format!(
            "the certificate ends {end} and is not renewed by itself: put a new one in place of certificate.pem"
        ),
        (Stage::Grace | Stage::Ended, None) => format!(
            "the certificate ended {end} and this machine's clock shows {clock}: set the clock, or put a new certificate \
             in place of certificate.pem; until then no peer is connected"
        ),
        (Stage::Grace, Some(hub)) => {
            format!(
                "the certificate ended {end}: {hub} renews it within its grace, as long as its operator set that; until then no \
                 peer is connected. Where {hub} refuses, the site has to join again: {REJOIN}"
            )
        }
        (Stage::Ended, Some(hub)) => format!(
            "the certificate ended {end} and this machine's clock shows {clock}: set the clock if it is wrong; else \
             {hub} may no longer renew it, and the site has to join again: {REJOIN}"
        ),
    })
}

/// So long before its end a certificate is to be renewed long ago: half of the time that there is for it.
fn overdue(validity: Validity) -> Duration {
    validity.end.saturating_sub(validity.renewal()) / 2
}

/// How a site joins again whose key or certificate is of no more use.
pub(super) const REJOIN: &str =
    "`isle hub revoke SITE` and `isle hub invite SITE` at the hub, then `isle join --new-key TOKEN` here";

/// Tells an operator at the start.
pub(crate) fn warn_of_certificate(identity: &Identity, renewed_by: Option<&str>) {
    if let Some(what) = certificate_warning(identity.validity(), wall(), renewed_by) {
        tracing::warn!("{what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Duration = Duration::from_secs(1_795_000_000);

    fn month() -> Validity {
        Validity { start: NOW - DAY, end: NOW + 30 * DAY }
    }

    #[test]
    fn a_certificate_is_looked_at_often_and_renewed_when_it_is_due() {
        assert_eq!(wait(month(), NOW), Some(LOOK_INTERVAL));
        assert_eq!(wait(month(), month().renewal() - Duration::from_secs(7)), Some(Duration::from_secs(7)));
        for late in [month().renewal(), month().end, month().end + 50 * DAY, month().end + 500 * DAY] {
            assert_eq!(wait(month(), late), None);
        }
        assert_eq!(wait(month(), Duration::ZERO), None, "the hub's clock may have been ahead");
    }

    #[test]
    fn a_hub_is_not_asked_without_a_pause_by_who_has_a_clock_that_runs_ahead() {
        let mut pauses = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        let mut rested = |now| rest((month(), now), &mut pauses, 0);
        let ahead = NOW + 25 * DAY;
        let times: Vec<_> = (0..12).map(|_| rested(ahead).as_millis()).collect();
        assert_eq!(times[..3], [500, 1_000, 2_000]);
        assert_eq!(times[11], PAUSE_MAX.as_millis() / 2);
        assert_eq!((rested(NOW), rested(ahead).as_millis()), (Duration::ZERO, 500), "the clock was set");
    }

    #[test]
    fn a_wrong_clock_and_an_end_get_one_clear_sentence() {
        let warning = |now, hub| certificate_warning(month(), now, hub);
        assert_eq!((warning(NOW, None), warning(NOW + 22 * DAY, Some("hub"))), (None, None));
        let year = Validity { start: NOW - DAY, end: NOW + 365 * DAY };
        assert_eq!(certificate_warning(year, NOW + 330 * DAY, None), None, "35 days are left");
        assert!(certificate_warning(year, NOW + 340 * DAY, None).is_some());
        for (now, hub, parts) in [
            (Duration::ZERO, Some("hub"), ["clock shows 1970-01-01T00:00:00Z", "this one or hub's"]),
            (Duration::ZERO, None, ["set the clock that is wrong", "who issued it"]),
            (NOW + 27 * DAY, Some("hub"), ["ends 2026-12-18", "hub has not renewed it yet"]),
            (NOW + 25 * DAY, None, ["ends 2026-12-18", "not renewed by itself"]),
            (NOW + 40 * DAY, None, ["ended 2026-12-18", "set the clock, or put a new certificate"]),
            (NOW + 40 * DAY, Some("hub"), ["ended 2026-12-18", "hub renews it within its grace"]),
            (NOW + 10_000 * DAY, Some("hub"), ["clock shows 2054", "isle join --new-key"]),
        ] {
            let said = warning(now, hub).unwrap();
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }
}
