//! How much room the disk has, so that fjall never meets a full one.
//!
//! Free space is counted as if the ballast were there, also while it is released: half of its room is for fjall to
//! finish what it has begun, half for batches that were on their way when the room ended. So the core is told, and hands
//! over no more, before a commit must be refused. What fjall is writing out has taken free space already, and is not
//! kept room for a second time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use replica::{Room, StoreError};

use crate::ballast::Ballast;
use crate::engine::Engine;
use crate::queue::QUEUE_BYTES_MAX;

/// Tables are rewritten by compaction beside the old ones; more than this is not rewritten at once.
const COMPACTION_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The least that is kept for fjall: a store just made writes a few small files at any moment.
const NEEDED_BYTES_MIN: u64 = 1024 * 1024;
/// The sizes of tables are summed at most this often: it costs some microseconds for each hundred tables. What they grow by
/// in between must be less than the room that is kept for batches on their way: at 80 MiB a second they are one.
const TABLES_LOOKED_AT: Duration = Duration::from_millis(50);

/// Free space below which a state of room begins: the smaller of a share of the file system and a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Per cent of the file system's size.
    pub percent: u8,
    /// Bytes.
    pub bytes: u64,
}

impl Watermark {
    fn of(self, size: u64) -> u64 {
        (size / 100).saturating_mul(self.percent.into()).min(self.bytes)
    }
}

/// The watermarks of a store. Each is raised to what fjall needs to finish what it has begun, so that on a small disk
/// [`Room::ReadOnly`] still comes before a commit is refused. A state that began ends with a quarter more free space
/// than it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Below it, [`Room::Low`].
    pub low: Watermark,
    /// Below it, [`Room::Shed`].
    pub shed: Watermark,
    /// Below it, [`Room::ReadOnly`].
    pub read_only: Watermark,
}

impl Default for RoomLimits {
    /// A tenth, a twentieth and 3 %: 102, 51 and 30 MiB of a flash partition of 1 GiB; at most 1 GiB, 512 and
    /// 256 MiB.
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            low: Watermark { percent: 10, bytes: 1024 * MIB },
            shed: Watermark { percent: 5, bytes: 512 * MIB },
            read_only: Watermark { percent: 3, bytes: 256 * MIB },
        }
    }
}

/// A file system at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    pub(crate) size: u64,
    pub(crate) free: u64,
}

impl Disk {
    /// What the file system that holds `path` says; costs about a microsecond.
    pub(crate) fn look(path: &Path) -> std::io::Result<Self> {
        let found = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Self { size: bytes(found.f_blocks), free: bytes(found.f_bavail) })
    }
}

/// How much room a disk has for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRoom {
    /// Size of the file system.
    pub size_bytes: u64,
    /// Free space for who is not root.
    pub free_bytes: u64,
    /// What a store that is made there would say, by the watermarks of [`RoomLimits::default`].
    pub room: Room,
}

/// How much room the disk has that holds `path`.
///
/// # Errors
/// What the operating system says.
pub fn disk_room(path: &Path) -> std::io::Result<DiskRoom> {
    let disk = Disk::look(path)?;
    let room = RoomLimits::default().next(Room::Ample, disk, NEEDED_BYTES_MIN, 0);
    Ok(DiskRoom { size_bytes: disk.size, free_bytes: disk.free, room })
}

impl RoomLimits {
    /// The state that follows `now`, with `needed` bytes for fjall itself and `wanted` for a commit that found no room.
    fn next(&self, now: Room, disk: Disk, needed: u64, wanted: u64) -> Room {
        let queue = QUEUE_BYTES_MAX as u64;
        let steps = [
            (Room::ReadOnly, self.read_only, needed.saturating_add(queue.min(disk.size / 32).max(wanted))),
            (Room::Shed, self.shed, needed.saturating_add(needed / 2)),
            (Room::Low, self.low, needed.saturating_mul(2)),
        ];
        for (state, watermark, least) in steps {
            let begins = watermark.of(disk.size).max(least);
            let ends = if now >= state { begins.saturating_add(begins / 4) } else { begins };
            if disk.free < ends {
                return state;
            }
        }
        Room::Ample
    }
}

