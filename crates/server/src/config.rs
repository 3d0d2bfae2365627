//! `isle.toml`: what a replica is and what it shares with whom.
//!
//! ```toml
//! name = "store-367"            # as in its certificate
//! listen = "127.0.0.1:7401"     # UDP; where peers may dial in; absent: any port, and nobody may
//! observe = "127.0.0.1:9401"    # TCP; where GET /health, /ready and /metrics are answered; absent: nowhere
//!
//! sync_interval_ms = 50         # absent: a write is answered when it is on the disk. With it, when the system has it:
//!                               # a power cut loses what services wrote in the last interval
//!
//! authority = "5f3c…"           # the hub's public key, 64 digits: documents of the space `system` say what replicas may do;
//!                               # what stands below holds until they are here. Absent: it holds for good
//!
//! open_documents_mib_max = 64   # memory for documents in use; more where a hub or a busy site has it. Absent: 16, for a
//!                               # machine of 128 MiB
//!
//! log = "info"                  # what is logged, as in "warn,transport=debug"
//! log_format = "text"           # or "json": an object a line
//!
//! [spaces]                      # what it carries, and what the services of the site may do there
//! catalog = "read"
//! store-367 = "write"
//!
//! [peers.hub]
//! address = "hub.example:7400"  # where to dial it; absent: the peer dials. A hub dials other hubs alone
//! relay = true                  # changes of others are taken from it
//! hub = true                    # it is the hub: writes can wait until it has them, and where two histories of one
//!                               # origin meet, its stands. The hub itself says so at the top
//! renews = true                 # it renews this replica's certificate
//! snapshots = true              # whole documents are taken from it as one, in a first sync: it is trusted with that
//! send_kbit_s_max = 512         # what this link may take of the line, each way; absent: all
//! receive_kbit_s_max = 2048
//!
//! [peers.hub.schedule]          # absent: the connection stands
//! every = "5m"                  # from one exchange to the next; it ends when both sides have what they lacked
//! between = ["22:00-05:00"]     # local times of day within which there may be one
//! at_once = ["alerts"]          # spaces whose changes connect at once all the same
//!
//! [peers.hub.spaces]            # what the peer may do
//! catalog = { write = true }
//! store-367 = { read = true, write = true }
//!
//! [journal]                     # how long a peer may stay away and still be sent changes alone, not documents
//! keep = "7d"                   # at most; by this machine's clock
//! mib_max = 1024
//!
//! [enrolment]                   # the hub's, where `isle hub init` made an authority; each line may be absent
//! address = "hub.example:7400"  # what join tokens say: where sites dial
//! certificate = "30d"           # how long a certificate is valid; it is renewed at two thirds of that
//! grace = "90d"                 # how long after its end it may still be renewed
//!
//! [http]                        # services of the site, beside the socket http.sock of the data directory; each line may be absent
//! listen = "127.0.0.1:7480"     # TCP; absent: the socket alone
//! tls = true                    # with the replica's certificate; who calls may show one of the same authority. Absent: no TLS
//! connections_max = 512         # of the socket, and as many of the address: more than feeds; past the limits a service tries again
//! requests_max = 64
//! watches_max = 256             # feeds; a quarter of them, and at least one, for one caller
//! lines_max = 16                # results as lines; a quarter of them, and at least one, for one caller
//! body_kib_max = 1024
//! bodies_mib_max = 8            # all bodies that are here; a quarter of them, or one body, for one caller
//! depth_max = 64                # objects and arrays within one another in a body, 127 at most
//! time_max = "30s"              # for a body to arrive and an answer to be made
//! idempotency_keys_max = 1048576 # each is kept for a day: 12 writes with a key a second. Where there are more, for less
//! loopback_without_token = true # every program on this machine may do everything; absent: over TCP a token is needed
//! allow_origins = ["https://dash.example"] # pages that may read answers in a browser, with a token; absent: no others' pages
//! ```
//!
//! What is in no table of names can be overruled by a variable (`ISLE_LISTEN`, `ISLE_ENROLMENT_GRACE`; an empty one counts
//! as none), and that by a flag of `isle serve`. Spaces and peers are in the file alone.

mod address;
mod effective;
mod error;
mod http;
mod keys;
mod layers;
mod line;
mod logging;
mod nearest;
mod origin;
mod public_key;
mod schedule;
mod settings;
mod source;

