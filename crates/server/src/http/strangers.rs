//! Connections over the network that have not said who calls: they keep their place for a short while only.

use std::future::{Future, pending};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// From the start of a connection, or the end of an answer, to the head of a request that says who calls.
const STRANGE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nobody said who calls, and nothing is being answered.
    No,
    /// An answer is being made.
    Asking,
    Yes,
}

/// What is known of a connection: requests say it.
#[derive(Clone)]
pub(super) struct Acquaintance(watch::Sender<Known>);

/// The same, for who waits for it.
pub(super) struct Strange(watch::Receiver<Known>);

impl Acquaintance {
    /// With nobody.
    pub(super) fn new() -> (Self, Strange) {
        Self::of(Known::No)
    }

    /// With who came by a way that is for few, or showed who it is.
    pub(super) fn known() -> (Self, Strange) {
        Self::of(Known::Yes)
    }

    fn of(known: Known) -> (Self, Strange) {
        let (sender, receiver) = watch::channel(known);
        (Self(sender), Strange(receiver))
    }

    /// It said who calls, and that is so.
    pub(super) fn made(&self) {
        self.become_unless_known(Known::Yes);
    }

    /// While a request is answered nobody is waited for.
    pub(super) fn during<A: Future>(&self, answer: A) -> impl Future<Output = A::Output> + use<A> {
        self.become_unless_known(Known::Asking);
        let acquaintance = self.clone();
        async move {
            let answer = answer.await;
            acquaintance.become_unless_known(Known::No);
            answer
        }
    }

    fn become_unless_known(&self, next: Known) {
        self.0.send_if_modified(|known| *known != Known::Yes && std::mem::replace(known, next) != next);
    }
}

impl Strange {
    /// Ends when nobody said for too long who calls; never where somebody does.
    pub(super) async fn too_long(mut self) {
        loop {
            let known = *self.0.borrow_and_update();
            let changed = match known {
                Known::Yes => return pending().await,
                Known::Asking => self.0.changed().await,
                Known::No => match timeout(STRANGE, self.0.changed()).await {
                    Ok(changed) => changed,
                    Err(_) => return,
                },
            };
            if changed.is_err() {
                return pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_stranger_has_a_deadline_for_each_request_and_who_is_known_has_none() {
        let (acquaintance, strange) = Acquaintance::new();
        let began = Instant::now();
        let ended = tokio::spawn(async move {
            strange.too_long().await;
            began.elapsed()
        });
        let long = timeout(STRANGE * 3, pending::<()>());
        assert!(acquaintance.during(long).await.is_err());
        assert_eq!(ended.await.unwrap(), STRANGE * 4);
        let (acquaintance, strange) = Acquaintance::new();
        acquaintance.during(async { acquaintance.made() }).await;
        assert!(timeout(STRANGE * 100, strange.too_long()).await.is_err());
    }
}
