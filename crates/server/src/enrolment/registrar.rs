//! The one task of a running hub that has its authority and its book.

use super::admissions::{Order, Queues, Revoked};
use super::book::{Ended, Given, Unwritten};
use super::denied::Refusals;
use super::hub::{Admitted, EnrolmentError, Hub, Invited, wall};
use super::spaces::{SpaceRights, show_spaces, to_granted};
use super::writing::{Settled, Writing};
use crate::causes::{FULL_DISK_HINT, in_words, is_of_full_disk};
use crate::config::SpaceName;
use crate::event_loop::{Arrivals, Reply, Stop, Waiting};
use crate::local::{Refusal, RefusalKind, Response};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, interval};
use transport::enrolment::{Asked, EnrolmentRequest, Grant, Refusal as JoinRefusal};
use transport::{Endpoint, Identity};

/// Pause between tries to write into `system` what the book says, as after a full disk, and between looks at the hub's own
/// certificate.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// When sites were last seen is written at most this often after one came or went, and this often while any is connected: a
/// kill costs no more of it, and a disk has little to write.
const SEEN_INTERVAL: Duration = Duration::from_mins(1);
const CONNECTED_INTERVAL: Duration = Duration::from_mins(10);

/// Answers on their way to sites at a time; each ends within its deadline. With so many no further site is heard until one has
/// ended: operators are, and connections.
const ANSWERS_MAX: usize = 256;

/// What a site may do.
type Spaces = BTreeMap<SpaceName, SpaceRights>;

/// What an operator asks.
#[derive(Debug)]
pub(crate) enum HubRequest {
    Invite(Invited),
    Admit { certificate: String, spaces: Spaces },
    Revoke { site: String },
    SetRights { site: String, spaces: Spaces },
    Sites,
}

/// Owns authority and book.
pub(crate) struct Registrar {
    pub(crate) hub: Hub,
    pub(crate) identity: PathBuf,
    pub(crate) endpoint: Endpoint,
    pub(crate) arrivals: Arrivals,
    pub(crate) queues: Queues,
    pub(crate) revoked: watch::Sender<Revoked>,
    pub(crate) stop: Stop,
}

/// Who waits for something to be written into `system`.
enum Waiter {
    Nobody,
    Site(EnrolmentRequest),
    /// An operator who revoked a site.
    Revoked {
        site: String,
        /// Why it is not durable.
        not_durable: Option<String>,
        waiting: Waiting,
    },
    /// An operator who gave a site other rights than these.
    Given {
        before: Spaces,
        waiting: Waiting,
    },
}

/// What goes on beside the orders.
struct Work {
    /// Connections by key.
    connected: BTreeMap<[u8; 32], usize>,
    writing: Writing<Waiter>,
    answers: JoinSet<()>,
    seen: Seen,
}

/// Whether what is known of when sites were seen is on the disk.
struct Seen {
    written: Instant,
    has_changed: bool,
}

impl Seen {
    fn new() -> Self {
        Self { written: Instant::now(), has_changed: false }
    }

    /// Whether it is to be written; `is_any_connected` says whether a site is seen right now.
    fn is_due(&self, is_any_connected: bool) -> bool {
        let since = self.written.elapsed();
        (self.has_changed && since >= SEEN_INTERVAL) || (is_any_connected && since >= CONNECTED_INTERVAL)
    }
}

impl Registrar {
    /// Runs until the server stops.
    pub(crate) async fn run(self) {
        let (writing, answers) = (Writing::new(), JoinSet::new());
        let work = Work { connected: BTreeMap::new(), writing, answers, seen: Seen::new() };
        self.go_on(work).await;
    }

