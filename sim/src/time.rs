//! Virtual time: nanoseconds since the world began.

use replica::Clock;

/// Nanoseconds of a microsecond.
pub const MICROSECOND_NS: u64 = 1_000;
/// Nanoseconds of a millisecond.
pub const MILLISECOND_NS: u64 = 1_000_000;
/// Nanoseconds of a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// When the world began by the wall clock: 6 March 2017, in milliseconds since 1970.
const BEGINNING_WALL_MS: i64 = 1_488_758_400_000;

/// The times that a replica is told at a moment, with a wall clock that is wrong by so much.
pub(crate) fn clock(now_ns: u64, wrong_ms: i64) -> Clock {
    let now_ms = now_ns / MILLISECOND_NS;
    Clock { now_ms, wall_ms: BEGINNING_WALL_MS.saturating_add_unsigned(now_ms).saturating_add(wrong_ms) }
}