pub use address::{PeerAddress, PeerAddressError};
pub use effective::{Effective, Shown};
pub use error::{ConfigError, ConfigErrors, ScheduleFault};
pub use http::HttpConfig;
pub use layers::Layers;
pub use logging::{LogFilter, LogFilterError, LogFormat, LogFormatError};
pub use origin::{PageOrigin, PageOriginError, PageOrigins};
pub use public_key::{PublicKey, PublicKeyError};
pub use schedule::{EVERY_MIN, ScheduleConfig, TimeOfDay, Window, WindowError};
pub use source::Source;

use crate::duration::Span;
use document::{AddressError, Schemas, Space};
use http::DEPTH_LIMIT;
use replica::{Access, IDEMPOTENCY_KEYS_MIN, OriginKey, PeerSettings, Settings, SnapshotPolicy, TrimPolicy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;
use store::Durability;
use transport::{RENEWAL_GRACE, SITE_VALIDITY};

/// Longest configuration in bytes; one with 1,000 peers of ten spaces each has half of it.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Shortest life of a certificate: a renewal takes seconds, and begins when a third of it is left.
pub const CERTIFICATE_MIN: Duration = Duration::from_secs(10);

/// What the journal takes on the disk, unless the configuration says otherwise.
const JOURNAL_MIB_MAX: NonZeroU32 = NonZeroU32::new(1_024).unwrap();

/// Most memory for open documents, in MiB, unless the configuration says otherwise. With 24 MiB of memtables and 8 MiB of
/// cache a site stays far below its 128 MiB; a document takes about 18 KiB open, and 160 bytes more for each of its changes.
const OPEN_DOCUMENTS_MIB_MAX: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// The content of `isle.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The replica's name, as in its certificate.
    #[serde(default)]
    pub name: String,
    /// The UDP address where peers may dial in; none: any port, and nobody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// The TCP address where monitoring asks; none: nowhere. It needs no credentials and shows names of spaces and peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe: Option<SocketAddr>,
    /// Milliseconds between syncs; none: every write is on the disk before it is answered. With an interval a power
    /// cut loses what services wrote in the last one, though they were answered. Peers never see what can be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_interval_ms: Option<NonZeroU32>,
    /// Which events are logged; none: from level INFO on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogFilter>,
    /// How lines of the log look.
    #[serde(default, skip_serializing_if = "LogFormat::is_default")]
    pub log_format: LogFormat,
    /// Whether this replica is the hub: then what is durable here has reached the hub.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hub: bool,
    /// The public key of the hub that decides, by documents of the space `system`, what replicas may do. None: what
    /// stands under `peers` decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<PublicKey>,
    /// Whether peers that do not relay are believed about what this replica wrote before it lost its disk. For as long as
    /// it takes to get it back: a peer that lies can write in this replica's name meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_own_past: bool,
    /// Memory for documents in use, in MiB; none: what suits a machine of 128 MiB. Those that do not fit are loaded again when
    /// they are used, which costs ten times what an update does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_documents_mib_max: Option<NonZeroU32>,
    /// The spaces that it carries, and what the services of its site may do there.
    pub spaces: BTreeMap<SpaceName, SpaceMode>,
    /// The replicas that it may be connected to, by name. With an authority those that it let in need not be among them.
    #[serde(default)]
    pub peers: BTreeMap<String, PeerConfig>,
    /// How long changes are kept for peers that are away.
    #[serde(default, skip_serializing_if = "JournalConfig::is_default")]
    pub journal: JournalConfig,
    /// How the hub enrols sites.
    #[serde(default, skip_serializing_if = "EnrolmentConfig::is_default")]
    pub enrolment: EnrolmentConfig,
    /// How services are answered over HTTP.
    #[serde(default, skip_serializing_if = "HttpConfig::is_default")]
    pub http: HttpConfig,
}

/// How much of the journal is kept. Peers that lack what went are filled with documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// How old its rows become.
    pub keep: Span,
    /// What they take on the disk at most, in MiB, about.
    pub mib_max: NonZeroU32,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { keep: Span(Duration::from_hours(7 * 24)), mib_max: JOURNAL_MIB_MAX }
    }
}