    async fn go_on(mut self, mut work: Work) {
        let mut stop = self.stop.clone();
        // A certificate of seconds, as in a test, is looked at more often.
        let mut retry = interval(RETRY_INTERVAL.min(self.hub.lifetime() / 6));
        loop {
            tokio::select! {
                biased;
                () = stop.ordered() => break,
                Some(settled) = work.writing.next() => {
                    block_in_place(|| self.settled(settled, &mut work));
                }
                Some(_) = work.answers.join_next() => {}
                _ = retry.tick() => {
                    block_in_place(|| {
                        self.renew_own();
                        self.catch_up();
                        if work.seen.is_due(!work.connected.is_empty()) {
                            self.keep_seen(&mut work);
                        }
                    });
                    self.write_all(&mut work);
                }
                // Each waits for the disk: the connections that share this thread go on elsewhere.
                order = self.queues.orders.recv() => match order {
                    Some(order) => block_in_place(|| self.take(order, &mut work)),
                    None => break,
                },
                Some(request) = self.queues.asking.recv(), if work.answers.len() < ANSWERS_MAX => {
                    block_in_place(|| self.enrol(request, &mut work));
                }
            }
        }
        self.keep_seen(&mut work);
    }

    /// Writes when sites were last seen; of those that are connected that is now.
    fn keep_seen(&mut self, work: &mut Work) {
        let now = wall();
        self.hub.note(|book| work.connected.keys().for_each(|key| book.seen(key, now)));
        if let Err(error) = self.hub.save() {
            tracing::warn!(cause = in_words(&error), "when sites were last seen is not kept");
        }
        work.seen = Seen::new();
    }

    fn take(&mut self, order: Order, work: &mut Work) {
        match order {
            Order::Local { request, waiting } => self.serve(request, waiting, work),
            Order::Up(key) => {
                work.seen.has_changed = true;
                self.hub.note(|book| book.seen(&key, wall()));
                *work.connected.entry(key).or_default() += 1;
            }
            Order::Down(key) => {
                work.seen.has_changed = true;
                self.hub.note(|book| book.seen(&key, wall()));
                let left = work.connected.get(&key).copied().unwrap_or(0).saturating_sub(1);
                match left {
                    0 => drop(work.connected.remove(&key)),
                    left => drop(work.connected.insert(key, left)),
                }
            }
        }
    }

    fn serve(&mut self, request: HubRequest, waiting: Waiting, work: &mut Work) {
        match request {
            HubRequest::Invite(invited) => {
                let expires = wall().saturating_add(invited.expiry);
                let made = self.hub.invite(invited, wall());
                waiting.answer(match made {
                    Ok(token) => Ok(Reply::Hub(Response::Invited {
                        token: token.to_string(),
                        expires_ms: ms(expires),
                    })),
                    Err(error) => Err(refusal(&error)),
                });
            }
            HubRequest::Admit { certificate, spaces } => self.admit(&certificate, spaces, waiting, work),
            HubRequest::Revoke { site } => self.revoke(site, waiting, work),
            HubRequest::SetRights { site, spaces } => self.set_rights(site, spaces, waiting, work),
            HubRequest::Sites => {
                let is_connected = |key: &[u8; 32]| work.connected.contains_key(key);
                waiting.answer(Ok(Reply::Hub(Response::Sites(self.hub.sites(wall(), is_connected)))));
            }
        }
    }

    /// The connection ends as soon as the book says it; the cut in `system` follows.
    fn revoke(&mut self, site: String, waiting: Waiting, work: &mut Work) {
        let (ended, saved) = match self.hub.revoke_at_once(&site, wall()) {
            Ok(revoked) => revoked,
            Err(error) => return waiting.answer(Err(refusal(&error.into()))),
        };
        let not_durable = saved.err().map(|error| in_words(&error));
        if let Some(cause) = &not_durable {
            tracing::error!(%site, %cause, "revoked, and a restart would forget it: the book is written as soon as it can be");
        }
        if let Ended::Key(public_key) = ended {
            tracing::warn!(%site, "revoked: its key is refused from here on");
            self.revoked.send_replace(Arc::new(Refusals::of_keys(self.hub.book().revoked())));
            self.write(Unwritten::Cut { public_key }, Waiter::Revoked { site, not_durable, waiting }, work);
        } else {
            let had_invitation = ended == Ended::Invitation;
            let revoked =
                Response::Revoked { site, had_key: false, had_invitation, is_cut: true, not_durable };
            waiting.answer(Ok(Reply::Hub(revoked)));
        }
    }

