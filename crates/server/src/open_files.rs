//! The limit of open files of this process.
//!
//! Systems start programs with a low soft limit (1,024) under a high hard one, for the sake of those that use `select`. A
//! server keeps files of its store open and takes a descriptor for each connection, so that it raises its own limit as far
//! as it may.

use crate::causes::DESCRIPTORS_HINT;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The store's files, 64 services, monitoring and sockets, with room.
pub(crate) const OPEN_FILES_AMPLE: u64 = 512;

/// With fewer a server may start, and then fails where it first opens a file more.
const OPEN_FILES_MIN: u64 = 64;

/// Fewer files than a server opens.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process may have {limit} files open, and a server needs {OPEN_FILES_MIN} at the very least")]
pub struct OpenFilesError {
    /// How many it may have.
    pub limit: u64,
}

/// Raises this process's limit to what it may be raised to.
///
/// # Errors
///
/// [`OpenFilesError`] if that is too low to start with.
pub(crate) fn raise() -> Result<(), OpenFilesError> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit =
        if current == maximum || setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
            current
        } else {
            maximum
        };
    judge(limit)
}

/// `limit` is `None` where there is none.
fn judge(limit: Option<u64>) -> Result<(), OpenFilesError> {
    match limit {
        Some(limit) if limit < OPEN_FILES_MIN => Err(OpenFilesError { limit }),
        Some(limit) if limit < OPEN_FILES_AMPLE => {
            tracing::warn!(limit, "this process may have few files open: {DESCRIPTORS_HINT}");
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_judged() {
        assert_eq!(judge(Some(OPEN_FILES_MIN - 1)), Err(OpenFilesError { limit: OPEN_FILES_MIN - 1 }));
        for enough in [Some(OPEN_FILES_MIN), Some(OPEN_FILES_AMPLE), None] {
            assert_eq!(judge(enough), Ok(()));
        }
    }
}