/// Follows the room of a store's disk.
pub(crate) struct RoomGauge {
    path: PathBuf,
    limits: RoomLimits,
    engine: Arc<Engine>,
    state: Mutex<State>,
}

struct State {
    room: Room,
    ballast: Ballast,
    tables: Option<Tables>,
    /// What a commit takes that found no room; 0 once there is room again. As long as there is none for it, nothing
    /// smaller is let through: the one who hands it over would only try again.
    wanted: u64,
}

/// The sizes of tables when they were last looked at.
#[derive(Clone, Copy)]
struct Tables {
    at: Instant,
    bytes: u64,
    /// Of memtables when room was last looked for.
    memtable_bytes: u64,
}

impl Tables {
    /// Whether they are still about that. Not where there is less in memtables: that is in tables now, and would be counted
    /// nowhere.
    fn hold(&self, now: Instant, memtable_bytes: u64) -> bool {
        now.saturating_duration_since(self.at) < TABLES_LOOKED_AT && memtable_bytes >= self.memtable_bytes
    }
}

/// What a commit of `bytes` takes: the journal, the memtable's table, and as much again for blocks that are not full.
fn taken_by(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(3)
}

impl RoomGauge {
    /// `refused_bytes`: see [`crate::Options`].
    pub(crate) fn new(
        path: &Path,
        (limits, refused_bytes): (RoomLimits, usize),
        engine: Arc<Engine>,
        ballast: Ballast,
    ) -> Self {
        let state = State { room: Room::Ample, ballast, tables: None, wanted: taken_by(refused_bytes) };
        Self { path: path.into(), limits, engine, state: Mutex::new(state) }
    }

    /// Looks at the disk before a commit of `bytes`, 0 for none: one for which there is no room ends the room. Returns
    /// the room if it changed.
    pub(crate) fn look(&self, bytes: usize) -> Option<Room> {
        let mut state = self.lock();
        let (disk, needed) = self.measure(&mut state).ok()?;
        let counted = Disk { free: state.ballast.counted(disk.free), ..disk };
        if counted.free < needed.saturating_add(taken_by(bytes)) {
            state.wanted = state.wanted.max(taken_by(bytes));
        }
        let room = self.limits.next(state.room, counted, needed, state.wanted);
        match room {
            Room::ReadOnly => state.ballast.release(),
            Room::Ample => state.ballast.make(),
            Room::Low | Room::Shed => {}
        }
        if room != Room::ReadOnly {
            state.wanted = 0;
        }
        (std::mem::replace(&mut state.room, room) != room).then_some(room)
    }

    /// Refuses a commit of `bytes` that would leave less than fjall needs, after [`Self::look`] has released the
    /// ballast for it. A file system that does not say what is free is written to.
    pub(crate) fn admit(&self, bytes: usize) -> Result<(), StoreError> {
        let mut state = self.lock();
        // Twice: a memtable that becomes a table while it is measured is counted too high once.
        for _ in 0..2 {
            let Ok((disk, needed)) = self.measure(&mut state) else { return Ok(()) };
            if state.ballast.lent(disk.free) >= needed.saturating_add(taken_by(bytes)) {
                return Ok(());
            }
        }
        Err(StoreError::Full)
    }

    /// The disk, and the bytes that fjall may still take there for what was committed. Free space is looked at last: what
    /// fjall writes meanwhile counts too high, never too low.
    fn measure(&self, state: &mut State) -> std::io::Result<(Disk, u64)> {
        let needed = self.needed(state);
        let disk = Disk::look(&self.path)?;
        if disk.free / 4 > needed {
            return Ok((disk, needed));
        }
        let unfinished = self.engine.unfinished_bytes();
        let needed = needed.saturating_sub(unfinished).max(NEEDED_BYTES_MIN);
        Disk::look(&self.path).map(|disk| (disk, needed))
    }

