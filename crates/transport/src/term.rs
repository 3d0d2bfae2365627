//! How long a connection may stand: as long as the certificates that it was made with.

use std::time::Duration;

/// How often it is looked whether a certificate has ended: the clock may be set, and a machine may sleep.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// The last moments of the certificates that a connection was made with, in whole seconds since 1970. One that is shown
/// with those of authorities in between ends with the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Of the one that the peer showed.
    pub peer: Duration,
    /// Of this replica's own.
    pub own: Duration,
}

/// A connection has outlived a certificate that it was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Outlived {
    /// The peer's.
    #[error(
        "the certificate that the peer showed has ended: it is connected again once it shows one that is valid"
    )]
    Peer,
    /// This replica's own.
    #[error("the certificate that this replica showed has ended: it connects again with its new one")]
    Own,
}

impl Outlived {
    /// What the peer is told.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Peer => "the certificate that was shown has ended: connect again with one that is valid",
            Self::Own => "the certificate of the closing end has ended, and it has a new one: connect again",
        }
    }
}

impl Term {
    /// Whether the connection may stand at `now`. `shown` is the last moment of the certificate that this replica shows
    /// who connects now.
    ///
    /// That its own has ended ends a connection only where there is one that is valid. Who is shown it judges it, by a
    /// clock that may be better than the one here.
    ///
    /// # Errors
    /// If it is to end, and why.
    pub fn check(self, now: Duration, shown: Duration) -> Result<(), Outlived> {
        if has_ended(self.peer, now) {
            Err(Outlived::Peer)
        } else if has_ended(self.own, now) && !has_ended(shown, now) {
            Err(Outlived::Own)
        } else {
            Ok(())
        }
    }

    /// How long to wait before it is checked again.
    #[must_use]
    pub fn next_look(self, now: Duration) -> Duration {
        let left = |end: Duration| end.saturating_add(Duration::from_secs(1)).saturating_sub(now);
        let left = [self.peer, self.own].map(left).into_iter().filter(|left| !left.is_zero());
        left.min().unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL)
    }
}

/// A certificate is valid until its last second is over.
fn has_ended(end: Duration, now: Duration) -> bool {
    now.as_secs() > end.as_secs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_connection_ends_with_the_peer_s_certificate_whatever_its_own_is() {
        let term = Term { peer: s(100), own: s(200) };
        for (now, expected) in
            [(s(0), Ok(())), (Duration::from_millis(100_999), Ok(())), (s(101), Err(Outlived::Peer))]
        {
            assert_eq!(term.check(now, s(200)), expected, "{now:?}");
        }
        assert_eq!(Term { own: s(100), ..term }.check(s(101), s(300)), Err(Outlived::Peer));
    }

    #[test]
    fn an_own_certificate_s_end_ends_a_connection_only_where_a_valid_one_is_shown() {
        let term = Term { peer: s(200), own: s(100) };
        assert_eq!(term.check(s(100), s(300)), Ok(()));
        assert_eq!(term.check(s(101), s(300)), Err(Outlived::Own));
        assert_eq!(term.check(s(101), s(100)), Ok(()), "it was not renewed");
        assert_eq!(
            term.check(s(150), s(149)),
            Ok(()),
            "by a clock that runs ahead the new one has ended, too"
        );
    }

    #[test]
    fn it_is_looked_at_when_a_certificate_ends_and_every_half_minute() {
        let term = Term { peer: s(100), own: s(50) };
        let looks = [0, 20, 45, 51, 100, 101, 1_000].map(|now| term.next_look(s(now)).as_secs());
        assert_eq!(looks, [30, 30, 6, 30, 1, 30, 30]);
        assert_eq!(term.next_look(Duration::from_millis(50_400)), Duration::from_millis(600));
    }

    proptest! {
        /// Whatever the clock does, a look is neither missed for long nor repeated at once.
        #[test]
        fn pauses_are_bounded(peer: u64, own: u64, now: u64) {
            let term = Term { peer: s(peer), own: s(own) };
            let pause = term.next_look(s(now));
            prop_assert!(pause >= s(1) && pause <= LOOK_INTERVAL, "{pause:?}");
        }
    }
}