impl JournalConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn policy(&self) -> TrimPolicy {
        TrimPolicy {
            age_ms: i64::try_from(self.keep.0.as_millis()).unwrap_or(i64::MAX),
            bytes: u64::from(self.mib_max.get()) << 20,
        }
    }
}

/// How a hub enrols sites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnrolmentConfig {
    /// Where sites dial it, as join tokens say it; none: who invites says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<PeerAddress>,
    /// How long a certificate is valid. Renewed at two thirds of it.
    pub certificate: Span,
    /// How long after its end a certificate may still be renewed.
    pub grace: Span,
}

impl Default for EnrolmentConfig {
    fn default() -> Self {
        Self { address: None, certificate: Span(SITE_VALIDITY), grace: Span(RENEWAL_GRACE) }
    }
}

impl EnrolmentConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the services of a site may do in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpaceMode {
    /// Read only: others write it.
    Read,
    /// Read and write.
    Write,
}

/// One peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Where to dial it; none: it dials. A hub dials no site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<PeerAddress>,
    /// Whether changes of others are taken from it.
    #[serde(default)]
    pub relay: bool,
    /// Whether it is the hub: writes can wait until it has them, and where two histories of one origin meet, its stands.
    #[serde(default)]
    pub hub: bool,
    /// Whether it renews this replica's certificate; `isle join` says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renews: bool,
    /// Whether whole documents are taken from it where it may write. With an authority rights say that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub snapshots: bool,
    /// Most that is sent to it, in 1,000 bits a second; none: what the line takes. Headers come on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_kbit_s_max: Option<NonZeroU32>,
    /// Most that is taken from it, likewise. One that is dialled may be a second ahead on each of its streams, at least
    /// 8 KiB; one that dials 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_kbit_s_max: Option<NonZeroU32>,
    /// When it is dialled; none: the connection stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleConfig>,
    /// What it may do, by space; nothing in any other.
    #[serde(default)]
    pub spaces: BTreeMap<SpaceName, PeerAccess>,
}

/// What a peer may do in a space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerAccess {
    /// It is sent the space's changes.
    #[serde(default)]
    pub read: bool,
    /// Its changes to the space are taken.
    #[serde(default)]
    pub write: bool,
}

/// A space's name in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpaceName(pub Space);

impl TryFrom<String> for SpaceName {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Space::new(text).map(Self)
    }
}

impl From<SpaceName> for String {
    fn from(name: SpaceName) -> Self {
        name.0.to_string()
    }
}

