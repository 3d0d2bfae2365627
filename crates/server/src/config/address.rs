//! Where a peer is dialled.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A host and a UDP port: `127.0.0.1:7400`, `[::1]:7400`, `hub.example:7400`. A name is looked up at each dial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerAddress(String);

/// A text that is no address of a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{given}' is no address to dial: write host and port, as in \"127.0.0.1:7400\" or \"hub.example:7400\""
)]
pub struct PeerAddressError {
    /// What was given.
    pub given: String,
}

impl PeerAddress {
    /// The text, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;
    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        let refused = || PeerAddressError { given: text.to_owned() };
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        if is_host && is_port && (is_bracketed || !host.contains(':')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(refused())
        }
    }
}

impl TryFrom<String> for PeerAddress {
    type Error = PeerAddressError;
    fn try_from(text: String) -> Result<Self, PeerAddressError> {
        text.parse()
    }
}

impl From<PeerAddress> for String {
    fn from(address: PeerAddress) -> Self {
        address.0
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_ports_are_addresses_and_nothing_else() {
        for text in ["127.0.0.1:7400", "[::1]:7400", "hub.example:7400"] {
            assert_eq!(text.parse::<PeerAddress>().unwrap().as_str(), text);
        }
        for text in
            ["", "hub", ":7400", "hub:0", "hub:70000", "hub:quic", "::1:7400", "http://hub:80", "a b:1"]
        {
            assert!(text.parse::<PeerAddress>().is_err(), "{text}");
        }
    }
}
