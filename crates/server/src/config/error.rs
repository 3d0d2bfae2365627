use super::{CERTIFICATE_MIN, CONFIG_BYTES_MAX, EVERY_MIN, Source, line};
use document::Space;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// All that is wrong with a configuration: one error at least.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    /// A line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {
    /// What the system said, where it has to do with it.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.first().and_then(std::error::Error::source)
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file system refused.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// No configuration is that long.
    #[error("{} is longer than {CONFIG_BYTES_MAX} bytes: it is no configuration", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Not TOML, or a value that does not fit.
    #[error("{}:{line}: {message}\n  in: {excerpt}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1; 0 stands for one that could not be found.
        line: usize,
        /// The key, what is wrong and what would be right.
        message: String,
        /// The line itself.
        excerpt: String,
    },
    /// A key that nobody reads.
    #[error("{at}: {key}: there is no such key{}", suggested(*nearest, known))]
    UnknownKey {
        /// Where it is.
        at: Source,
        /// Its path from the root.
        key: String,
        /// Which one was meant.
        nearest: Option<&'static str>,
        /// All that can stand there.
        known: Vec<&'static str>,
    },
    /// A variable of the program's that makes no setting, and is nearly one that does.
    #[error("there is no variable {name}: did you mean {meant}?")]
    UnknownVariable {
        /// Its name.
        name: String,
        /// Which one was meant.
        meant: String,
    },
    /// A variable or flag with a value that does not fit.
    #[error("{at} = '{given}': {key}: {message}; as in {example}")]
    Setting {
        /// Which.
        at: Source,
        /// The setting.
        key: &'static str,
        /// The value.
        given: String,
        /// What is wrong with it.
        message: String,
        /// What would be right.
        example: &'static str,
    },
    /// What every replica has to say.
    #[error("{}: {key} is missing: add {example}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What to add.
        example: &'static str,
    },
    /// A peer of the replica's own name.
    #[error("{at}: peers.{name} is this replica itself: name the other one")]
    OwnPeer {
        /// Where it is.
        at: Source,
        /// The name.
        name: String,
    },
    /// Certificates would run out before they are renewed.
    #[error(
        "{at}: enrolment.certificate: a certificate is valid for {} s at least, as in \"30d\"",
        CERTIFICATE_MIN.as_secs()
    )]
    Certificate {
        /// Where it is.
        at: Source,
    },
    /// TLS where there is no network.
    #[error("{at}: http.tls: nothing is served over TCP: add listen, as in \"0.0.0.0:7480\", or remove it")]
    TlsNowhere {
        /// Where it is.
        at: Source,
    },
    /// A number that is too small or too large.
    #[error("{at}: {key} is from {least} to {most}")]
    OutOfRange {
        /// Where it is.
        at: Source,
        /// Which.
        key: &'static str,
        /// The smallest that is taken.
        least: u32,
        /// The largest.
        most: u32,
    },
    /// The hub would dial a site.
    #[error(
        "{at}: peers.{peer}.address: a hub dials no site, which may be behind any router: give the hub's address to the \
         site and remove this line; of another hub say peers.{peer}.hub = true"
    )]
    HubDials {
        /// Where it is.
        at: Source,
        /// Whose.
        peer: String,
    },
    /// A schedule that cannot be kept.
    #[error("{at}: peers.{peer}.schedule: {cause}")]
    Schedule {
        /// Where it is.
        at: Source,
        /// Whose.
        peer: String,
        /// What is wrong with it.
        cause: ScheduleFault,
    },
    /// A peer shares a space that the replica does not carry.
    #[error(
        "{at}: peers.{peer}.spaces.{space}: this replica does not carry '{space}': \
         add it to [spaces], or remove it here"
    )]
    UnknownSpace {
        /// Where it is.
        at: Source,
        /// Whose.
        peer: String,
        /// Which.
        space: Space,
    },
}

/// What is wrong with a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleFault {
    /// Nobody dials.
    #[error("this peer dials, so the schedule is its own: give an address, or write the schedule there")]
    NoAddress,
    /// A standing connection costs less.
    #[error("every is {} s at least, as in \"5m\"; without it the connection stands", EVERY_MIN.as_secs())]
    TooOften,
    /// Changes of a space that is not here.
    #[error("at_once names '{0}', which this replica does not carry: add it to [spaces], or remove it here")]
    UnknownSpace(Space),
}

fn suggested(nearest: Option<&str>, known: &[&str]) -> String {
    match nearest {
        Some(nearest) => format!(": did you mean '{nearest}'?"),
        None => format!("; here can stand {}", known.join(", ")),
    }
}

impl ConfigError {
    pub(super) fn parse(path: &Path, text: &str, key: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map_or(0, |span| line::Lines::of(text).line(span.start));
        Self::syntax(path, text, line, &format!("{key}{}", error.message()))
    }

    pub(super) fn syntax(path: &Path, text: &str, line: usize, message: &str) -> Self {
        let excerpt = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim().to_owned();
        Self::Syntax { path: path.to_owned(), line, message: message.replace('\n', "; "), excerpt }
    }
}
