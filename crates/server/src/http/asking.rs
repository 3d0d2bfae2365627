//! What the handlers share: the way to the core, and how much may be on it.

use super::Limits;
use super::body::Room;
use super::calling::Caller;
use super::problem::{Kind, Problem};
use super::shares::{Full, Share, Shares};
use super::sight::Sight;
use super::written::{Written, unexpected};
use crate::callers::{self, TokenRefusal, Tokens};
use crate::enrolment::wall;
use crate::event_loop::{Arrivals, Reply, Stop};
use crate::local::{self, Asked, Context, Refusal, RefusalKind, Request, Response, asked, shown};
use document::Address;
use replica::{IdempotencyStatus, ViewedDocument};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes of long answers that are on their way at once: their readers may take little, for as long as they take something.
const ANSWERS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Shared by all handlers.
#[derive(Clone)]
pub(crate) struct Api(Arc<Shared>);

struct Shared {
    arrivals: Arrivals,
    context: Arc<Context>,
    limits: Limits,
    tokens: Tokens,
    requests: Arc<Semaphore>,
    /// Of writes that may wait for the hub: it may be away for hours, and a till is not to wait for it.
    hub_waits: Arc<Semaphore>,
    /// Of results that are lines, page after page, as fast as their reader takes them: each holds a page meanwhile.
    lines: Shares,
    watches: Shares,
    /// A place for each byte of a body that came, and of what is read from it.
    bodies: Shares,
    /// A place for each byte of a long answer.
    answers: Arc<Semaphore>,
    stop: Stop,
}

