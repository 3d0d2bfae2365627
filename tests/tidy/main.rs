//! The rules of the repository that no compiler and no linter checks, as tests.
//!
//! A rule is a function from sources or manifests to findings. Each has one test that the repository breaks it
//! nowhere, and others that it finds what it is there to find. A finding names the place and the remedy.
//! `cargo tidy` runs this theme alone.

mod code_map;
mod errors;
mod finding;
mod layers;
mod layout;
mod manifests;
mod modules;
mod names;
mod protocol;
mod repository;
mod sizes;
mod source;
mod targets;
mod test_code;
mod unfinished;
mod waiting;
