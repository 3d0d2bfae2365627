//! Takes a certificate that somebody put in place of the last one, where no hub renews it: nobody visits a site for that.

use super::date;
use crate::event_loop::Stop;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;
use transport::{Endpoint, Identity};

/// Between two looks at the file.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// Looks after the files of one identity.
pub(crate) struct Reloader {
    pub(crate) endpoint: Endpoint,
    pub(crate) identity: PathBuf,
    pub(crate) interval: Duration,
    pub(crate) stop: Stop,
}

impl Reloader {
    /// Runs until the server stops. What does not fit is told once, and the old certificate stays.
    pub(crate) async fn run(mut self) {
        let mut last_failure = String::new();
        loop {
            tokio::select! {
                biased;
                () = self.stop.ordered() => return,
                () = sleep(self.interval) => {}
            }
            let failure = self.look().err().unwrap_or_default();
            if !failure.is_empty() && failure != last_failure {
                tracing::warn!(cause = %failure, "the files of the identity changed and are not taken");
            }
            last_failure = failure;
        }
    }

    fn look(&self) -> Result<(), String> {
        let shown = self.endpoint.identity();
        let found = Identity::load(&self.identity).map_err(|error| error.to_string())?;
        if found.is_same(&shown) {
            return Ok(());
        }
        if (found.name(), found.public_key()) != (shown.name(), shown.public_key()) {
            return Err("they are of another name or key, which count from the next start".to_owned());
        }
        self.endpoint.replace_identity(&found);
        tracing::info!(
            until = date(found.validity().end),
            "a new certificate was put in place, and is shown from here on"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrolment::wall;
    use transport::Authority;

    #[tokio::test]
    async fn a_new_certificate_is_taken_and_another_s_is_not() {
        let home = tempfile::tempdir().unwrap();
        let (authority, identity) = (Authority::create("fleet").unwrap(), home.path().join("identity"));
        authority.issue("store-1", &identity).unwrap();
        let first = Identity::load(&identity).unwrap();
        let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap(), &first).unwrap();
        let (order, stop) = Stop::new();
        let reloader = Reloader {
            endpoint: endpoint.clone(),
            identity: identity.clone(),
            interval: LOOK_INTERVAL,
            stop,
        };
        assert_eq!(reloader.look(), Ok(()));
        authority.issue("store-2", &home.path().join("other")).unwrap();
        let own = std::fs::read(identity.join("certificate.pem")).unwrap();
        std::fs::copy(home.path().join("other/certificate.pem"), identity.join("certificate.pem")).unwrap();
        assert!(reloader.look().unwrap_err().contains("is not the key of"));
        assert!(endpoint.identity().is_same(&first));
        std::fs::write(identity.join("certificate.pem"), own).unwrap();
        let renewed =
            authority.certify("store-1", &first.public_key(), wall(), Duration::from_hours(1)).unwrap();
        renewed.replace_in(&identity).unwrap();
        let looking = tokio::spawn(Reloader { interval: Duration::from_millis(1), ..reloader }.run());
        while endpoint.identity().is_same(&first) {
            tokio::task::yield_now().await;
        }
        assert_eq!(endpoint.identity().public_key(), first.public_key());
        order.give();
        looking.await.unwrap();
    }
}
