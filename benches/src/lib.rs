//! What the benchmarks share: the table of what is to be reached.
//!
//! A benchmark that has a goal [`reach::record`]s what it measured, and `benches/reach` prints the newest row of
//! each name. How a measurement is taken, and its statistics, are criterion's business.

#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark whose scene fails ends"
)]
pub mod pair;
#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a benchmark whose scene fails ends"
)]
pub mod star;

pub mod cpu;
#[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a benchmark whose scene fails ends")]
pub mod disk;
#[expect(clippy::expect_used, reason = "a benchmark whose scene fails ends")]
pub mod durable;
pub mod reach;
#[expect(clippy::expect_used, reason = "a benchmark whose scene fails ends")]
pub mod small_update;
