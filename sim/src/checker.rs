//! The properties that hold whatever happens, one object each. Each has a model of its own, which knows nothing of
//! Automerge.

#![expect(clippy::wildcard_enum_match_arm, reason = "a checker looks at what concerns it")]

mod acknowledged_writes_survive;
mod bounded_memory;
mod causally_closed;
mod converged;
mod counters_exact;
mod cuts_kept;
mod fills_end;
mod frames_read;
mod full_disks_spared;
mod honest_peers_agree;
mod hub_has_what_it_confirms;
mod indexes_hold;
mod later_versions_spoken;
mod lives;
mod never_oversold;
mod never_shown_before_durable;
mod no_resend;
mod only_writers_write;
mod origins_once;
mod registers;
mod rewinds_answered;
mod rules;
mod sent_by_right;
mod sessions_hold;
mod shown;
mod stream;
mod symbols_suffice;
mod transactions;
mod transactions_whole;
mod values_hold;
mod versions_refused;
mod watches_see_every_change;

pub use acknowledged_writes_survive::AcknowledgedWritesSurvive;
pub use bounded_memory::BoundedMemory;
pub use causally_closed::CausallyClosed;
pub use converged::Converged;
pub use counters_exact::CountersExact;
pub use cuts_kept::CutsKept;
pub use fills_end::FillsEnd;
pub use frames_read::FramesRead;
pub use full_disks_spared::FullDisksSpared;
pub use honest_peers_agree::HonestPeersAgree;
pub use hub_has_what_it_confirms::HubHasWhatItConfirms;
pub use indexes_hold::IndexesHold;
pub use later_versions_spoken::LaterVersionsSpoken;
pub use never_oversold::NeverOversold;
pub use never_shown_before_durable::NeverShownBeforeDurable;
pub use no_resend::NoResend;
pub use only_writers_write::OnlyWritersWrite;
pub use origins_once::OriginsOnce;
pub use registers::Registers;
pub use rewinds_answered::RewindsAnswered;
pub use sent_by_right::SentByRight;
pub use sessions_hold::SessionsHold;
pub use symbols_suffice::SymbolsSuffice;
pub use transactions_whole::TransactionsWhole;
pub use values_hold::ValuesHold;
pub use versions_refused::VersionsRefused;
pub use watches_see_every_change::WatchesSeeEveryChange;

use crate::observation::Checker;

/// Every checker, in the order in which they look at the end.
#[must_use]
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(FramesRead),
        Box::new(HonestPeersAgree::default()),
        Box::new(AcknowledgedWritesSurvive::default()),
        Box::new(NeverShownBeforeDurable::default()),
        Box::new(HubHasWhatItConfirms::default()),
        Box::new(NoResend::default()),
        Box::new(SentByRight::default()),
        Box::new(OnlyWritersWrite::default()),
        Box::new(CutsKept::default()),
        Box::new(VersionsRefused),
        Box::new(LaterVersionsSpoken::default()),
        Box::new(RewindsAnswered::default()),
        Box::new(SymbolsSuffice),
        Box::new(OriginsOnce::default()),
        Box::new(CausallyClosed::default()),
        Box::new(SessionsHold::default()),
        Box::new(FullDisksSpared::default()),
        Box::new(BoundedMemory::default()),
        Box::new(NeverOversold::default()),
        Box::new(TransactionsWhole),
        Box::new(FillsEnd::default()),
        Box::new(Converged),
        Box::new(CountersExact::default()),
        Box::new(Registers::default()),
        Box::new(ValuesHold),
        Box::new(IndexesHold),
        Box::new(WatchesSeeEveryChange::default()),
    ]
}
