//! From when until when a certificate is valid, and when it is to be renewed.

use std::time::Duration;

use crate::limits::VALIDITY_MARGIN;

/// From when until when a certificate is valid, in whole seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub start: Duration,
    /// The last moment.
    pub end: Duration,
}

/// Where a moment lies in the life of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before it is valid: the clock that says so is wrong, or the issuer's was.
    Early,
    /// Valid.
    Fresh,
    /// Valid, and to be renewed.
    Due,
    /// Past its end, and it may still be renewed.
    Grace,
    /// Past its end, and past the grace.
    Ended,
}

impl Validity {
    /// Of a certificate that is issued now. It starts a day before, because the clocks of a fleet differ.
    pub(crate) fn issued(now: Duration, lifetime: Duration) -> Self {
        let now = whole_seconds(now);
        Self { start: now.saturating_sub(VALIDITY_MARGIN), end: now.saturating_add(whole_seconds(lifetime)) }
    }

    /// When it was issued, as far as that can be told.
    fn issue(self) -> Duration {
        let issue = self.start.saturating_add(VALIDITY_MARGIN);
        if issue < self.end { issue } else { self.start }
    }

    /// When it is to be renewed: at two thirds of its life, counted from its issue.
    #[must_use]
    pub fn renewal(self) -> Duration {
        self.end.saturating_sub(self.end.saturating_sub(self.issue()) / 3)
    }

    /// Where `now` lies, with so much `grace` after its end.
    #[must_use]
    pub fn stage(self, now: Duration, grace: Duration) -> Stage {
        if now < self.start {
            Stage::Early
        } else if now < self.renewal() {
            Stage::Fresh
        } else if now <= self.end {
            Stage::Due
        } else if now <= self.end.saturating_add(grace) {
            Stage::Grace
        } else {
            Stage::Ended
        }
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Duration = Duration::from_secs(1_795_000_000);

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life() {
        let month = Validity::issued(NOW, 30 * DAY);
        assert_eq!((month.start, month.end), (NOW - DAY, NOW + 30 * DAY));
        assert_eq!(month.renewal(), NOW + 20 * DAY);
        // The margin before it was issued is no part of its life, however short that is.
        let minute = Validity::issued(NOW, Duration::from_secs(60));
        assert_eq!(minute.renewal(), NOW + Duration::from_secs(40));
        // One that something else made, without our margin.
        let other = Validity { start: NOW, end: NOW + Duration::from_secs(3_600) };
        assert_eq!(other.renewal(), NOW + Duration::from_secs(2_400));
    }

    #[test]
    fn its_stages_follow_one_another() {
        let month = Validity::issued(NOW, 30 * DAY);
        let second = Duration::from_secs(1);
        let stages = [
            (Duration::ZERO, Stage::Early),
            (month.start - second, Stage::Early),
            (month.start, Stage::Fresh),
            (NOW + 20 * DAY - second, Stage::Fresh),
            (NOW + 20 * DAY, Stage::Due),
            (month.end, Stage::Due),
            (month.end + second, Stage::Grace),
            (month.end + 90 * DAY, Stage::Grace),
            (month.end + 90 * DAY + second, Stage::Ended),
            (Duration::MAX, Stage::Ended),
        ];
        for (now, stage) in stages {
            assert_eq!(month.stage(now, 90 * DAY), stage, "{now:?}");
        }
        assert_eq!(month.stage(month.end + second, Duration::ZERO), Stage::Ended);
    }

    proptest! {
        #[test]
        fn a_renewal_is_due_within_the_life(now in 0..u64::MAX, lifetime in 0..u64::MAX) {
            let validity = Validity::issued(Duration::from_secs(now), Duration::from_secs(lifetime));
            prop_assert!(validity.start <= validity.renewal() && validity.renewal() <= validity.end);
        }
    }
}
