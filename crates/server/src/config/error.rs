use super::{CERTIFICATE_MIN, CONFIG_BYTES_MAX, EVERY_MIN, line};
use document::Space;
use std::io;
use std::path::{Path, PathBuf};

/// Why a configuration is not used. A line of 0 stands for one that could not be found.
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
    /// Not TOML, an unknown key, or a value that does not fit.
    #[error("{}:{line}: {message}\n  in: {excerpt}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong and what would be right.
        message: String,
        /// The line itself, which has the key.
        excerpt: String,
    },
    /// A peer of the replica's own name.
    #[error("{}:{line}: peers.{name} is this replica itself: name the other one", path.display())]
    OwnPeer {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// Certificates would run out before they are renewed.
    #[error(
        "{}:{line}: enrolment.certificate: a certificate is valid for {} s at least, as in \"30d\"",
        path.display(), CERTIFICATE_MIN.as_secs()
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// A schedule that cannot be kept.
    #[error("{}:{line}: peers.{peer}.schedule: {cause}", path.display())]
    Schedule {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Whose.
        peer: String,
        /// What is wrong with it.
        cause: ScheduleFault,
    },
    /// A peer shares a space that the replica does not carry.
    #[error(
        "{}:{line}: peers.{peer}.spaces.{space}: this replica does not carry '{space}': \
         add it to [spaces], or remove it here", path.display()
    )]
    UnknownSpace {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
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

impl ConfigError {
    pub(super) fn parse(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map_or(0, |span| line::of_offset(text, span.start));
        let excerpt = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim().to_owned();
        let message = error.message().replace('\n', "; ");
        Self::Syntax { path: path.to_owned(), line, message, excerpt }
    }
}