    /// Writes a revocation that the disk did not take.
    fn catch_up(&mut self) {
        if self.hub.is_ahead()
            && let Err(error) = self.hub.save()
        {
            tracing::error!(cause = in_words(&error), "revocations are not on the disk still");
        }
    }

    /// The book first: what it says and `system` does not is written again after a crash in between.
    fn set_rights(&mut self, site: String, spaces: Spaces, waiting: Waiting, work: &mut Work) {
        match self.hub.set_rights(&site, &spaces) {
            Ok((Given::Key(public_key), before)) => {
                tracing::info!(%site, spaces = show_spaces(&spaces), "rights given");
                let grant = Unwritten::Grant { public_key, site, spaces };
                self.write(grant, Waiter::Given { before, waiting }, work);
            }
            Ok((Given::Invitation, before)) => waiting.answer(Ok(Reply::Hub(Response::RightsSet {
                site,
                before: show_spaces(&before),
                spaces: show_spaces(&spaces),
                has_joined: false,
                is_written: false,
            }))),
            Err(error) => waiting.answer(Err(refusal(&error))),
        }
    }

    /// As with rights: the book first.
    fn admit(&mut self, certificate: &str, spaces: Spaces, waiting: Waiting, work: &mut Work) {
        match self.hub.admit((certificate, &self.endpoint.identity()), &spaces, wall()) {
            Ok(Admitted { site, public_key, before }) => {
                tracing::info!(%site, spaces = show_spaces(&spaces), "let in by its certificate");
                let grant = Unwritten::Grant { public_key, site, spaces };
                self.write(grant, Waiter::Given { before, waiting }, work);
            }
            Err(error) => waiting.answer(Err(refusal(&error))),
        }
    }

    fn enrol(&mut self, request: EnrolmentRequest, work: &mut Work) {
        let address = request.address();
        match request.asked().clone() {
            Asked::Join { site, secret, public_key } => {
                let now = wall();
                let joined = self.hub.change(|book| book.join(&site, &secret, public_key, now));
                match joined {
                    Ok(Ok(())) => {
                        let spaces = self.hub.book().spaces_of(&public_key).cloned().unwrap_or_default();
                        let grant = Unwritten::Grant { public_key, site, spaces };
                        self.write(grant, Waiter::Site(request), work);
                    }
                    Ok(Err(cause)) => {
                        // A name that was not invited may be any text.
                        tracing::warn!(%address, site = ?site, %cause, "a site that joins was refused");
                        answer(request, Err(cause), work);
                    }
                    Err(error) => {
                        tracing::error!(%error, "a site that joins was not taken");
                        answer(request, Err(JoinRefusal::Unavailable), work);
                    }
                }
            }
            Asked::Renewal { peer } => {
                let checked = self.hub.book().check_renewal(&peer.name, &peer.public_key);
                let granted = checked.and_then(|()| self.granted(&peer.name, &peer.public_key));
                match &granted {
                    Ok(_) => tracing::info!(site = %peer.name, "certificate renewed"),
                    Err(cause) => tracing::warn!(%address, site = %peer.name, %cause, "not renewed"),
                }
                answer(request, granted, work);
            }
        }
    }

    /// A certificate for a key that is let in.
    fn granted(&mut self, site: &str, public_key: &[u8; 32]) -> Result<Grant, JoinRefusal> {
        let certified = self.hub.certify(site, public_key, wall());
        let certificate = certified.map_err(|error| {
            tracing::error!(%error, %site, "no certificate was issued");
            JoinRefusal::Unavailable
        })?;
        let end = certificate.validity().end;
        let noted = self.hub.change(|book| {
            book.certified(public_key, end);
            Ok::<(), ()>(())
        });
        if let Err(error) = noted {
            // The list of sites shows an earlier end; nothing is decided by it.
            tracing::warn!(%error, %site, "the end of its certificate is not kept");
        }
        let spaces = self.hub.book().spaces_of(public_key).map(to_granted).unwrap_or_default();
        Ok(Grant { certificate, spaces })
    }

