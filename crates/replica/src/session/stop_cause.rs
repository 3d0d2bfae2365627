//! Why a replica takes no more of a stream, as it tells the peer that sends it.

use crate::effect::StopReason;

/// What a peer says of why it takes no more of a stream. Less than it knows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopCause {
    /// It refuses a change.
    #[error("it refuses a change")]
    Refused,
    /// A change depends on one of another stream of which it takes no more.
    #[error("a change depends on another that it refuses")]
    DependsOnStopped,
    /// A document there would have too many concurrent changes.
    #[error("a document there has too many concurrent changes")]
    TooManyHeads,
    /// The writer's key has had too many incarnations.
    #[error("the writer has had too many incarnations")]
    TooManyIncarnations,
    /// A change came twice.
    #[error("a change came a second time under another number")]
    Repeated,
    /// It waits for the writer's access document.
    #[error("it does not know yet what the writer may do")]
    RightUnknown,
    /// The writer has no right.
    #[error("the writer may not write the space")]
    NoWrite,
    /// This replica has no right.
    #[error("this replica may not pass on what others wrote in the space")]
    NoRelay,
    /// The writer's key was revoked.
    #[error("the writer was revoked")]
    Revoked,
}

/// With their numbers on the wire.
const NUMBERS: [(StopCause, u8); 9] = [
    (StopCause::Refused, 1),
    (StopCause::DependsOnStopped, 2),
    (StopCause::TooManyHeads, 3),
    (StopCause::TooManyIncarnations, 4),
    (StopCause::Repeated, 5),
    (StopCause::RightUnknown, 6),
    (StopCause::NoWrite, 7),
    (StopCause::NoRelay, 8),
    (StopCause::Revoked, 9),
];

impl StopCause {
    /// What a peer is told of a reason; nothing of one that is not a stream's.
    pub(crate) fn of(reason: StopReason) -> Option<Self> {
        Some(match reason {
            StopReason::Refused(_) => Self::Refused,
            StopReason::DependsOnStopped => Self::DependsOnStopped,
            StopReason::TooManyHeads => Self::TooManyHeads,
            StopReason::TooManyIncarnations => Self::TooManyIncarnations,
            StopReason::Repeated => Self::Repeated,
            StopReason::RightUnknown => Self::RightUnknown,
            StopReason::NoWrite => Self::NoWrite,
            StopReason::NoRelay => Self::NoRelay,
            StopReason::Revoked { .. } => Self::Revoked,
            StopReason::FillerDamaged => return None,
        })
    }

    pub(crate) fn number(self) -> Option<u8> {
        NUMBERS.iter().find(|(cause, _)| *cause == self).map(|(_, number)| *number)
    }

    /// Of a number that this version knows.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        NUMBERS.iter().find(|(_, known)| *known == number).map(|(cause, _)| *cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_number_of_its_own_and_others_have_none() {
        for number in 1..=9 {
            assert_eq!(StopCause::from_number(number).and_then(StopCause::number), Some(number));
        }
        assert_eq!([0, 10, u8::MAX].map(StopCause::from_number), [None; 3]);
    }
}
