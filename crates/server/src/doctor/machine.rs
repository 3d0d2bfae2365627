//! The machine: its clock, disk and limits.

use super::{Finding, Patient, State, in_words};
use crate::clock::CLOCK_MIN;
use crate::enrolment::date;
use crate::open_files::OPEN_FILES_AMPLE;
use replica::Room;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use store::{BALLAST_BYTES_MAX, DiskRoom, disk_room};

/// So far a clock may go back without anybody asking why.
const CLOCK_BACK: Duration = Duration::from_hours(1);

/// Syncs that are timed; the median counts.
const SYNCS: usize = 5;

/// From here on each write waits noticeably.
const SYNC_SLOW: Duration = Duration::from_millis(100);

/// What a replica takes at its peak, with room for its documents.
const MEMORY_MIN_BYTES: u64 = 128 * 1024 * 1024;

/// Longest file of `/proc` or `/sys` that is read.
const SYSTEM_FILE_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn clock(patient: &Patient<'_>, now: Duration) -> Finding {
    let written = fs::metadata(patient.directory.store().join("high-water")).and_then(|mark| mark.modified());
    let written = written.ok().and_then(|written| written.duration_since(SystemTime::UNIX_EPOCH).ok());
    judge_clock(now, written)
}

/// `written` is when the store was last written.
fn judge_clock(now: Duration, written: Option<Duration>) -> Finding {
    const CHECK: &str = "clock";
    const HINT: &str = "set the clock, best by NTP: with a wrong one no certificate is valid, and changes are shown at wrong times";
    let shows = date(now);
    if now < CLOCK_MIN {
        return Finding::fail(CHECK, format!("it shows {shows}, before this program was made"))
            .with_hint(HINT);
    }
    match written.filter(|written| *written > now.saturating_add(CLOCK_BACK)) {
        Some(written) => {
            let found =
                format!("it shows {shows}, but the store was written at {}: it went back", date(written));
            Finding::fail(CHECK, found).with_hint(HINT)
        }
        None => Finding::ok(CHECK, shows),
    }
}

/// Whether there is a store in a format of this version. Its rows are not read: `isle verify` does that.
pub(super) fn store(patient: &Patient<'_>) -> Option<Finding> {
    const CHECK: &str = "store";
    let path = patient.directory.store();
    Some(match store::format(&path) {
        Ok(None) => Finding::ok(CHECK, "none yet: the first start makes one"),
        Ok(Some(_)) if patient.is_running => Finding::ok(CHECK, path.display().to_string()),
        Ok(Some(_)) => {
            Finding::ok(CHECK, format!("{}; its rows were not looked at: `isle verify` does", path.display()))
        }
        Err(error) => Finding::fail(CHECK, in_words(&error)),
    })
}

pub(super) fn disk(patient: &Patient<'_>) -> Finding {
    const CHECK: &str = "disk";
    let path = stored_in(patient);
    match disk_room(&path) {
        Ok(room) => judge_disk(room, patient.directory.store().join("ballast").exists()),
        Err(error) => Finding::fail(CHECK, format!("nothing can be said of {}: {error}", path.display())),
    }
}

fn judge_disk(disk: DiskRoom, has_ballast: bool) -> Finding {
    const CHECK: &str = "disk";
    let mib = |bytes: u64| bytes / (1024 * 1024);
    let free = format!("{} MiB of {} free", mib(disk.free_bytes), mib(disk.size_bytes));
    let (state, what) = match disk.room {
        Room::Ample if has_ballast => {
            (State::Ok, format!("; {} MiB at most kept for bad times", mib(BALLAST_BYTES_MAX)))
        }
        Room::Ample => (State::Ok, String::new()),
        Room::Low => (State::Warn, ": little room is left".to_owned()),
        Room::Shed => {
            (State::Warn, ": it is nearly full, and fills, indexes and imports are put off".to_owned())
        }
        Room::ReadOnly => (State::Fail, ": it is full, and writes are refused".to_owned()),
    };
    let finding = Finding::new(state, CHECK, free + &what);
    if state == State::Ok {
        finding
    } else {
        finding.with_hint("free space on it, or give the data directory a larger one")
    }
}

/// What each write waits for.
pub(super) fn sync(patient: &Patient<'_>) -> Finding {
    const CHECK: &str = "sync";
    match median_sync(&stored_in(patient)) {
        Ok(took) if took > SYNC_SLOW => {
            Finding::warn(CHECK, format!("{} ms: each write waits for that", took.as_millis())).with_hint(
                "a faster disk, or `sync_interval_ms`, which a power cut makes lose the last interval",
            )
        }
        Ok(took) => Finding::ok(CHECK, format!("{:.1} ms", took.as_secs_f64() * 1_000.0)),
        Err(error) => Finding::fail(CHECK, format!("a file cannot be written and synced: {error}")),
    }
}

fn median_sync(directory: &Path) -> io::Result<Duration> {
    let mut file = tempfile::tempfile_in(directory)?;
    let mut took = Vec::new();
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took.get(SYNCS / 2).copied().unwrap_or_default())
}

/// Where rows are, or will be.
fn stored_in(patient: &Patient<'_>) -> PathBuf {
    let store = patient.directory.store();
    if store.is_dir() { store } else { patient.directory.path().to_owned() }
}

/// Of the running server, or of this process, which a server started alike has too.
pub(super) fn limits(patient: &Patient<'_>) -> Vec<Finding> {
    let holder = patient.status.as_ref().and_then(|_| patient.directory.holder());
    let process = holder.map_or_else(|| "self".to_owned(), |process| process.to_string());
    let open_files = read(&format!("/proc/{process}/limits")).and_then(|limits| open_files_of(&limits));
    let groups = read(&format!("/proc/{process}/cgroup"));
    let memory = groups.and_then(|groups| memory_of(&groups, read));
    vec![judge_memory(memory), judge_open_files(open_files)]
}

