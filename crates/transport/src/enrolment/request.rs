//! The hub's end: somebody asks for a certificate.

use std::net::SocketAddr;

use quinn::SendStream;
use tokio::time::{Instant, timeout_at};

use super::message::{
    AnswerMessage, Certified, GrantedSpace, JoinMessage, Refusal, RenewalMessage, decode, encode,
};
use super::purpose::Purpose;
use super::secret::JoinSecret;
use crate::attempts::Charge;
use crate::certificate::Peer;
use crate::disconnect::{Disconnect, close};
use crate::incoming::AcceptError;
use crate::issued::IssuedCertificate;
use crate::limits::{ENROLMENT_DEADLINE, ENROLMENT_REQUEST_BYTES_MAX, REFUSAL_DEADLINE};
use crate::signing_request;

/// What somebody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A first certificate.
    Join {
        /// The name in its token. Any text until the secret is checked.
        site: String,
        /// What is to prove the invitation.
        secret: JoinSecret,
        /// The key that the certificate is for; its sender has the private half.
        public_key: [u8; 32],
    },
    /// The next certificate.
    Renewal {
        /// Who it is, as its certificate says, which is one of this fleet's and may have run out within the grace.
        peer: Peer,
    },
}

/// What is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The certificate.
    pub certificate: IssuedCertificate,
    /// What the site may do, by space.
    pub spaces: Vec<GrantedSpace>,
}

/// Somebody who waits for a certificate. Dropped, it ends without an answer.
#[derive(Debug)]
pub struct EnrolmentRequest {
    question: Question,
    charge: Charge,
}

/// The one question of a connection, and the way to its answer.
#[derive(Debug)]
pub(crate) struct Question {
    asked: Asked,
    address: SocketAddr,
    connection: quinn::Connection,
    sender: SendStream,
    deadline: Instant,
}

impl Question {
    /// Reads it. One that cannot be read is answered here.
    pub(crate) async fn read(
        connection: quinn::Connection,
        purpose: Purpose,
        address: SocketAddr,
    ) -> Result<Self, AcceptError> {
        let disconnect = |error| AcceptError::Disconnect { address, cause: Disconnect::from_quinn(error) };
        let deadline = Instant::now() + ENROLMENT_DEADLINE;
        let (sender, mut receiver) = connection.accept_bi().await.map_err(disconnect)?;
        let bytes = receiver.read_to_end(ENROLMENT_REQUEST_BYTES_MAX).await;
        let asked = bytes.ok().and_then(|bytes| read(&bytes, purpose, &connection));
        match asked {
            Some(asked) => Ok(Self { asked, address, connection, sender, deadline }),
            None => {
                answer(&connection, sender, deadline, &Err(Refusal::Malformed)).await;
                Err(AcceptError::Question { address })
            }
        }
    }
}

impl EnrolmentRequest {
    pub(crate) fn new(question: Question, charge: Charge) -> Self {
        Self { question, charge }
    }

    /// What is asked.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.question.asked
    }

    /// The asker's UDP address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.question.address
    }

    /// Answers, and waits until the asker has the answer or is gone. A refusal is charged to its address, unless it is the
    /// hub's own fault.
    pub async fn answer(self, granted: Result<Grant, Refusal>) {
        let Self { question: Question { connection, sender, deadline, .. }, charge } = self;
        match granted {
            Ok(_) | Err(Refusal::Unavailable) => drop(charge),
            Err(_) => charge.fail(),
        }
        let granted = granted.map(|grant| (grant.certificate.der().to_vec(), grant.spaces));
        answer(&connection, sender, deadline, &granted).await;
    }
}

fn read(bytes: &[u8], purpose: Purpose, connection: &quinn::Connection) -> Option<Asked> {
    match purpose {
        Purpose::Join => {
            let message: JoinMessage = decode(bytes)?;
            let public_key = signing_request::read(&message.signing_request).ok()?;
            Some(Asked::Join { secret: message.secret(), site: message.site, public_key })
        }
        Purpose::Renewal => {
            decode::<RenewalMessage>(bytes)?;
            Some(Asked::Renewal { peer: Peer::of_connection(connection).ok()? })
        }
        Purpose::Replication => None,
    }
}

async fn answer(
    connection: &quinn::Connection,
    mut sender: SendStream,
    deadline: Instant,
    granted: &Result<Certified, Refusal>,
) {
    let deadline = match granted {
        Ok(_) => deadline,
        Err(_) => deadline.min(Instant::now() + REFUSAL_DEADLINE),
    };
    let sent = async {
        sender.write_all(&encode(&AnswerMessage::new(granted))).await.ok()?;
        sender.finish().ok()?;
        // The asker closes the connection when it has the answer.
        Some(connection.closed().await)
    };
    // Who does not take its answer asks again.
    let _ = timeout_at(deadline, sent).await;
    close(connection, "the answer was sent");
}
