//! What a site is invited to, as people write it: `store-367=write,catalog=read`.

use crate::config::{Config, PeerAccess, PeerConfig, SpaceMode, SpaceName};
use document::AddressError;
use replica::Rights;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use transport::GRANTED_SPACES_MAX;
use transport::enrolment::GrantedSpace;

/// The space that only the hub writes.
const SYSTEM: &str = "system";

/// Words and their bits in a [`GrantedSpace`].
const WORDS: [(&str, u8); 4] = [("read", 1), ("write", 2), ("relay", 4), ("snapshot", 8)];

/// What a site may do in a space; reading goes with everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpaceRights(Rights);

/// Why a text says no spaces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpacesError {
    /// It has another form.
    #[error("'{part}' is no space and its rights: write them as in store-367=write,catalog=read")]
    Form {
        /// The part of it.
        part: String,
    },
    /// A word that is no right.
    #[error(
        "'{word}' is no right: there are read, write, relay and snapshot, joined as in write+relay; each of them includes read"
    )]
    Right {
        /// The word.
        word: String,
    },
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] AddressError),
    /// A space is there twice.
    #[error("{space} is there twice")]
    Twice {
        /// Which.
        space: String,
    },
    /// Only the hub writes it, and everybody reads it.
    #[error(
        "only the hub writes the space {SYSTEM}, and every site reads it: what can be given there is relay"
    )]
    System,
    /// There are none, or too many.
    #[error("name 1 to {GRANTED_SPACES_MAX} spaces, as in store-367=write,catalog=read")]
    Count,
}

impl SpaceRights {
    /// As the core has them.
    pub(crate) fn rights(self) -> Rights {
        self.0
    }

    fn has(self) -> [bool; 4] {
        let Rights { read, write, relay, snapshot } = self.0;
        [read, write, relay, snapshot]
    }

    /// Each right that it has, in words.
    pub(crate) fn words(self) -> impl Iterator<Item = &'static str> {
        WORDS.iter().zip(self.has()).filter(|(_, has)| *has).map(|((word, _), _)| *word)
    }

    pub(crate) fn bits(self) -> u8 {
        WORDS.iter().zip(self.has()).map(|((_, bit), has)| if has { *bit } else { 0 }).sum()
    }

    fn of_bits(bits: u8) -> Self {
        let has = |bit| bits & bit > 0;
        Self(Rights { read: bits > 0, write: has(2), relay: has(4), snapshot: has(8) })
    }
}

impl FromStr for SpaceRights {
    type Err = SpacesError;
    fn from_str(text: &str) -> Result<Self, SpacesError> {
        let mut bits = 0;
        for word in text.split('+') {
            let found = WORDS.iter().find(|(name, _)| *name == word);
            bits |= found.ok_or_else(|| SpacesError::Right { word: word.to_owned() })?.1;
        }
        Ok(Self::of_bits(bits))
    }
}

impl TryFrom<String> for SpaceRights {
    type Error = SpacesError;
    fn try_from(text: String) -> Result<Self, SpacesError> {
        text.parse()
    }
}

impl From<SpaceRights> for String {
    fn from(rights: SpaceRights) -> Self {
        rights.to_string()
    }
}

impl fmt::Display for SpaceRights {
    /// Without `read` where something else says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.words().collect();
        let shown = if words.len() > 1 { words.get(1..).unwrap_or_default() } else { &words };
        f.write_str(&shown.join("+"))
    }
}

/// Reads what a site is invited to.
pub(crate) fn parse_spaces(text: &str) -> Result<BTreeMap<SpaceName, SpaceRights>, SpacesError> {
    let mut spaces = BTreeMap::new();
    for part in text.split(',').map(str::trim) {
        let form = || SpacesError::Form { part: part.to_owned() };
        let (space, rights) = part.split_once('=').ok_or_else(form)?;
        let name = SpaceName::try_from(space.to_owned())?;
        let rights: SpaceRights = rights.parse()?;
        if space == SYSTEM && rights.rights().write {
            return Err(SpacesError::System);
        }
        if spaces.insert(name, rights).is_some() {
            return Err(SpacesError::Twice { space: space.to_owned() });
        }
    }
    if spaces.len() > GRANTED_SPACES_MAX { Err(SpacesError::Count) } else { Ok(spaces) }
}

/// As they are written.
pub(crate) fn show_spaces(spaces: &BTreeMap<SpaceName, SpaceRights>) -> String {
    let parts: Vec<_> = spaces.iter().map(|(name, rights)| format!("{}={rights}", name.0)).collect();
    parts.join(",")
}

/// As they are sent to a site.
pub(crate) fn to_granted(spaces: &BTreeMap<SpaceName, SpaceRights>) -> Vec<GrantedSpace> {
    let granted = |(name, rights): (&SpaceName, &SpaceRights)| GrantedSpace {
        space: name.0.to_string(),
        rights: rights.bits(),
    };
    spaces.iter().map(granted).collect()
}

/// As a site has them from the hub.
pub(crate) fn from_granted(
    spaces: &[GrantedSpace],
) -> Result<BTreeMap<SpaceName, SpaceRights>, AddressError> {
    let read = |granted: &GrantedSpace| {
        let name = SpaceName::try_from(granted.space.clone())?;
        Ok((name, SpaceRights::of_bits(granted.rights)))
    };
    spaces.iter().map(read).collect()
}