/// A place of a request or an answer, as long as it is held.
pub(super) struct Place(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

#[cfg(test)]
impl Place {
    pub(super) fn of(permit: OwnedSemaphorePermit) -> Self {
        Self(permit)
    }
}

impl Api {
    pub(crate) fn new(
        arrivals: Arrivals,
        context: Arc<Context>,
        (limits, tokens): (Limits, Tokens),
        stop: Stop,
    ) -> Self {
        let places = |most: u32| Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
        let (requests, hub_waits) = (places(limits.requests), places(limits.requests));
        let shares = if limits.has_callers { Shares::quarters } else { Shares::whole };
        Self(Arc::new(Shared {
            arrivals,
            context,
            limits,
            tokens,
            requests,
            hub_waits,
            lines: shares(limits.lines),
            watches: shares(limits.watches),
            bodies: shares(places_of(limits.bodies_bytes)),
            answers: Arc::new(Semaphore::new(ANSWERS_BYTES_MAX)),
            stop,
        }))
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Whom a token lets in at present.
    pub(super) fn caller(&self, secret: &str) -> Result<callers::Caller, TokenRefusal> {
        self.0.tokens.caller(secret, now_ms())
    }

    /// Whom a verified certificate lets in at present.
    pub(super) fn caller_of_certificate(&self, name: &str) -> Result<callers::Caller, TokenRefusal> {
        self.0.tokens.caller_of_certificate(name, now_ms())
    }

    /// Whether who comes from this machine needs no token.
    pub(super) fn trusts_loopback(&self) -> bool {
        self.0.limits.trusts_loopback
    }

    pub(super) fn arrivals(&self) -> &Arrivals {
        &self.0.arrivals
    }

    pub(super) fn stop(&self) -> Stop {
        self.0.stop.clone()
    }

    /// A place for a request, if one is free.
    pub(super) fn place(&self) -> Result<Place, Problem> {
        let limit = self.0.limits.requests;
        place(&self.0.requests).ok_or_else(|| busy("requests", Some("requests_max"), u64::from(limit)))
    }

    /// A place for a result that is lines, if one is free for the caller.
    pub(super) fn lines_place(&self, caller: &Caller) -> Result<Share, Problem> {
        let full = |full| none_free(full, "results as lines", "lines_max");
        self.0.lines.take(caller.name()).map_err(full)
    }

    /// A place for a feed, if one is free for the caller.
    pub(super) fn watch_place(&self, caller: &Caller) -> Result<Share, Problem> {
        self.0.watches.take(caller.name()).map_err(|full| none_free(full, "watches", "watches_max"))
    }

    /// The room of a body of the caller, of which nothing came yet.
    pub(super) fn body_room(&self, caller: &Caller) -> Share {
        self.0.bodies.none(caller.name())
    }

    /// Room for so many bytes more, if there is for its caller.
    pub(super) fn grow_body_room(room: &mut Share, bytes: usize) -> Result<(), Problem> {
        let full = |full| none_free(full, "bytes of bodies", "bodies_mib_max");
        room.grow(places_of(bytes)).map_err(full)
    }

    /// Room for an answer of so many bytes, if there is. One that is longer than all of it has it alone.
    pub(super) fn answer_room(&self, bytes: usize) -> Result<Place, Problem> {
        let places = u32::try_from(bytes.min(ANSWERS_BYTES_MAX)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0.answers).try_acquire_many_owned(places).ok();
        let limit = u64::try_from(ANSWERS_BYTES_MAX).unwrap_or(u64::MAX);
        room.map(Place).ok_or_else(|| busy("bytes of answers", None, limit))
    }

    /// A document, if the durable rows tell all of it: read here and now, without the core.
    pub(super) fn viewed(&self, address: &Address) -> Option<ViewedDocument> {
        self.0.arrivals.viewed(address)
    }

    /// Asks the core for what is read.
    pub(super) async fn read(&self, request: Request) -> Result<Response, Problem> {
        match asked(request)? {
            Asked::Core(request) => {
                let reply = self.ask(request).await??;
                Ok(shown(reply, &self.0.context))
            }
            Asked::Watch(_) | Asked::Backup(_) | Asked::Hub(_) => {
                Err(Problem::new(Kind::INVALID, "this is asked otherwise", "/docs says how"))
            }
        }
    }

    /// How the replica is, and what is kept of idempotency keys, which has no form on the local socket.
    pub(super) async fn status(&self) -> Result<(Box<local::Status>, IdempotencyStatus), Problem> {
        let reply = self.ask(replica::Request::Status).await??;
        let Reply::Status(core, _) = &reply else { return Err(unexpected()) };
        let kept = core.idempotency;
        let Response::Status(status) = shown(reply, &self.0.context) else { return Err(unexpected()) };
        Ok((status, kept))
    }

    /// Asks it to write, if a place is free; `room` is that of the body, if it has one, and it may wait for the hub for so
    /// long. Who waits for the hub has a place among those that do, and takes none from the others. The answer tells the caller nothing of
    /// what it may not read: there is no other way to write.
    pub(super) async fn write(
        &self,
        caller: &Caller,
        request: replica::Request,
        (room, within): (Option<Room>, Duration),
    ) -> Result<Written, Problem> {
        let sight = Sight::of(caller, &request);
        let _place = match within {
            Duration::ZERO => self.place()?,
            _ => {
                let busy = || {
                    busy(
                        "writes that wait for the hub",
                        Some("requests_max"),
                        u64::from(self.0.limits.requests),
                    )
                };
                place(&self.0.hub_waits).ok_or_else(busy)?
            }
        };
        let most = self.0.limits.time.saturating_add(within);
        let asked = timeout(most, self.0.arrivals.ask_from(request, room.map(|room| (room.bytes, room))));
        match asked.await.map_err(|_| unknown(most))? {
            Ok(reply) => Written::of(of_core(reply)?, &sight),
            Err(refusal) => Err(sight.refusal(refusal).into()),
        }
    }

    /// Asks the core for what has no form on the local socket.
    pub(super) async fn ask_core(&self, request: replica::Request) -> Result<replica::Response, Problem> {
        of_core(self.ask(request).await??)
    }

    async fn ask(&self, request: replica::Request) -> Result<Result<Reply, Refusal>, Problem> {
        let most = self.0.limits.time;
        let answer = timeout(most, self.0.arrivals.ask(request)).await.map_err(|_| no_answer(most))?;
        Ok(answer.map_err(|mut refusal| {
            if refusal.kind == RefusalKind::DiskFull {
                // It waited for a write that found the disk full. The next read is answered.
                (refusal.kind, refusal.hint) = (RefusalKind::Unavailable, None);
            }
            refusal
        }))
    }
}

fn of_core(reply: Reply) -> Result<replica::Response, Problem> {
    match reply {
        Reply::Core(response) => Ok(response),
        Reply::Status(..) | Reply::Hub(_) | Reply::BackedUp(_) | Reply::Watched(_) => Err(unexpected()),
    }
}

fn now_ms() -> i64 {
    i64::try_from(wall().as_millis()).unwrap_or(i64::MAX)
}

fn places_of(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn none_free(full: Full, what: &str, setting: &str) -> Problem {
    match full {
        Full::All(limit) => busy(what, Some(setting), limit.into()),
        Full::Caller(limit) => {
            busy(&format!("{what} of this caller, its share,"), Some(setting), limit.into())
        }
    }
}

fn place(places: &Arc<Semaphore>) -> Option<Place> {
    Arc::clone(places).try_acquire_owned().ok().map(Place)
}

fn busy(what: &str, setting: Option<&str>, limit: u64) -> Problem {
    let again = "try again in a moment".to_owned();
    let hint = setting.map_or(again.clone(), |setting| {
        format!("{again}; `{setting}` of `[http]` in isle.toml has the limit")
    });
    Problem::new(Kind::BUSY, format!("{limit} {what} are under way; no more are taken at once"), hint)
        .limit(limit)
        .retry_after(1)
}

pub(super) fn no_answer(most: Duration) -> Problem {
    let hint = "try again in a moment; `time_max` of `[http]` in isle.toml has the limit";
    Problem::new(Kind::UNAVAILABLE, format!("no answer within {} s: the disk is slow", most.as_secs()), hint)
        .limit(most.as_secs())
        .retry_after(1)
}

fn unknown(most: Duration) -> Problem {
    let detail = format!("no answer within {} s: the write may be done or not", most.as_secs());
    let hint = "sent again with its Idempotency-Key it counts once; without one, read the document before";
    Problem::new(Kind::OUTCOME_UNKNOWN, detail, hint).limit(most.as_secs())
}
