//! Who calls, and what it may do.

use super::asking::Api;
use super::extract::{header, only_line, words};
use super::problem::{Kind, Problem};
use super::strangers::Acquaintance;
use super::web_socket;
use crate::callers::{self, TokenRefusal};
use crate::enrolment::wall;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use document::{AUTHOR_BYTES_MAX, Collection, Operation, Space};
use replica::IdempotencyKey;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The way a connection came.
#[derive(Clone, Debug)]
pub(super) enum Via {
    /// The Unix socket, which only the data directory's owner can open.
    Unix,
    /// The network: from where, and the verified certificate that was shown.
    Tcp(IpAddr, Option<ShownCertificate>),
}

/// A verified certificate of a service.
#[derive(Clone, Debug)]
pub(super) struct ShownCertificate {
    name: Arc<str>,
    /// Its last moment, since 1970.
    ends: Duration,
}

impl ShownCertificate {
    pub(super) fn of(shown: &transport::Shown) -> Self {
        Self { name: shown.peer.name.as_str().into(), ends: shown.ends }
    }

    /// Its name, while it holds: its connection may stand for longer.
    fn name(&self, now: Duration) -> Result<&str, TokenRefusal> {
        // It is valid until its last second is over.
        match now.as_secs() > self.ends.as_secs() {
            true => Err(TokenRefusal::EndedCertificate {
                name: self.name.as_ref().to_owned(),
                ended_ms: i64::try_from(self.ends.as_millis()).unwrap_or(i64::MAX),
            }),
            false => Ok(&self.name),
        }
    }
}

/// Where the owner says who writes.
const AUTHOR: &str = "isle-author";

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    caller: callers::Caller,
    author: Option<String>,
    proof: Proof,
}

/// How it showed who it is.
#[derive(Clone)]
enum Proof {
    Owner,
    Token(String),
    Certificate(ShownCertificate),
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "Owner",
            Self::Token(_) => "Token",
            Self::Certificate(_) => "Certificate",
        })
    }
}

impl Proof {
    fn caller(&self, api: &Api) -> Result<callers::Caller, Problem> {
        match self {
            Self::Owner => Ok(callers::Caller::owner()),
            Self::Token(secret) => api.caller(secret).map_err(|refusal| unknown(&refusal)),
            Self::Certificate(shown) => {
                let caller = shown.name(wall()).and_then(|name| api.caller_of_certificate(name));
                caller.map_err(|refusal| unknown(&refusal))
            }
        }
    }
}

impl Caller {
    /// Who its changes are by: a service with a token is told by the token's name, whatever it says.
    pub(super) fn author(&self) -> Option<String> {
        self.caller.author().map(str::to_owned).or_else(|| self.author.clone())
    }

    /// The name of its token or certificate; none of the owner.
    pub(super) fn name(&self) -> Option<&str> {
        self.caller.author()
    }

    /// The key of one of its writes: services that count their sales alike do not take each other's for their own.
    pub(super) fn own_key(&self, key: IdempotencyKey) -> IdempotencyKey {
        let Some(name) = self.name() else { return key };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(name.len() as u64).to_be_bytes()).update(name.as_bytes());
        let holder = hasher.clone().finalize();
        let holder = holder.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        hasher.update(key.as_bytes());
        // 64 digits are a key.
        let own = IdempotencyKey::new(hasher.finalize().to_hex().to_string());
        own.map_or(key, |own| own.held_by(holder))
    }

    /// Refuses who may not read there any more: a token may have ended since.
    pub(super) fn still_reads(
        &self,
        api: &Api,
        space: &Space,
        collection: Option<&Collection>,
    ) -> Result<(), Problem> {
        match self.proof {
            Proof::Owner => Ok(()),
            Proof::Token(_) | Proof::Certificate(_) => {
                Self { caller: self.proof.caller(api)?, ..self.clone() }.reads(space, collection)
            }
        }
    }

    /// Refuses who may not read there; `None` is a whole space.
    pub(super) fn reads(&self, space: &Space, collection: Option<&Collection>) -> Result<(), Problem> {
        match self.caller.may_read(space, collection) {
            true => Ok(()),
            false => Err(no_right("read", space, collection)),
        }
    }

    /// Refuses operations that read what is there, of who may not.
    pub(super) fn may_do(
        &self,
        operations: &[Operation],
        space: &Space,
        collection: &Collection,
    ) -> Result<(), Problem> {
        if operations.iter().any(Operation::reads) { self.reads(space, Some(collection)) } else { Ok(()) }
    }

    /// Whether it may do everything.
    pub(super) fn owns(&self) -> bool {
        matches!(self.proof, Proof::Owner)
    }

    /// Whether it has rights to a collection of some space.
    pub(super) fn sees_collection(&self, collection: &Collection) -> bool {
        self.caller.sees_collection(collection)
    }

    /// Refuses who may write no collection of a space.
    pub(super) fn writes_something(&self, space: &Space) -> Result<(), Problem> {
        match self.caller.may_write_something(space) {
            true => Ok(()),
            false => Err(no_right("write", space, None)),
        }
    }

    /// Refuses who may not write there.
    pub(super) fn writes(&self, space: &Space, collection: &Collection) -> Result<(), Problem> {
        match self.caller.may_write(space, collection) {
            true => Ok(()),
            false => Err(no_right("write", space, Some(collection))),
        }
    }
}

