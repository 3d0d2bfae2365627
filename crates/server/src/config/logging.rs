//! What is logged, and how.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tracing_subscriber::EnvFilter;

/// How lines of the log look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line, for what collects logs.
    Json,
}

impl LogFormat {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A text that names no form of the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are the forms text and json")]
pub struct LogFormatError;

impl FromStr for LogFormat {
    type Err = LogFormatError;
    fn from_str(text: &str) -> Result<Self, LogFormatError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogFormatError),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Which events are logged: `debug`, `warn,transport=trace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogFilter(String);

/// A text that is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{given}' says nothing about what is logged: write a level (error, warn, info, debug, trace), or one of a module, as in warn,transport=debug"
)]
pub struct LogFilterError {
    /// What was given.
    pub given: String,
}

impl LogFilter {
    /// The text, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;
    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        match EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(LogFilterError { given: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for LogFilter {
    type Error = LogFilterError;
    fn try_from(text: String) -> Result<Self, LogFilterError> {
        text.parse()
    }
}

impl From<LogFilter> for String {
    fn from(filter: LogFilter) -> Self {
        filter.0
    }
}
