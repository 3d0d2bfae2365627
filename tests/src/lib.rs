//! Fixtures of the integration tests: what several themes need to set a scene and to wait for an outcome.
//!
//! Nothing here knows a rule of the store, and nothing here asserts one: that is the business of the themes
//! (`tests/NAME/main.rs`, one binary each).
//!
//! Invariant: waiting happens in [`eventually`] and [`eventually_async`] only. A test names the condition that
//! it waits for and a deadline; it never waits for time to pass.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::new_without_default,
    clippy::missing_panics_doc,
    reason = "a fixture that fails is a test that fails"
)]

pub mod bad_wire;
pub mod disk;
mod eventually;
pub mod faults;
pub mod http;
pub mod memory_limit;
pub mod namespaces;
pub mod process;

pub mod program;
mod repository;
mod skipped;
pub mod tls;
pub mod web_socket;

pub use eventually::{eventually, eventually_async};
pub use repository::repository_root;
pub use skipped::{SKIPPED, skipped};