fn no_right(what: &str, space: &Space, collection: Option<&Collection>) -> Problem {
    let place = collection.map_or_else(|| space.to_string(), |collection| format!("{space}/{collection}"));
    let detail = format!("the token gives no right to {what} {place}");
    Problem::new(Kind::FORBIDDEN, detail, "`isle token create` makes one with other rights")
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let author = words(only_line(&parts.headers, AUTHOR)?, AUTHOR, AUTHOR_BYTES_MAX)?;
        let bearer = header(parts, header::AUTHORIZATION.as_str())?.map(bearer).transpose()?;
        let bearer = bearer.or_else(|| web_socket::token(&parts.headers));
        // A token that is shown counts, also where none is needed.
        let proof = match (bearer, parts.extensions.get::<Via>()) {
            (Some(secret), _) => Proof::Token(secret.to_owned()),
            (None, Some(Via::Unix)) => Proof::Owner,
            (None, Some(Via::Tcp(_, Some(certificate)))) => {
                no_origin(parts)?;
                Proof::Certificate(certificate.clone())
            }
            (None, Some(Via::Tcp(from, None))) if from.is_loopback() && api.trusts_loopback() => {
                no_page(parts)?;
                Proof::Owner
            }
            (None, Some(Via::Tcp(..)) | None) => {
                return Err(unauthorized(
                    "over the network a token or a certificate says who calls",
                    TOKEN_HINT,
                ));
            }
        };
        let caller = proof.caller(api)?;
        if let Some(acquaintance) = parts.extensions.get::<Acquaintance>() {
            acquaintance.made();
        }
        Ok(Self { caller, author, proof })
    }
}

/// A page of any site that somebody opens on this machine comes from this machine too: its requests say where the page is
/// from, or ask under a name that its author let stand for this address.
fn no_page(parts: &Parts) -> Result<(), Problem> {
    // A browser always names a host; programs that speak HTTP/1.0 need not.
    let Some(host) = header(parts, header::HOST.as_str())? else { return no_origin(parts) };
    let is_own = host.parse::<SocketAddr>().is_ok()
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || host.split(':').next() == Some("localhost");
    if is_own { no_origin(parts) } else { Err(page()) }
}

/// A browser shows its certificate for any page that asks it to.
fn no_origin(parts: &Parts) -> Result<(), Problem> {
    if parts.headers.contains_key(header::ORIGIN) { Err(page()) } else { Ok(()) }
}

fn page() -> Problem {
    Problem::new(
        Kind::FORBIDDEN,
        "a page in a browser needs a token, also on this machine and with a certificate",
        "programs send no header Origin, and without TLS they ask 127.0.0.1 or localhost",
    )
}

fn bearer(value: &str) -> Result<&str, Problem> {
    let (scheme, secret) = value.split_once(' ').unwrap_or((value, ""));
    match scheme.eq_ignore_ascii_case("bearer") {
        true => Ok(secret.trim()),
        false => Err(unauthorized("the only way to say who calls is a bearer token", TOKEN_HINT)),
    }
}

fn unknown(refusal: &TokenRefusal) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        TokenRefusal::Unknown | TokenRefusal::Expired { .. } => unauthorized(detail, TOKEN_HINT),
        TokenRefusal::UnknownCertificate { name } => {
            unauthorized(detail, format!("`isle token create --certificate {name}` gives it some"))
        }
        TokenRefusal::EndedCertificate { .. } => unauthorized(detail, "connect again with one that holds"),
        TokenRefusal::Unreadable { .. } => {
            Problem::new(Kind::UNAVAILABLE, detail, "the server's log says more: tell who runs it")
                .retry_after(10)
        }
    }
}

const TOKEN_HINT: &str = "`isle token create` makes one; send it as `Authorization: Bearer TOKEN`";

fn unauthorized(detail: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(Kind::UNAUTHORIZED, detail, hint)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}
