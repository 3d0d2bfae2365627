//! The reach table: what was measured, beside a reference and the goal.
//!
//! [`record`] appends one JSON object a line to `target/reach.jsonl`:
//! `{"name", "unit", "value", "reference", "ratio", "goal", "met"}`. Nothing is ever overwritten: the newest line
//! of a name counts. A run that only tests that the benchmarks work records nothing ([`measuring`]).

mod file;
mod row;
mod table;

pub use file::{ReadError, RecordError, file_path, measuring, read, record};
pub use row::{Bound, Entry, Goal, Measure, Row};
pub use table::table;
