//! What goes into the core, and what comes out.

use super::EventLoop;
use super::arrival::Arrival;
use super::backup::without_disk;
use super::core::Core;
use super::events::{log_disconnect, log_drop, log_event};
use super::requests::{Beside, Reply, refusal, store_closed, unavailable};
use crate::local::{Refusal, RefusalKind};
use replica::{DisconnectReason, Effect, Input, Response, StoreError};
use tokio::time::Instant;

impl EventLoop {
    pub(super) fn take(&mut self, core: &mut Core, arrival: Arrival) -> Result<(), StoreError> {
        let (input, _bytes) = match arrival {
            Arrival::Request { request, waiting, bytes } => {
                if let Err(error) = core.note_writing(&request) {
                    tracing::error!(%error, "a write is refused: that this store writes cannot be kept");
                    waiting.answer(Err(Refusal::new(RefusalKind::Other, error.to_string())));
                    return Ok(());
                }
                (Input::Request { id: self.requests.add(waiting), request }, Some(bytes))
            }
            Arrival::Watch { request, watching } => {
                let id = self.requests.next_id();
                if let Some(before) = self.watches.add(id, watching) {
                    core.handle(Input::WatchEnd { id: before })?;
                }
                (Input::Request { id, request }, None)
            }
            Arrival::WatchMore { watch, credit } => match self.watches.request(watch) {
                Some(id) => (Input::WatchMore { id, credit }, None),
                None => return Ok(()),
            },
            Arrival::WatchEnd { client } => {
                let ended = self.watches.end_client(client);
                return ended.into_iter().try_for_each(|id| core.handle(Input::WatchEnd { id }));
            }
            Arrival::Backup { directory, waiting } => {
                match core.snapshot() {
                    Some(snapshot) => self.backups.start(snapshot, directory, waiting),
                    None => waiting.answer(Err(without_disk())),
                }
                return Ok(());
            }
            Arrival::PeerUp { link, handle, frames } => {
                let peer = handle.peer().name.clone();
                let public_key = handle.peer().public_key;
                tracing::info!(%peer, address = %handle.address(), "connected");
                self.links.add(link, handle, frames);
                (Input::PeerUp { link, peer, public_key }, None)
            }
            Arrival::PeerDown { link } => {
                self.links.remove(link);
                (Input::PeerDown { link }, None)
            }
            Arrival::Frame { link, frame, places, .. } => {
                let taken = core.handle(Input::Frame { link, bytes: frame });
                drop(places);
                return taken;
            }
        };
        core.handle(input)
    }

    /// Without a core nothing is taken.
    pub(super) fn refuse(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Request { waiting, .. } | Arrival::Backup { waiting, .. } => {
                waiting.answer(Err(self.untaken()));
            }
            Arrival::Watch { watching, .. } => watching.refuse(self.untaken()),
            Arrival::WatchMore { .. } | Arrival::WatchEnd { .. } => {}
            Arrival::PeerUp { handle, .. } => handle.close("the store is not open"),
            Arrival::PeerDown { link } => {
                self.links.remove(link);
                self.arrivals.end(link);
            }
            Arrival::Frame { .. } => {}
        }
    }

    /// What waits for documents to be read was certainly not done.
    pub(super) fn refuse_held(&mut self, core: &mut Core) {
        for id in core.let_go_of_held() {
            self.requests.reply(id, Err(unavailable()));
        }
    }

    /// Why nothing is taken.
    fn untaken(&self) -> Refusal {
        self.reopening.closed_by().map_or_else(unavailable, store_closed)
    }

    /// Carries out everything that the core has decided; each turn decides a bounded amount.
    pub(super) fn carry_out(&mut self, core: &mut Core) {
        while let Some(effect) = core.next_effect() {
            match effect {
                Effect::Send { link, lane, bytes } => self.links.send(link, lane, bytes),
                Effect::Reply { id, result } => match (self.watches.remove(id), result) {
                    (Some(watching), Err(error)) => watching.refuse(refusal(&error)),
                    (_, Ok(Response::Status(status))) => {
                        let beside = Beside {
                            failure: self.reopening.shown(Instant::now()),
                            starts_warning: core.starts_warning(),
                            conduct: self.arrivals.conduct.shown(),
                        };
                        self.requests.reply(id, Ok(Reply::Status(status, beside)));
                    }
                    (_, result) => {
                        log_drop(&result);
                        self.requests.answer(id, result);
                    }
                },
                Effect::Watch { id, events } => self.watches.show(id, events),
                Effect::Disconnect { link, reason } => {
                    let peer = self.links.peer(link);
                    log_disconnect(peer.map(|peer| peer.name.as_str()), &reason);
                    if let (DisconnectReason::Misbehaved(rule), Some(peer)) = (&reason, peer) {
                        self.arrivals.conduct.strike(peer, *rule);
                    }
                    self.links.disconnect(link, &reason.to_string());
                }
                Effect::Load(order) => self.loads.begin(order, core.reader()),
                Effect::Renew { reason } => {
                    tracing::error!(%reason, "the store is an old copy: it is opened under a new origin");
                    self.is_renewing = true;
                }
                Effect::Event(event) => log_event(&event),
            }
        }
    }
}
