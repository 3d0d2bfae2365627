//! How sites come in, stay and go: the hub's authority and book, and a site's certificate.
//!
//! `isle hub init` makes an authority, an identity and a book ([`hub`], `init`); `isle hub invite` writes an invitation into the
//! book and prints a token; `isle join` makes a key and gets a certificate for it ([`joining`]). While a hub runs, one task, the
//! [`Registrar`], has authority and book: it answers who joins and renews, and what `isle hub` asks over the local socket.
//! What a site may do it writes as an access document of the space `system`, so that it replicates, has a history and
//! works off line. A site's certificate is renewed by a task of its own ([`Renewer`]). Where an organisation's own authority
//! certifies replicas, the hub has a book all the same and lets sites in by their certificates; without a book a list in the
//! data directory says who is refused ([`DenyList`]).
//!
//! Invariants:
//! - The book says a key may join, or may not any more, durably, before anybody is told. Only a revocation for which the disk
//!   has no room holds at once, and who asked for it is told that a restart would forget it.
//! - What the book says and `system` does not is written as soon as it can be, also after a restart.
//! - A revoked key is refused where connections are accepted, whatever the core and its store do.

mod admissions;
mod book;
mod denied;
mod denying;
mod hub;
mod init;
mod joining;
mod register;
mod registrar;
mod reloading;
mod renewing;
mod spaces;
mod writing;

pub use book::{AdmitError, InviteError, RevokeError, RightsError};
pub use denied::DenyListError;
pub use hub::EnrolmentError;
pub use init::InitError;
pub use joining::JoinError;
pub use register::RegisterError;
pub use spaces::{SpaceRights, SpacesError};

pub(crate) use admissions::{Admissions, NO_HUB_HINT, Order, admissions};
pub(crate) use book::{Ended, Given, INVITATION_MAX};
pub(crate) use denied::{DenyList, Refusals};
pub(crate) use denying::Denying;
pub(crate) use hub::{Hub, Invited, wall};
pub(crate) use init::{init, init_certified};
pub(crate) use joining::{Arrived, ConfigWritten, join};
pub(crate) use registrar::renew_own;
pub(crate) use registrar::{HubRequest, Registrar};
pub(crate) use reloading::{LOOK_INTERVAL, Reloader};
pub(crate) use renewing::{Renewer, certificate_warning, warn_of_certificate};
pub(crate) use spaces::{parse_spaces, show_spaces, site_config, site_config_text};

use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment since 1970, for people.
pub(crate) fn date(since_1970: Duration) -> String {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok();
    let text = date.and_then(|date| date.format(&Rfc3339).ok());
    text.unwrap_or_else(|| "a time after the year 9999".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        let dates = [0, 1_795_000_000, u64::MAX].map(|seconds| date(Duration::from_secs(seconds)));
        assert_eq!(dates, ["1970-01-01T00:00:00Z", "2026-11-18T11:06:40Z", "a time after the year 9999"]);
    }
}
