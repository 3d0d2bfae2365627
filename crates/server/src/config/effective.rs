//! The configuration that holds: the file's, overruled by variables, overruled by flags.

use super::keys::{Inspected, inspect};
use super::settings::SETTINGS;
use super::{CONFIG_BYTES_MAX, Config, ConfigError, ConfigErrors, Layers, Source};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A configuration, and where each setting comes from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// What holds.
    pub config: Config,
    /// What may not be as it was meant, in words.
    pub warnings: Vec<String>,
    path: PathBuf,
    /// Lines of the file by key.
    lines: BTreeMap<String, usize>,
    /// Keys that variables and flags overruled.
    overruled: BTreeMap<String, Source>,
}

/// One setting, to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its path from the root: `peers.hub.address`.
    pub key: String,
    /// None: nobody said anything, and there is no value.
    pub value: Option<String>,
    /// What holds without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<&'static str>,
    /// Where it comes from.
    pub from: Source,
}

impl Effective {
    /// Reads the file, puts variables and flags over it and checks what comes of it.
    ///
    /// # Errors
    /// All that is wrong, with file and line, variable or flag.
    pub fn load(path: &Path, layers: &Layers) -> Result<Self, ConfigErrors> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(failed)?;
        let bytes = file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
        if bytes as u64 > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLong { path: path.to_owned() }.into());
        }
        Self::parse(&text, path, layers)
    }

    /// As [`Effective::load`], for the text of a file at `path`.
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str, path: &Path, layers: &Layers) -> Result<Self, ConfigErrors> {
        let Inspected { lines, mut errors } = inspect(text, path);
        let mut config = match toml::from_str::<Config>(text) {
            Ok(config) => config,
            Err(error) => {
                if errors.is_empty() {
                    errors.push(ConfigError::parse(path, text, "", &error));
                }
                // For what variables and flags say: it is told, too.
                Config::default()
            }
        };
        let is_readable = errors.is_empty();
        let overruled = layers.apply(&mut config, &mut errors);
        let warnings = layers.unknown(&mut errors);
        let mut effective = Self { config, warnings, path: path.to_owned(), lines, overruled };
        let doubts = effective.config.doubts(&effective);
        effective.warnings.extend(doubts);
        if is_readable {
            effective.config.check(&effective, &mut errors);
        }
        if errors.is_empty() { Ok(effective) } else { Err(ConfigErrors(errors)) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a setting comes from, by its path from the root.
    #[must_use]
    pub fn source(&self, key: &str) -> Source {
        if let Some(source) = self.overruled.get(key) {
            return source.clone();
        }
        match self.lines.get(key) {
            Some(line) => Source::File { path: self.path.clone(), line: *line },
            None => Source::Default,
        }
    }

    /// Every setting that there is, those without a value too; of spaces and peers what differs from saying nothing.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let settings = SETTINGS.iter().map(|setting| {
            let value = (setting.get)(&self.config);
            let without = value.is_none().then_some(setting.absent);
            (setting.key.to_owned(), value, without)
        });
        let mut named = Vec::new();
        // Texts, numbers and tables of them: there is nothing that TOML has no form for.
        let tables = [
            ("spaces", toml::Value::try_from(&self.config.spaces)),
            ("peers", toml::Value::try_from(&self.config.peers)),
        ];
        for (key, table) in tables {
            if let Ok(table) = table {
                gather(key.to_owned(), &table, &mut named);
            }
        }
        let named = named.into_iter().map(|(key, value)| (key, Some(value), None));
        let all = settings.chain(named);
        all.map(|(key, value, without)| Shown { from: self.source(&key), key, value, without }).collect()
    }
}

/// The values in a table by their paths.
fn gather(path: String, value: &toml::Value, values: &mut Vec<(String, String)>) {
    if let toml::Value::Table(table) = value {
        for (key, value) in table {
            gather(format!("{path}.{key}"), value, values);
        }
    } else {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        values.push((path, text));
    }
}