    /// Bytes that fjall takes in all for what was committed: memtables become tables, and tables are rewritten, those of
    /// memtables too: a memtable that becomes a table takes its room then, and asks for no more.
    fn needed(&self, state: &mut State) -> u64 {
        let now = Instant::now();
        let memtable_bytes = u64::try_from(self.engine.memtable_bytes()).unwrap_or(u64::MAX);
        let tables = match state.tables.filter(|tables| tables.hold(now, memtable_bytes)) {
            Some(tables) => Tables { memtable_bytes, ..tables },
            None => Tables { at: now, bytes: self.engine.largest_keyspace_bytes(), memtable_bytes },
        };
        state.tables = Some(tables);
        let rewritten = tables.bytes.saturating_add(memtable_bytes).min(COMPACTION_BYTES_MAX);
        NEEDED_BYTES_MIN.saturating_add(memtable_bytes).saturating_add(rewritten)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn what_became_a_table_is_looked_for_at_once() {
        let at = Instant::now();
        let tables = Tables { at, bytes: 5 * MIB, memtable_bytes: 8 * MIB };
        assert!(tables.hold(at, 8 * MIB) && tables.hold(at, 9 * MIB));
        assert!(!tables.hold(at, 7 * MIB) && !tables.hold(at + TABLES_LOOKED_AT, 8 * MIB));
    }

    /// The states that a disk of `size_mib` goes through while its free space takes these values.
    #[track_caller]
    fn check(size_mib: u64, needed_mib: u64, steps: &[(u64, Room)]) {
        let mut room = Room::Ample;
        for (free_mib, expected) in steps {
            let disk = Disk { size: size_mib * MIB, free: free_mib * MIB };
            room = RoomLimits::default().next(room, disk, needed_mib * MIB, 0);
            assert_eq!(room, *expected, "{free_mib} MiB free of {size_mib}");
        }
    }

    #[test]
    fn states_begin_at_their_watermarks_and_end_later() {
        use Room::{Ample, Low, ReadOnly, Shed};
        let down = [(103, Ample), (101, Low), (50, Shed), (30, ReadOnly)];
        let up = [(37, ReadOnly), (39, Shed), (60, Shed), (65, Low), (120, Low), (128, Ample)];
        check(1024, 2, &[down.as_slice(), &up].concat());
        check(1024, 2, &[(1, ReadOnly), (1024, Ample)]);
    }

    #[test]
    fn a_large_disk_has_watermarks_in_bytes() {
        use Room::{Ample, Low, ReadOnly, Shed};
        check(1 << 20, 10, &[(1_100, Ample), (1_000, Low), (500, Shed), (250, ReadOnly)]);
    }

    #[test]
    fn a_commit_that_found_no_room_ends_it_until_there_is_room_for_it() {
        let room = |now, free_mib, wanted_mib| {
            let disk = Disk { size: 64 * MIB, free: free_mib * MIB };
            RoomLimits::default().next(now, disk, 10 * MIB, wanted_mib * MIB)
        };
        assert_eq!(room(Room::Shed, 14, 0), Room::Shed);
        assert_eq!(room(Room::Shed, 14, 5), Room::ReadOnly);
        assert_eq!(room(Room::ReadOnly, 18, 5), Room::ReadOnly);
        assert_eq!(room(Room::ReadOnly, 19, 5), Room::Low);
    }

    #[test]
    fn what_fjall_needs_raises_every_watermark_of_a_small_disk() {
        use Room::{Ample, Low, ReadOnly, Shed};
        check(64, 10, &[(21, Ample), (19, Low), (14, Shed), (11, ReadOnly)]);
    }
}
