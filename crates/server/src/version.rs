//! The version that a file of the data directory names.

use serde::{Deserialize, Serialize};

/// The one that is known, 1: a file of a later one is not read, as what it says more would be lost when it is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(crate) struct Version;

/// Why a version is refused.
#[derive(Debug, thiserror::Error)]
#[error("version {0} is not known here: a later isle wrote it")]
pub(crate) struct VersionError(u32);

impl TryFrom<u32> for Version {
    type Error = VersionError;
    fn try_from(number: u32) -> Result<Self, VersionError> {
        if number == 1 { Ok(Self) } else { Err(VersionError(number)) }
    }
}

impl From<Version> for u32 {
    fn from(_: Version) -> Self {
        1
    }
}
