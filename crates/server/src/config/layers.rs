//! What overrules the file: variables of the environment, and over them flags.

use super::nearest::{is_slip, nearest};
use super::settings::{SETTINGS, Setting};
use super::{Config, ConfigError, Source};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// What the names of the program's variables begin with.
const PREFIX: &str = "ISLE_";

/// Variables that are no settings: the data directory of all commands.
const OTHERS: [&str; 1] = ["ISLE_DATA"];

/// What those of the project's tests begin with.
const TESTS_PREFIX: &str = "ISLE_TESTS_";

/// Variables and flags, as they were given.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    variables: BTreeMap<String, OsString>,
    /// By key of the setting.
    flags: BTreeMap<&'static str, String>,
}

impl Layers {
    /// The variables of this process, and no flags.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::of_variables(std::env::vars_os())
    }

    pub(super) fn of_variables(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let named = variables.filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value)));
        let own = named.filter(|(name, value)| {
            name.starts_with(PREFIX) && !name.starts_with(TESTS_PREFIX) && !value.is_empty()
        });
        Self { variables: own.collect(), flags: BTreeMap::new() }
    }

    /// With the value of a flag, which makes the setting `key`.
    pub(crate) fn with_flag(mut self, key: &'static str, value: Option<impl ToString>) -> Self {
        self.flags.extend(value.map(|value| (key, value.to_string())));
        self
    }

    /// Puts them over what the file says, and says for each setting that it made where it came from.
    pub(super) fn apply(
        &self,
        config: &mut Config,
        errors: &mut Vec<ConfigError>,
    ) -> BTreeMap<String, Source> {
        let mut sources = BTreeMap::new();
        for setting in SETTINGS {
            let name = setting.variable();
            let variable =
                self.variables.get(&name).map(|value| (Source::Variable { name }, value.as_os_str()));
            let flag = self.flags.get(setting.key);
            let flag = flag.map(|value| (Source::Flag { name: setting.flag() }, OsStr::new(value)));
            for (at, value) in variable.into_iter().chain(flag) {
                match set(setting, config, value) {
                    Ok(()) => drop(sources.insert(setting.key.to_owned(), at)),
                    Err(message) => {
                        let given = value.to_string_lossy().into_owned();
                        let example = setting.example;
                        errors.push(ConfigError::Setting { at, key: setting.key, given, message, example });
                    }
                }
            }
        }
        sources
    }

    /// Variables that make no setting: a slip of the keyboard is an error, anything else a warning, because
    /// orchestrators set variables of their own for a service that is called isle (`ISLE_PORT`).
    pub(super) fn unknown(&self, errors: &mut Vec<ConfigError>) -> Vec<String> {
        let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        let is_known = |name: &str| known.iter().any(|known| known == name) || OTHERS.contains(&name);
        let mut warnings = Vec::new();
        for name in self.variables.keys().filter(|name| !is_known(name)) {
            let bare = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
            let mut all = known.iter().map(String::as_str).chain(OTHERS);
            let meant = all.find(|known| is_slip(&bare(name), &bare(known)));
            if let Some(meant) = meant {
                errors.push(ConfigError::UnknownVariable { name: name.clone(), meant: meant.to_owned() });
                continue;
            }
            let key = name.trim_start_matches(PREFIX);
            let near = nearest(&key.replace('_', "."), SETTINGS.iter().map(|setting| setting.key));
            let near = SETTINGS.iter().find(|setting| Some(setting.key) == near).map(Setting::variable);
            let near = near.map(|near| format!("; the nearest that does is {near}")).unwrap_or_default();
            warnings.push(format!("the variable {name} makes no setting{near}"));
        }
        warnings
    }
}

fn set(setting: &Setting, config: &mut Config, value: &OsStr) -> Result<(), String> {
    (setting.set)(config, value.to_str().ok_or("it is no UTF-8")?)
}