fn judge_memory(limit_bytes: Option<u64>) -> Finding {
    const CHECK: &str = "memory";
    let mib = |bytes: u64| bytes / (1024 * 1024);
    match limit_bytes {
        None => Finding::ok(CHECK, "not limited"),
        Some(bytes) if bytes < MEMORY_MIN_BYTES => {
            Finding::warn(CHECK, format!("limited to {} MiB by its control group", mib(bytes)))
                .with_hint(format!("give it {} MiB, or it is killed at its peak", mib(MEMORY_MIN_BYTES)))
        }
        Some(bytes) => Finding::ok(CHECK, format!("limited to {} MiB by its control group", mib(bytes))),
    }
}

fn judge_open_files(limit: Option<u64>) -> Finding {
    const CHECK: &str = "open files";
    match limit {
        None => Finding::ok(CHECK, "not limited, or the system does not say"),
        Some(limit) if limit < OPEN_FILES_AMPLE => Finding::warn(CHECK, format!("limited to {limit}"))
            .with_hint(format!("allow {OPEN_FILES_AMPLE}: `ulimit -n`, or LimitNOFILE= of the unit")),
        Some(limit) => Finding::ok(CHECK, format!("limited to {limit}")),
    }
}

/// The hard limit in `/proc/PID/limits`, to which a server raises its own.
fn open_files_of(limits: &str) -> Option<u64> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(4)?.parse().ok()
}

/// The lowest limit of a process's control group and of those above it; `groups` is `/proc/PID/cgroup`.
fn memory_of(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    // Version 2 has one line, "0::/path"; version 1 one for each controller.
    let of = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        match controllers {
            "" => Some(("/sys/fs/cgroup", path.to_owned(), "memory.max")),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some(("/sys/fs/cgroup/memory", path.to_owned(), "memory.limit_in_bytes"))
            }
            _ => None,
        }
    };
    let limits = groups.lines().filter_map(of).flat_map(|(root, path, file)| {
        let above = Path::new(&path).ancestors().map(Path::to_owned).collect::<Vec<_>>();
        let read = &read;
        above.into_iter().filter_map(move |group| {
            let group = group.display().to_string();
            let group = group.trim_end_matches('/');
            read(&format!("{root}{group}/{file}"))?.trim().parse::<u64>().ok()
        })
    });
    // Version 1 says "no limit" by a number near its largest.
    limits.min().filter(|bytes| *bytes < 1 << 60)
}

fn read(path: &str) -> Option<String> {
    let mut text = String::new();
    let file = fs::File::open(path).ok()?;
    io::Read::read_to_string(&mut io::Read::take(file, SYSTEM_FILE_BYTES_MAX), &mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_clock_in_1970_and_one_that_went_back_are_found() {
        let of_1970 = judge_clock(Duration::from_secs(9), None);
        assert_eq!(of_1970.state, State::Fail);
        assert!(
            of_1970.found.contains("1970-01-01T00:00:09Z") && of_1970.hint.unwrap().contains("set the clock")
        );
        for (written, state) in
            [(None, State::Ok), (Some(NOW + HOUR), State::Ok), (Some(NOW + 2 * HOUR), State::Fail)]
        {
            assert_eq!(judge_clock(NOW, written).state, state, "{written:?}");
        }
    }

    #[test]
    fn a_disk_is_judged_by_its_room() {
        let disk = |room| DiskRoom { size_bytes: 1 << 30, free_bytes: 1 << 20, room };
        let states = [Room::Ample, Room::Low, Room::Shed, Room::ReadOnly]
            .map(|room| judge_disk(disk(room), true).state);
        assert_eq!(states, [State::Ok, State::Warn, State::Warn, State::Fail]);
        assert!(judge_disk(disk(Room::ReadOnly), true).found.starts_with("1 MiB of 1024 free: it is full"));
    }

    #[test]
    fn a_limit_of_open_files_is_read_and_judged() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            64                   256                  files     \n";
        assert_eq!(open_files_of(limits), Some(256));
        assert_eq!(open_files_of("Max open files            1024  unlimited files\n"), None);
        assert_eq!(judge_open_files(Some(256)).state, State::Warn);
        assert_eq!(judge_open_files(Some(1_024)).state, State::Ok);
    }

    #[test]
    fn the_lowest_memory_limit_of_all_groups_above_counts() {
        let read = |path: &str| {
            Some(
                match path {
                    "/sys/fs/cgroup/site/isle/memory.max" => "max\n",
                    "/sys/fs/cgroup/site/memory.max" => "67108864\n",
                    "/sys/fs/cgroup/memory/isle/memory.limit_in_bytes" => "9223372036854771712\n",
                    _ => return None,
                }
                .to_owned(),
            )
        };
        assert_eq!(memory_of("0::/site/isle\n", read), Some(64 * 1024 * 1024));
        assert_eq!(memory_of("5:cpu:/isle\n4:memory,hugetlb:/isle\n", read), None);
        assert_eq!(memory_of("nonsense", read), None);
        assert_eq!(judge_memory(Some(64 * 1024 * 1024)).state, State::Warn);
        assert_eq!(judge_memory(None).state, State::Ok);
    }

    #[test]
    fn a_sync_is_timed_and_leaves_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        assert!(median_sync(temporary.path()).unwrap() > Duration::ZERO);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }
}
