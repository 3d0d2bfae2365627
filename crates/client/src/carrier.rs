//! The two ways of a call to a replica.

mod connected;
#[cfg(feature = "embedded")]
mod embedded;
#[cfg(feature = "tls")]
mod tls;

pub use connected::{ConnectError, Connection};
#[cfg(feature = "embedded")]
pub use embedded::{EmbedError, Embedding};

use crate::call::{Answer, Body, Call};
use crate::error::CallError;
pub(crate) use connected::Connected;
#[cfg(feature = "embedded")]
pub(crate) use embedded::InProcess;
use hyper::{Response, StatusCode};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Pauses between attempts: from this one on each is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);

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
    /// an answer here.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let deadline = Instant::now() + self.patience();
        let mut pause = PAUSE_FIRST;
        // Whether an attempt before this one may have been carried out.
        let mut unknown: Option<String> = None;
        loop {
            let attempt = self.attempt(call).await?;
            let lost = match attempt {
                Ok(answer) if !is_passing(&answer) => return Ok(answer),
                Ok(answer) => {
                    let now = Instant::now();
                    let wait = retry_after(&answer).unwrap_or(pause).max(pause);
                    if answer.status == StatusCode::GATEWAY_TIMEOUT {
                        unknown = Some(answer.problem().to_string());
                    }
                    if now + wait > deadline {
                        return self.unanswered_problem(call, unknown, answer);
                    }
                    pause = wait;
                    None
                }
                // The replica ended the connection just as it was used again: that is no reason to fail.
                Err(Lost::NoAnswer(cause)) if unknown.is_none() => {
                    unknown = Some(cause);
                    continue;
                }
                Err(lost) => {
                    if let Lost::NoAnswer(cause) | Lost::Late(cause) = &lost {
                        unknown = Some(cause.clone());
                    }
                    Some(lost)
                }
            };
            if let Some(lost) = lost
                && Instant::now() + pause > deadline
            {
                return Err(self.unanswered(call, unknown, lost));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Result<Answer, Lost>, CallError> {
        Ok(match self.begin(call).await? {
            Ok(response) => Answer::read(response).await.map_err(Lost::NoAnswer),
            Err(lost) => Err(lost),
        })
    }

    /// The last word is a refusal that would have passed.
    fn unanswered_problem(
        &self,
        call: &Call,
        unknown: Option<String>,
        answer: Answer,
    ) -> Result<Answer, CallError> {
        match (unknown, &call.key) {
            (Some(cause), Some(key)) => Err(CallError::OutcomeUnknown { key: key.clone(), cause }),
            (_, _) => Ok(answer),
        }
    }

    fn unanswered(&self, call: &Call, unknown: Option<String>, lost: Lost) -> CallError {
        let address = self.address().to_owned();
        match (unknown, lost, &call.key) {
            (Some(cause), _, Some(key)) => CallError::OutcomeUnknown { key: key.clone(), cause },
            (_, Lost::NotSent(cause), _) => CallError::Unreachable { address, cause },
            (_, Lost::NoAnswer(cause) | Lost::Late(cause), _) => CallError::NoAnswer { address, cause },
        }
    }
}

/// Whether it may be another answer in a moment: the replica is busy, ending, or did not learn the outcome.
fn is_passing(answer: &Answer) -> bool {
    matches!(answer.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let value = answer.headers.get(hyper::header::RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_secs)
}