    /// Has the core write what the book says; what came of it comes back by [`Self::settled`].
    fn write(&self, unwritten: Unwritten, waiter: Waiter, work: &mut Work) {
        work.writing.start(&self.arrivals, unwritten, waiter);
    }

    fn write_all(&self, work: &mut Work) {
        // Those on their way are waited for first.
        if work.writing.is_empty() {
            for unwritten in self.hub.book().unwritten() {
                self.write(unwritten, Waiter::Nobody, work);
            }
        }
    }

    fn settled(&mut self, (unwritten, outcome, waiter): Settled<Waiter>, work: &mut Work) {
        work.writing.settled(&self.arrivals, unwritten.public_key());
        let is_written = match outcome {
            Ok(()) => {
                let noted = self.hub.change(|book| {
                    book.written(&unwritten);
                    Ok::<(), ()>(())
                });
                // It is written again after a restart, which changes nothing.
                if let Err(error) = noted {
                    tracing::warn!(%error, "that rights are written is not kept");
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, ?unwritten, "rights are not written yet: tried again");
                false
            }
        };
        match (waiter, &unwritten) {
            (Waiter::Nobody, _) => {}
            (Waiter::Given { before, waiting }, Unwritten::Grant { site, spaces, .. }) => {
                let (site, before, spaces) = (site.clone(), show_spaces(&before), show_spaces(spaces));
                let set = Response::RightsSet { site, before, spaces, has_joined: true, is_written };
                waiting.answer(Ok(Reply::Hub(set)));
            }
            // Only a grant has such a waiter: dropped, it says that the outcome is unknown.
            (Waiter::Given { .. }, Unwritten::Cut { .. }) => {}
            (Waiter::Revoked { site, not_durable, waiting }, _) => {
                let (had_key, had_invitation, is_cut) = (true, false, is_written);
                let revoked = Response::Revoked { site, had_key, had_invitation, is_cut, not_durable };
                waiting.answer(Ok(Reply::Hub(revoked)));
            }
            (Waiter::Site(request), Unwritten::Grant { public_key, site, .. }) if is_written => {
                tracing::info!(%site, address = %request.address(), "joined");
                // It may have been revoked meanwhile.
                let checked = self.hub.book().check_renewal(site, public_key);
                let granted = checked.and_then(|()| self.granted(site, public_key));
                answer(request, granted, work);
            }
            (Waiter::Site(request), _) => answer(request, Err(JoinRefusal::Unavailable), work),
        }
    }

    fn renew_own(&self) {
        match renew_own(&self.hub, &self.identity, &self.endpoint.identity()) {
            Ok(None) => {}
            Ok(Some(renewed)) => self.endpoint.replace_identity(&renewed),
            Err(error) => tracing::error!(%error, "this hub's own certificate is not renewed"),
        }
    }
}

/// The hub's identity with the next certificate, if it is due.
pub(crate) fn renew_own(
    hub: &Hub,
    directory: &std::path::Path,
    identity: &Identity,
) -> Result<Option<Identity>, EnrolmentError> {
    let Some(certificate) = hub.own_renewal(identity, wall())? else { return Ok(None) };
    certificate.replace_in(directory).map_err(transport::IdentityError::from)?;
    let renewed = Identity::load(directory)?;
    tracing::info!(until = super::date(renewed.validity().end), "this hub's certificate is renewed");
    Ok(Some(renewed))
}

fn answer(request: EnrolmentRequest, granted: Result<Grant, JoinRefusal>, work: &mut Work) {
    work.answers.spawn(request.answer(granted));
}

fn refusal(error: &EnrolmentError) -> Refusal {
    let told = in_words(error);
    if is_of_full_disk(error) {
        return Refusal::new(RefusalKind::DiskFull, told).hinted(FULL_DISK_HINT);
    }
    let refusal = Refusal::new(RefusalKind::Invalid, told);
    let is_of_file = matches!(error, EnrolmentError::Register(_));
    if is_of_file {
        refusal.hinted("see to enrolment.json and its directory, then try again")
    } else {
        refusal
    }
}

fn ms(since_1970: Duration) -> i64 {
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
