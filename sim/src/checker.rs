//! The properties that hold whatever happens, one object each. Each has a model of its own, which knows nothing of
//! Automerge.

mod acknowledged_writes_survive;
mod bounded_memory;
mod converged;
mod counters_exact;
mod honest_peers_agree;
mod indexes_hold;
mod never_oversold;
mod never_shown_before_durable;
mod no_resend;
mod registers;
mod stream;
mod transactions_whole;
mod values_hold;
mod watches_see_every_change;

pub use acknowledged_writes_survive::AcknowledgedWritesSurvive;
pub use bounded_memory::BoundedMemory;
pub use converged::Converged;
pub use counters_exact::CountersExact;
pub use honest_peers_agree::HonestPeersAgree;
pub use indexes_hold::IndexesHold;
pub use never_oversold::NeverOversold;
pub use never_shown_before_durable::NeverShownBeforeDurable;
pub use no_resend::NoResend;
pub use registers::Registers;
pub use transactions_whole::TransactionsWhole;
pub use values_hold::ValuesHold;
pub use watches_see_every_change::WatchesSeeEveryChange;

use crate::observation::Checker;

/// Every checker, in the order in which they look at the end.
#[must_use]
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(HonestPeersAgree::default()),
        Box::new(AcknowledgedWritesSurvive::default()),
        Box::new(NeverShownBeforeDurable::default()),
        Box::new(NoResend::default()),
        Box::new(BoundedMemory::default()),
        Box::new(NeverOversold::default()),
        Box::new(TransactionsWhole),
        Box::new(Converged),
        Box::new(CountersExact::default()),
        Box::new(Registers::default()),
        Box::new(ValuesHold),
        Box::new(IndexesHold),
        Box::new(WatchesSeeEveryChange::default()),
    ]
}
