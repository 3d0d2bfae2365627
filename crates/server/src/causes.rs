//! Errors in words, with what lies below them.

use std::error::Error;
use std::io;

/// What to do about a full disk.
pub(crate) const FULL_DISK_HINT: &str =
    "free space on the disk of the data directory, then try again; nothing is lost";

/// What to do about a limit of open files that is too low.
pub(crate) const DESCRIPTORS_HINT: &str = "the limit of open files is too low: LimitNOFILE=4096 in the unit of systemd, or `ulimit -n 4096` before it is started";

/// The system has no more descriptors, the process may have no more: Linux' numbers, which the standard library names in no
/// kind of error.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// An error with its causes, as far as it does not name them itself.
pub(crate) fn in_words(error: &dyn Error) -> String {
    let mut told = error.to_string();
    for cause in below(error) {
        let text = cause.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
    }
    told
}

/// Whether the system said somewhere below that there is no room.
pub(crate) fn is_of_full_disk(error: &(dyn Error + 'static)) -> bool {
    any_io(error, |error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

/// Whether the system said somewhere below that a file is not there.
pub(crate) fn is_of_missing_file(error: &(dyn Error + 'static)) -> bool {
    any_io(error, |error| error.kind() == io::ErrorKind::NotFound)
}

/// Whether the system said somewhere below that there are no more file descriptors.
pub(crate) fn is_of_descriptors(error: &(dyn Error + 'static)) -> bool {
    any_io(error, |error| matches!(error.raw_os_error(), Some(ENFILE | EMFILE)))
}

fn any_io(error: &(dyn Error + 'static), is_it: impl Fn(&io::Error) -> bool) -> bool {
    let is_it = |error: &(dyn Error + 'static)| error.downcast_ref::<io::Error>().is_some_and(&is_it);
    is_it(error) || below(error).any(is_it)
}

fn below<'e>(error: &'e (dyn Error + 'e)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'e (dyn Error + 'static)| (*cause).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it did not open")]
    struct Outer {
        source: io::Error,
    }

    #[test]
    fn what_the_system_said_is_found_below_and_told_once() {
        let outer = |code| Outer { source: io::Error::from_raw_os_error(code) };
        assert!(is_of_descriptors(&outer(EMFILE)) && is_of_descriptors(&outer(ENFILE)));
        assert!(!is_of_descriptors(&outer(2)) && is_of_missing_file(&outer(2)));
        assert!(is_of_full_disk(&outer(28)) && !is_of_full_disk(&outer(2)));
        assert!(in_words(&outer(EMFILE)).starts_with("it did not open: Too many open files"));
    }
}
