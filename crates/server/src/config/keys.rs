//! The keys that a configuration can have, and what is wrong with the values that one gives them.
//!
//! serde stops at the first fault; here each key is looked at, so that an operator sees all of them at once.

use super::line::Lines;
use super::{
    ConfigError, LogFilter, LogFormat, PageOrigins, PeerAddress, PublicKey, Source, SpaceMode, SpaceName,
    Window, nearest::nearest,
};
use crate::duration::Span;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// As many errors of a file are told; nobody reads more at once.
const ERRORS_MAX: usize = 50;

/// What belongs at a place.
enum Shape {
    /// A table of these keys and no others.
    Table(&'static [(&'static str, Shape)]),
    /// A table of names that the operator gives; the names are checked by the first, what they name is the second.
    Named(fn(&str) -> Option<String>, &'static Shape),
    /// A value that can be read.
    Value(fn(Spanned<DeValue<'_>>) -> Result<(), toml::de::Error>),
}

use Shape::{Named, Table, Value};

const ROOT: &[(&str, Shape)] = &[
    ("name", Value(reads::<String>)),
    ("listen", Value(reads::<SocketAddr>)),
    ("observe", Value(reads::<SocketAddr>)),
    ("sync_interval_ms", Value(reads::<NonZeroU32>)),
    ("log", Value(reads::<LogFilter>)),
    ("log_format", Value(reads::<LogFormat>)),
    ("hub", Value(reads::<bool>)),
    ("authority", Value(reads::<PublicKey>)),
    ("takes_own_past", Value(reads::<bool>)),
    ("open_documents_mib_max", Value(reads::<NonZeroU32>)),
    ("spaces", Named(no_space, &Value(reads::<SpaceMode>))),
    ("peers", Named(|_| None, &Table(PEER))),
    ("journal", Table(JOURNAL)),
    ("enrolment", Table(ENROLMENT)),
    ("http", Table(HTTP)),
];

const PEER: &[(&str, Shape)] = &[
    ("address", Value(reads::<PeerAddress>)),
    ("relay", Value(reads::<bool>)),
    ("hub", Value(reads::<bool>)),
    ("renews", Value(reads::<bool>)),
    ("snapshots", Value(reads::<bool>)),
    ("send_kbit_s_max", Value(reads::<NonZeroU32>)),
    ("receive_kbit_s_max", Value(reads::<NonZeroU32>)),
    ("schedule", Table(SCHEDULE)),
    ("spaces", Named(no_space, &Table(ACCESS))),
];

const ACCESS: &[(&str, Shape)] = &[("read", Value(reads::<bool>)), ("write", Value(reads::<bool>))];

const SCHEDULE: &[(&str, Shape)] = &[
    ("every", Value(reads::<Span>)),
    ("between", Value(reads::<Vec<Window>>)),
    ("at_once", Value(reads::<Vec<SpaceName>>)),
];

const JOURNAL: &[(&str, Shape)] = &[("keep", Value(reads::<Span>)), ("mib_max", Value(reads::<NonZeroU32>))];

const ENROLMENT: &[(&str, Shape)] = &[
    ("address", Value(reads::<PeerAddress>)),
    ("certificate", Value(reads::<Span>)),
    ("grace", Value(reads::<Span>)),
];

const HTTP: &[(&str, Shape)] = &[
    ("listen", Value(reads::<SocketAddr>)),
    ("tls", Value(reads::<bool>)),
    ("connections_max", Value(reads::<NonZeroU32>)),
    ("requests_max", Value(reads::<NonZeroU32>)),
    ("watches_max", Value(reads::<NonZeroU32>)),
    ("lines_max", Value(reads::<NonZeroU32>)),
    ("body_kib_max", Value(reads::<NonZeroU32>)),
    ("bodies_mib_max", Value(reads::<NonZeroU32>)),
    ("depth_max", Value(reads::<NonZeroU32>)),
    ("time_max", Value(reads::<Span>)),
    ("idempotency_keys_max", Value(reads::<NonZeroU32>)),
    ("loopback_without_token", Value(reads::<bool>)),
    ("allow_origins", Value(reads::<PageOrigins>)),
];

fn reads<T: DeserializeOwned>(value: Spanned<DeValue<'_>>) -> Result<(), toml::de::Error> {
    T::deserialize(ValueDeserializer::from(value)).map(drop)
}

/// What is wrong with the name of a space.
fn no_space(name: &str) -> Option<String> {
    SpaceName::try_from(name.to_owned()).err().map(|error| error.to_string())
}

/// What was found in a file.
#[derive(Default)]
pub(super) struct Inspected {
    /// Each value by its path from the root (`peers.hub.address`), with its line.
    pub(super) lines: BTreeMap<String, usize>,
    pub(super) errors: Vec<ConfigError>,
}

/// Looks at each key of a text. One that is no TOML at all has a single error.
pub(super) fn inspect(text: &str, file: &Path) -> Inspected {
    let mut inspected = Inspected::default();
    match DeTable::parse(text) {
        Ok(root) => {
            let root = root.into_inner();
            let lines = Lines::of(text);
            Inspector { text, lines, file, inspected: &mut inspected }.table(&root, "", ROOT);
            if !root.contains_key("spaces") {
                let error =
                    ConfigError::Missing { path: file.to_owned(), key: "spaces", example: "[spaces]" };
                inspected.errors.push(error);
            }
        }
        Err(error) => inspected.errors.push(ConfigError::parse(file, text, "", &error)),
    }
    inspected
}

struct Inspector<'a> {
    text: &'a str,
    lines: Lines,
    file: &'a Path,
    inspected: &'a mut Inspected,
}

impl Inspector<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &str, known: &'static [(&'static str, Shape)]) {
        for (key, value) in table {
            let (name, line) = (key.get_ref().as_ref(), self.lines.line(key.span().start));
            let path = join(path, name);
            match known.iter().find(|(known, _)| *known == name) {
                Some((_, shape)) => self.place(value, &path, line, shape),
                None => {
                    let at = Source::File { path: self.file.to_owned(), line };
                    let names = || known.iter().map(|(known, _)| *known);
                    let (nearest, known) = (nearest(name, names()), names().collect());
                    self.found(ConfigError::UnknownKey { at, key: path, nearest, known });
                }
            }
        }
    }

    fn place(&mut self, value: &Spanned<DeValue<'_>>, path: &str, line: usize, shape: &'static Shape) {
        self.inspected.lines.insert(path.to_owned(), line);
        match (shape, value.get_ref()) {
            (Table(known), DeValue::Table(table)) => self.table(table, path, known),
            (Named(no_name, shape), DeValue::Table(table)) => {
                for (key, value) in table {
                    let line = self.lines.line(key.span().start);
                    let path = join(path, key.get_ref());
                    match no_name(key.get_ref()) {
                        Some(message) => self.unfit(&path, line, &message),
                        None => self.place(value, &path, line, shape),
                    }
                }
            }
            (Table(_) | Named(..), _) => {
                let message = format!("a table belongs here, as in [{path}]");
                self.unfit(path, line, &message);
            }
            (Value(read), _) => {
                if let Err(error) = read(value.clone()) {
                    self.unfit(path, line, error.message());
                }
            }
        }
    }

    fn unfit(&mut self, key: &str, line: usize, message: &str) {
        self.found(ConfigError::syntax(self.file, self.text, line, &format!("{key}: {message}")));
    }

    fn found(&mut self, error: ConfigError) {
        if self.inspected.errors.len() < ERRORS_MAX {
            self.inspected.errors.push(error);
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    fn keys(table: &'static [(&'static str, Shape)]) -> Vec<&'static str> {
        let mut keys: Vec<_> = table.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys
    }

    fn written(value: &impl Serialize) -> Vec<String> {
        let mut keys: Vec<String> = toml::Table::try_from(value).unwrap().keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// Each field differs from its default, so that each is written.
    #[test]
    fn the_keys_are_those_that_are_read() {
        let enrolment = EnrolmentConfig { address: Some("hub:7400".parse().unwrap()), ..Default::default() };
        let schedule = ScheduleConfig {
            every: Some(Span(EVERY_MIN)),
            between: vec!["22:00-05:00".parse().unwrap()],
            at_once: vec![SpaceName::try_from("alerts".to_owned()).unwrap()],
        };
        let peer = PeerConfig {
            address: enrolment.address.clone(),
            relay: true,
            hub: true,
            renews: true,
            snapshots: true,
            send_kbit_s_max: NonZeroU32::new(1),
            receive_kbit_s_max: NonZeroU32::new(1),
            schedule: Some(schedule.clone()),
            spaces: BTreeMap::new(),
        };
        let journal = JournalConfig { keep: Span(EVERY_MIN), ..Default::default() };
        let any = "127.0.0.1:7400".parse().ok();
        let http = HttpConfig { listen: any, ..Default::default() };
        let config = Config {
            name: "store-1".into(),
            listen: any,
            observe: any,
            sync_interval_ms: NonZeroU32::new(50),
            log: Some("debug".parse().unwrap()),
            log_format: LogFormat::Json,
            hub: true,
            authority: Some(PublicKey([1; 32])),
            takes_own_past: true,
            open_documents_mib_max: NonZeroU32::new(64),
            spaces: BTreeMap::new(),
            peers: [("hub".to_owned(), peer.clone())].into(),
            journal: journal.clone(),
            enrolment: enrolment.clone(),
            http: http.clone(),
        };
        assert_eq!(keys(HTTP), written(&http));
        assert_eq!(keys(ROOT), written(&config));
        assert_eq!(keys(PEER), written(&peer));
        assert_eq!(keys(ACCESS), written(&PeerAccess::default()));
        assert_eq!(keys(ENROLMENT), written(&enrolment));
        assert_eq!(keys(JOURNAL), written(&journal));
        assert_eq!(keys(SCHEDULE), written(&schedule));
    }

    /// Variables make those that are in no table of names.
    #[test]
    fn what_needs_no_name_has_a_variable() {
        fn gather(table: &'static [(&'static str, Shape)], path: &str, keys: &mut Vec<String>) {
            for (key, shape) in table {
                let path = join(path, key);
                match shape {
                    Table(table) => gather(table, &path, keys),
                    Named(..) => {}
                    Value(_) => keys.push(path),
                }
            }
        }
        let mut keys = Vec::new();
        gather(ROOT, "", &mut keys);
        assert_eq!(keys, settings::SETTINGS.iter().map(|setting| setting.key).collect::<Vec<_>>());
    }
}