impl Config {
    /// Reads and checks the file, which nothing overrules.
    ///
    /// # Errors
    /// [`ConfigErrors`] name the file, and the line and the key where they can.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Effective::load(path, &Layers::default()).map(|effective| effective.config)
    }

    /// Reads and checks a text; `path` is for errors.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigErrors> {
        Effective::parse(text, path, &Layers::default()).map(|effective| effective.config)
    }

    /// What a server starts with, and an operator would rather have otherwise: a site that was upgraded is not to stop for it.
    fn doubts(&self, effective: &Effective) -> Option<String> {
        if self.http.connections_max > self.http.watches_max {
            return None;
        }
        // Who says one of them alone is told of that one.
        let is_said = effective.source("http.connections_max") != Source::Default;
        let key = if is_said { "http.connections_max" } else { "http.watches_max" };
        let (at, watches_max) = (effective.source(key), self.http.watches_max);
        Some(format!(
            "{at}: {key}: {watches_max} feeds (`watches_max`) may leave no connection to who reads and writes: let \
             `connections_max` be more"
        ))
    }

    /// Whether its parts go together; `effective` knows where they come from.
    fn check(&self, effective: &Effective, errors: &mut Vec<ConfigError>) {
        if self.name.is_empty() {
            let path = effective.path().to_owned();
            let example = "name = \"store-367\", as in its certificate, or set ISLE_NAME";
            errors.push(ConfigError::Missing { path, key: "name", example });
        }
        if self.peers.contains_key(&self.name) {
            let at = effective.source(&format!("peers.{}", self.name));
            errors.push(ConfigError::OwnPeer { at, name: self.name.clone() });
        }
        if self.enrolment.certificate.0 < CERTIFICATE_MIN {
            errors.push(ConfigError::Certificate { at: effective.source("enrolment.certificate") });
        }
        let (depth, keys) = (self.http.depth_max.get(), self.http.idempotency_keys_max.get());
        for (key, given, (least, most)) in [
            ("http.depth_max", depth, (1, DEPTH_LIMIT)),
            ("http.idempotency_keys_max", keys, (IDEMPOTENCY_KEYS_MIN, u32::MAX)),
        ] {
            if !(least..=most).contains(&given) {
                errors.push(ConfigError::OutOfRange { at: effective.source(key), key, least, most });
            }
        }
        if self.http.tls && self.http.listen.is_none() {
            errors.push(ConfigError::TlsNowhere { at: effective.source("http.tls") });
        }
        for (peer, config) in &self.peers {
            if self.hub && !config.hub && config.address.is_some() {
                let at = effective.source(&format!("peers.{peer}.address"));
                errors.push(ConfigError::HubDials { at, peer: peer.clone() });
            }
            self.check_schedule(peer, config, effective, errors);
            for SpaceName(space) in config.spaces.keys().filter(|name| !self.spaces.contains_key(name)) {
                let at = effective.source(&format!("peers.{peer}.spaces.{space}"));
                let (peer, space) = (peer.clone(), space.clone());
                errors.push(ConfigError::UnknownSpace { at, peer, space });
            }
        }
    }

    fn check_schedule(
        &self,
        peer: &str,
        config: &PeerConfig,
        effective: &Effective,
        errors: &mut Vec<ConfigError>,
    ) {
        let Some(schedule) = &config.schedule else { return };
        let mut refuse = |cause| {
            let at = effective.source(&format!("peers.{peer}.schedule"));
            errors.push(ConfigError::Schedule { at, peer: peer.to_owned(), cause });
        };
        if config.address.is_none() {
            refuse(ScheduleFault::NoAddress);
        }
        if schedule.every.is_some_and(|every| every.0 < EVERY_MIN) {
            refuse(ScheduleFault::TooOften);
        }
        for SpaceName(space) in schedule.at_once.iter().filter(|name| !self.spaces.contains_key(name)) {
            refuse(ScheduleFault::UnknownSpace(space.clone()));
        }
    }

    /// When a write is durable.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.sync_interval_ms
            .map_or(Durability::Fsync, |interval_ms| Durability::Interval { interval_ms: interval_ms.get() })
    }

    /// What the core needs to know; `epoch` names the journal if the store is new.
    #[must_use]
    pub fn settings(
        &self,
        schemas: Schemas,
        public_key: [u8; 32],
        incarnation: [u8; 16],
        epoch: u64,
    ) -> Settings {
        let spaces = self.spaces.iter().map(|(SpaceName(space), mode)| (space.clone(), (*mode).into()));
        let open_documents_mib_max = self.open_documents_mib_max.unwrap_or(OPEN_DOCUMENTS_MIB_MAX);
        Settings {
            name: self.name.clone(),
            key: OriginKey { public_key, incarnation },
            epoch,
            is_hub: self.hub,
            authority: self.authority.map(|PublicKey(key)| key),
            spaces: spaces.collect(),
            peers: self.peers.iter().map(|(name, peer)| (name.clone(), peer.settings())).collect(),
            schemas,
            open_documents_bytes_max: u64::from(open_documents_mib_max.get()) << 20,
            snapshots: SnapshotPolicy::default(),
            // Where the rows are says the edge.
            loads_aside: None,
            trimming: self.journal.policy(),
            idempotency_keys_max: self.http.idempotency_keys_max.get().into(),
            takes_own_past: self.takes_own_past,
        }
    }
}

impl PeerConfig {
    fn settings(&self) -> PeerSettings {
        let access = |access: &PeerAccess| Access { read: access.read, write: access.write };
        let spaces = self.spaces.iter().map(|(SpaceName(space), allowed)| (space.clone(), access(allowed)));
        PeerSettings { spaces: spaces.collect(), relay: self.relay, snapshots: self.snapshots, hub: self.hub }
    }
}

impl From<SpaceMode> for replica::SpaceMode {
    fn from(mode: SpaceMode) -> Self {
        match mode {
            SpaceMode::Read => Self::Read,
            SpaceMode::Write => Self::Write,
        }
    }
}

#[cfg(test)]
mod tests;