/// What the services of a site may do by its configuration: documents of `system` narrow it down.
pub(crate) fn site_config(
    site: &str,
    (hub, hub_key): (&str, [u8; 32]),
    address: &crate::config::PeerAddress,
    spaces: &BTreeMap<SpaceName, SpaceRights>,
    renews: bool,
) -> Config {
    let own = spaces.iter().filter(|(name, _)| name.0.as_str() != SYSTEM);
    let mode = |rights: &SpaceRights| {
        if rights.rights().write { SpaceMode::Write } else { SpaceMode::Read }
    };
    // The hub writes everywhere, and is sent what this site writes or passes on.
    let access = |rights: &SpaceRights| {
        let Rights { write, relay, .. } = rights.rights();
        PeerAccess { read: write || relay, write: true }
    };
    let peer = PeerConfig {
        address: Some(address.clone()),
        relay: true,
        hub: true,
        renews,
        spaces: own.clone().map(|(name, rights)| (name.clone(), access(rights))).collect(),
        ..PeerConfig::default()
    };
    Config {
        name: site.to_owned(),
        authority: Some(crate::config::PublicKey(hub_key)),
        spaces: own.map(|(name, rights)| (name.clone(), mode(rights))).collect(),
        peers: BTreeMap::from([(hub.to_owned(), peer)]),
        ..Config::default()
    }
}

/// The same as people would write it, `by` a command.
pub(crate) fn site_config_text(config: &Config, by: &str) -> String {
    let mut text =
        format!("# Made by `{by}`; README.md says what else can stand here.\nname = \"{}\"\n", config.name);
    if let Some(key) = config.authority {
        text += "# The hub's key: documents of the space `system`, which only it writes, say what replicas may do.\n";
        text += &format!("authority = \"{}\"\n", String::from(key));
    }
    text += "\n[spaces]\n";
    for (name, mode) in &config.spaces {
        let mode = if *mode == SpaceMode::Write { "write" } else { "read" };
        text += &format!("{} = \"{mode}\"\n", key(name.0.as_str()));
    }
    // None is made with caps or a schedule.
    for (peer, PeerConfig { address, relay, hub, renews, spaces, .. }) in &config.peers {
        let peer = key(peer);
        text += &format!("\n[peers.{peer}]\n");
        text += &address.iter().map(|address| format!("address = \"{address}\"\n")).collect::<String>();
        text += &format!("relay = {relay}\nhub = {hub}\nrenews = {renews}\n\n[peers.{peer}.spaces]\n");
        for (name, PeerAccess { read, write }) in spaces {
            let said = [("read", read), ("write", write)].into_iter().filter(|(_, has)| **has);
            let said: Vec<_> = said.map(|(word, _)| format!("{word} = true")).collect();
            text += &format!("{} = {{ {} }}\n", key(name.0.as_str()), said.join(", "));
        }
    }
    text
}

/// A key of TOML; a dot would make two of it.
fn key(name: &str) -> String {
    if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_read_as_they_are_written() {
        let text = "catalog=read,region=write+relay+snapshot,store-1=write,system=relay";
        let spaces = parse_spaces(text).unwrap();
        assert_eq!(show_spaces(&spaces), text);
        assert_eq!(from_granted(&to_granted(&spaces)).unwrap(), spaces);
        let bits: Vec<_> = spaces.values().map(|rights| rights.bits()).collect();
        assert_eq!(bits, [1, 15, 3, 5]);
        assert_eq!(parse_spaces(" b=read , a=read+write").unwrap().len(), 2);
    }

    #[test]
    fn what_says_no_spaces_is_refused_with_what_would() {
        let refused = |text| parse_spaces(text).unwrap_err().to_string();
        for text in ["", "catalog", "a=read,,b=read", "a=read,"] {
            assert!(refused(text).contains("store-367=write,catalog=read"), "{text}");
        }
        assert!(refused("a=own").contains("'own' is no right"));
        assert!(refused("a=").contains("'' is no right"));
        assert!(refused("A=read").contains("small letters"));
        assert_eq!(parse_spaces("a=read,a=write"), Err(SpacesError::Twice { space: "a".into() }));
        assert_eq!(parse_spaces("system=write"), Err(SpacesError::System));
        let many: Vec<_> = (0..=GRANTED_SPACES_MAX).map(|n| format!("s{n}=read")).collect();
        assert_eq!(parse_spaces(&many.join(",")), Err(SpacesError::Count));
    }

    #[test]
    fn a_site_carries_what_it_was_given_and_trusts_its_hub() {
        let spaces = parse_spaces("store-1=write,catalog=read,system=relay,a.b_c=write+relay").unwrap();
        let address = "hub.example:7400".parse().unwrap();
        let config = site_config("store-1", ("hub", [7; 32]), &address, &spaces, true);
        let text = site_config_text(&config, "isle join");
        assert_eq!(Config::parse(&text, std::path::Path::new("isle.toml")).unwrap(), config);
        let modes = config.spaces.values().collect::<Vec<_>>();
        assert_eq!(modes, [&SpaceMode::Write, &SpaceMode::Read, &SpaceMode::Write]);
        let hub = &config.peers["hub"];
        let access: Vec<_> = hub.spaces.values().map(|access| (access.read, access.write)).collect();
        assert_eq!(access, [(true, true), (false, true), (true, true)]);
        assert!(hub.relay && hub.hub && hub.renews);
    }
}
