//! The two ways of a call to a replica.

mod connected;
#[cfg(feature = "embedded")]
mod embedded;
#[cfg(feature = "tls")]
mod tls;

pub use connected::{ConnectError, Connection};
#[cfg(feature = "embedded")]
pub use embedded::{EmbedError, Embedding};
/// Why a replica does not start inside a service: see [`EmbedError::Start`].
#[cfg(feature = "embedded")]
pub use server::ServeError;
/// Why TLS cannot be spoken as it is set up: see [`ConnectError::Tls`].
#[cfg(feature = "tls")]
pub use transport::CallerError;

use crate::call::{Answer, Body, Call};
use crate::error::CallError;
pub(crate) use connected::Connected;
#[cfg(feature = "embedded")]
pub(crate) use embedded::InProcess;
use hyper::{Response, StatusCode};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Pauses between attempts: from this one on each is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Longest pause that a replica may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// How long an answer may take, and then its body, unless it waits for the hub.
const ANSWER_DEADLINE: Duration = Duration::from_secs(45);

/// How a call failed on its way.
#[derive(Debug)]
pub(crate) enum Lost {
    /// It was certainly not sent.
    NotSent(String),
    /// It was sent, or part of it, and its answer did not come: the connection ended.
    NoAnswer(String),
    /// It was sent, and its answer did not come in time.
    Late(String),
}

/// What came of an attempt that is not the last, if there is time for another.
enum Failed {
    /// An answer that may be another one in a moment.
    Passing(Answer),
    Lost(Lost),
}

pub(crate) enum Carrier {
    Connected(Connected),
    #[cfg(feature = "embedded")]
    InProcess(InProcess),
}

impl Carrier {
    /// Sends a call once, and returns the answer's head with its body on the way.
    pub(crate) async fn begin(&self, call: &Call) -> Result<Result<Response<Body>, Lost>, CallError> {
        match self {
            Self::Connected(connected) => connected.begin(call).await,
            #[cfg(feature = "embedded")]
            Self::InProcess(replica) => Ok(Ok(replica.begin(call).await?)),
        }
    }

    /// Where it goes, for errors.
    pub(crate) fn address(&self) -> &str {
        match self {
            Self::Connected(connected) => connected.address(),
            #[cfg(feature = "embedded")]
            Self::InProcess(replica) => replica.address(),
        }
    }

    /// How long a call is tried again.
    pub(crate) fn patience(&self) -> Duration {
        match self {
            Self::Connected(connected) => connected.patience(),
            // It is always there: what it refuses for a moment, as while its store is opened again, is tried again.
            #[cfg(feature = "embedded")]
            Self::InProcess(_) => Duration::from_secs(5),
        }
    }

    /// Sends a call until it is answered or patience ends. A write is sent under one key, so that it counts once. A problem is
    /// an answer here, unless the write may have been done by an attempt before it.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let deadline = Instant::now().checked_add(self.patience());
        let mut pause = PAUSE_FIRST;
        // Why an attempt before this one may have been carried out.
        let mut doubt: Option<String> = None;
        loop {
            let (failed, wait) = match self.attempt(call).await? {
                Ok(answer) if !is_passing(&answer) => return answered(call, doubt, answer),
                Ok(answer) => {
                    // Only the replica itself knows that it did nothing: a proxy says 503 also of a call that it has passed on.
                    let problem = answer.problem();
                    if answer.status != StatusCode::SERVICE_UNAVAILABLE || !problem.is_of_a_replica() {
                        doubt = Some(problem.to_string());
                    }
                    let wait = retry_after(&answer).unwrap_or(pause).max(pause);
                    (Failed::Passing(answer), wait)
                }
                // The replica ended the connection just as it was used again: that is no reason to fail.
                Err(Lost::NoAnswer(cause)) if doubt.is_none() => {
                    doubt = Some(cause);
                    continue;
                }
                Err(lost) => {
                    if let Lost::NoAnswer(cause) | Lost::Late(cause) = &lost {
                        doubt = Some(cause.clone());
                    }
                    (Failed::Lost(lost), pause)
                }
            };
            let next = Instant::now().checked_add(wait);
            if deadline.is_some_and(|deadline| next.is_none_or(|next| next > deadline)) {
                return self.given_up(call, doubt, failed);
            }
            sleep(wait).await;
            pause = (wait * 2).min(PAUSE_MAX);
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Result<Answer, Lost>, CallError> {
        let response = match self.begin(call).await? {
            Ok(response) => response,
            Err(lost) => return Ok(Err(lost)),
        };
        // The head is here; the rest may not come, as when the line is cut.
        let most = ANSWER_DEADLINE.saturating_add(call.waits);
        Ok(match timeout(most, Answer::read(response)).await {
            Ok(read) => read.map_err(Lost::NoAnswer),
            Err(_) => Err(Lost::Late(format!("the answer was not whole within {} s", most.as_secs()))),
        })
    }

    /// What came last: an answer that could have passed, or none.
    fn given_up(&self, call: &Call, doubt: Option<String>, failed: Failed) -> Result<Answer, CallError> {
        if let (Some(cause), Some(key)) = (doubt, &call.key) {
            return Err(CallError::OutcomeUnknown { key: key.clone(), cause });
        }
        let address = self.address().to_owned();
        match failed {
            Failed::Passing(answer) => Ok(answer),
            Failed::Lost(Lost::NotSent(cause)) => Err(CallError::Unreachable { address, cause }),
            Failed::Lost(Lost::NoAnswer(cause) | Lost::Late(cause)) => {
                Err(CallError::NoAnswer { address, cause })
            }
        }
    }
}

/// An answer that stands. What is refused before the replica looks for the key, as where a right has ended meanwhile, says
/// nothing of an attempt that may have been carried out.
fn answered(call: &Call, doubt: Option<String>, answer: Answer) -> Result<Answer, CallError> {
    let is_refused = is_of_the_write(answer.status) && answer.problem().is_of_a_replica();
    let is_certain = answer.status.is_success() || is_refused;
    match (doubt, &call.key) {
        (Some(cause), Some(key)) if !is_certain => Err(CallError::OutcomeUnknown { key: key.clone(), cause }),
        _ => Ok(answer),
    }
}

/// Whether a refusal is of the write itself: the key was looked for before.
fn is_of_the_write(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED | StatusCode::UNPROCESSABLE_ENTITY
    )
}

/// Whether it may be another answer in a moment: the replica is busy, ending, or did not learn the outcome; or something
/// between here and there failed.
fn is_passing(answer: &Answer) -> bool {
    let status = answer.status;
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
        || (status.is_server_error() && !answer.problem().is_of_a_replica())
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let value = answer.headers.get(hyper::header::RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
